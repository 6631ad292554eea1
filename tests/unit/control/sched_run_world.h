/* SPDX-License-Identifier: Apache-2.0 */
/* sched_run_world - a world with one DAG, for stories about runs of it in parts */
#ifndef MB_SCHED_RUN_WORLD_H
#define MB_SCHED_RUN_WORLD_H

#include "sched_world.h"

#define DAG 1

static inline void
call_dag_at(struct world *w, uint64_t seq, uint64_t deadline, enum call_level level)
{
	struct desc d = { .kind = DESC_CALL,
			  .sub = (uint8_t)(CALL_DAG | level),
			  .flags = DESC_F_INLINE,
			  .a = DAG,
			  .call = id_of(CLIENT, seq),
			  .b = deadline };

	sched_on_proc(w->s, CLIENT, &d, w->now);
}

static inline void
call_dag(struct world *w, uint64_t seq, uint64_t deadline)
{
	call_dag_at(w, seq, deadline, CALL_LEVEL_LWW);
}

static const uint16_t all[] = { 1, 2, 3, 4, 5, 6 };

static inline void
up_all(struct world *w, uint16_t first, uint16_t cnt)
{
	for (uint16_t e = first; e < first + cnt; e++) {
		up_with(w, e, all, 6);
	}
}

/* The next messages are a part: inputs, steps, and the CALL. Returns the executor. */
static inline uint16_t
sent_part(struct world *w, uint64_t seq, uint32_t inputs, const char *steps)
{
	uint16_t exec = w->seen < w->out_cnt ? w->out[w->seen].proc : 0;
	uint64_t b = 0;
	const struct desc *d;

	for (uint32_t i = 0; i < inputs; i++) {
		assert_int_equal(sent(w, exec, DESC_TRIGGER, id_of(CLIENT, seq))->b, b++);
	}
	for (; *steps != '\0'; steps++) {
		d = sent(w, exec, DESC_STEP, id_of(CLIENT, seq));
		assert_int_equal(d->a, *steps - 'a' + 1);
		assert_int_equal(d->b, b++);
	}
	d = sent(w, exec, DESC_CALL, id_of(CLIENT, seq));
	assert_true((d->sub & CALL_PART) != 0);
	assert_int_equal(d->err, b);
	return exec;
}

/* A part returns: by reference where handle is not 0. */
static inline void
returns(struct world *w, uint16_t exec, uint64_t seq, int err, uint32_t handle, uint8_t sub)
{
	struct desc d = { .kind = DESC_REPLY,
			  .flags = handle == 0 ? DESC_F_INLINE : 0,
			  .sub = sub,
			  .a = exec,
			  .err = (int16_t)err,
			  .call = id_of(CLIENT, seq) };

	d.ref = (struct payload_ref){ .inc = 1, .proc = exec, .handle = handle };
	sched_on_proc(w->s, exec, &d, w->now);
}

/* A part returns len bytes by reference. */
static inline void
returns_at(struct world *w, uint16_t exec, uint64_t seq, uint32_t handle, uint32_t len, uint8_t sub)
{
	struct desc d = { .kind = DESC_REPLY, .sub = sub, .a = exec, .call = id_of(CLIENT, seq) };

	d.ref = (struct payload_ref){ .inc = 1, .proc = exec, .handle = handle, .len = len };
	sched_on_proc(w->s, exec, &d, w->now);
}

#endif
