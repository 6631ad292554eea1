/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   a call goes behind others of its caller where it would not have run sooner elsewhere, and
 *         nowhere else (B1..B3 of direct.h); how long a function runs is learned.
 * Method: claims and work set by hand, over every spread of the executors.
 */
#include "direct.h"

#include <stdlib.h>
#include <string.h>

#include "compiler.h"
#include "test_cmocka.h"

#define WHO   77
#define A     3
#define B     70 /* of the second word */
#define QUICK 2000
#define SLOW  10000000

static struct direct d;
static struct hints *hints;

static int
setup(void **state)
{
	memset(&d, 0, sizeof(d));
	d.who = WHO;
	hints = aligned_alloc(CACHE_LINE, ALIGN_UP(sizeof(*hints), CACHE_LINE));
	memset(hints, 0, sizeof(*hints));
	return 0;
}

static int
teardown(void **state)
{
	free(hints);
	return 0;
}

static struct placement_where
both(enum placement_spread spread)
{
	struct placement_where w = { .spread = spread };

	w.exec[0] = UINT64_C(1) << A;
	w.exec[1] = UINT64_C(1) << (B - 64);
	return w;
}

static void
won(uint16_t exec)
{
	claim_show(hints, exec, WHO);
}

/* B1 */
static void
the_only_one_is_joined_whatever_it_runs(void **state)
{
	struct placement_where w = { .exec = { UINT64_C(1) << A }, .spread = PLACEMENT_ALONE };

	assert_int_equal(direct_behind(&d, hints, &w, QUICK, true), 0); /* nothing of ours there */
	won(A);
	direct_sent(&d, A, UINT32_MAX);
	assert_int_equal(direct_behind(&d, hints, &w, SLOW, false), A);
	claim_show(hints, A, WHO | CLAIM_WANTED); /* sched waits for it */
	assert_int_equal(direct_behind(&d, hints, &w, QUICK, true), 0);
	claim_show(hints, A, WHO + 1); /* somebody else's */
	assert_int_equal(direct_behind(&d, hints, &w, QUICK, true), 0);
	direct_over(&d, A, UINT32_MAX);
	won(A);
	assert_int_equal(direct_behind(&d, hints, &w, QUICK, true), 0);
}

/* B2 */
static void
work_that_is_over_before_another_begins_is_joined(void **state)
{
	const struct placement_where apart = both(PLACEMENT_APART), turns = both(PLACEMENT_TURNS);

	won(A);
	direct_sent(&d, A, DIRECT_WAKE_NS);
	assert_int_equal(direct_behind(&d, hints, &apart, SLOW, false), A);
	direct_sent(&d, A, 1);
	assert_int_equal(direct_behind(&d, hints, &apart, QUICK, false), 0);
	assert_int_equal(direct_behind(&d, hints, &turns, QUICK, false), A);
	direct_sent(&d, A, DIRECT_TURN_NS);
	assert_int_equal(direct_behind(&d, hints, &turns, QUICK, false), 0);
}

/* B3 */
static void
a_quick_one_joins_the_least_work_when_nobody_is_free(void **state)
{
	const struct placement_where w = both(PLACEMENT_APART);

	won(A);
	won(B);
	direct_sent(&d, B, SLOW);
	direct_sent(&d, A, SLOW);
	direct_sent(&d, A, SLOW);
	assert_int_equal(direct_behind(&d, hints, &w, QUICK, false), 0);
	assert_int_equal(direct_behind(&d, hints, &w, QUICK, true), B);
	assert_int_equal(direct_behind(&d, hints, &w, SLOW, true), 0);
	claim_show(hints, B, 1); /* sched's */
	assert_int_equal(direct_behind(&d, hints, &w, QUICK, true), A);
	claim_show(hints, A, 1);
	assert_int_equal(direct_behind(&d, hints, &w, QUICK, true), 0);
}

static void
what_is_lent_is_joined_by_quick_ones_of_who_it_is_lent_to(void **state)
{
	const struct placement_where w = both(PLACEMENT_APART);

	claim_show(hints, B, WHO | CLAIM_LENT);
	claim_show(hints, A, 1);
	assert_int_equal(direct_behind(&d, hints, &w, QUICK, true), B);
	assert_int_equal(direct_behind(&d, hints, &w, SLOW, true), 0);
	claim_show(hints, B, (WHO + 1) | CLAIM_LENT);
	assert_int_equal(direct_behind(&d, hints, &w, QUICK, true), 0);
	d.last = B;
	claim_show(hints, B, WHO | CLAIM_LENT);
	assert_int_equal(direct_behind(&d, hints, &w, QUICK, false), B);
	assert_int_equal(direct_behind(&d, hints, &w, SLOW, false), 0);
	assert_false(claim_free(hints, B, WHO)); /* it is sched's all the time */
	assert_true(claim_seen(hints, B) == (WHO | CLAIM_LENT));
	assert_false(claim_try(hints, B, WHO));
}

static void
how_long_it_runs_is_learned(void **state)
{
	assert_int_equal(direct_run_ns(&d, 5, false), DIRECT_UNKNOWN_NS);
	direct_learn(&d, 5, false, QUICK);
	assert_int_equal(direct_run_ns(&d, 5, false), QUICK);
	assert_int_equal(direct_run_ns(&d, 5, true), DIRECT_UNKNOWN_NS); /* a DAG of that number */
	direct_learn(&d, 5, false, SLOW);
	assert_int_equal(direct_run_ns(&d, 5, false), SLOW);
	direct_learn(&d, 5, false, QUICK);
	assert_int_equal(direct_run_ns(&d, 5, false), SLOW - SLOW / 8);
	for (int i = 0; i < 100; i++) {
		direct_learn(&d, 5, false, QUICK);
	}
	assert_int_equal(direct_run_ns(&d, 5, false), QUICK);
	/* One that takes its place in the table. */
	assert_int_equal(direct_run_ns(&d, 5 + FUNCTION_CNT_MAX, false), DIRECT_UNKNOWN_NS);
	direct_learn(&d, 5 + FUNCTION_CNT_MAX, false, 1);
	assert_int_equal(direct_run_ns(&d, 5, false), DIRECT_UNKNOWN_NS);
}

static void
a_set_is_apart_as_soon_as_two_can_run_at_a_time(void **state)
{
	struct placement_copy *c = calloc(1, sizeof(*c));
	struct placement_where w = both(PLACEMENT_ALONE);

	assert_non_null(c);
	assert_int_equal(placement_spread(c, w.exec), PLACEMENT_APART); /* kept nowhere */
	c->cpu[A] = c->cpu[B] = 2;
	assert_int_equal(placement_spread(c, w.exec), PLACEMENT_TURNS);
	c->cpu[B] = 3;
	assert_int_equal(placement_spread(c, w.exec), PLACEMENT_APART);
	w.exec[1] = 0;
	assert_int_equal(placement_spread(c, w.exec), PLACEMENT_ALONE);
	w.exec[0] = 0;
	assert_int_equal(placement_spread(c, w.exec), PLACEMENT_ALONE);
	free(c);
}

#define TEST(x) cmocka_unit_test_setup_teardown(x, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_only_one_is_joined_whatever_it_runs),
		TEST(work_that_is_over_before_another_begins_is_joined),
		TEST(a_quick_one_joins_the_least_work_when_nobody_is_free),
		TEST(what_is_lent_is_joined_by_quick_ones_of_who_it_is_lent_to),
		TEST(how_long_it_runs_is_learned),
		TEST(a_set_is_apart_as_soon_as_two_can_run_at_a_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
