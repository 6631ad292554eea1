/* SPDX-License-Identifier: Apache-2.0 */
/* peer - another system's server, started for a bench, and one connection to it
 *
 * A child process bound to one cpu, in a folder of its own, with nothing on disk, as its own
 * documentation advises for latency. The connection is a plain socket that speaks the server's
 * protocol: what a client library does besides would only be added to the peer's figure. A client
 * on another cpu than the server spins for the answer, as ours does; on the same cpu it sleeps.
 *
 * Errors: negative mb_err, after one line on standard error.
 */
#ifndef MB_PEER_H
#define MB_PEER_H

#include <sched.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define PEER_PATH_MAX    128
#define PEER_REQUEST_MAX 1024

enum peer_kind { PEER_REDIS, PEER_MEMCACHED };

struct peer {
	pid_t pid;
	char dir[PEER_PATH_MAX];
	uint16_t port; /* 0: a Unix socket */
	int fd;
	bool spins;
};

/* peer_there tells whether the server's program is installed. */
bool peer_there(enum peer_kind kind);

/* peer_program is its name, peer_package the Debian package that has it. */
const char *peer_program(enum peer_kind kind);
const char *peer_package(enum peer_kind kind);

/* peer_start starts a server on a cpu and connects to it, over loopback TCP or a Unix socket.
 * Returns: 0; MB_ERR_IO; MB_ERR_DEADLINE when it does not serve within 10 s. */
int peer_start(struct peer *p, enum peer_kind kind, bool tcp, int cpu, bool spins);

/* peer_stop ends the server and removes its folder. For a zeroed peer it does nothing. */
void peer_stop(struct peer *p);

/* peer_exchange sends a request and reads the answer, which has to be exactly want.
 * Returns: 0; MB_ERR_CORRUPT for another answer; MB_ERR_IO. */
int peer_exchange(struct peer *p, const char *request, size_t request_len, const char *want,
		  size_t want_len);

#endif
