/* SPDX-License-Identifier: Apache-2.0 */
/* compile - a C file as a shared object that executors can load
 *
 * $CC (else cc) compiles it, with $CFLAGS behind our own options; both may be several words. What
 * the compiler says goes to standard error as it is.
 *
 * Threads: one. SIGINT and SIGQUIT while the compiler runs end it, and this process when what it
 * made is gone; unless they were ignored.
 */
#ifndef MB_CLI_COMPILE_H
#define MB_CLI_COMPILE_H

#define COMPILE_ERR_BYTES 512

/* compile_run compiles source.
 *
 * Returns:   0 with *ret_fd, the object, open for reading and already without a name;
 *            MB_ERR_COMPILE when the compiler found fault; MB_ERR_IO, MB_ERR_NOT_FOUND when it
 *            could not be run or does not find our header; err says which.
 * Owns:      the caller closes *ret_fd.
 */
int compile_run(const char *source, int *ret_fd, char err[static COMPILE_ERR_BYTES]);

#endif
