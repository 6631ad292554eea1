/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   words and patterns mean what they mean to Redis.
 * Method: numbers at their edges; patterns against a table of answers, and one that would cost for
 *         ever where stars are tried recklessly. */
#include <string.h>

#include "gate_words.h"
#include "test_cmocka.h"

static struct slice
s(const char *text)
{
	return slice_of(text, strlen(text));
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
		cmocka_unit_test(numbers_are_what_redis_takes_for_numbers),
		cmocka_unit_test(patterns_match_as_redis_does),
		cmocka_unit_test(no_pattern_costs_for_ever),
		cmocka_unit_test(a_pattern_begins_with_what_is_no_pattern),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
