/* SPDX-License-Identifier: Apache-2.0 */
/* sched_request - calls with a request id: each runs once, however often it is asked for
 *
 *   absent ──first asked──► RUNNING ──its answer──► KEPT ──result_ttl──► absent
 *                             ▲ who asks meanwhile joins    ▲ who asks is answered
 *
 * The call is sched's own: it goes on when whoever asked is dead, and what it needs of others is
 * copied first, its arguments when it begins and its answer when it ends (32 KiB of each). Who asks
 * waits, and may leave (cancel, deadline, death) without ending it. What ends it is the deadline of
 * who asked first: it is the call's, of who joins it is the waiting's.
 *
 * Q1  An id runs at most once. An id says when it was made, and a record is kept for result_ttl
 *     after its end; so an id that is not known and not older than that has never run here. Older
 *     ones, those from before the node's start, and those whose record had to make room (floor) are
 *     ID_EXPIRED: nobody knows any more. BUSY and NO_EXECUTOR are not kept: it has not run.
 * Q2  Each who asks is answered once, or is dead.
 * Q3  Records are bounded, kept ones give way to new ones; if all run: BUSY.
 */
#include <string.h>

#include "call.h"
#include "check.h"
#include "microburst/error.h"
#include "sched_int.h"
#include "timebase.h"

#define AHEAD_MS_MAX  60000 /* of an id's time, which is told some time ago; more is no time */
#define SEQ_IDX_BITS  13    /* a call's sequence number says which record it is of */
/* It may not have begun when it is to be stopped: said again until it has ended. */
#define STOP_AGAIN_NS (20 * NS_PER_MS)

static_assert(SCHED_REQUEST_MAX < 1 << SEQ_IDX_BITS, "a record is named by bits of a call's id");

void
sched_requests_init(struct sched *s)
{
	for (uint32_t i = 0; i < SCHED_REQUEST_MAX; i++) {
		s->request[i].next = i + 1 < SCHED_REQUEST_MAX ? i + 2 : 0;
	}
	for (uint32_t i = 0; i < SCHED_WAITER_MAX; i++) {
		s->waiter[i].next = i + 1 < SCHED_WAITER_MAX ? i + 2 : 0;
	}
	s->request_free = 1;
	s->waiter_free = 1;
}

void
sched_requests_set(struct sched *s, uint64_t wall_ns, uint64_t now_ns, uint64_t ttl_ns)
{
	s->wall_ns = wall_ns;
	s->ttl_ns = ttl_ns;
	s->floor_ms =
		(wall_ns + now_ns) / NS_PER_MS - 1; /* ids are made by others in the same ms */
}

/* ------------------------------------------------------------------- records */

static uint32_t *
chain_of(struct sched *s, uint64_t id)
{
	/* The low bits are drawn, the others the time. */
	return &s->request_chain[id & (SCHED_REQUEST_MAX - 1)];
}

static struct sched_request *
request_find(struct sched *s, uint64_t id)
{
	for (uint32_t i = *chain_of(s, id); i != 0; i = s->request[i - 1].chain) {
		if (s->request[i - 1].id == id) {
			return &s->request[i - 1];
		}
	}
	return NULL;
}

static void
payload_drop(struct sched *s, struct desc *d)
{
	if ((d->flags & DESC_F_INLINE) == 0) {
		s->ops.drop(s->ops.ctx, &d->ref, PROC_DAEMON);
	}
	*d = (struct desc){ .flags = DESC_F_INLINE };
}

/* It runs no more. */
static void
running_leave(struct sched *s, struct sched_request *r)
{
	*(r->prev != 0 ? &s->request[r->prev - 1].next : &s->request_first) = r->next;
	if (r->next != 0) {
		s->request[r->next - 1].prev = r->prev;
	}
}

/* r stands in no list. */
static void
request_free(struct sched *s, struct sched_request *r)
{
	uint32_t *at = chain_of(s, r->id);

	while (&s->request[*at - 1] != r) {
		at = &s->request[*at - 1].chain;
	}
	*at = r->chain;
	payload_drop(s, &r->args);
	payload_drop(s, &r->answer);
	r->id = 0;
	r->next = s->request_free;
	s->request_free = (uint32_t)(r - s->request + 1);
}

/* Forgets the one that was kept first. Returns whether there was one. */
static bool
kept_forget(struct sched *s)
{
	struct sched_request *r = s->kept_head != 0 ? &s->request[s->kept_head - 1] : NULL;

	if (r == NULL) {
		return false;
	}
	s->kept_head = r->next;
	s->kept_tail = r->next != 0 ? s->kept_tail : 0;
	s->floor_ms = MAX(s->floor_ms, request_id_ms(r->id));
	request_free(s, r);
	return true;
}

static struct sched_request *
request_new(struct sched *s, uint64_t id)
{
	struct sched_request *r;

	if (s->request_free == 0 && !kept_forget(s)) {
		return NULL;
	}
	r = &s->request[s->request_free - 1];
	s->request_free = r->next;
	*r = (struct sched_request){ .id = id,
				     .chain = *chain_of(s, id),
				     .args = { .flags = DESC_F_INLINE },
				     .answer = { .flags = DESC_F_INLINE } };
	*chain_of(s, id) = (uint32_t)(r - s->request + 1);
	r->next = s->request_first;
	if (r->next != 0) {
		s->request[r->next - 1].prev = *chain_of(s, id);
	}
	s->request_first = *chain_of(s, id);
	return r;
}

int
sched_request_keep(struct sched *s, const struct payload_ref *ref, struct payload_ref *ret)
{
	int err;

	do {
		err = s->ops.keep(s->ops.ctx, ref, ret);
	} while (err == MB_ERR_NO_MEMORY && kept_forget(s));
	return err;
}

bool
sched_request_runs(const struct sched *s, uint64_t call)
{
	const struct sched_request *r = &s->request[call & (SCHED_REQUEST_MAX - 1)];

	return r->id != 0 && !r->kept && r->call == call;
}

/* Copies what a descriptor carries into our memory; kept answers make room. */
static int
payload_keep(struct sched *s, const struct desc *d, struct desc *ret)
{
	int err;

	*ret = *d;
	if ((d->flags & DESC_F_INLINE) != 0) {
		return 0;
	}
	err = sched_request_keep(s, &d->ref, &ret->ref);
	if (err != 0) {
		*ret = (struct desc){ .flags = DESC_F_INLINE };
	}
	return err;
}

/* ------------------------------------------------------------------- answers */

static void
answer_to(struct sched *s, const struct sched_request *r, uint16_t client, uint64_t call)
{
	struct desc d = r->answer;

	d.call = call;
	if ((d.flags & DESC_F_INLINE) == 0 && s->ops.hold(s->ops.ctx, &d.ref, client) != 0) {
		sched_answer(s, client, call, MB_ERR_NO_MEMORY, "no room to hold the result");
		return;
	}
	s->ops.send(s->ops.ctx, client, &d);
}

static void
waiter_free(struct sched *s, uint32_t *at)
{
	uint32_t w = *at;

	*at = s->waiter[w - 1].next;
	s->waiter[w - 1].next = s->waiter_free;
	s->waiter_free = w;
}

/* The call has its answer: it is kept, and everybody who waits gets it. */
void
sched_request_done(struct sched *s, const struct desc *d)
{
	struct sched_request *r = &s->request[d->call & ((1 << SEQ_IDX_BITS) - 1)];
	int err;

	REQUIRE(r->call == d->call && !r->kept);
	err = payload_keep(s, d, &r->answer);
	sched_reply_drop(s, d->ref.proc, d);
	r->answer.kind = DESC_REPLY;
	r->answer.sub = 0;
	if (d->err == MB_ERR_EXECUTOR_DIED && r->stopped) {
		r->answer.err = MB_ERR_DEADLINE; /* we had it stopped */
	}
	if (err != 0) {
		static const char text[] = "a kept result has at most 32 KiB";

		r->answer.err = (int16_t)err;
		r->answer.len = sizeof(text) - 1;
		memcpy(r->answer.data, text, sizeof(text) - 1);
	}
	payload_drop(s, &r->args);
	while (r->waiter != 0) {
		answer_to(s, r, s->waiter[r->waiter - 1].client, s->waiter[r->waiter - 1].call);
		waiter_free(s, &r->waiter);
	}
	running_leave(s, r);
	if (d->err == MB_ERR_BUSY || d->err == MB_ERR_NO_EXECUTOR) {
		request_free(s, r); /* it has not run, and may when there is room */
		return;
	}
	r->kept = true;
	r->expire_ns = s->now_ns + s->ttl_ns;
	r->next = 0;
	*(s->kept_tail != 0 ? &s->request[s->kept_tail - 1].next : &s->kept_head) =
		(uint32_t)(r - s->request + 1);
	s->kept_tail = (uint32_t)(r - s->request + 1);
	sched_wake_at(s, r->expire_ns);
}

/* -------------------------------------------------------------------- asking */

/* Q1: whether an id that is not known may run. */
static int
id_check(const struct sched *s, uint64_t id)
{
	uint64_t now_ms = (s->wall_ns + s->now_ns) / NS_PER_MS;
	uint64_t ms = request_id_ms(id);

	if (s->ttl_ns == 0 || id == 0 || ms > now_ms + AHEAD_MS_MAX) {
		return MB_ERR_INVALID;
	}
	return ms <= s->floor_ms || ms + s->ttl_ns / NS_PER_MS <= now_ms ? MB_ERR_ID_EXPIRED : 0;
}

static int
request_begin(struct sched *s, const struct desc *d, struct sched_request **ret)
{
	struct sched_request *r = request_new(s, d->word[4]);
	int err;

	if (r == NULL) {
		return MB_ERR_BUSY;
	}
	*ret = r;
	r->a = d->a;
	r->sub = d->sub & CALL_DAG;
	r->call = call_id_make(PROC_DAEMON, 1,
			       ++s->request_seq << SEQ_IDX_BITS | (uint64_t)(r - s->request));
	err = payload_keep(s, d, &r->args);
	if (err != 0) {
		running_leave(s, r);
		request_free(s, r);
		return err;
	}
	r->stop_ns = d->b != 0 ? d->b : SCHED_TIMER_NONE;
	sched_wake_at(s, r->stop_ns);
	return 0;
}

/* A process asks for a request's call. a = 0: only if it is known. */
void
sched_request_ask(struct sched *s, uint16_t client, const struct desc *d)
{
	struct sched_request *r = request_find(s, d->word[4]);
	bool first = r == NULL;
	int err = 0;

	if (r != NULL && d->a != 0 && (r->a != d->a || r->sub != (d->sub & CALL_DAG))) {
		sched_answer(s, client, d->call, MB_ERR_INVALID,
			     "the id is of another function's call");
		return;
	}
	if (s->waiter_free == 0) {
		err = MB_ERR_BUSY;
	} else if (first) {
		err = id_check(s, d->word[4]);
		err = err == 0 && d->a == 0 ? MB_ERR_NOT_FOUND : err;
		err = err == 0 ? request_begin(s, d, &r) : err;
	}
	if (err != 0) {
		sched_answer(s, client, d->call, err, "");
		return;
	}
	if (r->kept) {
		answer_to(s, r, client, d->call);
		return;
	}
	{
		uint32_t w = s->waiter_free;

		s->waiter_free = s->waiter[w - 1].next;
		s->waiter[w - 1] = (struct sched_waiter){ d->call, r->waiter, client };
		r->waiter = w;
	}
	if (first) {
		struct desc own = r->args;

		own.call = r->call;
		own.flags &= (uint8_t)~CALL_F_REQUEST;
		sched_on_call(s, SCHED_SELF, &own, s->now_ns);
	}
}

/* Takes out who waits under a call's id (call not 0), or as a process. Returns whether any did. */
bool
sched_request_leave(struct sched *s, uint64_t call, uint16_t client, int err)
{
	bool any = false;

	for (uint32_t i = s->request_first; i != 0; i = s->request[i - 1].next) {
		uint32_t *at = &s->request[i - 1].waiter;

		while (*at != 0) {
			struct sched_waiter w = s->waiter[*at - 1];

			if (w.client != client || (call != 0 && w.call != call)) {
				at = &s->waiter[*at - 1].next;
				continue;
			}
			waiter_free(s, at);
			any = true;
			if (err != 0) {
				sched_answer(s, client, w.call, err, "");
			}
		}
	}
	return any;
}

/* ---------------------------------------------------------------------- time */

static void
request_stop(struct sched *s, struct sched_request *r)
{
	r->stopped = true;
	r->stop_ns = s->now_ns + STOP_AGAIN_NS;
	sched_wake_at(s, r->stop_ns);
	sched_call_stop(s, r->call, 0, MB_ERR_DEADLINE);
}

void
sched_requests_poll(struct sched *s)
{
	uint64_t floor_ms = s->floor_ms;
	uint32_t next;

	for (uint32_t i = s->request_first; i != 0; i = next) {
		struct sched_request *r = &s->request[i - 1];

		next = r->next; /* one that waits ends at once */
		if (r->stop_ns <= s->now_ns) {
			request_stop(s, r);
		} else {
			sched_wake_at(s, r->stop_ns);
		}
	}
	while (s->kept_head != 0 && s->request[s->kept_head - 1].expire_ns <= s->now_ns) {
		kept_forget(s);
		s->floor_ms = floor_ms; /* its time has passed: others as old may still be new */
	}
	if (s->kept_head != 0) {
		sched_wake_at(s, s->request[s->kept_head - 1].expire_ns);
	}
}

uint32_t
sched_requests(const struct sched *s, uint32_t *ret_kept)
{
	uint32_t cnt = 0;

	for (uint32_t i = s->request_first; i != 0; i = s->request[i - 1].next) {
		cnt++;
	}
	if (ret_kept != NULL) {
		*ret_kept = 0;
		for (uint32_t i = s->kept_head; i != 0; i = s->request[i - 1].next) {
			++*ret_kept;
		}
	}
	return cnt;
}
