/* SPDX-License-Identifier: Apache-2.0 */
/* dagrun - all functions of a DAG call, one after the other, in this executor
 *
 * A DAG call that arrives at one executor runs here as a whole: in topological order, back to back,
 * without a message between two functions (fused). A result is handed on where it was written: its
 * readers get views of it, however many there are, and a function that gathers gets the results of
 * its upstream functions in the order of its edges, behind arguments of its own.
 *
 *   payload of the call   one value a vertex, in the order of the placement table: LIST or NIL;
 *                         trailing ones may be missing, and are NIL
 *   arguments of a vertex its own list, then the results of each edge that leads to it
 *   results of the call   those of the sink
 *
 * An error ends the run, and its text names the vertex. All functions share the call's session: one
 * sees what those before it wrote, and everything is published once, at the end.
 *
 * A part of a DAG call is the same with a plan that came as messages (dagpart.h): functions in a
 * row, whose first one gathers what other executors returned.
 *
 * Owner: the executor. Errors: negative mb_err, with a sentence in the call.
 */
#ifndef MB_EXEC_DAGRUN_H
#define MB_EXEC_DAGRUN_H

#include <stdint.h>

#include "dagpart.h"
#include "fn.h"
#include "domain_limits.h"
#include "placement.h"
#include "result.h"
#include "value.h"

struct dag_vertex {
	const struct fn *fn;
	char tag[sizeof(((struct placement_vertex *)0)->tag)];
	uint16_t edge_first, edge_cnt; /* in from[] */
	bool is_multi;                 /* runs once for each of its edges */
};

/* A DAG as it is run here; found again by id while the placement table has not changed. */
struct dag_plan {
	uint64_t gen;
	uint16_t id; /* 0: none */
	uint16_t vertex_cnt;
	struct dag_vertex vertex[DAG_FUNCTION_MAX];
	uint8_t from
		[DAG_EDGE_MAX]; /* the vertex at the other end of each edge, by where it leads */
};

struct dagrun {
	struct dag_plan plan[DAG_CNT_MAX]; /* entry = id % DAG_CNT_MAX */
	struct dag_plan made;              /* while one is made */
	struct result result[DAG_FUNCTION_MAX];
	struct value arg[2 * MB_VALUES_MAX]; /* a list is read before they are counted */
	struct value own[MB_VALUES_MAX];
};

/* dagrun_plan finds or makes the plan of a DAG. Whatever the table says (it may be a mixture), a
 * plan that is returned can be run.
 *
 * Returns:   0; MB_ERR_NO_DAG; MB_ERR_NO_FUNCTION when one of its functions is not loaded here, and
 *            none of its former versions was run here.
 */
int dagrun_plan(struct dagrun *r, const struct placement *p, uint16_t id, const struct fns *fns,
		struct mb_call *call, const struct dag_plan **ret);

/* dagrun_run runs a plan.
 *
 * Requires:  call has everything but fn, tag, arg, result; args is the call's payload.
 * Returns:   0 with *ret_sink, whose values are the call's results; MB_ERR_CORRUPT for a payload
 *            that does not suit the DAG; MB_ERR_DEADLINE; a function's error. Either way the caller
 *            ends with dagrun_drop.
 */
int dagrun_run(struct dagrun *r, const struct dag_plan *plan, struct slice args,
	       struct mb_call *call, struct payload_pool *pool, uint16_t proc,
	       struct result **ret_sink);

/* dagrun_plan_one makes the plan of one function alone; dagrun_has tells whether an executor is
 * shown to have all functions of a DAG. */
void dagrun_plan_one(struct dag_plan *plan, const struct fn *fn);
bool dagrun_has(const struct placement_copy *c, const struct placement_dag *dag, uint16_t proc);

/* dagrun_on runs a plan as dagrun_run does, for a call that goes on: list, aligned to 8, is the
 * arguments of its first function, and the others have none of their own. It is not one of the
 * results here. */
int dagrun_on(struct dagrun *r, const struct dag_plan *plan, struct slice list,
	      struct mb_call *call, struct payload_pool *pool, uint16_t proc,
	      struct result **ret_sink);

/* dagrun_part runs a part, as dagrun_run does a plan. input: the lists of its inputs, each aligned
 * to 8. Returns: as dagrun_run; MB_ERR_NO_FUNCTION. The caller ends with dagrun_drop. */
int dagrun_part(struct dagrun *r, const struct dagpart *part, const struct slice *input,
		const struct fns *fns, struct slice args, struct mb_call *call,
		struct payload_pool *pool, uint16_t proc, struct result **ret_sink);

/* dagrun_args gathers the arguments of a vertex that is a part by itself into r->arg. Returns how
 * many; an error, which the call tells. */
int dagrun_args(struct dagrun *r, uint32_t vertex, struct slice args, const struct slice *input,
		uint32_t input_cnt, struct mb_call *call);

/* dagrun_ran counts a run of call->fn, as one of a DAG's functions. dagrun_named puts its name in
 * front of what the call tells of an error, which it gives back. */
void dagrun_ran(struct mb_call *call, uint64_t run_ns, int err);
int dagrun_named(struct mb_call *call, int err) __attribute__((__cold__));

/* dagrun_drop gives back those of the first cnt results that were not sent. */
void dagrun_drop(struct dagrun *r, uint32_t cnt);

#endif
