/* SPDX-License-Identifier: Apache-2.0 */
/* sched_table - what ctl says: functions, DAGs and executors come and go, in the placement table
 * and in the queues */
#include <stdlib.h>
#include <string.h>

#include "call.h"
#include "check.h"
#include "compiler.h"
#include "microburst/error.h"
#include "sched_int.h"

void
sched_exec_mask(struct sched *s, uint16_t exec, const struct ctl_exec_set *set)
{
	struct placement_copy *p = placement_edit(s->placement);

	for (uint32_t i = 0; i < FUNCTION_CNT_MAX; i++) {
		sched_exec_set(p->fn[i].exec, exec, false);
	}
	p->cpu[exec] = set != NULL ? set->cpu : 0;
	for (uint32_t i = 0; set != NULL && i < set->cnt; i++) {
		struct placement_fn *f = &p->fn[set->fn[i] % FUNCTION_CNT_MAX];

		if (f->id == set->fn[i]) {
			sched_exec_set(f->exec, exec, true);
		}
	}
	placement_show(s->placement);
	sched_targets_refresh(s);
}

/* U5 (sched_run.c): an executor that goes stays for the runs that are under way now. */
static void
sched_keep(struct sched *s, uint16_t exec)
{
	if (sched_runs(s) == 0) {
		return;
	}
	s->drain_seq[exec] = s->seq + 1;
	s->kept_cnt++;
	for (uint32_t i = 0; i < FUNCTION_CNT_MAX; i++) {
		if (placement_in(s->target[i].exec, exec)) {
			sched_exec_set(s->target[i].kept, exec, true);
			sched_queue_parts_first(s, &s->target[i]);
		}
	}
}

void
sched_unkeep(struct sched *s, uint16_t exec)
{
	s->kept_cnt -= s->drain_seq[exec] != 0;
	s->drain_seq[exec] = 0;
	for (uint32_t i = 0; i < FUNCTION_CNT_MAX; i++) {
		sched_exec_set(s->target[i].kept, exec, false);
	}
}

/* DAG calls that wait for an executor with all functions, when there are some that have them
 * together. */
static void
sched_dags_divide(struct sched *s, uint64_t now_ns)
{
	for (uint32_t i = FUNCTION_CNT_MAX; i < TARGET_CNT; i++) {
		struct sched_target *t = &s->target[i];

		while (t->head != 0 && sched_exec_none(t->exec) &&
		       sched_run_wanted(s, i, &s->call[t->head - 1].d)) {
			struct sched_call *c = sched_queue_pop(s, t);
			struct sched_call call = *c;

			c->d.flags &= (uint8_t)~CALL_F_KEPT; /* its arguments go with the run */
			sched_call_free(s, c);
			sched_run_start(s, call.client, &call.d);
		}
	}
	sched_waiting_run(s, now_ns);
}

static void
sched_on_exec_up(struct sched *s, uint16_t exec, struct ctl_exec_set *set, uint64_t now_ns)
{
	s->draining[exec] = DRAIN_NO;
	claim_drop(s->hints, exec);
	sched_exec_mask(s, exec, set);
	for (uint32_t i = 0; i < TARGET_CNT; i++) {
		if (placement_in(s->target[i].exec, exec)) {
			s->target[i].pin_wanted = false;
		}
	}
	free(set);
	sched_dags_divide(s, now_ns);
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
	s->target[i].run_ns = 0;
	p->fn_cnt = i + 1 > p->fn_cnt ? i + 1 : p->fn_cnt;
	placement_show(s->placement);
	s->target[i].pin_wanted = false;
	s->target[i].instead = 0;
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

/* What waits for a function that is no more goes on under its successor's id, or ends; but parts
 * for which executors were kept wait for those. */
void
sched_fn_gone(struct sched *s, uint32_t i)
{
	struct sched_target *t = &s->target[i];
	uint64_t gen;
	const struct placement_copy *p = placement_shown(s->placement, &gen);
	bool renewed = placement_fn_get(p, t->instead) != NULL;
	bool kept = !sched_exec_none(t->kept);

	for (uint32_t n = t->cnt; n > 0; n--) {
		struct sched_call *c = sched_queue_pop(s, t);

		if (c == NULL) {
			return; /* the end of a run took more than one */
		}
		if (c->run != 0 && kept) {
			sched_queue_push(s, t, c);
		} else if (!renewed) {
			sched_call_end(s, c, MB_ERR_NO_FUNCTION, "it was removed");
		} else {
			if (c->run != 0) {
				sched_run_part_renew(s, c);
				continue;
			}
			c->d.a = t->instead;
			sched_queue_push(s, &s->target[t->instead % FUNCTION_CNT_MAX], c);
		}
	}
}

/* instead: the id under which its waiting calls go on; 0: they are answered. */
static void
sched_on_fn_del(struct sched *s, uint16_t id, uint16_t instead, uint64_t now_ns)
{
	struct placement_copy *p = placement_edit(s->placement);
	uint32_t i = id % FUNCTION_CNT_MAX;

	if (p->fn[i].id == id) {
		p->fn[i].id = 0;
	}
	placement_show(s->placement);
	sched_targets_refresh(s);
	s->target[i].instead = instead;
	sched_fn_gone(s, i);
	sched_waiting_run(s, now_ns);
}

static void
sched_on_dag_del(struct sched *s, uint16_t id)
{
	struct placement_copy *p = placement_edit(s->placement);
	uint32_t i = id % DAG_CNT_MAX;

	if (p->dag[i].id == id) {
		p->dag[i].id = 0;
	}
	placement_show(s->placement);
	sched_targets_refresh(s);
	sched_queue_end(s, &s->target[FUNCTION_CNT_MAX + i], MB_ERR_NO_DAG, "it was removed");
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
	s->now_ns = now_ns;
	switch (d->kind) {
	case DESC_FN_PUT:
		sched_on_fn_put(s, (struct placement_fn *)(uintptr_t)d->word[0]);
		break;
	case DESC_DAG_PUT:
		sched_on_dag_put(s, (struct placement_dag *)(uintptr_t)d->word[0]);
		break;
	case DESC_FN_DEL:
		sched_on_fn_del(s, d->a, (uint16_t)d->b, now_ns);
		break;
	case DESC_DAG_DEL:
		sched_on_dag_del(s, d->a);
		break;
	case DESC_EXEC_UP:
		sched_on_exec_up(s, d->a, (struct ctl_exec_set *)(uintptr_t)d->word[0], now_ns);
		break;
	case DESC_EXEC_DRAIN:
		s->draining[d->a] = DRAIN_ON;
		sched_keep(s, d->a);
		sched_exec_mask(s, d->a, NULL);
		sched_drained(s, d->a);
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
