/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_zset - what the commands on sorted sets share */
#ifndef MB_GATE_CMD_ZSET_H
#define MB_GATE_CMD_ZSET_H

#include "gate_walk.h"
#include "oset.h"

typedef bool gate_zset_want(const void *arg, const struct oset_entry *e);

/* Which members of a sorted set are looked for. */
struct gate_zset_pick {
	gate_zset_want *want; /* NULL: any */
	const void *arg;
	struct rank_span span; /* of these scores */
	uint32_t most;         /* only so many, that have the lowest scores, */
	bool last;             /* or the highest */
};
#define GATE_ZSET_FEW 2048 /* so many are found without putting all in order */

/* gate_zset_pick goes through a sorted set, in turns; what it finds stands in c->keep in the order
 * of scores: w->cnt entries from *ret on, of w->all: all there are, or, where only some are wanted,
 * all that were found. (If `most` is not few, all of them.)
 *
 * Of a long set it looks at those leaves only that may have them (rank.h). Where it is a few, it
 * begins with as many leaves of the lowest scores; if these have not so many that are wanted, with
 * eight times as many, and then with all: so what is given is right whatever is wanted, and quick
 * where those that are wanted are the first ones, or nearly.
 * Requires: nothing else is in c->keep.
 * Returns: 1; 0: gate_walk_wait; MB_ERR_NO_MEMORY. */
int gate_zset_pick(struct gate *g, struct gate_conn *c, struct gate_walk *w,
		   const struct gate_zset_pick *pick, const struct oset_entry **ret);

/* gate_zset_order puts the w->cnt entries that stand from byte `at` of c->keep on in the order of
 * scores; they are in the order of members. Returns: as gate_zset_pick. */
int gate_zset_order(struct gate *g, struct gate_conn *c, struct gate_walk *w, size_t at,
		    const struct oset_entry **ret);

/* gate_zset_entries shows cnt members, with their scores, from first on, backwards if rev; c->step
 * is how many were shown. Returns: false: gate_walk_wait. */
bool gate_zset_entries(struct gate *g, struct gate_conn *c, const struct gate_walk *w,
		       const struct oset_entry *first, uint32_t cnt, bool rev, bool scores);

#endif
