/* SPDX-License-Identifier: Apache-2.0 */
/* kvs_order - the keys of a shard in ascending order, for scans
 *
 * A skip list whose links lie in the keys themselves. A key's height is drawn from its hash (a
 * quarter of the keys of each level reach the next), so it needs no randomness and the same keys
 * make the same list.
 *
 * A search is one miss of the processor's caches after the other, so keys are entered in groups: a
 * key that was added waits until there are KVS_ORDER_WAIT_MAX, or until somebody looks at the
 * order; then all of them are searched for side by side, and wait for the memory together. Nobody
 * outside sees that.
 *
 * Owner: the shard.
 */
#ifndef MB_KVS_ORDER_H
#define MB_KVS_ORDER_H

#include <stdint.h>

#include "kvs_key.h"
#include "slice.h"

#define KVS_ORDER_HEIGHT_MAX 16 /* 4^16 keys: as many as references */
#define KVS_ORDER_WAIT_MAX   32 /* entering so many takes about 10 us in a store of a million */

struct kvs_order {
	const uint8_t *base;
	uint32_t height; /* of the highest key */
	uint32_t wait_cnt;
	struct kvs_ref head[KVS_ORDER_HEIGHT_MAX];
	struct kvs_ref wait[KVS_ORDER_WAIT_MAX]; /* added, and not in the list yet */
};

void kvs_order_init(struct kvs_order *o, const uint8_t *base);

/* kvs_order_height says how high a key of this hash stands: 1..KVS_ORDER_HEIGHT_MAX. */
uint32_t kvs_order_height(uint64_t hash);

/* kvs_order_add enters a key that is not there yet; its height is set. The key stays where it is
 * until it is removed. */
void kvs_order_add(struct kvs_order *o, struct kvs_key *k);

/* kvs_order_remove takes a key out. Requires: it is there. */
void kvs_order_remove(struct kvs_order *o, const struct kvs_key *k);

/* kvs_order_from finds the first key that is not less than key (above: greater than key); NULL
 * behind the last. Cost: O(log n) comparisons. */
struct kvs_key *kvs_order_from(struct kvs_order *o, struct slice key, bool above);

/* kvs_order_next gives the key that follows k; NULL behind the last. */
struct kvs_key *kvs_order_next(struct kvs_order *o, const struct kvs_key *k);

#endif
