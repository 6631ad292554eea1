/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   calls that wait for a function with --batch go to an executor together, each with its own
 *         answer, its own end and its own second attempt, which is alone.
 * Method: the core alone. What it sends is gathered; time is a number. */
#include "sched_world.h"

#define THREE 3 /* a function that takes three calls at a time */

static void
put_batched(struct world *w)
{
	struct placement_fn *f = calloc(1, sizeof(*f));
	struct desc d = { .kind = DESC_FN_PUT };

	assert_non_null(f);
	f->id = THREE;
	f->batch = 3;
	f->name[0] = 't';
	d.word[0] = (uintptr_t)f;
	sched_on_ctl(w->s, &d, w->now);
}

/* Five calls, of which the first finds the executor free; sent is that one. */
static void
five_wait(struct world *w)
{
	put_batched(w);
	up(w, EXEC, THREE);
	for (uint16_t i = 1; i <= 5; i++) {
		call(w, (uint16_t)(CLIENT + i), i, THREE, 0);
	}
	assert_int_equal(sent(w, EXEC, DESC_CALL, id_of(CLIENT + 1, 1))->flags & CALL_F_BATCH, 0);
	sent_no_more(w);
}

/* The next messages are calls first to last, as one batch. */
static void
sent_batch(struct world *w, uint16_t exec, uint16_t first, uint16_t last)
{
	for (uint16_t i = first; i < last; i++) {
		const struct desc *d = sent(w, exec, DESC_BATCH, id_of((uint16_t)(CLIENT + i), i));

		assert_int_equal(d->sub, i == first ? CALL_PART : 0);
		assert_int_equal(d->a, THREE);
	}
	assert_int_equal(sent(w, exec, DESC_CALL, id_of((uint16_t)(CLIENT + last), last))->flags &
				 CALL_F_BATCH,
			 CALL_F_BATCH);
}

static void
answered(struct world *w, uint16_t exec, uint16_t i)
{
	reply(w, exec, (uint16_t)(CLIENT + i), i);
	sent_answer(w, (uint16_t)(CLIENT + i), i, 0);
}

static void
what_waits_goes_together(void **state)
{
	struct world *w = *state;

	five_wait(w);
	answered(w, EXEC, 1);
	sent_batch(w, EXEC, 2, 4);
	assert_int_equal(sched_running(w->s), 3);
	reply(w, EXEC, CLIENT + 5, 5); /* it was not sent */
	sent_no_more(w);
	answered(w, EXEC, 3); /* in any order */
	answered(w, EXEC, 2);
	sent_no_more(w); /* not free yet */
	answered(w, EXEC, 4);
	assert_int_equal(sent(w, EXEC, DESC_CALL, id_of(CLIENT + 5, 5))->flags & CALL_F_BATCH, 0);
	answered(w, EXEC, 5);
	quiet(w);
	assert_int_equal(atomic_load(&w->hints->claim[EXEC].v), 0);
}

static void
a_death_repeats_each_alone(void **state)
{
	struct world *w = *state;

	five_wait(w);
	answered(w, EXEC, 1);
	sent_batch(w, EXEC, 2, 4);
	answered(w, EXEC, 2);
	dies(w, EXEC, id_of(CLIENT + 3, 3)); /* that one had stored its output */
	sent_answer(w, CLIENT + 3, 3, MB_ERR_EXECUTOR_DIED);
	up(w, EXEC + 1, THREE);
	assert_int_equal(sent(w, EXEC + 1, DESC_CALL, id_of(CLIENT + 4, 4))->sub,
			 1 << CALL_ATTEMPT_SHIFT);
	sent_no_more(w); /* 5 waits */
	dies(w, EXEC + 1, 0);
	sent_answer(w, CLIENT + 4, 4, MB_ERR_EXECUTOR_DIED);
	up(w, EXEC + 2, THREE);
	sent(w, EXEC + 2, DESC_CALL, id_of(CLIENT + 5, 5));
	answered(w, EXEC + 2, 5);
	quiet(w);
}

static void
one_is_cancelled_or_its_client_gone(void **state)
{
	struct world *w = *state;
	const struct desc *d;

	five_wait(w);
	answered(w, EXEC, 1);
	sent_batch(w, EXEC, 2, 4);
	dies(w, CLIENT + 2, 0); /* the others want their answers */
	sent_no_more(w);
	cancel(w, CLIENT + 3, 3, 0);
	d = sent(w, 0, DESC_EXEC_STOP, 0);
	assert_true(d->a == EXEC && d->call == id_of(CLIENT + 4, 4)); /* what it says it runs */
	dies(w, EXEC, 0);
	sent_answer(w, CLIENT + 3, 3, MB_ERR_EXECUTOR_DIED); /* not repeated */
	up(w, EXEC + 1, THREE);
	sent(w, EXEC + 1, DESC_CALL, id_of(CLIENT + 4, 4));
	answered(w, EXEC + 1, 4);
	sent(w, EXEC + 1, DESC_CALL, id_of(CLIENT + 5, 5));
	dies(w, CLIENT + 5, 0);
	assert_true(sent(w, 0, DESC_EXEC_STOP, 0)->call == id_of(CLIENT + 5, 5));
	reply(w, EXEC + 1, CLIENT + 5, 5);
	sent(w, EXEC + 1, DESC_RELEASE, 0);
	quiet(w);
}

/* What may not share a run waits for its own, and keeps its place. */
static void
not_every_call_joins(void **state)
{
	struct world *w = *state;
	struct desc rr = { .kind = DESC_CALL,
			   .sub = CALL_LEVEL_RR,
			   .a = THREE,
			   .call = id_of(CLIENT + 3, 3) };

	put_batched(w);
	up(w, EXEC, THREE);
	call(w, CLIENT + 1, 1, THREE, 0);
	sent(w, EXEC, DESC_CALL, id_of(CLIENT + 1, 1));
	call(w, CLIENT + 2, 2, THREE, 0);
	sched_on_proc(w->s, CLIENT + 3, &rr, w->now);
	call(w, CLIENT + 4, 4, THREE, w->now + MS);
	answered(w, EXEC, 1);
	sent(w, EXEC, DESC_CALL, id_of(CLIENT + 2, 2));
	answered(w, EXEC, 2);
	sent(w, EXEC, DESC_CALL, id_of(CLIENT + 3, 3));
	w->now += 2 * MS;
	answered(w, EXEC, 3);
	sent_answer(w, CLIENT + 4, 4, MB_ERR_DEADLINE);
	quiet(w);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		STORY(what_waits_goes_together),
		STORY(a_death_repeats_each_alone),
		STORY(one_is_cancelled_or_its_client_gone),
		STORY(not_every_call_joins),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
