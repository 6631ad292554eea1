/* SPDX-License-Identifier: Apache-2.0 */
/* echo_line.c - the floor under all floors: one cache line goes to the other core and comes back
 *
 * An odd number in the line is on its way there, an even one on its way back.
 */
#include <stdatomic.h>
#include <stdint.h>

#include "cores.h"
#include "echo.h"

#define LINE_END UINT64_MAX

struct line {
	_Alignas(2 * CACHE_LINE) _Atomic uint64_t ball;
	_Alignas(2 * CACHE_LINE) uint64_t sent; /* private to the pinging side */
};

static void
line_reset(void *mem)
{
	struct line *line = mem;

	atomic_store(&line->ball, 0);
	line->sent = 0;
}

static int
line_serve(void *mem)
{
	struct line *line = mem;
	uint64_t seen;

	for (;;) {
		seen = atomic_load_explicit(&line->ball, memory_order_acquire);
		if (seen == LINE_END) {
			return 0;
		}
		if (seen % 2 == 1) {
			atomic_store_explicit(&line->ball, seen + 1, memory_order_release);
		} else {
			cores_relax();
		}
	}
}

static inline int
line_once(void *mem)
{
	struct line *line = mem;

	line->sent += 2;
	atomic_store_explicit(&line->ball, line->sent - 1, memory_order_release);
	while (atomic_load_explicit(&line->ball, memory_order_acquire) != line->sent) {
		cores_relax();
	}
	return 0;
}

static int
line_measure(void *mem, const struct pace *pace, struct figures *f)
{
	return pace_run(pace, f, line_once, mem);
}

static void
line_end(void *mem)
{
	struct line *line = mem;

	atomic_store(&line->ball, LINE_END);
}

const struct echo echo_line = {
	.name = "line",
	.bytes = sizeof(struct line),
	.reset = line_reset,
	.serve = line_serve,
	.measure = line_measure,
	.end = line_end,
};
