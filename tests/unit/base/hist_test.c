/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   quantiles are within 1 % of the sorted truth, merging equals adding, extremes are exact.
 * Method: every value up to 2^12 and both sides of every bucket boundary above, one by one; then
 *         random sets of several shapes against a sorted array. */
#include "hist.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compiler.h"
#include "rng.h"
#include "test_cmocka.h"
#include "test_death.h"
#include "test_seed.h"

static struct hist h, other;

static void
quantile_of_more_than_all(void *arg)
{
	hist_quantile(arg, 1.0001);
}

static void
a_share_beyond_one_is_a_bug(void **state)
{
	char text[TEST_DEATH_TEXT_BYTES];

	hist_init(&h);
	assert_true(test_dies(quantile_of_more_than_all, &h, text));
	assert_non_null(strstr(text, "q=1.0001"));
}

static void
an_empty_one_answers_zero(void **state)
{
	hist_init(&h);
	assert_int_equal(hist_cnt(&h), 0);
	assert_int_equal(hist_min(&h), 0);
	assert_int_equal(hist_max(&h), 0);
	assert_int_equal(hist_quantile(&h, 0.5), 0);
	memset(&other, 0, sizeof(other));
	assert_memory_equal(&h, &other, sizeof(h));
}

static void
what_is_too_large_is_clipped_and_told(void **state)
{
	hist_init(&h);
	hist_add(&h, HIST_VALUE_MAX);
	assert_int_equal(hist_clipped_cnt(&h), 0);
	hist_add(&h, HIST_VALUE_MAX + 1);
	hist_add(&h, UINT64_MAX);
	assert_int_equal(hist_clipped_cnt(&h), 2);
	assert_int_equal(hist_cnt(&h), 3);
	assert_true(hist_max(&h) == HIST_VALUE_MAX);
	assert_true(hist_min(&h) == HIST_VALUE_MAX);
	assert_true(hist_quantile(&h, 0.5) == HIST_VALUE_MAX);
}

static void
assert_within_one_percent(uint64_t got, uint64_t truth)
{
	uint64_t off = got > truth ? got - truth : truth - got;

	if (off * 100 > truth) {
		fail_msg("%llu for %llu", (unsigned long long)got, (unsigned long long)truth);
	}
}

/* The middle of three values is not at an end that is known exactly, so it shows its bucket. */
static void
check_alone(uint64_t value)
{
	hist_init(&h);
	hist_add(&h, 0);
	hist_add(&h, value);
	hist_add(&h, HIST_VALUE_MAX);
	assert_within_one_percent(hist_quantile(&h, 0.5), value);
}

static void
no_bucket_is_wider_than_one_percent(void **state)
{
	struct rng rng;

	for (uint64_t v = 0; v < 1 << 12; v++) {
		check_alone(v);
	}
	for (unsigned lg = 12; lg < HIST_VALUE_MAX_LG; lg++) {
		uint64_t step = (UINT64_C(1) << lg) / HIST_STEP_CNT;

		for (uint64_t k = HIST_STEP_CNT; k < 2 * HIST_STEP_CNT; k++) {
			check_alone(k * step - 1);
			check_alone(k * step);
			check_alone(k * step + 1);
		}
	}
	check_alone(HIST_VALUE_MAX - 1);
	check_alone(HIST_VALUE_MAX);

	rng_init(&rng, test_seed("hist"));
	for (int i = 0; i < 10000; i++) {
		check_alone(rng_u64(&rng) >> rng_range(&rng, 64 - HIST_VALUE_MAX_LG, 63));
	}
}

static int
by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static uint64_t
true_quantile(const uint64_t *sorted, size_t n, double q)
{
	size_t rank = (size_t)(q * (double)n);

	rank += (double)rank < q * (double)n;
	return sorted[rank == 0 ? 0 : rank - 1];
}

/* Shapes: narrow around one point, even over the octaves, even over a range, few values. */
static uint64_t
draw(struct rng *rng, int shape)
{
	switch (shape) {
	case 0:
		return 1000000 + rng_below(rng, 1000);
	case 1:
		return rng_u64(rng) >> rng_range(rng, 64 - HIST_VALUE_MAX_LG, 63);
	case 2:
		return rng_below(rng, 50000);
	default:
		return UINT64_C(1) << rng_below(rng, HIST_VALUE_MAX_LG + 1);
	}
}

static void
quantiles_match_the_sorted_truth(void **state)
{
	static const double shares[] = { 0,   0.001, 0.01,  0.25,   0.5, 0.75,
					 0.9, 0.99,  0.999, 0.9999, 1 };
	static uint64_t values[5000];
	struct rng rng;

	rng_init(&rng, test_seed("hist"));
	for (int round = 0; round < 80; round++) {
		size_t n = rng_range(&rng, 1, ARRAY_CNT(values));

		hist_init(&h);
		for (size_t i = 0; i < n; i++) {
			values[i] = draw(&rng, round % 4);
			hist_add(&h, values[i]);
		}
		qsort(values, n, sizeof(values[0]), by_value);
		assert_int_equal(hist_cnt(&h), n);
		assert_true(hist_min(&h) == values[0]);
		assert_true(hist_max(&h) == values[n - 1]);
		for (size_t s = 0; s < ARRAY_CNT(shares); s++) {
			assert_within_one_percent(hist_quantile(&h, shares[s]),
						  true_quantile(values, n, shares[s]));
		}
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_share_beyond_one_is_a_bug),
		cmocka_unit_test(an_empty_one_answers_zero),
		cmocka_unit_test(what_is_too_large_is_clipped_and_told),
		cmocka_unit_test(no_bucket_is_wider_than_one_percent),
		cmocka_unit_test(quantiles_match_the_sorted_truth),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
