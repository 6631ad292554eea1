/* SPDX-License-Identifier: Apache-2.0 */
/* stream_int - what the two parts of a stream share; nobody else includes it
 *
 *   stream.c         connections
 *   stream_send.c    what goes out of them
 *   stream_listen.c  where they come in
 */
#ifndef MB_NET_STREAM_INT_H
#define MB_NET_STREAM_INT_H

#include <assert.h>
#include <sys/un.h>

#include <liburing.h>

#include "stream.h"

#define IDX_BITS 16
#define GEN_BITS 32
#define NONE     UINT32_MAX

/* Headers of sends that the kernel has not copied yet: more than its submission queue holds. */
#define MSG_CNT 256

/* So few connections are looked at directly before the kernel is asked to tell of them: what a
 * client sends after an answer is there some microseconds sooner, as nobody is woken for it and the
 * ring is not entered. A look is a system call of 0.2 us. */
#define FEW 4

enum token_kind { TOKEN_ACCEPT = 1, TOKEN_RECV, TOKEN_SEND, TOKEN_CANCEL, TOKEN_LEND, TOKEN_WATCH };
#define KIND_BITS 4 /* above them: the mark of a lend */

static_assert(STREAM_CONN_CNT_MAX <= 1u << IDX_BITS, "a connection's place fits a token");
static_assert(IDX_BITS + GEN_BITS + KIND_BITS + 3 <= 59 && STREAM_LEND_MAX <= 8, "so does a mark");

struct conn {
	int fd; /* -1: free */
	uint32_t gen;
	uint8_t busy;
	bool receiving; /* the kernel has a receive */
	bool wanted;    /* in the list of those to be read */
	bool paused;
	bool cancelling; /* the kernel was asked to end its receive */
	bool watching;   /* the kernel was asked to tell of its peer's end */
	bool leaves;     /* which it did */
	bool resting;    /* it is about to go to another stream */
	bool ended;
	bool closing;
	bool lends; /* its kernel may be lent memory */
	uint8_t listener;
	uint8_t look_cnt;   /* in vain, since something came */
	uint8_t far_keep;   /* `far` holds for so many more */
	bool far;           /* what came last, by a look, came in on another cpu */
	uint8_t straight;   /* receives without a multishot, for what has a place of its own */
	uint32_t next;      /* free, or wanted */
	uint32_t next_sent; /* of those whose send is over, */
	int sent_res;       /* as the kernel said it; of one under way: what went at once */
	uint32_t lent_cnt;  /* lends that the kernel has not returned */
};

struct listener {
	int fd;
	bool accepting;
	bool is_unix;
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
};

struct stream {
	struct lcore *lcore;
	uint32_t op;
	struct stream_ops ops;
	uint32_t conn_max, conn_cnt;
	uint32_t far_cnt; /* connections that are far */
	uint32_t free, wanted, wanted_last;
	uint32_t sent; /* the sends that went at once, and whose users are not told yet */
	uint32_t listen_cnt;
	bool started, stopped;
	bool sleepy; /* no look helps: the lcore is about to sleep */
	struct stream_lend_tally lend;
	uint32_t lend_close_ms;
	struct io_uring_buf_ring *bufs;
	uint8_t *buf_mem;
	uint32_t buf_cnt; /* the kernel was given so many, or they are on their way back to it */
	uint8_t own[STREAM_BUF_BYTES]; /* what a look finds */
	uint32_t msg_next;
	struct listener listener[STREAM_LISTEN_MAX];
	struct msghdr msg[MSG_CNT];
	struct iovec iov[MSG_CNT][STREAM_IOV_MAX];
	struct conn conn[];
};

static inline uint64_t
token_make(enum token_kind kind, uint32_t idx, uint32_t gen)
{
	return (uint64_t)kind << (IDX_BITS + GEN_BITS) | (uint64_t)idx << GEN_BITS | gen;
}

static inline struct stream_id
id_of(const struct stream *s, const struct conn *c)
{
	return (struct stream_id){ (uint32_t)(c - s->conn), c->gen };
}

/* The open connection of an id; NULL: there is none (S1). */
static inline struct conn *
conn_find(const struct stream *s, struct stream_id id)
{
	const struct conn *c = id.idx < s->conn_max ? &s->conn[id.idx] : NULL;

	return c != NULL && c->fd >= 0 && c->gen == id.gen && !c->closing
		       ? (struct conn *)(uintptr_t)c
		       : NULL;
}

/* stream_conn_check frees a connection that is closing, if the kernel has nothing of it. */
void stream_conn_check(struct stream *s, struct conn *c);

/* stream_sent tells the user of a send that is over, as c->sent_res says. */
void stream_sent(struct stream *s, struct conn *c);

/* stream_lent takes a completion of a lend. */
void stream_lent(struct stream *s, struct conn *c, uint32_t mark, int res, uint32_t flags);

/* stream_lend_closing: a connection is about to be closed. */
void stream_lend_closing(struct stream *s, struct conn *c);

/* stream_far_set notes whether what a connection sends comes in on another cpu. stream_far_look
 * asks the kernel, once in a while, when something has just come: what it says then is of that, and
 * not of an acknowledgement, which our own send may bring, on this cpu. */
void stream_far_set(struct stream *s, struct conn *c, bool far);
void stream_far_look(struct stream *s, struct conn *c);

/* stream_peer tells where the other end of a socket is: LOCAL: on this machine. */
enum stream_peer { STREAM_PEER_GONE, STREAM_PEER_FAR, STREAM_PEER_LOCAL };
enum stream_peer stream_peer(int fd);

#endif
