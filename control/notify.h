/* SPDX-License-Identifier: Apache-2.0 */
/* notify - tell the service manager how the node is: systemd's Type=notify, or whoever speaks that
 *
 * Who started us names a datagram socket in $NOTIFY_SOCKET and takes lines like READY=1 there.
 * Without the variable nobody listens, and everything here does nothing. The two variables are
 * taken out of the environment: what we fork is not to speak for us.
 *
 * Threads: notify_take one, at the start; notify_tell any, and signal handlers.
 */
#ifndef MB_NOTIFY_H
#define MB_NOTIFY_H

#include <stdint.h>

#define NOTIFY_PATH_BYTES 108 /* of a Unix socket's address */

struct notify {
	char path[NOTIFY_PATH_BYTES]; /* "": nobody listens */
	uint64_t watchdog_ns;         /* we are killed when silent for so long; 0: never */
};

/* notify_take reads NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID, and unsets them. A path that no
 * socket can have, and a time that is none, count as absent. */
void notify_take(struct notify *ret);

/* notify_tell sends lines "KEY=VALUE". It never waits, keeps errno, and what cannot be sent is
 * lost. Returns: 0; MB_ERR_IO. */
int notify_tell(const struct notify *n, const char *text);

#endif
