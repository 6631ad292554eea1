/* SPDX-License-Identifier: Apache-2.0 */
/* echo_udp.c - the floor of a remote call: a datagram to an io_uring that is polled, and back
 *
 * The server is the barest that can be: one receive under way, one send for each, no buffers to
 * choose, nothing checked. The client spins over the plain system calls, as the library's does.
 */
#include <errno.h>
#include <liburing.h>
#include <microburst/error.h>
#include <netinet/in.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

#include "cores.h"
#include "echo.h"
#include "udp_pair.h"

#define BYTES 112 /* a call of an increment: heads, name, one number */

/* Sockets are inherited by the partner. */
static int server = -1, client = -1;

struct udp {
	_Atomic uint32_t end;
};

static int
udp_prepare(void *mem)
{
	(void)mem;
	return udp_pair_open(&server, &client);
}

static void
udp_reset(void *mem)
{
	struct udp *u = mem;

	udp_pair_drain(client);
	atomic_store(&u->end, 0);
}

static int
udp_serve(void *mem)
{
	struct udp *u = mem;
	struct io_uring ring;
	struct io_uring_params p = { .flags = IORING_SETUP_SINGLE_ISSUER |
					      IORING_SETUP_DEFER_TASKRUN |
					      IORING_SETUP_TASKRUN_FLAG };
	uint8_t bytes[BYTES];
	struct sockaddr_in from;
	struct iovec iov = { bytes, sizeof(bytes) };
	struct msghdr in = { .msg_name = &from,
			     .msg_namelen = sizeof(from),
			     .msg_iov = &iov,
			     .msg_iovlen = 1 };
	struct msghdr out = in;
	struct io_uring_cqe *cqe;
	struct io_uring_sqe *sqe;
	int rc = io_uring_queue_init_params(16, &ring, &p);

	if (rc == -EINVAL) { /* before Linux 6.1 */
		p.flags = 0;
		rc = io_uring_queue_init_params(16, &ring, &p);
	}
	if (rc < 0) {
		return MB_ERR_NO_URING;
	}
	sqe = io_uring_get_sqe(&ring);
	io_uring_prep_recvmsg(sqe, server, &in, 0);
	io_uring_sqe_set_data64(sqe, 1);
	io_uring_submit(&ring);
	while (atomic_load_explicit(&u->end, memory_order_relaxed) == 0) {
		if ((IO_URING_READ_ONCE(*ring.sq.kflags) & IORING_SQ_TASKRUN) != 0) {
			io_uring_get_events(&ring);
		}
		if (io_uring_peek_cqe(&ring, &cqe) != 0) {
			cores_relax();
			continue;
		}
		if (cqe->user_data == 1 && cqe->res == BYTES) {
			sqe = io_uring_get_sqe(&ring);
			io_uring_prep_sendmsg(sqe, server, &out, MSG_DONTWAIT);
			io_uring_sqe_set_data64(sqe, 2);
			sqe->flags |= IOSQE_IO_HARDLINK; /* then it may be written over */
		}
		if (cqe->user_data == 1) {
			sqe = io_uring_get_sqe(&ring);
			io_uring_prep_recvmsg(sqe, server, &in, 0);
			io_uring_sqe_set_data64(sqe, 1);
			io_uring_submit(&ring);
		}
		io_uring_cqe_seen(&ring, cqe);
	}
	io_uring_queue_exit(&ring);
	return 0;
}

static inline int
udp_once(void *mem)
{
	static uint8_t bytes[BYTES];

	(void)mem;
	if (send(client, bytes, sizeof(bytes), 0) != sizeof(bytes)) {
		return MB_ERR_IO;
	}
	while (recv(client, bytes, sizeof(bytes), MSG_DONTWAIT) < 0) {
		cores_relax();
	}
	return 0;
}

static int
udp_measure(void *mem, const struct pace *pace, struct figures *f)
{
	return pace_run(pace, f, udp_once, mem);
}

static void
udp_end(void *mem)
{
	struct udp *u = mem;

	atomic_store(&u->end, 1);
}

const struct echo echo_udp = {
	.name = "udp",
	.bytes = sizeof(struct udp),
	.prepare = udp_prepare,
	.reset = udp_reset,
	.serve = udp_serve,
	.measure = udp_measure,
	.end = udp_end,
};
