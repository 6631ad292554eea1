/* SPDX-License-Identifier: Apache-2.0 */
/* ctl_deploy - deployments: tried in an executor, then shown, or refused (E3 of ctl_exec.c) */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "ctl_catalog.h"
#include "ctl_exec_int.h"
#include "ctl_use.h"

int
ctl_deploy_start(struct ctl *c, int fd, struct slice bytes, const uint16_t *fn, uint32_t cnt,
		 bool pin, uint8_t class, uint64_t *ret_seq)
{
	for (uint32_t i = 0; i < CTL_DEPLOY_MAX; i++) {
		struct ctl_deploy *d = &c->deploy[i];

		if (!d->used) {
			*d = (struct ctl_deploy){ .used = true,
						  .pin = pin,
						  .class = class,
						  .stored = bytes.len == 0,
						  .read = bytes.len == 0,
						  .seq = ++c->deploy_seq,
						  .fd = fd,
						  .fn_cnt = cnt };
			memcpy(d->fn, fn, cnt * sizeof(*fn));
			*ret_seq = d->seq;
			if (bytes.len != 0) {
				ctl_catalog_object(c,
						   registry_fn_by_id(&c->registry, fn[0])->object,
						   bytes, d->seq);
			}
			ctl_exec_step(c);
			return 0;
		}
	}
	return MB_ERR_BUSY;
}

void
ctl_deploy_stored(struct ctl *c, uint64_t seq, int err)
{
	char text[128];

	snprintf(text, sizeof(text), "the store cannot keep the object: %s", mb_err_text(err));
	for (uint32_t i = 0; i < CTL_DEPLOY_MAX; i++) {
		struct ctl_deploy *d = &c->deploy[i];

		if (d->used && d->seq == seq) {
			d->stored = true;
			if (err != 0) {
				ctl_deploy_refuse(c, d, err, text);
			}
		}
	}
	ctl_exec_step(c);
}

struct ctl_deploy *
ctl_deploy_active(struct ctl *c)
{
	for (uint32_t i = 0; i < CTL_DEPLOY_MAX; i++) {
		if (c->deploy[i].used && c->deploy[i].active) {
			return &c->deploy[i];
		}
	}
	return NULL;
}

void
ctl_dag_show(struct ctl *c, const struct dag *dag)
{
	struct placement_dag *shown = malloc(sizeof(*shown));
	struct desc d = { .kind = DESC_DAG_PUT, .a = dag->id };

	REQUIRE(shown != NULL);
	*shown = dag->plan;
	d.word[0] = (uintptr_t)shown;
	ctl_tell_tile(c, CTL_TILE_SCHED, &d);
}

/* DAGs that use older versions of a function use this one from their next call on. */
static void
ctl_dags_renew(struct ctl *c, const struct fn *f)
{
	for (uint32_t i = 0; i < DAG_CNT_MAX; i++) {
		struct dag *dag = &c->registry.dag[i];
		bool changed = false;

		for (uint32_t v = 0; dag->id != 0 && v < dag->plan.vertex_cnt; v++) {
			const struct fn *old =
				registry_fn_by_id(&c->registry, dag->plan.vertex[v].fn);

			if (old != NULL && old->version < f->version &&
			    strcmp(old->name, f->name) == 0) {
				dag->plan.vertex[v].fn = f->id;
				changed = true;
			}
		}
		if (changed) {
			ctl_dag_show(c, dag);
		}
	}
}

/* Shows the functions of a checked deployment to everybody; older ones of their names go. */
void
ctl_deploy_commit(struct ctl *c, struct ctl_deploy *dep)
{
	for (uint32_t i = 0; i < dep->fn_cnt; i++) {
		struct fn *f = registry_fn_by_id(&c->registry, dep->fn[i]);
		struct placement_fn *shown = calloc(1, sizeof(*shown));
		struct desc d = { .kind = DESC_FN_PUT, .a = f->id };

		REQUIRE(shown != NULL);
		f->shown = true;
		f->pinned = dep->pin;
		ctl_use_deployed(c, f);
		registry_fn_show(f, shown);
		d.word[0] = (uintptr_t)shown;
		ctl_tell_tile(c, CTL_TILE_SCHED, &d);
		ctl_dags_renew(c, f);
		if (!dep->read) {
			ctl_catalog_fn(c, f);
		}
	}
	c->gen++;
	c->versions_old = true; /* perhaps: the next step looks */
	ctl_catalog_deployed(c, dep, 0);
	ctl_admin_deployed(c, dep->fd, dep->fn, dep->fn_cnt);
	*dep = (struct ctl_deploy){ .fd = -1 };
}

void
ctl_deploy_refuse(struct ctl *c, struct ctl_deploy *dep, int err, const char *text)
{
	for (uint32_t i = 0; i < dep->fn_cnt; i++) {
		ctl_fn_remove(c, registry_fn_by_id(&c->registry, dep->fn[i]));
	}
	ctl_catalog_deployed(c, dep, err);
	ctl_admin_refused(c, dep->fd, err, text);
	*dep = (struct ctl_deploy){ .fd = -1 };
}

/* The spare that tries a deployment: one that can serve in a slot of its class afterwards. */
static uint16_t
ctl_deploy_spare(const struct ctl *c, const struct ctl_deploy *dep)
{
	uint16_t e = 0;

	for (uint32_t i = 0; i < c->cfg.executor_cnt && e == 0; i++) {
		if (c->cfg.classes.of[i] == dep->class) {
			e = ctl_spare_find(c, c->slot[i].cpu);
		}
	}
	return e != 0 ? e : ctl_spare_find(c, -1);
}

void
ctl_deploy_step(struct ctl *c)
{
	struct ctl_deploy *dep = NULL;
	uint16_t fn[FUNCTION_CNT_MAX];
	uint32_t cnt = 0;
	uint16_t e;

	for (uint32_t i = 0; i < CTL_DEPLOY_MAX; i++) {
		if (c->deploy[i].used && c->deploy[i].active) {
			return; /* E3 */
		}
		if (c->deploy[i].used && c->deploy[i].stored &&
		    (dep == NULL || c->deploy[i].seq < dep->seq)) {
			dep = &c->deploy[i];
		}
	}
	e = dep != NULL ? ctl_deploy_spare(c, dep) : 0;
	if (e == 0) {
		return;
	}
	if (dep->pin) {
		cnt = ctl_pinned(c, dep->class, fn);
	}
	for (uint32_t i = 0; i < dep->fn_cnt; i++) {
		fn[cnt++] = dep->fn[i];
	}
	dep->active = true;
	if (ctl_load(c, e, fn, cnt)) {
		c->exec[e].for_deploy = true;
		c->exec[e].class = dep->class;
		c->exec[e].discard = !dep->pin;
	} else {
		dep->active = false; /* with the next spare */
	}
}
