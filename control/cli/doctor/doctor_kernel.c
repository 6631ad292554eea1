/* SPDX-License-Identifier: Apache-2.0 */
/* doctor_kernel.c - is this machine fit for microseconds: what only a system call knows */
#include <errno.h>
#include <linux/io_uring.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stdint.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "doctor.h"
#include "fmt.h"

#define FILES_MIN   4096        /* every client and executor is a socket, a pidfd and some memory */
#define MEMLOCK_MIN (64u << 20) /* rings, and packets without huge pages */

void
doctor_io_uring(const struct doctor_ask *ask, struct doctor_line *line)
{
	struct io_uring_params p = { .flags = IORING_SETUP_SINGLE_ISSUER |
					      IORING_SETUP_DEFER_TASKRUN };
	int fd = (int)syscall(SYS_io_uring_setup, 8, &p);

	(void)ask;
	if (fd >= 0) {
		close(fd);
		doctor_ok(line, "single issuer, deferred task run");
	} else if (errno == EPERM) {
		doctor_stop(
			line,
			"sysctl kernel.io_uring_disabled=0, or let the container's seccomp profile "
			"pass io_uring_*",
			"forbidden");
	} else if (errno == ENOSYS) {
		doctor_stop(line,
			    "use a kernel with CONFIG_IO_URING, or a container that passes it",
			    "this kernel has none");
	} else {
		doctor_warn(line, "use kernel 6.1 or later", "a ring cannot be made: %s",
			    strerror(errno));
	}
}

void
doctor_af_xdp(const struct doctor_ask *ask, struct doctor_line *line)
{
	int fd = socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0);

	(void)ask;
	if (fd >= 0) {
		close(fd);
		doctor_ok(line, "sockets can be made");
	} else if (errno == EPERM) {
		doctor_warn(line,
			    "start the node as root, or with CAP_NET_RAW, CAP_BPF, CAP_NET_ADMIN",
			    "forbidden to this user: no net_af_xdp");
	} else {
		doctor_warn(line, "use a kernel with CONFIG_XDP_SOCKETS, or net_af_packet",
			    "this kernel has none");
	}
}

void
doctor_seccomp(const struct doctor_ask *ask, struct doctor_line *line)
{
	uint32_t action = SECCOMP_RET_KILL_PROCESS;

	(void)ask;
	if (syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) == 0) {
		doctor_ok(line, "filters can be set");
	} else {
		doctor_warn(line, "use a kernel with CONFIG_SECCOMP_FILTER",
			    "no filters: functions may make any system call");
	}
}

/* Whether a child of ours gets these namespaces. */
static bool
may_unshare(int flags)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		_exit(unshare(flags) == 0 ? 0 : 1);
	}
	return pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) &&
	       WEXITSTATUS(status) == 0;
}

void
doctor_namespaces(const struct doctor_ask *ask, struct doctor_line *line)
{
	const int wanted = CLONE_NEWNS | CLONE_NEWNET;

	(void)ask;
	if (may_unshare(wanted)) {
		doctor_ok(line, "mount and network, as this user");
	} else if (may_unshare(CLONE_NEWUSER | wanted)) {
		doctor_ok(line, "mount and network, through a user namespace");
	} else {
		doctor_warn(
			line,
			"sysctl kernel.unprivileged_userns_clone=1 user.max_user_namespaces=1024, "
			"or start the node as root",
			"refused: functions see the files and the network of the node's user");
	}
}

static void
limit(struct doctor_line *line, int resource, uint64_t min, const char *todo, const char *unit,
      bool bytes)
{
	struct rlimit r;
	char size[FMT_BYTES];

	if (getrlimit(resource, &r) != 0) {
		doctor_warn(line, todo, "cannot be read: %s", strerror(errno));
		return;
	}
	snprintf(size, sizeof(size), "%llu", (unsigned long long)r.rlim_max);
	if (bytes) {
		fmt_bytes(size, r.rlim_max);
	}
	if (r.rlim_max == RLIM_INFINITY) {
		doctor_ok(line, "no limit");
	} else if (r.rlim_max >= min) {
		doctor_ok(line, "%s%s", size, unit);
	} else {
		doctor_warn(line, todo, "at most %s%s", size, unit);
	}
}

void
doctor_memlock(const struct doctor_ask *ask, struct doctor_line *line)
{
	(void)ask;
	if (geteuid() == 0) {
		doctor_ok(line, "no limit, as root");
		return;
	}
	limit(line, RLIMIT_MEMLOCK, MEMLOCK_MIN,
	      "raise memlock in /etc/security/limits.conf (systemd: LimitMEMLOCK=infinity)", "",
	      true);
}

void
doctor_files(const struct doctor_ask *ask, struct doctor_line *line)
{
	(void)ask;
	limit(line, RLIMIT_NOFILE, FILES_MIN,
	      "raise nofile in /etc/security/limits.conf (systemd: LimitNOFILE=65536)", "", false);
}
