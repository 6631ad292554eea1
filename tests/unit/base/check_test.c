/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   a failed check stops the process and says where, what, and which values; a kept one costs
 *         nothing and says nothing; the weaker two count and warn.
 * Method: failing checks run in a child whose standard error is read. */
#include "check.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "log.h"
#include "test_cmocka.h"
#include "test_death.h"

static void
fail_require(void *arg)
{
	REQUIRE(*(int *)arg < 3);
}

static void
fail_ensure(void *arg)
{
	ENSURE(*(int *)arg < 3, "n=%d of %s", *(int *)arg, "three");
}

static void
fail_insist(void *arg)
{
	INSIST(*(int *)arg < 3, "100%% wrong");
}

static void
fail_hot(void *arg)
{
	INSIST_HOT(*(int *)arg < 3);
	abort();
}

static void
a_failed_check_names_place_and_expression(void **state)
{
	char text[TEST_DEATH_TEXT_BYTES];
	int n = 5;

	assert_true(test_dies(fail_require, &n, text));
	assert_non_null(strstr(text, "check_test.c:"));
	assert_non_null(strstr(text, ": fail_require: REQUIRE(*(int *)arg < 3) failed\n"));
}

static void
a_failed_check_tells_the_values(void **state)
{
	char text[TEST_DEATH_TEXT_BYTES];
	int n = 5;

	assert_true(test_dies(fail_ensure, &n, text));
	assert_non_null(
		strstr(text, ": fail_ensure: ENSURE(*(int *)arg < 3) failed: n=5 of three\n"));
	assert_true(test_dies(fail_insist, &n, text));
	assert_non_null(strstr(text, "INSIST(*(int *)arg < 3) failed: 100% wrong\n"));
}

static void
hot_checks_follow_the_build(void **state)
{
	char text[TEST_DEATH_TEXT_BYTES];
	int n = 5;

	assert_true(test_dies(fail_hot, &n, text));
	assert_int_equal(strstr(text, "INSIST_HOT") != NULL, MB_CHECK_HOT);
}

static void
kept_checks_evaluate_once(void **state)
{
	int n = 0;

	REQUIRE(n++ == 0);
	ENSURE(n++ == 1, "n=%d", n);
	INSIST(n++ == 2);
	assert_int_equal(n, 3);
}

static bool
warn_if(bool cond)
{
	return WARN_ONCE(cond, "cond=%d", cond);
}

static void
warn_once_warns_once_at_a_place(void **state)
{
	char text[4096];
	int fd = memfd_create("log", 0);
	ssize_t len;

	log_open(fd, LOG_WARN);
	assert_false(warn_if(false));
	assert_true(warn_if(true));
	assert_true(warn_if(true));
	len = pread(fd, text, sizeof(text) - 1, 0);
	assert_true(len > 0);
	text[len] = '\0';
	assert_non_null(strstr(text, "WARN "));
	assert_non_null(strstr(text, "warn_if: unexpected (told once): cond: cond=1\n"));
	assert_ptr_equal(strchr(text, '\n'), text + len - 1);
	close(fd);
}

static void
count_if_counts_and_tells(void **state)
{
	unsigned cnt = 0;

	assert_true(COUNT_IF(1 > 0, cnt));
	assert_false(COUNT_IF(1 < 0, cnt));
	assert_true(COUNT_IF(true, cnt));
	assert_int_equal(cnt, 2);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_failed_check_names_place_and_expression),
		cmocka_unit_test(a_failed_check_tells_the_values),
		cmocka_unit_test(hot_checks_follow_the_build),
		cmocka_unit_test(kept_checks_evaluate_once),
		cmocka_unit_test(warn_once_warns_once_at_a_place),
		cmocka_unit_test(count_if_counts_and_tells),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
