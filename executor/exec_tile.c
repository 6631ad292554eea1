/* SPDX-License-Identifier: Apache-2.0 */
#include "exec_tile.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cache_msg.h"
#include "check.h"
#include "compiler.h"
#include "message.h"
#include "microburst/error.h"
#include "timebase.h"

/* Who has won the claim sends within microseconds, and gives it back. A sleep that ends sooner than
 * the kernel's next tick sets the cpu's timer, and takes it back: 7 to 9 us each on a virtual
 * machine, where an FCALL of one connection on one core took 21 us with 1 ms here, and takes 9. */
#define CLAIM_IDLE_NS (10 * NS_PER_MS)
#define DRAIN_LOOK_NS (1 * NS_PER_MS)
#define SEND_RETRY_NS (20 * NS_PER_US)  /* a tile of the node that is behind */
#define DRAIN_NS_MAX  (1 * NS_PER_S)    /* for callers to read their results */
#define CLOCK_KEEP_NS (100 * NS_PER_MS) /* at 50 parts in a million off by 5 us */

static_assert((EXEC_ASIDE_MAX & (EXEC_ASIDE_MAX - 1)) == 0, "a mask plus one");

/* A call, and whom to answer. */
struct aside {
	struct desc d;
	struct exec_from from;
};

struct exec_tile {
	struct domain *domain;
	struct exec *exec;
	struct cache_view view;
	bool drain;
	bool calls;              /* a call runs */
	bool listens;            /* and waits for messages, or may */
	struct desc pong;        /* to be sent when it has ended; kind DESC_NONE: nothing is */
	uint64_t drain_until_ns; /* 0: not idle yet since */
	bool lost;               /* the node is gone */
	uint64_t rest_ns;        /* how long nothing must come to be idle */
	enum domain_await await; /* by whose call was last */
	uint64_t claim_seen;     /* the claim as it was when we last were */
	/* The time by the cycle counter, since the clock was last read. */
	uint64_t clock_ns, clock_tsc, clock_keep_tsc, clock_last_ns;
	uint32_t aside_head, aside_tail;
	struct aside aside[EXEC_ASIDE_MAX];
};

/* -------------------------------------------------------------------- time */

/* Half the cost of clock_gettime, three times a call. */
static uint64_t
tile_now(void *ctx)
{
	struct exec_tile *t = ctx;
	uint64_t since = timebase_tsc() - t->clock_tsc;
	uint64_t now;

	if (unlikely(since > t->clock_keep_tsc)) {
		t->clock_ns = timebase_now_ns(timebase_real());
		t->clock_tsc = timebase_tsc();
		since = 0;
	}
	now = t->clock_ns + timebase_tsc_to_ns(since);
	t->clock_last_ns = MAX(now, t->clock_last_ns);
	return t->clock_last_ns;
}

static uint64_t
tile_wall(void *ctx)
{
	return timebase_wall_us(timebase_real());
}

/* ---------------------------------------------------------------- messages */

static bool
from_cache(const struct exec_tile *t, const struct channel *ch)
{
	return ch->port >= PORT_CACHE_FIRST &&
	       ch->port < PORT_CACHE_FIRST + t->domain->welcome.cache_cnt;
}

/* What the core of the executor waits for. */
static bool
is_answer(const struct exec_tile *t, const struct desc *d, const struct channel *ch)
{
	return from_cache(t, ch) ||
	       (ch->port == PORT_SCHED && (d->kind == DESC_SENT || d->kind == DESC_MESSAGE));
}

static struct exec_from
from_of(const struct channel *ch)
{
	return (struct exec_from){ .port = ch->port, .proc = ch->proc, .inc = ch->inc };
}

static void
put_aside(struct exec_tile *t, const struct desc *d, const struct channel *ch)
{
	struct exec_from from = from_of(ch);

	if (t->aside_tail - t->aside_head == EXEC_ASIDE_MAX ||
	    (t->listens && ch->port != PORT_SCHED)) {
		exec_refuse(t->exec, d, &from, MB_ERR_BUSY);
		return;
	}
	t->aside[t->aside_tail++ & (EXEC_ASIDE_MAX - 1)] = (struct aside){ .d = *d, .from = from };
}

/* Calls of a client that is dead are not run: what it had sent last comes before the word of its
 * death is acted on (domain_poll.c), but nobody waits for the answers. */
static bool
is_call(const struct exec_tile *t, const struct desc *d, const struct channel *ch)
{
	const struct desc *dying = &t->domain->dying;

	if (d->kind != DESC_CALL || (dying->kind == DESC_DEAD && ch->proc == dying->dead.proc)) {
		return false;
	}
	return ch->port == PORT_SCHED || ch->port >= PORT_DIRECT_FIRST;
}

/* What comes before a part of a DAG; the part itself is a call like every other. */
static void
on_part(struct exec_tile *t, const struct desc *d)
{
	if (d->kind == DESC_TRIGGER || d->kind == DESC_CUT || d->kind == DESC_STEP ||
	    d->kind == DESC_BATCH) {
		exec_on_part(t->exec, d);
	}
}

/* The function waits for a message, which may be that of a call that stands behind it: what came
 * directly goes back, to run elsewhere. */
static void
give_back(struct exec_tile *t)
{
	uint32_t cnt = t->aside_tail - t->aside_head;

	for (; cnt > 0; cnt--) {
		struct aside a = t->aside[t->aside_head++ & (EXEC_ASIDE_MAX - 1)];

		if (a.from.port == PORT_SCHED) {
			t->aside[t->aside_tail++ & (EXEC_ASIDE_MAX - 1)] = a; /* in their order */
		} else {
			exec_refuse(t->exec, &a.d, &a.from, MB_ERR_BUSY);
		}
	}
}

static int
tile_send(void *ctx, uint32_t port, const struct desc *d)
{
	struct exec_tile *t = ctx;

	if (unlikely(d->kind == DESC_LISTEN)) {
		t->listens = (d->sub & LISTEN_END) == 0;
		if (t->listens) {
			give_back(t);
		}
	}

	for (;;) {
		struct timespec pause = { .tv_nsec = SEND_RETRY_NS };
		int err = channel_send(&t->domain->ch[port], d);

		if (likely(err == 0)) {
			return 0;
		}
		if (err != MB_ERR_FULL) {
			t->lost = true;
			return MB_ERR_NO_NODE;
		}
		nanosleep(&pause, NULL);
	}
}

static int
tile_answer(void *ctx, uint64_t until_ns, struct desc *ret)
{
	struct exec_tile *t = ctx;

	for (;;) {
		struct channel *ch;
		int n = domain_wait(t->domain, AWAIT_DAEMON, until_ns, ret, &ch);

		if (n < 0) {
			t->lost = true;
			return MB_ERR_NO_NODE;
		}
		if (n == 0 || is_answer(t, ret, ch)) {
			return n;
		}
		if (is_call(t, ret, ch)) {
			put_aside(t, ret, ch);
		} else if (ch->port == PORT_SCHED) {
			on_part(t, ret);
		}
	}
}

/* Whether the peer that a call came from is still at its port. */
static bool
is_there(const struct exec_tile *t, const struct exec_from *from)
{
	const struct channel *ch = &t->domain->ch[from->port];

	return ch->rx_slots != NULL && ch->proc == from->proc && ch->inc == from->inc;
}

static int
tile_reply(void *ctx, const struct exec_from *from, const struct desc *d)
{
	struct exec_tile *t = ctx;
	struct channel *ch = &t->domain->ch[from->port];

	if (from->port == PORT_SCHED) {
		return tile_send(t, PORT_SCHED, d);
	}
	if (!is_there(t, from)) {
		return MB_ERR_PEER_DIED;
	}
	/* A peer has no more calls under way than its channel holds answers; one that has finds
	 * that some do not come. */
	return channel_send(ch, d);
}

static int
tile_log(void *ctx, const struct desc *d)
{
	struct exec_tile *t = ctx;

	return channel_send(&t->domain->ch[PORT_CTL], d);
}

static int
tile_bytes(void *ctx, const struct desc *d, const uint8_t **ret, size_t *ret_len, bool *ret_view)
{
	struct exec_tile *t = ctx;

	return domain_bytes(t->domain, d, ret, ret_len, ret_view);
}

static void
tile_drop(void *ctx, const struct payload_ref *ref)
{
	struct exec_tile *t = ctx;

	domain_drop(t->domain, ref);
}

static void
tile_on_drain(void *ctx)
{
	struct exec_tile *t = ctx;

	t->drain = true;
	t->rest_ns = DRAIN_LOOK_NS;
}

static void
tile_pong(struct exec_tile *t)
{
	tile_send(t, PORT_CTL, &t->pong);
	t->pong.kind = DESC_NONE;
}

/* ctl wants to hear that no call runs (ctl_lease.c): a function that waits for something
 * does not answer for it. */
static void
tile_on_ping(void *ctx, const struct desc *d)
{
	struct exec_tile *t = ctx;

	t->pong = *d;
	t->pong.kind = DESC_PONG;
	if (!t->calls) {
		tile_pong(t);
	}
}

/* -------------------------------------------------------------------- loop */

/* Nothing came for a while. The claim is looked at now and not between calls: its line is the one
 * that the next caller wants to change. One that is found the first time may have been won just
 * now, its call on the way: it has as long again. (Dropped at once, one call in some ten thousand
 * came to stand behind another, which waits for ever if that one waits for a message from it.) */
static void
tile_idle(struct exec_tile *t)
{
	struct desc freed = { .kind = DESC_FREED, .a = t->domain->proc };
	uint64_t claim = atomic_load_explicit(&t->domain->hints->claim[t->domain->proc].v,
					      memory_order_relaxed);
	bool fresh = claim != 0 && claim != t->claim_seen;

	t->claim_seen = claim;
	t->rest_ns = t->drain ? DRAIN_LOOK_NS : fresh ? CLAIM_IDLE_NS : WAIT_MAX_NS;
	if (!fresh && claim_drop(t->domain->hints, t->domain->proc)) {
		tile_send(t, PORT_SCHED, &freed);
	}
	/* Segments are kept for the next large payload, not for ever. */
	payload_trim(t->domain->pool);
}

/* Takes the next call: one put aside, else the next that comes. Answers nobody waits for any more
 * go their way. Returns: 1; 0 when there is none for a while; MB_ERR_NO_NODE. */
static int
tile_next(struct exec_tile *t, struct aside *ret)
{
	while (t->aside_head != t->aside_tail) {
		*ret = t->aside[t->aside_head++ & (EXEC_ASIDE_MAX - 1)];
		if (is_there(t, &ret->from)) {
			return 1;
		} /* else nobody waits for it, nor would stop it if it does not end */
	}
	for (;;) {
		struct channel *ch;
		int n = domain_poll(t->domain, &ret->d, &ch);

		if (n == 0) {
			n = domain_wait(t->domain, t->await, tile_now(t) + t->rest_ns, &ret->d,
					&ch);
		}
		if (n <= 0) {
			return n;
		}
		t->rest_ns = CLAIM_IDLE_NS;
		t->claim_seen = 0;
		if (likely(is_call(t, &ret->d, ch))) {
			ret->from = from_of(ch);
			t->await = channel_to_tile(ch) ? AWAIT_DAEMON_NEXT : AWAIT_ANY;
			return 1;
		}
		if (is_answer(t, &ret->d, ch)) {
			exec_on_answer(t->exec, &ret->d);
		} else if (ch->port == PORT_SCHED) {
			on_part(t, &ret->d);
		}
	}
}

/* A drained executor stays until its callers have read their results, which lie in its memory; for
 * a time, because a caller may keep one for ever. */
static bool
drained(struct exec_tile *t)
{
	if (t->drain_until_ns == 0) {
		t->drain_until_ns = tile_now(t) + DRAIN_NS_MAX;
	}
	return (payload_alive(t->domain->pool) == 0 && exec_held(t->exec) == 0) ||
	       tile_now(t) >= t->drain_until_ns;
}

int
exec_tile_run(struct exec_tile *t)
{
	for (;;) {
		struct aside next;
		int n = tile_next(t, &next);

		if (n == 1) {
			t->calls = true;
			n = exec_call(t->exec, &next.d, &next.from);
			t->calls = false;
			if (unlikely(t->pong.kind != DESC_NONE)) {
				tile_pong(t);
			}
		} else if (n == 0) {
			if (t->drain && drained(t)) {
				return 0;
			}
			tile_idle(t);
		}
		if (unlikely(n < 0 || t->lost)) {
			return MB_ERR_NO_NODE;
		}
	}
}

/* -------------------------------------------------------------------- life */

static int
tile_make_exec(struct exec_tile *t)
{
	struct domain *d = t->domain;
	struct exec_conf conf = {
		.ops = { .wait = { .now_ns = tile_now,
				   .wall_us = tile_wall,
				   .send = tile_send,
				   .answer = tile_answer,
				   .ctx = t },
			 .reply = tile_reply,
			 .bytes = tile_bytes,
			 .drop = tile_drop,
			 .log = tile_log,
			 .ctx = t },
		.pool = d->pool,
		.view = &t->view,
		.cache_cnt = d->welcome.cache_cnt,
		.placement = (const struct placement *)(const void *)(d->daemon.base +
								      d->daemon.at.table),
		.run = region_run(&d->own),
		.trace = region_trace(&d->own),
		.commit = region_commit(&d->own),
		.proc = d->proc,
	};
	int err = cache_view_open(&t->view, d->cache, d->cache_bytes, region_hazard(&d->own));

	return err != 0 ? err : exec_create(&t->exec, &conf);
}

int
exec_tile_create(struct exec_tile **ret, int sock)
{
	struct exec_tile *t = calloc(1, sizeof(*t));
	struct domain_events events = { .drain = tile_on_drain, .ping = tile_on_ping, .ctx = t };
	int err;

	if (t == NULL) {
		return MB_ERR_NO_MEMORY;
	}
	timebase_tsc_calibrate();
	t->rest_ns = CLAIM_IDLE_NS;
	t->clock_keep_tsc = timebase_ns_to_tsc(CLOCK_KEEP_NS);
	t->clock_tsc = timebase_tsc() - t->clock_keep_tsc - 1; /* the first look reads the clock */
	err = domain_enter_fd(&t->domain, sock, "executor", &events);
	if (err != 0) {
		free(t);
		return err;
	}
	err = tile_make_exec(t);
	if (err != 0) {
		exec_tile_destroy(t);
		return err;
	}
	*ret = t;
	return 0;
}

void
exec_tile_destroy(struct exec_tile *t)
{
	if (t->exec != NULL) {
		exec_destroy(t->exec);
	}
	domain_leave(t->domain);
	free(t);
}

struct domain *
exec_tile_domain(struct exec_tile *t)
{
	return t->domain;
}

struct exec *
exec_tile_exec(struct exec_tile *t)
{
	return t->exec;
}
