/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   Y1 to Y4 of gate_memory.h: the reserve is for who holds little; short of memory one that
 *         rests is closed, who holds most first; to one that holds little, and to a transaction
 *         that has begun, somebody gives way at once; and it is not all of them that are looked at
 *         for each that goes.
 * Method: a gate with a heap and connections of which each holds some of it, and a clock by hand;
 *         no stream: whom it would reset is closed. Who is chosen of whom is gate_yield_test's.
 */
#include "gate_int.h"

#include <stdlib.h>
#include <string.h>

#include "compiler.h"
#include "gate_memory.h"
#include "heap.h"
#include "test_cmocka.h"
#include "timebase.h"

#define KIB      (1u << 10)
#define HEAP     (4u << 20)
#define RESERVE  (HEAP / 16)
#define CONN_MAX 200u

static struct gate *g;
static void *memory;
static uint32_t conn_cnt, looked_cnt; /* looked_cnt: times at all of them */

uint32_t __wrap_stream_conn_cnt(const struct stream *s);
void __wrap_stream_reset(struct stream *s, struct stream_id id);

/* Who looks at all asks first how many there are. */
uint32_t
__wrap_stream_conn_cnt(const struct stream *s)
{
	looked_cnt++;
	return conn_cnt;
}

void
__wrap_stream_reset(struct stream *s, struct stream_id id)
{
	assert_true(g->conn[id.idx].closing);
}

static int
setup(void **state)
{
	g = calloc(1, sizeof(*g));
	memory = calloc(1, HEAP);
	assert_true(g != NULL && memory != NULL);
	g->conn = calloc(CONN_MAX, sizeof(*g->conn));
	assert_non_null(g->conn);
	g->heap = heap_init(memory, HEAP);
	g->cfg.memory_bytes = HEAP;
	g->cfg.conn_max = CONN_MAX;
	g->now_ns = NS_PER_S;
	gate_memory_init(g);
	conn_cnt = looked_cnt = 0;
	return 0;
}

static int
teardown(void **state)
{
	free(g->conn);
	free(memory);
	free(g);
	return 0;
}

/* A connection that holds so much, of half a command: it owes. */
static struct gate_conn *
conn(size_t holds)
{
	struct gate_conn *c = &g->conn[conn_cnt];

	assert_true(conn_cnt < CONN_MAX);
	c->id.idx = conn_cnt++;
	c->used = true;
	if (holds > 0) {
		c->in = heap_alloc(g->heap, holds);
		assert_non_null(c->in);
		c->in_cap = (uint32_t)holds;
		c->half_ns = g->now_ns;
	}
	return c;
}

/* All that is there but the reserve is held. */
static void
use_up(void)
{
	while (heap_alloc(g->heap, 32 * KIB) != NULL) {
	}
	while (heap_alloc(g->heap, KIB) != NULL) {
	}
}

/* Its command is under way. */
static void
waits_for_us(struct gate_conn *c)
{
	c->waiting = true;
	c->half_ns = 0;
}

/* It has rested for some looks. */
static void
rest(struct gate_conn *c, uint32_t looks)
{
	while (looks-- > 0) {
		gate_memory_look(g, c);
	}
}

static uint32_t
closed_cnt(void)
{
	uint32_t cnt = 0;

	for (uint32_t i = 0; i < conn_cnt; i++) {
		cnt += g->conn[i].closing;
	}
	return cnt;
}

static void
later(uint64_t ns)
{
	g->now_ns += ns;
	g->memory.poll_cnt += 1000;
}

/* ------------------------------------------------------------------------ Y1 */

static void
the_reserve_is_for_who_holds_little(void **state)
{
	struct gate_conn *none = conn(0), *little = conn(4 * KIB), *much = conn(64 * KIB);
	size_t before;

	use_up();
	waits_for_us(little); /* so nobody gives way */
	waits_for_us(much);
	assert_null(gate_memory_take(g, much, 512, MEMORY_MUST));
	assert_null(gate_memory_take(g, much, 512, MEMORY_REPLY));
	assert_null(gate_memory_take(g, little, 8 * KIB, MEMORY_MUST)); /* it would hold more */
	assert_non_null(gate_memory_take(g, little, 2 * KIB, MEMORY_MUST));
	/* A quarter of it is left to those that hold least. */
	while (gate_memory_take(g, little, 2 * KIB, 0) != NULL) {
	}
	before = heap_free_bytes(g->heap);
	assert_true(before >= RESERVE / 4 && before < RESERVE / 4 + 8 * KIB);
	assert_non_null(gate_memory_take(g, none, 512, MEMORY_MUST));
	/* Nor is the answer of what is done refused for want of that quarter. */
	assert_non_null(gate_memory_take(g, little, 2 * KIB, MEMORY_REPLY | MEMORY_MUST));
	while (gate_memory_take(g, none, 512, 0) != NULL) {
	}
	assert_true(heap_free_bytes(g->heap) < 8 * KIB);
	assert_int_equal(gate_memory_free(g), 0);
}

static void
an_administrator_has_half_of_it_for_replies(void **state)
{
	const struct gate_command info = { .name = "info", .group = "server" };
	const struct gate_command get = { .name = "get", .group = "string" };
	struct gate_conn *much = conn(64 * KIB);

	use_up();
	waits_for_us(much);
	much->command = &get;
	assert_null(gate_memory_take(g, much, 4 * KIB, MEMORY_REPLY));
	much->command = &info;
	assert_null(gate_memory_take(g, much, 4 * KIB, MEMORY_MUST)); /* no reply */
	while (gate_memory_take(g, much, 4 * KIB, MEMORY_REPLY) != NULL) {
	}
	assert_true(heap_free_bytes(g->heap) >= RESERVE / 2);
	assert_true(heap_free_bytes(g->heap) < RESERVE / 2 + 16 * KIB);
}

/* ------------------------------------------------------------------------ Y2 */

static void
who_rests_and_holds_most_gives_way(void **state)
{
	struct gate_conn *moves = conn(400 * KIB), *some = conn(64 * KIB), *most = conn(200 * KIB);
	struct gate_conn *ours = conn(300 * KIB), *asks = conn(250 * KIB);

	for (uint32_t i = 0; i < YIELD_RESTS_MAX; i++) {
		moves->memory.moved = 100 * KIB;
		for (uint32_t k = 0; k < conn_cnt; k++) {
			gate_memory_look(g, &g->conn[k]);
		}
	}
	waits_for_us(ours);
	g->memory.at = asks;
	assert_int_equal(gate_memory_relieve(g, asks, MEMORY_HEAP, 0), RELIEF_NOW);
	assert_true(most->closing);
	assert_null(most->in);
	assert_int_equal(closed_cnt(), 1);
	assert_int_equal(gate_memory_relieve(g, asks, MEMORY_HEAP, 0), RELIEF_NOW);
	assert_true(some->closing);
	assert_int_equal(gate_memory_relieve(g, asks, MEMORY_HEAP, 0), RELIEF_NONE);
	assert_int_equal(closed_cnt(), 2);
	g->memory.at = NULL;
	later(NS_PER_S);
	assert_int_equal(gate_memory_relieve(g, NULL, MEMORY_HEAP, 0), RELIEF_NOW);
	assert_true(asks->closing);
	assert_int_equal(g->tally.total.evict_cnt, 3);
}

static void
that_nobody_does_is_remembered_for_a_while(void **state)
{
	struct gate_conn *c = conn(64 * KIB);

	assert_int_equal(gate_memory_relieve(g, NULL, MEMORY_HEAP, 0), RELIEF_NONE);
	rest(c, YIELD_RESTS);
	assert_int_equal(gate_memory_relieve(g, NULL, MEMORY_HEAP, 0), RELIEF_NONE);
	assert_int_equal(looked_cnt, 1);
	later(NS_PER_S / 10);
	assert_int_equal(gate_memory_relieve(g, NULL, MEMORY_HEAP, 0), RELIEF_NOW);
	assert_true(c->closing);
}

/* Of many one after the other goes, and none that has moved, or waits for us, since all were looked
 * at; none that holds less than half as much, while there is a larger one. */
static void
many_are_looked_at_once(void **state)
{
	struct gate_conn *small = conn(4 * KIB);

	for (uint32_t i = 0; i < 60; i++) {
		conn(10 * KIB);
	}
	for (uint32_t i = 0; i < conn_cnt; i++) {
		rest(&g->conn[i], YIELD_RESTS);
	}
	for (uint32_t i = 0; i < 40; i++) {
		assert_int_equal(gate_memory_relieve(g, NULL, MEMORY_HEAP, 0), RELIEF_NOW);
		assert_int_equal(closed_cnt(), i + 1);
	}
	assert_int_equal(looked_cnt, 1);
	assert_false(small->closing);
	for (uint32_t i = 1, cnt = 0; i < conn_cnt && cnt < 10; i++) {
		if (!g->conn[i].closing) {
			waits_for_us(&g->conn[i]);
			cnt++;
		}
	}
	for (uint32_t i = 0; i < 10; i++) {
		assert_int_equal(gate_memory_relieve(g, NULL, MEMORY_HEAP, 0), RELIEF_NOW);
	}
	assert_int_equal(looked_cnt, 1);
	assert_false(small->closing);
	assert_int_equal(gate_memory_relieve(g, NULL, MEMORY_HEAP, 0), RELIEF_NOW);
	assert_true(small->closing);
	assert_int_equal(looked_cnt, 2);
	assert_int_equal(gate_memory_relieve(g, NULL, MEMORY_HEAP, 0), RELIEF_NONE);
	for (uint32_t i = 1; i < conn_cnt; i++) {
		assert_true(g->conn[i].closing != g->conn[i].waiting);
	}
}

/* What was seen is not believed for long. */
static void
they_are_looked_at_again_after_a_while(void **state)
{
	struct gate_conn *c;

	for (uint32_t i = 0; i < 60; i++) {
		rest(conn(10 * KIB), YIELD_RESTS);
	}
	assert_int_equal(gate_memory_relieve(g, NULL, MEMORY_HEAP, 0), RELIEF_NOW);
	c = conn(100 * KIB);
	rest(c, YIELD_RESTS);
	later(NS_PER_S);
	assert_int_equal(gate_memory_relieve(g, NULL, MEMORY_HEAP, 0), RELIEF_NOW);
	assert_true(c->closing);
	assert_int_equal(looked_cnt, 2);
}

/* More of them than are remembered: all go, none too early, in some looks. */
static void
more_than_are_remembered_all_go(void **state)
{
	uint32_t large = 0;

	for (uint32_t i = 0; i < CONN_MAX; i++) {
		large += i % 2;
		rest(conn(i % 2 == 1 ? 8 * KIB : 3 * KIB), YIELD_RESTS);
	}
	for (uint32_t i = 0; i < CONN_MAX; i++) {
		assert_int_equal(gate_memory_relieve(g, NULL, MEMORY_HEAP, 0), RELIEF_NOW);
		if (i + 1 == large) {
			for (uint32_t k = 0; k < CONN_MAX; k++) {
				assert_int_equal(g->conn[k].closing, k % 2 == 1);
			}
		}
	}
	assert_int_equal(closed_cnt(), CONN_MAX);
	assert_true(looked_cnt <= 6);
}

/* ------------------------------------------------------------------------ Y3, Y4 */

static void
to_one_that_holds_little_the_largest_gives_way_at_once(void **state)
{
	struct gate_conn *large = conn(64 * KIB), *larger = conn(128 * KIB), *little = conn(0);

	use_up();
	while (heap_alloc_reserve(g->heap, KIB) != NULL) {
	}
	/* None was seen at rest, and what these owe may be on its way. */
	assert_null(gate_memory_take(g, little, 512, 0));
	later(NS_PER_S);
	assert_non_null(gate_memory_take(g, little, 512, 0));
	assert_true(larger->closing);
	assert_false(large->closing);
}

static void
a_transaction_gets_what_it_needs(void **state)
{
	struct gate_conn *asks = conn(16 * KIB), *kept_back = conn(128 * KIB);

	use_up();
	kept_back->queue = &g->starved;
	later(NS_PER_S);
	assert_null(gate_memory_take(g, asks, 8 * KIB, MEMORY_MUST));
	later(NS_PER_S);
	g->alone = asks;
	assert_null(gate_memory_take(g, asks, 2 * RESERVE, MEMORY_REPLY)); /* long: refused */
	assert_int_equal(closed_cnt(), 0);
	for (uint32_t i = 0; i < 16; i++) { /* all of the reserve is its */
		assert_non_null(gate_memory_take(g, asks, RESERVE / 16, 0));
	}
	assert_int_equal(closed_cnt(), 0);
	assert_non_null(gate_memory_take(g, asks, 8 * KIB, 0));
	assert_true(kept_back->closing);
}

/* Memory of a command is there even if nothing is in it: its bytes are copied, moved and cleared
 * as those of any other, of which the C library takes no null pointer. */
static void
what_a_command_keeps_is_somewhere_even_if_it_is_nothing(void **state)
{
	struct gate_conn *c = conn(0);

	assert_true(gate_conn_keep(g, c, 0));
	assert_non_null(c->keep);
	assert_true(gate_conn_keep(g, c, 3));
	memcpy(c->keep, "abc", 3);
	c->keep_len = 3;
	assert_true(gate_conn_keep(g, c, 0));
	assert_memory_equal(c->keep, "abc", 3);
	gate_conn_keep_end(g, c);
	assert_null(c->keep);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(the_reserve_is_for_who_holds_little, setup,
						teardown),
		cmocka_unit_test_setup_teardown(an_administrator_has_half_of_it_for_replies, setup,
						teardown),
		cmocka_unit_test_setup_teardown(who_rests_and_holds_most_gives_way, setup,
						teardown),
		cmocka_unit_test_setup_teardown(that_nobody_does_is_remembered_for_a_while, setup,
						teardown),
		cmocka_unit_test_setup_teardown(many_are_looked_at_once, setup, teardown),
		cmocka_unit_test_setup_teardown(they_are_looked_at_again_after_a_while, setup,
						teardown),
		cmocka_unit_test_setup_teardown(more_than_are_remembered_all_go, setup, teardown),
		cmocka_unit_test_setup_teardown(
			to_one_that_holds_little_the_largest_gives_way_at_once, setup, teardown),
		cmocka_unit_test_setup_teardown(a_transaction_gets_what_it_needs, setup, teardown),
		cmocka_unit_test_setup_teardown(
			what_a_command_keeps_is_somewhere_even_if_it_is_nothing, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
