/* SPDX-License-Identifier: Apache-2.0 */
/* topo - the plan of a node: tiles, links, executors, memory, as tables
 *
 * The plan is data. It is built from parameters and a machine, validated, printed, and only then
 * started; nothing that is not in it gets a thread or a queue.
 *
 *      topo_build ──► topo_memory_add ... ──► topo_validate ──► topo_print ──► (the node starts it)
 *
 * `topo_memory_add` is for the layers above: what a cache or a store needs is their arithmetic;
 * where it lies and whether it fits is the plan's.
 *
 * Caveats:  a plan is some 100 KiB: keep it static or on the heap, not on a small stack.
 * Limits:   topo_limits.h.
 * Errors:   0 or a negative MB_ERR_*, with a sentence in `why`.
 * Threads:  start-up only; once validated it is read-only, for any thread.
 */
#ifndef MB_RT_TOPO_H
#define MB_RT_TOPO_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "link.h"
#include "place.h"
#include "tile.h"
#include "topo_limits.h"
#include "topo_why.h"

#define TOPO_NAME_BYTES_MAX 32u /* "cache:7_kvs:31", with its 0 */

struct topo_tile {
	enum tile_kind kind;
	uint16_t idx; /* among its kind: kvs:3 */
	uint16_t lcore;
	uint16_t cpu;
	uint16_t numa;
	char name[TOPO_NAME_BYTES_MAX];
};

struct topo_lcore {
	uint16_t cpu;
	uint16_t numa;
	uint16_t tile_cnt;
	bool shared; /* others sit or spin on this cpu too: spin only with its token */
	bool alone;  /* runs one tile that may wait, and no other */
};

struct topo_link {
	uint16_t from; /* index into topo.tile */
	uint16_t to;
	uint16_t numa; /* the consumer's: it reads every element */
	uint32_t depth;
	enum link_full full;
	bool same_lcore;                /* one thread at both ends: nothing to ring */
	char name[TOPO_NAME_BYTES_MAX]; /* "from_to" */
};

struct topo_executor {
	uint16_t cpu;
	uint16_t numa;
	bool shared; /* another executor or an lcore sits on this cpu too */
};

struct topo_client_cpu {
	uint16_t cpu;
	uint16_t numa;
	bool shared; /* the daemon sits here too: spin only with the cpu's token */
};

struct topo_memory {
	char name[TOPO_NAME_BYTES_MAX];
	uint16_t numa;
	uint32_t cnt;   /* how many of these */
	uint64_t bytes; /* of one */
};

/* What one can ask for. Fill with topo_params_default, then change. */
struct topo_params {
	uint32_t cache_cnt; /* cache tiles, 1..CACHE_TILE_CNT_MAX */
	uint32_t kvs_cnt;   /* kvs tiles, 1..KVS_TILE_CNT_MAX */
	uint32_t gate_cnt;  /* gate tiles, 0..GATE_TILE_CNT_MAX; 0: Redis clients are not served */
	uint32_t net_cnt;   /* net tiles, 0..NET_TILE_CNT_MAX; each has an lcore to itself */
	uint32_t lcore_cnt; /* daemon threads, net tiles' aside; 0: by the rule in place.h */
	uint32_t executor_cnt; /* executor processes; 0: by the rule, at least 2 */
	uint32_t spare_cnt;    /* executor processes standing ready; 0: one a cpu of theirs */
	uint32_t link_depth;   /* elements a link holds; 2^k - 1 wastes no memory */
	uint16_t home_numa;    /* kernel number of the daemon's NUMA node; PLACE_NUMA_ANY */
};

#define TOPO_EXECUTOR_CNT_MIN   2u    /* so that one looping function does not stop the node */
#define TOPO_LINK_DEPTH_DEFAULT 1023u /* 64 KiB a link; 8 bursts of 64 from each of 2 callers */

struct topo {
	uint32_t magic;
	struct topo_params want; /* as given to topo_build */

	uint16_t tile_cnt;
	uint16_t lcore_cnt;
	uint16_t link_cnt;
	uint16_t executor_cnt;
	uint16_t spare_cnt;
	uint16_t client_cpu_cnt;
	uint16_t memory_cnt;

	/* the machine, as far as the plan's readers need it */
	uint16_t core_cnt;
	uint16_t cpu_cnt;
	uint16_t numa_cnt;
	struct place_numa numa[PLACE_NUMA_CNT_MAX];

	struct topo_tile tile[TILE_CNT_MAX];
	struct topo_lcore lcore[LCORE_CNT_MAX];
	struct topo_link link[LINK_CNT_MAX];
	struct topo_executor executor[EXECUTOR_CNT_MAX];
	struct topo_executor spare[SPARE_CNT_MAX];
	struct topo_client_cpu client_cpu[CPU_CNT_MAX];
	struct topo_memory memory[TOPO_MEMORY_CNT_MAX];
};

void topo_params_default(struct topo_params *ret_params);

/* topo_build makes the whole plan: tiles, their places on the machine, links between every pair of
 * tiles that talk, executors, spares, client cpus, and the memory of the links.
 *
 * Returns:   0; MB_ERR_CONFIG or MB_ERR_TOO_LARGE when a parameter is outside its limits, or an
 *            error of place_assign. *ret_topo is not usable then.
 */
int topo_build(const struct topo_params *params, const struct place_machine *machine,
	       struct topo *ret_topo, struct topo_why *why);

/* topo_memory_add enters `cnt` pieces of `bytes` each into the memory table.
 *
 * Requires:  a free row (a limit of ours: TOPO_MEMORY_CNT_MAX); name shorter than
 *            TOPO_NAME_BYTES_MAX; numa is an index into topo->numa.
 */
void topo_memory_add(struct topo *topo, const char *name, uint16_t numa, uint32_t cnt,
		     uint64_t bytes);

/* topo_memory_bytes sums the memory table, of one NUMA index or (PLACE_NUMA_ANY) of all. */
uint64_t topo_memory_bytes(const struct topo *topo, uint16_t numa);

/* topo_validate checks a plan as if it came from a stranger: every index in its table, names
 * unique, each pair of tiles that must talk linked in both directions, none twice, each lcore with
 * a tile and a cpu of its own, the memory within what each NUMA node has.
 *
 * Returns:   0; MB_ERR_CONFIG, MB_ERR_NO_MEMORY; `why` names the row at fault.
 */
int topo_validate(const struct topo *topo, struct topo_why *why);

/* topo_print writes the plan in columns, for people and for golden tests: the same plan gives the
 * same bytes. */
void topo_print(const struct topo *topo, FILE *out);

/* topo_tile_find returns the index of tile kind:idx in topo->tile, or -1. */
int topo_tile_find(const struct topo *topo, enum tile_kind kind, uint32_t idx);

/* topo_link_find returns the index of the link from one tile to another (both indices), or -1. */
int topo_link_find(const struct topo *topo, uint32_t from, uint32_t to);

#endif
