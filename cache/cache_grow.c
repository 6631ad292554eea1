/* SPDX-License-Identifier: Apache-2.0 */
/* cache_grow - a large collection made of another one, leaf by leaf
 *
 *	the other one:  a b c | d e f | g h i		a copy of what the store lent, or
 *	                a'b'c'| d'e'f'| ..		what is left of an entry when all is deleted
 *
 * Nobody sees it before its root is shown, so to readers it is one change, however many steps it
 * took. A delete goes leaf by leaf like a copy: a part of a collection is a collection, and what
 * deletes the items of a leaf (clear.h) says nothing of any other.
 *
 * Where there is no memory for that, or in the store for what is then to be merged, a collection is
 * razed: a tombstone in a new epoch takes its place, which needs none. It takes along what others
 * add at the same time, unseen; else what fills the memory could not be deleted.
 *
 *   I1  The items before `done` are in the edit, those from it on are not. A leaf that was added in
 *       part, for want of memory, is not known to be: then all is begun anew.
 */
#include "cache_state.h"
#include "check.h"
#include "clear.h"
#include "delta.h"
#include "kvs_shard.h"
#include "lattice.h"
#include "microburst/error.h"

/* To delete the items of a leaf takes so much longer than to copy them. */
#define CLEAR_COST 4

int
cache_grow_begin(struct cache_core *c, struct cache_grow *g, const struct envelope *e, bool clear)
{
	uint32_t tries = 0;
	int err = treeval_begin(cache_store_grove(c->store, &tries), e, &g->edit);

	REQUIRE(!g->open);
	g->open = err == 0;
	g->clear = clear;
	g->done = 0;
	g->ready = (struct grove_ready){ 0 };
	return err;
}

void
cache_grow_end(struct cache_core *c, struct cache_grow *g)
{
	uint32_t tries = 0;

	if (g->open) {
		treeval_abort(cache_store_grove(c->store, &tries), &g->edit);
		grove_ready_drop(cache_store_grove(c->store, &tries), &g->ready);
		g->open = false;
	}
}

/* Adds a leaf. Keeps I1. */
static int
leaf_add(struct cache_core *c, struct cache_grow *g, const struct table *leaf,
	 struct cache_patience *p)
{
	const struct tree_node *last = g->edit.grove.kids.last;
	int err = grove_add(cache_store_grove(c->store, &p->tries), &g->edit.grove, leaf);

	if (err != 0 && g->edit.grove.kids.last != last) {
		struct envelope e = g->edit.e;

		cache_grow_end(c, g);
		err = cache_grow_begin(c, g, &e, g->clear) != 0 ? MB_ERR_CORRUPT : err;
	}
	return err;
}

/* Adds a leaf of the other one: a long item by itself in pieces. */
static int
leaf_copy(struct cache_core *c, struct cache_grow *g, const struct table *leaf,
	  struct cache_patience *p)
{
	struct grove *grove = cache_store_grove(c->store, &p->tries);
	struct slice item = table_item(leaf, 0);
	int err;

	if (leaf->cnt > 1 || item.len <= CACHE_COPY_STEP) {
		return leaf_add(c, g, leaf, p);
	}
	err = grove_ready_item(grove, &g->ready, item, CACHE_COPY_STEP);
	if (err == 0) {
		grove->ready = &g->ready;
		err = leaf_add(c, g, leaf, p);
		grove->ready = NULL;
	}
	return err;
}

/* Adds what a delete leaves of a leaf, given the delta that deletes its items. */
static int
leaf_add_cleared(struct cache_core *c, struct cache_grow *g, struct slice leaf, struct slice delta,
		 struct cache_patience *p)
{
	size_t bound = lattice_merge_bound(leaf, delta);
	struct wbuf out = wbuf_init(c->merge_mem, CACHE_SCRATCH);
	struct cache_block b = { 0 };
	struct table t;
	int side = lattice_merge(g->edit.e.type, leaf, delta, &out), err = 0;

	if (side == MB_ERR_TOO_LARGE && bound > CACHE_SCRATCH) { /* seldom: little is left */
		err = cache_core_scratch(c, bound, p, c->merge_mem, &b, &out);
		side = err != 0 ? err : lattice_merge(g->edit.e.type, leaf, delta, &out);
	}
	err = side < 0 ? side
		       : table_open(side == LATTICE_LEFT    ? leaf
				    : side == LATTICE_RIGHT ? delta
							    : wbuf_slice(&out),
				    &t);
	err = err != 0 ? err : leaf_add(c, g, &t, p);
	cache_store_free(c->store, &b);
	return err;
}

static int
leaf_clear(struct cache_core *c, struct cache_grow *g, const struct table *leaf,
	   struct cache_patience *p)
{
	struct slice state = slice_of(leaf->items, table_bytes(leaf));
	struct cache_block b = { 0 };
	struct wbuf out;
	int err = cache_core_scratch(c, lattice_clear_bound(g->edit.e.type, state), p, c->delta_mem,
				     &b, &out);

	err = err != 0 ? err : lattice_clear(g->edit.e.type, state, &out);
	err = err != 0 ? err : leaf_add_cleared(c, g, state, wbuf_slice(&out), p);
	cache_store_free(c->store, &b);
	return err;
}

/* Adds the next leaves. Returns: 0 when those were the last; MB_ERR_TRYAGAIN; an error. */
static int
leaves_add(struct cache_core *c, struct cache_grow *g, struct slice from, struct cache_patience *p)
{
	size_t bytes = 0;
	struct envelope e;
	struct table t, run;
	uint32_t at;
	int err = envelope_open(from, &e);

	err = err != 0 ? err : table_open(e.state, &t);
	while (err == 0 && bytes < CACHE_COPY_STEP && table_run(&t, g->done, &run, &at)) {
		err = g->clear ? leaf_clear(c, g, &run, p) : leaf_copy(c, g, &run, p);
		if (err == 0) {
			g->done += run.cnt;
			bytes += (g->clear ? CLEAR_COST : 1) * table_bytes(&run);
		}
	}
	return err != 0 || g->done == t.cnt ? err : MB_ERR_TRYAGAIN;
}

int
cache_grow_step(struct cache_core *c, struct cache_grow *g, struct slice from, size_t key_len,
		struct cache_patience *p, struct cache_block *ret, size_t *ret_len)
{
	struct tree_view view;
	int err = leaves_add(c, g, from, p);

	REQUIRE(g->open);
	err = err != 0 ? err
		       : treeval_seal(cache_store_grove(c->store, &p->tries), &g->edit,
				      CACHE_GROW_NODES);
	if (err == 0 && treeval_counted(&g->edit) > KVS_ENVELOPE_MAX) {
		err = MB_ERR_TOO_LARGE;
	}
	if (err == 0) {
		err = cache_store_tree_commit(c->store, key_len, &g->edit, &p->tries, ret, &view);
	}
	if (err != 0) {
		return cache_core_patient(c, err, p);
	}
	g->open = false;
	*ret_len = view.envelope.len;
	return 0;
}

int
cache_grow_tombstone(struct slice stored, struct hlc_time now, struct writer_id writer,
		     struct wbuf *out)
{
	struct envelope e, tomb = { .type = LATTICE_ABSENT };
	int err = envelope_open(stored, &e);

	if (err != 0) {
		return err;
	}
	tomb.epoch = envelope_epoch_fresh(&e, now, writer);
	return envelope_write(&tomb, out);
}

int
cache_grow_raze(struct cache_core *c, const struct cache_place *at, struct hlc_moment when)
{
	struct slice stored = cache_store_envelope(c->store, at->entry);
	uint8_t mem[ENVELOPE_OVERHEAD];
	struct wbuf out = wbuf_init(mem, sizeof(mem));
	uint32_t tries = 0;
	int err = cache_grow_tombstone(stored, when.now, c->cfg.writer, &out);

	err = err != 0 ? err : cache_merge(c, at, wbuf_slice(&out), NULL, when.day, &tries);
	if (err < 0) {
		return err;
	}
	c->stats.razed++;
	return 0;
}

int
cache_grow_clear(struct cache_core *c, struct cache_job *job, struct slice stored,
		 struct hlc_moment when)
{
	struct cache_work *w = job->work;
	struct cache_place at = { w->entry, w->hash, cache_work_key(w) };
	struct tree_view view = *slice_tree(stored);
	struct cache_block b = { 0 };
	struct slice none = { 0 };
	struct envelope e;
	size_t len = 0;
	int err = 0;

	if (job->grow.version != cache_store_version(c->store, w->entry)) {
		cache_grow_end(c, &job->grow);
	}
	if (!job->grow.open) {
		err = delta_del_around(tree_slice(&view), when.now, c->cfg.writer, &e);
		err = err != 0 ? err : cache_grow_begin(c, &job->grow, &e, true);
		job->grow.version = cache_store_version(c->store, w->entry);
		w->chain = job;
	}
	if (err == 0) {
		err = cache_grow_step(c, &job->grow, tree_slice(&view), w->key_len, &job->patience,
				      &b, &len);
	}
	if (err == 0) {
		cache_store_show_block(c->store, w->entry, w->hash, cache_work_key(w), &b, len,
				       true);
	} else if (err == MB_ERR_NO_MEMORY) {
		cache_grow_end(c, &job->grow);
		err = cache_grow_raze(c, &at, when);
	}
	if (err == 0) {
		cache_flush_add(c, w, none, NULL, true);
	}
	return err;
}
