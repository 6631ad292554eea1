/* SPDX-License-Identifier: Apache-2.0 */
#include "zygote.h"

#include <fcntl.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "microburst/error.h"

#define ZYGOTE_FD 3

extern char **environ;

int
zygote_start(const char *path, const char *sandbox, int *ret_fd, pid_t *ret_pid)
{
	char parent[16];
	char *argv[] = { (char *)"microburst-executor",
			 (char *)"--zygote",
			 (char *)"3",
			 (char *)"--parent",
			 parent,
			 (char *)"--sandbox",
			 (char *)(uintptr_t)sandbox,
			 NULL };
	posix_spawn_file_actions_t fa;
	int sv[2];
	int rc;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sv) != 0) {
		return MB_ERR_NO_MEMORY;
	}
	snprintf(parent, sizeof(parent), "%d", (int)getpid());
	posix_spawn_file_actions_init(&fa);
	/* dup2 clears close-on-exec; where the number is right already a plain dup2 would not. */
	if (sv[1] == ZYGOTE_FD) {
		int moved = fcntl(sv[1], F_DUPFD_CLOEXEC, ZYGOTE_FD + 1);

		close(sv[1]);
		sv[1] = moved;
	}
	posix_spawn_file_actions_adddup2(&fa, sv[1], ZYGOTE_FD);
	rc = posix_spawn(ret_pid, path, &fa, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&fa);
	close(sv[1]);
	if (rc != 0) {
		close(sv[0]);
		return MB_ERR_NOT_FOUND;
	}
	fcntl(sv[0], F_SETFL, O_NONBLOCK);
	*ret_fd = sv[0];
	return 0;
}
