/* SPDX-License-Identifier: Apache-2.0 */
/* kvs_core - what a kvs tile does: messages in, messages out
 *
 * A step core over one shard (kvs_shard.h): no I/O, no clock of its own, no threads. The tile and
 * the simulator run the same code. Requests and answers are those of kvs_msg.h.
 *
 * A key is kept by the first `copies` tiles that the ring names, its owners; a hot key by more
 * (kvs_hot.h). Each of them answers reads and merges writes, and owes the others what it merged
 * (kvs_change.h). The first one, the primary, decides what concerns all: whether a key is hot, and
 * when a deleted one is forgotten (kvs_drop.h). Cache tiles ask the primary; an asker who does not
 * come from there is served by any owner, and reads what has arrived there.
 *
 * An asker that has no copy of a key can have operations done here, in the place of fetching it
 * (kvs_act.h).
 *
 * No step copies more than KVS_STEP_BYTES, but for an item that is longer. A longer delta becomes a
 * job (kvs_job.h) that kvs_core_poll carries on, while other messages are served; a longer value
 * that is read is lent, not copied.
 *
 * Owner: the kvs tile.
 */
#ifndef MB_KVS_CORE_H
#define MB_KVS_CORE_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "desc.h"
#include "hashring.h"
#include "kvs_act.h"
#include "kvs_change.h"
#include "kvs_drop.h"
#include "kvs_hot.h"
#include "kvs_job.h"
#include "kvs_msg.h"
#include "kvs_shard.h"

/* Requests that wait for a job or a change to be free, while answers that free them are taken. More
 * than all cache tiles can have under way. */
#define KVS_BACKLOG_MAX 4096

/* Where messages go. */
struct kvs_out {
	/* send delivers an answer to whom kvs_core_step was given as `from`; of those below
	 * cache_cnt also what a cache has to be told. There is room for it: an asker has no more
	 * requests under way than its link holds, and the store no more than its windows. */
	void (*send)(void *ctx, uint32_t to, const struct desc *d);
	/* The same to another kvs tile. NULL: there is none. */
	void (*send_tile)(void *ctx, uint32_t tile, const struct desc *d);
	/* A key gains or loses tiles. NULL: nobody wants to know. */
	void (*decided)(void *ctx, const struct kvs_hot_decision *d);
	void *ctx;
};

struct kvs_core_cfg {
	const struct hashring *ring; /* outlives the core */
	uint32_t member;             /* this node in it */
	uint32_t self, tile_cnt;
	uint32_t cache_cnt; /* askers below it are cache tiles and keep copies; others do not */
	uint32_t copies;    /* tiles that have a key; above tile_cnt means all */
	enum kvs_ack ack;   /* of a MERGE that does not say */
	uint64_t period_ns, ack_timeout_ns;
	uint64_t drop_pause_ns; /* between two sweeps for deleted keys */
	const struct timebase *timebase;
};

static_assert(KVS_JOB_MAX <= KVS_WAIT_SPARE, "every job finds a wait");
static_assert(KVS_JOB_MAX <= KVS_CHANGE_SPARE, "every job finds a change");

struct kvs_backlog {
	uint32_t from;
	struct desc d;
};

/* A key that was hot, until the tiles that need not have it any more have given it up. */
struct kvs_leave {
	struct kvs_key *key;  /* NULL: free */
	uint64_t asked, left; /* who has not answered; who is still to be asked */
};

struct kvs_core {
	struct kvs_shard *shard;
	struct kvs_core_cfg cfg;
	struct kvs_out out;
	uint64_t now_ns; /* of the last kvs_core_poll */
	uint32_t backlog_head, backlog_cnt;
	uint64_t leave_ns; /* when kvs_leave goes on; UINT64_MAX: nothing leaves */
	struct kvs_leave leave[KVS_HOT_MAX];
	struct kvs_changes changes;
	struct kvs_drops drops;
	struct kvs_hot hot;
	struct kvs_jobs jobs;
	struct kvs_backlog backlog[KVS_BACKLOG_MAX];
	uint8_t act_mem[KVS_STEP_BYTES]; /* the delta of an act */
};

/* kvs_core_init starts a core over a shard, which outlives it. There is nothing to undo. */
void kvs_core_init(struct kvs_core *c, struct kvs_shard *shard, const struct kvs_core_cfg *cfg,
		   const struct kvs_out *out);

/* kvs_core_room says how many requests kvs_core_step will take now. Messages of other kvs tiles,
 * and answers, are always taken. */
uint32_t kvs_core_room(const struct kvs_core *c);

/* kvs_core_step does one message of an asker: a cache tile, or somebody else.
 *
 * Requires:  d is a request of kvs_msg.h and kvs_core_room > 0; or a RELEASE, TOLD or DROPPED.
 */
void kvs_core_step(struct kvs_core *c, uint32_t from, const struct desc *d);

/* kvs_core_burst does cnt of them, at most KVS_PREFETCH_MAX, and lets the memory fetch what all
 * will touch before the first is done. */
void kvs_core_burst(struct kvs_core *c, uint32_t from, const struct desc *d, uint32_t cnt);

/* kvs_core_step_tile does one message of another kvs tile. */
void kvs_core_step_tile(struct kvs_core *c, uint32_t tile, const struct desc *d);

/* kvs_core_poll takes note of the time, carries every job on by one piece, and does what is due.
 *
 * Returns:   whether there was any.
 */
bool kvs_core_poll(struct kvs_core *c, uint64_t now_ns);

/* kvs_core_timer is when kvs_core_poll must be called at the latest; UINT64_MAX: never, as long as
 * there are no messages. */
uint64_t kvs_core_timer(const struct kvs_core *c);

/* kvs_core_busy counts what is under way: jobs, changes, drops. 0: quiet. */
uint32_t kvs_core_busy(const struct kvs_core *c);

#endif
