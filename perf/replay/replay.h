/* SPDX-License-Identifier: Apache-2.0 */
/* replay - hot paths, repeated alone, so that their instructions can be counted
 *
 * perf/instructions runs `replay OP COUNT` under callgrind, which counts only what happens inside
 * of replay_hot. Instructions do not drift with the machine: what this counts is the same on each
 * run.
 */
#ifndef MB_REPLAY_H
#define MB_REPLAY_H

#include <stdint.h>

struct replay_op {
	const char *name; /* of the result's row */
	const char *what;
	int (*begin)(void); /* before all; NULL: nothing to do */
	void (*end)(void);  /* after all; NULL */
	/* Once a repetition. Only begin_hot and end_hot are counted; what takes another process's
	 * time, and so a varying number of looks for it, is waited for between them. */
	int (*begin_hot)(void);
	int (*between)(void); /* NULL */
	int (*end_hot)(void); /* NULL */
};

/* Operations that need no other process, and those on a node of their own. */
extern const struct replay_op replay_channel;
extern const struct replay_op replay_cache_get;
extern const struct replay_op replay_cache_get_large;
extern const struct replay_op replay_kvs_get;
extern const struct replay_op replay_kvs_merge;
extern const struct replay_op replay_call;

#endif
