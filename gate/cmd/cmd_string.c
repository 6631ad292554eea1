/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_string - commands on strings */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <microburst/error.h>

#include "check.h"
#include "commands.h"
#include "gate_head.h"
#include "gate_many.h"
#include "gate_walk.h"
#include "lattice.h"
#include "view.h"

/* ------------------------------------------------------------------------ reading */

int
cmd_get(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	char buf[VIEW_TEXT_MAX];
	struct cache_value v;
	struct slice text;
	int n = gate_look_text(g, c, arg[1], &v, buf, &text);

	if (n == CACHE_ABSENT) {
		gate_null(g, c);
		return GATE_DONE;
	}
	if (n != CACHE_HIT) {
		return gate_look_refuse(g, c, n);
	}
	gate_bulk_value(g, c, text, &v);
	gate_look_end(g, &v);
	return GATE_DONE;
}

int
cmd_mget(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	char buf[VIEW_TEXT_MAX];
	struct cache_value v;
	struct slice text;
	int rc = gate_keys_bring(g, c, arg + 1, arg_cnt - 1);

	if (rc != 1) {
		return -1 - rc;
	}
	if (c->acc == 0) {
		gate_array(g, c, arg_cnt - 1);
		c->acc = 1;
	}
	for (uint32_t i = c->step + 1; i < arg_cnt; i++) {
		int n;

		if (gate_walk_reader(g, c)) {
			return GATE_WAIT;
		}
		if (gate_turn_over(g)) {
			return gate_turn_end(g, c);
		}
		n = gate_look_text(g, c, arg[i], &v, buf, &text);

		if (n == CACHE_HIT) {
			gate_bulk_value(g, c, text, &v);
			gate_look_end(g, &v);
		} else if (n == CACHE_MISS || n == MB_ERR_FULL) {
			return gate_look_refuse(g, c, n);
		} else {
			gate_null(g, c);
		}
		c->step = i;
	}
	return GATE_DONE;
}

int
cmd_strlen(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	struct gate_head head;
	int n = gate_look_head(g, c, arg[1], true, &head);

	if (n == CACHE_HIT && (lattice_table_ops(head.type) != NULL || head.len < 0)) {
		n = MB_ERR_TYPE;
	}
	if (n != CACHE_HIT && n != CACHE_ABSENT) {
		return gate_look_refuse(g, c, n);
	}
	gate_int(g, c, n == CACHE_HIT ? head.len : 0);
	return GATE_DONE;
}

int
cmd_getrange(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	char buf[VIEW_TEXT_MAX];
	struct cache_value v;
	struct slice text = { 0 };
	int64_t from, to, len;
	bool none;
	int n;

	if (!gate_word_i64(arg[2], &from) || !gate_word_i64(arg[3], &to)) {
		return gate_error(g, c, "ERR value is not an integer or out of range");
	}
	n = gate_look_text(g, c, arg[1], &v, buf, &text);
	if (n != CACHE_HIT && n != CACHE_ABSENT) {
		return gate_look_refuse(g, c, n);
	}
	len = n == CACHE_HIT ? (int64_t)text.len : 0;
	none = from < 0 && to < 0 && from > to;
	from = MAX(from < 0 ? from + len : from, 0);
	to = MIN(to < 0 ? MAX(to + len, 0) : to, len - 1);
	if (none || from > to || len == 0) {
		gate_bulk(g, c, slice_of("", 0));
	} else {
		gate_bulk_value(g, c, slice_of(text.p + from, (size_t)(to - from + 1)), &v);
	}
	if (n == CACHE_HIT) {
		gate_look_end(g, &v);
	}
	return GATE_DONE;
}

/* ------------------------------------------------------------------------ writing */

struct set_options {
	bool nx, xx, get, keep;
	int64_t deadline_us; /* 0: none */
};

/* EX, PX, EXAT, PXAT and their number. Returns: 1; 0: it is another word; an error. */
static int
set_deadline(const struct slice *arg, struct set_options *ret)
{
	bool seconds = gate_word_is(arg[0], "ex") || gate_word_is(arg[0], "exat");
	bool from_now = gate_word_is(arg[0], "ex") || gate_word_is(arg[0], "px");
	int64_t n;

	if (!seconds && !from_now && !gate_word_is(arg[0], "pxat")) {
		return 0;
	}
	if (!gate_word_i64(arg[1], &n)) {
		return MB_ERR_TYPE;
	}
	if (n <= 0 || !gate_deadline_word(arg[1], seconds, from_now, &ret->deadline_us) ||
	    !gate_deadline_ok(ret->deadline_us)) {
		return MB_ERR_TOO_LARGE;
	}
	return 1;
}

/* Returns: 0; MB_ERR_INVALID: syntax; MB_ERR_TYPE: no number; MB_ERR_TOO_LARGE: no such time. */
static int
set_options(const struct slice *arg, uint32_t arg_cnt, struct set_options *ret)
{
	int late = 0; /* what is wrong with the time, if nothing else is */

	*ret = (struct set_options){ 0 };
	for (uint32_t i = 3; i < arg_cnt; i++) {
		if (gate_word_is(arg[i], "nx") && !ret->xx) {
			ret->nx = true;
		} else if (gate_word_is(arg[i], "xx") && !ret->nx) {
			ret->xx = true;
		} else if (gate_word_is(arg[i], "get")) {
			ret->get = true;
		} else if (gate_word_is(arg[i], "keepttl") && ret->deadline_us == 0) {
			ret->keep = true;
		} else if (i + 1 < arg_cnt && !ret->keep && ret->deadline_us == 0) {
			int err = set_deadline(arg + i, ret);

			if (err == 0) {
				return MB_ERR_INVALID;
			}
			late = err != 1 ? err : late;
			ret->deadline_us = err != 1 ? 1 : ret->deadline_us; /* there is one */
			i++;
		} else {
			return MB_ERR_INVALID;
		}
	}
	return late;
}

static int
set_refuse(struct gate *g, struct gate_conn *c, int err)
{
	if (err == MB_ERR_TYPE) {
		return gate_error(g, c, "ERR value is not an integer or out of range");
	}
	if (err == MB_ERR_TOO_LARGE) {
		return gate_error_f(g, c, "ERR invalid expire time in '%s' command",
				    c->command->name);
	}
	return gate_error(g, c, "ERR syntax error");
}

/* A SET that depends on nothing, and its deadline. */
static int
set_plain(struct gate *g, struct gate_conn *c, struct slice key, struct slice value,
	  const struct set_options *opt)
{
	struct wset_op op = { .kind = WSET_PUT, .key = key, .value = value, .keep = opt->keep };
	struct wset_op end = { .kind = WSET_EXPIRE, .key = key, .n = opt->deadline_us };
	struct gate_rec *rec = gate_write(g, c, REC_OK);
	int err = 0;

	if (rec == NULL) {
		return GATE_WAIT;
	}
	if (c->step == 0) {
		err = gate_write_op(g, c, &op, 0);
		c->step = err == 0;
	}
	if (err == 0 && end.n != 0) {
		/* One set with the value, or, if that was full, the next one: then another's value
		 * could stand between. */
		err = gate_write_op_after(g, c, &end);
	}
	if (err == MB_ERR_FULL) {
		return GATE_WAIT;
	}
	if (err != 0) {
		rec->err = (int16_t)err;
	}
	return gate_write_end(g, c);
}

/* A SET that depends on what is there, or answers it. */
static int
set_if(struct gate *g, struct gate_conn *c, struct slice key, struct slice value,
       struct set_options opt, bool as_number)
{
	struct wset_op op = { .kind = WSET_PUT, .key = key, .value = value, .keep = opt.keep };
	struct wset_op end = { .kind = WSET_EXPIRE, .key = key, .n = opt.deadline_us };
	char buf[VIEW_TEXT_MAX];
	struct cache_value v;
	struct slice text;
	bool there;
	int n = opt.get ? gate_look_text(g, c, key, &v, buf, &text) : gate_look(g, c, key, &v);

	if (n != CACHE_HIT && n != CACHE_ABSENT) {
		return gate_look_refuse(g, c, n);
	}
	there = n == CACHE_HIT;
	c->mark = gate_out_mark(c);
	c->mark.set = false;
	if (opt.get && there) {
		gate_bulk_value(g, c, text, &v);
	} else if (opt.get) {
		gate_null(g, c);
	}
	gate_look_end(g, &v);
	if ((opt.nx && there) || (opt.xx && !there)) {
		if (as_number) {
			gate_int(g, c, 0);
		} else if (!opt.get) {
			gate_null(g, c);
		}
		return GATE_DONE;
	}
	if (as_number) {
		gate_int(g, c, 1);
	} else if (!opt.get) {
		gate_ok(g, c);
	}
	return gate_write_held_2(g, c, &op, v.version, end.n != 0 ? &end : NULL);
}

int
cmd_set(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	struct set_options opt = { 0 };
	int err = arg_cnt > 3 ? set_options(arg, arg_cnt, &opt) : 0;

	if (err == 0 && !opt.nx && !opt.xx && !opt.get) {
		return set_plain(g, c, arg[1], arg[2], &opt);
	}
	if (gate_run_before(c)) {
		return GATE_WAIT; /* it is no plain write */
	}
	return err != 0 ? set_refuse(g, c, err) : set_if(g, c, arg[1], arg[2], opt, false);
}

static int
set_ends(struct gate *g, struct gate_conn *c, const struct slice *arg, const char *unit)
{
	struct slice words[] = { slice_of(unit, 2), arg[2] };
	struct set_options opt = { 0 };
	int err = set_deadline(words, &opt);

	if (err != 1) {
		return gate_run_before(c) ? (int)GATE_WAIT : set_refuse(g, c, err);
	}
	return set_plain(g, c, arg[1], arg[3], &opt);
}

int
cmd_setex(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	return set_ends(g, c, arg, "ex");
}

int
cmd_psetex(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	return set_ends(g, c, arg, "px");
}

int
cmd_setnx(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	return set_if(g, c, arg[1], arg[2], (struct set_options){ .nx = true }, true);
}

int
cmd_getset(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	return set_if(g, c, arg[1], arg[2], (struct set_options){ .get = true }, false);
}

/* Whether each key of what MSET is to write is one: else nothing of it is done. */
static bool
keys_fit(const struct slice *arg, uint32_t arg_cnt)
{
	for (uint32_t i = 1; i < arg_cnt; i += 2) {
		if (arg[i].len == 0 || arg[i].len > KEY_BYTES_MAX) {
			return false;
		}
	}
	return true;
}

int
cmd_mset(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	struct gate_rec *rec;

	if (arg_cnt % 2 == 0) {
		return gate_run_before(c)
			       ? (int)GATE_WAIT
			       : gate_error(g, c,
					    "ERR wrong number of arguments for 'mset' command");
	}
	if (c->step == 0 && !keys_fit(arg, arg_cnt)) {
		return gate_run_before(c) ? (int)GATE_WAIT : gate_error_of(g, c, GATE_ERR_KEY);
	}
	rec = gate_write(g, c, REC_OK);
	if (rec == NULL) {
		return GATE_WAIT;
	}
	for (; 2 * c->step + 1 < arg_cnt; c->step++) {
		struct wset_op op = { .kind = WSET_PUT,
				      .key = arg[2 * c->step + 1],
				      .value = arg[2 * c->step + 2] };

		if (!gate_write_more(g, c, rec, &op)) {
			return GATE_WAIT;
		}
	}
	return gate_write_end(g, c);
}

static int
incr_by(struct gate *g, struct gate_conn *c, struct slice key, int64_t n)
{
	struct wset_op op = { .kind = WSET_INCR, .key = key, .n = n };

	return gate_write_one(g, c, REC_NUMBER, &op);
}

int
cmd_incr(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	return incr_by(g, c, arg[1], 1);
}

int
cmd_decr(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	return incr_by(g, c, arg[1], -1);
}

int
cmd_incrby(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	int64_t n;

	if (!gate_word_i64(arg[2], &n)) {
		return gate_run_before(c)
			       ? (int)GATE_WAIT
			       : gate_error(g, c, "ERR value is not an integer or out of range");
	}
	return incr_by(g, c, arg[1], n);
}

int
cmd_decrby(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	int64_t n;

	if (!gate_word_i64(arg[2], &n)) {
		return gate_run_before(c)
			       ? (int)GATE_WAIT
			       : gate_error(g, c, "ERR value is not an integer or out of range");
	}
	if (n == INT64_MIN) {
		return gate_run_before(c) ? (int)GATE_WAIT
					  : gate_error(g, c, "ERR decrement would overflow");
	}
	return incr_by(g, c, arg[1], -n);
}

int
cmd_getdel(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	struct wset_op op = { .kind = WSET_DEL, .key = arg[1] };
	char buf[VIEW_TEXT_MAX];
	struct cache_value v;
	struct slice text;
	int n = gate_look_text(g, c, arg[1], &v, buf, &text);

	if (n == CACHE_ABSENT) {
		gate_null(g, c);
		return GATE_DONE;
	}
	if (n != CACHE_HIT) {
		return gate_look_refuse(g, c, n);
	}
	c->mark = gate_out_mark(c);
	c->mark.set = false;
	gate_bulk_value(g, c, text, &v);
	gate_look_end(g, &v);
	return gate_write_held(g, c, &op, v.version);
}

/* EX, PX, EXAT, PXAT or PERSIST: the deadline changes if the value is still the one that is shown.
 */
int
cmd_getex(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	struct wset_op op = { .kind = WSET_EXPIRE, .key = arg[1] };
	bool persist = arg_cnt == 3 || (arg_cnt > 3 && gate_word_is(arg[2], "persist"));
	struct set_options opt = { 0 };
	char buf[VIEW_TEXT_MAX];
	struct cache_value v;
	struct slice text;
	int err = arg_cnt == 4 && !persist ? set_deadline(arg + 2, &opt) : 1, n;

	for (uint32_t i = 2; persist && err == 1 && i < arg_cnt; i++) { /* as often as one likes */
		err = gate_word_is(arg[i], "persist");
	}
	if (err == 0 || (arg_cnt > 4 && !persist)) {
		return set_refuse(g, c, 0);
	}
	n = gate_look_text(g, c, arg[1], &v, buf, &text);
	if (n == CACHE_ABSENT) {
		gate_null(g, c);
		return GATE_DONE;
	}
	if (n != CACHE_HIT) {
		return gate_look_refuse(g, c, n);
	}
	if (err != 1) { /* of a value that is there */
		gate_look_end(g, &v);
		return set_refuse(g, c, err);
	}
	if (arg_cnt == 2) {
		gate_bulk_value(g, c, text, &v);
		gate_look_end(g, &v);
		return GATE_DONE;
	}
	gate_held_begin(c);
	gate_bulk_value(g, c, text, &v);
	gate_look_end(g, &v);
	op.n = opt.deadline_us;
	return gate_write_held(g, c, &op, v.version);
}

int
cmd_incrbyfloat(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	struct wset_op op = { .kind = WSET_PUT, .key = arg[1], .keep = true };
	char buf[VIEW_TEXT_MAX], sum[GATE_FLOAT_MAX];
	long double x = 0, by;
	struct cache_value v;
	struct slice text;
	int n;

	n = gate_look_text(g, c, arg[1], &v, buf, &text);
	if (n != CACHE_HIT && n != CACHE_ABSENT) {
		return gate_look_refuse(g, c, n);
	}
	if (!gate_word_float(arg[2], &by) || (n == CACHE_HIT && !gate_word_float(text, &x))) {
		gate_look_end(g, &v);
		return gate_error(g, c, "ERR value is not a valid float");
	}
	gate_look_end(g, &v);
	op.value = slice_of(sum, gate_float_text(x + by, sum));
	if (op.value.len == 0) {
		return gate_error(g, c, "ERR increment would produce NaN or Infinity");
	}
	gate_held_begin(c);
	gate_bulk(g, c, op.value);
	return gate_write_held(g, c, &op, v.version);
}

/* No other client's command is begun from the look at the keys until their values are on their way,
 * as for a transaction (gate_multi.c, T1). */
int
cmd_msetnx(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	bool within = c->multi != NULL && c->multi->running;
	struct gate_rec *rec;
	struct cache_value v;
	int rc;

	if (arg_cnt % 2 == 0) {
		return gate_error(g, c, "ERR wrong number of arguments for 'msetnx' command");
	}
	if (!keys_fit(arg, arg_cnt)) {
		return gate_error_of(g, c, GATE_ERR_KEY);
	}
	if (!gate_alone_begin(g, c, &rc)) {
		return rc;
	}
	for (uint32_t i = 1; c->acc == 0 && i < arg_cnt; i += 2) {
		int n = gate_look(g, c, arg[i], &v);

		if (n == CACHE_ABSENT) {
			continue;
		}
		if (n == CACHE_MISS || n == MB_ERR_FULL) {
			return gate_look_refuse(g, c, n);
		}
		if (!within) {
			gate_alone_end(g, c);
		}
		if (n != CACHE_HIT) {
			return gate_look_refuse(g, c, n);
		}
		gate_look_end(g, &v);
		gate_int(g, c, 0);
		return GATE_DONE;
	}
	c->acc = 1;
	rec = gate_write(g, c, REC_FIXED);
	if (rec == NULL) {
		return GATE_WAIT;
	}
	rec->n = 1;
	for (; 2 * c->step + 1 < arg_cnt; c->step++) {
		struct wset_op op = { .kind = WSET_PUT,
				      .key = arg[2 * c->step + 1],
				      .value = arg[2 * c->step + 2] };

		if (!gate_write_more(g, c, rec, &op)) {
			return GATE_WAIT;
		}
	}
	gate_run_flush(g, c->run); /* before those of others here; of other gates when it is done */
	c->alone_run = !within;
	if (!within && g->cfg.gate_cnt == 1) {
		gate_alone_end(g, c);
	}
	return gate_write_end(g, c);
}

/* Puts a string together in memory of the command's, and writes it if nobody else was faster: head,
 * of what is there, then word at offset. */
static int
put_together(struct gate *g, struct gate_conn *c, struct slice key, size_t offset,
	     struct slice word, bool append)
{
	struct wset_op op = { .kind = WSET_PUT, .key = key, .keep = true };
	char buf[VIEW_TEXT_MAX];
	struct gate_walk now, *w;
	struct slice text = { 0 };
	uint64_t version;
	size_t len;
	int n = gate_walk_text(g, c, key, 0, &now, &w, buf, &text);

	if (n != CACHE_HIT && n != CACHE_ABSENT) {
		return gate_look_refuse(g, c, n);
	}
	if (n == CACHE_ABSENT) {
		text.len = 0;
	}
	offset = append ? text.len : offset;
	len = MAX(text.len, offset + word.len);
	if (word.len == 0 && !append) {
		gate_int(g, c, (int64_t)text.len);
		return gate_walk_end(g, c, w);
	}
	if (len > VALUE_BYTES_MAX) {
		gate_walk_close(g, c, w);
		return gate_error_of(g, c, MB_ERR_TOO_LARGE);
	}
	n = gate_walk_keep(g, c, w, text, len);
	if (n != 1) {
		return n == 0 ? gate_walk_wait(g, c) : gate_error_of(g, c, n);
	}
	memcpy(c->keep + offset, word.len != 0 ? word.p : (const uint8_t *)"", word.len);
	version = w->v.version;
	gate_walk_close(g, c, w);
	op.value = slice_of(c->keep, len);
	c->mark = gate_out_mark(c);
	c->mark.set = false;
	gate_int(g, c, (int64_t)len);
	return gate_write_held(g, c, &op, version);
}

int
cmd_append(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	return put_together(g, c, arg[1], 0, arg[2], true);
}

int
cmd_setrange(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	int64_t offset;

	if (!gate_word_i64(arg[2], &offset)) {
		return gate_error(g, c, "ERR value is not an integer or out of range");
	}
	if (offset < 0) {
		return gate_error(g, c, "ERR offset is out of range");
	}
	offset = MIN(offset, (int64_t)VALUE_BYTES_MAX + 1); /* too far, unless nothing is written */
	return put_together(g, c, arg[1], (size_t)offset, arg[3], false);
}
