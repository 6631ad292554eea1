/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   a tile's ports deliver every message of every living process, in order, let nobody starve
 *         and nobody keep the tile busy, and survive processes that lie or leave.
 * Method: a daemon's region and those of some processes, all in this one. Failures first: liars,
 * bells
 *         that lost their bits, readers that do not read. Then order, bursts, turns that end early.
 */
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "channel.h"
#include "check.h"
#include "microburst/error.h"
#include "ports.h"
#include "test_cmocka.h"

#define TILE     3u
#define PROC_CNT 4u

struct world {
	struct hints *hints;
	struct region daemon, daemon_view;
	struct ports *ports;
	struct region own[PROC_CNT], view[PROC_CNT];
	struct channel ch[PROC_CNT]; /* the processes' ends */
};

/* Processes are spread over the words of the sets. */
static uint16_t
proc_of(uint32_t i)
{
	static const uint16_t proc[PROC_CNT] = { 1, 63, 64, 383 };

	return proc[i];
}

static void
region_make(enum region_kind kind, uint16_t proc, struct region *ret_own, struct region *ret_view)
{
	int fd;

	REQUIRE(region_create(kind, false, &fd) == 0);
	REQUIRE(region_map_owner(ret_own, kind, fd, proc, 1) == 0);
	REQUIRE(region_seal(fd) == 0);
	REQUIRE(region_map_peer(ret_view, kind, fd) == 0);
	close(fd);
}

static void
join(struct world *w, uint32_t i)
{
	channel_init(&w->ch[i], &w->own[i], TILE, &w->daemon_view,
		     region_daemon_port(TILE, proc_of(i)), &w->hints->tile[TILE], proc_of(i), -1);
}

static struct world *
world_make(void)
{
	struct world *w = calloc(1, sizeof(*w));
	int fd;

	assert_non_null(w);
	REQUIRE(hints_create(&fd, &w->hints) == 0);
	close(fd);
	region_make(REGION_DAEMON, PROC_DAEMON, &w->daemon, &w->daemon_view);
	assert_int_equal(ports_create(&w->ports, &w->daemon, w->hints, TILE), 0);
	for (uint32_t i = 0; i < PROC_CNT; i++) {
		region_make(REGION_PROCESS, proc_of(i), &w->own[i], &w->view[i]);
		join(w, i);
		ports_open(w->ports, proc_of(i), 1, &w->view[i]);
	}
	assert_int_equal(ports_open_cnt(w->ports), PROC_CNT);
	return w;
}

static void
world_end(struct world *w)
{
	for (uint32_t i = 0; i < PROC_CNT; i++) {
		ports_close(w->ports, proc_of(i));
		region_unmap(&w->own[i]);
		region_unmap(&w->view[i]);
	}
	ports_destroy(w->ports);
	region_unmap(&w->daemon);
	region_unmap(&w->daemon_view);
	hints_detach(w->hints);
	free(w);
}

/* Process i sends a message of this number. Returns: as channel_send. */
static int
say(struct world *w, uint32_t i, uint64_t number)
{
	struct desc d = { .kind = DESC_CALL_FIRST, .call = number };

	return channel_send(&w->ch[i], &d);
}

/* How many messages process i can read now; they must be numbered from *next on. */
static uint32_t
read_all(struct world *w, uint32_t i, uint64_t *next)
{
	struct desc d;
	uint32_t cnt = 0;

	while (channel_recv(&w->ch[i], &d) == 1) {
		assert_int_equal(d.call, (*next)++);
		cnt++;
	}
	return cnt;
}

/* One turn that takes up to max messages and answers or waives them. Returns: how many. */
static uint32_t
turn(struct world *w, uint32_t max, bool answer, uint32_t ret_cnt[PROC_CNT])
{
	uint32_t cnt = 0;
	struct desc d;
	uint16_t proc;

	ports_turn(w->ports);
	while (cnt < max && ports_recv(w->ports, &proc, &d) == 1) {
		for (uint32_t i = 0; i < PROC_CNT; i++) {
			ret_cnt[i] += proc == proc_of(i);
		}
		if (answer) {
			ports_answer(w->ports, proc, &d);
		} else {
			ports_waive(w->ports, proc);
		}
		cnt++;
	}
	ports_flush(w->ports);
	return cnt;
}

/* ------------------------------------------------------------------------ failures */

/* A process that shows an index that cannot be: told once, never heard or written to again. */
static void
liar(void **state)
{
	struct world *w = world_make();
	struct desc d = { .kind = DESC_CALL_FIRST };
	uint32_t cnt[PROC_CNT] = { 0 }, inc;
	uint64_t next = 0;
	uint16_t proc;

	(void)state;
	assert_false(ports_bad(w->ports, &proc, &inc));
	atomic_store(&region_tx(&w->own[1], TILE)->v, CHANNEL_DEPTH + 1);
	bell_ring(&w->hints->tile[TILE], proc_of(1));
	assert_int_equal(say(w, 2, 0), 0);
	assert_int_equal(turn(w, 100, true, cnt), 1);
	assert_int_equal(cnt[2], 1);
	assert_true(ports_bad(w->ports, &proc, &inc));
	assert_int_equal(proc, proc_of(1));
	assert_int_equal(inc, 1);
	assert_false(ports_bad(w->ports, &proc, &inc));
	bell_ring(&w->hints->tile[TILE], proc_of(1));
	assert_false(ports_turn(w->ports));
	assert_int_equal(ports_send(w->ports, proc_of(1), &d), 0); /* and goes nowhere */
	ports_flush(w->ports);
	assert_int_equal(read_all(w, 1, &next), 0);
	assert_int_equal(ports_waiting(w->ports), 0);
	world_end(w);
}

/* Bits that a hostile process took off the bell: found before the tile sleeps, and by a tile that
 * never
 * sleeps within PORTS_SWEEP_TURNS. Bits of nobody cost nothing. */
static void
lost_bits(void **state)
{
	struct world *w = world_make();
	uint32_t cnt[PROC_CNT] = { 0 }, turns = 0;
	struct bell *bell = &w->hints->tile[TILE];

	(void)state;
	turn(w, 100, true, cnt); /* the first looks at everything anyway */
	for (uint32_t i = 0; i < BELL_WORDS; i++) {
		atomic_store(&bell->bits[i], UINT64_MAX);
	}
	assert_int_equal(turn(w, 100, true, cnt), 0);
	assert_int_equal(say(w, 0, 1), 0);
	atomic_store(&bell->bits[0], 0);
	assert_int_equal(turn(w, 100, true, cnt), 0);
	ports_arm(w->ports);
	assert_int_equal(turn(w, 100, true, cnt), 1);
	ports_disarm(w->ports);
	assert_int_equal(say(w, 0, 2), 0);
	atomic_store(&bell->bits[0], 0);
	while (turn(w, 100, true, cnt) == 0) {
		assert_true(++turns <= PORTS_SWEEP_TURNS);
	}
	world_end(w);
}

/* Who does not read his answers is not listened to, keeps no tile awake, and gets all of them in
 * the end,
 * in order; the others do not notice. */
static void
reader_that_does_not_read(void **state)
{
	struct world *w = world_make();
	uint32_t cnt[PROC_CNT] = { 0 }, turns = 0;
	uint64_t said = 0, next[2] = { 0 };
	struct desc d = { .kind = DESC_CALL_FIRST };

	(void)state;
	while (turns < 10) {
		while (say(w, 0, said) == 0) {
			said++;
		}
		turns = turn(w, 1000, true, cnt) == 0 ? turns + 1 : 0;
	}
	/* A channel full of answers, as many again that wait here, as many requests not taken. */
	assert_int_equal(cnt[0], 2 * CHANNEL_DEPTH);
	assert_int_equal(ports_waiting(w->ports), PORTS_WAITING_MAX);
	assert_int_equal(said, 3 * CHANNEL_DEPTH);
	assert_false(ports_turn(w->ports));
	assert_int_equal(ports_sleep_ns(w->ports), PORTS_RETRY_NS);
	assert_int_equal(ports_send(w->ports, proc_of(0), &d), MB_ERR_FULL);
	assert_int_equal(say(w, 1, 0), 0);
	assert_int_equal(turn(w, 100, true, cnt), 1);
	assert_int_equal(read_all(w, 1, &next[1]), 1);
	while (next[0] < said) {
		read_all(w, 0, &next[0]);
		turn(w, 1000, true, cnt);
	}
	assert_int_equal(ports_waiting(w->ports), 0);
	assert_int_equal(ports_sleep_ns(w->ports), WAIT_MAX_NS);
	world_end(w);
}

/* Requests that are taken and not answered yet count as well: an answer always has its place. */
static void
owed(void **state)
{
	struct world *w = world_make();
	struct desc d = { .kind = DESC_CALL_FIRST };
	uint32_t taken = 0;
	uint64_t said = 0;
	uint16_t proc;

	(void)state;
	for (uint32_t i = 0; i < 50; i++) {
		while (say(w, 0, said) == 0) {
			said++;
		}
		ports_turn(w->ports);
		while (ports_recv(w->ports, &proc, &d) == 1) {
			taken++;
		}
	}
	assert_int_equal(taken, PORTS_WAITING_MAX);
	assert_int_equal(ports_send(w->ports, proc_of(0), &d), MB_ERR_FULL);
	for (uint32_t i = 0; i < taken; i++) {
		ports_answer(w->ports, proc_of(0), &d);
	}
	ports_flush(w->ports);
	assert_int_equal(ports_waiting(w->ports), 0);
	world_end(w);
}

static void
closed(void **state)
{
	struct world *w = world_make();
	uint32_t cnt[PROC_CNT] = { 0 };
	struct desc d = { .kind = DESC_CALL_FIRST };
	uint64_t next = 7;

	(void)state;
	assert_int_equal(say(w, 3, 1), 0);
	ports_close(w->ports, proc_of(3));
	ports_close(w->ports, proc_of(3));
	assert_int_equal(ports_inc(w->ports, proc_of(3)), 0);
	assert_int_equal(ports_last_inc(w->ports, proc_of(3)), 1);
	assert_false(call_id_is_after(call_id_make(proc_of(3), 1, 7), 1));
	assert_true(call_id_is_after(call_id_make(proc_of(3), 2, 7), 1));
	assert_false(call_id_is_after(call_id_make(proc_of(3), 1, 7), 2));
	assert_true(call_id_is_after(call_id_make(proc_of(3), 0x4000, 7), 0x3fff));
	assert_int_equal(turn(w, 100, true, cnt), 0);
	assert_int_equal(ports_send(w->ports, proc_of(3), &d), MB_ERR_PEER_DIED);
	ports_answer(w->ports, proc_of(3), &d);
	ports_waive(w->ports, proc_of(3));
	/* The next process of that index begins from nothing; what it sent before is received. */
	region_unmap(&w->own[3]);
	region_unmap(&w->view[3]);
	region_make(REGION_PROCESS, proc_of(3), &w->own[3], &w->view[3]);
	join(w, 3);
	assert_int_equal(say(w, 3, 7), 0);
	ports_open(w->ports, proc_of(3), 2, &w->view[3]);
	assert_int_equal(ports_inc(w->ports, proc_of(3)), 2);
	assert_int_equal(ports_last_inc(w->ports, proc_of(3)), 2);
	assert_int_equal(turn(w, 100, true, cnt), 1);
	assert_int_equal(read_all(w, 3, &next), 1);
	world_end(w);
}

/* ------------------------------------------------------------------------- fairness */

static void
bursts(void **state)
{
	struct world *w = world_make();
	uint32_t cnt[PROC_CNT] = { 0 };

	(void)state;
	for (uint32_t i = 0; i < PROC_CNT; i++) {
		for (uint32_t n = 0; n < 3 * PORTS_BURST; n++) {
			assert_int_equal(say(w, i, n), 0);
		}
	}
	for (uint32_t n = 1; n <= 3; n++) {
		assert_int_equal(turn(w, 1000, false, cnt), PROC_CNT * PORTS_BURST);
		for (uint32_t i = 0; i < PROC_CNT; i++) {
			assert_int_equal(cnt[i], n * PORTS_BURST);
		}
	}
	assert_int_equal(turn(w, 1000, false, cnt), 0);
	world_end(w);
}

/* A tile that takes few messages a turn goes on where it stopped: the last of them gets as much. */
static void
turns_that_end_early(void **state)
{
	struct world *w = world_make();
	uint32_t cnt[PROC_CNT] = { 0 };

	(void)state;
	for (uint32_t run = 0; run < 400; run++) {
		for (uint32_t i = 0; i < PROC_CNT; i++) {
			while (say(w, i, 0) == 0) {
			}
		}
		turn(w, 5, false, cnt);
	}
	for (uint32_t i = 0; i < PROC_CNT; i++) {
		assert_in_range(cnt[i], 2000 / PROC_CNT - 2 * PORTS_BURST,
				2000 / PROC_CNT + 2 * PORTS_BURST);
	}
	world_end(w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(liar),
		cmocka_unit_test(lost_bits),
		cmocka_unit_test(reader_that_does_not_read),
		cmocka_unit_test(owed),
		cmocka_unit_test(closed),
		cmocka_unit_test(bursts),
		cmocka_unit_test(turns_that_end_early),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
