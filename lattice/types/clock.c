/* SPDX-License-Identifier: Apache-2.0 */
/* clock.c - the hybrid logical clock
 *
 * One number: microseconds in the upper bits, counter in the lower. The next time is the wall
 * clock's, if that is ahead, and else the last one plus 1. The addition carries from the counter
 * into the microseconds by itself, so 4096 events within a microsecond simply borrow from the next;
 * the clock runs ahead of the wall by as much as events come faster than 4096 a microsecond, and
 * waits for it when they do not.
 *
 * Rejected: a separate counter that is reset when the microsecond changes (the textbook form). It
 * is the same order, with an overflow to handle.
 */
#include "clock.h"

#include "compiler.h"
#include "microburst/error.h"

struct hlc_time
hlc_time_of_us(uint64_t us)
{
	if (us > HLC_US_MAX) {
		return (struct hlc_time){ UINT64_MAX };
	}
	return (struct hlc_time){ us << HLC_COUNTER_BITS };
}

void
hlc_init(struct hlc *h, struct hlc_time seen)
{
	h->last = seen;
}

struct hlc_time
hlc_now(struct hlc *h, uint64_t wall_us)
{
	struct hlc_time wall = hlc_time_of_us(wall_us);

	if (wall.v > h->last.v) {
		h->last = wall;
	} else if (h->last.v != UINT64_MAX) {
		h->last.v++;
	}
	return h->last;
}

struct hlc_moment
hlc_moment(struct hlc *h, uint64_t wall_us)
{
	return (struct hlc_moment){ .now = hlc_now(h, wall_us), .day = hlc_time_of_us(wall_us) };
}

int
hlc_observe(struct hlc *h, struct hlc_time remote, uint64_t wall_us, uint64_t skew_max_us)
{
	uint64_t limit_us;

	/* Near the end of the range the sum could wrap; there the range itself is the limit. */
	if (__builtin_add_overflow(wall_us, skew_max_us, &limit_us)) {
		limit_us = HLC_US_MAX;
	}
	if (hlc_time_us(remote) > limit_us) {
		return MB_ERR_INVALID;
	}
	h->last.v = MAX(h->last.v, remote.v);
	return 0;
}
