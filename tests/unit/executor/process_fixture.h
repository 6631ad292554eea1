/* SPDX-License-Identifier: Apache-2.0 */
/* process_fixture - a zygote, one executor with the functions of attacks.c, for the tests with
 * processes
 *
 * Arguments of a test: who (root, or user: a user without any right), the executor program, the
 * objects.
 */
#ifndef MB_TEST_PROCESS_FIXTURE_H
#define MB_TEST_PROCESS_FIXTURE_H

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fake_node.h"
#include "test_cmocka.h"
#include "timebase.h"
#include <microburst/error.h>

#define NOBODY     65534
#define MEMORY     (UINT64_C(64) << 20)
#define PROC       5
#define CALL_MS    10000
#define OBJECT_CNT 6

/* Ids of the attacks' functions: their places in this list, + 1. */
static const char *const fn[] = { "attack_calls",    "attack_memory", "attack_fds", "attack_region",
				  "attack_scribble", "who",           "eat",        "segv",
				  "do_abort",        "do_exit",       "overflow",   "loop",
				  "close_all",       "fill",          "fine",       "found" };
enum { ATTACKS, ATTACK_INIT, BAD_INIT, BAD_SYMBOL, BAD_MERGE, BAD_MERGE_TWICE };

static const char *executor_path;
static const char *object[OBJECT_CNT];
static bool as_root;
static struct node node;
static struct node_exec x;
static struct node_reply reply;

static inline uint16_t
id_of(const char *name)
{
	for (size_t i = 0; i < ARRAY_CNT(fn); i++) {
		if (strcmp(fn[i], name) == 0) {
			return (uint16_t)(i + 1);
		}
	}
	fail_msg("no function %s", name);
	return 0;
}

static inline int
start(void **state)
{
	return node_start(&node, executor_path, "full") ? 0 : -1;
}

static inline int
stop(void **state)
{
	node_stop(&node);
	return 0;
}

static inline int
load_all(struct node_exec *e)
{
	uint16_t of[ARRAY_CNT(fn)] = { 0 };

	of[ARRAY_CNT(fn) - 1] = ATTACK_INIT;
	return node_load(&node, e, object, 2, fn, of, ARRAY_CNT(fn), MEMORY);
}

static inline int
spawn(void **state)
{
	assert_true(node_spawn(&node, &x, PROC));
	if (load_all(&x) != 0) {
		fail_msg("%s: %s", mb_err_name(x.err), node.text);
	}
	return 0;
}

static inline int
end(void **state)
{
	node_end(&node, &x, 0);
	return 0;
}

static inline void
call(const char *name)
{
	node_call(&node, &x, id_of(name), slice_of(NULL, 0), CALL_MS, &reply);
}

static inline const char *
text_of(uint32_t i)
{
	static char text[2100];

	assert_true(i < reply.cnt);
	assert_int_equal(reply.value[i].type, MB_UTF8);
	snprintf(text, sizeof(text), "%.*s", (int)reply.value[i].len,
		 (const char *)reply.value[i].p);
	return text;
}

/* fixture_args takes a test's arguments. Returns: 0; what the test is to end with. */
static inline int
fixture_args(int argc, char **argv)
{
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
	return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, spawn, end)

static inline int
fixture_run(int argc, char **argv, const struct CMUnitTest *tests, size_t cnt)
{
	int rc = fixture_args(argc, argv);

	return rc != 0 ? rc : _cmocka_run_group_tests(argv[0], tests, cnt, start, stop);
}

#define PROCESS_MAIN(...)                                                                          \
	int main(int argc, char **argv)                                                            \
	{                                                                                          \
		const struct CMUnitTest tests[] = { __VA_ARGS__ };                                 \
		return fixture_run(argc, argv, tests, ARRAY_CNT(tests));                           \
	}

#endif
