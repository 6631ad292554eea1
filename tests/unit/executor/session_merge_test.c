/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   of what this call merged and what is stored the winner is shown, before and after it is
 *         published; types do not mix.
 * Method: by hand. */
#include "session_fixture.h"

#include "lattice.h"
#include "priority.h"
#include "scalar.h"

static int
max(const char *key, uint64_t x)
{
	uint8_t buf[8];
	struct wbuf out = wbuf_init(buf, sizeof(buf));

	assert_int_equal(u64_delta(x, &out), 0);
	return session_merge(s, k(key), LATTICE_MAX_U64, wbuf_slice(&out));
}

static int
prefer(const char *key, int64_t number, const char *value)
{
	uint8_t buf[64];
	struct wbuf out = wbuf_init(buf, sizeof(buf));

	assert_int_equal(priority_delta(number, k(value), &out), 0);
	return session_merge(s, k(key), LATTICE_PRIORITY, wbuf_slice(&out));
}

static void
types_do_not_mix(void **state)
{
	uint64_t cnt;
	int64_t x;

	assert_int_equal(max("m", 1), 0);
	assert_int_equal(prefer("m", 1, "v"), MB_ERR_TYPE);
	assert_int_equal(session_incr(s, k("m"), 1, NULL), MB_ERR_TYPE);
	assert_int_equal(session_scard(s, k("m"), &cnt), MB_ERR_TYPE);
	assert_int_equal(session_publish(s), 0);
	begin(0);
	assert_int_equal(prefer("m", 1, "v"), MB_ERR_TYPE);
	assert_int_equal(session_sadd(s, k("m"), k("v")), MB_ERR_TYPE);
	assert_int_equal(session_put(s, k("text"), k("v")), 0);
	assert_int_equal(max("text", 1), MB_ERR_TYPE);
	assert_int_equal(prefer("p", 1, "v"), 0);
	assert_int_equal(session_get_i64(s, k("p"), &x), MB_ERR_TYPE);
}

static void
the_winner_is_shown(void **state)
{
	int64_t x;

	assert_int_equal(max("m", 5), 0);
	assert_int_equal(max("m", 3), 0);
	assert_shows("m", "5");
	assert_int_equal(session_publish(s), 0);
	begin(0);
	assert_shows("m", "5");
	assert_int_equal(max("m", 4), 0);
	assert_shows("m", "5"); /* stored */
	assert_int_equal(session_get_i64(s, k("m"), &x), 0);
	assert_int_equal(x, 5);
	assert_int_equal(max("m", UINT64_MAX), 0);
	assert_shows("m", "18446744073709551615");
	assert_int_equal(session_get_i64(s, k("m"), &x), MB_ERR_TOO_LARGE);
	assert_int_equal(prefer("p", 2, "second"), 0);
	assert_int_equal(prefer("p", -1, "first"), 0);
	assert_shows("p", "first");
	assert_int_equal(session_publish(s), 0);
	assert_string_equal(world_text(w, k("m")), "18446744073709551615");
	assert_string_equal(world_text(w, k("p")), "first");
}

static void
deleted_it_begins_anew(void **state)
{
	assert_int_equal(max("m", 9), 0);
	assert_int_equal(session_publish(s), 0);
	begin(0);
	assert_int_equal(session_delete(s, k("m")), 0);
	assert_absent("m");
	assert_int_equal(max("m", 2), 0);
	assert_shows("m", "2");
	assert_int_equal(session_publish(s), 0);
	begin(0);
	assert_shows("m", "2");
	assert_int_equal(session_put(s, k("m"), k("text")), 0);
	assert_shows("m", "text");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		TEST(types_do_not_mix),
		TEST(the_winner_is_shown),
		TEST(deleted_it_begins_anew),
#undef TEST
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
