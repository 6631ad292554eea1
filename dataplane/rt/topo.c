/* SPDX-License-Identifier: Apache-2.0 */
/* topo.c - building the plan
 *
 * Which tiles talk is one table here, `pairs`. A row stands for every tile of one kind and every
 * tile of the other:
 *
 *        ctl ◄────► sched          ctl: commands, reports, deaths, acknowledgements
 *         ▲ ▲         ▲
 *         │ └───────┐ │            sched ► cache: calls that need a key brought near
 *         ▼         ▼ ▼
 *        kvs:j ◄─► cache:i         cache ► kvs: misses and writes; back: values, updates
 *          ▲
 *          └► kvs:k                kvs ► kvs: changes, to the other owners of a key
 *
 *        ctl ◄────► gate           ctl: who comes and goes. To sched and the caches a gate talks
 *                                  as processes do, through channels (inner.h)
 *        gate:0 ◄─► gate:n         connections that move, what all gates are asked
 *        net:k ◄─► net:l           frames that came to another tile's queue
 *                                  To all else a net tile is a client of its own node, with the
 *                                  channels that every client has
 *
 * All of them hold back when full; none drops. A tile that cannot send keeps what it has and goes
 * on receiving what needs no sending. Two tiles that wait for room in each other's link would stand
 * still for ever, so who asks holds a credit for each question: never more of them open than the
 * link that brings the answers holds. Net tiles owe each other nothing: what does not fit is theirs
 * to drop, with its buffer.
 *
 * Why a link a pair and direction, and not one inbox a tile: one producer each, so no producer ever
 * waits for another in the middle of an enqueue, and a full link names who floods whom.
 */
#include "topo.h"

#include <stdio.h>
#include <string.h>

#include <microburst/error.h>

#include "check.h"
#include "compiler.h"
#include "topo_pairs.h"

#define TOPO_MAGIC UINT32_C(0x4d42544f)

/* clang-format off */
const struct topo_pair topo_pairs[TOPO_PAIR_CNT] = {
	/* from       to          when full */
	{ TILE_CTL,   TILE_SCHED, LINK_BACKPRESSURE },
	{ TILE_SCHED, TILE_CTL,   LINK_BACKPRESSURE },
	{ TILE_CTL,   TILE_CACHE, LINK_BACKPRESSURE },
	{ TILE_CACHE, TILE_CTL,   LINK_BACKPRESSURE },
	{ TILE_CTL,   TILE_KVS,   LINK_BACKPRESSURE },
	{ TILE_KVS,   TILE_CTL,   LINK_BACKPRESSURE },
	{ TILE_SCHED, TILE_CACHE, LINK_BACKPRESSURE },
	{ TILE_CACHE, TILE_SCHED, LINK_BACKPRESSURE },
	{ TILE_CACHE, TILE_KVS,   LINK_BACKPRESSURE },
	{ TILE_KVS,   TILE_CACHE, LINK_BACKPRESSURE },
	{ TILE_KVS,   TILE_KVS,   LINK_BACKPRESSURE },
	{ TILE_CTL,   TILE_GATE,  LINK_BACKPRESSURE },
	{ TILE_GATE,  TILE_CTL,   LINK_BACKPRESSURE },
	{ TILE_GATE,  TILE_GATE,  LINK_BACKPRESSURE },
	{ TILE_NET,   TILE_NET,   LINK_BACKPRESSURE },
};
/* clang-format on */

void
topo_params_default(struct topo_params *ret_params)
{
	*ret_params = (struct topo_params){
		.cache_cnt = 1,
		.kvs_cnt = 1,
		.link_depth = TOPO_LINK_DEPTH_DEFAULT,
		.home_numa = PLACE_NUMA_ANY,
	};
}

static int
in_limits(const char *what, uint32_t value, uint32_t max, struct topo_why *why)
{
	if (value >= 1 && value <= max) {
		return MB_OK;
	}
	return topo_why_set(why, value == 0 ? MB_ERR_CONFIG : MB_ERR_TOO_LARGE,
			    "%u %s are wanted; a node has 1 to %u", value, what, max);
}

static void
tiles_add(struct topo *topo, enum tile_kind kind, uint32_t cnt)
{
	for (uint32_t i = 0; i < cnt; i++) {
		struct topo_tile *tile = &topo->tile[topo->tile_cnt++];

		*tile = (struct topo_tile){ .kind = kind, .idx = (uint16_t)i };
		snprintf(tile->name, sizeof(tile->name), "%s:%u", tile_kind_name(kind), i);
	}
}

static void
link_add(struct topo *topo, uint16_t from, uint16_t to, enum link_full full)
{
	const struct topo_tile *f = &topo->tile[from];
	const struct topo_tile *t = &topo->tile[to];
	char name[2 * TOPO_NAME_BYTES_MAX];
	int n = snprintf(name, sizeof(name), "%s_%s", f->name, t->name);

	INSIST(n < LINK_NAME_BYTES_MAX, "%s", name);
	topo->link[topo->link_cnt] = (struct topo_link){
		.from = from,
		.to = to,
		.numa = t->numa,
		.depth = topo->want.link_depth,
		.full = full,
		.same_lcore = f->lcore == t->lcore,
	};
	memcpy(topo->link[topo->link_cnt].name, name, (size_t)n + 1);
	topo->link_cnt++;
}

static void
links_add(struct topo *topo)
{
	for (uint32_t p = 0; p < TOPO_PAIR_CNT; p++) {
		for (uint16_t from = 0; from < topo->tile_cnt; from++) {
			for (uint16_t to = 0; to < topo->tile_cnt; to++) {
				if (from != to && topo->tile[from].kind == topo_pairs[p].from &&
				    topo->tile[to].kind == topo_pairs[p].to) {
					link_add(topo, from, to, topo_pairs[p].full);
				}
			}
		}
	}
}

static void
links_memory_add(struct topo *topo)
{
	for (uint16_t numa = 0; numa < topo->numa_cnt; numa++) {
		uint32_t cnt = 0;

		for (uint32_t i = 0; i < topo->link_cnt; i++) {
			cnt += topo->link[i].numa == numa;
		}
		if (cnt > 0) {
			topo_memory_add(topo, "link", numa, cnt,
					link_footprint(topo->want.link_depth));
		}
	}
}

int
topo_build(const struct topo_params *params, const struct place_machine *machine,
	   struct topo *ret_topo, struct topo_why *why)
{
	struct topo *topo = ret_topo;
	int err = in_limits("cache tiles", params->cache_cnt, CACHE_TILE_CNT_MAX, why);

	if (err == MB_OK) {
		err = in_limits("kvs tiles", params->kvs_cnt, KVS_TILE_CNT_MAX, why);
	}
	if (err == MB_OK && params->gate_cnt != 0) {
		err = in_limits("gate tiles", params->gate_cnt, GATE_TILE_CNT_MAX, why);
	}
	if (err == MB_OK && params->net_cnt > 0) {
		err = in_limits("net tiles", params->net_cnt, NET_TILE_CNT_MAX, why);
	}
	if (err == MB_OK) {
		err = in_limits("descriptors a link", params->link_depth, LINK_DEPTH_MAX, why);
	}
	if (err != MB_OK) {
		return err;
	}

	memset(topo, 0, sizeof(*topo));
	topo->want = *params;
	topo->core_cnt = machine->core_cnt;
	topo->cpu_cnt = machine->cpu_cnt;
	topo->numa_cnt = machine->numa_cnt;
	memcpy(topo->numa, machine->numa, sizeof(topo->numa));

	/* Plan order: those that talk to processes come first, neighbours share an lcore. */
	tiles_add(topo, TILE_CTL, 1);
	tiles_add(topo, TILE_SCHED, 1);
	tiles_add(topo, TILE_CACHE, params->cache_cnt);
	tiles_add(topo, TILE_KVS, params->kvs_cnt);
	tiles_add(topo, TILE_GATE, params->gate_cnt);
	tiles_add(topo, TILE_NET, params->net_cnt);

	err = place_assign(topo, machine, why);
	if (err != MB_OK) {
		return err;
	}
	links_add(topo);
	links_memory_add(topo);
	topo->magic = TOPO_MAGIC;
	return MB_OK;
}

void
topo_memory_add(struct topo *topo, const char *name, uint16_t numa, uint32_t cnt, uint64_t bytes)
{
	struct topo_memory *row = &topo->memory[topo->memory_cnt];
	int n;

	REQUIRE(topo->memory_cnt < TOPO_MEMORY_CNT_MAX);
	REQUIRE(numa < topo->numa_cnt, "numa=%u of %u", numa, topo->numa_cnt);
	*row = (struct topo_memory){ .numa = numa, .cnt = cnt, .bytes = bytes };
	n = snprintf(row->name, sizeof(row->name), "%s", name);
	REQUIRE(n < (int)sizeof(row->name), "%s", name);
	topo->memory_cnt++;
}

uint64_t
topo_memory_bytes(const struct topo *topo, uint16_t numa)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < topo->memory_cnt; i++) {
		if (numa == PLACE_NUMA_ANY || topo->memory[i].numa == numa) {
			sum += topo->memory[i].cnt * topo->memory[i].bytes;
		}
	}
	return sum;
}

int
topo_tile_find(const struct topo *topo, enum tile_kind kind, uint32_t idx)
{
	for (int i = 0; i < topo->tile_cnt; i++) {
		if (topo->tile[i].kind == kind && topo->tile[i].idx == idx) {
			return i;
		}
	}
	return -1;
}

int
topo_link_find(const struct topo *topo, uint32_t from, uint32_t to)
{
	for (int i = 0; i < topo->link_cnt; i++) {
		if (topo->link[i].from == from && topo->link[i].to == to) {
			return i;
		}
	}
	return -1;
}

bool
topo_is_built(const struct topo *topo)
{
	return topo->magic == TOPO_MAGIC;
}
