/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_zset - commands on sorted sets and their members; ranges are in cmd_zrange.c */
#include <math.h>
#include <string.h>

#include <microburst/error.h>

#include "check.h"
#include "cmd_zset.h"
#include "commands.h"
#include "gate_head.h"
#include "gate_walk.h"
#include "lattice.h"
#include "tree.h"
#include "view.h"

#define REACH_ITEMS 8 /* as so many items of a turn is a leaf that is looked for */
#define NOT_A_FLOAT "ERR value is not a valid float"

static int64_t
bits_of(double x)
{
	int64_t bits;

	memcpy(&bits, &x, sizeof(bits));
	return bits;
}

/* ------------------------------------------------------------------------ adding */

struct zadd_options {
	bool nx, xx, gt, lt, ch, incr;
	uint32_t first; /* word of the first score */
};

static struct zadd_options
zadd_options(const struct slice *arg, uint32_t arg_cnt)
{
	struct zadd_options o = { .first = 2 };

	for (; o.first < arg_cnt; o.first++) {
		bool *into = gate_word_is(arg[o.first], "nx")     ? &o.nx
			     : gate_word_is(arg[o.first], "xx")   ? &o.xx
			     : gate_word_is(arg[o.first], "gt")   ? &o.gt
			     : gate_word_is(arg[o.first], "lt")   ? &o.lt
			     : gate_word_is(arg[o.first], "ch")   ? &o.ch
			     : gate_word_is(arg[o.first], "incr") ? &o.incr
								  : NULL;

		if (into == NULL) {
			break;
		}
		*into = true;
	}
	return o;
}

/* What is wrong with the words; NULL: nothing. */
static const char *
zadd_wrong(const struct slice *arg, uint32_t arg_cnt, const struct zadd_options *o)
{
	double x;

	if (o->first >= arg_cnt || (arg_cnt - o->first) % 2 != 0) {
		return "ERR syntax error";
	}
	if (o->nx && o->xx) {
		return "ERR XX and NX options at the same time are not compatible";
	}
	if ((o->gt && o->nx) || (o->lt && o->nx) || (o->gt && o->lt)) {
		return "ERR GT, LT, and/or NX options at the same time are not compatible";
	}
	if (o->incr && arg_cnt - o->first > 2) {
		return "ERR INCR option supports a single increment-element pair";
	}
	for (uint32_t i = o->first; i < arg_cnt; i += 2) {
		if (!gate_word_f64(arg[i], &x)) {
			return NOT_A_FLOAT;
		}
		if (arg[i + 1].len > WSET_FIELD_MAX) {
			static_assert(WSET_FIELD_MAX == 1024, "as it is said");
			return "ERR a member of a sorted set has up to 1024 bytes here";
		}
	}
	return NULL;
}

/* Scores that depend on nothing. */
static int
zadd_plain(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	struct gate_rec *rec = gate_write(g, c, REC_MADE);
	double x = 0;

	if (rec == NULL) {
		return GATE_WAIT;
	}
	for (; 2 * c->step + 2 < arg_cnt; c->step++) {
		struct wset_op op = { .kind = WSET_ZADD,
				      .key = arg[1],
				      .field = arg[2 * c->step + 3] };
		int err;

		(void)gate_word_f64(arg[2 * c->step + 2], &x); /* zadd_wrong has looked */
		op.n = bits_of(x);
		err = gate_write_op(g, c, &op, 0);
		if (err == MB_ERR_FULL) {
			return GATE_WAIT;
		}
		if (err != 0 && rec->err == 0) {
			rec->err = (int16_t)err;
		}
	}
	return gate_write_end(g, c);
}

/* What one pair does to a member that has this score, or none. */
enum zadd_act { ZADD_LEFT, ZADD_SAME, ZADD_CHANGED, ZADD_ADDED };

static enum zadd_act
zadd_act(const struct zadd_options *o, bool there, double old, double *score)
{
	if (there ? o->nx : o->xx) {
		return ZADD_LEFT;
	}
	if (!there) {
		return ZADD_ADDED;
	}
	*score += o->incr ? old : 0;
	if ((o->gt && *score <= old) || (o->lt && *score >= old)) {
		return ZADD_LEFT;
	}
	return *score == old ? ZADD_SAME : ZADD_CHANGED;
}

static void
zadd_incr_reply(struct gate *g, struct gate_conn *c, enum zadd_act act, double score)
{
	if (act == ZADD_LEFT) {
		gate_null(g, c);
	} else {
		gate_double(g, c, score);
	}
}

/* Whether a member is one of those that this part writes: its score is then the earlier one's. */
static bool
member_again(const struct slice *arg, const uint32_t wrote[], uint32_t cnt, struct slice member)
{
	for (uint32_t i = 0; i < cnt; i++) {
		if (slice_eq(arg[wrote[i]], member)) {
			return true;
		}
	}
	return false;
}

/* Scores that depend on what is there, and are counted. c->part: pairs that are done. */
static int
zadd_if(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt,
	const struct zadd_options *o)
{
	uint32_t cnt = 0, i = o->first + 2 * c->part, wrote[GATE_BATCH_OPS];
	enum zadd_act act = ZADD_LEFT;
	struct cache_value v;
	double score = 0;
	int err = 0, n = gate_look_as(g, c, arg[1], LATTICE_OSET, &v);

	if (n != CACHE_HIT && n != CACHE_ABSENT) {
		return gate_look_refuse(g, c, n);
	}
	gate_held_begin(c);
	c->total_next = c->total;
	for (; i < arg_cnt; i += 2) {
		struct wset_op op = { .kind = WSET_ZADD, .key = arg[1], .field = arg[i + 1] };
		double old = 0;
		bool there = n == CACHE_HIT && oset_score(v.state, arg[i + 1], &old) == 0;

		if (member_again(arg, wrote, cnt, arg[i + 1])) {
			err = MB_ERR_FULL; /* what the earlier one makes is seen in the next part */
			break;
		}
		(void)gate_word_f64(arg[i], &score);
		act = zadd_act(o, there, old, &score);
		if (isnan(score)) {
			gate_look_end(g, &v);
			return gate_error(g, c, "ERR resulting score is not a number (NaN)");
		}
		if (act != ZADD_CHANGED && act != ZADD_ADDED) {
			continue;
		}
		op.n = bits_of(score);
		err = gate_held_op(g, c, &op, v.version, cnt);
		if (err != 0) {
			break;
		}
		c->total_next += act == ZADD_ADDED || o->ch;
		wrote[cnt++] = i + 1;
	}
	gate_look_end(g, &v);
	if (i < arg_cnt && err == MB_ERR_FULL) {
		c->part_next = (i - o->first) / 2;
	} else if (o->incr) {
		zadd_incr_reply(g, c, act, score);
	} else {
		gate_int(g, c, c->total_next);
	}
	if (cnt == 0 && err == 0) {
		return GATE_DONE;
	}
	return gate_held_end(g, c, err, cnt);
}

int
cmd_zadd(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	struct zadd_options o = zadd_options(arg, arg_cnt);
	/* Not those of 60,000 words anew for each set of 64: so far they were right. */
	const char *wrong = c->step + c->part > 0 ? NULL : zadd_wrong(arg, arg_cnt, &o);

	if (wrong == NULL && o.first == 2) {
		return zadd_plain(g, c, arg, arg_cnt);
	}
	if (gate_run_before(c)) {
		return GATE_WAIT; /* it is no plain write */
	}
	return wrong != NULL ? gate_error(g, c, wrong) : zadd_if(g, c, arg, arg_cnt, &o);
}

int
cmd_zincrby(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	const struct zadd_options whatever_is_there = { .incr = true, .first = 2 };
	struct wset_op op = { .kind = WSET_ZINCR, .key = arg[1], .field = arg[3] };
	double x;

	if (!gate_word_f64(arg[2], &x)) {
		return gate_run_before(c) ? (int)GATE_WAIT : gate_error(g, c, NOT_A_FLOAT);
	}
	/* What it makes is infinite, whatever it was: a score like any other, while a sum of
	 * increments would stay so for all that come after it, and after the member is gone. */
	if (unlikely(isinf(x))) {
		return gate_run_before(c) ? (int)GATE_WAIT
					  : zadd_if(g, c, arg, arg_cnt, &whatever_is_there);
	}
	op.n = bits_of(x);
	return gate_write_one(g, c, REC_SCORE, &op);
}

int
cmd_zrem(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	struct gate_rec *rec = gate_write(g, c, REC_CHANGED);

	if (rec == NULL) {
		return GATE_WAIT;
	}
	for (; c->step + 2 < arg_cnt; c->step++) {
		struct wset_op op = { .kind = WSET_ZREM, .key = arg[1], .field = arg[c->step + 2] };

		if (gate_write_op(g, c, &op, 0) == MB_ERR_FULL) {
			return GATE_WAIT;
		} /* any other error: such a member cannot be there */
	}
	return gate_write_end(g, c);
}

/* ------------------------------------------------------------------------ reading */

int
cmd_zcard(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	return gate_count(g, c, arg[1], LATTICE_OSET);
}

static void
score_reply(struct gate *g, struct gate_conn *c, const struct cache_value *v, struct slice member)
{
	double score;

	if (v != NULL && oset_score(v->state, member, &score) == 0) {
		gate_double(g, c, score);
	} else {
		gate_null(g, c);
	}
}

int
cmd_zscore(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	struct cache_value v;
	int n = gate_look_as(g, c, arg[1], LATTICE_OSET, &v);

	if (n != CACHE_HIT && n != CACHE_ABSENT) {
		return gate_look_refuse(g, c, n);
	}
	score_reply(g, c, n == CACHE_HIT ? &v : NULL, arg[2]);
	gate_look_end(g, &v);
	return GATE_DONE;
}

int
cmd_zmscore(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	static const struct gate_walk_words scores = { LATTICE_OSET, score_reply };

	return gate_walk_words(g, c, arg, arg_cnt, &scores);
}

/* By counting who is before it: no order has to be made for that. */
static int
rank(struct gate *g, struct gate_conn *c, const struct slice *arg, bool rev)
{
	struct gate_walk now, *w;
	struct slice member;
	double want, score;
	int n = gate_walk_open(g, c, arg[1], LATTICE_OSET, UINT32_MAX, &now, &w);

	if (n != CACHE_HIT && n != CACHE_ABSENT) {
		return gate_look_refuse(g, c, n);
	}
	if (n == CACHE_ABSENT || oset_score(w->v.state, arg[2], &want) != 0) {
		gate_null(g, c);
		return gate_walk_end(g, c, w);
	}
	for (;;) {
		bool less;

		if (!gate_walk_more(g, c, w)) {
			return gate_walk_wait(g, c);
		}
		if (!oset_next(w->v.state, &w->at, &member, &score)) {
			break;
		}
		less = score < want || (score == want && slice_cmp(member, arg[2]) < 0);
		c->acc += rev ? !less && !slice_eq(member, arg[2]) : less;
	}
	gate_int(g, c, c->acc);
	return gate_walk_end(g, c, w);
}

int
cmd_zrank(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	return rank(g, c, arg, false);
}

int
cmd_zrevrank(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	return rank(g, c, arg, true);
}

/* ------------------------------------------------------------------------ in order */

/* Entries come in the order of members, and those of one score stay so. */
static int
score_cmp(const void *pa, const void *pb)
{
	const struct oset_entry *a = pa, *b = pb;

	return a->score < b->score ? -1 : a->score > b->score;
}

int
gate_zset_order(struct gate *g, struct gate_conn *c, struct gate_walk *w, size_t at,
		const struct oset_entry **ret)
{
	int32_t any = INT32_MAX;
	uint8_t *mem;

	if (!w->sorting) {
		c->keep_len = (uint32_t)(at + w->cnt * sizeof(**ret));
		if (!gate_conn_keep(g, c, at + 2UL * (w->cnt + 1) * sizeof(**ret))) {
			return MB_ERR_NO_MEMORY;
		}
		w->order = (struct gate_order){ .item_bytes = sizeof(**ret), .cnt = w->cnt };
		w->sorting = true;
	}
	mem = c->keep + at;
	if (!gate_order_go(&w->order, mem, score_cmp, w->held ? &g->turn_left : &any)) {
		return 0;
	}
	*ret = (const struct oset_entry *)(void *)gate_order_first(&w->order, mem);
	return 1;
}

/* Of more than are wanted those with the lowest scores stay, or with the highest, in front. */
static void
few_stay(struct gate_walk *w, struct oset_entry *e, const struct gate_zset_pick *pick)
{
	uint32_t most = MIN(pick->most, w->cnt), from = pick->last ? w->cnt - most : 0;

	oset_sort_part(e, w->cnt, from, from + most);
	if (from != 0) {
		memmove(e, e + from, most * sizeof(*e));
	}
	w->cnt = most;
	w->few = most == pick->most;
	w->score = e[pick->last ? 0 : most - 1].score;
}

/* Whether it is not looked for, or so many are kept already, and it is behind all of them. Of one
 * score those that come later in the walk are behind. */
static bool
is_behind(const struct gate_walk *w, const struct oset_entry *e, const struct gate_zset_pick *pick)
{
	if (e->score < w->span.low || e->score > w->span.high) {
		return true;
	}
	return w->few && (pick->last ? e->score <= w->score : e->score >= w->score);
}

/* Where those are that may still be wanted. */
static struct rank_span
span_left(const struct gate_walk *w, const struct gate_zset_pick *pick)
{
	struct rank_span s = w->span;

	if (w->few && pick->last) {
		s.low = nextafter(w->score, INFINITY);
	} else if (w->few) {
		s.high = nextafter(w->score, -INFINITY);
	}
	return s;
}

/* A walk begins, of no more than the leaves that have the w->reach lowest (or highest) scores, if
 * so many members are in them for sure. */
static int
span_begin(struct gate *g, struct gate_conn *c, struct gate_walk *w,
	   const struct gate_zset_pick *pick)
{
	double bound;

	w->at = (struct table_walk){ 0 };
	w->cnt = 0;
	w->few = false;
	w->span = pick->span;
	if (w->reach > GATE_ZSET_FEW || !slice_is_tree(w->v.state)) {
		w->reach = UINT32_MAX; /* all of it */
		return 0;
	}
	c->keep_len = 0;
	if (!gate_conn_keep(g, c, 2UL * w->reach * sizeof(struct rank_beam))) {
		return MB_ERR_NO_MEMORY;
	}
	g->turn_left -= (int32_t)(w->reach * REACH_ITEMS);
	bound = rank_bound(w->v.state, w->reach, pick->last, (void *)c->keep);
	if (pick->last ? bound <= w->span.low : bound >= w->span.high) {
		w->reach = UINT32_MAX;
	} else if (pick->last) {
		w->span.low = bound;
	} else {
		w->span.high = bound;
	}
	return 0;
}

/* Brings the members of the span to c->keep. Returns: as gate_zset_pick. */
static int
span_walk(struct gate *g, struct gate_conn *c, struct gate_walk *w,
	  const struct gate_zset_pick *pick, bool few)
{
	struct oset_entry e;

	for (;;) {
		if (!gate_walk_more(g, c, w)) {
			return 0;
		}
		if (!oset_walk(w->v.state, &w->at, span_left(w, pick), few && pick->last, &e)) {
			return 1;
		}
		g->turn_left--; /* it is in no cache, as a rule: twice the work of others */
		if (is_behind(w, &e, pick) || (pick->want != NULL && !pick->want(pick->arg, &e))) {
			continue;
		}
		c->keep_len = (uint32_t)(w->cnt * sizeof(e));
		if (!gate_conn_keep(g, c, (w->cnt + 1UL) * sizeof(e))) {
			return MB_ERR_NO_MEMORY;
		}
		memcpy(c->keep + c->keep_len, &e, sizeof(e));
		if (++w->cnt == (w->few ? 2 : 1) * pick->most && few) {
			g->turn_left -= (int32_t)w->cnt;
			few_stay(w, (struct oset_entry *)(void *)c->keep, pick);
		}
	}
}

int
gate_zset_pick(struct gate *g, struct gate_conn *c, struct gate_walk *w,
	       const struct gate_zset_pick *pick, const struct oset_entry **ret)
{
	bool few = pick->most <= GATE_ZSET_FEW, is_next = w->reach == 0;
	int rc;

	w->ready |= pick->most == 0;
	while (!w->sorting && !w->ready) {
		if (is_next) {
			w->reach = !few ? UINT32_MAX : w->reach == 0 ? pick->most : w->reach * 8;
			rc = span_begin(g, c, w, pick);
			if (rc != 0) {
				return rc;
			}
		}
		rc = span_walk(g, c, w, pick, few);
		if (rc != 1) {
			return rc;
		}
		is_next = w->cnt < pick->most && w->reach <= GATE_ZSET_FEW;
		if (!is_next) {
			break;
		}
	}
	w->all = pick->want == NULL ? view_cnt(w->v.type, w->v.state) : w->cnt;
	if (!few) {
		return gate_zset_order(g, c, w, 0, ret);
	}
	if (!w->ready && w->cnt > 0) {
		few_stay(w, (struct oset_entry *)(void *)c->keep, pick);
	}
	w->ready = true;
	*ret = (const struct oset_entry *)(void *)c->keep;
	return 1;
}

bool
gate_zset_entries(struct gate *g, struct gate_conn *c, const struct gate_walk *w,
		  const struct oset_entry *first, uint32_t cnt, bool rev, bool scores)
{
	bool pairs = scores && c->proto == 3;

	for (; c->step < cnt; c->step++) {
		const struct oset_entry *e = rev ? first + (cnt - 1 - c->step) : first + c->step;

		if (!gate_walk_more(g, c, w)) {
			return false;
		}
		if (pairs) {
			gate_array(g, c, 2);
		}
		gate_bulk(g, c, e->member);
		if (scores) {
			gate_double(g, c, e->score);
		}
	}
	return true;
}
