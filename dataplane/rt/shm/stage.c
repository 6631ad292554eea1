/* SPDX-License-Identifier: Apache-2.0 */
#include "stage.h"

#include "check.h"

static_assert(sizeof(struct stage_use) % CACHE_LINE == 0, "uses do not share lines");

uint32_t
stage_bucket(uint64_t ns)
{
	float f;
	uint32_t bits;

	if (ns > STAGE_FINE_MAX) {
		/* 31 at least, of 2^31 - 1 and more. */
		uint32_t lg = ns < INT64_MAX ? 63 - (uint32_t)__builtin_clzll(ns + 1) : 63;

		return MIN(STAGE_COARSE + lg - 31, (uint32_t)STAGE_BUCKET_CNT - 1);
	}
	f = (float)((int32_t)ns + 1);
	memcpy(&bits, &f, sizeof(bits));
	return (bits >> (23 - STAGE_STEP_CNT_LG)) - (127u << STAGE_STEP_CNT_LG);
}

uint64_t
stage_bucket_begin(uint32_t bucket)
{
	uint32_t octave = bucket >> STAGE_STEP_CNT_LG;
	uint64_t step = bucket & (STAGE_STEP_CNT - 1);
	uint64_t eighths = (STAGE_STEP_CNT + step) << octave;

	REQUIRE(bucket <= STAGE_BUCKET_CNT);
	if (bucket >= STAGE_COARSE) {
		return (UINT64_C(1) << (31 + (bucket - STAGE_COARSE))) - 1;
	}
	/* Of the first octaves some buckets begin between two numbers: nothing falls into those. */
	return ((eighths + STAGE_STEP_CNT - 1) >> STAGE_STEP_CNT_LG) - 1;
}

void
stage_add(struct stage_hist *h, uint64_t ns)
{
	stage_inc(&h->bucket[stage_bucket(ns)], 1);
}

static uint64_t
add_saturating(uint64_t a, uint64_t b)
{
	return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

void
stage_sum_add(struct stage_sum *sum, const struct stage_hist *h)
{
	for (uint32_t i = 0; i < STAGE_BUCKET_CNT; i++) {
		uint64_t n = atomic_load_explicit(&h->bucket[i], memory_order_relaxed);

		sum->bucket[i] = add_saturating(sum->bucket[i], n);
	}
}

uint64_t
stage_sum_cnt(const struct stage_sum *sum)
{
	uint64_t cnt = 0;

	for (uint32_t i = 0; i < STAGE_BUCKET_CNT; i++) {
		cnt = add_saturating(cnt, sum->bucket[i]);
	}
	return cnt;
}

double
stage_sum_ns(const struct stage_sum *sum)
{
	double ns = 0;

	for (uint32_t i = 0; i < STAGE_BUCKET_CNT; i++) {
		ns += (double)sum->bucket[i] * (double)stage_bucket_begin(i);
	}
	return ns;
}

uint64_t
stage_quantile(const struct stage_sum *sum, double q)
{
	double rank = q * (double)stage_sum_cnt(sum), below = 0;

	REQUIRE(q >= 0 && q <= 1, "q=%g", q);
	rank = rank < 1 ? 1 : rank;
	for (uint32_t i = 0; i < STAGE_BUCKET_CNT; i++) {
		double n = (double)sum->bucket[i];

		if (n > 0 && below + n >= rank) {
			uint64_t begin = stage_bucket_begin(i), next = stage_bucket_begin(i + 1);
			double last = next > begin ? (double)(next - 1 - begin) : 0;
			double at = rank - below - 0.5;

			return begin + (uint64_t)(at > 0 ? last * at / n : 0);
		}
		below += n;
	}
	return 0;
}

const char *
stage_name(enum stage stage)
{
#define X(name, text, doc) [STAGE_##name] = text,
	static const char *const names[] = { STAGES(X) };
#undef X

	REQUIRE((unsigned)stage < STAGE_CNT, "stage=%d", (int)stage);
	return names[stage];
}

const char *
stage_doc(enum stage stage)
{
#define X(name, text, doc) [STAGE_##name] = doc,
	static const char *const docs[] = { STAGES(X) };
#undef X

	REQUIRE((unsigned)stage < STAGE_CNT, "stage=%d", (int)stage);
	return docs[stage];
}
