/* SPDX-License-Identifier: Apache-2.0 */
/* gate_direct - calls that go to an executor without sched between
 *
 * As the client library does it (client/calls.c): a call goes directly to an executor whose claim
 * the gate wins and with which a channel is open; else to sched, which waits for a free one, and a
 * channel is asked for. The claim is held while calls are out there, and freed with the last
 * answer; when sched wants it, nothing more is sent there.
 *
 *   E1  A call goes behind others of ours when they are of its connection, and so have to run
 *       before it in any case; or where nobody could run it sooner (direct.h).
 *   E2  No more calls are out at an executor than its channel back holds answers.
 *   E3  Of a function that is called directly not more calls wait at sched than executors have it:
 *       with a queue there sched would keep the claims, and each call be a round trip for itself.
 *       The others wait here, and go when there is room, or a claim.
 *   E4  A call whose executor died is sent once more, by sched, if it has written nothing; more
 *       often if no executor had taken it. Else it is answered with what is known of its writes.
 */
#include <stdio.h>
#include <string.h>

#include <microburst/error.h>

#include "call.h"
#include "check.h"
#include "compiler.h"
#include "death.h"
#include "gate_int.h"
#include "timebase.h"

/* ------------------------------------------------------------------ where to */

/* The channel on which one more call goes to an executor, whose claim is ours or lent to us.
 * Returns: 0 with *ret, NULL: it is being opened; MB_ERR_FULL: there is no room just now, E2. */
static int
channel_to(struct gate *g, uint16_t e, struct channel **ret)
{
	*ret = inner_channel(&g->inner, e);
	if (*ret == NULL) {
		inner_open(&g->inner, e, g->now_ns);
		return 0;
	}
	return direct_room(&g->direct, *ret) ? 0 : MB_ERR_FULL;
}

/* Whether a channel is open with one that has the function. */
static bool
direct_any(struct gate *g, const uint64_t exec[])
{
	for (uint64_t left = g->inner.direct; left != 0; left &= left - 1) {
		uint32_t port = PORT_DIRECT_FIRST + (uint32_t)__builtin_ctzll(left);

		if (placement_in(exec, g->inner.ch[port].proc)) {
			return true;
		}
	}
	return false;
}

/* How many calls of a function are at sched. */
static uint32_t *
sched_cnt(struct gate *g, uint16_t fn)
{
	return &g->sched_cnt[fn % FUNCTION_CNT_MAX];
}

static void
claim_give(struct gate *g, uint16_t e)
{
	struct desc m = { .kind = DESC_FREED, .a = e };

	if (claim_free(g->inner.cfg.hints, e, g->direct.who)) {
		gate_owe(g, PORT_SCHED, &m);
	}
}

int
gate_direct_route(struct gate *g, const struct gate_conn *c, uint16_t fn,
		  const struct placement_where *w, struct channel **ret)
{
	const struct gate_call *before = c->call_last;
	const struct hints *hints = g->inner.cfg.hints;
	uint32_t run_ns = direct_run_ns(&g->direct, fn, false);
	uint16_t e;

	*ret = NULL;
	if (before != NULL) { /* E1 */
		return before->exec != 0 && !before->unsent && !w->batched &&
				       placement_in(w->exec, before->exec) &&
				       direct_joins(&g->direct, hints, before->exec, run_ns)
			       ? channel_to(g, before->exec, ret)
			       : MB_ERR_TRYAGAIN;
	}
	if (w->batched) {
		return 0;
	}
	e = direct_behind(&g->direct, hints, w, run_ns, false);
	if (e != 0) {
		int err = channel_to(g, e, ret);

		if (err == 0 || w->spread == PLACEMENT_ALONE) {
			return err;
		}
	}
	e = placement_pick(w->exec, g->direct.last, g->direct.who, rng_u64(&g->rng),
			   g->inner.cfg.hints);
	if (e != 0) {
		int err = channel_to(g, e, ret);

		if (g->direct.out[e] == 0 && (err != 0 || *ret == NULL)) {
			claim_give(g, e);
		}
		if (err != 0 || *ret != NULL) {
			return err;
		}
	}
	e = direct_behind(&g->direct, hints, w, run_ns, true);
	if (e != 0) {
		return channel_to(g, e, ret);
	}
	return direct_any(g, w->exec) && *sched_cnt(g, fn) >= placement_cnt(w->exec) ? MB_ERR_FULL
										     : 0; /* E3 */
}

int
gate_direct_send(struct gate *g, struct gate_call *call, struct channel *ch)
{
	int err;

	if (ch == NULL) {
		call->exec = 0;
		err = inner_send(&g->inner, PORT_SCHED, &call->msg);
		*sched_cnt(g, call->msg.a) += err == 0;
		return err;
	}
	call->exec = ch->proc;
	call->chan_seq = ch->tail;
	err = inner_put(&g->inner, ch, &call->msg);
	if (err == 0) {
		call->work_ns = direct_run_ns(&g->direct, call->msg.a, false);
		direct_sent(&g->direct, ch->proc, call->work_ns);
	} else if (g->direct.out[ch->proc] == 0) {
		claim_give(g, ch->proc);
	}
	return err;
}

void
gate_direct_over(struct gate *g, struct gate_call *call)
{
	if (call->exec == 0) {
		REQUIRE(*sched_cnt(g, call->msg.a) > 0);
		--*sched_cnt(g, call->msg.a);
		return;
	}
	REQUIRE(g->direct.out[call->exec] > 0);
	direct_over(&g->direct, call->exec, call->work_ns);
	if (g->direct.out[call->exec] == 0) {
		claim_give(g, call->exec);
	}
}

/* ------------------------------------------------------------------- answers */

/* The call goes on, where its executor cannot run it: its results are its next arguments, copied,
 * so that they do not end with their executor. */
static void
go_on(struct gate *g, struct gate_call *call, const struct desc *d)
{
	struct desc next = call_next(&call->msg, d);
	const uint8_t *p;
	size_t len;
	int err = inner_bytes(&g->inner, d, &p, &len);

	if (err == 0) {
		err = inner_payload(&g->inner, &next, p, len, g->inner.cfg.proc);
	}
	gate_payload_back(g, d);
	if (err == 0) {
		inner_payload_free(&g->inner, &call->msg, g->inner.cfg.proc);
		call->msg = next;
		err = gate_direct_send(g, call, NULL);
	}
	if (err != 0) {
		struct desc failed = { .kind = DESC_REPLY,
				       .flags = DESC_F_INLINE,
				       .err = (int16_t)(err == MB_ERR_FULL ? MB_ERR_BUSY : err) };

		gate_pipe_answered(g, call, &failed);
	}
}

/* It has not begun where it was, and goes by sched when it is the first of its connection. */
static void
given_back(struct gate *g, struct gate_call *call)
{
	struct gate_conn *c = gate_conn_find(g, call->conn);

	call->exec = 0;
	call->unsent = true;
	if (c->call_first == call) {
		gate_pipe_reply(g, c);
	}
}

static void
answered(struct gate *g, const struct channel *ch, const struct desc *d)
{
	struct gate_call *call = &g->call[d->call % GATE_CALL_CNT];
	const struct desc own = call_reply_own(d, ch->proc);

	/* Only who was asked may answer. */
	if (d->kind != DESC_REPLY || !call->used || call->id != d->call || call->exec != ch->proc) {
		return;
	}
	d = &own;
	gate_direct_over(g, call);
	call->exec = 0; /* it is answered once */
	if (unlikely((d->sub & REPLY_NOT_BEGUN) != 0 && !call->over)) {
		given_back(g, call);
		return;
	}
	direct_learn(&g->direct, call->msg.a, false, (uint32_t)(d->b >> 32));
	if (unlikely((d->sub & REPLY_GOES_ON) != 0 && d->err == 0 && !call->over)) {
		go_on(g, call, d);
	} else {
		gate_pipe_answered(g, call, d);
	}
}

/* Takes what is there. Returns: how many; MB_ERR_PEER_CORRUPT. */
static int
drain(struct gate *g, struct channel *ch)
{
	struct desc d;
	int n = 0;

	for (uint32_t i = 0; i < CHANNEL_DEPTH; i++) {
		int got = inner_direct_recv(&g->inner, ch, &d);

		if (got <= 0) {
			return got < 0 ? got : n;
		}
		answered(g, ch, &d);
		n++;
	}
	return n;
}

/* ---------------------------------------------------------- channels that end */

/* Our end is cleared. Which calls the executor had read is known only before that. */
static void
end(struct gate *g, struct channel *ch, int err)
{
	uint16_t e = ch->proc;
	struct desc m;

	for (uint32_t i = 0; i < GATE_CALL_CNT && g->direct.out[e] > 0; i++) {
		if (g->call[i].used && g->call[i].exec == e) {
			g->call[i].taken = channel_taken(ch, g->call[i].chan_seq);
		}
	}
	inner_close(&g->inner, ch, err, &m);
	gate_owe(g, PORT_CTL, &m);
}

/* The executor lives, but not the channel: what was asked of it there is not answered any more. */
static void
broken(struct gate *g, struct channel *ch, int err)
{
	uint16_t e = ch->proc;

	end(g, ch, err);
	for (uint32_t i = 0; i < GATE_CALL_CNT && g->direct.out[e] > 0; i++) {
		struct gate_call *call = &g->call[i];
		struct desc failed = { .kind = DESC_REPLY,
				       .flags = DESC_F_INLINE,
				       .err = MB_ERR_PEER_CORRUPT };

		if (call->used && call->exec == e) {
			gate_direct_over(g, call);
			call->exec = 0;
			gate_pipe_answered(g, call, &failed);
		}
	}
}

/* E4: sends a call of a dead executor once more, or answers it. */
static void
again(struct gate *g, struct gate_call *call, const struct desc *dead)
{
	bool effects = call_wrote(call->id, dead);
	struct desc failed = { .kind = DESC_REPLY,
			       .flags = DESC_F_INLINE,
			       .err = MB_ERR_EXECUTOR_DIED };
	char text[DEATH_TEXT_BYTES];

	call->exec = 0;
	if (!call->over && !effects && call->resent < CALL_RESEND_MAX &&
	    (!call->taken || (call->msg.sub & CALL_ATTEMPT_MASK) == 0)) {
		call->resent++;
		if (call->taken) {
			call->msg.sub |= 1 << CALL_ATTEMPT_SHIFT;
		}
		call->taken = false;
		call->unsent = true;
		return;
	}
	death_text(dead, effects, text);
	failed.len = (uint8_t)strnlen(text, DESC_INLINE_BYTES);
	memcpy(failed.data, text, failed.len);
	gate_pipe_answered(g, call, &failed);
}

static void
died(struct gate *g, const struct desc *d)
{
	uint16_t e = d->dead.proc;
	struct channel *ch = e < PROC_CLIENT_FIRST ? inner_channel(&g->inner, e) : NULL;
	struct desc ack = *d;

	if (ch != NULL && ch->inc == d->dead.inc) {
		drain(g, ch); /* it had said that before */
		end(g, ch, MB_ERR_PEER_DIED);
	}
	for (uint32_t i = 0; e < PROC_CLIENT_FIRST && g->direct.out[e] > 0 && i < GATE_CALL_CNT;
	     i++) {
		if (g->call[i].used && g->call[i].exec == e) {
			again(g, &g->call[i], d);
		}
	}
	for (uint32_t i = 0; i < GATE_CALL_CNT; i++) {
		struct gate_call *call = &g->call[i];
		struct gate_conn *c =
			call->used && call->unsent ? gate_conn_find(g, call->conn) : NULL;

		if (c != NULL && c->call_first == call) {
			gate_pipe_reply(g, c);
		}
	}
	if (e < PROC_CLIENT_FIRST) {
		g->direct.out[e] = 0;
		g->direct.work_ns[e] = 0;
	}
	payload_release_all(g->inner.pool, e);
	ack.kind = DESC_DEAD_ACK;
	gate_owe(g, PORT_CTL, &ack);
}

static void
ctl_says(struct gate *g, const struct desc *d)
{
	struct desc refused = { .kind = DESC_CLOSE, .a = d->a };
	struct channel *ch;

	switch (d->kind) {
	case DESC_DEAD:
		died(g, d);
		break;
	case DESC_OPENED:
		gate_owe(g, PORT_CTL, &refused);
		break;
	default:
		ch = &g->inner.ch[d->a];
		drain(g, ch);
		broken(g, ch, d->err);
	}
}

bool
gate_direct_poll(struct gate *g)
{
	struct desc d;
	bool busy = false;

	for (uint64_t left = g->inner.direct; left != 0; left &= left - 1) {
		struct channel *ch =
			&g->inner.ch[PORT_DIRECT_FIRST + (uint32_t)__builtin_ctzll(left)];
		int n = channel_idle(ch) ? 0 : drain(g, ch);

		if (n < 0) {
			broken(g, ch, n);
		}
		busy |= n != 0;
	}
	while (inner_ctl(&g->inner, &d) == 1) {
		ctl_says(g, &d);
		busy = true;
	}
	return busy;
}

bool
gate_direct_awaits(const struct gate *g)
{
	uint32_t out = 0;

	for (uint64_t left = g->inner.direct; left != 0; left &= left - 1) {
		uint32_t port = PORT_DIRECT_FIRST + (uint32_t)__builtin_ctzll(left);

		out += g->direct.out[g->inner.ch[port].proc];
	}
	return out > 0 && out == g->under_way;
}
