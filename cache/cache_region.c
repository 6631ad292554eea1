/* SPDX-License-Identifier: Apache-2.0 */
/* cache_region - see cache_region.h and cache_layout.h */
#include "cache_region.h"

#include <string.h>

#include "check.h"
#include "heap.h"
#include "microburst/error.h"

#define REGION_ALIGN   ((uint64_t)2 << 20) /* so that huge pages can back each part */
#define HEAP_BYTES_MIN ((uint64_t)4 * PAYLOAD_SLAB_MAX)

static_assert(HEAP_BYTES_MIN >= HEAP_EXTENT_BYTES_MIN, "the smallest heap is a heap");
static_assert(sizeof(struct cache_layout) <= REGION_ALIGN, "the head is smaller than a part");

static uint64_t
entry_cnt_for(uint64_t keys)
{
	uint64_t cnt = CACHE_ENTRY_MIN;

	while (cnt < keys) {
		cnt *= 2;
	}
	return cnt;
}

int
cache_region_plan(const struct cache_region_cfg *cfg, struct cache_layout *ret)
{
	struct cache_layout l = {
		.magic = CACHE_LAYOUT_MAGIC,
		.layout_version = CACHE_LAYOUT_VERSION,
		.bytes = REGION_ALIGN,
		.shard_cnt = cfg->shard_cnt,
	};

	if (cfg->shard_cnt < 1 || cfg->shard_cnt > CACHE_SHARD_MAX ||
	    cfg->heap_bytes / cfg->shard_cnt < HEAP_BYTES_MIN || cfg->keys_max >> 31 != 0 ||
	    cfg->heap_bytes >> 48 != 0) {
		return MB_ERR_CONFIG;
	}
	for (uint32_t i = 0; i < cfg->shard_cnt; i++) {
		struct cache_layout_shard *s = &l.shard[i];

		s->entry_cnt = entry_cnt_for(cfg->keys_max / cfg->shard_cnt);
		s->index = l.bytes;
		l.bytes =
			ALIGN_UP(l.bytes + s->entry_cnt * sizeof(struct cache_entry), REGION_ALIGN);
		s->used = l.bytes;
		l.bytes = ALIGN_UP(l.bytes + s->entry_cnt / 8, REGION_ALIGN);
		s->heap = l.bytes;
		s->heap_bytes = ALIGN_UP(cfg->heap_bytes / cfg->shard_cnt, CACHE_LINE);
		l.bytes = ALIGN_UP(l.bytes + s->heap_bytes, REGION_ALIGN);
	}
	*ret = l;
	return 0;
}

void
cache_region_format(uint8_t *base, const struct cache_layout *plan)
{
	REQUIRE((uintptr_t)base % CACHE_LINE == 0);
	memcpy(base, plan, sizeof(*plan));
}

static bool
is_inside(uint64_t off, uint64_t len, uint64_t bytes)
{
	return off % CACHE_LINE == 0 && off >= sizeof(struct cache_layout) && off <= bytes &&
	       len <= bytes - off;
}

static bool
shard_is_sound(const struct cache_layout_shard *s, uint64_t bytes)
{
	uint64_t cnt = s->entry_cnt;

	return cnt >= CACHE_ENTRY_MIN && (cnt & (cnt - 1)) == 0 &&
	       cnt <= bytes / sizeof(struct cache_entry) &&
	       is_inside(s->index, cnt * sizeof(struct cache_entry), bytes) &&
	       is_inside(s->used, cnt / 8, bytes) && is_inside(s->heap, s->heap_bytes, bytes);
}

int
cache_region_open(const uint8_t *base, size_t bytes, struct cache_layout *ret)
{
	struct cache_layout l;

	if (bytes < sizeof(l)) {
		return MB_ERR_CORRUPT;
	}
	memcpy(&l, base, sizeof(l));
	if (l.magic != CACHE_LAYOUT_MAGIC) {
		return MB_ERR_CORRUPT;
	}
	if (l.layout_version != CACHE_LAYOUT_VERSION) {
		return MB_ERR_VERSION;
	}
	if (l.bytes > bytes || l.shard_cnt < 1 || l.shard_cnt > CACHE_SHARD_MAX) {
		return MB_ERR_CORRUPT;
	}
	for (uint32_t i = 0; i < l.shard_cnt; i++) {
		if (!shard_is_sound(&l.shard[i], bytes)) {
			return MB_ERR_CORRUPT;
		}
	}
	*ret = l;
	return 0;
}
