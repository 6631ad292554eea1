/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   a call sees its own writes at once and nobody else does before they are published; what
 *         is discarded never was; whatever the way out, nothing stays held.
 * Method: a session before a real cache and store (exec_world), and a reader beside it. */
#include "session_fixture.h"

static void
what_is_discarded_never_was(void **state)
{
	assert_int_equal(session_put(s, k("a"), k("1")), 0);
	assert_int_equal(session_sadd(s, k("s"), k("m")), 0);
	session_discard(s);
	assert_absent("a");
	assert_int_equal(session_publish(s), 0);
	assert_int_equal(w->sent[DESC_PUBLISH], 0);
	assert_string_equal(world_text(w, k("a")), "(absent)");
}

static void
own_writes_are_seen_and_not_by_others(void **state)
{
	int64_t x;

	world_put(w, "a", "old");
	assert_int_equal(session_put(s, k("a"), k("new")), 0);
	assert_int_equal(session_incr(s, k("n"), 5, &x), 0);
	assert_int_equal(x, 5);
	assert_shows("a", "new");
	assert_shows("n", "5");
	assert_string_equal(world_text(w, k("a")), "old");
	assert_string_equal(world_text(w, k("n")), "(absent)");
	assert_int_equal(session_publish(s), 0);
	assert_string_equal(world_text(w, k("a")), "new");
	assert_string_equal(world_text(w, k("n")), "5");
	assert_shows("n", "5");
}

static void
views_of_own_writes_last(void **state)
{
	static uint8_t large[70000];
	struct slice first, big;

	memset(large, 'x', sizeof(large));
	assert_int_equal(session_put(s, k("a"), k("first")), 0);
	assert_int_equal(session_get(s, k("a"), &first), 0);
	assert_int_equal(session_put(s, k("a"), k("other")), 0);
	assert_int_equal(session_put(s, k("b"), slice_of(large, sizeof(large))), 0);
	assert_int_equal(session_get(s, k("b"), &big), 0);
	memset(large, 'y', sizeof(large));
	assert_int_equal(session_put(s, k("b"), slice_of(large, sizeof(large))), 0);
	assert_int_equal(session_publish(s), 0);
	assert_memory_equal(first.p, "first", 5);
	assert_int_equal(big.p[0], 'x');
	assert_int_equal(big.p[big.len - 1], 'x');
	/* A value may be put that is a view of the old one. */
	assert_int_equal(session_put(s, k("c"), k("0123456789")), 0);
	assert_int_equal(session_get(s, k("c"), &first), 0);
	assert_int_equal(session_put(s, k("c"), slice_of(first.p + 5, 5)), 0);
	assert_shows("c", "56789");
}

static void
values_of_every_size_arrive(void **state)
{
	static const size_t len[] = { 0, 1, 40, 48, 4096, 4097, 65536, 65537, 1 << 20, 64 << 20 };
	uint8_t *value = malloc(64 << 20);

	for (size_t i = 0; i < 64 << 20; i++) {
		value[i] = (uint8_t)(i * 31 >> 3);
	}
	for (size_t i = 0; i < ARRAY_CNT(len); i++) {
		struct slice got;

		assert_int_equal(session_put(s, k("value"), slice_of(value, len[i])), 0);
		assert_int_equal(session_publish(s), 0);
		begin(0);
		assert_int_equal(session_get(s, k("value"), &got), 0);
		assert_int_equal(got.len, len[i]);
		assert_int_equal(memcmp(got.p, value, got.len), 0);
	}
	free(value);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		TEST(what_is_discarded_never_was),
		TEST(own_writes_are_seen_and_not_by_others),
		TEST(views_of_own_writes_last),
		TEST(values_of_every_size_arrive),
#undef TEST
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
