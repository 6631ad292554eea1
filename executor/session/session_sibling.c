/* SPDX-License-Identifier: Apache-2.0 */
/* session_sibling.c - values that stay beside each other until somebody has seen them all
 *
 * What a call has of such a key is one value, with what it had seen when it wrote it (seen.h). It
 * is held as the key's one element, whose name is that of the merge; of no merge, the empty name.
 * Its base is BASE_VALUE, a write; or BASE_STORE, what a merge made of the siblings that are
 * stored, which is no write but takes their place.
 *
 * Seen is what the call has views of: the siblings that it was shown and has not let go of.
 *
 * Merging calls the user's function, which asks for room for what it makes (merge_out): two places
 * take turns, so that a hundred siblings need not a hundred places.
 */
#include <string.h>

#include "compiler.h"
#include "envelope.h"
#include "hash.h"
#include "history.h"
#include "microburst/error.h"
#include "mvreg.h"
#include "seen.h"
#include "session_int.h"

/* What is stored under a key. */
struct stored {
	struct slice name, mvreg;
	struct stamp epoch;
	uint32_t view; /* the mark of what holds them; 0: nothing */
};

static struct held_elem *
own_of(struct session *s, const struct held_key *k)
{
	uint32_t at = 0;

	return k != NULL && k->kind == KIND_SIBLING ? held_elem_next(s, k, &at) : NULL;
}

static bool
stored_open(const struct cache_value *v, struct stored *ret)
{
	struct envelope e;

	if (!merged_by(v->type, v->state, &ret->name, &ret->mvreg) ||
	    envelope_open(v->envelope, &e) != 0) {
		return false;
	}
	ret->epoch = e.epoch;
	return true;
}

/* Looks at what is stored, if it counts; the view stays. Nothing there: an empty mvreg. */
static int
stored_read(struct session *s, uint64_t hash, struct slice key, const struct held_key *k,
	    struct stored *ret)
{
	struct view *v;
	int n;

	*ret = (struct stored){ .mvreg = slice_of(NULL, 0) };
	if (k != NULL && k->base != BASE_STORE) {
		return k->base == BASE_VALUE ? op_wrong_type(s) : 0;
	}
	n = read_view(s, hash, key, &v);
	if (n != CACHE_HIT || read_kind(&v->value) == KIND_NONE) {
		return n < 0 ? n : 0;
	}
	ret->view = view_mark(s, v);
	return stored_open(&v->value, ret) ? 0 : op_wrong_type(s);
}

/* Adds a history to what was seen, in mem; of a later epoch than all before it is all. */
static int
seen_add(struct seen *seen, struct slice history, struct stamp epoch,
	 uint8_t mem[2 * SEEN_CONTEXT_MAX])
{
	struct wbuf out =
		wbuf_init(mem + seen->context.len, 2 * SEEN_CONTEXT_MAX - seen->context.len);
	int newer = stamp_cmp(epoch, seen->epoch);
	int err;

	if (newer < 0) {
		return 0;
	}
	if (newer > 0) {
		seen->epoch = epoch;
		seen->context = slice_of(mem, 0);
		out = wbuf_init(mem, 2 * SEEN_CONTEXT_MAX);
	}
	err = history_join(seen->context, history, &out);
	if (err == 0 && out.len > SEEN_CONTEXT_MAX) {
		err = MB_ERR_TOO_LARGE;
	}
	if (err == 0) {
		memmove(mem, out.p, out.len);
		seen->context = slice_of(mem, out.len);
	}
	return err;
}

static int
seen_add_all(struct seen *seen, const struct stored *stored, uint8_t mem[2 * SEEN_CONTEXT_MAX])
{
	uint8_t all_mem[2 * SEEN_CONTEXT_MAX];
	struct seen all;
	int err = seen_of(stored->mvreg, stored->epoch, all_mem, &all);

	return err != 0 ? err : seen_add(seen, all.context, all.epoch, mem);
}

/* All siblings that this call has a view of. */
static int
seen_by_views(struct session *s, uint64_t hash, struct seen *seen,
	      uint8_t mem[2 * SEEN_CONTEXT_MAX])
{
	struct stored stored = { .mvreg = slice_of(NULL, 0) };
	int err = 0;

	for (uint32_t i = *chain_head(&s->views, hash); err == 0 && i != 0;
	     i = s->view[i - 1].next) {
		const struct view *v = &s->view[i - 1];

		if (v->hash == hash && v->value.version != 0 && stored_open(&v->value, &stored)) {
			err = seen_add_all(seen, &stored, mem);
		}
	}
	return err;
}

static int
seen_by_own(const struct held_elem *own, struct seen *seen, uint8_t mem[2 * SEEN_CONTEXT_MAX])
{
	struct seen before;
	int err = 0;

	if (own != NULL) {
		err = seen_open(slice_of(own->value.p, own->value.len), &before);
		err = err == 0 ? seen_add(seen, before.context, before.epoch, mem) : err;
	}
	return err;
}

/* Holds a value with what was seen. */
static int
hold(struct session *s, struct held_key *k, struct slice name, enum held_base base,
     const struct seen *seen)
{
	struct held_elem *e = own_of(s, k);
	struct held_value v = e != NULL ? e->value : (struct held_value){ .p = NULL };
	struct wbuf tail;
	int err = held_value_take(s, &v, seen->value.len, seen->context.len + SEEN_OVERHEAD);

	if (err == 0) {
		err = held_elem_add(s, k, name, &e);
	}
	if (err != 0) {
		return err;
	}
	if (seen->value.len != 0) {
		memmove(v.p, seen->value.p, seen->value.len);
	}
	tail = wbuf_init(v.p + seen->value.len, v.len - seen->value.len);
	err = seen_put_tail(&tail, seen);
	if (err == 0) {
		e->value = v;
		e->base = (uint8_t)base;
		k->kind = KIND_SIBLING;
	}
	return err;
}

/* The entry of a write. */
static int
write_begin(struct session *s, struct slice key, struct slice name, struct held_key **ret)
{
	const struct held_elem *own;
	int err = op_write(s, key, name, KIND_SIBLING, ret);

	if (err != 0) {
		return err;
	}
	own = own_of(s, *ret);
	return own == NULL || slice_eq(slice_of(own->p, own->len), name)
		       ? 0
		       : refuse(s, MB_ERR_TYPE, "the key's siblings have another merge");
}

int
session_put_sibling(struct session *s, struct slice key, struct slice value)
{
	const struct slice none = slice_of(NULL, 0);
	uint8_t mem[2 * SEEN_CONTEXT_MAX];
	struct seen seen = { .value = value };
	struct held_key *k;
	int err = write_begin(s, key, none, &k);

	if (err == 0) {
		err = seen_by_own(own_of(s, k), &seen, mem);
	}
	if (err == 0) {
		err = seen_by_views(s, k->hash, &seen, mem);
	}
	return err != 0 ? err : hold(s, k, none, BASE_VALUE, &seen);
}

/* ------------------------------------------------------------------ reading */

int
sibling_get(struct session *s, struct held_key *k, struct slice *ret)
{
	struct held_elem *own = own_of(s, k);
	struct seen seen;
	int err = seen_open(slice_of(own->value.p, own->value.len), &seen);

	if (err == 0) {
		own->value.shown = true;
		*ret = seen.value;
	}
	return err;
}

/* What is there, stored and own: *ret_own NULL, or what the call holds, and *ret_seen with it. */
static int
read_both(struct session *s, struct slice key, struct stored *ret_stored,
	  struct held_elem **ret_own, struct seen *ret_seen)
{
	uint64_t hash = hash_bytes(key.p, key.len);
	struct held_key *k;
	int err = op_key_check(s, key);

	if (err != 0) {
		return err;
	}
	k = op_held(s, hash, key);
	if (k != NULL && k->kind != KIND_SIBLING && k->kind != KIND_NONE) {
		return op_wrong_type(s);
	}
	err = stored_read(s, hash, key, k, ret_stored);
	*ret_own = own_of(s, k);
	if (err == 0 && *ret_own != NULL) {
		err = seen_open(slice_of((*ret_own)->value.p, (*ret_own)->value.len), ret_seen);
	}
	return err;
}

int
session_sibling_begin(struct session *s, struct slice key, struct session_iter *ret)
{
	struct session_iter it = { .turn = s->elems.turn };
	struct held_elem *own = NULL;
	struct stored stored = { .mvreg = slice_of(NULL, 0) };
	struct seen seen;
	int err = read_both(s, key, &stored, &own, &seen);

	if (err != 0) {
		return err;
	}
	it.stored = stored.mvreg;
	it.view = stored.view;
	if (own != NULL) {
		it.key = own->key;
		it.type = stamp_cmp(seen.epoch, stored.epoch) == 0; /* what it says counts here */
	}
	*ret = it;
	return 0;
}

bool
session_sibling_next(struct session *s, struct session_iter *it, struct slice *ret_value)
{
	struct mvreg_sibling sib;
	struct seen seen = { .context = slice_of(NULL, 0) };
	struct held_elem *own;

	if (!op_iter_on(s, it)) {
		return false;
	}
	own = it->key != 0 ? own_of(s, &s->key[it->key - 1]) : NULL;
	if (own != NULL && seen_open(slice_of(own->value.p, own->value.len), &seen) != 0) {
		return false;
	}
	while (mvreg_next(it->stored, &it->walk.idx, &sib)) {
		if (own == NULL || it->type == 0 || !history_leq(sib.history, seen.context)) {
			*ret_value = sib.value;
			return true;
		}
	}
	if (own == NULL || it->elem != 0) {
		return false;
	}
	it->elem = 1; /* it was shown */
	own->value.shown = true;
	*ret_value = seen.value;
	return true;
}

/* ------------------------------------------------------------------ merging */

/* The merge so far. */
struct fold {
	struct session *s;
	const struct merge_fn *by;
	uint32_t cnt; /* of values merged */
	struct slice so_far;
	struct held_value place[2];
};

static int
fold_add(struct fold *f, struct slice value)
{
	struct held_value *place = &f->place[f->cnt & 1];
	int err;

	if (f->cnt++ == 0) {
		f->so_far = value;
		return 0;
	}
	err = f->by->run(f->by->ctx, f->s, f->so_far, value, place);
	if (err != 0 && err != MB_ERR_TOO_LARGE && err != MB_ERR_NO_MEMORY) {
		return refuse(f->s, MB_ERR_FUNCTION_FAILED, "the merge refused two values");
	}
	if (err == 0) {
		f->so_far = slice_of(place->p, place->len);
	}
	return err;
}

int
session_place_take(struct session *s, struct held_value *place, size_t len, uint8_t **ret)
{
	int err = held_value_take(s, place, len, 0);

	if (err == 0) {
		*ret = place->p;
	}
	return err;
}

/* Merges all that a key shows, and into it value, if that is not NULL. */
static int
fold_all(struct session *s, struct slice key, const struct merge_fn *by, const struct slice *value,
	 struct fold *ret, struct seen *ret_seen, uint8_t mem[2 * SEEN_CONTEXT_MAX],
	 bool *ret_write)
{
	struct seen own_seen = { .context = slice_of(NULL, 0) };
	struct fold f = { .s = s, .by = by };
	struct mvreg_sibling sib;
	struct held_elem *own = NULL;
	struct stored stored = { .mvreg = slice_of(NULL, 0) };
	int err = read_both(s, key, &stored, &own, &own_seen);

	if (err == 0 && ((own != NULL && !slice_eq(slice_of(own->p, own->len), by->name)) ||
			 (stored.mvreg.len != 0 && !slice_eq(stored.name, by->name)))) {
		err = refuse(s, MB_ERR_TYPE, "the key's siblings have another merge");
	}
	for (uint32_t i = 0; err == 0 && mvreg_next(stored.mvreg, &i, &sib);) {
		if (own == NULL || !seen_covers(&own_seen, stored.epoch, &sib)) {
			err = fold_add(&f, sib.value);
		}
	}
	if (err == 0 && own != NULL) {
		own->value.shown = true;
		err = fold_add(&f, own_seen.value);
	}
	if (err == 0 && value != NULL) {
		err = fold_add(&f, *value);
	}
	if (err == 0) {
		err = seen_by_own(own, ret_seen, mem);
	}
	if (err == 0) {
		err = seen_add_all(ret_seen, &stored, mem);
	}
	ret_seen->value = f.so_far;
	*ret_write = value != NULL || (own != NULL && own->base == BASE_VALUE);
	*ret = f;
	return err;
}

int
session_put_merged(struct session *s, struct slice key, const struct merge_fn *by,
		   struct slice value)
{
	uint8_t mem[2 * SEEN_CONTEXT_MAX];
	struct seen seen = { .context = slice_of(NULL, 0) };
	struct held_key *k;
	struct fold f;
	bool write;
	int err = write_begin(s, key, by->name, &k);

	if (err == 0) {
		err = fold_all(s, key, by, &value, &f, &seen, mem, &write);
	}
	return err != 0 ? err : hold(s, k, by->name, BASE_VALUE, &seen);
}

int
session_get_merged(struct session *s, struct slice key, const struct merge_fn *by,
		   struct slice *ret)
{
	uint8_t mem[2 * SEEN_CONTEXT_MAX];
	struct seen seen = { .context = slice_of(NULL, 0) };
	struct held_key *k;
	struct fold f;
	bool write;
	int err = fold_all(s, key, by, NULL, &f, &seen, mem, &write);

	if (err == 0 && f.cnt == 0) {
		err = MB_ERR_NOT_FOUND;
	}
	if (err == 0 && f.cnt > 1 && !s->call.read_only && !s->quiet) {
		err = write_begin(s, key, by->name, &k);
		if (err == 0) {
			err = hold(s, k, by->name, write ? BASE_VALUE : BASE_STORE, &seen);
		}
	}
	if (err == 0) {
		*ret = f.so_far;
	}
	return err;
}
