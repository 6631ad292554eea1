/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   a process hears everybody who has something to say, whatever one of them does: sends
 *         without end, scribbles over the bell, breaks the rules, dies; what it owes ctl arrives.
 * Method: the process under test alone, the test plays ctl and twelve others (test_domain.h). A
 *         flood is a queue that is filled again before every poll. Random hostility:
 *         tests/fuzz/domain_poll_fuzz.c. */
#include <pthread.h>
#include <stdio.h>

#include "test_cmocka.h"
#include "test_domain.h"
#include "timebase.h"

enum {
	PEERS = TEST_DOMAIN_PEER_MAX,
	CALL = DESC_CALL_FIRST,
	/* A look at the bell, or at all ports, finds one port; none is passed over twice. */
	TURNS = 2 * PORT_SWEEP + 2 * PEERS * BELL_SWEEP,
};

static struct test_domain t;
static struct domain *const d = &t.d;
static uint32_t heard[PEERS]; /* messages of each peer since the test began */

/* What domain_events said. */
static struct {
	uint32_t closed, dead, drain;
	int closed_err;
	uint16_t closed_proc;
} events;

static void
on_closed(void *ctx, struct channel *ch, int err)
{
	events.closed++;
	events.closed_err = err;
	events.closed_proc = ch->proc;
}

static void
on_dead(void *ctx, const struct desc *m)
{
	events.dead++;
}

static void
on_drain(void *ctx)
{
	events.drain++;
}

static int
setup(void **state)
{
	if (t.hints == NULL) {
		test_domain_make(&t, PEERS);
	}
	test_domain_begin(&t);
	d->events =
		(struct domain_events){ .closed = on_closed, .dead = on_dead, .drain = on_drain };
	memset(&events, 0, sizeof(events));
	memset(heard, 0, sizeof(heard));
	return 0;
}

static int
teardown(void **state)
{
	test_domain_end(&t);
	return 0;
}

static void
say(uint32_t peer, uint8_t kind)
{
	struct desc m = { .kind = kind, .call = peer };

	assert_int_equal(channel_send(&t.peer[peer].end, &m), 0);
}

static void
flood(uint32_t peer, uint8_t kind)
{
	struct desc m = { .kind = kind, .call = peer };

	while (channel_send(&t.peer[peer].end, &m) == 0) {
	}
}

/* One poll. Returns what it returned; counts who was heard. */
static int
poll_once(void)
{
	struct channel *ch;
	struct desc m;
	int n = domain_poll(d, &m, &ch);

	assert_true(n == 0 || n == 1);
	if (n == 1) {
		assert_ptr_equal(ch, &d->ch[t.peer[m.call].port]);
		heard[m.call]++;
	}
	return n;
}

static void
poll_turns(uint32_t turns)
{
	for (uint32_t i = 0; i < turns; i++) {
		poll_once();
	}
}

/* Takes the next message of kind that the process sent to ctl. */
static bool
ctl_heard(uint8_t kind, struct desc *ret)
{
	while (channel_recv(&t.ctl, ret) == 1) {
		if (ret->kind == kind) {
			return true;
		}
	}
	return false;
}

/* ---------------------------------------------------------------- floods */

static void
no_flood_keeps_others_out(void **state)
{
	const uint32_t floods[] = { 1, HOT_CNT - 1, HOT_CNT, HOT_CNT + 1, PEERS - 2 };

	for (uint32_t f = 0; f < ARRAY_CNT(floods); f++) {
		struct desc m = { .kind = DESC_DRAIN };

		teardown(state);
		setup(state);
		for (uint32_t turn = 0; turn < TURNS; turn++) {
			for (uint32_t i = 0; i < floods[f]; i++) {
				flood(i, CALL);
			}
			poll_once();
			if (turn == TURNS / 4) { /* now that they are hot */
				say(PEERS - 1, CALL);
				assert_int_equal(channel_send(&t.ctl, &m), 0);
				m = test_domain_dead(&t.peer[PEERS - 2]);
				assert_int_equal(channel_send(&t.ctl, &m), 0);
			}
		}
		assert_int_equal(heard[PEERS - 1], 1);
		assert_int_equal(events.drain, 1);
		assert_int_equal(events.dead, 1);
		for (uint32_t i = 0; i < floods[f]; i++) { /* nor each other */
			assert_in_range(heard[i], TURNS / floods[f] / 8, TURNS);
		}
	}
}

/* Messages that are handled inside, sent as fast as they are taken. */
static void *
release_for_ever(void *stop)
{
	struct desc m = { .kind = DESC_RELEASE };

	while (atomic_load_explicit((_Atomic bool *)stop, memory_order_relaxed) == false) {
		channel_send(&t.peer[0].end, &m);
	}
	return NULL;
}

static void
a_poll_ends(void **state)
{
	static _Atomic bool stop;
	pthread_t thread;
	uint32_t ns_max = 0;

	stop = false;
	assert_int_equal(pthread_create(&thread, NULL, release_for_ever, &stop), 0);
	for (uint32_t turn = 0; turn < 20000; turn++) {
		uint64_t ns = timebase_now_ns(timebase_real());

		poll_once();
		ns = timebase_now_ns(timebase_real()) - ns;
		ns_max = (uint32_t)MAX(ns, (uint64_t)ns_max);
	}
	say(1, CALL);
	poll_turns(TURNS);
	stop = true;
	pthread_join(thread, NULL);
	assert_int_equal(heard[1], 1);
	printf("the longest of 20000 polls under a flood: %u us\n", ns_max / 1000);
}

/* ---------------------------------------------------------------- lost bits */

static void
a_lost_bit_is_found_without_a_sleep(void **state)
{
	for (uint32_t i = 0; i < PEERS; i++) {
		say(i, CALL);
	}
	for (uint32_t turn = 0; turn < PEERS * PORT_SWEEP + 1; turn++) {
		d->bell->bits[0] = d->bell->bits[1] = 0;
		poll_once();
	}
	for (uint32_t i = 0; i < PEERS; i++) {
		assert_int_equal(heard[i], 1);
	}
}

static void
a_lost_bit_is_found_before_a_sleep(void **state)
{
	struct channel *ch;
	struct desc m;

	for (uint32_t i = 0; i < PEERS; i++) {
		say(i, CALL);
	}
	d->bell->bits[0] = d->bell->bits[1] = 0;
	for (uint32_t i = 0; i < PEERS; i++) {
		assert_int_equal(domain_wait(d, AWAIT_ANY, 0, &m, &ch), 1);
		heard[m.call]++;
	}
	for (uint32_t i = 0; i < PEERS; i++) {
		assert_int_equal(heard[i], 1);
	}
	assert_int_equal(domain_wait(d, AWAIT_DAEMON, timebase_now_ns(timebase_real()) + NS_PER_MS,
				     &m, &ch),
			 0);
}

static void
bits_of_nothing_are_harmless(void **state)
{
	for (uint32_t turn = 0; turn < 10 * BELL_SWEEP; turn++) {
		d->bell->bits[0] = d->bell->bits[1] = UINT64_MAX;
		assert_int_equal(poll_once(), 0);
	}
	d->bell->bits[0] = d->bell->bits[1] = 0;
	say(3, CALL);
	poll_turns(BELL_SWEEP + 1);
	assert_int_equal(heard[3], 1);
}

/* ---------------------------------------------------------------- who breaks the rules */

static void
a_liars_channel_is_closed(void **state)
{
	struct desc m;

	say(2, CALL);
	t.peer[2].end.tx_tail->v = 1000;
	say(4, CALL);
	poll_turns(2 * BELL_SWEEP);
	assert_int_equal(heard[2], 0);
	assert_int_equal(heard[4], 1);
	assert_int_equal(events.closed, 1);
	assert_int_equal(events.closed_err, MB_ERR_PEER_CORRUPT);
	assert_int_equal(events.closed_proc, t.peer[2].proc);
	assert_true(ctl_heard(DESC_CLOSE, &m));
	assert_int_equal(m.a, t.peer[2].port);
	assert_int_equal(m.err, MB_ERR_PEER_CORRUPT);
	assert_null(domain_channel(d, t.peer[2].proc));
}

/* Only ctl may say what the domain's own kinds say. */
static void
what_others_say_about_the_domain_is_ignored(void **state)
{
	struct desc m;

	for (unsigned int kind = 0; kind < DESC_CALL_FIRST; kind++) {
		m = test_domain_dead(&t.peer[5]);
		m.kind = (uint8_t)kind;
		m.a = t.peer[5].port;
		assert_int_equal(channel_send(&t.peer[0].end, &m), 0);
	}
	say(5, CALL);
	poll_turns(2 * BELL_SWEEP);
	assert_int_equal(heard[5], 1);
	assert_int_equal(events.dead + events.closed + events.drain, 0);
	assert_int_equal(channel_recv(&t.ctl, &m), 0);
}

static void
nobody_gives_back_what_others_hold(void **state)
{
	struct payload_ref ref;
	struct desc m = { .kind = DESC_RELEASE,
			  .a = t.peer[1].proc, /* as if it came through a tile */
			  .release = { TEST_DOMAIN_INC, TEST_DOMAIN_US, 8 } };
	const uint8_t *view;
	uint8_t *p;

	assert_int_equal(payload_alloc(d->pool, 100, t.peer[1].proc, &ref, &p), 0);
	for (uint32_t i = 0; i < 8; i++) {
		m.release.handle[i] = ref.handle;
	}
	assert_int_equal(channel_send(&t.peer[0].end, &m), 0);
	poll_turns(2 * BELL_SWEEP);
	assert_int_equal(payload_alive(d->pool), 1);
	/* Nor does a reference that somebody sends us give anything back. */
	assert_int_equal(payload_hold(d->pool, ref.handle, TEST_DOMAIN_US), 0);
	assert_int_equal(domain_view(d, &ref, &view), 0);
	domain_release(d, &ref);
	assert_int_equal(payload_release(d->pool, ref.handle, TEST_DOMAIN_US), 0);
	assert_int_equal(payload_release(d->pool, ref.handle, TEST_DOMAIN_US), MB_ERR_NOT_FOUND);
	/* From who holds it, it counts, once. */
	assert_int_equal(channel_send(&t.peer[1].end, &m), 0);
	assert_int_equal(domain_view(d, &ref, &view), 0);
	poll_turns(2 * BELL_SWEEP);
	assert_int_equal(payload_alive(d->pool), 1); /* we are looking at it */
	domain_drop(d, &ref);
	assert_int_equal(payload_alive(d->pool), 0);
}

/* Takes all RELEASEs of a peer's payloads that have come at its end or at sched's, and marks their
 * handles. */
static void
releases_take(struct channel *end, uint16_t proc, uint8_t *seen)
{
	struct desc m;

	while (channel_recv(end, &m) == 1) {
		if (m.kind == DESC_RELEASE) {
			assert_int_equal(m.release.proc, proc);
			assert_int_equal(m.release.inc, TEST_DOMAIN_INC);
			for (uint32_t i = 0; i < m.release.cnt; i++) {
				seen[m.release.handle[i]]++;
			}
		}
	}
}

/* Who reads an executor's results gives back more at once than its channel holds, and it does not
 * read: it runs a function. */
static void
no_hold_is_lost_in_a_full_queue(void **state)
{
	static const struct desc note = { .kind = DESC_PONG };
	enum { HOLDS = 1024 };
	static uint8_t seen[HOLDS];
	struct test_peer *peer = &t.peer[3];
	struct payload_ref ref = { .proc = peer->proc,
				   .inc = TEST_DOMAIN_INC,
				   .seg = TEST_DOMAIN_SEG,
				   .len = TEST_DOMAIN_SEG_BYTES };
	struct channel sched;
	const uint8_t *p;

	channel_init(&sched, &t.daemon_own, region_daemon_port(PORT_SCHED, TEST_DOMAIN_US),
		     &t.own_view, PORT_SCHED, d->bell, PORT_SCHED, -1);
	memset(seen, 0, sizeof(seen));
	for (uint32_t round = 0; round < 2; round++) { /* in the second one sched is busy, too */
		while (round == 1 && channel_send(&d->ch[PORT_SCHED], &note) == 0) {
		}
		for (ref.handle = 0; ref.handle < HOLDS; ref.handle++) {
			assert_int_equal(domain_view(d, &ref, &p), 0);
			domain_release(d, &ref);
		}
		assert_int_equal(domain_returns(d) >= RETURNS_BATCH, round == 1);
		for (uint32_t i = 0; i < HOLDS / RETURNS_BATCH; i++) {
			releases_take(&sched, peer->proc, seen);
			poll_turns(BELL_SWEEP);
		}
		releases_take(&peer->end, peer->proc, seen);
		assert_int_equal(domain_returns(d), 0);
		for (uint32_t i = 0; i < HOLDS; i++) {
			assert_int_equal(seen[i], round + 1);
		}
	}
}

/* ---------------------------------------------------------------- deaths */

static void
a_death_is_told_after_the_last_message(void **state)
{
	struct desc m = test_domain_dead(&t.peer[7]);
	const struct payload_ref ref = { .proc = t.peer[7].proc,
					 .inc = TEST_DOMAIN_INC,
					 .seg = TEST_DOMAIN_SEG,
					 .len = TEST_DOMAIN_SEG_BYTES };
	const uint8_t *p;

	assert_int_equal(domain_view(d, &ref, &p), 0);
	assert_int_equal(channel_send(&t.ctl, &m), 0);
	for (uint32_t i = 0; i < 5; i++) {
		say(7, CALL);
	}
	for (uint32_t turn = 0; turn < TURNS && events.dead == 0; turn++) {
		poll_once();
	}
	assert_int_equal(heard[7], 5);
	assert_int_equal(events.dead, 1);
	assert_int_equal(events.closed_err, MB_ERR_PEER_DIED);
	assert_false(ctl_heard(DESC_DEAD_ACK, &m)); /* its memory is being looked at */
	assert_int_equal(((const volatile uint8_t *)p)[TEST_DOMAIN_SEG_BYTES - 1], 0);
	domain_drop(d, &ref);
	assert_true(ctl_heard(DESC_DEAD_ACK, &m));
	assert_int_equal(m.dead.proc, t.peer[7].proc);
	t.peer[7].gone = true;
}

/* Many die at once and ctl is slow: what it is owed waits, in order, and arrives. */
static void
no_acknowledgement_is_lost_in_a_full_queue(void **state)
{
	uint32_t acked = 0, closed = 0;
	struct desc m;

	while (channel_send(&d->ch[PORT_CTL], &(struct desc){ .kind = DESC_PONG }) == 0) {
	}
	for (uint32_t i = 0; i < PEERS; i++) {
		m = test_domain_dead(&t.peer[i]);
		assert_int_equal(channel_send(&t.ctl, &m), 0);
	}
	poll_turns(TURNS);
	assert_int_equal(events.dead, PEERS);
	assert_int_equal(domain_open(d, PROC_EXEC_FIRST + 50), MB_ERR_FULL);
	for (uint32_t round = 0; round < 10; round++) {
		for (uint32_t i = 0; i < 20 && channel_recv(&t.ctl, &m) == 1; i++) {
			if (m.kind == DESC_CLOSE) {
				assert_int_equal(m.a, t.peer[closed++].port);
			} else if (m.kind == DESC_DEAD_ACK) {
				assert_int_equal(m.dead.proc, t.peer[acked++].proc);
				assert_true(closed >= acked);
			}
		}
		poll_turns(BELL_SWEEP);
	}
	assert_int_equal(closed, PEERS);
	assert_int_equal(acked, PEERS);
	assert_int_equal(domain_open(d, PROC_EXEC_FIRST + 50), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(no_flood_keeps_others_out),
		TEST(a_poll_ends),
		TEST(a_lost_bit_is_found_without_a_sleep),
		TEST(a_lost_bit_is_found_before_a_sleep),
		TEST(bits_of_nothing_are_harmless),
		TEST(a_liars_channel_is_closed),
		TEST(what_others_say_about_the_domain_is_ignored),
		TEST(nobody_gives_back_what_others_hold),
		TEST(no_hold_is_lost_in_a_full_queue),
		TEST(a_death_is_told_after_the_last_message),
		TEST(no_acknowledgement_is_lost_in_a_full_queue),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
