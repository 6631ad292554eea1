/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   maxima and minima at the edges of their ranges; numbers in other bytes are refused.
 * Method: by hand. */
#include "scalar.h"

#include <math.h>

#include "made.h"
#include "test_cmocka.h"

static void
other_bytes_are_refused(void **state)
{
	const struct slice nan_bytes = slice_of("\0\0\0\0\0\0\370\177", 8);
	const struct slice minus_zero = slice_of("\0\0\0\0\0\0\0\200", 8);
	uint8_t buf[8];
	struct wbuf out = wbuf_init(buf, sizeof(buf));

	assert_int_equal(lattice_check(LATTICE_BOOL_OR, slice_of("\2", 1)), MB_ERR_CORRUPT);
	assert_int_equal(lattice_check(LATTICE_MAX_F64, nan_bytes), MB_ERR_CORRUPT);
	assert_int_equal(lattice_check(LATTICE_MAX_F64, minus_zero), MB_ERR_CORRUPT);
	assert_int_equal(max_f64_delta(NAN, &out), MB_ERR_INVALID);
	assert_int_equal(out.len, 0);
	for (unsigned int type = LATTICE_BOOL_OR; type <= LATTICE_MAX_F64; type++) {
		const size_t right = type == LATTICE_BOOL_OR ? 1 : 8;

		for (size_t len = 1; len <= 9; len++) {
			const struct slice v = made_copy(slice_of("\0\0\0\0\0\0\0\0\0", len));

			assert_int_equal(lattice_check(type, v), len == right ? 0 : MB_ERR_CORRUPT);
			(void)lattice_merge(type, v, u64_made(1), &out);
			(void)lattice_leq(type, v, u64_made(1));
		}
	}
}

static void
bottom_is_not_a_number(void **state)
{
	const struct slice bottom = { 0 };
	uint64_t u;
	double d;
	bool b;

	assert_int_equal(bool_or_read(bottom, &b), MB_ERR_NOT_FOUND);
	assert_int_equal(u64_read(bottom, &u), MB_ERR_NOT_FOUND);
	assert_int_equal(max_f64_read(bottom, &d), MB_ERR_NOT_FOUND);
	assert_true(slice_eq(merged(LATTICE_MIN_U64, bottom, u64_made(UINT64_MAX)),
			     u64_made(UINT64_MAX)));
	assert_true(slice_eq(merged(LATTICE_MAX_U64, u64_made(0), bottom), u64_made(0)));
}

static void
all_64_bits_count(void **state)
{
	const struct slice small = u64_made(1);
	const struct slice large =
		u64_made((UINT64_C(1) << 63) + 1); /* negative to a signed compare */
	const struct slice larger = u64_made(UINT64_MAX);
	uint64_t v;

	assert_true(slice_eq(merged(LATTICE_MAX_U64, small, large), large));
	assert_true(slice_eq(merged(LATTICE_MAX_U64, larger, large), larger));
	assert_true(slice_eq(merged(LATTICE_MIN_U64, small, large), small));
	assert_true(slice_eq(merged(LATTICE_MIN_U64, larger, large), large));
	assert_int_equal(u64_read(larger, &v), 0);
	assert_true(v == UINT64_MAX);
}

static void
doubles_order_as_numbers(void **state)
{
	static const double rising[] = {
		-INFINITY, -1e308, -1, -4.9e-324, 0, 4.9e-324, 1, INFINITY
	};
	double v;

	for (size_t i = 0; i < ARRAY_CNT(rising); i++) {
		for (size_t j = 0; j < ARRAY_CNT(rising); j++) {
			const struct slice max =
				merged(LATTICE_MAX_F64, f64_made(rising[i]), f64_made(rising[j]));

			assert_true(slice_eq(max, f64_made(rising[MAX(i, j)])));
		}
	}
	assert_true(slice_eq(f64_made(-0.0), f64_made(0.0)));
	assert_int_equal(max_f64_read(f64_made(2.5), &v), 0);
	assert_true(v == 2.5);
}

static void
true_wins(void **state)
{
	bool v;

	assert_true(slice_eq(merged(LATTICE_BOOL_OR, bool_made(false), bool_made(true)),
			     bool_made(true)));
	assert_true(slice_eq(merged(LATTICE_BOOL_OR, bool_made(true), bool_made(false)),
			     bool_made(true)));
	assert_int_equal(bool_or_read(bool_made(false), &v), 0);
	assert_false(v);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(other_bytes_are_refused),
		cmocka_unit_test(bottom_is_not_a_number),
		cmocka_unit_test(all_64_bits_count),
		cmocka_unit_test(doubles_order_as_numbers),
		cmocka_unit_test(true_wins),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
