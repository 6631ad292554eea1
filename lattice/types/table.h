/* SPDX-License-Identifier: Apache-2.0 */
/* table.h - sorted items in one string of bytes: what sets and maps are made of
 *
 *	item 0 | item 1 | ... | end 0 u32 | end 1 u32 | ...
 *
 * end i is the offset just behind item i, so item i begins at end i-1. The last end is the length
 * of all items, and with the length of the whole it gives their number: nothing else needs storing.
 * An item is found by binary search, in place, in O(log n); items are read without copying.
 *
 * Items are ordered by their sort key (the item itself, or a part of it) and no two have the same.
 *
 * This is the encoding of every table. In memory a large one may be kept in pieces (tree.h):
 * readers here take either form, and need not know which; builders and merges take the flat one.
 *
 * Ends are always 32 bits. Shorter ones for small tables would save 3 bytes an item, and cost a
 * width to look up in each search step and a merge that can be longer than its inputs (E4).
 */
#ifndef MB_TABLE_H
#define MB_TABLE_H

#include <stdbool.h>
#include <stdint.h>

#include "slice.h"

#define TABLE_ITEM_OVERHEAD 4

struct tree_view;

/* A view of a table's bytes. Owner: whoever opened it. */
struct table {
	const uint8_t *items;
	const uint8_t *ends;
	const struct tree_view *tree; /* NULL: it is flat */
	uint32_t items_len;
	uint32_t cnt;
};

/* The sort key of an item; an empty slice for an item that is too damaged to have one. */
typedef struct slice table_key_fn(struct slice item);

/* Whether an item is well formed, all the way down. 0 or an error. */
typedef int table_item_check_fn(struct slice item, unsigned int depth);

/* table_open looks at a table in place, flat or a tree (tree_slice).
 *
 * Ensures:   every function below stays inside v, or the tree's memory, whatever its bytes are.
 * Returns:   0, with cnt 0 for an empty slice; MB_ERR_CORRUPT.
 * Cost:      O(1)
 */
int table_open(struct slice v, struct table *ret_table);

/* table_item gives item idx; an empty slice if idx is not below cnt, or the ends around it are
 * damaged.
 *
 * Cost:      O(1); of a tree O(log n)
 */
struct slice table_item(const struct table *t, uint32_t idx);

/* table_find looks for the item with this sort key.
 *
 * Returns:   false, and *ret_item as it was, when there is none.
 * Cost:      O(log n) comparisons
 */
bool table_find(const struct table *t, table_key_fn *key_of, struct slice key,
		struct slice *ret_item);

/* table_place looks among items [from, to) of a table for the place of this sort key.
 *
 * Ensures:   *ret_idx is where it is or where it would go, `to` at most.
 * Returns:   whether there is an item with this key.
 */
bool table_place(const struct table *t, table_key_fn *key_of, struct slice key, uint32_t from,
		 uint32_t to, uint32_t *ret_idx);

/* table_run gives the flat table that item idx stands in, and where: so a walk over everything goes
 * from run to run.
 *
 * Returns:   false when there is no such item.
 */
bool table_run(const struct table *t, uint32_t idx, struct table *ret_run, uint32_t *ret_at);

/* A walk over the items, forwards: it remembers the run that it is in, so a step in a tree costs
 * what it costs in a flat table. All zero: before the first item. */
struct table_walk {
	const uint8_t *items, *ends; /* the run */
	uint32_t items_len, cnt;
	uint32_t first; /* items before the run */
	uint32_t idx;   /* the next one, in the run */
};

/* table_walk_next gives the next item. v is the table, the same at each step.
 *
 * Returns:   false behind the last one.
 */
bool table_walk_next(struct slice v, struct table_walk *w, struct slice *ret_item);

/* Steps of who walks in another way (rank.h): table_walk_enter goes to a run, before which there
 * are `first` items, at its item idx; table_walk_item is an item of the run that it is in. */
void table_walk_enter(struct table_walk *w, const struct table *run, uint32_t first, uint32_t idx);
struct slice table_walk_item(const struct table_walk *w, uint32_t idx);

/* table_bytes is how long the flat table is. */
static inline size_t
table_bytes(const struct table *t)
{
	return (size_t)t->items_len + (size_t)t->cnt * TABLE_ITEM_OVERHEAD;
}

/* table_check checks all of a flat table: ends, order, no duplicates, and each item.
 *
 * Returns:   0; what item_check said; MB_ERR_CORRUPT.
 */
int table_check(struct slice v, table_key_fn *key_of, table_item_check_fn *item_check,
		unsigned int depth);

/* -------------------------------------------------------------------------------------- building
 *
 * Items are written straight into a wbuf, in order. Their ends gather meanwhile at the far end of
 * its free space, growing down, and are moved behind the items when the table is finished; so no
 * memory is needed but that of the result. The caller writes an item to `out`, perhaps by building
 * a table there, and then calls table_item_end.
 *
 *	out:  ... | item 0 | item 1 | ->   free   <- | end 1 | end 0 |
 */
struct table_builder {
	struct wbuf *out;
	size_t start; /* out->len before the table */
	size_t cap;   /* out->cap before the table */
	uint32_t cnt;
};

void table_begin(struct table_builder *b, struct wbuf *out);
void table_item_end(struct table_builder *b);

/* table_add_run copies items [from, to) of another table, in one piece. */
void table_add_run(struct table_builder *b, const struct table *t, uint32_t from, uint32_t to);

/* table_end finishes the table.
 *
 * Returns:   0, the table appended to out; MB_ERR_TOO_LARGE when it did not fit, out->len as
 *            before.
 */
int table_end(struct table_builder *b);

/* table_abort forgets the table: out is as before table_begin. */
void table_abort(struct table_builder *b);

/* table_write appends the flat form of a table, whichever form it has.
 *
 * Returns:   as table_end.
 */
int table_write(const struct table *t, struct wbuf *out);

/* -------------------------------------------------------------------------------------- merging */

/* How two items with the same sort key merge. As lattice_merge: LEFT, RIGHT, or MIXED with the
 * merged item written to out. leq: whether a adds nothing to b. present: whether a reader sees the
 * item (one that was removed stays, to say so); NULL: each is seen. rank: a number, never NaN, that
 * an item which is seen is ranked by, beside its place (rank.h); false: it is not seen; NULL: they
 * are not ranked. */
struct table_merge_ops {
	table_key_fn *key_of;
	int (*merge)(struct slice a, struct slice b, struct wbuf *out, unsigned int depth);
	bool (*leq)(struct slice a, struct slice b, unsigned int depth);
	bool (*present)(struct slice item);
	bool (*rank)(struct slice item, double *ret);
};

/* Ranks from low to high, both ends included; empty when low > high (rank.h). */
struct rank_span {
	double low, high;
};

/* table_merge merges two tables item by item; the contract is that of lattice_merge.
 *
 * Cost:      O(m log(n/m)) comparisons for m items into n; the bytes of both are copied, in runs,
 *            and only if b holds something that a does not.
 */
int table_merge(struct slice a, struct slice b, const struct table_merge_ops *ops, struct wbuf *out,
		unsigned int depth);

/* table_merge_run merges items [from, to) of b into a, both flat, and has no use for RIGHT: if a
 * does not have them all, the result is written, and it is MIXED. *ret is then found by looking at
 * the items that changed. */
struct table_change {
	int32_t more;                /* items of the result are present than of a */
	struct rank_span gone, come; /* ranks of the items that changed, as they were and are now */
};
int table_merge_run(const struct table *a, const struct table *b, uint32_t from, uint32_t to,
		    const struct table_merge_ops *ops, struct wbuf *out, unsigned int depth,
		    struct table_change *ret);

/* table_present_cnt is the number of items that are present; table_present_at finds the idx-th one.
 *
 * Ensures:   *ret_at is which of all items it is.
 * Returns:   table_present_at: false behind the last one.
 * Cost:      flat and with ops->present: a walk. Of a tree: O(1), and O(log n).
 */
uint32_t table_present_cnt(const struct table *t, const struct table_merge_ops *ops);
bool table_present_at(const struct table *t, const struct table_merge_ops *ops, uint32_t idx,
		      uint32_t *ret_at);

/* table_leq tells whether each item of a is in b, or below the one there. */
bool table_leq(struct slice a, struct slice b, const struct table_merge_ops *ops,
	       unsigned int depth);

#endif
