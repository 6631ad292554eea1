/* SPDX-License-Identifier: Apache-2.0 */
/* cache_store - see cache_store.h, cache_layout.h for the picture, cache_view.c for the readers'
 * side
 *
 *   I1  A key has at most one entry, within CACHE_WAYS of its home, in one place for as long as it
 *       is in the cache. So a reader that does not find it there may call it a miss. It is the
 *       first free place of them: one that was never used (version 0) has none behind it.
 *   I2  A block belongs to exactly one of: an entry, the retired ones, a lender whose entry
 *       changed, a caller that is filling it. Only blocks that no entry ever showed are freed at
 *       once.
 *   I3  What is shown is complete before it is shown, and does not change while it is.
 *   I4  What lies below the root of a tree is readable as long as the root is (grove.c). So for
 *       readers a tree is one block: who holds the root, holds it all; and when the root's block is
 *       given back, so is what no other root has.
 */
#include "cache_store.h"

#include <stdlib.h>
#include <string.h>

#include "cache_own.h"
#include "check.h"
#include "compiler.h"
#include "copy.h"
#include "envelope.h"
#include "heap.h"
#include "microburst/error.h"

#define RETIRED_SHARE 16 /* of the heap may be retired before a scan is due */
#define SWEEP_STEP    64 /* nodes of trees: some microseconds */
#define EVICT_EVERY   1024

/* A hundred-and-twenty-eighth of the heap is for what removes (room.h): of small ones 8 pages,
 * which are two paths from a root to a leaf; 1 MiB of large ones. The smallest, of which that would
 * be much, have none. So long a block may take it: it needs pages in a row, and seldom comes. */
#define RESERVE_SHARE    128
#define RESERVE_MIN      ((size_t)8 * 4096)
#define RESERVE_MAX      ((size_t)1 << 20)
#define RESERVE_HEAP_MIN ((size_t)2 << 20)
#define RESERVE_LONG     ((size_t)1 << 20)

struct cache_store {
	uint8_t *base;
	struct cache_entry *index;
	_Atomic uint64_t *used;
	uint64_t mask;
	uint64_t index_off, index_end;
	struct heap *heap;
	struct room room;
	struct grove grove;
	uint32_t *tries;       /* of whoever grows a tree */
	struct tree_view seen; /* by the last cache_store_envelope */
	struct cache_own *own;
	struct cache_tags tags;
	struct cache_retire *retire;
	struct cache_store_cfg cfg;
	uint64_t version; /* last one given out */
	uint64_t hand;
	uint64_t hand_idle; /* steps since anything changed that might let it find something */
	struct cache_store_stats stats;
};

/* --------------------------------------------------------- reading the index */

/* The writer reads its own words: plain loads, as far as the machine is concerned. */
static uint64_t
own_load(const _Atomic uint64_t *word)
{
	return atomic_load_explicit(word, memory_order_relaxed);
}

struct slice
cache_store_envelope(struct cache_store *s, uint32_t entry)
{
	const struct cache_entry *e = &s->index[entry];
	uint64_t meta = own_load(&e->meta), off = own_load(&e->off);
	uint32_t key_len = cache_meta_key_len(meta);
	struct slice in_block = slice_of(s->base + off, cache_meta_envelope_len(meta));

	REQUIRE(meta != 0);
	if (s->own[entry].tree) {
		INSIST(tree_view_init(&s->seen, s->base, s->grove.lo, s->grove.hi, in_block) == 0);
		return tree_slice(&s->seen);
	}
	if (off != 0) {
		return in_block;
	}
	return slice_of((const uint8_t *)e->word + ALIGN_UP(key_len, 8U),
			cache_meta_envelope_len(meta));
}

static struct slice
entry_key(const struct cache_store *s, const struct cache_entry *e)
{
	uint64_t meta = own_load(&e->meta);
	uint32_t key_len = cache_meta_key_len(meta);

	if (cache_key_inline(key_len)) {
		return slice_of((const uint8_t *)e->word, key_len);
	}
	return slice_of(s->base + own_load(&e->off) + ALIGN_UP(cache_meta_envelope_len(meta), 8U),
			key_len);
}

uint32_t
cache_store_find(const struct cache_store *s, uint64_t hash, struct slice key)
{
	uint32_t ways = cache_tags_find(&s->tags, cache_home(hash), cache_tag_of(hash));

	while (unlikely(ways != 0)) {
		uint64_t i = (cache_home(hash) + (uint32_t)__builtin_ctz(ways)) & s->mask;
		const struct cache_entry *e = &s->index[i];

		if (own_load(&e->hash) == hash && slice_eq(entry_key(s, e), key)) {
			return (uint32_t)i;
		}
		ways &= ways - 1;
	}
	return CACHE_ENTRY_NONE;
}

void
cache_store_prefetch(const struct cache_store *s, uint64_t hash)
{
	cache_tags_prefetch(&s->tags, cache_home(hash));
}

bool
cache_store_absent(const struct cache_store *s, uint32_t entry)
{
	return (cache_meta_flags(own_load(&s->index[entry].meta)) & CACHE_META_ABSENT) != 0;
}

uint64_t
cache_store_version(const struct cache_store *s, uint32_t entry)
{
	return own_load(&s->index[entry].version);
}

/* ---------------------------------------------------------- writing an entry */

/* Writes one word of an entry whose version is odd. */
static void
word_store(_Atomic uint64_t *word, uint64_t v)
{
	/* R21: release; pairs with A21 in cache_view.c. Whoever sees the word sees the odd version
	 * before it. */
	atomic_store_explicit(word, v, memory_order_release);
}

/* The entry is about to be written: a word of our own, as far as the machine is concerned. */
static void
used_note(struct cache_store *s, const struct cache_entry *e)
{
	uint64_t i = (uint64_t)(e - s->index);
	uint64_t word = own_load(&s->used[i / 64]), bit = UINT64_C(1) << i % 64;

	if ((word & bit) == 0) {
		atomic_store_explicit(&s->used[i / 64], word | bit, memory_order_relaxed);
	}
}

bool
cache_store_is_new(const struct cache_store *s, uint32_t entry)
{
	return (uint32_t)(own_load(&s->used[entry / 64]) >> (entry & 32)) == 0; /* 32 a page */
}

/* Changes an entry in one piece, as readers see it: meta, off, and its words from `first` on. Of a
 * new page nothing is read before it is written: at a read the kernel looks around for others that
 * it could map as well, for longer than it takes to get this one. */
static void
entry_write(struct cache_store *s, struct cache_entry *e, uint64_t hash, uint64_t meta,
	    uint64_t off, const uint64_t *word, uint32_t first, uint32_t end)
{
	s->version += 2;
	used_note(s, e);
	atomic_store_explicit(&e->version, s->version - 1, memory_order_relaxed);
	word_store(&e->hash, hash);
	word_store(&e->meta, meta);
	word_store(&e->off, off);
	for (uint32_t i = first; i < end; i++) {
		word_store(&e->word[i], word[i]);
	}
	/* R20: sequentially consistent; pairs with A20 and A23 in cache_view.c (V1, V3). */
	atomic_store_explicit(&e->version, s->version, memory_order_seq_cst);
	s->hand_idle = 0;
}

/* Gives back a block that an entry showed and shows no more. */
static void
block_retire(struct cache_store *s, struct cache_block *b)
{
	cache_retire_add(s->retire, b->off, b->bytes, b->tree);
	*b = (struct cache_block){ 0 };
}

/* The block that an entry shows is not to be shown any more: whose is it then (I2)? */
static void
entry_let_go(struct cache_store *s, uint32_t entry, uint64_t off)
{
	struct cache_own *own = &s->own[entry];
	struct cache_block b = { off, own->block_bytes, own->tree };

	own->block_bytes = 0;
	own->tree = false;
	if (own->lent) {
		own->lent = false; /* the lender's, who will find out in cache_store_unlend */
	} else if (off != 0) {
		block_retire(s, &b);
	}
}

/* Whether an envelope is nothing but a state and what every envelope has behind it. */
static bool
is_plain(const struct envelope *opened, struct slice envelope)
{
	return envelope.len == 0 || (opened->state.p == envelope.p &&
				     opened->state.len + ENVELOPE_OVERHEAD == envelope.len);
}

static void
entry_show(struct cache_store *s, uint32_t entry, uint64_t hash, struct slice key,
	   struct slice envelope, const struct cache_block *b, bool absent)
{
	struct cache_entry *e = &s->index[entry];
	uint64_t word[CACHE_INLINE_WORDS] = { 0 };
	size_t key_bytes = cache_key_inline(key.len) ? ALIGN_UP(key.len, (size_t)8) : 0;
	size_t bytes = b->off != 0 ? key_bytes : cache_pair_bytes(key.len, envelope.len);
	uint8_t flags = CACHE_META_USED | (absent ? CACHE_META_ABSENT : 0);
	struct envelope opened;
	bool is_open = envelope_open(envelope, &opened) == 0;
	uint8_t type = is_open ? (uint8_t)opened.type : 0;
	bool was_used = s->own[entry].used;
	uint64_t old_off = was_used ? own_load(&e->off) : 0;

	REQUIRE(bytes <= sizeof(word));
	if (key_bytes != 0) {
		memcpy(word, key.p, key.len);
	}
	if (b->off == 0 && envelope.len != 0) {
		memcpy((uint8_t *)word + key_bytes, envelope.p, envelope.len);
	}
	if (is_open && is_plain(&opened, envelope)) {
		flags |= b->tree ? CACHE_META_TREE : CACHE_META_PLAIN;
	} else if (b->tree) {
		flags |= CACHE_META_TREE;
	}
	/* The key of an entry that stays is there already. */
	entry_write(s, e, hash, cache_meta_make(key.len, flags, type, envelope.len), b->off, word,
		    was_used ? (uint32_t)(key_bytes / 8) : 0, (uint32_t)(bytes / 8));
	entry_let_go(s, entry, old_off);
	s->own[entry].block_bytes = b->bytes;
	s->own[entry].tree = b->tree;
	cache_tags_put(&s->tags, entry, cache_tag_of(hash));
	s->own[entry].used = true;
	s->own[entry].read = true;
	s->stats.key_cnt += !was_used;
}

int
cache_store_show(struct cache_store *s, uint32_t entry, uint64_t hash, struct slice key,
		 struct slice envelope, bool absent, uint32_t *tries)
{
	bool kept = s->own[entry].kept;
	struct cache_block b = { 0 };
	int err;

	if (cache_envelope_inline(key.len, envelope.len)) {
		entry_show(s, entry, hash, key, envelope, &b, absent);
		return 0;
	}
	s->own[entry].kept = true;
	err = cache_store_alloc(s, cache_block_bytes(key.len, envelope.len), tries, &b);
	s->own[entry].kept = kept;
	if (err == 0) {
		copy_bytes(cache_block_ptr(s->base, &b), envelope.p, envelope.len);
		cache_store_show_block(s, entry, hash, key, &b, envelope.len, absent);
	}
	return err;
}

void
cache_store_show_block(struct cache_store *s, uint32_t entry, uint64_t hash, struct slice key,
		       struct cache_block *b, size_t len, bool absent)
{
	uint8_t *p = cache_block_ptr(s->base, b);

	REQUIRE(b->off != 0);
	REQUIRE(cache_block_bytes(key.len, len) <= b->bytes);
	if (!cache_key_inline(key.len)) {
		memcpy(p + ALIGN_UP(len, (size_t)8), key.p, key.len);
	}
	entry_show(s, entry, hash, key, slice_of(p, len), b, absent);
	*b = (struct cache_block){ 0 };
}

void
cache_store_drop(struct cache_store *s, uint32_t entry)
{
	struct cache_entry *e = &s->index[entry];
	uint64_t off = own_load(&e->off);

	REQUIRE(own_load(&e->meta) != 0);
	entry_write(s, e, 0, 0, 0, NULL, 0, 0);
	entry_let_go(s, entry, off);
	s->own[entry].used = false;
	cache_tags_put(&s->tags, entry, 0);
	s->stats.key_cnt--;
}

bool
cache_store_keep(struct cache_store *s, uint32_t entry)
{
	bool before = s->own[entry].kept;

	s->own[entry].kept = true;
	return before;
}

void
cache_store_unkeep(struct cache_store *s, uint32_t entry)
{
	REQUIRE(!s->own[entry].lent);
	s->own[entry].kept = false;
	s->own[entry].read = true;
	s->hand_idle = 0;
}

bool
cache_store_lend(struct cache_store *s, uint32_t entry, struct cache_block *ret)
{
	uint64_t off = own_load(&s->index[entry].off);

	REQUIRE(s->own[entry].kept);
	REQUIRE(!s->own[entry].lent);
	if (off == 0) {
		return false;
	}
	s->own[entry].lent = true;
	*ret = (struct cache_block){ off, s->own[entry].block_bytes, s->own[entry].tree };
	return true;
}

void
cache_store_unlend(struct cache_store *s, uint32_t entry, struct cache_block *b)
{
	/* Nobody else can have got that offset meanwhile: the block was not freed (I2). */
	if (own_load(&s->index[entry].off) == b->off) {
		REQUIRE(s->own[entry].lent);
		s->own[entry].lent = false;
		*b = (struct cache_block){ 0 };
		return;
	}
	block_retire(s, b);
}

/* ------------------------------------------------------------------- memory */

static const _Atomic uint64_t *
hazards_next(void *ctx, uint32_t *iter)
{
	struct cache_store *s = ctx;

	return s->cfg.hazards(s->cfg.ctx, iter);
}

static void
block_free(void *ctx, uint64_t off, uint32_t bytes, bool tree)
{
	struct cache_store *s = ctx;

	if (tree) {
		grove_release(&s->grove, treeval_root(s->base + off));
	}
	heap_free(s->heap, s->base + off, bytes);
	s->hand_idle = 0;
}

static void
entry_hint(void *ctx, uint64_t entry_off)
{
	struct cache_store *s = ctx;

	if (entry_off >= s->index_off && entry_off < s->index_end) {
		s->own[(entry_off - s->index_off) / sizeof(struct cache_entry)].read = true;
	}
}

void
cache_store_free(struct cache_store *s, struct cache_block *b)
{
	if (b->off != 0) {
		block_free(s, b->off, b->bytes, b->tree);
		*b = (struct cache_block){ 0 };
	}
}

static uint32_t
scan(struct cache_store *s)
{
	s->stats.scanned++;
	return cache_retire_scan(s->retire);
}

static bool
block_of(const struct cache_store *s, const uint8_t *p, size_t bytes, struct cache_block *ret)
{
	if (p != NULL) {
		*ret = (struct cache_block){ (uint64_t)(p - s->base), (uint32_t)bytes, false };
	}
	return p != NULL;
}

static bool
heap_try(struct cache_store *s, size_t bytes, struct cache_block *ret)
{
	const size_t room = heap_long_bytes(bytes); /* one fits where another was */

	return block_of(s,
			unlikely(room >= RESERVE_LONG) ? heap_alloc_reserve(s->heap, room)
						       : room_alloc(&s->room, room),
			room, ret);
}

/* The same for who removes, from the reserve: before others' entries go. */
static bool
reserve_try(struct cache_store *s, size_t bytes, struct cache_block *ret)
{
	const size_t room = heap_long_bytes(bytes);

	return block_of(s, room_alloc_last(&s->room, room), room, ret);
}

struct room *
cache_store_room(struct cache_store *s)
{
	return &s->room;
}

bool
cache_store_sweep(struct cache_store *s)
{
	return s->grove.garbage != NULL && grove_sweep(&s->grove, SWEEP_STEP);
}

/* The same after what trees have to give back, or a part of it. */
static bool
sweep_try(struct cache_store *s, size_t bytes, struct cache_block *ret)
{
	(void)grove_sweep(&s->grove, CACHE_EVICT_STEP);
	return heap_try(s, bytes, ret);
}

static int
node_alloc(void *ctx, size_t bytes, void **ret)
{
	struct cache_store *s = ctx;
	struct cache_block b;
	int err = cache_store_alloc(s, bytes, s->tries, &b);

	if (err == 0) {
		*ret = s->base + b.off;
	}
	return err;
}

static void
node_free(void *ctx, void *p, size_t bytes)
{
	struct cache_store *s = ctx;

	heap_free(s->heap, p, heap_long_bytes(bytes));
	s->hand_idle = 0;
}

struct grove *
cache_store_grove(struct cache_store *s, uint32_t *tries)
{
	s->tries = tries;
	return &s->grove;
}

int
cache_store_tree_commit(struct cache_store *s, size_t key_len, struct treeval_edit *edit,
			uint32_t *tries, struct cache_block *ret, struct tree_view *ret_view)
{
	size_t bytes = cache_block_bytes(key_len, edit->bytes);
	int err = cache_store_alloc(s, bytes, tries, ret);
	struct slice envelope;

	if (err != 0) {
		return err;
	}
	ret->tree = true;
	envelope = treeval_commit(&s->grove, edit, cache_block_ptr(s->base, ret));
	INSIST(tree_view_init(ret_view, s->base, s->grove.lo, s->grove.hi, envelope) == 0);
	return 0;
}

/* Moves the hand on by one entry. spare: what was used lately stays. Returns: whether the entry was
 * evicted. */
static bool
hand_step(struct cache_store *s, bool spare)
{
	uint32_t entry = (uint32_t)s->hand;
	struct cache_own *own = &s->own[entry];

	s->hand = (s->hand + 1) & s->mask;
	s->hand_idle++;
	if (!own->used || own->kept) {
		return false;
	}
	if (own->read && spare) {
		own->read = false;
		return false;
	}
	cache_store_drop(s, entry);
	s->stats.evicted++;
	return true;
}

int
cache_store_alloc(struct cache_store *s, size_t bytes, uint32_t *tries, struct cache_block *ret)
{
	/* Three rounds: the first may find everything read lately, the second what was read since.
	 * The third spares nothing: readers may read all there is faster than the hand goes round.
	 * Who wants much comes seldom. Who had all three in vain evicts again once in a while. */
	const uint64_t entry_cnt = s->mask + 1;
	const uint32_t steps = MAX((uint32_t)CACHE_EVICT_STEP, (uint32_t)(bytes / 128));
	uint64_t own_steps = (uint64_t)*tries * steps;
	const uint32_t most = own_steps < 3 * entry_cnt || *tries % EVICT_EVERY == 0 ? steps : 0;
	uint32_t evicted = 0;

	if (heap_try(s, bytes, ret)) {
		return 0;
	}
	if (bytes > heap_capacity_bytes(s->heap)) {
		return MB_ERR_TOO_LARGE;
	}
	if ((s->grove.garbage != NULL && sweep_try(s, bytes, ret)) ||
	    (scan(s) > 0 && sweep_try(s, bytes, ret)) || /* in any case, for its hints */
	    reserve_try(s, bytes, ret)) {
		return 0;
	}
	if (s->grove.garbage != NULL) {
		return MB_ERR_TRYAGAIN;
	}
	for (uint32_t i = 0; i < most && s->hand_idle < 3 * entry_cnt; i++, own_steps++) {
		evicted += hand_step(s, MAX(s->hand_idle, own_steps) < 2 * entry_cnt);
	}
	evicted += evicted > 0 ? scan(s) : 0; /* one may have been due, and have freed it all */
	if (evicted > 0 && sweep_try(s, bytes, ret)) {
		return 0;
	}
	if (s->grove.garbage != NULL) {
		return MB_ERR_TRYAGAIN;
	}
	own_steps = most == 0 ? 0 : own_steps; /* it was not looked at what may have come free */
	++*tries;
	return MAX(s->hand_idle, own_steps) < 3 * entry_cnt ? MB_ERR_TRYAGAIN : MB_ERR_NO_MEMORY;
}

int
cache_store_place(struct cache_store *s, uint64_t hash, uint32_t *ret_entry)
{
	uint32_t victim = CACHE_ENTRY_NONE;

	for (uint32_t way = 0; way < CACHE_WAYS; way++) {
		uint32_t entry = (uint32_t)((cache_home(hash) + way) & s->mask);
		struct cache_own *own = &s->own[entry];

		if (!own->used) {
			*ret_entry = entry;
			return 0;
		}
		if (!own->kept && (victim == CACHE_ENTRY_NONE || !own->read)) {
			if (victim != CACHE_ENTRY_NONE) {
				s->own[victim].read = false; /* passed over once */
			}
			victim = entry;
		}
	}
	if (victim == CACHE_ENTRY_NONE) {
		return MB_ERR_TRYAGAIN;
	}
	cache_store_drop(s, victim);
	s->stats.evicted++;
	*ret_entry = victim;
	return 0;
}

/* --------------------------------------------------------------- life, inspection */

int
cache_store_create(struct cache_store **ret, const struct cache_store_cfg *cfg)
{
	const struct cache_layout_shard *at = &cfg->layout->shard[cfg->shard];
	struct cache_store *s = calloc(1, sizeof(*s));
	struct grove_ops nodes = { .alloc = node_alloc, .free = node_free };
	struct cache_retire_ops ops = {
		.hazards = hazards_next,
		.free = block_free,
		.hint = entry_hint,
		.ctx = s,
	};

	REQUIRE(cfg->shard < cfg->layout->shard_cnt);
	if (s == NULL) {
		return MB_ERR_NO_MEMORY;
	}
	s->cfg = *cfg;
	s->base = cfg->base;
	s->index = (struct cache_entry *)(cfg->base + at->index);
	s->used = (_Atomic uint64_t *)(cfg->base + at->used);
	s->mask = at->entry_cnt - 1;
	s->index_off = at->index;
	s->index_end = at->index + at->entry_cnt * sizeof(struct cache_entry);
	s->heap = heap_init(cfg->base + at->heap, at->heap_bytes);
	room_init(&s->room, s->heap,
		  at->heap_bytes < RESERVE_HEAP_MIN
			  ? 0
			  : MIN(MAX(at->heap_bytes / RESERVE_SHARE, RESERVE_MIN), RESERVE_MAX));
	nodes.ctx = s;
	grove_init(&s->grove, s->base, at->heap, at->heap + at->heap_bytes, &nodes);
	s->own = cache_own_make(at->entry_cnt, &s->tags);
	if (s->own == NULL || cache_retire_create(&s->retire, at->heap, at->heap + at->heap_bytes,
						  at->heap_bytes / RETIRED_SHARE, &ops) != 0) {
		cache_own_free(s->own, &s->tags);
		free(s);
		return MB_ERR_NO_MEMORY;
	}
	*ret = s;
	return 0;
}

void
cache_store_destroy(struct cache_store *s)
{
	cache_retire_destroy(s->retire);
	cache_own_free(s->own, &s->tags);
	free(s);
}

struct cache_store_stats
cache_store_stats(const struct cache_store *s)
{
	struct cache_store_stats stats = s->stats;

	stats.used_bytes = heap_used_bytes(s->heap);
	stats.retired_bytes = cache_retire_bytes(s->retire);
	return stats;
}

uint32_t
cache_store_kept_cnt(const struct cache_store *s)
{
	uint32_t cnt = 0;

	for (uint64_t i = 0; i <= s->mask; i++) {
		cnt += s->own[i].kept;
	}
	return cnt;
}

void
cache_store_check(const struct cache_store *s)
{
	uint64_t used = 0;

	for (uint64_t i = 0; i <= s->mask; i++) {
		const struct cache_entry *e = &s->index[i];
		uint64_t off = own_load(&e->off);

		INSIST(own_load(&e->version) % 2 == 0);
		INSIST(own_load(&e->version) <= s->version);
		INSIST((off != 0) == (s->own[i].block_bytes != 0));
		INSIST(s->own[i].used == (own_load(&e->meta) != 0));
		INSIST(own_load(&e->version) == 0 ||
		       (own_load(&s->used[i / 64]) >> i % 64 & 1) != 0);
		INSIST(!s->own[i].lent || (s->own[i].kept && off != 0));
		if (!s->own[i].used) {
			INSIST(off == 0);
			continue;
		}
		used++;
		/* Keeps I1: a second entry of the key would be found first, or this one is it. */
		INSIST(cache_store_find(s, own_load(&e->hash), entry_key(s, e)) == i);
		INSIST(cache_block_bytes(cache_meta_key_len(own_load(&e->meta)),
					 cache_meta_envelope_len(own_load(&e->meta))) <=
			       s->own[i].block_bytes ||
		       off == 0);
	}
	INSIST(used == s->stats.key_cnt);
	heap_check(s->heap);
}
