/* SPDX-License-Identifier: Apache-2.0 */
/* env - what all benches share: the floors' partners, the node, the two cores */
#ifndef MB_BENCH_ENV_H
#define MB_BENCH_ENV_H

#include <sched.h>
#include <stdbool.h>

#include "echo.h"
#include "node.h"
#include "usage.h"

/* Most benches measure one executor, however many the plan of a larger machine would have. */
#define NODE_ONE_EXECUTOR "executor.count=1"

/* Owner: bench_main. */
struct env {
	struct echoes *echoes;
	struct node *node; /* NULL: none runs; env_node starts it */
	struct node_place place;
	cpu_set_t cpus; /* where this program was allowed to run when it began */
	int cpu_client, cpu_exec;
	struct usage_set procs; /* this process and the node's */
	bool smoke;             /* as short as can be: does it work at all? */
	const volatile bool *stop;
};

/* env_open forks the floors' partners and binds this thread. Threads: start-up only.
 * Returns: 0; MB_ERR_NO_MEMORY. */
int env_open(struct env *env);
void env_close(struct env *env);

/* env_node makes sure that a node with these parameters runs, and moves both sides of all floors to
 * its cores. Returns: 0; an error of node_start. */
int env_node(struct env *env, const char *setting);

/* env_node_end ends the node, if one runs. */
void env_node_end(struct env *env);

/* env_procs looks anew which processes the node has: after one of them was replaced. */
void env_procs(struct env *env);

/* env_cpu_s is the CPU time of this process and the node's: for struct side. ctx is an env. */
double env_cpu_s(void *ctx);

#endif
