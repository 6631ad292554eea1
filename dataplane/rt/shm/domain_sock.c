/* SPDX-License-Identifier: Apache-2.0 */
/* domain_sock - the messages of the Unix socket, for both of its ends
 *
 * One message is one SOCK_SEQPACKET datagram: head, text, fds. The kernel keeps them whole and in
 * order, so there is no framing to get wrong; what is left to check is that the head fits what
 * came.
 */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#include "check.h"
#include "domain.h"

union control {
	char bytes[CMSG_SPACE(DOMAIN_FD_MAX * sizeof(int))];
	struct cmsghdr align;
};

static int
domain_sock_err(void)
{
	switch (errno) {
	case EAGAIN:
		return MB_ERR_TRYAGAIN;
	case ENOBUFS:
	case ENOMEM:
		return MB_ERR_NO_MEMORY;
	case EMSGSIZE:
		return MB_ERR_TOO_LARGE;
	default:
		return MB_ERR_NO_NODE;
	}
}

int
domain_sock_send(int sock, struct domain_msg *m, const void *text, const int *fd, uint32_t fd_cnt)
{
	union control control;
	struct iovec iov[2] = {
		{ .iov_base = m, .iov_len = sizeof(*m) },
		{ .iov_base = (void *)(uintptr_t)text, .iov_len = m->text_len },
	};
	struct msghdr h = { .msg_iov = iov, .msg_iovlen = m->text_len > 0 ? 2 : 1 };
	ssize_t n;

	REQUIRE(fd_cnt <= DOMAIN_FD_MAX);
	REQUIRE(m->text_len <= DOMAIN_TEXT_MAX);
	m->magic = DOMAIN_MAGIC;
	m->fd_cnt = (uint16_t)fd_cnt;
	if (fd_cnt > 0) {
		struct cmsghdr *c;

		memset(&control, 0, sizeof(control));
		h.msg_control = control.bytes;
		h.msg_controllen = CMSG_SPACE(fd_cnt * sizeof(int));
		c = CMSG_FIRSTHDR(&h);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(fd_cnt * sizeof(int));
		memcpy(CMSG_DATA(c), fd, fd_cnt * sizeof(int));
	}
	do {
		n = sendmsg(sock, &h, MSG_NOSIGNAL);
	} while (n < 0 && errno == EINTR);
	return n < 0 ? domain_sock_err() : 0;
}

/* Takes the fds out of a received message. Returns: how many; control has room for no more. */
static uint32_t
domain_sock_fds(struct msghdr *h, int ret_fd[static DOMAIN_FD_MAX])
{
	uint32_t cnt = 0;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(h); c != NULL; c = CMSG_NXTHDR(h, c)) {
		size_t n;

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) {
			continue;
		}
		n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		REQUIRE(cnt + n <= DOMAIN_FD_MAX);
		memcpy(ret_fd + cnt, CMSG_DATA(c), n * sizeof(int));
		cnt += (uint32_t)n;
	}
	return cnt;
}

static int
domain_sock_wait(int sock, int timeout_ms)
{
	struct pollfd p = { .fd = sock, .events = POLLIN };
	int n;

	do {
		n = poll(&p, 1, timeout_ms);
	} while (n < 0 && errno == EINTR);
	return n == 0 ? MB_ERR_DEADLINE : n < 0 ? MB_ERR_NO_NODE : 0;
}

int
domain_sock_recv(int sock, int timeout_ms, struct domain_msg *ret, char *text, int *fd,
		 uint32_t fd_max)
{
	union control control;
	struct iovec iov[2] = {
		{ .iov_base = ret, .iov_len = sizeof(*ret) },
		{ .iov_base = text, .iov_len = DOMAIN_TEXT_MAX },
	};
	struct msghdr h = { .msg_iov = iov,
			    .msg_iovlen = 2,
			    .msg_control = control.bytes,
			    .msg_controllen = sizeof(control.bytes) };
	int got[DOMAIN_FD_MAX];
	uint32_t cnt;
	ssize_t n;
	int err;

	if (timeout_ms >= 0) {
		err = domain_sock_wait(sock, timeout_ms);
		if (err != 0) {
			return err;
		}
	}
	do {
		n = recvmsg(sock, &h, MSG_CMSG_CLOEXEC);
	} while (n < 0 && errno == EINTR);
	if (n < 0) {
		return domain_sock_err();
	}
	cnt = domain_sock_fds(&h, got);
	if (n == 0 && cnt == 0) {
		return MB_ERR_NO_NODE;
	}
	if ((size_t)n < sizeof(*ret) || ret->magic != DOMAIN_MAGIC ||
	    (size_t)n != sizeof(*ret) + ret->text_len || cnt != ret->fd_cnt || cnt > fd_max ||
	    (h.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0) {
		/* An empty message is nearly the end of the socket, but it can carry fds. */
		while (cnt > 0) {
			close(got[--cnt]);
		}
		return MB_ERR_CORRUPT;
	}
	if (cnt > 0) {
		memcpy(fd, got, cnt * sizeof(int));
	}
	text[ret->text_len] = '\0';
	return 0;
}

/* The socket that somebody named; NULL: nobody did. */
static const char *
sock_named(const char *given)
{
	const char *env = getenv("MICROBURST_SOCKET");

	if (given != NULL && given[0] != '\0') {
		return given;
	}
	return env != NULL && env[0] != '\0' ? env : NULL;
}

int
domain_sock_path(const char *given, char *ret, size_t bytes)
{
	const char *dir = getenv("XDG_RUNTIME_DIR");
	const char *named = sock_named(given);
	int n;

	if (named != NULL) {
		n = snprintf(ret, bytes, "%s", named);
	} else if (geteuid() == 0) {
		n = snprintf(ret, bytes, "/run/microburst/microburst.sock");
	} else if (dir != NULL && dir[0] == '/') {
		n = snprintf(ret, bytes, "%s/microburst.sock", dir);
	} else {
		n = snprintf(ret, bytes, "/tmp/microburst-%u.sock", (unsigned)geteuid());
	}
	return n < 0 || (size_t)n >= bytes ? MB_ERR_TOO_LARGE : 0;
}

/* Where everybody may make a socket of that name, who listens there may be anybody. */
static bool
sock_is_own(int sock)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);

	return getsockopt(sock, SOL_SOCKET, SO_PEERCRED, &cred, &len) == 0 &&
	       (cred.uid == 0 || cred.uid == geteuid());
}

int
domain_sock_connect(const char *given, int flags, int *ret)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int err = domain_sock_path(given, sa.sun_path, sizeof(sa.sun_path));
	int sock = err == 0 ? socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | flags, 0) : -1;

	if (sock < 0) {
		return err != 0 ? err : MB_ERR_NO_MEMORY;
	}
	if (connect(sock, (struct sockaddr *)&sa, sizeof(sa)) != 0) {
		err = errno == EACCES || errno == EPERM ? MB_ERR_DENIED
		      : errno == EAGAIN                 ? MB_ERR_BUSY
							: MB_ERR_NO_NODE;
	} else if (sock_named(given) == NULL && !sock_is_own(sock)) {
		err = MB_ERR_DENIED;
	}
	if (err != 0) {
		close(sock);
		return err;
	}
	*ret = sock;
	return 0;
}
