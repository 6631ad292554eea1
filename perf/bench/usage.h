/* SPDX-License-Identifier: Apache-2.0 */
/* usage - what a set of processes takes from the machine: CPU, wakes, memory */
#ifndef MB_BENCH_USAGE_H
#define MB_BENCH_USAGE_H

#include <stdint.h>
#include <sys/types.h>

#define USAGE_PROC_MAX 128

struct usage_set {
	pid_t pid[USAGE_PROC_MAX];
	uint32_t cnt;
};

/* usage_family fills set with pid and all that descend from it, as they are now. */
void usage_family(struct usage_set *set, pid_t pid);
void usage_add(struct usage_set *set, pid_t pid);

/* Sums over the set; a process that is gone counts nothing. cpu_s: all threads' CPU time, in
 * seconds, exact. wakes: how often a thread went to sleep and came back. memory_bytes: proportional
 * share of what is resident, or all that is resident where that is not shown. */
double usage_cpu_s(const struct usage_set *set);
double usage_wakes(const struct usage_set *set);
double usage_memory_bytes(const struct usage_set *set);

#endif
