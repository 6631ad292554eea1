/* SPDX-License-Identifier: Apache-2.0 */
/* sock - see sock.h
 *
 * Plain system calls while awake. A ring that is asked each time costs more than they do: a
 * datagram that comes wakes a request, whose work the next call has to do, and the send is a second
 * call all the same (README.md, Decisions: the figures).
 *
 * How many a look takes. It takes one; twice as many as the last one when that was full, and as
 * many as that had when it was not. So who answers one datagram does not look for a second one
 * first, in vain, and of many that come 16 are soon one call.
 *
 * Sleeping: the lcore watches the socket for one event, from a sleep on (as nic.c does). A standing
 * watch would cost each datagram what the ring did; one that is taken back makes a completion too.
 *
 * Sends do not wait (MSG_DONTWAIT): what the kernel has no room for is dropped, and counted.
 *
 * Long datagrams of a burst that go to one end and are equally long (the last may be shorter) are
 * one send, which the kernel, or its NIC, takes apart (UDP_SEGMENT): the way through the kernel is
 * gone once for up to 64 KiB. A kernel that refuses it for the way that they take (EIO, EINVAL) is
 * not asked again for a while; those datagrams are lost, and sent again by flow. For a while only:
 * it may have been one client's way, and others' are not theirs.
 *
 * What goes to strangers. Whoever greets is answered (flow_session.c), and who speaks in others'
 * names may name addresses of this link that nobody has: then the answer waits, for seconds, in the
 * send buffer until the kernel has found nobody there. Some thousand a second fill it. So strangers
 * have half of it: while more is taken, what answers a greeting, or says that a session is not
 * known, is dropped and counted. The other half is for those who have a session.
 *
 * Own addresses. Who listens at all of them is told by the kernel which one a datagram came to
 * (IPV6_PKTINFO, for IPv4 too), and tells it that an answer goes from there. They have numbers
 * (here.h); what has none goes from where the kernel chooses.
 */
#include "sock.h"

#include <endian.h>
#include <errno.h>
#include <liburing.h>
#include <netdb.h>
#include <linux/sock_diag.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "check.h"
#include "compiler.h"
#include "here.h"
#include "lcore.h"
#include "microburst/error.h"
#include "timebase.h"
#include "udp_segment.h"
#include "where.h"

#define RX_CNT        16                              /* datagrams of one look */
#define TX_CNT        64                              /* and of one burst */
#define RX_BYTES      ALIGN_UP(WIRE_DATAGRAM_MAX, 64) /* numbers in a frame are read in place */
#define SOCKET_BUFFER (4 << 20)
#define WHOLE_CNT     4096u            /* sends */
#define NAP_NS        (50 * NS_PER_US) /* the lcore's ring had no place for the watch */

#define CONTROL CMSG_SPACE(sizeof(struct in6_pktinfo))

struct rx {
	struct iovec iov;
	struct sockaddr_in6 from;
	_Alignas(struct cmsghdr) uint8_t control[CONTROL];
};

/* What is said of a send: into what it is taken apart, from where it goes. */
#define TX_CONTROL (sizeof(union udp_segment) + CONTROL)

struct tx {
	struct sockaddr_in6 to;
	uint16_t via;
	_Alignas(struct cmsghdr) uint8_t control[TX_CONTROL]; /* of a send that begins here */
};

struct sock {
	int fd;
	bool all; /* it listens at all addresses, and is told which one was asked */
	struct lcore *lcore;
	uint32_t op;
	bool watched;
	uint32_t rx_cnt; /* how many the next look takes */
	uint32_t whole;  /* sends that the kernel is not asked to take apart */
	uint8_t *rx_bytes, *tx_bytes;
	uint32_t tx_cnt;    /* in this burst */
	uint32_t strangers; /* of them, to whom */
	int send_bytes;     /* the send buffer */
	struct sock_stats stats;
	struct here here; /* via is a number of its, or 0 */
	struct mmsghdr in[RX_CNT];
	struct rx rx[RX_CNT];
	struct mmsghdr out[TX_CNT]; /* sends; a piece is a datagram */
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
sock_memory(struct sock *s)
{
	size_t rx_bytes = RX_CNT * RX_BYTES, all = rx_bytes + TX_CNT * (size_t)WIRE_DATAGRAM_MAX;
	uint8_t *p = mmap(NULL, all, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED) {
		return MB_ERR_NO_MEMORY;
	}
	s->rx_bytes = p;
	s->tx_bytes = p + rx_bytes;
	for (uint32_t i = 0; i < RX_CNT; i++) {
		s->rx[i].iov = (struct iovec){ p + i * RX_BYTES, WIRE_DATAGRAM_MAX };
	}
	for (uint32_t i = 0; i < TX_CNT; i++) {
		s->iov[i].iov_base = s->tx_bytes + i * (size_t)WIRE_DATAGRAM_MAX;
	}
	return 0;
}

static int
sock_bind(struct sock *s, const struct wire_addr *at)
{
	struct sockaddr_in6 sa = sockaddr_of(at);
	int off = 0, on = 1, buffer = SOCKET_BUFFER, discover = IPV6_PMTUDISC_DO;
	socklen_t len = sizeof(s->send_bytes);

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
	getsockopt(s->fd, SOL_SOCKET, SO_SNDBUF, &s->send_bytes, &len);
	s->all = IN6_IS_ADDR_UNSPECIFIED(&sa.sin6_addr);
	if (s->all) {
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
	s->rx_cnt = 1;
	err = sock_bind(s, at);
	if (err == 0) {
		err = sock_memory(s);
	}
	if (err != 0) {
		sock_close(s);
		return err;
	}
	*ret = s;
	return 0;
}

void
sock_close(struct sock *s)
{
	if (s->rx_bytes != NULL) {
		munmap(s->rx_bytes,
		       (size_t)(s->tx_bytes - s->rx_bytes) + TX_CNT * (size_t)WIRE_DATAGRAM_MAX);
	}
	if (s->fd >= 0) {
		close(s->fd);
	}
	free(s);
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

/* The number of the own address that one came to. Which link it is matters for those addresses
 * only that are a link's. */
static uint16_t
recv_via(struct sock *s, struct msghdr *m)
{
	struct cmsghdr *c = CMSG_FIRSTHDR(m);
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

/* Returns whether it was a datagram for us. */
static bool
recv_one(struct sock *s, struct mmsghdr *in, net_recv_fn *fn, void *ctx)
{
	const struct msghdr *m = &in->msg_hdr;
	struct wire_addr from;

	if (m->msg_namelen != sizeof(struct sockaddr_in6)) {
		return false;
	}
	if ((m->msg_flags & MSG_TRUNC) != 0) {
		s->stats.rx_truncated++;
		return false;
	}
	from = addr_of(m->msg_name);
	from.via = recv_via(s, &in->msg_hdr);
	s->stats.rx++;
	fn(ctx, &from, slice_of(m->msg_iov->iov_base, in->msg_len));
	return true;
}

/* recvmmsg; of one that nothing more is asked of the kernel reads less. */
static int
recv_look(struct sock *s, uint32_t take)
{
	struct msghdr *m = &s->in[0].msg_hdr;
	ssize_t n;

	if (take > 1 || s->all) {
		return recvmmsg(s->fd, s->in, take, MSG_DONTWAIT, NULL);
	}
	n = recvfrom(s->fd, m->msg_iov->iov_base, m->msg_iov->iov_len, MSG_DONTWAIT | MSG_TRUNC,
		     m->msg_name, &m->msg_namelen);
	s->in[0].msg_len = (unsigned)n;
	m->msg_flags = n > WIRE_DATAGRAM_MAX ? MSG_TRUNC : 0;
	return n < 0 ? -1 : 1;
}

int
sock_recv(struct sock *s, uint32_t max, net_recv_fn *fn, void *ctx)
{
	uint32_t take = MIN(s->rx_cnt, max);
	int n, cnt = 0;

	for (uint32_t i = 0; i < take; i++) {
		struct rx *rx = &s->rx[i];

		s->in[i].msg_hdr = (struct msghdr){ .msg_name = &rx->from,
						    .msg_namelen = sizeof(rx->from),
						    .msg_iov = &rx->iov,
						    .msg_iovlen = 1,
						    .msg_control = rx->control,
						    .msg_controllen = s->all ? CONTROL : 0 };
	}
	n = recv_look(s, take);
	s->rx_cnt = n == (int)take ? MIN(2 * take, (uint32_t)RX_CNT) : (uint32_t)MAX(n, 1);
	for (int i = 0; i < n; i++) {
		cnt += recv_one(s, &s->in[i], fn, ctx);
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

/* Whether one of this burst goes to somebody who need not be where he says he is. */
static bool
send_is_to_stranger(const struct sock *s, uint32_t i)
{
	uint8_t kind = ((const uint8_t *)s->iov[i].iov_base)[offsetof(struct wire_head, kind)];

	return kind == WIRE_WELCOME || kind == WIRE_RESET;
}

void
sock_send(struct sock *s, const struct wire_addr *to, size_t len)
{
	REQUIRE(len <= WIRE_DATAGRAM_MAX);
	REQUIRE(to->via <= HERE_CNT);
	s->tx[s->tx_cnt].to = sockaddr_of(to);
	s->tx[s->tx_cnt].via = to->via;
	s->iov[s->tx_cnt].iov_len = len;
	s->strangers += send_is_to_stranger(s, s->tx_cnt);
	s->tx_cnt++;
	s->stats.tx++;
}

/* Drops what is for strangers if their half of the send buffer is taken. */
static noinline void
send_strangers(struct sock *s)
{
	uint32_t kept = 0;
	int taken = 0;

	s->strangers = 0;
	if (ioctl(s->fd, SIOCOUTQ, &taken) != 0 || taken <= s->send_bytes / 2) {
		return;
	}
	for (uint32_t i = 0; i < s->tx_cnt; i++) {
		struct iovec iov = s->iov[i];

		if (send_is_to_stranger(s, i)) {
			s->stats.tx_dropped++;
			continue;
		}
		s->iov[i] = s->iov[kept];
		s->iov[kept] = iov;
		s->tx[kept].to = s->tx[i].to;
		s->tx[kept].via = s->tx[i].via;
		kept++;
	}
	s->tx_cnt = kept;
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
send_via(struct msghdr *m, struct tx *tx, const struct in6_pktinfo *here)
{
	const struct cmsghdr head = { .cmsg_len = CMSG_LEN(sizeof(*here)),
				      .cmsg_level = IPPROTO_IPV6,
				      .cmsg_type = IPV6_PKTINFO };
	uint8_t *p = tx->control + m->msg_controllen;

	memcpy(p, &head, sizeof(head));
	memcpy(p + CMSG_LEN(0), here, sizeof(*here));
	m->msg_control = tx->control;
	m->msg_controllen += CONTROL;
}

static void
send_make(struct sock *s, struct msghdr *m, uint32_t i, uint32_t n)
{
	struct tx *tx = &s->tx[i];

	*m = (struct msghdr){ .msg_name = &tx->to,
			      .msg_namelen = sizeof(tx->to),
			      .msg_iov = &s->iov[i],
			      .msg_iovlen = n };
	if (n > 1) {
		udp_segment_set(m, (void *)tx->control, (uint16_t)s->iov[i].iov_len);
	}
	if (tx->via != 0) {
		send_via(m, tx, here_at(&s->here, tx->via));
	}
}

static void
send_refused(struct sock *s, const struct msghdr *m, int why)
{
	s->stats.tx_dropped += m->msg_iovlen;
	if (m->msg_iovlen > 1 && (why == EIO || why == EINVAL)) {
		s->whole = WHOLE_CNT;
	}
}

/* sendmmsg; of one that nothing more is said of the kernel reads less. */
static int
send_burst(struct sock *s, uint32_t from, uint32_t cnt)
{
	const struct msghdr *m = &s->out[from].msg_hdr;

	if (cnt > 1 || m->msg_iovlen > 1 || m->msg_controllen > 0) {
		return sendmmsg(s->fd, &s->out[from], cnt, MSG_DONTWAIT);
	}
	return sendto(s->fd, m->msg_iov->iov_base, m->msg_iov->iov_len, MSG_DONTWAIT, m->msg_name,
		      m->msg_namelen) < 0
		       ? -1
		       : 1;
}

void
sock_flush(struct sock *s)
{
	uint32_t n, cnt = 0, done = 0;

	if (unlikely(s->strangers > 0)) {
		send_strangers(s);
	}
	for (uint32_t i = 0; i < s->tx_cnt; i += n) {
		n = send_cnt(s, i);
		s->whole -= s->whole > 0;
		send_make(s, &s->out[cnt++].msg_hdr, i, n);
	}
	s->tx_cnt = 0;
	while (done < cnt) { /* it ends at one that is refused, and says why when asked for that */
		int rc = send_burst(s, done, cnt - done);

		if (rc < 0) {
			send_refused(s, &s->out[done].msg_hdr, errno);
		}
		done += (uint32_t)MAX(rc, 1);
	}
}

const struct sock_stats *
sock_stats(const struct sock *s)
{
	return &s->stats;
}

/* -------------------------------------------------------------------- net_io */

/* Whoever is woken polls: there is nothing to be done with the news itself. */
static void
io_woken(void *ctx, uint64_t token, int res, uint32_t cqe_flags)
{
	struct sock *s = ctx;

	(void)token;
	(void)res;
	(void)cqe_flags;
	s->watched = false;
}

static int
io_start(void *io, struct lcore *lcore)
{
	struct sock *s = io;

	s->lcore = lcore;
	s->op = lcore_op_add(lcore, io_woken, s);
	return 0;
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
	struct sock *s = io;
	struct io_uring_sqe *sqe = up && !s->watched ? lcore_op_sqe(s->lcore, s->op, 0) : NULL;

	if (sqe != NULL) {
		io_uring_prep_rw(IORING_OP_POLL_ADD, sqe, s->fd, NULL, 0, 0);
		sqe->poll32_events = htole32(POLLIN);
		s->watched = true;
	}
}

static uint64_t
io_nap_ns(const void *io)
{
	const struct sock *s = io;

	return s->watched ? NET_IO_NAP_NEVER : NAP_NS;
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
	(void)io;
	return "a socket of the kernel's";
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
