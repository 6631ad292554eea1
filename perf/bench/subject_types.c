/* SPDX-License-Identifier: Apache-2.0 */
/* subject_types.c - see subject_types.h and perf/functions/types.c */
#include "subject_types.h"

#include <stdio.h>

#include "check.h"
#include "compiler.h"
#include "subject_state.h"

#define LARGE_CNT  (1u << 20)
#define LARGE_STEP 8192 /* members that bench_large_fill adds, as there */
#define NODE_LARGE NODE_ONE_EXECUTOR " kvs.bytes=1g cache.bytes=1g"

static int
rows(struct env *env, const struct bench *bench, struct measure *ret)
{
	char function[64];
	int err = 0;

	for (uint32_t i = 0; i < BENCH_ROW_MAX && bench->row[i].name != NULL && err == 0; i++) {
		snprintf(function, sizeof(function), "bench_%s", bench->row[i].name);
		err = subject_inside(env, bench, function, "bench_bare_get", &ret[i]);
	}
	return err;
}

int
subject_types(struct env *env, const struct bench *bench, struct measure *ret)
{
	int err = env_node(env, NODE_ONE_EXECUTOR);

	if (err == 0) {
		err = node_call(env->node, "bench_types_fill", 0, NULL);
	}
	return err == 0 ? rows(env, bench, ret) : err;
}

/* --------------------------------------------------------------------- large */

static int
large_fill(struct env *env)
{
	uint32_t cnt = env->smoke ? LARGE_STEP : LARGE_CNT;
	int err = env_node(env, NODE_LARGE);

	for (uint32_t from = 0; from < cnt && err == 0; from += LARGE_STEP) {
		err = node_call(env->node, "bench_large_fill", from, NULL);
	}
	return err;
}

int
subject_large(struct env *env, const struct bench *bench, struct measure *ret)
{
	int err = large_fill(env);

	return err == 0 ? rows(env, bench, ret) : err;
}

struct adds {
	struct env *env;
	const char *key;
	uint64_t next; /* a member that is not there */
};

/* Adds a member, and takes it away again outside of the time. */
static int
add_block(void *ctx, const struct pace *pace, struct figures *f)
{
	struct adds *a = ctx;
	struct mb_client *client = a->env->node->client;
	int err = 0;

	for (uint32_t i = 0; i < pace->warm_cnt + pace->sample_cnt && err == 0; i++) {
		struct mb_value member = mb_bytes(&a->next, sizeof(a->next));
		uint64_t at = timebase_tsc(), span;

		err = mb_client_sadd(client, a->key, 0, &member, 1, NULL);
		span = timebase_tsc() - at;
		if (i >= pace->warm_cnt) {
			figures_span(f, span);
		}
		if (err == 0) {
			err = mb_client_srem(client, a->key, 0, &member, 1, NULL);
		}
		a->next++;
	}
	return err;
}

int
subject_large_add(struct env *env, const struct bench *bench, struct measure *ret)
{
	struct adds large = { env, "large:set", UINT64_C(1) << 40 };
	struct adds ten = { env, "ten:set", UINT64_C(1) << 40 };
	struct side subject = { .block = add_block, .ctx = &large };
	struct side floor = { .block = add_block, .ctx = &ten };
	int err = large_fill(env);

	if (err == 0) {
		err = node_call(env->node, "bench_types_fill", 0, NULL);
	}
	return err == 0 ? interleave(bench_pace(env, bench), &subject, &floor, env->stop, ret)
			: err;
}
