/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   a list of classes gives each executor one or none, and what is no list is refused with a
 *         sentence that says why.
 * Method: lists written by hand; then every text of up to five characters of an alphabet that such
 *         lists are made of. */
#include "classes.h"

#include <string.h>

#include "../base/test_cmocka.h"
#include "microburst/error.h"

#define EXECUTORS 4

static void
each_executor_has_one_or_none(void **state)
{
	struct classes c;
	char why[128];

	(void)state;
	assert_int_equal(classes_parse(&c, "", EXECUTORS, why, sizeof(why)), 0);
	assert_int_equal(c.cnt, 0);
	assert_int_equal(c.of[0], CLASSES_NONE);
	assert_int_equal(classes_parse(&c, " gpu=1, big-2=2 ", EXECUTORS, why, sizeof(why)), 0);
	assert_int_equal(c.cnt, 2);
	assert_int_equal(c.of[0], classes_find(&c, "gpu"));
	assert_int_equal(c.of[1], classes_find(&c, "big-2"));
	assert_int_equal(c.of[2], classes_find(&c, "big-2"));
	assert_int_equal(c.of[3], CLASSES_NONE);
	assert_int_not_equal(c.of[0], c.of[1]);
	assert_int_equal(classes_find(&c, "big"), CLASSES_NONE);
	assert_int_equal(classes_find(&c, ""), CLASSES_NONE);
}

static void
what_is_no_list_is_refused(void **state)
{
	static const struct {
		const char *text, *says;
	} bad[] = {
		{ "gpu", "gpu=1" },
		{ "gpu=", "gpu=1" },
		{ "=1", "gpu=1" },
		{ "gpu=-1", "gpu=1" },
		{ "gpu=0", "gpu=0" },
		{ "gpu=5", "raise executor.count" },
		{ "a=3,b=2", "1 of 4" },
		{ "gpu=99999999999999999999", "raise executor.count" },
		{ "a=1,a=1", "twice" },
		{ "a=1 b=1", "comma" },
		{ "a=1x", "comma" },
		{ "a=1,,b=1", "gpu=1" },
		{ "0123456789012345678901234567890123456789012345678901234567890123=1", "gpu=1" },
	};
	struct classes c;
	char why[128];

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		why[0] = '\0';
		assert_int_equal(classes_parse(&c, bad[i].text, EXECUTORS, why, sizeof(why)),
				 MB_ERR_CONFIG);
		assert_non_null(strstr(why, bad[i].says));
	}
	assert_int_equal(classes_parse(&c, "a=1,b=1,c=1,d=1,e=1,f=1,g=1,h=1", EXECUTOR_CNT_MAX, why,
				       sizeof(why)),
			 0);
	assert_int_equal(classes_parse(&c, "a=1,b=1,c=1,d=1,e=1,f=1,g=1,h=1,i=1", EXECUTOR_CNT_MAX,
				       why, sizeof(why)),
			 MB_ERR_CONFIG);
}

static void
any_text_gives_classes_that_exist(void **state)
{
	static const char alphabet[] = "ab=12, ";
	struct classes c;
	char why[128], text[6] = "";
	uint32_t good = 0;

	(void)state;
	for (uint32_t n = 0; n < 16807; n++) {
		uint32_t x = n, of_none = 0;

		for (int i = 0; i < 5; i++, x /= 7) {
			text[i] = alphabet[x % 7];
		}
		if (classes_parse(&c, text, EXECUTORS, why, sizeof(why)) != 0) {
			continue;
		}
		good++;
		for (int i = 0; i < EXECUTORS; i++) {
			assert_true(c.of[i] <= c.cnt);
			of_none += c.of[i] == CLASSES_NONE;
		}
		assert_true(c.cnt + of_none <= EXECUTORS);
	}
	assert_true(good > 10);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_executor_has_one_or_none),
		cmocka_unit_test(what_is_no_list_is_refused),
		cmocka_unit_test(any_text_gives_classes_that_exist),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
