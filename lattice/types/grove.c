/* SPDX-License-Identifier: Apache-2.0 */
/* grove.c - trees that share what did not change
 *
 * A merge copies the way from the root to each leaf that changes. A child that changed becomes one
 * new node, or several when it got too long; the parent is written anew with these in its place.
 *
 *	old root ─► A ─► a b c		new root ─► A' ─► a b' c
 *	        └─► B                           └─► B
 *
 * A and b are dead: only old roots have them. (A leaf of one long item, beside which others are
 * put, is not copied: it stands among the new ones, as old as it is.)
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
 * younger than that root is in it (I1), and goes to its list; the rest was in no root but this,
 * and is freed. If it was the last of its tree (the key is gone, or began anew) there is no list
 * that says what dies with it: all of its nodes that are younger than the next older root (I3).
 * They are found from parent to child, later and in pieces (grove_sweep). So a reader that never
 * lets go keeps the one root that he reads, and nothing that came after it. (Bonwick's ZFS frees
 * the blocks of snapshots by this rule: "dead lists".)
 *
 * Garbage is a stack, linked in the nodes. A node on it says (in `older`) which of its children go
 * with it: those that are younger. An edit that is given up is garbage like that.
 *
 * Rejected: counting references in nodes (a change would write to all children of what it copies);
 * boundaries that follow from the content (equal trees for equal tables, but nothing here compares
 * trees by their nodes; and keys are a stranger's choice, who could choose them so that all
 * boundaries fall away).
 */
#include "grove_int.h"

#include "check.h"
#include "codec.h"
#include "compiler.h"
#include "heap.h"
#include "lattice.h"
#include "microburst/error.h"

void
grove_init(struct grove *g, uint8_t *base, uint64_t lo, uint64_t hi, const struct grove_ops *ops)
{
	REQUIRE(lo > 0); /* 0 is no node */
	*g = (struct grove){ .ops = *ops, .base = base, .lo = lo, .hi = hi };
}

/* ---------------------------------------------------------------------------------------- nodes */

int
grove_node_new(struct grove *g, const struct grove_edit *edit, size_t body_bytes, uint32_t height,
	       uint32_t at, struct tree_node **ret)
{
	size_t bytes = heap_long_bytes(sizeof(struct tree_node) + body_bytes);
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

/* ------------------------------------------------------------------------------------- garbage */

/* node goes, and those of its children that are younger than that. */
static void
garbage_add(struct grove *g, struct tree_node *node, uint64_t younger_than)
{
	node->older = younger_than;
	node->link = grove_off(g, g->garbage);
	g->garbage = node;
}

/* The children of an inner node that are younger than that. */
static void
garbage_add_children(struct grove *g, const struct tree_node *inner, uint64_t younger_than)
{
	struct table t = grove_body(inner);
	struct tree_entry e;

	for (uint32_t i = 0; tree_entry_at(&t, i, &e); i++) {
		if (e.birth > younger_than) {
			garbage_add(g, grove_node_at(g, e.off), younger_than);
		}
	}
}

void
grove_garbage_chain(struct grove *g, const struct grove_chain *c, uint64_t younger_than)
{
	struct tree_node *node = c->first;

	while (node != NULL) {
		struct tree_node *next = grove_node_at(g, node->link);

		if (node->birth > younger_than || younger_than == GARBAGE_ALONE) {
			garbage_add(g, node, younger_than);
		}
		node = next;
	}
}

void
grove_gone_free(struct grove *g, const struct grove_chain *c)
{
	struct tree_node *node = c->first;

	while (node != NULL) {
		struct tree_node *next = grove_node_at(g, node->link);

		if (grove_gone(node)) {
			grove_node_free(g, node);
		}
		node = next;
	}
}

bool
grove_sweep(struct grove *g, uint32_t node_cnt)
{
	for (uint32_t i = 0; i < node_cnt && g->garbage != NULL; i++) {
		struct tree_node *node = g->garbage;

		g->garbage = grove_node_at(g, node->link);
		if (node->height > 0 && node->older != GARBAGE_ALONE) {
			garbage_add_children(g, node, node->older);
		}
		grove_node_free(g, node);
	}
	return g->garbage != NULL;
}

void
grove_release(struct grove *g, struct tree_node *root)
{
	struct tree_node *older = grove_node_at(g, root->older),
			 *newer = grove_node_at(g, root->newer);
	uint64_t older_birth = older != NULL ? older->birth : 0;
	struct tree_node *node = grove_node_at(g, root->link);

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
		struct tree_node *next = grove_node_at(g, node->link);

		if (node->birth > older_birth) {
			garbage_add(g, node, GARBAGE_ALONE);
		} else {
			INSIST(older != NULL); /* births begin at 1 */
			node->link = older->link;
			older->link = grove_off(g, node);
		}
		node = next;
	}
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
	return grove_leaves_make(g, edit, run, 0, run->cnt, true, 0, &edit->kids);
}

/* How long the flat table is, and how many marks are in it, by its root's children. */
static void
items_measure(const struct grove *g, struct grove_edit *edit)
{
	struct table old = old_body(edit);
	struct grove_children c = grove_children_of(g, edit, &old, &edit->kids);
	struct tree_entry e;

	edit->items_bytes = 0;
	edit->marks = 0;
	while (grove_children_next(&c, &e)) {
		edit->items_bytes += e.items_len + (size_t)e.end * TABLE_ITEM_OVERHEAD;
		edit->marks += e.end - e.present_end;
	}
}

/* The same when new children only take the places of old ones. */
static void
items_measure_patched(const struct grove *g, struct grove_edit *edit)
{
	const struct tree_node *root = edit->old->root, *kid = edit->kids.first;
	size_t bytes = root->items_len + (size_t)root->cnt * TABLE_ITEM_OVERHEAD;
	struct table t = grove_body(root);
	struct tree_entry e, before = { .end = 0 };

	edit->marks = root->cnt - root->present;
	for (; kid != NULL; kid = grove_node_at(g, kid->link)) {
		if (kid->at > 0) {
			INSIST(tree_entry_at(&t, kid->at - 1, &before));
		}
		INSIST(tree_entry_at(&t, kid->at, &e));
		bytes += kid->items_len + (size_t)kid->cnt * TABLE_ITEM_OVERHEAD;
		bytes -= e.items_len + (size_t)(e.end - before.end) * TABLE_ITEM_OVERHEAD;
		edit->marks += kid->cnt - kid->present;
		edit->marks -= (e.end - before.end) - (e.present_end - before.present_end);
	}
	edit->items_bytes = bytes;
}

/* The root's children are to be these, which are one higher. */
static void
kids_rise(struct grove_edit *edit, const struct grove_chain *parents)
{
	edit->kids = *parents;
	edit->fresh = true;
	edit->height++;
}

/* Puts nodes between the root and its children, which are too many. */
static int
root_deepen(struct grove *g, struct grove_edit *edit)
{
	struct table old = old_body(edit);
	struct grove_chain made = { 0 };
	int err = grove_inner_make(g, edit, grove_children_of(g, edit, &old, &edit->kids),
				   edit->height, 0, edit->kids.last->at == old.cnt - 1, &made);

	if (err != 0) {
		grove_garbage_chain(g, &made, GARBAGE_ALONE);
		return err;
	}
	kids_rise(edit, &made);
	return 0;
}

/* The same for a root that has only new children, which may be very many. */
static int
row_deepen(struct grove *g, struct grove_edit *edit, uint32_t node_cnt)
{
	struct grove_children c = grove_children_of(g, edit, &(struct table){ 0 }, &edit->kids);
	int err;

	if (edit->rising) {
		c.kid = edit->kid;
		c.before = edit->before;
	}
	err = grove_row_make(g, edit, &c, edit->height, node_cnt, &edit->parents);
	edit->rising = err != 0;
	edit->kid = c.kid;
	edit->before = c.before;
	if (err == 0) {
		kids_rise(edit, &edit->parents);
		edit->parents = (struct grove_chain){ 0 };
	}
	return err;
}

/* Whether the root's children are not too many for it; *ret_bytes is what it takes with them. Looks
 * at no more of them than it takes to know. */
static bool
root_fits(const struct grove *g, const struct grove_edit *edit, size_t *ret_bytes)
{
	struct table old = old_body(edit);
	struct grove_children c = grove_children_of(g, edit, &old, &edit->kids);
	size_t bytes = sizeof(struct tree_node);
	struct tree_entry e;

	for (uint32_t cnt = 0; grove_children_next(&c, &e); cnt++) {
		bytes += grove_entry_bytes(&e);
		if (cnt >= 3 && bytes > TREE_NODE_BYTES) {
			return false;
		}
	}
	*ret_bytes = bytes;
	return true;
}

int
grove_seal(struct grove *g, struct grove_edit *edit, uint32_t node_cnt)
{
	if (grove_one_for_one(g, edit, &edit->kids)) {
		edit->root_bytes = sizeof(struct tree_node) + tree_body_bytes(edit->old->root);
		items_measure_patched(g, edit);
		return edit->items_bytes > TREE_BYTES_MAX ? MB_ERR_TOO_LARGE : 0;
	}
	while (edit->rising || !root_fits(g, edit, &edit->root_bytes)) {
		int err = edit->height >= TREE_HEIGHT_MAX ? MB_ERR_TOO_LARGE
			  : edit->fresh                   ? row_deepen(g, edit, node_cnt)
							  : root_deepen(g, edit);

		if (err != 0) {
			return err;
		}
	}
	items_measure(g, edit);
	return edit->items_bytes > TREE_BYTES_MAX ? MB_ERR_TOO_LARGE : 0;
}

void
grove_abort(struct grove *g, struct grove_edit *edit)
{
	grove_garbage_chain(g, &edit->parents, GARBAGE_ALONE);
	grove_garbage_chain(g, &edit->kids, edit->birth - 1);
	edit->kids = edit->parents = (struct grove_chain){ 0 };
	edit->rising = false;
}

struct tree_node *
grove_commit(struct grove *g, const struct grove_edit *edit, void *place)
{
	struct table old = old_body(edit);
	struct grove_children c = grove_children_of(g, edit, &old, &edit->kids);
	struct tree_node *root = place;

	*root = (struct tree_node){ .birth = edit->birth, .height = edit->height };
	if (grove_one_for_one(g, edit, &edit->kids)) {
		grove_inner_patch(g, edit->old->root, &edit->kids, root);
	} else {
		grove_inner_fill(&c, UINT32_MAX, root, edit->root_bytes - sizeof(*root));
		grove_gone_free(g, &edit->kids);
	}
	root->older = root->newer = 0; /* a root has no parent that would say its ranks */
	if (edit->old != NULL) {
		struct tree_node *before = (struct tree_node *)(uintptr_t)edit->old->root;

		INSIST(before->newer == 0);
		before->newer = grove_off(g, root);
		before->link = grove_off(g, edit->dead.first);
		root->older = grove_off(g, before);
	}
	return root;
}
