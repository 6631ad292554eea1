/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   the clock never runs backwards, is not dragged along by a wrong one, carries, and stands
 *         still at its end; stamps are ordered by time, then writer.
 * Method: the edges by hand, then a long random walk of a wall clock that jumps both ways. */
#include "clock.h"

#include "microburst/error.h"
#include "rng.h"
#include "test_cmocka.h"
#include "test_seed.h"

static void
a_time_too_far_ahead_is_refused(void **state)
{
	struct hlc h;

	hlc_init(&h, (struct hlc_time){ 0 });
	assert_int_equal(hlc_observe(&h, hlc_time_of_us(1101), 1000, 100), MB_ERR_INVALID);
	assert_int_equal(h.last.v, 0);
	assert_int_equal(hlc_observe(&h, hlc_time_of_us(1100), 1000, 100), 0);
	assert_int_equal(hlc_time_us(hlc_now(&h, 1000)), 1100);
}

static void
limits_do_not_wrap(void **state)
{
	const struct hlc_time end = { UINT64_MAX };
	struct hlc h;

	hlc_init(&h, (struct hlc_time){ 0 });
	assert_int_equal(hlc_observe(&h, end, 1000, 0), MB_ERR_INVALID);
	assert_int_equal(hlc_observe(&h, end, 1000, UINT64_MAX), 0); /* all is allowed */
	assert_int_equal(hlc_now(&h, 1000).v, UINT64_MAX);
	assert_int_equal(hlc_now(&h, UINT64_MAX).v, UINT64_MAX);
	assert_int_equal(hlc_time_of_us(HLC_US_MAX + 1).v, UINT64_MAX);
	assert_int_equal(hlc_time_us(hlc_time_of_us(HLC_US_MAX)), HLC_US_MAX);
}

static void
a_full_counter_carries_into_the_microseconds(void **state)
{
	struct hlc h;
	struct hlc_time t = { 0 };

	hlc_init(&h, (struct hlc_time){ 0 });
	for (int i = 0; i < (1 << HLC_COUNTER_BITS); i++) {
		t = hlc_now(&h, 7);
		assert_int_equal(hlc_time_us(t), 7);
	}
	t = hlc_now(&h, 7);
	assert_int_equal(t.v, hlc_time_of_us(8).v);
	assert_int_equal(hlc_now(&h, 9).v, hlc_time_of_us(9).v); /* the wall has caught up */
}

static void
a_restart_goes_on_where_it_was(void **state)
{
	struct hlc h;

	hlc_init(&h, hlc_time_of_us(5000));
	assert_true(hlc_now(&h, 10).v > hlc_time_of_us(5000).v);
}

static void
it_only_grows(void **state)
{
	struct hlc_time last = { 0 };
	uint64_t wall_us = 1000000;
	struct rng rng;
	struct hlc h;

	rng_init(&rng, test_seed("clock"));
	hlc_init(&h, last);
	for (int i = 0; i < 100000; i++) {
		struct hlc_time heard, now;

		wall_us += rng_below(&rng, 2001) - 1000; /* back and forth */
		heard = hlc_time_of_us(wall_us + rng_below(&rng, 1000));
		if (rng_below(&rng, 4) == 0 && hlc_observe(&h, heard, wall_us, 500) == 0) {
			assert_true(heard.v <= h.last.v);
		}
		now = hlc_now(&h, wall_us);
		assert_true(now.v > last.v);
		last = now;
	}
}

static void
stamps_order_by_time_then_writer(void **state)
{
	const struct stamp a = { .time = { 1 }, .writer = { UINT64_MAX } };
	const struct stamp b = { .time = { 2 }, .writer = { 0 } };
	const struct stamp c = { .time = { 2 }, .writer = { 1 } };

	assert_true(stamp_cmp(a, b) < 0);
	assert_true(stamp_cmp(c, b) > 0);
	assert_int_equal(stamp_cmp(c, c), 0);
	assert_false(stamp_is_zero(c));
	assert_true(stamp_is_zero((struct stamp){ 0 }));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_time_too_far_ahead_is_refused),
		cmocka_unit_test(limits_do_not_wrap),
		cmocka_unit_test(a_full_counter_carries_into_the_microseconds),
		cmocka_unit_test(a_restart_goes_on_where_it_was),
		cmocka_unit_test(it_only_grows),
		cmocka_unit_test(stamps_order_by_time_then_writer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
