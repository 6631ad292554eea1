/* SPDX-License-Identifier: Apache-2.0 */
/* topo_validate.c - the plan, judged by someone who does not trust the builder
 *
 * Nothing here calls the builder's code or repeats its rule. It asks what the starter relies on:
 * may each index be used, is each cpu sane, can each pair of tiles talk, does the memory exist. So
 * a new way to build a plan (a file, a test, a resize) is judged by the same eyes.
 */
#include "topo.h"

#include <string.h>

#include <microburst/error.h>

#include "check.h"
#include "compiler.h"
#include "topo_pairs.h"

static int
counts_check(const struct topo *t, struct topo_why *why)
{
	struct {
		const char *what;
		uint32_t cnt, min, max;
	} rows[] = {
		{ "tiles", t->tile_cnt, 1, TILE_CNT_MAX },
		{ "lcores", t->lcore_cnt, 1, LCORE_CNT_MAX },
		{ "links", t->link_cnt, 0, LINK_CNT_MAX },
		{ "executors", t->executor_cnt, 1, EXECUTOR_CNT_MAX },
		{ "spares", t->spare_cnt, 0, SPARE_CNT_MAX },
		{ "client cpus", t->client_cpu_cnt, 1, CPU_CNT_MAX },
		{ "memory rows", t->memory_cnt, 0, TOPO_MEMORY_CNT_MAX },
		{ "NUMA nodes", t->numa_cnt, 1, PLACE_NUMA_CNT_MAX },
	};

	for (size_t i = 0; i < ARRAY_CNT(rows); i++) {
		if (rows[i].cnt < rows[i].min || rows[i].cnt > rows[i].max) {
			return topo_why_set(why, MB_ERR_CONFIG, "the plan has %u %s, not %u to %u",
					    rows[i].cnt, rows[i].what, rows[i].min, rows[i].max);
		}
	}
	return MB_OK;
}

static int
place_check(const struct topo *t, const char *what, uint32_t idx, uint16_t cpu, uint16_t numa,
	    struct topo_why *why)
{
	if (cpu >= CPU_CNT_MAX) {
		return topo_why_set(why, MB_ERR_CONFIG, "%s %u sits on cpu %u; cpus end at %d",
				    what, idx, cpu, CPU_CNT_MAX - 1);
	}
	if (numa >= t->numa_cnt) {
		return topo_why_set(why, MB_ERR_CONFIG, "%s %u is on NUMA index %u of %u", what,
				    idx, numa, t->numa_cnt);
	}
	return MB_OK;
}

static int
tiles_check(const struct topo *t, struct topo_why *why)
{
	for (uint32_t i = 0; i < t->tile_cnt; i++) {
		const struct topo_tile *tile = &t->tile[i];
		int err = place_check(t, "tile", i, tile->cpu, tile->numa, why);

		if (err != MB_OK) {
			return err;
		}
		if (tile->kind >= TILE_KIND_CNT || tile->lcore >= t->lcore_cnt) {
			return topo_why_set(why, MB_ERR_CONFIG,
					    "tile %u is of kind %d on lcore %u; there are %d kinds "
					    "and %u lcores",
					    i, (int)tile->kind, tile->lcore, TILE_KIND_CNT,
					    t->lcore_cnt);
		}
		if (tile->cpu != t->lcore[tile->lcore].cpu) {
			return topo_why_set(why, MB_ERR_CONFIG,
					    "tile %s says cpu %u, its lcore %u sits on cpu %u",
					    tile->name, tile->cpu, tile->lcore,
					    t->lcore[tile->lcore].cpu);
		}
		if (topo_tile_find(t, tile->kind, tile->idx) != (int)i) {
			return topo_why_set(why, MB_ERR_CONFIG, "there are two tiles %s",
					    tile->name);
		}
	}
	if (topo_tile_find(t, TILE_CTL, 0) < 0 || topo_tile_find(t, TILE_SCHED, 0) < 0) {
		return topo_why_set(why, MB_ERR_CONFIG, "the plan has no ctl:0 or no sched:0");
	}
	return MB_OK;
}

static int
lcores_check(const struct topo *t, struct topo_why *why)
{
	for (uint32_t i = 0; i < t->lcore_cnt; i++) {
		uint32_t tile_cnt = 0;
		int err = place_check(t, "lcore", i, t->lcore[i].cpu, t->lcore[i].numa, why);

		if (err != MB_OK) {
			return err;
		}
		for (uint32_t j = 0; j < t->tile_cnt; j++) {
			tile_cnt += t->tile[j].lcore == i;
		}
		if (tile_cnt == 0 || tile_cnt != t->lcore[i].tile_cnt) {
			return topo_why_set(why, MB_ERR_CONFIG,
					    "lcore %u says it runs %u tiles, %u tiles say it", i,
					    t->lcore[i].tile_cnt, tile_cnt);
		}
		if (t->lcore[i].alone && tile_cnt != 1) {
			return topo_why_set(why, MB_ERR_CONFIG,
					    "lcore %u is one tile's alone and runs %u", i,
					    tile_cnt);
		}
		for (uint32_t j = 0; j < i; j++) {
			if (t->lcore[j].cpu == t->lcore[i].cpu &&
			    !(t->lcore[j].shared && t->lcore[i].shared)) {
				return topo_why_set(why, MB_ERR_CONFIG,
						    "lcores %u and %u both sit on cpu %u", j, i,
						    t->lcore[i].cpu);
			}
		}
	}
	return MB_OK;
}

static int
link_check(const struct topo *t, uint32_t i, struct topo_why *why)
{
	const struct topo_link *link = &t->link[i];

	if (link->from >= t->tile_cnt || link->to >= t->tile_cnt || link->from == link->to) {
		return topo_why_set(why, MB_ERR_CONFIG,
				    "link %u goes from tile %u to tile %u of %u", i, link->from,
				    link->to, t->tile_cnt);
	}
	if (link->depth < 1 || link->depth > LINK_DEPTH_MAX) {
		return topo_why_set(why, MB_ERR_CONFIG, "link %s has depth %u, not 1 to %d",
				    link->name, link->depth, LINK_DEPTH_MAX);
	}
	if (link->full != LINK_DROP_NEWEST && link->full != LINK_BACKPRESSURE) {
		return topo_why_set(why, MB_ERR_CONFIG,
				    "link %s does not say what it does when full", link->name);
	}
	if (link->numa >= t->numa_cnt) {
		return topo_why_set(why, MB_ERR_CONFIG, "link %s is on NUMA index %u of %u",
				    link->name, link->numa, t->numa_cnt);
	}
	if (link->same_lcore != (t->tile[link->from].lcore == t->tile[link->to].lcore)) {
		return topo_why_set(
			why, MB_ERR_CONFIG,
			"link %s is wrong about its ends being on one lcore: nobody would "
			"ring",
			link->name);
	}
	if (topo_link_find(t, link->from, link->to) != (int)i) {
		return topo_why_set(why, MB_ERR_CONFIG, "there are two links %s", link->name);
	}
	return MB_OK;
}

static int
links_check(const struct topo *t, struct topo_why *why)
{
	for (uint32_t i = 0; i < t->link_cnt; i++) {
		int err = link_check(t, i, why);

		if (err != MB_OK) {
			return err;
		}
	}
	for (uint32_t p = 0; p < TOPO_PAIR_CNT; p++) {
		for (uint32_t from = 0; from < t->tile_cnt; from++) {
			for (uint32_t to = 0; to < t->tile_cnt; to++) {
				if (from != to && t->tile[from].kind == topo_pairs[p].from &&
				    t->tile[to].kind == topo_pairs[p].to &&
				    topo_link_find(t, from, to) < 0) {
					return topo_why_set(why, MB_ERR_CONFIG,
							    "no link from %s to %s",
							    t->tile[from].name, t->tile[to].name);
				}
			}
		}
	}
	return MB_OK;
}

static int
processes_check(const struct topo *t, struct topo_why *why)
{
	int err = MB_OK;

	for (uint32_t i = 0; i < t->executor_cnt && err == MB_OK; i++) {
		err = place_check(t, "executor", i, t->executor[i].cpu, t->executor[i].numa, why);
	}
	for (uint32_t i = 0; i < t->spare_cnt && err == MB_OK; i++) {
		err = place_check(t, "spare", i, t->spare[i].cpu, t->spare[i].numa, why);
	}
	for (uint32_t i = 0; i < t->client_cpu_cnt && err == MB_OK; i++) {
		err = place_check(t, "client cpu", i, t->client_cpu[i].cpu, t->client_cpu[i].numa,
				  why);
	}
	return err;
}

static int
memory_check(const struct topo *t, struct topo_why *why)
{
	for (uint32_t i = 0; i < t->memory_cnt; i++) {
		if (t->memory[i].numa >= t->numa_cnt) {
			return topo_why_set(why, MB_ERR_CONFIG,
					    "memory \"%s\" is on NUMA index %u of %u",
					    t->memory[i].name, t->memory[i].numa, t->numa_cnt);
		}
	}
	for (uint16_t n = 0; n < t->numa_cnt; n++) {
		uint64_t want = topo_memory_bytes(t, n);

		if (t->numa[n].memory_bytes != 0 && want > t->numa[n].memory_bytes) {
			return topo_why_set(
				why, MB_ERR_NO_MEMORY,
				"the plan needs %llu MiB on NUMA node %u, which has %llu; "
				"lower cache.bytes, cache.keys_max or kvs.bytes",
				(unsigned long long)(want >> 20), t->numa[n].os_idx,
				(unsigned long long)(t->numa[n].memory_bytes >> 20));
		}
	}
	return MB_OK;
}

int
topo_validate(const struct topo *topo, struct topo_why *why)
{
	static int (*const checks[])(const struct topo *, struct topo_why *) = {
		counts_check, tiles_check, lcores_check, links_check, processes_check, memory_check,
	};

	REQUIRE(topo_is_built(topo));
	for (size_t i = 0; i < ARRAY_CNT(checks); i++) {
		int err = checks[i](topo, why);

		if (err != MB_OK) {
			return err;
		}
	}
	return MB_OK;
}
