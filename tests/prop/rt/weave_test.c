/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   channels and waiting are right in every order in which two processes' steps can happen,
 *         with either of them dying between any two.
 * Method: the shipped channel.c and hints.c, run by the weaver (weaver.h): all interleavings of
 *         short scripts, under sequential consistency and with the store buffers of x86. That the
 *         search finds what is wrong is shown by weave_planted_test.c. */
#include <stdio.h>

#include "test_cmocka.h"
#include "weave_scripts.h"

enum { ROUNDS = 2 };

/* ---------------------------------------------------------------- scripts */

/* One alone, then two that are published together. */
static void
send_batch(void)
{
	pair_send(A);
	for (uint32_t i = 0; i < ELEMENTS - 1; i++) {
		struct desc d = pair_element(A);

		channel_put(&pair.end[A], &d);
		pair.sent[A]++;
	}
	channel_flush(&pair.end[A]);
}

/* As a tile does: the bits say which channels to drain; a burst of one leaves the rest for the next
 * turn; before sleeping everything is looked at. */
static void
receive_by_bits(void)
{
	while (pair.received[B] < ELEMENTS) {
		bool armed = false;

		if (bell_take(pair_bell(B), 0) == 0) {
			bell_arm(pair_bell(B));
			armed = true;
		}
		if (pair_take(B)) {
			bell_keep(pair_bell(B), 0);
		} else if (armed) {
			bell_sleep(pair_bell(B), WAIT_MAX_NS);
			continue;
		}
		if (armed) {
			bell_disarm(pair_bell(B));
		}
	}
}

static void
receive_clear_first(void)
{
	receive_by_bits_alone(false);
}

static void
ask(void)
{
	for (uint32_t i = 0; i < ROUNDS; i++) {
		pair_send(A);
		wait_one(A);
	}
}

static void
answer(void)
{
	for (uint32_t i = 0; i < ROUNDS; i++) {
		wait_one(B);
		pair_send(B);
	}
}

static void
ask_once(void)
{
	pair_send(A);
	wait_one(A);
}

static void
answer_once(void)
{
	if (wait_one(B)) {
		pair_send(B);
	}
}

/* ---------------------------------------------------------------- last states */

static const char *
end_asked(void)
{
	const char *wrong = pair_unread(A) != NULL ? pair_unread(A) : pair_unread(B);

	if (wrong == NULL && (pair.received[A] != ROUNDS || pair.received[B] != ROUNDS)) {
		wrong = "a round is missing";
	}
	return wrong;
}

static const char *
end_full_dead(void)
{
	while (weave_dead(A) && pair_take(B)) {
	}
	return end_halves();
}

/* ---------------------------------------------------------------- plans */

static const struct weave_plan plans[] = {
	{ .name = "send and receive, asleep between",
	  .party = { { "A", send_all }, { "B", receive_all } },
	  .reset = reset_empty,
	  .end = end_sent },
	{ .name = "send some together",
	  .party = { { "A", send_batch }, { "B", receive_all } },
	  .reset = reset_empty,
	  .end = end_sent },
	{ .name = "receive what the bell's bits say, a burst at a time",
	  .party = { { "A", send_all }, { "B", receive_by_bits } },
	  .reset = reset_empty,
	  .end = end_sent },
	{ .name = "receive what the bell's bits say, by nothing else",
	  .party = { { "A", send_all }, { "B", receive_clear_first } },
	  .reset = reset_empty,
	  .end = end_sent },
	{ .name = "send into a full queue",
	  .party = { { "A", send_into_full }, { "B", receive_some } },
	  .reset = reset_nearly_full,
	  .end = end_full },
	{ .name = "ask and answer, both asleep between",
	  .party = { { "A", ask }, { "B", answer } },
	  .reset = reset_empty,
	  .end = end_asked },
	{ .name = "send and receive, either dies",
	  .party = { { "A", send_two, true },
		     { "B", receive_to_the_end, true },
		     { "ctl", ctl_notice } },
	  .reset = reset_empty,
	  .end = end_dead,
	  .death_max = 1 },
	{ .name = "ask and answer, either dies",
	  .party = { { "A", ask_once, true }, { "B", answer_once, true }, { "ctl", ctl_notice } },
	  .reset = reset_empty,
	  .end = end_dead,
	  .death_max = 1 },
	{ .name = "send into a full queue, either dies",
	  .party = { { "A", send_into_full, true }, { "B", receive_some, true } },
	  .reset = reset_nearly_full,
	  .end = end_full_dead,
	  .death_max = 1 },
};

static void
report(const struct weave_plan *plan, const struct weave_result *r)
{
	printf("%-52s %-13s %9.3g interleavings of up to %u steps, %llu states\n", plan->name,
	       plan->store_buffers ? "store buffers" : "in order", r->interleaving_cnt, r->step_max,
	       (unsigned long long)r->state_cnt);
}

static void
every_order_is_right(void **state)
{
	static struct weave_result r;
	double sum = 0;

	for (uint32_t i = 0; i < ARRAY_CNT(plans); i++) {
		for (uint32_t buffers = 0; buffers < 2; buffers++) {
			struct weave_plan plan = plans[i];

			plan.store_buffers = buffers != 0;
			weave(&plan, &r);
			if (r.wrong != NULL) {
				fail_msg("%s: %s\n%s", plan.name, r.wrong, r.trace);
			}
			report(&plan, &r);
			sum += r.interleaving_cnt;
		}
	}
	printf("%.3g interleavings in all\n", sum);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_order_is_right),
	};

	setvbuf(stdout, NULL, _IOLBF, 0);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
