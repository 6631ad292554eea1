/* SPDX-License-Identifier: Apache-2.0 */
/* subject_remote - calls and reads of a client over UDP on this machine's loopback, and over DPDK
 *
 * All three parties are here: the client, the net tile, the executor. With two cores they share
 * them, which a client of its own machine does not.
 */
#ifndef MB_BENCH_SUBJECT_REMOTE_H
#define MB_BENCH_SUBJECT_REMOTE_H

#include "bench.h"

int subject_remote_call(struct env *env, const struct bench *bench, struct measure *ret);
int subject_remote_get(struct env *env, const struct bench *bench, struct measure *ret);
int subject_remote_put(struct env *env, const struct bench *bench, struct measure *ret);

int subject_remote_call_memif(struct env *env, const struct bench *bench, struct measure *ret);
int subject_remote_get_memif(struct env *env, const struct bench *bench, struct measure *ret);
int subject_remote_put_memif(struct env *env, const struct bench *bench, struct measure *ret);

int subject_remote_move_put(struct env *env, const struct bench *bench, struct measure *ret);
int subject_remote_move_get(struct env *env, const struct bench *bench, struct measure *ret);

int subject_remote_gets(struct env *env, const struct bench *bench, struct measure *ret);
int subject_remote_gets_1k(struct env *env, const struct bench *bench, struct measure *ret);
int subject_remote_sets(struct env *env, const struct bench *bench, struct measure *ret);
int subject_remote_sets_1k(struct env *env, const struct bench *bench, struct measure *ret);
int subject_remote_gets_memif(struct env *env, const struct bench *bench, struct measure *ret);
int subject_remote_gets_1k_memif(struct env *env, const struct bench *bench, struct measure *ret);
int subject_remote_sets_memif(struct env *env, const struct bench *bench, struct measure *ret);
int subject_remote_sets_1k_memif(struct env *env, const struct bench *bench, struct measure *ret);

#endif
