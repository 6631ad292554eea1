/* SPDX-License-Identifier: Apache-2.0 */
/* weave_shard - see weave_shard.h */
#include "weave_shard.h"

#include <stdlib.h>
#include <string.h>

#include "cache_region.h"
#include "cache_store.h"
#include "check.h"
#include "envelope.h"
#include "hash.h"
#include "lww.h"
#include "microburst/error.h"
#include "weave.h"

#define REGION_HEAP  (2u << 20)
#define SMALL_BYTES  8u
#define MEDIUM_BYTES 200u
/* More than the share of the heap that may be retired before a scan. */
#define LARGE_BYTES  (REGION_HEAP / 16 + 64)
#define SCRIBBLE     UINT64_C(0x5c5c5c5c5c5c5c5c)
#define NUMBER_MAX   3u
#define ENVELOPE_MAX (LARGE_BYTES + LWW_OVERHEAD + ENVELOPE_OVERHEAD)

static struct {
	struct cache_layout layout;
	struct cache_entry *at;
	uint8_t *region;
	struct cache_store *store;
	struct cache_view view;
	_Atomic uint64_t hazard[HAZARD_CNT];
	uint64_t hash;
	uint32_t entry;
} shard;

static struct slice
key(void)
{
	return slice_str("key");
}

static const _Atomic uint64_t *
hazards(void *ctx, uint32_t *iter)
{
	return (*iter)++ == 0 ? shard.hazard : NULL;
}

static size_t
bytes_of(enum shard_size size)
{
	return size == SHARD_SMALL    ? SMALL_BYTES
	       : size == SHARD_MEDIUM ? MEDIUM_BYTES
				      : LARGE_BYTES;
}

/* The envelope of a number, made once: the weaver runs a script very often. */
static struct slice
value_make(enum shard_size size, uint64_t number)
{
	static uint64_t bytes[LARGE_BYTES / 8];
	static uint8_t state_mem[LARGE_BYTES + LWW_OVERHEAD];
	static struct wbuf made[SHARD_SIZE_CNT][NUMBER_MAX + 1];
	struct wbuf state = wbuf_init(state_mem, sizeof(state_mem)), *out = &made[size][number];
	struct envelope e = { .epoch = { { number }, { 1 } }, .type = LATTICE_LWW };
	size_t len = bytes_of(size);

	REQUIRE(number <= NUMBER_MAX);
	if (out->p == NULL) {
		*out = wbuf_init(malloc(ENVELOPE_MAX), ENVELOPE_MAX);
		REQUIRE(out->p != NULL);
		for (size_t i = 0; i < len / 8; i++) {
			bytes[i] = number;
		}
		REQUIRE(lww_delta_set(e.epoch, slice_of(bytes, len), &state) == 0);
		e.state = wbuf_slice(&state);
		REQUIRE(envelope_write(&e, out) == 0);
	}
	return wbuf_slice(out);
}

void
shard_show(enum shard_size size, uint64_t number)
{
	uint32_t tries = 0;

	shard.entry = cache_store_find(shard.store, shard.hash, key());
	if (shard.entry == CACHE_ENTRY_NONE) {
		REQUIRE(cache_store_place(shard.store, shard.hash, &shard.entry) == 0);
	}
	REQUIRE(cache_store_show(shard.store, shard.entry, shard.hash, key(),
				 value_make(size, number), false, &tries) == 0);
}

void
shard_drop(void)
{
	cache_store_drop(shard.store, shard.entry);
}

static void
scribble(uint64_t off)
{
	uint64_t *p = (uint64_t *)(shard.region + off);

	p[0] = SCRIBBLE;
	p[LARGE_BYTES / 8 - 1] = SCRIBBLE;
}

void
shard_reuse(void)
{
	struct cache_block b;
	uint32_t tries = 0;

	/* The size that shard_show took, so that it is this memory that is found. */
	while (cache_store_alloc(shard.store, ENVELOPE_MAX, &tries, &b) == 0) {
		scribble(b.off);
		cache_store_keep(shard.store, shard.entry); /* or the search for more evicts it */
	}
}

void
shard_reset(enum shard_size size, uint64_t first)
{
	struct cache_region_cfg cfg = { 1, REGION_HEAP, CACHE_ENTRY_MIN };
	struct cache_store_cfg store = { .layout = &shard.layout, .hazards = hazards };
	struct cache_entry *index;
	uint64_t home;

	if (shard.region == NULL) {
		REQUIRE(cache_region_plan(&cfg, &shard.layout) == 0);
		shard.region = aligned_alloc(4096, shard.layout.bytes);
		REQUIRE(shard.region != NULL);
		memset(shard.region, 0, shard.layout.bytes);
		shard.hash = hash_bytes(key().p, key().len);
	} else {
		cache_store_destroy(shard.store);
	}
	index = (struct cache_entry *)(shard.region + shard.layout.shard[0].index);
	home = cache_home(shard.hash) & (shard.layout.shard[0].entry_cnt - 1);
	memset(index + home, 0, CACHE_WAYS * sizeof(*index)); /* of the run before */
	memset(shard.hazard, 0, sizeof(shard.hazard));
	cache_region_format(shard.region, &shard.layout);
	store.base = shard.region;
	REQUIRE(cache_store_create(&shard.store, &store) == 0);
	REQUIRE(cache_view_open(&shard.view, shard.region, shard.layout.bytes, shard.hazard) == 0);
	shard_show(size, first);
	shard.at = &index[home];
	weave_share("entry", shard.at, sizeof(*shard.at));
	weave_share("hazard", shard.hazard, sizeof(shard.hazard));
}

/* ---------------------------------------------------------------------- the reader */

/* One word of a value in place. */
static uint64_t
word_at(const struct cache_value *v, size_t off)
{
	uint64_t word;

	memcpy(&word, v->state.p + off, sizeof(word));
	weave_note(word);
	return word;
}

/* Looks at both ends of a value, and at the stamps behind it. Returns: its number; 0 when they
 * differ, or are nobody's. */
static uint64_t
number_of(const struct cache_value *v)
{
	uint64_t first = word_at(v, 0), last;
	struct envelope e;
	struct stamp stamp;
	struct slice bytes;

	WEAVE("reader: between two words");
	last = word_at(v, v->state.len - LWW_OVERHEAD - 8);
	if (first != last || first > NUMBER_MAX || envelope_open(v->envelope, &e) != 0 ||
	    e.epoch.time.v != first || lww_read(e.state, &bytes, &stamp) != 0 ||
	    stamp.time.v != first) {
		return 0;
	}
	return first;
}

uint64_t
shard_read(void)
{
	struct cache_value v;
	uint64_t number;

	if (cache_view_get_hashed(&shard.view, shard.hash, key(), &v) != CACHE_HIT) {
		return 0;
	}
	number = number_of(&v);
	if (v.state.len != SMALL_BYTES + LWW_OVERHEAD &&
	    v.state.len != MEDIUM_BYTES + LWW_OVERHEAD &&
	    v.state.len != LARGE_BYTES + LWW_OVERHEAD) {
		weave_wrong("a value of no length");
	}
	if (number == 0) {
		weave_wrong("a torn value");
	}
	if (v.slot != CACHE_SLOT_NONE) {
		WEAVE("reader: holds");
		if (number_of(&v) != number) {
			weave_wrong("a held value changed");
		}
	}
	cache_view_release(&shard.view, &v);
	return number;
}

/* -------------------------------------------------------------------- what is planted */

void
shard_show_unguarded(uint64_t number)
{
	struct slice envelope = value_make(SHARD_SMALL, number);
	uint64_t word[CACHE_INLINE_WORDS] = { 0 };

	memcpy(word, envelope.p, envelope.len);
	for (size_t i = 0; i * 8 < envelope.len; i++) {
		/* The key has the first word. */
		atomic_store_explicit(&shard.at->word[i + 1], word[i], memory_order_release);
	}
}

void
shard_scribble_early(void)
{
	uint64_t off = atomic_load_explicit(&shard.at->off, memory_order_relaxed);

	if (atomic_load_explicit(&shard.hazard[0], memory_order_seq_cst) != off) {
		scribble(off);
	}
	shard_drop();
}

uint64_t
shard_read_unchecked(void)
{
	uint64_t off = atomic_load_explicit(&shard.at->off, memory_order_acquire);
	struct cache_value v = { .slot = CACHE_SLOT_NONE };
	uint64_t number;

	if (off == 0) {
		return 0;
	}
	atomic_exchange_explicit(&shard.hazard[0], off, memory_order_seq_cst);
	v.envelope = slice_of(shard.region + off, ENVELOPE_MAX);
	v.state = slice_of(shard.region + off, LARGE_BYTES + LWW_OVERHEAD);
	number = number_of(&v);
	if (number == 0) {
		weave_wrong("a torn value");
	}
	atomic_store_explicit(&shard.hazard[0], 0, memory_order_release);
	return number;
}

const char *
shard_end(void)
{
	cache_store_check(shard.store);
	return cache_view_held(&shard.view) != 0 ? "a value is still held" : NULL;
}
