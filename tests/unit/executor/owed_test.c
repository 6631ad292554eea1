/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   an executor goes on while the store acknowledges what it sent; each caller is answered
 *         once, after that, and what the node would say of a death is true of every call (O1, O2).
 * Method: the core before a real cache and store, whose answers are taken only when asked for. */
#include "exec_fixture.h"
#include "hash.h"
#include "owed.h"

/* Keys of the same cache tile, and one of the other. */
static char same_tile[2][8], other_tile[8];
static uint32_t ran;
static uint64_t runs_ns;

MB_FUNCTION(count)
{
	int64_t n;

	ran++;
	w->time.now_ns += runs_ns;
	MB_TRY(mb_incr(call, mb_str(same_tile[0]), 1, &n));
	return mb_return_i64(call, n);
}

MB_FUNCTION(count_other)
{
	int64_t n;

	ran++;
	MB_TRY(mb_incr(call, mb_str(other_tile), 1, &n));
	return mb_return_i64(call, n);
}

/* Looks at nothing. */
MB_FUNCTION(adds)
{
	ran++;
	return mb_incr(call, mb_str(same_tile[1]), 1, NULL);
}

MB_FUNCTION(both)
{
	ran++;
	MB_TRY(mb_incr(call, mb_str(same_tile[1]), 1, NULL));
	return mb_incr(call, mb_str(other_tile), 1, NULL);
}

MB_FUNCTION(flushes)
{
	ran++;
	MB_TRY(mb_incr(call, mb_str(same_tile[1]), 1, NULL));
	return mb_flush(call);
}

MB_FUNCTION(wrong_type)
{
	char long_result[100] = "";

	ran++;
	MB_TRY(mb_sadd(call, mb_str(same_tile[0]), mb_str("m")));
	return mb_return_bytes(call, mb_slice_of(long_result, sizeof(long_result)));
}

MB_FUNCTION(tells_much)
{
	char long_result[100] = "";

	ran++;
	MB_TRY(mb_incr(call, mb_str(same_tile[1]), 1, NULL));
	return mb_return_bytes(call, mb_slice_of(long_result, sizeof(long_result)));
}

MB_FUNCTION(idle)
{
	ran++;
	return 0;
}

static const struct mb_function *const function[] = {
	&mb_function_count,   &mb_function_count_other, &mb_function_both,
	&mb_function_flushes, &mb_function_wrong_type,  &mb_function_idle,
	&mb_function_adds,    &mb_function_tells_much,
};

static void
key_on_tile(char key[8], uint32_t tile, const char *name)
{
	for (uint32_t i = 0;; i++) {
		snprintf(key, 8, "%s%u", name, i);
		if (cache_tile_of(hash_bytes(key, strlen(key)), 2) == tile) {
			return;
		}
	}
}

/* A call as it comes, on port 9 of the client. Its answer may come later. */
static void
take_call(const char *name, uint64_t seq, uint16_t port)
{
	struct desc d = { .kind = DESC_CALL,
			  .a = id_of(name),
			  .flags = DESC_F_INLINE,
			  .call = call_id_make(CLIENT, 1, seq) };
	struct exec_from from = { .port = port, .proc = CLIENT, .inc = 1 };

	assert_int_equal(exec_call(x, &d, &from), 0);
}

/* When the store acknowledged a call that wrote to one tile, what other was committed already. */
static bool committed_early;

static int
answer_watched(void *ctx, uint64_t until_ns, struct desc *ret)
{
	int n = node.answer(ctx, until_ns, ret);

	committed_early |= n == 1 && ret->kind == DESC_PUBLISHED && reply_cnt == 0 &&
			   atomic_load(&w->commit.whole) != 0;
	return n;
}

static int
setup(void **state)
{
	int err;

	fixture_answer = answer_watched;
	err = setup_with(function, ARRAY_CNT(function));

	key_on_tile(same_tile[0], 0, "a");
	key_on_tile(same_tile[1], 0, "b");
	key_on_tile(other_tile, 1, "c");
	runs_ns = 0;
	for (uint32_t i = 0; err == 0 && i < ARRAY_CNT(function); i++) {
		for (uint32_t k = 0; k < OWED_QUICK_CNT; k++) {
			take_call(function[i]->name, 1, 9);
			assert_int_equal(exec_settle(x), 0);
			reply_release();
		}
	}
	ran = 0;
	reply_cnt = 0;
	return err;
}

static void
an_answer_waits_for_the_store(void **state)
{
	take_call("count", 10, 9);
	assert_int_equal(reply_cnt, 0);
	assert_int_equal(exec_held(x), 1);
	assert_int_equal(exec_settle(x), 0);
	assert_int_equal(reply_cnt, 1);
	assert_i64(OWED_QUICK_CNT + 1);
	assert_true(trace.line[(run.finished - 1) % TRACE_CNT].call == call_id_make(CLIENT, 1, 10));
}

static void
quick_calls_run_meanwhile(void **state)
{
	for (uint32_t i = 0; i < OWED_MAX; i++) {
		take_call("adds", 10 + i, 9);
	}
	assert_int_equal(ran, OWED_MAX);
	assert_int_equal(reply_cnt, 0);
	take_call("idle", 99, 9); /* writes nothing; but there is no room to owe one more */
	assert_int_equal(reply_cnt, OWED_MAX + 1);
}

static void
who_reads_what_is_owed_waits(void **state)
{
	take_call("count", 10, 9);
	take_call("count_other", 11, 9); /* another tile: waited for in any case (O1) */
	assert_int_equal(reply_cnt, 1);
	take_call("count_other", 12, 9);
	take_call("count_other", 13, 9);
	assert_int_equal(reply_cnt, 3); /* each saw the one before it */
	assert_int_equal(exec_settle(x), 0);
	assert_i64(2 * OWED_QUICK_CNT + 3); /* `both` adds there too */
}

static void
what_writes_nothing_is_answered_at_once(void **state)
{
	take_call("count", 10, 9);
	take_call("idle", 11, 9);
	assert_int_equal(reply_cnt, 1);
	assert_true(reply.call == call_id_make(CLIENT, 1, 11));
	assert_int_equal(exec_settle(x), 0);
	assert_int_equal(reply_cnt, 2);
}

static void
a_call_from_elsewhere_waits(void **state)
{
	take_call("count", 10, 9);
	take_call("idle", 11, 10);
	assert_int_equal(reply_cnt, 2);
	assert_true(reply.call == call_id_make(CLIENT, 1, 11));
}

static void
a_slow_function_waits(void **state)
{
	runs_ns = OWED_RUN_NS + 1;
	take_call("count", 10, 9); /* nobody knew */
	take_call("count", 11, 9);
	assert_int_equal(reply_cnt, 1); /* the first one's, before the second ran */
	runs_ns = 0;
	take_call("count", 12, 9);
	assert_int_equal(reply_cnt, 2);
	assert_int_equal(exec_settle(x), 0);
}

static void
no_other_writes_leave_while_answers_are_owed(void **state)
{
	take_call("count", 10, 9);
	take_call("count_other", 11, 9); /* of the other tile */
	assert_int_equal(reply_cnt, 1);
	take_call("both", 12, 9); /* waited for */
	assert_int_equal(reply_cnt, 3);
	take_call("count", 13, 9);
	take_call("flushes", 14, 9);
	assert_int_equal(reply_cnt, 5);
	assert_int_equal(exec_held(x), 0);
}

/* What is written for two tiles happens from when it is committed, before any of it is sent. Were
 * that while another answer is owed, a death then would hide that that call wrote (O2). */
static void
nothing_is_committed_while_answers_are_owed(void **state)
{
	committed_early = false;
	take_call("count", 10, 9);
	take_call("both", 11, 9);
	assert_int_equal(reply_cnt, 2);
	assert_false(committed_early);
}

static void
a_refused_write_is_the_callers_error(void **state)
{
	world_evict(w); /* or the function is told */
	take_call("wrong_type", 11, 9);
	assert_int_equal(exec_held(x), 1);
	assert_int_equal(exec_settle(x), 0);
	assert_int_equal(reply_cnt, 1);
	assert_error(MB_ERR_TYPE, same_tile[0]);
	assert_int_equal(payload_alive(w->pool), 0);
}

/* Whether the word of the caller's death comes before its call makes a result, or after that. */
static void
an_answer_for_nobody_holds_nothing(void **state)
{
	for (int first = 0; first < 2; first++) {
		nobody_there = false;
		take_call("tells_much", 10 + (uint64_t)first, 9);
		assert_int_equal(exec_held(x), 1);
		nobody_there = true;
		if (first == 0) {
			payload_release_all(w->pool, CLIENT); /* what that word does */
		}
		assert_int_equal(exec_settle(x), 0);
		assert_int_equal(payload_alive(w->pool), 0);
	}
}

static void
the_last_call_that_wrote_stands_for_those_before_it(void **state)
{
	struct desc dead = { .dead = { .published = call_id_make(CLIENT, 3, 77), .owed = 1 } };

	for (uint32_t owed = 0; owed < 2; owed++) {
		dead.dead.owed = owed;
		assert_true(call_wrote(call_id_make(CLIENT, 3, 77), &dead));
		assert_int_equal(call_wrote(call_id_make(CLIENT, 3, 76), &dead), owed);
		assert_false(call_wrote(call_id_make(CLIENT, 3, 78), &dead));
		assert_false(call_wrote(call_id_make(CLIENT, 2, 76), &dead));
		assert_false(call_wrote(call_id_make(CLIENT - 1, 3, 76), &dead));
	}
	dead.dead.published = 0;
	assert_false(call_wrote(call_id_make(CLIENT, 3, 77), &dead));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		TEST(an_answer_waits_for_the_store),
		TEST(quick_calls_run_meanwhile),
		TEST(who_reads_what_is_owed_waits),
		TEST(what_writes_nothing_is_answered_at_once),
		TEST(a_call_from_elsewhere_waits),
		TEST(a_slow_function_waits),
		TEST(no_other_writes_leave_while_answers_are_owed),
		TEST(nothing_is_committed_while_answers_are_owed),
		TEST(a_refused_write_is_the_callers_error),
		TEST(an_answer_for_nobody_holds_nothing),
		TEST(the_last_call_that_wrote_stands_for_those_before_it),
#undef TEST
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
