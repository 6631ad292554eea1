/* SPDX-License-Identifier: Apache-2.0 */
#include "goal.h"

#include <string.h>

#include "call.h"
#include "compiler.h"

/* What the table says of a goal. Returns its id, 0 for none; *ret_here: this executor is shown to
 * have it. */
static uint16_t
goal_look(const struct goal *g, const struct call_goal *goal, bool *ret_here)
{
	uint16_t id;
	uint64_t gen;

	do {
		const struct placement_copy *c = placement_shown(g->placement, &gen);

		id = 0;
		*ret_here = false;
		if (goal->dag) {
			const struct placement_dag *dag = placement_dag_find(c, goal->name);

			if (dag != NULL) {
				id = dag->id;
				*ret_here = dagrun_has(c, dag, g->proc);
			}
		} else {
			const struct placement_fn *f = placement_fn_find(c, goal->name);

			if (f != NULL) {
				id = f->id;
				*ret_here = (f->exec[g->proc / 64] >> (g->proc % 64) & 1) != 0;
			}
		}
	} while (placement_stale(g->placement, gen));
	return id;
}

/* Returns: 0 with *ret_plan, NULL if it is not here, and *ret_id; an error. */
static int
goal_find(struct goal *g, struct mb_call *call, const struct dag_plan **ret_plan, uint16_t *ret_id)
{
	const struct call_goal goal = call->goal;
	const struct fn *fn;
	bool here;

	*ret_plan = NULL;
	*ret_id = goal_look(g, &goal, &here);
	if (*ret_id == 0) {
		return call_refuse(call, goal.dag ? MB_ERR_NO_DAG : MB_ERR_NO_FUNCTION, goal.name,
				   "it was to go on, and there is nothing of that name");
	}
	if (here && goal.dag) {
		if (dagrun_plan(g->dag, g->placement, *ret_id, g->fns, call, ret_plan) != 0) {
			*ret_plan = NULL; /* taken away meanwhile */
		}
	} else if (here && (fn = fn_get(g->fns, *ret_id)) != NULL) {
		dagrun_plan_one(&g->one, fn);
		*ret_plan = &g->one;
	}
	return 0;
}

/* What leaves for a DAG is in a list of its own: the arguments of its first function. */
static int
goal_wrap(struct goal *g, struct mb_call *call, struct result *result)
{
	struct slice list;
	uint8_t *to;
	int err;

	result_move(&g->before, result);
	list = result_list(&g->before);
	err = result_reserve(result, MB_LIST, list.len, &to);
	if (err == 0) {
		memcpy(to, list.p, list.len);
	}
	result_drop(&g->before);
	return err != 0 ? call_refuse(call, err, "what goes on", NULL) : 0;
}

int
goal_run(struct goal *g, struct mb_call *call, uint32_t cnt, struct result **result,
	 uint32_t *result_cnt, uint64_t *ret_next)
{
	const struct dag_plan *plan;
	uint16_t id;
	int err = 0;

	*ret_next = 0;
	for (; err == 0 && call->goal.name[0] != '\0'; cnt++) {
		if (cnt >= CALL_NEXT_MAX) {
			return call_refuse(call, MB_ERR_TOO_LARGE, "mb_continue",
					   "a call goes on 64 times at most");
		}
		err = goal_find(g, call, &plan, &id);
		if (err != 0) {
			return err;
		}
		if (plan == NULL) {
			*ret_next = call_next_make(id, call->goal.dag, cnt + 1);
			return call->goal.dag ? goal_wrap(g, call, *result) : 0;
		}
		result_move(&g->before, *result);
		dagrun_drop(g->dag, *result_cnt);
		*result_cnt = plan->vertex_cnt;
		err = dagrun_on(g->dag, plan, result_list(&g->before), call, g->pool, g->proc,
				result);
		result_drop(&g->before);
	}
	return err;
}
