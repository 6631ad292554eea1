/* SPDX-License-Identifier: Apache-2.0 */
/* cache_view - see cache_view.h for G1..G5 and cache_layout.h for the picture
 *
 * One writer (the cache tile of the shard, cache_store.c), any number of readers that it does not
 * know of but for their hazard slots.
 *
 * An entry is guarded by its version (a seqlock):
 *
 *	writer                              reader
 *	version = odd                       read version, even               A20
 *	every word, release       R21       every word, acquire              A21
 *	version = even, greater   R20       version still the same?  else again
 *
 *   V1  If the version is the same before and after, no word was written between: a reader that saw
 *       only one word of a later writing would, because of R21/A21, see the odd version after it.
 *   V2  Versions of a shard never repeat, so "the same" cannot be a later one.
 *
 * A block is guarded by the reader's hazard slot:
 *
 *	writer                              reader
 *	version = another         R20       hazard = off of the block        R22
 *	scan all hazards          A22       version still the same?          A23
 *	off found: keep the block           else forget it, again
 *
 *   V3  All four are sequentially consistent. If the reader finds the version unchanged, its hazard
 *       store came before the writer's version store in the one order of them all, so the scan sees
 *       the hazard. With any of the four weaker, both could look too early, and a block that is
 *       read would be used again.
 *   V4  A block whose offset is in a hazard slot is not written; it is not the reader's business to
 *       know when it is freed.
 *
 * Staleness: none that matters: a reader that finds version v reads what v is, at a moment at which
 * nothing later had been shown.
 *
 * A reader believes nothing: the region is the daemon's, but the daemon may have been killed in the
 * middle of anything. So lengths and offsets are checked against what was learnt at the start, and
 * loops are bounded (G5): an entry that stays odd is a MISS.
 *
 * Rejected: a count of readers in the block (readers cannot write there, and should not: a shared
 * line for each get); grace periods (one function that never returns would stop all reuse); fences
 * instead of ordered accesses (as fast on x86, and the thread sanitizer does not see them).
 */
#include "cache_view.h"

#include <string.h>

#include "cache_layout.h"
#include "cache_msg.h"
#include "cache_region.h"
#include "check.h"
#include "compiler.h"
#include "envelope.h"
#include "hash.h"
#include "microburst/error.h"

/* What one look at an entry can give, beside enum cache_result and an error. */
enum {
	LOOK_OTHER_KEY = 16, /* go on with the next place */
	LOOK_AGAIN,          /* it changed meanwhile */
};

int
cache_view_open(struct cache_view *view, const uint8_t *base, size_t bytes,
		_Atomic uint64_t *hazard)
{
	struct cache_layout layout;
	int err = cache_region_open(base, bytes, &layout);

	if (err != 0) {
		return err;
	}
	*view = (struct cache_view){
		.base = base,
		.shard_cnt = layout.shard_cnt,
		.free = UINT64_MAX,
		.hazard = hazard,
	};
	for (uint32_t i = 0; i < layout.shard_cnt; i++) {
		const struct cache_layout_shard *s = &layout.shard[i];

		view->shard[i] = (struct cache_view_shard){
			.index = (const struct cache_entry *)(uintptr_t)(base + s->index),
			.used = (const _Atomic uint64_t *)(uintptr_t)(base + s->used),
			.mask = s->entry_cnt - 1,
			.heap = s->heap,
			.heap_end = s->heap + s->heap_bytes,
		};
	}
	return 0;
}

/* ------------------------------------------------------------- hazard slots */

/* A free slot, another one each time: what was read lately stays visible to the tile for a
 * while. */
static inline uint32_t
slot_pick(struct cache_view *view)
{
	uint64_t ahead = view->free & (UINT64_MAX << view->turn % HAZARD_CNT);
	uint32_t slot;

	if (unlikely(view->free == 0)) {
		return CACHE_SLOT_NONE;
	}
	if (ahead == 0) {
		ahead = view->free;
		view->turn += HAZARD_CNT;
	}
	slot = (uint32_t)__builtin_ctzll(ahead);
	view->turn = view->turn / HAZARD_CNT * HAZARD_CNT + slot + 1;
	return slot;
}

/* What is left in the slot that was picked last. */
static inline uint64_t
hint_of(const struct cache_view *view, const struct cache_entry *e)
{
	return cache_hint_make((uint64_t)((const uint8_t *)e - view->base),
			       view->turn / HAZARD_CNT);
}

static inline void
slot_hint(struct cache_view *view, const struct cache_entry *e)
{
	uint32_t slot = slot_pick(view);

	if (likely(slot != CACHE_SLOT_NONE)) {
		atomic_store_explicit(&view->hazard[slot], hint_of(view, e), memory_order_relaxed);
	}
}

static inline void
slot_release(struct cache_view *view, uint32_t slot)
{
	/* R24: release; pairs with A22 in cache_retire.c. Everything read from the block was read
	 * before it is let go. */
	atomic_store_explicit(&view->hazard[slot], view->hint[slot], memory_order_release);
	view->free |= UINT64_C(1) << slot;
}

/* ------------------------------------------------------------------ reading */

/* An entry as it was at one version. */
struct look {
	uint64_t version;
	uint64_t off;
	uint32_t key_len;
	uint32_t envelope_len;
	uint8_t flags;
	uint8_t type;
};

static inline bool
is_changed(const struct cache_entry *e, uint64_t version)
{
	/* A later load than those of A21, so it sees what they saw. */
	return atomic_load_explicit(&e->version, memory_order_relaxed) != version;
}

/* Copies the entry's head and as many of its words as are in use. */
static inline int
entry_copy(const struct cache_entry *e, uint64_t hash, struct look *look,
	   uint64_t word[CACHE_INLINE_WORDS])
{
	uint64_t meta;
	size_t bytes;

	/* A20: acquire; pairs with R20 in cache_store.c. What the version stands for is there. */
	look->version = atomic_load_explicit(&e->version, memory_order_acquire);
	if (unlikely((look->version & 1) != 0)) {
		cpu_pause();
		return LOOK_AGAIN;
	}
	/* A21: acquire, each; pairs with R21 in cache_store.c (V1). */
	if (unlikely(atomic_load_explicit(&e->hash, memory_order_acquire) != hash)) {
		return LOOK_OTHER_KEY;
	}
	meta = atomic_load_explicit(&e->meta, memory_order_acquire);
	look->off = atomic_load_explicit(&e->off, memory_order_acquire);
	look->key_len = cache_meta_key_len(meta);
	look->flags = cache_meta_flags(meta);
	look->type = cache_meta_type(meta);
	look->envelope_len = cache_meta_envelope_len(meta);
	if (look->off == 0) {
		bytes = cache_pair_bytes(look->key_len, look->envelope_len);
	} else {
		bytes = cache_key_inline(look->key_len) ? look->key_len : 0;
	}
	if (unlikely(bytes > CACHE_INLINE_BYTES)) {
		return LOOK_AGAIN; /* torn, or damaged */
	}
	for (uint32_t i = 0; i * 8 < bytes; i++) {
		/* A21 again, for each word. */
		word[i] = atomic_load_explicit(&e->word[i], memory_order_acquire);
	}
	return 0;
}

/* Holds the block of an entry that was seen, or finds that it is not the entry's any more. */
static inline int
block_hold(struct cache_view *view, const struct cache_view_shard *shard,
	   const struct cache_entry *e, const struct look *look, uint32_t *ret_slot)
{
	uint32_t slot;

	if (unlikely(look->off % 8 != 0 || look->off < shard->heap ||
		     look->off >= shard->heap_end ||
		     cache_block_bytes(look->key_len, look->envelope_len) >
			     shard->heap_end - look->off)) {
		return LOOK_AGAIN;
	}
	slot = slot_pick(view);
	if (unlikely(slot == CACHE_SLOT_NONE)) {
		return MB_ERR_FULL;
	}
	view->free &= ~(UINT64_C(1) << slot);
	view->hint[slot] = hint_of(view, e);
	/* R22: sequentially consistent; pairs with A22 in cache_retire.c (V3). */
	atomic_exchange_explicit(&view->hazard[slot], look->off, memory_order_seq_cst);
	/* A23: sequentially consistent; pairs with R20 in cache_store.c (V3). */
	if (unlikely(atomic_load_explicit(&e->version, memory_order_seq_cst) != look->version)) {
		slot_release(view, slot);
		return LOOK_AGAIN;
	}
	*ret_slot = slot;
	return 0;
}

/* Finds type and state of an envelope that was found. Returns: false when it is damaged. */
static inline bool
take_apart(const struct cache_view *view, const struct cache_view_shard *shard,
	   const struct look *look, struct cache_value *ret)
{
	struct envelope envelope;

	if (likely((look->flags & CACHE_META_PLAIN) != 0)) {
		size_t len = ret->envelope.len;

		ret->type = look->type;
		ret->state = slice_of(ret->envelope.p, len - MIN(len, ENVELOPE_OVERHEAD + 0UL));
		return true;
	}
	if ((look->flags & CACHE_META_TREE) != 0) {
		ret->type = look->type;
		ret->state = tree_slice(&ret->tree);
		if (tree_view_init(&ret->tree, view->base, shard->heap, shard->heap_end,
				   ret->envelope) != 0) {
			return false;
		}
		ret->envelope = ret->state;
		return true;
	}
	if (envelope_open(ret->envelope, &envelope) != 0) {
		return false;
	}
	ret->type = envelope.type;
	ret->state = envelope.state;
	return true;
}

static inline int
entry_look(struct cache_view *view, const struct cache_view_shard *shard,
	   const struct cache_entry *e, uint64_t hash, struct slice key, struct cache_value *ret)
{
	const uint8_t *block = NULL, *found;
	struct look look;
	int err = entry_copy(e, hash, &look, ret->inl);

	if (unlikely(err != 0)) {
		return err;
	}
	if (look.off != 0) {
		err = block_hold(view, shard, e, &look, &ret->slot);
		if (unlikely(err != 0)) {
			return err;
		}
		block = view->base + look.off;
	} else if (unlikely(is_changed(e, look.version))) {
		return LOOK_AGAIN;
	}
	if (unlikely(block == NULL && !cache_key_inline(look.key_len))) {
		return LOOK_OTHER_KEY; /* no such entry is ever shown */
	}
	/* From here on the entry is one that was shown, whole (V1). */
	found = cache_key_inline(look.key_len)
			? (const uint8_t *)ret->inl
			: block + ALIGN_UP((size_t)look.envelope_len, (size_t)8);
	if (unlikely((look.flags & CACHE_META_USED) == 0 ||
		     !slice_eq(slice_of(found, look.key_len), key))) {
		cache_view_release(view, ret);
		return LOOK_OTHER_KEY;
	}
	if (block == NULL) {
		block = (const uint8_t *)ret->inl + ALIGN_UP(look.key_len, 8U);
		slot_hint(view, e);
	}
	ret->envelope = slice_of(block, look.envelope_len);
	ret->version = look.version;
	if (unlikely(!take_apart(view, shard, &look, ret))) {
		cache_view_release(view, ret);
		return CACHE_MISS;
	}
	return (look.flags & CACHE_META_ABSENT) != 0 ? CACHE_ABSENT : CACHE_HIT;
}

/* Whether the home of a key was ever written: it may be here. The bit comes before the entry; a
 * reader who does not see it yet has missed. */
static inline bool
home_used(const struct cache_view_shard *shard, uint64_t home)
{
	uint64_t i = home & shard->mask;

	return (atomic_load_explicit(&shard->used[i / 64], memory_order_relaxed) >> i % 64 & 1) !=
	       0;
}

int
cache_view_get_hashed(struct cache_view *view, uint64_t hash, struct slice key,
		      struct cache_value *ret)
{
	const struct cache_view_shard *shard = &view->shard[cache_tile_of(hash, view->shard_cnt)];
	uint64_t home = cache_home(hash);

	ret->slot = CACHE_SLOT_NONE;
	if (!home_used(shard, home)) {
		return CACHE_MISS;
	}
	for (uint32_t way = 0; way < CACHE_WAYS; way++) {
		const struct cache_entry *e = &shard->index[(home + way) & shard->mask];
		int look = LOOK_OTHER_KEY;

		if (atomic_load_explicit(&e->version, memory_order_relaxed) == 0) {
			return CACHE_MISS; /* never used: none behind it (cache_store.c I1) */
		}
		if (atomic_load_explicit(&e->hash, memory_order_relaxed) == hash) {
			uint32_t tries = 0;

			do {
				look = entry_look(view, shard, e, hash, key, ret);
			} while (unlikely(look == LOOK_AGAIN) && ++tries < CACHE_TRY_MAX);
		}
		if (look != LOOK_OTHER_KEY) {
			return look == LOOK_AGAIN ? CACHE_MISS : look;
		}
	}
	return CACHE_MISS;
}

int
cache_view_get(struct cache_view *view, struct slice key, struct cache_value *ret)
{
	return cache_view_get_hashed(view, hash_bytes(key.p, key.len), key, ret);
}

void
cache_view_prefetch(const struct cache_view *view, uint64_t hash)
{
	const struct cache_view_shard *s = &view->shard[cache_tile_of(hash, view->shard_cnt)];
	const char *e = (const char *)&s->index[cache_home(hash) & s->mask];

	if (home_used(s, cache_home(hash))) {
		__builtin_prefetch(e);
		__builtin_prefetch(e + CACHE_LINE);
	}
}

void
cache_view_release(struct cache_view *view, struct cache_value *value)
{
	if (value->slot != CACHE_SLOT_NONE) {
		slot_release(view, value->slot);
		value->slot = CACHE_SLOT_NONE;
	}
}

void
cache_view_release_all(struct cache_view *view)
{
	while (view->free != UINT64_MAX) {
		slot_release(view, (uint32_t)__builtin_ctzll(~view->free));
	}
}

uint32_t
cache_view_held(const struct cache_view *view)
{
	uint32_t cnt = 0;

	for (uint32_t i = 0; i < HAZARD_CNT; i++) {
		cnt += cache_hazard_held(
			atomic_load_explicit(&view->hazard[i], memory_order_relaxed));
	}
	return cnt;
}
