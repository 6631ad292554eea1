/* SPDX-License-Identifier: Apache-2.0 */
#include "dagrun.h"

#include <stdio.h>
#include <string.h>

#include "check.h"
#include "compiler.h"
#include "dagtext.h"

#define READ_TRY_MAX 100

/* -------------------------------------------------------------------- plan */

/* Turns the table's description into a plan. Returns: 0; MB_ERR_NO_DAG when it is none that anybody
 * wrote; MB_ERR_NO_FUNCTION. */
static int
plan_make(struct dag_plan *plan, const struct placement_dag *dag, const struct fns *fns)
{
	uint32_t e = 0;

	if (dag->vertex_cnt == 0 || dag->vertex_cnt > DAG_FUNCTION_MAX ||
	    dag->edge_cnt > DAG_EDGE_MAX) {
		return MB_ERR_NO_DAG;
	}
	plan->vertex_cnt = dag->vertex_cnt;
	for (uint16_t v = 0; v < dag->vertex_cnt; v++) {
		struct dag_vertex *to = &plan->vertex[v];

		to->fn = fn_get(fns, dag->vertex[v].fn);
		if (to->fn == NULL) {
			return MB_ERR_NO_FUNCTION;
		}
		memcpy(to->tag, dag->vertex[v].tag, sizeof(to->tag));
		to->tag[sizeof(to->tag) - 1] = '\0';
		to->edge_first = (uint16_t)e;
		for (; e < dag->edge_cnt && dag->edge[e].to == v; e++) {
			if (dag->edge[e].from >= v) { /* not in topological order */
				return MB_ERR_NO_DAG;
			}
			plan->from[e] = dag->edge[e].from;
		}
		to->edge_cnt = (uint16_t)(e - to->edge_first);
	}
	return e == dag->edge_cnt ? 0 : MB_ERR_NO_DAG;
}

int
dagrun_plan(struct dagrun *r, const struct placement *p, uint16_t id, const struct fns *fns,
	    struct mb_call *call, const struct dag_plan **ret)
{
	struct dag_plan *plan = &r->plan[id % DAG_CNT_MAX];
	int err = MB_ERR_NO_DAG;

	for (uint32_t turn = 0; turn < READ_TRY_MAX; turn++) {
		uint64_t gen;
		const struct placement_copy *c = placement_shown(p, &gen);
		const struct placement_dag *dag;

		if (likely(plan->id == id && id != 0 && plan->gen == gen)) {
			*ret = plan;
			return 0;
		}
		dag = placement_dag_get(c, id);
		plan->id = 0;
		err = dag != NULL ? plan_make(plan, dag, fns) : MB_ERR_NO_DAG;
		if (!placement_stale(p, gen)) {
			if (err != 0) {
				break;
			}
			plan->id = id;
			plan->gen = gen;
		}
	}
	return call_refuse(call, err, "the DAG",
			   err == MB_ERR_NO_DAG
				   ? NULL
				   : "one of its functions is not loaded at this executor");
}

/* --------------------------------------------------------------------- run */

/* An error of a vertex: its name goes in front of the text. */
static int __attribute__((__cold__)) name_vertex(struct mb_call *call, int err)
{
	char name[DAGTEXT_VERTEX_BYTES];
	char text[FN_TEXT_BYTES];

	dagtext_vertex_name(call->fn->name, call->tag, name);
	snprintf(text, sizeof(text), "%s", call->text[0] != '\0' ? call->text : mb_err_text(err));
	snprintf(call->text, sizeof(call->text), "%s: %.*s", name,
		 (int)(sizeof(call->text) - sizeof(name) - 3), text);
	return err;
}

/* Gathers the arguments of vertex v. own: its entry of the payload. */
static int
gather(struct dagrun *r, const struct dag_plan *plan, const struct dag_vertex *v,
       const struct value *own, uint32_t *ret_cnt)
{
	int cnt = 0;

	if (own->type == MB_LIST) {
		cnt = value_list_read(slice_of(own->p, own->len), r->arg);
		if (cnt < 0) {
			return cnt;
		}
	}
	for (uint32_t e = v->edge_first; e < v->edge_first + (uint32_t)v->edge_cnt; e++) {
		const struct result *from = &r->result[plan->from[e]];

		if ((uint32_t)cnt + from->cnt > MB_VALUES_MAX) {
			return MB_ERR_TOO_LARGE;
		}
		result_values(from, r->arg + cnt);
		cnt += (int)from->cnt;
	}
	*ret_cnt = (uint32_t)cnt;
	return 0;
}

static int
run_vertex(struct dagrun *r, const struct dag_plan *plan, uint32_t i, const struct value *own,
	   struct mb_call *call)
{
	const struct dag_vertex *v = &plan->vertex[i];
	int err;

	call->fn = v->fn;
	call->tag = v->tag;
	call->result = &r->result[i];
	call->arg = r->arg;
	err = gather(r, plan, v, own, &call->arg_cnt);
	if (err != 0) {
		call_refuse(call, err, "its arguments",
			    err == MB_ERR_TOO_LARGE ? "there are more than 256" : NULL);
	} else if (call->deadline_ns != 0 && mb_now_ns(call) >= call->deadline_ns) {
		err = call_refuse(call, MB_ERR_DEADLINE, "it was not run",
				  "the deadline had passed");
	} else {
		err = call_run(call);
		session_views_end(call->session);
	}
	return likely(err == 0) ? 0 : name_vertex(call, err);
}

int
dagrun_run(struct dagrun *r, const struct dag_plan *plan, struct slice args, struct mb_call *call,
	   struct payload_pool *pool, uint16_t proc, struct result **ret_sink)
{
	static const struct value nil = { .type = MB_NIL };
	int cnt = value_list_read(args, r->own);
	int err = 0;

	for (uint32_t v = 0; v < plan->vertex_cnt; v++) {
		result_init(&r->result[v], pool, proc);
	}
	if (cnt < 0 || cnt > (int)plan->vertex_cnt) {
		return call_refuse(call, cnt < 0 ? cnt : MB_ERR_INVALID, "the arguments",
				   cnt < 0 ? NULL : "more entries than the DAG has functions");
	}
	for (uint32_t v = 0; v < plan->vertex_cnt && err == 0; v++) {
		const struct value *own = (int)v < cnt ? &r->own[v] : &nil;

		if (own->type != MB_LIST && own->type != MB_NIL) {
			return call_refuse(call, MB_ERR_INVALID, "the arguments",
					   "a function's entry is neither a list nor nil");
		}
		err = run_vertex(r, plan, v, own, call);
	}
	*ret_sink = &r->result[plan->vertex_cnt - 1];
	return err;
}

void
dagrun_drop(struct dagrun *r, const struct dag_plan *plan)
{
	for (uint32_t v = 0; v < plan->vertex_cnt; v++) {
		result_drop(&r->result[v]);
	}
}
