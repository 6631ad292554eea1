/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   deleted and expired keys go at all owners, and their memory comes back; not before
 *         everybody agrees; and a write that arrives late is never merged into nothing.
 * Method: a kvs_world; the test is the caches and answers for them.
 */
#include <stdio.h>
#include <string.h>

#include "kvs_value.h"
#include "kvs_world.h"
#include "microburst/error.h"
#include "orset.h"
#include "test_cmocka.h"

#define KEY "some key"

static uint32_t
key_cnt(const struct world *w)
{
	uint32_t cnt = 0;

	for (uint32_t i = 0; i < w->tile_cnt; i++) {
		cnt += (uint32_t)kvs_shard_key_cnt(w->tile[i].shard);
	}
	return cnt;
}

static void
put(struct world *w, const char *key, uint32_t from, struct slice delta)
{
	world_merge(w, world_owner(w, key, 0), from, key, delta, KVS_ACK_ONE);
	w->asker[from].cnt = 0;
}

/* A cache that still has a write of the key under way keeps it; asked again, it agrees. */
static void
a_cache_refuses(void **state)
{
	struct world *w = world_make(2, 2, 1, 2 << 20);
	uint32_t at = world_owner(w, KEY, 0), tile;
	struct desc d;

	(void)state;
	put(w, KEY, 0, world_set(w, 1, "x"));
	put(w, KEY, 0, world_tombstone(w, 2));
	world_move(w, 2 * WORLD_PAUSE_NS);
	assert_true(world_take(w, 0, DESC_KVS_DROP, &d, &tile));
	assert_int_equal(tile, at);
	assert_int_equal(d.sub, KVS_DROP_ASK);
	world_move(w, 5 * WORLD_PAUSE_NS);
	assert_int_equal(key_cnt(w), 2); /* as long as it does not answer */
	world_reply(w, 0, at, &d, MB_ERR_TRYAGAIN);
	world_move(w, 2 * WORLD_PAUSE_NS);
	assert_int_equal(key_cnt(w), 2);
	assert_true(world_take(w, 0, DESC_KVS_DROP, &d, &tile));
	world_reply(w, 0, at, &d, 0);
	world_move(w, WORLD_PERIOD_NS);
	assert_int_equal(key_cnt(w), 0);
	assert_int_equal(w->tile[at].core.drops.stats.kept, 1);
	assert_int_equal(w->tile[at].core.drops.stats.dropped, 1);
	world_end(w);
}

/* What is written or read while everybody is asked stops it. */
static void
something_happens_meanwhile(void **state)
{
	struct world *w = world_make(2, 2, 1, 2 << 20);
	uint32_t at = world_owner(w, KEY, 0), tile;
	struct desc d;

	(void)state;
	put(w, KEY, 0, world_tombstone(w, 2));
	world_move(w, 2 * WORLD_PAUSE_NS);
	assert_true(world_take(w, 0, DESC_KVS_DROP, &d, &tile));
	/* The other owner has agreed: it serves nobody until it hears. */
	world_get(w, 1 - at, 1, KEY);
	assert_true(world_take(w, 1, DESC_KVS_GOT, &d, NULL));
	assert_int_equal(d.err, MB_ERR_MOVED);
	world_merge(w, 1 - at, 1, KEY, world_set(w, 9, "y"), KVS_ACK_ONE);
	assert_true(world_take(w, 1, DESC_KVS_MERGED, &d, NULL));
	assert_int_equal(d.err, MB_ERR_MOVED);
	put(w, KEY, 0, world_set(w, 3, "back"));
	d = (struct desc){ .kind = DESC_KVS_DROP, .sub = KVS_DROP_ASK };
	world_reply(w, 0, at, &d, 0);
	world_move(w, 2 * WORLD_PAUSE_NS);
	for (uint32_t i = 0; i < 2; i++) {
		assert_true(slice_eq(value_text(world_has(w, i, KEY)), slice_str("back")));
	}
	/* A read that comes first makes a copy, which is then asked about. */
	put(w, KEY, 0, world_tombstone(w, 4));
	world_move(w, 2 * WORLD_PAUSE_NS);
	while (!world_take(w, 0, DESC_KVS_DROP, &d, &tile)) {
		world_move(w, WORLD_PAUSE_NS);
	}
	world_reply(w, 0, at, &d, 0);
	world_move(w, WORLD_PAUSE_NS);
	assert_int_equal(key_cnt(w), 0);
	world_end(w);
}

/* An owner that owes somebody a change, or has another value, does not agree. */
static void
an_owner_refuses(void **state)
{
	struct world *w = world_make(2, 2, 0, 2 << 20);
	uint32_t at = world_owner(w, KEY, 0);

	(void)state;
	put(w, KEY, 0, world_tombstone(w, 2));
	world_move(w, WORLD_PERIOD_NS);
	/* A write at the other owner, which the primary has not heard of when it asks. */
	w->time.now_ns += WORLD_PAUSE_NS;
	kvs_core_poll(&w->tile[at].core, w->time.now_ns);
	assert_int_equal(w->tile[at].core.drops.busy_cnt, 1);
	world_merge(w, 1 - at, 0, KEY, world_set(w, 3, "late"), KVS_ACK_ONE);
	world_move(w, 3 * WORLD_PAUSE_NS);
	for (uint32_t i = 0; i < 2; i++) {
		assert_true(slice_eq(value_text(world_has(w, i, KEY)), slice_str("late")));
	}
	assert_int_equal(w->tile[at].core.drops.stats.kept, 1);
	w->asker[0].cnt = 0;
	world_end(w);
}

static struct slice
expiring(struct world *w, uint64_t time, uint64_t deadline_us)
{
	struct envelope e;
	size_t start;

	assert_int_equal(envelope_open(world_set(w, time, "x"), &e), 0);
	e.expiry = (struct expiry){ { { time }, { 1 } }, hlc_time_of_us(deadline_us) };
	start = w->values.len;
	assert_int_equal(envelope_write(&e, &w->values), 0);
	return slice_of(w->values.p + start, w->values.len - start);
}

static void
expired_keys_go(void **state)
{
	struct world *w = world_make(3, 2, 0, 2 << 20);
	uint64_t wall_us = timebase_wall_us(&w->time.tb);
	char key[16];

	(void)state;
	for (uint32_t i = 0; i < 1000; i++) {
		snprintf(key, sizeof(key), "key %u", i);
		put(w, key, 0, expiring(w, 1, wall_us + (i % 2 == 0 ? 1 : 1000) * 1000000));
	}
	world_move(w, 100 * NS_PER_MS);
	assert_int_equal(key_cnt(w), 2000);
	world_move(w, NS_PER_S + 2 * WORLD_PAUSE_NS);
	assert_int_equal(key_cnt(w), 1000);
	/* In between nothing runs: the next look is when the next ones expire. */
	for (uint32_t i = 0; i < 3; i++) {
		assert_true(kvs_core_timer(&w->tile[i].core) > w->time.now_ns + 900 * NS_PER_S);
	}
	world_end(w);
}

/* Memory: as many keys come and go as would fill the shard many times over. */
static void
memory_comes_back(void **state)
{
	struct world *w = world_make(1, 1, 0, 2 << 20);
	struct slice v = world_set(w, 1, "some value of some length"), gone = world_tombstone(w, 2);
	size_t used = 0;
	char key[16];

	(void)state;
	for (uint32_t round = 0; round < 50; round++) {
		for (uint32_t i = 0; i < 2000; i++) {
			snprintf(key, sizeof(key), "%u/%u", round, i);
			put(w, key, 0, v);
			put(w, key, 0, gone);
		}
		world_move(w, 5 * WORLD_PAUSE_NS);
		assert_int_equal(key_cnt(w), 0);
		assert_true(round < 2 || kvs_shard_used_bytes(w->tile[0].shard) <= used);
		used = kvs_shard_used_bytes(w->tile[0].shard);
	}
	assert_int_equal(w->tile[0].core.drops.stats.dropped, 100000);
	assert_true(kvs_core_timer(&w->tile[0].core) == UINT64_MAX);
	world_end(w);
}

/* After it is gone a key begins anew, everywhere alike: first writes at two owners merge. */
static void
a_new_life(void **state)
{
	struct world *w = world_make(3, 3, 0, 2 << 20);

	(void)state;
	put(w, KEY, 0, world_tombstone(w, 7));
	world_move(w, 3 * WORLD_PAUSE_NS);
	assert_int_equal(key_cnt(w), 0);
	world_merge(w, 0, 0, KEY, world_member(w, "a"), KVS_ACK_ONE);
	world_merge(w, 1, 0, KEY, world_member(w, "b"), KVS_ACK_ONE);
	world_merge(w, 2, 0, KEY, world_member(w, "c"), KVS_ACK_ONE);
	world_move(w, 3 * WORLD_PERIOD_NS);
	for (uint32_t i = 0; i < 3; i++) {
		struct envelope e;

		assert_int_equal(envelope_parse(world_has(w, i, KEY), &e), 0);
		assert_int_equal(gset_cnt(e.state), 3);
	}
	w->asker[0].cnt = 0;
	world_end(w);
}

/* An envelope with one member of an orset, added or removed; of an epoch that all share. */
static struct slice
orset(struct world *w, const char *member, struct slice seen)
{
	uint8_t mem[256];
	struct wbuf state = wbuf_init(mem, sizeof(mem));
	struct envelope e = { .type = LATTICE_ORSET }, has;
	size_t start = w->values.len;
	static uint64_t time;

	if (seen.len == 0) {
		struct stamp dot = { hlc_time_of_us(1700000000000000 + ++time), { 1 } };

		assert_int_equal(orset_delta_add(dot, slice_str(member), &state), 0);
	} else {
		assert_int_equal(envelope_open(seen, &has), 0);
		assert_int_equal(orset_delta_remove(has.state, slice_str(member), &state), 0);
	}
	e.state = wbuf_slice(&state);
	assert_int_equal(envelope_write(&e, &w->values), 0);
	return slice_of(w->values.p + start, w->values.len - start);
}

/* What was removed is forgotten at all owners, the bytes are the same there, and what was not
 * removed stays; not before the cache has agreed, nor when the value changed meanwhile. */
static void
what_was_removed_is_forgotten(void **state)
{
	struct world *w = world_make(2, 2, 1, 2 << 20);
	struct slice none = { 0 }, removed;
	uint32_t at = world_owner(w, KEY, 0), tile;
	struct envelope e;
	struct desc d;
	size_t len;

	(void)state;
	put(w, KEY, 0, orset(w, "stays", none));
	len = world_has(w, at, KEY).len;
	put(w, KEY, 0, orset(w, "goes", none));
	world_move(w, 3 * WORLD_PAUSE_NS);
	assert_false(world_take(w, 0, DESC_KVS_DROP, &d, &tile)); /* nothing was removed */
	removed = orset(w, "goes", world_has(w, at, KEY));
	put(w, KEY, 0, removed);
	assert_true(world_has(w, at, KEY).len > len);
	world_move(w, 3 * WORLD_PAUSE_NS);
	assert_true(world_take(w, 0, DESC_KVS_DROP, &d, &tile));
	assert_int_equal(d.sub, KVS_DROP_ASK);
	world_reply(w, 0, at, &d, MB_ERR_TRYAGAIN);
	world_move(w, 2 * WORLD_PAUSE_NS);
	assert_true(world_has(w, at, KEY).len > len);

	/* It agrees, but another writes at that moment. */
	assert_true(world_take(w, 0, DESC_KVS_DROP, &d, &tile));
	world_merge(w, at, 1, KEY, orset(w, "late", none), KVS_ACK_ONE);
	world_reply(w, 0, at, &d, 0);
	world_move(w, 5 * WORLD_PERIOD_NS);
	w->asker[1].cnt = 0;
	assert_true(world_take(w, 0, DESC_KVS_TELL, &d, &tile));
	world_reply(w, 0, at, &d, MB_ERR_NOT_FOUND);
	assert_true(world_has(w, at, KEY).len > len);
	assert_int_equal(w->tile[at].core.drops.stats.settled, 0);

	world_move(w, 3 * WORLD_PAUSE_NS); /* the cache has no copy any more: nobody to ask */
	assert_int_equal(w->tile[at].core.drops.stats.settled, 1);
	for (uint32_t i = 0; i < 2; i++) {
		assert_int_equal(envelope_open(world_has(w, i, KEY), &e), 0);
		assert_true(orset_has(e.state, slice_str("stays")));
		assert_true(orset_has(e.state, slice_str("late")));
		assert_false(orset_has(e.state, slice_str("goes")));
		assert_true(slice_eq(world_has(w, i, KEY), world_has(w, 1 - i, KEY)));
	}
	/* The remove, told once more, brings no member back. */
	put(w, KEY, 0, removed);
	assert_int_equal(envelope_open(world_has(w, at, KEY), &e), 0);
	assert_int_equal(orset_cnt(e.state), 2);
	world_move(w, 2 * WORLD_PAUSE_NS);
	assert_true(world_take(w, 0, DESC_KVS_DROP, &d, &tile));
	world_reply(w, 0, at, &d, 0);
	world_move(w, WORLD_PERIOD_NS);
	assert_int_equal(w->tile[at].core.drops.stats.settled, 2);
	assert_true(slice_eq(world_has(w, 0, KEY), world_has(w, 1, KEY)));
	world_end(w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_cache_refuses),
		cmocka_unit_test(something_happens_meanwhile),
		cmocka_unit_test(an_owner_refuses),
		cmocka_unit_test(expired_keys_go),
		cmocka_unit_test(memory_comes_back),
		cmocka_unit_test(a_new_life),
		cmocka_unit_test(what_was_removed_is_forgotten),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
