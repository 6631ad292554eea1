/* SPDX-License-Identifier: Apache-2.0 */
/* kvs_change - who must hear of a change, and has not yet
 *
 * The keys of a shard have listeners: the other kvs tiles that own the key, and the cache tiles
 * that have a copy. Whoever merges a write here owes them the change. What is owed is gathered per
 * key: however often a key changes, its listeners hear of it once a period, merged, as a delta
 * where there is one. Copies in caches, and changes whose writer waits for more owners than this
 * one, do not wait for the period.
 *
 *   merge ──► pending ──turn──► told ──TOLD by all──► nothing owed
 *               ▲                 │
 *               └── merged meanwhile, or a listener that could not ──┘
 *
 * A step core: no clock, no threads. Nothing is owed: nothing runs, no timer is armed.
 *
 * Owner: the kvs tile.
 */
#ifndef MB_KVS_CHANGE_H
#define MB_KVS_CHANGE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "desc.h"
#include "kvs_key.h"
#include "kvs_msg.h"
#include "kvs_shard.h"

#define KVS_CHANGE_MAX   4096
#define KVS_CHANGE_TABLE 4096
/* Of the changes, kept for what a TELL brings with it. They are freed by answers that need no
 * change themselves, so tiles that are full of changes for each other do not stand still:
 *   requests leave 2 of these, a primary that tells on leaves 1, copies in caches take the last. */
#define KVS_CHANGE_SPARE 512
#define KVS_WAIT_MAX     1024
#define KVS_WAIT_SPARE   128
/* Of one listener, unanswered. A link between two kvs tiles holds those of both directions, one to
 * a cache these beside the answers (CACHE_KVS_DEPTH). */
#define KVS_TELL_WINDOW  64
#define KVS_TELL_BURST   64 /* keys in one turn */
/* How long a delta may get that is a tree: of what many write while as much is told. */
#define KVS_DELTA_BYTES  (4u << 20)
#define KVS_TILE_MAX     32
#define KVS_CACHE_MAX    8

/* A set of listeners, and each one's number: a kvs tile's is its own. */
#define KVS_LISTENER_CNT      (KVS_TILE_MAX + KVS_CACHE_MAX)
#define KVS_LISTENER_CACHE(i) (KVS_TILE_MAX + (uint32_t)(i))
#define KVS_LISTENER_TILES    UINT64_C(0xffffffff)

static inline uint64_t
kvs_listener_bit(uint32_t listener)
{
	return UINT64_C(1) << listener;
}

/* Of the time that a writer waits, what is left when so many owners have no memory for its write
 * that too few remain: a value that is being replaced may give some back meanwhile. */
#define KVS_REFUSED_SHARE 16

/* A writer that waits until `need` other owners have merged. */
struct kvs_wait {
	TAILQ_ENTRY(kvs_wait) of_change;
	TAILQ_ENTRY(kvs_wait) of_all; /* of waits_all or waits_hasty, by deadline */
	struct kvs_change *change;
	struct desc request;
	uint32_t from;
	uint32_t need;
	uint64_t heard;   /* who did */
	uint64_t asked;   /* tiles that will be told */
	uint64_t refused; /* of these, who had no memory */
	uint64_t deadline_ns;
	bool told;
	bool hasty; /* in waits_hasty: too few are left */
};
TAILQ_HEAD(kvs_waits, kvs_wait);

struct kvs_change {
	TAILQ_ENTRY(kvs_change) next; /* of the free ones, or of a queue */
	struct kvs_change *table_next;
	struct kvs_key *key; /* NULL: free */
	bool queued, later;  /* in which of the two */
	/* what is owed */
	uint64_t pending;
	bool whole;              /* the value as it is when it is told; else */
	struct kvs_value *delta; /* this; NULL: nothing */
	uint64_t since_ns;
	struct kvs_waits waits;
	/* what was told */
	uint64_t told, failed; /* have not answered; have said that they could not */
	struct kvs_value *said;
	bool said_whole;
	uint64_t said_since_ns;
	struct kvs_waits told_waits;
};
TAILQ_HEAD(kvs_changes_list, kvs_change);

struct kvs_change_stats {
	uint64_t told; /* messages to other kvs tiles, */
	uint64_t told_bytes;
	uint64_t pushed; /* and to caches */
	uint64_t again;  /* of both, the ones that have to be told again */
	uint64_t joined; /* changes that went along with an earlier one of the key */
	uint64_t spread; /* changes that all listeners have merged, and how long that took in */
	uint64_t lag_ns; /* all, from the first merge to the last answer */
	uint64_t lag_max_ns;
	uint64_t forgotten; /* copies that caches turned out to have dropped */
	uint64_t late;      /* writers that were answered INDETERMINATE */
};

struct kvs_change_ops {
	void (*to_tile)(void *ctx, uint32_t tile, const struct desc *d);
	void (*to_cache)(void *ctx, uint32_t cache, const struct desc *d);
	/* A writer's wait is over. */
	void (*acked)(void *ctx, uint32_t from, const struct desc *request, int err);
	void *ctx;
};

struct kvs_changes {
	struct kvs_shard *shard;
	struct kvs_change_ops ops;
	uint64_t period_ns, timeout_ns;
	uint64_t due_ns; /* the period's end; UINT64_MAX: nothing waits for it */
	uint32_t free_cnt, wait_free_cnt;
	uint32_t window[KVS_LISTENER_CNT]; /* unanswered */
	struct kvs_changes_list free, now, later;
	struct kvs_waits waits_free, waits_all, waits_hasty;
	struct kvs_change_stats stats;
	struct kvs_change *table[KVS_CHANGE_TABLE];
	struct kvs_change change[KVS_CHANGE_MAX];
	struct kvs_wait wait[KVS_WAIT_MAX];
};

void kvs_changes_init(struct kvs_changes *cs, struct kvs_shard *shard, uint64_t period_ns,
		      uint64_t timeout_ns, const struct kvs_change_ops *ops);

/* kvs_changes_room: how many requests may come, each with a change and a wait. */
uint32_t kvs_changes_room(const struct kvs_changes *cs);

/* kvs_changes_spare: whether a TELL may be merged that will owe something. relays: to kvs tiles. */
bool kvs_changes_spare(const struct kvs_changes *cs, bool relays);

/* kvs_change_note notes that listeners are owed a change of a key. delta is what changed, an
 * envelope that is merged already; whole: all of the key's value is owed, or the delta, where the
 * value contains that.
 *
 * Requires:  listeners != 0; there was room.
 */
void kvs_change_note(struct kvs_changes *cs, struct kvs_key *key, uint64_t listeners,
		     struct slice delta, bool whole, uint64_t now_ns);

/* kvs_change_wait makes a writer wait for `need` tiles to merge what kvs_change_note just noted. It
 * is told now, not at the period's end. ops.acked ends it, once. */
void kvs_change_wait(struct kvs_changes *cs, struct kvs_key *key, uint32_t from,
		     const struct desc *request, uint32_t need, uint64_t now_ns);

/* kvs_change_told takes the answer of a listener. */
void kvs_change_told(struct kvs_changes *cs, uint32_t listener, const struct desc *d,
		     uint64_t now_ns);

/* kvs_change_owes tells whether somebody is owed, or was told and has not answered, something of an
 * item of this collection that has the key of one of these, a flat table. */
bool kvs_change_owes(const struct kvs_changes *cs, const struct kvs_key *key, unsigned int type,
		     struct slice items);

/* kvs_change_whole tells whether that is all of the key's value. */
bool kvs_change_whole(const struct kvs_changes *cs, const struct kvs_key *key);

/* kvs_changes_turn tells what is due, a burst of it. Returns: whether there was anything to do. */
bool kvs_changes_turn(struct kvs_changes *cs, uint64_t now_ns);

/* kvs_changes_timer is when kvs_changes_turn must be called; UINT64_MAX: it need not. */
uint64_t kvs_changes_timer(const struct kvs_changes *cs);

/* kvs_changes_cnt counts keys of which something is owed. */
static inline uint32_t
kvs_changes_cnt(const struct kvs_changes *cs)
{
	return KVS_CHANGE_MAX - cs->free_cnt;
}

#endif
