/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   no burst is under way while DPDK's interrupt thread goes its round, whoever of both comes
 *         first and however long a burst takes; both get their turns; while no port has a link the
 *         thread is not held, and nobody has a burst; who connects is begun again while in vain.
 * Method: a thread of ours in the place of DPDK's, which runs the alarms that the gate sets, and
 *         looks in its rounds whether there are bursts; ports whose links the test sets.
 */
#include <pthread.h>
#include <rte_alarm.h>
#include <rte_ethdev.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#undef container_of /* ours checks types */
#undef NS_PER_S     /* ours are unsigned */
#undef US_PER_S

#include "nic_gate.h"
#include "test_cmocka.h"
#include "timebase.h"

#define PORTS      2
#define ALARMS     4
#define ROUND_NS   (20 * NS_PER_US)
#define AGAIN_NS   (500 * NS_PER_MS) /* as nic_gate.c has it */
#define GIVE_UP_NS (60 * NS_PER_S)

static struct {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct {
		rte_eal_alarm_callback fn;
		void *arg;
	} alarm[ALARMS];
	bool runs, ends;
	uint32_t alarm_cnt; /* set, ever */
	pthread_t thread;
} eal = { .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER };

static _Atomic bool up[PORTS], there[PORTS]; /* whether a link is, or comes with a start */
static _Atomic uint32_t starts[PORTS];
static _Atomic uint64_t started_ns[PORTS];
static _Atomic uint32_t rounds, bursts, wrong;
static _Atomic bool in_round, in_burst[PORTS];
static struct nic_gate gate[PORTS];

static uint64_t
now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

static void
nap(uint64_t ns)
{
	struct timespec t = { .tv_sec = (time_t)(ns / NS_PER_S), .tv_nsec = (long)(ns % NS_PER_S) };

	nanosleep(&t, NULL);
}

/* ------------------------------------------------------------------------ in DPDK's place */

int __wrap_rte_eal_alarm_set(uint64_t us, rte_eal_alarm_callback fn, void *arg);
int __wrap_rte_eal_alarm_cancel(rte_eal_alarm_callback fn, void *arg);
int __wrap_rte_eth_link_get_nowait(uint16_t port, struct rte_eth_link *link);
int __wrap_rte_eth_dev_start(uint16_t port);
int __wrap_rte_eth_dev_stop(uint16_t port);

int
__wrap_rte_eal_alarm_set(uint64_t us, rte_eal_alarm_callback fn, void *arg)
{
	int i = 0;

	pthread_mutex_lock(&eal.lock);
	while (i < ALARMS && eal.alarm[i].fn != NULL) {
		i++;
	}
	if (i < ALARMS) {
		eal.alarm[i].fn = fn;
		eal.alarm[i].arg = arg;
		eal.alarm_cnt++;
	}
	pthread_cond_broadcast(&eal.changed);
	pthread_mutex_unlock(&eal.lock);
	return i < ALARMS ? 0 : -1;
}

/* It waits for a callback that runs, as DPDK's does. */
int
__wrap_rte_eal_alarm_cancel(rte_eal_alarm_callback fn, void *arg)
{
	int cnt = 0;

	pthread_mutex_lock(&eal.lock);
	do {
		while (eal.runs) {
			pthread_cond_wait(&eal.changed, &eal.lock);
		}
		for (int i = 0; i < ALARMS; i++) {
			if (eal.alarm[i].fn == fn && eal.alarm[i].arg == arg) {
				eal.alarm[i].fn = NULL;
				cnt++;
			}
		}
	} while (eal.runs);
	pthread_mutex_unlock(&eal.lock);
	return cnt;
}

int
__wrap_rte_eth_link_get_nowait(uint16_t port, struct rte_eth_link *link)
{
	link->link_status = up[port] ? 1 : 0;
	return 0;
}

int
__wrap_rte_eth_dev_stop(uint16_t port)
{
	wrong += !pthread_equal(pthread_self(), eal.thread);
	return 0;
}

int
__wrap_rte_eth_dev_start(uint16_t port)
{
	uint64_t now = now_ns();

	wrong += now - started_ns[port] < AGAIN_NS / 10 * 9; /* two clocks */
	started_ns[port] = now;
	starts[port]++;
	up[port] = there[port];
	return 0;
}

static bool
any_burst(void)
{
	bool any = false;

	for (int i = 0; i < PORTS; i++) {
		any |= atomic_load_explicit(&in_burst[i], memory_order_relaxed);
	}
	return any;
}

static void
go_round(void)
{
	atomic_store_explicit(&in_round, true, memory_order_relaxed);
	wrong += any_burst();
	nap(ROUND_NS);
	wrong += any_burst();
	atomic_store_explicit(&in_round, false, memory_order_relaxed);
	rounds++;
}

static void *
interrupt_thread(void *ctx)
{
	pthread_mutex_lock(&eal.lock);
	while (!eal.ends) {
		for (int i = 0; i < ALARMS; i++) {
			rte_eal_alarm_callback fn = eal.alarm[i].fn;

			if (fn == NULL) {
				continue;
			}
			eal.alarm[i].fn = NULL;
			eal.runs = true;
			pthread_mutex_unlock(&eal.lock);
			fn(eal.alarm[i].arg);
			pthread_mutex_lock(&eal.lock);
			eal.runs = false;
			pthread_cond_broadcast(&eal.changed);
		}
		pthread_mutex_unlock(&eal.lock);
		go_round();
		pthread_mutex_lock(&eal.lock);
	}
	pthread_mutex_unlock(&eal.lock);
	return NULL;
}

/* ------------------------------------------------------------------------ a port's owner */

static bool
burst(uint32_t p)
{
	if (!nic_gate_enter(&gate[p])) {
		return false;
	}
	atomic_store_explicit(&in_burst[p], true, memory_order_relaxed);
	wrong += atomic_load_explicit(&in_round, memory_order_relaxed);
	for (int i = 0; i < 100; i++) {
		cpu_pause();
	}
	wrong += atomic_load_explicit(&in_round, memory_order_relaxed);
	atomic_store_explicit(&in_burst[p], false, memory_order_relaxed);
	nic_gate_leave(&gate[p]);
	bursts++;
	return true;
}

static void
burst_soon(uint32_t p)
{
	uint64_t end = now_ns() + GIVE_UP_NS;

	while (!burst(p)) {
		assert_true(now_ns() < end);
		nap(10 * NS_PER_US);
	}
}

static void
rounds_come(uint32_t cnt)
{
	uint32_t from = rounds;
	uint64_t end = now_ns() + GIVE_UP_NS;

	while (rounds - from < cnt) {
		assert_true(now_ns() < end);
		nap(100 * NS_PER_US);
	}
}

static int
setup(void **state)
{
	for (int i = 0; i < PORTS; i++) {
		up[i] = there[i] = false;
		starts[i] = 0;
		started_ns[i] = now_ns();
	}
	eal.alarm_cnt = 0;
	rounds = bursts = wrong = 0;
	eal.ends = false;
	if (nic_gate_add(&gate[0], 0, false) != 0) {
		_exit(77); /* no membarrier */
	}
	return pthread_create(&eal.thread, NULL, interrupt_thread, NULL);
}

static int
teardown(void **state)
{
	nic_gate_remove(&gate[0]);
	assert_true(nic_gate_state.shut);
	pthread_mutex_lock(&eal.lock);
	for (int i = 0; i < ALARMS; i++) {
		assert_null(eal.alarm[i].fn);
	}
	eal.ends = true;
	pthread_mutex_unlock(&eal.lock);
	assert_int_equal(wrong, 0);
	return pthread_join(eal.thread, NULL);
}

/* ------------------------------------------------------------------------ tests */

static void
no_link_no_burst(void **state)
{
	for (int i = 0; i < 100; i++) {
		assert_false(burst(0));
	}
	rounds_come(3); /* the thread goes as it likes */
	assert_int_equal(eal.alarm_cnt, 0);
	assert_int_equal(starts[0], 0);
}

static void *
owner_of_1(void *ctx)
{
	uint64_t end = now_ns() + GIVE_UP_NS;

	while (rounds < 8 && now_ns() < end) {
		burst(1);
	}
	return NULL;
}

static void
bursts_and_rounds_take_turns(void **state)
{
	pthread_t other;
	uint64_t end = now_ns() + GIVE_UP_NS;

	up[0] = true;
	assert_int_equal(nic_gate_add(&gate[1], 1, false), 0);
	burst_soon(0); /* only one has a link: the gate is for both */
	burst_soon(1);
	rounds = bursts = 0;
	assert_int_equal(pthread_create(&other, NULL, owner_of_1, NULL), 0);
	while (rounds < 8 && now_ns() < end) {
		burst(0);
	}
	pthread_join(other, NULL);
	assert_true(rounds >= 8);
	assert_true(bursts > 1000);
	nic_gate_remove(&gate[1]);
	burst_soon(0);
}

static void
a_round_waits_for_a_burst(void **state)
{
	uint64_t end = now_ns() + GIVE_UP_NS;
	uint32_t before;

	up[0] = true;
	burst_soon(0);
	while (!nic_gate_enter(&gate[0])) {
	}
	before = rounds; /* none begins from here on */
	atomic_store(&in_burst[0], true);
	while (!nic_gate_state.shut) { /* it waits */
		assert_true(now_ns() < end);
		nap(NS_PER_MS);
	}
	nap(200 * NS_PER_MS); /* some turns of the thread's */
	assert_int_equal(rounds, before);
	assert_true(nic_gate_state.shut);
	atomic_store(&in_burst[0], false);
	nic_gate_leave(&gate[0]);
	rounds_come(2);
	burst_soon(0);
}

static void
a_link_that_goes_lets_the_thread_go(void **state)
{
	uint32_t set;

	up[0] = true;
	burst_soon(0);
	up[0] = false;
	while (burst(0)) {
	}
	rounds_come(20);
	set = eal.alarm_cnt;
	assert_false(burst(0));
	rounds_come(20);
	assert_int_equal(eal.alarm_cnt, set); /* no turns: it is not held */
	up[0] = true;
	burst_soon(0);
	rounds_come(2);
	burst_soon(0);
}

static void
who_connects_is_begun_again(void **state)
{
	uint64_t end = now_ns() + GIVE_UP_NS;

	started_ns[1] = now_ns();
	assert_int_equal(nic_gate_add(&gate[1], 1, true), 0);
	while (starts[1] < 2) { /* how far they are from each other is looked at there */
		assert_true(now_ns() < end);
		assert_false(burst(0));
		assert_false(burst(1));
		nap(NS_PER_MS);
	}
	assert_int_equal(starts[0], 0); /* it does not connect */
	there[1] = true;
	burst_soon(1);
	assert_int_equal(starts[1], 3);
	end = now_ns() + AGAIN_NS + AGAIN_NS / 2;
	while (now_ns() < end) {
		burst(1);
	}
	assert_int_equal(starts[1], 3);
	nic_gate_remove(&gate[1]);
}

/* Its removal cuts the thread's turn short, which has 50 ms. */
static void
the_last_one_does_not_wait(void **state)
{
	uint64_t least = UINT64_MAX;

	up[0] = true;
	for (int i = 0; i < 8; i++) {
		uint64_t from;

		burst_soon(0); /* the turn has just begun */
		from = now_ns();
		nic_gate_remove(&gate[0]);
		least = MIN(least, now_ns() - from);
		assert_int_equal(nic_gate_add(&gate[0], 0, false), 0);
	}
	assert_true(least < 20 * NS_PER_MS);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(no_link_no_burst, setup, teardown),
		cmocka_unit_test_setup_teardown(bursts_and_rounds_take_turns, setup, teardown),
		cmocka_unit_test_setup_teardown(a_round_waits_for_a_burst, setup, teardown),
		cmocka_unit_test_setup_teardown(a_link_that_goes_lets_the_thread_go, setup,
						teardown),
		cmocka_unit_test_setup_teardown(who_connects_is_begun_again, setup, teardown),
		cmocka_unit_test_setup_teardown(the_last_one_does_not_wait, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
