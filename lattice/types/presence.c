/* SPDX-License-Identifier: Apache-2.0 */
/* presence.c - adds, and removes of what was observed
 *
 * Why the merge is a merge: a presence is a function from writers to (time, gone), bottom where it
 * has no entry; these pairs, ordered by time and then with gone above not gone, are a chain, and
 * merge is the maximum at each writer.
 *
 * Why one pair a writer is enough. What has to be known of a writer are A, the latest add, and R,
 * the latest of its adds that somebody removed; the item is there while A > R. Both only grow. But
 * an R below A says nothing (it would have to grow past A first), and an A not above R says
 * nothing either. So the greater of the two, and which it is, is all.
 *
 * A writer that adds again what is there already makes a new dot: a remove elsewhere that saw only
 * the old one must not take it away.
 */
#include "presence.h"

#include "codec.h"
#include "compiler.h"
#include "lattice.h"
#include "microburst/error.h"
#include "tree.h"

enum {
	GONE = 1,
	FIRST = 2,
	FLAGS = GONE | FIRST,
};

#define FLAGS_AT 16

struct dot {
	struct stamp stamp;
	bool gone;
};

static struct dot
dot_at(struct slice v, size_t at)
{
	const uint8_t *p = v.p + at;

	return (struct dot){ .stamp = codec_stamp(p), .gone = (p[FLAGS_AT] & GONE) != 0 };
}

/* Requires: the presence begins at out->p + start. */
static void
dot_put(struct wbuf *out, size_t start, struct dot dot)
{
	codec_put_stamp(out, dot.stamp);
	wbuf_u8(out, (uint8_t)((dot.gone ? GONE : 0) | (out->len - start == FLAGS_AT ? FIRST : 0)));
}

static int
dot_cmp(struct dot a, struct dot b)
{
	if (a.stamp.time.v != b.stamp.time.v) {
		return a.stamp.time.v < b.stamp.time.v ? -1 : 1;
	}
	return (int)a.gone - (int)b.gone;
}

bool
presence_cut(struct slice *item, struct slice *ret_presence)
{
	size_t len = 0;

	while (item->len - len >= PRESENCE_ENTRY_BYTES) {
		len += PRESENCE_ENTRY_BYTES;
		if (item->p[item->len - len + FLAGS_AT] & FIRST) {
			*ret_presence = codec_cut(item, len);
			return true;
		}
	}
	*item = *ret_presence = slice_of(NULL, 0);
	return false;
}

int
presence_check(struct slice presence)
{
	for (size_t i = 0; i < presence.len; i += PRESENCE_ENTRY_BYTES) {
		if ((presence.p[i + FLAGS_AT] & ~FLAGS) != 0 ||
		    (i != 0 && codec_u64(presence.p + i - PRESENCE_ENTRY_BYTES) >=
				       codec_u64(presence.p + i))) {
			return MB_ERR_CORRUPT;
		}
	}
	return presence.len != 0 ? 0 : MB_ERR_CORRUPT;
}

bool
presence_live(struct slice presence)
{
	for (size_t i = 0; i < presence.len; i += PRESENCE_ENTRY_BYTES) {
		if (!dot_at(presence, i).gone) {
			return true;
		}
	}
	return false;
}

bool
presence_put_since(struct wbuf *out, struct slice presence, struct hlc_time time)
{
	size_t start = out->len;
	bool any = false;

	for (size_t i = 0; i < presence.len; i += PRESENCE_ENTRY_BYTES) {
		struct dot dot = dot_at(presence, i);

		if (dot.gone && dot.stamp.time.v < time.v) {
			any = true;
		} else {
			dot_put(out, start, dot);
		}
	}
	return any;
}

void
presence_put_add(struct wbuf *out, struct stamp dot)
{
	dot_put(out, out->len, (struct dot){ .stamp = dot });
}

bool
presence_put_gone(struct wbuf *out, struct slice presence)
{
	size_t start = out->len;
	bool any = false;

	for (size_t i = 0; i < presence.len; i += PRESENCE_ENTRY_BYTES) {
		struct dot dot = dot_at(presence, i);

		if (!dot.gone) {
			any = true;
			dot.gone = true;
			dot_put(out, start, dot);
		}
	}
	return any;
}

int
presence_merge(struct slice a, struct slice b, struct wbuf *out)
{
	struct lattice_verdict verdict = { .left = true, .right = true };
	size_t start = out->len, i = 0, j = 0;

	while (i < a.len || j < b.len) {
		struct dot dot_a = { 0 }, dot_b = { 0 };
		bool has_a = i < a.len, has_b = j < b.len;
		int diff;

		if (has_a) {
			dot_a = dot_at(a, i);
		}
		if (has_b) {
			dot_b = dot_at(b, j);
		}
		if (has_a && has_b && dot_a.stamp.writer.v != dot_b.stamp.writer.v) {
			has_a = dot_a.stamp.writer.v < dot_b.stamp.writer.v;
			has_b = !has_a;
		}
		diff = (int)has_a - (int)has_b;
		diff = diff != 0 ? diff : dot_cmp(dot_a, dot_b);
		verdict.left = verdict.left && diff >= 0;
		verdict.right = verdict.right && diff <= 0;
		dot_put(out, start, diff >= 0 ? dot_a : dot_b);
		i += has_a ? PRESENCE_ENTRY_BYTES : 0;
		j += has_b ? PRESENCE_ENTRY_BYTES : 0;
	}
	return lattice_verdict_side(verdict);
}

bool
presence_leq(struct slice a, struct slice b)
{
	size_t j = 0;

	for (size_t i = 0; i < a.len; i += PRESENCE_ENTRY_BYTES) {
		struct dot dot = dot_at(a, i);

		while (j < b.len && dot_at(b, j).stamp.writer.v < dot.stamp.writer.v) {
			j += PRESENCE_ENTRY_BYTES;
		}
		if (j >= b.len || dot_at(b, j).stamp.writer.v != dot.stamp.writer.v ||
		    dot_cmp(dot, dot_at(b, j)) > 0) {
			return false;
		}
	}
	return true;
}

/* -------------------------------------------------------------------- the items that are seen */

uint32_t
presence_cnt(const struct table_merge_ops *ops, struct slice v)
{
	struct table t;

	return table_open(v, &t) < 0 ? 0 : table_present_cnt(&t, ops);
}

bool
presence_any(const struct table_merge_ops *ops, struct slice v)
{
	struct table_walk w = { 0 };
	struct slice item;
	struct table t;

	if (table_open(v, &t) < 0 || t.cnt == 0) {
		return false;
	}
	if (t.tree != NULL) { /* which knows */
		return table_present_cnt(&t, ops) != 0;
	}
	/* The last item first: what is used as a queue has its gone ones in front. */
	return ops->present == NULL || ops->present(table_item(&t, t.cnt - 1)) ||
	       presence_next(ops, v, &w, &item);
}

/* A tree knows how many items are seen below each node: leaves without any are passed over, so a
 * queue's first item is found in O(log n) whatever was taken off before it.
 *
 * Goes on with the next leaf that has one, when a walk is at the end of a leaf. Returns: false:
 * there is none. */
static bool
next_leaf(const struct tree_view *tree, struct table_walk *w)
{
	uint32_t at = w->first + w->cnt, before, in_leaf;
	struct table leaf;

	if (tree->root->present == tree->root->cnt) {
		return true; /* the walk finds it */
	}
	if (!tree_present_before(tree, at, &before) ||
	    !tree_leaf_present(tree, before, &leaf, &w->first, &in_leaf)) {
		return false;
	}
	/* The next step opens the leaf: at where the walk was, if that is in it. */
	w->first = MAX(w->first, at);
	w->cnt = w->idx = 0;
	return true;
}

bool
presence_next(const struct table_merge_ops *ops, struct slice v, struct table_walk *w,
	      struct slice *ret_item)
{
	struct slice item;

	for (;;) {
		if (slice_is_tree(v) && ops->present != NULL && w->idx == w->cnt &&
		    !next_leaf(slice_tree(v), w)) {
			return false;
		}
		if (!table_walk_next(v, w, &item)) {
			return false;
		}
		if (ops->present == NULL || ops->present(item)) {
			*ret_item = item;
			return true;
		}
	}
}

/* The same backwards, from the beginning of a leaf: *idx moves to the end of the one before it that
 * has an item that is seen. */
static bool
prev_leaf(const struct tree_view *tree, uint32_t *idx)
{
	uint32_t before, in_leaf, first;
	struct table leaf;

	if (*idx == 0 || tree->root->present == tree->root->cnt) {
		return *idx != 0;
	}
	/* All that are seen, or those before the leaf that begins here. */
	before = tree->root->present;
	if ((*idx < tree->root->cnt && !tree_present_before(tree, *idx, &before)) || before == 0 ||
	    !tree_leaf_present(tree, before - 1, &leaf, &first, &in_leaf) ||
	    first + leaf.cnt > *idx) {
		return false;
	}
	*idx = first + leaf.cnt;
	return true;
}

bool
presence_prev(const struct table_merge_ops *ops, struct slice v, uint32_t *idx,
	      struct slice *ret_item)
{
	struct table t, run;
	uint32_t at;

	if (table_open(v, &t) < 0) {
		return false;
	}
	*idx = MIN(*idx, t.cnt);
	while (*idx != 0 && table_run(&t, *idx - 1, &run, &at)) {
		if (t.tree != NULL && ops->present != NULL && at + 1 == run.cnt) {
			uint32_t was = *idx;

			if (!prev_leaf(t.tree, idx)) {
				*idx = 0;
				return false;
			}
			if (*idx != was) {
				continue;
			}
		}
		for (uint32_t i = at + 1; i != 0; i--, --*idx) {
			struct slice item = table_item(&run, i - 1);

			if (ops->present == NULL || ops->present(item)) {
				--*idx;
				*ret_item = item;
				return true;
			}
		}
	}
	return false;
}
