/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   a key that takes a large part of the requests gains tiles, with the numbers that say why;
 *         one that no longer does loses them; nobody else does; and the tiles that gained it serve
 *         it and have all that is written.
 * Method: the sketch alone under drawn requests; then a kvs_world of eight tiles.
 */
#include <stdio.h>
#include <string.h>

#include "kvs_value.h"
#include "kvs_world.h"
#include "microburst/error.h"
#include "rng.h"
#include "test_cmocka.h"
#include "test_seed.h"

#define KEY "the key that everybody wants"

static struct kvs_key keys[10000];

/* One window of requests: of each 100, hot_cnt for key 0. */
static uint32_t
window(struct kvs_hot *h, struct rng *rng, uint32_t hot_cnt, struct kvs_hot_decision *ret)
{
	while (h->sample_cnt < KVS_HOT_WINDOW / KVS_HOT_SAMPLE) {
		uint32_t k = rng_below(rng, 100) < hot_cnt ? 0 : 1 + (uint32_t)rng_below(rng, 9999);

		kvs_hot_seen(h, &keys[k], k * UINT64_C(0x9e3779b97f4a7c15));
	}
	return kvs_hot_judge(h, ret);
}

static void
even_load_heats_nothing(void **state)
{
	static struct kvs_hot h;
	struct kvs_hot_decision d[KVS_HOT_MAX];
	struct rng rng;

	(void)state;
	rng_init(&rng, test_seed("kvs_hot"));
	kvs_hot_init(&h, 1, 8);
	assert_int_equal(kvs_hot_judge(&h, d), 0); /* there was no window yet */
	for (uint32_t i = 0; i < 20; i++) {
		assert_int_equal(window(&h, &rng, 0, d), 0);
	}
}

static void
heats_and_cools(void **state)
{
	static struct kvs_hot h;
	struct kvs_hot_decision d[KVS_HOT_MAX];
	uint32_t tiles = 1;
	struct rng rng;

	(void)state;
	rng_init(&rng, test_seed("kvs_hot"));
	kvs_hot_init(&h, 1, 8);
	for (uint32_t i = 0; i < 3; i++) {
		assert_int_equal(window(&h, &rng, 20, d), 1);
		assert_ptr_equal(d[0].key, &keys[0]);
		assert_int_equal(d[0].from_cnt, tiles);
		assert_int_equal(d[0].to_cnt, 2 * tiles);
		assert_true(d[0].count > d[0].mean + 3 * d[0].sigma);
		assert_in_range(d[0].count, d[0].sample_cnt / 6, d[0].sample_cnt / 4);
		tiles = d[0].to_cnt;
		assert_int_equal(kvs_hot_tiles(&h, &keys[0]), tiles);
	}
	assert_int_equal(window(&h, &rng, 20, d), 0); /* it has all */
	assert_int_equal(window(&h, &rng, 0, d), 0);  /* once is not enough */
	assert_int_equal(window(&h, &rng, 0, d), 1);
	assert_int_equal(d[0].from_cnt, 8);
	assert_int_equal(d[0].to_cnt, 1);
	assert_int_equal(kvs_hot_tiles(&h, &keys[0]), 1);
}

static void
reads(struct world *w, uint32_t tile, uint32_t cnt)
{
	struct desc d;

	for (uint32_t i = 0; i < cnt; i++) {
		world_get(w, tile, 0, KEY);
		assert_true(world_take(w, 0, DESC_KVS_GOT, &d, NULL));
		assert_int_equal(d.err, 0);
	}
	world_move(w, 3 * WORLD_PERIOD_NS);
}

/* How many tiles have the key with this text. */
static uint32_t
tiles_with(const struct world *w, const char *text)
{
	uint32_t cnt = 0;

	for (uint32_t i = 0; i < w->tile_cnt; i++) {
		cnt += slice_eq(value_text(world_has(w, i, KEY)), slice_str(text));
	}
	return cnt;
}

static void
tiles_gain_and_lose_it(void **state)
{
	struct world *w = world_make(8, 2, 0, 2 << 20);
	uint32_t first = world_owner(w, KEY, 0), other;
	char key[16];
	struct desc d;

	(void)state;
	world_merge(w, first, 0, KEY, world_set(w, 1, "a"), KVS_ACK_ONE);
	w->asker[0].cnt = 0;
	reads(w, first, KVS_HOT_WINDOW * 9 / 8);
	assert_int_equal(w->decided_cnt, 1);
	assert_int_equal(tiles_with(w, "a"), 4);
	reads(w, first, KVS_HOT_WINDOW * 9 / 8);
	assert_int_equal(tiles_with(w, "a"), 8);
	/* Each of them serves it, and what one merges all have. */
	other = world_owner(w, KEY, 7);
	world_get(w, other, 0, KEY);
	assert_true(world_take(w, 0, DESC_KVS_GOT, &d, NULL));
	assert_int_equal(d.err, 0);
	world_merge(w, other, 0, KEY, world_set(w, 2, "b"), KVS_ACK_ONE);
	world_move(w, 4 * WORLD_PERIOD_NS);
	assert_int_equal(tiles_with(w, "b"), 8);
	world_merge(w, world_owner(w, KEY, 1), 0, KEY, world_set(w, 3, "c"), KVS_ACK_ONE);
	world_move(w, 4 * WORLD_PERIOD_NS);
	assert_int_equal(tiles_with(w, "c"), 8);
	/* Others are asked for: it goes back to where it was. */
	for (uint32_t i = 0; w->decided_cnt < 3; i++) {
		assert_true(i < 4 * 9 * KVS_HOT_WINDOW);
		snprintf(key, sizeof(key), "other %u", i % 1000);
		world_merge(w, world_owner(w, key, 0), 0, key, world_set(w, 1, "x"), KVS_ACK_ONE);
		w->values.len = w->values.len > sizeof(w->mem) / 2 ? 0 : w->values.len;
		w->asker[0].cnt = 0;
		if (i % 64 == 0) {
			world_move(w, 0);
		}
	}
	world_move(w, 4 * WORLD_PERIOD_NS);
	assert_int_equal(w->decided[2].to_cnt, 2);
	assert_int_equal(tiles_with(w, "c"), 2);
	world_get(w, other, 0, KEY);
	assert_true(world_take(w, 0, DESC_KVS_GOT, &d, NULL));
	assert_int_equal(d.err, MB_ERR_MOVED);
	world_end(w);
}

/* A hot key that is deleted goes everywhere. */
static void
a_hot_key_is_deleted(void **state)
{
	struct world *w = world_make(4, 1, 0, 2 << 20);
	uint32_t first = world_owner(w, KEY, 0);

	(void)state;
	world_merge(w, first, 0, KEY, world_set(w, 1, "a"), KVS_ACK_ONE);
	w->asker[0].cnt = 0;
	reads(w, first, KVS_HOT_WINDOW * 9 / 8);
	assert_int_equal(tiles_with(w, "a"), 2);
	world_merge(w, first, 0, KEY, world_tombstone(w, 2), KVS_ACK_ONE);
	world_move(w, 3 * WORLD_PAUSE_NS);
	for (uint32_t i = 0; i < 4; i++) {
		assert_int_equal(kvs_shard_key_cnt(w->tile[i].shard), 0);
	}
	w->asker[0].cnt = 0;
	world_end(w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(even_load_heats_nothing),
		cmocka_unit_test(heats_and_cools),
		cmocka_unit_test(tiles_gain_and_lose_it),
		cmocka_unit_test(a_hot_key_is_deleted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
