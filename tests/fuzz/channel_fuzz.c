/* SPDX-License-Identifier: Apache-2.0 */
/* channel_fuzz - a peer that writes what it likes into its half of a channel
 *
 * In: indices, slots and hints from another process, at any moment between our calls. Must hold:
 * our end says PEER_CORRUPT, and then says so for ever, or stays within what a sound peer could
 * have meant; what is received is what a slot held; nothing is written outside of our own half.
 *
 * An input is a list of steps: an op, then its operands; what is missing at the end reads as 0.
 */
#include <stdint.h>
#include <string.h>

#include "check.h"
#include "slice.h"
#include "test_pair.h"

enum { US = 0, PEER = 1 };

enum op {
	OP_SEND,
	OP_RECV,
	OP_SPACE,
	OP_PUT,
	OP_FLUSH,
	OP_TAKEN,
	OP_PEER_HEAD, /* where, offset */
	OP_PEER_TAIL, /* where, offset */
	OP_PEER_SLOT, /* which, 64 bytes */
	OP_HINTS,     /* 8 bytes */
	OP_CNT,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static struct test_pair pair;

static struct desc *
slots(uint32_t side)
{
	return region_slots(&pair.own[side], TEST_PAIR_PORT + side);
}

static void
begin(void)
{
	if (pair.hints == NULL) {
		test_pair_open(&pair);
	}
	test_pair_join(&pair);
	for (uint32_t side = 0; side < 2; side++) {
		pair.end[side].tx_tail->v = 0;
		pair.end[side].rx_head->v = 0;
		memset(slots(side), 0, CHANNEL_DEPTH * sizeof(struct desc));
		memset(&pair.hints->proc[side], 0, sizeof(struct bell));
	}
}

/* A foreign index: near one of the places that mean something, or anywhere. */
static uint64_t
foreign_index(struct rbuf *in, const struct channel *ch)
{
	uint8_t where = rbuf_u8(in);
	int8_t near = (int8_t)rbuf_u8(in);
	const uint64_t base[] = { ch->tail,
				  ch->head_seen,
				  ch->head,
				  ch->tail_seen,
				  ch->head + CHANNEL_DEPTH,
				  ch->tail - CHANNEL_DEPTH };

	if (where % 8 < ARRAY_CNT(base)) {
		return base[where % 8] + (uint64_t)(int64_t)near;
	}
	return rbuf_u64(in);
}

/* What must hold after every step. */
static void
check(const struct channel *ch, int err_before)
{
	const struct region_index *rx = region_rx(&pair.own[US], TEST_PAIR_PORT);
	const struct region_index *tx = region_tx(&pair.own[US], TEST_PAIR_PORT);
	static const struct desc zero;

	REQUIRE(ch->err == 0 || ch->err == MB_ERR_PEER_CORRUPT);
	REQUIRE(err_before == 0 || ch->err == err_before);
	REQUIRE(ch->tail - ch->head_seen <= CHANNEL_DEPTH);
	REQUIRE(ch->tail_seen - ch->head <= CHANNEL_DEPTH);
	REQUIRE(rx->v == ch->head);
	REQUIRE(tx->v <= ch->tail);
	/* The neighbours' lines and slots are as they were. */
	REQUIRE(rx[-1].v == 0 && rx[1].v == 0 && tx[-1].v == 0 && tx[1].v == 0);
	REQUIRE(slice_eq(slice_of(slots(US) - 1, sizeof(zero)), slice_of(&zero, sizeof(zero))));
	REQUIRE(slice_eq(slice_of(slots(US) + CHANNEL_DEPTH, sizeof(zero)),
			 slice_of(&zero, sizeof(zero))));
}

static void
step_recv(struct channel *ch)
{
	struct desc want = slots(PEER)[ch->head % CHANNEL_DEPTH], got;
	uint64_t head = ch->head;
	int n = channel_recv(ch, &got);

	REQUIRE(n == 0 || n == 1 || n == MB_ERR_PEER_CORRUPT);
	REQUIRE((n < 0) == (ch->err != 0));
	REQUIRE(ch->head == head + (n == 1));
	REQUIRE(n != 1 || slice_eq(slice_of(&got, sizeof(got)), slice_of(&want, sizeof(want))));
}

static void
step_send(struct channel *ch, bool flush)
{
	struct desc d = test_desc(ch->tail);
	uint64_t tail = ch->tail;
	int err = flush ? channel_send(ch, &d) : channel_put(ch, &d);

	REQUIRE(err == 0 || err == MB_ERR_FULL || err == MB_ERR_PEER_CORRUPT);
	REQUIRE(ch->tail == tail + (err == 0));
	REQUIRE(err != 0 || test_desc_is(&slots(US)[tail % CHANNEL_DEPTH], tail));
}

static void
step_space(struct channel *ch, uint32_t want)
{
	int n = channel_space(ch, want);

	REQUIRE(n == MB_ERR_PEER_CORRUPT || (n >= 0 && n <= CHANNEL_DEPTH));
	REQUIRE((n < 0) == (ch->err != 0));
}

static void
step(struct rbuf *in, struct channel *ch)
{
	struct slice s;

	switch ((enum op)(rbuf_u8(in) % OP_CNT)) {
	case OP_SEND:
		step_send(ch, true);
		break;
	case OP_RECV:
		step_recv(ch);
		break;
	case OP_SPACE:
		step_space(ch, rbuf_u8(in));
		break;
	case OP_PUT:
		step_send(ch, false);
		break;
	case OP_FLUSH:
		channel_flush(ch);
		break;
	case OP_TAKEN:
		REQUIRE(!channel_taken(ch, ch->tail));
		break;
	case OP_PEER_HEAD:
		pair.end[PEER].rx_head->v = foreign_index(in, ch);
		break;
	case OP_PEER_TAIL:
		pair.end[PEER].tx_tail->v = foreign_index(in, ch);
		break;
	case OP_PEER_SLOT: {
		struct desc *slot = &slots(PEER)[rbuf_u8(in) % CHANNEL_DEPTH];

		s = rbuf_take(in, sizeof(*slot));
		if (s.len > 0) {
			memcpy(slot, s.p, s.len);
		}
		break;
	}
	case OP_HINTS:
		pair.hints->proc[PEER].bits[0] = rbuf_u64(in);
		pair.hints->proc[PEER].waiting = rbuf_u8(in);
		break;
	case OP_CNT:
		break;
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct rbuf in;

	begin();
	in = rbuf_of(slice_of(data, len));
	while (in.len > 0 && !in.bad) {
		struct channel *ch = &pair.end[US];
		int err = ch->err;

		step(&in, ch);
		check(ch, err);
	}
	return 0;
}
