/* SPDX-License-Identifier: Apache-2.0 */
/* subject_sched - what a decision of the scheduler costs: the core alone, with real claims */
#ifndef MB_SUBJECT_SCHED_H
#define MB_SUBJECT_SCHED_H

#include "bench.h"

/* 64 executors, all with 64 functions, drawn for each call. Row 0: an executor becomes free and
 * gets the call that waits; row 1: a call comes and gets the one executor that is free. */
int subject_sched(struct env *env, const struct bench *bench, struct measure *ret);

#endif
