/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   however an executor ends, the node learns the true cause; asked to finish, it finishes.
 * Method: functions that end it in every way; a drain; a socket that hangs up. */
#include "process_fixture.h"

#include <sys/socket.h>

static void
ends(const char *name, int code, int status)
{
	call(name);
	assert_true(reply.died);
	assert_int_equal(x.code, code);
	assert_int_equal(x.status, status);
}

static void
a_segmentation_fault_is_seen(void **state)
{
	ends("segv", CLD_KILLED, SIGSEGV);
}

static void
an_abort_is_seen(void **state)
{
	ends("do_abort", CLD_KILLED, SIGABRT);
}

static void
an_exit_is_seen(void **state)
{
	ends("do_exit", CLD_EXITED, 7);
}

static void
an_endless_recursion_ends(void **state)
{
	ends("overflow", CLD_KILLED, SIGSEGV);
}

static void
an_endless_loop_can_be_killed(void **state)
{
	node_call(&node, &x, id_of("loop"), slice_of(NULL, 0), 50, &reply);
	assert_true(reply.died);
	assert_int_equal(x.code, CLD_KILLED);
	assert_int_equal(x.status, SIGKILL);
}

static void
a_drained_executor_ends_well(void **state)
{
	call("fine");
	assert_int_equal(reply.err, 0);
	node_drain(&x);
	node_end(&node, &x, 2000);
	assert_int_equal(x.code, CLD_EXITED);
	assert_int_equal(x.status, 0);
	assert_int_equal(spawn(NULL), 0);
}

static void
executors_end_with_their_socket(void **state)
{
	shutdown(x.sock, SHUT_RDWR);
	node_end(&node, &x, 3000); /* within its longest sleep */
	assert_int_equal(x.code, CLD_EXITED);
	assert_int_equal(spawn(NULL), 0);
}

PROCESS_MAIN(TEST(a_segmentation_fault_is_seen), TEST(an_abort_is_seen), TEST(an_exit_is_seen),
	     TEST(an_endless_recursion_ends), TEST(an_endless_loop_can_be_killed),
	     TEST(a_drained_executor_ends_well), TEST(executors_end_with_their_socket))
