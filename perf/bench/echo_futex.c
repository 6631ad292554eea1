/* SPDX-License-Identifier: Apache-2.0 */
/* echo_futex.c - the floor of two sides that sleep: a futex wake each way */
#include <stdatomic.h>
#include <stdint.h>

#include "cores.h"
#include "echo.h"
#include "futex.h"

enum ball {
	BALL_HERE = 0,
	BALL_THERE,
	BALL_END,
};

struct court {
	_Atomic uint32_t ball;
};

static void
court_reset(void *mem)
{
	struct court *court = mem;

	atomic_store(&court->ball, BALL_HERE);
}

static int
court_serve(void *mem)
{
	struct court *court = mem;
	uint32_t seen;

	for (;;) {
		seen = atomic_load(&court->ball);
		if (seen == BALL_END) {
			return 0;
		}
		if (seen == BALL_HERE) {
			futex_wait(&court->ball, BALL_HERE, 0);
			continue;
		}
		atomic_store(&court->ball, BALL_HERE);
		futex_wake(&court->ball);
	}
}

static inline int
court_once(void *mem)
{
	struct court *court = mem;

	atomic_store(&court->ball, BALL_THERE);
	futex_wake(&court->ball);
	while (atomic_load(&court->ball) == BALL_THERE) {
		futex_wait(&court->ball, BALL_THERE, 0);
	}
	return 0;
}

static int
court_measure(void *mem, const struct pace *pace, struct figures *f)
{
	return pace_run(pace, f, court_once, mem);
}

static void
court_end(void *mem)
{
	struct court *court = mem;

	atomic_store(&court->ball, BALL_END);
	futex_wake(&court->ball);
}

const struct echo echo_futex = {
	.name = "futex",
	.bytes = sizeof(struct court),
	.reset = court_reset,
	.serve = court_serve,
	.measure = court_measure,
	.end = court_end,
};

const struct echo echo_futex_one_core = {
	.name = "futex_one_core",
	.bytes = sizeof(struct court),
	.reset = court_reset,
	.serve = court_serve,
	.measure = court_measure,
	.end = court_end,
	.one_core = true,
};
