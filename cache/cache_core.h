/* SPDX-License-Identifier: Apache-2.0 */
/* cache_core - what a cache tile does: messages in, messages out
 *
 * A step core over one shard of the cache region: no I/O, no threads, no clock but the one it is
 * given. The tile and the simulator run the same code. It serves FETCH, PUBLISH and SCAN of
 * processes (cache_msg.h), asks the kvs tiles (kvs_msg.h), and hears from ctl who comes and goes
 * (tile_msg.h).
 *
 * It is a replica: a write is merged into the copy here, where every reader sees it at once, its
 * delta goes to the owner in the store, and the writer hears of it when the owner has merged it.
 * For one key one delta is under way at a time; what is written meanwhile is merged into the next.
 *
 * Bounded: a step applies at most CACHE_OPS_STEP operations and copies at most CACHE_COPY_STEP
 * bytes; the rest is done by cache_core_poll. (A delta of many items, as the delete of a large
 * collection is, is merged in one piece: an operation is applied whole.)
 *
 * Owner: the cache tile. Errors: negative mb_err.
 */
#ifndef MB_CACHE_CORE_H
#define MB_CACHE_CORE_H

#include <assert.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "cache_layout.h"
#include "clock.h"
#include "desc.h"
#include "domain_limits.h"
#include "hashring.h"
#include "kvs_core.h"
#include "timebase.h"

#define CACHE_COPY_STEP (64u << 10)
#define CACHE_OPS_STEP  64
#define CACHE_JOB_MAX   512  /* publishes under way */
#define CACHE_WORK_MAX  424  /* keys that are fetched or flushed */
#define CACHE_LOAN_MAX  48   /* values lent to whoever reads them in the store (cache_lend.c) */
#define CACHE_WAIT_MAX  8192 /* whoever waits for one of them */
#define CACHE_ACTS_MAX  24   /* lists of operations at the store (cache_act.c) */
#define CACHE_SCAN_MAX  4    /* scans under way; more are BUSY */
#define CACHE_PAGE_MAX  4    /* pages of scans that a process has not given back; more are BUSY */
#define CACHE_KVS_MAX   64

/* What a link to a kvs tile must hold, so that it is never full: for each key a request and the
 * release of what the last one lent, releases of what was lent on, lists of acts, a scan, and
 * answers to what the store tells. And what a link back must hold. */
#define CACHE_KVS_DEPTH                                                                            \
	(2 * CACHE_WORK_MAX + CACHE_LOAN_MAX + CACHE_ACTS_MAX + CACHE_SCAN_MAX + KVS_TELL_WINDOW + \
	 KVS_DROP_MAX)

static_assert(KVS_CACHE_MAX * (CACHE_WORK_MAX + CACHE_ACTS_MAX + CACHE_SCAN_MAX) <= KVS_BACKLOG_MAX,
	      "a kvs tile can take all that cache tiles ask");

/* Where a message comes from. */
enum cache_side { CACHE_FROM_PROC = 1, CACHE_FROM_KVS, CACHE_FROM_CTL };

struct cache_from {
	enum cache_side side;
	uint16_t idx; /* process, or kvs tile */
};

/* The outside. None of the sends may fail: there is room, by the bounds above and in ports.h. */
struct cache_ops {
	/* An answer to a request of a process that is up. */
	void (*to_proc)(void *ctx, uint16_t proc, const struct desc *d);
	void (*to_kvs)(void *ctx, uint32_t kvs, const struct desc *d);
	void (*to_ctl)(void *ctx, const struct desc *d);
	/* view finds the bytes of a payload of another process, or not (peer_view). They are used
	 * before the step returns and not remembered. */
	int (*view)(void *ctx, const struct payload_ref *ref, const uint8_t **ret);
	/* As in cache_retire.h. */
	const _Atomic uint64_t *(*hazards)(void *ctx, uint32_t *iter);
	/* Payloads for pages of scans, in the daemon's region, held by a process. release: 0, or
	 * MB_ERR_NOT_FOUND when the process does not hold it. */
	int (*page_alloc)(void *ctx, uint16_t proc, size_t len, struct payload_ref *ret,
			  uint8_t **ret_p);
	int (*page_release)(void *ctx, uint16_t proc, uint32_t handle);
	void (*page_release_all)(void *ctx, uint16_t proc);
	/* What a process that is dead had for this tile, of a publication that it sent to several
	 * (region.h, commit). As little to be trusted as a message. Returns: false when there is
	 * none. */
	bool (*committed)(void *ctx, uint16_t proc, uint32_t inc, struct desc *ret);
	void *ctx;
};

struct cache_core_cfg {
	uint8_t *base; /* the cache region, writable, formatted */
	const struct cache_layout *layout;
	uint32_t shard;              /* which one is this tile's */
	const struct hashring *ring; /* who owns a key; outlives the core */
	uint32_t member;             /* this node in it */
	uint32_t kvs_cnt;            /* tiles of that node */
	enum kvs_ack ack;            /* of a PUBLISH that does not say; DEFAULT: one owner */
	struct writer_id writer;     /* random, not 0 */
	const struct timebase *timebase;
	struct cache_ops ops;
};

struct cache_stats {
	uint64_t fetched;       /* keys asked for that were not here: misses */
	uint64_t fetch_joined;  /* requests that joined one under way */
	uint64_t fetch_hit;     /* requests for what was here by then */
	uint64_t published;     /* write sets done */
	uint64_t op_applied;    /* operations, */
	uint64_t op_failed;     /* refused ones included */
	uint64_t passed;        /* of these, done in the store: of keys that were not here */
	uint64_t read;          /* values shown once, of such keys */
	uint64_t flushed;       /* deltas sent to the store, */
	uint64_t flush_joined;  /* operations that went along with another's */
	uint64_t flush_refused; /* deltas the store had no memory for */
	uint64_t razed;         /* collections deleted whole, for want of memory */
	uint64_t crowded;       /* copies that left no memory to change them */
	uint64_t lent;          /* values shown where the store has them */
	uint64_t scanned;       /* pages of scans */
	uint64_t told;          /* changes heard from the store, */
	uint64_t told_changed;  /* that were new here; */
	uint64_t told_dropped;  /* that cost the copy */
	uint64_t bad;           /* messages that no process of ours sends */
	uint64_t evicted;
	uint64_t hazard_scanned;
	uint64_t key_cnt, used_bytes, retired_bytes; /* now */
};

struct cache_core;

/* Returns: 0; MB_ERR_NO_MEMORY. Threads: start-up. */
int cache_core_create(struct cache_core **ret, const struct cache_core_cfg *cfg);
void cache_core_destroy(struct cache_core *c);

/* cache_core_room says how many messages of processes cache_core_step will take now. Those of kvs
 * tiles and of ctl are always taken. */
uint32_t cache_core_room(const struct cache_core *c);

/* cache_core_step does one message.
 *
 * Returns:   whether it is a request that is, or will be, answered.
 */
bool cache_core_step(struct cache_core *c, struct cache_from from, const struct desc *d);

/* cache_core_poll goes on with what is not finished, for a bounded time.
 *
 * Returns:   whether there was anything to go on with; false: all that is left waits for messages.
 */
bool cache_core_poll(struct cache_core *c);

/* cache_core_published tells the last call of a process whose write set was accepted; 0: none. */
uint64_t cache_core_published(const struct cache_core *c, uint16_t proc);

/* ---------------------------------------------------------------- inspection */

struct cache_stats cache_core_stats(const struct cache_core *c);

/* cache_core_busy counts what is under way: jobs, keys at work, waits, scans. 0: quiet. */
uint32_t cache_core_busy(const struct cache_core *c);

/* cache_core_check walks everything and stops the process at the first contradiction. For tests. */
void cache_core_check(const struct cache_core *c);

#endif
