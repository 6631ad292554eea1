/* SPDX-License-Identifier: Apache-2.0 */
/* kvs_core - what a kvs tile does: messages in, messages out
 *
 * A step core over one shard (kvs_shard.h): no I/O, no clock, no threads. The tile and the
 * simulator run the same code. Requests and answers are those of kvs_msg.h.
 *
 * No step copies more than KVS_STEP_BYTES, but for an item that is longer. A longer delta becomes a
 * job that kvs_core_poll carries on, while other messages are served: a collection is merged in
 * pieces of some items each, anything else is copied first. A longer value that is read is lent, not
 * copied.
 *
 * Owner: the kvs tile.
 */
#ifndef MB_KVS_CORE_H
#define MB_KVS_CORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "desc.h"
#include "kvs_msg.h"
#include "kvs_shard.h"

#define KVS_JOB_MAX    64 /* long merges under way at once */
#define KVS_STEP_BYTES (64u << 10)
#define KVS_PIECE_BYTES (16u << 10) /* of a collection's delta, merged in one step */

/* Where answers go. */
struct kvs_out {
	/* send delivers an answer to whom kvs_core_step was given as `from`. There is room for it:
	 * an asker has no more requests under way than its link holds. */
	void (*send)(void *ctx, uint32_t to, const struct desc *d);
	void *ctx;
};

/* A delta being copied, or merged in pieces. */
struct kvs_job {
	struct kvs_job *next;
	struct kvs_value *value; /* NULL: it is a collection, merged in pieces */
	uint32_t from;
	uint32_t done; /* bytes copied, or items merged */
	struct desc request;
};

struct kvs_core {
	struct kvs_shard *shard;
	struct kvs_out out;
	struct kvs_job *busy; /* oldest first */
	struct kvs_job *free;
	uint32_t free_cnt;
	struct kvs_job job[KVS_JOB_MAX];
	uint8_t piece[KVS_STEP_BYTES];
};

/* kvs_core_init starts a core over a shard, which outlives it. There is nothing to undo. */
void kvs_core_init(struct kvs_core *c, struct kvs_shard *shard, const struct kvs_out *out);

/* kvs_core_room says how many requests kvs_core_step will take now. */
static inline uint32_t
kvs_core_room(const struct kvs_core *c)
{
	return c->free_cnt;
}

/* kvs_core_step does one message.
 *
 * Requires:  kvs_core_room > 0; d is a request of kvs_msg.h, or a RELEASE.
 */
void kvs_core_step(struct kvs_core *c, uint32_t from, const struct desc *d);

/* kvs_core_poll carries every job on by one piece.
 *
 * Returns:   whether there was any.
 */
bool kvs_core_poll(struct kvs_core *c);

#endif
