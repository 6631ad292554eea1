/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   no wake is lost, however a send falls into the moment of falling asleep.
 * Method: a hundred thousand descriptors sent with random pauses to an lcore that sleeps whenever
 *         it can, from another cpu; then one bounced between two lcores that both sleep. Who has
 *         lost a wake sleeps on for the second after which every nap ends: none may be found by a
 *         nap's end that was there for half of it. (Take R11 and A11 out, and one is.) */
#include "lcore.h"

#include <sched.h>
#include <stdlib.h>

#include "compiler.h"
#include "desc.h"
#include "link.h"
#include "rng.h"
#include "test_cmocka.h"
#include "test_lcore.h"
#include "test_seed.h"

#define SEND_CNT   100000
#define BOUNCE_CNT 40000
#define LOST_NS    (LCORE_NAP_NS_MAX / 2)

static struct runner one, two;

static int
fresh(void **state)
{
	one = two = (struct runner){ 0 };
	lcore_cfg_default(&one.cfg);
	lcore_cfg_default(&two.cfg);
	return 0;
}

struct sink {
	struct link *in;
	struct link *out; /* NULL: only counts */
	const struct runner *by;
	uint64_t naps_over; /* that nobody ended, at the last look */
	_Atomic uint64_t got, lost;
};

static int
sink_poll(void *ctx, uint64_t now)
{
	struct sink *s = ctx;
	struct desc d[LINK_BURST_MAX];
	uint32_t n = link_recv_burst(s->in, d, LINK_BURST_MAX);
	uint64_t naps_over = metric(s->by, METRIC_lcore_timer_woken);
	bool by_timer = naps_over != s->naps_over;

	s->naps_over = naps_over;
	if (n == 0) {
		return 0;
	}
	/* Who was woken, and halted by the machine for as long, does not find it by its timer. */
	s->lost += by_timer && now_ns() - d[0].call >= LOST_NS;
	if (s->out != NULL) {
		for (uint32_t i = 0; i < n; i++) {
			d[i].b++;
			d[i].call = now_ns();
		}
		assert_int_equal(link_send_sp(s->out, d, n), n);
	}
	s->got += n;
	return (int)n;
}

static const struct tile_ops sink_ops = { .kind = TILE_CACHE, .poll = sink_poll };

static struct link *
link_new(struct lcore_bell *bell)
{
	struct link_cfg cfg = { .name = "test",
				.depth = 127,
				.full = LINK_BACKPRESSURE,
				.bell = bell };
	void *mem = aligned_alloc(link_align(), ALIGN_UP(link_footprint(cfg.depth), link_align()));

	assert_non_null(mem);
	return link_init(mem, &cfg);
}

/* From almost none to longer than the spin budget, so that sends hit every moment of falling
 * asleep. */
static void
pause_random(struct rng *rng)
{
	uint64_t pick = rng_below(rng, 100);

	if (pick < 2) {
		sleep_ns(rng_below(rng, 100 * NS_PER_US));
	} else if (pick < 10) {
		sched_yield();
	} else {
		for (uint64_t i = rng_below(rng, 300); i > 0; i--) {
			cpu_pause();
		}
	}
}

/* Two cpus this process may use; the same one twice where there is no other. */
static void
cpus_pick(int *ret_a, int *ret_b)
{
	cpu_set_t set;

	assert_int_equal(sched_getaffinity(0, sizeof(set), &set), 0);
	*ret_a = *ret_b = -1;
	for (int cpu = 0; cpu < CPU_SETSIZE && *ret_b < 0; cpu++) {
		if (CPU_ISSET((size_t)cpu, &set)) {
			*(*ret_a < 0 ? ret_a : ret_b) = cpu;
		}
	}
	if (*ret_b < 0) {
		*ret_b = *ret_a;
	}
}

static void
bind_to(int cpu, cpu_set_t *ret_before)
{
	cpu_set_t set;

	assert_int_equal(sched_getaffinity(0, sizeof(*ret_before), ret_before), 0);
	CPU_ZERO(&set);
	CPU_SET((size_t)cpu, &set);
	assert_int_equal(sched_setaffinity(0, sizeof(set), &set), 0);
}

/* Sends one at a time from `cpu`, waiting for each to arrive. Returns the longest time one took. */
static uint64_t
send_and_wait(struct sink *sink, int cpu)
{
	struct desc d = { .kind = DESC_PING };
	uint64_t worst = 0;
	cpu_set_t before;
	struct rng rng;

	rng_init(&rng, test_seed("lost wakes"));
	bind_to(cpu, &before);
	for (uint64_t i = 1; i <= SEND_CNT; i++) {
		uint64_t begin;

		pause_random(&rng);
		begin = d.call = now_ns();
		assert_int_equal(link_send_sp(sink->in, &d, 1), 1);
		while (sink->got < i) {
			sched_yield();
		}
		worst = MAX(worst, now_ns() - begin);
	}
	assert_int_equal(sched_setaffinity(0, sizeof(before), &before), 0);
	return worst;
}

static void
no_wake_is_lost_between_threads(void **state)
{
	struct sink sink = { .by = &one };
	uint64_t worst;
	int cpu;

	one.cfg.spin_ns = 3 * NS_PER_US;
	cpus_pick(&one.cfg.cpu, &cpu);
	runner_create(&one);
	sink.in = link_new(lcore_bell(one.lcore));
	lcore_tile_add(one.lcore, &sink_ops, &sink, NULL);
	runner_start(&one);
	worst = send_and_wait(&sink, cpu);
	fprintf(stderr, "%d sends, %llu naps, %llu refused, rung %llu times, slowest %llu us\n",
		SEND_CNT, (unsigned long long)metric(&one, METRIC_lcore_nap_begun),
		(unsigned long long)metric(&one, METRIC_lcore_nap_refused),
		(unsigned long long)lcore_bell(one.lcore)->rung_cnt,
		(unsigned long long)(worst / NS_PER_US));
	assert_int_equal(sink.lost, 0);
	assert_true(metric(&one, METRIC_lcore_nap_begun) > SEND_CNT / 100); /* it did sleep */
	assert_int_equal(runner_end(&one), MB_OK);
	free(sink.in);
}

static void
no_wake_is_lost_between_lcores(void **state)
{
	struct sink a = { .by = &one }, b = { .by = &two };
	struct desc d = { .kind = DESC_PING, .call = now_ns() };

	one.cfg.spin_ns = 2 * NS_PER_US;
	two.cfg.spin_ns = 0;
	two.cfg.uring_plain = true;
	cpus_pick(&one.cfg.cpu, &two.cfg.cpu);
	runner_create(&one);
	runner_create(&two);
	a.in = b.out = link_new(lcore_bell(one.lcore));
	b.in = a.out = link_new(lcore_bell(two.lcore));
	lcore_tile_add(one.lcore, &sink_ops, &a, NULL);
	lcore_tile_add(two.lcore, &sink_ops, &b, NULL);
	assert_int_equal(link_send_sp(a.in, &d, 1), 1); /* nobody runs yet: nobody must be rung */
	runner_start(&one);
	runner_start(&two);
	until(&a.got, BOUNCE_CNT);
	assert_int_equal(runner_join(&one), MB_OK);
	assert_int_equal(runner_join(&two), MB_OK);
	assert_int_equal(a.lost + b.lost, 0);
	lcore_destroy(one.lcore); /* nobody rings any more */
	lcore_destroy(two.lcore);
	free(a.in);
	free(b.in);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(no_wake_is_lost_between_threads, fresh),
		cmocka_unit_test_setup(no_wake_is_lost_between_lcores, fresh),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
