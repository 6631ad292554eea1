/* SPDX-License-Identifier: Apache-2.0 */
/* carrier_udp.c - a socket of the kernel's, by plain system calls (dataplane/net/README.md: why)
 *
 * A socket a lane. It is connected, so the kernel tells when nobody listens there, and gives the
 * path's width as far as this host knows it.
 *
 * Long datagrams that go one after the other and are equally long (the last may be shorter) are
 * one send, which the kernel takes apart (UDP_SEGMENT), as sock.c's are. They are copied together
 * for it: the copy stays in the core's cache.
 */
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "carrier.h"
#include "check.h"
#include "compiler.h"
#include "microburst/error.h"
#include "timebase.h"
#include "udp_segment.h"
#include "where.h"

#define IP_UDP_BYTES  48 /* IPv6 and UDP heads */
#define SOCKET_BUFFER (4 << 20)
#define SPIN_NS       (20 * NS_PER_US)

struct udp {
	int fd[CARRIER_LANES];            /* -1: none */
	bool whole;                       /* the kernel does not take sends apart */
	struct addrinfo *found, *untried; /* the name's */
	uint32_t many_lane;               /* datagrams that wait for the next ones: */
	uint32_t many_cnt;
	size_t many_each, many_len;
	uint8_t many[UDP_SEGMENTS_BYTES];
	uint8_t tx[WIRE_DATAGRAM_MAX];
	_Alignas(8) uint8_t rx[WIRE_DATAGRAM_MAX + 1];
};

static void
many_send(struct udp *u)
{
	uint16_t each = (uint16_t)u->many_each;
	union udp_segment segment;
	struct iovec iov = { u->many, u->many_len };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };
	size_t len = u->many_len;

	u->many_len = 0;
	if (u->many_cnt > 1) {
		udp_segment_set(&m, &segment, each);
		if (sendmsg(u->fd[u->many_lane], &m, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0 ||
		    (errno != EIO && errno != EINVAL)) {
			return;
		}
		u->whole = true;
	}
	for (size_t at = 0; at < len; at += each) {
		send(u->fd[u->many_lane], u->many + at, MIN(len - at, (size_t)each),
		     MSG_DONTWAIT | MSG_NOSIGNAL);
	}
}

/* Whether a datagram of len bytes is one more of those that wait, or the first of some. */
static bool
many_takes(struct udp *u, uint32_t lane, size_t len)
{
	if (u->many_len > 0 &&
	    (lane != u->many_lane || len > u->many_each ||
	     u->many_len != u->many_cnt * u->many_each || u->many_cnt == UDP_SEGMENTS_MAX ||
	     u->many_len + len > sizeof(u->many))) {
		many_send(u);
	}
	if (u->many_len == 0) {
		if (u->whole || len < UDP_SEGMENT_BYTES_MIN) {
			return false;
		}
		u->many_lane = lane;
		u->many_each = len;
		u->many_cnt = 0;
	}
	return true;
}

static void
udp_send(void *carrier, uint32_t lane, struct seal *seal, const struct wire_head *h,
	 const uint8_t *body)
{
	struct udp *u = carrier;
	size_t len = WIRE_HEAD_BYTES + (size_t)h->len + (seal->cnt > 0 ? SEAL_BYTES : 0);

	if (many_takes(u, lane, len)) {
		u->many_len += seal_put(seal, u->many + u->many_len, h, body);
		u->many_cnt++;
		return;
	}
	/* A copy of that little costs less than what the kernel reads of a send of two pieces. */
	send(u->fd[lane], u->tx, seal_put(seal, u->tx, h, body), MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void
udp_flush(void *carrier)
{
	struct udp *u = carrier;

	if (u->many_len > 0) {
		many_send(u);
	}
}

static uint32_t
lane_recv(struct udp *u, uint32_t lane, uint32_t max, carrier_recv_fn *fn, void *ctx)
{
	uint32_t cnt = 0;
	bool more = true;

	for (; more && cnt < max; cnt++) {
		ssize_t n = recv(u->fd[lane], u->rx, sizeof(u->rx), MSG_DONTWAIT);

		if (n < 0 && errno != ECONNREFUSED) {
			break;
		}
		more = fn(ctx, lane, n < 0 ? slice_of(NULL, 0) : slice_of(u->rx, (size_t)n));
	}
	return cnt;
}

static int
udp_recv(void *carrier, uint32_t lanes, uint32_t max, uint64_t now_ns, carrier_recv_fn *fn,
	 void *ctx)
{
	struct udp *u = carrier;
	uint32_t cnt = 0;

	(void)now_ns;
	for (uint32_t i = 0; lanes >> i != 0; i++) {
		if ((lanes >> i & 1) != 0) {
			cnt += lane_recv(u, i, max, fn, ctx);
		}
	}
	return (int)cnt;
}

static void
udp_wait(void *carrier, uint32_t lanes, uint64_t ns)
{
	struct udp *u = carrier;
	struct pollfd p[CARRIER_LANES];
	struct timespec ts = { (time_t)(ns / NS_PER_S), (long)(ns % NS_PER_S) };
	nfds_t cnt = 0;

	for (uint32_t i = 0; lanes >> i != 0; i++) {
		if ((lanes >> i & 1) != 0) {
			p[cnt++] = (struct pollfd){ .fd = u->fd[i], .events = POLLIN };
		}
	}
	ppoll(p, cnt, &ts, NULL);
}

static void
udp_close(void *carrier)
{
	struct udp *u = carrier;

	for (uint32_t i = 0; i < CARRIER_LANES; i++) {
		if (u->fd[i] >= 0) {
			close(u->fd[i]);
		}
	}
	if (u->found != NULL) {
		freeaddrinfo(u->found);
	}
	free(u);
}

/* Returns: a connected socket; MB_ERR_NO_MEMORY; MB_ERR_NO_NODE. */
static int
udp_socket(const struct sockaddr *to, socklen_t to_len)
{
	int fd = socket(to->sa_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int buffer = SOCKET_BUFFER, discover;

	if (fd < 0) {
		return MB_ERR_NO_MEMORY;
	}
	if (connect(fd, to, to_len) != 0) {
		close(fd);
		return MB_ERR_NO_NODE;
	}
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &buffer, sizeof(buffer)) != 0) {
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof(buffer));
	}
	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &buffer, sizeof(buffer));
	if (to->sa_family == AF_INET6) {
		discover = IPV6_PMTUDISC_DO;
		setsockopt(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, &discover, sizeof(discover));
	} else {
		discover = IP_PMTUDISC_DO;
		setsockopt(fd, IPPROTO_IP, IP_MTU_DISCOVER, &discover, sizeof(discover));
	}
	return fd;
}

static int
udp_lane(void *carrier, uint32_t lane, uint16_t port)
{
	struct udp *u = carrier;
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	} to = { .v6 = { 0 } };
	socklen_t len = sizeof(to);
	int fd;

	if (getpeername(u->fd[0], &to.any, &len) != 0) {
		return MB_ERR_NO_NODE;
	}
	if (to.any.sa_family == AF_INET6) {
		to.v6.sin6_port = htons(port);
	} else {
		to.v4.sin_port = htons(port);
	}
	fd = udp_socket(&to.any, len);
	if (fd < 0) {
		return fd;
	}
	if (u->fd[lane] >= 0) {
		close(u->fd[lane]);
	}
	u->fd[lane] = fd;
	return 0;
}

/* To the next address that this host knows a way to. */
static int
udp_next(struct carrier *c)
{
	struct udp *u = c->carrier;
	socklen_t len = sizeof(int);
	int fd = MB_ERR_NO_NODE, mtu = 0;
	bool v6 = false;

	for (; c->more > 0 && fd < 0; c->more--) {
		v6 = u->untried->ai_family == AF_INET6;
		fd = udp_socket(u->untried->ai_addr, u->untried->ai_addrlen);
		u->untried = u->untried->ai_next;
	}
	if (fd < 0) {
		return fd;
	}
	if (u->fd[0] >= 0) {
		close(u->fd[0]);
	}
	u->fd[0] = fd;
	if (v6) {
		getsockopt(fd, IPPROTO_IPV6, IPV6_MTU, &mtu, &len);
	} else {
		getsockopt(fd, IPPROTO_IP, IP_MTU, &mtu, &len);
	}
	c->datagram = (uint16_t)MIN(MAX(mtu - IP_UDP_BYTES, WIRE_DATAGRAM_MIN), WIRE_DATAGRAM_MAX);
	return 0;
}

static const struct carrier_ops udp_ops = {
	udp_next, udp_lane, udp_send, udp_flush, udp_recv, udp_wait, udp_close,
};

/* Looks the name up. Returns: 0 with *ret_cnt; MB_ERR_INVALID; MB_ERR_NO_NODE. */
static int
udp_find(struct udp *u, const char *where, uint32_t *ret_cnt)
{
	struct addrinfo hints = { .ai_socktype = SOCK_DGRAM, .ai_flags = AI_NUMERICSERV };
	char host[WHERE_HOST_BYTES], port[WHERE_PORT_BYTES];
	uint32_t cnt = 0;

	if (where_split(where, host, port) != 0 || host[0] == '\0') {
		return MB_ERR_INVALID;
	}
	if (getaddrinfo(host, port, &hints, &u->found) != 0) {
		u->found = NULL;
		return MB_ERR_NO_NODE;
	}
	u->untried = u->found;
	for (const struct addrinfo *a = u->found; a != NULL && cnt < CARRIER_ADDRS_MAX;
	     a = a->ai_next) {
		cnt++;
	}
	*ret_cnt = cnt;
	return 0;
}

int
carrier_udp_open(struct carrier *ret, const char *where)
{
	struct udp *u = calloc(1, sizeof(*u));
	struct carrier c = { .ops = &udp_ops, .carrier = u, .spin_ns = SPIN_NS };
	int err;

	if (u == NULL) {
		return MB_ERR_NO_MEMORY;
	}
	memset(u->fd, -1, sizeof(u->fd));
	err = udp_find(u, where, &c.more);
	if (err == 0) {
		err = udp_next(&c);
	}
	if (err != 0) {
		udp_close(u);
		return err;
	}
	*ret = c;
	return 0;
}
