/* SPDX-License-Identifier: Apache-2.0 */
/* ctl_admin_dag - DAGs: adding, removing, showing */
#include <stdlib.h>
#include <string.h>

#include "ctl_admin_int.h"
#include "ctl_catalog.h"

/* ------------------------------------------------------------------- DAGs */

static int
admin_resolve(void *ctx, const char *name, uint16_t *ret_id)
{
	struct ctl *c = ctx;
	const struct fn *f = registry_fn(&c->registry, name);

	if (f == NULL) {
		return MB_ERR_NO_FUNCTION;
	}
	*ret_id = f->id;
	return 0;
}

int
ctl_dag_add(struct ctl *c, const char *name, const char *text, struct dag **ret,
	    char why[WHY_BYTES])
{
	struct placement_dag plan = { 0 };
	struct dagtext *parsed = malloc(sizeof(*parsed));
	char *copy;
	int err;

	if (parsed == NULL) {
		return MB_ERR_NO_MEMORY;
	}
	err = dagtext_parse(parsed, text, strlen(text), admin_resolve, c, why);
	if (err == 0) {
		dagtext_place(parsed, &plan);
		plan.split_ns = (uint32_t)c->cfg.dag_split_ns;
		snprintf(plan.name, sizeof(plan.name), "%s", name);
		copy = strdup(text);
		*ret = copy != NULL ? registry_dag_add(&c->registry, &plan, copy) : NULL;
		if (*ret == NULL) {
			free(copy);
			snprintf(why, WHY_BYTES, "a node holds at most %d DAGs", DAG_CNT_MAX);
			err = MB_ERR_TOO_LARGE;
		} else {
			ctl_dag_show(c, *ret);
		}
	}
	free(parsed);
	return err;
}

int
admin_dag_add(struct admin_request *r)
{
	const char *name = admin_str(r, "name");
	const char *text = admin_str(r, "text");
	struct dag *dag;
	int err;

	if (name == NULL || text == NULL || !registry_name_ok(name)) {
		return admin_fail(r, MB_ERR_INVALID,
				  "a DAG needs a name of letters, digits and _ - . and a text like "
				  "'a -> b, a -> c'");
	}
	if (registry_dag(&r->c->registry, name) != NULL) {
		return admin_fail(r, MB_ERR_EXISTS,
				  "there is a DAG '%s' already; remove it first (dag rm %s)", name,
				  name);
	}
	err = ctl_dag_add(r->c, name, text, &dag, r->why);
	if (err == 0) {
		json_object_set_new(r->out, "vertices", json_integer(dag->plan.vertex_cnt));
		json_object_set_new(r->out, "edges", json_integer(dag->plan.edge_cnt));
		ctl_catalog_dag(r->c, dag);
		r->stores = true;
	}
	return err;
}

static struct dag *
admin_dag_find(struct admin_request *r, int *ret_err)
{
	const char *name = admin_str(r, "name");
	struct dag *dag = name != NULL ? registry_dag(&r->c->registry, name) : NULL;

	if (dag == NULL) {
		*ret_err = admin_fail(r, MB_ERR_NO_DAG, "there is no DAG '%.80s'",
				      name != NULL ? name : "");
	}
	return dag;
}

int
admin_dag_rm(struct admin_request *r)
{
	struct desc d = { .kind = DESC_DAG_DEL };
	int err = 0;
	struct dag *dag = admin_dag_find(r, &err);

	if (dag != NULL) {
		d.a = dag->id;
		ctl_tell_tile(r->c, CTL_TILE_SCHED, &d);
		ctl_catalog_dag_del(r->c, dag->plan.name);
		r->stores = true;
		registry_dag_remove(&r->c->registry, dag);
	}
	return err;
}

static json_t *
admin_vertex(struct ctl *c, const struct placement_vertex *v)
{
	const struct fn *f = registry_fn_by_id(&c->registry, v->fn);
	char name[DAGTEXT_VERTEX_BYTES];

	dagtext_vertex_name(f != NULL ? f->name : "?", v->tag, name);
	return json_string(name);
}

int
admin_dag_show(struct admin_request *r)
{
	int err = 0;
	const struct dag *dag = admin_dag_find(r, &err);
	json_t *fns, *edges;

	if (dag == NULL) {
		return err;
	}
	fns = json_array();
	edges = json_array();
	for (uint32_t v = 0; v < dag->plan.vertex_cnt; v++) {
		json_array_append_new(fns, admin_vertex(r->c, &dag->plan.vertex[v]));
	}
	for (uint32_t e = 0; e < dag->plan.edge_cnt; e++) {
		const struct placement_edge *edge = &dag->plan.edge[e];

		json_array_append_new(edges,
				      json_pack("[o, o]",
						admin_vertex(r->c, &dag->plan.vertex[edge->from]),
						admin_vertex(r->c, &dag->plan.vertex[edge->to])));
	}
	json_object_set_new(r->out, "name", json_string(dag->plan.name));
	json_object_set_new(r->out, "text", json_string(dag->text));
	json_object_set_new(r->out, "functions", fns);
	json_object_set_new(r->out, "edges", edges);
	json_object_set_new(r->out, "sink",
			    admin_vertex(r->c, &dag->plan.vertex[dag->plan.vertex_cnt - 1]));
	return 0;
}

int
admin_dags(struct admin_request *r)
{
	json_t *a = json_array();

	for (uint32_t i = 0; i < DAG_CNT_MAX; i++) {
		const struct dag *dag = &r->c->registry.dag[i];

		if (dag->id != 0) {
			json_array_append_new(a, json_pack("{s:s, s:s}", "name", dag->plan.name,
							   "text", dag->text));
		}
	}
	json_object_set_new(r->out, "dags", a);
	return 0;
}
