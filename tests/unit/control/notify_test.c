/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   a service manager hears each line, at a file or an abstract name; a strange environment
 *         is no manager; nothing of it is left for those that we fork.
 * Method: a datagram socket of our own is the manager. */
#include "notify.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "microburst/error.h"

#include "test_cmocka.h"

static int
manager(const char *path)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	memcpy(a.sun_path, path, strlen(path));
	if (path[0] == '@') {
		a.sun_path[0] = '\0';
	}
	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&a,
			      (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path))),
			 0);
	return fd;
}

static void
hears(int fd, const char *text)
{
	char got[64] = "";

	assert_int_equal(recv(fd, got, sizeof(got) - 1, 0), (ssize_t)strlen(text));
	assert_string_equal(got, text);
}

static void
nobody_listens(void **state)
{
	struct notify n;

	(void)state;
	unsetenv("NOTIFY_SOCKET");
	setenv("WATCHDOG_USEC", "5000000", 1);
	notify_take(&n);
	assert_string_equal(n.path, "");
	assert_int_equal(n.watchdog_ns, 0);
	assert_int_equal(notify_tell(&n, "READY=1"), 0);
	assert_null(getenv("WATCHDOG_USEC"));
}

static void
strange_environment(void **state)
{
	static const char *const path[] = { "", "/", "@", "relative/path", "vsock:2:1234" };
	static const char *const time[] = { "", "-1", "1s", "99999999999999999999", "1 " };
	char longer[200];
	struct notify n;

	(void)state;
	for (size_t i = 0; i < sizeof(path) / sizeof(path[0]); i++) {
		setenv("NOTIFY_SOCKET", path[i], 1);
		notify_take(&n);
		assert_string_equal(n.path, "");
	}
	memset(longer, '/', sizeof(longer));
	longer[sizeof(longer) - 1] = '\0';
	setenv("NOTIFY_SOCKET", longer, 1);
	notify_take(&n);
	assert_string_equal(n.path, "");
	for (size_t i = 0; i < sizeof(time) / sizeof(time[0]); i++) {
		setenv("NOTIFY_SOCKET", "/x", 1);
		setenv("WATCHDOG_USEC", time[i], 1);
		notify_take(&n);
		assert_int_equal(n.watchdog_ns, 0);
	}
	setenv("NOTIFY_SOCKET", "/x", 1);
	setenv("WATCHDOG_USEC", "5", 1);
	setenv("WATCHDOG_PID", "1", 1); /* meant for another */
	notify_take(&n);
	assert_int_equal(n.watchdog_ns, 0);
}

static void
told(void **state)
{
	char path[2][64], pid[16];
	struct notify n;

	(void)state;
	snprintf(path[0], sizeof(path[0]), "@microburst-notify-%d", (int)getpid());
	snprintf(path[1], sizeof(path[1]), "/tmp/microburst-notify-%d", (int)getpid());
	snprintf(pid, sizeof(pid), "%d", (int)getpid());
	for (int i = 0; i < 2; i++) {
		int fd = manager(path[i]);

		setenv("NOTIFY_SOCKET", path[i], 1);
		setenv("WATCHDOG_USEC", "5000000", 1);
		setenv("WATCHDOG_PID", pid, 1);
		notify_take(&n);
		assert_null(getenv("NOTIFY_SOCKET"));
		assert_null(getenv("WATCHDOG_PID"));
		assert_int_equal(n.watchdog_ns, 5000000000);
		assert_int_equal(notify_tell(&n, "READY=1"), 0);
		hears(fd, "READY=1");
		/* Full: it does not wait. Gone: it says so. errno is the caller's all along. */
		while (notify_tell(&n, "WATCHDOG=1") == 0) {
		}
		close(fd);
		unlink(path[i]);
		errno = ERANGE;
		assert_int_equal(notify_tell(&n, "STOPPING=1"), MB_ERR_IO);
		assert_int_equal(errno, ERANGE);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nobody_listens),
		cmocka_unit_test(strange_environment),
		cmocka_unit_test(told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
