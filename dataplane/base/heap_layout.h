/* SPDX-License-Identifier: Apache-2.0 */
/* heap_layout.h - what lies where in the extent of a heap; shared by heap.c and heap_check.c only
 *
 *	┌──────┬──────────────┬─────────────┬───────┬──────┬──────┬──────┬── ─ ─ ─ ─┬──────┐
 *	│ heap │ tree and bits│ a bit, then │ gap < │ page │ page │ page │           │ page │
 *	│      │ of the runs  │ a tag a page│ 4 KiB │  0   │  1   │  2   │           │ n-1  │
 *	└──────┴──────────────┴─────────────┴───────┴──────┴──────┴──────┴── ─ ─ ─ ─┴──────┘
 */
#ifndef MB_HEAP_LAYOUT_H
#define MB_HEAP_LAYOUT_H

#include <stdint.h>

#include "compiler.h"
#include "heap.h"
#include "runs.h"

enum {
	HEAP_MAGIC = 0x48454150,
	SPAN_MAGIC = 0x5350414e,

	HEAP_PAGE = 4096, /* finer than any value that gets pages of its own would notice */

	HEAP_SMALL_MAX = 16384, /* above it, sizes are whole pages */
	HEAP_CLASS_CNT = 31,    /* of sizes up to HEAP_SMALL_MAX: see class_of in heap.c */

	HEAP_LARGE_PAGES = 1024,

	SPAN_PAGES_MAX = 16,
	SPAN_OBJECT_MAX = 4096, /* the most a span can have: 64 words of 64 bits */
};

/* What a taken page is. Says nothing about a free one. */
enum {
	TAG_SPAN = 0, /* page i of a span: TAG_SPAN + i */
	TAG_SPAN_END = SPAN_PAGES_MAX,
	TAG_RUN_MORE = 254, /* a later page of a large object */
	TAG_RUN = 255,      /* the first page of a large object */
};

#define PAGE_NONE RUNS_NONE

/* A few pages cut into objects of one class, at the start of those pages. */
struct span {
	uint32_t magic;
	uint32_t next, prev; /* the list of its class; meaningless while it is full */
	uint8_t cls;
	uint8_t page_cnt;
	uint16_t first; /* offset of object 0 */
	uint16_t object_cnt;
	uint16_t free_cnt;
	uint64_t free_words; /* bit w: free[w] is not 0 */
	uint64_t free[];     /* a bit an object */
};

static_assert(SPAN_OBJECT_MAX <= 64 * 64, "free_words cannot name every word");
static_assert(SPAN_PAGES_MAX * HEAP_PAGE <= 1 << 16, "an offset in a span is 16 bits");

struct heap_class {
	uint32_t bytes;
	uint32_t reciprocal; /* ceil(2^32 / bytes) */
	uint32_t page_cnt;   /* of a new span */
	uint32_t spans;      /* first page of the first span with a free object, or PAGE_NONE; */
	uint32_t last;       /* of the last one */
};

struct heap {
	uint32_t magic;
	uint8_t *page;  /* page 0 */
	uint64_t *held; /* a bit a page: it was used, and not given back to the system since */
	uint8_t *tag;
	size_t used_bytes;
	uint32_t free_cnt;    /* pages */
	uint32_t held_cnt;    /* bits of held */
	uint32_t reserve_cnt; /* of them heap_alloc leaves */
	uint32_t charged_cnt; /* of them everybody leaves */
	uint32_t trim_at;     /* the page that heap_trim looks at next */
	uint32_t edge[2];     /* by enum runs_end: where pages begin that are not held, */
	uint32_t ahead[2];    /* and where those that heap_ahead has not named */
	struct runs runs;
	struct heap_class classes[HEAP_CLASS_CNT];
};

static inline struct span *
heap_span(const struct heap *h, uint32_t page)
{
	return (struct span *)(h->page + (size_t)page * HEAP_PAGE);
}

/* Runs from HEAP_LARGE_PAGES on begin where a large page may, while there is such a place: what
 * exchanges its pages with others (pages.h) does so by the large page if both lie alike. */
static inline uint32_t
heap_runs_take(struct heap *h, uint32_t cnt, enum runs_end end)
{
	const uint32_t every = HEAP_AHEAD_BYTES / HEAP_PAGE;
	uint32_t first = (uint32_t)((uintptr_t)h->page / HEAP_PAGE % every), page = PAGE_NONE;

	if (cnt >= HEAP_LARGE_PAGES) {
		page = runs_alloc_at(&h->runs, cnt, every, (every - first) % every);
	}
	return page != PAGE_NONE ? page : runs_alloc(&h->runs, cnt, end);
}

#endif
