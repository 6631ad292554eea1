/* SPDX-License-Identifier: Apache-2.0 */
/* grove.c - trees that share what did not change
 *
 * A merge copies the way from the root to each leaf that changes. A child that changed becomes one
 * new node, or several when it got too long; the parent is written anew with these in its place.
 *
 *	old root ─► A ─► a b c		new root ─► A' ─► a b' c
 *	        └─► B                           └─► B		A and b are dead: only old roots have them
 *
 * When is a node free? Each node has a birth, the number of the change that made it; each root is
 * younger than its nodes. The roots of one tree that can still be read stand in a row by age:
 *
 *	older ◄── R3 ◄── R7 ◄── R9	R9 is what the key has; R3 and R7 are read by somebody
 *
 *   I1  A node that died with change d was in every root from its birth on and in none from d on:
 *       what a change leaves out does not come back.
 *   I2  A dead node is in the list of the youngest root that has it, and in no other.
 *   I3  A parent is not older than its children. So a node that is older than a root, and below a
 *       younger root, was below the older one too, with all that it has.
 *
 * When a root is released, its next older one, if there is any, decides: of the list, what is not
 * younger than that root is in it (I1), and goes to its list; the rest was in no root but this, and is
 * freed. If it was the last of its tree (the key is gone, or began anew) there is no list that says
 * what dies with it: all of its nodes that are younger than the next older root (I3). They are
 * found from parent to child, later and in pieces (grove_sweep). So a reader that never lets go
 * keeps the one root that he reads, and nothing that came after it.
 * (Bonwick's ZFS frees the blocks of snapshots by this rule: "dead lists".)
 *
 * Garbage is a stack, linked in the nodes. A node on it says (in `older`) which of its children go
 * with it: those that are younger. An edit that is given up is garbage like that.
 *
 * Rejected: counting references in nodes (a change would write to all children of what it copies);
 * boundaries that follow from the content (equal trees for equal tables, but nothing here compares
 * trees by their nodes; and keys are a stranger's choice, who could choose them so that all
 * boundaries fall away).
 */
#include "grove.h"

#include "check.h"
#include "codec.h"
#include "compiler.h"
#include "lattice.h"
#include "microburst/error.h"

#define GARBAGE_ALONE UINT64_MAX /* as `older` of garbage: its children do not go with it */

void
grove_init(struct grove *g, uint8_t *base, uint64_t lo, uint64_t hi, const struct grove_ops *ops)
{
	REQUIRE(lo > 0); /* 0 is no node */
	*g = (struct grove){ .ops = *ops, .base = base, .lo = lo, .hi = hi };
}

/* ---------------------------------------------------------------------------------------- nodes */

static uint64_t
off_of(const struct grove *g, const struct tree_node *node)
{
	return node == NULL ? 0 : (uint64_t)((const uint8_t *)node - g->base);
}

static struct tree_node *
node_at(const struct grove *g, uint64_t off)
{
	return off == 0 ? NULL : (struct tree_node *)(void *)(g->base + off);
}

static void
chain_add(const struct grove *g, struct grove_chain *c, struct tree_node *node)
{
	node->link = 0;
	if (c->last != NULL) {
		c->last->link = off_of(g, node);
	} else {
		c->first = node;
	}
	c->last = node;
}

static void
chain_join(const struct grove *g, struct grove_chain *to, const struct grove_chain *more)
{
	if (more->first == NULL) {
		return;
	}
	if (to->last != NULL) {
		to->last->link = off_of(g, more->first);
	} else {
		to->first = more->first;
	}
	to->last = more->last;
}

static int
node_new(struct grove *g, const struct grove_edit *edit, size_t body_bytes, uint32_t height,
	 uint32_t at, struct tree_node **ret)
{
	size_t bytes = sizeof(struct tree_node) + body_bytes;
	void *p;
	int err = g->ops.alloc(g->ops.ctx, bytes, &p);

	if (err != 0) {
		return err;
	}
	*ret = p;
	**ret = (struct tree_node){
		.birth = edit->birth,
		.bytes = (uint32_t)bytes,
		.at = at,
		.height = height,
	};
	return 0;
}

static void
node_free(struct grove *g, struct tree_node *node)
{
	g->ops.free(g->ops.ctx, node, node->bytes);
}

static struct table
body_of(const struct tree_node *node)
{
	struct table t = { 0 };

	INSIST(table_open(slice_of(node->body, node->len), &t) == 0);
	return t;
}

/* ------------------------------------------------------------------------------------- garbage */

/* node goes, and those of its children that are younger than that. */
static void
garbage_add(struct grove *g, struct tree_node *node, uint64_t younger_than)
{
	node->older = younger_than;
	node->link = off_of(g, g->garbage);
	g->garbage = node;
}

/* The children of an inner node that are younger than that. */
static void
garbage_add_children(struct grove *g, const struct tree_node *inner, uint64_t younger_than)
{
	struct table t = body_of(inner);
	struct tree_entry e;

	for (uint32_t i = 0; tree_entry_at(&t, i, &e); i++) {
		if (e.birth > younger_than) {
			garbage_add(g, node_at(g, e.off), younger_than);
		}
	}
}

static void
garbage_add_chain(struct grove *g, const struct grove_chain *c, uint64_t younger_than)
{
	struct tree_node *node = c->first;

	while (node != NULL) {
		struct tree_node *next = node_at(g, node->link);

		garbage_add(g, node, younger_than);
		node = next;
	}
}

bool
grove_sweep(struct grove *g, uint32_t node_cnt)
{
	for (uint32_t i = 0; i < node_cnt && g->garbage != NULL; i++) {
		struct tree_node *node = g->garbage;

		g->garbage = node_at(g, node->link);
		if (node->height > 0 && node->older != GARBAGE_ALONE) {
			garbage_add_children(g, node, node->older);
		}
		node_free(g, node);
	}
	return g->garbage != NULL;
}

void
grove_release(struct grove *g, struct tree_node *root)
{
	struct tree_node *older = node_at(g, root->older), *newer = node_at(g, root->newer);
	uint64_t older_birth = older != NULL ? older->birth : 0;
	struct tree_node *node = node_at(g, root->link);

	if (older != NULL) {
		older->newer = root->newer;
	}
	if (newer == NULL) {
		/* Its list says nothing that the walk does not find. */
		garbage_add_children(g, root, older_birth);
		return;
	}
	newer->older = root->older;
	while (node != NULL) {
		struct tree_node *next = node_at(g, node->link);

		if (node->birth > older_birth) {
			garbage_add(g, node, GARBAGE_ALONE);
		} else {
			node->link = older->link;
			older->link = off_of(g, node);
		}
		node = next;
	}
}

/* -------------------------------------------------------------------------------------- leaves */

/* Fills in what a leaf's items add up to. */
static void
leaf_close(const struct grove_edit *edit, struct tree_node *leaf, size_t len)
{
	struct table t;

	leaf->len = (uint32_t)len;
	t = body_of(leaf);
	leaf->cnt = t.cnt;
	leaf->items_len = t.items_len;
	leaf->present = table_present_cnt(&t, edit->items);
}

static int
leaf_make(struct grove *g, const struct grove_edit *edit, const struct table *t, uint32_t from,
	  uint32_t to, size_t bytes, uint32_t at, struct grove_chain *to_chain)
{
	struct tree_node *leaf;
	struct table_builder b;
	struct wbuf out;
	int err = node_new(g, edit, bytes, 0, at, &leaf);

	if (err != 0) {
		return err;
	}
	out = wbuf_init(leaf->body, bytes);
	table_begin(&b, &out);
	table_add_run(&b, t, from, to);
	INSIST(table_end(&b) == 0);
	leaf_close(edit, leaf, out.len);
	chain_add(g, to_chain, leaf);
	return 0;
}

/* Packs a flat table into leaves. packed: as few as can be, for what will grow at its end; else of
 * equal lengths. */
static int
leaves_make(struct grove *g, const struct grove_edit *edit, const struct table *t, bool packed,
	    uint32_t at, struct grove_chain *to_chain)
{
	size_t total = table_bytes(t);
	size_t piece_cnt = (total + TREE_BODY_MAX - 1) / TREE_BODY_MAX;
	size_t enough = packed ? TREE_BODY_MAX : total / MAX(piece_cnt, (size_t)1) + 1;
	uint32_t from = 0;
	size_t bytes = 0;

	for (uint32_t i = 0; i < t->cnt; i++) {
		size_t item = table_item(t, i).len + TABLE_ITEM_OVERHEAD;

		if (i > from && (bytes >= enough || bytes + item > TREE_BODY_MAX)) {
			int err = leaf_make(g, edit, t, from, i, bytes, at, to_chain);

			if (err != 0) {
				return err;
			}
			from = i;
			bytes = 0;
		}
		bytes += item;
	}
	return from < t->cnt ? leaf_make(g, edit, t, from, t->cnt, bytes, at, to_chain) : 0;
}

/* ---------------------------------------------------------------------------------- inner nodes */

/* The first key that a new node gets, where the one before it is given: for a leaf the shortest
 * that tells them apart. */
static struct slice
first_key(const struct grove_edit *edit, const struct tree_node *before,
	  const struct tree_node *node)
{
	struct table t = body_of(node), u = body_of(before);
	struct slice key, last;
	struct tree_entry e;
	size_t len = 0;

	if (node->height > 0) {
		return tree_entry_at(&t, 0, &e) ? e.first : slice_of(NULL, 0);
	}
	key = edit->items->key_of(table_item(&t, 0));
	last = edit->items->key_of(table_item(&u, u.cnt - 1));
	while (len < key.len && len < last.len && key.p[len] == last.p[len]) {
		len++;
	}
	return slice_of(key.p, MIN(len + 1, key.len));
}

/* The children of a node that is to be written: those it had, and for some of them new ones. */
struct children {
	const struct grove *g;
	const struct grove_edit *edit;
	struct table old; /* empty: only new ones */
	uint32_t i;       /* next old one */
	uint32_t old_end, old_present_end;
	const struct tree_node *kid, *before; /* next new one; the one before it, of the same place */
};

static struct children
children_of(const struct grove *g, const struct grove_edit *edit, const struct table *old,
	    const struct grove_chain *kids)
{
	return (struct children){ .g = g, .edit = edit, .old = *old, .kid = kids->first };
}

/* Gives the next child, with its own counts instead of sums. Returns: false at the end. */
static bool
children_next(struct children *c, struct tree_entry *ret)
{
	struct tree_entry old = { .off = 0 };
	const struct tree_node *kid = c->kid;
	bool is_old = tree_entry_at(&c->old, c->i, &old);
	uint32_t end = old.end, present_end = old.present_end;

	if (kid != NULL && (!is_old || kid->at == c->i)) {
		*ret = (struct tree_entry){
			.first = c->before == NULL ? old.first
						   : first_key(c->edit, c->before, kid),
			.off = off_of(c->g, kid),
			.birth = kid->birth,
			.end = kid->cnt,
			.present_end = kid->present,
			.items_len = kid->items_len,
		};
		c->before = kid;
		c->kid = node_at(c->g, kid->link);
		if (!is_old || (c->kid != NULL && c->kid->at == c->i)) {
			return true;
		}
	} else if (!is_old) {
		return false;
	} else {
		*ret = old;
		ret->end -= c->old_end;
		ret->present_end -= c->old_present_end;
	}
	c->before = NULL;
	c->i++;
	c->old_end = end;
	c->old_present_end = present_end;
	return true;
}

static size_t
entry_bytes(const struct tree_entry *e)
{
	return e->first.len + TREE_ENTRY_TAIL + TABLE_ITEM_OVERHEAD;
}

/* How much room the children take, and how many they are. */
static size_t
children_bytes(struct children c, uint32_t *ret_cnt)
{
	struct tree_entry e;
	size_t bytes = 0;

	for (*ret_cnt = 0; children_next(&c, &e); (*ret_cnt)++) {
		bytes += entry_bytes(&e);
	}
	return bytes;
}

/* Writes the next cnt children, or all, into a node whose body has room for them. */
static void
inner_fill(struct children *c, uint32_t cnt, struct tree_node *node, size_t bytes)
{
	struct wbuf out = wbuf_init(node->body, bytes);
	struct table_builder b;
	struct tree_entry e;

	table_begin(&b, &out);
	for (uint32_t i = 0; i < cnt && children_next(c, &e); i++) {
		node->items_len += e.items_len;
		node->cnt += e.end;
		node->present += e.present_end;
		e.end = node->cnt;
		e.present_end = node->present;
		tree_entry_put(&out, &e);
		table_item_end(&b);
	}
	INSIST(table_end(&b) == 0);
	node->len = (uint32_t)out.len;
}

/* Writes children into new nodes of this height, each with two children at least. */
static int
inner_make(struct grove *g, const struct grove_edit *edit, struct children c, uint32_t height,
	   uint32_t at, bool packed, struct grove_chain *to_chain)
{
	struct children ahead = c;
	uint32_t rest, cnt = 0;
	size_t total = children_bytes(c, &rest), bytes = 0;
	size_t piece_cnt = (total + TREE_BODY_MAX - 1) / TREE_BODY_MAX;
	size_t enough = packed ? TREE_BODY_MAX : total / MAX(piece_cnt, (size_t)1) + 1;
	struct tree_node *node;
	struct tree_entry e;

	while (children_next(&ahead, &e)) {
		cnt++;
		rest--;
		bytes += entry_bytes(&e);
		/* The next one would be too many, or there is none. */
		if (rest == 0 || (cnt >= 2 && rest >= 2 &&
				  (bytes >= enough || bytes + entry_bytes(&e) > TREE_BODY_MAX))) {
			int err = node_new(g, edit, bytes, height, at, &node);

			if (err != 0) {
				return err;
			}
			inner_fill(&c, cnt, node, bytes);
			chain_add(g, to_chain, node);
			cnt = 0;
			bytes = 0;
		}
	}
	return 0;
}

/* Whether each of the new children stands for one old one. Then nothing gets longer. */
static bool
one_for_one(const struct grove *g, const struct grove_edit *edit, const struct grove_chain *kids)
{
	const struct tree_node *kid = kids->first;

	while (kid != NULL) {
		const struct tree_node *next = node_at(g, kid->link);

		if (next != NULL && next->at == kid->at) {
			return false;
		}
		kid = next;
	}
	return !edit->fresh;
}

/* Writes a node that is the old one but for some children, each in the place of one old one. */
static void
inner_patch(const struct grove *g, const struct tree_node *old, const struct grove_chain *kids,
	    struct tree_node *node)
{
	const struct tree_node *kid = kids->first;
	uint32_t more = 0, more_present = 0; /* modulo 2^32: a leaf may show less than before */
	struct tree_entry e;
	struct table t;

	memcpy(node->body, old->body, old->len);
	node->len = old->len;
	node->items_len = old->items_len;
	t = body_of(node);
	for (uint32_t i = kid != NULL ? kid->at : t.cnt, end, present_end;
	     tree_entry_at(&t, i, &e); i++) {
		struct wbuf out = wbuf_init((uint8_t *)(uintptr_t)e.first.p, SIZE_MAX);

		end = e.end;
		present_end = e.present_end;
		if (kid != NULL && kid->at == i) {
			struct tree_entry before = { .end = 0 };

			/* Its own place was patched already. */
			if (i > 0) {
				(void)tree_entry_at(&t, i - 1, &before);
			}
			node->items_len += kid->items_len - e.items_len;
			e.off = off_of(g, kid);
			e.birth = kid->birth;
			e.items_len = kid->items_len;
			more = before.end + kid->cnt - end;
			more_present = before.present_end + kid->present - present_end;
			kid = node_at(g, kid->link);
		}
		e.end = end + more;
		e.present_end = present_end + more_present;
		out.len = e.first.len;
		e.first.len = 0;
		tree_entry_put(&out, &e);
	}
	(void)tree_entry_at(&t, t.cnt - 1, &e);
	node->cnt = e.end;
	node->present = e.present_end;
}

/* Writes an inner node anew, with new children. */
static int
inner_renew(struct grove *g, const struct grove_edit *edit, const struct tree_node *old,
	    const struct grove_chain *kids, uint32_t at, struct grove_chain *to_chain)
{
	struct grove_chain made = { 0 };
	struct table t = body_of(old);
	struct tree_node *node;
	int err;

	if (one_for_one(g, edit, kids)) {
		err = node_new(g, edit, old->len, old->height, at, &node);
		if (err == 0) {
			inner_patch(g, old, kids, node);
			chain_add(g, to_chain, node);
		}
		return err;
	}
	err = inner_make(g, edit, children_of(g, edit, &t, kids), old->height, at,
			 kids->last->at == t.cnt - 1, &made);
	if (err != 0) {
		garbage_add_chain(g, &made, GARBAGE_ALONE);
		return err;
	}
	chain_join(g, to_chain, &made);
	return 0;
}

/* -------------------------------------------------------------------------------------- growing */

struct growth {
	struct grove *g;
	struct grove_edit *edit;
	struct table delta;
};

/* Merges items [from, to) of the delta into a leaf; what comes of it is added to the chain. */
static int
grow_leaf(struct growth *w, const struct table *leaf, uint32_t from, uint32_t to, uint32_t at,
	  struct grove_chain *to_chain)
{
	const struct table_merge_ops *items = w->edit->items;
	size_t bound = table_bytes(leaf);
	struct tree_node *node;
	struct table t;
	struct wbuf out;
	bool at_end;
	int err;

	for (uint32_t j = from; j < to; j++) {
		bound += table_item(&w->delta, j).len + TABLE_ITEM_OVERHEAD;
	}
	if (bound > LATTICE_BYTES_MAX) {
		return MB_ERR_TOO_LARGE;
	}
	err = node_new(w->g, w->edit, bound, 0, at, &node);
	if (err != 0) {
		return err;
	}
	out = wbuf_init(node->body, bound);
	err = table_merge_run(leaf, &w->delta, from, to, items, &out, LATTICE_ITEM_DEPTH);
	if (err != LATTICE_MIXED) {
		node_free(w->g, node);
		return err;
	}
	leaf_close(w->edit, node, out.len);
	if ((out.len <= TREE_BODY_MAX || node->cnt == 1) && bound - out.len <= bound / 8) {
		chain_add(w->g, to_chain, node);
		return LATTICE_MIXED;
	}
	/* Too long, or in too much room. */
	t = body_of(node);
	at_end = slice_eq(items->key_of(table_item(&t, t.cnt - 1)),
			  items->key_of(table_item(&w->delta, to - 1)));
	err = leaves_make(w->g, w->edit, &t, at_end, at, to_chain);
	node_free(w->g, node);
	return err != 0 ? err : LATTICE_MIXED;
}

static int grow_inner(struct growth *w, const struct table *inner, uint32_t height, uint32_t from,
		      uint32_t to, struct grove_chain *to_chain);

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
	if (height == 1) {
		err = grow_leaf(w, &body, from, to, i, to_chain);
	} else {
		err = grow_inner(w, &body, height - 1, from, to, &kids);
		if (err == LATTICE_MIXED) {
			err = inner_renew(w->g, w->edit, child, &kids, i, to_chain);
			if (err != 0) {
				garbage_add_chain(w->g, &kids, w->edit->birth - 1);
				return err;
			}
			err = LATTICE_MIXED;
		}
	}
	if (err == LATTICE_MIXED) {
		chain_add(w->g, &w->edit->dead, (struct tree_node *)(uintptr_t)child);
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
grow_inner(struct growth *w, const struct table *inner, uint32_t height, uint32_t from, uint32_t to,
	   struct grove_chain *to_chain)
{
	int side = LATTICE_LEFT;

	while (from < to) {
		struct slice key = w->edit->items->key_of(table_item(&w->delta, from));
		uint32_t i = tree_child_find(inner, key);
		uint32_t end = share_end(w, inner, i, from + 1, to);
		int err = grow_child(w, inner, height, i, from, end, to_chain);

		if (err < 0) {
			garbage_add_chain(w->g, to_chain, w->edit->birth - 1);
			*to_chain = (struct grove_chain){ 0 };
			return err;
		}
		side = err == LATTICE_MIXED ? err : side;
		from = end;
	}
	return side;
}

/* ---------------------------------------------------------------------------------------- edits */

static struct table
old_body(const struct grove_edit *edit)
{
	struct table t = { 0 };

	if (!edit->fresh) {
		INSIST(table_open(slice_of(edit->old->root->body, edit->old->root->len), &t) == 0);
	}
	return t;
}

void
grove_begin(struct grove *g, const struct table_merge_ops *items, struct grove_edit *edit)
{
	*edit = (struct grove_edit){
		.items = items,
		.birth = ++g->birth,
		.fresh = true,
		.height = 1,
	};
}

int
grove_add(struct grove *g, struct grove_edit *edit, const struct table *run)
{
	return leaves_make(g, edit, run, true, 0, &edit->kids);
}

/* How long the flat table is, by its root's children. */
static size_t
items_bytes(struct children c)
{
	struct tree_entry e;
	size_t bytes = 0;

	while (children_next(&c, &e)) {
		bytes += e.items_len + (size_t)e.end * TABLE_ITEM_OVERHEAD;
	}
	return bytes;
}

/* The same when new children only take the places of old ones. */
static size_t
items_bytes_patched(const struct grove *g, const struct grove_edit *edit)
{
	const struct tree_node *root = edit->old->root, *kid = edit->kids.first;
	size_t bytes = root->items_len + (size_t)root->cnt * TABLE_ITEM_OVERHEAD;
	struct table t = body_of(root);
	struct tree_entry e, before = { .end = 0 };

	for (; kid != NULL; kid = node_at(g, kid->link)) {
		if (kid->at > 0) {
			INSIST(tree_entry_at(&t, kid->at - 1, &before));
		}
		INSIST(tree_entry_at(&t, kid->at, &e));
		bytes += kid->items_len + (size_t)kid->cnt * TABLE_ITEM_OVERHEAD;
		bytes -= e.items_len + (size_t)(e.end - before.end) * TABLE_ITEM_OVERHEAD;
	}
	return bytes;
}

/* Puts nodes between the root and its children, which are too many. */
static int
root_deepen(struct grove *g, struct grove_edit *edit)
{
	struct table old = old_body(edit);
	struct grove_chain made = { 0 };
	bool packed = edit->fresh || edit->kids.last->at == old.cnt - 1;
	int err = MB_ERR_TOO_LARGE;

	if (edit->height < TREE_HEIGHT_MAX) {
		err = inner_make(g, edit, children_of(g, edit, &old, &edit->kids), edit->height, 0,
				 packed, &made);
	}
	if (err != 0) {
		garbage_add_chain(g, &made, GARBAGE_ALONE);
		return err;
	}
	edit->kids = made;
	edit->fresh = true;
	edit->height++;
	return 0;
}

int
grove_seal(struct grove *g, struct grove_edit *edit)
{
	if (one_for_one(g, edit, &edit->kids)) {
		edit->root_bytes = sizeof(struct tree_node) + edit->old->root->len;
		edit->items_bytes = items_bytes_patched(g, edit);
		return edit->items_bytes > LATTICE_BYTES_MAX ? MB_ERR_TOO_LARGE : 0;
	}
	for (;;) {
		struct table old = old_body(edit);
		struct children c = children_of(g, edit, &old, &edit->kids);
		uint32_t cnt;
		int err;

		edit->root_bytes = sizeof(struct tree_node) + children_bytes(c, &cnt);
		edit->items_bytes = items_bytes(c);
		if (edit->items_bytes > LATTICE_BYTES_MAX) {
			return MB_ERR_TOO_LARGE;
		}
		if (edit->root_bytes <= TREE_NODE_BYTES || cnt < 4) {
			return 0;
		}
		err = root_deepen(g, edit);
		if (err != 0) {
			return err;
		}
	}
}

void
grove_abort(struct grove *g, struct grove_edit *edit)
{
	garbage_add_chain(g, &edit->kids, edit->birth - 1);
	edit->kids = (struct grove_chain){ 0 };
}

int
grove_merge(struct grove *g, const struct tree_view *old, struct slice delta,
	    const struct table_merge_ops *items, struct grove_edit *edit)
{
	struct growth w = { .g = g, .edit = edit };
	struct table inner;
	int err;

	grove_begin(g, items, edit);
	edit->old = old;
	edit->fresh = false;
	edit->height = old->root->height;
	if (slice_is_tree(delta) || table_open(delta, &w.delta) != 0 ||
	    table_open(slice_of(old->root->body, old->root->len), &inner) != 0) {
		return MB_ERR_CORRUPT;
	}
	err = grow_inner(&w, &inner, old->root->height, 0, w.delta.cnt, &edit->kids);
	if (err != LATTICE_MIXED) {
		return err;
	}
	err = grove_seal(g, edit);
	if (err != 0) {
		grove_abort(g, edit);
		return err;
	}
	return LATTICE_MIXED;
}

struct tree_node *
grove_commit(struct grove *g, const struct grove_edit *edit, void *place)
{
	struct table old = old_body(edit);
	struct children c = children_of(g, edit, &old, &edit->kids);
	struct tree_node *root = place;

	*root = (struct tree_node){ .birth = edit->birth, .height = edit->height };
	if (one_for_one(g, edit, &edit->kids)) {
		inner_patch(g, edit->old->root, &edit->kids, root);
	} else {
		inner_fill(&c, UINT32_MAX, root, edit->root_bytes - sizeof(*root));
	}
	if (edit->old != NULL) {
		struct tree_node *before = (struct tree_node *)(uintptr_t)edit->old->root;

		INSIST(before->newer == 0);
		before->newer = off_of(g, root);
		before->link = off_of(g, edit->dead.first);
		root->older = off_of(g, before);
	}
	return root;
}
