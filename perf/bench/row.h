/* SPDX-License-Identifier: Apache-2.0 */
/* row - a line of the result: its name, its unit, what it must reach, and what was measured
 *
 * Names stay the same over time: perf/compare finds its rows by them.
 */
#ifndef MB_BENCH_ROW_H
#define MB_BENCH_ROW_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "interleave.h"

/* What a row must reach. 0: not asked. Its text is made from the numbers. */
struct aim {
	double p50_max, p99_max;             /* in the row's unit */
	double ratio_p50_max, ratio_p99_max; /* over the floor */
	double ratio_p50_min;                /* a peer's, over ours */
	double rate_min;                     /* operations a second */
};

struct row {
	const char *name;
	const char *unit;  /* of p50 .. max */
	const char *floor; /* what stands beside it; NULL: nothing */
	const char *what;  /* one sentence: what is timed */
	struct aim aim;
};

enum verdict {
	VERDICT_NONE = 0, /* no aim */
	VERDICT_MET,
	VERDICT_MISSED,
	VERDICT_NOISY, /* the machine was too unsteady to tell */
};

/* aim_text writes an aim for people: "p50 <= 2 x ring, p99 <= 4 x ring"; "" for none. */
void aim_text(const struct row *row, char *ret, size_t bytes);

enum verdict row_verdict(const struct row *row, const struct measure *m);

/* row_json makes the object of a result; on is what it ran on (machine_json), borrowed.
 * Figures that do not exist (no floor, no rate, no samples) are null. */
json_t *row_json(const struct row *row, const struct measure *m, json_t *on);

/* row_print_head and row_print write the table, to people. */
void row_print_head(void);
void row_print(const struct row *row, const struct measure *m);

#endif
