/* SPDX-License-Identifier: Apache-2.0 */
/* lossy - a network that loses some of what is sent, for one UDP port of this machine
 *
 * A filter at the sockets: of each datagram that comes it draws whether it is lost. So no third
 * party stands on the way, and what is not lost takes as long as without.
 */
#ifndef MB_BENCH_LOSSY_H
#define MB_BENCH_LOSSY_H

#include <stdint.h>
#include <sys/types.h>

/* lossy_set makes the UDP sockets of a process that are at the port, or lead to it, lose so many in
 * a million from now on; 0: none. Another process's are reached as a debugger reaches them.
 * Returns: how many sockets; MB_ERR_DENIED; MB_ERR_IO. */
int lossy_set(pid_t pid, uint16_t port, uint32_t ppm);

#endif
