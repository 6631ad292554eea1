/* SPDX-License-Identifier: Apache-2.0 */
/* rng.h - random numbers from a seed: the same seed, the same numbers, on every machine
 *
 * For simulation, sampling, jitter and load. Not for secrets: a few numbers give away the rest.
 *
 * Owner: whoever holds the struct; one thread at a time. Copying it forks the sequence.
 */
#ifndef MB_RNG_H
#define MB_RNG_H

#include <stdint.h>

struct rng {
	uint64_t s[4];
};

/* rng_init begins the sequence of a seed. Every seed is good, 0 too. */
void rng_init(struct rng *r, uint64_t seed);

/* rng_u64 gives the next 64 bits. */
uint64_t rng_u64(struct rng *r);

/* rng_below gives a number in [0, n), each equally likely.
 *
 * Requires:  n > 0
 * Cost:      one multiplication; a division only when the first try falls into the biased part,
 *            with a chance of n / 2^64.
 */
uint64_t rng_below(struct rng *r, uint64_t n);

/* rng_range gives a number in [lo, hi], both included, each equally likely.
 *
 * Requires:  lo <= hi
 */
uint64_t rng_range(struct rng *r, uint64_t lo, uint64_t hi);

/* rng_f64 gives a number in [0, 1): one of the 2^53 multiples of 2^-53, each equally likely. */
double rng_f64(struct rng *r);

#endif
