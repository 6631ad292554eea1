/* SPDX-License-Identifier: Apache-2.0 */
/* topo_limits - how large the plan of one node may be
 *
 * The daemon's own half of domain_limits.h: machine, lcores, tiles, links. Checked against each
 * other and against what processes may have. No DPDK, no liburing, no hwloc.
 */
#ifndef MB_RT_TOPO_LIMITS_H
#define MB_RT_TOPO_LIMITS_H

#include <assert.h>
#include <stdint.h>

#include "domain_limits.h"

/* The machine. Kernel cpu numbers are 0..CPU_CNT_MAX-1: what a cpu_set_t holds. */
#define PLACE_CORE_CNT_MAX 512 /* physical cores one node can use */
#define PLACE_SMT_CNT_MAX  8   /* hardware threads of one core: POWER has 8, x86 has 2 */
#define PLACE_NUMA_CNT_MAX 64

/* The daemon. */
#define LCORE_CNT_MAX      16 /* threads that run tiles; each process gets an eventfd of each */
#define CACHE_TILE_CNT_MAX (TILE_PORT_CNT - 2)
#define KVS_TILE_CNT_MAX   32
#define GATE_TILE_CNT_MAX  4
#define NET_TILE_CNT_MAX   8
#define TILE_CNT_MAX       64 /* ctl + sched + cache + kvs + gate + net */

/* Links: both directions of every pair that talks, see topo.c. */
#define LINK_DEPTH_MAX 65535
#define LINK_CNT_MAX   1600

#define SPARE_CNT_MAX 32 /* executor processes that stand ready */

/* The memory table: two rows a tile, one a kind of process, some for the whole node. */
#define TOPO_MEMORY_CNT_MAX 160

static_assert(2 + CACHE_TILE_CNT_MAX + KVS_TILE_CNT_MAX + GATE_TILE_CNT_MAX + NET_TILE_CNT_MAX <=
		      TILE_CNT_MAX,
	      "ctl, sched and the most cache, kvs, gate and net tiles fit the tile table");
static_assert(NET_TILE_CNT_MAX < LCORE_CNT_MAX, "net tiles have lcores to themselves");
static_assert(2 * (1 + 2 * CACHE_TILE_CNT_MAX + CACHE_TILE_CNT_MAX * KVS_TILE_CNT_MAX +
		   KVS_TILE_CNT_MAX + GATE_TILE_CNT_MAX) +
			      KVS_TILE_CNT_MAX * (KVS_TILE_CNT_MAX - 1) +
			      NET_TILE_CNT_MAX * (NET_TILE_CNT_MAX - 1) +
			      GATE_TILE_CNT_MAX * (GATE_TILE_CNT_MAX - 1) <=
		      LINK_CNT_MAX,
	      "the links of the largest plan fit the link table");
static_assert(LCORE_CNT_MAX <= 128, "Debian's DPDK has RTE_MAX_LCORE 128");
static_assert(LCORE_CNT_MAX <= PLACE_CORE_CNT_MAX, "an lcore sits on a core of its own");
static_assert(PLACE_CORE_CNT_MAX * 2 <= CPU_CNT_MAX, "every core's threads have numbers");
static_assert(EXECUTOR_CNT_MAX + SPARE_CNT_MAX <= PROC_EXEC_CNT, "every executor has an index");
static_assert(2 * TILE_CNT_MAX + 32 <= TOPO_MEMORY_CNT_MAX, "a row for everything that is placed");

#endif
