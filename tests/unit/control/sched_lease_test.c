/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   a call is lost only where its executor has said for a whole lease that it runs nothing;
 *         ctl hears of it, and what follows is the death's; nothing is looked at when nothing runs.
 * Method: sched alone, its timer followed; an executor that is idle or not, as the story says. */
#include "sched_world.h"

#define LEASE (100 * MS)

/* Lets time pass as a tile would: sched is polled when it asked for it. */
static void
pass(struct world *w, uint64_t ns)
{
	uint64_t end = w->now + ns;

	while (sched_timer(w->s) <= end) {
		w->now = sched_timer(w->s) > w->now ? sched_timer(w->s) : w->now;
		sched_poll(w->s, w->now);
	}
	w->now = end;
}

static void
given(struct world *w)
{
	sched_lease_set(w->s, LEASE);
	up(w, EXEC, FN);
	call(w, CLIENT, 1, FN, 0);
	sent(w, EXEC, DESC_CALL, id_of(CLIENT, 1));
}

static void
a_call_that_runs_is_left_alone(void **state)
{
	struct world *w = *state;

	given(w);
	pass(w, 100 * LEASE);
	sent_no_more(w);
	w->idle = true; /* it has ended, its answer is on the way */
	pass(w, LEASE / 2);
	sent_no_more(w);
	reply(w, EXEC, CLIENT, 1);
	sent(w, CLIENT, DESC_REPLY, id_of(CLIENT, 1));
	pass(w, 100 * LEASE);
	quiet(w);
	assert_int_equal(sched_timer(w->s), SCHED_TIMER_NONE);
}

static void
a_call_that_is_not_run_is_told_of(void **state)
{
	struct world *w = *state;

	given(w);
	w->idle = true;
	pass(w, LEASE / 2);
	sent_no_more(w);
	pass(w, LEASE);
	assert_int_equal(sent(w, 0, DESC_EXEC_LOST, id_of(CLIENT, 1))->a, EXEC);
	sent_no_more(w);
	up(w, EXEC + 1, FN);
	dies(w, EXEC, 0);
	sent(w, EXEC + 1, DESC_CALL, id_of(CLIENT, 1)); /* S3: it wrote nothing */
	w->idle = false;
	pass(w, 2 * LEASE);
	sent_no_more(w);
}

/* A function that says now and then that it runs something is not told of: it might. */
static void
one_look_at_which_it_runs_begins_anew(void **state)
{
	struct world *w = *state;

	given(w);
	for (int i = 0; i < 10; i++) {
		w->idle = true;
		pass(w, LEASE / 2);
		w->idle = false;
		pass(w, LEASE / 2);
	}
	sent_no_more(w);
}

/* The next call of the same executor has a lease of its own. */
static void
a_lease_is_one_call_s(void **state)
{
	struct world *w = *state;

	given(w);
	w->idle = true;
	for (uint64_t seq = 1; seq < 10; seq++) {
		pass(w, LEASE / 2);
		call(w, CLIENT, seq + 1, FN, 0);
		reply(w, EXEC, CLIENT, seq);
		sent(w, CLIENT, DESC_REPLY, id_of(CLIENT, seq));
		sent(w, EXEC, DESC_CALL, id_of(CLIENT, seq + 1));
	}
	sent_no_more(w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		STORY(a_call_that_runs_is_left_alone),
		STORY(a_call_that_is_not_run_is_told_of),
		STORY(one_look_at_which_it_runs_begins_anew),
		STORY(a_lease_is_one_call_s),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
