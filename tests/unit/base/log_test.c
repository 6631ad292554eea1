/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   a line is whole, stamped, and cannot be forged by what it quotes; levels hold lines back.
 * Method: log into a memfd and read it back. */
#include "log.h"

#include <fcntl.h>
#include <microburst/error.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "compiler.h"
#include "test_cmocka.h"

static char text[16384];

static int
open_log(enum log_level level)
{
	int fd = memfd_create("log", 0);

	assert_true(fd >= 0);
	log_open(fd, level);
	return fd;
}

static const char *
read_log(int fd)
{
	ssize_t len = pread(fd, text, sizeof(text) - 1, 0);

	assert_true(len >= 0);
	text[len] = '\0';
	close(fd);
	return text;
}

static void
a_closed_log_is_survived(void **state)
{
	log_open(-1, LOG_DEBUG);
	log_at(LOG_ERROR, "nobody hears this");
}

static void
quoted_bytes_cannot_forge_a_line(void **state)
{
	int fd = open_log(LOG_INFO);

	log_at(LOG_INFO, "name '%s'", "a\nb\x1b[2J\t\x7f\xc3\xa4\\");
	assert_non_null(
		strstr(read_log(fd), " INFO name 'a\\x0ab\\x1b[2J\\x09\\x7f\\xc3\\xa4\\'\n"));
	assert_ptr_equal(strchr(text, '\n') + 1, text + strlen(text));
}

static void
a_long_line_is_cut_visibly(void **state)
{
	static char longest[4 * LOG_LINE_BYTES_MAX];

	/* Around the limit, plain and escaped, the line ends whole. */
	for (size_t len = LOG_LINE_BYTES_MAX - 64; len < LOG_LINE_BYTES_MAX + 64; len++) {
		for (const char *c = "x\n"; *c != '\0'; c++) {
			int fd = open_log(LOG_INFO);
			const char *line;
			bool cut;

			memset(longest, *c, len);
			longest[len] = '\0';
			log_at(LOG_INFO, "%s", longest);
			line = read_log(fd);
			assert_true(strlen(line) <= LOG_LINE_BYTES_MAX);
			assert_ptr_equal(strchr(line, '\n'), line + strlen(line) - 1);
			cut = strstr(line, "...\n") != NULL;
			assert_int_equal(cut, *c == '\n' || len > LOG_LINE_BYTES_MAX - 33 - 5);
		}
	}
}

static void
levels_hold_lines_back(void **state)
{
	int fd = open_log(LOG_WARN);

	log_at(LOG_NOTICE, "not this");
	log_at(LOG_WARN, "this");
	assert_false(log_enabled(LOG_NOTICE));
	log_level_set(LOG_DEBUG);
	assert_true(log_enabled(LOG_DEBUG));
	log_at(LOG_DEBUG, "and this");
	read_log(fd);
	assert_null(strstr(text, "not this"));
	assert_non_null(strstr(text, " WARN this\n"));
	assert_non_null(strstr(text, " DEBUG and this\n"));
}

static void
a_line_begins_with_the_time(void **state)
{
	int fd = open_log(LOG_NOTICE);
	int year, month, day, hour, minute, second, us, end = 0;

	log_at(LOG_NOTICE, "up");
	read_log(fd);
	assert_int_equal(sscanf(text, "%4d-%2d-%2dT%2d:%2d:%2d.%6dZ NOTICE up\n%n", &year, &month,
				&day, &hour, &minute, &second, &us, &end),
			 7);
	assert_int_equal(end, strlen(text));
	assert_true(year >= 2024);
}

static void
each_level_has_a_name(void **state)
{
	static const char *const name[] = { "error", "warn", "notice", "info", "debug" };
	enum log_level level = LOG_NOTICE;

	assert_int_equal(log_level_from_name("loud", &level), MB_ERR_INVALID);
	assert_int_equal(log_level_from_name("", &level), MB_ERR_INVALID);
	assert_int_equal(level, LOG_NOTICE);
	for (int i = LOG_ERROR; i <= LOG_DEBUG; i++) {
		assert_int_equal(log_level_from_name(name[i - LOG_ERROR], &level), MB_OK);
		assert_int_equal(level, i);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_closed_log_is_survived),
		cmocka_unit_test(quoted_bytes_cannot_forge_a_line),
		cmocka_unit_test(a_long_line_is_cut_visibly),
		cmocka_unit_test(levels_hold_lines_back),
		cmocka_unit_test(a_line_begins_with_the_time),
		cmocka_unit_test(each_level_has_a_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
