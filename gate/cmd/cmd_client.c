/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_client - CLIENT: who is connected, and making some of them go */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <microburst/error.h>

#include "check.h"
#include "commands.h"
#include "gate_block.h"
#include "gate_conn.h"
#include "gate_many.h"
#include "gate_pause.h"
#include "gate_track.h"
#include "timebase.h"

/* ------------------------------------------------------------------------ lines */

static void
address_text(struct gate *g, const struct sockaddr_storage *sa, char ret[GATE_ADDRESS_MAX])
{
	char host[64] = "";
	int port = 0;

	if (sa->ss_family == AF_INET) {
		const struct sockaddr_in *in = (const struct sockaddr_in *)sa;

		inet_ntop(AF_INET, &in->sin_addr, host, sizeof(host));
		port = ntohs(in->sin_port);
	} else if (sa->ss_family == AF_INET6) {
		const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)sa;

		inet_ntop(AF_INET6, &in6->sin6_addr, host, sizeof(host));
		port = ntohs(in6->sin6_port);
	} else {
		snprintf(host, sizeof(host), "%.60s", g->cfg.socket);
	}
	snprintf(ret, GATE_ADDRESS_MAX, sa->ss_family == AF_INET6 ? "[%s]:%d" : "%s:%d", host,
		 port);
}

void
gate_conn_address(struct gate *g, const struct gate_conn *c, char ret[GATE_ADDRESS_MAX])
{
	struct sockaddr_storage sa = { 0 };
	socklen_t len = sizeof(sa);

	getpeername(stream_fd(g->stream, c->id), (struct sockaddr *)&sa, &len);
	address_text(g, &sa, ret);
}

static void
own_address(struct gate *g, const struct gate_conn *c, char ret[GATE_ADDRESS_MAX])
{
	struct sockaddr_storage sa = { 0 };
	socklen_t len = sizeof(sa);

	getsockname(stream_fd(g->stream, c->id), (struct sockaddr *)&sa, &len);
	address_text(g, &sa, ret);
}

size_t
gate_client_line(struct gate *g, const struct gate_conn *c, char ret[GATE_CLIENT_BYTES])
{
	char addr[GATE_ADDRESS_MAX], laddr[GATE_ADDRESS_MAX], flags[12];
	int n;

	gate_conn_address(g, c, addr);
	own_address(g, c, laddr);
	snprintf(flags, sizeof(flags), "%s%s%s%s%s%s", c->monitor ? "O" : "",
		 gate_listens(c) ? "P" : "", c->multi != NULL && c->multi->queueing ? "x" : "",
		 c->blocked ? "b" : "", c->track != 0 ? "t" : "",
		 (c->track & TRACK_BROKEN) != 0 ? "R" : "");
	n = snprintf(ret, GATE_CLIENT_BYTES,
		     "id=%llu addr=%s laddr=%s fd=%d name=%s age=%llu idle=%llu flags=%s db=0 "
		     "sub=%u psub=%u ssub=%u multi=%d qbuf=%u qbuf-free=%u argv-mem=0 multi-mem=%u "
		     "obl=%zu oll=0 omem=%zu tot-mem=%zu events=r cmd=%s user=%s redir=%lld "
		     "resp=%d\n",
		     (unsigned long long)c->client_id, addr, laddr, stream_fd(g->stream, c->id),
		     c->name != NULL ? c->name : "",
		     (unsigned long long)((g->now_ns - c->opened_ns) / NS_PER_S),
		     (unsigned long long)((g->now_ns - c->used_ns) / NS_PER_S),
		     flags[0] != '\0' ? flags : "N", c->sub_cnt[TOPIC_CHANNEL],
		     c->sub_cnt[TOPIC_PATTERN], c->sub_cnt[TOPIC_SHARD],
		     c->multi != NULL && c->multi->queueing ? (int)c->multi->cnt : -1, c->in_len,
		     c->in_cap - c->in_len, c->multi != NULL ? c->multi->text_cap : 0, c->out.bytes,
		     c->pushed.bytes,
		     sizeof(*c) + c->in_cap + c->out.bytes + c->pushed.bytes + c->sub_bytes,
		     c->command != NULL ? c->command->name : "NULL",
		     c->user != NULL ? c->user->acl.name : "(none)",
		     (long long)gate_track_redirect(c), c->proto);
	return (size_t)MIN(n, GATE_CLIENT_BYTES - 1);
}

/* ------------------------------------------------------------------------ filters */

static const char unknown_type[] = "ERR Unknown client type '%.*s'";

struct filter {
	const struct slice *ids; /* NULL: any */
	uint32_t id_cnt;
	struct slice addr, laddr, user, type; /* p NULL: any */
	bool me;                              /* who asks is meant too */
};

static bool
is_type(const struct gate_conn *c, struct slice type)
{
	return gate_word_is(type, gate_listens(c) ? "pubsub" : "normal");
}

static bool
type_ok(struct slice type)
{
	return gate_word_is(type, "normal") || gate_word_is(type, "pubsub") ||
	       gate_word_is(type, "master") || gate_word_is(type, "slave") ||
	       gate_word_is(type, "replica");
}

static bool
text_is(const char *text, struct slice want)
{
	return want.p == NULL || slice_eq(slice_of(text, strlen(text)), want);
}

static bool
is_meant(struct gate *g, const struct gate_conn *c, const struct filter *f)
{
	char addr[GATE_ADDRESS_MAX], laddr[GATE_ADDRESS_MAX];
	bool id_ok = f->ids == NULL;
	int64_t id;

	if (!c->used || stream_fd(g->stream, c->id) < 0) {
		return false;
	}
	for (uint32_t i = 0; i < f->id_cnt && !id_ok; i++) {
		id_ok = gate_word_i64(f->ids[i], &id) && id == (int64_t)c->client_id;
	}
	if (!id_ok || (f->type.p != NULL && !is_type(c, f->type))) {
		return false;
	}
	if (f->user.p != NULL && (c->user == NULL || !text_is(c->user->acl.name, f->user))) {
		return false;
	}
	if (f->addr.p != NULL || f->laddr.p != NULL) {
		gate_conn_address(g, c, addr);
		own_address(g, c, laddr);
		return text_is(addr, f->addr) && text_is(laddr, f->laddr);
	}
	return true;
}

/* Returns: whether the words are a filter. */
static bool
list_filter(const struct slice *arg, uint32_t arg_cnt, struct filter *ret)
{
	if (arg_cnt == 4 && gate_word_is(arg[2], "type")) {
		ret->type = arg[3];
	} else if (arg_cnt >= 4 && gate_word_is(arg[2], "id")) {
		ret->ids = arg + 3;
		ret->id_cnt = arg_cnt - 3;
	} else {
		return arg_cnt == 2;
	}
	return true;
}

static bool
part_list(struct gate *g, struct gate_ask *a)
{
	struct filter f = { 0 };
	char line[GATE_CLIENT_BYTES];

	list_filter(a->arg, a->arg_cnt, &f);
	for (uint32_t i = 0; i < g->cfg.conn_max; i++) {
		if (is_meant(g, &g->conn[i], &f)) {
			gate_ask_say(a, line, gate_client_line(g, &g->conn[i], line));
		}
	}
	return true;
}

static int
client_list(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	struct filter f = { 0 };
	struct gate_ask *a;
	int64_t id;
	int rc;

	if (!list_filter(arg, arg_cnt, &f)) {
		return gate_error(g, c, "ERR syntax error");
	}
	if (f.type.p != NULL && !type_ok(f.type)) {
		return gate_error_f(g, c, unknown_type, (int)MIN(f.type.len, (size_t)64),
				    (const char *)f.type.p);
	}
	for (uint32_t i = 0; i < f.id_cnt; i++) {
		if (!gate_word_i64(f.ids[i], &id)) {
			return gate_error(g, c, "ERR Invalid client ID");
		}
	}
	a = gate_ask_all(g, c, part_list, 0, arg, arg_cnt, &rc);
	if (a == NULL) {
		return rc;
	}
	gate_text(g, c, slice_of(a->text, a->text_len));
	return GATE_DONE;
}

/* ------------------------------------------------------------------------ going */

/* Returns: what is wrong with the filters; NULL: nothing. */
static const char *
kill_filters(const struct slice *arg, uint32_t arg_cnt, struct filter *ret)
{
	int64_t id;

	if (arg_cnt == 3) { /* as it was once: an address */
		ret->addr = arg[2];
		ret->me = true;
		return NULL;
	}
	for (uint32_t i = 2; i < arg_cnt; i += 2) {
		const struct slice *word = i + 1 < arg_cnt ? &arg[i + 1] : NULL;

		if (word != NULL && gate_word_is(arg[i], "id")) {
			if (!gate_word_i64(*word, &id) || id < 1) {
				return "ERR client-id should be greater than 0";
			}
			ret->ids = word;
			ret->id_cnt = 1;
		} else if (word != NULL && gate_word_is(arg[i], "addr")) {
			ret->addr = *word;
		} else if (word != NULL && gate_word_is(arg[i], "laddr")) {
			ret->laddr = *word;
		} else if (word != NULL && gate_word_is(arg[i], "user")) {
			ret->user = *word;
		} else if (word != NULL && gate_word_is(arg[i], "type")) {
			ret->type = *word;
			if (!type_ok(*word)) {
				return unknown_type;
			}
		} else if (word != NULL && gate_word_is(arg[i], "skipme") &&
			   (gate_word_is(*word, "yes") || gate_word_is(*word, "no"))) {
			ret->me = gate_word_is(*word, "no");
		} else {
			return "ERR syntax error";
		}
	}
	return NULL;
}

/* Who asks has the id n. */
static bool
part_kill(struct gate *g, struct gate_ask *a)
{
	struct filter f = { 0 };

	(void)kill_filters(a->arg, a->arg_cnt, &f);
	for (uint32_t i = 0; i < g->cfg.conn_max; i++) {
		struct gate_conn *o = &g->conn[i];
		bool me = o->client_id == a->n;

		if ((me && !f.me) || o->closing || !is_meant(g, o, &f)) {
			continue;
		}
		a->cnt++;
		if (!me) { /* who asks goes with its reply */
			gate_conn_close(g, o);
		}
	}
	return true;
}

static int
client_kill(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	struct filter f = { 0 };
	const char *wrong = kill_filters(arg, arg_cnt, &f);
	struct gate_ask *a;
	int rc;

	if (wrong == NULL && f.user.p != NULL && gate_user_find(g, f.user) == NULL) {
		return gate_error_f(g, c, "ERR No such user '%.*s'",
				    (int)MIN(f.user.len, (size_t)64), (const char *)f.user.p);
	}
	if (wrong == unknown_type) {
		return gate_error_f(g, c, unknown_type, (int)MIN(f.type.len, (size_t)64),
				    (const char *)f.type.p);
	}
	if (wrong != NULL) {
		return gate_error(g, c, wrong);
	}
	a = gate_ask_all(g, c, part_kill, c->client_id, arg, arg_cnt, &rc);
	if (a == NULL) {
		return rc;
	}
	if (arg_cnt != 3) {
		gate_int(g, c, a->cnt);
	} else if (a->cnt > 0) {
		gate_ok(g, c);
	} else {
		return gate_error(g, c, "ERR No such client");
	}
	c->last |= f.me && is_meant(g, c, &f);
	return GATE_DONE;
}

/* CLIENT UNBLOCK id [TIMEOUT | ERROR]: its wait is over, as if its time were. */
static int
client_unblock(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	bool error = arg_cnt == 4 && gate_word_is(arg[3], "error");
	struct filter f = { .ids = &arg[2], .id_cnt = 1 };
	int64_t id;

	if (!gate_word_i64(arg[2], &id)) {
		return gate_error(g, c, "ERR value is not an integer or out of range");
	}
	if (arg_cnt == 4 && !error && !gate_word_is(arg[3], "timeout")) {
		return gate_error(g, c, "ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR");
	}
	for (uint32_t i = 0; i < g->cfg.conn_max; i++) {
		struct gate_conn *o = &g->conn[i];

		if (is_meant(g, o, &f) && o->blocked) {
			o->timed_out = true;
			o->kicked = error;
			gate_unblock(g, o);
			gate_conn_ready(g, o);
			gate_int(g, c, 1);
			return GATE_DONE;
		}
	}
	gate_int(g, c, 0);
	return GATE_DONE;
}

int
cmd_client(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	char line[GATE_CLIENT_BYTES];

	if (gate_word_is(arg[1], "id") && arg_cnt == 2) {
		gate_int(g, c, (int64_t)c->client_id);
	} else if (gate_word_is(arg[1], "info") && arg_cnt == 2) {
		gate_text(g, c, slice_of(line, gate_client_line(g, c, line)));
	} else if (gate_word_is(arg[1], "list")) {
		return client_list(g, c, arg, arg_cnt);
	} else if (gate_word_is(arg[1], "kill") && arg_cnt >= 3) {
		return client_kill(g, c, arg, arg_cnt);
	} else if (gate_word_is(arg[1], "pause") && (arg_cnt == 3 || arg_cnt == 4)) {
		return gate_client_pause(g, c, arg, arg_cnt);
	} else if (gate_word_is(arg[1], "unpause") && arg_cnt == 2) {
		return gate_client_unpause(g, c);
	} else if (gate_word_is(arg[1], "tracking") && arg_cnt >= 3) {
		return gate_client_tracking(g, c, arg, arg_cnt);
	} else if (gate_word_is(arg[1], "caching") && arg_cnt == 3) {
		return gate_client_caching(g, c, arg[2]);
	} else if (gate_word_is(arg[1], "trackinginfo") && arg_cnt == 2) {
		return gate_client_tracking_info(g, c);
	} else if (gate_word_is(arg[1], "getredir") && arg_cnt == 2) {
		gate_int(g, c, gate_track_redirect(c));
	} else if (gate_word_is(arg[1], "reply") && arg_cnt == 3) {
		return gate_client_reply(g, c, arg[2]);
	} else if (gate_word_is(arg[1], "unblock") && (arg_cnt == 3 || arg_cnt == 4)) {
		return client_unblock(g, c, arg, arg_cnt);
	} else if (gate_word_is(arg[1], "getname") && arg_cnt == 2) {
		if (c->name != NULL && c->name[0] != '\0') {
			gate_bulk_str(g, c, c->name);
		} else {
			gate_null(g, c);
		}
	} else if (gate_word_is(arg[1], "setname") && arg_cnt == 3) {
		if (gate_conn_name(g, c, arg[2])) {
			gate_ok(g, c);
		}
	} else if (gate_word_is(arg[1], "setinfo") && arg_cnt == 4) {
		gate_ok(g, c);
	} else if (gate_word_is(arg[1], "no-evict") || gate_word_is(arg[1], "no-touch")) {
		if (!gate_word_is(arg[2], "on") && !gate_word_is(arg[2], "off")) {
			return gate_error(g, c, "ERR syntax error");
		}
		gate_ok(g, c);
	} else {
		return gate_sub_rest(g, c, arg);
	}
	return GATE_DONE;
}
