/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   the store shows what it was told, evicts only what it may, and gives every block back.
 * Method: failures first: memory held by readers, kept by the tile, too much at once; places all
 *         kept. Then entries in every shape, the clock, lending, and random work against a model,
 *         with cache_store_check after it. Envelopes are bytes of no meaning here.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cache_region.h"
#include "cache_store.h"
#include "hash.h"
#include "microburst/error.h"
#include "rng.h"
#include "test_cmocka.h"
#include "test_seed.h"

struct world {
	struct cache_layout layout;
	uint8_t *region;
	struct cache_store *s;
	_Atomic uint64_t slot[HAZARD_CNT]; /* of one process */
};

static const _Atomic uint64_t *
hazards(void *ctx, uint32_t *iter)
{
	return (*iter)++ == 0 ? ((struct world *)ctx)->slot : NULL;
}

static struct world *
world_make(uint64_t heap_bytes, uint64_t keys)
{
	struct cache_region_cfg cfg = { 1, heap_bytes, keys };
	struct world *w = calloc(1, sizeof(*w));
	struct cache_store_cfg store = { .hazards = hazards, .ctx = w };

	assert_non_null(w);
	assert_int_equal(cache_region_plan(&cfg, &w->layout), 0);
	w->region = aligned_alloc(4096, w->layout.bytes);
	assert_non_null(w->region);
	memset(w->region, 0, w->layout.bytes);
	cache_region_format(w->region, &w->layout);
	store.base = w->region;
	store.layout = &w->layout;
	assert_int_equal(cache_store_create(&w->s, &store), 0);
	return w;
}

static void
world_end(struct world *w)
{
	cache_store_check(w->s);
	assert_int_equal(cache_store_kept_cnt(w->s), 0);
	cache_store_destroy(w->s);
	free(w->region);
	free(w);
}

/* Shows an envelope under a key, finding or making its entry. Returns: an error, or the entry. */
static int64_t
show(struct world *w, const char *name, const void *p, size_t len)
{
	struct slice key = slice_str(name);
	uint64_t hash = hash_bytes(key.p, key.len);
	uint32_t entry = cache_store_find(w->s, hash, key), tries = 0;
	int err = 0;

	if (entry == CACHE_ENTRY_NONE) {
		err = cache_store_place(w->s, hash, &entry);
	}
	if (err == 0) {
		do {
			err = cache_store_show(w->s, entry, hash, key, slice_of(p, len), len == 0,
					       &tries);
		} while (err == MB_ERR_TRYAGAIN);
	}
	return err != 0 ? err : (int64_t)entry;
}

static uint32_t
find(struct world *w, const char *name)
{
	return cache_store_find(w->s, hash_bytes(name, strlen(name)), slice_str(name));
}

static uint64_t
block_of(struct world *w, uint32_t entry)
{
	return (uint64_t)(cache_store_envelope(w->s, entry).p - w->region);
}

/* ---------------------------------------------------------------------- failures */

static void
too_large(void **state)
{
	struct world *w = world_make(2 << 20, 1024);
	struct cache_block b = { 0 };
	uint32_t tries = 0;

	(void)state;
	assert_int_equal(cache_store_alloc(w->s, 3 << 20, &tries, &b), MB_ERR_TOO_LARGE);
	assert_int_equal(b.off, 0);
	world_end(w);
}

/* Memory that is kept or held is not found, however long one looks; what is let go is. */
static void
all_kept_or_held(void **state)
{
	struct world *w = world_make(2 << 20, 1024);
	uint8_t *value = calloc(1, 900 << 10);
	uint32_t kept, tries = 0;
	struct cache_block b = { 0 };
	int err;

	(void)state;
	kept = (uint32_t)show(w, "kept", value, 900 << 10);
	cache_store_keep(w->s, kept);
	w->slot[7] = block_of(w, (uint32_t)show(w, "held", value, 900 << 10));
	while ((err = cache_store_alloc(w->s, 900 << 10, &tries, &b)) == MB_ERR_TRYAGAIN) {
	}
	assert_int_equal(err, MB_ERR_NO_MEMORY);
	assert_int_equal(find(w, "kept"), kept);
	assert_int_equal(find(w, "held"), CACHE_ENTRY_NONE); /* evicted, and still whole */
	assert_int_equal(cache_store_stats(w->s).retired_bytes, 900 << 10);
	w->slot[7] = 0;
	tries = 0;
	assert_int_equal(cache_store_alloc(w->s, 900 << 10, &tries, &b), 0);
	cache_store_free(w->s, &b);
	cache_store_unkeep(w->s, kept);
	free(value);
	world_end(w);
}

/* An update that finds no memory leaves what is there. */
static void
show_refused(void **state)
{
	struct world *w = world_make(2 << 20, 1024);
	uint8_t *value = calloc(1, 1500 << 10);
	uint32_t entry;

	(void)state;
	entry = (uint32_t)show(w, "k", "small", 5);
	assert_int_equal(show(w, "big", value, 1500 << 10) >= 0, true);
	cache_store_keep(w->s, find(w, "big"));
	assert_int_equal(show(w, "k", value, 1000 << 10), MB_ERR_NO_MEMORY);
	assert_int_equal(find(w, "k"), entry);
	assert_true(slice_eq(cache_store_envelope(w->s, entry), slice_str("small")));
	cache_store_unkeep(w->s, find(w, "big"));
	free(value);
	world_end(w);
}

static void
places_all_kept(void **state)
{
	struct world *w = world_make(2 << 20, 1024);
	uint32_t entry, tries = 0;
	char name[16];

	(void)state;
	/* One home for all: the hash is the caller's word. */
	for (uint32_t i = 0; i < CACHE_WAYS; i++) {
		snprintf(name, sizeof(name), "k%u", i);
		assert_int_equal(cache_store_place(w->s, 0, &entry), 0);
		assert_int_equal(cache_store_show(w->s, entry, 0, slice_str(name), slice_str("v"),
						  false, &tries),
				 0);
		cache_store_keep(w->s, entry);
	}
	assert_int_equal(cache_store_place(w->s, 0, &entry), MB_ERR_TRYAGAIN);
	entry = cache_store_find(w->s, 0, slice_str("k3"));
	cache_store_unkeep(w->s, entry);
	assert_int_equal(cache_store_place(w->s, 0, &entry), 0);
	assert_int_equal(cache_store_find(w->s, 0, slice_str("k3")), CACHE_ENTRY_NONE);
	for (uint32_t i = 0; i < CACHE_WAYS; i++) {
		snprintf(name, sizeof(name), "k%u", i);
		if (i != 3) {
			cache_store_unkeep(w->s, cache_store_find(w->s, 0, slice_str(name)));
		}
	}
	world_end(w);
}

/* ------------------------------------------------------------------------- shapes */

/* Every length of key and envelope around what fits an entry, in both orders of size. */
static void
shapes(void **state)
{
	struct world *w = world_make(4 << 20, 1024);
	uint8_t value[200];
	char name[201];

	(void)state;
	for (size_t i = 0; i < sizeof(value); i++) {
		value[i] = (uint8_t)i;
	}
	for (size_t key_len = 1; key_len <= 200; key_len++) {
		memset(name, 'a', key_len);
		name[key_len] = 0;
		for (size_t len = 0; len <= 120; len += key_len > 10 && key_len < 90 ? 7 : 1) {
			size_t shown = key_len % 2 == 0 ? len : 120 - len;
			int64_t entry = show(w, name, value, shown);

			assert_true(entry >= 0);
			assert_int_equal(find(w, name), entry);
			assert_true(slice_eq(cache_store_envelope(w->s, (uint32_t)entry),
					     slice_of(value, shown)));
			assert_int_equal(cache_store_absent(w->s, (uint32_t)entry), shown == 0);
		}
	}
	cache_store_check(w->s);
	world_end(w);
}

/* ------------------------------------------------------------------------ eviction */

/* As a reader leaves it in each of its slots. */
static void
hint_at(struct world *w, uint32_t slot, const char *name, uint32_t turn)
{
	uint64_t index = w->layout.shard[0].index;

	w->slot[slot] = cache_hint_make(index + find(w, name) * sizeof(struct cache_entry), turn);
}

/* What was used since the hand came by stays, what was not goes: also when only readers used it. */
static void
clock_spares_the_used(void **state)
{
	struct world *w = world_make(2 << 20, 1024);
	uint8_t *value = calloc(1, 100 << 10);
	uint32_t hot;
	char name[16];

	(void)state;
	hot = (uint32_t)show(w, "hot", value, 100 << 10);
	for (uint32_t i = 0; i < 200; i++) {
		hint_at(w, i % HAZARD_CNT, "hot", i / HAZARD_CNT);
		snprintf(name, sizeof(name), "cold-%u", i);
		assert_true(show(w, name, value, 100 << 10) >= 0);
	}
	assert_true(cache_store_stats(w->s).evicted > 150);
	assert_int_equal(find(w, "hot"), hot);
	assert_int_equal(find(w, "cold-0"), CACHE_ENTRY_NONE);
	free(value);
	world_end(w);
}

/* Few and large values, and each is the one that a slot was used for last: as hints stay where they
 * are, they would all be read lately for ever. A value that is held is looked for at each try. */
static void
hints_count_once(void **state)
{
	const uint64_t keys = 100UL * CACHE_EVICT_STEP;
	struct world *w = world_make(2 << 20, keys);
	uint8_t *value = calloc(1, 100 << 10);
	uint64_t scans;
	char name[16];

	(void)state;
	w->slot[63] = block_of(w, (uint32_t)show(w, "held", value, 100 << 10));
	cache_store_drop(w->s, find(w, "held"));
	for (uint32_t i = 0; i < 60; i++) {
		snprintf(name, sizeof(name), "k%u", i);
		scans = cache_store_stats(w->s).scanned;
		assert_true(show(w, name, value, 100 << 10) >= 0);
		/* What is not read meanwhile goes when the hand comes by again: within a round. */
		assert_true(cache_store_stats(w->s).scanned - scans <
			    w->layout.shard[0].entry_cnt / CACHE_EVICT_STEP * 3 / 2);
		hint_at(w, i, name, 1);
	}
	assert_true(cache_store_stats(w->s).evicted >= 40);
	free(value);
	world_end(w);
}

/* Whoever reads all there is, again and again, does not keep others from writing. */
static void
read_all_the_time(void **state)
{
	struct world *w = world_make(2 << 20, 1024);
	uint8_t *value = calloc(1, 100 << 10);
	uint32_t tries = 0, turn = 0;
	struct cache_block b = { 0 };
	char name[16];
	int err;

	(void)state;
	for (uint32_t i = 0; i < 20; i++) {
		snprintf(name, sizeof(name), "k%u", i);
		assert_true(show(w, name, value, 100 << 10) >= 0);
	}
	w->slot[63] = block_of(w, find(w, "k7"));
	cache_store_drop(w->s, find(w, "k7"));
	do {
		turn++;
		for (uint32_t i = 0; i < 20; i++) {
			snprintf(name, sizeof(name), "k%u", i);
			if (find(w, name) != CACHE_ENTRY_NONE) {
				hint_at(w, i, name, turn);
			}
		}
		err = cache_store_alloc(w->s, 150 << 10, &tries, &b);
	} while (err == MB_ERR_TRYAGAIN);
	assert_int_equal(err, 0);
	cache_store_free(w->s, &b);
	free(value);
	world_end(w);
}

static void
held_block_is_not_reused(void **state)
{
	struct world *w = world_make(2 << 20, 1024);
	uint8_t value[4000];
	const uint8_t *held;
	char name[16];

	(void)state;
	memset(value, 'h', sizeof(value));
	w->slot[3] = block_of(w, (uint32_t)show(w, "k", value, sizeof(value)));
	held = w->region + w->slot[3];
	memset(value, 'x', sizeof(value));
	assert_true(show(w, "k", value, sizeof(value)) >= 0);
	for (uint32_t i = 0; i < 3000; i++) {
		snprintf(name, sizeof(name), "other-%u", i);
		assert_true(show(w, name, value, sizeof(value)) >= 0);
	}
	for (size_t i = 0; i < sizeof(value); i++) {
		assert_int_equal(held[i], 'h');
	}
	world_end(w);
}

/* ------------------------------------------------------------------------- lending */

static void
lending(void **state)
{
	struct world *w = world_make(2 << 20, 1024);
	uint8_t value[500];
	struct cache_block b;
	uint32_t entry;

	(void)state;
	memset(value, '1', sizeof(value));
	entry = (uint32_t)show(w, "k", "in the entry", 12);
	cache_store_keep(w->s, entry);
	assert_false(cache_store_lend(w->s, entry, &b));
	assert_int_equal(show(w, "k", value, sizeof(value)), entry);
	/* Given back unchanged. */
	assert_true(cache_store_lend(w->s, entry, &b));
	cache_store_unlend(w->s, entry, &b);
	assert_int_equal(b.off, 0);
	assert_int_equal(b.bytes, 0);
	/* Changed meanwhile: the block stays until it is given back. */
	assert_true(cache_store_lend(w->s, entry, &b));
	memset(value, '2', sizeof(value));
	assert_int_equal(show(w, "k", value, sizeof(value)), entry);
	assert_int_equal(cache_store_stats(w->s).retired_bytes, 0);
	assert_int_equal(w->region[b.off], '1');
	cache_store_unlend(w->s, entry, &b);
	assert_int_equal(cache_store_stats(w->s).retired_bytes, 504);
	/* Dropped meanwhile. */
	assert_true(cache_store_lend(w->s, entry, &b));
	cache_store_drop(w->s, entry);
	assert_int_equal(find(w, "k"), CACHE_ENTRY_NONE);
	assert_int_equal(w->region[b.off], '2');
	cache_store_unlend(w->s, entry, &b);
	cache_store_unkeep(w->s, entry);
	world_end(w);
}

/* --------------------------------------------------------------------------- model */

#define MODEL_KEYS 300u

/* Random work on few keys: what is found is what was shown last. */
static void
against_model(void **state)
{
	struct world *w = world_make(2 << 20, 1024);
	static uint8_t value[30000];
	uint32_t seed_of[MODEL_KEYS] = { 0 }, len_of[MODEL_KEYS] = { 0 }, found = 0;
	struct rng rng;
	char name[128];

	(void)state;
	rng_init(&rng, test_seed("cache_store against_model"));
	for (uint32_t run = 1; run <= 20000; run++) {
		uint32_t k = (uint32_t)rng_below(&rng, MODEL_KEYS), entry;

		memset(name, 'n', sizeof(name));
		snprintf(name + (k % 3) * 50, sizeof(name) - (k % 3) * 50, "%u", k);
		entry = find(w, name);
		if (entry != CACHE_ENTRY_NONE) {
			struct slice e = cache_store_envelope(w->s, entry);

			found++;
			assert_int_equal(e.len, len_of[k]);
			for (size_t i = 0; i < e.len; i += 1 + e.len / 16) {
				assert_int_equal(e.p[i], (uint8_t)(seed_of[k] + i));
			}
			if (rng_below(&rng, 10) == 0) {
				cache_store_drop(w->s, entry);
				continue;
			}
		}
		seed_of[k] = run;
		len_of[k] = (uint32_t)(rng_below(&rng, 2) ? rng_below(&rng, sizeof(value))
							  : rng_below(&rng, 100));
		for (size_t i = 0; i < len_of[k]; i++) {
			value[i] = (uint8_t)(run + i);
		}
		assert_true(show(w, name, value, len_of[k]) >= 0);
		w->slot[rng_below(&rng, HAZARD_CNT)] = block_of(w, find(w, name));
		if (run % 1000 == 0) {
			cache_store_check(w->s);
		}
	}
	assert_true(found > 1000);
	assert_true(cache_store_stats(w->s).evicted > 100);
	world_end(w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(too_large),
		cmocka_unit_test(all_kept_or_held),
		cmocka_unit_test(show_refused),
		cmocka_unit_test(places_all_kept),
		cmocka_unit_test(shapes),
		cmocka_unit_test(clock_spares_the_used),
		cmocka_unit_test(hints_count_once),
		cmocka_unit_test(read_all_the_time),
		cmocka_unit_test(held_block_is_not_reused),
		cmocka_unit_test(lending),
		cmocka_unit_test(against_model),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
