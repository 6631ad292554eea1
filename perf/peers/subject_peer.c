/* SPDX-License-Identifier: Apache-2.0 */
/* subject_peer.c - see subject_peer.h */
#include "subject_peer.h"

#include <stdio.h>
#include <string.h>

#include "peer.h"

#define LIBRARY                                                                                    \
	"#!lua name=bench\n"                                                                       \
	"redis.register_function{function_name='bench_increment', flags={'no-writes'},"            \
	" callback=function(keys, args) return tonumber(args[1]) + 1 end}"

#define VALUE "12345678"

struct duel {
	struct env *env;
	struct peer peer;
	int64_t x;
};

/* -------------------------------------------------------------------- redis */

static int
redis_load(struct peer *p)
{
	char request[PEER_REQUEST_MAX];
	int len = snprintf(request, sizeof(request),
			   "*3\r\n$8\r\nFUNCTION\r\n$4\r\nLOAD\r\n$%zu\r\n%s\r\n", strlen(LIBRARY),
			   LIBRARY);
	static const char want[] = "$5\r\nbench\r\n";

	return peer_exchange(p, request, (size_t)len, want, strlen(want));
}

static int
redis_once(void *ctx)
{
	struct duel *d = ctx;
	char request[128], want[32], arg[24];
	int arg_len = snprintf(arg, sizeof(arg), "%lld", (long long)++d->x);
	int len =
		snprintf(request, sizeof(request),
			 "*4\r\n$5\r\nFCALL\r\n$15\r\nbench_increment\r\n$1\r\n0\r\n$%d\r\n%s\r\n",
			 arg_len, arg);
	int want_len = snprintf(want, sizeof(want), ":%lld\r\n", (long long)d->x + 1);

	return peer_exchange(&d->peer, request, (size_t)len, want, (size_t)want_len);
}

static int
redis_block(void *ctx, const struct pace *pace, struct figures *f)
{
	return pace_run(pace, f, redis_once, ctx);
}

static int
call_once(void *ctx)
{
	struct duel *d = ctx;
	int64_t got = 0;
	int err = node_call(d->env->node, "bench_increment", ++d->x, &got);

	return err == 0 && got != d->x + 1 ? MB_ERR_CORRUPT : err;
}

static int
call_block(void *ctx, const struct pace *pace, struct figures *f)
{
	return pace_run(pace, f, call_once, ctx);
}

/* ---------------------------------------------------------------- memcached */

static int
memcached_once(void *ctx)
{
	static const char request[] = "get small:00\r\n";
	static const char want[] = "VALUE small:00 0 8\r\n" VALUE "\r\nEND\r\n";
	struct duel *d = ctx;

	return peer_exchange(&d->peer, request, strlen(request), want, strlen(want));
}

static int
memcached_block(void *ctx, const struct pace *pace, struct figures *f)
{
	return pace_run(pace, f, memcached_once, ctx);
}

static int
memcached_load(struct peer *p)
{
	static const char request[] = "set small:00 0 0 8\r\n" VALUE "\r\n";
	static const char want[] = "STORED\r\n";

	return peer_exchange(p, request, strlen(request), want, strlen(want));
}

static int
get_once(void *ctx)
{
	struct duel *d = ctx;
	struct mb_held held;
	int err = mb_client_get(d->env->node->client, "small:00", 8, &held);

	if (err == 0) {
		err = held.len == strlen(VALUE) && memcmp(held.p, VALUE, held.len) == 0
			      ? 0
			      : MB_ERR_CORRUPT;
		mb_client_release(d->env->node->client, &held);
	}
	return err;
}

static int
get_block(void *ctx, const struct pace *pace, struct figures *f)
{
	return pace_run(pace, f, get_once, ctx);
}

/* ------------------------------------------------------------------ a duel */

static int
duel(struct env *env, const struct bench *bench, enum peer_kind kind, bool tcp, bool one_core,
     struct measure *ret)
{
	bool redis = kind == PEER_REDIS;
	struct duel d = { .env = env };
	struct side peer = { .block = redis ? redis_block : memcached_block, .ctx = &d };
	struct side ours = { .block = redis ? call_block : get_block, .ctx = &d };
	int err;

	if (!peer_there(kind)) {
		printf("%-20s skipped: there is no %s (Debian: %s)\n", bench->row[0].name,
		       peer_program(kind), peer_package(kind));
		return BENCH_SKIPPED;
	}
	err = env_node(env, NODE_ONE_EXECUTOR);
	if (err == 0 && !redis) {
		err = mb_client_set(env->node->client, "small:00", 8, VALUE, strlen(VALUE));
	}
	if (err == 0) {
		err = peer_start(&d.peer, kind, tcp, one_core ? env->cpu_client : env->cpu_exec,
				 !one_core && env->cpu_client != env->cpu_exec);
	}
	if (err == 0) {
		err = redis ? redis_load(&d.peer) : memcached_load(&d.peer);
		if (err == 0) {
			err = interleave(bench_pace(env, bench), &peer, &ours, env->stop, ret);
		}
		peer_stop(&d.peer);
	}
	return err;
}

int
subject_redis_unix(struct env *env, const struct bench *bench, struct measure *ret)
{
	return duel(env, bench, PEER_REDIS, false, false, ret);
}

int
subject_redis_unix_one_core(struct env *env, const struct bench *bench, struct measure *ret)
{
	return duel(env, bench, PEER_REDIS, false, true, ret);
}

int
subject_redis_tcp(struct env *env, const struct bench *bench, struct measure *ret)
{
	return duel(env, bench, PEER_REDIS, true, false, ret);
}

int
subject_memcached(struct env *env, const struct bench *bench, struct measure *ret)
{
	return duel(env, bench, PEER_MEMCACHED, false, false, ret);
}

int
subject_memcached_one_core(struct env *env, const struct bench *bench, struct measure *ret)
{
	return duel(env, bench, PEER_MEMCACHED, false, true, ret);
}
