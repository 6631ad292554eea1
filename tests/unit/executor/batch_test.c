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

/* The sum of its arguments, and its tag. */
MB_FUNCTION(sums)
{
	runs++;
	for (uint32_t i = 0; i < mb_batch_cnt(call); i++) {
		int64_t sum = 0, n;

		MB_TRY(mb_batch_item(call, i));
		for (uint32_t k = 0; k < mb_arg_cnt(call); k++) {
			MB_TRY(mb_arg_i64(call, k, &n));
			sum += n;
		}
		if (sum == 13) {
			MB_TRY(mb_batch_fail(call, "unlucky"));
			continue;
		}
		MB_TRY(mb_return_i64(call, sum));
		MB_TRY(mb_return_bytes(call, mb_str(mb_tag(call))));
	}
	return 0;
}

/* What is at a key, which changes meanwhile. */
MB_FUNCTION(looks)
{
	struct mb_slice bytes;

	for (uint32_t i = 0; i < mb_batch_cnt(call); i++) {
		MB_TRY(mb_batch_item(call, i));
		MB_TRY(mb_get(call, mb_str("a"), &bytes));
		MB_TRY(mb_return_bytes(call, bytes));
		world_put(w, "a", "later");
	}
	return 0;
}

MB_FUNCTION(plain)
{
	return mb_batch_cnt(call) == 1 ? mb_batch_fail(call, "not one of those") : -1;
}

FUNCTIONS(&mb_function_doubles, &mb_function_writes, &mb_function_plain, &mb_function_sums,
	  &mb_function_looks)

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
	exec_fns(x)->fn[id_of("sums")].batched = true;
	exec_fns(x)->fn[id_of("looks")].batched = true;
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
		d[i].flags |= i == 0 ? CALL_F_BATCH : 0;
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
	d[0].flags |= CALL_F_BATCH;
	exec_on_part(x, &d[0]);
	send_row(d, ROW);
	assert_int_equal(answer_cnt, ROW);
	look(0);
	assert_i64(0);
	d[1].kind = DESC_BATCH; /* without its beginning */
	exec_on_part(x, &d[1]);
	answer_cnt = 0;
	assert_int_equal(exec_call(x, &last, &from), 0);
	assert_int_equal(answer[0].err, MB_ERR_NO_FUNCTION);
	d[0].a = id_of("plain"); /* of two functions */
	d[0].flags |= CALL_F_BATCH;
	exec_on_part(x, &d[0]);
	answer_cnt = 0;
	assert_int_equal(exec_call(x, &last, &from), 0);
	assert_int_equal(answer[0].err, MB_ERR_NO_FUNCTION);
	d[1].flags |= CALL_F_BATCH; /* longer than any */
	exec_on_part(x, &d[1]);
	d[1].flags &= (uint8_t)~CALL_F_BATCH;
	for (uint32_t i = 0; i < CALL_BATCH_MAX; i++) {
		exec_on_part(x, &d[1]);
	}
	answer_cnt = 0;
	assert_int_equal(exec_call(x, &last, &from), 0);
	assert_int_equal(answer[0].err, MB_ERR_NO_FUNCTION);
	assert_int_equal(answer_cnt, 1);
}

/* ------------------------------------------------------------------ parts of DAG calls */

/* What leads to a part of call i: an input, the function, as vertex 1. */
static void
lead(const char *name, uint32_t i, const char *tag, bool sink, int64_t input)
{
	struct call_step step = { .vertex = 1 };
	struct desc d = { .kind = DESC_TRIGGER,
			  .flags = DESC_F_INLINE,
			  .call = call_id_make(CLIENT, 1, 100 + i) };
	struct value_writer v;

	value_list_begin(&v, d.data, sizeof(d.data), 1);
	value_list_add_i64(&v, input);
	d.len = (uint8_t)value_list_end(&v);
	exec_on_part(x, &d);
	memcpy(step.tag, tag, strlen(tag));
	d.kind = DESC_STEP;
	d.sub = sink ? STEP_SINK : 0;
	d.a = id_of(name);
	d.b = 1;
	d.len = sizeof(step);
	memcpy(d.data, &step, sizeof(step));
	exec_on_part(x, &d);
}

/* The part's CALL. Its own argument is n; 0: it has none. */
static struct desc
part_of(uint32_t i, int64_t n)
{
	struct desc d = { .kind = DESC_CALL,
			  .sub = CALL_DAG | CALL_PART,
			  .flags = DESC_F_INLINE,
			  .a = 1,
			  .err = 2,
			  .call = call_id_make(CLIENT, 1, 100 + i) };
	struct value_writer v;
	uint64_t inner[3];

	if (n != 0) {
		value_list_begin(&v, inner, sizeof(inner), 1);
		value_list_add_i64(&v, n);
		assert_int_equal(value_list_end(&v), sizeof(inner));
		value_list_begin(&v, (uint8_t *)args + 256 * i, 256, 2);
		value_list_add(&v, MB_NIL, NULL, 0);
		value_list_add(&v, MB_LIST, inner, sizeof(inner));
		d.flags = 0;
		d.ref = (struct payload_ref){ .handle = 1,
					      .off = 256 * i,
					      .len = (uint32_t)value_list_end(&v) };
	}
	return d;
}

static void
row_add(struct desc d, bool first)
{
	d.kind = DESC_BATCH;
	d.flags |= first ? CALL_F_BATCH : 0;
	exec_on_part(x, &d);
}

static void
row_end(struct desc d)
{
	const struct exec_from from = { .port = PORT_SCHED, .proc = PROC_DAEMON };

	answer_cnt = 0;
	d.flags |= CALL_F_BATCH;
	assert_int_equal(exec_call(x, &d, &from), 0);
	assert_int_equal(exec_held(x), 0);
	assert_int_equal(drop_cnt, 0);
}

/* Three parts, two of them of one call and one the sink, and a call of the function alone. */
static void
parts_go_with_calls(void **state)
{
	struct value v[MB_VALUES_MAX];
	int64_t sum[] = { 6, 7, 8, 9 };

	lead("sums", 0, "one", false, 1);
	row_add(part_of(0, 5), true);
	lead("sums", 0, "two", false, 7);
	row_add(part_of(0, 0), false);
	lead("sums", 2, "", true, 8);
	row_add(part_of(2, 0), false);
	row_end(call_of("sums", 3, 9));
	assert_int_equal(runs, 1);
	assert_int_equal(answer_cnt, 4);
	for (uint32_t i = 0; i < 4; i++) {
		reply = answer[i];
		assert_true(reply.call == call_id_make(CLIENT, 1, 100 + (i == 1 ? 0 : i)));
		assert_int_equal(reply_values(v), 2);
		assert_int_equal(value_i64(v[0]), sum[i]);
		assert_int_equal(v[1].len, i < 2 ? 3 : 0);
		assert_memory_equal(v[1].p, i == 0 ? "one" : i == 1 ? "two" : "", v[1].len);
		if ((reply.flags & DESC_F_INLINE) == 0) { /* whose it is */
			assert_int_equal(payload_release(w->pool, reply.ref.handle,
							 i < 2 ? PROC_DAEMON : CLIENT),
					 0);
		}
	}
}

static void
a_part_that_fails_is_named(void **state)
{
	struct desc gone = { .kind = DESC_TRIGGER, .call = call_id_make(CLIENT, 1, 102) };

	lead("sums", 0, "t", true, 13);
	row_add(part_of(0, 0), true);
	lead("sums", 1, "", true, 1);
	row_add(part_of(1, 1), false);
	gone.ref = (struct payload_ref){ .proc = 7, .inc = 1, .handle = 2, .len = 24 };
	lead("sums", 2, "", true, 1);
	exec_on_part(x, &gone); /* as the first: the sequence begins anew */
	{
		struct call_step step = { .vertex = 1 };
		struct desc d = { .kind = DESC_STEP,
				  .flags = DESC_F_INLINE,
				  .len = sizeof(step),
				  .a = id_of("sums"),
				  .b = 1,
				  .call = gone.call };

		memcpy(d.data, &step, sizeof(step));
		exec_on_part(x, &d);
	}
	row_add(part_of(2, 0), false);
	lead("sums", 3, "", true, 3);
	row_end(part_of(3, 4));
	assert_int_equal(answer_cnt, 4);
	look(0);
	assert_error(MB_ERR_FUNCTION_FAILED, "sums#t: unlucky");
	look(2);
	assert_error(MB_ERR_PEER_CORRUPT, "what another function returned");
	look(1);
	assert_int_equal(reply.err, 0);
	reply_release();
	look(3);
	assert_int_equal(reply.err, 0);
	reply_release();
}

/* A part without what leads to it, or of more than one function. */
static void
parts_that_are_not_whole(void **state)
{
	lead("sums", 0, "", true, 1);
	row_add(part_of(0, 0), true);
	row_end(part_of(1, 0));
	assert_int_equal(answer_cnt, 2);
	for (uint32_t i = 0; i < 2; i++) {
		look(i);
		assert_int_equal(reply.err, MB_ERR_NO_FUNCTION);
	}
	lead("sums", 0, "", true, 1);
	row_add(part_of(0, 0), true);
	lead("doubles", 1, "", true, 1); /* of two functions */
	row_end(part_of(1, 0));
	assert_int_equal(answer_cnt, 2);
	assert_int_equal(answer[1].err, MB_ERR_NO_FUNCTION);
	assert_int_equal(runs, 0);
}

/* At rr a key is what it was at the first look, for all of them. */
static void
calls_of_a_row_see_one_version(void **state)
{
	static const char *const second[] = { "later", "first" };

	for (uint32_t level = CALL_LEVEL_LWW; level <= CALL_LEVEL_RR; level++) {
		struct desc d[2] = { call_of("looks", 0, 0), call_of("looks", 1, 0) };
		struct value v[MB_VALUES_MAX];

		world_put(w, "a", "first");
		d[0].sub = d[1].sub = (uint8_t)level;
		send_row(d, 2);
		look(1);
		assert_int_equal(reply_values(v), 1);
		assert_int_equal(v[0].len, 5);
		assert_memory_equal(v[0].p, second[level], 5);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup_batched, teardown)

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(each_has_its_answer),
		TEST(an_error_of_the_function_is_everybodys),
		TEST(what_cannot_be_run_is_told),
		TEST(outputs_are_each_ones_own),
		TEST(rows_that_are_not_whole),
		TEST(parts_go_with_calls),
		TEST(a_part_that_fails_is_named),
		TEST(parts_that_are_not_whole),
		TEST(calls_of_a_row_see_one_version),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
