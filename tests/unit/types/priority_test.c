/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   the smallest number wins, over all 64 bits; ties go to the smaller bytes.
 * Method: a table of pairs. */
#include "priority.h"

#include "made.h"
#include "test_cmocka.h"

static void
the_smallest_wins(void **state)
{
	const struct {
		struct slice winner, loser;
	} row[] = {
		{ priority_made(1, "z"), priority_made(2, "a") },
		{ priority_made(-1, "z"), priority_made(0, "a") },
		{ priority_made(INT64_MIN, ""), priority_made(INT64_MAX, "") },
		{ priority_made(255, "z"), priority_made(256, "a") },
		{ priority_made(1, "a"), priority_made(1, "b") },
		{ priority_made(1, ""), priority_made(1, "b") },
	};
	struct slice bytes;
	int64_t number;

	for (size_t i = 0; i < ARRAY_CNT(row); i++) {
		assert_true(slice_eq(merged(LATTICE_PRIORITY, row[i].winner, row[i].loser),
				     row[i].winner));
		assert_true(slice_eq(merged(LATTICE_PRIORITY, row[i].loser, row[i].winner),
				     row[i].winner));
	}
	assert_int_equal(priority_read(row[1].winner, &bytes, &number), 0);
	assert_int_equal(number, -1);
	assert_true(slice_eq(bytes, slice_str("z")));
}

static void
damage_is_seen(void **state)
{
	const struct slice cut = made_copy(slice_str("7 bytes"));
	struct slice bytes;
	int64_t number;

	assert_int_equal(lattice_check(LATTICE_PRIORITY, cut), MB_ERR_CORRUPT);
	assert_int_equal(priority_read(cut, &bytes, &number), MB_ERR_CORRUPT);
	assert_int_equal(priority_read(slice_of(NULL, 0), &bytes, &number), MB_ERR_NOT_FOUND);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(damage_is_seen),
		cmocka_unit_test(the_smallest_wins),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
