/* SPDX-License-Identifier: Apache-2.0 */
/* gate_order - see gate_order.h */
#include "gate_order.h"

#include <string.h>

#include "compiler.h"

#define MOVE_ITEMS 16 /* as many items as are moved in the time that one is compared */

/* Moves items that come behind all of the other run. Returns: how many. */
static size_t
rest_move(uint8_t *to, const uint8_t *from, size_t cnt, size_t item_bytes, int32_t *steps)
{
	cnt = MIN(cnt, (size_t)*steps * MOVE_ITEMS);
	memcpy(to, from, cnt * item_bytes);
	*steps -= (int32_t)((cnt + MOVE_ITEMS - 1) / MOVE_ITEMS);
	return cnt;
}

/* Merges the two runs behind lo. Returns: whether they are. */
static bool
pair_merge(struct gate_order *o, uint8_t *to, const uint8_t *from, gate_order_cmp *cmp,
	   int32_t *steps)
{
	size_t bytes = o->item_bytes, left_cnt = MIN(o->run, o->cnt - o->lo);
	size_t right_cnt = MIN(o->run, o->cnt - o->lo - left_cnt);

	while (o->left < left_cnt || o->right < right_cnt) {
		const uint8_t *a = from + (o->lo + o->left) * bytes;
		const uint8_t *b = from + (o->lo + left_cnt + o->right) * bytes;
		uint8_t *out = to + (o->lo + o->left + o->right) * bytes;

		if (*steps <= 0) {
			return false;
		}
		if (o->right == right_cnt) {
			o->left += rest_move(out, a, left_cnt - o->left, bytes, steps);
		} else if (o->left == left_cnt) {
			o->right += rest_move(out, b, right_cnt - o->right, bytes, steps);
		} else if (cmp(a, b) <= 0) {
			memcpy(out, a, bytes);
			o->left++;
			--*steps;
		} else {
			memcpy(out, b, bytes);
			o->right++;
			--*steps;
		}
	}
	o->lo += left_cnt + right_cnt;
	o->left = o->right = 0;
	return true;
}

bool
gate_order_go(struct gate_order *o, uint8_t *mem, gate_order_cmp *cmp, int32_t *steps)
{
	size_t half = o->cnt * o->item_bytes;

	for (o->run += o->run == 0; o->run < o->cnt; o->run *= 2) {
		uint8_t *from = gate_order_first(o, mem), *to = mem + (o->second ? 0 : half);

		while (o->lo < o->cnt) {
			if (!pair_merge(o, to, from, cmp, steps)) {
				return false;
			}
		}
		o->lo = 0;
		o->second = !o->second;
	}
	return true;
}
