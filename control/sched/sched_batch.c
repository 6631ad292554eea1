/* SPDX-License-Identifier: Apache-2.0 */
/* sched_batch - calls that a function gets in one run (deploy --batch)
 *
 * Late binding does the gathering: what has come while no executor was free goes together to the
 * first that is, up to what the function takes; nothing waits for more to come. Their records are a
 * chain that begins at running[exec]. Each is answered by itself, in the order of the chain, the
 * executor is free when the last is.
 *
 * Parts of DAG calls are calls of their function here, and go with each other, also those of one
 * DAG call, and with calls of the function alone. What would fill their batch lies before them in
 * the DAG: so the oldest lets as many younger ones pass as a batch has room for, and no more.
 *
 * A call that runs a second time runs alone: it may be the one that ended its batch. A multi
 * function runs once for each of its edges, alone. At the level rr a part runs alone: it begins
 * with what those before it have read.
 */
#include "call.h"
#include "compiler.h"
#include "dagtext.h"
#include "microburst/error.h"
#include "sched_int.h"

/* A row fits the channel, behind what may lie there. */
#define ROW_MESSAGES (CHANNEL_DEPTH - CALL_DIRECT_MARGIN)

uint32_t
sched_batch_takes(const struct sched *s, uint16_t fn)
{
	uint64_t gen;
	const struct placement_fn *f = placement_fn_get(placement_shown(s->placement, &gen), fn);

	return f != NULL ? MIN(f->batch, (uint32_t)CALL_BATCH_MAX) : 0;
}

/* The function that a call is of, if it may share a run of it; 0. */
static uint16_t
batch_fn(const struct sched *s, const struct sched_call *c)
{
	const struct placement_vertex *v;

	if ((c->d.sub & CALL_ATTEMPT_MASK) != 0) {
		return 0;
	}
	if (c->run == 0) {
		return (c->d.sub & CALL_DAG) == 0 ? c->d.a : 0;
	}
	if (sched_run_in_turn(SCHED_RUN(s, c))) {
		return 0;
	}
	v = &SCHED_RUN(s, c)->dag.vertex[c->first];
	return dagtext_is_multi(v->tag) ? 0 : v->fn;
}

uint32_t
sched_batch_pass(const struct sched *s, const struct sched_target *t)
{
	const struct sched_call *c = &s->call[t->head - 1];
	uint32_t takes = c->run != 0 ? sched_batch_takes(s, batch_fn(s, c)) : 0;

	return takes > t->cnt ? takes : 0;
}

bool
sched_batch_joins(const struct sched *s, const struct sched_target *t, const struct sched_call *c,
		  uint16_t exec)
{
	const struct sched_call *next = t->head != 0 ? &s->call[t->head - 1] : NULL;
	uint16_t fn = batch_fn(s, c);

	return next != NULL && fn != 0 && batch_fn(s, next) == fn && sched_batch_takes(s, fn) > 1 &&
	       ((next->d.sub ^ c->d.sub) & (CALL_READ_ONLY | CALL_LEVEL_MASK)) == 0 &&
	       (next->d.b == 0 || next->d.b > s->now_ns) && sched_may_run(s, t, exec);
}

/* How many messages a call is. */
static uint32_t
batch_messages(const struct sched *s, const struct sched_call *c)
{
	return c->run == 0 ? 1 : 2 + sched_edges_in(&SCHED_RUN(s, c)->dag, c->first);
}

static int
batch_send_one(struct sched *s, uint16_t exec, struct sched_call *c, bool first, bool last)
{
	struct desc d = c->d;

	c->last = c->first;
	if (c->run != 0 && !sched_part_lead(s, c, exec, &d)) {
		return MB_ERR_FULL;
	}
	d.kind = last ? DESC_CALL : DESC_BATCH;
	d.flags |= first != last ? CALL_F_BATCH : 0;
	return s->ops.send(s->ops.ctx, exec, &d);
}

bool
sched_batch_send(struct sched *s, struct sched_target *t, struct sched_call *c, uint16_t exec)
{
	struct sched_call *all[CALL_BATCH_MAX] = { c };
	uint32_t cnt = 1, max = sched_batch_takes(s, batch_fn(s, c));
	uint32_t messages = batch_messages(s, c);
	int err = 0;

	while (cnt < max && sched_batch_joins(s, t, c, exec)) {
		messages += batch_messages(s, &s->call[t->head - 1]);
		if (messages > ROW_MESSAGES) {
			break;
		}
		all[cnt++] = sched_queue_pop(s, t);
	}
	for (uint32_t i = 0; i < cnt && err == 0; i++) {
		err = batch_send_one(s, exec, all[i], i == 0, i == cnt - 1);
	}
	for (uint32_t i = cnt; err != 0 && i > 0; i--) {
		sched_queue_push_front(s, t, all[i - 1]); /* what came of it is forgotten there */
	}
	if (err != 0) {
		return false;
	}
	for (uint32_t i = 0; i < cnt; i++) {
		all[i]->exec = exec;
		all[i]->sent_ns = s->now_ns;
		all[i]->batch = i + 1 < cnt ? (uint32_t)(all[i + 1] - s->call + 1) : 0;
		if (all[i]->run != 0) {
			sched_part_mark(SCHED_RUN(s, all[i]), all[i], true);
		}
		if (s->log != NULL) {
			sched_note(s, all[i]);
		}
	}
	s->shown[exec] = all[cnt - 1]->d.call;
	sched_running_set(s, exec, (uint32_t)(c - s->call + 1));
	return true;
}

struct sched_call *
sched_running_find(struct sched *s, uint16_t exec, uint64_t call)
{
	for (uint32_t i = s->running[exec]; i != 0; i = s->call[i - 1].batch) {
		if (s->call[i - 1].d.call == call) {
			return &s->call[i - 1];
		}
	}
	return NULL;
}

struct sched_call *
sched_running_take(struct sched *s, uint16_t exec, uint64_t call)
{
	struct sched_call *c = sched_running_find(s, exec, call);
	uint32_t me = c != NULL ? (uint32_t)(c - s->call + 1) : 0;
	uint32_t i = s->running[exec];

	if (c == NULL) {
		return NULL;
	}
	if (likely(i == me)) {
		sched_running_set(s, exec, c->batch);
	} else {
		while (s->call[i - 1].batch != me) {
			i = s->call[i - 1].batch;
		}
		s->call[i - 1].batch = c->batch;
	}
	c->batch = 0;
	return c;
}

uint32_t
sched_running_clients(const struct sched *s, uint16_t exec)
{
	uint32_t cnt = 0;

	for (uint32_t i = s->running[exec]; i != 0; i = s->call[i - 1].batch) {
		cnt += s->call[i - 1].client != 0;
	}
	return cnt;
}
