/* SPDX-License-Identifier: Apache-2.0 */
/* echo_move.c - the floor of a large value over UDP: as many bytes, and nothing done with them
 *
 * Datagrams as long as ours, over plain system calls: the client sends as many as the server's
 * socket holds, the server counts them and says so after each few, as whoever wants none lost must.
 * Both spin. What is lost all the same makes the floor fail.
 */
#include <errno.h>
#include <microburst/error.h>
#include <netinet/in.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

#include "compiler.h"
#include "cores.h"
#include "echo.h"
#include "udp_pair.h"

#define DATAGRAM   8960u /* the widest that there are */
#define ACK_EVERY  16u
#define WINDOW_MAX 256u
#define BUFFER     (16 << 20)
#define STALL_NS   (30 * NS_PER_S)

static int server = -1, client = -1;
static uint32_t window;
static uint8_t bytes[DATAGRAM];

struct move {
	_Atomic uint32_t end;
};

static int
move_prepare(void *mem)
{
	socklen_t len = sizeof(int);
	int buffer = BUFFER, err = udp_pair_open(&server, &client);

	(void)mem;
	if (err != 0) {
		return err;
	}
	if (setsockopt(server, SOL_SOCKET, SO_RCVBUFFORCE, &buffer, sizeof(buffer)) != 0) {
		setsockopt(server, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof(buffer));
	}
	setsockopt(client, SOL_SOCKET, SO_SNDBUF, &buffer, sizeof(buffer));
	if (getsockopt(server, SOL_SOCKET, SO_RCVBUF, &buffer, &len) != 0) {
		return MB_ERR_IO;
	}
	/* The kernel counts more than the bytes: pages. */
	window = MIN(MAX((uint32_t)buffer / (4 * DATAGRAM), 2u), WINDOW_MAX);
	return 0;
}

static void
move_reset(void *mem)
{
	struct move *m = mem;

	udp_pair_drain(client);
	atomic_store(&m->end, 0);
}

static int
move_serve(void *mem)
{
	struct move *m = mem;
	static uint8_t came[DATAGRAM];
	struct sockaddr_in from;
	uint32_t cnt = 0, every = MIN(ACK_EVERY, window / 2);

	while (atomic_load_explicit(&m->end, memory_order_relaxed) == 0) {
		socklen_t len = sizeof(from);
		ssize_t n = recvfrom(server, came, sizeof(came), MSG_DONTWAIT,
				     (struct sockaddr *)&from, &len);

		if (n < 0) {
			cores_relax();
			continue;
		}
		/* The last one is short, and asks for the count to begin anew. */
		cnt++;
		if (n < (ssize_t)DATAGRAM || cnt % every == 0) {
			if (sendto(server, &cnt, sizeof(cnt), 0, (struct sockaddr *)&from, len) <
			    0) {
				return MB_ERR_IO;
			}
		}
		cnt = n < (ssize_t)DATAGRAM ? 0 : cnt;
	}
	return 0;
}

static inline int
move_once(void *mem)
{
	/* The last one is short, be it empty. */
	const uint32_t all = (uint32_t)(echo_move_bytes / DATAGRAM) + 1;
	uint64_t until = timebase_tsc() + timebase_ns_to_tsc(STALL_NS);
	uint32_t sent = 0, acked = 0, n;

	(void)mem;
	while (acked < all) {
		while (sent < all && sent - acked < window) {
			size_t len = sent == all - 1 ? echo_move_bytes % DATAGRAM : DATAGRAM;

			if (send(client, bytes, len, MSG_DONTWAIT) != (ssize_t)len) {
				break;
			}
			sent++;
		}
		if (recv(client, &n, sizeof(n), MSG_DONTWAIT) == sizeof(n)) {
			acked = n;
		} else if (timebase_tsc() > until) {
			return MB_ERR_DEADLINE;
		} else {
			cores_relax();
		}
	}
	return 0;
}

static int
move_measure(void *mem, const struct pace *pace, struct figures *f)
{
	return pace_run(pace, f, move_once, mem);
}

static void
move_end(void *mem)
{
	struct move *m = mem;

	atomic_store(&m->end, 1);
}

const struct echo echo_move = {
	.name = "move",
	.bytes = sizeof(struct move),
	.prepare = move_prepare,
	.reset = move_reset,
	.serve = move_serve,
	.measure = move_measure,
	.end = move_end,
};
