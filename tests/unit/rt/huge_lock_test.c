/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   one has the lock, of all threads and processes; who ends has given it back.
 * Method: this process and children. Nodes that are started meanwhile have it for a moment: it is
 *         waited for. */
#include "huge_lock.h"

#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test_cmocka.h"

enum { SKIP = 77 };

static void
one_has_it(void **state)
{
	int lock = huge_lock_take(HUGE_LOCK_MS), status;
	pid_t pid;

	assert_true(lock >= 0);
	assert_int_equal(huge_lock_take(0), HUGE_LOCK_BUSY);
	assert_int_equal(huge_lock_take(2), HUGE_LOCK_BUSY);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		_exit(huge_lock_take(0) == HUGE_LOCK_BUSY ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	huge_lock_release(lock);
	lock = huge_lock_take(HUGE_LOCK_MS);
	assert_true(lock >= 0);
	huge_lock_release(lock);
}

static void
who_is_killed_has_given_it_back(void **state)
{
	int ready[2], status, lock;
	char c = 0;
	pid_t pid;

	assert_int_equal(pipe(ready), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		c = huge_lock_take(HUGE_LOCK_MS) >= 0;
		(void)!write(ready[1], &c, 1);
		pause();
		_exit(0);
	}
	assert_int_equal(read(ready[0], &c, 1), 1);
	assert_int_equal(c, 1);
	assert_int_equal(huge_lock_take(0), HUGE_LOCK_BUSY);
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	lock = huge_lock_take(HUGE_LOCK_MS);
	assert_true(lock >= 0);
	huge_lock_release(lock);
	close(ready[0]);
	close(ready[1]);
}

static void
nothing_held_is_given_back(void **state)
{
	huge_lock_release(HUGE_LOCK_NONE);
	huge_lock_release(HUGE_LOCK_BUSY);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_has_it),
		cmocka_unit_test(who_is_killed_has_given_it_back),
		cmocka_unit_test(nothing_held_is_given_back),
	};
	int lock = huge_lock_take(HUGE_LOCK_MS);

	if (lock == HUGE_LOCK_NONE) {
		printf("this kernel has no huge pages\n");
		return SKIP;
	}
	huge_lock_release(lock);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
