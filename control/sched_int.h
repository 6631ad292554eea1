/* SPDX-License-Identifier: Apache-2.0 */
/* sched_int - what sched.c and sched_queue.c share: records of calls, targets and their queues */
#ifndef MB_SCHED_INT_H
#define MB_SCHED_INT_H

#include "sched.h"

#define TARGET_CNT  (FUNCTION_CNT_MAX + DAG_CNT_MAX)
#define TARGET_NONE UINT32_MAX
#define SCHED_WHO   UINT64_C(1) /* in a claim; processes put inc << 16 | proc, so never this */
#define EXEC_END    PROC_CLIENT_FIRST

struct sched_call {
	struct desc d;
	uint64_t seq;  /* order of arrival */
	uint32_t next; /* in the target's queue, or the free list: + 1 */
	uint16_t client;
	uint16_t exec; /* 0: it waits */
};

struct sched_target {
	uint64_t exec[PLACEMENT_EXEC_WORDS];
	uint32_t head, tail; /* + 1; 0: empty */
	uint32_t cnt;
	bool pin_wanted; /* ctl has been asked */
};

struct sched {
	struct placement *placement;
	struct hints *hints;
	struct sched_ops ops;
	struct rng rng;
	uint32_t queue_max;
	uint64_t seq;
	uint64_t timer_ns;
	uint32_t free;              /* + 1 */
	uint32_t running[EXEC_END]; /* record + 1; 0: nothing from us (S1) */
	/* when a claim was first found in our way; 0: it is not */
	uint64_t busy_since_ns[EXEC_END];
	bool draining[EXEC_END];
	struct sched_target target[TARGET_CNT];
	struct sched_call call[SCHED_CALL_MAX];
};

/* sched_queue.c: records come from a free list and stand in one queue, or run at one executor.
 * What each
 * does is said where it is. */
struct sched_call *sched_call_alloc(struct sched *s, const struct desc *d, uint16_t client);
void sched_call_free(struct sched *s, struct sched_call *c);
void sched_answer(struct sched *s, uint16_t client, uint64_t call, int err, const char *text);
void sched_call_end(struct sched *s, struct sched_call *c, int err, const char *text);
uint32_t sched_target_idx(const struct sched *s, const struct desc *d);
void sched_queue_push(struct sched *s, struct sched_target *t, struct sched_call *c);
void sched_queue_push_front(struct sched *s, struct sched_target *t, struct sched_call *c);
struct sched_call *sched_queue_pop(struct sched *s, struct sched_target *t);
void sched_queue_end(struct sched *s, struct sched_target *t, int err, const char *text);
void sched_queue_remove(struct sched *s, struct sched_target *t, uint64_t call, uint16_t client,
			int err);
bool sched_exec_in(const uint64_t *set, uint16_t exec);
void sched_exec_set(uint64_t *set, uint16_t exec, bool in);
void sched_targets_refresh(struct sched *s);

#endif
