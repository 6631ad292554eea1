/* SPDX-License-Identifier: Apache-2.0 */
/* flow_session - the clients of a server's end, and the memory that is held for them
 *
 * A HELLO costs nothing but its answer: the session's number is made of the client's address, its
 * number, the time and a secret, so it can be checked when the first request brings it back, and
 * only who receives at that address knows it (as TCP's SYN cookies). The session is made then. The
 * hash is SipHash, made for this: from the numbers that somebody was given for addresses of his
 * own, those of other addresses must not follow.
 *
 * A client that leaves says so, and its session goes; but not the knowledge that it was: a copy
 * of one of its requests that is still on its way would make the session again, and run. That
 * knowledge is an entry in a table, at one of the places that the session's number names; when
 * entries that are still needed stand there, the session itself stays until it is forgotten like
 * any other, and all numbers will be good for a shorter time (epoch_renew). So F1 does not hang on
 * luck, and a client that comes and goes costs 16 bytes for a while.
 *
 * When all sessions are taken, the client that was not heard for longest leaves in the same way, if
 * it waits for nothing: should it come again it is told that it is not known, and greets. Who comes
 * while none of them is idle is told BUSY.
 *
 * Memory that is short. A message that holds some must move: PACE_CNT-th parts of it a second, or
 * PACE_MIN, on the average since the last look. Nobody looks while there is room. When there is
 * none the longest of those that are too slow goes (flow_serve.c), and its client begins nothing
 * long for BARRED_NS, in which those who wait ask again. So who sends a byte now and then holds
 * what he was granted for a second or two, and nobody who moves has to go. When none is slow, the
 * answers of clients go that have not been heard for so long that they wait for nothing.
 *
 * Answers cannot wait: one without room is lost, and of what it answers nobody can say what became
 * of it. So requests on their way leave a quarter of all memory (cfg.taking_bytes), and of what
 * their client may have (ANSWERS_PART). And long answers leave the last FLOW_LAST_SHARE-th of both
 * to those of one datagram, as a put's is; a client has FLOW_CREDITS of these at most.
 *
 * A slot is small and there are FLOW_CREDITS of them in a session; what a message needs while it is
 * on its way stands in a pool that all share (xfer), and its bytes come from alloc, counted for
 * each client.
 */
#include <sodium.h>
#include <stdlib.h>

#include "check.h"
#include "compiler.h"
#include "flow_serve_int.h"
#include "microburst/error.h"

#define EPOCH_NS     (FLOW_FORGET_NS / 2)
#define EPOCH_MIN_NS FLOW_SILENCE_NS      /* who was given a number has so long to use it */
#define IDLE_NS      FLOW_KNOWN_NS        /* who is not heard for so long makes room */
#define LEFT_ROW     8u                   /* places that a session's number names */
#define LEFT_MANY    (FLOW_LEFT_CNT / 16) /* in an epoch: one place in a row of two epochs */
#define PACE_NS      UINT64_C(1000000000)
#define PACE_CNT     16
#define PACE_MIN     (64u << 10)
#define ANSWERS_PART 4 /* of what a client may have, so much is not for requests that come */

static_assert(FLOW_LEFT_CNT % LEFT_ROW == 0 && (LEFT_ROW & (LEFT_ROW - 1)) == 0, "rows of places");
static_assert(FLOW_SECRET_BYTES == crypto_shorthash_KEYBYTES, "of libsodium");
static_assert(sizeof(uint64_t) == crypto_shorthash_BYTES, "of libsodium");

int
flow_serve_create(struct flow_serve **ret, const struct flow_serve_cfg *cfg,
		  const struct flow_serve_ops *ops)
{
	struct flow_serve *s = calloc(1, sizeof(*s));
	uint32_t buckets = 1;
	uint64_t incarnation;

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
	s->epoch = 1;
	s->bucket_mask = buckets - 1;
	incarnation = htole64(cfg->incarnation);
	memcpy(s->welcome, &incarnation, sizeof(incarnation));
	s->bucket = calloc(buckets, sizeof(*s->bucket));
	s->session = calloc(cfg->session_max, sizeof(*s->session));
	s->xfer = calloc(cfg->xfer_max, sizeof(*s->xfer));
	s->left = calloc(FLOW_LEFT_CNT, sizeof(*s->left));
	if (s->left == NULL || s->bucket == NULL || s->session == NULL || s->xfer == NULL) {
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
	for (uint32_t i = 0; s->session != NULL && s->xfer != NULL && i < s->cfg.session_max; i++) {
		struct session *c = &s->session[i];

		for (uint32_t k = 0; k < ARRAY_CNT(c->slot); k++) {
			flow_slot_drop(s, c, &c->slot[k]);
		}
	}
	free(s->bucket);
	free(s->session);
	free(s->xfer);
	free(s->left);
	free(s);
}

static void
serve_segment(void *ctx, const struct wire_addr *to, const struct wire_head *h, const uint8_t *body)
{
	flow_serve_send(ctx, to, h, body);
}

static void
serve_hold(void *ctx, bool on)
{
	const struct flow_serve *s = ctx;

	s->ops.hold(s->ops.ctx, on);
}

struct flow_name
flow_serve_name(struct flow_serve *s, struct session *c, const struct slot *slot, uint8_t kind)
{
	return (struct flow_name){ .session = c->session,
				   .id = slot->id,
				   .client = c->client,
				   .kind = kind,
				   .flags = kind == WIRE_REPLY ? WIRE_F_ACK : 0,
				   .word = kind == WIRE_REPLY ? slot->took_us : 0,
				   .to = c->addr,
				   .send = serve_segment,
				   .hold = s->ops.hold != NULL ? serve_hold : NULL,
				   .ctx = s };
}

/* ------------------------------------------------------------------- memory */

/* Whether a client may have len bytes more, and after that `left` of what it may have. */
static bool
session_may(const struct flow_serve *s, const struct session *c, size_t len, uint64_t left)
{
	return len + left <= s->cfg.client_bytes - MIN(c->bytes, s->cfg.client_bytes);
}

void *
flow_serve_alloc(struct flow_serve *s, struct session *c, size_t len)
{
	bool last = len <= c->mss;
	uint64_t left = last ? 0 : s->cfg.client_bytes / FLOW_LAST_SHARE;
	void *p = NULL;

	while (session_may(s, c, len, left)) {
		p = last ? s->ops.alloc_last(s->ops.ctx, len) : s->ops.alloc(s->ops.ctx, len);
		if (likely(p != NULL) || !flow_serve_evict(s)) {
			break;
		}
	}
	c->bytes += p != NULL ? len : 0;
	return p;
}

/* The same for a request that is to come. Answers cannot wait, so some room stays theirs. */
void *
flow_serve_alloc_taking(struct flow_serve *s, struct session *c, size_t len, struct slice first,
			bool *ret_counted)
{
	uint64_t left = s->cfg.client_bytes / ANSWERS_PART;
	void *p = NULL;

	*ret_counted = false;
	while (session_may(s, c, len, left) && s->now_ns >= c->barred_ns) {
		p = s->ops.take != NULL ? s->ops.take(s->ops.ctx, len, first) : NULL;
		if (p == NULL && s->taking_bytes + len <= s->cfg.taking_bytes) {
			p = s->ops.alloc(s->ops.ctx, len);
			*ret_counted = p != NULL;
		}
		if (p != NULL || !flow_serve_evict(s)) {
			break;
		}
	}
	c->bytes += p != NULL ? len : 0;
	s->taking_bytes += *ret_counted ? len : 0;
	return p;
}

void
flow_serve_free(struct flow_serve *s, struct session *c, void *p, size_t len)
{
	REQUIRE(c->bytes >= len);
	c->bytes -= len;
	s->ops.free(s->ops.ctx, p, len);
}

bool
flow_xfer_is_room(struct flow_serve *s)
{
	while (unlikely(s->xfer_free == 0) && flow_serve_evict(s)) {
	}
	return s->xfer_free != 0;
}

struct xfer *
flow_xfer_alloc(struct flow_serve *s, struct session *c, struct slot *slot, bool out,
		uint64_t now_ns)
{
	struct xfer *x;

	if (!flow_xfer_is_room(s)) {
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
			    .mark_ns = now_ns,
			    .heard_ns = now_ns };
	return x;
}

/* Whether a message stands in others' way. */
bool
flow_xfer_is_slow(struct xfer *x, uint64_t now_ns)
{
	uint32_t len = x->out ? x->tx.len : x->rx.len, at = x->out ? x->tx.acked : x->rx.came;
	uint64_t took = (now_ns - x->mark_ns) / PACE_NS;

	if (took > 0) {
		x->slow = at < x->mark + took * MAX(len / PACE_CNT, PACE_MIN);
		x->mark = at;
		x->mark_ns = now_ns;
	}
	return x->slow;
}

/* Ends a message on its way; a request's bytes go with it, an answer's stay in its slot. */
void
flow_xfer_free(struct flow_serve *s, struct session *c, struct slot *slot)
{
	struct xfer *x = &s->xfer[slot->xfer - 1];

	if (x->out) {
		c->sending--;
		if (x->lent) {
			s->ops.back(s->ops.ctx, x->tx.rest.p);
		}
	} else if (x->rx.p != NULL) {
		flow_serve_free(s, c, x->rx.p, x->rx.len);
	}
	s->taking_bytes -= x->counted ? x->rx.len : 0;
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
void
flow_slot_drop(struct flow_serve *s, struct session *c, struct slot *slot)
{
	if (slot->xfer != 0) {
		flow_xfer_free(s, c, slot);
	}
	if (slot->p != NULL) {
		flow_serve_free(s, c, slot->p, slot->len);
		slot->p = NULL;
	}
	slot->state = SLOT_GIVEN;
}

/* ----------------------------------------------------------------- sessions */

/* A number is good for making a session in the epoch in which it was given, and in the next: at
 * most FLOW_FORGET_NS. A session is remembered for that long after it was made. So none is made
 * twice with one number, whoever repeats what, and whenever.
 *
 * An epoch ends sooner when so many clients have left that there may be no place for what is known
 * of them: two ends later the knowledge is not needed, for the numbers are good for nothing. Who
 * was given one and has not used it in that time is told that it is not known, and greets. */
static void
epoch_renew(struct flow_serve *s, uint64_t now_ns, bool crowded)
{
	uint64_t passed = now_ns > s->epoch_ns ? (now_ns - s->epoch_ns) / EPOCH_NS : 0;

	s->epoch += passed;
	s->epoch_ns += passed * EPOCH_NS;
	if (crowded && now_ns >= s->epoch_ns + EPOCH_MIN_NS) {
		passed = 1;
		s->epoch++;
		s->epoch_ns = now_ns;
	}
	s->left_cnt = passed > 0 ? 0 : s->left_cnt;
}

static uint64_t
session_number(const struct flow_serve *s, const struct wire_addr *addr, uint32_t client,
	       uint64_t epoch)
{
	uint8_t bytes[sizeof(addr->ip) + 2 + 4 + 8];
	uint8_t *p = bytes;
	uint64_t number;

	memcpy(p, addr->ip, sizeof(addr->ip));
	p += sizeof(addr->ip);
	memcpy(p, &addr->port, 2);
	memcpy(p + 2, &client, 4);
	memcpy(p + 6, &epoch, 8);
	crypto_shorthash((uint8_t *)&number, bytes, sizeof(bytes), s->cfg.secret);
	return number | 1; /* 0 names no session */
}

bool
flow_session_is_given(struct flow_serve *s, const struct wire_addr *from, const struct wire_head *h,
		      uint64_t now_ns)
{
	epoch_renew(s, now_ns, false);
	return h->session == session_number(s, from, h->client, s->epoch) ||
	       h->session == session_number(s, from, h->client, s->epoch - 1);
}

void
flow_session_forget(struct flow_serve *s, struct session *c)
{
	uint32_t *link = &s->bucket[c->session >> 8 & s->bucket_mask];
	uint32_t i = (uint32_t)(c - s->session) + 1;

	for (uint32_t k = 0; k < FLOW_CREDITS; k++) {
		flow_slot_drop(s, c, &c->slot[k]);
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

/* The places for what is known of a session when it has gone. */
static struct flow_left *
left_row(const struct flow_serve *s, uint64_t session)
{
	return &s->left[(uint32_t)(session >> 32) & (FLOW_LEFT_CNT - 1) & ~(LEFT_ROW - 1)];
}

/* Whether the number of one that left then may still be good. */
static bool
left_is_needed(const struct flow_serve *s, const struct flow_left *l)
{
	return l->session != 0 && l->epoch + 1 >= s->epoch;
}

bool
flow_session_has_left(struct flow_serve *s, uint64_t session, uint64_t now_ns)
{
	const struct flow_left *l = left_row(s, session);

	epoch_renew(s, now_ns, false);
	for (uint32_t i = 0; i < LEFT_ROW; i++) {
		if (l[i].session == session && left_is_needed(s, &l[i])) {
			return true;
		}
	}
	return false;
}

/* A place that is free. Returns: NULL: there is none. */
static struct flow_left *
left_place(struct flow_serve *s, uint64_t session, uint64_t now_ns)
{
	struct flow_left *l = left_row(s, session);

	for (int tries = 0; tries < 2; tries++) {
		epoch_renew(s, now_ns, tries > 0 || s->left_cnt >= LEFT_MANY);
		for (uint32_t i = 0; i < LEFT_ROW; i++) {
			if (!left_is_needed(s, &l[i])) {
				return &l[i];
			}
		}
	}
	return NULL;
}

/* The client has gone: what is held for it goes too, and the session if that is safe. */
void
flow_session_leave(struct flow_serve *s, struct session *c, uint64_t now_ns)
{
	struct flow_left *l = left_place(s, c->session, now_ns);

	if (l != NULL) {
		*l = (struct flow_left){ c->session, s->epoch };
		s->left_cnt++;
		flow_session_forget(s, c);
		return;
	}
	for (uint32_t k = 0; k < FLOW_CREDITS; k++) {
		if (c->slot[k].state != SLOT_RUNNING) {
			flow_slot_drop(s, c, &c->slot[k]);
		}
	}
}

/* Ends the session that was not heard for longest, if it waits for nothing and that is long. */
static void
session_make_room(struct flow_serve *s, uint64_t now_ns)
{
	struct session *oldest = NULL;

	if (now_ns < s->room_ns) {
		return;
	}
	for (uint32_t i = 0; i < s->cfg.session_max; i++) {
		struct session *c = &s->session[i];

		if (c->used && c->running == 0 && c->sending == 0 &&
		    (oldest == NULL || c->heard_ns < oldest->heard_ns) &&
		    left_place(s, c->session, now_ns) != NULL) {
			oldest = c;
		}
	}
	if (oldest == NULL || now_ns - oldest->heard_ns < IDLE_NS) {
		s->room_ns = oldest == NULL ? now_ns + IDLE_NS : oldest->heard_ns + IDLE_NS;
		return; /* then it is looked for again */
	}
	flow_session_leave(s, oldest, now_ns);
}

/* Of the client that keeps most of those that wait for nothing, what is kept goes: should it ask
 * again, nobody can say. Returns: whether there was one. */
bool
flow_session_let_go(struct flow_serve *s)
{
	struct session *most = NULL;

	for (uint32_t i = 0; i < s->cfg.session_max; i++) {
		struct session *c = &s->session[i];

		if (c->used && c->bytes > 0 && c->running == 0 && c->sending == 0 &&
		    s->now_ns - c->heard_ns >= IDLE_NS &&
		    (most == NULL || c->bytes > most->bytes)) {
			most = c;
		}
	}
	for (uint32_t k = 0; most != NULL && k < FLOW_CREDITS; k++) {
		struct slot *slot = &most->slot[k];

		if (slot->state == SLOT_KEPT && slot->p != NULL) {
			flow_slot_drop(s, most, slot);
			slot->state = SLOT_KEPT;
			slot->err = MB_ERR_INDETERMINATE;
		}
	}
	return most != NULL && most->bytes == 0;
}

/* Returns: NULL: all are taken. */
struct session *
flow_session_make(struct flow_serve *s, const struct wire_addr *from, const struct wire_head *h,
		  uint64_t now_ns)
{
	uint32_t *bucket = &s->bucket[h->session >> 8 & s->bucket_mask];
	struct session *c;
	uint32_t i, gen;

	if (s->session_free == 0) {
		session_make_room(s, now_ns);
	}
	i = s->session_free;
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
void
flow_serve_on_hello(struct flow_serve *s, const struct wire_addr *from, const struct wire_head *h,
		    uint64_t now_ns)
{
	struct wire_head w = { .kind = WIRE_WELCOME,
			       .id = h->id,
			       .client = h->client,
			       .word = FLOW_CREDITS };

	epoch_renew(s, now_ns, false);
	s->stats.hello++;
	w.session = session_number(s, from, h->client, s->epoch);
	w.len = (uint16_t)MIN(h->len, (uint16_t)(s->cfg.datagram - WIRE_HEAD_BYTES));
	w.mss = w.len;
	flow_serve_send(s, from, &w, s->welcome);
}

/* What was sent since this server is here came to no other, and what has come to this one in the
 * last FLOW_KNOWN_NS is in a session that is known. */
void
flow_serve_reset(struct flow_serve *s, const struct wire_addr *from, const struct wire_head *h)
{
	uint64_t here_ns = MIN(s->now_ns - MIN(s->cfg.born_ns, s->now_ns), FLOW_KNOWN_NS);
	struct wire_head r = { .kind = WIRE_RESET,
			       .session = h->session,
			       .client = h->client,
			       .id = h->id,
			       .off = (uint32_t)s->cfg.incarnation,
			       .total = (uint32_t)(s->cfg.incarnation >> 32),
			       .word = (uint32_t)(here_ns / 1000000) };

	s->stats.reset++;
	flow_serve_send(s, from, &r, NULL);
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
