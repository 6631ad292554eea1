/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   readers see a whole table, or are told that they may not have; a pick wins a free
 *         executor's claim, the last one used first, and never one that is taken or not in the set.
 * Method: writer and reader stepped by hand; picks over random sets and claims. */
#include "placement.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hints.h"
#include "rng.h"
#include "test_cmocka.h"
#include "test_seed.h"

static struct placement *table;
static struct hints *hints;

static int
setup(void **state)
{
	table = calloc(1, sizeof(*table));
	hints = aligned_alloc(CACHE_LINE, ALIGN_UP(sizeof(*hints), CACHE_LINE));
	memset(hints, 0, sizeof(*hints));
	return 0;
}

static int
teardown(void **state)
{
	free(table);
	free(hints);
	return 0;
}

static void
an_edit_is_hidden_until_shown(void **state)
{
	const struct placement_copy *seen;
	struct placement_copy *edit;
	uint64_t gen;

	edit = placement_edit(table);
	edit->fn_cnt = 8;
	edit->fn[7].id = 7;
	snprintf(edit->fn[7].name, NAME_BYTES_MAX, "seven");
	seen = placement_shown(table, &gen);
	assert_null(placement_fn_find(seen, "seven"));
	assert_false(placement_stale(table, gen));
	placement_show(table);
	assert_true(placement_stale(table, gen));
	seen = placement_shown(table, &gen);
	assert_non_null(placement_fn_find(seen, "seven"));
	assert_null(placement_fn_find(seen, "seve"));
	assert_null(placement_fn_find(seen, "sevens"));
	assert_ptr_equal(placement_fn_get(seen, 7), placement_fn_find(seen, "seven"));
	assert_null(placement_fn_get(seen, 7 + FUNCTION_CNT_MAX)); /* another id, the same entry */
	assert_null(placement_fn_get(seen, 0));
	/* The next edit starts from what is shown. */
	assert_int_equal(placement_edit(table)->fn[7].id, 7);
}

static void
dags_are_found_likewise(void **state)
{
	struct placement_copy *edit = placement_edit(table);
	uint64_t gen;

	edit->dag_cnt = 4;
	edit->dag[3].id = 3 + DAG_CNT_MAX;
	snprintf(edit->dag[3].name, NAME_BYTES_MAX, "words");
	placement_show(table);
	assert_non_null(placement_dag_find(placement_shown(table, &gen), "words"));
	assert_non_null(placement_dag_get(placement_shown(table, &gen), 3 + DAG_CNT_MAX));
	assert_null(placement_dag_get(placement_shown(table, &gen), 3));
}

/* What a reader finds in the middle of a rewrite may be anything; it stays in the table. */
static void
nonsense_is_harmless(void **state)
{
	char name[NAME_BYTES_MAX];
	uint64_t gen;

	memset(&table->copy[0], 0xff, sizeof(table->copy[0]));
	memset(name, 0xff, sizeof(name));
	name[sizeof(name) - 1] = '\0';
	placement_fn_find(placement_shown(table, &gen), name);
	placement_dag_find(placement_shown(table, &gen), name);
	assert_non_null(placement_fn_get(placement_shown(table, &gen), 0xffff));
}

static bool
in_set(const uint64_t *exec, uint16_t proc)
{
	return (exec[proc / 64] >> (proc % 64) & 1) != 0;
}

static void
a_pick_wins_a_free_claim(void **state)
{
	struct rng r;

	rng_init(&r, test_seed("placement"));
	for (int turn = 0; turn < 20000; turn++) {
		uint64_t exec[PLACEMENT_EXEC_WORDS];
		uint32_t free_cnt = 0;
		uint16_t last = (uint16_t)rng_below(&r, 200);
		bool last_free;
		uint16_t got;

		memset(hints->claim, 0, sizeof(hints->claim));
		for (uint32_t w = 0; w < PLACEMENT_EXEC_WORDS; w++) {
			exec[w] = rng_u64(&r); /* a quarter of the bits */
			exec[w] &= rng_u64(&r);
		}
		exec[0] &= ~UINT64_C(1); /* the daemon is no executor */
		for (uint16_t p = PROC_EXEC_FIRST; p < PROC_CLIENT_FIRST; p++) {
			if (rng_below(&r, 4) != 0) {
				atomic_store(&hints->claim[p].v, 99);
			} else {
				free_cnt += in_set(exec, p);
			}
		}
		last_free = last < PROC_CLIENT_FIRST && in_set(exec, last) &&
			    atomic_load(&hints->claim[last].v) == 0;
		got = placement_pick(exec, last, 7, rng_u64(&r), hints);
		assert_int_equal(got != 0, free_cnt != 0);
		if (got != 0) {
			assert_true(in_set(exec, got));
			assert_int_equal(atomic_load(&hints->claim[got].v), 7);
			assert_true(!last_free || got == last);
		}
	}
}

/* Over many picks every free executor is chosen about as often. */
static void
picks_are_spread(void **state)
{
	uint64_t exec[PLACEMENT_EXEC_WORDS] = { UINT64_C(0xffff) << 40, UINT64_C(0xffff) };
	uint32_t cnt[PROC_CLIENT_FIRST] = { 0 };
	struct rng r;

	rng_init(&r, test_seed("placement"));
	for (int turn = 0; turn < 32000; turn++) {
		uint16_t got = placement_pick(exec, 0, 7, rng_u64(&r), hints);

		cnt[got]++;
		atomic_store(&hints->claim[got].v, 0);
	}
	for (uint16_t p = 0; p < PROC_CLIENT_FIRST; p++) {
		assert_true(in_set(exec, p) ? cnt[p] > 800 && cnt[p] < 1200 : cnt[p] == 0);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(an_edit_is_hidden_until_shown, setup, teardown),
		cmocka_unit_test_setup_teardown(dags_are_found_likewise, setup, teardown),
		cmocka_unit_test_setup_teardown(nonsense_is_harmless, setup, teardown),
		cmocka_unit_test_setup_teardown(a_pick_wins_a_free_claim, setup, teardown),
		cmocka_unit_test_setup_teardown(picks_are_spread, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
