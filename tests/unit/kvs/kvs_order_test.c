/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   the order gives every key once, ascending, from any starting point.
 * Method: keys entered in a shuffled order, heights from hashes, compared with a sorted array: the
 *         walk, and the place found for keys that are there, between, before and behind. The same
 *         while keys come, go and are looked for by turns, so that few and many of them wait.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hash.h"
#include "heap.h"
#include "kvs_order.h"
#include "rng.h"
#include "test_cmocka.h"
#include "test_seed.h"

#define KEY_CNT 3000u

struct world {
	uint8_t *mem;
	struct heap *heap;
	struct kvs_order o;
};

static void
world_make(struct world *w)
{
	w->mem = aligned_alloc(64, 1 << 20);
	assert_non_null(w->mem);
	w->heap = heap_init(w->mem, 1 << 20);
	kvs_order_init(&w->o, w->mem);
}

/* Even numbers are keys, odd ones lie between them. */
static struct slice
name_of(char buf[16], uint32_t i)
{
	return slice_of(buf, (size_t)snprintf(buf, 16, "%08u", i));
}

static struct kvs_key *
add(struct world *w, uint32_t i)
{
	char buf[16];
	struct slice name = name_of(buf, i);
	uint32_t height = kvs_order_height(hash_bytes(name.p, name.len));
	struct kvs_key *k = heap_alloc(w->heap, kvs_key_bytes(height, name.len));

	assert_non_null(k);
	*k = (struct kvs_key){ .key_len = (uint16_t)name.len, .height = (uint8_t)height };
	memcpy(&k->next[height], name.p, name.len);
	kvs_order_add(&w->o, k);
	return k;
}

static void
assert_at(struct world *w, const struct kvs_key *k, uint32_t i)
{
	char buf[16];

	(void)w;
	if (i >= 2 * KEY_CNT) {
		assert_null(k);
		return;
	}
	assert_non_null(k);
	assert_true(slice_eq(kvs_key_slice(k), name_of(buf, i)));
}

static void
empty(void **state)
{
	struct world w;

	(void)state;
	world_make(&w);
	assert_null(kvs_order_from(&w.o, slice_of(NULL, 0), false));
	assert_null(kvs_order_from(&w.o, slice_str("x"), true));
	free(w.mem);
}

static void
shuffled(void **state)
{
	uint32_t number[KEY_CNT];
	struct kvs_key *k;
	struct world w;
	struct rng rng;
	char buf[16];

	(void)state;
	rng_init(&rng, test_seed("kvs_order shuffled"));
	world_make(&w);
	for (uint32_t i = 0; i < KEY_CNT; i++) {
		uint32_t j = (uint32_t)rng_below(&rng, i + 1);

		number[i] = number[j];
		number[j] = 2 * i;
	}
	for (uint32_t i = 0; i < KEY_CNT; i++) {
		(void)add(&w, number[i]);
	}
	k = kvs_order_from(&w.o, slice_of(NULL, 0), false);
	for (uint32_t i = 0; i < KEY_CNT; i++) {
		assert_at(&w, k, 2 * i);
		k = kvs_order_next(&w.o, k);
	}
	assert_null(k);
	for (uint32_t i = 0; i < KEY_CNT; i++) {
		struct slice there = name_of(buf, 2 * i);

		assert_at(&w, kvs_order_from(&w.o, there, false), 2 * i);
		assert_at(&w, kvs_order_from(&w.o, there, true), 2 * i + 2);
		there = name_of(buf, 2 * i + 1);
		assert_at(&w, kvs_order_from(&w.o, there, false), 2 * i + 2);
		assert_at(&w, kvs_order_from(&w.o, there, true), 2 * i + 2);
	}
	free(w.mem);
}

/* What is there is asked for in one step of 48, so groups of all lengths are entered. */
static void
coming_and_going(void **state)
{
	static struct kvs_key *there[KEY_CNT];
	struct world w;
	struct rng rng;
	char buf[16];

	(void)state;
	memset(there, 0, sizeof(there));
	rng_init(&rng, test_seed("kvs_order coming and going"));
	world_make(&w);
	for (uint32_t step = 0; step < 200000; step++) {
		uint32_t i = (uint32_t)rng_below(&rng, KEY_CNT);
		bool look = rng_below(&rng, 48) == 0;

		if (look) {
			struct slice from = name_of(buf, i);
			struct kvs_key *k = kvs_order_from(&w.o, from, false);

			for (uint32_t n = 0; n < 3; n++, i++) {
				while (i < KEY_CNT && there[i] == NULL) {
					i++;
				}
				assert_ptr_equal(k, i < KEY_CNT ? there[i] : NULL);
				if (k == NULL) {
					break;
				}
				k = kvs_order_next(&w.o, k);
			}
		} else if (there[i] == NULL) {
			there[i] = add(&w, i);
		} else {
			kvs_order_remove(&w.o, there[i]);
			heap_free(w.heap, there[i],
				  kvs_key_bytes(there[i]->height, there[i]->key_len));
			there[i] = NULL;
		}
	}
	free(w.mem);
}

/* Who stands at a key sees what is added behind it, however few were added. */
static void
next_sees_what_waits(void **state)
{
	struct world w;
	struct kvs_key *k;

	(void)state;
	world_make(&w);
	for (uint32_t i = 1; i < 100; i++) {
		(void)add(&w, 100 - i);
		k = add(&w, 200 - 2 * i + 1000);
		assert_at(&w, kvs_order_next(&w.o, k), i == 1 ? 2 * KEY_CNT : 202 - 2 * i + 1000);
	}
	free(w.mem);
}

/* A quarter of each level reaches the next: so a search is short, and a link costs 1.33
 * references. */
static void
heights(void **state)
{
	uint32_t cnt[KVS_ORDER_HEIGHT_MAX + 1] = { 0 }, links = 0;

	(void)state;
	for (uint64_t i = 0; i < 100000; i++) {
		uint32_t height = kvs_order_height(hash_bytes(&i, sizeof(i)));

		assert_in_range(height, 1, KVS_ORDER_HEIGHT_MAX);
		cnt[height]++;
		links += height;
	}
	assert_in_range(links, 131000, 136000);
	assert_in_range(cnt[1], 74000, 76000);
	assert_int_equal(kvs_order_height(0), KVS_ORDER_HEIGHT_MAX);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(empty),
		cmocka_unit_test(shuffled),
		cmocka_unit_test(coming_and_going),
		cmocka_unit_test(next_sees_what_waits),
		cmocka_unit_test(heights),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
