/* SPDX-License-Identifier: Apache-2.0 */
/* budget - how much memory a function may take that was deployed with a limit
 *
 * RLIMIT_DATA has two values. The hard one is the executor's, and nothing raises it
 * (sandbox_memory_limit). The soft one is lowered while a function with a limit runs, to what is in
 * use when it begins and the limit. A function could raise it again, and would have what functions
 * without a limit have: it keeps mistakes from others, the hard one keeps everything.
 *
 * A program that gets no memory and uses it all the same dies by a signal that says nothing of why.
 * So before it does, whether there was any left is noted where the node finds it (region_run.full).
 *
 * Threads: the executor's one. Cost: two system calls, and a look at a file of the kernel's, some
 * two microseconds a call of a function with a limit.
 */
#ifndef MB_EXEC_BUDGET_H
#define MB_EXEC_BUDGET_H

#include <stdint.h>

#include "region.h"

/* budget_watch notes in run when this process dies with no memory left. Before any code of a
 * user. */
void budget_watch(struct region_run *run);

/* budget_open makes limits possible. statm_fd: says how much is in use; stays the caller's. */
void budget_open(int statm_fd);

/* budget_set: from now on no more than bytes above what is in use; 0: what the executor has. */
void budget_set(uint64_t bytes);

#endif
