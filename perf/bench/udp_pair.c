/* SPDX-License-Identifier: Apache-2.0 */
/* udp_pair.c - see udp_pair.h */
#include "udp_pair.h"

#include <microburst/error.h>
#include <netinet/in.h>
#include <sys/socket.h>

int
udp_pair_open(int *ret_server, int *ret_client)
{
	struct sockaddr_in at = { .sin_family = AF_INET };
	socklen_t len = sizeof(at);

	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	*ret_server = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	*ret_client = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (*ret_server < 0 || *ret_client < 0 ||
	    bind(*ret_server, (struct sockaddr *)&at, sizeof(at)) != 0 ||
	    getsockname(*ret_server, (struct sockaddr *)&at, &len) != 0 ||
	    connect(*ret_client, (struct sockaddr *)&at, sizeof(at)) != 0) {
		return MB_ERR_IO;
	}
	return 0;
}

void
udp_pair_drain(int fd)
{
	char left;

	while (recv(fd, &left, sizeof(left), MSG_DONTWAIT) >= 0) {
	}
}
