/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   a line is found by its call's name and adds up; a line that was written over is left
 *         alone. */
#include "exec_trace.h"
#include "test_cmocka.h"

static struct region_trace table;

static void
a_line_adds_up(void **state)
{
	struct exec_trace line = { .call = 7,
				   .target = 3,
				   .is_dag = true,
				   .err = -2,
				   .taken_ns = 1000,
				   .before_ns = 10,
				   .run_ns = UINT64_C(1) << 40,
				   .after_ns = 5 };

	exec_trace_write(&table, TRACE_CNT + 1, &line);
	assert_true(atomic_load(&table.line[1].call) == 7);
	assert_int_equal(table.line[1].target, 3);
	assert_true(table.line[1].is_dag);
	assert_int_equal(table.line[1].err, -2);
	assert_int_equal(table.line[1].run_ns, UINT32_MAX); /* saturates */
	line.run_ns = 20;
	line.err = 0;
	exec_trace_write(&table, 1, &line);
	exec_trace_answered(&table, 1, 7, 1100, -5);
	assert_int_equal(table.line[1].after_ns, 70);
	assert_int_equal(table.line[1].err, -5);
	exec_trace_write(NULL, 1, &line);
}

static void
a_line_of_another_call_stays(void **state)
{
	struct exec_trace line = { .call = 8, .taken_ns = 1000, .after_ns = 5 };

	exec_trace_write(&table, 2, &line);
	exec_trace_answered(&table, 2, 7, 1100, -5);
	assert_true(atomic_load(&table.line[2].call) == 8);
	assert_int_equal(table.line[2].after_ns, 5);
	assert_int_equal(table.line[2].err, 0);
	exec_trace_answered(NULL, 2, 8, 1100, -5);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_line_adds_up),
		cmocka_unit_test(a_line_of_another_call_stays),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
