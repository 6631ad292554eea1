/* SPDX-License-Identifier: Apache-2.0 */
#include "kvs_tile.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "check.h"
#include "compiler.h"
#include "kvs_core.h"
#include "link.h"
#include "metrics.h"
#include "microburst/error.h"

#define KVS_BURST 32

struct kvs_tile {
	struct kvs_core core;
	struct kvs_tile_cfg cfg;
	void *mem;
	struct metrics_block metrics;
};

static void
kvs_tile_send(void *ctx, uint32_t to, const struct desc *d)
{
	struct kvs_tile *t = ctx;

	/* An asker has no more under way than its link holds (kvs_core.h). */
	REQUIRE(link_send_sp(t->cfg.to_cache[to], d, 1) == 1);
}

int
kvs_tile_create(struct kvs_tile **ret, const struct kvs_tile_cfg *cfg)
{
	struct kvs_tile *t;
	struct kvs_out out = { kvs_tile_send };
	void *mem;

	if (cfg->bytes < KVS_SHARD_BYTES_MIN || cfg->bytes > KVS_SHARD_BYTES_MAX) {
		return MB_ERR_CONFIG;
	}
	t = aligned_alloc(CACHE_LINE, sizeof(*t));
	if (t == NULL) {
		return MB_ERR_NO_MEMORY;
	}
	memset(t, 0, sizeof(*t));
	metrics_init(&t->metrics, METRICS_OWNER_kvs, cfg->idx);
	out.ctx = t;
	/* Pages come as the shard grows into them. */
	mem = mmap(NULL, cfg->bytes, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (mem == MAP_FAILED) {
		free(t);
		return MB_ERR_NO_MEMORY;
	}
	madvise(mem, cfg->bytes, MADV_HUGEPAGE);
	t->cfg = *cfg;
	t->mem = mem;
	kvs_core_init(&t->core, kvs_shard_init(mem, cfg->bytes, cfg->seed), &out);
	*ret = t;
	return 0;
}

void
kvs_tile_destroy(struct kvs_tile *t)
{
	munmap(t->mem, t->cfg.bytes);
	free(t);
}

static int
kvs_tile_poll(void *ctx, uint64_t now_ns)
{
	struct kvs_tile *t = ctx;
	int busy = kvs_core_poll(&t->core);

	for (uint32_t i = 0; i < t->cfg.cache_cnt; i++) {
		struct desc d[KVS_BURST];
		uint32_t room = kvs_core_room(&t->core);
		uint32_t n = room == 0 ? 0
				       : link_recv_burst(t->cfg.from_cache[i], d,
							 room < KVS_BURST ? room : KVS_BURST);

		for (uint32_t k = 0; k < n; k++) {
			kvs_core_step(&t->core, i, &d[k]);
		}
		busy += (int)n;
	}
	return busy;
}

struct metrics_block *
kvs_tile_metrics(struct kvs_tile *t)
{
	return &t->metrics;
}

static void
kvs_tile_housekeeping(void *ctx, uint64_t now_ns)
{
	struct kvs_tile *t = ctx;
	const struct kvs_shard *s = t->core.shard;
	const struct {
		enum metric metric;
		uint64_t v;
	} row[] = {
		{ METRIC_kvs_key_got, s->stats.got },
		{ METRIC_kvs_delta_merged, s->stats.merged },
		{ METRIC_kvs_delta_unchanged, s->stats.unchanged },
		{ METRIC_kvs_delta_refused, s->stats.refused },
		{ METRIC_kvs_page_scanned, s->stats.scanned },
		{ METRIC_kvs_key_stored, kvs_shard_key_cnt(s) },
		{ METRIC_kvs_value_lent, s->pin_cnt },
		{ METRIC_kvs_memory_used, kvs_shard_used_bytes(s) },
	};

	for (uint32_t i = 0; i < ARRAY_CNT(row); i++) {
		metrics_set(&t->metrics, row[i].metric, row[i].v);
	}
}

const struct tile_ops kvs_tile_ops = {
	.kind = TILE_KVS,
	.poll = kvs_tile_poll,
	.housekeeping = kvs_tile_housekeeping,
};
