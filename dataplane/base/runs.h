/* SPDX-License-Identifier: Apache-2.0 */
/* runs.h - which pages are free, and where enough of them lie in a row; the lower half of heap.h
 *
 * Knows page numbers only, never the pages: its bits and its tree lie elsewhere. Neighbouring free
 * pages are one run without anything being merged.
 *
 * Owner: one thread.
 */
#ifndef MB_RUNS_H
#define MB_RUNS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RUNS_NONE      UINT32_MAX
#define RUNS_LEVEL_MAX 27 /* 64 pages a word, 2^26 words: all 32-bit page numbers */

/* Free pages at the beginning, the longest row of them anywhere, at the end: of one part. */
struct runs_node {
	uint32_t first, longest, last;
};

struct runs {
	uint32_t page_cnt;
	uint32_t level_cnt;
	uint64_t *free;                          /* a bit a page */
	struct runs_node *level[RUNS_LEVEL_MAX]; /* [0]: a node a word; each next: a node a pair */
	uint32_t node_cnt[RUNS_LEVEL_MAX];
};

/* Which of the places that fit: the lowest, or the highest. */
enum runs_end { RUNS_LOW, RUNS_HIGH };

/* runs_footprint gives the bytes that runs_init needs: about 0.5 a page. */
size_t runs_footprint(uint32_t page_cnt);

/* runs_init makes all pages free.
 *
 * Requires:  1 <= page_cnt < RUNS_NONE; mem is aligned to 8 and has the footprint.
 * Owns:      the caller keeps mem, for as long as r is used.
 */
void runs_init(struct runs *r, void *mem, uint32_t page_cnt);

/* runs_alloc takes cnt pages in a row, at one end of the lowest or highest row that is long enough.
 *
 * Requires:  cnt > 0
 * Returns:   the first page; RUNS_NONE if there is no such row.
 * Cost:      O(log page_cnt + cnt / 64)
 */
uint32_t runs_alloc(struct runs *r, uint32_t cnt, enum runs_end end);

/* runs_alloc_at takes cnt pages in a row, of which the first is `phase` more than a multiple of
 * `every`: the last such place in the highest row that is long enough to have one wherever it lies.
 *
 * Requires:  cnt > 0; phase < every; cnt + every <= RUNS_NONE
 * Returns:   the first page; RUNS_NONE if no row has cnt + every - 1.
 * Cost:      as runs_alloc
 */
uint32_t runs_alloc_at(struct runs *r, uint32_t cnt, uint32_t every, uint32_t phase);

/* runs_free gives pages back.
 *
 * Requires:  all of them are taken. They need not have been taken by one call.
 * Cost:      O(log page_cnt + cnt / 64)
 */
void runs_free(struct runs *r, uint32_t page, uint32_t cnt);

/* runs_is_free tells whether a page is free. */
bool runs_is_free(const struct runs *r, uint32_t page);

/* runs_check computes the tree anew and stops the process if it differs. For tests. */
void runs_check(const struct runs *r);

#endif
