/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_move - commands that move an item from one list to another
 *
 * Within a cache tile both are one set of operations, and nobody sees the item in none of the two.
 * Else it is taken, then pushed, and in between this command has it, in c->keep:
 *
 *	part 0  take ─────────► part 1  push ──► the item is the reply
 *	        take and push ──┐       refused
 *	                refused └─────────┴──► part 2  push it where it was ──► why, is the reply
 *
 *   M1  What is taken is pushed: a command that has an item goes on, though its client be gone or
 *       CLIENT PAUSE have begun (c->moves).
 *   M2  A push that is refused (no memory in the store, or the list became another type just now)
 *       changed nothing; so the item goes back to the end that it came from. What too few owners
 *       said in time that they have is done; who asked is told, at the end.
 *   M3  A list that refuses to have its item back is asked MOVE_TRIES times. It has just become
 *       shorter by it, so there is room.
 *
 * Rejected: to push first, and take then what is still there. Whoever pops the second list at once
 * gets an item that another one may be given by the first: an item comes out twice, where here one
 * is missing for a moment.
 */
#include <string.h>

#include <microburst/error.h>

#include "cmd_list.h"
#include "commands.h"
#include "gate_block.h"
#include "hash.h"
#include "lattice.h"

#define MOVE_TRIES 1000

enum move_part { MOVE_TAKE = 0, MOVE_PUSH, MOVE_BACK };

bool
gate_move_goes_on(struct gate_conn *c, int err)
{
	if (c->moves == GATE_MOVES_NOT) {
		return false;
	}
	switch (c->part) {
	case MOVE_TAKE:
		if (c->done_cnt != 1) { /* nothing was done, or both */
			return false;
		}
		c->part = c->moves == GATE_MOVES_APART ? MOVE_PUSH : MOVE_BACK;
		break;
	case MOVE_PUSH:
		if (c->done_cnt != 0) {
			return false;
		}
		c->part = MOVE_BACK; /* M2 */
		break;
	default:
		return c->done_cnt == 0 && c->tries++ < MOVE_TRIES; /* M3 */
	}
	c->total = err;
	c->tries = 0;
	return true;
}

/* What was taken, and stands in c->keep, is pushed; c->total: what went wrong. */
static int
move_push(struct gate *g, struct gate_conn *c, struct slice to, enum list_end end)
{
	struct wset_op op = { .kind = end == LIST_LEFT ? WSET_PUSH_LEFT : WSET_PUSH_RIGHT,
			      .key = to,
			      .value = slice_of(c->keep, c->keep_len) };

	gate_held_begin(c);
	if (c->total == 0) {
		gate_bulk(g, c, op.value);
	} else {
		gate_error_of(g, c, (int)c->total);
	}
	return gate_held_end(g, c, gate_held_op(g, c, &op, 0, 0), 0);
}

/* Whether the list has one item, which is then where it was when it goes from one end to the other.
 * Taking it would leave no list for a moment, and its deadline would go with it. */
static bool
is_alone(struct slice list, struct list_item *ret)
{
	struct table_walk left = { 0 };
	uint32_t right = UINT32_MAX;
	struct list_item last;

	return list_next(list, &left, ret) && list_prev(list, &right, &last) &&
	       slice_eq(ret->id, last.id);
}

/* There is no item that it can take: it waits for one, or says so. */
static int
none(struct gate *g, struct gate_conn *c, const struct gate_wants *wants, double timeout_s)
{
	if (timeout_s >= 0 && !c->timed_out) {
		return gate_block(g, c, wants, timeout_s);
	}
	if (c->timed_out && !gate_multi_runs(c)) { /* one that waited has a null of its own */
		gate_null_array(g, c);
	} else {
		gate_null(g, c);
	}
	return GATE_DONE;
}

/* An item is found: part 0 of the picture above. v, that it is in, is let go of; walk stands behind
 * it. */
static int
move_take(struct gate *g, struct gate_conn *c, struct slice from, struct slice to,
	  enum list_end to_end, struct gate_pop_walk *walk, struct cache_value *v,
	  const struct list_item *item)
{
	uint8_t id[LIST_ID_BYTES];
	struct wset_op take = { .kind = WSET_LIST_DEL,
				.key = from,
				.field = slice_of(id, sizeof(id)) };
	struct wset_op then = { .kind = to_end == LIST_LEFT ? WSET_PUSH_LEFT : WSET_PUSH_RIGHT,
				.key = to };
	bool apart = cache_tile_of(walk->key_hash, g->view.shard_cnt) !=
		     cache_tile_of(hash_bytes(to.p, to.len), g->view.shard_cnt);
	struct list_item next;
	bool left, sure = !walk->all; /* nobody else takes it */
	int n;

	if (!gate_conn_keep(g, c, item->value.len + 1)) {
		gate_look_end(g, v);
		return gate_error_of(g, c, MB_ERR_NO_MEMORY);
	}
	memcpy(id, item->id.p, LIST_ID_BYTES);
	memcpy(c->keep, item->value.len != 0 ? item->value.p : (const uint8_t *)"",
	       item->value.len);
	c->keep_len = (uint32_t)item->value.len;
	left = c->place.looking && gate_pop_next(g, v->state, walk, &next);
	gate_look_end(g, v);
	then.value = slice_of(c->keep, c->keep_len);
	gate_held_begin(c);
	if (!apart) {
		gate_bulk(g, c, then.value);
	}
	n = gate_pop_op(g, c, &take, gate_pop_end(walk->end), 0);
	if (n != 0 || apart) {
		c->part_next = n == 0 ? MOVE_PUSH : MOVE_TAKE;
		c->moves = n == 0 ? GATE_MOVES_APART : GATE_MOVES_NOT; /* M1 */
		n = gate_held_end(g, c, n, 0);
		return sure ? gate_block_chosen(g, c, from, left, n) : n;
	}
	n = gate_write_op_after(g, c, &then);
	if (n != 0) { /* none of the two, then */
		gate_held_undo(g, c);
		gate_out_back(g, c, &c->mark);
		return n == MB_ERR_FULL ? (int)GATE_WAIT : gate_error_of(g, c, n);
	}
	c->moves = GATE_MOVES_ONE;
	n = gate_held_end(g, c, 0, 1);
	return sure ? gate_block_chosen(g, c, from, left, n) : n;
}

/* timeout_s < 0: it does not wait. */
static int
move(struct gate *g, struct gate_conn *c, struct slice from, struct slice to,
     enum list_end from_end, enum list_end to_end, double timeout_s)
{
	uint64_t from_hash = hash_bytes(from.p, from.len);
	struct gate_pop_walk walk = gate_pop_walk(from, from_end);
	struct cache_value v, there;
	struct list_item item;
	struct gate_wants wants = { 0 };
	bool taken; /* by others, all of it */
	int n, to_n = CACHE_HIT, code;

	if (c->part != MOVE_TAKE) {
		return c->part == MOVE_PUSH ? move_push(g, c, to, to_end)
					    : move_push(g, c, from, from_end);
	}
	c->moves = GATE_MOVES_NOT;
	gate_wants_add(&wants, from_hash);
	n = gate_look_as(g, c, from, LATTICE_LIST, &v);
	if (n == CACHE_ABSENT || gate_waits_on(c, n)) {
		return none(g, c, &wants, timeout_s);
	}
	if (n == CACHE_HIT) { /* else it does not matter what is there */
		to_n = gate_look_as(g, c, to, LATTICE_LIST, &there);
		gate_look_end(g, &there);
		n = to_n == CACHE_MISS || to_n == MB_ERR_FULL ? to_n : n;
	}
	if (n != CACHE_HIT) {
		gate_look_end(g, &v);
		return gate_block_waits(g, c, &wants, timeout_s, gate_look_refuse(g, c, n));
	}
	if (gate_block_yields(g, c, from_hash, &wants, timeout_s, &code)) {
		gate_look_end(g, &v);
		return code;
	}
	if (slice_eq(from, to) && is_alone(v.state, &item)) {
		gate_bulk_value(g, c, item.value, &v);
		gate_look_end(g, &v);
		return GATE_DONE;
	}
	if (to_n != CACHE_HIT && to_n != CACHE_ABSENT) {
		taken = !gate_pop_find(g, v.state, &walk, false, &item);
		gate_look_end(g, &v);
		return taken && gate_waits_on(c, to_n) /* who comes just now sees an item there */
			       ? none(g, c, &wants, timeout_s)
			       : gate_look_refuse(g, c, to_n);
	}
	if (!gate_pop_find(g, v.state, &walk, true, &item)) {
		gate_look_end(g, &v);
		return none(g, c, &wants, timeout_s);
	}
	return move_take(g, c, from, to, to_end, &walk, &v, &item);
}

static bool
end_word(struct slice word, enum list_end *ret)
{
	*ret = gate_word_is(word, "left") ? LIST_LEFT : LIST_RIGHT;
	return *ret == LIST_LEFT || gate_word_is(word, "right");
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
