/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   whatever a peer's half of a channel shows, our end takes it for the truth, if it can be
 *         true, or is closed for good; it writes nothing into the peer's half; a sound peer gets
 *         every element once, in order.
 * Method: two ends in one process, the peer's half mapped read-only as in two. Every foreign index
 *         near the edges and at the extremes, from several starting points; then random sends and
 *         receives beside a counter. Two real processes: channel_process_test.c; every
 *         interleaving: tests/prop/rt. */
#include "channel.h"

#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "rng.h"
#include "test_cmocka.h"
#include "test_death.h"
#include "test_pair.h"
#include "test_seed.h"

enum { US = 0, PEER = 1, NEAR = 3 * CHANNEL_DEPTH, STEPS = 2000000 };

/* Where the indices may stand when something strange happens. */
static const uint64_t starts[] = { 0,
				   1,
				   CHANNEL_DEPTH - 1,
				   CHANNEL_DEPTH,
				   1000003,
				   UINT64_C(1) << 32,
				   UINT64_MAX / 2,
				   UINT64_MAX - 2 * CHANNEL_DEPTH };

static struct test_pair pair;

static int
setup(void **state)
{
	test_pair_open(&pair);
	return 0;
}

static int
teardown(void **state)
{
	test_pair_close(&pair);
	return 0;
}

/* Puts both directions at start: as if so many elements had passed. */
static void
start_at(uint64_t start)
{
	test_pair_join(&pair);
	for (uint32_t i = 0; i < 2; i++) {
		struct channel *ch = &pair.end[i];

		ch->tail = ch->head_seen = ch->head = ch->tail_seen = start;
		ch->tx_tail->v = start;
		ch->rx_head->v = start;
	}
}

/* The peer's words, through its own mapping: a hostile peer writes what it likes. */
static _Atomic uint64_t *
peer_head(void)
{
	return &pair.end[PEER].rx_head->v;
}

static _Atomic uint64_t *
peer_tail(void)
{
	return &pair.end[PEER].tx_tail->v;
}

static void
closed_for_good(void)
{
	struct channel *ch = &pair.end[US];
	struct region peer = pair.view[PEER];
	struct desc d = test_desc(0);

	*peer_head() = ch->tail;
	*peer_tail() = ch->head + 1;
	/* "never read again": it could even be gone. */
	mprotect((void *)(uintptr_t)peer.base, peer.at.bytes, PROT_NONE);
	for (uint32_t i = 0; i < 3; i++) {
		assert_int_equal(channel_recv(ch, &d), MB_ERR_PEER_CORRUPT);
		assert_int_equal(channel_space(ch, 1), MB_ERR_PEER_CORRUPT);
		assert_int_equal(channel_space(ch, CHANNEL_DEPTH), MB_ERR_PEER_CORRUPT);
		assert_int_equal(channel_put(ch, &d), MB_ERR_PEER_CORRUPT);
		assert_int_equal(channel_send(ch, &d), MB_ERR_PEER_CORRUPT);
		channel_flush(ch);
		assert_int_equal(ch->err, MB_ERR_PEER_CORRUPT);
	}
	mprotect((void *)(uintptr_t)peer.base, peer.at.bytes, PROT_READ);
}

/* ---------------------------------------------------------------- foreign indices */

/* With elements in flight from ours tail - used to tail, the peer's head reads value. */
static void
try_head(uint64_t start, uint32_t used, uint64_t value)
{
	struct channel *ch = &pair.end[US];
	struct desc d = test_desc(0);
	uint64_t taken = value - start;
	int n;

	start_at(start);
	for (uint32_t i = 0; i < used; i++) {
		assert_int_equal(channel_send(ch, &d), 0);
	}
	*peer_head() = value;
	n = channel_space(ch, CHANNEL_DEPTH + 1); /* more than ever fits: it looks at head */
	if (taken > used) {
		assert_int_equal(n, MB_ERR_PEER_CORRUPT);
		closed_for_good();
	} else {
		assert_int_equal(n, CHANNEL_DEPTH - used + taken);
		assert_int_equal(ch->head_seen, value);
	}
}

static void
a_foreign_head_is_sound_or_the_end(void **state)
{
	const uint32_t fill[] = { 0, 1, CHANNEL_DEPTH / 2, CHANNEL_DEPTH };
	const uint64_t odd[] = { 0,
				 1,
				 CHANNEL_DEPTH,
				 UINT32_MAX,
				 UINT64_C(1) << 32,
				 UINT64_MAX / 2,
				 UINT64_MAX / 2 + 1,
				 UINT64_MAX - CHANNEL_DEPTH,
				 UINT64_MAX - 1,
				 UINT64_MAX };

	for (uint32_t s = 0; s < ARRAY_CNT(starts); s++) {
		for (uint32_t f = 0; f < ARRAY_CNT(fill); f++) {
			for (int32_t near = -NEAR; near <= NEAR; near++) {
				try_head(starts[s], fill[f], starts[s] + (uint64_t)(int64_t)near);
			}
			for (uint32_t o = 0; o < ARRAY_CNT(odd); o++) {
				try_head(starts[s], fill[f], odd[o]);
				try_head(starts[s], fill[f], starts[s] + odd[o]);
			}
		}
	}
}

/* The head was seen at 5, and goes back: also a sound value, long ago. */
static void
a_head_that_goes_back_is_the_end(void **state)
{
	struct channel *ch = &pair.end[US];

	for (uint64_t back = 0; back < 5; back++) {
		start_at(0);
		for (uint64_t i = 0; i < 8; i++) {
			struct desc d = test_desc(i);

			assert_int_equal(channel_send(ch, &d), 0);
		}
		*peer_head() = 5;
		assert_int_equal(channel_space(ch, CHANNEL_DEPTH), CHANNEL_DEPTH - 3);
		*peer_head() = back;
		assert_int_equal(channel_space(ch, CHANNEL_DEPTH), MB_ERR_PEER_CORRUPT);
		closed_for_good();
	}
}

static void
try_tail(uint64_t start, uint64_t value)
{
	struct channel *ch = &pair.end[US];
	uint64_t cnt = value - start;
	struct desc d;

	start_at(start);
	for (uint64_t i = 0; i < CHANNEL_DEPTH; i++) {
		region_slots(&pair.own[PEER], TEST_PAIR_PORT + PEER)[(start + i) % CHANNEL_DEPTH] =
			test_desc(start + i);
	}
	*peer_tail() = value;
	if (cnt > CHANNEL_DEPTH) {
		assert_int_equal(channel_recv(ch, &d), MB_ERR_PEER_CORRUPT);
		closed_for_good();
		return;
	}
	for (uint64_t i = 0; i < cnt; i++) {
		assert_int_equal(channel_recv(ch, &d), 1);
		assert_true(test_desc_is(&d, start + i));
		assert_int_equal(ch->rx_head->v, start + i + 1);
	}
	assert_int_equal(channel_recv(ch, &d), 0);
}

static void
a_foreign_tail_is_sound_or_the_end(void **state)
{
	const uint64_t odd[] = { 0,
				 1,
				 UINT32_MAX,
				 UINT64_C(1) << 32,
				 UINT64_MAX / 2,
				 UINT64_MAX / 2 + 1,
				 UINT64_MAX - 1,
				 UINT64_MAX };

	for (uint32_t s = 0; s < ARRAY_CNT(starts); s++) {
		for (int32_t near = -NEAR; near <= NEAR; near++) {
			try_tail(starts[s], starts[s] + (uint64_t)(int64_t)near);
		}
		for (uint32_t o = 0; o < ARRAY_CNT(odd); o++) {
			try_tail(starts[s], odd[o]);
			try_tail(starts[s], starts[s] + odd[o]);
		}
	}
}

/* What was published before the lie is not delivered after it. */
static void
a_lie_in_one_direction_closes_both(void **state)
{
	struct channel *ch = &pair.end[US];
	struct desc d;

	for (uint64_t i = 0; i < 4; i++) {
		d = test_desc(i);
		assert_int_equal(channel_send(&pair.end[PEER], &d), 0);
	}
	assert_int_equal(channel_recv(ch, &d), 1);
	*peer_head() = 1;
	assert_int_equal(channel_space(ch, CHANNEL_DEPTH + 1), MB_ERR_PEER_CORRUPT);
	closed_for_good();
}

/* ---------------------------------------------------------------- taken */

static void
taken_is_what_the_peer_has_read(void **state)
{
	struct channel *ch = &pair.end[US];
	struct desc d;

	for (uint64_t i = 0; i < 6; i++) {
		d = test_desc(i);
		assert_int_equal(channel_send(ch, &d), 0);
	}
	for (uint64_t read = 0; read < 6; read++) {
		for (uint64_t seq = 0; seq < 8; seq++) {
			assert_int_equal(channel_taken(ch, seq), seq < read);
		}
		assert_int_equal(channel_recv(&pair.end[PEER], &d), 1);
	}
	/* An impossible head is not believed. */
	*peer_head() = 7;
	assert_false(channel_taken(ch, 5));
	*peer_head() = UINT64_MAX;
	assert_false(channel_taken(ch, 0));
}

/* ---------------------------------------------------------------- full, batches, bells */

static void
full_is_full_until_one_is_read(void **state)
{
	struct channel *ch = &pair.end[US];
	struct desc d;

	for (uint64_t i = 0; i < CHANNEL_DEPTH; i++) {
		assert_int_equal(channel_space(ch, 1), CHANNEL_DEPTH - i);
		d = test_desc(i);
		assert_int_equal(channel_send(ch, &d), 0);
	}
	d = test_desc(CHANNEL_DEPTH);
	for (uint32_t i = 0; i < 3; i++) {
		assert_int_equal(channel_space(ch, 1), 0);
		assert_int_equal(channel_send(ch, &d), MB_ERR_FULL);
		assert_int_equal(channel_put(ch, &d), MB_ERR_FULL);
	}
	assert_int_equal(ch->tx_tail->v, CHANNEL_DEPTH); /* nothing was sent */
	assert_int_equal(channel_recv(&pair.end[PEER], &d), 1);
	assert_true(test_desc_is(&d, 0));
	assert_int_equal(channel_space(ch, 1), 1);
	d = test_desc(CHANNEL_DEPTH);
	assert_int_equal(channel_send(ch, &d), 0);
	assert_int_equal(channel_send(ch, &d), MB_ERR_FULL);
	for (uint64_t i = 1; i <= CHANNEL_DEPTH; i++) {
		assert_int_equal(channel_recv(&pair.end[PEER], &d), 1);
		assert_true(test_desc_is(&d, i));
	}
	assert_int_equal(channel_recv(&pair.end[PEER], &d), 0);
}

static void
what_is_put_shows_when_it_is_flushed(void **state)
{
	struct channel *ch = &pair.end[US];
	struct desc d;

	for (uint64_t i = 0; i < 3; i++) {
		d = test_desc(i);
		assert_int_equal(channel_put(ch, &d), 0);
	}
	assert_int_equal(channel_recv(&pair.end[PEER], &d), 0);
	assert_int_equal(pair.hints->proc[PEER].bits[0], 0);
	channel_flush(ch);
	assert_int_equal(bell_take(&pair.hints->proc[PEER], 0), UINT64_C(1)
									<< (TEST_PAIR_PORT + PEER));
	for (uint64_t i = 0; i < 3; i++) {
		assert_int_equal(channel_recv(&pair.end[PEER], &d), 1);
		assert_true(test_desc_is(&d, i));
	}
	assert_int_equal(channel_recv(&pair.end[PEER], &d), 0);
}

/* A tile sleeps on its lcore's eventfd: written once, by whoever takes the flag down. */
static void
a_sleeping_tile_is_woken_once(void **state)
{
	struct channel *ch = &pair.end[US];
	struct desc d = test_desc(0);
	uint64_t cnt;

	ch->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	assert_int_equal(channel_send(ch, &d), 0);
	assert_int_equal(read(ch->wake_fd, &cnt, sizeof(cnt)), -1); /* nobody waits */
	bell_arm(&pair.hints->proc[PEER]);
	assert_int_equal(channel_send(ch, &d), 0);
	assert_int_equal(channel_send(ch, &d), 0);
	assert_int_equal(read(ch->wake_fd, &cnt, sizeof(cnt)), sizeof(cnt));
	assert_int_equal(cnt, 1);
	assert_int_equal(pair.hints->proc[PEER].waiting, 0);
	/* A full eventfd, and one that is no more, do no harm. */
	cnt = UINT64_MAX - 1;
	assert_int_equal(write(ch->wake_fd, &cnt, sizeof(cnt)), sizeof(cnt));
	channel_wake(ch);
	close(ch->wake_fd);
	channel_wake(ch);
}

/* ---------------------------------------------------------------- ends */

static void
a_cleared_port_can_be_used_again(void **state)
{
	struct desc d;

	for (uint32_t round = 0; round < 3; round++) {
		test_pair_join(&pair);
		for (uint64_t i = 0; i < 10; i++) {
			d = test_desc(i);
			assert_int_equal(channel_send(&pair.end[US], &d), 0);
			assert_int_equal(channel_send(&pair.end[PEER], &d), 0);
			assert_int_equal(channel_recv(&pair.end[US], &d), 1);
			assert_true(test_desc_is(&d, i));
		}
		for (uint32_t i = 0; i < 2; i++) {
			channel_clear(&pair.end[i]);
			assert_int_equal(channel_send(&pair.end[i], &d), MB_ERR_PEER_DIED);
			assert_int_equal(channel_space(&pair.end[i], 1), MB_ERR_PEER_DIED);
			assert_int_equal(channel_recv(&pair.end[i], &d), 0);
			channel_flush(&pair.end[i]);
			assert_int_equal(region_rx(&pair.own[i], TEST_PAIR_PORT + i)->v, 0);
			assert_int_equal(region_tx(&pair.own[i], TEST_PAIR_PORT + i)->v, 0);
		}
	}
}

/* The mapping of somebody else's region is no place to write. */
static void
init_in_a_foreign_region(void *arg)
{
	struct channel ch;

	channel_init(&ch, &pair.view[PEER], 0, &pair.view[PEER], 0, &pair.hints->proc[PEER], 0, -1);
}

static void
init_past_the_last_port(void *arg)
{
	struct channel ch;

	channel_init(&ch, &pair.own[US], PORT_CNT, &pair.view[PEER], 0, &pair.hints->proc[PEER], 0,
		     -1);
}

static void
init_past_the_peers_last_port(void *arg)
{
	struct channel ch;

	channel_init(&ch, &pair.own[US], 0, &pair.view[PEER], PORT_CNT, &pair.hints->proc[PEER], 0,
		     -1);
}

static void
init_past_the_last_bit(void *arg)
{
	struct channel ch;

	channel_init(&ch, &pair.own[US], 0, &pair.view[PEER], 0, &pair.hints->proc[PEER],
		     BELL_WORDS * 64, -1);
}

static void
misuse_stops_the_process(void **state)
{
	char text[TEST_DEATH_TEXT_BYTES];

	assert_true(test_dies(init_in_a_foreign_region, NULL, text));
	assert_true(test_dies(init_past_the_last_port, NULL, text));
	assert_true(test_dies(init_past_the_peers_last_port, NULL, text));
	assert_true(test_dies(init_past_the_last_bit, NULL, text));
}

/* ---------------------------------------------------------------- a sound peer */

static void
random_traffic_arrives_once_and_in_order(void **state)
{
	uint64_t put[2] = { 0 }, flushed[2] = { 0 }, received[2] = { 0 };
	uint32_t full = 0;
	struct rng rng;
	struct desc d;

	rng_init(&rng, test_seed("channel"));
	start_at(0);
	for (uint32_t step = 0; step < STEPS; step++) {
		uint32_t side = (uint32_t)rng_below(&rng, 2);
		struct channel *ch = &pair.end[side];
		int n;

		switch (rng_below(&rng, 5)) {
		case 0:
		case 1:
			d = test_desc(put[side]);
			n = channel_put(ch, &d);
			if (n == 0) {
				put[side]++;
			} else {
				assert_int_equal(n, MB_ERR_FULL);
				assert_int_equal(put[side] - received[1 - side], CHANNEL_DEPTH);
				full++;
			}
			break;
		case 2:
			channel_flush(ch);
			flushed[side] = put[side];
			break;
		default:
			n = channel_recv(ch, &d);
			assert_int_equal(n, flushed[1 - side] > received[side]);
			if (n == 1) {
				assert_true(test_desc_is(&d, received[side]));
				received[side]++;
			}
			break;
		}
	}
	assert_true(received[0] > STEPS / 8 && received[1] > STEPS / 8 && full > 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(misuse_stops_the_process),
		TEST(a_foreign_head_is_sound_or_the_end),
		TEST(a_head_that_goes_back_is_the_end),
		TEST(a_foreign_tail_is_sound_or_the_end),
		TEST(a_lie_in_one_direction_closes_both),
		TEST(taken_is_what_the_peer_has_read),
		TEST(full_is_full_until_one_is_read),
		TEST(what_is_put_shows_when_it_is_flushed),
		TEST(a_sleeping_tile_is_woken_once),
		TEST(a_cleared_port_can_be_used_again),
		TEST(random_traffic_arrives_once_and_in_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
