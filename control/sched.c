/* SPDX-License-Identifier: Apache-2.0 */
/* sched - see sched.h for the picture and S1..S5
 *
 * A target is what a call names: a function (entry 0..255 of the placement table) or a DAG (behind
 * them). Each has its queue, and the set of executors that can run it: those that accept the
 * function, or every function of the DAG.
 *
 * Late binding from both sides: a call that arrives takes a free executor if there is one; an
 * executor that becomes free takes the oldest call it can run. Each target's queue is in order, so
 * the oldest is the head of one of them: record numbers grow with time.
 */
#include "sched.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "call.h"
#include "check.h"
#include "compiler.h"
#include "microburst/error.h"
#include "timebase.h"

#define TARGET_CNT  (FUNCTION_CNT_MAX + DAG_CNT_MAX)
#define TARGET_NONE UINT32_MAX
#define SCHED_WHO   UINT64_C(1) /* in a claim; processes put inc << 16 | proc, so never this */
#define EXEC_END    PROC_CLIENT_FIRST

struct sched_call {
	struct desc d;
	uint64_t seq;  /* order of arrival */
	uint32_t next; /* in the target's queue, or the free list: + 1 */
	uint16_t client;
	uint16_t exec; /* 0: it waits */
};

struct sched_target {
	uint64_t exec[PLACEMENT_EXEC_WORDS];
	uint32_t head, tail; /* + 1; 0: empty */
	uint32_t cnt;
	bool pin_wanted; /* ctl has been asked */
};

struct sched {
	struct placement *placement;
	struct hints *hints;
	struct sched_ops ops;
	struct rng rng;
	uint32_t queue_max;
	uint64_t seq;
	uint64_t timer_ns;
	uint32_t free;              /* + 1 */
	uint32_t running[EXEC_END]; /* record + 1; 0: nothing from us (S1) */
	/* when a claim was first found in our way; 0: it is not */
	uint64_t busy_since_ns[EXEC_END];
	bool draining[EXEC_END];
	struct sched_target target[TARGET_CNT];
	struct sched_call call[SCHED_CALL_MAX];
};

int
sched_create(struct sched **ret, struct placement *placement, struct hints *hints,
	     uint32_t queue_max, uint64_t seed, const struct sched_ops *ops)
{
	struct sched *s = calloc(1, sizeof(*s));

	if (s == NULL) {
		return MB_ERR_NO_MEMORY;
	}
	s->placement = placement;
	s->hints = hints;
	s->ops = *ops;
	s->queue_max = queue_max;
	s->timer_ns = SCHED_TIMER_NONE;
	rng_init(&s->rng, seed);
	for (uint32_t i = 0; i < SCHED_CALL_MAX; i++) {
		s->call[i].next = i + 1 < SCHED_CALL_MAX ? i + 2 : 0;
	}
	s->free = 1;
	*ret = s;
	return 0;
}

void
sched_destroy(struct sched *s)
{
	free(s);
}

/* ---------------------------------------------------------------- records */

static struct sched_call *
sched_call_alloc(struct sched *s, const struct desc *d, uint16_t client)
{
	struct sched_call *c;

	if (s->free == 0) {
		return NULL;
	}
	c = &s->call[s->free - 1];
	s->free = c->next;
	*c = (struct sched_call){ .d = *d, .seq = ++s->seq, .client = client };
	return c;
}

static void
sched_call_free(struct sched *s, struct sched_call *c)
{
	c->client = 0;
	c->next = s->free;
	s->free = (uint32_t)(c - s->call + 1);
}

/* Answers a call without its having run, or after it died. */
static void
sched_answer(struct sched *s, uint16_t client, uint64_t call, int err, const char *text)
{
	struct desc r = { .kind = DESC_REPLY,
			  .flags = DESC_F_INLINE,
			  .call = call,
			  .err = (int16_t)err };

	r.len = (uint8_t)strnlen(text, DESC_INLINE_BYTES);
	memcpy(r.data, text, r.len);
	s->ops.send(s->ops.ctx, client, &r);
}

static void
sched_call_end(struct sched *s, struct sched_call *c, int err, const char *text)
{
	sched_answer(s, c->client, c->d.call, err, text);
	sched_call_free(s, c);
}

/* ---------------------------------------------------------------- targets */

static uint32_t
sched_target_idx(const struct sched *s, const struct desc *d)
{
	uint64_t gen;
	const struct placement_copy *p = placement_shown(s->placement, &gen);

	if ((d->sub & CALL_DAG) != 0) {
		return placement_dag_get(p, d->a) != NULL
			       ? (uint32_t)(FUNCTION_CNT_MAX + d->a % DAG_CNT_MAX)
			       : TARGET_NONE;
	}
	return placement_fn_get(p, d->a) != NULL ? (uint32_t)(d->a % FUNCTION_CNT_MAX)
						 : TARGET_NONE;
}

static void
sched_queue_push(struct sched *s, struct sched_target *t, struct sched_call *c)
{
	uint32_t i = (uint32_t)(c - s->call + 1);

	c->next = 0;
	c->exec = 0;
	if (t->tail != 0) {
		s->call[t->tail - 1].next = i;
	} else {
		t->head = i;
	}
	t->tail = i;
	t->cnt++;
}

/* Back to where it was: a call that has to run again goes before those that came after it. */
static void
sched_queue_push_front(struct sched *s, struct sched_target *t, struct sched_call *c)
{
	uint32_t i = (uint32_t)(c - s->call + 1);

	c->next = t->head;
	c->exec = 0;
	t->head = i;
	if (t->tail == 0) {
		t->tail = i;
	}
	t->cnt++;
}

static struct sched_call *
sched_queue_pop(struct sched *s, struct sched_target *t)
{
	struct sched_call *c;

	if (t->head == 0) {
		return NULL;
	}
	c = &s->call[t->head - 1];
	t->head = c->next;
	if (t->head == 0) {
		t->tail = 0;
	}
	t->cnt--;
	return c;
}

/* Answers everything that waits for a target. */
static void
sched_queue_end(struct sched *s, struct sched_target *t, int err, const char *text)
{
	struct sched_call *c;

	while ((c = sched_queue_pop(s, t)) != NULL) {
		sched_call_end(s, c, err, text);
	}
}

/* Takes out of a target's queue what match says; each is answered err, or only dropped (err 0). */
static void
sched_queue_remove(struct sched *s, struct sched_target *t, uint64_t call, uint16_t client, int err)
{
	uint32_t n = t->cnt;

	while (n-- > 0) {
		struct sched_call *c = sched_queue_pop(s, t);

		if ((call != 0 && c->d.call == call) || (client != 0 && c->client == client)) {
			if (err != 0) {
				sched_call_end(s, c, err, "");
			} else {
				sched_call_free(s, c);
			}
		} else {
			sched_queue_push(s, t, c); /* n turns: the order is as it was */
		}
	}
}

static bool
sched_exec_in(const uint64_t *set, uint16_t exec)
{
	return (set[exec / 64] >> (exec % 64) & 1) != 0;
}

static void
sched_exec_set(uint64_t *set, uint16_t exec, bool in)
{
	uint64_t bit = UINT64_C(1) << (exec % 64);

	set[exec / 64] = in ? set[exec / 64] | bit : set[exec / 64] & ~bit;
}

/* Recomputes which executors can run each target, from the table as it is shown. */
static void
sched_targets_refresh(struct sched *s)
{
	uint64_t gen;
	const struct placement_copy *p = placement_shown(s->placement, &gen);

	for (uint32_t i = 0; i < FUNCTION_CNT_MAX; i++) {
		memcpy(s->target[i].exec, p->fn[i].exec, sizeof(p->fn[i].exec));
		if (p->fn[i].id == 0) {
			memset(s->target[i].exec, 0, sizeof(s->target[i].exec));
		}
	}
	for (uint32_t i = 0; i < DAG_CNT_MAX; i++) {
		const struct placement_dag *dag = &p->dag[i];
		struct sched_target *t = &s->target[FUNCTION_CNT_MAX + i];

		memset(t->exec, dag->id != 0 ? 0xff : 0, sizeof(t->exec));
		for (uint32_t v = 0; dag->id != 0 && v < dag->vertex_cnt; v++) {
			const struct sched_target *f =
				&s->target[dag->vertex[v].fn % FUNCTION_CNT_MAX];

			for (uint32_t w = 0; w < PLACEMENT_EXEC_WORDS; w++) {
				t->exec[w] &= f->exec[w];
			}
		}
	}
}

/* --------------------------------------------------------------- dispatch */

static void
sched_wake_at(struct sched *s, uint64_t at_ns)
{
	s->timer_ns = at_ns < s->timer_ns ? at_ns : s->timer_ns;
}

/* The next call that exec can run: the oldest head. */
static struct sched_target *
sched_oldest(struct sched *s, uint16_t exec)
{
	struct sched_target *best = NULL;
	uint64_t seq = UINT64_MAX;

	for (uint32_t i = 0; i < TARGET_CNT; i++) {
		struct sched_target *t = &s->target[i];

		if (t->head != 0 && sched_exec_in(t->exec, exec) &&
		    s->call[t->head - 1].seq < seq) {
			best = t;
			seq = s->call[t->head - 1].seq;
		}
	}
	return best;
}

/* Sends a call to an executor whose claim is ours. */
static bool
sched_send(struct sched *s, struct sched_call *c, uint16_t exec)
{
	if (s->ops.send(s->ops.ctx, exec, &c->d) != 0) {
		return false;
	}
	c->exec = exec;
	s->running[exec] = (uint32_t)(c - s->call + 1);
	return true;
}

/* exec is free and its claim is ours: give it work, or give the claim back. */
static void
sched_exec_next(struct sched *s, uint16_t exec, uint64_t now_ns)
{
	struct sched_target *t;

	while (!s->draining[exec] && (t = sched_oldest(s, exec)) != NULL) {
		struct sched_call *c = sched_queue_pop(s, t);

		if (c->d.b != 0 && c->d.b <= now_ns) {
			sched_call_end(s, c, MB_ERR_DEADLINE, "it passed while the call waited");
			continue;
		}
		if (sched_send(s, c, exec)) {
			return;
		}
		/* It is dead, and ctl's word about that is on its way; or it has not read its port
		 * for a while, and nobody will tell us when it has. */
		sched_queue_push_front(s, t, c);
		sched_wake_at(s, now_ns + SCHED_RETRY_NS);
		break;
	}
	claim_drop(s->hints, exec);
}

/* Tries to get exec, which may be in a client's hands. */
static void
sched_exec_try(struct sched *s, uint16_t exec, uint64_t now_ns)
{
	if (s->running[exec] != 0 || s->draining[exec] || sched_oldest(s, exec) == NULL) {
		return;
	}
	do {
		if (claim_try(s->hints, exec, SCHED_WHO)) {
			s->busy_since_ns[exec] = 0;
			sched_exec_next(s, exec, now_ns);
			return;
		}
	} while (!claim_want(s->hints, exec));
	if (s->busy_since_ns[exec] == 0) {
		s->busy_since_ns[exec] = now_ns;
	} else if (now_ns - s->busy_since_ns[exec] > SCHED_STUCK_NS &&
		   s->ops.idle(s->ops.ctx, exec)) {
		claim_drop(s->hints, exec); /* S4: whoever took it does not use it */
		s->busy_since_ns[exec] = 0;
	}
	sched_wake_at(s, now_ns + SCHED_RETRY_NS);
}

static void
sched_target_run(struct sched *s, struct sched_target *t, uint64_t now_ns)
{
	uint32_t start = (uint32_t)rng_below(&s->rng, EXEC_END);

	for (uint32_t i = 0; i < EXEC_END && t->head != 0; i++) {
		uint16_t exec = (uint16_t)((start + i) % EXEC_END);

		if (sched_exec_in(t->exec, exec)) {
			sched_exec_try(s, exec, now_ns);
		}
	}
}

static bool
sched_exec_none(const uint64_t *set)
{
	uint64_t any = 0;

	for (uint32_t w = 0; w < PLACEMENT_EXEC_WORDS; w++) {
		any |= set[w];
	}
	return any == 0;
}

/* Asks ctl for executors for a target that has none. */
static void
sched_pin_want(struct sched *s, uint32_t target)
{
	struct desc m = { .kind = DESC_PIN_WANT };
	uint64_t gen;
	const struct placement_copy *p = placement_shown(s->placement, &gen);

	if (s->target[target].pin_wanted) {
		return;
	}
	s->target[target].pin_wanted = true;
	if (target < FUNCTION_CNT_MAX) {
		m.a = p->fn[target].id;
		s->ops.tell_ctl(s->ops.ctx, &m);
		return;
	}
	for (uint32_t v = 0; v < p->dag[target - FUNCTION_CNT_MAX].vertex_cnt; v++) {
		m.a = p->dag[target - FUNCTION_CNT_MAX].vertex[v].fn;
		s->ops.tell_ctl(s->ops.ctx, &m);
	}
}

/* ------------------------------------------------------- from processes */

static void
sched_on_call(struct sched *s, uint16_t proc, const struct desc *d, uint64_t now_ns)
{
	uint32_t idx = sched_target_idx(s, d);
	struct sched_target *t;
	struct sched_call *c;

	if (idx == TARGET_NONE) {
		sched_answer(s, proc, d->call,
			     (d->sub & CALL_DAG) != 0 ? MB_ERR_NO_DAG : MB_ERR_NO_FUNCTION, "");
		return;
	}
	t = &s->target[idx];
	c = t->cnt < s->queue_max ? sched_call_alloc(s, d, proc) : NULL;
	if (c == NULL) {
		sched_answer(s, proc, d->call, MB_ERR_BUSY, "too many calls wait; try again later");
		return;
	}
	sched_queue_push(s, t, c);
	if (sched_exec_none(t->exec)) {
		sched_pin_want(s, idx);
	} else {
		sched_target_run(s, t, now_ns);
	}
}

/* Results that nobody will read: the executor gets the hold back that it gave to their reader. It
 * may have given it after it heard of the reader's death, so that nothing else will return it. */
static void
sched_reply_drop(struct sched *s, uint16_t exec, const struct desc *d)
{
	struct desc m = { .kind = DESC_RELEASE,
			  .a = call_id_proc(d->call),
			  .release = { .inc = d->ref.inc,
				       .proc = exec,
				       .cnt = 1,
				       .handle = { d->ref.handle } } };

	if ((d->flags & DESC_F_INLINE) == 0) {
		s->ops.send(s->ops.ctx, exec, &m);
	}
}

static void
sched_on_reply(struct sched *s, uint16_t exec, const struct desc *d, uint64_t now_ns)
{
	struct sched_call *c;

	if (exec >= EXEC_END || s->running[exec] == 0 ||
	    s->call[s->running[exec] - 1].d.call != d->call) {
		return; /* it was never asked */
	}
	c = &s->call[s->running[exec] - 1];
	s->running[exec] = 0;
	if (c->client != 0) {
		s->ops.send(s->ops.ctx, c->client, d);
	} else {
		sched_reply_drop(s, exec, d);
	}
	sched_call_free(s, c);
	if (s->draining[exec]) {
		struct desc m = { .kind = DESC_EXEC_DRAIN, .a = exec };

		s->ops.tell_ctl(s->ops.ctx, &m);
	}
	sched_exec_next(s, exec, now_ns);
}

static void
sched_stop(struct sched *s, uint16_t exec, uint64_t call, int err)
{
	struct desc m = { .kind = DESC_EXEC_STOP, .a = exec, .call = call, .err = (int16_t)err };

	s->ops.tell_ctl(s->ops.ctx, &m);
}

/* Ends a call wherever it stands: waiting, it is answered; running, it will not be repeated.
 * Returns where it runs; 0: nowhere that is known here. */
static uint16_t
sched_call_cancel(struct sched *s, uint64_t call, int err)
{
	for (uint32_t i = 0; i < TARGET_CNT; i++) {
		sched_queue_remove(s, &s->target[i], call, 0, err);
	}
	for (uint16_t e = PROC_EXEC_FIRST; e < EXEC_END; e++) {
		struct sched_call *c = s->running[e] != 0 ? &s->call[s->running[e] - 1] : NULL;

		if (c != NULL && c->d.call == call) {
			c->d.sub |= 1 << CALL_ATTEMPT_SHIFT;
			return e;
		}
	}
	return 0;
}

static void
sched_on_cancel(struct sched *s, uint16_t proc, const struct desc *d)
{
	uint16_t exec;

	if (call_id_proc(d->call) != proc) {
		return; /* not its call */
	}
	exec = sched_call_cancel(s, d->call, d->err);
	if (exec == 0 && d->a >= PROC_EXEC_FIRST && d->a < EXEC_END) {
		exec = d->a; /* sent directly: its caller knows where */
	}
	if (exec != 0) {
		sched_stop(s, exec, d->call, d->err);
	}
}

void
sched_on_proc(struct sched *s, uint16_t proc, const struct desc *d, uint64_t now_ns)
{
	struct desc m = *d;

	switch (d->kind) {
	case DESC_CALL:
		if (call_id_proc(d->call) == proc) {
			sched_on_call(s, proc, d, now_ns);
		} else {
			sched_answer(s, proc, d->call, MB_ERR_INVALID,
				     "the call's id is not yours");
		}
		break;
	case DESC_REPLY:
		sched_on_reply(s, proc, d, now_ns);
		break;
	case DESC_FREED:
		if (d->a >= PROC_EXEC_FIRST && d->a < EXEC_END) {
			sched_exec_try(s, d->a, now_ns);
		}
		break;
	case DESC_CANCEL:
		sched_on_cancel(s, proc, d);
		break;
	case DESC_RELEASE:
		m.a = proc; /* whose holds they are */
		if (d->release.proc != PROC_DAEMON && d->release.proc < PROC_CNT_MAX) {
			s->ops.send(s->ops.ctx, d->release.proc, &m);
		}
		break;
	default:
		break;
	}
}

/* ------------------------------------------------------------- from ctl */

static void
sched_exec_mask(struct sched *s, uint16_t exec, const struct ctl_exec_set *set)
{
	struct placement_copy *p = placement_edit(s->placement);

	for (uint32_t i = 0; i < FUNCTION_CNT_MAX; i++) {
		sched_exec_set(p->fn[i].exec, exec, false);
	}
	for (uint32_t i = 0; set != NULL && i < set->cnt; i++) {
		struct placement_fn *f = &p->fn[set->fn[i] % FUNCTION_CNT_MAX];

		if (f->id == set->fn[i]) {
			sched_exec_set(f->exec, exec, true);
		}
	}
	placement_show(s->placement);
	sched_targets_refresh(s);
}

static void
sched_on_exec_up(struct sched *s, uint16_t exec, struct ctl_exec_set *set, uint64_t now_ns)
{
	s->draining[exec] = false;
	claim_drop(s->hints, exec);
	sched_exec_mask(s, exec, set);
	for (uint32_t i = 0; i < TARGET_CNT; i++) {
		if (sched_exec_in(s->target[i].exec, exec)) {
			s->target[i].pin_wanted = false;
		}
	}
	free(set);
	sched_exec_try(s, exec, now_ns);
}

static void
sched_on_fn_put(struct sched *s, struct placement_fn *fn)
{
	struct placement_copy *p = placement_edit(s->placement);
	uint32_t i = fn->id % FUNCTION_CNT_MAX;

	for (uint32_t k = 0; k < FUNCTION_CNT_MAX; k++) {
		if (strcmp(p->fn[k].name, fn->name) == 0) {
			p->fn[k].name[0] = '\0'; /* an older version: found by id, not by name */
		}
	}
	p->fn[i] = *fn;
	memset(p->fn[i].exec, 0, sizeof(p->fn[i].exec));
	p->fn_cnt = i + 1 > p->fn_cnt ? i + 1 : p->fn_cnt;
	placement_show(s->placement);
	s->target[i].pin_wanted = false;
	sched_targets_refresh(s);
	free(fn);
}

static void
sched_on_dag_put(struct sched *s, struct placement_dag *dag)
{
	struct placement_copy *p = placement_edit(s->placement);
	uint32_t i = dag->id % DAG_CNT_MAX;

	p->dag[i] = *dag;
	p->dag_cnt = i + 1 > p->dag_cnt ? i + 1 : p->dag_cnt;
	placement_show(s->placement);
	s->target[FUNCTION_CNT_MAX + i].pin_wanted = false;
	sched_targets_refresh(s);
	free(dag);
}

/* instead: the id under which its waiting calls go on; 0: they are answered. */
static void
sched_on_del(struct sched *s, uint16_t id, uint16_t instead, bool dag, uint64_t now_ns)
{
	struct placement_copy *p = placement_edit(s->placement);
	uint32_t i = dag ? (uint32_t)(FUNCTION_CNT_MAX + id % DAG_CNT_MAX)
			 : (uint32_t)(id % FUNCTION_CNT_MAX);

	if (dag && p->dag[id % DAG_CNT_MAX].id == id) {
		p->dag[id % DAG_CNT_MAX].id = 0;
	} else if (!dag && p->fn[i].id == id) {
		p->fn[i].id = 0;
	}
	placement_show(s->placement);
	sched_targets_refresh(s);
	if (instead != 0) {
		struct sched_target *t = &s->target[instead % FUNCTION_CNT_MAX];
		struct sched_call *c;

		while ((c = sched_queue_pop(s, &s->target[i])) != NULL) {
			c->d.a = instead;
			sched_queue_push(s, t, c);
		}
		sched_target_run(s, t, now_ns);
	}
	sched_queue_end(s, &s->target[i], dag ? MB_ERR_NO_DAG : MB_ERR_NO_FUNCTION,
			"it was removed");
}

/* A function could not be given to any executor: what waits for it, alone or in a DAG, ends. */
static void
sched_on_pin_failed(struct sched *s, uint16_t id, int err)
{
	uint64_t gen;
	const struct placement_copy *p = placement_shown(s->placement, &gen);

	for (uint32_t i = 0; i < TARGET_CNT; i++) {
		bool hit = i == id % FUNCTION_CNT_MAX;

		if (i >= FUNCTION_CNT_MAX) {
			const struct placement_dag *dag = &p->dag[i - FUNCTION_CNT_MAX];

			for (uint32_t v = 0; dag->id != 0 && v < dag->vertex_cnt; v++) {
				hit |= dag->vertex[v].fn == id;
			}
		}
		if (hit && sched_exec_none(s->target[i].exec)) {
			s->target[i].pin_wanted = false;
			sched_queue_end(s, &s->target[i], err, "");
		}
	}
}

void
sched_on_ctl(struct sched *s, const struct desc *d, uint64_t now_ns)
{
	struct desc m = *d;

	switch (d->kind) {
	case DESC_FN_PUT:
		sched_on_fn_put(s, (struct placement_fn *)(uintptr_t)d->word[0]);
		break;
	case DESC_DAG_PUT:
		sched_on_dag_put(s, (struct placement_dag *)(uintptr_t)d->word[0]);
		break;
	case DESC_FN_DEL:
		sched_on_del(s, d->a, (uint16_t)d->b, false, now_ns);
		break;
	case DESC_DAG_DEL:
		sched_on_del(s, d->a, 0, true, now_ns);
		break;
	case DESC_EXEC_UP:
		sched_on_exec_up(s, d->a, (struct ctl_exec_set *)(uintptr_t)d->word[0], now_ns);
		break;
	case DESC_EXEC_DRAIN:
		s->draining[d->a] = true;
		sched_exec_mask(s, d->a, NULL);
		if (s->running[d->a] == 0) {
			s->ops.tell_ctl(s->ops.ctx, &m);
		}
		break;
	case DESC_PIN_FAILED:
		sched_on_pin_failed(s, d->a, d->err);
		break;
	case DESC_CALL_END:
		sched_call_cancel(s, d->call, d->err);
		break;
	case DESC_SYNC:
		s->ops.tell_ctl(s->ops.ctx, d);
		break;
	default:
		REQUIRE(d->kind != d->kind); /* ctl is ours */
	}
}

/* ---------------------------------------------------------------- deaths */

/* What a death looks like to the caller; fits a descriptor. */
static void
sched_death_text(const struct desc *d, bool effects, char ret[DESC_INLINE_BYTES + 1])
{
	snprintf(ret, DESC_INLINE_BYTES + 1, "%s %d; its writes %s",
		 d->dead.cause == DEATH_SIGNAL ? "signal" : "exit status", (int)d->dead.status,
		 effects ? "happened" : "did not happen");
}

static void
sched_exec_down(struct sched *s, const struct desc *d, uint64_t now_ns)
{
	uint16_t exec = d->dead.proc;
	struct sched_call *c = s->running[exec] != 0 ? &s->call[s->running[exec] - 1] : NULL;
	char text[DESC_INLINE_BYTES + 1];
	uint32_t idx;

	s->running[exec] = 0;
	s->draining[exec] = false;
	s->busy_since_ns[exec] = 0;
	sched_exec_mask(s, exec, NULL);
	if (c == NULL) {
		return;
	}
	c->exec = 0;
	idx = sched_target_idx(s, &c->d);
	if (c->client == 0) {
		sched_call_free(s, c);
	} else if (d->dead.published == c->d.call || (c->d.sub & CALL_ATTEMPT_MASK) != 0 ||
		   idx == TARGET_NONE) {
		/* S3 */
		sched_death_text(d, d->dead.published == c->d.call, text);
		sched_call_end(s, c, MB_ERR_EXECUTOR_DIED, text);
	} else {
		c->d.sub |= 1 << CALL_ATTEMPT_SHIFT;
		sched_queue_push_front(s, &s->target[idx], c);
		sched_target_run(s, &s->target[idx], now_ns);
	}
}

static void
sched_client_down(struct sched *s, uint16_t client)
{
	for (uint32_t i = 0; i < TARGET_CNT; i++) {
		sched_queue_remove(s, &s->target[i], 0, client, 0);
	}
	for (uint16_t e = PROC_EXEC_FIRST; e < EXEC_END; e++) {
		struct sched_call *c = s->running[e] != 0 ? &s->call[s->running[e] - 1] : NULL;

		if (c != NULL && c->client == client) {
			/* S2: nobody to answer; the executor becomes free as usual */
			c->client = 0;
			sched_stop(s, e, c->d.call, MB_ERR_PEER_DIED);
		}
	}
}

void
sched_proc_down(struct sched *s, const struct desc *d, uint64_t now_ns)
{
	if (d->dead.proc < PROC_CLIENT_FIRST) {
		sched_exec_down(s, d, now_ns);
	} else {
		sched_client_down(s, d->dead.proc);
	}
}

/* ------------------------------------------------------------------ time */

void
sched_poll(struct sched *s, uint64_t now_ns)
{
	if (now_ns < s->timer_ns) {
		return;
	}
	s->timer_ns = SCHED_TIMER_NONE;
	for (uint32_t i = 0; i < TARGET_CNT; i++) {
		if (s->target[i].head != 0) {
			sched_target_run(s, &s->target[i], now_ns);
		}
	}
}

uint64_t
sched_timer(const struct sched *s)
{
	return s->timer_ns;
}

uint32_t
sched_queued_fn(const struct sched *s, uint32_t fn_idx)
{
	uint32_t cnt = 0;

	for (uint32_t i = s->target[fn_idx].head; i != 0; i = s->call[i - 1].next) {
		cnt++;
	}
	return cnt;
}

uint32_t
sched_queued(const struct sched *s)
{
	uint32_t cnt = 0;

	for (uint32_t i = 0; i < TARGET_CNT; i++) {
		cnt += sched_queued_fn(s, i);
	}
	return cnt;
}

uint32_t
sched_running(const struct sched *s)
{
	uint32_t cnt = 0;

	for (uint32_t e = 0; e < EXEC_END; e++) {
		cnt += s->running[e] != 0;
	}
	return cnt;
}
