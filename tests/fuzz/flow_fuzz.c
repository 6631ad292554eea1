/* SPDX-License-Identifier: Apache-2.0 */
/* flow_fuzz - a peer that knows the session and says what it likes
 *
 * The input is a list of frames, each a head of the peer's choice; session and client are put
 * right, so that what is behind those checks is met. One half goes to a server, the other to a
 * client. Whatever comes: both stay inside their memory, run no request twice (but for those that
 * may), end none twice, and what the server holds for its client is within the limit.
 */
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "compiler.h"
#include "flow_ask.h"
#include "flow_serve.h"
#include "hash.h"
#include "microburst/error.h"

#define ROOM     (256u << 10)
#define LIMIT    (192u << 10)
#define BODY_MAX 64u
#define FRAME    24u /* bytes of input a frame */
#define REQUESTS 4
#define DATAGRAM 1400

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static struct world {
	struct flow_serve *serve;
	struct flow_ask ask;
	struct wire_head welcome;
	bool welcomed;
	size_t used;
	uint32_t ran[4096], ran_cnt, ended[REQUESTS];
	uint64_t now_ns;
} w;

static void
on_serve_send(void *ctx, const struct wire_addr *to, const struct wire_head *h, const uint8_t *body)
{
	(void)ctx;
	(void)to;
	REQUIRE(h->len == 0 || body != NULL);
	if (h->kind == WIRE_WELCOME) {
		w.welcome = *h;
		w.welcomed = true;
	}
}

static void
on_ask_send(void *ctx, const struct wire_addr *to, const struct wire_head *h, const uint8_t *body)
{
	(void)ctx;
	(void)to;
	REQUIRE(h->len == 0 || body != NULL);
}

static void *
on_alloc(void *ctx, size_t bytes)
{
	if (ctx != NULL && bytes > ROOM - w.used) {
		return NULL;
	}
	w.used += ctx != NULL ? bytes : 0;
	return malloc(bytes);
}

static void
on_free(void *ctx, void *p, size_t bytes)
{
	w.used -= ctx != NULL ? bytes : 0;
	free(p);
}

static uint8_t *
on_draft(void *ctx, size_t bytes)
{
	static uint8_t draft[WIRE_BODY_MAX];

	(void)ctx;
	REQUIRE(bytes <= sizeof(draft));
	return draft;
}

static void
on_request(void *ctx, struct flow_ref ref, struct slice bytes)
{
	uint8_t *p;
	size_t len = bytes.len % 2 == 0 ? 100 : 5000, max;

	(void)ctx;
	if (bytes.len % 3 == 0) { /* it may run again */
		p = flow_serve_draft(w.serve, ref, &max);
		if (p != NULL) {
			flow_serve_draft_send(w.serve, ref, p, MIN(max, (size_t)10), w.now_ns);
			return;
		}
	}
	for (uint32_t i = 0; i < w.ran_cnt; i++) {
		REQUIRE(w.ran[i] != (uint32_t)ref.id, "request %u ran twice", (uint32_t)ref.id);
	}
	if (w.ran_cnt < 4096) {
		w.ran[w.ran_cnt++] = (uint32_t)ref.id;
	}
	if (bytes.len % 5 == 0) {
		return; /* it runs on */
	}
	p = flow_serve_room(w.serve, ref, len);
	if (p == NULL) {
		flow_serve_refuse(w.serve, ref, MB_ERR_INDETERMINATE);
		return;
	}
	memset(p, 1, len);
	flow_serve_reply(w.serve, ref, p, len, w.now_ns);
}

static void
on_done(void *ctx, void *user, int err, uint8_t *p, size_t len, bool owned)
{
	uint32_t *ended = user;
	volatile uint8_t sum = 0;

	(void)ctx;
	REQUIRE(++*ended == 1);
	for (size_t i = 0; err == 0 && i < len; i++) {
		sum = (uint8_t)(sum + p[i]);
	}
	if (owned) {
		free(p);
	}
}

/* A frame from 24 bytes of input; false: the numbers are none that wire_read lets through. */
static bool
frame(const uint8_t *in, struct wire_head *h, uint8_t *datagram, struct slice *body)
{
	static const uint8_t filling[BODY_MAX];
	uint8_t bytes[WIRE_HEAD_BYTES + BODY_MAX];

	*h = (struct wire_head){ .kind = in[0],
				 .flags = in[1] & WIRE_F_ALL,
				 .len = in[2] % (BODY_MAX + 1),
				 .mss = (uint16_t)(in[3] == 0 ? 1360 : in[3]),
				 .session = w.welcome.session,
				 .id = (uint64_t)in[4] | (uint64_t)(in[5] & 3) << 8,
				 .client = w.welcome.client,
				 .off = (uint32_t)in[6] * (in[3] == 0 ? 1360 : in[3]),
				 .total = (uint32_t)in[7] | (uint32_t)in[8] << 8 |
					  (uint32_t)(in[9] & 3) << 16,
				 .word = (uint32_t)in[10] | (uint32_t)in[11] << 8 };
	if (h->kind == WIRE_HELLO) {
		h->session = 0;
	}
	wire_put(bytes, h);
	memcpy(bytes + WIRE_HEAD_BYTES, h->kind == WIRE_ACK ? in + 12 : filling,
	       h->kind == WIRE_ACK ? 12 : h->len);
	memset(bytes + WIRE_HEAD_BYTES + 12, in[0], h->kind == WIRE_ACK ? BODY_MAX - 12 : 0);
	memcpy(datagram, bytes, WIRE_HEAD_BYTES + (size_t)h->len);
	return wire_read(slice_of(datagram, WIRE_HEAD_BYTES + (size_t)h->len), h, body) == 0;
}

static void
setup(void)
{
	struct flow_serve_cfg cfg = { .session_max = 2,
				      .xfer_max = 8,
				      .client_bytes = LIMIT,
				      .taking_bytes = LIMIT,
				      .datagram = DATAGRAM };
	struct flow_serve_ops so = { on_serve_send, on_alloc, on_alloc, on_free,
				     on_request,    on_draft, &w };
	struct flow_ask_ops ao = { on_ask_send, on_alloc, on_free, on_done, NULL };
	static const uint8_t question[3000];
	struct wire_head hello = { .kind = WIRE_HELLO,
				   .id = 1,
				   .client = 7,
				   .len = 8,
				   .mss = 1360 };
	struct wire_addr a = { .port = 1 };

	memset(&w, 0, sizeof(w));
	w.now_ns = 1000000000;
	REQUIRE(flow_serve_create(&w.serve, &cfg, &so) == 0);
	flow_serve_input(w.serve, &a, &hello, slice_of(question, 8), w.now_ns);
	REQUIRE(w.welcomed);
	flow_ask_init(&w.ask, &a, DATAGRAM, 1, &ao);
	for (uint32_t i = 0; i < REQUESTS; i++) {
		struct flow_request r = { .first = slice_of(question, 100),
					  .rest = slice_of(question + 100, i % 2 == 0 ? 0 : 2900),
					  .reads = i % 3 == 0 };

		REQUIRE(flow_ask_start(&w.ask, &r, &w.ended[i], w.now_ns) == 0);
	}
	/* The client's session is made the same as the server's. */
	hello = (struct wire_head){ .kind = WIRE_WELCOME,
				    .id = w.ask.nonce,
				    .mss = 1360,
				    .session = w.welcome.session,
				    .client = w.ask.client,
				    .word = FLOW_CREDITS };
	flow_ask_input(&w.ask, &hello, slice_of(question, 8), w.now_ns);
	w.ask.client = w.welcome.client;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct wire_addr a = { .port = 1 };

	setup();
	for (size_t at = 0; len - at >= FRAME; at += FRAME) {
		struct wire_head h;
		struct slice body;
		uint8_t *datagram = malloc(WIRE_HEAD_BYTES + BODY_MAX); /* its end is guarded */

		REQUIRE(datagram != NULL);
		w.now_ns += (uint64_t)data[at + 23] * 1000000;
		if (frame(data + at, &h, datagram, &body)) {
			if (data[at + 22] % 2 == 0) {
				flow_serve_input(w.serve, &a, &h, body, w.now_ns);
				flow_serve_flush(w.serve);
			} else {
				flow_ask_input(&w.ask, &h, body, w.now_ns);
				flow_ask_flush(&w.ask, w.now_ns);
			}
		}
		free(datagram);
		flow_serve_poll(w.serve, w.now_ns);
		flow_ask_poll(&w.ask, w.now_ns);
		REQUIRE(w.used <= LIMIT);
		REQUIRE(flow_serve_held(w.serve).bytes == w.used);
	}
	flow_ask_close(&w.ask, MB_ERR_CANCELLED);
	for (uint32_t i = 0; i < REQUESTS; i++) {
		REQUIRE(w.ended[i] == 1);
	}
	{
		/* The client leaves: what was kept for it goes with it. */
		struct wire_head bye = { .kind = WIRE_RESET,
					 .session = w.welcome.session,
					 .client = w.welcome.client };

		flow_serve_input(w.serve, &a, &bye, slice_of(NULL, 0), w.now_ns);
	}
	REQUIRE(w.used == 0);
	flow_serve_destroy(w.serve);
	return 0;
}
