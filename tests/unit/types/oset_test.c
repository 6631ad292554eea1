/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   a sorted set holds scores and nothing else; its members are found and walked.
 * Method: by hand; the map, the envelope and the score have their own tests. */
#include "oset.h"

#include "made.h"
#include "test_cmocka.h"

static const struct slice none;

static void
only_scores_are_let_in(void **state)
{
	const struct slice text =
		map_made("m", LATTICE_ENVELOPE,
			 envelope_made(&(struct envelope){ .epoch = at(1, 1),
							   .type = LATTICE_STRING,
							   .state = string_set("1") }));
	double x;
	struct table_walk walk = { 0 };
	struct slice m;

	assert_int_equal(lattice_check(LATTICE_MAP, text), 0);
	assert_int_equal(lattice_check(LATTICE_OSET, text), MB_ERR_CORRUPT);
	assert_int_equal(lattice_check(LATTICE_OSET, map_made("m", LATTICE_SCORE, score_set(1))),
			 MB_ERR_CORRUPT);
	assert_int_equal(oset_score(text, slice_str("m"), &x), MB_ERR_NOT_FOUND);
	assert_false(oset_next(text, &walk, &m, &x));
}

static void
members_have_scores(void **state)
{
	struct slice v = merged(LATTICE_OSET, oset_made("b", 1, score_set(2)),
				oset_made("a", 0, score_plus(none, 1, 3)));
	struct slice m;
	struct table_walk walk = { 0 };
	struct oset_entry e;
	double x;

	assert_int_equal(lattice_check(LATTICE_OSET, v), 0);
	assert_int_equal(oset_score(v, slice_str("a"), &x), 0);
	assert_true(x == 3);
	assert_int_equal(oset_score(v, slice_str("c"), &x), MB_ERR_NOT_FOUND);
	assert_true(oset_next(v, &walk, &m, &x));
	assert_true(slice_eq(m, slice_str("a")));
	assert_true(oset_next(v, &walk, &m, &x));
	assert_true(x == 2);
	assert_false(oset_next(v, &walk, &m, &x));
	assert_true(oset_extreme(v, false, &e));
	assert_true(slice_eq(e.member, slice_str("b")) && e.score == 2);
	assert_true(oset_extreme(v, true, &e));
	assert_true(slice_eq(e.member, slice_str("a")) && e.score == 3);
	assert_false(oset_extreme(none, true, &e));
	/* Set anew, and removed. */
	v = merged(LATTICE_OSET, v, oset_made("b", 2, score_set(-1)));
	assert_int_equal(oset_score(v, slice_str("b"), &x), 0);
	assert_true(x == -1);
	v = merged(LATTICE_OSET, v, oset_made("b", 2, score_deleted(score_set(-1))));
	assert_int_equal(oset_score(v, slice_str("b"), &x), MB_ERR_NOT_FOUND);
}

/* Goal:   a part is what the whole would have there.
 * Method: all parts of up to 9 entries, few scores, so that members decide too. */
static void
parts_are_as_of_the_whole(void **state)
{
	static const char *const name[] = { "c", "a", "i", "e", "b", "h", "d", "g", "f" };
	struct oset_entry whole[9], part[9];

	for (size_t cnt = 0; cnt <= 9; cnt++) {
		for (size_t to = 0; to <= cnt; to++) {
			for (size_t from = 0; from <= to; from++) {
				for (size_t i = 0; i < cnt; i++) {
					whole[i].member = slice_str(name[i]);
					whole[i].score = (double)(i * 7 % 4);
					part[i] = whole[i];
				}
				oset_sort(whole, cnt);
				oset_sort_part(part, cnt, from, to);
				for (size_t i = from; i < to; i++) {
					assert_int_equal(oset_cmp(&part[i], &whole[i]), 0);
				}
				for (size_t i = 1; i < cnt; i++) {
					assert_true(oset_cmp(&whole[i - 1], &whole[i]) < 0);
				}
			}
		}
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_scores_are_let_in),
		cmocka_unit_test(members_have_scores),
		cmocka_unit_test(parts_are_as_of_the_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
