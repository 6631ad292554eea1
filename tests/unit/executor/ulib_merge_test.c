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

MB_FUNCTION(parts)
{
	struct mb_part term = { .kind = MB_PART_MAX, .u64 = 1 };
	struct mb_part red = { .kind = MB_PART_MEMBER, .bytes = KEY("red") };
	struct mb_part blue = { .kind = MB_PART_MEMBER, .bytes = KEY("blue") };
	struct mb_part at = { .kind = MB_PART_LWW, .u64 = 7, .bytes = KEY("at 7") };
	struct mb_part first, second;
	struct mb_slice s;
	uint64_t n, cnt;
	uint32_t idx = 0;
	bool in;

	/* a chain before a lattice: mixed with what is stored, before and after it is */
	MB_TRY(mb_merge_pair(call, KEY("pair"), &term, &red));
	MB_TRY(mb_flush(call));
	MB_TRY(mb_merge_pair(call, KEY("pair"), &term, &blue));
	MB_TRY(mb_get_pair(call, KEY("pair"), &first, &second));
	CHECK(first.kind == MB_PART_MAX && first.u64 == 1);
	CHECK(mb_part_next(&second, &idx, &s) && is(s, "blue"));
	CHECK(mb_part_next(&second, &idx, &s) && is(s, "red"));
	CHECK(!mb_part_next(&second, &idx, &s));
	CHECK(mb_get(call, KEY("pair"), &s) == MB_ERR_TYPE);
	CHECK(mb_merge_pair(call, KEY("pair"), &term, &at) == MB_ERR_TYPE);
	CHECK(mb_merge_pair(call, KEY("other"), &red, &term) == MB_ERR_INVALID);
	term.u64 = 2;
	MB_TRY(mb_merge_pair(call, KEY("pair"), &term, &red));
	MB_TRY(mb_flush(call));
	MB_TRY(mb_get_pair(call, KEY("pair"), &first, &second));
	idx = 0;
	CHECK(first.u64 == 2 && mb_part_next(&second, &idx, &s) && is(s, "red"));
	CHECK(!mb_part_next(&second, &idx, &s));
	MB_TRY(mb_merge_pair(call, KEY("value"), &term, &at));
	MB_TRY(mb_get(call, KEY("value"), &s));
	CHECK(is(s, "at 7"));
	MB_TRY(mb_get_pair(call, KEY("value"), &first, &second));
	CHECK(second.kind == MB_PART_LWW && second.u64 == 7 && is(second.bytes, "at 7"));
	/* a register at named times */
	MB_TRY(mb_merge_lww(call, KEY("lww"), KEY("later"), 6));
	MB_TRY(mb_flush(call));
	MB_TRY(mb_merge_lww(call, KEY("lww"), KEY("sooner"), 5));
	MB_TRY(mb_get(call, KEY("lww"), &s));
	CHECK(is(s, "later"));
	/* a clock */
	MB_TRY(mb_get_clock(call, KEY("clock"), 1, &n));
	CHECK(n == 0);
	MB_TRY(mb_merge_clock(call, KEY("clock"), 1, 5));
	MB_TRY(mb_flush(call));
	MB_TRY(mb_merge_clock(call, KEY("clock"), 2, 3));
	MB_TRY(mb_merge_clock(call, KEY("clock"), 1, 4));
	MB_TRY(mb_get_clock(call, KEY("clock"), 1, &n));
	CHECK(n == 5);
	MB_TRY(mb_get_clock(call, KEY("clock"), 2, &n));
	CHECK(n == 3);
	CHECK(mb_merge_clock(call, KEY("clock"), 1, 0) == MB_ERR_INVALID);
	CHECK(mb_get_clock(call, KEY("lww"), 1, &n) == MB_ERR_TYPE);
	/* a set that only grows */
	MB_TRY(mb_gset_add(call, KEY("grows"), KEY("a")));
	CHECK(mb_srem(call, KEY("grows"), KEY("a")) == MB_ERR_TYPE);
	MB_TRY(mb_flush(call));
	MB_TRY(mb_gset_add(call, KEY("grows"), KEY("b")));
	MB_TRY(mb_scard(call, KEY("grows"), &cnt));
	CHECK(cnt == 2);
	MB_TRY(mb_sismember(call, KEY("grows"), KEY("a"), &in));
	CHECK(in);
	MB_TRY(mb_sadd(call, KEY("removes"), KEY("a")));
	CHECK(mb_gset_add(call, KEY("removes"), KEY("b")) == MB_ERR_TYPE);
	return 0;
}

MB_FUNCTION(long_priority)
{
	static char value[(64 << 20) + 1]; /* not touched */

	return mb_merge_priority(call, KEY("p"), 5, mb_slice_of(value, sizeof(value)));
}

/* Long and short ones, in any order: one of them wins, within the call and in the store. */
MB_FUNCTION(long_values)
{
	static char value[200000];
	struct mb_slice v;

	MB_TRY(mb_merge_priority(call, KEY("long"), 5, mb_slice_of(value, 100000)));
	MB_TRY(mb_merge_priority(call, KEY("long"), 7, KEY("short")));
	MB_TRY(mb_get(call, KEY("long"), &v));
	CHECK(v.len == 100000);
	MB_TRY(mb_merge_priority(call, KEY("long"), 6, mb_slice_of(value, 150000)));
	MB_TRY(mb_get(call, KEY("long"), &v));
	CHECK(v.len == 100000);
	MB_TRY(mb_merge_priority(call, KEY("long"), 4, mb_slice_of(value, sizeof(value))));
	MB_TRY(mb_merge_lww(call, KEY("long lww"), KEY("short"), 3));
	MB_TRY(mb_merge_lww(call, KEY("long lww"), mb_slice_of(value, 70000), 5));
	CHECK(mb_merge_lww(call, KEY("long"), mb_slice_of(value, 70000), 5) == MB_ERR_TYPE);
	MB_TRY(mb_flush(call));
	MB_TRY(mb_merge_lww(call, KEY("long lww"), mb_slice_of(value, 90000), 4));
	MB_TRY(mb_get(call, KEY("long lww"), &v));
	CHECK(v.len == 70000);
	MB_TRY(mb_get(call, KEY("long"), &v));
	CHECK(v.len == sizeof(value));
	return 0;
}

MB_FUNCTION(mixed)
{
	MB_TRY(mb_merge_max(call, KEY("k"), 3));
	return mb_merge_min(call, KEY("k"), 3);
}

FUNCTIONS(&mb_function_all, &mb_function_parts, &mb_function_long_priority,
	  &mb_function_long_values, &mb_function_mixed)

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
long_registers(void **state)
{
	call_none("long_values");
	if (reply.err != 0) {
		assert_error(0, "no error");
	}
	reply_release();
}

static void
pairs_clocks_and_registers(void **state)
{
	call_none("parts");
	if (reply.err != 0) {
		assert_error(0, "no error");
	}
	reply_release();
	assert_string_equal(world_text(w, slice_str("value")), "at 7");
	assert_string_equal(world_text(w, slice_str("grows")), "(set of 2)");
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
		TEST(pairs_clocks_and_registers),
		TEST(long_registers),
#undef TEST
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
