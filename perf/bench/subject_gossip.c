/* SPDX-License-Identifier: Apache-2.0 */
#include "subject_gossip.h"

#include <math.h>
#include <string.h>

#include "../functions/gossip.h"
#include "rng.h"

#define SETTING "executor.count=10"
#define NEAR    0.05
#define MEAN    ((GOSSIP_ACTORS + 1) / 2.0) /* of 1, 2 ... */

struct gossip {
	struct env *env;
	const char *function;
	struct gossip_start start;
	struct rng rng;
};

/* Draws to whom each sends in each round, and goes through the rounds: until all are near. */
static void
draw(struct gossip *g)
{
	double sum[GOSSIP_ACTORS], weight[GOSSIP_ACTORS], worst = 1;
	uint32_t r;

	for (uint32_t i = 0; i < GOSSIP_ACTORS; i++) {
		sum[i] = i + 1;
		weight[i] = 1;
	}
	for (r = 0; r < GOSSIP_ROUNDS_MAX && worst > NEAR; r++) {
		double s[GOSSIP_ACTORS], w[GOSSIP_ACTORS];

		g->start.offset[r] = (uint8_t)(1 + rng_u64(&g->rng) % (GOSSIP_ACTORS - 1));
		worst = 0;
		for (uint32_t i = 0; i < GOSSIP_ACTORS; i++) {
			uint32_t from = (i + GOSSIP_ACTORS - g->start.offset[r]) % GOSSIP_ACTORS;

			s[i] = (sum[i] + sum[from]) / 2;
			w[i] = (weight[i] + weight[from]) / 2;
			worst = fmax(worst, fabs(s[i] / w[i] - MEAN) / MEAN);
		}
		memcpy(sum, s, sizeof(sum));
		memcpy(weight, w, sizeof(weight));
	}
	g->start.round_cnt = r;
}

static int
gossip_start(struct gossip *g)
{
	struct mb_client *c = g->env->node->client;
	int err = 0;

	for (uint32_t i = 0; i < GOSSIP_ACTORS && err == 0; i++) {
		err = mb_call_start(c, g->function, NULL, 0, NULL, &g->start.actor[i]);
	}
	for (uint32_t i = 0; i < GOSSIP_ACTORS && err == 0; i++) {
		g->start.self = i;
		g->start.value = i + 1;
		err = mb_client_send(c, g->start.actor[i], &g->start, sizeof(g->start));
	}
	return err;
}

static int
gossip_once(void *ctx)
{
	struct gossip *g = ctx;
	bool all = g->start.round_cnt > 0; /* of gather the leader's counts */
	int err;

	if (all) {
		draw(g);
	}
	err = gossip_start(g);
	for (uint32_t i = 0; i < GOSSIP_ACTORS && err == 0; i++) {
		struct mb_reply reply = { 0 };

		err = mb_call_wait(g->env->node->client, 0, &reply) == 1 ? reply.err
									 : MB_ERR_NODE_DIED;
		if (err == 0 &&
		    (reply.cnt != 1 || ((all || reply.call == g->start.actor[0]) &&
					fabs(reply.value[0].f64 - MEAN) > NEAR * MEAN))) {
			err = MB_ERR_CORRUPT;
		}
		mb_reply_free(g->env->node->client, &reply);
	}
	return err;
}

static int
gossip_block(void *ctx, const struct pace *pace, struct figures *f)
{
	return pace_run(pace, f, gossip_once, ctx);
}

static int
gossip(struct env *env, const struct bench *bench, const char *function, uint32_t round_cnt,
       struct measure *ret)
{
	struct gossip g = { .env = env, .function = function, .start = { .round_cnt = round_cnt } };
	struct side subject = { .block = gossip_block,
				.ctx = &g,
				.cpu_s = env_cpu_s,
				.cpu_ctx = env };
	int err = env_node(env, SETTING);

	rng_init(&g.rng, 1);
	if (err == 0) {
		err = node_deploy(env->node, "gossip", NULL, true);
	}
	if (err == 0) {
		err = node_settle(env->node);
	}
	if (err != 0) {
		return err;
	}
	env_procs(env);
	return bench_interleave(env, bench, &subject, ret);
}

int
subject_push_sum(struct env *env, const struct bench *bench, struct measure *ret)
{
	return gossip(env, bench, "bench_push_sum", 1, ret);
}

int
subject_gather(struct env *env, const struct bench *bench, struct measure *ret)
{
	return gossip(env, bench, "bench_gather", 0, ret);
}
