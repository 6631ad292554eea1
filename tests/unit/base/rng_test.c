/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   the same seed gives the same numbers everywhere; every number of a range is equally
 *         likely.
 * Method: fixed expectations for fixed seeds; chi-square over ranges where a careless method
 *         (modulo, or a scaled double) would be visibly off; the ends of each range. */
#include "rng.h"

#include <stdio.h>

#include "compiler.h"
#include "test_cmocka.h"
#include "test_death.h"
#include "test_seed.h"

static void
below_zero(void *arg)
{
	rng_below(arg, 0);
}

static void
range_upside_down(void *arg)
{
	rng_range(arg, 2, 1);
}

static void
empty_ranges_are_a_bug(void **state)
{
	char text[TEST_DEATH_TEXT_BYTES];
	struct rng r;

	rng_init(&r, 1);
	assert_true(test_dies(below_zero, &r, text));
	assert_true(test_dies(range_upside_down, &r, text));
}

static void
a_seed_fixes_the_sequence(void **state)
{
	struct rng a, b;

	rng_init(&a, 4711);
	rng_init(&b, 4711);
	for (int i = 0; i < 1000; i++) {
		assert_true(rng_u64(&a) == rng_u64(&b));
	}
	/* Seeds in old notes must stay good: these numbers are for ever. */
	rng_init(&a, 0);
	assert_true(rng_u64(&a) == UINT64_C(0x53175d61490b23df));
	assert_true(rng_u64(&a) == UINT64_C(0x61da6f3dc380d507));
	rng_init(&a, 1);
	assert_true(rng_u64(&a) == UINT64_C(0xcfc5d07f6f03c29b));
}

static void
neighbouring_seeds_are_unrelated(void **state)
{
	struct rng a, b;
	unsigned differing = 0;

	for (uint64_t seed = 0; seed < 100; seed++) {
		rng_init(&a, seed);
		rng_init(&b, seed + 1);
		differing += (unsigned)__builtin_popcountll(rng_u64(&a) ^ rng_u64(&b));
	}
	assert_in_range(differing, 100 * 30, 100 * 34); /* 32 of 64 bits, give or take */
}

/* Chi-square of `cells` equally likely cells; far above its mean of cells - 1 is bias. */
static double
chi_square(const uint64_t *seen, size_t cells, uint64_t draws)
{
	double want = (double)draws / (double)cells;
	double sum = 0;

	for (size_t i = 0; i < cells; i++) {
		double diff = (double)seen[i] - want;

		sum += diff * diff / want;
	}
	return sum;
}

static void
small_ranges_are_even(void **state)
{
	struct rng r;

	rng_init(&r, test_seed("rng"));
	for (uint64_t n = 1; n <= 40; n++) {
		uint64_t seen[40] = { 0 };
		uint64_t draws = 2000 * n;

		for (uint64_t i = 0; i < draws; i++) {
			uint64_t v = rng_below(&r, n);

			assert_true(v < n);
			seen[v]++;
		}
		/* 60 + n is beyond the 1 - 10^-6 quantile for all these n. */
		assert_true(chi_square(seen, n, draws) < 60.0 + (double)n);
	}
}

/* With n = 3/4 of 2^64 a modulo takes the first third of the range twice as often, and a plain
 * scaled multiplication every third number. Both must be even here. */
static void
large_ranges_are_even(void **state)
{
	const uint64_t n = UINT64_C(3) << 62;
	enum { DRAWS = 90000 };
	uint64_t thirds[3] = { 0 }, rests[3] = { 0 };
	struct rng r;

	rng_init(&r, test_seed("rng"));
	for (int i = 0; i < DRAWS; i++) {
		uint64_t v = rng_below(&r, n);

		assert_true(v < n);
		thirds[v / (n / 3)]++;
		rests[v % 3]++;
	}
	assert_true(chi_square(thirds, 3, DRAWS) < 30);
	assert_true(chi_square(rests, 3, DRAWS) < 30);
}

static void
ranges_include_both_ends(void **state)
{
	uint64_t seen[5] = { 0 };
	struct rng r;

	rng_init(&r, test_seed("rng"));
	for (int i = 0; i < 5000; i++) {
		uint64_t v = rng_range(&r, 10, 14);

		assert_in_range(v, 10, 14);
		seen[v - 10]++;
	}
	assert_true(chi_square(seen, 5, 5000) < 40);
	assert_true(rng_range(&r, UINT64_MAX, UINT64_MAX) == UINT64_MAX);
	assert_int_equal(rng_range(&r, 0, 0), 0);
	assert_in_range(rng_range(&r, UINT64_MAX - 1, UINT64_MAX), UINT64_MAX - 1, UINT64_MAX);
	rng_range(&r, 0, UINT64_MAX); /* the full width has no count */
}

static void
fractions_are_even_and_below_one(void **state)
{
	uint64_t seen[16] = { 0 };
	struct rng r;

	rng_init(&r, test_seed("rng"));
	for (int i = 0; i < 64000; i++) {
		double f = rng_f64(&r);

		assert_true(f >= 0 && f < 1);
		seen[(int)(f * 16)]++;
	}
	assert_true(chi_square(seen, 16, 64000) < 76);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(empty_ranges_are_a_bug),
		cmocka_unit_test(a_seed_fixes_the_sequence),
		cmocka_unit_test(neighbouring_seeds_are_unrelated),
		cmocka_unit_test(small_ranges_are_even),
		cmocka_unit_test(large_ranges_are_even),
		cmocka_unit_test(ranges_include_both_ends),
		cmocka_unit_test(fractions_are_even_and_below_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
