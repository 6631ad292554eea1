/* SPDX-License-Identifier: Apache-2.0 */
/* gate_order - putting items in order, some steps at a time
 *
 * Runs of sorted items are merged to runs of twice the length, from one half of the memory into the
 * other, until there is one run. So it is stable, never worse than n log n, and can stop between
 * any two items.
 *
 * Pure. Threads: one at a time.
 */
#ifndef MB_GATE_ORDER_H
#define MB_GATE_ORDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef int gate_order_cmp(const void *a, const void *b);

/* All zero but item_bytes and cnt at first. */
struct gate_order {
	size_t item_bytes;
	size_t cnt;
	size_t run;         /* items in each sorted run */
	size_t lo;          /* in this round so many are merged, */
	size_t left, right; /* and of the two runs behind them so many */
	bool second;        /* the items are in the second half of the memory */
};

/* gate_order_go takes up to *steps steps, of one item each, and counts them down.
 *
 * Requires:  mem has room for twice cnt items, of which the first cnt are to be sorted; the same
 *            contents at each call (they may have moved as a whole).
 * Returns:   true: they are in order, from gate_order_first on.
 */
bool gate_order_go(struct gate_order *o, uint8_t *mem, gate_order_cmp *cmp, int32_t *steps);

static inline uint8_t *
gate_order_first(const struct gate_order *o, uint8_t *mem)
{
	return mem + (o->second ? o->cnt * o->item_bytes : 0);
}

#endif
