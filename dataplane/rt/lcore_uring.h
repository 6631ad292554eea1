/* SPDX-License-Identifier: Apache-2.0 */
/* lcore_uring - the io_uring of one lcore: fds it watches, and its sleep
 *
 * Inside of lcore.c; tiles use lcore_watch and friends.
 *
 * Owner: the lcore's thread, from lcore_uring_enable on.
 */
#ifndef MB_RT_LCORE_URING_H
#define MB_RT_LCORE_URING_H

#include <sched.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <liburing.h>

#include "lcore.h"

struct lcore_uring_watch {
	int fd;             /* -1: free slot */
	uint32_t gen;       /* completions of an earlier use of the slot carry another number */
	bool armed;         /* the kernel has, or is about to get, a poll request for it */
	bool owned;         /* a peer's eventfd: closed when the watch ends */
	lcore_watch_fn *fn; /* NULL: the wake is all there is to it */
	void *ctx;
};

/* Requests that a tile makes itself. */
struct lcore_uring_op {
	lcore_op_fn *fn;
	void *ctx;
};

struct lcore_uring {
	struct io_uring ring;
	bool deferred; /* deferred task run: nothing happens between our calls */
	bool enabled;
	uint32_t want_cnt; /* watched, not armed yet */
	uint32_t free_cnt;
	uint32_t op_cnt;
	struct lcore_uring_op op[LCORE_OP_CNT_MAX];
	uint16_t free_slot[LCORE_WATCH_CNT_MAX];
	struct lcore_uring_watch watch[LCORE_WATCH_CNT_MAX];
};

/* lcore_uring_init makes the ring, disabled: the thread that enables it owns it.
 *
 * Returns:   0; MB_ERR_NO_URING; MB_ERR_NO_MEMORY; MB_ERR_IO.
 */
int lcore_uring_init(struct lcore_uring *u, bool plain);
void lcore_uring_fini(struct lcore_uring *u);

/* lcore_uring_enable makes the calling thread the owner and arms what is watched already.
 *
 * Returns:   0; MB_ERR_IO.
 */
int lcore_uring_enable(struct lcore_uring *u);

/* lcore_uring_workers_off keeps the kernel's workers of the calling thread off these cpus, whatever
 * its own affinity, which they never had. Where no other cpu is left, or the kernel refuses (before
 * 5.14), they run where they did before.
 *
 * Threads:   owner, after lcore_uring_enable.
 */
void lcore_uring_workers_off(struct lcore_uring *u, const cpu_set_t *cpus);

/* As lcore_watch, lcore_unwatch. owned: close the fd with the watch. */
int lcore_uring_watch(struct lcore_uring *u, int fd, bool owned, lcore_watch_fn *fn, void *ctx);
int lcore_uring_unwatch(struct lcore_uring *u, int fd);

/* As lcore_op_add, lcore_op_sqe. */
uint32_t lcore_uring_op_add(struct lcore_uring *u, lcore_op_fn *fn, void *ctx);
struct io_uring_sqe *lcore_uring_op_sqe(struct lcore_uring *u, uint32_t op, uint64_t token);

/* As lcore_populate. */
void lcore_uring_populate(struct lcore_uring *u, void *at, size_t bytes);

/* lcore_uring_poll submits what is to be watched and calls back for what happened.
 *
 * Returns:   how many callbacks ran, at most LCORE_CQE_BURST; MB_ERR_IO.
 * Cost:      nothing new: two loads.
 */
int lcore_uring_poll(struct lcore_uring *u);

/* lcore_uring_wait sleeps until there is something for lcore_uring_poll.
 *
 * Returns:   1, something happened (or a signal came); 0, the time is over; MB_ERR_IO.
 */
int lcore_uring_wait(struct lcore_uring *u, uint64_t timeout_ns);

#endif
