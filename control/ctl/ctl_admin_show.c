/* SPDX-License-Identifier: Apache-2.0 */
/* ctl_admin_show - what runs, what is held, by walking the tables */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cache_layout.h"
#include "ctl_admin_int.h"
#include "ctl_use.h"

/* -------------------------------------------------------------- executors */

static const char *const exec_state_text[] = {
	[EXEC_NONE] = "none",       [EXEC_SPAWNING] = "spawning", [EXEC_SPARE] = "spare",
	[EXEC_LOADING] = "loading", [EXEC_SERVING] = "serving",   [EXEC_DRAINING] = "draining",
};

/* One that has died keeps its place until all others have let go of it. It has no process id any
 * more, and who would end all that serve must not take its 0 for one. */
static const char *
exec_state_of(const struct exec *x, const struct proc *p)
{
	return p->state == PROC_DYING || p->state == PROC_DEAD ? "dead" : exec_state_text[x->state];
}

static json_t *
admin_exec(struct ctl *c, uint16_t e)
{
	const struct exec *x = &c->exec[e];
	const struct proc *p = &c->procs.proc[e];
	json_t *o = json_pack("{s:i, s:I, s:i, s:i, s:s}", "proc", e, "inc", (json_int_t)p->inc,
			      "pid", (int)p->pid, "cpu", x->cpu, "state", exec_state_of(x, p));
	json_t *names = json_array();

	for (uint32_t i = 0; i < x->fn_cnt; i++) {
		const struct fn *f = registry_fn_by_id(&c->registry, x->fn[i]);

		if (f != NULL) {
			json_array_append_new(names, json_string(f->name));
		}
	}
	json_object_set_new(o, "functions", names);
	if (p->state == PROC_LIVE) {
		const struct region_run *run = region_run(&c->peers->peer[e].region);
		uint64_t finished = atomic_load_explicit(&run->finished, memory_order_relaxed);
		uint64_t busy_ns = atomic_load_explicit(&run->busy_ns, memory_order_relaxed);

		json_object_set_new(o, "finished", json_integer((json_int_t)finished));
		json_object_set_new(o, "busy_ns", json_integer((json_int_t)busy_ns));
		ctl_use_exec(c, e, o);
	}
	if (x->ready_ns != 0) {
		json_object_set_new(o, "load_ns", json_integer((json_int_t)x->ready_ns));
	}
	if (x->state == EXEC_SERVING) {
		json_object_set_new(o, "died", json_integer(c->slot[x->slot].died));
		json_object_set_new(o, "class",
				    json_string(c->cfg.classes.name[c->cfg.classes.of[x->slot]]));
	}
	return o;
}

static json_t *
admin_execs(struct ctl *c)
{
	json_t *a = json_array();

	for (uint16_t e = PROC_EXEC_FIRST; e < PROC_CLIENT_FIRST; e++) {
		if (c->exec[e].state != EXEC_NONE) {
			json_array_append_new(a, admin_exec(c, e));
		}
	}
	return a;
}

static json_t *
admin_calls(struct ctl *c)
{
	json_t *a = json_array();
	uint64_t now = ctl_now(c);

	for (uint16_t e = PROC_EXEC_FIRST; e < PROC_CLIENT_FIRST; e++) {
		const struct region_run *run;
		const struct fn *f;
		uint64_t call, since;
		char id[17];

		if (c->procs.proc[e].state != PROC_LIVE) {
			continue;
		}
		run = region_run(&c->peers->peer[e].region);
		call = atomic_load_explicit(&run->call, memory_order_relaxed);
		since = atomic_load_explicit(&run->started_ns, memory_order_relaxed);
		if (call == 0) {
			continue;
		}
		f = registry_fn_by_id(&c->registry,
				      (uint16_t)atomic_load_explicit(&run->fn,
								     memory_order_relaxed));
		snprintf(id, sizeof(id), "%016llx", (unsigned long long)call);
		json_array_append_new(a,
				      json_pack("{s:s, s:s, s:i, s:i, s:I}", "call", id, "function",
						f != NULL ? f->name : "", "executor", e, "pid",
						(int)c->procs.proc[e].pid, "running_ns",
						(json_int_t)(now > since ? now - since : 0)));
	}
	return a;
}

int
admin_ps(struct admin_request *r)
{
	json_object_set_new(r->out, "calls", admin_calls(r->c));
	json_object_set_new(r->out, "executors", admin_execs(r->c));
	json_object_set_new(r->out, "functions", ctl_use_functions(r->c));
	return 0;
}

/* ----------------------------------------------------------------- status */

/* Whether it is a part of the daemon: a gate, the door of remote clients. Its channels to executors
 * stay open when nobody calls, as the node's links do. */
static bool
admin_own(const struct proc *p)
{
	return p->is_inner || p->pid == getpid();
}

/* The ends of channels that a process has with others that are not the daemon's. */
static json_int_t
admin_ports(const struct ctl *c, const struct proc *p)
{
	json_int_t cnt = 0;

	for (uint32_t i = PORT_DIRECT_FIRST; i < PORT_CNT; i++) {
		cnt += p->port[i].state != PORT_FREE && !admin_own(p) &&
		       !admin_own(&c->procs.proc[p->port[i].peer]);
	}
	return cnt;
}

/* The values of the cache that a process reads, or keeps as a call has seen them. */
static json_int_t
admin_versions(const struct ctl *c, uint16_t proc)
{
	const struct peer *peer = &c->peers->peer[proc];
	const _Atomic uint64_t *hazard;
	json_int_t cnt = 0;

	if (atomic_load_explicit(&peer->inc, memory_order_relaxed) == 0) {
		return 0;
	}
	hazard = region_hazard(&peer->region);
	for (uint32_t i = 0; i < HAZARD_CNT; i++) {
		cnt += cache_hazard_held(atomic_load_explicit(&hazard[i], memory_order_relaxed));
	}
	return cnt;
}

/* What processes hold, by walking the tables. */
static json_t *
admin_held(struct ctl *c)
{
	json_int_t dying = 0, segs = 0, ports = 0, stops = 0, versions = 0;

	for (uint16_t i = 1; i < PROC_CNT_MAX; i++) {
		const struct proc *p = &c->procs.proc[i];

		dying += p->state == PROC_DYING || p->state == PROC_DEAD;
		for (uint32_t s = 0; s < PAYLOAD_SEG_MAX; s++) {
			segs += p->seg[s].seg != 0;
		}
		ports += admin_ports(c, p);
		versions += admin_versions(c, i);
	}
	for (uint32_t i = 0; i < CTL_STOP_MAX; i++) {
		stops += c->stop[i].proc != 0;
	}
	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "channels", ports / 2, "segments",
			 segs, "segment_bytes", (json_int_t)c->procs.seg_bytes, "procs_dying",
			 dying, "stops", stops, "messages_waiting",
			 (json_int_t)ports_waiting(c->ports), "versions", versions);
}

/* What of the sandbox this node cannot enforce. */
static json_t *
admin_unenforced(const struct ctl *c)
{
	json_t *a = json_array();

#define X(name, bit, text)                                                                         \
	if ((c->zygote_enforced & SANDBOX_##name) == 0) {                                          \
		json_array_append_new(a, json_string(text));                                       \
	}
	SANDBOX_BITS(X)
#undef X
	return a;
}

int
admin_status(struct admin_request *r)
{
	struct ctl *c = r->c;
	json_int_t clients = 0, fns = 0, dags = 0;

	for (uint32_t i = PROC_CLIENT_FIRST; i < PROC_CNT_MAX; i++) {
		clients += c->procs.proc[i].state == PROC_LIVE && !c->procs.proc[i].is_inner;
	}
	for (uint32_t i = 0; i < FUNCTION_CNT_MAX; i++) {
		fns += c->registry.fn[i].id != 0;
	}
	for (uint32_t i = 0; i < DAG_CNT_MAX; i++) {
		dags += c->registry.dag[i].id != 0;
	}
	json_object_set_new(r->out, "node",
			    json_pack("{s:i, s:s, s:f, s:s, s:I}", "pid", (int)getpid(), "version",
				      MB_VERSION, "uptime_s",
				      (double)(ctl_now(c) - c->started_ns) / 1e9, "socket",
				      c->cfg.socket_path, "id", (json_int_t)(c->cfg.node_id >> 1)));
	json_object_set_new(r->out, "executors", admin_execs(c));
	json_object_set_new(r->out, "clients", json_integer(clients));
	json_object_set_new(r->out, "functions", json_integer(fns));
	json_object_set_new(r->out, "dags", json_integer(dags));
	json_object_set_new(r->out, "held", admin_held(c));
	c->describe(c->node, r->out, false);
	json_object_set_new(json_object_get(r->out, "machine"), "sandbox", admin_unenforced(c));
	return 0;
}

int
admin_top(struct admin_request *r)
{
	json_object_set_new(r->out, "time_ns", json_integer((json_int_t)ctl_now(r->c)));
	json_object_set_new(r->out, "executors", admin_execs(r->c));
	json_object_set_new(r->out, "calls", admin_calls(r->c));
	json_object_set_new(r->out, "functions", ctl_use_functions(r->c));
	json_object_set_new(r->out, "stages", ctl_use_stages(r->c));
	r->c->describe(r->c->node, r->out, true);
	return 0;
}
