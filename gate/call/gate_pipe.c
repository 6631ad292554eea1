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
 *   G2  Of the list, those that are under way are at one executor, or there is one, at sched.
 *       A call whose executor died before it ran is unsent: it goes, by sched, when it is the
 *       first. (One that goes on with what its executor has not is overtaken by those behind it.)
 *   G3  A slot is free when its reply is written, or its connection gone, and its executor (or
 *       sched) has nothing of it any more. over: only the second is missing.
 */
#include <stdio.h>
#include <string.h>

#include <microburst/error.h>

#include "call.h"
#include "check.h"
#include "cmd_fn.h"
#include "gate_mute.h"
#include "placement.h"
#include "timebase.h"
#include "value.h"

#define SLOW_SHOWN  32 /* words of a slow one */
#define NUMBER_TEXT 32
#define FCALL_ARITY (-3) /* FCALL and FCALL_RO say how many keys there are */

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
      const struct placement_where *where)
{
	struct channel *ch;
	int err = inner_payload(&g->inner, &call->msg, list, len, g->inner.cfg.proc);

	if (err != 0) {
		return err == MB_ERR_NO_MEMORY ? MB_ERR_FULL : err;
	}
	err = gate_direct_route(g, c, call->msg.a, where, &ch);
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
	  const struct placement_where *where, uint32_t key_cnt)
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
	call->cmd = c->command;
	call->began_tsc = c->began_tsc;
	call->key_cnt = key_cnt;
	call->msg = *d;
	call->msg.kind = DESC_CALL;
	call->msg.call = call->id;
	err = start(g, c, call, list, len, where);
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

/* What the table calls a function, copied: sched writes to it meanwhile. */
static struct slice
function_name(struct gate *g, uint16_t id)
{
	static _Thread_local char name[NAME_BYTES_MAX];
	const struct placement_fn *fn;
	uint64_t gen;

	do {
		fn = placement_fn_get(placement_shown(g->placement, &gen), id);
		memcpy(name, fn != NULL ? fn->name : "?", fn != NULL ? sizeof(name) : 2);
	} while (placement_stale(g->placement, gen));
	return slice_of(name, strnlen(name, sizeof(name)));
}

/* Words of the command that are shown when it was slow. They are made of the arguments: the text is
 * not there any more. */
static uint32_t
words(struct gate *g, const struct gate_call *call, char text[][NUMBER_TEXT], struct slice *ret)
{
	static _Thread_local struct value arg[MB_VALUES_MAX];
	const struct desc *d = &call->msg;
	const uint8_t *p =
		(d->flags & DESC_F_INLINE) != 0 ? d->data : payload_own(g->inner.pool, &d->ref);
	size_t len = (d->flags & DESC_F_INLINE) != 0 ? d->len : d->ref.len;
	int n = p != NULL ? value_list_read(slice_of(p, len), arg) : 0;
	uint32_t cnt = 0;

	ret[cnt++] = slice_of(call->cmd->name, call->cmd->name_len);
	ret[cnt++] = function_name(g, call->msg.a);
	if (call->cmd->arity == FCALL_ARITY) {
		ret[cnt] = slice_of(text[cnt],
				    (size_t)snprintf(text[cnt], NUMBER_TEXT, "%u", call->key_cnt));
		cnt++;
	}
	for (int i = 0; i < n && cnt < SLOW_SHOWN; i++, cnt++) {
		char *t = text[cnt];

		if (arg[i].type == MB_I64) {
			ret[cnt] = slice_of(t, (size_t)snprintf(t, NUMBER_TEXT, "%lld",
								(long long)value_i64(arg[i])));
		} else if (arg[i].type == MB_F64) {
			ret[cnt] = slice_of(t, (size_t)snprintf(t, NUMBER_TEXT, "%.17g",
								value_f64(arg[i])));
		} else {
			ret[cnt] = slice_of(arg[i].p, arg[i].len);
		}
	}
	return cnt;
}

/* The call is answered; its arguments are still there. */
static void
timed(struct gate *g, const struct gate_call *call)
{
	struct gate_conn *c = gate_conn_find(g, call->conn);
	uint64_t cycles = timebase_tsc() - call->began_tsc;
	char text[SLOW_SHOWN][NUMBER_TEXT];
	struct slice word[SLOW_SHOWN] = { slice_of(call->cmd->name, call->cmd->name_len) };
	uint32_t cnt = 1;

	if (unlikely(cycles >= g->slow_tsc)) {
		cnt = words(g, call, text, word);
	}
	gate_timed(g, c, call->cmd, cycles, word, cnt);
}

/* It is answered by us. */
static void
error(struct gate *g, struct gate_call *call, int err)
{
	timed(g, call);
	call->answer =
		(struct desc){ .kind = DESC_REPLY, .flags = DESC_F_INLINE, .err = (int16_t)err };
	call->done = true;
}

void
gate_pipe_reply(struct gate *g, struct gate_conn *c)
{
	while (c->call_first != NULL && c->call_first->done) { /* G1 */
		struct gate_call *call = pop(c);

		c->command = call->cmd; /* whose error it is */
		c->answer = call->answer;
		c->answered = true;
		gate_call_reply(g, c);
		if (!call->over) { /* G3 */
			slot_end(g, call);
		}
	}
	if (c->call_first == NULL) {
		gate_reply_end(c);
		gate_conn_ready(g, c);
		return;
	}
	gate_conn_flush(g, c);
	if (c->call_first->unsent) { /* G2 */
		struct gate_call *call = c->call_first;

		call->unsent = false;
		if (gate_direct_send(g, call, NULL) != 0) {
			error(g, call, MB_ERR_BUSY);
			arguments_free(g, call);
			gate_pipe_reply(g, c);
		}
	}
}

void
gate_pipe_answered(struct gate *g, struct gate_call *call, const struct desc *answer)
{
	if (!call->over) {
		timed(g, call);
	}
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
gate_pipe_late(struct gate *g, struct gate_call *call)
{
	struct gate_conn *c = gate_conn_find(g, call->conn);

	error(g, call, MB_ERR_DEADLINE);
	if (call->unsent) {
		call->unsent = false;
		arguments_free(g, call);
	} else {
		gate_call_cancel(g, call, MB_ERR_DEADLINE);
	}
	gate_pipe_reply(g, c);
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
