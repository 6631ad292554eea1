/* SPDX-License-Identifier: Apache-2.0 */
/* replay_exec.c - the executor's side of a warm call, and what its function asks of the cache
 *
 * The core that runs calls (executor/exec.h), in this process, over a cache region of its own. Its
 * outside is here: a call comes from memory, its answer goes there. What the channel takes on both
 * sides is instr_channel.
 */
#include "replay.h"

#include <microburst/error.h>
#include <microburst/function.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cache_world.h"
#include "exec.h"
#include "timebase.h"
#include "value.h"

#define SLAB_BYTES_OWN (1u << 20)

enum { FN_INCREMENT = 1, FN_GET, FN_PUT };
enum { DAG_TWICE = 1 };

static struct exec *exec;
static struct payload_pool *pool;
static void *slab;
static struct region_run shown;
static struct region_trace traced;
static struct region_commit committed;
static struct placement *placement;
static struct desc call, answer;
static struct mb_call *handle; /* of the function that runs */
static const struct exec_from from = { .port = PORT_DIRECT_FIRST,
				       .proc = PROC_CLIENT_FIRST,
				       .inc = 1 };

/* ---------------------------------------------------------------- functions */

static int
run_increment(struct mb_call *c)
{
	int64_t x;

	MB_TRY(mb_arg_i64(c, 0, &x));
	return mb_return_i64(c, x + 1);
}

static struct mb_slice
small_key(void)
{
	return mb_slice_of(cache_world_small.p, cache_world_small.len);
}

static int
get_hot(void)
{
	struct mb_slice value;

	return mb_get(handle, small_key(), &value);
}

static int
put_hot(void)
{
	return mb_put(handle, small_key(), mb_slice_of("12345678", 8));
}

static int
run_get(struct mb_call *c)
{
	handle = c;
	return replay_counted(get_hot);
}

/* Fails at the end, so that nothing is published: there is no cache tile behind this region. */
static int
run_put(struct mb_call *c)
{
	handle = c;
	MB_TRY(replay_counted(put_hot));
	return mb_fail(c, "nothing to be published");
}

/* ------------------------------------------------------------------ outside */

static uint64_t
op_now(void *ctx)
{
	return timebase_tsc_to_ns(timebase_tsc());
}

static int
op_send(void *ctx, uint32_t port, const struct desc *d)
{
	return MB_ERR_NO_NODE; /* everything is cached */
}

static int
op_answer(void *ctx, uint64_t until_ns, struct desc *ret)
{
	return MB_ERR_NO_NODE;
}

static int
op_reply(void *ctx, const struct exec_from *to, const struct desc *d)
{
	answer = *d;
	return 0;
}

static int
op_bytes(void *ctx, const struct desc *d, const uint8_t **ret, size_t *ret_len, bool *ret_view)
{
	*ret = d->data;
	*ret_len = d->len;
	*ret_view = false;
	return 0;
}

static void
op_drop(void *ctx, const struct payload_ref *ref)
{
}

static int
op_log(void *ctx, const struct desc *d)
{
	return 0;
}

/* --------------------------------------------------------------------- life */

static void
fn_set(uint16_t id, const char *name, int (*run)(struct mb_call *))
{
	struct fn *fn = &exec_fns(exec)->fn[id];

	fn->id = id;
	fn->run = run;
	snprintf(fn->name, sizeof(fn->name), "%s", name);
}

/* A call of function id with the argument 41. */
static int
call_make(uint16_t id)
{
	struct value_writer w;
	int64_t bytes;

	call = (struct desc){ .kind = DESC_CALL,
			      .flags = DESC_F_INLINE,
			      .a = id,
			      .call = call_id_make(PROC_CLIENT_FIRST, 1, 1) };
	value_list_begin(&w, call.data, sizeof(call.data), 1);
	value_list_add_i64(&w, 41);
	bytes = value_list_end(&w);
	call.len = (uint8_t)bytes;
	return bytes < 0 ? (int)bytes : 0;
}

/* A DAG of two increments, one after the other, and its call with 40 for the first. */
static int
call_make_dag(void)
{
	struct placement_dag *dag = &placement_edit(placement)->dag[DAG_TWICE];
	struct value_writer w, list;
	int64_t bytes = 24;
	uint8_t *p;

	dag->id = DAG_TWICE;
	dag->vertex_cnt = 2;
	dag->edge_cnt = 1;
	dag->vertex[0].fn = dag->vertex[1].fn = FN_INCREMENT;
	dag->edge[0].from = 0;
	dag->edge[0].to = 1;
	placement_show(placement);
	call.sub = CALL_DAG;
	call.a = DAG_TWICE;
	value_list_begin(&w, call.data, sizeof(call.data), 1);
	p = value_list_reserve(&w, MB_LIST, (size_t)bytes);
	value_list_begin(&list, p, (size_t)bytes, 1);
	value_list_add_i64(&list, 40);
	bytes = value_list_end(&list);
	bytes = bytes < 0 ? bytes : value_list_end(&w);
	call.len = (uint8_t)bytes;
	return bytes < 0 ? (int)bytes : 0;
}

static int
exec_begin(uint16_t id)
{
	struct exec_conf conf = {
		.ops = { .wait = { .now_ns = op_now,
				   .wall_us = op_now,
				   .send = op_send,
				   .answer = op_answer },
			 .reply = op_reply,
			 .bytes = op_bytes,
			 .drop = op_drop,
			 .log = op_log },
		.cache_cnt = 1,
		.run = &shown,
		.trace = &traced,
		.commit = &committed,
		.proc = PROC_EXEC_FIRST,
	};
	int err = cache_world_make(&conf.view);

	slab = aligned_alloc(4096, SLAB_BYTES_OWN);
	placement = calloc(1, sizeof(*placement));
	if (err != 0 || slab == NULL || placement == NULL) {
		return err != 0 ? err : MB_ERR_NO_MEMORY;
	}
	err = payload_create(&pool, PROC_EXEC_FIRST, 1, slab, SLAB_BYTES_OWN, 0, NULL);
	conf.pool = pool;
	conf.placement = placement;
	if (err == 0) {
		err = exec_create(&exec, &conf);
	}
	if (err == 0) {
		fn_set(FN_INCREMENT, "increment", run_increment);
		fn_set(FN_GET, "get", run_get);
		fn_set(FN_PUT, "put", run_put);
		err = call_make(id);
	}
	return err;
}

static void
exec_end(void)
{
	if (exec != NULL) {
		exec_destroy(exec);
	}
	if (pool != NULL) {
		payload_destroy(pool);
	}
	cache_world_end();
	free(placement);
	free(slab);
}

/* --------------------------------------------------------------- operations */

static int
begin_increment(void)
{
	return exec_begin(FN_INCREMENT);
}

static int
begin_dag(void)
{
	int err = exec_begin(FN_INCREMENT);

	return err == 0 ? call_make_dag() : err;
}

static int
begin_get(void)
{
	return exec_begin(FN_GET);
}

static int
begin_put(void)
{
	return exec_begin(FN_PUT);
}

static int
call_run_now(void)
{
	return exec_call(exec, &call, &from);
}

static int
answer_check(void)
{
	struct value v;

	if (answer.err != 0) {
		return answer.err;
	}
	v = value_list_get(slice_of(answer.data, answer.len), 0);
	return v.type == MB_I64 && value_i64(v) == 42 ? 0 : MB_ERR_CORRUPT;
}

const struct replay_op replay_exec_call = {
	.name = "instr_call_executor",
	.what = "a warm call, the executor's side between its channels",
	.begin = begin_increment,
	.end = exec_end,
	.begin_hot = call_run_now,
	.between = answer_check,
};

const struct replay_op replay_exec_dag = {
	.name = "instr_dag_executor",
	.what = "a DAG of two functions in one executor, between its channels",
	.begin = begin_dag,
	.end = exec_end,
	.begin_hot = call_run_now,
	.between = answer_check,
};

const struct replay_op replay_exec_get = {
	.name = "instr_get_hit",
	.what = "a get of 8 cached bytes inside a function",
	.begin = begin_get,
	.end = exec_end,
	.between = call_run_now,
};

const struct replay_op replay_exec_put = {
	.name = "instr_put",
	.what = "a put of 8 bytes inside a function, held",
	.begin = begin_put,
	.end = exec_end,
	.between = call_run_now,
};
