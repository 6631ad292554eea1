/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_lcs - LCS: the longest common subsequence of two strings
 *
 * By the table of all prefixes' lengths (Wagner, Fischer: The String-to-String Correction Problem,
 * 1974), walked from its end: the runs of places that both have are met the last one first. The
 * table is the product of the lengths, so that is bounded, and it is made in turns, from copies of
 * both. The way back takes as many steps as both are long, and no turns: 8 ms at the most, of one
 * byte beside two millions.
 */
#include <string.h>

#include <microburst/error.h>

#include "check.h"
#include "commands.h"
#include "gate_walk.h"
#include "view.h"

#define LCS_CELLS_MAX  (4UL << 20)  /* 16 MiB, some 15 ms */
#define LCS_CELLS_TURN (32UL << 10) /* of them */
#define LCS_CELLS_ITEM 16           /* that are as an item of a turn */

/* In c->keep: the table, both strings, and room for what they have in common. c->acc is the first
 * one's length + 1, c->total the other's; c->step: so many cells are made. */
struct lcs {
	struct slice a, b;
	uint32_t *cell; /* (a.len + 1) * (b.len + 1) */
	size_t cells;
	uint8_t *common;
};

static struct lcs
lcs_of(const struct gate_conn *c)
{
	const size_t a = (size_t)c->acc - 1, b = (size_t)c->total, cells = (a + 1) * (b + 1);
	uint8_t *text = c->keep + cells * sizeof(uint32_t);

	return (struct lcs){
		.a = slice_of(text, a),
		.b = slice_of(text + a, b),
		.cell = (uint32_t *)(void *)c->keep,
		.cells = cells,
		.common = text + a + b,
	};
}

/* Places [a, a + len) of one are [b, b + len) of the other. */
struct lcs_run {
	size_t a, b, len;
};

static uint32_t
length_at(const struct lcs *l, size_t i, size_t k)
{
	return l->cell[i * (l->b.len + 1) + k];
}

static void
cells_make(const struct lcs *l, size_t from, size_t to)
{
	const size_t row = l->b.len + 1;
	size_t i = from / row, k = from % row;

	for (uint32_t *at = l->cell + from; at < l->cell + to; at++) {
		*at = i == 0 || k == 0                 ? 0
		      : l->a.p[i - 1] == l->b.p[k - 1] ? at[-(ptrdiff_t)row - 1] + 1
						       : MAX(at[-(ptrdiff_t)row], at[-1]);
		if (++k == row) {
			k = 0;
			i++;
		}
	}
}

/* The run before places *i, *k, which go to its beginning. Returns: false: there is none. */
static bool
run_prev(const struct lcs *l, size_t *i, size_t *k, struct lcs_run *ret)
{
	ret->len = 0;
	while (*i > 0 && *k > 0) {
		if (l->a.p[*i - 1] == l->b.p[*k - 1]) {
			ret->len++;
			ret->a = --*i;
			ret->b = --*k;
		} else if (ret->len != 0) {
			break;
		} else if (length_at(l, *i - 1, *k) > length_at(l, *i, *k - 1)) {
			--*i;
		} else {
			--*k;
		}
	}
	return ret->len != 0;
}

/* ------------------------------------------------------------------------ the reply */

struct lcs_options {
	bool length, places, with_len;
	int64_t least;
};

static void
reply_range(struct gate *g, struct gate_conn *c, size_t from, size_t len)
{
	gate_array(g, c, 2);
	gate_int(g, c, (int64_t)from);
	gate_int(g, c, (int64_t)(from + len) - 1);
}

static void
reply_places(struct gate *g, struct gate_conn *c, const struct lcs *l, const struct lcs_options *o)
{
	size_t i = l->a.len, k = l->b.len, cnt = 0;
	struct gate_chunk *hole;
	struct lcs_run run;

	gate_map(g, c, 2);
	gate_bulk_str(g, c, "matches");
	hole = gate_out_hole(g, c);
	while (run_prev(l, &i, &k, &run)) {
		if ((int64_t)run.len < o->least) {
			continue;
		}
		gate_array(g, c, o->with_len ? 3 : 2);
		reply_range(g, c, run.a, run.len);
		reply_range(g, c, run.b, run.len);
		if (o->with_len) {
			gate_int(g, c, (int64_t)run.len);
		}
		cnt++;
	}
	gate_out_fill_array(g, c, hole, cnt);
	gate_bulk_str(g, c, "len");
	gate_int(g, c, length_at(l, l->a.len, l->b.len));
}

/* The subsequence itself, put together from its end. */
static struct slice
common_text(const struct lcs *l)
{
	uint8_t *ret = l->common;
	size_t i = l->a.len, k = l->b.len, len = length_at(l, i, k), at = len;
	struct lcs_run run;

	while (run_prev(l, &i, &k, &run)) {
		at -= run.len;
		memcpy(ret + at, l->a.p + run.a, run.len);
	}
	return slice_of(ret, len);
}

static void
lcs_reply(struct gate *g, struct gate_conn *c, const struct lcs *l, const struct lcs_options *o)
{
	if (o->places) {
		reply_places(g, c, l, o);
	} else if (o->length) {
		gate_int(g, c, length_at(l, l->a.len, l->b.len));
	} else {
		gate_bulk(g, c, common_text(l));
	}
}

/* ------------------------------------------------------------------------ the command */

static bool
options(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt,
	struct lcs_options *ret)
{
	for (uint32_t i = 3; i < arg_cnt; i++) {
		if (gate_word_is(arg[i], "idx")) {
			ret->places = true;
		} else if (gate_word_is(arg[i], "len")) {
			ret->length = true;
		} else if (gate_word_is(arg[i], "withmatchlen")) {
			ret->with_len = true;
		} else if (gate_word_is(arg[i], "minmatchlen") && i + 1 < arg_cnt) {
			if (!gate_word_i64(arg[++i], &ret->least)) {
				gate_error(g, c, "ERR value is not an integer or out of range");
				return false;
			}
		} else {
			gate_error(g, c, "ERR syntax error");
			return false;
		}
	}
	if (ret->places && ret->length) {
		gate_error(g, c,
			   "ERR If you want both the length and indexes, please just use IDX.");
		return false;
	}
	return true;
}

/* Both strings are to be here as they are now. Returns: whether they are; else it is answered. */
static bool
lcs_begin(struct gate *g, struct gate_conn *c, struct slice a, struct slice b)
{
	const size_t cells = (a.len + 1) * (b.len + 1);
	struct lcs l;

	if (a.len >= LCS_CELLS_MAX || b.len >= LCS_CELLS_MAX || cells > LCS_CELLS_MAX) {
		gate_error_f(g, c, "ERR LCS of strings whose lengths' product is above %lu",
			     LCS_CELLS_MAX);
		return false;
	}
	if (!gate_conn_keep(g, c, cells * sizeof(*l.cell) + a.len + b.len + MIN(a.len, b.len))) {
		gate_error_of(g, c, MB_ERR_NO_MEMORY);
		return false;
	}
	c->acc = (int64_t)a.len + 1;
	c->total = (int64_t)b.len;
	l = lcs_of(c);
	memcpy((uint8_t *)(uintptr_t)l.a.p, a.p, a.len);
	memcpy((uint8_t *)(uintptr_t)l.b.p, b.p, b.len);
	return true;
}

/* Returns: as gate_look; CACHE_HIT: begun, or it is answered. */
static int
lcs_look(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt,
	 struct lcs_options *o)
{
	struct slice text[2] = { slice_of("", 0), slice_of("", 0) };
	char buf[2][VIEW_TEXT_MAX];
	struct cache_value v[2];
	int n = gate_look_text(g, c, arg[1], &v[0], buf[0], &text[0]);

	if (n == CACHE_HIT || n == CACHE_ABSENT) {
		int other = gate_look_text(g, c, arg[2], &v[1], buf[1], &text[1]);

		if (other == CACHE_HIT || other == CACHE_ABSENT) {
			(void)(options(g, c, arg, arg_cnt, o) && lcs_begin(g, c, text[0], text[1]));
			gate_look_end(g, &v[1]);
			other = CACHE_HIT;
		}
		gate_look_end(g, &v[0]);
		n = other;
	}
	return n;
}

int
cmd_lcs(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	struct lcs_options o = { 0 };
	struct lcs l;
	size_t cnt;

	if (c->acc != 0) {
		(void)options(g, c, arg, arg_cnt, &o); /* as they were */
	} else {
		int n = lcs_look(g, c, arg, arg_cnt, &o);

		if (n == MB_ERR_TYPE) {
			return gate_error(g, c,
					  "ERR The specified keys must contain string values");
		}
		if (n != CACHE_HIT) {
			return gate_look_refuse(g, c, n);
		}
		if (c->acc == 0) {
			return GATE_DONE;
		}
	}
	l = lcs_of(c);
	cnt = MIN(l.cells - c->step, LCS_CELLS_TURN);
	cells_make(&l, c->step, c->step + cnt);
	c->step += (uint32_t)cnt;
	g->turn_left -= (int32_t)(cnt / LCS_CELLS_ITEM);
	if (c->step < l.cells) {
		return gate_walk_wait(g, c);
	}
	lcs_reply(g, c, &l, &o);
	return GATE_DONE;
}
