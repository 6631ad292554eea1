/* SPDX-License-Identifier: Apache-2.0 */
/* cache_retire - blocks that no entry shows any more, until no reader holds them either
 *
 * A reader names the block it reads in a hazard slot of its own region (cache_view.c). Retired
 * blocks wait here, many of them, and one look at all slots of all processes frees those that
 * nobody names. So an update costs a small part of a look, and what a process holds keeps that and
 * nothing else.
 *
 *   I1  A block comes here after the entry that showed it was changed. So whoever names it later
 *       finds out by himself that he is too late (V3), and it is enough that one scan does not find
 *       it.
 *   I2  There is always room: at most CACHE_HAZARD_MAX blocks can be named, and what is not named
 *       is freed by the scan that a full list causes.
 *
 * Owner: the cache tile. No errors.
 */
#ifndef MB_CACHE_RETIRE_H
#define MB_CACHE_RETIRE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "domain_limits.h"

#define CACHE_HAZARD_MAX   (PROC_CNT_MAX * HAZARD_CNT)
/* Retired between two scans: a scan looks at 8 lines a process, and so costs an update a fraction
 * of a line at 64 processes. */
#define CACHE_RETIRE_BATCH 512
#define CACHE_RETIRE_MAX   (CACHE_HAZARD_MAX + CACHE_RETIRE_BATCH)

struct cache_retire_ops {
	/* hazards yields the hazard slots (HAZARD_CNT words) of each process that may read, one a
	 * call, until it returns NULL. *iter is 0 at the start and the callee's from then on. A
	 * process is yielded from before it can read until after it cannot. */
	const _Atomic uint64_t *(*hazards)(void *ctx, uint32_t *iter);
	/* free gives a block back. tree: as it was added. */
	void (*free)(void *ctx, uint64_t off, uint32_t bytes, bool tree);
	/* hint says that the entry at this offset was read since the last scan. From a stranger:
	 * check it. */
	void (*hint)(void *ctx, uint64_t entry_off);
	void *ctx;
};

struct cache_retire;

/* cache_retire_create makes an empty list for blocks in [heap, heap_end) of the region, that is
 * scanned by itself when bytes_max are retired that might be free. Returns: 0; MB_ERR_NO_MEMORY. */
int cache_retire_create(struct cache_retire **ret, uint64_t heap, uint64_t heap_end,
			uint64_t bytes_max, const struct cache_retire_ops *ops);
void cache_retire_destroy(struct cache_retire *r);

/* cache_retire_add takes over a block (I1), and scans if it is time. tree: it has the root of one,
 * and whoever names it reads what is below as well. */
void cache_retire_add(struct cache_retire *r, uint64_t off, uint32_t bytes, bool tree);

/* cache_retire_scan frees every retired block that nobody names, and passes on the hints.
 * Returns: how many. Cost: 8 cache lines a process. */
uint32_t cache_retire_scan(struct cache_retire *r);

uint32_t cache_retire_cnt(const struct cache_retire *r);
uint64_t cache_retire_bytes(const struct cache_retire *r);

#endif
