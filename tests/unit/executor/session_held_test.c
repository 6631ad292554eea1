/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   what one call may write has limits, each a typed error that names it; up to the limit all
 *         of it can be published.
 * Method: each limit reached, and passed by one. */
#include "session_fixture.h"

static void
keys_and_values_have_limits(void **state)
{
	static uint8_t long_key[KEY_BYTES_MAX + 1];
	struct slice too_long = slice_of(long_key, sizeof(long_key));
	struct slice longest = slice_of(long_key, KEY_BYTES_MAX);
	struct slice got;
	bool in;

	memset(long_key, 'k', sizeof(long_key));
	assert_int_equal(session_get(s, slice_of("", 0), &got), MB_ERR_INVALID);
	assert_int_equal(session_put(s, slice_of("", 0), k("v")), MB_ERR_INVALID);
	assert_int_equal(session_get(s, too_long, &got), MB_ERR_TOO_LARGE);
	assert_non_null(strstr(session_why(s), "1,024 bytes"));
	assert_int_equal(session_put(s, too_long, k("v")), MB_ERR_TOO_LARGE);
	assert_int_equal(session_map_put(s, k("m"), too_long, k("v")), MB_ERR_TOO_LARGE);
	assert_string_equal(session_why(s), "a field may have 1,024 bytes");
	assert_int_equal(session_zadd(s, k("z"), too_long, 1), MB_ERR_TOO_LARGE);
	assert_string_equal(session_why(s), "a member of a sorted set may have 1,024 bytes");
	assert_int_equal(session_put(s, k("v"), slice_of(long_key, VALUE_BYTES_MAX + 1)),
			 MB_ERR_TOO_LARGE);
	assert_non_null(strstr(session_why(s), "64 MiB"));
	/* A member of a set is a value. */
	too_long = slice_of(long_key, VALUE_BYTES_MAX + 1);
	assert_int_equal(session_sadd(s, k("s"), too_long), MB_ERR_TOO_LARGE);
	assert_string_equal(session_why(s), "a member of a set may have 64 MiB");
	assert_int_equal(session_gset_add(s, k("s"), too_long), MB_ERR_TOO_LARGE);
	assert_int_equal(session_srem(s, k("s"), too_long), MB_ERR_TOO_LARGE);
	assert_int_equal(session_sismember(s, k("s"), too_long, &in), MB_ERR_TOO_LARGE);
	assert_int_equal(session_put(s, longest, k("fits")), 0);
	assert_int_equal(session_publish(s), 0);
	assert_string_equal(world_text(w, longest), "fits");
	/* A long key is fetched like any other. */
	assert_int_equal(session_end(s), 0);
	world_evict(w);
	session_begin(s, &(struct session_call){ .id = CALL });
	assert_int_equal(session_get(s, longest, &got), 0);
	assert_int_equal(got.len, 4);
}

static void
as_many_keys_as_fit(void **state)
{
	char key[32];
	int64_t x;

	for (int i = 0; i < SESSION_KEY_MAX; i++) {
		snprintf(key, sizeof(key), "key %d", i);
		assert_int_equal(session_incr(s, k(key), i, NULL), 0);
	}
	assert_int_equal(session_incr(s, k("one more"), 1, NULL), MB_ERR_TOO_LARGE);
	assert_non_null(strstr(session_why(s), "16,384 keys"));
	assert_int_equal(session_incr(s, k("key 9"), 1, &x), 0); /* an old one goes on */
	assert_int_equal(x, 10);
	assert_int_equal(session_publish(s), 0);
	assert_string_equal(world_text(w, k("key 16383")), "16383");
	assert_int_equal(session_incr(s, k("one more"), 1, NULL), 0); /* published: room again */
}

static void
as_many_members_as_fit(void **state)
{
	char member[32];
	uint64_t cnt;

	for (int i = 0; i < SESSION_ELEM_MAX; i++) {
		snprintf(member, sizeof(member), "%d", i);
		assert_int_equal(session_sadd(s, k("set"), k(member)), 0);
	}
	assert_int_equal(session_sadd(s, k("set"), k("1")), 0);
	assert_int_equal(session_sadd(s, k("set"), k("x")), MB_ERR_TOO_LARGE);
	assert_int_equal(session_scard(s, k("set"), &cnt), 0);
	assert_int_equal(cnt, SESSION_ELEM_MAX);
	assert_int_equal(session_publish(s), 0);
	assert_string_equal(world_text(w, k("set")), "(set of 32767)");
}

static void
as_many_bytes_as_fit(void **state)
{
	static uint8_t value[WSET_INLINE_MAX];
	char key[32];
	int err = 0;
	int i;

	for (i = 0; err == 0; i++) {
		snprintf(key, sizeof(key), "key %d", i);
		err = session_put(s, k(key), slice_of(value, sizeof(value)));
	}
	assert_int_equal(err, MB_ERR_TOO_LARGE);
	assert_non_null(strstr(session_why(s), "16 MiB"));
	assert_true(i > 3900);
	/* As much as is held can be published. */
	assert_int_equal(session_publish(s), 0);
	assert_int_equal(session_held(s), 0);
}

static void
large_values_end_with_the_memory(void **state)
{
	static uint8_t value[1 << 20];
	char key[32];
	int err = 0;

	w->seg_budget = 8 << 20;
	for (int i = 0; err == 0; i++) {
		snprintf(key, sizeof(key), "key %d", i);
		err = session_put(s, k(key), slice_of(value, sizeof(value)));
		assert_true(i < 16);
	}
	assert_int_equal(err, MB_ERR_NO_MEMORY);
	assert_non_null(strstr(session_why(s), "payload memory"));
	session_discard(s);
	begin(0);
	assert_int_equal(session_put(s, k("again"), slice_of(value, sizeof(value))), 0);
}

static void
long_members_end_with_the_memory(void **state)
{
	static uint8_t member[1 << 20];
	uint64_t cnt;
	int err = 0, i;

	w->seg_budget = 8 << 20;
	for (i = 0; err == 0; i++) {
		member[0] = (uint8_t)i;
		err = session_sadd(s, k("set"), slice_of(member, sizeof(member)));
		assert_true(i < 16);
	}
	assert_int_equal(err, MB_ERR_NO_MEMORY);
	assert_non_null(strstr(session_why(s), "payload memory"));
	/* What was held before stays as it is, and can be published. */
	assert_int_equal(session_scard(s, k("set"), &cnt), 0);
	assert_int_equal(cnt, i - 1);
	assert_int_equal(session_publish(s), 0);
	begin(0);
	assert_int_equal(session_sadd(s, k("set"), slice_of(member, sizeof(member))), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		TEST(keys_and_values_have_limits),      TEST(as_many_keys_as_fit),
		TEST(as_many_members_as_fit),           TEST(as_many_bytes_as_fit),
		TEST(large_values_end_with_the_memory), TEST(long_members_end_with_the_memory),
#undef TEST
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
