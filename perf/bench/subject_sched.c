/* SPDX-License-Identifier: Apache-2.0 */
/* subject_sched.c - see subject_sched.h; a sample is one message and all that follows from it */
#include "subject_sched.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "call.h"
#include "pick.h"
#include "rng.h"
#include "sched.h"
#include "timebase.h"

#define FN_CNT     64
#define CLIENT     PROC_CLIENT_FIRST
#define QUEUE      16
/* Executors of many servers: one in eight is free now, half of all are busy of late. */
#define MANY       4096
#define MANY_WORDS (MANY / 64)

struct bench_sched {
	struct sched *core;
	struct placement *placement;
	struct hints *hints;
	struct rng rng;
	uint64_t seq;
	uint16_t sent_to; /* who got the last call */
	uint64_t runs[EXECUTOR_CNT_MAX + 1];
	uint64_t now;
	uint64_t able[MANY_WORDS], busy[MANY_WORDS];
	uint16_t load[MANY];
};

static int
on_send(void *ctx, uint16_t proc, const struct desc *d)
{
	struct bench_sched *b = ctx;

	if (d->kind == DESC_CALL) {
		b->sent_to = proc;
		b->runs[proc] = d->call;
	}
	return 0;
}

static void
on_tell_ctl(void *ctx, const struct desc *d)
{
}

static bool
on_idle(void *ctx, uint16_t exec)
{
	return false;
}

static void
call(struct bench_sched *b)
{
	struct desc d = { .kind = DESC_CALL,
			  .flags = DESC_F_INLINE,
			  .a = (uint16_t)(1 + rng_below(&b->rng, FN_CNT)),
			  .call = call_id_make(CLIENT, 1, ++b->seq) };

	sched_on_proc(b->core, CLIENT, &d, b->now);
}

static void
reply(struct bench_sched *b, uint16_t exec)
{
	struct desc d = { .kind = DESC_REPLY,
			  .flags = DESC_F_INLINE,
			  .a = exec,
			  .call = b->runs[exec] };

	sched_on_proc(b->core, exec, &d, b->now);
}

static int
make(struct bench_sched *b)
{
	struct sched_ops ops = { .send = on_send,
				 .tell_ctl = on_tell_ctl,
				 .idle = on_idle,
				 .ctx = b };
	int err;

	b->placement = calloc(1, sizeof(*b->placement));
	b->hints = aligned_alloc(CACHE_LINE, sizeof(*b->hints));
	if (b->placement == NULL || b->hints == NULL) {
		return MB_ERR_NO_MEMORY;
	}
	memset(b->hints, 0, sizeof(*b->hints));
	b->now = NS_PER_S;
	rng_init(&b->rng, 1);
	for (uint32_t w = 0; w < MANY_WORDS; w++) {
		b->able[w] = UINT64_MAX;
		for (int i = 0; i < 3; i++) {
			b->able[w] &= rng_u64(&b->rng);
		}
		b->busy[w] = rng_u64(&b->rng);
	}
	for (uint32_t i = 0; i < MANY; i++) {
		b->load[i] = (uint16_t)rng_below(&b->rng, PICK_LOAD_FULL);
	}
	err = sched_create(&b->core, b->placement, b->hints, QUEUE, 1, &ops);
	for (uint16_t f = 1; f <= FN_CNT && err == 0; f++) {
		struct placement_fn *fn = calloc(1, sizeof(*fn));
		struct desc d = { .kind = DESC_FN_PUT };

		if (fn == NULL) {
			return MB_ERR_NO_MEMORY;
		}
		fn->id = f;
		snprintf(fn->name, sizeof(fn->name), "f%u", f);
		d.word[0] = (uintptr_t)fn;
		sched_on_ctl(b->core, &d, b->now);
	}
	for (uint16_t e = 1; e <= EXECUTOR_CNT_MAX && err == 0; e++) {
		struct ctl_exec_set *set = calloc(1, sizeof(*set));
		struct desc d = { .kind = DESC_EXEC_UP, .a = e };

		if (set == NULL) {
			return MB_ERR_NO_MEMORY;
		}
		for (uint16_t f = 1; f <= FN_CNT; f++) {
			set->fn[set->cnt++] = f;
		}
		d.word[0] = (uintptr_t)set;
		sched_on_ctl(b->core, &d, b->now);
		call(b);
	}
	return err;
}

static void
unmake(struct bench_sched *b)
{
	if (b->core != NULL) {
		sched_destroy(b->core);
	}
	free(b->placement);
	free(b->hints);
}

/* All are busy and nothing waits: before and after. */
static int
sample(struct bench_sched *b, struct measure *ret)
{
	uint16_t exec = (uint16_t)(1 + rng_below(&b->rng, EXECUTOR_CNT_MAX));
	uint64_t from;

	call(b); /* it waits */
	b->sent_to = 0;
	from = timebase_tsc();
	reply(b, exec);
	figures_span(&ret[0].subject, timebase_tsc() - from);
	if (b->sent_to != exec) {
		return MB_ERR_CORRUPT;
	}
	exec = (uint16_t)(1 + rng_below(&b->rng, EXECUTOR_CNT_MAX));
	reply(b, exec); /* it is free */
	b->sent_to = 0;
	from = timebase_tsc();
	call(b);
	figures_span(&ret[1].subject, timebase_tsc() - from);
	return b->sent_to == exec ? 0 : MB_ERR_CORRUPT;
}

static int
sample_many(struct bench_sched *b, struct measure *ret)
{
	uint64_t from = timebase_tsc();
	uint32_t exec = pick_exec(b->able, b->busy, MANY_WORDS, b->load, rng_u64(&b->rng));

	figures_span(&ret->subject, timebase_tsc() - from);
	return exec < MANY && (b->able[exec / 64] >> (exec % 64) & 1) != 0 ? 0 : MB_ERR_CORRUPT;
}

int
subject_sched(struct env *env, const struct bench *bench, struct measure *ret)
{
	const struct pace *pace = bench_pace(env, bench);
	struct bench_sched b = { 0 };
	int err = make(&b);

	for (uint32_t i = 0; i < pace->block_cnt && err == 0; i++) {
		for (uint32_t k = 0; k < pace->sample_cnt && err == 0; k++) {
			err = *env->stop ? MB_ERR_INTERRUPTED : sample(&b, ret);
			err = err == 0 ? sample_many(&b, &ret[2]) : err;
		}
		for (unsigned row = 0; row < 3; row++) {
			figures_block_end(&ret[row].subject);
			ret[row].attempts = 1;
			ret[row].moved = 1; /* no floor, so nothing says that the machine moved */
		}
	}
	unmake(&b);
	return err;
}
