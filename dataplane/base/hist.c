/* SPDX-License-Identifier: Apache-2.0 */
/* hist.c - where a value's bucket is
 *
 * With S = HIST_STEP_CNT = 2^s. Values below 2S go to bucket v. A value of the octave [2^o,
 * 2^(o+1)), o > s, is shifted right by o - s, which leaves its top s + 1 bits: a number in [S, 2S).
 * Each octave above moves that window up by S:
 *
 *	value    0 ..... S ..... 2S ......... 4S ................ 8S
 *	bucket   0 ..... S ..... 2S ......... 3S ................ 4S
 *	width       1       1          2               4
 *
 *	bucket(v) = (v >> shift) + shift * S,   shift = max(0, floor(log2 v) - s)
 *
 * which is continuous: at v = 2^o the window gives S, exactly one past the 2S - 1 of the octave
 * below. Bucket b holds, for shift = max(0, b / S - 1), the 2^shift values from
 * (b - shift * S) << shift on.
 *
 * The middle of a bucket is off by at most 2^shift / 2; its values are at least S * 2^shift; so the
 * relative error is at most 1 / 2S = 0.78 %.
 *
 * Counters are stored with relaxed atomics: the same instructions as plain ones, but a reader in
 * another process is then allowed to look. Counts of one value are not published together, so a
 * reader may find cnt ahead of the buckets; hist_quantile counts the buckets themselves.
 *
 * Rejected: sums of squares (nobody asks for them), resizable ranges (no fixed size, no plain
 * merge), 32 steps (1.6 %), 128 (twice the 19 KiB for digits that the machine's noise covers).
 */
#include "hist.h"

#include "check.h"

static_assert(100 <= 2 * HIST_STEP_CNT, "a bucket's middle is off by more than 1 %");

static uint64_t
load(const uint64_t *p)
{
	return __atomic_load_n(p, __ATOMIC_RELAXED);
}

static void
store(uint64_t *p, uint64_t v)
{
	__atomic_store_n(p, v, __ATOMIC_RELAXED);
}

static void
bump(uint64_t *p, uint64_t by)
{
	store(p, load(p) + by);
}

static unsigned
bucket_of(uint64_t value)
{
	unsigned octave = 63U - (unsigned)__builtin_clzll(value | 1);
	unsigned shift = octave > HIST_STEP_CNT_LG ? octave - HIST_STEP_CNT_LG : 0;

	return (unsigned)(value >> shift) + shift * HIST_STEP_CNT;
}

static uint64_t
bucket_middle(unsigned bucket)
{
	unsigned shift = bucket < 2 * HIST_STEP_CNT ? 0 : bucket / HIST_STEP_CNT - 1;
	uint64_t low = (uint64_t)(bucket - shift * HIST_STEP_CNT) << shift;

	return low + (UINT64_C(1) << shift) / 2;
}

void
hist_init(struct hist *h)
{
	*h = (struct hist){ .cnt = 0 };
}

void
hist_add(struct hist *h, uint64_t value)
{
	if (unlikely(value > HIST_VALUE_MAX)) {
		value = HIST_VALUE_MAX;
		bump(&h->clipped_cnt, 1);
	}
	bump(&h->bucket[bucket_of(value)], 1);
	if (~value > load(&h->min_inv)) {
		store(&h->min_inv, ~value);
	}
	if (value > load(&h->max)) {
		store(&h->max, value);
	}
	bump(&h->cnt, 1);
}

/* The 1-based rank of the value that hist_quantile is to find. */
static uint64_t
quantile_rank(double q, uint64_t cnt)
{
	double want = q * (double)cnt;
	uint64_t rank = (uint64_t)want;

	if ((double)rank < want) {
		rank++;
	}
	return MIN(MAX(rank, UINT64_C(1)), cnt);
}

uint64_t
hist_quantile(const struct hist *h, double q)
{
	uint64_t cnt = 0;
	uint64_t seen = 0;
	uint64_t rank;
	unsigned b;

	REQUIRE(q >= 0 && q <= 1, "q=%g", q);
	for (b = 0; b < HIST_BUCKET_CNT; b++) {
		cnt += load(&h->bucket[b]);
	}
	if (cnt == 0) {
		return 0;
	}
	rank = quantile_rank(q, cnt);
	for (b = 0; b < HIST_BUCKET_CNT - 1; b++) {
		seen += load(&h->bucket[b]);
		if (seen >= rank) {
			break;
		}
	}
	/* The ends are known exactly: better than the middle of their buckets. */
	return MIN(MAX(bucket_middle(b), hist_min(h)), hist_max(h));
}

uint64_t
hist_cnt(const struct hist *h)
{
	return load(&h->cnt);
}

uint64_t
hist_min(const struct hist *h)
{
	uint64_t min_inv = load(&h->min_inv);

	return min_inv != 0 ? ~min_inv : 0;
}

uint64_t
hist_max(const struct hist *h)
{
	return load(&h->max);
}

uint64_t
hist_clipped_cnt(const struct hist *h)
{
	return load(&h->clipped_cnt);
}
