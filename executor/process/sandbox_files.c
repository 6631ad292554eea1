/* SPDX-License-Identifier: Apache-2.0 */
/* sandbox_files.c - no files but libraries, by Landlock
 *
 * In the jail there are no other files to begin with; this is for what is outside of it and can
 * still be reached: the procfs through which objects are loaded, and on a machine that allows no
 * jail everything that the node's user can read. It lasts from before the first object is loaded;
 * once functions run no file can be opened at all.
 *
 * An object itself is a memfd, which Landlock leaves alone: it has no place in the file system.
 */
#include <fcntl.h>
#include <linux/landlock.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "microburst/error.h"
#include "sandbox_int.h"

const char *const sandbox_library_dir[] = { "/usr/lib",    "/usr/lib32",     "/usr/lib64",
					    "/usr/libx32", "/usr/local/lib", "/lib",
					    "/lib32",      "/lib64",         "/libx32",
					    NULL };

/* All that the first version of Landlock knows: reading, and whatever the filter refuses anyway. */
#define HANDLED                                                                                    \
	(LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_WRITE_FILE |                              \
	 LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR |                              \
	 LANDLOCK_ACCESS_FS_REMOVE_DIR | LANDLOCK_ACCESS_FS_REMOVE_FILE |                          \
	 LANDLOCK_ACCESS_FS_MAKE_CHAR | LANDLOCK_ACCESS_FS_MAKE_DIR |                              \
	 LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_SOCK |                              \
	 LANDLOCK_ACCESS_FS_MAKE_FIFO | LANDLOCK_ACCESS_FS_MAKE_BLOCK |                            \
	 LANDLOCK_ACCESS_FS_MAKE_SYM)

static bool
allow(int rules, const char *path)
{
	struct landlock_path_beneath_attr rule = { .allowed_access = LANDLOCK_ACCESS_FS_READ_FILE };
	struct stat st;
	bool ok;

	rule.parent_fd = open(path, O_PATH | O_CLOEXEC);
	if (rule.parent_fd < 0) {
		return true; /* not on this machine */
	}
	if (fstat(rule.parent_fd, &st) == 0 && S_ISDIR(st.st_mode)) {
		rule.allowed_access |= LANDLOCK_ACCESS_FS_READ_DIR;
	}
	ok = syscall(SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) == 0;
	close(rule.parent_fd);
	return ok;
}

int
files_make(void)
{
	struct landlock_ruleset_attr attr = { .handled_access_fs = HANDLED };
	int rules = (int)syscall(SYS_landlock_create_ruleset, &attr, sizeof(attr), 0);
	bool ok = rules >= 0 && allow(rules, SANDBOX_LIBRARY_CACHE);

	for (size_t i = 0; ok && sandbox_library_dir[i] != NULL; i++) {
		ok = allow(rules, sandbox_library_dir[i]);
	}
	if (!ok && rules >= 0) {
		close(rules);
	}
	return ok ? rules : -1;
}

int
files_restrict(int files_fd)
{
	return syscall(SYS_landlock_restrict_self, files_fd, 0) == 0 ? 0 : MB_ERR_DENIED;
}
