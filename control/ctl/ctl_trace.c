/* SPDX-License-Identifier: Apache-2.0 */
/* ctl_trace - one call, hop by hop: what its client, sched and its executors remember of it
 *
 * Each of them keeps its last calls with its own times, all of one clock. Here they are put
 * together in the order of time. What nobody remembers is left out: a client that is gone, a
 * decision that 4,096 later ones have written over. A client follows one call in STAGE_SAMPLE, and
 * those that ask for it.
 */
#include <string.h>

#include "ctl_admin_int.h"
#include "region.h"
#include "sched_log.h"

#define HOP_MAX (6 * DAG_FUNCTION_MAX)

struct hop {
	const char *name;
	uint16_t target; /* 0: none */
	bool is_dag;
	const struct sched_decision *decision; /* more exact about it; NULL: there is none */
	const char *where;
	uint16_t exec; /* where it was, if where is "executor" */
	uint64_t at_ns, ns;
};

struct trace {
	uint64_t call;
	uint64_t sent_ns, seen_ns; /* by the client; 0: not known */
	uint64_t end_ns;           /* the last executor's */
	int err;
	bool is_found;
	uint32_t decision_cnt;
	struct sched_decision decision[DAG_FUNCTION_MAX];
	uint32_t cnt;
	struct hop hop[HOP_MAX];
};

static uint64_t
since(uint64_t later, uint64_t earlier)
{
	return later > earlier ? later - earlier : 0;
}

static void
hop_add(struct trace *t, const struct hop *h)
{
	uint32_t i = t->cnt;

	if (t->cnt == HOP_MAX) {
		return;
	}
	for (t->cnt++; i > 0 && t->hop[i - 1].at_ns > h->at_ns; i--) {
		t->hop[i] = t->hop[i - 1];
	}
	t->hop[i] = *h;
}

/* ------------------------------------------------------- who remembers what */

static void
from_client(struct ctl *c, struct trace *t)
{
	const struct proc *p = &c->procs.proc[call_id_proc(t->call) % PROC_CNT_MAX];
	struct region_trace_line l;
	uint32_t at = 0;

	if (p->idx < PROC_CLIENT_FIRST || p->state != PROC_LIVE ||
	    !region_trace_find(region_trace(&c->peers->peer[p->idx].region), t->call, &at, &l)) {
		return;
	}
	t->sent_ns = l.taken_ns + l.before_ns;
	t->seen_ns = t->sent_ns + l.run_ns;
	hop_add(t, &(struct hop){ .name = "pick",
				  .target = l.target,
				  .is_dag = l.is_dag,
				  .where = "client",
				  .at_ns = l.taken_ns,
				  .ns = l.before_ns });
}

static void
from_sched(struct ctl *c, struct trace *t)
{
	t->decision_cnt = sched_log_find(c->cfg.sched_log, t->call, t->decision, DAG_FUNCTION_MAX);
	for (uint32_t i = 0; i < t->decision_cnt; i++) {
		const struct sched_decision *d = &t->decision[i];

		hop_add(t, &(struct hop){ .name = "queue",
					  .target = d->target,
					  .decision = d,
					  .where = "sched",
					  .at_ns = d->at_ns - d->waited_ns,
					  .ns = d->waited_ns });
	}
}

/* The last decision by which executor e had got the call when it took it; NULL: there is none, or
 * it is forgotten. */
static const struct sched_decision *
decision_of(const struct trace *t, uint16_t e, const struct region_trace_line *l)
{
	const struct sched_decision *last = NULL;

	for (uint32_t i = 0; i < t->decision_cnt; i++) {
		const struct sched_decision *d = &t->decision[i];

		if (d->exec == e && d->at_ns <= l->taken_ns &&
		    (last == NULL || d->at_ns > last->at_ns)) {
			last = d;
		}
	}
	return last;
}

static void
from_line(struct trace *t, uint16_t e, const struct region_trace_line *l)
{
	const struct sched_decision *d = decision_of(t, e, l);
	struct hop h = { .target = l->target,
			 .is_dag = l->is_dag,
			 .decision = l->is_part ? d : NULL,
			 .where = "executor",
			 .exec = e };
	uint64_t sent = d != NULL                                 ? d->at_ns
			: t->decision_cnt == 0 && l->link_ns != 0 ? l->taken_ns - l->link_ns
								  : 0;

	t->is_found = true;
	t->err = t->err != 0 ? t->err : l->err;
	if (t->sent_ns == 0 && l->link_ns != 0) {
		t->sent_ns = l->taken_ns - l->link_ns;
	}
	if (sent != 0) {
		h.name = "link";
		h.at_ns = sent;
		h.ns = since(l->taken_ns, sent);
		hop_add(t, &h);
	}
	h.name = "arguments";
	h.at_ns = l->taken_ns;
	h.ns = l->before_ns;
	hop_add(t, &h);
	h.name = "run";
	h.at_ns += h.ns;
	h.ns = l->run_ns;
	hop_add(t, &h);
	h.name = "publish";
	h.at_ns += h.ns;
	h.ns = l->after_ns;
	hop_add(t, &h);
	t->end_ns = h.at_ns + h.ns > t->end_ns ? h.at_ns + h.ns : t->end_ns;
}

static void
from_executors(struct ctl *c, struct trace *t)
{
	for (uint16_t e = PROC_EXEC_FIRST; e < PROC_CLIENT_FIRST; e++) {
		struct region_trace_line l;
		uint32_t at = 0;

		while (c->procs.proc[e].state == PROC_LIVE &&
		       region_trace_find(region_trace(&c->peers->peer[e].region), t->call, &at,
					 &l)) {
			from_line(t, e, &l);
		}
	}
}

/* What lies between those who remember. */
static void
between(struct trace *t)
{
	uint64_t came = UINT64_MAX;

	for (uint32_t i = 0; i < t->decision_cnt; i++) {
		uint64_t at = t->decision[i].at_ns - t->decision[i].waited_ns;

		came = at < came ? at : came;
	}
	if (t->decision_cnt > 0 && t->sent_ns != 0) {
		hop_add(t, &(struct hop){ .name = "link",
					  .where = "sched",
					  .at_ns = t->sent_ns,
					  .ns = since(came, t->sent_ns) });
	}
	if (t->seen_ns != 0 && t->end_ns != 0) {
		hop_add(t, &(struct hop){ .name = "reply",
					  .where = "client",
					  .at_ns = t->end_ns,
					  .ns = since(t->seen_ns, t->end_ns) });
	}
}

/* ------------------------------------------------------------------- shown */

static json_t *
hops(struct ctl *c, const struct trace *t)
{
	uint64_t first = t->cnt > 0 ? t->hop[0].at_ns : 0;
	json_t *a = json_array();

	for (uint32_t i = 0; i < t->cnt; i++) {
		const struct hop *h = &t->hop[i];
		json_t *o =
			json_pack("{s:s, s:s, s:I, s:I}", "name", h->name, "where", h->where,
				  "at_ns", (json_int_t)(h->at_ns - first), "ns", (json_int_t)h->ns);

		if (h->target != 0) {
			json_object_set_new(o, "of",
					    h->decision != NULL
						    ? admin_decided(c, h->decision)
						    : admin_name(c, h->target, h->is_dag));
		}
		if (h->exec != 0) {
			json_object_set_new(o, "executor", json_integer(h->exec));
		}
		json_array_append_new(a, o);
	}
	return a;
}

int
admin_trace(struct admin_request *r)
{
	struct trace t = { 0 };
	int err = admin_call_id(r, &t.call);

	if (err != 0) {
		return err;
	}
	from_client(r->c, &t);
	from_sched(r->c, &t);
	from_executors(r->c, &t);
	between(&t);
	if (!t.is_found) {
		return admin_fail(r, MB_ERR_NOT_FOUND,
				  "no executor remembers that call: each keeps its last %d",
				  TRACE_CNT);
	}
	json_object_set_new(r->out, "call", json_string(admin_str(r, "call")));
	json_object_set_new(r->out, "error", json_string(mb_err_name(t.err)));
	json_object_set_new(r->out, "hops", hops(r->c, &t));
	return 0;
}
