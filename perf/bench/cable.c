/* SPDX-License-Identifier: Apache-2.0 */
/* cable.c - see cable.h */
#include "cable.h"

#include <errno.h>
#include <fcntl.h>
#include <microburst/error.h>
#include <sched.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static int ends[CABLE_END_CNT] = { -1, -1 }, home = -1;

/* $1: the namespace at the other end. Nobody speaks IPv6 here, so nothing comes unasked. A kernel's
 * client sends to whoever is there. */
static const char script[] =
	"links='node af_packet af_xdp k_af_packet k_af_xdp r_af_xdp r_k_af_xdp'\n"
	"quiet='echo 1 >/proc/sys/net/ipv6/conf/default/disable_ipv6 || :'\n"
	"plain() { ethtool -K $1 tx off rx off tso off gso off gro off >/dev/null\n"
	"          ip link set $1 up; }\n"
	"if [ $# = 0 ]; then\n"
	"	for l in $links; do plain $l; done\n"
	"	exit\n"
	"fi\n"
	"eval \"$quiet\"; nsenter --net=$1 sh -c \"$quiet\"\n"
	"for l in $links; do ip link add $l type veth peer name $l netns $1; plain $l; done\n"
	"nsenter --net=$1 sh -ec \"$0\" \"$0\"\n"
	"ip addr add " CABLE_HERE_AT "/24 dev node\n"
	"n=0; for l in k_af_packet k_af_xdp r_k_af_xdp; do\n"
	"	n=$((n + 1))\n"
	"	ip addr add 10.78.$n.2/24 dev $l\n"
	"	ip neigh add 10.78.$n.1 lladdr 02:00:00:00:00:01 dev $l\n"
	"done\n";

/* The namespace of a thread is in /proc of that thread, which another process reads as well. */
static int
space_open(void)
{
	return open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
}

static int
space_make(int *ret)
{
	if (unshare(CLONE_NEWNET) != 0) {
		return MB_ERR_DENIED;
	}
	*ret = space_open();
	return *ret >= 0 ? 0 : MB_ERR_IO;
}

static int
links_make(void)
{
	char there[64];
	char *argv[] = {
		(char[]){ "sh" },
		(char[]){ "-ec" },
		(char *)(uintptr_t)script,
		(char *)(uintptr_t)script,
		there,
		NULL,
	};
	int status = -1;
	pid_t pid;

	snprintf(there, sizeof(there), "/proc/%d/fd/%d", (int)getpid(), ends[CABLE_THERE]);
	if (posix_spawnp(&pid, "sh", NULL, NULL, argv, environ) != 0 ||
	    waitpid(pid, &status, 0) != pid || status != 0) {
		return MB_ERR_NOT_FOUND;
	}
	return 0;
}

const char *
cable_need(void)
{
	static const char *why;
	static bool tried;
	int err;

	if (tried) {
		return why;
	}
	tried = true;
	home = space_open();
	err = home >= 0 ? space_make(&ends[CABLE_THERE]) : MB_ERR_IO;
	if (err == 0) {
		err = space_make(&ends[CABLE_HERE]);
	}
	if (err == 0) {
		err = links_make();
	}
	if (ends[CABLE_THERE] >= 0) { /* else it has never left */
		cable_leave();
	}
	why = err == 0               ? NULL
	      : err == MB_ERR_DENIED ? "there is no second host: network namespaces need root"
				     : "there is no second host: needs ip, ethtool and nsenter";
	return why;
}

int
cable_enter(enum cable_end end)
{
	return ends[end] >= 0 && setns(ends[end], CLONE_NEWNET) == 0 ? 0 : MB_ERR_IO;
}

void
cable_leave(void)
{
	if (home >= 0 && setns(home, CLONE_NEWNET) != 0) {
		abort(); /* all that follows would be elsewhere */
	}
}

void
cable_tell(struct cable_told *ret)
{
	ret->pid = getpid();
	memcpy(ret->fd, ends, sizeof(ends));
}

void
cable_hear(const struct cable_told *told)
{
	char path[64];

	if (home < 0) {
		home = space_open();
	}
	for (int i = 0; i < CABLE_END_CNT; i++) {
		if (ends[i] < 0 && told->fd[i] >= 0) {
			snprintf(path, sizeof(path), "/proc/%d/fd/%d", told->pid, told->fd[i]);
			ends[i] = open(path, O_RDONLY | O_CLOEXEC);
		}
	}
}
