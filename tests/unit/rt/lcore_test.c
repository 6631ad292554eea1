/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   the loop runs, waits, spins, keeps house and ends as lcore.h says.
 * Method: real io_uring, real threads, no EAL. Tiles here are small machines that count what is
 *         done to them; peers are real processes, one of them hostile. */
#include "lcore.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <microburst/error.h>

#include "compiler.h"
#include "test_cmocka.h"
#include "test_death.h"
#include "test_lcore.h"

static struct runner one;

static int
fresh(void **state)
{
	one = (struct runner){ 0 };
	lcore_cfg_default(&one.cfg);
	return 0;
}

/* ---- life ------------------------------------------------------------------------------------ */

static void
run_without_tiles(void *arg)
{
	struct lcore *l;

	if (lcore_create(&one.cfg, &l) == MB_OK) {
		lcore_run(l);
	}
}

static void
half_a_token(void *arg)
{
	struct lcore *l;

	one.cfg.spin_release = (void (*)(void *))free;
	lcore_create(&one.cfg, &l);
}

static void
misuse_is_a_bug(void **state)
{
	char text[TEST_DEATH_TEXT_BYTES];

	assert_true(test_dies(run_without_tiles, NULL, text));
	assert_true(test_dies(half_a_token, NULL, text));
	lcore_destroy(NULL);
}

static void
a_cpu_that_is_not_there_is_an_error_and_tiles_still_stop(void **state)
{
	one.cfg.cpu = CPU_CNT_MAX - 1;
	runner_create(&one);
	assert_int_equal(lcore_run(one.lcore), MB_ERR_IO);
	assert_int_equal(one.counter.stop_cnt, 1);
	assert_int_equal(one.counter.poll_cnt, 0);
	lcore_destroy(one.lcore);
}

static void
a_tile_that_does_not_drain_is_cut_off(void **state)
{
	one.cfg.drain_ns = 30 * NS_PER_MS;
	runner_create(&one);
	one.counter.drain_after = UINT64_MAX;
	runner_start(&one);
	until_asleep(&one);
	assert_int_equal(runner_end(&one), MB_ERR_DEADLINE);
	assert_int_equal(one.counter.stop_cnt, 1);
}

static void
a_stop_before_the_run_ends_it(void **state)
{
	runner_create(&one);
	lcore_stop(one.lcore);
	lcore_stop(one.lcore);
	assert_int_equal(lcore_run(one.lcore), MB_OK);
	assert_int_equal(one.counter.stop_cnt, 1);
	assert_int_equal(one.counter.armed, one.counter.disarmed);
	lcore_destroy(one.lcore);
}

static struct lcore *signalled;

static void
draining_goes_on_until_every_tile_is_done(void **state)
{
	struct counter quick = { .next_ns = TILE_TIMER_NEVER };

	runner_create(&one);
	one.counter.drain_after = 5;
	one.counter.work_left = 1000000000; /* busy to the end: draining needs no sleep */
	lcore_tile_add(one.lcore, &counter_ops, &quick, NULL);
	runner_start(&one);
	until(&one.counter.poll_cnt, 10);
	assert_int_equal(runner_end(&one), MB_OK);
	assert_int_equal(one.counter.drain_cnt, 6);
	assert_int_equal(quick.drain_cnt, 1);
	assert_int_equal(quick.stop_cnt, 1);
}

/* Three tiles in a row. The first one asks the second one once, that the third one; the answer
 * goes back. What is asked of the third one alone, later, nobody waits for. Then the lcore is
 * stopped. */
struct row {
	char trace[16];
	uint32_t polled;
	bool asked[3], answered[3];
};

struct row_tile {
	struct row *row;
	uint32_t idx;
};

static int
row_poll(void *ctx, uint64_t now_ns)
{
	const struct row_tile *t = ctx;
	struct row *r = t->row;

	if (r->polled < sizeof(r->trace) - 1) {
		r->trace[r->polled++] = (char)('a' + t->idx);
	} else {
		lcore_stop(signalled);
	}
	if (r->answered[t->idx]) {
		r->answered[t->idx] = false;
		if (t->idx > 0) {
			r->answered[t->idx - 1] = true;
		}
		return 1;
	}
	if (!r->asked[t->idx]) {
		return 0;
	}
	r->asked[t->idx] = false;
	if (t->idx < 2) {
		r->asked[t->idx + 1] = true;
	} else if (r->polled < 5) { /* the second time nobody has asked */
		r->answered[1] = r->asked[2] = true;
	}
	return 1;
}

static void
an_answer_goes_the_way_back_in_the_same_pass(void **state)
{
	static const struct tile_ops ops = { .kind = TILE_KVS, .poll = row_poll };
	struct row row = { .asked = { true } };
	struct row_tile tile[3];

	assert_int_equal(lcore_create(&one.cfg, &one.lcore), MB_OK);
	signalled = one.lcore;
	for (uint32_t i = 0; i < 3; i++) {
		tile[i] = (struct row_tile){ &row, i };
		lcore_tile_add(one.lcore, &ops, &tile[i], NULL);
	}
	assert_int_equal(lcore_run(one.lcore), MB_OK);
	assert_memory_equal(row.trace, "abcbaabcabc", 11);
	lcore_destroy(one.lcore);
}

static void
on_signal(int sig)
{
	lcore_stop(signalled); /* NOLINT(bugprone-signal-handler): its contract says it may */
}

static void
a_signal_handler_may_stop_it(void **state)
{
	runner_create(&one);
	signalled = one.lcore;
	signal(SIGUSR1, on_signal);
	runner_start(&one);
	until_asleep(&one);
	kill(getpid(), SIGUSR1);
	pthread_join(one.thread, NULL);
	signal(SIGUSR1, SIG_DFL);
	assert_int_equal(one.result, MB_OK);
	lcore_destroy(one.lcore);
}

/* ---- waiting --------------------------------------------------------------------------------- */

static void
an_idle_lcore_wakes_once_a_second_and_uses_nothing(void **state)
{
	uint64_t naps, begin;

	runner_create(&one);
	runner_start(&one);
	until_asleep(&one);
	begin = now_ns();
	naps = metric(&one, METRIC_lcore_nap_begun);
	sleep_ns(3 * NS_PER_S);
	naps = metric(&one, METRIC_lcore_nap_begun) - naps;
	assert_true(naps >= 1); /* on a busy machine it wakes late */
	assert_true(naps <= 1 + (now_ns() - begin) / NS_PER_S);
	assert_int_equal(runner_end(&one), MB_OK);
	assert_true(one.cpu_ns < 300 * NS_PER_MS); /* 10 %, of which nearly all is the start */
	assert_true(one.counter.poll_cnt > 0);
	assert_int_equal(one.counter.armed, one.counter.disarmed);
}

static void
time_is_booked_where_it_went(void **state)
{
	uint64_t begin, began, end, busy, idle, asleep;

	one.cfg.spin_ns = 0;
	runner_create(&one);
	lcore_spin_longer(one.lcore, 20 * NS_PER_MS);
	lcore_spin_longer(one.lcore, NS_PER_MS); /* it is longer already */
	one.counter.work_left = 100000;
	begin = now_ns();
	runner_start(&one);
	until(&one.counter.poll_cnt, 1);
	began = now_ns(); /* a thread's start is not in it, nor what the machine does meanwhile */
	while (atomic_load(&one.counter.work_left) > 0) { /* long, under a sanitizer */
		sleep_ns(NS_PER_MS);
	}
	while (metric(&one, METRIC_lcore_time_asleep) < 50 * NS_PER_MS) {
		sleep_ns(NS_PER_MS);
	}
	end = now_ns();
	assert_int_equal(runner_join(&one), MB_OK);
	busy = metric(&one, METRIC_lcore_time_busy);
	idle = metric(&one, METRIC_lcore_time_idle);
	asleep = metric(&one, METRIC_lcore_time_asleep);
	assert_true(busy > 0);
	assert_true(idle >= 10 * NS_PER_MS);
	assert_true(asleep >= 50 * NS_PER_MS);
	assert_true(busy + idle + asleep <= now_ns() - begin);
	assert_true(busy + idle + asleep >= (end - began) / 2);
	assert_int_equal(metrics_get(lcore_tile_metrics(one.lcore, 0), METRIC_tile_poll_worked),
			 100000);
	lcore_destroy(one.lcore);
}

/* What a busy machine may hide, as it halts threads at any moment, is seen in one of some turns. */
static void
seen_in_a_turn(bool (*turn)(void))
{
	bool seen = false;

	for (int i = 0; i < 50 && !seen; i++) {
		fresh(NULL);
		seen = turn();
	}
	assert_true(seen);
}

/* ---- the spin token -------------------------------------------------------------------------- */

struct token {
	_Atomic uint64_t asked, held, released;
	bool free, any;
};

static bool
token_try(void *ctx)
{
	struct token *t = ctx;

	t->asked++;
	t->held += t->free;
	return t->free;
}

static void
token_release(void *ctx)
{
	struct token *t = ctx;

	t->released++;
}

static bool
token_any(void *ctx)
{
	const struct token *t = ctx;

	return t->any;
}

static void
spin_by(struct token *token)
{
	one.cfg.spin_try = token_try;
	one.cfg.spin_release = token_release;
	one.cfg.spin_any = token_any;
	one.cfg.spin_ctx = token;
}

/* It goes on polling for its budget, but gives the cpu away after each look: who spins there gets
 * nearly all of it. */
static void *
spin_there(void *ret_turns)
{
	uint64_t until = now_ns() + 100 * NS_PER_MS;
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET((size_t)one.cfg.cpu, &set);
	sched_setaffinity(0, sizeof(set), &set);
	while (now_ns() < until) {
		sched_yield();
		*(uint64_t *)ret_turns += 1;
	}
	return NULL;
}

static bool
without_the_token(void)
{
	struct token token = { .free = false };
	struct metrics_block metrics = { 0 }; /* read after the lcore is gone */
	uint64_t turns = 0;
	pthread_t spinner;
	bool seen;

	one.cfg.cpu = sched_getcpu();
	one.cfg.metrics = &metrics;
	one.cfg.spin_ns = 100 * NS_PER_MS;
	spin_by(&token);
	runner_create(&one);
	runner_start(&one);
	assert_int_equal(pthread_create(&spinner, NULL, spin_there, &turns), 0);
	pthread_join(spinner, NULL);
	sleep_ns(300 * NS_PER_MS);
	/* Pausing, the lcore would have had every other millisecond. */
	seen = turns > 1000 && one.counter.poll_cnt > 1000;
	assert_true(token.asked >= 1);
	assert_int_equal(runner_end(&one), MB_OK);
	assert_int_equal(metrics_get(&metrics, METRIC_lcore_spin_refused), token.asked);
	assert_int_equal(token.released, 0);
	return seen && metrics_get(&metrics, METRIC_lcore_time_asleep) > 100 * NS_PER_MS;
}

static void
without_the_token_it_yields(void **state)
{
	seen_in_a_turn(without_the_token);
}

static bool
with_the_token(void)
{
	bool seen;
	struct token token = { .free = true };

	one.cfg.spin_ns = 100 * NS_PER_MS; /* others may have the cpu for most of it */
	spin_by(&token);
	runner_create(&one);
	runner_start(&one);
	until_asleep(&one);
	seen = token.held == 1 && token.released == 1 && one.counter.poll_cnt > 100;
	assert_int_equal(runner_end(&one), MB_OK);
	assert_int_equal(token.held, token.released);
	return seen;
}

static void
the_token_is_held_to_spin_and_given_back_to_sleep(void **state)
{
	seen_in_a_turn(with_the_token);
}

/* Without the token it would yield after each look: for what is awaited it does not, at first. */
static bool
awaiting(void)
{
	struct token token = { .free = false };
	bool seen;

	one.cfg.spin_ns = 100 * NS_PER_MS;
	one.cfg.await_ns = 2 * NS_PER_MS;
	spin_by(&token);
	runner_create(&one);
	runner_start(&one);
	until_asleep(&one);
	seen = one.counter.await_cnt >= 1 &&
	       one.counter.await_cnt < one.counter.poll_cnt; /* then it did yield */
	assert_int_equal(runner_end(&one), MB_OK);
	return seen;
}

static void
what_is_awaited_is_looked_for_a_while(void **state)
{
	seen_in_a_turn(awaiting);
}

/* This program's, in place of the C library's. */
static _Thread_local uint64_t yield_cnt;

int
sched_yield(void)
{
	yield_cnt++;
	return (int)syscall(SYS_sched_yield);
}

/* Asks, and finds the answer ten looks later; had it given the cpu away before it looked again? */
struct asker {
	uint32_t poll_cnt;
	bool awaits;
	uint64_t yields_then;
	_Atomic uint64_t answered, yielded, given;
};

static int
asker_poll(void *ctx, uint64_t now_ns)
{
	struct asker *a = ctx;
	uint32_t turn = a->poll_cnt++ % 20;

	switch (turn) {
	case 0:
		a->awaits = true;
		a->yields_then = yield_cnt;
		return 1;
	case 1:
		a->given += yield_cnt > a->yields_then;
		return 0;
	case 10:
		a->awaits = false;
		a->yields_then = yield_cnt;
		return 1;
	case 11:
		a->yielded += yield_cnt > a->yields_then;
		a->answered++;
		return 0;
	default:
		return 0;
	}
}

static bool
asker_awaits(void *ctx)
{
	const struct asker *a = ctx;

	return a->awaits;
}

static const struct tile_ops asker_ops = { .kind = TILE_KVS,
					   .poll = asker_poll,
					   .awaits = asker_awaits };

static struct asker
asker_run(uint64_t await_ns)
{
	struct token token = { .free = false };
	struct asker asker = { 0 };

	one.cfg.spin_ns = 60 * NS_PER_S;
	one.cfg.await_ns = await_ns;
	spin_by(&token);
	assert_int_equal(lcore_create(&one.cfg, &one.lcore), MB_OK);
	lcore_tile_add(one.lcore, &asker_ops, &asker, NULL);
	runner_start(&one);
	until(&asker.answered, 100);
	assert_int_equal(runner_end(&one), MB_OK);
	return asker;
}

static void
who_shares_the_cpu_has_it_as_soon_as_the_awaited_is_there(void **state)
{
	struct asker asker = asker_run(60 * NS_PER_S);

	assert_int_equal(asker.yielded, asker.answered);
	assert_int_equal(asker.given, 0);
}

static void
who_is_awaited_on_this_cpu_has_it_at_once(void **state)
{
	struct asker asker = asker_run(0);

	assert_in_range(asker.given, asker.answered, asker.answered + 1);
}

static void
whom_this_cpu_is_needed_for_is_not_awaited(void **state)
{
	struct token token = { .free = false };

	one.cfg.spin_ns = 20 * NS_PER_MS;
	one.cfg.await_ns = 0;
	spin_by(&token);
	runner_create(&one);
	runner_start(&one);
	until_asleep(&one);
	assert_int_equal(one.counter.await_cnt, 0);
	assert_int_equal(runner_end(&one), MB_OK);
}

/* Works at every twentieth look, and counts how often the cpu was given away at the others. */
struct worker {
	uint32_t poll_cnt;
	bool far, awaits;
	uint64_t yields_then;
	_Atomic uint64_t looked, gave; /* once it has worked for a millisecond */
	uint64_t until_ns;
};

static int
worker_poll(void *ctx, uint64_t now_ns)
{
	struct worker *w = ctx;
	uint64_t gave = yield_cnt - w->yields_then;
	uint32_t turn = w->poll_cnt++ % 20;

	w->yields_then = yield_cnt;
	w->until_ns = w->until_ns == 0 ? now_ns + NS_PER_MS : w->until_ns;
	if (turn >= 2 && now_ns > w->until_ns) { /* the looks before were in vain */
		w->gave += gave;
		w->looked++;
	}
	return turn == 0;
}

static bool
worker_awaits(void *ctx)
{
	const struct worker *w = ctx;

	return w->awaits;
}

static bool
worker_far(void *ctx)
{
	const struct worker *w = ctx;

	return w->far;
}

static const struct tile_ops worker_ops = { .kind = TILE_KVS,
					    .poll = worker_poll,
					    .awaits = worker_awaits,
					    .far = worker_far };

static void
worker_run(struct worker *w, const struct tile_ops *beside, bool any)
{
	struct token token = { .free = false, .any = any };
	struct worker other = { 0 };

	one.cfg.spin_ns = 20 * NS_PER_MS;
	one.cfg.await_ns = 0;
	spin_by(&token);
	assert_int_equal(lcore_create(&one.cfg, &one.lcore), MB_OK);
	lcore_tile_add(one.lcore, &worker_ops, w, NULL);
	if (beside != NULL) {
		lcore_tile_add(one.lcore, beside, &other, NULL);
	}
	runner_start(&one);
	until(&w->looked, 100000);
	assert_int_equal(runner_end(&one), MB_OK);
}

/* It would yield after each look in vain: for those it does nothing for it does not. */
static void
who_works_for_other_cpus_keeps_its_own_for_a_turn(void **state)
{
	struct worker w = { .far = true };

	worker_run(&w, NULL, false);
	assert_true(w.gave > 0); /* they starve not */
	assert_true(w.gave < w.looked / 2);
}

static void
who_works_for_its_own_cpu_gives_it_away_at_each_look(void **state)
{
	struct worker near = { .far = false }, awaits = { .far = true, .awaits = true },
		      beside = { .far = true };
	struct tile_ops plain = worker_ops;

	worker_run(&near, NULL, false); /* a busy machine may have it sleep once */
	assert_true(near.gave > near.looked / 10 * 9);
	worker_run(&awaits, NULL, false);
	assert_true(awaits.gave > awaits.looked / 10 * 9);
	plain.far = NULL; /* a tile that says nothing of it, and works when the other does not */
	worker_run(&beside, &plain, false);
	assert_true(beside.gave > beside.looked / 10 * 8);
}

/* Whoever spins there has his word from another cpu: it may be there at any look. */
static void
who_works_for_other_cpus_gives_its_own_to_who_waits_for_them_too(void **state)
{
	struct worker w = { .far = true };

	worker_run(&w, NULL, true);
	assert_true(w.gave > w.looked / 10 * 9);
}

/* Works at its first look. */
struct once {
	_Atomic uint64_t looked;
	bool far;
};

static int
once_poll(void *ctx, uint64_t now_ns)
{
	struct once *o = ctx;

	return atomic_fetch_add(&o->looked, 1) == 0;
}

static bool
once_far(void *ctx)
{
	const struct once *o = ctx;

	return o->far;
}

static const struct tile_ops once_ops = { .kind = TILE_KVS, .poll = once_poll, .far = once_far };

/* Returns: for how long it was awake in vain before it slept. */
static uint64_t
once_run(struct once *o)
{
	uint64_t idle;

	one.cfg.spin_ns = 0;
	one.cfg.far_spin_ns = 20 * NS_PER_MS;
	assert_int_equal(lcore_create(&one.cfg, &one.lcore), MB_OK);
	lcore_tile_add(one.lcore, &once_ops, o, NULL);
	runner_start(&one);
	while (metric(&one, METRIC_lcore_time_asleep) < 50 * NS_PER_MS) {
		sleep_ns(NS_PER_MS);
	}
	idle = metric(&one, METRIC_lcore_time_idle);
	assert_int_equal(runner_end(&one), MB_OK);
	return idle;
}

/* Who sends from another cpu is not kept from it: waking for him costs both more than a spin. */
static void
who_worked_for_other_cpus_sleeps_later(void **state)
{
	struct once near = { .far = false }, far = { .far = true };

	once_run(&near);
	assert_true(near.looked < 20);
	assert_true(once_run(&far) >= 15 * NS_PER_MS);
}

/* ---- timers ---------------------------------------------------------------------------------- */

static bool
woken_in_time(void)
{
	uint64_t at, late_ns;

	runner_create(&one);
	at = now_ns() + 300 * NS_PER_MS; /* it sleeps before, on a busy machine too */
	lcore_timer_at(one.lcore, one.counter_tile, at + NS_PER_S);
	lcore_timer_at(one.lcore, one.counter_tile, at);
	runner_start(&one);
	while (one.counter.housekept_at_ns < at) {
		sleep_ns(NS_PER_MS);
	}
	late_ns = one.counter.housekept_at_ns - at;
	assert_true(metric(&one, METRIC_lcore_timer_woken) >= 1);
	assert_int_equal(runner_end(&one), MB_OK);
	return late_ns < 100 * NS_PER_MS; /* of itself it would wake 700 ms late */
}

static void
a_timer_wakes_a_sleeping_lcore_in_time(void **state)
{
	seen_in_a_turn(woken_in_time);
}

static bool
kept_house_in_time(void)
{
	uint64_t at, late_ns;

	runner_create(&one);
	at = now_ns() + 60 * NS_PER_MS;
	one.counter.next_ns = at;
	runner_start(&one);
	while (one.counter.housekept_at_ns < at) {
		sleep_ns(NS_PER_MS);
	}
	late_ns = one.counter.housekept_at_ns - at;
	assert_int_equal(runner_end(&one), MB_OK);
	return late_ns < 100 * NS_PER_MS;
}

static void
a_tile_that_answers_a_time_is_kept_house_for_then(void **state)
{
	seen_in_a_turn(kept_house_in_time);
}

static void
a_busy_lcore_keeps_house_once_a_period(void **state)
{
	uint64_t begin = now_ns(), ran_ns;

	runner_create(&one);
	one.counter.work_left = UINT64_MAX;
	runner_start(&one);
	sleep_ns(100 * NS_PER_MS);
	until(&one.counter.housekeeping_cnt, 20); /* of 1000 periods, on a shared machine */
	lcore_stop(one.lcore);
	one.counter.work_left = 0;
	pthread_join(one.thread, NULL);
	ran_ns = now_ns() - begin;
	assert_true(one.counter.housekeeping_cnt <= 100 + ran_ns / (100 * NS_PER_US));
	lcore_destroy(one.lcore);
}

/* ---- fds and peers --------------------------------------------------------------------------- */

static void
pipe_empty(void *ctx, int fd, int events_or_error)
{
	_Atomic uint64_t *got = ctx;
	char buf[64];
	ssize_t n;

	assert_true(events_or_error >= 0);
	while ((n = read(fd, buf, sizeof(buf))) > 0) {
		*got += (uint64_t)n;
	}
}

static void
a_watched_fd_wakes_and_calls_back(void **state)
{
	_Atomic uint64_t got = 0;
	int fd[2];

	assert_int_equal(pipe2(fd, O_NONBLOCK | O_CLOEXEC), 0);
	runner_create(&one);
	assert_int_equal(lcore_watch(one.lcore, fd[0], pipe_empty, &got), MB_OK);
	runner_start(&one);
	for (uint64_t i = 1; i <= 20; i++) {
		until_asleep(&one);
		assert_int_equal(write(fd[1], "x", 1), 1);
		until(&got, i);
	}
	assert_int_equal(runner_join(&one), MB_OK); /* a wake is counted behind its callback */
	assert_true(metric(&one, METRIC_lcore_event_woken) >= 20);
	lcore_destroy(one.lcore);
	close(fd[0]);
	close(fd[1]);
}

/* A peer is another process. This one rings; or first does what it can to make the lcore block. */
static void
peer_main(int fd, bool hostile)
{
	uint64_t n;

	if (hostile) {
		fcntl(fd, F_SETFL, 0); /* takes O_NONBLOCK from the lcore's descriptor too */
	}
	if (eventfd_write(fd, 1) != 0 || (hostile && read(fd, &n, sizeof(n)) != sizeof(n))) {
		_exit(1);
	}
	_exit(0);
}

static void
peer_rings(struct runner *r, int fd, bool hostile)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		peer_main(fd, hostile);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void
a_peer_wakes_it_and_cannot_block_it(void **state)
{
	uint64_t polls;
	int good, bad;

	runner_create(&one);
	assert_int_equal(lcore_peer_add(one.lcore, &good), MB_OK);
	assert_int_equal(lcore_peer_add(one.lcore, &bad), MB_OK);
	runner_start(&one);
	for (int i = 0; i < 5; i++) {
		until_asleep(&one);
		peer_rings(&one, bad, true);
		until_asleep(&one);
		polls = one.counter.poll_cnt;
		peer_rings(&one, good, false);
		until(&one.counter.poll_cnt, polls + 1);
	}
	assert_int_equal(runner_end(&one), MB_OK);
	assert_int_equal(fcntl(good, F_GETFD), -1); /* the lcore's own, closed with it */
}

static void
removing_a_peer_closes_its_fd(void **state)
{
	int fd;

	runner_create(&one);
	assert_int_equal(lcore_peer_add(one.lcore, &fd), MB_OK);
	lcore_peer_remove(one.lcore, fd);
	assert_int_equal(fcntl(fd, F_GETFD), -1);
	lcore_destroy(one.lcore);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(misuse_is_a_bug, fresh),
		cmocka_unit_test_setup(a_cpu_that_is_not_there_is_an_error_and_tiles_still_stop,
				       fresh),
		cmocka_unit_test_setup(a_tile_that_does_not_drain_is_cut_off, fresh),
		cmocka_unit_test_setup(a_stop_before_the_run_ends_it, fresh),
		cmocka_unit_test_setup(draining_goes_on_until_every_tile_is_done, fresh),
		cmocka_unit_test_setup(an_answer_goes_the_way_back_in_the_same_pass, fresh),
		cmocka_unit_test_setup(a_signal_handler_may_stop_it, fresh),
		cmocka_unit_test_setup(an_idle_lcore_wakes_once_a_second_and_uses_nothing, fresh),
		cmocka_unit_test_setup(time_is_booked_where_it_went, fresh),
		cmocka_unit_test_setup(without_the_token_it_yields, fresh),
		cmocka_unit_test_setup(the_token_is_held_to_spin_and_given_back_to_sleep, fresh),
		cmocka_unit_test_setup(what_is_awaited_is_looked_for_a_while, fresh),
		cmocka_unit_test_setup(who_is_awaited_on_this_cpu_has_it_at_once, fresh),
		cmocka_unit_test_setup(who_shares_the_cpu_has_it_as_soon_as_the_awaited_is_there,
				       fresh),
		cmocka_unit_test_setup(whom_this_cpu_is_needed_for_is_not_awaited, fresh),
		cmocka_unit_test_setup(who_works_for_other_cpus_keeps_its_own_for_a_turn, fresh),
		cmocka_unit_test_setup(who_works_for_its_own_cpu_gives_it_away_at_each_look, fresh),
		cmocka_unit_test_setup(
			who_works_for_other_cpus_gives_its_own_to_who_waits_for_them_too, fresh),
		cmocka_unit_test_setup(who_worked_for_other_cpus_sleeps_later, fresh),
		cmocka_unit_test_setup(a_timer_wakes_a_sleeping_lcore_in_time, fresh),
		cmocka_unit_test_setup(a_tile_that_answers_a_time_is_kept_house_for_then, fresh),
		cmocka_unit_test_setup(a_busy_lcore_keeps_house_once_a_period, fresh),
		cmocka_unit_test_setup(a_watched_fd_wakes_and_calls_back, fresh),
		cmocka_unit_test_setup(a_peer_wakes_it_and_cannot_block_it, fresh),
		cmocka_unit_test_setup(removing_a_peer_closes_its_fd, fresh),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
