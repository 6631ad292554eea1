/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   a push wakes those that wait for its key, and nobody else, however many wait; a tick has
 *         a bounded number of them look, in turns all, and everybody whose time is over; who finds
 *         an item has those before it look first, also for another key of the same bit.
 * Method: a gate of which only the places are used; who is woken stands among the ready. */
#include "gate_block.h"

#include <stdlib.h>
#include <string.h>

#include "compiler.h"
#include "test_cmocka.h"
#include "timebase.h"

#define CONN_CNT 2000u
#define TICK_CNT 512u /* that look in a tick */
#define TICK_NS  (5 * NS_PER_MS)

static struct gate *g;
static struct gate_batch *b;
static uint32_t looks[CONN_CNT];

static int
setup(void **state)
{
	g = calloc(1, sizeof(*g));
	b = calloc(1, sizeof(*b));
	assert_non_null(g);
	assert_non_null(b);
	g->conn = calloc(CONN_CNT, sizeof(*g->conn));
	assert_non_null(g->conn);
	STAILQ_INIT(&g->ready);
	TAILQ_INIT(&g->blocked);
	TAILQ_INIT(&g->looking);
	gate_crowd_init(&g->crowd);
	g->now_ns = NS_PER_S;
	memset(looks, 0, sizeof(looks));
	return 0;
}

static int
teardown(void **state)
{
	free(g->conn);
	free(g);
	free(b);
	return 0;
}

/* The hash of a key; each 64 share a bit, in turns. */
static uint64_t
hash_at(uint32_t key)
{
	return (uint64_t)key << 58 | (uint64_t)key << 32 | key;
}

static struct gate_wants
wants_of(uint32_t key)
{
	struct gate_wants wants = { 0 };

	gate_wants_add(&wants, hash_at(key));
	return wants;
}

static void
wait_for(uint32_t conn, uint32_t key, double timeout_s)
{
	struct gate_wants wants = wants_of(key);

	assert_int_equal(gate_block(g, &g->conn[conn], &wants, timeout_s), GATE_WAIT);
}

static void
push(uint32_t key)
{
	b->word[b->op_cnt++].hash = hash_at(key);
	b->wake_bits |= gate_key_bit(hash_at(key));
}

/* Who is woken looks, and finds nothing. Returns: how many did. */
static uint32_t
look(void)
{
	uint32_t n = 0;

	while (!STAILQ_EMPTY(&g->ready)) {
		struct gate_conn *c = STAILQ_FIRST(&g->ready);

		STAILQ_REMOVE_HEAD(&g->ready, next);
		c->queue = NULL;
		assert_false(c->blocked);
		looks[c - g->conn]++;
		n++;
		if (!c->timed_out) {
			wait_for((uint32_t)(c - g->conn), (uint32_t)(c - g->conn), 0);
		} else {
			gate_unblock(g, c);
		}
	}
	return n;
}

static void
a_push_wakes_who_waits_for_its_key(void **state)
{
	for (uint32_t i = 0; i < CONN_CNT; i++) {
		wait_for(i, i, 0);
	}
	push(CONN_CNT); /* nobody's */
	gate_block_wrote(g, b);
	assert_int_equal(look(), 0);
	push(7);
	push(CONN_CNT);
	push(9);
	push(7);
	gate_block_wrote(g, b);
	assert_ptr_equal(STAILQ_FIRST(&g->ready), &g->conn[7]);
	assert_int_equal(look(), 2);
	gate_unblock(g, &g->conn[7]);
	gate_block_wrote(g, b);
	assert_int_equal(look(), 1);
	gate_block_wake(g, gate_key_bit(hash_at(9))); /* by another gate: which is not known */
	assert_in_range(look(), CONN_CNT / 64, CONN_CNT / 64 + 1);
}

static void
ticks_have_all_look_in_turns(void **state)
{
	uint32_t left = CONN_CNT;

	for (uint32_t i = 0; i < CONN_CNT; i++) {
		wait_for(i, i, 0);
	}
	while (left > 0) {
		struct gate_conn *next;

		g->now_ns += TICK_NS;
		gate_block_tick(g, g->now_ns);
		assert_int_equal(look(), MIN(left, TICK_CNT));
		left -= MIN(left, TICK_CNT);
		next = g->block_next;
		if (next != NULL) { /* it leaves, and is the last one then */
			gate_unblock(g, next);
			wait_for((uint32_t)(next - g->conn), (uint32_t)(next - g->conn), 0);
		}
	}
	for (uint32_t i = 0; i < CONN_CNT; i++) {
		assert_int_equal(looks[i], 1);
	}
	assert_true(g->blocked_bits == UINT64_MAX);
}

static void
whose_time_is_over_looks_in_the_next_tick(void **state)
{
	for (uint32_t i = 0; i < CONN_CNT; i++) {
		wait_for(i, i, i == CONN_CNT - 1 ? 0.001 : 100);
	}
	gate_block_tick(g, g->now_ns + TICK_NS);
	assert_true(g->conn[CONN_CNT - 1].timed_out);
	assert_false(g->conn[CONN_CNT - 1].blocked);
	assert_int_equal(look(), TICK_CNT + 1);
	g->now_ns += 100 * NS_PER_S;
	gate_block_tick(g, g->now_ns + TICK_NS);
	assert_int_equal(look(), CONN_CNT - 1);
	assert_true(TAILQ_EMPTY(&g->blocked));
}

/* One waits for each of two keys of a bit; another one comes, and finds items under both. */
static void
who_finds_an_item_has_those_before_it_look(void **state)
{
	struct gate_conn *late = &g->conn[2];
	struct gate_wants wants = wants_of(3);
	int code = GATE_DONE;

	gate_wants_add(&wants, hash_at(3 + 64));
	wait_for(0, 3, 0);
	wait_for(1, 3 + 64, 0);
	assert_true(gate_block_yields(g, late, hash_at(3), &wants, 0, &code));
	assert_int_equal(code, GATE_WAIT);
	assert_false(g->conn[0].blocked);
	assert_true(g->conn[1].blocked);
	wait_for(0, 3, 0); /* it found nothing: who is behind goes on */
	assert_false(late->blocked);
	assert_false(gate_block_yields(g, late, hash_at(3), &wants, 0, &code));
	assert_true(gate_block_yields(g, late, hash_at(3 + 64), &wants, 0, &code));
	assert_false(g->conn[1].blocked);
	wait_for(1, 3 + 64, 0);
	assert_false(gate_block_yields(g, late, hash_at(3 + 64), &wants, 0, &code));
}

/* The same, of more keys than are told apart: it asks once for all of the bit. */
static void
who_has_many_keys_asks_by_their_bits(void **state)
{
	struct gate_conn *late = &g->conn[2];
	struct gate_wants wants = wants_of(3);
	int code = GATE_DONE;

	for (uint32_t i = 1; i <= GATE_CROWD_KEYS; i++) {
		gate_wants_add(&wants, hash_at(3 + 64 * i));
	}
	wait_for(0, 3, 0);
	wait_for(1, 3 + 64, 0);
	wait_for(3, 4, 0);
	assert_true(gate_block_yields(g, late, hash_at(3), &wants, 0, &code));
	assert_false(g->conn[0].blocked);
	assert_false(g->conn[1].blocked);
	assert_true(g->conn[3].blocked);
	wait_for(0, 3, 0);
	assert_false(gate_block_yields(g, late, hash_at(3), &wants, 0, &code));
	assert_true(gate_block_yields(g, late, hash_at(3 + 64), &wants, 0, &code));
	wait_for(1, 3 + 64, 0);
	assert_false(gate_block_yields(g, late, hash_at(3 + 64), &wants, 0, &code));
	/* It finds nothing; and it is found for the last of its keys. */
	assert_int_equal(gate_block(g, late, &wants, 0), GATE_WAIT);
	push(3 + 64 * GATE_CROWD_KEYS);
	gate_block_wrote(g, b);
	assert_false(late->blocked);
	assert_true(g->conn[0].blocked);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_push_wakes_who_waits_for_its_key, setup,
						teardown),
		cmocka_unit_test_setup_teardown(ticks_have_all_look_in_turns, setup, teardown),
		cmocka_unit_test_setup_teardown(whose_time_is_over_looks_in_the_next_tick, setup,
						teardown),
		cmocka_unit_test_setup_teardown(who_finds_an_item_has_those_before_it_look, setup,
						teardown),
		cmocka_unit_test_setup_teardown(who_has_many_keys_asks_by_their_bits, setup,
						teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
