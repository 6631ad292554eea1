/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   a call with a request id keeps Q1..Q3 of sched_request.c: it runs once, everybody who
 *         asks is answered once and alike, and nothing is left.
 * Method: stories. The wall clock stands NOW_MS ahead of the time that steps are told. */
#include "sched_world.h"

#define NOW_MS UINT64_C(1700000000000)
#define TTL_MS 100

static int
setup_requests(void **state)
{
	struct world *w;

	setup(state);
	w = *state;
	sched_requests_set(w->s, NOW_MS * MS, w->now, TTL_MS * MS);
	w->now += 10 * MS;
	return 0;
}

static int
teardown_requests(void **state)
{
	struct world *w = *state;
	uint32_t kept;

	assert_int_equal(sched_requests(w->s, &kept), 0);
	if (kept != 0) {
		w->now += (TTL_MS + 1) * MS;
		sched_poll(w->s, w->now);
	}
	assert_int_equal(sched_requests(w->s, &kept), 0);
	assert_int_equal(kept, 0);
	assert_int_equal(w->copies, 0);
	return teardown(state);
}

/* An id made now. */
static uint64_t
id_now(const struct world *w, uint64_t random)
{
	return request_id_make(NOW_MS + w->now / MS, random);
}

static void
ask(struct world *w, uint16_t client, uint64_t seq, uint16_t fn, uint64_t id)
{
	struct desc d = { .kind = DESC_CALL,
			  .flags = DESC_F_INLINE | CALL_F_REQUEST,
			  .a = fn,
			  .call = id_of(client, seq) };

	d.word[4] = id;
	sched_on_proc(w->s, client, &d, w->now);
}

/* The call that runs for a request; sched's own. */
static uint64_t
sent_own(struct world *w, uint16_t exec)
{
	const struct desc *d = sent(w, exec, DESC_CALL, 0);

	assert_int_equal(call_id_proc(d->call), PROC_DAEMON);
	return d->call;
}

static void
own_returns(struct world *w, uint16_t exec, uint64_t call, int err, uint32_t len)
{
	struct desc d = { .kind = DESC_REPLY, .a = exec, .err = (int16_t)err, .call = call };

	if (len == 0) {
		d.flags = DESC_F_INLINE;
	} else {
		d.ref = (struct payload_ref){ .proc = exec, .inc = 1, .handle = 7, .len = len };
	}
	sched_on_proc(w->s, exec, &d, w->now);
}

static void
release_copy(struct world *w, uint16_t client, uint32_t handle)
{
	struct desc d = { .kind = DESC_RELEASE };

	d.release.proc = PROC_DAEMON;
	d.release.cnt = 1;
	d.release.handle[0] = handle;
	sched_on_proc(w->s, client, &d, w->now);
}

static void
an_id_runs_once_and_all_get_its_answer(void **state)
{
	struct world *w = *state;
	uint64_t id = id_now(w, 1), own;

	up(w, EXEC, FN);
	ask(w, CLIENT, 1, FN, id);
	own = sent_own(w, EXEC);
	ask(w, CLIENT + 1, 1, FN, id); /* joins */
	ask(w, CLIENT + 2, 1, 0, id);  /* only asks */
	sent_no_more(w);
	own_returns(w, EXEC, own, 0, 0);
	sent_answer(w, CLIENT + 2, 1, 0);
	sent_answer(w, CLIENT + 1, 1, 0);
	sent_answer(w, CLIENT, 1, 0);
	ask(w, CLIENT, 2, FN, id); /* kept */
	sent_answer(w, CLIENT, 2, 0);
	quiet(w);
}

static void
results_are_copied_and_each_reader_holds_one(void **state)
{
	struct world *w = *state;
	uint64_t id = id_now(w, 1), own;
	const struct desc *d;

	up(w, EXEC, FN);
	ask(w, CLIENT, 1, FN, id);
	own = sent_own(w, EXEC);
	own_returns(w, EXEC, own, 0, 500);
	d = sent(w, EXEC, DESC_RELEASE, 0); /* the executor's may go */
	assert_int_equal(d->release.handle[0], 7);
	assert_int_equal(d->a, PROC_DAEMON);
	d = sent(w, CLIENT, DESC_REPLY, id_of(CLIENT, 1));
	assert_int_equal(d->ref.proc, PROC_DAEMON);
	assert_int_equal(w->copies, 2);
	release_copy(w, CLIENT, d->ref.handle);
	assert_int_equal(w->copies, 1);
	quiet(w);
}

static void
what_is_too_large_to_keep_is_said_and_not_run_again(void **state)
{
	struct world *w = *state;
	uint64_t id = id_now(w, 1);

	up(w, EXEC, FN);
	ask(w, CLIENT, 1, FN, id);
	own_returns(w, EXEC, sent_own(w, EXEC), 0, 5000);
	sent(w, EXEC, DESC_RELEASE, 0);
	sent_answer(w, CLIENT, 1, MB_ERR_TOO_LARGE);
	ask(w, CLIENT, 2, FN, id);
	sent_answer(w, CLIENT, 2, MB_ERR_TOO_LARGE);
	quiet(w);
}

static void
who_leaves_does_not_end_the_call(void **state)
{
	struct world *w = *state;
	uint64_t id = id_now(w, 1), own;

	up(w, EXEC, FN);
	ask(w, CLIENT, 1, FN, id);
	ask(w, CLIENT + 1, 1, FN, id);
	own = sent_own(w, EXEC);
	cancel(w, CLIENT, 1, 0);
	sent_answer(w, CLIENT, 1, MB_ERR_CANCELLED);
	dies(w, CLIENT + 1, 0);
	sent_no_more(w);
	own_returns(w, EXEC, own, 0, 0);
	sent_no_more(w);
	ask(w, CLIENT, 2, 0, id);
	sent_answer(w, CLIENT, 2, 0);
	quiet(w);
}

static void
ask_until(struct world *w, uint16_t client, uint64_t seq, uint64_t id, uint64_t deadline_ns)
{
	struct desc d = { .kind = DESC_CALL,
			  .flags = DESC_F_INLINE | CALL_F_REQUEST,
			  .a = FN,
			  .b = deadline_ns,
			  .call = id_of(client, seq) };

	d.word[4] = id;
	sched_on_proc(w->s, client, &d, w->now);
}

/* The first one's deadline is the call's: where it runs it is stopped, and again until it has
 * ended; where it waits it ends. That of who joins is his. */
static void
a_deadline_stops_the_call(void **state)
{
	struct world *w = *state;
	uint64_t id = id_now(w, 1), own, until = w->now + 5 * MS;
	const struct desc *d;

	up(w, EXEC, FN);
	ask_until(w, CLIENT, 1, id, until);
	own = sent_own(w, EXEC);
	ask_until(w, CLIENT, 2, id_now(w, 2), until); /* waits */
	ask_until(w, CLIENT + 1, 1, id, w->now + 1);
	w->now = until - 1;
	sched_poll(w->s, w->now);
	sent_no_more(w);
	assert_true(sched_timer(w->s) <= until);
	for (int again = 0; again < 2; again++) {
		w->now = until + (uint64_t)again * 20 * MS;
		sched_poll(w->s, w->now);
		if (again == 0) {
			sent_answer(w, CLIENT, 2, MB_ERR_DEADLINE);
		}
		d = sent(w, 0, DESC_EXEC_STOP, own);
		assert_int_equal(d->a, EXEC);
		sent_no_more(w);
	}
	dies(w, EXEC, 0);
	sent_answer(w, CLIENT + 1, 1, MB_ERR_DEADLINE);
	sent_answer(w, CLIENT, 1, MB_ERR_DEADLINE);
	up(w, EXEC, FN);
	ask(w, CLIENT, 3, FN, id);
	sent_answer(w, CLIENT, 3, MB_ERR_DEADLINE);
	quiet(w);
}

/* Q1 */
static void
an_old_id_never_runs(void **state)
{
	struct world *w = *state;
	uint64_t id = id_now(w, 1);

	up(w, EXEC, FN);
	ask(w, CLIENT, 1, FN, request_id_make(NOW_MS, 5)); /* before the node began */
	sent_answer(w, CLIENT, 1, MB_ERR_ID_EXPIRED);
	ask(w, CLIENT, 1, FN, request_id_make(NOW_MS + 1000000, 5));
	sent_answer(w, CLIENT, 1, MB_ERR_INVALID);
	ask(w, CLIENT, 2, 0, id); /* nobody has begun it */
	sent_answer(w, CLIENT, 2, MB_ERR_NOT_FOUND);
	ask(w, CLIENT, 3, FN, id);
	own_returns(w, EXEC, sent_own(w, EXEC), 0, 0);
	sent_answer(w, CLIENT, 3, 0);
	w->now += (TTL_MS - 1) * MS;
	sched_poll(w->s, w->now);
	ask(w, CLIENT, 4, FN, id);
	sent_answer(w, CLIENT, 4, 0);
	w->now += MS;
	sched_poll(w->s, w->now);
	ask(w, CLIENT, 5, FN, id);
	sent_answer(w, CLIENT, 5, MB_ERR_ID_EXPIRED);
	quiet(w);
}

static void
arguments_that_are_too_large_are_refused(void **state)
{
	struct world *w = *state;
	struct desc d = { .kind = DESC_CALL, .flags = CALL_F_REQUEST, .a = FN };

	d.call = id_of(CLIENT, 1);
	d.ref = (struct payload_ref){ .proc = CLIENT, .inc = 1, .handle = 3, .len = 5000 };
	d.word[4] = id_now(w, 1);
	up(w, EXEC, FN);
	sched_on_proc(w->s, CLIENT, &d, w->now);
	sent_answer(w, CLIENT, 1, MB_ERR_TOO_LARGE);
	d.ref.len = 500; /* the id is still good */
	sched_on_proc(w->s, CLIENT, &d, w->now);
	assert_int_equal(w->copies, 1);
	own_returns(w, EXEC, sent_own(w, EXEC), 0, 0);
	sent_answer(w, CLIENT, 1, 0);
	assert_int_equal(w->copies, 0);
	quiet(w);
}

static void
another_functions_id_is_refused(void **state)
{
	struct world *w = *state;
	uint64_t id = id_now(w, 1), own;

	up(w, EXEC, FN);
	ask(w, CLIENT, 1, FN, id);
	own = sent_own(w, EXEC);
	ask(w, CLIENT, 2, OTHER, id);
	sent_answer(w, CLIENT, 2, MB_ERR_INVALID);
	own_returns(w, EXEC, own, MB_ERR_FUNCTION_FAILED, 0);
	sent_answer(w, CLIENT, 1, MB_ERR_FUNCTION_FAILED); /* an error is an answer */
	ask(w, CLIENT, 3, 9, id_now(w, 2));                /* as is that there is no such one */
	sent_answer(w, CLIENT, 3, MB_ERR_NO_FUNCTION);
	quiet(w);
}

static void
a_call_whose_executor_died_runs_once_more_for_all(void **state)
{
	struct world *w = *state;
	uint64_t id = id_now(w, 1), own;

	up(w, EXEC, FN);
	ask(w, CLIENT, 1, FN, id);
	own = sent_own(w, EXEC);
	dies(w, EXEC, 0);
	up(w, EXEC + 1, FN);
	assert_int_equal(sent_own(w, EXEC + 1), own);
	dies(w, EXEC + 1, own);
	sent_answer(w, CLIENT, 1, MB_ERR_EXECUTOR_DIED);
	ask(w, CLIENT, 2, FN, id);
	sent_answer(w, CLIENT, 2, MB_ERR_EXECUTOR_DIED);
	quiet(w);
}

/* Q3: the oldest kept one makes room, and its id is never run again. */
static void
kept_results_make_room(void **state)
{
	struct world *w = *state;
	uint64_t first = id_now(w, 1);

	up(w, EXEC, FN);
	for (uint64_t i = 1; i <= SCHED_REQUEST_MAX + 1; i++) {
		if (i == 2) {
			w->now += MS;
		}
		w->seen = w->out_cnt = 0;
		ask(w, CLIENT, i, FN, i == 1 ? first : id_now(w, i));
		own_returns(w, EXEC, sent_own(w, EXEC), 0, 0);
		sent_answer(w, CLIENT, i, 0);
	}
	ask(w, CLIENT, 9999, FN, first);
	sent_answer(w, CLIENT, 9999, MB_ERR_ID_EXPIRED);
	ask(w, CLIENT, 9999, FN, id_now(w, 2));
	sent_answer(w, CLIENT, 9999, 0);
	quiet(w);
}

static void
what_has_not_run_may_be_asked_again(void **state)
{
	struct world *w = *state;

	for (uint64_t i = 0; i < QUEUE; i++) {
		ask(w, CLIENT, i, FN, id_now(w, i));
	}
	sent(w, 0, DESC_PIN_WANT, 0);
	ask(w, CLIENT, 100, FN, id_now(w, 100)); /* the queue is full */
	sent_answer(w, CLIENT, 100, MB_ERR_BUSY);
	tell(w, DESC_PIN_FAILED, FN, 0);
	for (uint64_t i = 0; i < QUEUE; i++) {
		sent_answer(w, CLIENT, i, MB_ERR_NO_EXECUTOR);
	}
	up(w, EXEC, FN);
	ask(w, CLIENT, 101, FN, id_now(w, 100));
	own_returns(w, EXEC, sent_own(w, EXEC), 0, 0);
	sent_answer(w, CLIENT, 101, 0);
	quiet(w);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup_requests, teardown_requests)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(an_id_runs_once_and_all_get_its_answer),
		TEST(results_are_copied_and_each_reader_holds_one),
		TEST(what_is_too_large_to_keep_is_said_and_not_run_again),
		TEST(who_leaves_does_not_end_the_call),
		TEST(a_deadline_stops_the_call),
		TEST(an_old_id_never_runs),
		TEST(arguments_that_are_too_large_are_refused),
		TEST(another_functions_id_is_refused),
		TEST(a_call_whose_executor_died_runs_once_more_for_all),
		TEST(kept_results_make_room),
		TEST(what_has_not_run_may_be_asked_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
