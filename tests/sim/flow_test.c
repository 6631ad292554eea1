/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   over a network that loses, doubles, delays and reorders frames, and is cut at times,
 *         every request ends exactly once; it ran at most once, and exactly once when it was
 *         answered, with the right bytes (but for those that change nothing: these may run again);
 *         when all is quiet neither end holds anything.
 * Method: the shipped ends in a world of their own (flow_world.h), where the server also runs out
 *         of memory, and is started again. Then parts of the protocol are broken, and the same
 *         checks must find it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include <microburst/error.h>

#include "flow_world.h"

#define SCARCE (320u << 10) /* room of a server that has little */

static const struct network_cfg bad_network = { .node_cnt = WORLD_CLIENTS + 1,
						.loss_ppm = 50000,
						.double_ppm = 30000,
						.late_ppm = 20000,
						.delay_min_ns = 20000,
						.delay_max_ns = 200000,
						.late_ns = 8000000 };
static const struct network_cfg good_network = { .node_cnt = WORLD_CLIENTS + 1,
						 .delay_min_ns = 20000,
						 .delay_max_ns = 30000 };
static struct world world;

#define RUN(...) world_run(&world, &(const struct world_cfg){ __VA_ARGS__ })

/* One of all, 0 <= i < WORLD_CLIENTS * WORLD_REQUESTS. */
static const struct world_request *
request_at(uint32_t i)
{
	return &world.request[i / WORLD_REQUESTS][i % WORLD_REQUESTS];
}

static void
a_good_network_needs_nothing_again(void **state)
{
	(void)state;
	assert_int_equal(RUN(.seed = 1, .network = &good_network), 0);
	assert_int_equal(world.failed, 0);
	assert_true(world.large > 5);
	world_finish(&world, true);
}

static void
loss_costs_no_request(void **state)
{
	uint64_t again = 0;

	(void)state;
	for (uint64_t seed = 1; seed <= 8; seed++) {
		assert_int_equal(RUN(.seed = seed, .network = &bad_network), 0);
		assert_int_equal(world.failed, 0);
		assert_true(world.network.stats.lost > 100);
		assert_true(world.network.stats.doubled > 50);
		assert_true(world.network.stats.overtaken > 50);
		assert_true(world.drafts > 50);
		assert_true(world.lends > 5);
		again += world.again;
		world_finish(&world, true);
	}
	assert_true(again > 200);
}

static void
cuts_cost_time_only(void **state)
{
	uint64_t cut = 0;

	(void)state;
	for (uint64_t seed = 100; seed < 106; seed++) {
		assert_int_equal(RUN(.seed = seed, .network = &bad_network, .cuts = true), 0);
		assert_int_equal(world.failed, 0);
		cut += world.network.stats.cut;
		world_finish(&world, true);
	}
	assert_true(cut > 60);
}

static void
a_new_server_runs_nothing_twice(void **state)
{
	uint64_t failed = 0;

	(void)state;
	for (uint64_t seed = 200; seed < 206; seed++) {
		assert_int_equal(RUN(.seed = seed, .network = &bad_network, .restart = true), 0);
		failed += world.failed;
		for (uint32_t i = 0; i < WORLD_CLIENTS * WORLD_REQUESTS; i++) {
			const struct world_request *r = request_at(i);

			assert_true(r->err == 0 || r->what.reads == 0); /* asked again */
		}
		world_finish(&world, false);
	}
	assert_true(failed > 0); /* some were on their way: what became of them nobody knows */
}

/* A copy of what ran at the old server comes to the new one, which does not know what to do with
 * it: that does not mean that it has not run. */
static void
a_late_copy_does_not_tell_that_nothing_ran(void **state)
{
	struct network_cfg cfg = bad_network;

	(void)state;
	cfg.double_ppm = 500000;
	cfg.late_ppm = 300000;
	cfg.delay_max_ns = 60000000;
	for (uint64_t seed = 1000; seed < 1010; seed++) {
		assert_int_equal(RUN(.seed = seed, .network = &cfg, .restart = true), 0);
		world_finish(&world, false);
	}
}

/* Requests wait for room; answers without room are lost, which is told. Never a hang. */
static void
scarce_memory_is_waited_for(void **state)
{
	uint64_t lost = 0;

	(void)state;
	for (uint64_t seed = 300; seed < 305; seed++) {
		assert_int_equal(RUN(.seed = seed, .network = &bad_network, .room = SCARCE), 0);
		assert_true(flow_serve_stats(world.serve)->full > 0);
		lost += world.failed;
		assert_true(world.failed < WORLD_CLIENTS * WORLD_REQUESTS / 2);
		world_finish(&world, true);
	}
	assert_true(lost > 0);
}

/* Two clients send what they were granted room for a segment now and then: theirs goes, which they
 * are told, and the third one's requests all have room, and its short answers. */
static void
who_trickles_makes_room(void **state)
{
	/* In the last ones its own long requests had taken all that one client may have, its own
	 * long answers what requests leave, and one that reads had no room for its long answer. */
	static const uint64_t seeds[] = { 900,
					  901,
					  902,
					  903,
					  UINT64_C(4248185999),
					  UINT64_C(2612885076),
					  UINT64_C(1131512409),
					  UINT64_C(2070104364),
					  UINT64_C(489994392) };
	uint32_t busy = 0;

	(void)state;
	for (uint32_t i = 0; i < sizeof(seeds) / sizeof(seeds[0]); i++) {
		assert_int_equal(RUN(.seed = seeds[i], .network = &good_network,
				     .room = WORLD_ROOM / 8, .tricklers = WORLD_CLIENTS - 1),
				 0);
		for (uint32_t n = 0; n < WORLD_REQUESTS; n++) {
			const struct world_request *r = &world.request[WORLD_CLIENTS - 1][n];

			if (r->err != 0) { /* a long answer had no room: this of it is told */
				assert_true(r->what.reply_bytes > 1000);
				assert_true(r->ran > 0);
				assert_int_equal(r->err, r->what.reads != 0 ? MB_ERR_BUSY
									    : MB_ERR_INDETERMINATE);
			}
			busy += world.request[0][n].err == MB_ERR_BUSY;
			assert_true(world.request[0][n].err != MB_ERR_BUSY ||
				    world.request[0][n].ran == 0);
		}
		world_finish(&world, true);
	}
	assert_true(busy > 0);
}

/* A client says goodbye; what of its requests is on its way, late or doubled, runs nothing. */
static void
who_left_runs_nothing_more(void **state)
{
	struct network_cfg cfg = bad_network;
	struct event e;
	uint64_t late = 0;

	(void)state;
	cfg.late_ppm = 300000;
	cfg.double_ppm = 300000;
	for (uint64_t seed = 400; seed < 410; seed++) {
		uint64_t came;

		/* Two of each, so that their client leaves before it is known. */
		assert_int_equal(RUN(.seed = seed, .network = &cfg,
				     .first_request = WORLD_REQUESTS - 2),
				 0);
		for (uint32_t c = 0; c < WORLD_CLIENTS; c++) {
			flow_ask_close(world.ask[c], MB_ERR_CANCELLED);
		}
		came = flow_serve_stats(world.serve)->came;
		while (events_next(&world.events, world.events.now_ns + NS_PER_S, &e)) {
			e.fn(e.ctx, e.arg);
		}
		late += flow_serve_stats(world.serve)->came - came;
		for (uint32_t i = 0; i < WORLD_CLIENTS * WORLD_REQUESTS; i++) {
			const struct world_request *r = request_at(i);

			assert_true(r->ran <= 1 || r->what.reads != 0);
		}
		world_finish(&world, true);
	}
	assert_true(late > 10);
}

/* A way of 100 ms there and back, learned by both ends, of which each had begun with milliseconds:
 * requests of some hundred segments do not stand still, and little is sent twice. */
static void
a_long_way_is_learned(void **state)
{
	const struct network_cfg cfg = { .node_cnt = WORLD_CLIENTS + 1,
					 .delay_min_ns = 50000000,
					 .delay_max_ns = 50100000 };

	(void)state;
	for (uint64_t seed = 502; seed < 503; seed++) {
		assert_int_equal(RUN(.seed = seed, .network = &cfg), 0);
		assert_int_equal(world.failed, 0);
		assert_true(world.events.now_ns - WORLD_START_NS < 11 * NS_PER_S);
		assert_true(world.again < WORLD_CLIENTS * WORLD_REQUESTS / 4);
		world_finish(&world, true);
	}
}

/* Half of the frames overtake the other half: that is no loss, and is not answered as one. */
static void
what_is_late_is_not_lost(void **state)
{
	struct network_cfg cfg = good_network;
	uint64_t again = 0;

	(void)state;
	cfg.late_ppm = 500000;
	cfg.late_ns = 10000000;
	for (uint64_t seed = 602; seed < 603; seed++) {
		assert_int_equal(RUN(.seed = seed, .network = &cfg), 0);
		assert_int_equal(world.failed, 0);
		again += world.again;
		world_finish(&world, true);
	}
	assert_true(again < 1000); /* 2601 when each cut the window */
}

/* The way becomes narrower than the greeting found it, for all that is open and all that follows:
 * requests and answers of one wide datagram, and of many. */
static void
a_way_that_narrows_costs_time_only(void **state)
{
	/* In the last a first segment is lost three times when it is short enough: at a second
	 * each that was too much. */
	static const uint64_t seeds[] = { 700, 701, UINT64_C(57761457019) };

	(void)state;
	for (uint32_t i = 0; i < 3; i++) {
		uint64_t seed = seeds[i];

		assert_int_equal(RUN(.seed = seed,
				     .network = seed % 2 == 0 ? &good_network : &bad_network,
				     .widest = 1160),
				 0);
		assert_int_equal(world.failed, 0);
		assert_true(world.wide > 20);
		assert_true(world.events.now_ns - WORLD_START_NS < 10 * NS_PER_S);
		world_finish(&world, true);
	}
}

/* Of five frames one is lost. The back-off that this leads to does not stay for good, and what
 * was begun anew in short segments is not timed from its beginning. */
static void
heavy_loss_is_got_over(void **state)
{
	struct network_cfg cfg = good_network;
	uint64_t took_ns = 0;

	(void)state;
	cfg.loss_ppm = 200000;
	for (uint64_t seed = 805; seed < 807; seed++) {
		assert_int_equal(RUN(.seed = seed, .network = &cfg), 0);
		assert_int_equal(world.failed, 0);
		took_ns += world.events.now_ns - WORLD_START_NS;
		world_finish(&world, true);
	}
	assert_true(took_ns < 4 * NS_PER_S); /* 5.4 s when it stayed */
	cfg.loss_ppm = 300000;
	assert_int_equal(RUN(.seed = 805, .network = &cfg), 0);
	assert_int_equal(world.failed, 0);
	assert_true(world.events.now_ns - WORLD_START_NS < 10 * NS_PER_S); /* 13.9 s when it was */
	world_finish(&world, true);
}

static void
nobody_there_is_told(void **state)
{
	struct network_cfg cfg = good_network;

	(void)state;
	cfg.loss_ppm = 1000000;
	RUN(.seed = 1, .network = &cfg);
	assert_int_equal(world.failed, WORLD_CLIENTS * WORLD_REQUESTS);
	for (uint32_t c = 0; c < WORLD_CLIENTS; c++) {
		assert_int_equal(world.request[c][0].err, MB_ERR_NO_NODE);
	}
	world_finish(&world, true);
}

/* A server that answered and is silent from then on: what of a request is not known is said only of
 * those that may have changed something. */
static void
silence_leaves_no_doubt_of_what_reads(void **state)
{
	uint32_t doubts = 0;

	(void)state;
	RUN(.seed = 850, .network = &good_network, .widest = 1);
	for (uint32_t i = 0; i < WORLD_CLIENTS * WORLD_REQUESTS; i++) {
		const struct world_request *r = request_at(i);

		assert_int_equal(r->ended, 1);
		assert_true(r->err == 0 || r->err == MB_ERR_NO_NODE ||
			    (r->err == MB_ERR_INDETERMINATE && r->what.reads == 0));
		doubts += r->err == MB_ERR_INDETERMINATE;
	}
	assert_true(doubts > 0);
	world_finish(&world, false);
}

/* The server knows no session at the address that a wall gives its clients from then on. What was
 * on its way is lost; nothing else. */
static void
another_address_costs_what_is_on_its_way(void **state)
{
	static const struct network_cfg *const network[] = { &good_network, &bad_network };

	(void)state;
	for (uint64_t seed = 860; seed < 880; seed++) {
		assert_int_equal(RUN(.seed = seed, .network = network[seed % 2], .moves = true), 0);
		assert_in_range(world.failed, 1, WORLD_CLIENTS * WORLD_AT_ONCE);
		for (uint32_t c = 0; c < WORLD_CLIENTS; c++) {
			assert_int_equal(world.request[c][WORLD_REQUESTS - 1].err, 0);
		}
		world_finish(&world, true);
	}
}

static void
broken_protocols_are_found(void **state)
{
	static const enum world_plant plant[] = { PLANT_NO_DEDUP, PLANT_NO_AGAIN, PLANT_DONE_EARLY,
						  PLANT_DRAFT_ALL };

	(void)state;
	for (uint32_t i = 0; i < sizeof(plant) / sizeof(plant[0]); i++) {
		uint64_t found = 0;

		for (uint64_t seed = 1; seed <= 4; seed++) {
			found += RUN(.seed = seed, .network = &bad_network, .plant = plant[i]) +
				 world.failed;
			world_finish(&world, false);
		}
		printf("plant %u: found %lu times\n", i + 1, (unsigned long)found);
		assert_true(found > 0);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_good_network_needs_nothing_again),
		cmocka_unit_test(loss_costs_no_request),
		cmocka_unit_test(cuts_cost_time_only),
		cmocka_unit_test(a_new_server_runs_nothing_twice),
		cmocka_unit_test(a_late_copy_does_not_tell_that_nothing_ran),
		cmocka_unit_test(scarce_memory_is_waited_for),
		cmocka_unit_test(who_trickles_makes_room),
		cmocka_unit_test(who_left_runs_nothing_more),
		cmocka_unit_test(a_long_way_is_learned),
		cmocka_unit_test(what_is_late_is_not_lost),
		cmocka_unit_test(a_way_that_narrows_costs_time_only),
		cmocka_unit_test(heavy_loss_is_got_over),
		cmocka_unit_test(nobody_there_is_told),
		cmocka_unit_test(silence_leaves_no_doubt_of_what_reads),
		cmocka_unit_test(another_address_costs_what_is_on_its_way),
		cmocka_unit_test(broken_protocols_are_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
