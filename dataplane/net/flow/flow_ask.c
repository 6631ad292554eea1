/* SPDX-License-Identifier: Apache-2.0 */
/* flow_ask - see flow.h for what is exchanged, flow_ask.h for the states
 *
 * Ids. Request n sits in slot n mod credits, there and here. An id is given out only when its slot
 * is free here, so a server that sees it in a slot may forget what the slot held: F1. Slots become
 * free in any order, so ids may be skipped; one long request does not hold up the others.
 *
 * After a RESET the server knows nothing of the session: it was started again, or has forgotten us.
 * It says since when it is here. A request that was first sent after that has not run, for the one
 * before cannot have had it, and is asked again in the next session; so is what changes nothing. Of
 * the others nobody knows: they end with NODE_DIED. (That it was sent once only proves
 * nothing: the network, or who has recorded it, may have doubled it.) It is a proof only of what
 * was sent to him who says so. Who moves datagrams can have another one say it, who has the same
 * key: another tile of the node is not believed, and of another node it counts only if the next
 * session is with that one too.
 *
 * The way becomes narrower. What is wide is then lost for ever, in either direction, and nothing
 * says so. So after NARROW_NS in which a request was asked NARROW_TRIES times in vain the
 * session's segments become as short as any way carries; requests that are under way begin again
 * so, and their heads tell the server, which does the same with answers. A message that was begun
 * wide gives way to the same one, begun narrow; never the reverse, so what is late changes
 * nothing. It may have been a cut, no narrow way: a while later, when nothing is open, the session
 * is greeted anew.
 *
 * The server knows us no more and does not say so: a wall on the way gave us another address, at
 * which there is no such session. So in one that fell silent nothing is begun: when what was sent
 * in it has ended, what waits greets anew. If it was a cut, what waits has not run.
 */
#include "flow_ask.h"

#include "check.h"
#include "compiler.h"
#include "microburst/error.h"

#define SLOT(id)     ((uint32_t)((id) & (FLOW_CREDITS - 1)))
#define PLAIN_WIDTH  1472 /* Ethernet without jumbo frames, IPv4 */
#define HELLO_TRIES  3    /* at each width */
#define ROOM_TRIES   12   /* for memory at the server: some seconds */
#define NARROW_WIDTH ((uint16_t)(WIRE_DATAGRAM_MIN - 40)) /* sealed it is as long as that */
#define NARROW_MSS   ((uint16_t)(NARROW_WIDTH - WIRE_HEAD_BYTES))
#define NARROW_TRIES 6
#define NARROW_NS    UINT64_C(1000000000)

void
flow_ask_init(struct flow_ask *a, const struct wire_addr *server, uint16_t datagram, uint64_t seed,
	      const struct flow_ask_ops *ops)
{
	REQUIRE(datagram >= WIRE_DATAGRAM_MIN);
	memset(a, 0, sizeof(*a));
	a->ops = *ops;
	a->server = *server;
	a->datagram = (uint16_t)MIN(datagram, (uint16_t)WIRE_DATAGRAM_MAX);
	a->due_ns = FLOW_TIMER_NONE;
	rng_init(&a->rng, seed);
	flow_path_init(&a->path);
}

static void
ask_send(struct flow_ask *a, const struct wire_head *h, const uint8_t *body)
{
	a->stats.sent++;
	a->ops.send(a->ops.ctx, &a->server, h, body);
}

static void
ask_segment(void *ctx, const struct wire_addr *to, const struct wire_head *h, const uint8_t *body)
{
	struct flow_ask *a = ctx;

	(void)to;
	ask_send(a, h, body);
}

static void
vain_begin(struct flow_vain *v, uint64_t now_ns)
{
	*v = (struct flow_vain){ .since_ns = now_ns };
}

/* Nothing came since. Returns: for how long it was asked in vain. */
static uint64_t
vain_on(struct flow_vain *v, uint64_t now_ns)
{
	v->ns += MIN(now_ns - v->since_ns, FLOW_RTO_MAX_NS);
	v->since_ns = now_ns;
	return v->ns;
}

static struct flow_name
ask_name(struct flow_ask *a, const struct flow_ask_slot *s, uint8_t kind)
{
	return (struct flow_name){ .session = a->session,
				   .id = s->id,
				   .client = a->client,
				   .kind = kind,
				   .flags = a->heard ? 0 : WIRE_F_OPEN,
				   .word = (uint32_t)a->done_id,
				   .to = a->server,
				   .send = ask_segment,
				   .ctx = a };
}

static void
ask_due(struct flow_ask *a, struct flow_ask_slot *s, uint64_t at_ns)
{
	s->due_ns = at_ns;
	a->due_ns = MIN(a->due_ns, at_ns);
}

/* ------------------------------------------------------------------ ending */

static void
ask_slot_free(struct flow_ask *a, struct flow_ask_slot *s, bool owned)
{
	REQUIRE(s->state != ASK_FREE);
	if (s->in && s->rx.p != NULL && !owned) {
		a->ops.free(a->ops.ctx, s->rx.p, s->rx.len);
	}
	if (s->state == ASK_WAITING) {
		a->waiting_cnt--;
	} else if (!s->tx.done) {
		a->unacked_cnt--;
	}
	s->state = ASK_FREE;
	s->in = false;
	a->open_cnt--;
	while (a->done_id < a->next_id && (a->slot[SLOT(a->done_id + 1)].state == ASK_FREE ||
					   a->slot[SLOT(a->done_id + 1)].id != a->done_id + 1)) {
		a->done_id++;
	}
}

/* F2: the one place where a request ends. */
static void
ask_done(struct flow_ask *a, struct flow_ask_slot *s, int err, uint8_t *p, size_t len, bool owned)
{
	ask_slot_free(a, s, owned);
	a->ops.done(a->ops.ctx, s->user, err, p, len, owned);
}

/* Whether a request is asked again in the next session: it may run twice, or was first sent when
 * the server that knows nothing of it was there already. */
static bool
ask_goes_on(const struct flow_ask_slot *s, uint64_t since_ns)
{
	return s->r.reads || (s->begun_ns > since_ns && !s->tx.done && !s->in);
}

/* What it had come to is forgotten. */
static void
ask_wait_again(struct flow_ask *a, struct flow_ask_slot *s)
{
	s->doubt = !s->r.reads;
	if (s->in && s->rx.p != NULL) {
		a->ops.free(a->ops.ctx, s->rx.p, s->rx.len);
	}
	a->unacked_cnt -= !s->tx.done;
	a->waiting_cnt++;
	s->in = false;
	s->state = ASK_WAITING;
}

/* Ends the session; what was sent ends with err, but for what is asked again. */
static void
ask_session_end(struct flow_ask *a, uint64_t since_ns, int err)
{
	uint64_t last = a->next_id;

	a->state = FLOW_ASK_IDLE;
	a->session = 0;
	for (uint32_t i = 0; i < FLOW_CREDITS; i++) {
		struct flow_ask_slot *s = &a->slot[i];

		if (s->state != ASK_SENT || s->id > last) {
			continue;
		}
		if (ask_goes_on(s, since_ns)) {
			ask_wait_again(a, s);
		} else {
			ask_done(a, s, err, NULL, 0, false);
		}
	}
}

static void
ask_fail_all(struct flow_ask *a, int sent, int waiting)
{
	uint64_t last = a->next_id;

	ask_session_end(a, UINT64_MAX, sent);
	for (uint32_t i = 0; i < FLOW_CREDITS; i++) {
		if (a->slot[i].state == ASK_WAITING && a->slot[i].id <= last) {
			ask_done(a, &a->slot[i], a->slot[i].doubt ? sent : waiting, NULL, 0, false);
		}
	}
}

void
flow_ask_unreachable(struct flow_ask *a)
{
	ask_fail_all(a, MB_ERR_NODE_DIED, MB_ERR_NO_NODE);
}

void
flow_ask_close(struct flow_ask *a, int err)
{
	struct wire_head h = { .kind = WIRE_RESET, .session = a->session, .client = a->client };

	if (a->state == FLOW_ASK_OPEN) {
		ask_send(a, &h, NULL);
	}
	ask_fail_all(a, err, err);
}

/* ----------------------------------------------------------------- session */

static void
ask_hello_send(struct flow_ask *a, uint64_t now_ns)
{
	static const uint8_t padding[WIRE_BODY_MAX];
	struct wire_head h = { .kind = WIRE_HELLO, .client = a->client };

	a->tries++;
	a->width = a->tries <= HELLO_TRIES       ? a->datagram
		   : a->tries <= 2 * HELLO_TRIES ? MIN(a->datagram, (uint16_t)PLAIN_WIDTH)
						 : NARROW_WIDTH;
	/* Another number each time: the WELCOME then tells which width came through, and when it
	 * was asked. */
	a->nonce = rng_u64(&a->rng);
	h.id = a->nonce;
	h.len = (uint16_t)(a->width - WIRE_HEAD_BYTES);
	h.mss = h.len;
	a->hello_ns = now_ns;
	a->hello_due_ns = now_ns + flow_backoff(&a->path, MIN(a->tries, (uint16_t)4));
	a->stats.hello++;
	ask_send(a, &h, padding);
}

static void
ask_hello(struct flow_ask *a, uint64_t now_ns)
{
	a->state = FLOW_ASK_HELLO;
	a->client = (uint32_t)rng_u64(&a->rng) | 1;
	a->heard = a->mute = false;
	a->tries = 0;
	a->heard_ns = now_ns;
	vain_begin(&a->hello_vain, now_ns);
	flow_path_init(&a->path);
	ask_hello_send(a, now_ns);
}

static void
ask_transmit(struct flow_ask *a, struct flow_ask_slot *s, uint64_t now_ns)
{
	struct flow_name n = ask_name(a, s, WIRE_REQUEST);

	flow_tx_send(&s->tx, &n, &a->path, a->path.cwnd / MAX(a->unacked_cnt, 1u), now_ns);
	ask_due(a, s, s->tx.due_ns);
}

/* Leaves a session that is mute, when nothing is open in it. */
static void
ask_leave_mute(struct flow_ask *a, uint64_t now_ns)
{
	if (a->state == FLOW_ASK_OPEN && a->mute && a->open_cnt == a->waiting_cnt) {
		a->state = FLOW_ASK_IDLE;
		if (a->waiting_cnt > 0) {
			ask_hello(a, now_ns);
		}
	}
}

/* Starts what waits, oldest first, as far as the window goes. */
static void
ask_run_waiting(struct flow_ask *a, uint64_t now_ns)
{
	if (a->state != FLOW_ASK_OPEN || a->mute) {
		return;
	}
	for (uint64_t id = a->done_id + 1;
	     a->waiting_cnt > 0 && a->unacked_cnt < a->path.cwnd && id <= a->next_id; id++) {
		struct flow_ask_slot *s = &a->slot[SLOT(id)];

		if (s->id != id || s->state != ASK_WAITING) {
			continue;
		}
		s->state = ASK_SENT;
		s->probes = 0;
		s->unheard = 0;
		s->begun_ns = s->heard_ns = now_ns;
		vain_begin(&s->vain, now_ns);
		a->waiting_cnt--;
		a->unacked_cnt++;
		flow_tx_init(&s->tx, s->r.first, s->r.rest, a->mss);
		ask_transmit(a, s, now_ns);
	}
}

int
flow_ask_start(struct flow_ask *a, const struct flow_request *r, void *user, uint64_t now_ns)
{
	size_t len = r->first.len + r->rest.len;
	struct flow_ask_slot *s;

	if (len == 0 || len > WIRE_MESSAGE_MAX) {
		return MB_ERR_TOO_LARGE;
	}
	if (a->open_cnt == FLOW_CREDITS) {
		return MB_ERR_FULL;
	}
	if (a->state == FLOW_ASK_OPEN && a->open_cnt == 0 &&
	    (now_ns - a->heard_ns > FLOW_FRESH_NS ||
	     (a->narrow_ns != 0 && now_ns - a->narrow_ns > FLOW_FRESH_NS))) {
		a->state = FLOW_ASK_IDLE; /* it may have forgotten us, and with us what it ran */
	}
	do {
		a->next_id++;
		s = &a->slot[SLOT(a->next_id)];
	} while (s->state != ASK_FREE);
	if (a->open_cnt == 0) {
		a->done_id = a->next_id - 1;
	}
	s->id = a->next_id;
	s->state = ASK_WAITING;
	s->in = s->doubt = s->anew = false;
	s->r = *r;
	s->user = user;
	a->open_cnt++;
	a->waiting_cnt++;
	if (a->state == FLOW_ASK_IDLE) {
		ask_hello(a, now_ns);
	} else {
		ask_run_waiting(a, now_ns);
	}
	return 0;
}

bool
flow_ask_has_been_taken(const struct flow_ask *a, const void *user)
{
	for (uint32_t i = 0; i < FLOW_CREDITS; i++) {
		const struct flow_ask_slot *s = &a->slot[i];

		if (s->state == ASK_SENT && s->user == user && s->tx.done) {
			return true;
		}
	}
	return false;
}

/* ------------------------------------------------------------------- input */

/* Who is there now is known: whether it is he who said that these have not run. */
static void
ask_settle(struct flow_ask *a)
{
	for (uint32_t i = 0; i < FLOW_CREDITS; i++) {
		struct flow_ask_slot *s = &a->slot[i];

		if (s->state != ASK_WAITING || !s->doubt) {
			continue;
		}
		s->doubt = false;
		if (a->server_is != a->told_by) {
			ask_done(a, s, MB_ERR_NODE_DIED, NULL, 0, false);
		}
	}
}

static void
ask_on_welcome(struct flow_ask *a, const struct wire_head *h, struct slice body, uint64_t now_ns)
{
	if (a->state != FLOW_ASK_HELLO || h->id != a->nonce ||
	    h->mss + WIRE_HEAD_BYTES > a->width) {
		return;
	}
	memcpy(&a->server_is, body.p, sizeof(a->server_is));
	a->server_is = le64toh(a->server_is);
	ask_settle(a);
	a->state = FLOW_ASK_OPEN;
	a->session = h->session;
	a->mss = h->mss;
	a->narrow_ns = 0;
	flow_path_rtt(&a->path, now_ns - a->hello_ns);
	ask_run_waiting(a, now_ns);
}

/* The server has all of the request. */
static void
ask_acked(struct flow_ask *a, struct flow_ask_slot *s)
{
	s->tx.done = true;
	a->unacked_cnt--;
}

static void
ask_on_ack(struct flow_ask *a, struct flow_ask_slot *s, const struct wire_head *h,
	   struct slice body, uint64_t now_ns)
{
	if (s->tx.done || !flow_tx_ack(&s->tx, h, body, &a->path, now_ns)) {
		return;
	}
	if (s->tx.done) {
		a->unacked_cnt--;
		ask_due(a, s, now_ns + 2 * a->path.rto_ns);
		ask_run_waiting(a, now_ns);
	} else {
		ask_transmit(a, s, now_ns);
	}
}

/* Says that an answer came which nobody waits for any more: its ACK was lost. */
static void
ask_ack_again(struct flow_ask *a, const struct wire_head *h)
{
	struct flow_ask_slot s = { .id = h->id };
	struct flow_name n = ask_name(a, &s, WIRE_REPLY);
	uint8_t none;

	flow_rx_init(&s.rx, h->total, h->mss);
	s.rx.p = &none;
	s.rx.came = h->total;
	flow_rx_ack(&s.rx, &n);
}

static void
ask_on_reply(struct flow_ask *a, struct flow_ask_slot *s, const struct wire_head *h,
	     struct slice body, uint64_t now_ns)
{
	struct flow_name n = ask_name(a, s, WIRE_REPLY);

	if (!s->tx.done) {
		uint64_t there_ns = (uint64_t)h->word * 1000;

		if (s->tx.tries == 1 && s->tx.len <= a->mss && s->probes == 0 &&
		    now_ns - s->begun_ns > there_ns) {
			flow_path_rtt(&a->path, now_ns - s->begun_ns - there_ns);
		}
		flow_path_acked(&a->path, 1);
		ask_acked(a, s);
	}
	if (h->len == h->total) {
		if ((h->flags & WIRE_F_ACK) != 0) {
			ask_ack_again(a, h);
		}
		ask_done(a, s, 0, (uint8_t *)(uintptr_t)body.p, body.len, false);
		return;
	}
	if (s->in && flow_rx_is_narrower(&s->rx, h)) {
		flow_rx_again(&s->rx, h->mss);
	}
	if (!s->in) {
		if (h->off != 0) {
			return;
		}
		flow_rx_init(&s->rx, h->total, h->mss);
		s->in = true;
	}
	if (s->rx.p == NULL) {
		s->rx.p = a->ops.alloc(a->ops.ctx, s->rx.len);
	}
	if (s->rx.p == NULL || flow_rx_take(&s->rx, h, body) != 0) {
		flow_rx_ack(&s->rx, &n); /* no room: nothing is granted, and it asks again */
		return;
	}
	ask_due(a, s, now_ns + 2 * a->path.rto_ns);
	if (flow_rx_ack_now(&s->rx)) {
		flow_rx_ack(&s->rx, &n);
	} else {
		a->owed |= UINT32_C(1) << SLOT(s->id) % 32;
	}
	if (flow_rx_done(&s->rx)) {
		ask_done(a, s, 0, s->rx.p, s->rx.len, true);
	}
}

/* The answer of what changes nothing had no room, or was given up, for we were away: that is no
 * doubt. If some of it is here, it is asked for once more, by another id: no part of the first
 * answer gets into the second. */
static void
ask_on_refuse(struct flow_ask *a, struct flow_ask_slot *s, int err, uint64_t now_ns)
{
	struct flow_request r = s->r;

	if (!r.reads || err != MB_ERR_INDETERMINATE) {
		ask_done(a, s, err, NULL, 0, false);
	} else if (!s->in || s->anew) {
		ask_done(a, s, MB_ERR_BUSY, NULL, 0, false);
	} else {
		ask_slot_free(a, s, false);
		INSIST(flow_ask_start(a, &r, s->user, now_ns) == 0, "there is room for one");
		a->slot[SLOT(a->next_id)].anew = true;
	}
	ask_run_waiting(a, now_ns);
}

void
flow_ask_input(struct flow_ask *a, const struct wire_head *h, struct slice body, uint64_t now_ns)
{
	struct flow_ask_slot *s = &a->slot[SLOT(h->id)];
	uint64_t here_ns, by;
	bool mine;

	a->stats.came++;
	if (h->kind == WIRE_WELCOME) {
		ask_on_welcome(a, h, body, now_ns);
		return;
	}
	if (a->state != FLOW_ASK_OPEN || h->session != a->session || h->client != a->client) {
		a->stats.bad++;
		return;
	}
	if (h->kind == WIRE_RESET) {
		by = (uint64_t)h->total << 32 | h->off;
		if (wire_is_sibling(by, a->server_is)) {
			a->stats.bad++;
			return;
		}
		a->stats.reset++;
		a->told_by = by;
		here_ns = h->word * UINT64_C(1000000);
		ask_session_end(a, now_ns - MIN(here_ns, now_ns), MB_ERR_NODE_DIED);
		if (a->waiting_cnt > 0 && a->state == FLOW_ASK_IDLE) {
			ask_hello(a, now_ns);
		}
		return;
	}
	a->heard = true;
	a->mute = false;
	a->heard_ns = now_ns;
	mine = s->state == ASK_SENT && s->id == h->id;
	if (mine) {
		s->heard_ns = now_ns;
		s->unheard = 0;
		vain_begin(&s->vain, now_ns);
	}
	if (h->kind == WIRE_REPLY) {
		if (mine) {
			ask_on_reply(a, s, h, body, now_ns);
			ask_run_waiting(a, now_ns);
		} else if ((h->flags & WIRE_F_ACK) != 0 && h->id <= a->next_id) {
			ask_ack_again(a, h);
		}
	} else if (h->kind == WIRE_ACK && mine && (h->flags & WIRE_F_OF_REPLY) == 0) {
		ask_on_ack(a, s, h, body, now_ns);
	} else if (h->kind == WIRE_REFUSE && mine) {
		ask_on_refuse(a, s, -(int)h->word, now_ns);
	} else {
		a->stats.bad++;
	}
}

void
flow_ask_flush(struct flow_ask *a, uint64_t now_ns)
{
	uint32_t wait = 0;

	for (; a->owed != 0; a->owed &= a->owed - 1) {
		for (uint32_t i = (uint32_t)__builtin_ctz(a->owed); i < FLOW_CREDITS; i += 32) {
			struct flow_ask_slot *s = &a->slot[i];
			struct flow_name n;

			if (s->state != ASK_SENT || !s->in || !s->rx.ack_due) {
				continue;
			}
			if (flow_rx_ack_waits(&s->rx, s->heard_ns, now_ns)) {
				wait |= UINT32_C(1) << i % 32;
				continue;
			}
			n = ask_name(a, s, WIRE_REPLY);
			flow_rx_ack(&s->rx, &n);
		}
	}
	a->owed = wait;
}

/* -------------------------------------------------------------------- time */

/* The request's first segment once more asks what has become of it. */
static void
ask_probe(struct flow_ask *a, struct flow_ask_slot *s, uint64_t now_ns)
{
	struct flow_name n = ask_name(a, s, WIRE_REQUEST);
	struct flow_tx again;

	flow_tx_init(&again, s->r.first, s->r.rest, a->mss);
	flow_tx_send(&again, &n, &a->path, 1, now_ns);
}

static void
ask_slot_due(struct flow_ask *a, struct flow_ask_slot *s, uint64_t now_ns)
{
	struct flow_name n = ask_name(a, s, WIRE_REPLY);
	uint64_t vain_ns = vain_on(&s->vain, now_ns);

	if (vain_ns > FLOW_SILENCE_NS) {
		a->mute |= now_ns - a->heard_ns > FLOW_SILENCE_NS;
		ask_done(a, s, s->r.reads ? MB_ERR_NO_NODE : MB_ERR_INDETERMINATE, NULL, 0, false);
		return;
	}
	if (!s->tx.done && s->tx.len > a->mss && s->tx.acked == 0 && s->tx.tries > ROOM_TRIES) {
		/* It answers, and has no room. Only the first segment was ever sent. */
		ask_done(a, s, MB_ERR_BUSY, NULL, 0, false);
		return;
	}
	a->stats.again++;
	s->unheard++;
	if (s->unheard >= NARROW_TRIES && vain_ns > NARROW_NS && a->mss > NARROW_MSS) {
		a->mss = NARROW_MSS;
		a->narrow_ns = now_ns;
	}
	if (!s->tx.done && !s->in) {
		flow_tx_late(&s->tx, &a->path, now_ns);
		if (s->tx.mss > a->mss) {
			flow_tx_init(&s->tx, s->r.first, s->r.rest, a->mss);
			/* It was sent before, and is not timed; that was too wide, not too soon. */
			s->tx.tries = 2;
			a->path.late = 0;
		}
		ask_transmit(a, s, now_ns);
		return;
	}
	if (s->in && s->rx.mss <= a->mss) { /* the answer stopped half-way */
		flow_rx_ack(&s->rx, &n);
	} else { /* it runs, or the answer was lost, or is too wide */
		ask_probe(a, s, now_ns);
	}
	ask_due(a, s, now_ns + flow_backoff(&a->path, ++s->probes + 1u));
}

void
flow_ask_poll(struct flow_ask *a, uint64_t now_ns)
{
	if (a->state == FLOW_ASK_HELLO && now_ns >= a->hello_due_ns) {
		if (vain_on(&a->hello_vain, now_ns) > FLOW_SILENCE_NS) {
			ask_fail_all(a, MB_ERR_NODE_DIED, MB_ERR_NO_NODE);
			return;
		}
		ask_hello_send(a, now_ns);
	}
	flow_ask_flush(a, now_ns);
	if (now_ns < a->due_ns) {
		return;
	}
	a->due_ns = FLOW_TIMER_NONE;
	for (uint32_t i = 0; i < FLOW_CREDITS; i++) {
		struct flow_ask_slot *s = &a->slot[i];

		if (s->state == ASK_SENT && s->due_ns <= now_ns) {
			ask_slot_due(a, s, now_ns);
		}
		if (s->state == ASK_SENT) {
			a->due_ns = MIN(a->due_ns, s->due_ns);
		}
	}
	ask_leave_mute(a, now_ns);
	ask_run_waiting(a, now_ns);
}

uint64_t
flow_ask_timer(const struct flow_ask *a)
{
	uint64_t at = a->open_cnt > 0 ? a->due_ns : FLOW_TIMER_NONE;

	if (a->owed != 0) {
		at = MIN(at, a->heard_ns + FLOW_ACK_NS);
	}
	return a->state == FLOW_ASK_HELLO ? MIN(at, a->hello_due_ns) : at;
}
