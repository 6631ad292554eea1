/* SPDX-License-Identifier: Apache-2.0 */
/* ctl_use - what functions have used, and where the time of calls went, since the node began
 *
 * Executors and clients count in their own regions (stage.h). What those that are gone had counted
 * is kept here, so nothing is lost when an executor is replaced; it is taken when the tiles have
 * let go of the process, which writes no more then. Functions are known by name: a new version goes
 * on where the old one was.
 *
 * What a process says of itself is its word. An executor that runs a hostile function may say of
 * the functions it has, and of no others, whatever it had the time to do: what is more than that is
 * not taken, so that nonsense once written does not stay in these figures.
 *
 * Owner: ctl.
 */
#ifndef MB_CTL_USE_H
#define MB_CTL_USE_H

#include <jansson.h>

#include "ctl.h"
#include "stage.h"

struct ctl_use {
	char name[NAME_BYTES_MAX]; /* "": free */
	uint64_t run_ns, failed, byte_us;
	struct stage_sum run;
};

/* Everything of processes that are gone. */
struct ctl_uses {
	struct ctl_use use[FUNCTION_CNT_MAX];
	/* Versions, by id % FUNCTION_CNT_MAX. An executor that drains has functions that the
	 * registry has forgotten. */
	struct {
		uint16_t id; /* 0: none */
		uint16_t row;
	} version[FUNCTION_CNT_MAX];
	struct stage_sum stage[STAGE_CNT];
};

/* ctl_use_deployed: there is a function, or a new version of one. */
void ctl_use_deployed(struct ctl *c, const struct fn *f);

/* ctl_use_gone keeps what a process had counted. Requires: its region is mapped still. */
void ctl_use_gone(struct ctl *c, const struct proc *p);

/* ctl_use_functions lists functions: {"name", "finished", "failed", "run_ns", "byte_us", "p50_ns",
 * "p99_ns", "buckets": [bucket, count, ...]}, of all that have a name in the registry. */
json_t *ctl_use_functions(struct ctl *c);

/* ctl_use_calls counts the calls of a function, all its versions, that have ended. */
uint64_t ctl_use_calls(struct ctl *c, const struct fn *f);

/* ctl_use_stages lists the stages: {"name", "calls", "p50_ns", "p99_ns", "buckets"}. */
json_t *ctl_use_stages(struct ctl *c);

/* ctl_use_exec adds to the object of an executor how long its calls ran. */
void ctl_use_exec(struct ctl *c, uint16_t e, json_t *o);

#endif
