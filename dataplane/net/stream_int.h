/* SPDX-License-Identifier: Apache-2.0 */
/* stream_int - what the two parts of a stream share; nobody else includes it
 *
 *   stream.c         connections
 *   stream_listen.c  where they come in
 */
#ifndef MB_NET_STREAM_INT_H
#define MB_NET_STREAM_INT_H

#include <sys/un.h>

#include <liburing.h>

#include "stream.h"

/* Headers of sends that the kernel has not copied yet: more than its submission queue holds. */
#define MSG_CNT 256

struct conn {
	int fd; /* -1: free */
	uint32_t gen;
	uint8_t busy;
	bool receiving; /* the kernel has a receive */
	bool wanted;    /* in the list of those to be read */
	bool paused;
	bool cancelling; /* the kernel was asked to end its receive */
	bool ended;
	bool closing;
	uint8_t listener;
	uint8_t look_cnt;   /* in vain, since something came */
	uint32_t next;      /* free, or wanted */
	uint32_t next_sent; /* of those whose send is over, */
	int sent_res;       /* as the kernel said it; of one under way: what went at once */
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
	uint32_t free, wanted, wanted_last;
	uint32_t sent; /* the sends that went at once, and whose users are not told yet */
	uint32_t listen_cnt;
	bool started, stopped;
	bool sleepy; /* no look helps: the lcore is about to sleep */
	struct io_uring_buf_ring *bufs;
	uint8_t *buf_mem;
	uint8_t own[STREAM_BUF_BYTES]; /* what a look finds */
	uint32_t msg_next;
	struct listener listener[STREAM_LISTEN_MAX];
	struct msghdr msg[MSG_CNT];
	struct iovec iov[MSG_CNT][STREAM_IOV_MAX];
	struct conn conn[];
};

/* stream_is_local: whether the other end of a socket is on this machine. */
bool stream_is_local(int fd);

#endif
