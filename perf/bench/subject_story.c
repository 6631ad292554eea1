/* SPDX-License-Identifier: Apache-2.0 */
/* subject_story.c - see subject_story.h
 *
 * The ratings are made here, from a fixed seed: as many as MovieLens has, of as many users and
 * movies, some movies rated by many and most by few.
 */
#include "subject_story.h"

#include <stdlib.h>

#include "compiler.h"
#include "rng.h"

#define RATING_CNT       100836
#define RATING_CNT_SMOKE 500
#define USER_CNT         610
#define MOVIE_CNT        9724
#define UNDER_WAY        64

struct story {
	struct env *env;
	struct rng rng;
	uint32_t user;
};

/* One rating. Cubes make the first movies popular, and the first users busy. */
static void
rating_make(struct rng *rng, uint32_t i, struct mb_value arg[4])
{
	double u = (double)rng_below(rng, 1 << 20) / (1 << 20);
	double m = (double)rng_below(rng, 1 << 20) / (1 << 20);

	arg[0] = mb_i64(1 + (int64_t)(USER_CNT * u * u));
	arg[1] = mb_i64(1 + (int64_t)(MOVIE_CNT * m * m * m));
	arg[2] = mb_f64((double)(1 + rng_below(rng, 10)) / 2);
	arg[3] = mb_i64(1000000000 + (int64_t)i * 60);
}

static int
take(struct mb_client *c, uint32_t *answered)
{
	struct mb_reply reply;
	int err;

	if (mb_call_wait(c, 0, &reply) != 1) {
		return MB_ERR_CORRUPT; /* calls are out, so there is an answer */
	}
	err = reply.err;
	mb_reply_free(c, &reply);
	++*answered;
	return err;
}

static int
ingest(struct story *s, uint32_t cnt)
{
	struct mb_client *c = s->env->node->client;
	uint32_t started = 0, answered = 0;
	struct mb_value arg[4];
	uint64_t call;
	int err = 0;

	rng_init(&s->rng, 1);
	while (err == 0 && started < cnt) {
		if (started - answered == UNDER_WAY) {
			err = take(c, &answered);
			continue;
		}
		rating_make(&s->rng, started, arg);
		while ((err = mb_call_start(c, "rate", arg, 4, NULL, &call)) == MB_ERR_BUSY &&
		       answered < started) {
			err = take(c, &answered);
			if (err != 0) {
				break;
			}
		}
		started += err == 0;
	}
	while (answered < started) {
		int e = take(c, &answered);

		err = err != 0 ? err : e;
		if (e == MB_ERR_CORRUPT) {
			break;
		}
	}
	return err;
}

static uint32_t
rating_cnt(const struct env *env)
{
	return env->smoke ? RATING_CNT_SMOKE : RATING_CNT;
}

static int
story_node(struct env *env)
{
	json_t *request;
	int err;

	env_node_end(env);
	err = env_node(env, ""); /* as many executors as `make run` has */
	if (err == 0) {
		err = node_deploy(env->node, "watch_next", NULL, true);
	}
	if (err == 0) {
		err = node_settle(env->node);
	}
	if (err == 0) {
		env_procs(env);
		request = json_pack("{s:s, s:s, s:s}", "cmd", "dag_add", "name", "watch_next",
				    "text", "history -> predict");
		err = node_ask(env->node, request, -1, NULL);
		json_decref(request);
	}
	return err;
}

static int
ingest_block(void *ctx, const struct pace *pace, struct figures *f)
{
	struct story *s = ctx;
	uint32_t cnt = rating_cnt(s->env);
	uint64_t start, end;
	int err = story_node(s->env);

	if (err == 0) {
		start = timebase_tsc();
		err = ingest(s, cnt);
		end = timebase_tsc();
		figures_span(f, end - start);
		figures_rate_add(f, cnt, end - start);
		f->cpu_ops += cnt;
	}
	return err;
}

int
subject_ingest(struct env *env, const struct bench *bench, struct measure *ret)
{
	struct story s = { .env = env };
	struct side subject = { .block = ingest_block, .ctx = &s };

	return interleave(bench_pace(env, bench), &subject, NULL, env->stop, ret);
}

static int
watch_next_once(void *ctx)
{
	struct story *s = ctx;
	struct mb_value user = mb_i64(1 + s->user++ % USER_CNT);
	struct mb_dag_arg arg[] = { { .function = "history", .arg = &user, .arg_cnt = 1 },
				    { .function = "predict", .arg = &user, .arg_cnt = 1 } };
	struct mb_reply reply;
	int err =
		mb_dag_call(s->env->node->client, "watch_next", arg, ARRAY_CNT(arg), NULL, &reply);

	/* Pairs of a movie and its score, the best first. */
	for (uint32_t i = 3; err == 0 && i < reply.cnt; i += 2) {
		err = reply.value[i].i64 <= reply.value[i - 2].i64 ? 0 : MB_ERR_CORRUPT;
	}
	mb_reply_free(s->env->node->client, &reply);
	return err;
}

static int
watch_next_block(void *ctx, const struct pace *pace, struct figures *f)
{
	return pace_run(pace, f, watch_next_once, ctx);
}

int
subject_watch_next(struct env *env, const struct bench *bench, struct measure *ret)
{
	struct story s = { .env = env };
	struct side subject = { .block = watch_next_block,
				.ctx = &s,
				.cpu_s = env_cpu_s,
				.cpu_ctx = env };
	int err = story_node(env);

	if (err == 0) {
		err = ingest(&s, rating_cnt(env));
	}
	if (err == 0) {
		err = interleave(bench_pace(env, bench), &subject, NULL, env->stop, ret);
	}
	env_node_end(env); /* its cache is full of ratings */
	return err;
}
