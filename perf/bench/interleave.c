/* SPDX-License-Identifier: Apache-2.0 */
/* interleave.c - see interleave.h */
#include "interleave.h"

#include <microburst/error.h>
#include <stdlib.h>

#include "check.h"

static int
block(const struct side *side, const struct pace *pace, struct figures *f)
{
	double before = side->cpu_s != NULL ? side->cpu_s(side->cpu_ctx) : 0;
	int err = side->block(side->ctx, pace, f);

	if (side->cpu_s != NULL) {
		f->cpu_s += side->cpu_s(side->cpu_ctx) - before;
	}
	figures_block_end(f);
	return err;
}

static int
attempt(const struct pace *pace, const struct side *subject, const struct side *floor,
	const volatile bool *stop, struct measure *ret)
{
	int err = 0;

	figures_init(&ret->subject);
	figures_init(&ret->floor);
	for (uint32_t i = 0; i < pace->block_cnt && err == 0; i++) {
		if (*stop) {
			return MB_ERR_INTERRUPTED;
		}
		if (floor != NULL) {
			err = block(floor, pace, &ret->floor);
		}
		if (err == 0) {
			err = block(subject, pace, &ret->subject);
		}
	}
	interleave_judge(ret);
	return err;
}

void
interleave_judge(struct measure *m)
{
	m->moved = figures_moved(m->floor.block_cnt > 0 ? &m->floor : &m->subject);
	m->noisy = m->moved > INTERLEAVE_MOVED_MAX;
}

int
interleave(const struct pace *pace, const struct side *subject, const struct side *floor,
	   const volatile bool *stop, struct measure *ret)
{
	struct measure *next = malloc(sizeof(*next));
	int err = 0;

	REQUIRE(pace->attempt_cnt >= 1);
	if (next == NULL) {
		return MB_ERR_NO_MEMORY;
	}
	for (uint32_t i = 1; i <= pace->attempt_cnt; i++) {
		err = attempt(pace, subject, floor, stop, next);
		if (err < 0) {
			break;
		}
		if (i == 1 || next->moved < ret->moved) {
			*ret = *next;
		}
		ret->attempts = i;
		if (!ret->noisy) {
			break;
		}
	}
	free(next);
	return err;
}
