/* SPDX-License-Identifier: Apache-2.0 */
#include "dagpart.h"

#include <string.h>

#include "microburst/error.h"

static bool
add_input(struct dagpart *p, const struct desc *d)
{
	if (p->step_cnt != 0 || p->has_cut || p->input_cnt == DAG_FUNCTION_MAX) {
		return false;
	}
	p->input[p->input_cnt++] = *d;
	return true;
}

static bool
add_cut(struct dagpart *p, const struct desc *d)
{
	if (p->step_cnt != 0 || p->has_cut) {
		return false;
	}
	p->has_cut = true;
	p->cut = *d;
	return true;
}

static bool
add_step(struct dagpart *p, const struct desc *d)
{
	struct dagpart_step *to = &p->step[p->step_cnt];
	struct call_step step;

	if (p->step_cnt == DAG_FUNCTION_MAX || (d->flags & DESC_F_INLINE) == 0 ||
	    d->len != sizeof(step)) {
		return false;
	}
	memcpy(&step, d->data, sizeof(step));
	if (step.vertex >= DAG_FUNCTION_MAX) {
		return false;
	}
	to->fn = d->a;
	to->vertex = step.vertex;
	to->sink = (d->sub & STEP_SINK) != 0;
	memcpy(to->tag, step.tag, sizeof(to->tag));
	to->tag[sizeof(to->tag) - 1] = '\0';
	p->step_cnt++;
	return true;
}

static uint32_t
part_len(const struct dagpart *p)
{
	return p->input_cnt + p->has_cut + p->step_cnt;
}

void
dagpart_add(struct dagpart *p, const struct desc *d)
{
	if (d->b == 0) {
		p->call = d->call;
		p->input_cnt = 0;
		p->has_cut = false;
		p->step_cnt = 0;
	}
	if (p->call != d->call || d->b != part_len(p) ||
	    !(d->kind == DESC_TRIGGER ? add_input(p, d)
	      : d->kind == DESC_CUT   ? add_cut(p, d)
				      : add_step(p, d))) {
		p->call = 0;
	}
}

int
dagpart_take(struct dagpart *p, const struct desc *call)
{
	bool whole = p->call != 0 && p->call == call->call && p->step_cnt != 0 &&
		     call->err == (int)part_len(p);

	p->call = 0;
	return whole ? 0 : MB_ERR_CORRUPT;
}
