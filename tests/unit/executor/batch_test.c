/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   a function gets several calls in one run, and each has its own arguments, results,
 * output,
 *         error and answer; rows that are not whole are refused.
 * Method: calls as sched sends them, before a real cache and store. */
#include "exec_fixture.h"

#define ROW 4

static struct desc answer[CALL_BATCH_MAX];
static uint32_t answer_cnt, runs;

/* Returns the double of each argument; fails for 13; all fail for 99. */
MB_FUNCTION(doubles)
{
	runs++;
	for (uint32_t i = 0; i < mb_batch_cnt(call); i++) {
		int64_t n;

		MB_TRY(mb_batch_item(call, i));
		if (mb_arg_i64(call, 0, &n) != 0) {
			MB_TRY(mb_batch_fail(call, "no number"));
		} else if (n == 99) {
			return mb_fail(call, "all of it");
		} else if (n == 13) {
			MB_TRY(mb_batch_fail(call, "%d is not for us", (int)n));
		} else {
			MB_TRY(mb_return_i64(call, 2 * n));
		}
	}
	return mb_batch_item(call, mb_batch_cnt(call)) == MB_ERR_NOT_FOUND ? 0 : -1;
}

/* What is stored under the key that its argument refers to; and it tries to write. */
MB_FUNCTION(writes)
{
	struct mb_slice bytes;

	for (uint32_t i = 0; i < mb_batch_cnt(call); i++) {
		MB_TRY(mb_batch_item(call, i));
		MB_TRY(mb_arg_bytes(call, 0, &bytes));
		MB_TRY(mb_return_bytes(call, bytes));
	}
	return mb_put(call, mb_str("written"), mb_str("1"));
}

MB_FUNCTION(plain)
{
	return mb_batch_cnt(call) == 1 ? mb_batch_fail(call, "not one of those") : -1;
}

FUNCTIONS(&mb_function_doubles, &mb_function_writes, &mb_function_plain)

static int
gather_reply(void *ctx, const struct exec_from *from, const struct desc *d)
{
	assert_true(answer_cnt < CALL_BATCH_MAX);
	answer[answer_cnt++] = *d;
	return take_reply(ctx, from, d);
}

static int
setup_batched(void **state)
{
	int err;

	fixture_reply = gather_reply;
	err = setup(state);
	answer_cnt = 0;
	exec_fns(x)->fn[id_of("doubles")].batched = true;
	exec_fns(x)->fn[id_of("writes")].batched = true;
	runs = 0;
	return err;
}

static struct desc
call_of(const char *name, uint32_t i, int64_t n)
{
	struct desc d = { .kind = DESC_CALL,
			  .flags = DESC_F_INLINE,
			  .len = VALUE_ONE_SCALAR,
			  .a = id_of(name),
			  .call = call_id_make(CLIENT, 1, 100 + i) };
	struct value_writer v;

	value_list_begin(&v, d.data, DESC_INLINE_BYTES, 1);
	value_list_add_i64(&v, n);
	assert_int_equal(value_list_end(&v), VALUE_ONE_SCALAR);
	return d;
}

/* Sends a row as sched does. */
static void
send_row(struct desc *d, uint32_t cnt)
{
	const struct exec_from from = { .port = PORT_SCHED, .proc = PROC_DAEMON };

	answer_cnt = 0;
	for (uint32_t i = 0; i + 1 < cnt; i++) {
		d[i].kind = DESC_BATCH;
		d[i].sub |= i == 0 ? CALL_PART : 0;
		exec_on_part(x, &d[i]);
	}
	d[cnt - 1].flags |= CALL_F_BATCH;
	assert_int_equal(exec_call(x, &d[cnt - 1], &from), 0);
	assert_int_equal(exec_held(x), 0);
	assert_int_equal(atomic_load(&run.call), 0);
}

/* Answer i is of call i of the row; the helpers of the fixture look at it. */
static void
look(uint32_t i)
{
	assert_true(i < answer_cnt);
	reply = answer[i];
	assert_true(reply.call == call_id_make(CLIENT, 1, 100 + i));
}

static void
each_has_its_answer(void **state)
{
	struct desc d[ROW];

	for (uint32_t i = 0; i < ROW; i++) {
		d[i] = call_of("doubles", i, i == 2 ? 13 : 20 + i);
	}
	send_row(d, ROW);
	assert_int_equal(runs, 1);
	assert_int_equal(answer_cnt, ROW);
	for (uint32_t i = 0; i < ROW; i++) {
		look(i);
		if (i == 2) {
			assert_error(MB_ERR_FUNCTION_FAILED, "13 is not for us");
		} else {
			assert_i64(2 * (20 + i));
		}
	}
	call_i64("doubles", 4); /* alone */
	assert_i64(8);
	call_i64("doubles", 13);
	assert_error(MB_ERR_FUNCTION_FAILED, "13 is not for us");
	call_i64("plain", 1);
	assert_error(MB_ERR_NOT_SUPPORTED, "takes no batches");
}

static void
an_error_of_the_function_is_everybodys(void **state)
{
	struct desc d[ROW];

	for (uint32_t i = 0; i < ROW; i++) {
		d[i] = call_of("doubles", i, i == 3 ? 99 : i);
	}
	send_row(d, ROW);
	for (uint32_t i = 0; i < ROW; i++) {
		look(i);
		assert_error(MB_ERR_FUNCTION_FAILED, "all of it");
	}
}

/* One that is too late, one that is damaged: the function does not see them. */
static void
what_cannot_be_run_is_told(void **state)
{
	struct desc d[ROW];

	for (uint32_t i = 0; i < ROW; i++) {
		d[i] = call_of("doubles", i, i);
	}
	d[0].b = 1;
	d[1].data[0] = 0xff;
	d[1].data[1] = 0xff;
	send_row(d, ROW);
	look(0);
	assert_error(MB_ERR_DEADLINE, "the deadline had passed");
	look(1);
	assert_error(MB_ERR_TOO_LARGE, "the arguments");
	look(2);
	assert_i64(4);
	look(3);
	assert_i64(6);
	d[2].b = d[3].b = 1;
	d[2].kind = DESC_CALL;
	runs = 0;
	send_row(d + 2, 2); /* none is left */
	assert_int_equal(runs, 0);
	for (uint32_t i = 0; i < 2; i++) {
		reply = answer[i];
		assert_error(MB_ERR_DEADLINE, "the deadline had passed");
	}
}

static struct desc
call_keys(const char *name, uint32_t i, const char *ref, const char *output)
{
	struct desc d = call_of(name, i, 0);
	struct value_writer v;
	int64_t len;

	value_list_begin(&v, (uint8_t *)args + 256 * i, 256, 2);
	value_list_add(&v, MB_REF, ref, strlen(ref));
	value_list_add(&v, MB_OUTPUT, output, strlen(output));
	len = value_list_end(&v);
	assert_true(len > 0);
	d.flags = 0;
	d.ref = (struct payload_ref){ .handle = 1, .off = 256 * i, .len = (uint32_t)len };
	return d;
}

static void
outputs_are_each_ones_own(void **state)
{
	struct desc d[2];

	world_put(w, "a", "one");
	world_put(w, "b", "two");
	d[0] = call_keys("writes", 0, "a", "out-a");
	d[1] = call_keys("writes", 1, "b", "out-b");
	send_row(d, 2);
	look(0);
	assert_error(MB_ERR_DENIED, "takes batches writes nothing");
	look(1);
	assert_error(MB_ERR_DENIED, "takes batches writes nothing");
	assert_string_equal(world_text(w, slice_of("written", 7)), "(absent)");
	assert_string_equal(world_text(w, slice_of("out-a", 5)), "(absent)");
	d[0] = call_keys("doubles", 0, "a", "out-a"); /* no number */
	d[1] = call_of("doubles", 1, 21);
	{
		struct value_writer v;

		value_list_begin(&v, (uint8_t *)args + 256, 256, 2);
		value_list_add_i64(&v, 21);
		value_list_add(&v, MB_OUTPUT, "out-b", 5);
		d[1].flags = 0;
		d[1].ref = (struct payload_ref){ .handle = 1,
						 .off = 256,
						 .len = (uint32_t)value_list_end(&v) };
	}
	send_row(d, 2);
	look(0);
	assert_error(MB_ERR_FUNCTION_FAILED, "no number");
	look(1);
	assert_i64(42);
	assert_string_equal(world_text(w, slice_of("out-a", 5)), "(absent)");
	assert_string_equal(world_text(w, slice_of("out-b", 5)), "42");
	call_i64("writes", 1); /* nor alone */
	assert_error(MB_ERR_TYPE, "argument 0");
}

static void
rows_that_are_not_whole(void **state)
{
	const struct exec_from from = { .port = PORT_SCHED, .proc = PROC_DAEMON };
	struct desc d[ROW], last;

	for (uint32_t i = 0; i < ROW; i++) {
		d[i] = call_of("doubles", i, i);
	}
	last = d[3];
	last.flags |= CALL_F_BATCH;
	answer_cnt = 0;
	assert_int_equal(exec_call(x, &last, &from), 0); /* nothing came before it */
	assert_int_equal(answer[0].err, MB_ERR_NO_FUNCTION);
	d[0].kind = DESC_BATCH; /* a row that was broken off, then a new one */
	d[0].sub = CALL_PART;
	exec_on_part(x, &d[0]);
	send_row(d, ROW);
	assert_int_equal(answer_cnt, ROW);
	look(0);
	assert_i64(0);
	d[1].kind = DESC_BATCH; /* without its beginning */
	d[1].sub = 0;
	exec_on_part(x, &d[1]);
	answer_cnt = 0;
	assert_int_equal(exec_call(x, &last, &from), 0);
	assert_int_equal(answer[0].err, MB_ERR_NO_FUNCTION);
	d[0].a = id_of("plain"); /* of two functions */
	d[0].sub = CALL_PART;
	exec_on_part(x, &d[0]);
	answer_cnt = 0;
	assert_int_equal(exec_call(x, &last, &from), 0);
	assert_int_equal(answer[0].err, MB_ERR_NO_FUNCTION);
	d[1].sub = CALL_PART; /* longer than any */
	exec_on_part(x, &d[1]);
	d[1].sub = 0;
	for (uint32_t i = 0; i < CALL_BATCH_MAX; i++) {
		exec_on_part(x, &d[1]);
	}
	answer_cnt = 0;
	assert_int_equal(exec_call(x, &last, &from), 0);
	assert_int_equal(answer[0].err, MB_ERR_NO_FUNCTION);
	assert_int_equal(answer_cnt, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup_batched, teardown)

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(each_has_its_answer),        TEST(an_error_of_the_function_is_everybodys),
		TEST(what_cannot_be_run_is_told), TEST(outputs_are_each_ones_own),
		TEST(rows_that_are_not_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
