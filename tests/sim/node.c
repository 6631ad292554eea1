/* SPDX-License-Identifier: Apache-2.0 */
#include "node.h"

#include <string.h>
#include <sys/mman.h>

#include "check.h"
#include "domain.h"

uint8_t *
node_map(size_t bytes)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	REQUIRE(p != MAP_FAILED);
	return p;
}

void
node_unmap(void *p, size_t bytes)
{
	munmap(p, bytes);
}

static void
node_memory(struct node *n, const struct sim_shape *shape)
{
	struct cache_region_cfg cfg = { .shard_cnt = shape->cache_cnt,
					.heap_bytes = shape->cache_bytes,
					.keys_max = CACHE_ENTRY_MIN };

	n->hints = (struct hints *)(void *)node_map(sizeof(struct hints));
	n->region.kind = REGION_DAEMON;
	n->region.at = region_layout(REGION_DAEMON);
	n->region.rw = node_map(n->region.at.bytes);
	n->region.base = n->region.rw;
	n->placement = (struct placement *)(void *)(n->region.rw + n->region.at.table);
	REQUIRE(cache_region_plan(&cfg, &n->layout) == 0);
	n->cache = node_map(n->layout.bytes);
	cache_region_format(n->cache, &n->layout);
	REQUIRE(peers_create(&n->peers, NULL) == 0);
}

static void
node_functions(struct node *n)
{
	for (uint32_t i = 0; i < n->sim->shape.fn_cnt; i++) {
		simctl_deploy(n->ctl, i);
	}
}

void
node_start(struct sim *s)
{
	struct node *n = s->node;

	n->sim = s;
	node_memory(n, &s->shape);
	n->ctl = simctl_create(s);
	n->ctl_actor = &simctl_tile(n->ctl)->actor;
	REQUIRE(hashring_create(&n->ring,
				&(struct hashring_member){ .node = 1,
							   .tile_cnt = s->shape.kvs_cnt },
				1) == 0);
	sched_sim_init(&n->sched, s);
	for (uint32_t i = 0; i < s->shape.cache_cnt; i++) {
		cache_sim_init(&n->cache_tile[i], s, i);
	}
	for (uint32_t i = 0; i < s->shape.kvs_cnt; i++) {
		kvs_sim_init(&n->kvs[i], s, i);
	}
	node_functions(n);
	simctl_start(n->ctl);
}

void
node_stop(struct sim *s)
{
	struct node *n = s->node;

	simctl_end(n->ctl);
	sched_sim_fini(&n->sched);
	for (uint32_t i = 0; i < s->shape.cache_cnt; i++) {
		cache_sim_fini(&n->cache_tile[i]);
	}
	for (uint32_t i = 0; i < s->shape.kvs_cnt; i++) {
		kvs_sim_fini(&n->kvs[i]);
	}
	hashring_destroy(n->ring);
	simctl_destroy(n->ctl);
	peers_destroy(&n->peers);
	node_unmap(n->cache, n->layout.bytes);
	node_unmap(n->region.rw, n->region.at.bytes);
	node_unmap(n->hints, sizeof(struct hints));
}

void
node_count(struct sim *s)
{
	for (uint32_t i = 0; i < s->shape.kvs_cnt; i++) {
		const struct kvs_core *c = &s->node->kvs[i].core;

		s->stats.told += c->changes.stats.told;
		s->stats.pushed += c->changes.stats.pushed;
		s->stats.dropped += c->drops.stats.dropped;
		s->stats.settled += c->drops.stats.settled;
		s->stats.marks += c->drops.stats.marks;
	}
}

bool
node_rung(struct node *n, const struct bell *bell)
{
	const struct bell *first = n->hints->tile;

	if (bell < first || bell >= first + TILE_PORT_CNT) {
		return false;
	}
	if (bell - first == PORT_CTL) {
		tile_rung(simctl_tile(n->ctl));
	} else if (bell - first == PORT_SCHED) {
		tile_rung(&n->sched.tile);
	} else {
		tile_rung(&n->cache_tile[bell - first - PORT_CACHE_FIRST].tile);
	}
	return true;
}
