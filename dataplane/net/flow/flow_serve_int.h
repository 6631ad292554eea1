/* SPDX-License-Identifier: Apache-2.0 */
/* flow_serve_int - what flow_serve.c and flow_session.c share: sessions, their slots, messages on
 * their way
 *
 *	flow_session.c  who there is, and the memory that is held for them
 *	flow_serve.c    what they ask for and are answered
 */
#ifndef MB_FLOW_SERVE_INT_H
#define MB_FLOW_SERVE_INT_H

#include "flow_serve.h"

#define FLOW_SLOT(id)     ((uint32_t)((id) & (FLOW_CREDITS - 1)))
#define FLOW_ACK_LIST_CNT 64
#define FLOW_LEFT_CNT     65536 /* clients that left of which is known that they were here */

enum slot_state {
	SLOT_FREE = 0,
	SLOT_TAKING,
	SLOT_RUNNING,
	SLOT_KEPT,
	SLOT_SENDING,
	SLOT_GIVEN,
	SLOT_ANSWERED
};

struct slot {
	uint64_t id;
	uint8_t state;
	bool told;     /* the client knows that it runs, and asks seldom: the answer is pushed */
	int16_t err;   /* KEPT, refused */
	uint32_t xfer; /* TAKING, SENDING: + 1 */
	uint8_t *p;    /* KEPT, SENDING: the answer */
	uint32_t len;
	uint32_t took_us;
	uint64_t since_ns; /* when all of the request was there */
};

struct session {
	uint64_t session;
	uint64_t heard_ns;
	uint64_t done; /* the client is done with what is up to here */
	uint64_t bytes;
	uint32_t gen;
	uint32_t client;
	uint32_t next; /* in its bucket, or the free list: + 1 */
	uint32_t running;
	uint32_t sending;
	uint64_t barred_ns; /* nothing long is begun before: it had to make room */
	uint16_t mss;
	bool used;
	struct wire_addr addr;
	struct flow_path path;
	struct slot slot[FLOW_CREDITS];
};

struct xfer {
	bool used, out, listed;
	bool lent; /* out: tx.rest is */
	uint32_t session, slot;
	bool slow;     /* between the last two looks at its pace */
	bool counted;  /* in taking_bytes */
	uint32_t next; /* free list, + 1 */
	uint32_t mark; /* how far it was at the last look */
	uint64_t mark_ns;
	uint64_t heard_ns;
	union {
		struct flow_tx tx;
		struct flow_rx rx;
	};
};

/* A client that left: its session is not made again by what of it is still on its way. */
struct flow_left {
	uint64_t session; /* 0: none */
	uint64_t epoch;   /* when it left */
};

struct flow_serve {
	struct flow_serve_cfg cfg;
	struct flow_serve_ops ops;
	struct flow_serve_stats stats;
	uint64_t due_ns;       /* no xfer is due before */
	uint64_t forget_ns;    /* next look at old sessions */
	uint64_t room_ns;      /* no look for one that is idle before */
	uint64_t evict_ns;     /* no look for what is too slow before */
	uint64_t now_ns;       /* of the last datagram, or poll */
	uint64_t taking_bytes; /* of alloc, for requests that have not come yet */
	uint64_t epoch;        /* of the numbers that are given now: flow_session.c */
	uint64_t epoch_ns;     /* when it began */
	uint32_t left_cnt;     /* that left since */
	uint32_t session_cnt, session_free, xfer_free, xfer_top;
	uint32_t bucket_mask;
	uint32_t *bucket;                         /* session + 1 */
	uint32_t ack[FLOW_ACK_LIST_CNT], ack_cnt; /* xfers that owe an ACK */
	/* Of the answer that is drafted. */
	struct session *draft_session;
	struct slot *draft_slot;
	struct xfer *xfer;
	struct session *session;
	struct flow_left *left;         /* FLOW_LEFT_CNT */
	uint8_t welcome[WIRE_BODY_MAX]; /* the incarnation, padding */
};

static inline void
flow_serve_send(struct flow_serve *s, const struct wire_addr *to, const struct wire_head *h,
		const uint8_t *body)
{
	s->stats.sent++;
	s->ops.send(s->ops.ctx, to, h, body);
}

static inline struct session *
flow_session_find(struct flow_serve *s, uint64_t session)
{
	uint32_t i = s->bucket[session >> 8 & s->bucket_mask];

	while (i != 0 && s->session[i - 1].session != session) {
		i = s->session[i - 1].next;
	}
	return i != 0 ? &s->session[i - 1] : NULL;
}

/* flow_serve.c: makes room. Returns: whether something was freed. */
bool flow_serve_evict(struct flow_serve *s);

/* flow_session.c; what each does is said where it is. */
struct flow_name flow_serve_name(struct flow_serve *s, struct session *c, const struct slot *slot,
				 uint8_t kind);
void *flow_serve_alloc(struct flow_serve *s, struct session *c, size_t len);
void *flow_serve_alloc_taking(struct flow_serve *s, struct session *c, size_t len,
			      struct slice first, bool *ret_counted);
void flow_serve_free(struct flow_serve *s, struct session *c, void *p, size_t len);
bool flow_xfer_is_room(struct flow_serve *s);
struct xfer *flow_xfer_alloc(struct flow_serve *s, struct session *c, struct slot *slot, bool out,
			     uint64_t now_ns);
bool flow_xfer_is_slow(struct xfer *x, uint64_t now_ns);
bool flow_session_let_go(struct flow_serve *s);
void flow_xfer_free(struct flow_serve *s, struct session *c, struct slot *slot);
void flow_slot_drop(struct flow_serve *s, struct session *c, struct slot *slot);
bool flow_session_is_given(struct flow_serve *s, const struct wire_addr *from,
			   const struct wire_head *h, uint64_t now_ns);
struct session *flow_session_make(struct flow_serve *s, const struct wire_addr *from,
				  const struct wire_head *h, uint64_t now_ns);
bool flow_session_has_left(struct flow_serve *s, uint64_t session, uint64_t now_ns);
void flow_session_leave(struct flow_serve *s, struct session *c, uint64_t now_ns);
void flow_session_forget(struct flow_serve *s, struct session *c);
void flow_serve_on_hello(struct flow_serve *s, const struct wire_addr *from,
			 const struct wire_head *h, uint64_t now_ns);
void flow_serve_reset(struct flow_serve *s, const struct wire_addr *from,
		      const struct wire_head *h);

#endif
