/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   when all sessions are taken a new client gets the one of who was idle longest, who is
 *         told so when he comes again; with none idle the new one is told BUSY. Who cannot be idle
 *         is not: a request of his runs. A session's number is good for its address only. A long
 *         answer is kept for who takes it, and not much longer than anybody would wait for it.
 *         Clients that come and go without end take no session from others, and what they asked
 *         does not run again. Who has no port is not answered. Answers go from the address that
 *         was asked at last. A get that comes once more, in pieces, is not forgotten when there is
 *         no room for it. A client's long requests leave room for its answers, and its long answers
 *         for the short ones.
 * Method: clients of one request each, by hand, at a server of few sessions; time is a number.
 */
#include <string.h>

#include "flow_fixture.h"
#include "flow_serve.h"
#include "microburst/error.h"
#include "test_cmocka.h"

#define SESSIONS 3
#define SECOND   UINT64_C(1000000000)

static struct flow_serve *serve;
static struct wire_head said;    /* last */
static struct wire_addr said_to; /* and to whom */
static struct flow_ref ran;      /* last */
static uint32_t ran_cnt;
static uint64_t now_ns;
static uint8_t memory[4096];
static bool is_full;

static void
on_send(void *ctx, const struct wire_addr *to, const struct wire_head *h, const uint8_t *body)
{
	(void)ctx;
	(void)body;
	said = *h;
	said_to = *to;
}

static void *
on_alloc(void *ctx, size_t bytes)
{
	(void)ctx;
	return bytes <= sizeof(memory) && !is_full ? memory : NULL;
}

static void
on_request(void *ctx, struct flow_ref ref, struct slice bytes)
{
	(void)ctx;
	(void)bytes;
	ran = ref;
	ran_cnt++;
}

static uint8_t *
on_draft(void *ctx, size_t len)
{
	(void)ctx;
	return len <= sizeof(memory) ? memory : NULL;
}

static int
setup(void **state)
{
	const struct flow_serve_cfg cfg = { .session_max = SESSIONS,
					    .xfer_max = 4,
					    .client_bytes = 4 * sizeof(memory),
					    .taking_bytes = 1 << 20,
					    .datagram = 1400,
					    .secret = "sixteen letters" };
	const struct flow_serve_ops ops = { on_send,    on_alloc, on_alloc, free_nothing,
					    on_request, on_draft, NULL };

	(void)state;
	now_ns = 1000 * SECOND;
	ran_cnt = 0;
	is_full = false;
	return flow_serve_create(&serve, &cfg, &ops);
}

static int
teardown(void **state)
{
	(void)state;
	flow_serve_destroy(serve);
	return 0;
}

static struct wire_addr
addr_of(uint32_t client)
{
	return (struct wire_addr){ .port = (uint16_t)client };
}

/* Returns: the session that the client is given. */
static uint64_t
hello(uint32_t client)
{
	static const uint8_t body[100];
	const struct wire_head h = { .kind = WIRE_HELLO,
				     .client = client,
				     .id = 9,
				     .len = 100,
				     .mss = 100 };
	const struct wire_addr from = addr_of(client);

	flow_serve_input(serve, &from, &h, slice_of(body, sizeof(body)), now_ns);
	assert_int_equal(said.kind, WIRE_WELCOME);
	return said.session;
}

/* Returns: whether the request ran; else said is what was answered. */
static bool
asks(uint32_t client, uint64_t session, uint64_t id, uint8_t flags)
{
	static const uint8_t body[10];
	const struct wire_head h = { .kind = WIRE_REQUEST,
				     .flags = flags,
				     .client = client,
				     .session = session,
				     .id = id,
				     .len = 10,
				     .mss = 100,
				     .total = 10,
				     .word = (uint32_t)id - 1 };
	const struct wire_addr from = addr_of(client);
	uint32_t before = ran_cnt;

	said = (struct wire_head){ 0 };
	flow_serve_input(serve, &from, &h, slice_of(body, sizeof(body)), now_ns);
	return ran_cnt > before;
}

static void
answers(void)
{
	flow_serve_refuse(serve, ran, MB_ERR_NOT_FOUND);
}

static void
who_was_idle_longest_makes_room(void **state)
{
	uint64_t s[6];

	(void)state;
	for (uint32_t i = 1; i <= 3; i++) {
		s[i] = hello(i);
		assert_true(asks(i, s[i], 1, WIRE_F_OPEN));
		answers();
		now_ns += SECOND;
	}
	s[4] = hello(4);
	assert_false(asks(4, s[4], 1, WIRE_F_OPEN));
	assert_int_equal(said.kind, WIRE_REFUSE);
	assert_int_equal(said.word, -MB_ERR_BUSY);
	assert_int_equal(said.id, 1);
	assert_int_equal(flow_serve_stats(serve)->full, 1);

	now_ns += 8 * SECOND; /* the first was heard eleven seconds ago, the next ten */
	assert_true(asks(4, s[4], 2, WIRE_F_OPEN));
	answers();
	assert_int_equal(flow_serve_sessions(serve), SESSIONS);
	assert_false(asks(1, s[1], 2, 0)); /* it is told, and greets */
	assert_int_equal(said.kind, WIRE_RESET);
	assert_false(asks(1, s[1], 1, WIRE_F_OPEN)); /* what was on its way does not run again */
	assert_int_equal(said.kind, WIRE_RESET);
	assert_true(asks(3, s[3], 2, 0)); /* the others are known */
	answers();
	s[5] = hello(5);
	assert_true(asks(5, s[5], 1, WIRE_F_OPEN)); /* in the place of the second */
	assert_false(asks(2, s[2], 2, 0));
	assert_int_equal(said.kind, WIRE_RESET);
}

static void
who_waits_for_an_answer_stays(void **state)
{
	struct flow_ref waits[SESSIONS + 1];
	uint64_t s;

	(void)state;
	for (uint32_t i = 1; i <= SESSIONS; i++) {
		assert_true(asks(i, hello(i), 1, WIRE_F_OPEN));
		waits[i] = ran;
	}
	now_ns += 100 * SECOND;
	s = hello(4);
	assert_false(asks(4, s, 1, WIRE_F_OPEN));
	assert_int_equal(said.kind, WIRE_REFUSE);
	flow_serve_refuse(serve, waits[2], MB_ERR_NOT_FOUND);
	now_ns += 10 * SECOND;
	assert_true(asks(4, s, 2, WIRE_F_OPEN));
	flow_serve_refuse(serve, waits[1], MB_ERR_NOT_FOUND); /* still there to be answered */
	assert_int_equal(said.kind, WIRE_REFUSE);
	assert_int_equal(said.client, 1);
	said = (struct wire_head){ 0 };
	flow_serve_refuse(serve, waits[2], MB_ERR_NOT_FOUND); /* nobody waits there any more */
	assert_int_equal(said.kind, 0);
}

static void
a_number_is_good_for_its_address(void **state)
{
	uint64_t s = hello(1);

	(void)state;
	assert_int_not_equal(s, hello(2));
	assert_false(asks(2, s, 1, WIRE_F_OPEN));
	assert_int_equal(said.kind, WIRE_RESET);
	now_ns += FLOW_FORGET_NS + SECOND; /* nor for ever */
	assert_false(asks(1, s, 1, WIRE_F_OPEN));
	assert_int_equal(said.kind, WIRE_RESET);
	assert_true(asks(1, hello(1), 1, WIRE_F_OPEN));
}

/* An answer of several segments; flow_serve_room's memory is counted by the server itself. */
static void
answers_long(void)
{
	uint8_t *p = flow_serve_room(serve, ran, 1000);

	assert_non_null(p);
	flow_serve_reply(serve, ran, p, 1000, now_ns);
}

static void
an_answer_that_nobody_takes_is_not_kept(void **state)
{
	static const uint8_t none[WIRE_ACK_BODY];
	const struct wire_addr from = addr_of(1);
	uint64_t s = hello(1);
	const struct wire_head ack = { .kind = WIRE_ACK,
				       .flags = WIRE_F_OF_REPLY,
				       .client = 1,
				       .session = s,
				       .id = 1,
				       .len = sizeof(none),
				       .mss = 100,
				       .off = 100,
				       .total = 1000,
				       .word = 1000 };

	(void)state;
	assert_true(asks(1, s, 1, WIRE_F_OPEN));
	answers_long();
	assert_int_equal(said.kind, WIRE_REPLY);
	now_ns += 9 * SECOND;
	flow_serve_poll(serve, now_ns);
	assert_int_equal(flow_serve_held(serve).bytes, 1000);
	flow_serve_input(serve, &from, &ack, slice_of(none, sizeof(none)), now_ns);
	now_ns += 9 * SECOND; /* he has taken some of it meanwhile */
	flow_serve_poll(serve, now_ns);
	assert_int_equal(flow_serve_held(serve).bytes, 1000);
	now_ns += 2 * SECOND;
	flow_serve_poll(serve, now_ns);
	assert_int_equal(flow_serve_held(serve).bytes, 0);
	assert_int_equal(flow_serve_held(serve).xfers, 0);
	assert_false(asks(1, s, 1, 0)); /* who slept and asks is told, and it does not run again */
	assert_int_equal(said.kind, WIRE_REFUSE);
	assert_int_equal(said.word, -MB_ERR_INDETERMINATE);
	assert_true(asks(1, s, 2, 0));
}

static void
leaves(uint32_t client, uint64_t session)
{
	const struct wire_head h = { .kind = WIRE_RESET, .client = client, .session = session };
	const struct wire_addr from = addr_of(client);

	flow_serve_input(serve, &from, &h, slice_of(NULL, 0), now_ns);
}

/* Far more than there are places to know of them; nobody is told BUSY, and nothing runs again. */
static void
many_come_and_go(void **state)
{
	static uint64_t s[60001];

	(void)state;
	for (uint32_t i = 1; i <= 60000; i++) {
		s[i] = hello(i);
		assert_true(asks(i, s[i], 1, WIRE_F_OPEN));
		answers();
		leaves(i, s[i]);
		now_ns += SECOND / 1000;
		if (i % 100 == 0) {
			for (uint32_t k = i; k > 0; k = k * 3 / 4) {
				assert_false(asks(k, s[k], 1, WIRE_F_OPEN));
				assert_int_equal(said.kind, WIRE_RESET);
			}
		}
	}
	for (uint32_t i = 1; i <= 60000; i++) {
		assert_false(asks(i, s[i], 1, WIRE_F_OPEN));
	}
	assert_int_equal(flow_serve_stats(serve)->full, 0);
}

/* Who was given a number has some seconds to use it, however many come and go. */
static void
a_number_is_good_for_a_while(void **state)
{
	uint64_t late = 0, s;

	(void)state;
	for (uint32_t i = 1; i <= 60000; i++) {
		if (i % 5000 == 1) {
			late = hello(65000);
		}
		s = hello(i);
		assert_true(asks(i, s, 1, WIRE_F_OPEN));
		answers();
		leaves(i, s);
		now_ns += SECOND / 1000;
		if (i % 5000 == 0) {
			assert_true(asks(65000, late, 1, WIRE_F_OPEN));
			answers();
			leaves(65000, late);
			now_ns += 200 * SECOND; /* it is another number then */
		}
	}
}

/* There is no way back to port 0: what is sent there is refused, with all that goes beside it. */
static void
who_has_no_port_is_not_answered(void **state)
{
	static const uint8_t body[100];
	const struct wire_head h = { .kind = WIRE_HELLO, .client = 1, .id = 9, .len = 100 };
	const struct wire_addr from = addr_of(0);

	(void)state;
	said = (struct wire_head){ 0 };
	flow_serve_input(serve, &from, &h, slice_of(body, sizeof(body)), now_ns);
	assert_int_equal(said.kind, 0);
	assert_int_equal(flow_serve_stats(serve)->bad, 1);
}

/* The number of the address that he asks at may become another one. */
static void
answers_go_from_where_was_asked_last(void **state)
{
	static const uint8_t body[10];
	struct wire_addr from = addr_of(1);
	uint64_t s = hello(1);
	struct wire_head h = { .kind = WIRE_REQUEST,
			       .client = 1,
			       .session = s,
			       .id = 2,
			       .len = 10,
			       .mss = 100,
			       .total = 10,
			       .word = 1 };

	(void)state;
	assert_true(asks(1, s, 1, WIRE_F_OPEN));
	answers();
	from.via = 7;
	flow_serve_input(serve, &from, &h, slice_of(body, sizeof(body)), now_ns);
	assert_int_equal(ran_cnt, 2);
	answers();
	assert_int_equal(said.id, 2);
	assert_int_equal(said_to.via, 7);
	assert_int_equal(said_to.port, 1);
	h.client = 2; /* nobody else moves it */
	from.via = 8;
	flow_serve_input(serve, &from, &h, slice_of(body, sizeof(body)), now_ns);
	h.client = 1;
	from.port = 3;
	flow_serve_input(serve, &from, &h, slice_of(body, sizeof(body)), now_ns);
	assert_int_equal(flow_serve_stats(serve)->bad, 2);
	assert_true(asks(1, s, 3, 0));
	answers();
	assert_int_equal(said_to.via, 0);
}

/* Its answer was lost, and the way has become narrower. */
static void
a_get_in_pieces_waits_for_room(void **state)
{
	static const uint8_t body[100];
	const struct wire_addr from = addr_of(1);
	uint64_t s = hello(1);
	const struct wire_head h = { .kind = WIRE_REQUEST,
				     .client = 1,
				     .session = s,
				     .id = 1,
				     .len = 100,
				     .mss = 100,
				     .total = 300 };
	uint8_t *p;
	size_t max;

	(void)state;
	assert_true(asks(1, s, 1, WIRE_F_OPEN));
	p = flow_serve_draft(serve, ran, &max);
	assert_non_null(p);
	flow_serve_draft_send(serve, ran, p, 10, now_ns);
	for (uint32_t i = 0; i < 3; i++) {
		said = (struct wire_head){ 0 };
		is_full = i < 2;
		flow_serve_input(serve, &from, &h, slice_of(body, sizeof(body)), now_ns);
		flow_serve_flush(serve);
		assert_int_equal(said.kind, WIRE_ACK);
		assert_int_equal(said.word > 0, !is_full); /* granted */
	}
}

static void
what_is_long_leaves_room(void **state)
{
	static const uint8_t body[100];
	const struct wire_addr from = addr_of(1);
	const uint64_t s = hello(1);
	const size_t quarter = sizeof(memory), last = 4 * quarter / FLOW_LAST_SHARE;
	struct wire_head h = { .kind = WIRE_REQUEST,
			       .flags = WIRE_F_OPEN,
			       .client = 1,
			       .session = s,
			       .len = sizeof(body),
			       .mss = sizeof(body) };

	(void)state;
	for (h.id = 1; h.id <= 4; h.id++) {
		h.total = (uint32_t)(h.id <= 3 ? quarter : quarter - last);
		flow_serve_input(serve, &from, &h, slice_of(body, sizeof(body)), now_ns);
		flow_serve_flush(serve);
		assert_int_equal(said.kind, WIRE_ACK);
		assert_int_equal(said.word > 0, h.id <= 3); /* granted */
	}
	h.len = 10;
	h.total = 10;
	for (h.id = 5; h.id <= 6; h.id++) {
		flow_serve_input(serve, &from, &h, slice_of(body, 10), now_ns);
		assert_int_equal(ran.id, h.id);
		if (h.id == 5) {
			assert_null(flow_serve_room(serve, ran, quarter - last + 1));
			assert_non_null(flow_serve_room(serve, ran, quarter - last));
		}
	}
	assert_null(flow_serve_room(serve, ran, sizeof(body) + 1));
	assert_non_null(flow_serve_room(serve, ran, sizeof(body)));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(who_was_idle_longest_makes_room),
		TEST(who_waits_for_an_answer_stays),
		TEST(a_number_is_good_for_its_address),
		TEST(an_answer_that_nobody_takes_is_not_kept),
		TEST(many_come_and_go),
		TEST(a_number_is_good_for_a_while),
		TEST(who_has_no_port_is_not_answered),
		TEST(answers_go_from_where_was_asked_last),
		TEST(a_get_in_pieces_waits_for_room),
		TEST(what_is_long_leaves_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
