/* SPDX-License-Identifier: Apache-2.0 */
/* simctl - the simulated ctl tile: who enters, who runs, who died
 *
 * The protocol is that of control/ctl/ctl.c and ctl_exec.c, over the shipped table of processes
 * (procs.h);
 * sockets, pidfds and forks are function calls here. A death goes through the same three rounds:
 * cache
 * tiles, sched, everybody who knew the process.
 */
#ifndef MB_SIM_SIMCTL_H
#define MB_SIM_SIMCTL_H

#include "desc.h"
#include "procs.h"
#include "region.h"
#include "sim.h"

struct simctl;
struct sim_proc;
struct tile;

struct simctl *simctl_create(struct sim *s);
/* simctl_start begins the life of executors and clients. */
void simctl_start(struct simctl *c);
void simctl_destroy(struct simctl *c);

/* simctl_hangup: the kernel says that a process is gone; ctl will hear of it. */
void simctl_hangup(struct simctl *c, struct sim_proc *p, enum death_cause cause, int status);

/* simctl_loaded: an executor has its functions, and serves from now on. */
void simctl_loaded(struct simctl *c, struct sim_proc *p);

/* simctl_attach: process `asker` maps (proc, inc). Returns: the mapping; NULL: it is no longer
 * there. */
const struct region *simctl_attach(struct simctl *c, uint16_t asker, uint16_t proc, uint32_t inc);

/* simctl_deploy makes function number fn known. */
void simctl_deploy(struct simctl *c, uint32_t fn);

/* simctl_swap begins to replace an executor by one with the same functions. */
void simctl_swap(struct simctl *c, uint32_t slot);

/* simctl_proc is the process at an index; NULL. */
struct sim_proc *simctl_proc(struct simctl *c, uint16_t idx);

/* simctl_serving: an executor that serves now, chosen by n; NULL when there is none. */
struct sim_proc *simctl_serving(struct simctl *c, uint32_t n);

struct tile *simctl_tile(struct simctl *c);

/* How many processes are neither living nor forgotten; found by walking. */
uint32_t simctl_unburied(const struct simctl *c);
/* How many ports are not one of the two ends of an open channel between the living; and one more
 * when procs counts its channels wrong. */
uint32_t simctl_half_channels(const struct simctl *c);

/* simctl_end kills everybody: the run is over. */
void simctl_end(struct simctl *c);

#endif
