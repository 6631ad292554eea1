/* SPDX-License-Identifier: Apache-2.0 */
/* flow_ask - the client's end of flow: asks one server, and gets each answer once
 *
 *   IDLE ──first request──► HELLO ──WELCOME──► OPEN ──RESET, silence──► IDLE
 *
 * A request is WAITING (no session yet, or the window is full), SENT, or free. Its bytes stay with
 * the caller until it is done. done is called exactly once for each request that was started, from
 * flow_ask_input, flow_ask_poll, flow_ask_unreachable or flow_ask_close; it may start others.
 *
 * Silence. Who is asked in vain for FLOW_SILENCE_NS is not there. What counts is the time that was
 * spent asking: a client may sleep (be stopped, or do something else) for longer, and what it asked
 * before may not have come anywhere, for its link ended meanwhile. So between two asks, which are
 * FLOW_RTO_MAX_NS apart at most, no more than that counts.
 *
 * Owner: one thread.
 */
#ifndef MB_FLOW_ASK_H
#define MB_FLOW_ASK_H

#include "flow.h"
#include "rng.h"

struct flow_ask_ops {
	flow_send_fn *send;
	void *(*alloc)(void *ctx, size_t bytes); /* for answers of several segments; NULL: none */
	void (*free)(void *ctx, void *p, size_t bytes);
	/* Request `user` is done. err 0: p, len is the answer; owned: p came from alloc and is the
	 * callee's now, otherwise it is gone after the call. */
	void (*done)(void *ctx, void *user, int err, uint8_t *p, size_t len, bool owned);
	void *ctx;
};

/* A request: first and, right behind it, rest. reads: it changes nothing, and may run again: what
 * became of it is never in doubt. */
struct flow_request {
	struct slice first, rest;
	bool reads;
};

struct flow_ask_stats {
	uint64_t sent, came, again, bad, hello, reset;
};

enum flow_ask_state { FLOW_ASK_IDLE = 0, FLOW_ASK_HELLO, FLOW_ASK_OPEN };
enum flow_ask_slot_state { ASK_FREE = 0, ASK_WAITING, ASK_SENT };

/* For how long something was asked in vain; since_ns: up to when it was counted. */
struct flow_vain {
	uint64_t ns, since_ns;
};

struct flow_ask_slot {
	uint64_t id;
	uint8_t state;
	bool in;    /* rx is in use */
	bool anew;  /* for the second time, for its answer was given up */
	bool doubt; /* it waits because somebody says that it has not run: flow_ask.told_by */
	uint16_t probes;
	uint16_t unheard; /* sent again since something was heard */
	struct flow_request r;
	void *user;
	uint64_t begun_ns, heard_ns, due_ns;
	struct flow_vain vain;
	struct flow_tx tx;
	struct flow_rx rx;
};

struct flow_ask {
	struct flow_ask_ops ops;
	struct wire_addr server;
	struct rng rng;
	struct flow_path path;
	struct flow_ask_stats stats;
	enum flow_ask_state state;
	bool heard;        /* in this session */
	bool mute;         /* a request of it ended in silence, and nothing was heard since */
	uint16_t datagram; /* the widest that the way out carries, as far as one knows here */
	uint16_t mss;
	uint64_t narrow_ns; /* when mss became shorter in this session; 0: never */
	uint16_t width;     /* of the HELLO that is out */
	uint16_t tries;
	uint32_t client;
	uint64_t session, nonce;
	uint64_t server_is; /* the incarnation of who gave the session */
	uint64_t told_by;   /* of who said that it was not known */
	uint64_t hello_ns, hello_due_ns, heard_ns;
	struct flow_vain hello_vain;
	uint64_t next_id; /* the last one given */
	uint64_t done_id; /* none up to here is open */
	uint64_t due_ns;  /* no slot is due before */
	uint32_t open_cnt, waiting_cnt, unacked_cnt;
	uint32_t owed; /* slots whose rx owes an ACK: bit i is one of those with i mod 32 */
	struct flow_ask_slot slot[FLOW_CREDITS];
};

/* flow_ask_init makes a client's end. datagram: bytes of UDP payload that the path may carry, at
 * least WIRE_DATAGRAM_MIN. seed: random, nobody else's. */
void flow_ask_init(struct flow_ask *a, const struct wire_addr *server, uint16_t datagram,
		   uint64_t seed, const struct flow_ask_ops *ops);

/* flow_ask_start asks with a request of 1..WIRE_MESSAGE_MAX bytes, which stay until done.
 * Returns: 0; MB_ERR_FULL when FLOW_CREDITS requests are open; MB_ERR_TOO_LARGE. */
int flow_ask_start(struct flow_ask *a, const struct flow_request *r, void *user, uint64_t now_ns);

/* flow_ask_has_been_taken tells whether the server is known to have all of an open request: it runs
 * it, whatever becomes of us. */
bool flow_ask_has_been_taken(const struct flow_ask *a, const void *user);

/* flow_ask_input takes a frame from the server. */
void flow_ask_input(struct flow_ask *a, const struct wire_head *h, struct slice body,
		    uint64_t now_ns);

/* flow_ask_flush sends what a burst of input led to: acknowledgements, but those that wait for more
 * (flow_rx_ack_waits). With FLOW_TIMER_NONE none of them waits. */
void flow_ask_flush(struct flow_ask *a, uint64_t now_ns);

/* flow_ask_poll does what time asks for; flow_ask_timer says when that is next. */
void flow_ask_poll(struct flow_ask *a, uint64_t now_ns);
uint64_t flow_ask_timer(const struct flow_ask *a);

/* flow_ask_unreachable: the network says that nobody is there. */
void flow_ask_unreachable(struct flow_ask *a);

/* flow_ask_close ends all requests with err, and tells the server. */
void flow_ask_close(struct flow_ask *a, int err);

#endif
