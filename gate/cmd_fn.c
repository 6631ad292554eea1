/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_fn - functions and DAGs
 *
 * Words of RESP have no types, arguments of functions have: a word that is a whole number becomes
 * MB_I64, one that is a decimal number MB_F64, any other text, or bytes when it is not valid UTF-8.
 * Behind "s:" it is text whatever it looks like. (The rules of the command line.)
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <microburst/error.h>

#include "call.h"
#include "check.h"
#include "commands.h"
#include "dagtext.h"
#include "placement.h"
#include "timebase.h"
#include "value.h"

#define NUMBER_MAX 64 /* bytes of a decimal number */

/* ------------------------------------------------------------------------ arguments */

static bool
word_f64(struct slice word, double *ret)
{
	char text[NUMBER_MAX], *end;

	if (word.len == 0 || word.len >= sizeof(text)) {
		return false;
	}
	memcpy(text, word.p, word.len);
	text[word.len] = '\0';
	if (text[strspn(text, "0123456789+-.eE")] != '\0' || strlen(text) != word.len) {
		return false;
	}
	*ret = strtod(text, &end);
	return *end == '\0';
}

/* The type of a word; *ret has what is a number. bytes: a key, never a number. */
static struct value
word_value(struct slice *word, bool is_key, double *ret_f64, int64_t *ret_i64)
{
	struct value v = { .type = MB_BYTES };

	if (!is_key && gate_word_i64(*word, ret_i64)) {
		return (struct value){ .type = MB_I64, .len = 8 };
	}
	if (!is_key && word_f64(*word, ret_f64)) {
		return (struct value){ .type = MB_F64, .len = 8 };
	}
	if (!is_key && word->len >= 2 && memcmp(word->p, "s:", 2) == 0) {
		*word = slice_of(word->p + 2, word->len - 2);
	}
	if (value_utf8_ok(word->p, word->len)) {
		v.type = MB_UTF8;
	}
	v.len = (uint32_t)word->len;
	return v;
}

static void
words_add(struct value_writer *w, const struct slice *word, uint32_t cnt, uint32_t key_cnt)
{
	for (uint32_t i = 0; i < cnt; i++) {
		struct slice s = word[i];
		int64_t n;
		double x;
		struct value v = word_value(&s, i < key_cnt, &x, &n);

		if (v.type == MB_I64) {
			value_list_add_i64(w, n);
		} else if (v.type == MB_F64) {
			value_list_add_f64(w, x);
		} else {
			value_list_add(w, (enum mb_type)v.type, s.p, s.len);
		}
	}
}

/* Bytes of the list that words make; or an error. */
static int64_t
words_bytes(const struct slice *word, uint32_t cnt, uint32_t key_cnt)
{
	struct value v[MB_VALUES_MAX];

	if (cnt > MB_VALUES_MAX) {
		return MB_ERR_TOO_LARGE;
	}
	for (uint32_t i = 0; i < cnt; i++) {
		struct slice s = word[i];
		int64_t n;
		double x;

		v[i] = word_value(&s, i < key_cnt, &x, &n);
	}
	return value_list_footprint(v, cnt);
}

/* ------------------------------------------------------------------------ results */

static void
value_reply(struct gate *g, struct gate_conn *c, struct value v, uint32_t depth)
{
	struct value item[MB_VALUES_MAX];
	int n;

	switch (v.type) {
	case MB_NIL:
		gate_null(g, c);
		return;
	case MB_I64:
		gate_int(g, c, value_i64(v));
		return;
	case MB_F64:
		gate_double(g, c, value_f64(v));
		return;
	case MB_F64_ARRAY:
		gate_array(g, c, v.len / 8);
		for (uint32_t i = 0; i < v.len / 8; i++) {
			gate_double(g, c,
				    value_f64((struct value){ .p = v.p + 8UL * i, .len = 8 }));
		}
		return;
	case MB_LIST:
		n = depth > 0 ? value_list_read(slice_of(v.p, v.len), item) : 0;
		gate_array(g, c, n > 0 ? (size_t)n : 0);
		for (int i = 0; i < n; i++) {
			value_reply(g, c, item[i], depth - 1);
		}
		return;
	case MB_INVALID:
		gate_error_f(g, c, "INVALID %.*s", (int)MIN(v.len, 511U), (const char *)v.p);
		return;
	default:
		gate_bulk(g, c, slice_of(v.p, v.len));
	}
}

/* Says an error of a call. What the function said of it itself stands behind. */
static void
call_error(struct gate *g, struct gate_conn *c, int err, struct slice text)
{
	gate_error_f(g, c, "%s %s%s%.*s", mb_err_name(err), mb_err_text(err),
		     text.len != 0 ? ": " : "", (int)MIN(text.len, (size_t)256),
		     (const char *)text.p);
}

/* The answer of a call that was started is there: the reply. */
static int
call_reply(struct gate *g, struct gate_conn *c)
{
	struct value v[MB_VALUES_MAX];
	const uint8_t *p;
	size_t len;
	int n, call_err = c->answer.err;
	int err = inner_bytes(&g->inner, &c->answer, &p, &len);

	/* A copy of our own: what is in another's memory may change while it is read. */
	if (err == 0 && !gate_conn_keep(g, c, MAX(len, (size_t)8))) {
		err = MB_ERR_NO_MEMORY;
	}
	if (err == 0) {
		memcpy(c->keep, p, len);
	}
	gate_scan_end(g, c);
	if (err == MB_ERR_PEER_DIED && call_err == 0) {
		err = MB_ERR_EXECUTOR_DIED;
	}
	if (err != 0 || call_err != 0) {
		call_error(g, c, call_err != 0 ? call_err : err,
			   err == 0 ? slice_of(c->keep, len) : slice_of("", 0));
		return GATE_DONE;
	}
	n = value_list_read(slice_of(c->keep, len), v);
	if (n < 0) {
		call_error(g, c, MB_ERR_CORRUPT, slice_of("", 0));
	} else if (n == 0) {
		gate_null(g, c);
	} else if (n == 1) {
		value_reply(g, c, v[0], VALUE_DEPTH_MAX);
	} else {
		gate_array(g, c, (size_t)n);
		for (int i = 0; i < n; i++) {
			value_reply(g, c, v[i], VALUE_DEPTH_MAX);
		}
	}
	return GATE_DONE;
}

/* ------------------------------------------------------------------------ starting */

static bool
name_of(struct slice word, char ret[NAME_BYTES_MAX])
{
	if (word.len == 0 || word.len >= NAME_BYTES_MAX) {
		return false;
	}
	memcpy(ret, word.p, word.len);
	ret[word.len] = '\0';
	return strlen(ret) == word.len;
}

static int
start_refuse(struct gate *g, struct gate_conn *c, int err)
{
	if (err == MB_ERR_FULL) {
		return GATE_WAIT;
	}
	if (err == MB_ERR_TOO_LARGE) {
		return gate_error_f(
			g, c,
			"%s a call through the gate has up to %d arguments and %u KiB of "
			"them",
			mb_err_name(err), MB_VALUES_MAX, PAYLOAD_SLAB_MAX >> 10);
	}
	call_error(g, c, err, slice_of("", 0));
	return GATE_DONE;
}

struct call_options {
	uint64_t deadline_ns; /* from now; 0: none */
	bool read_only;
	uint8_t level; /* enum call_level */
};

static int
fn_call(struct gate *g, struct gate_conn *c, struct slice name, const struct slice *word,
	uint32_t cnt, uint32_t key_cnt, struct call_options opt)
{
	const struct placement_fn *fn = NULL;
	struct desc d = { 0 };
	char text[NAME_BYTES_MAX];
	struct value_writer w;
	uint64_t gen;
	int64_t bytes;
	int err;

	if (c->answered) {
		return call_reply(g, c);
	}
	do {
		const struct placement_copy *shown = placement_shown(g->placement, &gen);

		fn = name_of(name, text) ? placement_fn_find(shown, text) : NULL;
		d.a = fn != NULL ? fn->id : 0;
	} while (placement_stale(g->placement, gen));
	if (fn == NULL) {
		return gate_error(g, c, "ERR Function not found");
	}
	bytes = words_bytes(word, cnt, key_cnt);
	if (bytes < 0 || bytes > PAYLOAD_SLAB_MAX) {
		return start_refuse(g, c, MB_ERR_TOO_LARGE);
	}
	if (!gate_conn_keep(g, c, (size_t)bytes)) {
		return start_refuse(g, c, MB_ERR_NO_MEMORY);
	}
	value_list_begin(&w, c->keep, (size_t)bytes, cnt);
	words_add(&w, word, cnt, key_cnt);
	bytes = value_list_end(&w);
	REQUIRE(bytes > 0);
	d.sub = (uint8_t)((opt.read_only ? CALL_READ_ONLY : 0) | opt.level);
	d.b = opt.deadline_ns != 0 ? g->now_ns + opt.deadline_ns : 0;
	err = gate_call_start(g, c, &d, c->keep, (size_t)bytes);
	return err == 0 ? (int)GATE_WAIT : start_refuse(g, c, err);
}

static int
fcall(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt,
      bool read_only)
{
	struct call_options opt = { .read_only = read_only };
	int64_t keys;

	if (!gate_word_i64(arg[2], &keys)) {
		return gate_error(g, c, "ERR Bad number of keys provided");
	}
	if (keys < 0) {
		return gate_error(g, c, "ERR Number of keys can't be negative");
	}
	if (keys > (int64_t)arg_cnt - 3) {
		return gate_error(g, c, "ERR Number of keys can't be greater than number of args");
	}
	return fn_call(g, c, arg[1], arg + 3, arg_cnt - 3, (uint32_t)keys, opt);
}

int
cmd_fcall(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	return fcall(g, c, arg, arg_cnt, false);
}

int
cmd_fcall_ro(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	return fcall(g, c, arg, arg_cnt, true);
}

/* Options in front of a name. Returns: the place of the name; 0: answered. */
static uint32_t
options(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt, uint32_t at,
	struct call_options *ret)
{
	*ret = (struct call_options){ 0 };
	for (; at + 2 < arg_cnt; at += 2) {
		int64_t ms;

		if (gate_word_is(arg[at], "deadline")) {
			if (!gate_word_i64(arg[at + 1], &ms) || ms < 1 ||
			    ms > (int64_t)(UINT64_MAX / 4 / NS_PER_MS)) {
				gate_error(g, c, "ERR DEADLINE is a number of milliseconds");
				return 0;
			}
			ret->deadline_ns = (uint64_t)ms * NS_PER_MS;
		} else if (gate_word_is(arg[at], "level")) {
			ret->level =
				gate_word_is(arg[at + 1], "rr") ? CALL_LEVEL_RR : CALL_LEVEL_LWW;
			if (ret->level == CALL_LEVEL_LWW && !gate_word_is(arg[at + 1], "lww")) {
				gate_error(g, c, "ERR LEVEL is lww or rr");
				return 0;
			}
		} else {
			break;
		}
	}
	return at;
}

int
cmd_mb_call(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	struct call_options opt;
	uint32_t at = options(g, c, arg, arg_cnt, 1, &opt);

	if (at == 0) {
		return GATE_DONE;
	}
	return fn_call(g, c, arg[at], arg + at + 1, arg_cnt - at - 1, 0, opt);
}

/* ------------------------------------------------------------------------ lists of them */

int
cmd_function(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	const struct placement_copy *shown;
	size_t cnt = 0;
	uint64_t gen;

	if (!gate_word_is(arg[1], "list")) {
		return gate_error_f(
			g, c,
			"ERR unknown subcommand or wrong number of arguments for '%.*s'. "
			"Deploy with: microburst deploy FILE",
			(int)MIN(arg[1].len, (size_t)64), (const char *)arg[1].p);
	}
	shown = placement_shown(g->placement, &gen);
	for (uint32_t i = 0; i < FUNCTION_CNT_MAX; i++) {
		cnt += shown->fn[i].id != 0 && shown->fn[i].name[0] != '\0';
	}
	gate_array(g, c, cnt);
	for (uint32_t i = 0; i < FUNCTION_CNT_MAX && cnt > 0; i++) {
		const struct placement_fn *fn = &shown->fn[i];

		if (fn->id == 0 || fn->name[0] == '\0') {
			continue;
		}
		cnt--;
		gate_map(g, c, 3);
		gate_bulk_str(g, c, "library_name");
		gate_bulk(g, c, slice_of(fn->name, strnlen(fn->name, NAME_BYTES_MAX)));
		gate_bulk_str(g, c, "engine");
		gate_bulk_str(g, c, "C");
		gate_bulk_str(g, c, "functions");
		gate_array(g, c, 1);
		gate_map(g, c, 3);
		gate_bulk_str(g, c, "name");
		gate_bulk(g, c, slice_of(fn->name, strnlen(fn->name, NAME_BYTES_MAX)));
		gate_bulk_str(g, c, "description");
		gate_null(g, c);
		gate_bulk_str(g, c, "flags");
		gate_set(g, c, 0);
	}
	for (; cnt > 0; cnt--) { /* removed while we looked */
		gate_null(g, c);
	}
	return GATE_DONE;
}

static void
vertex_name(const struct placement_copy *shown, const struct placement_vertex *v,
	    char ret[DAGTEXT_VERTEX_BYTES])
{
	const struct placement_fn *fn = placement_fn_get(shown, v->fn);
	char name[NAME_BYTES_MAX] = "?", tag[DAGTEXT_TAG_BYTES];

	if (fn != NULL) {
		memcpy(name, fn->name, sizeof(name));
	}
	memcpy(tag, v->tag, sizeof(tag));
	name[sizeof(name) - 1] = '\0';
	tag[sizeof(tag) - 1] = '\0';
	dagtext_vertex_name(name, tag, ret);
}

static int
dag_show(struct gate *g, struct gate_conn *c, struct slice word)
{
	const struct placement_copy *shown;
	const struct placement_dag *dag;
	char name[NAME_BYTES_MAX], vertex[DAGTEXT_VERTEX_BYTES];
	uint32_t vertex_cnt, edge_cnt;
	uint64_t gen;

	shown = placement_shown(g->placement, &gen);
	dag = name_of(word, name) ? placement_dag_find(shown, name) : NULL;
	if (dag == NULL) {
		return start_refuse(g, c, MB_ERR_NO_DAG);
	}
	vertex_cnt = MIN((uint32_t)dag->vertex_cnt, (uint32_t)DAG_FUNCTION_MAX);
	edge_cnt = MIN((uint32_t)dag->edge_cnt, (uint32_t)DAG_EDGE_MAX);
	gate_map(g, c, 2);
	gate_bulk_str(g, c, "functions");
	gate_array(g, c, vertex_cnt);
	for (uint32_t i = 0; i < vertex_cnt; i++) {
		vertex_name(shown, &dag->vertex[i], vertex);
		gate_bulk_str(g, c, vertex);
	}
	gate_bulk_str(g, c, "edges");
	gate_array(g, c, edge_cnt);
	for (uint32_t i = 0; i < edge_cnt; i++) {
		gate_array(g, c, 2);
		vertex_name(shown, &dag->vertex[dag->edge[i].from % DAG_FUNCTION_MAX], vertex);
		gate_bulk_str(g, c, vertex);
		vertex_name(shown, &dag->vertex[dag->edge[i].to % DAG_FUNCTION_MAX], vertex);
		gate_bulk_str(g, c, vertex);
	}
	return GATE_DONE;
}

static int
dag_list(struct gate *g, struct gate_conn *c)
{
	const struct placement_copy *shown;
	uint32_t cnt = 0;
	uint64_t gen;

	shown = placement_shown(g->placement, &gen);
	for (uint32_t i = 0; i < DAG_CNT_MAX; i++) {
		cnt += shown->dag[i].id != 0;
	}
	gate_array(g, c, cnt);
	for (uint32_t i = 0; i < DAG_CNT_MAX && cnt > 0; i++) {
		const struct placement_dag *dag = &shown->dag[i];

		if (dag->id != 0) {
			gate_bulk(g, c, slice_of(dag->name, strnlen(dag->name, NAME_BYTES_MAX)));
			cnt--;
		}
	}
	for (; cnt > 0; cnt--) {
		gate_null(g, c);
	}
	return GATE_DONE;
}

/* The words behind "function=" of one vertex: a=1 a=2 b=x. */
static uint32_t
vertex_words(const struct slice *word, uint32_t cnt, const char *vertex,
	     struct slice ret[MB_VALUES_MAX])
{
	size_t len = strlen(vertex);
	uint32_t n = 0;

	for (uint32_t i = 0; i < cnt && n < MB_VALUES_MAX; i++) {
		if (word[i].len > len && word[i].p[len] == '=' &&
		    memcmp(word[i].p, vertex, len) == 0) {
			ret[n++] = slice_of(word[i].p + len + 1, word[i].len - len - 1);
		}
	}
	return n;
}

/* A DAG call's payload: a list with one list a function, or NIL. Returns: its bytes, or an error.
 * */
static int64_t
dag_payload(struct gate *g, struct gate_conn *c, const struct placement_copy *shown,
	    const struct placement_dag *dag, const struct slice *word, uint32_t cnt)
{
	uint32_t vertex_cnt = MIN((uint32_t)dag->vertex_cnt, (uint32_t)DAG_FUNCTION_MAX);
	struct value shape[DAG_FUNCTION_MAX];
	struct slice arg[MB_VALUES_MAX];
	char vertex[DAGTEXT_VERTEX_BYTES];
	struct value_writer w, inner;
	uint32_t used = 0;
	int64_t bytes;

	for (uint32_t v = 0; v < vertex_cnt; v++) {
		uint32_t n;

		vertex_name(shown, &dag->vertex[v], vertex);
		n = vertex_words(word, cnt, vertex, arg);
		used += n;
		bytes = n > 0 ? words_bytes(arg, n, 0) : 0;
		if (bytes < 0) {
			return bytes;
		}
		shape[v] =
			(struct value){ .type = n > 0 ? MB_LIST : MB_NIL, .len = (uint32_t)bytes };
	}
	if (used != cnt) {
		return MB_ERR_INVALID;
	}
	bytes = value_list_footprint(shape, vertex_cnt);
	if (bytes < 0 || bytes > PAYLOAD_SLAB_MAX) {
		return MB_ERR_TOO_LARGE;
	}
	if (!gate_conn_keep(g, c, (size_t)bytes)) {
		return MB_ERR_NO_MEMORY;
	}
	value_list_begin(&w, c->keep, (size_t)bytes, vertex_cnt);
	for (uint32_t v = 0; v < vertex_cnt; v++) {
		uint8_t *list = value_list_reserve(&w, (enum mb_type)shape[v].type, shape[v].len);
		uint32_t n;

		if (list == NULL) {
			continue;
		}
		vertex_name(shown, &dag->vertex[v], vertex);
		n = vertex_words(word, cnt, vertex, arg);
		value_list_begin(&inner, list, shape[v].len, n);
		words_add(&inner, arg, n, 0);
		if (value_list_end(&inner) < 0) {
			return MB_ERR_INVALID; /* the DAG changed meanwhile */
		}
	}
	return value_list_end(&w);
}

static int
dag_call(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	struct call_options opt;
	const struct placement_copy *shown;
	const struct placement_dag *dag;
	char name[NAME_BYTES_MAX];
	struct desc d = { .sub = CALL_DAG };
	uint64_t gen;
	int64_t bytes;
	uint32_t at;
	int err;

	if (c->answered) {
		return call_reply(g, c);
	}
	at = options(g, c, arg, arg_cnt, 2, &opt);
	if (at == 0) {
		return GATE_DONE;
	}
	do {
		shown = placement_shown(g->placement, &gen);
		dag = name_of(arg[at], name) ? placement_dag_find(shown, name) : NULL;
		if (dag == NULL) {
			return start_refuse(g, c, MB_ERR_NO_DAG);
		}
		d.a = dag->id;
		bytes = dag_payload(g, c, shown, dag, arg + at + 1, arg_cnt - at - 1);
	} while (placement_stale(g->placement, gen));
	if (bytes == MB_ERR_INVALID) {
		return gate_error(g, c, "ERR arguments are function=word, of functions of the DAG");
	}
	if (bytes < 0) {
		return start_refuse(g, c, (int)bytes);
	}
	d.b = opt.deadline_ns != 0 ? g->now_ns + opt.deadline_ns : 0;
	err = gate_call_start(g, c, &d, c->keep, (size_t)bytes);
	return err == 0 ? (int)GATE_WAIT : start_refuse(g, c, err);
}

int
cmd_mb_dag(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	if (gate_word_is(arg[1], "call") && arg_cnt >= 3) {
		return dag_call(g, c, arg, arg_cnt);
	}
	if (gate_word_is(arg[1], "show") && arg_cnt == 3) {
		return dag_show(g, c, arg[2]);
	}
	if (gate_word_is(arg[1], "list") && arg_cnt == 2) {
		return dag_list(g, c);
	}
	return gate_error_f(g, c, "ERR unknown subcommand or wrong number of arguments for '%.*s'",
			    (int)MIN(arg[1].len, (size_t)64), (const char *)arg[1].p);
}
