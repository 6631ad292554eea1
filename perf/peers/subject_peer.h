/* SPDX-License-Identifier: Apache-2.0 */
/* subject_peer - what other systems need for the same: beside each stands ours, in the same run
 *
 * Names say the layout: the peer's server on the other core, where our executor is too; or, with
 * one_core, on the client's core.
 */
#ifndef MB_SUBJECT_PEER_H
#define MB_SUBJECT_PEER_H

#include "bench.h"

/* An increment: FCALL of a function in Lua, that touches no key; ours is `call`. */
int subject_redis_unix(struct env *env, const struct bench *bench, struct measure *ret);
int subject_redis_unix_one_core(struct env *env, const struct bench *bench, struct measure *ret);
int subject_redis_tcp(struct env *env, const struct bench *bench, struct measure *ret);

/* A get of 8 bytes over a Unix socket; ours is mb_client_get, which reads the cache in place. */
int subject_memcached(struct env *env, const struct bench *bench, struct measure *ret);
int subject_memcached_one_core(struct env *env, const struct bench *bench, struct measure *ret);

#endif
