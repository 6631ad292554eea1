/* SPDX-License-Identifier: Apache-2.0 */
/* node - a Microburst node of the bench's own, from start to end
 *
 * A child process with a socket in a directory of its own; it does not meet the user's node. The
 * bench's functions are deployed, and this process is its client, bound to the cpu that the plan
 * leaves to clients.
 *
 * Errors: negative mb_err, after one line on standard error that says what happened.
 */
#ifndef MB_BENCH_NODE_H
#define MB_BENCH_NODE_H

#include <jansson.h>
#include <microburst/client.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define NODE_PATH_MAX 256

struct node_place {
	const char *daemon;    /* the microburstd to run; NULL: the one beside this program */
	const cpu_set_t *cpus; /* where it may run: this process is bound, it shall not be */
	int (*enter)(void);    /* called in the node's process first; NULL: nothing to do */
};

struct node {
	pid_t pid;
	char dir[NODE_PATH_MAX];
	const char *setting; /* as given to node_start */
	struct mb_client *client;
	int cpu_client, cpu_exec;
};

/* An executor that serves. */
struct node_exec {
	pid_t pid;
	int cpu;
	int64_t inc;
	int64_t finished; /* calls so far */
};

/* node_start starts a node with these parameters ("executor.count=1 client.spin=0"; "" for none but
 * the defaults), waits until it serves, deploys calls, state and types, and binds this thread.
 * setting must live as long as the node. */
int node_start(struct node **ret, const struct node_place *place, const char *setting);

/* node_stop ends the node and removes its directory. NULL is allowed. */
void node_stop(struct node *n);

/* node_ask asks the node (ctl/admin.h). fd -1: none. *ret may be NULL; else the caller drops
 * it. */
int node_ask(struct node *n, json_t *request, int fd, json_t **ret);

/* node_deploy deploys an object of perf/functions, under another name if name is not NULL.
 * pin false: no executor has it before its first call. */
int node_deploy(struct node *n, const char *object, const char *name, bool pin);
int node_undeploy(struct node *n, const char *name);

/* node_object opens an object of perf/functions. Returns: a file descriptor; MB_ERR_NOT_FOUND. */
int node_object(const char *object);

/* node_execs lists the serving executors, up to max, and counts the spares.
 * Returns: how many serve; an error. */
int node_execs(struct node *n, struct node_exec *ret, int max, int *ret_spares);

/* node_settle waits until as many executors serve as the plan has, with a spare behind them.
 * Returns: 0; MB_ERR_DEADLINE after 5 s. */
int node_settle(struct node *n);

/* node_call calls a function with one I64 and gives the I64 it returns. */
int node_call(struct node *n, const char *name, int64_t arg, int64_t *ret);

#endif
