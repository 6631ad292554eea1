/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   a malformed message is refused, whatever it is, and no fd that came with it stays open.
 * Method: one end of a socket pair sends raw bytes and fds: each wrong length, count and flag by
 *         itself, then random ones from a seed; the fds of this process are counted before and
 *         after each test.
 * Goal:   a client that named no socket is let in by root's node or its own user's, by no other's.
 * Method: children of other uids that listen and connect. */
#include "domain.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "rng.h"
#include "test_cmocka.h"
#include "test_seed.h"

enum { SENT_FD_MAX = 60, RANDOM_CNT = 20000 };

static int sock[2]; /* raw end, tested end */
static char text[DOMAIN_TEXT_MAX + 1];

static uint32_t
fd_cnt(void)
{
	DIR *dir = opendir("/proc/self/fd");
	uint32_t n = 0;

	assert_non_null(dir);
	while (readdir(dir) != NULL) {
		n++;
	}
	closedir(dir);
	return n;
}

static int
setup(void **state)
{
	static uint32_t before;

	before = fd_cnt();
	*state = &before;
	return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sock);
}

static int
teardown(void **state)
{
	close(sock[0]);
	close(sock[1]);
	return fd_cnt() == *(uint32_t *)*state ? 0 : -1;
}

/* Sends bytes as one message with n copies of an fd. */
static void
send_raw(const void *bytes, size_t len, uint32_t n)
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(SENT_FD_MAX * sizeof(int))] = { 0 };
	struct iovec iov = { .iov_base = (void *)(uintptr_t)bytes, .iov_len = len };
	struct msghdr h = { .msg_iov = &iov, .msg_iovlen = 1 };

	assert_true(n <= SENT_FD_MAX);
	if (n > 0) {
		struct cmsghdr *c;
		int fds[SENT_FD_MAX];

		for (uint32_t i = 0; i < n; i++) {
			fds[i] = sock[0];
		}
		h.msg_control = control;
		h.msg_controllen = CMSG_SPACE(n * sizeof(int));
		c = CMSG_FIRSTHDR(&h);
		*c = (struct cmsghdr){ .cmsg_level = SOL_SOCKET,
				       .cmsg_type = SCM_RIGHTS,
				       .cmsg_len = CMSG_LEN(n * sizeof(int)) };
		memcpy(CMSG_DATA(c), fds, n * sizeof(int));
	}
	assert_int_equal(sendmsg(sock[0], &h, 0), len);
}

/* Receives, with room for fd_max fds, and checks that a refusal left no fd open. */
static int
receive(struct domain_msg *m, int *fd, uint32_t fd_max)
{
	uint32_t before = fd_cnt();
	int err = domain_sock_recv(sock[1], 1000, m, text, fd, fd_max);

	if (err != 0) {
		assert_int_equal(fd_cnt(), before);
	}
	return err;
}

static void
refused(const void *bytes, size_t len, uint32_t n, uint32_t fd_max)
{
	int fd[DOMAIN_FD_MAX] = { [0 ... DOMAIN_FD_MAX - 1] = -2 };
	struct domain_msg m;

	send_raw(bytes, len, n);
	assert_int_equal(receive(&m, fd, fd_max), MB_ERR_CORRUPT);
	for (uint32_t i = 0; i < DOMAIN_FD_MAX; i++) {
		assert_int_equal(fd[i], -2); /* nobody can close what is not his */
	}
}

static void
a_wrong_head_is_refused(void **state)
{
	struct domain_msg m = { .magic = DOMAIN_MAGIC, .kind = DOMAIN_HELLO };

	for (size_t len = 1; len < sizeof(m); len++) {
		refused(&m, len, 0, DOMAIN_FD_MAX);
		refused(&m, len, 3, DOMAIN_FD_MAX);
	}
	m.magic++;
	refused(&m, sizeof(m), 0, DOMAIN_FD_MAX);
	refused(&m, sizeof(m), 1, DOMAIN_FD_MAX);
}

static void
a_wrong_length_is_refused(void **state)
{
	static struct {
		struct domain_msg m;
		char text[DOMAIN_TEXT_MAX + 1];
	} big = { .m = { .magic = DOMAIN_MAGIC } };
	const uint32_t lens[] = {
		1, 7, 9, DOMAIN_TEXT_MAX, DOMAIN_TEXT_MAX + 1, UINT32_MAX - 55, UINT32_MAX
	};

	for (uint32_t i = 0; i < ARRAY_CNT(lens); i++) {
		big.m.text_len = lens[i];
		refused(&big, sizeof(big.m) + 8, 0, DOMAIN_FD_MAX);
		refused(&big, sizeof(big.m) + 8, 2, DOMAIN_FD_MAX);
	}
	/* One byte more than there is room for: the kernel cuts it off. */
	big.m.text_len = DOMAIN_TEXT_MAX + 1;
	refused(&big, sizeof(big.m) + DOMAIN_TEXT_MAX + 1, 2, DOMAIN_FD_MAX);
	big.m.text_len = DOMAIN_TEXT_MAX;
	refused(&big, sizeof(big.m) + DOMAIN_TEXT_MAX + 1, 2, DOMAIN_FD_MAX);
}

static void
a_wrong_number_of_fds_is_refused(void **state)
{
	struct domain_msg m = { .magic = DOMAIN_MAGIC };

	refused(&m, sizeof(m), 1, DOMAIN_FD_MAX); /* came unannounced */
	refused(&m, sizeof(m), DOMAIN_FD_MAX, DOMAIN_FD_MAX);
	m.fd_cnt = 2;
	refused(&m, sizeof(m), 0, DOMAIN_FD_MAX); /* announced, did not come */
	refused(&m, sizeof(m), 1, DOMAIN_FD_MAX);
	refused(&m, sizeof(m), 3, DOMAIN_FD_MAX);
	refused(&m, sizeof(m), 2, 1); /* more than was asked for */
	refused(&m, sizeof(m), 2, 0);
	for (uint32_t n = DOMAIN_FD_MAX + 1; n <= SENT_FD_MAX; n++) {
		m.fd_cnt = (uint16_t)n;
		refused(&m, sizeof(m), n, DOMAIN_FD_MAX);
		m.fd_cnt = DOMAIN_FD_MAX;
		refused(&m, sizeof(m), n, DOMAIN_FD_MAX);
	}
}

/* An empty message looks like a closed socket, but it can carry fds. */
static void
an_empty_message_leaks_nothing(void **state)
{
	struct domain_msg m;
	int fd[DOMAIN_FD_MAX];

	refused("", 0, 1, DOMAIN_FD_MAX);
	refused("", 0, SENT_FD_MAX, DOMAIN_FD_MAX);
	send_raw("", 0, 0);
	assert_int_equal(receive(&m, fd, DOMAIN_FD_MAX), MB_ERR_NO_NODE);
}

static void
silence_ends_and_a_closed_end_is_told(void **state)
{
	struct domain_msg m = { .text_len = 0 };
	int fd[DOMAIN_FD_MAX];

	assert_int_equal(domain_sock_recv(sock[1], 5, &m, text, fd, DOMAIN_FD_MAX),
			 MB_ERR_DEADLINE);
	fcntl(sock[1], F_SETFL, O_NONBLOCK);
	assert_int_equal(domain_sock_recv(sock[1], -1, &m, text, fd, DOMAIN_FD_MAX),
			 MB_ERR_TRYAGAIN);
	while (domain_sock_send(sock[1], &m, NULL, NULL, 0) == 0) {
	}
	assert_int_equal(domain_sock_send(sock[1], &m, NULL, NULL, 0), MB_ERR_TRYAGAIN);
	shutdown(sock[0], SHUT_RDWR);
	assert_int_equal(domain_sock_recv(sock[1], -1, &m, text, fd, DOMAIN_FD_MAX),
			 MB_ERR_NO_NODE);
	assert_int_equal(domain_sock_send(sock[1], &m, NULL, NULL, 0), MB_ERR_NO_NODE);
	assert_int_equal(domain_sock_send(-1, &m, NULL, NULL, 0), MB_ERR_NO_NODE);
}

/* After an answer that was no answer, a later one could be taken for that of the next question. */
static void
after_a_malformed_answer_there_are_no_questions(void **state)
{
	struct domain d = { .sock = sock[1], .text = text };
	struct domain_msg question = { .kind = DOMAIN_ATTACH };
	struct domain_msg answer = { .magic = DOMAIN_MAGIC, .kind = DOMAIN_ATTACHED };
	int fd = -2;

	send_raw("x", 1, 1);
	send_raw(&answer, sizeof(answer), 0);
	assert_int_equal(domain_ask(&d, &question, NULL, 0, NULL, 0, &answer, &fd, 1),
			 MB_ERR_CORRUPT);
	assert_int_equal(domain_ask(&d, &question, NULL, 0, NULL, 0, &answer, &fd, 1),
			 MB_ERR_NO_NODE);
	assert_int_equal(fd, -2);
}

/* fds that come with a refusal are of no use to anybody. */
static void
a_refusal_brings_no_fds(void **state)
{
	struct domain d = { .sock = sock[1], .text = text };
	struct domain_msg question = { .kind = DOMAIN_ATTACH };
	struct domain_msg answer = { .magic = DOMAIN_MAGIC, .err = MB_ERR_PEER_DIED, .fd_cnt = 2 };
	uint32_t before = fd_cnt();
	int fd[2] = { -2, -2 };

	send_raw(&answer, sizeof(answer), 2);
	assert_int_equal(domain_ask(&d, &question, NULL, 0, NULL, 0, &answer, fd, 2),
			 MB_ERR_PEER_DIED);
	assert_int_equal(fd_cnt(), before);
	assert_int_equal(fd[0], -1);
	assert_int_equal(fd[1], -1);
}

static void
random_messages_are_whole_or_refused(void **state)
{
	uint8_t bytes[256];
	uint32_t taken = 0;
	struct rng rng;

	rng_init(&rng, test_seed("domain_sock"));
	for (uint32_t i = 0; i < RANDOM_CNT; i++) {
		struct domain_msg m = { .magic = DOMAIN_MAGIC, .kind = DOMAIN_ADMIN };
		size_t len = rng_below(&rng, sizeof(bytes) - sizeof(m));
		uint32_t n = (uint32_t)rng_below(&rng, 4);
		int fd[DOMAIN_FD_MAX];

		m.text_len = (uint32_t)(len + rng_below(&rng, 2));
		m.fd_cnt = (uint16_t)rng_below(&rng, 4);
		memset(bytes, 'x', sizeof(bytes));
		memcpy(bytes, &m, sizeof(m));
		if (rng_below(&rng, 4) == 0) {
			bytes[rng_below(&rng, sizeof(m))] = (uint8_t)rng_u64(&rng);
		}
		send_raw(bytes, sizeof(m) + len, n);
		if (receive(&m, fd, DOMAIN_FD_MAX) == 0) {
			assert_int_equal(m.text_len, len);
			assert_int_equal(m.fd_cnt, n);
			assert_int_equal(strlen(text), len);
			taken++;
			while (n > 0) {
				close(fd[--n]);
			}
		}
	}
	assert_true(taken > RANDOM_CNT / 20);
}

static void
messages_arrive_as_they_were_sent(void **state)
{
	const size_t lens[] = { 0, 1, 4096, DOMAIN_TEXT_MAX };
	static char sent[DOMAIN_TEXT_MAX];

	memset(sent, 'm', sizeof(sent));
	for (uint32_t i = 0; i < ARRAY_CNT(lens); i++) {
		struct domain_msg m = { .kind = DOMAIN_ADMIN,
					.err = MB_ERR_BUSY,
					.text_len = (uint32_t)lens[i],
					.inc = 5,
					.proc = 7,
					.seg = 9,
					.word = { 1, 2, 3, 4 } };
		struct domain_msg got;
		int fd[DOMAIN_FD_MAX];
		int give[2] = { sock[0], sock[1] };

		assert_int_equal(domain_sock_send(sock[0], &m, sent, give, 2), 0);
		assert_int_equal(domain_sock_recv(sock[1], -1, &got, text, fd, 2), 0);
		assert_memory_equal(&got, &m, sizeof(m));
		assert_memory_equal(text, sent, lens[i]);
		assert_int_equal(text[lens[i]], '\0');
		for (uint32_t f = 0; f < 2; f++) {
			assert_true(fcntl(fd[f], F_GETFD) & FD_CLOEXEC);
			close(fd[f]);
		}
	}
}

static void
the_path_is_given_or_this_users(void **state)
{
	char path[32];

	setenv("MICROBURST_SOCKET", "/env", 1);
	assert_int_equal(domain_sock_path("/given", path, sizeof(path)), 0);
	assert_string_equal(path, "/given");
	assert_int_equal(domain_sock_path("", path, sizeof(path)), 0);
	assert_string_equal(path, "/env");
	assert_int_equal(domain_sock_path("/too", path, 4), MB_ERR_TOO_LARGE);
	assert_int_equal(domain_sock_path("/ok", path, 4), 0);
	unsetenv("MICROBURST_SOCKET");
	assert_int_equal(domain_sock_path(NULL, path, 8), MB_ERR_TOO_LARGE);
}

/* A child that becomes one user and listens where another one's node does by default, and a child
 * that becomes the other and connects. */
static void
as_user(uid_t uid)
{
	unsetenv("XDG_RUNTIME_DIR");
	unsetenv("MICROBURST_SOCKET");
	if (setgid(uid) != 0 || setuid(uid) != 0) {
		_exit(99);
	}
}

static int
connect_as(uid_t uid, bool named)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	pid_t child = fork();
	int status, s;

	if (child == 0) {
		as_user(uid);
		snprintf(sa.sun_path, sizeof(sa.sun_path), "/tmp/microburst-%u.sock",
			 (unsigned)uid);
		_exit(-domain_sock_connect(named ? sa.sun_path : NULL, 0, &s));
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	return -WEXITSTATUS(status);
}

static void
nobody_elses_node_is_entered_unnamed(void **state)
{
	const uid_t own = 65531, other = 65532;
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	uid_t who[] = { own, 0, other };

	(void)state;
	if (geteuid() != 0) {
		skip();
	}
	snprintf(sa.sun_path, sizeof(sa.sun_path), "/tmp/microburst-%u.sock", (unsigned)own);
	for (uint32_t i = 0; i < 3; i++) {
		int ready[2], status;
		char c;
		pid_t listener;

		unlink(sa.sun_path);
		assert_int_equal(pipe(ready), 0);
		listener = fork();
		if (listener == 0) {
			int s = socket(AF_UNIX, SOCK_SEQPACKET, 0);

			as_user(who[i]);
			if (bind(s, (struct sockaddr *)&sa, sizeof(sa)) != 0 || listen(s, 8) != 0 ||
			    chmod(sa.sun_path, 0777) != 0 || write(ready[1], "", 1) != 1) {
				_exit(1);
			}
			pause();
		}
		close(ready[1]);
		assert_int_equal(read(ready[0], &c, 1), 1);
		close(ready[0]);
		assert_int_equal(connect_as(own, false), who[i] == other ? MB_ERR_DENIED : 0);
		assert_int_equal(connect_as(own, true), 0);
		kill(listener, SIGKILL);
		assert_int_equal(waitpid(listener, &status, 0), listener);
	}
	unlink(sa.sun_path);
	assert_int_equal(connect_as(own, false), MB_ERR_NO_NODE);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_wrong_head_is_refused),
		TEST(a_wrong_length_is_refused),
		TEST(a_wrong_number_of_fds_is_refused),
		TEST(an_empty_message_leaks_nothing),
		TEST(silence_ends_and_a_closed_end_is_told),
		TEST(after_a_malformed_answer_there_are_no_questions),
		TEST(a_refusal_brings_no_fds),
		TEST(random_messages_are_whole_or_refused),
		TEST(messages_arrive_as_they_were_sent),
		TEST(the_path_is_given_or_this_users),
		TEST(nobody_elses_node_is_entered_unnamed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
