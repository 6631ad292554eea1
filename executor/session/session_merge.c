/* SPDX-License-Identifier: Apache-2.0 */
/* session_merge.c - values that merge as they are
 *
 * What this call merged into a key is one value itself, the merge of them so far; what is read is
 * the merge of that and of what is stored. Of most types one of two wins, and nothing is copied; of
 * those that mix (clocks, pairs with a set) the mixture is made where own values lie. */
#include <string.h>

#include "compiler.h"
#include "copy.h"
#include "delta.h"
#include "hash.h"
#include "lattice.h"
#include "microburst/error.h"
#include "session_int.h"

/* A stored value of another of these types is of another type. */
static int
stored_check(struct session *s, const struct held_key *k, unsigned int type, struct slice value)
{
	struct slice own = slice_of(k->value.p, k->value.len);
	struct cache_value v;
	bool same;
	int n;

	if (k->kind == KIND_MERGE) {
		return k->type == type && delta_same_kind(type, own, value) ? 0 : op_wrong_type(s);
	}
	if (k->base != BASE_STORE) {
		return 0;
	}
	n = read_value(s, k->hash, slice_of(k->p, k->len), READ_PEEK, &v);
	if (n != CACHE_HIT) {
		return n < 0 ? n : 0;
	}
	same = read_kind(&v) == KIND_NONE ||
	       (v.type == type && delta_same_kind(type, v.state, value));
	cache_view_release(s->conf.view, &v);
	return same ? 0 : op_wrong_type(s);
}

int
session_merge(struct session *s, struct slice key, unsigned int type, struct slice value)
{
	struct wbuf out = wbuf_init(s->merge_mem, sizeof(s->merge_mem));
	struct held_key *k;
	int side = LATTICE_RIGHT;
	int err = op_write(s, key, slice_of(NULL, 0), KIND_MERGE, &k);

	if (err == 0) {
		err = stored_check(s, k, type, value);
	}
	if (err != 0) {
		return err;
	}
	if (k->kind == KIND_MERGE) {
		side = lattice_merge(type, slice_of(k->value.p, k->value.len), value, &out);
	}
	if (side < 0) {
		return refuse(s, side, "a call may merge 256 KiB into one key");
	}
	if (side == LATTICE_LEFT) {
		return 0;
	}
	err = held_value_set(s, &k->value, side == LATTICE_MIXED ? wbuf_slice(&out) : value);
	if (err == 0) {
		k->kind = KIND_MERGE;
		k->type = (uint8_t)type;
	}
	return err;
}

int
session_merge_tail(struct session *s, struct slice key, unsigned int type, struct slice value,
		   struct slice tail)
{
	struct held_value v = { .p = NULL };
	struct wbuf none = wbuf_init(NULL, 0);
	struct held_key *k;
	int side = LATTICE_RIGHT;
	int err = op_write(s, key, slice_of(NULL, 0), KIND_MERGE, &k);

	err = err != 0 ? err : stored_check(s, k, type, tail);
	err = err != 0 ? err : held_value_take(s, &v, value.len, tail.len);
	if (err != 0) {
		return err;
	}
	if (value.len != 0) {
		copy_bytes(v.p, value.p, value.len);
	}
	memcpy(v.p + value.len, tail.p, tail.len);
	if (k->kind == KIND_MERGE) { /* a chain: one of the two, and nothing mixed */
		side = lattice_merge(type, slice_of(k->value.p, k->value.len), slice_of(v.p, v.len),
				     &none);
	}
	if (side == LATTICE_RIGHT) {
		k->value = v;
		k->kind = KIND_MERGE;
		k->type = (uint8_t)type;
	}
	return side < 0 ? side : 0;
}

/* ------------------------------------------------------------------ reading */

/* The merge of two that are neither. It stays until the call ends. */
static int
mixed(struct session *s, unsigned int type, struct slice a, struct slice b, struct slice *ret)
{
	struct held_value v = { .p = NULL };
	struct wbuf out;
	int side, err = slice_is_tree(a) ? MB_ERR_TYPE
					 : held_value_take(s, &v, lattice_merge_bound(a, b), 0);

	if (err != 0) {
		return err;
	}
	out = wbuf_init(v.p, v.cap);
	side = lattice_merge(type, a, b, &out);
	*ret = wbuf_slice(&out);
	return side < 0 ? side : 0;
}

/* What a key shows that this call has merged into. */
static int
held_state(struct session *s, struct held_key *k, struct slice *ret)
{
	struct slice own = slice_of(k->value.p, k->value.len);
	struct wbuf none = wbuf_init(NULL, 0);
	struct view *v;
	int n = CACHE_ABSENT;

	if (k->base == BASE_STORE) {
		n = read_view(s, k->hash, slice_of(k->p, k->len), &v);
	}
	if (n < 0) {
		return n;
	}
	k->value.shown = true;
	*ret = own;
	if (n != CACHE_HIT || read_kind(&v->value) == KIND_NONE) {
		return 0;
	}
	if (v->value.type != k->type) {
		return op_wrong_type(s);
	}
	/* Without room a mixture is MB_ERR_TOO_LARGE. */
	switch (lattice_merge(k->type, v->value.state, own, &none)) {
	case LATTICE_LEFT:
		*ret = v->value.state;
		return 0;
	case LATTICE_RIGHT:
		return 0;
	default:
		return mixed(s, k->type, v->value.state, own, ret);
	}
}

int
session_merge_state(struct session *s, struct slice key, unsigned int *ret_type, struct slice *ret)
{
	uint64_t hash = hash_bytes(key.p, key.len);
	struct held_key *k;
	struct view *v;
	int n = op_key_check(s, key);

	if (n != 0) {
		return n;
	}
	k = op_held(s, hash, key);
	if (k != NULL) {
		if (k->kind != KIND_MERGE) {
			return k->kind == KIND_NONE && k->base == BASE_ABSENT ? MB_ERR_NOT_FOUND
									      : op_wrong_type(s);
		}
		*ret_type = k->type;
		return held_state(s, k, ret);
	}
	n = read_view(s, hash, key, &v);
	if (n != CACHE_HIT || read_kind(&v->value) == KIND_NONE) {
		return n < 0 ? n : MB_ERR_NOT_FOUND;
	}
	if (read_kind(&v->value) != KIND_MERGE) {
		return op_wrong_type(s);
	}
	*ret_type = v->value.type;
	*ret = v->value.state;
	return 0;
}

int
merge_get_i64(struct session *s, struct held_key *k, int64_t *ret)
{
	struct slice state;
	int err = held_state(s, k, &state);

	if (err == 0) {
		err = view_i64(k->type, state, ret);
	}
	return err == MB_ERR_TYPE ? refuse(s, err, "the value is not an integer") : err;
}

int
merge_get(struct session *s, struct held_key *k, struct slice *ret)
{
	struct slice state;
	struct view *v;
	int n = held_state(s, k, &state);

	if (n != 0) {
		return n;
	}
	v = view_new(s); /* a text is a view like others */
	if (v == NULL) {
		return MB_ERR_TOO_LARGE;
	}
	n = view_text(k->type, state, v->text, ret);
	view_put(s, v, k->hash);
	return n == MB_ERR_TYPE ? op_wrong_type(s) : n;
}
