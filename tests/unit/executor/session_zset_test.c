/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   a sorted set shows the stored scores with what this call set, added and removed on top.
 * Method: by hand; random operations on all types are in session_op_test. */
#include <math.h>

#include "session_fixture.h"

static double
score(const char *member)
{
	double x = NAN;
	int err = session_zscore(s, k("z"), k(member), &x);

	assert_true(err == 0 || (err == MB_ERR_NOT_FOUND && isnan(x)));
	return x;
}

/* The members, with their scores. */
static const char *
members(void)
{
	static char text[256];
	struct session_iter it;
	struct slice m;
	uint64_t cnt, seen = 0;
	size_t len = 0;
	double x;

	text[0] = '\0';
	assert_int_equal(session_zset_begin(s, k("z"), &it), 0);
	while (session_zset_next(s, &it, &m, &x)) {
		seen++;
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%.*s=%g ", (int)m.len,
					(const char *)m.p, x);
	}
	assert_false(session_zset_next(s, &it, &m, &x));
	assert_int_equal(session_zcard(s, k("z"), &cnt), 0);
	assert_int_equal(cnt, seen);
	return text;
}

static void
scores_are_set_added_to_and_removed(void **state)
{
	struct slice got;
	double x = 0;

	assert_true(isnan(score("a")));
	assert_int_equal(session_zadd(s, k("z"), k("a"), NAN), MB_ERR_INVALID);
	assert_int_equal(session_zincr(s, k("z"), k("a"), NAN, NULL), MB_ERR_INVALID);
	assert_int_equal(session_zadd(s, k("z"), k("a"), 1.5), 0);
	assert_int_equal(session_zincr(s, k("z"), k("b"), 2, &x), 0);
	assert_true(x == 2);
	assert_string_equal(members(), "a=1.5 b=2 ");
	assert_int_equal(session_publish(s), 0);
	begin(0);
	assert_string_equal(members(), "a=1.5 b=2 ");
	assert_int_equal(session_zincr(s, k("z"), k("a"), 0.5, NULL), 0);
	assert_int_equal(session_zincr(s, k("z"), k("a"), 1, &x), 0);
	assert_true(x == 3);
	assert_int_equal(session_zrem(s, k("z"), k("b")), 0);
	assert_int_equal(session_zadd(s, k("z"), k("c"), -INFINITY), 0);
	assert_int_equal(session_zincr(s, k("z"), k("c"), INFINITY, &x), MB_ERR_INVALID);
	assert_string_equal(members(), "a=3 c=-inf ");
	assert_int_equal(session_publish(s), 0);
	begin(0);
	assert_string_equal(members(), "a=3 c=-inf ");
	/* Removed and added to: it begins at nothing. Set and added to: at that. */
	assert_int_equal(session_zrem(s, k("z"), k("a")), 0);
	assert_int_equal(session_zincr(s, k("z"), k("a"), 7, &x), 0);
	assert_true(x == 7);
	assert_int_equal(session_zadd(s, k("z"), k("c"), 1), 0);
	assert_int_equal(session_zincr(s, k("z"), k("c"), 1, &x), 0);
	assert_string_equal(members(), "a=7 c=2 ");
	assert_int_equal(session_publish(s), 0);
	begin(0);
	assert_string_equal(members(), "a=7 c=2 ");
	assert_int_equal(session_get(s, k("z"), &got), MB_ERR_TYPE);
	assert_int_equal(session_map_get(s, k("z"), k("a"), &got), MB_ERR_TYPE);
	assert_int_equal(session_map_put(s, k("z"), k("a"), k("v")), MB_ERR_TYPE);
	assert_int_equal(session_zrem(s, k("z"), k("a")), 0);
	assert_int_equal(session_zrem(s, k("z"), k("c")), 0);
	assert_int_equal(session_get(s, k("z"), &got), MB_ERR_NOT_FOUND);
	assert_int_equal(session_publish(s), 0);
	assert_string_equal(world_text(w, k("z")), "(absent)");
}

/* Before it is published as after: no score is -0. */
static void
a_zero_has_no_sign(void **state)
{
	assert_int_equal(session_zadd(s, k("z"), k("a"), -0.0), 0);
	assert_string_equal(members(), "a=0 ");
	assert_int_equal(session_publish(s), 0);
	begin(0);
	assert_string_equal(members(), "a=0 ");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		TEST(scores_are_set_added_to_and_removed),
		TEST(a_zero_has_no_sign),
#undef TEST
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
