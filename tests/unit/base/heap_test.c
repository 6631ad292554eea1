/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   the promises of heap.h one by one: what it refuses, how it rounds and aligns, that it
 *         fills an extent, that all of it comes back, that it touches only what it needs.
 * Method: each promise on an extent of its own; misuse in a child. For random work see
 *         heap_model_test. */
#include "heap.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "compiler.h"
#include "heap_layout.h"
#include "rng.h"
#include "test_cmocka.h"
#include "test_death.h"
#include "test_seed.h"

#define MIB ((size_t)1 << 20)
#define GIB ((size_t)1 << 30)

static void *extent;

static struct heap *
heap_make(size_t bytes)
{
	extent = aligned_alloc(HEAP_PAGE, bytes);
	assert_non_null(extent);
	memset(extent, 0xee, bytes < MIB ? bytes : MIB); /* what was in it does not matter */
	return heap_init(extent, bytes);
}

/* ----------------------------------------------------------------- misuse */

struct misuse {
	struct heap *h;
	uint8_t *p;
	size_t bytes;
	bool twice;
};

static void
misuse_free(void *arg)
{
	struct misuse *m = arg;

	heap_free(m->h, m->p, m->bytes);
	if (m->twice) {
		heap_free(m->h, m->p, m->bytes);
	}
}

static void
assert_stops(struct heap *h, uint8_t *p, size_t bytes, bool twice, const char *why)
{
	char text[TEST_DEATH_TEXT_BYTES];
	struct misuse m = { h, p, bytes, twice };

	assert_true(test_dies(misuse_free, &m, text));
	if (strstr(text, why) == NULL) {
		fail_msg("expected '%s' in: %s", why, text);
	}
}

static void
too_small(void *arg)
{
	heap_init(arg, HEAP_EXTENT_BYTES_MIN - 1);
}

static void
a_false_free_stops_the_process(void **state)
{
	struct heap *h = heap_make(MIB);
	uint8_t *small = heap_alloc(h, 100);
	uint8_t *neighbour = heap_alloc(h, 100);
	uint8_t *large = heap_alloc(h, 20000); /* five pages */
	uint8_t *next = heap_alloc(h, 20000);
	char text[TEST_DEATH_TEXT_BYTES];

	assert_true(test_dies(too_small, extent, text));
	assert_ptr_equal(neighbour, small + 128);
	assert_ptr_equal(next, large + 5 * HEAP_PAGE);

	assert_stops(h, small, 100, true, "is free already");
	assert_stops(h, large, 20000, true, "is free already");
	assert_stops(h, small, 200, false, "is of 128 bytes, not 256");
	assert_stops(h, small + 64, 100, false, "is not where an object begins");
	assert_stops(h, (uint8_t *)((uintptr_t)small & -(uintptr_t)HEAP_PAGE), 100, false,
		     "is not where an object begins");
	assert_stops(h, small, HEAP_PAGE, false, "is not where an object of whole pages begins");
	assert_stops(h, large, 100, false, "is in an object of whole pages");
	assert_stops(h, large + 1, 20000, false, "is not where an object of whole pages begins");
	assert_stops(h, large + HEAP_PAGE, 16384, false,
		     "is not where an object of whole pages begins");
	assert_stops(h, large, 16384, false, "is longer than 16384 bytes");
	assert_stops(h, large, 20481, false, "is shorter than 24576 bytes");
	assert_stops(h, large, 10 * HEAP_PAGE, false, "is shorter than 40960 bytes");
	assert_stops(h, large, 2 * MIB, false, "no room for");
	assert_stops(h, extent, 100, false, "is outside of the extent");
	assert_stops(h, (uint8_t *)&h, 100, false, "is outside of the extent");
	heap_check(h);
	free(extent);
}

/* ------------------------------------------------------------- exhaustion */

static void
what_cannot_fit_is_null(void **state)
{
	struct heap *h = heap_make(HEAP_EXTENT_BYTES_MIN);
	size_t capacity = heap_capacity_bytes(h);
	void *all;

	assert_in_range(capacity, HEAP_EXTENT_BYTES_MIN / 2, HEAP_EXTENT_BYTES_MIN);
	assert_null(heap_alloc(h, capacity + 1));
	assert_null(heap_alloc(h, SIZE_MAX));
	assert_null(heap_alloc(h, SIZE_MAX / 2 + 1));
	all = heap_alloc(h, capacity);
	assert_non_null(all);
	assert_null(heap_alloc(h, 0));
	assert_null(heap_alloc(h, 1));
	assert_null(heap_alloc(h, HEAP_PAGE));
	assert_int_equal(heap_used_bytes(h), capacity);
	heap_check(h);
	heap_free(h, all, capacity);
	assert_int_equal(heap_used_bytes(h), 0);
	heap_check(h);
	free(extent);
}

/* Fills the heap with objects of one size; gives how many, chained through their first word. */
static size_t
fill(struct heap *h, size_t bytes, void ***ret_chain)
{
	void **chain = NULL;
	size_t cnt = 0;
	void **p;

	while ((p = heap_alloc(h, bytes)) != NULL) {
		*p = chain;
		chain = p;
		cnt++;
	}
	*ret_chain = chain;
	return cnt;
}

static void
an_extent_is_filled_and_comes_back_whole(void **state)
{
	static const size_t sizes[] = { 16,    48,    64,    72,    128,   300,   512,
					1000,  1024,  2048,  2500,  4096,  5000,  8192,
					10240, 14000, 16384, 20000, 65536, 300000 };
	enum { EXTENT = 4 << 20 };

	for (size_t i = 0; i < ARRAY_CNT(sizes); i++) {
		struct heap *h = heap_make(EXTENT);
		size_t rounded = heap_rounded_bytes(sizes[i]);
		void **chain, *all;
		size_t cnt = fill(h, sizes[i], &chain);

		assert_int_equal(heap_used_bytes(h), cnt * rounded);
		/* Not more is left over than 4 % of headers, the ends of pages, a tail. */
		assert_true(cnt * rounded > (size_t)EXTENT * 94 / 100 - rounded);
		heap_check(h);

		while (chain != NULL) {
			void **p = chain;

			chain = *p;
			heap_free(h, p, sizes[i]);
		}
		heap_check(h);
		all = heap_alloc(h, heap_capacity_bytes(h));
		assert_non_null(all);
		heap_free(h, all, heap_capacity_bytes(h));
		free(extent);
	}
}

/* Single free pages only: a class that would like a long span gets a short one. */
static void
scattered_pages_still_serve_small_objects(void **state)
{
	struct heap *h = heap_make(MIB);
	size_t page_cnt = heap_capacity_bytes(h) / HEAP_PAGE;
	uint8_t *pages[256];
	void **chain;

	for (size_t i = 0; i < page_cnt; i++) {
		pages[i] = heap_alloc(h, HEAP_PAGE);
		assert_non_null(pages[i]);
	}
	for (size_t i = 0; i < page_cnt; i += 2) {
		heap_free(h, pages[i], HEAP_PAGE);
	}
	assert_null(heap_alloc(h, 2 * HEAP_PAGE));
	assert_null(heap_alloc(h, 5000)); /* two pages at least */
	assert_int_equal(fill(h, 1024, &chain), (page_cnt + 1) / 2 * 3);
	heap_check(h);
	free(extent);
}

/* Freeing and allocating one object must not build a span each time; but one span is enough. */
static void
a_class_keeps_one_empty_span(void **state)
{
	struct heap *h = heap_make(MIB);
	void *p[100]; /* of 128 bytes: four spans of a page */
	uint32_t taken = 0;

	for (size_t i = 0; i < ARRAY_CNT(p); i++) {
		p[i] = heap_alloc(h, 128);
	}
	for (size_t i = 0; i < ARRAY_CNT(p); i++) {
		heap_free(h, p[i], 128);
	}
	for (uint32_t page = 0; page < h->runs.page_cnt; page++) {
		taken += !runs_is_free(&h->runs, page);
	}
	assert_int_equal(taken, 1);
	assert_int_equal(heap_used_bytes(h), 0);
	heap_check(h);
	free(extent);
}

/* Each class may keep an empty span; together they must not stand in the way. */
static void
kept_empty_spans_are_given_up(void **state)
{
	struct heap *h = heap_make(2 * MIB);
	void *all;

	for (size_t bytes = 1; bytes <= HEAP_SMALL_MAX; bytes = heap_rounded_bytes(bytes) + 1) {
		heap_free(h, heap_alloc(h, bytes), bytes);
	}
	heap_check(h);
	assert_int_equal(heap_used_bytes(h), 0);
	all = heap_alloc(h, heap_capacity_bytes(h));
	assert_non_null(all);
	heap_free(h, all, heap_capacity_bytes(h));
	free(extent);
}

/* One object keeps its span. One of each class must not keep all of a small extent. */
static void
one_of_each_class_leaves_half_a_small_extent(void **state)
{
	struct heap *h = heap_make(MIB / 4);

	for (size_t bytes = 1; bytes < HEAP_SMALL_MAX; bytes = heap_rounded_bytes(bytes) + 1) {
		if (heap_rounded_bytes(bytes) % HEAP_PAGE != 0) {
			assert_non_null(heap_alloc(h, bytes));
		}
	}
	assert_true(heap_free_bytes(h) * 5 > heap_capacity_bytes(h) * 2);
	assert_non_null(heap_alloc(h, 64 << 10));
	heap_check(h);
	free(extent);
}

/* --------------------------------------------------------- size and place */

static void
sizes_are_rounded_as_promised(void **state)
{
	for (size_t bytes = 1; bytes < 300000; bytes++) {
		size_t rounded = heap_rounded_bytes(bytes);

		assert_true(rounded >= bytes);
		assert_true(heap_rounded_bytes(rounded) == rounded);
		assert_true(heap_rounded_bytes(bytes - 1) <= rounded);
		assert_int_equal(rounded % (bytes < 64 ? 16 : 64), 0);
		if (bytes > 256) {
			assert_true((rounded - bytes) * 5 < rounded);
		}
	}
	assert_int_equal(heap_rounded_bytes(0), 16);
	assert_int_equal(heap_rounded_bytes(257), 320);
	assert_int_equal(heap_rounded_bytes(64 * MIB + 1), 64 * MIB + HEAP_PAGE);
	assert_int_equal(heap_long_bytes(MIB), MIB);
	assert_int_equal(heap_long_bytes(MIB + 1), MIB + MIB / 16);
	assert_int_equal(heap_long_bytes(64 * MIB), 64 * MIB);
	assert_int_equal(heap_long_bytes(64 * MIB + 1), 68 * MIB);
	assert_int_equal(heap_long_bytes(68 * MIB), 68 * MIB);
	assert_int_equal(heap_long_bytes(0), 0);
}

static void
objects_are_aligned(void **state)
{
	struct heap *h = heap_make(8 * MIB);

	for (size_t bytes = 0; bytes < 70000; bytes += bytes < 1100 ? 1 : 517) {
		void *one = heap_alloc(h, bytes), *two = heap_alloc(h, bytes);

		assert_int_equal((uintptr_t)one % (bytes < 64 ? 16 : 64), 0);
		assert_int_equal((uintptr_t)two % (bytes < 64 ? 16 : 64), 0);
		heap_free(h, one, bytes);
		heap_free(h, two, bytes);
	}
	free(extent);
}

/* Behind one another with pages between, wherever the extent begins; but not where that is what
 * keeps one out. */
static void
long_objects_begin_as_large_pages_do(void **state)
{
	const size_t bytes = 32 * MIB, room = 5 * MIB + 1;

	for (size_t shift = 0; shift < 4; shift++) {
		uint8_t *mem = aligned_alloc(2 * MIB, bytes + 2 * MIB), *p;
		struct heap *h = heap_init(mem + shift * 123 * HEAP_PAGE, bytes);

		for (int i = 0; i < 4; i++) {
			p = heap_alloc(h, room);
			assert_non_null(p);
			assert_int_equal((uintptr_t)p % HEAP_AHEAD_BYTES, 0);
			assert_non_null(heap_alloc(h, 20 * HEAP_PAGE));
		}
		heap_check(h);
		h = heap_init(mem + shift * 123 * HEAP_PAGE, bytes);
		p = heap_alloc(h, heap_capacity_bytes(h));
		assert_non_null(p);
		heap_check(h);
		free(mem);
	}
}

static void
an_extent_may_begin_and_end_anywhere(void **state)
{
	struct rng rng;

	rng_init(&rng, test_seed("heap"));
	for (int round = 0; round < 200; round++) {
		size_t bytes = HEAP_EXTENT_BYTES_MIN + rng_below(&rng, 300000);
		size_t shift = rng_below(&rng, 5000);
		uint8_t *mem = malloc(shift + bytes); /* a sanitizer sees a byte outside */
		struct heap *h = heap_init(mem + shift, bytes);
		uint8_t *all = heap_alloc(h, heap_capacity_bytes(h));

		assert_true(all >= mem + shift);
		assert_true(all + heap_capacity_bytes(h) <= mem + shift + bytes);
		memset(all, 0x55, heap_capacity_bytes(h));
		assert_true(heap_capacity_bytes(h) + 16384 > bytes);
		heap_check(h);
		free(mem);
	}
}

static void
small_and_large_keep_to_their_ends(void **state)
{
	struct heap *h = heap_make(16 * MIB);
	uint8_t *small = heap_alloc(h, 100), *large = heap_alloc(h, MIB);
	uint8_t *page = heap_alloc(h, HEAP_PAGE);

	assert_true(small < page && page < large);
	assert_true(large - page > (ptrdiff_t)(14 * MIB));
	free(extent);
}

static void
a_huge_extent_is_touched_only_where_used(void **state)
{
	const size_t bytes = 64 * GIB;
	size_t resident = 0;
	unsigned char *map;
	struct heap *h;
	uint8_t *value;
	void *mem = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (mem == MAP_FAILED) { /* strict overcommit */
		skip();
	}
	madvise(mem, bytes, MADV_NOHUGEPAGE);
	h = heap_init(mem, bytes);
	assert_true(heap_capacity_bytes(h) > bytes - bytes / 2000);
	value = heap_alloc(h, 64 * MIB);
	value[0] = value[64 * MIB - 1] = 1;
	assert_non_null(heap_alloc(h, 16));

	map = malloc(bytes / HEAP_PAGE);
	assert_int_equal(mincore(mem, bytes, map), 0);
	for (size_t i = 0; i < bytes / HEAP_PAGE; i++) {
		resident += map[i] & 1;
	}
	assert_true(resident * HEAP_PAGE < bytes / 5000);
	free(map);
	munmap(mem, bytes);
}

static void
a_reserve_is_left_to_who_asks_for_it(void **state)
{
	struct heap *h = heap_make(MIB);
	uint32_t cnt = 0, more = 0;
	void *p[256];

	heap_reserve(h, 8 * HEAP_PAGE);
	while ((p[cnt] = heap_alloc(h, HEAP_PAGE)) != NULL) {
		cnt++;
	}
	assert_int_equal(heap_free_bytes(h), 8 * HEAP_PAGE);
	assert_null(heap_alloc(h, 100)); /* nor for a span */
	assert_non_null(heap_alloc_reserve(h, 100));
	assert_non_null(heap_alloc(h, 100)); /* that has room */
	while (heap_alloc_reserve(h, HEAP_PAGE) != NULL) {
		more++;
	}
	assert_in_range(more, 4, 7);
	heap_free(h, p[0], HEAP_PAGE);
	assert_null(heap_alloc(h, HEAP_PAGE)); /* the reserve is filled first */
	heap_check(h);
	free(extent);
}

/* Goal:   what is used elsewhere on a heap's account is not given out, out of the reserve neither;
 *         when less is, it is again.
 * Method: so much charged that two pages are left beside the reserve; then all, more than there
 *         is, and nothing.
 */
static void
what_is_charged_is_not_given_out(void **state)
{
	struct heap *h = heap_make(MIB);
	size_t free_bytes = heap_free_bytes(h);
	void *p[3];

	heap_reserve(h, 8 * HEAP_PAGE);
	heap_charge(h, free_bytes - 10 * HEAP_PAGE - 1);
	assert_int_equal(heap_free_bytes(h), 10 * HEAP_PAGE);
	assert_int_equal(heap_used_bytes(h), 0);
	for (uint32_t i = 0; i < 3; i++) {
		p[i] = heap_alloc(h, HEAP_PAGE);
		assert_int_equal(p[i] != NULL, i < 2);
	}
	assert_non_null(heap_alloc_reserve(h, 8 * HEAP_PAGE));
	assert_null(heap_alloc_reserve(h, 1));
	assert_int_equal(heap_free_bytes(h), 0);
	heap_charge(h, SIZE_MAX / 2);
	heap_free(h, p[0], HEAP_PAGE);
	assert_int_equal(heap_free_bytes(h), 0);
	assert_null(heap_alloc_reserve(h, HEAP_PAGE));
	heap_charge(h, 0);
	assert_int_equal(heap_free_bytes(h), free_bytes - 9 * HEAP_PAGE);
	assert_non_null(heap_alloc(h, free_bytes - 17 * HEAP_PAGE));
	free(extent);
}

/* Pages of the reserve go round: a class takes one, and nobody else the room that is left in it. */
static void
a_reserve_lasts_and_comes_back(void **state)
{
	static const size_t sizes[] = { 48, 100, 700, 1000, 2000, 2500 };
	struct heap *h = heap_make(MIB);
	void *p[ARRAY_CNT(sizes)], *last = NULL, *page;

	(void)state;
	heap_reserve(h, 8 * HEAP_PAGE);
	while ((page = heap_alloc(h, HEAP_PAGE)) != NULL) {
		last = page;
	}
	assert_true(heap_reserve_whole(h));
	for (uint32_t round = 0; round < 3; round++) {
		for (uint32_t i = 0; i < ARRAY_CNT(sizes); i++) {
			p[i] = heap_alloc_reserve(h, sizes[i]);
			assert_non_null(p[i]);
			assert_false(heap_reserve_whole(h));
		}
		for (uint32_t i = 0; i < ARRAY_CNT(sizes); i++) {
			heap_free(h, p[i], sizes[i]);
		}
		assert_true(heap_reserve_whole(h)); /* the empty spans count */
	}
	heap_free(h, last, HEAP_PAGE);
	assert_non_null(heap_alloc(h, 100));
	heap_check(h);
	free(extent);
}

static uint32_t
resident_cnt(uint8_t *mem, size_t bytes)
{
	unsigned char map[1024];
	uint32_t cnt = 0;

	assert_true(bytes / HEAP_PAGE <= sizeof(map));
	assert_int_equal(mincore(mem, bytes, map), 0);
	for (size_t i = 0; i < bytes / HEAP_PAGE; i++) {
		cnt += map[i] & 1;
	}
	return cnt;
}

static void
free_pages_go_back_to_the_system(void **state)
{
	const size_t bytes = 4 * MIB;
	uint8_t *mem =
		mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct heap *h;
	uint8_t *stays, *large;
	uint32_t calls = 1;

	assert_ptr_not_equal(mem, MAP_FAILED);
	madvise(mem, bytes, MADV_NOHUGEPAGE);
	h = heap_init(mem, bytes);
	stays = memset(heap_alloc(h, HEAP_PAGE), 7, HEAP_PAGE);
	large = memset(heap_alloc(h, 3 * MIB), 1, 3 * MIB);
	assert_int_equal(heap_held_bytes(h), 3 * MIB + HEAP_PAGE);
	assert_int_equal(heap_idle_bytes(h), 0);
	heap_free(h, large, 3 * MIB);
	assert_int_equal(heap_held_bytes(h), 3 * MIB + HEAP_PAGE);
	assert_int_equal(heap_idle_bytes(h), 3 * MIB);
	assert_true(resident_cnt(mem, bytes) >= 3 * MIB / HEAP_PAGE);
	while (heap_trim(h, MIB / 4)) {
		calls++;
	}
	assert_in_range(calls, 15, 17); /* each has its bound */
	assert_true(resident_cnt(mem, bytes) < 16);
	assert_int_equal(heap_held_bytes(h), HEAP_PAGE);
	assert_int_equal(heap_idle_bytes(h), 0);
	assert_int_equal(stays[HEAP_PAGE - 1], 7);
	heap_check(h);
	assert_non_null(heap_alloc(h, 3 * MIB));
	munmap(mem, bytes);
}

#define LARGE HEAP_AHEAD_BYTES

/* Takes pages one by one until a large page is named. */
static uint8_t *
ahead_after(struct heap *h, size_t bytes, uint8_t **ret_last)
{
	void *at = NULL;

	while (at == NULL && (*ret_last = heap_alloc(h, bytes)) != NULL) {
		at = heap_ahead(h, LARGE / 2);
	}
	return at;
}

static void
the_next_large_page_is_named_when_half_of_one_is_taken(void **state)
{
	const size_t piece = 64U << 10; /* from the high end */
	uint8_t *mem = mmap(NULL, 9 * LARGE, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	uint8_t *from = (uint8_t *)ALIGN_UP((uintptr_t)mem, LARGE), *last;
	uint8_t *page[3 * LARGE / HEAP_PAGE];
	size_t cnt = 0;
	struct heap *h;

	(void)state;
	assert_ptr_not_equal(mem, MAP_FAILED);
	h = heap_init(from, 8 * LARGE);
	assert_ptr_equal(heap_ahead(h, LARGE / 2), from + 7 * LARGE); /* where the first will lie */
	assert_null(heap_ahead(h, LARGE / 2));
	for (size_t i = 1; i < 4;) { /* each once, in time and not before */
		uint8_t *at;

		assert_non_null(page[cnt] = heap_alloc(h, HEAP_PAGE));
		at = heap_ahead(h, LARGE / 2);
		if (at != NULL) {
			assert_ptr_equal(at, from + i++ * LARGE);
			assert_int_equal(at - page[cnt], LARGE / 2);
		}
		cnt++;
	}
	for (size_t i = 6; i > 4; i--) {
		assert_false(heap_lacks(h, LARGE / 2));
		assert_ptr_equal(ahead_after(h, piece, &last), from + i * LARGE);
		assert_in_range(last - (from + i * LARGE), 3 * LARGE / 2 - piece,
				3 * LARGE / 2 - 1);
	}
	/* Not what the heap has already; but what went back to the system, again. */
	heap_free(h, last, piece);
	assert_non_null(heap_alloc(h, piece));
	assert_null(heap_ahead(h, LARGE / 2));
	for (size_t i = 0; i < cnt; i++) {
		heap_free(h, page[i], HEAP_PAGE);
	}
	while (heap_trim(h, LARGE)) {
	}
	assert_ptr_equal(ahead_after(h, HEAP_PAGE, &last), from + LARGE);
	munmap(mem, 9 * LARGE);
}

/* How many large pages are named; all lie between `from` and `to`, and each is named once. */
static uint32_t
ahead_cnt(struct heap *h, size_t bytes, const uint8_t *from, const uint8_t *to)
{
	uint64_t seen = 0;
	uint32_t cnt = 0;

	for (uint8_t *at; (at = heap_ahead(h, bytes)) != NULL; cnt++) {
		size_t i = (size_t)(at - from) / LARGE;

		assert_true(at >= from && at + LARGE <= to);
		assert_int_equal(seen >> i & 1, 0);
		seen |= UINT64_C(1) << i;
	}
	return cnt;
}

static void
a_reserve_is_named_at_both_ends(void **state)
{
	uint8_t *mem = mmap(NULL, 33 * LARGE, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	uint8_t *from = (uint8_t *)ALIGN_UP((uintptr_t)mem, LARGE), *to = from + 32 * LARGE;
	struct heap *h;
	uint8_t *high;

	(void)state;
	assert_ptr_not_equal(mem, MAP_FAILED);
	h = heap_init(from, 32 * LARGE);
	assert_false(heap_lacks(h, 0));
	assert_int_equal(ahead_cnt(h, 3 * LARGE, from, to), 6);
	assert_false(heap_lacks(h, 3 * LARGE));
	/* What is taken of it is missing, at that end. */
	assert_non_null(high = heap_alloc(h, 2 * LARGE));
	assert_false(heap_lacks(h, LARGE));
	assert_true(heap_lacks(h, 3 * LARGE));
	assert_int_equal(ahead_cnt(h, 3 * LARGE, to - 5 * LARGE, to - 3 * LARGE), 2);
	/* Behind what was given back nothing is missing yet; it is itself. */
	heap_free(h, high, 2 * LARGE);
	assert_false(heap_lacks(h, 3 * LARGE));
	while (heap_trim(h, LARGE)) {
	}
	assert_int_equal(ahead_cnt(h, 3 * LARGE, to - 3 * LARGE, to), 3);
	munmap(mem, 33 * LARGE);
}

static void
no_large_page_is_named_that_is_not_all_of_the_extent(void **state)
{
	uint8_t *mem = mmap(NULL, 4 * LARGE, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	uint8_t *from = (uint8_t *)ALIGN_UP((uintptr_t)mem, LARGE) + 4 * HEAP_PAGE, *last;
	struct heap *h;

	(void)state;
	assert_ptr_not_equal(mem, MAP_FAILED);
	h = heap_init(from, 2 * LARGE); /* one is, in its middle */
	assert_ptr_equal(heap_ahead(h, LARGE / 2), from + LARGE - 4 * HEAP_PAGE); /* from behind */
	assert_ptr_equal(ahead_after(h, HEAP_PAGE, &last), from + LARGE - 4 * HEAP_PAGE);
	assert_null(ahead_after(h, HEAP_PAGE, &last));
	assert_null(last); /* it is full */
	h = heap_init(from, 2 * LARGE);
	for (uint32_t i = 0; i < 2; i++) { /* from each end */
		assert_ptr_equal(heap_ahead(h, 9 * LARGE), from + LARGE - 4 * HEAP_PAGE);
	}
	assert_false(heap_lacks(h, 9 * LARGE));
	munmap(mem, 4 * LARGE);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_false_free_stops_the_process),
		cmocka_unit_test(what_cannot_fit_is_null),
		cmocka_unit_test(an_extent_is_filled_and_comes_back_whole),
		cmocka_unit_test(scattered_pages_still_serve_small_objects),
		cmocka_unit_test(a_class_keeps_one_empty_span),
		cmocka_unit_test(kept_empty_spans_are_given_up),
		cmocka_unit_test(one_of_each_class_leaves_half_a_small_extent),
		cmocka_unit_test(sizes_are_rounded_as_promised),
		cmocka_unit_test(objects_are_aligned),
		cmocka_unit_test(long_objects_begin_as_large_pages_do),
		cmocka_unit_test(an_extent_may_begin_and_end_anywhere),
		cmocka_unit_test(small_and_large_keep_to_their_ends),
		cmocka_unit_test(a_huge_extent_is_touched_only_where_used),
		cmocka_unit_test(a_reserve_is_left_to_who_asks_for_it),
		cmocka_unit_test(what_is_charged_is_not_given_out),
		cmocka_unit_test(a_reserve_lasts_and_comes_back),
		cmocka_unit_test(free_pages_go_back_to_the_system),
		cmocka_unit_test(the_next_large_page_is_named_when_half_of_one_is_taken),
		cmocka_unit_test(a_reserve_is_named_at_both_ends),
		cmocka_unit_test(no_large_page_is_named_that_is_not_all_of_the_extent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
