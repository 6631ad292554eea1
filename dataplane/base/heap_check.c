/* SPDX-License-Identifier: Apache-2.0 */
/* heap_check.c - the invariants of heap.c, one by one, by counting everything anew
 *
 * Shares the layout with heap.c and none of its code. Returns nothing: a contradiction is a bug,
 * and the page and the numbers are in the message.
 */
#include "check.h"
#include "heap_layout.h"

/* I2, and that the object area keeps inside the span. Gives the bytes of its live objects. */
static size_t
span_check(const struct heap *h, const struct span *s, uint32_t page)
{
	const struct heap_class *c = &h->classes[s->cls];
	uint32_t free_cnt = 0;
	uint64_t free_words = 0;

	INSIST(s->magic == SPAN_MAGIC, "page=%u", page);
	INSIST(s->cls < HEAP_CLASS_CNT && c->bytes % HEAP_PAGE != 0, "page=%u", page);
	INSIST(s->page_cnt > 0 && s->page_cnt <= SPAN_PAGES_MAX, "page=%u", page);
	INSIST(s->object_cnt > 0 && s->object_cnt <= SPAN_OBJECT_MAX, "page=%u", page);
	INSIST(s->first >= sizeof(*s) + (s->object_cnt + 63U) / 64 * 8, "page=%u", page);
	INSIST(s->first + s->object_cnt * c->bytes <= s->page_cnt * (uint32_t)HEAP_PAGE, "page=%u",
	       page);
	for (uint32_t w = 0; w * 64 < s->object_cnt; w++) {
		uint32_t objects = MIN(s->object_cnt - w * 64, 64U);

		INSIST(objects == 64 || s->free[w] >> objects == 0, "page=%u w=%u", page, w);
		free_cnt += (uint32_t)__builtin_popcountll(s->free[w]);
		free_words |= (uint64_t)(s->free[w] != 0) << w;
	}
	INSIST(free_cnt == s->free_cnt, "page=%u found=%u noted=%u", page, free_cnt, s->free_cnt);
	INSIST(free_words == s->free_words, "page=%u", page);
	return (size_t)(s->object_cnt - s->free_cnt) * c->bytes;
}

/* I1 for the span or large object that begins at page. Gives its pages and its live bytes. */
static uint32_t
taken_check(const struct heap *h, uint32_t page, size_t *ret_used,
	    uint32_t open_spans[HEAP_CLASS_CNT])
{
	uint32_t cnt = 1;

	if (h->tag[page] == TAG_RUN) {
		while (page + cnt < h->runs.page_cnt && !runs_is_free(&h->runs, page + cnt) &&
		       h->tag[page + cnt] == TAG_RUN_MORE) {
			cnt++;
		}
		*ret_used = (size_t)cnt * HEAP_PAGE;
		return cnt;
	}

	INSIST(h->tag[page] == TAG_SPAN, "page=%u tag=%u", page, h->tag[page]);
	*ret_used = span_check(h, heap_span(h, page), page);
	for (; cnt < heap_span(h, page)->page_cnt; cnt++) {
		INSIST(page + cnt < h->runs.page_cnt && !runs_is_free(&h->runs, page + cnt) &&
			       h->tag[page + cnt] == TAG_SPAN + cnt,
		       "page=%u cnt=%u", page, cnt);
	}
	if (heap_span(h, page)->free_cnt > 0) {
		open_spans[heap_span(h, page)->cls]++;
	}
	return cnt;
}

/* I3: the list of a class holds spans of it with a free object, linked both ways. Gives how many;
 * with the number found by walking the pages, none is missing. */
static uint32_t
list_check(const struct heap *h, unsigned cls)
{
	uint32_t cnt = 0, empty_cnt = 0;
	uint32_t prev = PAGE_NONE;

	for (uint32_t page = h->classes[cls].spans; page != PAGE_NONE;
	     page = heap_span(h, page)->next) {
		const struct span *s = heap_span(h, page);

		INSIST(!runs_is_free(&h->runs, page) && h->tag[page] == TAG_SPAN, "page=%u", page);
		INSIST(s->cls == cls && s->prev == prev && s->free_cnt > 0, "page=%u", page);
		empty_cnt += s->free_cnt == s->object_cnt;
		INSIST(s->free_cnt < s->object_cnt || s->next == PAGE_NONE, "page=%u", page);
		cnt++;
		INSIST(cnt <= h->runs.page_cnt, "class=%u: the list is a circle", cls);
		prev = page;
	}
	INSIST(prev == h->classes[cls].last, "class=%u", cls);
	INSIST(empty_cnt <= 1, "class=%u empty=%u", cls, empty_cnt);
	return cnt;
}

void
heap_check(const struct heap *h)
{
	uint32_t open_spans[HEAP_CLASS_CNT] = { 0 };
	size_t used = 0;
	uint32_t free_cnt = 0, held_cnt = 0;

	INSIST(h->magic == HEAP_MAGIC);
	runs_check(&h->runs);
	for (uint32_t page = 0; page < h->runs.page_cnt;) {
		size_t used_here = 0;

		free_cnt += runs_is_free(&h->runs, page);
		page += runs_is_free(&h->runs, page) ? 1
						     : taken_check(h, page, &used_here, open_spans);
		used += used_here;
	}
	for (uint32_t page = 0; page < h->runs.page_cnt; page++) { /* I6 */
		bool held = (h->held[page / 64] >> page % 64 & 1) != 0;

		INSIST(held || runs_is_free(&h->runs, page), "page=%u", page);
		held_cnt += held;
	}
	INSIST(held_cnt == h->held_cnt, "found=%u noted=%u", held_cnt, h->held_cnt);
	for (unsigned c = 0; c < HEAP_CLASS_CNT; c++) {
		uint32_t cnt = list_check(h, c);

		INSIST(cnt == open_spans[c], "class=%u listed=%u found=%u", c, cnt, open_spans[c]);
	}
	INSIST(free_cnt == h->free_cnt, "found=%u noted=%u", free_cnt, h->free_cnt);
	INSIST(used == h->used_bytes, "found=%zu noted=%zu", used, h->used_bytes); /* I5 */
}
