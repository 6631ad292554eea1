/* SPDX-License-Identifier: Apache-2.0 */
/* gate_command - the table of commands, its index, and what is checked before any of them runs */
#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <microburst/error.h>

#include "commands.h"
#include "gate_memory.h"
#include "gate_pause.h"
#include "log.h"
#include "timebase.h"

#define FOREIGN_LOG_NS (60 * NS_PER_S)

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
#define COMMAND(text, fn, words, bits, at, to, by, of, from, what)                                 \
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
#define NAME_MAX_  31

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

	if (name.len == 0 || name.len > NAME_MAX_) {
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
	char name[NAME_MAX_];
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

static void
upper(char *ret, const char *name, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		ret[i] = (char)toupper((unsigned char)name[i]);
	}
	ret[len] = '\0';
}

/* Redis's own words, with the first words of the command, as far as they can be shown. */
static int
unknown(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	const struct gate_command *container = gate_command_find(arg[0]);
	char shown[160], name[NAME_MAX_ + 1];
	size_t len = 0;

	if (container != NULL) {
		upper(name, container->name, container->name_len);
		return gate_error_f(g, c, "ERR unknown subcommand '%.*s'. Try %s HELP.",
				    (int)MIN(arg[1].len, (size_t)128), (const char *)arg[1].p,
				    name);
	}
	shown[0] = '\0';
	for (uint32_t i = 1; i < arg_cnt && len < 128; i++) {
		len += (size_t)snprintf(shown + len, sizeof(shown) - len, "'%.*s' ",
					(int)MIN(arg[i].len, (size_t)(128 - len)),
					(const char *)arg[i].p);
		len = MIN(len, sizeof(shown) - 1);
	}
	return gate_error_f(g, c, "ERR unknown command '%.*s', with args beginning with: %s",
			    (int)MIN(arg[0].len, (size_t)128), (const char *)arg[0].p, shown);
}

/* A browser that somebody made send this by HTTP: none of what follows is run, least of all a body
 * that is commands. */
static bool
is_foreign(struct slice word)
{
	return gate_word_is(word, "post") || gate_word_is(word, "host:");
}

static void
foreign_cut(struct gate *g, struct gate_conn *c)
{
	char address[GATE_ADDRESS_MAX];

	c->last = true;
	if (g->foreign_ns == 0 || g->now_ns - g->foreign_ns > FOREIGN_LOG_NS) {
		g->foreign_ns = g->now_ns;
		gate_conn_address(g, c, address);
		log_at(LOG_WARN,
		       "%s sent POST or Host: to the gate, as somebody does who makes a browser "
		       "talk to Redis; it is closed, and the next ones for a minute without a word",
		       address);
	}
}

/* Redis's own lines, but one for each subcommand. */
static int
subs_help(struct gate *g, struct gate_conn *c, const struct gate_command *container)
{
	char line[128], name[NAME_MAX_ + 1];
	uint32_t first = 0, cnt = gate_command_subs(container, &first);

	gate_array(g, c, cnt + 1);
	upper(name, container->name, container->name_len);
	snprintf(line, sizeof(line),
		 "%s <subcommand> [<arg> [value] [opt] ...]. Subcommands are:", name);
	gate_simple(g, c, line);
	for (uint32_t i = first; i < first + cnt; i++) {
		size_t skip = (size_t)container->name_len + 1;

		upper(line, command[i].name + skip, command[i].name_len - skip);
		gate_simple(g, c, line);
	}
	return GATE_DONE;
}

int
gate_sub_rest(struct gate *g, struct gate_conn *c, const struct slice *arg)
{
	const struct gate_command *container = gate_command_find(arg[0]);
	char name[NAME_MAX_ + 1];

	if (gate_word_is(arg[1], "help")) {
		return subs_help(g, c, container);
	}
	upper(name, container->name, container->name_len);
	return gate_error_f(g, c,
			    "ERR unknown subcommand or wrong number of arguments for '%.*s'. "
			    "Try %s HELP.",
			    (int)MIN(arg[1].len, (size_t)128), (const char *)arg[1].p, name);
}

bool
gate_command_arity_wrong(const struct gate_command *cmd, uint32_t arg_cnt)
{
	return (cmd->arity > 0 && arg_cnt != (uint32_t)cmd->arity) ||
	       (cmd->arity < 0 && arg_cnt < (uint32_t)-cmd->arity);
}

bool
gate_command_wrong(struct gate *g, struct gate_conn *c, const struct gate_command *cmd,
		   const struct slice *arg, uint32_t arg_cnt)
{
	bool queueing = c->multi != NULL && c->multi->queueing;

	if (likely(cmd != NULL && !gate_command_arity_wrong(cmd, arg_cnt))) {
		return false;
	}
	if (cmd == NULL && is_foreign(arg[0])) {
		foreign_cut(g, c);
	} else if (cmd == NULL && !c->authed) {
		gate_error(g, c, "NOAUTH Authentication required.");
	} else if (cmd == NULL) {
		unknown(g, c, arg, arg_cnt);
	} else if (cmd->run == cmd_exec) {
		gate_multi_drop(g, c);
		gate_error_f(g, c,
			     "EXECABORT Transaction discarded because of: wrong number of "
			     "arguments for '%s' command",
			     cmd->name);
		gate_rejected(g, c);
		return true;
	} else {
		gate_error_f(g, c, "ERR wrong number of arguments for '%s' command", cmd->name);
		gate_rejected(g, c);
	}
	if (queueing) {
		c->multi->wrong = true;
	}
	return true;
}

/* Whether a command that moves something from its first key to its second can put it there: found
 * before it is taken away. Returns: 0, or an error. */
static int
second_key_check(const struct gate_command *cmd, const struct slice *arg)
{
	struct slice to;

	if (likely((cmd->flags & CMD_WRITE) == 0 || cmd->first == 0 ||
		   cmd->last != cmd->first + 1)) {
		return 0;
	}
	to = arg[cmd->last];
	return to.len == 0 || to.len > KEY_BYTES_MAX ? GATE_ERR_KEY
	       : key_is_system(to)                   ? MB_ERR_DENIED
						     : 0;
}

/* Checks a command's words and runs it; cmd NULL: an unknown one. */
static int
command_run(struct gate *g, struct gate_conn *c, const struct gate_command *cmd,
	    const struct slice *arg, uint32_t arg_cnt)
{
	if (unlikely(cmd == NULL || gate_command_arity_wrong(cmd, arg_cnt)) && gate_run_before(c)) {
		return GATE_WAIT;
	}
	if (gate_command_wrong(g, c, cmd, arg, arg_cnt)) {
		return GATE_DONE;
	}
	if (unlikely(!c->authed && (cmd->flags & CMD_NOAUTH) == 0)) {
		gate_error(g, c,
			   cmd->run == cmd_exec
				   ? "EXECABORT Transaction discarded because of: NOAUTH "
				     "Authentication required."
				   : "NOAUTH Authentication required.");
		return gate_rejected(g, c);
	}
	if (unlikely(c->proto == 2 && gate_listens(c) && (cmd->flags & CMD_PUBSUB) == 0 &&
		     !gate_multi_runs(c))) { /* those behind a SUBSCRIBE in it were let in */
		bool is_exec = cmd->run == cmd_exec;

		if (is_exec) {
			gate_multi_drop(g, c);
		}
		gate_error_f(g, c,
			     "%s Can't execute '%s': only (P|S)SUBSCRIBE / "
			     "(P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this "
			     "context",
			     is_exec ? "EXECABORT Transaction discarded because of:" : "ERR",
			     cmd->name);
		return gate_rejected(g, c);
	}
	if (unlikely(c->kicked)) {
		c->kicked = false;
		return gate_error(g, c, "UNBLOCKED client unblocked via CLIENT UNBLOCK");
	}
	if (unlikely(c->block_due_ns != 0) && c->part == 0 && gate_conn_over(c)) { /* N5 */
		c->last = true;
		return GATE_DONE;
	}
	if (unlikely(g->pause_until_ns != 0 || c->halted) && c->part == 0 &&
	    gate_pause_holds(g, c, cmd)) {
		return c->last ? (int)GATE_DONE : (int)GATE_WAIT;
	}
	if (!c->begun && !(cmd->run == cmd_exec && gate_multi_runs(c))) { /* it was, long ago */
		int wrong = second_key_check(cmd, arg);

		if (unlikely(wrong != 0)) {
			return gate_run_before(c) ? (int)GATE_WAIT : gate_error_of(g, c, wrong);
		}
		if (unlikely(c->authed && !c->user->acl.full)) {
			int err = gate_acl_check(g, c, cmd, arg, arg_cnt);

			if (err != 0) {
				return err == MB_ERR_DENIED ? (int)GATE_DONE : (int)GATE_WAIT;
			}
		}
		c->begun = true;
		gate_stat_of(g, cmd)->calls++;
		if (unlikely(!LIST_EMPTY(&g->monitors)) &&
		    (cmd->run != cmd_exec || c->multi == NULL || !c->multi->queueing)) {
			gate_monitor_show(g, c, cmd, arg, arg_cnt);
		}
	}
	return cmd->run(g, c, arg, arg_cnt);
}

int
gate_command_try(struct gate *g, struct gate_conn *c, const struct gate_command *cmd,
		 const struct slice *arg, uint32_t arg_cnt)
{
	bool within = c->undoable; /* of EXEC, whose own words are in memory */
	const struct gate_conn *before = g->memory.at;
	struct gate_mark mark = gate_out_mark(c);
	int rc;

	if (unlikely(c->unfit)) {
		return GATE_DONE;
	}
	c->undoable = !c->partial && (c->part == 0 || c->hole != NULL);
	g->memory.at = c;
	rc = command_run(g, c, cmd, arg, arg_cnt);
	if (unlikely(c->unfit) && rc == GATE_DONE && c->part > 0 && c->hole != NULL && !c->cut) {
		c->unfit = false;
		c->cut = true; /* what is done is answered, which takes no memory */
		gate_out_back(g, c, &mark);
		rc = command_run(g, c, cmd, arg, arg_cnt);
	}
	g->memory.at = before;
	c->undoable = within;
	if (unlikely(c->unfit) && rc == GATE_DONE) {
		c->unfit = false;
		gate_out_back(g, c, &mark);
		if (!within && c->part == 0 && gate_memory_waits(g, c)) {
			gate_conn_renew(g, c);
			c->begun = true; /* it was counted */
			gate_conn_starve(g, c);
			return GATE_WAIT; /* until there is room for it */
		}
		return gate_error_of(g, c, MB_ERR_NO_MEMORY);
	}
	if (unlikely(c->unfit)) { /* something is under way for it */
		gate_out_lost(c);
	}
	/* Of a transaction each command for itself. */
	c->partial |= rc == GATE_WAIT && c->out.bytes != mark.bytes && cmd->run != cmd_exec;
	return rc;
}

/* ------------------------------------------------------------------------ words */

bool
gate_word_is(struct slice word, const char *lower)
{
	for (size_t i = 0; i < word.len; i++) {
		if (lower[i] == '\0' || tolower(word.p[i]) != lower[i]) {
			return false;
		}
	}
	return lower[word.len] == '\0';
}

bool
gate_word_i64(struct slice word, int64_t *ret)
{
	bool minus = word.len > 0 && word.p[0] == '-';
	size_t i = minus;
	uint64_t n = 0;
	uint64_t most = minus ? (uint64_t)INT64_MAX + 1 : INT64_MAX;

	if (i == word.len || word.len - i > 19 || (word.p[i] == '0' && word.len > 1)) {
		return false;
	}
	for (; i < word.len; i++) {
		if (!isdigit(word.p[i])) {
			return false;
		}
		n = n * 10 + (uint64_t)(word.p[i] - '0');
	}
	if (n > most) {
		return false;
	}
	*ret = minus ? (int64_t)(0 - n) : (int64_t)n;
	return true;
}

bool
gate_word_f64(struct slice word, double *ret)
{
	char text[512], *end; /* the largest double written out has 309 digits */

	if (word.len == 0 || word.len >= sizeof(text) || isspace(word.p[0])) {
		return false;
	}
	memcpy(text, word.p, word.len);
	text[word.len] = '\0';
	errno = 0;
	*ret = strtod(text, &end);
	return end == text + word.len && !isnan(*ret) &&
	       (errno != ERANGE || (isfinite(*ret) && *ret != 0));
}

/* ------------------------------------------------------------------------ patterns */

/* One of [...]: where it ends, and whether it has the byte. */
static size_t
class_match(struct slice p, size_t i, uint8_t byte, bool *ret)
{
	bool negate = i < p.len && p.p[i] == '^', hit = false;

	i += negate;
	while (i < p.len && p.p[i] != ']') {
		if (p.p[i] == '\\' && i + 1 < p.len) {
			hit |= p.p[++i] == byte;
		} else if (i + 2 < p.len && p.p[i + 1] == '-') {
			uint8_t from = MIN(p.p[i], p.p[i + 2]), to = MAX(p.p[i], p.p[i + 2]);

			hit |= byte >= from && byte <= to;
			i += 2;
		} else {
			hit |= p.p[i] == byte;
		}
		i++;
	}
	*ret = hit != negate;
	return MIN(i + 1, p.len);
}

/* One step of the pattern against one byte. Returns: where the pattern goes on; 0: no match. */
static size_t
step_match(struct slice p, size_t i, uint8_t byte, bool any_case)
{
	bool hit;

	switch (p.p[i]) {
	case '?':
		return i + 1;
	case '[':
		i = class_match(p, i + 1, byte, &hit);
		return hit ? i : 0;
	case '\\':
		i += i + 1 < p.len;
		break;
	default:
		break;
	}
	hit = any_case ? tolower(p.p[i]) == tolower(byte) : p.p[i] == byte;
	return hit ? i + 1 : 0;
}

bool
gate_match(struct slice p, struct slice t, bool any_case)
{
	size_t i = 0, k = 0, star = SIZE_MAX, star_k = 0;

	/* The last star takes as little as it can, and more when the rest does not match: no
	 * pattern costs more than the product of the lengths. */
	while (k < t.len || i < p.len) {
		size_t next = 0;

		if (i < p.len && p.p[i] == '*') {
			star = i++;
			star_k = k;
			continue;
		}
		if (i < p.len && k < t.len) {
			next = step_match(p, i, t.p[k], any_case);
		}
		if (next != 0) {
			i = next;
			k++;
		} else if (star != SIZE_MAX && star_k < t.len) {
			i = star + 1;
			k = ++star_k;
		} else {
			return false;
		}
	}
	return true;
}

struct slice
gate_match_prefix(struct slice pattern)
{
	size_t i = 0;

	while (i < pattern.len && strchr("*?[\\", pattern.p[i]) == NULL) {
		i++;
	}
	return slice_of(pattern.p, MIN(i, (size_t)KEY_BYTES_MAX));
}
