/* SPDX-License-Identifier: Apache-2.0 */
/* node - everything a daemon is made of, put together in order and taken apart in reverse
 *
 *   check ─► zygote ─► plan ─► EAL ─► memory ─► lcores, links ─► tiles ─► socket ─► run
 *
 * Each step prints what it got, so that the log of a start tells what this machine gave. A step
 * that fails says in one sentence what is missing and what to do; node_destroy undoes what was
 * done.
 *
 * Threads: the main thread creates, runs lcore 0 and destroys; node_stop any, and signal handlers.
 */
#ifndef MB_NODE_H
#define MB_NODE_H

#include <stdio.h>

#include "params.h"

struct node;

#define NODE_WHY_BYTES  512
#define NODE_PATH_BYTES 4096

/* node_check looks for what would be wrong with a configuration at its start, without starting
 * anything. here: on this machine too; else only what is wrong on every one.
 * Returns: 0; MB_ERR_CONFIG, or why a sentence could not be made, with the sentence in why. */
int node_check(const struct params *p, bool here, char why[NODE_WHY_BYTES]);

/* node_huge_bytes says how much of what a right configuration asks for lies in huge pages, if it
 * wants some: DPDK's memory and the cache region. */
uint64_t node_huge_bytes(const struct params *p);

/* node_create does everything up to, and without, listening.
 * plan_for: NULL; or stop after the plan is printed to out: "": for this machine, else for the one
 * that it describes (place_load). Returns: 0; an error with a sentence in why. */
int node_create(struct node **ret, const struct params *p, const char *executor_path,
		const char *sandbox, const char *plan_for, FILE *out, char why[NODE_WHY_BYTES]);

/* node_run listens, says so on out, and runs until node_stop. Returns: 0; an error. */
int node_run(struct node *n, FILE *out, char why[NODE_WHY_BYTES]);

void node_stop(struct node *n);
void node_destroy(struct node *n);

#endif
