/* SPDX-License-Identifier: Apache-2.0 */
/* lossy.c - see lossy.h */
#include "lossy.h"

#include <dirent.h>
#include <errno.h>
#include <linux/filter.h>
#include <microburst/error.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

static bool
is_at(const struct sockaddr_in6 *sa, uint16_t port)
{
	/* Where the port stands is the same in both families. */
	return (sa->sin6_family == AF_INET6 || sa->sin6_family == AF_INET) &&
	       sa->sin6_port == htons(port);
}

static bool
is_of(int fd, uint16_t port)
{
	struct sockaddr_in6 own = { 0 }, peer = { 0 };
	socklen_t len = sizeof(int), own_len = sizeof(own), peer_len = sizeof(peer);
	int protocol;

	if (getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &len) != 0 ||
	    protocol != IPPROTO_UDP) {
		return false;
	}
	return (getsockname(fd, (struct sockaddr *)&own, &own_len) == 0 && is_at(&own, port)) ||
	       (getpeername(fd, (struct sockaddr *)&peer, &peer_len) == 0 && is_at(&peer, port));
}

static int
filter_set(int fd, uint32_t ppm)
{
	uint32_t below = (uint32_t)((UINT64_C(1) << 32) * ppm / 1000000);
	struct sock_filter f[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)(SKF_AD_OFF + SKF_AD_RANDOM)),
		BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, below, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
		BPF_STMT(BPF_RET | BPF_K, 0),
	};
	struct sock_fprog prog = { .len = sizeof(f) / sizeof(f[0]), .filter = f };
	int rc = ppm == 0 ? setsockopt(fd, SOL_SOCKET, SO_DETACH_FILTER, &rc, sizeof(rc))
			  : setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &prog, sizeof(prog));

	return rc == 0 || (ppm == 0 && errno == ENOENT) ? 0 : MB_ERR_IO;
}

int
lossy_set(pid_t pid, uint16_t port, uint32_t ppm)
{
	int pidfd = (int)syscall(SYS_pidfd_open, pid, 0), cnt = 0, err = 0;
	char path[32];
	struct dirent *e;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
	dir = opendir(path);
	while (dir != NULL && err == 0 && (e = readdir(dir)) != NULL) {
		int fd = (int)syscall(SYS_pidfd_getfd, pidfd, (int)strtol(e->d_name, NULL, 10), 0);

		if (fd < 0 && errno == EPERM) {
			err = MB_ERR_DENIED;
		}
		if (fd >= 0 && is_of(fd, port)) {
			err = filter_set(fd, ppm);
			cnt++;
		}
		if (fd >= 0) {
			close(fd);
		}
	}
	err = dir == NULL || pidfd < 0 ? MB_ERR_DENIED : err;
	if (dir != NULL) {
		closedir(dir);
	}
	if (pidfd >= 0) {
		close(pidfd);
	}
	return err != 0 ? err : cnt;
}
