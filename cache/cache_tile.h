/* SPDX-License-Identifier: Apache-2.0 */
/* cache_tile - the tile around cache_core: its ports to processes, its links to ctl and to the
 * store
 *
 * Owner: the cache tile. Threads: create and destroy at start-up and at the end.
 */
#ifndef MB_CACHE_TILE_H
#define MB_CACHE_TILE_H

#include <stdint.h>

#include "cache_core.h"
#include "cache_layout.h"
#include "domain_limits.h"
#include "hints.h"
#include "peer.h"
#include "region.h"
#include "tile.h"

struct link;
struct metrics_block;
struct cache_tile;

struct cache_tile_cfg {
	uint32_t idx;
	uint8_t *base; /* the cache region, writable, formatted */
	const struct cache_layout *layout;
	const struct hashring *ring; /* of this node alone, so far: its member 0 */
	uint32_t kvs_cnt;
	enum kvs_ack ack;
	uint64_t writer; /* random, not 0 */
	struct link *to_ctl, *from_ctl;
	struct link *to_kvs[CACHE_KVS_MAX];
	struct link *from_kvs[CACHE_KVS_MAX];
	const struct region *region; /* the daemon's */
	uint8_t *slab;               /* for pages of scans: a part of the daemon's slab */
	size_t slab_bytes, slab_off;
	struct hints *hints;
	struct peers *peers;
};

/* Returns: 0; MB_ERR_NO_MEMORY. */
int cache_tile_create(struct cache_tile **ret, const struct cache_tile_cfg *cfg);
void cache_tile_destroy(struct cache_tile *t);

/* cache_tile_held: keys at work, waits, scans, payloads of pages; as counted before the last sleep.
 * Threads: any. */
uint32_t cache_tile_held(const struct cache_tile *t);

/* cache_tile_metrics returns the tile's counters, which it writes in housekeeping. */
struct metrics_block *cache_tile_metrics(struct cache_tile *t);

extern const struct tile_ops cache_tile_ops;

#endif
