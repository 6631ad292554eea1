/* SPDX-License-Identifier: Apache-2.0 */
/* sched_int - what sched*.c share: records of calls, targets and their queues, runs */
#ifndef MB_SCHED_INT_H
#define MB_SCHED_INT_H

#include "call.h"
#include "pick.h"
#include "returns.h"
#include "sched.h"

#define TARGET_CNT   (FUNCTION_CNT_MAX + DAG_CNT_MAX)
#define TARGET_NONE  UINT32_MAX
#define SCHED_WHO    UINT64_C(1)  /* in a claim; call_caller is never this */
#define SCHED_SELF   PROC_CNT_MAX /* the client of a request's call */
#define EXEC_END     PROC_CLIENT_FIRST
#define TARGET_WORDS ((TARGET_CNT + 63) / 64)

/* Holds that wait to go back to executors: ours, and those of clients that an executor does not
 * listen to meanwhile. Some places are only for ours: one for each call. */
#define SCHED_RETURNS_MAX 65536
#define SCHED_RETURNS_OWN SCHED_CALL_MAX

struct sched_call {
	struct desc d;
	uint64_t seq; /* order of arrival */
	uint64_t came_ns;
	uint64_t sent_ns; /* to its executor */
	uint32_t ahead;   /* how many stood before it in its queue when it came */
	uint32_t next;    /* in the target's queue, or the free list: + 1 */
	uint32_t batch;   /* the next that its executor got in the same run, + 1 (sched_batch.c) */
	uint32_t run;     /* of which DAG run it is a part, + 1; 0: a call of its own */
	uint16_t client;
	uint16_t exec;       /* 0: it waits */
	uint8_t first, last; /* a part: its functions; last is known from when it is sent */
};

struct sched_target {
	uint64_t exec[PLACEMENT_EXEC_WORDS];
	/* Executors that go, and stay for the parts of runs that began before. */
	uint64_t kept[PLACEMENT_EXEC_WORDS];
	uint32_t head, tail; /* + 1; 0: empty */
	uint32_t cnt;
	uint32_t run_ns;  /* how long it, or all functions of a DAG together, ran of late */
	uint16_t instead; /* the function that came in the place of the one that was here last */
	bool pin_wanted;  /* ctl has been asked */
};

/* A call with a request id. Life: sched_request.c. */
struct sched_request {
	uint64_t id; /* 0: free */
	uint64_t call;
	uint64_t expire_ns;
	uint64_t stop_ns; /* when its call is to be stopped, or told so again */
	uint32_t chain;   /* of its hash, + 1 */
	uint32_t next;    /* free, kept, or running: + 1 */
	uint32_t prev;    /* running: + 1 */
	uint32_t waiter;  /* who waits for it, + 1 */
	uint16_t a;
	uint8_t sub; /* CALL_DAG */
	bool kept, stopped;
	struct desc args, answer; /* payloads are copies of ours */
};

struct sched_waiter {
	uint64_t call; /* under which it asked */
	uint32_t next;
	uint16_t client;
};

enum sched_drain {
	DRAIN_NO = 0,
	DRAIN_ON,   /* gets no more calls, but for the parts it was kept for */
	DRAIN_DONE, /* nothing runs, and ctl knows it */
};

/* What an executor made for others of a run to read: there, or a copy of ours. */
struct run_out {
	struct desc d;
	uint8_t readers; /* who has not returned yet */
	bool held;       /* d is a payload, and its hold is ours */
};

/* A function of a DAG run. */
struct run_vertex {
	struct run_out out; /* what it returned; it is read by those that edges from it lead to */
	/* At the level rr: what its part had read, and those before it. The next part reads it. */
	struct run_out cut;
	uint8_t need; /* edges to it whose upstream function has not returned */
	bool begun;   /* its part was sent */
};

/* A DAG call that runs in parts. Life: sched_run.c. */
struct sched_run {
	struct desc d;      /* as it came */
	struct desc answer; /* once it has one */
	uint64_t seq;
	uint64_t run_ns;          /* all functions together */
	uint32_t next;            /* in the list of runs, or the free list: + 1 */
	uint16_t client;          /* 0: dead */
	uint16_t part_cnt;        /* records of parts: waiting or running */
	bool ended;               /* it has its answer; waits for parts that run */
	bool published;           /* one of its functions wrote */
	const char *lost;         /* that is lost: from the beginning, when no part runs */
	uint8_t cut_at;           /* whose cut the next part begins with, + 1; 0: nobody's */
	struct placement_dag dag; /* as it was when the call came: it keeps its functions */
	struct run_vertex vertex[DAG_FUNCTION_MAX];
};

struct sched {
	struct placement *placement;
	struct hints *hints;
	struct sched_ops ops;
	struct rng rng;
	uint32_t queue_max;
	struct sched_log *log; /* NULL: none */
	struct inboxes *inboxes;
	uint64_t seq;
	uint64_t timer_ns;
	uint32_t free;                        /* + 1 */
	uint32_t running[EXEC_END];           /* record + 1; 0: nothing from us (S1) */
	uint64_t shown[EXEC_END];             /* under which id it runs that */
	uint64_t taken[PLACEMENT_EXEC_WORDS]; /* those that run something from us */
	uint64_t busy[PLACEMENT_EXEC_WORDS];  /* those at PICK_BUSY */
	uint16_t load[PLACEMENT_EXEC_WORDS * 64];
	uint64_t load_busy_ns[EXEC_END]; /* what an executor had run when it was looked at */
	uint64_t load_ns;                /* when all were */
	/* since when a claim is in our way that nothing runs for, 0: it is not; and when that was
	 * last seen */
	uint64_t stuck_since_ns[EXEC_END], stuck_seen_ns[EXEC_END];
	uint64_t lease_ns;            /* 0: none */
	uint64_t lease_at_ns;         /* when those that run something from us are looked at */
	uint64_t quiet_ns[EXEC_END];  /* since when one of them says that it does not; 0: it does */
	uint8_t draining[EXEC_END];   /* enum sched_drain */
	uint64_t drain_seq[EXEC_END]; /* draining, and kept for runs that are older; 0: not */
	uint64_t waiting[TARGET_WORDS]; /* targets with a queue that is not empty */
	uint32_t run_free, run_first;   /* + 1 */
	uint32_t kept_cnt;              /* executors with a drain_seq */
	uint64_t kept_ns;               /* when results were copied last (sched_out.c) */
	struct returns *returns;        /* holds that executors have not been told of (S6) */
	bool runs_owe;                  /* an executor did not take what it holds for a run (U4) */
	struct sched_target target[TARGET_CNT];
	struct sched_call call[SCHED_CALL_MAX];
	struct sched_run run[SCHED_RUN_MAX];
	/* requests */
	uint64_t now_ns;          /* of this step */
	uint64_t wall_ns, ttl_ns; /* wall clock - now; 0: no requests */
	uint64_t floor_ms;        /* unknown ids that are not younger have expired */
	uint64_t request_seq;
	uint32_t request_free, waiter_free;
	uint32_t request_first;        /* of those that run */
	uint32_t kept_head, kept_tail; /* in the order in which they expire */
	uint32_t request_chain[SCHED_REQUEST_MAX];
	struct sched_request request[SCHED_REQUEST_MAX];
	struct sched_waiter waiter[SCHED_WAITER_MAX];
};

#define SCHED_RUN(s, c) (&(s)->run[(c)->run - 1])

/* sched_queue.c: records come from a free list and stand in one queue, or run at one executor.
 * What each
 * does is said where it is. */
struct sched_call *sched_call_alloc(struct sched *s, const struct desc *d, uint16_t client,
				    uint64_t seq);
void sched_call_free(struct sched *s, struct sched_call *c);
/* sched_args_drop gives back arguments that an executor holds for us (CALL_F_KEPT). */
void sched_args_drop(struct sched *s, struct desc *d);
void sched_answer(struct sched *s, uint16_t client, uint64_t call, int err, const char *text);
void sched_deliver(struct sched *s, uint16_t client, const struct desc *answer);
void sched_call_end(struct sched *s, struct sched_call *c, int err, const char *text);
uint32_t sched_target_idx(const struct sched *s, const struct desc *d);
void sched_queue_push(struct sched *s, struct sched_target *t, struct sched_call *c);
void sched_queue_push_front(struct sched *s, struct sched_target *t, struct sched_call *c);
struct sched_call *sched_queue_pop(struct sched *s, struct sched_target *t);
void sched_queue_end(struct sched *s, struct sched_target *t, int err, const char *text);
void sched_queue_remove(struct sched *s, struct sched_target *t, uint64_t call, uint16_t client,
			int err);
void sched_queue_parts_first(struct sched *s, struct sched_target *t);
bool sched_exec_none(const uint64_t *set);
void sched_exec_set(uint64_t *set, uint16_t exec, bool in);
void sched_targets_refresh(struct sched *s);

/* sched.c: dispatching, for runs, requests and for what ctl says. */
/* sched_goes_on: a reply of exec says that its call goes on. sched_go_on has it do so. */
bool sched_goes_on(const struct desc *reply, uint16_t exec);
void sched_go_on(struct sched *s, uint16_t client, const struct desc *call,
		 const struct desc *reply);
void sched_on_call(struct sched *s, uint16_t client, const struct desc *d, uint64_t now_ns);
void sched_reply_drop(struct sched *s, uint16_t exec, const struct desc *d);
void sched_exec_try(struct sched *s, uint16_t exec, uint64_t now_ns);
uint16_t sched_call_cancel(struct sched *s, uint64_t call, int err);
/* sched_call_stop has it stopped, too, where it runs: at, if only its caller knows. */
void sched_call_stop(struct sched *s, uint64_t call, uint16_t at, int err);
void sched_wake_at(struct sched *s, uint64_t at_ns);
void sched_stop(struct sched *s, uint16_t exec, uint64_t call, int err);
void sched_pin_want(struct sched *s, uint32_t target);
void sched_waiting_run(struct sched *s, uint64_t now_ns);
void sched_learn(struct sched_target *t, uint64_t run_ns);
void sched_drained(struct sched *s, uint16_t exec);

/* sched_load.c: sched_loads looks at the executors' loads, if that is due. */
void sched_loads(struct sched *s);
void sched_load_drop(struct sched *s, uint16_t exec);

/* sched_lease.c: sched_lease_begin notes that exec was given a call, or answered it; sched_leases
 * looks for those that do not run theirs. */
void sched_lease_begin(struct sched *s, uint16_t exec);
void sched_leases(struct sched *s);

/* sched_table.c: what ctl says. */
void sched_exec_mask(struct sched *s, uint16_t exec, const struct ctl_exec_set *set);
void sched_fn_gone(struct sched *s, uint32_t fn_idx);
void sched_unkeep(struct sched *s, uint16_t exec);

/* sched_request.c: calls with a request id. */
void sched_requests_init(struct sched *s);
void sched_request_ask(struct sched *s, uint16_t client, const struct desc *d);
void sched_request_done(struct sched *s, const struct desc *d);
bool sched_request_leave(struct sched *s, uint64_t call, uint16_t client, int err);
void sched_requests_poll(struct sched *s);

/* sched_request_keep is ops.keep, for which kept answers make room. sched_request_runs: call is one
 * of ours that has not ended. */
int sched_request_keep(struct sched *s, const struct payload_ref *ref, struct payload_ref *ret);
bool sched_request_runs(const struct sched *s, uint64_t call);

/* sched_message.c: messages between calls. */
int sched_messages_create(struct sched *s);
void sched_messages_on(struct sched *s, uint16_t proc, const struct desc *d);
void sched_messages_poll(struct sched *s);

/* sched_batch.c: calls that a function gets in one run. sched_batch_joins: whether c, taken out of
 * t's queue for exec, may go with the next in it. sched_batch_send gathers all that may, and sends
 * them. Returns: false when they were not taken; all wait again. sched_batch_takes: how many calls
 * a function takes in one run, by its id. sched_batch_pass: how many younger calls go before what
 * waits for t. The others work on what runs at exec: take one out, NULL if it is not there; count
 * the calls whose client lives. */
bool sched_batch_joins(const struct sched *s, const struct sched_target *t,
		       const struct sched_call *c, uint16_t exec);
bool sched_batch_send(struct sched *s, struct sched_target *t, struct sched_call *c, uint16_t exec);
uint32_t sched_batch_takes(const struct sched *s, uint16_t fn);
uint32_t sched_batch_pass(const struct sched *s, const struct sched_target *t);
struct sched_call *sched_running_find(struct sched *s, uint16_t exec, uint64_t call);
struct sched_call *sched_running_take(struct sched *s, uint16_t exec, uint64_t call);
uint32_t sched_running_clients(const struct sched *s, uint16_t exec);

/* sched.c: whether exec may get the call at a queue's head. */
bool sched_may_run(const struct sched *s, const struct sched_target *t, uint16_t exec);
/* Record + 1, and what follows it in its batch, runs at exec; 0: nothing. */
void sched_running_set(struct sched *s, uint16_t exec, uint32_t record);
void sched_note(struct sched *s, const struct sched_call *c);

/* sched_part.c */
uint32_t sched_edges_in(const struct placement_dag *dag, uint8_t v);
uint32_t sched_edges_out(const struct placement_dag *dag, uint8_t v, uint8_t *ret_to);
void sched_part_mark(struct sched_run *r, const struct sched_call *part, bool begun);
/* sched_part_bytes: how many bytes of a part's inputs lie at executors, *ret_here: at exec.
 * sched_parts_near_run gives parts that wait to who is nearer to them than exec, if it is free. */
uint64_t sched_part_bytes(const struct sched *s, const struct sched_call *part, uint16_t exec,
			  uint64_t *ret_here);
void sched_parts_near_run(struct sched *s, uint16_t exec, uint64_t now_ns);
/* sched_part_lead sends what comes before a part's CALL, and makes that. Returns whether exec took
 * it. */
bool sched_part_lead(struct sched *s, const struct sched_call *part, uint16_t exec,
		     struct desc *ret_call);
bool sched_part_send(struct sched *s, struct sched_call *part, uint16_t exec);

/* sched_out.c. sched_payload_return gives back what is held for holder, by an executor or by us;
 * what does not go now is tried again in sched_returns_poll.
 * sched_release_pass passes on a RELEASE of a process's own holds, and keeps what does not fit. */
void sched_payload_return(struct sched *s, const struct payload_ref *ref, uint16_t holder);
void sched_release_pass(struct sched *s, uint16_t holder, const struct desc *d);
void sched_returns_poll(struct sched *s);
bool sched_out_release(struct sched *s, struct run_out *out);
bool sched_outs_release(struct sched *s, struct sched_run *r, bool all);
void sched_outs_down(struct sched *s, struct sched_run *r, uint16_t exec,
		     bool lost[DAG_FUNCTION_MAX]);
/* sched_args_down has a copy of a call's arguments, if they lie at an executor that is gone.
 * sched_call_keep, sched_part_keep: a call, or a part, says that something that it is to read
 * cannot be read. Return whether it is worth to be sent again, with copies. */
void sched_args_down(struct sched *s, struct desc *d, uint16_t exec);
bool sched_call_keep(struct sched *s, struct sched_call *c);
bool sched_part_keep(struct sched *s, struct sched_call *part);
void sched_out_drop(struct sched *s, const struct desc *d);
void sched_cut_on(struct sched *s, uint16_t exec, const struct desc *d);
void sched_cut_forget(struct sched *s, struct sched_run *r, uint8_t v);
void sched_cut_next(struct sched *s, struct sched_run *r, uint8_t v);

static inline bool
sched_run_in_turn(const struct sched_run *r)
{
	return (r->d.sub & CALL_LEVEL_MASK) != CALL_LEVEL_LWW;
}

static inline struct sched_target *
sched_target_of(struct sched *s, const struct sched_run *r, uint8_t v)
{
	return &s->target[r->dag.vertex[v].fn % FUNCTION_CNT_MAX];
}

/* sched_run.c: DAG calls that run in parts. Each is said there. */
void sched_runs_init(struct sched *s);
bool sched_run_wanted(const struct sched *s, uint32_t target, const struct desc *d);
void sched_run_start(struct sched *s, uint16_t client, const struct desc *d);
void sched_run_on_reply(struct sched *s, struct sched_call *part, uint16_t exec,
			const struct desc *d);
void sched_run_part_renew(struct sched *s, struct sched_call *part);
void sched_run_part_end(struct sched *s, struct sched_call *part, int err, const char *text);
void sched_run_part_died(struct sched *s, struct sched_call *part, bool effects, const char *text);
bool sched_run_cancel(struct sched *s, uint64_t call, int err);
void sched_run_client_down(struct sched *s, uint16_t client);
void sched_run_exec_down(struct sched *s, uint16_t exec);
void sched_run_poll(struct sched *s);

#endif
