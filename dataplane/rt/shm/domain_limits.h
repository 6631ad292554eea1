/* SPDX-License-Identifier: Apache-2.0 */
/* domain_limits - how much of everything one domain (one node and the processes on its machine) may
 * have
 *
 * (Not called limits: gcc's own <limits.h> would find ours in its place.)
 *
 * The numbers that size shared memory stand together here, so that they can be checked against
 * each other. Past a limit a caller gets a typed error that names it.
 */
#ifndef MB_RT_DOMAIN_LIMITS_H
#define MB_RT_DOMAIN_LIMITS_H

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "slice.h"

/* Processes. Index 0 is the daemon. An index is used again only when every survivor has let go of
 * the dead process that had it, and then under a new incarnation. */
#define PROC_DAEMON       0
#define PROC_EXEC_FIRST   1
#define PROC_EXEC_CNT     127 /* 64 that run functions, their successors during a swap, spares */
#define PROC_CLIENT_FIRST 128
#define PROC_CLIENT_CNT   256
#define PROC_CNT_MAX      384

#define EXECUTOR_CNT_MAX 64 /* executors that run functions at one time */
#define CLIENT_CNT_MAX   PROC_CLIENT_CNT

/* Tiles of the daemon that talk to processes; each process has one port for each of them. */
#define TILE_PORT_CNT 8

/* Ports of a process: the daemon's tiles first, then its direct channels. A client may reach every
 * executor directly; an executor serves as many direct clients, the rest come through sched. */
#define PORT_DIRECT_FIRST TILE_PORT_CNT
#define PORT_CNT          72

#define CHANNEL_CNT_MAX 1024 /* direct channels open in a domain */
#define CHANNEL_DEPTH   128  /* elements; 2 x what keeps 3 M calls/s busy across a 10 us stall */

#define DESC_BYTES        64
#define DESC_INLINE_BYTES 40

#define PAYLOAD_SLAB_MAX  (64u << 10)          /* larger payloads get a memfd of their own */
#define PAYLOAD_BYTES_MAX ((64u << 20) + 4096) /* a value of 64 MiB and its framing */
#define SLAB_BYTES        (4u << 20)
#define HAZARD_CNT        64
#define CPU_CNT_MAX       1024

#define KEY_BYTES_MAX 1024
/* Keys that begin so are the node's own (control/ctl/catalog.h): others read them, and do not write
 * them, and who lists keys is shown them only if he asks for this beginning. */
#define KEY_SYSTEM                                                                                 \
	"\xff"                                                                                     \
	"microburst/"
#define VALUE_BYTES_MAX (64u << 20)

#define FUNCTION_CNT_MAX 256
#define DAG_CNT_MAX      64
#define DAG_FUNCTION_MAX 64
#define DAG_EDGE_MAX     256
#define NAME_BYTES_MAX   64 /* of a function, a DAG, a tag; with the terminating zero */

static_assert(PROC_EXEC_FIRST + PROC_EXEC_CNT == PROC_CLIENT_FIRST, "process indices overlap");
static_assert(PROC_CLIENT_FIRST + PROC_CLIENT_CNT == PROC_CNT_MAX, "process indices overlap");
static_assert(PROC_EXEC_CNT >= EXECUTOR_CNT_MAX + EXECUTOR_CNT_MAX / 2, "no room to swap");
static_assert(PORT_CNT - PORT_DIRECT_FIRST >= EXECUTOR_CNT_MAX, "a client cannot reach them all");
static_assert((CHANNEL_DEPTH & (CHANNEL_DEPTH - 1)) == 0, "depth is a mask plus one");
/* Equal today, and meant so: NOLINTNEXTLINE(misc-redundant-expression) */
static_assert(VALUE_BYTES_MAX + 4096 <= PAYLOAD_BYTES_MAX, "a value does not fit a payload");

/* key_is_system tells whether a key is the node's own. */
static inline bool
key_is_system(struct slice key)
{
	return key.len >= sizeof(KEY_SYSTEM) - 1 &&
	       memcmp(key.p, KEY_SYSTEM, sizeof(KEY_SYSTEM) - 1) == 0;
}

#endif
