/* SPDX-License-Identifier: Apache-2.0 */
/* session_op.c - the operations of function.h: what is held, on top of what the store has
 *
 *   base         kind       a key reads as
 *   STORE        NONE       what the store has
 *   STORE        STRING     the store's number + sum
 *   STORE        SET, MAP   the store's elements and ours
 *   VALUE        STRING     the value, or if summed value + sum
 *   ABSENT       NONE       absent
 *   ABSENT       STRING ..  only what is ours
 *
 * A write that needs another kind than the key has is MB_ERR_TYPE: at once if we can see it (our
 * own writes, or the cache has the key), else when it is published.
 */
#include <stdio.h>
#include <string.h>

#include "compiler.h"
#include "gset.h"
#include "hash.h"
#include "lattice.h"
#include "map.h"
#include "microburst/error.h"
#include "session_int.h"
#include "strval.h"

static int
key_check(struct session *s, struct slice key)
{
	if (unlikely(key.len == 0)) {
		return refuse(s, MB_ERR_INVALID, "a key is empty");
	}
	if (unlikely(key.len > KEY_BYTES_MAX)) {
		return refuse(s, MB_ERR_TOO_LARGE, "a key may have 1,024 bytes");
	}
	return 0;
}

static int
elem_check(struct session *s, struct slice name)
{
	return name.len <= KEY_BYTES_MAX
		       ? 0
		       : refuse(s, MB_ERR_TOO_LARGE, "a member or field may have 1,024 bytes");
}

static int
wrong_type(struct session *s)
{
	return refuse(s, MB_ERR_TYPE, "the key holds another type");
}

/* Finds what is held under a key, if anything of it changes what is read. */
static struct held_key *
held_over(struct session *s, uint64_t hash, struct slice key)
{
	struct held_key *k = held_find(s, hash, key);

	return k != NULL && (k->base != BASE_STORE || k->kind != KIND_NONE) ? k : NULL;
}

/* Checks that operations of a kind can be merged into what a key is, as far as can be seen for
 * nothing. */
static int
kind_check(struct session *s, struct held_key *k, enum held_kind kind)
{
	struct cache_value v;
	enum held_kind stored;

	if (k->kind == KIND_NONE && k->base == BASE_STORE) {
		int n = read_value(s, k->hash, slice_of(k->p, k->len), READ_PEEK, &v);

		if (n < 0) {
			return n;
		}
		if (n == CACHE_HIT) {
			stored = read_kind(&v);
			cache_view_release(s->conf.view, &v);
			if (stored != KIND_NONE && stored != kind) {
				return wrong_type(s);
			}
		}
	}
	return k->kind == KIND_NONE || k->kind == kind ? 0 : wrong_type(s);
}

/* ---------------------------------------------------------------- strings */

/* Reads text as the store would: as the state that a put of it makes. */
static int
text_i64(struct slice text, int64_t *ret)
{
	uint8_t buf[VIEW_TEXT_MAX + 8];
	struct wbuf state = wbuf_init(buf, sizeof(buf));

	if (text.len > VIEW_TEXT_MAX || strval_delta_set(text, &state) != 0) {
		return MB_ERR_TYPE;
	}
	return strval_i64(wbuf_slice(&state), ret);
}

static int
stored_i64(struct session *s, uint64_t hash, struct slice key, enum read_how how, int64_t *ret)
{
	struct cache_value v;
	int n = read_value(s, hash, key, how, &v);

	if (n != CACHE_HIT) {
		return n < 0 ? n : MB_ERR_NOT_FOUND;
	}
	n = view_i64(v.type, v.state, ret);
	cache_view_release(s->conf.view, &v);
	return n;
}

/* The number under k as this call sees it, n added. */
static int
held_i64(struct session *s, const struct held_key *k, enum read_how how, int64_t n, int64_t *ret)
{
	int64_t base = 0;
	int64_t sum;
	int err = 0;

	if (k->kind == KIND_SET || k->kind == KIND_MAP) {
		return wrong_type(s);
	}
	if (k->base == BASE_VALUE) {
		err = text_i64(slice_of(k->value.p, k->value.len), &base);
	} else if (k->base == BASE_STORE) {
		err = stored_i64(s, k->hash, slice_of(k->p, k->len), how, &base);
		err = err == MB_ERR_NOT_FOUND ? 0 : err;
	}
	if (err != 0) {
		return err == MB_ERR_TYPE ? refuse(s, err, "the value is not an integer") : err;
	}
	if (__builtin_add_overflow(k->sum, n, &sum) || __builtin_add_overflow(base, sum, &sum)) {
		return refuse(s, MB_ERR_TOO_LARGE, "the sum is beyond 64 bits");
	}
	*ret = sum;
	return 0;
}

/* Shows a number as text, which is a view like others. */
static int
show_number(struct session *s, uint64_t hash, int64_t x, struct slice *ret)
{
	struct view *v = view_new(s);

	if (v == NULL) {
		return MB_ERR_TOO_LARGE;
	}
	*ret = slice_of(v->text, (size_t)snprintf(v->text, sizeof(v->text), "%lld", (long long)x));
	view_put(s, v, hash);
	return 0;
}

static int
held_get(struct session *s, struct held_key *k, struct slice *ret)
{
	int64_t x;
	int err;

	if (k->base == BASE_VALUE && !k->summed) {
		k->value.shown = true;
		*ret = slice_of(k->value.p, k->value.len);
		return 0;
	}
	if (k->kind == KIND_NONE) { /* deleted, and nothing since */
		return MB_ERR_NOT_FOUND;
	}
	err = held_i64(s, k, READ_FETCH, 0, &x);
	return err != 0 ? err : show_number(s, k->hash, x, ret);
}

int
session_get(struct session *s, struct slice key, struct slice *ret)
{
	uint64_t hash = hash_bytes(key.p, key.len);
	struct held_key *k;
	struct view *v;
	int n = key_check(s, key);

	if (unlikely(n != 0)) {
		return n;
	}
	k = held_over(s, hash, key);
	if (k != NULL) {
		return held_get(s, k, ret);
	}
	n = read_view(s, hash, key, &v);
	if (n != CACHE_HIT) {
		return n < 0 ? n : MB_ERR_NOT_FOUND;
	}
	n = view_text(v->value.type, v->value.state, v->text, ret);
	return n == MB_ERR_TYPE ? wrong_type(s) : n;
}

int
session_get_i64(struct session *s, struct slice key, int64_t *ret)
{
	uint64_t hash = hash_bytes(key.p, key.len);
	struct held_key *k;
	int err = key_check(s, key);

	if (unlikely(err != 0)) {
		return err;
	}
	k = held_over(s, hash, key);
	if (k == NULL) {
		err = stored_i64(s, hash, key, READ_FETCH, ret);
		return err == MB_ERR_TYPE ? refuse(s, err, "the value is not an integer") : err;
	}
	if (k->base == BASE_ABSENT && k->kind == KIND_NONE) {
		return MB_ERR_NOT_FOUND;
	}
	return held_i64(s, k, READ_FETCH, 0, ret);
}

int
session_put(struct session *s, struct slice key, struct slice value)
{
	struct held_key *k;
	int err = key_check(s, key);

	if (err == 0) {
		err = held_write(s, key, &k);
	}
	if (err == 0) {
		err = held_value_set(s, &k->value, value);
	}
	if (err == 0) {
		held_reset(s, k, BASE_VALUE);
	}
	return err;
}

int
session_delete(struct session *s, struct slice key)
{
	struct held_key *k;
	int err = key_check(s, key);

	if (err == 0) {
		err = held_write(s, key, &k);
	}
	if (err == 0) {
		held_reset(s, k, BASE_ABSENT);
	}
	return err;
}

int
session_incr(struct session *s, struct slice key, int64_t n, int64_t *ret_sum)
{
	struct held_key *k;
	int64_t shown = 0, sum;
	int err = key_check(s, key);

	if (err == 0) {
		err = held_write(s, key, &k);
	}
	if (err == 0) {
		err = kind_check(s, k, KIND_STRING);
	}
	/* What can be seen for nothing is looked at once; what the caller asks for is fetched. */
	if (err == 0 && (ret_sum != NULL || !k->summed || k->base != BASE_STORE)) {
		err = held_i64(s, k, ret_sum != NULL ? READ_FETCH : READ_PEEK, n, &shown);
	}
	if (err == 0 && __builtin_add_overflow(k->sum, n, &sum)) {
		err = refuse(s, MB_ERR_TOO_LARGE, "the sum is beyond 64 bits");
	}
	if (err != 0) {
		return err;
	}
	k->kind = KIND_STRING;
	k->summed = true;
	k->sum = sum;
	if (ret_sum != NULL) {
		*ret_sum = shown;
	}
	return 0;
}

/* -------------------------------------------------------------------- sets */

int
session_sadd(struct session *s, struct slice key, struct slice member)
{
	struct held_key *k;
	struct held_elem *e;
	int err = key_check(s, key);

	if (err == 0) {
		err = elem_check(s, member);
	}
	if (err == 0) {
		err = held_write(s, key, &k);
	}
	if (err == 0) {
		err = kind_check(s, k, KIND_SET);
	}
	if (err == 0) {
		err = held_elem_add(s, k, member, &e);
	}
	if (err == 0) {
		k->kind = KIND_SET;
	}
	return err;
}

/* Splits the set at key into what is held and what is stored. Stored is asked for only if it
 * counts. Returns: 0, *ret_k NULL or the held part, *ret_stored the set's state (empty: none) in
 * *v, which is to be released if *ret_hit. */
static int
set_parts(struct session *s, struct slice key, struct held_key **ret_k, struct cache_value *v,
	  bool *ret_hit)
{
	uint64_t hash = hash_bytes(key.p, key.len);
	struct held_key *k = held_over(s, hash, key);
	enum held_kind stored;
	int n;

	*ret_k = k;
	*ret_hit = false;
	if (k != NULL && (k->base == BASE_VALUE || (k->kind != KIND_SET && k->kind != KIND_NONE))) {
		return wrong_type(s);
	}
	if (k != NULL && k->base == BASE_ABSENT) {
		return 0;
	}
	n = read_value(s, hash, key, READ_FETCH, v);
	if (n != CACHE_HIT) {
		return n < 0 ? n : 0;
	}
	stored = read_kind(v);
	if (stored != KIND_SET) {
		cache_view_release(s->conf.view, v);
		return stored == KIND_NONE ? 0 : wrong_type(s);
	}
	*ret_hit = true;
	return 0;
}

int
session_sismember(struct session *s, struct slice key, struct slice member, bool *ret)
{
	struct cache_value v;
	struct held_key *k;
	bool hit;
	int err = key_check(s, key);

	if (err == 0) {
		err = elem_check(s, member);
	}
	if (err == 0) {
		err = set_parts(s, key, &k, &v, &hit);
	}
	if (err != 0) {
		return err;
	}
	*ret = (hit && gset_has(v.state, member)) ||
	       (k != NULL && held_elem_find(s, k, member) != NULL);
	if (hit) {
		cache_view_release(s->conf.view, &v);
	}
	return 0;
}

int
session_scard(struct session *s, struct slice key, uint64_t *ret)
{
	struct cache_value v;
	struct held_key *k;
	uint64_t cnt = 0;
	bool hit;
	int err = key_check(s, key);

	if (err == 0) {
		err = set_parts(s, key, &k, &v, &hit);
	}
	if (err != 0) {
		return err;
	}
	for (uint32_t i = k != NULL ? k->elem_first : 0; i != 0; i = s->elem[i - 1].sibling) {
		const struct held_elem *e = &s->elem[i - 1];

		cnt += !hit || !gset_has(v.state, slice_of(e->p, e->len));
	}
	if (hit) {
		cnt += gset_cnt(v.state);
		cache_view_release(s->conf.view, &v);
	}
	*ret = cnt;
	return 0;
}

int
session_set_begin(struct session *s, struct slice key, struct session_iter *ret)
{
	struct session_iter it = { .stored = slice_of(NULL, 0) };
	struct cache_value v;
	struct held_key *k;
	struct view *view;
	bool hit;
	int n = key_check(s, key);

	if (n == 0) {
		n = set_parts(s, key, &k, &v, &hit);
	}
	if (n != 0) {
		return n;
	}
	it.elem = k != NULL ? k->elem_first : 0;
	it.turn = s->elems.turn;
	if (hit) { /* once more, to keep */
		cache_view_release(s->conf.view, &v);
		n = read_view(s, hash_bytes(key.p, key.len), key, &view);
		if (n < 0) {
			return n;
		}
		if (n == CACHE_HIT && read_kind(&view->value) == KIND_SET) {
			it.stored = view->value.state;
		}
	}
	*ret = it;
	return 0;
}

bool
session_set_next(struct session *s, struct session_iter *it, struct slice *ret_member)
{
	if (gset_at(it->stored, it->idx, ret_member)) {
		it->idx++;
		return true;
	}
	while (it->elem != 0 && it->turn == s->elems.turn) {
		const struct held_elem *e = &s->elem[it->elem - 1];

		it->elem = e->sibling;
		*ret_member = slice_of(e->p, e->len);
		if (!gset_has(it->stored, *ret_member)) {
			return true;
		}
	}
	return false;
}

/* -------------------------------------------------------------------- maps */

int
session_map_put(struct session *s, struct slice key, struct slice field, struct slice value)
{
	struct held_key *k;
	struct held_elem *e;
	struct held_value v;
	int err = key_check(s, key);

	if (err == 0) {
		err = elem_check(s, field);
	}
	if (err == 0) {
		err = held_write(s, key, &k);
	}
	if (err == 0) {
		err = kind_check(s, k, KIND_MAP);
	}
	if (err != 0) {
		return err;
	}
	/* The value first: a field that is added has one. */
	e = held_elem_find(s, k, field);
	v = e != NULL ? e->value : (struct held_value){ .p = NULL };
	err = held_value_set(s, &v, value);
	if (err == 0) {
		err = held_elem_add(s, k, field, &e);
	}
	if (err == 0) {
		e->value = v;
		k->kind = KIND_MAP;
	}
	return err;
}

static int
stored_field(struct session *s, uint64_t hash, struct slice key, struct slice field,
	     struct slice *ret)
{
	char text[VIEW_TEXT_MAX];
	struct map_field f;
	struct view *v;
	int64_t x;
	int n = read_view(s, hash, key, &v);

	if (n != CACHE_HIT) {
		return n < 0 ? n : MB_ERR_NOT_FOUND;
	}
	switch (read_kind(&v->value)) {
	case KIND_NONE:
		return MB_ERR_NOT_FOUND;
	case KIND_MAP:
		break;
	default:
		return wrong_type(s);
	}
	if (!map_get(v->value.state, field, &f)) {
		return MB_ERR_NOT_FOUND;
	}
	n = view_text(f.type, f.value, text, ret);
	if (n == 0 && ret->p == (const uint8_t *)text) {
		n = view_i64(f.type, f.value, &x);
		return n != 0 ? n : show_number(s, hash, x, ret);
	}
	return n == MB_ERR_TYPE ? wrong_type(s) : n;
}

int
session_map_get(struct session *s, struct slice key, struct slice field, struct slice *ret)
{
	uint64_t hash = hash_bytes(key.p, key.len);
	struct held_elem *e;
	struct held_key *k;
	int err = key_check(s, key);

	if (err == 0) {
		err = elem_check(s, field);
	}
	if (err != 0) {
		return err;
	}
	k = held_over(s, hash, key);
	if (k != NULL && (k->base == BASE_VALUE || (k->kind != KIND_MAP && k->kind != KIND_NONE))) {
		return wrong_type(s);
	}
	e = k != NULL ? held_elem_find(s, k, field) : NULL;
	if (e != NULL) {
		e->value.shown = true;
		*ret = slice_of(e->value.p, e->value.len);
		return 0;
	}
	if (k != NULL && k->base == BASE_ABSENT) {
		return MB_ERR_NOT_FOUND;
	}
	return stored_field(s, hash, key, field, ret);
}
