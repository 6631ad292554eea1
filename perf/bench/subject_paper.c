/* SPDX-License-Identifier: Apache-2.0 */
/* subject_paper.c - see subject_paper.h and perf/functions/locality.h, pipeline.c
 *
 * Array values are small whole numbers, so a sum is exact whatever the order, and each is checked.
 */
#include "subject_paper.h"

#include <stdlib.h>
#include <string.h>

#include "../functions/locality.h"
#include "compiler.h"
#include "rng.h"

/* The cache of the cold and zipf runs is a quarter of what they read. */
#define COLD_SETTING NODE_ONE_EXECUTOR " cache.bytes=64m"
#define COLD_SETS    32

#define FEATURE_CNT 256 /* as in functions/pipeline.c */

enum turn { TURN_SAME, TURN_NEXT, TURN_ZIPF };

struct locality {
	struct env *env;
	size_t array_len; /* doubles */
	int64_t set_cnt, set;
	enum turn turn;
	double *array;            /* LOCALITY_ARRAYS of them: all sets have the same values */
	double want;              /* their sum */
	double rank_p[COLD_SETS]; /* zipf: the sum of probabilities up to here */
	struct rng rng;
};

static int64_t
set_next(struct locality *l)
{
	double x;
	int64_t set = 0;

	switch (l->turn) {
	case TURN_NEXT:
		return l->set = (l->set + 1) % l->set_cnt;
	case TURN_ZIPF:
		x = (double)(rng_u64(&l->rng) >> 11) / (double)(UINT64_C(1) << 53);
		while (set < l->set_cnt - 1 && l->rank_p[set] < x) {
			set++;
		}
		return set;
	default:
		return 0;
	}
}

static int
stored_once(void *ctx)
{
	struct locality *l = ctx;
	struct mb_value set = mb_i64(set_next(l));
	struct mb_reply reply;
	int err = mb_call(l->env->node->client, "bench_sum", &set, 1, NULL, &reply);

	if (err == 0 && (reply.cnt != 1 || reply.value[0].f64 != l->want)) {
		err = MB_ERR_CORRUPT;
	}
	mb_reply_free(l->env->node->client, &reply);
	return err;
}

static int
stored_block(void *ctx, const struct pace *pace, struct figures *f)
{
	return pace_run(pace, f, stored_once, ctx);
}

static int
local_once(void *ctx)
{
	struct locality *l = ctx;
	double sum = 0;

	for (unsigned i = 0; i < LOCALITY_ARRAYS; i++) {
		sum += locality_sum(l->array + i * l->array_len, l->array_len);
	}
	return sum == l->want ? 0 : MB_ERR_CORRUPT;
}

static int
local_block(void *ctx, const struct pace *pace, struct figures *f)
{
	return pace_run(pace, f, local_once, ctx);
}

static int
locality_fill(struct locality *l)
{
	size_t bytes = l->array_len * sizeof(double);
	double p = 0, total = 0;
	int err = 0;

	l->array = malloc(LOCALITY_ARRAYS * bytes);
	if (l->array == NULL) {
		return MB_ERR_NO_MEMORY;
	}
	for (size_t i = 0; i < LOCALITY_ARRAYS * l->array_len; i++) {
		l->array[i] = (double)(i % 16);
		l->want += l->array[i];
	}
	for (int64_t set = 0; set < l->set_cnt; set++) {
		total += 1.0 / (double)(set + 1);
	}
	for (int64_t set = 0; set < l->set_cnt && err == 0; set++) {
		p += 1.0 / (double)(set + 1) / total;
		l->rank_p[set] = p;
		for (unsigned i = 0; i < LOCALITY_ARRAYS && err == 0; i++) {
			char key[LOCALITY_KEY_BYTES];
			size_t len = locality_key(key, set, i);

			err = mb_client_set(l->env->node->client, key, len,
					    l->array + i * l->array_len, bytes);
		}
	}
	return err;
}

/* Deploys what the node does not have yet. */
static int
deploy(struct env *env, const char *object)
{
	int err = node_deploy(env->node, object, NULL, true);

	return err == 0 ? node_settle(env->node) : err;
}

static int
locality(struct env *env, const struct bench *bench, size_t array_len, enum turn turn,
	 struct measure *ret)
{
	struct locality l = { .env = env,
			      .array_len = array_len,
			      .turn = turn,
			      .set_cnt = turn == TURN_SAME ? 1 : COLD_SETS };
	struct side subject = { .block = stored_block,
				.ctx = &l,
				.cpu_s = env_cpu_s,
				.cpu_ctx = env };
	struct side floor = { .block = local_block, .ctx = &l };
	int err = env_node(env, turn == TURN_SAME ? NODE_ONE_EXECUTOR : COLD_SETTING);

	rng_init(&l.rng, 1);
	if (err == 0) {
		err = deploy(env, "locality");
	}
	if (err == 0) {
		env_procs(env);
		err = locality_fill(&l);
	}
	if (err == 0) {
		err = interleave(bench_pace(env, bench), &subject, &floor, env->stop, ret);
	}
	free(l.array);
	return err;
}

int
subject_locality_hot_80k(struct env *env, const struct bench *bench, struct measure *ret)
{
	return locality(env, bench, 1000, TURN_SAME, ret);
}

int
subject_locality_hot_800k(struct env *env, const struct bench *bench, struct measure *ret)
{
	return locality(env, bench, 10000, TURN_SAME, ret);
}

int
subject_locality_hot_8m(struct env *env, const struct bench *bench, struct measure *ret)
{
	return locality(env, bench, 100000, TURN_SAME, ret);
}

int
subject_locality_hot_80m(struct env *env, const struct bench *bench, struct measure *ret)
{
	return locality(env, bench, 1000000, TURN_SAME, ret);
}

int
subject_locality_cold_8m(struct env *env, const struct bench *bench, struct measure *ret)
{
	return locality(env, bench, 100000, TURN_NEXT, ret);
}

int
subject_locality_zipf_8m(struct env *env, const struct bench *bench, struct measure *ret)
{
	return locality(env, bench, 100000, TURN_ZIPF, ret);
}

/* ----------------------------------------------------------------- pipeline */

struct pipeline {
	struct env *env;
	double feature[FEATURE_CNT];
};

static int
pipeline_once(void *ctx)
{
	struct pipeline *p = ctx;
	struct mb_value x = mb_f64_array(p->feature, FEATURE_CNT);
	struct mb_dag_arg arg = { .function = "bench_prepare", .arg = &x, .arg_cnt = 1 };
	struct mb_reply reply;
	int err = mb_dag_call(p->env->node->client, "bench_pipeline", &arg, 1, NULL, &reply);

	/* The best of sum x/2, 2 sum x/2, 3 sum x/2. */
	if (err == 0 && (reply.cnt != 1 || reply.value[0].f64 != 3 * FEATURE_CNT)) {
		err = MB_ERR_CORRUPT;
	}
	mb_reply_free(p->env->node->client, &reply);
	return err;
}

static int
pipeline_block(void *ctx, const struct pace *pace, struct figures *f)
{
	return pace_run(pace, f, pipeline_once, ctx);
}

int
subject_pipeline(struct env *env, const struct bench *bench, struct measure *ret)
{
	struct pipeline p = { .env = env };
	struct side subject = { .block = pipeline_block,
				.ctx = &p,
				.cpu_s = env_cpu_s,
				.cpu_ctx = env };
	json_t *request;
	int err = env_node(env, NODE_ONE_EXECUTOR);

	for (int i = 0; i < FEATURE_CNT; i++) {
		p.feature[i] = 2;
	}
	if (err == 0) {
		err = deploy(env, "pipeline");
	}
	if (err != 0) {
		return err;
	}
	env_procs(env);
	request = json_pack("{s:s, s:s, s:s}", "cmd", "dag_add", "name", "bench_pipeline", "text",
			    "bench_prepare -> bench_model#0, bench_prepare -> bench_model#1, "
			    "bench_prepare -> bench_model#2, bench_model#0 -> bench_combine, "
			    "bench_model#1 -> bench_combine, bench_model#2 -> bench_combine");
	err = node_ask(env->node, request, -1, NULL);
	json_decref(request);
	return err == 0 ? bench_interleave(env, bench, &subject, ret) : err;
}
