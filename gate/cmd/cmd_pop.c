/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_pop - commands that take items off lists, and move them to others
 *
 * An item is given to one client only: it is taken if it is still at the list's end, else the
 * command looks again (gate_pop.h). From one list to another of the same cache tile an item moves
 * in one step; else it is first taken, then pushed, and in between it is in none of the two.
 */
#include <string.h>

#include <microburst/error.h>

#include "check.h"
#include "cmd_list.h"
#include "commands.h"
#include "gate_block.h"
#include "hash.h"
#include "lattice.h"
#include "view.h"

/* The next item that can be taken; the first one, whoever takes it already (T2 of gate_pop.h). */
static bool
item_find(const struct gate *g, const struct cache_value *v, struct gate_pop_walk *walk, bool first,
	  struct list_item *ret)
{
	const struct gate_pop_walk from = *walk;

	if (gate_pop_next(g, v->state, walk, ret)) {
		return true;
	}
	if (!first) {
		return false;
	}
	*walk = from;
	walk->all = true;
	return gate_pop_next(g, v->state, walk, ret);
}

/* Takes up to most items off an end; their values are written, the last one from where the cache
 * has it. */
static int
items_take(struct gate *g, struct gate_conn *c, struct slice key, struct cache_value *v,
	   enum list_end end, uint32_t most, uint32_t *ret_cnt)
{
	struct gate_pop_walk walk = gate_pop_walk(key, end);
	struct list_item item;
	uint32_t cnt = 0;
	int err = 0;

	while (cnt < most && item_find(g, v, &walk, cnt == 0, &item)) {
		err = gate_pop_op(g, c, key, item.id, end, cnt);
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
	return err;
}

/* Up to most items as an array, in as many parts as that takes; before it, in the first part, the
 * array [key, items] if that is asked for. */
static int
many_take(struct gate *g, struct gate_conn *c, struct slice key, struct cache_value *v,
	  enum list_end end, uint32_t most, bool named)
{
	uint32_t cnt = 0;
	int err = 0;

	gate_held_begin(c);
	if (c->part == 0) {
		if (named) {
			gate_array(g, c, 2);
			gate_bulk(g, c, key);
		}
		c->hole = gate_out_hole(g, c);
		c->quiet = true;
	}
	err = items_take(g, c, key, v, end, most - c->part, &cnt);
	gate_look_end(g, v);
	if (err == MB_ERR_FULL && cnt > 0) {
		c->part_next = c->part + cnt;
	} else if (err == 0) {
		gate_out_fill_array(g, c, c->hole, (size_t)c->part + cnt);
	}
	if (err == 0 && cnt == 0) { /* none is left for this part */
		return GATE_DONE;
	}
	return gate_held_end(g, c, err, cnt);
}

static int
pop(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt,
    enum list_end end)
{
	struct cache_value v;
	int64_t most = 1;
	uint32_t cnt;
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
	err = items_take(g, c, arg[1], &v, end, 1, &cnt);
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

static bool
end_word(struct slice word, enum list_end *ret)
{
	*ret = gate_word_is(word, "left") ? LIST_LEFT : LIST_RIGHT;
	return *ret == LIST_LEFT || gate_word_is(word, "right");
}

static int
pop_blocking(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt,
	     enum list_end end)
{
	struct cache_value v;
	uint32_t idx, cnt;
	double timeout_s;
	int err, code;

	if (!gate_block_timeout(g, c, arg[arg_cnt - 1], &timeout_s)) {
		return GATE_DONE;
	}
	if (!gate_first(g, c, arg + 1, arg_cnt - 2, LATTICE_LIST, timeout_s, &v, &idx, &code)) {
		return code;
	}
	gate_held_begin(c);
	gate_array(g, c, 2);
	gate_bulk(g, c, arg[1 + idx]);
	err = items_take(g, c, arg[1 + idx], &v, end, 1, &cnt);
	gate_look_end(g, &v);
	return gate_held_end(g, c, err, cnt);
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

/* ------------------------------------------------------------------------ moving */

/* The second part: what was taken, and stands in c->keep, is pushed. */
static int
move_push(struct gate *g, struct gate_conn *c, struct slice to, enum wset_kind kind)
{
	struct wset_op op = { .kind = kind, .key = to, .value = slice_of(c->keep, c->keep_len) };

	gate_held_begin(c);
	gate_bulk(g, c, op.value);
	return gate_held_end(g, c, gate_held_op(g, c, &op, 0, 0), 0);
}

/* timeout_s < 0: it does not wait. */
static int
move(struct gate *g, struct gate_conn *c, struct slice from, struct slice to,
     enum list_end from_end, enum list_end to_end, double timeout_s)
{
	struct wset_op then = { .kind = to_end == LIST_LEFT ? WSET_PUSH_LEFT : WSET_PUSH_RIGHT,
				.key = to };
	uint64_t from_hash = hash_bytes(from.p, from.len), to_hash = hash_bytes(to.p, to.len);
	struct gate_pop_walk walk = gate_pop_walk(from, from_end);
	uint8_t id[LIST_ID_BYTES];
	struct cache_value v, there;
	struct list_item item;
	bool apart;
	int n;

	if (c->part > 0) {
		return move_push(g, c, to, then.kind);
	}
	n = gate_look_as(g, c, from, LATTICE_LIST, &v);
	if ((n == CACHE_ABSENT || gate_waits_on(c, n)) && timeout_s >= 0 && !c->timed_out) {
		return gate_block(g, c, gate_key_bit(from_hash), timeout_s);
	}
	if (n == CACHE_HIT) { /* else it does not matter what is there */
		int to_n = gate_look_as(g, c, to, LATTICE_LIST, &there);

		gate_look_end(g, &there);
		if (to_n != CACHE_HIT && to_n != CACHE_ABSENT) {
			gate_look_end(g, &v);
			return gate_look_refuse(g, c, to_n);
		}
	}
	if (n == CACHE_ABSENT || (n == CACHE_HIT && !item_find(g, &v, &walk, true, &item))) {
		gate_look_end(g, &v);
		gate_null(g, c);
		return GATE_DONE;
	}
	if (n != CACHE_HIT) {
		return gate_look_refuse(g, c, n);
	}
	if (!gate_conn_keep(g, c, item.value.len + 1)) {
		gate_look_end(g, &v);
		return gate_error_of(g, c, MB_ERR_NO_MEMORY);
	}
	memcpy(id, item.id.p, LIST_ID_BYTES);
	memcpy(c->keep, item.value.len != 0 ? item.value.p : (const uint8_t *)"", item.value.len);
	c->keep_len = (uint32_t)item.value.len;
	gate_look_end(g, &v);
	then.value = slice_of(c->keep, c->keep_len);
	gate_held_begin(c);
	apart = cache_tile_of(from_hash, g->view.shard_cnt) !=
		cache_tile_of(to_hash, g->view.shard_cnt);
	if (!apart) {
		gate_bulk(g, c, then.value);
	}
	n = gate_pop_op(g, c, from, slice_of(id, LIST_ID_BYTES), from_end, 0);
	if (n != 0 || apart) {
		c->part_next = n == 0 ? 1 : 0;
		return gate_held_end(g, c, n, 0);
	}
	n = gate_write_op_after(g, c, &then);
	if (n != 0) { /* none of the two, then */
		gate_held_undo(g, c);
		gate_out_back(g, c, &c->mark);
		return n == MB_ERR_FULL ? (int)GATE_WAIT : gate_error_of(g, c, n);
	}
	return gate_held_end(g, c, 0, 1);
}

int
cmd_lmove(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	enum list_end from, to;

	if (!end_word(arg[3], &from) || !end_word(arg[4], &to)) {
		return gate_error(g, c, "ERR syntax error");
	}
	return move(g, c, arg[1], arg[2], from, to, -1);
}

int
cmd_rpoplpush(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	return move(g, c, arg[1], arg[2], LIST_RIGHT, LIST_LEFT, -1);
}

int
cmd_blmove(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	enum list_end from, to;
	double timeout_s;

	if (!end_word(arg[3], &from) || !end_word(arg[4], &to)) {
		return gate_error(g, c, "ERR syntax error");
	}
	return gate_block_timeout(g, c, arg[5], &timeout_s)
		       ? move(g, c, arg[1], arg[2], from, to, timeout_s)
		       : (int)GATE_DONE;
}

int
cmd_brpoplpush(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	double timeout_s;

	return gate_block_timeout(g, c, arg[3], &timeout_s)
		       ? move(g, c, arg[1], arg[2], LIST_RIGHT, LIST_LEFT, timeout_s)
		       : (int)GATE_DONE;
}
