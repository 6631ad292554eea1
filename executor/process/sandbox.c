/* SPDX-License-Identifier: Apache-2.0 */
/* sandbox.c - what each executor does to itself, before and after it has loaded its objects
 *
 * Order matters:
 *   - the user changes before the death signal is set: changing it clears the signal;
 *   - the parent is compared after that: it may have died just before;
 *   - limits come before the filter that forbids changing them, no_new_privs before any filter.
 *
 * Loading. dlopen wants a path, objects are memfds, and the jail has no /proc. The child's working
 * directory is therefore its own /proc/self/fd while it loads, and "./7" the object in fd 7. An
 * object's constructors run in that time; what they find around them cannot be opened
 * (sandbox_files.c). Before the first call the working directory is "/", and every file that
 * loading left open is closed.
 */
#include "sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "check.h"
#include "compiler.h"
#include "load.h"
#include "microburst/error.h"
#include "sandbox_int.h"

/* The socket, an eventfd for each of the node's threads, what arrives in one message before it is
 * mapped and closed, and while loading every object. */
#define FD_MAX (8 + DOMAIN_LCORE_MAX + 2 * DOMAIN_FD_MAX + LOAD_OBJECT_MAX)

void
sandbox_spawned(struct sandbox *sb)
{
	if (sb->proc_fd >= 0) {
		sb->self_fd = openat(sb->proc_fd, "self/fd", O_PATH | O_DIRECTORY | O_CLOEXEC);
		sb->statm_fd = openat(sb->proc_fd, "self/statm", O_RDONLY | O_CLOEXEC);
		close(sb->proc_fd);
		sb->proc_fd = -1;
	}
}

/* ------------------------------------------------------------------- enter */

static bool
own_user(uint32_t uid)
{
	return setgroups(0, NULL) == 0 && setresgid(uid, uid, uid) == 0 &&
	       setresuid(uid, uid, uid) == 0 && geteuid() == uid;
}

static int
end_with_parent(int32_t parent)
{
	return prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) == 0 && getppid() == parent
		       ? 0
		       : MB_ERR_NO_NODE;
}

/* For a child in a user namespace, whose user is not root but has capabilities there. */
static bool
drop_capabilities(void)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct none[2];

	memset(none, 0, sizeof(none));
	return syscall(SYS_capset, &head, none) == 0;
}

static bool
limit(__rlimit_resource_t what, uint64_t max)
{
	struct rlimit l = { .rlim_cur = max, .rlim_max = max };

	return setrlimit(what, &l) == 0;
}

/* Raising a limit needs a right that this process may not have; lowering none. */
static bool
limit_files(uint64_t max)
{
	struct rlimit l;

	if (getrlimit(RLIMIT_NOFILE, &l) != 0) {
		return false;
	}
	return limit(RLIMIT_NOFILE, MIN((uint64_t)l.rlim_max, max));
}

int
sandbox_enter(struct sandbox *sb, uint16_t proc)
{
	uint32_t bits = sb->bits & (SANDBOX_MOUNT | SANDBOX_NET | SANDBOX_IPC | SANDBOX_UTS);

	if (sb->off) {
		return end_with_parent(sb->parent);
	}
	if (geteuid() == 0 && own_user(sb->uid_base + proc)) {
		bits |= SANDBOX_UID;
	}
	if (end_with_parent(sb->parent) != 0) {
		return MB_ERR_NO_NODE;
	}
	if (drop_capabilities() && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0) {
		bits |= SANDBOX_NO_PRIVS;
	}
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0) {
		bits |= SANDBOX_NO_DUMP;
	}
	if (limit(RLIMIT_CORE, 0) && limit(RLIMIT_NPROC, 0) && limit(RLIMIT_FSIZE, 0) &&
	    limit(RLIMIT_MEMLOCK, 0) && limit(RLIMIT_MSGQUEUE, 0) && limit_files(FD_MAX)) {
		bits |= SANDBOX_RLIMIT;
	}
	if (sb->files_fd >= 0 && (bits & SANDBOX_NO_PRIVS) != 0) {
		if (files_restrict(sb->files_fd) != 0) {
			return MB_ERR_DENIED;
		}
		bits |= SANDBOX_FILES;
	}
	if (sb->filters != NULL && (bits & SANDBOX_NO_PRIVS) != 0) {
		if (filters_install(sb->filters, FILTER_LOAD) != 0) {
			return MB_ERR_DENIED;
		}
		bits |= SANDBOX_SECCOMP;
	}
	sb->bits = bits;
	return 0;
}

/* ---------------------------------------------------------------- loading */

int
sandbox_path_begin(const struct sandbox *sb)
{
	return sb->self_fd >= 0 && fchdir(sb->self_fd) == 0 ? 0 : MB_ERR_LOAD;
}

void
sandbox_path_end(void)
{
	int err = chdir("/");

	ENSURE(err == 0, "errno=%d", errno);
}

/* ------------------------------------------------------------------ memory */

bool
sandbox_memory(int statm_fd, uint64_t *ret_all, uint64_t *ret_private)
{
	unsigned long long all, private;
	char text[128] = "";
	ssize_t n;

	if (statm_fd < 0 || lseek(statm_fd, 0, SEEK_SET) != 0) {
		return false;
	}
	n = read(statm_fd, text, sizeof(text) - 1);
	if (n <= 0 || sscanf(text, "%llu %*u %*u %*u %*u %llu", &all, &private) != 2) {
		return false;
	}
	*ret_all = all * (uint64_t)sysconf(_SC_PAGESIZE);
	*ret_private = private * (uint64_t)sysconf(_SC_PAGESIZE);
	return true;
}

void
sandbox_memory_limit(struct sandbox *sb, uint64_t private_bytes, uint64_t shared_bytes)
{
	uint64_t all, private;

	if (!sb->off && !(sandbox_memory(sb->statm_fd, &all, &private) &&
			  limit(RLIMIT_DATA, private + private_bytes) &&
			  limit(RLIMIT_AS, all + private_bytes + shared_bytes))) {
		sb->bits &= ~(uint32_t)SANDBOX_RLIMIT;
	}
}

/* ------------------------------------------------------------------- close */

/* Closes everything but the standard ones and keep. */
static bool
close_others(const int *keep, uint32_t keep_cnt)
{
	unsigned int from = STDERR_FILENO + 1;

	for (uint32_t i = 0; i <= keep_cnt; i++) {
		unsigned int to = i < keep_cnt ? (unsigned int)keep[i] : UINT32_MAX;

		if (to < from) {
			continue;
		}
		if (i == keep_cnt ? syscall(SYS_close_range, from, UINT32_MAX, 0) != 0
				  : to > from && syscall(SYS_close_range, from, to - 1, 0) != 0) {
			return false;
		}
		from = to + 1;
	}
	return true;
}

int
sandbox_close(struct sandbox *sb, const int *keep, uint32_t keep_cnt)
{
	if (!close_others(keep, keep_cnt)) { /* our own among them */
		return MB_ERR_DENIED;
	}
	sb->self_fd = sb->files_fd = -1;
	if ((sb->bits & SANDBOX_SECCOMP) != 0 && filters_install(sb->filters, FILTER_RUN) != 0) {
		return MB_ERR_DENIED;
	}
	return 0;
}
