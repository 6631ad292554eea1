/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_function - FUNCTION: which functions there are, and deploying and taking them back */
#include <ctype.h>
#include <string.h>

#include <microburst/error.h>

#include "check.h"
#include "cmd_fn.h"
#include "commands.h"
#include "gate_load.h"
#include "placement.h"

static int
function_delete(struct gate *g, struct gate_conn *c, struct slice name)
{
	json_t *question;
	int err;

	if (c->answered && c->answer.err == MB_ERR_NO_FUNCTION) {
		gate_scan_end(g, c);
		return gate_error(g, c, "ERR Library not found");
	}
	if (c->answered) {
		return gate_admin_reply(g, c);
	}
	question = json_pack("{s:s, s:s%}", "cmd", "undeploy", "name", name.p, name.len);
	if (question == NULL) {
		return gate_error(g, c, "ERR Library not found");
	}
	err = gate_admin_ask(g, c, question);
	return err == 0 ? (int)GATE_WAIT : gate_call_refuse(g, c, err);
}

static uint32_t
function_cnt(const struct placement_copy *shown)
{
	uint32_t cnt = 0;

	for (uint32_t i = 0; i < FUNCTION_CNT_MAX; i++) {
		cnt += shown->fn[i].id != 0 && shown->fn[i].name[0] != '\0';
	}
	return cnt;
}

/* No function is "the running script": there are as many as executors. */
static int
function_stats(struct gate *g, struct gate_conn *c)
{
	uint64_t gen;
	uint32_t cnt = function_cnt(placement_shown(g->placement, &gen));

	gate_map(g, c, 2);
	gate_bulk_str(g, c, "running_script");
	gate_null(g, c);
	gate_bulk_str(g, c, "engines");
	gate_map(g, c, 1);
	gate_bulk_str(g, c, "C");
	gate_map(g, c, 2);
	gate_bulk_str(g, c, "libraries_count");
	gate_int(g, c, cnt);
	gate_bulk_str(g, c, "functions_count");
	gate_int(g, c, cnt);
	return GATE_DONE;
}

static bool
is_listed(const struct placement_fn *fn, struct slice pattern)
{
	return fn->id != 0 && fn->name[0] != '\0' &&
	       (pattern.p == NULL ||
		gate_match(pattern, slice_of(fn->name, strnlen(fn->name, NAME_BYTES_MAX)), true));
}

/* FUNCTION LIST [LIBRARYNAME pattern] [WITHCODE]: of code nothing is kept but what was compiled. */
static int
function_list(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	struct slice pattern = slice_of(NULL, 0);
	const struct placement_copy *shown;
	bool with_code = false;
	size_t cnt = 0;
	uint64_t gen;

	for (uint32_t i = 2; i < arg_cnt; i++) {
		if (pattern.p == NULL && gate_word_is(arg[i], "libraryname")) {
			if (++i == arg_cnt) {
				return gate_error(g, c, "ERR library name argument was not given");
			}
			pattern = arg[i];
		} else if (!with_code && gate_word_is(arg[i], "withcode")) {
			with_code = true; /* there is none to show */
		} else {
			return gate_error_f(g, c, "ERR Unknown argument %.*s",
					    (int)MIN(arg[i].len, (size_t)128),
					    (const char *)arg[i].p);
		}
	}
	shown = placement_shown(g->placement, &gen);
	for (uint32_t i = 0; i < FUNCTION_CNT_MAX; i++) {
		cnt += is_listed(&shown->fn[i], pattern);
	}
	gate_array(g, c, cnt);
	for (uint32_t i = 0; i < FUNCTION_CNT_MAX && cnt > 0; i++) {
		const struct placement_fn *fn = &shown->fn[i];

		if (!is_listed(fn, pattern)) {
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

/* "#!c name=library" on the first line; *ret is the source behind it. Returns: NULL; or what is
 * wrong. */
static const char *
library_head(struct slice code, struct slice *ret_name, struct slice *ret)
{
	static const char head[] = "#!c name=";
	const uint8_t *end = code.len != 0 ? memchr(code.p, '\n', code.len) : NULL;
	size_t len = sizeof(head) - 1;

	if (code.len < 2 || memcmp(code.p, "#!", 2) != 0 || end == NULL) {
		return "ERR Missing library metadata";
	}
	if (code.len < 4 || (code.p[2] | 0x20) != 'c' || code.p[3] != ' ') {
		return "ERR Engine not found: a library begins with #!c name=library";
	}
	if ((size_t)(end - code.p) <= len || memcmp(code.p + 3, head + 3, len - 3) != 0) {
		return "ERR Library name was not given";
	}
	*ret_name = slice_of(code.p + len, (size_t)(end - code.p) - len);
	*ret_name = slice_of(ret_name->p, ret_name->len - (ret_name->p[ret_name->len - 1] == '\r'));
	for (size_t i = 0; i < ret_name->len; i++) {
		if (!isalnum(ret_name->p[i]) && ret_name->p[i] != '_') {
			ret_name->len = 0;
		}
	}
	if (ret_name->len == 0 || ret_name->len >= NAME_BYTES_MAX) {
		return "ERR Library names can only contain letters, numbers, or underscores(_) and "
		       "must be at least one character long";
	}
	*ret = slice_of(end, code.len - (size_t)(end - code.p)); /* lines keep their numbers */
	return NULL;
}

/* What the command line said of a deployment: JSON. */
static int
load_reply(struct gate *g, struct gate_conn *c, struct slice name)
{
	json_t *said = json_loadb((const char *)c->keep, c->keep_len, 0, NULL);
	const char *why = json_string_value(json_object_get(said, "text"));
	const char *err = json_string_value(json_object_get(said, "error"));

	if (err != NULL && strcmp(err, mb_err_name(MB_ERR_COMPILE)) == 0) {
		why = "see what microburst deploy says of it"; /* who asks has no terminal */
	}
	gate_scan_end(g, c);
	if (json_object_get(said, "functions") != NULL) {
		gate_bulk(g, c, name);
	} else {
		gate_error_f(g, c, "ERR Error compiling function: %s",
			     why != NULL ? why : "the command line gave no answer");
	}
	json_decref(said);
	return GATE_DONE;
}

static int
function_load(struct gate *g, struct gate_conn *c, struct slice code, bool replace)
{
	const struct placement_fn *there;
	struct slice name, source;
	const char *wrong = library_head(code, &name, &source);
	char text[NAME_BYTES_MAX];
	uint64_t gen;
	int err;

	if (wrong == NULL && c->answered) {
		return load_reply(g, c, name);
	}
	if (!g->cfg.load || c->user->acl.nopass) {
		return gate_error(g, c,
				  "NOPERM functions are deployed with microburst deploy FILE; here "
				  "only if gate.load is set, by who has said a password");
	}
	if (wrong != NULL) {
		return gate_error(g, c, wrong);
	}
	do {
		const struct placement_copy *shown = placement_shown(g->placement, &gen);

		there = gate_name_of(name, text) ? placement_fn_find(shown, text) : NULL;
	} while (placement_stale(g->placement, gen));
	if (there != NULL && !replace) {
		return gate_error_f(g, c, "ERR Library '%s' already exists", text);
	}
	err = gate_load_start(g, c, source);
	return err == 0 ? (int)GATE_WAIT : gate_call_refuse(g, c, err);
}

int
cmd_function(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	if (gate_word_is(arg[1], "list")) {
		return function_list(g, c, arg, arg_cnt);
	}
	if (gate_word_is(arg[1], "stats") && arg_cnt == 2) {
		return function_stats(g, c);
	}
	if (gate_word_is(arg[1], "delete") && arg_cnt == 3) {
		return function_delete(g, c, arg[2]);
	}
	if (!gate_word_is(arg[1], "load")) {
		return gate_sub_rest(g, c, arg);
	}
	for (uint32_t i = 2; i < arg_cnt - 1; i++) {
		if (!gate_word_is(arg[i], "replace")) {
			return gate_error_f(g, c, "ERR Unknown option given: %.*s",
					    (int)MIN(arg[i].len, (size_t)64),
					    (const char *)arg[i].p);
		}
	}
	return function_load(g, c, arg[arg_cnt - 1], arg_cnt > 3);
}
