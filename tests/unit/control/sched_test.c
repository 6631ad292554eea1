/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   sched keeps S1..S5 of sched.h: each call is answered once, is sent to one executor at a
 *         time, and a second time only if its first executor died without effect.
 * Method: the core alone. What it sends is gathered; time is a number. Each test is one story.
 *         (All of it at once, in random order, is tests/sim.)
 */
#include "sched_world.h"

/* --------------------------------------------------------------- what cannot be run */

static void
a_call_of_nothing_is_refused(void **state)
{
	struct world *w = *state;

	call(w, CLIENT, 1, 9, 0);
	sent_answer(w, CLIENT, 1, MB_ERR_NO_FUNCTION);
	quiet(w);
}

static void
a_call_in_anothers_name_is_refused(void **state)
{
	struct world *w = *state;
	struct desc d = { .kind = DESC_CALL, .a = FN, .call = id_of(CLIENT + 1, 1) };

	sched_on_proc(w->s, CLIENT, &d, w->now);
	assert_int_equal(sent(w, CLIENT, DESC_REPLY, 0)->err, MB_ERR_INVALID);
	quiet(w);
}

static void
a_full_queue_is_busy(void **state)
{
	struct world *w = *state;

	for (uint64_t i = 0; i < QUEUE; i++) {
		call(w, CLIENT, i, FN, 0);
	}
	sent(w, 0, DESC_PIN_WANT, 0);
	call(w, CLIENT, QUEUE, FN, 0);
	sent_answer(w, CLIENT, QUEUE, MB_ERR_BUSY);
	assert_int_equal(sched_queued_fn(w->s, FN), QUEUE);
	sent_no_more(w);
}

static void
without_executors_ctl_is_asked_once_and_its_no_is_everybodys(void **state)
{
	struct world *w = *state;

	call(w, CLIENT, 1, FN, 0);
	call(w, CLIENT, 2, FN, 0);
	assert_int_equal(sent(w, 0, DESC_PIN_WANT, 0)->a, FN);
	sent_no_more(w);
	tell(w, DESC_PIN_FAILED, FN, 0);
	sent_answer(w, CLIENT, 1, MB_ERR_NO_EXECUTOR);
	sent_answer(w, CLIENT, 2, MB_ERR_NO_EXECUTOR);
	quiet(w);
	call(w, CLIENT, 3, FN, 0); /* and asked again by the next one */
	sent(w, 0, DESC_PIN_WANT, 0);
}

static void
a_deadline_that_passes_in_the_queue_is_told(void **state)
{
	struct world *w = *state;

	call(w, CLIENT, 1, FN, w->now + MS);
	sent(w, 0, DESC_PIN_WANT, 0);
	w->now += 2 * MS;
	up(w, EXEC, FN);
	sent_answer(w, CLIENT, 1, MB_ERR_DEADLINE);
	quiet(w);
	assert_int_equal(atomic_load(&w->hints->claim[EXEC].v), 0);
}

/* ------------------------------------------------------------- calls that go on */

/* The executor answers that client's call 1 goes on with what, its results being handle. */
static void
goes_on(struct world *w, uint16_t exec, uint64_t next, uint32_t handle)
{
	struct desc d = { .kind = DESC_REPLY,
			  .sub = REPLY_GOES_ON,
			  .a = exec,
			  .call = id_of(CLIENT, 1),
			  .b = next };

	d.ref = (struct payload_ref){ .inc = 1, .proc = exec, .handle = handle };
	sched_on_proc(w->s, exec, &d, w->now);
}

static void
sent_release(struct world *w, uint16_t exec, uint32_t handle)
{
	const struct desc *d = sent(w, exec, DESC_RELEASE, 0);

	assert_int_equal(d->a, PROC_DAEMON);
	assert_int_equal(d->release.handle[0], handle);
}

static void
a_call_goes_on_where_it_can(void **state)
{
	struct world *w = *state;
	const struct desc *d;

	up(w, EXEC, FN);
	up(w, EXEC + 1, OTHER);
	call(w, CLIENT, 1, FN, w->now + MS);
	sent(w, EXEC, DESC_CALL, id_of(CLIENT, 1));
	goes_on(w, EXEC, call_next_make(OTHER, false, 3), 5);
	d = sent(w, EXEC + 1, DESC_CALL, id_of(CLIENT, 1));
	assert_int_equal(d->a, OTHER);
	assert_int_equal(d->ref.handle, 5); /* where it lies */
	assert_int_equal(d->ref.proc, EXEC);
	assert_int_equal(d->err, 3);
	assert_true(d->b == w->now + MS);
	sent_no_more(w);
	reply(w, EXEC + 1, CLIENT, 1);
	sent_answer(w, CLIENT, 1, 0);
	sent_release(w, EXEC, 5);
	quiet(w);
}

/* Its executor is the only one, and others wait: it goes first. */
static void
what_goes_on_waits_before_others(void **state)
{
	struct world *w = *state;
	const uint16_t both[] = { FN, OTHER };

	up_with(w, EXEC, both, 2);
	call(w, CLIENT, 1, FN, 0);
	sent(w, EXEC, DESC_CALL, id_of(CLIENT, 1));
	call(w, CLIENT, 2, OTHER, 0);
	goes_on(w, EXEC, call_next_make(OTHER, false, 1), 5);
	sent(w, EXEC, DESC_CALL, id_of(CLIENT, 1));
	reply(w, EXEC, CLIENT, 1);
	sent_answer(w, CLIENT, 1, 0);
	sent_release(w, EXEC, 5);
	sent(w, EXEC, DESC_CALL, id_of(CLIENT, 2));
	reply(w, EXEC, CLIENT, 2);
	sent_answer(w, CLIENT, 2, 0);
	quiet(w);
}

static void
what_cannot_go_on_is_answered(void **state)
{
	struct world *w = *state;

	up(w, EXEC, FN);
	call(w, CLIENT, 1, FN, 0);
	sent(w, EXEC, DESC_CALL, id_of(CLIENT, 1));
	goes_on(w, EXEC, call_next_make(9, false, 1), 5); /* there is no such function */
	sent_answer(w, CLIENT, 1, MB_ERR_NO_FUNCTION);
	sent_release(w, EXEC, 5);
	call(w, CLIENT, 1, FN, 0);
	sent(w, EXEC, DESC_CALL, id_of(CLIENT, 1));
	goes_on(w, EXEC, call_next_make(OTHER, false, 1), 6); /* nobody has it */
	assert_int_equal(sent(w, 0, DESC_PIN_WANT, 0)->a, OTHER);
	cancel(w, CLIENT, 1, 0);
	sent_answer(w, CLIENT, 1, MB_ERR_CANCELLED);
	sent_release(w, EXEC, 6);
	call(w, CLIENT, 1, FN, 0);
	sent(w, EXEC, DESC_CALL, id_of(CLIENT, 1));
	dies(w, CLIENT, 0);
	while (w->seen < w->out_cnt && w->out[w->seen].proc == 0) {
		w->seen++; /* ctl is told to stop it */
	}
	goes_on(w, EXEC, call_next_make(OTHER, false, 1), 7);
	sent_release(w, EXEC, 7);
	quiet(w);
}

/* A death of who runs it now is a death of that part alone. */
static void
what_goes_on_is_repeated_alone(void **state)
{
	struct world *w = *state;

	up(w, EXEC, FN);
	up(w, EXEC + 1, OTHER);
	up(w, EXEC + 2, OTHER);
	call(w, CLIENT, 1, FN, 0);
	sent(w, EXEC, DESC_CALL, id_of(CLIENT, 1));
	goes_on(w, EXEC, call_next_make(OTHER, false, 1), 5);
	for (uint32_t i = 0; i < 2; i++) {
		uint16_t exec = w->out[w->seen].proc;
		const struct desc *d = sent(w, exec, DESC_CALL, id_of(CLIENT, 1));

		assert_int_equal(d->a, OTHER);
		assert_int_equal(d->ref.handle, 5);
		dies(w, exec, 0);
	}
	/* What came before has happened, or may have. */
	assert_non_null(strstr((const char *)sent(w, CLIENT, DESC_REPLY, id_of(CLIENT, 1))->data,
			       "writes happened"));
	sent_release(w, EXEC, 5);
	quiet(w);
}

/* Its arguments are copied when who returned them dies, while it waits or when who runs it says
 * that it cannot read them; twice means that they are not there. */
static void
what_goes_on_outlives_who_returned_it(void **state)
{
	struct world *w = *state;
	struct desc unread = { .kind = DESC_REPLY,
			       .flags = DESC_F_INLINE,
			       .err = MB_ERR_PEER_DIED,
			       .call = id_of(CLIENT, 1) };

	for (uint32_t i = 0; i < 3; i++) { /* it waits; it runs; nobody knows of a death */
		up(w, EXEC, FN);
		if (i > 0) {
			up(w, EXEC + 1, OTHER);
		}
		call(w, CLIENT, 1, FN, 0);
		sent(w, EXEC, DESC_CALL, id_of(CLIENT, 1));
		w->now += MS;
		goes_on(w, EXEC, call_next_make(OTHER, false, 1), 5);
		if (i > 0) {
			assert_int_equal(sent(w, EXEC + 1, DESC_CALL, 0)->ref.proc, EXEC);
		} else {
			sent(w, 0, DESC_PIN_WANT, 0);
		}
		w->now += MS;
		if (i < 2) {
			dies(w, EXEC, 0);
			assert_int_equal(w->copies, 1);
		}
		if (i == 0) {
			up(w, EXEC + 1, OTHER);
		} else {
			sched_on_proc(w->s, EXEC + 1, &unread, w->now);
		}
		if (i == 2) {
			sent_release(w, EXEC, 5);
		}
		assert_int_equal(sent(w, EXEC + 1, DESC_CALL, 0)->ref.proc, PROC_DAEMON);
		w->now += MS;
		if (i < 2) {
			reply(w, EXEC + 1, CLIENT, 1);
			sent_answer(w, CLIENT, 1, 0);
		} else {
			sched_on_proc(w->s, EXEC + 1, &unread, w->now);
			sent(w, EXEC + 1, DESC_CALL, 0); /* sent in the step of the copy */
			sched_on_proc(w->s, EXEC + 1, &unread, w->now);
			sent_answer(w, CLIENT, 1, MB_ERR_EXECUTOR_DIED);
		}
		assert_int_equal(w->copies, 0);
		quiet(w);
		dies(w, EXEC + 1, 0);
	}
}

/* An executor that runs for long and listens to nobody gets its holds back when it does. */
static void
what_an_executor_does_not_take_goes_back_later(void **state)
{
	struct world *w = *state;
	struct desc d = { .kind = DESC_RELEASE, .release = { 1, EXEC, 2, { 5, 6 } } };
	const struct desc *got;

	up(w, EXEC, FN);
	call(w, CLIENT, 1, FN, 0);
	sent(w, EXEC, DESC_CALL, id_of(CLIENT, 1));
	goes_on(w, EXEC, call_next_make(OTHER, false, 1), 8); /* which nobody runs */
	sent(w, 0, DESC_PIN_WANT, 0);
	w->full = true;
	cancel(w, CLIENT, 1, 0);
	sched_on_proc(w->s, CLIENT + 1, &d, w->now); /* passed on */
	w->now += MS;
	sched_poll(w->s, w->now);
	w->full = false;
	assert_true(sched_timer(w->s) != SCHED_TIMER_NONE);
	w->now += SCHED_RETRY_NS;
	sched_poll(w->s, w->now);
	sent_release(w, EXEC, 8);
	got = sent(w, EXEC, DESC_RELEASE, 0);
	assert_int_equal(got->a, CLIENT + 1);
	assert_int_equal(got->release.cnt, 2);
	assert_int_equal(got->release.handle[1], 6);
	quiet(w);
	/* The dead want nothing. */
	w->full = true;
	sched_on_proc(w->s, CLIENT + 1, &d, w->now);
	dies(w, EXEC, 0);
	w->full = false;
	w->now += MS;
	sched_poll(w->s, w->now);
	quiet(w);
}

/* An executor that names somebody else's memory, or a client that says its arguments are ours. */
static void
nobody_gives_back_what_is_anothers(void **state)
{
	struct world *w = *state;
	struct desc d = { .kind = DESC_CALL,
			  .flags = CALL_F_KEPT,
			  .a = FN,
			  .call = id_of(CLIENT, 1) };

	up(w, EXEC, FN);
	d.ref = (struct payload_ref){ .inc = 1, .proc = EXEC + 5, .handle = 8 };
	sched_on_proc(w->s, CLIENT, &d, w->now);
	sent(w, EXEC, DESC_CALL, id_of(CLIENT, 1));
	d = (struct desc){ .kind = DESC_REPLY,
			   .sub = REPLY_GOES_ON,
			   .a = EXEC,
			   .call = id_of(CLIENT, 1),
			   .b = call_next_make(OTHER, false, 1) };
	d.ref = (struct payload_ref){ .inc = 1, .proc = EXEC + 5, .handle = 8 };
	sched_on_proc(w->s, EXEC, &d, w->now);
	/* Who reads what another holds for him would give it back there. */
	sent_answer(w, CLIENT, 1, MB_ERR_PEER_CORRUPT);
	quiet(w);
	call(w, CLIENT, 2, FN, 0);
	sent(w, EXEC, DESC_CALL, id_of(CLIENT, 2));
	d.sub = 0;
	d.call = id_of(CLIENT, 2);
	sched_on_proc(w->s, EXEC, &d, w->now);
	sent_answer(w, CLIENT, 2, MB_ERR_PEER_CORRUPT);
	quiet(w);
}

/* ------------------------------------------------------------------------ deaths */

static void
a_call_without_effect_runs_once_more_and_before_later_ones(void **state)
{
	struct world *w = *state;

	up(w, EXEC, FN);
	call(w, CLIENT, 1, FN, 0);
	call(w, CLIENT, 2, FN, 0);
	sent(w, EXEC, DESC_CALL, id_of(CLIENT, 1));
	dies(w, EXEC, id_of(CLIENT, 99));
	up(w, EXEC + 1, FN);
	assert_true((sent(w, EXEC + 1, DESC_CALL, id_of(CLIENT, 1))->sub & CALL_ATTEMPT_MASK) != 0);
	sent_no_more(w);
	dies(w, EXEC + 1, 0); /* and not a third time: S3 */
	assert_non_null(strstr((const char *)sent(w, CLIENT, DESC_REPLY, id_of(CLIENT, 1))->data,
			       "did not happen"));
	assert_int_equal(sched_queued(w->s), 1);
}

/* Time passes, and EXEC runs all of it, by whomever it is called. */
static void
only_exec_works(struct world *w, uint32_t windows)
{
	for (uint64_t i = 0; i < windows; i++) {
		w->now += SCHED_LOAD_NS;
		w->busy_ns[EXEC] += SCHED_LOAD_NS;
		call(w, CLIENT, 1000 + i, FN, 0);
		reply(w, w->out[w->out_cnt - 1].proc, CLIENT, 1000 + i);
		w->out_cnt = w->seen = 0;
	}
}

static void
a_busy_executor_gets_calls_only_when_all_are(void **state)
{
	struct world *w = *state;

	up(w, EXEC, FN);
	up(w, EXEC + 1, FN);
	only_exec_works(w, 20);
	for (uint64_t i = 1; i <= 20; i++) {
		call(w, CLIENT, i, FN, 0);
		sent(w, EXEC + 1, DESC_CALL, id_of(CLIENT, i));
		reply(w, EXEC + 1, CLIENT, i);
		w->seen = w->out_cnt;
	}
	call(w, CLIENT, 30, FN, 0);
	sent(w, EXEC + 1, DESC_CALL, id_of(CLIENT, 30));
	call(w, CLIENT, 31, FN, 0); /* nobody waits while somebody is free */
	sent(w, EXEC, DESC_CALL, id_of(CLIENT, 31));
	reply(w, EXEC + 1, CLIENT, 30);
	dies(w, EXEC, 0); /* its successor has done nothing yet */
	w->seen = w->out_cnt;
	w->busy_ns[EXEC] = 0;
	up(w, EXEC, FN);
	reply(w, EXEC + 1, CLIENT, 31);
	w->out_cnt = w->seen = 0;
	for (uint64_t i = 40; i < 80; i++) {
		call(w, CLIENT, i, FN, 0);
		w->seen += w->out[w->out_cnt - 1].proc == EXEC;
		reply(w, w->out[w->out_cnt - 1].proc, CLIENT, i);
		w->out_cnt = 0;
	}
	assert_true(w->seen > 0);
	w->seen = 0;
	quiet(w);
}

/* The longest sentence about a death: it is told whole. */
static void
a_death_is_told_whole(void **state)
{
	struct world *w = *state;
	struct desc d = { .kind = 0 };

	up(w, EXEC, FN);
	call(w, CLIENT, 1, FN, 0);
	sent(w, EXEC, DESC_CALL, id_of(CLIENT, 1));
	dies(w, EXEC, 0);
	up(w, EXEC + 1, FN);
	sent(w, EXEC + 1, DESC_CALL, id_of(CLIENT, 1));
	d.dead.proc = EXEC + 1;
	d.dead.inc = 1;
	d.dead.cause = DEATH_EXIT;
	d.dead.status = 255;
	sched_proc_down(w->s, &d, w->now);
	d = *sent(w, CLIENT, DESC_REPLY, id_of(CLIENT, 1));
	assert_int_equal(d.len, DESC_INLINE_BYTES);
	assert_memory_equal(d.data, "exit code 255; its writes did not happen", d.len);
}

static void
a_call_with_effects_does_not_run_again(void **state)
{
	struct world *w = *state;
	const struct desc *d;

	up(w, EXEC, FN);
	up(w, EXEC + 1, FN);
	call(w, CLIENT, 1, FN, 0);
	assert_true(w->out[0].proc == EXEC || w->out[0].proc == EXEC + 1);
	w->seen = 1;
	dies(w, w->out[0].proc, id_of(CLIENT, 1));
	d = sent(w, CLIENT, DESC_REPLY, id_of(CLIENT, 1));
	assert_int_equal(d->err, MB_ERR_EXECUTOR_DIED);
	assert_memory_equal(d->data, "signal 9; its writes happened", d->len);
	quiet(w);
}

static void
a_dead_clients_calls_are_dropped_and_its_results_given_back(void **state)
{
	struct world *w = *state;
	const struct desc *d;

	up(w, EXEC, FN);
	call(w, CLIENT, 1, FN, 0);
	call(w, CLIENT, 2, FN, 0);
	call(w, CLIENT + 1, 1, FN, 0);
	sent(w, EXEC, DESC_CALL, id_of(CLIENT, 1));
	dies(w, CLIENT, 0);
	sent(w, 0, DESC_EXEC_STOP, id_of(CLIENT, 1));
	assert_int_equal(sched_queued(w->s), 1);
	reply(w, EXEC, CLIENT, 1);
	d = sent(w, EXEC, DESC_RELEASE, 0);
	assert_int_equal(d->a, CLIENT);
	assert_int_equal(d->release.handle[0], 77);
	sent(w, EXEC, DESC_CALL, id_of(CLIENT + 1, 1));
	sent_no_more(w);
}

/* ------------------------------------------------------------- what stands in the way */

static void
an_executor_whose_port_is_full_is_tried_again(void **state)
{
	struct world *w = *state;

	up(w, EXEC, FN);
	w->full = true;
	call(w, CLIENT, 1, FN, 0);
	w->full = false;
	sent_no_more(w);
	assert_true(sched_timer(w->s) <= w->now + SCHED_RETRY_NS);
	w->now = sched_timer(w->s);
	sched_poll(w->s, w->now);
	sent(w, EXEC, DESC_CALL, id_of(CLIENT, 1));
	sent_no_more(w);
}

static void
a_claimed_executor_is_waited_for(void **state)
{
	struct world *w = *state;
	struct desc freed = { .kind = DESC_FREED, .a = EXEC };
	uint64_t who = 5 << 16 | CLIENT;

	up(w, EXEC, FN);
	assert_true(claim_try(w->hints, EXEC, who));
	call(w, CLIENT, 1, FN, 0);
	sent_no_more(w);
	assert_true(claim_free(w->hints, EXEC, who)); /* it was wanted */
	sched_on_proc(w->s, CLIENT, &freed, w->now);
	sent(w, EXEC, DESC_CALL, id_of(CLIENT, 1));
	assert_false(claim_try(w->hints, EXEC, who)); /* it is sched's now */
	reply(w, EXEC, CLIENT, 1);
	sent(w, CLIENT, DESC_REPLY, id_of(CLIENT, 1));
	assert_true(claim_try(w->hints, EXEC, who));
	quiet(w);
}

static void
a_claim_that_nobody_uses_is_dropped(void **state)
{
	struct world *w = *state;
	uint64_t end = w->now + SCHED_STUCK_NS + 2 * SCHED_RETRY_NS;

	up(w, EXEC, FN);
	assert_true(claim_try(w->hints, EXEC, 12345));
	w->idle = true;
	call(w, CLIENT, 1, FN, 0);
	while (w->out_cnt == 0 && w->now < end) {
		w->now = sched_timer(w->s);
		sched_poll(w->s, w->now);
	}
	assert_true(w->now > MS + SCHED_STUCK_NS); /* not before */
	sent(w, EXEC, DESC_CALL, id_of(CLIENT, 1));
}

/* That it was in the way once, long ago, says nothing of who has it now: his call may be on its way
 * there, and one behind it would wait for ever if that one waits for a message from it. */
static void
a_claim_is_not_dropped_for_one_of_long_ago(void **state)
{
	struct world *w = *state;
	struct desc freed = { .kind = DESC_FREED, .a = EXEC + 1 };

	up(w, EXEC, FN);
	up(w, EXEC + 1, FN);
	assert_true(claim_try(w->hints, EXEC, 12345));
	assert_true(claim_try(w->hints, EXEC + 1, 12345));
	call(w, CLIENT, 1, FN, 0);
	w->idle = true;
	assert_true(claim_free(w->hints, EXEC + 1, 12345));
	sched_on_proc(w->s, CLIENT, &freed, w->now);
	sent(w, EXEC + 1, DESC_CALL, id_of(CLIENT, 1));
	claim_free(w->hints, EXEC, 12345);
	assert_true(claim_try(w->hints, EXEC, 12345));
	w->now += 10 * SCHED_STUCK_NS;
	call(w, CLIENT, 2, FN, 0);
	for (uint32_t i = 0; i < 3; i++) {
		w->now = sched_timer(w->s);
		sched_poll(w->s, w->now);
	}
	sent_no_more(w);
	reply(w, EXEC + 1, CLIENT, 1);
	sent(w, CLIENT, DESC_REPLY, id_of(CLIENT, 1));
	sent(w, EXEC + 1, DESC_CALL, id_of(CLIENT, 2));
}

/* ---------------------------------------------------------------------- the usual */

static void
calls_wait_for_the_first_that_is_free_in_order(void **state)
{
	struct world *w = *state;

	call(w, CLIENT, 1, FN, 0);
	call(w, CLIENT, 2, FN, 0);
	call(w, CLIENT, 3, OTHER, 0);
	w->seen = w->out_cnt; /* ctl was asked */
	up(w, EXEC, FN);
	sent(w, EXEC, DESC_CALL, id_of(CLIENT, 1));
	up(w, EXEC + 1, OTHER);
	sent(w, EXEC + 1, DESC_CALL, id_of(CLIENT, 3));
	sent_no_more(w); /* S1 */
	reply(w, EXEC, CLIENT, 1);
	sent(w, CLIENT, DESC_REPLY, id_of(CLIENT, 1));
	sent(w, EXEC, DESC_CALL, id_of(CLIENT, 2));
	reply(w, EXEC, CLIENT, 1); /* said twice: S2 */
	sent_no_more(w);
	reply(w, EXEC, CLIENT, 2);
	reply(w, EXEC + 1, CLIENT, 3);
	sent(w, CLIENT, DESC_REPLY, id_of(CLIENT, 2));
	sent(w, CLIENT, DESC_REPLY, id_of(CLIENT, 3));
	quiet(w);
}

static void
a_cancelled_call_is_answered_or_stopped(void **state)
{
	struct world *w = *state;

	up(w, EXEC, FN);
	call(w, CLIENT, 1, FN, 0);
	call(w, CLIENT, 2, FN, 0);
	sent(w, EXEC, DESC_CALL, id_of(CLIENT, 1));
	cancel(w, CLIENT, 2, 0);
	sent_answer(w, CLIENT, 2, MB_ERR_CANCELLED);
	cancel(w, CLIENT, 1, 0);
	assert_int_equal(sent(w, 0, DESC_EXEC_STOP, id_of(CLIENT, 1))->a, EXEC);
	dies(w, EXEC, 0);
	sent_answer(w, CLIENT, 1, MB_ERR_EXECUTOR_DIED); /* it is not tried again */
	quiet(w);
}

static void
only_its_caller_cancels_a_call(void **state)
{
	struct world *w = *state;
	struct desc d = { .kind = DESC_CANCEL, .call = id_of(CLIENT, 1), .err = MB_ERR_CANCELLED };

	up(w, EXEC, FN);
	call(w, CLIENT, 1, FN, 0);
	sent(w, EXEC, DESC_CALL, id_of(CLIENT, 1));
	sched_on_proc(w->s, CLIENT + 1, &d, w->now);
	sent_no_more(w);
	cancel(w, CLIENT, 2, EXEC); /* a direct one, of which sched knows nothing */
	assert_int_equal(sent(w, 0, DESC_EXEC_STOP, id_of(CLIENT, 2))->a, EXEC);
}

static void
a_draining_executor_gets_no_more(void **state)
{
	struct world *w = *state;

	up(w, EXEC, FN);
	call(w, CLIENT, 1, FN, 0);
	sent(w, EXEC, DESC_CALL, id_of(CLIENT, 1));
	tell(w, DESC_EXEC_DRAIN, EXEC, 0);
	call(w, CLIENT, 2, FN, 0);
	w->seen = w->out_cnt; /* ctl was asked for another */
	reply(w, EXEC, CLIENT, 1);
	sent(w, CLIENT, DESC_REPLY, id_of(CLIENT, 1));
	assert_int_equal(sent(w, 0, DESC_EXEC_DRAIN, 0)->a, EXEC);
	sent_no_more(w);
	up(w, EXEC + 1, FN);
	sent(w, EXEC + 1, DESC_CALL, id_of(CLIENT, 2));
	tell(w, DESC_EXEC_DRAIN, EXEC, 0); /* one that runs nothing is done at once */
	sent(w, 0, DESC_EXEC_DRAIN, 0);
}

static void
a_new_version_takes_over_what_waits(void **state)
{
	struct world *w = *state;

	call(w, CLIENT, 1, FN, 0);
	sent(w, 0, DESC_PIN_WANT, 0);
	put_fn(w, FN + 2, "f");
	up(w, EXEC, FN + 2);
	tell(w, DESC_FN_DEL, FN, FN + 2);
	assert_int_equal(sent(w, EXEC, DESC_CALL, id_of(CLIENT, 1))->a, FN + 2);
	call(w, CLIENT, 2, OTHER, 0);
	sent(w, 0, DESC_PIN_WANT, 0);
	tell(w, DESC_FN_DEL, OTHER, 0);
	sent_answer(w, CLIENT, 2, MB_ERR_NO_FUNCTION);
	sent_no_more(w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		STORY(a_call_of_nothing_is_refused),
		STORY(a_call_in_anothers_name_is_refused),
		STORY(a_full_queue_is_busy),
		STORY(without_executors_ctl_is_asked_once_and_its_no_is_everybodys),
		STORY(a_call_goes_on_where_it_can),
		STORY(what_goes_on_waits_before_others),
		STORY(what_cannot_go_on_is_answered),
		STORY(what_goes_on_is_repeated_alone),
		STORY(what_goes_on_outlives_who_returned_it),
		STORY(what_an_executor_does_not_take_goes_back_later),
		STORY(nobody_gives_back_what_is_anothers),
		STORY(a_deadline_that_passes_in_the_queue_is_told),
		STORY(a_call_without_effect_runs_once_more_and_before_later_ones),
		STORY(a_death_is_told_whole),
		STORY(a_busy_executor_gets_calls_only_when_all_are),
		STORY(a_call_with_effects_does_not_run_again),
		STORY(a_dead_clients_calls_are_dropped_and_its_results_given_back),
		STORY(an_executor_whose_port_is_full_is_tried_again),
		STORY(a_claimed_executor_is_waited_for),
		STORY(a_claim_that_nobody_uses_is_dropped),
		STORY(a_claim_is_not_dropped_for_one_of_long_ago),
		STORY(calls_wait_for_the_first_that_is_free_in_order),
		STORY(a_cancelled_call_is_answered_or_stopped),
		STORY(only_its_caller_cancels_a_call),
		STORY(a_draining_executor_gets_no_more),
		STORY(a_new_version_takes_over_what_waits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
