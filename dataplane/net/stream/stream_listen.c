/* SPDX-License-Identifier: Apache-2.0 */
/* stream_listen - where the connections of a stream come in, and what they send */
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <microburst/error.h>

#include "check.h"
#include "stream_int.h"
#include "where.h"

#define FAR_KEEP   15  /* receives between two questions for their cpu */
#define LISTEN_LOG 511 /* as Redis: connections that wait to be accepted */

static int
err_of_errno(void)
{
	switch (errno) {
	case EADDRINUSE:
		return MB_ERR_EXISTS;
	case EACCES:
	case EPERM:
		return MB_ERR_DENIED;
	case EADDRNOTAVAIL:
	case EINVAL:
		return MB_ERR_INVALID;
	default:
		return MB_ERR_IO;
	}
}

static int
listener_add(struct stream *s, int fd, const struct sockaddr *sa, socklen_t len)
{
	if (bind(fd, sa, len) != 0 || listen(fd, LISTEN_LOG) != 0) {
		int err = err_of_errno();

		close(fd);
		return err;
	}
	s->listener[s->listen_cnt] = (struct listener){ .fd = fd };
	s->listen_cnt++;
	return 0;
}

int
stream_where(const char *where, struct sockaddr_storage *ret, socklen_t *ret_len)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM,
				  .ai_flags = AI_PASSIVE | AI_NUMERICHOST | AI_NUMERICSERV };
	struct addrinfo *ai;
	char host[WHERE_HOST_BYTES], port[WHERE_PORT_BYTES];

	if (where_split(where, host, port) != 0 ||
	    getaddrinfo(host[0] == '\0' || strcmp(host, "*") == 0 ? NULL : host, port, &hints,
			&ai) != 0) {
		return MB_ERR_INVALID;
	}
	memcpy(ret, ai->ai_addr, ai->ai_addrlen);
	*ret_len = ai->ai_addrlen;
	freeaddrinfo(ai);
	return 0;
}

int
stream_listen_tcp(struct stream *s, const char *where, uint16_t *ret_port)
{
	struct sockaddr_storage at, got = { 0 };
	socklen_t len = sizeof(got), at_len;
	int err = stream_where(where, &at, &at_len);
	int fd, one = 1;

	if (err != 0) {
		return err;
	}
	REQUIRE(s->listen_cnt < STREAM_LISTEN_MAX);
	fd = socket(at.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0) {
		return MB_ERR_IO;
	}
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	err = listener_add(s, fd, (const struct sockaddr *)&at, at_len);
	if (err == 0 && getsockname(fd, (struct sockaddr *)&got, &len) == 0) {
		in_port_t port = 0; /* in the same place for IPv4 and IPv6 */

		static_assert(offsetof(struct sockaddr_in, sin_port) ==
				      offsetof(struct sockaddr_in6, sin6_port),
			      "the port is the port");
		memcpy(&port, (const uint8_t *)&got + offsetof(struct sockaddr_in, sin_port),
		       sizeof(port));
		*ret_port = ntohs(port);
	}
	return err;
}

int
stream_listen_unix(struct stream *s, const char *path)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct listener *l = &s->listener[s->listen_cnt];
	int err;

	REQUIRE(s->listen_cnt < STREAM_LISTEN_MAX);
	if (fd < 0 || strlen(path) >= sizeof(sa.sun_path)) {
		close(fd);
		return fd < 0 ? MB_ERR_IO : MB_ERR_TOO_LARGE;
	}
	memcpy(sa.sun_path, path, strlen(path) + 1);
	if (connect(fd, (struct sockaddr *)&sa, sizeof(sa)) == 0) {
		close(fd);
		return MB_ERR_EXISTS;
	}
	if (errno == ECONNREFUSED) {
		unlink(path); /* of a server that is gone */
	}
	err = listener_add(s, fd, (struct sockaddr *)&sa, sizeof(sa));
	if (err == 0) {
		l->is_unix = true;
		memcpy(l->path, sa.sun_path, sizeof(l->path));
		chmod(path, 0660);
	}
	return err;
}

static bool
is_local(const struct sockaddr_storage *sa)
{
	if (sa->ss_family == AF_INET) {
		return ntohl(((const struct sockaddr_in *)sa)->sin_addr.s_addr) >> 24 == 127;
	}
	if (sa->ss_family == AF_INET6) {
		const struct in6_addr *a = &((const struct sockaddr_in6 *)sa)->sin6_addr;

		return IN6_IS_ADDR_LOOPBACK(a) ||
		       (IN6_IS_ADDR_V4MAPPED(a) && a->s6_addr[12] == 127);
	}
	return sa->ss_family == AF_UNIX;
}

enum stream_peer
stream_peer(int fd)
{
	struct sockaddr_storage sa = { 0 };
	socklen_t len = sizeof(sa);

	if (getpeername(fd, (struct sockaddr *)&sa, &len) != 0) {
		return STREAM_PEER_GONE;
	}
	return is_local(&sa) ? STREAM_PEER_LOCAL : STREAM_PEER_FAR;
}

void
stream_far_set(struct stream *s, struct conn *c, bool far)
{
	s->far_cnt += (uint32_t)far - (uint32_t)c->far;
	c->far = far;
}

void
stream_far_look(struct stream *s, struct conn *c)
{
	socklen_t len = sizeof(int);
	int cpu = -1;

	if (c->far_keep > 0) {
		c->far_keep--;
		return;
	}
	c->far_keep = FAR_KEEP;
	if (!s->listener[c->listener].is_unix) {
		getsockopt(c->fd, SOL_SOCKET, SO_INCOMING_CPU, &cpu, &len);
	}
	stream_far_set(s, c, cpu >= 0 && cpu != sched_getcpu());
}

bool
stream_far(const struct stream *s)
{
	return s->conn_cnt <= FEW && s->far_cnt == s->conn_cnt;
}
