/* SPDX-License-Identifier: Apache-2.0 */
/* batch - several calls of one function in one run
 *
 * sched sends what waits for the function in a row (call.h, DESC_BATCH), the last as a CALL. What
 * was broken off is forgotten when the next row begins. Each call has its arguments, its results
 * and its answer; they share the session that the function reads in, and it writes nothing: so a
 * death repeats the calls that it ends, and none of them twice. Some may be parts of DAG calls, of
 * that function alone.
 *
 * Owner: the executor. exec_batch.c runs it.
 */
#ifndef MB_EXEC_BATCH_H
#define MB_EXEC_BATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "call.h"
#include "dagpart.h"
#include "desc.h"
#include "fn.h"
#include "slice.h"
#include "value.h"

struct batch_item {
	struct desc d;      /* as a CALL */
	int err;            /* it is not run, or ends with this; text says more */
	bool view;          /* its arguments are to be dropped */
	bool seen;          /* by the function */
	bool wrote;         /* its output */
	uint32_t input_cnt; /* of its part: looked at */
	bool input_view[DAG_FUNCTION_MAX];
	struct dagpart part; /* if it is one: of one step */
	uint32_t arg_cnt;
	struct slice output; /* where its result is to be stored; empty: nowhere */
	struct result *result;
	char text[FN_TEXT_BYTES];
	struct value arg[2 * MB_VALUES_MAX]; /* a list is read before they are counted */
};

struct batch {
	uint32_t cnt;  /* that came; 0: no row, or one that is not whole */
	uint32_t live; /* of them those that the function gets to see */
	uint32_t at;   /* which of those it is at */
	struct batch_item *seen[CALL_BATCH_MAX];
	struct batch_item item[CALL_BATCH_MAX];
};

/* batch_add takes a BATCH. batch_take takes the CALL behind them: all are for the same function.
 * part: the sequence that came before it, if it is a part. Returns: false when the row is not
 * whole; then the last is not in it. */
void batch_add(struct batch *b, const struct desc *d, struct dagpart *part);
bool batch_take(struct batch *b, const struct desc *last, struct dagpart *part);

/* The function that a call is of. */
static inline uint16_t
batch_fn(const struct batch_item *item)
{
	return (item->d.sub & CALL_PART) != 0 ? item->part.step[0].fn : item->d.a;
}

/* What stands behind '#' in its DAG. */
static inline const char *
batch_tag(const struct batch_item *item)
{
	return (item->d.sub & CALL_PART) != 0 ? item->part.step[0].tag : "";
}

/* batch_turn has the function's call be number i of those that it sees. */
void batch_turn(struct batch *b, struct mb_call *call, uint32_t i);

#endif
