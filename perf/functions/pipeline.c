/* SPDX-License-Identifier: Apache-2.0 */
/* pipeline.c - serving a prediction: features -> three models beside each other -> one answer
 *
 *	             ┌─► bench_model#0 ─┐
 *	bench_prepare ─► bench_model#1 ─► bench_combine
 *	             └─► bench_model#2 ─┘
 *
 * Linear models of 256 weights: the work of each is small, so what is seen is the way between them.
 */
#include <microburst/function.h>
#include <stdlib.h>

#define FEATURE_CNT 256

static double weight[3][FEATURE_CNT];

MB_INIT
{
	for (int m = 0; m < 3; m++) {
		for (int i = 0; i < FEATURE_CNT; i++) {
			weight[m][i] = m + 1;
		}
	}
	return 0;
}

/* bench_prepare FEATURES: halves each. */
MB_FUNCTION(bench_prepare)
{
	const double *x;
	size_t cnt;
	void *to;

	MB_TRY(mb_arg_f64_array(call, 0, &x, &cnt));
	if (cnt != FEATURE_CNT) {
		return mb_fail(call, "there are %d features", FEATURE_CNT);
	}
	MB_TRY(mb_return_reserve(call, MB_F64_ARRAY, sizeof(weight[0]), &to));
	for (size_t i = 0; i < FEATURE_CNT; i++) {
		((double *)to)[i] = x[i] / 2;
	}
	return 0;
}

MB_FUNCTION(bench_model)
{
	unsigned long m = strtoul(mb_tag(call), NULL, 10);
	double score = 0;
	const double *x;
	size_t cnt;

	MB_TRY(mb_arg_f64_array(call, 0, &x, &cnt));
	if (m > 2 || cnt != FEATURE_CNT) {
		return mb_fail(call, "there are three models of %d features", FEATURE_CNT);
	}
	for (size_t i = 0; i < FEATURE_CNT; i++) {
		score += weight[m][i] * x[i];
	}
	return mb_return_f64(call, score);
}

MB_FUNCTION(bench_combine)
{
	double best = 0, score;

	for (uint32_t i = 0; i < mb_arg_cnt(call); i++) {
		MB_TRY(mb_arg_f64(call, i, &score));
		best = score > best ? score : best;
	}
	return mb_return_f64(call, best);
}
