/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   while an object is loaded its code finds no file but libraries, and keeps nothing for
 * later. Method: an object whose constructor looks around and keeps what it can. */
#include "process_fixture.h"

static void
loading_leaves_no_door_open(void **state)
{
	call("found");
	assert_int_equal(reply.err, 0);
	if ((x.bits & (SANDBOX_MOUNT | SANDBOX_FILES)) != 0) {
		assert_string_equal(text_of(0), "");
	}
	assert_int_equal(value_i64(reply.value[1]), 0); /* no thread or process */
	assert_int_equal(value_i64(reply.value[2]), 0); /* what it kept is closed */
	assert_true(value_f64(reply.value[3]) == 1.5);  /* MB_INIT has run */
	assert_int_equal(x.log_cnt, 1);
}

PROCESS_MAIN(TEST(loading_leaves_no_door_open))
