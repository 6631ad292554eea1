/* SPDX-License-Identifier: Apache-2.0 */
/* cache_view - reading the cache in place, from any process of the domain
 *
 * A hit sends no message, takes no lock and writes nothing that another core reads on its way: it
 * looks the key up in the cache region, which the daemon writes and everybody else has mapped
 * read-only. Small values are copied out (a cache line or two); of larger ones the caller gets the
 * place, and the place stays as it is until the caller lets go. So a megabyte costs what eight
 * bytes cost.
 *
 *	switch (cache_view_get(view, key, &value)) {
 *	case CACHE_HIT:    use value.type, value.state; cache_view_release(view, &value);
 *	case CACHE_ABSENT: there is no such key
 *	case CACHE_MISS:   send FETCH (cache_msg.h), wait for FETCHED, try again
 *	default:           MB_ERR_FULL: HAZARD_CNT values are held already
 *	}
 *
 * What a reader may see:
 *   G1  A value is one that the cache held at one moment during the call, whole.
 *   G2  What was published, and acknowledged, before the call began is in it, or the answer is a
 *       MISS.
 *   G3  Two gets of a key never go back in time, unless the store refused a write between them:
 *       that is then not seen any more.
 *   G4  Held bytes do not change, for as long as they are held, whatever is written meanwhile.
 *   G5  Bounded: at most CACHE_WAYS places are looked at, each at most CACHE_TRY_MAX times. Whoever
 *       is killed in the middle of whatever, no reader waits for him.
 *
 * What it holds stands in this process's own region (64 hazard slots): it costs nobody else
 * anything, and goes with the process. A function that never returns keeps what it holds, and no
 * more.
 *
 * Threads: one view has one user. Errors: negative mb_err.
 */
#ifndef MB_CACHE_VIEW_H
#define MB_CACHE_VIEW_H

#include <assert.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "domain_limits.h"
#include "slice.h"
#include "tree.h"

enum cache_result {
	CACHE_MISS = 0,
	CACHE_ABSENT = 1,
	CACHE_HIT = 2,
};

/* Key and envelope of a small value, both in the index: no second place to look at. For instance a
 * string of 53 bytes under a key of 24: an envelope adds 19. */
#define CACHE_INLINE_BYTES 96
/* An entry is within this many places of its home. */
#define CACHE_WAYS         8
#ifndef CACHE_TRY_MAX /* the weaver takes fewer, to go through all of them */
#define CACHE_TRY_MAX 64
#endif

/* A value that was found. It must not be copied or moved while it is used: state may point into
 * it. That of a large collection stands for a tree (tree_slice), as may the envelope. */
struct cache_value {
	unsigned int type;  /* enum lattice_type */
	struct slice state; /* in place, or in inl; read it with view.h, strval.h, gset.h, map.h */
	struct slice envelope; /* all of it; state is a part. Empty: never written */
	uint64_t version;      /* the same number twice: the same value of the same key. Never 0 */
	uint32_t slot;         /* hazard slot in use; CACHE_SLOT_NONE */
	struct tree_view tree; /* if state and envelope stand for a tree */
	uint64_t inl[CACHE_INLINE_BYTES / 8];
};
#define CACHE_SLOT_NONE UINT32_MAX

struct cache_view_shard {
	const struct cache_entry *index;
	const _Atomic uint64_t *used; /* a bit for each entry that was ever written */
	uint64_t mask;                /* entries - 1 */
	uint64_t heap, heap_end;      /* where blocks may lie, as offsets in the region */
};

struct cache_view {
	const uint8_t *base;
	uint32_t shard_cnt;
	uint32_t turn;             /* slots passed so far: where to look for a free one next */
	uint64_t free;             /* a bit for each hazard slot not in use */
	_Atomic uint64_t *hazard;  /* HAZARD_CNT */
	uint64_t hint[HAZARD_CNT]; /* what to leave in a slot when it is released */
	struct cache_view_shard shard[TILE_PORT_CNT];
};
static_assert(HAZARD_CNT == 64, "a bit of `free` for each slot");

/* cache_view_open starts reading a cache region.
 *
 * Requires:  base[0, bytes) and hazard (region_hazard of the own region) stay mapped until the last
 *            use. The hazard slots are nobody else's.
 * Returns:   0; MB_ERR_CORRUPT or MB_ERR_VERSION for a region that is not what it should be.
 */
int cache_view_open(struct cache_view *view, const uint8_t *base, size_t bytes,
		    _Atomic uint64_t *hazard);

/* cache_view_get looks a key up.
 *
 * Ensures:   on CACHE_HIT and CACHE_ABSENT *ret is filled, ABSENT too (a tombstone has an
 *            envelope); either is to be released. Otherwise nothing is held.
 * Returns:   enum cache_result; MB_ERR_FULL.
 * Cost:      see README.md; independent of the size of the value
 */
int cache_view_get(struct cache_view *view, struct slice key, struct cache_value *ret);

/* cache_view_get_hashed: the same for a caller that knows hash_bytes(key) already. */
int cache_view_get_hashed(struct cache_view *view, uint64_t hash, struct slice key,
			  struct cache_value *ret);

/* cache_view_prefetch begins to bring an entry near, for a caller that goes on with something else.
 * */
void cache_view_prefetch(const struct cache_view *view, uint64_t hash);

/* cache_view_release lets go of a value. Harmless the second time. */
void cache_view_release(struct cache_view *view, struct cache_value *value);

/* cache_view_release_all lets go of everything, at the end of a call. Values are not to be used,
 * nor released, after it. */
void cache_view_release_all(struct cache_view *view);

/* How many values are held, counted in the slots. */
uint32_t cache_view_held(const struct cache_view *view);

#endif
