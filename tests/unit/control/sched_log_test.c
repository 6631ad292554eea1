/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   decisions are found by their call, oldest first, until others have taken their place; and
 *         sched notes the numbers that made them.
 * Method: the ring alone; then a scheduler that writes into it. */
#include "sched_world.h"

static struct sched_log sched_log;

static void
a_decision_is_found_until_it_is_overwritten(void **state)
{
	struct sched_decision d = { .call = 7, .exec = 1 }, found[3];

	memset(&sched_log, 0, sizeof(sched_log));
	assert_int_equal(sched_log_find(&sched_log, 7, found, 3), 0);
	sched_log_add(&sched_log, &d);
	d.exec = 2;
	sched_log_add(&sched_log, &d);
	assert_int_equal(sched_log_find(&sched_log, 7, found, 3), 2);
	assert_int_equal(found[0].exec, 1);
	assert_int_equal(found[1].exec, 2);
	assert_int_equal(sched_log_find(&sched_log, 7, found, 1), 1);
	d.call = 8;
	for (uint32_t i = 0; i < SCHED_LOG_CNT - 1; i++) {
		sched_log_add(&sched_log, &d);
	}
	assert_int_equal(sched_log_find(&sched_log, 7, found, 3), 1);
	sched_log_add(&sched_log, &d);
	assert_int_equal(sched_log_find(&sched_log, 7, found, 3), 0);
	assert_int_equal(sched_log_find(&sched_log, 0, found, 3), 0); /* no call */
}

/* The ring has turned: the order is that of the decisions. */
static void
order_survives_the_turn(void **state)
{
	struct sched_decision d = { .call = 1 }, found[3];

	memset(&sched_log, 0, sizeof(sched_log));
	for (uint32_t i = 0; i < SCHED_LOG_CNT - 1; i++) {
		sched_log_add(&sched_log, &d);
	}
	d.call = 7;
	for (uint16_t i = 1; i <= 3; i++) {
		d.exec = i;
		sched_log_add(&sched_log, &d);
	}
	assert_int_equal(sched_log_find(&sched_log, 7, found, 3), 3);
	for (uint16_t i = 0; i < 3; i++) {
		assert_int_equal(found[i].exec, i + 1);
	}
}

static void
sched_notes_what_it_saw(void **state)
{
	struct world *w = *state;
	struct sched_decision d[2];

	memset(&sched_log, 0, sizeof(sched_log));
	sched_log_set(w->s, &sched_log);
	up(w, EXEC, FN);
	up(w, EXEC + 1, OTHER);
	call(w, CLIENT, 1, FN, 0);
	call(w, CLIENT, 2, FN, 0);
	call(w, CLIENT, 3, FN, 0);
	w->now += 5 * MS;
	reply(w, EXEC, CLIENT, 1);
	w->now += MS;
	reply(w, EXEC, CLIENT, 2);
	assert_int_equal(sched_log_find(&sched_log, id_of(CLIENT, 1), d, 2), 1);
	assert_int_equal(d[0].waited_ns, 0);
	assert_int_equal(sched_log_find(&sched_log, id_of(CLIENT, 3), d, 2), 1);
	assert_int_equal(d[0].waited_ns, 6 * MS);
	assert_int_equal(d[0].ahead, 1);
	assert_int_equal(d[0].able, 1);
	assert_int_equal(d[0].exec, EXEC);
	assert_int_equal(d[0].target, FN);
	assert_false(d[0].part);
	dies(w, EXEC, 0);
	up(w, EXEC, FN);
	assert_int_equal(sched_log_find(&sched_log, id_of(CLIENT, 3), d, 2), 2);
	assert_int_equal(d[1].attempt, 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_decision_is_found_until_it_is_overwritten),
		cmocka_unit_test(order_survives_the_turn),
		STORY(sched_notes_what_it_saw),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
