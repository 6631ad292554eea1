/* SPDX-License-Identifier: Apache-2.0 */
/* zygote - starting the process that forks executors (executor/call/load.h has its protocol)
 *
 * It is exec'd, so it has none of the daemon's memory; the first time before the EAL starts, so
 * that it costs nothing; again whenever it has died.
 */
#ifndef MB_ZYGOTE_H
#define MB_ZYGOTE_H

#include <sys/types.h>

/* zygote_start runs path as a zygote.
 * Returns: 0 with its socket and pid; MB_ERR_NOT_FOUND when path cannot be run; MB_ERR_NO_MEMORY.
 * Owns: the caller closes *ret_fd, which ends the zygote, and reaps *ret_pid. Threads: any. */
int zygote_start(const char *path, const char *sandbox, int *ret_fd, pid_t *ret_pid);

#endif
