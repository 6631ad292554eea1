/* SPDX-License-Identifier: Apache-2.0 */
/* grove.h - memory in which trees grow
 *
 * One owner's memory (a shard of the store, a shard of the cache) and the trees in it (tree.h). A
 * change makes a new root that shares with the old one whatever did not change; the old one can be
 * read on until its owner says that nobody does. So a change of a few items costs O(log n), for
 * memory as for time.
 *
 *	grove_merge ──► edit ──► grove_commit, to a place that the caller found for the root
 *	                     └─► grove_abort: as if nothing had been
 *	...
 *	grove_release(root)      when nobody can read this root any more
 *	grove_sweep              gives memory back, a bounded number of nodes at a time
 *
 * Pure: memory comes and goes through two functions of the owner. Threads: the owner's.
 */
#ifndef MB_GROVE_H
#define MB_GROVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "table.h"
#include "tree.h"

struct grove_ops {
	/* alloc finds memory, aligned to 8, between lo and hi. Returns: 0; an error, which is
	 * handed on. */
	int (*alloc)(void *ctx, size_t bytes, void **ret);
	void (*free)(void *ctx, void *p, size_t bytes);
	void *ctx;
};

/* A leaf for one long item, to which bytes of it are brought before it is merged, in pieces: where
 * it is then written as it is, by itself, little is left to copy. Nothing at all, if the item is
 * merged from there (grove_ready_here): a delta of that item alone begins the leaf's body, which
 * stays as it is, with what stands behind the table. */
struct grove_ready {
	struct tree_node *node; /* NULL: none */
	const uint8_t *item;    /* where the item begins, now and when it is merged */
	size_t from, to;        /* bytes of it that are there now, and stay */
	size_t done;            /* of these, up to here */
	size_t room;            /* for the item, at most so long, and TREE_ITEM_OVERHEAD */
};

struct grove {
	struct grove_ops ops;
	uint8_t *base;
	uint64_t lo, hi;
	uint64_t birth; /* the last one given out */
	struct tree_node *garbage;
	struct grove_ready *ready; /* of the change that is being made; NULL: none */
};

/* A row of nodes, linked by their offsets. */
struct grove_chain {
	struct tree_node *first, *last;
};

/* A change that was not committed yet. */
struct grove_edit {
	const struct table_merge_ops *items;
	const struct tree_view *old; /* NULL: there is none */
	uint64_t birth;
	struct grove_chain kids; /* new children of the root, for those at which they stand */
	bool fresh;              /* the root has no others */
	struct grove_chain dead; /* nodes of the old tree that the new one has not */
	/* While a row of kids gets parents: these so far, and where it goes on. */
	bool rising;
	struct grove_chain parents;
	const struct tree_node *kid, *before;
	uint32_t height;    /* of the root */
	size_t root_bytes;  /* what the root will take */
	size_t items_bytes; /* the table that the new tree stands for: how long it is, */
	uint32_t marks;     /* and how many of its items no reader is shown */
};

void grove_init(struct grove *g, uint8_t *base, uint64_t lo, uint64_t hi,
		const struct grove_ops *ops);

/* grove_ready_step brings up to so many bytes more to *r, whose item, from, to and room are set,
 * and all else is zero. Whoever makes the change shows it to the grove meanwhile (grove->ready),
 * and drops it afterwards: it may have been of no use.
 *
 * Returns:   0: that were all; MB_ERR_TRYAGAIN; an error of ops->alloc. */
int grove_ready_step(struct grove *g, struct grove_ready *r, size_t step);
/* grove_ready_item does the same with all bytes of an item that is there. */
int grove_ready_item(struct grove *g, struct grove_ready *r, struct slice item, size_t step);
/* grove_ready_here makes memory of the grove, from ops->alloc of these bytes, such a leaf, whose
 * item and the delta around it are, or will be, at its body. It becomes a part of the tree
 * (ret->node is then NULL, also after an error: it goes with what was begun), or stays the
 * caller's. */
void grove_ready_here(struct grove_ready *ret, void *mem, size_t bytes, size_t item_len);
void grove_ready_drop(struct grove *g, struct grove_ready *r);

/* grove_merge merges a flat table into a tree of this grove.
 *
 * Requires:  delta is a checked state of the type whose ops are given.
 * Returns:   LATTICE_LEFT: it has it all, there is no edit. LATTICE_MIXED: *edit is to be committed
 *            or aborted. An error of ops->alloc; MB_ERR_TOO_LARGE; MB_ERR_CORRUPT.
 * Cost:      for each item the way down, and a copy of the nodes on it
 */
int grove_merge(struct grove *g, const struct tree_view *old, struct slice delta,
		const struct table_merge_ops *items, struct grove_edit *edit);

/* grove_forget takes items out of a tree: those of a flat table, each of which no reader is shown.
 *
 * Returns:   LATTICE_MIXED: as grove_merge; MB_ERR_NOT_FOUND: one of them is not there as it is
 *            given, or nothing else is there; as grove_merge.
 * Cost:      as grove_merge. Leaves and nodes that come to hold nothing go; those that come to hold
 *            little stay.
 */
int grove_forget(struct grove *g, const struct tree_view *old, struct slice marks,
		 const struct table_merge_ops *items, struct grove_edit *edit);

/* A tree from leaf to leaf: begin, add tables of which each goes on where the last one ended, and
 * seal, which makes node_cnt inner nodes at most: it is to be called again while it says
 * MB_ERR_TRYAGAIN. Then it is to be committed, or aborted. After an error what failed can be tried
 * again: seal goes on where it was; add has added nothing, if the table fits one node.
 *
 * Returns:   0; an error of ops->alloc; MB_ERR_TOO_LARGE.
 * Cost:      add: a copy of the table. seal: a look at each leaf, and some 50 bytes.
 */
void grove_begin(struct grove *g, const struct table_merge_ops *items, struct grove_edit *edit);
int grove_add(struct grove *g, struct grove_edit *edit, const struct table *run);
int grove_seal(struct grove *g, struct grove_edit *edit, uint32_t node_cnt);

/* grove_commit writes the root, edit->root_bytes, to place, which is aligned to 8. It is the newest
 * of its tree from now on. */
struct tree_node *grove_commit(struct grove *g, const struct grove_edit *edit, void *place);
void grove_abort(struct grove *g, struct grove_edit *edit);

/* grove_release gives up a root that nobody can read any more: of what it had, what no other root
 * of its tree has is garbage. The root itself, and its place, are the caller's again. */
void grove_release(struct grove *g, struct tree_node *root);

/* grove_sweep frees up to so many nodes. Returns: whether there are more. */
bool grove_sweep(struct grove *g, uint32_t node_cnt);

#endif
