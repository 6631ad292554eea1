/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   every call is answered exactly once: by its results, or by one typed error that says
 *         more; between calls nothing is held.
 * Method: the core before a real cache and store; calls that are wrong in every way, late, for
 *         nobody. */
#include "exec_fixture.h"
#include "exec_functions.h"

MB_FUNCTION(count)
{
	int64_t n;

	MB_TRY(mb_incr(call, mb_str("n"), 1, &n));
	return mb_return_i64(call, n);
}

MB_FUNCTION(get)
{
	struct mb_slice s;

	MB_TRY(mb_get(call, mb_str("far"), &s));
	return mb_return_bytes(call, s);
}

FUNCTIONS(&mb_function_increment, &mb_function_count, &mb_function_get, &mb_function_many)

static void
calls_that_cannot_be_run_are_refused(void **state)
{
	struct desc d = { .kind = DESC_CALL };

	args_i64(1, 4, 0);
	call_with("no such function", &d);
	assert_error(MB_ERR_NO_FUNCTION, "not loaded");
	d = (struct desc){ .a = FUNCTION_CNT_MAX + 1, .flags = DESC_F_INLINE };
	send_call(&d); /* another id of the same place */
	assert_error(MB_ERR_NO_FUNCTION, "not loaded");
	d = (struct desc){ .sub = 3 };
	call_with("increment", &d);
	assert_error(MB_ERR_NOT_SUPPORTED, "level");
	d = (struct desc){ .call = call_id_make(CLIENT + 1, 1, 1) };
	call_with("increment", &d);
	assert_error(MB_ERR_INVALID, "not the caller's");
	d = (struct desc){ .sub = CALL_DAG, .a = 7, .flags = DESC_F_INLINE };
	send_call(&d);
	assert_error(MB_ERR_NO_DAG, "DAG");
}

static void
arguments_that_cannot_be_read_are_refused(void **state)
{
	struct desc d = { .a = 1 };

	d.ref.handle = 2; /* no such payload */
	send_call(&d);
	assert_error(MB_ERR_INVALID, "cannot be read");
	args_i64(8, 1, 2);
	d.ref = (struct payload_ref){ .handle = 1, .off = 4, .len = 20 };
	send_call(&d);
	assert_error(MB_ERR_CORRUPT, "aligned");
	d.ref = (struct payload_ref){ .handle = 1, .len = (uint32_t)args_len - 1 };
	send_call(&d);
	assert_error(MB_ERR_CORRUPT, "arguments");
	((uint32_t *)args)[0] = MB_VALUES_MAX + 1;
	d.ref.len = (uint32_t)args_len;
	send_call(&d);
	assert_error(MB_ERR_TOO_LARGE, "arguments");
}

/* The node has them copied, and sends the call again. */
static void
arguments_of_the_dead_are_said_to_the_node(void **state)
{
	struct desc d = { .flags = CALL_F_KEPT, .a = 1 };

	d.ref.handle = DEAD_HANDLE;
	send_call(&d);
	assert_error(MB_ERR_PEER_DIED, "has died");
	d.flags = 0; /* to others they are just not there */
	send_call(&d);
	assert_error(MB_ERR_INVALID, "cannot be read");
}

static void
a_late_call_is_not_run(void **state)
{
	struct desc d = { .b = w->time.now_ns };

	args_len = 0;
	call_with("count", &d);
	assert_error(MB_ERR_DEADLINE, "not run");
	d = (struct desc){ .b = w->time.now_ns + 1000000 };
	call_with("count", &d);
	assert_i64(1);
}

static void
a_deadline_ends_a_wait(void **state)
{
	struct desc d = { .b = w->time.now_ns + 1000000000 };

	world_put(w, "far", "away");
	world_evict(w);
	d.b = w->time.now_ns + 1000000000;
	args_len = 0;
	w->hold = true;
	call_with("get", &d);
	assert_error(MB_ERR_DEADLINE, "mb_get 'far'");
	w->hold = false;
	while (w->answers.cnt != 0) { /* what comes too late */
		struct desc late;

		assert_int_equal(w->wait.answer(w, 0, &late), 1);
		exec_on_answer(x, &late);
	}
}

static void
an_answer_for_nobody_holds_nothing(void **state)
{
	struct desc d = { .kind = DESC_CALL };

	nobody_there = true;
	args_i64(2, 3, 30000);
	call_with("many", &d);
	assert_int_equal(payload_alive(w->pool), 0);
}

static void
an_integer_there_and_back(void **state)
{
	call_i64("increment", 4);
	assert_int_equal(reply.len, 24); /* inside the descriptor */
	assert_i64(5);
	assert_int_equal(atomic_load(&run.finished), 1);
}

static void
writes_are_there_when_the_reply_is(void **state)
{
	for (int64_t i = 1; i <= 100; i++) {
		call_none("count");
		assert_i64(i);
	}
	assert_string_equal(world_text(w, slice_str("n")), "100");
	assert_int_equal(w->sent[DESC_PUBLISH], 100);
}

/* Each call leaves a line that says where its time went; the newest take the places of the oldest.
 * */
static void
the_last_calls_leave_a_trace(void **state)
{
	for (uint32_t i = 0; i < TRACE_CNT + 3; i++) {
		struct desc d = { .call = call_id_make(CLIENT, 1, 100 + i) };

		args_len = 0;
		call_with("count", &d);
		assert_i64(i + 1);
	}
	for (uint32_t i = 0; i < TRACE_CNT; i++) {
		uint64_t n = i < 3 ? TRACE_CNT + i : i;

		assert_true(atomic_load(&trace.line[i].call) == call_id_make(CLIENT, 1, 100 + n));
		assert_int_equal(trace.line[i].target, id_of("count"));
		assert_int_equal(trace.line[i].err, 0);
		assert_true(trace.line[i].after_ns > 0); /* the store's answer */
	}
}

static int
reply_to_a_reader(void *ctx, const struct exec_from *from, const struct desc *d)
{
	struct region_trace_line line;
	uint32_t at = 0;

	assert_true(region_trace_find(&trace, d->call, &at, &line));
	assert_int_equal(line.err, d->err);
	return take_reply(ctx, from, d);
}

static int
setup_reader(void **state)
{
	fixture_reply = reply_to_a_reader;
	return setup(state);
}

static int
teardown_reader(void **state)
{
	fixture_reply = NULL;
	return teardown(state);
}

/* Who has the answer of a call may ask for its trace at once, and finds it. */
static void
the_trace_is_there_when_the_reply_is(void **state)
{
	struct desc d = { .call = call_id_make(CLIENT, 1, 3) };

	args_len = 0;
	call_with("count", &d); /* waits for the store */
	assert_i64(1);
	args_i64(1, 41, 0);
	d = (struct desc){ .call = call_id_make(CLIENT, 1, 4) };
	call_with("increment", &d);
	assert_i64(42);
	args_len = 0;
	d = (struct desc){ .call = call_id_make(CLIENT, 1, 5) };
	call_with("increment", &d); /* without its argument */
	assert_int_not_equal(reply.err, 0);
	reply_release();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		TEST(calls_that_cannot_be_run_are_refused),
		TEST(arguments_that_cannot_be_read_are_refused),
		TEST(arguments_of_the_dead_are_said_to_the_node),
		TEST(a_late_call_is_not_run),
		TEST(a_deadline_ends_a_wait),
		TEST(an_answer_for_nobody_holds_nothing),
		TEST(an_integer_there_and_back),
		TEST(writes_are_there_when_the_reply_is),
		TEST(the_last_calls_leave_a_trace),
		cmocka_unit_test_setup_teardown(the_trace_is_there_when_the_reply_is, setup_reader,
						teardown_reader),
#undef TEST
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
