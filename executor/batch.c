/* SPDX-License-Identifier: Apache-2.0 */
#include "batch.h"

#include <stdarg.h>
#include <stdio.h>

static bool
item_add(struct batch *b, const struct desc *d, struct dagpart *part)
{
	struct batch_item *to = &b->item[b->cnt];

	if ((d->sub & CALL_PART) != 0) {
		if (dagpart_take(part, d) != 0 || part->step_cnt != 1) {
			return false;
		}
		to->part = *part;
	} else if ((d->sub & CALL_DAG) != 0) {
		return false;
	}
	to->d = *d;
	to->d.kind = DESC_CALL;
	to->d.flags &= (uint8_t)~CALL_F_BATCH;
	b->cnt++;
	return true;
}

void
batch_add(struct batch *b, const struct desc *d, struct dagpart *part)
{
	bool first = (d->flags & CALL_F_BATCH) != 0;

	b->cnt = first ? 0 : b->cnt;
	if ((!first && b->cnt == 0) || b->cnt >= CALL_BATCH_MAX - 1 || !item_add(b, d, part)) {
		b->cnt = 0; /* not whole: nothing is added until the next row */
	}
}

bool
batch_take(struct batch *b, const struct desc *last, struct dagpart *part)
{
	if (b->cnt == 0 || !item_add(b, last, part)) {
		return false;
	}
	for (uint32_t i = 1; i < b->cnt; i++) {
		if (batch_fn(&b->item[i]) != batch_fn(&b->item[0])) {
			b->cnt--;
			return false;
		}
	}
	return true;
}

void
batch_turn(struct batch *b, struct mb_call *call, uint32_t i)
{
	const struct batch_item *item = b->seen[i];

	b->at = i;
	call->id = item->d.call;
	call->tag = batch_tag(item);
	call->arg = item->arg;
	call->arg_cnt = item->arg_cnt;
	call->result = item->result;
}

/* ------------------------------------------------------------- what functions call */

uint32_t
mb_batch_cnt(const struct mb_call *call)
{
	return call->batch != NULL ? call->batch->live : 1;
}

int
mb_batch_item(struct mb_call *call, uint32_t i)
{
	if (i >= mb_batch_cnt(call)) {
		return call_refuse(call, MB_ERR_NOT_FOUND, "mb_batch_item",
				   "there is no such call in this run");
	}
	if (call->batch != NULL) {
		batch_turn(call->batch, call, i);
	}
	return 0;
}

int
mb_batch_fail(struct mb_call *call, const char *format, ...)
{
	char *text;
	va_list ap;

	if (call->batch != NULL) {
		struct batch_item *item = call->batch->seen[call->batch->at];

		item->err = MB_ERR_FUNCTION_FAILED;
		text = item->text;
	} else if (call->fn == NULL || !call->fn->batched) {
		return call_refuse(call, MB_ERR_NOT_SUPPORTED, "mb_batch_fail",
				   "this function takes no batches: mb_fail");
	} else {
		call->item_err = MB_ERR_FUNCTION_FAILED;
		text = call->item_text;
	}
	va_start(ap, format);
	vsnprintf(text, FN_TEXT_BYTES, format, ap);
	va_end(ap);
	return 0;
}
