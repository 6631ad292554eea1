/* SPDX-License-Identifier: Apache-2.0 */
/* subject_life - executors that come and go: cold_start, crash_replace */
#ifndef MB_SUBJECT_LIFE_H
#define MB_SUBJECT_LIFE_H

#include "bench.h"

/* The first call of a deployed function that no executor has, over a bare dlopen and dlclose of it.
 * */
int subject_cold_start(struct env *env, const struct bench *bench, struct measure *ret);

/* kill -9 of the only executor; row 0: until another serves; row 1: until a call succeeds. Over a
 * bare process that is killed, reaped, forked anew and heard from. */
int subject_crash_replace(struct env *env, const struct bench *bench, struct measure *ret);

#endif
