/* SPDX-License-Identifier: Apache-2.0 */
/* simctl - see simctl.h
 *
 * Executors: each slot shall have one. It is asked for when there is none (SLOT_EMPTY), or when
 * the one
 * there is to be replaced; the old one is drained when the new one serves.
 */
#include "simctl.h"

#include <stdlib.h>
#include <stdio.h>
#include <string.h>

#include "app.h"
#include "call.h"
#include "check.h"
#include "compiler.h"
#include "domain.h"
#include "ctl_msg.h"
#include "microburst/error.h"
#include "node.h"
#include "proc.h"
#include "tile_msg.h"

#define STOP_MAX     256
#define TILE_CNT_MAX (1 + SIM_TILE_MAX) /* sched, cache tiles */

enum exec_state { EXEC_NONE = 0, EXEC_LOADING, EXEC_SERVING, EXEC_DRAINING };

struct exec {
	enum exec_state state;
	uint16_t slot;
	uint64_t fns; /* a bit a function */
};

struct slot {
	uint16_t proc; /* serving; 0: none */
	uint16_t next; /* loading; 0: none */
	bool asked;    /* a new one is on its way */
	uint64_t fns;  /* what its next executor shall have */
};

struct stop {
	uint16_t proc; /* 0: free */
	uint32_t inc;
	uint64_t call;
	uint32_t idle; /* how often in a row its executor ran nothing */
};

struct simctl {
	struct tile tile;
	struct sim *sim;
	struct node *node;
	struct procs procs;
	struct sim_proc *proc[PROC_CNT_MAX];
	struct exec exec[PROC_CLIENT_FIRST];
	struct slot slot[SIM_SLOT_MAX];
	struct stop stop[STOP_MAX];
	bool ending;
};

static uint32_t
tile_cnt(const struct simctl *c)
{
	return 1 + c->sim->shape.cache_cnt;
}

static struct tile *
tile_at(struct simctl *c, uint32_t i)
{
	return i == 0 ? &c->node->sched.tile : &c->node->cache_tile[i - 1].tile;
}

static void
tell_sched(struct simctl *c, const struct desc *d)
{
	lane_send(&c->node->sched.tile.from_ctl, d);
}

/* ----------------------------------------------------------------- admission */

static struct sim_proc *
admit(struct simctl *c, bool is_executor, uint16_t slot, proc_main_fn fn)
{
	struct desc up = { .kind = DESC_PROC_UP };
	struct sim_proc *p;
	struct proc *e;

	if (proc_new(&c->procs, is_executor, -1, &e) != 0) {
		return NULL;
	}
	p = proc_spawn(c->sim, e->idx, e->inc, fn);
	p->slot = slot;
	c->proc[e->idx] = p;
	c->node->attached = &p->region;
	REQUIRE(proc_live(&c->procs, e) == 0);
	ports_open(c->tile.ports, e->idx, e->inc, &c->node->peers.peer[e->idx].region);
	up.open.proc = e->idx;
	up.open.inc = e->inc;
	for (uint32_t t = 0; t < tile_cnt(c); t++) {
		lane_send(&tile_at(c, t)->from_ctl, &up);
	}
	sim_trace(c->sim, "process %u.%u enters", e->idx, e->inc);
	return p;
}

const struct region *
simctl_attach(struct simctl *c, uint16_t asker, uint16_t proc, uint32_t inc)
{
	struct proc *target = &c->procs.proc[proc];

	if (proc == PROC_DAEMON) {
		c->node->attached = &c->node->region;
		return c->node->attached;
	}
	if (target->inc != inc || (target->state != PROC_LIVE && target->state != PROC_DYING)) {
		return NULL;
	}
	proc_know(target, asker);
	proc_know(&c->procs.proc[asker], proc);
	c->node->attached = &c->proc[proc]->region;
	return c->node->attached;
}

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
	p = admit(c, true, (uint16_t)slot, executor_main);
	if (p == NULL) {
		s->asked = true; /* no index is free: the dead are not forgotten yet */
		events_after(&c->sim->events, NS_PER_MS, exec_wanted, c, slot);
		return;
	}
	s->next = p->idx;
	c->exec[p->idx] = (struct exec){ EXEC_LOADING, (uint16_t)slot, s->fns };
}

static void
exec_want(struct simctl *c, uint32_t slot)
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
	d.word[0] = (uintptr_t)set;
	tell_sched(c, &d);
	if (s->proc != 0) {
		c->exec[s->proc].state = EXEC_DRAINING;
		d = (struct desc){ .kind = DESC_EXEC_DRAIN, .a = s->proc };
		tell_sched(c, &d);
	}
	x->state = EXEC_SERVING;
	s->proc = p->idx;
	s->next = 0;
	if (x->fns != s->fns) {
		exec_want(c, x->slot); /* the wanted set changed meanwhile */
	}
}

static void
exec_gone(struct simctl *c, uint16_t idx)
{
	struct slot *s = &c->slot[c->exec[idx].slot];

	s->proc = s->proc == idx ? 0 : s->proc;
	s->next = s->next == idx ? 0 : s->next;
	c->exec[idx].state = EXEC_NONE;
	if (s->proc == 0) {
		exec_want(c, (uint32_t)(s - c->slot));
	}
}

void
simctl_swap(struct simctl *c, uint32_t slot)
{
	if (c->slot[slot].proc != 0) {
		exec_want(c, slot);
	}
}

void
simctl_deploy(struct simctl *c, uint32_t fn)
{
	struct placement_fn *f = calloc(1, sizeof(*f));
	struct desc d = { .kind = DESC_FN_PUT };

	REQUIRE(f != NULL);
	f->id = (uint16_t)(1 + fn);
	snprintf(f->name, sizeof(f->name), "f%u", fn);
	d.word[0] = (uintptr_t)f;
	tell_sched(c, &d);
	if (fn >= c->sim->shape.cold_cnt) {
		for (uint32_t i = 0; i < c->sim->shape.slot_cnt; i++) {
			if (i == fn % c->sim->shape.slot_cnt || !sim_one_in(c->sim, 4)) {
				c->slot[i].fns |= UINT64_C(1) << fn;
			}
		}
	}
}

/* Calls wait for a function that no executor has. */
static void
on_pin_want(struct simctl *c, uint16_t id)
{
	struct desc d = { .kind = DESC_PIN_FAILED, .a = id, .err = MB_ERR_NO_EXECUTOR };
	uint32_t slot = sim_below(c->sim, c->sim->shape.slot_cnt);

	for (uint32_t i = 0; i < c->sim->shape.slot_cnt; i++) {
		if ((c->slot[i].fns >> (id - 1) & 1) != 0) {
			return; /* one that has it is on its way */
		}
	}
	if (sim_one_in(c->sim, 2)) {
		tell_sched(c, &d);
		return;
	}
	c->slot[slot].fns |= UINT64_C(1) << (id - 1);
	exec_want(c, slot);
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

static void
stop_call(struct simctl *c, uint16_t exec, uint64_t call)
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
			stop_call(c, e, call);
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
	proc_dying(&c->procs, p, &d, tile_cnt(c));
	ports_close(c->tile.ports, p->idx);
	for (uint32_t t = 1; t < tile_cnt(c); t++) {
		lane_send(&tile_at(c, t)->from_ctl, &d);
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
	uint64_t who = (uint64_t)p->inc << 16 | p->idx;

	for (uint16_t e = PROC_EXEC_FIRST; e < PROC_CLIENT_FIRST; e++) {
		claim_free(h, e, who);
		if (e == p->idx) {
			claim_drop(h, e);
		}
	}
	memset(&h->proc[p->idx], 0, sizeof(h->proc[p->idx]));
}

static void
client_again(void *ctx, uint64_t slot)
{
	struct simctl *c = ctx;

	if (!c->ending && admit(c, false, (uint16_t)slot, client_main) == NULL) {
		events_after(&c->sim->events, NS_PER_MS, client_again, c, slot);
	}
}

/* Nobody has anything of a dead process any more. */
static void
forget(struct simctl *c, uint16_t idx)
{
	struct sim_proc *p = c->proc[idx];

	sim_trace(c->sim, "process %u.%u is forgotten", idx, p->inc);
	if (idx >= PROC_CLIENT_FIRST && !p->leaving) {
		events_after(&c->sim->events, sim_delay_ns(c->sim, DELAY_SPAWN), client_again, c,
			     p->slot);
	}
	c->proc[idx] = NULL;
	proc_unmap(p);
}

static void
acked(struct simctl *c, struct proc *dead, uint16_t by)
{
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
			acked(c, &c->procs.proc[i], p->idx);
		}
	}
	hints_clear(c, p);
	if (p->idx < PROC_CLIENT_FIRST) {
		exec_gone(c, p->idx);
	}
	acked(c, p, p->idx);
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
		p->dead.dead.published_ns = d->dead.published_ns;
	}
	if (sim_planted(c->sim, PLANT_DOUBLED_RETRY)) {
		p->dead.dead.published = 0;
	}
}

static void
on_down_done(struct simctl *c, uint32_t tile, const struct desc *d)
{
	struct proc *p = &c->procs.proc[d->dead.proc];

	REQUIRE(p->state == PROC_DYING);
	if (tile != 0) {
		on_published(c, p, d);
		if (--p->tiles == 1) {
			p->dead.kind = DESC_PROC_DOWN;
			tell_sched(c, &p->dead);
		}
		return;
	}
	p->tiles = 0;
	sim_trace(c->sim, "process %u died, and had published %llx", p->idx,
		  (unsigned long long)p->dead.dead.published);
	notify(c, p);
}

/* ------------------------------------------------------------- from processes */

static void
on_open_req(struct simctl *c, struct proc *p, const struct desc *d)
{
	struct desc m = { .kind = DESC_OPENED };
	struct proc *x;
	uint16_t port_p, port_x;
	int err = MB_ERR_PEER_DIED;

	if (d->a >= PROC_EXEC_FIRST && d->a < PROC_CLIENT_FIRST) {
		x = &c->procs.proc[d->a];
		if (x->state == PROC_LIVE && c->exec[d->a].state == EXEC_SERVING) {
			err = proc_pair(&c->procs, p, x, &port_p, &port_x);
		}
	}
	if (err != 0) {
		m.err = (int16_t)err;
		ports_send(c->tile.ports, p->idx, &m);
		return;
	}
	m.kind = DESC_OPEN;
	m.a = port_x;
	m.open.proc = p->idx;
	m.open.port = port_p;
	m.open.inc = p->inc;
	ports_send(c->tile.ports, x->idx, &m);
}

static void
on_close(struct simctl *c, struct proc *p, uint16_t port, int err)
{
	struct desc m = { .kind = DESC_CLOSE, .err = (int16_t)err };
	struct proc *peer;

	if (proc_port_closed(&c->procs, p, port, &peer, &m.a)) {
		ports_send(c->tile.ports, peer->idx, &m);
	}
}

static void
on_open_ack(struct simctl *c, struct proc *x, const struct desc *d)
{
	struct desc m = { .kind = DESC_OPENED };
	struct proc_port *mine, *other;
	struct proc *p, *none;
	uint16_t port;

	if (d->a < PORT_DIRECT_FIRST || d->a >= PORT_CNT || x->port[d->a].state != PORT_OPENING) {
		return;
	}
	mine = &x->port[d->a];
	p = &c->procs.proc[mine->peer];
	other = &p->port[mine->peer_port];
	if (p->state != PROC_LIVE || other->state != PORT_OPENING || other->peer != x->idx) {
		return;
	}
	m.a = mine->peer_port;
	m.open.proc = x->idx;
	m.open.port = d->a;
	m.open.inc = x->inc;
	m.err = d->err;
	if (d->err != 0) {
		other->state = PORT_CLOSING;
		proc_port_closed(&c->procs, x, d->a, &none, &port);
		proc_port_closed(&c->procs, p, m.a, &none, &port);
	} else {
		mine->state = PORT_OPEN;
		other->state = PORT_OPEN;
	}
	ports_send(c->tile.ports, p->idx, &m);
}

static void
on_dead_ack(struct simctl *c, struct proc *p, const struct desc *d)
{
	struct proc *dead = &c->procs.proc[d->dead.proc];

	if (dead->inc == d->dead.inc && dead->state == PROC_DEAD) {
		acked(c, dead, p->idx);
	}
}

static void
on_proc(struct simctl *c, struct proc *p, const struct desc *d)
{
	switch (d->kind) {
	case DESC_OPEN_REQ:
		on_open_req(c, p, d);
		break;
	case DESC_OPEN_ACK:
		on_open_ack(c, p, d);
		break;
	case DESC_CLOSE:
		on_close(c, p, d->a, d->err);
		break;
	case DESC_DEAD_ACK:
		on_dead_ack(c, p, d);
		break;
	default:
		sim_fail(c->sim, "process %u sent ctl a message of kind %u", p->idx, d->kind);
	}
}

/* ---------------------------------------------------------------------- turn */

static void
on_tile(struct simctl *c, uint32_t tile, const struct desc *d)
{
	struct desc m = { .kind = DESC_DRAIN };

	switch (d->kind) {
	case DESC_PROC_DOWN_DONE:
		on_down_done(c, tile, d);
		break;
	case DESC_PIN_WANT:
		on_pin_want(c, d->a);
		break;
	case DESC_EXEC_STOP:
		stop_call(c, d->a, d->call);
		break;
	case DESC_EXEC_DRAIN:
		if (c->exec[d->a].state == EXEC_DRAINING) {
			ports_send(c->tile.ports, d->a, &m);
		}
		break;
	default:
		sim_fail(c->sim, "a tile sent ctl a message of kind %u", d->kind);
	}
}

static bool
ctl_turn(struct tile *tile, uint64_t *next_ns)
{
	struct simctl *c = container_of(tile, struct simctl, tile);
	uint32_t left = 1 + sim_below(c->sim, c->sim->shape.burst_max);
	bool busy = false;
	struct desc d;
	uint16_t idx;

	for (uint32_t t = 0; t < tile_cnt(c); t++) {
		struct lane *l = &tile_at(c, t)->to_ctl;

		for (; left > 0 && lane_recv(l, &d); left--) {
			on_tile(c, t, &d);
			busy = true;
		}
		*next_ns = MIN(*next_ns, lane_next_ns(l));
	}
	for (; left > 0 && ports_recv(tile->ports, &idx, &d) == 1; left--) {
		ports_waive(tile->ports, idx);
		if (c->procs.proc[idx].state == PROC_LIVE) {
			on_proc(c, &c->procs.proc[idx], &d);
		}
		busy = true;
	}
	return busy;
}

/* ---------------------------------------------------------------- life, looks */

struct simctl *
simctl_create(struct sim *s)
{
	struct simctl *c = calloc(1, sizeof(*c));

	REQUIRE(c != NULL);
	c->sim = s;
	c->node = s->node;
	REQUIRE(procs_create(&c->procs, &s->node->peers, 0, false) == 0);
	tile_init(&c->tile, s, "ctl", 0, PORT_CTL, NULL, ctl_turn);
	return c;
}

void
simctl_start(struct simctl *c)
{
	for (uint32_t i = 0; i < c->sim->shape.slot_cnt; i++) {
		exec_want(c, i);
	}
	for (uint32_t i = 0; i < c->sim->shape.client_cnt; i++) {
		/* The functions are known by then. */
		events_after(&c->sim->events, NS_PER_MS + sim_delay_ns(c->sim, DELAY_SPAWN),
			     client_again, c, i);
	}
}

void
simctl_end(struct simctl *c)
{
	c->ending = true;
	for (uint16_t i = 1; i < PROC_CNT_MAX; i++) {
		if (c->proc[i] != NULL) {
			proc_kill(c->proc[i], DEATH_EXIT, 0);
			proc_unmap(c->proc[i]);
			c->proc[i] = NULL;
		}
	}
}

void
simctl_destroy(struct simctl *c)
{
	procs_destroy(&c->procs);
	tile_fini(&c->tile);
	free(c);
}

struct sim_proc *
simctl_proc(struct simctl *c, uint16_t idx)
{
	return c->proc[idx] != NULL && c->proc[idx]->fiber != NULL ? c->proc[idx] : NULL;
}

struct sim_proc *
simctl_serving(struct simctl *c, uint32_t n)
{
	for (uint32_t i = 0; i < c->sim->shape.slot_cnt; i++) {
		uint16_t e = c->slot[(n + i) % c->sim->shape.slot_cnt].proc;

		if (e != 0 && simctl_proc(c, e) != NULL) {
			return c->proc[e];
		}
	}
	return NULL;
}

struct tile *
simctl_tile(struct simctl *c)
{
	return &c->tile;
}

uint32_t
simctl_unburied(const struct simctl *c)
{
	uint32_t cnt = 0;

	for (uint16_t i = 1; i < PROC_CNT_MAX; i++) {
		cnt += c->procs.proc[i].state == PROC_DYING || c->procs.proc[i].state == PROC_DEAD;
	}
	return cnt;
}
