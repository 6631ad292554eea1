/* SPDX-License-Identifier: Apache-2.0 */
/* cgroup - the executors of a node in a control group, where the host lets us make one
 *
 * What one executor may take its rlimits say (sandbox.h). The group says what all of them may,
 * zygote included: memory, processes, their share of the cpus when others want them. Version 2 of
 * control groups only, below the group that the node was started in, so that what limits the node
 * limits them:
 *
 *   NODE'S GROUP/node        the daemon. A group that hands controllers on may hold no processes,
 *                            so the daemon moves down; it must have been alone (Delegate=yes)
 *   NODE'S GROUP/executors   the zygote, and all it forks
 *   /microburst-PID          instead of both, when the node stands in the topmost group
 *
 * Where that cannot be, nothing is changed, and cgroup.why says what was in the way.
 *
 * Every path is looked up below a root, "" for the machine itself (sysfile.h).
 * Threads: start-up, and ctl.
 */
#ifndef MB_CGROUP_H
#define MB_CGROUP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define CGROUP_PATH_BYTES 512
#define CGROUP_WHY_BYTES  128

/* What the group limits: CGROUP_LIMITS(name, file, text). */
#define CGROUP_LIMITS(X)                                                                           \
	X(MEMORY, "memory.max", "memory")                                                          \
	X(PIDS, "pids.max", "processes")                                                           \
	X(CPU, "cpu.weight", "share of the cpus")

enum cgroup_limit {
#define CGROUP_LIMIT_(name, file, text) CGROUP_##name,
	CGROUP_LIMITS(CGROUP_LIMIT_)
#undef CGROUP_LIMIT_
		CGROUP_LIMIT_CNT
};

struct cgroup {
	char root[64];
	char path[CGROUP_PATH_BYTES];   /* of the group, below root; "": there is none */
	char parent[CGROUP_PATH_BYTES]; /* which the daemon left for its own; "": it did not */
	bool on[CGROUP_LIMIT_CNT];      /* which limits are in force */
	char why[CGROUP_WHY_BYTES];     /* why there is no group; "" */
	uint64_t killed;                /* by the limit of memory, so far */
};

/* cgroup_make makes the group for executors of process self. value: what to limit to, by enum
 * cgroup_limit; 0: no limit. */
void cgroup_make(struct cgroup *g, const char *root, pid_t self,
		 const uint64_t value[CGROUP_LIMIT_CNT]);

/* cgroup_try makes a group where process self stands, takes it away again, and says what there is
 * to limit: on, by enum cgroup_limit. Nothing else is changed. *ret_top: it stands in the topmost
 * group, and need not be alone there. Returns: whether one could be made; why says what was in the
 * way. */
bool cgroup_try(struct cgroup *g, const char *root, pid_t self, bool *ret_top);

/* cgroup_take puts a process, and what it will fork, into the group, if there is one. */
void cgroup_take(struct cgroup *g, pid_t pid);

/* cgroup_killed says whether the limit of memory has killed since it was asked last. */
bool cgroup_killed(struct cgroup *g);

/* cgroup_remove takes the group away. Requires: nothing in it lives. */
void cgroup_remove(struct cgroup *g);

#endif
