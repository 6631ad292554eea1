/* SPDX-License-Identifier: Apache-2.0 */
/* pace - how long a bench measures, and the loop that does it
 *
 *	A B A B A B ...      blocks of subject and floor, in turn
 *	[warm|samples]       each block: some repetitions that do not count, then those that do
 *
 * The warm-up is a time, not only a count: what ran before on the same cores (a spinning executor,
 * a sleeping partner) has to get out of the way first.
 */
#ifndef MB_PACE_H
#define MB_PACE_H

#include <stdint.h>

#include "figures.h"
#include "timebase.h"

struct pace {
	uint32_t block_cnt;   /* of each side; at most FIGURES_BLOCK_MAX */
	uint32_t sample_cnt;  /* in a block; at most FIGURES_SAMPLE_MAX */
	uint32_t warm_cnt;    /* repetitions before, at least */
	uint64_t warm_ns;     /* time before, at least */
	uint32_t attempt_cnt; /* how often a run is made while the machine is too noisy */
};

/* pace_run repeats once(ctx), which is inlined: warm-up, then a sample each.
 * Returns: 0, or the first negative result of once. */
static inline __attribute__((__always_inline__)) int
pace_run(const struct pace *pace, struct figures *f, int (*once)(void *ctx), void *ctx)
{
	uint64_t start = timebase_tsc(), at;
	uint64_t warm = timebase_ns_to_tsc(pace->warm_ns);
	uint32_t n;
	int err;

	for (n = 0; n < pace->warm_cnt || timebase_tsc() - start < warm; n++) {
		if ((err = once(ctx)) < 0) {
			return err;
		}
	}
	for (uint32_t i = 0; i < pace->sample_cnt; i++) {
		at = timebase_tsc();
		if ((err = once(ctx)) < 0) {
			return err;
		}
		figures_span(f, timebase_tsc() - at);
	}
	f->cpu_ops += n + pace->sample_cnt;
	return 0;
}

#endif
