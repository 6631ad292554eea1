/* SPDX-License-Identifier: Apache-2.0 */
/* gate_memory - see gate_memory.h
 */
#include "gate_memory.h"

#include <string.h>

#include <microburst/error.h>

#include "compiler.h"
#include "gate_int.h"
#include "gate_large.h"
#include "gate_text.h"
#include "gate_tls.h"
#include "gate_yield.h"
#include "log.h"
#include "timebase.h"

#define RESERVE_SHARE   16           /* of the memory, Y1 */
#define HOLDS_LEAST     1024u        /* in all: all of it is for such a one; */
#define HOLDS_LITTLE    YIELD_LITTLE /* three quarters of it for such a one; */
#define LEFT_LITTLE     4
#define LEFT_MUCH       2 /* half of it for others */
#define SHORT_SHARE     8 /* so little is free, beside the reserve: it is short */
#define LOOK_SHARE      2 /* so much is used: all are looked at */
#define NO_RELIEF_NS    (20 * NS_PER_MS)
#define POLLS_JUST      2u   /* what was sent in one is seen to be out in the next */
#define POLLS_REPLY     100u /* as many completions may be before its own */
#define LATE_NS         (20 * NS_PER_MS)
#define LATE_REPLY_NS   (250 * NS_PER_MS)
#define VICTIMS_NS      (20 * NS_PER_MS)
#define WAIT_NS         (1500 * NS_PER_MS) /* for somebody who rests: some looks, and a tick */
#define WAIT_BYTES      (64u << 10)        /* a reply that is longer is refused at once */
#define TICK_VICTIM_CNT 64                 /* closed in a tick */
#define TRIM_BYTES      (4u << 20)         /* looked through in a tick: about 1 ms */
#define TRIM_TRAFFIC    (1u << 20)         /* after so much there may be something to give back; */
#define TRIM_CNT        3                  /* then it is looked for so often */
#define TRIM_LONG_TICKS 2                  /* between two segments, of which one takes 10 ms */
#define TRIM_TICKS      8                  /* between two times */

void
gate_memory_init(struct gate *g)
{
	heap_reserve(g->heap, g->cfg.memory_bytes / RESERVE_SHARE);
}

size_t
gate_memory_free(const struct gate *g)
{
	size_t bytes = heap_free_bytes(g->heap), reserve = g->cfg.memory_bytes / RESERVE_SHARE;

	return bytes > reserve ? bytes - reserve : 0;
}

size_t
gate_memory_used(const struct gate *g)
{
	return heap_used_bytes(g->heap) + gate_tls_used(g);
}

/* ------------------------------------------------------------------------ who gives way */

static size_t
chunks_held(const struct gate_out *out)
{
	size_t bytes = 0;

	for (const struct gate_chunk *k = out->head; k != NULL; k = k->next) {
		bytes += sizeof(*k) + k->cap;
	}
	return bytes;
}

size_t
gate_memory_held(const struct gate_conn *c)
{
	size_t bytes = c->in_cap + (c->keep_ref.handle == 0 ? c->keep_cap : 0) +
		       chunks_held(&c->out) + chunks_held(&c->pushed) +
		       (c->tls != NULL ? gate_tls_held(c) : 0);
	if (c->multi != NULL) {
		bytes += sizeof(*c->multi) + c->multi->text_cap + c->multi->watch_cap;
	}
	return bytes + c->sub_bytes;
}

static size_t
held(const struct gate_conn *c, enum gate_memory which)
{
	size_t bytes = 0;

	if (which == MEMORY_HEAP) {
		return gate_memory_held(c);
	}
	for (uint32_t i = 0; c->large != NULL && i < RESP_LARGE_CNT_MAX; i++) {
		bytes += c->large[i].ref.handle != 0 ? c->large[i].cap : 0;
	}
	return bytes;
}

/* Whose turn it is. */
static enum yield_turn
turn_of(const struct gate *g, const struct gate_conn *c)
{
	if (!c->used || c->closing || c->pushing || gate_multi_runs(c) || c->halted ||
	    (c->queue != NULL && (!g->memory.alone_asks || c->waiting))) {
		return YIELD_NEVER;
	}
	if ((c->half_ns | c->slow_ns) != 0) {
		return YIELD_OWES;
	}
	return c->waiting && !c->blocked ? YIELD_NEVER : YIELD_IDLE;
}

/* A short reply that is on its way is one that the kernel has not come to, where many send at once.
 */
static enum yield_age
age_of(const struct gate *g, const struct gate_conn *c, size_t holds)
{
	bool short_reply = c->half_ns == 0 && holds <= YIELD_LITTLE;
	uint64_t since = c->half_ns != 0 && c->slow_ns != 0 ? MIN(c->half_ns, c->slow_ns)
							    : c->half_ns | c->slow_ns;
	uint32_t polls = g->memory.poll_cnt - c->memory.owes_poll;
	uint64_t late_ns = short_reply ? LATE_REPLY_NS : LATE_NS;

	if (g->memory.alone_asks) {
		return YIELD_LATE; /* nobody moves before it has what it needs */
	}
	if (polls >= (short_reply ? POLLS_REPLY : POLLS_JUST) && g->now_ns - since > late_ns) {
		return YIELD_LATE;
	}
	return short_reply || polls < POLLS_JUST ? YIELD_JUST : YIELD_SINCE;
}

static struct yield_claim
claim_of(const struct gate *g, const struct gate_conn *c, size_t holds)
{
	return (struct yield_claim){ turn_of(g, c), age_of(g, c, holds), holds, c->memory.rest };
}

void
gate_memory_look(const struct gate *g, struct gate_conn *c)
{
	struct yield_claim claim = claim_of(g, c, held(c, MEMORY_HEAP) + held(c, MEMORY_LONG));

	c->memory.rest = gate_yield_look(&claim, c->memory.moved);
	c->memory.moved = 0;
}

bool
gate_memory_looks(const struct gate *g)
{
	return g->slow_cnt > 0 || gate_memory_used(g) > g->cfg.memory_bytes / LOOK_SHARE;
}

/* Adds c to those to choose from; never one whose command we are at: it may be another one, who
 * publishes to `but`. Returns how much it would give if there were no other; 0: nothing. */
static size_t
see(const struct gate *g, struct gate_conn *c, struct yield *y, enum gate_memory which, size_t asks)
{
	struct yield one = { 0 };
	struct yield_claim claim;

	if (!c->used || c == g->memory.at) {
		return 0;
	}
	claim = claim_of(g, c, held(c, which));
	gate_yield_see(y, c, &claim);
	gate_yield_see(&one, c, &claim);
	return gate_yield_who(&one, asks) != NULL ? claim.held : 0;
}

/* One of those that were found to hold about as much as the one that gave way. */
static struct gate_conn *
victim_next(struct gate *g, const struct gate_conn *but, enum gate_memory which, size_t asks)
{
	struct gate_victims *v = &g->memory.victims;

	while (v->which == which && g->now_ns < v->until_ns && v->cnt > 0) {
		struct gate_conn *c = &g->conn[v->idx[--v->cnt]];
		struct yield y = { 0 };

		if (c != but && see(g, c, &y, which, asks) >= v->held_min) {
			return c;
		}
	}
	return NULL;
}

/* Looks at all of them. Of those that hold half as much as the one that is to give way, as far as
 * is known while they are looked at, some are kept for victim_next. */
static struct gate_conn *
victim_find(struct gate *g, const struct gate_conn *but, enum gate_memory which, size_t asks)
{
	struct gate_victims *v = &g->memory.victims;
	uint32_t conn_cnt = stream_conn_cnt(g->stream);
	struct gate_conn *who = NULL;
	struct yield y = { 0 };
	size_t most = 0;

	*v = (struct gate_victims){ .which = which, .until_ns = g->now_ns + VICTIMS_NS };
	for (uint32_t i = 0, seen = 0; seen < conn_cnt && i < g->cfg.conn_max; i++) {
		struct gate_conn *c = &g->conn[i];
		size_t gives;

		seen += c->used;
		gives = c != but ? see(g, c, &y, which, asks) : 0;
		if (gives > 0 && gate_yield_who(&y, asks) == c) {
			who = c;
			most = gives;
		}
		if (gives > 0 && gives >= most / 2) {
			v->idx[v->cnt < ARRAY_CNT(v->idx) ? v->cnt++ : i % ARRAY_CNT(v->idx)] = i;
		}
	}
	v->held_min = MAX(most / 2, (size_t)1);
	return who;
}

enum gate_relief
gate_memory_relieve(struct gate *g, const struct gate_conn *but, enum gate_memory which,
		    size_t asks)
{
	struct gate_conn *c;
	size_t before, bytes;

	if (g->now_ns < g->memory.no_relief[which].until_ns &&
	    (asks == 0 || asks >= g->memory.no_relief[which].asks)) {
		return RELIEF_NONE;
	}
	g->memory.alone_asks = but != NULL && but == g->alone;
	c = victim_next(g, but, which, asks);
	c = c != NULL ? c : victim_find(g, but, which, asks);
	g->memory.alone_asks = false;
	if (c == NULL) {
		g->memory.no_relief[which].until_ns =
			g->now_ns + NO_RELIEF_NS; /* looking at all takes its time */
		g->memory.no_relief[which].asks = asks != 0 ? asks : SIZE_MAX;
		return RELIEF_NONE;
	}
	bytes = held(c, which);
	before = gate_memory_used(g);
	log_at(LOG_INFO, "Redis client %llu is closed: memory is short, and it holds %zu bytes",
	       (unsigned long long)c->client_id, bytes);
	gate_memory_evicted(g, c);
	gate_conn_reset(g, c);
	/* Nothing is called for it but `closed`: what the kernel has no part in goes now. */
	if (c->tls != NULL && !c->sending) {
		gate_tls_drop(g, c);
	}
	if (!c->waiting) {
		gate_text_end(g, c);
		gate_multi_drop(g, c);
		if (c->in != NULL) {
			heap_free(g->heap, c->in, c->in_cap);
			c->in = NULL;
			c->in_len = c->in_cap = 0;
		}
	}
	return which == MEMORY_LONG || gate_memory_used(g) < before ? RELIEF_NOW : RELIEF_LATER;
}

void
gate_memory_evicted(struct gate *g, struct gate_conn *c)
{
	g->tally.total.evict_cnt += !c->memory.evicted;
	c->memory.evicted = true;
}

void
gate_memory_evict(struct gate *g, struct gate_conn *c)
{
	log_at(LOG_INFO,
	       "Redis client %llu is closed: there is no memory for it, it holds %zu bytes",
	       (unsigned long long)c->client_id, held(c, MEMORY_HEAP));
	gate_memory_evicted(g, c);
	gate_conn_close(g, c);
}

/* ------------------------------------------------------------------------ taking some */

/* How much of the reserve stays free when c, who holds so much, takes bytes of it; SIZE_MAX: it is
 * not for c. */
static size_t
reserve_left(const struct gate *g, const struct gate_conn *c, size_t will_hold, unsigned int how)
{
	size_t reserve = g->cfg.memory_bytes / RESERVE_SHARE;
	const struct gate_command *cmd = (how & MEMORY_REPLY) != 0 ? c->command : NULL;
	/* The answer of what is done: half commands have not used that up. */
	bool owed = (how & MEMORY_REPLY) != 0 && (how & MEMORY_MUST) != 0;

	if (will_hold <= HOLDS_LITTLE) {
		return will_hold <= HOLDS_LEAST || owed ? 0 : reserve / LEFT_LITTLE;
	}
	return cmd != NULL && c->out.bytes <= GATE_OUT_MAX &&
			       (strcmp(cmd->group, "server") == 0 ||
				strcmp(cmd->group, "connection") == 0)
		       ? reserve / LEFT_MUCH
		       : SIZE_MAX;
}

static void *
reserve_take(struct gate *g, size_t bytes, size_t left)
{
	return left != SIZE_MAX && heap_free_bytes(g->heap) >= left + bytes
		       ? heap_alloc_reserve(g->heap, bytes)
		       : NULL;
}

static void *
take_short(struct gate *g, const struct gate_conn *c, size_t bytes, unsigned int how)
{
	size_t holds = gate_memory_held(c);
	bool little = holds + bytes <= HOLDS_LITTLE;
	bool alone = c == g->alone && (little || how != MEMORY_REPLY); /* Y4 */
	void *p = reserve_take(g, bytes, alone ? 0 : reserve_left(g, c, holds + bytes, how));
	enum gate_relief relief =
		little || alone || (how & MEMORY_MUST) != 0 ? RELIEF_NOW : RELIEF_NONE;

	while (p == NULL && relief == RELIEF_NOW) {
		relief = gate_memory_relieve(g, c, MEMORY_HEAP, alone ? 1 : MAX(holds, bytes));
		if (relief == RELIEF_NOW && !little && !alone) {
			p = heap_alloc(g->heap, bytes);
		} else if (relief != RELIEF_NONE) { /* what was held comes back to the reserve */
			p = reserve_take(g, bytes,
					 little || alone
						 ? 0
						 : g->cfg.memory_bytes / RESERVE_SHARE / LEFT_MUCH);
		}
	}
	return p;
}

void *
gate_memory_take(struct gate *g, const struct gate_conn *c, size_t bytes, unsigned int how)
{
	void *p;

	if (unlikely(gate_multi_runs(c)) && how == MEMORY_REPLY &&
	    heap_free_bytes(g->heap) < bytes + gate_multi_owes(c->multi)) {
		return NULL; /* Y4 */
	}
	p = heap_alloc(g->heap, bytes);
	return likely(p != NULL) ? p : take_short(g, c, bytes, how);
}

void
gate_memory_unfit(struct gate_conn *c, size_t bytes)
{
	c->unfit = true;
	c->memory.unfit_bytes = bytes;
}

bool
gate_memory_waits(struct gate *g, struct gate_conn *c)
{
	uint32_t self = (c->half_ns | c->slow_ns) != 0;

	if (gate_memory_relieve(g, c, MEMORY_HEAP, 0) != RELIEF_NONE) {
		return true;
	}
	c->memory.unfit_ns = c->memory.unfit_ns != 0 ? c->memory.unfit_ns : g->now_ns;
	return g->slow_cnt > self && c->memory.unfit_bytes <= WAIT_BYTES &&
	       g->now_ns - c->memory.unfit_ns < WAIT_NS;
}

/* ------------------------------------------------------------------------ from time to time */

static uint64_t
traffic(const struct gate *g)
{
	return g->tally.total.rx_bytes + g->tally.total.tx_bytes;
}

void
gate_memory_tick(struct gate *g)
{
	for (uint32_t i = 0;
	     i < TICK_VICTIM_CNT && gate_memory_free(g) < g->cfg.memory_bytes / SHORT_SHARE &&
	     gate_memory_relieve(g, NULL, MEMORY_HEAP, 0) == RELIEF_NOW;
	     i++) {
	}
	if (traffic(g) - g->memory.trim_seen > TRIM_TRAFFIC) {
		g->memory.trim_seen = traffic(g);
		g->memory.trim_cnt = TRIM_CNT;
	}
	if (g->memory.trim_cnt == 0) {
		return;
	}
	if (g->memory.trim_wait > 0) {
		g->memory.trim_wait--;
	} else if (!heap_trim(g->heap, TRIM_BYTES)) {
		g->memory.trim_wait = TRIM_TICKS;
		g->memory.trim_cnt--;
		gate_tls_trim(g);
	}
	if (++g->memory.trim_tick % TRIM_LONG_TICKS == 0 && payload_age(g->inner.pool, 1) > 0) {
		g->memory.trim_cnt = MAX(g->memory.trim_cnt, 1U); /* there may be more */
	}
}

bool
gate_memory_due(const struct gate *g)
{
	return g->memory.trim_cnt > 0 || traffic(g) - g->memory.trim_seen > TRIM_TRAFFIC;
}
