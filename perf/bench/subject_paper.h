/* SPDX-License-Identifier: Apache-2.0 */
/* subject_paper - the workloads of the papers: sums of stored arrays, a prediction pipeline
 *
 * Locality: a call that sums ten stored arrays, beside one loop over the same arrays in this
 * process. Hot: always the same keys. Cold: more keys than the cache holds, in turn. Zipf: the same
 * keys, drawn with exponent 1.
 */
#ifndef MB_SUBJECT_PAPER_H
#define MB_SUBJECT_PAPER_H

#include "bench.h"

int subject_locality_hot_80k(struct env *env, const struct bench *bench, struct measure *ret);
int subject_locality_hot_800k(struct env *env, const struct bench *bench, struct measure *ret);
int subject_locality_hot_8m(struct env *env, const struct bench *bench, struct measure *ret);
int subject_locality_hot_80m(struct env *env, const struct bench *bench, struct measure *ret);
int subject_locality_cold_8m(struct env *env, const struct bench *bench, struct measure *ret);
int subject_locality_zipf_8m(struct env *env, const struct bench *bench, struct measure *ret);

/* A DAG: prepare, three models beside each other, combine. */
int subject_pipeline(struct env *env, const struct bench *bench, struct measure *ret);

#endif
