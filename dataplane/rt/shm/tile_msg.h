/* SPDX-License-Identifier: Apache-2.0 */
/* tile_msg - what ctl and the tiles that talk to processes say to each other about processes
 *
 * Travels on the links between ctl and those tiles (sched, cache:i). A process comes and goes like
 * this:
 *
 *   ctl                                          tile
 *   maps the region, peer_put_region
 *   PROC_UP  ───────────────────────────────────►  ports_open
 *     ...      (the process may have sent already: its messages wait in its own region)
 *            ◄───────────────────────────────────  PROC_BAD  it broke the rules of the channel
 *   it is dead (pidfd, hang-up, PROC_BAD)
 *   PROC_DOWN ──────────────────────────────────►  takes nothing more from its port, finishes what
 *                                                  it had accepted or the process had committed
 *                                                  (region.h), lets go of all its memory
 *            ◄───────────────────────────────────  PROC_DOWN_DONE
 *   peer_detach, the index is free again
 *
 * A segment of a living process goes the same way with SEG_DOWN and SEG_DOWN_DONE: after the DONE
 * the tile never looks into it again. Every UP, DOWN and SEG_DOWN is sent to every such tile, and
 * every DOWN is answered exactly once.
 */
#ifndef MB_RT_TILE_MSG_H
#define MB_RT_TILE_MSG_H

#include "desc.h"

#define PROC_UP_SYSTEM 1
#define PROC_UP_OWN    2

enum tile_msg_kind {
	/* ctl -> tile: open.proc, open.inc; the peers' table has its region. b: 0, or of an inner
	 * process (inner.h) 1 + the eventfd that wakes it. sub: PROC_UP_SYSTEM of the one that
	 * may write under KEY_SYSTEM; PROC_UP_OWN of a client that is a tile of this daemon */
	DESC_PROC_UP = 16,
	DESC_PROC_BAD,  /* tile -> ctl: open.proc, open.inc, err = MB_ERR_PEER_CORRUPT */
	DESC_PROC_DOWN, /* ctl -> tile: dead{} */
	/* tile -> ctl: dead{} as received, but published = the last call of that
	 * process whose writes this tile accepted, and when; 0: none */
	DESC_PROC_DOWN_DONE,
	/* ctl -> tile: release.proc, release.inc, release.handle[0] = segment */
	DESC_SEG_DOWN,
	DESC_SEG_DOWN_DONE, /* tile -> ctl: as received */
};
static_assert(DESC_SEG_DOWN_DONE < (int)DESC_CALL_FIRST,
	      "the domain's kinds end before the calls'");
static_assert(DESC_PROC_UP > (int)DESC_DRAIN, "the kinds of desc.h come first");

#endif
