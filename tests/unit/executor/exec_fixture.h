/* SPDX-License-Identifier: Apache-2.0 */
/* exec_fixture - the core of an executor before a real cache and store, for the tests of what runs
 * in it
 *
 * The test defines functions with MB_FUNCTION and lists them in `function`; FUNCTIONS(...) does
 * that.
 */
#ifndef MB_TEST_EXEC_FIXTURE_H
#define MB_TEST_EXEC_FIXTURE_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "call.h"
#include "dagtext.h"
#include "exec.h"
#include "exec_world.h"
#include "test_cmocka.h"
#include <microburst/error.h>
#include <microburst/function.h>

#define CLIENT      200 /* a process that calls directly */
#define DEAD_HANDLE 3   /* what it names died with its process */

#define FUNCTIONS(...)                                                                             \
	static const struct mb_function *const function[] = { __VA_ARGS__ };                       \
	static int setup(void **state)                                                             \
	{                                                                                          \
		return setup_with(function, ARRAY_CNT(function));                                  \
	}

static struct world *w;
static struct exec *x;
static struct placement *placement;
static struct region_run run;
static struct region_trace trace;
static struct desc reply, has_read; /* has_read.kind: DESC_CUT, or there was none */
static uint32_t reply_cnt, log_cnt, drop_cnt;
static char logged[600];
static bool nobody_there, log_full;
/* A test that stands between the executor and its node sets these before setup_with; `node` is what
 * they were. */
static int (*fixture_send)(void *ctx, uint32_t port, const struct desc *d);
static int (*fixture_answer)(void *ctx, uint64_t until_ns, struct desc *ret);
static int (*fixture_reply)(void *ctx, const struct exec_from *from, const struct desc *d);
static struct exec_wait node;
static uint64_t args[(16 << 20) / 8]; /* an argument list, as a caller's memory */
static size_t args_len;

static inline int
take_reply(void *ctx, const struct exec_from *from, const struct desc *d)
{
	if (d->kind == DESC_CUT) {
		has_read = *d;
		return nobody_there ? MB_ERR_PEER_DIED : 0;
	}
	reply_cnt++;
	reply = *d;
	return nobody_there ? MB_ERR_PEER_DIED : 0;
}

static inline int
find_bytes(void *ctx, const struct desc *d, const uint8_t **ret, size_t *ret_len, bool *ret_view)
{
	if ((d->flags & DESC_F_INLINE) != 0) {
		*ret = d->data;
		*ret_len = d->len;
		return 0;
	}
	if (d->ref.handle != 1) {
		return d->ref.handle == DEAD_HANDLE ? MB_ERR_PEER_DIED : MB_ERR_PEER_CORRUPT;
	}
	*ret = (const uint8_t *)args + d->ref.off;
	*ret_len = d->ref.len;
	*ret_view = true;
	drop_cnt++; /* owed */
	return 0;
}

static inline void
drop_bytes(void *ctx, const struct payload_ref *ref)
{
	drop_cnt--;
}

static inline int
take_log(void *ctx, const struct desc *d)
{
	if (log_full) {
		return MB_ERR_FULL;
	}
	log_cnt++;
	assert_true((d->flags & DESC_F_INLINE) != 0 || d->ref.len < sizeof(logged));
	memset(logged, 0, sizeof(logged));
	if ((d->flags & DESC_F_INLINE) != 0) {
		memcpy(logged, d->data, d->len);
	} else {
		memcpy(logged, world_bytes(w, &d->ref), d->ref.len);
		payload_release(w->pool, d->ref.handle, PROC_DAEMON);
	}
	return 0;
}

static inline uint16_t
id_of(const char *name)
{
	for (uint32_t i = 0; i < FUNCTION_CNT_MAX; i++) {
		if (exec_fns(x)->fn[i].id != 0 && strcmp(exec_fns(x)->fn[i].name, name) == 0) {
			return exec_fns(x)->fn[i].id;
		}
	}
	return 0;
}

static inline int
setup_with(const struct mb_function *const *function, uint32_t cnt)
{
	struct exec_conf conf;

	w = world_make(2);
	node = w->wait;
	w->wait.send = fixture_send != NULL ? fixture_send : node.send;
	w->wait.answer = fixture_answer != NULL ? fixture_answer : node.answer;
	placement = calloc(1, sizeof(*placement));
	conf = (struct exec_conf){ .ops = { .wait = w->wait,
					    .reply = fixture_reply != NULL ? fixture_reply
									   : take_reply,
					    .bytes = find_bytes,
					    .drop = drop_bytes,
					    .log = take_log },
				   .pool = w->pool,
				   .view = &w->view,
				   .cache_cnt = 2,
				   .placement = placement,
				   .run = &run,
				   .trace = &trace,
				   .proc = WORLD_PROC };
	assert_int_equal(exec_create(&x, &conf), 0);
	for (uint32_t i = 0; i < cnt; i++) {
		struct fn *fn = &exec_fns(x)->fn[i + 1];

		fn->id = (uint16_t)(i + 1);
		fn->run = function[i]->run;
		snprintf(fn->name, sizeof(fn->name), "%s", function[i]->name);
	}
	reply_cnt = log_cnt = drop_cnt = 0;
	nobody_there = log_full = false;
	return 0;
}

static inline int
teardown(void **state)
{
	assert_int_equal(exec_held(x), 0);
	assert_int_equal(drop_cnt, 0);
	exec_destroy(x);
	world_end(w);
	free(placement);
	return 0;
}

/* A call as it comes. The reply is in reply; a payload of it is still held by the client. */
static inline void
send_call(struct desc *d)
{
	/* Parts of DAGs come from the node, and what goes on there. */
	bool ours = (d->sub & CALL_PART) != 0 || (d->flags & CALL_F_KEPT) != 0;
	struct exec_from from = { .port = 9, .proc = ours ? PROC_DAEMON : CLIENT, .inc = 1 };
	uint32_t before = reply_cnt;

	d->kind = DESC_CALL;
	if (d->call == 0) {
		d->call = call_id_make(CLIENT, 1, 4711);
	}
	assert_int_equal(exec_call(x, d, &from), 0);
	assert_int_equal(exec_settle(x), 0);
	assert_int_equal(reply_cnt, before + 1); /* X1 */
	assert_int_equal(reply.kind, DESC_REPLY);
	assert_true(reply.call == d->call);
	assert_int_equal(reply.a, WORLD_PROC);
	assert_int_equal(exec_held(x), 0); /* X3 */
	assert_int_equal(atomic_load(&run.call), 0);
}

static inline void
call_with(const char *name, struct desc *d)
{
	d->a = id_of(name);
	if (args_len <= DESC_INLINE_BYTES) {
		d->flags |= DESC_F_INLINE;
		d->len = (uint8_t)args_len;
		memcpy(d->data, args, args_len);
	} else {
		d->ref = (struct payload_ref){ .proc = CLIENT, .inc = 1, .handle = 1 };
		d->ref.len = (uint32_t)args_len;
	}
	send_call(d);
}

static inline void
args_i64(uint32_t cnt, int64_t a, int64_t b)
{
	struct value_writer v;

	value_list_begin(&v, args, sizeof(args), cnt);
	for (uint32_t i = 0; i < cnt; i++) {
		value_list_add_i64(&v, i == 0 ? a : b);
	}
	args_len = (size_t)value_list_end(&v);
}

static inline void
call_i64(const char *name, int64_t a)
{
	struct desc d = { .kind = DESC_CALL };

	args_i64(1, a, 0);
	call_with(name, &d);
}

static inline void
call_none(const char *name)
{
	struct desc d = { .kind = DESC_CALL };

	args_len = 0;
	call_with(name, &d);
}

/* The reply's bytes, and its values; released at the next call. */
static inline struct slice
reply_bytes(void)
{
	if ((reply.flags & DESC_F_INLINE) != 0) {
		return slice_of(reply.data, reply.len);
	}
	return slice_of(world_bytes(w, &reply.ref), reply.ref.len);
}

static inline uint32_t
reply_values(struct value *ret)
{
	int cnt;

	assert_int_equal(reply.err, 0);
	cnt = value_list_read(reply_bytes(), ret);
	assert_true(cnt >= 0);
	return (uint32_t)cnt;
}

static inline void
reply_release(void)
{
	if ((reply.flags & DESC_F_INLINE) == 0) {
		assert_int_equal(payload_release(w->pool, reply.ref.handle, CLIENT), 0);
	}
}

static inline void
assert_i64(int64_t n)
{
	struct value v[MB_VALUES_MAX];

	assert_int_equal(reply_values(v), 1);
	assert_int_equal(v[0].type, MB_I64);
	assert_true(value_i64(v[0]) == n);
	reply_release();
}

static inline void
assert_error(int err, const char *word)
{
	struct slice text = reply_bytes();

	assert_int_equal(reply.err, err);
	if (memmem(text.p, text.len, word, strlen(word)) == NULL) {
		fail_msg("'%.*s' does not say '%s'", (int)text.len, (const char *)text.p, word);
	}
	reply_release();
}

/* --------------------------------------------------------------------- DAGs */

static inline int
resolve(void *ctx, const char *name, uint16_t *ret_id)
{
	*ret_id = id_of(name);
	return *ret_id != 0 ? 0 : MB_ERR_NO_FUNCTION;
}

static inline void
dag_add(uint16_t id, const char *text)
{
	struct placement_copy *c = placement_edit(placement);
	struct placement_dag *dag = &c->dag[id % DAG_CNT_MAX];
	static struct dagtext parsed;
	char why[DAGTEXT_WHY_BYTES];

	assert_int_equal(dagtext_parse(&parsed, text, strlen(text), resolve, NULL, why), 0);
	dag->id = id;
	dagtext_place(&parsed, dag);
	c->dag_cnt = DAG_CNT_MAX;
	placement_show(placement);
}

/* Calls DAG 1 of cnt vertices: the first gets the integer n. */
static inline void
dag_call_with(uint32_t cnt, int64_t n, uint64_t deadline_ns)
{
	uint64_t inner[3];
	struct value_writer v;
	struct desc d = { .sub = CALL_DAG, .a = 1, .b = deadline_ns };

	value_list_begin(&v, inner, sizeof(inner), 1);
	value_list_add_i64(&v, n);
	assert_int_equal(value_list_end(&v), 24);
	value_list_begin(&v, args, sizeof(args), cnt);
	value_list_add(&v, MB_LIST, inner, sizeof(inner));
	for (uint32_t i = 1; i < cnt; i++) {
		value_list_add(&v, MB_NIL, NULL, 0);
	}
	args_len = (size_t)value_list_end(&v);
	d.ref = (struct payload_ref){ .handle = 1, .len = (uint32_t)args_len };
	send_call(&d);
}

static inline void
dag_call(uint32_t cnt, int64_t n)
{
	dag_call_with(cnt, n, 0);
}

#endif
