/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   what a node says of its tiles is read as it was written, anything else is refused; each
 * key has one tile, of its shard, and no tile is left out. */
#include "ways.h"

#include <string.h>

#include "hash.h"
#include "test_cmocka.h"
#include <microburst/error.h>

static const struct ways two = { .shard_cnt = 3, .tile_cnt = 2, .port = { 7117, 7118 } };

static void
written_is_read(void **state)
{
	uint8_t p[WAYS_BYTES_MAX];
	struct ways w;
	size_t len = ways_write(p, &two);

	(void)state;
	assert_int_equal(len, 12);
	assert_int_equal(ways_read(slice_of(p, len), &w), 0);
	assert_memory_equal(&w, &two, sizeof(w));
	for (size_t cut = 0; cut < len; cut++) {
		assert_int_equal(ways_read(slice_of(p, cut), &w), MB_ERR_CORRUPT);
	}
	assert_int_equal(ways_read(slice_of(p, len + 1), &w), MB_ERR_CORRUPT);
}

#define REFUSED(change)                                                                            \
	do {                                                                                       \
		struct ways t = two;                                                               \
		uint8_t p[8 + 2 * (NET_TILE_CNT_MAX + 1)] = { 0 };                                 \
		size_t len = ways_write(p, &t);                                                    \
		change;                                                                            \
		assert_int_equal(ways_read(slice_of(p, len), &t), MB_ERR_CORRUPT);                 \
	} while (0)

static void
damage_is_refused(void **state)
{
	(void)state;
	REFUSED(p[0] = 0);            /* no shard */
	REFUSED((p[4] = 0, len = 8)); /* no tile */
	REFUSED(p[8] = p[9] = 0);     /* no port */
	REFUSED(p[7] = 0x80);         /* more tiles than there are bytes */
	REFUSED((p[4] = NET_TILE_CNT_MAX + 1, memset(p + 8, 1, sizeof(p) - 8), len = sizeof(p)));
}

static void
keys_are_spread(void **state)
{
	(void)state;
	for (uint32_t tiles = 1; tiles <= NET_TILE_CNT_MAX; tiles++) {
		for (uint32_t shards = 1; shards <= 9; shards++) {
			uint32_t keys[NET_TILE_CNT_MAX] = { 0 };

			for (uint64_t k = 0; k < 4096; k++) {
				uint64_t hash = hash_bytes(&k, sizeof(k));
				uint32_t shard = (uint32_t)(hash % shards);
				uint32_t t = ways_tile(tiles, shards, shard, hash);

				assert_true(t < tiles);
				assert_int_equal(tiles > shards ? t % shards : shard % tiles,
						 tiles > shards ? shard : t);
				keys[t]++;
			}
			for (uint32_t t = 0; t < tiles; t++) {
				assert_true(keys[t] > 4096 / 4 / NET_TILE_CNT_MAX);
			}
		}
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(written_is_read),
		cmocka_unit_test(damage_is_refused),
		cmocka_unit_test(keys_are_spread),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
