/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   files of settings are read to their first line's end, numbers only when they are ones.
 * Method: a tree of our own. */
#include "sysfile.h"

#include <microburst/error.h>

#include "../base/test_cmocka.h"

#include "sysfile_tree.h"

static void
absent(void **state)
{
	char text[16];
	uint64_t n = 7;

	(void)state;
	assert_false(sysfile_text(tree, "/none", text, sizeof(text)));
	assert_false(sysfile_u64(tree, "/none", &n));
	assert_int_equal(sysfile_put(tree, "/no/such/folder", "1"), MB_ERR_IO);
	assert_int_equal(errno, ENOENT);
	assert_int_equal(n, 7);
}

static void
not_numbers(void **state)
{
	static const char *const bad[] = {
		"", "\n", "max\n", "-1\n", "1x\n", " 1\n", "18446744073709551616\n"
	};
	uint64_t n = 7;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		tree_put("/n", bad[i]);
		assert_false(sysfile_u64(tree, "/n", &n));
		assert_int_equal(n, 7);
	}
}

static void
read_back(void **state)
{
	char text[8];
	uint64_t n;

	(void)state;
	tree_put("/a/b", "18446744073709551615\nmore\n");
	assert_true(sysfile_u64(tree, "/a/b", &n));
	assert_true(n == UINT64_MAX);
	tree_put("/a/b", "performance\n");
	assert_true(sysfile_text(tree, "/a/b", text, sizeof(text)));
	assert_string_equal(text, "perform"); /* cut, with its end */
}

static int
setup(void **state)
{
	(void)state;
	tree_make();
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	tree_remove();
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(absent),
		cmocka_unit_test(not_numbers),
		cmocka_unit_test(read_back),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
