/* SPDX-License-Identifier: Apache-2.0 */
#include "hints.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "microburst/error.h"

#define HINTS_SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)

static int
hints_map(int fd, struct hints **ret)
{
	void *p = mmap(NULL, sizeof(struct hints), PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_POPULATE, fd, 0);

	if (p == MAP_FAILED) {
		return MB_ERR_NO_MEMORY;
	}
	*ret = p;
	return 0;
}

int
hints_create(int *ret_fd, struct hints **ret)
{
	int fd = memfd_create("microburst-hints", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	int err;

	if (fd < 0) {
		return MB_ERR_NO_MEMORY;
	}
	if (ftruncate(fd, sizeof(struct hints)) != 0 || fcntl(fd, F_ADD_SEALS, HINTS_SEALS) != 0) {
		close(fd);
		return MB_ERR_NO_MEMORY;
	}
	err = hints_map(fd, ret);
	if (err != 0) {
		close(fd);
		return err;
	}
	*ret_fd = fd;
	return 0;
}

int
hints_attach(int fd, struct hints **ret)
{
	struct stat st;
	int seals = fcntl(fd, F_GET_SEALS);

	if (fstat(fd, &st) != 0 || st.st_size != sizeof(struct hints) || seals < 0 ||
	    (seals & HINTS_SEALS) != HINTS_SEALS) {
		return MB_ERR_INVALID;
	}
	return hints_map(fd, ret);
}

void
hints_detach(struct hints *h)
{
	munmap(h, sizeof(*h));
}

void
bell_wake(struct bell *bell)
{
	syscall(SYS_futex, &bell->waiting, FUTEX_WAKE, INT_MAX, NULL, NULL, 0); /* W5 */
}

void
bell_sleep(struct bell *bell, uint64_t timeout_ns)
{
	struct timespec ts;

	timeout_ns = timeout_ns < WAIT_MAX_NS ? timeout_ns : WAIT_MAX_NS; /* W3 */
	ts = (struct timespec){ .tv_sec = (time_t)(timeout_ns / 1000000000),
				.tv_nsec = (long)(timeout_ns % 1000000000) };
	/* W2: the kernel compares with 1 under its lock; a wake that came first left 0. */
	syscall(SYS_futex, &bell->waiting, FUTEX_WAIT, 1, &ts, NULL, 0);
	bell_disarm(bell);
}
