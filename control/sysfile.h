/* SPDX-License-Identifier: Apache-2.0 */
/* sysfile - the small files through which the kernel shows and takes its settings
 *
 * Every path is looked up below a root, "" for the machine itself: tests put a tree of their own
 * there.
 *
 * Threads: any.
 */
#ifndef MB_CLI_SYSFILE_H
#define MB_CLI_SYSFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* sysfile_text reads the first line of a file, without its end. Returns: false if there is none. */
bool sysfile_text(const char *root, const char *path, char *ret, size_t bytes);

/* sysfile_u64 reads a file that holds one number. Returns: false if it holds none. */
bool sysfile_u64(const char *root, const char *path, uint64_t *ret);

/* sysfile_line reads what stands behind prefix in the first line that begins with it.
 * Returns: false if there is none. */
bool sysfile_line(const char *root, const char *path, const char *prefix, char *ret, size_t bytes);

/* sysfile_link reads the last part of where a symbolic link leads: a device's driver, its group.
 * Returns: false if there is none. */
bool sysfile_link(const char *root, const char *path, char *ret, size_t bytes);

/* sysfile_each calls fn, which may be NULL, for each entry of a folder, in no order; those with a
 * dot in front are left out. Returns: how many there are. */
uint32_t sysfile_each(const char *root, const char *path, void (*fn)(void *ctx, const char *name),
		      void *ctx);

/* sysfile_put writes text to a file. Returns: 0, or MB_ERR_IO with errno. */
int sysfile_put(const char *root, const char *path, const char *text);

#endif
