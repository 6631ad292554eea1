/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_pop - commands that take items off lists
 *
 * An item is given to one client only: it is taken if it is still at the list's end, else the
 * command looks again (gate_pop.h).
 */
#include <microburst/error.h>

#include "check.h"
#include "cmd_list.h"
#include "commands.h"
#include "gate_block.h"
#include "hash.h"
#include "lattice.h"
#include "view.h"

/* Takes up to most items off an end; their values are written, the last one from where the cache
 * has it. ret_sure: nobody else takes them. */
static int
items_take(struct gate *g, struct gate_conn *c, struct slice key, struct cache_value *v,
	   enum list_end end, uint32_t most, uint32_t *ret_cnt, bool *ret_sure)
{
	struct gate_pop_walk walk = gate_pop_walk(key, end);
	struct list_item item;
	uint32_t cnt = 0;
	int err = 0;

	while (cnt < most && gate_pop_find(g, v->state, &walk, cnt == 0, &item)) {
		struct wset_op op = { .kind = WSET_LIST_DEL, .key = key, .field = item.id };

		err = gate_pop_op(g, c, &op, gate_pop_end(end), cnt);
		if (err != 0) {
			break;
		}
		if (++cnt == most) {
			gate_bulk_value(g, c, item.value, v); /* nothing more is looked for */
		} else {
			gate_bulk(g, c, item.value);
		}
	}
	*ret_cnt = cnt;
	*ret_sure = !walk.all;
	return err;
}

/* Up to most items as an array, in as many parts as that takes; before it, in the first part, the
 * array [key, items] if that is asked for. */
static int
many_take(struct gate *g, struct gate_conn *c, struct slice key, struct cache_value *v,
	  enum list_end end, uint32_t most, bool named)
{
	uint32_t cnt = 0;
	bool left, sure;
	int err = 0, n;

	gate_held_begin(c);
	if (c->part == 0) {
		if (named) {
			gate_array(g, c, 2);
			gate_bulk(g, c, key);
		}
		c->hole = gate_out_hole(g, c);
		c->quiet = true;
	}
	err = items_take(g, c, key, v, end, most - c->part, &cnt, &sure);
	left = c->place.looking && gate_pop_left(g, key, v->state, end);
	gate_look_end(g, v);
	if (err == MB_ERR_FULL && cnt > 0) {
		c->part_next = c->part + cnt;
	} else if (err == 0) {
		gate_out_fill_array(g, c, c->hole, (size_t)c->part + cnt);
	}
	if (err == 0 && cnt == 0) { /* none is left for this part */
		return GATE_DONE;
	}
	n = gate_held_end(g, c, err, cnt);
	return sure ? gate_block_chosen(g, c, key, left, n) : n;
}

static int
pop(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt,
    enum list_end end)
{
	struct cache_value v;
	int64_t most = 1;
	uint32_t cnt;
	bool sure;
	int err, n;

	if (arg_cnt > 3) {
		return gate_error_f(g, c, "ERR wrong number of arguments for '%s' command",
				    c->command->name);
	}
	if (arg_cnt == 3 && (!gate_word_i64(arg[2], &most) || most < 0)) {
		return gate_error(g, c, "ERR value is out of range, must be positive");
	}
	n = gate_look_part(g, c, arg[1], LATTICE_LIST, &v);
	if (n != CACHE_HIT && n != CACHE_ABSENT) {
		return gate_look_refuse(g, c, n);
	}
	if (n == CACHE_ABSENT) {
		if (c->part > 0) {
			gate_out_fill_array(g, c, c->hole, c->part);
		} else if (arg_cnt == 3) {
			gate_null_array(g, c);
		} else {
			gate_null(g, c);
		}
		return GATE_DONE;
	}
	if (arg_cnt == 3) {
		if (most == 0) {
			gate_look_end(g, &v);
			gate_array(g, c, 0);
			return GATE_DONE;
		}
		return many_take(g, c, arg[1], &v, end, (uint32_t)MIN(most, UINT32_MAX), false);
	}
	gate_held_begin(c);
	err = items_take(g, c, arg[1], &v, end, 1, &cnt, &sure);
	gate_look_end(g, &v);
	return gate_held_end(g, c, err, cnt);
}

int
cmd_lpop(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	return pop(g, c, arg, arg_cnt, LIST_LEFT);
}

int
cmd_rpop(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	return pop(g, c, arg, arg_cnt, LIST_RIGHT);
}

/* ------------------------------------------------------------------------ of several keys */

static int
pop_blocking(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt,
	     enum list_end end)
{
	struct cache_value v;
	uint32_t idx, cnt;
	double timeout_s;
	bool left, sure;
	int err, code, n;

	if (!gate_block_timeout(g, c, arg[arg_cnt - 1], &timeout_s)) {
		return GATE_DONE;
	}
	if (!gate_first(g, c, arg + 1, arg_cnt - 2, LATTICE_LIST, timeout_s, &v, &idx, &code)) {
		return code;
	}
	gate_held_begin(c);
	gate_array(g, c, 2);
	gate_bulk(g, c, arg[1 + idx]);
	err = items_take(g, c, arg[1 + idx], &v, end, 1, &cnt, &sure);
	left = c->place.looking && gate_pop_left(g, arg[1 + idx], v.state, end);
	gate_look_end(g, &v);
	n = gate_held_end(g, c, err, cnt);
	return sure ? gate_block_chosen(g, c, arg[1 + idx], left, n) : n;
}

int
cmd_blpop(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	return pop_blocking(g, c, arg, arg_cnt, LIST_LEFT);
}

int
cmd_brpop(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	return pop_blocking(g, c, arg, arg_cnt, LIST_RIGHT);
}

static int
mpop(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt, uint32_t at,
     const struct slice *timeout)
{
	struct gate_mpop m;
	int code;

	return gate_mpop(g, c, arg, arg_cnt, at, "left", "right", LATTICE_LIST, timeout, &m, &code)
		       ? many_take(g, c, m.key, &m.value, m.second ? LIST_RIGHT : LIST_LEFT, m.most,
				   true)
		       : code;
}

int
cmd_lmpop(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	return mpop(g, c, arg, arg_cnt, 1, NULL);
}

int
cmd_blmpop(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	return mpop(g, c, arg, arg_cnt, 2, &arg[1]);
}
