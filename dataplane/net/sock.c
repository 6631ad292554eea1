/* SPDX-License-Identifier: Apache-2.0 */
/* sock - see sock.h
 *
 * Buffers. The kernel takes one for each datagram and tells which; after the callback it goes back
 * behind the others. When it finds none the receive ends, and is begun again with the next look:
 * what came meanwhile waits in the socket.
 *
 * Sends do not wait (MSG_DONTWAIT): they are done, or refused, inside the submission. So the
 * slots of a burst are free again when sock_flush returns, and only a refused send makes a
 * completion.
 *
 * Long datagrams of a burst that go to one end and are equally long (the last may be shorter) are
 * one send, which the kernel, or its NIC, takes apart (UDP_SEGMENT): the way through the kernel is
 * gone once for up to 64 KiB. A kernel that refuses it for the way that they take (EIO, EINVAL) is
 * not asked again for a while; those datagrams are lost, and sent again by flow. For a while only:
 * it may have been one client's way, and others' are not theirs.
 *
 * Own addresses. Who listens at all of them is told by the kernel which one a datagram came to
 * (IPV6_PKTINFO, for IPv4 too), and tells it that an answer goes from there. They have numbers
 * (here.h); what has none goes from where the kernel chooses.
 *
 * The eventfd is never read: each write is an edge for a poll, whatever the count (as the bells of
 * lcore_uring.c).
 */
#include "sock.h"

#include <errno.h>
#include <liburing.h>
#include <netdb.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "check.h"
#include "compiler.h"
#include "here.h"
#include "lcore.h"
#include "microburst/error.h"
#include "udp_segment.h"
#include "where.h"

#define RX_CNT        256 /* buffers; a power of two */
#define TX_CNT        64  /* sends in one burst */
#define RX_GROUP      1
/* Before the bytes: what io_uring says of them, and the sender's address. 8-aligned behind it. */
#define RX_CONTROL    CMSG_SPACE(sizeof(struct in6_pktinfo))
#define RX_HEAD       (sizeof(struct io_uring_recvmsg_out) + RX_NAME + RX_CONTROL)
#define RX_BYTES      ALIGN_UP(RX_HEAD + WIRE_DATAGRAM_MAX, 64)
#define RX_NAME       (sizeof(struct sockaddr_in6) + 4) /* so that the bytes are 8-aligned */
#define SOCKET_BUFFER (4 << 20)
#define WHOLE_CNT     4096u /* sends */

enum tag { TAG_RECV = 1, TAG_SEND }; /* of a send, from bit TAG_BITS on: how many datagrams */
#define TAG_BITS 8

static_assert(RX_HEAD % 8 == 0, "numbers in a frame are read in place");
static_assert((sizeof(struct io_uring_recvmsg_out) + RX_NAME) % 8 == 0, "so is a cmsghdr");

/* What is said of a send: into what it is taken apart, from where it goes. */
#define TX_CONTROL (sizeof(union udp_segment) + RX_CONTROL)

struct tx {
	struct msghdr msg; /* of a send that begins here; its pieces are iov[] from here on */
	struct sockaddr_in6 to;
	uint16_t via;
	_Alignas(struct cmsghdr) uint8_t control[TX_CONTROL];
};

struct sock {
	struct io_uring ring;
	int fd, event;
	bool ring_up, deferred, recv_on;
	uint32_t whole; /* sends that the kernel is not asked to take apart */
	struct msghdr recv_msg;
	struct io_uring_buf_ring *bufs;
	uint8_t *rx, *tx_bytes;
	uint32_t tx_cnt; /* in this burst */
	struct sock_stats stats;
	struct here here; /* via is a number of its, or 0 */
	struct iovec iov[TX_CNT];
	struct tx tx[TX_CNT];
};

/* ---------------------------------------------------------------- addresses */

static struct sockaddr_in6
sockaddr_of(const struct wire_addr *a)
{
	struct sockaddr_in6 sa = { .sin6_family = AF_INET6, .sin6_port = htons(a->port) };

	memcpy(&sa.sin6_addr, a->ip, sizeof(a->ip));
	return sa;
}

static struct wire_addr
addr_of(const struct sockaddr_in6 *sa)
{
	struct wire_addr a = { .port = ntohs(sa->sin6_port) };

	memcpy(a.ip, &sa->sin6_addr, sizeof(a.ip));
	return a;
}

int
sock_addrs(const char *text, bool passive, uint32_t max, struct wire_addr *ret)
{
	struct addrinfo hints = { .ai_family = AF_INET6,
				  .ai_socktype = SOCK_DGRAM,
				  .ai_flags = AI_V4MAPPED | AI_ALL | AI_NUMERICSERV };
	struct addrinfo *found = NULL;
	char host[WHERE_HOST_BYTES], port[WHERE_PORT_BYTES];
	struct sockaddr_in6 sa;
	uint32_t cnt = 0;

	if (where_split(text, host, port) != 0 || host[0] == '\0') {
		return MB_ERR_INVALID;
	}
	if (passive) {
		hints.ai_flags |= AI_PASSIVE;
	}
	if (getaddrinfo(strcmp(host, "*") == 0 ? NULL : host, port, &hints, &found) != 0) {
		return MB_ERR_NOT_FOUND;
	}
	for (const struct addrinfo *a = found; a != NULL && cnt < max; a = a->ai_next) {
		memcpy(&sa, a->ai_addr, sizeof(sa));
		ret[cnt++] = addr_of(&sa);
	}
	freeaddrinfo(found);
	return ret->port != 0 || passive ? (int)cnt : MB_ERR_INVALID;
}

int
sock_addr(const char *text, bool passive, struct wire_addr *ret)
{
	int n = sock_addrs(text, passive, 1, ret);

	return MIN(n, 0);
}

/* ------------------------------------------------------------------- opening */

static int
ring_open(struct io_uring *ring, uint32_t flags)
{
	struct io_uring_params p = { .flags = IORING_SETUP_R_DISABLED | IORING_SETUP_CQSIZE | flags,
				     .cq_entries = 4 * RX_CNT };

	return io_uring_queue_init_params(2 * TX_CNT, ring, &p);
}

/* What this kernel can: multishot receive came with SENDZC (6.0), and no opcode tells of it. */
static bool
ring_probe(struct sock *s)
{
	struct io_uring_probe *p = io_uring_get_probe_ring(&s->ring);
	bool ok = p != NULL && io_uring_opcode_supported(p, IORING_OP_SEND_ZC);

	io_uring_free_probe(p);
	return ok;
}

static int
sock_ring(struct sock *s)
{
	int rc = ring_open(&s->ring, IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
					     IORING_SETUP_TASKRUN_FLAG);

	s->deferred = rc == 0;
	if (rc == -EINVAL) {
		rc = ring_open(&s->ring, 0);
	}
	if (rc != 0) {
		return rc == -ENOMEM ? MB_ERR_NO_MEMORY : MB_ERR_NO_URING;
	}
	s->ring_up = true;
	return ring_probe(s) ? 0 : MB_ERR_NO_URING;
}

static int
sock_memory(struct sock *s)
{
	size_t rx_bytes = RX_CNT * RX_BYTES;
	size_t ring_bytes = RX_CNT * sizeof(struct io_uring_buf);
	size_t all = ring_bytes + rx_bytes + TX_CNT * (size_t)WIRE_DATAGRAM_MAX;
	struct io_uring_buf_reg reg = { .ring_entries = RX_CNT, .bgid = RX_GROUP };
	uint8_t *p = mmap(NULL, all, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED) {
		return MB_ERR_NO_MEMORY;
	}
	s->bufs = (void *)p;
	s->rx = p + ALIGN_UP(ring_bytes, 64);
	s->tx_bytes = s->rx + rx_bytes;
	for (uint32_t i = 0; i < TX_CNT; i++) {
		s->iov[i].iov_base = s->tx_bytes + i * (size_t)WIRE_DATAGRAM_MAX;
	}
	io_uring_buf_ring_init(s->bufs);
	for (uint32_t i = 0; i < RX_CNT; i++) {
		io_uring_buf_ring_add(s->bufs, s->rx + i * RX_BYTES, RX_BYTES, (uint16_t)i,
				      RX_CNT - 1, (int)i);
	}
	io_uring_buf_ring_advance(s->bufs, RX_CNT);
	reg.ring_addr = (uintptr_t)s->bufs;
	return io_uring_register_buf_ring(&s->ring, &reg, 0) == 0 ? 0 : MB_ERR_NO_URING;
}

static int
sock_bind(struct sock *s, const struct wire_addr *at)
{
	struct sockaddr_in6 sa = sockaddr_of(at);
	int off = 0, on = 1, buffer = SOCKET_BUFFER, discover = IPV6_PMTUDISC_DO;

	s->fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (s->fd < 0) {
		return errno == EMFILE || errno == ENOMEM ? MB_ERR_NO_MEMORY : MB_ERR_NOT_SUPPORTED;
	}
	setsockopt(s->fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
	/* Wide frames are tried out (flow.h), not cut up on the way. */
	setsockopt(s->fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, &discover, sizeof(discover));
	discover = IP_PMTUDISC_DO;
	setsockopt(s->fd, IPPROTO_IP, IP_MTU_DISCOVER, &discover, sizeof(discover));
	if (setsockopt(s->fd, SOL_SOCKET, SO_RCVBUFFORCE, &buffer, sizeof(buffer)) != 0) {
		setsockopt(s->fd, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof(buffer));
	}
	if (setsockopt(s->fd, SOL_SOCKET, SO_SNDBUFFORCE, &buffer, sizeof(buffer)) != 0) {
		setsockopt(s->fd, SOL_SOCKET, SO_SNDBUF, &buffer, sizeof(buffer));
	}
	if (IN6_IS_ADDR_UNSPECIFIED(&sa.sin6_addr)) {
		setsockopt(s->fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof(on));
	}
	if (bind(s->fd, (struct sockaddr *)&sa, sizeof(sa)) != 0) {
		return errno == EADDRINUSE      ? MB_ERR_EXISTS
		       : errno == EACCES        ? MB_ERR_DENIED
		       : errno == EADDRNOTAVAIL ? MB_ERR_INVALID
						: MB_ERR_IO;
	}
	return 0;
}

int
sock_open(struct sock **ret, const struct wire_addr *at)
{
	struct sock *s = calloc(1, sizeof(*s));
	int err;

	if (s == NULL) {
		return MB_ERR_NO_MEMORY;
	}
	s->fd = -1;
	s->event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	err = s->event >= 0 ? sock_bind(s, at) : MB_ERR_NO_MEMORY;
	if (err == 0) {
		err = sock_ring(s);
	}
	if (err == 0) {
		err = sock_memory(s);
	}
	if (err != 0) {
		sock_close(s);
		return err;
	}
	s->recv_msg.msg_namelen = RX_NAME;
	s->recv_msg.msg_controllen = RX_CONTROL;
	*ret = s;
	return 0;
}

void
sock_close(struct sock *s)
{
	if (s->ring_up) {
		io_uring_queue_exit(&s->ring);
	}
	if (s->bufs != NULL) {
		munmap(s->bufs, (size_t)(s->tx_bytes - (uint8_t *)s->bufs) +
					TX_CNT * (size_t)WIRE_DATAGRAM_MAX);
	}
	if (s->fd >= 0) {
		close(s->fd);
	}
	if (s->event >= 0) {
		close(s->event);
	}
	free(s);
}

int
sock_enable(struct sock *s)
{
	/* io_uring_enable_rings, which liburing 2.3 declares but does not export. */
	if (syscall(__NR_io_uring_register, s->ring.ring_fd, IORING_REGISTER_ENABLE_RINGS, NULL,
		    0) < 0 ||
	    io_uring_register_eventfd(&s->ring, s->event) != 0) {
		return MB_ERR_IO;
	}
	io_uring_cq_eventfd_toggle(&s->ring, false);
	return 0;
}

struct wire_addr
sock_local(const struct sock *s)
{
	struct sockaddr_in6 sa = { 0 };
	socklen_t len = sizeof(sa);

	getsockname(s->fd, (struct sockaddr *)&sa, &len);
	return addr_of(&sa);
}

/* ----------------------------------------------------------------- receiving */

static struct io_uring_sqe *
sock_sqe(struct sock *s)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&s->ring);

	if (sqe == NULL) {
		io_uring_submit(&s->ring);
		sqe = io_uring_get_sqe(&s->ring);
	}
	return sqe;
}

static void
recv_begin(struct sock *s)
{
	struct io_uring_sqe *sqe = sock_sqe(s);

	if (sqe == NULL) {
		return; /* with the next look */
	}
	io_uring_prep_recvmsg_multishot(sqe, s->fd, &s->recv_msg, 0);
	sqe->flags |= IOSQE_BUFFER_SELECT;
	sqe->buf_group = RX_GROUP;
	io_uring_sqe_set_data64(sqe, TAG_RECV);
	s->recv_on = true;
	io_uring_submit(&s->ring);
}

/* The number of the own address that one came to. Which link it is matters for those addresses
 * only that are a link's. */
static uint16_t
recv_via(struct sock *s, struct io_uring_recvmsg_out *out)
{
	struct cmsghdr *c = io_uring_recvmsg_cmsg_firsthdr(out, &s->recv_msg);
	struct in6_pktinfo at;

	if (c == NULL || c->cmsg_level != IPPROTO_IPV6 || c->cmsg_type != IPV6_PKTINFO ||
	    c->cmsg_len < CMSG_LEN(sizeof(at))) {
		return 0;
	}
	memcpy(&at, CMSG_DATA(c), sizeof(at));
	if (IN6_IS_ADDR_MULTICAST(&at.ipi6_addr)) {
		return 0;
	}
	if (!IN6_IS_ADDR_LINKLOCAL(&at.ipi6_addr)) {
		at.ipi6_ifindex = 0;
	}
	return here_number(&s->here, &at);
}

/* One datagram; its buffer goes back. Returns whether it was one. */
static bool
recv_one(struct sock *s, const struct io_uring_cqe *cqe, net_recv_fn *fn, void *ctx)
{
	uint32_t id = cqe->flags >> IORING_CQE_BUFFER_SHIFT;
	uint8_t *buf = s->rx + id * RX_BYTES;
	struct io_uring_recvmsg_out *out = io_uring_recvmsg_validate(buf, cqe->res, &s->recv_msg);
	bool ok = false;

	if (out != NULL && out->namelen == sizeof(struct sockaddr_in6)) {
		struct sockaddr_in6 sa;
		struct wire_addr from;
		uint8_t *p = io_uring_recvmsg_payload(out, &s->recv_msg);
		size_t len = io_uring_recvmsg_payload_length(out, cqe->res, &s->recv_msg);

		memcpy(&sa, io_uring_recvmsg_name(out), sizeof(sa));
		from = addr_of(&sa);
		from.via = recv_via(s, out);
		if ((out->flags & MSG_TRUNC) != 0 || len > WIRE_DATAGRAM_MAX) {
			s->stats.rx_truncated++;
		} else {
			s->stats.rx++;
			fn(ctx, &from, slice_of(p, len));
			ok = true;
		}
	}
	io_uring_buf_ring_add(s->bufs, buf, RX_BYTES, (uint16_t)id, RX_CNT - 1, 0);
	io_uring_buf_ring_advance(s->bufs, 1);
	return ok;
}

int
sock_recv(struct sock *s, uint32_t max, net_recv_fn *fn, void *ctx)
{
	struct io_uring_cqe *cqe;
	int cnt = 0;

	if (!s->recv_on) {
		recv_begin(s);
	}
	if (s->deferred && (IO_URING_READ_ONCE(*s->ring.sq.kflags) &
			    (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW))) {
		io_uring_get_events(&s->ring);
	}
	while ((uint32_t)cnt < max && io_uring_peek_cqe(&s->ring, &cqe) == 0) {
		uint64_t tag = io_uring_cqe_get_data64(cqe), many = tag >> TAG_BITS;

		switch (tag & ((1U << TAG_BITS) - 1)) {
		case TAG_RECV:
			s->recv_on = (cqe->flags & IORING_CQE_F_MORE) != 0;
			if (cqe->res >= 0 && (cqe->flags & IORING_CQE_F_BUFFER) != 0) {
				cnt += recv_one(s, cqe, fn, ctx);
			}
			break;
		default: /* TAG_SEND */
			s->stats.tx_dropped += many;
			if (many > 1 && (cqe->res == -EIO || cqe->res == -EINVAL)) {
				s->whole = WHOLE_CNT;
			}
		}
		io_uring_cqe_seen(&s->ring, cqe);
	}
	return cnt;
}

/* ------------------------------------------------------------------- sending */

uint8_t *
sock_room(struct sock *s)
{
	if (s->tx_cnt == TX_CNT) {
		sock_flush(s);
	}
	return s->iov[s->tx_cnt].iov_base;
}

void
sock_send(struct sock *s, const struct wire_addr *to, size_t len)
{
	REQUIRE(len <= WIRE_DATAGRAM_MAX);
	REQUIRE(to->via <= HERE_CNT);
	s->tx[s->tx_cnt].to = sockaddr_of(to);
	s->tx[s->tx_cnt].via = to->via;
	s->iov[s->tx_cnt].iov_len = len;
	s->tx_cnt++;
	s->stats.tx++;
}

/* How many datagrams from the i-th on can be one send. */
static uint32_t
send_cnt(const struct sock *s, uint32_t i)
{
	size_t len = s->iov[i].iov_len, all = len;
	uint32_t n = 1;

	while (s->whole == 0 && len >= UDP_SEGMENT_BYTES_MIN && i + n < s->tx_cnt &&
	       n < UDP_SEGMENTS_MAX && s->iov[i + n - 1].iov_len == len &&
	       s->iov[i + n].iov_len <= len && all + s->iov[i + n].iov_len <= UDP_SEGMENTS_BYTES &&
	       s->tx[i].via == s->tx[i + n].via &&
	       memcmp(&s->tx[i].to, &s->tx[i + n].to, sizeof(s->tx[i].to)) == 0) {
		all += s->iov[i + n].iov_len;
		n++;
	}
	return n;
}

/* It goes from one of the own addresses. */
static void
send_via(struct tx *tx, const struct in6_pktinfo *here)
{
	const struct cmsghdr head = { .cmsg_len = CMSG_LEN(sizeof(*here)),
				      .cmsg_level = IPPROTO_IPV6,
				      .cmsg_type = IPV6_PKTINFO };
	uint8_t *p = tx->control + tx->msg.msg_controllen;

	memcpy(p, &head, sizeof(head));
	memcpy(p + CMSG_LEN(0), here, sizeof(*here));
	tx->msg.msg_control = tx->control;
	tx->msg.msg_controllen += RX_CONTROL;
}

static void
send_make(struct sock *s, uint32_t i, uint32_t n)
{
	struct tx *tx = &s->tx[i];
	struct io_uring_sqe *sqe = sock_sqe(s);

	if (sqe == NULL) {
		s->stats.tx_dropped += n;
		return;
	}
	tx->msg = (struct msghdr){ .msg_name = &tx->to,
				   .msg_namelen = sizeof(tx->to),
				   .msg_iov = &s->iov[i],
				   .msg_iovlen = n };
	if (n > 1) {
		udp_segment_set(&tx->msg, (void *)tx->control, (uint16_t)s->iov[i].iov_len);
	}
	if (tx->via != 0) {
		send_via(tx, here_at(&s->here, tx->via));
	}
	io_uring_prep_sendmsg(sqe, s->fd, &tx->msg, MSG_DONTWAIT);
	sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
	io_uring_sqe_set_data64(sqe, TAG_SEND | (uint64_t)n << TAG_BITS);
}

void
sock_flush(struct sock *s)
{
	uint32_t n;

	if (s->tx_cnt == 0) {
		return;
	}
	for (uint32_t i = 0; i < s->tx_cnt; i += n) {
		n = send_cnt(s, i);
		s->whole -= s->whole > 0;
		send_make(s, i, n);
	}
	s->tx_cnt = 0;
	io_uring_submit(&s->ring);
}

/* ------------------------------------------------------------------ sleeping */

int
sock_event(const struct sock *s)
{
	return s->event;
}

void
sock_arm(struct sock *s, bool up)
{
	io_uring_cq_eventfd_toggle(&s->ring, up);
}

const struct sock_stats *
sock_stats(const struct sock *s)
{
	return &s->stats;
}

/* -------------------------------------------------------------------- net_io */

/* Whoever is woken polls: there is nothing to be done with the news itself. */
static void
io_woken(void *ctx, int fd, int events_or_error)
{
	(void)ctx;
	(void)fd;
	(void)events_or_error;
}

static int
io_start(void *io, struct lcore *lcore)
{
	struct sock *s = io;
	int err = sock_enable(s);

	return err == 0 ? lcore_watch(lcore, s->event, io_woken, s) : err;
}

static int
io_recv(void *io, uint32_t max, uint64_t now_ns, net_recv_fn *fn, void *ctx)
{
	(void)now_ns;
	return sock_recv(io, max, fn, ctx);
}

static uint8_t *
io_room(void *io, size_t len)
{
	(void)len;
	return sock_room(io);
}

static void
io_send(void *io, const struct wire_addr *to, size_t len)
{
	sock_send(io, to, len);
}

static void
io_flush(void *io)
{
	sock_flush(io);
}

static void
io_arm(void *io, bool up)
{
	sock_arm(io, up);
}

static uint64_t
io_nap_ns(const void *io)
{
	(void)io;
	return NET_IO_NAP_NEVER;
}

static struct net_io_stats
io_stats(void *io)
{
	const struct sock *sock = io;
	const struct sock_stats *s = sock_stats(sock);
	uint32_t info[SK_MEMINFO_VARS] = { 0 };
	socklen_t len = sizeof(info);

	/* An older kernel has not the last of them: then it says nothing of what it dropped. */
	(void)getsockopt(sock->fd, SOL_SOCKET, SO_MEMINFO, info, &len);

	return (struct net_io_stats){ .rx = s->rx,
				      .tx = s->tx,
				      .tx_dropped = s->tx_dropped,
				      .rx_bad = s->rx_truncated,
				      .rx_missed = info[SK_MEMINFO_DROPS],
				      .up = true };
}

static struct wire_addr
io_local(const void *io)
{
	return sock_local(io);
}

static size_t
io_datagram_max(const void *io)
{
	(void)io;
	return WIRE_DATAGRAM_MAX;
}

static const char *
io_text(const void *io)
{
	const struct sock *s = io;

	return s->deferred ? "io_uring, deferred task run" : "io_uring, plain";
}

static void
io_close(void *io)
{
	sock_close(io);
}

static const struct net_io_ops sock_io_ops = {
	.start = io_start,
	.recv = io_recv,
	.room = io_room,
	.send = io_send,
	.flush = io_flush,
	.arm = io_arm,
	.nap_ns = io_nap_ns,
	.stats = io_stats,
	.local = io_local,
	.datagram_max = io_datagram_max,
	.text = io_text,
	.close = io_close,
};

struct net_io
sock_io(struct sock *s)
{
	return (struct net_io){ &sock_io_ops, s };
}
