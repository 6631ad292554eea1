/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   adding, asking and walking a set; a set that already has a member is not copied.
 * Method: by hand; the table underneath has its own tests. */
#include "gset.h"

#include "made.h"
#include "test_cmocka.h"

static void
members_out_of_order_are_refused(void **state)
{
	const struct slice falling[] = { slice_str("b"), slice_str("a") };
	const struct slice twice[] = { slice_str("a"), slice_str("a") };
	uint8_t buf[64];
	struct wbuf out = wbuf_init(buf, sizeof(buf));

	assert_int_equal(gset_delta_add(falling, 2, &out), MB_ERR_INVALID);
	assert_int_equal(gset_delta_add(twice, 2, &out), MB_ERR_INVALID);
	assert_int_equal(out.len, 0);
	assert_int_equal(out.cap, sizeof(buf));
	assert_false(out.full);
}

static void
a_damaged_set_is_empty(void **state)
{
	const struct slice bad = made_copy(slice_of("\377\377\377\377", 4));
	struct slice member;

	assert_int_equal(gset_cnt(bad), 0);
	assert_false(gset_has(bad, slice_str("a")));
	assert_false(gset_at(bad, 0, &member));
}

static void
nothing_is_the_empty_set(void **state)
{
	assert_int_equal(gset_made("").len, 0);
	assert_int_equal(gset_cnt(slice_of(NULL, 0)), 0);
	assert_false(gset_has(slice_of(NULL, 0), slice_str("")));
}

static void
the_empty_member_is_a_member(void **state)
{
	const struct slice member = slice_str("");
	const struct slice v = MADE(4, gset_delta_add(&member, 1, out));

	assert_int_equal(lattice_check(LATTICE_GSET, v), 0);
	assert_int_equal(gset_cnt(v), 1);
	assert_true(gset_has(v, member));
	assert_false(gset_has(v, slice_str("a")));
}

static void
members_are_walked_in_order_and_in_place(void **state)
{
	static const char *const names[] = { "a", "ab", "b", "ba", "c" };
	const struct slice v = merged(LATTICE_GSET, gset_made("ab c"), gset_made("a b ba"));
	struct slice member;
	uint32_t i;

	assert_int_equal(gset_cnt(v), ARRAY_CNT(names));
	for (i = 0; gset_at(v, i, &member); i++) {
		assert_true(slice_eq(member, slice_str(names[i])));
		assert_true(member.p >= v.p && member.p < v.p + v.len);
	}
	assert_int_equal(i, ARRAY_CNT(names));
	assert_int_equal(v.len, 7 + 5 * 4);
}

static void
what_is_there_already_costs_no_copy(void **state)
{
	const struct slice v = gset_made("a b c d e f");
	struct wbuf none = wbuf_init(NULL, 0);

	assert_int_equal(lattice_merge(LATTICE_GSET, v, gset_made("a f"), &none), LATTICE_LEFT);
	assert_int_equal(lattice_merge(LATTICE_GSET, v, v, &none), LATTICE_LEFT);
	assert_int_equal(lattice_merge(LATTICE_GSET, gset_made("c"), v, &none), LATTICE_RIGHT);
	assert_int_equal(lattice_merge(LATTICE_GSET, v, gset_made("g"), &none), MB_ERR_TOO_LARGE);
	assert_false(none.full);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(members_out_of_order_are_refused),
		cmocka_unit_test(a_damaged_set_is_empty),
		cmocka_unit_test(nothing_is_the_empty_set),
		cmocka_unit_test(the_empty_member_is_a_member),
		cmocka_unit_test(members_are_walked_in_order_and_in_place),
		cmocka_unit_test(what_is_there_already_costs_no_copy),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
