/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   the members of a front are given in their order, from either end, until one was not the
 *         set's; nobody looks while another does, or before the last are gone.
 * Method: fronts of three members, and of more than there is room for. */
#include "gate_front.h"

#include <stdio.h>
#include <string.h>

#include "test_cmocka.h"

static struct gate_fronts fs;
static struct oset_entry entry[GATE_FRONT_MEMBERS + 8];
static char name[GATE_FRONT_MEMBERS + 8][8];

static void
fresh(void)
{
	memset(&fs, 0, sizeof(fs));
	for (unsigned int i = 0; i < GATE_FRONT_MEMBERS + 8; i++) {
		snprintf(name[i], sizeof(name[i]), "%u", i);
		entry[i] = (struct oset_entry){ i, slice_str(name[i]) };
	}
}

/* Takes the next one. */
static struct cache_op_word
take(uint64_t hash, bool high, unsigned int want)
{
	struct cache_op_word word = { .hash = hash };
	struct oset_entry e;
	struct gate_front *f = gate_front_next(&fs, hash, high, &e);

	assert_non_null(f);
	assert_true(slice_eq(e.member, slice_str(name[want])) && e.score == want);
	gate_front_word(f, &word);
	return word;
}

static void
in_order_from_either_end(void **state)
{
	struct cache_op_word word;
	struct oset_entry e;
	double n;

	(void)state;
	fresh();
	assert_null(gate_front_next(&fs, 7, false, &e));
	assert_non_null(gate_front_fill(&fs, 7, false, 40, entry, 3));
	assert_non_null(gate_front_fill(&fs, 7, true, 42, entry, 3));
	assert_null(gate_front_next(&fs, 8, false, &e));
	for (unsigned int i = 0; i < 3; i++) {
		word = take(7, false, i);
		memcpy(&n, &word.n, sizeof(n));
		assert_true(word.if_version == 40 && word.front_idx == i && n == i &&
			    word.if_end == CACHE_FRONT_LOW);
		word = take(7, true, 2 - i);
		memcpy(&n, &word.n, sizeof(n));
		assert_true(word.if_version == 42 && word.front_idx == i && n == 2 - i &&
			    word.if_end == CACHE_FRONT_HIGH);
	}
	assert_null(gate_front_next(&fs, 7, false, &e));
}

static void
forgotten_after_one_that_failed(void **state)
{
	struct cache_op_word first, second;
	struct oset_entry e;

	(void)state;
	fresh();
	gate_front_fill(&fs, 7, false, 40, entry, 3);
	first = take(7, false, 0);
	second = take(7, false, 1);
	gate_front_over(&fs, &first, true);
	take(7, false, 2);
	gate_front_fill(&fs, 7, false, 40, entry, 3);
	second.if_version = 38;
	gate_front_over(&fs, &second, false); /* of another one */
	assert_non_null(gate_front_next(&fs, 7, false, &e));
	gate_front_over(&fs, &first, false);
	assert_null(gate_front_next(&fs, 7, false, &e));
}

static void
one_looks(void **state)
{
	struct cache_op_word word;
	const uint64_t now = 1000 * (uint64_t)GATE_FRONT_LATE_NS;

	(void)state;
	fresh();
	assert_false(gate_front_is_due(&fs, 7, false, now));
	gate_front_look(&fs, 7, false, now);
	assert_true(gate_front_is_due(&fs, 7, false, now + GATE_FRONT_LATE_NS));
	assert_false(gate_front_is_due(&fs, 7, true, now));
	assert_false(gate_front_is_due(&fs, 7, false, now + GATE_FRONT_LATE_NS + 1));
	gate_front_looked(&fs, 7, false);
	assert_false(gate_front_is_due(&fs, 7, false, now));
	gate_front_fill(&fs, 7, false, 40, entry, 1);
	word = take(7, false, 0);
	assert_true(gate_front_is_due(&fs, 7, false, now));
	gate_front_over(&fs, &word, true);
	assert_false(gate_front_is_due(&fs, 7, false, now));
}

/* Of a set that was looked at in the store the second one waits until the first was that. */
static void
first_alone(void **state)
{
	struct cache_op_word word;
	struct oset_entry e;

	(void)state;
	fresh();
	gate_front_fill(&fs, 7, false, cache_version_lent(slice_str("a")), entry, 3);
	word = take(7, false, 0);
	assert_null(gate_front_next(&fs, 7, false, &e));
	assert_true(gate_front_is_due(&fs, 7, false, 1));
	gate_front_over(&fs, &word, true);
	take(7, false, 1);
	take(7, false, 2);
}

/* Behind several that are taken together nobody takes one before they are. */
static void
several_alone(void **state)
{
	struct cache_op_word first, word[2];
	struct gate_front *f;
	struct oset_entry e;

	(void)state;
	fresh();
	f = gate_front_fill(&fs, 7, false, 40, entry, 6);
	first = take(7, false, 0);
	word[0] = take(7, false, 1);
	word[1] = take(7, false, 2);
	gate_front_alone(f);
	assert_null(gate_front_next(&fs, 7, false, &e));
	assert_true(gate_front_is_due(&fs, 7, false, 1));
	gate_front_over(&fs, &first, true);
	gate_front_over(&fs, &word[0], true);
	assert_null(gate_front_next(&fs, 7, false, &e));
	gate_front_over(&fs, &word[1], true);
	take(7, false, 3);
	take(7, false, 4);
}

static void
more_than_there_is_room_for(void **state)
{
	static uint8_t text[2048];
	struct oset_entry e;

	(void)state;
	fresh();
	assert_int_equal(gate_front_fill(&fs, 7, false, 40, entry, GATE_FRONT_MEMBERS + 8)->cnt,
			 GATE_FRONT_MEMBERS);
	for (unsigned int i = 0; i < GATE_FRONT_MEMBERS; i++) {
		entry[i].member = slice_of(text, sizeof(text));
	}
	assert_int_equal(gate_front_fill(&fs, 8, false, 40, entry, GATE_FRONT_MEMBERS)->cnt,
			 GATE_FRONT_BYTES / sizeof(text));
	for (uint64_t hash = 9; hash < 9 + GATE_FRONT_CNT - 2; hash++) {
		gate_front_fill(&fs, hash, false, 40, entry, 1);
	}
	assert_non_null(gate_front_next(&fs, 7, false, &e));
	gate_front_fill(&fs, 99, false, 40, entry, 1); /* in place of who was used longest ago */
	assert_non_null(gate_front_next(&fs, 7, false, &e));
	assert_null(gate_front_next(&fs, 8, false, &e));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(in_order_from_either_end),
		cmocka_unit_test(forgotten_after_one_that_failed),
		cmocka_unit_test(one_looks),
		cmocka_unit_test(first_alone),
		cmocka_unit_test(several_alone),
		cmocka_unit_test(more_than_there_is_room_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
