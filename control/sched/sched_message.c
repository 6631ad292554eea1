/* SPDX-License-Identifier: Apache-2.0 */
/* sched_message - what sched adds to the inboxes: memory, processes, and which calls live
 *
 * A call with a request id is sched's own; of every other its client says in its region whether it
 * has been answered.
 */
#include "call.h"
#include "inbox.h"
#include "sched_int.h"

static int
message_send(void *ctx, uint16_t proc, const struct desc *d)
{
	struct sched *s = ctx;

	return s->ops.send(s->ops.ctx, proc, d);
}

/* Answers to requests that nobody waits for make room, as they do for each other. */
static int
message_keep(void *ctx, const struct payload_ref *ref, struct payload_ref *ret)
{
	return sched_request_keep(ctx, ref, ret);
}

static int
message_hold(void *ctx, const struct payload_ref *ref, uint16_t holder)
{
	struct sched *s = ctx;

	return s->ops.hold(s->ops.ctx, ref, holder);
}

static void
message_drop(void *ctx, const struct payload_ref *ref, uint16_t holder)
{
	struct sched *s = ctx;

	s->ops.drop(s->ops.ctx, ref, holder);
}

static enum inbox_alive
message_alive(void *ctx, uint64_t call)
{
	struct sched *s = ctx;

	if (call_id_proc(call) == PROC_DAEMON) {
		return sched_request_runs(s, call) ? ALIVE_YES : ALIVE_NO;
	}
	return s->ops.alive != NULL ? s->ops.alive(s->ops.ctx, call) : ALIVE_UNKNOWN;
}

int
sched_messages_create(struct sched *s)
{
	struct inbox_ops ops = { .send = message_send,
				 .keep = message_keep,
				 .hold = message_hold,
				 .drop = message_drop,
				 .alive = message_alive,
				 .ctx = s };

	return inboxes_create(&s->inboxes, &ops);
}

void
sched_messages_poll(struct sched *s)
{
	uint64_t at = inboxes_poll(s->inboxes, s->now_ns);

	if (at != UINT64_MAX) {
		sched_wake_at(s, at);
	}
}

void
sched_messages_on(struct sched *s, uint16_t proc, const struct desc *d)
{
	inboxes_on(s->inboxes, proc, d, s->now_ns);
	sched_messages_poll(s);
}

uint32_t
sched_inboxes(const struct sched *s, uint32_t *ret_messages)
{
	return inboxes_held(s->inboxes, ret_messages);
}
