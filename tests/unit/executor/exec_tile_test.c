/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   calls are answered in order, however many come at once; results of every size arrive; an
 *         idle executor frees a claim that nobody works under, answers a ping, and sleeps;
 *         once between two calls.
 * Method: a real executor (fake_node); its claim and its counters in shared memory. */
#include "process_fixture.h"

#include <time.h>

static uint64_t
claim(void)
{
	return atomic_load(&node.hints->claim[PROC].v);
}

static void
pause_ms(long ms)
{
	struct timespec t = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };

	nanosleep(&t, NULL);
}

/* The next message of a port that is not about a call's log. */
static bool
next(struct channel *ch, struct desc *ret, int timeout_ms)
{
	for (int i = 0; i < timeout_ms * 10; i++) {
		struct timespec t = { .tv_nsec = 100000 };

		if (channel_recv(ch, ret) == 1 && ret->kind != DESC_LOG) {
			return true;
		}
		nanosleep(&t, NULL);
	}
	return false;
}

static void
a_claim_of_nobody_is_freed(void **state)
{
	struct desc d;

	call("fine");
	atomic_store(&node.hints->claim[PROC].v, UINT64_C(4711));
	for (int i = 0; i < 2000 && claim() != 0; i++) {
		pause_ms(1);
	}
	assert_int_equal(claim(), 0);
	assert_false(next(&x.sched, &d, 5)); /* nobody waited for it */
	atomic_store(&node.hints->claim[PROC].v, UINT64_C(4711) | CLAIM_WANTED);
	assert_true(next(&x.sched, &d, 2000));
	assert_int_equal(d.kind, DESC_FREED);
	assert_int_equal(d.a, PROC);
	assert_int_equal(claim(), 0);
}

static void
a_ping_is_answered(void **state)
{
	struct desc d = { .kind = DESC_PING, .call = 99 };

	assert_int_equal(channel_send(&x.ctl, &d), 0);
	assert_true(next(&x.ctl, &d, 1000));
	assert_int_equal(d.kind, DESC_PONG);
	assert_int_equal(d.call, 99);
}

static void
a_channel_full_of_calls_is_answered_in_order(void **state)
{
	struct desc d = { .kind = DESC_CALL, .a = id_of("fine"), .flags = DESC_F_INLINE };

	for (int turn = 0; turn < 20; turn++) {
		for (uint64_t i = 0; i < CHANNEL_DEPTH; i++) {
			d.call = call_id_make(PROC_DAEMON, 1, 1000 + i);
			assert_int_equal(channel_send(&x.sched, &d), 0);
		}
		for (uint64_t i = 0; i < CHANNEL_DEPTH; i++) {
			struct desc got;

			assert_true(next(&x.sched, &got, 2000));
			assert_int_equal(got.kind, DESC_REPLY);
			assert_int_equal(got.err, 0);
			assert_true(got.call == call_id_make(PROC_DAEMON, 1, 1000 + i));
		}
	}
	assert_int_equal(atomic_load(&region_run(&x.region)->finished), 20 * CHANNEL_DEPTH);
	assert_int_equal(atomic_load(&region_run(&x.region)->call), 0);
}

static void
results_of_every_size_arrive(void **state)
{
	static const int64_t len[] = { 0, 1, 40, 1000, 5000, 65536, 65537, 1 << 20, 7 << 20 };

	for (size_t i = 0; i < ARRAY_CNT(len); i++) {
		uint64_t args[3];
		struct value_writer w;

		value_list_begin(&w, args, sizeof(args), 1);
		value_list_add_i64(&w, len[i]);
		assert_int_equal(value_list_end(&w), sizeof(args));
		node_call(&node, &x, id_of("fill"), slice_of(args, sizeof(args)), CALL_MS, &reply);
		assert_int_equal(reply.err, 0);
		assert_int_equal(reply.value[0].len, len[i]);
		for (int64_t k = 0; k < len[i]; k += 997) {
			assert_int_equal(reply.value[0].p[k], 'x');
		}
	}
}

static double
cpu_seconds(pid_t pid)
{
	char path[64];
	unsigned long user = 0, sys = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	f = fopen(path, "r");
	assert_non_null(f);
	assert_int_equal(fscanf(f,
				"%*d (%*[^)]) %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu",
				&user, &sys),
			 2);
	fclose(f);
	return (double)(user + sys) / (double)sysconf(_SC_CLK_TCK);
}

static void
idle_costs_nothing(void **state)
{
	double before;

	call("fine");
	pause_ms(20);
	before = cpu_seconds(x.pid);
	pause_ms(1500);
	assert_true(cpu_seconds(x.pid) - before < 0.03);
	call("fine"); /* and it still hears */
	assert_int_equal(reply.err, 0);
}

/* How often it went to sleep. */
static long
sleeps(pid_t pid)
{
	char path[64], line[128];
	long cnt = -1;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	f = fopen(path, "r");
	assert_non_null(f);
	while (fgets(line, sizeof(line), f) != NULL) {
		sscanf(line, "voluntary_ctxt_switches: %ld", &cnt);
	}
	fclose(f);
	assert_true(cnt >= 0);
	return cnt;
}

/* Calls that are some milliseconds apart are a sleep each: no timer runs out between them. */
static void
a_call_is_one_sleep(void **state)
{
	enum { CALLS = 100, TRIES = 5 };

	for (int i = 0; i < TRIES; i++) {
		uint64_t began_ns = timebase_now_ns(timebase_real());
		long before = sleeps(x.pid);

		for (int k = 0; k < CALLS; k++) {
			call("fine");
			pause_ms(3);
		}
		if (timebase_now_ns(timebase_real()) - began_ns < CALLS * 5 * NS_PER_MS) {
			assert_in_range(sleeps(x.pid) - before, 0, CALLS * 3 / 2);
			return;
		} /* else the machine was busy, and the calls further apart */
	}
}

PROCESS_MAIN(TEST(a_claim_of_nobody_is_freed), TEST(a_ping_is_answered),
	     TEST(a_channel_full_of_calls_is_answered_in_order), TEST(results_of_every_size_arrive),
	     TEST(idle_costs_nothing), TEST(a_call_is_one_sleep))
