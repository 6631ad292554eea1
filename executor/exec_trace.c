/* SPDX-License-Identifier: Apache-2.0 */
#include "exec_trace.h"

static uint32_t
span(uint64_t ns)
{
	return ns < UINT32_MAX ? (uint32_t)ns : UINT32_MAX;
}

/* Nobody finds the line until line_show. */
static void
line_hide(struct region_trace *t)
{
	atomic_store_explicit(&t->call, 0, memory_order_relaxed);
	/* R32: a fence; pairs with A32 in ctl_admin.c. Who sees a part of the new line and looks
	 * at the name again finds none, or the new one. */
	atomic_thread_fence(memory_order_release);
}

static void
line_show(struct region_trace *t, uint64_t call)
{
	/* R31: release; pairs with A31 in ctl_admin.c. The line is whole when it has its call's
	 * name. */
	atomic_store_explicit(&t->call, call, memory_order_release);
}

void
exec_trace_write(struct region_trace *table, uint64_t n, const struct exec_trace *line)
{
	struct region_trace *t = &table[n % TRACE_CNT];

	if (table == NULL) {
		return;
	}
	line_hide(t);
	t->taken_ns = line->taken_ns;
	t->before_ns = span(line->before_ns);
	t->run_ns = span(line->run_ns);
	t->after_ns = span(line->after_ns);
	t->target = line->target;
	t->is_dag = line->is_dag;
	t->err = (int16_t)line->err;
	line_show(t, line->call);
}

void
exec_trace_answered(struct region_trace *table, uint64_t n, uint64_t call, uint64_t at_ns, int err)
{
	struct region_trace *t = &table[n % TRACE_CNT];

	if (table == NULL || atomic_load_explicit(&t->call, memory_order_relaxed) != call) {
		return;
	}
	line_hide(t);
	t->after_ns = span(at_ns - t->taken_ns - t->before_ns - t->run_ns);
	t->err = (int16_t)err;
	line_show(t, call);
}
