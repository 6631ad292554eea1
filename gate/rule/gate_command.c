/* SPDX-License-Identifier: Apache-2.0 */
/* gate_command - the table of commands and its index */
#include "gate_command.h"

#include <string.h>

#include "commands.h"

#define RUN      CMD_RUN
#define WRITE    CMD_WRITE
#define READONLY CMD_READONLY
#define FAST     CMD_FAST
#define NOAUTH   CMD_NOAUTH
#define ADMIN    CMD_ADMIN
#define NOSCRIPT CMD_NOSCRIPT
#define NOMULTI  CMD_NOMULTI
#define PUBSUB   CMD_PUBSUB
#define SECRET   CMD_SECRET
#define SHOWS    CMD_SHOWS
#define DANGER   CMD_DANGER
#define BLOCKING CMD_BLOCKING
#define TO_FIRST CMD_TO_FIRST
#define TO_LAST  CMD_TO_LAST
#define CALL     CMD_CALL
#define HOME     CMD_HOME
#define GROWS    CMD_GROWS
#define HELP     CMD_HELP

#define CONTAINER     CMD_CONTAINER
#define OF_KEYS       CMD_OF_KEYS
#define OF_CONNECTION CMD_OF_CONNECTION
#define OF_ADMIN      CMD_OF_ADMIN
#define OF_ITEMS      CMD_OF_ITEMS

static const struct gate_command command[] = {
#define COMMAND(text, fn, words, bits, at, to, by, of, from, what, behind)                         \
	{ .name = (text),                                                                          \
	  .run = (fn),                                                                             \
	  .arity = (words),                                                                        \
	  .flags = (bits),                                                                         \
	  .first = (at),                                                                           \
	  .last = (to),                                                                            \
	  .step = (by),                                                                            \
	  .group = (of),                                                                           \
	  .since = (from),                                                                         \
	  .summary = (what),                                                                       \
	  .syntax = (behind),                                                                      \
	  .name_len = sizeof(text) - 1 },
#include "commands.def"
#include "subcommands.def"
#undef COMMAND
};

enum {
	TOP_CNT = 0
#define COMMAND(...) +1
#include "commands.def"
#undef COMMAND
};

#define INDEX_SIZE 1024

static_assert(ARRAY_CNT(command) <= ACL_COMMAND_MAX, "a bit each");
static_assert(2 * ARRAY_CNT(command) <= INDEX_SIZE, "names are found at once");

static uint16_t by_name[INDEX_SIZE]; /* number + 1; 0: none */

static uint32_t
name_hash(const uint8_t *p, size_t len)
{
	uint32_t h = (uint32_t)len;

	for (size_t i = 0; i < len; i++) {
		h = (h ^ (p[i] | 0x20u)) * 0x01000193u;
	}
	return (h ^ h >> 15) % INDEX_SIZE;
}

void
gate_command_init(void)
{
	memset(by_name, 0, sizeof(by_name));
	for (uint32_t i = 0; i < ARRAY_CNT(command); i++) {
		uint32_t at = name_hash((const uint8_t *)command[i].name, command[i].name_len);

		while (by_name[at] != 0) {
			at = (at + 1) % INDEX_SIZE;
		}
		by_name[at] = (uint16_t)(i + 1);
	}
}

const struct gate_command *
gate_command_named(struct slice name)
{
	uint32_t at;

	if (name.len == 0 || name.len > GATE_COMMAND_NAME_MAX - 1) {
		return NULL;
	}
	for (at = name_hash(name.p, name.len); by_name[at] != 0; at = (at + 1) % INDEX_SIZE) {
		const struct gate_command *c = &command[by_name[at] - 1];

		if (c->name_len == name.len && gate_word_is(name, c->name)) {
			return c;
		}
	}
	return NULL;
}

const struct gate_command *
gate_command_find(struct slice name)
{
	const struct gate_command *c = gate_command_named(name);

	return c != NULL && c < command + TOP_CNT ? c : NULL;
}

const struct gate_command *
gate_command_of(const struct slice *arg, uint32_t arg_cnt)
{
	const struct gate_command *c = gate_command_find(arg[0]);
	char name[GATE_COMMAND_NAME_MAX - 1];
	size_t len;

	if (likely(c == NULL || (c->flags & CMD_CONTAINER) == 0 || arg_cnt == 1)) {
		return c;
	}
	len = (size_t)c->name_len + 1 + arg[1].len;
	if (len > sizeof(name)) {
		return NULL;
	}
	memcpy(name, c->name, c->name_len);
	name[c->name_len] = '|';
	if (arg[1].len != 0) {
		memcpy(name + c->name_len + 1, arg[1].p, arg[1].len);
	}
	return gate_command_named(slice_of(name, len));
}

uint32_t
gate_command_subs(const struct gate_command *cmd, uint32_t *ret_first)
{
	uint32_t cnt = 0;

	for (uint32_t i = TOP_CNT; i < ARRAY_CNT(command); i++) {
		if (strncmp(command[i].name, cmd->name, cmd->name_len) == 0 &&
		    command[i].name[cmd->name_len] == '|') {
			*ret_first = cnt++ == 0 ? i : *ret_first;
		}
	}
	return cnt;
}

const struct gate_command *
gate_command_at(uint32_t idx)
{
	return idx < ARRAY_CNT(command) ? &command[idx] : NULL;
}

uint32_t
gate_command_cnt(void)
{
	return ARRAY_CNT(command);
}

uint32_t
gate_command_top_cnt(void)
{
	return TOP_CNT;
}

uint32_t
gate_command_idx(const struct gate_command *cmd)
{
	return (uint32_t)(cmd - command);
}

uint32_t
gate_key_next(const struct gate_command *cmd, const struct slice *arg, uint32_t arg_cnt,
	      uint32_t at)
{
	int64_t last = cmd->last < 0 ? (int64_t)arg_cnt + cmd->last : cmd->last;
	int64_t next = at == 0 ? cmd->first : (int64_t)at + cmd->step;

	if (cmd->first == 0) {
		return 0;
	}
	if (cmd->step != 0) {
		return next <= last && next < (int64_t)arg_cnt ? (uint32_t)next : 0;
	}
	if (at == 0 && last != 0) {
		return last < (int64_t)arg_cnt ? (uint32_t)last : 0;
	}
	if (cmd->first >= (int64_t)arg_cnt || !gate_word_i64(arg[cmd->first], &last)) {
		return 0;
	}
	next = MAX((int64_t)at, (int64_t)cmd->first) + 1;
	return next < (int64_t)arg_cnt && next - cmd->first <= last ? (uint32_t)next : 0;
}

uint32_t
gate_command_store_from(const struct gate_command *cmd)
{
	return cmd->run == cmd_sort                ? 2
	       : cmd->run == cmd_georadius         ? 6
	       : cmd->run == cmd_georadiusbymember ? 5
						   : 0;
}

uint32_t
gate_command_stores(const struct gate_command *cmd, const struct slice *arg, uint32_t arg_cnt,
		    uint32_t ret[2])
{
	uint32_t n = 0, store = 0, dist = 0;

	for (uint32_t i = gate_command_store_from(cmd); i != 0 && i + 1 < arg_cnt; i++) {
		if (gate_word_is(arg[i], "store") && (store == 0 || cmd->run == cmd_sort)) {
			store = ++i;
		} else if (cmd->run == cmd_sort) {
			i += gate_word_is(arg[i], "limit")
				     ? 2
				     : gate_word_is(arg[i], "by") || gate_word_is(arg[i], "get");
		} else if (gate_word_is(arg[i], "storedist") && dist == 0) {
			dist = ++i;
		}
	}
	if (store != 0) {
		ret[n++] = store;
	}
	if (dist != 0) {
		ret[n++] = dist;
	}
	return n;
}

bool
gate_bitfield_reads(const struct slice *arg, uint32_t arg_cnt)
{
	for (uint32_t i = 2; i < arg_cnt; i++) {
		uint32_t left = arg_cnt - i - 1;

		if (gate_word_is(arg[i], "get") && left >= 2) {
			i += 2;
		} else if (gate_word_is(arg[i], "overflow") && left >= 1) {
			i++;
		} else {
			return false;
		}
	}
	return true;
}

bool
gate_command_arity_wrong(const struct gate_command *cmd, uint32_t arg_cnt)
{
	return (cmd->arity > 0 && arg_cnt != (uint32_t)cmd->arity) ||
	       (cmd->arity < 0 && arg_cnt < (uint32_t)-cmd->arity);
}
