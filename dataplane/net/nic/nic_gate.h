/* SPDX-License-Identifier: Apache-2.0 */
/* nic_gate - keeps DPDK's interrupt thread out of a driver while a burst is under way
 *
 * The driver of memif hears of its peer's end in DPDK's interrupt thread, and unmaps there what
 * frames lie in, whoever reads them just then: a client that left ended the node (SIGSEGV in a
 * burst, DPDK 22.11). So that thread waits in a callback of ours (an alarm), and goes on for one
 * round every GATE_ROUND_NS; in a round nobody begins a burst, and it does not begin before all
 * bursts have ended. While no port has a link it goes as it likes, and nobody has a burst.
 *
 * A burst costs a store and a look each way, no fence: who shuts the gate makes all cpus see it
 * (membarrier). Orders (A acquires what R has released):
 *
 *	R1, A1  the gate is open: what the interrupt thread did in its round is seen by bursts
 *	R2, A2  a burst has ended: it is seen before the thread begins its round
 *	R3      busy is set before the gate is looked at; with membarrier one of both sees the other
 *
 * One gate for all ports of a process, as there is one interrupt thread. Threads: add and remove
 * at start and end; enter and leave the port's owner.
 */
#ifndef MB_NIC_GATE_H
#define MB_NIC_GATE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "compiler.h"

/* A port's place at the gate. */
struct nic_gate {
	_Atomic bool busy; /* in a burst */
	uint16_t port;     /* of DPDK's */
	bool connects;     /* it is begun again while it has no link: a memif's client */
	uint64_t next_tsc; /* when it may be begun again */
	struct nic_gate *next;
};

/* nic_gate_add: the port's bursts, of which there was none, go through the gate; g stays until
 * nic_gate_remove. A memif's client connects when it starts, and not again when the other end is
 * there again: one that connects is started anew while its owner looks in vain.
 * Returns: 0; MB_ERR_NOT_SUPPORTED: no membarrier.
 * nic_gate_remove: there are no more of them; before the port is closed. */
int nic_gate_add(struct nic_gate *g, uint16_t port, bool connects);
void nic_gate_remove(struct nic_gate *g);

/* Alone in its line: it is read for each burst. */
extern struct nic_gate_state {
	_Alignas(2 * CACHE_LINE) _Atomic bool shut;
} nic_gate_state;

/* What enter does when the gate is shut. */
bool nic_gate_shut(struct nic_gate *g);

/* nic_gate_enter begins a burst. Returns false when there may be none now: the port has no link, or
 * a round is under way, which takes some 50 us on a cpu that is free. */
static inline bool
nic_gate_enter(struct nic_gate *g)
{
	atomic_store_explicit(&g->busy, true, memory_order_relaxed);
	atomic_signal_fence(memory_order_seq_cst); /* R3 */
	return likely(!atomic_load_explicit(&nic_gate_state.shut, memory_order_acquire)) /* A1 */ ||
	       nic_gate_shut(g);
}

static inline void
nic_gate_leave(struct nic_gate *g)
{
	atomic_store_explicit(&g->busy, false, memory_order_release); /* R2 */
}

#endif
