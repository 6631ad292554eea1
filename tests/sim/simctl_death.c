/* SPDX-License-Identifier: Apache-2.0 */
/* simctl_death - the three rounds of a death, as control/ctl/ctl.c has them
 *
 *   1  cache tiles let go of the process, and say what it had published
 *   2  sched answers or repeats what ran there
 *   3  every process that knew it is told; when all have acknowledged, its index is free
 */
#include <string.h>

#include "call.h"
#include "check.h"
#include "simctl_state.h"

/* -------------------------------------------------------------------- deaths */

static void
orphans_stop(struct simctl *c, uint16_t client)
{
	for (uint16_t e = PROC_EXEC_FIRST; e < PROC_CLIENT_FIRST; e++) {
		uint64_t call;

		if (c->procs.proc[e].state != PROC_LIVE) {
			continue;
		}
		call = atomic_load_explicit(&region_run(&c->proc[e]->region)->call,
					    memory_order_relaxed);
		if (call != 0 && call_id_proc(call) == client) {
			simctl_stop_call(c, e, call);
		}
	}
}

/* Round 1. */
static void
on_gone(void *ctx, uint64_t arg)
{
	struct simctl *c = ctx;
	struct proc *p = &c->procs.proc[arg & 0xffff];
	struct desc d = { .kind = DESC_PROC_DOWN,
			  .dead = { .inc = p->inc,
				    .proc = p->idx,
				    .cause = (uint16_t)(arg >> 16 & 0xffff),
				    .status = (int32_t)(arg >> 32) } };

	REQUIRE(p->state == PROC_LIVE);
	if (!p->is_executor) {
		orphans_stop(c, p->idx);
	}
	proc_dying(&c->procs, p, &d, simctl_tile_cnt(c));
	ports_close(c->tile.ports, p->idx);
	for (uint32_t t = 1; t < simctl_tile_cnt(c); t++) {
		lane_send(&simctl_tile_at(c, t)->from_ctl, &d);
	}
}

void
simctl_hangup(struct simctl *c, struct sim_proc *p, enum death_cause cause, int status)
{
	uint64_t arg = p->idx | (uint64_t)cause << 16 | (uint64_t)(uint32_t)status << 32;

	if (!c->ending) {
		events_after(&c->sim->events, sim_delay_ns(c->sim, DELAY_DEATH), on_gone, c, arg);
	}
}

/* As ctl_orphans_due: while the death of a client is not acknowledged by all, its calls may still
 * begin. */
static void
orphans_due(void *ctx, uint64_t client)
{
	struct simctl *c = ctx;

	if (c->procs.proc[client].state == PROC_DEAD) {
		orphans_stop(c, (uint16_t)client);
		events_after(&c->sim->events, c->sim->shape.grace_ns, orphans_due, c, client);
	}
}

static void
hints_clear(struct simctl *c, const struct proc *p)
{
	struct hints *h = c->node->hints;
	uint64_t who = call_caller_make(p->idx, p->inc);

	for (uint16_t e = PROC_EXEC_FIRST; e < PROC_CLIENT_FIRST; e++) {
		claim_free(h, e, who);
		if (e == p->idx) {
			claim_drop(h, e);
		}
	}
	memset(&h->proc[p->idx], 0, sizeof(h->proc[p->idx]));
}

/* Nobody has anything of a dead process any more. */
static void
forget(struct simctl *c, uint16_t idx)
{
	struct sim_proc *p = c->proc[idx];

	sim_trace(c->sim, "process %u.%u is forgotten", idx, p->inc);
	if (idx >= PROC_CLIENT_FIRST && !p->leaving) {
		events_after(&c->sim->events, sim_delay_ns(c->sim, DELAY_SPAWN),
			     simctl_client_start, c, p->slot);
	}
	c->proc[idx] = NULL;
	proc_unmap(p);
}

void
simctl_acked(struct simctl *c, struct proc *dead, uint16_t by)
{
	if (!dead->is_executor) {
		orphans_stop(c, dead->idx);
	}
	if (proc_acked(&c->procs, dead, by)) {
		forget(c, dead->idx);
	}
}

/* Round 3. */
static void
notify(struct simctl *c, struct proc *p)
{
	struct desc d = p->dead;
	bool silent = p->is_executor && sim_planted(c->sim, PLANT_LOST_NOTICE);

	for (uint16_t e = PROC_EXEC_FIRST; !p->is_executor && e < PROC_CLIENT_FIRST; e++) {
		if (c->exec[e].state == EXEC_SERVING || c->exec[e].state == EXEC_DRAINING) {
			proc_know(p, e);
		}
	}
	proc_dead(&c->procs, p);
	if (!p->is_executor) {
		orphans_due(c, p->idx);
	}
	d.kind = DESC_DEAD;
	for (uint16_t i = 1; i < PROC_CNT_MAX; i++) {
		if (proc_knows(p, i) && !silent && ports_send(c->tile.ports, i, &d) != 0) {
			sim_fail(c->sim, "ctl could not tell process %u of a death", i);
		}
	}
	for (uint16_t i = 1; i < PROC_CNT_MAX; i++) {
		if (i != p->idx && c->procs.proc[i].state == PROC_DEAD) {
			simctl_acked(c, &c->procs.proc[i], p->idx);
		}
	}
	hints_clear(c, p);
	if (p->idx < PROC_CLIENT_FIRST) {
		simctl_exec_gone(c, p->idx);
	}
	simctl_acked(c, p, p->idx);
}

/* What a cache tile reports of a dead process. Each knows only the last call whose writes it
 * accepted
 * itself: the later one of them is the one that may be unanswered. */
static void
on_published(struct simctl *c, struct proc *p, const struct desc *d)
{
	bool later = d->dead.published_ns >= p->dead.dead.published_ns;

	if (d->dead.published != 0 && (later || sim_planted(c->sim, PLANT_LAST_TILE_WINS))) {
		p->dead.dead.published = d->dead.published;
		p->dead.dead.owed = d->dead.owed;
		p->dead.dead.published_ns = d->dead.published_ns;
	}
	if (sim_planted(c->sim, PLANT_DOUBLED_RETRY)) {
		p->dead.dead.published = 0;
	}
}

void
simctl_down_done(struct simctl *c, uint32_t tile, const struct desc *d)
{
	struct proc *p = &c->procs.proc[d->dead.proc];

	REQUIRE(p->state == PROC_DYING);
	if (tile != 0) {
		on_published(c, p, d);
		if (--p->tiles == 1) {
			p->dead.kind = DESC_PROC_DOWN;
			simctl_tell_sched(c, &p->dead);
		}
		return;
	}
	p->tiles = 0;
	sim_trace(c->sim, "process %u died, and had published %llx", p->idx,
		  (unsigned long long)p->dead.dead.published);
	notify(c, p);
}
