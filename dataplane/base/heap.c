/* SPDX-License-Identifier: Apache-2.0 */
/* heap.c - objects in spans, spans and large objects in runs of pages
 *
 * Two layers. Below, runs.h takes and gives back pages in a row. Above, a size is either
 *
 *   whole pages    4, 8, 12, 16 KiB and everything larger: a run of its own; or
 *   a class        any other size up to 16 KiB: 16 32 48 64 | 128 192 256 | then four an octave,
 *                  320 384 448 512 | 640 ...; one of the equal objects of a span.
 *
 *	span:  [ header | a bit an object ][ object 0 ][ object 1 ] ... [ object n-1 ]
 *	tags:     0            0                 0     1                2
 *
 * I1  A taken page belongs to exactly one span or one large object, and its tag says which page of
 *     it this is. So from any address: page, tag, the first page. Tags of free pages mean nothing.
 * I2  A span's bit is 1 exactly when that object is free; free_cnt is the number of those bits;
 *     free_words has a bit for each word that is not 0. Two bit scans find the lowest free object.
 * I3  A span is on the list of its class exactly when it has a free object. An empty span is given
 *     back at once, unless it is alone on the list: a workload that frees and allocates one object
 *     must not build a span each time. So a class keeps at most one empty span, the last of its
 *     list, as others were put before it.
 * I4  Before heap_alloc says NULL it gives those empty spans back and tries again. With I1 that
 *     means: with no objects, the heap is one run of all its pages.
 * I5  used_bytes is the sum of the rounded sizes of all live objects.
 * I6  A taken page is held, and held_cnt is the number of those.
 *
 * Fragmentation. Small objects fill the lowest free one of a span. Spans, and runs below
 * RUN_HIGH_PAGES, take the lowest pages that fit, larger runs the highest: what is small and
 * long-lived gathers at one end, and the other stays good for 64 MiB. When no run is long enough
 * for the span a class wants, it makes do with a shorter one. In an extent below 2 MiB spans are
 * shorter, too: else one held object of each class could keep all of 256 KiB.
 *
 * Misuse. heap_free proves what it is told: the address is where an object of that class begins,
 * the bit says it is taken; a large object begins and ends at tags that say so. A double free, a
 * wrong size, a foreign pointer stop the process, always. In builds with MB_CHECK_HOT freed bytes
 * are also overwritten. The bookkeeping shares the extent with the objects: who writes past an
 * object may hit it, and heap_check or the magic numbers may find out.
 *
 * Cost, on a 2.6 GHz Xeon, of an alloc and a free together: 12 ns for a small object; for whole
 * pages 100 ns in an extent of 4 MiB, 150 to 250 in one of 1 GiB (a change in an empty extent
 * reaches the root of the tree). A random free among 500 MiB of objects pays its cache misses on
 * top: about 100 ns.
 *
 * Rejected: free lists threaded through the objects (no proof against double frees; touches memory
 * that is long out of the cache); power-of-two buddies (25 % lost on average); a header an object
 * (16 bytes before each, and 64-byte alignment makes it 64); compaction (readers hold offsets).
 */
#include "heap.h"

#include <string.h>
#include <sys/mman.h>

#include "check.h"
#include "heap_layout.h"

enum {
	GRAIN = 16,
	LINE = 64,       /* alignment of objects of this size and more */
	LINE_LG_MAX = 8, /* below 2^8 a quarter octave is less than a line */

	RUN_HIGH_PAGES = 16, /* as long as the longest span */
	LONG_MIN = 1 << 20,
	LONG_LG = 4,           /* steps an octave */
	SPAN_WASTE_SHARE = 32, /* a span wastes at most 1/32 of its pages, where that can be had */
	SPAN_SHARE = 32,       /* of the extent a span is at most 1/32, where an object fits; and
				  of the free pages, where they are the last of a reserve */

	JUNK = 0xdb,
};

/* ------------------------------------------------------------------ sizes */

static unsigned
log2_floor(size_t n)
{
	return 63U - (unsigned)__builtin_clzll(n);
}

static size_t
page_round(size_t bytes)
{
	return ALIGN_UP(bytes, HEAP_PAGE);
}

size_t
heap_rounded_bytes(size_t bytes)
{
	REQUIRE(bytes <= SIZE_MAX / 2);
	if (bytes <= LINE) {
		return bytes == 0 ? GRAIN : ALIGN_UP(bytes, GRAIN);
	}
	if (bytes <= 1U << LINE_LG_MAX) {
		return ALIGN_UP(bytes, LINE);
	}
	if (bytes <= HEAP_SMALL_MAX) {
		return ALIGN_UP(bytes, (size_t)1 << (log2_floor(bytes - 1) - 2));
	}
	return page_round(bytes);
}

size_t
heap_long_bytes(size_t bytes)
{
	REQUIRE(bytes <= SIZE_MAX / 2);
	return bytes > LONG_MIN ? ALIGN_UP(bytes, (size_t)1 << (log2_floor(bytes - 1) - LONG_LG))
				: bytes;
}

/* The class of a rounded size up to HEAP_SMALL_MAX: 0..3 are 16..64, 4..6 are 128..256, then four
 * an octave. Whole pages have a number too, and no spans. */
static unsigned
class_of(size_t rounded)
{
	unsigned octave;

	if (rounded <= LINE) {
		return (unsigned)(rounded / GRAIN) - 1;
	}
	if (rounded <= 1U << LINE_LG_MAX) {
		return (unsigned)(rounded / LINE) + 2;
	}
	octave = log2_floor(rounded - 1);
	return 7 + 4 * (octave - LINE_LG_MAX) + (unsigned)((rounded - 1) >> (octave - 2)) - 4;
}

static bool
is_whole_pages(size_t rounded)
{
	return rounded % HEAP_PAGE == 0;
}

/* ------------------------------------------------------------------ spans */

/* Where the first of cnt objects begins: behind the header, aligned as the class demands. */
static uint32_t
span_first(uint32_t object_bytes, uint32_t cnt)
{
	size_t header = sizeof(struct span) + (cnt + 63) / 64 * sizeof(uint64_t);

	return (uint32_t)(object_bytes < LINE ? ALIGN_UP(header, GRAIN) : ALIGN_UP(header, LINE));
}

/* How many objects page_cnt pages hold, header and bits paid. */
static uint32_t
span_object_cnt(uint32_t object_bytes, uint32_t page_cnt)
{
	uint32_t bytes = page_cnt * HEAP_PAGE;
	uint32_t cnt = MIN(bytes / object_bytes, (uint32_t)SPAN_OBJECT_MAX);

	while (cnt > 0 && span_first(object_bytes, cnt) + cnt * object_bytes > bytes) {
		cnt--;
	}
	return cnt;
}

/* The fewest pages that waste little; if none does, those that waste least: up to `most` pages, or
 * as many as one object needs. One object that stays keeps a whole span. */
static uint32_t
span_pages_wanted(uint32_t object_bytes, uint32_t most)
{
	uint32_t best = 0;
	uint32_t best_waste = HEAP_PAGE; /* for each page */

	for (uint32_t pages = 1; pages <= SPAN_PAGES_MAX && (pages <= most || best == 0); pages++) {
		uint32_t cnt = span_object_cnt(object_bytes, pages);
		uint32_t waste = HEAP_PAGE - cnt * object_bytes / pages;

		if (waste < best_waste) {
			best = pages;
			best_waste = waste;
		}
		if (waste <= HEAP_PAGE / SPAN_WASTE_SHARE) {
			break;
		}
	}
	return best;
}

static void
list_push(struct heap *h, struct heap_class *cls, uint32_t page)
{
	struct span *s = heap_span(h, page);

	s->prev = PAGE_NONE;
	s->next = cls->spans;
	if (s->next != PAGE_NONE) {
		heap_span(h, s->next)->prev = page;
	} else {
		cls->last = page;
	}
	cls->spans = page;
}

static void
list_remove(struct heap *h, struct heap_class *cls, const struct span *s)
{
	if (s->prev != PAGE_NONE) {
		heap_span(h, s->prev)->next = s->next;
	} else {
		cls->spans = s->next;
	}
	if (s->next != PAGE_NONE) {
		heap_span(h, s->next)->prev = s->prev;
	} else {
		cls->last = s->prev;
	}
}

static void
span_format(struct heap *h, uint32_t page, uint32_t page_cnt, unsigned cls)
{
	uint32_t object_bytes = h->classes[cls].bytes;
	uint32_t cnt = span_object_cnt(object_bytes, page_cnt);
	struct span *s = heap_span(h, page);

	*s = (struct span){
		.magic = SPAN_MAGIC,
		.cls = (uint8_t)cls,
		.page_cnt = (uint8_t)page_cnt,
		.first = (uint16_t)span_first(object_bytes, cnt),
		.object_cnt = (uint16_t)cnt,
		.free_cnt = (uint16_t)cnt,
	};
	for (uint32_t w = 0; w * 64 < cnt; w++) {
		uint32_t here = MIN(cnt - w * 64, 64U);

		s->free[w] = UINT64_MAX >> (64 - here);
		s->free_words |= UINT64_C(1) << w;
	}
	for (uint32_t i = 0; i < page_cnt; i++) {
		h->tag[page + i] = (uint8_t)(TAG_SPAN + i);
	}
}

/* Keeps I6. */
static void
held_set(struct heap *h, uint32_t page, uint32_t cnt, bool held)
{
	while (cnt > 0) {
		uint32_t n = MIN(64 - page % 64, cnt);
		uint64_t *word = &h->held[page / 64];
		uint64_t bits = (n < 64 ? (UINT64_C(1) << n) - 1 : UINT64_MAX) << page % 64;

		h->held_cnt -= (uint32_t)__builtin_popcountll(*word & bits);
		h->held_cnt += held ? n : 0;
		*word = held ? *word | bits : *word & ~bits;
		page += n;
		cnt -= n;
	}
}

static bool
is_held_free(const struct heap *h, uint32_t page)
{
	return (h->held[page / 64] >> page % 64 & 1) != 0 && runs_is_free(&h->runs, page);
}

/* Pages for somebody who may take all but `leave` of the free ones. */
static uint32_t
pages_take(struct heap *h, uint32_t cnt, enum runs_end end, uint32_t leave)
{
	uint32_t page = PAGE_NONE;

	leave += h->charged_cnt;
	if (cnt <= h->free_cnt && h->free_cnt - cnt >= leave) {
		page = heap_runs_take(h, cnt, end);
		if (page != PAGE_NONE) {
			uint32_t before = h->held_cnt;

			h->free_cnt -= cnt;
			held_set(h, page, cnt, true);
			if (h->held_cnt != before) {
				h->edge[end] = end == RUNS_LOW ? page + cnt : page;
			}
		}
	}
	return page;
}

static void
pages_give(struct heap *h, uint32_t page, uint32_t cnt)
{
	runs_free(&h->runs, page, cnt);
	h->free_cnt += cnt;
}

/* Adds a span to a class, shorter than wanted if need be. Of the last of a reserve, as short as may
 * be, so that it goes round.
 *
 * Returns:   false when there is not even room for one object.
 */
static bool
span_add(struct heap *h, unsigned cls, uint32_t leave)
{
	struct heap_class *c = &h->classes[cls];
	uint32_t pages = c->page_cnt;

	if (leave < h->reserve_cnt && h->free_cnt < SPAN_SHARE * pages) {
		for (pages = 1; span_object_cnt(c->bytes, pages) == 0;) {
			pages++;
		}
	}
	for (; pages > 0; pages /= 2) {
		uint32_t page;

		if (span_object_cnt(c->bytes, pages) == 0) {
			return false;
		}
		page = pages_take(h, pages, RUNS_LOW, leave);
		if (page != PAGE_NONE) {
			span_format(h, page, pages, cls);
			list_push(h, c, page);
			return true;
		}
	}
	return false;
}

static void
span_release(struct heap *h, struct span *s, uint32_t page)
{
	uint32_t page_cnt = s->page_cnt;

	list_remove(h, &h->classes[s->cls], s);
	s->magic = 0;
	pages_give(h, page, page_cnt);
}

/* Gives back every empty span (I3: one a class at most).
 *
 * Returns:   whether there was one.
 */
static bool
spans_trim(struct heap *h)
{
	bool any = false;

	for (unsigned c = 0; c < HEAP_CLASS_CNT; c++) {
		uint32_t page = h->classes[c].last;
		struct span *s = page != PAGE_NONE ? heap_span(h, page) : NULL;

		if (s != NULL && s->free_cnt == s->object_cnt) {
			span_release(h, s, page);
			any = true;
		}
	}
	return any;
}

/* ---------------------------------------------------------- small objects */

static void *
small_alloc(struct heap *h, unsigned cls, uint32_t leave)
{
	struct heap_class *c = &h->classes[cls];
	struct span *s;
	unsigned w, bit;

	if (unlikely(c->spans == PAGE_NONE) && !span_add(h, cls, leave)) {
		return NULL;
	}
	s = heap_span(h, c->spans);
	INSIST(s->magic == SPAN_MAGIC && s->free_words != 0);

	w = (unsigned)__builtin_ctzll(s->free_words);
	bit = (unsigned)__builtin_ctzll(s->free[w]);
	s->free[w] &= s->free[w] - 1;
	if (s->free[w] == 0) {
		s->free_words &= s->free_words - 1;
	}
	if (--s->free_cnt == 0) {
		list_remove(h, c, s);
	}
	return (uint8_t *)s + s->first + (w * 64 + bit) * c->bytes;
}

static void
small_free(struct heap *h, uint32_t page, uint8_t *p, unsigned cls)
{
	struct heap_class *c = &h->classes[cls];
	struct span *s;
	uint32_t offset, i;

	REQUIRE(h->tag[page] < TAG_SPAN_END, "p=%p is in an object of whole pages", (void *)p);
	page -= h->tag[page] - TAG_SPAN;
	s = heap_span(h, page);
	INSIST(s->magic == SPAN_MAGIC);
	REQUIRE(s->cls == cls, "p=%p is of %u bytes, not %u", (void *)p, h->classes[s->cls].bytes,
		c->bytes);

	/* offset < 2^16 and bytes < 2^14, so the reciprocal's error stays below one. An address in
	 * the header wraps, and is no object either. */
	offset = (uint32_t)(p - (uint8_t *)s) - s->first;
	i = (uint32_t)((uint64_t)offset * c->reciprocal >> 32);
	REQUIRE(i < s->object_cnt && i * c->bytes == offset, "p=%p is not where an object begins",
		(void *)p);
	REQUIRE((s->free[i / 64] >> i % 64 & 1) == 0, "p=%p is free already", (void *)p);

	s->free[i / 64] |= UINT64_C(1) << i % 64;
	s->free_words |= UINT64_C(1) << i / 64;
	if (s->free_cnt++ == 0) {
		list_push(h, c, page);
	}
	if (s->free_cnt == s->object_cnt && (s->next != PAGE_NONE || s->prev != PAGE_NONE)) {
		span_release(h, s, page); /* keeps I3 */
	}
}

/* ---------------------------------------------------------- large objects */

static void *
large_alloc(struct heap *h, size_t rounded, uint32_t leave)
{
	uint32_t cnt = (uint32_t)(rounded / HEAP_PAGE);
	enum runs_end end = cnt < RUN_HIGH_PAGES ? RUNS_LOW : RUNS_HIGH;
	uint32_t page = pages_take(h, cnt, end, leave);

	if (page == PAGE_NONE) {
		return NULL;
	}
	h->tag[page] = TAG_RUN;
	memset(h->tag + page + 1, TAG_RUN_MORE, cnt - 1);
	return heap_span(h, page);
}

static void
large_free(struct heap *h, uint32_t page, const uint8_t *p, size_t rounded)
{
	size_t cnt = rounded / HEAP_PAGE;
	uint32_t behind = page + (uint32_t)cnt;

	REQUIRE(cnt <= h->runs.page_cnt - page, "p=%p: no room for %zu bytes", (const void *)p,
		rounded);
	REQUIRE(h->tag[page] == TAG_RUN && (uintptr_t)p % HEAP_PAGE == 0,
		"p=%p is not where an object of whole pages begins", (const void *)p);
	for (uint32_t i = page + 1; i < behind; i++) {
		REQUIRE(h->tag[i] == TAG_RUN_MORE, "p=%p is shorter than %zu bytes",
			(const void *)p, rounded);
	}
	REQUIRE(behind == h->runs.page_cnt || h->tag[behind] != TAG_RUN_MORE ||
			runs_is_free(&h->runs, behind),
		"p=%p is longer than %zu bytes", (const void *)p, rounded);
	pages_give(h, page, (uint32_t)cnt);
}

/* -------------------------------------------------------------------- use */

static size_t
held_bytes(uint32_t page_cnt)
{
	return ((size_t)page_cnt + 63) / 64 * sizeof(uint64_t);
}

/* Where page 0 begins, from the start of the extent, with so many pages. */
static size_t
pages_offset(const void *mem, uint32_t page_cnt, size_t *ret_runs, size_t *ret_held)
{
	*ret_runs = ALIGN_UP(sizeof(struct heap), (size_t)LINE);
	*ret_held = ALIGN_UP(*ret_runs + runs_footprint(page_cnt), sizeof(uint64_t));
	return page_round((uintptr_t)mem + *ret_held + held_bytes(page_cnt) + page_cnt) -
	       (uintptr_t)mem;
}

struct heap *
heap_init(void *mem, size_t bytes)
{
	uint8_t *from = (uint8_t *)ALIGN_UP((uintptr_t)mem, LINE);
	struct heap *h = (struct heap *)from;
	size_t runs_at, held_at, pages_at;
	size_t page_cnt;
	uint32_t most;

	REQUIRE(mem != NULL && bytes >= HEAP_EXTENT_BYTES_MIN, "bytes=%zu", bytes);
	bytes -= (size_t)(from - (uint8_t *)mem);
	page_cnt = bytes / HEAP_PAGE;
	REQUIRE(page_cnt < PAGE_NONE, "bytes=%zu", bytes);
	for (;;) { /* fewer pages need less bookkeeping: once or twice around */
		size_t end;

		pages_at = pages_offset(from, (uint32_t)page_cnt, &runs_at, &held_at);
		end = pages_at + page_cnt * HEAP_PAGE;
		if (end <= bytes) {
			break;
		}
		page_cnt -= (end - bytes + HEAP_PAGE - 1) / HEAP_PAGE;
	}

	*h = (struct heap){ .page = from + pages_at, .held = (uint64_t *)(void *)(from + held_at) };
	memset(h->held, 0, held_bytes((uint32_t)page_cnt));
	h->tag = (uint8_t *)h->held + held_bytes((uint32_t)page_cnt);
	runs_init(&h->runs, from + runs_at, (uint32_t)page_cnt);
	most = (uint32_t)page_cnt / SPAN_SHARE;
	for (size_t size = GRAIN; size <= HEAP_SMALL_MAX; size = heap_rounded_bytes(size + 1)) {
		h->classes[class_of(size)] = (struct heap_class){
			.bytes = (uint32_t)size,
			.reciprocal = (uint32_t)((UINT64_C(1) << 32) / size +
						 ((UINT64_C(1) << 32) % size != 0)),
			.page_cnt =
				is_whole_pages(size) ? 0 : span_pages_wanted((uint32_t)size, most),
			.spans = PAGE_NONE,
			.last = PAGE_NONE,
		};
	}
	h->free_cnt = (uint32_t)page_cnt;
	h->edge[RUNS_HIGH] = h->ahead[RUNS_HIGH] = (uint32_t)page_cnt;
	h->magic = HEAP_MAGIC;
	return h;
}

static void *
try_alloc(struct heap *h, size_t rounded, uint32_t leave)
{
	return is_whole_pages(rounded) ? large_alloc(h, rounded, leave)
				       : small_alloc(h, class_of(rounded), leave);
}

static void *
alloc_leaving(struct heap *h, size_t bytes, uint32_t leave)
{
	size_t rounded;
	void *p;

	REQUIRE(h->magic == HEAP_MAGIC);
	if (unlikely(bytes > heap_capacity_bytes(h))) {
		return NULL;
	}
	rounded = heap_rounded_bytes(bytes);
	p = try_alloc(h, rounded, leave);
	if (unlikely(p == NULL) && spans_trim(h)) {
		p = try_alloc(h, rounded, leave);
	}
	if (likely(p != NULL)) {
		h->used_bytes += rounded;
	}
	return p;
}

void *
heap_alloc(struct heap *h, size_t bytes)
{
	return alloc_leaving(h, bytes, h->reserve_cnt);
}

void *
heap_alloc_reserve(struct heap *h, size_t bytes)
{
	return alloc_leaving(h, bytes, 0);
}

bool
heap_reserve_whole(struct heap *h)
{
	const uint32_t whole = h->reserve_cnt + h->charged_cnt;

	return likely(h->free_cnt >= whole) || (spans_trim(h) && h->free_cnt >= whole);
}

void
heap_reserve(struct heap *h, size_t bytes)
{
	REQUIRE(bytes <= heap_capacity_bytes(h));
	h->reserve_cnt = (uint32_t)(bytes / HEAP_PAGE);
}

void
heap_charge(struct heap *h, size_t bytes)
{
	bytes = MIN(bytes, heap_capacity_bytes(h)); /* so that all is, and a sum does not wrap */
	h->charged_cnt = (uint32_t)(page_round(bytes) / HEAP_PAGE);
}

void
heap_free(struct heap *h, void *p, size_t bytes)
{
	size_t rounded = heap_rounded_bytes(bytes);
	size_t offset = (size_t)((uint8_t *)p - h->page);
	uint32_t page = (uint32_t)(offset / HEAP_PAGE);

	REQUIRE(h->magic == HEAP_MAGIC);
	REQUIRE(offset / HEAP_PAGE < h->runs.page_cnt, "p=%p is outside of the extent", p);
	REQUIRE(!runs_is_free(&h->runs, page), "p=%p is free already", p);
	if (is_whole_pages(rounded)) {
		large_free(h, page, p, rounded);
	} else {
		small_free(h, page, p, class_of(rounded));
	}
	h->used_bytes -= rounded;
	if (MB_CHECK_HOT) {
		memset(p, JUNK, rounded);
	}
}

size_t
heap_used_bytes(const struct heap *h)
{
	return h->used_bytes;
}

size_t
heap_capacity_bytes(const struct heap *h)
{
	return (size_t)h->runs.page_cnt * HEAP_PAGE;
}

size_t
heap_free_bytes(const struct heap *h)
{
	return (size_t)(h->free_cnt - MIN(h->free_cnt, h->charged_cnt)) * HEAP_PAGE;
}

size_t
heap_held_bytes(const struct heap *h)
{
	return (size_t)h->held_cnt * HEAP_PAGE;
}

size_t
heap_idle_bytes(const struct heap *h)
{
	return (size_t)(h->held_cnt - (h->runs.page_cnt - h->free_cnt)) * HEAP_PAGE;
}

/* Both ends grow into these pages again before they go on. */
static void
edges_back(struct heap *h, uint32_t from, uint32_t to)
{
	h->edge[RUNS_LOW] = MIN(h->edge[RUNS_LOW], from);
	h->ahead[RUNS_LOW] = MIN(h->ahead[RUNS_LOW], from);
	h->edge[RUNS_HIGH] = MAX(h->edge[RUNS_HIGH], to);
	h->ahead[RUNS_HIGH] = MAX(h->ahead[RUNS_HIGH], to);
}

bool
heap_trim(struct heap *h, size_t bytes)
{
	uint32_t most = (uint32_t)MIN(bytes / HEAP_PAGE, (size_t)UINT32_MAX), cnt = 0;

	if (h->trim_at == 0) {
		spans_trim(h);
	}
	while (cnt < most && h->trim_at < h->runs.page_cnt) {
		uint32_t from = h->trim_at, to = from;

		while (to < h->runs.page_cnt && to - from < most - cnt && is_held_free(h, to)) {
			to++;
		}
		if (to > from) {
			madvise(heap_span(h, from), (size_t)(to - from) * HEAP_PAGE, MADV_DONTNEED);
			held_set(h, from, to - from, false);
			edges_back(h, from, to);
		}
		cnt += MAX(to - from, 1U);
		h->trim_at = MAX(to, from + 1);
	}
	if (h->trim_at < h->runs.page_cnt) {
		return true;
	}
	h->trim_at = 0;
	return false;
}

/* Where the next large page begins that was not named, less than `bytes` from the edge; or 0. */
static uintptr_t
ahead_next(const struct heap *h, enum runs_end end, size_t bytes)
{
	const uintptr_t from = (uintptr_t)h->page, to = from + heap_capacity_bytes(h);
	const uintptr_t edge = from + (uintptr_t)h->edge[end] * HEAP_PAGE;
	const uintptr_t ahead = from + (uintptr_t)h->ahead[end] * HEAP_PAGE;
	uintptr_t at;

	if (end == RUNS_LOW) {
		at = ALIGN_UP(MAX(edge, ahead), HEAP_AHEAD_BYTES);
		return at - edge < bytes && at + HEAP_AHEAD_BYTES <= to ? at : 0;
	}
	at = MIN(edge, ahead) & ~(uintptr_t)(HEAP_AHEAD_BYTES - 1);
	return edge - at < bytes && at >= from + HEAP_AHEAD_BYTES ? at - HEAP_AHEAD_BYTES : 0;
}

bool
heap_lacks(const struct heap *h, size_t bytes)
{
	return ahead_next(h, RUNS_LOW, bytes) != 0 || ahead_next(h, RUNS_HIGH, bytes) != 0;
}

void *
heap_ahead(struct heap *h, size_t bytes)
{
	uintptr_t at = ahead_next(h, RUNS_LOW, bytes);

	if (at != 0) {
		h->ahead[RUNS_LOW] =
			(uint32_t)((at + HEAP_AHEAD_BYTES - (uintptr_t)h->page) / HEAP_PAGE);
		return (void *)at;
	}
	at = ahead_next(h, RUNS_HIGH, bytes);
	if (at != 0) {
		h->ahead[RUNS_HIGH] = (uint32_t)((at - (uintptr_t)h->page) / HEAP_PAGE);
	}
	return (void *)at;
}
