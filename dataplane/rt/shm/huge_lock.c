/* SPDX-License-Identifier: Apache-2.0 */
#include "huge_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#define FILE_PATH "/proc/sys/vm/nr_hugepages"

int
huge_lock_take(uint32_t wait_ms)
{
	int fd = open(FILE_PATH, O_RDONLY | O_CLOEXEC);

	if (fd < 0) {
		return HUGE_LOCK_NONE;
	}
	while (flock(fd, LOCK_EX | LOCK_NB) != 0) {
		if (wait_ms-- == 0) {
			close(fd);
			return HUGE_LOCK_BUSY;
		}
		nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
	}
	return fd;
}

void
huge_lock_release(int lock)
{
	if (lock >= 0) {
		close(lock);
	}
}
