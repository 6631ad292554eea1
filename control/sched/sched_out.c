/* SPDX-License-Identifier: Apache-2.0 */
/* sched_out - what is held for a DAG run until others have read it: results, and at the level rr
 * what was read so far (a cut)
 *
 * An executor holds it, in the memory where it made it. When that executor dies we hold a copy: ctl
 * keeps a dead process's memory until we have said that we know of the death, and what a part has
 * returned was whole before its REPLY. So what others do to an executor takes nothing from a run
 * that has returned there. (Above 64 KiB it is lost: nobody copies that much in one step, U3.)
 *
 *	part 1 ──CUT, REPLY──► run ──CUT, STEP, CALL──► part 2 ──CUT, REPLY──► ...
 *
 * At that level the parts of a run go in turn: each begins with the cut of the one before it, and
 * its own has all that is in that. So there is one order in which keys are read first, whatever
 * the edges say. A cut is held like a result, and lost like one.
 *
 * Rejected: branches that run side by side, each key's first read at one of the executors, chosen
 * by its hash. It is a message there and back for each key, to save time where two functions that
 * no executor has both of are slow enough.
 */
#include "call.h"
#include "sched_int.h"

bool
sched_payload_release(struct sched *s, const struct payload_ref *ref, uint16_t holder)
{
	struct desc m = { .kind = DESC_RELEASE,
			  .a = holder,
			  .release = { .inc = ref->inc,
				       .proc = ref->proc,
				       .cnt = 1,
				       .handle = { ref->handle } } };

	if (ref->proc == PROC_DAEMON) {
		s->ops.drop(s->ops.ctx, ref, holder);
		return true;
	}
	return s->ops.send(s->ops.ctx, ref->proc, &m) != MB_ERR_FULL;
}

/* Gives back what has no readers any more. Returns false when it is to be tried again (U4). */
bool
sched_out_release(struct sched *s, struct run_out *out)
{
	if (out->held && out->readers == 0) {
		out->held = !sched_payload_release(s, &out->d.ref, PROC_DAEMON);
		if (out->held) {
			s->runs_owe = true;
			sched_wake_at(s, 0); /* sched_poll knows when */
			return false;
		}
	}
	return true;
}

/* The same for all that a run has. all: nobody reads any of it any more. */
bool
sched_outs_release(struct sched *s, struct sched_run *r, bool all)
{
	bool done = true;

	for (uint16_t v = 0; v < r->dag.vertex_cnt; v++) {
		struct run_out *const out[2] = { &r->vertex[v].out, &r->vertex[v].cut };

		for (uint32_t i = 0; i < 2; i++) {
			out[i]->readers = all ? 0 : out[i]->readers;
			done &= sched_out_release(s, out[i]);
		}
	}
	return done;
}

/* Has a copy of ours in the place of what an executor holds. Returns whether there is one. */
static bool
out_copy(struct sched *s, struct sched_run *r, struct run_out *out)
{
	struct payload_ref copy;

	if (sched_request_keep(s, &out->d.ref, &copy) != 0) {
		return false;
	}
	out->d.ref = copy;
	r->kept_ns = s->now_ns;
	return true;
}

/* The same of an executor that may live, which gets its hold back. Returns whether it is ours, or
 * nobody's. */
static bool
out_keep(struct sched *s, struct sched_run *r, struct run_out *out)
{
	struct payload_ref from = out->d.ref;

	if (!out->held || from.proc == PROC_DAEMON) {
		return true;
	}
	if (!out_copy(s, r, out)) {
		return false;
	}
	if (!sched_payload_release(s, &from, PROC_DAEMON)) {
		sched_payload_release(s, &out->d.ref, PROC_DAEMON);
		out->d.ref = from;
		return false;
	}
	return true;
}

/* An executor is gone, its memory not yet: lost[v] if it held the result of v and we have no copy.
 * (A part that is sent a cut that is gone says so.) */
void
sched_outs_down(struct sched *s, struct sched_run *r, uint16_t exec, bool lost[DAG_FUNCTION_MAX])
{
	for (uint16_t v = 0; v < r->dag.vertex_cnt; v++) {
		struct run_out *const out[2] = { &r->vertex[v].out, &r->vertex[v].cut };

		for (uint32_t i = 0; i < 2; i++) {
			if (out[i]->held && out[i]->d.ref.proc == exec &&
			    (out[i]->readers == 0 || !out_copy(s, r, out[i]))) {
				out[i]->held = false;
				lost[v] |= i == 0;
			}
		}
	}
}

/* A part was sent at sent_ns and says that something that it is to read cannot be read: whoever
 * holds it is dead, which we know by now or do not. Returns whether it is worth to be sent again,
 * with copies. */
bool
sched_outs_keep(struct sched *s, struct sched_run *r, uint8_t part, uint64_t sent_ns)
{
	bool kept = r->cut_at == 0 || out_keep(s, r, &r->vertex[r->cut_at - 1].cut);

	for (uint32_t e = 0; e < r->dag.edge_cnt; e++) {
		if (r->dag.edge[e].to == part) {
			kept &= out_keep(s, r, &r->vertex[r->dag.edge[e].from].out);
		}
	}
	return kept && r->kept_ns >= sent_ns;
}

uint32_t
sched_outs_held(const struct sched_run *r)
{
	uint32_t cnt = 0;

	for (uint32_t v = 0; v < r->dag.vertex_cnt; v++) {
		cnt += r->vertex[v].out.held + r->vertex[v].cut.held;
	}
	return cnt;
}

/* An answer that nobody gets: its payload is held for the caller, or for us if the call was to go
 * on. */
void
sched_out_drop(struct sched *s, const struct desc *d)
{
	if ((d->flags & DESC_F_INLINE) == 0) {
		sched_payload_release(s, &d->ref,
				      (d->sub & REPLY_GOES_ON) != 0 ? PROC_DAEMON
								    : call_id_proc(d->call));
	}
}

/* A part says what it has read; its REPLY follows. One that it need not have sent is given back. */
void
sched_cut_on(struct sched *s, uint16_t exec, const struct desc *d)
{
	struct sched_call *c = exec < EXEC_END ? sched_running_find(s, exec, d->call) : NULL;
	struct run_out *cut;

	if ((d->flags & DESC_F_INLINE) != 0 || d->ref.proc != exec) {
		return; /* another's, or nobody's */
	}
	if (c == NULL || c->run == 0 || !sched_run_in_turn(SCHED_RUN(s, c)) ||
	    SCHED_RUN(s, c)->vertex[c->last].cut.held) {
		sched_payload_release(s, &d->ref, PROC_DAEMON);
		return;
	}
	cut = &SCHED_RUN(s, c)->vertex[c->last].cut;
	*cut = (struct run_out){ .d = *d, .readers = 1, .held = true };
}

/* The part that ends with v has returned: the next one begins with what that has read. */
void
sched_cut_next(struct sched *s, struct sched_run *r, uint8_t v)
{
	if (!r->vertex[v].cut.held) {
		return; /* it has read nothing */
	}
	if (r->cut_at != 0) {
		struct run_out *before = &r->vertex[r->cut_at - 1].cut;

		before->readers = 0;
		sched_out_release(s, before);
	}
	r->cut_at = (uint8_t)(v + 1);
}
