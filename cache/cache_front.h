/* SPDX-License-Identifier: Apache-2.0 */
/* cache_front - the front of a sorted set from which members are being taken
 *
 * Where the first members of a long set are is known to who has looked for them. A gate that did
 * keeps the first ones, its front (gate_front.h), and takes one after the other off the set: each
 * of these operations says which version of the set it saw, the how many-th of the front it takes,
 * and with which score. What has become of the set meanwhile, while the gate looked
 * too, is known here:
 *
 *   F1  A note (hash, end) says: since version `since` nothing was put, or may have been, before
 *       the score `edge`. So of a look at that version or a later one, of the same kind (in the
 *       cache or lent), whoever is before the edge is followed by nobody new.
 *   F2  So the next one of the front is the first member of the set, if all before it in the front
 *       were taken, if it has the score still that it had there, and that is before the edge. Who
 *       was moved or removed by others is passed over when it is its turn.
 *   F3  An edge that stops a front is forgotten: from then on others are watched anew, and the look
 *       that comes next sees what made it. So writers spoil a look only with what comes to be among
 *       the first ones while it goes on, not with whatever they change.
 *   F4  In the cache `now` is the version after the last change that is known here. Whatever else
 *       changes the set gives it a version that the note does not have, and it is begun anew.
 *
 * Of a set that is looked at in the store (cache_lend.c) its changes are what goes there through
 * this tile (cache_front_passed), and what is told of it. Whether the member has its score still
 * the store says.
 *
 *   F5  `since` is then the first version that was lent of those that were asked for behind the
 *       last change that is forgotten, on the same link; until there is one, and of an older look,
 *       the first one of a front is taken only of that very version, which the store sees.
 *
 * A note that is lost, as another set has its place, costs the gate a look. Pure.
 *
 * Owner: the cache tile.
 */
#ifndef MB_CACHE_FRONT_H
#define MB_CACHE_FRONT_H

#include <stdbool.h>
#include <stdint.h>

#include "cache_msg.h"
#include "clock.h"
#include "slice.h"
#include "wset.h"

#define CACHE_FRONT_SETS 16 /* places, by hash; each has one note for either end */

struct cache_front {
	uint64_t hash, seq; /* seq: when it was begun; 0: it was not */
	uint64_t since;     /* UINT64_MAX: not known yet (F5) */
	uint64_t now;       /* 0: it was not begun of one in the cache */
	uint64_t of;        /* the version at which who takes has looked; 0: nobody does */
	double edge;        /* NaN: none */
	uint32_t taken;     /* of the front, in its order */
};

struct cache_fronts {
	uint64_t seq; /* of the last note that was begun; 0: none was, so most look no further */
	struct cache_front front[CACHE_FRONT_SETS][2]; /* 1: the set's last members */
};

/* A set in the cache. */
struct cache_front_set {
	uint64_t hash, version;
	struct slice stored; /* its envelope */
};

/* cache_front_takes: whether an operation with if_end CACHE_FRONT_LOW or HIGH takes what is the
 * first (or last) member of a set in the cache. Begins a note where there is none. If not, it says
 * in the word whether that one is passed over. */
bool cache_front_takes(struct cache_fronts *fs, const struct cache_front_set *set,
		       const struct wset_op *op, struct hlc_time day, struct cache_op_word *word);

/* cache_front_done: an operation on a set in the cache is done. word: NULL: none. after: the set as
 * it is now; of what it was before there was `version`. */
void cache_front_done(struct cache_fronts *fs, const struct cache_front_set *after,
		      uint64_t version, const struct wset_op *op, const struct cache_op_word *word);

/* cache_front_passes is cache_front_takes of an operation that is to be done in the store, of which
 * that says the rest. *ret_sure: it need not have the version that was seen (F5). */
bool cache_front_passes(struct cache_fronts *fs, uint64_t hash, const struct cache_op_word *word,
			bool *ret_sure);

/* cache_front_passed: any other operation goes there. cache_front_told: somebody else has changed a
 * set there. */
void cache_front_passed(struct cache_fronts *fs, uint64_t hash, const struct wset_op *op);
void cache_front_told(struct cache_fronts *fs, uint64_t hash);

/* cache_front_lent: a version is lent, that was asked for when the last note was number seq. */
void cache_front_lent(struct cache_fronts *fs, uint64_t hash, uint64_t seq, uint64_t version);

#endif
