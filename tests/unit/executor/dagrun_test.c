/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   a DAG runs as a whole, results in the order of its edges, or ends with an error that
 *         names the function; whatever the placement table says, nothing else is followed.
 * Method: small DAGs by hand; tables that nobody would write. */
#include "exec_fixture.h"
#include "exec_functions.h"

MB_FUNCTION(square)
{
	int64_t n;

	MB_TRY(mb_arg_i64(call, 0, &n));
	return mb_return_i64(call, n * n);
}

/* Gives its argument back if it is odd, else nothing. */
MB_FUNCTION(odd)
{
	int64_t n;

	MB_TRY(mb_arg_i64(call, 0, &n));
	return n % 2 != 0 ? mb_return_i64(call, n) : 0;
}

/* Its square root, of those that have one. */
MB_FUNCTION(root)
{
	int64_t n, r = 0;

	MB_TRY(mb_arg_i64(call, 0, &n));
	while (r * r < n) {
		r++;
	}
	return r * r == n ? mb_return_i64(call, r)
			  : mb_return_invalid(call, "%d is no square", (int)n);
}

/* Of what is valid; the rest is counted. */
MB_FUNCTION(sum)
{
	int64_t total = 0;

	for (uint32_t i = 0; i < mb_arg_cnt(call); i++) {
		struct mb_slice why;
		int64_t n;

		if (mb_arg_type(call, i) == MB_INVALID) {
			MB_TRY(mb_arg_invalid(call, i, &why));
			total += why.len == strlen("3 is no square") ? 100 : 0;
			continue;
		}
		MB_TRY(mb_arg_i64(call, i, &n));
		total += n;
	}
	return mb_return_i64(call, total);
}

MB_FUNCTION(fail)
{
	MB_TRY(mb_put(call, mb_str("failed"), mb_str("1")));
	return mb_fail(call, "no more %s: %d", "bread", 7);
}

MB_FUNCTION(mark)
{
	char key[32] = "mark ";
	int64_t n = 0;

	strncat(key, mb_tag(call), 20);
	MB_TRY(mb_incr(call, mb_str("marks"), 1, &n));
	MB_TRY(mb_put(call, mb_str(key), mb_str("1")));
	return mb_return_i64(call, n);
}

FUNCTIONS(&mb_function_increment, &mb_function_square, &mb_function_odd, &mb_function_root,
	  &mb_function_sum, &mb_function_echo, &mb_function_many, &mb_function_fail,
	  &mb_function_mark)

static void
a_chain_hands_results_on(void **state)
{
	dag_add(1, "increment -> square -> increment#2");
	dag_call(3, 4);
	assert_i64(26);
	dag_call(3, 1);
	assert_i64(5);
}

static void
fan_out_and_fan_in(void **state)
{
	dag_add(1,
		"increment -> square, increment -> increment#2, square -> sum, increment#2 -> sum, "
		"increment -> sum");
	dag_call(4, 2); /* 3; 9, 4; 9 + 4 + 3 */
	assert_i64(16);
}

/* A run of a multi function without a valid result: its place says so, to the next function and to
 * the caller, and to a function that expects a number. */
static void
an_invalid_result_keeps_its_place(void **state)
{
	struct value v[MB_VALUES_MAX];

	dag_add(1, "increment -> root*, increment -> square, square -> root*");
	dag_call(3, 2); /* of 3 and 9 */
	assert_int_equal(reply_values(v), 2);
	assert_int_equal(v[0].type, MB_INVALID);
	assert_memory_equal(v[0].p, "3 is no square", v[0].len);
	assert_int_equal(v[1].type, MB_I64);
	assert_true(value_i64(v[1]) == 3);
	reply_release();
	dag_add(1, "increment -> root*, increment -> square, square -> root*, root* -> sum");
	dag_call(4, 2);
	assert_i64(103);
	dag_add(1, "increment -> root, root -> increment#2");
	dag_call(3, 2);
	assert_error(MB_ERR_TYPE, "increment#2: argument 0: i64 is expected, and there is no valid "
				  "one: 3 is no square");
}

/* increment gives 3; its squares are 9 each; twice runs once for each of them. */
static void
a_multi_function_runs_for_each_edge(void **state)
{
	struct value v[MB_VALUES_MAX];

	dag_add(1, "increment -> square#1, increment -> square#2, square#1 -> odd*,"
		   " square#2 -> odd*, increment -> odd*");
	dag_call(4, 2);
	assert_int_equal(reply_values(v), 3);
	assert_true(value_i64(v[0]) == 9 && value_i64(v[1]) == 9 && value_i64(v[2]) == 3);
	reply_release();
	dag_call(4, 1); /* 2 and 4 are even: nothing comes of them */
	assert_int_equal(reply_values(v), 0);
	reply_release();
	dag_add(1, "increment -> sum*, sum* -> square");
	dag_call(3, 2);
	assert_i64(9);
	dag_add(1, "sum*");
	dag_call(1, 7); /* no edge to it: once */
	assert_i64(7);
	dag_add(1, "increment -> square, square -> fail*, increment -> fail*");
	dag_call(3, 2);
	assert_error(MB_ERR_FUNCTION_FAILED, "fail*:");
}

static void
one_vertex_alone(void **state)
{
	dag_add(1, "square");
	dag_call(1, 9);
	assert_i64(81);
}

static void
large_results_travel_between_vertices(void **state)
{
	struct value v[MB_VALUES_MAX];
	uint64_t inner[5];
	struct value_writer vw;
	struct desc d = { .sub = CALL_DAG, .a = 1 };

	dag_add(1, "many -> echo, many -> echo#2, echo -> echo#3, echo#2 -> echo#3");
	value_list_begin(&vw, inner, sizeof(inner), 2);
	value_list_add_i64(&vw, 3);
	value_list_add_i64(&vw, 100000);
	assert_int_equal(value_list_end(&vw), sizeof(inner));
	value_list_begin(&vw, args, sizeof(args), 4);
	value_list_add(&vw, MB_LIST, inner, sizeof(inner));
	for (int i = 0; i < 3; i++) {
		value_list_add(&vw, MB_NIL, NULL, 0);
	}
	args_len = (size_t)value_list_end(&vw);
	d.ref = (struct payload_ref){ .handle = 1, .len = (uint32_t)args_len };
	send_call(&d);
	assert_int_equal(reply_values(v), 6);
	for (int i = 0; i < 6; i++) {
		assert_int_equal(v[i].len, 100000);
		assert_int_equal(v[i].p[99999], i % 3);
	}
	reply_release();
	assert_int_equal(payload_alive(w->pool), 0);
}

static void
a_vertex_is_named_when_it_fails(void **state)
{
	dag_add(1, "mark#a -> fail, fail -> mark#b");
	dag_call(3, 1);
	assert_error(MB_ERR_FUNCTION_FAILED, "fail: no more bread: 7");
	/* All of it or nothing: what ran before has written nothing either. */
	assert_string_equal(world_text(w, slice_str("marks")), "(absent)");
	dag_add(1, "mark#a -> increment#x");
	dag_call(2, 1);
	reply_release();
	dag_add(1, "fail#x -> increment");
	dag_call(2, 1);
	assert_error(MB_ERR_FUNCTION_FAILED, "fail#x: no more bread");
	dag_add(1, "echo -> increment#second");
	args_i64(0, 0, 0);
	dag_call(2, 1);
	reply_release();
}

static void
functions_of_a_dag_see_each_other_s_writes(void **state)
{
	dag_add(1, "mark#a -> mark#b, mark#b -> mark#c");
	dag_call(3, 1);
	assert_i64(3);
	assert_string_equal(world_text(w, slice_str("marks")), "3");
	assert_string_equal(world_text(w, slice_str("mark b")), "1");
}

static void
a_dag_s_arguments_are_checked(void **state)
{
	struct desc d = { .sub = CALL_DAG, .a = 1, .flags = DESC_F_INLINE };

	dag_add(1, "increment -> square");
	send_call(&d); /* none at all: what is missing is nil */
	assert_error(MB_ERR_NOT_FOUND, "increment: ");
	dag_call(3, 4);
	assert_error(MB_ERR_INVALID, "more entries than the DAG has functions");
	args_i64(2, 1, 2); /* not lists */
	d = (struct desc){ .sub = CALL_DAG,
			   .a = 1,
			   .flags = DESC_F_INLINE,
			   .len = (uint8_t)args_len };
	memcpy(d.data, args, args_len);
	send_call(&d);
	assert_error(MB_ERR_INVALID, "neither a list nor nil");
}

static void
a_dag_ends_at_its_deadline(void **state)
{
	dag_add(1, "increment -> square");
	dag_call_with(2, 1, w->time.now_ns);
	assert_error(MB_ERR_DEADLINE, "not run");
}

/* A function of it is deployed anew, and this executor will never have the new version. */
static void
a_dag_call_keeps_the_versions_it_was_sent_for(void **state)
{
	struct placement_copy *c;

	dag_add(1, "increment -> square");
	dag_call(2, 1);
	assert_i64(4);
	c = placement_edit(placement);
	c->dag[1].vertex[1].fn = 99;
	placement_show(placement);
	dag_call(2, 2);
	assert_i64(9);
	dag_add(1, "square -> increment"); /* what it can run is what the table says */
	dag_call(2, 2);
	assert_i64(5);
}

static void
nonsense_in_the_table_is_refused(void **state)
{
	struct placement_dag *dag;

	dag_add(1, "increment -> square");
	dag = &placement->copy[1].dag[1];
	dag->edge[0].from = 1; /* leads to itself */
	dag_call(2, 1);
	assert_error(MB_ERR_NO_DAG, "");
	dag->edge[0].from = 0;
	dag->edge[0].to = 60;
	dag_call(2, 1);
	assert_error(MB_ERR_NO_DAG, "");
	dag->edge_cnt = DAG_EDGE_MAX + 1;
	dag_call(2, 1);
	assert_error(MB_ERR_NO_DAG, "");
	dag->edge_cnt = 0;
	dag->vertex_cnt = DAG_FUNCTION_MAX + 1;
	dag_call(2, 1);
	assert_error(MB_ERR_NO_DAG, "");
	dag->vertex_cnt = 2;
	dag->vertex[1].fn = 99;
	dag_call(2, 1);
	assert_error(MB_ERR_NO_FUNCTION, "not loaded");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		TEST(a_chain_hands_results_on),
		TEST(fan_out_and_fan_in),
		TEST(a_multi_function_runs_for_each_edge),
		TEST(an_invalid_result_keeps_its_place),
		TEST(one_vertex_alone),
		TEST(large_results_travel_between_vertices),
		TEST(a_vertex_is_named_when_it_fails),
		TEST(functions_of_a_dag_see_each_other_s_writes),
		TEST(a_dag_s_arguments_are_checked),
		TEST(a_dag_ends_at_its_deadline),
		TEST(a_dag_call_keeps_the_versions_it_was_sent_for),
		TEST(nonsense_in_the_table_is_refused),
#undef TEST
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
