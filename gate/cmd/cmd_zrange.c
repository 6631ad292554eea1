/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_zrange - ranges of sorted sets: by index, by score, by the bytes of members
 *
 * A sorted set is kept in the order of its members; the order of scores is made by who reads it so,
 * in memory of the command's, of those that are near enough to be looked at (gate_zset_pick).
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <microburst/error.h>

#include "check.h"
#include "cmd_list.h"
#include "cmd_zset.h"
#include "commands.h"
#include "gate_fold.h"
#include "gate_walk.h"
#include "view.h"

enum range_by { BY_INDEX, BY_SCORE, BY_LEX };

/* One end of a range. */
struct bound {
	double score;
	struct slice text;
	bool open;    /* the end itself is not in it */
	int infinite; /* BY_LEX: -1 before, 1 behind all; 0: text */
};

struct range {
	enum range_by by;
	bool rev, scores;
	struct bound min, max;
	int64_t from, to;     /* BY_INDEX */
	int64_t offset, most; /* LIMIT; most < 0: all */
};

/* As Redis reads it: up to a NUL, blanks before it, nothing at all is 0, too large is infinite. */
static bool
bound_score(struct slice word, struct bound *ret)
{
	char text[512], *end;

	*ret = (struct bound){ .open = word.len > 0 && word.p[0] == '(' };
	if (word.len >= sizeof(text)) {
		return false;
	}
	memcpy(text, word.p, word.len);
	text[word.len] = '\0';
	ret->score = strtod(text + ret->open, &end);
	return *end == '\0' && !isnan(ret->score);
}

static bool
bound_lex(struct slice word, struct bound *ret)
{
	*ret = (struct bound){ 0 };
	if (word.len == 1 && (word.p[0] == '-' || word.p[0] == '+')) {
		ret->infinite = word.p[0] == '-' ? -1 : 1;
		return true;
	}
	if (word.len == 0 || (word.p[0] != '[' && word.p[0] != '(')) {
		return false;
	}
	ret->open = word.p[0] == '(';
	ret->text = slice_of(word.p + 1, word.len - 1);
	return true;
}

/* Where an entry stands to a bound: < 0 before it, 0 at it, > 0 behind it. */
static int
bound_cmp(const struct range *r, const struct oset_entry *e, const struct bound *b)
{
	if (r->by == BY_SCORE) {
		return e->score < b->score ? -1 : e->score > b->score;
	}
	return b->infinite != 0 ? -b->infinite : slice_cmp(e->member, b->text);
}

static bool
in_range(const void *arg, const struct oset_entry *e)
{
	const struct range *r = arg;
	int low = bound_cmp(r, e, &r->min), high = bound_cmp(r, e, &r->max);

	return (low > 0 || (low == 0 && !r->min.open)) && (high < 0 || (high == 0 && !r->max.open));
}

/* Reads the two ends, of which the first is the higher one if it goes backwards. Returns: NULL, or
 * what is wrong. */
static const char *
range_ends(struct range *r, struct slice first, struct slice second)
{
	struct slice low = r->rev ? second : first, high = r->rev ? first : second;

	if (r->by == BY_INDEX) {
		return gate_word_i64(first, &r->from) && gate_word_i64(second, &r->to)
			       ? NULL
			       : "ERR value is not an integer or out of range";
	}
	if (r->by == BY_SCORE) {
		return bound_score(low, &r->min) && bound_score(high, &r->max)
			       ? NULL
			       : "ERR min or max is not a float";
	}
	return bound_lex(low, &r->min) && bound_lex(high, &r->max)
		       ? NULL
		       : "ERR min or max not valid string range item";
}

/* The words behind the ends; whole: of ZRANGE, which has them all. */
static const char *
range_options(struct range *r, const struct slice *arg, uint32_t arg_cnt, bool whole)
{
	for (uint32_t i = 4; i < arg_cnt; i++) {
		if (gate_word_is(arg[i], "withscores")) {
			r->scores = true;
		} else if (gate_word_is(arg[i], "limit") && i + 2 < arg_cnt) {
			if (!gate_word_i64(arg[i + 1], &r->offset) ||
			    !gate_word_i64(arg[i + 2], &r->most)) {
				return "ERR value is not an integer or out of range";
			}
			i += 2;
		} else if (whole && !r->rev && gate_word_is(arg[i], "rev")) {
			r->rev = true;
		} else if (whole && r->by == BY_INDEX && gate_word_is(arg[i], "byscore")) {
			r->by = BY_SCORE;
		} else if (whole && r->by == BY_INDEX && gate_word_is(arg[i], "bylex")) {
			r->by = BY_LEX;
		} else {
			return "ERR syntax error";
		}
	}
	if (r->most != -1 && r->by == BY_INDEX) {
		return "ERR syntax error, LIMIT is only supported in combination with either "
		       "BYSCORE or BYLEX";
	}
	if (r->scores && r->by == BY_LEX) {
		return "ERR syntax error, WITHSCORES not supported in combination with BYLEX";
	}
	return NULL;
}

/* Which of all entries, in the order of scores, are shown. */
static void
range_places(const struct range *r, uint32_t all, uint32_t *ret_at, uint32_t *ret_cnt)
{
	uint32_t at = 0, cnt = 0;

	if (r->by == BY_INDEX) {
		(void)gate_range(r->from, r->to, all, &at, &cnt);
	} else if (r->offset >= 0 && r->offset < (int64_t)all) {
		at = (uint32_t)r->offset;
		cnt = r->most < 0 ? all - at : (uint32_t)MIN((int64_t)(all - at), r->most);
	}
	*ret_at = r->rev ? all - at - cnt : at;
	*ret_cnt = cnt;
}

/* The scores that they have. */
static struct rank_span
range_span(const struct range *r)
{
	return r->by == BY_SCORE ? (struct rank_span){ r->min.score, r->max.score }
				 : rank_span_all();
}

/* How few of them, from which end, are enough. */
static struct gate_zset_pick
range_pick(const struct range *r, uint32_t all)
{
	struct gate_zset_pick p = {
		.want = in_range,
		.arg = r,
		.span = range_span(r),
		.most = UINT32_MAX,
	};
	uint32_t at, cnt;

	if (r->by == BY_INDEX) {
		range_places(r, all, &at, &cnt);
		p.want = NULL;
		p.last = at > all - at - cnt;
		p.most = cnt == 0 ? 0 : p.last ? all - at : at + cnt;
	} else if (r->offset < 0 || r->most == 0) {
		p.most = 0;
	} else if (r->most > 0 && r->offset < GATE_ZSET_FEW && r->most < GATE_ZSET_FEW) {
		p.last = r->rev;
		p.most = (uint32_t)(r->offset + r->most);
	}
	return p;
}

/* The entries in a range, in the order of scores. Returns: as gate_zset_pick. */
static int
range_take(struct gate *g, struct gate_conn *c, struct gate_walk *w, const struct range *r,
	   const struct oset_entry **ret, uint32_t *ret_cnt)
{
	struct gate_zset_pick p = range_pick(r, view_cnt(w->v.type, w->v.state));
	uint32_t at, before;
	int rc = gate_zset_pick(g, c, w, &p, ret);

	if (rc == 1) {
		before = p.last ? w->all - w->cnt : 0; /* that were not kept */
		range_places(r, w->all, &at, ret_cnt);
		at = at > before ? at - before : 0;
		if (at < w->cnt) {
			*ret_cnt = MIN(*ret_cnt, w->cnt - at);
			*ret += at;
		} else { /* of none there may be no memory */
			*ret_cnt = 0;
		}
	}
	return rc;
}

/* The entries in a range, as the list of what is to be written (gate_fold.h): behind them, then in
 * their place. Returns: 1: c->total is how many; else what the handler returns, negative - 1. */
static int
range_keep(struct gate *g, struct gate_conn *c, struct slice key, const struct range *r)
{
	const struct oset_entry *e;
	struct gate_walk now, *w;
	uint32_t cnt = 0;
	size_t at, end;
	int rc, n = gate_walk_open(g, c, key, LATTICE_OSET, UINT32_MAX, &now, &w);

	if (n != CACHE_HIT && n != CACHE_ABSENT) {
		return -1 - gate_look_refuse(g, c, n);
	}
	c->total = 0;
	if (n == CACHE_ABSENT) {
		return 1;
	}
	rc = range_take(g, c, w, r, &e, &cnt);
	if (rc == 0) {
		return -1 - gate_walk_wait(g, c);
	}
	at = rc == 1 && cnt > 0 ? (size_t)((const uint8_t *)e - c->keep) : 0;
	end = at + cnt * sizeof(*e);
	if (rc == 1 && gate_walk_first(w)) {
		c->keep_len = (uint32_t)end;
	}
	for (; rc == 1 && c->step < cnt; c->step++) {
		struct oset_entry one;

		if (!gate_walk_more(g, c, w)) {
			return -1 - gate_walk_wait(g, c);
		}
		memcpy(&one, c->keep + at + c->step * sizeof(one), sizeof(one));
		rc = gate_fold_put(g, c, one.score, one.member) ? 1 : MB_ERR_NO_MEMORY;
	}
	gate_walk_close(g, c, w);
	if (rc != 1) {
		return -1 - gate_error_of(g, c, rc);
	}
	c->keep_len -= (uint32_t)end;
	if (c->keep_len != 0) {
		memmove(c->keep, c->keep + end, c->keep_len);
	}
	c->step = 0;
	c->total = cnt;
	return 1;
}

/* ZREMRANGEBY...: which members go is decided at one moment. */
static int
range_remove(struct gate *g, struct gate_conn *c, const struct slice *arg, enum range_by by)
{
	struct gate_fold_write w = { .key = arg[1], .kind = WSET_ZREM, .reply = REC_CHANGED };
	struct range r = { .by = by, .most = -1 };
	const char *wrong = range_ends(&r, arg[2], arg[3]);
	int rc = wrong == NULL && c->acc == 0 ? range_keep(g, c, arg[1], &r) : 1;

	if (wrong != NULL) {
		return gate_error(g, c, wrong);
	}
	if (rc != 1) {
		return -1 - rc;
	}
	c->acc = 1;
	return gate_fold_write(g, c, &w);
}

int
cmd_zremrangebyrank(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	return range_remove(g, c, arg, BY_INDEX);
}

int
cmd_zremrangebyscore(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	return range_remove(g, c, arg, BY_SCORE);
}

int
cmd_zremrangebylex(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	return range_remove(g, c, arg, BY_LEX);
}

/* ZRANGESTORE to from first last ...: the words are ZRANGE's, one further. */
int
cmd_zrangestore(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	struct gate_fold_write w = { .key = arg[1],
				     .kind = WSET_ZADD,
				     .replace = true,
				     .reply = REC_FIXED };
	struct range r = { .most = -1 };
	const char *wrong = range_options(&r, arg + 1, arg_cnt - 1, true);
	int rc = 1;

	wrong = wrong == NULL && r.scores ? "ERR syntax error" : wrong;
	wrong = wrong != NULL ? wrong : range_ends(&r, arg[3], arg[4]);
	if (wrong != NULL) {
		return gate_error(g, c, wrong);
	}
	if (c->acc == 0) {
		rc = range_keep(g, c, arg[2], &r);
	}
	if (rc != 1) {
		return -1 - rc;
	}
	c->acc = 1;
	w.n = c->total;
	return gate_fold_write(g, c, &w);
}

static int
range_show(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt,
	   struct range r, bool whole)
{
	const char *wrong = range_options(&r, arg, arg_cnt, whole);
	const struct oset_entry *e = NULL;
	struct gate_walk now, *w;
	uint32_t cnt = 0;
	int n, rc;

	wrong = wrong != NULL ? wrong : range_ends(&r, arg[2], arg[3]);
	if (wrong != NULL) {
		return gate_error(g, c, wrong);
	}
	n = gate_walk_open(g, c, arg[1], LATTICE_OSET, UINT32_MAX, &now, &w);
	if (n != CACHE_HIT && n != CACHE_ABSENT) {
		return gate_look_refuse(g, c, n);
	}
	rc = n == CACHE_HIT ? range_take(g, c, w, &r, &e, &cnt) : 1;
	if (rc == 0) {
		return gate_walk_wait(g, c);
	}
	if (rc != 1) {
		gate_walk_close(g, c, w);
		return gate_error_of(g, c, rc);
	}
	if (gate_walk_first(w)) {
		gate_array(g, c, (size_t)cnt * (r.scores && c->proto == 2 ? 2 : 1));
	}
	return gate_zset_entries(g, c, w, e, cnt, r.rev, r.scores) ? gate_walk_end(g, c, w)
								   : gate_walk_wait(g, c);
}

/* Counts without putting anything in order. */
static int
range_count(struct gate *g, struct gate_conn *c, const struct slice *arg, enum range_by by)
{
	struct range r = { .by = by };
	const char *wrong = range_ends(&r, arg[2], arg[3]);
	struct gate_walk now, *w;
	struct oset_entry e;
	int n;

	if (wrong != NULL) {
		return gate_error(g, c, wrong);
	}
	n = gate_walk_open(g, c, arg[1], LATTICE_OSET, UINT32_MAX, &now, &w);
	if (n != CACHE_HIT && n != CACHE_ABSENT) {
		return gate_look_refuse(g, c, n);
	}
	while (n == CACHE_HIT) {
		if (!gate_walk_more(g, c, w)) {
			return gate_walk_wait(g, c);
		}
		if (!oset_walk(w->v.state, &w->at, range_span(&r), false, &e)) {
			break;
		}
		c->acc += in_range(&r, &e);
	}
	gate_int(g, c, c->acc);
	return gate_walk_end(g, c, w);
}

int
cmd_zcount(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	return range_count(g, c, arg, BY_SCORE);
}

int
cmd_zlexcount(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	return range_count(g, c, arg, BY_LEX);
}

int
cmd_zrange(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	return range_show(g, c, arg, arg_cnt, (struct range){ .most = -1 }, true);
}

int
cmd_zrevrange(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	return range_show(g, c, arg, arg_cnt, (struct range){ .rev = true, .most = -1 }, false);
}

int
cmd_zrangebyscore(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	return range_show(g, c, arg, arg_cnt, (struct range){ .by = BY_SCORE, .most = -1 }, false);
}

int
cmd_zrevrangebyscore(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	return range_show(g, c, arg, arg_cnt,
			  (struct range){ .by = BY_SCORE, .rev = true, .most = -1 }, false);
}

int
cmd_zrangebylex(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	return range_show(g, c, arg, arg_cnt, (struct range){ .by = BY_LEX, .most = -1 }, false);
}

int
cmd_zrevrangebylex(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	return range_show(g, c, arg, arg_cnt,
			  (struct range){ .by = BY_LEX, .rev = true, .most = -1 }, false);
}
