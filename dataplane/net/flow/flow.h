/* SPDX-License-Identifier: Apache-2.0 */
/* flow - reliable requests and answers over datagrams: what the two ends share
 *
 *	flow_tx     one message on its way out: segments, what was acknowledged, what is sent again
 *	flow_rx     one message on its way in: put together, acknowledged
 *	flow_ask    the client's end: opens a session, asks, gets each answer once
 *	flow_serve  the server's end: runs each request once, keeps its answer until it is done with
 *
 * A request that fits one datagram is one datagram, and so is its answer: the answer acknowledges
 * the request, and the next request the answer. Everything else is for when that does not hold:
 *
 *   client                                server
 *   HELLO (as wide as the path may be) ─►                    no state is kept for it
 *        ◄─ WELCOME (as wide): session, credits
 *   REQUEST 7 ───────────────────────►                       a slot of the session: id mod credits
 *        ◄─ REPLY 7                                          kept: REQUEST 7 again gets it again
 *   REQUEST 8, first segment ────────►                       memory for all of it is reserved
 *        ◄─ ACK 8: send up to the end      (or: nothing more, ask again)
 *   REQUEST 8, the other segments ───►
 *        ◄─ ACK 8: which came
 *   REQUEST 8, first segment again ──►                       it runs: the answer takes long
 *        ◄─ ACK 8: all of it came          so the client only asks now and then
 *        ◄─ REPLY 8, to be acknowledged    so the server sends it again until it is
 *   ACK 8 of the reply ──────────────►
 *
 * F1  A request runs at most once: its slot holds its id from its first segment on, and takes
 *     another one only from a client that has the answer (it may not use id + credits before).
 *     One that changes nothing may run again, when its answer was not kept (flow_serve.h).
 * F2  A client's request ends once, with the answer or with a typed error. INDETERMINATE and
 *     NODE_DIED say that it may have run.
 * F3  What a stranger can make a server keep is bounded: nothing before a REQUEST with the session
 *     that only a receiver at that address knows; then FLOW_CREDITS slots; then the bytes that the
 *     limits say, for each client and in all.
 *
 * Step cores: time and randomness come as arguments, datagrams go out through an op. They run
 * unchanged in the simulator (tests/sim/flow). Owner: one thread each.
 */
#ifndef MB_FLOW_H
#define MB_FLOW_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "slice.h"
#include "wire.h"

#define FLOW_CREDITS      256 /* requests of one session that may be open; a power of two */
#define FLOW_SEGMENTS     WIRE_ACK_SEGMENTS /* of one message on their way */
#define FLOW_RTO_MIN_NS   UINT64_C(2000000)
#define FLOW_RTO_FIRST_NS UINT64_C(20000000)
#define FLOW_RTO_MAX_NS   UINT64_C(1000000000)
#define FLOW_SILENCE_NS   UINT64_C(5000000000)   /* asked in vain for so long: it is gone */
#define FLOW_FRESH_NS     UINT64_C(60000000000)  /* a client idle for longer says HELLO again */
#define FLOW_FORGET_NS    UINT64_C(180000000000) /* and a server forgets it then */
#define FLOW_KNOWN_NS     UINT64_C(10000000000)  /* never before; but a client that leaves */
#define FLOW_TIMER_NONE   UINT64_MAX
#define FLOW_CWND_FIRST   16 /* segments */
#define FLOW_CWND_MIN     2
#define FLOW_ACK_NS       UINT64_C(20000) /* an ACK waits so long for more to acknowledge */

static_assert((FLOW_CREDITS & (FLOW_CREDITS - 1)) == 0, "slots are named by bits of an id");
static_assert(FLOW_FORGET_NS > FLOW_FRESH_NS + FLOW_SILENCE_NS + FLOW_RTO_MAX_NS,
	      "a server remembers for longer than a client asks again");

/* Sends one datagram: a head (its len is the body's) and a body that is copied before it returns. A
 * datagram that cannot be sent now is dropped: it counts as lost on its way. */
typedef void flow_send_fn(void *ctx, const struct wire_addr *to, const struct wire_head *h,
			  const uint8_t *body);
/* From `on` until it is told off, bodies that are sent stay where they are: they need not be copied
 * before. */
typedef void flow_hold_fn(void *ctx, bool on);

/* The path between two ends: how long it takes, how much it carries. */
struct flow_path {
	uint64_t srtt_ns, rttvar_ns; /* 0: not measured */
	uint64_t rto_ns;
	uint64_t backed_off_ns;  /* when the window was cut last: once a round trip */
	uint32_t cwnd, ssthresh; /* segments; shared by the messages that are on their way */
	uint32_t acked;          /* since cwnd grew last */
	uint32_t late;           /* time-outs in a row since rtt was measured last */
	uint32_t overtaken;      /* segments that come although sent later: then one is lost */
	uint32_t undo;           /* what cwnd was, until its cut is known to have been right */
};

void flow_path_init(struct flow_path *p);
/* flow_path_rtt: an answer to something that was sent once came after rtt_ns. */
void flow_path_rtt(struct flow_path *p, uint64_t rtt_ns);
/* flow_path_acked: cnt segments arrived. */
void flow_path_acked(struct flow_path *p, uint32_t cnt);

/* flow_backoff is how long to wait after sending for the tries-th time: not shorter than was in
 * vain before, until the path's time is measured again (Karn). */
uint64_t flow_backoff(const struct flow_path *p, uint32_t tries);

/* ---------------------------------------------------------------- one message */

/* Which segments behind the first gap have come: bit i is segment first + i. */
struct flow_bits {
	uint64_t w[FLOW_SEGMENTS / 64];
};

/* On its way out. */
struct flow_tx {
	struct slice first, rest; /* what it is, in this order */
	uint32_t len;             /* of both */
	uint16_t mss;
	uint16_t tries;          /* since something was acknowledged last */
	bool done;               /* all of it came */
	uint32_t acked;          /* bytes that came in one piece */
	uint32_t next;           /* bytes sent, at least once, since the last time-out */
	uint32_t granted;        /* bytes that may be sent */
	uint32_t high;           /* bytes sent, at least once */
	uint32_t timed;          /* where the segment ends whose way is timed; 0: none */
	struct flow_bits came;   /* behind acked */
	struct flow_bits resent; /* behind acked, since the last time-out */
	uint64_t timed_ns;       /* when that one went */
	uint64_t resent_ns;      /* when one of resent went last */
	uint64_t due_ns;         /* when it is sent again */
};

/* What the heads of its segments, and of its ACKs, have in common. */
struct flow_name {
	uint64_t session, id;
	uint32_t client;
	uint8_t kind;  /* WIRE_REQUEST or WIRE_REPLY */
	uint8_t flags; /* of segments */
	uint32_t word; /* of segments */
	struct wire_addr to;
	flow_send_fn *send;
	flow_hold_fn *hold; /* NULL: nobody would gain by it */
	void *ctx;
};

/* flow_tx_init: the first segment may be sent; what is behind it needs an ACK that grants it. The
 * message is first and, right behind it, rest, which may be nothing. */
void flow_tx_init(struct flow_tx *t, struct slice first, struct slice rest, uint16_t mss);
/* flow_tx_send sends what may be sent: granted, and within window segments. */
void flow_tx_send(struct flow_tx *t, const struct flow_name *n, struct flow_path *path,
		  uint32_t window, uint64_t now_ns);
/* flow_tx_ack takes an ACK. Returns: false when it cannot be one of this message. */
bool flow_tx_ack(struct flow_tx *t, const struct wire_head *h, struct slice body,
		 struct flow_path *path, uint64_t now_ns);
/* flow_tx_late: due_ns is over; what is not acknowledged counts as lost, and goes again. */
void flow_tx_late(struct flow_tx *t, struct flow_path *path, uint64_t now_ns);
/* On its way in. */
struct flow_rx {
	uint8_t *p; /* room for len bytes; NULL: there was none yet */
	uint32_t len;
	uint16_t mss;
	bool ack_due;
	bool ack_soon;      /* the other end waits for it, or should hear of a gap */
	uint16_t since_ack; /* segments */
	uint32_t came;      /* bytes in one piece */
	struct flow_bits bits;
};

void flow_rx_init(struct flow_rx *r, uint32_t len, uint16_t mss);
/* flow_rx_take puts a segment where it belongs. Requires: r->p.
 * Returns: 0; MB_ERR_CORRUPT when it does not fit the others. */
int flow_rx_take(struct flow_rx *r, const struct wire_head *h, struct slice body);
/* flow_rx_is_narrower tells whether a segment begins the same message anew, in shorter ones: the
 * way has become narrow. flow_rx_again forgets what has come of it, and takes those. */
bool flow_rx_is_narrower(const struct flow_rx *r, const struct wire_head *h);
void flow_rx_again(struct flow_rx *r, uint16_t mss);
/* flow_rx_ack says what has come, and grants everything if there is room, else nothing. */
void flow_rx_ack(struct flow_rx *r, const struct flow_name *n);
/* flow_rx_ack_now: an ACK should go before the burst ends. flow_rx_ack_waits: it may wait for more
 * than this burst; heard_ns: when the last segment came. */
bool flow_rx_ack_now(const struct flow_rx *r);
bool flow_rx_ack_waits(const struct flow_rx *r, uint64_t heard_ns, uint64_t now_ns);
static inline bool
flow_rx_done(const struct flow_rx *r)
{
	return r->p != NULL && r->came == r->len;
}

#endif
