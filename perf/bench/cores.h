/* SPDX-License-Identifier: Apache-2.0 */
/* cores - which cpus the two sides of a bench run on, and how they wait there */
#ifndef MB_CORES_H
#define MB_CORES_H

#include <sched.h>
#include <stdbool.h>

#include "compiler.h"

/* Two sides that spin on one cpu exchange one message a time slice: there they yield. */
extern bool cores_shared;

/* cores_relax is one turn of a waiting loop. */
static inline void
cores_relax(void)
{
	if (unlikely(cores_shared)) {
		sched_yield();
	} else {
		cpu_pause();
	}
}

/* cores_pick gives the first and the last cpu this process may run on: where the two sides stand as
 * long as no node's plan says otherwise. */
void cores_pick(int *ret_first, int *ret_last);

/* cores_bind moves the calling thread to one cpu. Returns: 0; MB_ERR_INVALID. */
int cores_bind(int cpu);

#endif
