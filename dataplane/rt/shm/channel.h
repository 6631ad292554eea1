/* SPDX-License-Identifier: Apache-2.0 */
/* channel - one process's end of the two one-way queues between it and one other process
 *
 * The queue towards the peer has its slots and tail in our region and its head in the peer's; the
 * queue from the peer is the mirror image. So each word has one writer, and a process that dies
 * between any two instructions leaves words that are each old or new, never half of a structure:
 * the slot of an unpublished element is simply not there yet.
 *
 *        our region                       peer's region
 *   tx   slots[128] tail   ───────────►   rx head
 *   rx   head              ◄───────────   slots[128] tail
 *
 * C1  Slots [head, tail) hold published elements; everything else belongs to the producer.
 * C2  Own indices are private copies (tail, head here); what our region shows is written from them
 *     and never read back.
 * C3  A foreign index counts only if it moved forward and leaves tail - head <= depth. Otherwise
 *     the channel is closed with MB_ERR_PEER_CORRUPT and never read again.
 * C4  An element is copied to private memory before any field of it is looked at.
 * C5  Elements arrive in order, once. What was published before the producer died can be read
 *     after it died.
 *
 * Staleness: a foreign index may be old; then the queue looks fuller, or emptier, than it is.
 * Threads: one, the owner of the end. Cost: see perf/ (`channel`): a round trip of two of them
 * costs about what a bare rte_ring's does, because a message moves two lines (slot, index) either
 * way.
 */
#ifndef MB_RT_CHANNEL_H
#define MB_RT_CHANNEL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "desc.h"
#include "hints.h"
#include "microburst/error.h"
#include "region.h"

struct channel {
	/* tx */
	struct desc *tx_slots;
	struct region_index *tx_tail;       /* ours */
	const struct region_index *tx_head; /* the peer's */
	uint64_t tail;
	uint64_t head_seen;
	/* rx */
	const struct desc *rx_slots;
	struct region_index *rx_head;       /* ours */
	const struct region_index *rx_tail; /* the peer's */
	uint64_t head;
	uint64_t tail_seen;
	/* whom to ring, and as which bit */
	struct bell *bell;
	uint32_t bell_bit;
	int wake_fd; /* eventfd of the peer's lcore; -1: the peer sleeps on its bell */
	/* who is there */
	uint16_t proc;
	uint16_t port; /* ours */
	uint32_t inc;
	int err; /* 0 open; MB_ERR_PEER_CORRUPT or MB_ERR_PEER_DIED once closed */
};

/* channel_init makes our end of the pair (own, port) - (peer, peer_port). Both ports are clear.
 * bell, bell_bit, wake_fd say how the peer is rung. */
void channel_init(struct channel *ch, const struct region *own, uint32_t port,
		  const struct region *peer, uint32_t peer_port, struct bell *bell,
		  uint32_t bell_bit, int wake_fd);

/* channel_clear returns our port to its unused state: both indices zero. The channel must not be
 * used afterwards. Do it before telling ctl that the port is closed. */
void channel_clear(struct channel *ch);

/* channel_space says how many elements fit now, reading the peer's head only if want do not fit by
 * what was last seen of it. Returns: 0..CHANNEL_DEPTH, or MB_ERR_PEER_CORRUPT. */
int channel_space(struct channel *ch, uint32_t want);

/* channel_send publishes one element and rings the peer.
 * Returns: 0; MB_ERR_FULL (nothing was sent); ch->err if the channel is closed. */
int channel_send(struct channel *ch, const struct desc *d);

/* channel_put writes one element into the next slot without publishing it; channel_flush publishes
 * all that were put and rings once. Put what channel_space allowed. */
int channel_put(struct channel *ch, const struct desc *d);
void channel_flush(struct channel *ch);

/* channel_to_tile tells whether the peer is a tile of the daemon. */
static inline bool
channel_to_tile(const struct channel *ch)
{
	return ch->wake_fd >= 0;
}

/* channel_wake makes the wake-up call that channel_send makes when the peer was asleep. */
void channel_wake(struct channel *ch);

/* channel_idle says that there was nothing to receive a moment ago: a look without a call, for who
 * polls many channels. */
static inline bool
channel_idle(const struct channel *ch)
{
	return ch->head == ch->tail_seen && ch->err == 0 &&
	       atomic_load_explicit(&ch->rx_tail->v, memory_order_relaxed) == ch->head;
}

/* channel_recv copies the oldest element into *ret and frees its slot.
 * Returns: 1; 0 when there is none; MB_ERR_PEER_CORRUPT, now and from then on. */
int channel_recv(struct channel *ch, struct desc *ret);

/* channel_taken says whether the peer has read our element number seq (0 is the first ever sent),
 * by what the peer's region says now. A hostile peer may lie; a dead one no longer moves. */
bool channel_taken(struct channel *ch, uint64_t seq);

#endif
