/* SPDX-License-Identifier: Apache-2.0 */
/* exec_tile - the thread of an executor: messages in, messages out
 *
 * Thin: it takes messages off the domain, hands calls to exec.c one after the other, and is what
 * exec.c waits through. Calls that arrive while one runs (and waits for the store) are put aside,
 * in order.
 *
 * Idle, it looks after two things: a claim on itself that nobody works under any more is freed, and
 * when the node has asked it to finish and nothing is left to do, it ends.
 */
#ifndef MB_EXEC_TILE_H
#define MB_EXEC_TILE_H

#include <stdbool.h>
#include <stdint.h>

#include "domain.h"
#include "exec.h"

/* Calls put aside: as many as all direct callers may have under way, and then some from sched. Past
 * it a call is answered BUSY. */
#define EXEC_ASIDE_MAX 2048

struct exec_tile;

/* exec_tile_create enters the domain over sock, as an executor that has no functions yet.
 * Returns: 0; as domain_enter_fd; MB_ERR_CORRUPT when the node's memory is not what it should be.
 * Owns: sock, from now on. Threads: the one that runs it. */
int exec_tile_create(struct exec_tile **ret, int sock);

struct domain *exec_tile_domain(struct exec_tile *t);
struct exec *exec_tile_exec(struct exec_tile *t);

/* exec_tile_run serves calls. Returns: 0 when the node asked it to finish, and it has;
 * MB_ERR_NO_NODE when the node is gone. */
int exec_tile_run(struct exec_tile *t);

/* exec_tile_destroy leaves the domain. */
void exec_tile_destroy(struct exec_tile *t);

#endif
