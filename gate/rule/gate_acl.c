/* SPDX-License-Identifier: Apache-2.0 */
/* gate_acl - see gate_acl.h */
#include "gate_acl.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include <sodium.h>

#include <microburst/error.h>

#include "check.h"
#include "compiler.h"
#include "gate_int.h"

static_assert(ACL_HASH_BYTES == crypto_hash_sha256_BYTES, "of libsodium");

/* ------------------------------------------------------------------------ categories */

static const struct acl_category_row {
	const char *name;
	uint32_t flags, not_flags; /* any of these, none of those; 0: any */
	const char *group;
	uint32_t of; /* of no such group, but in the category nevertheless */
} category[] = {
	{ "all", 0, 0, NULL, 0 },
	{ "read", CMD_READONLY, 0, NULL, 0 },
	{ "write", CMD_WRITE, 0, NULL, 0 },
	{ "fast", CMD_FAST, 0, NULL, 0 },
	{ "slow", 0, CMD_FAST, NULL, 0 },
	{ "admin", CMD_ADMIN | CMD_OF_ADMIN, 0, NULL, 0 },
	{ "dangerous", CMD_ADMIN | CMD_DANGER, 0, NULL, 0 },
	{ "blocking", CMD_BLOCKING, 0, NULL, 0 },
	{ "keyspace", 0, 0, "generic", CMD_OF_KEYS },
	{ "string", 0, 0, "string", 0 },
	{ "bitmap", 0, 0, "bitmap", 0 },
	{ "hash", 0, 0, "hash", 0 },
	{ "list", 0, 0, "list", CMD_OF_ITEMS },
	{ "set", 0, 0, "set", CMD_OF_ITEMS },
	{ "sortedset", 0, 0, "sorted-set", CMD_OF_ITEMS },
	{ "geo", 0, 0, "geo", 0 },
	{ "stream", 0, 0, "stream", 0 }, /* there are none: rules that name it mean the same */
	{ "hyperloglog", 0, 0, "hyperloglog", 0 },
	{ "pubsub", 0, 0, "pubsub", 0 },
	{ "connection", 0, 0, "connection", CMD_OF_CONNECTION },
	{ "transaction", 0, 0, "transactions", 0 },
	{ "scripting", 0, 0, "scripting", 0 },
	{ "microburst", 0, 0, "microburst", 0 },
};

const char *
acl_category(uint32_t idx)
{
	return idx < ARRAY_CNT(category) ? category[idx].name : NULL;
}

bool
acl_category_has(uint32_t idx, uint32_t command)
{
	/* What is of another category is not of its group's: SORT is no command on keys. */
	const uint32_t else_where = CMD_OF_KEYS | CMD_OF_CONNECTION | CMD_OF_ITEMS | CMD_CONTAINER;
	const struct acl_category_row *row = &category[idx];
	const struct gate_command *cmd = gate_command_at(command);
	uint32_t flags = cmd->flags;

	if ((flags & CMD_CALL) != 0 && strcmp(cmd->group, "scripting") == 0) {
		flags &= ~(uint32_t)(CMD_WRITE | CMD_READONLY); /* it is the function that writes */
	}
	if ((row->flags != 0 && (flags & row->flags) == 0) || (flags & row->not_flags) != 0) {
		return false;
	}
	return row->group == NULL || (flags & row->of) != 0 ||
	       ((flags & else_where) == 0 && strcmp(cmd->group, row->group) == 0 &&
		((flags & CMD_HELP) == 0 || strcmp(cmd->group, "pubsub") != 0));
}

int
acl_category_find(struct slice name)
{
	for (uint32_t i = 0; i < ARRAY_CNT(category); i++) {
		if (gate_word_is(name, category[i].name)) {
			return (int)i;
		}
	}
	return -1;
}

/* ------------------------------------------------------------------------ rules */

static void
command_set(struct acl_user *u, uint32_t idx, bool allowed)
{
	uint64_t bit = UINT64_C(1) << (idx % 64);

	u->command[idx / 64] = allowed ? u->command[idx / 64] | bit : u->command[idx / 64] & ~bit;
}

bool
acl_command_ok(const struct acl_user *u, uint32_t idx)
{
	return (u->command[idx / 64] >> (idx % 64) & 1) != 0;
}

/* Of a hash of commands this is what can be looked up; so commands that come later are in +@all. */
static void
full_set(struct acl_user *u)
{
	unsigned int any = 0;
	struct slice pattern;
	uint32_t at = 0;
	unsigned int rights;

	while (acl_pattern_next(u, &at, &rights, &pattern)) {
		any |= pattern.len == 1 && pattern.p[0] == '*' ? rights : 0;
	}
	u->full = any == (ACL_READ | ACL_WRITE | ACL_CHANNEL);
	for (uint32_t i = 0; u->full && i < gate_command_cnt(); i++) {
		u->full = acl_command_ok(u, i);
	}
}

bool
acl_user_init(struct acl_user *u, struct slice name)
{
	*u = (struct acl_user){ 0 };
	if (name.len == 0 || name.len >= ACL_NAME_MAX) {
		return false;
	}
	for (size_t i = 0; i < name.len; i++) {
		if (!isgraph(name.p[i])) {
			return false;
		}
	}
	memcpy(u->name, name.p, name.len);
	return true;
}

static bool
two_bars(struct slice name)
{
	const uint8_t *bar = name.len != 0 ? memchr(name.p, '|', name.len) : NULL;
	size_t rest = bar != NULL ? name.len - (size_t)(bar + 1 - name.p) : 0;

	return rest != 0 && memchr(bar + 1, '|', rest) != NULL;
}

static int
commands_rule(struct acl_user *u, struct slice name, bool allowed, char why[ACL_WHY_BYTES])
{
	const struct gate_command *cmd;
	uint32_t first = 0, cnt;
	int cat;

	if (name.len > 0 && name.p[0] == '@') {
		cat = acl_category_find(slice_of(name.p + 1, name.len - 1));
		if (cat < 0) {
			snprintf(why, ACL_WHY_BYTES, "Unknown command or category name in ACL");
			return MB_ERR_INVALID;
		}
		for (uint32_t i = 0; i < gate_command_cnt(); i++) {
			if (acl_category_has((uint32_t)cat, i)) {
				command_set(u, i, allowed);
			}
		}
		return 0;
	}
	cmd = gate_command_named(name);
	if (cmd == NULL && two_bars(name)) {
		snprintf(why, ACL_WHY_BYTES, "Allowing first-arg of a subcommand is not supported");
		return MB_ERR_INVALID;
	}
	if (cmd == NULL) {
		snprintf(why, ACL_WHY_BYTES, "Unknown command or category name in ACL");
		return MB_ERR_INVALID;
	}
	command_set(u, gate_command_idx(cmd), allowed);
	cnt = (cmd->flags & CMD_CONTAINER) != 0 ? gate_command_subs(cmd, &first) : 0;
	for (uint32_t i = first; i < first + cnt; i++) {
		command_set(u, i, allowed);
	}
	return 0;
}

bool
acl_pattern_next(const struct acl_user *u, uint32_t *at, unsigned int *ret_rights,
		 struct slice *ret)
{
	uint16_t len;

	if (*at >= u->pattern_len) {
		return false;
	}
	memcpy(&len, u->pattern + *at + 1, sizeof(len));
	*ret_rights = u->pattern[*at];
	*ret = slice_of(u->pattern + *at + 1 + sizeof(len), len);
	*at += (uint32_t)(1 + sizeof(len)) + len;
	return true;
}

static int
pattern_add(struct acl_user *u, unsigned int rights, struct slice pattern, char why[ACL_WHY_BYTES])
{
	uint16_t len = (uint16_t)pattern.len;
	uint8_t *p = u->pattern + u->pattern_len;
	uint32_t at = 0;
	struct slice old;
	unsigned int old_rights;

	for (size_t i = 0; i < pattern.len; i++) {
		if (isspace(pattern.p[i]) || pattern.p[i] == '\0') {
			snprintf(why, ACL_WHY_BYTES, "Patterns have no spaces and no zero bytes");
			return MB_ERR_INVALID;
		}
	}
	while (acl_pattern_next(u, &at, &old_rights, &old)) {
		bool channels = rights == ACL_CHANNEL;

		if (old_rights == rights && slice_eq(old, pattern)) {
			return 0;
		}
		if (old_rights == (channels ? ACL_CHANNEL : ACL_READ | ACL_WRITE) &&
		    slice_eq(old, slice_of("*", 1))) {
			snprintf(why, ACL_WHY_BYTES,
				 "Adding a pattern after the * pattern (or the "
				 "'%s' flag) is not valid and does not have "
				 "any effect. Try '%s' to start with an empty "
				 "list of %s",
				 channels ? "allchannels" : "allkeys",
				 channels ? "resetchannels" : "resetkeys",
				 channels ? "channels" : "patterns");
			return MB_ERR_INVALID;
		}
	}
	if (pattern.len > ACL_PATTERN_BYTES ||
	    u->pattern_len + 1 + sizeof(len) + pattern.len > ACL_PATTERN_BYTES) {
		snprintf(why, ACL_WHY_BYTES, "A user has at most %d bytes of patterns here",
			 ACL_PATTERN_BYTES);
		return MB_ERR_TOO_LARGE;
	}
	p[0] = (uint8_t)rights;
	memcpy(p + 1, &len, sizeof(len));
	if (len != 0) {
		memcpy(p + 1 + sizeof(len), pattern.p, len);
	}
	u->pattern_len += (uint32_t)(1 + sizeof(len)) + len;
	return 0;
}

/* Forgets those of keys, or those of channels. */
static void
patterns_reset(struct acl_user *u, bool channels)
{
	struct acl_user old = *u;
	struct slice pattern;
	unsigned int rights;
	uint32_t at = 0;
	char why[ACL_WHY_BYTES];

	u->pattern_len = 0;
	while (acl_pattern_next(&old, &at, &rights, &pattern)) {
		if ((rights == ACL_CHANNEL) != channels) {
			(void)pattern_add(u, rights, pattern, why); /* it had room before */
		}
	}
}

static int
hash_add(struct acl_user *u, const uint8_t hash[ACL_HASH_BYTES], char why[ACL_WHY_BYTES])
{
	for (uint32_t i = 0; i < u->hash_cnt; i++) {
		if (sodium_memcmp(u->hash[i], hash, ACL_HASH_BYTES) == 0) {
			return 0;
		}
	}
	if (u->hash_cnt == ACL_PASSWORD_MAX) {
		snprintf(why, ACL_WHY_BYTES, "A user has at most %d passwords here",
			 ACL_PASSWORD_MAX);
		return MB_ERR_TOO_LARGE;
	}
	memcpy(u->hash[u->hash_cnt++], hash, ACL_HASH_BYTES);
	u->nopass = false;
	return 0;
}

static int
hash_remove(struct acl_user *u, const uint8_t hash[ACL_HASH_BYTES], char why[ACL_WHY_BYTES])
{
	for (uint32_t i = 0; i < u->hash_cnt; i++) {
		if (sodium_memcmp(u->hash[i], hash, ACL_HASH_BYTES) == 0) {
			memcpy(u->hash[i], u->hash[--u->hash_cnt], ACL_HASH_BYTES);
			return 0;
		}
	}
	snprintf(why, ACL_WHY_BYTES,
		 "The password you are trying to remove from the user does not exist");
	return MB_ERR_INVALID;
}

static int
password_rule(struct acl_user *u, struct slice rule, char why[ACL_WHY_BYTES])
{
	struct slice rest = slice_of(rule.p + 1, rule.len - 1);
	bool add = rule.p[0] == '>' || rule.p[0] == '#';
	uint8_t hash[ACL_HASH_BYTES];
	bool lower = true;
	size_t got = 0;

	for (size_t i = 0; i < rest.len; i++) {
		lower &= !isupper(rest.p[i]);
	}
	if (rule.p[0] == '>' || rule.p[0] == '<') {
		crypto_hash_sha256(hash, rest.p, rest.len);
	} else if (rest.len != 2 * (size_t)ACL_HASH_BYTES || !lower ||
		   sodium_hex2bin(hash, sizeof(hash), (const char *)rest.p, rest.len, NULL, &got,
				  NULL) != 0 ||
		   got != ACL_HASH_BYTES) {
		snprintf(why, ACL_WHY_BYTES,
			 "The password hash must be exactly 64 characters and contain only "
			 "lowercase hexadecimal characters");
		return MB_ERR_INVALID;
	}
	return add ? hash_add(u, hash, why) : hash_remove(u, hash, why);
}

/* %R~x %W~x %RW~x */
static int
rights_rule(struct acl_user *u, struct slice rule, char why[ACL_WHY_BYTES])
{
	unsigned int rights = 0;
	size_t i = 1;

	for (; i < rule.len && rule.p[i] != '~'; i++) {
		unsigned int one = toupper(rule.p[i]) == 'R'   ? ACL_READ
				   : toupper(rule.p[i]) == 'W' ? ACL_WRITE
							       : 0;

		if (one == 0 || (rights & one) != 0) {
			break;
		}
		rights |= one;
	}
	if (rights == 0 || i >= rule.len || rule.p[i] != '~') {
		snprintf(why, ACL_WHY_BYTES, "Syntax error");
		return MB_ERR_INVALID;
	}
	return pattern_add(u, rights, slice_of(rule.p + i + 1, rule.len - i - 1), why);
}

/* A rule that is one word. Returns: 1: it is none. */
static int
word_rule(struct acl_user *u, struct slice rule, char why[ACL_WHY_BYTES])
{
	static const struct slice any = { .p = (const uint8_t *)"*", .len = 1 },
				  all = { .p = (const uint8_t *)"@all", .len = 4 };

	if (gate_word_is(rule, "on") || gate_word_is(rule, "off")) {
		u->on = gate_word_is(rule, "on");
	} else if (gate_word_is(rule, "nopass")) {
		u->nopass = true;
		u->hash_cnt = 0;
	} else if (gate_word_is(rule, "resetpass")) {
		u->nopass = false;
		u->hash_cnt = 0;
	} else if (gate_word_is(rule, "allkeys") || gate_word_is(rule, "~*")) {
		patterns_reset(u, false);
		return pattern_add(u, ACL_READ | ACL_WRITE, any, why);
	} else if (gate_word_is(rule, "resetkeys")) {
		patterns_reset(u, false);
	} else if (gate_word_is(rule, "allchannels") || gate_word_is(rule, "&*")) {
		patterns_reset(u, true);
		return pattern_add(u, ACL_CHANNEL, any, why);
	} else if (gate_word_is(rule, "resetchannels")) {
		patterns_reset(u, true);
	} else if (gate_word_is(rule, "allcommands")) {
		return commands_rule(u, all, true, why);
	} else if (gate_word_is(rule, "nocommands")) {
		return commands_rule(u, all, false, why);
	} else if (gate_word_is(rule, "reset")) {
		struct acl_user old = *u;

		*u = (struct acl_user){ 0 };
		memcpy(u->name, old.name, sizeof(u->name));
	} else if (!gate_word_is(rule, "clearselectors") &&
		   !gate_word_is(rule, "sanitize-payload") &&
		   !gate_word_is(rule, "skip-sanitize-payload")) { /* those change nothing */
		return 1;
	}
	return 0;
}

static int
rule_take(struct acl_user *u, struct slice rule, char why[ACL_WHY_BYTES])
{
	struct slice rest;
	int err = word_rule(u, rule, why);

	if (err <= 0) {
		return err;
	}
	rest = rule.len > 0 ? slice_of(rule.p + 1, rule.len - 1) : rule;
	switch (rule.len > 0 ? rule.p[0] : '\0') {
	case '+':
	case '-':
		return commands_rule(u, rest, rule.p[0] == '+', why);
	case '~':
		return pattern_add(u, ACL_READ | ACL_WRITE, rest, why);
	case '&':
		return pattern_add(u, ACL_CHANNEL, rest, why);
	case '%':
		return rights_rule(u, rule, why);
	case '>':
	case '<':
	case '#':
	case '!':
		return password_rule(u, rule, why);
	case '(':
		snprintf(why, ACL_WHY_BYTES, "Selectors are not served: make a user for each");
		return MB_ERR_INVALID;
	default:
		snprintf(why, ACL_WHY_BYTES, "Syntax error");
		return MB_ERR_INVALID;
	}
}

int
acl_rule(struct acl_user *u, struct slice rule, char why[ACL_WHY_BYTES])
{
	int err = rule_take(u, rule, why);

	full_set(u);
	return err;
}

int
acl_rules(struct acl_user *u, struct slice line, char why[ACL_WHY_BYTES])
{
	size_t i = 0;
	int err = 0;

	while (err == 0 && i < line.len) {
		size_t from = i;

		while (i < line.len && !isspace(line.p[i])) {
			i++;
		}
		if (i > from) {
			err = acl_rule(u, slice_of(line.p + from, i - from), why);
		}
		i++;
	}
	return err;
}

/* ------------------------------------------------------------------------ questions */

bool
acl_key_ok(const struct acl_user *u, struct slice key, unsigned int wanted)
{
	struct slice pattern;
	unsigned int rights;
	uint32_t at = 0;

	while (wanted != 0 && acl_pattern_next(u, &at, &rights, &pattern)) {
		if (rights != ACL_CHANNEL && (rights & wanted) != 0 &&
		    gate_match(pattern, key, false)) {
			wanted &= ~rights;
		}
	}
	return wanted == 0;
}

bool
acl_keys_all(const struct acl_user *u, unsigned int wanted)
{
	struct slice pattern;
	unsigned int rights;
	uint32_t at = 0;

	while (wanted != 0 && acl_pattern_next(u, &at, &rights, &pattern)) {
		if (rights != ACL_CHANNEL && slice_eq(pattern, slice_of("*", 1))) {
			wanted &= ~rights;
		}
	}
	return wanted == 0;
}

bool
acl_channel_ok(const struct acl_user *u, struct slice channel, bool is_pattern)
{
	struct slice pattern;
	unsigned int rights;
	uint32_t at = 0;

	while (acl_pattern_next(u, &at, &rights, &pattern)) {
		if (rights != ACL_CHANNEL) {
			continue;
		}
		if ((pattern.len == 1 && pattern.p[0] == '*') ||
		    (is_pattern ? slice_eq(pattern, channel)
				: gate_match(pattern, channel, false))) {
			return true;
		}
	}
	return false;
}

bool
acl_channels_kept(const struct acl_user *before, const struct acl_user *now)
{
	struct slice pattern;
	unsigned int rights;
	uint32_t at = 0;

	while (acl_pattern_next(before, &at, &rights, &pattern)) {
		if (rights == ACL_CHANNEL && !acl_channel_ok(now, pattern, true)) {
			return false;
		}
	}
	return true;
}

bool
acl_password_ok(const struct acl_user *u, struct slice password)
{
	uint8_t hash[ACL_HASH_BYTES];
	bool ok = u->nopass;

	crypto_hash_sha256(hash, password.p, password.len);
	for (uint32_t i = 0; i < ACL_PASSWORD_MAX; i++) {
		bool same = sodium_memcmp(u->hash[i], hash, ACL_HASH_BYTES) == 0;

		ok |= same && i < u->hash_cnt;
	}
	return ok && u->on;
}

/* ------------------------------------------------------------------------ as text */

struct text {
	char *p;
	size_t len, cap;
};

static void
text_add(struct text *t, const char *before, struct slice bytes)
{
	size_t n = strlen(before);

	if (t->len + n + bytes.len < t->cap) {
		memcpy(t->p + t->len, before, n);
		if (bytes.len != 0) {
			memcpy(t->p + t->len + n, bytes.p, bytes.len);
		}
		t->len += n + bytes.len;
	}
	t->p[t->len] = '\0';
}

/* Those of a container that are not as it is itself. */
static void
subs_text(struct text *t, const struct acl_user *u, const struct gate_command *container)
{
	bool all = acl_command_ok(u, gate_command_idx(container));
	uint32_t first = 0, cnt = gate_command_subs(container, &first);

	for (uint32_t i = first; i < first + cnt; i++) {
		const struct gate_command *cmd = gate_command_at(i);

		if (acl_command_ok(u, i) != all) {
			text_add(t, all ? " -" : " +", slice_of(cmd->name, cmd->name_len));
		}
	}
}

size_t
acl_commands_text(const struct acl_user *u, char *ret, size_t cap)
{
	struct text t = { .p = ret, .cap = cap };
	uint32_t cnt = 0;
	bool most;

	for (uint32_t i = 0; i < gate_command_cnt(); i++) {
		cnt += acl_command_ok(u, i);
	}
	most = cnt > gate_command_cnt() / 2;
	text_add(&t, most ? "+@all" : "-@all", slice_of("", 0));
	for (uint32_t i = 0; i < gate_command_top_cnt(); i++) {
		const struct gate_command *cmd = gate_command_at(i);

		if (acl_command_ok(u, i) != most) {
			text_add(&t, most ? " -" : " +", slice_of(cmd->name, cmd->name_len));
		}
		if ((cmd->flags & CMD_CONTAINER) != 0) {
			subs_text(&t, u, cmd);
		}
	}
	return t.len;
}

size_t
acl_patterns_text(const struct acl_user *u, bool channels, char *ret, size_t cap)
{
	static const char *const before[] = {
		[ACL_READ] = "%R~",
		[ACL_WRITE] = "%W~",
		[ACL_READ | ACL_WRITE] = "~",
		[ACL_CHANNEL] = "&",
	};
	struct text t = { .p = ret, .cap = cap };
	struct slice pattern;
	unsigned int rights;
	uint32_t at = 0;

	ret[0] = '\0';
	while (acl_pattern_next(u, &at, &rights, &pattern)) {
		if ((rights == ACL_CHANNEL) == channels) {
			text_add(&t, t.len > 0 ? " " : "", slice_of("", 0));
			text_add(&t, before[rights], pattern);
		}
	}
	return t.len;
}

void
acl_hash_text(const uint8_t hash[ACL_HASH_BYTES], char ret[2 * ACL_HASH_BYTES + 1])
{
	sodium_bin2hex(ret, 2 * ACL_HASH_BYTES + 1, hash, ACL_HASH_BYTES);
}

size_t
acl_user_text(const struct acl_user *u, char *ret, size_t cap)
{
	struct text t = { .p = ret, .cap = cap };
	char hash[2 * ACL_HASH_BYTES + 1];

	text_add(&t, "user ", slice_of(u->name, strlen(u->name)));
	text_add(&t, u->on ? " on" : " off", slice_of("", 0));
	text_add(&t, u->nopass ? " nopass" : "", slice_of("", 0));
	for (uint32_t i = 0; i < u->hash_cnt; i++) {
		acl_hash_text(u->hash[i], hash);
		text_add(&t, " #", slice_of(hash, 2 * (size_t)ACL_HASH_BYTES));
	}
	for (int channels = 0; channels < 2; channels++) {
		text_add(&t, " ", slice_of("", 0));
		t.len += acl_patterns_text(u, channels != 0, ret + t.len, cap - t.len);
		if (ret[t.len - 1] == ' ') {
			t.len--;
		}
	}
	text_add(&t, " ", slice_of("", 0));
	t.len += acl_commands_text(u, ret + t.len, cap - t.len);
	return t.len;
}
