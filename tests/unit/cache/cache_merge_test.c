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
#include "delta.h"
#include "microburst/error.h"
#include "rng.h"
#include "test_cmocka.h"
#include "test_seed.h"
#include "treeval.h"

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
			assert_int_equal(delta_make(slice_of(NULL, 0), &add, now,
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

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_sides_write),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
