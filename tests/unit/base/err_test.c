/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   every row of err.def is found by number and by name, and nothing else is.
 * Method: walk the table through its own X-macro, then ask for numbers and names beside it. */
#include <microburst/error.h>

#include <limits.h>
#include <string.h>

#include "compiler.h"
#include "test_cmocka.h"

static const struct {
	int value;
	const char *name;
	bool retryable, visible;
} rows[] = {
#define ERR(name, value, retryable, client_visible, text)                                          \
	{ MB_ERR_##name, #name, retryable, client_visible },
#include <microburst/err.def>
#undef ERR
};

static void
unknown_numbers_have_no_row(void **state)
{
	static const int strangers[] = { 1,       4096,     INT_MAX,
					 INT_MIN, -INT_MAX, -(int)ARRAY_CNT(rows) - 1 };

	for (size_t i = 0; i < ARRAY_CNT(strangers); i++) {
		assert_string_equal(mb_err_name(strangers[i]), "UNKNOWN");
		assert_non_null(mb_err_text(strangers[i]));
		assert_false(mb_err_retryable(strangers[i]));
		assert_false(mb_err_client_visible(strangers[i]));
	}
}

static void
unknown_names_have_no_code(void **state)
{
	static const char *const strangers[] = { "",     "BUS",     "BUSYY",
						 "busy", "UNKNOWN", "MB_ERR_BUSY" };

	for (size_t i = 0; i < ARRAY_CNT(strangers); i++) {
		assert_int_equal(mb_err_from_name(strangers[i]), 1);
	}
}

static void
each_row_is_found(void **state)
{
	for (size_t i = 0; i < ARRAY_CNT(rows); i++) {
		assert_int_equal(rows[i].value, -(int)i - 1);
		assert_string_equal(mb_err_name(rows[i].value), rows[i].name);
		assert_int_equal(mb_err_from_name(rows[i].name), rows[i].value);
		assert_int_equal(mb_err_retryable(rows[i].value), rows[i].retryable);
		assert_int_equal(mb_err_client_visible(rows[i].value), rows[i].visible);
	}
}

/* The sentence "error: <text>" is built from it in three places. */
static void
each_text_is_one_plain_phrase(void **state)
{
	for (size_t i = 0; i < ARRAY_CNT(rows); i++) {
		const char *text = mb_err_text(rows[i].value);

		assert_true(strlen(text) > 0 && strlen(text) < 80);
		assert_int_not_equal(text[strlen(text) - 1], '.');
		assert_null(strchr(text, '\n'));
	}
}

static void
ok_is_no_error(void **state)
{
	assert_string_equal(mb_err_name(MB_OK), "OK");
	assert_int_equal(mb_err_from_name("OK"), MB_OK);
	assert_false(mb_err_retryable(MB_OK));
	assert_true(mb_err_client_visible(MB_OK));
}

/* What may have left effects behind must not be offered for a blind second try. */
static void
doubtful_outcomes_are_not_retryable(void **state)
{
	assert_false(mb_err_retryable(MB_ERR_INDETERMINATE));
	assert_false(mb_err_retryable(MB_ERR_EXECUTOR_DIED));
	assert_false(mb_err_retryable(MB_ERR_NODE_DIED));
	assert_true(mb_err_retryable(MB_ERR_BUSY));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(unknown_numbers_have_no_row),
		cmocka_unit_test(unknown_names_have_no_code),
		cmocka_unit_test(each_row_is_found),
		cmocka_unit_test(each_text_is_one_plain_phrase),
		cmocka_unit_test(ok_is_no_error),
		cmocka_unit_test(doubtful_outcomes_are_not_retryable),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
