/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   a part of a DAG call runs what its sequence of messages says, and a sequence that is not
 *         whole, or not in order, runs nothing; inputs are given back, results are held for whoever
 *         reads them.
 * Method: sequences as sched sends them, and every one that lacks a message. */
#include "exec_fixture.h"

MB_FUNCTION(increment)
{
	int64_t n;

	MB_TRY(mb_arg_i64(call, 0, &n));
	MB_TRY(mb_incr(call, mb_str("ran"), 1, NULL));
	return mb_return_i64(call, n + 1);
}

MB_FUNCTION(sum)
{
	int64_t total = 0;

	for (uint32_t i = 0; i < mb_arg_cnt(call); i++) {
		int64_t n;

		MB_TRY(mb_arg_i64(call, i, &n));
		total = 10 * total + n;
	}
	return mb_return_i64(call, total);
}

MB_FUNCTION(large)
{
	void *p;

	MB_TRY(mb_return_reserve(call, MB_BYTES, 5000, &p));
	memset(p, 7, 5000);
	return 0;
}

MB_FUNCTION(fail)
{
	return mb_fail(call, "tag %s", mb_tag(call));
}

MB_FUNCTION(ran)
{
	int64_t n = 0;
	int err = mb_get_i64(call, mb_str("ran"), &n);

	return err != 0 && err != MB_ERR_NOT_FOUND ? err : mb_return_i64(call, n);
}

FUNCTIONS(&mb_function_increment, &mb_function_sum, &mb_function_large, &mb_function_fail,
	  &mb_function_ran)

static uint64_t seq;

static void
add(struct desc *d)
{
	d->b = seq++;
	d->call = call_id_make(CLIENT, 1, 4711);
	exec_on_part(x, d);
}

static void
input(int64_t n)
{
	struct desc d = { .kind = DESC_TRIGGER, .flags = DESC_F_INLINE };
	struct value_writer v;

	value_list_begin(&v, d.data, sizeof(d.data), 1);
	value_list_add_i64(&v, n);
	d.len = (uint8_t)value_list_end(&v);
	add(&d);
}

/* The list of args_i64, in another's memory. */
static void
input_ref(uint32_t handle, uint32_t off)
{
	struct desc d = { .kind = DESC_TRIGGER };

	d.ref = (struct payload_ref){ .proc = 7, .inc = 1, .handle = handle, .off = off };
	d.ref.len = (uint32_t)args_len;
	add(&d);
}

static void
step(const char *fn, uint16_t vertex, bool sink)
{
	struct call_step s = { .vertex = vertex, .tag = "t" };
	struct desc d = { .kind = DESC_STEP,
			  .flags = DESC_F_INLINE,
			  .len = sizeof(s),
			  .sub = sink ? STEP_SINK : 0,
			  .a = id_of(fn) };

	memcpy(d.data, &s, sizeof(s));
	add(&d);
}

static void
part_at(int err, enum call_level level)
{
	struct desc d = { .sub = (uint8_t)(CALL_DAG | CALL_PART | level),
			  .flags = DESC_F_INLINE,
			  .a = 1,
			  .err = (int16_t)err };

	seq = 0;
	has_read.kind = 0;
	send_call(&d);
}

static void
part(int err)
{
	part_at(err, CALL_LEVEL_LWW);
}

/* What the last part has read, in another's memory. */
static void
cut(void)
{
	struct desc d = { .kind = DESC_CUT };

	args_len = has_read.ref.len;
	memcpy(args, world_bytes(w, &has_read.ref), args_len);
	assert_int_equal(payload_release(w->pool, has_read.ref.handle, PROC_DAEMON), 0);
	d.ref = (struct payload_ref){ .proc = 7, .inc = 1, .handle = 1, .len = (uint32_t)args_len };
	add(&d);
}

static void
inputs_come_in_their_order_whatever_way(void **state)
{
	args_i64(2, 2, 3);
	input(1);
	input_ref(1, 0);
	input(4);
	step("sum", 0, true);
	part(4);
	assert_i64(1234);
	assert_int_equal(reply.sub, 0);
}

static void
functions_in_a_row_pass_their_results_on(void **state)
{
	input(1);
	step("increment", 2, false);
	step("increment", 3, false);
	step("sum", 4, true);
	part(4);
	assert_i64(3);
	assert_int_equal(reply.sub, REPLY_PUBLISHED);
	assert_string_equal(world_text(w, slice_str("ran")), "2");
}

/* Who reads it has no hold: the node has. */
static void
what_others_read_is_held_for_the_node(void **state)
{
	step("large", 0, false);
	part(1);
	assert_int_equal(reply.err, 0);
	assert_int_equal(payload_release(w->pool, reply.ref.handle, CLIENT), MB_ERR_NOT_FOUND);
	assert_int_equal(payload_release(w->pool, reply.ref.handle, PROC_DAEMON), 0);
	step("large", 0, true);
	part(1);
	assert_int_equal(reply.err, 0);
	reply_release();
	assert_int_equal(payload_alive(w->pool), 0);
}

/* The result of a part that is not the last. */
static void
assert_between(int64_t n)
{
	struct value v[MB_VALUES_MAX];

	assert_int_equal(reply_values(v), 1);
	assert_true(value_i64(v[0]) == n); /* small: inline, and nobody's */
}

/* At rr a part reads what those before it have read, with what they wrote on top; the last one says
 * nothing. */
static void
what_was_read_goes_from_part_to_part(void **state)
{
	world_put(w, "ran", "4");
	step("ran", 0, false);
	part_at(1, CALL_LEVEL_RR);
	assert_between(4);
	assert_int_equal(has_read.kind, DESC_CUT);
	world_put(w, "ran", "10");
	input(1);
	cut();
	step("increment", 1, false);
	part_at(3, CALL_LEVEL_RR);
	assert_between(2);
	cut();
	step("ran", 2, true);
	part_at(2, CALL_LEVEL_RR);
	assert_int_equal(has_read.kind, 0);
	assert_i64(5);
	step("ran", 2, false);
	part(1);
	assert_int_equal(has_read.kind, 0);
	assert_between(11);
}

/* Bytes that nobody gave. */
static void
what_others_say_they_have_read_is_checked(void **state)
{
	struct desc d = { .kind = DESC_CUT };

	memset(args, 0x5a, 64);
	d.ref = (struct payload_ref){ .proc = 7, .inc = 1, .handle = 1, .len = 64 };
	add(&d);
	step("ran", 0, true);
	part_at(2, CALL_LEVEL_RR);
	assert_error(MB_ERR_CORRUPT, "has read");
	d.ref.handle = 2;
	add(&d);
	step("ran", 0, true);
	part_at(2, CALL_LEVEL_RR);
	assert_error(MB_ERR_PEER_CORRUPT, "has read");
}

static void
an_error_names_function_and_tag(void **state)
{
	step("fail", 0, false);
	part(1);
	assert_error(MB_ERR_FUNCTION_FAILED, "fail#t: tag t"); /* held for the caller */
}

static void
an_input_that_cannot_be_read_is_said(void **state)
{
	args_i64(1, 2, 0);
	input_ref(1, 0);
	input_ref(2, 0);
	step("sum", 0, true);
	part(3);
	assert_error(MB_ERR_PEER_CORRUPT, "cannot be read");
	input_ref(1, 4);
	step("sum", 0, true);
	part(2);
	assert_error(MB_ERR_CORRUPT, "cannot be read");
}

static void
what_is_not_loaded_does_not_run(void **state)
{
	step("sum", 0, false);
	step("nothing", 1, true);
	part(2);
	assert_error(MB_ERR_NO_FUNCTION, "not loaded");
	step("nothing", 0, true);
	part(1);
	assert_error(MB_ERR_NO_FUNCTION, "not loaded");
}

static void
a_sequence_that_is_not_whole_runs_nothing(void **state)
{
	for (int missing = 0; missing < 4; missing++) {
		for (int i = 0; i < 4; i++) {
			if (i == missing) {
				seq++;
			} else if (i < 2) {
				input(i);
			} else {
				step("increment", (uint16_t)i, i == 3);
			}
		}
		part(4);
		assert_int_equal(reply.err, MB_ERR_CORRUPT);
		reply_release();
	}
	part(0); /* none at all */
	assert_int_equal(reply.err, MB_ERR_CORRUPT);
	reply_release();
	step("increment", 0, true);
	input(1); /* the wrong way round */
	part(2);
	assert_int_equal(reply.err, MB_ERR_CORRUPT);
	reply_release();
	assert_string_equal(world_text(w, slice_str("ran")), "(absent)");
}

static void
a_sequence_that_was_broken_off_is_forgotten(void **state)
{
	input(9);
	seq = 0;
	input(1);
	step("increment", 0, true);
	part(2);
	assert_i64(2);
	part(2); /* and it counts once */
	assert_int_equal(reply.err, MB_ERR_CORRUPT);
	reply_release();
}

static void
a_sequence_has_a_limit(void **state)
{
	for (uint32_t i = 0; i <= DAG_FUNCTION_MAX; i++) {
		input(1);
	}
	step("sum", 0, true);
	part(DAG_FUNCTION_MAX + 2);
	assert_int_equal(reply.err, MB_ERR_CORRUPT);
	reply_release();
	for (uint32_t i = 0; i <= DAG_FUNCTION_MAX; i++) {
		step("large", 0, false);
	}
	part(DAG_FUNCTION_MAX + 1);
	assert_int_equal(reply.err, MB_ERR_CORRUPT);
	reply_release();
	step("large", DAG_FUNCTION_MAX, false); /* no such vertex */
	part(1);
	assert_int_equal(reply.err, MB_ERR_CORRUPT);
	reply_release();
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(inputs_come_in_their_order_whatever_way),
		TEST(functions_in_a_row_pass_their_results_on),
		TEST(what_others_read_is_held_for_the_node),
		TEST(what_was_read_goes_from_part_to_part),
		TEST(what_others_say_they_have_read_is_checked),
		TEST(an_error_names_function_and_tag),
		TEST(an_input_that_cannot_be_read_is_said),
		TEST(what_is_not_loaded_does_not_run),
		TEST(a_sequence_that_is_not_whole_runs_nothing),
		TEST(a_sequence_that_was_broken_off_is_forgotten),
		TEST(a_sequence_has_a_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
