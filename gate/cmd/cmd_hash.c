/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_hash - commands on hashes */
#include <math.h>
#include <stdio.h>

#include <microburst/error.h>

#include "check.h"
#include "commands.h"
#include "gate_head.h"
#include "gate_walk.h"
#include "lattice.h"
#include "map.h"
#include "view.h"

static bool
field_text(const struct map_field *f, char buf[VIEW_TEXT_MAX], struct slice *ret)
{
	unsigned int type;
	struct slice value;

	return map_field_value(f, &type, &value) && view_text(type, value, buf, ret) == 0;
}

/* The field of a hash that was looked up (n: what that said). */
static bool
field_find(int n, const struct cache_value *v, struct slice name, char buf[VIEW_TEXT_MAX],
	   struct slice *ret)
{
	struct map_field f;

	return n == CACHE_HIT && map_get(v->state, name, &f) && field_text(&f, buf, ret);
}

/* Whether no field of what HSET is to write is too long: else nothing of it is done. */
static bool
fields_fit(const struct slice *arg, uint32_t arg_cnt)
{
	for (uint32_t i = 2; i < arg_cnt; i += 2) {
		if (arg[i].len > WSET_FIELD_MAX) {
			return false;
		}
	}
	return true;
}

static int
hset(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt,
     enum gate_rec_kind kind, const char *name)
{
	struct gate_rec *rec;

	if (arg_cnt % 2 != 0) {
		return gate_run_before(c)
			       ? (int)GATE_WAIT
			       : gate_error_f(g, c,
					      "ERR wrong number of arguments for '%s' command",
					      name);
	}
	if (c->step == 0 && unlikely(!fields_fit(arg, arg_cnt))) {
		return gate_run_before(c) ? (int)GATE_WAIT : gate_error_of(g, c, GATE_ERR_FIELD);
	}
	rec = gate_write(g, c, kind);
	if (rec == NULL) {
		return GATE_WAIT;
	}
	for (; 2 * c->step + 2 < arg_cnt; c->step++) {
		struct wset_op op = { .kind = WSET_MAP_PUT,
				      .key = arg[1],
				      .field = arg[2 * c->step + 2],
				      .value = arg[2 * c->step + 3] };

		if (!gate_write_more(g, c, rec, &op)) {
			return GATE_WAIT;
		}
	}
	return gate_write_end(g, c);
}

int
cmd_hset(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	return hset(g, c, arg, arg_cnt, REC_MADE, "hset");
}

int
cmd_hmset(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	return hset(g, c, arg, arg_cnt, REC_OK, "hmset");
}

int
cmd_hdel(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	struct gate_rec *rec = gate_write(g, c, REC_CHANGED);

	if (rec == NULL) {
		return GATE_WAIT;
	}
	for (; c->step + 2 < arg_cnt; c->step++) {
		struct wset_op op = { .kind = WSET_MAP_DEL,
				      .key = arg[1],
				      .field = arg[c->step + 2] };

		if (gate_write_op(g, c, &op, 0) == MB_ERR_FULL) {
			return GATE_WAIT;
		} /* any other error: such a field cannot be there */
	}
	return gate_write_end(g, c);
}

int
cmd_hincrby(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	struct wset_op op = { .kind = WSET_MAP_INCR, .key = arg[1], .field = arg[2] };

	if (!gate_word_i64(arg[3], &op.n)) {
		return gate_run_before(c)
			       ? (int)GATE_WAIT
			       : gate_error(g, c, "ERR value is not an integer or out of range");
	}
	return gate_write_one(g, c, REC_NUMBER, &op);
}

int
cmd_hsetnx(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	struct wset_op op = { .kind = WSET_MAP_PUT,
			      .key = arg[1],
			      .field = arg[2],
			      .value = arg[3] };
	char buf[VIEW_TEXT_MAX];
	struct cache_value v;
	struct slice text;
	bool there;
	int n = gate_look_as(g, c, arg[1], LATTICE_MAP, &v);

	if (n != CACHE_HIT && n != CACHE_ABSENT) {
		return gate_look_refuse(g, c, n);
	}
	there = field_find(n, &v, arg[2], buf, &text);
	gate_look_end(g, &v);
	gate_held_begin(c);
	gate_int(g, c, !there);
	return there ? (int)GATE_DONE : gate_write_held(g, c, &op, v.version);
}

int
cmd_hincrbyfloat(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	struct wset_op op = { .kind = WSET_MAP_PUT, .key = arg[1], .field = arg[2] };
	char buf[VIEW_TEXT_MAX], sum[GATE_FLOAT_MAX];
	long double x = 0, by;
	struct cache_value v;
	struct slice text;
	bool ok = true;
	int n;

	if (!gate_word_float(arg[3], &by)) {
		return gate_error(g, c, "ERR value is not a valid float");
	}
	if (!isfinite(by)) {
		return gate_error(g, c, "ERR value is NaN or Infinity");
	}
	n = gate_look_as(g, c, arg[1], LATTICE_MAP, &v);
	if (n != CACHE_HIT && n != CACHE_ABSENT) {
		return gate_look_refuse(g, c, n);
	}
	if (field_find(n, &v, arg[2], buf, &text)) {
		ok = gate_word_float(text, &x);
	}
	gate_look_end(g, &v);
	if (!ok) {
		return gate_error(g, c, "ERR hash value is not a float");
	}
	op.value = slice_of(sum, gate_float_text(x + by, sum));
	if (op.value.len == 0) {
		return gate_error(g, c, "ERR increment would produce NaN or Infinity");
	}
	gate_held_begin(c);
	gate_bulk(g, c, op.value);
	return gate_write_held(g, c, &op, v.version);
}

int
cmd_hget(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	char buf[VIEW_TEXT_MAX];
	struct cache_value v;
	struct slice text;
	int n = gate_look_as(g, c, arg[1], LATTICE_MAP, &v);

	if (n != CACHE_HIT && n != CACHE_ABSENT) {
		return gate_look_refuse(g, c, n);
	}
	if (field_find(n, &v, arg[2], buf, &text)) {
		gate_bulk_value(g, c, text, &v);
	} else {
		gate_null(g, c);
	}
	gate_look_end(g, &v);
	return GATE_DONE;
}

static void
field_reply(struct gate *g, struct gate_conn *c, const struct cache_value *v, struct slice field)
{
	char buf[VIEW_TEXT_MAX];
	struct slice text;

	if (v != NULL && field_find(CACHE_HIT, v, field, buf, &text)) {
		gate_bulk(g, c, text);
	} else {
		gate_null(g, c);
	}
}

int
cmd_hmget(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	static const struct gate_walk_words fields = { LATTICE_MAP, field_reply };

	return gate_walk_words(g, c, arg, arg_cnt, &fields);
}

int
cmd_hexists(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	char buf[VIEW_TEXT_MAX];
	struct cache_value v;
	struct slice text;
	int n = gate_look_as(g, c, arg[1], LATTICE_MAP, &v);

	if (n != CACHE_HIT && n != CACHE_ABSENT) {
		return gate_look_refuse(g, c, n);
	}
	gate_int(g, c, field_find(n, &v, arg[2], buf, &text));
	gate_look_end(g, &v);
	return GATE_DONE;
}

int
cmd_hstrlen(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	char buf[VIEW_TEXT_MAX];
	struct cache_value v;
	struct slice text;
	int n = gate_look_as(g, c, arg[1], LATTICE_MAP, &v);

	if (n != CACHE_HIT && n != CACHE_ABSENT) {
		return gate_look_refuse(g, c, n);
	}
	gate_int(g, c, field_find(n, &v, arg[2], buf, &text) ? (int64_t)text.len : 0);
	gate_look_end(g, &v);
	return GATE_DONE;
}

static uint32_t
field_cnt(int n, const struct cache_value *v)
{
	return n == CACHE_HIT ? view_cnt(v->type, v->state) : 0;
}

int
cmd_hlen(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	return gate_count(g, c, arg[1], LATTICE_MAP);
}

enum field_part { FIELD_NAME = 1, FIELD_VALUE = 2 };

static int
fields(struct gate *g, struct gate_conn *c, struct slice key, unsigned int parts)
{
	char buf[VIEW_TEXT_MAX];
	struct gate_walk now, *w;
	struct map_field f;
	struct slice text;
	uint32_t cnt;
	int n = gate_walk_open(g, c, key, LATTICE_MAP, UINT32_MAX, &now, &w);

	if (n != CACHE_HIT && n != CACHE_ABSENT) {
		return gate_look_refuse(g, c, n);
	}
	cnt = field_cnt(n, &w->v);
	if (!gate_walk_first(w)) {
		/* its head is written */
	} else if (parts == (FIELD_NAME | FIELD_VALUE)) {
		gate_map(g, c, cnt);
	} else {
		gate_array(g, c, cnt);
	}
	for (; c->step < cnt; c->step++) {
		if (!gate_walk_more(g, c, w)) {
			return gate_walk_wait(g, c);
		}
		/* What cannot be shown is shown empty: the count must hold. */
		if (!map_next(w->v.state, &w->at, &f)) {
			f.key = slice_of("", 0);
			text = f.key;
		} else if (!field_text(&f, buf, &text)) {
			text = slice_of("", 0);
		}
		if ((parts & FIELD_NAME) != 0) {
			gate_bulk(g, c, f.key);
		}
		if ((parts & FIELD_VALUE) != 0) {
			gate_bulk(g, c, text);
		}
	}
	return gate_walk_end(g, c, w);
}

int
cmd_hgetall(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	return fields(g, c, arg[1], FIELD_NAME | FIELD_VALUE);
}

int
cmd_hkeys(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	return fields(g, c, arg[1], FIELD_NAME);
}

int
cmd_hvals(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	return fields(g, c, arg[1], FIELD_VALUE);
}
