/* SPDX-License-Identifier: Apache-2.0 */
/* interleave - subject and floor in turns, on the same cores, in one run
 *
 * Virtual machines drift by factors, so an absolute figure says little. A subject is measured
 * beside its floor, block by block, and the ratio is the result. A run during which the floor
 * itself moved by more than INTERLEAVE_MOVED_MAX says nothing: it is made again, and the steadiest
 * one is kept, marked noisy when none was good.
 */
#ifndef MB_INTERLEAVE_H
#define MB_INTERLEAVE_H

#include <stdbool.h>
#include <stdint.h>

#include "figures.h"
#include "pace.h"

#define INTERLEAVE_MOVED_MAX 1.5

struct side {
	/* block measures one block into f: warm-up, pace->sample_cnt samples. Leaves the cores
	 * idle.
	 * Returns: 0; a negative mb_err ends the bench. */
	int (*block)(void *ctx, const struct pace *pace, struct figures *f);
	void *ctx;
	/* CPU seconds that all processes of this side have used so far. NULL: not told. */
	double (*cpu_s)(void *cpu_ctx);
	void *cpu_ctx;
};

struct measure {
	struct figures subject;
	struct figures floor; /* block_cnt 0: there is none */
	double moved;         /* of the floor; without one, of the subject */
	uint32_t attempts;
	bool noisy;
	bool smoke;            /* too short to be judged */
	double others, stolen; /* cpus that other programs and the hypervisor used meanwhile */
};

/* interleave runs both sides in turns, the floor first. floor may be NULL.
 * Returns: 0 with *ret; the first negative result of a block; MB_ERR_INTERRUPTED once *stop is
 * set. */
int interleave(const struct pace *pace, const struct side *subject, const struct side *floor,
	       const volatile bool *stop, struct measure *ret);

/* interleave_judge fills in moved and noisy: for a bench that makes its blocks itself. */
void interleave_judge(struct measure *m);

#endif
