/* SPDX-License-Identifier: Apache-2.0 */
/* tile - what a tile is to the thread that runs it
 *
 * A tile is a context and some functions. An lcore (lcore.h) calls them, always from its own one
 * thread, so nothing inside a tile needs a lock. Every function is bounded: it takes at most a
 * burst from each of its inputs and returns. A tile never blocks; it is the lcore that waits.
 *
 * No DPDK and no liburing here.
 */
#ifndef MB_RT_TILE_H
#define MB_RT_TILE_H

#include <stdbool.h>
#include <stdint.h>

/* Kinds in plan order; X(upper case, lower case). The net tile comes last: it is a client of its
 * own node, so it may wait for ctl and never folds onto another's lcore. */
#define TILE_KINDS(X)                                                                              \
	X(CTL, ctl)     /* configuration, life of processes, membership */                         \
	X(SCHED, sched) /* placement table, calls that wait, executor load */                      \
	X(CACHE, cache) /* a cache shard: index, values, snapshots */                              \
	X(KVS, kvs)     /* a key shard, private memory */                                          \
	X(GATE, gate)   /* connections of Redis clients */                                         \
	X(NET, net)     /* a socket or a NIC's queue, and the clients that come over it */

#define TILE_KIND_ENUM_(upper, lower) TILE_##upper,
enum tile_kind {
	TILE_KINDS(TILE_KIND_ENUM_) TILE_KIND_CNT /* how many; not a kind */
};

#define TILE_TIMER_NEVER UINT64_MAX

struct metrics_block;

struct tile_ops {
	enum tile_kind kind;

	/* Do a bounded amount of work: one burst of every input, at most. Returns how much was
	 * done, 0 for nothing. A poll that sent anything must not return 0, not even on a link to a
	 * tile of the same lcore: 0 from every tile is what lets the lcore sleep. */
	int (*poll)(void *ctx, uint64_t now_ns);

	/* Rare duties: timers that came due, metrics, credits, configuration. Comes when a timer is
	 * due (next_timer_ns, lcore_timer_at), every lcore_cfg.housekeeping_ns while the lcore is
	 * awake, and once after the last work before a long sleep. May send. May be NULL. */
	void (*housekeeping)(void *ctx, uint64_t now_ns);

	/* up: the lcore is about to sleep; raise every flag by which producers outside the daemon
	 * learn that they must ring (those inside read the lcore's own). Plain relaxed stores: the
	 * lcore follows with a full fence and one more poll. Down: it is awake; lower them. Calls
	 * come in pairs. May be NULL. */
	void (*arm)(void *ctx, bool up);

	/* Whether an answer of another core is awaited that may come within lcore_cfg.await_ns:
	 * then the lcore keeps its cpu for so long, though others want it. May be NULL: never. */
	bool (*awaits)(void *ctx);

	/* Whether nobody on the lcore's cpu, but who is awaited, waits for what the tile does: then
	 * an lcore that shares its cpu need not give it away after each look. Asked when the tile
	 * has worked. May be NULL: never. */
	bool (*far)(void *ctx);

	/* The earliest time at which housekeeping must be called, TILE_TIMER_NEVER for none. Asked
	 * after each housekeeping, and before the lcore sleeps. A tile without work in hand answers
	 * NEVER: an idle node arms no timer. May be NULL: never. */
	uint64_t (*next_timer_ns)(void *ctx);

	/* The node stops: take no new work, finish what was begun; returns true when there is none
	 * left. Called once a pass, after poll, from the stop on until every tile of the lcore said
	 * true or lcore_cfg.drain_ns is over. May be NULL: nothing to finish. */
	bool (*drain)(void *ctx, uint64_t now_ns);

	/* The last call, once, in the lcore's thread. May be NULL. */
	void (*stop)(void *ctx);
};

/* tile_kind_name returns "kvs" for TILE_KVS; "?" for what is no kind. */
const char *tile_kind_name(enum tile_kind kind);

/* ---- one tile as its lcore sees it ----------------------------------------------------------- */

/* Owner: the lcore that runs the tile. Others read only what is in *metrics. */
struct tile {
	const struct tile_ops *ops;
	void *ctx;
	struct metrics_block *metrics; /* rows of owner `tile` are written here */
	uint64_t wish_ns;              /* tile_timer_at; TILE_TIMER_NEVER: none */
	uint64_t due_ns; /* the earlier of the wish and of what next_timer_ns said last */
	bool drained;
};

/* tile_init ties operations, context and counters together.
 *
 * Requires:  ops->poll is set; all three outlive the tile.
 */
void tile_init(struct tile *tile, const struct tile_ops *ops, void *ctx,
	       struct metrics_block *metrics);

/* tile_poll runs one poll and accounts for it. *tsc is the time it begins; when it found work, *tsc
 * is on return the time it ended: the next tile's beginning. Returns: what poll returned. */
int tile_poll(struct tile *tile, uint64_t now_ns, uint64_t *tsc);

/* tile_housekeep runs housekeeping and finds out when it is due again. */
void tile_housekeep(struct tile *tile, uint64_t now_ns);

/* tile_timer_at wishes for housekeeping at at_ns. The earliest wish wins, until it is fulfilled. */
void tile_timer_at(struct tile *tile, uint64_t at_ns);

/* tile_due_refresh asks the tile again when housekeeping is due. Returns: tile->due_ns. */
uint64_t tile_due_refresh(struct tile *tile);

void tile_arm(struct tile *tile, bool up);

/* tile_drain returns true when the tile has nothing left to finish; true stays true. */
bool tile_drain(struct tile *tile, uint64_t now_ns);

void tile_stop(struct tile *tile);

#endif
