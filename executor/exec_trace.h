/* SPDX-License-Identifier: Apache-2.0 */
/* exec_trace - where the time of an executor's last calls went, for others to read
 *
 * A table of TRACE_CNT lines in the executor's region, used round and round. A reader copies a line
 * and then looks whether it still has the same call's name (ctl_admin.c).
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
	int err;
	uint64_t taken_ns;
	/* how long: until it ran; running; until it was answered */
	uint64_t before_ns, run_ns, after_ns;
};

/* exec_trace_write writes line number n. table NULL: nobody wants to know. */
void exec_trace_write(struct region_trace *table, uint64_t n, const struct exec_trace *line);

/* exec_trace_answered: the call of line n, if it is still there, was answered at the time at_ns. */
void exec_trace_answered(struct region_trace *table, uint64_t n, uint64_t call, uint64_t at_ns,
			 int err);

#endif
