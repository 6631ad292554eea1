/* SPDX-License-Identifier: Apache-2.0 */
/* hints - the one page set of a domain that more than one process writes
 *
 * Doorbells, waiting flags, claims and spin tokens are words that many processes must change, so
 * no process can own them. Everything here is therefore a hint: whatever a hostile or dying process
 * leaves in it may delay others by a bounded time, never corrupt them.
 *
 *   bell.bits     which ports have something new. Wrong bits: a port is looked at for nothing, or
 *                 found at the next sweep (before each sleep, and now and then without one).
 *   bell.waiting  somebody sleeps here. Wrong: a wake is wasted, or a sleep lasts its whole
 *                 timeout, at most WAIT_MAX_NS.
 *   claim         whose call an executor serves. Wrong: two calls queue behind each other, or a
 *                 call goes through sched; an idle executor frees whatever its claim holds.
 *   spin          which process may spin on a cpu. Wrong: nobody spins, or two do.
 *
 * The argument for no lost wake (Dekker's pattern, two flags, a full fence between own store and
 * the other's load, on both sides):
 *
 *   producer                          consumer
 *   publish tail          (R1)        bell_arm: waiting = 1
 *   bell_ring: bits |= bit  - full    full fence
 *   waiting == 1 ? wake               poll every port once more; nothing -> bell_sleep
 *
 *  W1  Either the consumer's last poll sees the tail, or the producer's load sees waiting = 1.
 *  W2  The wake changes waiting from 1 to 0 before it wakes, and the sleep names 1 as the value it
 *      expects, so a wake between the last poll and the sleep is not lost.
 *  W3  A sleep ends after WAIT_MAX_NS in any case: the price of a scribbled neighbour.
 *  W4  Who dies between taking waiting down and making the call leaves a sleeper that no later ring
 *      wakes. So whoever tells of a death makes the call whether bell_ring asks for it or not
 *      (channel_wake). Likewise sched tries again after a death, whatever the claim says: the dead
 *      may have freed it, seen CLAIM_WANTED, and never have said so.
 *  W5  A bell has one owner, but the owner may wait for it in two places: the ring of its lcore
 *      (net_tile) still awaits the word when a datagram has ended that sleep, and what the
 *      datagram asks for then waits in bell_sleep. So a wake is for all who wait: a wake of one
 *      would go to the ring, which sleeps no more.
 *
 * All of it is run in every interleaving by tests/prop/rt.
 */
#ifndef MB_RT_HINTS_H
#define MB_RT_HINTS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "compiler.h"
#include "domain_limits.h"

#define WAIT_MAX_NS UINT64_C(1000000000)

#define BELL_WORDS (PROC_CNT_MAX / 64)

/* Bits: for a process's bell its port, for a tile's bell the process. One line, written by all. */
struct bell {
	_Atomic uint64_t bits[BELL_WORDS];
	_Atomic uint32_t waiting;
	uint32_t pad[3];
};
static_assert(sizeof(struct bell) == CACHE_LINE, "a bell is one line");

struct hint_word {
	_Atomic uint64_t v;
	uint64_t pad[7];
};
static_assert(sizeof(struct hint_word) == CACHE_LINE, "neighbours do not share a line");

struct hints {
	struct bell proc[PROC_CNT_MAX];
	struct bell tile[TILE_PORT_CNT];
	struct hint_word claim[PROC_EXEC_FIRST + PROC_EXEC_CNT];
	struct hint_word spin[CPU_CNT_MAX];
};

/* hints_create makes the pages in a memfd sealed against resizing and maps them.
 * Returns: 0 with *ret_fd (caller closes) and *ret; MB_ERR_NO_MEMORY. Threads: start-up only. */
int hints_create(int *ret_fd, struct hints **ret);
/* hints_attach maps a domain's hints from an fd that came with the welcome.
 * Returns: 0; MB_ERR_INVALID when the fd has another size or can be truncated; MB_ERR_NO_MEMORY. */
int hints_attach(int fd, struct hints **ret);
void hints_detach(struct hints *h);

/* bell_ring says that bit has something new, and wakes the owner if it sleeps. Call it after the
 * publishing store; it is the full fence of W1.
 * Returns: true when the owner was asleep and the caller must wake it (bell_wake for a process,
 *          the eventfd of its lcore for a tile). Cost: one locked instruction on one line. */
static inline bool
bell_ring(struct bell *bell, uint32_t bit)
{
	uint32_t one = 1;

	/* R2: sequentially consistent; pairs with A2 and A4 in hints.h. Without the fence the
	 * load below could pass the caller's publishing store, and both sides miss each other. */
	atomic_fetch_or_explicit(&bell->bits[bit / 64], UINT64_C(1) << (bit % 64),
				 memory_order_seq_cst);
#ifndef __x86_64__
	/* There a locked instruction is that fence. Elsewhere its store half can be passed. */
	atomic_thread_fence(memory_order_seq_cst);
#endif
	if (likely(atomic_load_explicit(&bell->waiting, memory_order_relaxed) == 0)) {
		return false;
	}
	return atomic_compare_exchange_strong(&bell->waiting, &one, 0);
}

/* bell_wake wakes the process that sleeps in bell_sleep; works through any mapping of the hints. */
void bell_wake(struct bell *bell);

/* bell_arm announces a sleep. The caller then polls every port once more, and either disarms or
 * sleeps. Threads: the bell's owner. */
static inline void
bell_arm(struct bell *bell)
{
	/* A2: sequentially consistent; pairs with R2 in bell_ring. */
	atomic_store_explicit(&bell->waiting, 1, memory_order_seq_cst);
	atomic_thread_fence(memory_order_seq_cst);
}

static inline void
bell_disarm(struct bell *bell)
{
	atomic_store_explicit(&bell->waiting, 0, memory_order_relaxed);
}

/* bell_sleep sleeps until rung, or for timeout_ns (at most WAIT_MAX_NS). Requires bell_arm before.
 * On return the bell is disarmed. */
void bell_sleep(struct bell *bell, uint64_t timeout_ns);

/* bell_take clears word w of the bits and returns what was set. Clear before draining, and set
 * again (bell_keep) the ports that a burst limit left undrained. */
static inline uint64_t
bell_take(struct bell *bell, uint32_t w)
{
	if (atomic_load_explicit(&bell->bits[w], memory_order_relaxed) == 0) {
		return 0;
	}
	/* A4: acquire; pairs with R2 in bell_ring. Who finds the bit finds what it was rung for. */
	return atomic_exchange_explicit(&bell->bits[w], 0, memory_order_acquire);
}

static inline void
bell_keep(struct bell *bell, uint32_t bit)
{
	atomic_fetch_or_explicit(&bell->bits[bit / 64], UINT64_C(1) << (bit % 64),
				 memory_order_relaxed);
}

/* The claim of an executor: 0 = free, else who has it (call_caller). The top bit says that sched
 * waits for it, so whoever frees it tells sched. A claim is freed by who took it, by the executor
 * when it is idle and finds it taken, or by ctl when the claimant died.
 *
 * The next bit says that it is sched's, and that whose call runs there may send more calls behind
 * it, if they are quick (direct.h). */
#define CLAIM_WANTED (UINT64_C(1) << 63)
#define CLAIM_LENT   (UINT64_C(1) << 62)

static inline uint64_t
claim_seen(const struct hints *h, uint16_t exec)
{
	return atomic_load_explicit(&h->claim[exec].v, memory_order_relaxed);
}

static inline bool
claim_try(struct hints *h, uint16_t exec, uint64_t who)
{
	uint64_t zero = 0;

	if (atomic_load_explicit(&h->claim[exec].v, memory_order_relaxed) != 0) {
		return false;
	}
	/* A7: acquire; pairs with R7 in claim_free. What the last holder did is done. */
	return atomic_compare_exchange_strong_explicit(&h->claim[exec].v, &zero, who,
						       memory_order_acquire, memory_order_relaxed);
}

/* claim_free gives the claim back if who still holds it. Returns: true when sched waits for it. */
static inline bool
claim_free(struct hints *h, uint16_t exec, uint64_t who)
{
	uint64_t seen = who;

	/* R7: sequentially consistent; pairs with A7 in claim_try. */
	if (atomic_compare_exchange_strong(&h->claim[exec].v, &seen, 0)) {
		return false;
	}
	if (seen == (who | CLAIM_WANTED)) {
		return atomic_compare_exchange_strong(&h->claim[exec].v, &seen, 0);
	}
	return false;
}

/* claim_show changes what the claim says. Threads: who holds it. Who has won it meanwhile, because
 * the executor thought that nobody used it, loses it: it is a hint. */
static inline void
claim_show(struct hints *h, uint16_t exec, uint64_t v)
{
	if (claim_seen(h, exec) != v) {
		atomic_store_explicit(&h->claim[exec].v, v, memory_order_relaxed);
	}
}

/* claim_want asks for a word when a taken claim is freed. Returns: false when it is free now. */
static inline bool
claim_want(struct hints *h, uint16_t exec)
{
	uint64_t seen = atomic_load_explicit(&h->claim[exec].v, memory_order_relaxed);

	while (seen != 0) {
		if ((seen & CLAIM_WANTED) != 0 ||
		    atomic_compare_exchange_weak(&h->claim[exec].v, &seen, seen | CLAIM_WANTED)) {
			return true;
		}
	}
	return false;
}

/* claim_drop clears whatever the claim holds. Returns: true when sched waits for it. Used by the
 * executor itself when idle, and by ctl. */
static inline bool
claim_drop(struct hints *h, uint16_t exec)
{
	if (atomic_load_explicit(&h->claim[exec].v, memory_order_relaxed) == 0) {
		return false;
	}
	return (atomic_exchange(&h->claim[exec].v, 0) & CLAIM_WANTED) != 0;
}

/* A cpu's spin token: who may spin there. who is never 0. The top bit says that the holder waits
 * for what may come from any cpu, and not just for his turn with the daemon: an lcore that keeps
 * the cpu to itself does not while it is set (lcore_idle.c, I4). Wrong: it yields in vain, or he
 * waits for its turn's end. */
#define SPIN_ANY (UINT64_C(1) << 63)

static inline bool
spin_try(struct hints *h, uint32_t cpu, uint64_t who)
{
	uint64_t seen = atomic_load_explicit(&h->spin[cpu].v, memory_order_relaxed);

	if (seen == who) {
		return true;
	}
	return (seen == 0 || (seen ^ who) == SPIN_ANY) &&
	       atomic_compare_exchange_strong(&h->spin[cpu].v, &seen, who);
}

static inline void
spin_release(struct hints *h, uint32_t cpu, uint64_t who)
{
	uint64_t seen = atomic_load_explicit(&h->spin[cpu].v, memory_order_relaxed);

	if ((seen & ~SPIN_ANY) == (who & ~SPIN_ANY)) {
		atomic_compare_exchange_strong(&h->spin[cpu].v, &seen, 0);
	}
}

static inline bool
spin_any(const struct hints *h, uint32_t cpu)
{
	return (atomic_load_explicit(&h->spin[cpu].v, memory_order_relaxed) & SPIN_ANY) != 0;
}

#endif
