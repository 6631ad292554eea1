/* SPDX-License-Identifier: Apache-2.0 */
/* sched_death - what becomes of the calls of a process that died: those that ran there, those that
 * it made, and those whose arguments it held */
#include "call.h"
#include "death.h"
#include "microburst/error.h"
#include "sched_int.h"

/* What becomes of a call whose executor died. */
static void
sched_died(struct sched *s, struct sched_call *c, const struct desc *d)
{
	/* A part of the same call may have written there before this one came. */
	bool effects = d->dead.published == c->d.call &&
		       (c->run == 0 || d->dead.published_ns >= c->sent_ns);
	uint32_t idx = sched_target_idx(s, &c->d);
	char text[DEATH_TEXT_BYTES];

	c->exec = 0;
	death_text(d, effects || c->d.err > 0, text); /* or before it went on */
	if (c->run != 0) {
		death_cause_text(d, text); /* the rest is known when nothing of the run runs */
		sched_run_part_died(s, c, effects, text);
	} else if (c->client == 0) {
		sched_call_free(s, c);
	} else if (effects || (c->d.sub & CALL_ATTEMPT_MASK) != 0 || idx == TARGET_NONE) { /* S3 */
		sched_call_end(s, c, MB_ERR_EXECUTOR_DIED, text);
	} else {
		c->d.sub |= 1 << CALL_ATTEMPT_SHIFT;
		sched_queue_push_front(s, &s->target[idx], c);
	}
}

/* Calls that went on, and wait or run: the executor where they did is gone, its memory not yet. */
static void
sched_calls_args_down(struct sched *s, uint16_t exec)
{
	for (uint32_t w = 0; w < TARGET_WORDS; w++) {
		for (uint64_t bits = s->waiting[w]; bits != 0; bits &= bits - 1) {
			uint32_t i = s->target[w * 64 + (uint32_t)__builtin_ctzll(bits)].head;

			for (; i != 0; i = s->call[i - 1].next) {
				if (s->call[i - 1].run == 0) {
					sched_args_down(s, &s->call[i - 1].d, exec);
				}
			}
		}
	}
	for (uint16_t e = PROC_EXEC_FIRST; e < EXEC_END; e++) {
		for (uint32_t i = s->running[e]; i != 0; i = s->call[i - 1].batch) {
			if (s->call[i - 1].run == 0) {
				sched_args_down(s, &s->call[i - 1].d, exec);
			}
		}
	}
}

static void
sched_exec_down(struct sched *s, const struct desc *d, uint64_t now_ns)
{
	uint16_t exec = d->dead.proc;
	uint32_t next, i = s->running[exec];
	uint64_t gen;
	const struct placement_copy *p;

	sched_calls_args_down(s, exec);
	sched_running_set(s, exec, 0);
	sched_load_drop(s, exec);
	returns_drop(s->returns, exec);
	s->draining[exec] = DRAIN_NO;
	sched_unkeep(s, exec);
	s->stuck_since_ns[exec] = 0;
	sched_exec_mask(s, exec, NULL);
	for (; i != 0; i = next) {
		next = s->call[i - 1].batch;
		s->call[i - 1].batch = 0;
		sched_died(s, &s->call[i - 1], d);
	}
	sched_run_exec_down(s, exec);
	p = placement_shown(s->placement, &gen);
	for (uint32_t f = 0; f < FUNCTION_CNT_MAX; f++) {
		if (s->target[f].cnt != 0 && p->fn[f].id == 0) {
			sched_fn_gone(s, f); /* it may have been the last that was kept */
		}
	}
	sched_waiting_run(s, now_ns);
}

static void
sched_client_down(struct sched *s, uint16_t client)
{
	sched_run_client_down(s, client);
	sched_request_leave(s, 0, client, 0);
	for (uint32_t i = 0; i < TARGET_CNT; i++) {
		sched_queue_remove(s, &s->target[i], 0, client, 0);
	}
	for (uint16_t e = PROC_EXEC_FIRST; e < EXEC_END; e++) {
		bool any = false;

		for (uint32_t i = s->running[e]; i != 0; i = s->call[i - 1].batch) {
			struct sched_call *c = &s->call[i - 1];

			if (c->run == 0 && c->client == client) {
				/* S2: nobody to answer; the executor becomes free as usual */
				c->client = 0;
				any = true;
			}
		}
		if (any && sched_running_clients(s, e) == 0) {
			sched_stop(s, e, s->shown[e], MB_ERR_PEER_DIED);
		}
	}
}

void
sched_proc_down(struct sched *s, const struct desc *d, uint64_t now_ns)
{
	s->now_ns = now_ns;
	inboxes_proc_down(s->inboxes, d->dead.proc);
	if (d->dead.proc < PROC_CLIENT_FIRST) {
		sched_exec_down(s, d, now_ns);
	} else {
		sched_client_down(s, d->dead.proc);
	}
}
