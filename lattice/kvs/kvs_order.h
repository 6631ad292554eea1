/* SPDX-License-Identifier: Apache-2.0 */
/* kvs_order - the keys of a shard in ascending order, for scans
 *
 * A skip list whose links lie in the keys themselves. A key's height is drawn from its hash (a
 * quarter of the keys of each level reach the next), so it needs no randomness and the same keys
 * make the same list.
 *
 * Owner: the shard.
 */
#ifndef MB_KVS_ORDER_H
#define MB_KVS_ORDER_H

#include <stdint.h>

#include "kvs_key.h"
#include "slice.h"

#define KVS_ORDER_HEIGHT_MAX 16 /* 4^16 keys: as many as references */

struct kvs_order {
	const uint8_t *base;
	uint32_t height; /* of the highest key */
	struct kvs_ref head[KVS_ORDER_HEIGHT_MAX];
};

void kvs_order_init(struct kvs_order *o, const uint8_t *base);

/* kvs_order_height says how high a key of this hash stands: 1..KVS_ORDER_HEIGHT_MAX. */
uint32_t kvs_order_height(uint64_t hash);

/* kvs_order_add enters a key that is not there yet; its height is set. */
void kvs_order_add(struct kvs_order *o, struct kvs_key *k);

/* kvs_order_remove takes a key out. Requires: it is there. */
void kvs_order_remove(struct kvs_order *o, const struct kvs_key *k);

/* kvs_order_from finds the first key that is not less than key (above: greater than key); NULL
 * behind the last. Cost: O(log n) comparisons. */
struct kvs_key *kvs_order_from(const struct kvs_order *o, struct slice key, bool above);

/* kvs_order_next gives the key that follows k; NULL behind the last. */
struct kvs_key *kvs_order_next(const struct kvs_order *o, const struct kvs_key *k);

#endif
