/* SPDX-License-Identifier: Apache-2.0 */
#include "ways.h"

#include "microburst/error.h"

size_t
ways_write(uint8_t p[WAYS_BYTES_MAX], const struct ways *w)
{
	struct wbuf b = wbuf_init(p, WAYS_BYTES_MAX);

	wbuf_u32(&b, w->shard_cnt);
	wbuf_u32(&b, w->tile_cnt);
	for (uint32_t i = 0; i < w->tile_cnt; i++) {
		wbuf_u16(&b, w->port[i]);
	}
	return b.len;
}

int
ways_read(struct slice bytes, struct ways *ret)
{
	struct rbuf b = rbuf_of(bytes);
	struct ways w = { 0 };

	w.shard_cnt = rbuf_u32(&b);
	w.tile_cnt = rbuf_u32(&b);
	if (b.bad || w.shard_cnt == 0 || w.tile_cnt == 0 || w.tile_cnt > NET_TILE_CNT_MAX ||
	    b.len != 2 * (size_t)w.tile_cnt) {
		return MB_ERR_CORRUPT;
	}
	for (uint32_t i = 0; i < w.tile_cnt; i++) {
		w.port[i] = rbuf_u16(&b);
		if (w.port[i] == 0) {
			return MB_ERR_CORRUPT;
		}
	}
	*ret = w;
	return 0;
}

/* Tiles in turn: tile t is of shard t mod shards. The hash's bits are others than those that choose
 * the shard (cache_layout.h: cache_home). */
uint32_t
ways_tile(uint32_t tile_cnt, uint32_t shard_cnt, uint32_t shard, uint64_t hash)
{
	uint32_t mine;

	if (shard_cnt >= tile_cnt) {
		return shard % tile_cnt;
	}
	mine = (tile_cnt - shard + shard_cnt - 1) / shard_cnt;
	return shard + shard_cnt * (uint32_t)((hash >> 8) % mine);
}
