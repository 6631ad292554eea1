/* SPDX-License-Identifier: Apache-2.0 */
/* exec - what an executor does with a call: check it, run it, publish, answer
 *
 * A core: it knows neither the domain nor a clock. What it needs of the outside are the functions
 * of struct exec_ops, and its own process's memory: payload pool, cache view, placement table.
 *
 *   CALL ─► check ─► arguments into view ─► run (a function, or a DAG's one after the other)
 *        ◄─ REPLY ◄─ publish, wait for the store ◄─┘
 *
 * X1  A call that was taken is answered exactly once, whatever happens in between; unless this
 *     process dies, which its parent sees.
 * X2  The answer is sent after the store has acknowledged the call's writes. Calls that come by a
 *     direct channel may be taken meanwhile (owed.h).
 * X3  Between calls nothing is held but what is owed: no view, no payload but results that callers
 *     have not released.
 *
 * Owner: the executor's one thread.
 */
#ifndef MB_EXEC_EXEC_H
#define MB_EXEC_EXEC_H

#include <stdbool.h>
#include <stdint.h>

#include "cache_view.h"
#include "call.h"
#include "exec_ops.h"
#include "fn.h"
#include "payload.h"
#include "placement.h"
#include "region.h"

struct exec_conf {
	struct exec_ops ops; /* wait.ctx too is set by the caller */
	struct payload_pool *pool;
	struct cache_view *view;
	uint32_t cache_cnt;
	const struct placement *placement;
	struct region_run *run;     /* shown to the daemon */
	struct region_trace *trace; /* the same. NULL: none */
	struct region_commit *commit;
	uint16_t proc;
};

struct exec;

/* exec_create makes an executor without functions.
 * Returns: 0; MB_ERR_NO_MEMORY. Owns: conf is copied, what it points to stays. Threads:
 * start-up. */
int exec_create(struct exec **ret, const struct exec_conf *conf);
void exec_destroy(struct exec *x);

/* exec_fns is where the loader puts the functions, before the first call. */
struct fns *exec_fns(struct exec *x);

/* exec_budget_set says how the memory of functions is limited that have a limit (struct mb_call);
 * without it, it is not. */
void exec_budget_set(struct exec *x, void (*budget)(uint64_t bytes));

/* exec_init_call is the handle that an MB_INIT gets. */
struct mb_call *exec_init_call(struct exec *x);

/* exec_call takes a call, runs it and answers it.
 * Returns: 0; MB_ERR_NO_NODE: the node is gone, end. */
int exec_call(struct exec *x, const struct desc *d, const struct exec_from *from);

/* exec_on_part takes a message of the sequence that comes before a part of a DAG (dagpart.h). */
void exec_on_part(struct exec *x, const struct desc *d);

/* exec_refuse answers a call without looking at it: MB_ERR_BUSY. */
void exec_refuse(struct exec *x, const struct desc *d, const struct exec_from *from, int err);

/* exec_on_answer takes a cache tile's answer that came while no call was running. */
void exec_on_answer(struct exec *x, const struct desc *d);

/* exec_settle waits until nothing is owed to anybody. Returns: 0; MB_ERR_NO_NODE. */
int exec_settle(struct exec *x);

/* exec_held counts what is held, by walking: 0 between calls, when all are answered. */
uint32_t exec_held(const struct exec *x);

#endif
