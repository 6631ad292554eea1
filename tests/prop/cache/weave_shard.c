/* SPDX-License-Identifier: Apache-2.0 */
/* weave_shard - see weave_shard.h */
#include "weave_shard.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include "cache_region.h"
#include "cache_store.h"
#include "check.h"
#include "envelope.h"
#include "hash.h"
#include "lww.h"
#include "map.h"
#include "microburst/error.h"
#include "treeval.h"
#include "view.h"
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

/* A fresh region, and a view of it. */
static void
reset(void)
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
	shard.at = &index[home];
}

static void
share(void)
{
	weave_share("entry", shard.at, sizeof(*shard.at));
	weave_share("hazard", shard.hazard, sizeof(shard.hazard));
}

void
shard_reset(enum shard_size size, uint64_t first)
{
	reset();
	shard_show(size, first);
	share();
}

/* --------------------------------------------------------------------------- trees */

#define FIELD_CNT 120u /* three leaves, and a root over them */
#define TREE_MEM  (16u << 10)

/* The map of fields [from, FIELD_CNT), the last one with this number, the others with 1. Made once.
 */
static struct slice
tree_delta(uint32_t from, uint64_t number)
{
	static uint8_t mem[2][NUMBER_MAX + 1][TREE_MEM];
	static size_t len[2][NUMBER_MAX + 1];
	static uint8_t state_mem[TREE_MEM];
	struct wbuf state = wbuf_init(state_mem, sizeof(state_mem));
	struct wbuf out = wbuf_init(mem[from != 0][number], TREE_MEM);
	struct envelope e = { .epoch = { { 1 }, { 1 } }, .type = LATTICE_MAP };
	struct map_builder b;

	if (len[from != 0][number] == 0) {
		map_begin(&b, &state);
		for (uint32_t i = from; i < FIELD_CNT; i++) {
			uint32_t name = htobe32(i);
			uint64_t n = i == FIELD_CNT - 1 ? number : 1;

			map_field_begin(&b, slice_of(&name, sizeof(name)));
			REQUIRE(lww_delta_set((struct stamp){ { n }, { 1 } },
					      slice_of(&n, sizeof(n)), &state) == 0);
			map_field_end(&b, LATTICE_LWW);
		}
		REQUIRE(map_end(&b) == 0);
		e.state = wbuf_slice(&state);
		REQUIRE(envelope_write(&e, &out) == 0);
		len[from != 0][number] = out.len;
	}
	return slice_of(out.p, len[from != 0][number]);
}

static void
tree_commit(struct treeval_edit *edit)
{
	struct cache_block b;
	struct tree_view view;
	uint32_t tries = 0;

	REQUIRE(cache_store_tree_commit(shard.store, key().len, edit, &tries, &b, &view) == 0);
	cache_store_show_block(shard.store, shard.entry, shard.hash, key(), &b, view.envelope.len,
			       false);
}

void
shard_reset_tree(void)
{
	struct treeval_edit edit;
	uint32_t tries = 0;

	reset();
	REQUIRE(cache_store_place(shard.store, shard.hash, &shard.entry) == 0);
	REQUIRE(treeval_make(cache_store_grove(shard.store, &tries), tree_delta(0, 1), &edit) == 0);
	tree_commit(&edit);
	share();
}

void
shard_tree_show(uint64_t number)
{
	struct slice stored = cache_store_envelope(shard.store, shard.entry);
	struct tree_view view = *slice_tree(stored);
	struct treeval_edit edit;
	uint32_t tries = 0;

	REQUIRE(treeval_merge(cache_store_grove(shard.store, &tries), &view,
			      tree_delta(FIELD_CNT - 1, number), &edit) == LATTICE_MIXED);
	tree_commit(&edit);
}

void
shard_tree_reuse(void)
{
	struct cache_block b;
	uint32_t tries = 0;

	cache_store_keep(shard.store, shard.entry);
	/* Until there is no room: then the hazards are looked at. */
	while (cache_store_alloc(shard.store, ENVELOPE_MAX, &tries, &b) == 0) {
		scribble(b.off);
	}
	while (cache_store_sweep(shard.store)) {
	}
	for (uint32_t i = 0; i < 6; i++) { /* of the size of nodes: what was freed comes first */
		tries = 0;
		if (cache_store_alloc(shard.store, TREE_NODE_BYTES, &tries, &b) == 0) {
			memset(shard.region + b.off, 0x5c, TREE_NODE_BYTES);
		}
	}
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

/* A field of the tree; 0 when it is not what it can be. */
static uint64_t
field_of(const struct cache_value *v, uint32_t idx)
{
	uint32_t name = htobe32(idx);
	struct map_field f;
	struct slice bytes;
	struct stamp stamp;
	uint64_t n;

	if (!map_get(v->state, slice_of(&name, sizeof(name)), &f) || f.type != LATTICE_LWW ||
	    lww_read(f.value, &bytes, &stamp) != 0 || bytes.len != sizeof(n)) {
		return 0;
	}
	memcpy(&n, bytes.p, sizeof(n));
	weave_note(n);
	return n <= NUMBER_MAX && n == stamp.time.v ? n : 0;
}

uint64_t
shard_tree_read(void)
{
	struct cache_value v;
	uint64_t first, last;

	if (cache_view_get_hashed(&shard.view, shard.hash, key(), &v) != CACHE_HIT) {
		return 0;
	}
	first = field_of(&v, 0);
	WEAVE("reader: between two leaves");
	last = field_of(&v, FIELD_CNT - 1);
	if (first != 1 || last == 0 || view_cnt(v.type, v.state) != FIELD_CNT) {
		weave_wrong("a torn tree");
	}
	WEAVE("reader: holds");
	if (field_of(&v, FIELD_CNT - 1) != last || field_of(&v, FIELD_CNT / 2) != 1) {
		weave_wrong("a held tree changed");
	}
	cache_view_release(&shard.view, &v);
	return last;
}

/* -------------------------------------------------------------------- what is planted */

void
shard_tree_sweep_early(uint64_t number)
{
	struct tree_view view = *slice_tree(cache_store_envelope(shard.store, shard.entry));
	struct table leaf;
	uint32_t first;

	REQUIRE(tree_leaf(&view, FIELD_CNT - 1, &leaf, &first));
	memset((void *)(uintptr_t)leaf.items, 0x5c, leaf.items_len);
	shard_tree_show(number);
}

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
