/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   a user may what his rules say and nothing else; what is shown of him makes the same user
 *         again.
 * Method: rules one after the other, questions between them; every user that the test makes is
 *         written as text, read back and compared. */
#include <stdio.h>
#include <string.h>

#include <microburst/error.h>

#include "gate_acl.h"
#include "gate_int.h"
#include "test_cmocka.h"

static struct slice
s(const char *text)
{
	return slice_of(text, strlen(text));
}

static struct acl_user
user(const char *rules)
{
	char why[ACL_WHY_BYTES] = "";
	struct acl_user u;

	gate_command_init();
	assert_true(acl_user_init(&u, s("bob")));
	assert_int_equal(acl_rules(&u, s(rules), why), 0);
	return u;
}

static bool
may_run(const struct acl_user *u, const char *name)
{
	return acl_command_ok(u, gate_command_idx(gate_command_named(s(name))));
}

static void
who_is_new_may_nothing(void **state)
{
	struct acl_user u = user("");

	for (uint32_t i = 0; i < gate_command_cnt(); i++) {
		assert_false(acl_command_ok(&u, i));
	}
	assert_false(acl_key_ok(&u, s("a"), ACL_READ));
	assert_false(acl_channel_ok(&u, s("a"), false));
	assert_false(acl_password_ok(&u, s("")));
	assert_false(u.full);
}

static void
commands_and_categories_in_their_order(void **state)
{
	struct acl_user u = user("+@read -get +set");

	assert_true(may_run(&u, "mget"));
	assert_false(may_run(&u, "get"));
	assert_true(may_run(&u, "set"));
	assert_false(may_run(&u, "del"));
	u = user("+@all -@dangerous");
	assert_false(may_run(&u, "flushall"));
	assert_true(may_run(&u, "get"));
	u = user("-@all +get ALLCOMMANDS -keys");
	assert_true(may_run(&u, "lpush"));
	assert_false(may_run(&u, "keys"));
}

static void
subcommands_each_and_by_their_container(void **state)
{
	struct acl_user u = user("+config|get");
	char why[ACL_WHY_BYTES] = "";

	assert_true(may_run(&u, "config|get"));
	assert_false(may_run(&u, "config|set"));
	assert_false(may_run(&u, "config"));
	u = user("+config -config|set");
	assert_true(may_run(&u, "config|get"));
	assert_false(may_run(&u, "config|set"));
	u = user("+client|id -client");
	assert_false(may_run(&u, "client|id"));
	u = user("+@all -@admin");
	assert_true(may_run(&u, "client|id"));
	assert_false(may_run(&u, "client|kill"));
	u = user("+@all ~* &* -config|set");
	assert_false(u.full);
	assert_int_not_equal(acl_rule(&u, s("+config|nosuch"), why), 0);
	assert_string_equal(why, "Unknown command or category name in ACL");
	assert_int_not_equal(acl_rule(&u, s("+get|x"), why), 0);
}

static void
text_is(const char *rules, const char *want)
{
	struct acl_user u = user(rules), back;
	char text[ACL_TEXT_BYTES];

	acl_commands_text(&u, text, sizeof(text));
	assert_string_equal(text, want);
	back = user(text);
	assert_memory_equal(u.command, back.command, sizeof(u.command));
}

static void
subcommands_as_text(void **state)
{
	text_is("+get +config|get", "-@all +config|get +get");
	text_is("+config -config|set", "-@all +config -config|set");
	text_is("+@all -config|set", "+@all -config|set");
	text_is("+@all -config +config|get", "+@all -config +config|get");
}

static void
keys_by_pattern_and_right(void **state)
{
	struct acl_user u = user("~app:* %R~shared:* %W~log:?");

	assert_true(acl_key_ok(&u, s("app:1"), ACL_READ | ACL_WRITE));
	assert_true(acl_key_ok(&u, s("shared:1"), ACL_READ));
	assert_false(acl_key_ok(&u, s("shared:1"), ACL_WRITE));
	assert_false(acl_key_ok(&u, s("shared:1"), ACL_READ | ACL_WRITE));
	assert_true(acl_key_ok(&u, s("log:1"), ACL_WRITE));
	assert_false(acl_key_ok(&u, s("log:11"), ACL_WRITE));
	assert_false(acl_key_ok(&u, s("ap"), ACL_READ));
	u = user("%R~x* %W~x* resetkeys ~y");
	assert_false(acl_key_ok(&u, s("x"), ACL_READ));
	u = user("%R~x* %W~x*");
	assert_true(acl_key_ok(&u, s("x"), ACL_READ | ACL_WRITE));
}

static void
channels_and_their_patterns(void **state)
{
	struct acl_user u = user("&news.* ~*");

	assert_true(acl_channel_ok(&u, s("news.1"), false));
	assert_false(acl_channel_ok(&u, s("other"), false));
	assert_true(acl_channel_ok(&u, s("news.*"), true));
	assert_false(acl_channel_ok(&u, s("news.1*"), true));
	u = user("&news.* allchannels");
	assert_true(acl_channel_ok(&u, s("x*"), true));
}

static void
passwords_are_compared_by_hash(void **state)
{
	struct acl_user u = user("on >one >two");
	char hash[2 * ACL_HASH_BYTES + 1];

	assert_true(acl_password_ok(&u, s("one")));
	assert_true(acl_password_ok(&u, s("two")));
	assert_false(acl_password_ok(&u, s("")));
	assert_false(acl_password_ok(&u, s("onetwo")));
	u = user("on >one >two <one");
	assert_false(acl_password_ok(&u, s("one")));
	assert_true(acl_password_ok(&u, s("two")));
	u = user("off >one");
	assert_false(acl_password_ok(&u, s("one")));
	/* of the empty password, as any sha256sum says */
	u = user("on #e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
	assert_true(acl_password_ok(&u, s("")));
	acl_hash_text(u.hash[0], hash);
	assert_string_equal(hash,
			    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
	u = user("on >one nopass");
	assert_true(acl_password_ok(&u, s("whatever")));
	u = user("on nopass resetpass");
	assert_false(acl_password_ok(&u, s("")));
}

static void
what_is_no_rule_is_refused(void **state)
{
	static const char *const no[] = { "",         "x",      "+",        "+nosuch",
					  "+@nosuch", "+get|x", "%~x",      "%X~x",
					  "%RR~x",    "#12",    "!12",      "<none",
					  "%R",       "~a b",   "+get set", "#zz" };
	char why[ACL_WHY_BYTES];
	struct acl_user u;

	for (size_t i = 0; i < sizeof(no) / sizeof(no[0]); i++) {
		u = user("");
		why[0] = '\0';
		assert_int_equal(acl_rule(&u, s(no[i]), why), MB_ERR_INVALID);
		assert_true(strlen(why) > 0);
	}
	assert_false(acl_user_init(&u, s("")));
	assert_false(acl_user_init(&u, s("a b")));
	assert_false(acl_user_init(
		&u, s("a name that is longer than a name of a user may be here, by far")));
}

static void
a_user_is_bounded(void **state)
{
	struct acl_user u = user("on");
	char rule[64], why[ACL_WHY_BYTES];
	int err = 0;
	uint32_t cnt = 0;

	for (; err == 0; cnt++) {
		snprintf(rule, sizeof(rule), ">password %u", cnt);
		err = acl_rule(&u, s(rule), why);
	}
	assert_int_equal(err, MB_ERR_TOO_LARGE);
	assert_int_equal(cnt, ACL_PASSWORD_MAX + 1);
	for (err = 0, cnt = 0; err == 0; cnt++) {
		snprintf(rule, sizeof(rule), "~key:%u:*", cnt);
		err = acl_rule(&u, s(rule), why);
	}
	assert_int_equal(err, MB_ERR_TOO_LARGE);
	assert_true(cnt > 100);
	for (uint32_t i = 0; i < 1000; i++) { /* the same again takes no room */
		assert_int_equal(acl_rule(&u, s("~key:1:*"), why), 0);
	}
}

static void
a_user_is_made_again_of_his_text(void **state)
{
	static const char *const rules[] = {
		"",
		"on nopass ~* &* +@all",
		"on >x >y ~a:* %R~b %W~c* &news +@read -get",
		"off allkeys +@all -@dangerous",
		"on nopass resetchannels +set",
	};
	char text[ACL_TEXT_BYTES], why[ACL_WHY_BYTES];

	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
		struct acl_user u = user(rules[i]), again;
		size_t len = acl_user_text(&u, text, sizeof(text));

		assert_int_equal(strlen(text), len);
		assert_memory_equal(text, "user bob ", 9);
		assert_true(acl_user_init(&again, s("bob")));
		assert_int_equal(acl_rules(&again, s(text + 9), why), 0);
		assert_int_equal(again.full, u.full);
		assert_int_equal(again.full, i == 1);
		assert_int_equal(again.on, u.on);
		assert_int_equal(again.hash_cnt, u.hash_cnt);
		assert_memory_equal(again.command, u.command, sizeof(u.command));
		assert_int_equal(again.pattern_len, u.pattern_len);
	}
}

static void
keys_are_found_among_words(void **state)
{
	static const struct {
		const char *word[6];
		uint32_t cnt, key[4];
	} row[] = {
		{ { "get", "a" }, 2, { 1 } },
		{ { "mset", "a", "1", "b", "2" }, 5, { 1, 3 } },
		{ { "del", "a", "b", "c" }, 4, { 1, 2, 3 } },
		{ { "blpop", "a", "b", "0" }, 4, { 1, 2 } },
		{ { "fcall", "f", "2", "a", "b", "x" }, 6, { 3, 4 } },
		{ { "fcall", "f", "0", "a" }, 4, { 0 } },
		{ { "fcall", "f", "99", "a" }, 4, { 3 } },
		{ { "fcall", "f", "x", "a" }, 4, { 0 } },
		{ { "ping" }, 1, { 0 } },
	};

	gate_command_init();
	for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		struct slice word[6];
		uint32_t at = 0;

		for (uint32_t k = 0; k < row[i].cnt; k++) {
			word[k] = s(row[i].word[k]);
		}
		for (uint32_t k = 0; k < 4; k++) {
			at = gate_key_next(gate_command_find(word[0]), word, row[i].cnt, at);
			assert_int_equal(at, row[i].key[k]);
			if (at == 0) {
				break;
			}
		}
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_is_new_may_nothing),
		cmocka_unit_test(commands_and_categories_in_their_order),
		cmocka_unit_test(subcommands_each_and_by_their_container),
		cmocka_unit_test(subcommands_as_text),
		cmocka_unit_test(keys_by_pattern_and_right),
		cmocka_unit_test(channels_and_their_patterns),
		cmocka_unit_test(passwords_are_compared_by_hash),
		cmocka_unit_test(what_is_no_rule_is_refused),
		cmocka_unit_test(a_user_is_bounded),
		cmocka_unit_test(a_user_is_made_again_of_his_text),
		cmocka_unit_test(keys_are_found_among_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
