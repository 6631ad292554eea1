/* SPDX-License-Identifier: Apache-2.0 */
/* exec_trace - where the time of an executor's last calls went, for others to read
 *
 * A table of TRACE_CNT lines in the executor's region, used round and round. A reader copies a line
 * and then looks whether it still has the same call's name (ctl_trace.c). Beside it every call is
 * counted in the histograms of its stages and of its function (stage.h).
 *
 * Owner: the executor's one thread.
 */
#ifndef MB_EXEC_EXEC_TRACE_H
#define MB_EXEC_EXEC_TRACE_H

#include <stdbool.h>
#include <stdint.h>

#include "region.h"

struct exec_trace {
	uint64_t call;
	uint16_t target; /* of a function or a DAG */
	bool is_dag;
	bool is_part;
	bool ran;
	bool is_owed;   /* exec_trace_answered comes */
	bool is_direct; /* from its client, not by way of sched */
	int err;
	uint64_t taken_ns;
	/* how long: until it ran; running; until it was answered */
	uint64_t before_ns, run_ns, after_ns;
	uint64_t link_ns; /* since its client sent it; 0: not known */
	uint64_t bytes;   /* of its arguments and results, when they did not fit a descriptor */
};

/* exec_trace_odd is exec_trace_write for what is out of the ordinary. */
void exec_trace_odd(struct region_trace *trace, struct region_trace_line *t,
		    const struct exec_trace *line) __attribute__((__cold__));

/* exec_trace_write writes line number n, and counts. trace NULL: nobody wants to know. Every call
 * comes by here, so it is inline and made to cost little: stage.h. */
static inline void
exec_trace_write(struct region_trace *trace, uint64_t n, const struct exec_trace *line)
{
	struct region_trace_line *t;
	struct stage_use *use;

	if (trace == NULL) {
		return;
	}
	t = &trace->line[n % TRACE_CNT];
	use = &trace->stages.use[line->target % FUNCTION_CNT_MAX];
	region_trace_hide(t);
	if (likely(line->ran && line->link_ns == 0 && (line->before_ns | line->after_ns) == 0 &&
		   line->run_ns <= STAGE_FINE_MAX)) {
		t->before_ns = t->after_ns = t->link_ns = 0;
		t->run_ns = (uint32_t)line->run_ns;
		if (!line->is_dag) { /* a DAG's functions have been counted one by one */
			stage_add_fine(&use->run, (uint32_t)line->run_ns);
			stage_use_ran(use, line->run_ns, line->bytes, line->err != 0);
		}
	} else {
		exec_trace_odd(trace, t, line);
	}
	t->taken_ns = line->taken_ns;
	t->target = line->target;
	t->err = (int16_t)line->err;
	t->is_dag = line->is_dag;
	t->is_part = line->is_part;
	region_trace_show(t, line->call);
}

/* exec_trace_answered: the call of line n, if it is still there, was answered at the time at_ns. */
void exec_trace_answered(struct region_trace *trace, uint64_t n, uint64_t call, uint64_t at_ns,
			 int err);

#endif
