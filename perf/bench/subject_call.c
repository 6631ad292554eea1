/* SPDX-License-Identifier: Apache-2.0 */
/* subject_call.c - see subject_call.h
 *
 * A sample is what a program does: call, read the result, give the reply back. Each result is
 * checked: a fast wrong answer is no answer.
 */
#include "subject_call.h"

#include <microburst/client.h>
#include <stdio.h>
#include <string.h>

#include "compiler.h"
#include "cores.h"

/* A call under way. */
struct flight {
	uint64_t call;
	uint64_t sent_tsc;
	int64_t x;
};

struct caller {
	struct env *env;
	struct mb_client *client;
	int64_t x;
	/* pipelined: the calls under way, in a ring as long as answers come in order */
	struct flight flight[ECHO_WINDOW];
	uint32_t out; /* how many */
	uint32_t
		/* where the next answer is expected, and the next call goes when all are out */
		next;
	uint64_t sent;
};

static void
caller_init(struct caller *c, struct env *env)
{
	memset(c, 0, sizeof(*c));
	c->env = env;
	c->client = env->node->client;
}

/* The one I64 of a reply is want; gives the reply back. */
static int
reply_take(struct caller *c, struct mb_reply *reply, int64_t want)
{
	int err = reply->err;

	if (likely(err == 0) && unlikely(reply->cnt != 1 || reply->value[0].type != MB_I64 ||
					 reply->value[0].i64 != want)) {
		err = MB_ERR_CORRUPT;
	}
	mb_reply_free(c->client, reply);
	return err;
}

static int
call_once(void *ctx)
{
	struct caller *c = ctx;
	struct mb_value x = mb_i64(++c->x);
	struct mb_reply reply;

	mb_call(c->client, "bench_increment", &x, 1, NULL, &reply);
	return reply_take(c, &reply, c->x + 1);
}

static int
call_block(void *ctx, const struct pace *pace, struct figures *f)
{
	return pace_run(pace, f, call_once, ctx);
}

int
subject_call(struct env *env, const struct bench *bench, struct measure *ret)
{
	struct caller c;
	struct side subject = { .block = call_block,
				.ctx = &c,
				.cpu_s = env_cpu_s,
				.cpu_ctx = env };
	int err = env_node(env, NODE_ONE_EXECUTOR);

	if (err != 0) {
		return err;
	}
	caller_init(&c, env);
	return bench_interleave(env, bench, &subject, ret);
}

/* --------------------------------------------------------------- fused DAGs */

/* Calls a DAG that begins with bench_increment; its result is times x (x + 1) squared. */
static int
dag_once(struct caller *c, const char *dag, int64_t times)
{
	struct mb_value x = mb_i64(c->x++ % 1000);
	struct mb_dag_arg arg = { .function = "bench_increment", .arg = &x, .arg_cnt = 1 };
	struct mb_reply reply;

	mb_dag_call(c->client, dag, &arg, 1, NULL, &reply);
	return reply_take(c, &reply, times * (x.i64 + 1) * (x.i64 + 1));
}

static int
compose_once(void *ctx)
{
	return dag_once(ctx, "bench_compose", 1);
}

static int
fanout_once(void *ctx)
{
	return dag_once(ctx, "bench_fanout", 8);
}

static int
compose_block(void *ctx, const struct pace *pace, struct figures *f)
{
	return pace_run(pace, f, compose_once, ctx);
}

static int
fanout_block(void *ctx, const struct pace *pace, struct figures *f)
{
	return pace_run(pace, f, fanout_once, ctx);
}

static int
dag_measure(struct env *env, const struct bench *bench, struct measure *ret, const char *name,
	    const char *text, const char *setting,
	    int (*block)(void *, const struct pace *, struct figures *))
{
	struct caller c;
	struct side subject = { .block = block, .ctx = &c, .cpu_s = env_cpu_s, .cpu_ctx = env };
	json_t *request;
	int err = env_node(env, setting);

	if (err != 0) {
		return err;
	}
	request = json_pack("{s:s, s:s, s:s}", "cmd", "dag_add", "name", name, "text", text);
	err = node_ask(env->node, request, -1, NULL);
	json_decref(request);
	if (err != 0) {
		return err;
	}
	caller_init(&c, env);
	return bench_interleave(env, bench, &subject, ret);
}

int
subject_compose(struct env *env, const struct bench *bench, struct measure *ret)
{
	return dag_measure(env, bench, ret, "bench_compose", "bench_increment -> bench_square",
			   NODE_ONE_EXECUTOR, compose_block);
}

static int
fanout_measure(struct env *env, const struct bench *bench, struct measure *ret, const char *setting)
{
	char text[1024] = "";
	size_t len = 0;

	for (int i = 1; i <= 8; i++) {
		len += (size_t)snprintf(text + len, sizeof(text) - len,
					"%sbench_increment -> bench_square#%d, "
					"bench_square#%d -> bench_total",
					i > 1 ? ", " : "", i, i);
	}
	return dag_measure(env, bench, ret, "bench_fanout", text, setting, fanout_block);
}

int
subject_fanout(struct env *env, const struct bench *bench, struct measure *ret)
{
	return fanout_measure(env, bench, ret, NODE_ONE_EXECUTOR);
}

int
subject_fanout_parts(struct env *env, const struct bench *bench, struct measure *ret)
{
	return fanout_measure(env, bench, ret, "executor.count=2 sched.dag_split=0");
}

/* ---------------------------------------------------------------- pipelined */

/* The flight that an answer belongs to. Answers overtake each other when some of the calls went
 * through the scheduler; then the two change places. */
static struct flight *
flight_of(struct caller *c, uint64_t call)
{
	struct flight *expected = &c->flight[c->next], swap;

	for (uint32_t i = 0; i < c->out; i++) {
		struct flight *f = &c->flight[(c->next + i) % ECHO_WINDOW];

		if (likely(f->call == call)) {
			swap = *f;
			*f = *expected;
			*expected = swap;
			return expected;
		}
	}
	return NULL;
}

/* Takes the answer that comes next. */
static int
pipelined_take(struct caller *c, struct figures *f)
{
	struct mb_reply reply;
	struct flight *flight;

	while (mb_call_poll(c->client, &reply) == 0) {
		cores_relax();
	}
	flight = flight_of(c, reply.call);
	if (unlikely(flight == NULL)) {
		mb_reply_free(c->client, &reply);
		return MB_ERR_CORRUPT;
	}
	figures_span(f, timebase_tsc() - flight->sent_tsc);
	c->next = (c->next + 1) % ECHO_WINDOW;
	c->out--;
	return reply_take(c, &reply, flight->x + 1);
}

static int
pipelined_next(struct caller *c, struct figures *f)
{
	struct flight *flight;
	struct mb_value x;
	int err = 0;

	if (c->out == ECHO_WINDOW) {
		err = pipelined_take(c, f);
	}
	if (err == 0) {
		flight = &c->flight[(c->next + c->out) % ECHO_WINDOW];
		flight->x = ++c->x;
		flight->sent_tsc = timebase_tsc();
		x = mb_i64(flight->x);
		err = mb_call_start(c->client, "bench_increment", &x, 1, NULL, &flight->call);
		c->out += err == 0;
		c->sent += err == 0;
	}
	return err;
}

static int
pipelined_drain(struct caller *c, struct figures *f)
{
	uint32_t kept = f->sample_cnt;
	int err = 0;

	while (err == 0 && c->out > 0) {
		err = pipelined_take(c, f);
	}
	f->sample_cnt = kept; /* with fewer outstanding: not what is asked */
	return err;
}

static int
pipelined_block(void *ctx, const struct pace *pace, struct figures *f)
{
	struct caller *c = ctx;
	uint64_t start = timebase_tsc(), warm = timebase_ns_to_tsc(pace->warm_ns), end;
	int err = 0;

	caller_init(c, c->env);
	while (err == 0 && (c->sent < pace->warm_cnt || timebase_tsc() - start < warm)) {
		err = pipelined_next(c, f);
	}
	f->sample_cnt = 0;
	start = timebase_tsc();
	while (err == 0 && f->sample_cnt < pace->sample_cnt) {
		err = pipelined_next(c, f);
	}
	end = timebase_tsc();
	figures_rate_add(f, pace->sample_cnt, end - start);
	f->cpu_ops += (double)c->sent;
	return err == 0 ? pipelined_drain(c, f) : err;
}

int
subject_pipelined(struct env *env, const struct bench *bench, struct measure *ret)
{
	struct caller c = { .env = env };
	struct side subject = { .block = pipelined_block,
				.ctx = &c,
				.cpu_s = env_cpu_s,
				.cpu_ctx = env };
	int err = env_node(env, NODE_ONE_EXECUTOR);

	return err == 0 ? bench_interleave(env, bench, &subject, ret) : err;
}
