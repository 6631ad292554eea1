/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_state.c - get, set, incr, members, del, expire, keys: the store, key by key
 *
 * Keys and values are any bytes; what a shell cannot write comes from a file (@FILE) or a pipe (-).
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "argval.h"
#include "cli.h"
#include "domain_limits.h"
#include "mem.h"
#include "valtext.h"

/* ---------------------------------------------------------- what all need */

/* What went wrong with a key. */
static int
fail_key(struct cli *cli, int err, const char *verb, const char *key)
{
	if (err == MB_ERR_NOT_FOUND) {
		return cli_fail(cli, err, "there is no such key: `microburst keys` lists them",
				"cannot %s %s", verb, key);
	}
	return cli_fail(cli, err, NULL, "cannot %s %s", verb, key);
}

/* What members are shown to, one by one. */
struct members {
	struct cli *cli;
	json_t *json; /* NULL: print */
};

static bool add_member(void *ctx, const void *p, size_t len, const void *p2, size_t len2);

/* ---------------------------------------------------------------- get, set */

struct get {
	bool siblings; /* the option */
};

static int
get_set(struct cli *cli, int key, const char *text)
{
	(void)key;
	(void)text;
	((struct get *)cli->opt)->siblings = true;
	return 0;
}

/* All values beside each other. */
static int
get_siblings(struct cli *cli, const char *key)
{
	struct members m = { .cli = cli, .json = cli->json ? json_array() : NULL };
	int err = mb_client_siblings(cli->client, key, 0, add_member, &m, NULL);

	if (err != MB_OK) {
		json_decref(m.json);
		return err == MB_ERR_TYPE
			       ? cli_fail(cli, err, "it has one value: `microburst get` prints it",
					  "cannot get the siblings of %s", key)
			       : fail_key(cli, err, "get", key);
	}
	return cli->json ? cli_json(cli, json_pack("{s:o}", "siblings", m.json)) : CLI_DONE;
}

static int
get_run(struct cli *cli)
{
	const char *key = cli->arg[0];
	struct mb_held held;
	int code = cli_open_for(cli, key), err;

	if (code != 0) {
		return code;
	}
	if (((const struct get *)cli->opt)->siblings) {
		return get_siblings(cli, key);
	}
	err = mb_client_get(cli->client, key, 0, &held);
	if (err == MB_ERR_TYPE) {
		return cli_fail(cli, err, "it is a collection: `microburst members` shows it",
				"cannot get %s", key);
	}
	if (err != MB_OK) {
		return fail_key(cli, err, "get", key);
	}
	if (cli->json) {
		cli_json(cli, json_pack("{s:o, s:o}", "key", valtext_json_bytes(key, strlen(key)),
					"value", valtext_json_bytes(held.p, held.len)));
	} else {
		valtext_bytes(stdout, held.p, held.len, cli->terminal);
	}
	mb_client_release(cli->client, &held);
	return CLI_DONE;
}

const struct command cmd_get = {
	.name = "get",
	.args = "KEY",
	.summary = "print a key's value",
	.more = "Into a pipe or file the value goes as it is, byte by byte, without a new line.",
	.example = "microburst get greeting",
	.flags = COMMAND_NODE | COMMAND_JSON,
	.arg_min = 1,
	.arg_max = 1,
	.option =
		(const struct argp_option[]){
			{ "siblings", 's', NULL, 0,
			  "All values that stand beside each other, one a line, not the latest",
			  0 },
			{ 0 },
		},
	.opt_bytes = sizeof(struct get),
	.set = get_set,
	.run = get_run,
};

struct set {
	bool keep, sibling, resolve;
	const char *merge;
};

static int
set_set(struct cli *cli, int key, const char *text)
{
	struct set *o = cli->opt;

	o->keep = o->keep || key == 'k';
	o->sibling = o->sibling || key == 's';
	o->resolve = o->resolve || key == 'r';
	o->merge = key == 'm' ? text : o->merge;
	return o->keep + o->sibling + o->resolve + (o->merge != NULL) > 1
		       ? cli_usage(cli, "only one of --keep, --sibling, --resolve and --merge")
		       : 0;
}

static bool
skip_member(void *ctx, const void *p, size_t len, const void *p2, size_t len2)
{
	(void)ctx, (void)p, (void)len, (void)p2, (void)len2;
	return true;
}

/* In the place of all values that are there now. */
static int
set_resolve(struct cli *cli, const char *key, const struct mb_value *value)
{
	struct mb_seen *seen = NULL;
	int err = mb_client_siblings(cli->client, key, 0, skip_member, NULL, &seen);

	if (err == MB_OK) {
		err = mb_client_put_sibling(cli->client, key, 0, value->p, value->len, seen);
	}
	mb_client_seen_free(seen);
	return err;
}

static int
set_how(struct cli *cli, const char *key, const struct mb_value *value)
{
	const struct set *o = cli->opt;

	if (o->keep) {
		return mb_client_set_keep(cli->client, key, 0, value->p, value->len);
	}
	if (o->sibling) {
		return mb_client_put_sibling(cli->client, key, 0, value->p, value->len, NULL);
	}
	if (o->resolve) {
		return set_resolve(cli, key, value);
	}
	return o->merge != NULL
		       ? mb_client_put_merged(cli->client, key, 0, o->merge, value->p, value->len)
		       : mb_client_set(cli->client, key, 0, value->p, value->len);
}

static int
set_run(struct cli *cli)
{
	const char *key = cli->arg[0];
	struct mb_value value;
	int code = cli_value(cli, cli->arg[1], &value), err;

	if (code == 0) {
		code = cli_open_for(cli, key);
	}
	if (code != 0) {
		return code;
	}
	err = set_how(cli, key, &value);
	if (err != MB_OK) {
		return fail_key(cli, err, "set", key);
	}
	return cli->json ? cli_json(cli, json_object()) : CLI_DONE;
}

const struct command cmd_set = {
	.name = "set",
	.args = "KEY VALUE",
	.summary = "make a key this value, whatever it was",
	.more = "VALUE is text, @FILE for a file's bytes, - for those of standard input.",
	.example = "microburst set greeting 'hello world'",
	.flags = COMMAND_NODE | COMMAND_JSON,
	.arg_min = 2,
	.arg_max = 2,
	.option =
		(const struct argp_option[]){
			{ "keep", 'k', NULL, 0, "The time when the key ends stays", 0 },
			{ "sibling", 's', NULL, 0, "Beside the values that are there", 0 },
			{ "resolve", 'r', NULL, 0,
			  "In the place of the values that stand beside each other", 0 },
			{ "merge", 'm', "NAME", 0,
			  "Beside the values that are there, for functions whose MB_MERGE(NAME) "
			  "makes one of them",
			  0 },
			{ 0 },
		},
	.opt_bytes = sizeof(struct set),
	.set = set_set,
	.run = set_run,
};

/* ------------------------------------------------------------------- incr */

static int
incr_run(struct cli *cli)
{
	const char *key = cli->arg[0];
	struct mb_value n = mb_i64(1);
	char err_text[ARGVAL_ERR_BYTES];
	int64_t sum;
	int code, err;

	if (cli->arg_cnt > 1 &&
	    (cli->arg[1][0] == '@' || strcmp(cli->arg[1], "-") == 0 ||
	     argval_parse(cli->arg[1], &n, err_text) != MB_OK || n.type != MB_I64)) {
		return cli_usage(cli, "N is a whole number of at most 64 bits, not \"%s\"",
				 cli->arg[1]);
	}
	code = cli_open_for(cli, key);
	if (code != 0) {
		return code;
	}
	err = mb_client_incr(cli->client, key, 0, n.i64, &sum);
	if (err == MB_ERR_TYPE) {
		return cli_fail(cli, err, "its value is no integer: `microburst set` makes it one",
				"cannot add to %s", key);
	}
	if (err == MB_ERR_TOO_LARGE && strlen(key) <= KEY_BYTES_MAX) {
		return cli_fail(cli, err, "the sum does not fit in 64 bits", "cannot add to %s",
				key);
	}
	if (err != MB_OK) {
		return fail_key(cli, err, "add to", key);
	}
	if (cli->json) {
		return cli_json(cli, json_pack("{s:I}", "value", (json_int_t)sum));
	}
	printf("%" PRId64 "\n", sum);
	return CLI_DONE;
}

const struct command cmd_incr = {
	.name = "incr",
	.args = "KEY [N]",
	.summary = "add N (default 1) to a key and print the sum",
	.more = "A key that is not there counts as 0. Increments made at the same time all count.",
	.example = "microburst incr visits",
	.flags = COMMAND_NODE | COMMAND_JSON,
	.arg_min = 1,
	.arg_max = 2,
	.run = incr_run,
};

/* ---------------------------------------------------------------- members */

static bool
add_member(void *ctx, const void *p, size_t len, const void *p2, size_t len2)
{
	const struct members *m = ctx;
	bool map = p2 != NULL;

	if (m->json != NULL) {
		json_t *one = valtext_json_bytes(p, len);

		json_array_append_new(m->json, map ? json_pack("{s:o, s:o}", "field", one, "value",
							       valtext_json_bytes(p2, len2))
						   : one);
		return true;
	}
	if (map) {
		valtext_field(stdout, p, len, m->cli->terminal);
		putchar('\t');
		valtext_field(stdout, p2, len2, m->cli->terminal);
	} else {
		valtext_field(stdout, p, len, m->cli->terminal);
	}
	return putchar('\n') != EOF;
}

static int
members_run(struct cli *cli)
{
	const char *key = cli->arg[0];
	struct members m = { .cli = cli, .json = cli->json ? json_array() : NULL };
	int code = cli_open_for(cli, key), err;

	if (code != 0) {
		json_decref(m.json);
		return code;
	}
	err = mb_client_members(cli->client, key, 0, add_member, &m);
	if (err != MB_OK) {
		json_decref(m.json);
		return err == MB_ERR_TYPE
			       ? cli_fail(cli, err, "it is a string: `microburst get` prints it",
					  "cannot list %s", key)
			       : fail_key(cli, err, "list", key);
	}
	return cli->json ? cli_json(cli, json_pack("{s:o}", "members", m.json)) : CLI_DONE;
}

const struct command cmd_members = {
	.name = "members",
	.args = "KEY",
	.summary = "print a set's members, a map's fields and values, a list's items",
	.more = "One a line; of a map the field, a tab, the value; of a sorted set the member, a "
		"tab, the score. What is not text is shown as b: and hexadecimal.",
	.example = "microburst members colours",
	.flags = COMMAND_NODE | COMMAND_JSON,
	.arg_min = 1,
	.arg_max = 1,
	.run = members_run,
};

/* -------------------------------------------------------------------- del */

static int
del_run(struct cli *cli)
{
	int code = 0;

	for (int i = 0; i < cli->arg_cnt && code == 0; i++) {
		code = cli_open_for(cli, cli->arg[i]);
	}
	for (int i = 0; i < cli->arg_cnt && (code == 0 || code == CLI_FAILED); i++) {
		int err = mb_client_del(cli->client, cli->arg[i], 0);

		if (err != MB_OK) { /* the others still go */
			code = fail_key(cli, err, "delete", cli->arg[i]);
		}
	}
	return code == 0 && cli->json ? cli_json(cli, json_object()) : code;
}

const struct command cmd_del = {
	.name = "del",
	.args = "KEY...",
	.summary = "delete keys",
	.example = "microburst del greeting visits",
	.flags = COMMAND_NODE | COMMAND_JSON,
	.arg_min = 1,
	.arg_max = COMMAND_ARGS_ANY,
	.run = del_run,
};

/* ----------------------------------------------------------------- expire */

static int
expire_run(struct cli *cli)
{
	uint64_t ns = 0;
	int64_t at_us = 0;
	int code = strcmp(cli->arg[1], "never") == 0 ? 0
						     : cli_duration(cli, "AFTER", cli->arg[1], &ns);
	int err;

	if (code == 0) {
		code = cli_open_for(cli, cli->arg[0]);
	}
	if (code != 0) {
		return code;
	}
	if (strcmp(cli->arg[1], "never") != 0) {
		at_us = mb_client_now_us(cli->client) + (int64_t)(ns / 1000);
	}
	err = mb_client_expire(cli->client, cli->arg[0], 0, at_us);
	if (err != MB_OK) {
		return fail_key(cli, err, "let end", cli->arg[0]);
	}
	return cli->json ? cli_json(cli, json_object()) : CLI_DONE;
}

const struct command cmd_expire = {
	.name = "expire",
	.args = "KEY AFTER",
	.summary = "let a key end after a time such as 10s, or never",
	.more = "A later set takes the end back, too.",
	.example = "microburst expire greeting 10min",
	.flags = COMMAND_NODE | COMMAND_JSON,
	.arg_min = 2,
	.arg_max = 2,
	.run = expire_run,
};

/* ------------------------------------------------------------------- keys */

struct keys {
	bool values; /* the option */
	char **key;
	size_t *key_len;
	size_t cnt, cap;
};

static int
keys_set(struct cli *cli, int key, const char *text)
{
	(void)key;
	(void)text;
	((struct keys *)cli->opt)->values = true;
	return 0;
}

/* Collected first: a value cannot be asked for between two pages of keys. */
static bool
add_key(void *ctx, const char *key, size_t key_len)
{
	struct keys *k = ctx;

	if (k->cnt == k->cap) {
		k->cap = k->cap == 0 ? 256 : 2 * k->cap;
		k->key = mem_need(reallocarray(k->key, k->cap, sizeof(*k->key)));
		k->key_len = mem_need(reallocarray(k->key_len, k->cap, sizeof(*k->key_len)));
	}
	k->key[k->cnt] = mem_need(malloc(key_len + 1));
	memcpy(k->key[k->cnt], key, key_len);
	k->key[k->cnt][key_len] = '\0';
	k->key_len[k->cnt] = key_len;
	k->cnt++;
	return true;
}

static int
print_keys(struct cli *cli, const struct keys *k)
{
	json_t *all;

	if (!cli->json) {
		for (size_t i = 0; i < k->cnt; i++) {
			valtext_field(stdout, k->key[i], k->key_len[i], cli->terminal);
			putchar('\n');
		}
		return CLI_DONE;
	}
	all = json_array();
	for (size_t i = 0; i < k->cnt; i++) {
		json_array_append_new(all, valtext_json_bytes(k->key[i], k->key_len[i]));
	}
	return cli_json(cli, json_pack("{s:o}", "keys", all));
}

/* One key and its value; of a set or map the key alone. */
static int
print_pair(struct cli *cli, const char *key, size_t key_len, json_t *all)
{
	struct mb_held held = { 0 };
	int err = mb_client_get(cli->client, key, key_len, &held);
	json_t *value;

	if (err == MB_ERR_NOT_FOUND) { /* deleted meanwhile */
		return 0;
	}
	if (err != MB_OK && err != MB_ERR_TYPE) {
		return fail_key(cli, err, "get", key);
	}
	if (all != NULL) {
		value = err == MB_OK ? valtext_json_bytes(held.p, held.len) : json_null();
		json_array_append_new(all,
				      json_pack("{s:o, s:o}", "key",
						valtext_json_bytes(key, key_len), "value", value));
	} else {
		valtext_field(stdout, key, key_len, cli->terminal);
		if (err == MB_OK) {
			putchar('\t');
			valtext_field(stdout, held.p, held.len, cli->terminal);
		}
		putchar('\n');
	}
	if (err == MB_OK) {
		mb_client_release(cli->client, &held);
	}
	return 0;
}

static int
keys_run(struct cli *cli)
{
	const char *prefix = cli->arg_cnt > 0 ? cli->arg[0] : "";
	struct keys *k = cli->opt;
	json_t *all;
	int code = cli_open(cli), err;

	if (code != 0) {
		return code;
	}
	err = mb_client_keys(cli->client, prefix, strlen(prefix), add_key, k);
	if (err != MB_OK) {
		return cli_fail(cli, err, NULL, "cannot list keys");
	}
	if (!k->values) {
		return print_keys(cli, k);
	}
	all = cli->json ? mem_need(json_array()) : NULL;
	for (size_t i = 0; i < k->cnt && code == 0; i++) {
		code = print_pair(cli, k->key[i], k->key_len[i], all);
	}
	if (code == 0 && cli->json) {
		return cli_json(cli, json_pack("{s:o}", "keys", all));
	}
	json_decref(all);
	return code;
}

const struct command cmd_keys = {
	.name = "keys",
	.args = "[PREFIX]",
	.summary = "list the keys that start with PREFIX, sorted",
	.example = "microburst keys --values wc/",
	.flags = COMMAND_NODE | COMMAND_JSON,
	.arg_max = 1,
	.option =
		(const struct argp_option[]){
			{ "values", 'v', NULL, 0,
			  "A tab and the value behind each key; not of sets and maps", 0 },
			{ 0 },
		},
	.opt_bytes = sizeof(struct keys),
	.set = keys_set,
	.run = keys_run,
};
