/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   lists of cpus are read as the kernel writes them, and nothing else is; what is printed
 *         reads back as the same set.
 * Method: lists that are none; a thousand random sets, there and back. */
#include "cpulist.h"

#include <string.h>

#include "../base/test_cmocka.h"
#include "../base/test_seed.h"

#include "rng.h"

static void
not_lists(void **state)
{
	static const char *const bad[] = { ",",    "1,",     ",1",     "1,,2",
					   "-",    "1-",     "-1",     "3-1",
					   "1024", "0-1024", "a",      "1 ",
					   " 1",   "1-2-3",  "(null)", "99999999999999999999" };
	struct cpulist l = { { 7 } };

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_false(cpulist_parse(bad[i], &l));
		assert_int_equal(l.bits[0], 7);
	}
}

static void
lists(void **state)
{
	struct cpulist l, other, r;
	char text[64];

	(void)state;
	assert_true(cpulist_parse("", &l));
	assert_int_equal(cpulist_cnt(&l), 0);
	assert_string_equal(cpulist_print(&l, text, sizeof(text)), "");
	assert_true(cpulist_parse("8,0-3,1023", &l));
	assert_int_equal(cpulist_cnt(&l), 6);
	assert_true(cpulist_has(&l, 1023));
	assert_false(cpulist_has(&l, 1024));
	assert_string_equal(cpulist_print(&l, text, sizeof(text)), "0-3,8,1023");
	assert_true(cpulist_parse("2-8", &other));
	r = cpulist_minus(&l, &other);
	assert_string_equal(cpulist_print(&r, text, sizeof(text)), "0-1,1023");
	r = cpulist_and(&l, &other);
	assert_string_equal(cpulist_print(&r, text, sizeof(text)), "2-3,8");
}

static void
there_and_back(void **state)
{
	char text[8192], few[16];
	struct rng rng;

	(void)state;
	rng_init(&rng, test_seed("cpulist"));
	for (int n = 0; n < 1000; n++) {
		struct cpulist l = { 0 }, back;

		for (uint64_t i = rng_below(&rng, 200); i > 0; i--) {
			l.bits[rng_below(&rng, 16)] |= UINT64_C(1) << rng_below(&rng, 64);
		}
		assert_true(cpulist_parse(cpulist_print(&l, text, sizeof(text)), &back));
		assert_memory_equal(&l, &back, sizeof(l));
		/* With little room it says that there is more. */
		cpulist_print(&l, few, sizeof(few));
		assert_true(strlen(few) < sizeof(few));
		assert_true(strcmp(few, text) == 0 || strstr(few, "...") != NULL);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(not_lists),
		cmocka_unit_test(lists),
		cmocka_unit_test(there_and_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
