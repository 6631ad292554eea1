/* SPDX-License-Identifier: Apache-2.0 */
/* floor_syscall - what it costs to enter the kernel and leave it */
#ifndef MB_FLOOR_SYSCALL_H
#define MB_FLOOR_SYSCALL_H

#include "bench.h"

int floor_syscall(struct env *env, const struct bench *bench, struct measure *ret);

#endif
