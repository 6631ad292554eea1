/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   pages_bring brings all the bytes that it says, leaves the others on both sides as they
 *         were, and makes no more cuts than it may; wherever the mappings begin by then, and with
 *         as many as a process may have, locked pages, or a process that shares them by a fork.
 * Method: random ranges of an extent and of another mapping change places, over and over, beside a
 *         plain model of the extent: each page has a number in its first and its last word.
 */
#include "pages.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "compiler.h"
#include "rng.h"
#include "test_cmocka.h"
#include "test_seed.h"

#define PAGE_CNT 1024U /* of the extent */
#define WORDS    (PAGES_BYTES / sizeof(uint64_t))

struct world {
	struct pages *pages;
	uint64_t *mem, *other;
	uint64_t is[PAGE_CNT]; /* what the extent's pages have */
	uint64_t last;
};

static uint64_t *
map(void)
{
	void *p = mmap(NULL, (size_t)PAGE_CNT * PAGES_BYTES, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	assert_true(p != MAP_FAILED);
	return p;
}

static void
page_set(uint64_t *page, uint64_t n)
{
	page[0] = n;
	page[WORDS - 1] = ~n;
}

static void
page_is(const uint64_t *page, uint64_t n)
{
	assert_int_equal(page[0], n);
	assert_int_equal(page[WORDS - 1], ~n);
}

static void
world_make(struct world *w, uint32_t cut_max)
{
	memset(w, 0, sizeof(*w));
	w->mem = map();
	w->other = map();
	assert_int_equal(pages_create(&w->pages, w->mem, (size_t)PAGE_CNT * PAGES_BYTES, cut_max),
			 0);
	for (uint32_t i = 0; i < PAGE_CNT; i++) {
		page_set(w->mem + i * WORDS, w->is[i] = ++w->last);
	}
}

static void
world_end(struct world *w)
{
	pages_destroy(w->pages);
	munmap(w->mem, (size_t)PAGE_CNT * PAGES_BYTES);
	munmap(w->other, (size_t)PAGE_CNT * PAGES_BYTES);
}

/* Returns: how many pages were brought. */
static size_t
bring(struct world *w, size_t at, size_t from, size_t cnt)
{
	uint64_t first = w->last + 1;
	size_t n;

	for (size_t i = 0; i < cnt; i++) {
		page_set(w->other + (from + i) * WORDS, ++w->last);
	}
	n = pages_bring(w->pages, (uint8_t *)(w->mem + at * WORDS),
			(uint8_t *)(w->other + from * WORDS), cnt * PAGES_BYTES);
	assert_int_equal(n % PAGES_BYTES, 0);
	n /= PAGES_BYTES;
	assert_true(n <= cnt);
	for (size_t i = 0; i < cnt; i++) {
		w->is[at + i] = i < n ? first + i : w->is[at + i];
		if (i >= n) { /* it is where it was */
			page_is(w->other + (from + i) * WORDS, first + i);
		}
	}
	for (size_t i = 0; i < PAGE_CNT; i++) {
		page_is(w->mem + i * WORDS, w->is[i]);
	}
	return n;
}

/* Before 5.7 Linux has no such exchange, nor has valgrind: then there is nothing to see here. */
static void
need_exchange(void)
{
	uint8_t *p = (uint8_t *)map();
	void *to = mremap(p, PAGES_BYTES, PAGES_BYTES, MREMAP_MAYMOVE | MREMAP_DONTUNMAP, NULL);

	munmap(p, (size_t)PAGE_CNT * PAGES_BYTES);
	if (to == MAP_FAILED) {
		skip();
	}
	munmap(to, PAGES_BYTES);
}

/* Where a mapping is whole all of it comes, with its pages: what was there is in the other. */
static void
changes_places(void **state)
{
	struct world w;
	uint64_t was;

	(void)state;
	need_exchange();
	world_make(&w, 64);
	was = w.is[100];
	assert_int_equal(bring(&w, 100, 7, 800), 800);
	page_is(w.other + 7 * WORDS, was);
	assert_int_equal(pages_cuts(w.pages), 2);
	assert_int_equal(bring(&w, 100, 7, 800), 800); /* the same again: no more cuts */
	assert_int_equal(pages_cuts(w.pages), 2);
	assert_int_equal(bring(&w, 0, 0, 0), 0);
	world_end(&w);
}

/* Not enough for all: the limit, or a refusal, ends it, and nothing is lost. */
static void
limit_holds(void **state)
{
	struct world w;

	(void)state;
	need_exchange();
	world_make(&w, 3);
	assert_int_equal(bring(&w, 10, 10, 500), 500);
	assert_true(bring(&w, 600, 600, 400) < 400); /* some is copied, and the rest is not */
	assert_int_equal(pages_cuts(w.pages), 2);
	world_end(&w);
}

static void
any_ranges(void **state)
{
	struct world w;
	struct rng r;
	size_t all = 0, brought = 0;

	(void)state;
	rng_init(&r, test_seed("pages"));
	world_make(&w, 200);
	for (uint32_t round = 0; round < 300; round++) {
		size_t cnt = 1 + rng_below(&r, PAGE_CNT), at = rng_below(&r, PAGE_CNT - cnt + 1),
		       from = rng_below(&r, PAGE_CNT - cnt + 1);

		if (round % 4 != 0) { /* as who uses one for another length takes it anew */
			munmap(w.other, (size_t)PAGE_CNT * PAGES_BYTES);
			w.other = map();
		}
		all += cnt;
		brought += bring(&w, at, from, cnt);
		assert_true(pages_cuts(w.pages) <= 200);
	}
	assert_true(brought > all / 8);
	world_end(&w);
}

/* How many mappings a process may have; 0: so many that it takes too long to make them. */
static uint32_t
mappings_max(void)
{
	FILE *f = fopen("/proc/sys/vm/max_map_count", "re");
	unsigned long max = 0;
	char text[32];

	if (f != NULL) {
		max = fgets(text, sizeof(text), f) != NULL ? strtoul(text, NULL, 10) : 0;
		fclose(f);
	}
	return max <= 70000 ? (uint32_t)max : 0;
}

/* Every second page of so many is a mapping of its own, until the kernel makes no more. Returns:
 * how many. */
static uint32_t
mappings_fill(uint8_t *all, uint32_t cnt)
{
	uint32_t n = 0;

	while (n < cnt &&
	       mprotect(all + (size_t)(2 * n + 1) * PAGES_BYTES, PAGES_BYTES, PROT_NONE) == 0) {
		n++;
	}
	return n;
}

/* With no mapping to spare, and with more of them from time to time: what is brought by pages, or
 * copied where the kernel refuses, is there, and the rest is where it was. */
static void
no_mapping_left(void **state)
{
	uint32_t max = mappings_max(), n, brought = 0;
	size_t bytes = (size_t)(max + 2) * PAGES_BYTES;
	struct world w;
	uint8_t *all;

	(void)state;
	need_exchange();
	if (max == 0) {
		skip();
	}
	world_make(&w, 64);
	all = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
		   -1, 0);
	assert_true(all != MAP_FAILED);
	n = mappings_fill(all, max / 2);
	for (uint32_t spare = 0; spare < 16 && n > spare; spare++) {
		brought += bring(&w, 10 + 60 * spare, 10 + 60 * spare, 50) == 50;
		/* one mapping again of what were three, or two */
		assert_int_equal(mprotect(all + (size_t)(2 * (n - spare) - 1) * PAGES_BYTES,
					  PAGES_BYTES, PROT_READ | PROT_WRITE),
				 0);
	}
	munmap(all, bytes);
	assert_in_range(brought, 1, 16);
	assert_int_equal(bring(&w, 10, 10, 50), 50);
	world_end(&w);
}

/* A process that came of a fork has what there was, and sees nothing of it. */
static void
beside_a_fork(void **state)
{
	struct world w;
	int go[2], status;
	pid_t pid;
	char c = 0;

	(void)state;
	need_exchange();
	world_make(&w, 64);
	assert_int_equal(bring(&w, 100, 100, 300), 300);
	assert_int_equal(pipe(go), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		bool same = read(go[0], &c, 1) == 1;

		for (size_t i = 0; i < PAGE_CNT; i++) {
			same = same && w.mem[i * WORDS] == w.is[i];
		}
		_exit(same ? 0 : 1);
	}
	assert_int_equal(bring(&w, 50, 50, 600), 600);
	assert_int_equal(write(go[1], &c, 1), 1);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(bring(&w, 50, 50, 600), 600);
	close(go[0]);
	close(go[1]);
	world_end(&w);
}

/* Pages that may not leave the memory, of both, of one, of a part. */
static void
locked(void **state)
{
	struct world w;

	(void)state;
	need_exchange();
	world_make(&w, 64);
	if (mlock(w.mem, (size_t)PAGE_CNT * PAGES_BYTES / 4) != 0) {
		world_end(&w);
		skip();
	}
	assert_int_equal(bring(&w, 10, 10, 100), 100);
	assert_int_equal(bring(&w, 200, 10, 100), 100);
	assert_int_equal(mlock(w.other, (size_t)PAGE_CNT * PAGES_BYTES / 8), 0);
	assert_int_equal(bring(&w, 10, 10, 100), 100);
	assert_int_equal(bring(&w, 500, 100, 200), 200);
	world_end(&w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(changes_places), cmocka_unit_test(limit_holds),
		cmocka_unit_test(any_ranges),     cmocka_unit_test(no_mapping_left),
		cmocka_unit_test(beside_a_fork),  cmocka_unit_test(locked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
