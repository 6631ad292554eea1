/* SPDX-License-Identifier: Apache-2.0 */
/* replay_kvs.c - the store's reads and merges, on one shard */
#include "replay.h"

#include <microburst/error.h>
#include <stdlib.h>

#include "cache_world.h"
#include "kvs_shard.h"

#define SHARD_BYTES (8u << 20)

static struct kvs_shard *shard;
static void *memory;
static struct slice next; /* to be merged */

/* Makes a PUT of 8 bytes, later than the one before. */
static int
next_make(void)
{
	static uint8_t place[256];
	static uint64_t time;
	struct wbuf out = wbuf_init(place, sizeof(place));

	return cache_world_put(&out, 8, ++time, &next);
}

static int
kvs_begin(void)
{
	int err;

	memory = aligned_alloc(4096, kvs_shard_extent(SHARD_BYTES));
	if (memory == NULL) {
		return MB_ERR_NO_MEMORY;
	}
	shard = kvs_shard_init(memory, SHARD_BYTES, 1);
	err = next_make();
	return err == 0 ? kvs_shard_merge(shard, cache_world_small, next) : err;
}

static void
kvs_end(void)
{
	free(memory);
}

static int
get_hot(void)
{
	return kvs_shard_get(shard, cache_world_small).len != 0 ? 0 : MB_ERR_NOT_FOUND;
}

static int
merge_hot(void)
{
	return kvs_shard_merge(shard, cache_world_small, next);
}

const struct replay_op replay_kvs_get = {
	.name = "instr_kvs_get",
	.what = "a key found in the store",
	.begin = kvs_begin,
	.end = kvs_end,
	.begin_hot = get_hot,
};

const struct replay_op replay_kvs_merge = {
	.name = "instr_kvs_merge",
	.what = "a put of 8 bytes merged into a key of the store",
	.begin = kvs_begin,
	.end = kvs_end,
	.between = next_make,
	.end_hot = merge_hot,
};
