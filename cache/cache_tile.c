/* SPDX-License-Identifier: Apache-2.0 */
#include "cache_tile.h"

#include <stdlib.h>
#include <string.h>

#include "cache_core.h"
#include "check.h"
#include "compiler.h"
#include "domain.h"
#include "link.h"
#include "metrics.h"
#include "microburst/error.h"
#include "payload.h"
#include "ports.h"
#include "tile_msg.h"
#include "topo.h"

#define CACHE_BURST 64

static_assert(CACHE_KVS_DEPTH <= TOPO_LINK_DEPTH_DEFAULT,
	      "a link to or from a kvs tile is never full");

struct cache_tile {
	struct cache_tile_cfg cfg;
	struct cache_core *core;
	struct ports *ports;
	struct payload_pool *pages;
	uint32_t down_inc[PROC_CNT_MAX]; /* the incarnation that is down, and not to be looked at */
	_Atomic uint32_t held;
	struct metrics_block metrics;
};

/* ---------------------------------------------------------- the core's outside */

static void
cache_tile_to_proc(void *ctx, uint16_t proc, const struct desc *d)
{
	struct cache_tile *t = ctx;

	ports_answer(t->ports, proc, d);
}

static void
cache_tile_to_kvs(void *ctx, uint32_t kvs, const struct desc *d)
{
	struct cache_tile *t = ctx;

	REQUIRE(link_send_sp(t->cfg.to_kvs[kvs], d, 1) == 1); /* CACHE_KVS_DEPTH */
}

static void
cache_tile_to_ctl(void *ctx, const struct desc *d)
{
	struct cache_tile *t = ctx;

	REQUIRE(link_send_sp(t->cfg.to_ctl, d, 1) == 1);
}

static int
cache_tile_view(void *ctx, const struct payload_ref *ref, const uint8_t **ret)
{
	struct cache_tile *t = ctx;

	return peer_view(t->cfg.peers, ref, ret);
}

/* Every process that has the cache region mapped. ctl publishes a process's region before it lets
 * the process begin, and unmaps it after this tile has said PROC_DOWN_DONE; so what the peers'
 * table shows, less what we know to be down, is never too little, and never gone. */
static const _Atomic uint64_t *
cache_tile_hazards(void *ctx, uint32_t *iter)
{
	struct cache_tile *t = ctx;

	while (*iter < PROC_CNT_MAX) {
		struct peer *p = &t->cfg.peers->peer[*iter];
		/* A5: acquire; pairs with R5 in peer_put_region. */
		uint32_t inc = atomic_load_explicit(&p->inc, memory_order_acquire);

		(*iter)++;
		if (inc != 0 && inc != t->down_inc[*iter - 1]) {
			return region_hazard(&p->region);
		}
	}
	return NULL;
}

static int
cache_tile_page_alloc(void *ctx, uint16_t proc, size_t len, struct payload_ref *ret,
		      uint8_t **ret_p)
{
	struct cache_tile *t = ctx;

	return payload_alloc(t->pages, len, proc, ret, ret_p);
}

static int
cache_tile_page_release(void *ctx, uint16_t proc, uint32_t handle)
{
	struct cache_tile *t = ctx;

	return payload_release(t->pages, handle, proc);
}

static void
cache_tile_page_release_all(void *ctx, uint16_t proc)
{
	struct cache_tile *t = ctx;

	payload_release_all(t->pages, proc);
}

static bool
cache_tile_committed(void *ctx, uint16_t proc, uint32_t inc, struct desc *ret)
{
	struct cache_tile *t = ctx;
	struct peer *p = &t->cfg.peers->peer[proc];

	/* A5: acquire; pairs with R5 in peer_put_region. */
	return atomic_load_explicit(&p->inc, memory_order_acquire) == inc &&
	       region_commit_find(region_commit(&p->region), PORT_CACHE_FIRST + t->cfg.idx, ret);
}

/* --------------------------------------------------------------------- life */

static int
cache_tile_core(struct cache_tile *t)
{
	struct cache_core_cfg cfg = {
		.base = t->cfg.base,
		.layout = t->cfg.layout,
		.shard = t->cfg.idx,
		.ring = t->cfg.ring,
		.kvs_cnt = t->cfg.kvs_cnt,
		.ack = t->cfg.ack,
		.writer = { t->cfg.writer },
		.timebase = timebase_real(),
		.ops = { .to_proc = cache_tile_to_proc,
			 .to_kvs = cache_tile_to_kvs,
			 .to_ctl = cache_tile_to_ctl,
			 .view = cache_tile_view,
			 .hazards = cache_tile_hazards,
			 .page_alloc = cache_tile_page_alloc,
			 .page_release = cache_tile_page_release,
			 .page_release_all = cache_tile_page_release_all,
			 .committed = cache_tile_committed,
			 .ctx = t },
	};

	return cache_core_create(&t->core, &cfg);
}

int
cache_tile_create(struct cache_tile **ret, const struct cache_tile_cfg *cfg)
{
	struct cache_tile *t = aligned_alloc(CACHE_LINE, sizeof(*t));
	int err;

	if (t == NULL) {
		return MB_ERR_NO_MEMORY;
	}
	memset(t, 0, sizeof(*t));
	metrics_init(&t->metrics, METRICS_OWNER_cache, cfg->idx);
	t->cfg = *cfg;
	err = ports_create(&t->ports, cfg->region, cfg->hints, 2 + cfg->idx);
	if (err == 0) {
		err = payload_create(&t->pages, PROC_DAEMON, 1, cfg->slab, cfg->slab_bytes,
				     cfg->slab_off, NULL);
	}
	if (err == 0) {
		err = cache_tile_core(t);
	}
	if (err != 0) {
		cache_tile_destroy(t);
		return err;
	}
	*ret = t;
	return 0;
}

void
cache_tile_destroy(struct cache_tile *t)
{
	if (t->core != NULL) {
		cache_core_destroy(t->core);
	}
	if (t->pages != NULL) {
		payload_destroy(t->pages);
	}
	if (t->ports != NULL) {
		ports_destroy(t->ports);
	}
	free(t);
}

uint32_t
cache_tile_held(const struct cache_tile *t)
{
	return atomic_load_explicit(&t->held, memory_order_relaxed);
}

/* --------------------------------------------------------------------- loop */

static void
cache_tile_on_ctl(struct cache_tile *t, const struct desc *d)
{
	struct cache_from from = { CACHE_FROM_CTL, 0 };

	if (d->kind == DESC_PROC_UP) {
		ports_open(t->ports, d->open.proc, d->open.inc,
			   &t->cfg.peers->peer[d->open.proc].region);
		if (d->b != 0) {
			ports_rung_by(t->ports, d->open.proc, (int)d->b - 1);
		}
	} else if (d->kind == DESC_PROC_DOWN) {
		t->down_inc[d->dead.proc] = d->dead.inc;
		ports_close(t->ports, d->dead.proc);
	}
	cache_core_step(t->core, from, d);
}

static int
cache_tile_poll_links(struct cache_tile *t)
{
	struct desc d[CACHE_BURST];
	uint32_t n = link_recv_burst(t->cfg.from_ctl, d, CACHE_BURST);
	int busy = (int)n;

	for (uint32_t i = 0; i < n; i++) {
		cache_tile_on_ctl(t, &d[i]);
	}
	for (uint32_t k = 0; k < t->cfg.kvs_cnt; k++) {
		struct cache_from from = { CACHE_FROM_KVS, (uint16_t)k };

		n = link_recv_burst(t->cfg.from_kvs[k], d, CACHE_BURST);
		for (uint32_t i = 0; i < n; i++) {
			cache_core_step(t->core, from, &d[i]);
		}
		busy += (int)n;
	}
	return busy;
}

static int
cache_tile_poll_ports(struct cache_tile *t)
{
	struct cache_from from = { CACHE_FROM_PROC, 0 };
	struct desc d;
	int busy = ports_turn(t->ports);

	while (cache_core_room(t->core) > 0 && ports_recv(t->ports, &from.idx, &d) == 1) {
		if (!cache_core_step(t->core, from, &d)) {
			ports_waive(t->ports, from.idx);
		}
		busy++;
	}
	return busy;
}

static int
cache_tile_poll(void *ctx, uint64_t now_ns)
{
	struct cache_tile *t = ctx;
	struct desc bad = { .kind = DESC_PROC_BAD, .err = MB_ERR_PEER_CORRUPT };
	int busy = cache_tile_poll_links(t);

	busy += cache_tile_poll_ports(t);
	busy += cache_core_poll(t->core);
	ports_flush(t->ports);
	while (ports_bad(t->ports, &bad.open.proc, &bad.open.inc)) {
		cache_tile_to_ctl(t, &bad);
		busy++;
	}
	return busy;
}

struct metrics_block *
cache_tile_metrics(struct cache_tile *t)
{
	return &t->metrics;
}

static void
cache_tile_count(struct cache_tile *t)
{
	struct cache_stats s = cache_core_stats(t->core);
	const struct {
		enum metric metric;
		uint64_t v;
	} row[] = {
		{ METRIC_cache_key_fetched, s.fetched },
		{ METRIC_cache_fetch_joined, s.fetch_joined },
		{ METRIC_cache_fetch_met, s.fetch_hit },
		{ METRIC_cache_set_published, s.published },
		{ METRIC_cache_op_applied, s.op_applied },
		{ METRIC_cache_op_failed, s.op_failed },
		{ METRIC_cache_op_passed, s.passed },
		{ METRIC_cache_key_read, s.read },
		{ METRIC_cache_delta_flushed, s.flushed },
		{ METRIC_cache_delta_joined, s.flush_joined },
		{ METRIC_cache_delta_refused, s.flush_refused },
		{ METRIC_cache_collection_razed, s.razed },
		{ METRIC_cache_copy_crowded, s.crowded },
		{ METRIC_cache_value_lent, s.lent },
		{ METRIC_cache_page_scanned, s.scanned },
		{ METRIC_cache_change_told, s.told },
		{ METRIC_cache_change_taken, s.told_changed },
		{ METRIC_cache_copy_dropped, s.told_dropped },
		{ METRIC_cache_message_refused, s.bad },
		{ METRIC_cache_entry_evicted, s.evicted },
		{ METRIC_cache_hazard_scanned, s.hazard_scanned },
		{ METRIC_cache_key_cached, s.key_cnt },
		{ METRIC_cache_memory_used, s.used_bytes },
		{ METRIC_cache_memory_retired, s.retired_bytes },
	};

	for (uint32_t i = 0; i < ARRAY_CNT(row); i++) {
		metrics_set(&t->metrics, row[i].metric, row[i].v);
	}
}

static void
cache_tile_housekeeping(void *ctx, uint64_t now_ns)
{
	struct cache_tile *t = ctx;

	cache_tile_count(t);
	atomic_store_explicit(&t->held, cache_core_busy(t->core) + payload_alive(t->pages),
			      memory_order_relaxed);
}

static void
cache_tile_arm(void *ctx, bool up)
{
	struct cache_tile *t = ctx;

	if (up) {
		ports_arm(t->ports);
	} else {
		ports_disarm(t->ports);
	}
}

static uint64_t
cache_tile_next_timer(void *ctx)
{
	struct cache_tile *t = ctx;
	uint64_t nap = ports_sleep_ns(t->ports);

	return nap < WAIT_MAX_NS ? timebase_now_ns(timebase_real()) + nap : TILE_TIMER_NEVER;
}

const struct tile_ops cache_tile_ops = {
	.kind = TILE_CACHE,
	.poll = cache_tile_poll,
	.housekeeping = cache_tile_housekeeping,
	.arm = cache_tile_arm,
	.next_timer_ns = cache_tile_next_timer,
};
