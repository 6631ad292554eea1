/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_command - COMMAND: what commands there are, their words, their keys, who may run them
 *
 * All of it is what commands.def and subcommands.def say, in Redis's form. What a command does to
 * its keys follows from the table for those that only read; of the others `use` has Redis's words.
 */
#include <stdio.h>
#include <string.h>

#include <microburst/error.h>

#include "check.h"
#include "cmd_docs.h"
#include "commands.h"

/* ------------------------------------------------------------------------ keys */

/* What commands do to their keys: to the first one, and to the others if that is another thing.
 * Who only reads and is not here shows what is there. */
static const struct key_use {
	const char *first, *others; /* others NULL: the same */
	const char *names;          /* a space before and behind each */
} use[] = {
	{ "RO", NULL,
	  " hstrlen llen hlen hexists strlen sismember zcard scard type exists touch watch "
	  "object|idletime object|freq object|encoding object|refcount memory|usage " },
	{ "RW update", NULL,
	  " geoadd persist pexpireat hmset expireat setrange hset lset pexpire zadd expire " },
	{ "RW insert", NULL, " linsert append lpush sadd hsetnx pfadd rpush lpushx rpushx " },
	{ "RW delete", NULL,
	  " lrem hdel ltrim zremrangebyrank zremrangebyscore zrem zremrangebylex srem " },
	{ "RW access delete", NULL,
	  " lpop spop zpopmax getdel zpopmin rpop bzpopmax bzpopmin brpop blpop bzmpop blmpop "
	  "zmpop lmpop " },
	{ "RW access", NULL, " pfcount " },
	{ "OW update", NULL, " psetex setex restore mset " },
	{ "OW insert", NULL, " setnx msetnx " },
	{ "RM delete", NULL, " del unlink " },
	{ "RW access delete", "RW insert", " smove lmove rpoplpush blmove brpoplpush " },
	{ "RW access delete", "OW update", " rename " },
	{ "RW access delete", "OW insert", " renamenx " },
	{ "OW update", "RO access",
	  " zdiffstore zunionstore zinterstore zrangestore geosearchstore sdiffstore sunionstore "
	  "bitop " },
	{ "RW update", "RO access", " sinterstore " },
	{ "RW access insert", "RO access", " pfmerge " },
	{ "RO access", "OW update", " copy sort georadius georadiusbymember " },
	{ "not_key", NULL, " ssubscribe sunsubscribe spublish " },
};

static const char *
use_of(const struct gate_command *cmd, bool others)
{
	char name[48];

	snprintf(name, sizeof(name), " %s ", cmd->name);
	for (uint32_t i = 0; i < ARRAY_CNT(use); i++) {
		if (strstr(use[i].names, name) != NULL) {
			return others && use[i].others != NULL ? use[i].others : use[i].first;
		}
	}
	return (cmd->flags & CMD_WRITE) == 0 || cmd->run == cmd_fcall_ro ? "RO access"
									 : "RW access update";
}

static void
use_reply(struct gate *g, struct gate_conn *c, const char *flags)
{
	size_t cnt = 1;
	char word[24];

	for (const char *p = flags; *p != '\0'; p++) {
		cnt += *p == ' ';
	}
	gate_set(g, c, cnt);
	for (const char *p = flags; *p != '\0'; p += *p == ' ') {
		size_t len = strcspn(p, " ");

		snprintf(word, sizeof(word), "%.*s", (int)len, p);
		gate_simple(g, c, word);
		p += len;
	}
}

/* Whether a command that says how many keys it has says that of so many words. */
static bool
keynum_ok(const struct gate_command *cmd, const struct slice *arg, uint32_t arg_cnt)
{
	int64_t n;

	return cmd->step != 0 ||
	       (gate_word_i64(arg[cmd->first], &n) && n > 0 && n < (int64_t)arg_cnt - cmd->first);
}

/* Whether SET shows what was there. */
static bool
set_shows(const struct slice *arg, uint32_t arg_cnt)
{
	bool shows = false;

	for (uint32_t i = 3; i < arg_cnt; i++) {
		shows |= gate_word_is(arg[i], "get");
	}
	return shows;
}

/* What it does to the key at a place, as its other words say. */
static const char *
use_at(const struct gate_command *cmd, const struct slice *arg, uint32_t arg_cnt, uint32_t at)
{
	uint32_t first =
		cmd->step == 0 && cmd->last != 0 ? (uint32_t)cmd->last : (uint32_t)cmd->first;

	if (cmd->run == cmd_set && !set_shows(arg, arg_cnt)) {
		return "OW update";
	}
	if (cmd->run == cmd_bitfield && gate_bitfield_reads(arg, arg_cnt)) {
		return "RO access";
	}
	return use_of(cmd, at != first);
}

static int
command_keys(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt,
	     bool flags)
{
	const struct gate_command *cmd = gate_command_of(arg, arg_cnt);
	uint32_t cnt = 0, at, store[2], store_cnt, i = 0;

	if (cmd == NULL) {
		return gate_error(g, c, "ERR Invalid command specified");
	}
	if (cmd->first == 0 || strcmp(cmd->group, "pubsub") == 0) {
		return gate_error(g, c, "ERR The command has no key arguments");
	}
	if (gate_command_arity_wrong(cmd, arg_cnt)) {
		return gate_error(g, c, "ERR Invalid number of arguments specified for command");
	}
	if (!keynum_ok(cmd, arg, arg_cnt)) {
		if (cmd->run != cmd_fcall && cmd->run != cmd_fcall_ro) {
			return gate_error(g, c, "ERR Invalid arguments specified for command");
		}
		gate_array(g, c, 0);
		return GATE_DONE;
	}
	for (at = gate_key_next(cmd, arg, arg_cnt, 0); at != 0;
	     at = gate_key_next(cmd, arg, arg_cnt, at)) {
		cnt++;
	}
	store_cnt = gate_command_stores(cmd, arg, arg_cnt, store);
	gate_array(g, c, cnt + store_cnt);
	at = gate_key_next(cmd, arg, arg_cnt, 0);
	while (at != 0 || i < store_cnt) {
		uint32_t key = at != 0 ? at : store[i++];

		if (flags) {
			gate_array(g, c, 2);
		}
		gate_bulk(g, c, arg[key]);
		if (flags) {
			use_reply(g, c, use_at(cmd, arg, arg_cnt, key));
		}
		at = at != 0 ? gate_key_next(cmd, arg, arg_cnt, at) : 0;
	}
	return GATE_DONE;
}

/* ------------------------------------------------------------------------ key specifications */

/* Where the keys of one kind are: from word index; so many, or to the last one, or as many as the
 * word at index says; or behind a word STORE. */
struct key_spec {
	const char *flags;
	int64_t index, last, step; /* step 0: the word at index says how many */
	const char *keyword;       /* "": somewhere */
};

static uint32_t
specs_of(const struct gate_command *cmd, struct key_spec ret[3])
{
	const char *first = use_of(cmd, false), *others = use_of(cmd, true);
	uint32_t n = 0;

	if (cmd->first == 0) {
		return 0;
	}
	if (cmd->step == 0) {
		if (cmd->last != 0) {
			ret[n++] = (struct key_spec){ first, cmd->last, 0, 1, NULL };
		}
		ret[n] = (struct key_spec){ n == 0 ? first : others, cmd->first, 0, 0, NULL };
		return n + 1;
	}
	if ((cmd->flags & (CMD_TO_FIRST | CMD_TO_LAST)) != 0) {
		int64_t second = cmd->first + 1;

		ret[n++] = (struct key_spec){ first, cmd->first, 0, 1, NULL };
		ret[n++] = (struct key_spec){ others, second,
					      cmd->last < 0 ? cmd->last : cmd->last - second, 1,
					      NULL };
		return n;
	}
	ret[n++] = (struct key_spec){
		cmd->run == cmd_set || cmd->run == cmd_bitfield ? "RW access update variable_flags"
								: first,
		cmd->first, cmd->last < 0 ? cmd->last : cmd->last - cmd->first, cmd->step, NULL
	};
	if (cmd->run == cmd_sort || cmd->run == cmd_sort_ro) {
		ret[n++] = (struct key_spec){ first, 0, 0, 0, "" };
	}
	if (cmd->run == cmd_sort) {
		ret[n++] = (struct key_spec){ others, 0, 0, 0, "" };
	} else if (gate_command_store_from(cmd) != 0) {
		ret[n++] = (struct key_spec){ others, gate_command_store_from(cmd), 0, 1, "STORE" };
		ret[n++] = (struct key_spec){ others, gate_command_store_from(cmd), 0, 1,
					      "STOREDIST" };
	}
	return n;
}

static void
numbers(struct gate *g, struct gate_conn *c, const char *const name[3], const int64_t n[3])
{
	gate_bulk_str(g, c, "spec");
	gate_map(g, c, 3);
	for (uint32_t i = 0; i < 3; i++) {
		gate_bulk_str(g, c, name[i]);
		gate_int(g, c, n[i]);
	}
}

static void
type_of(struct gate *g, struct gate_conn *c, const char *what, const char *type)
{
	gate_bulk_str(g, c, what);
	gate_map(g, c, 2);
	gate_bulk_str(g, c, "type");
	gate_bulk_str(g, c, type);
}

static void
spec_reply(struct gate *g, struct gate_conn *c, const struct key_spec *s)
{
	static const char *const range[3] = { "lastkey", "keystep", "limit" }, *const keynum[3] = {
		"keynumidx", "firstkey", "keystep"
	};

	gate_map(g, c, 3);
	gate_bulk_str(g, c, "flags");
	use_reply(g, c, s->flags);
	if (s->keyword != NULL && s->keyword[0] == '\0') {
		type_of(g, c, "begin_search", "unknown");
		gate_bulk_str(g, c, "spec");
		gate_map(g, c, 0);
		type_of(g, c, "find_keys", "unknown");
		gate_bulk_str(g, c, "spec");
		gate_map(g, c, 0);
		return;
	}
	type_of(g, c, "begin_search", s->keyword != NULL ? "keyword" : "index");
	gate_bulk_str(g, c, "spec");
	gate_map(g, c, s->keyword != NULL ? 2 : 1);
	if (s->keyword != NULL) {
		gate_bulk_str(g, c, "keyword");
		gate_bulk_str(g, c, s->keyword);
	}
	gate_bulk_str(g, c, s->keyword != NULL ? "startfrom" : "index");
	gate_int(g, c, s->index);
	if (s->step == 0) {
		type_of(g, c, "find_keys", "keynum");
		numbers(g, c, keynum, (const int64_t[3]){ 0, 1, 1 });
	} else {
		type_of(g, c, "find_keys", "range");
		numbers(g, c, range, (const int64_t[3]){ s->last, s->step, 0 });
	}
}

/* ------------------------------------------------------------------------ INFO */

static const struct {
	uint32_t flag;
	const char *name;
} flag_rows[] = {
	{ CMD_WRITE, "write" },   { CMD_READONLY, "readonly" }, { CMD_GROWS, "denyoom" },
	{ CMD_FAST, "fast" },     { CMD_NOAUTH, "no_auth" },    { CMD_ADMIN, "admin" },
	{ CMD_PUBSUB, "pubsub" }, { CMD_BLOCKING, "blocking" },
};

/* In Redis's words: some of ours mean other things. */
static uint32_t
flags_of(const struct gate_command *cmd)
{
	uint32_t flags = cmd->flags & ~(uint32_t)(CMD_PUBSUB | CMD_NOMULTI);

	if (cmd->run == cmd_fcall) {
		flags &= ~(uint32_t)CMD_WRITE; /* it is the function that writes */
	}
	if (strcmp(cmd->group, "pubsub") == 0 && (flags & (CMD_CONTAINER | CMD_HELP)) == 0) {
		flags |= CMD_PUBSUB;
	}
	return flags;
}

static void
command_flags(struct gate *g, struct gate_conn *c, const struct gate_command *cmd)
{
	bool movable = (cmd->first != 0 && cmd->step == 0) || gate_command_store_from(cmd) != 0 ||
		       cmd->run == cmd_sort_ro;
	uint32_t cnt = movable, flags = flags_of(cmd);

	for (uint32_t i = 0; i < ARRAY_CNT(flag_rows); i++) {
		cnt += (flags & flag_rows[i].flag) != 0;
	}
	gate_set(g, c, cnt);
	for (uint32_t i = 0; i < ARRAY_CNT(flag_rows); i++) {
		if ((flags & flag_rows[i].flag) != 0) {
			gate_simple(g, c, flag_rows[i].name);
		}
	}
	if (movable) {
		gate_simple(g, c, "movablekeys");
	}
}

static void
command_categories(struct gate *g, struct gate_conn *c, const struct gate_command *cmd)
{
	uint32_t idx = gate_command_idx(cmd), cnt = 0;
	char text[32];

	for (uint32_t i = 1; acl_category(i) != NULL; i++) {
		cnt += acl_category_has(i, idx);
	}
	gate_set(g, c, cnt);
	for (uint32_t i = 1; acl_category(i) != NULL; i++) {
		if (acl_category_has(i, idx)) {
			snprintf(text, sizeof(text), "@%s", acl_category(i));
			gate_simple(g, c, text);
		}
	}
}

/* All but its subcommands. */
static void
command_row(struct gate *g, struct gate_conn *c, const struct gate_command *cmd)
{
	const bool to = cmd->step == 0 && cmd->last != 0; /* the one that is always in one place */
	struct key_spec spec[3];
	uint32_t cnt = specs_of(cmd, spec);

	gate_array(g, c, 10);
	gate_bulk_str(g, c, cmd->name);
	gate_int(g, c, cmd->arity);
	command_flags(g, c, cmd);
	gate_int(g, c, cmd->step != 0 ? cmd->first : to ? cmd->last : 0);
	gate_int(g, c, cmd->step != 0 || to ? cmd->last : 0);
	gate_int(g, c, to ? 1 : cmd->step);
	command_categories(g, c, cmd);
	gate_set(g, c, 0); /* tips */
	gate_set(g, c, cnt);
	for (uint32_t i = 0; i < cnt; i++) {
		spec_reply(g, c, &spec[i]);
	}
}

static void
command_info(struct gate *g, struct gate_conn *c, const struct gate_command *cmd)
{
	uint32_t first = 0, cnt = 0;

	if ((cmd->flags & CMD_CONTAINER) != 0) {
		cnt = gate_command_subs(cmd, &first);
	}
	command_row(g, c, cmd);
	gate_set(g, c, cnt);
	for (uint32_t i = first; i < first + cnt; i++) {
		command_row(g, c, gate_command_at(i));
		gate_set(g, c, 0);
	}
}

/* ------------------------------------------------------------------------ all, LIST */

static int
command_all(struct gate *g, struct gate_conn *c,
	    void (*one)(struct gate *, struct gate_conn *, const struct gate_command *))
{
	for (uint32_t i = 0; i < gate_command_top_cnt(); i++) {
		one(g, c, gate_command_at(i));
	}
	return GATE_DONE;
}

/* COMMAND LIST [FILTERBY ACLCAT | PATTERN | MODULE which] */
static int
command_list(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	bool by_cat, by_pattern;
	uint32_t cnt = 0;
	int cat = -1;

	if (arg_cnt != 2 && (arg_cnt != 5 || !gate_word_is(arg[2], "filterby"))) {
		return gate_error(g, c, "ERR syntax error");
	}
	by_cat = arg_cnt == 5 && gate_word_is(arg[3], "aclcat");
	by_pattern = arg_cnt == 5 && gate_word_is(arg[3], "pattern");
	if (arg_cnt == 5 && !by_cat && !by_pattern && !gate_word_is(arg[3], "module")) {
		return gate_error(g, c, "ERR syntax error");
	}
	cat = by_cat ? acl_category_find(arg[4]) : -1;
	for (int pass = 0; pass < 2; pass++) { /* how many, then which */
		for (uint32_t i = 0; i < gate_command_cnt(); i++) {
			const struct gate_command *cmd = gate_command_at(i);
			struct slice name = slice_of(cmd->name, cmd->name_len);
			bool hit = by_cat       ? cat >= 0 && acl_category_has((uint32_t)cat, i)
				   : by_pattern ? gate_match(arg[4], name, true)
						: arg_cnt == 2;

			if (hit && pass == 0) {
				cnt++;
			} else if (hit) {
				gate_bulk(g, c, name);
			}
		}
		if (pass == 0) {
			gate_array(g, c, cnt);
		}
	}
	return GATE_DONE;
}

int
cmd_command(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	bool docs;
	uint32_t known = 0;

	if (arg_cnt == 1 || (arg_cnt == 2 && gate_word_is(arg[1], "info"))) {
		gate_array(g, c, gate_command_top_cnt());
		return command_all(g, c, command_info);
	}
	if (gate_word_is(arg[1], "count") && arg_cnt == 2) {
		gate_int(g, c, gate_command_top_cnt());
		return GATE_DONE;
	}
	if (gate_word_is(arg[1], "list")) {
		return command_list(g, c, arg, arg_cnt);
	}
	docs = gate_word_is(arg[1], "docs");
	if (docs && arg_cnt == 2) {
		gate_map(g, c, gate_command_top_cnt());
		return command_all(g, c, cmd_docs);
	}
	if (gate_word_is(arg[1], "getkeys") || gate_word_is(arg[1], "getkeysandflags")) {
		return command_keys(g, c, arg + 2, arg_cnt - 2,
				    gate_word_is(arg[1], "getkeysandflags"));
	}
	if (!gate_word_is(arg[1], "info") && !docs) {
		return gate_sub_rest(g, c, arg);
	}
	for (uint32_t i = 2; i < arg_cnt; i++) {
		known += gate_command_named(arg[i]) != NULL;
	}
	if (docs) {
		gate_map(g, c, known);
	} else {
		gate_array(g, c, arg_cnt - 2);
	}
	for (uint32_t i = 2; i < arg_cnt; i++) {
		const struct gate_command *cmd = gate_command_named(arg[i]);

		if (cmd != NULL && docs) {
			cmd_docs(g, c, cmd);
		} else if (cmd != NULL) {
			command_info(g, c, cmd);
		} else if (!docs) {
			gate_null(g, c);
		}
	}
	return GATE_DONE;
}
