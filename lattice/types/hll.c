/* SPDX-License-Identifier: Apache-2.0 */
/* hll.c - the greater of each register
 *
 * Why the merge is a merge: a value is a function from registers to ranks, 0 where none is said;
 * the merge takes the greater at each, which is a maximum of total orders side by side. One
 * function has one encoding: the longer form is refused where the shorter one would do, and a
 * rank of 0 is not said. The function that is 0 everywhere is a value, too, next above bottom.
 * The merge is no longer than both (E4): it takes the long form only when both together have more
 * than HLL_FEW registers, three bytes each, or one of them has it already.
 */
#include "hll.h"

#include <math.h>
#include <string.h>

#include "codec.h"
#include "compiler.h"
#include "lattice.h"
#include "microburst/error.h"

#define ENTRY_BYTES 3
#define HASH_SEED   0xadc83b19u /* as Redis, or counts would differ */
#define RANK_BITS   50          /* of the hash, behind those of the register */

static_assert(HLL_BYTES_MAX % ENTRY_BYTES != 0 && HLL_BYTES_MAX != 1, "the length tells the form");
static_assert((HLL_FEW + 1) * ENTRY_BYTES >= HLL_BYTES_MAX, "E4");

/* ------------------------------------------------------------------------ the encoding */

static bool
is_long(struct slice v)
{
	return v.len == HLL_BYTES_MAX;
}

/* What was made, and nothing added to. */
static bool
is_none(struct slice v)
{
	return v.len == 1;
}

static bool
has_form(struct slice v)
{
	return is_long(v) || is_none(v) || v.len % ENTRY_BYTES == 0;
}

static uint32_t
entry_register(const uint8_t *p)
{
	return (uint32_t)p[0] << 8 | p[1];
}

int
hll_check(struct slice v, unsigned int depth)
{
	uint32_t set = 0;

	if (is_long(v)) {
		for (size_t i = 0; i < v.len; i++) {
			if (v.p[i] > HLL_RANK_MAX) {
				return MB_ERR_CORRUPT;
			}
			set += v.p[i] != 0;
		}
		return set > HLL_FEW ? 0 : MB_ERR_CORRUPT;
	}
	if (is_none(v)) {
		return v.p[0] == 0 ? 0 : MB_ERR_CORRUPT;
	}
	if (!has_form(v) || v.len > HLL_FEW * ENTRY_BYTES) {
		return MB_ERR_CORRUPT;
	}
	for (size_t i = 0; i < v.len; i += ENTRY_BYTES) {
		const uint8_t *p = v.p + i;

		if (entry_register(p) >= HLL_REGISTER_CNT || p[2] == 0 || p[2] > HLL_RANK_MAX ||
		    (i != 0 && entry_register(p - ENTRY_BYTES) >= entry_register(p))) {
			return MB_ERR_CORRUPT;
		}
	}
	return 0;
}

/* What a value changes in registers. */
struct folded {
	uint32_t set, raised,
		lower; /* of the value; those that it raised; those that were higher */
};

static struct folded
fold(struct hll *h, struct slice v)
{
	struct folded f = { 0 };

	if (is_long(v)) {
		for (size_t i = 0; i < HLL_REGISTER_CNT; i++) {
			uint8_t now = v.p[i], was = h->rank[i];

			f.set += now != 0;
			f.raised += now > was;
			f.lower += now < was;
			h->rank[i] = now > was ? now : was;
		}
		return f;
	}
	for (size_t i = 0; i + ENTRY_BYTES <= v.len; i += ENTRY_BYTES) {
		uint8_t *rank = &h->rank[entry_register(v.p + i) % HLL_REGISTER_CNT];

		f.set++;
		f.raised += v.p[i + 2] > *rank;
		f.lower += v.p[i + 2] < *rank;
		*rank = v.p[i + 2] > *rank ? v.p[i + 2] : *rank;
	}
	return f;
}

void
hll_fold(struct hll *h, struct slice v)
{
	(void)fold(h, v);
}

int
hll_delta(const struct hll *h, struct wbuf *out)
{
	struct wbuf before = *out;
	uint32_t set = 0;

	for (uint32_t i = 0; i < HLL_REGISTER_CNT; i++) {
		set += h->rank[i] != 0;
	}
	if (set > HLL_FEW) {
		wbuf_put(out, h->rank, sizeof(h->rank));
		return codec_done(out, before);
	}
	if (set == 0) {
		wbuf_u8(out, 0);
	}
	for (uint32_t i = 0; i < HLL_REGISTER_CNT; i++) {
		if (h->rank[i] != 0) {
			wbuf_u8(out, (uint8_t)(i >> 8));
			wbuf_u8(out, (uint8_t)i);
			wbuf_u8(out, h->rank[i]);
		}
	}
	return codec_done(out, before);
}

/* ------------------------------------------------------------------------ merging */

int
hll_merge(struct slice a, struct slice b, struct wbuf *out, unsigned int depth)
{
	struct hll h = { 0 };
	struct folded fa, fb;
	int err;

	if (!has_form(a) || !has_form(b)) {
		return MB_ERR_CORRUPT;
	}
	fa = fold(&h, a);
	fb = fold(&h, b);
	if (fb.raised == 0) {
		return LATTICE_LEFT;
	}
	if (fb.lower == 0 && fa.set <= fb.set) {
		struct hll of_b = { 0 };

		(void)fold(&of_b, b);
		if (fold(&of_b, a).raised == 0) {
			return LATTICE_RIGHT;
		}
	}
	err = hll_delta(&h, out);
	return err != 0 ? err : (int)LATTICE_MIXED;
}

/* The rank that a checked value has for a register. */
static uint8_t
rank_of(struct slice v, uint32_t reg)
{
	size_t low = 0, high = v.len / ENTRY_BYTES;

	if (is_long(v)) {
		return v.p[reg % HLL_REGISTER_CNT];
	}
	while (low < high) {
		size_t mid = (low + high) / 2;
		const uint8_t *p = v.p + mid * ENTRY_BYTES;

		if (entry_register(p) == reg) {
			return p[2];
		}
		if (entry_register(p) < reg) {
			low = mid + 1;
		} else {
			high = mid;
		}
	}
	return 0;
}

bool
hll_leq(struct slice a, struct slice b, unsigned int depth)
{
	if (is_long(a)) {
		for (uint32_t i = 0; i < HLL_REGISTER_CNT; i++) {
			if (a.p[i] > rank_of(b, i)) {
				return false;
			}
		}
		return true;
	}
	for (size_t i = 0; i + ENTRY_BYTES <= a.len; i += ENTRY_BYTES) {
		if (a.p[i + 2] > rank_of(b, entry_register(a.p + i))) {
			return false;
		}
	}
	return true;
}

/* ------------------------------------------------------------------------ members, and how many */

/* MurmurHash64A, of Austin Appleby, who gave it to the public. */
static uint64_t
member_hash(struct slice s)
{
	const uint64_t mul = UINT64_C(0xc6a4a7935bd1e995);
	uint64_t h = HASH_SEED ^ s.len * mul, k;
	size_t i;

	for (i = 0; i + sizeof(k) <= s.len; i += sizeof(k)) {
		k = codec_u64(s.p + i) * mul;
		k = (k ^ k >> 47) * mul;
		h = (h ^ k) * mul;
	}
	if (i < s.len) {
		for (k = 0; s.len > i; s.len--) {
			k = k << 8 | s.p[s.len - 1];
		}
		h = (h ^ k) * mul;
	}
	h = (h ^ h >> 47) * mul;
	return h ^ h >> 47;
}

void
hll_add(struct hll *h, struct slice member)
{
	uint64_t hash = member_hash(member);
	uint8_t *rank = &h->rank[hash % HLL_REGISTER_CNT];
	uint8_t now =
		(uint8_t)(1 + __builtin_ctzll(hash / HLL_REGISTER_CNT | UINT64_C(1) << RANK_BITS));

	*rank = now > *rank ? now : *rank;
}

/* What registers that were never set, and those that are full, add to the estimate: the series of
 * Ertl's paper, summed until they grow no more. x: which part of all. */
static double
series_unset(double x)
{
	double sum = x, before, weight = 1;

	if (x == 1) {
		return INFINITY;
	}
	do {
		before = sum;
		x *= x;
		sum += x * weight;
		weight += weight;
	} while (sum != before);
	return sum;
}

static double
series_full(double x)
{
	double sum = 1 - x, before, weight = 1;

	if (x == 0 || x == 1) {
		return 0;
	}
	do {
		before = sum;
		x = sqrt(x);
		weight /= 2;
		sum -= (1 - x) * (1 - x) * weight;
	} while (sum != before);
	return sum / 3;
}

uint64_t
hll_estimate(const struct hll *h)
{
	const double alpha = 0.721347520444481703680; /* 1 / (2 ln 2) */
	const double cnt = HLL_REGISTER_CNT;
	uint32_t with[256] = { 0 }; /* registers of a rank: damaged ones have any */
	double z;

	for (uint32_t i = 0; i < HLL_REGISTER_CNT; i++) {
		with[h->rank[i]]++;
	}
	z = cnt * series_full((cnt - with[HLL_RANK_MAX]) / cnt);
	for (uint32_t rank = HLL_RANK_MAX - 1; rank >= 1; rank--) {
		z = (z + with[rank]) / 2;
	}
	z += cnt * series_unset(with[0] / cnt);
	return (uint64_t)llround(alpha * cnt * cnt / z);
}
