/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   a client believes that a request has not run of who is asked next, of nobody else: not
 *         of another node that has the same key and is told of a session that it never had, nor of
 *         another tile of the node. A server that was started again is believed.
 * Method: a client and two servers, which are there for long; the test carries each datagram, to
 *         whom it likes.
 */
#include <string.h>

#include "flow_ask.h"
#include "flow_fixture.h"
#include "flow_serve.h"
#include "microburst/error.h"
#include "test_cmocka.h"

#define SECOND   UINT64_C(1000000000)
#define DATAGRAM 1400

enum { A, B, CNT };

static struct flow_ask ask;
static struct flow_serve *serve[CNT];
static uint32_t ran[CNT], done_cnt;
static int done_err;
static uint64_t now_ns;
static struct carried {
	struct wire_head h;
	uint8_t body[WIRE_BODY_MAX];
} to_client, to_server; /* last */

static void
on_send(void *ctx, const struct wire_addr *to, const struct wire_head *h, const uint8_t *body)
{
	struct carried *c = ctx;

	(void)to;
	c->h = *h;
	if (h->len > 0) {
		memcpy(c->body, body, h->len);
	}
}

static void
serve_send(void *ctx, const struct wire_addr *to, const struct wire_head *h, const uint8_t *body)
{
	(void)ctx;
	on_send(&to_client, to, h, body);
}

static void *
on_alloc(void *ctx, size_t bytes)
{
	(void)ctx;
	(void)bytes;
	return NULL;
}

static void
on_request(void *ctx, struct flow_ref ref, struct slice bytes)
{
	(void)ref;
	(void)bytes;
	++*(uint32_t *)ctx;
}

static void
on_done(void *ctx, void *user, int err, uint8_t *p, size_t len, bool owned)
{
	(void)ctx;
	(void)user;
	(void)p;
	(void)len;
	(void)owned;
	done_cnt++;
	done_err = err;
}

/* The client's last datagram comes to a server, as from the client. */
static void
carry(uint32_t to)
{
	const struct wire_addr from = { .port = 1 };

	flow_serve_input(serve[to], &from, &to_server.h, slice_of(to_server.body, to_server.h.len),
			 now_ns);
	flow_serve_flush(serve[to]);
}

/* The last datagram of a server comes to the client. */
static void
carry_back(void)
{
	flow_ask_input(&ask, &to_client.h, slice_of(to_client.body, to_client.h.len), now_ns);
	flow_ask_flush(&ask, now_ns);
}

/* A request has run at A, nothing of which came back; asked again, it comes to B, which has never
 * heard of the session and says so. */
static void
begin(uint64_t a_is, uint64_t b_is)
{
	const struct flow_request r = { .first = slice_of((const uint8_t *)"increment", 9) };
	const struct flow_ask_ops ao = { on_send, on_alloc, free_nothing, on_done, &to_server };

	now_ns = 1000 * SECOND;
	done_cnt = ran[A] = ran[B] = 0;
	for (uint32_t i = 0; i < CNT; i++) {
		const struct flow_serve_cfg sc = { .session_max = 2,
						   .xfer_max = 4,
						   .client_bytes = 1 << 20,
						   .taking_bytes = 1 << 20,
						   .datagram = DATAGRAM,
						   .secret = { 's', (uint8_t)i },
						   .incarnation = i == A ? a_is : b_is };
		const struct flow_serve_ops so = { serve_send,   on_alloc,   on_alloc,
						   free_nothing, on_request, draft_nowhere,
						   &ran[i] };

		assert_int_equal(flow_serve_create(&serve[i], &sc, &so), 0);
	}
	flow_ask_init(&ask, &(struct wire_addr){ .port = 2 }, DATAGRAM, 7, &ao);
	assert_int_equal(flow_ask_start(&ask, &r, NULL, now_ns), 0);
	carry(A);
	assert_int_equal(to_client.h.kind, WIRE_WELCOME);
	carry_back();
	assert_int_equal(to_server.h.kind, WIRE_REQUEST);
	carry(A);
	assert_int_equal(ran[A], 1);
	now_ns = flow_ask_timer(&ask);
	flow_ask_poll(&ask, now_ns);
	assert_int_equal(to_server.h.kind, WIRE_REQUEST);
	carry(B);
	assert_int_equal(ran[B], 0);
	assert_int_equal(to_client.h.kind, WIRE_RESET);
	carry_back();
}

static void
end(void)
{
	flow_ask_close(&ask, MB_ERR_CANCELLED);
	assert_int_equal(done_cnt, 1);
	for (uint32_t i = 0; i < CNT; i++) {
		flow_serve_destroy(serve[i]);
	}
}

static void
another_node_proves_nothing(void **state)
{
	(void)state;
	begin(0x1100, 0x2200);
	assert_int_equal(done_cnt, 0);
	assert_int_equal(to_server.h.kind, WIRE_HELLO);
	carry(A);
	carry_back();
	assert_int_equal(done_cnt, 1);
	assert_int_equal(done_err, MB_ERR_NODE_DIED);
	assert_int_equal(to_server.h.kind, WIRE_HELLO); /* nothing was sent since */
	assert_int_equal(ran[A], 1);
	end();
}

static void
another_tile_is_not_heard(void **state)
{
	(void)state;
	begin(0x1100, 0x1101);
	assert_int_equal(done_cnt, 0);
	assert_int_equal(ask.state, FLOW_ASK_OPEN);
	assert_int_equal(ask.stats.bad, 1);
	end();
}

static void
who_takes_over_is_believed(void **state)
{
	(void)state;
	begin(0x1100, 0x2200);
	carry(B);
	carry_back();
	assert_int_equal(to_server.h.kind, WIRE_REQUEST);
	carry(B);
	assert_int_equal(ran[B], 1);
	assert_int_equal(done_cnt, 0);
	end();
}

static void
what_he_said_is_in_doubt_until_he_answers(void **state)
{
	(void)state;
	begin(0x1100, 0x2200);
	for (uint32_t i = 0; i < 100 && done_cnt == 0; i++) {
		now_ns = flow_ask_timer(&ask);
		flow_ask_poll(&ask, now_ns);
	}
	assert_int_equal(done_err, MB_ERR_NODE_DIED);
	end();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(another_node_proves_nothing),
		cmocka_unit_test(another_tile_is_not_heard),
		cmocka_unit_test(who_takes_over_is_believed),
		cmocka_unit_test(what_he_said_is_in_doubt_until_he_answers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
