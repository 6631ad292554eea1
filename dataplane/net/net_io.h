/* SPDX-License-Identifier: Apache-2.0 */
/* net_io - where datagrams come from and go to: what sock and nic have in common
 *
 * One line of the configuration chooses (net.nic); the tile does not care. All functions but the
 * making are the tile's thread's.
 */
#ifndef MB_NET_IO_H
#define MB_NET_IO_H

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>

#include "compiler.h"
#include "seal.h"
#include "slice.h"
#include "wire.h"

struct lcore;

#define NET_IO_NAP_NEVER UINT64_MAX
#define NET_IO_FROM_MIN  4096u /* a copy of less costs less than a second piece, and a send alone */
#define NET_IO_SUM_MIN   256u  /* net_io_ops.sum is a call, which costs as much */

static_assert(WIRE_HEAD_BYTES % 2 == 0,
	      "a body's sum is known at even places only (frame_tail_of)");

struct net_io_stats {
	uint64_t rx, tx;
	uint64_t tx_dropped; /* there was no room, or nobody knows where to: they count as lost */
	uint64_t rx_bad;     /* cut off, or not what they claim to be */
	uint64_t rx_other;   /* a NIC's: for others, or of no kind that is spoken here */
	uint64_t rx_missed;  /* came while there was no room */
	uint64_t passed;     /* a NIC's: handed on to the tile they are for */
	bool up;             /* the link */
};

typedef void net_recv_fn(void *ctx, const struct wire_addr *from, struct slice datagram);
/* How many datagrams were who they said they were from, and no copies: told by the user of recv. */
typedef uint64_t net_proofs_fn(void *ctx);

struct net_io_ops {
	/* The calling thread becomes the owner; it runs on lcore. Returns: 0; MB_ERR_IO. */
	int (*start)(void *io, struct lcore *lcore);
	/* Calls fn for each datagram that came, at most max. The bytes are there, 8-aligned, until
	 * fn returns. Returns: how many; for a NIC, frames for its host itself count too. */
	int (*recv)(void *io, uint32_t max, uint64_t now_ns, net_recv_fn *fn, void *ctx);
	/* The memory of the next datagram to be sent, for len bytes; NULL: it is dropped, and
	 * counted. send sends len of them, flush makes a burst of sends go. */
	uint8_t *(*room)(void *io, size_t len);
	void (*send)(void *io, const struct wire_addr *to, size_t len);
	/* What is sent next ends with a copy of body, which is about to be made: whoever sums what
	 * he sends sums it here. NULL: nobody does. */
	void (*sum)(void *io, struct slice body);
	void (*flush)(void *io);
	/* Sends head and, behind it, a long body from where that is, at once; both are the
	 * caller's again when it returns. stays: the body is so only when flush returns, and may
	 * go with others. Returns: false when this cannot: it is to be copied to a room. NULL:
	 * never. */
	bool (*send_from)(void *io, const struct wire_addr *to, struct slice head,
			  struct slice body, bool stays);
	/* The lcore is about to sleep, or awake: something that comes wakes it. */
	void (*arm)(void *io, bool up);
	/* How long the lcore may sleep although nothing would wake it: for what must be looked at;
	 * NET_IO_NAP_NEVER when arm is enough. */
	uint64_t (*nap_ns)(const void *io);
	/* Now and then, also for what a NIC does when its link has come up. */
	struct net_io_stats (*stats)(void *io);
	struct wire_addr (*local)(const void *io);
	size_t (*datagram_max)(const void *io);
	const char *(*text)(const void *io); /* which kind it is, and how it waits */
	/* Whom the io asks before it believes that an address has moved; NULL: it knows of none.
	 * Without it, it believes nobody before the one who was there has fallen silent. */
	void (*proofs)(void *io, net_proofs_fn *fn, void *ctx);
	void (*close)(void *io);
};

struct net_io {
	const struct net_io_ops *ops; /* NULL: none */
	void *io;
};

/* net_io_send_from sends a datagram whose body is long from where that is (send_from).
 * Returns: false: it is to be copied to a room. */
static inline bool
net_io_send_from(const struct net_io *io, const struct seal *seal, const struct wire_addr *to,
		 const struct wire_head *h, const uint8_t *body, bool stays)
{
	uint8_t head[WIRE_HEAD_BYTES];

	if (likely(h->len < NET_IO_FROM_MIN) || seal->cnt > 0 || io->ops->send_from == NULL) {
		return false;
	}
	wire_write(head, h);
	return io->ops->send_from(io->io, to, slice_of(head, sizeof(head)), slice_of(body, h->len),
				  stays);
}

/* net_io_send copies one to a room, and sends it from there. */
static inline void
net_io_send(const struct net_io *io, struct seal *seal, const struct wire_addr *to,
	    const struct wire_head *h, const uint8_t *body)
{
	size_t len = WIRE_HEAD_BYTES + (size_t)h->len + (seal->cnt > 0 ? SEAL_BYTES : 0);
	uint8_t *p = io->ops->room(io->io, len);

	if (p == NULL) {
		return;
	}
	if (h->len >= NET_IO_SUM_MIN && seal->cnt == 0 && io->ops->sum != NULL) {
		io->ops->sum(io->io, slice_of(body, h->len));
	}
	io->ops->send(io->io, to, seal_put(seal, p, h, body));
}

#endif
