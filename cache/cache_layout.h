/* SPDX-License-Identifier: Apache-2.0 */
/* cache_layout - what lies where in the cache region
 *
 *   head │ shard 0: index, used, heap │ shard 1: index, used, heap │ ...
 *
 * One shard a cache tile. The index is an array of entries of two cache lines; an entry lies within
 * CACHE_WAYS places of its home, which its key's hash says, and stays where it is until its key
 * leaves the cache. What does not fit into an entry lies in a block of the heap.
 *
 *   entry  ┌─────────┬──────┬──────┬─────┬ 96 bytes: ──────────────────────────┐
 *          │ version │ hash │ meta │ off │ key, envelope (each from a word on)  │
 *          └─────────┴──────┴──────┴──┬──┴──────────────────────────────────────┘
 *   block  ┌──────────┬──────┐        │    off = 0: both are in the entry
 *          │ envelope │ key? │ ◄──────┘    else the envelope is in the block, and with it the
 *          └──────────┴──────┘             key if that is longer than 96 bytes
 *
 * Memory that was never written is a free entry, so a fresh region needs no more than its head.
 * `used` has a bit for each entry that was ever written: where it is 0 a key has its home in vain,
 * and none behind it. So as long as there is room, what is not here costs a look at few lines, and
 * no page of the index.
 *
 * Owner: the cache tile of a shard writes; all processes read, as cache_view.c argues.
 */
#ifndef MB_CACHE_LAYOUT_H
#define MB_CACHE_LAYOUT_H

#include <assert.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cache_view.h"
#include "compiler.h"
#include "domain_limits.h"

#define CACHE_LAYOUT_MAGIC   UINT32_C(0x4d424343)
#define CACHE_LAYOUT_VERSION 3
#define CACHE_SHARD_MAX      TILE_PORT_CNT
#define CACHE_ENTRY_MIN      1024 /* of a shard */
#define CACHE_INLINE_WORDS   (CACHE_INLINE_BYTES / 8)

struct cache_entry {
	_Atomic uint64_t
		version;       /* odd: is being written. Even: which value of the shard this is */
	_Atomic uint64_t hash; /* hash_bytes of the key */
	_Atomic uint64_t meta; /* cache_meta_make; 0: free */
	_Atomic uint64_t off;  /* of the block, in the region; 0: none */
	_Atomic uint64_t word[CACHE_INLINE_WORDS];
};
static_assert(sizeof(struct cache_entry) == 2 * CACHE_LINE, "an entry is two cache lines");

struct cache_layout_shard {
	uint64_t index; /* offsets in the region */
	uint64_t entry_cnt;
	uint64_t used;
	uint64_t heap;
	uint64_t heap_bytes;
};

/* The start of the region. */
struct cache_layout {
	uint32_t magic;
	uint32_t layout_version;
	uint64_t bytes; /* of the region */
	uint32_t shard_cnt;
	uint32_t reserved;
	struct cache_layout_shard shard[CACHE_SHARD_MAX];
};

enum cache_meta_flag {
	CACHE_META_USED = 1,
	CACHE_META_ABSENT = 2, /* a negative entry: never written, or deleted */
	/* The envelope is a state, of the type that meta says, and ENVELOPE_OVERHEAD behind it: a
	 * reader need not take it apart, nor touch its last cache line. */
	CACHE_META_PLAIN = 4,
	/* The state is the root of a tree (tree.h), whose other nodes lie in the shard's heap. Then
	 * the envelope is in a block, and the block is what a reader holds. */
	CACHE_META_TREE = 8,
};

static inline uint64_t
cache_meta_make(size_t key_len, uint8_t flags, uint8_t type, size_t envelope_len)
{
	return (uint64_t)envelope_len << 32 | (uint64_t)type << 24 | (uint64_t)flags << 16 |
	       key_len;
}

static inline uint32_t
cache_meta_key_len(uint64_t meta)
{
	return meta & 0xffff;
}

static inline uint8_t
cache_meta_flags(uint64_t meta)
{
	return (uint8_t)(meta >> 16);
}

static inline uint8_t
cache_meta_type(uint64_t meta)
{
	return (uint8_t)(meta >> 24);
}

static inline uint32_t
cache_meta_envelope_len(uint64_t meta)
{
	return (uint32_t)(meta >> 32);
}

/* Where a key's entry is looked for first: other bits than cache_tile_of and the hashring take. */
static inline uint64_t
cache_home(uint64_t hash)
{
	return hash >> 8;
}

/* Bytes of key and envelope in an entry or a block, where the second begins at a word. */
static inline size_t
cache_pair_bytes(size_t first, size_t second)
{
	return ALIGN_UP(first, (size_t)8) + ALIGN_UP(second, (size_t)8);
}

/* Whether a key stands in its entry. */
static inline bool
cache_key_inline(size_t key_len)
{
	return key_len <= CACHE_INLINE_BYTES;
}

static inline bool
cache_envelope_inline(size_t key_len, size_t envelope_len)
{
	return cache_pair_bytes(key_len, envelope_len) <= CACHE_INLINE_BYTES;
}

/* Room that a block needs. */
static inline size_t
cache_block_bytes(size_t key_len, size_t envelope_len)
{
	return cache_pair_bytes(envelope_len, cache_key_inline(key_len) ? 0 : key_len);
}

/* A hazard word: the offset of the block that is read, or, when that is over, CACHE_HINT and the
 * offset of the entry, which tells the tile what was read lately; above it a turn, which makes it
 * another word for each time that the slot was used. 0: nothing. */
#define CACHE_HINT            UINT64_C(1)
#define CACHE_HINT_TURN_SHIFT 48 /* no region is so long: cache.bytes ends at 2^40 */

static inline bool
cache_hazard_held(uint64_t word)
{
	return word != 0 && (word & CACHE_HINT) == 0;
}

static inline uint64_t
cache_hint_make(uint64_t entry_off, uint32_t turn)
{
	return entry_off | CACHE_HINT | (uint64_t)turn << CACHE_HINT_TURN_SHIFT;
}

static inline uint64_t
cache_hint_entry(uint64_t word)
{
	return word & ((UINT64_C(1) << CACHE_HINT_TURN_SHIFT) - 1) & ~CACHE_HINT;
}

#endif
