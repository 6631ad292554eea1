/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   holds that wait go back once each, in order, at most eight of one holder at a time; those
 *         of a dead producer go nowhere; when there is no room more, that is said.
 * Method: stories, and one random run against a list of what is owed. */
#include <string.h>

#include "microburst/error.h"
#include "returns.h"
#include "rng.h"
#include "test_cmocka.h"

enum { MAX = 100, PROC = 7 };

static struct returns *r;

static int
setup(void **state)
{
	return returns_create(&r, MAX);
}

static int
teardown(void **state)
{
	returns_destroy(r);
	return 0;
}

static bool
add(uint16_t proc, uint32_t inc, uint32_t handle, uint16_t holder)
{
	struct payload_ref ref = { .proc = proc, .inc = inc, .handle = handle };

	return returns_add(r, &ref, holder);
}

/* Takes the next message to proc: handles first, first + 1 and so on. */
static void
next(uint16_t proc, uint16_t holder, uint32_t first, uint32_t cnt)
{
	struct desc d;

	assert_int_equal(returns_next(r, proc, &d), cnt);
	assert_int_equal(d.kind, DESC_RELEASE);
	assert_int_equal(d.a, holder);
	assert_int_equal(d.release.proc, proc);
	assert_int_equal(d.release.cnt, cnt);
	for (uint32_t i = 0; i < cnt; i++) {
		assert_int_equal(d.release.handle[i], first + i);
	}
	returns_sent(r, proc, &d);
}

static void
they_go_in_order_and_by_holder(void **state)
{
	struct desc d;

	assert_int_equal(returns_proc(r, 0), PROC_CNT_MAX);
	for (uint32_t i = 0; i < 10; i++) {
		assert_true(add(PROC, 1, i, 300));
	}
	assert_true(add(PROC, 1, 10, 0));
	assert_true(add(PROC + 1, 5, 99, 301));
	assert_int_equal(returns_proc(r, 0), PROC);
	assert_int_equal(returns_proc(r, PROC + 1), PROC + 1);
	assert_int_equal(returns_of(r, PROC), 11);
	assert_int_equal(returns_cnt(r), 12);
	/* What is not sent stays. */
	assert_int_equal(returns_next(r, PROC, &d), RETURNS_BATCH);
	next(PROC, 300, 0, RETURNS_BATCH);
	next(PROC, 300, 8, 2);
	next(PROC, 0, 10, 1);
	next(PROC + 1, 301, 99, 1);
	assert_int_equal(returns_next(r, PROC, &d), 0);
	assert_int_equal(returns_cnt(r), 0);
}

static void
the_dead_get_nothing(void **state)
{
	struct desc d;

	assert_true(add(PROC, 1, 1, 300));
	returns_drop(r, PROC);
	assert_int_equal(returns_next(r, PROC, &d), 0);
	assert_true(add(PROC, 1, 2, 300));
	assert_true(add(PROC, 2, 3, 300)); /* another process has its place */
	assert_int_equal(returns_next(r, PROC, &d), 1);
	assert_int_equal(d.release.inc, 2);
	next(PROC, 300, 3, 1);
	assert_int_equal(returns_cnt(r), 0);
}

static void
its_limit_is_said_and_nothing_leaks(void **state)
{
	for (uint32_t round = 0; round < 3; round++) {
		for (uint32_t i = 0; i < MAX; i++) {
			assert_true(add((uint16_t)(i % 5), 1, i, 0));
		}
		assert_false(add(PROC, 1, 0, 0));
		for (uint16_t p = 0; p < 5; p++) {
			returns_drop(r, p);
		}
		assert_int_equal(returns_cnt(r), 0);
	}
}

static void
random_ones_go_once(void **state)
{
	static uint8_t owed[20000];
	struct rng rng;
	uint32_t handle = 0, cnt = 0;

	rng_init(&rng, 1);
	memset(owed, 0, sizeof(owed));
	while (handle < sizeof(owed) || cnt > 0) {
		uint16_t proc = (uint16_t)rng_below(&rng, 4);
		struct desc d;

		if (handle < sizeof(owed) && rng_below(&rng, 4) != 0) {
			bool room = add(proc, 1, handle, (uint16_t)rng_below(&rng, 2));

			assert_int_equal(room, cnt < MAX);
			owed[handle] = room;
			cnt += room;
			handle++;
			continue;
		}
		for (uint32_t i = 0; i < returns_next(r, proc, &d); i++) {
			assert_int_equal(owed[d.release.handle[i]]--, 1);
			cnt--;
		}
		returns_sent(r, proc, &d);
		assert_int_equal(returns_cnt(r), cnt);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(they_go_in_order_and_by_holder),
		TEST(the_dead_get_nothing),
		TEST(its_limit_is_said_and_nothing_leaks),
		TEST(random_ones_go_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
