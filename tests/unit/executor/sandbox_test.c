/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   a function can compute, and nothing else: no process, no file, no socket, no memory that
 *         others trust, no more memory than it was given. However it ends, the node learns the true
 *         cause. What the machine cannot enforce is said.
 * Method: a real zygote and executors (fake_node), and objects that attack. As root, and as a user
 *         without any right (the argument says which). */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "fake_node.h"
#include "test_cmocka.h"
#include "timebase.h"
#include <microburst/error.h>

#define NOBODY     65534
#define MEMORY     (UINT64_C(64) << 20)
#define PROC       5
#define CALL_MS    10000
#define OBJECT_CNT 4

/* Ids of the attacks' functions: their places in this list, + 1. */
static const char *const fn[] = { "attack_calls",    "attack_memory", "attack_fds", "attack_region",
				  "attack_scribble", "who",           "eat",        "segv",
				  "do_abort",        "do_exit",       "overflow",   "loop",
				  "close_all",       "fine",          "found" };
enum { ATTACKS, ATTACK_INIT, BAD_INIT, BAD_SYMBOL };

static const char *executor_path;
static const char *object[OBJECT_CNT];
static bool as_root;
static struct node node;
static struct node_exec x;
static struct node_reply reply;

static uint16_t
id_of(const char *name)
{
	for (uint16_t i = 0; i < ARRAY_CNT(fn); i++) {
		if (strcmp(fn[i], name) == 0) {
			return (uint16_t)(i + 1);
		}
	}
	fail_msg("no function %s", name);
	return 0;
}

static int
start(void **state)
{
	return node_start(&node, executor_path, "full") ? 0 : -1;
}

static int
stop(void **state)
{
	node_stop(&node);
	return 0;
}

static int
load_all(struct node_exec *e)
{
	uint16_t of[ARRAY_CNT(fn)] = { 0 };

	of[ARRAY_CNT(fn) - 1] = ATTACK_INIT;
	return node_load(&node, e, object, 2, fn, of, ARRAY_CNT(fn), MEMORY);
}

static int
spawn(void **state)
{
	assert_true(node_spawn(&node, &x, PROC));
	if (load_all(&x) != 0) {
		fail_msg("%s: %s", mb_err_name(x.err), node.text);
	}
	return 0;
}

static int
end(void **state)
{
	node_end(&node, &x, 0);
	return 0;
}

static void
call(const char *name)
{
	node_call(&node, &x, id_of(name), slice_of(NULL, 0), CALL_MS, &reply);
}

static const char *
text_of(uint32_t i)
{
	static char text[2100];

	assert_true(i < reply.cnt);
	assert_int_equal(reply.value[i].type, MB_UTF8);
	snprintf(text, sizeof(text), "%.*s", (int)reply.value[i].len,
		 (const char *)reply.value[i].p);
	return text;
}

/* ---------------------------------------------------------------- refusals */

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

static void
descriptors_cannot_be_turned_on_the_node(void **state)
{
	call("attack_fds");
	assert_int_equal(reply.err, 0);
	assert_string_equal(text_of(1), "");
	/* 0, 1, 2, the socket, one bell */
	assert_int_equal(value_i64(reply.value[0]), 5);
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

static void
memory_has_a_limit(void **state)
{
	int64_t mib;

	call("eat");
	assert_int_equal(reply.err, 0);
	mib = value_i64(reply.value[0]);
	assert_in_range(mib, (MEMORY >> 20) / 2, MEMORY >> 20);
}

/* ---------------------------------------------------------------- endings */

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

/* It harms itself: what it scribbled over is its own, and the end of its mappings. */
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

/* ---------------------------------------------------------------- loading */

static void
refused(const char *const *list, uint32_t cnt, const char *name, uint16_t of, int err,
	const char *word)
{
	struct node_exec e;

	assert_true(node_spawn(&node, &e, PROC + 2));
	assert_int_equal(node_load(&node, &e, list, cnt, &name, &of, 1, MEMORY), err);
	if (strstr(node.text, word) == NULL) {
		fail_msg("'%s' does not say '%s'", node.text, word);
	}
	node_end(&node, &e, 1000);
	assert_int_equal(e.code, CLD_EXITED);
}

static void
what_cannot_be_loaded_is_named(void **state)
{
	const char *text_file = "/etc/passwd";

	refused(&object[BAD_SYMBOL], 1, "never", 0, MB_ERR_LOAD, "mb_does_not_exist");
	refused(&object[BAD_INIT], 1, "never", 0, MB_ERR_FUNCTION_FAILED, "the flux is missing");
	refused(&object[ATTACKS], 1, "nothing", 0, MB_ERR_LOAD, "the function 'nothing'");
	refused(&text_file, 1, "never", 0, MB_ERR_LOAD, "cannot be loaded");
	refused(&object[ATTACKS], 1, "fine", 3, MB_ERR_CORRUPT, "malformed");
}

/* The machine says what it can enforce before it promises anything, and keeps it. */
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
	assert_int_equal(x.bits & ~(uint32_t)SANDBOX_UID, node.bits & ~(uint32_t)SANDBOX_UID);
	assert_true(as_root || (x.bits & SANDBOX_UID) == 0);
}

static void
loading_is_quick(void **state)
{
	uint64_t best_load = UINT64_MAX, best_call = UINT64_MAX;

	for (int i = 0; i < 5; i++) {
		node_end(&node, &x, 0);
		assert_true(node_spawn(&node, &x, PROC));
		nanosleep(&(struct timespec){ .tv_nsec = 2000000 }, NULL);
		assert_int_equal(load_all(&x), 0);
		call("fine");
		best_load = x.load_ns < best_load ? x.load_ns : best_load;
		best_call = reply.round_trip_ns < best_call ? reply.round_trip_ns : best_call;
	}
	fprintf(stderr, "loaded in %llu us, first call %llu us\n",
		(unsigned long long)best_load / 1000, (unsigned long long)best_call / 1000);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, spawn, end)
		TEST(what_is_enforced_is_said),
		TEST(every_way_out_is_refused),
		TEST(memory_that_is_not_counted_is_refused),
		TEST(descriptors_cannot_be_turned_on_the_node),
		TEST(pages_that_others_read_cannot_be_taken_away),
		TEST(it_is_nobody_and_knows_nothing),
		TEST(loading_leaves_no_door_open),
		TEST(memory_has_a_limit),
		TEST(a_segmentation_fault_is_seen),
		TEST(an_abort_is_seen),
		TEST(an_exit_is_seen),
		TEST(an_endless_recursion_ends),
		TEST(an_endless_loop_can_be_killed),
		TEST(scribbling_harms_nobody_else),
		TEST(closing_everything_harms_only_itself),
		TEST(a_drained_executor_ends_well),
		TEST(executors_end_with_their_socket),
		TEST(what_cannot_be_loaded_is_named),
		TEST(loading_is_quick),
#undef TEST
	};

	if (argc != 3 + OBJECT_CNT) {
		return 2;
	}
	as_root = strcmp(argv[1], "root") == 0;
	executor_path = argv[2];
	for (int i = 0; i < OBJECT_CNT; i++) {
		object[i] = argv[3 + i];
	}
	if (as_root && geteuid() != 0) {
		fprintf(stderr, "skipped: not root\n");
		return 77;
	}
	if (!as_root && geteuid() == 0 &&
	    (setresgid(NOBODY, NOBODY, NOBODY) != 0 || setresuid(NOBODY, NOBODY, NOBODY) != 0 ||
	     prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) != 0)) {
		fprintf(stderr, "skipped: cannot become another user: %s\n", strerror(errno));
		return 77;
	}
	for (int i = 2; i < argc; i++) {
		if (access(argv[i], R_OK) != 0) {
			fprintf(stderr, "skipped: this user cannot read %s\n", argv[i]);
			return 77;
		}
	}
	return cmocka_run_group_tests(tests, start, stop);
}
