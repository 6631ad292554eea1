/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   a DAG call that runs in parts keeps U1..U5 of sched_run.c.
 * Method: stories about one run. (Many at a time: sched_run_model_test.c.) */
#include "sched_run_world.h"

/* ------------------------------------------------------------------- stories */

static void
branches_run_side_by_side_and_the_sink_when_both_are_there(void **state)
{
	struct world *w = *state;
	uint16_t b, c, d;

	put_dag(w, DAG, "a -> b, a -> c, b -> d, c -> d");
	up_all(w, EXEC, 2);
	call_dag(w, 1, 0);
	returns(w, sent_part(w, 1, 0, "a"), 1, 0, 77, 0);
	b = sent_part(w, 1, 1, "b");
	c = sent_part(w, 1, 1, "c");
	assert_int_not_equal(b, c);
	returns(w, b, 1, 0, 0, 0);
	sent_no_more(w);
	returns(w, c, 1, 0, 0, 0);
	assert_int_equal(sent(w, w->out[w->seen].proc, DESC_RELEASE, 0)->release.handle[0], 77);
	d = sent_part(w, 1, 2, "d");
	returns(w, d, 1, 0, 5, 0);
	assert_int_equal(sent(w, CLIENT, DESC_REPLY, id_of(CLIENT, 1))->ref.handle, 5);
	quiet(w);
}

/* Two branches, the first of which returned so many bytes. Returns its executor; *ret_last is that
 * of the other, which returns nothing by reference, and last. */
static uint16_t
two_branches(struct world *w, uint32_t bytes, uint16_t *ret_last)
{
	uint16_t b;

	put_dag(w, DAG, "a -> c, b -> c");
	up_all(w, EXEC, 2);
	call_dag(w, 1, 0);
	b = sent_part(w, 1, 0, "a");
	*ret_last = sent_part(w, 1, 0, "b");
	returns_at(w, b, 1, b, bytes, 0);
	return b;
}

/* It runs there, and nothing is left; near gets back what it held. */
static void
sink_runs_at(struct world *w, uint16_t exec, uint16_t near)
{
	assert_int_equal(sent_part(w, 1, 2, "c"), exec);
	returns(w, exec, 1, 0, 0, 0);
	sent_answer(w, CLIENT, 1, 0);
	assert_int_equal(sent(w, near, DESC_RELEASE, 0)->release.handle[0], near);
}

static void
a_part_runs_where_most_of_its_inputs_lie(void **state)
{
	struct world *w = *state;
	uint16_t last, near = two_branches(w, SCHED_NEAR_BYTES, &last);

	returns(w, last, 1, 0, 0, 0);
	sink_runs_at(w, near, near);
	quiet(w);
}

/* What is little is read from anywhere: who returned last goes on. */
static void
few_bytes_do_not_matter(void **state)
{
	struct world *w = *state;
	uint16_t last, near = two_branches(w, SCHED_NEAR_BYTES - 1, &last);

	returns(w, last, 1, 0, 0, 0);
	sink_runs_at(w, last, near);
	quiet(w);
}

/* Nobody waits for who is nearer while that has another call ... */
static void
no_part_waits_for_who_is_near(void **state)
{
	struct world *w = *state;
	uint16_t last, near = two_branches(w, 1 << 20, &last);

	call(w, CLIENT + 1, 7, 1, 0);
	sent(w, near, DESC_CALL, id_of(CLIENT + 1, 7));
	returns(w, last, 1, 0, 0, 0);
	sink_runs_at(w, last, near);
	reply(w, near, CLIENT + 1, 7);
	sent_answer(w, CLIENT + 1, 7, 0);
	quiet(w);
}

/* ... or is a client's ... */
static void
nor_for_one_that_is_claimed(void **state)
{
	struct world *w = *state;
	uint16_t last, near = two_branches(w, 1 << 20, &last);

	assert_true(claim_try(w->hints, near, 4711));
	returns(w, last, 1, 0, 0, 0);
	sink_runs_at(w, last, near);
	quiet(w);
}

/* ... or has been busy of late, and the other has not. */
static void
nor_for_one_that_is_busy(void **state)
{
	struct world *w = *state;
	uint16_t last, near = two_branches(w, 1 << 20, &last);

	for (uint64_t i = 0; i < 20; i++) {
		w->now += SCHED_LOAD_NS;
		w->busy_ns[near] += SCHED_LOAD_NS;
		call(w, CLIENT + 1, 100 + i, 1, 0);
		sent(w, near, DESC_CALL, id_of(CLIENT + 1, 100 + i));
		reply(w, near, CLIENT + 1, 100 + i);
		sent_answer(w, CLIENT + 1, 100 + i, 0);
	}
	returns(w, last, 1, 0, 0, 0);
	sink_runs_at(w, last, near);
	quiet(w);
}

/* The last function names what goes on: the run ends, and the call waits anew. */
static void
a_run_goes_on(void **state)
{
	struct world *w = *state;
	struct desc d = { .kind = DESC_REPLY,
			  .sub = REPLY_GOES_ON | REPLY_PUBLISHED,
			  .call = id_of(CLIENT, 1),
			  .b = call_next_make(5, false, 1) };
	const struct desc *next;
	uint16_t b, c, x;

	put_dag(w, DAG, "a -> d, b -> d");
	put_fn(w, 5, "e");
	up_all(w, EXEC, 2);
	call_dag(w, 1, 0);
	b = sent_part(w, 1, 0, "a");
	c = sent_part(w, 1, 0, "b");
	returns(w, b, 1, 0, 0, 0);
	returns(w, c, 1, 0, 0, 0);
	x = sent_part(w, 1, 2, "d");
	d.ref = (struct payload_ref){ .inc = 1, .proc = x, .handle = 5 };
	sched_on_proc(w->s, x, &d, w->now);
	assert_int_equal(sched_runs(w->s), 0);
	x = w->out[w->seen].proc;
	next = sent(w, x, DESC_CALL, id_of(CLIENT, 1));
	assert_int_equal(next->a, 5);
	assert_int_equal(next->sub, 0);
	assert_int_equal(next->ref.handle, 5);
	returns(w, x, 1, 0, 6, 0);
	assert_int_equal(sent(w, CLIENT, DESC_REPLY, id_of(CLIENT, 1))->ref.handle, 6);
	assert_int_equal(sent(w, w->out[w->seen].proc, DESC_RELEASE, 0)->release.handle[0], 5);
	quiet(w);
}

static void
functions_in_a_row_are_one_part(void **state)
{
	struct world *w = *state;
	uint16_t x;

	put_dag(w, DAG, "a -> b -> c -> f, a -> d -> e -> f");
	up_all(w, EXEC, 2);
	call_dag(w, 1, 0);
	returns(w, sent_part(w, 1, 0, "a"), 1, 0, 0, 0);
	x = sent_part(w, 1, 1, "bc");
	returns(w, sent_part(w, 1, 1, "de"), 1, 0, 0, 0);
	returns(w, x, 1, 0, 0, 0);
	returns(w, sent_part(w, 1, 2, "f"), 1, 0, 0, 0);
	sent_answer(w, CLIENT, 1, 0);
	quiet(w);
}

/* A row ends where an executor has not the next function. */
static void
a_dag_runs_where_its_functions_are(void **state)
{
	struct world *w = *state;

	put_dag(w, DAG, "a -> b -> c");
	up_with(w, EXEC, (const uint16_t[]){ 1, 2 }, 2);
	up_with(w, EXEC + 1, (const uint16_t[]){ 3 }, 1);
	call_dag(w, 1, 0);
	assert_int_equal(sent_part(w, 1, 0, "ab"), EXEC);
	returns(w, EXEC, 1, 0, 0, 0);
	assert_int_equal(sent_part(w, 1, 1, "c"), EXEC + 1);
	returns(w, EXEC + 1, 1, 0, 0, 0);
	sent_answer(w, CLIENT, 1, 0);
	quiet(w);
}

/* What a part has read, before it returns. */
static void
has_read_bytes(struct world *w, uint16_t exec, uint64_t seq, uint32_t handle, uint32_t len)
{
	struct desc d = { .kind = DESC_CUT, .call = id_of(CLIENT, seq) };

	d.ref = (struct payload_ref){ .inc = 1, .proc = exec, .handle = handle, .len = len };
	sched_on_proc(w->s, exec, &d, w->now);
}

static void
has_read(struct world *w, uint16_t exec, uint64_t seq, uint32_t handle)
{
	has_read_bytes(w, exec, seq, handle, 100);
}

/* The next messages are a part without inputs and with a cut. */
static void
sent_part_with(struct world *w, uint16_t exec, uint64_t seq, uint32_t cut, char step)
{
	const struct desc *d = sent(w, exec, DESC_CUT, id_of(CLIENT, seq));

	assert_int_equal(d->ref.handle, cut);
	assert_int_equal(d->b, 0);
	d = sent(w, exec, DESC_STEP, id_of(CLIENT, seq));
	assert_int_equal(d->a, step - 'a' + 1);
	assert_int_equal(d->b, 1);
	d = sent(w, exec, DESC_CALL, id_of(CLIENT, seq));
	assert_int_equal(d->err, 2);
	assert_int_equal(d->sub & ~CALL_ATTEMPT_MASK, CALL_DAG | CALL_PART | CALL_LEVEL_RR);
}

static void
released(struct world *w, uint16_t exec, uint32_t handle)
{
	assert_int_equal(sent(w, exec, DESC_RELEASE, 0)->release.handle[0], handle);
}

/* At rr a DAG is one session with an executor that has all of it; while a function is nowhere it
 * waits: it may come to where the others are. */
static void
at_rr_it_is_one_part_where_it_can_be(void **state)
{
	struct world *w = *state;

	put_dag(w, DAG, "a -> b -> c");
	up_with(w, EXEC, (const uint16_t[]){ 1, 2 }, 2);
	call_dag_at(w, 1, 0, CALL_LEVEL_RR);
	w->seen = w->out_cnt; /* what is wanted */
	up_all(w, EXEC + 2, 1);
	assert_int_equal(sent(w, EXEC + 2, DESC_CALL, 0)->sub, CALL_DAG | CALL_LEVEL_RR);
	reply(w, EXEC + 2, CLIENT, 1);
	sent(w, CLIENT, DESC_REPLY, 0);
	quiet(w);
}

/* Else its parts go in turn, also where edges do not say so, and each gets what all before it have
 * read: what is gone from the DAG's own memory is given back. */
static void
at_rr_parts_go_in_turn(void **state)
{
	struct world *w = *state;

	put_dag(w, DAG, "a -> d, b -> d, c -> d");
	for (uint16_t i = 0; i < 4; i++) {
		const uint16_t fn = (uint16_t)(i + 1);

		up_with(w, EXEC + i, &fn, 1);
	}
	call_dag_at(w, 1, 0, CALL_LEVEL_RR);
	assert_int_equal(sent_part(w, 1, 0, "a"), EXEC);
	sent_no_more(w);
	returns(w, EXEC, 1, 0, 0, 0); /* it has read nothing */
	assert_int_equal(sent_part(w, 1, 0, "b"), EXEC + 1);
	sent_no_more(w);
	has_read(w, EXEC + 1, 1, 41);
	assert_int_equal(sched_held(w->s), 1);
	returns(w, EXEC + 1, 1, 0, 0, 0);
	sent_part_with(w, EXEC + 2, 1, 41, 'c');
	has_read(w, EXEC + 2, 1, 42);
	has_read(w, EXEC + 2, 1, 43); /* one is enough */
	released(w, EXEC + 2, 43);
	has_read(w, EXEC + 3, 1, 44); /* it does not run */
	released(w, EXEC + 3, 44);
	returns(w, EXEC + 2, 1, 0, 0, 0);
	released(w, EXEC + 1, 41);
	for (uint64_t b = 0; b < 3; b++) {
		assert_int_equal(sent(w, EXEC + 3, DESC_TRIGGER, 0)->b, b);
	}
	assert_int_equal(sent(w, EXEC + 3, DESC_CUT, 0)->ref.handle, 42);
	assert_int_equal(sent(w, EXEC + 3, DESC_STEP, 0)->b, 4);
	assert_int_equal(sent(w, EXEC + 3, DESC_CALL, 0)->err, 5);
	returns(w, EXEC + 3, 1, 0, 0, 0);
	sent_answer(w, CLIENT, 1, 0);
	released(w, EXEC + 2, 42);
	assert_int_equal(sched_held(w->s), 0);
	quiet(w);
}

/* A part says what it has read, and dies before it returns: what counts is what is read in its
 * place. */
static void
what_a_dead_attempt_has_read_is_forgotten(void **state)
{
	struct world *w = *state;

	put_dag(w, DAG, "a -> b -> c");
	for (uint16_t i = 0; i < 3; i++) {
		const uint16_t fn = (uint16_t)(i + 1);

		up_with(w, EXEC + i, &fn, 1);
	}
	for (uint64_t seq = 1; seq <= 2; seq++) {
		const uint16_t dead = seq == 1 ? EXEC + 1 : EXEC + 3;
		const uint16_t next = (uint16_t)(EXEC + 2 + seq);

		call_dag_at(w, seq, 0, CALL_LEVEL_RR);
		sent_part(w, seq, 0, "a");
		returns(w, EXEC, seq, 0, 0, 0);
		assert_int_equal(sent_part(w, seq, 1, "b"), dead);
		has_read(w, dead, seq, 61);
		dies(w, dead, 0);
		up_with(w, next, (const uint16_t[]){ 2 }, 1);
		assert_int_equal(sent_part(w, seq, 1, "b"), next);
		assert_int_equal(sched_held(w->s), 0);
		if (seq == 1) {
			has_read(w, next, seq, 62);
			returns(w, next, seq, 0, 0, 0);
			assert_int_equal(sent(w, EXEC + 2, DESC_TRIGGER, 0)->b, 0);
			assert_int_equal(sent(w, EXEC + 2, DESC_CUT, 0)->ref.handle, 62);
			sent(w, EXEC + 2, DESC_STEP, 0);
			sent(w, EXEC + 2, DESC_CALL, 0);
		} else { /* this time nothing was there to be read */
			returns(w, next, seq, 0, 0, 0);
			assert_int_equal(sent_part(w, seq, 1, "c"), EXEC + 2);
		}
		returns(w, EXEC + 2, seq, 0, 0, 0);
		sent_answer(w, CLIENT, seq, 0);
		if (seq == 1) {
			released(w, next, 62);
		}
		assert_int_equal(sched_held(w->s), 0);
	}
	quiet(w);
}

/* Each way to end gives back what is held, and what is gone with its executor is made again. */
static void
a_cut_is_given_back_or_lost(void **state)
{
	struct world *w = *state;

	put_dag(w, DAG, "a -> c, b -> c");
	for (uint16_t i = 0; i < 3; i++) {
		const uint16_t fn = (uint16_t)(i + 1);

		up_with(w, EXEC + i, &fn, 1);
	}
	/* An error. */
	call_dag_at(w, 1, 0, CALL_LEVEL_RR);
	sent_part(w, 1, 0, "a");
	has_read(w, EXEC, 1, 51);
	returns(w, EXEC, 1, 0, 0, 0);
	sent_part_with(w, EXEC + 1, 1, 51, 'b');
	returns(w, EXEC + 1, 1, MB_ERR_FUNCTION_FAILED, 0, 0);
	sent_answer(w, CLIENT, 1, MB_ERR_FUNCTION_FAILED);
	released(w, EXEC, 51);
	quiet(w);
	/* Who held it is gone, and it was too large to be copied: the next part says so, and all
	 * begins again, once. */
	call_dag_at(w, 2, 0, CALL_LEVEL_RR);
	sent_part(w, 2, 0, "a");
	has_read_bytes(w, EXEC, 2, 52, 1001);
	returns(w, EXEC, 2, 0, 0, 0);
	sent_part_with(w, EXEC + 1, 2, 52, 'b');
	dies(w, EXEC, 0);
	up_with(w, EXEC + 4, (const uint16_t[]){ 1 }, 1);
	assert_int_equal(sched_held(w->s), 0);
	returns(w, EXEC + 1, 2, MB_ERR_PEER_DIED, 0, 0);
	assert_int_equal(sent_part(w, 2, 0, "a"), EXEC + 4);
	has_read(w, EXEC + 4, 2, 53);
	returns(w, EXEC + 4, 2, 0, 0, 0);
	sent_part_with(w, EXEC + 1, 2, 53, 'b');
	returns(w, EXEC + 1, 2, 0, 0, 0); /* it has read nothing: the cut is what it was */
	for (uint64_t b = 0; b < 2; b++) {
		assert_int_equal(sent(w, EXEC + 2, DESC_TRIGGER, 0)->b, b);
	}
	assert_int_equal(sent(w, EXEC + 2, DESC_CUT, 0)->ref.handle, 53);
	sent(w, EXEC + 2, DESC_STEP, 0);
	sent(w, EXEC + 2, DESC_CALL, 0);
	returns(w, EXEC + 2, 2, 0, 0, 0);
	sent_answer(w, CLIENT, 2, 0);
	released(w, EXEC + 4, 53);
	quiet(w);
}

static void
what_is_quick_or_alone_is_not_divided(void **state)
{
	struct world *w = *state;
	struct desc slow = { .kind = DESC_REPLY, .a = EXEC, .b = UINT64_C(50000) << 32 };
	uint64_t gen;

	put_dag(w, DAG, "a -> b, a -> c, b -> d, c -> d");
	up_all(w, EXEC, 1);
	call_dag(w, 1, 0);
	assert_int_equal(sent(w, EXEC, DESC_CALL, 0)->sub, CALL_DAG);
	slow.call = id_of(CLIENT, 1);
	slow.flags = DESC_F_INLINE;
	sched_on_proc(w->s, EXEC, &slow, w->now);
	sent_answer(w, CLIENT, 1, 0);
	((struct placement_copy *)(uintptr_t)placement_shown(w->placement, &gen))
		->dag[DAG]
		.split_ns = 50001;
	up_all(w, EXEC + 1, 1);
	call_dag(w, 2, 0);
	assert_int_equal(w->out[w->seen].d.sub, CALL_DAG);
	reply(w, w->out[w->seen++].proc, CLIENT, 2);
	sent(w, CLIENT, DESC_REPLY, 0);
	quiet(w);
}

/* Executors that are kept to one cpu could only take turns, unless all is to run in parts. */
static void
what_would_take_turns_is_not_divided(void **state)
{
	struct world *w = *state;
	struct desc slow = { .kind = DESC_REPLY, .b = UINT64_C(50000) << 32 };
	struct placement_copy *p;
	uint16_t exec;
	uint64_t gen;

	put_dag(w, DAG, "a -> b, a -> c, b -> d, c -> d");
	p = (struct placement_copy *)(uintptr_t)placement_shown(w->placement, &gen);
	p->dag[DAG].split_ns = 1;
	w->cpu = 5;
	up_all(w, EXEC, 2);
	call_dag(w, 1, 0); /* how long it takes */
	exec = w->out[w->seen].proc;
	assert_int_equal(sent(w, exec, DESC_CALL, 0)->sub, CALL_DAG);
	slow.call = id_of(CLIENT, 1);
	slow.flags = DESC_F_INLINE;
	sched_on_proc(w->s, exec, &slow, w->now);
	sent_answer(w, CLIENT, 1, 0);
	call_dag(w, 2, 0); /* long, and yet */
	exec = w->out[w->seen].proc;
	assert_int_equal(sent(w, exec, DESC_CALL, 0)->sub, CALL_DAG);
	reply(w, exec, CLIENT, 2);
	sent(w, CLIENT, DESC_REPLY, 0);
	w->cpu = 6;
	up_all(w, EXEC + 2, 1);
	p = (struct placement_copy *)(uintptr_t)placement_shown(w->placement, &gen);
	p->dag[DAG].split_ns = 1;
	call_dag(w, 3, 0);
	returns(w, sent_part(w, 3, 0, "a"), 3, MB_ERR_FUNCTION_FAILED, 0, 0);
	sent_answer(w, CLIENT, 3, MB_ERR_FUNCTION_FAILED);
	quiet(w);
}

static void
an_error_stops_what_runs_and_is_told_when_it_has(void **state)
{
	struct world *w = *state;
	uint16_t b, c;

	put_dag(w, DAG, "a -> b, a -> c, b -> d, c -> d");
	up_all(w, EXEC, 2);
	call_dag(w, 1, 0);
	returns(w, sent_part(w, 1, 0, "a"), 1, 0, 77, 0);
	b = sent_part(w, 1, 1, "b");
	c = sent_part(w, 1, 1, "c");
	returns(w, b, 1, MB_ERR_FUNCTION_FAILED, 0, 0);
	assert_int_equal(sent(w, 0, DESC_EXEC_STOP, id_of(CLIENT, 1))->a, c);
	sent_no_more(w); /* c reads the caller's arguments still: U1 */
	returns(w, c, 1, 0, 78, 0);
	sent_answer(w, CLIENT, 1, MB_ERR_FUNCTION_FAILED);
	sent(w, w->out[w->seen].proc, DESC_RELEASE, 0);
	sent(w, w->out[w->seen].proc, DESC_RELEASE, 0);
	quiet(w);
}

static void
a_cancelled_run_leaves_nothing(void **state)
{
	struct world *w = *state;
	uint16_t x;

	put_dag(w, DAG, "a -> c, b -> c, d -> c");
	up_all(w, EXEC, 2);
	call_dag(w, 1, 0);
	x = sent_part(w, 1, 0, "a");
	returns(w, sent_part(w, 1, 0, "b"), 1, 0, 77, 0);
	sent_part(w, 1, 0, "d");
	cancel(w, CLIENT, 1, 0);
	sent(w, 0, DESC_EXEC_STOP, id_of(CLIENT, 1));
	sent(w, 0, DESC_EXEC_STOP, id_of(CLIENT, 1));
	cancel(w, CLIENT, 1, 0); /* ctl may have looked before they began */
	sent(w, 0, DESC_EXEC_STOP, id_of(CLIENT, 1));
	sent(w, 0, DESC_EXEC_STOP, id_of(CLIENT, 1));
	dies(w, x, 0);
	sent_no_more(w);
	returns(w, (uint16_t)(x == EXEC ? EXEC + 1 : EXEC), 1, 0, 78, 0);
	sent_answer(w, CLIENT, 1, MB_ERR_CANCELLED);
	w->seen = w->out_cnt;
	quiet(w);
}

static void
a_dead_callers_run_ends_without_an_answer(void **state)
{
	struct world *w = *state;
	uint16_t x;

	put_dag(w, DAG, "a -> b, a -> c, b -> d, c -> d");
	up_all(w, EXEC, 2);
	call_dag(w, 1, 0);
	x = sent_part(w, 1, 0, "a");
	dies(w, CLIENT, 0);
	sent(w, 0, DESC_EXEC_STOP, id_of(CLIENT, 1));
	returns(w, x, 1, 0, 77, 0);
	assert_int_equal(sent(w, x, DESC_RELEASE, 0)->release.handle[0], 77);
	quiet(w);
}

/* U5 */
static void
a_run_keeps_the_functions_it_began_with(void **state)
{
	struct world *w = *state;
	uint16_t x;

	put_dag(w, DAG, "a -> b, a -> c, b -> d, c -> d");
	up_all(w, EXEC, 2);
	call_dag(w, 1, 0);
	x = sent_part(w, 1, 0, "a");
	put_fn(w, 30, "d");
	up_with(w, EXEC + 2, (const uint16_t[]){ 1, 2, 3, 30 }, 4);
	tell(w, DESC_EXEC_DRAIN, EXEC, 0);
	tell(w, DESC_EXEC_DRAIN, EXEC + 1, 0);
	tell(w, DESC_FN_DEL, 4, 30);
	sent_no_more(w); /* neither may go */
	returns(w, x, 1, 0, 0, 0);
	while (w->seen < w->out_cnt) {
		returns(w, sent_part(w, 1, 1, w->out[w->seen + 1].d.a == 2 ? "b" : "c"), 1, 0, 0,
			0);
		if (w->out[w->seen].d.kind == DESC_TRIGGER &&
		    w->out[w->seen + 1].d.kind == DESC_TRIGGER) {
			break;
		}
	}
	x = sent_part(w, 1, 2, "d"); /* the old one */
	assert_true(x == EXEC || x == EXEC + 1);
	returns(w, x, 1, 0, 0, 0);
	sent_answer(w, CLIENT, 1, 0);
	assert_int_equal(sent(w, 0, DESC_EXEC_DRAIN, 0)->a, EXEC);
	assert_int_equal(sent(w, 0, DESC_EXEC_DRAIN, 0)->a, EXEC + 1);
	quiet(w);
}

/* It waits, and nothing of it has begun: it begins with what there is. */
static void
a_run_that_has_not_begun_takes_the_newer_functions(void **state)
{
	struct world *w = *state;

	put_dag(w, DAG, "a -> b -> d, a -> c -> d");
	up(w, EXEC, 1);
	up_with(w, EXEC + 1, (const uint16_t[]){ 2, 3, 4 }, 3);
	call_dag(w, 1, 0);
	assert_int_equal(sent_part(w, 1, 0, "a"), EXEC);
	dies(w, EXEC, 0);
	put_fn(w, 30, "a");
	tell(w, DESC_FN_DEL, 1, 30);
	sent(w, 0, DESC_PIN_WANT, 0);
	sent_no_more(w);
	up(w, EXEC + 2, 30);
	assert_int_equal(sent(w, EXEC + 2, DESC_STEP, 0)->a, 30);
	sent(w, EXEC + 2, DESC_CALL, 0);
	returns(w, EXEC + 2, 1, MB_ERR_FUNCTION_FAILED, 0, 0);
	sent_answer(w, CLIENT, 1, MB_ERR_FUNCTION_FAILED);
	quiet(w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		STORY(branches_run_side_by_side_and_the_sink_when_both_are_there),
		STORY(a_run_goes_on),
		STORY(functions_in_a_row_are_one_part),
		STORY(a_part_runs_where_most_of_its_inputs_lie),
		STORY(few_bytes_do_not_matter),
		STORY(no_part_waits_for_who_is_near),
		STORY(nor_for_one_that_is_claimed),
		STORY(nor_for_one_that_is_busy),
		STORY(a_dag_runs_where_its_functions_are),
		STORY(at_rr_it_is_one_part_where_it_can_be),
		STORY(at_rr_parts_go_in_turn),
		STORY(a_cut_is_given_back_or_lost),
		STORY(what_a_dead_attempt_has_read_is_forgotten),
		STORY(what_is_quick_or_alone_is_not_divided),
		STORY(what_would_take_turns_is_not_divided),
		STORY(an_error_stops_what_runs_and_is_told_when_it_has),
		STORY(a_cancelled_run_leaves_nothing),
		STORY(a_dead_callers_run_ends_without_an_answer),
		STORY(a_run_keeps_the_functions_it_began_with),
		STORY(a_run_that_has_not_begun_takes_the_newer_functions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
