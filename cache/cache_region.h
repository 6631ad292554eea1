/* SPDX-License-Identifier: Apache-2.0 */
/* cache_region - planning, formatting and opening the cache region
 *
 * Errors: negative mb_err. Threads: start-up.
 */
#ifndef MB_CACHE_REGION_H
#define MB_CACHE_REGION_H

#include <stddef.h>
#include <stdint.h>

#include "cache_layout.h"

struct cache_region_cfg {
	uint32_t shard_cnt;  /* cache tiles, 1..CACHE_SHARD_MAX */
	uint64_t heap_bytes; /* for values, all shards together */
	uint64_t keys_max;   /* keys the index is made for, all shards together */
};

/* cache_region_plan says where everything will lie; ret->bytes is the size of the region.
 *
 * Returns:   0; MB_ERR_CONFIG when shard_cnt is out of range or the heap too small for a value of
 *            PAYLOAD_SLAB_MAX in each shard.
 */
int cache_region_plan(const struct cache_region_cfg *cfg, struct cache_layout *ret);

/* cache_region_format makes a region of plan->bytes zeros at base an empty cache. Daemon only. */
void cache_region_format(uint8_t *base, const struct cache_layout *plan);

/* cache_region_open reads the head of a region and checks that everything in it lies inside.
 *
 * Returns:   0 with a private copy; MB_ERR_CORRUPT; MB_ERR_VERSION.
 */
int cache_region_open(const uint8_t *base, size_t bytes, struct cache_layout *ret);

#endif
