/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   the counter and the clock agree, also without a usable counter; a virtual one stands.
 * Method: measure one sleep with both; repeat after timebase_tsc_disable, which is what a machine
 *         without an invariant counter gets. That test is last: it disables for good. */
#include "timebase.h"

#include <stdio.h>
#include <time.h>

#include "test_cmocka.h"
#include "test_death.h"

enum { SPAN_NS = 50 * 1000 * 1000 };
#define PPM_MAX 1000

static void
advance_past_the_end(void *arg)
{
	timebase_virtual_advance(arg, UINT64_MAX);
}

static void
virtual_time_does_not_wrap(void **state)
{
	char text[TEST_DEATH_TEXT_BYTES];
	struct timebase_virtual v;

	timebase_virtual_init(&v, 1, 0);
	assert_true(test_dies(advance_past_the_end, &v, text));
}

static void
virtual_time_moves_only_when_told(void **state)
{
	struct timebase_virtual v;

	timebase_virtual_init(&v, 5000, 1000000);
	assert_int_equal(timebase_now_ns(&v.tb), 5000);
	assert_int_equal(timebase_wall_us(&v.tb), 1000000);
	timebase_virtual_advance(&v, 7 * NS_PER_MS);
	assert_int_equal(timebase_now_ns(&v.tb), 5000 + 7 * NS_PER_MS);
	assert_int_equal(timebase_wall_us(&v.tb), 1000000 + 7000);
}

static void
virtual_wall_jumps_alone(void **state)
{
	struct timebase_virtual v;

	timebase_virtual_init(&v, 9 * NS_PER_S, 1000000);
	timebase_virtual_set_wall(&v, 17); /* far back: less than now */
	assert_int_equal(timebase_wall_us(&v.tb), 17);
	assert_int_equal(timebase_now_ns(&v.tb), 9 * NS_PER_S);
	timebase_virtual_advance(&v, 2000);
	assert_int_equal(timebase_wall_us(&v.tb), 19);
	timebase_virtual_set_wall(&v, UINT64_C(1) << 52);
	assert_true(timebase_wall_us(&v.tb) == UINT64_C(1) << 52);
}

static void
real_time_moves_forward(void **state)
{
	const struct timebase *tb = timebase_real();
	uint64_t last = timebase_now_ns(tb);

	assert_ptr_equal(tb, timebase_real());
	for (int i = 0; i < 10000; i++) {
		uint64_t now = timebase_now_ns(tb);

		assert_true(now >= last);
		last = now;
	}
	/* After 2024 and before 2112, where the hybrid clock of versions ends. */
	assert_in_range(timebase_wall_us(tb), 1704067200 * US_PER_S, (UINT64_C(1) << 52) - 1);
}

/* How far tsc and clock are apart over one span, in parts in a million. The machine may take the
 * core away between the two reads, so the best of some spans counts. */
static uint64_t
tsc_error_ppm(void)
{
	const struct timebase *tb = timebase_real();
	struct timespec nap = { .tv_nsec = SPAN_NS };
	uint64_t best = UINT64_MAX;

	for (int i = 0; i < 100 && best > PPM_MAX; i++) {
		uint64_t ns = timebase_now_ns(tb);
		uint64_t tsc = timebase_tsc();
		uint64_t span;

		nanosleep(&nap, NULL);
		tsc = timebase_tsc_to_ns(timebase_tsc() - tsc);
		ns = timebase_now_ns(tb) - ns;
		assert_true(ns >= SPAN_NS);
		span = tsc > ns ? tsc - ns : ns - tsc;
		best = MIN(best, span * 1000000 / ns);
	}
	return best;
}

static void
spans_convert_both_ways(void)
{
	uint64_t hz = timebase_tsc_hz();

	assert_in_range(timebase_tsc_to_ns(hz), NS_PER_S - 10, NS_PER_S + 10);
	assert_int_equal(timebase_ns_to_tsc(NS_PER_S), hz);
	assert_int_equal(timebase_tsc_to_ns(0), 0);
	/* A year does not overflow. */
	assert_in_range(timebase_tsc_to_ns(hz * 31536000) / NS_PER_S, 31535990, 31536010);
	assert_in_range(timebase_ns_to_tsc(31536000 * NS_PER_S) / hz, 31535999, 31536000);
}

static void
tsc_agrees_with_the_clock(void **state)
{
	uint64_t ppm = tsc_error_ppm();

	fprintf(stderr, "tsc: %s, %llu Hz, %llu ppm off\n",
		timebase_tsc_scale.invariant ? "invariant" : "not used",
		(unsigned long long)timebase_tsc_hz(), (unsigned long long)ppm);
	assert_in_range(ppm, 0, PPM_MAX);
	spans_convert_both_ways();
}

static void
without_a_counter_tsc_is_the_clock(void **state)
{
	uint64_t before, tsc;

	timebase_tsc_disable();
	assert_int_equal(timebase_tsc_hz(), NS_PER_S);
	before = timebase_now_ns(timebase_real());
	tsc = timebase_tsc();
	assert_in_range(tsc, before, timebase_now_ns(timebase_real()));
	assert_int_equal(timebase_tsc_to_ns(12345), 12345);
	assert_in_range(tsc_error_ppm(), 0, PPM_MAX);
	spans_convert_both_ways();
	timebase_tsc_calibrate(); /* must not turn it on again */
	assert_int_equal(timebase_tsc_hz(), NS_PER_S);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(virtual_time_does_not_wrap),
		cmocka_unit_test(virtual_time_moves_only_when_told),
		cmocka_unit_test(virtual_wall_jumps_alone),
		cmocka_unit_test(real_time_moves_forward),
		cmocka_unit_test(tsc_agrees_with_the_clock),
		cmocka_unit_test(without_a_counter_tsc_is_the_clock),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
