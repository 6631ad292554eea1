/* SPDX-License-Identifier: Apache-2.0 */
/* kvs_drop - deleted and expired keys go, and marks of what was removed, once all are past them
 *
 * A tombstone may be forgotten when nothing older is on its way to anybody who has the key: else
 * the older write would be merged into nothing, and the key be back. So the key's primary asks all
 * listeners, the other owners and the caches that have a copy. Each answers for itself: an owner
 * that its value is the same and that it owes nobody a change of it; a cache that it has nothing of
 * it that is not merged here, and then its copy goes too. When all agree and nothing happened
 * meanwhile, all forget it.
 *
 *   primary: sweep ──► ASK all ──► all agree, nothing changed ──► remove, DO
 *                                  somebody has something       ──► KEEP; a later sweep asks again
 *   others:  ASK ──► dying: nobody touches it until DO or KEEP
 *
 * This is the frontier, asked for key by key when it is needed.
 *
 * A live key is settled the same way: removed members, items and fields leave marks, counters the
 * entries of writers that are gone, and both may be forgotten on the same condition (settle.h). Who
 * agrees has made the settled value before, so DO cannot fail; all make the same one. Of a large
 * value marks are forgotten some at a time (kvs_forget.h). Keys with marks are looked for
 * KVS_SETTLE_PAUSES times more rarely than deleted ones.
 *
 * A sweep takes its time, a few keys a turn. But where many go the next turn is at once, and where
 * as many are asked about as may be, it waits for an answer and passes over none: so whoever
 * deletes, or lets expire, as fast as can be does not fill the store with what is dead. Of keys up
 * to a twelfth may be. Where others refuse it does not hurry.
 *
 * A large deleted value is compared with the primary's in pieces, one at a time at each tile: who
 * is asked about another meanwhile says "not now".
 *
 * A key of which much could be forgotten and that is never at rest is given a rest (kvs_hush.h).
 *
 * Nothing is deleted, nothing expires, nothing is removed: nothing runs.
 *
 * Owner: the kvs tile.
 */
#ifndef MB_KVS_DROP_H
#define MB_KVS_DROP_H

#include <stdbool.h>
#include <stdint.h>

#include "desc.h"
#include "kvs_change.h"
#include "kvs_forget.h"
#include "kvs_hush.h"
#include "kvs_msg.h"
#include "kvs_shard.h"
#include "timebase.h"

#define KVS_DROP_MAX       32        /* keys asked about at once */
#define KVS_DROP_VISIT     256       /* keys looked at in one turn; a dead one counts as 4 */
#define KVS_DROP_MANY      16        /* that went since the last turn: the next one is at once */
#define KVS_DROP_PERIOD_NS NS_PER_MS /* between two turns: a million keys take 4 s */
#define KVS_SETTLE_PAUSES  16

struct kvs_drop {
	struct kvs_key *key;     /* NULL: free */
	struct kvs_value *value; /* pinned: who is asked reads it */
	enum kvs_drop_what what;
	struct kvs_value *settled; /* what it becomes: known when all are asked, or have agreed */
	uint64_t asked;            /* have not answered */
	uint64_t tiles;            /* that agreed, */
	uint64_t token[KVS_TILE_MAX]; /* and what each calls the key */
	uint64_t ready[KVS_TILE_MAX]; /* and what it settles to */
	bool refused;
};

/* A large deleted value that is compared with its primary's. */
struct kvs_drop_compare {
	struct kvs_key *key; /* NULL: none. It is dying */
	struct kvs_value *value;
	uint32_t at;   /* as far as here they are the same */
	uint32_t tile; /* who asked, and */
	struct desc ask;
};

struct kvs_drop_ops {
	void (*send)(void *ctx, uint32_t listener, const struct desc *d);
	/* Everybody who may have a key of which this tile is the primary. false: it is not, or this
	 * is not the time. */
	bool (*listeners)(void *ctx, struct kvs_key *key, uint64_t *ret);
	void (*removed)(void *ctx, struct kvs_key *key);             /* it is about to be */
	void (*get)(void *ctx, uint32_t from, const struct desc *d); /* one that has waited */
	void *ctx;
};

struct kvs_drop_stats {
	uint64_t dropped; /* tombstones and expired keys forgotten, as primary; */
	uint64_t expired; /* of these, those that were there until their deadline */
	uint64_t kept;    /* asked about in vain */
	uint64_t settled; /* values of which something was forgotten, as primary; */
	uint64_t marks;   /* of large ones, how many */
};

struct kvs_drops {
	struct kvs_shard *shard;
	const struct kvs_changes *changes;
	const struct timebase *timebase;
	uint64_t pause_ns; /* between two sweeps */
	struct kvs_drop_ops ops;
	struct kvs_key *cursor; /* where a sweep goes on; NULL: none is under way */
	uint64_t due_ns;        /* of the next turn; UINT64_MAX: there is nothing to look for */
	uint64_t expiry_us;     /* when the next key expires, as far as is known; UINT64_MAX */
	bool again;             /* something was found, or came meanwhile: another sweep follows */
	bool later;             /* the same of what could be settled, after a longer pause */
	uint32_t writers_max; /* who writes: more entries than these are of writers that are gone */
	uint32_t busy_cnt;
	uint32_t gone_cnt; /* since the turn before */
	struct kvs_drop_stats stats;
	struct kvs_drop_compare compare;
	struct kvs_forget forget; /* as primary */
	struct kvs_hush hush;
	bool hushes;          /* this sweep does: not each that is due to deletes */
	uint64_t hush_due_ns; /* the next sweep that begins then does */
	size_t hush_bytes;    /* KVS_HUSH_BYTES, but for tests */
	/* Longer trees are large: KVS_STEP_BYTES, but for tests. At least twice TREE_FLAT_MAX: what
	 * is shorter others may have flat, and a round finds no marks in that. */
	size_t forget_bytes;
	struct kvs_drop drop[KVS_DROP_MAX];
};

void kvs_drops_init(struct kvs_drops *ds, struct kvs_shard *shard,
		    const struct kvs_changes *changes, const struct timebase *timebase,
		    uint64_t pause_ns, uint32_t writers_max, const struct kvs_drop_ops *ops);

/* kvs_drop_look looks at a key and what was merged into it: is it deleted, will it expire, was
 * something removed from it? */
void kvs_drop_look(struct kvs_drops *ds, const struct kvs_key *key, struct slice delta,
		   uint64_t now_ns);

/* kvs_drop_remove forgets a key: it was agreed. */
void kvs_drop_remove(struct kvs_drops *ds, struct kvs_key *key);

/* kvs_drop_answered takes the answer to an ASK. */
void kvs_drop_answered(struct kvs_drops *ds, uint32_t listener, const struct desc *d,
		       uint64_t now_ns);

/* kvs_drops_turn goes on with a sweep that is due. Returns: whether there was anything to do. */
bool kvs_drops_turn(struct kvs_drops *ds, uint64_t now_ns);

/* kvs_drops_busy counts what is under way. */
static inline uint32_t
kvs_drops_busy(const struct kvs_drops *ds)
{
	return ds->busy_cnt + (ds->compare.key != NULL) + (ds->forget.key != NULL) +
	       (ds->hush.key != NULL);
}

static inline uint64_t
kvs_drops_timer(const struct kvs_drops *ds)
{
	return ds->due_ns < ds->hush.until_ns ? ds->due_ns : ds->hush.until_ns;
}

#endif
