/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   every function of function.h about state does what it says, and its refusal names the
 *         function, the key and the reason.
 * Method: a function that walks through all of them; refusals one by one. */
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

MB_FUNCTION(walk)
{
	struct mb_set_iter it;
	struct mb_slice s;
	uint64_t cnt;
	int64_t n;
	int seen = 0;
	bool in;

	CHECK(mb_get(call, KEY("a"), &s) == MB_ERR_NOT_FOUND);
	MB_TRY(mb_put(call, KEY("a"), KEY("10")));
	MB_TRY(mb_get(call, KEY("a"), &s));
	CHECK(is(s, "10"));
	MB_TRY(mb_incr(call, KEY("a"), 5, &n));
	CHECK(n == 15);
	MB_TRY(mb_get_i64(call, KEY("a"), &n));
	CHECK(n == 15);
	MB_TRY(mb_flush(call));
	MB_TRY(mb_get(call, KEY("a"), &s));
	CHECK(is(s, "15"));
	mb_release(call, KEY("a"));
	MB_TRY(mb_delete(call, KEY("a")));
	CHECK(mb_get(call, KEY("a"), &s) == MB_ERR_NOT_FOUND);

	MB_TRY(mb_sadd(call, KEY("set"), KEY("x")));
	MB_TRY(mb_flush(call));
	MB_TRY(mb_sadd(call, KEY("set"), KEY("y")));
	MB_TRY(mb_sadd(call, KEY("set"), KEY("x")));
	MB_TRY(mb_sismember(call, KEY("set"), KEY("y"), &in));
	CHECK(in);
	MB_TRY(mb_sismember(call, KEY("set"), KEY("z"), &in));
	CHECK(!in);
	MB_TRY(mb_scard(call, KEY("set"), &cnt));
	CHECK(cnt == 2);
	MB_TRY(mb_set_begin(call, KEY("set"), &it));
	while (mb_set_next(&it, &s)) {
		seen += is(s, "x") ? 1 : is(s, "y") ? 10 : 100;
	}
	CHECK(seen == 11);

	MB_TRY(mb_map_put(call, KEY("map"), KEY("f"), KEY("v")));
	MB_TRY(mb_map_put_at(call, KEY("map"), KEY("at"), KEY("2"), 20));
	MB_TRY(mb_map_put_at(call, KEY("map"), KEY("at"), KEY("1"), 10));
	MB_TRY(mb_map_get(call, KEY("map"), KEY("at"), &s));
	CHECK(is(s, "2"));
	MB_TRY(mb_map_get(call, KEY("map"), KEY("f"), &s));
	CHECK(is(s, "v"));
	CHECK(mb_map_get(call, KEY("map"), KEY("g"), &s) == MB_ERR_NOT_FOUND);
	return 0;
}

MB_FUNCTION(versions)
{
	struct mb_version v = { { 0, 0 } }, first;
	struct mb_slice s;

	CHECK(mb_get_if_changed(call, KEY("v"), &v, &s) == MB_ERR_NOT_FOUND);
	MB_TRY(mb_put(call, KEY("v"), KEY("one")));
	CHECK(mb_get_if_changed(call, KEY("v"), &v, &s) == 0 && is(s, "one"));
	first = v;
	CHECK(mb_get_if_changed(call, KEY("v"), &v, &s) == 1);
	MB_TRY(mb_flush(call)); /* read from the store now: the same value */
	CHECK(mb_get_if_changed(call, KEY("v"), &v, &s) == 1);
	MB_TRY(mb_put(call, KEY("v"), KEY("two")));
	CHECK(mb_get_if_changed(call, KEY("v"), &v, &s) == 0 && is(s, "two"));
	CHECK(memcmp(&v, &first, sizeof(v)) != 0);
	MB_TRY(mb_put(call, KEY("v"), KEY("one")));
	CHECK(mb_get_if_changed(call, KEY("v"), &v, &s) == 0);
	CHECK(memcmp(&v, &first, sizeof(v)) == 0);
	MB_TRY(mb_put(call, KEY("v"), mb_slice_of("", 0)));
	CHECK(mb_get_if_changed(call, KEY("v"), &v, &s) == 0 && s.len == 0);
	CHECK(mb_get_if_changed(call, KEY("v"), &v, &s) == 1);
	MB_TRY(mb_delete(call, KEY("v")));
	CHECK(mb_get_if_changed(call, KEY("v"), &v, &s) == MB_ERR_NOT_FOUND);
	CHECK(v.word[0] == 0 && v.word[1] == 0);
	MB_TRY(mb_sadd(call, KEY("v"), KEY("m")));
	CHECK(mb_get_if_changed(call, KEY("v"), &v, &s) == MB_ERR_TYPE);
	return 0;
}

MB_FUNCTION(versions_of_all)
{
	struct mb_version v = { { 0, 0 } }, text = { { 0, 0 } };
	struct mb_slice s;

	CHECK(mb_if_changed(call, KEY("all"), &v) == MB_ERR_NOT_FOUND);
	MB_TRY(mb_sadd(call, KEY("all"), KEY("m")));
	CHECK(mb_if_changed(call, KEY("all"), &v) == 0);
	CHECK(mb_if_changed(call, KEY("all"), &v) == 1);
	MB_TRY(mb_flush(call));
	CHECK(mb_if_changed(call, KEY("all"), &v) == 1);
	MB_TRY(mb_srem(call, KEY("all"), KEY("m")));
	CHECK(mb_if_changed(call, KEY("all"), &v) == MB_ERR_NOT_FOUND);
	CHECK(v.word[0] == 0 && v.word[1] == 0);
	MB_TRY(mb_put(call, KEY("one"), KEY("text")));
	CHECK(mb_get_if_changed(call, KEY("one"), &text, &s) == 0);
	CHECK(mb_if_changed(call, KEY("one"), &text) == 1);
	return 0;
}

MB_FUNCTION(wrong_type)
{
	MB_TRY(mb_put(call, KEY("text"), KEY("abc")));
	return mb_incr(call, KEY("text"), 1, NULL);
}

MB_FUNCTION(no_key)
{
	struct mb_slice s;

	return mb_get(call, mb_slice_of(NULL, 0), &s);
}

MB_FUNCTION(odd_key)
{
	return mb_map_put(call, KEY("a\nb"), mb_slice_of("", 2000), KEY("v"));
}

MB_FUNCTION(absent)
{
	struct mb_slice s;

	return mb_get(call, KEY("nothing"), &s);
}

FUNCTIONS(&mb_function_walk, &mb_function_wrong_type, &mb_function_no_key, &mb_function_odd_key,
	  &mb_function_absent, &mb_function_versions, &mb_function_versions_of_all)

static void
refusals_name_function_key_and_reason(void **state)
{
	call_none("wrong_type");
	assert_error(MB_ERR_TYPE, "mb_incr 'text': the value is not an integer");
	call_none("no_key");
	assert_error(MB_ERR_INVALID, "mb_get '': a key is empty");
	call_none("odd_key");
	assert_error(MB_ERR_TOO_LARGE, "mb_map_put 'a?b': a field may have 1,024 bytes");
	call_none("absent");
	assert_error(MB_ERR_NOT_FOUND, "");
}

/* What MB_INIT may not do. */
static void
without_a_call_there_is_no_state(void **state)
{
	struct mb_call *call = exec_init_call(x);
	struct mb_version version = { { 0, 0 } };
	struct mb_set_iter it;
	struct mb_slice s;
	uint64_t cnt;
	int64_t n;
	bool in;

	call->session = NULL;
	call->result = NULL;
	assert_int_equal(mb_get(call, KEY("k"), &s), MB_ERR_NOT_SUPPORTED);
	assert_int_equal(mb_get_if_changed(call, KEY("k"), &version, &s), MB_ERR_NOT_SUPPORTED);
	assert_int_equal(mb_if_changed(call, KEY("k"), &version), MB_ERR_NOT_SUPPORTED);
	assert_int_equal(mb_get_i64(call, KEY("k"), &n), MB_ERR_NOT_SUPPORTED);
	assert_int_equal(mb_put(call, KEY("k"), KEY("v")), MB_ERR_NOT_SUPPORTED);
	assert_int_equal(mb_incr(call, KEY("k"), 1, &n), MB_ERR_NOT_SUPPORTED);
	assert_int_equal(mb_delete(call, KEY("k")), MB_ERR_NOT_SUPPORTED);
	assert_int_equal(mb_sadd(call, KEY("k"), KEY("m")), MB_ERR_NOT_SUPPORTED);
	assert_int_equal(mb_sismember(call, KEY("k"), KEY("m"), &in), MB_ERR_NOT_SUPPORTED);
	assert_int_equal(mb_scard(call, KEY("k"), &cnt), MB_ERR_NOT_SUPPORTED);
	assert_int_equal(mb_set_begin(call, KEY("k"), &it), MB_ERR_NOT_SUPPORTED);
	assert_int_equal(mb_map_put(call, KEY("k"), KEY("f"), KEY("v")), MB_ERR_NOT_SUPPORTED);
	assert_int_equal(mb_map_put_at(call, KEY("k"), KEY("f"), KEY("v"), 1),
			 MB_ERR_NOT_SUPPORTED);
	assert_int_equal(mb_map_get(call, KEY("k"), KEY("f"), &s), MB_ERR_NOT_SUPPORTED);
	assert_int_equal(mb_flush(call), MB_ERR_NOT_SUPPORTED);
	assert_int_equal(mb_return_nil(call), MB_ERR_NOT_SUPPORTED);
	mb_release(call, KEY("k"));
}

static void
what_did_not_change_is_told(void **state)
{
	static const char *const functions[] = { "versions", "versions_of_all" };

	for (int i = 0; i < 2; i++) {
		call_none(functions[i]);
		if (reply.err != 0) {
			assert_error(0, "no error");
		}
		reply_release();
	}
}

static void
all_of_it_works(void **state)
{
	call_none("walk");
	if (reply.err != 0) {
		assert_error(0, "no error");
	}
	reply_release();
	assert_string_equal(world_text(w, slice_str("a")), "(absent)");
	assert_string_equal(world_text(w, slice_str("set")), "(set of 2)");
	assert_string_equal(world_text(w, slice_str("map")), "(map of 2)");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		TEST(refusals_name_function_key_and_reason),
		TEST(without_a_call_there_is_no_state),
		TEST(what_did_not_change_is_told),
		TEST(all_of_it_works),
#undef TEST
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
