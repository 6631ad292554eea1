/* SPDX-License-Identifier: Apache-2.0 */
/* goal - what goes on with a call's results, as its function said (mb_continue)
 *
 * A goal that is here runs here, as a function or a DAG whose first function gets the results: in
 * the same session, published together. One that is not here leaves with the answer (call.h,
 * REPLY_GOES_ON).
 *
 * "Here" is what the placement table shows, so a limit of concurrency holds for what goes on too.
 *
 * Owner: the executor. Errors: negative mb_err, with a sentence in the call.
 */
#ifndef MB_EXEC_GOAL_H
#define MB_EXEC_GOAL_H

#include <stdint.h>

#include "dagrun.h"
#include "fn.h"
#include "placement.h"
#include "result.h"

struct goal {
	struct dagrun *dag;
	const struct fns *fns;
	const struct placement *placement;
	struct payload_pool *pool;
	uint16_t proc;
	struct result before; /* what goes on: arguments of the function that runs */
	struct dag_plan one;  /* that function, alone */
};

/* goal_run runs call->goal, and what that names, until there is no more or it is not here.
 *
 * Requires:  call is as it was when its function returned 0; *result, one of the first *result_cnt
 *            of dag's, is what that returned. cnt: how often the call has gone on before.
 * Ensures:   *result and *result_cnt are those of what ran last; the caller ends with dagrun_drop.
 * Returns:   0; then *ret_next is what goes on elsewhere, with *result, as b of a REPLY says it; 0:
 *            nothing does. MB_ERR_NO_FUNCTION, MB_ERR_NO_DAG; MB_ERR_TOO_LARGE when it goes on too
 *            often; as dagrun_run.
 */
int goal_run(struct goal *g, struct mb_call *call, uint32_t cnt, struct result **result,
	     uint32_t *result_cnt, uint64_t *ret_next);

#endif
