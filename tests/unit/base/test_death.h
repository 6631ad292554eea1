/* SPDX-License-Identifier: Apache-2.0 */
/* test_death.h - run something that must stop the process, and read its last words */
#ifndef MB_TEST_DEATH_H
#define MB_TEST_DEATH_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { TEST_DEATH_TEXT_BYTES = 2048 };

/* test_dies runs fn in a child.
 *
 * Returns:   true if SIGABRT ended it; text holds what it wrote to standard error.
 */
static inline bool
test_dies(void (*fn)(void *arg), void *arg, char text[static TEST_DEATH_TEXT_BYTES])
{
	static const struct rlimit no_core = { 0, 0 };
	size_t len = 0;
	int fds[2];
	int status;
	ssize_t n;
	pid_t pid;

	if (pipe(fds) != 0 || (pid = fork()) < 0) {
		return false;
	}
	if (pid == 0) {
		setrlimit(RLIMIT_CORE, &no_core);
		signal(SIGABRT, SIG_DFL); /* cmocka's handler would turn it into a failed test */
		dup2(fds[1], STDERR_FILENO);
		fn(arg);
		_exit(0);
	}
	close(fds[1]);
	while (len < TEST_DEATH_TEXT_BYTES - 1 &&
	       (n = read(fds[0], text + len, TEST_DEATH_TEXT_BYTES - 1 - len)) > 0) {
		len += (size_t)n;
	}
	text[len] = '\0';
	close(fds[0]);
	return waitpid(pid, &status, 0) == pid && WIFSIGNALED(status) &&
	       WTERMSIG(status) == SIGABRT;
}

#endif
