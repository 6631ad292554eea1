/* SPDX-License-Identifier: Apache-2.0 */
/* eal - DPDK's environment for one node, and nothing of it left afterwards
 *
 * DPDK's EAL reads a command line. This module writes that command line from the plan: the lcores
 * with their cpus, the memory, and a name and runtime directory that are this node's alone, so that
 * a second node (or any other DPDK program) on the machine meets nothing of ours.
 *
 *   huge pages enough and usable    --in-memory            (no files; pages go back by themselves)
 *   otherwise                       --no-huge --no-shconf -m N
 *
 * Works as root and as an ordinary user. DPDK allows one EAL a process, once: after eal_fini the
 * process cannot have another.
 *
 * Errors:   0 or a negative MB_ERR_*, with a sentence in `why`.
 * Threads:  the main thread, which becomes EAL lcore 0 and is bound to that lcore's cpu.
 */
#ifndef MB_RT_EAL_H
#define MB_RT_EAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "topo_limits.h"
#include "topo_why.h"

#define EAL_NAME_BYTES_MAX 32 /* of a node; with its 0 */
#define EAL_PATH_BYTES_MAX 80 /* a Unix socket's path has 108, DPDK's part of it some 28 */
#define EAL_MEMORY_MIN     (UINT64_C(16) << 20)

struct topo;

/* Who may map huge pages. */
enum eal_huge {
	EAL_HUGE_AUTO = 0, /* when enough are free */
	EAL_HUGE_NEVER,
	EAL_HUGE_ALWAYS, /* or fail */
};

struct eal_cfg {
	const char *name;        /* of the node: [A-Za-z0-9_-]; unique on this machine */
	const char *runtime_dir; /* the node's own; made if it is not there */
	const struct topo *topo; /* EAL lcore i is the plan's lcore i */
	uint64_t memory_bytes;   /* for EAL to hand out; rounded up to whole pages */
	enum eal_huge huge;
	const char *pci; /* the one device, by its address, that is to be used; NULL: none */
};

/* What the node got. */
struct eal_report {
	bool root;
	bool huge;
	uint64_t page_bytes; /* of EAL's memory */
	uint64_t memory_bytes;
	uint32_t lcore_cnt;
	uint32_t numa_cnt;
	bool iova_pa;     /* devices are given physical addresses (root only) */
	char version[32]; /* DPDK's */
	char runtime_dir[EAL_PATH_BYTES_MAX];
	char huge_text[160]; /* why huge pages are used or not, in words */
};

/* eal_init starts the EAL.
 *
 * Requires:  not called before in this process; cfg and what it points to last until return.
 * Returns:   0; MB_ERR_EXISTS when a running node has this runtime directory; MB_ERR_CONFIG for a
 *            bad name or path; MB_ERR_NO_MEMORY (EAL_HUGE_ALWAYS: not enough huge pages); MB_ERR_IO
 *            when the EAL refuses: its own words are on standard error. After a failure the runtime
 *            directory is as it was.
 */
int eal_init(const struct eal_cfg *cfg, struct eal_report *ret_report, struct topo_why *why);

/* eal_fini ends it: joins nothing, so every lcore must have returned. Removes what EAL left, and
 * the runtime directory if eal_init made it. */
void eal_fini(void);

/* eal_keep: something of DPDK's is in use until the process ends, so eal_fini frees nothing. */
void eal_keep(void);

/* eal_print writes the report in two lines. */
void eal_print(const struct eal_report *report, FILE *out);

#endif
