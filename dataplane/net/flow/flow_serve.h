/* SPDX-License-Identifier: Apache-2.0 */
/* flow_serve - the server's end of flow: many clients, each request run once
 *
 * A slot of a session:
 *
 *   FREE ──first segment──► TAKING ──all came──► RUNNING ──reply──► KEPT ◄──┐
 *    └──────── a request of one segment ─────────────▲  │            │      │ nobody takes it: lost
 *                                        once more │  │draft       ▼      │
 *                  GIVEN ◄──all acknowledged──────┼──┼─────────── SENDING ┤
 *                                                  └─ ANSWERED ◄────────┘ what was lent
 *
 * KEPT, GIVEN and ANSWERED slots take the next id that comes; what was kept is freed then, or when
 * a request says that its client is done with it. A request is known to whoever runs it by its
 * flow_ref, which stays safe to use when the session has ended meanwhile.
 *
 * Of a request that changes nothing (a get) no answer needs to be kept: asked once more it runs
 * once more, and what it finds then is as good. Such an answer is written where it is sent from.
 *
 * Owner: one thread.
 */
#ifndef MB_FLOW_SERVE_H
#define MB_FLOW_SERVE_H

#include "flow.h"

#define FLOW_SECRET_BYTES 16
#define FLOW_LAST_SHARE   16 /* so large a part of memory is the last: flow_session.c */

struct flow_serve;

/* One request at the server. */
struct flow_ref {
	uint32_t session, gen;
	uint64_t id;
};

struct flow_serve_ops {
	flow_send_fn *send;
	/* Memory for messages, within the limit of all but its last part; alloc_last: of this too,
	 * for answers of one datagram. NULL: none now. */
	void *(*alloc)(void *ctx, size_t bytes);
	void *(*alloc_last)(void *ctx, size_t bytes);
	void (*free)(void *ctx, void *p, size_t bytes);
	/* A whole request; its bytes are there until this returns. Answered once, now or later, by
	 * flow_serve_reply or flow_serve_refuse. */
	void (*request)(void *ctx, struct flow_ref ref, struct slice bytes);
	/* The body of the next datagram that is sent, len bytes: send is given it; NULL: none
	 * now. */
	uint8_t *(*draft)(void *ctx, size_t len);
	void *ctx;
	/* NULL; or memory for a request of several segments that alloc is not asked for then: what
	 * request is to have in a place of its own. first: how it begins. free is given it back.
	 * NULL: none. */
	void *(*take)(void *ctx, size_t bytes, struct slice first);
	/* What flow_serve_lend was lent is its owner's again. NULL for who never lends. */
	void (*back)(void *ctx, const uint8_t *p);
	flow_hold_fn *hold; /* or NULL */
};

struct flow_serve_cfg {
	uint32_t session_max;
	uint32_t xfer_max;     /* messages of several segments that are on their way at once */
	uint64_t client_bytes; /* of memory, for one client's messages: flow_session.c */
	uint64_t taking_bytes; /* of alloc's, for requests on their way: the rest is for answers */
	uint16_t datagram;     /* the widest that can be sent and received here */
	uint8_t secret[FLOW_SECRET_BYTES]; /* random: what sessions are made from */
	uint64_t born_ns;                  /* not before whoever was at this address has ended */
	uint64_t incarnation;              /* wire.h */
};

struct flow_serve_stats {
	uint64_t came, sent, bad, hello, reset, request, again, refused, expired, full;
	uint64_t begun; /* requests of several segments, of which the first came, and had room */
};

/* flow_serve_create makes a server's end. Returns: 0; MB_ERR_NO_MEMORY. */
int flow_serve_create(struct flow_serve **ret, const struct flow_serve_cfg *cfg,
		      const struct flow_serve_ops *ops);
void flow_serve_destroy(struct flow_serve *s);

/* flow_serve_input takes a frame; flow_serve_flush sends what a burst of them led to. */
void flow_serve_input(struct flow_serve *s, const struct wire_addr *from, const struct wire_head *h,
		      struct slice body, uint64_t now_ns);
void flow_serve_flush(struct flow_serve *s);

/* flow_serve_room finds memory for an answer of len bytes (1..WIRE_MESSAGE_MAX).
 * Returns: where to write it; NULL when the client is gone or there is no room. Then refuse. */
uint8_t *flow_serve_room(struct flow_serve *s, struct flow_ref ref, size_t len);
/* flow_serve_reply answers with what flow_serve_room gave, which is the server's again. */
void flow_serve_reply(struct flow_serve *s, struct flow_ref ref, uint8_t *p, size_t len,
		      uint64_t now_ns);
/* flow_serve_draft begins an answer of one datagram that is not kept: of a request that may run
 * again. Nothing else may be sent before flow_serve_draft_send, which answers with len bytes of it.
 * Returns: where to write it, *ret_max bytes at most; NULL when it must be kept (or there is no
 * room, or nobody waits). Then, as after a draft that is given up, flow_serve_room. */
uint8_t *flow_serve_draft(struct flow_serve *s, struct flow_ref ref, size_t *ret_max);
void flow_serve_draft_send(struct flow_serve *s, struct flow_ref ref, const uint8_t *p, size_t len,
			   uint64_t now_ns);
/* flow_serve_lend answers with head, which is copied, and rest, which must stay until ops.back: of
 * a request that may run again, as it does when its answer was lost for good.
 * Returns: false when it is not taken: the client is gone, there is no room. Then flow_serve_room.
 */
bool flow_serve_lend(struct flow_serve *s, struct flow_ref ref, struct slice head,
		     struct slice rest, uint64_t now_ns);
/* flow_serve_refuse answers with an error (negative, client_visible) and nothing else. */
void flow_serve_refuse(struct flow_serve *s, struct flow_ref ref, int err);

void flow_serve_poll(struct flow_serve *s, uint64_t now_ns);
uint64_t flow_serve_timer(const struct flow_serve *s);

uint32_t flow_serve_sessions(const struct flow_serve *s);
const struct flow_serve_stats *flow_serve_stats(const struct flow_serve *s);
/* By walking: sessions, requests that run, bytes that are held for clients, messages on their
 * way. */
struct flow_serve_held {
	uint32_t sessions, running, xfers;
	uint64_t bytes;
};
struct flow_serve_held flow_serve_held(const struct flow_serve *s);

#endif
