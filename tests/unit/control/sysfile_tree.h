/* SPDX-License-Identifier: Apache-2.0 */
/* sysfile_tree.h - a machine of one's own: a folder that stands for / */
#ifndef MB_TEST_SYSFILE_TREE_H
#define MB_TEST_SYSFILE_TREE_H

#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../base/test_cmocka.h"

#include "sysfile.h"

static char tree[64];

static inline void
tree_make(void)
{
	snprintf(tree, sizeof(tree), "/tmp/microburst-tree.XXXXXX");
	assert_non_null(mkdtemp(tree));
}

/* Makes the folders above a path. full: where it is in truth. */
static inline void
tree_folders(const char *path, char full[static 512])
{
	snprintf(full, 512, "%s%s", tree, path);
	for (char *slash = full + strlen(tree) + 1; (slash = strchr(slash, '/')) != NULL; slash++) {
		*slash = '\0';
		assert_true(mkdir(full, 0755) == 0 || errno == EEXIST);
		*slash = '/';
	}
}

/* Writes a file and makes the folders above it. */
static inline void
tree_put(const char *path, const char *text)
{
	char full[512];

	tree_folders(path, full);
	assert_int_equal(sysfile_put(tree, path, text), 0);
}

/* Makes or changes a symbolic link, likewise. */
static inline void
tree_link(const char *path, const char *to)
{
	char full[512];

	tree_folders(path, full);
	assert_true(unlink(full) == 0 || errno == ENOENT);
	assert_int_equal(symlink(to, full), 0);
}

static inline int
tree_remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st;
	(void)flag;
	(void)ftw;
	return remove(path);
}

static inline void
tree_remove(void)
{
	assert_int_equal(nftw(tree, tree_remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
}

#endif
