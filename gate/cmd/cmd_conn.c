/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_conn - commands on the connection itself */
#include <string.h>

#include <microburst/error.h>

#include "check.h"
#include "commands.h"
#include "gate_conn.h"
#include "gate_pause.h"
#include "gate_track.h"

#define VERSION_SPOKEN "7.0.15" /* of Redis: what its clients are to expect of us */

int
cmd_ping(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	if (arg_cnt > 2) {
		return gate_error(g, c, "ERR wrong number of arguments for 'ping' command");
	}
	if (c->proto == 2 && gate_listens(c)) {
		gate_array(g, c, 2);
		gate_bulk_str(g, c, "pong");
		gate_bulk(g, c, arg_cnt == 2 ? arg[1] : slice_of("", 0));
	} else if (arg_cnt == 2) {
		gate_bulk(g, c, arg[1]);
	} else {
		gate_simple(g, c, "PONG");
	}
	return GATE_DONE;
}

int
cmd_echo(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	gate_bulk(g, c, arg[1]);
	return GATE_DONE;
}

int
cmd_quit(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	gate_ok(g, c);
	c->last = true;
	return GATE_DONE;
}

int
cmd_select(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	int64_t n;

	if (!gate_word_i64(arg[1], &n)) {
		return gate_error(g, c, "ERR value is not an integer or out of range");
	}
	if (n < INT32_MIN || n > INT32_MAX) {
		return gate_error(g, c,
				  "ERR value is out of range, value must between -2147483648 and "
				  "2147483647");
	}
	if (n != 0) {
		return gate_error(g, c, "ERR DB index is out of range");
	}
	gate_ok(g, c);
	return GATE_DONE;
}

int
cmd_reset(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	gate_multi_drop(g, c);
	gate_subs_drop(g, c);
	gate_track_drop(g, c);
	gate_monitor_set(g, c, false);
	gate_push_drop(g, c);
	c->proto = 2;
	c->ack = 0;
	c->reply = c->reply == REPLY_SKIP ? REPLY_SKIP : REPLY_ON; /* its own may be skipped */
	c->further = 0;
	gate_login_default(g, c);
	if (c->name != NULL) {
		heap_free(g->heap, c->name, GATE_NAME_MAX);
		c->name = NULL;
	}
	gate_simple(g, c, "RESET");
	return GATE_DONE;
}

int
cmd_auth(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	if (arg_cnt > 3) {
		return gate_error(g, c, "ERR syntax error");
	}
	if (arg_cnt == 2 && g->user_default->acl.nopass) {
		return gate_error(g, c,
				  "ERR AUTH <password> called without any password configured for "
				  "the default user. Are you sure your configuration is correct?");
	}
	if (gate_auth(g, c, arg[0], arg_cnt == 3 ? arg[1] : slice_of("default", 7),
		      arg[arg_cnt - 1])) {
		gate_ok(g, c);
	}
	return GATE_DONE;
}

static bool
name_ok(struct slice name)
{
	for (size_t i = 0; i < name.len; i++) {
		if (name.p[i] < '!' || name.p[i] > '~') {
			return false;
		}
	}
	return name.len < GATE_NAME_MAX;
}

/* Returns: whether it could be set; else it is answered. */
bool
gate_conn_name(struct gate *g, struct gate_conn *c, struct slice name)
{
	if (!name_ok(name)) {
		gate_error(g, c,
			   "ERR Client names cannot contain spaces, newlines or special "
			   "characters.");
		return false;
	}
	if (c->name == NULL) {
		c->name = heap_alloc(g->heap, GATE_NAME_MAX);
		if (c->name == NULL) {
			gate_error_of(g, c, MB_ERR_NO_MEMORY);
			return false;
		}
	}
	memcpy(c->name, name.p != NULL ? name.p : (const uint8_t *)"", name.len);
	c->name[name.len] = '\0';
	return true;
}

int
cmd_hello(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	int64_t proto = c->proto;
	uint32_t i = 2;

	if (arg_cnt > 1 && !gate_word_i64(arg[1], &proto)) {
		return gate_error(g, c, "ERR Protocol version is not an integer or out of range");
	}
	if (proto < 2 || proto > 3) {
		return gate_error(g, c, "NOPROTO unsupported protocol version");
	}
	while (i < arg_cnt) {
		if (gate_word_is(arg[i], "auth") && i + 2 < arg_cnt) {
			if (!gate_auth(g, c, arg[0], arg[i + 1], arg[i + 2])) {
				return GATE_DONE;
			}
			i += 3;
		} else if (gate_word_is(arg[i], "setname") && i + 1 < arg_cnt && c->authed) {
			if (!gate_conn_name(g, c, arg[i + 1])) {
				return GATE_DONE;
			}
			i += 2;
		} else {
			return gate_error_f(g, c, "ERR Syntax error in HELLO option '%.*s'",
					    (int)MIN(arg[i].len, (size_t)32),
					    (const char *)arg[i].p);
		}
	}
	if (!c->authed) {
		return gate_error(g, c,
				  "NOAUTH HELLO must be called with the client already "
				  "authenticated, otherwise the HELLO AUTH <user> <pass> "
				  "option can be used to authenticate the client and select the "
				  "RESP protocol version at the same time");
	}
	c->proto = (uint8_t)proto;
	gate_map(g, c, 7);
	gate_bulk_str(g, c, "server");
	gate_bulk_str(g, c, "redis");
	gate_bulk_str(g, c, "version");
	gate_bulk_str(g, c, VERSION_SPOKEN);
	gate_bulk_str(g, c, "proto");
	gate_int(g, c, proto);
	gate_bulk_str(g, c, "id");
	gate_int(g, c, (int64_t)c->client_id);
	gate_bulk_str(g, c, "mode");
	gate_bulk_str(g, c, "standalone");
	gate_bulk_str(g, c, "role");
	gate_bulk_str(g, c, "master");
	gate_bulk_str(g, c, "modules");
	gate_array(g, c, 0);
	return GATE_DONE;
}
