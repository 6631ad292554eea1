/* SPDX-License-Identifier: Apache-2.0 */
/* bag_executor - what a function of the simulator does with bags (bag.h) */
#include "app.h"
#include "bag.h"
#include "microburst/error.h"
#include "microburst/function.h"
#include "proc.h"
#include "sim.h"

/* The record of an operation: the table moves while others run. */
static struct op *
op_of(uint32_t token, uint32_t idx)
{
	return &proc_self()->sim->oracle.call[token].op[idx];
}

/* --------------------------------------------------------------------- reads */

/* A walk over any bag. */
struct walk {
	enum key_kind kind;
	struct mb_set_iter set;
	struct mb_list_iter list;
	struct mb_zset_iter zset;
	struct mb_zrange_iter range;
	struct mb_sibling_iter sibling;
	bool ordered;
};

static int
walk_begin(struct mb_call *call, const struct op *op, struct mb_slice key, struct walk *w)
{
	*w = (struct walk){ .kind = (enum key_kind)op->key_kind,
			    .ordered = op->key_kind == KEY_ZSET && op->left };
	switch (w->kind) {
	case KEY_LIST:
		return mb_list_begin(call, key, &w->list);
	case KEY_ZSET:
		return w->ordered ? mb_zrange_by_rank(call, key, 0, -1, &w->range)
				  : mb_zset_begin(call, key, &w->zset);
	case KEY_SIBLING:
		return mb_sibling_begin(call, key, &w->sibling);
	default:
		return mb_set_begin(call, key, &w->set);
	}
}

static bool
walk_next(struct walk *w, struct mb_slice *ret, double *ret_score)
{
	switch (w->kind) {
	case KEY_LIST:
		return mb_list_next(&w->list, ret);
	case KEY_ZSET:
		return w->ordered ? mb_zrange_next(&w->range, ret, ret_score)
				  : mb_zset_next(&w->zset, ret, ret_score);
	case KEY_SIBLING:
		return mb_sibling_next(&w->sibling, ret);
	default:
		return mb_set_next(&w->set, ret);
	}
}

/* Looks at a bag as of now, which at the level rr it need not be. */
static int
read_bag(struct mb_call *call, uint32_t token, uint32_t idx, struct mb_slice key)
{
	struct oracle *o = &proc_self()->sim->oracle;
	const struct op *op = op_of(token, idx);
	struct mb_slice item;
	struct walk w;
	double score;
	int err = walk_begin(call, op, key, &w);

	if (err != 0 && err != MB_ERR_NOT_FOUND) {
		return err;
	}
	op = op_of(token, idx);
	bag_look_begin(o, w.kind, op->key, !o->call[token].rr);
	while (err == 0 && walk_next(&w, &item, &score)) {
		bag_look_item(o, slice_of(item.p, item.len), w.kind == KEY_ZSET ? &score : NULL);
	}
	bag_look_own(o, &o->call[token], idx);
	bag_look_end(o, w.ordered);
	return 0;
}

/* -------------------------------------------------------------------- writes */

static int
pop(struct mb_call *call, uint32_t token, uint32_t idx, struct mb_slice key)
{
	const struct op *op = op_of(token, idx);
	struct mb_zrange_iter range;
	struct mb_slice item;
	double score;
	bool scored = op->key_kind == KEY_ZSET;
	int64_t place = op->left ? 0 : -1;
	int err;

	if (!scored) {
		err = op->left ? mb_pop_left(call, key, &item) : mb_pop_right(call, key, &item);
	} else {
		err = mb_zrange_by_rank(call, key, place, place, &range);
		if (err == 0 && !mb_zrange_next(&range, &item, &score)) {
			err = MB_ERR_NOT_FOUND;
		}
		if (err == 0) {
			err = mb_zrem(call, key, item);
		}
	}
	if (err == 0) {
		bag_popped(&proc_self()->sim->oracle, op_of(token, idx), slice_of(item.p, item.len),
			   scored ? &score : NULL, false);
	}
	return err == MB_ERR_NOT_FOUND ? 0 : err;
}

/* An item, in memory that is good until somebody else runs: it is copied before that. */
static struct mb_slice
item_of(enum key_kind kind, uint32_t n)
{
	static char text[ORACLE_MEMBER_MAX];

	return mb_slice_of(text, bag_item_text(kind, n, text, sizeof(text)));
}

static int
put_sibling(struct mb_call *call, uint32_t token, uint32_t idx, struct mb_slice key)
{
	struct oracle *o = &proc_self()->sim->oracle;
	struct mb_sibling_iter it;
	struct mb_slice seen;
	int err = mb_sibling_begin(call, key, &it);

	if (err != 0 && err != MB_ERR_NOT_FOUND) {
		return err;
	}
	while (err == 0 && mb_sibling_next(&it, &seen)) {
		bag_take(o, op_of(token, idx), oracle_member_number(slice_of(seen.p, seen.len)));
	}
	return mb_put_sibling(call, key, item_of(KEY_SIBLING, op_of(token, idx)->n));
}

static int
write_bag(struct mb_call *call, uint32_t token, uint32_t idx, struct mb_slice key)
{
	const struct op *op = op_of(token, idx);
	enum key_kind kind = (enum key_kind)op->key_kind;
	uint32_t n = op->n;
	struct mb_slice item;

	if (kind == KEY_SIBLING) {
		return put_sibling(call, token, idx, key);
	}
	item = item_of(kind, n);
	if (op->kind == OP_TAKE) {
		return kind == KEY_ZSET ? mb_zrem(call, key, item) : mb_srem(call, key, item);
	}
	switch (kind) {
	case KEY_LIST:
		return op->left ? mb_push_left(call, key, item) : mb_push_right(call, key, item);
	case KEY_ZSET:
		return mb_zadd(call, key, item, bag_score(n));
	default:
		return mb_sadd(call, key, item);
	}
}

int
bag_executor(struct mb_call *call, uint32_t token, uint32_t idx, struct mb_slice key)
{
	switch (op_of(token, idx)->kind) {
	case OP_READ:
		return read_bag(call, token, idx, key);
	case OP_POP:
		return pop(call, token, idx, key);
	default:
		return write_bag(call, token, idx, key);
	}
}
