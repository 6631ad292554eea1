/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   every command is found by its name and no other is; words and patterns mean what they
 * mean to
 *         Redis.
 * Method: the table against itself; numbers at their edges; patterns against a table of answers,
 * and
 *         one that would cost for ever where stars are tried recklessly. */
#include <string.h>

#include "gate_int.h"
#include "test_cmocka.h"

static struct slice
s(const char *text)
{
	return slice_of(text, strlen(text));
}

static void
commands_are_found_in_any_case(void **state)
{
	gate_command_init();
	for (uint32_t i = 0; gate_command_at(i) != NULL; i++) {
		const struct gate_command *c = gate_command_at(i);
		char upper[32];

		for (size_t k = 0; k <= c->name_len; k++) {
			upper[k] = (char)(c->name[k] >= 'a' && c->name[k] <= 'z' ? c->name[k] - 32
										 : c->name[k]);
		}
		assert_ptr_equal(gate_command_named(s(c->name)), c);
		assert_ptr_equal(gate_command_named(s(upper)), c);
		assert_ptr_equal(gate_command_find(s(upper)),
				 i < gate_command_top_cnt() ? c : NULL);
		assert_true(c->arity != 0);
		assert_true(c->first >= 0 && c->step >= 0);
	}
	assert_null(gate_command_find(s("")));
	assert_null(gate_command_find(s("gets")));
	assert_null(gate_command_find(s("ge")));
	assert_null(gate_command_find(s("a name that is longer than any command's")));
	assert_null(gate_command_find(slice_of("get\0", 4)));
}

static const char *
name_of(const char *first, const char *second)
{
	struct slice arg[] = { s(first), s(second) };
	const struct gate_command *c = gate_command_of(arg, second[0] != '\0' ? 2 : 1);

	return c != NULL ? c->name : "";
}

static void
a_subcommand_is_found_behind_its_container_only(void **state)
{
	uint32_t first = 0, cnt = 0;

	gate_command_init();
	assert_string_equal(name_of("CONFIG", "Get"), "config|get");
	assert_string_equal(name_of("config", ""), "config");
	assert_string_equal(name_of("config", "nosuch"), "");
	assert_string_equal(name_of("config", "get|x"), "");
	assert_string_equal(name_of("config", "a word that is longer than any subcommand"), "");
	assert_string_equal(name_of("config|get", "x"), "");
	assert_string_equal(name_of("get", "config"), "get");
	assert_string_equal(name_of("nosuch", "x"), "");
	/* Each stands behind a container, which has all that are called after it. */
	for (uint32_t i = 0; i < gate_command_top_cnt(); i++) {
		const struct gate_command *c = gate_command_at(i);
		uint32_t subs = gate_command_subs(c, &first);

		assert_int_equal(subs > 0, (c->flags & CMD_CONTAINER) != 0);
		for (uint32_t k = first; k < first + subs; k++) {
			assert_ptr_equal(gate_command_at(k)->run, c->run);
			assert_memory_equal(gate_command_at(k)->name, c->name, c->name_len);
		}
		cnt += subs;
	}
	assert_int_equal(cnt, gate_command_cnt() - gate_command_top_cnt());
}

static void
numbers_are_what_redis_takes_for_numbers(void **state)
{
	static const char *const no[] = { "",
					  "-",
					  "+1",
					  "01",
					  "-0",
					  " 1",
					  "1 ",
					  "1.0",
					  "0x1",
					  "9223372036854775808",
					  "-9223372036854775809",
					  "99999999999999999999" };
	int64_t n;

	for (size_t i = 0; i < sizeof(no) / sizeof(no[0]); i++) {
		assert_false(gate_word_i64(s(no[i]), &n));
	}
	assert_true(gate_word_i64(s("0"), &n) && n == 0);
	assert_true(gate_word_i64(s("-1"), &n) && n == -1);
	assert_true(gate_word_i64(s("9223372036854775807"), &n) && n == INT64_MAX);
	assert_true(gate_word_i64(s("-9223372036854775808"), &n) && n == INT64_MIN);
}

static void
patterns_match_as_redis_does(void **state)
{
	static const struct {
		const char *pattern, *text;
		bool match;
	} row[] = {
		{ "", "", true },          { "", "a", false },        { "*", "", true },
		{ "*", "abc", true },      { "a*c", "abbc", true },   { "a*c", "abbd", false },
		{ "?", "", false },        { "?b", "ab", true },      { "[ab]x", "bx", true },
		{ "[^ab]x", "bx", false }, { "[a-c]", "b", true },    { "[c-a]", "b", true },
		{ "[a-c]", "d", false },   { "\\*", "*", true },      { "\\*", "a", false },
		{ "a**b", "ab", true },    { "*a*b*", "xaxb", true }, { "h[e", "he", true },
		{ "[\\]]", "]", true },    { "A", "a", false },
	};

	for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		assert_int_equal(gate_match(s(row[i].pattern), s(row[i].text), false),
				 row[i].match);
	}
	assert_true(gate_match(s("MAX*"), s("maxmemory"), true));
}

static void
no_pattern_costs_for_ever(void **state)
{
	char pattern[65], text[1024];

	for (size_t i = 0; i < 64; i += 2) {
		pattern[i] = 'a';
		pattern[i + 1] = '*';
	}
	pattern[64] = 'b';
	memset(text, 'a', sizeof(text));
	assert_false(gate_match(slice_of(pattern, 65), slice_of(text, sizeof(text)), false));
}

static void
a_pattern_begins_with_what_is_no_pattern(void **state)
{
	assert_int_equal(gate_match_prefix(s("user:*")).len, 5);
	assert_int_equal(gate_match_prefix(s("user")).len, 4);
	assert_int_equal(gate_match_prefix(s("[a]")).len, 0);
	assert_int_equal(gate_match_prefix(s("a\\*")).len, 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(commands_are_found_in_any_case),
		cmocka_unit_test(a_subcommand_is_found_behind_its_container_only),
		cmocka_unit_test(numbers_are_what_redis_takes_for_numbers),
		cmocka_unit_test(patterns_match_as_redis_does),
		cmocka_unit_test(no_pattern_costs_for_ever),
		cmocka_unit_test(a_pattern_begins_with_what_is_no_pattern),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
