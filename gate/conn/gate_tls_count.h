/* SPDX-License-Identifier: Apache-2.0 */
/* gate_tls_count - how much memory OpenSSL has taken, which takes it from the heap of the process
 *
 * OpenSSL's allocations are malloc's, and counted: it is told of no limit, as few of its ways have
 * ever been gone without memory. Who calls it looks before whether there is enough for one call.
 */
#ifndef MB_GATE_TLS_COUNT_H
#define MB_GATE_TLS_COUNT_H

#include <stdbool.h>
#include <stdint.h>

/* gate_tls_count_begin has all that OpenSSL takes from now on counted. Threads: start-up, before
 * OpenSSL is used at all. Returns: false: something has used it, and nothing will be counted. */
bool gate_tls_count_begin(void);

/* gate_tls_counted gives the bytes that OpenSSL has taken in calls of this thread, less those that
 * it gave back in them; below 0 when other threads took them. */
int64_t gate_tls_counted(void);

#endif
