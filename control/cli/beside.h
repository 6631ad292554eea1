/* SPDX-License-Identifier: Apache-2.0 */
/* beside - where the rest of Microburst is, seen from this program
 *
 * Nothing is compiled in, so an installed tree may be moved, and a build directory works as it is:
 *
 *	PREFIX/bin/microburst                   build/control/cli/microburst
 *	PREFIX/bin/microburstd, or sbin          build/control/microburstd
 *	PREFIX/libexec/microburst/bench         build/perf/bench
 *	PREFIX/include/microburst/function.h    build/control/cli/include.txt says where
 *
 * Threads: any.
 */
#ifndef MB_CLI_BESIDE_H
#define MB_CLI_BESIDE_H

#include <limits.h>

/* Where a program is, /proc says. */
#define BESIDE_NO_NODE                                                                             \
	"there is no microburstd beside this program, or no /proc: build, install or mount it"

/* beside_program finds a program of ours by its name.
 * Returns: 0 with its path in ret; MB_ERR_NOT_FOUND. */
int beside_program(const char *name, char ret[static PATH_MAX]);

/* beside_includes gives the compiler's options that find <microburst/function.h>: "-I" and a folder
 * each, NULL behind the last.
 * Returns: 0; MB_ERR_NOT_FOUND.
 * Owns:    the strings and the array are the caller's, for as long as the process. */
int beside_includes(char ***ret);

#endif
