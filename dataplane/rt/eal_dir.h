/* SPDX-License-Identifier: Apache-2.0 */
/* eal_dir - a node's runtime directory: taken by one node at a time, left as it was found
 *
 * Inside of eal.c. Whoever holds the directory's lock is the node that runs there; a dead one's
 * lock went with it, so what it left lying is cleared by the next: by the one that runs there, or
 * by one whose directory lies beside it and is named alike (PREFIX-NAME). No DPDK here.
 */
#ifndef MB_RT_EAL_DIR_H
#define MB_RT_EAL_DIR_H

#include <stdbool.h>

#include "eal.h"

struct eal_dir {
	int lock_fd; /* of the directory; -1: not taken */
	bool made;   /* by eal_dir_take, or by a node that died here */
	char path[EAL_PATH_BYTES_MAX];
	char name[EAL_NAME_BYTES_MAX];
};

/* eal_dir_take makes the directory if it is not there, locks it, and removes what EAL left in it at
 * an earlier crash, there and beside it.
 *
 * Returns:   0; MB_ERR_EXISTS when a running process has it; MB_ERR_CONFIG for a name or path that
 *            cannot be one; MB_ERR_DENIED, also when the directory is another user's or others
 *            may write there; MB_ERR_NOT_FOUND (its parent), MB_ERR_IO.
 */
int eal_dir_take(struct eal_dir *ret_dir, const char *path, const char *name, struct topo_why *why);

/* eal_dir_release removes EAL's part, and the directory itself if a node made it and it is empty,
 * and gives the lock back. */
void eal_dir_release(struct eal_dir *dir);

#endif
