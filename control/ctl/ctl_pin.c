/* SPDX-License-Identifier: Apache-2.0 */
/* ctl_pin - functions that nobody has called for a while leave the executors
 *
 * They stay deployed: the next call pins them again (ctl_exec_pin_want). What is called is counted
 * by executors (ctl_use.h), whoever calls; what runs at this moment is in use however long it runs.
 */
#include "ctl.h"
#include "ctl_use.h"
#include "log.h"

#define LOOKS_A_TIME 4 /* in the time after which a function counts as idle */

static bool
pin_runs(const struct ctl *c, const struct fn *f)
{
	for (uint16_t e = PROC_EXEC_FIRST; e < PROC_CLIENT_FIRST; e++) {
		const struct region_run *run;

		if (c->procs.proc[e].state != PROC_LIVE) {
			continue;
		}
		run = region_run(&c->peers->peer[e].region);
		if (atomic_load_explicit(&run->call, memory_order_relaxed) != 0 &&
		    atomic_load_explicit(&run->fn, memory_order_relaxed) == f->id) {
			return true;
		}
	}
	return false;
}

/* Whether f has been idle for too long. */
static bool
pin_is_idle(struct ctl *c, struct fn *f, uint64_t now)
{
	uint64_t calls;

	if (!f->pinned || !f->shown) {
		f->used_ns = 0; /* when it is pinned, its time begins */
		return false;
	}
	calls = ctl_use_calls(c, f);
	if (f->used_ns == 0 || calls != f->calls || pin_runs(c, f)) {
		f->used_ns = now;
		f->calls = calls;
	}
	return now - f->used_ns >= c->cfg.unpin_ns;
}

bool
ctl_pins_step(struct ctl *c, uint64_t now)
{
	bool changed = false, left = false;

	if (c->cfg.unpin_ns == 0 || now < c->pins_ns) {
		return false;
	}
	for (uint32_t i = 0; i < FUNCTION_CNT_MAX; i++) {
		struct fn *f = &c->registry.fn[i];

		if (f->id != 0 && pin_is_idle(c, f, now)) {
			log_at(LOG_INFO, "function %s is unpinned: no call for %llu ms", f->name,
			       (unsigned long long)((now - f->used_ns) / NS_PER_MS));
			f->pinned = false;
			f->used_ns = 0;
			changed = true;
		}
		left |= f->id != 0 && f->pinned;
	}
	c->pins_ns = left ? now + c->cfg.unpin_ns / LOOKS_A_TIME : 0;
	return changed;
}

uint64_t
ctl_pins_timer(const struct ctl *c)
{
	return c->cfg.unpin_ns != 0 && c->pins_ns != 0 ? c->pins_ns : TILE_TIMER_NEVER;
}
