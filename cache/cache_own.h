/* SPDX-License-Identifier: Apache-2.0 */
/* cache_own - what only the tile knows of each place of the index, and its tags behind
 *
 * Each operation looks at one, anywhere: in few pages, where the kernel has large ones.
 *
 * Owner: the cache tile.
 */
#ifndef MB_CACHE_OWN_H
#define MB_CACHE_OWN_H

#include <stdbool.h>
#include <stdint.h>

#include "cache_tags.h"

struct cache_own {
	uint32_t block_bytes; /* as allocated; 0: no block */
	bool used : 1;
	bool read : 1; /* since the hand came by */
	bool kept : 1;
	bool lent : 1; /* the block it shows now */
	bool tree : 1; /* that is in the block */
};

/* cache_own_make finds memory for so many places, a power of two, and sets the tags up. Returns:
 * zeroed; NULL. */
struct cache_own *cache_own_make(uint64_t place_cnt, struct cache_tags *ret_tags);

/* cache_own_free gives both back; own may be NULL. */
void cache_own_free(struct cache_own *own, const struct cache_tags *tags);

#endif
