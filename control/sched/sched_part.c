/* SPDX-License-Identifier: Apache-2.0 */
/* sched_part - which functions of a DAG run are one part, and the messages that make it (call.h) */
#include <string.h>

#include "call.h"
#include "sched_int.h"

uint32_t
sched_edges_in(const struct placement_dag *dag, uint8_t v)
{
	uint32_t cnt = 0;

	for (uint32_t e = 0; e < dag->edge_cnt; e++) {
		cnt += dag->edge[e].to == v;
	}
	return cnt;
}

uint32_t
sched_edges_out(const struct placement_dag *dag, uint8_t v, uint8_t *ret_to)
{
	uint32_t cnt = 0;

	for (uint32_t e = 0; e < dag->edge_cnt; e++) {
		if (dag->edge[e].from == v) {
			cnt++;
			*ret_to = dag->edge[e].to;
		}
	}
	return cnt;
}

/* The last function of the part that begins with first, at exec. One that takes several calls in
 * one run begins a part: so they meet in its queue. */
static uint8_t
part_end(struct sched *s, const struct sched_run *r, uint8_t first, uint16_t exec)
{
	uint8_t last = first, to = 0;

	while (sched_edges_out(&r->dag, last, &to) == 1 && sched_edges_in(&r->dag, to) == 1) {
		const struct sched_target *t = sched_target_of(s, r, to);

		if (!placement_in(s->draining[exec] ? t->kept : t->exec, exec) ||
		    sched_batch_takes(s, r->dag.vertex[to].fn) > 1) {
			break;
		}
		last = to;
	}
	return last;
}

/* The functions of a part have been sent, or died. */
void
sched_part_mark(struct sched_run *r, const struct sched_call *part, bool begun)
{
	for (uint8_t v = part->first, to = 0;; v = to) {
		r->vertex[v].begun = begun;
		if (v == part->last) {
			return;
		}
		sched_edges_out(&r->dag, v, &to);
	}
}

/* ------------------------------------------------------------------ where its inputs lie */

/* Adds up what lies at each executor. Returns: all of it. */
static uint64_t
inputs_add(const struct sched *s, const struct sched_call *part, uint64_t bytes[EXEC_END])
{
	const struct sched_run *r = SCHED_RUN(s, part);
	uint64_t all = 0;

	for (uint32_t e = 0; e < r->dag.edge_cnt; e++) {
		const struct run_vertex *in = &r->vertex[r->dag.edge[e].from];

		if (r->dag.edge[e].to == part->first && in->out.held &&
		    in->out.d.ref.proc < EXEC_END) {
			bytes[in->out.d.ref.proc] += in->out.d.ref.len;
			all += in->out.d.ref.len;
		}
	}
	return all;
}

uint64_t
sched_part_bytes(const struct sched *s, const struct sched_call *part, uint16_t exec,
		 uint64_t *ret_here)
{
	uint64_t bytes[EXEC_END] = { 0 };
	uint64_t all = inputs_add(s, part, bytes);

	*ret_here = bytes[exec];
	return all;
}

/* Who has the most of them, and so many more than exec; 0: nobody. */
static uint16_t
part_near(const struct sched *s, const struct sched_call *part, uint16_t exec)
{
	uint64_t bytes[EXEC_END] = { 0 };
	uint64_t most;
	uint16_t near = 0;

	if (inputs_add(s, part, bytes) < SCHED_NEAR_BYTES) {
		return 0;
	}
	most = bytes[exec] + SCHED_NEAR_BYTES - 1;
	for (uint16_t e = PROC_EXEC_FIRST; e < EXEC_END; e++) {
		if (bytes[e] > most) {
			most = bytes[e];
			near = e;
		}
	}
	return near;
}

/* A part gets ready when the last of what it needs has returned, and whoever returned that would
 * take it. Nobody waits for an executor that is not free, or at PICK_BUSY while exec is below. */
void
sched_parts_near_run(struct sched *s, uint16_t exec, uint64_t now_ns)
{
	for (uint32_t w = 0; w < TARGET_WORDS; w++) {
		for (uint64_t bits = s->waiting[w]; bits != 0; bits &= bits - 1) {
			struct sched_target *t =
				&s->target[w * 64 + (uint32_t)__builtin_ctzll(bits)];
			const struct sched_call *c = t->head != 0 ? &s->call[t->head - 1] : NULL;
			uint16_t near = c != NULL && c->run != 0 ? part_near(s, c, exec) : 0;

			if (near != 0 && !placement_in(s->taken, near) &&
			    sched_may_run(s, t, near) &&
			    (!placement_in(s->busy, near) || placement_in(s->busy, exec))) {
				sched_exec_try(s, near, now_ns);
			}
		}
	}
}

/* --------------------------------------------------------------------------- sending */

/* The sequence of call.h. */
bool
sched_part_lead(struct sched *s, const struct sched_call *part, uint16_t exec,
		struct desc *ret_call)
{
	const struct sched_run *r = SCHED_RUN(s, part);
	struct desc d;
	int16_t n = 0;

	for (uint32_t e = 0; e < r->dag.edge_cnt; e++) {
		if (r->dag.edge[e].to == part->first) {
			d = r->vertex[r->dag.edge[e].from].out.d;
			d.kind = DESC_TRIGGER;
			d.sub = 0;
			d.err = 0;
			d.b = (uint64_t)n++;
			if (s->ops.send(s->ops.ctx, exec, &d) != 0) {
				return false;
			}
		}
	}
	if (r->cut_at != 0) {
		d = r->vertex[r->cut_at - 1].cut.d;
		d.b = (uint64_t)n++;
		if (s->ops.send(s->ops.ctx, exec, &d) != 0) {
			return false;
		}
	}
	for (uint8_t v = part->first, to = 0;; v = to) {
		const struct placement_vertex *pv = &r->dag.vertex[v];
		struct call_step step = { .vertex = v };

		d = (struct desc){ .kind = DESC_STEP,
				   .flags = DESC_F_INLINE,
				   .len = sizeof(step),
				   .sub = v == r->dag.vertex_cnt - 1 ? STEP_SINK : 0,
				   .a = pv->fn,
				   .call = r->d.call,
				   .b = (uint64_t)n++ };
		memcpy(step.tag, pv->tag, sizeof(step.tag));
		memcpy(d.data, &step, sizeof(step));
		if (s->ops.send(s->ops.ctx, exec, &d) != 0) {
			return false;
		}
		if (v == part->last) {
			break;
		}
		sched_edges_out(&r->dag, v, &to);
	}
	*ret_call = part->d;
	if ((r->d.flags & CALL_F_KEPT) != 0) {
		ret_call->ref = r->d.ref; /* where it is now */
	}
	ret_call->sub |= CALL_PART;
	ret_call->err = n;
	return true;
}

bool
sched_part_send(struct sched *s, struct sched_call *part, uint16_t exec)
{
	struct sched_run *r = SCHED_RUN(s, part);
	struct desc d;

	part->last = part_end(s, r, part->first, exec);
	if (!sched_part_lead(s, part, exec, &d) || s->ops.send(s->ops.ctx, exec, &d) != 0) {
		return false;
	}
	sched_part_mark(r, part, true);
	return true;
}
