/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   a value's text is taken literally or refused; what is formatted is read back.
 * Method: tables of good and bad texts for every type, also those that no row of the table has yet;
 *         ranges and words on rows made for the test; random round trips. */
#include "param_value.h"

#include <string.h>

#include "compiler.h"
#include "rng.h"
#include "test_cmocka.h"
#include "test_seed.h"

static void
what_is_no_number_is_refused(void **state)
{
	static const struct {
		enum param_type type;
		const char *text;
	} bad[] = {
		{ PARAM_TYPE_u32, "" },
		{ PARAM_TYPE_u32, " 1" },
		{ PARAM_TYPE_u32, "1 " },
		{ PARAM_TYPE_u32, "-1" },
		{ PARAM_TYPE_u32, "+1" },
		{ PARAM_TYPE_u32, "1.5" },
		{ PARAM_TYPE_u32, "0x10" },
		{ PARAM_TYPE_u32, "1k" },
		{ PARAM_TYPE_u32, "one" },
		{ PARAM_TYPE_u64, "18446744073709551616" },
		{ PARAM_TYPE_u64, "99999999999999999999999" },
		{ PARAM_TYPE_bytes, "k" },
		{ PARAM_TYPE_bytes, "1K" },
		{ PARAM_TYPE_bytes, "1kb" },
		{ PARAM_TYPE_bytes, "1 k" },
		{ PARAM_TYPE_bytes, "17179869184g" }, /* 2^64 */
		{ PARAM_TYPE_dur, "5" },
		{ PARAM_TYPE_dur, "ms" },
		{ PARAM_TYPE_dur, "5m" }, /* minutes or milliseconds? */
		{ PARAM_TYPE_dur, "1.5s" },
		{ PARAM_TYPE_dur, "18446744074s" },
		{ PARAM_TYPE_bool, "" },
		{ PARAM_TYPE_bool, "2" },
		{ PARAM_TYPE_bool, "Yes" },
		{ PARAM_TYPE_bool, "yes " },
	};

	for (size_t i = 0; i < ARRAY_CNT(bad); i++) {
		uint64_t n = 4711;

		if (param_number_parse(bad[i].type, bad[i].text, &n)) {
			fail_msg("'%s' was taken", bad[i].text);
		}
		assert_int_equal(n, 4711);
	}
}

static void
numbers_are_read(void **state)
{
	static const struct {
		enum param_type type;
		const char *text;
		uint64_t n;
	} good[] = {
		{ PARAM_TYPE_u32, "0", 0 },
		{ PARAM_TYPE_u32, "007", 7 },
		{ PARAM_TYPE_u64, "18446744073709551615", UINT64_MAX },
		{ PARAM_TYPE_bytes, "0", 0 },
		{ PARAM_TYPE_bytes, "512", 512 },
		{ PARAM_TYPE_bytes, "3k", 3 << 10 },
		{ PARAM_TYPE_bytes, "64m", 64 << 20 },
		{ PARAM_TYPE_bytes, "1024g", UINT64_C(1) << 40 },
		{ PARAM_TYPE_dur, "0", 0 },
		{ PARAM_TYPE_dur, "7ns", 7 },
		{ PARAM_TYPE_dur, "50us", 50000 },
		{ PARAM_TYPE_dur, "20ms", 20000000 },
		{ PARAM_TYPE_dur, "3s", 3000000000 },
		{ PARAM_TYPE_dur, "2min", 120000000000 },
		{ PARAM_TYPE_dur, "1h", 3600000000000 },
		{ PARAM_TYPE_bool, "yes", 1 },
		{ PARAM_TYPE_bool, "no", 0 },
		{ PARAM_TYPE_bool, "on", 1 },
		{ PARAM_TYPE_bool, "false", 0 },
		{ PARAM_TYPE_bool, "1", 1 },
	};

	for (size_t i = 0; i < ARRAY_CNT(good); i++) {
		uint64_t n = 4711;

		assert_true(param_number_parse(good[i].type, good[i].text, &n));
		assert_true(n == good[i].n);
	}
}

static void
ranges_are_kept(void **state)
{
	const struct param tiles = { .type = PARAM_TYPE_u32, .min = "1", .max = "64" };
	const struct param wide = { .type = PARAM_TYPE_u32, .min = "", .max = "" };
	const struct param nap = { .type = PARAM_TYPE_dur, .min = "1us", .max = "1s" };
	uint64_t n = 4711;

	assert_false(param_number_accepts(&tiles, "0", &n));
	assert_false(param_number_accepts(&tiles, "65", &n));
	assert_false(param_number_accepts(&wide, "4294967296", &n)); /* not a uint32_t */
	assert_false(param_number_accepts(&nap, "999ns", &n));
	assert_false(param_number_accepts(&nap, "1001ms", &n));
	assert_int_equal(n, 4711);
	assert_true(param_number_accepts(&tiles, "1", &n));
	assert_true(param_number_accepts(&tiles, "64", &n));
	assert_true(param_number_accepts(&nap, "1000us", &n));
	assert_int_equal(n, 1000000);
	assert_true(param_number_accepts(&wide, "4294967295", &n));
}

static void
text_is_one_of_the_words_or_a_plain_line(void **state)
{
	const struct param words = { .type = PARAM_TYPE_str, .unit = "auto|yes|no" };
	const struct param path = { .type = PARAM_TYPE_str, .unit = "path" };
	char longest[PARAM_STR_BYTES + 1];

	assert_false(param_str_accepts(&words, ""));
	assert_false(param_str_accepts(&words, "aut"));
	assert_false(param_str_accepts(&words, "autoo"));
	assert_false(param_str_accepts(&words, "auto|yes"));
	assert_false(param_str_accepts(&words, "AUTO"));
	assert_true(param_str_accepts(&words, "auto"));
	assert_true(param_str_accepts(&words, "yes"));
	assert_true(param_str_accepts(&words, "no"));

	assert_false(param_str_accepts(&path, "a#b"));
	assert_false(param_str_accepts(&path, "a\nb"));
	assert_false(param_str_accepts(&path, "a\x7f"));
	assert_false(param_str_accepts(&path, " a"));
	assert_false(param_str_accepts(&path, "a "));
	assert_true(param_str_accepts(&path, ""));
	assert_true(param_str_accepts(&path, "/tmp/a b/\xc3\xa4.sock"));

	memset(longest, 'x', sizeof(longest));
	longest[PARAM_STR_BYTES] = '\0';
	assert_false(param_str_accepts(&path, longest));
	longest[PARAM_STR_BYTES - 1] = '\0';
	assert_true(param_str_accepts(&path, longest));
}

static void
numbers_round_trip(void **state)
{
	static const enum param_type types[] = { PARAM_TYPE_u32, PARAM_TYPE_u64, PARAM_TYPE_bytes,
						 PARAM_TYPE_dur, PARAM_TYPE_bool };
	char text[PARAM_NUMBER_BYTES];
	struct rng rng;

	rng_init(&rng, test_seed("param_value"));
	for (int i = 0; i < 20000; i++) {
		enum param_type type = types[rng_below(&rng, ARRAY_CNT(types))];
		uint64_t n = rng_u64(&rng) >> rng_below(&rng, 64) << rng_below(&rng, 40);
		uint64_t back = 4711;

		n = type == PARAM_TYPE_bool ? n & 1 : n;
		param_number_format(type, n, text);
		assert_true(param_number_parse(type, text, &back));
		assert_true(back == n);
	}
	param_number_format(PARAM_TYPE_bytes, 3 << 20, text);
	assert_string_equal(text, "3m");
	param_number_format(PARAM_TYPE_dur, 1500000, text);
	assert_string_equal(text, "1500us");
	param_number_format(PARAM_TYPE_dur, UINT64_MAX, text);
	assert_string_equal(text, "18446744073709551615ns");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_no_number_is_refused),
		cmocka_unit_test(numbers_are_read),
		cmocka_unit_test(ranges_are_kept),
		cmocka_unit_test(text_is_one_of_the_words_or_a_plain_line),
		cmocka_unit_test(numbers_round_trip),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
