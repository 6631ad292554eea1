/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   a sleeper is always woken: no sleep lasts its whole second while something has come. A
 *         claim and a spin token have one holder. Scribbled hints cost time and nothing else.
 * Method: two processes, then two threads, that ring each other and always sleep; a lost wake is a
 *         sleep of WAIT_MAX_NS. Threads that fight for a claim and a token. Every word of the pages
 *         set to nonsense. Every interleaving of the same steps: tests/prop/rt. */
#include "hints.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "microburst/error.h"
#include "test_cmocka.h"
#include "timebase.h"

#if defined(__SANITIZE_THREAD__)
#define SLOW 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define SLOW 1
#endif
#endif

#ifdef SLOW
enum { ROUNDS = 5000, FIGHTS = 20000 };
#else
enum { ROUNDS = 100000, FIGHTS = 200000 };
#endif
enum { EXEC = 3, CPU = 5, FIGHTERS = 4 };

static struct hints *hints;

static int
setup(void **state)
{
	int fd;

	assert_int_equal(hints_create(&fd, &hints), 0);
	close(fd);
	return 0;
}

static int
teardown(void **state)
{
	hints_detach(hints);
	return 0;
}

/* ---------------------------------------------------------------- attaching */

static void
other_pages_are_refused(void **state)
{
	const int seals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
	struct hints *h = NULL;
	int fds[2];
	int fd;

	assert_int_equal(hints_attach(-1, &h), MB_ERR_INVALID);
	assert_int_equal(pipe(fds), 0);
	assert_int_equal(hints_attach(fds[0], &h), MB_ERR_INVALID);
	close(fds[0]);
	close(fds[1]);
	fd = memfd_create("test", MFD_ALLOW_SEALING);
	assert_int_equal(ftruncate(fd, sizeof(struct hints)), 0);
	assert_int_equal(hints_attach(fd, &h), MB_ERR_INVALID); /* could be truncated under us */
	assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK), 0);
	assert_int_equal(hints_attach(fd, &h), MB_ERR_INVALID);
	close(fd);
	fd = memfd_create("test", MFD_ALLOW_SEALING);
	assert_int_equal(ftruncate(fd, sizeof(struct hints) - 4096), 0);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, seals), 0);
	assert_int_equal(hints_attach(fd, &h), MB_ERR_INVALID);
	close(fd);
	assert_null(h);
}

static void
two_mappings_are_one_memory(void **state)
{
	struct hints *h, *other;
	int fd;

	assert_int_equal(hints_create(&fd, &h), 0);
	assert_int_equal(ftruncate(fd, 0), -1);
	assert_int_equal(hints_attach(fd, &other), 0);
	assert_ptr_not_equal(h, other);
	assert_true(claim_try(h, EXEC, 42));
	assert_false(claim_try(other, EXEC, 43));
	hints_detach(other);
	hints_detach(h);
	close(fd);
}

/* ---------------------------------------------------------------- sleeping */

/* Whether a sleep lasted its whole time. Not by the clock: the machine may halt who was woken. */
static bool
slept_through(struct bell *bell, uint64_t timeout_ns)
{
	errno = 0; /* the futex's */
	bell_sleep(bell, timeout_ns);
	return errno == ETIMEDOUT;
}

static void
a_sleep_ends_in_time(void **state)
{
	struct bell *bell = &hints->proc[0];
	uint64_t begin = timebase_now_ns(timebase_real());

	bell_arm(bell);
	assert_true(slept_through(bell, 5 * NS_PER_MS));
	assert_true(timebase_now_ns(timebase_real()) - begin >= 5 * NS_PER_MS);
	assert_int_equal(bell->waiting, 0); /* disarmed by itself */
	bell_arm(bell);
	assert_true(slept_through(bell, 0));
	/* Not armed, or rung since: no sleep at all. */
	assert_false(slept_through(bell, WAIT_MAX_NS));
	bell_arm(bell);
	assert_true(bell_ring(bell, 0));
	assert_false(slept_through(bell, WAIT_MAX_NS));
	bell_arm(bell);
	begin = timebase_now_ns(timebase_real());
	assert_true(slept_through(bell, UINT64_MAX)); /* W3 */
	assert_true(timebase_now_ns(timebase_real()) - begin >= WAIT_MAX_NS);
}

static void
one_ring_asks_for_one_wake(void **state)
{
	struct bell *bell = &hints->proc[0];

	assert_false(bell_ring(bell, 3)); /* nobody sleeps */
	bell_arm(bell);
	assert_true(bell_ring(bell, 70));
	assert_false(bell_ring(bell, 3));
	assert_int_equal(bell_take(bell, 0), 1 << 3);
	assert_int_equal(bell_take(bell, 1), 1 << 6);
	assert_int_equal(bell_take(bell, 0), 0);
	bell_keep(bell, 3);
	assert_int_equal(bell_take(bell, 0), 1 << 3);
	for (uint32_t bit = 0; bit < BELL_WORDS * 64; bit++) {
		bell_ring(bell, bit);
		assert_int_equal(bell_take(bell, bit / 64), UINT64_C(1) << (bit % 64));
	}
}

static uint32_t slept[2]; /* sleeps that did not return at once */

/* Rings the other side and sleeps until it rings back, ROUNDS times. The token is a counter that
 * only grows. Returns: how many sleeps lasted their whole time though the other side had rung. */
static uint32_t
rally(_Atomic uint64_t *tokens, uint32_t side)
{
	struct bell *mine = &hints->proc[side], *other = &hints->proc[1 - side];
	uint32_t lost = 0;

	for (uint64_t round = 1; round <= ROUNDS; round++) {
		if (side == 0) {
			atomic_store_explicit(&tokens[1], round, memory_order_release);
			if (bell_ring(other, side)) {
				bell_wake(other);
			}
		}
		for (;;) {
			uint64_t ns;
			bool through;

			bell_arm(mine);
			if (atomic_load_explicit(&tokens[side], memory_order_acquire) == round) {
				bell_disarm(mine);
				break;
			}
			ns = timebase_now_ns(timebase_real());
			through = slept_through(mine, WAIT_MAX_NS);
			ns = timebase_now_ns(timebase_real()) - ns;
			slept[side] += ns > NS_PER_US;
			lost += through &&
				atomic_load_explicit(&tokens[side], memory_order_acquire) == round;
		}
		if (side == 1) {
			atomic_store_explicit(&tokens[0], round, memory_order_release);
			if (bell_ring(other, side)) {
				bell_wake(other);
			}
		}
	}
	return lost;
}

/* The page behind the claims is free for the tokens. */
static _Atomic uint64_t *
tokens(void)
{
	return &hints->claim[0].v;
}

static void
no_wake_between_processes_is_lost(void **state)
{
	uint64_t start = timebase_now_ns(timebase_real());
	int status;
	pid_t pid;

	slept[0] = 0;
	pid = fork();
	if (pid == 0) {
		_exit(rally(tokens(), 1) != 0);
	}
	assert_int_equal(rally(tokens(), 0), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_true(slept[0] > ROUNDS / 100); /* a busy machine halts who is about to */
	printf("%d rounds, %u sleeps on one side, %.1f us a round\n", ROUNDS, slept[0],
	       (double)(timebase_now_ns(timebase_real()) - start) / ROUNDS / 1000);
}

static void *
rally_thread(void *arg)
{
	uint32_t *ret_lost = arg;

	*ret_lost = rally(tokens(), 1);
	return NULL;
}

static void
no_wake_between_threads_is_lost(void **state)
{
	uint32_t lost = 1;
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, NULL, rally_thread, &lost), 0);
	assert_int_equal(rally(tokens(), 0), 0);
	pthread_join(thread, NULL);
	assert_int_equal(lost, 0);
}

/* Who took down the flag and was killed before the call: nobody's ring wakes the sleeper, the call
 * that a death brings does (W4). */
static void
a_death_wakes_in_any_case(void **state)
{
	struct bell *bell = &hints->proc[0];
	uint64_t begin;
	int status;
	pid_t pid;

	bell_arm(bell);
	pid = fork();
	if (pid == 0) {
		bell_ring(bell, 1); /* and dies */
		kill(getpid(), SIGKILL);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_false(bell_ring(bell, 2)); /* the flag is down already */
	/* It had not slept yet: the flag tells it. */
	assert_false(slept_through(bell, WAIT_MAX_NS));

	bell_arm(bell);
	begin = timebase_now_ns(timebase_real());
	pid = fork();
	if (pid == 0) {
		struct timespec later = { .tv_nsec = 20 * NS_PER_MS };

		nanosleep(&later, NULL);
		bell_ring(bell, 1); /* says: wake him; nobody does */
		bell_ring(bell, 2);
		nanosleep(&later, NULL);
		bell_wake(bell); /* ctl */
		_exit(0);
	}
	assert_false(slept_through(bell, WAIT_MAX_NS));
	/* Not before the first ring; on a busy machine it may not have slept before that. */
	assert_true(timebase_now_ns(timebase_real()) - begin >= 20 * NS_PER_MS);
	assert_int_equal(waitpid(pid, &status, 0), pid);
}

static void *
sleep_thread(void *arg)
{
	*(bool *)arg = slept_through(&hints->proc[0], WAIT_MAX_NS);
	return NULL;
}

/* As the ring of a net tile's lcore and what the tile then waits for itself (W5). */
static void
one_wake_is_for_all_who_wait(void **state)
{
	struct bell *bell = &hints->proc[0];
	bool other = true;
	pthread_t thread;
	int status;
	pid_t pid;

	bell_arm(bell);
	pid = fork();
	if (pid == 0) {
		struct timespec later = { .tv_nsec = 50 * NS_PER_MS };

		nanosleep(&later, NULL);
		if (bell_ring(bell, 1)) {
			bell_wake(bell);
		}
		_exit(0);
	}
	assert_int_equal(pthread_create(&thread, NULL, sleep_thread, &other), 0);
	assert_false(slept_through(bell, WAIT_MAX_NS));
	pthread_join(thread, NULL);
	assert_false(other);
	assert_int_equal(waitpid(pid, &status, 0), pid);
}

/* ---------------------------------------------------------------- claims and tokens */

static void
a_claim_is_freed_by_its_holder(void **state)
{
	assert_false(claim_want(hints, EXEC)); /* free: nobody to wait for */
	assert_true(claim_try(hints, EXEC, 7));
	assert_false(claim_try(hints, EXEC, 7));
	assert_false(claim_try(hints, EXEC, 8));
	assert_false(claim_free(hints, EXEC, 8)); /* not his */
	assert_false(claim_try(hints, EXEC, 8));
	assert_false(claim_free(hints, EXEC, 7));
	assert_true(claim_try(hints, EXEC, 8));
	assert_true(claim_want(hints, EXEC));
	assert_true(claim_want(hints, EXEC));
	assert_false(claim_free(hints, EXEC, 7));
	assert_true(claim_free(hints, EXEC, 8)); /* sched waits */
	assert_false(claim_free(hints, EXEC, 8));
	assert_true(claim_try(hints, EXEC, 9));
	assert_false(claim_drop(hints, EXEC));
	assert_false(claim_drop(hints, EXEC));
	assert_true(claim_try(hints, EXEC, 9));
	assert_true(claim_want(hints, EXEC));
	assert_true(claim_drop(hints, EXEC));
	assert_true(claim_try(hints, EXEC, 9));
}

static void
a_token_is_given_back_by_its_holder(void **state)
{
	assert_true(spin_try(hints, CPU, 7));
	assert_true(spin_try(hints, CPU, 7)); /* he has it */
	assert_false(spin_try(hints, CPU, 8));
	assert_true(spin_try(hints, CPU + 1, 8));
	spin_release(hints, CPU, 8); /* not his */
	assert_false(spin_try(hints, CPU, 8));
	spin_release(hints, CPU, 7);
	assert_true(spin_try(hints, CPU, 8));
}

/* It is one token: with the bit and without it one holder's. */
static void
a_token_tells_that_its_holder_waits_for_any_cpu(void **state)
{
	assert_false(spin_any(hints, CPU));
	assert_true(spin_try(hints, CPU, 7 | SPIN_ANY));
	assert_true(spin_any(hints, CPU));
	assert_false(spin_any(hints, CPU + 1));
	assert_false(spin_try(hints, CPU, 8 | SPIN_ANY));
	assert_true(spin_try(hints, CPU, 7));
	assert_false(spin_any(hints, CPU));
	assert_true(spin_try(hints, CPU, 7 | SPIN_ANY));
	spin_release(hints, CPU, 8); /* not his */
	assert_true(spin_any(hints, CPU));
	spin_release(hints, CPU, 7);
	assert_false(spin_any(hints, CPU));
	assert_true(spin_try(hints, CPU, 8));
}

static uint64_t claims_held, tokens_held; /* plain: written by the holder alone */

static void *
fight(void *arg)
{
	uint64_t who = (uint64_t)(uintptr_t)arg, won = 0;

	for (uint32_t i = 0; i < FIGHTS; i++) {
		if (claim_try(hints, EXEC, who)) {
			claims_held++;
			won++;
			claim_free(hints, EXEC, who);
		}
	}
	return (void *)(uintptr_t)won;
}

static void *
fight_for_token(void *arg)
{
	uint64_t who = (uint64_t)(uintptr_t)arg, won = 0;

	for (uint32_t i = 0; i < FIGHTS; i++) {
		if (spin_try(hints, CPU, who)) {
			tokens_held++;
			won++;
			spin_release(hints, CPU, who);
		}
	}
	return (void *)(uintptr_t)won;
}

static uint64_t
fight_all(void *(*run)(void *))
{
	pthread_t thread[FIGHTERS];
	uint64_t won = 0;

	for (uintptr_t i = 0; i < FIGHTERS; i++) {
		assert_int_equal(pthread_create(&thread[i], NULL, run, (void *)(i + 1)), 0);
	}
	for (uint32_t i = 0; i < FIGHTERS; i++) {
		void *ret;

		pthread_join(thread[i], &ret);
		won += (uint64_t)(uintptr_t)ret;
	}
	return won;
}

static void
one_at_a_time_has_it(void **state)
{
	uint64_t won = fight_all(fight);

	assert_int_equal(won, claims_held);
	assert_int_equal(hints->claim[EXEC].v, 0);
	won = fight_all(fight_for_token);
	assert_int_equal(won, tokens_held);
	assert_int_equal(hints->spin[CPU].v, 0);
}

/* ---------------------------------------------------------------- scribbling */

static void
nonsense_costs_time_only(void **state)
{
	const int fills[] = { 0xff, 0x80, 0x01, 0x5a };

	for (uint32_t i = 0; i < ARRAY_CNT(fills); i++) {
		struct bell *bell = &hints->proc[PROC_CNT_MAX - 1];

		memset((void *)hints, fills[i], sizeof(*hints));
		/* Not 1, so it looks awake: a wake is not sent, a sleep does not begin. */
		assert_false(bell_ring(bell, 1));
		assert_false(slept_through(&hints->proc[0], WAIT_MAX_NS));
		bell_arm(bell);
		assert_true(bell_ring(bell, 1));
		assert_int_not_equal(bell_take(bell, 0), 0);
		/* Seems taken, by nobody: the executor, idle, drops it. */
		assert_false(claim_try(hints, EXEC, 7));
		assert_true(claim_want(hints, EXEC));
		assert_true(claim_drop(hints, EXEC));
		assert_true(claim_try(hints, EXEC, 7));
		assert_false(spin_try(hints, CPU, 7)); /* sleeps instead */
	}
	memset((void *)hints, 0, sizeof(*hints));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(other_pages_are_refused),
		cmocka_unit_test(two_mappings_are_one_memory),
		TEST(nonsense_costs_time_only),
		TEST(a_sleep_ends_in_time),
		TEST(one_ring_asks_for_one_wake),
		TEST(a_claim_is_freed_by_its_holder),
		TEST(a_token_is_given_back_by_its_holder),
		TEST(a_token_tells_that_its_holder_waits_for_any_cpu),
		TEST(one_at_a_time_has_it),
		TEST(a_death_wakes_in_any_case),
		TEST(one_wake_is_for_all_who_wait),
		TEST(no_wake_between_threads_is_lost),
		TEST(no_wake_between_processes_is_lost),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
