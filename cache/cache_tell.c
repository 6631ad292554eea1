/* SPDX-License-Identifier: Apache-2.0 */
/* cache_tell - what the store tells of keys that changed elsewhere
 *
 * A key's primary knows that this tile has a copy, as it came from there; when somebody else's
 * write reaches it, it tells. The change is merged into the entry, where every reader sees it.
 *
 *   I1  What is answered with 0 is in the copy that readers see, or in a GOT that is on its way
 *       here: the link keeps order, so a TELL that finds the key in FETCH was sent before the GET
 *       was read, and the answer contains it. A TELL that finds it in FILL may be newer than what
 *       is being filled in: it is wanted again later.
 *   I2  NOT_FOUND is said only while there is neither a copy nor a GET under way, so the primary
 *       forgets this tile only until the next GET. A read that would be kept (cache_read.c) is not,
 *       as a word has come.
 *
 * Where a change cannot be merged at once (no memory, too long for a step) and nothing is under
 * way for the key, the copy goes instead: the next reader fetches it, in pieces.
 */
#include "cache_state.h"
#include "hash.h"
#include "lattice.h"
#include "microburst/error.h"
#include "treeval.h"

static void
answer(struct cache_core *c, uint32_t kvs, enum kvs_msg_kind kind, const struct desc *d, int err)
{
	struct desc a = { .kind = (uint8_t)kind, .sub = d->sub, .err = (int16_t)err, .b = d->b };

	cache_core_to_kvs(c, kvs, &a);
}

/* Merges a change into an entry, in one step. Returns: 0; an error, nothing changed. */
static int
merge(struct cache_core *c, const struct cache_place *at, struct slice delta)
{
	struct slice stored = cache_store_envelope(c->store, at->entry);
	uint32_t tries = 0;
	int side;

	if (delta.len > CACHE_COPY_STEP || /* a tree, too */
	    (!slice_is_tree(stored) && lattice_merge_bound(stored, delta) > CACHE_SCRATCH)) {
		return MB_ERR_TOO_LARGE;
	}
	side = cache_merge(c, at, delta, NULL, cache_core_now(c).day, &tries);
	c->stats.told_changed += side > LATTICE_LEFT;
	return side < 0 ? side : 0;
}

static int
take(struct cache_core *c, uint64_t hash, struct slice key, struct slice delta)
{
	struct cache_work *w = cache_work_find(c, hash, key);
	uint32_t entry = cache_store_find(c->store, hash, key);
	struct cache_place at = { entry, hash, key };

	if (w != NULL && w->state == CACHE_WORK_FETCH) {
		return 0; /* keeps I1 */
	}
	if (w != NULL &&
	    (w->state == CACHE_WORK_FILL || (w->chain != NULL && w->chain->grow.open))) {
		return MB_ERR_TRYAGAIN;
	}
	if (entry == CACHE_ENTRY_NONE) {
		return MB_ERR_NOT_FOUND;
	}
	if (merge(c, &at, delta) == 0) {
		return 0;
	}
	if (w != NULL) {
		return MB_ERR_TRYAGAIN;
	}
	cache_store_drop(c->store, entry);
	c->stats.told_dropped++;
	return MB_ERR_NOT_FOUND;
}

void
cache_tell(struct cache_core *c, uint32_t kvs, const struct desc *d)
{
	struct slice key = kvs_msg_bytes(d);
	uint64_t hash = hash_bytes(key.p, key.len);

	c->stats.told++;
	++*cache_touched(c, hash);
	cache_front_told(&c->fronts, hash);
	answer(c, kvs, DESC_KVS_TOLD, d, take(c, hash, key, kvs_msg_delta(d)));
}

void
cache_tell_hushed(struct cache_core *c, struct cache_work *w, int err)
{
	struct desc d = { .sub = KVS_DROP_HUSH, .b = w->hush_b };

	w->hushed = false;
	answer(c, cache_kvs_of(c, w->hash), DESC_KVS_DROPPED, &d, err);
}

void
cache_tell_drop(struct cache_core *c, uint32_t kvs, const struct desc *d)
{
	struct slice key = kvs_msg_bytes(d);
	uint64_t hash = hash_bytes(key.p, key.len);
	uint32_t entry = cache_store_find(c->store, hash, key);
	struct cache_work *w = cache_work_find(c, hash, key);
	int err = w != NULL ? MB_ERR_TRYAGAIN : 0;

	++*cache_touched(c, hash);
	if (d->sub == KVS_DROP_HUSH && w != NULL && w->state == CACHE_WORK_READY &&
	    w->chain == NULL && !w->hushed) {
		w->hushed = true;
		w->hush_b = d->b;
		cache_flush_leave(c, w);
		cache_work_settle(c, w);
		return;
	}
	if (err == 0 && entry != CACHE_ENTRY_NONE) {
		cache_store_drop(c->store, entry);
		c->stats.told_dropped++;
	}
	answer(c, kvs, DESC_KVS_DROPPED, d, err);
}
