/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   what is lent to the kernel arrives as it was, and is given back once: also when the peer
 *         does not read, goes away or is cut; where the kernel does not take it, it is sent.
 * Method: a real lcore on a thread whose one tile sends a long value to whoever says a word, in
 *         pieces; clients are plain sockets of this thread. The loopback copies what a client
 *         reads; what it does not read stays lent. A kernel older than the flag that lends have
 *         (Linux 6.2) is made of this one: a flag that it does not know is added on the way. */
#include "stream_fixture.h"

#include <dlfcn.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <liburing.h>

#include "compiler.h"
#include "timebase.h"

#define CONN_MAX    4
#define VALUE_BYTES (24u << 20) /* more than a socket's buffers take */
#define PIECE_BYTES (192u << 10)
#define CLOSE_NS    (4000 * NS_PER_MS)

struct teller {
	char path[64];
	uint8_t *value;
	struct {
		size_t at; /* of the value */
		bool open, telling;
		uint32_t out[STREAM_LEND_MAX]; /* lent and not returned, by mark */
		uint32_t mark;
	} conn[CONN_MAX];
	_Atomic uint32_t opened, closed, lent, returned, sent, refused;
	_Atomic char end; /* how to end all connections, at the next poll: C, R */
};

static struct teller t;

/* ---- a kernel that does not know the flag ---------------------------------------------------- */

#define FLAG_UNKNOWN (1u << 15) /* of a SEND_ZC, in ioprio: EINVAL */

static _Atomic bool kernel_is_old;

static void
make_old(struct io_uring *ring)
{
	struct io_uring_sq *sq = &ring->sq;

	for (unsigned i = *sq->khead; atomic_load(&kernel_is_old) && i != sq->sqe_tail; i++) {
		struct io_uring_sqe *sqe = &sq->sqes[i & *sq->kring_mask];

		if (sqe->opcode == IORING_OP_SEND_ZC) {
			sqe->ioprio |= FLAG_UNKNOWN;
		}
	}
}

/* This program's, in place of the library's. */
int
io_uring_submit(struct io_uring *ring)
{
	int (*next)(struct io_uring *) = NULL;

	*(void **)&next = dlsym(RTLD_NEXT, "io_uring_submit");
	make_old(ring);
	return next(ring);
}

int
io_uring_submit_and_wait_timeout(struct io_uring *ring, struct io_uring_cqe **cqe, unsigned nr,
				 struct __kernel_timespec *ts, sigset_t *mask)
{
	int (*next)(struct io_uring *, struct io_uring_cqe **, unsigned, struct __kernel_timespec *,
		    sigset_t *) = NULL;

	*(void **)&next = dlsym(RTLD_NEXT, "io_uring_submit_and_wait_timeout");
	make_old(ring);
	return next(ring, cqe, nr, ts, mask);
}

/* ---- the tile -------------------------------------------------------------------------------- */

static bool
on_opened(void *ctx, struct stream_id id, bool local, const char **ret_reason)
{
	memset(&t.conn[id.idx], 0, sizeof(t.conn[0]));
	t.conn[id.idx].open = true;
	atomic_fetch_add(&t.opened, 1);
	return true;
}

static void
tell(struct stream_id id)
{
	struct iovec piece = { t.value + t.conn[id.idx].at,
			       MIN(PIECE_BYTES, VALUE_BYTES - t.conn[id.idx].at) };
	uint32_t mark = t.conn[id.idx].mark++ % STREAM_LEND_MAX;

	if (piece.iov_len == 0) {
		t.conn[id.idx].telling = false;
	} else if (!stream_lends(side.stream, id)) {
		assert_int_equal(stream_send(side.stream, id, &piece, 1, false), 0);
	} else {
		assert_int_equal(stream_lend(side.stream, id, &piece, mark), 0);
		t.conn[id.idx].out[mark]++;
		atomic_fetch_add(&t.lent, 1);
	}
}

static void
on_received(void *ctx, struct stream_id id, const uint8_t *p, size_t len)
{
	assert_false(t.conn[id.idx].telling);
	t.conn[id.idx].telling = true;
	t.conn[id.idx].at = 0;
	tell(id);
}

static void
on_ended(void *ctx, struct stream_id id)
{
	stream_reset(side.stream, id);
}

static void
on_sent(void *ctx, struct stream_id id, size_t len, int err)
{
	assert_true(t.conn[id.idx].open);
	atomic_fetch_add(&t.sent, 1);
	if (err != 0) {
		stream_close(side.stream, id);
		return;
	}
	if (len == 0) {
		assert_false(stream_lends(side.stream, id));
		atomic_fetch_add(&t.refused, 1);
	}
	t.conn[id.idx].at += len;
	tell(id);
}

static void
on_returned(void *ctx, struct stream_id id, uint32_t mark)
{
	assert_true(t.conn[id.idx].open);
	assert_true(mark < STREAM_LEND_MAX);
	assert_true(t.conn[id.idx].out[mark] > 0);
	t.conn[id.idx].out[mark]--;
	atomic_fetch_add(&t.returned, 1);
}

static void
on_closed(void *ctx, struct stream_id id)
{
	assert_true(t.conn[id.idx].open);
	t.conn[id.idx].open = false;
	atomic_fetch_add(&t.closed, 1);
}

static void
turn(void)
{
	char end = atomic_exchange(&t.end, 0);

	for (uint32_t i = 0; end != 0 && i < CONN_MAX; i++) {
		struct stream_id id = { i, 0 };

		if (t.conn[i].open) {
			(end == 'R' ? stream_reset : stream_close)(side.stream, id);
		}
	}
}

static int
begin(enum stream_lending how, const char *where)
{
	const struct stream_ops sops = { .opened = on_opened,
					 .received = on_received,
					 .ended = on_ended,
					 .sent = on_sent,
					 .returned = on_returned,
					 .closed = on_closed };

	memset(&t, 0, sizeof(t));
	t.value = malloc(VALUE_BYTES);
	assert_non_null(t.value);
	for (size_t i = 0; i < VALUE_BYTES; i++) {
		t.value[i] = (uint8_t)(i * 7 + i / 251 + i / 65521);
	}
	side_make(&sops, CONN_MAX, turn);
	stream_lend_set(side.stream, how, CLOSE_NS);
	assert_int_equal(stream_listen_tcp(side.stream, where, &side.port), 0);
	snprintf(t.path, sizeof(t.path), "/tmp/stream_send_test.%d", (int)getpid());
	assert_int_equal(stream_listen_unix(side.stream, t.path), 0);
	side_go();
	return 0;
}

static int
setup(void **state)
{
	return begin(STREAM_LEND_YES, "127.0.0.1:0");
}

static int
setup_auto(void **state)
{
	return begin(STREAM_LEND_AUTO, "*:0");
}

static int
setup_no(void **state)
{
	return begin(STREAM_LEND_NO, "127.0.0.1:0");
}

static int
setup_old(void **state)
{
	atomic_store(&kernel_is_old, true);
	return begin(STREAM_LEND_YES, "127.0.0.1:0");
}

static int
teardown(void **state)
{
	atomic_store(&kernel_is_old, false);
	side_end();
	free(t.value);
	return 0;
}

static int
dial_unix(void)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	memcpy(sa.sun_path, t.path, sizeof(t.path));
	assert_int_equal(connect(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	return fd;
}

/* Says a word, and reads the value. */
static void
ask(int fd)
{
	uint8_t *got = malloc(VALUE_BYTES);
	size_t len = 0;

	assert_int_equal(write(fd, "x", 1), 1);
	while (len < VALUE_BYTES) {
		struct pollfd pfd = { fd, POLLIN, 0 };
		ssize_t n;

		assert_int_equal(poll(&pfd, 1, 60000), 1);
		n = read(fd, got + len, VALUE_BYTES - len);
		assert_true(n > 0);
		len += (size_t)n;
	}
	assert_memory_equal(got, t.value, VALUE_BYTES);
	free(got);
}

static bool
comes(const _Atomic uint32_t *cnt, uint32_t want, uint32_t ms)
{
	const struct timespec nap = { .tv_nsec = 1000000 };
	uint64_t end = timebase_now_ns(timebase_real()) + ms * NS_PER_MS;

	while (timebase_now_ns(timebase_real()) < end && atomic_load(cnt) != want) {
		nanosleep(&nap, NULL);
	}
	return atomic_load(cnt) == want;
}

/* A client that asks and does not read, once the kernel takes nothing more. */
static int
deaf(void)
{
	int fd = dial();
	uint32_t was;

	assert_int_equal(write(fd, "x", 1), 1);
	do {
		was = atomic_load(&t.sent);
	} while (comes(&t.sent, was + 1, 100) || atomic_load(&t.sent) != was);
	assert_true(atomic_load(&t.returned) < atomic_load(&t.lent));
	return fd;
}

static void
lent_pieces_arrive_and_are_returned(void **state)
{
	uint32_t cnt = (VALUE_BYTES + PIECE_BYTES - 1) / PIECE_BYTES;
	struct stream_lend_tally tally;
	int fd = dial();

	for (uint32_t i = 1; i <= 3; i++) {
		ask(fd);
		assert_true(comes(&t.returned, atomic_load(&t.lent), 60000));
		/* Unless the user may lock less memory: then the rest was sent. */
		assert_true(atomic_load(&t.lent) == i * cnt || atomic_load(&t.refused) == 1);
	}
	close(fd);
	assert_true(comes(&t.closed, 1, 60000));
	tally = stream_lend_tally(side.stream);
	assert_int_equal(tally.how, STREAM_LEND_YES);
	assert_true(tally.bytes == 3 * VALUE_BYTES || atomic_load(&t.refused) == 1);
}

static void
a_unix_socket_takes_none_and_is_sent_to(void **state)
{
	int fd = dial_unix();

	ask(fd);
	ask(fd);
	assert_int_equal(atomic_load(&t.refused), 1); /* the first piece; then nobody tried */
	assert_int_equal(atomic_load(&t.returned), 1);
	assert_int_equal(stream_lend_tally(side.stream).bytes, 0);
	close(fd);
	assert_true(comes(&t.closed, 1, 60000));
}

static void
a_kernel_without_the_flag_is_lent_nothing_again(void **state)
{
	int fd[2] = { dial(), dial() };
	uint32_t lent;

	assert_int_equal(write(fd[1], "x", 1), 1); /* both at once, as a rule */
	ask(fd[0]);
	lent = atomic_load(&t.lent);
	assert_true(lent == 1 || lent == 2);
	assert_int_equal(atomic_load(&t.refused), lent);
	assert_int_equal(atomic_load(&t.returned), lent);
	assert_int_equal(stream_lend_tally(side.stream).bytes, 0);
	assert_int_equal(stream_lend_tally(side.stream).how, STREAM_LEND_NO);
	close(fd[1]);
	assert_true(comes(&t.closed, 1, 60000));

	fd[1] = dial(); /* of a new one nothing is tried */
	ask(fd[0]);
	ask(fd[1]);
	assert_int_equal(atomic_load(&t.lent), lent);
	close(fd[0]);
	close(fd[1]);
	assert_true(comes(&t.closed, 3, 60000));
}

static void
a_client_that_goes_away_holds_nothing(void **state)
{
	int fd = deaf();

	close(fd);
	assert_true(comes(&t.closed, 1, 60000));
}

static void
a_reset_gives_all_back_at_once(void **state)
{
	int fd = deaf();

	atomic_store(&t.end, 'R');
	lcore_bell_ring(lcore_bell(side.lcore));
	assert_true(comes(&t.closed, 1, (uint32_t)(CLOSE_NS / NS_PER_MS / 2)));
	ask(dial()); /* its place is as good as new */
	close(fd);
}

static void
a_close_waits_for_one_that_does_not_read_so_long(void **state)
{
	int fd = deaf();

	atomic_store(&t.end, 'C');
	lcore_bell_ring(lcore_bell(side.lcore));
	assert_false(comes(&t.closed, 1, (uint32_t)(CLOSE_NS / NS_PER_MS / 4)));
	assert_true(comes(&t.closed, 1, 60000));
	close(fd);
}

static void
to_this_machine_nothing_is_lent_unasked(void **state)
{
	int tcp = dial(), local = dial_unix();

	ask(tcp);
	ask(local);
	assert_int_equal(atomic_load(&t.lent), 0);
	close(tcp);
	close(local);
	assert_true(comes(&t.closed, 2, 60000));
}

static void
where_the_kernel_copies_nothing_more_is_lent(void **state)
{
	struct in_addr at = { 0 };
	struct ifaddrs *all, *i;
	uint32_t lent;
	int fd;

	assert_int_equal(getifaddrs(&all), 0);
	for (i = all; i != NULL; i = i->ifa_next) {
		if (i->ifa_addr != NULL && i->ifa_addr->sa_family == AF_INET &&
		    (i->ifa_flags & (IFF_UP | IFF_LOOPBACK)) == IFF_UP) {
			at = ((struct sockaddr_in *)i->ifa_addr)->sin_addr;
		}
	}
	freeifaddrs(all);
	if (at.s_addr == 0) {
		skip(); /* an address of our own that does not look like it */
	}
	fd = dial_at(at);
	ask(fd);
	lent = atomic_load(&t.lent);
	assert_true(lent >= 1);
	ask(fd);
	assert_int_equal(atomic_load(&t.lent), lent);
	assert_true(stream_lend_tally(side.stream).copied_cnt >= 1);
	close(fd);
	assert_true(comes(&t.closed, 1, 60000));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(lent_pieces_arrive_and_are_returned, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_unix_socket_takes_none_and_is_sent_to, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_kernel_without_the_flag_is_lent_nothing_again,
						setup_old, teardown),
		cmocka_unit_test_setup_teardown(a_client_that_goes_away_holds_nothing, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_reset_gives_all_back_at_once, setup, teardown),
		cmocka_unit_test_setup_teardown(a_close_waits_for_one_that_does_not_read_so_long,
						setup, teardown),
		cmocka_unit_test_setup_teardown(to_this_machine_nothing_is_lent_unasked, setup_auto,
						teardown),
		cmocka_unit_test_setup_teardown(to_this_machine_nothing_is_lent_unasked, setup_no,
						teardown),
		cmocka_unit_test_setup_teardown(where_the_kernel_copies_nothing_more_is_lent,
						setup_auto, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
