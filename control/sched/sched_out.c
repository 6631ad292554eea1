/* SPDX-License-Identifier: Apache-2.0 */
/* sched_out - what is held until others have read it: of a DAG run results, and at the level rr
 * what was read so far (a cut); of a call that goes on its arguments
 *
 * An executor holds it, in the memory where it made it. When that executor dies we hold a copy: ctl
 * keeps a dead process's memory until we have said that we know of the death, and what a part has
 * returned was whole before its REPLY. So what others do to an executor takes nothing from a call
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

/* Gives back what is held for holder. Returns: false: it is to be tried again. */
static bool
payload_give(struct sched *s, const struct payload_ref *ref, uint16_t holder)
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

void
sched_payload_return(struct sched *s, const struct payload_ref *ref, uint16_t holder)
{
	if (!payload_give(s, ref, holder) && returns_add(s->returns, ref, holder)) {
		sched_wake_at(s, 0); /* sched_poll knows when */
	}
}

void
sched_returns_poll(struct sched *s)
{
	struct desc m;

	for (uint16_t p = returns_proc(s->returns, 0); p < PROC_CNT_MAX;
	     p = returns_proc(s->returns, (uint16_t)(p + 1))) {
		while (returns_next(s->returns, p, &m) > 0 &&
		       s->ops.send(s->ops.ctx, p, &m) != MB_ERR_FULL) {
			returns_sent(s->returns, p, &m);
		}
	}
	if (returns_cnt(s->returns) > 0) {
		sched_wake_at(s, 0);
	}
}

/* Others' holds: one that is about its own memory, or has no place left, keeps who sent it from
 * nothing but that. */
void
sched_release_pass(struct sched *s, uint16_t holder, const struct desc *d)
{
	struct desc m = *d;

	m.a = holder;
	if (d->release.proc >= PROC_CNT_MAX || d->release.cnt > RETURNS_BATCH ||
	    s->ops.send(s->ops.ctx, d->release.proc, &m) != MB_ERR_FULL) {
		return;
	}
	for (uint32_t i = 0; i < d->release.cnt; i++) {
		struct payload_ref ref = { .inc = d->release.inc,
					   .proc = d->release.proc,
					   .handle = d->release.handle[i] };

		if (returns_cnt(s->returns) < SCHED_RETURNS_MAX - SCHED_RETURNS_OWN &&
		    returns_add(s->returns, &ref, holder)) {
			sched_wake_at(s, 0);
		}
	}
}

/* Gives back what has no readers any more. Returns false when it is to be tried again (U4). */
bool
sched_out_release(struct sched *s, struct run_out *out)
{
	if (out->held && out->readers == 0) {
		out->held = !payload_give(s, &out->d.ref, PROC_DAEMON);
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
payload_copy(struct sched *s, struct payload_ref *ref)
{
	struct payload_ref copy;

	if (sched_request_keep(s, ref, &copy) != 0) {
		return false;
	}
	*ref = copy;
	s->kept_ns = s->now_ns;
	return true;
}

/* The same of an executor that may live, which gets its hold back. Returns whether it is ours. */
static bool
payload_keep(struct sched *s, struct payload_ref *ref)
{
	struct payload_ref from = *ref;

	if (from.proc == PROC_DAEMON) {
		return true;
	}
	if (!payload_copy(s, ref)) {
		return false;
	}
	sched_payload_return(s, &from, PROC_DAEMON);
	return true;
}

/* Arguments that an executor holds for us. */
static bool
args_keep(struct sched *s, struct desc *d)
{
	return (d->flags & CALL_F_KEPT) == 0 || payload_keep(s, &d->ref);
}

static bool
out_keep(struct sched *s, struct run_out *out)
{
	return !out->held || payload_keep(s, &out->d.ref);
}

void
sched_args_down(struct sched *s, struct desc *d, uint16_t exec)
{
	if ((d->flags & CALL_F_KEPT) != 0 && d->ref.proc == exec) {
		payload_copy(s, &d->ref); /* if not, who is sent it says so */
	}
}

/* Whoever holds what cannot be read is dead: we know of it by now, or do not. What was copied after
 * it was sent could not have been read. */
bool
sched_call_keep(struct sched *s, struct sched_call *c)
{
	return args_keep(s, &c->d) && s->kept_ns >= c->sent_ns;
}

bool
sched_part_keep(struct sched *s, struct sched_call *part)
{
	struct sched_run *r = SCHED_RUN(s, part);
	bool kept = args_keep(s, &r->d) &&
		    (r->cut_at == 0 || out_keep(s, &r->vertex[r->cut_at - 1].cut));

	for (uint32_t e = 0; e < r->dag.edge_cnt; e++) {
		if (r->dag.edge[e].to == part->first) {
			kept &= out_keep(s, &r->vertex[r->dag.edge[e].from].out);
		}
	}
	return kept && s->kept_ns >= part->sent_ns;
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
			    (out[i]->readers == 0 || !payload_copy(s, &out[i]->d.ref))) {
				out[i]->held = false;
				lost[v] |= i == 0;
			}
		}
	}
}

uint32_t
sched_held(const struct sched *s)
{
	uint32_t cnt = 0;

	for (uint32_t i = s->run_first; i != 0; i = s->run[i - 1].next) {
		const struct sched_run *r = &s->run[i - 1];

		for (uint32_t v = 0; v < r->dag.vertex_cnt; v++) {
			cnt += r->vertex[v].out.held + r->vertex[v].cut.held;
		}
	}
	return cnt;
}

/* An answer that nobody gets: its payload is held for the caller, or for us if the call was to go
 * on. */
void
sched_out_drop(struct sched *s, const struct desc *d)
{
	if ((d->flags & DESC_F_INLINE) == 0) {
		sched_payload_return(s, &d->ref,
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
		sched_payload_return(s, &d->ref, PROC_DAEMON);
		return;
	}
	cut = &SCHED_RUN(s, c)->vertex[c->last].cut;
	*cut = (struct run_out){ .d = *d, .readers = 1, .held = true };
}

/* The part that ends with v died when it had said what it has read: it reads anew. What it held is
 * gone with it; there may be a copy of ours. */
void
sched_cut_forget(struct sched *s, struct sched_run *r, uint8_t v)
{
	struct run_out *cut = &r->vertex[v].cut;

	if (cut->held && cut->d.ref.proc == PROC_DAEMON) {
		payload_give(s, &cut->d.ref, PROC_DAEMON);
	}
	cut->held = false;
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
