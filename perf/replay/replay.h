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
	/* Once a repetition, each may be NULL. Of begin_hot and end_hot all is counted, of between
	 * what it calls by replay_counted. So a wait for another process, whose looks in vain vary,
	 * is not in the figure. */
	int (*begin_hot)(void);
	int (*between)(void);
	int (*end_hot)(void);
};

/* replay_counted calls hot, counted (but for the first repetitions). Returns what it returns. */
int replay_counted(int (*hot)(void));

extern const struct replay_op replay_channel;
extern const struct replay_op replay_cache_get;
extern const struct replay_op replay_cache_get_large;
extern const struct replay_op replay_kvs_get;
extern const struct replay_op replay_kvs_merge;
extern const struct replay_op replay_put_many;
extern const struct replay_op replay_exec_call;
extern const struct replay_op replay_exec_dag;
extern const struct replay_op replay_exec_get;
extern const struct replay_op replay_exec_put;
extern const struct replay_op replay_net_get; /* on a node of its own, as the next */
extern const struct replay_op replay_call;    /* on a node of its own */

#endif
