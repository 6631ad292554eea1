/* SPDX-License-Identifier: Apache-2.0 */
/* flow_world - see flow_world.h */
#include "flow_world.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include <microburst/error.h>

#include "compiler.h"

#define SERVER  WORLD_CLIENTS
#define TICK_NS UINT64_C(200000)
#define LARGE   (150u << 10)

#define MOVED 1000 /* ports further on */

static struct wire_addr
addr_of(uint32_t node)
{
	struct wire_addr a = { .port = (uint16_t)(7000 + node) };

	a.ip[15] = (uint8_t)node;
	return a;
}

/* Some of its requests are on their way then, and more are to come. */
static bool
has_moved(const struct world *w, uint32_t client)
{
	return w->cfg.moves && w->ended[client] >= WORLD_AT_ONCE;
}

static uint8_t
byte_at(const struct world_what *x, uint32_t i)
{
	return (uint8_t)(x->client * 7 + x->number * 31 + i + (i >> 8));
}

static void
on_send(void *ctx, const struct wire_addr *to, const struct wire_head *h, const uint8_t *body)
{
	struct world_end *e = ctx;
	struct world *w = e->w;
	uint8_t frame[NETWORK_FRAME_MAX];
	struct wire_head sent = *h;

	assert_true(h->len + WIRE_HEAD_BYTES <= (int)sizeof(frame));
	if (w->cfg.widest != 0 && (uint32_t)h->len + WIRE_HEAD_BYTES > w->cfg.widest &&
	    w->events.now_ns - WORLD_START_NS > NS_PER_S / 400) {
		w->wide++;
		return;
	}
	if (e->node == SERVER && has_moved(w, to->ip[15]) && to->port < addr_of(0).port + MOVED) {
		return;
	}
	if (e->node < w->cfg.tricklers && h->kind == WIRE_REQUEST && h->off > 0) {
		if (w->events.now_ns - w->trickled_ns[e->node] < NS_PER_S / 4) {
			return;
		}
		w->trickled_ns[e->node] = w->events.now_ns;
	}
	if (w->cfg.plant == PLANT_DONE_EARLY && h->kind == WIRE_REQUEST) {
		sent.word = (uint32_t)h->id - 1; /* done with all before it, says the broken one */
	}
	wire_write(frame, &sent);
	if (h->len > 0) {
		memcpy(frame + WIRE_HEAD_BYTES, body, h->len);
	}
	network_send(&w->network, e->node, to->ip[15],
		     slice_of(frame, WIRE_HEAD_BYTES + (size_t)h->len));
}

static void *
on_alloc(void *ctx, size_t bytes)
{
	(void)ctx;
	return malloc(bytes);
}

static void *
on_alloc_last(void *ctx, size_t bytes)
{
	struct world_end *e = ctx;

	if (bytes > e->w->room) {
		return NULL;
	}
	e->w->room -= bytes;
	return malloc(bytes);
}

/* As the above, of all but the last. */
static void *
on_alloc_serve(void *ctx, size_t bytes)
{
	struct world_end *e = ctx;

	return bytes + e->w->cfg.room / FLOW_LAST_SHARE <= e->w->room ? on_alloc_last(e, bytes)
								      : NULL;
}

static void
on_free(void *ctx, void *p, size_t bytes)
{
	struct world_end *e = ctx;

	if (e->node == SERVER) {
		e->w->room += bytes;
	}
	free(p);
}

static uint8_t *
on_draft(void *ctx, size_t bytes)
{
	struct world_end *e = ctx;

	assert_true(bytes <= sizeof(e->w->draft));
	return e->w->draft;
}

/* Answers with memory of ours, of which the first bytes are copied. */
static bool
lend(struct world *w, struct flow_ref ref, const struct world_what *what)
{
	uint32_t head = MIN(what->reply_bytes, (uint32_t)24);
	uint8_t *p = malloc(what->reply_bytes);

	assert_non_null(p);
	for (uint32_t i = 0; i < what->reply_bytes; i++) {
		p[(i + what->reply_bytes - head) % what->reply_bytes] = byte_at(what, i);
	}
	/* In memory the head stands behind the rest. */
	if (!flow_serve_lend(w->serve, ref, slice_of(p + what->reply_bytes - head, head),
			     slice_of(p, what->reply_bytes - head), w->events.now_ns)) {
		free(p);
		return false;
	}
	w->lent++;
	w->lends++;
	return true;
}

static void
on_back(void *ctx, const uint8_t *p)
{
	struct world_end *e = ctx;

	e->w->lent--;
	free((void *)(uintptr_t)p);
}

static void
answer(struct world *w, struct flow_ref ref, const struct world_what *what)
{
	bool draft = what->reads != 0 || w->cfg.plant == PLANT_DRAFT_ALL;
	size_t max = 0;
	uint8_t *p = draft ? flow_serve_draft(w->serve, ref, &max) : NULL;

	draft = p != NULL && what->reply_bytes <= max;
	if (!draft && what->reads != 0 && lend(w, ref, what)) {
		return;
	}
	if (!draft) {
		p = flow_serve_room(w->serve, ref, what->reply_bytes);
	}
	if (p == NULL) {
		flow_serve_refuse(w->serve, ref, MB_ERR_INDETERMINATE);
		return;
	}
	for (uint32_t i = 0; i < what->reply_bytes; i++) {
		p[i] = byte_at(what, i);
	}
	if (draft) {
		w->drafts++;
		flow_serve_draft_send(w->serve, ref, p, what->reply_bytes, w->events.now_ns);
	} else {
		flow_serve_reply(w->serve, ref, p, what->reply_bytes, w->events.now_ns);
	}
}

static void
on_request(void *ctx, struct flow_ref ref, struct slice bytes)
{
	struct world_end *e = ctx;
	struct world *w = e->w;
	struct world_what what;
	struct world_request *r;

	assert_true(bytes.len >= sizeof(what));
	memcpy(&what, bytes.p, sizeof(what));
	assert_true(what.client < WORLD_CLIENTS);
	assert_true(what.number < WORLD_REQUESTS);
	r = &w->request[what.client][what.number];
	assert_int_equal(bytes.len, r->len);
	assert_memory_equal(bytes.p, r->bytes, r->len);
	r->ran++;
	if (what.delay_us == 0) {
		answer(w, ref, &what);
		return;
	}
	for (uint32_t i = 0; i < WORLD_CLIENTS * FLOW_CREDITS; i++) {
		if (!w->late[i].used) {
			w->late[i] = (struct world_late){
				ref, what, w->events.now_ns + what.delay_us * UINT64_C(1000), true
			};
			return;
		}
	}
	fail_msg("more requests run than there are credits");
}

static void
on_done(void *ctx, void *user, int err, uint8_t *p, size_t len, bool owned)
{
	struct world_end *e = ctx;
	struct world *w = e->w;
	struct world_request *r = user;

	r->ended++;
	r->err = err;
	w->open[e->node]--;
	w->ended[e->node]++;
	if (err != 0) {
		w->failed++;
		return;
	}
	assert_int_equal(len, r->what.reply_bytes);
	for (uint32_t i = 0; i < len; i++) {
		assert_int_equal(p[i], byte_at(&r->what, i));
	}
	w->large += owned;
	if (owned) {
		free(p);
	}
}

static void
serve_make(struct world *w)
{
	struct flow_serve_cfg cfg = { .session_max = 8,
				      .xfer_max = 64,
				      .client_bytes = w->cfg.room / (w->cfg.tricklers > 0 ? 2 : 1),
				      .taking_bytes = w->cfg.room / 4 * 3,
				      .datagram = 1400,
				      .born_ns = w->events.now_ns,
				      .incarnation = (w->events.now_ns + 1) << 8 };
	struct flow_serve_ops ops = { .send = on_send,
				      .alloc = on_alloc_serve,
				      .alloc_last = on_alloc_last,
				      .free = on_free,
				      .request = on_request,
				      .draft = on_draft,
				      .ctx = &w->end[SERVER],
				      .back = on_back };

	for (uint32_t i = 0; i < sizeof(cfg.secret); i++) {
		cfg.secret[i] = (uint8_t)rng_u64(&w->rng);
	}
	assert_int_equal(flow_serve_create(&w->serve, &cfg, &ops), 0);
}

/* Everything a killed server had is gone, its memory too. */
static void
serve_again(struct world *w)
{
	flow_serve_destroy(w->serve);
	assert_int_equal(w->room, w->cfg.room);
	assert_int_equal(w->lent, 0);
	memset(w->late, 0, sizeof(w->late));
	serve_make(w);
}

static void
on_arrive(void *ctx, uint32_t from, uint32_t to, struct slice frame)
{
	struct world *w = ctx;
	struct wire_head h;
	struct slice body;
	struct wire_addr addr = addr_of(from);

	assert_int_equal(wire_read(frame, &h, &body), 0);
	if (to != SERVER) {
		flow_ask_input(w->ask[to], &h, body, w->events.now_ns);
		return;
	}
	addr.port = (uint16_t)(addr.port + (has_moved(w, from) ? MOVED : 0));
	if (w->cfg.plant == PLANT_NO_DEDUP && h.kind == WIRE_REQUEST && h.len == h.total) {
		h.id += FLOW_CREDITS * (rng_u64(&w->rng) % 1000); /* never the same one */
	}
	if (w->cfg.plant == PLANT_NO_AGAIN && h.kind == WIRE_ACK) {
		return;
	}
	flow_serve_input(w->serve, &addr, &h, body, w->events.now_ns);
}

static void
begin(struct world *w, uint32_t c)
{
	uint32_t n = w->begun[c]++;
	struct world_request *r = &w->request[c][n];
	uint64_t kind = rng_below(&w->rng, 10);
	struct flow_request asked;
	uint32_t first;

	r->what = (struct world_what){ .client = c,
				       .number = n,
				       .reply_bytes = 1 + (uint32_t)rng_below(&w->rng, 900),
				       .reads = rng_below(&w->rng, 3) == 0 };
	r->len = (uint32_t)(sizeof(r->what) + rng_below(&w->rng, 1000));
	kind = c < w->cfg.tricklers ? 1 : kind;
	if (kind == 0) {
		r->what.reply_bytes = 1 + (uint32_t)rng_below(&w->rng, LARGE);
	} else if (kind == 1) {
		r->len = (uint32_t)(sizeof(r->what) + rng_below(&w->rng, LARGE));
	} else if (kind == 2) {
		r->what.delay_us = (uint32_t)rng_below(&w->rng, 400000);
	} else if (kind == 3) {
		r->what.delay_us = 1 + (uint32_t)rng_below(&w->rng, 2000);
	}
	r->bytes = malloc(r->len);
	assert_non_null(r->bytes);
	memcpy(r->bytes, &r->what, sizeof(r->what));
	for (uint32_t i = sizeof(r->what); i < r->len; i++) {
		r->bytes[i] = byte_at(&r->what, i);
	}
	w->open[c]++;
	first = n * 397 % (r->len + 1); /* the rest is not behind it */
	r->rest = malloc(r->len - first + 1);
	assert_non_null(r->rest);
	memcpy(r->rest, r->bytes + first, r->len - first);
	asked = (struct flow_request){ slice_of(r->bytes, first), slice_of(r->rest, r->len - first),
				       r->what.reads != 0 };
	assert_int_equal(flow_ask_start(w->ask[c], &asked, r, w->events.now_ns), 0);
}

static void
tick(struct world *w)
{
	uint64_t now = w->events.now_ns;

	for (uint32_t i = 0; i < WORLD_CLIENTS * FLOW_CREDITS; i++) {
		if (w->late[i].used && w->late[i].at_ns <= now) {
			w->late[i].used = false;
			answer(w, w->late[i].ref, &w->late[i].what);
		}
	}
	flow_serve_flush(w->serve);
	flow_serve_poll(w->serve, now);
	for (uint32_t c = 0; c < WORLD_CLIENTS; c++) {
		while (w->begun[c] < WORLD_REQUESTS && w->open[c] < WORLD_AT_ONCE) {
			begin(w, c);
		}
		flow_ask_flush(w->ask[c], now);
		flow_ask_poll(w->ask[c], now);
	}
}

/* Whether a request ran as often as it may. */
static bool
ran_well(const struct world_request *r)
{
	if (r->what.reads != 0) {
		return r->err != 0 || r->ran > 0;
	}
	return r->ran <= 1 && (r->err != 0 || r->ran == 1);
}

static bool
all_ended(const struct world *w)
{
	for (uint32_t c = w->cfg.tricklers; c < WORLD_CLIENTS; c++) {
		if (w->ended[c] < WORLD_REQUESTS) {
			return false;
		}
	}
	return true;
}

static void
on_tick(void *ctx, uint64_t arg)
{
	(void)ctx;
	(void)arg;
}

static void
make(struct world *w, const struct world_cfg *cfg)
{
	memset(w, 0, sizeof(*w));
	w->cfg = *cfg;
	w->cfg.room = cfg->room != 0 ? cfg->room : WORLD_ROOM;
	w->room = w->cfg.room;
	rng_init(&w->rng, cfg->seed);
	events_init(&w->events, WORLD_START_NS);
	network_init(&w->network, cfg->network, &w->events, cfg->seed * 3 + 1, on_arrive, w);
	for (uint32_t i = 0; i <= WORLD_CLIENTS; i++) {
		w->end[i] = (struct world_end){ w, i };
	}
	serve_make(w);
	for (uint32_t c = 0; c < WORLD_CLIENTS; c++) {
		struct flow_ask_ops ops = { on_send, on_alloc, on_free, on_done, &w->end[c] };
		struct wire_addr server = addr_of(SERVER);

		w->begun[c] = w->ended[c] = cfg->first_request;
		w->ask[c] = malloc(sizeof(*w->ask[c]));
		assert_non_null(w->ask[c]);
		flow_ask_init(w->ask[c], &server, c == 0 ? 1400 : 1200, rng_u64(&w->rng), &ops);
	}
}

/* One time of three a client is cut off, both ways or from the server; else all hear each other. */
static void
cut_one(struct world *w)
{
	uint32_t c = (uint32_t)rng_below(&w->rng, WORLD_CLIENTS);

	network_heal(&w->network);
	if (rng_below(&w->rng, 3) == 0) {
		network_cut(&w->network, c, SERVER, rng_below(&w->rng, 2) == 0);
		network_cut(&w->network, SERVER, c, true);
	}
}

static uint32_t
wrong_cnt(const struct world *w)
{
	uint32_t wrong = 0;

	for (uint32_t c = w->cfg.tricklers; c < WORLD_CLIENTS; c++) {
		for (uint32_t n = w->cfg.first_request; n < WORLD_REQUESTS; n++) {
			const struct world_request *r = &w->request[c][n];

			wrong += r->ended != 1 || !ran_well(r);
		}
	}
	return wrong;
}

uint32_t
world_run(struct world *w, const struct world_cfg *cfg)
{
	struct event e;
	uint64_t end_ns = WORLD_START_NS + 300 * NS_PER_S;
	uint64_t next_cut_ns = WORLD_START_NS + NS_PER_S / 50;
	bool restart = cfg->restart;

	make(w, cfg);
	while (!all_ended(w) && w->events.now_ns < end_ns) {
		uint64_t until = w->events.now_ns + TICK_NS;

		events_after(&w->events, TICK_NS, on_tick, w, 0);
		while (events_next(&w->events, until, &e)) {
			e.fn(e.ctx, e.arg);
		}
		tick(w);
		if (cfg->cuts && w->events.now_ns >= next_cut_ns) {
			cut_one(w);
			next_cut_ns += NS_PER_S / 20;
		}
		if (restart && w->events.now_ns - WORLD_START_NS > NS_PER_S / 4) {
			serve_again(w);
			restart = false;
		}
	}
	for (uint32_t c = cfg->tricklers; c < WORLD_CLIENTS; c++) {
		assert_true(w->ask[c]->open_cnt <= WORLD_REQUESTS);
		w->again += w->ask[c]->stats.again;
	}
	return wrong_cnt(w);
}

void
world_finish(struct world *w, bool check)
{
	struct flow_serve_held held;

	for (uint32_t c = 0; c < WORLD_CLIENTS; c++) {
		for (uint32_t n = 0; n < WORLD_REQUESTS; n++) {
			free(w->request[c][n].bytes);
			free(w->request[c][n].rest);
		}
		free(w->ask[c]);
	}
	flow_serve_poll(w->serve, w->events.now_ns + 20 * NS_PER_S);
	flow_serve_poll(w->serve, w->events.now_ns + FLOW_FORGET_NS + 60 * NS_PER_S);
	held = flow_serve_held(w->serve);
	if (check) {
		assert_int_equal(held.sessions, 0);
		assert_int_equal(held.xfers, 0);
		assert_int_equal(w->lent, 0);
		assert_int_equal(w->room, w->cfg.room);
	}
	flow_serve_destroy(w->serve);
	network_fini(&w->network);
	events_fini(&w->events);
}
