/* SPDX-License-Identifier: Apache-2.0 */
/* replay_state.c - reading the cache in place, and the store's reads and merges
 *
 * A cache region and a shard in this process's own memory, with one reader whose hazard slots are
 * an array here: the code is the one that executors and tiles run.
 */
#include "replay.h"

#include <microburst/error.h>
#include <stdlib.h>
#include <string.h>

#include "cache_region.h"
#include "cache_store.h"
#include "cache_view.h"
#include "compiler.h"
#include "delta.h"
#include "hash.h"
#include "kvs_shard.h"
#include "wset.h"

#define HEAP_BYTES  (8u << 20)
#define SHARD_BYTES (8u << 20)
#define LARGE_BYTES (1u << 20)

static struct {
	struct cache_layout layout;
	uint8_t *region;
	struct cache_store *store;
	struct cache_view view;
	struct kvs_shard *shard;
	uint8_t *mem; /* envelopes */
	struct slice small, large, next;
} state;
static _Atomic uint64_t hazard[HAZARD_CNT];
static const struct writer_id writer = { 1 };

static const struct slice key_small = { .p = (const uint8_t *)"small:00", .len = 8 };
static const struct slice key_large = { .p = (const uint8_t *)"large:00", .len = 8 };

static const _Atomic uint64_t *
one_reader(void *ctx, uint32_t *iter)
{
	return (*iter)++ == 0 ? hazard : NULL;
}

/* The delta of a PUT of so many bytes, at the end of mem's used part. */
static int
put_make(struct wbuf *mem, struct slice key, size_t bytes, uint64_t time, struct slice *ret)
{
	static const uint8_t zero[LARGE_BYTES];
	struct wset_op op = { .kind = WSET_PUT, .key = key, .value = slice_of(zero, bytes) };
	size_t start = mem->len;
	int err = delta_make(slice_of(NULL, 0), &op, (struct hlc_time){ time }, writer, mem);

	*ret = slice_of(mem->p + start, mem->len - start);
	return err;
}

static int
show(struct slice key, struct slice envelope)
{
	uint64_t hash = hash_bytes(key.p, key.len);
	uint32_t entry, tries = 0;
	int err = cache_store_place(state.store, hash, &entry);

	return err == 0 ? cache_store_show(state.store, entry, hash, key, envelope, false, &tries)
			: err;
}

static int
cache_make(void)
{
	struct cache_region_cfg cfg = { .shard_cnt = 1,
					.heap_bytes = HEAP_BYTES,
					.keys_max = 1024 };
	struct cache_store_cfg store = { .layout = &state.layout, .hazards = one_reader };
	int err = cache_region_plan(&cfg, &state.layout);

	state.region = err == 0 ? aligned_alloc(4096, ALIGN_UP(state.layout.bytes, 4096U)) : NULL;
	if (state.region == NULL) {
		return err == 0 ? MB_ERR_NO_MEMORY : err;
	}
	memset(state.region, 0, state.layout.bytes);
	cache_region_format(state.region, &state.layout);
	store.base = state.region;
	err = cache_store_create(&state.store, &store);
	return err == 0 ? cache_view_open(&state.view, state.region, state.layout.bytes, hazard)
			: err;
}

static int
state_begin(void)
{
	size_t bytes = 4 * (size_t)LARGE_BYTES;
	struct wbuf mem;
	void *shard = aligned_alloc(4096, SHARD_BYTES);
	int err = cache_make();

	state.mem = malloc(bytes);
	if (err != 0 || shard == NULL || state.mem == NULL) {
		free(shard);
		return err != 0 ? err : MB_ERR_NO_MEMORY;
	}
	state.shard = kvs_shard_init(shard, SHARD_BYTES, 1);
	mem = wbuf_init(state.mem, bytes);
	err = put_make(&mem, key_small, 8, 1, &state.small);
	if (err == 0) {
		err = put_make(&mem, key_large, LARGE_BYTES, 1, &state.large);
	}
	if (err == 0) {
		err = show(key_small, state.small);
	}
	if (err == 0) {
		err = show(key_large, state.large);
	}
	return err == 0 ? kvs_shard_merge(state.shard, key_small, state.small) : err;
}

static void
state_end(void)
{
	if (state.store != NULL) {
		cache_store_destroy(state.store);
	}
	free(state.region);
	free(state.shard);
	free(state.mem);
}

/* -------------------------------------------------------------------- cache */

static int
get_hot(struct slice key)
{
	struct cache_value value;
	int found = cache_view_get(&state.view, key, &value);

	if (found == CACHE_HIT) {
		cache_view_release(&state.view, &value);
		return 0;
	}
	return found < 0 ? found : MB_ERR_NOT_FOUND;
}

static int
cache_get_hot(void)
{
	return get_hot(key_small);
}

static int
cache_get_large_hot(void)
{
	return get_hot(key_large);
}

const struct replay_op replay_cache_get = {
	.name = "instr_cache_get",
	.what = "a cached key found, 8 bytes copied out, let go",
	.begin = state_begin,
	.end = state_end,
	.begin_hot = cache_get_hot,
};

const struct replay_op replay_cache_get_large = {
	.name = "instr_cache_get_1mib",
	.what = "a cached key found, 1 MiB held in place, let go",
	.begin = state_begin,
	.end = state_end,
	.begin_hot = cache_get_large_hot,
};

/* -------------------------------------------------------------------- store */

static int
kvs_get_hot(void)
{
	return kvs_shard_get(state.shard, key_small).len != 0 ? 0 : MB_ERR_NOT_FOUND;
}

/* Before each merge a later PUT is made, uncounted. */
static int
kvs_nothing_hot(void)
{
	return 0;
}

static int
kvs_merge_hot(void)
{
	return kvs_shard_merge(state.shard, key_small, state.next);
}

static int
kvs_merge_between(void)
{
	static uint8_t place[256];
	static uint64_t time = 1;
	struct wbuf mem = wbuf_init(place, sizeof(place));

	return put_make(&mem, key_small, 8, ++time, &state.next);
}

const struct replay_op replay_kvs_get = {
	.name = "instr_kvs_get",
	.what = "a key found in the store",
	.begin = state_begin,
	.end = state_end,
	.begin_hot = kvs_get_hot,
};

const struct replay_op replay_kvs_merge = {
	.name = "instr_kvs_merge",
	.what = "a put of 8 bytes merged into a key of the store",
	.begin = state_begin,
	.end = state_end,
	.begin_hot = kvs_nothing_hot,
	.between = kvs_merge_between,
	.end_hot = kvs_merge_hot,
};
