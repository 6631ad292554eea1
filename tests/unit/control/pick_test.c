/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   the choice is always one that is able; never a busy one while another is able; of two the
 *         less loaded; and every able one is chosen sometimes.
 * Method: random sets and loads, small ones against a definition; then a thousand executors under
 *         load, against a choice at random. */
#include "pick.h"

#include <stdbool.h>
#include <string.h>

#include "../base/test_cmocka.h"
#include "rng.h"

static bool
has(const uint64_t *set, uint32_t i)
{
	return (set[i / 64] >> (i % 64) & 1) != 0;
}

static void
what_is_chosen_is_able_and_not_busy(void **state)
{
	struct rng r;
	uint16_t load[256];

	(void)state;
	rng_init(&r, 1);
	for (uint32_t turn = 0; turn < 20000; turn++) {
		uint32_t words = 1 + (uint32_t)rng_below(&r, 4);
		uint64_t able[4], busy[4];
		bool any = false, any_free = false;
		uint32_t got;

		for (uint32_t w = 0; w < words; w++) {
			able[w] = UINT64_MAX;
			for (int i = 0; i < 5; i++) {
				able[w] &= rng_u64(&r);
			}
			busy[w] = rng_u64(&r);
			busy[w] |= rng_u64(&r);
			able[w] = turn % 7 == 0 ? 0 : able[w];
			any |= able[w] != 0;
			any_free |= (able[w] & ~busy[w]) != 0;
		}
		for (uint32_t i = 0; i < words * 64; i++) {
			load[i] = (uint16_t)rng_below(&r, PICK_LOAD_FULL + 1);
		}
		got = pick_exec(able, busy, words, load, rng_u64(&r));
		if (!any) {
			assert_int_equal(got, PICK_NONE);
			continue;
		}
		assert_true(got < words * 64 && has(able, got));
		assert_true(!any_free || !has(busy, got));
	}
}

static void
each_is_chosen_and_the_less_loaded_more(void **state)
{
	uint64_t able[2] = { UINT64_C(1) << 3 | UINT64_C(1) << 40, UINT64_C(1) << 63 };
	uint64_t busy[2] = { 0, 0 };
	uint16_t load[128] = { 0 };
	uint32_t cnt[128] = { 0 };
	struct rng r;

	(void)state;
	rng_init(&r, 2);
	load[3] = 100;
	load[40] = 200;
	load[127] = 600;
	for (int i = 0; i < 10000; i++) {
		cnt[pick_exec(able, busy, 2, load, rng_u64(&r))]++;
	}
	assert_int_equal(cnt[3] + cnt[40] + cnt[127], 10000);
	assert_true(cnt[127] > 0 && cnt[40] > 0 && cnt[3] > 0);
	assert_true(cnt[3] > cnt[40] && cnt[40] > cnt[127]);
}

/* A call goes to one of a thousand, and stays: the fullest has to hold far less than if each call
 * went anywhere. */
static void
two_choices_spread_what_one_does_not(void **state)
{
	static uint64_t able[16], busy[16];
	static uint16_t two[1024], one[1024];
	uint16_t max_two = 0, max_one = 0;
	struct rng r;

	(void)state;
	rng_init(&r, 3);
	memset(able, 0xff, sizeof(able));
	for (int i = 0; i < 20 * 1024; i++) {
		two[pick_exec(able, busy, 16, two, rng_u64(&r))]++;
		one[rng_below(&r, 1024)]++;
	}
	for (int i = 0; i < 1024; i++) {
		max_two = two[i] > max_two ? two[i] : max_two;
		max_one = one[i] > max_one ? one[i] : max_one;
	}
	assert_true(max_two <= 24); /* of a mean of 20 */
	assert_true(max_one >= 32);
}

static void
a_load_follows_what_ran(void **state)
{
	uint16_t load = 0;

	(void)state;
	for (int i = 0; i < 20; i++) {
		load = pick_load(load, 900, 1000);
	}
	assert_in_range(load, 890, 901);
	for (int i = 0; i < 3; i++) {
		load = pick_load(load, 0, 1000);
	}
	assert_true(load < PICK_BUSY);
	assert_in_range(pick_load(0, UINT64_MAX, 1), 250, 250); /* clocks of others may lie */
	assert_true(pick_load(PICK_LOAD_FULL, UINT64_MAX, 0) <= PICK_LOAD_FULL);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_chosen_is_able_and_not_busy),
		cmocka_unit_test(each_is_chosen_and_the_less_loaded_more),
		cmocka_unit_test(two_choices_spread_what_one_does_not),
		cmocka_unit_test(a_load_follows_what_ran),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
