/* SPDX-License-Identifier: Apache-2.0 */
/* subject_gossip - ten calls that send each other messages: push-sum, and gather (the papers' third
 * workload)
 *
 * Once: ten calls are started, each is sent its start from outside, and all are waited for. Their
 * estimates are checked: each within 5 % of the mean.
 */
#ifndef MB_SUBJECT_GOSSIP_H
#define MB_SUBJECT_GOSSIP_H

#include "bench.h"

int subject_push_sum(struct env *env, const struct bench *bench, struct measure *ret);
int subject_gather(struct env *env, const struct bench *bench, struct measure *ret);

#endif
