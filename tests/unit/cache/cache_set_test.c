/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   a write set that needs memory waits for those who have it all and will let go of it, and
 *         is refused where nobody will.
 * Method: a cache_world with a cache that one collection fills, a change of it that is under way as
 *         long as the test wants, and a reader. */
#include <endian.h>
#include <string.h>

#include "cache_world.h"
#include "lattice.h"
#include "microburst/error.h"
#include "test_cmocka.h"

#define WRITER 1
#define OTHER  2
#define CNT    52000 /* members, of which the cache is full */
#define VALUE  1024
#define OPS    500

static uint8_t mem[OPS * (VALUE + 64)], less[64];

/* Publishes a long set, of values that take little of the cache. */
static void
publish_long(struct world *w, uint64_t b)
{
	static const uint8_t value[VALUE];
	struct wset_op op = { .kind = WSET_PUT,
			      .key = slice_str("key"),
			      .value = slice_of(value, sizeof(value)) };
	struct wset ws;

	wset_init(&ws, mem, sizeof(mem));
	for (uint32_t i = 0; i < OPS; i++) {
		assert_int_equal(wset_add(&ws, &op), 0);
	}
	world_publish(w, WRITER, b, wset_bytes(&ws), b);
}

static int
over(struct world *w, uint16_t proc, uint64_t b)
{
	int err = world_answer(w, proc, DESC_PUBLISHED, b).err;

	for (uint32_t i = 0; i < WORLD_PAYLOAD_MAX; i++) {
		if (w->payload[i].proc == proc) {
			w->payload[i] = (struct world_payload){ 0 };
		}
	}
	return err;
}

/* Nothing goes to the store or comes from there. */
static void
stands_still(struct world *w, uint32_t ms)
{
	for (uint32_t i = 0; i < ms; i++) {
		timebase_virtual_advance(&w->time, NS_PER_MS);
		cache_core_poll(w->core);
	}
}

static struct world *
make(struct cache_value *held)
{
	struct world *w = world_make(&(struct world_cfg){ .heap_bytes = 2 << 20 });

	world_up(w, WRITER);
	world_up(w, OTHER);
	assert_int_equal(world_fill(w, slice_str("set"), LATTICE_ORSET, 0, CNT), 0);
	assert_int_equal(world_get(w, OTHER, slice_str("set"), held), CACHE_HIT);
	return w;
}

static void
waits_for_a_key_at_work(void **state)
{
	uint64_t member = htobe64(7);
	struct wset_op op = { .kind = WSET_SREM,
			      .key = slice_str("set"),
			      .value = slice_of(&member, sizeof(member)) };
	struct cache_value held;
	struct world *w = make(&held);
	struct wset ws;

	(void)state;
	cache_view_release(&w->proc[OTHER].view, &held);
	wset_init(&ws, less, sizeof(less));
	assert_int_equal(wset_add(&ws, &op), 0);
	world_publish(w, OTHER, 1, wset_bytes(&ws), 1);
	publish_long(w, 2);
	stands_still(w, 1000);
	assert_false(world_answered(w, WRITER, 2));
	world_settle(w);
	assert_int_equal(over(w, OTHER, 1), 0);
	assert_int_equal(over(w, WRITER, 2), 0);
	assert_int_equal(cache_core_stats(w->core).op_applied, OPS + 1);
	world_end(w);
}

static void
is_refused_where_nobody_lets_go(void **state)
{
	struct cache_value held;
	struct world *w = make(&held);

	(void)state;
	publish_long(w, 1);
	world_settle(w);
	assert_int_equal(over(w, WRITER, 1), MB_ERR_NO_MEMORY);
	assert_int_equal(cache_core_stats(w->core).op_applied, 0);
	cache_view_release(&w->proc[OTHER].view, &held);
	publish_long(w, 2);
	world_settle(w);
	assert_int_equal(over(w, WRITER, 2), 0);
	world_end(w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(waits_for_a_key_at_work),
		cmocka_unit_test(is_refused_where_nobody_lets_go),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
