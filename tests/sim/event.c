/* SPDX-License-Identifier: Apache-2.0 */
#include "event.h"

#include <stdlib.h>

#include "check.h"

void
events_init(struct events *q, uint64_t now_ns)
{
	*q = (struct events){ .now_ns = now_ns };
}

void
events_fini(struct events *q)
{
	free(q->heap);
	q->heap = NULL;
}

static bool
event_before(const struct event *a, const struct event *b)
{
	return a->at_ns != b->at_ns ? a->at_ns < b->at_ns : a->seq < b->seq;
}

static void
event_swap(struct events *q, uint32_t i, uint32_t k)
{
	struct event e = q->heap[i];

	q->heap[i] = q->heap[k];
	q->heap[k] = e;
}

void
events_after(struct events *q, uint64_t delay_ns, event_fn fn, void *ctx, uint64_t arg)
{
	uint32_t i = q->cnt;

	if (delay_ns > EVENT_NEVER - 1 - q->now_ns) {
		return; /* after the end of time */
	}
	if (q->cnt == q->cap) {
		q->cap = q->cap != 0 ? 2 * q->cap : 256;
		q->heap = realloc(q->heap, q->cap * sizeof(*q->heap));
		REQUIRE(q->heap != NULL);
	}
	q->heap[q->cnt++] = (struct event){ q->now_ns + delay_ns, q->seq++, fn, ctx, arg };
	while (i > 0 && event_before(&q->heap[i], &q->heap[(i - 1) / 2])) {
		event_swap(q, i, (i - 1) / 2);
		i = (i - 1) / 2;
	}
}

bool
events_next(struct events *q, uint64_t until_ns, struct event *ret)
{
	uint32_t i = 0;

	if (q->cnt == 0 || q->heap[0].at_ns > until_ns) {
		return false;
	}
	*ret = q->heap[0];
	q->heap[0] = q->heap[--q->cnt];
	for (;;) {
		uint32_t k = 2 * i + 1;

		if (k >= q->cnt) {
			break;
		}
		if (k + 1 < q->cnt && event_before(&q->heap[k + 1], &q->heap[k])) {
			k++;
		}
		if (!event_before(&q->heap[k], &q->heap[i])) {
			break;
		}
		event_swap(q, i, k);
		i = k;
	}
	q->now_ns = ret->at_ns;
	return true;
}

/* ---------------------------------------------------------------- actors */

static void
actor_event(void *ctx, uint64_t turn)
{
	struct actor *a = ctx;

	if (a->turn == turn) {
		a->at_ns = EVENT_NEVER;
		a->turn++;
		a->step(a->ctx);
	}
}

void
actor_init(struct actor *a, struct events *q, void (*step)(void *ctx), void *ctx)
{
	*a = (struct actor){ .q = q, .step = step, .ctx = ctx, .at_ns = EVENT_NEVER };
}

void
actor_wake(struct actor *a, uint64_t delay_ns)
{
	uint64_t at_ns =
		delay_ns < EVENT_NEVER - a->q->now_ns ? a->q->now_ns + delay_ns : EVENT_NEVER;

	if (at_ns < a->at_ns) {
		a->at_ns = at_ns;
		a->turn++;
		events_after(a->q, delay_ns, actor_event, a, a->turn);
	}
}

void
actor_stop(struct actor *a)
{
	a->at_ns = EVENT_NEVER;
	a->turn++;
}
