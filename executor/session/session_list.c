/* SPDX-License-Identifier: Apache-2.0 */
/* session_list.c - lists: what this call pushed left, what is stored, what it pushed right
 *
 *   | own left, last pushed first | stored, without those removed | own right, first pushed first |
 *
 * An own item is an element whose name is its end and its number at that end, so that the i-th is
 * found at once. A stored item that was removed (BASE_ABSENT) or set (BASE_VALUE) is an element
 * whose name is its id. */
#include <string.h>

#include "compiler.h"
#include "hash.h"
#include "microburst/error.h"
#include "session_int.h"

#define PUSH_NAME_BYTES 5

static_assert(PUSH_NAME_BYTES != LIST_ID_BYTES, "names tell what they are");

/* The name of an own item. */
static struct slice
push_name(enum list_end end, uint32_t number, uint8_t buf[PUSH_NAME_BYTES])
{
	buf[0] = (uint8_t)end;
	memcpy(buf + 1, &number, sizeof(number));
	return slice_of(buf, PUSH_NAME_BYTES);
}

static struct held_elem *
push_find(struct session *s, const struct held_key *k, enum list_end end, uint32_t number)
{
	uint8_t buf[PUSH_NAME_BYTES];

	return held_elem_find(s, k, push_name(end, number, buf));
}

/* Adds an element with a value. */
static int
item_write(struct session *s, struct held_key *k, struct slice name, struct slice value)
{
	struct held_elem *e = held_elem_find(s, k, name);
	struct held_value v = e != NULL ? e->value : (struct held_value){ .p = NULL };
	int err = held_value_set(s, &v, value);

	if (err == 0) {
		err = held_elem_add(s, k, name, &e);
	}
	if (err == 0) {
		e->value = v;
		e->base = BASE_VALUE;
		k->kind = KIND_LIST;
	}
	return err;
}

int
session_list_push(struct session *s, struct slice key, enum list_end end, struct slice value)
{
	uint8_t buf[PUSH_NAME_BYTES];
	struct held_key *k;
	int err = op_write(s, key, slice_of(NULL, 0), KIND_LIST, &k);

	if (err == 0) {
		err = item_write(s, k, push_name(end, k->push_cnt[end], buf), value);
	}
	if (err == 0) {
		k->push_cnt[end]++;
	}
	return err;
}

/* ------------------------------------------------------------------ walking */

/* Where a walk is. */
struct place {
	struct held_elem *own; /* what this call has of the item; NULL: nothing */
	struct slice id;       /* of a stored item; else empty */
	struct slice value;
};

static bool
own_show(struct held_elem *e, struct place *ret)
{
	if (e == NULL || e->base != BASE_VALUE) {
		return false;
	}
	e->value.shown = true;
	*ret = (struct place){ .own = e, .value = slice_of(e->value.p, e->value.len) };
	return true;
}

static bool
stored_show(struct session *s, const struct held_key *k, const struct list_item *item,
	    struct place *ret)
{
	struct held_elem *e = k != NULL ? held_elem_find(s, k, item->id) : NULL;

	if (e != NULL) {
		if (!own_show(e, ret)) {
			return false;
		}
	} else {
		*ret = (struct place){ .value = item->value };
	}
	ret->id = item->id;
	return true;
}

static bool
next(struct session *s, const struct held_key *k, struct session_iter *it, struct place *ret)
{
	uint32_t left = k != NULL ? k->push_cnt[LIST_LEFT] : 0;
	uint32_t right = k != NULL ? k->push_cnt[LIST_RIGHT] : 0;
	struct list_item item;

	while (it->elem < left) {
		if (own_show(push_find(s, k, LIST_LEFT, left - ++it->elem), ret)) {
			return true;
		}
	}
	while (list_next(it->stored, &it->walk, &item)) {
		if (stored_show(s, k, &item, ret)) {
			return true;
		}
	}
	while (it->elem - left < right) {
		if (own_show(push_find(s, k, LIST_RIGHT, it->elem++ - left), ret)) {
			return true;
		}
	}
	return false;
}

/* The same from the right; it->last starts at UINT32_MAX. */
static bool
prev(struct session *s, const struct held_key *k, struct session_iter *it, struct place *ret)
{
	uint32_t left = k != NULL ? k->push_cnt[LIST_LEFT] : 0;
	uint32_t right = k != NULL ? k->push_cnt[LIST_RIGHT] : 0;
	struct list_item item;

	while (it->elem < right) {
		if (own_show(push_find(s, k, LIST_RIGHT, right - ++it->elem), ret)) {
			return true;
		}
	}
	while (list_prev(it->stored, &it->last, &item)) {
		if (stored_show(s, k, &item, ret)) {
			return true;
		}
	}
	while (it->elem - right < left) {
		if (own_show(push_find(s, k, LIST_LEFT, it->elem++ - right), ret)) {
			return true;
		}
	}
	return false;
}

int
session_list_begin(struct session *s, struct slice key, struct session_iter *ret)
{
	return op_iter_begin(s, key, KIND_LIST, ret);
}

bool
session_list_next(struct session *s, struct session_iter *it, struct slice *ret_value)
{
	struct place p;

	if (!op_iter_on(s, it) || !next(s, it->key != 0 ? &s->key[it->key - 1] : NULL, it, &p)) {
		return false;
	}
	*ret_value = p.value;
	return true;
}

/* Finds the item idx, from the right if that is negative: -1 is the last. */
static int
find(struct session *s, struct slice key, int64_t idx, struct place *ret)
{
	struct session_iter it;
	const struct held_key *k;
	bool back = idx < 0;
	uint64_t skip = back ? (uint64_t) - (idx + 1) : (uint64_t)idx;
	int err = op_iter_begin(s, key, KIND_LIST, &it);

	if (err != 0) {
		return err;
	}
	k = it.key != 0 ? &s->key[it.key - 1] : NULL;
	it.last = UINT32_MAX;
	do {
		if (!(back ? prev(s, k, &it, ret) : next(s, k, &it, ret))) {
			return MB_ERR_NOT_FOUND;
		}
	} while (skip-- != 0);
	return 0;
}

/* -------------------------------------------------------------- operations */

int
session_list_get(struct session *s, struct slice key, int64_t idx, struct slice *ret)
{
	struct place p;
	int err = find(s, key, idx, &p);

	if (err == 0) {
		*ret = p.value;
	}
	return err;
}

/* The entry of a write to a list, and the item that it is about. */
static int
write_at(struct session *s, struct slice key, int64_t idx, struct held_key **ret_key,
	 struct place *ret_place)
{
	int err = op_write(s, key, slice_of(NULL, 0), KIND_LIST, ret_key);

	return err != 0 ? err : find(s, key, idx, ret_place);
}

int
session_list_set(struct session *s, struct slice key, int64_t idx, struct slice value)
{
	struct held_key *k;
	struct place p;
	int err = write_at(s, key, idx, &k, &p);

	if (err != 0) {
		return err;
	}
	return item_write(s, k, p.own != NULL ? slice_of(p.own->p, p.own->len) : p.id, value);
}

int
session_list_pop(struct session *s, struct slice key, enum list_end end, struct slice *ret)
{
	struct held_elem *e;
	struct held_key *k;
	struct place p;
	int err = write_at(s, key, end == LIST_LEFT ? 0 : -1, &k, &p);

	if (err != 0) {
		return err;
	}
	e = p.own;
	if (e == NULL) {
		err = held_elem_add(s, k, p.id, &e);
	}
	if (err == 0) {
		e->base = BASE_ABSENT;
		k->kind = KIND_LIST;
		*ret = p.value;
	}
	return err;
}

static int
item_adds(struct held_elem *e, const struct cache_value *stored)
{
	struct list_item item;

	if (e->len != LIST_ID_BYTES) {
		return e->base == BASE_VALUE;
	}
	return -(e->base == BASE_ABSENT && stored != NULL &&
		 list_find(stored->state, slice_of(e->p, e->len), &item));
}

int
session_list_cnt(struct session *s, struct slice key, uint64_t *ret)
{
	return op_count(s, key, KIND_LIST, item_adds, ret);
}
