/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   a link loses, doubles and reorders nothing; full means what was said when it was made;
 *         its counters add up.
 * Method: full and empty first; then every depth from 1 to 70 against a counter; then two threads
 *         with bursts of random sizes, every descriptor stamped in all its words. */
#include "link.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "compiler.h"
#include "desc.h"
#include "lcore_bell.h"
#include "rng.h"
#include "test_cmocka.h"
#include "test_death.h"
#include "test_seed.h"

static void *mem;

static struct link *
make(uint32_t depth, enum link_full full)
{
	struct link_cfg cfg = { .name = "cache:0_kvs:0", .depth = depth, .full = full };

	free(mem);
	mem = aligned_alloc(link_align(), ALIGN_UP(link_footprint(depth), link_align()));
	assert_non_null(mem);
	return link_init(mem, &cfg);
}

static struct desc
stamped(uint64_t n)
{
	struct desc d = { .call = n, .b = ~n };

	for (int i = 0; i < DESC_INLINE_BYTES / 8; i++) {
		d.word[i] = n * (uint64_t)(i + 3);
	}
	return d;
}

static bool
is_stamped(const struct desc *d, uint64_t n)
{
	bool same = d->call == n && d->b == ~n;

	for (int i = 0; i < DESC_INLINE_BYTES / 8; i++) {
		same &= d->word[i] == n * (uint64_t)(i + 3);
	}
	return same;
}

static uint32_t
send_one(struct link *link, uint64_t n)
{
	struct desc d = stamped(n);

	return link_send_sp(link, &d, 1);
}

static void
deeper_than_the_limit(void *arg)
{
	link_footprint(LINK_DEPTH_MAX + 1);
}

static void
use_after_fini(void *arg)
{
	link_fini(arg);
	link_fini(arg);
}

static void
misuse_is_a_bug(void **state)
{
	char text[TEST_DEATH_TEXT_BYTES];

	assert_true(test_dies(deeper_than_the_limit, NULL, text));
	assert_non_null(strstr(text, "depth=65536"));
	assert_true(test_dies(use_after_fini, make(3, LINK_BACKPRESSURE), text));
}

static void
full_backpressure_gives_the_rest_back(void **state)
{
	struct link *link = make(3, LINK_BACKPRESSURE);
	struct desc d[5];
	struct link_stats s;

	for (uint64_t i = 0; i < 5; i++) {
		d[i] = stamped(i);
	}
	assert_int_equal(link_send_sp(link, d, 5), 3);
	assert_int_equal(link_free_cnt(link), 0);
	assert_int_equal(link_send_sp(link, d + 3, 2), 0);
	link_stats(link, &s);
	assert_int_equal(s.sent, 3);
	assert_int_equal(s.refused, 4);
	assert_int_equal(s.dropped, 0);
	assert_int_equal(link_recv_burst(link, d, 5), 3);
	assert_true(is_stamped(&d[0], 0));
	assert_true(is_stamped(&d[2], 2));
}

static void
full_drop_takes_all_and_counts(void **state)
{
	struct link *link = make(3, LINK_DROP_NEWEST);
	struct desc d[5];
	struct link_stats s;

	for (uint64_t i = 0; i < 5; i++) {
		d[i] = stamped(i);
	}
	assert_int_equal(link_send_sp(link, d, 5), 5);
	assert_int_equal(link_send_sp(link, d, 1), 1);
	link_stats(link, &s);
	assert_int_equal(s.sent, 3);
	assert_int_equal(s.dropped, 3);
	assert_int_equal(s.refused, 0);
	assert_int_equal(link_recv_burst(link, d, 5), 3);
	assert_true(is_stamped(&d[2], 2)); /* the newest were lost, not the oldest */
	link_stats(link, &s);
	assert_int_equal(s.received, 3);
}

static void
an_empty_link_gives_nothing(void **state)
{
	struct link *link = make(7, LINK_BACKPRESSURE);
	struct desc d;

	assert_int_equal(link_recv_burst(link, &d, 1), 0);
	assert_int_equal(link_ready_cnt(link), 0);
	assert_int_equal(link_free_cnt(link), 7);
	assert_int_equal(link_depth(link), 7);
}

static void
every_depth_holds_exactly_what_it_says(void **state)
{
	for (uint32_t depth = 1; depth <= 70; depth++) {
		struct link *link = make(depth, LINK_BACKPRESSURE);
		uint64_t in = 0, out = 0;
		struct desc d;

		for (int lap = 0; lap < 3; lap++) {
			while (send_one(link, in) == 1) {
				in++;
			}
			assert_int_equal(in - out, depth);
			assert_int_equal(link_ready_cnt(link), depth);
			while (out + lap < in) { /* leave some, so that laps do not align */
				assert_int_equal(link_recv_burst(link, &d, 1), 1);
				assert_true(is_stamped(&d, out));
				out++;
			}
		}
	}
}

static void
a_footprint_of_2k_less_1_wastes_nothing(void **state)
{
	assert_int_equal(link_footprint(1023) - link_footprint(511), 512 * DESC_BYTES);
	assert_int_equal(link_footprint(1024), link_footprint(2047));
}

/* ---- two threads ----------------------------------------------------------------------------- */

#define STREAM_CNT 400000

static void *
stream_in(void *arg)
{
	struct link *link = arg;
	struct desc d[LINK_BURST_MAX];
	struct rng rng;
	uint64_t n = 0;

	rng_init(&rng, test_seed("link producer"));
	while (n < STREAM_CNT) {
		uint32_t want = 1 + (uint32_t)rng_below(&rng, LINK_BURST_MAX);
		uint32_t done = 0;

		for (uint32_t i = 0; i < want; i++) {
			d[i] = stamped(n + i);
		}
		while (done < want) {
			done += link_send_sp(link, d + done, want - done);
			if (done < want) {
				sched_yield();
			}
		}
		n += want;
	}
	return NULL;
}

static void
two_threads_lose_double_and_reorder_nothing(void **state)
{
	struct link *link = make(255, LINK_BACKPRESSURE);
	struct desc d[LINK_BURST_MAX];
	struct link_stats s;
	struct rng rng;
	pthread_t producer;
	uint64_t n = 0;

	rng_init(&rng, test_seed("link consumer") + 1);
	assert_int_equal(pthread_create(&producer, NULL, stream_in, link), 0);
	while (n < STREAM_CNT) {
		uint32_t got =
			link_recv_burst(link, d, 1 + (uint32_t)rng_below(&rng, LINK_BURST_MAX));

		for (uint32_t i = 0; i < got; i++) {
			if (!is_stamped(&d[i], n + i)) {
				fail_msg("descriptor %llu is %llu", (unsigned long long)(n + i),
					 (unsigned long long)d[i].call);
			}
		}
		n += got;
		if (got == 0) {
			sched_yield();
		}
	}
	pthread_join(producer, NULL);
	n += link_recv_burst(link, d,
			     LINK_BURST_MAX); /* the producer's last burst may end behind */
	link_stats(link, &s);
	assert_int_equal(s.sent, s.received);
	assert_int_equal(s.sent, n);
	link_fini(link);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(misuse_is_a_bug),
		cmocka_unit_test(full_backpressure_gives_the_rest_back),
		cmocka_unit_test(full_drop_takes_all_and_counts),
		cmocka_unit_test(an_empty_link_gives_nothing),
		cmocka_unit_test(every_depth_holds_exactly_what_it_says),
		cmocka_unit_test(a_footprint_of_2k_less_1_wastes_nothing),
		cmocka_unit_test(two_threads_lose_double_and_reorder_nothing),
	};
	int rc = cmocka_run_group_tests(tests, NULL, NULL);

	free(mem);
	return rc;
}
