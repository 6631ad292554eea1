/* SPDX-License-Identifier: Apache-2.0 */
/* channel - see channel.h for the picture and C1..C5
 *
 * Why no sequence numbers in the slots: they would save the consumer one line a message, but a
 * hostile producer could then show an element, change it and show it again; with an index, what is
 * published is decided by one word.
 *
 * What a death leaves, by where the producer stops:
 *   before the tail store   the element does not exist (C1); the slot holds anything
 *   after the tail store    the element exists; the bell may not have been rung: the consumer finds
 *                           it at its next sweep, and ctl's notice of the death makes it sweep (C5)
 * and the consumer:
 *   before the head store   the element was copied but the producer still counts it as queued
 *   after it                it was taken
 * Whether a taken call had effects is not decided here but by what the cache accepted.
 */
#include "channel.h"

#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "check.h"
#include "compiler.h"
#include "weave.h"

#define MASK (CHANNEL_DEPTH - 1)

void
channel_init(struct channel *ch, const struct region *own, uint32_t port, const struct region *peer,
	     uint32_t peer_port, struct bell *bell, uint32_t bell_bit, int wake_fd)
{
	REQUIRE(own->rw != NULL);
	REQUIRE(port < own->at.port_cnt);
	REQUIRE(peer_port < peer->at.port_cnt);
	REQUIRE(bell_bit < BELL_WORDS * 64);
	*ch = (struct channel){
		.tx_slots = region_slots(own, port),
		.tx_tail = region_tx(own, port),
		.tx_head = region_rx(peer, peer_port),
		.rx_slots = region_slots(peer, peer_port),
		.rx_head = region_rx(own, port),
		.rx_tail = region_tx(peer, peer_port),
		.bell = bell,
		.bell_bit = bell_bit,
		.wake_fd = wake_fd,
		.port = (uint16_t)port,
	};
}

void
channel_clear(struct channel *ch)
{
	atomic_store_explicit(&ch->tx_tail->v, 0, memory_order_relaxed);
	atomic_store_explicit(&ch->rx_head->v, 0, memory_order_relaxed);
	*ch = (struct channel){ .err = MB_ERR_PEER_DIED };
}

static noinline int
channel_corrupt(struct channel *ch)
{
	ch->tail_seen = ch->head; /* what was seen and not read yet is not read any more */
	ch->err = MB_ERR_PEER_CORRUPT;
	return ch->err;
}

int
channel_space(struct channel *ch, uint32_t want)
{
	uint64_t head;

	if (unlikely(ch->err != 0)) {
		return ch->err;
	}
	if (likely(ch->tail - ch->head_seen + want <= CHANNEL_DEPTH)) {
		return (int)(CHANNEL_DEPTH - (ch->tail - ch->head_seen));
	}
	/* A3: acquire; pairs with R3 in channel_recv. The slots below head may be written again. */
	head = atomic_load_explicit(&ch->tx_head->v, memory_order_acquire);
	if (unlikely(head - ch->head_seen > ch->tail - ch->head_seen)) {
		return channel_corrupt(ch); /* C3: it went back, or past our tail */
	}
	ch->head_seen = head;
	return (int)(CHANNEL_DEPTH - (ch->tail - head));
}

int
channel_put(struct channel *ch, const struct desc *d)
{
	int space = channel_space(ch, 1);

	if (unlikely(space <= 0)) {
		return space == 0 ? MB_ERR_FULL : space;
	}
	WEAVE("channel_put: fill slot");
	ch->tx_slots[ch->tail & MASK] = *d;
	ch->tail++;
	return 0;
}

void
channel_wake(struct channel *ch)
{
	uint64_t one = 1;

	if (ch->wake_fd < 0) {
		bell_wake(ch->bell);
		return;
	}
	/* A full or closed eventfd needs no wake: it is readable, or nobody is there. */
	if (write(ch->wake_fd, &one, sizeof(one)) < 0) {
		return;
	}
}

void
channel_flush(struct channel *ch)
{
	if (ch->err != 0) {
		return;
	}
	/* R1: release; pairs with A1 in channel_recv. Publishes the slots below tail. Without it
	 * the consumer could see the new tail before what the slots hold. */
	atomic_store_explicit(&ch->tx_tail->v, ch->tail, memory_order_release);
	if (unlikely(bell_ring(ch->bell, ch->bell_bit))) {
		channel_wake(ch);
	}
}

int
channel_send(struct channel *ch, const struct desc *d)
{
	int err = channel_put(ch, d);

	if (likely(err == 0)) {
		channel_flush(ch);
	}
	return err;
}

int
channel_recv(struct channel *ch, struct desc *ret)
{
	uint64_t tail;

	if (ch->head == ch->tail_seen) {
		if (unlikely(ch->err != 0)) {
			return ch->err == MB_ERR_PEER_DIED ? 0 : ch->err;
		}
		/* A1: acquire; pairs with R1 in channel_flush. */
		tail = atomic_load_explicit(&ch->rx_tail->v, memory_order_acquire);
		if (tail == ch->head) {
			return 0;
		}
		if (unlikely(tail - ch->head > CHANNEL_DEPTH)) {
			return channel_corrupt(ch); /* C3 */
		}
		ch->tail_seen = tail;
	}
	WEAVE("channel_recv: copy slot");
	memcpy(ret, &ch->rx_slots[ch->head & MASK], sizeof(*ret)); /* C4 */
	ch->head++;
	/* R3: release; pairs with A3 in channel_space. Gives the slot back after it was copied. */
	atomic_store_explicit(&ch->rx_head->v, ch->head, memory_order_release);
	return 1;
}

bool
channel_taken(struct channel *ch, uint64_t seq)
{
	uint64_t head;

	if (seq < ch->head_seen) {
		return true;
	}
	/* A3: acquire; pairs with R3 in channel_recv. */
	head = atomic_load_explicit(&ch->tx_head->v, memory_order_acquire);
	return head - ch->head_seen <= ch->tail - ch->head_seen && seq < head;
}
