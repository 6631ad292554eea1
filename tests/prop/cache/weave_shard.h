/* SPDX-License-Identifier: Apache-2.0 */
/* weave_shard.h - one shard of a cache region, its tile and a reader, for the weaver
 *
 * Shipped: cache_store.c, cache_retire.c, cache_view.c, each of whose steps the weaver sees. One
 * key, whose value is a number spread over all of its bytes.
 */
#ifndef MB_WEAVE_SHARD_H
#define MB_WEAVE_SHARD_H

#include <stdbool.h>
#include <stdint.h>

#include "weaver.h"

enum shard_size {
	SHARD_SMALL,  /* in the entry */
	SHARD_MEDIUM, /* in a block */
	SHARD_LARGE,  /* in a block so large that retiring it makes the tile look at the hazards */
	SHARD_SIZE_CNT
};

/* shard_reset makes a fresh region and a view of it, and shows number first. */
void shard_reset(enum shard_size size, uint64_t first);

/* ---- the tile */

/* shard_show shows the key's next value. */
void shard_show(enum shard_size size, uint64_t number);
void shard_drop(void);

/* shard_reset_tree and shard_tree_show do the same with a collection that is held as a tree: its
 * first field is 1 in all versions, its last one the version's number, in another leaf.
 * shard_tree_reuse gives back what no version needs, and scribbles over it. */
void shard_reset_tree(void);
void shard_tree_show(uint64_t number);
void shard_tree_reuse(void);
/* shard_reuse takes all free memory of a value's size and scribbles over it: whatever was freed. */
void shard_reuse(void);

/* ---- the reader */

/* shard_read gets the key once, looks at its value, twice if it is held, and releases it. What must
 * never be ends the search. Returns: the number; 0: it was a miss. */
uint64_t shard_read(void);

/* shard_tree_read is shard_read of the tree: its last field. */
uint64_t shard_tree_read(void);

/* ---- what is planted */

/* shard_tree_sweep_early scribbles over the last leaf of what is shown, as if nobody could still
 * read it when the next version has another, and shows that one then. */
void shard_tree_sweep_early(uint64_t number);

/* shard_show_unguarded writes the words of a small value without touching the version. */
void shard_show_unguarded(uint64_t number);
/* shard_scribble_early looks at the hazard slots first, writes over the shown block if nobody names
 * it, and hides it then. */
void shard_scribble_early(void);
/* shard_read_unchecked names the block and believes that it is still the one. */
uint64_t shard_read_unchecked(void);

/* ---- the last state: NULL, or what is wrong: a slot still holds something, the store contradicts
 * itself. */
const char *shard_end(void);

#endif
