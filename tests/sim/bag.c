/* SPDX-License-Identifier: Apache-2.0 */
/* bag - see bag.h for O11..O13 */
#include "bag.h"

#include <stdio.h>
#include <stdlib.h>

#include "check.h"
#include "sim.h"

/* --------------------------------------------------------------------- items */

size_t
bag_item_text(enum key_kind kind, uint32_t n, char *ret, size_t bytes)
{
	/* A member of a sorted set is short. */
	return kind == KEY_ZSET ? (size_t)snprintf(ret, bytes, "m%u", n)
				: oracle_member_text(n, ret, bytes);
}

double
bag_score(uint32_t n)
{
	return (double)(n * 37 % 16) / 2 - 3; /* some are equal, some below 0 */
}

static bool
is_in(const struct oracle_write *w, unsigned int kind, uint32_t key)
{
	return w->key_kind == kind && w->key == key;
}

/* Some item that may be there; 0: there is none. */
static uint32_t
pick(struct sim *s, const struct op *op)
{
	const struct oracle *o = &s->oracle;
	uint32_t cnt = 0, n = 0;

	for (uint32_t i = 0; i < o->write_cnt; i++) {
		const struct oracle_write *w = &o->write[i];

		if (is_in(w, op->key_kind, op->key) && w->effect != EFFECT_NONE && !w->taken &&
		    sim_one_in(s, ++cnt)) {
			n = i + 1;
		}
	}
	return n;
}

void
bag_draw(struct sim *s, struct op *op)
{
	bool takes = op->key_kind != KEY_SIBLING && sim_one_in(s, 2);
	bool pops = op->key_kind == KEY_LIST || (op->key_kind == KEY_ZSET && sim_one_in(s, 2));

	op->left = sim_one_in(s, 2);
	op->kind = !takes ? OP_WRITE : pops ? OP_POP : OP_TAKE;
	op->n = op->kind == OP_TAKE ? pick(s, op) : 0;
	if (op->kind == OP_TAKE && op->n == 0) {
		op->kind = OP_WRITE;
	}
	if (op->kind == OP_WRITE) {
		op->n = oracle_op_new(&s->oracle, op->key_kind, op->key, 0);
	}
}

/* ---------------------------------------------------------------- operations */

void
bag_take(struct oracle *o, struct op *op, uint32_t n)
{
	o->take = oracle_grow(o->take, o->take_cnt, &o->take_cap, sizeof(*o->take));
	o->take[o->take_cnt++] = (struct oracle_take){ .n = n, .next = op->takes };
	op->takes = o->take_cnt;
	o->write[n - 1].takers++;
}

void
bag_takes_undo(struct oracle *o, struct op *op)
{
	if (op->kind == OP_TAKE) { /* what it takes is known from the beginning */
		return;
	}
	for (uint32_t t = op->takes; t != 0; t = o->take[t - 1].next) {
		o->write[o->take[t - 1].n - 1].takers--;
	}
	op->takes = 0;
}

void
bag_op_start(struct oracle *o, struct op *op)
{
	op->begun = ++o->moment;
	if (op->kind == OP_WRITE) {
		o->write[op->n - 1].effect = EFFECT_MAYBE;
		o->write[op->n - 1].begun = op->begun;
		o->write[op->n - 1].acked = UINT64_MAX;
		o->write[op->n - 1].pushed_left = op->left;
	} else if (op->kind == OP_POP) {
		o->key[op->key_kind][op->key].pops++;
	} else {
		op->sees |= o->write[op->n - 1].effect == EFFECT_DONE;
		bag_take(o, op, op->n);
	}
}

void
bag_op_end(struct oracle *o, const struct op *op, enum effect e)
{
	/* Who takes an item by its name may come before it. */
	bool sees = op->kind != OP_TAKE || op->sees;

	o->moment++;
	if (op->kind == OP_WRITE) {
		o->write[op->n - 1].effect = (uint8_t)e;
		o->write[op->n - 1].acked = e == EFFECT_DONE ? o->moment : UINT64_MAX;
	}
	if (e == EFFECT_MAYBE) {
		return;
	}
	o->key[op->key_kind][op->key].pops -= op->kind == OP_POP;
	for (uint32_t t = op->takes; t != 0; t = o->take[t - 1].next) {
		struct oracle_write *w = &o->write[o->take[t - 1].n - 1];

		/* One that did not see it may have taken it all the same. */
		w->takers -= e == EFFECT_NONE || sees;
		if (e == EFFECT_DONE && sees && !w->taken) {
			w->taken = true;
			w->gone = o->moment;
		}
	}
}

/* The item of these bytes, if somebody put it into this bag; NULL: nobody did. */
static struct oracle_write *
item_of(struct oracle *o, unsigned int kind, uint32_t key, struct slice item, const double *score)
{
	static char text[ORACLE_MEMBER_MAX];
	uint32_t n = oracle_member_number(item);
	struct oracle_write *w = n >= 1 && n <= o->write_cnt ? &o->write[n - 1] : NULL;
	bool ok =
		w != NULL && is_in(w, kind, key) && w->effect != EFFECT_NONE &&
		slice_eq(item,
			 slice_of(text, bag_item_text((enum key_kind)kind, n, text, sizeof(text))));

	oracle_expect(o, ok, "O11: a bag has an item that nobody put there", kind * 1000 + key, n);
	oracle_expect(o, score == NULL || *score == bag_score(n),
		      "O12: a member has another score than it was given", key, n);
	return ok ? w : NULL;
}

void
bag_popped(struct oracle *o, struct op *op, struct slice item, const double *score, bool sole)
{
	struct oracle_write *w = item_of(o, op->key_kind, op->key, item, score);

	if (w == NULL) {
		return;
	}
	if (sole) {
		oracle_expect(o, !w->taken || w->gone > op->begun,
			      "O11: an item was popped that was taken before", op->key, w->gone);
		oracle_expect(o, !w->popped, "O13: an item was popped twice", op->key,
			      (uint64_t)(w - o->write) + 1);
		w->popped = true;
	}
	bag_take(o, op, (uint32_t)(w - o->write) + 1);
}

/* --------------------------------------------------------------------- looks */

void
bag_look_begin(struct oracle *o, enum key_kind kind, uint32_t key, bool now)
{
	o->shown_cnt = 0;
	o->bag = (struct oracle_bag){ kind, key, now, o->bag.look + 1 };
}

void
bag_look_item(struct oracle *o, struct slice item, const double *score)
{
	struct oracle_write *w = item_of(o, o->bag.kind, o->bag.key, item, score);

	if (w == NULL) {
		return;
	}
	oracle_expect(o, w->look != o->bag.look, "O11: a bag shows an item twice", o->bag.key,
		      (uint64_t)(w - o->write) + 1);
	oracle_expect(o, !o->bag.now || !w->taken, "O11: a bag shows an item that was taken",
		      o->bag.key, (uint64_t)(w - o->write) + 1);
	w->look = o->bag.look;
	o->shown = oracle_grow(o->shown, o->shown_cnt, &o->shown_cap, sizeof(*o->shown));
	o->shown[o->shown_cnt++] = (uint32_t)(w - o->write) + 1;
}

/* Items from the left; then, from the right: when was the first acknowledged of those passed? */
static void
judge_pushes(struct oracle *o)
{
	uint64_t left = UINT64_MAX, right = UINT64_MAX;

	for (uint32_t i = 0; i < o->shown_cnt; i++) {
		const struct oracle_write *a = &o->write[o->shown[i] - 1];
		const struct oracle_write *b = &o->write[o->shown[o->shown_cnt - 1 - i] - 1];

		oracle_expect(o, !a->pushed_left || left >= a->begun,
			      "O12: an item that was pushed left stands behind an earlier one",
			      o->bag.key, o->shown[i]);
		oracle_expect(o, b->pushed_left || right >= b->begun,
			      "O12: an item that was pushed right stands before an earlier one",
			      o->bag.key, o->shown[o->shown_cnt - 1 - i]);
		left = MIN(left, a->acked);
		right = MIN(right, b->acked);
	}
}

static void
judge_scores(struct oracle *o)
{
	for (uint32_t i = 1; i < o->shown_cnt; i++) {
		oracle_expect(o, bag_score(o->shown[i - 1]) <= bag_score(o->shown[i]),
			      "O12: members are not in the order of their scores", o->bag.key,
			      o->shown[i]);
	}
}

void
bag_look_end(struct oracle *o, bool ordered)
{
	uint32_t missing = 0, which = 0;

	o->stats.reads++;
	for (uint32_t i = 0; o->bag.now && i < o->write_cnt; i++) {
		const struct oracle_write *w = &o->write[i];

		if (is_in(w, o->bag.kind, o->bag.key) && w->effect == EFFECT_DONE && !w->taken &&
		    w->takers == 0 && w->look != o->bag.look) {
			missing++;
			which = i + 1;
		}
	}
	oracle_expect(o, missing <= o->key[o->bag.kind][o->bag.key].pops,
		      "O11: acknowledged items are missing", missing, which);
	if (o->bag.kind == KEY_LIST) {
		judge_pushes(o);
	} else if (ordered) {
		judge_scores(o);
	}
}

/* Whether a call itself takes an item, before its operation idx. */
static bool
call_takes(const struct oracle *o, const struct call *c, uint32_t idx, uint32_t n)
{
	for (uint32_t i = 0; i < idx; i++) {
		for (uint32_t t = bag_is(c->op[i].key_kind) ? c->op[i].takes : 0; t != 0;
		     t = o->take[t - 1].next) {
			if (o->take[t - 1].n == n) {
				return true;
			}
		}
	}
	return false;
}

void
bag_look_own(struct oracle *o, const struct call *c, uint32_t idx)
{
	for (uint32_t i = 0; i < idx; i++) {
		const struct op *op = &c->op[i];

		if (op->kind != OP_WRITE || !oracle_same_key(op, &c->op[idx])) {
			continue;
		}
		o->stats.own++;
		oracle_expect(o,
			      (o->write[op->n - 1].look == o->bag.look) !=
				      call_takes(o, c, idx, op->n),
			      "O10: a call does not see what it put into a bag", op->key, op->n);
	}
	for (uint32_t i = 0; i < o->shown_cnt; i++) {
		oracle_expect(o, !call_takes(o, c, idx, o->shown[i]),
			      "O10: a call sees what it took", o->bag.key, o->shown[i]);
	}
}
