/* SPDX-License-Identifier: Apache-2.0 */
/* rank.c - which leaves have the ranks that somebody looks for
 *
 * A walk knows nothing but where it is among all items. It goes down to the leaf there; where a
 * node has no child further on that meets the span, it begins at the root again, behind that node.
 * So it can stop and go on at any item, and what nodes say cannot lead it in a circle:
 *
 *   I1  each time it begins again it is further on, and on its way down as tree.c I1 says.
 *
 * rank_bound goes down level by level with the k nodes that have the lowest ranks; others need not
 * be looked at, as these k have an item each that is not above any of theirs (rank.h, K1).
 */
#include "rank.h"

#include "compiler.h"
#include "lattice.h"
#include "tree.h"

struct rank_span
rank_span_of(const struct table *t, const struct table_merge_ops *ops)
{
	struct rank_span s = rank_span_none();
	double rank;

	for (uint32_t i = 0; ops->rank != NULL && i < t->cnt; i++) {
		if (ops->rank(table_item(t, i), &rank)) {
			rank_span_add(&s, (struct rank_span){ rank, rank });
		}
	}
	return s;
}

/* ---------------------------------------------------------------------------------------- walks */

/* The first child from i on (back: down from i) that meets the span. Returns: node->cnt: none. */
static uint32_t
child_meets(const struct table *node, uint32_t i, struct rank_span span, bool back)
{
	struct tree_entry e;

	for (; i < node->cnt; i = back ? i - 1 : i + 1) { /* below 0 it is above all */
		if (tree_entry_at(node, i, &e) && rank_span_meets(e.ranks, span)) {
			return i;
		}
	}
	return node->cnt;
}

/* How many items of a node come before child i. */
static uint32_t
items_before(const struct table *node, uint32_t i)
{
	struct tree_entry e;

	return i > 0 && tree_entry_at(node, i - 1, &e) ? e.end : 0;
}

/* Goes down to the leaf that holds item *idx, or the next one that meets the span; then *idx is its
 * first item (back: its last). Returns: whether there is one below the first node on that way that
 * has none; if not, *idx is behind that node (back: UINT32_MAX before all). */
static bool
leaf_try(const struct tree_view *view, uint32_t *idx, struct rank_span span, bool back,
	 struct table *leaf, uint32_t *first)
{
	uint32_t present = 0;
	struct tree_entry e;

	*first = 0;
	if (table_open(slice_of(view->root->body, view->root->len), leaf) != 0) {
		return false;
	}
	for (uint32_t height = view->root->height; height > 0; height--) {
		uint32_t at = tree_child_at(leaf, *idx - *first);
		uint32_t i = child_meets(leaf, at, span, back);

		if (i == leaf->cnt) {
			*idx = back ? *first - 1 : *first + items_before(leaf, leaf->cnt);
			return false;
		}
		if (i != at) {
			(void)tree_entry_at(leaf, i, &e);
			*idx = *first + (back ? e.end - 1 : items_before(leaf, i));
		}
		if (tree_descend(view, leaf, i, height - 1, first, &present) == NULL ||
		    *idx < *first) {
			*idx = UINT32_MAX; /* damaged */
			return false;
		}
	}
	return *idx - *first < leaf->cnt;
}

static bool
leaf_next(const struct tree_view *view, uint32_t *idx, struct rank_span span, bool back,
	  struct table *leaf, uint32_t *first)
{
	for (uint32_t was; *idx < view->root->cnt;) {
		was = *idx;
		if (leaf_try(view, idx, span, back, leaf, first)) {
			return true;
		}
		if (back ? *idx >= was : *idx <= was) { /* keeps I1 */
			return false;
		}
	}
	return false;
}

/* Goes on with the run behind this one, or before it. */
static bool
run_next(struct slice v, struct table_walk *w, struct rank_span span, bool back)
{
	uint32_t first = 0, idx;
	struct table t, run;

	if (table_open(v, &t) != 0 || t.cnt == 0) {
		return false;
	}
	idx = !back ? w->first + w->cnt : (w->cnt == 0 ? t.cnt : w->first) - 1;
	run = t;
	if (idx >= t.cnt ||
	    (t.tree != NULL && !leaf_next(t.tree, &idx, span, back, &run, &first))) {
		return false;
	}
	table_walk_enter(w, &run, first, back ? idx - first + 1 : idx - first);
	return true;
}

bool
rank_walk_next(struct slice v, struct table_walk *w, struct rank_span span, bool back,
	       struct slice *ret_item)
{
	if (unlikely(w->idx == (back ? 0 : w->cnt)) && !run_next(v, w, span, back)) {
		return false;
	}
	*ret_item = table_walk_item(w, back ? --w->idx : w->idx++);
	return true;
}

/* --------------------------------------------------------------------------------------- bounds */

/* The k with the lowest ranks, the greatest of them on top. */
struct beam {
	struct rank_beam *node;
	uint32_t cnt, most;
};

static void
beam_sink(struct beam *b, struct rank_beam e)
{
	uint32_t i = 0;

	for (uint32_t kid; (kid = 2 * i + 1) < b->cnt; i = kid) {
		kid += kid + 1 < b->cnt && b->node[kid].rank < b->node[kid + 1].rank;
		if (e.rank >= b->node[kid].rank) {
			break;
		}
		b->node[i] = b->node[kid];
	}
	b->node[i] = e;
}

static void
beam_put(struct beam *b, struct rank_beam e)
{
	uint32_t i;

	if (b->cnt == b->most) {
		if (e.rank < b->node[0].rank) {
			beam_sink(b, e);
		}
		return;
	}
	for (i = b->cnt++; i > 0 && b->node[(i - 1) / 2].rank < e.rank; i = (i - 1) / 2) {
		b->node[i] = b->node[(i - 1) / 2];
	}
	b->node[i] = e;
}

static void
beam_put_children(struct beam *b, const struct table *node, bool high)
{
	struct tree_entry e;

	for (uint32_t i = 0; tree_entry_at(node, i, &e); i++) {
		if (e.ranks.low <= e.ranks.high) {
			beam_put(b,
				 (struct rank_beam){ high ? -e.ranks.high : e.ranks.low, e.off });
		}
	}
}

double
rank_bound(struct slice v, uint32_t k, bool high, struct rank_beam *beam)
{
	struct beam now = { .node = beam, .most = k }, below;
	const struct tree_view *view;
	struct table t;
	bool full = false;

	if (slice_is_tree(v)) {
		view = slice_tree(v);
		if (table_open(slice_of(view->root->body, view->root->len), &t) == 0) {
			beam_put_children(&now, &t, high);
		}
		for (uint32_t height = view->root->height; --height > 0 && now.cnt > 0;) {
			below = (struct beam){ .node = now.node == beam ? beam + k : beam,
					       .most = k };
			for (uint32_t i = 0; i < now.cnt; i++) {
				if (tree_node_open(view, now.node[i].off, height, &t) != NULL) {
					beam_put_children(&below, &t, high);
				}
			}
			now = below;
		}
		full = now.cnt == k;
	}
	if (!full) {
		return high ? -INFINITY : INFINITY;
	}
	return high ? -now.node[0].rank : now.node[0].rank;
}
