/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   columns line up whatever their cells hold.
 * Method: tables with wide characters, empty cells, control characters, no rows, many rows. */
#include "columns.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../base/test_cmocka.h"

static void
assert_table(struct columns *t, const char *want)
{
	char *out = NULL;
	size_t len;
	FILE *f = open_memstream(&out, &len);

	assert_non_null(f);
	columns_print(t, f);
	fclose(f);
	assert_string_equal(out, want);
	free(out);
	columns_fini(t);
}

static void
no_rows(void **state)
{
	struct columns t;

	(void)state;
	columns_init(&t, "<A >B");
	assert_table(&t, "");
}

static void
aligned(void **state)
{
	struct columns t;

	(void)state;
	columns_init(&t, "<NAME >CALLS >p50 >SIZE >RATE >BUSY <LAST");
	columns_row(&t, "sunbrps", "a", UINT64_C(5), UINT64_C(1500), UINT64_C(2048), 12.5, 0.25,
		    "x");
	columns_row(&t, "sunbrp-", "longer", UINT64_C(12345), UINT64_C(70), UINT64_C(1), 0.0, 1.0);
	assert_table(&t, "NAME    CALLS      p50      SIZE  RATE     BUSY  LAST\n"
			 "a           5  1.50 µs  2.00 KiB  12.5   25.0 %  x\n"
			 "longer  12345    70 ns       1 B     0  100.0 %\n");
}

/* Names are a stranger's: they neither move the cursor nor break a line. */
static void
escaped(void **state)
{
	struct columns t;

	(void)state;
	columns_init(&t, "<NAME >N");
	columns_row(&t, "su", "a\nb", UINT64_C(1));
	columns_row(&t, "su", "µ", UINT64_C(2));
	assert_table(&t, "NAME    N\na\\x0ab  1\nµ       2\n");
}

static void
many_rows(void **state)
{
	struct columns t;
	size_t lines = 0;
	char *out = NULL;
	size_t len;
	FILE *f;

	(void)state;
	columns_init(&t, "<A >B");
	for (uint64_t i = 0; i < 1000; i++) {
		columns_row(&t, "su", "row", i);
	}
	f = open_memstream(&out, &len);
	columns_print(&t, f);
	fclose(f);
	for (size_t i = 0; i < len; i++) {
		lines += out[i] == '\n';
	}
	assert_int_equal(lines, 1001);
	free(out);
	columns_fini(&t);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_rows),
		cmocka_unit_test(aligned),
		cmocka_unit_test(escaped),
		cmocka_unit_test(many_rows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
