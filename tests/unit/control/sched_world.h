/* SPDX-License-Identifier: Apache-2.0 */
/* sched_world - sched alone, for the tests of control/sched*: what it sends is gathered, time is a
 * number
 */
#ifndef MB_TEST_SCHED_WORLD_H
#define MB_TEST_SCHED_WORLD_H

#include <stdlib.h>
#include <string.h>

#include "call.h"
#include "dagtext.h"
#include "microburst/error.h"
#include "sched.h"
#include "test_cmocka.h"

#define CLIENT 200 /* and the next ones */
#define EXEC   1   /* and the next ones */
#define FN     1
#define OTHER  2
#define QUEUE  4
#define MS     UINT64_C(1000000)
#define OUT    512

struct sent {
	uint16_t proc; /* 0: ctl */
	struct desc d;
};

struct world {
	struct sched *s;
	struct hints *hints;
	struct placement *placement;
	struct sent out[OUT];
	uint32_t out_cnt, seen;
	bool full, idle;
	uint32_t room; /* how many messages go before it is full; 0: any number */
	uint64_t busy_ns[PROC_CLIENT_FIRST]; /* what executors have run */
	uint16_t cpu;                        /* that executors come up at (ctl_exec_set) */
	int copies;
	uint64_t now;
};

static inline int
on_send(void *ctx, uint16_t proc, const struct desc *d)
{
	struct world *w = ctx;

	if (w->full) {
		return MB_ERR_FULL;
	}
	if (w->room > 0) {
		w->full = --w->room == 0;
	}
	assert_true(w->out_cnt < OUT);
	w->out[w->out_cnt++] = (struct sent){ proc, *d };
	return 0;
}

static inline void
on_tell_ctl(void *ctx, const struct desc *d)
{
	on_send(ctx, 0, d);
}

static inline uint64_t
on_busy_ns(void *ctx, uint16_t exec)
{
	const struct world *w = ctx;

	return w->busy_ns[exec];
}

static inline bool
on_idle(void *ctx, uint16_t exec)
{
	struct world *w = ctx;

	return w->idle;
}

/* Copies are numbers; `copies` counts their holds. */
static inline int
on_keep(void *ctx, const struct payload_ref *ref, struct payload_ref *ret)
{
	struct world *w = ctx;

	if (ref->len > 1000) {
		return MB_ERR_TOO_LARGE;
	}
	*ret = (struct payload_ref){ .proc = PROC_DAEMON, .handle = ref->handle + 1000 };
	w->copies++;
	return 0;
}

static inline int
on_hold(void *ctx, const struct payload_ref *ref, uint16_t holder)
{
	struct world *w = ctx;

	assert_true(ref->handle > 1000);
	w->copies++;
	return 0;
}

static inline void
on_drop(void *ctx, const struct payload_ref *ref, uint16_t holder)
{
	struct world *w = ctx;

	assert_true(ref->handle > 1000);
	w->copies--;
}

static inline void
put_fn(struct world *w, uint16_t id, const char *name)
{
	struct placement_fn *f = calloc(1, sizeof(*f));
	struct desc d = { .kind = DESC_FN_PUT };

	assert_non_null(f);
	f->id = id;
	strncat(f->name, name, sizeof(f->name) - 1);
	d.word[0] = (uintptr_t)f;
	sched_on_ctl(w->s, &d, w->now);
}

/* One that takes cnt calls in one run; its name is a letter. */
static inline void
put_takes(struct world *w, uint16_t id, uint32_t cnt)
{
	struct placement_fn *f = calloc(1, sizeof(*f));
	struct desc d = { .kind = DESC_FN_PUT };

	assert_non_null(f);
	f->id = id;
	f->batch = cnt;
	f->name[0] = (char)('a' + id - 1);
	d.word[0] = (uintptr_t)f;
	sched_on_ctl(w->s, &d, w->now);
}

static inline int
setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	struct sched_ops ops = { .send = on_send,
				 .tell_ctl = on_tell_ctl,
				 .idle = on_idle,
				 .busy_ns = on_busy_ns,
				 .keep = on_keep,
				 .hold = on_hold,
				 .drop = on_drop,
				 .ctx = w };

	assert_non_null(w);
	w->hints = aligned_alloc(CACHE_LINE, sizeof(*w->hints));
	w->placement = calloc(1, sizeof(*w->placement));
	assert_non_null(w->hints);
	assert_non_null(w->placement);
	memset(w->hints, 0, sizeof(*w->hints));
	w->now = MS;
	assert_int_equal(sched_create(&w->s, w->placement, w->hints, QUEUE, 1, &ops), 0);
	put_fn(w, FN, "f");
	put_fn(w, OTHER, "g");
	*state = w;
	return 0;
}

static inline int
teardown(void **state)
{
	struct world *w = *state;

	sched_destroy(w->s);
	free(w->hints);
	free(w->placement);
	free(w);
	return 0;
}

/* Functions are named by a letter: a is 1, b is 2. */
static inline int
resolve(void *ctx, const char *name, uint16_t *ret_id)
{
	*ret_id = (uint16_t)(name[0] - 'a' + 1); /* function a is 1 ... */
	return 0;
}

static inline void
put_dag(struct world *w, uint16_t id, const char *text)
{
	struct placement_dag *dag = calloc(1, sizeof(*dag));
	struct dagtext *parsed = calloc(1, sizeof(*parsed));
	struct desc d = { .kind = DESC_DAG_PUT };
	char why[DAGTEXT_WHY_BYTES];

	assert_non_null(dag);
	assert_non_null(parsed);
	assert_int_equal(dagtext_parse(parsed, text, strlen(text), resolve, NULL, why), 0);
	dagtext_place(parsed, dag);
	dag->id = id;
	dag->name[0] = (char)('A' + id);
	for (uint32_t v = 0; v < parsed->vertex_cnt; v++) {
		uint64_t gen;
		const struct placement_copy *p = placement_shown(w->placement, &gen);

		if (placement_fn_get(p, parsed->vertex[v].fn_id) == NULL) {
			put_fn(w, parsed->vertex[v].fn_id, parsed->vertex[v].fn);
		}
	}
	free(parsed);
	d.word[0] = (uintptr_t)dag;
	sched_on_ctl(w->s, &d, w->now);
}

/* ------------------------------------------------------------------ the stories' verbs */

static inline uint64_t
id_of(uint16_t client, uint64_t seq)
{
	return call_id_make(client, 1, seq);
}

static inline void
up_with(struct world *w, uint16_t exec, const uint16_t *fn, uint32_t cnt)
{
	struct ctl_exec_set *set = calloc(1, sizeof(*set));
	struct desc d = { .kind = DESC_EXEC_UP, .a = exec };

	assert_non_null(set);
	set->cnt = cnt;
	set->cpu = w->cpu;
	memcpy(set->fn, fn, cnt * sizeof(*fn));
	d.word[0] = (uintptr_t)set;
	sched_on_ctl(w->s, &d, w->now);
}

static inline void
up(struct world *w, uint16_t exec, uint16_t fn)
{
	up_with(w, exec, &fn, 1);
}

static inline void
tell(struct world *w, uint8_t kind, uint16_t a, uint64_t b)
{
	struct desc d = { .kind = kind, .a = a, .b = b, .err = MB_ERR_NO_EXECUTOR };

	sched_on_ctl(w->s, &d, w->now);
}

static inline void
call(struct world *w, uint16_t client, uint64_t seq, uint16_t fn, uint64_t deadline)
{
	struct desc d = { .kind = DESC_CALL, .a = fn, .call = id_of(client, seq), .b = deadline };

	sched_on_proc(w->s, client, &d, w->now);
}

static inline void
reply(struct world *w, uint16_t exec, uint16_t client, uint64_t seq)
{
	struct desc d = { .kind = DESC_REPLY, .a = exec, .call = id_of(client, seq) };

	d.ref = (struct payload_ref){ .inc = 1, .proc = exec, .handle = 77 };
	sched_on_proc(w->s, exec, &d, w->now);
}

static inline void
dies_after(struct world *w, uint16_t proc, uint64_t published, uint64_t published_ns)
{
	struct desc d = { .kind = 0 };

	d.dead.proc = proc;
	d.dead.inc = 1;
	d.dead.cause = DEATH_SIGNAL;
	d.dead.status = 9;
	d.dead.published = published;
	d.dead.published_ns = published_ns;
	sched_proc_down(w->s, &d, w->now);
}

static inline void
dies(struct world *w, uint16_t proc, uint64_t published)
{
	dies_after(w, proc, published, w->now);
}

static inline void
cancel(struct world *w, uint16_t client, uint64_t seq, uint16_t exec)
{
	struct desc d = { .kind = DESC_CANCEL,
			  .call = id_of(client, seq),
			  .a = exec,
			  .err = MB_ERR_CANCELLED };

	sched_on_proc(w->s, client, &d, w->now);
}

/* The next message that was sent must be this one. */
static inline const struct desc *
sent(struct world *w, uint16_t proc, uint8_t kind, uint64_t id)
{
	assert_true(w->seen < w->out_cnt);
	assert_int_equal(w->out[w->seen].proc, proc);
	assert_int_equal(w->out[w->seen].d.kind, kind);
	assert_true(id == 0 || w->out[w->seen].d.call == id);
	return &w->out[w->seen++].d;
}

static inline void
sent_answer(struct world *w, uint16_t client, uint64_t seq, int err)
{
	assert_int_equal(sent(w, client, DESC_REPLY, id_of(client, seq))->err, err);
}

static inline void
sent_no_more(struct world *w)
{
	assert_int_equal(w->seen, w->out_cnt);
}

static inline void
quiet(struct world *w)
{
	sent_no_more(w);
	assert_int_equal(sched_queued(w->s), 0);
	assert_int_equal(sched_running(w->s), 0);
	assert_int_equal(sched_runs(w->s), 0);
	assert_int_equal(sched_held(w->s), 0);
}

#define STORY(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

#endif
