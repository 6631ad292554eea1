/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   who takes a long message a segment at a time acknowledges many with one ACK, at either
 *         end; what nothing follows is acknowledged a little later, by the timer, and at once for
 *         who will not look again; a gap is told at once.
 * Method: both ends with a queue of datagrams between them, which are delivered, or lost, one by
 *         one; time is a number.
 */
#include <stdlib.h>
#include <string.h>

#include "compiler.h"
#include "flow_ask.h"
#include "flow_fixture.h"
#include "flow_serve.h"
#include "microburst/error.h"
#include "test_cmocka.h"

#define DATAGRAM  1400
#define LONG      (1u << 20)
#define SEGMENTS  (LONG / (DATAGRAM - WIRE_HEAD_BYTES) + 1)
#define EACH      16 /* segments: flow.c */
#define QUEUE_MAX 512
#define LOOK_NS   1000
#define START_NS  UINT64_C(1000000000)

enum end { SERVER, CLIENT, END_CNT };

struct datagram {
	struct wire_head h;
	uint8_t body[DATAGRAM];
};

static struct flow_serve *serve;
static struct flow_ask ask;
static struct {
	struct datagram d[QUEUE_MAX]; /* on their way to this end */
	uint32_t head, tail;
	uint32_t acks; /* it has sent */
} at[END_CNT];
static enum end ends[END_CNT] = { SERVER, CLIENT };
static uint8_t bytes[LONG];
static uint64_t now_ns;
static uint32_t done_cnt;

static void
on_send(void *ctx, const struct wire_addr *to, const struct wire_head *h, const uint8_t *body)
{
	enum end from = *(enum end *)ctx, other = from == SERVER ? CLIENT : SERVER;
	struct datagram *d = &at[other].d[at[other].tail++ % QUEUE_MAX];

	(void)to;
	assert_in_range(at[other].tail - at[other].head, 1, QUEUE_MAX);
	at[from].acks += h->kind == WIRE_ACK;
	d->h = *h;
	if (h->len > 0) {
		memcpy(d->body, body, h->len);
	}
}

static void
on_request(void *ctx, struct flow_ref ref, struct slice request)
{
	uint8_t *p = flow_serve_room(serve, ref, LONG);

	(void)ctx;
	assert_int_equal(request.len, LONG);
	assert_memory_equal(request.p, bytes, LONG);
	assert_non_null(p);
	memcpy(p, bytes, LONG);
	flow_serve_reply(serve, ref, p, LONG, now_ns);
}

static void
on_done(void *ctx, void *user, int err, uint8_t *p, size_t len, bool owned)
{
	(void)ctx;
	(void)user;
	done_cnt++;
	if (err == 0) {
		assert_int_equal(len, LONG);
		assert_true(owned);
		assert_memory_equal(p, bytes, LONG);
		free(p);
	}
}

/* Takes the next datagram off the queue to an end. Returns: false: there is none. */
static bool
look(enum end end, bool lost)
{
	const struct wire_addr from = { .port = 1 };
	const struct datagram *d = &at[end].d[at[end].head % QUEUE_MAX];
	struct slice body = slice_of(d->body, d->h.len);

	now_ns += LOOK_NS;
	if (at[end].head == at[end].tail) {
		return false;
	}
	at[end].head++;
	if (!lost && end == SERVER) {
		flow_serve_input(serve, &from, &d->h, body, now_ns);
		flow_serve_flush(serve);
	} else if (!lost) {
		flow_ask_input(&ask, &d->h, body, now_ns);
		flow_ask_flush(&ask, now_ns);
	}
	return true;
}

static void
time_passes(void)
{
	if (now_ns >= flow_serve_timer(serve)) {
		flow_serve_poll(serve, now_ns);
	}
	if (now_ns >= flow_ask_timer(&ask)) {
		flow_ask_poll(&ask, now_ns);
	}
}

static int
setup(void **state)
{
	const struct flow_serve_cfg sc = { .session_max = 2,
					   .xfer_max = 4,
					   .client_bytes = 4 * LONG,
					   .taking_bytes = 4 * LONG,
					   .datagram = DATAGRAM,
					   .secret = "sixteen letters" };
	const struct flow_serve_ops so = { on_send,    alloc_any,     alloc_any,    free_any,
					   on_request, draft_nowhere, &ends[SERVER] };
	const struct flow_ask_ops ao = { on_send, alloc_any, free_any, on_done, &ends[CLIENT] };
	const struct flow_request r = { .first = slice_of(bytes, LONG) };

	(void)state;
	memset(at, 0, sizeof(at));
	now_ns = START_NS;
	done_cnt = 0;
	for (uint32_t i = 0; i < LONG; i++) {
		bytes[i] = (uint8_t)(i ^ i >> 9);
	}
	if (flow_serve_create(&serve, &sc, &so) != 0) {
		return -1;
	}
	flow_ask_init(&ask, &(struct wire_addr){ .port = 2 }, DATAGRAM, 7, &ao);
	return flow_ask_start(&ask, &r, NULL, now_ns);
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

/* Greeted, and the first segment acknowledged: more are on their way to the server. */
static void
begin(void)
{
	look(SERVER, false);
	look(CLIENT, false);
	look(SERVER, false);
	assert_int_equal(at[SERVER].acks, 1);
	look(CLIENT, false);
	assert_in_range(at[SERVER].tail - at[SERVER].head, 5, QUEUE_MAX);
	time_passes();
}

static void
one_ack_is_for_many(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < 10 * SEGMENTS && done_cnt == 0; i++) {
		look(SERVER, false);
		look(CLIENT, false);
		time_passes();
	}
	assert_int_equal(done_cnt, 1);
	assert_in_range(at[SERVER].acks, 2, SEGMENTS / EACH + 4);
	assert_in_range(at[CLIENT].acks, 2, SEGMENTS / EACH + 4);
	assert_int_equal(flow_serve_stats(serve)->again, 0);
	assert_int_equal(ask.stats.again, 0);
}

static void
what_nothing_follows_is_acknowledged_soon(void **state)
{
	uint64_t came_ns;

	(void)state;
	begin();
	look(SERVER, false);
	look(SERVER, false);
	came_ns = now_ns;
	assert_int_equal(at[SERVER].acks, 1);
	assert_in_range(flow_serve_timer(serve), came_ns, came_ns + FLOW_ACK_NS);
	now_ns = came_ns + FLOW_ACK_NS;
	time_passes();
	assert_int_equal(at[SERVER].acks, 2);
	now_ns += FLOW_ACK_NS;
	time_passes();
	assert_int_equal(at[SERVER].acks, 2); /* once */
}

/* The same of an answer, whose client looks once more later, or says that it will not. */
static void
an_answer_too(void **state)
{
	uint64_t came_ns;

	(void)state;
	while (at[CLIENT].acks == 0) {
		look(SERVER, false);
		look(CLIENT, false);
		time_passes();
	}
	look(SERVER, false);
	look(CLIENT, false);
	look(CLIENT, false);
	came_ns = now_ns;
	assert_int_equal(at[CLIENT].acks, 1);
	assert_in_range(flow_ask_timer(&ask), came_ns, came_ns + FLOW_ACK_NS);
	now_ns = came_ns + FLOW_ACK_NS;
	time_passes();
	assert_int_equal(at[CLIENT].acks, 2);
	look(CLIENT, false);
	assert_int_equal(at[CLIENT].acks, 2);
	flow_ask_flush(&ask, FLOW_TIMER_NONE);
	assert_int_equal(at[CLIENT].acks, 3);
}

static void
a_gap_is_told_at_once(void **state)
{
	(void)state;
	begin();
	look(SERVER, false);
	look(SERVER, true);
	assert_int_equal(at[SERVER].acks, 1);
	look(SERVER, false);
	assert_int_equal(at[SERVER].acks, 2);
	look(SERVER, false);
	assert_int_equal(at[SERVER].acks, 3);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_nothing_follows_is_acknowledged_soon, setup,
						teardown),
		cmocka_unit_test_setup_teardown(an_answer_too, setup, teardown),
		cmocka_unit_test_setup_teardown(a_gap_is_told_at_once, setup, teardown),
		cmocka_unit_test_setup_teardown(one_ack_is_for_many, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
