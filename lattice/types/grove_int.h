/* SPDX-License-Identifier: Apache-2.0 */
/* grove_int.h - what grove.c, grove_node.c and grove_merge.c share; nobody else includes it */
#ifndef MB_GROVE_INT_H
#define MB_GROVE_INT_H

#include "check.h"
#include "grove.h"

#define GARBAGE_ALONE UINT64_MAX /* as `older` of garbage: its children do not go with it */

static inline uint64_t
grove_off(const struct grove *g, const struct tree_node *node)
{
	return node == NULL ? 0 : (uint64_t)((const uint8_t *)node - g->base);
}

static inline struct tree_node *
grove_node_at(const struct grove *g, uint64_t off)
{
	return off == 0 ? NULL : (struct tree_node *)(void *)(g->base + off);
}

static inline void
grove_chain_add(const struct grove *g, struct grove_chain *c, struct tree_node *node)
{
	node->link = 0;
	if (c->last != NULL) {
		c->last->link = grove_off(g, node);
	} else {
		c->first = node;
	}
	c->last = node;
}

static inline void
grove_chain_join(const struct grove *g, struct grove_chain *to, const struct grove_chain *more)
{
	if (more->first == NULL) {
		return;
	}
	if (to->last != NULL) {
		to->last->link = grove_off(g, more->first);
	} else {
		to->first = more->first;
	}
	to->last = more->last;
}

static inline void
grove_node_free(struct grove *g, struct tree_node *node)
{
	g->ops.free(g->ops.ctx, node, node->bytes);
}

static inline struct table
grove_body(const struct tree_node *node)
{
	struct table t = { 0 };

	INSIST(table_open(slice_of(node->body, node->len), &t) == 0);
	return t;
}

/* ------------------------------------------------------------------------------------- grove.c */

/* grove_node_new takes memory for a node. Returns: as ops->alloc. */
int grove_node_new(struct grove *g, const struct grove_edit *edit, size_t body_bytes,
		   uint32_t height, uint32_t at, struct tree_node **ret);

/* grove_garbage_chain gives up the nodes of a row that are younger than that (GARBAGE_ALONE: all),
 * and those of their children that are. */
void grove_garbage_chain(struct grove *g, const struct grove_chain *c, uint64_t younger_than);

/* grove_gone_free frees those of a row that stand for nothing: what has the others was written. */
void grove_gone_free(struct grove *g, const struct grove_chain *c);

/* -------------------------------------------------------------------------------- grove_node.c */

/* The children of a node that is to be written: those it had, and for some of them new ones. */
struct grove_children {
	const struct grove *g;
	const struct grove_edit *edit;
	struct table old; /* empty: only new ones */
	uint32_t i;       /* next old one */
	uint32_t old_end, old_present_end;
	const struct tree_node *kid;    /* next new one */
	const struct tree_node *before; /* the new one before it, if it is for the same place */
	struct slice first;             /* where the first one begins whose place is gone: */
	bool headless;                  /* the next one begins there */
};

/* A new child that only says that the old one at its place goes, and that nothing takes that. */
static inline bool
grove_gone(const struct tree_node *kid)
{
	return kid->cnt == 0;
}

struct grove_children grove_children_of(const struct grove *g, const struct grove_edit *edit,
					const struct table *old, const struct grove_chain *kids);

/* grove_children_next gives the next child, with its own counts where an entry has sums.
 * Returns: false at the end. */
bool grove_children_next(struct grove_children *c, struct tree_entry *ret);

/* grove_entry_bytes is how much room a child takes in a body. */
size_t grove_entry_bytes(const struct tree_entry *e);

/* grove_leaf_close fills in what a leaf's items, of which so many are present, add up to, and the
 * heads. ranks: NULL: they are looked at. */
void grove_leaf_close(const struct grove_edit *edit, struct tree_node *leaf, size_t len,
		      uint32_t present, const struct rank_span *ranks);

/* grove_leaves_make packs items [from, to) of a flat table into leaves; grove_inner_make children
 * into inner nodes, of two each at least. packed: as few nodes as can be; else of equal lengths.
 * at: what they stand for. Returns: 0; as ops->alloc, with those made so far in the chain. */
int grove_leaves_make(struct grove *g, const struct grove_edit *edit, const struct table *t,
		      uint32_t from, uint32_t to, bool packed, uint32_t at,
		      struct grove_chain *to_chain);

/* grove_item_long tells whether an item has a leaf for itself. */
static inline bool
grove_item_long(struct slice item)
{
	return item.len + TREE_ITEM_OVERHEAD > TREE_BODY_MAX;
}
int grove_inner_make(struct grove *g, const struct grove_edit *edit, struct grove_children c,
		     uint32_t height, uint32_t at, bool packed, struct grove_chain *to_chain);

/* grove_row_make does the same for a row of new children alone, packed and node_cnt nodes at most;
 * *c goes on. Returns: 0: that were all; MB_ERR_TRYAGAIN; as ops->alloc. */
int grove_row_make(struct grove *g, const struct grove_edit *edit, struct grove_children *c,
		   uint32_t height, uint32_t node_cnt, struct grove_chain *to_chain);

/* grove_inner_fill writes the next cnt children into a node whose body has these bytes. */
void grove_inner_fill(struct grove_children *c, uint32_t cnt, struct tree_node *node, size_t bytes);

/* grove_one_for_one tells whether each new child stands for one old one, so that nothing gets
 * longer; grove_inner_patch writes such a node. */
bool grove_one_for_one(const struct grove *g, const struct grove_edit *edit,
		       const struct grove_chain *kids);
void grove_inner_patch(const struct grove *g, const struct tree_node *old,
		       const struct grove_chain *kids, struct tree_node *node);

#endif
