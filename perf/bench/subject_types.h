/* SPDX-License-Identifier: Apache-2.0 */
/* subject_types - reads and merges of every type, by a function and by a client
 *
 * Each row is the function of the same name in perf/functions/types.c, behind "bench_".
 */
#ifndef MB_SUBJECT_TYPES_H
#define MB_SUBJECT_TYPES_H

#include "bench.h"

/* Timed inside the function, over the bare hash and line. */
int subject_types(struct env *env, const struct bench *bench, struct measure *ret);

/* The same of collections of a million. */
int subject_large(struct env *env, const struct bench *bench, struct measure *ret);

/* A client adds a new member to a set of a million, until the store has it, over the same with a
 * set of ten. */
int subject_large_add(struct env *env, const struct bench *bench, struct measure *ret);

#endif
