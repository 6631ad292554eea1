/* SPDX-License-Identifier: Apache-2.0 */
/* host - one address on a link: who asks where it is, is told; what is sent to it, is passed on
 *
 * A NIC that the kernel has given away has nobody who answers for its address. This does: ARP,
 * neighbour solicitations and echo are answered; UDP to the one port is passed up; everything else
 * is dropped and counted.
 *
 * Neighbours. Where a datagram came from is where its answer goes: the neighbour (or the router in
 * between) is learned from it, as from ARP and neighbour discovery. So an end that is only ever
 * answering needs to know of no network mask and no router. For an address that it has not heard of
 * it asks, and the datagram counts as lost. The table is of a fixed size; the one heard of longest
 * ago makes room. One that was started again may be at another place on the link: it says so to all
 * (host_announce), which is learned by who knows it already.
 *
 * Anybody on the link can send in a neighbour's name. So who is heard is not moved by a datagram
 * from elsewhere, which is HOST_MOVED: what is said at once in answer to it goes where it came
 * from, so that whoever has moved can prove it to the user, who has more to tell by; then
 * host_settle. Who has not been heard for a while is believed to have moved. What ARP and neighbour
 * discovery say of one who was just heard raises a doubt only: if he falls silent he is asked for.
 *
 * Step core: pure. Owner: one thread.
 */
#ifndef MB_HOST_H
#define MB_HOST_H

#include "compiler.h"
#include "frame.h"
#include "wire.h"

#define HOST_WAYS      4u
#define HOST_SETS      512u              /* a power of two */
#define HOST_ASK_NS    UINT64_C(1000000) /* one question in this time */
#define HOST_EXPIRE_NS UINT64_C(60000000000)
#define HOST_STAYS_NS  UINT64_C(3000000000) /* shorter than FLOW_SILENCE_NS: nobody gives up */
#define HOST_DOUBT_NS  UINT64_C(500000000)  /* shorter than who comes up announces himself */

struct host_cfg {
	uint8_t mac[FRAME_MAC_BYTES];
	struct wire_addr at; /* its address and port: one of a host, not of all */
	uint16_t vlan;       /* 0: frames without a tag */
	uint16_t mtu;        /* bytes of an IP packet */
	bool partial;        /* neighbours on this machine: FRAME_SUM_PARTIAL */
	bool sum_by_nic;
	bool sum_none; /* neighbours that share memory with us */
};

struct host_stats {
	uint64_t corrupt; /* not what they claimed to be */
	uint64_t other;   /* for others, or of a kind not spoken here */
	uint64_t asked;   /* datagrams that could not go because nobody knows where */
	uint64_t told;    /* answers to ARP, neighbour solicitations, echo */
};

struct host_neighbour {
	uint8_t ip[FRAME_IP_BYTES];
	uint8_t mac[FRAME_MAC_BYTES];
	bool spoke;        /* a datagram came from there: it is not only said to be there */
	bool doubted;      /* somebody said that it is elsewhere */
	uint64_t heard_ns; /* 0: free */
};

struct host {
	struct host_cfg cfg;
	struct host_stats stats;
	uint32_t datagram_max;
	uint64_t asked_ns;
	/* They come in bursts from one: */
	uint32_t last;            /* the neighbour heard of last */
	uint32_t out_end;         /* of shorter ones what follows will do; 0: look at out_set */
	bool in_set, out_set;     /* whether what follows is there */
	struct wire_addr in_from; /* of the last datagram, which was its */
	uint8_t in_head[FRAME_AGAIN_BYTES];
	struct wire_addr out_to; /* of the last one that went to it */
	struct frame_again out_again;
	struct frame out;       /* what all datagrams from here have in common */
	struct frame_tail tail; /* of the next one */
	/* HOST_MOVED: where that datagram came from; heard_ns 0: none is at hand. */
	struct host_neighbour moved;
	struct host_neighbour neighbour[HOST_SETS * HOST_WAYS];
};

/* host_groups are the groups of Ethernet's that those who ask for, or tell of, an IPv6 address
 * send to: the NIC has to hear them. Pure. */
#define HOST_GROUPS 2u
void host_groups(const struct host_cfg *cfg, uint8_t ret[HOST_GROUPS][FRAME_MAC_BYTES]);

enum host_verdict { HOST_DROP = 0, HOST_DATAGRAM, HOST_ANSWER, HOST_MOVED };

void host_init(struct host *h, const struct host_cfg *cfg);

/* A frame of any kind; a datagram to anywhere. For host_input and host_output. */
enum host_verdict host_read(struct host *h, struct slice bytes, enum frame_sum sum, uint64_t now_ns,
			    struct wire_addr *ret_from, struct slice *ret, uint8_t *answer,
			    size_t room, size_t *ret_answer);
int host_write(struct host *h, const struct wire_addr *to, uint8_t *body, size_t len,
	       uint64_t now_ns, struct frame *f, size_t *ret_head, size_t *ret_ask);

/* host_input takes a frame. sum_good: the NIC has checked UDP's sum.
 * Returns:   HOST_DATAGRAM with *ret_from and *ret (in the frame); HOST_ANSWER with a frame of
 *            *ret_answer bytes at answer, to be sent; HOST_DROP; HOST_MOVED: as HOST_DATAGRAM, from
 *            elsewhere than its sender is known to be. Then host_settle before the next frame. */
static inline enum host_verdict
host_input(struct host *h, struct slice bytes, bool sum_good, uint64_t now_ns,
	   struct wire_addr *ret_from, struct slice *ret, uint8_t *answer, size_t room,
	   size_t *ret_answer)
{
	enum frame_sum sum = sum_good         ? FRAME_SUM_GOOD
			     : h->cfg.partial ? FRAME_SUM_PARTIAL
					      : FRAME_SUM_CHECK;

	if (likely(h->in_set) && likely(frame_again(bytes, sum, h->in_head, ret))) {
		h->neighbour[h->last].heard_ns = now_ns;
		*ret_from = h->in_from;
		return HOST_DATAGRAM;
	}
	return host_read(h, bytes, sum, now_ns, ret_from, ret, answer, room, ret_answer);
}

/* host_settle ends what host_input began with HOST_MOVED. proved: it did come from who it says it
 * is from, and is no copy of what did once. */
void host_settle(struct host *h, bool proved, uint64_t now_ns);

/* host_announce writes a frame at p that tells all on the link where this host is: when the link
 * has come up. Requires: FRAME_SMALL_MAX bytes. Returns: its length. */
size_t host_announce(const struct host *h, uint8_t *p);

/* host_join writes one that tells switches which group is heard here, of those that an IPv6 address
 * is asked for by: one that looks who hears what passes on nothing else. Told when the link has
 * come up, and when a switch asks. Requires: as host_announce. Returns: its length; 0: the address
 * is of IPv4, and there is no group. */
size_t host_join(const struct host *h, uint8_t *p);

/* host_datagram_max is how long a datagram may be on this link. */
size_t host_datagram_max(const struct host *h);

/* host_tail says that the body of the next datagram ends with a copy of tail (frame_tail_of). */
static inline void
host_tail(struct host *h, struct slice tail)
{
	if (!h->cfg.sum_by_nic && !h->cfg.sum_none) {
		h->tail = frame_tail_of(tail);
		h->out_end = 0;
	}
}

/* Whether one goes to where the last one went, whose neighbour is the one heard of last: they come
 * in bursts, as those that they answer. */
static inline bool
host_is_again(const struct host *h, const struct wire_addr *to, uint64_t now_ns)
{
	return wire_addr_eq(&h->out_to, to) &&
	       now_ns - h->neighbour[h->last].heard_ns < HOST_EXPIRE_NS;
}

/* host_output writes the heads of a datagram right before its body (frame_udp), and fills in what a
 * NIC that completes sums wants to know.
 * Returns:   0 with *f; MB_ERR_TOO_LARGE; MB_ERR_INVALID for an address of another family;
 *            MB_ERR_NOT_FOUND when it is not known where that is: then *ret_ask bytes at body are a
 *            frame that asks, if not 0. Requires: FRAME_SMALL_MAX bytes at body. */
static inline int
host_output(struct host *h, const struct wire_addr *to, uint8_t *body, size_t len, uint64_t now_ns,
	    struct frame *f, size_t *ret_head, size_t *ret_ask)
{
	if (likely(len < h->out_end && host_is_again(h, to, now_ns))) {
		*ret_ask = 0;
		f->sum_by_nic = h->cfg.sum_by_nic;
		f->sum_none = h->cfg.sum_none;
		f->l2_bytes = FRAME_AGAIN_L2;
		f->l3_bytes = FRAME_AGAIN_L3;
		*ret_head = frame_udp_again(body, len, f, &h->out_again);
		return 0;
	}
	return host_write(h, to, body, len, now_ns, f, ret_head, ret_ask);
}

#endif
