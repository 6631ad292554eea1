/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   a tile's operations are called when they are there, timers come once, time is booked.
 * Method: a tile that records its calls, and one that has nothing but poll. */
#include "tile.h"

#include <string.h>

#include "metrics.h"
#include "test_cmocka.h"
#include "test_death.h"
#include "timebase.h"

struct recorder {
	int work;
	uint64_t next_ns;
	int housekeeping_cnt, arm_up, arm_down, drain_cnt, stop_cnt;
	bool done;
	struct tile *tile;
	uint64_t wish_in_housekeeping;
};

static int
recorder_poll(void *ctx, uint64_t now_ns)
{
	struct recorder *r = ctx;

	return r->work;
}

static void
recorder_housekeeping(void *ctx, uint64_t now_ns)
{
	struct recorder *r = ctx;

	r->housekeeping_cnt++;
	if (r->wish_in_housekeeping != 0) {
		tile_timer_at(r->tile, r->wish_in_housekeeping);
	}
}

static void
recorder_arm(void *ctx, bool up)
{
	struct recorder *r = ctx;

	*(up ? &r->arm_up : &r->arm_down) += 1;
}

static uint64_t
recorder_next(void *ctx)
{
	struct recorder *r = ctx;

	return r->next_ns;
}

static bool
recorder_drain(void *ctx, uint64_t now_ns)
{
	struct recorder *r = ctx;

	r->drain_cnt++;
	return r->done;
}

static void
recorder_stop(void *ctx)
{
	struct recorder *r = ctx;

	r->stop_cnt++;
}

static const struct tile_ops full = {
	.kind = TILE_CACHE,
	.poll = recorder_poll,
	.housekeeping = recorder_housekeeping,
	.arm = recorder_arm,
	.next_timer_ns = recorder_next,
	.drain = recorder_drain,
	.stop = recorder_stop,
};
static const struct tile_ops bare = { .kind = TILE_KVS, .poll = recorder_poll };

static struct metrics_block metrics;
static struct recorder rec;
static struct tile tile;

static int
fresh(void **state)
{
	rec = (struct recorder){ .next_ns = TILE_TIMER_NEVER, .tile = &tile };
	metrics_init(&metrics, METRICS_OWNER_cache, 0);
	tile_init(&tile, &full, &rec, &metrics);
	return 0;
}

static void
init_without_poll(void *arg)
{
	static const struct tile_ops none = { .kind = TILE_KVS };

	tile_init(arg, &none, NULL, &metrics);
}

static void
a_tile_that_does_not_poll_is_a_bug(void **state)
{
	char text[TEST_DEATH_TEXT_BYTES];

	assert_true(test_dies(init_without_poll, &tile, text));
}

static void
a_bare_tile_is_never_due_and_always_drained(void **state)
{
	tile_init(&tile, &bare, &rec, &metrics);
	tile_housekeep(&tile, 1);
	tile_arm(&tile, true);
	assert_int_equal(tile.due_ns, TILE_TIMER_NEVER);
	assert_int_equal(tile_due_refresh(&tile), TILE_TIMER_NEVER);
	assert_true(tile_drain(&tile, 1));
	tile_stop(&tile);
}

static void
only_polls_with_work_are_busy_time(void **state)
{
	uint64_t tsc = timebase_tsc();
	uint64_t before = tsc;

	assert_int_equal(tile_poll(&tile, 1, &tsc), 0);
	assert_int_equal(tsc, before); /* no reading for nothing */
	assert_int_equal(metrics_get(&metrics, METRIC_tile_poll_run), 1);
	assert_int_equal(metrics_get(&metrics, METRIC_tile_time_busy), 0);
	rec.work = 7;
	tsc -= timebase_ns_to_tsc(5000); /* as if it had begun earlier */
	assert_int_equal(tile_poll(&tile, 1, &tsc), 7);
	assert_int_equal(metrics_get(&metrics, METRIC_tile_poll_run), 2);
	assert_int_equal(metrics_get(&metrics, METRIC_tile_poll_worked), 1);
	assert_true(metrics_get(&metrics, METRIC_tile_time_busy) >= 4990);
}

static void
the_earliest_wish_wins_until_it_is_fulfilled(void **state)
{
	tile_timer_at(&tile, 500);
	tile_timer_at(&tile, 300);
	tile_timer_at(&tile, 400);
	assert_int_equal(tile.due_ns, 300);
	rec.next_ns = 200; /* the tile itself asks for an earlier time */
	assert_int_equal(tile_due_refresh(&tile), 200);
	rec.next_ns = TILE_TIMER_NEVER;
	assert_int_equal(tile_due_refresh(&tile), 300);
	tile_housekeep(&tile, 299); /* for another reason: the wish stands */
	assert_int_equal(tile.due_ns, 300);
	tile_housekeep(&tile, 300);
	assert_int_equal(rec.housekeeping_cnt, 2);
	assert_int_equal(tile.due_ns, TILE_TIMER_NEVER);
}

static void
a_wish_made_in_housekeeping_is_for_the_next_time(void **state)
{
	tile_timer_at(&tile, 100);
	rec.wish_in_housekeeping = 900;
	tile_housekeep(&tile, 100);
	assert_int_equal(tile.due_ns, 900);
}

static void
arms_in_pairs_and_drains_until_done(void **state)
{
	tile_arm(&tile, true);
	tile_arm(&tile, false);
	assert_int_equal(rec.arm_up, 1);
	assert_int_equal(rec.arm_down, 1);
	assert_false(tile_drain(&tile, 1));
	rec.done = true;
	assert_true(tile_drain(&tile, 2));
	rec.done = false;
	assert_true(tile_drain(&tile, 3)); /* true stays true */
	assert_int_equal(rec.drain_cnt, 2);
	tile_stop(&tile);
	assert_int_equal(rec.stop_cnt, 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_tile_that_does_not_poll_is_a_bug, fresh),
		cmocka_unit_test_setup(a_bare_tile_is_never_due_and_always_drained, fresh),
		cmocka_unit_test_setup(only_polls_with_work_are_busy_time, fresh),
		cmocka_unit_test_setup(the_earliest_wish_wins_until_it_is_fulfilled, fresh),
		cmocka_unit_test_setup(a_wish_made_in_housekeeping_is_for_the_next_time, fresh),
		cmocka_unit_test_setup(arms_in_pairs_and_drains_until_done, fresh),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
