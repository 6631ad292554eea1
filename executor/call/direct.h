/* SPDX-License-Identifier: Apache-2.0 */
/* direct - calls that a client, or the gate, sends to executors without sched between
 *
 * Who wins an executor's claim (hints.h) sends calls there directly. With calls of ours out, one
 * more can wait behind them, or be run by somebody else. It waits where it would not have run
 * sooner elsewhere:
 *
 *   B1  No other executor has the function.
 *   B2  The calls before it are thought to be over before another executor would have begun. Apart,
 *       on a cpu of its own, that one has to be woken (DIRECT_WAKE_NS). Where all take turns on one
 *       cpu, it runs when the kernel takes the cpu from the first (DIRECT_TURN_NS), or when that
 *       waits; and with each turn both lose what they had in the cpu's caches.
 *   B3  Nobody is free to run it, and it is quick. Through sched it would wait for one of those
 *       who have it, perhaps for this very claim, and for two more messages. A slow one goes there
 *       all the same: sched binds late.
 *
 * With calls of ours waiting at sched, the claims are sched's; what comes then would join those
 * that wait, and each be a round trip for itself, for as long as more come than that. So sched
 * lends us the claim (CLAIM_LENT) while it has an executor run a quick call of ours and nobody
 * else's waits for that: quick ones go behind it directly, and the queue at sched ends.
 *
 * One that waits for a message holds up nobody: its executor gives back what stands behind it.
 *
 * How long a function runs is learned from its replies: longer runs are believed at once, shorter
 * ones by and by; one that is not known is not quick. One that suddenly runs long holds up what its
 * caller had sent behind it, and nobody else.
 *
 * Threads: its owner's.
 */
#ifndef MB_CALL_DIRECT_H
#define MB_CALL_DIRECT_H

#include <stdbool.h>
#include <stdint.h>

#include "channel.h"
#include "hints.h"
#include "placement.h"

#define DIRECT_WAKE_NS    UINT64_C(50000)      /* a wake from one core to another, and some */
#define DIRECT_TURN_NS    UINT64_C(3000000)    /* a slice of the kernel's scheduler */
#define DIRECT_UNKNOWN_NS UINT32_C(1000000000) /* how long a function runs that never did */

struct direct {
	uint64_t who;  /* in claims */
	uint16_t last; /* executor of the last call */
	/* Calls at each executor, whose claim is ours then, unless lost; and how long they are
	 * thought to run, all together. */
	uint32_t out[PROC_CLIENT_FIRST];
	uint64_t work_ns[PROC_CLIENT_FIRST];
	uint32_t run_ns[FUNCTION_CNT_MAX + DAG_CNT_MAX];
	uint16_t run_id[FUNCTION_CNT_MAX + DAG_CNT_MAX]; /* which one that is of; 0: of none */
};

/* direct_run_ns says how long a function, or a DAG, runs: rather more than less. */
uint32_t direct_run_ns(const struct direct *d, uint16_t id, bool dag);
/* direct_learn: it has run so long. */
void direct_learn(struct direct *d, uint16_t id, bool dag, uint32_t ns);

/* direct_behind chooses the executor behind whose calls of ours one more goes by B1 and B2, or with
 * any also by B3: when nobody free was found. Returns: its process index, with which a channel is
 * open; 0: none. */
uint16_t direct_behind(const struct direct *d, const struct hints *h,
		       const struct placement_where *w, uint32_t run_ns, bool any);

/* direct_joins says whether a call may go behind others of ours at an executor: its claim is ours,
 * and sched does not wait for it; or lent to us, and the call is quick. */
bool direct_joins(const struct direct *d, const struct hints *h, uint16_t exec, uint32_t run_ns);

/* direct_room says whether one more call has room there. No more are out than the channel back
 * holds answers: the executor may take calls off its channel long before it runs them. */
bool direct_room(const struct direct *d, struct channel *ch);

/* direct_sent, direct_over: a call of run_ns was sent to an executor; it is not there any more. The
 * claim is the caller's to give back when out is 0. */
static inline void
direct_sent(struct direct *d, uint16_t exec, uint32_t run_ns)
{
	d->out[exec]++;
	d->work_ns[exec] += run_ns;
	d->last = exec;
}

static inline void
direct_over(struct direct *d, uint16_t exec, uint32_t run_ns)
{
	d->out[exec]--;
	d->work_ns[exec] -= run_ns;
}

#endif
