/* SPDX-License-Identifier: Apache-2.0 */
/* test_lcore.h - a tile that counts what is done to it, and an lcore that runs it on a thread */
#ifndef MB_TEST_LCORE_H
#define MB_TEST_LCORE_H

#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include <microburst/error.h>

#include "lcore.h"
#include "metrics.h"
#include "test_cmocka.h"
#include "timebase.h"

/* ---- a tile that counts ---------------------------------------------------------------------- */

struct counter {
	_Atomic uint64_t poll_cnt;
	_Atomic uint64_t housekeeping_cnt;
	_Atomic uint64_t housekept_at_ns;
	_Atomic uint64_t armed, disarmed;
	_Atomic uint64_t stop_cnt, drain_cnt;
	_Atomic uint64_t work_left; /* so many polls find work */
	_Atomic uint64_t next_ns;   /* what it answers to next_timer_ns */
	_Atomic uint64_t await_cnt; /* so often it was asked whether it awaits: it says yes */
	uint64_t drain_after;       /* drains say false so often */
};

static inline int
counter_poll(void *ctx, uint64_t now_ns)
{
	struct counter *c = ctx;

	c->poll_cnt++;
	if (c->work_left == 0) {
		return 0;
	}
	c->work_left--;
	return 1;
}

static inline void
counter_housekeeping(void *ctx, uint64_t now_ns)
{
	struct counter *c = ctx;

	c->housekeeping_cnt++;
	c->housekept_at_ns = now_ns;
	if (c->next_ns <= now_ns) {
		c->next_ns = TILE_TIMER_NEVER;
	}
}

static inline void
counter_arm(void *ctx, bool up)
{
	struct counter *c = ctx;

	if (up) {
		c->armed++;
	} else {
		c->disarmed++;
	}
}

static inline uint64_t
counter_next(void *ctx)
{
	struct counter *c = ctx;

	return c->next_ns;
}

static inline bool
counter_drain(void *ctx, uint64_t now_ns)
{
	struct counter *c = ctx;

	return ++c->drain_cnt > c->drain_after;
}

static inline bool
counter_awaits(void *ctx)
{
	struct counter *c = ctx;

	c->await_cnt++;
	return true;
}

static inline void
counter_stop(void *ctx)
{
	struct counter *c = ctx;

	c->stop_cnt++;
}

static const struct tile_ops counter_ops = {
	.kind = TILE_KVS,
	.poll = counter_poll,
	.housekeeping = counter_housekeeping,
	.arm = counter_arm,
	.awaits = counter_awaits,
	.next_timer_ns = counter_next,
	.drain = counter_drain,
	.stop = counter_stop,
};

/* ---- an lcore on a thread -------------------------------------------------------------------- */

struct runner {
	struct lcore_cfg cfg;
	struct lcore *lcore;
	struct counter counter;
	uint32_t counter_tile;
	pthread_t thread;
	int result;
	uint64_t cpu_ns; /* what the thread used, when it has ended */
};

static inline uint64_t
now_ns(void)
{
	return timebase_now_ns(timebase_real());
}

static inline void
sleep_ns(uint64_t ns)
{
	struct timespec ts = { .tv_sec = (time_t)(ns / NS_PER_S),
			       .tv_nsec = (long)(ns % NS_PER_S) };

	nanosleep(&ts, NULL);
}

/* Creates the lcore with a counting tile; cfg may be changed before. */
static inline void
runner_create(struct runner *r)
{
	r->counter.next_ns = TILE_TIMER_NEVER;
	assert_int_equal(lcore_create(&r->cfg, &r->lcore), MB_OK);
	r->counter_tile = lcore_tile_add(r->lcore, &counter_ops, &r->counter, NULL);
}

static inline void *
runner_main(void *arg)
{
	struct runner *r = arg;
	struct timespec ts;

	r->result = lcore_run(r->lcore);
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	r->cpu_ns = (uint64_t)ts.tv_sec * NS_PER_S + (uint64_t)ts.tv_nsec;
	return NULL;
}

static inline void
runner_start(struct runner *r)
{
	assert_int_equal(pthread_create(&r->thread, NULL, runner_main, r), 0);
}

static inline int
runner_join(struct runner *r)
{
	lcore_stop(r->lcore);
	pthread_join(r->thread, NULL);
	return r->result;
}

static inline int
runner_end(struct runner *r)
{
	int result = runner_join(r);

	lcore_destroy(r->lcore);
	return result;
}

static inline uint64_t
metric(const struct runner *r, enum metric m)
{
	return metrics_get(lcore_metrics(r->lcore), m);
}

/* Waits until `value` is at least `least`; a test that hangs ends at its time limit. */
static inline void
until(const _Atomic uint64_t *value, uint64_t least)
{
	while (*value < least) {
		sleep_ns(50 * NS_PER_US);
	}
}

static inline void
until_asleep(const struct runner *r)
{
	uint64_t woken;

	do { /* one nap has begun that has not ended */
		sleep_ns(50 * NS_PER_US);
		woken = metric(r, METRIC_lcore_event_woken) + metric(r, METRIC_lcore_timer_woken);
	} while (metric(r, METRIC_lcore_nap_begun) != woken + 1);
	sleep_ns(NS_PER_MS); /* between the count and the sleep there is a system call */
}

#endif
