/* SPDX-License-Identifier: Apache-2.0 */
/* gate_block - commands that wait for an item: BLPOP and its kin
 *
 * A command that finds nothing takes its place in one list, who waits longest first. It looks again
 * when a client of this gate has put something under one of its keys (gate_crowd.h), and, as
 * functions write too, in the ticks, in turns. Looking is all that being woken means: two may be
 * woken for one item, and the one that comes too late waits on.
 *
 *	blocked ──an item, a tick──► looking ──chosen──► under way ──► over
 *	   ▲                         │     ▲                 │
 *	   ├──────nothing there──────┤     └─another was───── ┤
 *	   └──behind (still looking)─┘        faster
 *
 *   K1  Who is blocked is waiting (N1) and not queued, and owns nothing but its place.
 *   K2  Its end was set when it waited first; it and the place are kept over all the looking, until
 *       the command is over (gate_conn_renew).
 *   K3  Those that look are in the order of their places. Who finds an item under a key for which
 *       one before it looks (its own key must be fetched, say) waits behind that one.
 *   K4  Who has chosen looks no more: others see what it takes (gate_pop.h), and pass over it. Who
 *       takes in a way that they cannot see looks until its command is over.
 *   K5  A place is taken with the first wait of any kind: also by who has not looked yet, as a key
 *       of its must be fetched. Else who came later, and has its keys here, would be before it.
 *   K6  An item is seen before those that wait for it are woken: its writer's batch is not over, it
 *       came by another gate, or a function wrote it. So who finds one wakes all before it that
 *       wait for its key, and goes behind them; for each key once (place.asked) until it finds
 *       nothing, or has chosen: those that cannot take the item (they want another type, or of
 *       their many keys one only has the same bit) keep it no longer than that.
 *       What is pushed between their look and its own it may take before them. Whose time is over
 *       looks a last time, and leaves what somebody before it may want.
 *
 * No wake is lost, as none is a token: all that wait for a key are woken, and each looks. Who goes
 * behind is woken again by the one it is behind, whatever becomes of that: it chooses, finds
 * nothing, is answered with an error, or is closed (looking_end, each time). So somebody finds each
 * item. But one that is overtaken may wait without end where its answer was sure: an error, as the
 * other list of a BLMOVE is of another type. For that are K3, K5 and K6. Of two that have both just
 * come, and neither seen to wait, the order is that in which their bytes are found.
 *
 * Rejected: a word from the cache tiles for each key that is waited for. It would be exact for
 * functions too, at the price of a table of keys in the tiles that every write looks into. That
 * each waits until the one before it is over, which would be exact for BLMOVE to the same list:
 * workers of one queue would take its items one round trip after the other.
 */
#include "gate_block.h"

#include <math.h>

#include "compiler.h"
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

/* ------------------------------------------------------------------------ places */

static void
looking_add(struct gate *g, struct gate_conn *c)
{
	struct gate_conn *before = TAILQ_LAST(&g->looking, gate_blocked);

	while (before != NULL && before->place.seq > c->place.seq) { /* K3 */
		before = TAILQ_PREV(before, gate_blocked, place.next_looking);
	}
	if (before != NULL) {
		TAILQ_INSERT_AFTER(&g->looking, before, c, place.next_looking);
	} else {
		TAILQ_INSERT_HEAD(&g->looking, c, place.next_looking);
	}
	c->place.looking = true;
}

static void
behind_set(struct gate *g, struct gate_conn *c, bool behind)
{
	g->behind_cnt += (uint32_t)behind - (uint32_t)c->place.behind;
	c->place.behind = behind;
}

static void
wake(struct gate *g, struct gate_conn *c)
{
	c->blocked = false;
	behind_set(g, c, false);
	if (!c->place.looking) {
		looking_add(g, c);
	}
	gate_conn_ready(g, c);
}

/* It has chosen, or found nothing: who is behind it goes on. */
static void
looking_end(struct gate *g, struct gate_conn *c)
{
	struct gate_conn *next = TAILQ_NEXT(c, place.next_looking);

	TAILQ_REMOVE(&g->looking, c, place.next_looking);
	c->place.looking = false;
	behind_set(g, c, false);
	for (; next != NULL && g->behind_cnt > 0; next = TAILQ_NEXT(next, place.next_looking)) {
		if (next->place.behind && (next->block_bits & c->block_bits) != 0) {
			wake(g, next);
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
		c->place.asked = 0;
		c->place.seq = ++g->block_seq;
		TAILQ_INSERT_TAIL(&g->blocked, c, place.next_blocked);
		gate_crowd_join(&g->crowd, &c->place.stood, c, c->place.seq, wants);
		c->block_bits = wants->bits;
		g->blocked_bits |= wants->bits;
	}
}

/* It waits, behind another one or for an item. Returns: as gate_block. */
static int
block(struct gate *g, struct gate_conn *c, const struct gate_wants *wants, double timeout_s,
      bool behind)
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
	c->place.asked = behind ? c->place.asked : 0;
	c->began_tsc = 0; /* its time is from when there is an item */
	c->blocked = true;
	if (behind && !c->place.looking) {
		looking_add(g, c);
	} else if (!behind && c->place.looking) {
		looking_end(g, c);
	}
	behind_set(g, c, behind);
	return GATE_WAIT;
}

int
gate_block(struct gate *g, struct gate_conn *c, const struct gate_wants *wants, double timeout_s)
{
	return block(g, c, wants, timeout_s, false);
}

int
gate_block_waits(struct gate *g, struct gate_conn *c, const struct gate_wants *wants,
		 double timeout_s, int rc)
{
	if (rc == GATE_WAIT && timeout_s >= 0 && !c->timed_out) { /* K5 */
		place_take(g, c, wants);
		if (!c->place.looking) {
			looking_add(g, c);
		}
	}
	return rc;
}

/* What stands in place.asked for a key; of many keys several have the same, as they have a bit. */
static uint64_t
mark_of(const struct gate_wants *wants, uint64_t hash)
{
	for (uint32_t i = 0; wants->cnt <= GATE_CROWD_KEYS && i < wants->cnt; i++) {
		if (wants->hash[i] == hash) {
			return UINT64_C(1) << i;
		}
	}
	return gate_key_bit(hash);
}

/* Those before it that wait for a key of a bit, for which it does not ask again (K6). */
static void
wake_before(struct gate *g, const struct gate_conn *c, uint64_t bit)
{
	struct gate_conn *o;

	TAILQ_FOREACH(o, &g->blocked, place.next_blocked)
	{
		if (o == c) {
			break;
		}
		if ((o->block_bits & bit) != 0 && o->blocked && !o->place.looking) {
			wake(g, o);
		}
	}
}

bool
gate_block_yields(struct gate *g, struct gate_conn *c, uint64_t hash,
		  const struct gate_wants *wants, double timeout_s, int *ret_code)
{
	struct gate_crowd_walk walk = gate_crowd_walk(&g->crowd, hash);
	struct gate_conn *o;
	uint64_t mark = mark_of(wants, hash);
	bool asks = !c->place.taken || (c->place.asked & mark) == 0, yields = false;

	if (TAILQ_EMPTY(&g->blocked) || timeout_s < 0 || gate_multi_runs(c)) {
		return false;
	}
	if (c->place.taken && !c->place.looking) { /* it had chosen, and another was faster */
		looking_add(g, c);
	}
	if (asks && wants->cnt > GATE_CROWD_KEYS) {
		wake_before(g, c, mark);
	}
	while ((o = gate_crowd_next(&walk)) != NULL && o != c) {
		if (o->blocked && !o->place.looking && asks) { /* K6 */
			wake(g, o);
		}
		yields |= o->place.looking;
	}
	if (yields && c->timed_out) { /* it cannot wait for what they leave */
		gate_null_array(g, c);
		*ret_code = GATE_DONE;
	} else if (yields) {
		*ret_code = block(g, c, wants, timeout_s, true);
		c->place.asked |= mark;
	}
	return yields;
}

int
gate_block_chosen(struct gate *g, struct gate_conn *c, int rc)
{
	if (c->place.looking && rc == GATE_HELD && c->part_next == 0) { /* K4 */
		c->place.asked = 0;
		looking_end(g, c);
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
	gate_crowd_leave(&g->crowd, &c->place.stood);
	g->blocked_bits = TAILQ_EMPTY(&g->blocked) ? 0 : g->blocked_bits;
	if (c->place.looking) {
		looking_end(g, c);
	}
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

void
gate_block_wrote(struct gate *g, const struct gate_batch *b)
{
	struct gate_crowd_walk walk;
	struct gate_conn *c;

	if (g->cfg.idx != 0) { /* whoever waits does so at home */
		g->many.item_bits |= b->wake_bits;
		return;
	}
	if (TAILQ_EMPTY(&g->blocked) || b->wake_bits == 0) {
		return;
	}
	for (uint32_t i = 0; i < b->op_cnt; i++) {
		uint64_t hash = b->word[i].hash;

		if ((b->wake_bits & gate_key_bit(hash)) == 0 || is_again(b, i)) {
			continue;
		}
		walk = gate_crowd_walk(&g->crowd, hash);
		while ((c = gate_crowd_next(&walk)) != NULL) {
			if (c->blocked) {
				wake(g, c);
			}
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

static uint64_t
hash_of(struct slice key)
{
	return hash_bytes(key.p, key.len);
}

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
