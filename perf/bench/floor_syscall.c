/* SPDX-License-Identifier: Apache-2.0 */
/* floor_syscall.c - see floor_syscall.h */
#include "floor_syscall.h"

#include <sys/syscall.h>
#include <unistd.h>

static inline int
syscall_once(void *ctx)
{
	return syscall(SYS_getppid) > 0 ? 0 : -1;
}

static int
syscall_block(void *ctx, const struct pace *pace, struct figures *f)
{
	return pace_run(pace, f, syscall_once, ctx);
}

int
floor_syscall(struct env *env, const struct bench *bench, struct measure *ret)
{
	struct side subject = { .block = syscall_block };

	return bench_interleave(env, bench, &subject, ret);
}
