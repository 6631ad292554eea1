/* SPDX-License-Identifier: Apache-2.0 */
/* sched_tile - the tile around sched: its ports, its links to ctl */
#ifndef MB_SCHED_TILE_H
#define MB_SCHED_TILE_H

#include "link.h"
#include "peer.h"
#include "ports.h"
#include "sched.h"
#include "tile.h"
#include "timebase.h"

struct sched_tile_cfg {
	uint32_t queue_max;
	uint64_t seed;
	uint64_t wall_ns; /* as of sched_requests_set */
	uint64_t result_ttl_ns;
	uint64_t lease_ns;
	uint8_t *slab; /* for copies: a part of the daemon's slab */
	size_t slab_bytes, slab_off;
};

struct sched_tile {
	struct sched *core;
	struct sched_log log;
	struct ports *ports;
	struct peers *peers;
	struct payload_pool *pool; /* arguments and results of calls with a request id */
	struct link *to_ctl, *from_ctl;
	const struct timebase *tb;
	uint64_t now_ns;
	bool moved; /* since the gauges were written */
	/* gauges: walked before each sleep, read by ctl */
	_Atomic uint32_t queued, running, runs, held, requests, inboxes, messages;
};

/* sched_tile_init makes the core with this tile as its outside; the other fields are set. */
int sched_tile_init(struct sched_tile *t, struct placement *placement, struct hints *hints,
		    const struct sched_tile_cfg *cfg);
void sched_tile_fini(struct sched_tile *t);

extern const struct tile_ops sched_tile_ops;

#endif
