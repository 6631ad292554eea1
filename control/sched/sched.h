/* SPDX-License-Identifier: Apache-2.0 */
/* sched - who runs a call that its client could not place itself
 *
 * A client calls an executor directly when it can win its claim. What comes here could not: every
 * executor that has the function was busy, or no channel is open yet, or the call is a second
 * attempt. Calls wait in a queue for each function and are bound late, to the first executor that
 * is free; so no call waits behind a running function while another executor could run it.
 *
 *   client ── CALL ──► queue of its function ──► an executor whose claim sched wins
 *   client ◄─ REPLY ── (the call's record)  ◄── REPLY
 *
 * S1  An executor has at most one call from sched: running[executor].
 * S2  A call's record lives from its CALL to exactly one REPLY, or to its client's death.
 * S3  A call is sent a second time only if the cache accepted no write of the first, and never a
 *     third time.
 * S4  The claim is a hint. A free executor that seems claimed is found after STUCK_NS; a claimed
 *     one that seems free queues a call behind another.
 * S5  Queues are bounded: BUSY.
 * S6  A hold goes back to its executor once, also when that listens to nobody for a while.
 *
 * A DAG call is one call to one executor, which runs its functions back to back (fused), or a run:
 * sched gives each function, when its inputs are there, to the next free executor (sched_run.c).
 *
 * A step core: messages and time come in, messages go out through the ops. Owner: the sched tile.
 */
#ifndef MB_SCHED_H
#define MB_SCHED_H

#include <stdbool.h>
#include <stdint.h>

#include "ctl_msg.h"
#include "desc.h"
#include "hints.h"
#include "inbox.h"
#include "placement.h"
#include "rng.h"
#include "sched_log.h"

#define SCHED_CALL_MAX    16384 /* calls, and parts of DAG calls, waiting or running */
#define SCHED_RUN_MAX     1024  /* DAG calls that run in parts */
#define SCHED_REQUEST_MAX 4096  /* calls with a request id: running, or kept */
#define SCHED_WAITER_MAX  8192  /* who waits for one */
/* while calls wait: look for free executors at least so often */
#define SCHED_RETRY_NS    UINT64_C(1000000)
/* loads are looked at so often, while calls come */
#define SCHED_LOAD_NS     UINT64_C(10000000)
/* a claim on an idle executor older than this is dropped */
#define SCHED_STUCK_NS    UINT64_C(10000000)
#define SCHED_TIMER_NONE  UINT64_MAX
/* An executor that has so many bytes more of a part's inputs than another is nearer to it. Payloads
 * above that have memory of their own, which every other executor has to map and to read into its
 * cpu's cache. */
#define SCHED_NEAR_BYTES  (64u << 10)

struct sched_ops {
	/* Sends to a process. Returns 0, or an error when it is gone or does not read its port. */
	int (*send)(void *ctx, uint16_t proc, const struct desc *d);
	void (*tell_ctl)(void *ctx, const struct desc *d);
	/* Whether an executor says it runs nothing (region_run). A hint. */
	bool (*idle)(void *ctx, uint16_t exec);
	/* How long functions ran at an executor since it began (region_run). A hint. NULL: nobody
	 * knows, and all are alike. */
	uint64_t (*busy_ns)(void *ctx, uint16_t exec);
	/* Memory of ours, for calls with a request id. keep copies a payload of a process that
	 * lives: 0 with *ret, held for the daemon; MB_ERR_TOO_LARGE, MB_ERR_NO_MEMORY,
	 * MB_ERR_CORRUPT. hold adds a hold, drop gives one back. */
	int (*keep)(void *ctx, const struct payload_ref *ref, struct payload_ref *ret);
	int (*hold)(void *ctx, const struct payload_ref *ref, uint16_t holder);
	void (*drop)(void *ctx, const struct payload_ref *ref, uint16_t holder);
	/* Whether a call of a process has ended: messages to it. NULL: nobody knows. */
	enum inbox_alive (*alive)(void *ctx, uint64_t call);
	void *ctx;
};

struct sched;

/* sched_create makes a scheduler that writes placement and uses hints' claims.
 * queue_max: calls that may wait for one function. Returns: 0; MB_ERR_NO_MEMORY. */
int sched_create(struct sched **ret, struct placement *placement, struct hints *hints,
		 uint32_t queue_max, uint64_t seed, const struct sched_ops *ops);
void sched_destroy(struct sched *s);

/* sched_log_set has decisions remembered. Owns: log must stay. */
void sched_log_set(struct sched *s, struct sched_log *log);

/* sched_requests_set allows request ids. wall_ns: nanoseconds since 1970 minus the time that steps
 * are told; now_ns: that time; ttl_ns: how long a result is kept. */
void sched_requests_set(struct sched *s, uint64_t wall_ns, uint64_t now_ns, uint64_t ttl_ns);

/* sched_lease_set has calls watched that an executor was given: if it says for lease_ns that it
 * runs nothing, ctl is told (DESC_EXEC_LOST). */
void sched_lease_set(struct sched *s, uint64_t lease_ns);

/* sched_on_proc handles a message that came from process proc. */
void sched_on_proc(struct sched *s, uint16_t proc, const struct desc *d, uint64_t now_ns);

/* sched_on_ctl handles a message of ctl_msg.h. */
void sched_on_ctl(struct sched *s, const struct desc *d, uint64_t now_ns);

/* sched_proc_down: dead{} died and everything it had sent has been handled. */
void sched_proc_down(struct sched *s, const struct desc *d, uint64_t now_ns);

/* sched_poll does what time asks for; sched_timer says when to call it next. */
void sched_poll(struct sched *s, uint64_t now_ns);
uint64_t sched_timer(const struct sched *s);

/* Counts, found by walking what there is: queued, running at executors, DAG runs, and results of
 * their functions that executors hold for us. */
uint32_t sched_runs(const struct sched *s);
uint32_t sched_held(const struct sched *s);
/* sched_requests: how many run; *ret_kept (if not NULL): how many are kept. */
uint32_t sched_requests(const struct sched *s, uint32_t *ret_kept);
uint32_t sched_queued(const struct sched *s);
/* sched_inboxes: of calls that were sent messages; *ret_messages: these. */
uint32_t sched_inboxes(const struct sched *s, uint32_t *ret_messages);
uint32_t sched_running(const struct sched *s);
/* sched_queued_fn: how many wait for entry fn_idx (below FUNCTION_CNT_MAX). */
uint32_t sched_queued_fn(const struct sched *s, uint32_t fn_idx);

#endif
