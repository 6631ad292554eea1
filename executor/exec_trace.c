/* SPDX-License-Identifier: Apache-2.0 */
#include "exec_trace.h"

static uint32_t
span(uint64_t ns)
{
	return ns < UINT32_MAX ? (uint32_t)ns : UINT32_MAX;
}

void
exec_trace_odd(struct region_trace *trace, struct region_trace_line *t,
	       const struct exec_trace *line)
{
	struct stages *s = &trace->stages;
	struct stage_use *use = &s->use[line->target % FUNCTION_CNT_MAX];

	t->before_ns = span(line->before_ns);
	t->run_ns = span(line->run_ns);
	t->after_ns = span(line->after_ns);
	t->link_ns = span(line->link_ns);
	if (line->before_ns != 0) {
		stage_add(&s->hist[STAGE_ARGUMENTS], line->before_ns);
	}
	if (line->ran && !line->is_dag) {
		stage_add(&use->run, line->run_ns);
		stage_use_ran(use, line->run_ns, line->bytes, line->err != 0);
	}
	if (line->after_ns != 0 && !line->is_owed) {
		stage_add(&s->hist[STAGE_PUBLISH], line->after_ns);
	}
	if (line->link_ns != 0 && line->is_direct) {
		stage_add(&s->hist[STAGE_LINK], line->link_ns);
	}
}

void
exec_trace_answered(struct region_trace *trace, uint64_t n, uint64_t call, uint64_t at_ns, int err)
{
	struct region_trace_line *t;
	uint64_t after_ns;

	if (trace == NULL) {
		return;
	}
	t = &trace->line[n % TRACE_CNT];
	if (atomic_load_explicit(&t->call, memory_order_relaxed) != call) {
		return;
	}
	after_ns = at_ns - t->taken_ns - t->before_ns - t->run_ns;
	stage_add(&trace->stages.hist[STAGE_PUBLISH], after_ns);
	if (err != 0 && t->is_dag == 0) {
		stage_inc(&trace->stages.use[t->target % FUNCTION_CNT_MAX].failed, 1);
	}
	region_trace_hide(t);
	t->after_ns = span(after_ns);
	t->err = (int16_t)err;
	region_trace_show(t, call);
}
