/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_list - commands on lists that take nothing off them for the client: cmd_pop.c does
 *
 * What is removed by its place or its value (LTRIM, LREM) is decided at one moment and removed by
 * its id: whatever is pushed meanwhile stays, whoever else removes the same harms nobody.
 */
#include <string.h>

#include <microburst/error.h>

#include "check.h"
#include "cmd_list.h"
#include "commands.h"
#include "gate_head.h"
#include "gate_walk.h"
#include "lattice.h"
#include "view.h"

/* ------------------------------------------------------------------------ pushes */

static int
push(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt,
     enum wset_kind kind)
{
	struct gate_rec *rec = gate_write(g, c, REC_LENGTH);

	if (rec == NULL) {
		return GATE_WAIT;
	}
	for (; c->step + 2 < arg_cnt; c->step++) {
		struct wset_op op = { .kind = kind, .key = arg[1], .value = arg[c->step + 2] };
		int err =
			c->step == 0 ? gate_write_op(g, c, &op, 0) : gate_write_op_after(g, c, &op);

		if (err == MB_ERR_FULL) {
			return GATE_WAIT;
		}
		if (err != 0 && rec->err == 0) {
			rec->err = (int16_t)err;
		}
	}
	return gate_write_end(g, c);
}

int
cmd_lpush(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	return push(g, c, arg, arg_cnt, WSET_PUSH_LEFT);
}

int
cmd_rpush(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	return push(g, c, arg, arg_cnt, WSET_PUSH_RIGHT);
}

/* To a list that is there. */
static int
push_x(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt,
       enum wset_kind kind)
{
	struct cache_value v;
	uint32_t cnt = 0;
	int err = 0, n = gate_look_as(g, c, arg[1], LATTICE_LIST, &v);

	if (n != CACHE_HIT && n != CACHE_ABSENT) {
		return gate_look_refuse(g, c, n);
	}
	if (n == CACHE_ABSENT) {
		gate_int(g, c, c->total); /* it may have gone while there was more to push */
		return GATE_DONE;
	}
	gate_held_begin(c);
	c->total_next = view_cnt(v.type, v.state);
	gate_look_end(g, &v);
	while (c->part + cnt + 2 < arg_cnt) {
		struct wset_op op = { .kind = kind,
				      .key = arg[1],
				      .value = arg[c->part + cnt + 2] };

		err = gate_held_op(g, c, &op, v.version, cnt);
		if (err != 0) {
			break;
		}
		cnt++;
	}
	c->total_next += cnt;
	if (c->part + cnt + 2 < arg_cnt) {
		c->part_next = c->part + cnt;
	} else {
		gate_int(g, c, c->total_next);
	}
	return gate_held_end(g, c, err, cnt);
}

int
cmd_lpushx(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	return push_x(g, c, arg, arg_cnt, WSET_PUSH_LEFT);
}

int
cmd_rpushx(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	return push_x(g, c, arg, arg_cnt, WSET_PUSH_RIGHT);
}

/* ------------------------------------------------------------------------ reading */

int
cmd_llen(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	return gate_count(g, c, arg[1], LATTICE_LIST);
}

static bool
item_at(struct slice state, uint32_t at, struct list_item *ret)
{
	struct table_walk walk;

	return view_seek_at(LATTICE_LIST, state, at, &walk) == 0 && list_next(state, &walk, ret);
}

/* An index of the client's, from either end. Returns: whether there is an item. */
static bool
index_of(int64_t n, uint32_t cnt, uint32_t *ret)
{
	int64_t at = n < 0 ? n + (int64_t)cnt : n;

	*ret = (uint32_t)at;
	return at >= 0 && at < (int64_t)cnt;
}

int
cmd_lindex(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	struct list_item item;
	struct cache_value v;
	uint32_t at;
	int64_t want = 0;
	int n;

	n = gate_look_as(g, c, arg[1], LATTICE_LIST, &v);
	if (n != CACHE_HIT && n != CACHE_ABSENT) {
		return gate_look_refuse(g, c, n);
	}
	if (n == CACHE_HIT && !gate_word_i64(arg[2], &want)) {
		gate_look_end(g, &v);
		return gate_error(g, c, "ERR value is not an integer or out of range");
	}
	if (n == CACHE_HIT && index_of(want, view_cnt(v.type, v.state), &at) &&
	    item_at(v.state, at, &item)) {
		gate_bulk_value(g, c, item.value, &v);
	} else {
		gate_null(g, c);
	}
	gate_look_end(g, &v);
	return GATE_DONE;
}

bool
gate_range(int64_t from, int64_t to, uint32_t cnt, uint32_t *ret_from, uint32_t *ret_cnt)
{
	from = MAX(from < 0 ? from + (int64_t)cnt : from, 0);
	to = MIN(to < 0 ? to + (int64_t)cnt : to, (int64_t)cnt - 1);
	*ret_from = (uint32_t)MIN(from, (int64_t)cnt);
	*ret_cnt = from <= to ? (uint32_t)(to - from + 1) : 0;
	return *ret_cnt > 0;
}

int
cmd_lrange(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	struct gate_walk now, *w;
	struct list_item item;
	uint32_t len, at, cnt;
	int64_t from, to, most;
	int n;

	if (!gate_word_i64(arg[2], &from) || !gate_word_i64(arg[3], &to)) {
		return gate_error(g, c, "ERR value is not an integer or out of range");
	}
	most = (from < 0) == (to < 0) && from <= to ? MIN(to - from, UINT32_MAX - 1) + 1
						    : UINT32_MAX;
	n = gate_walk_open(g, c, arg[1], LATTICE_LIST, (uint32_t)most, &now, &w);
	if (n != CACHE_HIT && n != CACHE_ABSENT) {
		return gate_look_refuse(g, c, n);
	}
	len = n == CACHE_HIT ? view_cnt(w->v.type, w->v.state) : 0;
	(void)gate_range(from, to, len, &at, &cnt);
	if (gate_walk_first(w)) {
		gate_array(g, c, cnt);
		if (cnt > 0) {
			(void)view_seek_at(w->v.type, w->v.state, at, &w->at);
		}
	}
	for (; c->step < cnt; c->step++) {
		if (!gate_walk_more(g, c, w)) {
			return gate_walk_wait(g, c);
		}
		/* What cannot be shown is shown empty: the count must hold. */
		gate_bulk(g, c,
			  list_next(w->v.state, &w->at, &item) ? item.value : slice_of("", 0));
	}
	return gate_walk_end(g, c, w);
}

struct pos_options {
	int64_t rank, count, most;
};

static int
pos_options(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt,
	    struct pos_options *ret)
{
	*ret = (struct pos_options){ .rank = 1, .count = -1 };
	for (uint32_t i = 3; i < arg_cnt; i += 2) {
		int64_t *into = gate_word_is(arg[i], "rank")     ? &ret->rank
				: gate_word_is(arg[i], "count")  ? &ret->count
				: gate_word_is(arg[i], "maxlen") ? &ret->most
								 : NULL;
		bool ok;

		if (into == NULL || i + 1 == arg_cnt) {
			gate_error(g, c, "ERR syntax error");
			return -1;
		}
		ok = gate_word_i64(arg[i + 1], into);
		if (into == &ret->rank && !ok) {
			gate_error(g, c, "ERR value is not an integer or out of range");
			return -1;
		}
		ret->rank = MAX(ret->rank, -INT64_MAX); /* it is negated */
		if (into == &ret->rank && *into == 0) {
			gate_error(g, c,
				   "ERR RANK can't be zero: use 1 to start from the first match, "
				   "2 from the second ... or use negative to start from the end of "
				   "the list");
			return -1;
		}
		if (into != &ret->rank && (!ok || *into < 0)) {
			gate_error_f(g, c, "ERR %s can't be negative",
				     into == &ret->count ? "COUNT" : "MAXLEN");
			return -1;
		}
	}
	return 0;
}

/* Shows the places of a value; c->step items were looked at, c->acc places shown. Returns: false:
 * gate_walk_wait. */
static bool
positions(struct gate *g, struct gate_conn *c, struct gate_walk *w, struct slice want,
	  const struct pos_options *o)
{
	uint32_t cnt = view_cnt(w->v.type, w->v.state);
	struct list_item item;

	for (; c->step < cnt && (o->most == 0 || (int64_t)c->step < o->most); c->step++) {
		if (!gate_walk_more(g, c, w)) {
			return false;
		}
		if (!(o->rank > 0 ? list_next(w->v.state, &w->at, &item)
				  : list_prev(w->v.state, &w->idx, &item))) {
			break;
		}
		if (!slice_eq(item.value, want) || c->total-- > 0) {
			continue;
		}
		gate_int(g, c, o->rank > 0 ? c->step : cnt - 1 - c->step);
		if (++c->acc == o->count || o->count < 0) {
			break;
		}
	}
	return true;
}

int
cmd_lpos(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	struct gate_walk now, *w;
	struct pos_options o;
	int n;

	if (pos_options(g, c, arg, arg_cnt, &o) < 0) {
		return GATE_DONE;
	}
	n = gate_walk_open(g, c, arg[1], LATTICE_LIST, UINT32_MAX, &now, &w);
	if (n != CACHE_HIT && n != CACHE_ABSENT) {
		return gate_look_refuse(g, c, n);
	}
	if (gate_walk_first(w)) {
		c->total = (o.rank < 0 ? -o.rank : o.rank) - 1; /* so many are passed over */
		c->hole = o.count >= 0 ? gate_out_hole(g, c) : NULL;
		c->quiet = o.count >= 0;
	}
	if (n == CACHE_HIT && !positions(g, c, w, arg[2], &o)) {
		return gate_walk_wait(g, c);
	}
	if (o.count >= 0) {
		gate_out_fill_array(g, c, c->hole, (size_t)c->acc);
	} else if (c->acc == 0) {
		gate_null(g, c);
	}
	return gate_walk_end(g, c, w);
}

/* ------------------------------------------------------------------------ changing */

int
cmd_lset(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	struct wset_op op = { .kind = WSET_LIST_SET, .key = arg[1], .value = arg[3] };
	uint8_t id[LIST_ID_BYTES];
	struct list_item item;
	struct cache_value v;
	uint32_t at, cnt;
	int64_t want;
	int n;

	n = gate_look_as(g, c, arg[1], LATTICE_LIST, &v);
	if (n != CACHE_HIT && n != CACHE_ABSENT) {
		return gate_look_refuse(g, c, n);
	}
	if (n == CACHE_ABSENT) {
		return gate_error(g, c, "ERR no such key");
	}
	if (!gate_word_i64(arg[2], &want)) {
		gate_look_end(g, &v);
		return gate_error(g, c, "ERR value is not an integer or out of range");
	}
	cnt = view_cnt(v.type, v.state);
	if (!index_of(want, cnt, &at) || !item_at(v.state, at, &item)) {
		gate_look_end(g, &v);
		return gate_error(g, c, "ERR index out of range");
	}
	memcpy(id, item.id.p, LIST_ID_BYTES);
	op.field = slice_of(id, LIST_ID_BYTES);
	gate_look_end(g, &v);
	gate_held_begin(c);
	gate_ok(g, c);
	return gate_write_held(g, c, &op, v.version);
}

/* Keeps the id of an item that is to go. */
static bool
doom(struct gate *g, struct gate_conn *c, const struct list_item *item)
{
	if (!gate_conn_keep(g, c, (size_t)c->keep_len + LIST_ID_BYTES)) {
		return false;
	}
	memcpy(c->keep + c->keep_len, item->id.p, LIST_ID_BYTES);
	c->keep_len += LIST_ID_BYTES;
	return true;
}

/* Removes all that are doomed. */
static int
doomed_go(struct gate *g, struct gate_conn *c, struct slice key, enum gate_rec_kind reply)
{
	struct gate_rec *rec = gate_write(g, c, reply);

	if (rec == NULL) {
		return GATE_WAIT;
	}
	for (; c->step * LIST_ID_BYTES < c->keep_len; c->step++) {
		struct wset_op op = { .kind = WSET_LIST_DEL,
				      .key = key,
				      .field = slice_of(c->keep + (size_t)c->step * LIST_ID_BYTES,
							LIST_ID_BYTES) };

		if (!gate_write_more(g, c, rec, &op)) {
			return GATE_WAIT;
		}
	}
	return gate_write_end(g, c);
}

/* Which items of a list go: all but [from, from + cnt). c->total of them are doomed. Returns: 1; 0:
 * gate_walk_wait; MB_ERR_NO_MEMORY. */
static int
trim_doom(struct gate *g, struct gate_conn *c, struct gate_walk *w, uint32_t len, uint32_t from,
	  uint32_t cnt)
{
	struct list_item item;

	for (; c->total < (int64_t)len - cnt; c->total++) {
		if (!gate_walk_more(g, c, w)) {
			return 0;
		}
		if (!(c->total < from ? list_next(w->v.state, &w->at, &item)
				      : list_prev(w->v.state, &w->idx, &item))) {
			break;
		}
		if (!doom(g, c, &item)) {
			return MB_ERR_NO_MEMORY;
		}
	}
	return 1;
}

int
cmd_ltrim(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	struct gate_walk now, *w;
	uint32_t len, at, cnt;
	int64_t from, to;
	int n, rc = 1;

	if (c->acc != 0) { /* decided already */
		return doomed_go(g, c, arg[1], REC_OK);
	}
	if (!gate_word_i64(arg[2], &from) || !gate_word_i64(arg[3], &to)) {
		return gate_error(g, c, "ERR value is not an integer or out of range");
	}
	n = gate_walk_open(g, c, arg[1], LATTICE_LIST, UINT32_MAX, &now, &w);
	if (n != CACHE_HIT && n != CACHE_ABSENT) {
		return gate_look_refuse(g, c, n);
	}
	if (n == CACHE_HIT) {
		len = view_cnt(w->v.type, w->v.state);
		if (!gate_range(from, to, len, &at, &cnt)) {
			at = len;
			cnt = 0;
		}
		rc = trim_doom(g, c, w, len, at, cnt);
	}
	if (rc == 0) {
		return gate_walk_wait(g, c);
	}
	gate_walk_close(g, c, w);
	if (rc < 0) {
		return gate_error_of(g, c, rc);
	}
	c->acc = 1;
	return doomed_go(g, c, arg[1], REC_OK);
}

/* Which items go: up to most with this value, c->total of them are doomed. Returns: as
 * trim_doom. */
static int
rem_doom(struct gate *g, struct gate_conn *c, struct gate_walk *w, bool from_right, int64_t most,
	 struct slice value)
{
	struct list_item item;

	while (c->total < most) {
		if (!gate_walk_more(g, c, w)) {
			return 0;
		}
		if (!(from_right ? list_prev(w->v.state, &w->idx, &item)
				 : list_next(w->v.state, &w->at, &item))) {
			break;
		}
		if (slice_eq(item.value, value)) {
			if (!doom(g, c, &item)) {
				return MB_ERR_NO_MEMORY;
			}
			c->total++;
		}
	}
	return 1;
}

int
cmd_lrem(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	struct gate_walk now, *w;
	int64_t want, most;
	int n, rc;

	if (c->acc != 0) {
		return doomed_go(g, c, arg[1], REC_CHANGED);
	}
	if (!gate_word_i64(arg[2], &want)) {
		return gate_error(g, c, "ERR value is not an integer or out of range");
	}
	n = gate_walk_open(g, c, arg[1], LATTICE_LIST, UINT32_MAX, &now, &w);
	if (n != CACHE_HIT && n != CACHE_ABSENT) {
		return gate_look_refuse(g, c, n);
	}
	most = want == 0 || want == INT64_MIN ? INT64_MAX : want < 0 ? -want : want;
	rc = n == CACHE_HIT ? rem_doom(g, c, w, want < 0, most, arg[3]) : 1;
	if (rc == 0) {
		return gate_walk_wait(g, c);
	}
	gate_walk_close(g, c, w);
	if (rc < 0) {
		return gate_error_of(g, c, rc);
	}
	c->acc = 1;
	return doomed_go(g, c, arg[1], REC_CHANGED);
}
