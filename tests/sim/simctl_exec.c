/* SPDX-License-Identifier: Apache-2.0 */
/* simctl_exec - executors, as control/ctl/ctl_exec.c has them
 *
 * Each slot shall have an executor with the wanted functions. One is asked for when there is none,
 * or
 * when the one there is to be replaced; that is drained when the new one serves.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "dagtext.h"
#include "microburst/error.h"
#include "simctl_state.h"

#define SIM_SLOT_APART 0 /* whose executor alone ends DAGs (sim_shape.apart) */

/* ----------------------------------------------------------------- executors */

static void
exec_wanted(void *ctx, uint64_t slot)
{
	struct simctl *c = ctx;
	struct slot *s = &c->slot[slot];
	struct sim_proc *p;

	s->asked = false;
	if (c->ending || s->next != 0) {
		return;
	}
	p = simctl_admit(c, true, (uint16_t)slot, executor_main);
	if (p == NULL) {
		s->asked = true; /* no index is free: the dead are not forgotten yet */
		events_after(&c->sim->events, NS_PER_MS, exec_wanted, c, slot);
		return;
	}
	s->next = p->idx;
	c->exec[p->idx] = (struct exec){ EXEC_LOADING, (uint16_t)slot, s->fns };
}

void
simctl_exec_want(struct simctl *c, uint32_t slot)
{
	if (!c->slot[slot].asked && c->slot[slot].next == 0) {
		c->slot[slot].asked = true;
		events_after(&c->sim->events, sim_delay_ns(c->sim, DELAY_SPAWN), exec_wanted, c,
			     slot);
	}
}

/* An executor says that it has loaded its functions. */
void
simctl_loaded(struct simctl *c, struct sim_proc *p)
{
	struct exec *x = &c->exec[p->idx];
	struct slot *s = &c->slot[x->slot];
	struct ctl_exec_set *set = calloc(1, sizeof(*set));
	struct desc d = { .kind = DESC_EXEC_UP, .a = p->idx };

	REQUIRE(set != NULL);
	for (uint32_t i = 0; i < c->sim->shape.fn_cnt; i++) {
		if ((x->fns >> i & 1) != 0) {
			set->fn[set->cnt++] = (uint16_t)(1 + i);
		}
	}
	set->fn[set->cnt++] = SIM_FN_PASS;
	if (!c->sim->shape.apart || x->slot == SIM_SLOT_APART) {
		set->fn[set->cnt++] = SIM_FN_JOIN;
	}
	d.word[0] = (uintptr_t)set;
	simctl_tell_sched(c, &d);
	if (s->proc != 0) {
		c->exec[s->proc].state = EXEC_DRAINING;
		d = (struct desc){ .kind = DESC_EXEC_DRAIN, .a = s->proc };
		simctl_tell_sched(c, &d);
	}
	x->state = EXEC_SERVING;
	s->proc = p->idx;
	s->next = 0;
	if (x->fns != s->fns) {
		simctl_exec_want(c, x->slot); /* the wanted set changed meanwhile */
	}
}

void
simctl_exec_gone(struct simctl *c, uint16_t idx)
{
	struct slot *s = &c->slot[c->exec[idx].slot];

	s->proc = s->proc == idx ? 0 : s->proc;
	s->next = s->next == idx ? 0 : s->next;
	c->exec[idx].state = EXEC_NONE;
	if (s->proc == 0) {
		simctl_exec_want(c, (uint32_t)(s - c->slot));
	}
}

void
simctl_swap(struct simctl *c, uint32_t slot)
{
	if (c->slot[slot].proc != 0) {
		simctl_exec_want(c, slot);
	}
}

static void
put_fn(struct simctl *c, uint16_t id, const char *name)
{
	struct placement_fn *f = calloc(1, sizeof(*f));
	struct desc d = { .kind = DESC_FN_PUT };

	REQUIRE(f != NULL);
	f->id = id;
	snprintf(f->name, sizeof(f->name), "%s", name);
	d.word[0] = (uintptr_t)f;
	simctl_tell_sched(c, &d);
}

static int
fn_id(void *ctx, const char *name, uint16_t *ret_id)
{
	*ret_id = strcmp(name, "pass") == 0   ? SIM_FN_PASS
		  : strcmp(name, "join") == 0 ? SIM_FN_JOIN
					      : (uint16_t)(1 + name[1] - '0');
	return 0;
}

/* A function between two ways: what it is asked goes through another, as does what it answers. */
static void
put_dag(struct simctl *c, uint32_t fn)
{
	struct placement_dag *dag = calloc(1, sizeof(*dag));
	struct dagtext *parsed = calloc(1, sizeof(*parsed));
	struct desc d = { .kind = DESC_DAG_PUT };
	char text[80], why[DAGTEXT_WHY_BYTES];

	REQUIRE(dag != NULL && parsed != NULL);
	snprintf(text, sizeof(text), "pass -> f%u, pass -> pass#2, f%u -> join, pass#2 -> join", fn,
		 fn);
	REQUIRE(dagtext_parse(parsed, text, strlen(text), fn_id, NULL, why) == 0);
	dagtext_place(parsed, dag);
	free(parsed);
	dag->id = (uint16_t)(1 + fn);
	snprintf(dag->name, sizeof(dag->name), "d%u", fn);
	d.word[0] = (uintptr_t)dag;
	simctl_tell_sched(c, &d);
}

/* Which executors may have functions of DAGs, beside those that every DAG has; and one of them. */
static bool
slot_may(const struct simctl *c, uint32_t slot)
{
	return !c->sim->shape.apart || slot != SIM_SLOT_APART;
}

static uint32_t
slot_of(const struct simctl *c, uint32_t n)
{
	uint32_t slot = n % c->sim->shape.slot_cnt;

	return slot_may(c, slot) ? slot : (slot + 1) % c->sim->shape.slot_cnt;
}

void
simctl_deploy(struct simctl *c, uint32_t fn)
{
	char name[8];

	snprintf(name, sizeof(name), "f%u", fn);
	put_fn(c, (uint16_t)(1 + fn), name);
	put_fn(c, SIM_FN_PASS, "pass");
	put_fn(c, SIM_FN_JOIN, "join");
	put_dag(c, fn);
	if (fn >= c->sim->shape.cold_cnt) {
		for (uint32_t i = 0; i < c->sim->shape.slot_cnt; i++) {
			if (slot_may(c, i) && (i == slot_of(c, fn) || !sim_one_in(c->sim, 4))) {
				c->slot[i].fns |= UINT64_C(1) << fn;
			}
		}
	}
}

/* Calls wait for a function that no executor has. */
void
simctl_pin_want(struct simctl *c, uint16_t id)
{
	struct desc d = { .kind = DESC_PIN_FAILED, .a = id, .err = MB_ERR_NO_EXECUTOR };
	uint32_t slot = slot_of(c, sim_below(c->sim, c->sim->shape.slot_cnt));

	if (id > c->sim->shape.fn_cnt) {
		return; /* all have it, or one always has */
	}
	for (uint32_t i = 0; i < c->sim->shape.slot_cnt; i++) {
		if ((c->slot[i].fns >> (id - 1) & 1) != 0) {
			return; /* one that has it is on its way */
		}
	}
	if (sim_one_in(c->sim, 2)) {
		simctl_tell_sched(c, &d);
		return;
	}
	c->slot[slot].fns |= UINT64_C(1) << (id - 1);
	simctl_exec_want(c, slot);
}

/* --------------------------------------------------------------------- stops */

static void stop_arm(struct simctl *c, uint64_t i);

/* The grace is over. As ctl_stop_check: one that runs another call may have this one before it. */
static void
stop_due(void *ctx, uint64_t i)
{
	struct simctl *c = ctx;
	struct stop *s = &c->stop[i];
	struct proc *e = proc_find(&c->procs, s->proc, s->inc);
	struct sim_proc *p = c->proc[s->proc];
	uint64_t runs;

	if (e == NULL || p->fiber == NULL) {
		s->proc = 0;
		return;
	}
	runs = atomic_load_explicit(&region_run(&p->region)->call, memory_order_relaxed);
	s->idle = runs == 0 ? s->idle + 1 : 0;
	if (runs == s->call) {
		sim_trace(c->sim, "executor %u is stopped: %llx", e->idx,
			  (unsigned long long)s->call);
		c->sim->stats.stopped++;
		proc_kill(p, DEATH_SIGNAL, 9);
		s->proc = 0;
	} else if (s->idle == 2) {
		s->proc = 0;
	} else {
		stop_arm(c, i);
	}
}

static void
stop_arm(struct simctl *c, uint64_t i)
{
	events_after(&c->sim->events, c->sim->shape.grace_ns, stop_due, c, i);
}

void
simctl_stop_call(struct simctl *c, uint16_t exec, uint64_t call)
{
	uint64_t free_idx = STOP_MAX;

	if (exec < PROC_EXEC_FIRST || exec >= PROC_CLIENT_FIRST ||
	    c->procs.proc[exec].state != PROC_LIVE || sim_planted(c->sim, PLANT_LOST_STOP)) {
		return;
	}
	for (uint64_t i = 0; i < STOP_MAX; i++) {
		if (c->stop[i].proc == exec && c->stop[i].call == call) {
			return;
		}
		if (c->stop[i].proc == 0) {
			free_idx = i;
		}
	}
	REQUIRE(free_idx < STOP_MAX);
	c->stop[free_idx] = (struct stop){ exec, c->procs.proc[exec].inc, call, 0 };
	stop_arm(c, free_idx);
}

/* As ctl_lease_lost. */
void
simctl_lost(struct simctl *c, uint16_t exec, uint64_t call)
{
	struct sim_proc *p = c->proc[exec];

	if (c->procs.proc[exec].state == PROC_LIVE && p != NULL && p->fiber != NULL) {
		sim_trace(c->sim, "executor %u does not run %llx", exec, (unsigned long long)call);
		c->sim->stats.lost++;
		proc_kill(p, DEATH_SIGNAL, 9);
	}
}
