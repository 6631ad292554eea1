/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   owners are a function of the membership; they are spread evenly; and when somebody comes
 *         or goes, only the keys move that it gets or had.
 * Method: random hashes from a printed seed, over rings of growing size.
 */
#include <string.h>

#include "hashring.h"
#include "rng.h"
#include "test_cmocka.h"
#include "test_seed.h"

#define KEY_CNT 20000

static struct hashring *
ring_of(const struct hashring_member *m, uint32_t cnt)
{
	struct hashring *r;

	assert_int_equal(hashring_create(&r, m, cnt), 0);
	return r;
}

static struct hashring *
tiles(uint32_t cnt)
{
	return ring_of(&(struct hashring_member){ 1, cnt }, 1);
}

/* Owners are distinct, as many as wanted or as there are; more are those before and others. */
static void
owners_are_distinct(void **state)
{
	struct hashring *r = tiles(7);
	struct rng rng;

	(void)state;
	rng_init(&rng, test_seed("hashring"));
	for (uint32_t i = 0; i < KEY_CNT; i++) {
		uint16_t all[16], some[16];
		uint64_t hash = i < 2 ? (uint64_t)0 - i : rng_u64(&rng); /* both ends, too */
		uint32_t seen = 0;

		assert_int_equal(hashring_tiles(r, 0, hash, 16, all), 7);
		for (uint32_t k = 0; k < 7; k++) {
			seen |= 1u << all[k];
		}
		assert_int_equal(seen, (1u << 7) - 1);
		assert_int_equal(hashring_tiles(r, 0, hash, 3, some), 3);
		assert_memory_equal(some, all, 3 * sizeof(some[0]));
		assert_int_equal(hashring_primary(r, 0, hash), all[0]);
	}
	assert_int_equal(hashring_tiles(r, 0, 5, 0, (uint16_t[]){ 0 }), 0);
	hashring_destroy(r);
}

static void
tiles_are_spread(void **state)
{
	(void)state;
	for (uint32_t cnt = 2; cnt <= HASHRING_TILE_MAX; cnt *= 2) {
		struct hashring *r = tiles(cnt);
		uint32_t has[HASHRING_TILE_MAX] = { 0 };
		struct rng rng;

		rng_init(&rng, test_seed("hashring"));
		for (uint32_t i = 0; i < KEY_CNT * 4; i++) {
			has[hashring_primary(r, 0, rng_u64(&rng))]++;
		}
		for (uint32_t t = 0; t < cnt; t++) {
			double share = (double)has[t] * cnt / (KEY_CNT * 4);

			assert_true(share > 0.75 && share < 1.25);
		}
		hashring_destroy(r);
	}
}

/* One tile more: a key's owners change only where the new one comes in. */
static void
a_new_tile_takes_its_share(void **state)
{
	(void)state;
	for (uint32_t cnt = 1; cnt < HASHRING_TILE_MAX; cnt++) {
		struct hashring *before = tiles(cnt), *after = tiles(cnt + 1);
		uint32_t moved = 0;
		struct rng rng;

		rng_init(&rng, test_seed("hashring"));
		for (uint32_t i = 0; i < KEY_CNT; i++) {
			uint64_t hash = rng_u64(&rng);
			uint32_t was = hashring_primary(before, 0, hash);
			uint32_t is = hashring_primary(after, 0, hash);

			assert_true(is == was || is == cnt);
			moved += is != was;
		}
		assert_true(moved < 1.4 * KEY_CNT / (cnt + 1));
		hashring_destroy(before);
		hashring_destroy(after);
	}
}

/* Nodes: the order in which they are listed does not matter; one that goes leaves to others only
 * what it had, of each of a key's three owners. */
static void
nodes_come_and_go(void **state)
{
	const struct hashring_member all[] = { { 11, 2 },
					       { 22, 1 },
					       { 33, 4 },
					       { 44, 2 },
					       { 55, 3 } };
	const struct hashring_member mixed[] = { { 44, 2 },
						 { 11, 2 },
						 { 55, 3 },
						 { 33, 4 },
						 { 22, 1 } };
	const struct hashring_member fewer[] = { { 11, 2 }, { 22, 1 }, { 44, 2 }, { 55, 3 } };
	struct hashring *r = ring_of(all, 5), *m = ring_of(mixed, 5), *f = ring_of(fewer, 4);
	uint32_t had = 0;
	struct rng rng;

	(void)state;
	rng_init(&rng, test_seed("hashring"));
	for (uint32_t i = 0; i < KEY_CNT; i++) {
		uint64_t hash = rng_u64(&rng);
		uint16_t a[5], b[5], c[5];
		uint32_t at = 0;

		assert_int_equal(hashring_nodes(r, hash, 4, a), 4);
		assert_int_equal(hashring_nodes(m, hash, 4, b), 4);
		assert_int_equal(hashring_nodes(f, hash, 3, c), 3);
		for (uint32_t k = 0; k < 4; k++) {
			assert_int_equal(all[a[k]].node, mixed[b[k]].node);
			if (all[a[k]].node == 33) {
				had++;
			} else if (at < 3) {
				assert_int_equal(all[a[k]].node, fewer[c[at++]].node);
			}
		}
		/* A node's tiles are its own affair. */
		assert_int_equal(hashring_primary(r, 2, hash), hashring_primary(m, 3, hash));
	}
	assert_in_range(had, KEY_CNT * 4 / 5 * 3 / 4, KEY_CNT * 4 / 5 * 5 / 4);
	hashring_destroy(r);
	hashring_destroy(m);
	hashring_destroy(f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(owners_are_distinct),
		cmocka_unit_test(tiles_are_spread),
		cmocka_unit_test(a_new_tile_takes_its_share),
		cmocka_unit_test(nodes_come_and_go),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
