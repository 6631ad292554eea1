/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   members come and go; a remove takes what it saw, an add it did not see survives it; what
 *         a change costs on the wire does not depend on the set.
 * Method: by hand; the table and the presences underneath have their own tests. */
#include "orset.h"

#include <stdio.h>

#include "made.h"
#include "test_cmocka.h"

static const struct slice none;

static void
a_damaged_set_is_empty(void **state)
{
	const struct slice bad = made_copy(slice_of("\377\377\377\377", 4));
	struct slice member;
	struct table_walk walk = { 0 };
	uint8_t buf[8];
	struct wbuf out = wbuf_init(buf, sizeof(buf));

	assert_int_equal(orset_cnt(bad), 0);
	assert_false(orset_has(bad, slice_str("a")));
	assert_false(orset_next(bad, &walk, &member));
	assert_int_equal(orset_delta_remove(bad, slice_str("a"), &out), MB_ERR_CORRUPT);
	assert_int_equal(orset_delta_clear(bad, &out), MB_ERR_CORRUPT);
	/* A gset is none: its members have no presence. */
	assert_int_equal(lattice_check(LATTICE_ORSET, gset_made("a b")), MB_ERR_CORRUPT);
}

static void
too_little_room_is_said(void **state)
{
	const struct slice v = orset_plus(none, "member", 1, 1);
	uint8_t buf[64];

	for (size_t room = 0; room < v.len; room++) {
		struct wbuf out = wbuf_init(buf, room);

		assert_int_equal(orset_delta_add(at(1, 1), slice_str("member"), &out),
				 MB_ERR_TOO_LARGE);
		assert_int_equal(out.len, 0);
		assert_int_equal(orset_delta_clear(v, &out), MB_ERR_TOO_LARGE);
		assert_int_equal(out.len, 0);
		assert_int_equal(out.cap, room);
	}
	assert_int_equal(v.len, strlen("member") + ORSET_OVERHEAD);
}

static void
members_come_and_go(void **state)
{
	struct slice v = none, m;
	struct table_walk walk = { 0 };

	v = orset_plus(v, "b", 1, 1);
	v = orset_plus(v, "", 2, 1);
	v = orset_plus(v, "a", 3, 1);
	assert_int_equal(orset_cnt(v), 3);
	v = orset_minus(v, "a");
	assert_int_equal(orset_cnt(v), 2);
	assert_false(orset_has(v, slice_str("a")));
	assert_true(orset_has(v, slice_str("")));
	assert_true(orset_next(v, &walk, &m));
	assert_int_equal(m.len, 0);
	assert_true(orset_next(v, &walk, &m));
	assert_true(slice_eq(m, slice_str("b")));
	assert_false(orset_next(v, &walk, &m));
	v = orset_plus(v, "a", 4, 2);
	assert_true(orset_has(v, slice_str("a")));
	/* What is not there is not removed, and says nothing. */
	assert_int_equal(MADE(v.len, orset_delta_remove(v, slice_str("z"), out)).len, 0);
	assert_int_equal(lattice_check(LATTICE_ORSET, v), 0);
}

static void
an_unseen_add_survives(void **state)
{
	const struct slice seen = orset_plus(none, "a", 1, 1);
	const struct slice again = orset_plus(seen, "a", 2, 2); /* meanwhile, elsewhere */
	const struct slice other = orset_plus(seen, "b", 2, 2);

	assert_true(
		orset_has(merged(LATTICE_ORSET, orset_minus(seen, "a"), again), slice_str("a")));
	assert_false(
		orset_has(merged(LATTICE_ORSET, orset_minus(again, "a"), again), slice_str("a")));
	/* A whole set is cleared in the same sense. */
	{
		const struct slice clear = MADE(seen.len, orset_delta_clear(seen, out));
		const struct slice left = merged(LATTICE_ORSET, other, clear);

		assert_int_equal(orset_cnt(left), 1);
		assert_true(orset_has(left, slice_str("b")));
	}
}

static void
a_change_is_as_large_as_itself(void **state)
{
	struct slice v = none;

	for (int i = 0; i < 1000; i++) {
		char name[8];

		snprintf(name, sizeof(name), "%03d", i);
		v = orset_plus(v, name, (uint64_t)i + 1, 1);
	}
	assert_int_equal(MADE(v.len, orset_delta_remove(v, slice_str("500"), out)).len,
			 3 + ORSET_OVERHEAD);
	assert_int_equal(orset_cnt(orset_minus(v, "500")), 999);
	made_forget();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_damaged_set_is_empty),
		cmocka_unit_test(too_little_room_is_said),
		cmocka_unit_test(members_come_and_go),
		cmocka_unit_test(an_unseen_add_survives),
		cmocka_unit_test(a_change_is_as_large_as_itself),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
