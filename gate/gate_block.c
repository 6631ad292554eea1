/* SPDX-License-Identifier: Apache-2.0 */
/* gate_block - commands that wait for an item: BLPOP and its kin
 *
 * A command that finds nothing stands in one list, who waits longest first. It looks again when a
 * client of this gate has put something under one of its keys, and, as functions write too, every
 * BLOCK_TICK_NS. Looking is all that being woken means: two may be woken for one item, and the one
 * that comes too late waits on.
 *
 *   K1  Who is in the list is waiting (N1) and not queued, and owns nothing but its place.
 *   K2  Its end was set when it waited first; it is kept over all the looking (command_end).
 *
 * Rejected: a word from the cache tiles for each key that is waited for. It would be exact for
 * functions too, at the price of a table of keys in the tiles that every write looks into.
 */
#include "gate_block.h"

#include <math.h>

#include "hash.h"
#include "timebase.h"

#define BLOCK_TICK_NS (5 * NS_PER_MS)
#define TIMEOUT_S_MAX 1e9 /* 31 years */

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
	return true;
}

int
gate_block(struct gate *g, struct gate_conn *c, uint64_t bits, double timeout_s)
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
	if (TAILQ_EMPTY(&g->blocked)) {
		g->block_tick_ns = g->now_ns + BLOCK_TICK_NS;
	}
	c->block_bits = bits;
	c->began_tsc = 0; /* its time is from when there is an item */
	c->blocked = true;
	TAILQ_INSERT_TAIL(&g->blocked, c, next_blocked);
	return GATE_WAIT;
}

void
gate_unblock(struct gate *g, struct gate_conn *c)
{
	if (c->blocked) {
		c->blocked = false;
		TAILQ_REMOVE(&g->blocked, c, next_blocked);
	}
}

void
gate_block_wake(struct gate *g, uint64_t bits)
{
	struct gate_conn *c, *next;

	if (bits == 0) {
		return;
	}
	if (g->cfg.idx != 0) { /* whoever waits does so at home */
		g->many.item_bits |= bits;
		return;
	}
	for (c = TAILQ_FIRST(&g->blocked); c != NULL; c = next) {
		next = TAILQ_NEXT(c, next_blocked);
		if ((c->block_bits & bits) != 0) {
			gate_unblock(g, c);
			gate_conn_ready(g, c);
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
	TAILQ_FOREACH(c, &g->blocked, next_blocked)
	{
		c->timed_out = now_ns >= c->block_due_ns;
	}
	gate_block_wake(g, UINT64_MAX);
}

/* Returns: CACHE_HIT; CACHE_ABSENT: none has items, *ret_bits is what to wait for; as
 * gate_look_as. */
static int
look_first(struct gate *g, struct gate_conn *c, const struct slice *key, uint32_t key_cnt,
	   unsigned int type, struct cache_value *ret, uint32_t *ret_idx, uint64_t *ret_bits)
{
	*ret_bits = 0;
	for (*ret_idx = 0; *ret_idx < key_cnt; ++*ret_idx) {
		int n = gate_look_as(g, c, key[*ret_idx], type, ret);

		if (n != CACHE_ABSENT && !gate_waits_on(c, n)) {
			return n;
		}
		*ret_bits |= gate_key_bit(hash_bytes(key[*ret_idx].p, key[*ret_idx].len));
	}
	return CACHE_ABSENT;
}

bool
gate_first(struct gate *g, struct gate_conn *c, const struct slice *key, uint32_t key_cnt,
	   unsigned int type, double timeout_s, struct cache_value *ret, uint32_t *ret_idx,
	   int *ret_code)
{
	uint64_t bits;
	int n = look_first(g, c, key, key_cnt, type, ret, ret_idx, &bits);

	if (n == CACHE_HIT) {
		return true;
	}
	if (n != CACHE_ABSENT) {
		*ret_code = gate_look_refuse(g, c, n);
	} else if (timeout_s >= 0 && !c->timed_out) {
		*ret_code = gate_block(g, c, bits, timeout_s);
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
