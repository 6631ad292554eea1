/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   the jail is what it is said to be: another root, without /proc, and namespaces of its
 *         own; and it is made once for all.
 * Method: /proc of the machine, which shows where a process lives. */
#include "process_fixture.h"

#include <sys/stat.h>

/* What a link of /proc says of a process: its namespace, or its root's identity; "" when it may not
 * be seen. */
static void
identity(pid_t pid, const char *what, char *ret, size_t bytes)
{
	char path[64];
	ssize_t len;

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, what);
	len = readlink(path, ret, bytes - 1);
	ret[len > 0 ? len : 0] = '\0';
}

static void
assert_apart(const char *ns, uint32_t bit)
{
	char mine[64], zygote[64], executor[64];

	identity(getpid(), ns, mine, sizeof(mine));
	identity(node.zygote, ns, zygote, sizeof(zygote));
	identity(x.pid, ns, executor, sizeof(executor));
	if (zygote[0] == '\0' || executor[0] == '\0') {
		return; /* only root sees that of a process that cannot be dumped */
	}
	assert_string_equal(zygote, executor);
	if ((x.bits & bit) != 0) {
		assert_string_not_equal(mine, zygote);
	}
	if (bit != SANDBOX_MOUNT) { /* its namespace is but a part of that */
		assert_int_equal(strcmp(mine, zygote) != 0, (x.bits & bit) != 0);
	}
}

static void
namespaces_are_its_own(void **state)
{
	assert_apart("ns/net", SANDBOX_NET);
	assert_apart("ns/ipc", SANDBOX_IPC);
	assert_apart("ns/uts", SANDBOX_UTS);
	assert_apart("ns/mnt", SANDBOX_MOUNT);
}

/* Seen through the executor's own eyes by way of /proc/PID/root, as root may. */
static void
there_is_nothing_but_libraries(void **state)
{
	static const char *const gone[] = { "proc/self", "dev/null",   "tmp",    "root",
					    "home",      "etc/passwd", "usr/bin" };
	char path[96];
	struct stat st;

	snprintf(path, sizeof(path), "/proc/%d/root/usr/lib", (int)x.pid);
	if (!as_root || (x.bits & SANDBOX_MOUNT) == 0) {
		skip();
	}
	assert_int_equal(stat(path, &st), 0);
	for (size_t i = 0; i < ARRAY_CNT(gone); i++) {
		snprintf(path, sizeof(path), "/proc/%d/root/%s", (int)x.pid, gone[i]);
		assert_int_equal(stat(path, &st), -1);
	}
	snprintf(path, sizeof(path), "/proc/%d/root/made", (int)x.pid);
	assert_int_equal(mkdir(path, 0700), -1);
	assert_int_equal(errno, EROFS);
	snprintf(path, sizeof(path), "/proc/%d/root/usr/lib/made", (int)x.pid);
	assert_int_equal(mkdir(path, 0700), -1);
	assert_int_equal(errno, EROFS);
}

PROCESS_MAIN(TEST(namespaces_are_its_own), TEST(there_is_nothing_but_libraries))
