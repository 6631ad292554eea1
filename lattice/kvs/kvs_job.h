/* SPDX-License-Identifier: Apache-2.0 */
/* kvs_job - merges of deltas that are too long for one step, and acts with such a value
 *
 * A collection is merged in pieces of some items each: a part of a collection is a delta as well,
 * so between two pieces readers see the items merged so far. A long item is a piece that takes many
 * steps: its bytes are brought to where they will be before it is merged. Anything else is copied
 * first, piece by piece, and then merged whole; of an act its value is, and then what is around it
 * is made. What fails says so, and changes nothing; only a
 * collection can fail in the middle: that is MB_ERR_INDETERMINATE, and what was merged stays.
 *
 * The oldest job is refused when it finds no memory. Any other waits for those before it: they give
 * back what their values take the place of.
 *
 * Owner: the kvs tile; part of kvs_core.h, which answers.
 */
#ifndef MB_KVS_JOB_H
#define MB_KVS_JOB_H

#include <stdbool.h>
#include <stdint.h>

#include "desc.h"
#include "kvs_shard.h"

#define KVS_JOB_MAX     96          /* under way at once */
#define KVS_JOB_SPARE   32          /* of these, kept for what other tiles tell */
#define KVS_PIECE_BYTES (16u << 10) /* of a collection's delta, merged in one step */

struct kvs_job {
	struct kvs_job *next;
	struct kvs_value *value; /* NULL: it is a collection, merged in pieces */
	uint32_t from;           /* an asker, or with told a tile */
	bool told;
	bool waits;     /* for the memory of value */
	uint32_t done;  /* bytes copied, or items merged */
	uint32_t bytes; /* of these items, in this poll */
	/* A long item of a collection, on its way in pieces. */
	struct kvs_value *part; /* a delta of it alone; NULL: none yet, or the request's is one */
	uint32_t part_done;
	struct grove_ready ready; /* the leaf that it comes to */
	struct desc request;      /* DESC_KVS_MERGE, DESC_KVS_TELL; or ACT, with word[1] */
};

struct kvs_job_ops {
	/* Whether a job may merge now: asked before each piece. 0, or what it ends with. */
	int (*may)(void *ctx, const struct kvs_job *job);
	/* A piece is merged; delta is what was. last: the job ends with it. */
	void (*merged)(void *ctx, const struct kvs_job *job, struct slice delta, bool last);
	/* It ends with an error. */
	void (*failed)(void *ctx, const struct kvs_job *job, int err);
	void *ctx;
};

struct kvs_jobs {
	struct kvs_shard *shard;
	struct kvs_job_ops ops;
	struct kvs_job *busy; /* oldest first */
	struct kvs_job *free;
	uint32_t free_cnt;
	struct kvs_job job[KVS_JOB_MAX];
	uint8_t piece[KVS_STEP_BYTES];
};

void kvs_jobs_init(struct kvs_jobs *js, struct kvs_shard *shard, const struct kvs_job_ops *ops);

/* kvs_job_key is the key that a job is about. */
struct slice kvs_job_key(const struct kvs_job *job);

/* kvs_job_start begins a merge of the request's delta, or the act that it is.
 *
 * Requires:  free_cnt > 0.
 * Returns:   0: ops.merged or ops.failed ends it; MB_ERR_NO_MEMORY, MB_ERR_TOO_LARGE: neither does.
 */
int kvs_job_start(struct kvs_jobs *js, uint32_t from, bool told, const struct desc *request);

/* kvs_jobs_poll carries every job on by KVS_PIECE_BYTES of a collection, the oldest by
 * KVS_STEP_BYTES, or by one step of a long value. Returns: whether there was any. */
bool kvs_jobs_poll(struct kvs_jobs *js);

#endif
