/* SPDX-License-Identifier: Apache-2.0 */
/* grove_merge.c - a flat table merged into a tree: down to each leaf that changes, and back
 *
 * Each level hands up the nodes that take the places of the old ones, each with the place it is for
 * (`at`). Nothing old is touched but the links of what dies, and these mean nothing before the
 * commit; so giving up in the middle is dropping what is new.
 *
 * Items are taken out in the same way. A leaf of which nothing stays, and a node all of whose
 * children are gone, is handed up as a node of nothing.
 */
#include "grove_int.h"

#include "check.h"
#include "compiler.h"
#include "lattice.h"
#include "microburst/error.h"

/* -------------------------------------------------------------------------------------- growing */

struct growth {
	struct grove *g;
	struct grove_edit *edit;
	struct table delta;
	bool forgets; /* delta's items are taken out */
};

/* How much more room a leaf needs at most for an item of the delta. Short ones are summed up; of a
 * long one it is found out what it comes to: room for both is not had where there is that for one.
 */
static size_t
room_more(const struct growth *w, const struct table *leaf, struct slice item)
{
	const struct table_merge_ops *items = w->edit->items;
	struct wbuf none = { 0 };
	struct slice key, mine;
	size_t more = item.len;
	uint32_t at;

	if (item.len > TREE_NODE_BYTES) {
		key = items->key_of(item);
		if (!table_place(leaf, items->key_of, key, 0, leaf->cnt, &at)) {
			return more + TABLE_ITEM_OVERHEAD;
		}
		mine = table_item(leaf, at);
		if (items->leq(item, mine, LATTICE_ITEM_DEPTH)) {
			return 0;
		}
		more -= items->merge(mine, item, &none, LATTICE_ITEM_DEPTH) == LATTICE_RIGHT
				? MIN(mine.len, item.len)
				: key.len; /* stands in both, and once in what they come to */
	}
	return more + TABLE_ITEM_OVERHEAD;
}

/* Adds leaves of items [from, to) of the delta, behind some of the leaf's and before others. */
static int
leaves_among(struct growth *w, const struct table *leaf, uint32_t before, uint32_t behind,
	     uint32_t from, uint32_t to, uint32_t at, struct grove_chain *to_chain)
{
	int err = grove_leaves_make(w->g, w->edit, leaf, 0, before, true, at, to_chain);

	if (err == 0) {
		err = grove_leaves_make(w->g, w->edit, &w->delta, from, to, true, at, to_chain);
	}
	if (err == 0) {
		err = grove_leaves_make(w->g, w->edit, leaf, behind, leaf->cnt, true, at, to_chain);
	}
	return err != 0 ? err : LATTICE_MIXED;
}

/* As grow_leaf, where an item has a leaf for itself, or gets one: the others are put beside it.
 * Returns: also GROW_STAYS: MIXED, and the old leaf is among those that are added; GROW_TOGETHER:
 * it cannot be done like that. */
#define GROW_STAYS    (LATTICE_MIXED + 1)
#define GROW_TOGETHER (LATTICE_MIXED + 2)
static int
grow_apart(struct growth *w, const struct tree_node *child, const struct table *leaf, uint32_t from,
	   uint32_t to, uint32_t at, struct grove_chain *to_chain)
{
	struct tree_node *old = (struct tree_node *)(uintptr_t)child;
	const struct table_merge_ops *items = w->edit->items;
	struct slice item = table_item(&w->delta, from), mine = table_item(leaf, 0);
	bool is_long = leaf->cnt == 1 && grove_item_long(mine), found;
	struct wbuf none = { 0 };
	uint32_t m;
	int err;

	if (is_long && !table_place(&w->delta, items->key_of, items->key_of(mine), from, to, &m)) {
		err = leaves_among(w, leaf, 0, 1, from, m, at, to_chain);
		if (err == LATTICE_MIXED) {
			old->at = at;
			grove_chain_add(w->g, to_chain, old);
			err = leaves_among(w, leaf, 0, 1, m, to, at, to_chain);
		}
		return err == LATTICE_MIXED ? GROW_STAYS : err;
	}
	if (to - from > 1 || (!is_long && !grove_item_long(item))) {
		return GROW_TOGETHER;
	}
	found = table_place(leaf, items->key_of, items->key_of(item), 0, leaf->cnt, &m);
	mine = table_item(leaf, m);
	if (found && items->leq(item, mine, LATTICE_ITEM_DEPTH)) {
		return LATTICE_LEFT;
	}
	if (found && items->merge(mine, item, &none, LATTICE_ITEM_DEPTH) != LATTICE_RIGHT) {
		return GROW_TOGETHER;
	}
	return leaves_among(w, leaf, m, m + found, from, to, at, to_chain);
}

/* What ranks a leaf has, with a change. Returns: false: whoever had the lowest or the highest one
 * may be gone; it is to be looked at. */
static bool
ranks_after(struct rank_span ranks, const struct table_change *change, struct rank_span *ret)
{
	*ret = ranks;
	rank_span_add(ret, change->come);
	return change->gone.low > ranks.low && change->gone.high < ranks.high;
}

/* Merges items [from, to) of the delta into a leaf, of the node `old`; what comes of it is added to
 * the chain. */
static int
grow_leaf(struct growth *w, const struct tree_node *old, const struct table *leaf, uint32_t from,
	  uint32_t to, uint32_t at, struct grove_chain *to_chain)
{
	const struct table_merge_ops *items = w->edit->items;
	size_t heads = ((size_t)leaf->cnt + to - from) * TREE_HEAD_BYTES;
	size_t bound = table_bytes(leaf), room, used;
	struct table_change change;
	struct rank_span ranks;
	struct tree_node *node;
	struct table t;
	struct wbuf out;
	bool at_end, known;
	int err;

	for (uint32_t j = from; j < to; j++) {
		bound += room_more(w, leaf, table_item(&w->delta, j));
	}
	if (bound > LATTICE_BYTES_MAX) {
		return MB_ERR_TOO_LARGE;
	}
	room = bound + heads;
	err = grove_node_new(w->g, w->edit, room, 0, at, &node);
	if (err != 0) {
		return err;
	}
	out = wbuf_init(node->body, bound);
	err = table_merge_run(leaf, &w->delta, from, to, items, &out, LATTICE_ITEM_DEPTH, &change);
	if (err != LATTICE_MIXED) {
		grove_node_free(w->g, node);
		return err;
	}
	known = ranks_after(old->ranks, &change, &ranks);
	grove_leaf_close(w->edit, node, out.len, old->present + (uint32_t)change.more,
			 known ? &ranks : NULL); /* present: modulo 2^32 */
	used = tree_body_bytes(node);
	if ((used <= TREE_BODY_MAX || node->cnt == 1) && room - used <= room / 8) {
		grove_chain_add(w->g, to_chain, node);
		return LATTICE_MIXED;
	}
	/* Too long, or in too much room. */
	t = grove_body(node);
	at_end = slice_eq(items->key_of(table_item(&t, t.cnt - 1)),
			  items->key_of(table_item(&w->delta, to - 1)));
	err = grove_leaves_make(w->g, w->edit, &t, 0, t.cnt, at_end, at, to_chain);
	grove_node_free(w->g, node);
	return err != 0 ? err : LATTICE_MIXED;
}

/* ------------------------------------------------------------------------------------ shrinking */

/* Hands up that nothing is at a place any more. */
static int
gone_add(struct growth *w, uint32_t at, struct grove_chain *to_chain)
{
	struct tree_node *node;
	int err = grove_node_new(w->g, w->edit, 0, 0, at, &node);

	if (err == 0) {
		grove_chain_add(w->g, to_chain, node);
	}
	return err != 0 ? err : LATTICE_MIXED;
}

/* Finds items [from, to) of the delta in a leaf. Returns: how long they are, with what a leaf has
 * beside them; SIZE_MAX: they are not all there as they are given. */
static size_t
found_bytes(const struct growth *w, const struct table *leaf, uint32_t from, uint32_t to)
{
	size_t bytes = 0;
	uint32_t at = 0;

	for (uint32_t j = from; j < to; j++) {
		struct slice item = table_item(&w->delta, j);

		if (!table_place(leaf, w->edit->items->key_of, w->edit->items->key_of(item), at,
				 leaf->cnt, &at) ||
		    !slice_eq(table_item(leaf, at), item)) {
			return SIZE_MAX;
		}
		bytes += item.len + TREE_ITEM_OVERHEAD;
	}
	return bytes;
}

/* Takes items [from, to) of the delta out of a leaf, of which so many are present, as before. */
static int
shrink_leaf(struct growth *w, const struct table *leaf, uint32_t present, uint32_t from,
	    uint32_t to, uint32_t at, struct grove_chain *to_chain)
{
	size_t bytes = table_bytes(leaf) + (size_t)leaf->cnt * TREE_HEAD_BYTES;
	size_t found = found_bytes(w, leaf, from, to);
	struct tree_node *node;
	struct table_builder b;
	struct wbuf out;
	uint32_t i = 0;
	int err;

	if (found == SIZE_MAX) {
		return MB_ERR_NOT_FOUND;
	}
	if (to - from == leaf->cnt) {
		return gone_add(w, at, to_chain);
	}
	err = grove_node_new(w->g, w->edit, bytes - found, 0, at, &node);
	if (err != 0) {
		return err;
	}
	out = wbuf_init(node->body, bytes - found);
	table_begin(&b, &out);
	for (uint32_t m = 0; from < to; from++, i = m + 1) {
		struct slice key = w->edit->items->key_of(table_item(&w->delta, from));

		(void)table_place(leaf, w->edit->items->key_of, key, i, leaf->cnt, &m);
		table_add_run(&b, leaf, i, m);
	}
	table_add_run(&b, leaf, i, leaf->cnt);
	INSIST(table_end(&b) == 0);
	grove_leaf_close(w->edit, node, out.len, present, NULL);
	grove_chain_add(w->g, to_chain, node);
	return LATTICE_MIXED;
}

/* Whether an inner node has no children any more, with these new ones. */
static bool
is_childless(const struct growth *w, const struct table *inner, const struct grove_chain *kids)
{
	struct grove_children c = grove_children_of(w->g, w->edit, inner, kids);
	struct tree_entry e;

	return !grove_children_next(&c, &e);
}

/* --------------------------------------------------------------------------------- inner nodes */

/* Writes an inner node anew, with new children. */
static int
inner_renew(struct grove *g, const struct grove_edit *edit, const struct tree_node *old,
	    const struct grove_chain *kids, uint32_t at, struct grove_chain *to_chain)
{
	struct grove_chain made = { 0 };
	struct table t = grove_body(old);
	struct tree_node *node;
	int err;

	if (grove_one_for_one(g, edit, kids)) {
		err = grove_node_new(g, edit, tree_body_bytes(old), old->height, at, &node);
		if (err == 0) {
			grove_inner_patch(g, old, kids, node);
			grove_chain_add(g, to_chain, node);
		}
		return err;
	}
	err = grove_inner_make(g, edit, grove_children_of(g, edit, &t, kids), old->height, at,
			       kids->last->at == t.cnt - 1, &made);
	if (err != 0) {
		grove_garbage_chain(g, &made, GARBAGE_ALONE);
		return err;
	}
	grove_chain_join(g, to_chain, &made);
	return 0;
}

/* What new children make of an inner node: one or more, or none. On an error they are garbage. */
static int
inner_end(struct growth *w, const struct tree_node *node, const struct table *inner,
	  const struct grove_chain *kids, uint32_t at, struct grove_chain *to_chain)
{
	int err = is_childless(w, inner, kids)
			  ? gone_add(w, at, to_chain)
			  : inner_renew(w->g, w->edit, node, kids, at, to_chain);

	if (err < 0) {
		grove_garbage_chain(w->g, kids, w->edit->birth - 1);
		return err;
	}
	grove_gone_free(w->g, kids);
	return LATTICE_MIXED;
}

static int grow_inner(struct growth *w, const struct tree_node *node, const struct table *inner,
		      uint32_t from, uint32_t to, struct grove_chain *to_chain);

/* Merges items [from, to) of the delta into child i of an inner node. */
static int
grow_child(struct growth *w, const struct table *inner, uint32_t height, uint32_t i, uint32_t from,
	   uint32_t to, struct grove_chain *to_chain)
{
	const struct tree_node *child = NULL;
	struct grove_chain kids = { 0 };
	struct tree_entry e;
	struct table body;
	int err;

	if (tree_entry_at(inner, i, &e)) {
		child = tree_node_open(w->edit->old, e.off, height - 1, &body);
	}
	if (child == NULL || body.cnt == 0) {
		return MB_ERR_CORRUPT;
	}
	if (height == 1 && w->forgets) {
		err = shrink_leaf(w, &body, child->present, from, to, i, to_chain);
	} else if (height == 1) {
		err = grow_apart(w, child, &body, from, to, i, to_chain);
		if (err == GROW_STAYS) {
			return LATTICE_MIXED;
		}
		if (err == GROW_TOGETHER) {
			err = grow_leaf(w, child, &body, from, to, i, to_chain);
		}
	} else {
		err = grow_inner(w, child, &body, from, to, &kids);
		if (err == LATTICE_MIXED) {
			err = inner_end(w, child, &body, &kids, i, to_chain);
		}
	}
	if (err == LATTICE_MIXED) {
		grove_chain_add(w->g, &w->edit->dead, (struct tree_node *)(uintptr_t)child);
	}
	return err;
}

/* The first item of the delta in [from, to) that belongs to the right of child i. */
static uint32_t
share_end(const struct growth *w, const struct table *inner, uint32_t i, uint32_t from, uint32_t to)
{
	struct tree_entry e;

	if (!tree_entry_at(inner, i + 1, &e)) {
		return to;
	}
	while (from < to) {
		uint32_t mid = from + (to - from) / 2;

		if (slice_cmp(w->edit->items->key_of(table_item(&w->delta, mid)), e.first) < 0) {
			from = mid + 1;
		} else {
			to = mid;
		}
	}
	return from;
}

/* Merges items [from, to) of the delta into the children of an inner node; the new ones are added
 * to the chain, with the places they are for. On an error they are garbage, and the chain empty. */
static int
grow_inner(struct growth *w, const struct tree_node *node, const struct table *inner, uint32_t from,
	   uint32_t to, struct grove_chain *to_chain)
{
	int side = LATTICE_LEFT;

	while (from < to) {
		struct slice key = w->edit->items->key_of(table_item(&w->delta, from));
		uint32_t i = tree_child_find(inner, node->prefix, key);
		uint32_t end = share_end(w, inner, i, from + 1, to);
		int err = grow_child(w, inner, node->height, i, from, end, to_chain);

		if (err < 0) {
			grove_garbage_chain(w->g, to_chain, w->edit->birth - 1);
			*to_chain = (struct grove_chain){ 0 };
			return err;
		}
		side = err == LATTICE_MIXED ? err : side;
		from = end;
	}
	return side;
}

/* Goes through the tree with a flat table, and makes the root. */
static int
grow(struct growth *w, const struct tree_view *old, struct slice delta,
     const struct table_merge_ops *items)
{
	struct grove_edit *edit = w->edit;
	struct table inner;
	int err;

	grove_begin(w->g, items, edit);
	edit->old = old;
	edit->fresh = false;
	edit->height = old->root->height;
	if (slice_is_tree(delta) || table_open(delta, &w->delta) != 0 ||
	    table_open(slice_of(old->root->body, old->root->len), &inner) != 0) {
		return MB_ERR_CORRUPT;
	}
	err = grow_inner(w, old->root, &inner, 0, w->delta.cnt, &edit->kids);
	if (err != LATTICE_MIXED) {
		return err;
	}
	err = w->forgets && is_childless(w, &inner, &edit->kids)
		      ? MB_ERR_NOT_FOUND
		      : grove_seal(w->g, edit, UINT32_MAX);
	if (err != 0) {
		grove_abort(w->g, edit);
		return err;
	}
	return LATTICE_MIXED;
}

int
grove_merge(struct grove *g, const struct tree_view *old, struct slice delta,
	    const struct table_merge_ops *items, struct grove_edit *edit)
{
	struct growth w = { .g = g, .edit = edit };

	return grow(&w, old, delta, items);
}

int
grove_forget(struct grove *g, const struct tree_view *old, struct slice marks,
	     const struct table_merge_ops *items, struct grove_edit *edit)
{
	struct growth w = { .g = g, .edit = edit, .forgets = true };

	return grow(&w, old, marks, items);
}
