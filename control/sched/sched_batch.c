/* SPDX-License-Identifier: Apache-2.0 */
/* sched_batch - calls that a function gets in one run (deploy --batch)
 *
 * Late binding does the gathering: what has come while no executor was free goes together to the
 * first that is, up to what the function takes; nothing waits for more to come. Their records are a
 * chain that begins at running[exec]. Each is answered by itself, the executor is free when the
 * last is.
 *
 * A call that runs a second time runs alone: it may be the one that ended its batch.
 */
#include "call.h"
#include "compiler.h"
#include "sched_int.h"

uint32_t
sched_batch_max(struct sched *s, const struct sched_target *t, const struct sched_call *c)
{
	uint64_t gen;
	const struct placement_copy *p = placement_shown(s->placement, &gen);
	uint32_t idx = (uint32_t)(t - s->target);

	if (idx >= FUNCTION_CNT_MAX || t->head == 0 || c->run != 0 ||
	    (c->d.sub & (CALL_LEVEL_MASK | CALL_ATTEMPT_MASK)) != 0) {
		return 1;
	}
	return MIN(p->fn[idx].batch, (uint32_t)CALL_BATCH_MAX);
}

/* Whether the next in the queue may go with c. */
static bool
batch_joins(const struct sched *s, const struct sched_target *t, const struct sched_call *c)
{
	const struct sched_call *next = t->head != 0 ? &s->call[t->head - 1] : NULL;

	return next != NULL && next->run == 0 && next->d.a == c->d.a &&
	       ((next->d.sub ^ c->d.sub) & CALL_READ_ONLY) == 0 &&
	       (next->d.sub & (CALL_LEVEL_MASK | CALL_ATTEMPT_MASK)) == 0 &&
	       (next->d.b == 0 || next->d.b > s->now_ns);
}

static int
batch_send_one(struct sched *s, uint16_t exec, const struct desc *call, bool first, bool last)
{
	struct desc d = *call;

	if (last) {
		d.flags |= first ? 0 : CALL_F_BATCH;
	} else {
		d.kind = DESC_BATCH;
		d.sub |= first ? CALL_PART : 0;
	}
	return s->ops.send(s->ops.ctx, exec, &d);
}

bool
sched_batch_send(struct sched *s, struct sched_target *t, struct sched_call *c, uint16_t exec,
		 uint32_t max)
{
	struct sched_call *all[CALL_BATCH_MAX] = { c };
	uint32_t cnt = 1;
	int err = 0;

	while (cnt < max && batch_joins(s, t, c)) {
		all[cnt++] = sched_queue_pop(s, t);
	}
	for (uint32_t i = 0; i < cnt && err == 0; i++) {
		err = batch_send_one(s, exec, &all[i]->d, i == 0, i == cnt - 1);
	}
	for (uint32_t i = cnt; err != 0 && i > 0; i--) {
		sched_queue_push_front(s, t, all[i - 1]); /* what came of it is forgotten there */
	}
	if (err != 0) {
		return false;
	}
	for (uint32_t i = 0; i < cnt; i++) {
		all[i]->exec = exec;
		all[i]->batch = i + 1 < cnt ? (uint32_t)(all[i + 1] - s->call + 1) : 0;
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
