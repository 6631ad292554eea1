/* SPDX-License-Identifier: Apache-2.0 */
/* gate_pipe - calls that a connection sends one behind the other
 *
 *	FCALL a, FCALL b, FCALL c ──► channel of one executor ──► answers ──► replies, in this order
 *
 * A pipeline's calls must run in their order, each after the writes of the one before it: an
 * executor does that with what comes by one channel. So a call follows those before it only to the
 * executor that has all of them (gate_direct_route); else it waits until they are answered.
 *
 *   G1  The calls of a connection that are not answered are a list, in their order; a reply is
 *       written when all before it are.
 *   G2  Of the list, those that are under way are at one executor, or there is one, at sched. A call
 *       whose executor died before it ran is unsent: it goes, by sched, when it is the first. (One
 *       that goes on with what its executor has not is overtaken by those behind it.)
 *   G3  A slot is free when its reply is written, or its connection gone, and its executor (or
 *       sched) has nothing of it any more. over: only the second is missing.
 */
#include <string.h>

#include <microburst/error.h>

#include "call.h"
#include "check.h"
#include "cmd_fn.h"
#include "gate_int.h"
#include "timebase.h"

static void
slot_end(struct gate *g, struct gate_call *call)
{
	call->used = false;
	g->under_way--;
}

static void
arguments_free(struct gate *g, struct gate_call *call)
{
	inner_payload_free(&g->inner, &call->msg, g->inner.cfg.proc);
}

static int
start(struct gate *g, struct gate_conn *c, struct gate_call *call, const void *list, size_t len,
      const uint64_t exec[], bool batched)
{
	struct channel *ch;
	int err = inner_payload(&g->inner, &call->msg, list, len, g->inner.cfg.proc);

	if (err != 0) {
		return err == MB_ERR_NO_MEMORY ? MB_ERR_FULL : err;
	}
	err = gate_direct_route(g, c, call->msg.a, exec, batched, &ch);
	if (err == 0) {
		err = gate_direct_send(g, call, ch);
	}
	if (err != 0) {
		arguments_free(g, call);
	}
	return err;
}

int
gate_pipe(struct gate *g, struct gate_conn *c, const struct desc *d, const void *list, size_t len,
	  const uint64_t exec[], bool batched)
{
	struct gate_call *call;
	int err;

	if (len > PAYLOAD_SLAB_MAX) { /* executors see our slab only */
		return MB_ERR_TOO_LARGE;
	}
	if (c->call_cnt == GATE_PIPE_MAX) {
		return MB_ERR_FULL; /* gate_pipe_reply comes */
	}
	call = gate_call_take(g, c);
	if (call == NULL) {
		gate_conn_starve(g, c);
		return MB_ERR_FULL;
	}
	call->piped = true;
	call->cmd = (struct gate_command *)(uintptr_t)c->command;
	call->began_tsc = c->began_tsc;
	call->msg = *d;
	call->msg.kind = DESC_CALL;
	call->msg.call = call->id;
	err = start(g, c, call, list, len, exec, batched);
	if (err != 0) {
		call->used = false;
		if (err == MB_ERR_FULL) {
			gate_conn_starve(g, c);
		}
		return err == MB_ERR_TRYAGAIN ? MB_ERR_FULL : err; /* gate_pipe_reply comes */
	}
	g->call_due_ns = d->b != 0 ? MIN(g->call_due_ns, d->b) : g->call_due_ns;
	g->under_way++;
	call->listed = true;
	if (c->call_last != NULL) {
		c->call_last->next = call;
	} else {
		c->call_first = call;
	}
	c->call_last = call;
	c->call_cnt++;
	return 0;
}

/* Takes the first of a connection's calls off its list. */
static struct gate_call *
pop(struct gate_conn *c)
{
	struct gate_call *call = c->call_first;

	c->call_first = call->next;
	if (c->call_first == NULL) {
		c->call_last = NULL;
	}
	c->call_cnt--;
	call->listed = false;
	return call;
}

/* ------------------------------------------------------------------ answers */

void
gate_pipe_reply(struct gate *g, struct gate_conn *c)
{
	while (c->call_first != NULL && c->call_first->done) { /* G1 */
		struct gate_call *call = pop(c);
		struct slice name = slice_of(call->cmd->name, call->cmd->name_len);

		c->command = call->cmd; /* whose error it is */
		c->answer = call->answer;
		c->answered = true;
		gate_call_reply(g, c);
		gate_timed(g, c, call->cmd, timebase_tsc() - call->began_tsc, &name, 1);
		if (!call->over) { /* G3 */
			slot_end(g, call);
		}
	}
	if (c->call_first == NULL) {
		gate_conn_ready(g, c);
		return;
	}
	gate_conn_flush(g, c);
	if (c->call_first->unsent) { /* G2 */
		struct gate_call *call = c->call_first;

		call->unsent = false;
		if (gate_direct_send(g, call, NULL) != 0) {
			arguments_free(g, call);
			gate_pipe_error(g, call, MB_ERR_BUSY, "");
		}
	}
}

void
gate_pipe_answered(struct gate *g, struct gate_call *call, const struct desc *answer)
{
	arguments_free(g, call);
	if (call->over) { /* G3 */
		gate_payload_back(g, answer);
		call->over = false;
		if (!call->listed) {
			slot_end(g, call);
		}
		return;
	}
	call->answer = *answer;
	call->done = true;
	gate_pipe_reply(g, gate_conn_find(g, call->conn));
}

void
gate_pipe_error(struct gate *g, struct gate_call *call, int err, const char *text)
{
	struct desc d = { .kind = DESC_REPLY, .flags = DESC_F_INLINE, .err = (int16_t)err };

	d.len = (uint8_t)strnlen(text, DESC_INLINE_BYTES);
	memcpy(d.data, text, d.len);
	call->answer = d;
	call->done = true;
	gate_pipe_reply(g, gate_conn_find(g, call->conn));
}

void
gate_pipe_late(struct gate *g, struct gate_call *call)
{
	if (call->unsent) {
		call->unsent = false;
		arguments_free(g, call);
	} else {
		gate_call_cancel(g, call, MB_ERR_DEADLINE);
	}
	gate_pipe_error(g, call, MB_ERR_DEADLINE, "");
}

void
gate_pipe_drop(struct gate *g, struct gate_conn *c)
{
	while (c->call_first != NULL) {
		struct gate_call *call = pop(c);

		if (call->over) {
			continue;
		}
		if (call->done) {
			gate_payload_back(g, &call->answer);
			slot_end(g, call);
		} else if (call->unsent) {
			arguments_free(g, call);
			slot_end(g, call);
		} else {
			gate_call_cancel(g, call, MB_ERR_CANCELLED);
		}
	}
}
