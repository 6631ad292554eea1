/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   a value is counted where it belongs, the quick way too; quantiles are within
 *         7 % of the sorted truth.
 * Method: every value up to 2^16, both sides of every bucket's beginning, the last fine and the
 *         first coarse ones; random sets against a sorted array. */
#include "stage.h"

#include <stdlib.h>

#include "rng.h"
#include "test_cmocka.h"
#include "test_seed.h"

static struct stage_hist h;
static struct stage_sum sum;

static void
belongs(uint64_t ns)
{
	uint32_t b = stage_bucket(ns);
	/* A float has 24 bits: above that a value just below a bucket may count in it. */
	uint64_t slack = ns >> 24;

	assert_true(b < STAGE_BUCKET_CNT);
	assert_true(stage_bucket_begin(b) <= ns + slack);
	assert_true(b == STAGE_BUCKET_CNT - 1 || ns < stage_bucket_begin(b + 1) + slack);
}

static void
every_value_is_in_its_bucket(void **state)
{
	for (uint64_t ns = 0; ns < 1 << 16; ns++) {
		belongs(ns);
	}
	for (uint32_t b = 1; b < STAGE_BUCKET_CNT; b++) {
		assert_true(stage_bucket_begin(b) >= stage_bucket_begin(b - 1));
		belongs(stage_bucket_begin(b));
		belongs(stage_bucket_begin(b) - (stage_bucket_begin(b) > 0));
	}
	belongs(STAGE_FINE_MAX);
	belongs((uint64_t)STAGE_FINE_MAX + 1);
	assert_int_equal(stage_bucket((uint64_t)STAGE_FINE_MAX + 1), STAGE_COARSE);
	assert_int_equal(stage_bucket(UINT64_MAX), STAGE_BUCKET_CNT - 1);
	assert_int_equal(stage_bucket(UINT64_MAX - 1), STAGE_BUCKET_CNT - 1);
	assert_int_equal(stage_bucket(0), 0);
}

static void
fine_ones_are_counted_alike(void **state)
{
	struct rng rng;

	rng_init(&rng, test_seed("stage"));
	for (uint32_t i = 0; i < 100000; i++) {
		uint32_t v = (uint32_t)(rng_u64(&rng) >> 33 >> rng_u64(&rng) % 31);

		v = MIN(v, (uint32_t)STAGE_FINE_MAX);
		stage_add_fine(&h, v);
		assert_int_equal(atomic_load(&h.bucket[stage_bucket(v)]), 1);
		atomic_store(&h.bucket[stage_bucket(v)], 0);
	}
	stage_sum_add(&sum, &h);
	assert_int_equal(stage_sum_cnt(&sum), 0);
	assert_int_equal(stage_quantile(&sum, 0.5), 0);
}

static int
by_size(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

#define CNT 20000

static void
quantiles_are_near_the_truth(void **state)
{
	static const double qs[] = { 0, 0.01, 0.5, 0.9, 0.99, 0.999, 1 };
	static uint64_t v[CNT];
	struct rng rng;

	rng_init(&rng, test_seed("stage"));
	for (uint32_t shape = 0; shape < 3; shape++) {
		struct stage_hist own = { 0 };
		struct stage_sum s = { 0 };

		for (uint32_t i = 0; i < CNT; i++) {
			uint64_t r = rng_u64(&rng);

			v[i] = shape == 0   ? 200 + r % 100
			       : shape == 1 ? r >> 34 >> rng_u64(&rng) % 28
					    : (r % 100 == 0 ? 1000000 : 300);
			stage_add(&own, v[i]);
		}
		qsort(v, CNT, sizeof(v[0]), by_size);
		stage_sum_add(&s, &own);
		assert_int_equal(stage_sum_cnt(&s), CNT);
		for (uint32_t i = 0; i < ARRAY_CNT(qs); i++) {
			uint32_t at = (uint32_t)(qs[i] * CNT);
			double want = (double)v[at == 0 ? 0 : at - 1];
			double got = (double)stage_quantile(&s, qs[i]);

			assert_true(got >= want * 0.93 - 1 && got <= want * 1.07 + 1);
		}
	}
}

static void
a_sum_of_a_hostile_writer_saturates(void **state)
{
	struct stage_hist bad = { 0 };
	struct stage_sum s = { 0 };

	atomic_store(&bad.bucket[3], UINT64_MAX);
	atomic_store(&bad.bucket[4], UINT64_MAX);
	stage_sum_add(&s, &bad);
	stage_sum_add(&s, &bad);
	assert_true(stage_sum_cnt(&s) == UINT64_MAX);
	assert_true(stage_quantile(&s, 1) <= stage_bucket_begin(STAGE_BUCKET_CNT));
	assert_true(stage_sum_ns(&s) > 1e19);
}

static void
all_values_together(void **state)
{
	struct rng rng;
	struct stage_hist own = { 0 };
	struct stage_sum s = { 0 };
	double ns = 0;

	rng_init(&rng, test_seed("stage"));
	assert_true(stage_sum_ns(&s) == 0);
	for (uint32_t i = 0; i < 1000; i++) {
		uint64_t v = rng_u64(&rng) >> 34;

		ns += (double)v;
		stage_add(&own, v);
	}
	stage_sum_add(&s, &own);
	assert_true(stage_sum_ns(&s) <= ns);
	assert_true(stage_sum_ns(&s) >= ns * 8 / 9);
}

static void
each_stage_has_its_words(void **state)
{
	for (uint32_t i = 0; i < STAGE_CNT; i++) {
		assert_true(stage_name((enum stage)i)[0] != '\0');
		assert_true(stage_doc((enum stage)i)[0] != '\0');
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_value_is_in_its_bucket),
		cmocka_unit_test(fine_ones_are_counted_alike),
		cmocka_unit_test(quantiles_are_near_the_truth),
		cmocka_unit_test(a_sum_of_a_hostile_writer_saturates),
		cmocka_unit_test(all_values_together),
		cmocka_unit_test(each_stage_has_its_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
