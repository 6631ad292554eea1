/* SPDX-License-Identifier: Apache-2.0 */
/* follow - what a client sees of some of its calls: when they began, were sent, were answered
 *
 * Two looks at the clock and a stamp that travels with the call: one call in STAGE_SAMPLE, and
 * those that ask for it. What is seen goes into this process's own region, for `microburst trace`
 * and the histograms of the stages.
 */
#include "compiler.h"
#include "impl.h"
#include "timebase.h"

static uint64_t
follow_now(void)
{
	return timebase_now_ns(timebase_real());
}

/* Makes room for a word behind the payload, if need be by putting that elsewhere. */
int
client_outline(struct mb_client *c, struct desc *d)
{
	struct payload_ref ref;
	uint8_t *p;
	int err;

	if ((d->flags & DESC_F_INLINE) == 0 || d->len <= REQUEST_INLINE_BYTES) {
		return 0;
	}
	err = payload_alloc(c->d->pool, d->len, c->d->proc, &ref, &p);
	if (err != 0) {
		return err;
	}
	memcpy(p, d->data, d->len);
	d->ref = ref;
	d->flags &= (uint8_t)~DESC_F_INLINE;
	return 0;
}

int
client_follow(struct mb_client *c, struct client_call *call, struct desc *d, bool asked)
{
	int err = asked ? client_outline(c, d) : 0;

	if (err != 0 || ((d->flags & DESC_F_INLINE) != 0 && d->len > REQUEST_INLINE_BYTES)) {
		return err; /* a sample that does not fit is none */
	}
	d->flags |= CALL_F_TRACED;
	call->began_ns = d->word[4] = follow_now();
	return 0;
}

void
client_follow_sent(struct client_call *call)
{
	call->d.word[4] = follow_now();
}

void
client_follow_end(struct mb_client *c, const struct client_call *call, const struct desc *reply)
{
	struct region_trace *t = region_trace(&c->d->own);
	struct region_trace_line *line = &t->line[c->follow_cnt++ % TRACE_CNT];
	uint64_t now = follow_now(), sent = call->d.word[4];
	uint64_t there = (uint32_t)reply->b; /* how long the executor says that it took */

	stage_add(&t->stages.hist[STAGE_PICK], sent - call->began_ns);
	stage_add(&t->stages.hist[STAGE_CALL], now - call->began_ns);
	if (call->exec != 0 && now - sent >= there) {
		stage_add(&t->stages.hist[STAGE_TRANSIT], now - sent - there);
	}
	region_trace_hide(line);
	line->taken_ns = call->began_ns;
	line->before_ns = (uint32_t)MIN(sent - call->began_ns, (uint64_t)UINT32_MAX);
	line->run_ns = (uint32_t)MIN(now - sent, (uint64_t)UINT32_MAX);
	line->after_ns = 0;
	line->target = call->d.a;
	line->err = reply->err;
	line->is_dag = (call->d.sub & CALL_DAG) != 0;
	region_trace_show(line, call->id);
}
