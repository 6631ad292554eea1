/* SPDX-License-Identifier: Apache-2.0 */
/* gate_command_run - what is checked before a command runs, and running it */
#include <ctype.h>
#include <stdio.h>

#include <microburst/error.h>

#include "commands.h"
#include "gate_conn.h"
#include "gate_memory.h"
#include "gate_pause.h"
#include "log.h"
#include "timebase.h"

#define FOREIGN_LOG_NS (60 * NS_PER_S)
#define HELP_LINE_MAX  256

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
	char shown[160], name[GATE_COMMAND_NAME_MAX];
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

/* In the form of Redis's, but the words are the table's. */
static int
subs_help(struct gate *g, struct gate_conn *c, const struct gate_command *container)
{
	char line[HELP_LINE_MAX], name[GATE_COMMAND_NAME_MAX];
	uint32_t first = 0, cnt = gate_command_subs(container, &first);

	gate_array(g, c, 1 + 2 * (size_t)cnt);
	upper(name, container->name, container->name_len);
	snprintf(line, sizeof(line),
		 "%s <subcommand> [<arg> [value] [opt] ...]. Subcommands are:", name);
	gate_simple(g, c, line);
	for (uint32_t i = first; i < first + cnt; i++) {
		const struct gate_command *sub = gate_command_at(i);
		size_t skip = (size_t)container->name_len + 1;

		upper(name, sub->name + skip, sub->name_len - skip);
		snprintf(line, sizeof(line), "%s%s%s", name, sub->syntax[0] != '\0' ? " " : "",
			 sub->syntax);
		gate_simple(g, c, line);
		snprintf(line, sizeof(line), "    %s", sub->summary);
		gate_simple(g, c, line);
	}
	return GATE_DONE;
}

int
gate_sub_rest(struct gate *g, struct gate_conn *c, const struct slice *arg)
{
	const struct gate_command *container = gate_command_find(arg[0]);
	char name[GATE_COMMAND_NAME_MAX];

	if (gate_word_is(arg[1], "help")) {
		return subs_help(g, c, container);
	}
	upper(name, container->name, container->name_len);
	return gate_error_f(g, c,
			    "ERR unknown subcommand or wrong number of arguments for '%.*s'. "
			    "Try %s HELP.",
			    (int)MIN(arg[1].len, (size_t)128), (const char *)arg[1].p, name);
}

/* Not for who listens to all commands: Redis takes him for a replica, and says so. */
static bool
is_of_keys(const struct gate_command *cmd)
{
	return (cmd->flags & (CMD_WRITE | CMD_READONLY)) != 0 || cmd->run == cmd_publish ||
	       cmd->run == cmd_spublish;
}

bool
gate_command_wrong(struct gate *g, struct gate_conn *c, const struct gate_command *cmd,
		   const struct slice *arg, uint32_t arg_cnt)
{
	bool queueing = c->multi != NULL && c->multi->queueing;

	if (likely(cmd != NULL && !gate_command_arity_wrong(cmd, arg_cnt))) {
		if (likely(!c->monitor || !is_of_keys(cmd))) {
			return false;
		}
		gate_error(g, c, "ERR Replica can't interact with the keyspace");
		gate_rejected(g, c);
		return true;
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
	/* Not begun; EXEC's commands were looked at when it was. */
	bool fresh = !c->begun && !(cmd != NULL && cmd->run == cmd_exec && gate_multi_runs(c));

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
	if (unlikely(fresh && c->authed && !c->user->acl.full)) {
		int err = gate_acl_check(g, c, cmd, arg, arg_cnt);

		if (err != 0) {
			return err == MB_ERR_DENIED ? (int)GATE_DONE : (int)GATE_WAIT;
		}
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
	if (fresh) {
		int wrong = second_key_check(cmd, arg);

		if (unlikely(wrong != 0)) {
			return gate_run_before(c) ? (int)GATE_WAIT : gate_error_of(g, c, wrong);
		}
		c->begun = true;
		gate_stat_of(g, cmd)->calls++;
		if (unlikely(!LIST_EMPTY(&g->monitors)) &&
		    (cmd->run != cmd_exec || c->multi == NULL || !c->multi->queueing)) {
			gate_monitor_show(g, c, cmd, arg, arg_cnt);
		}
	}
	g->counts_looks = (cmd->flags & CMD_READONLY) != 0;
	return cmd->run(g, c, arg, arg_cnt);
}

/* A part of its reply is written, and it waits: of what is not out yet all can be taken back. In a
 * transaction nothing of it goes out before all of it is written (T3). */
static void
reply_begun(struct gate_conn *c, const struct gate_mark *begin)
{
	c->from = *begin;
	c->quiet |= gate_multi_runs(c);
}

int
gate_command_try(struct gate *g, struct gate_conn *c, const struct gate_command *cmd,
		 const struct slice *arg, uint32_t arg_cnt)
{
	bool exec = cmd != NULL && cmd->run == cmd_exec;
	const struct gate_conn *before = g->memory.at;
	struct gate_mark here = gate_out_mark(c), begin = c->from.set ? c->from : here;
	int rc;

	c->undoable = (!c->from.set || c->quiet) && (c->part == 0 || c->hole != NULL) &&
		      !(exec && gate_multi_runs(c));
	g->memory.at = c;
	rc = command_run(g, c, cmd, arg, arg_cnt);
	if (unlikely(c->unfit) && rc == GATE_DONE && c->part > 0 && c->hole != NULL && !c->cut) {
		c->unfit = false;
		c->cut = true; /* what is done is answered, which takes no memory */
		gate_out_back(g, c, &here);
		rc = command_run(g, c, cmd, arg, arg_cnt);
	}
	g->memory.at = before;
	c->undoable = false;
	if (unlikely(c->unfit) && rc == GATE_DONE) {
		c->unfit = false;
		gate_out_back(g, c, &begin);
		if (!exec && !gate_multi_runs(c) && c->part == 0 && gate_memory_waits(g, c)) {
			gate_conn_renew(g, c);
			c->begun = true; /* it was counted */
			gate_conn_starve(g, c);
			return GATE_WAIT; /* until there is room for it */
		}
		return gate_error_of(g, c, MB_ERR_NO_MEMORY);
	}
	if (unlikely(c->unfit) && rc != GATE_WAIT) { /* something is under way for it */
		gate_out_lost(c);
	}
	/* What is behind a hole is of this reply, whichever part comes next. */
	if (rc == GATE_WAIT && !exec &&
	    (c->hole != NULL ? c->part == 0 : c->out.bytes != begin.bytes)) {
		reply_begun(c, &begin);
	}
	return rc;
}
