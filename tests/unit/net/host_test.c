/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   a host on a link is found by ARP and by neighbour discovery, answers echo, takes the
 *         datagrams for its port and no others, refuses wrong sums, and sends only to where it has
 *         heard of; IPv4 and IPv6, with and without a VLAN.
 * Method: two hosts whose frames are handed over by the test. A frame as the kernel made it (read
 *         off a veth) is taken as it is, so that both ends are not wrong in the same way.
 */
#include <string.h>

#include "frame.h"
#include "host.h"
#include "microburst/error.h"
#include "test_cmocka.h"

#define NS_PER_S UINT64_C(1000000000)

static struct host a, b;
static uint8_t memory[FRAME_HEAD_MAX + 2048], answer[2048];
static uint8_t *const body = memory + FRAME_HEAD_MAX;
static struct wire_addr from;
static struct slice got;
static size_t answer_len;
static uint64_t now_ns = 1;

static struct wire_addr
address(bool v6, uint8_t last)
{
	struct wire_addr v4_addr = { .ip = { [10] = 0xff, 0xff, 10, 0, 0, last }, .port = 7000 };
	struct wire_addr v6_addr = { .ip = { 0xfd, [13] = 1, 2, last }, .port = 7000 };

	return v6 ? v6_addr : v4_addr;
}

static void
begin(bool v6, uint16_t vlan)
{
	struct host_cfg cfg = { .mac = { 2, 0, 0, 0, 0, 1 },
				.at = address(v6, 1),
				.vlan = vlan,
				.mtu = 1500 };

	now_ns += 100 * NS_PER_S;
	host_init(&a, &cfg);
	cfg.mac[5] = 2;
	cfg.at = address(v6, 2);
	host_init(&b, &cfg);
}

static enum host_verdict
give(struct host *h, const uint8_t *p, size_t len)
{
	return host_input(h, slice_of(p, len), false, now_ns, &from, &got, answer, sizeof(answer),
			  &answer_len);
}

/* a asks for b, b tells, a sends, b takes it and answers without asking. */
static void
finds_and_sends(bool v6, uint16_t vlan)
{
	struct wire_addr to = address(v6, 2);
	struct frame f;
	size_t head, ask;

	begin(v6, vlan);
	assert_int_equal(host_output(&a, &to, body, 5, now_ns, &f, &head, &ask), MB_ERR_NOT_FOUND);
	assert_in_range(ask, 60, FRAME_SMALL_MAX);
	assert_int_equal(give(&b, body, ask), HOST_ANSWER);
	memcpy(memory, answer, answer_len);
	assert_int_equal(give(&a, memory, answer_len), HOST_DROP);
	assert_int_equal(a.stats.other + a.stats.corrupt, 0);
	memcpy(body, "hello", 5);
	assert_int_equal(host_output(&a, &to, body, 5, now_ns, &f, &head, &ask), 0);
	assert_int_equal(give(&b, body - head, head + 5), HOST_DATAGRAM);
	assert_int_equal(got.len, 5);
	assert_memory_equal(got.p, "hello", 5);
	assert_memory_equal(from.ip, a.cfg.at.ip, 16);
	assert_int_equal(from.port, 7000);
	assert_int_equal(host_output(&b, &from, body, 5, now_ns, &f, &head, &ask), 0);
	assert_int_equal(give(&a, body - head, head + 5), HOST_DATAGRAM);
	/* What was not heard of for long is asked for again. */
	now_ns += HOST_EXPIRE_NS;
	assert_int_equal(host_output(&b, &from, body, 5, now_ns, &f, &head, &ask),
			 MB_ERR_NOT_FOUND);
	assert_true(ask > 0);
	assert_int_equal(host_output(&b, &from, body, 5, now_ns, &f, &head, &ask),
			 MB_ERR_NOT_FOUND);
	assert_int_equal(ask, 0); /* but not for each datagram */
}

static void
neighbours_find_each_other(void **state)
{
	(void)state;
	finds_and_sends(false, 0);
	finds_and_sends(false, 77);
	finds_and_sends(true, 0);
	finds_and_sends(true, 77);
}

/* One that was started again has another card: it says so, and who knew it sends there. */
static void
who_has_moved_is_followed(void **state)
{
	struct host_cfg cfg;
	struct frame f;
	size_t head, ask, len;

	(void)state;
	for (uint32_t i = 0; i < 4; i++) {
		finds_and_sends(i % 2 != 0, i < 2 ? 0 : 77);
		now_ns -= HOST_EXPIRE_NS;
		cfg = b.cfg;
		cfg.mac[5] = 9;
		host_init(&b, &cfg);
		len = host_announce(&b, memory);
		assert_in_range(len, FRAME_MIN, FRAME_SMALL_MAX);
		for (uint32_t k = 0; k < 2; k++) { /* who was just heard is not moved at once */
			assert_int_equal(give(&a, memory, len), HOST_DROP);
			now_ns += HOST_DOUBT_NS;
		}
		assert_int_equal(a.stats.other + a.stats.corrupt, 0);
		assert_int_equal(host_output(&a, &b.cfg.at, body, 5, now_ns, &f, &head, &ask), 0);
		assert_int_equal(give(&b, body - head, head + 5), HOST_DATAGRAM);
		/* Of a stranger nothing is kept. */
		cfg = a.cfg;
		host_init(&a, &cfg);
		(void)give(&a, memory, host_announce(&b, memory));
		assert_int_equal(a.stats.other, 1);
		assert_int_equal(host_output(&a, &b.cfg.at, body, 5, now_ns, &f, &head, &ask),
				 MB_ERR_NOT_FOUND);
	}
}

/* Whether what b sends to a goes to the card whose address ends in last. */
static bool
goes_to(uint8_t last)
{
	struct frame f;
	size_t head, ask;

	return host_output(&b, &a.cfg.at, body, 5, now_ns, &f, &head, &ask) == 0 &&
	       body[5 - (int)head] == last;
}

/* Somebody whose card's address ends in last says that it is a's: to b, or to all. */
static void
claim(uint8_t last, bool datagram)
{
	static struct host c;
	struct frame f;
	size_t head, ask;

	c = a;
	c.cfg.mac[5] = c.out.from.mac[5] = last;
	c.out_set = false;
	c.out_end = 0;
	if (!datagram) {
		assert_int_equal(give(&b, memory, host_announce(&c, memory)), HOST_DROP);
		return;
	}
	assert_int_equal(host_output(&c, &b.cfg.at, body, 5, now_ns, &f, &head, &ask), 0);
	assert_int_equal(give(&b, body - head, head + 5), HOST_MOVED);
}

/* Who is heard stays where he is, whoever speaks in his name: but what answers that goes there. */
static void
who_is_heard_is_not_moved_by_others(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < 4; i++) {
		finds_and_sends(i % 2 != 0, i < 2 ? 0 : 77);
		now_ns -= HOST_EXPIRE_NS;
		assert_true(goes_to(1));
		claim(66, true);
		assert_true(goes_to(66));
		host_settle(&b, false, now_ns);
		assert_true(goes_to(1));
		claim(66, false);
		assert_true(goes_to(1));
		/* He has proved it. */
		claim(9, true);
		host_settle(&b, true, now_ns);
		assert_true(goes_to(9));
		/* That one is not heard any more. */
		now_ns += HOST_STAYS_NS - 1;
		claim(66, true);
		host_settle(&b, false, now_ns);
		assert_true(goes_to(9));
		now_ns += HOST_STAYS_NS;
		claim(66, false);
		assert_true(goes_to(66));
	}
}

/* Who was just heard is said to be elsewhere, and is silent from then on: he is asked for. */
static void
who_is_doubted_is_asked_for(void **state)
{
	struct frame f;
	size_t head, ask;

	(void)state;
	for (uint32_t i = 0; i < 4; i++) {
		finds_and_sends(i % 2 != 0, i < 2 ? 0 : 77);
		now_ns -= HOST_EXPIRE_NS;
		claim(9, false);
		assert_true(goes_to(1));
		now_ns += HOST_DOUBT_NS;
		assert_int_equal(host_output(&b, &a.cfg.at, body, 5, now_ns, &f, &head, &ask),
				 MB_ERR_NOT_FOUND);
		a.cfg.mac[5] = 9;
		assert_int_equal(give(&a, body, ask), HOST_ANSWER);
		memcpy(memory, answer, answer_len);
		assert_int_equal(give(&b, memory, answer_len), HOST_DROP);
		assert_true(goes_to(9));
	}
}

/* A datagram from a to b, ready to be spoiled. */
static uint8_t *
datagram(bool v6, struct frame *f, size_t *ret_len)
{
	struct wire_addr to = address(v6, 2);
	size_t head, ask;

	begin(v6, 0);
	(void)host_output(&a, &to, body, 5, now_ns, f, &head, &ask);
	(void)give(&b, body, ask);
	memcpy(memory, answer, answer_len);
	(void)give(&a, memory, answer_len);
	memcpy(body, "hello", 5);
	assert_int_equal(host_output(&a, &to, body, 5, now_ns, f, &head, &ask), 0);
	*ret_len = head + 5;
	return body - head;
}

/* Each bit of a datagram that is changed, and each end that is cut off, makes it none. */
static void
spoil(uint8_t *p, size_t len, bool v6)
{
	/* From the IP head on: hops, class and label of IPv6 are in no sum, nor for us. */
	for (size_t bit = 14 * 8; bit < len * 8; bit++) {
		enum host_verdict v;
		size_t byte = bit / 8 - 14;

		if (v6 && (byte < 4 || byte == 7)) {
			continue;
		}
		p[bit / 8] ^= (uint8_t)(1 << bit % 8);
		v = give(&b, p, len);
		p[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_int_equal(v, HOST_DROP);
	}
	for (size_t cut = 0; cut < len; cut++) {
		assert_int_equal(give(&b, p, cut), HOST_DROP);
	}
}

static void
each_changed_bit_is_noticed(void **state)
{
	(void)state;
	for (int v6 = 0; v6 < 2; v6++) {
		struct frame f;
		size_t len;
		uint8_t *p = datagram(v6 != 0, &f, &len);

		spoil(p, len, v6 != 0);
		assert_int_equal(give(&b, p, len), HOST_DATAGRAM);
		/* Also in one that follows another with the same heads. */
		spoil(p, len, v6 != 0);
		assert_int_equal(give(&b, p, len), HOST_DATAGRAM);
	}
}

/* The heads of one that follows another are those that it would have alone, whatever its length;
 * and when the neighbour has got another address on the link, they have that. */
static void
what_follows_has_the_same_heads(void **state)
{
	static uint8_t first[FRAME_HEAD_MAX + 200];

	(void)state;
	for (int v6 = 0; v6 < 2; v6++) {
		struct wire_addr to = address(v6 != 0, 2);
		struct frame f;
		size_t len, head, ask;

		(void)datagram(v6 != 0, &f, &len);
		for (size_t n = 1; n < 200; n++) {
			memset(body, (int)n, n);
			a.out_set = false;
			a.out_end = 0;
			assert_int_equal(host_output(&a, &to, body, n, now_ns, &f, &head, &ask), 0);
			memcpy(first, body - head, head + n);
			memset(memory, 0, FRAME_HEAD_MAX);
			assert_int_equal(a.out_set, v6 == 0);
			assert_int_equal(host_output(&a, &to, body, n, now_ns, &f, &head, &ask), 0);
			assert_memory_equal(first, body - head, head + n);
		}
		b.out.from.mac[5] = 9;
		from = address(v6 != 0, 1);
		assert_int_equal(host_output(&b, &from, body, 5, now_ns, &f, &head, &ask), 0);
		assert_int_equal(give(&a, body - head, head + 5), HOST_DATAGRAM);
		assert_int_equal(host_output(&a, &to, body, 5, now_ns, &f, &head, &ask), 0);
		assert_int_equal((body - head)[5], 9);
	}
}

static void
others_are_not_ours(void **state)
{
	struct frame f;
	size_t len;
	uint8_t *p = datagram(false, &f, &len);
	struct host_cfg cfg = b.cfg;

	(void)state;
	p[5] ^= 1; /* another machine's */
	assert_int_equal(give(&b, p, len), HOST_DROP);
	p[5] ^= 1;
	cfg.at.port++;
	host_init(&b, &cfg);
	assert_int_equal(give(&b, p, len), HOST_DROP);
	cfg.at.port--;
	cfg.vlan = 3;
	host_init(&b, &cfg);
	assert_int_equal(give(&b, p, len), HOST_DROP);
	assert_int_equal(b.stats.other, 1);
	assert_int_equal(b.stats.corrupt, 0);
}

static void
a_sum_of_the_pseudo_head_only_is_for_this_machine(void **state)
{
	struct wire_addr to = address(false, 2);
	struct frame f;
	size_t len, head, ask;
	uint8_t *p;

	(void)state;
	(void)datagram(false, &f, &len);
	a.cfg.sum_by_nic = true;
	memcpy(body, "hello", 5);
	assert_int_equal(host_output(&a, &to, body, 5, now_ns, &f, &head, &ask), 0);
	p = body - head;
	assert_int_equal(f.l2_bytes, 14);
	assert_int_equal(f.l3_bytes, 20);
	assert_int_equal(give(&b, p, head + 5), HOST_DROP);
	assert_int_equal(b.stats.corrupt, 1);
	b.cfg.partial = true;
	assert_int_equal(give(&b, p, head + 5), HOST_DATAGRAM);
	p[14 + 20 + 6] ^= 1; /* neither that nor right */
	assert_int_equal(give(&b, p, head + 5), HOST_DROP);
}

static void
echoes_are_answered(void **state)
{
	(void)state;
	for (int v6 = 0; v6 < 2; v6++) {
		struct frame f, ask = { .kind = FRAME_ECHO_ASK }, back;
		uint8_t data[60];
		size_t len;

		(void)datagram(v6 != 0, &f, &len);
		for (size_t i = 0; i < sizeof(data); i++) {
			data[i] = (uint8_t)i;
		}
		ask.from = f.from;
		ask.to = f.to;
		ask.body = slice_of(data, sizeof(data));
		len = frame_small(memory, sizeof(memory), &ask);
		assert_int_equal(give(&b, memory, len), HOST_ANSWER);
		assert_int_equal(answer_len, len);
		assert_int_equal(frame_read(slice_of(answer, answer_len), FRAME_SUM_CHECK, &back),
				 0);
		assert_int_equal(back.kind, FRAME_ECHO_TELL);
		assert_memory_equal(back.to.ip, f.from.ip, 16);
		assert_memory_equal(back.body.p, data, sizeof(data));
		/* An answer that would not fit is none. */
		assert_int_equal(host_input(&b, slice_of(memory, len), false, now_ns, &from, &got,
					    answer, 64, &answer_len),
				 HOST_DROP);
	}
}

/* An answer to all, to nobody or to oneself would be heard by those who did not ask. */
static void
who_is_nobody_is_not_answered(void **state)
{
	static const uint8_t wrong_v4[][4] = { { 0, 0, 0, 0 },
					       { 224, 0, 0, 1 },
					       { 255, 255, 255, 255 },
					       { 10, 0, 0, 2 } };
	static const uint8_t wrong_v6[][16] = { { 0 },
						{ 0xff, 2, [15] = 1 },
						{ 0xfd, [13] = 1, 2, 2 } };
	const uint32_t v4_cnt = 4, cnt = v4_cnt + 3;

	(void)state;
	for (uint32_t i = 0; i < 2 * (cnt + 1); i++) {
		bool echo = i % 2 == 0, v6 = i / 2 >= v4_cnt;
		struct frame f, ask = { .kind = FRAME_ECHO_ASK };
		uint8_t data[8] = "echo";
		size_t len;

		(void)datagram(v6, &f, &len);
		if (i / 2 == cnt) {
			f.from.mac[0] = 0xff;
		} else if (v6) {
			memcpy(f.from.ip, wrong_v6[i / 2 - v4_cnt], 16);
		} else {
			memcpy(f.from.ip + 12, wrong_v4[i / 2], 4);
		}
		ask.from = f.from;
		ask.to = f.to;
		ask.body = slice_of(data, sizeof(data));
		if (echo) {
			len = frame_small(memory, sizeof(memory), &ask);
			assert_int_equal(give(&b, memory, len), HOST_DROP);
		} else {
			f.body = slice_of(body, 5);
			len = frame_udp(body, &f);
			assert_int_equal(give(&b, body - len, len + 5), HOST_DROP);
		}
		assert_int_equal(b.stats.corrupt, 1);
		assert_int_equal(b.stats.told, 1); /* where it is, before */
	}
}

static void
too_much_and_another_family_are_refused(void **state)
{
	struct frame f;
	size_t len, head, ask;
	struct wire_addr to = address(false, 2), other = address(true, 2);

	(void)state;
	(void)datagram(false, &f, &len);
	assert_int_equal(host_datagram_max(&a), 1472);
	assert_int_equal(host_output(&a, &to, body, 1472, now_ns, &f, &head, &ask), 0);
	assert_int_equal(host_output(&a, &to, body, 1473, now_ns, &f, &head, &ask),
			 MB_ERR_TOO_LARGE);
	assert_int_equal(host_output(&a, &other, body, 9, now_ns, &f, &head, &ask), MB_ERR_INVALID);
}

/* 10.77.0.2:40000 to 10.77.0.1:7117, "microburst", as RFC 768 and 791 have it, summed by hand. */
static void
a_frame_that_somebody_else_made_is_taken(void **state)
{
	static const uint8_t made[] = {
		0x02, 0,    0, 0,   0,   1,    0x02, 0,    0,    0,    0,    9,    0x08,
		0,    0x45, 0, 0,   38,  0x12, 0x34, 0x40, 0,    64,   17,   0x13, 0xf7,
		10,   77,   0, 2,   10,  77,   0,    1,    0x9c, 0x40, 0x1b, 0xcd, 0,
		18,   0,    0, 'm', 'i', 'c',  'r',  'o',  'b',  'u',  'r',  's',  't',
	};
	struct host_cfg cfg = { .mac = { 2, 0, 0, 0, 0, 1 },
				.at = { .ip = { [10] = 0xff, 0xff, 10, 77, 0, 1 }, .port = 7117 },
				.mtu = 1500 };

	(void)state;
	host_init(&a, &cfg);
	assert_int_equal(give(&a, made, sizeof(made)), HOST_DATAGRAM); /* no UDP sum: allowed */
	assert_int_equal(got.len, 10);
	assert_memory_equal(got.p, "microburst", 10);
	assert_int_equal(from.port, 40000);
}

/* The sum of RFC 1071, 16 bits at a time, big endian; of what holds its own sum it is 0xffff. */
static uint16_t
sum_plainly(const uint8_t *p, size_t len, uint32_t sum)
{
	for (size_t i = 0; i < len; i += 2) {
		sum += (uint32_t)p[i] << 8 | (i + 1 < len ? p[i + 1] : 0);
		sum = (sum & 0xffff) + (sum >> 16);
	}
	return (uint16_t)sum;
}

/* Of every length, where the sum goes another way for long ones; and of all ones, where it carries
 * most. */
static void
sums_are_those_of_the_rfc(void **state)
{
	enum { IP_AT = 14, UDP_AT = IP_AT + 20, LEN_MAX = 1400 };
	struct wire_addr to = address(false, 2);
	size_t head, ask, len;
	struct frame f;
	uint8_t *p;

	(void)state;
	(void)datagram(false, &f, &len);
	for (len = 0; len <= LEN_MAX; len++) {
		for (size_t i = 0; i < len; i++) {
			body[i] = len % 3 == 0 ? 0xff : (uint8_t)(len * 31 + i * i * 7);
		}
		assert_int_equal(host_output(&a, &to, body, len, now_ns, &f, &head, &ask), 0);
		p = body - head;
		assert_int_equal(sum_plainly(p + UDP_AT, 8 + len,
					     17 + 8 + (uint32_t)len +
						     sum_plainly(p + IP_AT + 12, 8, 0)),
				 0xffff);
		assert_int_equal(give(&b, p, head + len), HOST_DATAGRAM);
	}
}

/* Of a tail that was summed where it lay: the frame is the same, byte for byte, and the next one's
 * sum has nothing of it. */
static void
the_end_may_be_summed_before(void **state)
{
	static uint8_t tail[1024], plain[sizeof(memory)];
	size_t len, head, ask;
	struct frame f;

	(void)state;
	for (size_t i = 0; i < sizeof(tail); i++) {
		tail[i] = (uint8_t)(0xff - i * i * 5);
	}
	for (int v6 = 0; v6 < 2; v6++) {
		struct wire_addr to = address(v6 != 0, 2);

		(void)datagram(v6 != 0, &f, &len);
		for (size_t at = 8; at <= sizeof(tail); at++) {
			struct slice end = slice_of(tail + sizeof(tail) - at, at);

			len = 40 + at;
			memset(body, (int)at, 40);
			memcpy(body + 40, end.p, at);
			assert_int_equal(host_output(&a, &to, body, len, now_ns, &f, &head, &ask),
					 0);
			memcpy(plain, body - head, head + len);
			host_tail(&a, end);
			assert_int_equal(host_output(&a, &to, body, len, now_ns, &f, &head, &ask),
					 0);
			assert_memory_equal(plain, body - head, head + len);
			assert_int_equal(host_output(&a, &to, body, len, now_ns, &f, &head, &ask),
					 0);
			assert_memory_equal(plain, body - head, head + len);
		}
		/* It was for one that could not go. */
		host_tail(&a, slice_of(tail, 100));
		to.ip[15] = 99;
		assert_int_equal(host_output(&a, &to, body, 140, now_ns, &f, &head, &ask),
				 MB_ERR_NOT_FOUND);
		to.ip[15] = 2;
		memset(body, 3, 140);
		assert_int_equal(host_output(&a, &to, body, 140, now_ns, &f, &head, &ask), 0);
		assert_int_equal(give(&b, body - head, head + 140), HOST_DATAGRAM);
	}
}

/* The query of RFC 2710 for a group, as a switch sends it, or of RFC 3810 (4 bytes more). Returns:
 * its length. */
static size_t
query(const uint8_t group[16], bool longer)
{
	static const uint8_t head[] = {
		0x33, 0x33, 0, 0, 0, 1,  2, 0, 0,   0, 0, 0x77, 0x86, 0xdd, /* Ethernet */
		0x60, 0,    0, 0, 0, 32, 0, 1,                              /* options, one hop */
		0xfe, 0x80, 0, 0, 0, 0,  0, 0, 0,   0, 0, 0,    0,    0,    0, 0x77, /* from */
		0xff, 2,    0, 0, 0, 0,  0, 0, 0,   0, 0, 0,    0,    0,    0, 1,    /* to all */
		58,   0,    5, 2, 0, 0,  1, 0, 130, 0, 0, 0,    0x27, 0x10, 0, 0,
	};
	enum { AT_LEN = 18, AT_ADDR = 22, AT_MLD = 62 };
	size_t mld = longer ? 28 : 24;
	uint32_t sum;

	memcpy(memory, head, sizeof(head));
	memory[AT_LEN + 1] = (uint8_t)(8 + mld);
	memset(memory + sizeof(head), 0, 28);
	memcpy(memory + sizeof(head), group, 16);
	sum = 0xffffu ^ sum_plainly(memory + AT_MLD, mld,
				    58 + (uint32_t)mld + sum_plainly(memory + AT_ADDR, 32, 0));
	memory[AT_MLD + 2] = (uint8_t)(sum >> 8);
	memory[AT_MLD + 3] = (uint8_t)sum;
	return AT_MLD + mld;
}

/* The report of RFC 2710: this group is heard here. */
static void
is_report(const uint8_t *p, size_t len, const uint8_t group[16], const uint8_t source[16])
{
	static const uint8_t rest[] = { 0x86, 0xdd, 0x60, 0, 0, 0, 0, 32, 0, 1 };
	static const uint8_t mld[] = { 58, 0, 5, 2, 0, 0, 1, 0, 131, 0 };

	assert_int_equal(len, 14 + 40 + 8 + 24);
	assert_int_equal(p[0], 0x33);
	assert_int_equal(p[1], 0x33);
	assert_memory_equal(p + 2, group + 12, 4);
	assert_memory_equal(p + 12, rest, sizeof(rest));
	assert_memory_equal(p + 22, source, 16);
	assert_memory_equal(p + 38, group, 16);
	assert_memory_equal(p + 54, mld, sizeof(mld));
	assert_memory_equal(p + 70, group, 16);
	assert_int_equal(sum_plainly(p + 62, 24, 58 + 24 + sum_plainly(p + 22, 32, 0)), 0xffff);
}

/* Switches that pass groups on only to who hears them are told, at once and when they ask. */
static void
its_group_is_told(void **state)
{
	static const uint8_t any[16], ours[16] = { 0xff, 2, [11] = 1, 0xff, 1, 2, 2 },
				      other[16] = { 0xff, 2, [11] = 1, 0xff, 1, 2, 3 };
	size_t len;

	(void)state;
	begin(true, 0);
	is_report(memory, host_join(&b, memory), ours, any);
	assert_int_equal(give(&a, memory, host_join(&b, memory)), HOST_DROP);
	assert_int_equal(a.stats.corrupt, 0);
	for (int longer = 0; longer < 2; longer++) {
		assert_int_equal(give(&b, memory, query(any, longer)), HOST_ANSWER);
		is_report(answer, answer_len, ours, any);
		assert_int_equal(give(&b, memory, query(ours, longer)), HOST_ANSWER);
		assert_int_equal(give(&b, memory, query(other, longer)), HOST_DROP);
	}
	/* From another link; from nobody; of a wrong sum; to a host that has no such address. */
	for (size_t at = 21; at <= 65; at += at == 21 ? 1 : 43) {
		len = query(any, false);
		memory[at] ^= 2;
		assert_int_equal(give(&b, memory, len), HOST_DROP);
	}
	assert_int_equal(b.stats.corrupt, 3);
	for (len = query(any, true); len-- > 0;) {
		assert_int_equal(give(&b, memory, len), HOST_DROP);
	}
	begin(false, 0);
	assert_int_equal(give(&b, memory, query(any, false)), HOST_DROP);
	assert_int_equal(host_join(&b, memory), 0);
	/* Who has an address of the link says it from there. */
	begin(true, 0);
	b.cfg.at.ip[0] = 0xfe;
	b.cfg.at.ip[1] = 0x80;
	is_report(memory, host_join(&b, memory), ours, b.cfg.at.ip);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(neighbours_find_each_other),
		cmocka_unit_test(who_has_moved_is_followed),
		cmocka_unit_test(who_is_heard_is_not_moved_by_others),
		cmocka_unit_test(who_is_doubted_is_asked_for),
		cmocka_unit_test(each_changed_bit_is_noticed),
		cmocka_unit_test(what_follows_has_the_same_heads),
		cmocka_unit_test(others_are_not_ours),
		cmocka_unit_test(a_sum_of_the_pseudo_head_only_is_for_this_machine),
		cmocka_unit_test(echoes_are_answered),
		cmocka_unit_test(who_is_nobody_is_not_answered),
		cmocka_unit_test(too_much_and_another_family_are_refused),
		cmocka_unit_test(a_frame_that_somebody_else_made_is_taken),
		cmocka_unit_test(sums_are_those_of_the_rfc),
		cmocka_unit_test(the_end_may_be_summed_before),
		cmocka_unit_test(its_group_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
