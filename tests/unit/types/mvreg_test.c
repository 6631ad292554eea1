/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   what was seen is overwritten, what was not stays beside; merged values settle; an
 *         overwritten value never returns.
 * Method: by hand, damage first. */
#include "mvreg.h"

#include "made.h"
#include "test_cmocka.h"

static const struct slice none;

static bool
shows(struct slice v, const char *text)
{
	struct mvreg_sibling s;

	for (uint32_t i = 0; mvreg_next(v, &i, &s);) {
		if (slice_eq(s.value, slice_str(text))) {
			return true;
		}
	}
	return false;
}

static void
damage_is_seen(void **state)
{
	const struct slice v = mvreg_put(none, none, "a", 1, 1);

	for (size_t i = 1; i <= MVREG_OVERHEAD; i++) {
		struct slice bad = made_copy(v);
		struct mvreg_sibling s;

		/* A copy of v: NOLINTNEXTLINE(clang-analyzer-core.uninitialized.Assign) */
		((uint8_t *)(uintptr_t)bad.p)[bad.len - i] ^= 0x80;
		(void)mvreg_latest(bad, &s);
		/* The time is any number; all else is not. */
		assert_int_equal(lattice_check(LATTICE_MVREG, bad) == 0, i > MVREG_OVERHEAD - 8);
	}
	/* One below another is no state. */
	{
		const struct slice after = mvreg_put(v, v, "b", 2, 2);
		struct table a, b;
		struct table_builder builder;
		uint8_t buf[256];
		struct wbuf out = wbuf_init(buf, sizeof(buf));

		assert_int_equal(table_open(v, &a), 0);
		assert_int_equal(table_open(after, &b), 0);
		table_begin(&builder, &out);
		table_add_run(&builder, &a, 0, 1);
		table_add_run(&builder, &b, 0, 1);
		assert_int_equal(table_end(&builder), 0);
		assert_int_equal(lattice_check(LATTICE_MVREG, wbuf_slice(&out)), MB_ERR_CORRUPT);
	}
	assert_int_equal(MADE(64,
			      mvreg_delta_put(none, none, by(1), &(struct mvreg_sibling){ 0 }, out))
				 .len,
			 HISTORY_RUN_BYTES + MVREG_OVERHEAD);
}

/* A tile writes for all its callers. */
static void
blind_writes_of_one_writer_stay_beside_each_other(void **state)
{
	struct slice v = mvreg_put(none, none, "a", 1, 1);

	v = mvreg_put(v, none, "b", 2, 1);
	assert_int_equal(mvreg_cnt(v), 2);
	assert_true(shows(v, "a") && shows(v, "b"));
	/* Whoever has seen both takes their place, under one run however often. */
	for (uint64_t time = 3; time < 40; time++) {
		v = mvreg_put(v, none, "c", time, 1);
		v = mvreg_merged(v, "all");
		assert_int_equal(mvreg_cnt(v), 1);
		assert_int_equal(v.len, HISTORY_RUN_BYTES + MVREG_OVERHEAD + 3);
	}
	/* One who had seen the first alone takes the place of that one. */
	{
		const struct slice a = mvreg_put(none, none, "a", 1, 1);
		const struct slice ab = mvreg_put(a, none, "b", 2, 1);
		const struct slice abc = mvreg_put(ab, a, "c", 3, 1);

		assert_true(shows(abc, "b") && shows(abc, "c") && !shows(abc, "a"));
	}
}

/* Deleted, and forgotten: the register begins anew, and what one had seen before is none of it. */
static void
who_saw_what_is_forgotten_saw_nothing_of_now(void **state)
{
	const struct slice old = mvreg_put(mvreg_put(none, none, "1", 1, 1), none, "2", 2, 1);
	struct slice v = mvreg_put(none, none, "new", 100, 1);

	v = mvreg_put(v, old, "late", 101, 1);
	assert_true(shows(v, "new") && shows(v, "late"));
	/* And the reverse: what is written now is nothing that anybody has seen. */
	v = mvreg_put(none, old, "late", 100, 1);
	v = mvreg_put(v, mvreg_put(none, old, "then", 50, 1), "later", 101, 1);
	assert_true(shows(v, "late") && shows(v, "later"));
}

static void
siblings_stay_until_somebody_has_seen_them(void **state)
{
	const struct slice a = mvreg_put(none, none, "a", 1, 1);
	const struct slice b = mvreg_put(none, none, "b", 2, 2);
	const struct slice both = merged(LATTICE_MVREG, a, b);
	struct mvreg_sibling s;
	struct slice v;

	assert_int_equal(mvreg_cnt(both), 2);
	assert_true(mvreg_latest(both, &s));
	assert_true(slice_eq(s.value, slice_str("b")));
	v = mvreg_put(both, both, "c", 3, 1);
	assert_int_equal(mvreg_cnt(v), 1);
	/* One who had only seen a. */
	v = mvreg_put(both, a, "d", 4, 1);
	assert_int_equal(mvreg_cnt(v), 2);
	assert_true(shows(v, "b") && shows(v, "d"));
	/* Late messages bring nothing back. */
	assert_true(slice_eq(merged(LATTICE_MVREG, v, a), v));
	assert_true(slice_eq(merged(LATTICE_MVREG, v, both), v));
}

static void
a_delete_removes_what_it_saw(void **state)
{
	const struct slice a = mvreg_put(none, none, "a", 1, 1);
	const struct slice b = mvreg_put(none, none, "b", 2, 2);
	const struct slice both = merged(LATTICE_MVREG, a, b);
	const struct slice gone = mvreg_deleted(a);
	struct slice v;

	assert_int_equal(lattice_check(LATTICE_MVREG, gone), 0);
	assert_int_equal(mvreg_cnt(gone), 0);
	assert_int_equal(mvreg_deleted(gone).len, gone.len); /* nothing to delete */
	/* What it did not see stays; what it saw does not come back. */
	v = merged(LATTICE_MVREG, gone, both);
	assert_int_equal(mvreg_cnt(v), 1);
	assert_true(shows(v, "b"));
	assert_int_equal(mvreg_cnt(mvreg_deleted(both)), 0);
	assert_int_equal(mvreg_cnt(merged(LATTICE_MVREG, mvreg_deleted(both), both)), 0);
	/* Of one who merged what another deleted: the delete saw as much. */
	v = merged(LATTICE_MVREG, mvreg_merged(both, "ab"), mvreg_deleted(both));
	assert_int_equal(mvreg_cnt(v), 0);
	/* Written again, by one who has seen that and by one who has not. */
	assert_int_equal(mvreg_put(gone, gone, "c", 3, 1).len,
			 HISTORY_RUN_BYTES + MVREG_OVERHEAD + 1);
	v = mvreg_put(gone, none, "c", 3, 1);
	assert_int_equal(mvreg_cnt(v), 1);
	assert_true(shows(merged(LATTICE_MVREG, v, a), "c"));
	assert_false(shows(merged(LATTICE_MVREG, v, a), "a"));
}

/* The capsule of the papers fails this: a = {A1}, b = {B1}, c = {A2} over a. */
static void
grouping_does_not_matter(void **state)
{
	const struct slice a = mvreg_put(none, none, "a", 1, 1);
	const struct slice b = mvreg_put(none, none, "b", 1, 2);
	const struct slice c = mvreg_put(a, a, "c", 2, 1);
	const struct slice left = merged(LATTICE_MVREG, merged(LATTICE_MVREG, a, b), c);
	const struct slice right = merged(LATTICE_MVREG, a, merged(LATTICE_MVREG, b, c));

	assert_true(slice_eq(left, right));
	assert_true(shows(left, "b") && shows(left, "c") && !shows(left, "a"));
}

static void
merging_settles(void **state)
{
	const struct slice a = mvreg_put(none, none, "a", 1, 1);
	const struct slice b = mvreg_put(none, none, "b", 2, 2);
	const struct slice c = mvreg_put(none, none, "c", 3, 3);
	const struct slice ab = mvreg_merged(merged(LATTICE_MVREG, a, b), "a+b");
	const struct slice bc = mvreg_merged(merged(LATTICE_MVREG, b, c), "b+c");
	struct slice v;

	/* Twice, at two places: once. */
	assert_true(slice_eq(merged(LATTICE_MVREG, ab,
				    mvreg_merged(merged(LATTICE_MVREG, b, a), "a+b")),
			     ab));
	/* Its inputs do not come back. */
	assert_true(slice_eq(merged(LATTICE_MVREG, ab, b), ab));
	/* Merges of different inputs are siblings: neither is lost. */
	v = merged(LATTICE_MVREG, ab, bc);
	assert_int_equal(mvreg_cnt(v), 2);
	v = mvreg_merged(v, "a+b+c");
	assert_int_equal(mvreg_cnt(merged(LATTICE_MVREG, merged(LATTICE_MVREG, v, a), bc)), 1);
	{
		uint8_t buf[8];
		struct wbuf out = wbuf_init(buf, sizeof(buf));

		assert_int_equal(mvreg_delta_merged(none, none, none, none, &out),
				 MB_ERR_NOT_FOUND);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(damage_is_seen),
		cmocka_unit_test(blind_writes_of_one_writer_stay_beside_each_other),
		cmocka_unit_test(who_saw_what_is_forgotten_saw_nothing_of_now),
		cmocka_unit_test(siblings_stay_until_somebody_has_seen_them),
		cmocka_unit_test(a_delete_removes_what_it_saw),
		cmocka_unit_test(grouping_does_not_matter),
		cmocka_unit_test(merging_settles),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
