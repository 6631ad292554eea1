/* SPDX-License-Identifier: Apache-2.0 */
/* kvs_prefetch - what a burst of requests will touch, asked of the memory for all of them at once
 *
 * A key in no cache costs four misses one after the other: its bucket, the key, the value's head,
 * its end. Those of 32 keys then cost little more than one key's. Asks only: nothing changes, and
 * what is asked for in vain costs some time.
 *
 * Owner: the shard's.
 */
#ifndef MB_KVS_PREFETCH_H
#define MB_KVS_PREFETCH_H

#include <stdint.h>

#include "slice.h"

#define KVS_PREFETCH_MAX 32

struct kvs_shard;

/* kvs_prefetch_burst asks for what reads of some keys, and merges into them, will touch, before the
 * first of them is done.
 *
 * Requires:  cnt <= KVS_PREFETCH_MAX
 */
void kvs_prefetch_burst(const struct kvs_shard *s, const struct slice *key, uint32_t cnt);

#endif
