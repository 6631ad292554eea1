/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   what a person types becomes the value that argval.h says, or is refused with a sentence.
 * Method: one line an input; files of every awkward size in a folder of the test's own. */
#include "argval.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <microburst/error.h>

#include "../base/test_cmocka.h"
#include "compiler.h"
#include "domain_limits.h"

static void
refused(const char *text, int want)
{
	char err[ARGVAL_ERR_BYTES] = "";
	struct mb_value v;

	assert_int_equal(argval_parse(text, &v, err), want);
	assert_true(strlen(err) > 0);
}

static void
refusals(void **state)
{
	static const char *const bad[] = {
		"99999999999999999999",
		"-9223372036854775809", /* beyond 64 bits */
		"i:",
		"i:x",
		"i:1.5",
		"i: 1",
		"f:",
		"f:x",
		"f:1x",
		"f: 1",
		"b:0",
		"b:0g",
		"b:xx",
		"b:0 ",
		"a:x",
		"a:1,",
		"a:,",
		"a:1,,2",
		"a:1;2",
		"a: 1",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_CNT(bad); i++) {
		refused(bad[i], MB_ERR_INVALID);
	}
	refused("@", MB_ERR_IO);
	refused("@/nonexistent/file", MB_ERR_IO);
	refused("@/", MB_ERR_IO);
}

static struct mb_value
parsed(const char *text, enum mb_type type)
{
	char err[ARGVAL_ERR_BYTES] = "";
	struct mb_value v;

	assert_int_equal(argval_parse(text, &v, err), MB_OK);
	assert_int_equal(v.type, type);
	return v;
}

static void
numbers(void **state)
{
	(void)state;
	assert_true(parsed("4", MB_I64).i64 == 4);
	assert_true(parsed("-4", MB_I64).i64 == -4);
	assert_true(parsed("+4", MB_I64).i64 == 4);
	assert_true(parsed("007", MB_I64).i64 == 7);
	assert_true(parsed("9223372036854775807", MB_I64).i64 == INT64_MAX);
	assert_true(parsed("-9223372036854775808", MB_I64).i64 == INT64_MIN);
	assert_true(parsed("i:4", MB_I64).i64 == 4);
	assert_true(parsed("0.5", MB_F64).f64 == 0.5);
	assert_true(parsed("-.5", MB_F64).f64 == -0.5);
	assert_true(parsed("5.", MB_F64).f64 == 5);
	assert_true(parsed("1e3", MB_F64).f64 == 1000);
	assert_true(parsed("f:4", MB_F64).f64 == 4);
	assert_true(isinf(parsed("f:inf", MB_F64).f64));
	assert_true(isnan(parsed("f:nan", MB_F64).f64));
}

static void
assert_bytes(struct mb_value v, const void *p, size_t len)
{
	assert_int_equal(v.len, len);
	if (len > 0) {
		assert_memory_equal(v.p, p, len);
	}
}

static void
texts(void **state)
{
	(void)state;
	assert_bytes(parsed("", MB_UTF8), "", 0);
	assert_bytes(parsed("hello world", MB_UTF8), "hello world", 11);
	assert_bytes(parsed("grün", MB_UTF8), "grün", 5);
	assert_bytes(parsed("s:4", MB_UTF8), "4", 1);
	assert_bytes(parsed("s:", MB_UTF8), "", 0);
	assert_bytes(parsed("\xff", MB_BYTES), "\xff", 1);
	/* What is nearly a number, a prefix or a path is text. */
	assert_bytes(parsed("1.2.3", MB_UTF8), "1.2.3", 5);
	assert_bytes(parsed("1-2", MB_UTF8), "1-2", 3);
	assert_bytes(parsed("e", MB_UTF8), "e", 1);
	assert_bytes(parsed(".", MB_UTF8), ".", 1);
	assert_bytes(parsed("inf", MB_UTF8), "inf", 3);
	assert_bytes(parsed("nan", MB_UTF8), "nan", 3);
	assert_bytes(parsed("0x10", MB_UTF8), "0x10", 4);
	assert_bytes(parsed("x:1", MB_UTF8), "x:1", 3);
	assert_bytes(parsed("--", MB_UTF8), "--", 2);
}

static void
bytes_and_arrays(void **state)
{
	static const double want[] = { 1, -2.5, 3e3 };

	(void)state;
	assert_bytes(parsed("b:", MB_BYTES), "", 0);
	assert_bytes(parsed("b:00fFaB", MB_BYTES), "\x00\xff\xab", 3);
	assert_bytes(parsed("a:", MB_F64_ARRAY), "", 0);
	assert_bytes(parsed("a:1,-2.5,3e3", MB_F64_ARRAY), want, sizeof(want));
	assert_bytes(parsed("k:user/7", MB_REF), "user/7", 6);
	assert_bytes(parsed("o:out", MB_OUTPUT), "out", 3);
	refused("k:", MB_ERR_INVALID);
	refused("o:", MB_ERR_INVALID);
}

/* ------------------------------------------------------------------ files */

static char dir[] = "/tmp/argval_test.XXXXXX";

static const char *
file_of(size_t bytes)
{
	static char arg[64];
	FILE *f;

	snprintf(arg, sizeof(arg), "@%s/file", dir);
	f = fopen(arg + 1, "w");
	assert_non_null(f);
	if (bytes > 0) { /* a hole: no disk is filled */
		assert_int_equal(ftruncate(fileno(f), (off_t)bytes), 0);
	}
	fclose(f);
	return arg;
}

static void
files(void **state)
{
	static const size_t bytes[] = {
		0, 1, 65535, 65536, 262144, 262145, 1 << 20, VALUE_BYTES_MAX
	};
	char err[ARGVAL_ERR_BYTES];
	struct mb_value v;

	(void)state;
	for (size_t i = 0; i < ARRAY_CNT(bytes); i++) {
		assert_int_equal(argval_parse(file_of(bytes[i]), &v, err), MB_OK);
		assert_int_equal(v.type, MB_BYTES);
		assert_int_equal(v.len, bytes[i]);
	}
	refused(file_of((size_t)VALUE_BYTES_MAX + 1), MB_ERR_TOO_LARGE);
}

/* For the store only @ and - are special. */
static void
store_values(void **state)
{
	static const char *const same[] = { "4", "i:4", "b:00", "-4", "" };
	char err[ARGVAL_ERR_BYTES];
	struct mb_value v;

	(void)state;
	for (size_t i = 0; i < ARRAY_CNT(same); i++) {
		assert_int_equal(argval_bytes(same[i], &v, err), MB_OK);
		assert_int_equal(v.type, MB_BYTES);
		assert_bytes(v, same[i], strlen(same[i]));
	}
	assert_int_equal(argval_bytes("@/nonexistent/file", &v, err), MB_ERR_IO);
}

static int
make_dir(void **state)
{
	(void)state;
	return mkdtemp(dir) == NULL ? -1 : 0;
}

static int
remove_dir(void **state)
{
	(void)state;
	unlink(file_of(0) + 1);
	return rmdir(dir);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(refusals), cmocka_unit_test(numbers),
		cmocka_unit_test(texts),    cmocka_unit_test(bytes_and_arrays),
		cmocka_unit_test(files),    cmocka_unit_test(store_values),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
