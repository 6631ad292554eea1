/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   sched lends an executor's claim to whose quick call runs there, while nobody else's waits
 *         for it, and to nobody otherwise.
 * Method: as sched_test.c: the core alone, time a number.
 */
#include "sched_world.h"

static void
replies_after(struct world *w, uint64_t seq, uint64_t run_ns)
{
	struct desc d = { .kind = DESC_REPLY,
			  .flags = DESC_F_INLINE,
			  .a = EXEC,
			  .call = id_of(CLIENT, seq),
			  .b = call_time_make(run_ns, run_ns) };

	sched_on_proc(w->s, EXEC, &d, w->now);
	sent_answer(w, CLIENT, seq, 0);
}

static uint64_t
lent_to(uint16_t client)
{
	return call_caller(id_of(client, 1)) | CLAIM_LENT;
}

/* Only while a quick call of his runs, and nobody else waits for that executor. */
static void
a_claim_is_lent_to_whose_quick_call_runs(void **state)
{
	struct world *w = *state;

	up(w, EXEC, FN);
	for (uint64_t i = 1; i <= 4; i++) {
		call(w, CLIENT, i, FN, 0);
	}
	sent(w, EXEC, DESC_CALL, id_of(CLIENT, 1));
	assert_int_equal(claim_seen(w->hints, EXEC), 1); /* sched's: it is not known to be quick */
	replies_after(w, 1, 2000);
	sent(w, EXEC, DESC_CALL, id_of(CLIENT, 2));
	assert_true(claim_seen(w->hints, EXEC) == lent_to(CLIENT));
	replies_after(w, 2, 10 * MS);
	sent(w, EXEC, DESC_CALL, id_of(CLIENT, 3));
	assert_int_equal(claim_seen(w->hints, EXEC), 1); /* it is not any more */
	for (uint64_t i = 3; i < 40; i++) {
		call(w, CLIENT, i + 2, FN, 0);
		replies_after(w, i, 2000);
		sent(w, EXEC, DESC_CALL, id_of(CLIENT, i + 1));
	}
	assert_true(claim_seen(w->hints, EXEC) == lent_to(CLIENT));
	call(w, CLIENT + 1, 1, FN, 0);
	replies_after(w, 40, 2000);
	sent(w, EXEC, DESC_CALL, id_of(CLIENT, 41));
	assert_int_equal(claim_seen(w->hints, EXEC), 1); /* somebody else waits behind it */
	replies_after(w, 41, 2000);
	sent(w, EXEC, DESC_CALL, id_of(CLIENT + 1, 1));
	assert_true(claim_seen(w->hints, EXEC) == lent_to(CLIENT + 1));
	reply(w, EXEC, CLIENT + 1, 1);
	sent_answer(w, CLIENT + 1, 1, 0);
	assert_int_equal(claim_seen(w->hints, EXEC), 0);
	quiet(w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		STORY(a_claim_is_lent_to_whose_quick_call_runs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
