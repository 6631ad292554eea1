/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   what is enforced is said, and kept: a function is nobody, knows nothing, has no more
 *         memory than it was given, and can turn no descriptor and no memory of its own on the
 *         node.
 * Method: a real zygote and executors, and functions that try. */
#include "process_fixture.h"

static void
what_is_enforced_is_said(void **state)
{
	char missing[256];

	sandbox_missing_text(x.bits, missing, sizeof(missing));
	fprintf(stderr, "not enforced here: %s\n", missing[0] != '\0' ? missing : "(nothing)");
	assert_int_equal(x.bits & SANDBOX_SECCOMP, SANDBOX_SECCOMP);
	assert_int_equal(x.bits & SANDBOX_RLIMIT, SANDBOX_RLIMIT);
	assert_int_equal(x.bits & SANDBOX_NO_PRIVS, SANDBOX_NO_PRIVS);
	assert_int_equal(x.bits & SANDBOX_NO_DUMP, SANDBOX_NO_DUMP);
	/* What the zygote foretold, so that a node tells the truth before its first function. */
	assert_int_equal(x.bits, node.bits);
	assert_true(as_root || (x.bits & SANDBOX_UID) == 0);
}

static void
descriptors_cannot_be_turned_on_the_node(void **state)
{
	call("attack_fds");
	assert_int_equal(reply.err, 0);
	assert_string_equal(text_of(1), "");
	/* 0, 1, 2, the socket, one bell, what says how much memory is in use */
	assert_int_equal(value_i64(reply.value[0]), 6);
}

static void
pages_that_others_read_cannot_be_taken_away(void **state)
{
	call("attack_region");
	assert_int_equal(reply.err, 0);
	assert_string_equal(text_of(1), "");
	assert_int_equal(reply.value[0].len, 32 << 10);
	assert_int_equal(reply.value[0].p[4095], 'x');
}

static void
it_is_nobody_and_knows_nothing(void **state)
{
	call("who");
	assert_int_equal(reply.err, 0);
	if ((x.bits & SANDBOX_UID) != 0) {
		assert_int_equal(value_i64(reply.value[0]), ZYGOTE_UID_BASE + PROC);
		assert_int_equal(value_i64(reply.value[1]), ZYGOTE_UID_BASE + PROC);
	}
	if ((x.bits & SANDBOX_UTS) != 0) {
		assert_string_equal(text_of(2), "executor");
	}
	assert_string_equal(text_of(3), "");
}

static void
memory_has_a_limit(void **state)
{
	int64_t mib;

	call("eat");
	assert_false(reply.died);
	assert_int_equal(reply.err, 0);
	mib = value_i64(reply.value[0]);
	assert_in_range(mib, (MEMORY >> 20) / 2, MEMORY >> 20);
}

static void
scribbling_harms_nobody_else(void **state)
{
	struct node_exec other;

	assert_true(node_spawn(&node, &other, PROC + 1));
	assert_int_equal(load_all(&other), 0);
	call("attack_scribble");
	assert_true(reply.died);
	node_call(&node, &other, id_of("fine"), slice_of(NULL, 0), CALL_MS, &reply);
	assert_int_equal(reply.err, 0);
	assert_int_equal(value_i64(reply.value[0]), 42);
	node_end(&node, &other, 0);
}

static void
closing_everything_harms_only_itself(void **state)
{
	call("close_all");
	node_end(&node, &x, 0); /* whether it answered or not */
	assert_int_equal(spawn(NULL), 0);
	call("fine");
	assert_int_equal(reply.err, 0);
}

PROCESS_MAIN(TEST(what_is_enforced_is_said), TEST(descriptors_cannot_be_turned_on_the_node),
	     TEST(pages_that_others_read_cannot_be_taken_away),
	     TEST(it_is_nobody_and_knows_nothing), TEST(memory_has_a_limit),
	     TEST(scribbling_harms_nobody_else), TEST(closing_everything_harms_only_itself))
