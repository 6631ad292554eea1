/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   every number reads as a person would write it; nothing foreign reaches a terminal raw.
 * Method: values at both sides of each change of unit; every control character and broken UTF-8. */
#include "fmt.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../base/test_cmocka.h"
#include "compiler.h"

static void
durations(void **state)
{
	static const struct {
		uint64_t ns;
		const char *text;
	} row[] = {
		{ 0, "0 ns" },
		{ 999, "999 ns" },
		{ 1000, "1.00 µs" },
		{ 1234, "1.23 µs" },
		{ 12345, "12.3 µs" },
		{ 999499, "999 µs" },
		{ 999500, "1.00 ms" },
		{ 59990000000, "60.0 s" },
		{ 60000000000, "1 min 00 s" },
		{ 3599000000000, "59 min 59 s" },
		{ 11040000000000, "3 h 04 min" },
		{ 93600000000000, "1 d 02 h" },
	};
	char buf[FMT_BYTES];

	(void)state;
	for (size_t i = 0; i < ARRAY_CNT(row); i++) {
		assert_string_equal(fmt_ns(buf, row[i].ns), row[i].text);
	}
	assert_true(strlen(fmt_ns(buf, UINT64_MAX)) < FMT_BYTES);
}

static void
sizes_and_rates(void **state)
{
	char buf[FMT_BYTES];

	(void)state;
	assert_string_equal(fmt_bytes(buf, 0), "0 B");
	assert_string_equal(fmt_bytes(buf, 1023), "1023 B");
	assert_string_equal(fmt_bytes(buf, 1024), "1.00 KiB");
	assert_string_equal(fmt_bytes(buf, 3 << 19), "1.50 MiB");
	assert_string_equal(fmt_bytes(buf, UINT64_MAX), "16.0 EiB");
	assert_string_equal(fmt_rate(buf, 0), "0");
	assert_string_equal(fmt_rate(buf, -1), "0");
	assert_string_equal(fmt_rate(buf, 12.34), "12.3");
	assert_string_equal(fmt_rate(buf, 999.6), "1.00 k");
	assert_string_equal(fmt_rate(buf, 3456789), "3.46 M");
	assert_string_equal(fmt_count(buf, 0, "edge"), "0 edges");
	assert_string_equal(fmt_count(buf, 1, "edge"), "1 edge");
	assert_string_equal(fmt_count(buf, UINT64_MAX, "edge"), "18446744073709551615 edges");
}

/* Each double reads back as itself, and never as an integer. */
static void
doubles(void **state)
{
	static const double x[] = { 0.0,  -0.0,  5,      0.1,       1e15,       1e16, 1e-5,
				    1e-6, 1e300, 5e-324, 0.1 + 0.2, 123456.789, -1.5 };
	char buf[FMT_BYTES];

	(void)state;
	for (size_t i = 0; i < ARRAY_CNT(x); i++) {
		double back = strtod(fmt_f64(buf, x[i]), NULL);

		assert_memory_equal(&back, &x[i], sizeof(back));
		assert_non_null(strpbrk(buf, ".e"));
	}
	assert_string_equal(fmt_f64(buf, 5), "5.0");
	assert_string_equal(fmt_f64(buf, 0.1), "0.1");
	assert_string_equal(fmt_f64(buf, 1e16), "1e+16");
	assert_string_equal(fmt_f64(buf, -INFINITY), "-inf");
	assert_string_equal(fmt_f64(buf, NAN), "nan");
}

static void
assert_safe(const char *in, size_t len, bool lines, const char *want)
{
	char *out = NULL;
	size_t out_len;
	FILE *f = open_memstream(&out, &out_len);

	assert_non_null(f);
	fmt_safe(f, in, len, lines);
	fclose(f);
	assert_string_equal(out, want);
	free(out);
}

static void
safe(void **state)
{
	(void)state;
	assert_safe("", 0, false, "");
	assert_safe("\x1b[2J", 4, true, "\\x1b[2J");
	assert_safe("a\tb\n", 4, true, "a\tb\n");
	assert_safe("a\tb\n", 4, false, "a\\x09b\\x0a");
	assert_safe("\0", 1, true, "\\x00");
	assert_safe("\xc2\x9b"
		    "2J",
		    4, true, "\\xc2\\x9b2J"); /* a control sequence in one character */
	assert_safe("µs €", 7, false, "µs €");
	assert_safe("\xc0\x80", 2, false, "\\xc0\\x80");          /* too long a form */
	assert_safe("\xed\xa0\x80", 3, false, "\\xed\\xa0\\x80"); /* a surrogate */
	assert_safe("\xe2\x82", 2, false, "\\xe2\\x82");          /* cut off */
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(durations),
		cmocka_unit_test(sizes_and_rates),
		cmocka_unit_test(doubles),
		cmocka_unit_test(safe),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
