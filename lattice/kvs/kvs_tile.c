/* SPDX-License-Identifier: Apache-2.0 */
#include "kvs_tile.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "check.h"
#include "compiler.h"
#include "kvs_core.h"
#include "lcore.h"
#include "link.h"
#include "log.h"
#include "metrics.h"
#include "microburst/error.h"
#include "pages.h"
#include "topo.h"

#define KVS_BURST 32
/* Of the 65,530 mappings that a process has. */
#define CUTS_MAX  16384
/* Who has been idle for so long is taken to stay so while a large page is found. */
#define QUIET_NS  (10 * NS_PER_MS)

/* Between two kvs tiles: what both tell and answer, and six kinds of messages about keys that
 * go. */
static_assert(2 * KVS_TELL_WINDOW + 6 * KVS_DROP_MAX <= TOPO_LINK_DEPTH_DEFAULT,
	      "a link between two kvs tiles is never full");

struct kvs_tile {
	struct kvs_core core;
	struct kvs_tile_cfg cfg;
	void *mem;
	struct pages *pages; /* of mem */
	uint64_t heated, cooled;
	size_t used_max;   /* as housekeeping saw it */
	uint64_t asked_ns; /* when memory ahead was asked for, while idle */
	struct metrics_block metrics;
};

static void
kvs_tile_send(void *ctx, uint32_t to, const struct desc *d)
{
	struct kvs_tile *t = ctx;

	/* An asker has no more under way than its link holds (kvs_core.h). */
	REQUIRE(link_send_sp(t->cfg.to_cache[to], d, 1) == 1);
}

static void
kvs_tile_send_tile(void *ctx, uint32_t to, const struct desc *d)
{
	struct kvs_tile *t = ctx;

	REQUIRE(link_send_sp(t->cfg.to_kvs[to], d, 1) == 1); /* the windows of kvs_change.h */
}

#define KEY_SHOWN_MAX 64 /* of a key in the log */

static void
kvs_tile_decided(void *ctx, const struct kvs_hot_decision *d)
{
	struct kvs_tile *t = ctx;
	struct slice key = kvs_key_slice(d->key);
	char shown[KEY_SHOWN_MAX + 1] = "";

	/* A key is a stranger's choice: no line ends or escapes of his in the log. */
	for (size_t i = 0; i < key.len && i < KEY_SHOWN_MAX; i++) {
		shown[i] = (char)(key.p[i] > ' ' && key.p[i] < 0x7f ? key.p[i] : '.');
	}
	if (d->to_cnt > d->from_cnt) {
		t->heated++;
	} else {
		t->cooled++;
	}
	log_at(LOG_INFO,
	       "kvs:%u: key %s: %u tiles instead of %u; %u of %u requests, mean %.1f, sigma %.1f",
	       t->cfg.idx, shown, d->to_cnt, d->from_cnt, d->count, d->sample_cnt, d->mean,
	       d->sigma);
}

static size_t
kvs_tile_bring(void *ctx, uint8_t *at, uint8_t *from, size_t bytes)
{
	struct kvs_tile *t = ctx;

	return pages_bring(t->pages, at, from, bytes);
}

/* At each end. A small shard has a small reserve. */
static size_t
ahead_bytes(const struct kvs_tile *t)
{
	return MIN(t->cfg.ahead_bytes, t->cfg.bytes / 8) / 2;
}

/* The reserve is there when the node says that it is ready: what it has resident then is what it
 * has without keys. Before Linux 5.14, pages come when they are touched. */
static void
reserve_fill(struct kvs_tile *t)
{
	void *at;

	while ((at = heap_ahead(t->core.shard->heap, ahead_bytes(t))) != NULL) {
		madvise(at, HEAP_AHEAD_BYTES, MADV_POPULATE_WRITE);
	}
}

int
kvs_tile_create(struct kvs_tile **ret, const struct kvs_tile_cfg *cfg)
{
	struct kvs_tile *t;
	struct kvs_out out = { kvs_tile_send, kvs_tile_send_tile, kvs_tile_decided, NULL };
	struct kvs_core_cfg core = {
		.ring = cfg->ring,
		.self = cfg->idx,
		.tile_cnt = cfg->kvs_cnt,
		.cache_cnt = cfg->cache_cnt,
		.copies = cfg->copies,
		.ack = cfg->ack,
		.period_ns = cfg->period_ns,
		.ack_timeout_ns = cfg->ack_timeout_ns,
		.drop_pause_ns = cfg->drop_pause_ns,
		.timebase = timebase_real(),
	};
	size_t extent;
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
	extent = kvs_shard_extent(cfg->bytes);
	mem = mmap(NULL, extent, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (mem == MAP_FAILED) {
		free(t);
		return MB_ERR_NO_MEMORY;
	}
	madvise(mem, extent, MADV_HUGEPAGE);
	if (pages_create(&t->pages, mem, extent, CUTS_MAX / cfg->kvs_cnt) != 0) {
		munmap(mem, extent);
		free(t);
		return MB_ERR_NO_MEMORY;
	}
	t->cfg = *cfg;
	t->mem = mem;
	kvs_core_init(&t->core, kvs_shard_init(mem, cfg->bytes, cfg->seed), &core, &out);
	t->core.shard->bring = kvs_tile_bring;
	t->core.shard->bring_ctx = t;
	reserve_fill(t);
	*ret = t;
	return 0;
}

void
kvs_tile_destroy(struct kvs_tile *t)
{
	munmap(t->mem, kvs_shard_extent(t->cfg.bytes));
	pages_destroy(t->pages);
	free(t);
}

static int
kvs_tile_poll_caches(struct kvs_tile *t)
{
	struct desc d[KVS_BURST];
	int busy = 0;

	for (uint32_t i = 0; i < t->cfg.cache_cnt && kvs_core_room(&t->core) >= KVS_BURST; i++) {
		uint32_t n = link_recv_burst(t->cfg.from_cache[i], d, KVS_BURST);

		kvs_core_burst(&t->core, i, d, n);
		busy += (int)n;
	}
	return busy;
}

static int
kvs_tile_poll_tiles(struct kvs_tile *t)
{
	struct desc d[KVS_BURST];
	int busy = 0;

	for (uint32_t i = 0; i < t->cfg.kvs_cnt; i++) {
		uint32_t n =
			i == t->cfg.idx ? 0 : link_recv_burst(t->cfg.from_kvs[i], d, KVS_BURST);

		for (uint32_t k = 0; k < n; k++) {
			kvs_core_step_tile(&t->core, i, &d[k]);
		}
		busy += (int)n;
	}
	return busy;
}

static uint64_t
quiet_at(const struct kvs_tile *t)
{
	return MAX(lcore_busy_ns(t->cfg.lcore), t->asked_ns) + QUIET_NS;
}

/* The first touch of a large page takes 0.2 ms, and 5 where the host has to find it; so long the
 * kernel's worker has somebody's cpu, and that may be this one. So a reserve is filled while there
 * is nothing to do, page by page; without any, the next page is asked for in time. */
static void
kvs_tile_ahead(struct kvs_tile *t, uint64_t now_ns, bool busy)
{
	struct heap *heap = t->core.shard->heap;
	void *at = NULL;

	if (busy) {
		at = heap_ahead(heap, HEAP_AHEAD_BYTES / 2);
	} else if (now_ns >= quiet_at(t)) {
		at = heap_ahead(heap, ahead_bytes(t));
		t->asked_ns = now_ns;
	}
	if (at != NULL) {
		lcore_populate(t->cfg.lcore, at, HEAP_AHEAD_BYTES);
	}
}

static int
kvs_tile_poll(void *ctx, uint64_t now_ns)
{
	struct kvs_tile *t = ctx;
	int busy = kvs_tile_poll_tiles(t) + kvs_tile_poll_caches(t);

	/* Last, so that what came in with this poll goes out with it. */
	busy += kvs_core_poll(&t->core, now_ns);
	kvs_tile_ahead(t, now_ns, busy != 0);
	return busy + kvs_shard_trim(t->core.shard);
}

static uint64_t
kvs_tile_next_timer(void *ctx)
{
	struct kvs_tile *t = ctx;
	uint64_t at_ns = kvs_core_timer(&t->core);

	return heap_lacks(t->core.shard->heap, ahead_bytes(t)) ? MIN(at_ns, quiet_at(t)) : at_ns;
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
	const struct kvs_change_stats *ch = &t->core.changes.stats;
	size_t used = kvs_shard_used_bytes(s);
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
		{ METRIC_kvs_key_removed, s->stats.removed },
		{ METRIC_kvs_drop_agreed, t->core.drops.stats.dropped },
		{ METRIC_kvs_key_expired, t->core.drops.stats.expired },
		{ METRIC_kvs_drop_refused, t->core.drops.stats.kept },
		{ METRIC_kvs_drop_settled, t->core.drops.stats.settled },
		{ METRIC_kvs_drop_mark, t->core.drops.stats.marks },
		{ METRIC_kvs_change_told, ch->told },
		{ METRIC_kvs_change_told_size, ch->told_bytes },
		{ METRIC_kvs_change_pushed, ch->pushed },
		{ METRIC_kvs_change_joined, ch->joined },
		{ METRIC_kvs_change_retried, ch->again },
		{ METRIC_kvs_change_spread, ch->spread },
		{ METRIC_kvs_change_lag, ch->lag_ns },
		{ METRIC_kvs_change_lag_max, ch->lag_max_ns },
		{ METRIC_kvs_change_open, kvs_changes_cnt(&t->core.changes) },
		{ METRIC_kvs_copy_forgotten, ch->forgotten },
		{ METRIC_kvs_write_late, ch->late },
		{ METRIC_kvs_key_heated, t->heated },
		{ METRIC_kvs_key_cooled, t->cooled },
		{ METRIC_kvs_memory_used, used },
		{ METRIC_kvs_memory_used_max, MAX(used, t->used_max) },
	};

	t->used_max = MAX(used, t->used_max);
	for (uint32_t i = 0; i < ARRAY_CNT(row); i++) {
		metrics_set(&t->metrics, row[i].metric, row[i].v);
	}
}

const struct tile_ops kvs_tile_ops = {
	.kind = TILE_KVS,
	.poll = kvs_tile_poll,
	.housekeeping = kvs_tile_housekeeping,
	.next_timer_ns = kvs_tile_next_timer,
};
