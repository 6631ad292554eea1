/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   what is sent to the socket arrives whole, with its sender's address, as often as the
 *         buffers go round, and what does not is counted; what it sends arrives; a datagram wakes
 *         the lcore that sleeps, each time; who answers one does not look for a second one first.
 *         One that listens at all addresses answers from the one it was asked at, whichever of
 *         thousands; who cannot be sent to does not slow down the others.
 * Method: a plain socket at the other end, on the loopback, and a real lcore with a tile that
 *         counts. Where there is no io_uring that test is skipped.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <poll.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "microburst/error.h"
#include "sock.h"
#include "test_cmocka.h"
#include "test_lcore.h"

static struct sock *s;
static int plain = -1;
static struct wire_addr plain_addr;

struct got {
	struct wire_addr from;
	uint8_t bytes[WIRE_DATAGRAM_MAX];
	size_t len;
	uint32_t cnt;
};
static struct got got;

static void
on_datagram(void *ctx, const struct wire_addr *from, struct slice datagram)
{
	(void)ctx;
	assert_int_equal((uintptr_t)datagram.p % 8, 0);
	got.from = *from;
	got.len = datagram.len;
	memcpy(got.bytes, datagram.p, datagram.len);
	got.cnt++;
}

static int
setup(void **state)
{
	struct wire_addr at;
	struct sockaddr_in sa = { .sin_family = AF_INET };
	socklen_t len = sizeof(sa);

	(void)state;
	assert_int_equal(sock_addr("127.0.0.1:0", true, &at), 0);
	assert_int_equal(sock_open(&s, &at), 0);
	sa.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	plain = socket(AF_INET, SOCK_DGRAM, 0);
	assert_int_equal(bind(plain, (struct sockaddr *)&sa, sizeof(sa)), 0);
	assert_int_equal(getsockname(plain, (struct sockaddr *)&sa, &len), 0);
	plain_addr.port = ntohs(sa.sin_port);
	sa.sin_port = htons(sock_local(s).port);
	assert_int_equal(connect(plain, (struct sockaddr *)&sa, sizeof(sa)), 0);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	sock_close(s);
	close(plain);
	return 0;
}

static void
receive(uint32_t cnt)
{
	for (uint32_t i = 0; i < 60000 && got.cnt < cnt; i++) {
		if (sock_recv(s, 64, on_datagram, NULL) == 0) {
			poll(NULL, 0, 1);
		}
	}
	assert_int_equal(got.cnt, cnt);
}

static void
addresses_are_read(void **state)
{
	static const char *const bad[] = {
		"",         ":",         "host",          ":80",
		"1.2.3.4:", "1.2.3.4:x", "1.2.3.4:99999", "no.such.host.invalid:1"
	};
	struct wire_addr a, some[2] = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_true(sock_addr(bad[i], false, &a) < 0);
	}
	assert_int_equal(sock_addr("10.1.2.3:77", false, &a), 0);
	assert_int_equal(a.port, 77);
	assert_int_equal(a.ip[10], 0xff); /* IPv4 in IPv6 */
	assert_int_equal(a.ip[12], 10);
	assert_int_equal(a.ip[15], 3);
	assert_int_equal(sock_addr("[::1]:78", false, &a), 0);
	assert_int_equal(a.ip[15], 1);
	assert_int_equal(sock_addr("*:79", true, &a), 0);
	assert_int_equal(a.ip[15], 0);
	assert_int_equal(sock_addr("127.0.0.1:0", false, &a), MB_ERR_INVALID);
	assert_int_equal(sock_addrs("10.1.2.3:77", false, 2, some), 1);
	assert_int_equal(some[0].ip[15], 3);
	assert_int_equal(some[1].port, 0);
}

static void
a_taken_port_is_told(void **state)
{
	struct wire_addr at = sock_local(s);
	struct sock *second;

	(void)state;
	assert_int_equal(sock_open(&second, &at), MB_ERR_EXISTS);
}

static void
datagrams_arrive_whole(void **state)
{
	static const size_t lens[] = { 1, 40, 1472, WIRE_DATAGRAM_MAX };
	static uint8_t out[WIRE_DATAGRAM_MAX + 1];

	(void)state;
	for (size_t i = 0; i < sizeof(out); i++) {
		out[i] = (uint8_t)(i * 7);
	}
	for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
		got.cnt = 0;
		assert_int_equal(send(plain, out, lens[i], 0), lens[i]);
		receive(1);
		assert_int_equal(got.len, lens[i]);
		assert_memory_equal(got.bytes, out, lens[i]);
		assert_int_equal(got.from.port, plain_addr.port);
	}
	/* One byte more than a frame may have: counted, not delivered. */
	got.cnt = 0;
	assert_int_equal(send(plain, out, sizeof(out), 0), sizeof(out));
	assert_int_equal(send(plain, "after", 5, 0), 5);
	receive(1);
	assert_int_equal(got.len, 5);
	assert_int_equal(sock_stats(s)->rx_truncated, 1);
}

static void
buffers_go_round(void **state)
{
	(void)state;
	got.cnt = 0;
	for (uint32_t i = 0; i < 2000; i++) {
		assert_int_equal(send(plain, &i, sizeof(i), 0), sizeof(i));
		receive(i + 1);
		assert_memory_equal(got.bytes, &i, sizeof(i));
	}
}

static void
more_than_the_buffers_hold_waits_in_the_socket(void **state)
{
	(void)state;
	got.cnt = 0;
	for (uint32_t i = 0; i < 600; i++) { /* of few bytes: they fit the socket's memory */
		assert_int_equal(send(plain, &i, sizeof(i), 0), sizeof(i));
	}
	receive(600);
}

/* What has no room in the socket is lost, and counted by the kernel; all else comes. */
static void
what_has_no_room_is_counted(void **state)
{
	static uint8_t bytes[WIRE_DATAGRAM_MAX];
	struct net_io io = sock_io(s);
	const uint32_t cnt = 4000; /* 36 MB; the socket has 8 MiB */
	uint64_t missed;

	(void)state;
	assert_int_equal(io.ops->stats(io.io).rx_missed, 0);
	for (uint32_t i = 0; i < cnt; i++) {
		assert_int_equal(send(plain, bytes, sizeof(bytes), 0), sizeof(bytes));
	}
	missed = io.ops->stats(io.io).rx_missed;
	assert_in_range(missed, 1, cnt - 1);
	got.cnt = 0;
	receive(cnt - (uint32_t)missed);
	assert_int_equal(io.ops->stats(io.io).rx_missed, missed);
}

static void
bursts_are_sent(void **state)
{
	struct wire_addr to = got.from;
	uint8_t in[2000];

	(void)state;
	for (uint32_t i = 0; i < 100; i++) {
		memset(sock_room(s), (int)i, 200);
		sock_send(s, &to, 200);
	}
	sock_flush(s);
	for (uint32_t i = 0; i < 100; i++) {
		assert_int_equal(recv(plain, in, sizeof(in), 0), 200);
		assert_int_equal(in[199], (uint8_t)i);
	}
	assert_int_equal(sock_stats(s)->tx_dropped, 0);
}

/* Long ones go together, and come as they were: of two lengths, the last shorter, and between them
 * some to another end. */
static void
long_ones_are_sent_together(void **state)
{
	static const size_t lens[] = { 8000, 8000, 8000, 700, 700, 700, 100, 8000, 600, 8000 };
	struct wire_addr to = got.from, nobody = got.from;
	uint8_t in[WIRE_DATAGRAM_MAX];

	(void)state;
	nobody.port = sock_local(s).port;
	for (uint32_t round = 0; round < 20; round++) {
		for (uint32_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
			memset(sock_room(s), (int)(round + i), lens[i]);
			sock_send(s, i == 1 ? &nobody : &to, lens[i]);
		}
		sock_flush(s);
		for (uint32_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
			if (i != 1) {
				assert_int_equal(recv(plain, in, sizeof(in), 0), lens[i]);
				assert_int_equal(in[0], (uint8_t)(round + i));
				assert_int_equal(in[lens[i] - 1], (uint8_t)(round + i));
			}
		}
	}
	assert_int_equal(sock_stats(s)->tx_dropped, 0);
	got.cnt = 0;
	receive(20); /* what went to itself */
	got.from = to;
}

/* How long what comes next is: of several that were one send the receiver gets all at once. */
static ssize_t
comes_together(void)
{
	static uint8_t in[65536];
	struct pollfd p = { .fd = plain, .events = POLLIN };

	assert_int_equal(poll(&p, 1, 60000), 1);
	return recv(plain, in, sizeof(in), 0);
}

static void
sends_eight(const struct wire_addr *to)
{
	for (uint32_t i = 0; i < 8; i++) {
		memset(sock_room(s), (int)i, 1000);
		sock_send(s, to, 1000);
	}
	sock_flush(s);
}

/* What is refused for one end's sake is not refused for all. */
static void
one_who_cannot_be_sent_to(void **state)
{
	struct wire_addr to = got.from, nobody = got.from;
	uint64_t before = sock_stats(s)->tx_dropped;
	int on = 1;

	(void)state;
	nobody.port = 0;
	assert_int_equal(setsockopt(plain, SOL_UDP, UDP_GRO, &on, sizeof(on)), 0);
	sends_eight(&to);
	assert_int_equal(comes_together(), 8000);
	sends_eight(&nobody);
	assert_int_equal(sock_recv(s, 64, on_datagram, NULL), 0);
	assert_int_equal(sock_stats(s)->tx_dropped, before + 8);
	for (uint32_t i = 0; i < 1000; i++) { /* for a while each is a send */
		ssize_t n = 0;

		sends_eight(&to);
		while (n < 8000) {
			ssize_t len = comes_together();

			assert_in_range(len, 1000, 8000 - n);
			n += len;
		}
	}
	sends_eight(&to);
	assert_int_equal(comes_together(), 8000);
	on = 0;
	assert_int_equal(setsockopt(plain, SOL_UDP, UDP_GRO, &on, sizeof(on)), 0);
}

/* The plain socket is connected, as a client's: it hears only whom it asks. */
static void
answers_come_from_where_was_asked(void **state)
{
	static const uint32_t asked[] = { 1, 2, 77, 1 }; /* of 127.0.0.1 and those behind it */
	const uint32_t many = 5000;
	struct sock *one = s;
	int connected = plain;
	struct wire_addr all;
	uint8_t in[2000];

	(void)state;
	assert_int_equal(sock_addr("*:0", true, &all), 0);
	assert_int_equal(sock_open(&s, &all), 0);
	for (uint32_t i = 0; i < sizeof(asked) / sizeof(asked[0]) + many; i++) {
		struct sockaddr_in sa = { .sin_family = AF_INET,
					  .sin_port = htons(sock_local(s).port) };

		sa.sin_addr.s_addr =
			htonl(INADDR_LOOPBACK - 1 + (i < many ? i + 1 : asked[i - many]));
		plain = socket(AF_INET, SOCK_DGRAM, 0);
		assert_int_equal(connect(plain, (struct sockaddr *)&sa, sizeof(sa)), 0);
		assert_int_equal(send(plain, "where", 5, 0), 5);
		got.cnt = 0;
		receive(1);
		assert_int_equal(got.len, 5);
		memset(sock_room(s), 3, 10);
		sock_send(s, &got.from, 10);
		sends_eight(&got.from);
		for (uint32_t k = 0; k < 9; k++) {
			struct pollfd p = { .fd = plain, .events = POLLIN };

			assert_int_equal(poll(&p, 1, 10000), 1);
			assert_int_equal(recv(plain, in, sizeof(in), 0), k == 0 ? 10 : 1000);
		}
		close(plain);
	}
	sock_close(s);
	s = one;
	plain = connected;
}

/* One at a time while one comes at a time, twice as many each time there were enough; never more
 * than the caller wants. */
static void
a_look_takes_what_the_last_one_had(void **state)
{
	static const int want[] = { 1, 2, 4, 3, 0, 1, 0 };

	(void)state;
	got.cnt = 0;
	assert_int_equal(sock_recv(s, 64, on_datagram, NULL), 0);
	for (uint32_t i = 0; i < 10; i++) {
		assert_int_equal(send(plain, "c", 1, 0), 1);
	}
	for (uint32_t i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
		if (i == 5) {
			assert_int_equal(send(plain, "d", 1, 0), 1);
		}
		assert_int_equal(sock_recv(s, 64, on_datagram, NULL), want[i]);
	}
	for (uint32_t i = 0; i < 64; i++) {
		assert_int_equal(send(plain, "e", 1, 0), 1);
	}
	while (got.cnt < 11 + 64) {
		assert_in_range(sock_recv(s, 3, on_datagram, NULL), 1, 3);
	}
}

/* A tile as the net tile is: it looks, and is armed. */
struct sleeper {
	struct net_io io;
	struct lcore *lcore;
	bool started;
	_Atomic uint64_t came;
};

static void
on_woken(void *ctx, const struct wire_addr *from, struct slice datagram)
{
	struct sleeper *t = ctx;

	(void)from;
	(void)datagram;
	t->came++;
}

static int
sleeper_poll(void *ctx, uint64_t at_ns)
{
	struct sleeper *t = ctx;

	if (!t->started) {
		t->started = t->io.ops->start(t->io.io, t->lcore) == 0;
	}
	return t->io.ops->recv(t->io.io, 16, at_ns, on_woken, t);
}

static void
sleeper_arm(void *ctx, bool up)
{
	struct sleeper *t = ctx;

	t->io.ops->arm(t->io.io, up);
}

static const struct tile_ops sleeper_ops = {
	.kind = TILE_NET,
	.poll = sleeper_poll,
	.arm = sleeper_arm,
};

/* By a datagram, not by the second after which an lcore looks anyway; nor does what was watched for
 * keep it from sleeping. */
static void
a_datagram_wakes_who_sleeps(void **state)
{
	struct sleeper t = { .io = sock_io(s) };
	struct runner one = { .lcore = NULL };
	uint64_t from_ns, naps, late = 0;

	(void)state;
	lcore_cfg_default(&one.cfg);
	if (lcore_create(&one.cfg, &one.lcore) == MB_ERR_NO_URING) {
		skip();
	}
	t.lcore = one.lcore;
	lcore_tile_add(one.lcore, &sleeper_ops, &t, NULL);
	runner_start(&one);
	for (uint64_t i = 0; i < 20; i++) {
		until_asleep(&one);
		from_ns = now_ns();
		assert_int_equal(send(plain, "b", 1, 0), 1);
		until(&t.came, i + 1);
		late += now_ns() - from_ns > NS_PER_S / 4;
	}
	assert_in_range(late, 0, 5); /* a busy machine */
	naps = metric(&one, METRIC_lcore_nap_begun);
	sleep_ns(300 * NS_PER_MS);
	assert_in_range(metric(&one, METRIC_lcore_nap_begun) - naps, 0, 5); /* it slept */
	assert_int_equal(runner_end(&one), MB_OK);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses_are_read),
		cmocka_unit_test(a_taken_port_is_told),
		cmocka_unit_test(datagrams_arrive_whole),
		cmocka_unit_test(buffers_go_round),
		cmocka_unit_test(more_than_the_buffers_hold_waits_in_the_socket),
		cmocka_unit_test(what_has_no_room_is_counted),
		cmocka_unit_test(bursts_are_sent),
		cmocka_unit_test(long_ones_are_sent_together),
		cmocka_unit_test(a_look_takes_what_the_last_one_had),
		cmocka_unit_test(a_datagram_wakes_who_sleeps),
		cmocka_unit_test(one_who_cannot_be_sent_to),
		cmocka_unit_test(answers_come_from_where_was_asked),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
