/* SPDX-License-Identifier: Apache-2.0 */
/* gate_acl - a user and what he may: commands, keys, channels
 *
 * Rules are Redis's words, one after the other, each changing what the ones before it said:
 *
 *	on off                          may log in at all
 *	>password <password             one more password, one less; of each only its hash is kept
 *	#sha256 !sha256                 the same, of a password's hash in 64 hexadecimal digits
 *	nopass resetpass                any password does; none does
 *	+command -command +@cat -@cat   may run it; allcommands and nocommands are +@all and -@all
 *	+config -config|set             a container's subcommands all; one of them
 *	~pattern %R~pattern %W~pattern  keys, to read and write, to read, to write
 *	&pattern                        channels
 *	allkeys resetkeys allchannels resetchannels
 *	reset                           as of the beginning: nothing at all
 *
 * A user is a plain value of a fixed size: rules are tried on a copy.
 *
 * Pure. Threads: any.
 */
#ifndef MB_GATE_ACL_H
#define MB_GATE_ACL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "slice.h"

#define ACL_NAME_MAX      64
#define ACL_COMMAND_MAX   512
#define ACL_PASSWORD_MAX  8    /* of one user */
#define ACL_HASH_BYTES    32   /* SHA-256 */
#define ACL_PATTERN_BYTES 2048 /* all patterns of one user */
#define ACL_WHY_BYTES     192
#define ACL_TEXT_BYTES    16384 /* a user as one line */

/* of a pattern, and what is asked for */
enum acl_right {
	ACL_READ = 1,
	ACL_WRITE = 2,
	ACL_CHANNEL = 4,
};

struct acl_user {
	char name[ACL_NAME_MAX];
	bool on, nopass;
	bool full; /* everything is allowed: nothing has to be looked at */
	uint32_t hash_cnt;
	uint32_t pattern_len;
	uint64_t command[ACL_COMMAND_MAX / 64]; /* a bit each, by their places in the table */
	uint8_t hash[ACL_PASSWORD_MAX][ACL_HASH_BYTES];
	uint8_t pattern[ACL_PATTERN_BYTES]; /* ( right u8 | len u16 | bytes ) * */
};

/* acl_user_init makes a user who may nothing. Returns: false: that is no name. */
bool acl_user_init(struct acl_user *u, struct slice name);

/* acl_rule adds one rule. Returns: 0; MB_ERR_INVALID, MB_ERR_TOO_LARGE, and why: u may then be used
 * no more. */
int acl_rule(struct acl_user *u, struct slice rule, char why[ACL_WHY_BYTES]);

/* acl_rules adds the words of a line. Returns: as acl_rule. */
int acl_rules(struct acl_user *u, struct slice line, char why[ACL_WHY_BYTES]);

bool acl_command_ok(const struct acl_user *u, uint32_t idx);
/* acl_key_ok: whether all of rights are allowed for a key. */
bool acl_key_ok(const struct acl_user *u, struct slice key, unsigned int rights);
/* acl_keys_all: whether they are allowed for all keys. */
bool acl_keys_all(const struct acl_user *u, unsigned int rights);
/* acl_channel_ok: for a channel; is_pattern: for all that match it, so the same pattern must have
 * been allowed. */
bool acl_channel_ok(const struct acl_user *u, struct slice channel, bool is_pattern);
/* acl_channels_kept: whether now may use every channel that before might. */
bool acl_channels_kept(const struct acl_user *before, const struct acl_user *now);
/* acl_password_ok takes as long for a wrong one as for the right one. */
bool acl_password_ok(const struct acl_user *u, struct slice password);

/* acl_pattern_next walks the patterns, at 0 at first. Returns: false behind the last one. ret
 * begins as the rule does: "~x*", "%R~x*", "&x". */
bool acl_pattern_next(const struct acl_user *u, uint32_t *at, unsigned int *ret_rights,
		      struct slice *ret);
/* The parts of a user as text; each returns how long it is, cut to cap. */
size_t acl_commands_text(const struct acl_user *u, char *ret, size_t cap);
size_t acl_patterns_text(const struct acl_user *u, bool channels, char *ret, size_t cap);
size_t acl_user_text(const struct acl_user *u, char *ret, size_t cap);
void acl_hash_text(const uint8_t hash[ACL_HASH_BYTES], char ret[2 * ACL_HASH_BYTES + 1]);

/* acl_category names a category; NULL behind the last one. acl_category_has: whether a command is
 * in it, all of them in category 0. acl_category_find: by name; -1. */
const char *acl_category(uint32_t idx);
bool acl_category_has(uint32_t category, uint32_t command);
int acl_category_find(struct slice name);

#endif
