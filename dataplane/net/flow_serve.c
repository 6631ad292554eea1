/* SPDX-License-Identifier: Apache-2.0 */
/* flow_serve - see flow_serve.h for a slot's life, flow.h for F1..F3
 *
 * A HELLO costs nothing but its answer: the session's number is made of the client's address, its
 * number and a secret, so it can be checked when the first request brings it back, and only who
 * receives at that address knows it (as TCP's SYN cookies). The session is made then.
 *
 * Memory. A slot is small and there are FLOW_CREDITS of them in a session; what a message needs
 * while it is on its way stands in a pool that all share (xfer), and its bytes come from alloc,
 * counted for each client. No room for a request: its first segment is answered with a grant of
 * nothing, and it comes again. No room for an answer: the request is refused as INDETERMINATE, for
 * it has run.
 *
 * A session is forgotten when nothing was heard of it for FLOW_FORGET_NS, which is longer than its
 * client sends anything again.
 */
#include "flow_serve.h"

#include <stdlib.h>

#include "check.h"
#include "compiler.h"
#include "hash.h"
#include "microburst/error.h"

#define SLOT(id)       ((uint32_t)((id) & (FLOW_CREDITS - 1)))
#define GIVE_UP_NS     (2 * FLOW_SILENCE_NS) /* a message that stopped half-way */
#define FORGET_EACH_NS UINT64_C(30000000000)
#define ACK_LIST       64

enum slot_state { SLOT_FREE = 0, SLOT_TAKING, SLOT_RUNNING, SLOT_KEPT, SLOT_SENDING, SLOT_GIVEN };

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
	uint16_t mss;
	bool used;
	struct wire_addr addr;
	struct flow_path path;
	struct slot slot[FLOW_CREDITS];
};

struct xfer {
	bool used, out, listed;
	uint32_t session, slot;
	uint32_t next; /* free list, + 1 */
	uint64_t heard_ns;
	union {
		struct flow_tx tx;
		struct flow_rx rx;
	};
};

struct flow_serve {
	struct flow_serve_cfg cfg;
	struct flow_serve_ops ops;
	struct flow_serve_stats stats;
	uint64_t due_ns;    /* no xfer is due before */
	uint64_t forget_ns; /* next look at old sessions */
	uint32_t session_cnt, session_free, xfer_free, xfer_top;
	uint32_t bucket_mask;
	uint32_t *bucket; /* session + 1 */
	uint32_t ack[ACK_LIST], ack_cnt; /* xfers that owe an ACK */
	struct xfer *xfer;
	struct session *session;
};

int
flow_serve_create(struct flow_serve **ret, const struct flow_serve_cfg *cfg,
		  const struct flow_serve_ops *ops)
{
	struct flow_serve *s = calloc(1, sizeof(*s));
	uint32_t buckets = 1;

	if (s == NULL) {
		return MB_ERR_NO_MEMORY;
	}
	REQUIRE(cfg->datagram >= WIRE_DATAGRAM_MIN && cfg->datagram <= WIRE_DATAGRAM_MAX);
	while (buckets < 2 * cfg->session_max) {
		buckets *= 2;
	}
	s->cfg = *cfg;
	s->ops = *ops;
	s->due_ns = FLOW_TIMER_NONE;
	s->bucket_mask = buckets - 1;
	s->bucket = calloc(buckets, sizeof(*s->bucket));
	s->session = calloc(cfg->session_max, sizeof(*s->session));
	s->xfer = calloc(cfg->xfer_max, sizeof(*s->xfer));
	if (s->bucket == NULL || s->session == NULL || s->xfer == NULL) {
		flow_serve_destroy(s);
		return MB_ERR_NO_MEMORY;
	}
	for (uint32_t i = cfg->session_max; i-- > 0;) {
		s->session[i].next = s->session_free;
		s->session_free = i + 1;
	}
	for (uint32_t i = cfg->xfer_max; i-- > 0;) {
		s->xfer[i].next = s->xfer_free;
		s->xfer_free = i + 1;
	}
	*ret = s;
	return 0;
}

void
flow_serve_destroy(struct flow_serve *s)
{
	free(s->bucket);
	free(s->session);
	free(s->xfer);
	free(s);
}

static void
serve_send(struct flow_serve *s, const struct wire_addr *to, const struct wire_head *h,
	   const uint8_t *body)
{
	s->stats.sent++;
	s->ops.send(s->ops.ctx, to, h, body);
}

static void
serve_segment(void *ctx, const struct wire_addr *to, const struct wire_head *h,
	      const uint8_t *body)
{
	serve_send(ctx, to, h, body);
}

static struct flow_name
serve_name(struct flow_serve *s, struct session *c, const struct slot *slot, uint8_t kind)
{
	return (struct flow_name){ .session = c->session,
				   .id = slot->id,
				   .client = c->client,
				   .kind = kind,
				   .flags = kind == WIRE_REPLY ? WIRE_F_ACK : 0,
				   .word = kind == WIRE_REPLY ? slot->took_us : 0,
				   .to = c->addr,
				   .send = serve_segment,
				   .ctx = s };
}

/* ------------------------------------------------------------------- memory */

static void *
client_alloc(struct flow_serve *s, struct session *c, size_t len)
{
	void *p = NULL;

	if (len <= s->cfg.client_bytes - MIN(c->bytes, s->cfg.client_bytes)) {
		p = s->ops.alloc(s->ops.ctx, len);
	}
	if (p != NULL) {
		c->bytes += len;
	}
	return p;
}

static void
client_free(struct flow_serve *s, struct session *c, void *p, size_t len)
{
	REQUIRE(c->bytes >= len);
	c->bytes -= len;
	s->ops.free(s->ops.ctx, p, len);
}

static struct xfer *
xfer_alloc(struct flow_serve *s, struct session *c, struct slot *slot, bool out, uint64_t now_ns)
{
	struct xfer *x;

	if (s->xfer_free == 0) {
		return NULL;
	}
	x = &s->xfer[s->xfer_free - 1];
	slot->xfer = s->xfer_free;
	s->xfer_top = MAX(s->xfer_top, s->xfer_free);
	s->xfer_free = x->next;
	*x = (struct xfer){ .used = true,
			    .out = out,
			    .session = (uint32_t)(c - s->session),
			    .slot = (uint32_t)(slot - c->slot),
			    .heard_ns = now_ns };
	return x;
}

/* Ends a message on its way; a request's bytes go with it, an answer's stay in its slot. */
static void
xfer_free(struct flow_serve *s, struct session *c, struct slot *slot)
{
	struct xfer *x = &s->xfer[slot->xfer - 1];

	if (x->out) {
		c->sending--;
	} else if (x->rx.p != NULL) {
		client_free(s, c, x->rx.p, x->rx.len);
	}
	for (uint32_t i = 0; x->listed && i < s->ack_cnt; i++) {
		if (s->ack[i] == slot->xfer) {
			s->ack[i] = s->ack[--s->ack_cnt];
			break;
		}
	}
	x->used = false;
	x->next = s->xfer_free;
	s->xfer_free = slot->xfer;
	slot->xfer = 0;
}

/* Forgets what a slot holds, but not its id. */
static void
slot_drop(struct flow_serve *s, struct session *c, struct slot *slot)
{
	if (slot->xfer != 0) {
		xfer_free(s, c, slot);
	}
	if (slot->p != NULL) {
		client_free(s, c, slot->p, slot->len);
		slot->p = NULL;
	}
	slot->state = SLOT_GIVEN;
}

/* ----------------------------------------------------------------- sessions */

static uint64_t
serve_cookie(const struct flow_serve *s, const struct wire_addr *addr, uint32_t client)
{
	uint8_t bytes[sizeof(s->cfg.secret) + sizeof(addr->ip) + 2 + 4];
	uint8_t *p = bytes;

	memcpy(p, s->cfg.secret, sizeof(s->cfg.secret));
	p += sizeof(s->cfg.secret);
	memcpy(p, addr->ip, sizeof(addr->ip));
	p += sizeof(addr->ip);
	memcpy(p, &addr->port, 2);
	memcpy(p + 2, &client, 4);
	return hash_bytes128(bytes, sizeof(bytes)).lo | 1; /* 0 names no session */
}

static bool
addr_eq(const struct wire_addr *a, const struct wire_addr *b)
{
	return a->port == b->port && memcmp(a->ip, b->ip, sizeof(a->ip)) == 0;
}

static struct session *
session_find(struct flow_serve *s, uint64_t session)
{
	uint32_t i = s->bucket[session >> 8 & s->bucket_mask];

	while (i != 0 && s->session[i - 1].session != session) {
		i = s->session[i - 1].next;
	}
	return i != 0 ? &s->session[i - 1] : NULL;
}

static void
session_forget(struct flow_serve *s, struct session *c)
{
	uint32_t *link = &s->bucket[c->session >> 8 & s->bucket_mask];
	uint32_t i = (uint32_t)(c - s->session) + 1;

	for (uint32_t k = 0; k < FLOW_CREDITS; k++) {
		slot_drop(s, c, &c->slot[k]);
	}
	REQUIRE(c->bytes == 0);
	while (*link != i) {
		link = &s->session[*link - 1].next;
	}
	*link = c->next;
	c->used = false;
	c->gen++;
	c->next = s->session_free;
	s->session_free = i;
	s->session_cnt--;
}

static struct session *
session_make(struct flow_serve *s, const struct wire_addr *from, const struct wire_head *h)
{
	uint32_t *bucket = &s->bucket[h->session >> 8 & s->bucket_mask];
	struct session *c;
	uint32_t i = s->session_free, gen;

	if (i == 0) {
		s->stats.full++;
		return NULL;
	}
	c = &s->session[i - 1];
	s->session_free = c->next;
	gen = c->gen;
	memset(c, 0, sizeof(*c));
	c->gen = gen;
	c->session = h->session;
	c->client = h->client;
	c->addr = *from;
	c->used = true;
	c->mss = (uint16_t)MIN(h->mss, (uint16_t)(s->cfg.datagram - WIRE_HEAD_BYTES));
	flow_path_init(&c->path);
	c->next = *bucket;
	*bucket = i;
	s->session_cnt++;
	return c;
}

/* F3: a HELLO is answered and forgotten. */
static void
serve_on_hello(struct flow_serve *s, const struct wire_addr *from, const struct wire_head *h)
{
	static const uint8_t padding[WIRE_BODY_MAX];
	struct wire_head w = { .kind = WIRE_WELCOME,
			       .id = h->id,
			       .client = h->client,
			       .session = serve_cookie(s, from, h->client),
			       .word = FLOW_CREDITS };

	s->stats.hello++;
	w.len = (uint16_t)MIN(h->len, (uint16_t)(s->cfg.datagram - WIRE_HEAD_BYTES));
	w.mss = w.len;
	serve_send(s, from, &w, padding);
}

static void
serve_reset(struct flow_serve *s, const struct wire_addr *from, const struct wire_head *h)
{
	struct wire_head r = {
		.kind = WIRE_RESET, .session = h->session, .client = h->client, .id = h->id
	};

	s->stats.reset++;
	serve_send(s, from, &r, NULL);
}

/* ------------------------------------------------------------------ answers */

/* Sends the answer that a slot keeps: at once and for good, or until it is acknowledged. */
static void
slot_answer(struct flow_serve *s, struct session *c, struct slot *slot, uint64_t now_ns)
{
	struct flow_name n = serve_name(s, c, slot, WIRE_REPLY);
	struct xfer *x;

	if (slot->err != 0) {
		struct wire_head h = { .kind = WIRE_REFUSE,
				       .session = c->session,
				       .id = slot->id,
				       .client = c->client,
				       .word = (uint32_t)-slot->err };

		serve_send(s, &c->addr, &h, NULL);
		return;
	}
	if (slot->len <= c->mss && !slot->told) {
		struct flow_tx once;

		n.flags = 0;
		flow_tx_init(&once, slot->p, slot->len, c->mss);
		flow_tx_send(&once, &n, &c->path, 1, now_ns);
		return;
	}
	x = xfer_alloc(s, c, slot, true, now_ns);
	if (x == NULL) {
		return; /* it is kept, and the client asks again */
	}
	slot->state = SLOT_SENDING;
	c->sending++;
	flow_tx_init(&x->tx, slot->p, slot->len, c->mss);
	flow_tx_send(&x->tx, &n, &c->path, c->path.cwnd / c->sending, now_ns);
	s->due_ns = MIN(s->due_ns, x->tx.due_ns);
}

static struct slot *
serve_slot(struct flow_serve *s, struct flow_ref ref, struct session **ret)
{
	struct session *c = &s->session[ref.session];
	struct slot *slot = &c->slot[SLOT(ref.id)];

	if (!c->used || c->gen != ref.gen) {
		return NULL;
	}
	REQUIRE(slot->id == ref.id && slot->state == SLOT_RUNNING, "answered twice");
	*ret = c;
	return slot;
}

uint8_t *
flow_serve_room(struct flow_serve *s, struct flow_ref ref, size_t len)
{
	struct session *c;
	struct slot *slot = serve_slot(s, ref, &c);

	REQUIRE(len > 0 && len <= WIRE_MESSAGE_MAX);
	if (slot == NULL || slot->p != NULL) {
		return NULL;
	}
	slot->p = client_alloc(s, c, len);
	slot->len = slot->p != NULL ? (uint32_t)len : 0;
	return slot->p;
}

void
flow_serve_reply(struct flow_serve *s, struct flow_ref ref, uint8_t *p, size_t len,
		 uint64_t now_ns)
{
	struct session *c;
	struct slot *slot = serve_slot(s, ref, &c);

	REQUIRE(slot != NULL); /* nothing ends a session between room and reply */
	REQUIRE(slot->p == p && slot->len == len);
	c->running--;
	slot->state = SLOT_KEPT;
	slot->err = 0;
	slot->took_us = (uint32_t)MIN((now_ns - slot->since_ns) / 1000, (uint64_t)UINT32_MAX);
	slot_answer(s, c, slot, now_ns);
}

void
flow_serve_refuse(struct flow_serve *s, struct flow_ref ref, int err)
{
	struct session *c;
	struct slot *slot = serve_slot(s, ref, &c);

	if (slot == NULL) {
		return;
	}
	s->stats.refused++;
	c->running--;
	if (slot->p != NULL) {
		client_free(s, c, slot->p, slot->len);
		slot->p = NULL;
	}
	slot->state = SLOT_KEPT;
	slot->err = (int16_t)(mb_err_client_visible(err) && err < 0 ? err : MB_ERR_IO);
	slot_answer(s, c, slot, 0);
}

/* ----------------------------------------------------------------- requests */

static void
slot_run(struct flow_serve *s, struct session *c, struct slot *slot, struct slice bytes,
	 uint64_t now_ns)
{
	struct flow_ref ref = { (uint32_t)(c - s->session), c->gen, slot->id };

	s->stats.request++;
	slot->state = SLOT_RUNNING;
	slot->since_ns = now_ns;
	c->running++;
	s->ops.request(s->ops.ctx, ref, bytes);
}

/* One more segment of a request that has a slot. */
static void
slot_take(struct flow_serve *s, struct session *c, struct slot *slot, const struct wire_head *h,
	  struct slice body, uint64_t now_ns)
{
	struct xfer *x = &s->xfer[slot->xfer - 1];
	struct flow_name n = serve_name(s, c, slot, WIRE_REQUEST);
	uint32_t len = x->rx.len;
	uint8_t *p = x->rx.p;

	x->heard_ns = now_ns;
	if (flow_rx_take(&x->rx, h, body) != 0) {
		s->stats.bad++;
		return;
	}
	if (flow_rx_ack_now(&x->rx) || (!x->listed && s->ack_cnt == ACK_LIST)) {
		flow_rx_ack(&x->rx, &n);
	} else if (!x->listed) {
		x->listed = true;
		s->ack[s->ack_cnt++] = slot->xfer;
	}
	if (!flow_rx_done(&x->rx)) {
		return;
	}
	slot->told = true;
	x->rx.p = NULL; /* ours until it was run */
	xfer_free(s, c, slot);
	slot_run(s, c, slot, slice_of(p, len), now_ns);
	client_free(s, c, p, len);
}

static void
slot_begin(struct flow_serve *s, struct session *c, struct slot *slot, const struct wire_head *h,
	   struct slice body, uint64_t now_ns)
{
	struct slot fresh = { .id = h->id };
	struct xfer *x;
	uint8_t *p;

	if (h->len == h->total) {
		slot_drop(s, c, slot);
		*slot = fresh;
		slot_run(s, c, slot, body, now_ns);
		return;
	}
	if (h->off != 0) {
		return; /* overtook the first one */
	}
	slot_drop(s, c, slot);
	p = s->xfer_free != 0 ? client_alloc(s, c, h->total) : NULL;
	if (p == NULL) { /* nothing is granted, nothing kept, and it comes again */
		struct flow_rx none;
		struct flow_name n = serve_name(s, c, &fresh, WIRE_REQUEST);

		flow_rx_init(&none, h->total, h->mss);
		flow_rx_ack(&none, &n);
		s->stats.full++;
		return;
	}
	*slot = fresh;
	slot->state = SLOT_TAKING;
	x = xfer_alloc(s, c, slot, false, now_ns);
	flow_rx_init(&x->rx, h->total, h->mss);
	x->rx.p = p;
	s->due_ns = MIN(s->due_ns, now_ns + GIVE_UP_NS);
	slot_take(s, c, slot, h, body, now_ns);
}

/* The same request once more: F1. */
static void
slot_again(struct flow_serve *s, struct session *c, struct slot *slot, const struct wire_head *h,
	   struct slice body, uint64_t now_ns)
{
	struct flow_name n = serve_name(s, c, slot, WIRE_REQUEST);
	struct flow_rx all;

	s->stats.again++;
	switch (slot->state) {
	case SLOT_TAKING:
		slot_take(s, c, slot, h, body, now_ns);
		break;
	case SLOT_RUNNING:
		flow_rx_init(&all, h->total, h->mss);
		all.p = (uint8_t *)(uintptr_t)body.p;
		all.came = h->total;
		flow_rx_ack(&all, &n);
		slot->told = true;
		break;
	case SLOT_KEPT:
		slot_answer(s, c, slot, now_ns);
		break;
	default:
		break; /* it is being sent, or was acknowledged */
	}
}

/* Frees what the client is done with; word is the low half of an id below h->id. */
static void
session_done(struct flow_serve *s, struct session *c, const struct wire_head *h)
{
	uint64_t back = (uint32_t)((uint32_t)h->id - h->word);
	uint64_t done = back <= h->id ? h->id - back : 0;
	uint64_t from = c->done + 1;

	if (back == 0 || done <= c->done) {
		return;
	}
	c->done = done;
	if (done - from >= FLOW_CREDITS) {
		from = done - FLOW_CREDITS + 1;
	}
	for (uint64_t id = from; id <= done; id++) {
		struct slot *slot = &c->slot[SLOT(id)];

		if (slot->id == id && (slot->state == SLOT_KEPT || slot->state == SLOT_SENDING)) {
			slot_drop(s, c, slot);
		}
	}
}

static void
serve_on_request(struct flow_serve *s, struct session *c, const struct wire_head *h,
		 struct slice body, uint64_t now_ns)
{
	struct slot *slot = &c->slot[SLOT(h->id)];

	session_done(s, c, h);
	if (h->id < slot->id || h->id <= c->done) {
		s->stats.again++;
	} else if (h->id == slot->id) {
		slot_again(s, c, slot, h, body, now_ns);
	} else if (slot->state == SLOT_RUNNING) {
		s->stats.bad++; /* it has no credit for this */
	} else {
		slot_begin(s, c, slot, h, body, now_ns);
	}
}

static void
serve_on_ack(struct flow_serve *s, struct session *c, const struct wire_head *h,
	     struct slice body, uint64_t now_ns)
{
	struct slot *slot = &c->slot[SLOT(h->id)];
	struct flow_name n = serve_name(s, c, slot, WIRE_REPLY);
	struct xfer *x;

	if ((h->flags & WIRE_F_OF_REPLY) == 0 || slot->id != h->id ||
	    slot->state != SLOT_SENDING) {
		return;
	}
	x = &s->xfer[slot->xfer - 1];
	if (!flow_tx_ack(&x->tx, h, body, &c->path, now_ns)) {
		s->stats.bad++;
		return;
	}
	x->heard_ns = now_ns;
	if (x->tx.done) {
		slot_drop(s, c, slot);
		return;
	}
	flow_tx_send(&x->tx, &n, &c->path, c->path.cwnd / c->sending, now_ns);
	s->due_ns = MIN(s->due_ns, x->tx.due_ns);
}

void
flow_serve_input(struct flow_serve *s, const struct wire_addr *from, const struct wire_head *h,
		 struct slice body, uint64_t now_ns)
{
	struct session *c;

	s->stats.came++;
	if (h->kind == WIRE_HELLO) {
		serve_on_hello(s, from, h);
		return;
	}
	c = session_find(s, h->session);
	if (c == NULL) {
		if (h->kind != WIRE_REQUEST) {
			return;
		}
		if (h->session != serve_cookie(s, from, h->client) ||
		    (h->flags & WIRE_F_OPEN) == 0) {
			serve_reset(s, from, h);
			return;
		}
		c = session_make(s, from, h);
		if (c == NULL) {
			return;
		}
	} else if (c->client != h->client || !addr_eq(&c->addr, from)) {
		s->stats.bad++;
		return;
	}
	c->heard_ns = now_ns;
	switch (h->kind) {
	case WIRE_REQUEST:
		serve_on_request(s, c, h, body, now_ns);
		break;
	case WIRE_ACK:
		serve_on_ack(s, c, h, body, now_ns);
		break;
	case WIRE_RESET:
		/* What runs goes on, and its answer finds nobody. */
		session_forget(s, c);
		break;
	default:
		s->stats.bad++;
	}
}

void
flow_serve_flush(struct flow_serve *s)
{
	while (s->ack_cnt > 0) {
		struct xfer *x = &s->xfer[s->ack[--s->ack_cnt] - 1];
		struct session *c = &s->session[x->session];
		struct flow_name n = serve_name(s, c, &c->slot[x->slot], WIRE_REQUEST);

		x->listed = false;
		if (x->rx.ack_due) {
			flow_rx_ack(&x->rx, &n);
		}
	}
}

/* --------------------------------------------------------------------- time */

static uint64_t
xfer_due(struct flow_serve *s, struct xfer *x, uint64_t now_ns)
{
	struct session *c = &s->session[x->session];
	struct slot *slot = &c->slot[x->slot];
	struct flow_name n = serve_name(s, c, slot, WIRE_REPLY);

	if (!x->out) {
		if (now_ns - x->heard_ns < GIVE_UP_NS) {
			return x->heard_ns + GIVE_UP_NS;
		}
		slot_drop(s, c, slot);
		s->stats.expired++;
		return FLOW_TIMER_NONE;
	}
	if (x->tx.due_ns > now_ns) {
		return x->tx.due_ns;
	}
	if (now_ns - x->heard_ns > FLOW_SILENCE_NS) {
		xfer_free(s, c, slot);
		slot->state = SLOT_KEPT;
		s->stats.expired++;
		return FLOW_TIMER_NONE;
	}
	flow_tx_late(&x->tx, &c->path, now_ns);
	flow_tx_send(&x->tx, &n, &c->path, c->path.cwnd / c->sending, now_ns);
	return x->tx.due_ns;
}

void
flow_serve_poll(struct flow_serve *s, uint64_t now_ns)
{
	if (now_ns >= s->due_ns) {
		s->due_ns = FLOW_TIMER_NONE;
		for (uint32_t i = 0; i < s->xfer_top; i++) {
			if (s->xfer[i].used) {
				s->due_ns = MIN(s->due_ns, xfer_due(s, &s->xfer[i], now_ns));
			}
		}
	}
	if (s->session_cnt > 0 && now_ns >= s->forget_ns) {
		s->forget_ns = now_ns + FORGET_EACH_NS;
		for (uint32_t i = 0; i < s->cfg.session_max; i++) {
			struct session *c = &s->session[i];

			if (c->used && c->running == 0 && now_ns - c->heard_ns > FLOW_FORGET_NS) {
				session_forget(s, c);
			}
		}
	}
}

uint64_t
flow_serve_timer(const struct flow_serve *s)
{
	return s->session_cnt > 0 ? MIN(s->due_ns, s->forget_ns) : s->due_ns;
}

uint32_t
flow_serve_sessions(const struct flow_serve *s)
{
	return s->session_cnt;
}

const struct flow_serve_stats *
flow_serve_stats(const struct flow_serve *s)
{
	return &s->stats;
}

struct flow_serve_held
flow_serve_held(const struct flow_serve *s)
{
	struct flow_serve_held held = { 0 };

	for (uint32_t i = 0; i < s->cfg.session_max; i++) {
		held.sessions += s->session[i].used;
		held.bytes += s->session[i].used ? s->session[i].bytes : 0;
		for (uint32_t k = 0; s->session[i].used && k < FLOW_CREDITS; k++) {
			held.running += s->session[i].slot[k].state == SLOT_RUNNING;
		}
	}
	for (uint32_t i = 0; i < s->cfg.xfer_max; i++) {
		held.xfers += s->xfer[i].used;
	}
	return held;
}
