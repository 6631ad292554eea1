/* SPDX-License-Identifier: Apache-2.0 */
/* gate_users - the users of a gate, who is logged in as whom, and what was refused to whom
 *
 * There is always a user `default`: who has not said AUTH is this one, unless it has a password or
 * is off. Others come from the file gate.users and from ACL SETUSER; what ACL changes is forgotten
 * at the node's end.
 *
 *   L1  A connection's user is in the list, or it has none (c->authed false).
 *   L2  A user who may everything costs a look at one word a command (acl_user.full).
 *   L3  What is taken from a user is taken at once: the connections of one that is removed end,
 *       waiting or not, and those that listen to what he may hear no more. All of them are at home:
 *       other gates have only those that are logged in as `default` and listen to nothing.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <microburst/error.h>

#include "check.h"
#include "commands.h"
#include "log.h"
#include "timebase.h"

#define USERS_FILE_MAX (1u << 20)
#define LOG_SAME_S     60 /* what is refused again within that counts as one */

/* ------------------------------------------------------------------------ the list */

struct gate_user *
gate_user_find(struct gate *g, struct slice name)
{
	struct gate_user *u;

	LIST_FOREACH(u, &g->users, next)
	{
		if (slice_eq(slice_of(u->acl.name, strlen(u->acl.name)), name)) {
			return u;
		}
	}
	return NULL;
}

struct gate_user *
gate_user_put(struct gate *g, const struct acl_user *acl)
{
	struct gate_user *u = gate_user_find(g, slice_of(acl->name, strlen(acl->name)));

	if (u == NULL) {
		u = heap_alloc(g->heap, sizeof(*u));
		if (u == NULL) {
			return NULL;
		}
		LIST_INSERT_HEAD(&g->users, u, next);
		g->user_cnt++;
	}
	u->acl = *acl;
	return u;
}

static void
logout(struct gate_conn *c)
{
	c->user = NULL;
	c->authed = false;
	c->parser.limited = true;
}

void
gate_user_remove(struct gate *g, struct gate_user *u, const struct gate_conn *asks)
{
	for (uint32_t i = 0; i < g->cfg.conn_max; i++) {
		struct gate_conn *c = &g->conn[i];

		if (c->used && c->user == u) {
			logout(c);
			if (c == asks) {
				c->last = true;
			} else {
				gate_conn_close(g, c);
			}
		}
	}
	LIST_REMOVE(u, next);
	g->user_cnt--;
	heap_free(g->heap, u, sizeof(*u));
}

static bool
hears_too_much(const struct gate_conn *c)
{
	const struct gate_sub *s;

	LIST_FOREACH(s, &c->subs, next_of_conn)
	{
		const struct gate_topic *t = s->topic;

		if (!acl_channel_ok(&c->user->acl, slice_of(t->name, t->len),
				    t->kind == TOPIC_PATTERN)) {
			return true;
		}
	}
	return false;
}

bool
gate_user_narrowed(struct gate *g, const struct gate_user *u, const struct acl_user *before,
		   const struct gate_conn *asks)
{
	bool itself = false;

	if (acl_channels_kept(before, &u->acl)) {
		return false;
	}
	for (uint32_t i = 0; i < g->cfg.conn_max; i++) {
		struct gate_conn *c = &g->conn[i];

		if (!c->used || c->user != u || !hears_too_much(c)) {
			continue;
		}
		if (c == asks) {
			itself = true;
		} else {
			gate_conn_close(g, c);
		}
	}
	return itself;
}

static int
line_take(struct gate *g, struct slice line, char why[ACL_WHY_BYTES])
{
	struct acl_user acl;
	size_t i = 0, from;
	int err;

	while (i < line.len && isspace(line.p[i])) {
		i++;
	}
	if (i == line.len || line.p[i] == '#') {
		return 0;
	}
	if (line.len - i < 5 || memcmp(line.p + i, "user ", 5) != 0) {
		snprintf(why, ACL_WHY_BYTES, "A line begins with 'user NAME'");
		return MB_ERR_INVALID;
	}
	from = i += 5;
	for (; i < line.len && !isspace(line.p[i]); i++) {
	}
	if (!acl_user_init(&acl, slice_of(line.p + from, i - from))) {
		snprintf(why, ACL_WHY_BYTES, "That is no name of a user");
		return MB_ERR_INVALID;
	}
	err = acl_rules(&acl, slice_of(line.p + i, line.len - i), why);
	if (err == 0 && gate_user_put(g, &acl) == NULL) {
		snprintf(why, ACL_WHY_BYTES, "gate.memory has no room for so many users");
		err = MB_ERR_NO_MEMORY;
	}
	return err;
}

/* Takes lines of "user NAME RULE ...". Returns: 0; an error, its line, and why. */
static int
users_text(struct gate *g, struct slice text, uint32_t *ret_line, char why[ACL_WHY_BYTES])
{
	size_t from = 0;
	int err = 0;

	*ret_line = 0;
	while (err == 0 && from < text.len) {
		const uint8_t *end = memchr(text.p + from, '\n', text.len - from);
		size_t len = end != NULL ? (size_t)(end - text.p) - from : text.len - from;

		++*ret_line;
		err = line_take(g, slice_of(text.p + from, len), why);
		from += len + 1;
	}
	return err;
}

static int
file_take(struct gate *g, const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	char why[ACL_WHY_BYTES] = "";
	struct stat st = { 0 };
	uint32_t line = 0;
	uint8_t *p = NULL;
	int err = 0;

	if (fd < 0 || fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || st.st_size > USERS_FILE_MAX) {
		log_at(LOG_ERROR, "gate.users: %s cannot be read, or is no file of up to 1 MiB: %s",
		       path, strerror(errno));
		err = MB_ERR_INVALID;
	}
	if (err == 0) {
		p = heap_alloc(g->heap, USERS_FILE_MAX);
		err = p != NULL ? 0 : MB_ERR_NO_MEMORY;
	}
	if (err == 0 && read(fd, p, (size_t)st.st_size) != st.st_size) {
		err = MB_ERR_IO;
	}
	if (err == 0) {
		err = users_text(g, slice_of(p, (size_t)st.st_size), &line, why);
		if (err != 0) {
			log_at(LOG_ERROR, "gate.users: %s:%u: %s", path, line, why);
		}
	}
	if (p != NULL) {
		heap_free(g->heap, p, USERS_FILE_MAX);
	}
	if (fd >= 0) {
		close(fd);
	}
	return err;
}

int
gate_users_init(struct gate *g)
{
	const char *password = g->cfg.password;
	struct acl_user acl;
	char why[ACL_WHY_BYTES];
	int err;

	(void)acl_user_init(&acl, slice_of("default", 7));
	err = acl_rules(&acl, slice_of("on nopass ~* &* +@all", 21), why);
	REQUIRE(err == 0);
	if (password[0] != '\0') {
		char rule[512];
		int len = snprintf(rule, sizeof(rule), ">%s", password);

		err = acl_rule(&acl, slice_of(rule, (size_t)len), why);
		REQUIRE(err == 0);
	}
	g->user_default = gate_user_put(g, &acl);
	if (g->user_default == NULL) {
		return MB_ERR_NO_MEMORY;
	}
	return g->cfg.users[0] != '\0' ? file_take(g, g->cfg.users) : 0;
}

/* ------------------------------------------------------------------------ refusals */

static void
text_of(char *ret, size_t cap, struct slice text)
{
	size_t n = MIN(text.len, cap - 1);

	if (n != 0) {
		memcpy(ret, text.p, n);
	}
	ret[n] = '\0';
}

/* Remembers what was not allowed. */
static void
refused(struct gate *g, struct gate_conn *c, const char *reason, struct slice name,
	struct slice object)
{
	uint64_t us = timebase_wall_us(timebase_real());
	struct gate_refusal want = { .reason = reason, .first_us = us, .cnt = 1 }, *r;
	size_t len;

	text_of(want.user, sizeof(want.user), name);
	text_of(want.object, sizeof(want.object), object);
	want.context = c->multi != NULL && c->multi->queueing ? "multi" : "toplevel";
	for (uint32_t i = 0; i < GATE_REFUSAL_CNT; i++) {
		r = &g->refusal[i];
		if (r->cnt > 0 && r->reason == reason && strcmp(r->user, want.user) == 0 &&
		    strcmp(r->object, want.object) == 0 &&
		    us - r->last_us < LOG_SAME_S * US_PER_S) {
			r->cnt++;
			r->last_us = us;
			return;
		}
	}
	r = &g->refusal[g->refusal_seq % GATE_REFUSAL_CNT];
	want.id = g->refusal_seq++;
	want.last_us = us;
	len = gate_client_line(g, c, want.client);
	want.client[len - 1] = '\0'; /* not the end of its line */
	*r = want;
}

/* ------------------------------------------------------------------------ logging in */

static void
login(struct gate_conn *c, struct gate_user *u)
{
	c->user = u;
	c->authed = true;
	c->parser.limited = false;
}

void
gate_login_default(struct gate *g, struct gate_conn *c)
{
	if (gate_user_open(g->user_default)) {
		login(c, g->user_default);
	} else {
		logout(c);
	}
}

bool
gate_auth(struct gate *g, struct gate_conn *c, struct slice word, struct slice name,
	  struct slice password)
{
	struct gate_user *u = gate_user_find(g, name);
	/* Nobody learns from the time whether there is such a user. */
	bool ok = acl_password_ok(u != NULL ? &u->acl : &g->user_default->acl, password);

	if (u != NULL && ok) {
		login(c, u);
		return true;
	}
	refused(g, c, "auth", name, word);
	gate_error(g, c, "WRONGPASS invalid username-password pair or user is disabled.");
	return false;
}

/* ------------------------------------------------------------------------ rights */

#define KEY_REFUSED                                                                                \
	"NOPERM this user has no permissions to access one of the keys used as arguments"

/* What a command does to the key at a place. */
static unsigned int
rights_of(const struct gate_command *cmd, const struct slice *arg, uint32_t arg_cnt, uint32_t at)
{
	const int16_t to =
		(cmd->flags & CMD_TO_LAST) != 0 || cmd->step == 0 ? cmd->last : cmd->first;

	if ((cmd->flags & CMD_WRITE) == 0 || gate_command_store_from(cmd) != 0 ||
	    (cmd->run == cmd_bitfield && gate_bitfield_reads(arg, arg_cnt))) {
		return ACL_READ;
	}
	if ((cmd->flags & (CMD_TO_FIRST | CMD_TO_LAST)) != 0) {
		bool moves = (cmd->flags & CMD_TO_LAST) != 0 && cmd->run != cmd_copy;

		return (int64_t)at == to ? ACL_WRITE : moves ? ACL_READ | ACL_WRITE : ACL_READ;
	}
	if ((cmd->flags & CMD_RUN) == 0 || (cmd->flags & CMD_SHOWS) != 0) {
		return ACL_READ | ACL_WRITE;
	}
	for (uint32_t i = 3; cmd->run == cmd_set && i < arg_cnt; i++) {
		if (gate_word_is(arg[i], "get")) {
			return ACL_READ | ACL_WRITE;
		}
	}
	return ACL_WRITE;
}

/* The channel that the user may not use; p NULL: there is none. */
static struct slice
channel_refused(const struct acl_user *u, const struct gate_command *cmd, const struct slice *arg,
		uint32_t arg_cnt)
{
	bool publish = cmd->run == cmd_publish || cmd->run == cmd_spublish;
	bool is_pattern = cmd->run == cmd_psubscribe;

	if (!publish && !is_pattern && cmd->run != cmd_subscribe && cmd->run != cmd_ssubscribe) {
		return slice_of(NULL, 0);
	}
	for (uint32_t i = 1; i < (publish ? 2 : arg_cnt); i++) {
		if (!acl_channel_ok(u, arg[i], is_pattern)) {
			return arg[i];
		}
	}
	return slice_of(NULL, 0);
}

static struct slice
key_refused(const struct acl_user *u, const struct gate_command *cmd, const struct slice *arg,
	    uint32_t arg_cnt)
{
	uint32_t store[2], store_cnt;

	if (strcmp(cmd->group, "pubsub") == 0) {
		return slice_of(NULL, 0);
	}
	for (uint32_t at = gate_key_next(cmd, arg, arg_cnt, 0); at != 0;
	     at = gate_key_next(cmd, arg, arg_cnt, at)) {
		if (!acl_key_ok(u, arg[at], rights_of(cmd, arg, arg_cnt, at))) {
			return arg[at];
		}
	}
	store_cnt = gate_command_stores(cmd, arg, arg_cnt, store);
	for (uint32_t i = 0; i < store_cnt; i++) { /* the command asks for those it really takes */
		if (!acl_key_ok(u, arg[store[i]], ACL_WRITE)) {
			return arg[store[i]];
		}
	}
	return slice_of(NULL, 0);
}

bool
gate_key_may(struct gate *g, struct gate_conn *c, struct slice key, unsigned int rights)
{
	const struct acl_user *u = &c->user->acl;

	if (u->full || acl_key_ok(u, key, rights)) {
		return true;
	}
	refused(g, c, "key", slice_of(u->name, strlen(u->name)), key);
	gate_error(g, c, KEY_REFUSED);
	return false;
}

const char *
gate_acl_refusal(const struct acl_user *u, const struct gate_command *cmd, const struct slice *arg,
		 uint32_t arg_cnt, struct slice *ret_object)
{
	struct slice object = slice_of(NULL, 0);
	const char *reason = "command";

	if ((cmd->flags & CMD_NOAUTH) != 0) {
		return NULL;
	}
	if (!acl_command_ok(u, gate_command_idx(cmd))) {
		object = slice_of(cmd->name, cmd->name_len);
	}
	if (object.p == NULL) {
		reason = "channel";
		object = channel_refused(u, cmd, arg, arg_cnt);
	}
	if (object.p == NULL) {
		reason = "key";
		object = key_refused(u, cmd, arg, arg_cnt);
	}
	*ret_object = object;
	return object.p != NULL ? reason : NULL;
}

static void
refusal_say(struct gate *g, struct gate_conn *c, const struct gate_command *cmd, const char *reason)
{
	bool key = strcmp(reason, "key") == 0, channel = strcmp(reason, "channel") == 0;

	if (gate_multi_runs(c)) { /* it might when it was kept */
		gate_error_f(g, c,
			     "NOPERM ACLs rules changed between the moment the transaction was "
			     "accumulated and the EXEC call. This command is no longer allowed for "
			     "the following reason: no permission to %s",
			     key       ? "touch the specified keys"
			     : channel ? "access one of the channels used as arguments"
				       : "execute the command or subcommand");
	} else if (key) {
		gate_error(g, c, KEY_REFUSED);
	} else if (channel) {
		gate_error(g, c,
			   "NOPERM this user has no permissions to access one of the channels used "
			   "as arguments");
	} else if (cmd->run == cmd_exec) {
		gate_multi_drop(g, c);
		gate_error(g, c,
			   "EXECABORT Transaction discarded because of: NOPERM this user has no "
			   "permissions to run the 'exec' command");
	} else {
		gate_error_f(g, c, "NOPERM this user has no permissions to run the '%s' command",
			     cmd->name);
	}
}

int
gate_acl_check(struct gate *g, struct gate_conn *c, const struct gate_command *cmd,
	       const struct slice *arg, uint32_t arg_cnt)
{
	const struct acl_user *u = &c->user->acl;
	struct slice object;
	const char *reason = gate_acl_refusal(u, cmd, arg, arg_cnt, &object);

	if (reason == NULL) {
		return 0;
	}
	if (gate_run_before(c)) { /* a refusal comes behind their answers */
		return MB_ERR_TRYAGAIN;
	}
	refused(g, c, reason, slice_of(u->name, strlen(u->name)), object);
	refusal_say(g, c, cmd, reason);
	gate_rejected(g, c);
	return MB_ERR_DENIED;
}
