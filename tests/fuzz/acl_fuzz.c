/* SPDX-License-Identifier: Apache-2.0 */
/* acl_fuzz - rules of users, as they stand in gate.users
 *
 * Whatever the line: it is refused with a sentence, or makes a user whose text makes the same user
 * again, and who may what he says.
 */
#include <string.h>

#include "check.h"
#include "gate_acl.h"
#include "gate_int.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static char text[ACL_TEXT_BYTES];
	char why[ACL_WHY_BYTES] = "";
	struct acl_user u, again;
	unsigned int rights;
	struct slice pattern;
	uint32_t at = 0;
	size_t text_len;

	gate_command_init();
	REQUIRE(acl_user_init(&u, slice_of("u", 1)));
	if (acl_rules(&u, slice_of(data, len), why) != 0) {
		REQUIRE(why[0] != '\0');
		return 0;
	}
	text_len = acl_user_text(&u, text, sizeof(text));
	REQUIRE(text_len > 7);
	REQUIRE(acl_user_init(&again, slice_of("u", 1)));
	REQUIRE(acl_rules(&again, slice_of(text + 7, text_len - 7), why) == 0);
	REQUIRE(memcmp(again.command, u.command, sizeof(u.command)) == 0);
	REQUIRE(again.on == u.on);
	REQUIRE(again.nopass == u.nopass);
	REQUIRE(again.hash_cnt == u.hash_cnt);
	REQUIRE(again.full == u.full);
	while (acl_pattern_next(&u, &at, &rights, &pattern)) {
		REQUIRE(pattern.len <= ACL_PATTERN_BYTES);
		REQUIRE(rights == ACL_CHANNEL || (rights & ~3u) == 0);
		(void)acl_key_ok(&u, pattern, ACL_READ | ACL_WRITE);
		(void)acl_channel_ok(&again, pattern, true);
	}
	(void)acl_password_ok(&u, slice_of(data, len));
	return 0;
}
