/* SPDX-License-Identifier: Apache-2.0 */
/* stream_send - what goes out of a stream, and whose it is until when
 *
 * stream_send names the user's memory, and the kernel copies it into the socket's queue, some of it
 * at once, the rest when there is room; with `sent` it is the user's again. stream_lend has the
 * kernel make its packets of these very pages (SEND_ZC), so they are still its own afterwards:
 *
 *      user ──stream_lend──► kernel ──completion──► `sent`: all of it is in the socket's queue, the
 *                              │                    next send of the connection may begin
 *                              └──notification────► `returned`: no packet has it any more; the peer
 *                                                   acknowledged it, or it was copied, or cut off
 *
 *   L1  Each lend ends with one `sent` and one `returned`, or with `closed` instead of what is left
 *       of them. lent_cnt counts what is to be returned, and a connection with any is not free.
 *   L2  A notification follows a completion that says so (CQE_F_MORE), whether it is an error or
 *       not; where it does not, the kernel has nothing, and the piece is returned at once.
 *   L3  A notification keeps no file open. So the file of a connection that closes is closed as
 *       soon as no request has it, and the notifications come because of it: of a reset connection
 *       at once (the kernel throws its queue away), of another when its peer has acknowledged, or
 *       has not moved for lend_close_ms (TCP_USER_TIMEOUT, which counts in the kernel when we have
 *       forgotten the socket). So whoever stops reading holds no memory for longer than that.
 *
 * Where the kernel copies all the same, as over the loopback, a lend costs more than a send: two
 * completions, pages looked up, and a copy in the receiver's place. Of a connection from this
 * machine nothing is lent, of others the notification tells (SEND_ZC_REPORT_USAGE, Linux 6.2), and
 * after the first copy they are not lent any more. Where that flag is unknown (EINVAL) nobody is. A
 * Unix socket takes no lends (EOPNOTSUPP), and one whose user may lock no more pages (ENOMEM)
 * neither: what was to be lent is then sent.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>

#include <microburst/error.h>

#include "check.h"
#include "compiler.h"
#include "lcore.h"
#include "stream_int.h"
#include "timebase.h"

/* Linux 6.2; the headers of liburing 2.3 are older. */
#ifndef IORING_SEND_ZC_REPORT_USAGE
#define IORING_SEND_ZC_REPORT_USAGE (1U << 3)
#endif
#define NOTIF_COPIED (UINT32_C(1) << 31)

/* Leaves out the first len bytes. */
static uint32_t
iov_skip(struct iovec *v, uint32_t cnt, size_t len)
{
	uint32_t first = 0;

	while (first < cnt && len >= v[first].iov_len) {
		len -= v[first++].iov_len;
	}
	memmove(v, v + first, (cnt - first) * sizeof(*v));
	if (cnt > first) {
		v->iov_base = (uint8_t *)v->iov_base + len;
		v->iov_len -= len;
	}
	return cnt - first;
}

/* The rest of a send waits in the kernel until there is room. */
static bool
send_begin(struct stream *s, struct conn *c, const struct iovec *v, uint32_t cnt, int flags)
{
	struct stream_id id = id_of(s, c);
	struct io_uring_sqe *sqe =
		lcore_op_sqe(s->lcore, s->op, token_make(TOKEN_SEND, id.idx, id.gen));

	if (sqe == NULL) {
		return false;
	}
	if (cnt == 1) {
		io_uring_prep_send(sqe, c->fd, v->iov_base, v->iov_len, flags | MSG_WAITALL);
	} else {
		struct msghdr *m = &s->msg[s->msg_next];
		struct iovec *iov = s->iov[s->msg_next];

		s->msg_next = (s->msg_next + 1) % MSG_CNT;
		memcpy(iov, v, cnt * sizeof(*v));
		*m = (struct msghdr){ .msg_iov = iov, .msg_iovlen = cnt };
		io_uring_prep_sendmsg(sqe, c->fd, m, flags | MSG_WAITALL);
	}
	return true;
}

/* Of few connections an answer goes now, not when the lcore comes by its ring again; it nearly
 * always fits the socket's buffer. Of many all answers of a pass go with one entry to the ring:
 * sent at once, pipelines of 50 connections made 105 k requests a second where they make 170 k. */
int
stream_send(struct stream *s, struct stream_id id, const struct iovec *iov, uint32_t cnt, bool more)
{
	struct conn *c = conn_find(s, id);
	struct iovec v[STREAM_IOV_MAX];
	struct msghdr m = { .msg_iov = v, .msg_iovlen = cnt };
	int flags = MSG_NOSIGNAL | (more ? MSG_MORE : 0);
	ssize_t n;

	REQUIRE(c != NULL);
	REQUIRE(cnt >= 1);
	REQUIRE(cnt <= STREAM_IOV_MAX);
	memcpy(v, iov, cnt * sizeof(*v));
	if (s->conn_cnt > FEW) {
		n = 0;
	} else {
		n = cnt == 1 ? send(c->fd, v->iov_base, v->iov_len, flags | MSG_DONTWAIT)
			     : sendmsg(c->fd, &m, flags | MSG_DONTWAIT);
	}
	if (n < 0 && (errno == EAGAIN || errno == EINTR || errno == ENOBUFS)) {
		n = 0;
	}
	c->sent_res = n < 0 ? -errno : (int)n;
	cnt = n < 0 ? 0 : iov_skip(v, cnt, (size_t)n);
	if (cnt > 0 && !send_begin(s, c, v, cnt, flags)) {
		if (n == 0) {
			return MB_ERR_TRYAGAIN;
		}
		c->sent_res = -EAGAIN; /* half of it is out, and the ring is full even so */
		cnt = 0;
	}
	c->busy++;
	if (cnt == 0) {
		c->next_sent = s->sent;
		s->sent = id.idx;
	}
	return 0;
}

void
stream_sent(struct stream *s, struct conn *c)
{
	c->busy--;
	if (!c->closing) {
		s->ops.sent(s->ops.ctx, id_of(s, c), c->sent_res > 0 ? (size_t)c->sent_res : 0,
			    c->sent_res < 0 ? MB_ERR_IO : 0);
	}
	stream_conn_check(s, c);
}

/* ------------------------------------------------------------------------ lending */

void
stream_lend_set(struct stream *s, enum stream_lending how, uint64_t close_ns)
{
	s->lend.how = how;
	s->lend_close_ms =
		(uint32_t)MIN(MAX(close_ns / NS_PER_MS, UINT64_C(1)), (uint64_t)INT32_MAX);
}

bool
stream_lends(const struct stream *s, struct stream_id id)
{
	const struct conn *c = conn_find(s, id);

	return c != NULL && c->lends;
}

struct stream_lend_tally
stream_lend_tally(const struct stream *s)
{
	return s->lend;
}

int
stream_lend(struct stream *s, struct stream_id id, const struct iovec *piece, uint32_t mark)
{
	struct conn *c = conn_find(s, id);
	struct io_uring_sqe *sqe;

	REQUIRE(c != NULL);
	REQUIRE(c->lends);
	REQUIRE(mark < STREAM_LEND_MAX);
	sqe = lcore_op_sqe(s->lcore, s->op,
			   token_make(TOKEN_LEND, id.idx, id.gen) |
				   (uint64_t)mark << (IDX_BITS + GEN_BITS + KIND_BITS));
	if (sqe == NULL) {
		return MB_ERR_TRYAGAIN;
	}
	io_uring_prep_send_zc(sqe, c->fd, piece->iov_base, piece->iov_len,
			      MSG_NOSIGNAL | MSG_WAITALL, IORING_SEND_ZC_REPORT_USAGE);
	c->sent_res = 0;
	c->busy++;
	return 0;
}

/* What the kernel says of a lend that it does not take, but would take as a send. */
static bool
is_refusal(int res)
{
	return res == -EOPNOTSUPP || res == -EINVAL || res == -ENOMEM || res == -ENOBUFS;
}

static void
returned(struct stream *s, struct conn *c, uint32_t mark)
{
	if (!c->closing) {
		s->ops.returned(s->ops.ctx, id_of(s, c), mark);
	}
}

void
stream_lent(struct stream *s, struct conn *c, uint32_t mark, int res, uint32_t flags)
{
	if ((flags & IORING_CQE_F_NOTIF) != 0) {
		bool copied = ((uint32_t)res & NOTIF_COPIED) != 0;

		REQUIRE(c->lent_cnt > 0);
		c->lent_cnt--;
		s->lend.copied_cnt += copied;
		c->lends = c->lends && (!copied || s->lend.how == STREAM_LEND_YES);
		returned(s, c, mark);
		stream_conn_check(s, c);
		return;
	}
	if (is_refusal(res)) {
		c->lends = false;
		s->lend.how = res == -EINVAL ? STREAM_LEND_NO : s->lend.how;
		res = 0; /* nothing is out: the user will send it */
	}
	s->lend.bytes += res > 0 ? (uint64_t)res : 0;
	c->sent_res = res;
	if ((flags & IORING_CQE_F_MORE) != 0) {
		c->lent_cnt++;
	} else {
		returned(s, c, mark); /* keeps L2; what it is a part of is still to be sent */
	}
	stream_sent(s, c);
}

void
stream_lend_closing(struct stream *s, struct conn *c)
{
	if (c->lent_cnt > 0 || c->lends) { /* keeps L3 */
		setsockopt(c->fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &s->lend_close_ms,
			   sizeof(s->lend_close_ms));
	}
}
