/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   M1..M3 of mail.h: what is held back leaves at publish and not before, what comes is taken
 *         in order and once, and all is given back.
 * Method: the core before a sched that is written here: it acknowledges what it is told to, and has
 *         messages to give. */
#include "exec_fixture.h"
#include "mail.h"

#define PEER UINT64_C(0x77)

static struct desc sent[64], come[8];
static uint32_t sent_cnt, come_head, come_tail;
static uint32_t ack_cnt, ack_done; /* of SENDs; how many are answered */
static int ack_err;

/* What goes to sched stays here. */
static int
to_sched(void *ctx, uint32_t port, const struct desc *d)
{
	if (d->kind == DESC_SEND || d->kind == DESC_LISTEN || d->kind == DESC_RELEASE) {
		sent[sent_cnt++ % ARRAY_CNT(sent)] = *d;
		return 0;
	}
	return node.send(ctx, port, d);
}

/* A message that waits here, else the answer to the oldest SEND, else the cache's. */
static int
from_sched(void *ctx, uint64_t until_ns, struct desc *ret)
{
	if (come_head < come_tail) {
		*ret = come[come_head++];
		return 1;
	}
	while (ack_done < sent_cnt) {
		const struct desc *d = &sent[ack_done++ % ARRAY_CNT(sent)];

		if (d->kind == DESC_SEND) {
			*ret = (struct desc){ .kind = DESC_SENT,
					      .call = d->call,
					      .b = d->b,
					      .err = (int16_t)(ack_cnt++ == 0 ? ack_err : 0) };
			return 1;
		}
	}
	if (until_ns != 0) {
		w->time.now_ns = MAX(w->time.now_ns, until_ns);
		return 0;
	}
	return node.answer(ctx, until_ns, ret);
}

static void
gives(uint64_t call, uint64_t idx, char letter)
{
	struct desc *d = &come[come_tail++];

	*d = (struct desc){ .kind = DESC_MESSAGE,
			    .flags = DESC_F_INLINE,
			    .len = 1,
			    .call = call,
			    .b = idx };
	d->data[0] = (uint8_t)letter;
	d->word[4] = PEER;
}

MB_FUNCTION(sends)
{
	int64_t cnt;
	char big[1000] = "";

	MB_TRY(mb_arg_i64(call, 0, &cnt));
	MB_TRY(mb_send(call, PEER, mb_slice_of(big, sizeof(big))));
	for (int64_t i = 1; i < cnt; i++) {
		MB_TRY(mb_send(call, PEER, mb_str("x")));
	}
	return 0;
}

MB_FUNCTION(sends_and_fails)
{
	MB_TRY(mb_send(call, PEER, mb_slice_of((char[1000]){ 0 }, 1000)));
	return mb_fail(call, "no");
}

MB_FUNCTION(flushes_and_fails)
{
	MB_TRY(mb_send(call, PEER, mb_str("x")));
	MB_TRY(mb_flush(call));
	return mb_fail(call, "after the flush");
}

MB_FUNCTION(too_large)
{
	static char text[MESSAGE_BYTES_MAX + 1];

	return mb_send(call, PEER, mb_slice_of(text, sizeof(text)));
}

MB_FUNCTION(receives)
{
	struct mb_message m;
	char text[16];
	size_t len = 0;

	while (mb_recv(call, 1000, &m) == 0) {
		if (m.from != PEER || m.bytes.len != 1) {
			return mb_fail(call, "from %d", (int)m.from);
		}
		text[len++] = ((const char *)m.bytes.p)[0];
	}
	return mb_return_utf8(call, mb_slice_of(text, len));
}

FUNCTIONS(&mb_function_sends, &mb_function_sends_and_fails, &mb_function_flushes_and_fails,
	  &mb_function_too_large, &mb_function_receives)

/* The world's executor, with our sched before it. */
static int
begin(void **state)
{
	int err;

	fixture_send = to_sched;
	fixture_answer = from_sched;
	err = setup(state);
	sent_cnt = come_head = come_tail = ack_cnt = ack_done = 0;
	ack_err = 0;
	return err;
}

static uint64_t
run_call(const char *name, int64_t arg)
{
	struct desc d = { .kind = DESC_CALL,
			  .a = id_of(name),
			  .flags = DESC_F_INLINE,
			  .call = call_id_make(CLIENT, 1, 9) };
	struct exec_from from = { .port = 9, .proc = CLIENT, .inc = 1 };
	struct value_writer vw;

	value_list_begin(&vw, d.data, sizeof(d.data), 1);
	value_list_add_i64(&vw, arg);
	d.len = (uint8_t)value_list_end(&vw);
	assert_int_equal(exec_call(x, &d, &from), 0);
	assert_int_equal(exec_held(x), 0);
	reply_release(); /* what is inline can still be looked at */
	return d.call;
}

static uint32_t
of_kind(uint32_t kind)
{
	uint32_t cnt = 0;

	for (uint32_t i = 0; i < MIN(sent_cnt, (uint32_t)ARRAY_CNT(sent)); i++) {
		cnt += sent[i].kind == kind;
	}
	return cnt;
}

static void
what_is_sent_goes_at_the_end_and_is_acknowledged(void **state)
{
	uint64_t call = run_call("sends", 50);

	assert_int_equal(reply.err, 0);
	assert_int_equal(sent_cnt, 50);
	assert_int_equal(ack_cnt, 50);
	for (uint32_t i = 0; i < 50; i++) {
		assert_int_equal(sent[i].kind, DESC_SEND);
		assert_true(sent[i].call == PEER && sent[i].b == i + 1 && sent[i].word[4] == call);
	}
}

static void
a_call_that_fails_sends_nothing(void **state)
{
	run_call("sends_and_fails", 0);
	assert_int_equal(reply.err, MB_ERR_FUNCTION_FAILED);
	assert_int_equal(sent_cnt, 0);
	run_call("flushes_and_fails", 0);
	assert_int_equal(reply.err, MB_ERR_FUNCTION_FAILED);
	assert_int_equal(of_kind(DESC_SEND), 1);
	run_call("too_large", 0);
	assert_int_equal(reply.err, MB_ERR_TOO_LARGE);
	run_call("sends", MAIL_OUT_MAX + 1);
	assert_int_equal(reply.err, MB_ERR_TOO_LARGE);
}

static void
a_receiver_that_has_ended_is_the_callers_error(void **state)
{
	ack_err = MB_ERR_GONE;
	run_call("sends", 3);
	assert_int_equal(reply.err, MB_ERR_GONE);
	assert_int_equal(sent_cnt, 3); /* the others are sent */
}

static void
messages_are_taken_in_order_and_once(void **state)
{
	uint64_t call = call_id_make(CLIENT, 1, 9);

	gives(call, 0, 'a');
	gives(call + 1, 1, '?'); /* of another call */
	gives(call, 1, 'b');
	gives(call, 1, '?'); /* again */
	gives(call, 2, 'c');
	run_call("receives", 0);
	assert_int_equal(reply.err, 0);
	assert_non_null(memmem(reply.data, reply.len, "abc", 3));
	assert_int_equal(sent[0].kind, DESC_LISTEN);
	assert_int_equal(sent[0].b, 0);
	assert_int_equal(sent[sent_cnt - 1].kind, DESC_LISTEN);
	assert_int_equal(sent[sent_cnt - 1].sub, LISTEN_END);
	assert_int_equal(sent[sent_cnt - 1].b, 3);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_is_sent_goes_at_the_end_and_is_acknowledged,
						begin, teardown),
		cmocka_unit_test_setup_teardown(a_call_that_fails_sends_nothing, begin, teardown),
		cmocka_unit_test_setup_teardown(a_receiver_that_has_ended_is_the_callers_error,
						begin, teardown),
		cmocka_unit_test_setup_teardown(messages_are_taken_in_order_and_once, begin,
						teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
