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
 *       forgets this tile only until the next GET.
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

	c->cfg.ops.to_kvs(c->cfg.ops.ctx, kvs, &a);
}

/* An entry that a change is merged into. */
struct place {
	uint32_t entry;
	uint64_t hash;
	struct slice key;
	struct hlc_time now;
	uint32_t tries;
};

/* Shows a tree that was grown. The edit ends here. */
static int
show_tree(struct cache_core *c, struct place *p, struct treeval_edit *edit)
{
	struct cache_block b;
	struct tree_view view;
	int err = cache_store_tree_commit(c->store, p->key.len, edit, &p->tries, &b, &view);

	if (err != 0) {
		treeval_abort(cache_store_grove(c->store, &p->tries), edit);
		return err;
	}
	cache_store_show_block(c->store, p->entry, p->hash, p->key, &b, view.envelope.len,
			       !delta_present(tree_slice(&view), p->now));
	return 0;
}

static int
show(struct cache_core *c, struct place *p, struct slice envelope)
{
	struct treeval_edit edit;
	int err;

	if (!treeval_wanted(envelope)) {
		return cache_store_show(c->store, p->entry, p->hash, p->key, envelope,
					!delta_present(envelope, p->now), &p->tries);
	}
	err = treeval_make(cache_store_grove(c->store, &p->tries), envelope, &edit);
	return err != 0 ? err : show_tree(c, p, &edit);
}

/* Merges a change into an entry. Returns: 0; an error, nothing changed. */
static int
merge(struct cache_core *c, struct place *p, struct slice delta)
{
	struct slice stored = cache_store_envelope(c->store, p->entry);
	struct wbuf out = wbuf_init(c->merge_mem, sizeof(c->merge_mem));
	struct treeval_edit edit;
	struct tree_view view;
	int side, err;

	if (delta.len > CACHE_COPY_STEP) { /* a tree, too */
		return MB_ERR_TOO_LARGE;
	}
	if (slice_is_tree(stored)) {
		view = *slice_tree(stored);
		side = treeval_merge(cache_store_grove(c->store, &p->tries), &view, delta, &edit);
		err = side == LATTICE_MIXED ? show_tree(c, p, &edit) : 0;
	} else if (lattice_merge_bound(stored, delta) > out.cap) {
		return MB_ERR_TOO_LARGE;
	} else {
		side = lattice_merge(LATTICE_ENVELOPE, stored, delta, &out);
		err = side == LATTICE_MIXED ? show(c, p, wbuf_slice(&out)) : 0;
	}
	if (side == LATTICE_RIGHT) {
		err = show(c, p, delta);
	}
	c->stats.told_changed += side > LATTICE_LEFT && err == 0;
	return side < 0 ? side : err;
}

static int
take(struct cache_core *c, uint64_t hash, struct slice key, struct slice delta)
{
	struct cache_work *w = cache_work_find(c, hash, key);
	uint32_t entry = cache_store_find(c->store, hash, key);
	struct place place;

	if (w != NULL && w->state == CACHE_WORK_FETCH) {
		return 0; /* keeps I1 */
	}
	if (w != NULL && w->state == CACHE_WORK_FILL) {
		return MB_ERR_TRYAGAIN;
	}
	if (entry == CACHE_ENTRY_NONE) {
		return MB_ERR_NOT_FOUND;
	}
	place = (struct place){ .entry = entry,
				.hash = hash,
				.key = key,
				.now = cache_core_now(c) };
	if (merge(c, &place, delta) == 0) {
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

	c->stats.told++;
	answer(c, kvs, DESC_KVS_TOLD, d,
	       take(c, hash_bytes(key.p, key.len), key, kvs_msg_delta(d)));
}

void
cache_tell_drop(struct cache_core *c, uint32_t kvs, const struct desc *d)
{
	struct slice key = kvs_msg_bytes(d);
	uint64_t hash = hash_bytes(key.p, key.len);
	uint32_t entry = cache_store_find(c->store, hash, key);
	int err = cache_work_find(c, hash, key) != NULL ? MB_ERR_TRYAGAIN : 0;

	if (err == 0 && entry != CACHE_ENTRY_NONE) {
		cache_store_drop(c->store, entry);
		c->stats.told_dropped++;
	}
	answer(c, kvs, DESC_KVS_DROPPED, d, err);
}
