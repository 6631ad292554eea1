/* SPDX-License-Identifier: Apache-2.0 */
/* skew - LD_PRELOAD=libskew.so MB_SKEW_S=N PROGRAM: a program whose clock is wrong by N seconds
 *
 * The clock of the day only, as where nobody sets it; or as if somebody did, for those who look
 * later than others.
 */
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int
clock_gettime(clockid_t id, struct timespec *t)
{
	long rc = syscall(SYS_clock_gettime, id, t);
	const char *by = getenv("MB_SKEW_S");

	if (rc == 0 && id == CLOCK_REALTIME && by != NULL) {
		t->tv_sec += strtoll(by, NULL, 10);
	}
	return (int)rc;
}
