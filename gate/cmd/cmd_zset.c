/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_zset - commands on sorted sets and their members; ranges are in cmd_zrange.c */
#include <math.h>
#include <string.h>

#include <microburst/error.h>

#include "check.h"
#include "cmd_zset.h"
#include "commands.h"
#include "gate_walk.h"
#include "lattice.h"
#include "view.h"

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
	const char *wrong = zadd_wrong(arg, arg_cnt, &o);

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
	struct wset_op op = { .kind = WSET_ZINCR, .key = arg[1], .field = arg[3] };
	double x;

	if (!gate_word_f64(arg[2], &x)) {
		return gate_run_before(c) ? (int)GATE_WAIT : gate_error(g, c, NOT_A_FLOAT);
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
	struct cache_value v;
	int n = gate_look_as(g, c, arg[1], LATTICE_OSET, &v);

	if (n != CACHE_HIT && n != CACHE_ABSENT) {
		return gate_look_refuse(g, c, n);
	}
	gate_int(g, c, n == CACHE_HIT ? view_cnt(v.type, v.state) : 0);
	gate_look_end(g, &v);
	return GATE_DONE;
}

static void
score_reply(struct gate *g, struct gate_conn *c, int n, const struct cache_value *v,
	    struct slice member)
{
	double score;

	if (n == CACHE_HIT && oset_score(v->state, member, &score) == 0) {
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
	score_reply(g, c, n, &v, arg[2]);
	gate_look_end(g, &v);
	return GATE_DONE;
}

int
cmd_zmscore(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	struct gate_walk now, *w;
	int n = gate_walk_open(g, c, arg[1], LATTICE_OSET, arg_cnt, &now, &w);

	if (n != CACHE_HIT && n != CACHE_ABSENT) {
		return gate_look_refuse(g, c, n);
	}
	if (gate_walk_first(w)) {
		gate_array(g, c, arg_cnt - 2);
	}
	for (; c->step + 2 < arg_cnt; c->step++) {
		if (!gate_walk_more(g, c, w)) {
			return gate_walk_wait(g, c);
		}
		score_reply(g, c, n, &w->v, arg[c->step + 2]);
	}
	return gate_walk_end(g, c, w);
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

struct oset_entry *
gate_zset_take(struct gate *g, struct gate_conn *c, const struct cache_value *v,
	       gate_zset_want *want, const void *arg, uint32_t *ret_cnt)
{
	uint32_t left = view_cnt(v->type, v->state), cnt = 0;
	size_t at = ALIGN_UP((size_t)c->keep_len, sizeof(uint64_t));
	struct table_walk walk = { 0 };
	struct oset_entry *e;

	if (!gate_conn_keep(g, c, at + (left + 1) * sizeof(*e))) {
		return NULL;
	}
	e = (struct oset_entry *)(void *)(c->keep + at);
	for (; left > 0 && oset_next(v->state, &walk, &e[cnt].member, &e[cnt].score); left--) {
		if (isnan(e[cnt].score)) {
			e[cnt].score = 0; /* infinities of both signs met; it must have a place */
		}
		cnt += want == NULL || want(arg, &e[cnt]);
	}
	*ret_cnt = cnt;
	return e;
}

void
gate_zset_entries(struct gate *g, struct gate_conn *c, const struct oset_entry *first, uint32_t cnt,
		  bool rev, bool scores)
{
	bool pairs = scores && c->proto == 3;

	for (uint32_t i = 0; i < cnt; i++) {
		const struct oset_entry *e = rev ? first - i : first + i;

		if (pairs) {
			gate_array(g, c, 2);
		}
		gate_bulk(g, c, e->member);
		if (scores) {
			gate_double(g, c, e->score);
		}
	}
}
