/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   one node a directory; what a dead one left is cleared, by the next in the same directory
 *         and by the next beside it; nothing else is touched.
 * Method: real directories below a fresh one in /tmp, holders in child processes, one of them
 *         killed. */
#include "eal_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <microburst/error.h>

#include "test_cmocka.h"

static char base[64];
static char path[96];
static struct eal_dir dir;
static struct topo_why why;

static const char *
below(const char *rest)
{
	static char text[256];

	snprintf(text, sizeof(text), "%s%s", path, rest);
	return text;
}

static bool
there(const char *rest)
{
	return access(below(rest), F_OK) == 0;
}

static void
make_dir(const char *rest)
{
	assert_int_equal(mkdir(below(rest), 0700), 0);
}

static void
make_file(const char *rest)
{
	int fd = open(below(rest), O_CREAT | O_WRONLY | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	close(fd);
}

static void
names_and_paths_that_cannot_be_are_refused(void **state)
{
	static const char *const names[] = { "",    "a b", "../x",
					     "a/b", ".",   "0123456789012345678901234567890x" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		assert_int_equal(eal_dir_take(&dir, path, names[i], &why), MB_ERR_CONFIG);
	}
	assert_int_equal(eal_dir_take(&dir, "run/x", "n", &why), MB_ERR_CONFIG);
	assert_string_equal(why.text,
			    "\"run/x\" is no runtime directory: an absolute path below 80 bytes");
	assert_false(there(""));
}

static void
without_a_parent_it_is_not_found(void **state)
{
	char deep[128];

	snprintf(deep, sizeof(deep), "%s/no/such", base);
	assert_int_equal(eal_dir_take(&dir, deep, "n", &why), MB_ERR_NOT_FOUND);
	make_file(""); /* a file where the directory should be */
	assert_int_equal(eal_dir_take(&dir, path, "n", &why), MB_ERR_NOT_FOUND);
	assert_true(there(""));
	unlink(path);
}

/* Takes the directory in a child, which then waits to be killed. */
static pid_t
hold_elsewhere(const char *name)
{
	char file[64];
	int ready[2];
	char ok;
	pid_t pid;

	assert_int_equal(pipe(ready), 0);
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL); /* a test that fails does not end it */
		if (eal_dir_take(&dir, path, name, NULL) == MB_OK) {
			make_dir("/dpdk");
			snprintf(file, sizeof(file), "/dpdk/%s", name);
			make_dir(file);
			snprintf(file, sizeof(file), "/dpdk/%s/dpdk_telemetry.v2", name);
			make_file(file);
			ok = write(ready[1], "y", 1) == 1;
		}
		pause();
		_exit(0);
	}
	assert_int_equal(read(ready[0], &ok, 1), 1);
	close(ready[0]);
	close(ready[1]);
	return pid;
}

static void
a_directory_in_use_is_refused_and_a_dead_nodes_taken_over(void **state)
{
	pid_t pid = hold_elsewhere("n");

	assert_int_equal(eal_dir_take(&dir, path, "n", &why), MB_ERR_EXISTS);
	assert_non_null(strstr(why.text, path));
	assert_true(there("/dpdk/n/dpdk_telemetry.v2"));

	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_int_equal(eal_dir_take(&dir, path, "n", &why), MB_OK);
	assert_false(there("/dpdk")); /* cleared */
	eal_dir_release(&dir);
	assert_false(there("")); /* what the dead one made goes too */
}

static void
go_to(const char *name)
{
	snprintf(path, sizeof(path), "%s/run-%s", base, name);
}

static void
what_dead_nodes_left_beside_it_goes(void **state)
{
	pid_t dead, lives;

	(void)state;
	go_to("lives");
	lives = hold_elsewhere("lives");
	go_to("dead0");
	dead = hold_elsewhere("dead0");
	kill(dead, SIGKILL);
	assert_int_equal(waitpid(dead, NULL, 0), dead);
	go_to("other");
	make_dir("");
	make_file("/mine");
	go_to("longer");
	make_dir("");
	make_dir("/dpdk");
	make_dir("/dpdk/longer");

	go_to("begin");
	assert_int_equal(eal_dir_take(&dir, path, "begin", &why), MB_OK);
	assert_true(there(""));
	go_to("dead0");
	assert_false(there(""));
	go_to("lives");
	assert_true(there("/dpdk/lives/dpdk_telemetry.v2"));
	go_to("other");
	assert_true(there("/mine"));
	assert_int_equal(unlink(below("/mine")), 0);
	assert_int_equal(rmdir(path), 0);
	go_to("longer");
	assert_int_equal(rmdir(below("/dpdk/longer")), 0);
	assert_int_equal(rmdir(below("/dpdk")), 0);
	assert_int_equal(rmdir(path), 0);
	kill(lives, SIGKILL);
	assert_int_equal(waitpid(lives, NULL, 0), lives);
	eal_dir_release(&dir);

	go_to("again");
	assert_int_equal(eal_dir_take(&dir, path, "again", &why), MB_OK);
	eal_dir_release(&dir);
}

/* Somebody looks at it for a moment, as who starts beside it does. */
static void
who_only_looks_is_waited_for(void **state)
{
	int fd;
	pid_t pid;

	(void)state;
	make_dir("");
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(flock(fd, LOCK_EX), 0);
	pid = fork();
	if (pid == 0) {
		close(fd); /* the lock is the parent's alone */
		_exit(eal_dir_take(&dir, path, "n", NULL) == MB_OK ? 0 : 1);
	}
	nanosleep(&(struct timespec){ .tv_nsec = 20000000 },
		  NULL); /* it has tried in vain by then */
	close(fd);
	assert_int_equal(waitpid(pid, &fd, 0), pid);
	assert_int_equal(fd, 0);
	assert_int_equal(rmdir(path), 0);
}

static void
what_others_may_write_to_is_refused(void **state)
{
	(void)state;
	make_dir("");
	assert_int_equal(chmod(path, 0777), 0);
	assert_int_equal(eal_dir_take(&dir, path, "n", &why), MB_ERR_DENIED);
	assert_non_null(strstr(why.text, path));
	assert_int_equal(chmod(path, 0700), 0);
	if (geteuid() == 0) {
		assert_int_equal(chown(path, 65534, 65534), 0);
		assert_int_equal(eal_dir_take(&dir, path, "n", &why), MB_ERR_DENIED);
	}
	assert_int_equal(rmdir(path), 0);
	assert_int_equal(symlink("/tmp", path), 0);
	assert_int_not_equal(eal_dir_take(&dir, path, "n", &why), MB_OK);
	assert_int_equal(unlink(path), 0);
}

static void
what_was_made_is_removed_and_what_was_there_stays(void **state)
{
	assert_int_equal(eal_dir_take(&dir, path, "n", &why), MB_OK);
	assert_true(there(""));
	make_dir("/dpdk");
	make_dir("/dpdk/n");
	make_file("/dpdk/n/config");
	eal_dir_release(&dir);
	assert_false(there(""));

	make_dir("");
	make_dir("/dpdk");
	make_dir("/dpdk/other");
	make_file("/node.sock");
	assert_int_equal(eal_dir_take(&dir, path, "n", &why), MB_OK);
	make_dir("/dpdk/n");
	make_file("/dpdk/n/config");
	eal_dir_release(&dir);
	assert_true(there("/node.sock"));
	assert_true(there("/dpdk/other"));
	assert_false(there("/dpdk/n"));
	unlink(below("/node.sock"));
	rmdir(below("/dpdk/other"));
	rmdir(below("/dpdk"));
	rmdir(path);
}

static void
a_link_to_elsewhere_is_not_followed(void **state)
{
	char outside[128];

	make_dir("");
	make_dir("/outside");
	make_dir("/outside/n");
	make_file("/outside/n/precious");
	snprintf(outside, sizeof(outside), "%s/outside", path);
	assert_int_equal(symlink(outside, below("/dpdk")), 0);
	assert_int_equal(eal_dir_take(&dir, path, "n", &why), MB_OK);
	eal_dir_release(&dir);
	assert_true(there("/outside/n/precious"));
	unlink(below("/dpdk"));
	unlink(below("/outside/n/precious"));
	rmdir(below("/outside/n"));
	rmdir(below("/outside"));
	rmdir(path);
}

static int
fresh(void **state)
{
	snprintf(base, sizeof(base), "/tmp/mb-eal-dir-XXXXXX");
	if (mkdtemp(base) == NULL) {
		return -1;
	}
	snprintf(path, sizeof(path), "%s/run", base);
	return 0;
}

static int
done(void **state)
{
	return rmdir(base); /* fails when a test left something behind */
}

#define IN_A_DIR(test) cmocka_unit_test_setup_teardown(test, fresh, done)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		IN_A_DIR(names_and_paths_that_cannot_be_are_refused),
		IN_A_DIR(without_a_parent_it_is_not_found),
		IN_A_DIR(a_directory_in_use_is_refused_and_a_dead_nodes_taken_over),
		IN_A_DIR(what_dead_nodes_left_beside_it_goes),
		IN_A_DIR(who_only_looks_is_waited_for),
		IN_A_DIR(what_was_made_is_removed_and_what_was_there_stays),
		IN_A_DIR(what_others_may_write_to_is_refused),
		IN_A_DIR(a_link_to_elsewhere_is_not_followed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
