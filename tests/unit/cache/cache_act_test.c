/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   an inner process's operation on a key that is not here is done in the store, with the
 *         same effects and the same words as one in the cache, and never out of its order.
 * Method: cache_world with a process of each kind. By hand: what goes where, and when. At random: a
 *         small cache that evicts, counters written from both sides and read in between, until the
 *         sums are compared.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cache_world.h"
#include "compiler.h"
#include "envelope.h"
#include "kvs_shard.h"
#include "lattice.h"
#include "microburst/error.h"
#include "rng.h"
#include "set_fixture.h"
#include "test_cmocka.h"

#define OTHER  2
#define OWN    3
#define KEYS   300
#define ROUNDS 3000

static void
add(struct set *s, enum wset_kind kind, const char *key, const char *value, int64_t n)
{
	struct wset_op op = { .kind = kind, .key = slice_str(key), .n = n };

	op.value = value != NULL ? slice_str(value) : op.value;
	assert_int_equal(wset_add(&s->ws, &op), 0);
}

static bool
is_here(struct world *w, const char *key)
{
	struct cache_value v;
	int found = cache_view_get(&w->proc[INNER].view, slice_str(key), &v);

	if (found == CACHE_HIT) {
		cache_view_release(&w->proc[INNER].view, &v);
	}
	return found != CACHE_MISS;
}

static struct world *
make(uint32_t kvs_cnt)
{
	struct world *w = world_make(&(struct world_cfg){ .kvs_cnt = kvs_cnt });

	world_up_inner(w, INNER);
	world_up(w, OTHER);
	return w;
}

static char longest[(1 << 20) + 1]; /* more than a step copies */

static void
add_long(struct world *w, struct set *s, const char *key, size_t len)
{
	struct wset_op op = { .kind = WSET_PUT, .key = slice_str(key), .by_ref = true };

	for (size_t i = 0; i < len; i++) {
		longest[i] = (char)('a' + i * 31 % 23);
	}
	op.ref = world_payload(w, INNER, longest, len);
	assert_int_equal(wset_add(&s->ws, &op), 0);
}

static void
stored_is_long(struct world *w, const char *key, size_t len)
{
	struct envelope e;

	assert_int_equal(envelope_open(world_stored(w, slice_str(key)), &e), 0);
	assert_in_range(e.state.len, len, len + 16);
	assert_memory_equal(e.state.p, longest, len);
}

/* A long value is in the store when that is answered, and nowhere else; where the asker has none,
 * that is its error alone. */
static void
long_values_go_to_the_store(void **state)
{
	static const size_t lens[] = { 60000, 59999, sizeof(longest), 300000, 299999, 5000 };
	static struct set s;
	struct world *w = make(1);
	struct wset_op op = { .kind = WSET_PUT, .key = slice_str("a"), .by_ref = true };

	(void)state;
	for (uint32_t i = 0; i < ARRAY_CNT(lens); i++) { /* into nothing, and over another */
		set_begin(&s);
		add_long(w, &s, "a", lens[i]);
		publish(w, &s, 5);
		assert_int_equal(over(w, 5), 0);
		assert_int_equal(s.word[0].changed, 1);
		assert_true(!is_here(w, "a"));
		stored_is_long(w, "a", lens[i]);
		assert_int_equal(cache_core_stats(w->core).fetched, 0);
		assert_int_equal(cache_core_stats(w->core).used_bytes, 0);
	}
	for (uint32_t own = 0; own < 2; own++) { /* by its address */
		op.ref = payload_ref_own(longest, sizeof(longest) - own);
		set_begin(&s);
		assert_int_equal(wset_add(&s.ws, &op), 0);
		publish(w, &s, 5);
		assert_int_equal(over(w, 5), 0);
		stored_is_long(w, "a", sizeof(longest) - own);
	}
	op.ref = (struct payload_ref){ .handle = 1000 };
	for (op.ref.len = 60000; op.ref.len <= 600000; op.ref.len *= 10) {
		set_begin(&s);
		assert_int_equal(wset_add(&s.ws, &op), 0);
		add(&s, WSET_PUT, "b", "1", 0);
		publish(w, &s, 5);
		assert_int_equal(over(w, 5), MB_ERR_INVALID);
		assert_int_equal(s.word[0].err, MB_ERR_INVALID);
		assert_int_equal(s.word[1].err, 0);
	}
	stored_is_long(w, "a", sizeof(longest) - 1);
	world_end(w);
}

/* Who asks for a key whose long value is on its way there, or writes to it, comes behind it; others
 * do not wait. */
static void
a_long_value_is_not_overtaken(void **state)
{
	static struct set s, behind, other;
	struct world *w = make(1);
	struct envelope e;

	(void)state;
	set_begin(&s);
	add_long(w, &s, "a", sizeof(longest));
	publish(w, &s, 5);
	assert_true(world_turn(w)); /* some of it is copied */
	assert_int_equal(world_stored(w, slice_str("a")).len, 0);
	world_fetch(w, OTHER, slice_str("a"), 9);
	set_begin(&behind);
	add(&behind, WSET_PUT, "a", "short", 0);
	publish(w, &behind, 6);
	set_begin(&other);
	add(&other, WSET_PUT, "b", "1", 0);
	publish(w, &other, 7);
	for (uint32_t i = 0; i < 4; i++) {
		assert_true(world_turn(w));
	}
	assert_true(world_answered(w, INNER, 7));
	assert_false(world_answered(w, INNER, 5));
	assert_false(world_answered(w, INNER, 6));
	assert_false(world_answered(w, OTHER, 9));
	while (!world_answered(w, INNER, 5)) {
		assert_true(world_turn(w));
	}
	stored_is_long(w, "a", sizeof(longest));
	assert_int_equal(over(w, 5), 0);
	assert_int_equal(over(w, 6), 0);
	assert_int_equal(over(w, 7), 0);
	assert_int_equal(world_answer(w, OTHER, DESC_FETCHED, 9).sub, CACHE_FOUND_PRESENT);
	assert_string_equal(world_text(w, OTHER, "a"), "short");
	assert_int_equal(envelope_open(world_stored(w, slice_str("a")), &e), 0);
	assert_true(e.state.len < 32);

	/* And in one set: both, in their order. */
	set_begin(&s);
	add_long(w, &s, "c", sizeof(longest));
	add(&s, WSET_PUT, "c", "7", 0);
	add(&s, WSET_INCR, "c", NULL, 1);
	publish(w, &s, 5);
	assert_int_equal(over(w, 5), 0);
	assert_int_equal(s.word[2].n, 8);
	assert_string_equal(world_text(w, OTHER, "c"), "8");
	world_end(w);
}

/* The store has no memory for a long value: who wrote is told, what is there stays, and whoever
 * waited goes on. */
static void
a_long_value_is_refused(void **state)
{
	struct world *w = world_make(&(struct world_cfg){ .kvs_bytes = 1 << 20 });
	static struct set s;

	(void)state;
	world_up_inner(w, INNER);
	world_up(w, OTHER);
	set_begin(&s);
	add(&s, WSET_PUT, "a", "1", 0);
	add_long(w, &s, "a", sizeof(longest));
	publish(w, &s, 5);
	world_fetch(w, OTHER, slice_str("a"), 9);
	assert_int_equal(over(w, 5), MB_ERR_NO_MEMORY);
	assert_int_equal(s.word[1].err, MB_ERR_NO_MEMORY);
	assert_int_equal(world_answer(w, OTHER, DESC_FETCHED, 9).sub, CACHE_FOUND_PRESENT);
	assert_string_equal(world_text(w, OTHER, "a"), "1");
	world_end(w);
}

/* One message to the store for all of them, and nothing of it stays in the cache. */
static void
done_in_the_store(void **state)
{
	struct world *w = make(1);
	static struct set s;

	(void)state;
	set_begin(&s);
	add(&s, WSET_PUT, "a", "41", 0);
	add(&s, WSET_INCR, "a", NULL, 1);
	add(&s, WSET_SADD, "s", "m", 0);
	add(&s, WSET_SADD, "s", "m", 0);
	add(&s, WSET_PUSH_LEFT, "l", "x", 0);
	add(&s, WSET_INCR, "s", NULL, 1);
	publish(w, &s, 5);
	cache_core_poll(w->core);
	assert_int_equal(w->to_kvs[0].cnt, 1);
	assert_int_equal(over(w, 5), MB_ERR_TYPE);
	assert_int_equal(cache_core_stats(w->core).passed, 6);
	assert_int_equal(cache_core_stats(w->core).key_cnt, 0);
	assert_true(!is_here(w, "a") && !is_here(w, "s"));
	assert_int_equal(s.word[1].n, 42);
	assert_true(s.word[2].changed && s.word[2].n == 1);
	assert_int_equal(s.word[3].n, 0);
	assert_int_equal(s.word[4].n, 1);
	assert_int_equal(s.word[5].err, MB_ERR_TYPE);
	assert_int_equal(s.word[5].not_number, 0);
	assert_string_equal(world_text(w, OTHER, "a"), "42");
	world_end(w);
}

/* So is what a client writes that is a tile of this daemon, from where it lies. Not what it may not
 * write; and what others read is done where they read it. */
static void
of_a_client_that_passes_on(void **state)
{
	struct world *w = make(1);
	static struct set s;

	(void)state;
	world_up_own(w, OWN);
	set_begin(&s);
	add(&s, WSET_PUT, "a", "41", 0);
	add(&s, WSET_INCR, "a", NULL, 1);
	add(&s, WSET_INCR, KEY_SYSTEM "a", NULL, 1);
	add(&s, WSET_SADD, "a", "m", 0);
	world_publish(w, OWN, 0, wset_bytes(&s.ws), 5);
	assert_int_equal(cache_core_stats(w->core).used_bytes, 0);
	assert_int_equal(over_of(w, OWN, 5), MB_ERR_DENIED);
	assert_int_equal(cache_core_stats(w->core).passed, 3);
	assert_true(!is_here(w, "a"));
	assert_string_equal(world_text(w, OTHER, "a"), "42");

	set_begin(&s);
	add(&s, WSET_INCR, "a", NULL, 1);
	world_publish(w, OWN, 0, wset_bytes(&s.ws), 6);
	assert_int_equal(over_of(w, OWN, 6), 0);
	assert_int_equal(cache_core_stats(w->core).passed, 3);
	assert_string_equal(world_text(w, OTHER, "a"), "43");
	world_end(w);
}

/* Somebody asks for the key while the act is not even sent: he sees what it did. */
static void
a_fetch_comes_behind(void **state)
{
	struct world *w = make(1);
	static struct set s;

	(void)state;
	set_begin(&s);
	add(&s, WSET_PUT, "a", "new", 0);
	publish(w, &s, 5);
	assert_int_equal(w->to_kvs[0].cnt, 0);
	world_fetch(w, OTHER, slice_str("a"), 9);
	assert_int_equal(w->to_kvs[0].cnt, 2); /* the act, and then the question */
	world_settle(w);
	assert_int_equal(world_answer(w, OTHER, DESC_FETCHED, 9).sub, CACHE_FOUND_PRESENT);
	assert_string_equal(world_text(w, OTHER, "a"), "new");
	assert_int_equal(over(w, 5), 0);
	world_end(w);
}

/* A key that is here, or on its way, is written here: whoever reads it sees each write. Also one
 * whose absence was noted. */
static void
what_is_here_is_done_here(void **state)
{
	struct world *w = make(1);
	static struct set s;

	(void)state;
	assert_string_equal(world_text(w, OTHER, "absent"), "");
	assert_int_equal(world_put(w, OTHER, "here", slice_str("1")), 0);
	world_fetch(w, OTHER, slice_str("coming"), 9);
	set_begin(&s);
	add(&s, WSET_INCR, "absent", NULL, 1);
	add(&s, WSET_INCR, "here", NULL, 1);
	add(&s, WSET_INCR, "coming", NULL, 1);
	publish(w, &s, 5);
	assert_int_equal(over(w, 5), 0);
	world_answer(w, OTHER, DESC_FETCHED, 9);
	assert_int_equal(cache_core_stats(w->core).passed, 0);
	assert_true(is_here(w, "absent") && is_here(w, "here") && is_here(w, "coming"));
	assert_string_equal(world_text(w, OTHER, "absent"), "1");
	assert_string_equal(world_text(w, OTHER, "here"), "2");
	assert_string_equal(world_text(w, OTHER, "coming"), "1");
	world_end(w);
}

/* What belongs together, or depends on a version, or is a stranger's, is not passed on. */
static void
what_must_be_done_here(void **state)
{
	struct world *w = make(1);
	static struct set s;

	(void)state;
	set_begin(&s);
	add(&s, WSET_PUT, "a", "x", 0);
	add(&s, WSET_PUT, "a", "y", 0);
	s.word[1].if_before = 1;
	add(&s, WSET_PUT, "b", "x", 0);
	s.word[2].if_version = 12345;
	add(&s, WSET_DEL, "c", NULL, 0);
	publish(w, &s, 5);
	assert_int_equal(over(w, 5), MB_ERR_TRYAGAIN);
	assert_int_equal(s.word[2].err, MB_ERR_TRYAGAIN);
	assert_int_equal(world_put(w, OTHER, "d", slice_str("1")), 0);
	assert_int_equal(cache_core_stats(w->core).passed, 0);
	assert_string_equal(world_text(w, OTHER, "a"), "y");
	world_end(w);
}

/* More than all lists hold: the rest waits, and is done. */
static void
more_than_there_is_room_for(void **state)
{
	struct world *w = make(1);
	static struct set s[40];
	char key[32];

	(void)state;
	for (uint32_t i = 0; i < 40; i++) {
		set_begin(&s[i]);
		for (uint32_t k = 0; k < OPS; k++) {
			(void)snprintf(key, sizeof(key), "k%u", k);
			add(&s[i], WSET_INCR, key, NULL, 1);
		}
		publish(w, &s[i], 100 + i);
		if (i % 2 == 0) { /* a list with only a few in it */
			cache_core_poll(w->core);
		}
	}
	for (uint32_t i = 0; i < 40; i++) {
		assert_int_equal(over(w, 100 + i), 0);
	}
	assert_int_equal(cache_core_stats(w->core).passed, 40 * OPS);
	assert_string_equal(world_text(w, OTHER, "k3"), "40");
	world_end(w);
}

/* The store has no memory: the operation says so, nothing else happens. */
static void
the_store_is_full(void **state)
{
	struct world *w = world_make(&(struct world_cfg){ .kvs_bytes = KVS_SHARD_BYTES_MIN });
	static struct set s;
	static char value[3000];
	char key[32];
	int err = 0;

	(void)state;
	world_up_inner(w, INNER);
	world_up(w, OTHER);
	memset(value, 'v', sizeof(value) - 1);
	for (uint32_t i = 0; err == 0; i++) {
		assert_true(i < 10000);
		set_begin(&s);
		(void)snprintf(key, sizeof(key), "k%u", i);
		add(&s, WSET_PUT, key, value, 0);
		publish(w, &s, 5);
		err = over(w, 5);
	}
	assert_int_equal(err, MB_ERR_NO_MEMORY);
	assert_int_equal(s.word[0].err, MB_ERR_NO_MEMORY);
	assert_string_equal(world_text(w, OTHER, key), "");
	world_end(w);
}

/* A set grows in the store beyond what the cache has memory for: it is made smaller there, and
 * deleted there. */
static void
what_the_cache_has_no_room_for(void **state)
{
	struct world *w = world_make(&(struct world_cfg){ .heap_bytes = 1 << 20 });
	const uint32_t cnt = 100000;
	struct slice key = slice_str("set");
	static struct set s;
	struct envelope e;

	(void)state;
	world_up_inner(w, INNER);
	assert_int_equal(world_fill(w, key, LATTICE_ORSET, 0, cnt), 0);
	for (uint32_t i = 0; i < cnt; i += i < 100 ? 1 : cnt / 100) {
		uint64_t member = htobe64(i);
		struct wset_op op = { .kind = WSET_SREM, .key = key };

		op.value = slice_of(&member, sizeof(member));
		set_begin(&s);
		assert_int_equal(wset_add(&s.ws, &op), 0);
		op.must = true; /* once more: it is not there */
		assert_int_equal(wset_add(&s.ws, &op), 0);
		publish(w, &s, 5);
		assert_int_equal(over(w, 5), MB_ERR_NOT_FOUND);
		assert_int_equal(s.word[0].err, 0);
		assert_true(s.word[0].changed);
		assert_int_equal(s.word[1].err, MB_ERR_NOT_FOUND);
	}
	assert_false(is_here(w, "set"));
	set_begin(&s);
	add(&s, WSET_DEL, "set", NULL, 0);
	add(&s, WSET_SADD, "set", "x", 0);
	publish(w, &s, 6);
	assert_int_equal(over(w, 6), 0);
	assert_int_equal(envelope_open(world_stored(w, key), &e), 0);
	assert_int_equal(e.type, LATTICE_ORSET);
	assert_int_equal(cache_core_stats(w->core).razed, 1);
	world_end(w);
}

/* Counters from both sides, through a cache that evicts, read now and then: no increment is lost or
 * counted twice, and each word shows the sum at its time. */
static void
sums(uint32_t kvs_cnt, uint64_t seed)
{
	/* So small that a tenth of the keys is here. */
	struct world *w = world_make(&(struct world_cfg){ .kvs_cnt = kvs_cnt, .keys_max = 1024 });
	static struct set s;
	int64_t sum[KEYS] = { 0 }, at[OPS];
	uint32_t key_of[OPS], passed_cnt, read;
	struct rng r;
	char key[32], text[32];

	rng_init(&r, seed);
	world_up_inner(w, INNER);
	world_up(w, OTHER);
	for (uint32_t round = 0; round < ROUNDS; round++) {
		set_begin(&s);
		for (uint32_t i = 0; i < OPS; i++) {
			key_of[i] = (uint32_t)rng_below(&r, KEYS);
			(void)snprintf(key, sizeof(key), "k%u", key_of[i]);
			add(&s, WSET_INCR, key, NULL, (int64_t)i + 1);
			sum[key_of[i]] += (int64_t)i + 1;
			at[i] = sum[key_of[i]];
		}
		publish(w, &s, 5);
		read = (uint32_t)rng_below(&r, KEYS);
		(void)snprintf(key, sizeof(key), "k%u", read);
		if (rng_below(&r, 4) == 0) { /* it is here from now on, until others push it out */
			(void)world_text(w, OTHER, key);
		}
		assert_int_equal(over(w, 5), 0);
		for (uint32_t i = 0; i < OPS; i++) {
			assert_int_equal(s.word[i].n, at[i]);
		}
		if (rng_below(&r, 8) == 0) {
			assert_int_equal(world_incr(w, OTHER, key, 1), 0);
			sum[read]++;
		}
		for (uint32_t i = 0; i < 4; i++) { /* what pushes out */
			(void)snprintf(key, sizeof(key), "x%u", (uint32_t)rng_below(&r, 4000));
			(void)world_text(w, OTHER, key);
		}
	}
	passed_cnt = (uint32_t)cache_core_stats(w->core).passed;
	assert_in_range(passed_cnt, ROUNDS, ROUNDS * OPS - ROUNDS);
	assert_true(cache_core_stats(w->core).evicted > 0);
	for (uint32_t k = 0; k < KEYS; k++) {
		(void)snprintf(key, sizeof(key), "k%u", k);
		(void)snprintf(text, sizeof(text), "%lld", (long long)sum[k]);
		assert_string_equal(world_text(w, OTHER, key), text);
	}
	world_end(w);
}

static void
no_increment_is_lost(void **state)
{
	(void)state;
	sums(1, 11);
	sums(3, 12);
}

/* A set that is longer than the cache can be given a deadline and deleted, by whoever wants it;
 * nothing is evicted for that, and of the store's memory nothing is kept. */
static void
longer_than_the_cache(void **state)
{
	enum { CNT = 200000 };
	struct world *w = world_make(&(struct world_cfg){ .heap_bytes = 2 << 20 });
	static const char *const keys[] = { "none", "set", "another" };
	static struct set s;
	struct desc d;

	(void)state;
	world_up_inner(w, INNER);
	world_up(w, OTHER);
	assert_int_equal(world_put(w, OTHER, "stays", slice_str("1")), 0);
	for (uint16_t proc = INNER; proc <= OTHER; proc++) {
		struct slice key = slice_str(keys[proc]);
		struct wset_op end = { .kind = WSET_EXPIRE, .key = key, .n = INT64_C(1) << 51 };

		assert_int_equal(world_fill(w, key, LATTICE_ORSET, 0, CNT), 0);
		assert_int_equal(world_do(w, proc, &end), 0);
		world_fetch(w, proc, key, 9);
		world_settle(w);
		d = world_answer(w, proc, DESC_FETCHED, 9);
		assert_int_equal(d.err, MB_ERR_TOO_LARGE);
		if (proc == OTHER) {
			assert_int_equal(world_del(w, OTHER, keys[proc]), 0);
		} else {
			set_begin(&s);
			add(&s, WSET_DEL, keys[proc], NULL, 0);
			add(&s, WSET_DEL, keys[proc], NULL, 0);
			publish(w, &s, 5);
			assert_int_equal(over(w, 5), 0);
			assert_int_equal(s.word[0].changed, 1);
			assert_int_equal(s.word[1].changed, 0);
		}
		assert_int_equal(cache_core_stats(w->core).razed, proc);
		assert_string_equal(world_text(w, OTHER, keys[proc]), "");
		assert_true(is_here(w, "stays"));
		assert_int_equal(world_del(w, OTHER, keys[proc]), 0);
	}
	while (kvs_shard_sweep(w->shard[0])) {
	}
	assert_true(kvs_shard_used_bytes(w->shard[0]) < 1 << 20);
	world_end(w);
}

/* Two who want to delete it at once, and one who asks: each is answered. A string is not razed:
 * what was not seen of it stays. */
static void
several_at_one(void **state)
{
	struct world *w = world_make(&(struct world_cfg){ .heap_bytes = 2 << 20 });
	static const char *const texts[] = { "text", "other text" };
	static struct set s, t;
	static uint8_t del_mem[256];
	struct wset_op del = { .kind = WSET_DEL, .key = slice_str("set") };
	struct wset ws;
	int err;

	(void)state;
	world_up_inner(w, INNER);
	world_up(w, OTHER);
	assert_int_equal(world_fill(w, slice_str("set"), LATTICE_ORSET, 0, 200000), 0);
	set_begin(&s);
	add(&s, WSET_DEL, "set", NULL, 0);
	publish(w, &s, 5);
	world_fetch(w, OTHER, slice_str("set"), 9);
	wset_init(&ws, del_mem, sizeof(del_mem));
	assert_int_equal(wset_add(&ws, &del), 0);
	world_publish(w, OTHER, 7, wset_bytes(&ws), 7);
	assert_int_equal(over(w, 5), 0);
	assert_int_equal(over_of(w, OTHER, 7), 0);
	err = world_answer(w, OTHER, DESC_FETCHED, 9).err;
	assert_true(err == 0 || err == MB_ERR_TOO_LARGE);
	assert_string_equal(world_text(w, OTHER, "set"), "");

	set_begin(&t); /* a string: longer, too */
	for (uint32_t i = 0; i < 2; i++) {
		struct wset_op put = { .kind = WSET_PUT,
				       .key = slice_str(texts[i]),
				       .by_ref = true };
		static char text[3 << 20];

		memset(text, 't', sizeof(text));
		put.ref = world_payload(w, INNER, text, sizeof(text));
		set_begin(&t);
		assert_int_equal(wset_add(&t.ws, &put), 0);
		publish(w, &t, 5);
		assert_int_equal(over(w, 5), 0);
		assert_int_equal(world_del(w, i == 0 ? INNER : OTHER, texts[i]), 0);
		assert_string_equal(world_text(w, OTHER, texts[i]), "");
		assert_true(world_stored(w, slice_str(texts[i])).len < 1000);
	}
	assert_int_equal(cache_core_stats(w->core).razed, 1); /* the set; no string */
	world_end(w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(done_in_the_store),
		cmocka_unit_test(long_values_go_to_the_store),
		cmocka_unit_test(a_long_value_is_not_overtaken),
		cmocka_unit_test(a_long_value_is_refused),
		cmocka_unit_test(of_a_client_that_passes_on),
		cmocka_unit_test(a_fetch_comes_behind),
		cmocka_unit_test(what_is_here_is_done_here),
		cmocka_unit_test(what_must_be_done_here),
		cmocka_unit_test(more_than_there_is_room_for),
		cmocka_unit_test(the_store_is_full),
		cmocka_unit_test(what_the_cache_has_no_room_for),
		cmocka_unit_test(longer_than_the_cache),
		cmocka_unit_test(several_at_one),
		cmocka_unit_test(no_increment_is_lost),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
