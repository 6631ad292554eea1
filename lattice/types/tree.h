/* SPDX-License-Identifier: Apache-2.0 */
/* tree.h - a table in pieces: how a large collection lies in memory, and how it is read
 *
 *	root ──► inner nodes ──► leaves
 *
 * Each leaf is a table (table.h) of some of the items; all leaves behind each other are the table.
 *
 * A table that fits no node any more (TREE_NODE_BYTES) is held as a tree. What it *is* does not
 * change: its encoding is the flat table, which is what goes over the wire, is hashed and compared
 * (treeval_write). Where the pieces begin is nobody's business but that of the memory they lie in.
 *
 * Inner nodes are tables too, whose items are
 *
 *	first key | off u64 | birth u64 | end u32 | present_end u32 | items_len u32 | ranks 2 f64
 *
 * first key: no item below the child comes before it, none to its left comes after it. end: how
 * many items the children up to here have. So keys and positions are both found in O(log n).
 * ranks: from the lowest to the highest rank of those items below that are seen (rank.h).
 *
 * Behind the table of a node stand the heads of its keys:
 *
 *	head | table | head of key 0 u32 | head of key 1 u32 | ...
 *
 * All keys of a node begin with the same `prefix` bytes; a head is the four bytes behind these, as
 * a number that is in the order of the keys. A search goes through the heads, which lie in a few
 * cache lines side by side, and looks at those keys only whose heads are equal to its own: mostly
 * at one in a leaf, and at none in an inner node. There the first key is not asked (what comes
 * before it can only be new, and goes to the first child), and may be without the prefix. A leaf of
 * one item has room for its head, and perhaps no head: it is looked at in any case. So behind the
 * table of such a leaf something else may stand, which makes both a delta (grove.h).
 *
 * A tree is read through a view, and a view goes wherever a flat state or envelope goes: a slice
 * whose length is TREE_SLICE points to one. table_open and envelope_open know such slices, so that
 * whoever reads a collection through them need not know in which form it is. Nobody may look at the
 * bytes of such a slice; to copy it is refused by its length (wbuf_put).
 *
 * Trust: as lattice.h. The bytes between lo and hi may be anything: lookups then give a wrong item
 * or none; they stay between lo and hi, and end.
 */
#ifndef MB_TREE_H
#define MB_TREE_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rank.h"
#include "slice.h"
#include "table.h"

/* A node, all of it. Larger: more is copied for a change. Smaller: more nodes. */
#ifndef TREE_NODE_BYTES /* tests take less, to get trees of some height */
#define TREE_NODE_BYTES 2048u
#endif
/* Only an item that is longer than a node makes one longer, and it has that node for itself. */
#define TREE_BODY_MAX   (TREE_NODE_BYTES - (uint32_t)sizeof(struct tree_node))
/* How long the table that a tree stands for may be: twice as long as a flat one, for marks. */
#define TREE_BYTES_MAX  (2 * LATTICE_BYTES_MAX)
/* An inner node has two children or more: so the largest value in the smallest items ends here. */
#define TREE_HEIGHT_MAX 26

struct tree_node {
	/* For the owner of the memory, see grove.c; else only birth is looked at (tree_version). */
	uint64_t birth;
	uint64_t link;
	union {
		struct { /* of a root */
			uint64_t older, newer;
		};
		struct rank_span ranks; /* of others: what its parent says of it, too */
	};
	uint32_t bytes; /* taken for it; 0: a root, which lies in a block of others */
	uint32_t at;
	/* What readers see. It does not change once a root shows the node. */
	uint32_t len;       /* of the table */
	uint32_t cnt;       /* items below */
	uint32_t present;   /* of these, that a reader is shown */
	uint32_t items_len; /* bytes of all items below */
	uint32_t height;    /* 0: a leaf */
	uint32_t prefix;    /* bytes that its keys have in common */
	uint8_t body[];     /* a table, and the heads */
};
static_assert(sizeof(struct tree_node) == 64, "the head of a node is one cache line");

/* A tree as somebody sees it. The root stands where the state of its envelope stands. */
struct tree_view {
	const uint8_t *base; /* offsets count from here */
	uint64_t lo, hi;     /* nodes lie between these */
	const struct tree_node *root;
	struct slice envelope; /* flat, but for the state */
};

/* tree_version is a number that no other tree in the same memory has, or has had. */
static inline uint64_t
tree_version(const struct tree_view *view)
{
	return view->root->birth;
}

#define TREE_SLICE SIZE_MAX

static inline bool
slice_is_tree(struct slice s)
{
	return s.len == TREE_SLICE;
}

static inline const struct tree_view *
slice_tree(struct slice s)
{
	return (const struct tree_view *)(const void *)s.p;
}

/* tree_slice is the slice, of a state or of an envelope, that stands for a tree. The view must stay
 * where it is for as long as the slice is used. */
static inline struct slice
tree_slice(const struct tree_view *view)
{
	return slice_of(view, TREE_SLICE);
}

/* tree_view_init looks at an envelope whose state is a root.
 *
 * Returns:   0; MB_ERR_CORRUPT.
 */
int tree_view_init(struct tree_view *ret, const uint8_t *base, uint64_t lo, uint64_t hi,
		   struct slice envelope);

/* tree_leaf gives the leaf that holds item idx, and which item its first one is.
 *
 * Returns:   false when there is none.
 * Cost:      O(log n), a few cache lines a level
 */
bool tree_leaf(const struct tree_view *view, uint32_t idx, struct table *ret_leaf,
	       uint32_t *ret_first);

/* tree_leaf_present: the same for the idx-th of the items that are present; *ret_idx is how many
 * present ones of that leaf come before it. */
bool tree_leaf_present(const struct tree_view *view, uint32_t idx, struct table *ret_leaf,
		       uint32_t *ret_first, uint32_t *ret_idx);

/* tree_present_before counts the present items that come before the leaf which holds item idx.
 *
 * Returns:   false when there is no such item.
 */
bool tree_present_before(const struct tree_view *view, uint32_t idx, uint32_t *ret);

/* tree_leaf_find gives the leaf that an item with this sort key belongs to, and which of its items
 * may have that key: [*ret_from, *ret_to), by their heads.
 *
 * Returns:   false when the way to it is damaged.
 */
bool tree_leaf_find(const struct tree_view *view, struct slice key, struct table *ret_leaf,
		    uint32_t *ret_from, uint32_t *ret_to);

/* ------------------------------------------------------------------ inner nodes, for grove.c */

struct tree_entry {
	struct slice first; /* key */
	uint64_t off, birth;
	uint32_t end, present_end, items_len;
	struct rank_span ranks;
};

#define TREE_ENTRY_TAIL (4 * sizeof(uint64_t) + 3 * sizeof(uint32_t))

/* tree_entry_at takes item i of an inner node apart. Returns: false when there is none. */
bool tree_entry_at(const struct table *inner, uint32_t i, struct tree_entry *ret);

/* tree_entry_put appends one. */
void tree_entry_put(struct wbuf *out, const struct tree_entry *e);

/* tree_child_find is the child that an item with this key belongs to. Requires: inner is the table
 * of a node with this prefix. */
uint32_t tree_child_find(const struct table *inner, uint32_t prefix, struct slice key);

/* tree_child_at is the first child whose end is beyond idx; the last one if none is. */
uint32_t tree_child_at(const struct table *inner, uint32_t idx);

/* tree_descend goes from an inner node to its child i, of this height, and adds up how many items,
 * and present ones, lie to the left of it. Returns: NULL: there is none. */
const struct tree_node *tree_descend(const struct tree_view *view, struct table *node, uint32_t i,
				     uint32_t height, uint32_t *first, uint32_t *present);

/* What a node takes for an item beside its bytes: an end and a head. */
#define TREE_HEAD_BYTES    ((uint32_t)sizeof(uint32_t))
#define TREE_ITEM_OVERHEAD (TABLE_ITEM_OVERHEAD + TREE_HEAD_BYTES)

/* tree_heads_put writes the heads of a node whose table is there. key_of: of a leaf. */
void tree_heads_put(struct tree_node *node, table_key_fn *key_of);

/* tree_body_bytes is how long table and heads are. Requires: a node of our own. */
size_t tree_body_bytes(const struct tree_node *node);

/* tree_node_open checks where a node should be and opens its body. Returns: NULL when it is none of
 * this height. */
const struct tree_node *tree_node_open(const struct tree_view *view, uint64_t off, uint32_t height,
				       struct table *ret_body);

#endif
