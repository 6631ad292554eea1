/* SPDX-License-Identifier: Apache-2.0 */
/* rng.c - xoshiro256++, seeded through SplitMix64
 *
 * xoshiro256++ (Blackman and Vigna, "Scrambled linear pseudorandom number generators", 2021):
 * period 2^256 - 1, passes the usual batteries, under a nanosecond. Its only bad state is all
 * zeroes. SplitMix64 is a bijection walked by a counter: four steps in a row give four different
 * words, so at most one is zero, and neighbouring seeds give unrelated states.
 *
 * Unbiased ranges are Lemire's ("Fast random integer generation in an interval", 2019). Write x * n
 * as hi * 2^64 + lo. As x runs over all 2^64 values, hi takes each value of [0, n) either floor or
 * ceil(2^64 / n) times. The ones it takes too often are exactly those whose lo is below 2^64 mod n:
 * refuse those, and every hi is left with floor(2^64 / n).
 */
#include "rng.h"

#include "check.h"

static uint64_t
splitmix64(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15U; /* 2^64 / golden ratio, odd */

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
	return z ^ (z >> 31);
}

static uint64_t
rotl(uint64_t x, unsigned k)
{
	return x << k | x >> (64 - k);
}

void
rng_init(struct rng *r, uint64_t seed)
{
	for (size_t i = 0; i < ARRAY_CNT(r->s); i++) {
		r->s[i] = splitmix64(&seed);
	}
}

uint64_t
rng_u64(struct rng *r)
{
	uint64_t *s = r->s;
	uint64_t out = rotl(s[0] + s[3], 23) + s[0];
	uint64_t t = s[1] << 17;

	s[2] ^= s[0];
	s[3] ^= s[1];
	s[1] ^= s[2];
	s[0] ^= s[3];
	s[2] ^= t;
	s[3] = rotl(s[3], 45);
	return out;
}

uint64_t
rng_below(struct rng *r, uint64_t n)
{
	unsigned __int128 product;

	REQUIRE(n > 0);
	product = (unsigned __int128)rng_u64(r) * n;
	if (unlikely((uint64_t)product < n)) { /* 2^64 mod n is below n: spares the division */
		uint64_t excess = -n % n;      /* 2^64 mod n */

		while ((uint64_t)product < excess) {
			product = (unsigned __int128)rng_u64(r) * n;
		}
	}
	return (uint64_t)(product >> 64);
}

uint64_t
rng_range(struct rng *r, uint64_t lo, uint64_t hi)
{
	REQUIRE(lo <= hi);
	if (hi - lo == UINT64_MAX) { /* all 2^64: their count is not a uint64_t */
		return rng_u64(r);
	}
	return lo + rng_below(r, hi - lo + 1);
}

double
rng_f64(struct rng *r)
{
	return (double)(rng_u64(r) >> 11) * 0x1p-53;
}
