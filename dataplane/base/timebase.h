/* SPDX-License-Identifier: Apache-2.0 */
/* timebase.h - time as an argument, and a cheap stopwatch
 *
 * Three things that must not be confused:
 *
 *  now    nanoseconds that never go back: deadlines, intervals, timers. Its zero means nothing, but
 *         is the same in all processes of a machine (CLOCK_MONOTONIC), so a stamp may be sent.
 *  wall   microseconds since 1970: may jump, both ways. For versions and for people.
 *  tsc    cycles of this machine's counter: for measuring spans where 20 ns of clock_gettime are
 *         too many. Converted to nanoseconds by a multiplication.
 *
 * Step cores never call a clock: they take a struct timebase, or the time itself. The simulator
 * gives them a timebase_virtual.
 *
 * Threads:   reading is for any; a timebase_virtual has one owner.
 */
#ifndef MB_TIMEBASE_H
#define MB_TIMEBASE_H

#include <stdbool.h>
#include <stdint.h>

#include "compiler.h"

#undef NS_PER_S /* DPDK's is a double */
#undef US_PER_S
#define NS_PER_US 1000ULL
#define NS_PER_MS 1000000ULL
#define NS_PER_S  1000000000ULL
#define US_PER_S  1000000ULL

struct timebase {
	uint64_t (*now_ns)(void *ctx);  /* never less than it was before */
	uint64_t (*wall_us)(void *ctx); /* may go back */
	void *ctx;
};

static inline uint64_t
timebase_now_ns(const struct timebase *tb)
{
	return tb->now_ns(tb->ctx);
}

static inline uint64_t
timebase_wall_us(const struct timebase *tb)
{
	return tb->wall_us(tb->ctx);
}

/* timebase_real is the time of this machine.
 *
 * Returns:   a constant; the same pointer every time.
 */
const struct timebase *timebase_real(void);

/* ---------------------------------------------------------------- virtual */

/* A time that stands still until it is moved. Pass &v->tb on. The struct must not be copied. */
struct timebase_virtual {
	struct timebase tb;
	uint64_t now_ns;
	int64_t wall_ahead_us; /* wall = now + this */
};

void timebase_virtual_init(struct timebase_virtual *v, uint64_t now_ns, uint64_t wall_us);

/* timebase_virtual_advance moves both clocks on. */
void timebase_virtual_advance(struct timebase_virtual *v, uint64_t ns);

/* timebase_virtual_set_wall makes the wall clock jump, to any time, now staying as it is. */
void timebase_virtual_set_wall(struct timebase_virtual *v, uint64_t wall_us);

/* -------------------------------------------------------------------- tsc */

/* How cycles become nanoseconds. Filled in once, by the first who asks; mult 0 before that. */
struct timebase_tsc_scale {
	uint64_t hz;
	uint64_t mult;  /* nanoseconds a cycle, times 2^32 */
	bool invariant; /* the counter may be read; otherwise tsc is clock_gettime in nanoseconds */
};
extern struct timebase_tsc_scale timebase_tsc_scale;

/* timebase_tsc_calibrate measures the counter, once a process (a fork inherits it).
 *
 * Ensures:   the functions below answer at once. They call it themselves when nobody has: call it
 *            at start to choose when those 2 ms are spent.
 * Cost:      about 2 ms of sleep the first time. The rate is good to about 50 parts in a million.
 */
void timebase_tsc_calibrate(void);

/* timebase_tsc_disable makes tsc be clock_gettime, as on a machine without an invariant counter.
 *
 * Threads:   start-up only: stamps taken before and after cannot be compared.
 */
void timebase_tsc_disable(void);

noinline uint64_t timebase_tsc_slow(void);

/* timebase_tsc reads the counter.
 *
 * Returns:   cycles (on a machine without an invariant counter: nanoseconds, and hz is 10^9).
 * Cost:      ~10 ns; the read is not ordered with the loads around it.
 */
static inline uint64_t
timebase_tsc(void)
{
#if defined(__x86_64__)
	if (likely(__atomic_load_n(&timebase_tsc_scale.invariant, __ATOMIC_RELAXED))) {
		return __builtin_ia32_rdtsc();
	}
#endif
	return timebase_tsc_slow();
}

/* timebase_tsc_hz gives cycles a second. */
uint64_t timebase_tsc_hz(void);

/* timebase_tsc_to_ns turns a span of cycles into nanoseconds.
 *
 * Cost:      one multiplication.
 */
static inline uint64_t
timebase_tsc_to_ns(uint64_t cycles)
{
	/* A1: acquire; pairs with R1 in timebase.c. Without it the scale could be half written. */
	uint64_t mult = __atomic_load_n(&timebase_tsc_scale.mult, __ATOMIC_ACQUIRE);

	if (unlikely(mult == 0)) {
		timebase_tsc_calibrate();
		mult = timebase_tsc_scale.mult;
	}
	return (uint64_t)((unsigned __int128)cycles * mult >> 32);
}

/* timebase_ns_to_tsc turns nanoseconds into cycles, rounded down: for the limit of a loop.
 *
 * Cost:      a division.
 */
uint64_t timebase_ns_to_tsc(uint64_t ns);

#endif
