/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   the network does everything a datagram network may do, and nothing else, the same for
 * the same
 *         seed; and what is wrong with a protocol over it is found.
 * Method: a toy protocol, ping: every node sends numbered pings to the others, again and again
 * until each
 *         is answered; a receiver counts each number once and answers every time. With that each
 *         ping
 *         is counted once, however bad the network. Then the protocol is broken in two ways.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>

#include "network.h"

#define NODES    5
#define PINGS    40 /* of each node */
#define AGAIN_NS 400000
#define START_NS 1000000000
#define END_NS   (START_NS + 20000000000)
#define HEAL_NS  50000000

enum broken { BROKEN_NOT = 0, BROKEN_NO_DEDUP, BROKEN_NO_RETRY };

struct ping {
	uint32_t from, to, number;
	uint32_t counted; /* by the receiver */
	bool answered;
};

struct world {
	struct events events;
	struct network network;
	enum broken broken;
	uint64_t hash;
	struct ping ping[NODES][PINGS];
};

struct frame {
	uint32_t is_answer, from, number;
};

static void
on_frame(void *ctx, uint32_t from, uint32_t to, struct slice bytes)
{
	struct world *w = ctx;
	struct frame f;
	struct ping *p;

	assert_int_equal(bytes.len, sizeof(f));
	memcpy(&f, bytes.p, sizeof(f));
	p = &w->ping[f.from][f.number];
	w->hash = (w->hash ^ w->events.now_ns ^ f.number) * UINT64_C(0x100000001b3);
	if (f.is_answer != 0) {
		assert_int_equal(to, p->from);
		p->answered = true;
		return;
	}
	assert_int_equal(from, p->from);
	assert_int_equal(to, p->to);
	if (p->counted == 0 || w->broken == BROKEN_NO_DEDUP) {
		p->counted++;
	}
	f.is_answer = 1;
	network_send(&w->network, to, from, slice_of(&f, sizeof(f)));
}

static void
send_ping(void *ctx, uint64_t arg)
{
	struct world *w = ctx;
	struct ping *p = &w->ping[arg / PINGS][arg % PINGS];
	struct frame f = { 0, p->from, p->number };

	if (!p->answered) {
		network_send(&w->network, p->from, p->to, slice_of(&f, sizeof(f)));
		if (w->broken != BROKEN_NO_RETRY) {
			events_after(&w->events, AGAIN_NS, send_ping, w, arg);
		}
	}
}

/* Node 0 is not heard by node 1; node 2 is alone. */
static void
cut(void *ctx, uint64_t arg)
{
	struct world *w = ctx;

	network_cut(&w->network, 0, 1, true);
	for (uint32_t i = 0; i < NODES; i++) {
		network_cut(&w->network, 2, i, true);
		network_cut(&w->network, i, 2, true);
	}
}

static void
heal(void *ctx, uint64_t arg)
{
	struct world *w = ctx;

	network_heal(&w->network);
}

/* Returns: how many pings were not counted exactly once, or not answered. */
static uint32_t
run(struct world *w, uint64_t seed, enum broken broken)
{
	struct network_cfg cfg = { .node_cnt = NODES,
				   .loss_ppm = 200000,
				   .double_ppm = 50000,
				   .late_ppm = 20000,
				   .delay_min_ns = 5000,
				   .delay_max_ns = 90000,
				   .late_ns = 3000000 };
	uint32_t wrong = 0;
	struct event e;

	*w = (struct world){ .broken = broken };
	events_init(&w->events, START_NS);
	network_init(&w->network, &cfg, &w->events, seed, on_frame, w);
	for (uint32_t i = 0; i < NODES * PINGS; i++) {
		uint32_t from = i / PINGS;

		w->ping[from][i % PINGS] =
			(struct ping){ .from = from,
				       .to = (from + 1 + i % (NODES - 1)) % NODES,
				       .number = i % PINGS };
		events_after(&w->events, (uint64_t)i * 10000, send_ping, w, i);
	}
	events_after(&w->events, 500000, cut, w, 0);
	events_after(&w->events, HEAL_NS, heal, w, 0);
	while (events_next(&w->events, END_NS, &e)) {
		e.fn(e.ctx, e.arg);
	}
	for (uint32_t i = 0; i < NODES * PINGS; i++) {
		const struct ping *p = &w->ping[i / PINGS][i % PINGS];

		wrong += p->counted != 1 || !p->answered;
	}
	network_fini(&w->network);
	events_fini(&w->events);
	return wrong;
}

static void
a_protocol_that_counts_twice_is_found(void **state)
{
	struct world w;

	assert_int_not_equal(run(&w, 1, BROKEN_NO_DEDUP), 0);
}

static void
a_protocol_that_does_not_repeat_is_found(void **state)
{
	struct world w;

	assert_int_not_equal(run(&w, 1, BROKEN_NO_RETRY), 0);
}

static void
a_sound_protocol_survives_everything(void **state)
{
	for (uint64_t seed = 1; seed <= 50; seed++) {
		struct world w;

		assert_int_equal(run(&w, seed, BROKEN_NOT), 0);
		assert_true(w.network.stats.lost > 0);
		assert_true(w.network.stats.doubled > 0);
		assert_true(w.network.stats.late > 0);
		assert_true(w.network.stats.cut > 0);
		assert_true(w.network.stats.overtaken > 0);
		assert_int_equal(w.network.stats.sent + w.network.stats.doubled,
				 w.network.stats.arrived + w.network.stats.lost +
					 w.network.stats.cut);
	}
}

static void
a_cut_has_a_direction(void **state)
{
	struct network_cfg cfg = { .node_cnt = 2, .delay_min_ns = 10, .delay_max_ns = 10 };
	struct frame f = { 0, 0, 0 };
	struct event e;
	struct world w = { .ping[0][0] = { .from = 0, .to = 1 } };

	events_init(&w.events, START_NS);
	network_init(&w.network, &cfg, &w.events, 1, on_frame, &w);
	network_cut(&w.network, 1, 0, true);
	network_send(&w.network, 0, 1, slice_of(&f, sizeof(f)));
	while (events_next(&w.events, END_NS, &e)) {
		e.fn(e.ctx, e.arg);
	}
	assert_int_equal(w.ping[0][0].counted, 1);
	assert_false(w.ping[0][0].answered);
	assert_int_equal(w.network.stats.cut, 1);
	network_fini(&w.network);
	events_fini(&w.events);
}

static void
the_same_seed_is_the_same_run(void **state)
{
	struct world a, b, c;

	run(&a, 7, BROKEN_NOT);
	run(&b, 7, BROKEN_NOT);
	run(&c, 8, BROKEN_NOT);
	assert_true(a.hash == b.hash);
	assert_true(a.hash != c.hash);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_protocol_that_counts_twice_is_found),
		cmocka_unit_test(a_protocol_that_does_not_repeat_is_found),
		cmocka_unit_test(a_sound_protocol_survives_everything),
		cmocka_unit_test(a_cut_has_a_direction),
		cmocka_unit_test(the_same_seed_is_the_same_run),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
