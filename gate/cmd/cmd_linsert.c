/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_linsert - LINSERT: an item between two others
 *
 * It gets a position between theirs. When there is none left (some twenty inserts at one place) the
 * items before it move one place to the left, up to where there is room: each slot takes the value
 * of its right neighbour, and the first of them goes to a new slot in the room. All of that is one
 * set, done only if the list is still the one that was looked at.
 *
 *	a . b|c|d    x behind c, and no room on either side of c's slot
 *	a b c|x|d    b goes into the room behind a, c into b's slot, x into c's
 */
#include <endian.h>
#include <string.h>

#include <microburst/error.h>

#include "check.h"
#include "cmd_list.h"
#include "commands.h"
#include "lattice.h"
#include "view.h"

#define SHIFT_MAX (GATE_BATCH_OPS - 1)

/* The items around the place, found from the right: slot[0] is the one behind it (its id is empty
 * at the end of the list), slot[1] the one before it, and so on until there is room between two. */
struct place {
	struct list_item slot[SHIFT_MAX + 2];
	uint32_t shift; /* so many slots before the place get other values */
	uint64_t position;
};

/* Finds the pivot from the left. Returns: its index; UINT32_MAX: there is none. */
static uint32_t
pivot_find(struct slice state, struct slice pivot)
{
	struct table_walk walk = { 0 };
	struct list_item item;

	for (uint32_t i = 0; list_next(state, &walk, &item); i++) {
		if (slice_eq(item.value, pivot)) {
			return i;
		}
	}
	return UINT32_MAX;
}

/* The place behind the first n items of cnt. Returns: false: there is no room near it. */
static bool
place_find(struct slice state, uint32_t n, uint32_t cnt, size_t op_bytes, struct place *ret)
{
	uint32_t idx = UINT32_MAX, found = 0;
	size_t bytes = 0;

	*ret = (struct place){ 0 };
	for (uint32_t behind = cnt - n; behind > 0; behind--) {
		(void)list_prev(state, &idx, &ret->slot[0]);
	}
	for (found = 1; found <= SHIFT_MAX + 1; found++) {
		struct list_item *left = &ret->slot[found];

		if (!list_prev(state, &idx, left)) {
			*left = (struct list_item){ 0 }; /* the list begins here */
		}
		if (list_place_between(left->id, ret->slot[found - 1].id, &ret->position)) {
			ret->shift = found - 1;
			return true;
		}
		bytes += op_bytes + left->value.len;
		if (left->id.len == 0 || left->value.len > WSET_INLINE_MAX ||
		    bytes > GATE_BATCH_BYTES) {
			return false;
		}
	}
	return false;
}

/* Returns: what the handler returns. */
static int
place_write(struct gate *g, struct gate_conn *c, struct slice key, const struct place *p,
	    struct slice value, uint64_t version)
{
	uint64_t position = htole64(p->position);
	struct wset_op op = { .kind = WSET_LIST_PLACE,
			      .key = key,
			      .field = slice_of(&position, sizeof(position)),
			      .value = p->shift == 0 ? value : p->slot[p->shift].value };
	uint32_t cnt = 0;
	int err = gate_held_op(g, c, &op, version, cnt);

	op.kind = WSET_LIST_SET;
	for (uint32_t i = p->shift; err == 0 && i > 0; i--) {
		op.field = p->slot[i].id;
		op.value = i == 1 ? value : p->slot[i - 1].value;
		err = gate_held_op(g, c, &op, version, ++cnt);
	}
	return gate_held_end(g, c, err, cnt);
}

int
cmd_linsert(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	bool behind = gate_word_is(arg[2], "after");
	struct cache_value v;
	struct place place;
	uint32_t cnt, at;
	int n;

	if (!behind && !gate_word_is(arg[2], "before")) {
		return gate_error(g, c, "ERR syntax error");
	}
	n = gate_look_as(g, c, arg[1], LATTICE_LIST, &v);
	if (n != CACHE_HIT && n != CACHE_ABSENT) {
		return gate_look_refuse(g, c, n);
	}
	cnt = n == CACHE_HIT ? view_cnt(v.type, v.state) : 0;
	at = cnt != 0 ? pivot_find(v.state, arg[3]) : UINT32_MAX;
	if (at == UINT32_MAX) {
		gate_int(g, c, n == CACHE_HIT ? -1 : 0);
		gate_look_end(g, &v);
		return GATE_DONE;
	}
	if (!place_find(v.state, at + behind, cnt, WSET_OP_HEAD + arg[1].len + LIST_ID_BYTES + 8,
			&place)) {
		gate_look_end(g, &v);
		return gate_error(g, c, "ERR too many items were inserted at one place");
	}
	gate_held_begin(c);
	gate_int(g, c, (int64_t)cnt + 1);
	n = place_write(g, c, arg[1], &place, arg[4], v.version);
	gate_look_end(g, &v);
	return n;
}
