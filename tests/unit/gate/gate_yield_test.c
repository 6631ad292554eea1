/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   who gives way when memory is short is one that rests while it is its turn, and holds
 *         most; nobody who moves, or waits for us.
 * Method: claims by hand, looked at as often as a gate would, and chosen from in any order. */
#include "gate_yield.h"
#include "test_cmocka.h"

#define KIB (1u << 10)

/* A claim after cnt looks, before each of which so much moved. */
static struct yield_claim
after_looks(enum yield_turn turn, size_t held, uint32_t cnt, uint64_t moved)
{
	struct yield_claim c = { turn, YIELD_SINCE, held, { 0 } };

	for (uint32_t i = 0; i < cnt; i++) {
		c.rest = gate_yield_look(&c, moved);
	}
	return c;
}

static const struct yield_claim *
chosen(const struct yield_claim *claim, uint32_t cnt, size_t asks)
{
	struct yield y = { 0 }, back = { 0 };
	const struct yield_claim *who;

	for (uint32_t i = 0; i < cnt; i++) {
		gate_yield_see(&y, &claim[i], &claim[i]);
		gate_yield_see(&back, &claim[cnt - 1 - i], &claim[cnt - 1 - i]);
	}
	who = gate_yield_who(&y, asks);
	assert_ptr_equal(who, gate_yield_who(&back, asks));
	return who;
}

static void
who_drips_gives_way_not_who_moves(void **state)
{
	const struct yield_claim c[] = {
		after_looks(YIELD_OWES, 64 * KIB, 8, 300),         /* drips */
		after_looks(YIELD_OWES, 64 * KIB, 8, 8 * KIB),     /* goes on */
		after_looks(YIELD_OWES, 4096 * KIB, 8, 600 * KIB), /* long, and fast */
		after_looks(YIELD_OWES, 60 * KIB, 8, 1),           /* drips, and holds less */
	};

	assert_ptr_equal(chosen(c, 4, 0), &c[0]);
	assert_ptr_equal(chosen(c + 1, 3, 0), &c[3]);
	assert_null(chosen(c + 1, 2, 0));
}

static void
who_waits_for_us_never_does(void **state)
{
	struct yield_claim c = after_looks(YIELD_OWES, 64 * KIB, 8, 0);

	assert_non_null(chosen(&c, 1, 0));
	c.turn = YIELD_NEVER;
	assert_null(chosen(&c, 1, 0));
	assert_null(chosen(&c, 1, KIB));
	assert_int_equal(gate_yield_look(&c, 0).looks, 0); /* and it begins anew after that */
}

static void
one_look_is_no_rest(void **state)
{
	struct yield_claim c = after_looks(YIELD_OWES, 64 * KIB, YIELD_RESTS - 1, 0);

	assert_null(chosen(&c, 1, 0));
	c.rest = gate_yield_look(&c, 0);
	assert_ptr_equal(chosen(&c, 1, 0), &c);
	c.rest = gate_yield_look(&c, 64 * KIB / YIELD_SPAN); /* it moves again */
	assert_null(chosen(&c, 1, 0));
}

static void
who_owes_nothing_does_later_and_after_others(void **state)
{
	const struct yield_claim c[] = {
		after_looks(YIELD_IDLE, 128 * KIB, YIELD_RESTS_IDLE, 0),
		after_looks(YIELD_OWES, 64 * KIB, YIELD_RESTS, 0),
		after_looks(YIELD_IDLE, 1024 * KIB, YIELD_RESTS_IDLE - 1, 0),
	};

	assert_ptr_equal(chosen(c, 3, 0), &c[1]);
	assert_ptr_equal(chosen(c, 1, 0), &c[0]);
	assert_null(chosen(c + 2, 1, 0));
	assert_null(chosen(c + 2, 1, KIB)); /* nor for its size */
}

static void
who_was_idle_and_speaks_just_now_does_not(void **state)
{
	struct yield_claim c = after_looks(YIELD_IDLE, 300, YIELD_RESTS_MAX, 0);

	c.turn = YIELD_OWES;
	c.held = 4 * KIB; /* a reply is on its way to it */
	assert_null(chosen(&c, 1, 0));
	for (uint32_t i = 0; i < YIELD_RESTS_MAX; i++) { /* it does not read, however seldom it */
		c.rest = gate_yield_look(&c, i == 0 ? KIB : 0); /* did */
	}
	assert_ptr_equal(chosen(&c, 1, 0), &c);
	c.held = 64 * KIB;
	assert_ptr_equal(chosen(&c, 1, 0), &c);
}

static void
how_long_it_has_rested_counts_up_to_an_end(void **state)
{
	const struct yield_claim c[] = {
		after_looks(YIELD_OWES, 64 * KIB, 250, 0),
		after_looks(YIELD_OWES, 65 * KIB, YIELD_RESTS_MAX, 0),
		after_looks(YIELD_OWES, 100 * KIB, YIELD_RESTS, 0),
	};

	assert_int_equal(c[0].rest.looks, YIELD_RESTS_MAX);
	assert_ptr_equal(chosen(c, 3, 0), &c[1]);
	assert_ptr_equal(chosen(c + 2, 1, 0), &c[2]);
}

static void
when_all_have_just_come_only_the_size_is_left(void **state)
{
	const struct yield_claim c[] = {
		{ YIELD_OWES, YIELD_SINCE, 60 * KIB, { 0 } },
		{ YIELD_OWES, YIELD_SINCE, 64 * KIB, { 0 } },
		{ YIELD_NEVER, YIELD_SINCE, 1024 * KIB, { 0 } },
		{ YIELD_OWES, YIELD_SINCE, 100, { YIELD_RESTS_MAX, 100 } }, /* it does not matter */
	};

	assert_ptr_equal(chosen(c, 4, 16 * KIB), &c[1]);
	assert_null(chosen(c, 4, 32 * KIB)); /* it would hold as much itself */
	assert_null(chosen(c, 4, 0));
}

static void
to_one_who_holds_little_the_largest_of_those_that_are_late_gives_way(void **state)
{
	const struct yield_claim c[] = {
		{ YIELD_OWES, YIELD_LATE, 3 * KIB, { 0 } },
		{ YIELD_OWES, YIELD_LATE, 2 * KIB, { 0 } },
		{ YIELD_OWES, YIELD_SINCE, 4 * KIB, { 0 } }, /* a reply on its way */
		{ YIELD_OWES, YIELD_JUST, 16 * KIB, { 0 } },
		{ YIELD_IDLE, YIELD_SINCE, 8 * KIB, { 0 } },
	};

	assert_ptr_equal(chosen(c, 5, KIB), &c[0]);
	assert_ptr_equal(chosen(c, 5, YIELD_LITTLE), &c[0]);
	assert_null(chosen(c, 5, YIELD_LITTLE + 1)); /* it would hold more itself */
	assert_null(chosen(c + 2, 3, 2 * KIB));
	assert_ptr_equal(chosen(c + 2, 3, KIB), &c[2]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_drips_gives_way_not_who_moves),
		cmocka_unit_test(who_waits_for_us_never_does),
		cmocka_unit_test(one_look_is_no_rest),
		cmocka_unit_test(who_owes_nothing_does_later_and_after_others),
		cmocka_unit_test(who_was_idle_and_speaks_just_now_does_not),
		cmocka_unit_test(how_long_it_has_rested_counts_up_to_an_end),
		cmocka_unit_test(when_all_have_just_come_only_the_size_is_left),
		cmocka_unit_test(
			to_one_who_holds_little_the_largest_of_those_that_are_late_gives_way),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
