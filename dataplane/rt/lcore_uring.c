/* SPDX-License-Identifier: Apache-2.0 */
/* lcore_uring.c - multishot polls, and why nothing is ever read here
 *
 * Each watched fd has one multishot poll request in the kernel; a completion carries its slot and
 * the slot's generation.
 *
 *      slot  free ──watch──► wanted ──submit──► armed ──unwatch──► free (generation + 1)
 *                              ▲                  │
 *                              └── poll ended ────┘
 *
 * I1  A callback runs only for a completion whose generation is the slot's: after unwatch, what was
 *     already under way finds nobody.
 * I2  A watched slot is armed, or wanted and will be before the next sleep.
 * I3  No read, no write, no accept on a watched fd here: whoever watches knows how to empty it.
 *
 * Multishot polls report edges: every write to an eventfd is one, also when the count was not taken
 * away since the last. So bells need no read: a system call saved a wake, and with peers' eventfds
 * a safety: their file flags are shared with the peer, who could clear O_NONBLOCK, take the count
 * away, and leave this thread in a read for ever. The count runs to its end after 2^64 wakes.
 *
 * The ring asks for single issuer and deferred task run: completions are then made inside our own
 * calls, without interrupting the thread. TASKRUN_FLAG goes with it, or a peek would never see that
 * there are any. Kernels without (before 6.1) get a plain ring. Without multishot poll (before
 * 5.13) there is no node: that is MB_ERR_NO_URING, as when an administrator has switched io_uring
 * off.
 *
 * The ring begins disabled because a single issuer is whoever comes first, and that must be the
 * lcore's thread, not the one that creates it.
 */
#include "lcore_uring.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <microburst/error.h>

#include "check.h"
#include "compiler.h"
#include "timebase.h"

#define SQ_ENTRY_CNT 128
#define CQ_ENTRY_CNT                                                                               \
	(4 * LCORE_WATCH_CNT_MAX) /* every watch may fire some times between two looks */
#define UDATA_NONE     UINT64_MAX /* completions nobody waits for */
/* The top bit says whose completion it is: a tile's request (its number, its token), or a watch's
 * (generation, slot). */
#define UDATA_OP       (UINT64_C(1) << 63)
#define UDATA_OP_SHIFT 59
#define GEN_MAX        0x7fffffffu

static_assert(LCORE_OP_CNT_MAX <= 8, "four bits with the top one set, less the one of UDATA_NONE");

static int
err_of(int rc)
{
	switch (-rc) {
	case ENOSYS: /* built without, or refused by a seccomp filter */
	case EPERM:  /* kernel.io_uring_disabled */
		return MB_ERR_NO_URING;
	case ENOMEM:
		return MB_ERR_NO_MEMORY;
	default:
		return MB_ERR_IO;
	}
}

static int
ring_open(struct io_uring *ring, uint32_t flags)
{
	struct io_uring_params p = {
		.flags = IORING_SETUP_R_DISABLED | IORING_SETUP_CQSIZE | flags,
		.cq_entries = CQ_ENTRY_CNT,
	};
	int rc = io_uring_queue_init_params(SQ_ENTRY_CNT, ring, &p);

	if (rc == 0 && (p.features & IORING_FEAT_RSRC_TAGS) == 0) { /* came with multishot poll */
		io_uring_queue_exit(ring);
		return -ENOSYS;
	}
	return rc;
}

int
lcore_uring_init(struct lcore_uring *u, bool plain)
{
	int rc = -EINVAL;

	memset(u, 0, sizeof(*u));
	for (uint32_t i = 0; i < LCORE_WATCH_CNT_MAX; i++) {
		u->watch[i].fd = -1;
		u->free_slot[i] = (uint16_t)(LCORE_WATCH_CNT_MAX - 1 - i);
	}
	u->free_cnt = LCORE_WATCH_CNT_MAX;

	if (!plain) {
		rc = ring_open(&u->ring, IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
						 IORING_SETUP_TASKRUN_FLAG);
		u->deferred = rc == 0;
	}
	if (rc == -EINVAL) { /* this kernel does not know one of the flags */
		rc = ring_open(&u->ring, 0);
	}
	return rc == 0 ? MB_OK : err_of(rc);
}

void
lcore_uring_fini(struct lcore_uring *u)
{
	io_uring_queue_exit(&u->ring);
	for (uint32_t i = 0; i < LCORE_WATCH_CNT_MAX; i++) {
		if (u->watch[i].fd >= 0 && u->watch[i].owned) {
			close(u->watch[i].fd);
		}
	}
}

static uint64_t
udata_of(const struct lcore_uring *u, const struct lcore_uring_watch *w)
{
	return (uint64_t)w->gen << 32 | (uint64_t)(w - u->watch);
}

/* Returns an entry of the submission queue, or NULL when the kernel takes none just now. */
static struct io_uring_sqe *
sqe_get(struct lcore_uring *u)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&u->ring);

	if (sqe == NULL) {
		io_uring_submit(&u->ring);
		sqe = io_uring_get_sqe(&u->ring);
	}
	return sqe;
}

uint32_t
lcore_uring_op_add(struct lcore_uring *u, lcore_op_fn *fn, void *ctx)
{
	REQUIRE(fn != NULL);
	REQUIRE(u->op_cnt < LCORE_OP_CNT_MAX);
	u->op[u->op_cnt] = (struct lcore_uring_op){ fn, ctx };
	return u->op_cnt++;
}

struct io_uring_sqe *
lcore_uring_op_sqe(struct lcore_uring *u, uint32_t op, uint64_t token)
{
	struct io_uring_sqe *sqe;

	REQUIRE(op < u->op_cnt, "op=%u", op);
	REQUIRE(token <= LCORE_OP_TOKEN_MAX);
	sqe = sqe_get(u);
	if (sqe != NULL) {
		/* Should the caller not fill it in, it is nothing. */
		io_uring_prep_nop(sqe);
		io_uring_sqe_set_data64(sqe, UDATA_OP | (uint64_t)op << UDATA_OP_SHIFT | token);
	}
	return sqe;
}

void
lcore_uring_populate(struct lcore_uring *u, void *at, size_t bytes)
{
	struct io_uring_sqe *sqe = sqe_get(u);

	REQUIRE(bytes <= UINT32_MAX, "bytes=%zu", bytes);
	if (sqe != NULL) {
		/* The kernel gives each madvise to a worker. */
		io_uring_prep_madvise(sqe, at, (off_t)bytes, MADV_POPULATE_WRITE);
		io_uring_sqe_set_data64(sqe, UDATA_NONE);
	}
}

/* Moves wanted watches to the kernel. What does not fit stays wanted. */
static void
watches_arm(struct lcore_uring *u)
{
	for (uint32_t i = 0; i < LCORE_WATCH_CNT_MAX && u->want_cnt > 0; i++) {
		struct lcore_uring_watch *w = &u->watch[i];
		struct io_uring_sqe *sqe;

		if (w->fd < 0 || w->armed) {
			continue;
		}
		sqe = sqe_get(u);
		if (sqe == NULL) {
			return;
		}
		io_uring_prep_poll_multishot(sqe, w->fd, POLLIN);
		io_uring_sqe_set_data64(sqe, udata_of(u, w));
		w->armed = true;
		u->want_cnt--;
	}
}

/* Returns 0, also when the kernel is short of memory: the next pass tries again. */
static int
submit(struct lcore_uring *u)
{
	int rc = 0;

	if (u->want_cnt > 0) {
		watches_arm(u);
	}
	if (io_uring_sq_ready(&u->ring) > 0) {
		rc = io_uring_submit(&u->ring);
	}
	return rc >= 0 || rc == -EAGAIN || rc == -EBUSY || rc == -EINTR ? MB_OK : MB_ERR_IO;
}

int
lcore_uring_enable(struct lcore_uring *u)
{
	REQUIRE(!u->enabled);
	/* io_uring_enable_rings, which liburing 2.3 declares but does not export. */
	if (syscall(__NR_io_uring_register, u->ring.ring_fd, IORING_REGISTER_ENABLE_RINGS, NULL,
		    0) < 0) {
		return MB_ERR_IO;
	}
	u->enabled = true;
	return submit(u);
}

/* All cpus that the process's cgroup leaves it. The kernel does not tell them of workers; it cuts
 * an affinity down to them. Returns 0 or -1. */
static int
cgroup_cpus(cpu_set_t *ret_set)
{
	cpu_set_t mine, all;
	int rc = -1;

	memset(&all, 0xff, sizeof(all));
	if (sched_getaffinity(0, sizeof(mine), &mine) != 0) {
		return -1;
	}
	if (sched_setaffinity(0, sizeof(all), &all) == 0) {
		rc = sched_getaffinity(0, sizeof(*ret_set), ret_set);
		sched_setaffinity(0, sizeof(mine), &mine);
	}
	return rc;
}

void
lcore_uring_workers_off(struct lcore_uring *u, const cpu_set_t *cpus)
{
	cpu_set_t all, both, rest;

	REQUIRE(u->enabled);
	if (cgroup_cpus(&all) != 0) {
		return;
	}
	CPU_AND(&both, &all, cpus);
	CPU_XOR(&rest, &all, &both);
	if (CPU_COUNT(&rest) > 0) {
		io_uring_register_iowq_aff(&u->ring, sizeof(rest), &rest);
	}
}

static struct lcore_uring_watch *
watch_find(struct lcore_uring *u, int fd)
{
	for (uint32_t i = 0; i < LCORE_WATCH_CNT_MAX; i++) {
		if (u->watch[i].fd == fd) {
			return &u->watch[i];
		}
	}
	return NULL;
}

int
lcore_uring_watch(struct lcore_uring *u, int fd, bool owned, lcore_watch_fn *fn, void *ctx)
{
	struct lcore_uring_watch *w;

	REQUIRE(fd >= 0, "fd=%d", fd);
	REQUIRE(watch_find(u, fd) == NULL, "fd=%d", fd);
	if (u->free_cnt == 0) {
		return MB_ERR_FULL;
	}
	w = &u->watch[u->free_slot[--u->free_cnt]];
	w->fd = fd;
	w->owned = owned;
	w->fn = fn;
	w->ctx = ctx;
	u->want_cnt++; /* keeps I2: the next lcore_uring_poll or _wait submits it */
	return MB_OK;
}

/* Frees the slot. The kernel has no request for it, or was told to end it. */
static void
watch_free(struct lcore_uring *u, struct lcore_uring_watch *w)
{
	if (w->owned) {
		close(w->fd);
	}
	u->want_cnt -= !w->armed;
	w->fd = -1;
	w->gen = (w->gen + 1) & GEN_MAX; /* keeps I1 */
	w->armed = false;
	u->free_slot[u->free_cnt++] = (uint16_t)(w - u->watch);
}

int
lcore_uring_unwatch(struct lcore_uring *u, int fd)
{
	struct lcore_uring_watch *w = watch_find(u, fd);
	struct io_uring_sqe *sqe;

	REQUIRE(fd >= 0, "fd=%d", fd);
	if (w == NULL) {
		return MB_ERR_NOT_FOUND;
	}
	sqe = w->armed ? sqe_get(u) : NULL;
	if (sqe != NULL) { /* else the request ends by itself with the next event: I1 holds */
		io_uring_prep_poll_remove(sqe, udata_of(u, w));
		io_uring_sqe_set_data64(sqe, UDATA_NONE);
		/* Now, not with the next batch: the request holds the file open, and whoever closes
		 * a socket wants the other side to hear of it. */
		io_uring_submit(&u->ring);
	}
	watch_free(u, w);
	return MB_OK;
}

/* Returns 1 when a callback ran. */
static int
completion_handle(struct lcore_uring *u, const struct io_uring_cqe *cqe)
{
	uint32_t slot = (uint32_t)cqe->user_data;
	uint32_t gen = (uint32_t)(cqe->user_data >> 32);
	struct lcore_uring_watch *w;
	lcore_watch_fn *fn;
	void *ctx;
	int fd;

	if (cqe->user_data == UDATA_NONE) {
		return 0;
	}
	if ((cqe->user_data & UDATA_OP) != 0) {
		const struct lcore_uring_op *op =
			&u->op[cqe->user_data >> UDATA_OP_SHIFT & (LCORE_OP_CNT_MAX - 1)];

		op->fn(op->ctx, cqe->user_data & LCORE_OP_TOKEN_MAX, cqe->res, cqe->flags);
		return 1;
	}
	INSIST(slot < LCORE_WATCH_CNT_MAX, "slot=%u", slot);
	w = &u->watch[slot];
	if (w->fd < 0 || w->gen != gen) {
		return 0; /* keeps I1 */
	}
	fn = w->fn;
	ctx = w->ctx;
	fd = w->fd;
	if (cqe->res < 0) {
		watch_free(u, w);
	} else if ((cqe->flags & IORING_CQE_F_MORE) == 0) {
		w->armed = false;
		u->want_cnt++; /* keeps I2 */
	}
	if (fn == NULL) {
		return 0;
	}
	fn(ctx, fd, cqe->res);
	return 1;
}

int
lcore_uring_poll(struct lcore_uring *u)
{
	struct io_uring_cqe *cqe[LCORE_CQE_BURST];
	uint32_t n;
	int ran = 0;

	if (unlikely(u->want_cnt > 0 || io_uring_sq_ready(&u->ring) > 0) && submit(u) != MB_OK) {
		return MB_ERR_IO;
	}
	n = io_uring_peek_batch_cqe(&u->ring, cqe, LCORE_CQE_BURST);
	for (uint32_t i = 0; i < n; i++) {
		ran += completion_handle(u, cqe[i]);
	}
	io_uring_cq_advance(&u->ring, n);
	return ran;
}

int
lcore_uring_wait(struct lcore_uring *u, uint64_t timeout_ns)
{
	struct __kernel_timespec ts = {
		.tv_sec = (int64_t)(timeout_ns / NS_PER_S),
		.tv_nsec = (int64_t)(timeout_ns % NS_PER_S),
	};
	struct io_uring_cqe *cqe;
	int rc;

	if (u->want_cnt > 0) {
		watches_arm(u);
	}
	rc = io_uring_submit_and_wait_timeout(&u->ring, &cqe, 1, &ts, NULL);
	if (rc >= 0 || rc == -EINTR || rc == -EAGAIN || rc == -EBUSY) {
		return 1;
	}
	return rc == -ETIME ? 0 : MB_ERR_IO;
}
