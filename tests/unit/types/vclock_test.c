/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   clocks compare as causes do, entries are found, bytes no encoder wrote are refused.
 * Method: by hand. */
#include "vclock.h"

#include "made.h"
#include "test_cmocka.h"

static const struct slice none;

static struct slice
seen(uint64_t a, uint64_t b, uint64_t c)
{
	return merged(LATTICE_VCLOCK, vclock_made(1, a),
		      merged(LATTICE_VCLOCK, vclock_made(UINT64_MAX, c), vclock_made(7, b)));
}

static void
bytes_no_encoder_wrote_are_refused(void **state)
{
	uint64_t zero[2] = { 1, 0 };
	uint64_t twice[4] = { 1, 1, 1, 2 };
	uint64_t falling[4] = { 2, 1, 1, 1 };
	const struct slice good = seen(1, 2, 3);

	assert_int_equal(lattice_check(LATTICE_VCLOCK, slice_of(zero, sizeof(zero))),
			 MB_ERR_CORRUPT);
	assert_int_equal(lattice_check(LATTICE_VCLOCK, slice_of(twice, sizeof(twice))),
			 MB_ERR_CORRUPT);
	assert_int_equal(lattice_check(LATTICE_VCLOCK, slice_of(falling, sizeof(falling))),
			 MB_ERR_CORRUPT);
	for (size_t len = 1; len < good.len; len++) {
		const struct slice cut = made_copy(slice_of(good.p, len));

		/* Without its last writers it is a clock again: one that saw less. */
		assert_int_equal(lattice_check(LATTICE_VCLOCK, cut),
				 len % VCLOCK_ENTRY_BYTES == 0 ? 0 : MB_ERR_CORRUPT);
		(void)vclock_get(cut, by(7));
		(void)vclock_compare(cut, good);
	}
}

static void
clocks_compare_as_causes_do(void **state)
{
	assert_int_equal(vclock_compare(none, none), VCLOCK_EQUAL);
	assert_int_equal(vclock_compare(none, seen(1, 0, 0)), VCLOCK_BEFORE);
	assert_int_equal(vclock_compare(seen(1, 2, 3), seen(1, 2, 3)), VCLOCK_EQUAL);
	assert_int_equal(vclock_compare(seen(1, 2, 3), seen(1, 3, 3)), VCLOCK_BEFORE);
	assert_int_equal(vclock_compare(seen(1, 3, 3), seen(1, 0, 3)), VCLOCK_AFTER);
	assert_int_equal(vclock_compare(seen(1, 0, 3), seen(1, 3, 0)), VCLOCK_CONCURRENT);
	assert_int_equal(vclock_compare(seen(2, 1, 1), seen(1, 2, 1)), VCLOCK_CONCURRENT);
	assert_int_equal(vclock_compare(seen(UINT64_MAX, 0, 0), seen(1, 0, 0)), VCLOCK_AFTER);
}

static void
each_writer_is_found(void **state)
{
	const struct slice v = seen(5, 6, 7);

	assert_int_equal(vclock_get(v, by(1)), 5);
	assert_int_equal(vclock_get(v, by(7)), 6);
	assert_int_equal(vclock_get(v, by(UINT64_MAX)), 7);
	assert_int_equal(vclock_get(v, by(2)), 0);
	assert_int_equal(vclock_get(none, by(1)), 0);
	assert_int_equal(vclock_made(1, 0).len, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bytes_no_encoder_wrote_are_refused),
		cmocka_unit_test(clocks_compare_as_causes_do),
		cmocka_unit_test(each_writer_is_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
