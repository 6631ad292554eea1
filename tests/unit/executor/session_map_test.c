/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   a map shows the stored fields with what this call put, added and deleted on top.
 * Method: by hand; random operations on all types are in session_op_test. */
#include "session_fixture.h"

static void
maps_show_stored_and_own_fields(void **state)
{
	struct slice got;

	assert_int_equal(session_map_put(s, k("map"), k("x"), k("1")), 0);
	assert_int_equal(session_map_put(s, k("map"), k("y"), k("2")), 0);
	assert_int_equal(session_publish(s), 0);
	begin(0);
	assert_int_equal(session_map_put(s, k("map"), k("y"), k("3")), 0);
	assert_int_equal(session_map_get(s, k("map"), k("x"), &got), 0);
	assert_memory_equal(got.p, "1", 1);
	assert_int_equal(session_map_get(s, k("map"), k("y"), &got), 0);
	assert_memory_equal(got.p, "3", 1);
	assert_int_equal(session_map_get(s, k("map"), k("z"), &got), MB_ERR_NOT_FOUND);
	assert_int_equal(session_map_get(s, k("none"), k("z"), &got), MB_ERR_NOT_FOUND);
	assert_int_equal(session_publish(s), 0);
	assert_string_equal(world_text(w, k("map")), "(map of 2)");
}

static void
fields_are_counted_and_deleted(void **state)
{
	struct slice got;
	uint64_t cnt;
	int64_t x;

	assert_int_equal(session_map_incr(s, k("map"), k("n"), 5, &x), 0);
	assert_int_equal(x, 5);
	assert_int_equal(session_map_put(s, k("map"), k("t"), k("text")), 0);
	assert_int_equal(session_map_incr(s, k("map"), k("t"), 1, NULL), MB_ERR_TYPE);
	assert_int_equal(session_publish(s), 0);
	begin(0);
	assert_int_equal(session_map_incr(s, k("map"), k("n"), 2, NULL), 0);
	assert_int_equal(session_map_get(s, k("map"), k("n"), &got), 0);
	assert_true(slice_eq(got, k("7")));
	assert_int_equal(session_map_incr(s, k("map"), k("t"), 1, NULL), MB_ERR_TYPE);
	assert_int_equal(session_map_delete(s, k("map"), k("t")), 0);
	assert_int_equal(session_map_get(s, k("map"), k("t"), &got), MB_ERR_NOT_FOUND);
	/* Deleted, it begins at nothing; put, at what was put. */
	assert_int_equal(session_map_incr(s, k("map"), k("t"), 3, &x), 0);
	assert_int_equal(x, 3);
	assert_int_equal(session_map_put(s, k("map"), k("u"), k("10")), 0);
	assert_int_equal(session_map_incr(s, k("map"), k("u"), 1, &x), 0);
	assert_int_equal(x, 11);
	assert_int_equal(session_map_incr(s, k("map"), k("u"), INT64_MAX, &x), MB_ERR_TOO_LARGE);
	assert_int_equal(session_map_cnt(s, k("map"), &cnt), 0);
	assert_int_equal(cnt, 3);
	assert_int_equal(session_publish(s), 0);
	begin(0);
	assert_int_equal(session_map_get(s, k("map"), k("t"), &got), 0);
	assert_true(slice_eq(got, k("3")));
	assert_int_equal(session_map_get(s, k("map"), k("u"), &got), 0);
	assert_true(slice_eq(got, k("11")));
	assert_int_equal(session_map_delete(s, k("map"), k("n")), 0);
	assert_int_equal(session_map_delete(s, k("map"), k("t")), 0);
	assert_int_equal(session_map_delete(s, k("map"), k("u")), 0);
	assert_int_equal(session_get(s, k("map"), &got), MB_ERR_NOT_FOUND);
	assert_int_equal(session_publish(s), 0);
	assert_string_equal(world_text(w, k("map")), "(absent)");
}

static void
a_walk_shows_each_field_once(void **state)
{
	struct session_iter it;
	struct slice f, v;
	char seen[128] = "";
	int err;

	assert_int_equal(session_map_put(s, k("map"), k("a"), k("1")), 0);
	assert_int_equal(session_map_put(s, k("map"), k("b"), k("2")), 0);
	assert_int_equal(session_map_put(s, k("map"), k("c"), k("3")), 0);
	assert_int_equal(session_publish(s), 0);
	begin(0);
	assert_int_equal(session_map_put(s, k("map"), k("b"), k("own")), 0);
	assert_int_equal(session_map_delete(s, k("map"), k("a")), 0);
	assert_int_equal(session_map_put(s, k("map"), k("d"), k("4")), 0);
	assert_int_equal(session_map_incr(s, k("map"), k("c"), 4, NULL), 0);
	assert_int_equal(session_map_begin(s, k("map"), &it), 0);
	while (session_map_next(s, &it, &f, &v, &err)) {
		size_t len = strlen(seen);

		snprintf(seen + len, sizeof(seen) - len, "%.*s=%.*s ", (int)f.len,
			 (const char *)f.p, (int)v.len, (const char *)v.p);
	}
	assert_int_equal(err, 0);
	assert_string_equal(seen, "b=own c=7 d=4 ");
	assert_int_equal(session_map_begin(s, k("nothing"), &it), 0);
	assert_false(session_map_next(s, &it, &f, &v, &err));
}

static void
put_at(const char *field, const char *value, uint64_t time_us)
{
	assert_int_equal(session_map_put_at(s, k("at"), k(field), k(value), time_us), 0);
}

static void
assert_field(const char *field, const char *value)
{
	struct slice got;

	assert_int_equal(session_map_get(s, k("at"), k(field), &got), 0);
	assert_true(slice_eq(got, k(value)));
}

static void
what_counts_is_the_time_that_was_named(void **state)
{
	uint64_t cnt;
	int64_t x;

	put_at("f", "new", 20);
	put_at("f", "old", 10); /* within a call */
	put_at("g", "once", 10);
	assert_field("f", "new");
	assert_int_equal(session_publish(s), 0);
	begin(0);
	put_at("f", "older", 5); /* against what is stored */
	put_at("g", "later", 11);
	put_at("h", "own", 1);
	assert_field("f", "new");
	assert_field("g", "later");
	assert_int_equal(session_map_cnt(s, k("at"), &cnt), 0);
	assert_int_equal(cnt, 3);
	assert_int_equal(session_publish(s), 0);
	begin(0);
	assert_field("f", "new");
	assert_field("g", "later");
	put_at("f", "neu", 20); /* of equal times the greater value, whoever comes first */
	put_at("g", "later!", 11);
	assert_field("f", "new");
	assert_int_equal(session_publish(s), 0);
	begin(0);
	assert_field("f", "new");
	assert_field("g", "later!");
	/* Without a time it is now, which is later than what was long ago. */
	assert_int_equal(session_map_put(s, k("at"), k("f"), k("now")), 0);
	assert_int_equal(session_map_put_at(s, k("at"), k("f"), k("x"), 5), MB_ERR_INVALID);
	put_at("g", "12", 12);
	assert_int_equal(session_map_incr(s, k("at"), k("g"), 1, &x), MB_ERR_INVALID);
	assert_int_equal(session_map_delete(s, k("at"), k("h")), 0);
	assert_int_equal(session_publish(s), 0);
	begin(0);
	put_at("f", "x", 30);
	assert_field("f", "now");
	assert_field("g", "12");
	assert_int_equal(session_map_cnt(s, k("at"), &cnt), 0);
	assert_int_equal(cnt, 2);
	assert_int_equal(session_publish(s), 0);
	assert_string_equal(world_text(w, k("at")), "(map of 2)");
}

static void
a_walk_ends_when_its_key_is_released(void **state)
{
	struct session_iter it, ranged;
	struct slice f, v;
	double score;
	int err;

	assert_int_equal(session_map_put(s, k("map"), k("a"), k("1")), 0);
	assert_int_equal(session_map_put(s, k("map"), k("b"), k("2")), 0);
	assert_int_equal(session_zadd(s, k("z"), k("a"), 1), 0);
	assert_int_equal(session_zadd(s, k("z"), k("b"), 2), 0);
	assert_int_equal(session_publish(s), 0);
	begin(0);
	assert_int_equal(session_map_begin(s, k("map"), &it), 0);
	assert_int_equal(session_zrange_rank(s, k("z"), 0, -1, &ranged), 0);
	assert_true(session_map_next(s, &it, &f, &v, &err));
	assert_true(session_zrange_next(s, &ranged, &f, &score));
	session_release(s, k("map"));
	session_release(s, k("z"));
	/* What it walked over may be something else by now. */
	assert_int_equal(session_get(s, k("none"), &v), MB_ERR_NOT_FOUND);
	assert_int_equal(session_map_get(s, k("map"), k("a"), &v), 0);
	assert_int_equal(session_zscore(s, k("z"), k("a"), &score), 0);
	assert_false(session_map_next(s, &it, &f, &v, &err));
	assert_int_equal(err, 0);
	assert_false(session_zrange_next(s, &ranged, &f, &score));
	assert_int_equal(session_map_begin(s, k("map"), &it), 0);
	assert_true(session_map_next(s, &it, &f, &v, &err));
	session_release(s, k("z")); /* another key */
	assert_true(session_map_next(s, &it, &f, &v, &err));
}

/* A map whose numbers are more than a call may look at. */
static void
a_walk_shows_any_number_of_numbers(void **state)
{
	const int cnt = SESSION_VIEW_MAX + 8;
	struct session_iter it, other;
	struct slice f, v, beside;
	char field[32];
	int err, shown;

	for (int i = 0; i < cnt; i++) {
		snprintf(field, sizeof(field), "n%d", i);
		assert_int_equal(session_map_incr(s, k("map"), k(field), i, NULL), 0);
	}
	assert_int_equal(session_publish(s), 0);
	begin(0);
	assert_int_equal(session_map_begin(s, k("map"), &other), 0);
	assert_true(session_map_next(s, &other, &f, &beside, &err));
	snprintf(field, sizeof(field), "%.*s", (int)beside.len, (const char *)beside.p);
	for (int walk = 0; walk < 3; walk++) {
		assert_int_equal(session_map_begin(s, k("map"), &it), 0);
		for (shown = 0; session_map_next(s, &it, &f, &v, &err); shown++) {
			/* n7 is 7 */
			assert_true(slice_eq(v, slice_of(f.p + 1, f.len - 1)));
		}
		assert_int_equal(err, 0);
		assert_int_equal(shown, cnt);
	}
	assert_true(slice_eq(beside, k(field))); /* another walk has a place of its own */
	assert_int_equal(session_get(s, k("none"), &v), MB_ERR_NOT_FOUND);
	session_release(s, k("map"));
	assert_int_equal(session_held(s), 0);
}

/* What a call added to a map that is not there: nothing but the text is looked at. */
static void
a_walk_over_own_numbers_outlives_their_release(void **state)
{
	struct session_iter it;
	struct slice f, v;
	int err;

	assert_int_equal(session_map_incr(s, k("map"), k("a"), 1, NULL), 0);
	assert_int_equal(session_map_incr(s, k("map"), k("b"), 1, NULL), 0);
	assert_int_equal(session_map_begin(s, k("map"), &it), 0);
	assert_true(session_map_next(s, &it, &f, &v, &err));
	session_release(s, k("map"));
	assert_true(session_map_next(s, &it, &f, &v, &err));
	assert_true(slice_eq(v, k("1")));
	assert_false(session_map_next(s, &it, &f, &v, &err));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		TEST(maps_show_stored_and_own_fields),
		TEST(fields_are_counted_and_deleted),
		TEST(a_walk_shows_each_field_once),
		TEST(a_walk_ends_when_its_key_is_released),
		TEST(a_walk_shows_any_number_of_numbers),
		TEST(a_walk_over_own_numbers_outlives_their_release),
		TEST(what_counts_is_the_time_that_was_named),
#undef TEST
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
