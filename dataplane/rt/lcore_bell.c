/* SPDX-License-Identifier: Apache-2.0 */
/* lcore_bell.c - the system call at the end of the argument in lcore_bell.h */
#include "lcore_bell.h"

#include <errno.h>
#include <unistd.h>

void
lcore_bell_ring(struct lcore_bell *bell)
{
	const uint64_t one = 1;
	int saved = errno;
	ssize_t n;

	atomic_fetch_add_explicit(&bell->rung_cnt, 1, memory_order_relaxed);
	/* It fails only when the count is at its end, and then the eventfd is readable anyway. */
	n = write(bell->fd, &one, sizeof(one));
	(void)n;
	errno = saved; /* a signal handler may be the caller */
}
