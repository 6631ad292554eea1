/* SPDX-License-Identifier: Apache-2.0 */
/* wait - how an executor that runs a call asks the node something, and waits
 *
 * A function is ordinary code: when it reads a key that is not cached, its stack waits. Who drives
 * the executor decides how: the real one polls its domain and puts calls that come meanwhile aside;
 * the simulator runs the function in a coroutine and switches away.
 */
#ifndef MB_EXEC_WAIT_H
#define MB_EXEC_WAIT_H

#include <stdint.h>

#include "desc.h"

struct exec_wait {
	/* The time, as deadlines are in. */
	uint64_t (*now_ns)(void *ctx);
	/* The wall's time, in microseconds since 1970: as keys end. */
	uint64_t (*wall_us)(void *ctx);
	/* Sends a message to a tile of the node, on one of the ports below PORT_DIRECT_FIRST. Waits
	 * for room. Returns 0; MB_ERR_NO_NODE. */
	int (*send)(void *ctx, uint32_t port, const struct desc *d);
	/* Waits for the next answer of a cache tile, or what sched has of messages (message.h),
	 * until the time until_ns (0: without end).
	 * Returns 1 with *ret; 0 at that time; MB_ERR_NO_NODE. */
	int (*answer)(void *ctx, uint64_t until_ns, struct desc *ret);
	/* Waits until what calls before this one have written is acknowledged (owed.h). NULL: it is
	 * always. Returns 0; MB_ERR_NO_NODE. */
	int (*settle)(void *ctx);
	void *ctx;
};

#endif
