/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   whatever is merged into a copy here, by processes of this cache or by what the store
 *         tells, while memory is short and anything may be evicted: the copy is what the store has,
 *         or gone.
 * Method: a cache_world with sets around the length where they become trees, in a cache that holds
 *         a part of them; a guest who writes past the cache, and a process that does not.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cache_world.h"
#include "compiler.h"
#include "delta.h"
#include "lww.h"
#include "microburst/error.h"
#include "rng.h"
#include "test_cmocka.h"
#include "test_seed.h"
#include "treeval.h"
#include "view.h"

#define P       1
#define SET_CNT 100

static struct slice
name_of(char buf[32], const char *what, uint64_t n)
{
	return slice_of(buf, (size_t)snprintf(buf, 32, "%s-%08llu", what, (unsigned long long)n));
}

/* One set: its copy, if there is one, is the store's; and it is never shown damaged. */
static void
set_check(struct world *w, struct slice key, uint32_t *ret_trees)
{
	struct cache_value v;

	if (cache_view_get(&w->proc[P].view, key, &v) == CACHE_HIT) {
		assert_true(treeval_equal(v.envelope, world_stored(w, key)));
		*ret_trees += slice_is_tree(v.envelope);
		cache_view_release(&w->proc[P].view, &v);
	}
}

static void
both_sides_write(void **state)
{
	struct world *w = world_make(&(struct world_cfg){ .heap_bytes = 2 << 20 });
	struct cache_stats stats;
	uint32_t trees = 0;
	uint8_t mem[256];
	char key[32], member[32];
	struct rng rng;

	(void)state;
	rng_init(&rng, test_seed("cache_merge both_sides_write"));
	world_up(w, P);
	for (uint32_t step = 0; step < 40000; step++) {
		/* Some are short, some long: the sets differ in how many members they can have. */
		uint32_t set = (uint32_t)rng_below(&rng, SET_CNT);
		struct slice k = name_of(key, "set", set);
		struct slice m = name_of(member, "member", rng_below(&rng, 40 + 40 * set));
		struct wset_op add = { .kind = WSET_SADD, .key = k, .value = m };

		if (rng_below(&rng, 10) == 0) { /* others, that want room */
			struct slice other = name_of(member, "other", rng_below(&rng, 1000));

			member[other.len] = 0;
			assert_int_equal(world_put(w, P, member, slice_of(w->region, 4000)), 0);
		} else if (rng_below(&rng, 2) == 0) {
			struct hlc_time now = hlc_time_of_us(timebase_wall_us(&w->time.tb));
			struct wbuf delta = wbuf_init(mem, sizeof(mem));

			/* The same operation, by another writer. */
			assert_int_equal(delta_make(slice_of(NULL, 0), &add, hlc_moment_of(now),
						    (struct writer_id){ 77 }, &delta),
					 0);
			assert_int_equal(world_guest(w, k, wbuf_slice(&delta)), 0);
		} else {
			assert_int_equal(world_do(w, P, &add), 0);
		}
		world_settle(w);
		set_check(w, k, &trees);
		if (step % 4000 == 0) {
			cache_core_check(w->core);
		}
	}
	stats = cache_core_stats(w->core);
	print_message("%u trees seen, %llu changes told, %llu copies given up, %llu evicted\n",
		      trees, (unsigned long long)stats.told_changed,
		      (unsigned long long)stats.told_dropped, (unsigned long long)stats.evicted);
	assert_true(trees > 10000);
	assert_true(stats.told_changed > 1000);
	assert_true(stats.evicted > 1000);
	world_end(w);
}

/* ----------------------------------------------------------------- what is merged into is kept */

#define FILLER_CNT 300
#define HEAP_BYTES ((uint64_t)2 << 20)

/* So that nothing is left for a node of a tree, in whatever the heap keeps for its sizes. */
static const uint32_t filler_len[] = { 16000, 3900, 3400, 2900, 2400, 1950, 1700, 1400,
				       1150,  950,  800,  700,  560,  450,  400,  340 };

/* A PUT that is copied, shown and on its way to the store, which does not hear of it: it is kept.
 * Returns: whether there was room at once. */
static bool
fill(struct world *w, uint32_t i, uint32_t len)
{
	static uint8_t mem[1024], value[16000];
	uint32_t sent = w->to_kvs[0].cnt;
	char key[32];
	struct wset_op op = { .kind = WSET_PUT, .key = name_of(key, "filler", i), .by_ref = true };
	struct wset ws;

	op.ref = world_payload(w, P, value, len);
	wset_init(&ws, mem, sizeof(mem));
	assert_int_equal(wset_add(&ws, &op), 0);
	while (cache_core_poll(w->core)) { /* what trees have to give back */
	}
	world_publish(w, P, 1, wset_bytes(&ws), i);
	if (w->to_kvs[0].cnt == sent) {
		return false;
	}
	memset(w->payload, 0, sizeof(w->payload));
	return true;
}

/* Fills a cache up with so many fillers of each length, and then with those of length `last` until
 * there is no room. Returns: how many these were. */
static uint32_t
fill_all(struct world *w, const uint32_t cnt[], uint32_t last)
{
	uint32_t at = 0, first;

	for (uint32_t i = 0; i < last; i++) {
		for (uint32_t n = 0; n < cnt[i]; n++) {
			assert_true(fill(w, at++, filler_len[i]));
		}
	}
	if (last == ARRAY_CNT(filler_len)) {
		return 0;
	}
	for (first = at; fill(w, at, filler_len[last]); at++) {
		assert_true(at < FILLER_CNT - 1);
	}
	return at - first;
}

#define SET_NAME "set"

static struct world *
full_world(void)
{
	struct world *w = world_make(
		&(struct world_cfg){ .heap_bytes = HEAP_BYTES, .keys_max = CACHE_ENTRY_MIN });
	struct wset_op add = { .kind = WSET_SADD, .key = slice_str(SET_NAME) };
	uint8_t mem[256];
	struct wbuf delta = wbuf_init(mem, sizeof(mem));
	char buf[32];

	world_up(w, P);
	for (uint32_t i = 0; i < FILLER_CNT; i++) {
		name_of(buf, "filler", i);
		assert_int_equal(world_put(w, P, buf, slice_str("x")), 0);
	}
	for (uint32_t i = 0; i < 500; i++) {
		add.value = name_of(buf, "member", i);
		assert_int_equal(world_do(w, P, &add), 0);
	}
	add.value = slice_str("one more");
	assert_int_equal(delta_make(slice_of(NULL, 0), &add,
				    hlc_moment_of(hlc_time_of_us(1700000000000000)),
				    (struct writer_id){ 77 }, &delta),
			 0);
	assert_int_equal(world_guest(w, add.key, wbuf_slice(&delta)),
			 0); /* the cache is not told */
	return w;
}

static void
full_world_end(struct world *w)
{
	world_settle(w);
	memset(w->payload, 0, sizeof(w->payload));
	world_end(w);
}

/* The change is told of the one copy that may go, after the hand of the clock has moved on so many
 * times. Returns: whether the copy was there, and had to be given up. */
static bool
told_when_full(const uint32_t cnt[], uint32_t moved)
{
	struct world *w = full_world();
	struct slice set = slice_str(SET_NAME);
	struct cache_stats before, after;
	struct cache_value v;

	fill_all(w, cnt, ARRAY_CNT(filler_len));
	for (uint32_t i = 0; i < moved; i++) { /* no room for this one: eviction begins */
		if (i == 0) {
			assert_false(fill(w, FILLER_CNT - 1, filler_len[0]));
		} else {
			cache_core_poll(w->core);
		}
	}
	before = cache_core_stats(w->core);
	assert_int_equal(world_core(w, 0, 1), 1);
	after = cache_core_stats(w->core);
	assert_int_equal(after.told, before.told + 1);
	/* There is no memory but its own: it is whole, or given up. */
	assert_int_equal(after.told_changed, before.told_changed);
	cache_core_check(w->core);
	world_settle(w);
	memset(w->payload, 0, sizeof(w->payload));
	assert_int_equal(world_get(w, P, set, &v), CACHE_HIT);
	assert_true(treeval_equal(v.envelope, world_stored(w, set)));
	assert_int_equal(view_cnt(v.type, v.state), 501);
	cache_view_release(&w->proc[P].view, &v);
	full_world_end(w);
	return after.told_dropped > before.told_dropped;
}

/* What is merged into is not evicted for the memory that the merge needs: it is the only one that
 * could be, and the hand is just about to take it. */
static void
kept_while_merged(void **state)
{
	uint32_t cnt[ARRAY_CNT(filler_len)], given_up = 0;

	(void)state;
	for (uint32_t i = 0; i < ARRAY_CNT(filler_len); i++) {
		struct world *w = full_world();

		cnt[i] = fill_all(w, cnt, i);
		full_world_end(w);
	}
	for (uint32_t moved = 0; moved < 6; moved++) {
		given_up += told_when_full(cnt, moved);
	}
	assert_true(given_up >= 3);
}

/* -------------------------------------------------------------------------------- long values */

/* Merges a register of len bytes. Returns: the answer; *ret_polls: what it took. */
static int
register_merge(struct world *w, struct slice key, size_t len, uint64_t time, uint32_t *ret_polls)
{
	uint8_t *value = calloc(1, len + LWW_OVERHEAD), mem[256], type = LATTICE_LWW;
	struct wbuf tail = wbuf_init(value + len, LWW_OVERHEAD);
	struct stamp stamp = { .time = { time } };
	struct wset_op op = { .kind = WSET_MERGE,
			      .key = key,
			      .field = slice_of(&type, 1),
			      .by_ref = true };
	struct wset ws;

	assert_int_equal(lww_delta_set(stamp, slice_of(NULL, 0), &tail), 0);
	op.ref = world_payload(w, P, value, len + LWW_OVERHEAD);
	wset_init(&ws, mem, sizeof(mem));
	assert_int_equal(wset_add(&ws, &op), 0);
	world_publish(w, P, 1, wset_bytes(&ws), 1);
	for (*ret_polls = 0; !world_answered(w, P, 1); ++*ret_polls) {
		world_turn(w);
	}
	memset(w->payload, 0, sizeof(w->payload));
	free(value);
	return world_answer(w, P, DESC_PUBLISHED, 1).err;
}

/* A value that wins whole is shown where it was copied to: it takes memory once. One that is too
 * long for what a reader leaves of it is refused before long. */
static void
long_registers(void **state)
{
	struct world *w = world_make(&(struct world_cfg){ .heap_bytes = 4 << 20 });
	struct slice key = slice_str("register"), deleted = slice_str("deleted");
	struct cache_value v;
	uint32_t polls;

	(void)state;
	world_up(w, P);
	assert_int_equal(register_merge(w, key, 1600 << 10, 5, &polls), 0);
	assert_int_equal(world_get(w, P, key, &v), CACHE_HIT);
	assert_int_equal(v.state.len, (1600 << 10) + LWW_OVERHEAD);
	cache_view_release(&w->proc[P].view, &v);
	assert_int_equal(register_merge(w, key, 100000, 4, &polls), 0); /* is before it */
	assert_int_equal(register_merge(w, key, 100, 6, &polls), 0);
	assert_int_equal(world_put(w, P, "deleted", slice_str("x")), 0);
	assert_int_equal(world_del(w, P, "deleted"), 0);
	assert_int_equal(register_merge(w, deleted, 1600 << 10, 5, &polls), 0);
	assert_int_equal(world_del(w, P, "deleted"), 0);
	assert_int_equal(register_merge(w, key, 3 << 20, 7, &polls), 0);
	assert_int_equal(world_get(w, P, key, &v), CACHE_HIT);
	assert_int_equal(v.state.len, (3 << 20) + LWW_OVERHEAD);
	assert_int_equal(register_merge(w, key, 1600 << 10, 8, &polls), MB_ERR_NO_MEMORY);
	print_message("refused after %u turns\n", polls);
	assert_true(polls < 200);
	cache_view_release(&w->proc[P].view, &v);
	world_end(w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_sides_write),
		cmocka_unit_test(kept_while_merged),
		cmocka_unit_test(long_registers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
