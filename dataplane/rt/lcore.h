/* SPDX-License-Identifier: Apache-2.0 */
/* lcore - one thread of the daemon: runs its tiles in turn, and is the only one that waits
 *
 * An lcore polls its tiles round and round. When none had work for the spin budget it sleeps in its
 * io_uring, and everything that can end the sleep is an fd there: its bell (other lcores), one
 * eventfd a peer process, sockets, pidfds. It never sleeps longer than LCORE_NAP_NS_MAX, so
 * whatever might go wrong with a wake costs a second and not for ever.
 *
 *      pass: completions ─► tile 0 ─► tile 1 ─► ... ─► housekeeping if due ─► account
 *                                      all idle for spin_ns
 *      nap:  housekeeping ─► arm tiles, waiting = 1 ─► full fence ─► one more pass ─► io_uring wait
 *
 * Life:     lcore_create ─► lcore_tile_add, lcore_watch ... ─► lcore_run (its thread) ─► lcore_stop
 *           (anyone) ─► lcore_run returns ─► lcore_destroy. An lcore runs once.
 * Threads:  "owner" below means: before lcore_run any one thread; after that only code that this
 *           lcore calls (tiles, callbacks).
 * Errors:   0 or a negative MB_ERR_*.
 */
#ifndef MB_RT_LCORE_H
#define MB_RT_LCORE_H

#include <sched.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lcore_bell.h"
#include "tile.h"
#include "topo_limits.h"

#define LCORE_NAP_NS_MAX    1000000000ull /* the longest sleep */
#define LCORE_CQE_BURST     64u           /* completions handled in one pass */
#define LCORE_WATCH_CNT_MAX 1024u         /* fds one lcore can watch, peers' eventfds included */
#define LCORE_OP_CNT_MAX    8u            /* tiles of one lcore with requests of their own */
#define LCORE_OP_TOKEN_MAX  ((UINT64_C(1) << 59) - 1)

/* two fds a peer (its socket or pidfd, its eventfd), and room for listeners */
static_assert(2 * (EXECUTOR_CNT_MAX + SPARE_CNT_MAX + CLIENT_CNT_MAX) + 64 <= LCORE_WATCH_CNT_MAX,
	      "one lcore can watch every peer");

struct io_uring;
struct io_uring_sqe;
struct lcore;
struct metrics_block;
struct timebase;

struct lcore_cfg {
	uint32_t idx; /* the plan's number: names it in reports */
	int cpu;      /* bind to this cpu; -1: leave the thread where it is */
	/* Of all lcores of the node: the kernel's workers run on others, if there are any. */
	cpu_set_t lcore_cpus;

	uint64_t spin_ns;     /* idle this long before sleeping; 0: sleep at once */
	uint64_t far_spin_ns; /* the same since a tile that is far worked, if that is longer */
	uint64_t await_ns;    /* idle this long before it gives its cpu away, if tiles await; 0: at
				   * once: whom they await needs this cpu */
	uint64_t housekeeping_ns; /* at most this long between housekeepings while awake */
	uint64_t drain_ns;        /* at most this long for tiles to drain after lcore_stop */

	const struct timebase *timebase; /* NULL: the real one */

	/* The cpu's spin token. spin_try is called when the lcore has become idle: true, it may
	 * spin until spin_release; false, somebody else spins here and it yields after each look
	 * (lcore_idle.c).
	 * Release is called before every sleep that follows a true, and at the end. spin_any tells
	 * whether who spins here instead waits for what any cpu may send him. All NULL: the cpu is
	 * this lcore's alone. Called from the lcore's thread. */
	bool (*spin_try)(void *spin_ctx);
	void (*spin_release)(void *spin_ctx);
	bool (*spin_any)(void *spin_ctx);
	void *spin_ctx;

	struct metrics_block
		*metrics; /* of owner lcore; outlives the lcore. NULL: one of its own */

	bool uring_plain; /* without deferred task run even where the kernel has it: for tests */
};

/* Filled with what a node uses; the caller then sets idx, cpu and the token. */
void lcore_cfg_default(struct lcore_cfg *ret_cfg);

/* lcore_create allocates an lcore and its io_uring.
 *
 * Returns:   0; MB_ERR_NO_URING when this kernel or its administrator has none, or one older than
 *            5.13 (multishot poll); MB_ERR_NO_MEMORY; MB_ERR_IO (out of fds).
 * Threads:   start-up only.
 */
int lcore_create(const struct lcore_cfg *cfg, struct lcore **ret_lcore);

/* lcore_destroy frees it. NULL is allowed.
 *
 * Requires:  lcore_run was never called or has returned; so has every lcore that may ring this one
 *            (whose links end here): stop and join all, then destroy.
 */
void lcore_destroy(struct lcore *lcore);

/* lcore_tile_add gives the lcore one more tile; they run in the order added, who asks before
 * whom he asks: behind the last tile of a pass that worked, those before it that worked too are run
 * once more, backwards, until one finds nothing.
 *
 * Requires:  not running; at most TILE_CNT_MAX; ops->poll is set; ops, ctx and metrics outlive the
 *            lcore. metrics NULL: counters of its own.
 * Returns:   the tile's handle for lcore_timer_at and lcore_tile_metrics: 0, 1, ... in that order.
 */
uint32_t lcore_tile_add(struct lcore *lcore, const struct tile_ops *ops, void *ctx,
			struct metrics_block *metrics);

/* lcore_run runs the tiles on the calling thread until lcore_stop; binds the thread if cfg.cpu
 * says.
 *
 * Returns:   0 after a stop in which every tile drained; MB_ERR_DEADLINE when drain_ns was over
 *            first; MB_ERR_IO when the thread cannot be bound or the io_uring fails.
 * Threads:   the thread that becomes the owner.
 */
int lcore_run(struct lcore *lcore);

/* lcore_start runs it on an EAL lcore (rte_eal_remote_launch); lcore_join waits for its end and
 * returns what lcore_run returned.
 *
 * Requires:  EAL is up; eal_lcore_id is one of its lcores, idle, not the caller's.
 * Returns:   0; MB_ERR_BUSY when that EAL lcore runs something.
 * Threads:   the main thread.
 */
int lcore_start(struct lcore *lcore, uint32_t eal_lcore_id);

int lcore_join(struct lcore *lcore);

/* lcore_stop asks for the end: tiles drain, then stop, then lcore_run returns. Again: no effect.
 *
 * Threads:   any, and signal handlers.
 */
void lcore_stop(struct lcore *lcore);

/* lcore_bell returns the bell for links that end at this lcore. Valid until lcore_destroy. */
struct lcore_bell *lcore_bell(struct lcore *lcore);

/* ---- fds ------------------------------------------------------------------------------------- */

/* Told when a watched fd has news: events as in poll(2), or a negative errno in `events_or_error`
 * when the kernel could not watch it any more (the watch is then over).
 *
 * Edge-triggered: read until EAGAIN, or nothing more is heard of what was left.
 * May call lcore_watch and lcore_unwatch, on its own fd too. */
typedef void lcore_watch_fn(void *ctx, int fd, int events_or_error);

/* lcore_watch calls fn in the loop each time fd becomes readable (POLLIN) or hangs up.
 *
 * Requires:  fd is pollable, not watched already.
 * Returns:   0; MB_ERR_FULL past LCORE_WATCH_CNT_MAX.
 * Owns:      fd stays the caller's; unwatch before closing it.
 * Threads:   owner.
 */
int lcore_watch(struct lcore *lcore, int fd, lcore_watch_fn *fn, void *ctx);

/* lcore_unwatch ends it: fn is not called again, not even for news that was already on the way.
 *
 * Returns:   0; MB_ERR_NOT_FOUND when fd is not watched.
 * Threads:   owner.
 */
int lcore_unwatch(struct lcore *lcore, int fd);

/* lcore_peer_add makes an eventfd whose only use is that one peer process writes it to wake this
 * lcore. Pass it over a Unix socket; a dup of it over there is enough to ring.
 *
 * The lcore never reads it: its flags are shared with the peer, and a peer that takes O_NONBLOCK
 * off and the count away would block us. A peer that steals its own wakes harms only itself.
 *
 * Returns:   0; MB_ERR_FULL; MB_ERR_IO (out of fds).
 * Owns:      the lcore owns the fd; lcore_peer_remove or lcore_destroy closes it.
 * Threads:   owner.
 */
int lcore_peer_add(struct lcore *lcore, int *ret_fd);

void lcore_peer_remove(struct lcore *lcore, int fd);

/* ---- requests of a tile ----------------------------------------------------------------------
 *
 * A tile with sockets puts its requests into its lcore's own io_uring: one system call then submits
 * what all tiles of the lcore want and brings what happened to any of them, and a completion ends
 * the lcore's sleep like everything else does. (A ring of its own would need a second call a pass,
 * and an eventfd between the two for each completion of a sleeping lcore.)
 */

/* Told of each completion of a request: token as given to lcore_op_sqe, res and flags as in the
 * completion. May make requests. */
typedef void lcore_op_fn(void *ctx, uint64_t token, int res, uint32_t cqe_flags);

/* lcore_op_add says who hears of a tile's completions. Requires: less than LCORE_OP_CNT_MAX so far.
 * Returns: the number for lcore_op_sqe. Threads: start-up, owner. */
uint32_t lcore_op_add(struct lcore *lcore, lcore_op_fn *fn, void *ctx);

/* lcore_op_sqe takes an entry of the submission queue for a request. The caller fills it in with
 * io_uring_prep_*, before it asks for another; it is submitted at the next pass, or sleep.
 *
 * Requires:  token <= LCORE_OP_TOKEN_MAX.
 * Returns:   the entry, its user_data set; NULL when the kernel takes none just now: try again at
 *            the next pass.
 * Threads:   owner, from its first poll on.
 */
struct io_uring_sqe *lcore_op_sqe(struct lcore *lcore, uint32_t op, uint64_t token);

/* lcore_populate has the kernel find memory for a range, on a worker of the kernel's own, so that
 * the tile does not wait for it when it comes there. A wish: nobody hears whether it was fulfilled
 * (not by a kernel before 5.14). What the memory holds does not change. Should it be unmapped
 * meanwhile, the worker finds what is there then.
 *
 * Requires:  at is aligned to pages; bytes < 4 GiB.
 * Threads:   owner, from its first poll on.
 */
void lcore_populate(struct lcore *lcore, void *at, size_t bytes);

/* lcore_busy_ns says when a tile of the lcore last had work; before any has, when it began. Now, or
 * a pass ago, while it works. Threads: owner, from its first poll on. */
uint64_t lcore_busy_ns(const struct lcore *lcore);

/* lcore_ring is the io_uring itself, to register buffers with. Threads: owner. */
struct io_uring *lcore_ring(struct lcore *lcore);

/* ---- time ------------------------------------------------------------------------------------ */

/* lcore_timer_at has tile's housekeeping called at `at_ns` (of the lcore's timebase) or soon after.
 * Of several wishes the earliest wins; housekeeping at that time or later clears it.
 *
 * Threads:   owner.
 */
void lcore_timer_at(struct lcore *lcore, uint32_t tile, uint64_t at_ns);

/* lcore_spin_longer has the lcore spin for ns at least before it sleeps: for a tile whose input
 * cannot wake it, so that a sleep costs more than elsewhere. Threads: owner. */
void lcore_spin_longer(struct lcore *lcore, uint64_t ns);

/* ---- inspection ------------------------------------------------------------------------------ */

/* lcore_metrics returns the counters of the lcore (rows `lcore`), lcore_tile_metrics those of a
 * tile (rows `tile` and the tile's own): the blocks given to it, or its own where none was given.
 *
 * Threads:   any; the values are a little old.
 */
const struct metrics_block *lcore_metrics(const struct lcore *lcore);
const struct metrics_block *lcore_tile_metrics(const struct lcore *lcore, uint32_t tile);

/* lcore_uring_text says which kind of io_uring it got: "deferred task run" or "plain". */
const char *lcore_uring_text(const struct lcore *lcore);

#endif
