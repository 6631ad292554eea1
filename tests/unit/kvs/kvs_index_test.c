/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   the index finds exactly what was added, while it grows, and survives a full heap.
 * Method: keys in a heap of the size to be tested; after each phase every key is looked up, and as
 *         many that were not added; a heap that is filled up until an add is refused.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kvs_index.h"
#include "microburst/error.h"
#include "test_cmocka.h"

struct world {
	uint8_t *mem;
	struct heap *heap;
	struct kvs_index x;
};

static void
world_make(struct world *w, size_t bytes)
{
	w->mem = aligned_alloc(64, bytes);
	assert_non_null(w->mem);
	w->heap = heap_init(w->mem, bytes);
	assert_int_equal(kvs_index_init(&w->x, w->mem, w->heap, bytes, 7), 0);
}

static struct slice
name_of(char buf[24], uint32_t i)
{
	return slice_of(buf, (size_t)snprintf(buf, 24, "key-%u", i));
}

/* Returns: what the index said, or MB_ERR_NO_MEMORY of the heap. */
static int
add(struct world *w, uint32_t i)
{
	char buf[24];
	struct slice name = name_of(buf, i);
	size_t bytes = kvs_key_bytes(1, name.len);
	struct kvs_key *k = heap_alloc(w->heap, bytes);
	int err;

	if (k == NULL) {
		return MB_ERR_NO_MEMORY;
	}
	*k = (struct kvs_key){ .key_len = (uint16_t)name.len, .height = 1 };
	memcpy(&k->next[1], name.p, name.len);
	err = kvs_index_add(&w->x, kvs_index_hash(&w->x, name), k);
	if (err != 0) {
		heap_free(w->heap, k, bytes);
	}
	return err;
}

static bool
has(struct world *w, uint32_t i)
{
	char buf[24];
	struct slice name = name_of(buf, i);
	struct kvs_key *k = kvs_index_find(&w->x, kvs_index_hash(&w->x, name), name);

	return k != NULL && slice_eq(kvs_key_slice(k), name);
}

static void
full_heap(void **state)
{
	struct world w;
	uint32_t cnt = 0;

	(void)state;
	world_make(&w, 1 << 20);
	while (add(&w, cnt) == 0) {
		cnt++;
	}
	assert_true(cnt > 1000);
	assert_int_equal(w.x.cnt, cnt);
	for (uint32_t i = 0; i < cnt; i++) {
		assert_true(has(&w, i));
	}
	assert_false(has(&w, cnt));
	heap_check(w.heap);
	free(w.mem);
}

static void
empty(void **state)
{
	struct world w;

	(void)state;
	world_make(&w, 1 << 20);
	for (uint32_t i = 0; i < 1000; i++) {
		assert_false(has(&w, i));
	}
	free(w.mem);
}

/* Looked at again at each power of two and between: in every phase of a round of splits. */
static void
grows(void **state)
{
	struct world w;
	uint32_t cnt = 0;

	(void)state;
	world_make(&w, 64 << 20);
	for (uint32_t until = 1; until <= 300000; until += until / 3 + 1) {
		for (; cnt < until; cnt++) {
			assert_int_equal(add(&w, cnt), 0);
		}
		for (uint32_t i = 0; i < cnt; i += 1 + cnt / 5000) {
			assert_true(has(&w, i));
			assert_false(has(&w, i + 1000000));
		}
	}
	for (uint32_t i = 0; i < cnt; i++) {
		assert_true(has(&w, i));
	}
	/* The memory is what KVS_INDEX_FILL says, and the table of chunks. */
	assert_true(kvs_index_bytes(&w.x) < (size_t)cnt * 64 / KVS_INDEX_FILL + (1 << 17));
	heap_check(w.heap);
	free(w.mem);
}

static void
take(struct world *w, uint32_t i)
{
	char buf[24];
	struct slice name = name_of(buf, i);
	uint64_t hash = kvs_index_hash(&w->x, name);
	struct kvs_key *k = kvs_index_find(&w->x, hash, name);

	assert_non_null(k);
	kvs_index_remove(&w->x, hash, k);
	heap_free(w->heap, k, kvs_key_bytes(1, name.len));
}

/* Down to nothing and up again, in an order of its own: what is left is found at each size, and the
 * memory of what went is there for others. */
static void
shrinks(void **state)
{
	enum { CNT = 100000 };
	struct world w;
	size_t before, most;

	(void)state;
	world_make(&w, 16 << 20);
	before = heap_used_bytes(w.heap);
	for (uint32_t round = 0; round < 2; round++) {
		for (uint32_t i = 0; i < CNT; i++) {
			assert_int_equal(add(&w, i), 0);
		}
		most = kvs_index_bytes(&w.x);
		for (uint32_t i = 0; i < CNT; i++) {
			take(&w, (uint32_t)(i * UINT64_C(7919) % CNT));
			if (i % (CNT / 50) == 0) {
				for (uint32_t j = i + 1; j < CNT; j += 97) {
					assert_true(has(&w, (uint32_t)(j * UINT64_C(7919) % CNT)));
				}
				assert_false(has(&w, (uint32_t)(i * UINT64_C(7919) % CNT)));
			}
			if (i == CNT * 3 / 4) {
				assert_true(kvs_index_bytes(&w.x) < most * 2 / 3);
			}
		}
		heap_check(w.heap);
		assert_int_equal(heap_used_bytes(w.heap), before);
	}
	free(w.mem);
}

/* Two keys of one hash are two keys. */
static void
same_hash(void **state)
{
	struct world w;
	struct slice a = slice_str("a"), b = slice_str("b");
	struct kvs_key *k;

	(void)state;
	world_make(&w, 1 << 20);
	for (uint32_t i = 0; i < 2; i++) {
		k = heap_alloc(w.heap, kvs_key_bytes(1, 1));
		*k = (struct kvs_key){ .key_len = 1, .height = 1 };
		memcpy(&k->next[1], i == 0 ? a.p : b.p, 1);
		assert_int_equal(kvs_index_add(&w.x, 42, k), 0);
	}
	assert_true(slice_eq(kvs_key_slice(kvs_index_find(&w.x, 42, a)), a));
	assert_true(slice_eq(kvs_key_slice(kvs_index_find(&w.x, 42, b)), b));
	assert_null(kvs_index_find(&w.x, 42, slice_str("c")));
	free(w.mem);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(full_heap), cmocka_unit_test(empty),     cmocka_unit_test(grows),
		cmocka_unit_test(shrinks),   cmocka_unit_test(same_hash),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
