/* SPDX-License-Identifier: Apache-2.0 */
/* skew - LD_PRELOAD=libskew.so MB_SKEW_S=N PROGRAM: a program whose clock is wrong by N seconds
 *
 * The clock of the day only, as where nobody sets it; or as if somebody did, for those who look
 * later than others. MB_SKEW_FILE=PATH instead: by the seconds that the file says, an int64_t, from
 * one look to the next, as when somebody sets it.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static int64_t by_s;
static const volatile int64_t *by = &by_s;

/* Before it is shut in, where it may open nothing. */
__attribute__((constructor)) static void
skew_init(void)
{
	const char *s = getenv("MB_SKEW_S"), *path = getenv("MB_SKEW_FILE");
	int fd = path != NULL ? open(path, O_RDONLY) : -1;
	void *p = fd >= 0 ? mmap(NULL, sizeof(*by), PROT_READ, MAP_SHARED, fd, 0) : MAP_FAILED;

	by_s = s != NULL ? strtoll(s, NULL, 10) : 0;
	by = p != MAP_FAILED ? p : &by_s;
	if (fd >= 0) {
		close(fd);
	}
}

int
clock_gettime(clockid_t id, struct timespec *t)
{
	long rc = syscall(SYS_clock_gettime, id, t);

	if (rc == 0 && id == CLOCK_REALTIME) {
		t->tv_sec += *by;
	}
	return (int)rc;
}
