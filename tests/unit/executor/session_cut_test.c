/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   at the level rr a call reads of each key what it read first, whoever writes meanwhile,
 *         with its own writes on top; absent keys and collections too; and gives all of it back.
 * Method: a real cache and store; another process writes between the reads. The same reads at lww
 *         show the others' writes: else these tests would prove nothing. */
#include "session_fixture.h"

static void
begin_rr(void)
{
	assert_int_equal(session_end(s), 0);
	assert_int_equal(session_held(s), 0);
	session_begin(s, &(struct session_call){ .id = CALL, .repeatable = true });
}

static void
what_was_read_first_stays(void **state)
{
	char big[2][300];

	memset(big[0], 'x', sizeof(big[0]) - 1);
	memset(big[1], 'y', sizeof(big[1]) - 1);
	big[0][299] = big[1][299] = '\0';
	for (int rr = 0; rr < 2; rr++) {
		world_put(w, "small", "1");
		world_put(w, "large", big[0]);
		rr ? begin_rr() : begin(0);
		assert_shows("small", "1");
		assert_shows("large", big[0]);
		world_put(w, "small", "2");
		world_put(w, "large", big[1]);
		session_views_end(s); /* another function of the DAG begins */
		assert_shows("small", rr ? "1" : "2");
		assert_shows("large", big[rr ? 0 : 1]);
	}
}

static void
what_was_absent_stays_absent(void **state)
{
	struct slice got;

	for (int rr = 0; rr < 2; rr++) {
		const char *key = rr ? "new" : "newer";

		rr ? begin_rr() : begin(0);
		assert_int_equal(session_get(s, k(key), &got), MB_ERR_NOT_FOUND);
		world_put(w, key, "here");
		assert_int_equal(session_get(s, k(key), &got), rr ? MB_ERR_NOT_FOUND : 0);
	}
}

static void
own_writes_lie_on_the_held_version(void **state)
{
	int64_t sum;

	world_put(w, "n", "5");
	begin_rr();
	assert_shows("n", "5");
	world_put(w, "n", "100");
	assert_int_equal(session_incr(s, k("n"), 1, &sum), 0);
	assert_int_equal(sum, 6);
	assert_shows("n", "6");
	assert_int_equal(session_publish(s), 0);
	assert_string_equal(world_text(w, k("n")), "101"); /* the increment, not the sum */
}

static void
collections_are_held_too(void **state)
{
	struct session_iter it;
	struct slice member;
	uint64_t cnt;
	bool is;

	world_sadd(w, "set", "a");
	begin_rr();
	assert_int_equal(session_scard(s, k("set"), &cnt), 0);
	assert_int_equal(cnt, 1);
	world_sadd(w, "set", "b");
	assert_int_equal(session_sadd(s, k("set"), k("c")), 0);
	assert_int_equal(session_sismember(s, k("set"), k("b"), &is), 0);
	assert_false(is);
	assert_int_equal(session_scard(s, k("set"), &cnt), 0);
	assert_int_equal(cnt, 2);
	assert_int_equal(session_set_begin(s, k("set"), &it), 0);
	cnt = 0;
	while (session_set_next(s, &it, &member)) {
		assert_false(slice_eq(member, k("b")));
		cnt++;
	}
	assert_int_equal(cnt, 2);
}

static void
large_values_run_out_with_a_word(void **state)
{
	char big[300], key[8];
	struct slice got;

	memset(big, 'x', sizeof(big) - 1);
	big[299] = '\0';
	for (uint32_t i = 0; i < HAZARD_CNT; i++) {
		snprintf(key, sizeof(key), "big%u", i);
		world_put(w, key, big);
	}
	begin_rr();
	for (uint32_t i = 0; i < HAZARD_CNT - 1; i++) {
		snprintf(key, sizeof(key), "big%u", i);
		assert_int_equal(session_get(s, k(key), &got), 0);
		session_release(s, k(key)); /* the view; what is held stays */
	}
	snprintf(key, sizeof(key), "big%u", HAZARD_CNT - 1);
	assert_int_equal(session_get(s, k(key), &got), MB_ERR_TOO_LARGE);
	assert_non_null(strstr(session_why(s), "63"));
	assert_shows("big0", big);
}

static void
a_flush_is_refused(void **state)
{
	begin_rr();
	assert_int_equal(session_put(s, k("f"), k("1")), 0);
	assert_int_equal(session_flush(s), MB_ERR_NOT_SUPPORTED);
	assert_int_equal(session_publish(s), 0);
	assert_string_equal(world_text(w, k("f")), "1");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		TEST(what_was_read_first_stays),          TEST(what_was_absent_stays_absent),
		TEST(own_writes_lie_on_the_held_version), TEST(collections_are_held_too),
		TEST(large_values_run_out_with_a_word),   TEST(a_flush_is_refused),
#undef TEST
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
