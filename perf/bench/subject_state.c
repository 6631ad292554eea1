/* SPDX-License-Identifier: Apache-2.0 */
/* subject_state.c - see subject_state.h and perf/functions/state.c */
#include "subject_state.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compiler.h"
#include "cores.h"

#define KEY_CNT       16 /* as in functions/state.c */
#define INSIDE_CNT    64 /* operations in one call: a sample is their mean */
#define LARGE_BYTES   (1u << 20)
#define COLD_CNT      65536 /* as there */
#define COLD_FILL_CNT 8192  /* in one call: half of what a call may write */

/* -------------------------------------------------------- timed by the function */

struct inside {
	struct env *env;
	const char *function; /* does INSIDE_CNT operations and returns the nanoseconds */
};

static int
inside_once(struct inside *in, struct figures *f)
{
	int64_t ns;
	int err = node_call(in->env->node, in->function, INSIDE_CNT, &ns);

	if (err == 0) {
		figures_add(f, (uint64_t)ns * 1000 / INSIDE_CNT);
		f->cpu_ops += INSIDE_CNT;
	}
	return err;
}

static int
inside_block(void *ctx, const struct pace *pace, struct figures *f)
{
	struct inside *in = ctx;
	uint64_t start = timebase_tsc(), warm = timebase_ns_to_tsc(pace->warm_ns);
	int err = 0;

	for (uint32_t i = 0; err == 0 && (i < pace->warm_cnt || timebase_tsc() - start < warm);
	     i++) {
		err = inside_once(in, f);
	}
	f->sample_cnt = 0;
	for (uint32_t i = 0; err == 0 && i < pace->sample_cnt; i++) {
		err = inside_once(in, f);
	}
	return err;
}

/* Sets what the functions read. */
static int
values_set(struct env *env, const char *prefix, size_t bytes)
{
	char key[16];
	uint8_t *value = calloc(1, bytes);
	int err = value != NULL ? 0 : MB_ERR_NO_MEMORY;

	for (unsigned i = 0; i < KEY_CNT && err == 0; i++) {
		snprintf(key, sizeof(key), "%s:%02u", prefix, i);
		err = mb_client_set(env->node->client, key, 0, value, bytes);
	}
	free(value);
	return err;
}

int
subject_inside(struct env *env, const struct bench *bench, const char *function,
	       const char *floor_function, struct measure *ret)
{
	struct inside of = { .env = env, .function = function };
	struct inside of_floor = { .env = env, .function = floor_function };
	struct side subject = { .block = inside_block, .ctx = &of };
	struct side floor = { .block = inside_block, .ctx = &of_floor };

	return interleave(bench_pace(env, bench), &subject, &floor, env->stop, ret);
}

static int
run_inside(struct env *env, const struct bench *bench, const char *function,
	   const char *floor_function, struct measure *ret)
{
	int err = env_node(env, NODE_ONE_EXECUTOR);

	if (err == 0) {
		err = values_set(env, "small", 8);
	}
	if (err == 0) {
		err = values_set(env, "large", LARGE_BYTES);
	}
	return err == 0 ? subject_inside(env, bench, function, floor_function, ret) : err;
}

int
subject_get(struct env *env, const struct bench *bench, struct measure *ret)
{
	return run_inside(env, bench, "bench_get", "bench_bare_get", ret);
}

static int
cold_fill(struct env *env)
{
	struct mb_value arg[2];
	struct mb_reply reply;
	int err = 0;

	for (int64_t from = 0; from < COLD_CNT && err == 0; from += COLD_FILL_CNT) {
		arg[0] = mb_i64(from);
		arg[1] = mb_i64(COLD_FILL_CNT);
		err = mb_call(env->node->client, "bench_cold_fill", arg, 2, NULL, &reply);
		mb_reply_free(env->node->client, &reply);
	}
	return err;
}

int
subject_get_cold(struct env *env, const struct bench *bench, struct measure *ret)
{
	int err = env_node(env, NODE_ONE_EXECUTOR);

	if (err == 0) {
		err = cold_fill(env);
	}
	return err == 0 ? run_inside(env, bench, "bench_get_cold", "bench_bare_get_cold", ret)
			: err;
}

int
subject_get_large(struct env *env, const struct bench *bench, struct measure *ret)
{
	return run_inside(env, bench, "bench_get_large", "bench_get", ret);
}

int
subject_put(struct env *env, const struct bench *bench, struct measure *ret)
{
	return run_inside(env, bench, "bench_put", "bench_bare_put", ret);
}

/* ------------------------------------------------------------- acknowledged */

static int
acked_once(void *ctx)
{
	struct env *env = ctx;

	return node_call(env->node, "bench_put_one", 0, NULL);
}

static int
acked_block(void *ctx, const struct pace *pace, struct figures *f)
{
	return pace_run(pace, f, acked_once, ctx);
}

static int
run_acked(struct env *env, const struct bench *bench, const char *setting, struct measure *ret)
{
	struct side subject = { .block = acked_block,
				.ctx = env,
				.cpu_s = env_cpu_s,
				.cpu_ctx = env };
	int err = env_node(env, setting);

	return err == 0 ? bench_interleave(env, bench, &subject, ret) : err;
}

int
subject_put_acked(struct env *env, const struct bench *bench, struct measure *ret)
{
	return run_acked(env, bench, NODE_ONE_EXECUTOR, ret);
}

int
subject_put_acked_asleep(struct env *env, const struct bench *bench, struct measure *ret)
{
	return run_acked(env, bench, NODE_ONE_EXECUTOR " client.spin=0", ret);
}

/* -------------------------------------------------------------------- visibility */

#define LAG_PAUSE_NS (20 * NS_PER_US) /* between two puts: the watcher has seen the one before */

static int
lag_put(struct env *env)
{
	char text[24];
	uint64_t at_ns = timebase_now_ns(timebase_real());
	int len = snprintf(text, sizeof(text), "%llu", (unsigned long long)at_ns);
	int err = mb_client_set(env->node->client, "lag", 0, text, (size_t)len);

	while (timebase_now_ns(timebase_real()) - at_ns < LAG_PAUSE_NS) {
		cores_relax();
	}
	return err;
}

/* Takes what the watcher saw. */
static int
lag_take(struct mb_reply *reply, struct figures *f)
{
	uint32_t ns;

	if (reply->err != 0 || reply->cnt != 1 || reply->value[0].type != MB_BYTES) {
		return reply->err != 0 ? reply->err : MB_ERR_CORRUPT;
	}
	for (size_t i = 0; i < reply->value[0].len; i += sizeof(ns)) {
		memcpy(&ns, (const char *)reply->value[0].p + i, sizeof(ns));
		figures_add(f, (uint64_t)ns * 1000);
	}
	return reply->value[0].len == 0 ? MB_ERR_DEADLINE : 0;
}

static int
lag_block(void *ctx, const struct pace *pace, struct figures *f)
{
	struct env *env = ctx;
	struct mb_client *client = env->node->client;
	struct mb_value n = mb_i64(pace->sample_cnt);
	struct mb_reply reply;
	uint64_t call;
	int err = lag_put(env), got = 0;

	if (err == 0) {
		err = mb_call_start(client, "bench_lag_watch", &n, 1, NULL, &call);
	}
	while (err == 0 && (got = mb_call_poll(client, &reply)) == 0) {
		err = lag_put(env);
		f->cpu_ops++;
	}
	if (err == 0) {
		err = got == 1 ? lag_take(&reply, f) : got;
		mb_reply_free(client, &reply);
	}
	return err;
}

int
subject_lag_put(struct env *env, const struct bench *bench, struct measure *ret)
{
	struct side subject = { .block = lag_block,
				.ctx = env,
				.cpu_s = env_cpu_s,
				.cpu_ctx = env };
	int err = env_node(env, NODE_ONE_EXECUTOR);

	return err == 0 ? bench_interleave(env, bench, &subject, ret) : err;
}
