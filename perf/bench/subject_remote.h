/* SPDX-License-Identifier: Apache-2.0 */
/* subject_remote - calls and reads of a client over UDP on this machine's loopback, over DPDK, and
 * between two hosts made of namespaces: a function for each row of bench_remote.def
 *
 * All three parties are here: the client, the net tile, the executor. With two cores they share
 * them, which a client of its own machine does not.
 */
#ifndef MB_BENCH_SUBJECT_REMOTE_H
#define MB_BENCH_SUBJECT_REMOTE_H

#include "bench.h"

#define REMOTE(name, ...)                                                                          \
	int subject_##name(struct env *env, const struct bench *bench, struct measure *ret);
#define MOVE REMOTE
#define LOSS REMOTE
#include "bench_remote.def"
#undef REMOTE
#undef MOVE
#undef LOSS

#endif
