/* SPDX-License-Identifier: Apache-2.0 */
/* place - which cpu everything sits on
 *
 * Two halves. `place_load` asks hwloc what this machine has, or what a machine described in a line
 * of text would have, and leaves plain tables. `place_assign` is the rule: a pure function from a
 * plan and those tables to cpus. The same rule is tested on machines nobody here owns.
 *
 * The rule, in the order it gives cores away (a core is a physical core; its first hardware thread
 * is the one used while there are enough cores):
 *
 *   1. The home NUMA node is the one the caller names (the NIC's), else the one with most memory.
 *   2. Daemon lcores: first threads of the first cores, home node first. At most a quarter of the
 *      cores unless the caller asked for more; so up to seven cores give one lcore.
 *      A net tile has an lcore to itself: on one more core while that leaves two thirds to
 *      others, else beside lcore 0 on its cpu.
 *   3. The other tiles fold onto the lcores in plan order, neighbours together (ctl beside sched).
 *   4. Of the cores that remain, every fourth is left to clients, the others take executors.
 *   5. More executors than cores: then the clients' cores, then second threads of these cores, then
 *      of the daemon's cores, then several on one cpu. On one single cpu everything sits there.
 *   6. Clients may spin on every thread of a core that nobody sits on. Where there is none: on the
 *      unused threads of the daemon's cores; where there is none either, on lcore 0's own cpu,
 *      which is then marked shared: whoever spins there must hold the cpu's spin token.
 *
 * Errors: 0 or a negative MB_ERR_*, with a sentence in `why`.
 */
#ifndef MB_RT_PLACE_H
#define MB_RT_PLACE_H

#include <stdbool.h>
#include <stdint.h>

#include "topo_limits.h"
#include "topo_why.h"

struct topo;

#define PLACE_NUMA_ANY UINT16_MAX

/* One physical core with the hardware threads this process may use, first thread first. */
struct place_core {
	uint16_t cpu[PLACE_SMT_CNT_MAX]; /* the kernel's cpu numbers */
	uint16_t cpu_cnt;
	uint16_t numa; /* index into place_machine.numa */
};

struct place_numa {
	uint16_t os_idx; /* the kernel's node number */
	uint16_t core_cnt;
	uint16_t cpu_cnt;
	uint64_t memory_bytes; /* 0: unknown */
};

/* What there is to place on. Cores are in hwloc's order: neighbours share caches. */
struct place_machine {
	uint16_t core_cnt;
	uint16_t numa_cnt;
	uint16_t cpu_cnt; /* hardware threads of all cores */
	struct place_core core[PLACE_CORE_CNT_MAX];
	struct place_numa numa[PLACE_NUMA_CNT_MAX]; /* only those with a core of ours */
};

/* place_load describes a machine.
 *
 * synthetic: NULL for the machine this runs on: only cpus that the process's cgroup and affinity
 *            allow. Else hwloc's synthetic language, e.g. "numa:2 core:32 pu:2".
 * cpu_list:  NULL, or the only cpus to use, as the kernel writes such lists: "0-3,8".
 *
 * Returns:   0; MB_ERR_CONFIG when a text does not parse or names a cpu that is not there;
 *            MB_ERR_TOO_LARGE past a PLACE_*_MAX; MB_ERR_IO when hwloc cannot read the machine.
 * Threads:   start-up only.
 * Cost:      milliseconds (reads /sys).
 */
int place_load(const char *synthetic, const char *cpu_list, struct place_machine *ret_machine,
	       struct topo_why *why);

/* place_assign gives every lcore, tile, executor and spare of the plan its cpu and NUMA node, and
 * lists the cpus on which clients may spin.
 *
 * Requires:  topo holds tiles and the wanted counts (lcore_cnt, executor_cnt: 0 = by the rule).
 * Ensures:   the counts in topo are the actual ones; every cpu named is one of the machine's.
 * Returns:   0; MB_ERR_CONFIG when more lcores are wanted than there are cores or tiles;
 *            MB_ERR_TOO_LARGE past LCORE_CNT_MAX, EXECUTOR_CNT_MAX or SPARE_CNT_MAX;
 *            MB_ERR_NOT_FOUND when the home NUMA node has no core.
 * Threads:   start-up only; pure.
 */
int place_assign(struct topo *topo, const struct place_machine *machine, struct topo_why *why);

#endif
