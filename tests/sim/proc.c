/* SPDX-License-Identifier: Apache-2.0 */
#include "proc.h"

#include <stdlib.h>

#include "check.h"
#include "exec_tile.h"
#include "fiber.h"
#include "impl.h"
#include "node.h"

/* What a process allocates dies with it: the sanitizer is not to call it a leak. */
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define PROC_LSAN 1
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define PROC_LSAN 1
#endif
#ifdef PROC_LSAN
#include <sanitizer/lsan_interface.h>
#endif

static struct sim_proc *self;

struct sim_proc *
proc_self(void)
{
	return self;
}

/* ---------------------------------------------------------------------- life */

static void
proc_main(void *arg)
{
	struct sim_proc *p = arg;

	p->main(p);
}

/* Frees what the process had outside of its region. */
static void
proc_forget(struct sim_proc *p)
{
	struct domain *d = p->domain;

	if (p->client != NULL) {
		free(p->client->reply);
		free(p->client);
		p->client = NULL;
	}
	if (p->executor != NULL) {
		exec_tile_destroy(p->executor);
		p->executor = NULL;
		return;
	}
	if (d != NULL) {
		payload_destroy(d->pool);
		peers_destroy(&d->peers);
		free(d);
		p->domain = NULL;
	}
}

static void
proc_ended(struct sim_proc *p, enum death_cause cause, int status)
{
	struct sim *s = p->sim;

	p->fiber = NULL;
	actor_stop(&p->actor);
	sim_trace(s, "process %u.%u is gone", p->idx, p->inc);
	if (p->idx >= PROC_CLIENT_FIRST && !p->leaving) {
		oracle_client_died(&s->oracle, p->idx);
	}
	proc_forget(p);
	simctl_hangup(s->node->ctl, p, cause, status);
}

void
proc_kill(struct sim_proc *p, enum death_cause cause, int status)
{
	REQUIRE(self == NULL);
	if (p->fiber != NULL) {
		fiber_kill(p->fiber);
		proc_ended(p, cause, status);
	}
}

void
proc_unmap(struct sim_proc *p)
{
	REQUIRE(p->fiber == NULL);
	node_unmap(p->region.rw, p->region.at.bytes);
	p->next_grave = p->sim->graves;
	p->sim->graves = p;
}

void
proc_graves_free(struct sim *s)
{
	while (s->graves != NULL) {
		struct sim_proc *p = s->graves;

		s->graves = p->next_grave;
		free(p);
	}
}

static void
proc_resume(void *ctx)
{
	struct sim_proc *p = ctx;
	struct sim *s = p->sim;
	bool goes_on;

	if (p->stopped_until_ns > sim_now_ns(s)) {
		actor_wake(&p->actor, p->stopped_until_ns - sim_now_ns(s));
		return;
	}
	s->stats.steps++;
	sim_note(s, p->idx, sim_now_ns(s));
	if (p->aborting || (p->die_in > 0 && --p->die_in == 0)) {
		proc_kill(p, DEATH_SIGNAL, p->aborting ? 6 : 9);
		return;
	}
	self = p;
#ifdef PROC_LSAN
	__lsan_disable();
#endif
	goes_on = fiber_resume(p->fiber);
#ifdef PROC_LSAN
	__lsan_enable();
#endif
	self = NULL;
	if (!goes_on) {
		proc_ended(p, DEATH_EXIT, 0);
	}
}

struct sim_proc *
proc_spawn(struct sim *s, uint16_t idx, uint32_t inc, proc_main_fn fn)
{
	struct sim_proc *p = calloc(1, sizeof(*p));

	REQUIRE(p != NULL);
	p->sim = s;
	p->idx = idx;
	p->inc = inc;
	p->region.kind = REGION_PROCESS;
	p->region.at = region_layout(REGION_PROCESS);
	p->region.rw = node_map(p->region.at.bytes);
	p->region.base = p->region.rw;
	p->main = fn;
	p->fiber = fiber_create(proc_main, p);
	actor_init(&p->actor, &s->events, proc_resume, p);
	actor_wake(&p->actor, sim_delay_ns(s, DELAY_SPAWN));
	return p;
}

/* -------------------------------------------------------------------- waiting */

void
proc_step(enum delay kind)
{
	if (self != NULL) {
		actor_wake(&self->actor, sim_delay_ns(self->sim, kind));
		fiber_wait();
	}
}

bool
proc_unread(const struct sim_proc *p)
{
	for (uint32_t i = 0; i < PORT_CNT; i++) {
		const struct channel *ch = &p->domain->ch[i];

		if (ch->rx_slots != NULL && ch->err == 0 &&
		    atomic_load_explicit(&ch->rx_tail->v, memory_order_relaxed) != ch->head) {
			return true;
		}
	}
	return false;
}

void
proc_sleep(uint64_t ns, bool until_rung)
{
	struct sim_proc *p = self;

	p->asleep = until_rung;
	p->rung = false;
	actor_wake(&p->actor, ns);
	fiber_wait();
	if (until_rung && !p->rung && ns >= WAIT_MAX_NS && !p->sim->shape.scribble &&
	    proc_unread(p)) {
		sim_fail(p->sim, "process %u slept for a second beside unread messages", p->idx);
	}
	p->asleep = false;
}

void
proc_rung(struct sim_proc *p)
{
	if (p->asleep) {
		p->rung = true;
		actor_wake(&p->actor, sim_delay_ns(p->sim, DELAY_WAKE));
	}
}
