/* SPDX-License-Identifier: Apache-2.0 */
/* kvs_shard - the keys of one kvs tile, each with an envelope, in private memory
 *
 * A large collection is a tree (treeval.h), of which a change copies a few nodes; what is read of
 * it is a slice that stands for it (tree_slice). All other values are flat.
 *
 * Every change is a merge, so it does not matter in which order, in which groups or how often the
 * deltas of a key arrive. A DEL is a merge as well, and leaves a tombstone; kvs_shard_remove takes
 * that away, when it is known that nothing older is on its way (kvs_drop.h).
 *
 * All memory, the index included, comes from an extent given at the start. When half of it is used,
 * a merge that needs more is refused and changes nothing. Merges that fit where the value lies go
 * on, and those that remove something, that another owner has done, and settling, have the other
 * half (room.h).
 *
 * No I/O, no clock, no threads, no messages: those are kvs_core.h.
 *
 * Owner: the kvs tile. Others read only values that were pinned for them. Errors: negative mb_err.
 */
#ifndef MB_KVS_SHARD_H
#define MB_KVS_SHARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "grove.h"
#include "heap.h"
#include "kvs_index.h"
#include "kvs_key.h"
#include "kvs_msg.h"
#include "kvs_order.h"
#include "kvs_recent.h"
#include "domain_limits.h"
#include "room.h"
#include "slice.h"
#include "treeval.h"

#define KVS_SHARD_BYTES_MIN ((size_t)1 << 20)

#define KVS_SCAN_VISIT_MAX 4096 /* keys looked at in one piece of a scan */
/* A value at its limit and everything that may describe it. */
#define KVS_ENVELOPE_MAX   (VALUE_BYTES_MAX + (1u << 20))
/* What a merge may write without taking memory for it first. */
#define KVS_SCRATCH_BYTES  (128u << 10)
/* What one step copies at most. */
#define KVS_STEP_BYTES     (64u << 10)

struct kvs_shard_stats {
	uint64_t got;       /* reads */
	uint64_t merged;    /* deltas merged, */
	uint64_t unchanged; /* of these without effect */
	uint64_t refused;   /* merges refused for want of memory */
	uint64_t scanned;   /* pieces of scans */
	uint64_t removed;   /* keys */
};

/* What the last merge that succeeded did. */
struct kvs_merged {
	struct kvs_key *key; /* NULL: bottom into a key that is not there */
	int side;   /* enum lattice_side: LEFT, it changed nothing; RIGHT, the delta won whole */
	bool fresh; /* the key was not there before */
};

struct kvs_shard {
	const uint8_t *base;
	struct heap *heap;
	size_t bytes; /* of which the system is to have no more for long */
	struct kvs_index index;
	struct kvs_order order;
	struct grove grove; /* large collections */
	struct room room;
	uint64_t pin_cnt;
	struct kvs_merged last;
	struct kvs_shard_stats stats;
	struct kvs_recent recent;
	/* Brings a value's whole pages here instead of a copy (pages_bring). Optional. Returns: how
	 * many bytes, from the first on. */
	size_t (*bring)(void *ctx, uint8_t *at, uint8_t *from, size_t bytes);
	void *bring_ctx;
	bool past_open; /* values were written past the caches, and nobody waited for it */
	uint8_t scratch[KVS_SCRATCH_BYTES];
};

/* kvs_shard_extent gives the memory to map for a shard of so many bytes: twice as much, but no more
 * than KVS_SHARD_BYTES_MAX.
 *
 * kvs_shard_init makes an empty shard of bytes in the extent at mem.
 *
 * Requires:  mem aligned to 64; KVS_SHARD_BYTES_MIN <= bytes <= KVS_SHARD_BYTES_MAX; seed is a
 *            secret, so that nobody can choose keys that collide.
 * Ensures:   the shard lives inside the extent, and takes nothing from anywhere else. What it does
 *            not use is not touched. There is nothing to undo.
 */
static inline size_t
kvs_shard_extent(size_t bytes)
{
	return MIN(2 * bytes, KVS_SHARD_BYTES_MAX);
}

struct kvs_shard *kvs_shard_init(void *mem, size_t bytes, uint64_t seed);

/* kvs_shard_get finds a key's envelope: empty when it was never written.
 *
 * Owns:      the bytes stay as they are until the next merge into that key, or while they are
 *            pinned.
 */
struct slice kvs_shard_get(struct kvs_shard *s, struct slice key);

/* kvs_shard_pin keeps the bytes of a key's value as they are, whatever is merged; NULL when there
 * is no such key. kvs_shard_unpin ends that. Each pin is to be given back once.
 */
struct kvs_value *kvs_shard_pin(struct kvs_shard *s, struct slice key);
void kvs_shard_unpin(struct kvs_shard *s, struct kvs_value *v);

/* kvs_shard_find finds a key; NULL. kvs_shard_value is the envelope of one, as kvs_shard_get gives
 * it. kvs_shard_pin_key is kvs_shard_pin of a key that was found. */
struct kvs_key *kvs_shard_find(struct kvs_shard *s, struct slice key);
struct slice kvs_shard_value(const struct kvs_shard *s, const struct kvs_key *k);
struct kvs_value *kvs_shard_pin_key(struct kvs_shard *s, struct kvs_key *k);

/* kvs_shard_remove forgets a key, and gives its memory back. A value that is pinned stays until it
 * is released. */
void kvs_shard_remove(struct kvs_shard *s, struct kvs_key *k);

/* kvs_shard_take gives a key a value in the place of the one that it has. */
void kvs_shard_take(struct kvs_shard *s, struct kvs_key *k, struct kvs_value *v);

/* kvs_shard_first, kvs_shard_next: all keys, in order; NULL behind the last. */
struct kvs_key *kvs_shard_first(struct kvs_shard *s);
struct kvs_key *kvs_shard_next(struct kvs_shard *s, const struct kvs_key *k);

/* kvs_shard_merge merges delta, a checked flat envelope outside of the shard's memory, into a key.
 *
 * Returns:   0; MB_ERR_NO_MEMORY; MB_ERR_TOO_LARGE: the result would be longer than
 *            KVS_ENVELOPE_MAX; what lattice_merge says of unchecked bytes. On an error nothing has
 *            changed. On success s->last tells what happened.
 * Cost:      a hash, two or three cache misses, the merge, and a copy of the result when it
 *            changed; of a tree, of the nodes that changed
 */
int kvs_shard_merge(struct kvs_shard *s, struct slice key, struct slice delta);

/* kvs_shard_merge_found is the same for a key that kvs_shard_look has looked for, since when
 * nothing was changed; the key that it enters, if there was none, stands in *at then. */
struct kvs_found {
	uint64_t hash;
	struct kvs_key *key; /* NULL: there is none */
};
struct kvs_found kvs_shard_look(const struct kvs_shard *s, struct slice key);
int kvs_shard_merge_found(struct kvs_shard *s, struct slice key, struct kvs_found *at,
			  struct slice delta);

/* kvs_shard_replace is kvs_shard_merge of a delta that is known to contain all that the key has. */
int kvs_shard_replace(struct kvs_shard *s, struct kvs_key *k, struct slice delta);

/* The same in pieces, for deltas that are too long to copy at once: kvs_shard_value_alloc takes
 * memory, the caller copies the delta into v->bytes, kvs_shard_merge_value merges it. The value is
 * the shard's from then on, whatever is returned; kvs_shard_value_free gives it up before that.
 */
struct kvs_value *kvs_shard_value_alloc(struct kvs_shard *s, size_t len);
void kvs_shard_value_free(struct kvs_shard *s, struct kvs_value *v);
int kvs_shard_merge_value(struct kvs_shard *s, struct slice key, struct kvs_value *v);

/* kvs_shard_value_merge merges a delta, a checked flat envelope, into a value that no key has, and
 * that nobody reads: *v is the result. Returns: as kvs_shard_merge. */
int kvs_shard_value_merge(struct kvs_shard *s, struct kvs_value **v, struct slice delta);

/* kvs_shard_value_make makes a value of bytes from outside of the shard's values: a tree, if they
 * are a large collection. kvs_shard_value_tree makes one of an edit, which ends here.
 *
 * Returns:   NULL when there is no memory.
 */
struct kvs_value *kvs_shard_value_make(struct kvs_shard *s, struct slice bytes);
struct kvs_value *kvs_shard_value_tree(struct kvs_shard *s, struct treeval_edit *edit);

/* kvs_shard_sweep gives back a bounded part of what trees no longer need; merges do some of it,
 * too. Returns: whether there is more. */
bool kvs_shard_sweep(struct kvs_shard *s);

/* kvs_shard_trim gives free memory back to the system, as far as it lies in the next KVS_TRIM_BYTES
 * of the extent, when the shard has more of it than its bytes.
 *
 * Requires:  the extent is private anonymous memory
 * Returns:   whether it did: call again
 */
#define KVS_TRIM_BYTES ((size_t)1 << 20)
static inline bool
kvs_shard_trim(struct kvs_shard *s)
{
	if (likely(heap_held_bytes(s->heap) <= s->bytes) || heap_idle_bytes(s->heap) == 0) {
		return false;
	}
	(void)heap_trim(s->heap, KVS_TRIM_BYTES);
	return true;
}

/* kvs_shard_scan does one piece of a scan, bounded by KVS_SCAN_VISIT_MAX keys and the room in out.
 * lists says of a key whether it is to be listed here; NULL: all are. */
void kvs_shard_scan(struct kvs_shard *s, struct kvs_scan *scan,
		    bool (*lists)(void *ctx, struct slice key), void *ctx);

/* Inspection. Keys include tombstones. */
uint64_t kvs_shard_key_cnt(const struct kvs_shard *s);
size_t kvs_shard_used_bytes(const struct kvs_shard *s);

#endif
