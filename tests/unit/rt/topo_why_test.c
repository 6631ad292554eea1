/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   a sentence is never longer than its room, and nobody has to want it.
 * Method: too long a one; none wanted; not an error. */
#include "topo_why.h"

#include <string.h>

#include <microburst/error.h>

#include "test_cmocka.h"
#include "test_death.h"

static void
why_for_success(void *arg)
{
	topo_why_set(arg, MB_OK, "fine");
}

static void
a_sentence_without_an_error_is_a_bug(void **state)
{
	char text[TEST_DEATH_TEXT_BYTES];
	struct topo_why why;

	assert_true(test_dies(why_for_success, &why, text));
}

static void
a_long_sentence_is_cut(void **state)
{
	struct topo_why why;

	assert_int_equal(topo_why_set(&why, MB_ERR_CONFIG, "%0400d", 1), MB_ERR_CONFIG);
	assert_int_equal(strlen(why.text), TOPO_WHY_BYTES_MAX - 1);
}

static void
nobody_has_to_want_it(void **state)
{
	assert_int_equal(topo_why_set(NULL, MB_ERR_IO, "%d", 1), MB_ERR_IO);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_sentence_without_an_error_is_a_bug),
		cmocka_unit_test(a_long_sentence_is_cut),
		cmocka_unit_test(nobody_has_to_want_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
