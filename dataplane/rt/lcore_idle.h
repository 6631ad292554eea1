/* SPDX-License-Identifier: Apache-2.0 */
/* lcore_idle - what an lcore without work does with its cpu
 *
 * A step each pass: what happened and the time go in, what to do comes out. The lcore does it.
 *
 * Owner: the lcore. No DPDK, no clock, no system call here.
 */
#ifndef MB_RT_LCORE_IDLE_H
#define MB_RT_LCORE_IDLE_H

#include <stdbool.h>
#include <stdint.h>

struct lcore_cfg;
struct metrics_block;
struct tile;

/* For so long an idle lcore may keep the cpu from those for whom it does nothing: longer than from
 * one call by a far socket to the next, 13 to 31 us: each gives the cpu to its executor anyway. */
#define LCORE_IDLE_TURN_NS UINT64_C(50000)

enum lcore_idle_next {
	LCORE_IDLE_LOOK = 0, /* again, at once */
	LCORE_IDLE_SPIN,     /* again, after a pause */
	LCORE_IDLE_GIVE,     /* again, after whoever else wants the cpu */
	LCORE_IDLE_SLEEP,    /* until something wakes it */
};

enum lcore_idle_how {
	LCORE_IDLE_NOT = 0, /* has not been idle since its last sleep */
	LCORE_IDLE_ALONE,   /* holds the spin token */
	LCORE_IDLE_YIELD,   /* somebody else does */
};

struct lcore_idle {
	const struct lcore_cfg *cfg;
	const struct tile *tile;
	uint32_t tile_cnt;
	struct metrics_block *metrics;

	uint64_t busy_ns; /* when a pass last found work */
	uint64_t near_ns; /* when somebody on this cpu may last have got something */
	uint64_t far_ns;  /* when a tile that is far last worked */
	uint64_t gave_ns; /* when the cpu was last given away */
	uint64_t idle_ns; /* when the first pass without any began since; 0: not yet */
	enum lcore_idle_how how;
	bool awaited; /* the cpu was kept, though another wants it, for what a tile awaits */
	bool far;     /* had work, and for LCORE_IDLE_TURN_NS only of tiles that are far */
};

/* lcore_idle_begin makes it ready for the first pass. Requires: cfg, the tiles and metrics (of the
 * lcore) outlive it. */
void lcore_idle_begin(struct lcore_idle *idle, const struct lcore_cfg *cfg, const struct tile *tile,
		      uint32_t tile_cnt, struct metrics_block *metrics, uint64_t now_ns);

/* lcore_idle_pass is told of each pass: which tiles worked, by bit, and whether anything else came
 * (events: whose they are is not told). */
void lcore_idle_pass(struct lcore_idle *idle, uint64_t worked, bool events, uint64_t now_ns);

/* lcore_idle_next decides after a pass without work; asks for the cpu's token when it begins to
 * spin. */
enum lcore_idle_next lcore_idle_next(struct lcore_idle *idle, uint64_t now_ns);

/* lcore_idle_worked decides after a pass with work: LCORE_IDLE_LOOK or LCORE_IDLE_GIVE. */
enum lcore_idle_next lcore_idle_worked(struct lcore_idle *idle, uint64_t now_ns);

/* lcore_idle_end gives the token back: before a sleep, and at the end. */
void lcore_idle_end(struct lcore_idle *idle);

#endif
