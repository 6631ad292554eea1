/* SPDX-License-Identifier: Apache-2.0 */
/* metrics - counters with one writer each, readable by anyone
 *
 * configs/metrics.def has a row a metric: METRIC(owner, subject_what, "unit", "doc"). The owner is
 * the kind of thing that counts: a kind of tile, an lcore, an executor, a client; or `tile` for
 * what every tile counts. A row becomes the enum METRIC_<owner>_<subject_what>, and the name
 * `<owner>_<subject_what>[_<unit>]` that tools print: `kvs_gossip_batch_tx`, `lcore_time_busy_ns`.
 *
 * A block holds the counters of one owner (kvs:3). It lies where its writer can write and its
 * readers can read: in the region of the writer's process, mapped read-only by the others. Every
 * block has a slot for every metric, though it uses few: a kilobyte or two buys that an index from
 * the enum is right in any block, also in one whose header a hostile process scribbled.
 *
 * Guarantees: a reader sees each counter at some recent value, never a torn one, and never going
 * back; two counters are not from the same instant. Nothing here is an edge: all relaxed.
 *
 * No DPDK: also for clients and executors.
 */
#ifndef MB_RT_METRICS_H
#define MB_RT_METRICS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "compiler.h"

#define METRICS_NAME_BYTES_MAX 64 /* with its 0 */

/* Who counts; X(owner, is it a tile). `tile` stands for whichever tile a block belongs to: it has
 * no block of its own, so memory of zeros is no block. */
#define METRICS_OWNERS(X)                                                                          \
	X(tile, false)                                                                             \
	X(lcore, false)                                                                            \
	X(ctl, true)                                                                               \
	X(sched, true)                                                                             \
	X(cache, true)                                                                             \
	X(kvs, true)                                                                               \
	X(gate, true)                                                                              \
	X(net, true)                                                                               \
	X(exec, true)                                                                              \
	X(client, false)

#define METRICS_OWNER_ENUM_(owner, is_tile) METRICS_OWNER_##owner,
enum metrics_owner {
	METRICS_OWNERS(METRICS_OWNER_ENUM_) METRICS_OWNER_CNT /* how many; not an owner */
};

enum metric {
#define METRIC(owner, what, unit, doc) METRIC_##owner##_##what,
#include "metrics.def"
#undef METRIC
	METRIC_CNT /* how many; not a metric */
};

/* Owner: the thread that counts. Everybody else reads. */
struct metrics_block {
	uint32_t owner; /* enum metrics_owner */
	uint32_t idx;   /* kvs:3 */
	_Alignas(CACHE_LINE) _Atomic uint64_t v[METRIC_CNT];
};

/* What a row of the table says. */
struct metrics_row {
	enum metrics_owner owner;
	const char *what; /* "gossip_batch_tx" */
	const char *unit; /* "": a plain count */
	const char *doc;
};

/* metrics_init formats a block of zeros; its memory is the caller's, aligned to CACHE_LINE.
 *
 * Requires:  owner is not `tile`.
 */
void metrics_init(struct metrics_block *block, enum metrics_owner owner, uint32_t idx);

/* metrics_add and metrics_set change a counter, or what a gauge shows.
 *
 * Threads:   the block's one writer.
 * Cost:      a load and a store, no lock: one writer needs none.
 */
static inline void
metrics_add(struct metrics_block *block, enum metric m, uint64_t n)
{
	uint64_t v = atomic_load_explicit(&block->v[m], memory_order_relaxed);

	atomic_store_explicit(&block->v[m], v + n, memory_order_relaxed);
}

static inline void
metrics_set(struct metrics_block *block, enum metric m, uint64_t v)
{
	atomic_store_explicit(&block->v[m], v, memory_order_relaxed);
}

/* metrics_get reads one. Threads: any. */
static inline uint64_t
metrics_get(const struct metrics_block *block, enum metric m)
{
	return atomic_load_explicit(&block->v[m], memory_order_relaxed);
}

/* metrics_row returns what the table says. Requires: m < METRIC_CNT. */
const struct metrics_row *metrics_row(enum metric m);

/* metrics_counts tells whether blocks of that owner count m: their own rows and, for tiles, the
 * rows of `tile`. */
bool metrics_counts(enum metrics_owner owner, enum metric m);

/* metrics_name writes the name m has in a block of that owner: METRIC_tile_poll_run of a kvs tile
 * is "kvs_poll_run", METRIC_tile_time_busy "kvs_time_busy_ns".
 *
 * Requires:  metrics_counts(owner, m); METRICS_NAME_BYTES_MAX bytes at ret_name.
 */
void metrics_name(enum metrics_owner owner, enum metric m, char *ret_name);

#endif
