/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   a set shows the stored members without those this call removed, and those it added;
 *         what it removes is removed, what others add meanwhile stays.
 * Method: by hand; random operations on all types are in session_op_test. */
#include "session_fixture.h"

static void
sets_show_stored_and_own_members(void **state)
{
	struct session_iter it;
	struct slice m;
	uint64_t cnt;
	int seen = 0;
	bool in;

	world_sadd(w, "set", "a");
	world_sadd(w, "set", "b");
	assert_int_equal(session_sadd(s, k("set"), k("b")), 0);
	assert_int_equal(session_sadd(s, k("set"), k("c")), 0);
	assert_int_equal(session_scard(s, k("set"), &cnt), 0);
	assert_int_equal(cnt, 3);
	assert_int_equal(session_sismember(s, k("set"), k("a"), &in), 0);
	assert_true(in);
	assert_int_equal(session_sismember(s, k("set"), k("c"), &in), 0);
	assert_true(in);
	assert_int_equal(session_sismember(s, k("set"), k("d"), &in), 0);
	assert_false(in);
	assert_int_equal(session_set_begin(s, k("set"), &it), 0);
	while (session_set_next(s, &it, &m)) {
		assert_int_equal(m.len, 1);
		seen |= 1 << (m.p[0] - 'a');
	}
	assert_int_equal(seen, 7);
	assert_int_equal(session_scard(s, k("nothing"), &cnt), 0);
	assert_int_equal(cnt, 0);
	/* A delete takes the stored ones away, too. */
	assert_int_equal(session_delete(s, k("set")), 0);
	assert_int_equal(session_sadd(s, k("set"), k("e")), 0);
	assert_int_equal(session_scard(s, k("set"), &cnt), 0);
	assert_int_equal(cnt, 1);
	assert_int_equal(session_sismember(s, k("set"), k("c"), &in), 0);
	assert_false(in);
	assert_int_equal(session_publish(s), 0);
	assert_string_equal(world_text(w, k("set")), "(set of 1)");
}

static void
removed_members_are_gone_at_once(void **state)
{
	struct session_iter it;
	struct slice m, got;
	uint64_t cnt;
	bool in;

	world_sadd(w, "set", "a");
	world_sadd(w, "set", "b");
	assert_int_equal(session_srem(s, k("set"), k("a")), 0);
	assert_int_equal(session_srem(s, k("set"), k("never there")), 0);
	assert_int_equal(session_scard(s, k("set"), &cnt), 0);
	assert_int_equal(cnt, 1);
	assert_int_equal(session_sismember(s, k("set"), k("a"), &in), 0);
	assert_false(in);
	assert_int_equal(session_set_begin(s, k("set"), &it), 0);
	assert_true(session_set_next(s, &it, &m));
	assert_true(slice_eq(m, k("b")));
	assert_false(session_set_next(s, &it, &m));
	assert_false(session_set_next(s, &it, &m));
	/* The last word counts. */
	assert_int_equal(session_sadd(s, k("set"), k("a")), 0);
	assert_int_equal(session_srem(s, k("set"), k("b")), 0);
	assert_int_equal(session_publish(s), 0);
	assert_string_equal(world_text(w, k("set")), "(set of 1)");
	assert_true(world_has(w, k("set"), k("a")));
	/* Emptied: the key is absent, for this call and for all. */
	begin(0);
	assert_int_equal(session_srem(s, k("set"), k("a")), 0);
	assert_int_equal(session_get(s, k("set"), &got), MB_ERR_NOT_FOUND);
	assert_int_equal(session_publish(s), 0);
	assert_string_equal(world_text(w, k("set")), "(absent)");
	/* And may be of another type now. */
	begin(0);
	assert_int_equal(session_incr(s, k("set"), 1, NULL), 0);
	assert_int_equal(session_publish(s), 0);
	assert_string_equal(world_text(w, k("set")), "1");
}

static void
a_member_added_meanwhile_survives_a_delete(void **state)
{
	world_sadd(w, "set", "a");
	assert_int_equal(session_delete(s, k("set")), 0);
	world_sadd(w, "other", "b");
	assert_int_equal(session_sadd(s, k("set"), k("c")), 0);
	assert_int_equal(session_publish(s), 0);
	assert_false(world_has(w, k("set"), k("a")));
	assert_true(world_has(w, k("set"), k("c")));
	begin(0);
	assert_int_equal(session_srem(s, k("str"), k("m")), 0);
	assert_int_equal(session_put(s, k("str"), k("text")), 0);
	assert_int_equal(session_srem(s, k("str"), k("m")), MB_ERR_TYPE);
	assert_int_equal(session_publish(s), 0);
	assert_string_equal(world_text(w, k("str")), "text");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		TEST(sets_show_stored_and_own_members),
		TEST(removed_members_are_gone_at_once),
		TEST(a_member_added_meanwhile_survives_a_delete),
#undef TEST
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
