/* SPDX-License-Identifier: Apache-2.0 */
/* cache_store - one shard of the cache region, as its one writer sees it
 *
 * Index, values and the choice of what to evict. Knows keys and envelopes; knows no messages and no
 * store behind it. What a reader sees of each function is in cache_view.h.
 *
 * An entry that somebody works with is kept (cache_store_keep): it is not evicted. An entry whose
 * block was lent (cache_store_lend) can be changed, but the block stays until it is given back.
 *
 * Eviction is a clock: a hand goes round the index; what was written, fetched or (as far as the
 * readers' hints tell) read since it last came by is passed over once. A hint is left in the
 * reader's hazard slots and seen at a scan, once, so what is read often is seen often. Readers
 * never report a hit. Where a third round is needed, it passes over nothing but what is kept.
 *
 * Owner: the cache tile. Errors: negative mb_err.
 */
#ifndef MB_CACHE_STORE_H
#define MB_CACHE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cache_layout.h"
#include "cache_retire.h"
#include "room.h"
#include "slice.h"
#include "treeval.h"

#define CACHE_ENTRY_NONE UINT32_MAX
/* How far the hand goes in one call: some microseconds. */
#define CACHE_EVICT_STEP 512

struct cache_block {
	uint64_t off; /* in the region; 0: none */
	uint32_t bytes;
	bool tree; /* it holds the root of a tree, and with it what is below */
};

struct cache_store_cfg {
	uint8_t *base; /* the region, writable */
	const struct cache_layout *layout;
	uint32_t shard;
	/* As cache_retire_ops. */
	const _Atomic uint64_t *(*hazards)(void *ctx, uint32_t *iter);
	void *ctx;
};

struct cache_store_stats {
	uint64_t evicted;    /* entries, to make room */
	uint64_t scanned;    /* looks at all hazard slots */
	uint64_t key_cnt;    /* entries in use */
	uint64_t used_bytes; /* of the heap, rounded; retired blocks included */
	uint64_t retired_bytes;
};

struct cache_store;

/* cache_store_create takes over a shard of a region that was just formatted.
 * Returns: 0; MB_ERR_NO_MEMORY. Threads: start-up. */
int cache_store_create(struct cache_store **ret, const struct cache_store_cfg *cfg);
void cache_store_destroy(struct cache_store *s);

/* ------------------------------------------------------------------ looking */

/* cache_store_find returns the entry of a key; CACHE_ENTRY_NONE. */
uint32_t cache_store_find(const struct cache_store *s, uint64_t hash, struct slice key);

/* cache_store_prefetch: the key of this hash will soon be looked for, and kept. */
void cache_store_prefetch(const struct cache_store *s, uint64_t hash);
/* cache_store_is_new tells whether nothing was ever shown in an entry's page of the index: the
 * kernel will make it, which takes longer than all else. */
bool cache_store_is_new(const struct cache_store *s, uint32_t entry);

/* cache_store_envelope returns what an entry shows. Valid until it is changed; where it stands for
 * a tree, until the next call. */
struct slice cache_store_envelope(struct cache_store *s, uint32_t entry);
bool cache_store_absent(const struct cache_store *s, uint32_t entry);

/* cache_store_version returns the version that readers see at an entry. */
uint64_t cache_store_version(const struct cache_store *s, uint32_t entry);

/* ------------------------------------------------------------------- memory */

/* cache_store_alloc takes memory for a block, evicting as needed.
 *
 * Returns:   0; MB_ERR_TRYAGAIN: not yet, call again later (each call goes some steps on; *tries, 0
 *            at first, counts them); MB_ERR_NO_MEMORY: all there is, is kept or held by readers;
 *            MB_ERR_TOO_LARGE: larger than the shard.
 */
int cache_store_alloc(struct cache_store *s, size_t bytes, uint32_t *tries,
		      struct cache_block *ret);

/* cache_store_free gives back a block that no entry ever showed. Harmless when off is 0. */
void cache_store_free(struct cache_store *s, struct cache_block *b);

static inline uint8_t *
cache_block_ptr(uint8_t *base, const struct cache_block *b)
{
	return base + b->off;
}

/* cache_store_room says who gets the last of the memory: see there. */
struct room *cache_store_room(struct cache_store *s);

/* cache_store_grove is where this shard's trees grow (treeval.h). Its memory is taken as
 * cache_store_alloc does, with these tries, until the next call. */
struct grove *cache_store_grove(struct cache_store *s, uint32_t *tries);

/* cache_store_tree_commit commits an edit to a block, with room for a key of this length.
 *
 * Returns:   0, with the block, and a view of the tree that lasts as long; as cache_store_alloc:
 *            the edit is as it was.
 */
int cache_store_tree_commit(struct cache_store *s, size_t key_len, struct treeval_edit *edit,
			    uint32_t *tries, struct cache_block *ret, struct tree_view *ret_view);

/* cache_store_sweep gives back a bounded part of what trees no longer need. Returns: whether there
 * is more. */
bool cache_store_sweep(struct cache_store *s);

/* ------------------------------------------------------------------ showing */

/* cache_store_place finds an entry for a key that has none, evicting one if need be. The entry is
 * not taken yet. Returns: 0; MB_ERR_TRYAGAIN when all that could go are kept. */
int cache_store_place(struct cache_store *s, uint64_t hash, uint32_t *ret_entry);

/* cache_store_show makes an entry, free or of this key, show an envelope, which it copies.
 *
 * Returns:   0; as cache_store_alloc, nothing changed. The entry itself is not evicted for it.
 */
int cache_store_show(struct cache_store *s, uint32_t entry, uint64_t hash, struct slice key,
		     struct slice envelope, bool absent, uint32_t *tries);

/* cache_store_show_block: the same with an envelope of len bytes that lies in a block already,
 * which the entry takes over. The block has room for cache_block_bytes(key.len, len).
 */
void cache_store_show_block(struct cache_store *s, uint32_t entry, uint64_t hash, struct slice key,
			    struct cache_block *b, size_t len, bool absent);

/* cache_store_drop frees an entry: readers find nothing there. */
void cache_store_drop(struct cache_store *s, uint32_t entry);

/* cache_store_keep keeps an entry from eviction until cache_store_unkeep. Not counted.
 * Returns: whether it was kept before. */
bool cache_store_keep(struct cache_store *s, uint32_t entry);
void cache_store_unkeep(struct cache_store *s, uint32_t entry);

/* cache_store_lend gives the block that an entry shows to the caller to read, until
 * cache_store_unlend. At most one a time for an entry, which must be kept meanwhile.
 *
 * Returns:   false when the envelope is in the entry itself.
 */
bool cache_store_lend(struct cache_store *s, uint32_t entry, struct cache_block *ret);
void cache_store_unlend(struct cache_store *s, uint32_t entry, struct cache_block *b);

/* --------------------------------------------------------------- inspection */

struct cache_store_stats cache_store_stats(const struct cache_store *s);

/* How many entries are kept, and blocks lent, by walking. */
uint32_t cache_store_kept_cnt(const struct cache_store *s);

/* cache_store_check walks everything and stops the process at the first contradiction. For
 * tests. */
void cache_store_check(const struct cache_store *s);

#endif
