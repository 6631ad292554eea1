/* SPDX-License-Identifier: Apache-2.0 */
/* sched_lease - a call that was given to an executor, which says that it runs nothing
 *
 * It may have been given just now, so one look says nothing. An executor that says so at every look
 * for a lease has lost the call, or its function hides it (ctl_lease.c). ctl is told once; the
 * death of the executor does the rest: the call runs elsewhere, or is answered.
 */
#include "compiler.h"
#include "sched_int.h"

#define LOOKS_A_LEASE 4

void
sched_lease_set(struct sched *s, uint64_t lease_ns)
{
	s->lease_ns = lease_ns;
	s->lease_at_ns = SCHED_TIMER_NONE;
}

static void
sched_lease_look(struct sched *s, uint16_t exec)
{
	const struct sched_call *c = &s->call[s->running[exec] - 1];
	struct desc m = { .kind = DESC_EXEC_LOST, .a = exec, .call = c->d.call };

	if (!s->ops.idle(s->ops.ctx, exec)) {
		s->quiet_ns[exec] = 0;
	} else if (s->quiet_ns[exec] == 0) {
		s->quiet_ns[exec] = s->now_ns;
	} else if (s->now_ns - s->quiet_ns[exec] >= s->lease_ns) {
		s->quiet_ns[exec] = s->now_ns; /* said again if nothing comes of it */
		s->ops.tell_ctl(s->ops.ctx, &m);
	}
}

/* exec was given a call, or has answered one. */
void
sched_lease_begin(struct sched *s, uint16_t exec)
{
	s->quiet_ns[exec] = 0;
	if (s->lease_ns != 0 && s->running[exec] != 0) {
		s->lease_at_ns = MIN(s->lease_at_ns, s->now_ns + s->lease_ns / LOOKS_A_LEASE);
		sched_wake_at(s, s->lease_at_ns);
	}
}

void
sched_leases(struct sched *s)
{
	bool any = false;

	if (s->lease_ns == 0) {
		return;
	}
	if (s->now_ns >= s->lease_at_ns) {
		for (uint16_t e = PROC_EXEC_FIRST; e < EXEC_END; e++) {
			if (s->running[e] != 0) {
				sched_lease_look(s, e);
				any = true;
			}
		}
		s->lease_at_ns = any ? s->now_ns + s->lease_ns / LOOKS_A_LEASE : SCHED_TIMER_NONE;
	}
	sched_wake_at(s, s->lease_at_ns);
}
