/* SPDX-License-Identifier: Apache-2.0 */
/* call - the messages by which functions are called
 *
 * A call is one descriptor there and one back. The same CALL goes from a client to an executor, or
 * from a client to sched and from there to an executor; the reply returns on the port the call came
 * by. Its payload (arguments, results, an error's text) is a value list (value.h), or for an error
 * the text itself, inline or by reference.
 *
 * Arguments are held by the producer until the reply arrives: a REPLY gives the arguments' hold
 * back. Results are held for the reader until it sends RELEASE.
 *
 * A part of a DAG call (sched_run.c): what an executor needs to run one function, or several in a
 * row, of a DAG comes as a sequence of messages on its port to sched, the CALL last.
 *
 *   TRIGGER, TRIGGER ...   what the functions before it returned, in the order of the edges
 *   CUT                    at the level rr, what those before it have read, if anything
 *   STEP, STEP ...         the functions to run, each with what the one before it returned
 *   CALL with CALL_PART    a = DAG id; payload: the client's; err = how many came before it
 *
 * A function may name what goes on with its results (mb_continue). What its executor has runs
 * there, as if it were a part of the call. For anything else the executor answers with
 * REPLY_GOES_ON: the call has not ended, its results are the arguments of the next function or DAG.
 * Whoever sent the call there sends it on, to sched: a client that sent it directly with a copy of
 * the arguments, sched itself with the executor's own, which it holds until that part of the call
 * ends.
 *
 * b of TRIGGER and STEP counts from 0, so a sequence that was broken off is found when the next one
 * begins. The payload of a TRIGGER is held for the daemon by its producer until the daemon says
 * RELEASE: after the last of its readers has replied. That of a CUT likewise; an executor sends one
 * before the REPLY of a part.
 */
#ifndef MB_CALL_H
#define MB_CALL_H

#include <stdbool.h>
#include <stdint.h>

#include "desc.h"
#include "microburst/error.h"

enum call_kind {
	/* a = function or DAG id, sub = call_sub, call, b = deadline_ns, err = how often it has
	 * gone on */
	DESC_CALL = DESC_CALL_FIRST,
	DESC_REPLY,   /* call, err, a = executor, b = call_time; payload: results or error text */
	DESC_CANCEL,  /* to sched: call, a = executor (0: whatever sched knows), err = why */
	DESC_FREED,   /* to sched: a = executor whose claim was WANTED and is free now */
	DESC_TRIGGER, /* sched -> executor: call, b = place in the sequence; payload: an input */
	DESC_LOG, /* executor -> ctl: call, a = function id (0: an MB_INIT), b = lines dropped since
		       * the one before; payload: one line of text */
	DESC_CUT, /* executor -> sched: call; payload: what it has read (session_hand.c). sched ->
		    * executor: b = place in the sequence */
	DESC_STEP, /* sched -> executor: call, b = place in the sequence, a = function id, sub =
		    * step_sub, step{} */
	/* sched -> executor: as a CALL, and one of several that the function gets in one run: the
	 * first has CALL_F_BATCH. So has the CALL behind them, the last. A part of a DAG, of one
	 * function, has its sequence before it, as ever. */
	DESC_BATCH,
	/* messages between calls: message.h */
	DESC_SEND,
	DESC_SENT,
	DESC_LISTEN,
	DESC_MESSAGE,
};

/* flags of a CALL, beside those of desc.h. Of a call with a request id word[4] is that id; so
 * inline arguments have 32 bytes. It goes to sched; a = 0 asks for a call that is known already. */
#define CALL_F_REQUEST       2
/* and who is to have merged what the call writes before it is answered: enum kvs_ack, 0 the node's
 * own choice. */
#define CALL_F_ACK_SHIFT     2
#define CALL_F_ACK_MASK      0x1c
#define REQUEST_INLINE_BYTES (DESC_INLINE_BYTES - 8)
/* Inside sched: the arguments are results of a call that went on, held for the daemon. */
#define CALL_F_KEPT          0x20
/* Of sched to an executor: a BATCH that begins a row, or the CALL that ends it. */
#define CALL_F_BATCH         0x40
#define CALL_BATCH_MAX       32

/* Of a call that its client follows, and that has no request id: word[4] is when it was sent, in ns
 * of the machine's monotonic clock. It costs two looks at the clock, so one call in STAGE_SAMPLE is
 * followed, and those that ask for it. */
#define CALL_F_TRACED 0x80
static_assert((CALL_F_TRACED & (CALL_F_ACK_MASK | CALL_F_REQUEST | DESC_F_INLINE)) == 0 &&
		      ((CALL_F_KEPT | CALL_F_BATCH) &
		       (CALL_F_ACK_MASK | CALL_F_REQUEST | DESC_F_INLINE)) == 0,
	      "flags of their own");

/* Of calls that go directly to an executor. */
#define CALL_RESEND_MAX    8 /* of those that no executor had taken yet, when it dies */
#define CALL_DIRECT_MARGIN 8 /* slots of a channel kept free for releases */
#define CALL_DIRECT_MAX    (CHANNEL_DEPTH - CALL_DIRECT_MARGIN) /* at one executor */

/* A request id says when it was made (milliseconds since 1970) and is otherwise drawn. */
#define REQUEST_RANDOM_BITS 22

static inline uint64_t
request_id_make(uint64_t wall_ms, uint64_t random)
{
	return wall_ms << REQUEST_RANDOM_BITS | (random & ((1 << REQUEST_RANDOM_BITS) - 1));
}

static inline uint64_t
request_id_ms(uint64_t id)
{
	return id >> REQUEST_RANDOM_BITS;
}

/* sub of a CALL */
enum call_sub {
	CALL_LEVEL_MASK = 0x07, /* enum mb_level */
	CALL_DAG = 0x08,        /* a is a DAG's id */
	CALL_ATTEMPT_SHIFT = 4, /* bits 4, 5: 0 first attempt, 1 second */
	CALL_ATTEMPT_MASK = 0x30,
	CALL_READ_ONLY = 0x40,
	CALL_PART = 0x80, /* with CALL_DAG: the sequence before it says what to run */
};

/* the levels that an executor knows, as enum mb_level numbers them */
enum call_level {
	CALL_LEVEL_LWW = 0,
	CALL_LEVEL_RR = 1,
};

/* call_ack is the enum kvs_ack that a CALL asks for; not checked. */
static inline uint8_t
call_ack(const struct desc *d)
{
	return (d->flags & CALL_F_ACK_MASK) >> CALL_F_ACK_SHIFT;
}

/* sub of a STEP */
enum step_sub {
	STEP_SINK = 1, /* its results are the call's: held for the caller, else for the daemon */
};

/* sub of a REPLY */
enum reply_sub {
	REPLY_PUBLISHED = 1, /* of an executor: the call wrote */
	REPLY_NOT_BEGUN = 4, /* of an executor, on a direct channel, with MB_ERR_BUSY: its function
			      * waits for a message, and nobody is to wait behind it: the call
			      * goes to sched */
	REPLY_GOES_ON = 2,   /* of an executor: b = call_next_make, the payload is its arguments */
};

/* How often a call goes on at most. err of a CALL that is no part says how often it has. */
#define CALL_NEXT_MAX 64

/* b of a REPLY that goes on: the id of a function or DAG, and how often it did before that. */
static inline uint64_t
call_next_make(uint16_t id, bool dag, uint32_t cnt)
{
	return (uint64_t)cnt << 32 | (uint64_t)dag << 16 | id;
}

/* call_next turns a REPLY that goes on into the CALL that it stands for, but for where its payload
 * lies; call is what it answers. */
static inline struct desc
call_next(const struct desc *call, const struct desc *reply)
{
	uint64_t cnt = reply->b >> 32;
	struct desc d = { .kind = DESC_CALL,
			  .flags = call->flags & CALL_F_ACK_MASK,
			  .sub = call->sub & (CALL_LEVEL_MASK | CALL_READ_ONLY),
			  .a = (uint16_t)reply->b,
			  .err = (int16_t)(cnt < CALL_NEXT_MAX ? cnt : CALL_NEXT_MAX),
			  .call = call->call,
			  .b = call->b };

	d.sub |= (reply->b >> 16 & 1) != 0 ? CALL_DAG : 0;
	return d;
}

/* call_reply_own is a REPLY as it may be believed: what an executor answers lies in its own memory.
 * What lies elsewhere is another's, who would be given it back by whoever reads it; it becomes an
 * error. */
static inline struct desc
call_reply_own(const struct desc *reply, uint16_t exec)
{
	if ((reply->flags & DESC_F_INLINE) != 0 || reply->ref.proc == exec) {
		return *reply;
	}
	return (struct desc){ .kind = DESC_REPLY,
			      .flags = DESC_F_INLINE,
			      .call = reply->call,
			      .err = MB_ERR_PEER_CORRUPT };
}

/* The data of a STEP. */
struct call_step {
	uint16_t vertex; /* its place in the DAG: which entry of the client's payload is its own */
	char tag[14];
};
static_assert(sizeof(struct call_step) <= DESC_INLINE_BYTES, "a step fits a descriptor");
static_assert(2 * DAG_FUNCTION_MAX <= CHANNEL_DEPTH, "a part's sequence fits a channel");
static_assert(CALL_BATCH_MAX <= DAG_FUNCTION_MAX, "a place for the results of each");

/* Of the calls that a client had under way directly at an executor that died: whether one of them
 * wrote, by the last call whose writes were accepted (desc.h, dead). It is that one; or, if its
 * answer was owed, an earlier one of the same client: an executor runs a channel's calls in their
 * order, and answers are owed to one channel at a time (owed.h, O1). If it was not owed, nothing
 * was. (It may be a later call of this client that came through sched, while this one lay unread in
 * the channel.) */
static inline bool
call_wrote(uint64_t call, const struct desc *dead)
{
	uint64_t last = dead->dead.published;

	return call == last ||
	       (dead->dead.owed != 0 && call_caller(call) == call_caller(last) && call < last);
}

/* b of a REPLY: how long the function ran, and how long the call took inside the executor until the
 * reply was sent, in ns, each saturating. */
static inline uint64_t
call_time_make(uint64_t run_ns, uint64_t total_ns)
{
	run_ns = run_ns > UINT32_MAX ? UINT32_MAX : run_ns;
	total_ns = total_ns > UINT32_MAX ? UINT32_MAX : total_ns;
	return run_ns << 32 | total_ns;
}

#endif
