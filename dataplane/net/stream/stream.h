/* SPDX-License-Identifier: Apache-2.0 */
/* stream - TCP and Unix connections in the io_uring of an lcore
 *
 * Bytes in, bytes out, and the life of a connection; what the bytes mean is the user's. A listener
 * is one multishot accept, a connection one multishot receive into buffers that all of them share,
 * so what waits idle costs an entry in a table and nothing else. Where there are few, they are
 * looked at for a while before the kernel is asked to tell of them. One send of a connection is
 * under way at a time, straight from the user's memory, which the kernel copies, or is lent.
 *
 *      FREE ──accepted──► OPEN ──stream_close──► CLOSING ──last completion──► closed(), FREE
 *
 *   S1  A connection is named by its place and its generation (struct stream_id); what comes late
 *       for an earlier one finds nobody.
 *   S2  After stream_close no event but `closed` comes; it comes once, when the kernel has nothing
 *   of
 *       the connection any more: then the memory of its send is the user's again.
 *   S3  A connection that is paused is not read: its peer's window closes. Its end is seen all the
 *       same (`leaves`), unless it is behind more than the kernel has room for.
 *
 * Needs Linux 6.0 (multishot receive): MB_ERR_NOT_SUPPORTED before.
 *
 * Owner: the tile; stream_create and stream_listen* at start-up. Errors: negative mb_err.
 */
#ifndef MB_NET_STREAM_H
#define MB_NET_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/uio.h>

#define STREAM_CONN_CNT_MAX 65536u
#define STREAM_LISTEN_MAX   8u
#define STREAM_BUF_CNT      256u        /* shared receive buffers; of more connections one each, */
#define STREAM_BUF_MAX      1024u       /* up to so many; a power of two */
#define STREAM_BUF_BYTES    (16u << 10) /* of one: 16 commands in a pipeline fit a hundred times */
#define STREAM_IOV_MAX      16u
#define STREAM_LEND_MAX     8u /* marks of a connection's lends */

struct lcore;
struct stream;

/* Whom memory may be lent to. AUTO: connections of other machines, until the kernel copied of one
 * what it was lent. YES: all of them (to measure, and for tests). */
enum stream_lending { STREAM_LEND_NO, STREAM_LEND_AUTO, STREAM_LEND_YES };

struct stream_id {
	uint32_t idx; /* 0 .. conn_max - 1 */
	uint32_t gen;
};

struct stream_ops {
	/* A new connection. local: it came from this machine (loopback, or a Unix socket). A
	 * refusal (false) closes it; reason, if set, is sent before. */
	bool (*opened)(void *ctx, struct stream_id id, bool local, const char **ret_reason);
	/* Bytes came. They are the stream's again when the call returns. */
	void (*received)(void *ctx, struct stream_id id, const uint8_t *p, size_t len);
	/* Where the kernel may put what comes next, and how much of it; `received` then tells of it
	 * there. NULL: nowhere. What comes by the ring is elsewhere all the same. Optional. */
	uint8_t *(*room)(void *ctx, struct stream_id id, size_t *ret_len);
	/* The peer will send no more. */
	void (*ended)(void *ctx, struct stream_id id);
	/* The peer of a paused connection will send no more than what is there to be read. Once;
	 * `ended` comes too, when that has been read. Optional. */
	void (*leaves)(void *ctx, struct stream_id id);
	/* What stream_send was given is out; or err: it is not, and the connection is of no use. */
	void (*sent)(void *ctx, struct stream_id id, size_t len, int err);
	/* The kernel has a piece that it was lent no longer; if a mark stands for several, one of
	 * them. After its `sent`; just before it, if the kernel did not take it, or copied it. Not
	 * told of a connection that closes. Needed by whoever lends. */
	void (*returned)(void *ctx, struct stream_id id, uint32_t mark);
	/* The last event of a connection. */
	void (*closed)(void *ctx, struct stream_id id);
	void *ctx;
};

/* stream_create makes a stream of at most conn_max connections. Returns: 0; MB_ERR_NO_MEMORY;
 * MB_ERR_NOT_SUPPORTED. */
int stream_create(struct stream **ret, struct lcore *lcore, uint32_t conn_max,
		  const struct stream_ops *ops);
/* stream_destroy closes what is left, without a word. Requires: the lcore does not run any more. */
void stream_destroy(struct stream *s);

/* stream_where reads "host:port" or "[host]:port"; the host is an address, "*" or nothing is any.
 * Returns: 0; MB_ERR_INVALID. */
int stream_where(const char *where, struct sockaddr_storage *ret, socklen_t *ret_len);

/* stream_listen_tcp listens at such a place.
 * Returns: 0 with *ret_port, the port (of port 0, the one that was given); MB_ERR_INVALID: that is
 * no address; MB_ERR_EXISTS: somebody listens there; MB_ERR_DENIED; MB_ERR_IO. */
int stream_listen_tcp(struct stream *s, const char *where, uint16_t *ret_port);
/* stream_listen_unix listens at a path, in place of a socket that nobody serves any more. */
int stream_listen_unix(struct stream *s, const char *path);

/* stream_start lets connections in. Threads: the owner, in its first poll.
 * Returns: 0; MB_ERR_NOT_SUPPORTED. */
int stream_start(struct stream *s);

/* stream_poll tells of sends that are over, looks for what came, and asks the kernel again for what
 * it had no room for. later: the owner is in a hurry, and polls again soon: no looks now. Returns:
 * whether it did anything. */
bool stream_poll(struct stream *s, bool later);

/* stream_sleepy says that the lcore is about to sleep, for tile_ops.arm: from then on the kernel
 * has to tell of what comes. */
void stream_sleepy(struct stream *s, bool on);

/* stream_stop lets nobody in any more. */
void stream_stop(struct stream *s);

/* stream_send sends cnt pieces, all of them, and says so with `sent`; later, never from inside.
 * more: what follows comes at once, and may share a packet with them.
 *
 * Requires:  none is under way for the connection; cnt <= STREAM_IOV_MAX; the pieces, not iov
 * itself,
 *            stay until `sent` or `closed`.
 * Returns:   0; MB_ERR_TRYAGAIN: the kernel takes nothing just now.
 */
int stream_send(struct stream *s, struct stream_id id, const struct iovec *iov, uint32_t cnt,
		bool more);

/* stream_lend_set says who is lent memory: nobody, if it is not called. A connection that is closed
 * while its kernel has some is cut when its peer does not move for close_ns. Threads: start-up. */
void stream_lend_set(struct stream *s, enum stream_lending how, uint64_t close_ns);

/* stream_lends tells whether stream_lend may be called for a connection now. */
bool stream_lends(const struct stream *s, struct stream_id id);

/* stream_lend sends one piece without copying it: `sent` as of stream_send, except that of a piece
 * which the kernel does not take as lent it says 0 bytes (and stream_lends is false from then on);
 * `returned` when the kernel has no use for the memory any more, which may be long after. For long
 * pieces, of which the copy costs more than a second completion.
 *
 * Requires:  stream_lends; no send is under way; mark < STREAM_LEND_MAX.
 * Owns:      the piece stays as it is until `returned` said its mark as often as it was lent, or
 *            `closed`.
 * Returns:   0; MB_ERR_TRYAGAIN: the kernel takes nothing just now.
 */
int stream_lend(struct stream *s, struct stream_id id, const struct iovec *piece, uint32_t mark);

/* stream_lend_tally: who is lent memory (NO too when the kernel turned out not to know how), bytes
 * that were lent so far, and how many pieces the kernel copied all the same. */
struct stream_lend_tally {
	enum stream_lending how;
	uint64_t bytes, copied_cnt;
};
struct stream_lend_tally stream_lend_tally(const struct stream *s);

/* stream_pause stops reading, stream_resume goes on. Some bytes may still come. */
void stream_pause(struct stream *s, struct stream_id id);
void stream_resume(struct stream *s, struct stream_id id);

/* stream_close ends a connection; closed() comes later, never from inside. Harmless when it is
 * closing. */
void stream_close(struct stream *s, struct stream_id id);
/* stream_reset: the same, and what the kernel still has to send is thrown away: it is not kept for
 * one who does not read. */
void stream_reset(struct stream *s, struct stream_id id);

/* A connection that goes to another stream. stream_rest stops reading, asked again until the kernel
 * has nothing of the connection any more (bytes may still come until then). Returns: whether so.
 * stream_take, after that, gives its socket away; its place stays taken, until stream_forget, or
 * stream_give_back, which makes it as it was. Requires: none is closing; no send is under way. */
bool stream_rest(struct stream *s, struct stream_id id);
int stream_take(struct stream *s, struct stream_id id);
void stream_forget(struct stream *s, struct stream_id id);
void stream_give_back(struct stream *s, struct stream_id id, int fd);
/* stream_adopt takes over the socket of another stream's connection; `opened` is not called.
 * Returns: 0; MB_ERR_FULL: there are conn_max. */
int stream_adopt(struct stream *s, int fd, uint32_t listener, struct stream_id *ret);

/* stream_listener is which listener it came by: 0 is the first one that was made. */
uint32_t stream_listener(const struct stream *s, struct stream_id id);

/* stream_fd is the connection's socket, for its names and options; -1 when it is closing. */
int stream_fd(const struct stream *s, struct stream_id id);

/* stream_far tells whether what came lately came in on other cpus than the caller's: of a client on
 * this machine that is his own. Never of many connections, nor of Unix sockets, of which the kernel
 * does not tell. */
bool stream_far(const struct stream *s);

uint32_t stream_conn_cnt(const struct stream *s);

#endif
