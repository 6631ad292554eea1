/* SPDX-License-Identifier: Apache-2.0 */
/* cache_front - the front of a sorted set from which members are being taken
 *
 * Where the first members of a long set are is known only to who has looked at all of them. A gate
 * that did keeps the first few hundred, its front (gate_front.h), and takes one after the other off
 * the set: each of these operations says of which version of the set the front is, the how many-th
 * of it it takes, and the score of the last one. What has become of the set since then is known
 * here:
 *
 *   F1  A note (hash, end) says: between the versions base and now only the first `taken` of the
 *       front were removed, in their order, and besides members were added, moved or removed whose
 *       scores are beyond the front's last one, before and after.
 *   F2  So the next one of the front is the first member of the set, if the set has version `now`.
 *   F3  Whatever else changes the set gives it a version that the note does not have.
 *
 * A note that is lost, as another set has its place, costs the gate a look. Pure.
 *
 * Of a set that was looked at in the store (cache_lend.c) `now` is the version lent. What becomes
 * of that set is then what is done to it there, and told of it:
 *
 *   F4  The store tells whether the first one of the front is taken of that version, and of each
 *       further one whether it still has the score that it had there. So a member that is moved or
 *       removed costs a look when it is its turn; only one that comes to be before the front's last
 *       one (or may have) ends the note, and whatever others are known to have done.
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
	uint64_t hash, base, now; /* base 0: none */
	double bound;             /* the score of the front's last one */
	uint32_t taken;
};

struct cache_fronts {
	uint32_t cnt; /* notes ever made, so that most look no further */
	struct cache_front front[CACHE_FRONT_SETS][2]; /* 1: the set's last members */
};

/* A set as it is before an operation. */
struct cache_front_set {
	uint64_t hash, version;
	struct slice stored; /* its envelope */
};

/* cache_front_takes: whether an operation with if_end CACHE_FRONT_LOW or HIGH takes what is the
 * first (or last) member of the set. Notes a new front. */
bool cache_front_takes(struct cache_fronts *fs, const struct cache_front_set *set,
		       const struct wset_op *op, struct hlc_time now,
		       const struct cache_op_word *word);

/* cache_front_passes is cache_front_takes of an operation that is done in the store; the rest of F4
 * is the store's. cache_front_passed: any other one goes there. cache_front_told: somebody else has
 * changed a set there. */
bool cache_front_passes(struct cache_fronts *fs, uint64_t hash, const struct cache_op_word *word);
void cache_front_passed(struct cache_fronts *fs, uint64_t hash, const struct wset_op *op);
void cache_front_told(struct cache_fronts *fs, uint64_t hash);

/* cache_front_spares, before an operation is done: which notes hold after it; bits. word: NULL:
 * none. */
#define CACHE_FRONT_SPARES(high) (1u << (high))
#define CACHE_FRONT_TAKEN(high)  (4u << (high)) /* and it takes the front's next one */
unsigned int cache_front_spares(const struct cache_fronts *fs, const struct cache_front_set *set,
				const struct wset_op *op, const struct cache_op_word *word);

/* cache_front_done: it is, and the set has version `after`. Of `set` the envelope may be gone. */
void cache_front_done(struct cache_fronts *fs, const struct cache_front_set *set,
		      unsigned int spares, uint64_t after);

#endif
