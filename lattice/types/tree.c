/* SPDX-License-Identifier: Apache-2.0 */
/* tree.c - finding an item in a tree
 *
 * I1  A node's height is one less than its parent's, and a root's is TREE_HEIGHT_MAX at most. It is
 *     checked at each step, so a walk down ends whatever the nodes say, cycles included.
 * I2  A node is read only after its offset and its length were checked against lo and hi, its body
 *     only through table.c, which stays inside of it.
 */
#include "tree.h"

#include "check.h"
#include "codec.h"
#include "compiler.h"
#include "envelope.h"
#include "lattice.h"
#include "microburst/error.h"

int
tree_view_init(struct tree_view *ret, const uint8_t *base, uint64_t lo, uint64_t hi,
	       struct slice envelope)
{
	const struct tree_node *root;
	struct envelope e;
	struct table t;

	if (slice_is_tree(envelope) || envelope_open(envelope, &e) != 0 ||
	    e.state.len <= sizeof(*root) || (uintptr_t)e.state.p % sizeof(uint64_t) != 0) {
		return MB_ERR_CORRUPT;
	}
	root = (const struct tree_node *)(const void *)e.state.p;
	if (root->len > e.state.len - sizeof(*root) ||
	    table_open(slice_of(root->body, root->len), &t) != 0 ||
	    e.state.len - sizeof(*root) - root->len != (size_t)t.cnt * TREE_HEAD_BYTES ||
	    root->height == 0 || root->height > TREE_HEIGHT_MAX ||
	    root->cnt > LATTICE_BYTES_MAX / TABLE_ITEM_OVERHEAD) {
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
		.ranks = { codec_f64(tail + 28), codec_f64(tail + 36) },
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
	codec_put_f64(out, e->ranks.low);
	codec_put_f64(out, e->ranks.high);
}

static struct slice
entry_key(struct slice item)
{
	return slice_of(item.p, item.len - MIN(item.len, TREE_ENTRY_TAIL));
}

/* ---------------------------------------------------------------------------------------- heads */

/* Behind the ends, of whatever is a node's table. */
static const uint8_t *
heads_of(const struct table *t)
{
	return t->ends + (size_t)t->cnt * TABLE_ITEM_OVERHEAD;
}

static uint32_t
head_of(struct slice key, uint32_t prefix)
{
	uint32_t head = 0;

	if (likely(key.len > prefix)) {
		memcpy(&head, key.p + prefix, MIN(key.len - prefix, sizeof(head)));
	}
	return be32toh(head);
}

/* The first of items [from, to) whose head is not below this one. Without a branch that depends on
 * a head: half of these would be guessed wrong, and a wrong guess costs more than a step. */
static uint32_t
head_place(const uint8_t *heads, uint32_t head, uint32_t from, uint32_t to)
{
	uint32_t cnt = to - from;

	while (cnt > 0) {
		uint32_t half = (cnt + 1) / 2;

		from += codec_u32(heads + (size_t)(from + half - 1) * TREE_HEAD_BYTES) < head ? half
											      : 0;
		cnt -= half;
	}
	return from;
}

/* Those of items [from, to) that have this head. */
static void
heads_equal(const struct table *t, uint32_t head, uint32_t *from, uint32_t *to)
{
	const uint8_t *heads;
	uint32_t at, end;

	if (*from >= *to || t->cnt == 1) { /* none; or one, which may be without a head */
		return;
	}
	heads = heads_of(t);
	at = end = head_place(heads, head, *from, *to);
	while (end < *to && codec_u32(heads + (size_t)end * TREE_HEAD_BYTES) == head) {
		end++;
	}
	*from = at;
	*to = end;
}

static uint32_t
common_len(struct slice a, struct slice b)
{
	size_t len = 0;

	while (len < a.len && len < b.len && a.p[len] == b.p[len]) {
		len++;
	}
	return (uint32_t)len;
}

void
tree_heads_put(struct tree_node *node, table_key_fn *key_of)
{
	table_key_fn *key = node->height > 0 ? entry_key : key_of;
	uint32_t first = node->height > 0 ? 1 : 0;
	struct table t;
	struct wbuf out;

	INSIST(table_open(slice_of(node->body, node->len), &t) == 0);
	if (node->height == 0 && t.cnt == 1) {
		return;
	}
	node->prefix = first < t.cnt ? common_len(key(table_item(&t, first)),
						  key(table_item(&t, t.cnt - 1)))
				     : 0;
	out = wbuf_init(node->body + node->len, (size_t)t.cnt * TREE_HEAD_BYTES);
	for (uint32_t i = 0; i < t.cnt; i++) {
		wbuf_u32(&out, head_of(key(table_item(&t, i)), node->prefix));
	}
	INSIST(!out.full);
}

size_t
tree_body_bytes(const struct tree_node *node)
{
	struct table t;

	INSIST(table_open(slice_of(node->body, node->len), &t) == 0);
	return node->len + (size_t)t.cnt * TREE_HEAD_BYTES;
}

uint32_t
tree_child_find(const struct table *inner, uint32_t prefix, struct slice key)
{
	uint32_t from = 1, to = inner->cnt, i;

	if (unlikely(prefix != 0 && to > 1)) {
		struct slice first = entry_key(table_item(inner, 1));
		int diff = slice_cmp(slice_of(key.p, MIN(key.len, prefix)),
				     slice_of(first.p, MIN(first.len, prefix)));

		if (diff != 0) {
			return diff < 0 ? 0 : to - 1;
		}
	}
	if (to > 1) {
		heads_equal(inner, head_of(key, prefix), &from, &to);
	}
	return table_place(inner, entry_key, key, from, to, &i) ? i : i - 1;
}

const struct tree_node *
tree_node_open(const struct tree_view *view, uint64_t off, uint32_t height, struct table *ret_body)
{
	const struct tree_node *node;
	uint64_t room;
	uint32_t len;

	if (unlikely(off < view->lo || off >= view->hi || off % sizeof(uint64_t) != 0 ||
		     view->hi - off < sizeof(*node))) {
		return NULL;
	}
	node = (const struct tree_node *)(const void *)(view->base + off);
	len = node->len;
	room = view->hi - off - sizeof(*node);
	if (unlikely(len > room || node->height != height ||
		     table_open(slice_of(node->body, len), ret_body) != 0 ||
		     (uint64_t)ret_body->cnt * TREE_HEAD_BYTES > room - len)) {
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

/* As tree_child_at. */
static uint32_t
child_by(const struct table *inner, uint32_t idx, enum by by)
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

uint32_t
tree_child_at(const struct table *inner, uint32_t idx)
{
	return child_by(inner, idx, BY_ITEM);
}

/* Begins to fetch bytes [from, to) of a node. */
static void
prefetch(const struct tree_view *view, uint64_t off, uint64_t from, uint64_t to)
{
	for (to = MIN(to, (uint64_t)TREE_NODE_BYTES); from < to; from += CACHE_LINE) {
		__builtin_prefetch(view->base + off + from);
	}
}

/* Begins to fetch the lines of a child, all at once: a search that finds them one by one, each
 * after the last, waits for memory as often as it looks. Of a leaf, of which it is known where they
 * are, ends and heads come first. */
static void
prefetch_child(const struct tree_view *view, const struct tree_entry *e, uint32_t cnt,
	       uint32_t height)
{
	uint64_t ends = sizeof(struct tree_node) + (uint64_t)e->items_len;

	if (unlikely(e->off >= view->hi || view->hi - e->off < TREE_NODE_BYTES)) {
		return;
	}
	prefetch(view, e->off, 0, sizeof(struct tree_node));
	if (height == 0) {
		prefetch(view, e->off, ends,
			 ends + (uint64_t)TREE_ITEM_OVERHEAD * cnt + CACHE_LINE);
		prefetch(view, e->off, sizeof(struct tree_node), ends);
	} else {
		prefetch(view, e->off, sizeof(struct tree_node), TREE_NODE_BYTES);
	}
}

const struct tree_node *
tree_descend(const struct tree_view *view, struct table *node, uint32_t i, uint32_t height,
	     uint32_t *first, uint32_t *present)
{
	struct tree_entry e, before = { .end = 0 };

	if (!tree_entry_at(node, i, &e) || (i > 0 && !tree_entry_at(node, i - 1, &before))) {
		return NULL;
	}
	prefetch_child(view, &e, e.end - before.end, height);
	if (i > 0) {
		*first += before.end;
		*present += before.present_end;
	}
	return tree_node_open(view, e.off, height, node);
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
		    tree_descend(view, leaf, child_by(leaf, idx - before, by), height - 1, first,
				 present) == NULL) {
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
tree_present_before(const struct tree_view *view, uint32_t idx, uint32_t *ret)
{
	struct table leaf;
	uint32_t first;

	return leaf_at(view, idx, BY_ITEM, &leaf, &first, ret) && idx >= first &&
	       idx - first < leaf.cnt;
}

bool
tree_leaf_find(const struct tree_view *view, struct slice key, struct table *ret_leaf,
	       uint32_t *ret_from, uint32_t *ret_to)
{
	const struct tree_node *node = view->root;
	uint32_t first = 0, present = 0;

	if (!root_open(view, ret_leaf)) {
		return false;
	}
	for (uint32_t height = node->height; height > 0; height--) {
		if (ret_leaf->cnt == 0) {
			return false;
		}
		node = tree_descend(view, ret_leaf, tree_child_find(ret_leaf, node->prefix, key),
				    height - 1, &first, &present);
		if (node == NULL) {
			return false;
		}
	}
	*ret_from = 0;
	*ret_to = ret_leaf->cnt;
	/* A key without the prefix is not here; whoever looks at the item sees that. */
	heads_equal(ret_leaf, head_of(key, node->prefix), ret_from, ret_to);
	return true;
}
