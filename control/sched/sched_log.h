/* SPDX-License-Identifier: Apache-2.0 */
/* sched_log - the scheduler's last decisions, with the numbers that made them
 *
 * A ring of lines, the oldest overwritten. A reader copies a line, and the copy counts if its call
 * was there before and after.
 *
 * Threads: sched writes, ctl reads.
 */
#ifndef MB_SCHED_LOG_H
#define MB_SCHED_LOG_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "placement.h"
#include "stage.h"

#define SCHED_LOG_CNT 4096

/* A call, or a part of one, was given to an executor. */
struct sched_decision {
	uint64_t call;
	uint64_t seq;         /* of the decision: from 1 */
	uint64_t at_ns;       /* when */
	uint64_t waited_ns;   /* in its queue */
	uint64_t input_bytes; /* of a part's inputs: that lie at executors, */
	uint64_t near_bytes;  /* and of these at the one that got it */
	uint32_t ahead;       /* how many stood in that queue when it came */
	uint16_t target;      /* function or DAG id */
	uint16_t exec;
	uint16_t able; /* executors that could have been given it */
	uint16_t load; /* of the one that got it, of late: PICK_LOAD_FULL is all the time */
	bool dag;      /* target is a DAG's, which runs as a whole */
	uint8_t attempt;
	uint8_t first, last; /* a part of a DAG call: its functions; else 0 and 0 */
	bool part;
	char tag[sizeof(((struct placement_vertex *)0)->tag)]; /* of its first function */
};

struct sched_log {
	_Atomic uint64_t call[SCHED_LOG_CNT]; /* 0: being written */
	struct sched_decision line[SCHED_LOG_CNT];
	uint64_t seq;            /* of the writer */
	struct stage_hist queue; /* how long what was decided about had waited (STAGE_QUEUE) */
};

/* sched_log_add notes a decision, and counts how long it waited; its seq is filled in. Threads:
 * sched. */
void sched_log_add(struct sched_log *log, const struct sched_decision *d);

/* sched_log_find lists the decisions about a call, oldest first. Returns how many, at most max. */
uint32_t sched_log_find(struct sched_log *log, uint64_t call, struct sched_decision *ret,
			uint32_t max);

#endif
