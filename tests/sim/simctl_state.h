/* SPDX-License-Identifier: Apache-2.0 */
/* simctl_state - what the parts of the simulated ctl tile share; nobody else includes it
 *
 *   simctl.c         who enters; messages of processes and tiles
 *   simctl_exec.c    executors: wanted, loading, serving, drained; stops
 *   simctl_death.c   the three rounds of a death
 */
#ifndef MB_SIM_SIMCTL_STATE_H
#define MB_SIM_SIMCTL_STATE_H

#include "app.h"
#include "ctl_msg.h"
#include "node.h"
#include "proc.h"
#include "simctl.h"
#include "tile_msg.h"

#define STOP_MAX 256

enum exec_state { EXEC_NONE = 0, EXEC_LOADING, EXEC_SERVING, EXEC_DRAINING };

struct exec {
	enum exec_state state;
	uint16_t slot;
	uint64_t fns; /* a bit a function */
};

struct slot {
	uint16_t proc; /* serving; 0: none */
	uint16_t next; /* loading; 0: none */
	bool asked;    /* a new one is on its way */
	uint64_t fns;  /* what its next executor shall have */
};

struct stop {
	uint16_t proc; /* 0: free */
	uint32_t inc;
	uint64_t call;
	uint32_t idle; /* how often in a row its executor ran nothing */
};

struct simctl {
	struct tile tile;
	struct sim *sim;
	struct node *node;
	struct procs procs;
	struct sim_proc *proc[PROC_CNT_MAX];
	struct exec exec[PROC_CLIENT_FIRST];
	struct slot slot[SIM_SLOT_MAX];
	struct stop stop[STOP_MAX];
	bool ending;
};

static inline uint32_t
simctl_tile_cnt(const struct simctl *c)
{
	return 1 + c->sim->shape.cache_cnt;
}

/* The tiles that talk to processes, in the order of their ports: sched, cache tiles. */
static inline struct tile *
simctl_tile_at(struct simctl *c, uint32_t i)
{
	return i == 0 ? &c->node->sched.tile : &c->node->cache_tile[i - 1].tile;
}

static inline void
simctl_tell_sched(struct simctl *c, const struct desc *d)
{
	lane_send(&c->node->sched.tile.from_ctl, d);
}

/* ---- simctl.c */

/* simctl_admit starts a process. Returns: NULL when no index is free. */
struct sim_proc *simctl_admit(struct simctl *c, bool is_executor, uint16_t slot, proc_main_fn fn);
/* simctl_client_start starts the client of a slot, as soon as an index is free. */
void simctl_client_start(void *ctx, uint64_t slot);

/* ---- simctl_exec.c */

/* simctl_exec_want: a slot is to have a new executor. */
void simctl_exec_want(struct simctl *c, uint32_t slot);
void simctl_exec_gone(struct simctl *c, uint16_t idx);
/* simctl_pin_want: calls wait for a function that no executor has. */
void simctl_pin_want(struct simctl *c, uint16_t id);
/* simctl_stop_call: after the grace an executor that still runs this call is killed. */
void simctl_stop_call(struct simctl *c, uint16_t exec, uint64_t call);
/* simctl_lost: sched's word, that an executor does not run the call it was given. */
void simctl_lost(struct simctl *c, uint16_t exec, uint64_t call);

/* ---- simctl_death.c */

/* simctl_down_done: a tile is done with a dead process. tile: 0 sched, else cache. */
void simctl_down_done(struct simctl *c, uint32_t tile, const struct desc *d);
/* simctl_acked: `by` has nothing of a dead process any more. */
void simctl_acked(struct simctl *c, struct proc *dead, uint16_t by);

#endif
