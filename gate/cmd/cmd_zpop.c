/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_zpop - commands that take members off sorted sets
 *
 * A member is given to one client only: it is taken if the set is still the one that was looked at,
 * else the command looks again.
 */
#include <string.h>

#include <microburst/error.h>

#include "check.h"
#include "cmd_zset.h"
#include "commands.h"
#include "gate_block.h"
#include "lattice.h"
#include "view.h"

/* Takes up to most of the first (or last), as they are answered; c->part is how many are taken. */
static int
entries_take(struct gate *g, struct gate_conn *c, struct slice key, struct cache_value *v, bool max,
	     uint32_t most, bool pairs)
{
	uint32_t all, cnt = 0;
	struct oset_entry *e = gate_zset_take(g, c, v, NULL, NULL, &all);
	int err = 0;

	if (e == NULL) {
		gate_look_end(g, v);
		return MB_ERR_NO_MEMORY;
	}
	most = MIN(MIN(most, all), GATE_BATCH_OPS + 1U); /* one more than a part takes */
	oset_sort_part(e, all, max ? all - most : 0, max ? all : most);
	for (; cnt < most; cnt++) {
		const struct oset_entry *at = &e[max ? all - 1 - cnt : cnt];
		struct wset_op op = { .kind = WSET_ZREM, .key = key, .field = at->member };

		err = gate_held_op(g, c, &op, v->version, cnt);
		if (err != 0) {
			break;
		}
		if (pairs) {
			gate_array(g, c, 2);
		}
		gate_bulk(g, c, at->member);
		gate_double(g, c, at->score);
	}
	gate_look_end(g, v);
	c->total_next = cnt;
	return err;
}

static int
zpop(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt, bool max)
{
	bool pairs = c->proto == 3 && arg_cnt == 3;
	struct cache_value v;
	int64_t most = 1;
	uint32_t cnt;
	int err, n;

	if (arg_cnt > 3) {
		return gate_error(g, c, "ERR syntax error");
	}
	if (arg_cnt == 3 && (!gate_word_i64(arg[2], &most) || most < 0)) {
		return gate_error(g, c, "ERR value is out of range, must be positive");
	}
	n = gate_look_part(g, c, arg[1], LATTICE_OSET, &v);
	if (n != CACHE_HIT && n != CACHE_ABSENT) {
		return gate_look_refuse(g, c, n);
	}
	if (n == CACHE_ABSENT || most == 0) {
		gate_look_end(g, &v);
		if (c->part > 0) {
			gate_out_fill_array(g, c, c->hole, (pairs ? 1 : 2) * (size_t)c->part);
		} else {
			gate_array(g, c, 0);
		}
		return GATE_DONE;
	}
	gate_held_begin(c);
	if (c->part == 0) {
		c->hole = gate_out_hole(g, c);
		c->quiet = true;
	}
	err = entries_take(g, c, arg[1], &v, max,
			   (uint32_t)MIN(most - (int64_t)c->part, UINT32_MAX), pairs);
	if (err == MB_ERR_NO_MEMORY) {
		c->unfit = true;
		return GATE_DONE;
	}
	cnt = (uint32_t)c->total_next;
	if (err == MB_ERR_FULL && cnt > 0) {
		c->part_next = c->part + cnt;
	} else if (err == 0) {
		gate_out_fill_array(g, c, c->hole, (pairs ? 1 : 2) * (size_t)(c->part + cnt));
	}
	return gate_held_end(g, c, err, cnt);
}

int
cmd_zpopmin(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	return zpop(g, c, arg, arg_cnt, false);
}

int
cmd_zpopmax(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	return zpop(g, c, arg, arg_cnt, true);
}

static int
zpop_blocking(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt,
	      bool max)
{
	struct cache_value v;
	double timeout_s;
	uint32_t idx;
	int err, code;

	if (!gate_block_timeout(g, c, arg[arg_cnt - 1], &timeout_s)) {
		return GATE_DONE;
	}
	if (!gate_first(g, c, arg + 1, arg_cnt - 2, LATTICE_OSET, timeout_s, &v, &idx, &code)) {
		return code;
	}
	gate_held_begin(c);
	gate_array(g, c, 3);
	gate_bulk(g, c, arg[1 + idx]);
	err = entries_take(g, c, arg[1 + idx], &v, max, 1, false);
	if (err == MB_ERR_NO_MEMORY) {
		c->unfit = true;
		return GATE_DONE;
	}
	return gate_held_end(g, c, err, (uint32_t)c->total_next);
}

int
cmd_bzpopmin(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	return zpop_blocking(g, c, arg, arg_cnt, false);
}

int
cmd_bzpopmax(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	return zpop_blocking(g, c, arg, arg_cnt, true);
}

/* ------------------------------------------------------------------------ of several keys */

static int
zmpop(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt, uint32_t at,
      double timeout_s)
{
	struct gate_mpop m;
	uint32_t cnt;
	int64_t idx;
	int err, code;

	if (!gate_mpop(g, c, arg, arg_cnt, at, "min", "max", LATTICE_OSET, timeout_s, &m, &code)) {
		return code;
	}
	idx = c->total_next;
	gate_held_begin(c);
	if (c->part == 0) {
		gate_array(g, c, 2);
		gate_bulk(g, c, m.key);
		c->hole = gate_out_hole(g, c);
		c->quiet = true;
	}
	err = entries_take(g, c, m.key, &m.value, m.second, m.most - c->part, true);
	if (err == MB_ERR_NO_MEMORY) {
		c->unfit = true;
		return GATE_DONE;
	}
	cnt = (uint32_t)c->total_next;
	if (err == MB_ERR_FULL && cnt > 0) {
		c->part_next = c->part + cnt;
	} else if (err == 0) {
		gate_out_fill_array(g, c, c->hole, (size_t)c->part + cnt);
	}
	c->total_next = idx;
	return gate_held_end(g, c, err, cnt);
}

int
cmd_zmpop(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	return zmpop(g, c, arg, arg_cnt, 1, -1);
}

int
cmd_bzmpop(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	double timeout_s;

	return gate_block_timeout(g, c, arg[1], &timeout_s)
		       ? zmpop(g, c, arg, arg_cnt, 2, timeout_s)
		       : (int)GATE_DONE;
}
