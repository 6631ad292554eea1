/* SPDX-License-Identifier: Apache-2.0 */
/* clock.h - who wrote, and when
 *
 * Time is a hybrid logical clock in 64 bits: 52 bits of microseconds since 1970 (to the year 2112),
 * 12 bits of counter. The microseconds follow the wall clock; the counter orders what happens
 * within one of them, and carries into the microseconds when it overflows, so the whole is simply a
 * number that grows. It never runs backwards, and what was heard is always earlier than what is
 * said next.
 *
 * The pair (time, writer) is a stamp: a total order in which no two writes are equal, because a
 * writer never uses a time twice. Stamps order registers, epochs and deadlines.
 *
 * Nothing here asks what time it is: the wall clock is an argument.
 */
#ifndef MB_CLOCK_H
#define MB_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

#define HLC_COUNTER_BITS 12
#define HLC_US_MAX       ((UINT64_C(1) << (64 - HLC_COUNTER_BITS)) - 1)

/* One incarnation of a cache or kvs tile: 64 random bits, drawn when it starts. Never a client or
 * an executor, of which there are too many to be remembered in every counter. 0 is nobody. */
struct writer_id {
	uint64_t v;
};

struct hlc_time {
	uint64_t v;
};

/* Owner: one tile. Others read nothing. */
struct hlc {
	struct hlc_time last; /* the greatest time given out or heard */
};

/* One and the same moment twice. What is written is stamped with now, which only grows. What has
 * expired is judged by day, the clock of the day, as readers do: when that is set back now stays
 * ahead of it, by hours perhaps, and by now every deadline in between would have passed. */
struct hlc_moment {
	struct hlc_time now, day;
};

/* When, and by whom. All zero is before everything. */
struct stamp {
	struct hlc_time time;
	struct writer_id writer;
};

/* hlc_init starts a clock that has already seen `seen`: what a restart remembers, or zero. */
void hlc_init(struct hlc *h, struct hlc_time seen);

/* hlc_now gives the time of a new event.
 *
 * Ensures:   it is greater than every time given out or observed before, whatever the wall clock
 *            does. At the very end of the range (2112) it stands still instead of wrapping.
 */
struct hlc_time hlc_now(struct hlc *h, uint64_t wall_us);

/* hlc_moment is hlc_now, and what the clock of the day says. */
struct hlc_moment hlc_moment(struct hlc *h, uint64_t wall_us);

/* hlc_moment_of is the moment of a time where nobody sets clocks back. */
static inline struct hlc_moment
hlc_moment_of(struct hlc_time t)
{
	return (struct hlc_moment){ .now = t, .day = t };
}

/* hlc_observe takes note of a time that came from elsewhere, so that everything after it is later.
 *
 * Returns:   0; MB_ERR_INVALID when it lies more than skew_max_us ahead of the wall clock: it is
 *            not taken note of, so that one wrong clock cannot drag all others with it.
 */
int hlc_observe(struct hlc *h, struct hlc_time remote, uint64_t wall_us, uint64_t skew_max_us);

/* hlc_time_of_us is the first time of a microsecond; later than the range means its end. */
struct hlc_time hlc_time_of_us(uint64_t us);

static inline uint64_t
hlc_time_us(struct hlc_time t)
{
	return t.v >> HLC_COUNTER_BITS;
}

/* stamp_cmp orders by time, the writer breaks ties.
 *
 * Returns:   < 0, 0 or > 0.
 */
static inline int
stamp_cmp(struct stamp a, struct stamp b)
{
	if (a.time.v != b.time.v) {
		return a.time.v < b.time.v ? -1 : 1;
	}
	return (a.writer.v > b.writer.v) - (a.writer.v < b.writer.v);
}

static inline bool
stamp_is_zero(struct stamp s)
{
	return s.time.v == 0 && s.writer.v == 0;
}

#endif
