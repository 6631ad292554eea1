/* SPDX-License-Identifier: Apache-2.0 */
/* lcore_bell - how a thread of the daemon wakes a sleeping lcore
 *
 * Each side writes first and looks second, with a full fence between:
 *
 *      consumer (lcore)                     producer (any thread of the daemon)
 *      waiting = 1                          publish the element
 *      R11 full fence                       A11 full fence
 *      look at every queue again            waiting up?  take it down, write the eventfd
 *      all empty: sleep
 *
 * At least one of the two sees the other's write, so a sleeper never misses an element. Without
 * either fence both stores could still sit in store buffers while both sides look, and the element
 * would lie there until the next nap ends (a second).
 *
 * The one who takes the flag down is the one who rings, so a burst of producers costs one write.
 * Threads of the daemon only: they share this word writable. Other processes have their own flags
 * (tile_ops.arm) and their own eventfd (lcore_peer_add).
 */
#ifndef MB_RT_LCORE_BELL_H
#define MB_RT_LCORE_BELL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "compiler.h"

struct lcore_bell {
	_Alignas(CACHE_LINE) _Atomic uint32_t waiting; /* 1: asleep or about to be */
	int fd;                    /* eventfd, watched by the lcore's io_uring */
	_Atomic uint64_t rung_cnt; /* eventfd writes, for tests and metrics */
};

/* lcore_bell_ring writes the eventfd, whatever the flag says. Async-signal-safe.
 *
 * Threads:   any, and signal handlers.
 * Cost:      a system call.
 */
void lcore_bell_ring(struct lcore_bell *bell);

/* lcore_bell_ring_if_waiting wakes the lcore if it sleeps.
 *
 * Requires:  what it shall find has been published before (release or stronger).
 * Threads:   any thread of the daemon.
 * Cost:      a full fence and one read while the lcore is awake; a system call when it sleeps.
 */
static inline void
lcore_bell_ring_if_waiting(struct lcore_bell *bell)
{
	/* A11: full fence; pairs with R11 in lcore.c. Without it the flag could be read before the
	 * element is visible. */
	atomic_thread_fence(memory_order_seq_cst);
	if (likely(atomic_load_explicit(&bell->waiting, memory_order_relaxed) == 0))
		return;
	if (atomic_exchange_explicit(&bell->waiting, 0, memory_order_relaxed) != 0)
		lcore_bell_ring(bell);
}

#endif
