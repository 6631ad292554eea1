/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   a HyperLogLog counts what Redis's counts, to the last digit, takes the shorter form while
 *         there is one, and stays within its bytes whatever they are.
 * Method: estimates of a redis-server 7.0.15 for the same members; values at the edge of both
 *         forms, merged in all ways; damage of every kind. */
#include "hll.h"

#include <stdio.h>

#include "made.h"
#include "test_cmocka.h"

static void
members_add(struct hll *h, uint32_t from, uint32_t cnt)
{
	char text[16];

	for (uint32_t i = from; i < from + cnt; i++) {
		hll_add(h, slice_of(text, (size_t)snprintf(text, sizeof(text), "%u", i)));
	}
}

static struct slice
value_of(const struct hll *h)
{
	return MADE(HLL_BYTES_MAX, hll_delta(h, out));
}

static void
counts_are_those_of_redis(void **state)
{
	static struct hll h, twice;

	assert_int_equal(hll_estimate(&h), 0);
	hll_add(&h, slice_str(""));
	assert_int_equal(hll_estimate(&h), 1);
	memset(&h, 0, sizeof(h));
	members_add(&h, 1, 1000);
	assert_int_equal(hll_estimate(&h), 1001);
	twice = h;
	members_add(&twice, 1, 1000);
	assert_memory_equal(&h, &twice, sizeof(h));
	memset(&h, 0, sizeof(h));
	members_add(&h, 1000, 100000);
	assert_int_equal(hll_estimate(&h), 99455);
}

static void
parts_merge_to_the_whole(void **state)
{
	static const uint32_t cuts[] = { 0, 1, 9000, 20000 };
	static struct hll whole, left, right;

	members_add(&whole, 0, 20000);
	for (size_t i = 0; i < ARRAY_CNT(cuts); i++) {
		memset(&left, 0, sizeof(left));
		memset(&right, 0, sizeof(right));
		members_add(&left, 0, cuts[i]);
		members_add(&right, cuts[i] / 2, 20000 - cuts[i] / 2);
		assert_true(slice_eq(merged(LATTICE_HLL, value_of(&left), value_of(&right)),
				     value_of(&whole)));
		assert_true(slice_eq(merged(LATTICE_HLL, value_of(&right), value_of(&left)),
				     value_of(&whole)));
	}
}

static void
the_form_is_the_shorter_one(void **state)
{
	static struct hll back;
	const struct slice few = hll_made(1, HLL_FEW, 3), more = hll_made(0, HLL_FEW + 1, 3);
	const struct slice made = hll_made(0, 0, 1);
	const struct slice both = merged(LATTICE_HLL, few, hll_made(0, 1, 3));
	struct wbuf none = { 0 };

	assert_int_equal(made.len, 1);
	assert_int_equal(lattice_check(LATTICE_HLL, made), 0);
	assert_int_equal(lattice_merge(LATTICE_HLL, made, few, &none), LATTICE_RIGHT);
	assert_int_equal(lattice_merge(LATTICE_HLL, more, made, &none), LATTICE_LEFT);
	assert_int_equal(few.len, 3 * HLL_FEW);
	assert_int_equal(more.len, HLL_BYTES_MAX);
	assert_true(slice_eq(both, more));
	assert_int_equal(lattice_check(LATTICE_HLL, few), 0);
	assert_int_equal(lattice_check(LATTICE_HLL, more), 0);
	hll_fold(&back, more);
	assert_true(slice_eq(value_of(&back), more));
	assert_int_equal(lattice_merge(LATTICE_HLL, more, few, &none), LATTICE_LEFT);
	assert_int_equal(lattice_merge(LATTICE_HLL, few, more, &none), LATTICE_RIGHT);
	assert_int_equal(lattice_merge(LATTICE_HLL, few, hll_made(0, 1, 3), &none),
			 MB_ERR_TOO_LARGE);
	assert_int_equal(hll_delta(&back, &none), MB_ERR_TOO_LARGE);
}

static void
damage_is_seen(void **state)
{
	static const char *const bad[] = {
		"\x40\x01\x01",             /* beyond the last register */
		"\x01\x01\x34",             /* beyond the highest rank */
		"\x01",                     /* made, none set: is a 0 */
		"\x01\x01",                 /* cut */
		"\x02\x01\x01\x01\x01\x01", /* not in order */
		"\x01\x01\x01\x01\x01\x02", /* twice */
	};
	const struct slice more = hll_made(0, HLL_FEW + 1, 3);
	static struct hll h;
	struct slice zero = made_copy(slice_of("\x01\x01\x00", 3));
	uint8_t *p = (uint8_t *)(uintptr_t)made_copy(more).p;

	for (size_t i = 0; i < ARRAY_CNT(bad); i++) {
		const struct slice v = made_copy(slice_str(bad[i]));

		assert_int_equal(lattice_check(LATTICE_HLL, v), MB_ERR_CORRUPT);
		hll_fold(&h, v);
		(void)lattice_leq(LATTICE_HLL, v, more);
		(void)lattice_leq(LATTICE_HLL, more, v);
	}
	assert_int_equal(lattice_check(LATTICE_HLL, zero), MB_ERR_CORRUPT);
	p[HLL_BYTES_MAX - 1] = HLL_RANK_MAX + 1;
	assert_int_equal(lattice_check(LATTICE_HLL, slice_of(p, HLL_BYTES_MAX)), MB_ERR_CORRUPT);
	p[HLL_BYTES_MAX - 1] = p[0] = 0; /* the short form would do */
	assert_int_equal(lattice_check(LATTICE_HLL, slice_of(p, HLL_BYTES_MAX)), MB_ERR_CORRUPT);
	memset(p, 0xff, HLL_BYTES_MAX);
	hll_fold(&h, slice_of(p, HLL_BYTES_MAX));
	(void)hll_estimate(&h); /* it has an answer, and ends */
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(counts_are_those_of_redis),
		cmocka_unit_test(parts_merge_to_the_whole),
		cmocka_unit_test(the_form_is_the_shorter_one),
		cmocka_unit_test(damage_is_seen),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
