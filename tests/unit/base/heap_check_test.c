/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   heap_check finds what other tests trust it to find.
 * Method: a sound heap, then one wrong number at a time, each in a child that must stop. */
#include <stdbool.h>
#include <stdlib.h>

#include "heap_layout.h"
#include "test_cmocka.h"
#include "test_death.h"

enum { EXTENT = 1 << 20 };

static void
check_after_damage(void *arg)
{
	heap_check(arg);
}

static void
damage_is_found(void **state)
{
	void *extent = aligned_alloc(HEAP_PAGE, EXTENT);
	struct heap *h = heap_init(extent, EXTENT);
	char text[TEST_DEATH_TEXT_BYTES];
	struct span *span;
	uint8_t *p = heap_alloc(h, 100);

	heap_alloc(h, 20000);
	heap_check(h);
	span = heap_span(h, 0);
	assert_true((uint8_t *)span < p && p < (uint8_t *)span + HEAP_PAGE);

#define DAMAGED(field, value)                                                                      \
	do {                                                                                       \
		__typeof__(field) kept_ = (field);                                                 \
		(field) = (value);                                                                 \
		assert_true(test_dies(check_after_damage, h, text));                               \
		(field) = kept_;                                                                   \
		heap_check(h);                                                                     \
	} while (0)

	DAMAGED(h->magic, 0);
	DAMAGED(h->used_bytes, h->used_bytes + 16);
	DAMAGED(h->tag[0], 1);
	DAMAGED(h->tag[1], TAG_RUN_MORE);
	DAMAGED(h->runs.level[0][0].last, 1);
	DAMAGED(h->classes[span->cls].spans, PAGE_NONE);
	DAMAGED(span->magic, 0);
	DAMAGED(span->cls, HEAP_CLASS_CNT);
	DAMAGED(span->free_cnt, span->free_cnt - 1);
	DAMAGED(span->free_words, 0);
	DAMAGED(span->free[0], span->free[0] | 1);
	DAMAGED(span->free[0], UINT64_MAX);
	DAMAGED(span->object_cnt, 4000);
	DAMAGED(span->first, 8);
	DAMAGED(span->page_cnt, 0);
	DAMAGED(span->next, 0);
	DAMAGED(span->prev, 0);
#undef DAMAGED
	free(extent);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(damage_is_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
