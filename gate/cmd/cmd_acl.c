/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_acl - ACL: users, and what they may */
#include <stdio.h>
#include <string.h>

#include <sodium.h>

#include <microburst/error.h>

#include "check.h"
#include "commands.h"
#include "gate_many.h"
#include "timebase.h"

#define GENPASS_BITS 256
#define GENPASS_MAX  4096
#define LOG_SHOWN    10

static struct slice
name_of(const struct acl_user *u)
{
	return slice_of(u->name, strlen(u->name));
}

/* ------------------------------------------------------------------------ users */

/* Connections at other gates may do everything: as long as that is so. c->step: its own is closed
 * behind the reply. */
static int
setuser_told(struct gate *g, struct gate_conn *c)
{
	int rc;

	if (gate_ask_all(g, c, gate_part_come_home, 0, NULL, 0, &rc) == NULL) {
		return rc;
	}
	gate_ok(g, c);
	c->last |= c->step != 0;
	return GATE_DONE;
}

static int
acl_setuser(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	struct gate_user *u = gate_user_find(g, arg[2]);
	char why[ACL_WHY_BYTES] = "";
	struct acl_user acl, before;

	if (c->ask != NULL) { /* it is done, and the other gates are being told */
		return setuser_told(g, c);
	}
	if (u != NULL) {
		acl = u->acl;
	} else if (!acl_user_init(&acl, arg[2])) {
		return gate_error_f(g, c,
				    "ERR a user's name has 1 to %d printable characters and no "
				    "spaces",
				    ACL_NAME_MAX - 1);
	}
	if (u == NULL && g->user_cnt == GATE_USER_MAX) {
		return gate_error_f(g, c, "ERR a node has at most %d users", GATE_USER_MAX);
	}
	for (uint32_t i = 3; i < arg_cnt; i++) {
		if (acl_rule(&acl, arg[i], why) != 0) {
			bool secret = arg[i].len > 0 && strchr("><", arg[i].p[0]) != NULL;

			return gate_error_f(g, c, "ERR Error in ACL SETUSER modifier '%.*s': %s",
					    secret ? 1 : (int)MIN(arg[i].len, (size_t)128),
					    (const char *)arg[i].p, why);
		}
	}
	before = u != NULL ? u->acl : acl;
	u = gate_user_put(g, &acl);
	if (u == NULL) {
		return gate_error_of(g, c, MB_ERR_NO_MEMORY);
	}
	c->step = gate_user_narrowed(g, u, &before, c);
	return setuser_told(g, c);
}

static int
acl_deluser(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	int64_t cnt = 0;

	for (uint32_t i = 2; i < arg_cnt; i++) {
		if (slice_eq(arg[i], name_of(&g->user_default->acl))) {
			return gate_error(g, c, "ERR The 'default' user cannot be removed");
		}
	}
	for (uint32_t i = 2; i < arg_cnt; i++) {
		struct gate_user *u = gate_user_find(g, arg[i]);

		if (u != NULL) {
			gate_user_remove(g, u, c);
			cnt++;
		}
	}
	gate_int(g, c, cnt);
	return GATE_DONE;
}

static void
flags_reply(struct gate *g, struct gate_conn *c, const struct acl_user *u)
{
	gate_set(g, c, 1 + (size_t)u->nopass);
	gate_bulk_str(g, c, u->on ? "on" : "off");
	if (u->nopass) {
		gate_bulk_str(g, c, "nopass");
	}
}

static int
acl_getuser(struct gate *g, struct gate_conn *c, struct slice name)
{
	const struct gate_user *found = gate_user_find(g, name);
	const struct acl_user *u;
	char hash[2 * ACL_HASH_BYTES + 1], *text;

	if (found == NULL) {
		gate_null(g, c);
		return GATE_DONE;
	}
	if (!gate_conn_keep(g, c, ACL_TEXT_BYTES)) {
		return gate_error_of(g, c, MB_ERR_NO_MEMORY);
	}
	u = &found->acl;
	text = (char *)c->keep;
	gate_map(g, c, 6);
	gate_bulk_str(g, c, "flags");
	flags_reply(g, c, u);
	gate_bulk_str(g, c, "passwords");
	gate_array(g, c, u->hash_cnt);
	for (uint32_t i = 0; i < u->hash_cnt; i++) {
		acl_hash_text(u->hash[i], hash);
		gate_bulk_str(g, c, hash);
	}
	gate_bulk_str(g, c, "commands");
	gate_bulk(g, c, slice_of(text, acl_commands_text(u, text, ACL_TEXT_BYTES)));
	gate_bulk_str(g, c, "keys");
	gate_bulk(g, c, slice_of(text, acl_patterns_text(u, false, text, ACL_TEXT_BYTES)));
	gate_bulk_str(g, c, "channels");
	gate_bulk(g, c, slice_of(text, acl_patterns_text(u, true, text, ACL_TEXT_BYTES)));
	gate_bulk_str(g, c, "selectors");
	gate_array(g, c, 0);
	return GATE_DONE;
}

static int
acl_list(struct gate *g, struct gate_conn *c, bool names)
{
	const struct gate_user *u;

	if (!gate_conn_keep(g, c, ACL_TEXT_BYTES)) {
		return gate_error_of(g, c, MB_ERR_NO_MEMORY);
	}
	gate_array(g, c, g->user_cnt);
	LIST_FOREACH(u, &g->users, next)
	{
		char *text = (char *)c->keep;

		if (names) {
			gate_bulk(g, c, name_of(&u->acl));
		} else {
			gate_bulk(g, c,
				  slice_of(text, acl_user_text(&u->acl, text, ACL_TEXT_BYTES)));
		}
	}
	return GATE_DONE;
}

/* ACL DRYRUN user command ...: what would be said, as that user. */
static int
acl_dryrun(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	const struct gate_user *u = gate_user_find(g, arg[2]);
	const struct gate_command *cmd = gate_command_of(arg + 3, arg_cnt - 3);
	char text[ACL_WHY_BYTES + 64];
	const char *reason;
	struct slice object;

	if (u == NULL) {
		return gate_error_f(g, c, "ERR User '%.*s' not found",
				    (int)MIN(arg[2].len, (size_t)64), (const char *)arg[2].p);
	}
	if (cmd == NULL) {
		return gate_error_f(g, c, "ERR Command '%.*s' not found",
				    (int)MIN(arg[3].len, (size_t)64), (const char *)arg[3].p);
	}
	if (gate_command_arity_wrong(cmd, arg_cnt - 3)) {
		return gate_error_f(g, c, "ERR wrong number of arguments for '%s' command",
				    cmd->name);
	}
	reason = gate_acl_refusal(&u->acl, cmd, arg + 3, arg_cnt - 3, &object);
	if (reason == NULL) {
		gate_ok(g, c);
		return GATE_DONE;
	}
	snprintf(text, sizeof(text), "This user has no permissions to %s the '%.*s' %s",
		 strcmp(reason, "command") == 0 ? "run" : "access",
		 (int)MIN(object.len, (size_t)ACL_WHY_BYTES), (const char *)object.p, reason);
	gate_bulk_str(g, c, text);
	return GATE_DONE;
}

/* ------------------------------------------------------------------------ LOG */

static void
refusal_reply(struct gate *g, struct gate_conn *c, const struct gate_refusal *r)
{
	uint64_t us = timebase_wall_us(timebase_real());

	gate_map(g, c, 10);
	gate_bulk_str(g, c, "count");
	gate_int(g, c, (int64_t)r->cnt);
	gate_bulk_str(g, c, "reason");
	gate_bulk_str(g, c, r->reason);
	gate_bulk_str(g, c, "context");
	gate_bulk_str(g, c, r->context);
	gate_bulk_str(g, c, "object");
	gate_bulk_str(g, c, r->object);
	gate_bulk_str(g, c, "username");
	gate_bulk_str(g, c, r->user);
	gate_bulk_str(g, c, "age-seconds");
	gate_double(g, c, (double)(us - r->first_us) / 1e6);
	gate_bulk_str(g, c, "client-info");
	gate_bulk_str(g, c, r->client);
	gate_bulk_str(g, c, "entry-id");
	gate_int(g, c, (int64_t)r->id);
	gate_bulk_str(g, c, "timestamp-created");
	gate_int(g, c, (int64_t)(r->first_us / 1000));
	gate_bulk_str(g, c, "timestamp-last-updated");
	gate_int(g, c, (int64_t)(r->last_us / 1000));
}

static int
acl_log(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	int64_t most = LOG_SHOWN;
	uint64_t cnt;

	if (arg_cnt == 3 && gate_word_is(arg[2], "reset")) {
		memset(g->refusal, 0, sizeof(g->refusal));
		g->refusal_first = g->refusal_seq;
		gate_ok(g, c);
		return GATE_DONE;
	}
	if (arg_cnt == 3 && !gate_word_i64(arg[2], &most)) {
		return gate_error(g, c, "ERR value is not an integer or out of range");
	}
	cnt = MIN(g->refusal_seq - g->refusal_first, (uint64_t)GATE_REFUSAL_CNT);
	cnt = MIN(cnt, (uint64_t)MAX(most, 0));
	gate_array(g, c, cnt);
	for (uint64_t i = 0; i < cnt; i++) {
		refusal_reply(g, c, &g->refusal[(g->refusal_seq - 1 - i) % GATE_REFUSAL_CNT]);
	}
	return GATE_DONE;
}

/* ------------------------------------------------------------------------ the rest */

static int
acl_cat(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	uint32_t cnt = 0;
	int cat;

	if (arg_cnt == 2) {
		while (acl_category(cnt) != NULL) {
			cnt++;
		}
		gate_array(g, c, cnt);
		for (uint32_t i = 0; i < cnt; i++) {
			gate_bulk_str(g, c, acl_category(i));
		}
		return GATE_DONE;
	}
	cat = acl_category_find(arg[2]);
	if (cat < 0) {
		return gate_error_f(g, c, "ERR Unknown category '%.*s'",
				    (int)MIN(arg[2].len, (size_t)64), (const char *)arg[2].p);
	}
	for (uint32_t i = 0; i < gate_command_cnt(); i++) {
		cnt += acl_category_has((uint32_t)cat, i);
	}
	gate_array(g, c, cnt);
	for (uint32_t i = 0; i < gate_command_cnt(); i++) {
		if (acl_category_has((uint32_t)cat, i)) {
			gate_bulk_str(g, c, gate_command_at(i)->name);
		}
	}
	return GATE_DONE;
}

static int
acl_genpass(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	uint8_t drawn[GENPASS_MAX / 8];
	char text[2 * sizeof(drawn) + 1];
	int64_t bits = GENPASS_BITS;

	if (arg_cnt == 3 && !gate_word_i64(arg[2], &bits)) {
		return gate_error(g, c, "ERR value is not an integer or out of range");
	}
	if (bits < 1 || bits > GENPASS_MAX) {
		return gate_error(g, c,
				  "ERR ACL GENPASS argument must be the number of bits for the "
				  "output password, a positive number up to 4096");
	}
	randombytes_buf(drawn, sizeof(drawn));
	sodium_bin2hex(text, sizeof(text), drawn, sizeof(drawn));
	gate_bulk(g, c, slice_of(text, (size_t)(bits + 3) / 4));
	return GATE_DONE;
}

int
cmd_acl(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	if (gate_word_is(arg[1], "whoami") && arg_cnt == 2) {
		gate_bulk(g, c, name_of(&c->user->acl));
		return GATE_DONE;
	}
	if (gate_word_is(arg[1], "setuser") && arg_cnt >= 3) {
		return acl_setuser(g, c, arg, arg_cnt);
	}
	if (gate_word_is(arg[1], "getuser") && arg_cnt == 3) {
		return acl_getuser(g, c, arg[2]);
	}
	if (gate_word_is(arg[1], "deluser") && arg_cnt >= 3) {
		return acl_deluser(g, c, arg, arg_cnt);
	}
	if ((gate_word_is(arg[1], "list") || gate_word_is(arg[1], "users")) && arg_cnt == 2) {
		return acl_list(g, c, gate_word_is(arg[1], "users"));
	}
	if (gate_word_is(arg[1], "cat") && arg_cnt <= 3) {
		return acl_cat(g, c, arg, arg_cnt);
	}
	if (gate_word_is(arg[1], "log") && arg_cnt <= 3) {
		return acl_log(g, c, arg, arg_cnt);
	}
	if (gate_word_is(arg[1], "genpass") && arg_cnt <= 3) {
		return acl_genpass(g, c, arg, arg_cnt);
	}
	if (gate_word_is(arg[1], "dryrun") && arg_cnt >= 4) {
		return acl_dryrun(g, c, arg, arg_cnt);
	}
	if (gate_word_is(arg[1], "load") || gate_word_is(arg[1], "save")) {
		return gate_error(g, c,
				  "ERR users come from the node's configuration (gate.users), and "
				  "what ACL SETUSER changes is not written there");
	}
	return gate_sub_rest(g, c, arg);
}
