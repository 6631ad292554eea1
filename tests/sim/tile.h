/* SPDX-License-Identifier: Apache-2.0 */
/* tile - what all tiles have that talk to processes: ports, links to ctl, and sleeping
 *
 * A turn takes a few messages, a step of the simulator; between two turns everybody else may run.
 * A tile
 * with nothing to do arms its bell, looks once more, and sleeps until it is rung or time says so.
 */
#ifndef MB_SIM_TILE_H
#define MB_SIM_TILE_H

#include <stdbool.h>
#include <stdint.h>

#include "event.h"
#include "lane.h"
#include "ports.h"

#define TILE_LANE_DEPTH 2048 /* to and from ctl: more than it can ever have under way */

struct sim;
struct tile;

/* One turn. Returns: whether there was anything to do; *next_ns: when there will be, if nobody
 * rings. */
typedef bool (*tile_turn_fn)(struct tile *t, uint64_t *next_ns);

struct tile {
	struct sim *sim;
	struct actor actor;
	struct ports *ports;
	const char *name;
	uint32_t idx;  /* among those of its kind */
	uint32_t port; /* which of a process's ports leads here */
	bool asleep, rung;
	uint64_t until_ns; /* asleep: how long */
	uint64_t slept_ns; /* asleep: since when */
	uint64_t stalled_until_ns;
	struct lane from_ctl, to_ctl;
	tile_turn_fn turn;
};

/* tile_init makes a tile; ctl itself has no lanes to ctl (NULL). */
void tile_init(struct tile *t, struct sim *s, const char *name, uint32_t idx, uint32_t port,
	       struct actor *ctl, tile_turn_fn turn);
void tile_fini(struct tile *t);

/* tile_rung: somebody rang its bell. */
void tile_rung(struct tile *t);

/* tile_stall keeps it from taking steps for a while. */
void tile_stall(struct tile *t, uint64_t ns);

#endif
