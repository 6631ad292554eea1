/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   values of every type and size come in and go out as they were; a wrong one is named.
 * Method: an echo, with lengths on both sides of every way that a result can travel. */
#include "exec_fixture.h"
#include "exec_functions.h"

FUNCTIONS(&mb_function_increment, &mb_function_echo, &mb_function_many)

static void
arguments_of_another_type_are_named(void **state)
{
	struct value_writer v;
	struct desc d = { .kind = DESC_CALL };

	value_list_begin(&v, args, sizeof(args), 1);
	value_list_add(&v, MB_UTF8, "4", 1);
	args_len = (size_t)value_list_end(&v);
	call_with("increment", &d);
	assert_error(MB_ERR_TYPE, "argument 0: i64 is expected, not utf8");
	call_none("increment");
	assert_error(MB_ERR_NOT_FOUND, "argument 0: there are only 0");
	value_list_begin(&v, args, sizeof(args), 1);
	value_list_add(&v, MB_UTF8, "\xff", 1);
	args_len = (size_t)value_list_end(&v);
	d = (struct desc){ .kind = DESC_CALL };
	call_with("echo", &d);
	assert_error(MB_ERR_INVALID, "UTF-8");
}

static void
results_without_memory_are_an_error(void **state)
{
	struct desc d = { .kind = DESC_CALL };

	w->seg_budget = 1 << 20;
	args_i64(2, 1, 2 << 20);
	call_with("many", &d);
	assert_error(MB_ERR_NO_MEMORY, "payload memory");
	args_i64(2, MB_VALUES_MAX + 1, 1);
	d = (struct desc){ .kind = DESC_CALL };
	call_with("many", &d);
	assert_error(MB_ERR_TOO_LARGE, "256 values");
	args_i64(2, 1, MB_VALUE_BYTES_MAX + 1);
	d = (struct desc){ .kind = DESC_CALL };
	call_with("many", &d);
	assert_error(MB_ERR_TOO_LARGE, "64 MiB");
}

static void
values_of_every_type_and_size(void **state)
{
	static const size_t len[] = {
		0, 1, 7, 24, 25, 900, 1100, 4096, 60000, 65536, 70000, 9 << 20
	};
	static uint8_t bytes[9 << 20];

	for (size_t i = 0; i < sizeof(bytes); i++) {
		bytes[i] = (uint8_t)('a' + i % 26);
	}
	for (size_t i = 0; i < ARRAY_CNT(len); i++) {
		struct value v[MB_VALUES_MAX];
		struct value_writer vw;
		struct desc d = { .kind = DESC_CALL };

		value_list_begin(&vw, args, sizeof(args), 6);
		value_list_add(&vw, MB_NIL, NULL, 0);
		value_list_add(&vw, MB_BYTES, bytes, len[i]);
		value_list_add_i64(&vw, -5);
		value_list_add_f64(&vw, 0.25);
		value_list_add(&vw, MB_UTF8, bytes + 3, len[i] / 2);
		value_list_add(&vw, MB_F64_ARRAY, bytes, len[i] / 8 / 4 * 8);
		args_len = (size_t)value_list_end(&vw);
		call_with("echo", &d);
		assert_int_equal(reply_values(v), 6);
		assert_int_equal(v[0].type, MB_NIL);
		assert_int_equal(v[1].len, len[i]);
		assert_int_equal(len[i] != 0 ? memcmp(v[1].p, bytes, len[i]) : 0, 0);
		assert_true(value_i64(v[2]) == -5);
		assert_true(value_f64(v[3]) == 0.25);
		assert_int_equal(v[4].type, MB_UTF8);
		assert_int_equal(len[i] / 2 != 0 ? memcmp(v[4].p, bytes + 3, len[i] / 2) : 0, 0);
		assert_int_equal(v[5].len, len[i] / 8 / 4 * 8);
		reply_release();
	}
}

static void
as_many_results_as_may_be(void **state)
{
	struct value v[MB_VALUES_MAX];
	struct desc d = { .kind = DESC_CALL };

	for (int64_t len = 1; len <= 30000; len = len * 7 + 1) {
		args_i64(2, MB_VALUES_MAX, len);
		d = (struct desc){ .kind = DESC_CALL };
		call_with("many", &d);
		assert_int_equal(reply_values(v), MB_VALUES_MAX);
		for (int i = 0; i < MB_VALUES_MAX; i++) {
			assert_int_equal(v[i].len, len);
			assert_int_equal(v[i].p[0], i);
			assert_int_equal(v[i].p[len - 1], i);
		}
		reply_release();
	}
}

static void
the_largest_result_is_written_in_place(void **state)
{
	struct value v[MB_VALUES_MAX];
	struct desc d = { .kind = DESC_CALL };

	args_i64(2, 1, MB_VALUE_BYTES_MAX);
	call_with("many", &d);
	assert_int_equal(reply_values(v), 1);
	assert_int_equal(v[0].len, MB_VALUE_BYTES_MAX);
	reply_release();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		TEST(arguments_of_another_type_are_named),
		TEST(results_without_memory_are_an_error),
		TEST(values_of_every_type_and_size),
		TEST(as_many_results_as_may_be),
		TEST(the_largest_result_is_written_in_place),
#undef TEST
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
