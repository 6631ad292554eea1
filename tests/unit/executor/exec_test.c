/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   every call is answered exactly once: by its results, or by one typed error that says
 *         more; what a function writes is there when its reply is, and not at all when it fails; a
 *         DAG runs as a whole; between calls nothing is held.
 * Method: the core before a real cache and store (exec_world), with functions of this file; calls
 *         with arguments of every type and size, wrong ones, late ones, DAGs by hand. */
#include "exec.h"

#include <stdlib.h>
#include <stdio.h>
#include <string.h>

#include "dagtext.h"
#include "exec_world.h"
#include "test_cmocka.h"
#include <microburst/error.h>

#define CLIENT 200 /* a process that calls directly */

static struct world *w;
static struct exec *x;
static struct placement *placement;
static struct region_run run;
static struct desc reply;
static uint32_t reply_cnt, log_cnt, drop_cnt;
static char logged[600];
static bool nobody_there, log_full;
static uint64_t args[(16 << 20) / 8]; /* an argument list, as a caller's memory */
static size_t args_len;

/* -------------------------------------------------------------- functions */

MB_FUNCTION(increment)
{
	int64_t n;

	MB_TRY(mb_arg_i64(call, 0, &n));
	return mb_return_i64(call, n + 1);
}

MB_FUNCTION(square)
{
	int64_t n;

	MB_TRY(mb_arg_i64(call, 0, &n));
	return mb_return_i64(call, n * n);
}

/* Sums all its integers. */
MB_FUNCTION(sum)
{
	int64_t total = 0;

	for (uint32_t i = 0; i < mb_arg_cnt(call); i++) {
		int64_t n;

		MB_TRY(mb_arg_i64(call, i, &n));
		total += n;
	}
	return mb_return_i64(call, total);
}

MB_FUNCTION(echo)
{
	for (uint32_t i = 0; i < mb_arg_cnt(call); i++) {
		struct mb_slice bytes;
		const double *array;
		size_t cnt;
		int64_t n;
		double d;
		void *to;

		switch (mb_arg_type(call, i)) {
		case MB_NIL:
			MB_TRY(mb_return_nil(call));
			break;
		case MB_I64:
			MB_TRY(mb_arg_i64(call, i, &n));
			MB_TRY(mb_return_i64(call, n));
			break;
		case MB_F64:
			MB_TRY(mb_arg_f64(call, i, &d));
			MB_TRY(mb_return_f64(call, d));
			break;
		case MB_F64_ARRAY:
			MB_TRY(mb_arg_f64_array(call, i, &array, &cnt));
			MB_TRY(mb_return_f64_array(call, array, cnt));
			break;
		case MB_UTF8:
			MB_TRY(mb_arg_utf8(call, i, &bytes));
			MB_TRY(mb_return_utf8(call, bytes));
			break;
		default: /* in place, by way of one that is too long at first */
			MB_TRY(mb_arg_bytes(call, i, &bytes));
			MB_TRY(mb_return_reserve(call, MB_BYTES, bytes.len + 100, &to));
			if (bytes.len != 0) {
				memcpy(to, bytes.p, bytes.len);
			}
			MB_TRY(mb_return_trim(call, bytes.len));
			break;
		}
	}
	return 0;
}

/* As many results of as many bytes as the arguments say. */
MB_FUNCTION(many)
{
	int64_t cnt, len;

	MB_TRY(mb_arg_i64(call, 0, &cnt));
	MB_TRY(mb_arg_i64(call, 1, &len));
	for (int64_t i = 0; i < cnt; i++) {
		void *p;

		MB_TRY(mb_return_reserve(call, MB_BYTES, (size_t)len, &p));
		memset(p, (int)i, (size_t)len);
	}
	return 0;
}

MB_FUNCTION(fail)
{
	MB_TRY(mb_put(call, mb_str("failed"), mb_str("1")));
	return mb_fail(call, "no more %s: %d", "bread", 7);
}

/* Returns whatever it is told to. */
MB_FUNCTION(returns)
{
	int64_t n;

	MB_TRY(mb_arg_i64(call, 0, &n));
	return (int)n;
}

/* Gets over an error, and ends with the same code without a reason. */
MB_FUNCTION(gets_over)
{
	struct mb_slice s;

	if (mb_arg_bytes(call, 99, &s) != MB_ERR_NOT_FOUND) {
		return mb_fail(call, "there is an argument 99");
	}
	return MB_ERR_TYPE;
}

MB_FUNCTION(count)
{
	int64_t n;

	MB_TRY(mb_incr(call, mb_str("n"), 1, &n));
	return mb_return_i64(call, n);
}

MB_FUNCTION(flush_then_fail)
{
	MB_TRY(mb_put(call, mb_str("kept"), mb_str("1")));
	MB_TRY(mb_flush(call));
	MB_TRY(mb_put(call, mb_str("lost"), mb_str("1")));
	return mb_fail(call, "after the flush");
}

MB_FUNCTION(get)
{
	struct mb_slice s;

	MB_TRY(mb_get(call, mb_str("far"), &s));
	return mb_return_bytes(call, s);
}

/* Says what a call may know of itself. */
MB_FUNCTION(self)
{
	MB_TRY(mb_return_i64(call, (int64_t)mb_self(call)));
	MB_TRY(mb_return_i64(call, mb_deadline_ns(call) == UINT64_MAX
					   ? -1
					   : (int64_t)mb_deadline_ns(call)));
	MB_TRY(mb_return_utf8(call, mb_str(mb_tag(call))));
	mb_log(call, "seen\nby %d", 3);
	return 0;
}

/* Remembers that its vertex ran. */
MB_FUNCTION(mark)
{
	char key[32] = "mark ";
	int64_t n = 0;

	strncat(key, mb_tag(call), 20);
	MB_TRY(mb_incr(call, mb_str("marks"), 1, &n));
	MB_TRY(mb_put(call, mb_str(key), mb_str("1")));
	return mb_return_i64(call, n);
}

static const struct mb_function *const function[] = {
	&mb_function_increment, &mb_function_square,
	&mb_function_sum,       &mb_function_echo,
	&mb_function_many,      &mb_function_fail,
	&mb_function_returns,   &mb_function_gets_over,
	&mb_function_count,     &mb_function_flush_then_fail,
	&mb_function_get,       &mb_function_self,
	&mb_function_mark
};

static uint16_t
id_of(const char *name)
{
	for (uint16_t i = 0; i < ARRAY_CNT(function); i++) {
		if (strcmp(function[i]->name, name) == 0) {
			return (uint16_t)(i + 1);
		}
	}
	return 0;
}

/* ----------------------------------------------------------------- outside */

static int
take_reply(void *ctx, const struct exec_from *from, const struct desc *d)
{
	reply_cnt++;
	reply = *d;
	return nobody_there ? MB_ERR_PEER_DIED : 0;
}

static int
find_bytes(void *ctx, const struct desc *d, const uint8_t **ret, size_t *ret_len, bool *ret_view)
{
	if ((d->flags & DESC_F_INLINE) != 0) {
		*ret = d->data;
		*ret_len = d->len;
		return 0;
	}
	if (d->ref.handle != 1) {
		return MB_ERR_PEER_CORRUPT;
	}
	*ret = (const uint8_t *)args + d->ref.off;
	*ret_len = d->ref.len;
	*ret_view = true;
	drop_cnt++; /* owed */
	return 0;
}

static void
drop_bytes(void *ctx, const struct payload_ref *ref)
{
	drop_cnt--;
}

static int
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

static int
setup(void **state)
{
	struct exec_conf conf;

	w = world_make(2);
	placement = calloc(1, sizeof(*placement));
	conf = (struct exec_conf){ .ops = { .wait = w->wait,
					    .reply = take_reply,
					    .bytes = find_bytes,
					    .drop = drop_bytes,
					    .log = take_log },
				   .pool = w->pool,
				   .view = &w->view,
				   .cache_cnt = 2,
				   .placement = placement,
				   .run = &run,
				   .proc = WORLD_PROC };
	assert_int_equal(exec_create(&x, &conf), 0);
	for (uint16_t i = 0; i < ARRAY_CNT(function); i++) {
		struct fn *fn = &exec_fns(x)->fn[i + 1];

		fn->id = (uint16_t)(i + 1);
		fn->run = function[i]->run;
		snprintf(fn->name, sizeof(fn->name), "%s", function[i]->name);
	}
	reply_cnt = log_cnt = drop_cnt = 0;
	nobody_there = log_full = false;
	return 0;
}

static int
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
static void
send_call(struct desc *d)
{
	struct exec_from from = { .port = 9, .proc = CLIENT, .inc = 1 };
	uint32_t before = reply_cnt;

	d->kind = DESC_CALL;
	if (d->call == 0) {
		d->call = call_id_make(CLIENT, 1, 4711);
	}
	assert_int_equal(exec_call(x, d, &from), 0);
	assert_int_equal(reply_cnt, before + 1); /* X1 */
	assert_int_equal(reply.kind, DESC_REPLY);
	assert_true(reply.call == d->call);
	assert_int_equal(reply.a, WORLD_PROC);
	assert_int_equal(exec_held(x), 0); /* X3 */
	assert_int_equal(atomic_load(&run.call), 0);
}

static void
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

static void
args_i64(uint32_t cnt, int64_t a, int64_t b)
{
	struct value_writer v;

	value_list_begin(&v, args, sizeof(args), cnt);
	for (uint32_t i = 0; i < cnt; i++) {
		value_list_add_i64(&v, i == 0 ? a : b);
	}
	args_len = (size_t)value_list_end(&v);
}

static void
call_i64(const char *name, int64_t a)
{
	struct desc d = { .kind = DESC_CALL };

	args_i64(1, a, 0);
	call_with(name, &d);
}

static void
call_none(const char *name)
{
	struct desc d = { .kind = DESC_CALL };

	args_len = 0;
	call_with(name, &d);
}

/* The reply's bytes, and its values; released at the next call. */
static struct slice
reply_bytes(void)
{
	if ((reply.flags & DESC_F_INLINE) != 0) {
		return slice_of(reply.data, reply.len);
	}
	return slice_of(world_bytes(w, &reply.ref), reply.ref.len);
}

static uint32_t
reply_values(struct value *ret)
{
	int cnt;

	assert_int_equal(reply.err, 0);
	cnt = value_list_read(reply_bytes(), ret);
	assert_true(cnt >= 0);
	return (uint32_t)cnt;
}

static void
reply_release(void)
{
	if ((reply.flags & DESC_F_INLINE) == 0) {
		assert_int_equal(payload_release(w->pool, reply.ref.handle, CLIENT), 0);
	}
}

static void
assert_i64(int64_t n)
{
	struct value v[MB_VALUES_MAX];

	assert_int_equal(reply_values(v), 1);
	assert_int_equal(v[0].type, MB_I64);
	assert_true(value_i64(v[0]) == n);
	reply_release();
}

static void
assert_error(int err, const char *word)
{
	struct slice text = reply_bytes();

	assert_int_equal(reply.err, err);
	if (memmem(text.p, text.len, word, strlen(word)) == NULL) {
		fail_msg("'%.*s' does not say '%s'", (int)text.len, (const char *)text.p, word);
	}
	reply_release();
}

/* ---------------------------------------------------------------- refusals */

static void
calls_that_cannot_be_run_are_refused(void **state)
{
	struct desc d = { .kind = DESC_CALL };

	args_i64(1, 4, 0);
	call_with("no such function", &d);
	assert_error(MB_ERR_NO_FUNCTION, "not loaded");
	d = (struct desc){ .a = FUNCTION_CNT_MAX + 1, .flags = DESC_F_INLINE };
	send_call(&d); /* another id of the same place */
	assert_error(MB_ERR_NO_FUNCTION, "not loaded");
	d = (struct desc){ .sub = 3 };
	call_with("increment", &d);
	assert_error(MB_ERR_NOT_SUPPORTED, "level");
	d = (struct desc){ .call = call_id_make(CLIENT + 1, 1, 1) };
	call_with("increment", &d);
	assert_error(MB_ERR_INVALID, "not the caller's");
	d = (struct desc){ .sub = CALL_DAG, .a = 7, .flags = DESC_F_INLINE };
	send_call(&d);
	assert_error(MB_ERR_NO_DAG, "DAG");
}

static void
arguments_that_cannot_be_read_are_refused(void **state)
{
	struct desc d = { .a = 1 };

	d.ref.handle = 2; /* no such payload */
	send_call(&d);
	assert_error(MB_ERR_INVALID, "cannot be read");
	args_i64(8, 1, 2);
	d.ref = (struct payload_ref){ .handle = 1, .off = 4, .len = 20 };
	send_call(&d);
	assert_error(MB_ERR_CORRUPT, "aligned");
	d.ref = (struct payload_ref){ .handle = 1, .len = (uint32_t)args_len - 1 };
	send_call(&d);
	assert_error(MB_ERR_CORRUPT, "arguments");
	((uint32_t *)args)[0] = MB_VALUES_MAX + 1;
	d.ref.len = (uint32_t)args_len;
	send_call(&d);
	assert_error(MB_ERR_TOO_LARGE, "arguments");
}

static void
a_late_call_is_not_run(void **state)
{
	struct desc d = { .b = w->time.now_ns };

	args_len = 0;
	call_with("count", &d);
	assert_error(MB_ERR_DEADLINE, "not run");
	d = (struct desc){ .b = w->time.now_ns + 1000000 };
	call_with("count", &d);
	assert_i64(1);
}

static void
arguments_of_another_type_are_named(void **state)
{
	struct value_writer v;
	struct desc d = { .kind = DESC_CALL };

	value_list_begin(&v, args, sizeof(args), 1);
	value_list_add(&v, MB_UTF8, "4", 1);
	args_len = (size_t)value_list_end(&v);
	call_with("increment", &d);
	assert_error(MB_ERR_TYPE, "argument 0: i64 is expected, not utf8");
	call_none("increment");
	assert_error(MB_ERR_NOT_FOUND, "argument 0: there are only 0");
	value_list_begin(&v, args, sizeof(args), 1);
	value_list_add(&v, MB_UTF8, "\xff", 1);
	args_len = (size_t)value_list_end(&v);
	d = (struct desc){ .kind = DESC_CALL };
	call_with("echo", &d);
	assert_error(MB_ERR_INVALID, "UTF-8");
}

/* ------------------------------------------------------------------ errors */

static void
a_function_s_error_reaches_its_caller(void **state)
{
	call_none("fail");
	assert_error(MB_ERR_FUNCTION_FAILED, "no more bread: 7");
	assert_string_equal(world_text(w, slice_str("failed")), "(absent)");
	assert_int_equal(w->sent[DESC_PUBLISH], 0);
	call_i64("returns", 7);
	assert_error(MB_ERR_FUNCTION_FAILED, "it returned 7");
	call_i64("returns", MB_ERR_EXECUTOR_DIED); /* not for a function to say */
	assert_error(MB_ERR_FUNCTION_FAILED, "EXECUTOR_DIED");
	call_i64("returns", MB_ERR_NOT_FOUND);
	assert_error(MB_ERR_NOT_FOUND, "");
	call_none("gets_over");
	assert_error(MB_ERR_TYPE, "");
	assert_int_equal(reply_bytes().len, 0); /* not the sentence about the other error */
}

static void
a_flush_stays_whatever_follows(void **state)
{
	call_none("flush_then_fail");
	assert_error(MB_ERR_FUNCTION_FAILED, "after the flush");
	assert_string_equal(world_text(w, slice_str("kept")), "1");
	assert_string_equal(world_text(w, slice_str("lost")), "(absent)");
}

static void
a_read_only_call_says_so(void **state)
{
	struct desc d = { .sub = CALL_READ_ONLY };

	args_len = 0;
	call_with("count", &d);
	assert_error(MB_ERR_DENIED, "mb_incr 'n': this call is read-only");
}

static void
a_deadline_ends_a_wait(void **state)
{
	struct desc d = { .b = w->time.now_ns + 1000000000 };

	world_put(w, "far", "away");
	world_evict(w);
	d.b = w->time.now_ns + 1000000000;
	args_len = 0;
	w->hold = true;
	call_with("get", &d);
	assert_error(MB_ERR_DEADLINE, "mb_get 'far'");
	w->hold = false;
	while (w->answers.cnt != 0) { /* what comes too late */
		struct desc late;

		assert_int_equal(w->wait.answer(w, 0, &late), 1);
		exec_on_answer(x, &late);
	}
}

static void
results_without_memory_are_an_error(void **state)
{
	struct desc d = { .kind = DESC_CALL };

	w->seg_budget = 1 << 20;
	args_i64(2, 1, 2 << 20);
	call_with("many", &d);
	assert_error(MB_ERR_NO_MEMORY, "payload memory");
	args_i64(2, MB_VALUES_MAX + 1, 1);
	d = (struct desc){ .kind = DESC_CALL };
	call_with("many", &d);
	assert_error(MB_ERR_TOO_LARGE, "256 values");
	args_i64(2, 1, MB_VALUE_BYTES_MAX + 1);
	d = (struct desc){ .kind = DESC_CALL };
	call_with("many", &d);
	assert_error(MB_ERR_TOO_LARGE, "64 MiB");
}

static void
an_answer_for_nobody_holds_nothing(void **state)
{
	struct desc d = { .kind = DESC_CALL };

	nobody_there = true;
	args_i64(2, 3, 30000);
	call_with("many", &d);
	assert_int_equal(payload_alive(w->pool), 0);
}

/* ------------------------------------------------------------------ values */

static void
an_integer_there_and_back(void **state)
{
	call_i64("increment", 4);
	assert_int_equal(reply.len, 24); /* inside the descriptor */
	assert_i64(5);
	assert_int_equal(atomic_load(&run.finished), 1);
}

/* Every type, and lengths on both sides of every way that a result can travel. */
static void
values_of_every_type_and_size(void **state)
{
	static const size_t len[] = {
		0, 1, 7, 24, 25, 900, 1100, 4096, 60000, 65536, 70000, 9 << 20
	};
	static uint8_t bytes[9 << 20];

	for (size_t i = 0; i < sizeof(bytes); i++) {
		bytes[i] = (uint8_t)('a' + i % 26);
	}
	for (size_t i = 0; i < ARRAY_CNT(len); i++) {
		struct value v[MB_VALUES_MAX];
		struct value_writer vw;
		struct desc d = { .kind = DESC_CALL };

		value_list_begin(&vw, args, sizeof(args), 6);
		value_list_add(&vw, MB_NIL, NULL, 0);
		value_list_add(&vw, MB_BYTES, bytes, len[i]);
		value_list_add_i64(&vw, -5);
		value_list_add_f64(&vw, 0.25);
		value_list_add(&vw, MB_UTF8, bytes + 3, len[i] / 2);
		value_list_add(&vw, MB_F64_ARRAY, bytes, len[i] / 8 / 4 * 8);
		args_len = (size_t)value_list_end(&vw);
		call_with("echo", &d);
		assert_int_equal(reply_values(v), 6);
		assert_int_equal(v[0].type, MB_NIL);
		assert_int_equal(v[1].len, len[i]);
		assert_int_equal(len[i] != 0 ? memcmp(v[1].p, bytes, len[i]) : 0, 0);
		assert_true(value_i64(v[2]) == -5);
		assert_true(value_f64(v[3]) == 0.25);
		assert_int_equal(v[4].type, MB_UTF8);
		assert_int_equal(len[i] / 2 != 0 ? memcmp(v[4].p, bytes + 3, len[i] / 2) : 0, 0);
		assert_int_equal(v[5].len, len[i] / 8 / 4 * 8);
		reply_release();
	}
}

static void
as_many_results_as_may_be(void **state)
{
	struct value v[MB_VALUES_MAX];
	struct desc d = { .kind = DESC_CALL };

	for (int64_t len = 1; len <= 30000; len = len * 7 + 1) {
		args_i64(2, MB_VALUES_MAX, len);
		d = (struct desc){ .kind = DESC_CALL };
		call_with("many", &d);
		assert_int_equal(reply_values(v), MB_VALUES_MAX);
		for (int i = 0; i < MB_VALUES_MAX; i++) {
			assert_int_equal(v[i].len, len);
			assert_int_equal(v[i].p[0], i);
			assert_int_equal(v[i].p[len - 1], i);
		}
		reply_release();
	}
}

static void
the_largest_result_is_written_in_place(void **state)
{
	struct value v[MB_VALUES_MAX];
	struct desc d = { .kind = DESC_CALL };

	args_i64(2, 1, MB_VALUE_BYTES_MAX);
	call_with("many", &d);
	assert_int_equal(reply_values(v), 1);
	assert_int_equal(v[0].len, MB_VALUE_BYTES_MAX);
	reply_release();
}

/* ------------------------------------------------------------------- state */

static void
writes_are_there_when_the_reply_is(void **state)
{
	for (int64_t i = 1; i <= 100; i++) {
		call_none("count");
		assert_i64(i);
	}
	assert_string_equal(world_text(w, slice_str("n")), "100");
	assert_int_equal(w->sent[DESC_PUBLISH], 100);
}

static void
a_call_knows_itself(void **state)
{
	struct value v[MB_VALUES_MAX];
	struct desc d = { .b = w->time.now_ns + 500 };

	call_none("self");
	assert_int_equal(reply_values(v), 3);
	assert_true(value_i64(v[0]) == (int64_t)call_id_make(CLIENT, 1, 4711));
	assert_true(value_i64(v[1]) == -1);
	assert_int_equal(v[2].len, 0);
	reply_release();
	assert_string_equal(logged, "seen by 3"); /* one line is one line */
	log_full = true;
	args_len = 0;
	call_with("self", &d);
	assert_int_equal(reply_values(v), 3);
	assert_true(value_i64(v[1]) == 500);
	reply_release();
	assert_int_equal(log_cnt, 1);
}

/* -------------------------------------------------------------------- DAGs */

static int
resolve(void *ctx, const char *name, uint16_t *ret_id)
{
	*ret_id = id_of(name);
	return *ret_id != 0 ? 0 : MB_ERR_NO_FUNCTION;
}

static void
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
static void
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

static void
dag_call(uint32_t cnt, int64_t n)
{
	dag_call_with(cnt, n, 0);
}

static void
a_chain_hands_results_on(void **state)
{
	dag_add(1, "increment -> square -> increment#2");
	dag_call(3, 4);
	assert_i64(26);
	dag_call(3, 1);
	assert_i64(5);
}

static void
fan_out_and_fan_in(void **state)
{
	dag_add(1,
		"increment -> square, increment -> increment#2, square -> sum, increment#2 -> sum, "
		"increment -> sum");
	dag_call(4, 2); /* 3; 9, 4; 9 + 4 + 3 */
	assert_i64(16);
}

static void
one_vertex_alone(void **state)
{
	dag_add(1, "square");
	dag_call(1, 9);
	assert_i64(81);
}

static void
large_results_travel_between_vertices(void **state)
{
	struct value v[MB_VALUES_MAX];
	uint64_t inner[5];
	struct value_writer vw;
	struct desc d = { .sub = CALL_DAG, .a = 1 };

	dag_add(1, "many -> echo, many -> echo#2, echo -> echo#3, echo#2 -> echo#3");
	value_list_begin(&vw, inner, sizeof(inner), 2);
	value_list_add_i64(&vw, 3);
	value_list_add_i64(&vw, 100000);
	assert_int_equal(value_list_end(&vw), sizeof(inner));
	value_list_begin(&vw, args, sizeof(args), 4);
	value_list_add(&vw, MB_LIST, inner, sizeof(inner));
	for (int i = 0; i < 3; i++) {
		value_list_add(&vw, MB_NIL, NULL, 0);
	}
	args_len = (size_t)value_list_end(&vw);
	d.ref = (struct payload_ref){ .handle = 1, .len = (uint32_t)args_len };
	send_call(&d);
	assert_int_equal(reply_values(v), 6);
	for (int i = 0; i < 6; i++) {
		assert_int_equal(v[i].len, 100000);
		assert_int_equal(v[i].p[99999], i % 3);
	}
	reply_release();
	assert_int_equal(payload_alive(w->pool), 0);
}

static void
a_vertex_is_named_when_it_fails(void **state)
{
	dag_add(1, "mark#a -> fail, fail -> mark#b");
	dag_call(3, 1);
	assert_error(MB_ERR_FUNCTION_FAILED, "fail: no more bread: 7");
	/* All of it or nothing: what ran before has written nothing either. */
	assert_string_equal(world_text(w, slice_str("marks")), "(absent)");
	dag_add(1, "mark#a -> increment#x");
	dag_call(2, 1);
	reply_release();
	dag_add(1, "fail#x -> increment");
	dag_call(2, 1);
	assert_error(MB_ERR_FUNCTION_FAILED, "fail#x: no more bread");
	dag_add(1, "echo -> increment#second");
	args_i64(0, 0, 0);
	dag_call(2, 1);
	reply_release();
}

static void
functions_of_a_dag_see_each_other_s_writes(void **state)
{
	dag_add(1, "mark#a -> mark#b, mark#b -> mark#c");
	dag_call(3, 1);
	assert_i64(3);
	assert_string_equal(world_text(w, slice_str("marks")), "3");
	assert_string_equal(world_text(w, slice_str("mark b")), "1");
}

static void
a_dag_s_arguments_are_checked(void **state)
{
	struct desc d = { .sub = CALL_DAG, .a = 1, .flags = DESC_F_INLINE };

	dag_add(1, "increment -> square");
	send_call(&d); /* none at all */
	assert_error(MB_ERR_INVALID, "one entry for each function");
	dag_call(3, 4);
	assert_error(MB_ERR_INVALID, "one entry for each function");
	args_i64(2, 1, 2); /* not lists */
	d = (struct desc){ .sub = CALL_DAG,
			   .a = 1,
			   .flags = DESC_F_INLINE,
			   .len = (uint8_t)args_len };
	memcpy(d.data, args, args_len);
	send_call(&d);
	assert_error(MB_ERR_INVALID, "neither a list nor nil");
}

static void
a_dag_ends_at_its_deadline(void **state)
{
	dag_add(1, "increment -> square");
	dag_call_with(2, 1, w->time.now_ns);
	assert_error(MB_ERR_DEADLINE, "not run");
}

/* A table in the middle of a rewrite, or one that nobody would write: refused, never followed. */
static void
nonsense_in_the_table_is_refused(void **state)
{
	struct placement_dag *dag;

	dag_add(1, "increment -> square");
	dag = &placement->copy[1].dag[1];
	dag->edge[0].from = 1; /* leads to itself */
	dag_call(2, 1);
	assert_error(MB_ERR_NO_DAG, "");
	dag->edge[0].from = 0;
	dag->edge[0].to = 60;
	dag_call(2, 1);
	assert_error(MB_ERR_NO_DAG, "");
	dag->edge_cnt = DAG_EDGE_MAX + 1;
	dag_call(2, 1);
	assert_error(MB_ERR_NO_DAG, "");
	dag->edge_cnt = 0;
	dag->vertex_cnt = DAG_FUNCTION_MAX + 1;
	dag_call(2, 1);
	assert_error(MB_ERR_NO_DAG, "");
	dag->vertex_cnt = 2;
	dag->vertex[1].fn = 99;
	dag_call(2, 1);
	assert_error(MB_ERR_NO_FUNCTION, "not loaded");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		TEST(calls_that_cannot_be_run_are_refused),
		TEST(arguments_that_cannot_be_read_are_refused),
		TEST(a_late_call_is_not_run),
		TEST(arguments_of_another_type_are_named),
		TEST(a_function_s_error_reaches_its_caller),
		TEST(a_flush_stays_whatever_follows),
		TEST(a_read_only_call_says_so),
		TEST(a_deadline_ends_a_wait),
		TEST(results_without_memory_are_an_error),
		TEST(an_answer_for_nobody_holds_nothing),
		TEST(an_integer_there_and_back),
		TEST(values_of_every_type_and_size),
		TEST(as_many_results_as_may_be),
		TEST(the_largest_result_is_written_in_place),
		TEST(writes_are_there_when_the_reply_is),
		TEST(a_call_knows_itself),
		TEST(a_chain_hands_results_on),
		TEST(fan_out_and_fan_in),
		TEST(one_vertex_alone),
		TEST(large_results_travel_between_vertices),
		TEST(a_vertex_is_named_when_it_fails),
		TEST(functions_of_a_dag_see_each_other_s_writes),
		TEST(a_dag_s_arguments_are_checked),
		TEST(a_dag_ends_at_its_deadline),
		TEST(nonsense_in_the_table_is_refused),
#undef TEST
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
