/* SPDX-License-Identifier: Apache-2.0 */
/* sched_queue - calls that wait: their records, the queue of each target, who can run a target */
#include <stdlib.h>
#include <string.h>

#include "call.h"
#include "check.h"
#include "microburst/error.h"
#include "sched_int.h"

/* ---------------------------------------------------------------- records */

struct sched_call *
sched_call_alloc(struct sched *s, const struct desc *d, uint16_t client, uint64_t seq)
{
	struct sched_call *c;

	if (s->free == 0) {
		return NULL;
	}
	c = &s->call[s->free - 1];
	s->free = c->next;
	*c = (struct sched_call){ .d = *d, .seq = seq, .came_ns = s->now_ns, .client = client };
	return c;
}

void
sched_args_drop(struct sched *s, struct desc *d)
{
	if ((d->flags & CALL_F_KEPT) != 0) {
		d->flags &= (uint8_t)~CALL_F_KEPT;
		sched_payload_return(s, &d->ref, PROC_DAEMON);
	}
}

/* A part's arguments are its run's. */
void
sched_call_free(struct sched *s, struct sched_call *c)
{
	if (c->run == 0) {
		sched_args_drop(s, &c->d);
	}
	c->run = 0;
	c->client = 0;
	c->next = s->free;
	s->free = (uint32_t)(c - s->call + 1);
}

/* Answers a call without its having run, or after it died. */
void
sched_answer(struct sched *s, uint16_t client, uint64_t call, int err, const char *text)
{
	struct desc r = { .kind = DESC_REPLY,
			  .flags = DESC_F_INLINE,
			  .call = call,
			  .err = (int16_t)err };

	r.len = (uint8_t)strnlen(text, DESC_INLINE_BYTES);
	memcpy(r.data, text, r.len);
	sched_deliver(s, client, &r);
}

/* An answer goes to who called: a process, or a request. */
void
sched_deliver(struct sched *s, uint16_t client, const struct desc *answer)
{
	if (client == SCHED_SELF) {
		sched_request_done(s, answer);
	} else {
		s->ops.send(s->ops.ctx, client, answer);
	}
}

void
sched_call_end(struct sched *s, struct sched_call *c, int err, const char *text)
{
	if (c->run != 0) {
		sched_run_part_end(s, c, err, text);
		return;
	}
	sched_answer(s, c->client, c->d.call, err, text);
	sched_call_free(s, c);
}

/* ---------------------------------------------------------------- targets */

uint32_t
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
sched_queue_marked(struct sched *s, struct sched_target *t)
{
	uint32_t i = (uint32_t)(t - s->target);
	uint64_t bit = UINT64_C(1) << (i % 64);

	s->waiting[i / 64] = t->head != 0 ? s->waiting[i / 64] | bit : s->waiting[i / 64] & ~bit;
}

void
sched_queue_push(struct sched *s, struct sched_target *t, struct sched_call *c)
{
	uint32_t i = (uint32_t)(c - s->call + 1);

	c->next = 0;
	c->exec = 0;
	c->ahead = t->cnt;
	if (t->tail != 0) {
		s->call[t->tail - 1].next = i;
	} else {
		t->head = i;
	}
	t->tail = i;
	t->cnt++;
	sched_queue_marked(s, t);
}

/* Back to where it was: a call that has to run again goes before those that came after it. */
void
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
	sched_queue_marked(s, t);
}

struct sched_call *
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
	sched_queue_marked(s, t);
	return c;
}

/* Answers everything that waits for a target. */
void
sched_queue_end(struct sched *s, struct sched_target *t, int err, const char *text)
{
	struct sched_call *c;

	while ((c = sched_queue_pop(s, t)) != NULL) {
		sched_call_end(s, c, err, text);
	}
}

/* Takes calls out of a target's queue, by id or by client; each is answered err, or only dropped
 * (err 0). Parts of runs stay: their run takes them out. */
void
sched_queue_remove(struct sched *s, struct sched_target *t, uint64_t call, uint16_t client, int err)
{
	uint32_t n = t->cnt;

	while (n-- > 0) {
		struct sched_call *c = sched_queue_pop(s, t);

		if (c->run == 0 &&
		    ((call != 0 && c->d.call == call) || (client != 0 && c->client == client))) {
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

/* Parts before everything else, each in its order: executors that go take nothing but parts. */
void
sched_queue_parts_first(struct sched *s, struct sched_target *t)
{
	uint32_t n = t->cnt;
	uint32_t first = 0, last = 0; /* the others */

	while (n-- > 0) {
		struct sched_call *c = sched_queue_pop(s, t);
		uint32_t i = (uint32_t)(c - s->call + 1);

		if (c->run != 0) {
			sched_queue_push(s, t, c); /* n turns: those before it are behind it now */
			continue;
		}
		c->next = 0;
		if (last != 0) {
			s->call[last - 1].next = i;
		} else {
			first = i;
		}
		last = i;
	}
	while (first != 0) {
		struct sched_call *c = &s->call[first - 1];

		first = c->next;
		sched_queue_push(s, t, c);
	}
}

bool
sched_exec_none(const uint64_t *set)
{
	uint64_t any = 0;

	for (uint32_t w = 0; w < PLACEMENT_EXEC_WORDS; w++) {
		any |= set[w];
	}
	return any == 0;
}

void
sched_exec_set(uint64_t *set, uint16_t exec, bool in)
{
	uint64_t bit = UINT64_C(1) << (exec % 64);

	set[exec / 64] = in ? set[exec / 64] | bit : set[exec / 64] & ~bit;
}

/* Recomputes which executors can run each target, from the table as it is shown. */
void
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

/* ------------------------------------------------------------------ counts */

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

	for (uint32_t w = 0; w < TARGET_WORDS; w++) {
		for (uint64_t bits = s->waiting[w]; bits != 0; bits &= bits - 1) {
			cnt += sched_queued_fn(s, w * 64 + (uint32_t)__builtin_ctzll(bits));
		}
	}
	return cnt;
}

uint32_t
sched_running(const struct sched *s)
{
	uint32_t cnt = 0;

	for (uint32_t w = 0; w < PLACEMENT_EXEC_WORDS; w++) {
		for (uint64_t bits = s->taken[w]; bits != 0; bits &= bits - 1) {
			uint32_t i = s->running[w * 64 + (uint32_t)__builtin_ctzll(bits)];

			for (; i != 0; i = s->call[i - 1].batch) {
				cnt++;
			}
		}
	}
	return cnt;
}
