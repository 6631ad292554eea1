/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   no memory ends the process with 1 and a sentence; what is kept stays as it was.
 * Method: a child that asks for none; many pieces kept and looked at again. */
#include "mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../base/test_cmocka.h"

static int
exit_code_of(void *(*ask)(void *p))
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		if (freopen("/dev/null", "w", stderr) != NULL) {
			ask(NULL);
		}
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void
none(void **state)
{
	(void)state;
	assert_int_equal(exit_code_of(mem_need), 1);
	assert_int_equal(exit_code_of(mem_keep), 1);
}

static void
kept(void **state)
{
	int *p[100];

	(void)state;
	for (int i = 0; i < 100; i++) {
		p[i] = mem_keep(malloc(sizeof(*p[i])));
		*p[i] = i;
	}
	for (int i = 0; i < 100; i++) {
		assert_int_equal(*p[i], i);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(none),
		cmocka_unit_test(kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
