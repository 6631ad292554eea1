/* SPDX-License-Identifier: Apache-2.0 */
/* kvs_tile - the tile around kvs_core: one shard in memory of its own, a link from and to each
 * cache tile and each other kvs tile
 *
 * Owner: the kvs tile. Threads: create and destroy at start-up and at the end.
 */
#ifndef MB_KVS_TILE_H
#define MB_KVS_TILE_H

#include <stddef.h>
#include <stdint.h>

#include "domain_limits.h"
#include "kvs_core.h"
#include "tile.h"

struct lcore;
struct link;
struct metrics_block;
struct kvs_tile;

struct kvs_tile_cfg {
	uint32_t idx;
	struct lcore *lcore;         /* that runs it */
	size_t bytes;                /* of the shard, at least KVS_SHARD_BYTES_MIN */
	size_t ahead_bytes;          /* that are there before the shard grows into them */
	uint64_t seed;               /* secret: where keys go in the index */
	const struct hashring *ring; /* of this node alone, so far: its member 0 */
	uint32_t kvs_cnt;
	uint32_t copies; /* as in kvs_core_cfg */
	enum kvs_ack ack;
	uint64_t period_ns, ack_timeout_ns, drop_pause_ns;
	uint32_t cache_cnt;
	struct link *from_kvs[KVS_TILE_MAX]; /* but for its own */
	struct link *to_kvs[KVS_TILE_MAX];
	struct link *from_cache[TILE_PORT_CNT];
	struct link *to_cache[TILE_PORT_CNT];
};

/* kvs_tile_create takes the shard's memory from the system.
 * Returns: 0; MB_ERR_NO_MEMORY; MB_ERR_CONFIG: no shard has so few or so many bytes. */
int kvs_tile_create(struct kvs_tile **ret, const struct kvs_tile_cfg *cfg);
void kvs_tile_destroy(struct kvs_tile *t);

/* kvs_tile_metrics returns the tile's counters, which it writes in housekeeping. */
struct metrics_block *kvs_tile_metrics(struct kvs_tile *t);

extern const struct tile_ops kvs_tile_ops;

#endif
