/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl_use.h"

#include <string.h>

#include <microburst/value.h>

#include "sched_log.h"

static const struct stages *
stages_of(const struct ctl *c, const struct proc *p)
{
	return &region_trace(&c->peers->peer[p->idx].region)->stages;
}

static uint64_t
load(const _Atomic uint64_t *v)
{
	return atomic_load_explicit(v, memory_order_relaxed);
}

/* ---------------------------------------------------------------- believed */

#define LIFE_SLACK_NS  NS_PER_S
/* Of a process's calls so many may wait at a time. */
#define WAIT_CNT_MAX   ((double)PROC_CNT_MAX * 1024)
/* So many bytes a function may hold at a time. */
#define HELD_BYTES_MAX ((double)(2 * MB_VALUES_MAX) * (64 << 20))

/* Looks once at a histogram that its process may write meanwhile. Returns whether it had the time
 * for that, with so many calls at a time. */
static bool
sum_take(const struct ctl *c, const struct proc *p, const struct stage_hist *h, double at_a_time,
	 struct stage_sum *ret)
{
	double life_ns = (double)(ctl_now(c) - p->live_ns + LIFE_SLACK_NS);

	memset(ret, 0, sizeof(*ret));
	stage_sum_add(ret, h);
	return (double)stage_sum_cnt(ret) <= life_ns && stage_sum_ns(ret) <= life_ns * at_a_time;
}

/* The same of all that a function used. */
static bool
use_take(const struct ctl *c, const struct proc *p, const struct stage_use *from,
	 struct ctl_use *ret)
{
	double life_ns = (double)(ctl_now(c) - p->live_ns + LIFE_SLACK_NS);

	ret->run_ns = load(&from->run_ns);
	ret->failed = load(&from->failed);
	ret->byte_us = load(&from->byte_us);
	return sum_take(c, p, &from->run, 1, &ret->run) && (double)ret->run_ns <= life_ns &&
	       (double)ret->failed <= life_ns &&
	       (double)ret->byte_us <= life_ns / 1000 * HELD_BYTES_MAX;
}

static void
sum_add(struct stage_sum *to, const struct stage_sum *from)
{
	for (uint32_t i = 0; i < STAGE_BUCKET_CNT; i++) {
		to->bucket[i] += from->bucket[i];
	}
}

static void
use_add(const struct ctl *c, const struct proc *p, uint16_t id, struct ctl_use *to)
{
	struct ctl_use own;

	if (use_take(c, p, &stages_of(c, p)->use[id % FUNCTION_CNT_MAX], &own)) {
		to->run_ns += own.run_ns;
		to->failed += own.failed;
		to->byte_us += own.byte_us;
		sum_add(&to->run, &own.run);
	}
}

static void
stage_take(const struct ctl *c, const struct proc *p, enum stage stage, struct stage_sum *to)
{
	struct stage_sum own;

	if (sum_take(c, p, &stages_of(c, p)->hist[stage], WAIT_CNT_MAX, &own)) {
		sum_add(to, &own);
	}
}

/* Adds how long all functions of an executor ran. */
static void
add_runs(const struct ctl *c, const struct proc *p, struct stage_sum *sum)
{
	for (uint32_t i = 0; p->is_executor && i < c->exec[p->idx].fn_cnt; i++) {
		struct ctl_use own;

		if (use_take(c, p, &stages_of(c, p)->use[c->exec[p->idx].fn[i] % FUNCTION_CNT_MAX],
			     &own)) {
			sum_add(sum, &own.run);
		}
	}
}

/* ------------------------------------------------------------------- gone */

/* The row of a name; one that is free, or that no function has any more, becomes it. There is one:
 * the registry has as many functions as there are rows. */
static uint16_t
use_row(struct ctl *c, const char *name)
{
	struct ctl_uses *u = c->uses;
	uint16_t row = 0;

	for (uint16_t i = 0; i < FUNCTION_CNT_MAX; i++) {
		if (strcmp(u->use[i].name, name) == 0) {
			return i;
		}
		if (u->use[i].name[0] == '\0' ||
		    registry_fn(&c->registry, u->use[i].name) == NULL) {
			row = i;
		}
	}
	for (uint32_t i = 0; i < FUNCTION_CNT_MAX; i++) {
		u->version[i].id = u->version[i].row == row ? 0 : u->version[i].id;
	}
	memset(&u->use[row], 0, sizeof(u->use[row]));
	memcpy(u->use[row].name, name, NAME_BYTES_MAX);
	return row;
}

void
ctl_use_deployed(struct ctl *c, const struct fn *f)
{
	uint16_t row = use_row(c, f->name);

	c->uses->version[f->id % FUNCTION_CNT_MAX].id = f->id;
	c->uses->version[f->id % FUNCTION_CNT_MAX].row = row;
}

static struct ctl_use *
use_of(struct ctl *c, uint16_t id)
{
	return c->uses->version[id % FUNCTION_CNT_MAX].id == id
		       ? &c->uses->use[c->uses->version[id % FUNCTION_CNT_MAX].row]
		       : NULL;
}

void
ctl_use_gone(struct ctl *c, const struct proc *p)
{
	for (uint32_t i = 0; i < STAGE_CNT; i++) {
		stage_take(c, p, (enum stage)i, &c->uses->stage[i]);
	}
	add_runs(c, p, &c->uses->stage[STAGE_RUN]);
	for (uint32_t i = 0; p->is_executor && i < c->exec[p->idx].fn_cnt; i++) {
		uint16_t id = c->exec[p->idx].fn[i];
		struct ctl_use *u = use_of(c, id);

		if (u != NULL) {
			use_add(c, p, id, u);
		}
	}
}

/* ------------------------------------------------------------------- shown */

static json_t *
buckets(const struct stage_sum *sum)
{
	json_t *a = json_array();

	for (uint32_t i = 0; i < STAGE_BUCKET_CNT; i++) {
		if (sum->bucket[i] != 0) {
			json_array_append_new(a, json_integer((json_int_t)i));
			json_array_append_new(a, json_integer((json_int_t)sum->bucket[i]));
		}
	}
	return a;
}

static void
quantiles(json_t *o, const struct stage_sum *sum)
{
	json_object_set_new(o, "p50_ns", json_integer((json_int_t)stage_quantile(sum, 0.5)));
	json_object_set_new(o, "p99_ns", json_integer((json_int_t)stage_quantile(sum, 0.99)));
	json_object_set_new(o, "buckets", buckets(sum));
}

/* All that is known of a function: what is gone, and each executor that has a version of it. */
static void
use_sum(struct ctl *c, const struct ctl_use *row, struct ctl_use *ret)
{
	*ret = *row;
	for (uint16_t e = PROC_EXEC_FIRST; e < PROC_CLIENT_FIRST; e++) {
		const struct proc *p = &c->procs.proc[e];

		for (uint32_t i = 0; p->state == PROC_LIVE && i < c->exec[e].fn_cnt; i++) {
			uint16_t id = c->exec[e].fn[i];

			if (use_of(c, id) == row) {
				use_add(c, p, id, ret);
			}
		}
	}
}

uint64_t
ctl_use_calls(struct ctl *c, const struct fn *f)
{
	const struct ctl_use *row = use_of(c, f->id);
	struct ctl_use u;

	if (row == NULL) {
		return 0;
	}
	use_sum(c, row, &u);
	return stage_sum_cnt(&u.run);
}

json_t *
ctl_use_functions(struct ctl *c)
{
	json_t *a = json_array();

	for (uint32_t i = 0; i < FUNCTION_CNT_MAX; i++) {
		const struct fn *f = &c->registry.fn[i];
		const struct ctl_use *row = use_of(c, f->id);
		struct ctl_use u;
		json_t *o;

		if (f->id == 0 || row == NULL || registry_fn(&c->registry, f->name) != f) {
			continue;
		}
		use_sum(c, row, &u);
		o = json_pack("{s:s, s:I, s:I, s:I, s:I}", "name", f->name, "finished",
			      (json_int_t)stage_sum_cnt(&u.run), "failed", (json_int_t)u.failed,
			      "run_ns", (json_int_t)u.run_ns, "byte_us", (json_int_t)u.byte_us);
		quantiles(o, &u.run);
		json_array_append_new(a, o);
	}
	return a;
}

json_t *
ctl_use_stages(struct ctl *c)
{
	json_t *a = json_array();

	for (uint32_t i = 0; i < STAGE_CNT; i++) {
		struct stage_sum sum = c->uses->stage[i];
		json_t *o;

		for (uint16_t p = 1; p < PROC_CNT_MAX; p++) {
			if (c->procs.proc[p].state == PROC_LIVE) {
				stage_take(c, &c->procs.proc[p], (enum stage)i, &sum);
			}
			if (c->procs.proc[p].state == PROC_LIVE && i == STAGE_RUN) {
				add_runs(c, &c->procs.proc[p], &sum);
			}
		}
		if (i == STAGE_QUEUE) {
			stage_sum_add(&sum, &c->cfg.sched_log->queue);
		}
		o = json_pack("{s:s, s:I}", "name", stage_name((enum stage)i), "calls",
			      (json_int_t)stage_sum_cnt(&sum));
		quantiles(o, &sum);
		json_array_append_new(a, o);
	}
	return a;
}

void
ctl_use_exec(struct ctl *c, uint16_t e, json_t *o)
{
	struct stage_sum sum = { 0 };

	add_runs(c, &c->procs.proc[e], &sum);
	quantiles(o, &sum);
}
