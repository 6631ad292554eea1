/* SPDX-License-Identifier: Apache-2.0 */
/* place_hwloc.c - the machine as hwloc sees it, cut down to tables
 *
 * The only file that knows hwloc. What it keeps of a topology: cores in hwloc's order, their
 * hardware threads, the NUMA node each belongs to. What it drops: everything this process may not
 * use. On the real machine that is decided twice, by the cgroup (hwloc leaves disallowed cpus out
 * by itself) and by the affinity mask of the calling thread; a cpu list from the operator then
 * chooses among the rest, and naming one that is not there is an error: a node silently smaller
 * than configured is worse than none.
 *
 * A machine that does not tell its cores (some hypervisors) has one hardware thread a core here.
 */
#include "place.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <hwloc.h>

#include <microburst/error.h>

#include "check.h"
#include "compiler.h"

#define LIST_TEXT_BYTES   128
/* Of a machine that is described: more than a node can use. */
#define SYNTHETIC_CPU_MAX (PLACE_CORE_CNT_MAX * PLACE_SMT_CNT_MAX)

/* Parses "0-3,8". hwloc's own parser takes any garbage for an empty list. */
static int
cpu_list_parse(const char *text, hwloc_bitmap_t ret_set)
{
	const char *p = text;

	do {
		char *end;
		unsigned long first, last;

		if (*p < '0' || *p > '9') {
			return MB_ERR_CONFIG;
		}
		first = last = strtoul(p, &end, 10);
		if (*end == '-') {
			p = end + 1;
			if (*p < '0' || *p > '9') {
				return MB_ERR_CONFIG;
			}
			last = strtoul(p, &end, 10);
		}
		if (first > last || last >= CPU_CNT_MAX) {
			return MB_ERR_CONFIG;
		}
		hwloc_bitmap_set_range(ret_set, (unsigned)first, (int)last);
		p = end;
	} while (*p++ == ',');
	return p[-1] == '\0' ? MB_OK : MB_ERR_CONFIG;
}

/* Narrows `allowed` to what the operator named. */
static int
cpus_choose(const char *cpu_list, hwloc_bitmap_t allowed, struct topo_why *why)
{
	char there[LIST_TEXT_BYTES];
	hwloc_bitmap_t wanted = hwloc_bitmap_alloc();
	int err = MB_OK;

	if (wanted == NULL) {
		return topo_why_set(why, MB_ERR_NO_MEMORY, "no memory for the cpu list");
	}
	hwloc_bitmap_list_snprintf(there, sizeof(there), allowed);
	if (cpu_list_parse(cpu_list, wanted) != MB_OK) {
		err = topo_why_set(why, MB_ERR_CONFIG,
				   "\"%s\" is not a list of cpus below %d like 0-3,8", cpu_list,
				   CPU_CNT_MAX);
	} else if (!hwloc_bitmap_isincluded(wanted, allowed)) {
		hwloc_bitmap_andnot(wanted, wanted, allowed);
		err = topo_why_set(why, MB_ERR_CONFIG,
				   "cpu %d of the list %s is not one this process may use (%s)",
				   hwloc_bitmap_first(wanted), cpu_list, there);
	} else {
		hwloc_bitmap_copy(allowed, wanted);
	}
	hwloc_bitmap_free(wanted);
	return err;
}

/* Returns the index of the NUMA node of `obj` in the machine's table, adding it when it is new. */
static int
numa_of(hwloc_topology_t hw, hwloc_obj_t obj, struct place_machine *m, struct topo_why *why)
{
	int os_idx = hwloc_bitmap_first(obj->nodeset);
	hwloc_obj_t node = hwloc_get_numanode_obj_by_os_index(hw, (unsigned)os_idx);

	if (node == NULL) {
		return topo_why_set(why, MB_ERR_IO, "hwloc names no NUMA node for cpu %d",
				    hwloc_bitmap_first(obj->cpuset));
	}
	for (int i = 0; i < m->numa_cnt; i++) {
		if (m->numa[i].os_idx == node->os_index) {
			return i;
		}
	}
	if (m->numa_cnt == PLACE_NUMA_CNT_MAX) {
		return topo_why_set(why, MB_ERR_TOO_LARGE,
				    "the machine has more than %d NUMA nodes; name fewer cpus",
				    PLACE_NUMA_CNT_MAX);
	}
	m->numa[m->numa_cnt] = (struct place_numa){
		.os_idx = (uint16_t)node->os_index,
		.memory_bytes = node->attr->numanode.local_memory,
	};
	return m->numa_cnt++;
}

/* Adds one physical core with those of its hardware threads that are allowed, if any is. */
static int
core_add(hwloc_topology_t hw, hwloc_obj_t obj, hwloc_const_bitmap_t allowed,
	 struct place_machine *m, struct topo_why *why)
{
	struct place_core *core = &m->core[m->core_cnt];
	hwloc_obj_t pu = NULL;
	int numa;

	if (!hwloc_bitmap_intersects(obj->cpuset, allowed)) {
		return MB_OK;
	}
	if (m->core_cnt == PLACE_CORE_CNT_MAX) {
		return topo_why_set(why, MB_ERR_TOO_LARGE,
				    "the machine has more than %d cores; name fewer cpus",
				    PLACE_CORE_CNT_MAX);
	}
	numa = numa_of(hw, obj, m, why);
	if (numa < 0) {
		return numa;
	}
	core->cpu_cnt = 0;
	core->numa = (uint16_t)numa;
	while ((pu = hwloc_get_next_obj_inside_cpuset_by_type(hw, obj->cpuset, HWLOC_OBJ_PU, pu)) !=
	       NULL) {
		if (!hwloc_bitmap_isset(allowed, pu->os_index)) {
			continue;
		}
		if (pu->os_index >= CPU_CNT_MAX || core->cpu_cnt == PLACE_SMT_CNT_MAX) {
			return topo_why_set(why, MB_ERR_TOO_LARGE,
					    "cpu %u is past what one node can use (%d cpus, %d a "
					    "core); name fewer cpus",
					    pu->os_index, CPU_CNT_MAX, PLACE_SMT_CNT_MAX);
		}
		core->cpu[core->cpu_cnt++] = (uint16_t)pu->os_index;
	}
	m->core_cnt++;
	m->cpu_cnt = (uint16_t)(m->cpu_cnt + core->cpu_cnt);
	m->numa[numa].core_cnt++;
	m->numa[numa].cpu_cnt = (uint16_t)(m->numa[numa].cpu_cnt + core->cpu_cnt);
	return MB_OK;
}

/* Narrows `allowed` to what the calling thread may run on. (Not the process: hwloc would take the
 * union over its threads.) */
static int
affinity_apply(hwloc_topology_t hw, hwloc_bitmap_t allowed, struct topo_why *why)
{
	hwloc_bitmap_t mine = hwloc_bitmap_alloc();
	int rc = mine == NULL ? -1 : hwloc_get_cpubind(hw, mine, HWLOC_CPUBIND_THREAD);

	if (rc == 0) {
		hwloc_bitmap_and(allowed, allowed, mine);
	}
	hwloc_bitmap_free(mine);
	return rc == 0 ? MB_OK
		       : topo_why_set(why, MB_ERR_IO, "the cpu affinity cannot be read: %s",
				      strerror(errno));
}

static int
machine_fill(hwloc_topology_t hw, bool real, const char *cpu_list, struct place_machine *m,
	     struct topo_why *why)
{
	hwloc_obj_type_t type =
		hwloc_get_nbobjs_by_type(hw, HWLOC_OBJ_CORE) > 0 ? HWLOC_OBJ_CORE : HWLOC_OBJ_PU;
	hwloc_bitmap_t allowed = hwloc_bitmap_dup(hwloc_topology_get_allowed_cpuset(hw));
	hwloc_obj_t obj = NULL;
	int err = MB_OK;

	if (allowed == NULL) {
		return topo_why_set(why, MB_ERR_NO_MEMORY, "no memory for the set of cpus");
	}
	if (real) {
		err = affinity_apply(hw, allowed, why);
	}
	if (err == MB_OK && cpu_list != NULL && cpu_list[0] != '\0') {
		err = cpus_choose(cpu_list, allowed, why);
	}
	while (err == MB_OK && (obj = hwloc_get_next_obj_by_type(hw, type, obj)) != NULL) {
		err = core_add(hw, obj, allowed, m, why);
	}
	hwloc_bitmap_free(allowed);
	return err;
}

/* How many cpus a described machine has at least: its levels, multiplied, without their attributes.
 * hwloc builds all of them before anybody can count: of 100,000 it takes many minutes. */
static uint64_t
synthetic_cpus(const char *text)
{
	uint64_t cnt = 1;
	int inside = 0;

	for (const char *p = text; *p != '\0' && cnt <= SYNTHETIC_CPU_MAX; p++) {
		inside += (*p == '(' || *p == '[') - (*p == ')' || *p == ']');
		if (inside == 0 && *p >= '0' && *p <= '9' &&
		    (p == text || p[-1] == ':' || p[-1] == ' ')) {
			unsigned long long n = strtoull(p, NULL, 10);

			cnt *= MAX(MIN(n, SYNTHETIC_CPU_MAX + 1ULL), 1ULL);
		}
	}
	return cnt;
}

static int
topology_open(const char *synthetic, hwloc_topology_t *ret_hw, struct topo_why *why)
{
	hwloc_topology_t hw;
	int err = MB_OK;

	if (hwloc_topology_init(&hw) != 0) {
		return topo_why_set(why, MB_ERR_NO_MEMORY, "no memory for hwloc's topology");
	}
	if (synthetic != NULL && synthetic_cpus(synthetic) > SYNTHETIC_CPU_MAX) {
		err = topo_why_set(why, MB_ERR_TOO_LARGE,
				   "the machine \"%.200s\" has more than %d cpus", synthetic,
				   SYNTHETIC_CPU_MAX);
	} else if (synthetic != NULL && hwloc_topology_set_synthetic(hw, synthetic) != 0) {
		err = topo_why_set(why, MB_ERR_CONFIG,
				   "hwloc cannot read the synthetic machine \"%s\"", synthetic);
	} else if (hwloc_topology_load(hw) != 0) {
		err = topo_why_set(why, MB_ERR_IO, "hwloc cannot read this machine: %s",
				   strerror(errno));
	}
	if (err != MB_OK) {
		hwloc_topology_destroy(hw);
		return err;
	}
	*ret_hw = hw;
	return MB_OK;
}

int
place_load(const char *synthetic, const char *cpu_list, struct place_machine *ret_machine,
	   struct topo_why *why)
{
	struct place_machine *m = ret_machine;
	hwloc_topology_t hw = NULL;
	int err = topology_open(synthetic, &hw, why);

	if (err != MB_OK) {
		return err;
	}
	m->core_cnt = m->numa_cnt = m->cpu_cnt = 0;
	err = machine_fill(hw, synthetic == NULL, cpu_list, m, why);
	hwloc_topology_destroy(hw);
	ENSURE(err != MB_OK || m->core_cnt > 0);
	return err;
}
