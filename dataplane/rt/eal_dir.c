/* SPDX-License-Identifier: Apache-2.0 */
/* eal_dir.c - <runtime_dir>/dpdk/<name>/, and who may be in it
 *
 * EAL puts a socket and, in some modes, files below $RUNTIME_DIRECTORY/dpdk/<file prefix>, and
 * leaves them at its end. They are removed here: only what lies in that one directory, and only
 * directories that are then empty, so a mistake in a path costs nothing of anybody's.
 *
 * The lock is on the directory itself, not on a file in it: nothing to leave behind. A directory
 * can be removed between being opened and being locked (another node ends); then the lock is on
 * something without a name, and the taking begins again.
 *
 * A node that was killed and is never started again leaves its directory for good. So who has taken
 * his looks at those beside it that are named alike (all but the node's name, at the end), are this
 * user's, and locked by nobody: what EAL left there goes, and the directory. For that moment he has
 * their lock; whose directory it is tries again for longer than that.
 */
#include "eal_dir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <microburst/error.h>

#include "check.h"

#define TAKE_TRY_CNT 200 /* nodes that end just now, or look what was left here */
#define TAKE_TRY_NS  1000000

static int
err_of(int e)
{
	switch (e) {
	case EACCES:
	case EPERM:
	case EROFS:
		return MB_ERR_DENIED;
	case ENOENT:
	case ENOTDIR:
		return MB_ERR_NOT_FOUND;
	default:
		return MB_ERR_IO;
	}
}

static bool
name_is(const char *name)
{
	static const char allowed[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	size_t len = strlen(name);

	return len > 0 && len < EAL_NAME_BYTES_MAX && strspn(name, allowed) == len;
}

static int
names_check(const char *path, const char *name, struct topo_why *why)
{
	if (!name_is(name)) {
		return topo_why_set(why, MB_ERR_CONFIG,
				    "\"%s\" is no name for a node: 1 to %d of A-Z a-z 0-9 - _",
				    name, EAL_NAME_BYTES_MAX - 1);
	}
	if (path[0] != '/' || strlen(path) >= EAL_PATH_BYTES_MAX) {
		return topo_why_set(
			why, MB_ERR_CONFIG,
			"\"%s\" is no runtime directory: an absolute path below %d bytes", path,
			EAL_PATH_BYTES_MAX);
	}
	return MB_OK;
}

/* Opens the directory and locks it. Where its name lies others may make it first (/tmp); then it is
 * not ours, or they can write there, and what EAL puts into it would be theirs to replace.
 * Returns the fd, -EAGAIN if somebody has it, or it was removed meanwhile, -EPERM if it is not ours
 * alone, -errno. */
static int
open_locked(const char *path)
{
	struct stat there, mine;
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0) {
		return errno == ENOENT ? -EAGAIN : -errno;
	}
	if (fstat(fd, &mine) != 0 || mine.st_uid != geteuid() || (mine.st_mode & 022) != 0) {
		close(fd);
		return -EPERM;
	}
	if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
		int e = errno; /* EWOULDBLOCK is EAGAIN here */

		close(fd);
		return -e;
	}
	if (stat(path, &there) != 0 || there.st_ino != mine.st_ino) {
		close(fd);
		return -EAGAIN;
	}
	return fd;
}

/* Removes <dir>/dpdk/<name> with what lies in it, and <dir>/dpdk if nothing else does.
 * Returns: whether there was one. */
static bool
clear(int dir_fd, const char *name)
{
	int dpdk_fd = openat(dir_fd, "dpdk", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	bool was = false;
	int fd;
	DIR *d;

	if (dpdk_fd < 0) {
		return false;
	}
	fd = openat(dpdk_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	d = fd < 0 ? NULL : fdopendir(fd);
	if (d != NULL) {
		for (struct dirent *e = readdir(d); e != NULL; e = readdir(d)) {
			unlinkat(fd, e->d_name, 0); /* refuses directories, so . and .. too */
		}
		closedir(d); /* and fd */
		was = unlinkat(dpdk_fd, name, AT_REMOVEDIR) == 0;
	} else if (fd >= 0) {
		close(fd);
	}
	close(dpdk_fd);
	unlinkat(dir_fd, "dpdk", AT_REMOVEDIR);
	return was;
}

/* Makes it if it is not there. Returns: as open_locked. */
static int
make_locked(const char *path, bool *made)
{
	if (mkdir(path, 0700) == 0) {
		*made = true;
	} else if (errno != EEXIST) {
		return -errno;
	}
	return open_locked(path);
}

/* Removes what nodes of this user left that died, where theirs is named as path is. */
static void
clear_others(const char *path, const char *name)
{
	const char *base = strrchr(path, '/') + 1;
	size_t len = strlen(base), name_len = strlen(name);
	char at[EAL_PATH_BYTES_MAX + NAME_MAX + 1];
	int n = (int)(base - path), fd;
	DIR *d;

	if (len <= name_len || strcmp(base + len - name_len, name) != 0) {
		return;
	}
	snprintf(at, sizeof(at), "%.*s", n, path);
	d = opendir(at);
	for (struct dirent *e = NULL; d != NULL && (e = readdir(d)) != NULL;) {
		const char *other = e->d_name + len - name_len;

		if (strlen(e->d_name) != len || strncmp(e->d_name, base, len - name_len) != 0 ||
		    strcmp(other, name) == 0 || !name_is(other)) {
			continue;
		}
		snprintf(at, sizeof(at), "%.*s%s", n, path, e->d_name);
		fd = open_locked(at);
		if (fd >= 0 && clear(fd, other)) {
			rmdir(at);
		}
		if (fd >= 0) {
			close(fd);
		}
	}
	if (d != NULL) {
		closedir(d);
	}
}

int
eal_dir_take(struct eal_dir *ret_dir, const char *path, const char *name, struct topo_why *why)
{
	struct eal_dir dir = { .lock_fd = -EAGAIN };
	int err = names_check(path, name, why);

	if (err != MB_OK) {
		return err;
	}
	for (int i = 0; i < TAKE_TRY_CNT && dir.lock_fd == -EAGAIN; i++) {
		if (i > 0) {
			nanosleep(&(struct timespec){ .tv_nsec = TAKE_TRY_NS }, NULL);
		}
		dir.lock_fd = make_locked(path, &dir.made);
	}
	if (dir.lock_fd == -EAGAIN) {
		return topo_why_set(why, MB_ERR_EXISTS,
				    "a running node has the runtime directory %s; stop it, or give "
				    "this one another",
				    path);
	}
	if (dir.lock_fd == -EPERM) {
		return topo_why_set(why, MB_ERR_DENIED,
				    "the runtime directory %s is not this user's alone: remove it",
				    path);
	}
	if (dir.lock_fd < 0) {
		return topo_why_set(why, err_of(-dir.lock_fd), "the runtime directory %s: %s", path,
				    strerror(-dir.lock_fd));
	}
	snprintf(dir.path, sizeof(dir.path), "%s", path);
	snprintf(dir.name, sizeof(dir.name), "%s", name);
	dir.made |= clear(dir.lock_fd, name); /* the dead one's is ours now */
	clear_others(path, name);
	*ret_dir = dir;
	return MB_OK;
}

void
eal_dir_release(struct eal_dir *dir)
{
	REQUIRE(dir->lock_fd >= 0);
	clear(dir->lock_fd, dir->name);
	if (dir->made) {
		rmdir(dir->path); /* not if the node left something of its own */
	}
	close(dir->lock_fd);
	dir->lock_fd = -1;
}
