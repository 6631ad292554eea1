/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   a list shows what this call pushed, popped and set around what is stored, by index, by
 *         walk and by length alike.
 * Method: by hand; random operations on all types are in session_op_test. */
#include "session_fixture.h"

/* The items of the list "l", with a blank behind each; the length and both ends are checked. */
static const char *
items(void)
{
	static char text[256];
	struct session_iter it;
	struct slice v = { 0 }, first, last;
	uint64_t cnt, seen = 0;
	size_t len = 0;

	text[0] = '\0';
	assert_int_equal(session_list_begin(s, k("l"), &it), 0);
	while (session_list_next(s, &it, &v)) {
		if (seen++ == 0) {
			assert_int_equal(session_list_get(s, k("l"), 0, &first), 0);
			assert_true(slice_eq(first, v));
		}
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%.*s ", (int)v.len,
					(const char *)v.p);
	}
	assert_false(session_list_next(s, &it, &v));
	assert_int_equal(session_list_cnt(s, k("l"), &cnt), 0);
	assert_int_equal(cnt, seen);
	if (seen != 0) {
		assert_int_equal(session_list_get(s, k("l"), -1, &last), 0);
		assert_int_equal(session_list_get(s, k("l"), (int64_t)seen - 1, &v), 0);
		assert_true(slice_eq(last, v));
		assert_int_equal(session_list_get(s, k("l"), -(int64_t)seen, &v), 0);
		assert_true(slice_eq(first, v));
	}
	assert_int_equal(session_list_get(s, k("l"), (int64_t)seen, &v), MB_ERR_NOT_FOUND);
	assert_int_equal(session_list_get(s, k("l"), -(int64_t)seen - 1, &v), MB_ERR_NOT_FOUND);
	return text;
}

static void
push(enum list_end end, const char *value)
{
	assert_int_equal(session_list_push(s, k("l"), end, k(value)), 0);
}

static const char *
pop(enum list_end end)
{
	static char text[32];
	struct slice v;

	assert_int_equal(session_list_pop(s, k("l"), end, &v), 0);
	snprintf(text, sizeof(text), "%.*s", (int)v.len, (const char *)v.p);
	return text;
}

static void
published(void)
{
	char before[256];

	snprintf(before, sizeof(before), "%s", items());
	assert_int_equal(session_publish(s), 0);
	begin(0);
	assert_string_equal(items(), before);
}

static void
both_ends(void **state)
{
	struct slice v;

	assert_string_equal(items(), "");
	push(LIST_RIGHT, "c");
	push(LIST_LEFT, "b");
	push(LIST_RIGHT, "d");
	push(LIST_LEFT, "a");
	assert_string_equal(items(), "a b c d ");
	published();
	push(LIST_LEFT, "0");
	push(LIST_RIGHT, "e");
	assert_string_equal(items(), "0 a b c d e ");
	assert_string_equal(pop(LIST_LEFT), "0");
	assert_string_equal(pop(LIST_LEFT), "a");
	assert_string_equal(pop(LIST_RIGHT), "e");
	assert_string_equal(pop(LIST_RIGHT), "d");
	assert_int_equal(session_list_set(s, k("l"), 1, k("C")), 0);
	push(LIST_RIGHT, "f");
	assert_int_equal(session_list_set(s, k("l"), -1, k("F")), 0);
	assert_int_equal(session_list_set(s, k("l"), 3, k("x")), MB_ERR_NOT_FOUND);
	assert_string_equal(items(), "b C F ");
	published();
	assert_int_equal(session_list_pop(s, k("l"), LIST_LEFT, &v), 0);
	assert_int_equal(session_list_set(s, k("l"), 0, k("c")), 0);
	assert_string_equal(pop(LIST_LEFT), "c");
	assert_string_equal(pop(LIST_LEFT), "F");
	assert_int_equal(session_list_pop(s, k("l"), LIST_LEFT, &v), MB_ERR_NOT_FOUND);
	assert_int_equal(session_get(s, k("l"), &v), MB_ERR_NOT_FOUND);
	published();
	assert_string_equal(world_text(w, k("l")), "(absent)");
	push(LIST_RIGHT, "again");
	published();
}

static void
deleted_and_pushed_again(void **state)
{
	struct slice v;

	push(LIST_RIGHT, "a");
	published();
	assert_int_equal(session_delete(s, k("l")), 0);
	push(LIST_RIGHT, "b");
	push(LIST_LEFT, "c");
	assert_string_equal(items(), "c b ");
	assert_int_equal(session_delete(s, k("l")), 0);
	push(LIST_RIGHT, "d");
	assert_string_equal(items(), "d ");
	published();
	assert_int_equal(session_get(s, k("l"), &v), MB_ERR_TYPE);
	assert_int_equal(session_sadd(s, k("l"), k("m")), MB_ERR_TYPE);
	assert_int_equal(session_put(s, k("t"), k("text")), 0);
	assert_int_equal(session_list_push(s, k("t"), LIST_LEFT, k("m")), MB_ERR_TYPE);
	assert_int_equal(session_list_pop(s, k("t"), LIST_LEFT, &v), MB_ERR_TYPE);
}

static void
long_items(void **state)
{
	static char value[10000];
	struct slice v;

	memset(value, 'v', sizeof(value) - 1);
	push(LIST_RIGHT, value);
	push(LIST_RIGHT, "x");
	assert_int_equal(session_publish(s), 0);
	begin(0);
	assert_int_equal(session_list_get(s, k("l"), 0, &v), 0);
	assert_int_equal(v.len, sizeof(value) - 1);
	assert_int_equal(session_list_set(s, k("l"), 1, k(value)), 0);
	assert_int_equal(session_publish(s), 0);
	begin(0);
	assert_int_equal(session_list_get(s, k("l"), 1, &v), 0);
	assert_int_equal(v.len, sizeof(value) - 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		TEST(both_ends),
		TEST(deleted_and_pushed_again),
		TEST(long_items),
#undef TEST
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
