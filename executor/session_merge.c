/* SPDX-License-Identifier: Apache-2.0 */
/* session_merge.c - values that merge as they are: of all that are merged into a key one wins
 *
 * What this call merged is one value itself, the winner so far; what is read is the winner of that
 * and of what is stored. So nothing is ever mixed: a merge here is a comparison. */
#include <string.h>

#include "compiler.h"
#include "hash.h"
#include "lattice.h"
#include "microburst/error.h"
#include "session_int.h"

/* Whether b wins over a. */
static bool
wins(unsigned int type, struct slice b, struct slice a)
{
	struct wbuf none = wbuf_init(NULL, 0);

	return lattice_merge(type, a, b, &none) == LATTICE_RIGHT;
}

/* A stored value of another type of chain is of another type. */
static int
stored_check(struct session *s, const struct held_key *k, unsigned int type)
{
	struct cache_value v;
	bool other;
	int n;

	if (k->kind == KIND_CHAIN) {
		return k->type == type ? 0 : op_wrong_type(s);
	}
	if (k->base != BASE_STORE) {
		return 0;
	}
	n = read_value(s, k->hash, slice_of(k->p, k->len), READ_PEEK, &v);
	if (n != CACHE_HIT) {
		return n < 0 ? n : 0;
	}
	other = read_kind(&v) != KIND_NONE && v.type != type;
	cache_view_release(s->conf.view, &v);
	return other ? op_wrong_type(s) : 0;
}

int
session_merge(struct session *s, struct slice key, unsigned int type, struct slice value)
{
	struct held_key *k;
	int err = op_write(s, key, slice_of(NULL, 0), KIND_CHAIN, &k);

	if (err == 0) {
		err = stored_check(s, k, type);
	}
	if (err != 0) {
		return err;
	}
	if (k->kind == KIND_CHAIN && !wins(type, value, slice_of(k->value.p, k->value.len))) {
		return 0;
	}
	err = held_value_set(s, &k->value, value);
	if (err == 0) {
		k->kind = KIND_CHAIN;
		k->type = (uint8_t)type;
	}
	return err;
}

/* ------------------------------------------------------------------ reading */

/* Finds what is stored, if it counts and wins: *ret_hit, and *v to be released. */
static int
stored_winner(struct session *s, const struct held_key *k, struct cache_value *v, bool *ret_hit)
{
	int n;

	*ret_hit = false;
	if (k->base != BASE_STORE) {
		return 0;
	}
	n = read_value(s, k->hash, slice_of(k->p, k->len), READ_FETCH, v);
	if (n != CACHE_HIT) {
		return n < 0 ? n : 0;
	}
	*ret_hit =
		v->type == k->type && wins(k->type, v->state, slice_of(k->value.p, k->value.len));
	if (*ret_hit) {
		return 0;
	}
	n = v->type == k->type || read_kind(v) == KIND_NONE ? 0 : op_wrong_type(s);
	cache_view_release(s->conf.view, v);
	return n;
}

int
merge_get_i64(struct session *s, struct held_key *k, int64_t *ret)
{
	struct cache_value v;
	bool hit;
	int err = stored_winner(s, k, &v, &hit);

	if (err != 0) {
		return err;
	}
	err = view_i64(k->type, hit ? v.state : slice_of(k->value.p, k->value.len), ret);
	if (hit) {
		cache_view_release(s->conf.view, &v);
	}
	return err == MB_ERR_TYPE ? refuse(s, err, "the value is not an integer") : err;
}

int
merge_get(struct session *s, struct held_key *k, struct slice *ret)
{
	struct cache_value stored;
	struct view *v;
	bool hit;
	int n = stored_winner(s, k, &stored, &hit);

	if (n != 0) {
		return n;
	}
	if (hit) { /* once more, to keep */
		cache_view_release(s->conf.view, &stored);
		n = read_view(s, k->hash, slice_of(k->p, k->len), &v);
		if (n == CACHE_HIT && v->value.type == k->type) {
			return view_text(v->value.type, v->value.state, v->text, ret);
		}
		if (n < 0) {
			return n;
		}
	}
	/* Our own: its bytes, or its text, which is a view like others. */
	v = view_new(s);
	if (v == NULL) {
		return MB_ERR_TOO_LARGE;
	}
	k->value.shown = true;
	n = view_text(k->type, slice_of(k->value.p, k->value.len), v->text, ret);
	view_put(s, v, k->hash);
	return n;
}
