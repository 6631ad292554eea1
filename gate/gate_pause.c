/* SPDX-License-Identifier: Apache-2.0 */
/* gate_pause - commands that wait for a while, and replies that nobody wants: CLIENT PAUSE, REPLY
 *
 * A command that is paused is not begun: its connection waits as for room, and looks again every
 * millisecond. Those of a transaction that runs already go on.
 */
#include <microburst/error.h>

#include "commands.h"
#include "gate_many.h"
#include "gate_pause.h"
#include "timebase.h"

/* Whether it may change something that others see. */
static bool
writes(const struct gate_conn *c, const struct gate_command *cmd)
{
	return (cmd->flags & CMD_WRITE) != 0 || cmd->run == cmd_publish ||
	       cmd->run == cmd_spublish ||
	       (cmd->run == cmd_exec && c->multi != NULL && c->multi->writes);
}

bool
gate_pause_holds(struct gate *g, struct gate_conn *c, const struct gate_command *cmd)
{
	if (g->now_ns >= g->pause_until_ns) {
		g->pause_until_ns = 0;
		g->pause_all = false;
	}
	c->halted = g->pause_until_ns != 0 && (c->multi == NULL || !c->multi->running) &&
		    (g->pause_all || writes(c, cmd));
	if (c->halted && gate_conn_over(c)) { /* N5: it will not be begun */
		c->last = true;
	} else if (c->halted) {
		gate_conn_starve(g, c);
	}
	return c->halted;
}

/* CLIENT PAUSE ms [ALL | WRITE]: of two the later end counts, and the one that holds more. */
int
gate_client_pause(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	bool all = arg_cnt == 3 || gate_word_is(arg[3], "all");
	const struct gate_ask *a;
	uint64_t until;
	int64_t ms;
	int rc;

	if (!all && !gate_word_is(arg[3], "write")) {
		return gate_error(g, c, "ERR CLIENT PAUSE mode must be WRITE or ALL");
	}
	if (!gate_word_i64(arg[2], &ms) || ms > (int64_t)(UINT64_MAX / 4 / NS_PER_MS)) {
		return gate_error(g, c, "ERR timeout is not an integer or out of range");
	}
	if (ms < 0) {
		return gate_error(g, c, "ERR timeout is negative");
	}
	/* The others send everybody home first: whom this holds up is asked here. */
	until = g->now_ns + (uint64_t)ms * NS_PER_MS;
	a = gate_ask_all(g, c, gate_part_stay_home, MAX(until, gate_stays_until(g)), NULL, 0, &rc);
	if (a == NULL) {
		return rc;
	}
	g->pause_until_ns = MAX(g->pause_until_ns, until);
	g->pause_all |= all;
	gate_ok(g, c);
	return GATE_DONE;
}

int
gate_client_unpause(struct gate *g, struct gate_conn *c)
{
	g->pause_until_ns = 0;
	g->pause_all = false;
	gate_stay_tell(g);
	gate_ok(g, c);
	return GATE_DONE;
}

/* ------------------------------------------------------------------------ replies
 *
 * Those that nobody wants are written to nowhere (gate_out.c); messages are no replies. SKIP is for
 * one command, which is not published together with others.
 */

int
gate_client_reply(struct gate *g, struct gate_conn *c, struct slice word)
{
	if (gate_word_is(word, "on")) {
		c->reply = REPLY_ON;
		gate_ok(g, c);
	} else if (gate_word_is(word, "off")) {
		c->reply = REPLY_OFF;
	} else if (gate_word_is(word, "skip")) {
		c->reply = c->reply == REPLY_OFF ? REPLY_OFF : REPLY_SKIP_NEXT;
	} else {
		return gate_error(g, c, "ERR syntax error");
	}
	return GATE_DONE;
}

bool
gate_reply_begin(struct gate_conn *c)
{
	if (c->reply == REPLY_SKIP_NEXT || c->reply == REPLY_SKIP) {
		if (gate_run_before(c)) {
			return false;
		}
		c->reply = REPLY_SKIP;
	}
	return true;
}

void
gate_command_end(struct gate_conn *c)
{
	/* A transaction is one command; those of CLIENT itself go by, as in Redis. */
	c->caching = c->caching && ((c->multi != NULL && c->multi->queueing) ||
				    (c->command != NULL && c->command->run == cmd_client));
	if (!gate_run_before(c)) { /* else its reply is not written yet */
		gate_reply_end(c);
	}
}
