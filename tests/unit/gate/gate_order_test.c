/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   any items come in order, those that are alike as they were, however often the work stops.
 * Method: random items of few and of many values, sorted in calls of few steps, between which the
 *         memory moves; each item is there once. */
#include <string.h>

#include "gate_order.h"
#include "rng.h"
#include "test_cmocka.h"

#define ITEMS_MAX 300

struct item {
	uint32_t value;
	uint32_t was_at;
};

static int
by_value(const void *pa, const void *pb)
{
	const struct item *a = pa, *b = pb;

	return a->value < b->value ? -1 : a->value > b->value;
}

/* Sorts cnt random items in calls of so many steps. Returns: how many calls. */
static uint32_t
sort_some(struct rng *rng, size_t cnt, uint32_t of, int32_t steps)
{
	struct item mem[2 * ITEMS_MAX], moved[2 * ITEMS_MAX], *p = mem, *other = moved;
	struct gate_order o = { .item_bytes = sizeof(*mem), .cnt = cnt };
	uint32_t seen[ITEMS_MAX] = { 0 }, calls = 1;
	int32_t left = steps;

	for (size_t i = 0; i < cnt; i++) {
		mem[i] = (struct item){ (uint32_t)rng_below(rng, of), (uint32_t)i };
	}
	for (; !gate_order_go(&o, (uint8_t *)p, by_value, &left); calls++) {
		struct item *at = other;

		assert_true(left <= 0);
		left = steps;
		memcpy(other, p, 2 * cnt * sizeof(*p)); /* memory may move between two calls */
		memset(p, 0xff, 2 * cnt * sizeof(*p));
		other = p;
		p = at;
	}
	p = (struct item *)(void *)gate_order_first(&o, (uint8_t *)p);
	for (size_t i = 0; i < cnt; i++) {
		assert_int_equal(seen[p[i].was_at]++, 0);
		if (i > 0) {
			assert_true(p[i - 1].value < p[i].value || (p[i - 1].value == p[i].value &&
								    p[i - 1].was_at < p[i].was_at));
		}
	}
	return calls;
}

static void
random_items_in_order(void **state)
{
	struct rng rng;
	uint32_t calls = 0;

	rng_init(&rng, 11);
	for (uint32_t i = 0; i < 300; i++) {
		size_t cnt = rng_below(&rng, ITEMS_MAX + 1);
		uint32_t of = 1 + (uint32_t)rng_below(&rng, 400);

		calls += sort_some(&rng, cnt, of, 1 + (int32_t)rng_below(&rng, 40));
		assert_int_equal(sort_some(&rng, cnt, of, 1 << 20), 1);
	}
	assert_true(calls > 300 * 10); /* it did stop */
}

/* Each number of items up to some rounds, one step a call. */
static void
few_items(void **state)
{
	struct rng rng;

	rng_init(&rng, 12);
	for (size_t cnt = 0; cnt <= 40; cnt++) {
		for (uint32_t of = 1; of <= 40; of += 3) {
			(void)sort_some(&rng, cnt, of, 1);
		}
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_items_in_order),
		cmocka_unit_test(few_items),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
