/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   who waits has the cpu when that helps, and others have it when that does.
 * Method: the process under test alone (test_domain.h), with a thread beside it on its cpu. */
#include <pthread.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "test_cmocka.h"
#include "test_domain.h"
#include "timebase.h"

enum {
	PEERS = 4,
	CALL = DESC_CALL_FIRST,
};

static struct test_domain t;
static struct domain *const d = &t.d;

static int
setup(void **state)
{
	(void)state;
	if (t.hints == NULL) {
		test_domain_make(&t, PEERS);
	}
	test_domain_begin(&t);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	test_domain_end(&t);
	return 0;
}

/* This program's, in place of the C library's. */
static _Thread_local uint64_t yield_cnt, any_cnt; /* with the token's word that anybody may call */

/* A yield that takes so long, and as the kernel counts found nobody, or somebody. */
static uint64_t yield_ns;
static bool yield_finds;
static long switch_cnt = 5;

static uint64_t
now_ns(void)
{
	return timebase_now_ns(timebase_real());
}

int
sched_yield(void)
{
	yield_cnt++;
	if (yield_ns != 0) {
		for (uint64_t until = now_ns() + yield_ns; now_ns() < until;) {
		}
		switch_cnt += yield_finds;
		return 0;
	}
	any_cnt += spin_any(t.hints, (uint32_t)sched_getcpu());
	return (int)syscall(SYS_sched_yield);
}

int
getrusage(__rusage_who_t who, struct rusage *ret)
{
	if (yield_ns == 0) {
		return (int)syscall(SYS_getrusage, who, ret);
	}
	*ret = (struct rusage){ .ru_nivcsw = switch_cnt };
	return 0;
}

static void
say(uint32_t peer, uint8_t kind)
{
	struct desc m = { .kind = kind, .call = peer };

	assert_int_equal(channel_send(&t.peer[peer].end, &m), 0);
}

/* Until it spun for all of its budget: where the machine is busy, its time may be over before. */
static void
wait_in_vain(uint32_t vain)
{
	struct channel *ch;
	struct desc m;

	for (uint32_t i = 0; i < 1000 && d->spin_vain < vain; i++) {
		assert_int_equal(domain_wait(d, AWAIT_ANY, now_ns() + NS_PER_MS, &m, &ch), 0);
	}
	assert_int_equal(d->spin_vain, vain);
}

static void
who_spun_in_vain_does_without_it_for_some_waits(void **state)
{
	struct channel *ch;
	struct desc m;

	d->welcome.spin_ns = 20 * NS_PER_US;
	d->welcome.is_executor = true;
	wait_in_vain(2);
	assert_int_equal(d->spin_skip, 2);
	for (uint32_t left = 2; left > 0; left--) {
		assert_int_equal(d->spin_skip, left);
		assert_int_equal(domain_wait(d, AWAIT_ANY, 1, &m, &ch), 0);
		assert_false(d->spinning);
	}
	say(3, CALL);
	assert_int_equal(domain_wait(d, AWAIT_ANY, 0, &m, &ch), 1);
	assert_int_equal(d->spin_skip, 0);
}

static uint64_t
cpu_ns(void)
{
	struct timespec used;

	assert_int_equal(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used), 0);
	return (uint64_t)used.tv_sec * NS_PER_S + (uint64_t)used.tv_nsec;
}

/* Where the daemon has this cpu too; on one of its own it may spin. */
static void
who_has_answered_the_daemon_leaves_it_the_cpu(void **state)
{
	struct channel *ch;
	struct desc m;
	uint64_t from = cpu_ns();

	(void)state;
	d->welcome.spin_ns = NS_PER_S;
	d->welcome.is_executor = true;
	memset(d->welcome.cpu_daemon, 0xff, sizeof(d->welcome.cpu_daemon));
	assert_int_equal(domain_wait(d, AWAIT_DAEMON_NEXT, now_ns() + 50 * NS_PER_MS, &m, &ch), 0);
	assert_true(cpu_ns() - from < 10 * NS_PER_MS);
}

/* Somebody on the cpu of this thread: a guest, who gives it back, or not. */
static struct {
	_Atomic bool end, hog;
	_Atomic uint32_t turns;
} other;

static void *
other_runs(void *ctx)
{
	(void)ctx;
	while (!other.end) {
		other.turns++;
		if (!other.hog) {
			sched_yield();
		}
	}
	return NULL;
}

static void
stay_here(cpu_set_t *ret_were)
{
	cpu_set_t one;

	assert_int_equal(sched_getaffinity(0, sizeof(*ret_were), ret_were), 0);
	CPU_ZERO(&one);
	CPU_SET(sched_getcpu(), &one);
	assert_int_equal(sched_setaffinity(0, sizeof(one), &one), 0);
}

/* Starts the other one on this thread's cpu. */
static pthread_t
other_start(cpu_set_t *ret_were)
{
	pthread_t thread;

	stay_here(ret_were);
	other.hog = other.end = false;
	assert_int_equal(pthread_create(&thread, NULL, other_runs, NULL), 0);
	return thread;
}

static void
other_stop(pthread_t thread, const cpu_set_t *were)
{
	other.end = true;
	pthread_join(thread, NULL);
	sched_setaffinity(0, sizeof(*were), were);
}

/* The daemon, which looks and yields, has the next call soon: who slept would have to be woken. */
static void
who_has_answered_the_daemon_takes_turns_with_it(void **state)
{
	struct channel *ch;
	struct desc m;
	uint64_t most = 0;
	cpu_set_t were;
	pthread_t thread;

	(void)state;
	d->welcome.spin_ns = NS_PER_S;
	d->welcome.is_executor = true;
	memset(d->welcome.cpu_daemon, 0xff, sizeof(d->welcome.cpu_daemon));
	thread = other_start(&were);
	for (uint32_t i = 0; i < 2000 && most < 10; i++) {
		uint64_t from = yield_cnt;

		assert_int_equal(domain_wait(d, AWAIT_DAEMON_NEXT, now_ns() + NS_PER_MS, &m, &ch),
				 0);
		most = MAX(most, yield_cnt - from);
	}
	other_stop(thread, &were);
	assert_true(most >= 10);
}

/* An lcore that keeps this cpu for its turn has to be told. */
static void
who_yields_to_the_daemon_tells_it_whether_anybody_may_call(void **state)
{
	static const enum domain_await await[] = { AWAIT_DAEMON_NEXT, AWAIT_ANY,
						   AWAIT_DAEMON_NEXT };
	cpu_set_t were;

	(void)state;
	stay_here(&were);
	d->welcome.spin_ns = NS_PER_S;
	d->welcome.is_executor = true;
	memset(d->welcome.cpu_daemon, 0xff, sizeof(d->welcome.cpu_daemon));
	for (uint32_t i = 0; i < ARRAY_CNT(await); i++) {
		uint64_t yields = yield_cnt, any = any_cnt;
		struct channel *ch;
		struct desc m;

		assert_int_equal(domain_wait(d, await[i], now_ns() + 100 * NS_PER_MS, &m, &ch), 0);
		yields = yield_cnt - yields;
		any = any_cnt - any;
		assert_true(yields > 0);
		assert_int_equal(any, await[i] == AWAIT_ANY ? yields : 0);
		assert_false(spin_any(t.hints, d->spin_cpu)); /* who sleeps has to be woken */
	}
	sched_setaffinity(0, sizeof(were), &were);
}

/* Waits a millisecond at a time until the other has had enough turns in one of them. Returns:
 * whether he had; where the machine is busy, many waits have a third one on the cpu. */
static bool
wait_with_other(uint32_t enough)
{
	struct channel *ch;
	struct desc m;

	for (uint32_t i = 0; i < 2000; i++) {
		uint32_t from = other.turns;

		d->spin_skip = 0;
		assert_int_equal(domain_wait(d, AWAIT_ANY, now_ns() + NS_PER_MS, &m, &ch), 0);
		if (other.turns - from >= enough) {
			return true;
		}
	}
	return false;
}

/* A client from outside may be on this very machine, and on the cpu of the executor that is to run
 * what it sent. */
static void
an_executor_gives_its_cpu_to_a_guest_and_not_to_a_hog(void **state)
{
	cpu_set_t were;
	pthread_t thread;

	(void)state;
	d->welcome.spin_ns = NS_PER_S;
	d->welcome.is_executor = true;
	thread = other_start(&were);
	assert_true(wait_with_other(100));

	other.hog = true;
	for (uint32_t i = 0; i < 2000 && d->give_skip == 0; i++) {
		wait_with_other(0);
	}
	assert_true(d->give_skip > 0);
	other_stop(thread, &were);
}

/* Whether one of some waits of a millisecond yields so often. Where the machine is busy, a wait's
 * time may be over in one of its yields, or the executor think that who has the cpu keeps it. */
static bool
wait_yields(uint64_t least, uint64_t most)
{
	for (uint32_t i = 0; i < 2000; i++) {
		uint64_t from = yield_cnt;
		struct channel *ch;
		struct desc m;

		d->spin_skip = d->give_skip = d->give_vain = 0;
		assert_int_equal(domain_wait(d, AWAIT_ANY, now_ns() + NS_PER_MS, &m, &ch), 0);
		if (yield_cnt - from >= least && yield_cnt - from <= most) {
			return true;
		}
	}
	return false;
}

/* A yield takes as long as a quick guest's turn where somebody traces system calls. */
static void
a_yield_that_takes_long_is_no_guest(void **state)
{
	(void)state;
	d->welcome.spin_ns = NS_PER_S;
	d->welcome.is_executor = true;
	yield_ns = NS_PER_US;
	yield_finds = true;
	assert_true(wait_yields(20, UINT64_MAX));
	assert_true(d->guest);
	yield_finds = false;
	assert_true(wait_yields(1, 1));
	assert_false(d->guest);
	yield_ns = 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(who_spun_in_vain_does_without_it_for_some_waits),
		TEST(who_has_answered_the_daemon_leaves_it_the_cpu),
		TEST(who_has_answered_the_daemon_takes_turns_with_it),
		TEST(who_yields_to_the_daemon_tells_it_whether_anybody_may_call),
		TEST(an_executor_gives_its_cpu_to_a_guest_and_not_to_a_hog),
		TEST(a_yield_that_takes_long_is_no_guest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
