/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   between two processes at full speed every element arrives once, in order; and whenever
 *         one of them is killed, what it leaves is whole: the survivor reads all that was published
 *         and nothing else, and can use the port again.
 * Method: a child that sends and receives without end. Ten million elements; then a hundred
 *         children, each with a region of its own and SIGKILLed after a random time, while both
 *         directions run, or while it does one thing only, or with its queue full. */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "rng.h"
#include "test_cmocka.h"
#include "test_pair.h"
#include "test_seed.h"
#include "timebase.h"

enum { US = 0, CHILD = 1, KILLS = 100, SPIN = 2000 };

#if defined(__SANITIZE_ADDRESS__)
#define ELEMENTS 2000000
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ELEMENTS 2000000
#endif
#endif
#ifndef ELEMENTS
#define ELEMENTS 10000000
#endif

/* What a child does, and what we do meanwhile. */
enum work { SENDS = 1, RECEIVES = 2, BOTH = 3, FILLS = 4 };

static struct test_pair pair;

/* Waits as a process does: spins for a while, then sleeps on its bell. False: nothing came, though
 * the sleep lasted its whole time. */
static bool
wait_recv(struct channel *ch, struct bell *bell, struct desc *d)
{
	for (;;) {
		int n = 0;

		for (uint32_t i = 0; i < SPIN && n == 0; i++) {
			n = channel_recv(ch, d);
		}
		if (n == 0) {
			bell_arm(bell);
			n = channel_recv(ch, d);
			if (n == 0) {
				uint64_t slept = timebase_now_ns(timebase_real());

				bell_sleep(bell, WAIT_MAX_NS);
				if (timebase_now_ns(timebase_real()) - slept > WAIT_MAX_NS) {
					return channel_recv(ch, d) == 1;
				}
				continue;
			}
			bell_disarm(bell);
		}
		return n == 1;
	}
}

static void
wait_send(struct channel *ch, uint64_t seq)
{
	struct desc d = test_desc(seq);
	int err;

	while ((err = channel_send(ch, &d)) == MB_ERR_FULL) {
		sched_yield();
	}
	REQUIRE(err == 0, "send: %d", err);
}

/* ---------------------------------------------------------------- full speed */

static void
child_sends_all(void)
{
	for (uint64_t seq = 0; seq < ELEMENTS; seq++) {
		wait_send(&pair.end[CHILD], seq);
	}
}

static void
ten_million_elements_arrive_in_order(void **state)
{
	uint64_t start = timebase_now_ns(timebase_real());
	int status;
	pid_t pid;

	test_pair_open(&pair);
	pid = fork();
	if (pid == 0) {
		child_sends_all();
		_exit(0);
	}
	for (uint64_t seq = 0; seq < ELEMENTS; seq++) {
		struct desc d;

		if (!wait_recv(&pair.end[US], &pair.hints->proc[US], &d)) {
			fail_msg("nothing came for a second, after %llu", (unsigned long long)seq);
		}
		if (!test_desc_is(&d, seq)) {
			fail_msg("%llu came for %llu", (unsigned long long)d.call,
				 (unsigned long long)seq);
		}
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	printf("%d elements, %.0f ns each\n", ELEMENTS,
	       (double)(timebase_now_ns(timebase_real()) - start) / ELEMENTS);
	test_pair_close(&pair);
}

/* ---------------------------------------------------------------- sudden ends */

static void
child_works_for_ever(enum work work)
{
	struct channel *ch = &pair.end[CHILD];
	uint64_t sent = 0, received = 0;
	struct desc d;

	for (;;) {
		if ((work & (SENDS | FILLS)) != 0) {
			d = test_desc(sent);
			sent += channel_send(ch, &d) == 0;
		}
		if ((work & RECEIVES) != 0) {
			int n = channel_recv(ch, &d);

			REQUIRE(n >= 0);
			REQUIRE(n == 0 || test_desc_is(&d, received));
			received += (uint64_t)n;
		}
	}
}

/* Takes what there is. Returns how many. */
static uint64_t
drain(uint64_t received)
{
	uint64_t cnt = 0;
	struct desc d;
	int n;

	while ((n = channel_recv(&pair.end[US], &d)) == 1) {
		if (!test_desc_is(&d, received + cnt)) {
			fail_msg("not the next element, or not a whole one");
		}
		cnt++;
	}
	assert_int_equal(n, 0);
	return cnt;
}

/* One child, killed after ns. What is left is checked in every way there is. */
static void
one_killed(enum work work, uint64_t ns, uint64_t *sum)
{
	struct channel *ch = &pair.end[US];
	uint64_t end = timebase_now_ns(timebase_real()) + ns;
	uint64_t sent = 0, received = 0, tail, head;
	int status, n;
	pid_t pid;

	pid = fork();
	if (pid == 0) {
		child_works_for_ever(work);
	}
	while (timebase_now_ns(timebase_real()) < end) {
		struct desc d = test_desc(sent);

		if ((work & RECEIVES) != 0) {
			sent += channel_send(ch, &d) == 0;
		}
		if ((work & SENDS) != 0) {
			received += drain(received);
		}
	}
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);

	/* All that was published and nothing else. */
	tail = region_tx(&pair.view[CHILD], TEST_PAIR_PORT + CHILD)->v;
	received += drain(received);
	assert_int_equal(received, tail);
	/* How far it had read. */
	head = region_rx(&pair.view[CHILD], TEST_PAIR_PORT + CHILD)->v;
	assert_true(head <= sent);
	n = channel_space(ch, CHANNEL_DEPTH + 1);
	assert_int_equal(n, CHANNEL_DEPTH - (sent - head));
	for (uint64_t seq = sent > 200 ? sent - 200 : 0; seq < sent; seq++) {
		assert_int_equal(channel_taken(ch, seq), seq < head);
	}
	/* The survivor fills the queue and goes on. */
	for (struct desc d = test_desc(sent); n > 0; n--) {
		assert_int_equal(channel_send(ch, &d), 0);
	}
	channel_clear(ch);
	*sum += received + head;
}

static void
whoever_is_killed_leaves_whole_elements(void **state)
{
	const enum work works[] = { BOTH, SENDS, RECEIVES, FILLS };
	uint64_t sum = 0;
	struct rng rng;

	rng_init(&rng, test_seed("channel_process"));
	test_pair_open(&pair);
	for (uint32_t i = 0; i < KILLS; i++) {
		/* The next process with this index has a new region; our port is used again. */
		region_unmap(&pair.own[CHILD]);
		region_unmap(&pair.view[CHILD]);
		test_region(&pair.own[CHILD], &pair.view[CHILD], CHILD + 1);
		test_pair_join(&pair);
		one_killed(works[i % ARRAY_CNT(works)], rng_below(&rng, 4 * NS_PER_MS), &sum);
	}
	test_pair_close(&pair);
	assert_true(sum > 10 * KILLS);
	printf("%d kills, %llu elements\n", KILLS, (unsigned long long)sum);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ten_million_elements_arrive_in_order),
		cmocka_unit_test(whoever_is_killed_leaves_whole_elements),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
