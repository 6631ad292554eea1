/* SPDX-License-Identifier: Apache-2.0 */
/* kvs_shard - see kvs_shard.h
 *
 *   index ──► key ──► value        order: key ─► key ─► key
 *
 * I1  A key is in the index and in the order, and has a value that is not bottom; or it does not
 *     exist. So an insert takes all its memory before it enters anything.
 * I2  The bytes of a pinned value never change. A merge then makes a new value, the old one is an
 *     orphan and is freed with its last pin.
 * I3  A merge that fails has changed nothing.
 * I4  Other threads read pinned values only, so a pin waits for what was written past the caches.
 *
 * A value is overwritten where it lies when it fits and nobody reads it: for a hot key that is
 * updated millions of times a second this saves the heap's work and stays in the cache. It is not
 * kept in a place more than twice its size. A long one that was not written lately is written past
 * the caches (kvs_recent.h); such stores are waited for by the next pin (I4), each time would cost
 * more than they save. A tree is never overwritten: each change has a value of its own with the
 * root, and shares the rest (grove.c); a pin on a value keeps its root readable.
 */
#include "kvs_shard.h"

#include <string.h>

#include "check.h"
#include "compiler.h"
#include "copy.h"
#include "envelope.h"
#include "lattice.h"
#include "microburst/error.h"
#include "treeval.h"
#include "view.h"

#define SWEEP_STEP 64 /* nodes: some microseconds */

/* ---------------------------------------------------------------- memory, life */

bool
kvs_shard_sweep(struct kvs_shard *s)
{
	return s->grove.garbage != NULL && grove_sweep(&s->grove, SWEEP_STEP);
}

/* Memory, if need be after all that trees still have to give back. */
static void *
mem_alloc(struct kvs_shard *s, size_t bytes)
{
	void *p;

	while (unlikely((p = room_alloc(&s->room, bytes)) == NULL) && s->grove.garbage != NULL) {
		(void)kvs_shard_sweep(s);
	}
	return likely(p != NULL) ? p : room_alloc_last(&s->room, bytes);
}

static int
node_alloc(void *ctx, size_t bytes, void **ret)
{
	*ret = mem_alloc(ctx, bytes);
	return *ret != NULL ? 0 : MB_ERR_NO_MEMORY;
}

static void
node_free(void *ctx, void *p, size_t bytes)
{
	heap_free(((struct kvs_shard *)ctx)->heap, p, bytes);
}

struct kvs_shard *
kvs_shard_init(void *mem, size_t bytes, uint64_t seed)
{
	const size_t head = ALIGN_UP(sizeof(struct kvs_shard), (size_t)CACHE_LINE);
	struct grove_ops nodes = { .alloc = node_alloc, .free = node_free, .ctx = mem };
	struct kvs_shard *s = mem;

	REQUIRE((uintptr_t)mem % CACHE_LINE == 0);
	REQUIRE(bytes >= KVS_SHARD_BYTES_MIN);
	REQUIRE(bytes <= KVS_SHARD_BYTES_MAX);
	memset(s, 0, offsetof(struct kvs_shard, scratch));
	s->base = mem;
	s->bytes = bytes;
	s->heap = heap_init((uint8_t *)mem + head, kvs_shard_extent(bytes) - head);
	/* The smallest shard holds an empty index. */
	REQUIRE(kvs_index_init(&s->index, s->base, s->heap, bytes - head, seed) == 0);
	kvs_order_init(&s->order, s->base);
	grove_init(&s->grove, mem, head, kvs_shard_extent(bytes), &nodes);
	room_init(&s->room, s->heap, kvs_shard_extent(bytes) - bytes);
	return s;
}

static struct kvs_value *
value_of(const struct kvs_shard *s, const struct kvs_key *k)
{
	return kvs_at(s->base, k->value);
}

struct kvs_key *
kvs_shard_find(struct kvs_shard *s, struct slice key)
{
	return kvs_index_find(&s->index, kvs_index_hash(&s->index, key), key);
}

struct slice
kvs_shard_value(const struct kvs_shard *s, const struct kvs_key *k)
{
	return kvs_value_slice(value_of(s, k));
}

struct slice
kvs_shard_get(struct kvs_shard *s, struct slice key)
{
	struct kvs_key *k = kvs_shard_find(s, key);

	s->stats.got++;
	return k == NULL ? slice_of(NULL, 0) : kvs_value_slice(value_of(s, k));
}

/* -------------------------------------------------------------------- values */

struct kvs_value *
kvs_shard_value_alloc(struct kvs_shard *s, size_t len)
{
	size_t bytes = heap_rounded_bytes(sizeof(struct kvs_value) + len);
	struct kvs_value *v = mem_alloc(s, bytes);

	if (v != NULL) {
		kvs_recent_count(&s->recent, len);
		*v = (struct kvs_value){
			.len = (uint32_t)len,
			.cap = (uint32_t)(bytes - sizeof(struct kvs_value)),
			.written = kvs_recent_now(&s->recent),
		};
	}
	return v;
}

void
kvs_shard_value_free(struct kvs_shard *s, struct kvs_value *v)
{
	REQUIRE(v->pin_cnt == 0);
	if (v->tree != 0) {
		grove_release(&s->grove, treeval_root(v->bytes));
	}
	heap_free(s->heap, v, sizeof(struct kvs_value) + v->cap);
}

/* The key lets go of a value. */
static void
value_drop(struct kvs_shard *s, struct kvs_value *v)
{
	if (v->pin_cnt == 0) {
		kvs_shard_value_free(s, v);
	} else {
		v->orphan = 1; /* keeps I2 */
	}
}

struct kvs_value *
kvs_shard_pin(struct kvs_shard *s, struct slice key)
{
	struct kvs_key *k = kvs_shard_find(s, key);

	s->stats.got++;
	return k == NULL ? NULL : kvs_shard_pin_key(s, k);
}

struct kvs_value *
kvs_shard_pin_key(struct kvs_shard *s, struct kvs_key *k)
{
	struct kvs_value *v = value_of(s, k);

	if (s->past_open) { /* keeps I4 */
		copy_past_close();
		s->past_open = false;
	}
	v->pin_cnt++;
	s->pin_cnt++;
	return v;
}

void
kvs_shard_unpin(struct kvs_shard *s, struct kvs_value *v)
{
	REQUIRE(v->pin_cnt > 0);
	REQUIRE(s->pin_cnt > 0);
	s->pin_cnt--;
	if (--v->pin_cnt == 0 && v->orphan != 0) {
		kvs_shard_value_free(s, v);
	}
}

/* --------------------------------------------------------------------- merge */

/* Enters a new key that takes v over. On an error v is still the caller's. */
static int
key_insert(struct kvs_shard *s, uint64_t hash, struct slice name, struct kvs_value *v,
	   struct kvs_key **ret)
{
	uint32_t height = kvs_order_height(hash);
	size_t bytes = kvs_key_bytes(height, name.len);
	struct kvs_key *k = mem_alloc(s, bytes);

	if (k == NULL) {
		return MB_ERR_NO_MEMORY;
	}
	*k = (struct kvs_key){
		.value = kvs_ref_of(s->base, v),
		.key_len = (uint16_t)name.len,
		.height = (uint8_t)height,
	};
	memcpy(&k->next[height], name.p, name.len);
	if (kvs_index_add(&s->index, hash, k) != 0) {
		heap_free(s->heap, k, bytes);
		return MB_ERR_NO_MEMORY;
	}
	kvs_order_add(&s->order, k);
	*ret = k;
	return 0;
}

static void
key_take(struct kvs_shard *s, struct kvs_key *k, struct kvs_value *v)
{
	struct kvs_value *old = value_of(s, k);

	k->value = kvs_ref_of(s->base, v);
	value_drop(s, old);
}

struct kvs_value *
kvs_shard_value_tree(struct kvs_shard *s, struct treeval_edit *edit)
{
	size_t view_at = ALIGN_UP(edit->bytes, (size_t)8);
	struct kvs_value *v = kvs_shard_value_alloc(s, view_at + sizeof(struct tree_view));
	struct slice envelope;

	if (v == NULL) {
		treeval_abort(&s->grove, edit);
		return NULL;
	}
	v->len = (uint32_t)edit->bytes;
	v->tree = 1;
	envelope = treeval_commit(&s->grove, edit, v->bytes);
	INSIST(tree_view_init(kvs_value_view(v), s->base, s->grove.lo, s->grove.hi, envelope) == 0);
	return v;
}

struct kvs_value *
kvs_shard_value_make(struct kvs_shard *s, struct slice bytes)
{
	struct treeval_edit edit;
	struct kvs_value *v;

	if (unlikely(treeval_wanted(bytes))) {
		return treeval_make(&s->grove, bytes, &edit) == 0 ? kvs_shard_value_tree(s, &edit)
								  : NULL;
	}
	v = kvs_shard_value_alloc(s, bytes.len);
	if (v != NULL) {
		memcpy(v->bytes, bytes.p, bytes.len);
	}
	return v;
}

static inline void
overwrite(struct kvs_value *v, struct slice bytes)
{
	memcpy(v->bytes, bytes.p, bytes.len);
	v->len = (uint32_t)bytes.len;
	v->settled = 0;
}

/* Whether bytes can be written where a value lies, and should be. */
static inline bool
fits(const struct kvs_value *v, struct slice bytes)
{
	return v->pin_cnt == 0 && v->tree == 0 && bytes.len <= v->cap && bytes.len >= v->cap / 2 &&
	       !treeval_wanted(bytes);
}

/* As key_store, where the value does not fit or is not to be changed. */
static noinline int
key_store_moved(struct kvs_shard *s, struct kvs_key *k, struct slice bytes)
{
	struct kvs_value *v = kvs_shard_value_make(s, bytes), *old = value_of(s, k);

	if (v == NULL && old->pin_cnt == 0 && bytes.len <= old->cap && !treeval_wanted(bytes)) {
		/* Too much room for it, but a full shard takes deletes. */
		if (old->tree != 0) {
			grove_release(&s->grove, treeval_root(old->bytes));
			old->tree = 0;
		}
		overwrite(old, bytes);
		return 0;
	}
	if (v == NULL) {
		return MB_ERR_NO_MEMORY;
	}
	key_take(s, k, v);
	return 0;
}

/* Replaces the value of a key by bytes from outside of the shard's values. */
static inline int
key_store(struct kvs_shard *s, struct kvs_key *k, struct slice bytes)
{
	struct kvs_value *v = value_of(s, k);

	if (unlikely(!fits(v, bytes))) {
		return key_store_moved(s, k, bytes);
	}
	overwrite(v, bytes);
	return 0;
}

/* By a long delta that won whole: of the old value nothing was read but its ends. */
static noinline int
key_store_past(struct kvs_shard *s, struct kvs_key *k, struct slice delta)
{
	struct kvs_value *v = value_of(s, k);

	if (!fits(v, delta)) {
		return key_store_moved(s, k, delta);
	}
	copy_past_open(v->bytes, delta.p, delta.len);
	s->past_open = true;
	v->len = (uint32_t)delta.len;
	v->settled = 0;
	return 0;
}

static inline int
key_store_whole(struct kvs_shard *s, struct kvs_key *k, struct slice delta)
{
	bool past = delta.len >= KVS_LONG_BYTES && !kvs_recent_add(&s->recent, value_of(s, k));

	return unlikely(past) ? key_store_past(s, k, delta) : key_store(s, k, delta);
}

static noinline int
merge_tree(struct kvs_shard *s, struct kvs_key *k, struct slice delta)
{
	struct treeval_edit edit;
	struct kvs_value *v;
	int side = treeval_merge(&s->grove, kvs_value_view(value_of(s, k)), delta, &edit);

	if (side == TREEVAL_FLAT) {
		int err = edit.flat.len > KVS_ENVELOPE_MAX ? MB_ERR_TOO_LARGE
							   : key_store(s, k, edit.flat);

		treeval_abort(&s->grove, &edit);
		return err != 0 ? err : (int)LATTICE_MIXED;
	}
	if (side != LATTICE_MIXED) {
		return side;
	}
	if (treeval_counted(&edit) > KVS_ENVELOPE_MAX) {
		treeval_abort(&s->grove, &edit);
		return MB_ERR_TOO_LARGE;
	}
	v = kvs_shard_value_tree(s, &edit);
	if (v == NULL) {
		return MB_ERR_NO_MEMORY;
	}
	key_take(s, k, v);
	return side;
}

/* A short collection becomes a tree, and that gets the delta. */
static int
merge_as_trees(struct kvs_shard *s, struct kvs_key *k, struct slice delta)
{
	struct treeval_edit edit;
	struct kvs_value *v;
	int err = treeval_make(&s->grove, kvs_value_slice(value_of(s, k)), &edit);

	if (err != 0) {
		return err;
	}
	v = kvs_shard_value_tree(s, &edit);
	if (v == NULL) {
		return MB_ERR_NO_MEMORY;
	}
	key_take(s, k, v);
	return merge_tree(s, k, delta);
}

/* Merges into a value where the result is too long for the scratch: it is written where it stays;
 * or beside what is there, where that copies less. */
static noinline int
merge_long(struct kvs_shard *s, struct kvs_key *k, struct slice delta)
{
	struct slice stored = kvs_value_slice(value_of(s, k));
	struct kvs_value *v;
	struct envelope e;
	struct wbuf out;
	int side;

	if (treeval_wanted(delta) && envelope_open(stored, &e) == 0 &&
	    lattice_table_ops(e.type) != NULL) {
		return merge_as_trees(s, k, delta);
	}
	v = kvs_shard_value_alloc(s, lattice_merge_bound(stored, delta));
	if (v == NULL) {
		return MB_ERR_NO_MEMORY;
	}
	out = wbuf_init(v->bytes, v->cap);
	side = lattice_merge(LATTICE_ENVELOPE, stored, delta, &out);
	if (side != LATTICE_MIXED || out.len > KVS_ENVELOPE_MAX) {
		kvs_shard_value_free(s, v);
		return side == LATTICE_MIXED ? MB_ERR_TOO_LARGE : side;
	}
	v->len = (uint32_t)out.len;
	if (treeval_wanted(wbuf_slice(&out))) {
		int err = key_store(s, k, wbuf_slice(&out));

		kvs_shard_value_free(s, v);
		return err != 0 ? err : LATTICE_MIXED;
	}
	key_take(s, k, v);
	return LATTICE_MIXED;
}

/* Merges delta into what key k has, unless the delta wins whole: LATTICE_RIGHT, nothing done
 * yet. */
static int
merge_into(struct kvs_shard *s, struct kvs_key *k, struct slice delta)
{
	struct slice stored = kvs_value_slice(value_of(s, k));
	struct wbuf out = wbuf_init(s->scratch, sizeof(s->scratch));
	int side, err;

	if (unlikely(slice_is_tree(stored))) {
		return merge_tree(s, k, delta);
	}
	/* It may come to little: what deletes a long value has to work in a full shard. */
	side = lattice_merge(LATTICE_ENVELOPE, stored, delta, &out);
	if (unlikely(side == MB_ERR_TOO_LARGE &&
		     lattice_merge_bound(stored, delta) > sizeof(s->scratch))) {
		return merge_long(s, k, delta);
	}
	if (side == LATTICE_MIXED) {
		err = key_store(s, k, wbuf_slice(&out));
		return err != 0 ? err : side;
	}
	return side;
}

/* Counts how a merge ended and turns it into a result. */
static int
merge_end(struct kvs_shard *s, struct kvs_key *k, int side, bool fresh)
{
	room_for(&s->room, slice_of(NULL, 0));
	if (side < 0) {
		s->stats.refused += side == MB_ERR_NO_MEMORY;
		return side;
	}
	s->stats.merged++;
	s->stats.unchanged += side == LATTICE_LEFT;
	s->last = (struct kvs_merged){ .key = k, .side = side, .fresh = fresh };
	return 0;
}

struct kvs_found
kvs_shard_look(const struct kvs_shard *s, struct slice key)
{
	uint64_t hash = kvs_index_hash(&s->index, key);

	return (struct kvs_found){ hash, kvs_index_find(&s->index, hash, key) };
}

int
kvs_shard_merge(struct kvs_shard *s, struct slice key, struct slice delta)
{
	struct kvs_found at = kvs_shard_look(s, key);

	return kvs_shard_merge_found(s, key, &at, delta);
}

int
kvs_shard_merge_found(struct kvs_shard *s, struct slice key, struct kvs_found *at,
		      struct slice delta)
{
	struct kvs_key *k = at->key;
	struct kvs_value *v;
	int side;

	REQUIRE(key.len <= KEY_BYTES_MAX);
	(void)kvs_shard_sweep(s);
	if (unlikely(delta.len > KVS_ENVELOPE_MAX)) {
		return MB_ERR_TOO_LARGE;
	}
	room_for(&s->room, delta);
	if (likely(k != NULL)) {
		side = merge_into(s, k, delta);
		if (side == LATTICE_RIGHT) {
			int err = key_store_whole(s, k, delta);

			side = err != 0 ? err : side;
		}
		return merge_end(s, k, side, false);
	}
	if (delta.len == 0) {
		return merge_end(s, NULL, LATTICE_LEFT, false); /* bottom into bottom: keeps I1 */
	}
	v = kvs_shard_value_make(s, delta);
	if (v == NULL) {
		return merge_end(s, NULL, MB_ERR_NO_MEMORY, false);
	}
	side = key_insert(s, at->hash, key, v, &at->key);
	if (side != 0) {
		kvs_shard_value_free(s, v);
	}
	return merge_end(s, at->key, side == 0 ? LATTICE_RIGHT : side, true);
}

int
kvs_shard_replace(struct kvs_shard *s, struct kvs_key *k, struct slice delta)
{
	int err = key_store(s, k, delta);

	return merge_end(s, k, err != 0 ? err : (int)LATTICE_RIGHT, false);
}

int
kvs_shard_merge_value(struct kvs_shard *s, struct slice key, struct kvs_value *v)
{
	uint64_t hash = kvs_index_hash(&s->index, key);
	struct kvs_key *k = kvs_index_find(&s->index, hash, key);
	int side;

	REQUIRE(key.len <= KEY_BYTES_MAX);
	REQUIRE(v->len > 0);
	if (k == NULL) {
		side = key_insert(s, hash, key, v, &k);
		if (side == 0) {
			return merge_end(s, k, LATTICE_RIGHT, true);
		}
	} else {
		side = merge_into(s, k, kvs_value_slice(v));
		if (side == LATTICE_RIGHT) {
			key_take(s, k, v);
			return merge_end(s, k, side, false);
		}
	}
	kvs_shard_value_free(s, v);
	return merge_end(s, k, side, false);
}

int
kvs_shard_value_merge(struct kvs_shard *s, struct kvs_value **v, struct slice delta)
{
	struct kvs_key none = { .value = kvs_ref_of(s->base, *v) };
	int side = merge_into(s, &none, delta);

	side = side == LATTICE_RIGHT ? key_store(s, &none, delta) : side;
	*v = value_of(s, &none);
	return side < 0 ? side : 0;
}

void
kvs_shard_take(struct kvs_shard *s, struct kvs_key *k, struct kvs_value *v)
{
	key_take(s, k, v);
}

void
kvs_shard_remove(struct kvs_shard *s, struct kvs_key *k)
{
	struct slice name = kvs_key_slice(k);

	REQUIRE(!k->changing);
	kvs_order_remove(&s->order, k);
	kvs_index_remove(&s->index, kvs_index_hash(&s->index, name), k);
	value_drop(s, value_of(s, k));
	heap_free(s->heap, k, kvs_key_bytes(k->height, k->key_len));
	s->stats.removed++;
}

struct kvs_key *
kvs_shard_first(struct kvs_shard *s)
{
	return kvs_order_from(&s->order, slice_of(NULL, 0), false);
}

struct kvs_key *
kvs_shard_next(struct kvs_shard *s, const struct kvs_key *k)
{
	return kvs_order_next(&s->order, k);
}

/* ---------------------------------------------------------------------- scan */

static bool
has_prefix(struct slice key, struct slice prefix)
{
	return key.len >= prefix.len && slice_eq(slice_of(key.p, prefix.len), prefix);
}

/* Whether a reader would find something under the key. */
static bool
shows(const struct kvs_shard *s, const struct kvs_key *k, struct hlc_time now)
{
	struct envelope e;

	return envelope_open(kvs_value_slice(value_of(s, k)), &e) == 0 &&
	       !envelope_expired(&e, now) && view_present(e.type, e.state);
}

/* Goes on from key k. Returns: the last key that was looked at; NULL: none. */
static const struct kvs_key *
scan_from(struct kvs_shard *s, const struct kvs_key *k, struct kvs_scan *scan,
	  bool (*lists)(void *ctx, struct slice key), void *ctx)
{
	const struct kvs_key *last = NULL;
	uint32_t visit_cnt = 0;
	bool hides = !key_is_system(scan->prefix);

	for (; k != NULL; k = kvs_order_next(&s->order, k)) {
		struct slice name = kvs_key_slice(k);

		if (!has_prefix(name, scan->prefix)) {
			break;
		}
		scan->more = visit_cnt == KVS_SCAN_VISIT_MAX || scan->cnt == scan->limit;
		if (scan->more) {
			break;
		}
		visit_cnt++;
		if (!(hides && key_is_system(name)) && shows(s, k, scan->now) &&
		    (lists == NULL || lists(ctx, name))) {
			scan->more = scan->out.cap - scan->out.len < sizeof(uint16_t) + name.len;
			if (scan->more) {
				break;
			}
			wbuf_u16(&scan->out, (uint16_t)name.len);
			wbuf_put(&scan->out, name.p, name.len);
			scan->cnt++;
		}
		last = k;
	}
	return last;
}

void
kvs_shard_scan(struct kvs_shard *s, struct kvs_scan *scan,
	       bool (*lists)(void *ctx, struct slice key), void *ctx)
{
	bool go_on = scan->after.len > 0 && slice_cmp(scan->after, scan->prefix) >= 0;
	const struct kvs_key *k =
		kvs_order_from(&s->order, go_on ? scan->after : scan->prefix, go_on);

	s->stats.scanned++;
	scan->cnt = 0;
	scan->more = false;
	k = scan_from(s, k, scan, lists, ctx);
	if (k != NULL) { /* a copy: the key may be gone when somebody goes on from here */
		scan->last = kvs_key_slice(k);
		memcpy(scan->last_mem, scan->last.p, scan->last.len);
		scan->last.p = scan->last_mem;
	}
}

/* ---------------------------------------------------------------- inspection */

uint64_t
kvs_shard_key_cnt(const struct kvs_shard *s)
{
	return s->index.cnt;
}

size_t
kvs_shard_used_bytes(const struct kvs_shard *s)
{
	return heap_used_bytes(s->heap);
}
