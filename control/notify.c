/* SPDX-License-Identifier: Apache-2.0 */
/* notify.c - tell the service manager how the node is
 *
 * The protocol is a promise of systemd's (sd_notify(3)): one datagram, no answer. libsystemd would
 * do the same, and bring five libraries for compression and ciphers into a process that needs none.
 */
#include "notify.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "microburst/error.h"
#include "timebase.h"

/* A whole number of at most 18 digits; 0 for everything else. */
static uint64_t
env_u64(const char *name)
{
	const char *text = getenv(name);
	uint64_t v = 0;

	if (text == NULL || strlen(text) > 18) {
		return 0;
	}
	for (; *text != '\0'; text++) {
		if (*text < '0' || *text > '9') {
			return 0;
		}
		v = v * 10 + (uint64_t)(*text - '0');
	}
	return v;
}

void
notify_take(struct notify *ret)
{
	const char *path = getenv("NOTIFY_SOCKET");
	uint64_t us = env_u64("WATCHDOG_USEC");

	*ret = (struct notify){ .path = "" };
	if (path != NULL && (path[0] == '/' || path[0] == '@') && path[1] != '\0' &&
	    strlen(path) < sizeof(ret->path)) {
		memcpy(ret->path, path, strlen(path) + 1);
		/* Without WATCHDOG_PID it is meant for whoever is asked. */
		if (us <= UINT64_MAX / 1000 && (getenv("WATCHDOG_PID") == NULL ||
						env_u64("WATCHDOG_PID") == (uint64_t)getpid())) {
			ret->watchdog_ns = us * 1000;
		}
	}
	unsetenv("NOTIFY_SOCKET");
	unsetenv("WATCHDOG_USEC");
	unsetenv("WATCHDOG_PID");
}

int
notify_tell(const struct notify *n, const char *text)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	size_t len = strlen(n->path), text_len = strlen(text);
	int keep = errno, fd;
	ssize_t sent = -1;

	if (len == 0) {
		return 0;
	}
	memcpy(to.sun_path, n->path, len);
	if (to.sun_path[0] == '@') {
		to.sun_path[0] = '\0'; /* a name that is no file's */
	}
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd >= 0) {
		sent = sendto(fd, text, text_len, MSG_NOSIGNAL, (const struct sockaddr *)&to,
			      (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len));
		close(fd);
	}
	errno = keep;
	return sent == (ssize_t)text_len ? 0 : MB_ERR_IO;
}
