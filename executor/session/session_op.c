/* SPDX-License-Identifier: Apache-2.0 */
/* session_op.c - the operations of function.h: what is held, on top of what the store has
 *
 *   base         kind       a key reads as
 *   STORE        NONE       what the store has
 *   STORE        STRING     the store's number + sum
 *   STORE        SET, MAP   the store's elements and ours, without those we removed; so for
 *                LIST, ZSET
 *   VALUE        STRING     the value, or if summed value + sum
 *   ABSENT       NONE       absent
 *   ABSENT       STRING ..  only what is ours
 *
 * A write that needs another kind than the key has is MB_ERR_TYPE: at once if we can see it (our
 * own writes, or the cache has the key), else when it is published. A collection that this call
 * empties reads absent, but takes no other kind before it is published.
 */
#include <stdio.h>
#include <string.h>

#include "compiler.h"
#include "envelope.h"
#include "hash.h"
#include "lattice.h"
#include "microburst/error.h"
#include "session_int.h"
#include "strval.h"

int
op_key_check(struct session *s, struct slice key)
{
	if (unlikely(key.len == 0)) {
		return refuse(s, MB_ERR_INVALID, "a key is empty");
	}
	if (unlikely(key.len > KEY_BYTES_MAX)) {
		return refuse(s, MB_ERR_TOO_LARGE, "a key may have 1,024 bytes");
	}
	return 0;
}

/* Of a name that is longer than a key: members of sets may be. */
static int noinline __attribute__((__cold__))
long_elem_check(struct session *s, enum held_kind kind, size_t len)
{
	if (kind == KIND_SET) {
		return len <= VALUE_BYTES_MAX
			       ? 0
			       : refuse(s, MB_ERR_TOO_LARGE, "a member of a set may have 64 MiB");
	}
	return refuse(s, MB_ERR_TOO_LARGE,
		      kind == KIND_ZSET ? "a member of a sorted set may have 1,024 bytes"
					: "a field may have 1,024 bytes");
}

int
op_elem_check(struct session *s, enum held_kind kind, struct slice name)
{
	return likely(name.len <= KEY_BYTES_MAX) ? 0 : long_elem_check(s, kind, name.len);
}

int
op_wrong_type(struct session *s)
{
	return refuse(s, MB_ERR_TYPE, "the key holds another type");
}

struct held_key *
op_held(struct session *s, uint64_t hash, struct slice key)
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
				return op_wrong_type(s);
			}
		}
	}
	return k->kind == KIND_NONE || k->kind == kind ? 0 : op_wrong_type(s);
}

int
op_write(struct session *s, struct slice key, struct slice name, enum held_kind kind,
	 struct held_key **ret)
{
	int err = op_key_check(s, key);

	if (err == 0) {
		err = op_elem_check(s, kind, name);
	}
	if (err == 0) {
		err = held_write(s, key, ret);
	}
	return err != 0 ? err : kind_check(s, *ret, kind);
}

int
op_parts(struct session *s, struct slice key, enum held_kind kind, struct held_key **ret_held,
	 struct cache_value *v, bool *ret_hit)
{
	uint64_t hash = hash_bytes(key.p, key.len);
	struct held_key *k = op_held(s, hash, key);
	enum held_kind stored;
	int n;

	*ret_held = k;
	*ret_hit = false;
	if (k != NULL && (k->base == BASE_VALUE || (k->kind != kind && k->kind != KIND_NONE))) {
		return op_wrong_type(s);
	}
	if (k != NULL && k->base == BASE_ABSENT) {
		return 0;
	}
	n = read_value(s, hash, key, READ_FETCH, v);
	if (n != CACHE_HIT) {
		return n < 0 ? n : 0;
	}
	stored = read_kind(v);
	if (stored != kind) {
		cache_view_release(s->conf.view, v);
		return stored == KIND_NONE ? 0 : op_wrong_type(s);
	}
	*ret_hit = true;
	return 0;
}

int
op_count(struct session *s, struct slice key, enum held_kind kind,
	 int (*adds)(struct held_elem *e, const struct cache_value *stored), uint64_t *ret)
{
	struct cache_value v;
	struct held_key *k;
	struct held_elem *e;
	uint64_t cnt;
	uint32_t at = 0;
	bool hit;
	int err = op_key_check(s, key);

	if (err == 0) {
		err = op_parts(s, key, kind, &k, &v, &hit);
	}
	if (err != 0) {
		return err;
	}
	cnt = hit ? view_cnt(v.type, v.state) : 0;
	while (k != NULL && (e = held_elem_next(s, k, &at)) != NULL) {
		cnt += (uint64_t)(int64_t)adds(e, hit ? &v : NULL);
	}
	if (hit) {
		cache_view_release(s->conf.view, &v);
	}
	*ret = cnt;
	return 0;
}

int
op_iter_begin(struct session *s, struct slice key, enum held_kind kind, struct session_iter *ret)
{
	struct session_iter it = { .stored = slice_of(NULL, 0), .turn = s->elems.turn };
	struct cache_value v;
	struct held_key *k;
	struct view *view;
	bool hit;
	int n = op_key_check(s, key);

	if (n == 0) {
		n = op_parts(s, key, kind, &k, &v, &hit);
	}
	if (n != 0) {
		return n;
	}
	it.key = k != NULL ? (uint32_t)(k - s->key) + 1 : 0;
	if (hit) { /* once more, to keep */
		cache_view_release(s->conf.view, &v);
		n = read_view(s, hash_bytes(key.p, key.len), key, &view);
		if (n < 0) {
			return n;
		}
		if (n == CACHE_HIT && read_kind(&view->value) == kind) {
			it.stored = view->value.state;
			it.type = view->value.type;
			it.view = view_mark(s, view);
		}
	}
	*ret = it;
	return 0;
}

bool
op_iter_on(struct session *s, const struct session_iter *it)
{
	return it->turn == s->elems.turn && (it->view == 0 || view_marked(s, it->view) != NULL);
}

/* ---------------------------------------------------------------- strings */

/* As the state that a put of it makes. */
int
op_text_i64(struct slice text, int64_t *ret)
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

	if (k->kind > KIND_STRING) {
		return op_wrong_type(s);
	}
	if (k->base == BASE_VALUE) {
		err = op_text_i64(slice_of(k->value.p, k->value.len), &base);
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

/* The text is a view like others. */
int
op_show_at(struct session *s, struct text_place *at, int64_t x, struct slice *ret)
{
	struct view *v = at->mark != 0 ? view_marked(s, at->mark) : NULL;

	if (v == NULL) {
		v = view_new(s);
		if (v == NULL) {
			return MB_ERR_TOO_LARGE;
		}
		view_put(s, v, at->hash);
		at->mark = view_mark(s, v);
	}
	*ret = slice_of(v->text, (size_t)snprintf(v->text, sizeof(v->text), "%lld", (long long)x));
	return 0;
}

/* Shows a number as text. */
static int
op_show(struct session *s, uint64_t hash, int64_t x, struct slice *ret)
{
	struct text_place at = { .hash = hash };

	return op_show_at(s, &at, x, ret);
}

/* Whether this is a collection that this call took items from, and has none left: it reads
 * absent. */
static bool
emptied(struct session *s, const struct held_key *k)
{
	struct slice key = slice_of(k->p, k->len);
	uint64_t cnt = 1;
	int err;

	switch (k->kind) {
	case KIND_SET:
		err = session_scard(s, key, &cnt);
		break;
	case KIND_MAP:
		err = session_map_cnt(s, key, &cnt);
		break;
	case KIND_LIST:
		err = session_list_cnt(s, key, &cnt);
		break;
	case KIND_ZSET:
		err = session_zcard(s, key, &cnt);
		break;
	default:
		return false;
	}
	return err == 0 && cnt == 0;
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
	if (k->kind == KIND_MERGE) {
		return merge_get(s, k, ret);
	}
	if (k->kind == KIND_SIBLING) {
		return sibling_get(s, k, ret);
	}
	if (k->kind > KIND_STRING) {
		return emptied(s, k) ? MB_ERR_NOT_FOUND : op_wrong_type(s);
	}
	err = held_i64(s, k, READ_FETCH, 0, &x);
	return err != 0 ? err : op_show(s, k->hash, x, ret);
}

int
session_get(struct session *s, struct slice key, struct slice *ret)
{
	uint64_t hash = hash_bytes(key.p, key.len);
	struct held_key *k;
	struct view *v;
	int n = op_key_check(s, key);

	if (unlikely(n != 0)) {
		return n;
	}
	k = op_held(s, hash, key);
	if (k != NULL) {
		return held_get(s, k, ret);
	}
	n = read_view(s, hash, key, &v);
	if (n != CACHE_HIT) {
		return n < 0 ? n : MB_ERR_NOT_FOUND;
	}
	n = view_text(v->value.type, v->value.state, v->text, ret);
	return n == MB_ERR_TYPE ? op_wrong_type(s) : n;
}

int
session_get_i64(struct session *s, struct slice key, int64_t *ret)
{
	uint64_t hash = hash_bytes(key.p, key.len);
	struct held_key *k;
	int err = op_key_check(s, key);

	if (unlikely(err != 0)) {
		return err;
	}
	k = op_held(s, hash, key);
	if (k == NULL) {
		err = stored_i64(s, hash, key, READ_FETCH, ret);
		return err == MB_ERR_TYPE ? refuse(s, err, "the value is not an integer") : err;
	}
	if (k->base == BASE_ABSENT && k->kind == KIND_NONE) {
		return MB_ERR_NOT_FOUND;
	}
	if (k->kind == KIND_MERGE) {
		return merge_get_i64(s, k, ret);
	}
	if (k->kind == KIND_SIBLING) {
		return op_wrong_type(s);
	}
	if (k->kind > KIND_STRING && emptied(s, k)) {
		return MB_ERR_NOT_FOUND;
	}
	return held_i64(s, k, READ_FETCH, 0, ret);
}

static int
put(struct session *s, struct slice key, struct slice value, struct held_key **ret)
{
	int err = op_key_check(s, key);

	if (err == 0) {
		err = held_write(s, key, ret);
	}
	return err != 0 ? err : held_value_set(s, &(*ret)->value, value);
}

int
session_put(struct session *s, struct slice key, struct slice value)
{
	struct held_key *k;
	int err = put(s, key, value, &k);

	if (err == 0) {
		held_reset(s, k, BASE_VALUE);
	}
	return err;
}

int
session_put_keep(struct session *s, struct slice key, struct slice value)
{
	struct held_key *k;
	bool keep, expires;
	int err = put(s, key, value, &k);

	if (err == 0) {
		/* A put or a delete of this call took the stored one's away. */
		keep = k->base == BASE_STORE || (k->base == BASE_VALUE && k->keep);
		expires = k->expires;
		held_reset(s, k, BASE_VALUE);
		k->keep = keep;
		k->expires = expires;
	}
	return err;
}

int
session_delete(struct session *s, struct slice key)
{
	struct held_key *k;
	int err = op_key_check(s, key);

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
	int err = op_key_check(s, key);

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

/* ---------------------------------------------------------------- deadlines */

int
session_expire(struct session *s, struct slice key, int64_t at_us)
{
	const struct exec_wait *w = s->conf.wait;
	struct held_key *k;
	int err = op_key_check(s, key);

	if (err == 0 && at_us < 0) {
		err = refuse(s, MB_ERR_INVALID, "a time is not before 1970");
	}
	if (err == 0) {
		err = held_write(s, key, &k);
	}
	if (err == 0 && !k->expires) {
		err = held_more(s, k);
	}
	if (err != 0) {
		return err;
	}
	if (at_us != 0 && (uint64_t)at_us <= w->wall_us(w->ctx)) { /* it has ended */
		held_reset(s, k, BASE_ABSENT);
		return 0;
	}
	k->expires = true;
	k->expire_us = at_us;
	return 0;
}

int
session_expires(struct session *s, struct slice key, int64_t *ret_at_us)
{
	uint64_t hash = hash_bytes(key.p, key.len);
	const struct held_key *k;
	struct envelope e = { .type = LATTICE_ABSENT };
	struct cache_value v;
	int n = op_key_check(s, key);

	if (n != 0) {
		return n;
	}
	k = held_find(s, hash, key);
	if (k != NULL && ((k->base == BASE_ABSENT && k->kind == KIND_NONE) || emptied(s, k))) {
		return MB_ERR_NOT_FOUND;
	}
	n = k != NULL && k->base != BASE_STORE && !k->keep
		    ? CACHE_ABSENT
		    : read_value(s, hash, key, READ_FETCH, &v);
	if (n < 0) {
		return n;
	}
	if (n == CACHE_HIT) {
		n = read_kind(&v) == KIND_NONE ? CACHE_ABSENT : n;
		(void)envelope_open(v.envelope, &e);
		cache_view_release(s->conf.view, &v);
	}
	if (n != CACHE_HIT && (k == NULL || (k->base == BASE_STORE && k->kind == KIND_NONE))) {
		return MB_ERR_NOT_FOUND;
	}
	*ret_at_us = n == CACHE_HIT ? (int64_t)hlc_time_us(e.expiry.deadline) : 0;
	if (k != NULL && k->expires) {
		*ret_at_us = k->expire_us;
	}
	return 0;
}
