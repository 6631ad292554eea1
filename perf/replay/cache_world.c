/* SPDX-License-Identifier: Apache-2.0 */
/* cache_world.c - see cache_world.h */
#include "cache_world.h"

#include <microburst/error.h>
#include <stdlib.h>
#include <string.h>

#include "cache_region.h"
#include "cache_store.h"
#include "compiler.h"
#include "delta.h"
#include "hash.h"
#include "wset.h"

#define HEAP_BYTES  (8u << 20)
#define LARGE_BYTES (1u << 20)

const struct slice cache_world_small = { .p = (const uint8_t *)"small:00", .len = 8 };
const struct slice cache_world_large = { .p = (const uint8_t *)"large:00", .len = 8 };

static struct {
	struct cache_layout layout;
	uint8_t *region;
	struct cache_store *store;
	struct cache_view view;
} world;
static _Atomic uint64_t hazard[HAZARD_CNT];

static const _Atomic uint64_t *
one_reader(void *ctx, uint32_t *iter)
{
	return (*iter)++ == 0 ? hazard : NULL;
}

int
cache_world_put(struct wbuf *out, size_t bytes, uint64_t time, struct slice *ret)
{
	static const uint8_t zero[LARGE_BYTES];
	struct wset_op op = { .kind = WSET_PUT,
			      .key = cache_world_small,
			      .value = slice_of(zero, bytes) };
	size_t start = out->len;
	int err = delta_make(slice_of(NULL, 0), &op, hlc_moment_of((struct hlc_time){ time }),
			     (struct writer_id){ 1 }, out);

	*ret = slice_of(out->p + start, out->len - start);
	return err;
}

static int
show(struct slice key, size_t bytes)
{
	size_t room = 2 * bytes + 4096;
	void *mem = malloc(room);
	struct wbuf out = wbuf_init(mem, room);
	uint64_t hash = hash_bytes(key.p, key.len);
	struct slice envelope;
	uint32_t entry, tries = 0;
	int err = mem != NULL ? cache_world_put(&out, bytes, 1, &envelope) : MB_ERR_NO_MEMORY;

	if (err == 0) {
		err = cache_store_place(world.store, hash, &entry);
	}
	if (err == 0) {
		err = cache_store_show(world.store, entry, hash, key, envelope, false, &tries);
	}
	free(mem);
	return err;
}

int
cache_world_make(struct cache_view **ret)
{
	struct cache_region_cfg cfg = { .shard_cnt = 1,
					.heap_bytes = HEAP_BYTES,
					.keys_max = 1024 };
	struct cache_store_cfg store = { .layout = &world.layout, .hazards = one_reader };
	int err = cache_region_plan(&cfg, &world.layout);

	if (err != 0) {
		return err;
	}
	world.region = aligned_alloc(4096, ALIGN_UP(world.layout.bytes, 4096U));
	if (world.region == NULL) {
		return MB_ERR_NO_MEMORY;
	}
	memset(world.region, 0, world.layout.bytes);
	cache_region_format(world.region, &world.layout);
	store.base = world.region;
	err = cache_store_create(&world.store, &store);
	if (err == 0) {
		err = cache_view_open(&world.view, world.region, world.layout.bytes, hazard);
	}
	if (err == 0) {
		err = show(cache_world_small, 8);
	}
	if (err == 0) {
		err = show(cache_world_large, LARGE_BYTES);
	}
	*ret = &world.view;
	return err;
}

void
cache_world_end(void)
{
	if (world.store != NULL) {
		cache_store_destroy(world.store);
	}
	free(world.region);
}
