/* SPDX-License-Identifier: Apache-2.0 */
/* replay_cache.c - reading the cache in place */
#include "replay.h"

#include <microburst/error.h>

#include "cache_world.h"

static struct cache_view *view;

static int
cache_begin(void)
{
	return cache_world_make(&view);
}

static int
get(struct slice key)
{
	struct cache_value value;
	int found = cache_view_get(view, key, &value);

	if (found == CACHE_HIT) {
		cache_view_release(view, &value);
		return 0;
	}
	return found < 0 ? found : MB_ERR_NOT_FOUND;
}

static int
get_small_hot(void)
{
	return get(cache_world_small);
}

static int
get_large_hot(void)
{
	return get(cache_world_large);
}

const struct replay_op replay_cache_get = {
	.name = "instr_cache_get",
	.what = "a cached key found, 8 bytes copied out, let go",
	.begin = cache_begin,
	.end = cache_world_end,
	.begin_hot = get_small_hot,
};

const struct replay_op replay_cache_get_large = {
	.name = "instr_cache_get_1mib",
	.what = "a cached key found, 1 MiB held in place, let go",
	.begin = cache_begin,
	.end = cache_world_end,
	.begin_hot = get_large_hot,
};
