/* SPDX-License-Identifier: Apache-2.0 */
/* calls - see impl.h for the life of a call and C1..C3
 *
 * Where a call goes. Directly to an executor whose claim this client wins, if a channel to it is
 * open; or behind others of ours at an executor, where nobody could run it sooner (direct.h);
 * otherwise to sched, which waits for a free one (and a channel is asked for). A call of a function
 * that takes batches goes directly when it is the only one that is out: calls meet at sched.
 *
 * A claim is held while calls are out at that executor, and freed with the last answer. When sched
 * wants it (CLAIM_WANTED), nothing more is sent there directly, so it becomes free soon.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "compiler.h"
#include "death.h"
#include "impl.h"
#include "probe.h"
#include "remote.h"
#include "timebase.h"
#include "value.h"

/* What is cancelled may not have begun: it waits in the channel of an executor that is busy, or
 * stopped.
 * So the node is told again until the answer comes. */
#define CANCEL_AGAIN_NS (20 * NS_PER_MS)

/* More values than this do not fit a descriptor, unless they are empty. */
#define ARGS_INLINE_MAX 4

static_assert((MB_CALLS_MAX & (MB_CALLS_MAX - 1)) == 0, "slots are named by bits of an id");
static_assert(MB_CALLS_MAX == LIVE_CNT, "each slot has its place in the region");

/* ----------------------------------------------------------------- claims */

static void
client_claim_free(struct mb_client *c, uint16_t exec)
{
	struct desc m = { .kind = DESC_FREED, .a = exec };

	if (claim_free(c->d->hints, exec, c->direct.who)) {
		channel_send(&c->d->ch[PORT_SCHED], &m);
	}
}

/* Whether a call is worth running at several executors at a time, as far as is known here. sched
 * knows what is not, and decides. */
static bool
client_splits(const struct mb_client *c, const struct client_name *t)
{
	return t->splits && t->where.spread != PLACEMENT_ALONE &&
	       direct_run_ns(&c->direct, t->id, true) >= t->split_ns;
}

/* Calls that go through sched whoever is free. */
static bool
client_indirect(const struct mb_client *c, const struct client_name *t,
		const struct client_call *call)
{
	return (call->d.flags & CALL_F_REQUEST) != 0 ||
	       (t->where.batched && c->call_cnt + c->late_cnt > 0) ||
	       ((call->d.sub & CALL_LEVEL_MASK) == MB_LEVEL_LWW && client_splits(c, t));
}

/* The channel on which a call may go directly now; NULL: through sched. */
static struct channel *
client_route(struct mb_client *c, const struct client_name *t, uint32_t run_ns)
{
	const struct placement_where *w = &t->where;
	struct hints *hints = c->d->hints;
	uint16_t last = c->direct.last;
	uint16_t e = direct_behind(&c->direct, hints, w, run_ns, false);
	struct channel *ch;

	if (likely(e == 0 || c->direct.out[e] >= CALL_DIRECT_MAX)) {
		e = likely(placement_in(w->exec, last) && claim_try(hints, last, c->direct.who))
			    ? last
			    : placement_pick(w->exec, last, c->direct.who, rng_u64(&c->rng), hints);
	}
	if (e == 0) {
		e = direct_behind(&c->direct, hints, w, run_ns, true);
	}
	if (e == 0) {
		return NULL;
	}
	ch = domain_channel(c->d, e);
	if (likely(ch != NULL && direct_room(&c->direct, ch))) {
		return ch;
	}
	if (c->direct.out[e] == 0) { /* or it is held for those */
		client_claim_free(c, e);
	}
	if (ch == NULL) {
		domain_open(c->d, e);
	}
	return NULL;
}

/* ------------------------------------------------------------------ sending */

static int
client_send_sched(struct mb_client *c, struct client_call *call)
{
	call->exec = 0;
	return channel_send(&c->d->ch[PORT_SCHED], &call->d);
}

static void
client_payload_free(struct mb_client *c, struct client_call *call)
{
	if ((call->d.flags & DESC_F_INLINE) == 0) {
		payload_release(c->d->pool, call->d.ref.handle, c->d->proc);
	}
}

/* client_deadlines shall look at a call at at_ns. */
static void
client_due(struct mb_client *c, uint64_t at_ns)
{
	if (c->next_deadline_ns == 0 || at_ns < c->next_deadline_ns) {
		c->next_deadline_ns = at_ns;
	}
}

static void
client_deadline_set(struct mb_client *c, struct client_call *call, uint64_t after_ns)
{
	call->deadline_ns = 0;
	if (after_ns != 0) {
		uint64_t now = timebase_now_ns(timebase_real());

		call->deadline_ns = after_ns < UINT64_MAX - now ? now + after_ns : UINT64_MAX;
		client_due(c, call->deadline_ns);
	}
}

struct client_call *
client_slot(struct mb_client *c, const struct mb_call_options *opt)
{
	struct client_call *call;

	if (c->call_cnt + MAX(c->late_cnt, c->held_cnt) >= MB_CALLS_MAX ||
	    (c->d != NULL && domain_returns(c->d) > DOMAIN_RETURNS_MAX - MB_CALLS_MAX)) {
		return NULL;
	}
	do {
		c->seq++;
	} while (c->call[SLOT(c->seq)].state != CALL_FREE || c->call[SLOT(c->seq)].late);
	call = &c->call[SLOT(c->seq)];
	call->id = call_id_by(c->direct.who, c->seq);
	client_live(c, call->id, true);
	call->resent = 0;
	call->cancelled = false;
	call->cancel_ns = 0;
	call->taken = false;
	client_deadline_set(c, call, opt != NULL ? opt->deadline_ns : 0);
	return call;
}

void
client_sent(struct mb_client *c, struct client_call *call)
{
	call->state = CALL_SENT;
	c->call_cnt++;
}

int
client_start(struct mb_client *c, const struct client_name *target, struct desc *d,
	     const struct mb_call_options *opt, uint64_t *ret_call)
{
	struct client_call *call;
	struct channel *ch;
	int err = client_options_check(opt);

	if (unlikely(err != 0)) {
		return err;
	}
	if (unlikely(c->dead != 0)) {
		return c->dead;
	}
	call = client_slot(c, opt);
	if (unlikely(call == NULL)) {
		return MB_ERR_BUSY;
	}
	if (unlikely(target->limit_ns != 0) &&
	    (opt == NULL || opt->deadline_ns == 0 || opt->deadline_ns > target->limit_ns)) {
		client_deadline_set(c, call, target->limit_ns);
	}
	d->kind = DESC_CALL;
	d->a = target->id;
	d->sub = target->dag ? CALL_DAG : 0;
	if (opt != NULL) {
		d->sub |= (uint8_t)opt->level;
		d->flags |= (uint8_t)(opt->ack << CALL_F_ACK_SHIFT);
	}
	d->call = call->id;
	if (unlikely(opt != NULL && opt->request_id != 0)) {
		err = client_request(c, d, opt->request_id);
	} else if (unlikely(call->id % STAGE_SAMPLE == 0 || (opt != NULL && opt->trace))) {
		err = client_follow(c, call, d, opt != NULL && opt->trace);
	}
	if (unlikely(err != 0)) {
		client_live(c, call->id, false);
		return err;
	}
	d->b = call->deadline_ns;
	call->d = *d;
	call->work_ns = direct_run_ns(&c->direct, target->id, target->dag);
	ch = unlikely(client_indirect(c, target, call)) ? NULL
							: client_route(c, target, call->work_ns);
	if (likely(ch != NULL)) {
		call->exec = ch->proc;
		call->chan_seq = ch->tail;
		if (unlikely((call->d.flags & CALL_F_TRACED) != 0)) {
			client_follow_sent(call);
		}
		err = channel_send(ch, &call->d);
		if (likely(err == 0)) {
			direct_sent(&c->direct, ch->proc, call->work_ns);
		} else if (c->direct.out[ch->proc] == 0) {
			client_claim_free(c, ch->proc);
		}
	}
	if (ch == NULL || unlikely(err != 0)) {
		err = client_send_sched(c, call);
	}
	if (unlikely(err != 0)) {
		client_live(c, call->id, false);
		return err == MB_ERR_FULL ? MB_ERR_BUSY : err;
	}
	client_sent(c, call);
	PROBE3(call_sent, call->id, call->d.a, call->exec);
	*ret_call = call->id;
	return 0;
}

/* ------------------------------------------------------------------ answers */

static struct client_call *
client_call_find(struct mb_client *c, uint64_t id)
{
	struct client_call *call = &c->call[SLOT(id)];

	return call->id == id && (call->state == CALL_SENT || call->late) ? call : NULL;
}

static void
client_release(struct mb_client *c, const struct desc *d)
{
	const uint8_t *p;

	/* Never looked at: a view of it, ended at once, sends the hold back. */
	if ((d->flags & DESC_F_INLINE) == 0 && domain_view(c->d, &d->ref, &p) == 0) {
		domain_release(c->d, &d->ref);
	}
}

/* C1: the one place where a call becomes answered. */
static struct client_reply *
client_done(struct mb_client *c, struct client_call *call, const struct desc *answer)
{
	struct client_reply *r;
	uint32_t slot = SLOT(call->id);

	REQUIRE(call->state == CALL_SENT);
	REQUIRE(c->reply_free != 0);
	call->state = CALL_DONE;
	client_live(c, call->id, false);
	r = &c->reply[c->reply_free - 1];
	c->reply_of[slot] = c->reply_free;
	c->reply_free = r->next;
	r->d = *answer;
	r->err = domain_bytes(c->d, &r->d, &r->p, &r->len, &r->view);
	c->done[c->done_tail++ & (MB_CALLS_MAX - 1)] = (uint16_t)slot;
	return r;
}

static void
client_fail(struct mb_client *c, struct client_call *call, int err, const char *text)
{
	struct desc d = { .kind = DESC_REPLY,
			  .flags = DESC_F_INLINE,
			  .call = call->id,
			  .err = (int16_t)err };

	d.len = (uint8_t)strnlen(text, DESC_INLINE_BYTES);
	memcpy(d.data, text, d.len);
	client_done(c, call, &d)->name = 0;
}

/* The call is not at its executor any more. */
static void
client_leave(struct mb_client *c, struct client_call *call)
{
	if (call->exec != 0) {
		REQUIRE(c->direct.out[call->exec] > 0);
		direct_over(&c->direct, call->exec, call->work_ns);
		if (c->direct.out[call->exec] == 0) {
			client_claim_free(c, call->exec);
		}
	}
}

/* The executor, or sched, has nothing more to do with the call: its arguments are free (C2). */
static void
client_settle(struct mb_client *c, struct client_call *call)
{
	client_payload_free(c, call);
	client_leave(c, call);
	if (call->late) {
		call->late = false;
		c->late_cnt--;
	}
}

/* The call goes on, where its executor cannot run it: its results are its next arguments. They are
 * copied, so that they do not end with their executor. */
static void __attribute__((__cold__))
client_go_on(struct mb_client *c, struct client_call *call, const struct desc *d)
{
	struct desc next = call_next(&call->d, d);
	const uint8_t *p;
	bool view;
	size_t len;
	int err = domain_bytes(c->d, d, &p, &len, &view);

	if (err == 0) {
		err = payload_put(c->d->pool, &next, p, len, c->d->proc);
		if (view) {
			domain_release(c->d, &d->ref);
		}
	}
	client_settle(c, call);
	call->exec = 0;
	call->d = next;
	if (err == 0) {
		err = client_send_sched(c, call);
		if (err != 0) {
			client_payload_free(c, call);
		}
	}
	if (err != 0) {
		client_fail(c, call,
			    err == MB_ERR_FULL        ? MB_ERR_BUSY
			    : err == MB_ERR_PEER_DIED ? MB_ERR_EXECUTOR_DIED
						      : err,
			    "it could not go on; its writes happened");
	}
}

void
client_on_reply(struct mb_client *c, struct channel *ch, const struct desc *d)
{
	struct client_call *call = client_call_find(c, d->call);
	struct desc own;
	bool goes_on;

	/* Only who was asked may answer. */
	if (call == NULL || (ch->proc != PROC_DAEMON && ch->proc != call->exec) ||
	    (ch->proc == PROC_DAEMON && call->exec != 0)) {
		return;
	}
	if (unlikely(ch->proc != PROC_DAEMON && (d->flags & DESC_F_INLINE) == 0)) {
		own = call_reply_own(d, ch->proc);
		d = &own;
	}
	if (call->late) {
		client_settle(c, call);
		client_release(c, d);
		return;
	}
	if (unlikely((d->sub & REPLY_NOT_BEGUN) != 0 && ch->proc != PROC_DAEMON &&
		     !call->cancelled) &&
	    channel_space(&c->d->ch[PORT_SCHED], 1) > 0) {
		client_leave(c, call);
		client_send_sched(c, call);
		return;
	}
	goes_on = (d->sub & REPLY_GOES_ON) != 0 && d->err == 0 && ch->proc != PROC_DAEMON;
	if (unlikely(goes_on && !call->cancelled)) {
		client_go_on(c, call, d);
		return;
	}
	if (unlikely((call->d.flags & CALL_F_TRACED) != 0)) {
		client_follow_end(c, call, d);
	}
	PROBE2(call_answered, call->id, d->err);
	client_settle(c, call);
	if (unlikely(call->cancelled && (d->err != 0 || goes_on))) {
		client_release(c, d);
		client_fail(c, call, MB_ERR_CANCELLED, "");
	} else {
		direct_learn(&c->direct, call->d.a, (call->d.sub & CALL_DAG) != 0,
			     (uint32_t)(d->b >> 32));
		client_done(c, call, d);
	}
}

void
client_on_answer(struct mb_client *c, struct client_call *call, int err, uint16_t executor,
		 uint32_t run_ns, uint64_t name, struct slice payload, uint8_t *own)
{
	struct desc d = { .kind = DESC_REPLY,
			  .flags = DESC_F_INLINE,
			  .call = call->id,
			  .err = (int16_t)err,
			  .a = executor,
			  .b = call_time_make(run_ns, run_ns) };
	struct client_reply *r;

	if (call->late) {
		call->late = false;
		c->late_cnt--;
		free(own);
		return;
	}
	if (call->cancelled && err != 0) {
		d.err = MB_ERR_CANCELLED;
		payload.len = 0;
	}
	r = client_done(c, call, &d);
	r->own = own;
	r->name = name;
	if (payload.len > 0) {
		r->p = payload.p;
		r->len = payload.len;
	}
}

/* ------------------------------------------------------- deaths, deadlines */

void
client_on_closed(struct mb_client *c, struct channel *ch, int err)
{
	for (uint32_t i = 0; i < MB_CALLS_MAX; i++) {
		struct client_call *call = &c->call[i];

		if ((call->state != CALL_SENT && !call->late) || call->exec != ch->proc) {
			continue;
		}
		call->taken = channel_taken(ch, call->chan_seq);
		if (err != MB_ERR_PEER_DIED) {
			bool late = call->late;

			client_settle(c, call);
			if (!late) {
				client_fail(c, call, MB_ERR_PEER_CORRUPT,
					    "the executor broke its channel");
			}
		}
	}
}

/* Sends a call of a dead executor once more, or answers it. */
static void
client_again(struct mb_client *c, struct client_call *call, const struct desc *dead)
{
	bool effects = call_wrote(call->id, dead);
	char text[DEATH_TEXT_BYTES];

	if (call->cancelled) {
		client_payload_free(c, call);
		client_fail(c, call, MB_ERR_CANCELLED, "");
		return;
	}
	if (!effects && call->resent < CALL_RESEND_MAX &&
	    (!call->taken || (call->d.sub & CALL_ATTEMPT_MASK) == 0)) { /* C3 */
		call->resent++;
		if (call->taken) {
			call->d.sub |= 1 << CALL_ATTEMPT_SHIFT;
		}
		call->taken = false;
		if (client_send_sched(c, call) == 0) {
			return;
		}
	}
	death_text(dead, effects, text);
	client_payload_free(c, call);
	client_fail(c, call, MB_ERR_EXECUTOR_DIED, text);
}

void
client_on_dead(struct mb_client *c, const struct desc *d)
{
	uint16_t exec = d->dead.proc;

	if (exec >= PROC_CLIENT_FIRST || c->direct.out[exec] == 0) {
		return;
	}
	c->direct.out[exec] = 0;
	c->direct.work_ns[exec] = 0;
	for (uint32_t i = 0; i < MB_CALLS_MAX; i++) {
		struct client_call *call = &c->call[i];

		if (call->exec != exec || (call->state != CALL_SENT && !call->late)) {
			continue;
		}
		call->exec = 0;
		if (call->late) {
			client_settle(c, call);
		} else {
			client_again(c, call, d);
		}
	}
}

void
client_on_node_gone(struct mb_client *c)
{
	for (uint32_t i = 0; i < MB_CALLS_MAX; i++) {
		if (c->call[i].state == CALL_SENT) {
			client_fail(c, &c->call[i], MB_ERR_NO_NODE, "the node ended");
		}
	}
}

static void
client_tell_cancel(struct mb_client *c, const struct client_call *call, int err)
{
	struct desc m = { .kind = DESC_CANCEL,
			  .call = call->id,
			  .a = call->exec,
			  .err = (int16_t)err };

	if (c->remote != NULL) {
		remote_cancel(c, call, err);
		return;
	}
	channel_send(&c->d->ch[PORT_SCHED], &m);
}

void
client_deadlines(struct mb_client *c, uint64_t now_ns)
{
	if (now_ns < c->next_deadline_ns) {
		return;
	}
	c->next_deadline_ns = 0;
	for (uint32_t i = 0; i < MB_CALLS_MAX; i++) {
		struct client_call *call = &c->call[i];

		if (call->state != CALL_SENT) {
			continue;
		}
		if (call->deadline_ns != 0 && call->deadline_ns <= now_ns) {
			client_tell_cancel(c, call, MB_ERR_DEADLINE);
			call->late = true;
			c->late_cnt++;
			client_fail(c, call, MB_ERR_DEADLINE, "");
			continue;
		}
		if (call->cancel_ns != 0 && call->cancel_ns <= now_ns) {
			client_tell_cancel(c, call, MB_ERR_CANCELLED);
			call->cancel_ns = now_ns + CANCEL_AGAIN_NS;
		}
		if (call->deadline_ns != 0) {
			client_due(c, call->deadline_ns);
		}
		if (call->cancel_ns != 0) {
			client_due(c, call->cancel_ns);
		}
	}
}

void
client_on_cancel(struct mb_client *c, uint64_t id)
{
	struct client_call *call = client_call_find(c, id);

	if (call != NULL) {
		call->cancelled = true;
	}
}

int
mb_call_cancel(struct mb_client *c, uint64_t id)
{
	struct client_call *call = client_call_find(c, id);

	if (call == NULL || call->late) {
		return MB_ERR_NOT_FOUND;
	}
	call->cancelled = true;
	client_tell_cancel(c, call, MB_ERR_CANCELLED);
	call->cancel_ns = timebase_now_ns(timebase_real()) + CANCEL_AGAIN_NS;
	client_due(c, call->cancel_ns);
	return 0;
}

/* ------------------------------------------------------------------- calls */

/* Writes the arguments where the call's payload goes: inline, or in this client's memory. */
static int
client_args(struct mb_client *c, struct desc *d, const struct mb_value *arg, size_t cnt)
{
	int64_t bytes;
	uint8_t *p;
	int err;

	static_assert(offsetof(struct desc, data) % 8 == 0, "a list is aligned");
	/* Most calls have a few numbers: tried at once, measured only if that does not fit. */
	if (likely(cnt <= ARGS_INLINE_MAX)) {
		bytes = client_list_write(d->data, DESC_INLINE_BYTES, arg, cnt);
		if (likely(bytes >= 0)) {
			d->flags = DESC_F_INLINE;
			d->len = (uint8_t)bytes;
			return 0;
		}
	}
	bytes = client_list_bytes(arg, cnt);
	if (bytes < 0) {
		return (int)bytes;
	}
	d->flags = 0;
	d->len = 0;
	err = payload_alloc(c->d->pool, (size_t)bytes, c->d->proc, &d->ref, &p);
	if (err != 0) {
		return err;
	}
	bytes = client_list_write(p, (size_t)bytes, arg, cnt);
	if (bytes < 0) {
		payload_release(c->d->pool, d->ref.handle, c->d->proc);
		return (int)bytes;
	}
	return 0;
}

int
mb_call_start(struct mb_client *c, const char *name, const struct mb_value *arg, size_t arg_cnt,
	      const struct mb_call_options *opt, uint64_t *ret_call)
{
	const struct client_name *t;
	struct desc d __attribute__((__aligned__(8))) = { 0 };
	int err;

	if (unlikely(c->remote != NULL)) {
		return remote_call_start(c, name, arg, arg_cnt, opt, ret_call);
	}
	err = client_target(c, name, false, &t);
	if (likely(err == 0)) {
		err = client_args(c, &d, arg, arg_cnt);
	}
	if (unlikely(err != 0)) {
		return err;
	}
	err = client_start(c, t, &d, opt, ret_call);
	if (unlikely(err != 0) && (d.flags & DESC_F_INLINE) == 0) {
		payload_release(c->d->pool, d.ref.handle, c->d->proc);
	}
	return err;
}

int
mb_call(struct mb_client *c, const char *name, const struct mb_value *arg, size_t arg_cnt,
	const struct mb_call_options *opt, struct mb_reply *reply)
{
	uint64_t call = 0;
	int err = mb_call_start(c, name, arg, arg_cnt, opt, &call);

	if (unlikely(err != 0)) {
		*reply = (struct mb_reply){ .err = err, .text = "" };
		return err;
	}
	return client_wait_one(c, call, reply);
}
