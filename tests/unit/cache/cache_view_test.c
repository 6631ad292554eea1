/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   readers get whole values or none, hold what they hold, and survive whatever a region may
 *         contain; no read is torn while a writer works as fast as it can.
 * Method: failures first: damaged entries, entries left odd, all slots in use. Then a writer thread
 *         against reader threads: every value carries a number from which all its bytes follow, the
 *         numbers of a key never go back, and held bytes are looked at again while the writer
 *         reuses memory. Reader threads stand for processes: each has a view and slots of its own.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cache_region.h"
#include "cache_store.h"
#include "cache_view.h"
#include "envelope.h"
#include "hash.h"
#include "lww.h"
#include "microburst/error.h"
#include "rng.h"
#include "test_cmocka.h"
#include "test_seed.h"
#include "timebase.h"

#define READER_CNT 2u

struct world {
	struct cache_layout layout;
	uint8_t *region;
	struct cache_store *s;
	_Atomic uint64_t slot[READER_CNT][HAZARD_CNT];
	struct cache_view view; /* of reader 0, where there is one thread */
};

static const _Atomic uint64_t *
hazards(void *ctx, uint32_t *iter)
{
	return *iter < READER_CNT ? ((struct world *)ctx)->slot[(*iter)++] : NULL;
}

static struct world *
world_make(uint64_t heap_bytes)
{
	struct cache_region_cfg cfg = { 1, heap_bytes, 1024 };
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
	assert_int_equal(cache_view_open(&w->view, w->region, w->layout.bytes, w->slot[0]), 0);
	return w;
}

static void
world_end(struct world *w)
{
	cache_store_check(w->s);
	cache_store_destroy(w->s);
	free(w->region);
	free(w);
}

/* Shows a key as an LWW register of these bytes. Returns: its entry. */
static uint32_t
show(struct world *w, struct slice key, struct slice bytes)
{
	static uint8_t mem[2][1 << 17];
	struct wbuf state = wbuf_init(mem[0], sizeof(mem[0])),
		    out = wbuf_init(mem[1], sizeof(mem[1]));
	struct envelope e = { .epoch = { { 1 }, { 1 } }, .type = LATTICE_LWW };
	uint64_t hash = hash_bytes(key.p, key.len);
	uint32_t entry = cache_store_find(w->s, hash, key), tries = 0;
	int err;

	assert_int_equal(lww_delta_set(e.epoch, bytes, &state), 0);
	e.state = wbuf_slice(&state);
	assert_int_equal(envelope_write(&e, &out), 0);
	if (entry == CACHE_ENTRY_NONE) {
		assert_int_equal(cache_store_place(w->s, hash, &entry), 0);
	}
	do {
		err = cache_store_show(w->s, entry, hash, key, wbuf_slice(&out), false, &tries);
	} while (err == MB_ERR_TRYAGAIN);
	assert_int_equal(err, 0);
	return entry;
}

static struct slice
bytes_of(const struct cache_value *v)
{
	struct slice bytes = { 0 };
	struct stamp stamp;

	(void)lww_read(v->state, &bytes, &stamp);
	return bytes;
}

static struct cache_entry *
entry_at(struct world *w, uint32_t entry)
{
	return (struct cache_entry *)(w->region + w->layout.shard[0].index) + entry;
}

/* ---------------------------------------------------------------------- failures */

static void
open_refused(void **state)
{
	struct world *w = world_make(2 << 20);
	struct cache_view view;

	(void)state;
	assert_int_equal(cache_view_open(&view, w->region, 100, w->slot[0]), MB_ERR_CORRUPT);
	w->region[0] ^= 1;
	assert_int_equal(cache_view_open(&view, w->region, w->layout.bytes, w->slot[0]),
			 MB_ERR_CORRUPT);
	world_end(w);
}

/* What a daemon that was killed may leave: an entry half written. It is a miss, soon. */
static void
left_odd(void **state)
{
	struct world *w = world_make(2 << 20);
	struct slice key = slice_str("k");
	struct cache_value v;
	uint32_t entry = show(w, key, slice_str("value"));

	(void)state;
	atomic_fetch_add(&entry_at(w, entry)->version, 1);
	assert_int_equal(cache_view_get(&w->view, key, &v), CACHE_MISS);
	atomic_fetch_sub(&entry_at(w, entry)->version, 1);
	assert_int_equal(cache_view_get(&w->view, key, &v), CACHE_HIT);
	world_end(w);
}

/* Any word of an entry may be anything: nothing outside the region is read (the region ends at the
 * end of an allocation, so a sanitizer would tell), and no hold is left. */
static void
damaged(void **state)
{
	static const uint64_t word[] = { 0,
					 1,
					 7,
					 8,
					 64,
					 96,
					 97,
					 0xffff,
					 1 << 16,
					 3 << 16,
					 UINT64_C(1) << 32,
					 UINT64_C(0xffffffff) << 32,
					 UINT64_MAX,
					 UINT64_MAX - 7 };
	struct world *w = world_make(2 << 20);
	struct slice keys[2] = { slice_str("key"), { 0 } };
	uint8_t big[500] = { 1 };
	struct cache_value v;
	struct rng rng;

	(void)state;
	keys[1] = slice_of(big, 150); /* one that does not fit an entry */
	rng_init(&rng, test_seed("cache_view damaged"));
	for (uint32_t run = 0; run < 20000; run++) {
		struct slice key = keys[run % 2];
		uint32_t entry = show(w, key, slice_of(big, rng_below(&rng, 2) * sizeof(big)));
		struct cache_entry saved, *e = entry_at(w, entry);
		_Atomic uint64_t *at[] = { &e->meta, &e->off, &e->word[0] };
		uint64_t end = w->layout.bytes - rng_below(&rng, 64);
		int found;

		memcpy(&saved, e, sizeof(saved));
		for (uint32_t i = 0; i < 3; i++) {
			uint64_t bad = word[rng_below(&rng, sizeof(word) / sizeof(word[0]))];

			if (i == 0 && rng_below(&rng, 2) != 0) { /* lengths that may match */
				bad = cache_meta_make(key.len, CACHE_META_USED | (run & 4),
						      LATTICE_LWW, bad);
			}
			if (rng_below(&rng, 2) != 0) {
				atomic_store(at[i], rng_below(&rng, 4) != 0 ? bad : end);
			}
		}
		found = cache_view_get(&w->view, key, &v);
		assert_true(found == CACHE_MISS || found == CACHE_HIT || found == CACHE_ABSENT);
		if (found != CACHE_MISS) {
			assert_true(v.state.len <= v.envelope.len);
			cache_view_release(&w->view, &v);
		}
		assert_int_equal(cache_view_held(&w->view), 0);
		assert_int_equal(w->view.free, UINT64_MAX);
		memcpy(e, &saved, sizeof(saved));
	}
	world_end(w);
}

static void
all_slots_held(void **state)
{
	struct world *w = world_make(2 << 20);
	struct cache_value v[HAZARD_CNT], more;
	uint8_t big[500] = { 1 };

	(void)state;
	show(w, slice_str("big"), slice_of(big, sizeof(big)));
	show(w, slice_str("small"), slice_str("v"));
	for (uint32_t i = 0; i < HAZARD_CNT; i++) {
		assert_int_equal(cache_view_get(&w->view, slice_str("big"), &v[i]), CACHE_HIT);
	}
	assert_int_equal(cache_view_held(&w->view), HAZARD_CNT);
	assert_int_equal(cache_view_get(&w->view, slice_str("big"), &more), MB_ERR_FULL);
	assert_int_equal(cache_view_get(&w->view, slice_str("small"), &more), CACHE_HIT);
	cache_view_release(&w->view, &more);
	cache_view_release(&w->view, &v[17]);
	cache_view_release(&w->view, &v[17]);
	assert_int_equal(cache_view_held(&w->view), HAZARD_CNT - 1);
	assert_int_equal(cache_view_get(&w->view, slice_str("big"), &v[17]), CACHE_HIT);
	cache_view_release_all(&w->view);
	assert_int_equal(cache_view_held(&w->view), 0);
	world_end(w);
}

/* ------------------------------------------------------------------------ reading */

static void
finds_what_is_shown(void **state)
{
	struct world *w = world_make(4 << 20);
	struct cache_value v;
	uint64_t version = 0;
	uint8_t big[3000];
	char name[160];

	(void)state;
	assert_int_equal(cache_view_get(&w->view, slice_str("nothing"), &v), CACHE_MISS);
	for (uint32_t i = 0; i < 300; i++) {
		size_t len = i * 10;
		struct slice key;

		memset(big, (int)i, sizeof(big));
		memset(name, 'n', sizeof(name));
		snprintf(name + i % 120, 20, "%u", i);
		key = slice_str(name);
		show(w, key, slice_of(big, len));
		assert_int_equal(cache_view_get(&w->view, key, &v), CACHE_HIT);
		assert_int_equal(v.type, LATTICE_LWW);
		assert_true(slice_eq(bytes_of(&v), slice_of(big, len)));
		assert_true(v.version > version);
		version = v.version;
		cache_view_release(&w->view, &v);
	}
	world_end(w);
}

static void
negative_entries(void **state)
{
	struct world *w = world_make(2 << 20);
	struct slice key = slice_str("k");
	uint64_t hash = hash_bytes("k", 1);
	uint32_t entry, tries = 0;
	struct cache_value v;

	(void)state;
	assert_int_equal(cache_store_place(w->s, hash, &entry), 0);
	assert_int_equal(cache_store_show(w->s, entry, hash, key, slice_of(NULL, 0), true, &tries),
			 0);
	assert_int_equal(cache_view_get(&w->view, key, &v), CACHE_ABSENT);
	assert_int_equal(v.envelope.len, 0);
	cache_view_release(&w->view, &v);
	world_end(w);
}

/* Two keys of one hash in neighbouring places. */
static void
same_hash(void **state)
{
	struct world *w = world_make(2 << 20);
	struct cache_value v;

	(void)state;
	for (uint32_t i = 0; i < 2; i++) {
		uint32_t entry, tries = 0;

		assert_int_equal(cache_store_place(w->s, 99, &entry), 0);
		assert_int_equal(cache_store_show(w->s, entry, 99, slice_str(i == 0 ? "a" : "b"),
						  slice_of(NULL, 0), true, &tries),
				 0);
	}
	assert_int_equal(cache_view_get_hashed(&w->view, 99, slice_str("a"), &v), CACHE_ABSENT);
	assert_int_equal(cache_view_get_hashed(&w->view, 99, slice_str("b"), &v), CACHE_ABSENT);
	assert_int_equal(cache_view_get_hashed(&w->view, 99, slice_str("c"), &v), CACHE_MISS);
	world_end(w);
}

static void
held_stays(void **state)
{
	struct world *w = world_make(2 << 20);
	struct cache_value v;
	uint8_t big[1000];
	char name[16];

	(void)state;
	memset(big, 'h', sizeof(big));
	show(w, slice_str("k"), slice_of(big, sizeof(big)));
	assert_int_equal(cache_view_get(&w->view, slice_str("k"), &v), CACHE_HIT);
	memset(big, 'x', sizeof(big));
	for (uint32_t i = 0; i < 10000; i++) {
		snprintf(name, sizeof(name), "k%u", i);
		show(w, i % 2 ? slice_str("k") : slice_str(name), slice_of(big, sizeof(big)));
	}
	memset(big, 'h', sizeof(big));
	assert_true(slice_eq(bytes_of(&v), slice_of(big, sizeof(big))));
	cache_view_release(&w->view, &v);
	world_end(w);
}

/* ------------------------------------------------------------------------ threads */

#define KEY_CNT  8u
#define SIZE_CNT 5u

/* Everything about a value follows from its number. */
static size_t
size_of(uint64_t number)
{
	static const size_t size[SIZE_CNT] = { 8, 40, 200, 3000, 100000 };

	return size[number * 7 % SIZE_CNT];
}

static void
value_fill(uint8_t *p, uint64_t number)
{
	size_t len = size_of(number);

	for (size_t i = 0; i + 8 <= len; i += 8) {
		uint64_t word = number * UINT64_C(0x9e3779b97f4a7c15) + i;

		memcpy(p + i, i == 0 ? &number : &word, 8);
	}
}

/* Returns: whether the bytes are those of one number. */
static bool
value_whole(struct slice v, uint64_t *ret_number)
{
	uint64_t number;

	if (v.len < 8) {
		return false;
	}
	memcpy(&number, v.p, 8);
	if (v.len != size_of(number)) {
		return false;
	}
	for (size_t i = 8; i + 8 <= v.len; i += 8) {
		uint64_t word;

		memcpy(&word, v.p + i, 8);
		if (word != number * UINT64_C(0x9e3779b97f4a7c15) + i) {
			return false;
		}
	}
	*ret_number = number;
	return true;
}

struct reader {
	struct world *w;
	uint32_t idx;
	atomic_bool *stop;
	_Atomic uint64_t hit;
	uint64_t miss, torn, back, changed;
};

static struct slice
key_of(char name[16], uint32_t i)
{
	return slice_of(name, (size_t)snprintf(name, 16, "key-%u", i));
}

static void *
reader_run(void *arg)
{
	struct reader *r = arg;
	struct cache_view view;
	uint64_t last[KEY_CNT] = { 0 }, number = 0, again;
	struct cache_value held = { .slot = CACHE_SLOT_NONE }, v;
	uint64_t held_number = 0;

	cache_view_open(&view, r->w->region, r->w->layout.bytes, r->w->slot[r->idx]);
	for (uint64_t i = 0; !atomic_load_explicit(r->stop, memory_order_relaxed); i++) {
		char name[16];
		uint32_t k = (uint32_t)(i % KEY_CNT);

		if (cache_view_get(&view, key_of(name, k), &v) != CACHE_HIT) {
			r->miss++;
			continue;
		}
		atomic_fetch_add_explicit(&r->hit, 1, memory_order_relaxed);
		if (!value_whole(bytes_of(&v), &number)) {
			r->torn++;
		} else {
			r->back += number < last[k];
			last[k] = number;
		}
		/* Now and then hold one for long, and look again. */
		if (i % 1000 == 0) {
			if (held.slot != CACHE_SLOT_NONE) {
				r->changed += !value_whole(bytes_of(&held), &again) ||
					      again != held_number;
				cache_view_release(&view, &held);
			}
			if (v.slot != CACHE_SLOT_NONE) {
				held = v;
				held_number = number;
				continue;
			}
		}
		cache_view_release(&view, &v);
	}
	cache_view_release_all(&view);
	return NULL;
}

/* Whether each has found something often enough; on a busy machine one may not have begun yet. */
static bool
all_hit(const struct reader r[static READER_CNT])
{
	for (uint32_t i = 0; i < READER_CNT; i++) {
		if (atomic_load_explicit(&r[i].hit, memory_order_relaxed) <= 100) {
			return false;
		}
	}
	return true;
}

static void
readers_against_writer(void **state)
{
	struct world *w = world_make(4 << 20);
	struct reader r[READER_CNT];
	pthread_t thread[READER_CNT];
	atomic_bool stop = false;
	static uint8_t value[100000];
	uint64_t number = 1, until;

	(void)state;
	for (uint32_t i = 0; i < READER_CNT; i++) {
		r[i] = (struct reader){ .w = w, .idx = i, .stop = &stop };
		assert_int_equal(pthread_create(&thread[i], NULL, reader_run, &r[i]), 0);
	}
	until = timebase_now_ns(timebase_real()) + 700 * NS_PER_MS;
	while (timebase_now_ns(timebase_real()) < until || !all_hit(r)) {
		for (uint32_t i = 0; i < 100; i++, number++) {
			char name[16];
			struct slice key = key_of(name, (uint32_t)(number % 31 % KEY_CNT));

			value_fill(value, number);
			show(w, key, slice_of(value, size_of(number)));
			if (number % 97 == 0) {
				cache_store_drop(w->s,
						 cache_store_find(w->s, hash_bytes(key.p, key.len),
								  key));
			}
		}
	}
	atomic_store(&stop, true);
	for (uint32_t i = 0; i < READER_CNT; i++) {
		pthread_join(thread[i], NULL);
		print_message("reader %u: %llu hits, %llu misses, against %llu writes\n", i,
			      (unsigned long long)r[i].hit, (unsigned long long)r[i].miss,
			      (unsigned long long)number);
		assert_int_equal(r[i].torn, 0);
		assert_int_equal(r[i].back, 0);
		assert_int_equal(r[i].changed, 0);
	}
	world_end(w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(open_refused),
		cmocka_unit_test(left_odd),
		cmocka_unit_test(damaged),
		cmocka_unit_test(all_slots_held),
		cmocka_unit_test(finds_what_is_shown),
		cmocka_unit_test(negative_entries),
		cmocka_unit_test(same_hash),
		cmocka_unit_test(held_stays),
		cmocka_unit_test(readers_against_writer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
