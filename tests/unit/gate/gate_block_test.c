/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   what a key got costs a look for each item, however many wait for it: it is offered to who
 *         waits longest, and goes on from who leaves something, or cannot take it; a push to one
 *         key has nobody look who waits for others, also if another gate did it; a tick has a
 *         bounded number of them look, in turns all, and everybody whose time is over.
 * Method: a gate of which only the places are used; who is woken stands among the ready. */
#include "gate_block.h"

#include <stdlib.h>
#include <string.h>

#include "compiler.h"
#include "hash.h"
#include "microburst/error.h"
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
	gate_block_wake(g, gate_key_bit(hash_at(9))); /* which is not known */
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

/* ---------------------------------------------------------------- all for one key */

#define KEY slice_str("queue")

static void
wait_for_queue(uint32_t conn)
{
	struct gate_wants wants = { 0 };

	gate_wants_add(&wants, hash_bytes(KEY.p, KEY.len));
	assert_int_equal(gate_block(g, &g->conn[conn], &wants, 0), GATE_WAIT);
}

static void
queue_got_something(void)
{
	b->op_cnt = 1;
	b->word[0].hash = hash_bytes(KEY.p, KEY.len);
	b->wake_bits = gate_key_bit(b->word[0].hash);
	gate_block_wrote(g, b);
}

/* Only this one is woken; it begins to look. */
static struct gate_conn *
looks_alone(uint32_t conn)
{
	struct gate_conn *c = STAILQ_FIRST(&g->ready);

	assert_ptr_equal(c, &g->conn[conn]);
	STAILQ_REMOVE_HEAD(&g->ready, next);
	c->queue = NULL;
	assert_true(STAILQ_EMPTY(&g->ready));
	return c;
}

/* It finds an item. Returns: whether somebody else is to have it. */
static bool
yields(uint32_t conn)
{
	struct gate_wants wants = { 0 };
	int code = GATE_DONE;
	bool yes;

	gate_wants_add(&wants, hash_bytes(KEY.p, KEY.len));
	yes = gate_block_yields(g, &g->conn[conn], wants.hash[0], &wants, 0, &code);
	assert_int_equal(code, yes ? GATE_WAIT : GATE_DONE);
	return yes;
}

static void
takes(uint32_t conn, bool left)
{
	assert_false(yields(conn));
	assert_int_equal(gate_block_chosen(g, &g->conn[conn], KEY, left, GATE_HELD), GATE_HELD);
}

static void
each_item_costs_a_look(void **state)
{
	for (uint32_t i = 0; i < CONN_CNT; i++) {
		wait_for_queue(i);
	}
	queue_got_something();
	queue_got_something(); /* before it looks */
	looks_alone(0);
	takes(0, true);
	looks_alone(1);
	takes(1, false);
	assert_true(STAILQ_EMPTY(&g->ready));
	queue_got_something(); /* what the first two take is under way yet */
	looks_alone(2);
	gate_unblock(g, &g->conn[0]);
	gate_unblock(g, &g->conn[1]);
	assert_true(STAILQ_EMPTY(&g->ready));
	wait_for_queue(2); /* somebody else had it: there is nothing, for nobody */
	assert_true(STAILQ_EMPTY(&g->ready));
	gate_block_offer(g, hash_bytes(KEY.p, KEY.len)); /* by another gate */
	looks_alone(2);
	takes(2, false);
	assert_true(STAILQ_EMPTY(&g->ready));
}

static void
who_cannot_take_it_leaves_it_to_the_next(void **state)
{
	for (uint32_t i = 0; i < 5; i++) {
		wait_for_queue(i);
	}
	queue_got_something();
	assert_true(gate_waits_on(looks_alone(0), MB_ERR_TYPE)); /* it waits for another type */
	wait_for_queue(0);
	gate_unblock(g, looks_alone(1)); /* it is closed, or answered with an error */
	looks_alone(2);
	gate_block_tick(g, g->now_ns + TICK_NS); /* those that have had it look again */
	assert_ptr_equal(STAILQ_FIRST(&g->ready), &g->conn[0]);
	assert_true(yields(2));
	assert_true(g->conn[2].blocked);
	gate_waits_on(&g->conn[0], MB_ERR_TYPE);
	wait_for_queue(0);
	assert_false(g->conn[2].blocked);
	takes(2, false);
}

/* What is not offered yet: a function wrote it, or it comes just now. */
static void
who_finds_an_item_offers_it_to_those_before(void **state)
{
	for (uint32_t i = 0; i < 3; i++) {
		wait_for_queue(i);
	}
	assert_true(yields(3)); /* it comes */
	assert_true(g->conn[3].blocked);
	assert_true(yields(4));
	looks_alone(0);
	assert_true(yields(5)); /* .. to the one that looks already */
	assert_true(STAILQ_EMPTY(&g->ready));
	for (uint32_t i = 0; i < 5; i++) {
		takes(i, true);
		looks_alone(i + 1);
	}
	takes(5, true);
	assert_true(STAILQ_EMPTY(&g->ready));
}

/* Of two keys that got something it takes one; the other one is for the next. */
static void
who_was_offered_two_takes_one(void **state)
{
	struct gate_wants wants = wants_of(3);

	gate_wants_add(&wants, hash_bytes(KEY.p, KEY.len));
	assert_int_equal(gate_block(g, &g->conn[0], &wants, 0), GATE_WAIT);
	wait_for(1, 3, 0);
	wait_for_queue(2);
	push(3);
	gate_block_wrote(g, b);
	queue_got_something();
	looks_alone(0);
	takes(0, false);
	looks_alone(1);
}

/* Of many keys it is not known which: of another one of a bit it leaves to the next. */
static void
who_has_many_keys_leaves_what_is_of_another(void **state)
{
	struct gate_wants wants = wants_of(3);

	for (uint32_t i = 1; i <= GATE_CROWD_KEYS; i++) {
		gate_wants_add(&wants, hash_at(3 + 64 * i));
	}
	assert_int_equal(gate_block(g, &g->conn[0], &wants, 0), GATE_WAIT);
	wait_for(1, 3 + 64 * 50, 0);
	wait_for(2, 4, 0);
	push(3 + 64 * 50);
	gate_block_wrote(g, b);
	looks_alone(0);
	assert_int_equal(gate_block(g, &g->conn[0], &wants, 0), GATE_WAIT);
	looks_alone(1);
	wait_for(1, 3 + 64 * 50, 0);
	b->op_cnt = 0;
	push(3 + 64 * GATE_CROWD_KEYS);
	gate_block_wrote(g, b);
	looks_alone(0);
}

static void
another_gate_tells_which_keys(void **state)
{
	g->cfg.idx = 1;
	push(7);
	push(7 + 64);
	push(7);
	gate_block_wrote(g, b);
	gate_block_wrote(g, b);
	assert_int_equal(g->many.item_cnt, 2);
	assert_true(g->many.item[0] == hash_at(7) && g->many.item[1] == hash_at(7 + 64));
	for (uint32_t i = 2; i <= GATE_ITEM_CNT; i++) { /* one more than there is room for */
		assert_true(g->many.item_bits == 0);
		b->op_cnt = 0;
		push(7 + 64 * i);
		gate_block_wrote(g, b);
	}
	assert_int_equal(g->many.item_cnt, GATE_ITEM_CNT);
	assert_true(g->many.item_bits == gate_key_bit(hash_at(7)));
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
		cmocka_unit_test_setup_teardown(each_item_costs_a_look, setup, teardown),
		cmocka_unit_test_setup_teardown(who_cannot_take_it_leaves_it_to_the_next, setup,
						teardown),
		cmocka_unit_test_setup_teardown(who_finds_an_item_offers_it_to_those_before, setup,
						teardown),
		cmocka_unit_test_setup_teardown(who_was_offered_two_takes_one, setup, teardown),
		cmocka_unit_test_setup_teardown(who_has_many_keys_leaves_what_is_of_another, setup,
						teardown),
		cmocka_unit_test_setup_teardown(another_gate_tells_which_keys, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
