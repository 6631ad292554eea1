/* SPDX-License-Identifier: Apache-2.0 */
/* cores.c - see cores.h */
#include "cores.h"

#include <microburst/error.h>

bool cores_shared;

void
cores_pick(int *ret_first, int *ret_last)
{
	cpu_set_t set;
	int first = -1, last = 0;

	if (sched_getaffinity(0, sizeof(set), &set) != 0) {
		CPU_ZERO(&set);
	}
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (CPU_ISSET(cpu, &set)) {
			first = first < 0 ? cpu : first;
			last = cpu;
		}
	}
	*ret_first = first < 0 ? 0 : first;
	*ret_last = last;
}

int
cores_bind(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	if (cpu < 0 || cpu >= CPU_SETSIZE) {
		return MB_ERR_INVALID;
	}
	CPU_SET(cpu, &set);
	return sched_setaffinity(0, sizeof(set), &set) == 0 ? 0 : MB_ERR_INVALID;
}
