/* SPDX-License-Identifier: Apache-2.0 */
/* sched_run - DAG calls that run in parts
 *
 * A run gives each function of a DAG, when what it needs is there, to the next free executor that
 * has it: as a part, which is a record in a queue like every other call (S1, late binding, claims).
 * A part is one function, and those behind it for as long as there is nothing to choose: one edge
 * out, one edge in, and the same executor has them.
 *
 *	split ─┬─► count#1 ─► trim#1 ─┬─► join      4 parts: split | count#1, trim#1 | ...
 *	       └─► count#2 ─► trim#2 ─┘
 *
 * What a part returned stays where it was written. Its REPLY names it; the triggers of all that
 * read it carry that name (nothing is copied), and its hold, which is the daemon's, goes back when
 * the last reader has replied. It outlives its executor (sched_out.c). A part publishes its writes
 * before it replies: who runs after it sees them.
 *
 * U1  A run is answered once: when its sink has returned, or by the first thing that ends it; and
 *     only when no part of it runs any more, because the answer gives the caller's arguments back.
 * U2  Nothing of an ended run begins. Its parts leave the queues, those that run are stopped.
 * U3  A part whose executor died before it published is sent once more. A run whose result is lost
 *     with the executor that held it (one that we cannot copy) begins once more, if none of its
 *     functions has written.
 * U4  Each result held for us is released once; where its executor does not listen, later.
 * U5  A run keeps the functions it began with: executors that go stay until the runs that are older
 *     than their leave have ended (drain_seq). When all of them have died it begins once more, with
 *     what came in the place, if none of its functions has written: it never goes on with that.
 *
 * Rejected: executors that trigger each other. It saves a message an edge; for that an executor is
 * bound to a function before its inputs are there and a call waits behind another one's function,
 * half-gathered calls lie in executors and have to be found and ended in each of them, and a death
 * means the whole DAG again because nobody knows how far it was.
 */
#include <stdio.h>
#include <string.h>

#include "call.h"
#include "check.h"
#include "compiler.h"
#include "microburst/error.h"
#include "sched_int.h"

/* What is lost with its executors; what that means is added: 40 bytes in all. */
#define RESULT_DIED "a result died"
#define CODE_DIED   "its code died"

/* ------------------------------------------------------------------- records */

void
sched_runs_init(struct sched *s)
{
	for (uint32_t i = 0; i < SCHED_RUN_MAX; i++) {
		s->run[i].next = i + 1 < SCHED_RUN_MAX ? i + 2 : 0;
	}
	s->run_free = 1;
}

static struct sched_run *
run_alloc(struct sched *s)
{
	struct sched_run *r;

	if (s->run_free == 0) {
		return NULL;
	}
	r = &s->run[s->run_free - 1];
	s->run_free = r->next;
	r->next = s->run_first;
	s->run_first = (uint32_t)(r - s->run + 1);
	return r;
}

/* Whether a run is under way that began before seq. */
static bool
run_older(const struct sched *s, uint64_t seq)
{
	for (uint32_t i = s->run_first; i != 0; i = s->run[i - 1].next) {
		if (s->run[i - 1].seq < seq) {
			return true;
		}
	}
	return false;
}

/* U5: executors that stayed for this run, and for no other, may go. */
static void
kept_check(struct sched *s)
{
	for (uint16_t e = PROC_EXEC_FIRST; e < EXEC_END && s->kept_cnt > 0; e++) {
		if (s->drain_seq[e] != 0 && !run_older(s, s->drain_seq[e])) {
			sched_unkeep(s, e);
			sched_drained(s, e);
		}
	}
}

static void
run_free(struct sched *s, struct sched_run *r)
{
	uint32_t me = (uint32_t)(r - s->run + 1);
	uint32_t *at = &s->run_first;

	while (*at != me) {
		at = &s->run[*at - 1].next;
	}
	*at = r->next;
	sched_args_drop(s, &r->d);
	r->next = s->run_free;
	s->run_free = me;
	kept_check(s);
}

/* --------------------------------------------------------------------- parts */

static void
part_free(struct sched *s, struct sched_call *part)
{
	SCHED_RUN(s, part)->part_cnt--;
	sched_call_free(s, part);
}

/* What was sent waits again, before others. */
static void
part_again(struct sched *s, struct sched_run *r, struct sched_call *part)
{
	sched_part_mark(r, part, false);
	sched_queue_push_front(s, sched_target_of(s, r, part->first), part);
}

/* ----------------------------------------------------------------------- end */

/* A death is told with what it means for the whole run, now that nothing of it can write; what went
 * on as this run had written before, or may have. */
static void
answer_effects(struct sched_run *r)
{
	char text[DESC_INLINE_BYTES + 1];

	if (r->answer.err == MB_ERR_EXECUTOR_DIED) {
		snprintf(text, sizeof(text), "%.*s; its writes %s", (int)r->answer.len,
			 (const char *)r->answer.data,
			 r->published || r->d.err > 0 ? "happened" : "did not happen");
		r->answer.len = (uint8_t)strlen(text);
		memcpy(r->answer.data, text, r->answer.len);
	}
}

/* Nothing of the run runs and it has its answer: the end of it, unless an executor does not take
 * back what it holds for us. */
static void
run_finish(struct sched *s, struct sched_run *r)
{
	answer_effects(r);
	if (r->client != 0 && (r->answer.sub & REPLY_GOES_ON) != 0) {
		sched_go_on(s, r->client, &r->d, &r->answer);
	} else if (r->client != 0) {
		sched_deliver(s, r->client, &r->answer);
	} else {
		sched_out_drop(s, &r->answer);
	}
	r->client = 0;
	r->answer = (struct desc){ .flags = DESC_F_INLINE }; /* once */
	if (sched_outs_release(s, r, true)) {
		run_free(s, r);
	}
}

/* Takes the parts that wait out of their queues. */
static void
parts_unqueue(struct sched *s, struct sched_run *r)
{
	uint32_t me = (uint32_t)(r - s->run + 1);

	for (uint16_t v = 0; v < r->dag.vertex_cnt; v++) {
		struct sched_target *t = sched_target_of(s, r, v);

		for (uint32_t n = t->cnt; n > 0; n--) {
			struct sched_call *c = sched_queue_pop(s, t);

			if (c->run == me) {
				part_free(s, c);
			} else {
				sched_queue_push(s, t, c); /* n turns: the order is as it was */
			}
		}
	}
}

/* Has the parts that run stopped, and what shares a run with them: that runs again. Those of a
 * client that is dead go on beside others. */
static void
parts_stop(struct sched *s, const struct sched_run *r, int why)
{
	for (uint16_t e = PROC_EXEC_FIRST; e < EXEC_END && r->part_cnt > 0; e++) {
		bool ours = false, others = false;

		for (uint32_t i = s->running[e]; i != 0; i = s->call[i - 1].batch) {
			bool its = s->call[i - 1].run == (uint32_t)(r - s->run + 1);

			ours |= its;
			others |= !its;
		}
		if (ours && !(others && why == MB_ERR_PEER_DIED)) {
			sched_stop(s, e, s->shown[e], why);
		}
	}
}

/* U1, U2: the answer is d. stop: why parts that run are to end; 0: they have their time. */
static void
run_end(struct sched *s, struct sched_run *r, const struct desc *d, int stop)
{
	if (r->ended) {
		sched_out_drop(s, d);
		return;
	}
	r->ended = true;
	r->answer = *d;
	parts_unqueue(s, r);
	parts_stop(s, r, stop);
}

static void
run_fail(struct sched *s, struct sched_run *r, int err, const char *text)
{
	struct desc d = { .kind = DESC_REPLY,
			  .flags = DESC_F_INLINE,
			  .call = r->d.call,
			  .err = (int16_t)err };

	d.len = (uint8_t)strnlen(text, DESC_INLINE_BYTES);
	memcpy(d.data, text, d.len);
	run_end(s, r, &d, err);
}

/* U3: something that is needed is gone. */
static void
run_lost(struct sched *s, struct sched_run *r, const char *what)
{
	if (r->ended || r->lost != NULL) {
		return;
	}
	if (r->published || (r->d.sub & CALL_ATTEMPT_MASK) != 0) {
		run_fail(s, r, MB_ERR_EXECUTOR_DIED, what);
		return;
	}
	r->lost = what;
	parts_unqueue(s, r);
}

/* --------------------------------------------------------------------- begin */

/* A function that is no more, and that no executor is kept for. */
static bool
vertex_gone(struct sched *s, const struct sched_run *r, uint8_t v)
{
	uint64_t gen;

	return placement_fn_get(placement_shown(s->placement, &gen), r->dag.vertex[v].fn) == NULL &&
	       sched_exec_none(sched_target_of(s, r, v)->kept);
}

/* Nothing of it has begun: functions that are no more give way to those that came in their places.
 * Returns: false when one was removed. */
static bool
run_renew(struct sched *s, struct sched_run *r)
{
	for (uint16_t v = 0; v < r->dag.vertex_cnt; v++) {
		for (uint32_t i = 0; vertex_gone(s, r, (uint8_t)v); i++) {
			uint16_t instead = sched_target_of(s, r, (uint8_t)v)->instead;

			if (instead == 0 || i == FUNCTION_CNT_MAX) {
				return false;
			}
			r->dag.vertex[v].fn = instead;
		}
	}
	return true;
}

static void
part_push(struct sched *s, struct sched_run *r, uint8_t v, bool front)
{
	struct sched_target *t;
	struct sched_call *c;

	if (r->ended || r->lost != NULL) {
		return;
	}
	if (vertex_gone(s, r, v)) { /* U5: all that were kept for it died */
		run_lost(s, r, CODE_DIED);
		return;
	}
	c = sched_call_alloc(s, &r->d, r->client, r->seq);
	if (c == NULL) {
		run_fail(s, r, MB_ERR_BUSY, "too many calls wait; try again later");
		return;
	}
	t = sched_target_of(s, r, v);
	c->run = (uint32_t)(r - s->run + 1);
	c->first = c->last = v;
	r->part_cnt++;
	if (front && !(t->tail != 0 && s->call[t->tail - 1].run != 0)) {
		sched_queue_push_front(s, t, c); /* a run that is on its way goes first */
	} else {                                 /* behind those of others */
		sched_queue_push(s, t, c);
	}
	if (sched_exec_none(t->exec) && sched_exec_none(t->kept)) {
		sched_pin_want(s, (uint32_t)(t - s->target));
	}
}

/* Pushes those that need nothing any more and are not under way: at the beginning; in turn, one at
 * a time. */
static void
parts_push(struct sched *s, struct sched_run *r, bool front)
{
	for (uint16_t v = 0; v < r->dag.vertex_cnt; v++) {
		if (r->vertex[v].need == 0 && !r->vertex[v].begun) {
			part_push(s, r, (uint8_t)v, front);
			if (sched_run_in_turn(r)) {
				break;
			}
		}
	}
}

/* Begins, or begins again: nothing of it runs. */
static void
run_begin(struct sched *s, struct sched_run *r, bool front)
{
	for (uint16_t v = 0; v < r->dag.vertex_cnt; v++) {
		uint8_t to;

		r->vertex[v].need = (uint8_t)sched_edges_in(&r->dag, v);
		r->vertex[v].out.readers = (uint8_t)sched_edges_out(&r->dag, v, &to);
		r->vertex[v].begun = false;
		r->vertex[v].out.held = r->vertex[v].cut.held = false;
	}
	r->cut_at = 0;
	r->lost = NULL;
	if (run_renew(s, r)) {
		parts_push(s, r, front);
	} else {
		run_fail(s, r, MB_ERR_NO_FUNCTION, "a function of it was removed");
	}
}

static bool
run_has_begun(const struct sched_run *r)
{
	for (uint16_t v = 0; v < r->dag.vertex_cnt; v++) {
		if (r->vertex[v].begun) {
			return true;
		}
	}
	return false;
}

static void
run_check(struct sched *s, struct sched_run *r)
{
	if (r->part_cnt != 0) {
		return;
	}
	if (r->ended) {
		run_finish(s, r);
	} else if (r->lost != NULL && r->published) {
		run_fail(s, r, MB_ERR_EXECUTOR_DIED, r->lost);
		run_finish(s, r);
	} else if (r->lost != NULL) {
		if (!sched_outs_release(s, r, true)) {
			return; /* sched_run_poll comes by */
		}
		r->d.sub |= 1 << CALL_ATTEMPT_SHIFT;
		run_begin(s, r, true);
		if (r->ended) {
			run_finish(s, r);
		}
	}
}

/* --------------------------------------------------------------------- start */

/* Whether a call of a DAG is to wait function by function, with the calls that wait there: when one
 * of them takes several in one run, and no executor is free for all of it. */
static bool
run_batches(const struct sched *s, const struct sched_target *t, const struct placement_dag *dag)
{
	uint64_t free = 0;
	bool batched = false;

	for (uint32_t v = 0; v < dag->vertex_cnt; v++) {
		batched |= sched_batch_takes(s, dag->vertex[v].fn) > 1;
	}
	for (uint32_t w = 0; w < PLACEMENT_EXEC_WORDS; w++) {
		free |= t->exec[w] & ~s->taken[w];
	}
	return batched && (t->head != 0 || free == 0);
}

/* Whether a call of a DAG is run in parts: because no executor has all its functions, or because
 * two of them could run at the same time and take so long that it is worth the messages. Without a
 * bound on that (sched.dag_split=0) wherever two executors have them. Or because that fills
 * batches. */
bool
sched_run_wanted(const struct sched *s, uint32_t target, const struct desc *d)
{
	const struct sched_target *t = &s->target[target];
	uint64_t gen;
	const struct placement_copy *p = placement_shown(s->placement, &gen);
	const struct placement_dag *dag = &p->dag[target - FUNCTION_CNT_MAX];

	if (sched_exec_none(t->exec)) {
		for (uint32_t v = 0; v < dag->vertex_cnt; v++) {
			if (sched_exec_none(s->target[dag->vertex[v].fn % FUNCTION_CNT_MAX].exec)) {
				return false; /* waits for whoever will have them all */
			}
		}
		return true;
	}
	if ((d->sub & CALL_LEVEL_MASK) != CALL_LEVEL_LWW) {
		return false; /* its functions read the same versions: best in one session */
	}
	return ((dag->flags & PLACEMENT_DAG_LINEAR) == 0 && t->run_ns >= dag->split_ns &&
		placement_spread(p, t->exec) >=
			(dag->split_ns == 0 ? PLACEMENT_TURNS : PLACEMENT_APART)) ||
	       run_batches(s, t, dag);
}

void
sched_run_start(struct sched *s, uint16_t client, const struct desc *d)
{
	uint64_t gen;
	const struct placement_copy *p = placement_shown(s->placement, &gen);
	struct sched_run *r = run_alloc(s);

	if (r == NULL) {
		struct desc refused = *d;

		sched_answer(s, client, d->call, MB_ERR_BUSY,
			     "too many DAG calls; try again later");
		sched_args_drop(s, &refused);
		return;
	}
	r->d = *d;
	r->seq = ++s->seq;
	r->run_ns = 0;
	r->client = client;
	r->part_cnt = 0;
	r->ended = r->published = false;
	r->dag = p->dag[d->a % DAG_CNT_MAX];
	run_begin(s, r, false);
	run_check(s, r);
}

/* ------------------------------------------------------------------- replies */

/* The part's functions have returned: who waited for them only is pushed. */
static void
part_done(struct sched *s, struct sched_run *r, const struct sched_call *part, const struct desc *d)
{
	struct run_out *out = &r->vertex[part->last].out;

	for (uint32_t e = 0; e < r->dag.edge_cnt; e++) {
		struct run_out *in = &r->vertex[r->dag.edge[e].from].out;

		if (r->dag.edge[e].to == part->first) {
			in->readers--;
			sched_out_release(s, in);
		}
	}
	out->d = *d;
	out->held = (d->flags & DESC_F_INLINE) == 0;
	for (uint32_t e = 0; e < r->dag.edge_cnt; e++) {
		uint8_t to = r->dag.edge[e].to;

		if (r->dag.edge[e].from == part->last && --r->vertex[to].need == 0 &&
		    !sched_run_in_turn(r)) {
			part_push(s, r, to, true);
		}
	}
	if (sched_run_in_turn(r)) {
		sched_cut_next(s, r, part->last);
		parts_push(s, r, true);
	}
}

void
sched_run_on_reply(struct sched *s, struct sched_call *part, uint16_t exec, const struct desc *d)
{
	struct sched_run *r = SCHED_RUN(s, part);
	bool sink = part->last == r->dag.vertex_cnt - 1;
	struct desc done = *d;

	r->published |= (d->sub & REPLY_PUBLISHED) != 0;
	r->run_ns += sched_goes_on(d, exec) ? 0 : d->b >> 32;
	done.sub = sink && sched_goes_on(d, exec) ? REPLY_GOES_ON : 0;
	if (d->err == MB_ERR_PEER_DIED) { /* what it was to read; it has not run */
		sched_out_drop(s, &done);
		if (!r->ended && r->lost == NULL && sched_part_keep(s, part)) {
			part_again(s, r, part);
			return;
		}
		run_lost(s, r, RESULT_DIED);
	} else if (d->err != 0) {
		run_end(s, r, &done, d->err);
	} else if (sink) {
		struct sched_target *t = &s->target[FUNCTION_CNT_MAX + r->d.a % DAG_CNT_MAX];

		if (done.sub == 0) {
			done.b = call_time_make(r->run_ns, r->run_ns);
		} else { /* what its sink made of it, and the call before it */
			done.b += (uint64_t)MAX(r->d.err, (int16_t)0) << 32;
		}
		sched_learn(t, r->run_ns);
		run_end(s, r, &done, 0);
	} else if (r->ended || r->lost != NULL) {
		if ((d->flags & DESC_F_INLINE) == 0) {
			/* Held for us: let go of with the rest. */
			r->vertex[part->last].out.d = done;
			r->vertex[part->last].out.held = true;
		}
	} else {
		part_done(s, r, part, &done);
	}
	part_free(s, part);
	run_check(s, r);
}

/* A part ends without having run: its queue ends, or it is too late. */
void
sched_run_part_end(struct sched *s, struct sched_call *part, int err, const char *text)
{
	struct sched_run *r = SCHED_RUN(s, part);

	part_free(s, part);
	run_fail(s, r, err, text);
	run_check(s, r);
}

/* The function of a part that waits was replaced, and no executor is kept for it. */
void
sched_run_part_renew(struct sched *s, struct sched_call *part)
{
	struct sched_run *r = SCHED_RUN(s, part);

	part_free(s, part);
	if (run_has_begun(r)) {
		run_lost(s, r, CODE_DIED);
	} else {
		parts_unqueue(s, r);
		run_begin(s, r, true);
	}
	run_check(s, r);
}

/* -------------------------------------------------------------------- deaths */

/* Its executor died. text: how. U3. */
void
sched_run_part_died(struct sched *s, struct sched_call *part, bool effects, const char *text)
{
	struct sched_run *r = SCHED_RUN(s, part);

	r->published |= effects;
	if (!r->ended && r->lost == NULL && !effects && (part->d.sub & CALL_ATTEMPT_MASK) == 0) {
		part->d.sub |= 1 << CALL_ATTEMPT_SHIFT;
		sched_cut_forget(s, r, part->last);
		part_again(s, r, part);
		return;
	}
	part_free(s, part);
	if (r->lost == NULL) {
		run_fail(s, r, MB_ERR_EXECUTOR_DIED, text);
	}
	run_check(s, r);
}

/* What an executor held for us is gone, but for what we copy: runs that still need it begin again,
 * or end. */
void
sched_run_exec_down(struct sched *s, uint16_t exec)
{
	uint32_t next;

	for (uint32_t i = s->run_first; i != 0; i = next) {
		struct sched_run *r = &s->run[i - 1];
		bool gone[DAG_FUNCTION_MAX] = { false };
		bool lost = false;

		next = r->next;
		sched_args_down(s, &r->d, exec);
		sched_outs_down(s, r, exec, gone);
		for (uint32_t e = 0; e < r->dag.edge_cnt; e++) {
			/* Who has begun has it mapped, or will say that it is not there. */
			lost |= gone[r->dag.edge[e].from] && !r->vertex[r->dag.edge[e].to].begun;
		}
		if (lost) {
			run_lost(s, r, RESULT_DIED);
		}
		run_check(s, r);
	}
}

void
sched_run_client_down(struct sched *s, uint16_t client)
{
	uint32_t next;

	for (uint32_t i = s->run_first; i != 0; i = next) {
		struct sched_run *r = &s->run[i - 1];

		next = r->next;
		if (r->client == client) {
			r->client = 0;
			run_fail(s, r, MB_ERR_PEER_DIED, "");
			run_check(s, r);
		}
	}
}

/* Returns whether the call is a run. Said again it is passed on again: a part may not have begun
 * when ctl looked for it the first time. */
bool
sched_run_cancel(struct sched *s, uint64_t call, int err)
{
	for (uint32_t i = s->run_first; i != 0; i = s->run[i - 1].next) {
		struct sched_run *r = &s->run[i - 1];

		if (r->d.call == call && r->client != 0) {
			if (r->ended) {
				parts_stop(s, r, err);
			} else {
				run_fail(s, r, err, "");
			}
			run_check(s, r);
			return true;
		}
	}
	return false;
}

/* --------------------------------------------------------------------- rest */

/* Tries again what executors did not take (U4). */
void
sched_run_poll(struct sched *s)
{
	uint32_t next;

	if (!s->runs_owe) {
		return;
	}
	s->runs_owe = false;
	for (uint32_t i = s->run_first; i != 0; i = next) {
		struct sched_run *r = &s->run[i - 1];

		next = r->next;
		sched_outs_release(s, r, false);
		run_check(s, r);
	}
}

uint32_t
sched_runs(const struct sched *s)
{
	uint32_t cnt = 0;

	for (uint32_t i = s->run_first; i != 0; i = s->run[i - 1].next) {
		cnt++;
	}
	return cnt;
}
