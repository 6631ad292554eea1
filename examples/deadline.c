/* SPDX-License-Identifier: Apache-2.0 */
/* deadline.c - a function that does as much as it has time for
 *
 *	microburst deploy examples/deadline.c
 *	microburst call pi --deadline 5ms
 *	microburst call pi --deadline 500ms
 *
 * The caller sets the deadline; without one there is no limit, and this function stops by itself
 * after a second. A function that does not look at its deadline is stopped when it has passed, and
 * its caller gets DEADLINE.
 */
#include <microburst/function.h>

#define STEP_CNT 10000      /* terms between two looks at the clock: some 10 us */
#define LIMIT_NS 1000000000 /* when nobody else says */

/* pi: the sum 4 - 4/3 + 4/5 - ..., and how many terms it had time for. */
MB_FUNCTION(pi)
{
	/* A tenth is left to return in: a result that comes late is no result. */
	uint64_t margin_ns = mb_deadline_ns(call) / 10;
	uint64_t start_ns = mb_now_ns(call);
	double sum = 0;
	int64_t i = 0;

	do {
		for (int64_t end = i + STEP_CNT; i < end; i++) {
			sum += (i % 2 == 0 ? 4.0 : -4.0) / (double)(2 * i + 1);
		}
	} while (mb_deadline_ns(call) > margin_ns && mb_now_ns(call) - start_ns < LIMIT_NS);

	MB_TRY(mb_return_f64(call, sum));
	return mb_return_i64(call, i);
}
