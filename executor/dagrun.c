/* SPDX-License-Identifier: Apache-2.0 */
#include "dagrun.h"

#include <stdio.h>
#include <string.h>

#include "argkeys.h"
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
		to->is_multi = dagtext_is_multi(to->tag);
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

/* A call was sent here because all its functions were. Since then one of them may have been
 * deployed anew, and the table may speak of a version that this executor will never have: the call
 * keeps the versions that it was sent for, which are those of the plan before. */
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
		err = dag != NULL ? plan_make(&r->made, dag, fns) : MB_ERR_NO_DAG;
		if (placement_stale(p, gen)) {
			continue;
		}
		if (err == 0) {
			*plan = r->made;
			plan->id = id;
			plan->gen = gen;
		} else if (err == MB_ERR_NO_FUNCTION && plan->id == id && id != 0) {
			*ret = plan;
			return 0;
		} else {
			break;
		}
	}
	return call_refuse(call, err, "the DAG",
			   err == MB_ERR_NO_DAG
				   ? NULL
				   : "one of its functions is not loaded at this executor");
}

/* --------------------------------------------------------------------- run */

/* An error of a vertex: its name goes in front of the text. */
int
dagrun_named(struct mb_call *call, int err)
{
	char name[DAGTEXT_VERTEX_BYTES];
	char text[FN_TEXT_BYTES];

	dagtext_vertex_name(call->fn->name, call->tag, name);
	snprintf(text, sizeof(text), "%s", call->text[0] != '\0' ? call->text : mb_err_text(err));
	snprintf(call->text, sizeof(call->text), "%s: %.*s", name,
		 (int)(sizeof(call->text) - sizeof(name) - 3), text);
	return err;
}

/* The vertex's own arguments. own: its entry of the payload. Returns how many; an error. */
static int
gather_own(struct dagrun *r, const struct value *own)
{
	return own->type == MB_LIST ? value_list_read(slice_of(own->p, own->len), r->arg) : 0;
}

static int
gather_result(struct dagrun *r, const struct result *from, uint32_t *cnt)
{
	if (*cnt + from->cnt > MB_VALUES_MAX) {
		return MB_ERR_TOO_LARGE;
	}
	result_values(from, r->arg + *cnt);
	*cnt += from->cnt;
	return 0;
}

/* How far a run of a vertex gathers, of its edges from at to end: all, or one if it is multi. */
static inline uint32_t
run_end(bool is_multi, uint32_t at, uint32_t end)
{
	return unlikely(is_multi && at < end) ? at + 1 : end;
}

/* Gathers the arguments of a vertex: its own, then the results of edges from..end. */
static int
gather(struct dagrun *r, const struct dag_plan *plan, uint32_t from, uint32_t end,
       const struct value *own, uint32_t *ret_cnt)
{
	int err = gather_own(r, own);
	uint32_t cnt = (uint32_t)err;

	for (uint32_t e = from; err >= 0 && e < end; e++) {
		err = gather_result(r, &r->result[plan->from[e]], &cnt);
	}
	*ret_cnt = cnt;
	return MIN(err, 0);
}

/* Gathers the arguments of step i of a part; of the first, those of inputs from..end. */
static int
gather_step(struct dagrun *r, uint32_t i, const struct value *own, const struct slice *input,
	    uint32_t from, uint32_t end, uint32_t *ret_cnt)
{
	int err = gather_own(r, own);
	uint32_t cnt = (uint32_t)err;

	if (err >= 0 && i != 0) {
		err = gather_result(r, &r->result[i - 1], &cnt);
	}
	for (uint32_t k = from; err >= 0 && k < end; k++) {
		err = value_list_read(input[k], r->arg + cnt);
		cnt += (uint32_t)MAX(err, 0);
		if (cnt > MB_VALUES_MAX) {
			err = MB_ERR_TOO_LARGE;
		}
	}
	*ret_cnt = cnt;
	return MIN(err, 0);
}

void
dagrun_ran(struct mb_call *call, uint64_t run_ns, int err)
{
	struct stage_use *use;

	if (call->use != NULL) {
		use = &call->use[call->fn->id % FUNCTION_CNT_MAX];
		if (likely(run_ns <= STAGE_FINE_MAX)) {
			stage_add_fine(&use->run, (uint32_t)run_ns);
		} else {
			stage_add(&use->run, run_ns);
		}
		stage_use_ran(use, run_ns,
			      call->result->len > RESULT_SMALL_BYTES ? call->result->len : 0,
			      err != 0);
	}
}

/* A function of a DAG has run. */
static void
vertex_ran(struct mb_call *call, int err)
{
	uint64_t now = mb_now_ns(call);
	uint64_t ns = now - call->mark_ns;

	call->mark_ns = now;
	dagrun_ran(call, ns, err);
}

/* Runs call->fn as vertex i, whose arguments were gathered with err. */
static int
run_vertex(struct dagrun *r, uint32_t i, struct mb_call *call, int err)
{
	struct slice output = slice_of(NULL, 0);

	call->result = &r->result[i];
	call->arg = r->arg;
	if (err != 0) {
		call_refuse(call, err, "its arguments",
			    err == MB_ERR_TOO_LARGE ? "there are more than 256" : NULL);
	} else if (call->deadline_ns != 0 && mb_now_ns(call) >= call->deadline_ns) {
		err = call_refuse(call, MB_ERR_DEADLINE, "it was not run",
				  "the deadline had passed");
	} else {
		if (unlikely(argkeys_any(r->arg, call->arg_cnt))) {
			err = argkeys_take(call, r->arg, &output);
		}
		if (likely(err == 0)) {
			err = call_run(call);
		}
		if (unlikely(err == 0 && output.len != 0)) {
			err = argkeys_store(call, output);
		}
		session_views_end(call->session);
		vertex_ran(call, err);
	}
	return likely(err == 0) ? 0 : dagrun_named(call, err);
}

/* Reads the call's payload: an entry for each vertex of the DAG, but for those at the end that have
 * no arguments. Returns how many. */
static int
read_own(struct dagrun *r, struct slice args, uint32_t vertex_cnt, struct mb_call *call)
{
	int n = value_list_read(args, r->own);

	if (n < 0 || n > (int)vertex_cnt) {
		return call_refuse(call, n < 0 ? n : MB_ERR_INVALID, "the arguments",
				   n < 0 ? NULL : "more entries than the DAG has functions");
	}
	return n;
}

static const struct value *
own_of(const struct dagrun *r, int cnt, uint32_t v)
{
	static const struct value nil = { .type = MB_NIL };

	return (int)v < cnt ? &r->own[v] : &nil;
}

static int
check_own(const struct value *own, struct mb_call *call)
{
	if (own->type == MB_LIST || own->type == MB_NIL) {
		return 0;
	}
	return call_refuse(call, MB_ERR_INVALID, "the arguments",
			   "a function's entry is neither a list nor nil");
}

/* Runs vertex v: once, or once for each of its edges. */
static int
run_edges(struct dagrun *r, const struct dag_plan *plan, uint32_t v, const struct value *own,
	  struct mb_call *call)
{
	const struct dag_vertex *vertex = &plan->vertex[v];
	uint32_t e = vertex->edge_first, end = e + vertex->edge_cnt;
	int err;

	do {
		uint32_t to = run_end(vertex->is_multi, e, end);

		err = gather(r, plan, e, to, own, &call->arg_cnt);
		err = run_vertex(r, v, call, err);
		e = to;
	} while (err == 0 && unlikely(e < end));
	return err;
}

/* Runs step i of a part: the first reads the part's inputs. */
static int
run_step(struct dagrun *r, const struct dagpart *part, uint32_t i, const struct value *own,
	 const struct slice *input, struct mb_call *call)
{
	uint32_t k = 0, end = i == 0 ? part->input_cnt : 0;
	bool is_multi = dagtext_is_multi(call->tag);
	int err;

	do {
		uint32_t to = run_end(is_multi, k, end);

		err = gather_step(r, i, own, input, k, to, &call->arg_cnt);
		err = run_vertex(r, i, call, err);
		k = to;
	} while (err == 0 && unlikely(k < end));
	return err;
}

/* Runs a plan whose functions' own arguments are the first cnt of r->own; an error in their place
 * is given back. */
static int
run_plan(struct dagrun *r, const struct dag_plan *plan, int cnt, struct mb_call *call,
	 struct payload_pool *pool, uint16_t proc, struct result **ret_sink)
{
	int err = MIN(cnt, 0);

	for (uint32_t v = 0; v < plan->vertex_cnt; v++) {
		result_init(&r->result[v], pool, proc);
	}
	for (uint32_t v = 0; v < plan->vertex_cnt && err == 0; v++) {
		const struct dag_vertex *vertex = &plan->vertex[v];
		const struct value *own = own_of(r, cnt, v);

		err = check_own(own, call);
		if (err == 0) {
			call->fn = vertex->fn;
			call->tag = vertex->tag;
			call->last = v == plan->vertex_cnt - 1U;
			err = run_edges(r, plan, v, own, call);
		}
	}
	*ret_sink = &r->result[plan->vertex_cnt - 1];
	return err;
}

int
dagrun_run(struct dagrun *r, const struct dag_plan *plan, struct slice args, struct mb_call *call,
	   struct payload_pool *pool, uint16_t proc, struct result **ret_sink)
{
	return run_plan(r, plan, read_own(r, args, plan->vertex_cnt, call), call, pool, proc,
			ret_sink);
}

void
dagrun_plan_one(struct dag_plan *plan, const struct fn *fn)
{
	plan->vertex_cnt = 1;
	plan->vertex[0] = (struct dag_vertex){ .fn = fn };
}

bool
dagrun_has(const struct placement_copy *c, const struct placement_dag *dag, uint16_t proc)
{
	for (uint32_t v = 0; v < dag->vertex_cnt && v < DAG_FUNCTION_MAX; v++) {
		const struct placement_fn *f = placement_fn_get(c, dag->vertex[v].fn);

		if (f == NULL || (f->exec[proc / 64] >> (proc % 64) & 1) == 0) {
			return false;
		}
	}
	return true;
}

int
dagrun_on(struct dagrun *r, const struct dag_plan *plan, struct slice list, struct mb_call *call,
	  struct payload_pool *pool, uint16_t proc, struct result **ret_sink)
{
	r->own[0] = (struct value){ .p = list.p, .type = MB_LIST, .len = (uint32_t)list.len };
	return run_plan(r, plan, 1, call, pool, proc, ret_sink);
}

int
dagrun_part(struct dagrun *r, const struct dagpart *part, const struct slice *input,
	    const struct fns *fns, struct slice args, struct mb_call *call,
	    struct payload_pool *pool, uint16_t proc, struct result **ret_sink)
{
	int cnt = read_own(r, args, DAG_FUNCTION_MAX, call);
	int err = MIN(cnt, 0);

	for (uint32_t i = 0; i < part->step_cnt; i++) {
		result_init(&r->result[i], pool, proc);
	}
	for (uint32_t i = 0; i < part->step_cnt && err == 0; i++) {
		const struct dagpart_step *step = &part->step[i];
		const struct value *own = own_of(r, cnt, step->vertex);

		call->fn = fn_get(fns, step->fn);
		call->tag = step->tag;
		call->last = step->sink;
		if (call->fn == NULL) {
			return call_refuse(call, MB_ERR_NO_FUNCTION, "the DAG",
					   "one of its functions is not loaded at this executor");
		}
		err = check_own(own, call);
		if (err == 0) {
			err = run_step(r, part, i, own, input, call);
		}
	}
	*ret_sink = &r->result[part->step_cnt - 1];
	return err;
}

int
dagrun_args(struct dagrun *r, uint32_t vertex, struct slice args, const struct slice *input,
	    uint32_t input_cnt, struct mb_call *call)
{
	int cnt = read_own(r, args, DAG_FUNCTION_MAX, call);
	const struct value *own = own_of(r, cnt, vertex);
	uint32_t arg_cnt;
	int err = cnt < 0 ? cnt : check_own(own, call);

	if (err != 0) {
		return err;
	}
	err = gather_step(r, 0, own, input, 0, input_cnt, &arg_cnt);
	if (err != 0) {
		return call_refuse(call, err, "its arguments",
				   err == MB_ERR_TOO_LARGE ? "there are more than 256" : NULL);
	}
	return (int)arg_cnt;
}

void
dagrun_drop(struct dagrun *r, uint32_t cnt)
{
	for (uint32_t v = 0; v < cnt; v++) {
		result_drop(&r->result[v]);
	}
}
