/* SPDX-License-Identifier: Apache-2.0 */
/* subject_kvs - the store without a node: requests made and served in one thread
 *
 * What Anna's paper calls in-thread: the generator merges into a shard (kvs_shard.h), or hands
 * bursts of requests to the shipped step core (kvs_core.h) and takes its answers; there is no link
 * between them. What they say is drawn before.
 */
#ifndef MB_SUBJECT_KVS_H
#define MB_SUBJECT_KVS_H

#include "bench.h"

int subject_kvs_zipf4(struct env *env, const struct bench *bench, struct measure *ret);
int subject_kvs_zipf2(struct env *env, const struct bench *bench, struct measure *ret);
int subject_kvs_zipf05(struct env *env, const struct bench *bench, struct measure *ret);
int subject_kvs_small4(struct env *env, const struct bench *bench, struct measure *ret);
int subject_kvs_small05(struct env *env, const struct bench *bench, struct measure *ret);
int subject_kvs_all05(struct env *env, const struct bench *bench, struct measure *ret);
int subject_kvs_core4(struct env *env, const struct bench *bench, struct measure *ret);
int subject_kvs_core05(struct env *env, const struct bench *bench, struct measure *ret);
int subject_kvs_two(struct env *env, const struct bench *bench, struct measure *ret);
int subject_kvs_all4(struct env *env, const struct bench *bench, struct measure *ret);
int subject_kvs_get(struct env *env, const struct bench *bench, struct measure *ret);
int subject_kvs_incr(struct env *env, const struct bench *bench, struct measure *ret);
int subject_kvs_lww(struct env *env, const struct bench *bench, struct measure *ret);
int subject_kvs_max(struct env *env, const struct bench *bench, struct measure *ret);
int subject_kvs_two4(struct env *env, const struct bench *bench, struct measure *ret);
int subject_kvs_small4_two(struct env *env, const struct bench *bench, struct measure *ret);
int subject_kvs_small05_two(struct env *env, const struct bench *bench, struct measure *ret);
int subject_kvs_small4_all(struct env *env, const struct bench *bench, struct measure *ret);
int subject_kvs_small05_all(struct env *env, const struct bench *bench, struct measure *ret);
int subject_kvs_set_add(struct env *env, const struct bench *bench, struct measure *ret);
int subject_kvs_map_put(struct env *env, const struct bench *bench, struct measure *ret);
int subject_kvs_list_push(struct env *env, const struct bench *bench, struct measure *ret);
int subject_kvs_zset_add(struct env *env, const struct bench *bench, struct measure *ret);
/* A set, a map and a sorted set. */
int subject_kvs_large(struct env *env, const struct bench *bench, struct measure *ret);
int subject_kvs_memory(struct env *env, const struct bench *bench, struct measure *ret);

#endif
