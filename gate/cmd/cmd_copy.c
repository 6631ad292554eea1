/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_copy - values that go to another key: COPY, RENAME, RENAMENX, SMOVE
 *
 * What the key shows is written to the other one, item by item: a new value of the same kind, with
 * the same deadline. It is decided at one moment; c->acc is the kind of what is to be written, + 1,
 * once it stands in c->keep, c->total its deadline.
 */
#include <string.h>

#include <microburst/error.h>

#include "check.h"
#include "commands.h"
#include "gate_fold.h"
#include "lattice.h"
#include "view.h"

static int
kept_write(struct gate *g, struct gate_conn *c, struct slice to, struct slice gone, bool number)
{
	struct gate_fold_write w = {
		.key = to,
		.kind = (enum wset_kind)(c->acc - 1),
		.replace = true,
		.deadline_us = c->total,
		.gone = gone,
		.reply = number ? REC_FIXED : REC_OK,
		.n = 1,
	};

	return gate_fold_write(g, c, &w);
}

/* COPY, RENAME and RENAMENX: `to` may be there only if it is to be replaced. Answers whether it was
 * done; RENAME that it was, or an error. */
static int
copy(struct gate *g, struct gate_conn *c, struct slice from, struct slice to, bool replace,
     bool rename)
{
	bool number = !rename || !replace;
	struct gate_walk now, *w;
	struct cache_value v;
	int kind, n;

	if (c->acc != 0) {
		return kept_write(g, c, to, rename ? from : slice_of(NULL, 0), number);
	}
	if (!replace && c->walk == NULL) {
		n = gate_look(g, c, to, &v);
		if (n == CACHE_HIT) {
			gate_look_end(g, &v);
			n = slice_eq(from, to) ? (int)CACHE_ABSENT : n;
		}
		if (n == CACHE_HIT) {
			n = gate_look(g, c, from, &v); /* a key that is not there is told first */
			if (n == CACHE_HIT || (n == CACHE_ABSENT && !rename)) {
				gate_look_end(g, &v);
				gate_int(g, c, 0);
				return GATE_DONE;
			}
		}
		if (n != CACHE_HIT && n != CACHE_ABSENT) {
			return gate_look_refuse(g, c, n);
		}
	}
	n = gate_walk_open(g, c, from, GATE_WALK_ANY, UINT32_MAX, &now, &w);
	if (n == CACHE_ABSENT) {
		if (rename) {
			return gate_error(g, c, "ERR no such key");
		}
		gate_int(g, c, 0);
		return GATE_DONE;
	}
	if (n != CACHE_HIT) {
		return gate_look_refuse(g, c, n);
	}
	if (slice_eq(from, to)) {
		gate_walk_close(g, c, w);
		if (number) {
			gate_int(g, c, 0);
		} else {
			gate_ok(g, c);
		}
		return GATE_DONE;
	}
	kind = gate_fold_value(g, c, w);
	if (kind == MB_ERR_TRYAGAIN) {
		return gate_walk_wait(g, c);
	}
	c->total = (int64_t)gate_deadline_us(&w->v);
	gate_walk_close(g, c, w);
	if (kind < 0) {
		return gate_error_of(g, c, kind);
	}
	c->acc = kind + 1;
	return kept_write(g, c, to, rename ? from : slice_of(NULL, 0), number);
}

int
cmd_rename(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	return copy(g, c, arg[1], arg[2], true, true);
}

int
cmd_renamenx(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	return copy(g, c, arg[1], arg[2], false, true);
}

int
cmd_copy(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	bool replace = false;
	int64_t db;

	for (uint32_t i = 3; i < arg_cnt; i++) {
		if (gate_word_is(arg[i], "replace")) {
			replace = true;
		} else if (gate_word_is(arg[i], "db") && i + 1 < arg_cnt) {
			if (!gate_word_i64(arg[++i], &db)) {
				return gate_error(g, c,
						  "ERR value is not an integer or out of range");
			}
			if (db != 0) {
				return gate_error(g, c, "ERR DB index is out of range");
			}
		} else {
			return gate_error(g, c, "ERR syntax error");
		}
	}
	if (slice_eq(arg[1], arg[2])) {
		return gate_error(g, c, "ERR source and destination objects are the same");
	}
	return copy(g, c, arg[1], arg[2], replace, false);
}

/* ------------------------------------------------------------------------ SMOVE */

/* The member is taken if the set is still the one that was looked at, then added to the other one:
 * c->part 1. In between it is in none of the two. */
int
cmd_smove(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	struct wset_op take = { .kind = WSET_SREM, .key = arg[1], .value = arg[3] };
	struct wset_op add = { .kind = WSET_SADD, .key = arg[2], .value = arg[3] };
	struct cache_value v;
	bool there;
	int n;

	if (c->part == 1) {
		gate_held_begin(c);
		gate_int(g, c, 1);
		return gate_held_end(g, c, gate_held_op(g, c, &add, 0, 0), 0);
	}
	n = gate_look_as(g, c, arg[1], LATTICE_ORSET, &v);
	if (n == CACHE_HIT) { /* of a set that is not there nothing is moved, wherever to */
		gate_look_end(g, &v);
		n = gate_look_as(g, c, arg[2], LATTICE_ORSET, &v);
		if (n == CACHE_HIT || n == CACHE_ABSENT) {
			gate_look_end(g, &v);
			n = gate_look_as(g, c, arg[1], LATTICE_ORSET, &v);
		}
	}
	if (n != CACHE_HIT && n != CACHE_ABSENT) {
		return gate_look_refuse(g, c, n);
	}
	there = n == CACHE_HIT && view_set_has(v.type, v.state, arg[3]);
	gate_look_end(g, &v);
	if (!there || slice_eq(arg[1], arg[2])) {
		gate_int(g, c, there);
		return GATE_DONE;
	}
	gate_held_begin(c);
	c->part_next = 1;
	return gate_held_end(g, c, gate_held_op(g, c, &take, v.version, 0), 0);
}
