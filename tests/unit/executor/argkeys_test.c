/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   a reference becomes what is stored, or nil; an output key gets what the function
 *         returned, with its other writes or not at all; alone, in a DAG, and for arguments that
 *         nobody would send.
 * Method: functions that show their arguments, before a real cache and store. */
#include "exec_fixture.h"

/* Returns the bytes of its arguments with a comma behind each, '-' for nil. */
MB_FUNCTION(join)
{
	char text[4096];
	size_t len = 0;

	for (uint32_t i = 0; i < mb_arg_cnt(call); i++) {
		struct mb_slice part = mb_str("-");

		if (mb_arg_type(call, i) != MB_NIL) {
			MB_TRY(mb_arg_bytes(call, i, &part));
		}
		if (part.len > 0) {
			memcpy(text + len, part.p, part.len);
		}
		len += part.len;
		text[len++] = ',';
	}
	return mb_return_bytes(call, mb_slice_of(text, len));
}

MB_FUNCTION(number)
{
	return mb_return_i64(call, -42);
}

MB_FUNCTION(two)
{
	MB_TRY(mb_return_i64(call, 1));
	return mb_return_f64(call, 2.5);
}

MB_FUNCTION(nothing_valid)
{
	return mb_return_invalid(call, "none of %d", 3);
}

MB_FUNCTION(writes_and_fails)
{
	MB_TRY(mb_put(call, mb_str("other"), mb_str("written")));
	return mb_fail(call, "no");
}

FUNCTIONS(&mb_function_join, &mb_function_number, &mb_function_two, &mb_function_nothing_valid,
	  &mb_function_writes_and_fails)

struct arg {
	enum mb_type type;
	const char *text;
};

static void
call_args(const char *name, const struct arg *arg, uint32_t cnt)
{
	struct value_writer v;
	struct desc d = { .kind = DESC_CALL };
	int64_t len;

	value_list_begin(&v, args, sizeof(args), cnt);
	for (uint32_t i = 0; i < cnt; i++) {
		value_list_add(&v, arg[i].type, arg[i].text, strlen(arg[i].text));
	}
	len = value_list_end(&v);
	assert_true(len > 0);
	args_len = (size_t)len;
	call_with(name, &d);
}

#define CALL(name, ...)                                                                            \
	call_args(name, (const struct arg[]){ __VA_ARGS__ },                                       \
		  ARRAY_CNT(((const struct arg[]){ __VA_ARGS__ })))

static void
assert_bytes(const char *want)
{
	struct value v[MB_VALUES_MAX];

	assert_int_equal(reply_values(v), 1);
	assert_int_equal(v[0].len, strlen(want));
	assert_memory_equal(v[0].p, want, v[0].len);
	reply_release();
}

static void
assert_stored(const char *key, const char *want)
{
	assert_string_equal(world_text(w, slice_of(key, strlen(key))), want);
}

static void
a_reference_is_what_is_stored(void **state)
{
	char large[602];

	memset(large, 'x', 600);
	large[600] = '\0';
	world_put(w, "a", "one");
	world_put(w, "b", "two");
	world_put(w, "large", large);
	world_put(w, "empty", "");
	world_evict(w);
	CALL("join", { MB_REF, "a" }, { MB_UTF8, "is" }, { MB_REF, "none" }, { MB_REF, "b" },
	     { MB_REF, "a" }, { MB_REF, "empty" });
	assert_bytes("one,is,-,two,one,,");
	CALL("join", { MB_REF, "large" });
	memcpy(large + 600, ",", 2);
	assert_bytes(large);
}

static void
a_reference_to_what_is_no_text_is_told(void **state)
{
	world_sadd(w, "set", "member");
	CALL("join", { MB_REF, "set" });
	assert_error(MB_ERR_TYPE, "the reference to 'set'");
}

static void
an_output_gets_the_result(void **state)
{
	struct value v[MB_VALUES_MAX];

	CALL("join", { MB_OUTPUT, "out" }, { MB_UTF8, "x" });
	assert_bytes("x,");
	assert_stored("out", "x,");
	CALL("join", { MB_REF, "out" }, { MB_OUTPUT, "out" }); /* the same key, read before */
	assert_bytes("x,,");
	assert_stored("out", "x,,");
	CALL("number", { MB_OUTPUT, "n" });
	assert_i64(-42);
	assert_stored("n", "-42");
	CALL("two", { MB_OUTPUT, "list" });
	assert_int_equal(reply_values(v), 2);
	reply_release();
	CALL("join", { MB_REF, "list" });
	assert_int_equal(reply_values(v), 1);
	assert_int_equal(value_list_read(slice_of(v[0].p, v[0].len - 1), v), 2);
	assert_true(value_i64(v[0]) == 1 && value_f64(v[1]) == 2.5);
	reply_release();
}

static void
what_is_not_valid_is_not_stored(void **state)
{
	struct value v[MB_VALUES_MAX];

	world_put(w, "out", "before");
	CALL("nothing_valid", { MB_OUTPUT, "out" });
	assert_int_equal(reply_values(v), 1);
	assert_int_equal(v[0].type, MB_INVALID);
	assert_int_equal(v[0].len, strlen("none of 3"));
	reply_release();
	assert_stored("out", "before");
}

static void
a_function_that_fails_has_no_output(void **state)
{
	CALL("writes_and_fails", { MB_OUTPUT, "out" });
	assert_error(MB_ERR_FUNCTION_FAILED, "no");
	assert_stored("out", "(absent)");
	assert_stored("other", "(absent)");
	CALL("join", { MB_OUTPUT, "out" }, { MB_OUTPUT, "out2" });
	assert_error(MB_ERR_INVALID, "one output key");
	assert_stored("out", "(absent)");
}

/* Vertex 1 has arguments of its own: what vertex 0 stored, and where its result goes. */
static void
in_a_dag_each_function_has_its_own(void **state)
{
	uint64_t inner[2][16];
	struct value_writer v;
	struct desc d = { .sub = CALL_DAG, .a = 1 };
	int64_t len[2];

	dag_add(1, "number -> join");
	for (int i = 0; i < 2; i++) {
		value_list_begin(&v, inner[i], sizeof(inner[i]), i == 0 ? 1 : 2);
		if (i == 1) {
			value_list_add(&v, MB_REF, "first", 5);
		}
		value_list_add(&v, MB_OUTPUT, i == 0 ? "first" : "last!", 5);
		len[i] = value_list_end(&v);
		assert_true(len[i] > 0);
	}
	value_list_begin(&v, args, sizeof(args), 2);
	value_list_add(&v, MB_LIST, inner[0], (size_t)len[0]);
	value_list_add(&v, MB_LIST, inner[1], (size_t)len[1]);
	args_len = (size_t)value_list_end(&v);
	d.ref = (struct payload_ref){ .handle = 1, .len = (uint32_t)args_len };
	send_call(&d);
	assert_error(MB_ERR_TYPE, "join: argument 1: bytes is expected, not i64");
	assert_stored("first", "(absent)"); /* all or nothing */
	dag_add(1, "join -> join#2");
	value_list_begin(&v, args, sizeof(args), 2);
	value_list_add(&v, MB_LIST, inner[0], (size_t)len[0]);
	value_list_add(&v, MB_LIST, inner[1], (size_t)len[1]);
	send_call(&d);
	assert_bytes(",,"); /* what join of nothing stored is empty, and what it gave too */
	assert_stored("first", "");
	assert_stored("last!", ",,");
}

static void
keys_that_nobody_may_send(void **state)
{
	struct value_writer v;
	static char key[MB_KEY_BYTES_MAX + 1];
	uint64_t at[400];

	value_list_begin(&v, at, sizeof(at), 1);
	value_list_add(&v, MB_REF, "", 0);
	assert_int_equal(value_list_end(&v), MB_ERR_INVALID);
	value_list_begin(&v, at, sizeof(at), 1);
	value_list_add(&v, MB_OUTPUT, key, sizeof(key));
	assert_int_equal(value_list_end(&v), MB_ERR_INVALID);
	/* A list that another process wrote past that. */
	args_i64(1, 0, 0);
	((uint32_t *)(void *)args)[1] = MB_REF;
	((uint32_t *)(void *)args)[2] = 0;
	args_len = 16;
	call_with("join", &(struct desc){ .kind = DESC_CALL });
	assert_error(MB_ERR_CORRUPT, "the arguments");
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_reference_is_what_is_stored, setup, teardown),
		cmocka_unit_test_setup_teardown(a_reference_to_what_is_no_text_is_told, setup,
						teardown),
		cmocka_unit_test_setup_teardown(an_output_gets_the_result, setup, teardown),
		cmocka_unit_test_setup_teardown(what_is_not_valid_is_not_stored, setup, teardown),
		cmocka_unit_test_setup_teardown(a_function_that_fails_has_no_output, setup,
						teardown),
		cmocka_unit_test_setup_teardown(in_a_dag_each_function_has_its_own, setup,
						teardown),
		cmocka_unit_test_setup_teardown(keys_that_nobody_may_send, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
