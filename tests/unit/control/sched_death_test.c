/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   a death costs a DAG call that runs in parts no more than it must (U3, U5 of sched_run.c).
 * Method: stories about one run. (Many at a time: sched_run_model_test.c; other calls:
 *         sched_test.c.) */
#include "sched_run_world.h"

static void
a_part_without_effect_runs_once_more(void **state)
{
	struct world *w = *state;

	put_dag(w, DAG, "a -> b, a -> c, b -> d, c -> d");
	up_all(w, EXEC, 2);
	call_dag(w, 1, 0);
	dies(w, sent_part(w, 1, 0, "a"), 0);
	dies(w, sent_part(w, 1, 0, "a"), 0);
	sent_answer(w, CLIENT, 1, MB_ERR_EXECUTOR_DIED);
	quiet(w);
}

/* That a wrote where b runs now, before b came, is no effect of b. */
static void
what_another_part_wrote_is_no_effect(void **state)
{
	struct world *w = *state;
	uint64_t call = id_of(CLIENT, 1), wrote_ns;
	uint16_t a, c;

	put_dag(w, DAG, "a -> b -> d, a -> c -> d");
	up_all(w, EXEC, 2);
	call_dag(w, 1, 0);
	a = sent_part(w, 1, 0, "a");
	wrote_ns = w->now;
	w->now += MS;
	returns(w, a, 1, 0, 0, REPLY_PUBLISHED);
	assert_int_equal(sent_part(w, 1, 1, "b"), a);
	c = sent_part(w, 1, 1, "c");
	dies_after(w, a, call, wrote_ns);
	returns(w, c, 1, 0, 0, 0);
	assert_int_equal(sent_part(w, 1, 1, "b"), c);
	dies_after(w, c, call, w->now); /* b's own */
	sent_answer(w, CLIENT, 1, MB_ERR_EXECUTOR_DIED);
	quiet(w);
}

/* What a returned is copied when its executor dies, also of a run that wrote. b, which ran there,
 * and e read the copy. */
static void
a_result_outlives_its_executor(void **state)
{
	struct world *w = *state;
	uint16_t a, c;

	put_dag(w, DAG, "a -> b -> d, a -> c -> d, a -> e -> d");
	up_all(w, EXEC, 2);
	call_dag(w, 1, 0);
	a = sent_part(w, 1, 0, "a");
	returns_at(w, a, 1, 77, 1000, REPLY_PUBLISHED);
	assert_int_equal(sent_part(w, 1, 1, "b"), a);
	c = sent_part(w, 1, 1, "c");
	dies(w, a, 0);
	assert_int_equal(w->copies, 1);
	returns(w, c, 1, 0, 0, 0);
	assert_int_equal(w->out[w->seen].d.ref.proc, PROC_DAEMON);
	assert_int_equal(sent_part(w, 1, 1, "b"), c);
	returns(w, c, 1, 0, 0, 0);
	assert_int_equal(w->out[w->seen].d.ref.proc, PROC_DAEMON);
	assert_int_equal(sent_part(w, 1, 1, "e"), c);
	assert_int_equal(w->copies, 1);
	returns(w, c, 1, 0, 0, 0);
	assert_int_equal(w->copies, 0);
	returns(w, sent_part(w, 1, 3, "d"), 1, 0, 0, 0);
	sent_answer(w, CLIENT, 1, 0);
	quiet(w);
}

/* What a wrote and returned is being read: by b where it is, and by c. Returns where c is. */
static uint16_t
being_read(struct world *w, uint16_t *ret_a)
{
	uint16_t c;

	put_dag(w, DAG, "a -> b -> d, a -> c -> d");
	up_all(w, EXEC, 2);
	call_dag(w, 1, 0);
	*ret_a = sent_part(w, 1, 0, "a");
	returns_at(w, *ret_a, 1, 77, 1000, REPLY_PUBLISHED);
	sent_part(w, 1, 1, "b");
	c = sent_part(w, 1, 1, "c");
	w->now += MS;
	return c;
}

/* A part cannot map what it is to read, and we know of the death already: it is sent again, with
 * the copy. */
static void
what_cannot_be_read_is_sent_again(void **state)
{
	struct world *w = *state;
	uint16_t a, c = being_read(w, &a);

	dies(w, a, 0);
	w->now += MS;
	returns(w, c, 1, MB_ERR_PEER_DIED, 0, 0);
	returns(w, sent_part(w, 1, 1, "b"), 1, 0, 0, 0);
	assert_int_equal(w->out[w->seen].d.ref.proc, PROC_DAEMON);
	returns(w, sent_part(w, 1, 1, "c"), 1, 0, 0, 0);
	returns(w, sent_part(w, 1, 2, "d"), 1, 0, 0, 0);
	sent_answer(w, CLIENT, 1, 0);
	assert_int_equal(w->copies, 0);
	quiet(w);
}

/* Or we do not know of it yet. Who says that it cannot read our copy either lies. */
static void
nobody_says_twice_that_it_cannot_read(void **state)
{
	struct world *w = *state;
	uint16_t a, c = being_read(w, &a);

	returns(w, c, 1, MB_ERR_PEER_DIED, 0, 0);
	assert_int_equal(sent(w, a, DESC_RELEASE, 0)->release.handle[0], 77);
	w->now += MS;
	assert_int_equal(w->out[w->seen].d.ref.proc, PROC_DAEMON);
	assert_int_equal(sent_part(w, 1, 1, "c"), c);
	w->now += MS;
	returns(w, c, 1, MB_ERR_PEER_DIED, 0, 0);
	assert_int_equal(w->out[w->seen].d.ref.proc, PROC_DAEMON); /* in the step of the copy */
	assert_int_equal(sent_part(w, 1, 1, "c"), c);
	returns(w, c, 1, MB_ERR_PEER_DIED, 0, 0);
	sent(w, 0, DESC_EXEC_STOP, id_of(CLIENT, 1));
	returns(w, a, 1, 0, 0, 0);
	sent_answer(w, CLIENT, 1, MB_ERR_EXECUTOR_DIED);
	assert_int_equal(w->copies, 0);
	quiet(w);
}

/* What a returned, too large to be copied, died with its executor before e read it. */
static void
a_lost_result_begins_the_run_again_unless_it_wrote(void **state)
{
	struct world *w = *state;

	put_dag(w, DAG, "a -> b -> d, a -> c -> d, a -> e -> d");
	for (uint64_t seq = 1; seq <= 2; seq++) {
		uint16_t a, c;

		up_all(w, EXEC, 2);
		call_dag(w, seq, 0);
		a = sent_part(w, seq, 0, "a");
		returns_at(w, a, seq, 77, 1001, seq == 2 ? REPLY_PUBLISHED : 0);
		assert_int_equal(sent_part(w, seq, 1, "b"), a);
		c = sent_part(w, seq, 1, "c");
		dies(w, a, 0);
		if (seq == 2) {
			sent(w, 0, DESC_EXEC_STOP, 0);
		}
		sent_no_more(w); /* c runs to its end first */
		returns(w, c, seq, 0, 0, 0);
		if (seq == 1) {
			returns(w, sent_part(w, seq, 0, "a"), seq, 0, 0, 0);
			sent_part(w, seq, 1, "b");
			dies(w, c, 0); /* a second time is too often */
		}
		sent_answer(w, CLIENT, seq, MB_ERR_EXECUTOR_DIED);
		quiet(w);
	}
}

/* All executors that were kept for the old d die, while a run is on its way to it. Returns who runs
 * a, b and c now, and has a newer d. */
static uint16_t
code_dies(struct world *w, uint8_t sub)
{
	const uint16_t exec = EXEC + 2;
	uint16_t a;

	put_dag(w, DAG, "a -> b -> d, a -> c -> d");
	up_all(w, EXEC, 2);
	call_dag(w, 1, 0);
	a = sent_part(w, 1, 0, "a");
	put_fn(w, 30, "d");
	tell(w, DESC_EXEC_DRAIN, EXEC, 0);
	tell(w, DESC_EXEC_DRAIN, EXEC + 1, 0);
	tell(w, DESC_FN_DEL, 4, 30);
	dies(w, a == EXEC ? EXEC + 1 : EXEC, 0);
	returns(w, a, 1, 0, 0, sub);
	sent_part(w, 1, 1, "b");
	dies(w, a, 0);
	up_with(w, exec, (const uint16_t[]){ 1, 2, 3, 30 }, 4);
	assert_int_equal(sent_part(w, 1, 1, "b"), exec);
	returns(w, exec, 1, 0, 0, 0);
	assert_int_equal(sent_part(w, 1, 1, "c"), exec);
	returns(w, exec, 1, 0, 0, 0);
	return exec;
}

/* It begins once more, and then with the newer one. */
static void
a_run_whose_code_died_begins_again(void **state)
{
	struct world *w = *state;
	uint16_t exec = code_dies(w, 0);

	for (const char *step = "abc"; *step != '\0'; step++) {
		const char part[] = { *step, '\0' };

		assert_int_equal(sent_part(w, 1, *step != 'a', part), exec);
		returns(w, exec, 1, 0, 0, 0);
	}
	sent(w, exec, DESC_TRIGGER, 0);
	sent(w, exec, DESC_TRIGGER, 0);
	assert_int_equal(sent(w, exec, DESC_STEP, 0)->a, 30);
	assert_true((sent(w, exec, DESC_CALL, 0)->sub & CALL_ATTEMPT_MASK) != 0);
	returns(w, exec, 1, 0, 0, 0);
	sent_answer(w, CLIENT, 1, 0);
	quiet(w);
}

/* Not if it has written: nor does it go on with the newer one. */
static void
a_run_whose_code_died_ends_if_it_wrote(void **state)
{
	struct world *w = *state;

	code_dies(w, REPLY_PUBLISHED);
	assert_non_null(strstr((const char *)sent(w, CLIENT, DESC_REPLY, id_of(CLIENT, 1))->data,
			       "its code died; its writes happened"));
	quiet(w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		STORY(a_part_without_effect_runs_once_more),
		STORY(what_another_part_wrote_is_no_effect),
		STORY(a_result_outlives_its_executor),
		STORY(what_cannot_be_read_is_sent_again),
		STORY(nobody_says_twice_that_it_cannot_read),
		STORY(a_lost_result_begins_the_run_again_unless_it_wrote),
		STORY(a_run_whose_code_died_begins_again),
		STORY(a_run_whose_code_died_ends_if_it_wrote),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
