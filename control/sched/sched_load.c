/* SPDX-License-Identifier: Apache-2.0 */
/* sched_load - how busy executors are, of late: by what each says it ran, whoever called it */
#include "sched_int.h"

void
sched_loads(struct sched *s)
{
	uint64_t ns = s->now_ns - s->load_ns;

	if (s->ops.busy_ns == NULL || ns < SCHED_LOAD_NS) {
		return;
	}
	s->load_ns = s->now_ns;
	for (uint16_t e = PROC_EXEC_FIRST; e < EXEC_END; e++) {
		uint64_t busy_ns = s->ops.busy_ns(s->ops.ctx, e);
		uint64_t ran = busy_ns - s->load_busy_ns[e];

		if (busy_ns < s->load_busy_ns[e]) { /* another process, from 0 on; or it lies */
			ran = busy_ns;
		}
		s->load_busy_ns[e] = busy_ns;
		s->load[e] = pick_load(s->load[e], ran, ns);
		sched_exec_set(s->busy, e, s->load[e] >= PICK_BUSY);
	}
}

/* A new process, with nothing behind it. */
void
sched_load_drop(struct sched *s, uint16_t exec)
{
	s->load[exec] = 0;
	s->load_busy_ns[exec] = 0;
	sched_exec_set(s->busy, exec, false);
}
