/* SPDX-License-Identifier: Apache-2.0 */
/* host_fuzz - frames, which anybody on the link may send
 *
 * Whatever the bytes: no look outside of them; a datagram that is passed up lies inside its frame
 * and was for us; an answer is a frame that reads, comes from us, and is never longer than a small
 * frame or its question; the same frame once more means the same; afterwards a datagram can still
 * be sent, and what is sent reads.
 *
 * Input: a byte of settings (bit 0 IPv6, 1 VLAN, 2 partial sums, 3 the NIC has looked), a frame.
 */
#include <string.h>

#include "check.h"
#include "compiler.h"
#include "host.h"
#include "steer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static const uint8_t mac[FRAME_MAC_BYTES] = { 2, 0, 0, 0, 0, 1 };
static struct host h;

static void
send_one(const struct wire_addr *to)
{
	static uint8_t memory[FRAME_HEAD_MAX + 256];
	struct slice datagram = { 0 };
	size_t head = 0, ask = 0;
	struct frame f, back;
	uint8_t *body = memory + FRAME_HEAD_MAX;

	memset(body, 7, 64);
	if (host_output(&h, to, body, 64, 2, &f, &head, &ask) != 0) {
		REQUIRE(ask <= FRAME_SMALL_MAX);
		REQUIRE(ask == 0 || frame_read(slice_of(body, ask), FRAME_SUM_CHECK, &back) == 0);
		return;
	}
	datagram = slice_of(body - head, head + 64);
	REQUIRE(frame_read(datagram, FRAME_SUM_CHECK, &back) == 0);
	REQUIRE(back.kind == FRAME_UDP && back.body.p == body && back.body.len == 64);
	REQUIRE(back.to.port == to->port && back.vlan == h.cfg.vlan);
}

/* Which byte the address of the card ends in, nearly, that a datagram goes to. */
static uint8_t
sent_to(const struct wire_addr *to)
{
	static uint8_t memory[FRAME_HEAD_MAX + 2048];
	size_t head = 0, ask;
	struct frame f;

	REQUIRE(host_output(&h, to, memory + FRAME_HEAD_MAX, 8, 2, &f, &head, &ask) == 0);
	return memory[FRAME_HEAD_MAX - head + 2];
}

/* The same datagram, from another card: what answers it goes there, what follows only if it was
 * proved. */
static void
from_elsewhere(struct slice frame, const struct wire_addr *at, uint8_t how)
{
	static uint8_t copy[1 << 16];
	struct wire_addr to = *at, from;
	struct slice datagram;
	uint8_t answer[FRAME_SMALL_MAX];
	size_t answer_len = 0;
	bool proved = (how & 32) != 0;

	if (frame.len > sizeof(copy)) {
		return;
	}
	memcpy(copy, frame.p, frame.len);
	copy[8] ^= 1;
	REQUIRE(host_input(&h, slice_of(copy, frame.len), (how & 8) != 0, 2, &from, &datagram,
			   answer, sizeof(answer), &answer_len) == HOST_MOVED);
	REQUIRE(sent_to(&to) == copy[8]);
	host_settle(&h, proved, 2);
	REQUIRE(sent_to(&to) == (proved ? copy[8] : frame.p[8]));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct host_cfg cfg = { .mtu = 1500 };
	uint8_t answer[2048];
	size_t answer_len = 0;
	struct wire_addr from = { .port = 9 };
	struct slice datagram = { 0 }, again;
	struct wire_addr same;
	struct frame back;

	if (len < 1) {
		return 0;
	}
	memcpy(cfg.mac, mac, sizeof(mac));
	cfg.at = (struct wire_addr){ .ip = { [10] = 0xff, 0xff, 10, 0, 0, 1 }, .port = 7117 };
	if ((data[0] & 1) != 0) {
		cfg.at = (struct wire_addr){ .ip = { 0xfd, [15] = 1 }, .port = 7117 };
	}
	cfg.vlan = (data[0] & 2) != 0 ? 5 : 0;
	cfg.partial = (data[0] & 4) != 0;
	host_init(&h, &cfg);
	(void)steer_port(slice_of(data + 1, len - 1));
	switch (host_input(&h, slice_of(data + 1, len - 1), (data[0] & 8) != 0, 1, &from, &datagram,
			   answer, sizeof(answer), &answer_len)) {
	case HOST_DATAGRAM:
		REQUIRE(datagram.p > data && datagram.p + datagram.len <= data + len);
		REQUIRE(steer_port(slice_of(data + 1, len - 1)) == cfg.at.port);
		/* Once more, as one of many with the same heads. */
		REQUIRE(host_input(&h, slice_of(data + 1, len - 1), (data[0] & 8) != 0, 1, &same,
				   &again, answer, sizeof(answer), &answer_len) == HOST_DATAGRAM);
		REQUIRE(again.p == datagram.p && again.len == datagram.len);
		REQUIRE(same.port == from.port && memcmp(same.ip, from.ip, sizeof(from.ip)) == 0);
		send_one(&from);
		from_elsewhere(slice_of(data + 1, len - 1), &from, data[0]);
		break;
	case HOST_MOVED: /* nobody was known */
		REQUIRE(false);
		break;
	case HOST_ANSWER:
		REQUIRE(answer_len <= MAX(len + 8, (size_t)FRAME_SMALL_MAX));
		REQUIRE(frame_read(slice_of(answer, answer_len), FRAME_SUM_CHECK, &back) == 0);
		REQUIRE(memcmp(back.from.mac, mac, sizeof(mac)) == 0);
		break;
	case HOST_DROP:
		memcpy(from.ip, cfg.at.ip, sizeof(from.ip));
		from.ip[15] = 2;
		break;
	}
	send_one(&from);
	return 0;
}
