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
#include "cmd_fn.h"
#include "commands.h"
#include "hash.h"
#include "message.h"
#include "placement.h"
#include "timebase.h"
#include "value.h"

#define NUMBER_MAX 64  /* bytes of a decimal number */
#define ARGS_SMALL 256 /* bytes of arguments that need no memory of their own */

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

void
gate_words_add(struct value_writer *w, const struct slice *word, uint32_t cnt, uint32_t key_cnt)
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
int64_t
gate_words_bytes(const struct slice *word, uint32_t cnt, uint32_t key_cnt)
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
int
gate_call_reply(struct gate *g, struct gate_conn *c)
{
	struct value v[MB_VALUES_MAX];
	struct slice bytes;
	int n, call_err = c->answer.err;
	int err = gate_answer_bytes(g, c, &bytes);

	/* A copy of our own: what is in another's memory may change while it is read. */
	if (err == 0 && (c->answer.flags & DESC_F_INLINE) == 0) {
		if (gate_conn_keep(g, c, MAX(bytes.len, (size_t)8))) {
			memcpy(c->keep, bytes.p, bytes.len);
			bytes.p = c->keep;
		} else {
			err = MB_ERR_NO_MEMORY;
		}
	}
	gate_scan_end(g, c);
	if (err == MB_ERR_PEER_DIED && call_err == 0) {
		err = MB_ERR_EXECUTOR_DIED;
	}
	if (err != 0 || call_err != 0) {
		call_error(g, c, call_err != 0 ? call_err : err,
			   err == 0 ? bytes : slice_of("", 0));
		return GATE_DONE;
	}
	n = value_list_read(bytes, v);
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

bool
gate_name_of(struct slice word, char ret[NAME_BYTES_MAX])
{
	if (word.len == 0 || word.len >= NAME_BYTES_MAX) {
		return false;
	}
	memcpy(ret, word.p, word.len);
	ret[word.len] = '\0';
	return strlen(ret) == word.len;
}

int
gate_call_refuse(struct gate *g, struct gate_conn *c, int err)
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

/* What the options say, in the words of a CALL. */
static void
call_desc(const struct gate *g, struct desc *d, const struct gate_call_options *opt,
	  uint64_t limit_ns)
{
	uint64_t deadline_ns = opt->deadline_ns != 0 ? opt->deadline_ns : limit_ns;

	if (limit_ns != 0) {
		deadline_ns = MIN(deadline_ns, limit_ns);
	}
	d->sub |= (uint8_t)((opt->read_only ? CALL_READ_ONLY : 0) | opt->level);
	d->flags |= (uint8_t)(opt->ack << CALL_F_ACK_SHIFT);
	d->b = deadline_ns != 0 ? g->now_ns + deadline_ns : 0;
}

static int
fn_call(struct gate *g, struct gate_conn *c, struct slice name, const struct slice *word,
	uint32_t cnt, uint32_t key_cnt, struct gate_call_options opt)
{
	const struct placement_fn *fn = NULL;
	struct desc d = { 0 };
	char text[NAME_BYTES_MAX];
	struct value_writer w;
	struct placement_where where;
	uint64_t small[ARGS_SMALL / 8];
	void *list = small;
	uint64_t gen;
	uint64_t limit_ns;
	int64_t bytes;
	int err;

	if (c->answered) {
		return gate_call_reply(g, c);
	}
	do {
		const struct placement_copy *shown = placement_shown(g->placement, &gen);

		fn = gate_name_of(name, text) ? placement_fn_find(shown, text) : NULL;
		d.a = fn != NULL ? fn->id : 0;
		limit_ns = fn != NULL ? fn->deadline_ns : 0;
		if (fn != NULL) {
			placement_fn_where(shown, fn, &where);
		}
	} while (placement_stale(g->placement, gen));
	if (fn == NULL) {
		return gate_error(g, c, "ERR Function not found");
	}
	bytes = gate_words_bytes(word, cnt, key_cnt);
	if (bytes < 0 || bytes > PAYLOAD_SLAB_MAX) {
		return gate_call_refuse(g, c, MB_ERR_TOO_LARGE);
	}
	if (bytes > ARGS_SMALL) {
		if (!gate_conn_keep(g, c, (size_t)bytes)) {
			return gate_call_refuse(g, c, MB_ERR_NO_MEMORY);
		}
		list = c->keep;
	}
	value_list_begin(&w, list, (size_t)bytes, cnt);
	gate_words_add(&w, word, cnt, key_cnt);
	bytes = value_list_end(&w);
	REQUIRE(bytes > 0);
	if (opt.future || opt.request_id != 0 || c->multi != NULL) {
		if (gate_run_before(c)) {
			return GATE_WAIT;
		}
		return gate_call_go(g, c, &d, list, (size_t)bytes, &opt, limit_ns);
	}
	call_desc(g, &d, &opt, limit_ns);
	if (!opt.read_only) {
		gate_wrote(g, c, opt.ack);
	}
	err = gate_pipe(g, c, &d, list, (size_t)bytes, &where, key_cnt);
	return err != 0 ? gate_call_refuse(g, c, err) : (int)GATE_SENT;
}

static bool
fn_is_there(const struct gate *g, struct slice name)
{
	char text[NAME_BYTES_MAX];
	uint64_t gen;
	bool there;

	if (!gate_name_of(name, text)) {
		return false;
	}
	do {
		there = placement_fn_find(placement_shown(g->placement, &gen), text) != NULL;
	} while (placement_stale(g->placement, gen));
	return there;
}

static int
fcall(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt,
      bool read_only)
{
	struct gate_call_options opt = { .read_only = read_only, .ack = c->ack };
	const char *wrong = NULL;
	int64_t keys;

	if (!gate_word_i64(arg[2], &keys)) {
		wrong = "ERR Bad number of keys provided";
	} else if (keys < 0) {
		wrong = "ERR Number of keys can't be negative";
	} else if (keys > (int64_t)arg_cnt - 3) {
		wrong = "ERR Number of keys can't be greater than number of args";
	}
	if (wrong != NULL) { /* of keys only, as Redis says it */
		return gate_error(g, c, fn_is_there(g, arg[1]) ? wrong : "ERR Function not found");
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

/* enum kvs_ack */
static const char *const ack_name[] = { "default", "local", "one", "quorum", "all" };

static bool
ack_of(struct slice word, uint8_t *ret)
{
	for (uint32_t i = 0; i < ARRAY_CNT(ack_name); i++) {
		if (gate_word_is(word, ack_name[i])) {
			*ret = (uint8_t)i;
			return true;
		}
	}
	return false;
}

static bool
deadline_of(struct slice word, uint64_t *ret_ns)
{
	int64_t ms;

	if (!gate_word_i64(word, &ms) || ms < 1 || ms > (int64_t)(UINT64_MAX / 4 / NS_PER_MS)) {
		return false;
	}
	*ret_ns = (uint64_t)ms * NS_PER_MS;
	return true;
}

/* What is wrong with one option; NULL: nothing. */
static const char *
option(struct slice name, struct slice word, struct gate_call_options *o)
{
	int64_t id;

	if (gate_word_is(name, "deadline")) {
		return deadline_of(word, &o->deadline_ns)
			       ? NULL
			       : "ERR DEADLINE is a number of milliseconds";
	}
	if (gate_word_is(name, "id")) {
		o->request_id = gate_word_i64(word, &id) && id > 0 ? (uint64_t)id : 0;
		return o->request_id != 0 ? NULL : "ERR ID is a number that MB.FUTURE NEW gave";
	}
	if (gate_word_is(name, "ack")) {
		return ack_of(word, &o->ack) ? NULL : "ERR ACK is local, one, quorum or all";
	}
	o->level = gate_word_is(word, "rr") ? CALL_LEVEL_RR : CALL_LEVEL_LWW;
	return o->level == CALL_LEVEL_RR || gate_word_is(word, "lww") ? NULL
								      : "ERR LEVEL is lww or rr";
}

uint32_t
gate_options(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt,
	     uint32_t at, struct gate_call_options *ret)
{
	*ret = (struct gate_call_options){ .ack = c->ack };
	while (at + 1 < arg_cnt) {
		const char *wrong;

		if (gate_word_is(arg[at], "future")) {
			ret->future = true;
			at++;
			continue;
		}
		if (at + 2 >= arg_cnt ||
		    (!gate_word_is(arg[at], "deadline") && !gate_word_is(arg[at], "level") &&
		     !gate_word_is(arg[at], "id") && !gate_word_is(arg[at], "ack"))) {
			break;
		}
		wrong = option(arg[at], arg[at + 1], ret);
		if (wrong != NULL) {
			gate_error(g, c, wrong);
			return 0;
		}
		at += 2;
	}
	return at;
}

/* An id that nobody has used: of this millisecond, by the node's time, which does not jump, and
 * drawn from a sequence of the gate's own. */
static uint64_t
request_id_new(struct gate *g)
{
	uint64_t drawn = hash_bytes(&g->cfg.node_id, sizeof(g->cfg.node_id)) + g->future_seq++;

	return request_id_make((g->cfg.wall_ns + g->now_ns) / NS_PER_MS, drawn);
}

int
gate_call_go(struct gate *g, struct gate_conn *c, struct desc *d, const void *list, size_t bytes,
	     const struct gate_call_options *opt, uint64_t limit_ns)
{
	uint64_t id = opt->request_id;
	int err;

	call_desc(g, d, opt, limit_ns);
	if (opt->future && id == 0) {
		id = request_id_new(g);
	}
	if (id != 0) {
		d->flags |= CALL_F_REQUEST;
		d->word[4] = id;
	}
	if (!opt->read_only) {
		gate_wrote(g, c, opt->ack);
	}
	err = gate_call_start(g, c, d, list, bytes);
	if (err != 0) {
		return gate_call_refuse(g, c, err);
	}
	if (opt->future) { /* it goes on without us */
		gate_call_leave(g, c);
		gate_int(g, c, (int64_t)id);
		return GATE_DONE;
	}
	return GATE_WAIT;
}

int
cmd_mb_call(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	struct gate_call_options opt;
	uint32_t at = gate_options(g, c, arg, arg_cnt, 1, &opt);

	if (at == 0) {
		return GATE_DONE;
	}
	return fn_call(g, c, arg[at], arg + at + 1, arg_cnt - at - 1, 0, opt);
}

/* MB.FUTURE NEW: an id for MB.CALL ID. MB.FUTURE id [DEADLINE ms]: the answer of the call that was
 * started with it, by whomever, as often as it is asked for. */
int
cmd_mb_future(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	struct gate_call_options opt = { 0 };
	struct desc d = { 0 };
	int64_t id;

	if (c->answered) {
		return gate_call_reply(g, c);
	}
	if (gate_word_is(arg[1], "new") && arg_cnt == 2) {
		gate_int(g, c, (int64_t)request_id_new(g));
		return GATE_DONE;
	}
	if (!gate_word_i64(arg[1], &id) || id < 1) {
		return gate_error(g, c, "ERR an id is a number that MB.FUTURE NEW gave");
	}
	if (arg_cnt != 2 && (arg_cnt != 4 || !gate_word_is(arg[2], "deadline"))) {
		return gate_error(g, c, "ERR syntax error");
	}
	if (arg_cnt == 4 && !deadline_of(arg[3], &opt.deadline_ns)) {
		return gate_error(g, c, "ERR DEADLINE is a number of milliseconds");
	}
	opt.request_id = (uint64_t)id;
	return gate_call_go(g, c, &d, "", 0, &opt, 0);
}

/* MB.SEND call bytes: a message to a call that runs, named as `microburst ps` and mb_self name it.
 */
int
cmd_mb_send(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	char text[24], *end;
	uint64_t call;
	int err;

	if (c->answered) {
		err = c->answer.err;
		gate_scan_end(g, c);
		if (err != 0) {
			return gate_error_of(g, c, err);
		}
		gate_ok(g, c);
		return GATE_DONE;
	}
	if (arg[1].len == 0 || arg[1].len > 16) {
		return gate_error(g, c, "ERR a call is named by 16 hexadecimal digits");
	}
	memcpy(text, arg[1].p, arg[1].len);
	text[arg[1].len] = '\0';
	call = strtoull(text, &end, 16);
	if (*end != '\0' || call == 0 || text[strspn(text, "0123456789abcdefABCDEF")] != '\0') {
		return gate_error(g, c, "ERR a call is named by 16 hexadecimal digits");
	}
	if (arg[2].len > MESSAGE_BYTES_MAX) {
		return gate_error_f(g, c, "%s a message has up to %u KiB",
				    mb_err_name(MB_ERR_TOO_LARGE), MESSAGE_BYTES_MAX >> 10);
	}
	err = gate_send(g, c, call, arg[2]);
	return err == 0 ? (int)GATE_WAIT : gate_call_refuse(g, c, err);
}

/* MB.ACK [level]: who is to have merged what this connection writes before it is answered. */
int
cmd_mb_ack(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	if (arg_cnt > 2) {
		return gate_error(g, c, "ERR wrong number of arguments for 'mb.ack' command");
	}
	if (arg_cnt == 1) {
		gate_bulk_str(g, c, ack_name[c->ack]);
	} else if (ack_of(arg[1], &c->ack)) {
		gate_ok(g, c);
	} else {
		return gate_error(g, c, "ERR MB.ACK is default, local, one, quorum or all");
	}
	return GATE_DONE;
}
