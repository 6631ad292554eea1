/* SPDX-License-Identifier: Apache-2.0 */
/* session_set.c - sets: stored members without those that this call removed, and those it added
 *
 * Of a member only the last word counts: added (BASE_VALUE) or removed (BASE_ABSENT). */
#include "compiler.h"
#include "lattice.h"
#include "microburst/error.h"
#include "session_int.h"

/* Of what type a key that is a set is, as far as that can be seen for nothing; 0: not. */
static int
set_type(struct session *s, const struct held_key *k, unsigned int *ret)
{
	struct cache_value v;
	int n;

	*ret = k->type;
	if (k->kind == KIND_SET || k->base != BASE_STORE) {
		return 0;
	}
	n = read_value(s, k->hash, slice_of(k->p, k->len), READ_PEEK, &v);
	if (n == CACHE_HIT) {
		*ret = read_kind(&v) == KIND_SET ? v.type : 0;
		cache_view_release(s->conf.view, &v);
	}
	return n < 0 ? n : 0;
}

int
session_gset_add(struct session *s, struct slice key, struct slice member)
{
	struct held_key *k;
	struct held_elem *e;
	unsigned int type = 0;
	int err = op_write(s, key, member, KIND_SET, &k);

	if (err == 0) {
		err = set_type(s, k, &type);
	}
	if (err == 0 && (type == LATTICE_ORSET || (k->kind == KIND_SET && type == 0))) {
		err = op_wrong_type(s);
	}
	if (err == 0) {
		err = held_elem_add(s, k, member, &e);
	}
	if (err == 0) {
		e->base = BASE_VALUE;
		k->kind = KIND_SET;
		k->type = LATTICE_GSET;
	}
	return err;
}

static int
set_write(struct session *s, struct slice key, struct slice member, enum held_base base)
{
	struct held_key *k;
	struct held_elem *e;
	int err = op_write(s, key, member, KIND_SET, &k);

	if (err == 0 && base == BASE_ABSENT && k->kind == KIND_SET && k->type == LATTICE_GSET) {
		err = refuse(s, MB_ERR_TYPE, "the set only grows");
	}
	if (err == 0) {
		err = held_elem_add(s, k, member, &e);
	}
	if (err == 0) {
		e->base = (uint8_t)base;
		k->kind = KIND_SET;
	}
	return err;
}

int
session_sadd(struct session *s, struct slice key, struct slice member)
{
	return set_write(s, key, member, BASE_VALUE);
}

int
session_srem(struct session *s, struct slice key, struct slice member)
{
	return set_write(s, key, member, BASE_ABSENT);
}

int
session_sismember(struct session *s, struct slice key, struct slice member, bool *ret)
{
	struct held_elem *e;
	struct cache_value v;
	struct held_key *k;
	bool hit;
	int err = op_key_check(s, key);

	if (err == 0) {
		err = op_elem_check(s, KIND_SET, member);
	}
	if (err == 0) {
		err = op_parts(s, key, KIND_SET, &k, &v, &hit);
	}
	if (err != 0) {
		return err;
	}
	e = k != NULL ? held_elem_find(s, k, member) : NULL;
	*ret = e != NULL ? e->base == BASE_VALUE : hit && view_set_has(v.type, v.state, member);
	if (hit) {
		cache_view_release(s->conf.view, &v);
	}
	return 0;
}

static int
member_adds(struct held_elem *e, const struct cache_value *stored)
{
	bool there =
		stored != NULL && view_set_has(stored->type, stored->state, slice_of(e->p, e->len));

	return (e->base == BASE_VALUE && !there) - (e->base == BASE_ABSENT && there);
}

int
session_scard(struct session *s, struct slice key, uint64_t *ret)
{
	return op_count(s, key, KIND_SET, member_adds, ret);
}

int
session_set_begin(struct session *s, struct slice key, struct session_iter *ret)
{
	return op_iter_begin(s, key, KIND_SET, ret);
}

bool
session_set_next(struct session *s, struct session_iter *it, struct slice *ret_member)
{
	struct held_elem *e;
	struct held_key *k;

	if (!op_iter_on(s, it)) {
		return false;
	}
	k = it->key != 0 ? &s->key[it->key - 1] : NULL;
	while (view_set_next(it->type, it->stored, &it->walk, ret_member)) {
		e = k != NULL ? held_elem_find(s, k, *ret_member) : NULL;
		if (e == NULL || e->base == BASE_VALUE) {
			return true;
		}
	}
	while (k != NULL && (e = held_elem_next(s, k, &it->elem)) != NULL) {
		*ret_member = slice_of(e->p, e->len);
		if (e->base == BASE_VALUE && !view_set_has(it->type, it->stored, *ret_member)) {
			return true;
		}
	}
	it->key = 0; /* or the next call would begin anew */
	return false;
}
