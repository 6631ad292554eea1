/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   calls that wait for a function with --batch, alone or as parts of DAG calls, go to an
 *         executor together, each with its own answer, its own end and its own second attempt,
 *         which is alone.
 * Method: the core alone. What it sends is gathered; time is a number. */
#include "sched_world.h"

#define THREE 3 /* a function that takes three calls at a time */

static void
put_batched(struct world *w)
{
	put_takes(w, THREE, 3);
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

		assert_int_equal(d->flags, i == first ? CALL_F_BATCH : 0);
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

/* At rr with each other: they see the same versions, as each may. */
static void
calls_of_one_level_join(void **state)
{
	struct world *w = *state;
	struct desc rr = { .kind = DESC_CALL, .sub = CALL_LEVEL_RR, .a = THREE };

	put_batched(w);
	up(w, EXEC, THREE);
	call(w, CLIENT + 1, 1, THREE, 0);
	sent(w, EXEC, DESC_CALL, id_of(CLIENT + 1, 1));
	for (uint16_t i = 2; i <= 3; i++) {
		rr.call = id_of((uint16_t)(CLIENT + i), i);
		sched_on_proc(w->s, (uint16_t)(CLIENT + i), &rr, w->now);
	}
	answered(w, EXEC, 1);
	assert_int_equal(sent(w, EXEC, DESC_BATCH, id_of(CLIENT + 2, 2))->sub, CALL_LEVEL_RR);
	assert_int_equal(sent(w, EXEC, DESC_CALL, id_of(CLIENT + 3, 3))->sub, CALL_LEVEL_RR);
	answered(w, EXEC, 2);
	answered(w, EXEC, 3);
	quiet(w);
}

/* --------------------------------------------------------- in DAGs: a, b, c; b takes three */

#define DAG 1

static void
dag_call(struct world *w, uint16_t i)
{
	struct desc d = { .kind = DESC_CALL,
			  .sub = CALL_DAG,
			  .flags = DESC_F_INLINE,
			  .a = DAG,
			  .call = id_of((uint16_t)(CLIENT + i), i) };

	sched_on_proc(w->s, (uint16_t)(CLIENT + i), &d, w->now);
}

/* The next messages are a part of call i, of these functions, with so many inputs. */
static const struct desc *
sent_part(struct world *w, uint16_t exec, uint8_t kind, uint16_t i, uint32_t inputs, const char *fn)
{
	uint64_t id = id_of((uint16_t)(CLIENT + i), i);
	uint32_t n = 0;
	const struct desc *d;

	for (; n < inputs; n++) {
		assert_int_equal(sent(w, exec, DESC_TRIGGER, id)->b, n);
	}
	for (; *fn != '\0'; fn++, n++) {
		assert_int_equal(sent(w, exec, DESC_STEP, id)->a, *fn - 'a' + 1);
	}
	d = sent(w, exec, kind, id);
	assert_true((d->sub & CALL_PART) != 0);
	assert_int_equal(d->err, n);
	return d;
}

static void
part_returns(struct world *w, uint16_t exec, uint16_t i, int err)
{
	struct desc d = { .kind = DESC_REPLY,
			  .flags = DESC_F_INLINE,
			  .a = exec,
			  .err = (int16_t)err,
			  .call = id_of((uint16_t)(CLIENT + i), i) };

	sched_on_proc(w->s, exec, &d, w->now);
}

static void
put_dag_batched(struct world *w, const char *text)
{
	static const uint16_t abc[] = { 1, 2, 3 };

	for (uint16_t fn = 1; fn <= 3; fn++) {
		put_takes(w, fn, fn == 2 ? 3 : 0);
	}
	put_dag(w, DAG, text);
	up_with(w, EXEC, abc, 3);
}

/* The first finds the executor free, and runs as a whole. Those that wait let what leads to their
 * batch pass: three make one. */
static void
calls_of_a_dag_meet(void **state)
{
	struct world *w = *state;

	put_dag_batched(w, "a -> b -> c");
	for (uint16_t i = 1; i <= 5; i++) {
		dag_call(w, i);
	}
	assert_int_equal(sent(w, EXEC, DESC_CALL, id_of(CLIENT + 1, 1))->sub, CALL_DAG);
	answered(w, EXEC, 1);
	for (uint16_t i = 2; i <= 4; i++) {
		sent_part(w, EXEC, DESC_CALL, i, 0, "a");
		part_returns(w, EXEC, i, 0);
	}
	for (uint16_t i = 2; i <= 4; i++) {
		const struct desc *d =
			sent_part(w, EXEC, i < 4 ? DESC_BATCH : DESC_CALL, i, 1, "b");

		assert_int_equal((d->flags & CALL_F_BATCH) != 0, i != 3);
	}
	assert_int_equal(sched_running(w->s), 3);
	part_returns(w, EXEC, 2, 0);
	part_returns(w, EXEC, 3, MB_ERR_FUNCTION_FAILED);
	sent_answer(w, CLIENT + 3, 3, MB_ERR_FUNCTION_FAILED);
	sent_no_more(w); /* it is not free */
	part_returns(w, EXEC, 4, 0);
	for (uint16_t i = 2; i <= 4; i += 2) {
		sent_part(w, EXEC, DESC_CALL, i, 1, "c");
		part_returns(w, EXEC, i, 0);
		sent_answer(w, (uint16_t)(CLIENT + i), i, 0);
	}
	sent_part(w, EXEC, DESC_CALL, 5, 0, "a");
	part_returns(w, EXEC, 5, 0);
	sent_part(w, EXEC, DESC_CALL, 5, 1, "bc"); /* alone it need not wait */
	part_returns(w, EXEC, 5, 0);
	sent_answer(w, CLIENT + 5, 5, 0);
	quiet(w);
}

/* Branches of one call are calls of their function too; they are told apart by their order. */
static void
branches_of_a_call_meet(void **state)
{
	struct world *w = *state;

	put_dag_batched(w, "a -> b#1* -> c, a -> b#2 -> c, a -> b#3 -> c");
	dag_call(w, 1);
	sent(w, EXEC, DESC_CALL, 0);
	dag_call(w, 2);
	answered(w, EXEC, 1);
	sent_part(w, EXEC, DESC_CALL, 2, 0, "a");
	part_returns(w, EXEC, 2, 0);
	sent_part(w, EXEC, DESC_CALL, 2, 1, "b"); /* the multi function, alone */
	part_returns(w, EXEC, 2, 0);
	sent_part(w, EXEC, DESC_BATCH, 2, 1, "b");
	sent_part(w, EXEC, DESC_CALL, 2, 1, "b");
	part_returns(w, EXEC, 2, 0);
	part_returns(w, EXEC, 2, MB_ERR_FUNCTION_FAILED);
	sent_answer(w, CLIENT + 2, 2, MB_ERR_FUNCTION_FAILED); /* once */
	quiet(w);
}

/* A batch ends with its executor: each part once more, alone; what wrote its output is told. */
static void
parts_are_repeated_alone(void **state)
{
	static const uint16_t abc[] = { 1, 2, 3 };
	struct world *w = *state;
	const struct desc *d;

	put_dag_batched(w, "a -> b");
	for (uint16_t i = 1; i <= 4; i++) {
		dag_call(w, i);
	}
	sent(w, EXEC, DESC_CALL, 0);
	answered(w, EXEC, 1);
	for (uint16_t i = 2; i <= 4; i++) {
		sent_part(w, EXEC, DESC_CALL, i, 0, "a");
		part_returns(w, EXEC, i, 0);
	}
	for (uint16_t i = 2; i <= 4; i++) {
		sent_part(w, EXEC, i < 4 ? DESC_BATCH : DESC_CALL, i, 1, "b");
	}
	dies(w, CLIENT + 4, 0); /* the others want their answers */
	sent_no_more(w);
	cancel(w, CLIENT + 3, 3, 0);
	d = sent(w, 0, DESC_EXEC_STOP, 0);
	assert_true(d->a == EXEC && d->call == id_of(CLIENT + 4, 4)); /* what it says it runs */
	dies(w, EXEC, 0);
	sent_answer(w, CLIENT + 3, 3, MB_ERR_CANCELLED);
	up_with(w, EXEC + 1, abc, 3);
	d = sent_part(w, EXEC + 1, DESC_CALL, 2, 1, "b");
	assert_true((d->sub & CALL_ATTEMPT_MASK) != 0);
	part_returns(w, EXEC + 1, 2, 0);
	sent_answer(w, CLIENT + 2, 2, 0);
	quiet(w);
}

/* An executor that does not take all of a row gets it again, whole. */
static void
a_row_is_taken_whole(void **state)
{
	struct world *w = *state;

	put_dag_batched(w, "b");
	for (uint16_t i = 1; i <= 3; i++) {
		dag_call(w, i);
	}
	sent(w, EXEC, DESC_CALL, 0);
	w->room = 3; /* the answer, and one part's two messages but the last */
	answered(w, EXEC, 1);
	sent(w, EXEC, DESC_STEP, 0);
	sent(w, EXEC, DESC_BATCH, 0);
	sent_no_more(w);
	w->full = false;
	w->now += 2 * MS;
	sched_poll(w->s, w->now);
	sent_part(w, EXEC, DESC_BATCH, 2, 0, "b");
	sent_part(w, EXEC, DESC_CALL, 3, 0, "b");
	part_returns(w, EXEC, 2, 0);
	sent_answer(w, CLIENT + 2, 2, 0);
	part_returns(w, EXEC, 3, 0);
	sent_answer(w, CLIENT + 3, 3, 0);
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
		STORY(calls_of_one_level_join),
		STORY(calls_of_a_dag_meet),
		STORY(branches_of_a_call_meet),
		STORY(parts_are_repeated_alone),
		STORY(a_row_is_taken_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
