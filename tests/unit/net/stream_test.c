/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   connections come, talk and go, each event once; no memory is touched after `closed`;
 * whoever
 *         does not read, or is too many, harms nobody.
 * Method: a real lcore on a thread whose one tile is an echo over a stream; clients are plain
 * sockets
 *         of this thread. */
#include "stream_fixture.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "timebase.h"

#define CONN_MAX 8

struct echo {
	struct {
		uint8_t *p;
		size_t len;
		bool sending, ended, open;
		uint32_t gen;
	} conn[CONN_MAX];
	_Atomic uint32_t opened, closed, ended, leaving;
	_Atomic bool pause; /* stop reading from everybody, at the next byte */
	_Atomic bool resume;
	_Atomic bool far;    /* as stream_far, after the last poll */
	_Atomic bool bounce; /* pause and resume whoever sends */
	uint8_t room[64 << 10];
	uint32_t room_cnt;
};

static struct echo e;

static bool
on_opened(void *ctx, struct stream_id id, bool local, const char **ret_reason)
{
	assert_true(local);
	assert_false(e.conn[id.idx].open);
	memset(&e.conn[id.idx], 0, sizeof(e.conn[0]));
	e.conn[id.idx].open = true;
	e.conn[id.idx].gen = id.gen;
	atomic_fetch_add(&e.opened, 1);
	return true;
}

static void
send_on(struct stream_id id)
{
	struct iovec iov[2];

	if (e.conn[id.idx].len > 0 && !e.conn[id.idx].sending) {
		/* In two pieces, to try that too. */
		size_t half = e.conn[id.idx].len / 2;

		iov[0] = (struct iovec){ e.conn[id.idx].p, half };
		iov[1] = (struct iovec){ e.conn[id.idx].p + half, e.conn[id.idx].len - half };
		e.conn[id.idx].sending = stream_send(side.stream, id, half > 0 ? iov : iov + 1,
						     half > 0 ? 2 : 1, false) == 0;
	}
}

/* Every other time there is. */
static uint8_t *
on_room(void *ctx, struct stream_id id, size_t *ret_len)
{
	assert_int_equal(e.conn[id.idx].gen, id.gen);
	*ret_len = sizeof(e.room);
	return e.room_cnt++ % 2 == 0 ? e.room : NULL;
}

static void
on_received(void *ctx, struct stream_id id, const uint8_t *p, size_t len)
{
	assert_int_equal(e.conn[id.idx].gen, id.gen);
	if (len == 4 && memcmp(p, "QUIT", 4) == 0) {
		stream_close(side.stream, id);
		stream_close(side.stream, id);
		return;
	}
	if (e.conn[id.idx].sending) {
		stream_close(side.stream, id); /* the tests wait for their answers */
		return;
	}
	e.conn[id.idx].p = realloc(e.conn[id.idx].p, e.conn[id.idx].len + len);
	memcpy(e.conn[id.idx].p + e.conn[id.idx].len, p, len);
	e.conn[id.idx].len += len;
	if (atomic_load(&e.pause) || atomic_load(&e.bounce)) {
		stream_pause(side.stream, id);
	}
	if (atomic_load(&e.bounce)) {
		stream_resume(side.stream, id);
	}
	send_on(id);
}

static void
on_ended(void *ctx, struct stream_id id)
{
	atomic_fetch_add(&e.ended, 1);
	stream_close(side.stream, id);
}

static void
on_leaves(void *ctx, struct stream_id id)
{
	assert_int_equal(e.conn[id.idx].gen, id.gen);
	atomic_fetch_add(&e.leaving, 1);
}

static void
on_sent(void *ctx, struct stream_id id, size_t len, int err)
{
	e.conn[id.idx].sending = false;
	if (err != 0) {
		stream_close(side.stream, id);
		return;
	}
	e.conn[id.idx].len -= len;
	memmove(e.conn[id.idx].p, e.conn[id.idx].p + len, e.conn[id.idx].len);
	send_on(id);
}

static void
on_closed(void *ctx, struct stream_id id)
{
	assert_true(e.conn[id.idx].open);
	assert_int_equal(e.conn[id.idx].gen, id.gen);
	e.conn[id.idx].open = false;
	free(e.conn[id.idx].p);
	e.conn[id.idx].p = NULL;
	atomic_fetch_add(&e.closed, 1);
}

static void
turn(void)
{
	atomic_store(&e.far, stream_far(side.stream));
	if (atomic_exchange(&e.resume, false)) {
		for (uint32_t i = 0; i < CONN_MAX; i++) {
			stream_resume(side.stream, (struct stream_id){ i, e.conn[i].gen });
		}
	}
}

static int
setup(void **state)
{
	const struct stream_ops sops = { .opened = on_opened,
					 .received = on_received,
					 .room = on_room,
					 .ended = on_ended,
					 .leaves = on_leaves,
					 .sent = on_sent,
					 .closed = on_closed };

	memset(&e, 0, sizeof(e));
	side_make(&sops, CONN_MAX, turn);
	assert_int_equal(stream_listen_tcp(side.stream, "127.0.0.1:0", &side.port), 0);
	assert_true(side.port != 0);
	side_go();
	return 0;
}

static int
teardown(void **state)
{
	side_end();
	for (uint32_t i = 0; i < CONN_MAX; i++) {
		free(e.conn[i].p);
	}
	return 0;
}

/* Reads len bytes, or to the end. Returns how many came. */
static size_t
read_all(int fd, void *p, size_t len)
{
	size_t got = 0;

	while (got < len) {
		struct pollfd pfd = { fd, POLLIN, 0 };
		ssize_t n;

		assert_int_equal(poll(&pfd, 1, 60000), 1);
		n = read(fd, (uint8_t *)p + got, len - got);
		if (n <= 0) {
			break;
		}
		got += (size_t)n;
	}
	return got;
}

static void
nap(long us)
{
	const struct timespec ts = { .tv_nsec = us * 1000 };

	nanosleep(&ts, NULL);
}

static void
wait_for(const _Atomic uint32_t *cnt, uint32_t want)
{
	for (uint32_t i = 0; i < 60000 && atomic_load(cnt) != want; i++) {
		nap(1000);
	}
	assert_int_equal(atomic_load(cnt), want);
}

static void
wrong_addresses_are_refused(void **state)
{
	uint16_t port;

	assert_int_equal(stream_listen_tcp(side.stream, "nowhere", &port), MB_ERR_INVALID);
	assert_int_equal(stream_listen_tcp(side.stream, "localhost.example:80", &port),
			 MB_ERR_INVALID);
	assert_int_equal(stream_listen_tcp(side.stream, "127.0.0.1:99999", &port), MB_ERR_INVALID);
	assert_int_equal(stream_listen_tcp(side.stream, "192.0.2.1:7", &port), MB_ERR_INVALID);
}

static void
one_connection_too_many_is_told(void **state)
{
	char said[64] = "";
	int fd[CONN_MAX + 1];

	for (int i = 0; i < CONN_MAX; i++) {
		fd[i] = dial();
	}
	wait_for(&e.opened, CONN_MAX);
	fd[CONN_MAX] = dial();
	read_all(fd[CONN_MAX], said, sizeof(said) - 1);
	assert_string_equal(said, "-ERR max number of clients reached\r\n");
	close(fd[CONN_MAX]);
	close(fd[0]);
	wait_for(&e.closed, 1);
	fd[0] = dial(); /* its place is free again */
	assert_int_equal(write(fd[0], "hello", 5), 5);
	assert_int_equal(read_all(fd[0], said, 5), 5);
	for (int i = 0; i < CONN_MAX; i++) {
		close(fd[i]);
	}
	wait_for(&e.closed, CONN_MAX + 1);
	assert_int_equal(stream_conn_cnt(side.stream), 0);
}

static void
bytes_come_back_in_any_amount(void **state)
{
	size_t len = 3u << 20;
	uint8_t *sent = malloc(len), *got = malloc(len);
	int fd = dial();

	for (size_t i = 0; i < len; i++) {
		sent[i] = (uint8_t)(i * 7 + i / 251);
	}
	for (size_t n = 1; n <= STREAM_BUF_BYTES; n = n * 3 + 1) {
		assert_int_equal(write(fd, sent, n), (ssize_t)n);
		assert_int_equal(read_all(fd, got, n), n);
		assert_memory_equal(sent, got, n);
	}
	close(fd);
	wait_for(&e.closed, 1);
	assert_int_equal(atomic_load(&e.ended), 1);
	free(sent);
	free(got);
}

static void
a_close_from_inside_comes_once(void **state)
{
	uint8_t byte;
	int fd = dial();

	assert_int_equal(write(fd, "QUIT", 4), 4);
	assert_int_equal(read_all(fd, &byte, 1), 0);
	wait_for(&e.closed, 1);
	assert_int_equal(atomic_load(&e.ended), 0);
	close(fd);
}

static void
a_client_that_does_not_read_holds_nobody_up(void **state)
{
	uint8_t block[4096] = { 0 };
	int deaf = dial(), other = dial();
	char said[5];

	/* Until its own buffers are full: it sends, and never reads. */
	while (send(deaf, block, sizeof(block), MSG_DONTWAIT | MSG_NOSIGNAL) > 0) {
		nap(100);
	}
	for (int i = 0; i < 100; i++) {
		assert_int_equal(write(other, "hello", 5), 5);
		assert_int_equal(read_all(other, said, 5), 5);
	}
	close(deaf);
	close(other);
	wait_for(&e.closed, 2);
}

/* A connection that is not read any more. */
static int
dial_paused(void)
{
	char said[5];
	int fd = dial();

	atomic_store(&e.pause, true);
	assert_int_equal(write(fd, "first", 5), 5);
	assert_int_equal(read_all(fd, said, 5), 5);
	atomic_store(&e.pause, false);
	return fd;
}

static void
a_paused_connection_is_not_read_until_it_is_resumed(void **state)
{
	struct pollfd pfd;
	char said[5];
	int fd = dial_paused();

	nap(20000);
	assert_int_equal(write(fd, "later", 5), 5);
	pfd = (struct pollfd){ fd, POLLIN, 0 };
	assert_int_equal(poll(&pfd, 1, 100), 0);
	atomic_store(&e.resume, true);
	lcore_bell_ring(lcore_bell(side.lcore));
	assert_int_equal(read_all(fd, said, 5), 5);
	assert_memory_equal(said, "later", 5);
	close(fd);
	wait_for(&e.closed, 1);
}

static void
the_end_of_a_paused_connection_is_seen(void **state)
{
	char said[5];
	int fd = dial_paused();

	nap(20000);
	assert_int_equal(write(fd, "later", 5), 5);
	nap(20000);
	assert_int_equal(atomic_load(&e.leaving), 0);
	assert_int_equal(shutdown(fd, SHUT_WR), 0);
	wait_for(&e.leaving, 1);
	assert_int_equal(atomic_load(&e.ended), 0);
	atomic_store(&e.resume, true); /* what is before the end is read all the same */
	lcore_bell_ring(lcore_bell(side.lcore));
	assert_int_equal(read_all(fd, said, 5), 5);
	wait_for(&e.ended, 1);
	close(fd);
	wait_for(&e.closed, 1);
	assert_int_equal(atomic_load(&e.leaving), 1);
}

/* With many connections, so that the kernel has a receive while it is paused. */
static void
a_connection_that_is_paused_and_resumed_at_once_is_read_in_order(void **state)
{
	int fd[CONN_MAX];

	atomic_store(&e.bounce, true);
	for (uint32_t i = 0; i < CONN_MAX; i++) {
		fd[i] = dial();
	}
	wait_for(&e.opened, CONN_MAX);
	for (uint32_t i = 0; i < 200 * CONN_MAX; i++) {
		uint32_t got = ~i;

		assert_int_equal(write(fd[i % CONN_MAX], &i, sizeof(i)), sizeof(i));
		assert_int_equal(read_all(fd[i % CONN_MAX], &got, sizeof(got)), sizeof(got));
		assert_int_equal(got, i);
	}
	for (uint32_t i = 0; i < CONN_MAX; i++) {
		close(fd[i]);
	}
	wait_for(&e.closed, CONN_MAX);
}

static void
a_watched_connection_is_closed_from_inside(void **state)
{
	char said[5];
	int fd = dial_paused();

	atomic_store(&e.resume, true);
	lcore_bell_ring(lcore_bell(side.lcore));
	assert_int_equal(write(fd, "QUIT", 4), 4);
	wait_for(&e.closed, 1);
	assert_int_equal(read_all(fd, said, 5), 0);
	close(fd);
	assert_int_equal(atomic_load(&e.leaving), 0);
}

static void
run_on(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET((size_t)cpu, &set);
	assert_int_equal(sched_setaffinity(0, sizeof(set), &set), 0);
}

/* Talks until the stream says of its connection what it should. Returns: whether it did. */
static bool
heard_as(int fd, bool far)
{
	char said[5];

	for (uint32_t i = 0; i == 0 || (i < 10000 && atomic_load(&e.far) != far); i++) {
		assert_int_equal(write(fd, "hello", 5), 5);
		assert_int_equal(read_all(fd, said, 5), 5);
	}
	return atomic_load(&e.far) == far;
}

/* The stream's thread is on the first cpu, as this one was when it began. */
static void
a_client_is_far_that_sends_from_another_cpu(void **state)
{
	cpu_set_t all;
	int first = 0, last, fd;

	assert_int_equal(sched_getaffinity(0, sizeof(all), &all), 0);
	while (!CPU_ISSET((size_t)first, &all)) {
		first++;
	}
	for (last = CPU_SETSIZE - 1; !CPU_ISSET((size_t)last, &all); last--) {
	}
	run_on(first);
	setup(state);
	lcore_spin_longer(side.lcore, NS_PER_S); /* what sleeps is not looked for */
	fd = dial();
	if (last != first) {
		run_on(last);
		assert_true(heard_as(fd, true));
		run_on(first);
	}
	assert_true(heard_as(fd, false));
	close(fd);
	wait_for(&e.closed, 1);
	teardown(state);
	assert_int_equal(sched_setaffinity(0, sizeof(all), &all), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(wrong_addresses_are_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(one_connection_too_many_is_told, setup, teardown),
		cmocka_unit_test_setup_teardown(bytes_come_back_in_any_amount, setup, teardown),
		cmocka_unit_test_setup_teardown(a_close_from_inside_comes_once, setup, teardown),
		cmocka_unit_test_setup_teardown(a_client_that_does_not_read_holds_nobody_up, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_paused_connection_is_not_read_until_it_is_resumed,
						setup, teardown),
		cmocka_unit_test_setup_teardown(the_end_of_a_paused_connection_is_seen, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_watched_connection_is_closed_from_inside, setup,
						teardown),
		cmocka_unit_test_setup_teardown(
			a_connection_that_is_paused_and_resumed_at_once_is_read_in_order, setup,
			teardown),
		cmocka_unit_test(a_client_is_far_that_sends_from_another_cpu),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
