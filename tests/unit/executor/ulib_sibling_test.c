/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   what function.h has for values beside each other, for merges of the user's, and for items
 *         that only one call gets, does what it says.
 * Method: functions that check what they see; refusals one by one. */
#include "exec_fixture.h"

#include <math.h>

#define KEY(text) mb_str(text)

#define CHECK(cond)                                                                                \
	do {                                                                                       \
		if (!(cond)) {                                                                     \
			return mb_fail(call, "line %d: %s", __LINE__, #cond);                      \
		}                                                                                  \
	} while (0)

static const struct mb_merge *merges[4];
static uint32_t merge_cnt;

void
mb_merge_add(const struct mb_merge *merge)
{
	merges[merge_cnt++] = merge;
}

MB_MERGE(longest, MB_SAMPLE("a"), MB_SAMPLE("bb"))
{
	return mb_merged_set(out, a.len >= b.len ? a : b);
}

MB_MERGE(refusing, MB_SAMPLE("a"), MB_SAMPLE("bb"))
{
	return MB_ERR_INVALID;
}

static bool
is(struct mb_slice s, const char *text)
{
	return s.len == strlen(text) && memcmp(s.p, text, s.len) == 0;
}

MB_FUNCTION(siblings)
{
	struct mb_sibling_iter it;
	struct mb_slice s;
	uint32_t cnt = 0;

	MB_TRY(mb_put_sibling(call, KEY("s"), KEY("a")));
	MB_TRY(mb_flush(call));
	MB_TRY(mb_put_sibling(call, KEY("s"), KEY("b"))); /* a was not looked at */
	MB_TRY(mb_flush(call));
	MB_TRY(mb_sibling_begin(call, KEY("s"), &it));
	while (mb_sibling_next(&it, &s)) {
		cnt++;
	}
	CHECK(cnt == 2);
	MB_TRY(mb_put_sibling(call, KEY("s"), KEY("c")));
	MB_TRY(mb_sibling_begin(call, KEY("s"), &it));
	CHECK(mb_sibling_next(&it, &s) && is(s, "c"));
	CHECK(!mb_sibling_next(&it, &s));
	MB_TRY(mb_get(call, KEY("s"), &s));
	CHECK(is(s, "c"));
	CHECK(mb_put_sibling(call, KEY(""), KEY("c")) == MB_ERR_INVALID);
	return 0;
}

MB_FUNCTION(merged)
{
	struct mb_slice s;

	CHECK(mb_get_merged(call, KEY("m"), "longest", &s) == MB_ERR_NOT_FOUND);
	CHECK(mb_get_merged(call, KEY("m"), "no_such", &s) == MB_ERR_NO_FUNCTION);
	MB_TRY(mb_put_merged(call, KEY("m"), "longest", KEY("bb")));
	MB_TRY(mb_put_merged(call, KEY("m"), "longest", KEY("a")));
	MB_TRY(mb_get_merged(call, KEY("m"), "longest", &s));
	CHECK(is(s, "bb"));
	MB_TRY(mb_flush(call));
	MB_TRY(mb_put_merged(call, KEY("m"), "longest", KEY("ccc")));
	MB_TRY(mb_flush(call));
	MB_TRY(mb_get_merged(call, KEY("m"), "longest", &s));
	CHECK(is(s, "ccc"));
	CHECK(mb_get_merged(call, KEY("m"), "refusing", &s) == MB_ERR_TYPE);
	MB_TRY(mb_put_merged(call, KEY("r"), "refusing", KEY("a")));
	return mb_put_merged(call, KEY("r"), "refusing", KEY("b"));
}

MB_FUNCTION(taken)
{
	struct mb_zrange_iter it;
	struct mb_slice s;
	uint64_t rank;
	double score;

	MB_TRY(mb_push_right(call, KEY("l"), KEY("a")));
	MB_TRY(mb_push_right(call, KEY("l"), KEY("b")));
	MB_TRY(mb_take_right(call, KEY("l"), &s));
	CHECK(is(s, "b"));
	MB_TRY(mb_take_left(call, KEY("l"), &s));
	CHECK(is(s, "a"));
	CHECK(mb_take_left(call, KEY("l"), &s) == MB_ERR_NOT_FOUND);
	MB_TRY(mb_zadd(call, KEY("z"), KEY("x"), 3));
	MB_TRY(mb_zadd(call, KEY("z"), KEY("y"), 1));
	MB_TRY(mb_zadd(call, KEY("z"), KEY("w"), 2));
	MB_TRY(mb_zrange_by_rank(call, KEY("z"), 0, 1, &it));
	CHECK(mb_zrange_next(&it, &s, &score) && is(s, "y"));
	CHECK(mb_zrange_next(&it, &s, &score) && is(s, "w") && score == 2);
	CHECK(!mb_zrange_next(&it, &s, &score));
	MB_TRY(mb_zrange_by_score(call, KEY("z"), 2.5, INFINITY, &it));
	CHECK(mb_zrange_next(&it, &s, &score) && is(s, "x"));
	CHECK(mb_zrange_by_score(call, KEY("z"), NAN, 1, &it) == MB_ERR_INVALID);
	MB_TRY(mb_zrank(call, KEY("z"), KEY("x"), &rank));
	CHECK(rank == 2);
	MB_TRY(mb_take_lowest(call, KEY("z"), &s, &score));
	CHECK(is(s, "y") && score == 1);
	MB_TRY(mb_take_highest(call, KEY("z"), &s, &score));
	CHECK(is(s, "x"));
	return 0;
}

MB_FUNCTION(ends)
{
	struct mb_slice item;
	int64_t at = -1;

	CHECK(mb_expires(call, KEY("e"), &at) == MB_ERR_NOT_FOUND);
	CHECK(mb_expire(call, KEY("e"), -1) == MB_ERR_INVALID);
	MB_TRY(mb_put(call, KEY("e"), KEY("v")));
	MB_TRY(mb_expires(call, KEY("e"), &at));
	CHECK(at == 0);
	MB_TRY(mb_expire(call, KEY("e"), INT64_C(4000000000000000)));
	MB_TRY(mb_expires(call, KEY("e"), &at));
	CHECK(at == INT64_C(4000000000000000));
	MB_TRY(mb_flush(call));
	MB_TRY(mb_put_keep(call, KEY("e"), KEY("w")));
	MB_TRY(mb_flush(call));
	MB_TRY(mb_expires(call, KEY("e"), &at));
	CHECK(at == INT64_C(4000000000000000));
	MB_TRY(mb_put(call, KEY("e"), KEY("x")));
	MB_TRY(mb_put_keep(call, KEY("e"), KEY("y"))); /* there is nothing left to keep */
	MB_TRY(mb_flush(call));
	MB_TRY(mb_expires(call, KEY("e"), &at));
	CHECK(at == 0);
	MB_TRY(mb_expire(call, KEY("e"), 1)); /* long ago */
	CHECK(mb_expires(call, KEY("e"), &at) == MB_ERR_NOT_FOUND);
	/* A collection ends with its last item, and its deadline with it. */
	MB_TRY(mb_push_right(call, KEY("q"), KEY("i")));
	MB_TRY(mb_expire(call, KEY("q"), INT64_C(4000000000000000)));
	MB_TRY(mb_flush(call));
	MB_TRY(mb_pop_left(call, KEY("q"), &item));
	CHECK(mb_expires(call, KEY("q"), &at) == MB_ERR_NOT_FOUND);
	MB_TRY(mb_flush(call));
	MB_TRY(mb_push_right(call, KEY("q"), KEY("j")));
	MB_TRY(mb_flush(call));
	MB_TRY(mb_expires(call, KEY("q"), &at));
	CHECK(at == 0);
	/* Not when the call puts others in their place. */
	MB_TRY(mb_expire(call, KEY("q"), INT64_C(4000000000000000)));
	MB_TRY(mb_flush(call));
	MB_TRY(mb_pop_left(call, KEY("q"), &item));
	MB_TRY(mb_push_right(call, KEY("q"), KEY("k")));
	MB_TRY(mb_expires(call, KEY("q"), &at));
	CHECK(at == INT64_C(4000000000000000));
	MB_TRY(mb_flush(call));
	MB_TRY(mb_expires(call, KEY("q"), &at));
	CHECK(at == INT64_C(4000000000000000));
	return 0;
}

FUNCTIONS(&mb_function_siblings, &mb_function_merged, &mb_function_taken, &mb_function_ends)

static int
setup_merges(void **state)
{
	int err = setup(state);

	exec_fns(x)->fn[id_of("merged")].merge = merges;
	exec_fns(x)->fn[id_of("merged")].merge_cnt = merge_cnt;
	return err;
}

static void
values_beside_each_other(void **state)
{
	call_none("siblings");
	if (reply.err != 0) {
		assert_error(0, "no error");
	}
	reply_release();
}

static void
merges_of_the_object(void **state)
{
	call_none("merged");
	assert_error(MB_ERR_FUNCTION_FAILED, "the merge refused two values");
}

static void
items_that_one_call_gets(void **state)
{
	call_none("taken");
	if (reply.err != 0) {
		assert_error(0, "no error");
	}
	reply_release();
}

static void
deadlines(void **state)
{
	call_none("ends");
	if (reply.err != 0) {
		assert_error(0, "no error");
	}
	reply_release();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(values_beside_each_other, setup_merges, teardown),
		cmocka_unit_test_setup_teardown(merges_of_the_object, setup_merges, teardown),
		cmocka_unit_test_setup_teardown(items_that_one_call_gets, setup_merges, teardown),
		cmocka_unit_test_setup_teardown(deadlines, setup_merges, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
