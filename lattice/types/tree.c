/* SPDX-License-Identifier: Apache-2.0 */
/* tree.c - finding an item in a tree
 *
 * I1  A node's height is one less than its parent's, and a root's is TREE_HEIGHT_MAX at most. It is
 *     checked at each step, so a walk down ends whatever the nodes say, cycles included.
 * I2  A node is read only after its offset and its length were checked against lo and hi, its body
 *     only through table.c, which stays inside of it.
 */
#include "tree.h"

#include "codec.h"
#include "compiler.h"
#include "envelope.h"
#include "lattice.h"
#include "microburst/error.h"

int
tree_view_init(struct tree_view *ret, const uint8_t *base, uint64_t lo, uint64_t hi,
	       struct slice envelope)
{
	struct envelope e;
	const struct tree_node *root;

	if (slice_is_tree(envelope) || envelope_open(envelope, &e) != 0 ||
	    e.state.len <= sizeof(*root) || (uintptr_t)e.state.p % sizeof(uint64_t) != 0) {
		return MB_ERR_CORRUPT;
	}
	root = (const struct tree_node *)(const void *)e.state.p;
	if (root->len != e.state.len - sizeof(*root) || root->height == 0 ||
	    root->height > TREE_HEIGHT_MAX || root->cnt > LATTICE_BYTES_MAX / TABLE_ITEM_OVERHEAD) {
		return MB_ERR_CORRUPT;
	}
	*ret = (struct tree_view){
		.base = base,
		.lo = lo,
		.hi = hi,
		.root = root,
		.envelope = envelope,
	};
	return 0;
}

/* -------------------------------------------------------------------------------------- entries */

bool
tree_entry_at(const struct table *inner, uint32_t i, struct tree_entry *ret)
{
	struct slice item = table_item(inner, i);
	const uint8_t *tail;

	if (unlikely(item.len < TREE_ENTRY_TAIL)) {
		return false;
	}
	tail = codec_cut(&item, TREE_ENTRY_TAIL).p;
	*ret = (struct tree_entry){
		.first = item,
		.off = codec_u64(tail),
		.birth = codec_u64(tail + 8),
		.end = codec_u32(tail + 16),
		.present_end = codec_u32(tail + 20),
		.items_len = codec_u32(tail + 24),
	};
	return true;
}

void
tree_entry_put(struct wbuf *out, const struct tree_entry *e)
{
	codec_put_slice(out, e->first);
	wbuf_u64(out, e->off);
	wbuf_u64(out, e->birth);
	wbuf_u32(out, e->end);
	wbuf_u32(out, e->present_end);
	wbuf_u32(out, e->items_len);
}

static struct slice
entry_key(struct slice item)
{
	return slice_of(item.p, item.len - MIN(item.len, TREE_ENTRY_TAIL));
}

uint32_t
tree_child_find(const struct table *inner, struct slice key)
{
	uint32_t i;

	/* What comes before every first key can only be new, and goes to the first child. */
	return table_place(inner, entry_key, key, &i) || i == 0 ? i : i - 1;
}

const struct tree_node *
tree_node_open(const struct tree_view *view, uint64_t off, uint32_t height, struct table *ret_body)
{
	const struct tree_node *node;
	uint32_t len;

	if (unlikely(off < view->lo || off >= view->hi || off % sizeof(uint64_t) != 0 ||
		     view->hi - off < sizeof(*node))) {
		return NULL;
	}
	node = (const struct tree_node *)(const void *)(view->base + off);
	len = node->len;
	if (unlikely(len > view->hi - off - sizeof(*node) || node->height != height ||
		     table_open(slice_of(node->body, len), ret_body) != 0)) {
		return NULL;
	}
	return node;
}

/* ------------------------------------------------------------------------------------- the walk */

/* Opens the body of the root. */
static bool
root_open(const struct tree_view *view, struct table *ret)
{
	return table_open(slice_of(view->root->body, view->root->len), ret) == 0;
}

enum by { BY_ITEM, BY_PRESENT };

static uint32_t
end_of(const struct tree_entry *e, enum by by)
{
	return by == BY_ITEM ? e->end : e->present_end;
}

/* The first child whose end is beyond idx; the last one if none is. */
static uint32_t
child_at(const struct table *inner, uint32_t idx, enum by by)
{
	uint32_t lo = 0, hi = inner->cnt;
	struct tree_entry e;

	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;

		if (tree_entry_at(inner, mid, &e) && end_of(&e, by) <= idx) {
			lo = mid + 1;
		} else {
			hi = mid;
		}
	}
	return lo < inner->cnt ? lo : lo - 1;
}

/* Begins to fetch the lines of a node, all at once: a search that finds them one by one, each after
 * the last, waits for memory as often as it compares. bytes: what may be in it. */
static void
prefetch(const struct tree_view *view, uint64_t off, size_t bytes)
{
	if (likely(off < view->hi && view->hi - off >= TREE_NODE_BYTES)) {
		for (size_t at = 0; at < MIN(bytes, (size_t)TREE_NODE_BYTES); at += CACHE_LINE) {
			__builtin_prefetch(view->base + off + at);
		}
	}
}

/* Goes from an inner node to its child i, and adds up what lies to the left of it. */
static bool
descend(const struct tree_view *view, struct table *node, uint32_t i, uint32_t height,
	uint32_t *first, uint32_t *present)
{
	struct tree_entry e, before = { .end = 0 };

	if (!tree_entry_at(node, i, &e) || (i > 0 && !tree_entry_at(node, i - 1, &before))) {
		return false;
	}
	prefetch(view, e.off,
		 sizeof(struct tree_node) + (size_t)e.items_len +
			 TABLE_ITEM_OVERHEAD * ((size_t)e.end - before.end + 2));
	if (i > 0) {
		*first += before.end;
		*present += before.present_end;
	}
	return tree_node_open(view, e.off, height, node) != NULL;
}

static bool
leaf_at(const struct tree_view *view, uint32_t idx, enum by by, struct table *leaf, uint32_t *first,
	uint32_t *present)
{
	*first = *present = 0;
	if (!root_open(view, leaf)) {
		return false;
	}
	for (uint32_t height = view->root->height; height > 0; height--) {
		uint32_t before = by == BY_ITEM ? *first : *present;

		if (leaf->cnt == 0 || before > idx ||
		    !descend(view, leaf, child_at(leaf, idx - before, by), height - 1, first,
			     present)) {
			return false;
		}
	}
	return true;
}

bool
tree_leaf(const struct tree_view *view, uint32_t idx, struct table *ret_leaf, uint32_t *ret_first)
{
	uint32_t present;

	return leaf_at(view, idx, BY_ITEM, ret_leaf, ret_first, &present) && idx >= *ret_first &&
	       idx - *ret_first < ret_leaf->cnt;
}

bool
tree_leaf_present(const struct tree_view *view, uint32_t idx, struct table *ret_leaf,
		  uint32_t *ret_first, uint32_t *ret_idx)
{
	uint32_t before;

	if (idx >= view->root->present ||
	    !leaf_at(view, idx, BY_PRESENT, ret_leaf, ret_first, &before) || before > idx) {
		return false;
	}
	*ret_idx = idx - before;
	return true;
}

bool
tree_leaf_find(const struct tree_view *view, struct slice key, struct table *ret_leaf)
{
	uint32_t first = 0, present = 0;

	if (!root_open(view, ret_leaf)) {
		return false;
	}
	for (uint32_t height = view->root->height; height > 0; height--) {
		if (ret_leaf->cnt == 0 ||
		    !descend(view, ret_leaf, tree_child_find(ret_leaf, key), height - 1, &first,
			     &present)) {
			return false;
		}
	}
	return true;
}
