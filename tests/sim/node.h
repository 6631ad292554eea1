/* SPDX-License-Identifier: Apache-2.0 */
/* node - the daemon: its memory, its tiles and the links between them */
#ifndef MB_SIM_NODE_H
#define MB_SIM_NODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cache_core.h"
#include "cache_region.h"
#include "hints.h"
#include "kvs_core.h"
#include "lane.h"
#include "payload.h"
#include "peer.h"
#include "placement.h"
#include "ports.h"
#include "region.h"
#include "sched.h"
#include "sim.h"
#include "simctl.h"
#include "tile.h"

struct sched_sim {
	struct tile tile;
	struct sched *core;
	struct payload_pool *pool; /* what it copies */
};

struct cache_sim {
	struct tile tile;
	struct cache_core *core;
	struct lane from_kvs[SIM_KVS_MAX];
	struct payload_pool *pages;
	uint64_t published[PROC_CNT_MAX]; /* last seen: to notice that a set was accepted */
	bool mute;                        /* PLANT_PUBLISH_AFTER_DEATH: done has been said */
	bool gone[PROC_CNT_MAX];          /* this tile said that it is done with it */
};

struct kvs_sim {
	struct sim *sim;
	struct actor actor;
	uint32_t idx;
	uint64_t stalled_until_ns;
	struct kvs_core core;
	struct kvs_shard *shard;
	void *mem;
	struct lane from_cache[SIM_TILE_MAX];
	struct lane from_kvs[SIM_KVS_MAX]; /* but for its own */
	struct lane from_guest;
};

struct node {
	struct sim *sim;
	struct hints *hints;
	struct region region; /* the daemon's */
	struct peers peers;   /* the daemon's mappings */
	struct placement *placement;
	uint8_t *cache;
	struct cache_layout layout;
	struct sched_sim sched;
	struct cache_sim cache_tile[SIM_TILE_MAX];
	struct hashring *ring;
	struct kvs_sim kvs[SIM_KVS_MAX];
	struct simctl *ctl;
	struct actor *ctl_actor;
	const struct region *attached; /* what was asked for last */
};

void node_start(struct sim *s);
void node_stop(struct sim *s);

/* node_map maps zeros, as memory that others will share. */
uint8_t *node_map(size_t bytes);
void node_unmap(void *p, size_t bytes);

/* node_rung: somebody rang a bell; false: it is no tile's. */
bool node_rung(struct node *n, const struct bell *bell);

/* node_check asks, when all is quiet, whether everything is back where it came from (quiet.c). */
void node_check(struct sim *s);

/* node_count adds up what the tiles count. */
void node_count(struct sim *s);

void sched_sim_init(struct sched_sim *t, struct sim *s);
void cache_sim_init(struct cache_sim *t, struct sim *s, uint32_t idx);
void kvs_sim_init(struct kvs_sim *t, struct sim *s, uint32_t idx);
void sched_sim_fini(struct sched_sim *t);
void cache_sim_fini(struct cache_sim *t);
void kvs_sim_fini(struct kvs_sim *t);

#endif
