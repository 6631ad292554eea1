/* SPDX-License-Identifier: Apache-2.0 */
/* cache_merge - a delta merged into what an entry shows, flat or a tree
 *
 * A flat result is built in the scratch, or in a block when that is too small, and shown; a delta
 * that wins whole is shown where it is, if that is a block. A large
 * collection is shown as a tree: when it gets too long for one node, and from then on each change
 * of it copies a few nodes (grove.c). When something fails, for want of memory most likely, what
 * was shown is shown still, and it can all be tried again.
 */
#include "cache_state.h"
#include "check.h"
#include "kvs_shard.h"
#include "lattice.h"
#include "microburst/error.h"

/* Shows a tree that was grown. The edit ends here. */
static int
tree_show(struct cache_core *c, const struct cache_place *at, struct treeval_edit *edit,
	  struct hlc_time day, uint32_t *tries)
{
	struct cache_block b;
	struct tree_view view;
	int err = treeval_counted(edit) > KVS_ENVELOPE_MAX
			  ? MB_ERR_TOO_LARGE
			  : cache_store_tree_commit(c->store, at->key.len, edit, tries, &b, &view);

	if (err != 0) {
		treeval_abort(cache_store_grove(c->store, tries), edit);
		return err;
	}
	cache_store_show_block(c->store, at->entry, at->hash, at->key, &b, view.envelope.len,
			       !delta_present(tree_slice(&view), day));
	return 0;
}

/* Shows a flat envelope from outside of the entries: as a tree, if it is a large collection. */
static int
envelope_show(struct cache_core *c, const struct cache_place *at, struct slice envelope,
	      struct hlc_time day, uint32_t *tries)
{
	struct treeval_edit edit;
	int err;

	if (!treeval_wanted(envelope)) {
		return cache_store_show(c->store, at->entry, at->hash, at->key, envelope,
					!delta_present(envelope, day), tries);
	}
	err = treeval_make(cache_store_grove(c->store, tries), envelope, &edit);
	return err != 0 ? err : tree_show(c, at, &edit, day, tries);
}

/* The same of one that begins a block, if in has one: where it can be shown there, the entry takes
 * the block over. */
static int
block_show(struct cache_core *c, const struct cache_place *at, struct slice envelope,
	   struct cache_block *in, struct hlc_time day, uint32_t *tries)
{
	if (in == NULL || in->off == 0 || treeval_wanted(envelope) ||
	    cache_envelope_inline(at->key.len, envelope.len)) {
		return envelope_show(c, at, envelope, day, tries);
	}
	REQUIRE(envelope.p == cache_block_ptr(c->cfg.base, in));
	cache_store_show_block(c->store, at->entry, at->hash, at->key, in, envelope.len,
			       !delta_present(envelope, day));
	return 0;
}

static int
merge_tree(struct cache_core *c, const struct cache_place *at, const struct tree_view *stored,
	   struct slice delta, struct cache_block *own, struct hlc_time day, uint32_t *tries)
{
	struct tree_view view = *stored;
	struct treeval_edit edit;
	int side = treeval_merge(cache_store_grove(c->store, tries), &view, delta, &edit);
	int err = 0;

	if (side == LATTICE_MIXED) {
		err = tree_show(c, at, &edit, day, tries);
	} else if (side == LATTICE_RIGHT) {
		err = block_show(c, at, delta, own, day, tries);
	} else if (side == TREEVAL_FLAT) {
		side = LATTICE_MIXED;
		err = envelope_show(c, at, edit.flat, day, tries);
		treeval_abort(cache_store_grove(c->store, tries), &edit);
	}
	return err != 0 ? err : side;
}

/* Room for a result that may be too long for the scratch: a block, whose bytes out is from then on.
 * Without memory there is none, and no error: it may come to little, as a delete does. */
static int
result_room(struct cache_core *c, const struct cache_place *at, size_t bound, uint32_t *tries,
	    struct cache_block *b, struct wbuf *out)
{
	int err = cache_store_alloc(c->store, cache_block_bytes(at->key.len, bound), tries, b);

	if (err == 0) {
		*out = wbuf_init(cache_block_ptr(c->cfg.base, b), b->bytes);
	}
	return err == MB_ERR_NO_MEMORY ? 0 : err;
}

static bool
is_collection(struct slice envelope)
{
	struct envelope e;

	return envelope_open(envelope, &e) == 0 && lattice_table_ops(e.type) != NULL;
}

/* Merges two flat envelopes; what is neither of them is written to out, which is the scratch, or
 * becomes *b. Who wins whole, as a register does, needs no room: it is asked for when it is needed.
 * Returns: as cache_merge; SIDE_TREES: it is to be done as trees, which copies less. */
#define SIDE_TREES (LATTICE_MIXED + 1)
static int
flat_result(struct cache_core *c, const struct cache_place *at, struct slice stored,
	    struct slice delta, uint32_t *tries, struct cache_block *b, struct wbuf *out)
{
	size_t bound = lattice_merge_bound(stored, delta);
	int err, side = lattice_merge(LATTICE_ENVELOPE, stored, delta, out);

	if (side != MB_ERR_TOO_LARGE || bound <= CACHE_SCRATCH) {
		return side;
	}
	if (treeval_wanted(delta) && is_collection(stored)) {
		return SIDE_TREES;
	}
	*out = wbuf_init(c->merge_mem, CACHE_SCRATCH);
	err = result_room(c, at, bound, tries, b, out);
	if (err != 0 || b->off == 0) {
		return err != 0 ? err : MB_ERR_NO_MEMORY;
	}
	return lattice_merge(LATTICE_ENVELOPE, stored, delta, out);
}

/* A short collection is shown as a tree, and that gets the delta. */
static int
merge_as_trees(struct cache_core *c, const struct cache_place *at, struct slice stored,
	       struct slice delta, struct cache_block *own, struct hlc_time day, uint32_t *tries)
{
	struct treeval_edit edit;
	int err = treeval_make(cache_store_grove(c->store, tries), stored, &edit);

	err = err != 0 ? err : tree_show(c, at, &edit, day, tries);
	if (err != 0) {
		return err;
	}
	stored = cache_store_envelope(c->store, at->entry);
	return merge_tree(c, at, slice_tree(stored), delta, own, day, tries);
}

static int
merge_flat(struct cache_core *c, const struct cache_place *at, struct slice stored,
	   struct slice delta, struct cache_block *own, struct hlc_time day, uint32_t *tries)
{
	struct wbuf out = wbuf_init(c->merge_mem, CACHE_SCRATCH);
	struct cache_block b = { 0 }, *in = own;
	struct slice result = delta;
	int err, side = flat_result(c, at, stored, delta, tries, &b, &out);

	if (side == SIDE_TREES) {
		return merge_as_trees(c, at, stored, delta, own, day, tries);
	}
	if (side == LATTICE_MIXED) {
		result = wbuf_slice(&out);
		in = &b;
	}
	if (side < 0 || side == LATTICE_LEFT || result.len > KVS_ENVELOPE_MAX) {
		cache_store_free(c->store, &b);
		return side <= LATTICE_LEFT ? side : MB_ERR_TOO_LARGE;
	}
	err = block_show(c, at, result, in, day, tries);
	cache_store_free(c->store, &b);
	return err != 0 ? err : side;
}

int
cache_merge(struct cache_core *c, const struct cache_place *at, struct slice delta,
	    struct cache_block *own, struct hlc_time day, uint32_t *tries)
{
	struct slice stored = cache_store_envelope(c->store, at->entry);
	bool kept =
		cache_store_keep(c->store, at->entry); /* or what is merged into may be evicted */
	int side;

	room_for(cache_store_room(c->store), delta);
	side = slice_is_tree(stored) ? merge_tree(c, at, slice_tree(stored), delta, own, day, tries)
				     : merge_flat(c, at, stored, delta, own, day, tries);
	room_for(cache_store_room(c->store), slice_of(NULL, 0));
	if (!kept) {
		cache_store_unkeep(c->store, at->entry);
	}
	return side;
}
