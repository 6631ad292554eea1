/* SPDX-License-Identifier: Apache-2.0 */
/* bench - one program of measuring, which fills one row of the result or a few
 *
 * A bench is a table entry: its rows, its pace, and a function that measures. It fails (a negative
 * mb_err) when something does not work; never because something is slow.
 */
#ifndef MB_BENCH_H
#define MB_BENCH_H

#include <stdint.h>

#include "echo.h"
#include "env.h"
#include "interleave.h"
#include "pace.h"
#include "row.h"

#define BENCH_ROW_MAX 8

/* What run returns when it cannot be measured here; it has told why, on standard output. */
#define BENCH_SKIPPED 1

struct bench;

/* bench_skip tells why, "there is no ...". Returns: BENCH_SKIPPED. */
int bench_skip(const struct bench *bench, const char *why);

struct bench {
	struct row row
		[BENCH_ROW_MAX]; /* the bench has the first row's name; the last ones are empty */
	const struct pace *pace, *smoke;
	/* The floor beside it, and for a floor's own bench the subject. NULL: none. */
	const struct echo *floor, *subject;
	/* run measures row[i] into ret[i], which are zeroed. NULL: subject beside floor. */
	int (*run)(struct env *env, const struct bench *bench, struct measure *ret);
};

/* bench_pace gives the pace of this run. */
static inline const struct pace *
bench_pace(const struct env *env, const struct bench *bench)
{
	return env->smoke ? bench->smoke : bench->pace;
}

/* bench_interleave measures subject beside the bench's floor, at the bench's pace. */
int bench_interleave(struct env *env, const struct bench *bench, const struct side *subject,
		     struct measure *ret);

/* All of them, in the order in which they run. */
extern const struct bench bench_list[];
extern const uint32_t bench_cnt;

#endif
