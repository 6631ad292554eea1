/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   a function's error reaches its caller, in its own words, and its writes do not happen; a
 *         function can only say what is its to say; it knows its call.
 * Method: functions that fail in every way. */
#include "exec_fixture.h"

MB_FUNCTION(fail)
{
	MB_TRY(mb_put(call, mb_str("failed"), mb_str("1")));
	return mb_fail(call, "no more %s: %d", "bread", 7);
}

MB_FUNCTION(returns)
{
	int64_t n;

	MB_TRY(mb_arg_i64(call, 0, &n));
	return (int)n;
}

MB_FUNCTION(gets_over)
{
	struct mb_slice s;

	if (mb_arg_bytes(call, 99, &s) != MB_ERR_NOT_FOUND) {
		return mb_fail(call, "there is an argument 99");
	}
	return MB_ERR_TYPE;
}

MB_FUNCTION(flush_then_fail)
{
	MB_TRY(mb_put(call, mb_str("kept"), mb_str("1")));
	MB_TRY(mb_flush(call));
	MB_TRY(mb_put(call, mb_str("lost"), mb_str("1")));
	return mb_fail(call, "after the flush");
}

MB_FUNCTION(count)
{
	int64_t n;

	MB_TRY(mb_incr(call, mb_str("n"), 1, &n));
	return mb_return_i64(call, n);
}

MB_FUNCTION(self)
{
	MB_TRY(mb_return_i64(call, (int64_t)mb_self(call)));
	MB_TRY(mb_return_i64(call, mb_deadline_ns(call) == UINT64_MAX
					   ? -1
					   : (int64_t)mb_deadline_ns(call)));
	MB_TRY(mb_return_utf8(call, mb_str(mb_tag(call))));
	mb_log(call, "seen\nby %d", 3);
	return 0;
}

FUNCTIONS(&mb_function_fail, &mb_function_returns, &mb_function_gets_over,
	  &mb_function_flush_then_fail, &mb_function_count, &mb_function_self)

static void
a_function_s_error_reaches_its_caller(void **state)
{
	call_none("fail");
	assert_error(MB_ERR_FUNCTION_FAILED, "no more bread: 7");
	assert_string_equal(world_text(w, slice_str("failed")), "(absent)");
	assert_int_equal(w->sent[DESC_PUBLISH], 0);
	call_i64("returns", 7);
	assert_error(MB_ERR_FUNCTION_FAILED, "it returned 7");
	call_i64("returns", MB_ERR_EXECUTOR_DIED); /* not for a function to say */
	assert_error(MB_ERR_FUNCTION_FAILED, "EXECUTOR_DIED");
	call_i64("returns", MB_ERR_NOT_FOUND);
	assert_error(MB_ERR_NOT_FOUND, "it returned NOT_FOUND");
	call_none("gets_over"); /* and nothing is said of what it got over */
	assert_error(MB_ERR_TYPE, "it returned TYPE");
}

static void
a_flush_stays_whatever_follows(void **state)
{
	call_none("flush_then_fail");
	assert_error(MB_ERR_FUNCTION_FAILED, "after the flush");
	assert_string_equal(world_text(w, slice_str("kept")), "1");
	assert_string_equal(world_text(w, slice_str("lost")), "(absent)");
}

static void
a_read_only_call_says_so(void **state)
{
	struct desc d = { .sub = CALL_READ_ONLY };

	args_len = 0;
	call_with("count", &d);
	assert_error(MB_ERR_DENIED, "mb_incr 'n': this call is read-only");
}

static void
a_call_knows_itself(void **state)
{
	struct value v[MB_VALUES_MAX];
	struct desc d = { .b = w->time.now_ns + 500 };

	call_none("self");
	assert_int_equal(reply_values(v), 3);
	assert_true(value_i64(v[0]) == (int64_t)call_id_make(CLIENT, 1, 4711));
	assert_true(value_i64(v[1]) == -1);
	assert_int_equal(v[2].len, 0);
	reply_release();
	assert_string_equal(logged, "seen by 3"); /* one line is one line */
	log_full = true;
	args_len = 0;
	call_with("self", &d);
	assert_int_equal(reply_values(v), 3);
	assert_true(value_i64(v[1]) == 500);
	reply_release();
	assert_int_equal(log_cnt, 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		TEST(a_function_s_error_reaches_its_caller),
		TEST(a_flush_stays_whatever_follows),
		TEST(a_read_only_call_says_so),
		TEST(a_call_knows_itself),
#undef TEST
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
