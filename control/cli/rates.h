/* SPDX-License-Identifier: Apache-2.0 */
/* rates - what happened between two samples of the node's counters
 *
 * Samples are answers to "top" (control/ctl/admin.h). rates_add puts into each tile, executor and
 * function of the later sample what it did since the earlier one:
 *
 *	tiles       "busy"   share of one core, 0 .. 1; "turn_ns", how long a poll took that worked
 *	executors   "busy", "per_s" (calls), "p50_ns", "p99_ns" (of the interval)
 *	functions   "per_s", "failed_per_s", "p50_ns", "p99_ns"
 *	stages      "per_s", "p50_ns", "p99_ns"
 *	(sample)    "interval_ns", "per_s" (calls of all functions)
 *
 * What was not in the earlier sample counts from zero; a counter that went back (a replaced
 * executor, a restarted node) counts what it shows. Quantiles of an interval without calls are 0.
 *
 * Threads: any.
 */
#ifndef MB_CLI_RATES_H
#define MB_CLI_RATES_H

#include <jansson.h>

void rates_add(json_t *later, const json_t *earlier);

#endif
