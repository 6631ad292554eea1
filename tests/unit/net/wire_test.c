/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   a frame is read as it was written; what no writer writes is refused, field by field.
 * Method: failures first: one sound frame of each kind, each field damaged alone.
 */
#include <string.h>

#include "microburst/error.h"
#include "test_cmocka.h"
#include "wire.h"

static uint8_t datagram[WIRE_DATAGRAM_MAX + 1];

static int
read_again(const struct wire_head *h, struct wire_head *ret)
{
	struct slice body;

	wire_put(datagram, h);
	memset(datagram + WIRE_HEAD_BYTES, 0x5a, h->len);
	return wire_read(slice_of(datagram, WIRE_HEAD_BYTES + (size_t)h->len), ret, &body);
}

static const struct wire_head hello = { .kind = WIRE_HELLO, .len = 100, .id = 3, .client = 9 };
static const struct wire_head welcome = { .kind = WIRE_WELCOME,
					  .len = 100,
					  .mss = 100,
					  .session = 4,
					  .id = 3,
					  .client = 9,
					  .word = 256 };
static const struct wire_head piece = { .kind = WIRE_REQUEST,
					.flags = WIRE_F_OPEN,
					.len = 50,
					.mss = 100,
					.session = 4,
					.id = 3,
					.client = 9,
					.off = 200,
					.total = 250,
					.word = 2 };
static const struct wire_head ack = { .kind = WIRE_ACK,
				      .len = WIRE_ACK_BODY,
				      .mss = 100,
				      .session = 4,
				      .id = 3,
				      .client = 9,
				      .off = 200,
				      .total = 250,
				      .word = 250 };
static const struct wire_head refuse = { .kind = WIRE_REFUSE,
					 .session = 4,
					 .id = 3,
					 .client = 9,
					 .word = 6 };
static const struct wire_head reset = { .kind = WIRE_RESET, .session = 4, .client = 9 };

static void
each_damaged_field_is_refused(void **state)
{
	struct wire_head h, got;

	(void)state;
#define REFUSED(base, change)                                                                      \
	do {                                                                                       \
		h = (base);                                                                        \
		h.change;                                                                          \
		assert_int_equal(read_again(&h, &got), MB_ERR_CORRUPT);                            \
	} while (0)
	REFUSED(hello, session = 1);
	REFUSED(hello, client = 0);
	REFUSED(hello, len = WIRE_WELCOME_BODY - 1);
	REFUSED(welcome, session = 0);
	REFUSED(welcome, word = 0);
	REFUSED(welcome, mss = 0);
	REFUSED(welcome, mss = 101);
	REFUSED(piece, kind = 0);
	REFUSED(piece, kind = WIRE_KIND_CNT);
	REFUSED(piece, flags = 8);
	REFUSED(piece, key = 1);
	REFUSED(piece, session = 0);
	REFUSED(piece, id = 0);
	REFUSED(piece, mss = 0);
	REFUSED(piece, mss = WIRE_BODY_MAX + 1);
	REFUSED(piece, mss = 49);
	REFUSED(piece, len = 0);
	REFUSED(piece, len = 51);
	REFUSED(piece, off = 100); /* neither whole nor the last */
	REFUSED(piece, off = 201);
	REFUSED(piece, off = 300);
	REFUSED(piece, total = WIRE_MESSAGE_MAX + 1);
	REFUSED(ack, len = WIRE_ACK_BODY - 1);
	REFUSED(ack, off = 251);
	REFUSED(ack, word = 251);
	REFUSED(ack, mss = 0);
	REFUSED(ack, total = WIRE_MESSAGE_MAX + 1);
	REFUSED(refuse, word = 0);
	REFUSED(refuse, word = 16); /* PEER_CORRUPT: between parts of a node only */
	REFUSED(refuse, word = 5000);
	REFUSED(refuse, len = 1);
	REFUSED(reset, len = 1);
#undef REFUSED
}

static void
lengths_that_lie_are_refused(void **state)
{
	struct wire_head got;
	struct slice body;

	(void)state;
	assert_int_equal(read_again(&piece, &got), 0);
	for (size_t len = 0; len < WIRE_HEAD_BYTES + 100; len++) {
		if (len != WIRE_HEAD_BYTES + (size_t)piece.len) {
			assert_int_equal(wire_read(slice_of(datagram, len), &got, &body),
					 MB_ERR_CORRUPT);
		}
	}
	assert_int_equal(wire_read(slice_of(datagram, sizeof(datagram)), &got, &body),
			 MB_ERR_CORRUPT);
	datagram[0] ^= 1;
	assert_int_equal(wire_read(slice_of(datagram, WIRE_HEAD_BYTES + (size_t)piece.len), &got,
				   &body),
			 MB_ERR_VERSION);
}

static void
sound_frames_come_back(void **state)
{
	const struct wire_head *const all[] = { &hello, &welcome, &piece, &ack, &refuse, &reset };
	struct wire_head got;

	(void)state;
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		assert_int_equal(read_again(all[i], &got), 0);
		assert_int_equal(got.kind, all[i]->kind);
		assert_int_equal(got.flags, all[i]->flags);
		assert_int_equal(got.len, all[i]->len);
		assert_int_equal(got.mss, all[i]->mss);
		assert_int_equal(got.session, all[i]->session);
		assert_int_equal(got.id, all[i]->id);
		assert_int_equal(got.client, all[i]->client);
		assert_int_equal(got.off, all[i]->off);
		assert_int_equal(got.total, all[i]->total);
		assert_int_equal(got.word, all[i]->word);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_damaged_field_is_refused),
		cmocka_unit_test(lengths_that_lie_are_refused),
		cmocka_unit_test(sound_frames_come_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
