/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   a client that slept in the middle of a message, for longer than its server waits, hears
 *         what became of it, instead of asking in vain until it believes that nobody is there: an
 *         answer that changes nothing is asked for once more, by another id, at the same server
 *         and at one that was started again; what has not come to the server whole has not run.
 *         Who slept, and whose way is not there yet when he is awake, asks for as long as anybody.
 * Method: a client and a server; the test carries their datagrams, or loses them; time is a number.
 */
#include <stdlib.h>
#include <string.h>

#include "compiler.h"
#include "flow_ask.h"
#include "flow_fixture.h"
#include "flow_serve.h"
#include "microburst/error.h"
#include "test_cmocka.h"

#define SECOND   UINT64_C(1000000000)
#define DATAGRAM 1400
#define LONG     20000
#define CARRIED  64

static struct flow_ask ask;
static struct flow_serve *serve;
static struct flow_ref ran;
static uint32_t ran_cnt, done_cnt;
static int done_err;
static size_t done_len;
static uint8_t fill, done_fill;
static uint64_t now_ns;
static uint8_t message[LONG];
static struct way {
	uint32_t cnt;
	struct {
		struct wire_head h;
		uint8_t body[WIRE_BODY_MAX];
	} one[CARRIED];
} to_client, to_server;

static void
on_send(void *ctx, const struct wire_addr *to, const struct wire_head *h, const uint8_t *body)
{
	struct way *w = ctx;

	(void)to;
	assert_true(w->cnt < CARRIED);
	w->one[w->cnt].h = *h;
	if (h->len > 0) {
		memcpy(w->one[w->cnt].body, body, h->len);
	}
	w->cnt++;
}

static void
serve_send(void *ctx, const struct wire_addr *to, const struct wire_head *h, const uint8_t *body)
{
	(void)ctx;
	on_send(&to_client, to, h, body);
}

static void
on_request(void *ctx, struct flow_ref ref, struct slice bytes)
{
	(void)ctx;
	(void)bytes;
	ran = ref;
	ran_cnt++;
}

static void
on_done(void *ctx, void *user, int err, uint8_t *p, size_t len, bool owned)
{
	(void)ctx;
	(void)user;
	done_cnt++;
	done_err = err;
	done_len = len;
	done_fill = len > 0 ? p[0] : 0;
	for (size_t i = 0; i < len; i++) {
		assert_int_equal(p[i], done_fill);
	}
	if (owned) {
		free(p);
	}
}

/* All that is on its way comes to the other end. */
static void
carry(void)
{
	const struct wire_addr from = { .port = 1 };

	for (uint32_t i = 0; i < to_server.cnt; i++) {
		flow_serve_input(serve, &from, &to_server.one[i].h,
				 slice_of(to_server.one[i].body, to_server.one[i].h.len), now_ns);
	}
	to_server.cnt = 0;
	flow_serve_flush(serve);
}

static void
carry_back(void)
{
	for (uint32_t i = 0; i < to_client.cnt; i++) {
		flow_ask_input(&ask, &to_client.one[i].h,
			       slice_of(to_client.one[i].body, to_client.one[i].h.len), now_ns);
	}
	to_client.cnt = 0;
	flow_ask_flush(&ask, FLOW_TIMER_NONE);
}

static void
serve_start(void)
{
	const struct flow_serve_cfg cfg = { .session_max = 2,
					    .xfer_max = 4,
					    .client_bytes = 1 << 20,
					    .taking_bytes = 1 << 20,
					    .datagram = DATAGRAM,
					    .secret = { (uint8_t)(now_ns / SECOND) },
					    .incarnation = now_ns << 8,
					    .born_ns = now_ns };
	const struct flow_serve_ops ops = { serve_send, alloc_any,     alloc_any, free_any,
					    on_request, draft_nowhere, NULL };

	assert_int_equal(flow_serve_create(&serve, &cfg, &ops), 0);
}

static int
setup(void **state)
{
	const struct flow_ask_ops ops = { on_send, alloc_any, free_any, on_done, &to_server };

	(void)state;
	now_ns = 100 * SECOND;
	ran_cnt = done_cnt = to_client.cnt = to_server.cnt = 0;
	serve_start();
	flow_ask_init(&ask, &(struct wire_addr){ .port = 2 }, DATAGRAM, 7, &ops);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	flow_ask_close(&ask, MB_ERR_CANCELLED);
	assert_int_equal(done_cnt, 1);
	flow_serve_destroy(serve);
	return 0;
}

static void
begin(size_t len, bool reads)
{
	const struct flow_request r = { .first = slice_of(message, len), .reads = reads };

	assert_int_equal(flow_ask_start(&ask, &r, NULL, now_ns), 0);
	carry();
	carry_back();
	carry();
}

/* The answer to what ran last: many bytes, all alike, unlike those of the answer before. */
static void
answers_long(void)
{
	uint8_t *p = flow_serve_room(serve, ran, LONG);

	assert_non_null(p);
	memset(p, ++fill, LONG);
	flow_serve_reply(serve, ran, p, LONG, now_ns);
}

/* The client has the first part of its answer, and sleeps; the server gives the rest up. */
static void
sleeps_half_way(void)
{
	answers_long();
	carry_back();
	to_server.cnt = 0;
	for (uint32_t i = 0; i < 20; i++) {
		now_ns += SECOND;
		flow_serve_poll(serve, now_ns);
		to_client.cnt = 0;
	}
	assert_int_equal(flow_serve_held(serve).xfers, 0);
}

/* It is awake again, and asks; what it hears. */
static void
wakes(uint32_t hears)
{
	flow_ask_poll(&ask, now_ns);
	carry();
	assert_true(to_client.cnt > 0);
	assert_int_equal(to_client.one[0].h.kind, hears);
	carry_back();
	carry();
}

static void
gets_all(void)
{
	answers_long();
	for (uint32_t i = 0; i < 100 && done_cnt == 0; i++) {
		carry_back();
		carry();
	}
	assert_int_equal(done_cnt, 1);
	assert_int_equal(done_err, 0);
	assert_int_equal(done_len, LONG);
	assert_int_equal(done_fill, fill);
}

static void
an_answer_is_asked_for_once_more(void **state)
{
	(void)state;
	begin(10, true);
	sleeps_half_way();
	wakes(WIRE_REFUSE);
	assert_int_equal(ran_cnt, 2);
	assert_int_equal(ran.id, 2);
	gets_all();
}

static void
not_for_ever(void **state)
{
	(void)state;
	begin(10, true);
	sleeps_half_way();
	wakes(WIRE_REFUSE);
	sleeps_half_way();
	wakes(WIRE_REFUSE);
	assert_int_equal(ran_cnt, 2);
	assert_int_equal(done_cnt, 1);
	assert_int_equal(done_err, MB_ERR_BUSY);
}

static void
what_changes_something_is_in_doubt(void **state)
{
	(void)state;
	begin(10, false);
	sleeps_half_way();
	wakes(WIRE_REFUSE);
	assert_int_equal(ran_cnt, 1);
	assert_int_equal(done_cnt, 1);
	assert_int_equal(done_err, MB_ERR_INDETERMINATE);
}

static void
a_server_that_was_started_again_says_so(void **state)
{
	(void)state;
	begin(10, true);
	sleeps_half_way();
	flow_serve_destroy(serve);
	serve_start();
	wakes(WIRE_RESET);
	carry_back();
	carry();
	assert_int_equal(ran_cnt, 2);
	gets_all();
}

static void
what_came_in_part_has_not_run(void **state)
{
	(void)state;
	begin(LONG, false);
	carry_back(); /* the rest is granted, and lost */
	to_server.cnt = 0;
	now_ns += 20 * SECOND;
	flow_serve_poll(serve, now_ns);
	assert_int_equal(flow_serve_held(serve).bytes, 0);
	wakes(WIRE_REFUSE);
	assert_int_equal(ran_cnt, 0);
	assert_int_equal(done_cnt, 1);
	assert_int_equal(done_err, MB_ERR_BUSY);
}

/* Nothing that is sent comes anywhere, for so long. */
static void
asks_in_vain(uint64_t ns)
{
	uint64_t end_ns = now_ns + ns;

	for (; now_ns < end_ns; now_ns = MIN(MAX(flow_ask_timer(&ask), now_ns), end_ns)) {
		flow_ask_poll(&ask, now_ns);
		to_server.cnt = 0;
	}
}

/* Until the request comes to the server, and its answer back. */
static void
is_answered(void)
{
	uint32_t answered = ran_cnt;

	for (uint32_t i = 0; i < 20 && done_cnt == 0; i++) {
		now_ns = MAX(flow_ask_timer(&ask), now_ns);
		flow_ask_poll(&ask, now_ns);
		for (uint32_t k = 0; k < 4; k++) {
			carry();
			for (; answered < ran_cnt; answered++) {
				answers_long();
			}
			carry_back();
		}
	}
	assert_int_equal(done_cnt, 1);
	assert_int_equal(done_err, 0);
}

static void
a_request_that_was_lost_is_asked_again(void **state)
{
	(void)state;
	begin(10, true); /* there is a session now, and a request that runs */
	to_client.cnt = 0;
	now_ns += 30 * SECOND;
	asks_in_vain(3 * SECOND);
	assert_int_equal(done_cnt, 0); /* it was NO_NODE after 30 ms */
	flow_serve_destroy(serve);
	serve_start();
	is_answered();
}

static void
a_greeting_too(void **state)
{
	const struct flow_request r = { .first = slice_of(message, 10), .reads = true };

	(void)state;
	assert_int_equal(flow_ask_start(&ask, &r, NULL, now_ns), 0);
	asks_in_vain(SECOND);
	now_ns += 30 * SECOND;
	asks_in_vain(3 * SECOND);
	assert_int_equal(done_cnt, 0);
	is_answered();
}

static void
nobody_asks_for_ever(void **state)
{
	uint64_t awake_ns;

	(void)state;
	begin(10, true);
	to_client.cnt = 0;
	now_ns += 30 * SECOND;
	awake_ns = now_ns;
	while (done_cnt == 0) {
		asks_in_vain(SECOND / 10);
	}
	assert_int_equal(done_err, MB_ERR_NO_NODE);
	assert_in_range(now_ns - awake_ns, 4 * SECOND, 6 * SECOND);
}

/* Nor does who looks seldom only. */
static void
who_looks_seldom_comes_to_an_end(void **state)
{
	uint32_t looks = 0;

	(void)state;
	begin(10, false);
	to_client.cnt = 0;
	for (; done_cnt == 0; looks++) {
		now_ns += 20 * SECOND;
		flow_ask_poll(&ask, now_ns);
		to_server.cnt = 0;
	}
	assert_int_equal(done_err, MB_ERR_INDETERMINATE);
	assert_in_range(looks, 5, 7);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(an_answer_is_asked_for_once_more),
		TEST(not_for_ever),
		TEST(what_changes_something_is_in_doubt),
		TEST(a_server_that_was_started_again_says_so),
		TEST(what_came_in_part_has_not_run),
		TEST(a_request_that_was_lost_is_asked_again),
		TEST(a_greeting_too),
		TEST(nobody_asks_for_ever),
		TEST(who_looks_seldom_comes_to_an_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
