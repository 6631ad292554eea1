/* SPDX-License-Identifier: Apache-2.0 */
/* lcore.c - the loop
 *
 * Three states, of which only the last costs the others something:
 *
 *      busy ──nobody has work──► spinning ──spin_ns, far_spin_ns over──► asleep
 *        ▲                          │   ▲                     │
 *        └───────── work ───────────┘   └──── any wake ───────┘
 *
 * A busy lcore never looks at the clock for anybody's sake but its own, never enters the kernel,
 * and nobody rings it. A spinning one is the same without work; what it does with its cpu meanwhile
 * lcore_idle.c says. An asleep one must be rung.
 *
 * I1  Before the wait: every waiting flag up, then a full fence, then every queue looked at once
 *     more. (The argument is in lcore_bell.h.) A pass that found anything, or a stop, calls the
 *     sleep off.
 * I2  No wait is longer than LCORE_NAP_NS_MAX: a flag that a hostile process took down, or a wake
 *     that it stole, costs that process a second.
 * I3  The only timers are those that tiles ask for, and I2's second. None of them is armed in the
 *     kernel: the earliest is the length of the wait.
 * I4  Whatever runs once a pass is bounded, so a tile's turn comes round.
 *
 * Why one thread for many tiles at all: on a small machine there is nothing else, and on a large
 * one it is the same loop with one tile in it.
 *
 * Rejected: naps of some microseconds instead of a bell (one wake costs 25 µs of CPU here, at 1 kHz
 * that is 2.5 % of a core for nothing); epoll (a second system call a wake, and no timers of its
 * own).
 */
#include "lcore.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <rte_launch.h>
#include <rte_lcore.h>

#include <microburst/error.h>

#include "check.h"
#include "compiler.h"
#include "lcore_idle.h"
#include "lcore_uring.h"
#include "metrics.h"
#include "timebase.h"

#define LCORE_MAGIC UINT32_C(0x4d424c43)
#define NOT_STARTED UINT32_MAX

/* About what a wake costs both sides: never twice the best. */
#define SPIN_NS (50 * NS_PER_US)

struct lcore {
	struct lcore_bell bell; /* first: a line of its own, read by every producer */

	_Alignas(CACHE_LINE) uint32_t magic;
	struct lcore_cfg cfg;
	struct metrics_block *metrics;
	uint64_t now_ns;
	uint64_t tsc;             /* when the last poll that found work ended, or the pass began */
	uint64_t booked_tsc;      /* the time before is accounted for */
	uint64_t due_ns;          /* no tile's housekeeping is due before */
	uint64_t housekeeping_ns; /* all tiles' housekeeping is due */
	struct lcore_idle idle;
	bool untidy; /* worked since all tiles' last housekeeping */
	uint32_t eal_lcore_id;
	uint32_t tile_cnt;
	struct tile tile[TILE_CNT_MAX];
	struct lcore_uring uring;

	_Alignas(CACHE_LINE) _Atomic bool stop;

	struct metrics_block own_metrics;
	struct metrics_block own_tile_metrics[TILE_CNT_MAX];
};

/* ---- life ------------------------------------------------------------------------------------ */

void
lcore_cfg_default(struct lcore_cfg *ret_cfg)
{
	*ret_cfg = (struct lcore_cfg){
		.cpu = -1,
		.spin_ns = SPIN_NS,
		.far_spin_ns = SPIN_NS,
		.await_ns = 5 * NS_PER_US, /* what two switches take here: never twice the best */
		.housekeeping_ns = 1 * NS_PER_MS,
		.drain_ns = NS_PER_S,
	};
}

int
lcore_create(const struct lcore_cfg *cfg, struct lcore **ret_lcore)
{
	struct lcore *l = aligned_alloc(CACHE_LINE, ALIGN_UP(sizeof(*l), CACHE_LINE));
	int err;

	REQUIRE((cfg->spin_try == NULL) == (cfg->spin_release == NULL));
	REQUIRE((cfg->spin_try == NULL) == (cfg->spin_any == NULL));
	REQUIRE(cfg->cpu < CPU_CNT_MAX, "cpu=%d", cfg->cpu);
	if (l == NULL) {
		return MB_ERR_NO_MEMORY;
	}
	memset(l, 0, sizeof(*l));
	err = lcore_uring_init(&l->uring, cfg->uring_plain);
	if (err != MB_OK) {
		free(l);
		return err;
	}
	l->bell.fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (l->bell.fd < 0) {
		lcore_uring_fini(&l->uring);
		free(l);
		return MB_ERR_IO;
	}
	err = lcore_uring_watch(&l->uring, l->bell.fd, true, NULL, NULL);
	ENSURE(err == MB_OK, "err=%d", err); /* the first watch has room */

	l->cfg = *cfg;
	if (l->cfg.timebase == NULL) {
		l->cfg.timebase = timebase_real();
	}
	l->metrics = cfg->metrics;
	if (l->metrics == NULL) {
		l->metrics = &l->own_metrics;
		metrics_init(l->metrics, METRICS_OWNER_lcore, cfg->idx);
	}
	l->due_ns = TILE_TIMER_NEVER;
	l->eal_lcore_id = NOT_STARTED;
	l->magic = LCORE_MAGIC;
	*ret_lcore = l;
	return MB_OK;
}

void
lcore_destroy(struct lcore *lcore)
{
	if (lcore == NULL) {
		return;
	}
	REQUIRE(lcore->magic == LCORE_MAGIC);
	REQUIRE(lcore->eal_lcore_id == NOT_STARTED);
	lcore->magic = 0;
	lcore_uring_fini(&lcore->uring); /* closes the bell and the peers' eventfds */
	free(lcore);
}

static enum metrics_owner
owner_of(enum tile_kind kind)
{
#define X(upper, lower) [TILE_##upper] = METRICS_OWNER_##lower,
	static const enum metrics_owner owner[] = { TILE_KINDS(X) };
#undef X

	return owner[kind];
}

uint32_t
lcore_tile_add(struct lcore *lcore, const struct tile_ops *ops, void *ctx,
	       struct metrics_block *metrics)
{
	uint32_t idx = lcore->tile_cnt;

	REQUIRE(!lcore->uring.enabled);
	REQUIRE(idx < TILE_CNT_MAX);
	if (metrics == NULL) {
		metrics = &lcore->own_tile_metrics[idx];
		metrics_init(metrics, owner_of(ops->kind), idx);
	}
	tile_init(&lcore->tile[idx], ops, ctx, metrics);
	lcore->tile_cnt++;
	return idx;
}

void
lcore_stop(struct lcore *lcore)
{
	/* R12: release; pairs with A12 in stop_asked. What was written before is seen by drain. */
	atomic_store_explicit(&lcore->stop, true, memory_order_release);
	lcore_bell_ring(&lcore->bell);
}

static bool
stop_asked(const struct lcore *l)
{
	/* A12: acquire; pairs with R12 in lcore_stop. */
	return atomic_load_explicit(&l->stop, memory_order_acquire);
}

struct lcore_bell *
lcore_bell(struct lcore *lcore)
{
	return &lcore->bell;
}

/* ---- what happens once a pass ---------------------------------------------------------------- */

/* Returns whether there was work: a tile's, or events that came before. An answer goes the way back
 * of its question: behind the last tile that worked those before it are polled again, as long as
 * they worked and do so again. So a write is asked, done and answered in one pass where all that it
 * passes are on one lcore. */
static bool
tiles_poll(struct lcore *l, bool events)
{
	uint64_t worked = 0;
	uint32_t i;

	l->tsc = timebase_tsc();
	for (i = 0; i < l->tile_cnt; i++) {
		if (tile_poll(&l->tile[i], l->now_ns, &l->tsc) != 0) {
			worked |= UINT64_C(1) << i;
		}
	}
	if (worked != 0) {
		i = 63 - (uint32_t)__builtin_clzll(worked);
		while (i-- > 0 && (worked >> i & 1) != 0 &&
		       tile_poll(&l->tile[i], l->now_ns, &l->tsc) != 0) {
		}
	}
	lcore_idle_pass(&l->idle, worked, events, l->now_ns);
	return worked != 0 || events;
}

/* Asks every tile when its housekeeping is due. */
static void
due_refresh(struct lcore *l)
{
	l->due_ns = TILE_TIMER_NEVER;
	for (uint32_t i = 0; i < l->tile_cnt; i++) {
		l->due_ns = MIN(l->due_ns, tile_due_refresh(&l->tile[i]));
	}
}

/* Housekeeping of the tiles whose time has come; of all of them once a period, or when told so. */
static void
tiles_housekeep(struct lcore *l, bool all)
{
	all |= l->now_ns >= l->housekeeping_ns;
	if (likely(!all && l->now_ns < l->due_ns)) {
		return;
	}
	for (uint32_t i = 0; i < l->tile_cnt; i++) {
		if (all || l->now_ns >= l->tile[i].due_ns) {
			tile_housekeep(&l->tile[i], l->now_ns);
		}
	}
	if (all) {
		l->housekeeping_ns = l->now_ns + l->cfg.housekeeping_ns;
		l->untidy = false;
	}
	due_refresh(l);
}

/* Books the time since the last booking under m. */
static void
book(struct lcore *l, enum metric m)
{
	metrics_add(l->metrics, m, timebase_tsc_to_ns(l->tsc - l->booked_tsc));
	l->booked_tsc = l->tsc;
}

/* Remembers what kind of pass this was. */
static void
account(struct lcore *l, bool busy)
{
	metrics_add(l->metrics, METRIC_lcore_pass_run, 1);
	book(l, busy ? METRIC_lcore_time_busy : METRIC_lcore_time_idle);
	l->untidy |= busy;
}

/* ---- waiting --------------------------------------------------------------------------------- */

static void
arm(struct lcore *l, bool up)
{
	for (uint32_t i = 0; i < l->tile_cnt; i++) {
		tile_arm(&l->tile[i], up);
	}
	atomic_store_explicit(&l->bell.waiting, up, memory_order_relaxed);
}

/* How long the wait may be: to the earliest timer, to `until_ns`, a second. 0: something is due. */
static uint64_t
nap_length(struct lcore *l, uint64_t until_ns)
{
	uint64_t at;

	due_refresh(l);
	at = MIN(l->due_ns, until_ns);
	l->now_ns = timebase_now_ns(l->cfg.timebase);
	return at <= l->now_ns ? 0 : MIN(at - l->now_ns, LCORE_NAP_NS_MAX);
}

/* Sleeps, unless the last look finds work. Returns 0 or MB_ERR_IO. Who is woken for one message
 * after the other keeps house once a period too, not before each sleep; the last time by the
 * timer. */
static int
nap(struct lcore *l, uint64_t until_ns, bool stopping)
{
	uint64_t length_ns;
	int rc = 1;

	if (l->untidy && l->now_ns >= l->housekeeping_ns) {
		tiles_housekeep(l, true);
	} else if (l->untidy) {
		until_ns = MIN(until_ns, l->housekeeping_ns);
	}
	lcore_idle_end(&l->idle);

	arm(l, true);
	/* R11: full fence; pairs with A11 in lcore_bell_ring_if_waiting, and with those of the
	 * processes whose flags tile_ops.arm raised. Without it our looks below could be done
	 * before the flags are seen, and a producer in between would neither be seen nor ring.
	 * Keeps I1. */
	atomic_thread_fence(memory_order_seq_cst);
	length_ns = nap_length(l, until_ns);
	if (tiles_poll(l, false)) {
		metrics_add(l->metrics, METRIC_lcore_nap_refused, 1);
		account(l, true);
	} else if (length_ns > 0 && stop_asked(l) == stopping) {
		metrics_add(l->metrics, METRIC_lcore_nap_begun, 1);
		book(l, METRIC_lcore_time_idle);
		rc = lcore_uring_wait(&l->uring, length_ns);
		l->tsc = timebase_tsc();
		book(l, METRIC_lcore_time_asleep);
		metrics_add(l->metrics,
			    rc > 0 ? METRIC_lcore_event_woken : METRIC_lcore_timer_woken, 1);
	}
	arm(l, false);
	return rc < 0 ? rc : MB_OK;
}

/* ---- the loop -------------------------------------------------------------------------------- */

/* True when the lcore may end: asked to, and every tile has nothing left to finish. */
static bool
drained(struct lcore *l)
{
	bool all = true;

	for (uint32_t i = 0; i < l->tile_cnt; i++) {
		all &= tile_drain(&l->tile[i], l->now_ns);
	}
	return all;
}

static int
loop(struct lcore *l)
{
	uint64_t drain_until_ns = UINT64_MAX; /* set when a stop is asked for */

	for (;;) {
		int events = lcore_uring_poll(&l->uring); /* <= LCORE_CQE_BURST callbacks */
		bool busy;
		int err;

		l->now_ns = timebase_now_ns(l->cfg.timebase);
		busy = tiles_poll(l, events > 0); /* <= a burst of each input of each tile */
		tiles_housekeep(l, false);        /* those whose time has come */
		account(l, busy);

		if (unlikely(events < 0)) {
			return events;
		}
		if (unlikely(stop_asked(l))) {
			if (drain_until_ns == UINT64_MAX) {
				drain_until_ns = l->now_ns + l->cfg.drain_ns;
			}
			if (drained(l)) {
				return MB_OK;
			}
			if (l->now_ns >= drain_until_ns) {
				return MB_ERR_DEADLINE;
			}
		}
		switch (busy ? lcore_idle_worked(&l->idle, l->now_ns)
			     : lcore_idle_next(&l->idle, l->now_ns)) {
		case LCORE_IDLE_LOOK:
			break;
		case LCORE_IDLE_SPIN:
			cpu_pause();
			break;
		case LCORE_IDLE_GIVE:
			sched_yield();
			break;
		case LCORE_IDLE_SLEEP:
			err = nap(l, drain_until_ns, drain_until_ns != UINT64_MAX);
			if (err != MB_OK) {
				return err;
			}
		}
	}
}

static int
bind_here(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET((size_t)cpu, &set);
	return sched_setaffinity(0, sizeof(set), &set) == 0 ? MB_OK : MB_ERR_IO;
}

int
lcore_run(struct lcore *lcore)
{
	struct lcore *l = lcore;
	int err = MB_OK;

	REQUIRE(l->magic == LCORE_MAGIC);
	REQUIRE(l->tile_cnt > 0);
	if (l->cfg.cpu >= 0) {
		err = bind_here(l->cfg.cpu);
	}
	if (err == MB_OK) {
		err = lcore_uring_enable(&l->uring);
	}
	if (err == MB_OK) {
		lcore_uring_workers_off(&l->uring, &l->cfg.lcore_cpus);
		timebase_tsc_calibrate();
		l->now_ns = timebase_now_ns(l->cfg.timebase);
		lcore_idle_begin(&l->idle, &l->cfg, l->tile, l->tile_cnt, l->metrics, l->now_ns);
		l->booked_tsc = timebase_tsc();
		err = loop(l);
	}
	lcore_idle_end(&l->idle);
	for (uint32_t i = 0; i < l->tile_cnt; i++) {
		tile_stop(&l->tile[i]);
	}
	return err;
}

/* ---- on an EAL lcore ------------------------------------------------------------------------- */

static int
run_launched(void *lcore)
{
	return lcore_run(lcore);
}

int
lcore_start(struct lcore *lcore, uint32_t eal_lcore_id)
{
	REQUIRE(lcore->eal_lcore_id == NOT_STARTED);
	REQUIRE(rte_lcore_is_enabled(eal_lcore_id));
	if (rte_eal_remote_launch(run_launched, lcore, eal_lcore_id) != 0) {
		return MB_ERR_BUSY;
	}
	lcore->eal_lcore_id = eal_lcore_id;
	return MB_OK;
}

int
lcore_join(struct lcore *lcore)
{
	uint32_t id = lcore->eal_lcore_id;

	REQUIRE(id != NOT_STARTED);
	lcore->eal_lcore_id = NOT_STARTED;
	return rte_eal_wait_lcore(id);
}

/* ---- fds, time, inspection ------------------------------------------------------------------- */

int
lcore_watch(struct lcore *lcore, int fd, lcore_watch_fn *fn, void *ctx)
{
	REQUIRE(fn != NULL);
	return lcore_uring_watch(&lcore->uring, fd, false, fn, ctx);
}

int
lcore_unwatch(struct lcore *lcore, int fd)
{
	return lcore_uring_unwatch(&lcore->uring, fd);
}

int
lcore_peer_add(struct lcore *lcore, int *ret_fd)
{
	int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	int err;

	if (fd < 0) {
		return MB_ERR_IO;
	}
	err = lcore_uring_watch(&lcore->uring, fd, true, NULL, NULL);
	if (err != MB_OK) {
		close(fd);
		return err;
	}
	*ret_fd = fd;
	return MB_OK;
}

void
lcore_peer_remove(struct lcore *lcore, int fd)
{
	int err = lcore_uring_unwatch(&lcore->uring, fd);

	REQUIRE(err == MB_OK, "fd=%d", fd);
}

uint32_t
lcore_op_add(struct lcore *lcore, lcore_op_fn *fn, void *ctx)
{
	return lcore_uring_op_add(&lcore->uring, fn, ctx);
}

struct io_uring_sqe *
lcore_op_sqe(struct lcore *lcore, uint32_t op, uint64_t token)
{
	return lcore_uring_op_sqe(&lcore->uring, op, token);
}

void
lcore_populate(struct lcore *lcore, void *at, size_t bytes)
{
	lcore_uring_populate(&lcore->uring, at, bytes);
}

uint64_t
lcore_busy_ns(const struct lcore *lcore)
{
	return lcore->idle.busy_ns;
}

struct io_uring *
lcore_ring(struct lcore *lcore)
{
	return &lcore->uring.ring;
}

void
lcore_timer_at(struct lcore *lcore, uint32_t tile, uint64_t at_ns)
{
	REQUIRE(tile < lcore->tile_cnt, "tile=%u", tile);
	tile_timer_at(&lcore->tile[tile], at_ns);
	lcore->due_ns = MIN(lcore->due_ns, at_ns);
}

void
lcore_spin_longer(struct lcore *lcore, uint64_t ns)
{
	lcore->cfg.spin_ns = MAX(lcore->cfg.spin_ns, ns);
}

const struct metrics_block *
lcore_metrics(const struct lcore *lcore)
{
	return lcore->metrics;
}

const struct metrics_block *
lcore_tile_metrics(const struct lcore *lcore, uint32_t tile)
{
	REQUIRE(tile < lcore->tile_cnt, "tile=%u", tile);
	return lcore->tile[tile].metrics;
}

const char *
lcore_uring_text(const struct lcore *lcore)
{
	return lcore->uring.deferred ? "deferred task run" : "plain";
}
