/* SPDX-License-Identifier: Apache-2.0 */
/* hist.h - a histogram of latencies and sizes that is never off by more than 1 %
 *
 * Log-linear: every octave is cut into HIST_STEP_CNT equal steps, so a bucket is at most 1/64 of
 * its lower end wide, and its middle is within 1/128 (0.78 %) of everything in it. Values below 128
 * have a bucket each and are exact. Above HIST_VALUE_MAX (73 minutes in ns) a value counts as that
 * maximum and is told in hist_clipped_cnt.
 *
 * The struct has a fixed size and no pointers: it may lie in shared memory, be copied, be sent.
 * All zero is an empty histogram.
 *
 * Owner: one writer. Others may read (or copy) at any time: each number they see was once true, but
 * not all at one instant.
 */
#ifndef MB_HIST_H
#define MB_HIST_H

#include <stdint.h>

#define HIST_STEP_CNT_LG  6
#define HIST_STEP_CNT     (1 << HIST_STEP_CNT_LG)
#define HIST_VALUE_MAX_LG 42
#define HIST_VALUE_MAX    (UINT64_C(1) << HIST_VALUE_MAX_LG)

/* One step for each value of the first octaves, HIST_STEP_CNT for each later one, and a last bucket
 * that holds HIST_VALUE_MAX alone. */
#define HIST_BUCKET_CNT ((HIST_VALUE_MAX_LG - HIST_STEP_CNT_LG + 1) * HIST_STEP_CNT + 1)

struct hist {
	uint64_t cnt;
	uint64_t min_inv; /* ~min, so that zero means "none yet" */
	uint64_t max;
	uint64_t clipped_cnt;
	uint64_t bucket[HIST_BUCKET_CNT];
};

/* hist_init makes it empty. */
void hist_init(struct hist *h);

/* hist_add counts one value.
 *
 * Threads:   the writer
 * Cost:      O(1): a few ns and two cache lines
 */
void hist_add(struct hist *h, uint64_t value);

/* hist_quantile gives the value that a share q of all values does not exceed: the ceil(q * cnt)-th
 * smallest (the smallest for q = 0), within 1 %.
 *
 * Requires:  0 <= q <= 1
 * Returns:   0 when the histogram is empty. Never outside hist_min .. hist_max.
 */
uint64_t hist_quantile(const struct hist *h, double q);

uint64_t hist_cnt(const struct hist *h);

/* hist_min and hist_max are exact; 0 when the histogram is empty. */
uint64_t hist_min(const struct hist *h);
uint64_t hist_max(const struct hist *h);

/* hist_clipped_cnt tells how many values were above HIST_VALUE_MAX. */
uint64_t hist_clipped_cnt(const struct hist *h);

#endif
