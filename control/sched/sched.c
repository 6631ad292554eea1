/* SPDX-License-Identifier: Apache-2.0 */
/* sched - see sched.h for the picture and S1..S5
 *
 * A target is what a call names: a function (entry 0..255 of the placement table) or a DAG (behind
 * them). Each has its queue, and the set of executors that can run it: those that accept the
 * function, or every function of the DAG.
 *
 * Late binding from both sides: a call that arrives takes a free executor if there is one; an
 * executor that becomes free takes the oldest call it can run. Each target's queue is in order, so
 * the oldest is the head of one of them: record numbers grow with time.
 */
#include "sched.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "call.h"
#include "check.h"
#include "compiler.h"
#include "direct.h"
#include "message.h"
#include "microburst/error.h"
#include "probe.h"
#include "sched_int.h"
#include "timebase.h"

int
sched_create(struct sched **ret, struct placement *placement, struct hints *hints,
	     uint32_t queue_max, uint64_t seed, const struct sched_ops *ops)
{
	struct sched *s = calloc(1, sizeof(*s));

	if (s == NULL) {
		return MB_ERR_NO_MEMORY;
	}
	s->placement = placement;
	s->hints = hints;
	s->ops = *ops;
	s->queue_max = queue_max;
	s->timer_ns = SCHED_TIMER_NONE;
	rng_init(&s->rng, seed);
	for (uint32_t i = 0; i < SCHED_CALL_MAX; i++) {
		s->call[i].next = i + 1 < SCHED_CALL_MAX ? i + 2 : 0;
	}
	s->free = 1;
	sched_runs_init(s);
	sched_requests_init(s);
	if (sched_messages_create(s) != 0 || returns_create(&s->returns, SCHED_RETURNS_MAX) != 0) {
		sched_destroy(s);
		return MB_ERR_NO_MEMORY;
	}
	*ret = s;
	return 0;
}

void
sched_log_set(struct sched *s, struct sched_log *log)
{
	s->log = log;
}

void
sched_destroy(struct sched *s)
{
	inboxes_destroy(s->inboxes);
	returns_destroy(s->returns);
	free(s);
}

/* --------------------------------------------------------------- dispatch */

void
sched_wake_at(struct sched *s, uint64_t at_ns)
{
	s->timer_ns = at_ns < s->timer_ns ? at_ns : s->timer_ns;
}

/* One that goes may get parts of the runs it was kept for: they stand in front there. */
bool
sched_may_run(const struct sched *s, const struct sched_target *t, uint16_t exec)
{
	if (likely(!s->draining[exec])) {
		return placement_in(t->exec, exec);
	}
	return placement_in(t->kept, exec) && s->call[t->head - 1].run != 0;
}

/* The next call that exec can run: the oldest head, but for those that let others pass. */
static struct sched_target *
sched_oldest(struct sched *s, uint16_t exec)
{
	struct sched_target *best = NULL;
	uint64_t seq = UINT64_MAX;

	for (uint32_t w = 0; w < TARGET_WORDS; w++) {
		uint64_t bits = s->waiting[w];

		while (bits != 0) {
			struct sched_target *t =
				&s->target[w * 64 + (uint32_t)__builtin_ctzll(bits)];

			uint64_t at = s->call[t->head - 1].seq;

			bits &= bits - 1;
			if (at < seq && at + sched_batch_pass(s, t) < seq &&
			    sched_may_run(s, t, exec)) {
				best = t;
				seq = at + sched_batch_pass(s, t);
			}
		}
	}
	return best;
}

void
sched_running_set(struct sched *s, uint16_t exec, uint32_t record)
{
	s->running[exec] = record;
	sched_exec_set(s->taken, exec, record != 0);
	sched_lease_begin(s, exec);
}

/* Remembers a decision. */
void
sched_note(struct sched *s, const struct sched_call *c)
{
	struct sched_decision d = { .call = c->d.call,
				    .at_ns = s->now_ns,
				    .waited_ns = s->now_ns - c->came_ns,
				    .ahead = c->ahead,
				    .load = s->load[c->exec],
				    .exec = c->exec,
				    .attempt =
					    (c->d.sub & CALL_ATTEMPT_MASK) >> CALL_ATTEMPT_SHIFT };
	const struct sched_target *t;

	if (c->run != 0) {
		const struct placement_vertex *v = &SCHED_RUN(s, c)->dag.vertex[c->first];

		t = sched_target_of(s, SCHED_RUN(s, c), c->first);
		d.target = v->fn;
		memcpy(d.tag, v->tag, sizeof(d.tag));
		d.part = true;
		d.first = c->first;
		d.last = c->last;
		d.input_bytes = sched_part_bytes(s, c, c->exec, &d.near_bytes);
	} else {
		d.dag = (c->d.sub & CALL_DAG) != 0;
		d.target = c->d.a;
		t = &s->target[d.dag ? FUNCTION_CNT_MAX + c->d.a % DAG_CNT_MAX
				     : c->d.a % FUNCTION_CNT_MAX];
	}
	for (uint32_t w = 0; w < PLACEMENT_EXEC_WORDS; w++) {
		d.able += (uint16_t)__builtin_popcountll(t->exec[w] | t->kept[w]);
	}
	PROBE3(call_dispatched, d.call, d.exec, d.waited_ns);
	sched_log_add(s->log, &d);
}

/* Whether the client of a call that is being sent may send more behind it. */
static bool
sched_lends(struct sched *s, const struct sched_target *t, const struct sched_call *c,
	    uint16_t exec)
{
	const struct sched_target *next;

	if (c->run != 0 || c->client == SCHED_SELF || t->run_ns == 0 ||
	    t->run_ns > DIRECT_WAKE_NS) {
		return false;
	}
	next = sched_oldest(s, exec);
	return next == NULL || s->call[next->head - 1].client == c->client;
}

/* Sends a call to an executor whose claim is ours, with others if its function takes several. */
static bool
sched_send(struct sched *s, struct sched_target *t, struct sched_call *c, uint16_t exec)
{
	claim_show(s->hints, exec,
		   sched_lends(s, t, c, exec) ? call_caller(c->d.call) | CLAIM_LENT : SCHED_WHO);
	if (unlikely(t->head != 0 && sched_batch_joins(s, t, c, exec))) {
		return sched_batch_send(s, t, c, exec);
	}
	if (c->run != 0 ? !sched_part_send(s, c, exec)
			: s->ops.send(s->ops.ctx, exec, &c->d) != 0) {
		sched_queue_push_front(s, t, c);
		return false;
	}
	c->exec = exec;
	c->sent_ns = s->now_ns;
	s->shown[exec] = c->d.call;
	sched_running_set(s, exec, (uint32_t)(c - s->call + 1));
	if (s->log != NULL) {
		sched_note(s, c);
	}
	return true;
}

/* exec is free and its claim is ours: give it work, or give the claim back. */
static void
sched_exec_next(struct sched *s, uint16_t exec, uint64_t now_ns)
{
	struct sched_target *t;

	while ((t = sched_oldest(s, exec)) != NULL) {
		struct sched_call *c = sched_queue_pop(s, t);

		if (c->d.b != 0 && c->d.b <= now_ns) {
			sched_call_end(s, c, MB_ERR_DEADLINE, "it passed while the call waited");
			continue;
		}
		if (sched_send(s, t, c, exec)) {
			return;
		}
		/* It is dead, and ctl's word about that is on its way; or it has not read its port
		 * for a while, and nobody will tell us when it has. */
		sched_wake_at(s, now_ns + SCHED_RETRY_NS);
		break;
	}
	claim_drop(s->hints, exec);
}

/* Whether a claim on exec has been in our way for long, without use: each time that we looked, and
 * we do while a call waits. One that was there long ago is another: its executor may be about to
 * begin what was sent there just now, and a call behind that would wait for ever if that one waits
 * for a message from it. */
static bool
sched_exec_stuck(struct sched *s, uint16_t exec, uint64_t now_ns)
{
	uint64_t *since = &s->stuck_since_ns[exec], *seen = &s->stuck_seen_ns[exec];

	if (!s->ops.idle(s->ops.ctx, exec)) {
		*since = 0;
		return false;
	}
	if (*since == 0 || now_ns - *seen > SCHED_STUCK_NS / 2) {
		*since = now_ns;
	}
	*seen = now_ns;
	if (now_ns - *since <= SCHED_STUCK_NS) {
		return false;
	}
	*since = 0;
	return true;
}

/* Tries to get exec, which may be in a client's hands. */
void
sched_exec_try(struct sched *s, uint16_t exec, uint64_t now_ns)
{
	if (s->running[exec] != 0 || sched_oldest(s, exec) == NULL) {
		return;
	}
	do {
		if (claim_try(s->hints, exec, SCHED_WHO)) {
			s->stuck_since_ns[exec] = 0;
			sched_exec_next(s, exec, now_ns);
			return;
		}
	} while (!claim_want(s->hints, exec));
	if (sched_exec_stuck(s, exec, now_ns)) {
		claim_drop(s->hints, exec); /* S4: whoever took it does not use it */
	}
	sched_wake_at(s, now_ns + SCHED_RETRY_NS);
}

static void
target_run(struct sched *s, struct sched_target *t, uint64_t now_ns)
{
	uint64_t able[PLACEMENT_EXEC_WORDS];
	uint32_t exec;

	sched_loads(s);
	for (uint32_t w = 0; w < PLACEMENT_EXEC_WORDS; w++) {
		able[w] = (t->exec[w] | t->kept[w]) & ~s->taken[w];
	}
	while (t->head != 0 && (exec = pick_exec(able, s->busy, PLACEMENT_EXEC_WORDS, s->load,
						 rng_u64(&s->rng))) != PICK_NONE) {
		sched_exec_set(able, (uint16_t)exec, false);
		sched_exec_try(s, (uint16_t)exec, now_ns);
	}
}

/* Every queue once. */
void
sched_waiting_run(struct sched *s, uint64_t now_ns)
{
	for (uint32_t w = 0; w < TARGET_WORDS; w++) {
		uint64_t bits = s->waiting[w];

		while (bits != 0) {
			target_run(s, &s->target[w * 64 + (uint32_t)__builtin_ctzll(bits)], now_ns);
			bits &= bits - 1;
		}
	}
}

/* Asks ctl for executors for a target that has none. */
void
sched_pin_want(struct sched *s, uint32_t target)
{
	struct desc m = { .kind = DESC_PIN_WANT };
	uint64_t gen;
	const struct placement_copy *p = placement_shown(s->placement, &gen);

	if (s->target[target].pin_wanted) {
		return;
	}
	s->target[target].pin_wanted = true;
	if (target < FUNCTION_CNT_MAX) {
		m.a = p->fn[target].id;
		s->ops.tell_ctl(s->ops.ctx, &m);
		return;
	}
	for (uint32_t v = 0; v < p->dag[target - FUNCTION_CNT_MAX].vertex_cnt; v++) {
		m.a = p->dag[target - FUNCTION_CNT_MAX].vertex[v].fn;
		s->ops.tell_ctl(s->ops.ctx, &m);
	}
}

/* ------------------------------------------------------- from processes */

/* The function's own limit, if its client has not heeded it. */
static void
sched_call_limit(const struct sched *s, struct sched_call *c)
{
	uint64_t gen, limit;
	const struct placement_fn *f =
		placement_fn_get(placement_shown(s->placement, &gen), c->d.a);

	limit = f != NULL && (c->d.sub & CALL_DAG) == 0 ? f->deadline_ns : 0;
	if (limit != 0 && (c->d.b == 0 || c->d.b > c->came_ns + limit)) {
		c->d.b = c->came_ns + limit;
	}
}

static void
sched_call_refuse(struct sched *s, uint16_t client, const struct desc *d, int err, const char *text)
{
	struct desc refused = *d;

	sched_answer(s, client, d->call, err, text);
	sched_args_drop(s, &refused);
}

/* Puts a call where it waits, or answers it. Returns: its target; NULL: it has none; then
 * *ret_parts says that it runs in parts, which wait. front: it has begun already. */
static struct sched_target *
call_begin(struct sched *s, uint16_t client, const struct desc *d, bool front, bool *ret_parts)
{
	uint32_t idx = sched_target_idx(s, d);
	struct sched_target *t;
	struct sched_call *c;

	*ret_parts = false;
	if (idx == TARGET_NONE) {
		sched_call_refuse(s, client, d,
				  (d->sub & CALL_DAG) != 0 ? MB_ERR_NO_DAG : MB_ERR_NO_FUNCTION,
				  "");
		return NULL;
	}
	t = &s->target[idx];
	if ((d->sub & CALL_DAG) != 0 && sched_run_wanted(s, idx, d)) {
		*ret_parts = true;
		sched_run_start(s, client, d);
		return NULL;
	}
	c = t->cnt < s->queue_max ? sched_call_alloc(s, d, client, ++s->seq) : NULL;
	if (c == NULL) {
		sched_call_refuse(s, client, d, MB_ERR_BUSY,
				  "too many calls wait; try again later");
		return NULL;
	}
	sched_call_limit(s, c);
	if (front) {
		sched_queue_push_front(s, t, c);
	} else {
		sched_queue_push(s, t, c);
	}
	if (sched_exec_none(t->exec)) {
		sched_pin_want(s, idx);
	}
	return t;
}

void
sched_on_call(struct sched *s, uint16_t client, const struct desc *d, uint64_t now_ns)
{
	struct desc m = *d;
	struct sched_target *t;
	bool parts;

	m.flags &= (uint8_t) ~(CALL_F_KEPT | CALL_F_BATCH); /* a client's word */
	t = call_begin(s, client, &m, false, &parts);
	if (t != NULL) {
		target_run(s, t, now_ns);
	} else if (parts) {
		sched_waiting_run(s, now_ns);
	}
}

bool
sched_goes_on(const struct desc *reply, uint16_t exec)
{
	return (reply->sub & REPLY_GOES_ON) != 0 && reply->err == 0 &&
	       ((reply->flags & DESC_F_INLINE) != 0 || reply->ref.proc == exec);
}

/* Its results are the arguments of what comes next, where they lie. It waits before others, as it
 * has begun; whoever called runs what waits. */
void
sched_go_on(struct sched *s, uint16_t client, const struct desc *call, const struct desc *reply)
{
	struct desc d = call_next(call, reply);
	bool parts;

	d.flags |= (reply->flags & DESC_F_INLINE) != 0 ? DESC_F_INLINE : CALL_F_KEPT;
	d.len = reply->len;
	memcpy(d.data, reply->data, sizeof(d.data));
	if (client != 0) {
		call_begin(s, client, &d, true, &parts);
	} else {
		sched_args_drop(s, &d);
	}
}

/* Results that nobody will read: the executor gets the hold back that it gave to their reader. It
 * may have given it after it heard of the reader's death, so that nothing else will return it. */
void
sched_reply_drop(struct sched *s, uint16_t exec, const struct desc *d)
{
	if ((d->flags & DESC_F_INLINE) == 0) {
		struct payload_ref ref = { .inc = d->ref.inc,
					   .proc = exec,
					   .handle = d->ref.handle };

		sched_payload_return(s, &ref, call_id_proc(d->call));
	}
}

/* An executor that goes may end when it runs nothing and is kept for nothing. */
void
sched_drained(struct sched *s, uint16_t exec)
{
	struct desc m = { .kind = DESC_EXEC_DRAIN, .a = exec };

	if (s->draining[exec] == DRAIN_ON && s->running[exec] == 0 && s->drain_seq[exec] == 0) {
		s->draining[exec] = DRAIN_DONE;
		s->ops.tell_ctl(s->ops.ctx, &m);
	}
}

/* How long a function, or a DAG's together, runs: a mean that forgets. */
void
sched_learn(struct sched_target *t, uint64_t run_ns)
{
	uint64_t ns = MIN(run_ns, (uint64_t)UINT32_MAX);

	t->run_ns = t->run_ns == 0 ? (uint32_t)ns : (uint32_t)((3 * (uint64_t)t->run_ns + ns) / 4);
}

/* An executor has answered; of a batch, perhaps not the last. */
static void
sched_exec_freed(struct sched *s, uint16_t exec, uint64_t now_ns)
{
	if (s->running[exec] == 0) {
		sched_drained(s, exec);
		sched_exec_next(s, exec, now_ns);
	}
}

/* A call has not run, because what it goes on with could not be read. */
static void
sched_call_unread(struct sched *s, struct sched_call *c, uint16_t exec, const struct desc *reply)
{
	uint32_t idx = sched_target_idx(s, &c->d);

	sched_reply_drop(s, exec, reply);
	if (c->client == 0) {
		sched_call_free(s, c);
	} else if (idx != TARGET_NONE && sched_call_keep(s, c)) {
		sched_queue_push_front(s, &s->target[idx], c);
	} else {
		sched_call_end(s, c, MB_ERR_EXECUTOR_DIED,
			       "its arguments died; its writes happened");
	}
}

static void
sched_on_reply(struct sched *s, uint16_t exec, const struct desc *d, uint64_t now_ns)
{
	struct sched_call *c = exec < EXEC_END ? sched_running_take(s, exec, d->call) : NULL;
	const struct desc own = call_reply_own(d, exec);
	uint32_t idx;

	if (c == NULL) {
		return; /* it was never asked */
	}
	d = &own;
	if (c->run != 0) {
		sched_run_on_reply(s, c, exec, d);
		sched_parts_near_run(s, exec, now_ns);
		sched_exec_freed(s, exec, now_ns); /* its memory is warm with what it returned */
		sched_waiting_run(s, now_ns);
		return;
	}
	if (unlikely(d->err == MB_ERR_PEER_DIED)) {
		sched_call_unread(s, c, exec, d);
		sched_exec_freed(s, exec, now_ns);
		sched_waiting_run(s, now_ns);
		return;
	}
	if (unlikely(sched_goes_on(d, exec))) {
		sched_go_on(s, c->client, &c->d, d);
		sched_call_free(s, c);
		sched_exec_freed(s, exec, now_ns);
		sched_waiting_run(s, now_ns);
		return;
	}
	idx = sched_target_idx(s, &c->d);
	if (idx != TARGET_NONE && d->err == 0) {
		sched_learn(&s->target[idx], d->b >> 32);
	}
	if (c->client != 0) {
		sched_deliver(s, c->client, d);
	} else {
		sched_reply_drop(s, exec, d);
	}
	sched_call_free(s, c);
	sched_exec_freed(s, exec, now_ns);
}

void
sched_stop(struct sched *s, uint16_t exec, uint64_t call, int err)
{
	struct desc m = { .kind = DESC_EXEC_STOP, .a = exec, .call = call, .err = (int16_t)err };

	s->ops.tell_ctl(s->ops.ctx, &m);
}

/* Ends a call wherever it stands: waiting, it is answered; running, it will not be repeated.
 * Returns where it runs; 0: nowhere that is known here. */
uint16_t
sched_call_cancel(struct sched *s, uint64_t call, int err)
{
	if (sched_run_cancel(s, call, err)) {
		return 0;
	}
	for (uint32_t i = 0; i < TARGET_CNT; i++) {
		sched_queue_remove(s, &s->target[i], call, 0, err);
	}
	for (uint16_t e = PROC_EXEC_FIRST; e < EXEC_END; e++) {
		struct sched_call *c = sched_running_find(s, e, call);

		if (c != NULL) {
			c->d.sub |= 1 << CALL_ATTEMPT_SHIFT;
			return e;
		}
	}
	return 0;
}

void
sched_call_stop(struct sched *s, uint64_t call, uint16_t at, int err)
{
	uint16_t exec = sched_call_cancel(s, call, err);

	exec = exec != 0 ? exec : at;
	if (exec != 0) {
		bool ours = sched_running_find(s, exec, call) != NULL;

		sched_stop(s, exec, ours ? s->shown[exec] : call, err);
	}
}

static void
sched_on_cancel(struct sched *s, uint16_t proc, const struct desc *d)
{
	bool exec = d->a >= PROC_EXEC_FIRST && d->a < EXEC_END;

	/* Only its own; a call with a request id goes on, as it is not only his. Sent directly, its
	 * caller knows where. */
	if (call_id_proc(d->call) == proc && !sched_request_leave(s, d->call, proc, d->err)) {
		sched_call_stop(s, d->call, exec ? d->a : 0, d->err);
	}
}

void
sched_on_proc(struct sched *s, uint16_t proc, const struct desc *d, uint64_t now_ns)
{
	s->now_ns = now_ns;
	switch (d->kind) {
	case DESC_CALL:
		if (call_id_proc(d->call) != proc) {
			sched_answer(s, proc, d->call, MB_ERR_INVALID,
				     "the call's id is not yours");
		} else if ((d->flags & CALL_F_REQUEST) != 0) {
			sched_request_ask(s, proc, d);
		} else {
			sched_on_call(s, proc, d, now_ns);
		}
		break;
	case DESC_REPLY:
		sched_on_reply(s, proc, d, now_ns);
		break;
	case DESC_CUT:
		sched_cut_on(s, proc, d);
		break;
	case DESC_FREED:
		if (d->a >= PROC_EXEC_FIRST && d->a < EXEC_END) {
			sched_exec_try(s, d->a, now_ns);
		}
		break;
	case DESC_CANCEL:
		sched_on_cancel(s, proc, d);
		break;
	case DESC_SEND:
	case DESC_LISTEN:
		sched_messages_on(s, proc, d);
		break;
	case DESC_RELEASE:
		for (uint32_t i = 0; d->release.proc == PROC_DAEMON && i < d->release.cnt && i < 8;
		     i++) {
			struct payload_ref ref = { .handle = d->release.handle[i] };

			s->ops.drop(s->ops.ctx, &ref, proc);
		}
		if (d->release.proc != PROC_DAEMON) {
			sched_release_pass(s, proc, d);
		}
		break;
	default:
		break;
	}
}

/* ------------------------------------------------------------------ time */

void
sched_poll(struct sched *s, uint64_t now_ns)
{
	s->now_ns = now_ns;
	if (now_ns < s->timer_ns) {
		return;
	}
	s->timer_ns = SCHED_TIMER_NONE;
	sched_run_poll(s);
	sched_returns_poll(s);
	sched_requests_poll(s);
	sched_messages_poll(s);
	sched_leases(s);
	sched_waiting_run(s, now_ns);
	if (s->timer_ns < now_ns + SCHED_RETRY_NS) {
		s->timer_ns = now_ns + SCHED_RETRY_NS;
	}
}

uint64_t
sched_timer(const struct sched *s)
{
	return s->timer_ns;
}
