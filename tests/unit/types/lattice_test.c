/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   what lattice.c promises for all types: unknown ids, bottom, an out that is left alone,
 *         and a merge that fits the bound and no less.
 * Method: each type, with one pair of values that merges to neither. */
#include "lattice.h"

#include "made.h"
#include "test_cmocka.h"

static const struct slice none;

static void
unknown_types_are_refused(void **state)
{
	struct wbuf out = wbuf_init(NULL, 0);

	assert_int_equal(lattice_check(LATTICE_TYPE_CNT, none), MB_ERR_TYPE);
	assert_int_equal(lattice_check(UINT32_MAX, slice_str("x")), MB_ERR_TYPE);
	assert_int_equal(lattice_merge(LATTICE_TYPE_CNT, none, none, &out), MB_ERR_TYPE);
	assert_false(lattice_leq(LATTICE_TYPE_CNT, none, none));
	assert_string_equal(lattice_type_name(LATTICE_TYPE_CNT), "UNKNOWN");
	assert_string_equal(lattice_type_name(LATTICE_GSET), "GSET");
}

static void
nothing_is_absent_but_nothing(void **state)
{
	struct wbuf out = wbuf_init(NULL, 0);

	assert_int_equal(lattice_check(LATTICE_ABSENT, none), 0);
	assert_int_equal(lattice_check(LATTICE_ABSENT, slice_str("x")), MB_ERR_CORRUPT);
	assert_int_equal(lattice_merge(LATTICE_ABSENT, slice_str("x"), slice_str("x"), &out),
			 MB_ERR_CORRUPT);
	assert_false(lattice_leq(LATTICE_ABSENT, slice_str("x"), slice_str("x")));
}

static void
too_long_a_value_is_refused(void **state)
{
	const struct slice v = slice_of("", (size_t)LATTICE_BYTES_MAX + 1); /* not looked at */

	assert_int_equal(lattice_check(LATTICE_LWW, v), MB_ERR_TOO_LARGE);
}

static void
too_long_a_merge_is_refused(void **state)
{
	const size_t half = LATTICE_BYTES_MAX / 2;
	struct slice member[2], v[2];
	struct wbuf sum;

	for (int i = 0; i < 2; i++) {
		uint8_t *bytes = made_alloc(half);

		memset(bytes, 'a' + i, half);
		member[i] = slice_of(bytes, half);
		v[i] = MADE(half + 4, gset_delta_add(&member[i], 1, out));
		assert_int_equal(lattice_check(LATTICE_GSET, v[i]), 0);
	}
	sum = wbuf_init(made_alloc(2 * half + 8), 2 * half + 8);
	assert_int_equal(lattice_merge(LATTICE_GSET, v[0], v[1], &sum), MB_ERR_TOO_LARGE);
	assert_int_equal(sum.len, 0);
	made_forget();
}

static void
bottom_is_below_everything(void **state)
{
	struct wbuf out = wbuf_init(NULL, 0);
	const struct slice x = slice_str("whatever");

	for (unsigned int type = 0; type < LATTICE_TYPE_CNT; type++) {
		assert_int_equal(lattice_check(type, none), 0);
		assert_int_equal(lattice_merge(type, none, none, &out), LATTICE_LEFT);
		assert_int_equal(lattice_merge(type, x, none, &out), LATTICE_LEFT);
		assert_int_equal(lattice_merge(type, none, x, &out), LATTICE_RIGHT);
		assert_true(lattice_leq(type, none, x));
		assert_false(lattice_leq(type, x, none));
	}
}

static void
a_merge_takes_the_room_it_needs(void **state)
{
	const struct {
		unsigned int type;
		struct slice a, b;
	} rows[] = {
		{ LATTICE_STRING, string_set("5"), string_plus(none, 1, 1) },
		{ LATTICE_PN_COUNTER, counter_plus(none, 1, 1), counter_plus(none, 2, 1) },
		{ LATTICE_GSET, gset_made("a"), gset_made("b") },
		{ LATTICE_MAP, map_made("k", LATTICE_GSET, gset_made("a")),
		  map_made("k", LATTICE_GSET, gset_made("b")) },
		{ LATTICE_VCLOCK, vclock_made(1, 1), vclock_made(2, 1) },
		{ LATTICE_ENVELOPE,
		  envelope_made(
			  &(struct envelope){ .type = LATTICE_GSET, .state = gset_made("a") }),
		  envelope_made(
			  &(struct envelope){ .type = LATTICE_GSET, .state = gset_made("b") }) },
	};

	for (size_t i = 0; i < ARRAY_CNT(rows); i++) {
		const struct slice want = merged(rows[i].type, rows[i].a, rows[i].b);

		for (size_t cap = 0; cap <= want.len; cap++) {
			uint8_t *buf = malloc(cap + 1);
			struct wbuf out = wbuf_init(buf, cap + 1);
			int rc;

			wbuf_u8(&out, 'x');
			rc = lattice_merge(rows[i].type, rows[i].a, rows[i].b, &out);
			assert_int_equal(rc, cap < want.len ? MB_ERR_TOO_LARGE : LATTICE_MIXED);
			assert_int_equal(out.len, cap < want.len ? 1 : 1 + want.len);
			assert_int_equal(out.cap, cap + 1);
			assert_false(out.full);
			assert_int_equal(buf[0], 'x');
			free(buf);
		}
	}
}

static void
merge_into_writes_whichever_side(void **state)
{
	const struct slice a = u64_made(1);
	const struct slice b = u64_made(2);
	uint8_t buf[8];
	struct wbuf out = wbuf_init(buf, 7);

	assert_int_equal(lattice_merge_into(LATTICE_MAX_U64, a, b, &out), MB_ERR_TOO_LARGE);
	assert_int_equal(out.len, 0);
	out = wbuf_init(buf, 8);
	assert_int_equal(lattice_merge_into(LATTICE_MAX_U64, a, b, &out), LATTICE_RIGHT);
	assert_true(slice_eq(wbuf_slice(&out), b));
	out = wbuf_init(buf, 8);
	assert_int_equal(lattice_merge_into(LATTICE_MIN_U64, a, b, &out), LATTICE_LEFT);
	assert_true(slice_eq(wbuf_slice(&out), a));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(unknown_types_are_refused),
		cmocka_unit_test(nothing_is_absent_but_nothing),
		cmocka_unit_test(too_long_a_value_is_refused),
		cmocka_unit_test(too_long_a_merge_is_refused),
		cmocka_unit_test(bottom_is_below_everything),
		cmocka_unit_test(a_merge_takes_the_room_it_needs),
		cmocka_unit_test(merge_into_writes_whichever_side),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
