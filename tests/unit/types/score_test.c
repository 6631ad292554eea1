/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   a score is what was set plus what was added, by whomever; a delete takes what it saw;
 * what
 *         is no number is refused.
 * Method: by hand, refusals first. */
#include "score.h"

#include <math.h>

#include "made.h"
#include "test_cmocka.h"

static const struct slice none;

static double
read(struct slice v)
{
	double x = NAN;
	int err = score_read(v, &x);

	assert_true(err == 0 || err == MB_ERR_NOT_FOUND);
	return err == 0 ? x : NAN;
}

static void
what_is_no_number_is_refused(void **state)
{
	uint8_t buf[SCORE_BYTES_MAX];
	struct wbuf out = wbuf_init(buf, sizeof(buf));
	double x;

	assert_int_equal(score_delta_set(NAN, &out), MB_ERR_INVALID);
	assert_int_equal(score_delta_add(none, by(1), NAN, &out), MB_ERR_INVALID);
	assert_int_equal(score_delta_add(score_set(INFINITY), by(1), -INFINITY, &out),
			 MB_ERR_INVALID);
	assert_int_equal(out.len, 0);
	out = wbuf_init(buf, 8);
	assert_int_equal(score_delta_set(1, &out), MB_ERR_TOO_LARGE);
	assert_int_equal(score_delta_add(none, by(1), 1, &out), MB_ERR_TOO_LARGE);
	assert_int_equal(out.len, 0);
	/* Two that were fine where they were made. */
	assert_int_equal(score_read(merged(LATTICE_SCORE, score_plus(none, 1, INFINITY),
					   score_plus(none, 2, -INFINITY)),
				    &x),
			 MB_ERR_TOO_LARGE);
	assert_int_equal(score_read(none, &x), MB_ERR_NOT_FOUND);
}

static void
damage_is_seen(void **state)
{
	const struct slice v = score_plus(score_set(2), 1, 3);

	for (size_t i = 0; i < v.len; i++) {
		double x;

		/* Inside its bytes, whatever a cut one means. */
		(void)lattice_check(LATTICE_SCORE, made_copy(slice_of(v.p, i)));
		(void)score_read(made_copy(slice_of(v.p, i)), &x);
	}
	/* Minus zero is the other encoding of zero. */
	{
		struct slice bad = made_copy(score_set(0));

		((uint8_t *)(uintptr_t)bad.p)[7] = 0x80;
		assert_int_equal(lattice_check(LATTICE_SCORE, bad), MB_ERR_CORRUPT);
		assert_true(slice_eq(score_set(-0.0), score_set(0)));
	}
}

static void
additions_all_count(void **state)
{
	const struct slice set = score_set(10);
	const struct slice a = score_plus(score_plus(set, 1, 0.5), 1, 0.25);
	const struct slice b = score_plus(set, 2, -3);

	assert_true(read(set) == 10);
	assert_true(read(merged(LATTICE_SCORE, a, b)) == 7.75);
	assert_true(read(score_plus(none, 1, 4)) == 4);
	assert_true(read(score_plus(score_plus(none, 1, 4), 1, -4)) == 0);
}

static void
a_delete_takes_what_it_saw(void **state)
{
	const struct slice seen = score_plus(score_set(10), 1, 0.1);
	const struct slice more = score_plus(score_plus(seen, 1, 2), 2, 4);
	const struct slice gone = score_deleted(seen);

	assert_true(isnan(read(gone)));
	assert_true(fabs(read(merged(LATTICE_SCORE, gone, more)) - 6) < 1e-9);
	assert_int_equal(MADE(64, score_delta_del(gone, out)).len, 0);
	assert_true(read(score_plus(gone, 1, 1)) > 0.99);
}

/* Sums are doubles: what a deleted one was too large for must not be lost beside it. */
static void
what_is_added_after_a_delete_begins_at_zero(void **state)
{
	const struct slice large = score_deleted(score_plus(none, 1, 1e17));
	const struct slice inf = score_deleted(score_plus(none, 1, INFINITY));
	const struct slice more = score_plus(score_plus(none, 1, INFINITY), 1, 1);
	const struct slice beside = merged(LATTICE_SCORE, inf, more);
	const struct slice one = MADE(SCORE_BYTES_MAX, score_delta_add(large, by(1), 1, out));
	const struct slice two =
		MADE(SCORE_BYTES_MAX,
		     score_delta_add(merged(LATTICE_SCORE, large, one), by(1), 1, out));

	assert_true(read(score_plus(large, 1, 1)) == 1);
	assert_true(read(score_plus(score_plus(large, 1, 1), 1, 2)) == 3);
	assert_true(read(score_plus(inf, 1, 1)) == 1);
	assert_true(read(score_plus(inf, 1, -INFINITY)) == -INFINITY);
	/* What was added unseen beside an infinity cannot be told from it. */
	assert_true(read(beside) == 0);
	assert_true(read(score_plus(beside, 1, -INFINITY)) == -INFINITY);
	/* The second addition before the first, and a delete that saw neither. */
	assert_true(read(merged(LATTICE_SCORE, large, two)) == 2);
	assert_true(read(merged(LATTICE_SCORE, merged(LATTICE_SCORE, large, two), one)) == 2);
	assert_true(read(merged(LATTICE_SCORE, score_deleted(large), score_plus(large, 1, 1))) ==
		    1);
	assert_true(isnan(read(score_deleted(score_plus(large, 1, 1)))));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_no_number_is_refused),
		cmocka_unit_test(damage_is_seen),
		cmocka_unit_test(additions_all_count),
		cmocka_unit_test(a_delete_takes_what_it_saw),
		cmocka_unit_test(what_is_added_after_a_delete_begins_at_zero),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
