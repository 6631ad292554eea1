/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   every mb_merge_* of function.h does what it says.
 * Method: a function that merges and reads all of them; refusals one by one. */
#include "exec_fixture.h"

#include <math.h>

#define KEY(text) mb_str(text)

#define CHECK(cond)                                                                                \
	do {                                                                                       \
		if (!(cond)) {                                                                     \
			return mb_fail(call, "line %d: %s", __LINE__, #cond);                      \
		}                                                                                  \
	} while (0)

static bool
is(struct mb_slice s, const char *text)
{
	return s.len == strlen(text) && memcmp(s.p, text, s.len) == 0;
}

MB_FUNCTION(all)
{
	struct mb_slice s;
	int64_t n;

	MB_TRY(mb_merge_max(call, KEY("max"), 3));
	MB_TRY(mb_merge_max(call, KEY("max"), 2));
	MB_TRY(mb_get_i64(call, KEY("max"), &n));
	CHECK(n == 3);
	MB_TRY(mb_merge_min(call, KEY("min"), 3));
	MB_TRY(mb_flush(call));
	MB_TRY(mb_merge_min(call, KEY("min"), 2));
	MB_TRY(mb_get_i64(call, KEY("min"), &n));
	CHECK(n == 2);
	MB_TRY(mb_merge_max_f64(call, KEY("f"), -0.5));
	MB_TRY(mb_get(call, KEY("f"), &s));
	CHECK(is(s, "-0.5"));
	CHECK(mb_merge_max_f64(call, KEY("f"), NAN) == MB_ERR_INVALID);
	MB_TRY(mb_merge_or(call, KEY("or"), true));
	MB_TRY(mb_merge_or(call, KEY("or"), false));
	MB_TRY(mb_get(call, KEY("or"), &s));
	CHECK(is(s, "1"));
	MB_TRY(mb_merge_priority(call, KEY("p"), 5, KEY("five")));
	MB_TRY(mb_merge_priority(call, KEY("p"), 6, KEY("six")));
	MB_TRY(mb_get(call, KEY("p"), &s));
	CHECK(is(s, "five"));
	return 0;
}

MB_FUNCTION(long_priority)
{
	static char value[(64 << 10) + 1];

	return mb_merge_priority(call, KEY("p"), 5, mb_slice_of(value, sizeof(value)));
}

MB_FUNCTION(mixed)
{
	MB_TRY(mb_merge_max(call, KEY("k"), 3));
	return mb_merge_min(call, KEY("k"), 3);
}

FUNCTIONS(&mb_function_all, &mb_function_long_priority, &mb_function_mixed)

static void
refusals(void **state)
{
	struct mb_call *call = exec_init_call(x);

	call_none("mixed");
	assert_error(MB_ERR_TYPE, "mb_merge_min 'k': the key holds another type");
	call_none("long_priority");
	assert_int_equal(reply.err, MB_ERR_TOO_LARGE);
	reply_release();
	call->session = NULL;
	call->result = NULL;
	assert_int_equal(mb_merge_max(call, KEY("k"), 1), MB_ERR_NOT_SUPPORTED);
	assert_int_equal(mb_merge_min(call, KEY("k"), 1), MB_ERR_NOT_SUPPORTED);
	assert_int_equal(mb_merge_max_f64(call, KEY("k"), 1), MB_ERR_NOT_SUPPORTED);
	assert_int_equal(mb_merge_or(call, KEY("k"), 1), MB_ERR_NOT_SUPPORTED);
	assert_int_equal(mb_merge_priority(call, KEY("k"), 1, KEY("v")), MB_ERR_NOT_SUPPORTED);
}

static void
all_of_it_works(void **state)
{
	call_none("all");
	if (reply.err != 0) {
		assert_error(0, "no error");
	}
	reply_release();
	assert_string_equal(world_text(w, slice_str("max")), "3");
	assert_string_equal(world_text(w, slice_str("min")), "2");
	assert_string_equal(world_text(w, slice_str("f")), "-0.5");
	assert_string_equal(world_text(w, slice_str("or")), "1");
	assert_string_equal(world_text(w, slice_str("p")), "five");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		TEST(refusals),
		TEST(all_of_it_works),
#undef TEST
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
