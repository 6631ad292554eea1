/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   a source becomes an object behind an fd, no file stays, and what goes wrong is said.
 * Method: $CC set to stand-ins: one that is not there, one that fails, one with words of its own,
 *         one that writes an object. The real compiler is driven by cli_test.py. */
#include "compile.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <microburst/error.h>

#include "../base/test_cmocka.h"

static char dir[] = "/tmp/compile_test.XXXXXX";

static int
compile_with(const char *cc, int *fd, char err[static COMPILE_ERR_BYTES])
{
	err[0] = '\0';
	assert_int_equal(setenv("CC", cc, 1), 0);
	return compile_run("x.c", fd, err);
}

/* TMPDIR is ours: after each run it must be as empty as before. */
static void
assert_nothing_left(void)
{
	DIR *d = opendir(dir);
	struct dirent *e;

	assert_non_null(d);
	while ((e = readdir(d)) != NULL) {
		assert_true(e->d_name[0] == '.' || strcmp(e->d_name, "cc") == 0);
	}
	closedir(d);
}

static void
no_compiler(void **state)
{
	char err[COMPILE_ERR_BYTES];
	int fd;

	(void)state;
	assert_int_equal(compile_with("/nonexistent/cc", &fd, err), MB_ERR_IO);
	assert_non_null(strstr(err, "/nonexistent/cc"));
	assert_nothing_left();
}

static void
compiler_refuses(void **state)
{
	char err[COMPILE_ERR_BYTES];
	int fd;

	(void)state;
	assert_int_equal(compile_with("false", &fd, err), MB_ERR_COMPILE);
	assert_non_null(strstr(err, "x.c"));
	assert_nothing_left();
}

/* It says that it is done, and wrote nothing. */
static void
compiler_lies(void **state)
{
	char err[COMPILE_ERR_BYTES];
	int fd;

	(void)state;
	assert_int_equal(compile_with("true", &fd, err), MB_ERR_IO);
	assert_nothing_left();
}

static void
object_without_name(void **state)
{
	char err[COMPILE_ERR_BYTES], cc[128], text[64] = "";
	FILE *f;
	int fd;

	(void)state;
	snprintf(cc, sizeof(cc), "%s/cc", dir);
	f = fopen(cc, "w");
	assert_non_null(f);
	/* Writes its own first argument where -o says. */
	fputs("#!/bin/sh\nfirst=$1\nwhile [ $1 != -o ]; do shift; done\necho $first >$2\n", f);
	fclose(f);
	snprintf(cc, sizeof(cc), "sh %s/cc  --of-its-own ", dir);
	assert_int_equal(compile_with(cc, &fd, err), MB_OK);
	assert_true(read(fd, text, sizeof(text) - 1) > 0);
	assert_string_equal(text, "--of-its-own\n");
	close(fd);
	assert_nothing_left();
	snprintf(cc, sizeof(cc), "%s/cc", dir);
	unlink(cc);
}

static void
no_folder(void **state)
{
	char err[COMPILE_ERR_BYTES];
	int fd;

	(void)state;
	setenv("TMPDIR", "/nonexistent", 1);
	assert_int_equal(compile_with("true", &fd, err), MB_ERR_IO);
	assert_non_null(strstr(err, "/nonexistent"));
	setenv("TMPDIR", dir, 1);
}

static int
setup(void **state)
{
	(void)state;
	unsetenv("CFLAGS");
	return mkdtemp(dir) == NULL || setenv("TMPDIR", dir, 1) != 0 ? -1 : 0;
}

static int
teardown(void **state)
{
	(void)state;
	return rmdir(dir);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_compiler),   cmocka_unit_test(compiler_refuses),
		cmocka_unit_test(compiler_lies), cmocka_unit_test(object_without_name),
		cmocka_unit_test(no_folder),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
