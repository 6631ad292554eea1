/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   what the first pass counted, the second finds room for, aligned and apart; one byte more,
 *         or a sum that wraps, stops the process.
 * Method: both passes over random lists of objects, each filled with its own byte. */
#include "arena.h"

#include <stdlib.h>
#include <string.h>

#include "rng.h"
#include "test_cmocka.h"
#include "test_death.h"
#include "test_seed.h"

enum { PAGE = 4096 };

static void
one_too_many(void *arg)
{
	arena_alloc(arg, 1, 1);
}

static void
odd_alignment(void *arg)
{
	arena_alloc(arg, 1, 3);
}

static void
more_aligned_than_the_memory(void *arg)
{
	struct arena *a = arg;

	a->mem += 8;
	a->cap -= 8;
	arena_alloc(a, 1, 16);
}

static void
more_bytes_than_there_are(void *arg)
{
	arena_footprint(SIZE_MAX - 10, 1, 64);
}

static void
a_sum_that_wraps(void *arg)
{
	arena_footprint(64, SIZE_MAX - 10, 64);
}

static void
misuse_stops_the_process(void **state)
{
	static _Alignas(PAGE) uint8_t mem[PAGE];
	char text[TEST_DEATH_TEXT_BYTES];
	struct arena a;

	arena_init(&a, mem, sizeof(mem));
	assert_true(test_dies(odd_alignment, &a, text));
	assert_non_null(strstr(text, "align=3"));
	assert_true(test_dies(more_aligned_than_the_memory, &a, text));
	assert_true(test_dies(more_bytes_than_there_are, NULL, text));
	assert_true(test_dies(a_sum_that_wraps, NULL, text));

	assert_ptr_equal(arena_alloc(&a, sizeof(mem), PAGE), mem);
	assert_true(test_dies(one_too_many, &a, text));
	assert_non_null(strstr(text, "end=4097 cap=4096"));
	assert_non_null(arena_alloc(&a, 0, 1));
}

static void
both_passes_agree(void **state)
{
	enum { OBJECTS = 50 };
	struct rng rng;

	rng_init(&rng, test_seed("arena"));
	for (int round = 0; round < 200; round++) {
		size_t bytes[OBJECTS], align[OBJECTS], need = 0;
		uint8_t *at[OBJECTS];
		struct arena a;
		void *mem;

		for (int i = 0; i < OBJECTS; i++) {
			bytes[i] = rng_below(&rng, 300);
			align[i] = (size_t)1 << rng_below(&rng, 13);
			need = arena_footprint(need, bytes[i], align[i]);
		}
		mem = aligned_alloc(PAGE, (need + PAGE - 1) / PAGE * PAGE);
		arena_init(&a, mem, need);
		for (int i = 0; i < OBJECTS; i++) {
			at[i] = arena_alloc(&a, bytes[i], align[i]);
			assert_int_equal((uintptr_t)at[i] % align[i], 0);
			memset(at[i], i, bytes[i]);
		}
		assert_int_equal(a.used, need);
		for (int i = 0; i < OBJECTS; i++) {
			for (size_t b = 0; b < bytes[i]; b++) {
				assert_int_equal(at[i][b], i);
			}
		}
		free(mem);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(misuse_stops_the_process),
		cmocka_unit_test(both_passes_agree),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
