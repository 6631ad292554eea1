/* SPDX-License-Identifier: Apache-2.0 */
/* simctl - who enters; messages of processes and tiles */
#include <stdlib.h>

#include "call.h"
#include "check.h"
#include "compiler.h"
#include "domain.h"
#include "microburst/error.h"
#include "simctl_state.h"

/* ----------------------------------------------------------------- admission */

struct sim_proc *
simctl_admit(struct simctl *c, bool is_executor, uint16_t slot, proc_main_fn fn)
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
	for (uint32_t t = 0; t < simctl_tile_cnt(c); t++) {
		lane_send(&simctl_tile_at(c, t)->from_ctl, &up);
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

void
simctl_client_start(void *ctx, uint64_t slot)
{
	struct simctl *c = ctx;

	if (!c->ending && simctl_admit(c, false, (uint16_t)slot, client_main) == NULL) {
		events_after(&c->sim->events, NS_PER_MS, simctl_client_start, c, slot);
	}
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
	struct desc m = { .kind = DESC_OPENED, .err = d->err };
	struct proc *p;

	if (proc_port_made(&c->procs, x, d->a, d->err == 0, &p, &m.a)) {
		m.open.proc = x->idx;
		m.open.port = d->a;
		m.open.inc = x->inc;
		ports_send(c->tile.ports, p->idx, &m);
	}
}

static void
on_dead_ack(struct simctl *c, struct proc *p, const struct desc *d)
{
	struct proc *dead = &c->procs.proc[d->dead.proc];

	if (dead->inc == d->dead.inc && dead->state == PROC_DEAD) {
		simctl_acked(c, dead, p->idx);
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
	case DESC_LOOK:
		break; /* executors here do not hide what they run */
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
		simctl_down_done(c, tile, d);
		break;
	case DESC_PIN_WANT:
		simctl_pin_want(c, d->a);
		break;
	case DESC_EXEC_STOP:
		simctl_stop_call(c, d->a, d->call);
		break;
	case DESC_EXEC_LOST:
		simctl_lost(c, d->a, d->call);
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

	for (uint32_t t = 0; t < simctl_tile_cnt(c); t++) {
		struct lane *l = &simctl_tile_at(c, t)->to_ctl;

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
		simctl_exec_want(c, i);
	}
	for (uint32_t i = 0; i < c->sim->shape.client_cnt; i++) {
		/* The functions are known by then. */
		events_after(&c->sim->events, NS_PER_MS + sim_delay_ns(c->sim, DELAY_SPAWN),
			     simctl_client_start, c, i);
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

uint32_t
simctl_half_channels(const struct simctl *c)
{
	uint32_t open = 0, bad = 0;

	for (uint16_t i = 1; i < PROC_CNT_MAX; i++) {
		const struct proc *p = &c->procs.proc[i];

		for (uint16_t port = 0; port < PORT_CNT; port++) {
			const struct proc_port *mine = &p->port[port], *other;

			if (mine->state == PORT_FREE) {
				continue;
			}
			other = &c->procs.proc[mine->peer].port[mine->peer_port];
			open++;
			bad += p->state != PROC_LIVE || mine->state != PORT_OPEN ||
			       other->state != PORT_OPEN || other->peer != i ||
			       other->peer_port != port;
		}
	}
	return bad + (open != 2 * c->procs.channel_cnt);
}
