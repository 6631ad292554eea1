/* SPDX-License-Identifier: Apache-2.0 */
/* subject_call - calls of functions that do next to nothing: call, compose_fused, dag_fanout8,
 * pipelined */
#ifndef MB_SUBJECT_CALL_H
#define MB_SUBJECT_CALL_H

#include "bench.h"

int subject_call(struct env *env, const struct bench *bench, struct measure *ret);
int subject_compose(struct env *env, const struct bench *bench, struct measure *ret);
int subject_fanout(struct env *env, const struct bench *bench, struct measure *ret);
int subject_fanout_parts(struct env *env, const struct bench *bench, struct measure *ret);
int subject_pipelined(struct env *env, const struct bench *bench, struct measure *ret);

#endif
