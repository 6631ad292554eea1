/* SPDX-License-Identifier: Apache-2.0 */
/* proc - a simulated process: a region, a fiber, and the kernel's part of its life
 *
 *   spawned ──► runs ⇄ sleeps (bell_sleep) ──► killed, or returned from main ──► its index is free
 *                 └── stopped for a while                │
 *                                                       └─ its region stays until ctl lets go of
 *                                                       it,
 *                                                          and is unmapped then: who touches it
 *                                                          after
 *                                                          that falls over
 *
 * Its main function and the shipped code below it (client library, domain, channels) run on the
 * fiber.
 */
#ifndef MB_SIM_PROC_H
#define MB_SIM_PROC_H

#include <stdbool.h>
#include <stdint.h>

#include "desc.h"
#include "domain.h"
#include "event.h"
#include "region.h"
#include "sim.h"

struct exec_tile;
struct fiber;
struct mb_client;
struct sim_proc;

typedef void (*proc_main_fn)(struct sim_proc *p);

struct sim_proc {
	struct sim *sim;
	uint16_t idx;
	uint16_t slot; /* executors: which slot's; clients: which client */
	uint32_t inc;
	struct region region; /* as its owner sees it; base is where it really is */
	struct actor actor;
	struct fiber *fiber; /* NULL: it is dead */
	proc_main_fn main;
	struct sim_proc *next_grave;
	struct domain *domain;      /* once it has entered */
	struct mb_client *client;   /* of a client, while it is open */
	struct exec_tile *executor; /* of an executor, once it has entered */
	uint64_t stopped_until_ns;
	uint32_t die_in; /* steps; 0: no */
	bool asleep;     /* in bell_sleep */
	bool rung;       /* since it fell asleep */
	bool leaving;    /* a client that has closed */
	bool aborting;   /* its function called abort() */
};

/* proc_spawn makes process (idx, inc), which will run main after some time. ctl admits it first. */
struct sim_proc *proc_spawn(struct sim *s, uint16_t idx, uint32_t inc, proc_main_fn main);

/* proc_kill ends it between two of its steps; ctl hears of it later. From outside of it. */
void proc_kill(struct sim_proc *p, enum death_cause cause, int status);

/* proc_unmap takes its memory away: it is dead, and nobody has it any more. The struct stays to
 * the end
 * of the run, as events may still name it; proc_graves_free frees those. */
void proc_unmap(struct sim_proc *p);
void proc_graves_free(struct sim *s);

/* proc_self is the process that runs; NULL: a tile does, or nobody. */
struct sim_proc *proc_self(void);

/* proc_step ends a step of the process that runs: it goes on after a while, unless it dies here.
 * Nothing to do outside of a process. */
void proc_step(enum delay kind);

/* proc_sleep sleeps for ns, or until the bell rings if it may. */
void proc_sleep(uint64_t ns, bool until_rung);

/* proc_rung: somebody rang the process's bell. */
void proc_rung(struct sim_proc *p);

/* proc_unread says whether a process that sleeps has messages that it has not taken. */
bool proc_unread(const struct sim_proc *p);

#endif
