/* SPDX-License-Identifier: Apache-2.0 */
#include "subject_remote.h"

#include <microburst/client.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cable.h"
#include "compiler.h"
#include "cores.h"
#include "lossy.h"

#define SETTING NODE_ONE_EXECUTOR " net.listen=udp://127.0.0.1:0"
#define KEY     "remote"
#define NODE_AT "10.77.0.1:7117" /* on a link of two */
#define OUR_AT  "10.77.0.2"

#define MANY 128
#define KEYS 1024

#define SMOKE_BYTES (1U << 20) /* of values then, at most */

struct remote_caller {
	struct mb_client *client;
	struct env *env;
	int64_t x;
	size_t len;        /* of values */
	const char *large; /* the key that is moved: what is put is nobody's who reads */
	uint32_t at;
	char name[KEYS][8 + 1];
	struct mb_key key[KEYS], value[KEYS];
};

/* The node's setting, and where it is then. Both ends are this machine's; with a cable, of two
 * hosts. */
struct way {
	const char *setting;
	int (*where)(struct env *env, char *ret, size_t bytes);
	const char *text; /* what follows the node's address, of what is always at the same */
	bool cable;
};

/* The port that the node says it has. */
static int
udp_port(struct env *env, uint16_t *ret)
{
	json_t *answer = NULL;
	int err = node_ask(env->node, json_pack("{s:s}", "cmd", "status"), -1, &answer);

	if (err == 0) {
		*ret = (uint16_t)json_integer_value(json_object_get(answer, "net_port"));
	}
	json_decref(answer);
	return err;
}

static int
udp_where(struct env *env, char *ret, size_t bytes)
{
	uint16_t port = 0;
	int err = udp_port(env, &port);

	snprintf(ret, bytes, "udp://127.0.0.1:%u", port);
	return err;
}

static char memif_setting[256], memif_large[256];

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

static void
memif_name(char *ret, size_t bytes, const char *more)
{
	snprintf(ret, bytes,
		 NODE_ONE_EXECUTOR " net.listen=udp://" NODE_AT
				   " net.mtu=9000 net.nic=net_memif0,role=server,bsize=9216,"
				   "socket=/microburst-bench-%d%s",
		 (int)getpid(), more);
}

#define LARGE   " cache.bytes=512m"
#define AT_NODE NODE_ONE_EXECUTOR LARGE " net.listen=udp://" CABLE_NODE_AT ":7117"
#define BY_NIC(kind)                                                                               \
	AT_NODE " net.nic=net_" kind "0,iface=" CABLE_NODE, NULL,                                  \
		"dpdk://" CABLE_NODE_AT ":7117?at=" CABLE_DPDK_AT "&nic=net_" kind                 \
		"0,iface=" CABLE_NODE,                                                             \
		true
#define BY_KERNEL(kind)                                                                            \
	AT_NODE " net.nic=net_" kind "0,iface=" CABLE_NODE, NULL, "udp://" CABLE_NODE_AT ":7117",  \
		true

static const struct way by_udp = { .setting = SETTING, .where = udp_where };
static const struct way by_udp_large = { .setting = SETTING LARGE, .where = udp_where };
static const struct way by_memif = { .setting = memif_setting, .where = memif_where };
static const struct way by_memif_large = { .setting = memif_large, .where = memif_where };
static const struct way by_af_packet = { BY_NIC("af_packet") };
static const struct way by_af_xdp = { BY_NIC("af_xdp") };
static const struct way by_kernel_af_packet = { BY_KERNEL("af_packet") };
static const struct way by_kernel_af_xdp = { BY_KERNEL("af_xdp") };

static int
there(void)
{
	return cable_enter(CABLE_THERE);
}

/* Returns: 0; BENCH_SKIPPED; an error. */
static int
remote_enter(struct env *env, const struct bench *bench, const struct way *way,
	     struct remote_caller *c)
{
	const char *why = way->cable ? cable_need() : NULL;
	char where[256];
	int err;

	if (why != NULL) {
		return bench_skip(bench, why);
	}
	memif_name(memif_setting, sizeof(memif_setting), "");
	memif_name(memif_large, sizeof(memif_large), LARGE);
	env->place.enter = way->cable ? there : NULL;
	err = env_node(env, way->setting);
	env->place.enter = NULL;
	if (err == 0 && way->where != NULL) {
		err = way->where(env, where, sizeof(where));
	}
	if (err == 0 && way->cable) {
		err = cable_enter(CABLE_HERE);
	}
	err = err == 0 ? mb_client_open(&c->client, way->where != NULL ? where : way->text) : err;
	if (way->cable) {
		cable_leave();
	}
	return err;
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

/* As much as a value may be, under one key. Written before it is put: what never was is read from
 * one page of zeroes, which is in the cache. */
static uint8_t large[64 << 20];

static int
move_put_once(void *ctx)
{
	struct remote_caller *c = ctx;

	return mb_client_set(c->client, c->large, 0, large, c->len);
}

static int
move_get_once(void *ctx)
{
	struct remote_caller *c = ctx;
	struct mb_held held;
	int err = mb_client_get(c->client, c->large, 0, &held);

	if (err == 0) {
		err = held.len == c->len ? 0 : MB_ERR_CORRUPT;
		mb_client_release(c->client, &held);
	}
	return err;
}

static int
call_block(void *ctx, const struct pace *pace, struct figures *f)
{
	return pace_run(pace, f, call_once, ctx);
}

/* The client where the executor is: nothing keeps a program of this machine from it. */
static int
beside_block(void *ctx, const struct pace *pace, struct figures *f)
{
	struct remote_caller *c = ctx;
	int err;

	cores_bind(c->env->cpu_exec);
	err = pace_run(pace, f, call_once, c);
	cores_bind(c->env->cpu_client);
	return err;
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

/* What is put is nobody's who reads: a write to what the cache has is done there too. */
static void
keys_init(struct remote_caller *c, char kind)
{
	static uint8_t value[1024];

	for (int i = 0; i < KEYS; i++) {
		int n = snprintf(c->name[i], sizeof(c->name[i]), "%c%07d", kind, i);

		c->key[i] = (struct mb_key){ c->name[i], (size_t)n };
		c->value[i] = (struct mb_key){ value, c->len };
	}
}

typedef int block_fn(void *ctx, const struct pace *pace, struct figures *f);

static int
remote_run(struct env *env, const struct bench *bench, const struct way *way, size_t len,
	   block_fn *block, struct measure *ret)
{
	struct remote_caller c = { .env = env, .len = env->smoke ? MIN(len, SMOKE_BYTES) : len };
	struct side subject = { .block = block, .ctx = &c, .cpu_s = env_cpu_s, .cpu_ctx = env };
	bool moves = block == move_get_block || block == move_put_block;
	int err = remote_enter(env, bench, way, &c);

	if (err != 0) {
		return err;
	}
	keys_init(&c, block == gets_block ? 'r' : 'w');
	err = put_once(&c);
	for (int i = 0; i < KEYS && err == 0 && len > 0 && !moves; i += MANY) {
		err = sets_once(&c);
	}
	if (err == 0 && moves) {
		echo_move_bytes = c.len;
		memset(large, 'x', c.len);
		c.large = block == move_get_block ? "large, read" : "large";
		err = move_put_once(&c);
	}
	if (err == 0) {
		err = bench_interleave(env, bench, &subject, ret);
	}
	mb_client_close(c.client);
	return err;
}

/* --------------------------------------------------------------------- a bad network */

struct lossy_caller {
	struct remote_caller *c;
	uint16_t port;
	uint32_t ppm;
};

static int
lossy_block(void *ctx, const struct pace *pace, struct figures *f)
{
	const struct lossy_caller *l = ctx;
	int there = lossy_set(l->c->env->node->pid, l->port, l->ppm);
	int here = lossy_set(getpid(), l->port, l->ppm);

	if (here <= 0 || there <= 0) {
		return here < 0 ? here : there < 0 ? there : MB_ERR_NOT_FOUND;
	}
	return call_block(l->c, pace, f);
}

/* A call that is lost ends the bench. */
static int
loss_run(struct env *env, const struct bench *bench, uint32_t ppm, struct measure *ret)
{
	struct remote_caller c = { .env = env };
	struct lossy_caller well = { .c = &c }, ill = { .c = &c, .ppm = ppm };
	struct side subject = { lossy_block, &ill, env_cpu_s, env }, floor = { lossy_block, &well };
	int err = remote_enter(env, bench, &by_udp, &c);

	if (err != 0) {
		return err;
	}
	err = udp_port(env, &well.port);
	if (err == 0) {
		ill.port = well.port;
		err = lossy_block(&well, &(struct pace){ .sample_cnt = 1 }, &ret->floor);
	}
	if (err == MB_ERR_DENIED) {
		err = bench_skip(bench, "there is no way to the node's sockets");
	}
	if (err == 0) {
		err = interleave(bench_pace(env, bench), &subject, &floor, env->stop, ret);
	}
	mb_client_close(c.client);
	env_node_end(env); /* its socket is as it should not be */
	return err;
}

#define LOSS(name, ppm, ...)                                                                       \
	int subject_##name(struct env *env, const struct bench *bench, struct measure *ret)        \
	{                                                                                          \
		return loss_run(env, bench, (ppm), ret);                                           \
	}
#define REMOTE(name, way, op, bytes, ...)                                                          \
	int subject_##name(struct env *env, const struct bench *bench, struct measure *ret)        \
	{                                                                                          \
		return remote_run(env, bench, &(way), (bytes), op##_block, ret);                   \
	}
#define MOVE REMOTE
#include "bench_remote.def"
