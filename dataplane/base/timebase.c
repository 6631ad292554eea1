/* SPDX-License-Identifier: Apache-2.0 */
/* timebase.c - the clocks of this machine, one that stands still, and what a cycle is worth
 *
 * The counter of a core may be used as a clock only if it ticks at one rate in every power state:
 * CPUID calls that invariant. Where it is not, every tsc function works on clock_gettime with one
 * "cycle" a nanosecond, so that callers need no second path.
 *
 * Calibration compares the counter with CLOCK_MONOTONIC at both ends of a short sleep. Each end is
 * a pair (clock, counter) that is as wrong as the time between the two reads; the best of a few
 * tries is some 30 ns apart, so 2 ms give about 30 / 2,000,000. Longer would buy nothing: the clock
 * itself is slewed by up to 500 parts in a million. Rejected: CPUID leaf 0x15, which says the rate
 * on some processors, and zero on others and under most hypervisors.
 *
 * timebase_tsc_scale is written under pthread_once: hz, then mult (R1), then invariant. A thread
 * that reads the counter before sees invariant == false and takes the slow path, which waits.
 */
#include "timebase.h"

#include <pthread.h>
#include <time.h>
#if defined(__x86_64__)
#include <cpuid.h>
#endif

#include "check.h"

enum { CALIBRATE_NS = 2000000, CALIBRATE_TRY_CNT = 16 };

struct timebase_tsc_scale timebase_tsc_scale;

static uint64_t
clock_ns(clockid_t clock)
{
	struct timespec ts;
	int rc = clock_gettime(clock, &ts);

	INSIST(rc == 0); /* it fails for unknown clocks only */
	return (uint64_t)ts.tv_sec * NS_PER_S + (uint64_t)ts.tv_nsec;
}

/* ------------------------------------------------------------------- real */

static uint64_t
real_now_ns(void *ctx)
{
	return clock_ns(CLOCK_MONOTONIC);
}

static uint64_t
real_wall_us(void *ctx)
{
	return clock_ns(CLOCK_REALTIME) / NS_PER_US;
}

const struct timebase *
timebase_real(void)
{
	static const struct timebase real = { .now_ns = real_now_ns, .wall_us = real_wall_us };

	return &real;
}

/* ---------------------------------------------------------------- virtual */

static uint64_t
virtual_now_ns(void *ctx)
{
	const struct timebase_virtual *v = ctx;

	return v->now_ns;
}

static uint64_t
virtual_wall_us(void *ctx)
{
	const struct timebase_virtual *v = ctx;

	return v->now_ns / NS_PER_US + (uint64_t)v->wall_ahead_us;
}

void
timebase_virtual_init(struct timebase_virtual *v, uint64_t now_ns, uint64_t wall_us)
{
	*v = (struct timebase_virtual){
		.tb = { .now_ns = virtual_now_ns, .wall_us = virtual_wall_us, .ctx = v },
		.now_ns = now_ns,
	};
	timebase_virtual_set_wall(v, wall_us);
}

void
timebase_virtual_advance(struct timebase_virtual *v, uint64_t ns)
{
	REQUIRE(ns <= UINT64_MAX - v->now_ns);
	v->now_ns += ns;
}

void
timebase_virtual_set_wall(struct timebase_virtual *v, uint64_t wall_us)
{
	v->wall_ahead_us = (int64_t)(wall_us - v->now_ns / NS_PER_US);
}

/* -------------------------------------------------------------------- tsc */

static pthread_once_t calibrated = PTHREAD_ONCE_INIT;

static void
scale_set(uint64_t hz, bool invariant)
{
	uint64_t mult = (NS_PER_S << 32) / hz;

	timebase_tsc_scale.hz = hz;
	/* R1: release; pairs with A1 in timebase_tsc_to_ns. Whoever sees mult sees hz. */
	__atomic_store_n(&timebase_tsc_scale.mult, mult, __ATOMIC_RELEASE);
	__atomic_store_n(&timebase_tsc_scale.invariant, invariant, __ATOMIC_RELEASE);
}

#if defined(__x86_64__)

struct tsc_sample {
	uint64_t ns, tsc;
};

static bool
tsc_is_invariant(void)
{
	unsigned a, b, c, d;

	return __get_cpuid(0x80000007, &a, &b, &c, &d) != 0 && (d & 1U << 8) != 0;
}

static struct tsc_sample
tsc_sample(void)
{
	struct tsc_sample best = { 0, 0 };
	uint64_t best_gap = UINT64_MAX;

	for (int i = 0; i < CALIBRATE_TRY_CNT; i++) {
		uint64_t before = __builtin_ia32_rdtsc();
		uint64_t ns = clock_ns(CLOCK_MONOTONIC);
		uint64_t gap = __builtin_ia32_rdtsc() - before;

		if (gap < best_gap) {
			best_gap = gap;
			best = (struct tsc_sample){ .ns = ns, .tsc = before + gap / 2 };
		}
	}
	return best;
}

/* Returns cycles a second, or 0 when what was measured cannot be. */
static uint64_t
tsc_measure_hz(void)
{
	struct timespec nap = { .tv_nsec = CALIBRATE_NS };
	struct tsc_sample from = tsc_sample();
	struct tsc_sample to;
	uint64_t hz;

	do {
		nanosleep(&nap, NULL); /* a signal may cut it short */
		to = tsc_sample();
	} while (to.ns - from.ns < CALIBRATE_NS);

	hz = (uint64_t)((unsigned __int128)(to.tsc - from.tsc) * NS_PER_S / (to.ns - from.ns));
	/* 100 MHz .. 10 GHz: outside of it the counter was stopped, reset or is emulated. */
	return hz >= 100000000 && hz <= 10000000000 ? hz : 0;
}

static void
calibrate_once(void)
{
	uint64_t hz = tsc_is_invariant() ? tsc_measure_hz() : 0;

	scale_set(hz != 0 ? hz : NS_PER_S, hz != 0);
}

#else

static void
calibrate_once(void)
{
	scale_set(NS_PER_S, false);
}

#endif

void
timebase_tsc_calibrate(void)
{
	int rc = pthread_once(&calibrated, calibrate_once);

	INSIST(rc == 0);
}

void
timebase_tsc_disable(void)
{
	timebase_tsc_calibrate(); /* so that no later call turns it on again */
	scale_set(NS_PER_S, false);
}

uint64_t
timebase_tsc_slow(void)
{
	timebase_tsc_calibrate();
	if (timebase_tsc_scale.invariant) {
		return timebase_tsc();
	}
	return clock_ns(CLOCK_MONOTONIC);
}

uint64_t
timebase_tsc_hz(void)
{
	timebase_tsc_calibrate();
	return timebase_tsc_scale.hz;
}

uint64_t
timebase_ns_to_tsc(uint64_t ns)
{
	return (uint64_t)((unsigned __int128)ns * timebase_tsc_hz() / NS_PER_S);
}
