/* SPDX-License-Identifier: Apache-2.0 */
/* ways - how a node that is elsewhere is reached: its net tiles, and which of them serves a key
 *
 * A node may have several net tiles, each with a port of its own. Any of them can serve any
 * request; keys are spread over them as they are over the cache's shards, so that one tile's core
 * reads what one shard's core writes. A client that knows better or worse is served all the same.
 *
 *	u32 shards, u32 tiles, then for each tile u16 its port; the first one's is the one asked
 *
 * The bytes come from strangers. Errors: MB_ERR_CORRUPT. Threads: any; pure.
 */
#ifndef MB_WAYS_H
#define MB_WAYS_H

#include <stdint.h>

#include "slice.h"
#include "topo_limits.h"

#define WAYS_BYTES_MAX (8 + 2 * NET_TILE_CNT_MAX)

struct ways {
	uint32_t shard_cnt;
	uint32_t tile_cnt;
	uint16_t port[NET_TILE_CNT_MAX];
};

/* ways_write writes them at p. Returns: how many bytes. */
size_t ways_write(uint8_t p[WAYS_BYTES_MAX], const struct ways *w);

/* ways_read reads them. Returns: 0 with *ret: 1..NET_TILE_CNT_MAX tiles, 1 shard at least, no port
 * that is 0; MB_ERR_CORRUPT. */
int ways_read(struct slice bytes, struct ways *ret);

/* ways_tile tells which of tile_cnt tiles serves a key of a shard, whose hash is given: the
 * shard's own, or with more tiles than shards one of those that the shard has. */
uint32_t ways_tile(uint32_t tile_cnt, uint32_t shard_cnt, uint32_t shard, uint64_t hash);

#endif
