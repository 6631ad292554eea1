/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   figures tell a drifting machine from one with a hiccup, and keep fractions of the unit.
 * Method: runs made by hand: steady, with one strange block, drifting half way, with no block at
 * all. */
#include "figures.h"

#include <math.h>

#include "../base/test_cmocka.h"

static struct figures f, over;

/* A block of three samples around p50. */
static void
block(struct figures *to, uint64_t p50)
{
	figures_add(to, p50 + 1);
	figures_add(to, p50);
	figures_add(to, p50 - 1);
	figures_block_end(to);
}

static void
no_block_moves_nothing_and_has_no_ratio(void **state)
{
	double low = -1, high = -1;

	figures_init(&f);
	figures_block_end(&f);
	assert_int_equal(f.block_cnt, 0);
	assert_true(figures_moved(&f) == 1.0);
	assert_int_equal(figures_ratio_range(&f, NULL, &low, &high), 0);
	assert_true(low == -1 && high == -1);
}

static void
one_strange_block_is_no_drift(void **state)
{
	figures_init(&f);
	for (unsigned i = 0; i < 50; i++) {
		block(&f, i == 23 ? 90000 : 200000);
	}
	assert_true(figures_moved(&f) == 1.0);
}

static void
a_machine_that_changes_its_mode_has_moved(void **state)
{
	figures_init(&f);
	for (unsigned i = 0; i < 50; i++) {
		block(&f, i < 30 ? 200000 : 500000);
	}
	assert_true(fabs(figures_moved(&f) - 2.5) < 1e-9);
}

static void
fewer_blocks_than_parts_are_compared_one_by_one(void **state)
{
	figures_init(&f);
	block(&f, 100);
	assert_true(figures_moved(&f) == 1.0);
	block(&f, 300);
	assert_true(figures_moved(&f) == 3.0);
}

static void
ratios_are_of_neighbouring_blocks(void **state)
{
	double low = 0, high = 0;

	/* Both sides drift together: the ratio stands still. */
	figures_init(&f);
	figures_init(&over);
	for (unsigned i = 1; i <= 20; i++) {
		block(&f, 3000 * i);
		block(&over, 1000 * i);
	}
	assert_int_equal(figures_ratio_range(&f, &over, &low, &high), 20);
	assert_true(fabs(low - 3) < 1e-9 && fabs(high - 3) < 1e-9);
	assert_int_equal(figures_ratio_range(&f, NULL, &low, &high), 20);
	assert_true(low == 9000 && high == 57000);
}

static void
a_rate_is_the_median_of_its_blocks(void **state)
{
	uint64_t hz = timebase_tsc_hz();

	figures_init(&f);
	assert_true(figures_rate(&f) == 0);
	figures_rate_add(&f, 3000, hz / 1000);
	figures_rate_add(&f, 3000, hz); /* somebody else had the core */
	figures_rate_add(&f, 3000, hz / 1000);
	assert_true(fabs(figures_rate(&f) / 3e6 - 1) < 0.01);
}

static void
a_span_keeps_picoseconds(void **state)
{
	uint64_t cycles = timebase_tsc_hz() / 1000; /* a millisecond */

	figures_init(&f);
	figures_span(&f, cycles);
	figures_span(&f, 1);
	assert_true(f.sample[0] >= 999000000 && f.sample[0] <= 1001000000);
	assert_true(f.sample[1] >= 100 && f.sample[1] <= 2000); /* 0.5 to 10 GHz */
}

static void
a_unit_of_time_is_picoseconds_another_thousandths(void **state)
{
	assert_true(unit_grains("ns") == 1e3);
	assert_true(unit_grains("us") == 1e6);
	assert_true(unit_grains("ms") == 1e9);
	assert_true(unit_grains("%") == 1e3);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_block_moves_nothing_and_has_no_ratio),
		cmocka_unit_test(one_strange_block_is_no_drift),
		cmocka_unit_test(a_machine_that_changes_its_mode_has_moved),
		cmocka_unit_test(fewer_blocks_than_parts_are_compared_one_by_one),
		cmocka_unit_test(ratios_are_of_neighbouring_blocks),
		cmocka_unit_test(a_rate_is_the_median_of_its_blocks),
		cmocka_unit_test(a_span_keeps_picoseconds),
		cmocka_unit_test(a_unit_of_time_is_picoseconds_another_thousandths),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
