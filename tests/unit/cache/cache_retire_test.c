/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   a block that a hazard slot names is never given back, one that none names is; hints are
 *         passed on; there is always room, however much is held.
 * Method: rows of slots that the test writes; what is given back is noted. The worst case: every
 *         slot of every process names another block.
 */
#include <stdlib.h>
#include <string.h>

#include "cache_layout.h"
#include "cache_retire.h"
#include "rng.h"
#include "test_cmocka.h"
#include "test_seed.h"

#define HEAP     UINT64_C(0x100000)
#define HEAP_END UINT64_C(0x100000000)
#define STEP     64

struct world {
	struct cache_retire *r;
	uint32_t proc_cnt;
	_Atomic uint64_t slot[PROC_CNT_MAX][HAZARD_CNT];
	uint8_t freed[CACHE_HAZARD_MAX + 4 * CACHE_RETIRE_BATCH]; /* by number of block */
	uint64_t freed_cnt;
	uint64_t hint_cnt, hint_last;
};

static const _Atomic uint64_t *
hazards(void *ctx, uint32_t *iter)
{
	struct world *w = ctx;

	return *iter < w->proc_cnt ? w->slot[(*iter)++] : NULL;
}

static uint64_t
off_of(uint32_t block)
{
	return HEAP + (uint64_t)block * STEP;
}

static void
block_free(void *ctx, uint64_t off, uint32_t bytes, bool tree)
{
	struct world *w = ctx;
	uint64_t block = (off - HEAP) / STEP;

	assert_int_equal(bytes, STEP);
	assert_true(block < sizeof(w->freed));
	assert_int_equal(w->freed[block], 0); /* once */
	w->freed[block] = 1;
	w->freed_cnt++;
}

static void
hint(void *ctx, uint64_t entry_off)
{
	struct world *w = ctx;

	w->hint_cnt++;
	w->hint_last = entry_off;
}

static struct world *
world_make(uint32_t proc_cnt, uint64_t bytes_max)
{
	struct world *w = calloc(1, sizeof(*w));
	struct cache_retire_ops ops = { hazards, block_free, hint, w };

	assert_non_null(w);
	w->proc_cnt = proc_cnt;
	assert_int_equal(cache_retire_create(&w->r, HEAP, HEAP_END, bytes_max, &ops), 0);
	return w;
}

static void
world_end(struct world *w)
{
	cache_retire_destroy(w->r);
	free(w);
}

static void
held_is_kept(void **state)
{
	struct world *w = world_make(3, UINT64_MAX);

	(void)state;
	w->slot[2][63] = off_of(5);
	w->slot[0][0] = off_of(7);
	w->slot[1][1] = off_of(7);
	for (uint32_t i = 0; i < 10; i++) {
		cache_retire_add(w->r, off_of(i), STEP, false);
	}
	assert_int_equal(cache_retire_scan(w->r), 8);
	assert_int_equal(w->freed[5] + w->freed[7], 0);
	assert_int_equal(cache_retire_cnt(w->r), 2);
	assert_int_equal(cache_retire_bytes(w->r), 2 * STEP);
	w->slot[0][0] = 0; /* one of two readers */
	assert_int_equal(cache_retire_scan(w->r), 0);
	w->slot[1][1] = off_of(1) | CACHE_HINT; /* released */
	assert_int_equal(cache_retire_scan(w->r), 1);
	assert_int_equal(w->freed[7], 1);
	w->slot[2][63] = 0;
	assert_int_equal(cache_retire_scan(w->r), 1);
	world_end(w);
}

/* What hostile processes may write: hints to anywhere, offsets of nothing. */
static void
strange_words(void **state)
{
	struct world *w = world_make(1, UINT64_MAX);

	(void)state;
	w->slot[0][0] = UINT64_MAX;
	w->slot[0][1] = UINT64_MAX - 1;
	w->slot[0][2] = HEAP - STEP;
	w->slot[0][3] = HEAP_END;
	w->slot[0][4] = off_of(3) + 8; /* inside of a block is not the block */
	w->slot[0][5] = 1;
	w->slot[0][6] = 12345 * 2 + 1;
	cache_retire_add(w->r, off_of(3), STEP, false);
	assert_int_equal(cache_retire_scan(w->r), 1);
	assert_int_equal(w->hint_cnt, 3);
	assert_int_equal(w->hint_last, 12345 * 2);
	world_end(w);
}

/* A hint is news once; the same entry read again is. */
static void
hint_once(void **state)
{
	struct world *w = world_make(2, UINT64_MAX);

	(void)state;
	for (uint32_t turn = 1; turn <= 3; turn++) {
		w->slot[1][9] = cache_hint_make(4096, turn);
		cache_retire_scan(w->r);
		cache_retire_scan(w->r);
		assert_int_equal(w->hint_cnt, turn);
		assert_int_equal(w->hint_last, 4096);
	}
	w->slot[1][9] = off_of(1); /* held, which is no news of an entry, */
	cache_retire_scan(w->r);
	w->slot[1][9] = cache_hint_make(4096, 4); /* and let go */
	cache_retire_scan(w->r);
	assert_int_equal(w->hint_cnt, 4);
	world_end(w);
}

/* Every slot names a block of its own; as many as can be are retired, and more. */
static void
all_held(void **state)
{
	struct world *w = world_make(PROC_CNT_MAX, UINT64_MAX);
	uint32_t block = 0;

	(void)state;
	for (uint32_t p = 0; p < PROC_CNT_MAX; p++) {
		for (uint32_t i = 0; i < HAZARD_CNT; i++) {
			w->slot[p][i] = off_of(block++);
		}
	}
	assert_int_equal(block, CACHE_HAZARD_MAX);
	for (uint32_t i = 0; i < CACHE_HAZARD_MAX + 3 * CACHE_RETIRE_BATCH; i++) {
		cache_retire_add(w->r, off_of(i), STEP, false);
	}
	assert_int_equal(w->freed_cnt, 3 * CACHE_RETIRE_BATCH);
	assert_int_equal(cache_retire_cnt(w->r), CACHE_HAZARD_MAX);
	w->proc_cnt = 0; /* they are all gone */
	assert_int_equal(cache_retire_scan(w->r), CACHE_HAZARD_MAX);
	world_end(w);
}

static void
scans_by_itself(void **state)
{
	struct world *w = world_make(0, 100 * STEP);

	(void)state;
	for (uint32_t i = 0; i < 100; i++) {
		cache_retire_add(w->r, off_of(i), STEP, false);
	}
	assert_int_equal(w->freed_cnt, 0);
	cache_retire_add(w->r, off_of(100), STEP, false);
	assert_int_equal(w->freed_cnt, 101);
	world_end(w);
}

/* Random holds and retirements: exactly what is held at a scan stays. */
static void
random_holds(void **state)
{
	struct world *w = world_make(16, UINT64_MAX);
	uint8_t retired[1000] = { 0 };
	struct rng rng;

	(void)state;
	rng_init(&rng, test_seed("cache_retire random_holds"));
	for (uint32_t run = 0; run < 300; run++) {
		for (uint32_t i = 0; i < 50; i++) {
			uint32_t block = (uint32_t)rng_below(&rng, 1000);

			w->slot[rng_below(&rng, 16)][rng_below(&rng, HAZARD_CNT)] =
				rng_below(&rng, 2) != 0 ? off_of(block) : 0;
			if (!retired[block]) {
				retired[block] = 1;
				w->freed[block] = 0;
				cache_retire_add(w->r, off_of(block), STEP, false);
			}
		}
		cache_retire_scan(w->r);
		for (uint32_t block = 0; block < 1000; block++) {
			bool held = false;

			for (uint32_t i = 0; i < 16 * HAZARD_CNT; i++) {
				held |= w->slot[i / HAZARD_CNT][i % HAZARD_CNT] == off_of(block);
			}
			assert_true(!retired[block] || w->freed[block] == !held);
			retired[block] = retired[block] && held;
		}
	}
	world_end(w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(held_is_kept), cmocka_unit_test(strange_words),
		cmocka_unit_test(all_held),     cmocka_unit_test(scans_by_itself),
		cmocka_unit_test(random_holds), cmocka_unit_test(hint_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
