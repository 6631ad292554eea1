/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   the search of weave_test.c finds what is wrong, and counts right.
 * Method: plans with one bug each, in a party's script, in the order of two accesses (planted at a
 *         WEAVE point), or in the machine; the search must end with a complaint. Then small plans
 *         are walked without remembering states, and the counts compared. */
#include <stdio.h>
#include <string.h>

#include "test_cmocka.h"
#include "weave.h"
#include "weave_scripts.h"

/* Nothing is looked at between the flag and the sleep. */
static void
receive_without_looking_again(void)
{
	while (pair.received[B] < ELEMENTS) {
		if (!pair_take(B)) {
			bell_arm(pair_bell(B));
			bell_sleep(pair_bell(B), WAIT_MAX_NS);
		}
	}
}

/* The flag goes up by a plain store. */
static void
receive_without_fence(void)
{
	while (pair.received[B] < ELEMENTS) {
		if (pair_take(B)) {
			continue;
		}
		atomic_store_explicit(&pair_bell(B)->waiting, 1, memory_order_relaxed);
		if (pair_take(B)) {
			bell_disarm(pair_bell(B));
			continue;
		}
		bell_sleep(pair_bell(B), WAIT_MAX_NS);
	}
}

static void
receive_clear_after(void)
{
	receive_by_bits_alone(true);
}

/* The dead side's last elements are forgotten at ctl's word. */
static void
receive_until_noticed(void)
{
	for (;;) {
		if (pair_take(B)) {
			continue;
		}
		bell_arm(pair_bell(B));
		if (pair_take(B)) {
			bell_disarm(pair_bell(B));
			continue;
		}
		if (atomic_load_explicit(&pair.notice, memory_order_acquire) != 0) {
			return;
		}
		bell_sleep(pair_bell(B), WAIT_MAX_NS);
	}
}

/* The bell is rung for what is not there yet. */
static void
send_ring_first(void)
{
	for (uint32_t i = 0; i < ELEMENTS; i++) {
		struct desc d = pair_element(A);

		if (bell_ring(pair_bell(B), 0)) {
			bell_wake(pair_bell(B));
		}
		channel_put(&pair.end[A], &d);
		atomic_store_explicit(&pair.end[A].tx_tail->v, pair.end[A].tail,
				      memory_order_release);
		pair.sent[A]++;
	}
}

/* ctl rings, but leaves the call to whoever took down the flag: he is the one who died. */
static void
ctl_notice_without_wake(void)
{
	uint32_t survivor;

	weave_until(somebody_died);
	survivor = weave_dead(A) ? B : A;
	atomic_store_explicit(&pair.notice, 1, memory_order_release);
	if (bell_ring(pair_bell(survivor), 1)) {
		bell_wake(pair_bell(survivor));
	}
}

static void
tail_before_slot(const char *name)
{
	if (strcmp(name, "channel_put: fill slot") == 0) {
		pair.end[A].tx_tail->v = pair.end[A].tail + 1;
		WEAVE("(published too early)");
	}
}

static void
head_before_copy(const char *name)
{
	if (strcmp(name, "channel_recv: copy slot") == 0) {
		pair.end[B].rx_head->v = pair.end[B].head + 1;
		WEAVE("(given back too early)");
	}
}

static const struct weave_plan planted[] = {
	{ .name = "tail is published before the slot is filled",
	  .party = { { "A", send_all }, { "B", receive_all } },
	  .reset = reset_empty,
	  .end = end_sent,
	  .point = tail_before_slot },
	{ .name = "head is given back before the slot is copied",
	  .party = { { "A", send_into_full }, { "B", receive_some } },
	  .reset = reset_nearly_full,
	  .end = end_full,
	  .point = head_before_copy },
	{ .name = "no look between flag and sleep",
	  .party = { { "A", send_all }, { "B", receive_without_looking_again } },
	  .reset = reset_empty,
	  .end = end_sent },
	{ .name = "the wake leaves the flag up",
	  .party = { { "A", send_all }, { "B", receive_all } },
	  .reset = reset_empty,
	  .end = end_sent,
	  .wake_keeps_flag = true },
	{ .name = "the bell is rung before the tail is published",
	  .party = { { "A", send_ring_first }, { "B", receive_all } },
	  .reset = reset_empty,
	  .end = end_sent },
	{ .name = "bits are cleared after draining",
	  .party = { { "A", send_all }, { "B", receive_clear_after } },
	  .reset = reset_empty,
	  .end = end_sent },
	{ .name = "a death is told without a wake",
	  .party = { { "A", send_two, true },
		     { "B", receive_to_the_end },
		     { "ctl", ctl_notice_without_wake } },
	  .reset = reset_empty,
	  .end = end_dead,
	  .death_max = 1 },
	{ .name = "a death is taken for the end of its messages",
	  .party = { { "A", send_two, true },
		     { "B", receive_until_noticed },
		     { "ctl", ctl_notice } },
	  .reset = reset_empty,
	  .end = end_dead,
	  .death_max = 1 },
};

/* Only a store that is delayed past a later load shows these: in order they are right. */
static const struct weave_plan planted_fences[] = {
	{ .name = "the producer has no fence between tail and flag",
	  .party = { { "A", send_all }, { "B", receive_all } },
	  .reset = reset_empty,
	  .end = end_sent,
	  .unlocked = true },
	{ .name = "the consumer has no fence between flag and tail",
	  .party = { { "A", send_all }, { "B", receive_without_fence } },
	  .reset = reset_empty,
	  .end = end_sent },
};

static void
must_be_found(const struct weave_plan *plan)
{
	static struct weave_result r;

	weave(plan, &r);
	if (r.wrong == NULL) {
		fail_msg("%s: not found", plan->name);
	}
	printf("planted: %-52s found: %s\n", plan->name, r.wrong);
}

static void
planted_bugs_are_found(void **state)
{
	for (uint32_t i = 0; i < ARRAY_CNT(planted); i++) {
		must_be_found(&planted[i]);
	}
}

static void
missing_fences_are_found_by_store_buffers_alone(void **state)
{
	for (uint32_t i = 0; i < ARRAY_CNT(planted_fences); i++) {
		struct weave_plan plan = planted_fences[i];
		static struct weave_result r;

		weave(&plan, &r);
		assert_null(r.wrong);
		plan.store_buffers = true;
		must_be_found(&plan);
	}
}

/* ---------------------------------------------------------------- counts */

static void
send_one(void)
{
	pair_send(A);
}

static void
receive_one(void)
{
	wait_one(B);
}

static const char *
end_one(void)
{
	return pair.received[B] == 1 ? NULL : "not received";
}

/* What the search skips as seen before, it counts as if it had gone there. */
static void
counting_agrees_with_walking(void **state)
{
	const struct weave_plan small[] = {
		{ .name = "one element",
		  .party = { { "A", send_one }, { "B", receive_one } },
		  .reset = reset_empty,
		  .end = end_one },
		{ .name = "one element, store buffers",
		  .party = { { "A", send_one }, { "B", receive_one } },
		  .reset = reset_empty,
		  .end = end_one,
		  .store_buffers = true },
		{ .name = "a full queue",
		  .party = { { "A", send_into_full }, { "B", receive_some } },
		  .reset = reset_nearly_full,
		  .end = end_full },
	};
	static struct weave_result counted, walked;

	for (uint32_t i = 0; i < ARRAY_CNT(small); i++) {
		struct weave_plan plan = small[i];

		weave(&plan, &counted);
		plan.every = true;
		weave(&plan, &walked);
		assert_null(counted.wrong);
		assert_null(walked.wrong);
		assert_true(walked.run_cnt == (uint64_t)counted.interleaving_cnt);
		assert_true(walked.interleaving_cnt == counted.interleaving_cnt);
		assert_int_equal(walked.step_max, counted.step_max);
		printf("%s: %llu interleavings, walked one by one and counted in %llu runs\n",
		       plan.name, (unsigned long long)walked.run_cnt,
		       (unsigned long long)counted.run_cnt);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(planted_bugs_are_found),
		cmocka_unit_test(missing_fences_are_found_by_store_buffers_alone),
		cmocka_unit_test(counting_agrees_with_walking),
	};

	setvbuf(stdout, NULL, _IOLBF, 0);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
