/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   a plan that cannot work is refused; a region whose head is not what it should be is never
 *         used; what was planned is what is opened.
 * Method: failures first: parameters out of range, every number of a head made wrong.
 */
#include <stdlib.h>
#include <string.h>

#include "cache_region.h"
#include "microburst/error.h"
#include "test_cmocka.h"

static void
plan_refused(void **state)
{
	const struct cache_region_cfg row[] = {
		{ .shard_cnt = 0, .heap_bytes = 1 << 24, .keys_max = 1000 },
		{ .shard_cnt = CACHE_SHARD_MAX + 1, .heap_bytes = 1 << 30, .keys_max = 1000 },
		{ .shard_cnt = 4, .heap_bytes = 1000, .keys_max = 1000 },
		{ .shard_cnt = 1, .heap_bytes = 1 << 24, .keys_max = UINT64_C(1) << 31 },
		{ .shard_cnt = 1, .heap_bytes = UINT64_C(1) << 48, .keys_max = 1 },
	};
	struct cache_layout plan;

	(void)state;
	for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		assert_int_equal(cache_region_plan(&row[i], &plan), MB_ERR_CONFIG);
	}
}

static struct cache_layout
plan_two(void)
{
	struct cache_region_cfg cfg = { .shard_cnt = 2, .heap_bytes = 5 << 20, .keys_max = 5000 };
	struct cache_layout plan;

	assert_int_equal(cache_region_plan(&cfg, &plan), 0);
	return plan;
}

static void
open_refused(void **state)
{
	const struct cache_layout plan = plan_two();
	struct cache_layout *head = aligned_alloc(64, 4096), got;
	uint64_t *number[] = {
		&head->bytes,          &head->shard[0].index,      &head->shard[0].entry_cnt,
		&head->shard[0].used,  &head->shard[0].heap,       &head->shard[0].heap_bytes,
		&head->shard[1].index, &head->shard[1].entry_cnt,  &head->shard[1].used,
		&head->shard[1].heap,  &head->shard[1].heap_bytes,
	};
	static const uint64_t wrong[] = { UINT64_MAX, UINT64_MAX - 63, UINT64_C(1) << 63, 0, 1 };

	(void)state;
	cache_region_format((uint8_t *)head, &plan);
	assert_int_equal(cache_region_open((uint8_t *)head, sizeof(plan) - 1, &got),
			 MB_ERR_CORRUPT);
	assert_int_equal(cache_region_open((uint8_t *)head, plan.bytes - 1, &got), MB_ERR_CORRUPT);
	for (size_t i = 0; i < sizeof(number) / sizeof(number[0]); i++) {
		for (size_t j = 0; j < sizeof(wrong) / sizeof(wrong[0]); j++) {
			bool is_size = i == 0 || i == 5 || i == 10;

			cache_region_format((uint8_t *)head, &plan);
			*number[i] = wrong[j];
			if (is_size && wrong[j] <= 1) {
				continue; /* a smaller heap or region lies inside as well */
			}
			assert_int_equal(cache_region_open((uint8_t *)head, plan.bytes, &got),
					 MB_ERR_CORRUPT);
		}
	}
	cache_region_format((uint8_t *)head, &plan);
	head->shard_cnt = 0;
	assert_int_equal(cache_region_open((uint8_t *)head, plan.bytes, &got), MB_ERR_CORRUPT);
	head->shard_cnt = CACHE_SHARD_MAX + 1;
	assert_int_equal(cache_region_open((uint8_t *)head, plan.bytes, &got), MB_ERR_CORRUPT);
	head->magic++;
	assert_int_equal(cache_region_open((uint8_t *)head, plan.bytes, &got), MB_ERR_CORRUPT);
	cache_region_format((uint8_t *)head, &plan);
	head->layout_version++;
	assert_int_equal(cache_region_open((uint8_t *)head, plan.bytes, &got), MB_ERR_VERSION);
	free(head);
}

static void
planned(void **state)
{
	const struct cache_layout plan = plan_two();
	struct cache_layout *head = aligned_alloc(64, 4096), got;
	uint64_t end = sizeof(*head);

	(void)state;
	for (uint32_t i = 0; i < 2; i++) {
		const struct cache_layout_shard *s = &plan.shard[i];

		assert_true(s->index >= end);
		assert_int_equal(s->entry_cnt, 4096);
		assert_true(s->used >= s->index + s->entry_cnt * sizeof(struct cache_entry));
		assert_true(s->heap >= s->used + s->entry_cnt / 8);
		assert_int_equal(s->heap_bytes, 5 << 19);
		end = s->heap + s->heap_bytes;
	}
	assert_true(end <= plan.bytes && plan.bytes < end + (2 << 20));
	cache_region_format((uint8_t *)head, &plan);
	assert_int_equal(cache_region_open((uint8_t *)head, plan.bytes, &got), 0);
	assert_memory_equal(&got, &plan, sizeof(plan));
	free(head);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plan_refused),
		cmocka_unit_test(open_refused),
		cmocka_unit_test(planned),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
