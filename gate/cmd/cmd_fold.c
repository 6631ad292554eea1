/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_fold - commands on several sets, or sorted sets, at once: SUNION, ZINTERSTORE and their kin
 *
 * The keys are looked at one after the other; each as it is then. c->acc FOLDED: all are, and the
 * result, of c->total entries, is being shown, or looked through; FITS: and written.
 */
#include <string.h>

#include <microburst/error.h>

#include "check.h"
#include "cmd_zset.h"
#include "commands.h"
#include "gate_fold.h"

enum fold_phase { FOLDING = 0, FOLDED, FITS };

/* Where the words of such a command are. */
struct plan {
	struct gate_fold fold;
	uint32_t first, cnt;    /* keys */
	uint32_t weights;       /* word of the first; 0: none */
	bool scores;            /* WITHSCORES */
	int64_t limit;          /* of a count; 0: none */
	const struct slice *to; /* key to store to; NULL: none */
};

/* Returns: 1: all are folded; else what the handler returns, negative - 1. */
static int
keys_fold(struct gate *g, struct gate_conn *c, const struct slice *arg, const struct plan *p)
{
	for (; c->acc == FOLDING && c->step < p->cnt; c->step++) {
		double weight = 1;
		int n;

		if (p->weights != 0) {
			(void)gate_word_f64(arg[p->weights + c->step], &weight);
		}
		n = gate_fold_key(g, c, &p->fold, arg[p->first + c->step], weight, c->step == 0);
		if (n != CACHE_HIT) {
			return -1 - gate_look_refuse(g, c, n);
		}
	}
	if (c->acc == FOLDING) {
		c->acc = FOLDED;
		c->step = 0;
	}
	return 1;
}

/* Whether all may be members of a sorted set: those of a set may be longer. Returns: 1; else what
 * the handler returns, negative - 1. */
static int
members_fit(struct gate *g, struct gate_conn *c)
{
	struct slice member;
	double score;

	while (c->step < c->keep_len) {
		if (g->turn_left-- <= 0) {
			return -1 - gate_turn_end(g, c);
		}
		(void)gate_fold_next(c, &c->step, &score, &member);
		if (member.len > WSET_FIELD_MAX) {
			return -1 - gate_error_of(g, c, GATE_ERR_FIELD);
		}
	}
	c->acc = FITS;
	c->step = 0;
	return 1;
}

static int
store(struct gate *g, struct gate_conn *c, const struct plan *p)
{
	struct gate_fold_write w = {
		.key = *p->to,
		.kind = p->fold.scored ? WSET_ZADD : WSET_SADD,
		.replace = true,
		.reply = REC_FIXED,
	};

	int rc = p->fold.scored && c->acc == FOLDED ? members_fit(g, c) : 1;

	w.n = c->total;
	return rc == 1 ? gate_fold_write(g, c, &w) : -1 - rc;
}

static int
count_reply(struct gate *g, struct gate_conn *c, int64_t limit)
{
	gate_int(g, c, limit > 0 ? MIN(c->total, limit) : c->total);
	return GATE_DONE;
}

/* ------------------------------------------------------------------------ sets */

static int
sets(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt,
     enum gate_fold_kind kind, bool stored)
{
	struct plan p = { .fold.kind = kind, .first = 1 + stored, .to = stored ? &arg[1] : NULL };
	struct gate_walk now, *w;
	struct slice member;
	double score;
	int rc;

	p.cnt = arg_cnt - p.first;
	rc = keys_fold(g, c, arg, &p);
	if (rc != 1) {
		return -1 - rc;
	}
	if (stored) {
		return store(g, c, &p);
	}
	rc = gate_walk_list(g, c, &now, &w);
	if (rc != CACHE_HIT) {
		return gate_look_refuse(g, c, rc);
	}
	if (gate_walk_first(w)) {
		gate_set(g, c, (size_t)c->total);
	}
	while (c->step < c->keep_len) {
		if (!gate_walk_more(g, c, w)) {
			return gate_walk_wait(g, c);
		}
		(void)gate_fold_next(c, &c->step, &score, &member);
		gate_bulk(g, c, member);
	}
	return gate_walk_end(g, c, w);
}

int
cmd_sunion(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	return sets(g, c, arg, arg_cnt, FOLD_UNION, false);
}

int
cmd_sinter(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	return sets(g, c, arg, arg_cnt, FOLD_INTER, false);
}

int
cmd_sdiff(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	return sets(g, c, arg, arg_cnt, FOLD_DIFF, false);
}

int
cmd_sunionstore(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	return sets(g, c, arg, arg_cnt, FOLD_UNION, true);
}

int
cmd_sinterstore(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	return sets(g, c, arg, arg_cnt, FOLD_INTER, true);
}

int
cmd_sdiffstore(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	return sets(g, c, arg, arg_cnt, FOLD_DIFF, true);
}

/* ------------------------------------------------------------------------ so many keys */

/* Reads "numkeys key ...". Returns: the word behind the keys; 0: answered. */
static uint32_t
keys_read(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt,
	  uint32_t at, struct plan *p)
{
	int64_t cnt;

	if (!gate_word_i64(arg[at], &cnt)) {
		gate_error(g, c, "ERR value is not an integer or out of range");
		return 0;
	}
	if (cnt < 1) {
		gate_error_f(g, c, "ERR at least 1 input key is needed for '%s' command",
			     c->command->name);
		return 0;
	}
	if (cnt > (int64_t)arg_cnt - at - 1) {
		gate_error(g, c, "ERR syntax error");
		return 0;
	}
	p->first = at + 1;
	p->cnt = (uint32_t)cnt;
	return p->first + p->cnt;
}

/* The words behind the keys. What is wrong with them; NULL: nothing. */
static const char *
limit_options(const struct slice *arg, uint32_t arg_cnt, uint32_t at, struct plan *p)
{
	for (; at < arg_cnt; at += 2) {
		if (at + 1 == arg_cnt || !gate_word_is(arg[at], "limit")) {
			return "ERR syntax error";
		}
		if (!gate_word_i64(arg[at + 1], &p->limit) || p->limit < 0) {
			return "ERR LIMIT can't be negative";
		}
	}
	return NULL;
}

/* SINTERCARD and ZINTERCARD: numkeys key ... [LIMIT limit] */
static int
intercard(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt,
	  bool scored)
{
	struct plan p = { .fold = { .kind = FOLD_INTER, .scored = scored } };
	const char *wrong;
	int64_t cnt;
	uint32_t at;
	int rc;

	if (!gate_word_i64(arg[1], &cnt)) {
		return gate_error(g, c,
				  scored ? "ERR value is not an integer or out of range"
					 : "ERR numkeys should be greater than 0");
	}
	if (cnt < 1 && !scored) {
		return gate_error(g, c, "ERR numkeys should be greater than 0");
	}
	if (cnt < 1) {
		return gate_error(g, c,
				  "ERR at least 1 input key is needed for 'zintercard' command");
	}
	if (cnt > (int64_t)arg_cnt - 2) {
		return gate_error(
			g, c,
			scored ? "ERR syntax error"
			       : "ERR Number of keys can't be greater than number of args");
	}
	at = keys_read(g, c, arg, arg_cnt, 1, &p);
	wrong = limit_options(arg, arg_cnt, at, &p);
	if (wrong != NULL && !scored) {
		return gate_error(g, c, wrong);
	}
	rc = keys_fold(g, c, arg, &p); /* a wrong type comes first */
	return rc != 1         ? -1 - rc
	       : wrong != NULL ? gate_error(g, c, wrong)
			       : count_reply(g, c, p.limit);
}

int
cmd_sintercard(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	return intercard(g, c, arg, arg_cnt, false);
}

int
cmd_zintercard(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	return intercard(g, c, arg, arg_cnt, true);
}

/* ------------------------------------------------------------------------ sorted sets */

static bool
sum_read(struct slice word, enum gate_fold_sum *ret)
{
	*ret = gate_word_is(word, "min")   ? FOLD_MIN
	       : gate_word_is(word, "max") ? FOLD_MAX
					   : FOLD_SUM;
	return *ret != FOLD_SUM || gate_word_is(word, "sum");
}

/* The words behind the keys. What is wrong with them; NULL: nothing. */
static const char *
zset_options(const struct slice *arg, uint32_t arg_cnt, uint32_t at, struct plan *p)
{
	double weight;

	while (at < arg_cnt) {
		if (p->fold.kind != FOLD_DIFF && gate_word_is(arg[at], "weights") &&
		    arg_cnt - at > p->cnt) {
			p->weights = at + 1;
			for (uint32_t i = 0; i < p->cnt; i++) {
				if (!gate_word_f64(arg[p->weights + i], &weight)) {
					return "ERR weight value is not a float";
				}
			}
			at += 1 + p->cnt;
		} else if (p->fold.kind != FOLD_DIFF && gate_word_is(arg[at], "aggregate") &&
			   at + 1 < arg_cnt && sum_read(arg[at + 1], &p->fold.sum)) {
			at += 2;
		} else if (p->to == NULL && gate_word_is(arg[at], "withscores")) {
			p->scores = true;
			at++;
		} else {
			return "ERR syntax error";
		}
	}
	return NULL;
}

/* The list as entries in the order of scores, behind it. Returns: as gate_zset_pick. */
static int
entries_sorted(struct gate *g, struct gate_conn *c, struct gate_walk *w,
	       const struct oset_entry **ret)
{
	size_t at = ALIGN_UP((size_t)c->keep_len, sizeof(double));
	struct oset_entry e;

	if (gate_walk_first(w)) {
		/* All the room at once: the list must not move any more. */
		if (!gate_conn_keep(g, c, at + 2 * ((size_t)c->total + 1) * sizeof(e))) {
			return MB_ERR_NO_MEMORY;
		}
		w->list_end = (uint32_t)at;
		w->list_at = 0;
	}
	for (at = w->list_end; !w->sorting && w->cnt < c->total; w->cnt++) {
		if (!gate_walk_more(g, c, w)) {
			return 0;
		}
		(void)gate_fold_next(c, &w->list_at, &e.score, &e.member);
		memcpy(c->keep + at + w->cnt * sizeof(e), &e, sizeof(e));
	}
	return gate_zset_order(g, c, w, at, ret);
}

static int
zsets(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt,
      enum gate_fold_kind kind, bool stored)
{
	struct plan p = { .fold = { .kind = kind, .scored = true }, .to = stored ? &arg[1] : NULL };
	uint32_t at = keys_read(g, c, arg, arg_cnt, 1 + stored, &p);
	const struct oset_entry *e;
	struct gate_walk now, *w;
	const char *wrong;
	int rc;

	if (at == 0) {
		return GATE_DONE;
	}
	wrong = zset_options(arg, arg_cnt, at, &p);
	p.weights = wrong != NULL ? 0 : p.weights;
	rc = keys_fold(g, c, arg, &p); /* a wrong type comes before what is wrong with options */
	if (rc != 1) {
		return -1 - rc;
	}
	if (wrong != NULL) {
		return gate_error(g, c, wrong);
	}
	if (stored) {
		return store(g, c, &p);
	}
	rc = gate_walk_list(g, c, &now, &w);
	if (rc != CACHE_HIT) {
		return gate_look_refuse(g, c, rc);
	}
	rc = entries_sorted(g, c, w, &e);
	if (rc == 0) {
		return gate_walk_wait(g, c);
	}
	if (rc != 1) {
		gate_walk_close(g, c, w);
		return gate_error_of(g, c, rc);
	}
	if (!w->ready) {
		gate_array(g, c, (size_t)c->total * (p.scores && c->proto == 2 ? 2 : 1));
		w->ready = true;
	}
	return gate_zset_entries(g, c, w, e, w->cnt, false, p.scores) ? gate_walk_end(g, c, w)
								      : gate_walk_wait(g, c);
}

int
cmd_zunion(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	return zsets(g, c, arg, arg_cnt, FOLD_UNION, false);
}

int
cmd_zinter(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	return zsets(g, c, arg, arg_cnt, FOLD_INTER, false);
}

int
cmd_zdiff(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	return zsets(g, c, arg, arg_cnt, FOLD_DIFF, false);
}

int
cmd_zunionstore(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	return zsets(g, c, arg, arg_cnt, FOLD_UNION, true);
}

int
cmd_zinterstore(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	return zsets(g, c, arg, arg_cnt, FOLD_INTER, true);
}

int
cmd_zdiffstore(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	return zsets(g, c, arg, arg_cnt, FOLD_DIFF, true);
}
