/* SPDX-License-Identifier: Apache-2.0 */
/* flow_serve - see flow_serve.h for a slot's life, flow.h for F1..F3
 *
 * No room for a request: its first segment is answered with a grant of nothing, and it comes again.
 * No room for an answer: the request is refused as INDETERMINATE, for it has run. So it is when a
 * long answer was not taken for GIVE_UP_NS: its client has gone, and its memory others want. A
 * request that stopped half-way for as long is BUSY: it has not run. Should the client be there all
 * the same (it slept), it hears so from the first thing that it sends of that message.
 *
 * A session is forgotten when nothing was heard of it for FLOW_FORGET_NS, which is longer than its
 * client sends anything again.
 */
#include "check.h"
#include "compiler.h"
#include "flow_serve_int.h"
#include "microburst/error.h"

#define GIVE_UP_NS     (2 * FLOW_SILENCE_NS) /* a message that stopped half-way, in or out */
#define FORGET_EACH_NS UINT64_C(30000000000)
#define EVICT_EACH_NS  UINT64_C(50000000)   /* looked for in vain, it is not before */
#define BARRED_NS      UINT64_C(3000000000) /* several times as long as who waits asks again */

/* ------------------------------------------------------------------ answers */

/* An answer of one datagram. */
static inline void
answer_send(struct flow_serve *s, struct session *c, const struct slot *slot, const uint8_t *p,
	    size_t len)
{
	struct wire_head h = { .kind = WIRE_REPLY,
			       .len = (uint16_t)len,
			       .mss = c->mss,
			       .session = c->session,
			       .id = slot->id,
			       .client = c->client,
			       .total = (uint32_t)len,
			       .word = slot->took_us };

	flow_serve_send(s, &c->addr, &h, p);
}

/* Sends an answer until it is acknowledged. */
static void
slot_send(struct flow_serve *s, struct session *c, struct slot *slot, struct slice first,
	  struct slice rest, uint64_t now_ns)
{
	struct flow_name n = flow_serve_name(s, c, slot, WIRE_REPLY);
	struct xfer *x = &s->xfer[slot->xfer - 1];

	flow_tx_init(&x->tx, first, rest, c->mss);
	flow_tx_send(&x->tx, &n, &c->path, c->path.cwnd / c->sending, now_ns);
	s->due_ns = MIN(s->due_ns, x->tx.due_ns);
}

static void
refuse_send(struct flow_serve *s, const struct session *c, const struct slot *slot, int err)
{
	struct wire_head h = { .kind = WIRE_REFUSE,
			       .session = c->session,
			       .id = slot->id,
			       .client = c->client,
			       .word = (uint32_t)-err };

	flow_serve_send(s, &c->addr, &h, NULL);
}

/* Sends the answer that a slot keeps: at once and for good, or until it is acknowledged. */
static void
slot_answer(struct flow_serve *s, struct session *c, struct slot *slot, uint64_t now_ns)
{
	if (slot->err != 0) {
		refuse_send(s, c, slot, slot->err);
		return;
	}
	if (slot->len <= c->mss && !slot->told) {
		answer_send(s, c, slot, slot->p, slot->len);
		return;
	}
	if (flow_xfer_alloc(s, c, slot, true, now_ns) == NULL) {
		return; /* it is kept, and the client asks again */
	}
	slot->state = SLOT_SENDING;
	c->sending++;
	slot_send(s, c, slot, slice_of(slot->p, slot->len), slice_of(NULL, 0), now_ns);
}

static uint32_t
xfer_len(const struct xfer *x)
{
	return x->out ? x->tx.len : x->rx.len;
}

/* It was sent in vain: nothing of it is kept. What was lent was a read: asked once more, it runs
 * again. */
static void
slot_give_up(struct flow_serve *s, struct session *c, struct slot *slot)
{
	bool lent = s->xfer[slot->xfer - 1].lent;

	flow_slot_drop(s, c, slot);
	slot->state = lent ? SLOT_ANSWERED : SLOT_KEPT;
	slot->err = lent ? 0 : MB_ERR_INDETERMINATE;
}

/* It came in part, and what came is not kept: it has not run, and never will. */
static void
slot_take_no_more(struct flow_serve *s, struct session *c, struct slot *slot)
{
	flow_slot_drop(s, c, slot);
	slot->state = SLOT_KEPT;
	slot->err = MB_ERR_BUSY;
}

/* A request that came too slowly has not run; of an answer nobody can say whether it came. */
bool
flow_serve_evict(struct flow_serve *s)
{
	struct xfer *most = NULL;
	struct session *c;
	struct slot *slot;

	if (s->now_ns < s->evict_ns) {
		return false;
	}
	for (uint32_t i = 0; i < s->xfer_top; i++) {
		struct xfer *x = &s->xfer[i];

		if (x->used && !x->lent && flow_xfer_is_slow(x, s->now_ns) &&
		    (most == NULL || xfer_len(x) > xfer_len(most))) {
			most = x;
		}
	}
	if (most == NULL) {
		bool freed = flow_session_let_go(s);

		s->evict_ns = freed ? s->evict_ns : s->now_ns + EVICT_EACH_NS;
		return freed;
	}
	c = &s->session[most->session];
	slot = &c->slot[most->slot];
	c->barred_ns = s->now_ns + BARRED_NS;
	s->stats.expired++;
	if (most->out) {
		slot_give_up(s, c, slot);
	} else {
		slot_take_no_more(s, c, slot);
		slot_answer(s, c, slot, s->now_ns);
	}
	return true;
}

static struct slot *
serve_slot(struct flow_serve *s, struct flow_ref ref, struct session **ret)
{
	struct session *c = &s->session[ref.session];
	struct slot *slot = &c->slot[FLOW_SLOT(ref.id)];

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
	slot->p = flow_serve_alloc(s, c, len);
	slot->len = slot->p != NULL ? (uint32_t)len : 0;
	return slot->p;
}

/* The request has run: what is told of it is of this kind. */
static void
slot_ran(struct session *c, struct slot *slot, enum slot_state state, uint64_t now_ns)
{
	c->running--;
	slot->state = (uint8_t)state;
	slot->err = 0;
	slot->took_us = (uint32_t)MIN((now_ns - slot->since_ns) / 1000, (uint64_t)UINT32_MAX);
}

void
flow_serve_reply(struct flow_serve *s, struct flow_ref ref, uint8_t *p, size_t len, uint64_t now_ns)
{
	struct session *c;
	struct slot *slot = serve_slot(s, ref, &c);

	REQUIRE(slot != NULL); /* nothing ends a session between room and reply */
	REQUIRE(slot->p == p && slot->len == len);
	slot_ran(c, slot, SLOT_KEPT, now_ns);
	slot_answer(s, c, slot, now_ns);
}

uint8_t *
flow_serve_draft(struct flow_serve *s, struct flow_ref ref, size_t *ret_max)
{
	struct session *c;
	struct slot *slot = serve_slot(s, ref, &c);

	if (slot == NULL || slot->told || slot->p != NULL) {
		return NULL;
	}
	s->draft_session = c;
	s->draft_slot = slot;
	*ret_max = c->mss;
	return s->ops.draft(s->ops.ctx, c->mss);
}

void
flow_serve_draft_send(struct flow_serve *s, struct flow_ref ref, const uint8_t *p, size_t len,
		      uint64_t now_ns)
{
	struct session *c = s->draft_session;
	struct slot *slot = s->draft_slot;

	REQUIRE(slot->id == ref.id && slot->state == SLOT_RUNNING, "not the last draft");
	REQUIRE(len > 0 && len <= c->mss, "len=%zu mss=%u", len, c->mss);
	slot_ran(c, slot, SLOT_ANSWERED, now_ns);
	answer_send(s, c, slot, p, len);
}

bool
flow_serve_lend(struct flow_serve *s, struct flow_ref ref, struct slice head, struct slice rest,
		uint64_t now_ns)
{
	struct session *c;
	struct slot *slot = serve_slot(s, ref, &c);
	struct xfer *x;
	uint8_t *p;

	if (slot == NULL || slot->p != NULL) {
		return false;
	}
	p = flow_serve_alloc(s, c, head.len);
	x = p != NULL ? flow_xfer_alloc(s, c, slot, true, now_ns) : NULL;
	if (x == NULL) {
		if (p != NULL) {
			flow_serve_free(s, c, p, head.len);
		}
		return false;
	}
	memcpy(p, head.p, head.len);
	slot->p = p;
	slot->len = (uint32_t)head.len;
	slot_ran(c, slot, SLOT_SENDING, now_ns);
	c->sending++;
	x->lent = true;
	slot_send(s, c, slot, slice_of(p, head.len), rest, now_ns);
	return true;
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
		flow_serve_free(s, c, slot->p, slot->len);
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
	struct flow_name n = flow_serve_name(s, c, slot, WIRE_REQUEST);
	uint32_t len = x->rx.len;
	uint8_t *p = x->rx.p;

	x->heard_ns = now_ns;
	if (flow_rx_is_narrower(&x->rx, h)) {
		flow_rx_again(&x->rx, h->mss);
	}
	if (flow_rx_take(&x->rx, h, body) != 0) {
		s->stats.bad++;
		return;
	}
	if (flow_rx_ack_now(&x->rx) || (!x->listed && s->ack_cnt == FLOW_ACK_LIST_CNT)) {
		flow_rx_ack(&x->rx, &n);
	} else if (!x->listed) {
		x->listed = true;
		s->ack[s->ack_cnt++] = slot->xfer;
	}
	if (!flow_rx_done(&x->rx)) {
		return;
	}
	slot->told = true;
	s->stats.request++;
	x->rx.p = NULL; /* ours until it was run */
	flow_xfer_free(s, c, slot);
	slot_run(s, c, slot, slice_of(p, len), now_ns);
	flow_serve_free(s, c, p, len);
}

/* A slot takes the next id. */
static void
slot_renew(struct flow_serve *s, struct session *c, struct slot *slot, uint64_t id)
{
	if (slot->p != NULL || slot->xfer != 0) {
		flow_slot_drop(s, c, slot);
	}
	slot->id = id;
	slot->told = false;
	slot->err = 0;
	slot->took_us = 0;
}

/* The first segment of several. */
static noinline void
slot_begin(struct flow_serve *s, struct session *c, struct slot *slot, const struct wire_head *h,
	   struct slice body, uint64_t now_ns)
{
	struct xfer *x;
	bool counted;
	uint8_t *p;

	if (h->off != 0) {
		return; /* overtook the first one */
	}
	if (slot->state != SLOT_ANSWERED) { /* of which nothing is kept, and this may be it again */
		flow_slot_drop(s, c, slot);
	}
	p = flow_xfer_is_room(s) ? flow_serve_alloc_taking(s, c, h->total, body, &counted) : NULL;
	if (p == NULL) { /* nothing is granted, nothing kept, and it comes again */
		struct flow_rx none;
		struct slot fresh = { .id = h->id };
		struct flow_name n = flow_serve_name(s, c, &fresh, WIRE_REQUEST);

		flow_rx_init(&none, h->total, h->mss);
		flow_rx_ack(&none, &n);
		s->stats.full++;
		return;
	}
	slot_renew(s, c, slot, h->id);
	slot->state = SLOT_TAKING;
	x = flow_xfer_alloc(s, c, slot, false, now_ns);
	flow_rx_init(&x->rx, h->total, h->mss);
	x->rx.p = p;
	x->counted = counted;
	s->due_ns = MIN(s->due_ns, now_ns + GIVE_UP_NS);
	slot_take(s, c, slot, h, body, now_ns);
}

/* More of a request, or the same once more: F1. */
static noinline void
slot_again(struct flow_serve *s, struct session *c, struct slot *slot, const struct wire_head *h,
	   struct slice body, uint64_t now_ns)
{
	struct flow_name n = flow_serve_name(s, c, slot, WIRE_REQUEST);
	struct flow_rx all;
	struct xfer *x;

	if (slot->state == SLOT_TAKING) {
		slot_take(s, c, slot, h, body, now_ns);
		return;
	}
	s->stats.again++;
	switch (slot->state) {
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
	case SLOT_SENDING:
		x = &s->xfer[slot->xfer - 1];
		if (x->tx.mss > c->mss) { /* too wide to come through */
			x->heard_ns = now_ns;
			slot_send(s, c, slot, x->tx.first, x->tx.rest, now_ns);
		}
		break;
	case SLOT_ANSWERED: /* it changes nothing, and was of one segment, as far as it came here */
		if (h->len == h->total) {
			slot_run(s, c, slot, body, now_ns);
		} else { /* it was one, and the way has become narrower */
			slot_begin(s, c, slot, h, body, now_ns);
		}
		break;
	default:
		break; /* it was acknowledged */
	}
}

/* Frees what is kept of requests that the client is done with. */
static noinline void
session_free(struct flow_serve *s, struct session *c, uint64_t from, uint64_t done)
{
	if (done - from >= FLOW_CREDITS) {
		from = done - FLOW_CREDITS + 1;
	}
	for (uint64_t id = from; id <= done; id++) {
		struct slot *slot = &c->slot[FLOW_SLOT(id)];

		if (slot->id == id && (slot->state == SLOT_KEPT || slot->state == SLOT_SENDING)) {
			flow_slot_drop(s, c, slot);
		}
	}
}

static void
serve_on_request(struct flow_serve *s, struct session *c, const struct wire_head *h,
		 struct slice body, uint64_t now_ns)
{
	struct slot *slot = &c->slot[FLOW_SLOT(h->id)];
	/* word is the low half of an id below this one. */
	uint64_t back = (uint32_t)((uint32_t)h->id - h->word);

	if (back != 0 && back <= h->id && h->id - back > c->done) {
		if (c->bytes > 0) {
			session_free(s, c, c->done + 1, h->id - back);
		}
		c->done = h->id - back;
	}
	if (h->mss < c->mss) {
		c->mss = h->mss; /* the way has become narrower */
	}
	if (h->id < slot->id || h->id <= c->done) {
		s->stats.again++;
	} else if (h->id == slot->id) {
		slot_again(s, c, slot, h, body, now_ns);
	} else if (slot->state == SLOT_RUNNING) {
		s->stats.bad++; /* it has no credit for this */
	} else if (likely(h->len == h->total)) {
		slot_renew(s, c, slot, h->id);
		s->stats.request++;
		slot_run(s, c, slot, body, now_ns);
	} else {
		slot_begin(s, c, slot, h, body, now_ns);
		s->stats.begun += slot->id == h->id;
	}
}

static noinline void
serve_on_ack(struct flow_serve *s, struct session *c, const struct wire_head *h, struct slice body,
	     uint64_t now_ns)
{
	struct slot *slot = &c->slot[FLOW_SLOT(h->id)];
	struct flow_name n = flow_serve_name(s, c, slot, WIRE_REPLY);
	struct xfer *x;

	if ((h->flags & WIRE_F_OF_REPLY) == 0 || slot->id != h->id) {
		return;
	}
	if (slot->state != SLOT_SENDING) {
		/* It waits for the rest of what was given up: it slept. */
		if (h->off < h->total && (slot->state == SLOT_ANSWERED ||
					  (slot->state == SLOT_KEPT && slot->err != 0))) {
			refuse_send(s, c, slot, MB_ERR_INDETERMINATE);
		}
		return;
	}
	x = &s->xfer[slot->xfer - 1];
	if (!flow_tx_ack(&x->tx, h, body, &c->path, now_ns)) {
		s->stats.bad++;
		return;
	}
	x->heard_ns = now_ns;
	if (x->tx.done) {
		flow_slot_drop(s, c, slot);
		return;
	}
	flow_tx_send(&x->tx, &n, &c->path, c->path.cwnd / c->sending, now_ns);
	s->due_ns = MIN(s->due_ns, x->tx.due_ns);
}

/* A datagram of no session that is known. Returns: the one that its request makes; NULL: none. */
static noinline struct session *
serve_stranger(struct flow_serve *s, const struct wire_addr *from, const struct wire_head *h,
	       uint64_t now_ns)
{
	struct session *c;

	if (from->port == 0) { /* he wants no answer (RFC 768), and there is none without */
		s->stats.bad++;
		return NULL;
	}
	if (h->kind == WIRE_HELLO) {
		flow_serve_on_hello(s, from, h, now_ns);
		return NULL;
	}
	if (h->kind != WIRE_REQUEST && h->kind != WIRE_ACK) {
		return NULL;
	}
	if (h->kind == WIRE_ACK || (h->flags & WIRE_F_OPEN) == 0 ||
	    !flow_session_is_given(s, from, h, now_ns) ||
	    flow_session_has_left(s, h->session, now_ns)) {
		flow_serve_reset(s, from, h);
		return NULL;
	}
	c = flow_session_make(s, from, h, now_ns);
	if (c == NULL) { /* it has not run, and nothing is kept */
		const struct wire_head busy = { .kind = WIRE_REFUSE,
						.session = h->session,
						.id = h->id,
						.client = h->client,
						.word = (uint32_t)-MB_ERR_BUSY };

		flow_serve_send(s, from, &busy, NULL);
	}
	return c;
}

/* Whether a datagram is of a session's client. It may have come another way, or one that has
 * another number now (here.h): there answers go. */
static noinline bool
session_is_of(struct session *c, const struct wire_addr *from, const struct wire_head *h)
{
	if (c->client != h->client || !wire_addr_eq(&c->addr, from)) {
		return false;
	}
	c->addr.via = from->via;
	return true;
}

void
flow_serve_input(struct flow_serve *s, const struct wire_addr *from, const struct wire_head *h,
		 struct slice body, uint64_t now_ns)
{
	/* Of a HELLO it is 0, which names none. */
	struct session *c = flow_session_find(s, h->session);

	s->stats.came++;
	s->now_ns = now_ns;
	if (unlikely(c == NULL)) {
		c = serve_stranger(s, from, h, now_ns);
		if (c == NULL) {
			return;
		}
	} else if (unlikely(c->client != h->client || !wire_addr_same(&c->addr, from)) &&
		   !session_is_of(c, from, h)) {
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
		flow_session_leave(s, c, now_ns);
		break;
	default:
		s->stats.bad++;
	}
}

/* ACKs for those that owe one, and need not wait. */
static noinline void
serve_acks(struct flow_serve *s)
{
	uint32_t cnt = s->ack_cnt;

	s->ack_cnt = 0;
	for (uint32_t i = 0; i < cnt; i++) {
		struct xfer *x = &s->xfer[s->ack[i] - 1];
		struct session *c = &s->session[x->session];
		struct flow_name n = flow_serve_name(s, c, &c->slot[x->slot], WIRE_REQUEST);

		if (x->rx.ack_due && flow_rx_ack_waits(&x->rx, x->heard_ns, s->now_ns)) {
			s->ack[s->ack_cnt++] = s->ack[i];
			s->due_ns = MIN(s->due_ns, x->heard_ns + FLOW_ACK_NS);
			continue;
		}
		x->listed = false;
		if (x->rx.ack_due) {
			flow_rx_ack(&x->rx, &n);
		}
	}
}

void
flow_serve_flush(struct flow_serve *s)
{
	if (s->ack_cnt > 0) {
		serve_acks(s);
	}
}

/* --------------------------------------------------------------------- time */

static uint64_t
xfer_due(struct flow_serve *s, struct xfer *x, uint64_t now_ns)
{
	struct session *c = &s->session[x->session];
	struct slot *slot = &c->slot[x->slot];
	struct flow_name n = flow_serve_name(s, c, slot, WIRE_REPLY);

	if (!x->out) {
		if (now_ns - x->heard_ns < GIVE_UP_NS) {
			return x->heard_ns + GIVE_UP_NS;
		}
		slot_take_no_more(s, c, slot);
		s->stats.expired++;
		return FLOW_TIMER_NONE;
	}
	if (x->tx.due_ns > now_ns) {
		return x->tx.due_ns;
	}
	if (now_ns - x->heard_ns > GIVE_UP_NS) { /* who does not sleep does not wait any more */
		slot_give_up(s, c, slot);
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
	s->now_ns = now_ns;
	if (now_ns >= s->due_ns) {
		s->due_ns = FLOW_TIMER_NONE;
		for (uint32_t i = 0; i < s->xfer_top; i++) {
			if (s->xfer[i].used) {
				s->due_ns = MIN(s->due_ns, xfer_due(s, &s->xfer[i], now_ns));
			}
		}
		flow_serve_flush(s);
	}
	if (s->session_cnt > 0 && now_ns >= s->forget_ns) {
		s->forget_ns = now_ns + FORGET_EACH_NS;
		for (uint32_t i = 0; i < s->cfg.session_max; i++) {
			struct session *c = &s->session[i];

			if (c->used && c->running == 0 && now_ns - c->heard_ns > FLOW_FORGET_NS) {
				flow_session_forget(s, c);
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
