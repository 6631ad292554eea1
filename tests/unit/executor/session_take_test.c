/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   what is taken is gone at once, whatever the call does then; what the call wrote before is
 *         published with it.
 * Method: by hand. That of many only one gets an item is tried with real processes, and by the
 *         operation alone in delta_test. */
#include "session_fixture.h"

static void
nothing_to_take(void **state)
{
	struct slice got;
	double score;

	assert_int_equal(session_take_list(s, k("l"), LIST_LEFT, &got), MB_ERR_NOT_FOUND);
	assert_int_equal(session_take_score(s, k("z"), false, &got, &score), MB_ERR_NOT_FOUND);
	world_put(w, "text", "v");
	assert_int_equal(session_take_list(s, k("text"), LIST_LEFT, &got), MB_ERR_TYPE);
	assert_int_equal(session_end(s), 0);
	session_begin(s, &(struct session_call){ .id = CALL, .read_only = true });
	assert_int_equal(session_take_list(s, k("l"), LIST_LEFT, &got), MB_ERR_DENIED);
	assert_int_equal(session_end(s), 0);
	session_begin(s, &(struct session_call){ .id = CALL, .repeatable = true });
	assert_int_equal(session_take_list(s, k("l"), LIST_LEFT, &got), MB_ERR_NOT_SUPPORTED);
}

static void
items_of_a_list(void **state)
{
	struct slice a, b, c, none;

	assert_int_equal(session_list_push(s, k("l"), LIST_RIGHT, k("a")), 0);
	assert_int_equal(session_list_push(s, k("l"), LIST_RIGHT, k("b")), 0);
	assert_int_equal(session_list_push(s, k("l"), LIST_RIGHT, k("c")), 0);
	assert_int_equal(session_take_list(s, k("l"), LIST_LEFT, &a), 0);
	assert_int_equal(session_take_list(s, k("l"), LIST_RIGHT, &c), 0);
	session_discard(s); /* the call fails: they are gone all the same */
	assert_int_equal(session_take_list(s, k("l"), LIST_LEFT, &b), 0);
	assert_int_equal(session_take_list(s, k("l"), LIST_LEFT, &none), MB_ERR_NOT_FOUND);
	assert_true(slice_eq(a, k("a")) && slice_eq(b, k("b")) && slice_eq(c, k("c")));
	assert_true(session_published(s));
}

static void
members_by_score(void **state)
{
	static const struct {
		bool highest;
		const char *member;
		double score;
	} row[] = { { false, "low", -1 },
		    { true, "high2", 7 },
		    { true, "high1", 7 },
		    { false, "mid", 2 } };
	struct slice got;
	double score;

	assert_int_equal(session_zadd(s, k("z"), k("mid"), 2), 0);
	assert_int_equal(session_zadd(s, k("z"), k("low"), -1), 0);
	assert_int_equal(session_zadd(s, k("z"), k("high2"), 7), 0);
	assert_int_equal(session_zadd(s, k("z"), k("high1"), 7), 0);
	for (uint32_t i = 0; i < 4; i++) {
		assert_int_equal(session_take_score(s, k("z"), row[i].highest, &got, &score), 0);
		assert_true(slice_eq(got, k(row[i].member)));
		assert_true(score == row[i].score);
	}
	assert_int_equal(session_take_score(s, k("z"), true, &got, &score), MB_ERR_NOT_FOUND);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(nothing_to_take, setup, teardown),
		cmocka_unit_test_setup_teardown(items_of_a_list, setup_tiles, teardown),
		cmocka_unit_test_setup_teardown(members_by_score, setup_tiles, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
