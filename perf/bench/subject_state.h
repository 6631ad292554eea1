/* SPDX-License-Identifier: Apache-2.0 */
/* subject_state - reads and writes of the store by a function */
#ifndef MB_SUBJECT_STATE_H
#define MB_SUBJECT_STATE_H

#include "bench.h"

/* Timed inside the function, over the bare work on its own memory. */
int subject_get(struct env *env, const struct bench *bench, struct measure *ret);
int subject_put(struct env *env, const struct bench *bench, struct measure *ret);
/* Of keys in no order, more of them than a core's caches hold lines of the index. */
int subject_get_cold(struct env *env, const struct bench *bench, struct measure *ret);
/* 1 MiB, over a get of 8 bytes. */
int subject_get_large(struct env *env, const struct bench *bench, struct measure *ret);

/* subject_inside measures a function that does n operations and returns the nanoseconds, beside
 * another one, on the node that runs. */
int subject_inside(struct env *env, const struct bench *bench, const char *function,
		   const char *floor_function, struct measure *ret);

/* A call with one put, until the caller knows that the store has it: with a client that spins, and
 * with one that sleeps meanwhile. */
int subject_put_acked(struct env *env, const struct bench *bench, struct measure *ret);
int subject_put_acked_asleep(struct env *env, const struct bench *bench, struct measure *ret);

/* A put by a client until a function that runs reads it in place: client and daemon on one core,
 * the function on the other. */
int subject_lag_put(struct env *env, const struct bench *bench, struct measure *ret);

#endif
