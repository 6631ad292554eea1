/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   every function of function.h about collections does what it says.
 * Method: a function that walks through all of them, and reads its writes before and after they are
 *         published; without a call, all are refused. */
#include "exec_fixture.h"

#define KEY(text) mb_str(text)

static bool
is(struct mb_slice s, const char *text)
{
	return s.len == strlen(text) && memcmp(s.p, text, s.len) == 0;
}

#define CHECK(cond)                                                                                \
	do {                                                                                       \
		if (!(cond)) {                                                                     \
			return mb_fail(call, "line %d: %s", __LINE__, #cond);                      \
		}                                                                                  \
	} while (0)

MB_FUNCTION(sets)
{
	struct mb_set_iter it;
	struct mb_slice s;
	uint64_t cnt;
	bool in;

	MB_TRY(mb_sadd(call, KEY("set"), KEY("x")));
	MB_TRY(mb_sadd(call, KEY("set"), KEY("y")));
	MB_TRY(mb_flush(call));
	MB_TRY(mb_srem(call, KEY("set"), KEY("x")));
	MB_TRY(mb_scard(call, KEY("set"), &cnt));
	CHECK(cnt == 1);
	MB_TRY(mb_sismember(call, KEY("set"), KEY("x"), &in));
	CHECK(!in);
	MB_TRY(mb_set_begin(call, KEY("set"), &it));
	CHECK(mb_set_next(&it, &s) && is(s, "y") && !mb_set_next(&it, &s));
	return 0;
}

MB_FUNCTION(maps)
{
	struct mb_map_iter it;
	struct mb_slice f, v;
	uint64_t cnt;
	int64_t n;

	MB_TRY(mb_map_put(call, KEY("map"), KEY("f"), KEY("v")));
	MB_TRY(mb_map_incr(call, KEY("map"), KEY("n"), 5, &n));
	CHECK(n == 5);
	CHECK(mb_map_incr(call, KEY("map"), KEY("f"), 1, &n) == MB_ERR_TYPE);
	MB_TRY(mb_flush(call));
	MB_TRY(mb_map_delete(call, KEY("map"), KEY("f")));
	CHECK(mb_map_get(call, KEY("map"), KEY("f"), &v) == MB_ERR_NOT_FOUND);
	MB_TRY(mb_map_cnt(call, KEY("map"), &cnt));
	CHECK(cnt == 1);
	MB_TRY(mb_map_begin(call, KEY("map"), &it));
	CHECK(mb_map_next(&it, &f, &v) == 1 && is(f, "n") && is(v, "5"));
	CHECK(mb_map_next(&it, &f, &v) == 0);
	return 0;
}

MB_FUNCTION(lists)
{
	struct mb_list_iter it;
	struct mb_slice v;
	uint64_t cnt;

	MB_TRY(mb_push_right(call, KEY("list"), KEY("b")));
	MB_TRY(mb_push_left(call, KEY("list"), KEY("a")));
	MB_TRY(mb_push_right(call, KEY("list"), KEY("c")));
	MB_TRY(mb_flush(call));
	MB_TRY(mb_pop_left(call, KEY("list"), &v));
	CHECK(is(v, "a"));
	MB_TRY(mb_list_set(call, KEY("list"), -1, KEY("C")));
	MB_TRY(mb_list_get(call, KEY("list"), 1, &v));
	CHECK(is(v, "C"));
	MB_TRY(mb_list_cnt(call, KEY("list"), &cnt));
	CHECK(cnt == 2);
	MB_TRY(mb_list_begin(call, KEY("list"), &it));
	CHECK(mb_list_next(&it, &v) && is(v, "b"));
	CHECK(mb_list_next(&it, &v) && is(v, "C") && !mb_list_next(&it, &v));
	MB_TRY(mb_pop_right(call, KEY("list"), &v));
	CHECK(is(v, "C"));
	CHECK(mb_pop_right(call, KEY("none"), &v) == MB_ERR_NOT_FOUND);
	return 0;
}

MB_FUNCTION(sorted)
{
	struct mb_zset_iter it;
	struct mb_slice m;
	uint64_t cnt;
	double score;

	MB_TRY(mb_zadd(call, KEY("zset"), KEY("m"), 1.5));
	MB_TRY(mb_zadd(call, KEY("zset"), KEY("n"), 3));
	MB_TRY(mb_flush(call));
	MB_TRY(mb_zincr(call, KEY("zset"), KEY("m"), 2, &score));
	CHECK(score == 3.5);
	MB_TRY(mb_zscore(call, KEY("zset"), KEY("m"), &score));
	CHECK(score == 3.5);
	MB_TRY(mb_zrem(call, KEY("zset"), KEY("n")));
	CHECK(mb_zscore(call, KEY("zset"), KEY("n"), &score) == MB_ERR_NOT_FOUND);
	MB_TRY(mb_zcard(call, KEY("zset"), &cnt));
	CHECK(cnt == 1);
	MB_TRY(mb_zset_begin(call, KEY("zset"), &it));
	CHECK(mb_zset_next(&it, &m, &score) && is(m, "m") && score == 3.5 &&
	      !mb_zset_next(&it, &m, &score));
	return 0;
}

MB_FUNCTION(odd_index)
{
	struct mb_slice v;

	MB_TRY(mb_push_left(call, KEY("text"), KEY("a")));
	MB_TRY(mb_list_get(call, KEY("text"), 0, &v));
	return mb_zadd(call, KEY("text"), KEY("m"), 1);
}

FUNCTIONS(&mb_function_sets, &mb_function_maps, &mb_function_lists, &mb_function_sorted,
	  &mb_function_odd_index)

static void
refusals_name_function_key_and_reason(void **state)
{
	call_none("odd_index");
	assert_error(MB_ERR_TYPE, "mb_zadd 'text': the key holds another type");
}

/* What MB_INIT may not do. */
static void
without_a_call_there_is_no_state(void **state)
{
	struct mb_call *call = exec_init_call(x);
	struct mb_set_iter set;
	struct mb_map_iter map;
	struct mb_list_iter list;
	struct mb_zset_iter zset;
	struct mb_slice k = KEY("k"), s;
	uint64_t cnt;
	int64_t n;
	double z;
	bool in;

	call->session = NULL;
	call->result = NULL;
	{
		const int err[] = {
			mb_sadd(call, k, k),           mb_srem(call, k, k),
			mb_sismember(call, k, k, &in), mb_scard(call, k, &cnt),
			mb_set_begin(call, k, &set),   mb_map_put(call, k, k, k),
			mb_map_get(call, k, k, &s),    mb_map_incr(call, k, k, 1, &n),
			mb_map_delete(call, k, k),     mb_map_cnt(call, k, &cnt),
			mb_map_begin(call, k, &map),   mb_push_left(call, k, k),
			mb_push_right(call, k, k),     mb_pop_left(call, k, &s),
			mb_pop_right(call, k, &s),     mb_list_get(call, k, 0, &s),
			mb_list_set(call, k, 0, k),    mb_list_cnt(call, k, &cnt),
			mb_list_begin(call, k, &list), mb_zadd(call, k, k, 1),
			mb_zincr(call, k, k, 1, &z),   mb_zrem(call, k, k),
			mb_zscore(call, k, k, &z),     mb_zcard(call, k, &cnt),
			mb_zset_begin(call, k, &zset),
		};

		for (size_t i = 0; i < ARRAY_CNT(err); i++) {
			assert_int_equal(err[i], MB_ERR_NOT_SUPPORTED);
		}
	}
}

static void
all_of_it_works(void **state)
{
	static const char *const names[] = { "sets", "maps", "lists", "sorted" };

	for (size_t i = 0; i < ARRAY_CNT(names); i++) {
		call_none(names[i]);
		if (reply.err != 0) {
			assert_error(0, "no error");
		}
		reply_release();
	}
	assert_string_equal(world_text(w, slice_str("set")), "(set of 1)");
	assert_string_equal(world_text(w, slice_str("map")), "(map of 1)");
	assert_string_equal(world_text(w, slice_str("list")), "(13 of 1)");
	assert_string_equal(world_text(w, slice_str("zset")), "(15 of 1)");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		TEST(refusals_name_function_key_and_reason),
		TEST(without_a_call_there_is_no_state),
		TEST(all_of_it_works),
#undef TEST
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
