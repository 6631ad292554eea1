/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   of a key one delta is under way at a time, later ones go together; what the store refuses
 *         is an error to exactly those whose writes it was, and is not seen any more; blocks under
 * way stay. Method: a cache_world whose kvs tile is moved by hand, with shards so small that they
 * fill up.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cache_world.h"
#include "envelope.h"
#include "gset.h"
#include "microburst/error.h"
#include "test_cmocka.h"

#define P 1

/* Publishes one operation without moving anything. Its set is small enough to be inline. */
static void
publish(struct world *w, const struct wset_op *op, uint64_t b)
{
	uint8_t mem[64];
	struct wset ws;

	wset_init(&ws, mem, sizeof(mem));
	assert_int_equal(wset_add(&ws, op), 0);
	assert_true(ws.out.len <= DESC_INLINE_BYTES);
	world_publish(w, P, b, wset_bytes(&ws), b);
}

static void
publish_incr(struct world *w, const char *key, uint64_t b)
{
	publish(w, &(struct wset_op){ .kind = WSET_INCR, .key = slice_str(key), .n = 1 }, b);
}

/* Fills the store with keys of no interest: long values, shorter ones, and last many keys of the
 * shape that the tests use, until it refuses them all. */
static void
store_fill(struct world *w)
{
	char key[32], value[3000];
	uint32_t refused_cnt = 0;

	memset(value, 'f', sizeof(value));
	for (size_t len = sizeof(value); len > 0; len /= 2) {
		int err = 0;

		for (uint32_t i = 0; err == 0; i++) {
			snprintf(key, sizeof(key), "fill-%zu-%u", len, i);
			err = world_put(w, P, key, slice_of(value, len));
		}
		assert_int_equal(err, MB_ERR_NO_MEMORY);
	}
	for (uint32_t i = 0; refused_cnt < 500; i++) {
		assert_true(i < 10000);
		snprintf(key, sizeof(key), "%03x", i);
		refused_cnt += world_incr(w, P, key, 1) == MB_ERR_NO_MEMORY;
	}
}

static void
refused(void **state)
{
	struct world *w =
		world_make(&(struct world_cfg){ .kvs_bytes = 1 << 20, .keys_max = 65536 });
	struct cache_value v;

	(void)state;
	world_up(w, P);
	assert_int_equal(world_incr(w, P, "old", 5), 0);
	store_fill(w);
	/* A new key: refused, and not there afterwards. */
	assert_int_equal(world_incr(w, P, "new", 1), MB_ERR_NO_MEMORY);
	assert_string_equal(world_text(w, P, "new"), "");
	/* What fits where it lies goes on. */
	assert_int_equal(world_incr(w, P, "old", 1), 0);
	assert_string_equal(world_text(w, P, "old"), "6");
	/* A value that grows: refused, and what the store has is what is read. */
	assert_int_equal(world_put(w, P, "old",
				   slice_str("a much longer value than before, of "
					     "some two hundred bytes: ............."
					     "....................................."
					     ".....................................")),
			 MB_ERR_NO_MEMORY);
	assert_string_equal(world_text(w, P, "old"), "6");
	assert_int_equal(world_get(w, P, slice_str("old"), &v), CACHE_HIT);
	assert_true(slice_eq(world_stored(w, slice_str("old")), v.envelope));
	cache_view_release(&w->proc[P].view, &v);
	assert_true(cache_core_stats(w->core).flush_refused >= 2);
	world_end(w);
}

/* Everything added since the refused delta was made fails with it: the counter of a writer says its
 * whole sum, so a later delta would bring the refused increment along. */
static void
refused_with_followers(void **state)
{
	struct world *w =
		world_make(&(struct world_cfg){ .kvs_bytes = 1 << 20, .keys_max = 65536 });

	(void)state;
	world_up(w, P);
	store_fill(w);
	publish_incr(w, "new", 1);
	world_kvs(w, 0, 1); /* GET */
	world_core(w, 0, 1);
	cache_core_poll(w->core);
	publish_incr(w, "new", 2); /* while the first is under way */
	publish_incr(w, "new", 3);
	world_settle(w);
	for (uint64_t b = 1; b <= 3; b++) {
		assert_int_equal(world_answer(w, P, DESC_PUBLISHED, b).err, MB_ERR_NO_MEMORY);
	}
	assert_string_equal(world_text(w, P, "new"), "");
	assert_int_equal(world_stored(w, slice_str("new")).len, 0);
	world_end(w);
}

/* One at a time; those that come meanwhile go together, and are acknowledged together. */
static void
one_under_way(void **state)
{
	struct world *w = world_make(&(struct world_cfg){ 0 });
	uint64_t flushed;

	(void)state;
	world_up(w, P);
	assert_int_equal(world_incr(w, P, "k", 1), 0);
	flushed = cache_core_stats(w->core).flushed;
	for (uint64_t b = 1; b <= 10; b++) {
		publish_incr(w, "k", b);
	}
	assert_int_equal(w->to_kvs[0].cnt, 1);
	assert_string_equal(world_text(w, P, "k"), "11");
	world_kvs(w, 0, 1);
	world_core(w, 0, 1);
	assert_int_equal(world_answer(w, P, DESC_PUBLISHED, 1).err, 0);
	assert_false(world_answered(w, P, 2));
	assert_int_equal(w->to_kvs[0].cnt, 1);
	world_kvs(w, 0, 1);
	world_core(w, 0, 1);
	for (uint64_t b = 2; b <= 10; b++) {
		assert_int_equal(world_answer(w, P, DESC_PUBLISHED, b).err, 0);
	}
	assert_int_equal(cache_core_stats(w->core).flushed, flushed + 2);
	assert_int_equal(cache_core_stats(w->core).flush_joined, 8);
	world_end(w);
}

/* An operation that changes nothing waits for what it relies on, or for nothing. */
static void
nothing_new(void **state)
{
	struct world *w = world_make(&(struct world_cfg){ 0 });
	struct wset_op op = { .kind = WSET_SADD, .key = slice_str("s"), .value = slice_str("m") };

	(void)state;
	world_up(w, P);
	publish(w, &op, 1);
	world_kvs(w, 0, 1);
	world_core(w, 0, 1);
	cache_core_poll(w->core);
	op.kind = WSET_SREM;
	op.value = slice_str("not there");
	publish(w, &op, 2);
	assert_false(world_answered(w, P, 2));
	assert_int_equal(w->to_kvs[0].cnt, 1);
	world_settle(w);
	assert_int_equal(world_answer(w, P, DESC_PUBLISHED, 1).err, 0);
	assert_int_equal(world_answer(w, P, DESC_PUBLISHED, 2).err, 0);
	publish(w, &op, 3);
	assert_int_equal(world_answer(w, P, DESC_PUBLISHED, 3).err, 0);
	assert_int_equal(cache_core_stats(w->core).flushed, 1);
	world_end(w);
}

/* A value that is lent to the store is not touched, though it was overwritten and evicted since. */
static void
lent_block_stays(void **state)
{
	struct world *w = world_make(&(struct world_cfg){ .heap_bytes = 4 << 20 });
	uint8_t *a = malloc(500000), *b = malloc(500000), set[2][64];
	struct wset_op op = { .kind = WSET_PUT, .by_ref = true, .key = slice_str("k") };
	struct payload_ref ref[2];
	struct slice delta;
	struct wset ws;

	(void)state;
	world_up(w, P);
	memset(a, 'a', 500000);
	memset(b, 'b', 500000);
	ref[0] = world_payload(w, P, a, 500000);
	ref[1] = world_payload(w, P, b, 500000);
	for (uint32_t i = 0; i < 2; i++) {
		wset_init(&ws, set[i], sizeof(set[i]));
		op.ref = ref[i];
		assert_int_equal(wset_add(&ws, &op), 0);
		world_publish(w, P, 1, wset_bytes(&ws), i + 1);
		if (i == 0) {
			world_kvs(w, 0, 1); /* GET */
			world_core(w, 0, 1);
		}
		for (uint32_t j = 0; j < 20; j++) {
			cache_core_poll(w->core);
		}
	}
	/* The first is still at the kvs tile's door. */
	assert_int_equal(w->to_kvs[0].cnt, 1);
	delta = kvs_msg_delta(&w->to_kvs[0].d[w->to_kvs[0].head]);
	assert_int_equal(delta.p[0], 'a');
	assert_int_equal(delta.p[499999], 'a');
	world_settle(w);
	assert_int_equal(world_answer(w, P, DESC_PUBLISHED, 1).err, 0);
	assert_int_equal(world_answer(w, P, DESC_PUBLISHED, 2).err, 0);
	assert_int_equal(world_stored(w, slice_str("k")).p[0], 'b');
	world_unpayload(w, &ref[0]);
	world_unpayload(w, &ref[1]);
	memset(w->payload, 0, sizeof(w->payload));
	free(a);
	free(b);
	world_end(w);
}

/* What is sent for an addition to a large set is the addition. */
static void
deltas_are_small(void **state)
{
	struct world *w = world_make(&(struct world_cfg){ 0 });
	struct wset_op op = { .kind = WSET_SADD, .key = slice_str("s"), .value = slice_str("x") };
	char member[24];

	(void)state;
	world_up(w, P);
	for (uint32_t i = 0; i < 500; i++) {
		snprintf(member, sizeof(member), "member-%u", i);
		assert_int_equal(world_sadd(w, P, "s", member), 0);
	}
	publish(w, &op, 1);
	assert_int_equal(w->to_kvs[0].cnt, 1);
	assert_true(kvs_msg_delta(&w->to_kvs[0].d[w->to_kvs[0].head]).len < 60);
	world_settle(w);
	assert_int_equal(world_answer(w, P, DESC_PUBLISHED, 1).err, 0);
	world_end(w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(refused),          cmocka_unit_test(refused_with_followers),
		cmocka_unit_test(one_under_way),    cmocka_unit_test(nothing_new),
		cmocka_unit_test(lent_block_stays), cmocka_unit_test(deltas_are_small),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
