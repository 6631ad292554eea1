/* SPDX-License-Identifier: Apache-2.0 */
/* subject_idle - what a node takes that has nothing to do */
#ifndef MB_SUBJECT_IDLE_H
#define MB_SUBJECT_IDLE_H

#include "bench.h"

/* After some load, with a client attached that sleeps. Row 0: CPU, in percent of one core; row 1:
 * wakes a second; row 2: memory, in MiB. All processes of the node together. */
int subject_idle(struct env *env, const struct bench *bench, struct measure *ret);

#endif
