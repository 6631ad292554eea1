/* SPDX-License-Identifier: Apache-2.0 */
/* gate_block - commands that wait for an item: BLPOP and its kin
 *
 * A command that finds nothing takes its place in one list, who waits longest first. When one of
 * its keys has got something, that is offered to the first of those that wait for it
 * (gate_crowd.h), and it looks again. So one item costs one look, however many wait for it. As
 * functions write too, some look in each tick, in turns, without an offer.
 *
 *	blocked ──an offer, a tick──► looking ──chosen──► under way ──► over
 *	   ▲                          │     ▲                 │
 *	   └──nothing there, or not───┘     └───another was───┘
 *	      for it yet                            faster
 *
 *   K1  Who is blocked is waiting (N1) and not queued, and owns nothing but its place.
 *   K2  Its end was set when it waited first; it and the place are kept over all the looking, until
 *       the command is over (gate_conn_renew).
 *   K3  An offer is at one of those that look, and ends when that one found nothing under the key,
 *       or took the last of it. Else it goes on to the next one behind when the look is over,
 *       whatever came of it: it chose, its keys have values of another type, it is answered with an
 *       error, its time is over, or it is closed.
 *   K4  Who has chosen looks no more: others see what it takes (gate_pop.h), and pass over it. Who
 *       takes in a way that they cannot see, or what another one takes already, looks until its
 *       command is over: that will fail, and then its other keys are for it first.
 *   K5  A place is taken with the first wait of any kind: also by who has not looked yet, as a key
 *       of its must be fetched. Else who came later, and has its keys here, would be before it.
 *   K6  An item is seen before it is offered: its writer's batch is not over, it came by another
 *       gate, or a function wrote it. So who finds one, and was not offered it, offers it to the
 *       first of those before it that wait for its key, and waits. Who was offered it takes it: all
 *       before it have had it, unless one of them looks again; then that one gets the offer.
 *       Whose time is over looks a last time, and leaves what somebody before it may want.
 *
 * No item is left lying: a push offers it, or whoever finds it does, and who goes behind has given
 * its offer to one before it, from where it comes back (K3). One that is overtaken may not wait
 * without end where its answer was sure: an error, as the other list of a BLMOVE is of another
 * type. For that are K3, K5 and K6. Of two that have both just come, and neither seen to wait, the
 * order is that in which their bytes are found. Two things only a tick sees: what functions wrote,
 * and what is left by who chose and was closed, if another gate was faster than its write.
 *
 * Rejected: a word from the cache tiles for each key that is waited for. It would be exact for
 * functions too, at the price of a table of keys in the tiles that every write looks into. That
 * each waits until the one before it is over, which would be exact for BLMOVE to the same list:
 * workers of one queue would take its items one round trip after the other. That all that wait for
 * a key look, and those behind wait for those before: 5,000 looked for one item.
 */
#include "gate_block.h"

#include <math.h>

#include "compiler.h"
#include "gate_conn.h"
#include "gate_loan.h"
#include "hash.h"
#include "timebase.h"

#define BLOCK_TICK_NS  (5 * NS_PER_MS)
#define BLOCK_TICK_CNT 512    /* some 300 ns each */
#define TIMEOUT_S_MAX  9.2e15 /* as many milliseconds as an int64_t has */
#define WAIT_S_MAX     1e9    /* 31 years, as many nanoseconds as a uint64_t has behind now */

bool
gate_block_timeout(struct gate *g, struct gate_conn *c, struct slice word, double *ret_s)
{
	if (!gate_word_f64(word, ret_s) || *ret_s > TIMEOUT_S_MAX) {
		gate_error(g, c, "ERR timeout is not a float or out of range");
		return false;
	}
	if (*ret_s < 0) {
		gate_error(g, c, "ERR timeout is negative");
		return false;
	}
	*ret_s = MIN(*ret_s, WAIT_S_MAX);
	return true;
}

static uint64_t
hash_of(struct slice key)
{
	return hash_bytes(key.p, key.len);
}

/* ------------------------------------------------------------------------ places */

static void
wake(struct gate *g, struct gate_conn *c)
{
	c->blocked = false;
	c->place.looking = true;
	gate_conn_ready(g, c);
}

/* Offers it to the first one of a walk that looks, or may. */
static void
offer_first(struct gate *g, struct gate_crowd_walk walk, uint64_t hash)
{
	struct gate_conn *o;

	while ((o = gate_crowd_next(&walk)) != NULL) {
		if ((o->blocked || o->place.looking) && gate_crowd_offer(&o->place.stood, hash)) {
			if (o->blocked) {
				wake(g, o);
			}
			return;
		}
	}
}

/* Its look is over: what it was offered goes on, except of one key, if taken is not NULL. */
static void
looked(struct gate *g, struct gate_conn *c, const uint64_t *taken)
{
	struct gate_stood *s = &c->place.stood;
	uint8_t offered = s->offered;

	c->place.looking = false;
	s->offered = 0;
	for (uint32_t i = 0; offered >> i != 0; i++) {
		uint64_t hash = s->stand[i].key;

		if ((offered & 1U << i) != 0 && (taken == NULL || hash != *taken)) {
			offer_first(g, gate_crowd_behind(&g->crowd, hash, s), hash);
		}
	}
}

static void
place_take(struct gate *g, struct gate_conn *c, const struct gate_wants *wants)
{
	if (TAILQ_EMPTY(&g->blocked)) {
		g->block_tick_ns = g->now_ns + BLOCK_TICK_NS;
		g->block_due_ns = UINT64_MAX;
	}
	if (!c->place.taken) {
		c->place.taken = true;
		c->place.seq = ++g->block_seq;
		TAILQ_INSERT_TAIL(&g->blocked, c, place.next_blocked);
		gate_crowd_join(&g->crowd, &c->place.stood, c, c->place.seq, wants);
		c->block_bits = wants->bits;
		g->blocked_bits |= wants->bits;
	}
}

/* It waits. Returns: as gate_block. */
static int
block(struct gate *g, struct gate_conn *c, const struct gate_wants *wants, double timeout_s)
{
	if (gate_conn_over(c)) { /* N5 */
		c->last = true;
		return GATE_DONE;
	}
	if (c->block_due_ns == 0) { /* K2 */
		c->block_due_ns =
			timeout_s == 0 ? UINT64_MAX
				       : g->now_ns + (uint64_t)(timeout_s * (double)NS_PER_S) + 1;
	}
	gate_loans_end(g, &c->loans);
	place_take(g, c, wants);
	g->block_due_ns = MIN(g->block_due_ns, c->block_due_ns);
	c->began_tsc = 0; /* its time is from when there is an item */
	c->blocked = true;
	c->place.looking = false;
	return GATE_WAIT;
}

int
gate_block(struct gate *g, struct gate_conn *c, const struct gate_wants *wants, double timeout_s)
{
	int rc = block(g, c, wants, timeout_s);

	if (c->place.other || c->place.stood.many) { /* something may be there, for another one */
		looked(g, c, NULL);
	}
	c->place.stood.offered = 0;
	c->place.other = false;
	return rc;
}

int
gate_block_waits(struct gate *g, struct gate_conn *c, const struct gate_wants *wants,
		 double timeout_s, int rc)
{
	if (rc == GATE_WAIT && timeout_s >= 0 && !c->timed_out) { /* K5 */
		place_take(g, c, wants);
		c->place.looking = true;
	}
	return rc;
}

/* Offers what it found to the first of those before it that may have it. Returns: whether there is
 * one. */
static bool
offer_before(struct gate *g, const struct gate_conn *c, uint64_t hash)
{
	struct gate_crowd_walk walk = gate_crowd_walk(&g->crowd, hash);
	bool offered = gate_crowd_offered(&c->place.stood, hash) != 0;
	struct gate_conn *o;

	while ((o = gate_crowd_next(&walk)) != NULL && o != c) {
		if ((o->place.looking || (o->blocked && !offered)) && /* K6 */
		    gate_crowd_offer(&o->place.stood, hash)) {
			if (o->blocked) {
				wake(g, o);
			}
			return true;
		}
	}
	return false;
}

bool
gate_block_yields(struct gate *g, struct gate_conn *c, uint64_t hash,
		  const struct gate_wants *wants, double timeout_s, int *ret_code)
{
	if (TAILQ_EMPTY(&g->blocked) || timeout_s < 0 || gate_multi_runs(c)) {
		return false;
	}
	c->place.looking = c->place.taken; /* it had chosen, perhaps, and another was faster */
	if (!offer_before(g, c, hash)) {
		return false;
	}
	if (c->timed_out) { /* it cannot wait for what they leave */
		gate_null_array(g, c);
		*ret_code = GATE_DONE;
	} else {
		*ret_code = block(g, c, wants, timeout_s);
		looked(g, c, &hash);
	}
	return true;
}

int
gate_block_chosen(struct gate *g, struct gate_conn *c, struct slice key, bool left, int rc)
{
	uint64_t hash;

	if (c->place.looking && rc == GATE_HELD && c->part_next == 0) { /* K4 */
		hash = hash_of(key);
		looked(g, c, left ? NULL : &hash);
	}
	return rc;
}

void
gate_unblock(struct gate *g, struct gate_conn *c)
{
	if (!c->place.taken) {
		return;
	}
	c->blocked = false;
	c->place.taken = false;
	if (g->block_next == c) {
		g->block_next = TAILQ_NEXT(c, place.next_blocked);
	}
	TAILQ_REMOVE(&g->blocked, c, place.next_blocked);
	looked(g, c, NULL);
	gate_crowd_leave(&g->crowd, &c->place.stood);
	g->blocked_bits = TAILQ_EMPTY(&g->blocked) ? 0 : g->blocked_bits;
}

/* Whether an operation before this one has the same key. */
static bool
is_again(const struct gate_batch *b, uint32_t op)
{
	for (uint32_t i = 0; i < op; i++) {
		if (b->word[i].hash == b->word[op].hash) {
			return true;
		}
	}
	return false;
}

/* Home is to hear of it. */
static void
item_tell(struct gate_many *m, uint64_t hash)
{
	for (uint32_t i = 0; i < m->item_cnt; i++) {
		if (m->item[i] == hash) {
			return;
		}
	}
	if (m->item_cnt < GATE_ITEM_CNT) {
		m->item[m->item_cnt++] = hash;
	} else {
		m->item_bits |= gate_key_bit(hash);
	}
}

void
gate_block_offer(struct gate *g, uint64_t hash)
{
	offer_first(g, gate_crowd_walk(&g->crowd, hash), hash);
}

void
gate_block_wrote(struct gate *g, const struct gate_batch *b)
{
	bool home = g->cfg.idx == 0; /* whoever waits does so there */

	if (b->wake_bits == 0 || (home && TAILQ_EMPTY(&g->blocked))) {
		return;
	}
	for (uint32_t i = 0; i < b->op_cnt; i++) {
		uint64_t hash = b->word[i].hash;

		if ((b->wake_bits & gate_key_bit(hash)) == 0 || is_again(b, i)) {
			continue;
		}
		if (home) {
			gate_block_offer(g, hash);
		} else {
			item_tell(&g->many, hash);
		}
	}
}

void
gate_block_wake(struct gate *g, uint64_t bits)
{
	struct gate_conn *c;

	if ((g->blocked_bits & bits) == 0) { /* nobody waits for such a key */
		return;
	}
	TAILQ_FOREACH(c, &g->blocked, place.next_blocked)
	{
		if (c->blocked && (c->block_bits & bits) != 0) {
			wake(g, c);
		}
	}
}

/* Those whose time is over look a last time. */
static void
wake_late(struct gate *g, uint64_t now_ns)
{
	struct gate_conn *c;

	g->block_due_ns = UINT64_MAX;
	TAILQ_FOREACH(c, &g->blocked, place.next_blocked)
	{
		if (!c->blocked) { /* its end is noted when it waits again */
			continue;
		}
		if (now_ns >= c->block_due_ns) {
			c->timed_out = true;
			wake(g, c);
		} else {
			g->block_due_ns = MIN(g->block_due_ns, c->block_due_ns);
		}
	}
}

void
gate_block_tick(struct gate *g, uint64_t now_ns)
{
	struct gate_conn *c;

	if (now_ns < g->block_tick_ns) {
		return;
	}
	g->block_tick_ns = now_ns + BLOCK_TICK_NS;
	if (now_ns >= g->block_due_ns) {
		wake_late(g, now_ns);
	}
	c = g->block_next != NULL ? g->block_next : TAILQ_FIRST(&g->blocked);
	for (uint32_t i = 0; c != NULL && i < BLOCK_TICK_CNT; i++) {
		g->passed_bits |= c->block_bits;
		if (c->blocked) {
			wake(g, c);
		}
		c = TAILQ_NEXT(c, place.next_blocked);
	}
	g->block_next = c;
	if (c == NULL) { /* all were passed */
		g->blocked_bits = g->passed_bits;
		g->passed_bits = 0;
	}
}

/* ------------------------------------------------------------------------ keys */

/* Returns: CACHE_HIT; CACHE_ABSENT: none has items; as gate_look_as. */
static int
look_first(struct gate *g, struct gate_conn *c, const struct slice *key, uint32_t key_cnt,
	   unsigned int type, struct cache_value *ret, uint32_t *ret_idx)
{
	for (*ret_idx = 0; *ret_idx < key_cnt; ++*ret_idx) {
		int n = gate_look_as(g, c, key[*ret_idx], type, ret);

		if (n != CACHE_ABSENT && !gate_waits_on(c, n)) {
			return n;
		}
	}
	return CACHE_ABSENT;
}

static struct gate_wants
wants_of(const struct slice *key, uint32_t key_cnt)
{
	struct gate_wants wants = { 0 };

	for (uint32_t i = 0; i < key_cnt; i++) {
		gate_wants_add(&wants, hash_of(key[i]));
	}
	return wants;
}

bool
gate_first(struct gate *g, struct gate_conn *c, const struct slice *key, uint32_t key_cnt,
	   unsigned int type, double timeout_s, struct cache_value *ret, uint32_t *ret_idx,
	   int *ret_code)
{
	int n = look_first(g, c, key, key_cnt, type, ret, ret_idx);
	struct gate_wants wants;

	if (n == CACHE_HIT && likely(TAILQ_EMPTY(&g->blocked))) {
		return true;
	}
	wants = wants_of(key, key_cnt);
	if (n == CACHE_HIT) {
		if (!gate_block_yields(g, c, hash_of(key[*ret_idx]), &wants, timeout_s, ret_code)) {
			return true;
		}
		gate_look_end(g, ret);
		return false;
	}
	if (n != CACHE_ABSENT) {
		*ret_code = gate_block_waits(g, c, &wants, timeout_s, gate_look_refuse(g, c, n));
	} else if (timeout_s >= 0 && !c->timed_out) {
		*ret_code = gate_block(g, c, &wants, timeout_s);
	} else {
		gate_null_array(g, c);
		*ret_code = GATE_DONE;
	}
	return false;
}

/* Reads the words behind first|second. Returns: what is wrong with them; NULL: nothing. */
static const char *
mpop_options(const struct slice *word, const struct slice *end, int64_t *ret_most)
{
	*ret_most = 0; /* not said */
	for (; word != end; word += 2) {
		if (*ret_most != 0 || word + 1 == end || !gate_word_is(*word, "count")) {
			return "ERR syntax error";
		}
		if (!gate_word_i64(word[1], ret_most) || *ret_most <= 0) {
			return "ERR count should be greater than 0";
		}
	}
	*ret_most = MAX(*ret_most, 1);
	return NULL;
}

bool
gate_mpop(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt,
	  uint32_t at, const char *first, const char *second, unsigned int type,
	  const struct slice *timeout, struct gate_mpop *ret, int *ret_code)
{
	const struct slice *key = arg + at + 1, *where;
	int64_t key_cnt, most = 1;
	uint32_t idx = (uint32_t)c->total;
	double timeout_s = -1;
	const char *wrong;
	int n;

	*ret_code = GATE_DONE;
	if (!gate_word_i64(arg[at], &key_cnt) || key_cnt < 1) {
		gate_error(g, c, "ERR numkeys should be greater than 0");
		return false;
	}
	where = key_cnt < arg_cnt - at - 1 ? key + key_cnt : NULL;
	wrong = where == NULL || (!gate_word_is(*where, first) && !gate_word_is(*where, second))
			? "ERR syntax error"
			: mpop_options(where + 1, arg + arg_cnt, &most);
	if (wrong != NULL) {
		gate_error(g, c, wrong);
		return false;
	}
	if (timeout != NULL && !gate_block_timeout(g, c, *timeout, &timeout_s)) {
		return false;
	}
	if (c->walk != NULL) { /* it is being gone through */
		ret->value = (struct cache_value){ .slot = CACHE_SLOT_NONE };
	} else if (c->part == 0) {
		if (!gate_first(g, c, key, (uint32_t)key_cnt, type, timeout_s, &ret->value, &idx,
				ret_code)) {
			return false;
		}
		c->total = idx;
	} else { /* the key is chosen */
		n = gate_look_part(g, c, key[idx], type, &ret->value);
		if (n == CACHE_ABSENT) {
			gate_out_fill_array(g, c, c->hole, c->part);
			return false;
		}
		if (n != CACHE_HIT) {
			*ret_code = gate_look_refuse(g, c, n);
			return false;
		}
	}
	c->total_next = idx;
	ret->key = key[idx];
	ret->second = gate_word_is(*where, second);
	ret->most = (uint32_t)MIN(most, UINT32_MAX);
	return true;
}
