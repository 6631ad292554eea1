/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   an awake lcore is never rung, a sleeping one exactly once.
 * Method: the flag by hand; then four threads that ring at the same instant, many times. That no
 *         wake is lost between flag and sleep is lcore_test.c. */
#include "lcore_bell.h"

#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "test_cmocka.h"

#define RINGER_CNT 4
#define ROUND_CNT  2000

static struct lcore_bell bell;
static pthread_barrier_t barrier;

static uint64_t
taken(void)
{
	uint64_t n = 0;

	return read(bell.fd, &n, sizeof(n)) == sizeof(n) ? n : 0;
}

static void
an_awake_lcore_is_not_rung(void **state)
{
	lcore_bell_ring_if_waiting(&bell);
	assert_int_equal(taken(), 0);
}

static void
a_sleeping_one_is_rung_once_and_its_flag_taken_down(void **state)
{
	bell.waiting = 1;
	lcore_bell_ring_if_waiting(&bell);
	lcore_bell_ring_if_waiting(&bell);
	assert_int_equal(bell.waiting, 0);
	assert_int_equal(taken(), 1);
}

static void
ring_asks_nobody(void **state)
{
	lcore_bell_ring(&bell);
	lcore_bell_ring(&bell);
	assert_int_equal(taken(), 2);
}

static void *
ring_rounds(void *arg)
{
	for (int i = 0; i < ROUND_CNT; i++) {
		pthread_barrier_wait(&barrier);
		lcore_bell_ring_if_waiting(&bell);
		pthread_barrier_wait(&barrier);
	}
	return NULL;
}

static void
many_ringers_cost_one_write(void **state)
{
	pthread_t ringer[RINGER_CNT];

	assert_int_equal(pthread_barrier_init(&barrier, NULL, RINGER_CNT + 1), 0);
	for (int i = 0; i < RINGER_CNT; i++) {
		assert_int_equal(pthread_create(&ringer[i], NULL, ring_rounds, NULL), 0);
	}
	for (int i = 0; i < ROUND_CNT; i++) {
		atomic_store(&bell.waiting, 1);
		pthread_barrier_wait(&barrier);
		pthread_barrier_wait(&barrier);
		assert_int_equal(taken(), 1);
	}
	for (int i = 0; i < RINGER_CNT; i++) {
		pthread_join(ringer[i], NULL);
	}
	pthread_barrier_destroy(&barrier);
}

static int
fresh(void **state)
{
	bell.waiting = 0;
	bell.fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	return bell.fd < 0;
}

static int
done(void **state)
{
	return close(bell.fd);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(an_awake_lcore_is_not_rung, fresh, done),
		cmocka_unit_test_setup_teardown(a_sleeping_one_is_rung_once_and_its_flag_taken_down,
						fresh, done),
		cmocka_unit_test_setup_teardown(ring_asks_nobody, fresh, done),
		cmocka_unit_test_setup_teardown(many_ringers_cost_one_write, fresh, done),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
