/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   no system call that reaches beyond the executor goes through.
 * Method: functions that make them, with arguments that are good as far as they can be. */
#include "process_fixture.h"

static void
every_way_out_is_refused(void **state)
{
	call("attack_calls");
	assert_false(reply.died);
	assert_int_equal(reply.err, 0);
	assert_string_equal(text_of(1), "");
	assert_true(value_i64(reply.value[0]) > 70);
}

static void
memory_that_is_not_counted_is_refused(void **state)
{
	call("attack_memory");
	assert_int_equal(reply.err, 0);
	assert_string_equal(text_of(1), "");
}

PROCESS_MAIN(TEST(every_way_out_is_refused), TEST(memory_that_is_not_counted_is_refused))
