/* SPDX-License-Identifier: Apache-2.0 */
/* cache_tags - of each place of the index sixteen bits of its key's hash, apart from all else
 *
 * A key that is not here is looked for in most operations, and found absent by these: its ways are
 * a quarter of a cache line, compared at once. 0: the place is free. The first tags stand once more
 * behind the last: ways do not end there.
 *
 * Owner: the cache tile.
 */
#ifndef MB_CACHE_TAGS_H
#define MB_CACHE_TAGS_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "cache_view.h"
#include "compiler.h"

struct cache_tags {
	uint16_t *tag; /* zeroed memory of cache_tags_bytes */
	uint64_t mask; /* places - 1 */
};

static inline size_t
cache_tags_bytes(uint64_t place_cnt)
{
	return (place_cnt + CACHE_WAYS - 1) * sizeof(uint16_t);
}

/* Other bits than cache_home takes of a small index; never 0. */
static inline uint16_t
cache_tag_of(uint64_t hash)
{
	return (uint16_t)(hash >> 48 | 1);
}

static inline void
cache_tags_put(const struct cache_tags *t, uint64_t place, uint16_t tag)
{
	t->tag[place] = tag;
	if (place < CACHE_WAYS - 1) {
		t->tag[t->mask + 1 + place] = tag;
	}
}

static inline void
cache_tags_prefetch(const struct cache_tags *t, uint64_t home)
{
	__builtin_prefetch(&t->tag[home & t->mask], 1);
}

/* cache_tags_find tells which of the ways from home on may have the key: a bit each. */
static inline uint32_t
cache_tags_find(const struct cache_tags *t, uint64_t home, uint16_t tag)
{
	typedef uint16_t ways __attribute__((vector_size(CACHE_WAYS * sizeof(uint16_t))));
	uint64_t half[2];
	uint32_t found = 0;
	ways w;

	memcpy(&w, &t->tag[home & t->mask], sizeof(w));
	w = (ways)(w == tag);
	memcpy(half, &w, sizeof(half));
	if (likely((half[0] | half[1]) == 0)) {
		return 0;
	}
	for (uint32_t way = 0; way < CACHE_WAYS; way++) {
		found |= (uint32_t)(w[way] & 1) << way;
	}
	return found;
}

#endif
