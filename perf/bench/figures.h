/* SPDX-License-Identifier: Apache-2.0 */
/* figures - everything that was measured of one side of a bench
 *
 * A side is measured in blocks, which alternate with those of the other side. Kept are a histogram
 * of all samples and the median of each block: the first is the result, the second tells how far
 * the machine moved meanwhile.
 *
 * Values are counted in grains, so that a fraction of the unit is not lost: picoseconds for times,
 * thousandths for everything else. unit_grains says how many grains one printed unit has.
 *
 * Owner: the thread that measures.
 */
#ifndef MB_FIGURES_H
#define MB_FIGURES_H

#include <stdint.h>

#include "hist.h"
#include "timebase.h"

#define FIGURES_BLOCK_MAX  64
#define FIGURES_SAMPLE_MAX 4096 /* in one block; 32 KiB that are written once, in order */

/* Parts whose medians are compared to see whether a run was steady. Five: one strange block in
 * fifty does not move a part's median, a machine that changes its mode does. */
#define FIGURES_PART_CNT 5

struct figures {
	struct hist all;
	double block_p50[FIGURES_BLOCK_MAX]; /* grains */
	uint32_t block_cnt;
	uint32_t sample_cnt; /* in the block that is being measured */
	uint64_t sample[FIGURES_SAMPLE_MAX];
	/* Where the bench can tell: operations a second in each block, and what CPU time how many
	 * operations cost in all processes together. 0: it cannot. */
	double rate[FIGURES_BLOCK_MAX];
	uint32_t rate_cnt;
	double cpu_ops, cpu_s;
};

/* unit_grains gives the grains of a unit: "ns", "us", "ms", "s"; 1000 for any other. */
double unit_grains(const char *unit);

void figures_init(struct figures *f);

/* figures_add counts one value; a block holds FIGURES_SAMPLE_MAX. */
static inline void
figures_add(struct figures *f, uint64_t grains)
{
	f->sample[f->sample_cnt++ % FIGURES_SAMPLE_MAX] = grains;
}

/* figures_span counts a span of timebase_tsc cycles. Cost: a multiplication and a store. */
static inline void
figures_span(struct figures *f, uint64_t cycles)
{
	/* The scale knows whole nanoseconds; ten bits more than that are 1 ps. */
	figures_add(f, timebase_tsc_to_ns(cycles << 10) * 1000 >> 10);
}

/* figures_block_end closes the block: its samples go to the histogram, its median to the list.
 * A block without samples is not counted. */
void figures_block_end(struct figures *f);

/* figures_quantile gives a quantile of all samples, in grains. */
double figures_quantile(const struct figures *f, double q);

/* figures_rate_add notes that a block did so many operations in so many cycles. */
void figures_rate_add(struct figures *f, uint64_t ops, uint64_t cycles);

/* figures_rate gives operations a second: the median of the blocks, as for the samples. A block in
 * which somebody else had the core does not count for more than one.
 * Returns: 0 when no block told. */
double figures_rate(const struct figures *f);

/* figures_moved tells how far the medians moved within the run: the run's blocks in order are cut
 * into FIGURES_PART_CNT parts; the largest of the parts' medians over the smallest.
 * Returns: at least 1; 1 when there are fewer than two blocks. */
double figures_moved(const struct figures *f);

/* figures_ratio_range gives the 10th and the 90th percentile of the ratios of the blocks' medians,
 * each block over its neighbour of the other side. With over NULL: of the medians themselves, in
 * grains.
 * Returns: the number of ratios; 0 leaves both unwritten. */
uint32_t figures_ratio_range(const struct figures *f, const struct figures *over, double *ret_low,
			     double *ret_high);

#endif
