/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   what a function names goes on with its results: here, in the same session, or with the
 *         answer to whoever sent the call; not for ever, and not to what is not there.
 * Method: functions and small DAGs before a real cache and store; the table says who is here. */
#include "exec_fixture.h"

MB_FUNCTION(increment)
{
	int64_t n;

	MB_TRY(mb_arg_i64(call, 0, &n));
	return mb_return_i64(call, n + 1);
}

MB_FUNCTION(sum)
{
	int64_t total = 0;

	for (uint32_t i = 0; i < mb_arg_cnt(call); i++) {
		int64_t n;

		MB_TRY(mb_arg_i64(call, i, &n));
		total += n;
	}
	return mb_return_i64(call, total);
}

/* Writes, returns n and n + 1, and goes on with what its test says. */
static const char *goes_on;
static bool goes_on_dag;
MB_FUNCTION(first)
{
	int64_t n;

	MB_TRY(mb_arg_i64(call, 0, &n));
	MB_TRY(mb_put(call, mb_str("first"), mb_str("ran")));
	MB_TRY(mb_return_i64(call, n));
	MB_TRY(mb_return_i64(call, n + 1));
	return goes_on_dag ? mb_continue_dag(call, goes_on) : mb_continue(call, goes_on);
}

/* Reads what first wrote, before anybody else can. */
MB_FUNCTION(reads)
{
	struct mb_slice seen;

	MB_TRY(mb_get(call, mb_str("first"), &seen));
	return mb_return_bytes(call, seen);
}

MB_FUNCTION(fail)
{
	return mb_fail(call, "no more");
}

/* Goes on with itself until its argument is 0. */
MB_FUNCTION(again)
{
	int64_t n;

	MB_TRY(mb_arg_i64(call, 0, &n));
	MB_TRY(mb_return_i64(call, n - 1));
	return n > 1 ? mb_continue(call, "again") : 0;
}

MB_FUNCTION(large)
{
	void *p;

	MB_TRY(mb_return_reserve(call, MB_BYTES, 100000, &p));
	memset(p, 'x', 100000);
	return mb_continue(call, "length");
}

MB_FUNCTION(length)
{
	struct mb_slice bytes;

	MB_TRY(mb_arg_bytes(call, 0, &bytes));
	return mb_return_i64(call, bytes.len == 0 || *(const char *)bytes.p != 'x'
					   ? -1
					   : (int64_t)bytes.len);
}

static const struct mb_function *const function[] = { &mb_function_increment, &mb_function_sum,
						      &mb_function_first,     &mb_function_reads,
						      &mb_function_fail,      &mb_function_again,
						      &mb_function_large,     &mb_function_length };

/* Says in the table whether this executor has a function. */
static void
show(uint16_t id, const char *name, bool here)
{
	struct placement_copy *c = placement_edit(placement);
	struct placement_fn *f = &c->fn[id % FUNCTION_CNT_MAX];

	*f = (struct placement_fn){ .id = id };
	snprintf(f->name, sizeof(f->name), "%s", name);
	f->exec[WORLD_PROC / 64] = here ? UINT64_C(1) << (WORLD_PROC % 64) : 0;
	c->fn_cnt = FUNCTION_CNT_MAX;
	placement_show(placement);
}

static int
setup(void **state)
{
	int err = setup_with(function, ARRAY_CNT(function));

	for (size_t i = 0; i < ARRAY_CNT(function); i++) {
		show((uint16_t)(i + 1), function[i]->name, true);
	}
	goes_on_dag = false;
	return err;
}

static void
dag_named(const char *name, const char *text)
{
	struct placement_copy *c;

	dag_add(1, text);
	c = placement_edit(placement);
	snprintf(c->dag[1].name, sizeof(c->dag[1].name), "%s", name);
	placement_show(placement);
}

/* How often a function ran, as is said of its use. */
static uint64_t
ran(const char *name)
{
	const struct stage_hist *h = &trace.stages.use[id_of(name)].run;
	uint64_t cnt = 0;

	for (uint32_t i = 0; i < ARRAY_CNT(h->bucket); i++) {
		cnt += atomic_load_explicit(&h->bucket[i], memory_order_relaxed);
	}
	return cnt;
}

static void
a_function_goes_on_here(void **state)
{
	struct value v[MB_VALUES_MAX];

	goes_on = "sum";
	call_i64("first", 4);
	assert_i64(9);
	assert_string_equal(world_text(w, slice_of("first", 5)), "ran");
	goes_on = "reads"; /* what is not published yet */
	call_i64("first", 4);
	assert_int_equal(reply_values(v), 1);
	assert_memory_equal(v[0].p, "ran", 3);
	reply_release();
	call_none("large"); /* from where it was written */
	assert_i64(100000);
	assert_int_equal(ran("length"), 1);
	assert_int_equal(ran("large"), 1);
}

static void
a_dag_goes_on_here(void **state)
{
	dag_named("twice", "sum -> increment, sum -> increment#2, increment -> sum#end, "
			   "increment#2 -> sum#end");
	goes_on = "twice";
	goes_on_dag = true;
	call_i64("first", 4); /* 9; 10, 10 */
	assert_i64(20);
	dag_add(2, "increment -> first"); /* a DAG that goes on with a DAG */
	args_len = 0;
	{
		uint64_t inner[3];
		struct value_writer v;
		struct desc d = { .sub = CALL_DAG, .a = 2 };

		value_list_begin(&v, inner, sizeof(inner), 1);
		value_list_add_i64(&v, 3);
		value_list_end(&v);
		value_list_begin(&v, args, sizeof(args), 1);
		value_list_add(&v, MB_LIST, inner, sizeof(inner));
		args_len = (size_t)value_list_end(&v);
		d.ref = (struct payload_ref){ .handle = 1, .len = (uint32_t)args_len };
		send_call(&d);
	}
	assert_i64(20);
}

static void
an_error_of_what_goes_on_undoes_all(void **state)
{
	goes_on = "fail";
	call_i64("first", 4);
	assert_error(MB_ERR_FUNCTION_FAILED, "fail: no more");
	assert_string_equal(world_text(w, slice_of("first", 5)), "(absent)");
	goes_on = "nowhere";
	call_i64("first", 4);
	assert_error(MB_ERR_NO_FUNCTION, "nowhere: it was to go on");
	goes_on_dag = true;
	call_i64("first", 4);
	assert_error(MB_ERR_NO_DAG, "nowhere: it was to go on");
	goes_on_dag = false;
	goes_on = "";
	call_i64("first", 4);
	assert_error(MB_ERR_INVALID, "1 to 63 characters");
	assert_string_equal(world_text(w, slice_of("first", 5)), "(absent)");
}

static void
it_ends(void **state)
{
	struct desc d = { .err = CALL_NEXT_MAX - 1 };

	call_i64("again", CALL_NEXT_MAX + 1);
	assert_i64(0);
	call_i64("again", CALL_NEXT_MAX + 2);
	assert_error(MB_ERR_TOO_LARGE, "64 times");
	args_i64(1, 2, 0); /* what went on elsewhere counts */
	call_with("again", &d);
	assert_i64(0);
	d = (struct desc){ .err = CALL_NEXT_MAX };
	call_with("again", &d);
	assert_error(MB_ERR_TOO_LARGE, "64 times");
	d = (struct desc){ .err = -1 };
	call_with("again", &d);
	assert_i64(0);
}

/* In the middle of a DAG nobody goes on: others come after. */
static void
only_the_last_of_a_dag_goes_on(void **state)
{
	goes_on = "sum";
	dag_named("middle", "first -> sum");
	dag_call(2, 1);
	assert_error(MB_ERR_NOT_SUPPORTED, "first: mb_continue: others of the DAG come after");
	dag_named("end", "increment -> first");
	dag_call(2, 1);
	assert_i64(5);
}

/* What is not here leaves with the answer, which the caller sends on. */
static void
what_is_elsewhere_leaves(void **state)
{
	struct value v[MB_VALUES_MAX];
	struct desc next;

	show(2, "sum", false);
	goes_on = "sum";
	call_i64("first", 4);
	assert_int_equal(reply.err, 0);
	assert_int_equal(reply.sub, REPLY_GOES_ON);
	assert_int_equal(reply_values(v), 2);
	assert_true(value_i64(v[0]) == 4 && value_i64(v[1]) == 5);
	assert_string_equal(world_text(w, slice_of("first", 5)), "ran");
	next = call_next(&(struct desc){ .sub = 1 | CALL_DAG | 1 << CALL_ATTEMPT_SHIFT,
					 .flags = DESC_F_INLINE | 3 << CALL_F_ACK_SHIFT,
					 .call = reply.call,
					 .b = 77 },
			 &reply);
	assert_int_equal(next.kind, DESC_CALL);
	assert_int_equal(next.a, 2);
	assert_int_equal(next.sub, 1);
	assert_int_equal(next.flags, 3 << CALL_F_ACK_SHIFT);
	assert_int_equal(next.err, 1);
	assert_true(next.b == 77 && next.call == reply.call);
	reply_release();
	dag_named("away", "sum -> increment"); /* one of its functions is */
	goes_on = "away";
	goes_on_dag = true;
	call_i64("first", 4);
	assert_int_equal(reply.sub, REPLY_GOES_ON);
	assert_int_equal(reply_values(v), 1);
	assert_int_equal(v[0].type, MB_LIST);
	assert_int_equal(value_list_cnt(slice_of(v[0].p, v[0].len)), 2);
	next = call_next(&(struct desc){ 0 }, &reply);
	assert_int_equal(next.sub, CALL_DAG);
	assert_int_equal(next.a, 1);
	reply_release();
	show(8, "length", false);
	call_none("large");
	assert_int_equal(reply.sub, REPLY_GOES_ON);
	assert_int_equal(reply_values(v), 1);
	assert_int_equal(v[0].len, 100000);
	reply_release();
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(a_function_goes_on_here),
		TEST(a_dag_goes_on_here),
		TEST(an_error_of_what_goes_on_undoes_all),
		TEST(it_ends),
		TEST(only_the_last_of_a_dag_goes_on),
		TEST(what_is_elsewhere_leaves),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
