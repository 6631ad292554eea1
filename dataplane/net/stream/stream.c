/* SPDX-License-Identifier: Apache-2.0 */
/* stream - see stream.h
 *
 * Requests of a connection that the kernel may have: one receive, one send, cancellations, and one
 * watch: a poll for the peer's end, begun when the connection is paused first, and left where it is
 * when it is read again. Each completion names its kind, the place and the generation; `busy`
 * counts the requests, and a connection is free again when it is closing, busy is 0 and nothing is
 * lent (stream_send.c; S2). Closing begins with a shutdown(2): receive, send and watch then
 * complete by themselves, at once.
 *
 * A receive ends now and then: no buffer was free, or the kernel had no room for a completion. It
 * is then wanted, and asked for again by stream_poll.
 */
#include "stream.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/un.h>
#include <unistd.h>

#include <liburing.h>

#include <microburst/error.h>

#include "check.h"
#include "compiler.h"
#include "lcore.h"
#include "stream_int.h"

#define STRAIGHT_BYTES (512u << 10) /* of one connection, before it is the others' turn */
#define STRAIGHT_CNT   16u          /* receives without any, and it is as others again */
#define LOOKS          100          /* of few connections before the kernel is asked to tell */

/* --------------------------------------------------------------------- requests */

/* Whether it is to be watched, as nobody reads it. */
static bool
watch_due(const struct stream *s, const struct conn *c)
{
	return c->paused && !c->resting && !c->watching && !c->leaves && s->ops.leaves != NULL;
}

static void
want(struct stream *s, struct conn *c)
{
	uint32_t idx = (uint32_t)(c - s->conn);

	if (c->wanted || c->ended || c->closing || (c->paused ? !watch_due(s, c) : c->receiving)) {
		return;
	}
	c->wanted = true;
	c->next = NONE;
	if (s->wanted == NONE) {
		s->wanted = idx;
	} else {
		s->conn[s->wanted_last].next = idx;
	}
	s->wanted_last = idx;
}

static bool
recv_begin(struct stream *s, struct conn *c)
{
	struct io_uring_sqe *sqe =
		lcore_op_sqe(s->lcore, s->op,
			     token_make(TOKEN_RECV, (uint32_t)(c - s->conn), c->gen));

	REQUIRE(!c->receiving);
	if (sqe == NULL) {
		return false;
	}
	if (s->conn_cnt > FEW && c->straight == 0) {
		io_uring_prep_recv_multishot(sqe, c->fd, NULL, 0, 0);
	} else { /* once: then it is looked at again */
		io_uring_prep_recv(sqe, c->fd, NULL, 0, 0);
	}
	sqe->flags |= IOSQE_BUFFER_SELECT;
	sqe->buf_group = (uint16_t)s->op; /* of this ring there may be other streams */
	c->receiving = true;
	c->busy++;
	return true;
}

static bool
watch_begin(struct stream *s, struct conn *c)
{
	struct io_uring_sqe *sqe =
		lcore_op_sqe(s->lcore, s->op,
			     token_make(TOKEN_WATCH, (uint32_t)(c - s->conn), c->gen));

	if (sqe == NULL) {
		return false;
	}
	io_uring_prep_poll_add(sqe, c->fd, POLLRDHUP);
	c->watching = true;
	c->busy++;
	return true;
}

/* What a wanted connection waits for; nothing, if it was paused and resumed since, and its receive
 * has not ended: one at a time, or bytes would come in another order. Returns: false: the kernel
 * takes nothing just now. */
static bool
wanted_begin(struct stream *s, struct conn *c)
{
	if (c->closing || c->ended || (c->receiving && !c->paused)) {
		return true;
	}
	return c->paused ? !watch_due(s, c) || watch_begin(s, c) : recv_begin(s, c);
}

static bool
accept_begin(struct stream *s, uint32_t i)
{
	struct io_uring_sqe *sqe = lcore_op_sqe(s->lcore, s->op, token_make(TOKEN_ACCEPT, i, 0));

	if (sqe == NULL) {
		return false;
	}
	io_uring_prep_multishot_accept(sqe, s->listener[i].fd, NULL, NULL, SOCK_CLOEXEC);
	s->listener[i].accepting = true;
	return true;
}

static void
op_cancel(struct stream *s, struct conn *c, enum token_kind kind)
{
	uint32_t idx = (uint32_t)(c - s->conn);
	struct io_uring_sqe *sqe =
		lcore_op_sqe(s->lcore, s->op, token_make(TOKEN_CANCEL, idx, c->gen));

	if (sqe != NULL) { /* else some more bytes come, and the next pause tries again */
		uint64_t mine = sqe->user_data;
		uint64_t other = mine - token_make(TOKEN_CANCEL, idx, c->gen) +
				 token_make(kind, idx, c->gen);

		io_uring_prep_cancel64(sqe, other, 0);
		sqe->user_data = mine;
		c->cancelling = true;
		c->busy++;
	}
}

void
stream_pause(struct stream *s, struct stream_id id)
{
	struct conn *c = conn_find(s, id);

	if (c != NULL && !c->paused) {
		c->paused = true;
		if (c->receiving) {
			op_cancel(s, c, TOKEN_RECV);
		}
		want(s, c); /* to be watched */
	}
}

void
stream_resume(struct stream *s, struct stream_id id)
{
	struct conn *c = conn_find(s, id);

	if (c != NULL && c->paused) {
		c->paused = false;
		want(s, c);
	}
}

/* --------------------------------------------------------------------- buffers */

static uint8_t *
buf_ptr(struct stream *s, uint32_t i)
{
	return s->buf_mem + (size_t)i * STREAM_BUF_BYTES;
}

static void
buf_give(struct stream *s, uint32_t i)
{
	io_uring_buf_ring_add(s->bufs, buf_ptr(s, i), STREAM_BUF_BYTES, (unsigned short)i,
			      (int)STREAM_BUF_MAX - 1, 0);
	io_uring_buf_ring_advance(s->bufs, 1);
}

/* A buffer a connection: those for which there is none when all of them send at once are asked for
 * anew, behind the others, so with a quarter of that the last one in a hundred waited twice as
 * long. What nobody has received into takes no memory. */
static void
bufs_suffice(struct stream *s)
{
	uint32_t want = MAX(STREAM_BUF_CNT, MIN(s->conn_cnt, STREAM_BUF_MAX));

	for (; s->started && s->buf_cnt < want; s->buf_cnt++) {
		buf_give(s, s->buf_cnt);
	}
}

/* --------------------------------------------------------------------- life of one */

static void
conn_free(struct stream *s, struct conn *c)
{
	stream_far_set(s, c, false);
	c->fd = -1;
	c->gen++; /* keeps S1 */
	c->next = s->free;
	s->free = (uint32_t)(c - s->conn);
	s->conn_cnt--;
}

void
stream_conn_check(struct stream *s, struct conn *c)
{
	struct stream_id id = id_of(s, c);

	if (!c->closing || c->busy != 0 || c->wanted) {
		return;
	}
	if (c->fd >= 0) {
		close(c->fd); /* keeps L3: no request has it any more */
		c->fd = -1;
	}
	if (c->lent_cnt != 0) {
		return; /* stream_lent comes by */
	}
	conn_free(s, c);
	s->ops.closed(s->ops.ctx, id);
}

/* Returns: whether anything came. */
static bool
look(struct stream *s, struct conn *c)
{
	size_t room = 0;
	uint8_t *to = s->ops.room != NULL ? s->ops.room(s->ops.ctx, id_of(s, c), &room) : NULL;
	ssize_t n;

	if (to == NULL) {
		to = s->own;
		room = sizeof(s->own);
	}
	n = recv(c->fd, to, room, MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
		c->look_cnt++;
		want(s, c);
		return false;
	}
	c->look_cnt = 0;
	c->busy++; /* it is not free before we are done */
	if (n > 0) {
		stream_far_look(s, c);
		s->ops.received(s->ops.ctx, id_of(s, c), to, (size_t)n);
	} else {
		c->ended = true;
		s->ops.ended(s->ops.ctx, id_of(s, c));
	}
	c->busy--;
	want(s, c);
	return true;
}

bool
stream_poll(struct stream *s, bool later)
{
	bool busy = s->sent != NONE;
	uint32_t sent = s->sent, last;

	s->sent = NONE; /* whom they tell may send again */
	while (sent != NONE) {
		struct conn *c = &s->conn[sent];

		sent = c->next_sent;
		stream_sent(s, c);
	}

	for (uint32_t i = 0; s->started && !s->stopped && i < s->listen_cnt; i++) {
		if (!s->listener[i].accepting) {
			busy |= accept_begin(s, i);
		}
	}
	last = s->wanted_last;
	for (bool more = !later || s->conn_cnt > FEW || s->sleepy; more && s->wanted != NONE;) {
		struct conn *c = &s->conn[s->wanted];
		bool looks = s->conn_cnt <= FEW && c->look_cnt < LOOKS && !s->sleepy &&
			     !c->paused && !c->receiving && !c->ended;

		more = s->wanted != last;
		if (!looks && !wanted_begin(s, c)) {
			break;
		}
		c->wanted = false;
		s->wanted = c->next;
		if (looks && !c->closing) {
			busy |= look(s, c);
		} else {
			/* The lcore's wait submits it: that is no reason not to sleep. */
			busy |= !s->sleepy || c->closing;
		}
		stream_conn_check(s, c);
	}
	return busy;
}

void
stream_sleepy(struct stream *s, bool on)
{
	s->sleepy = on;
}

void
stream_close(struct stream *s, struct stream_id id)
{
	struct conn *c = conn_find(s, id);

	if (c == NULL) {
		return;
	}
	stream_lend_closing(s, c);
	c->closing = true;
	shutdown(c->fd, SHUT_RDWR);
	if (c->busy == 0 && !c->wanted) {
		/* Nobody else will come by: a nothing that completes. */
		struct io_uring_sqe *sqe =
			lcore_op_sqe(s->lcore, s->op, token_make(TOKEN_CANCEL, id.idx, id.gen));

		if (sqe != NULL) {
			c->busy++;
		} else {
			c->wanted = true; /* stream_poll finds it */
			c->next = s->wanted;
			s->wanted_last = s->wanted == NONE ? id.idx : s->wanted_last;
			s->wanted = id.idx;
		}
	}
}

void
stream_reset(struct stream *s, struct stream_id id)
{
	const struct linger none = { .l_onoff = 1 };

	if (conn_find(s, id) != NULL) {
		setsockopt(stream_fd(s, id), SOL_SOCKET, SO_LINGER, &none, sizeof(none));
		stream_close(s, id);
	}
}

static void
refuse(int fd, const char *reason)
{
	if (reason != NULL) {
		(void)!send(fd, reason, strlen(reason), MSG_NOSIGNAL | MSG_DONTWAIT);
	}
	close(fd);
}

/* Who is gone without a word is found in ten minutes, as by Redis, not in two hours. */
static void
tcp_set(int fd)
{
	const int one = 1, idle_s = 300, every_s = 100, cnt = 3;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof(one));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof(idle_s));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &every_s, sizeof(every_s));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &cnt, sizeof(cnt));
}

static void
on_accept(struct stream *s, uint32_t i, int res, uint32_t flags)
{
	enum stream_peer peer = stream_peer(res);
	const char *reason = NULL;
	struct conn *c;

	s->listener[i].accepting = (flags & IORING_CQE_F_MORE) != 0;
	if (res < 0) {
		return; /* out of fds, a client that went away again: the listener goes on */
	}
	if (s->free == NONE || s->stopped || peer == STREAM_PEER_GONE) { /* reset: hears nothing */
		refuse(res, s->stopped ? NULL : "-ERR max number of clients reached\r\n");
		return;
	}
	if (!s->listener[i].is_unix) {
		tcp_set(res);
	}
	c = &s->conn[s->free];
	s->free = c->next;
	*c = (struct conn){ .fd = res, .gen = c->gen, .listener = (uint8_t)i };
	c->lends = s->lend.how == STREAM_LEND_YES ||
		   (s->lend.how == STREAM_LEND_AUTO && peer == STREAM_PEER_FAR);
	s->conn_cnt++;
	bufs_suffice(s);
	if (!s->ops.opened(s->ops.ctx, id_of(s, c), peer == STREAM_PEER_LOCAL, &reason)) {
		conn_free(s, c);
		refuse(res, reason);
		return;
	}
	want(s, c);
}

/* More of what has a place of its own (`room`) goes there straight, without a buffer between: who
 * sends such things is received from once at a time, as nothing may be on its way past us. */
static void
go_straight(struct stream *s, struct conn *c)
{
	struct stream_id id = id_of(s, c);
	size_t room = 0, left = STRAIGHT_BYTES;
	uint8_t *to;

	while (left > 0 && !c->closing && !c->paused && s->ops.room != NULL &&
	       (to = s->ops.room(s->ops.ctx, id, &room)) != NULL) {
		ssize_t n;

		c->straight = STRAIGHT_CNT;
		if (c->receiving) {
			if (!c->cancelling) {
				op_cancel(s, c, TOKEN_RECV);
			}
			return;
		}
		n = recv(c->fd, to, MIN(room, left), MSG_DONTWAIT);
		if (n <= 0) {
			return; /* the next receive tells of an end, or of what is wrong */
		}
		s->ops.received(s->ops.ctx, id, to, (size_t)n);
		left -= (size_t)n;
	}
}

static void
on_recv(struct stream *s, struct conn *c, int res, uint32_t flags)
{
	struct stream_id id = id_of(s, c);

	if ((flags & IORING_CQE_F_MORE) == 0) {
		c->receiving = false;
		c->busy--;
	}
	if ((flags & IORING_CQE_F_BUFFER) != 0) {
		uint32_t buf = flags >> IORING_CQE_BUFFER_SHIFT;

		c->look_cnt = 0;
		if (res > 0 && !c->closing) {
			s->ops.received(s->ops.ctx, id, buf_ptr(s, buf), (size_t)res);
		}
		buf_give(s, buf);
		c->straight -= c->straight != 0;
		if (res == (int)STREAM_BUF_BYTES) {
			c->busy++; /* it is not free before we are done */
			go_straight(s, c);
			c->busy--;
		}
	}
	if (!c->closing && (res == 0 || (res < 0 && res != -ENOBUFS && res != -ECANCELED &&
					 res != -EAGAIN && res != -EINTR))) {
		c->ended = true;
		s->ops.ended(s->ops.ctx, id);
	}
	want(s, c);
	stream_conn_check(s, c);
}

static void
on_watch(struct stream *s, struct conn *c, int res)
{
	c->watching = false;
	c->busy--;
	if (res > 0 && !c->closing && !c->ended) {
		c->leaves = true;
		s->ops.leaves(s->ops.ctx, id_of(s, c));
	}
	want(s, c);
	stream_conn_check(s, c);
}

static void
on_completion(void *ctx, uint64_t token, int res, uint32_t flags)
{
	struct stream *s = ctx;
	uint32_t what = (uint32_t)(token >> (IDX_BITS + GEN_BITS));
	enum token_kind kind = (enum token_kind)(what & ((1u << KIND_BITS) - 1));
	uint32_t idx = token >> GEN_BITS & ((1u << IDX_BITS) - 1);
	struct conn *c = &s->conn[idx];

	if (kind == TOKEN_ACCEPT) {
		on_accept(s, idx, res, flags);
		return;
	}
	REQUIRE(idx < s->conn_max);
	REQUIRE(c->gen == (uint32_t)token); /* it is not free while the kernel has something */
	if (kind == TOKEN_RECV) {
		on_recv(s, c, res, flags);
	} else if (kind == TOKEN_WATCH) {
		on_watch(s, c, res);
	} else if (kind == TOKEN_SEND) {
		c->sent_res = res < 0 ? res : c->sent_res + res;
		stream_sent(s, c);
	} else if (kind == TOKEN_LEND) {
		stream_lent(s, c, what >> KIND_BITS, res, flags);
	} else {
		c->cancelling = false;
		c->busy--;
		want(s, c);
		stream_conn_check(s, c);
	}
}

/* ------------------------------------------------------------- from stream to stream */

bool
stream_rest(struct stream *s, struct stream_id id)
{
	struct conn *c = conn_find(s, id);

	REQUIRE(c != NULL);
	c->paused = c->resting = true;
	if (c->receiving && !c->cancelling) {
		op_cancel(s, c, TOKEN_RECV);
	}
	if (c->watching && !c->cancelling) {
		op_cancel(s, c, TOKEN_WATCH);
	}
	return c->busy == 0 && !c->wanted && c->lent_cnt == 0;
}

int
stream_take(struct stream *s, struct stream_id id)
{
	struct conn *c = conn_find(s, id);
	int fd;

	REQUIRE(c != NULL);
	REQUIRE(c->busy == 0);
	REQUIRE(c->lent_cnt == 0);
	fd = c->fd;
	c->fd = -1;
	return fd;
}

void
stream_forget(struct stream *s, struct stream_id id)
{
	struct conn *c = &s->conn[id.idx];

	REQUIRE(c->fd < 0);
	REQUIRE(c->gen == id.gen);
	conn_free(s, c);
}

void
stream_give_back(struct stream *s, struct stream_id id, int fd)
{
	struct conn *c = &s->conn[id.idx];

	REQUIRE(c->fd < 0);
	REQUIRE(c->gen == id.gen);
	c->fd = fd;
	c->paused = c->resting = false;
	want(s, c);
}

int
stream_adopt(struct stream *s, int fd, uint32_t listener, struct stream_id *ret)
{
	struct conn *c;

	if (s->free == NONE) {
		return MB_ERR_FULL;
	}
	c = &s->conn[s->free];
	s->free = c->next;
	*c = (struct conn){ .fd = fd, .gen = c->gen, .listener = (uint8_t)listener };
	c->lends = s->lend.how == STREAM_LEND_YES ||
		   (s->lend.how == STREAM_LEND_AUTO && stream_peer(fd) != STREAM_PEER_LOCAL);
	s->conn_cnt++;
	bufs_suffice(s);
	*ret = id_of(s, c);
	want(s, c);
	return 0;
}

/* --------------------------------------------------------------------- life */

int
stream_create(struct stream **ret, struct lcore *lcore, uint32_t conn_max,
	      const struct stream_ops *ops)
{
	struct stream *s;
	void *bufs, *mem;

	REQUIRE(conn_max >= 1);
	REQUIRE(conn_max <= STREAM_CONN_CNT_MAX);
	s = calloc(1, sizeof(*s) + conn_max * sizeof(struct conn));
	if (s == NULL) {
		return MB_ERR_NO_MEMORY;
	}
	bufs = mmap(NULL, STREAM_BUF_MAX * sizeof(struct io_uring_buf), PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	mem = mmap(NULL, (size_t)STREAM_BUF_MAX * STREAM_BUF_BYTES, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (bufs == MAP_FAILED || mem == MAP_FAILED) {
		free(s);
		return MB_ERR_NO_MEMORY;
	}
	s->bufs = bufs;
	s->buf_mem = mem;
	s->lcore = lcore;
	s->ops = *ops;
	s->conn_max = conn_max;
	s->wanted = s->sent = NONE;
	for (uint32_t i = 0; i < conn_max; i++) {
		s->conn[i].fd = -1;
		s->conn[i].next = i + 1 < conn_max ? i + 1 : NONE;
	}
	s->op = lcore_op_add(lcore, on_completion, s);
	*ret = s;
	return 0;
}

int
stream_start(struct stream *s)
{
	struct io_uring_buf_reg reg = { .ring_addr = (uint64_t)(uintptr_t)s->bufs,
					.ring_entries = STREAM_BUF_MAX,
					.bgid = (uint16_t)s->op };
	struct io_uring_probe *probe = io_uring_get_probe_ring(lcore_ring(s->lcore));
	/* Multishot receive has no opcode of its own; SEND_ZC came with it. */
	bool able = probe != NULL && io_uring_opcode_supported(probe, IORING_OP_SEND_ZC) != 0;

	io_uring_free_probe(probe);
	if (!able || io_uring_register_buf_ring(lcore_ring(s->lcore), &reg, 0) != 0) {
		return MB_ERR_NOT_SUPPORTED;
	}
	io_uring_buf_ring_init(s->bufs);
	s->started = true;
	bufs_suffice(s);
	stream_poll(s, false);
	return 0;
}

void
stream_stop(struct stream *s)
{
	if (s->stopped) {
		return;
	}
	s->stopped = true;
	for (uint32_t i = 0; i < s->listen_cnt; i++) {
		shutdown(s->listener[i].fd, SHUT_RDWR);
		if (s->listener[i].is_unix) {
			unlink(s->listener[i].path);
		}
	}
}

void
stream_destroy(struct stream *s)
{
	stream_stop(s);
	for (uint32_t i = 0; i < s->listen_cnt; i++) {
		close(s->listener[i].fd);
	}
	for (uint32_t i = 0; i < s->conn_max; i++) {
		if (s->conn[i].fd >= 0) {
			close(s->conn[i].fd);
		}
	}
	munmap(s->bufs, STREAM_BUF_MAX * sizeof(struct io_uring_buf));
	munmap(s->buf_mem, (size_t)STREAM_BUF_MAX * STREAM_BUF_BYTES);
	free(s);
}

uint32_t
stream_listener(const struct stream *s, struct stream_id id)
{
	return s->conn[id.idx].listener;
}

int
stream_fd(const struct stream *s, struct stream_id id)
{
	const struct conn *c = conn_find(s, id);

	return c != NULL ? c->fd : -1;
}

uint32_t
stream_conn_cnt(const struct stream *s)
{
	return s->conn_cnt;
}
