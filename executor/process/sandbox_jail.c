/* SPDX-License-Identifier: Apache-2.0 */
/* sandbox_jail.c - a root directory with libraries in it and nothing else
 *
 *   /                  tmpfs, read-only in the end
 *   /usr/lib ...       the machine's, bound read-only, without devices and set-user-id
 *   /lib -> usr/lib    links as on the machine
 *   /etc/ld.so.cache   a copy, so that libraries are found where the machine keeps them
 *
 * It is made once, for the zygote and all executors: there is nothing in it that one could leave
 * for another, and an executor is spawned without a single mount. Loading an object needs a path to
 * a file that has none (a sealed memfd); the zygote keeps a procfs open that is mounted nowhere,
 * and a child reaches its own /proc/self/fd through it, as its working directory, while it loads
 * (sandbox.c).
 *
 * As root the namespaces are simply made. Without it they are made inside a user namespace of their
 * own, which gives the same jail but no user of its own; where the system refuses that too, the
 * bits stay out of sb->bits. What remains is that no file but libraries can be read while objects
 * are loaded (sandbox_files.c), and none at all from the first call on (sandbox_filter.c).
 *
 * Until the new root is entered every failure is undone by doing nothing: the mounts are the
 * namespace's own. From pivot_root on a failure is an error, because half a jail is none.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <linux/mount.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "compiler.h"
#include "load.h"
#include "sandbox_int.h"
#include <microburst/error.h>

/* Where the new root is put together: any directory that every machine has. What it covers is seen
 * by nobody in this namespace. */
#define NEW_ROOT "/proc"

static int
refuse(char *why, const char *what, const char *path)
{
	snprintf(why, SANDBOX_WHY_BYTES, "cannot %.40s %.60s: %.40s", what, path, strerror(errno));
	return MB_ERR_NOT_SUPPORTED;
}

/* ------------------------------------------------------------- namespaces */

static bool
write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	bool ok = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);

	if (fd >= 0) {
		close(fd);
	}
	return ok;
}

/* A user namespace in which this process may make the other ones; it stays who it is. */
static bool
user_namespace(void)
{
	uid_t uid = geteuid();
	gid_t gid = getegid();
	char map[64];

	if (unshare(CLONE_NEWUSER) != 0) {
		return false;
	}
	snprintf(map, sizeof(map), "%u %u 1", uid, uid);
	if (!write_file("/proc/self/uid_map", map)) {
		return false;
	}
	snprintf(map, sizeof(map), "%u %u 1", gid, gid);
	return write_file("/proc/self/setgroups", "deny") && write_file("/proc/self/gid_map", map);
}

/* Makes the namespaces. Returns the bits of those that are there; *ret_nested, whether they are
 * inside a user namespace, where there are no other users. */
static uint32_t
namespaces(bool *ret_nested)
{
	static const struct {
		int flag;
		uint32_t bit;
	} ns[] = {
		{ CLONE_NEWNET, SANDBOX_NET },
		{ CLONE_NEWIPC, SANDBOX_IPC },
		{ CLONE_NEWUTS, SANDBOX_UTS },
		{ CLONE_NEWNS, SANDBOX_MOUNT },
	};
	uint32_t bits = 0;

	for (int turn = 0; turn < 2 && bits == 0; turn++) {
		if (turn == 1 && !user_namespace()) {
			break;
		}
		*ret_nested = turn == 1;
		for (size_t i = 0; i < ARRAY_CNT(ns); i++) {
			if (unshare(ns[i].flag) == 0) {
				bits |= ns[i].bit;
			}
		}
	}
	if ((bits & SANDBOX_UTS) != 0 && sethostname("executor", strlen("executor")) != 0) {
		bits &= ~(uint32_t)SANDBOX_UTS; /* the machine's name is still to be read */
	}
	return bits;
}

/* ------------------------------------------------------------------ procfs */

/* A procfs that shows a process only itself, mounted nowhere. */
static int
proc_private(void)
{
	int fs = (int)syscall(SYS_fsopen, "proc", FSOPEN_CLOEXEC);
	int fd = -1;

	if (fs < 0) {
		return -1;
	}
	if (syscall(SYS_fsconfig, fs, FSCONFIG_SET_STRING, "hidepid", "invisible", 0) == 0 &&
	    syscall(SYS_fsconfig, fs, FSCONFIG_SET_STRING, "subset", "pid", 0) == 0 &&
	    syscall(SYS_fsconfig, fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) == 0) {
		fd = (int)syscall(SYS_fsmount, fs, FSMOUNT_CLOEXEC,
				  MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
	}
	close(fs);
	return fd;
}

static int
proc_open(void)
{
	int fd = proc_private();

	/* Inside a user namespace there is no other one to be had than the machine's. */
	return fd >= 0 ? fd : open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
}

/* -------------------------------------------------------------------- root */

static bool
make_dirs(char *path)
{
	for (char *p = strchr(path + sizeof(NEW_ROOT), '/'); p != NULL; p = strchr(p + 1, '/')) {
		*p = '\0';
		if (mkdir(path, 0755) != 0 && errno != EEXIST) {
			return false;
		}
		*p = '/';
	}
	return mkdir(path, 0755) == 0 || errno == EEXIST;
}

/* The flags that a bind mount has and must keep: inside a user namespace taking one away is
 * refused. */
static unsigned long
kept_flags(const char *path)
{
	static const struct {
		unsigned long st, ms;
	} flag[] = { { ST_NOEXEC, MS_NOEXEC },
		     { ST_NOATIME, MS_NOATIME },
		     { ST_NODIRATIME, MS_NODIRATIME },
		     { ST_RELATIME, MS_RELATIME } };
	unsigned long ms = 0;
	struct statvfs st;

	if (statvfs(path, &st) == 0) {
		for (size_t i = 0; i < ARRAY_CNT(flag); i++) {
			ms |= (st.f_flag & flag[i].st) != 0 ? flag[i].ms : 0;
		}
	}
	return ms;
}

static bool
bind_read_only(const char *from, char *to)
{
	return make_dirs(to) && mount(from, to, NULL, MS_BIND, NULL) == 0 &&
	       mount(NULL, to, NULL,
		     MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV | kept_flags(to),
		     NULL) == 0;
}

static int
add_library_dir(const char *dir, char *why)
{
	char to[PATH_MAX], target[PATH_MAX];
	struct stat st;
	ssize_t len;

	if (lstat(dir, &st) != 0) {
		return 0; /* not every machine has every one */
	}
	snprintf(to, sizeof(to), NEW_ROOT "%s", dir);
	if (S_ISDIR(st.st_mode)) {
		return bind_read_only(dir, to) ? 0 : refuse(why, "bind", dir);
	}
	len = readlink(dir, target, sizeof(target) - 1);
	if (len < 0) {
		return refuse(why, "read the link", dir);
	}
	target[len] = '\0';
	return symlink(target, to) == 0 ? 0 : refuse(why, "link", to);
}

/* Without it the loader looks in its built-in directories only; so a failure is no harm. */
static void
copy_loader_cache(void)
{
	int from = open(SANDBOX_LIBRARY_CACHE, O_RDONLY | O_CLOEXEC);
	int to = -1;
	char buf[4096];
	ssize_t n;

	if (from < 0) {
		return;
	}
	if (mkdir(NEW_ROOT "/etc", 0755) == 0) {
		to = open(NEW_ROOT SANDBOX_LIBRARY_CACHE, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	}
	while (to >= 0 && (n = read(from, buf, sizeof(buf))) > 0) {
		if (write(to, buf, (size_t)n) != n) {
			unlink(NEW_ROOT SANDBOX_LIBRARY_CACHE);
			break;
		}
	}
	close(from);
	if (to >= 0) {
		close(to);
	}
}

static int
build_root(char *why)
{
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0) {
		return refuse(why, "make private", "/");
	}
	if (mount("executor", NEW_ROOT, "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755,size=4m") != 0) {
		return refuse(why, "mount a tmpfs at", NEW_ROOT);
	}
	for (size_t i = 0; sandbox_library_dir[i] != NULL; i++) {
		int err = add_library_dir(sandbox_library_dir[i], why);

		if (err != 0) {
			return err;
		}
	}
	copy_loader_cache();
	if (mount(NULL, NEW_ROOT, NULL, MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV,
		  NULL) != 0) {
		return refuse(why, "make read-only", NEW_ROOT);
	}
	return 0;
}

/* The new root takes the place of the old one, which is then let go. */
static int
enter_root(char *why)
{
	if (chdir(NEW_ROOT) != 0 || syscall(SYS_pivot_root, ".", ".") != 0) {
		return refuse(why, "enter the new root", NEW_ROOT);
	}
	if (umount2(".", MNT_DETACH) != 0 || chdir("/") != 0) {
		return refuse(why, "leave the old root", "/");
	}
	return 0;
}

int
sandbox_jail(struct sandbox *sb, bool off, uint32_t uid_base, int32_t parent, char *why)
{
	bool nested = false;
	int err;

	*sb = (struct sandbox){ .off = off,
				.uid_base = uid_base,
				.parent = parent,
				.self_fd = -1,
				.statm_fd = -1,
				.files_fd = -1 };
	sb->proc_fd = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	why[0] = '\0';
	if (off) {
		return 0;
	}
	sb->bits = namespaces(&nested);
	sb->filters = filters_build();
	if ((sb->bits & SANDBOX_MOUNT) != 0) {
		if (sb->proc_fd >= 0) {
			close(sb->proc_fd);
		}
		sb->proc_fd = proc_open();
		if (build_root(why) != 0) {
			/* Still in the old root: as if the namespace had not been. */
			sb->bits &= ~(uint32_t)SANDBOX_MOUNT;
			(void)umount2(NEW_ROOT, MNT_DETACH);
		} else {
			err = enter_root(why);
			if (err != 0) {
				return err;
			}
		}
	}
	sb->files_fd = files_make();
	/* What each child will add, as far as it can be told now. */
	sb->bits |= sb->files_fd >= 0 ? SANDBOX_FILES : 0;
	sb->bits |= SANDBOX_NO_PRIVS | SANDBOX_NO_DUMP | SANDBOX_RLIMIT;
	sb->bits |= geteuid() == 0 && !nested ? SANDBOX_UID : 0;
	sb->bits |= sb->filters != NULL ? SANDBOX_SECCOMP : 0;
	return 0;
}
