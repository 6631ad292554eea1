/* SPDX-License-Identifier: Apache-2.0 */
#include "subject_remote.h"

#include <microburst/client.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "compiler.h"
#include "cores.h"

#define SETTING NODE_ONE_EXECUTOR " net.listen=udp://127.0.0.1:0"
#define KEY     "remote"
#define NODE_AT "10.77.0.1:7117" /* on a link of two */
#define OUR_AT  "10.77.0.2"

#define MANY 64
#define KEYS 1024

struct remote_caller {
	struct mb_client *client;
	struct env *env;
	int64_t x;
	size_t len; /* of values that are written and read many at once */
	uint32_t at;
	char name[KEYS][8];
	struct mb_key key[KEYS], value[KEYS];
};

/* The node's setting, and where it is then. Both ends are this machine's. */
struct way {
	const char *setting;
	int (*where)(struct env *env, char *ret, size_t bytes);
};

/* The port that the node says it has. */
static int
udp_where(struct env *env, char *ret, size_t bytes)
{
	json_t *answer = NULL;
	int err = node_ask(env->node, json_pack("{s:s}", "cmd", "status"), -1, &answer);

	if (err == 0) {
		snprintf(ret, bytes, "udp://127.0.0.1:%d",
			 (int)json_integer_value(json_object_get(answer, "net_port")));
	}
	json_decref(answer);
	return err;
}

static char memif_setting[256];

/* Jumbo frames, as between the servers of one rack, each in one piece of memory. */
static int
memif_where(struct env *env, char *ret, size_t bytes)
{
	(void)env;
	snprintf(ret, bytes,
		 "dpdk://" NODE_AT "?at=" OUR_AT
		 "&mtu=9000&nic=net_memif0,role=client,bsize=9216,socket=/microburst-bench-%d",
		 (int)getpid());
	return 0;
}

static const struct way by_udp = { SETTING, udp_where };
static const struct way by_udp_large = { SETTING " cache.bytes=512m", udp_where };
static const struct way by_memif = { memif_setting, memif_where };

static int
remote_enter(struct env *env, const struct way *way, struct remote_caller *c)
{
	char where[256];
	int err;

	snprintf(memif_setting, sizeof(memif_setting),
		 NODE_ONE_EXECUTOR " net.listen=udp://" NODE_AT
				   " net.mtu=9000 net.nic=net_memif0,role=server,bsize=9216,"
				   "socket=/microburst-bench-%d",
		 (int)getpid());
	err = env_node(env, way->setting);
	if (err == 0) {
		err = way->where(env, where, sizeof(where));
	}
	return err == 0 ? mb_client_open(&c->client, where) : err;
}

static int
call_once(void *ctx)
{
	struct remote_caller *c = ctx;
	struct mb_value x = mb_i64(++c->x);
	struct mb_reply reply;
	int err = mb_call(c->client, "bench_increment", &x, 1, NULL, &reply);

	if (err == 0 && (reply.cnt != 1 || reply.value[0].i64 != c->x + 1)) {
		err = MB_ERR_CORRUPT;
	}
	mb_reply_free(c->client, &reply);
	return err;
}

static int
get_once(void *ctx)
{
	struct remote_caller *c = ctx;
	struct mb_held held;
	int err = mb_client_get(c->client, KEY, 0, &held);

	if (err == 0) {
		err = held.len == 8 ? 0 : MB_ERR_CORRUPT;
		mb_client_release(c->client, &held);
	}
	return err;
}

static int
put_once(void *ctx)
{
	struct remote_caller *c = ctx;

	return mb_client_set(c->client, KEY, 0, "01234567", 8);
}

/* The next MANY keys, of which each is got or set. */
static int
gets_once(void *ctx)
{
	struct remote_caller *c = ctx;
	struct mb_held held[MANY];
	int each[MANY];
	int err = mb_client_get_many(c->client, &c->key[c->at], MANY, held, each);

	for (int i = 0; i < MANY; i++) {
		if (err == 0 && held[i].len != c->len) {
			err = MB_ERR_CORRUPT;
		}
		mb_client_release(c->client, &held[i]);
	}
	c->at = (c->at + MANY) % KEYS;
	return err;
}

static int
sets_once(void *ctx)
{
	struct remote_caller *c = ctx;
	int each[MANY];
	int err = mb_client_set_many(c->client, &c->key[c->at], &c->value[c->at], MANY, each);

	c->at = (c->at + MANY) % KEYS;
	return err;
}

/* 64 MiB under one key. */
static uint8_t large[64 << 20];

static int
move_put_once(void *ctx)
{
	struct remote_caller *c = ctx;

	return mb_client_set(c->client, "large", 0, large, sizeof(large));
}

static int
move_get_once(void *ctx)
{
	struct remote_caller *c = ctx;
	struct mb_held held;
	int err = mb_client_get(c->client, "large", 0, &held);

	if (err == 0) {
		err = held.len == sizeof(large) ? 0 : MB_ERR_CORRUPT;
		mb_client_release(c->client, &held);
	}
	return err;
}

static int
call_block(void *ctx, const struct pace *pace, struct figures *f)
{
	return pace_run(pace, f, call_once, ctx);
}

/* No function runs: the executor's core, asleep, is that of the machine that the client would be
 * on. */
static int
state_block(struct remote_caller *c, const struct pace *pace, struct figures *f,
	    int (*once)(void *ctx), uint32_t ops)
{
	struct pace samples = *pace;
	uint64_t from;
	int err;

	cores_bind(c->env->cpu_exec);
	samples.sample_cnt = 0;
	err = pace_run(&samples, f, once, c);
	samples = *pace;
	samples.warm_cnt = 0;
	samples.warm_ns = 0;
	from = timebase_tsc();
	err = err != 0 ? err : pace_run(&samples, f, once, c);
	if (err == 0 && ops > 1) {
		figures_rate_add(f, (uint64_t)pace->sample_cnt * ops, timebase_tsc() - from);
		f->cpu_ops += (double)pace->sample_cnt * (ops - 1);
	}
	cores_bind(c->env->cpu_client);
	return err;
}

static int
get_block(void *ctx, const struct pace *pace, struct figures *f)
{
	return state_block(ctx, pace, f, get_once, 1);
}

static int
put_block(void *ctx, const struct pace *pace, struct figures *f)
{
	return state_block(ctx, pace, f, put_once, 1);
}

static int
gets_block(void *ctx, const struct pace *pace, struct figures *f)
{
	return state_block(ctx, pace, f, gets_once, MANY);
}

static int
sets_block(void *ctx, const struct pace *pace, struct figures *f)
{
	return state_block(ctx, pace, f, sets_once, MANY);
}

static int
move_put_block(void *ctx, const struct pace *pace, struct figures *f)
{
	return state_block(ctx, pace, f, move_put_once, 1);
}

static int
move_get_block(void *ctx, const struct pace *pace, struct figures *f)
{
	return state_block(ctx, pace, f, move_get_once, 1);
}

static void
keys_init(struct remote_caller *c)
{
	static uint8_t value[1024];

	for (int i = 0; i < KEYS; i++) {
		int n = snprintf(c->name[i], sizeof(c->name[i]), "r%06d", i);

		c->key[i] = (struct mb_key){ c->name[i], (size_t)n };
		c->value[i] = (struct mb_key){ value, c->len };
	}
}

static int
remote_run(struct env *env, const struct bench *bench, const struct way *way, size_t len,
	   int (*block)(void *ctx, const struct pace *pace, struct figures *f), struct measure *ret)
{
	struct remote_caller c = { .env = env, .len = len };
	struct side subject = { .block = block, .ctx = &c, .cpu_s = env_cpu_s, .cpu_ctx = env };
	int err = remote_enter(env, way, &c);

	if (err != 0) {
		return err;
	}
	keys_init(&c);
	err = put_once(&c);
	for (int i = 0; i < KEYS && err == 0 && len > 0; i += MANY) {
		err = sets_once(&c);
	}
	if (err == 0 && (block == move_get_block || block == move_put_block)) {
		err = move_put_once(&c);
	}
	if (err == 0) {
		err = bench_interleave(env, bench, &subject, ret);
	}
	mb_client_close(c.client);
	return err;
}

int
subject_remote_call(struct env *env, const struct bench *bench, struct measure *ret)
{
	return remote_run(env, bench, &by_udp, 0, call_block, ret);
}

int
subject_remote_get(struct env *env, const struct bench *bench, struct measure *ret)
{
	return remote_run(env, bench, &by_udp, 0, get_block, ret);
}

int
subject_remote_put(struct env *env, const struct bench *bench, struct measure *ret)
{
	return remote_run(env, bench, &by_udp, 0, put_block, ret);
}

int
subject_remote_gets(struct env *env, const struct bench *bench, struct measure *ret)
{
	return remote_run(env, bench, &by_udp, 8, gets_block, ret);
}

int
subject_remote_gets_1k(struct env *env, const struct bench *bench, struct measure *ret)
{
	return remote_run(env, bench, &by_udp, 1024, gets_block, ret);
}

int
subject_remote_sets(struct env *env, const struct bench *bench, struct measure *ret)
{
	return remote_run(env, bench, &by_udp, 8, sets_block, ret);
}

int
subject_remote_sets_1k(struct env *env, const struct bench *bench, struct measure *ret)
{
	return remote_run(env, bench, &by_udp, 1024, sets_block, ret);
}

int
subject_remote_call_memif(struct env *env, const struct bench *bench, struct measure *ret)
{
	return remote_run(env, bench, &by_memif, 0, call_block, ret);
}

int
subject_remote_get_memif(struct env *env, const struct bench *bench, struct measure *ret)
{
	return remote_run(env, bench, &by_memif, 0, get_block, ret);
}

int
subject_remote_put_memif(struct env *env, const struct bench *bench, struct measure *ret)
{
	return remote_run(env, bench, &by_memif, 0, put_block, ret);
}

int
subject_remote_gets_memif(struct env *env, const struct bench *bench, struct measure *ret)
{
	return remote_run(env, bench, &by_memif, 8, gets_block, ret);
}

int
subject_remote_gets_1k_memif(struct env *env, const struct bench *bench, struct measure *ret)
{
	return remote_run(env, bench, &by_memif, 1024, gets_block, ret);
}

int
subject_remote_sets_memif(struct env *env, const struct bench *bench, struct measure *ret)
{
	return remote_run(env, bench, &by_memif, 8, sets_block, ret);
}

int
subject_remote_sets_1k_memif(struct env *env, const struct bench *bench, struct measure *ret)
{
	return remote_run(env, bench, &by_memif, 1024, sets_block, ret);
}

int
subject_remote_move_put(struct env *env, const struct bench *bench, struct measure *ret)
{
	return remote_run(env, bench, &by_udp_large, 0, move_put_block, ret);
}

int
subject_remote_move_get(struct env *env, const struct bench *bench, struct measure *ret)
{
	return remote_run(env, bench, &by_udp_large, 0, move_get_block, ret);
}
