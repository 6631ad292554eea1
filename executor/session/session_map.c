/* SPDX-License-Identifier: Apache-2.0 */
/* session_map.c - maps: each field is to its map what a key is to the store
 *
 *   base     summed   a field reads as
 *   STORE    no       (not held)
 *   STORE    yes      the stored number + sum
 *   VALUE    no, yes  the value; value + sum
 *   ABSENT   no, yes  absent; sum
 */
#include <string.h>

#include "clock.h"
#include "compiler.h"
#include "envelope.h"
#include "hash.h"
#include "lattice.h"
#include "map.h"
#include "microburst/error.h"
#include "session_int.h"

#define AT_TEXT "one call writes a field either at times or without"

/* Puts a value into a field that is held, or will be. */
static int
field_put(struct session *s, struct held_key *k, struct slice field, struct slice value,
	  struct held_elem **ret)
{
	/* The value first: a field that is put has one. */
	struct held_elem *e = held_elem_find(s, k, field);
	struct held_value v = e != NULL ? e->value : (struct held_value){ .p = NULL };
	int err = held_value_set(s, &v, value);

	if (err == 0) {
		err = held_elem_add(s, k, field, &e);
	}
	if (err == 0) {
		e->value = v;
		e->base = BASE_VALUE;
		e->summed = false;
		e->at = false;
		e->sum = 0;
		k->kind = KIND_MAP;
		*ret = e;
	}
	return err;
}

int
session_map_put(struct session *s, struct slice key, struct slice field, struct slice value)
{
	struct held_key *k;
	struct held_elem *e;
	int err = op_write(s, key, field, KIND_MAP, &k);

	return err == 0 ? field_put(s, k, field, value, &e) : err;
}

int
session_map_put_at(struct session *s, struct slice key, struct slice field, struct slice value,
		   uint64_t time_us)
{
	struct held_key *k;
	struct held_elem *e;
	int err = op_write(s, key, field, KIND_MAP, &k);

	if (err != 0) {
		return err;
	}
	e = held_elem_find(s, k, field);
	if (k->base != BASE_STORE || (e != NULL && !e->at)) {
		return refuse(s, MB_ERR_INVALID, AT_TEXT);
	}
	/* The later goes before, of equal times the greater, as in the store. */
	if (e != NULL &&
	    (time_us != e->time_us ? time_us < e->time_us
				   : slice_cmp(value, slice_of(e->value.p, e->value.len)) <= 0)) {
		return 0;
	}
	err = field_put(s, k, field, value, &e);
	if (err == 0) {
		e->at = true;
		e->time_us = time_us;
	}
	return err;
}

int
session_map_delete(struct session *s, struct slice key, struct slice field)
{
	struct held_key *k;
	struct held_elem *e;
	int err = op_write(s, key, field, KIND_MAP, &k);

	if (err == 0) {
		err = held_elem_add(s, k, field, &e);
	}
	if (err == 0) {
		e->base = BASE_ABSENT;
		e->summed = false;
		e->at = false;
		e->sum = 0;
		k->kind = KIND_MAP;
	}
	return err;
}

/* ------------------------------------------------------------------ reading */

/* A stored field, as its envelope shows it. */
static int
stored_field(const struct cache_value *v, bool hit, struct slice field, unsigned int *ret_type,
	     struct slice *ret_value)
{
	struct map_field f;

	return hit && map_get(v->state, field, &f) && map_field_value(&f, ret_type, ret_value)
		       ? 0
		       : MB_ERR_NOT_FOUND;
}

/* What is held of a field, if that is what counts: what was put at some time may be overtaken by
 * what is stored. */
static struct held_elem *
field_held(struct held_elem *e, const struct cache_value *v, bool hit)
{
	struct stamp at = { .writer = { 0 } };
	char text[VIEW_TEXT_MAX];
	struct slice value;
	struct envelope stored;
	struct map_field f;
	unsigned int type;
	bool ours;
	int diff;

	if (e == NULL || !e->at || !hit || !map_get(v->state, slice_of(e->p, e->len), &f) ||
	    f.type != LATTICE_ENVELOPE || envelope_open(f.value, &stored) != 0) {
		return e;
	}
	at.time = hlc_time_of_us(e->time_us);
	diff = stamp_cmp(at, stored.epoch);
	ours = diff != 0 ? diff > 0
			 : map_field_value(&f, &type, &value) &&
				   view_text(type, value, text, &value) == 0 &&
				   slice_cmp(slice_of(e->value.p, e->value.len), value) >= 0;
	return ours ? e : NULL;
}

/* The number in a field as this call sees it, n added; n alone if it is absent. */
static int
field_i64(struct session *s, const struct held_elem *e, const struct cache_value *v, bool hit,
	  struct slice field, int64_t n, int64_t *ret)
{
	enum held_base from = e != NULL ? (enum held_base)e->base : BASE_STORE;
	unsigned int type;
	struct slice value;
	int64_t base = 0, sum = e != NULL ? e->sum : 0;
	int err = 0;

	if (from == BASE_VALUE) {
		err = op_text_i64(slice_of(e->value.p, e->value.len), &base);
	} else if (from == BASE_STORE && stored_field(v, hit, field, &type, &value) == 0) {
		err = view_i64(type, value, &base);
	}
	if (err != 0) {
		return err == MB_ERR_TYPE ? refuse(s, err, "the field is not an integer") : err;
	}
	if (__builtin_add_overflow(sum, n, &sum) || __builtin_add_overflow(base, sum, ret)) {
		return refuse(s, MB_ERR_TOO_LARGE, "the sum is beyond 64 bits");
	}
	return 0;
}

int
session_map_incr(struct session *s, struct slice key, struct slice field, int64_t n,
		 int64_t *ret_sum)
{
	struct cache_value v;
	struct held_key *k;
	struct held_elem *e;
	int64_t shown = 0;
	bool hit = false;
	int err = op_write(s, key, field, KIND_MAP, &k);

	if (err != 0) {
		return err;
	}
	e = held_elem_find(s, k, field);
	if (e != NULL && e->at) {
		return refuse(s, MB_ERR_INVALID, AT_TEXT);
	}
	/* What can be seen for nothing is looked at; what the caller asks for is fetched. */
	if (k->base == BASE_STORE) {
		int found =
			read_value(s, k->hash, key, ret_sum != NULL ? READ_FETCH : READ_PEEK, &v);

		if (found < 0) {
			return found;
		}
		hit = found == CACHE_HIT;
	}
	if (hit && read_kind(&v) == KIND_MAP) {
		err = field_i64(s, held_elem_find(s, k, field), &v, true, field, n, &shown);
	} else {
		err = hit && read_kind(&v) != KIND_NONE ? op_wrong_type(s)
							: field_i64(s, held_elem_find(s, k, field),
								    &v, false, field, n, &shown);
	}
	if (hit) {
		cache_view_release(s->conf.view, &v);
	}
	if (err == 0) {
		err = held_elem_add(s, k, field, &e);
	}
	if (err == 0) {
		err = held_elem_sum(s, e, n);
	}
	if (err == 0) {
		k->kind = KIND_MAP;
		if (ret_sum != NULL) {
			*ret_sum = shown;
		}
	}
	return err;
}

/* Shows a field, a number at *at: what is held of it (e, or NULL), else what is stored. */
static int
field_show(struct session *s, struct text_place *at, struct held_elem *e,
	   const struct cache_value *v, bool hit, struct slice field, struct slice *ret)
{
	char text[VIEW_TEXT_MAX];
	unsigned int type;
	struct slice value;
	int64_t x;
	int err;

	e = field_held(e, v, hit);
	if (e != NULL && e->base == BASE_VALUE && !e->summed) {
		e->value.shown = true;
		*ret = slice_of(e->value.p, e->value.len);
		return 0;
	}
	if (e != NULL) {
		if (!e->summed) {
			return MB_ERR_NOT_FOUND;
		}
		err = field_i64(s, e, v, hit, field, 0, &x);
		return err != 0 ? err : op_show_at(s, at, x, ret);
	}
	err = stored_field(v, hit, field, &type, &value);
	if (err == 0) {
		err = view_text(type, value, text, ret);
	}
	if (err == 0 && ret->p >= (const uint8_t *)text &&
	    ret->p < (const uint8_t *)text + sizeof(text)) {
		err = view_i64(type, value, &x);
		return err != 0 ? err : op_show_at(s, at, x, ret);
	}
	return err == MB_ERR_TYPE ? op_wrong_type(s) : err;
}

int
session_map_get(struct session *s, struct slice key, struct slice field, struct slice *ret)
{
	struct text_place at = { .hash = hash_bytes(key.p, key.len) };
	struct cache_value none = { 0 };
	struct held_elem *e = NULL;
	struct held_key *k;
	struct view *v;
	int n = op_key_check(s, key);

	if (n == 0) {
		n = op_elem_check(s, KIND_MAP, field);
	}
	if (n != 0) {
		return n;
	}
	k = op_held(s, at.hash, key);
	if (k != NULL && (k->base == BASE_VALUE || (k->kind != KIND_MAP && k->kind != KIND_NONE))) {
		return op_wrong_type(s);
	}
	e = k != NULL ? held_elem_find(s, k, field) : NULL;
	if ((e != NULL && e->base != BASE_STORE && !e->at) ||
	    (k != NULL && k->base == BASE_ABSENT)) {
		return field_show(s, &at, e, &none, false, field, ret);
	}
	n = read_view(s, at.hash, key, &v);
	if (n < 0) {
		return n;
	}
	if (n == CACHE_HIT && read_kind(&v->value) != KIND_MAP &&
	    read_kind(&v->value) != KIND_NONE) {
		return op_wrong_type(s);
	}
	return n == CACHE_HIT ? field_show(s, &at, e, &v->value, read_kind(&v->value) == KIND_MAP,
					   field, ret)
			      : field_show(s, &at, e, &none, false, field, ret);
}

static int
field_adds(struct held_elem *e, const struct cache_value *stored)
{
	bool hit = stored != NULL;
	unsigned int type;
	struct slice value;
	bool counts = field_held(e, stored, hit) != NULL;
	bool there = stored_field(stored, hit, slice_of(e->p, e->len), &type, &value) == 0;
	bool gone = e->base == BASE_ABSENT && !e->summed;

	return (counts && !gone && !there) - (gone && there);
}

int
session_map_cnt(struct session *s, struct slice key, uint64_t *ret)
{
	return op_count(s, key, KIND_MAP, field_adds, ret);
}

/* ------------------------------------------------------------------ walking */

int
session_map_begin(struct session *s, struct slice key, struct session_iter *ret)
{
	return op_iter_begin(s, key, KIND_MAP, ret);
}

bool
session_map_next(struct session *s, struct session_iter *it, struct slice *ret_field,
		 struct slice *ret_value, int *ret_err)
{
	struct cache_value v = { .type = it->type, .state = it->stored };
	struct held_elem *e;
	struct map_field f;
	struct held_key *k;
	struct text_place at = { .mark = it->last };

	*ret_err = 0;
	if (!op_iter_on(s, it)) {
		return false;
	}
	k = it->key != 0 ? &s->key[it->key - 1] : NULL;
	at.hash = k != NULL ? k->hash : it->view != 0 ? view_marked(s, it->view)->hash : 0;
	while (map_next(it->stored, &it->walk, &f)) {
		e = k != NULL ? held_elem_find(s, k, f.key) : NULL;
		*ret_err = field_show(s, &at, e, &v, true, f.key, ret_value);
		it->last = at.mark;
		if (*ret_err == 0) {
			*ret_field = f.key;
			return true;
		}
		if (*ret_err != MB_ERR_NOT_FOUND) {
			return false;
		}
	}
	while (k != NULL && (e = held_elem_next(s, k, &it->elem)) != NULL) {
		struct slice name = slice_of(e->p, e->len);

		if (map_get(it->stored, name, &f)) {
			unsigned int type;
			struct slice value;

			if (map_field_value(&f, &type, &value)) {
				continue; /* it was shown above */
			}
		}
		*ret_err = field_show(s, &at, e, &v, true, name, ret_value);
		it->last = at.mark;
		if (*ret_err == 0) {
			*ret_field = name;
			return true;
		}
		if (*ret_err != MB_ERR_NOT_FOUND) {
			return false;
		}
	}
	*ret_err = 0;
	it->key = 0;
	return false;
}
