/* SPDX-License-Identifier: Apache-2.0 */
/* session_held.c - what a call has written so far: an entry a key, and one an element */
#include <string.h>

#include "check.h"
#include "compiler.h"
#include "copy.h"
#include "hash.h"
#include "microburst/error.h"
#include "session_int.h"

#define FULL_TEXT                                                                                  \
	"a call may write 16 MiB of keys, members and values of up to 4 KiB before it publishes"

/* Copies bytes to the end of the strings. Returns NULL when there is no room. */
static uint8_t *
bytes_take(struct session *s, size_t len)
{
	uint8_t *p = s->bytes + s->bytes_len;

	if (len > SESSION_BYTES_MAX - s->bytes_len) {
		return NULL;
	}
	s->bytes_len += ALIGN_UP(len, 8);
	s->bytes_len = MIN(s->bytes_len, (size_t)SESSION_BYTES_MAX);
	return p;
}

/* Counts what operations will take in a write set, so that what is held can always be published.
 * Generous: what is overtaken later stays counted. */
static int
set_count(struct session *s, uint32_t ops, size_t len)
{
	size_t bytes = ALIGN_UP(WSET_OP_HEAD + len, 8);

	if (ops > WSET_OP_CNT_MAX - s->set_ops) {
		return refuse(s, MB_ERR_TOO_LARGE, "a call may make 65,535 writes");
	}
	if (bytes > WSET_BYTES_MAX - s->set_bytes) {
		return refuse(s, MB_ERR_TOO_LARGE, FULL_TEXT);
	}
	s->set_ops += ops;
	s->set_bytes += bytes;
	return 0;
}

uint8_t *
bytes_copy(struct session *s, struct slice from)
{
	uint8_t *p = bytes_take(s, from.len);

	if (p == NULL) {
		refuse(s, 0, FULL_TEXT);
	} else if (from.len != 0) {
		copy_bytes(p, from.p, from.len);
	}
	return p;
}

/* -------------------------------------------------------------------- keys */

struct held_key *
held_find(struct session *s, uint64_t hash, struct slice key)
{
	if (likely(s->key_cnt == 0)) {
		return NULL;
	}
	for (uint32_t i = *chain_head(&s->keys, hash); i != 0; i = s->key[i - 1].next) {
		struct held_key *k = &s->key[i - 1];

		if (k->hash == hash && slice_eq(slice_of(k->p, k->len), key)) {
			return k;
		}
	}
	return NULL;
}

static int
held_new(struct session *s, uint64_t hash, struct slice key, struct held_key **ret)
{
	struct held_key *k = &s->key[s->key_cnt];
	uint32_t *head = chain_head(&s->keys, hash);
	const uint8_t *p;

	if (s->key_cnt == SESSION_KEY_MAX) {
		return refuse(s, MB_ERR_TOO_LARGE, "a call may write 16,384 keys");
	}
	if (set_count(s, 2, 2 * (key.len + WSET_OP_HEAD)) != 0) { /* what it stands on, and a sum */
		return MB_ERR_TOO_LARGE;
	}
	p = bytes_copy(s, key);
	if (p == NULL) {
		return MB_ERR_TOO_LARGE;
	}
	*k = (struct held_key){ .hash = hash, .p = p, .len = (uint16_t)key.len, .next = *head };
	*head = ++s->key_cnt;
	*ret = k;
	return 0;
}

int
held_write(struct session *s, struct slice key, struct held_key **ret)
{
	uint64_t hash = hash_bytes(key.p, key.len);
	struct held_key *k;

	if (unlikely(s->call.read_only)) {
		return refuse(s, MB_ERR_DENIED, "this call is read-only");
	}
	if (unlikely(s->quiet)) {
		return refuse(s, MB_ERR_DENIED, "a function that takes batches writes nothing");
	}
	k = held_find(s, hash, key);
	if (k != NULL) {
		*ret = k;
		return 0;
	}
	return held_new(s, hash, key, ret);
}

int
held_more(struct session *s, const struct held_key *k)
{
	return set_count(s, 1, k->len);
}

void
held_reset(struct session *s, struct held_key *k, enum held_base base)
{
	for (uint32_t i = k->elem_first; i != 0; i = s->elem[i - 1].sibling) {
		s->elem[i - 1].listed = false;
	}
	k->elem_first = k->elem_last = 0;
	k->push_cnt[0] = k->push_cnt[1] = 0;
	k->summed = false;
	k->sum = 0;
	k->keep = false;
	k->expires = false;
	k->type = 0;
	k->base = (uint8_t)base;
	k->kind = base == BASE_VALUE ? KIND_STRING : KIND_NONE;
}

/* ---------------------------------------------------------------- payloads */

/* A value, or a member, in a payload of its own: the store copies it from there. */
static int
value_own(struct session *s, size_t len, struct held_value *ret)
{
	struct owned *o = &s->owned[s->owned_cnt];
	uint8_t *p;
	int err;

	if (s->owned_cnt == SESSION_OWNED_MAX) {
		return refuse(s, MB_ERR_TOO_LARGE,
			      "a call may write 2,048 values and members of more than 4 KiB");
	}
	err = payload_alloc(s->conf.pool, len, s->conf.proc, &o->ref, &p);
	if (err != 0) {
		return refuse(s, err, "no payload memory is left for what is written");
	}
	o->sent = false;
	*ret = (struct held_value){ .p = p, .cap = (uint32_t)len, .owned = ++s->owned_cnt };
	return 0;
}

/* ---------------------------------------------------------------- elements */

static uint64_t
elem_hash(const struct held_key *k, struct slice name)
{
	return hash_seeded(name.p, name.len, k->hash);
}

static struct held_elem *
elem_find(struct session *s, const struct held_key *k, struct slice name, uint64_t hash)
{
	uint32_t key = (uint32_t)(k - s->key) + 1;

	for (uint32_t i = *chain_head(&s->elems, hash); i != 0; i = s->elem[i - 1].next) {
		struct held_elem *e = &s->elem[i - 1];

		if (e->hash == hash && e->key == key && slice_eq(slice_of(e->p, e->len), name)) {
			return e;
		}
	}
	return NULL;
}

struct held_elem *
held_elem_find(struct session *s, const struct held_key *k, struct slice name)
{
	struct held_elem *e;

	if (k->elem_first == 0) {
		return NULL;
	}
	e = elem_find(s, k, name, elem_hash(k, name));
	return e != NULL && e->listed ? e : NULL;
}

/* A member of a set that is longer than small values: it is one. */
static int noinline __attribute__((__cold__))
member_own(struct session *s, struct slice name, struct held_value *ret)
{
	int err = value_own(s, name.len, ret);

	if (err == 0) {
		copy_bytes(ret->p, name.p, name.len);
		ret->len = (uint32_t)name.len;
		ret->shown = true;
	}
	return err;
}

/* Copies an element's name to where it stays. */
static int
name_place(struct session *s, struct slice name, struct held_elem *e)
{
	int err;

	if (likely(name.len <= WSET_INLINE_MAX)) {
		e->p = bytes_copy(s, name);
		return e->p != NULL ? 0 : MB_ERR_TOO_LARGE;
	}
	err = member_own(s, name, &e->value);
	e->p = e->value.p;
	return err;
}

static int noinline
elem_new(struct session *s, const struct held_key *k, struct slice name, uint64_t hash,
	 struct held_elem **ret)
{
	struct held_elem *e = &s->elem[s->elem_cnt];
	uint32_t *head = chain_head(&s->elems, hash);
	int err;

	if (s->elem_cnt == SESSION_ELEM_MAX) {
		return refuse(s, MB_ERR_TOO_LARGE, "a call may write 32,767 members and fields");
	}
	err = set_count(s, 1,
			sizeof(uint64_t) + (size_t)k->len + MIN(name.len, (size_t)WSET_INLINE_MAX));
	if (err == 0) {
		*e = (struct held_elem){ .hash = hash,
					 .len = (uint32_t)name.len,
					 .key = (uint32_t)(k - s->key) + 1,
					 .next = *head };
		err = name_place(s, name, e);
	}
	if (err != 0) {
		return err;
	}
	*head = ++s->elem_cnt;
	*ret = e;
	return 0;
}

int
held_elem_add(struct session *s, struct held_key *k, struct slice name, struct held_elem **ret)
{
	uint64_t hash = elem_hash(k, name);
	struct held_elem *e = elem_find(s, k, name, hash);
	uint32_t number;

	if (e == NULL) {
		int err = elem_new(s, k, name, hash, &e);

		if (err != 0) {
			return err;
		}
	}
	if (!e->listed) {
		number = (uint32_t)(e - s->elem) + 1;
		e->listed = true;
		e->base = BASE_STORE;
		e->summed = false;
		e->at = false;
		e->sum = 0;
		e->score = 0;
		e->sibling = 0;
		if (k->elem_last != 0) {
			s->elem[k->elem_last - 1].sibling = number;
		} else {
			k->elem_first = number;
		}
		k->elem_last = number;
	}
	*ret = e;
	return 0;
}

struct held_elem *
held_elem_next(struct session *s, const struct held_key *k, uint32_t *at)
{
	struct held_elem *e;

	*at = *at == 0 ? k->elem_first : s->elem[*at - 1].sibling;
	e = *at != 0 ? &s->elem[*at - 1] : NULL;
	return e;
}

int
held_elem_more(struct session *s, const struct held_elem *e)
{
	return set_count(s, 1, (size_t)s->key[e->key - 1].len + e->len);
}

int
held_elem_sum(struct session *s, struct held_elem *e, int64_t n)
{
	int64_t sum;
	int err = 0;

	if (__builtin_add_overflow(e->sum, n, &sum)) {
		return refuse(s, MB_ERR_TOO_LARGE, "the sum is beyond 64 bits");
	}
	if (!e->summed && e->base != BASE_STORE) {
		err = held_elem_more(s, e);
	}
	if (err == 0) {
		e->summed = true;
		e->sum = sum;
	}
	return err;
}

/* ------------------------------------------------------------------ values */

static int
value_place(struct session *s, size_t len, struct held_value *ret)
{
	uint8_t *p;

	if (len > WSET_INLINE_MAX) {
		return value_own(s, len, ret);
	}
	p = bytes_take(s, len);
	if (p == NULL) {
		return refuse(s, MB_ERR_TOO_LARGE, FULL_TEXT);
	}
	*ret = (struct held_value){ .p = p, .cap = (uint32_t)len };
	return 0;
}

int
held_value_take(struct session *s, struct held_value *v, size_t len, size_t tail_len)
{
	bool again, too_large = len > VALUE_BYTES_MAX;

	len += tail_len;
	if (too_large || len > VALUE_BYTES_MAX + (tail_len != 0 ? WSET_TAIL_MAX : 0)) {
		return refuse(s, MB_ERR_TOO_LARGE, "a value may have 64 MiB");
	}
	again = v->p != NULL && !v->shown && len <= v->cap &&
		(len > WSET_INLINE_MAX) == (v->owned != 0);
	if (!again) {
		int err = set_count(s, 0, MIN(len, (size_t)WSET_INLINE_MAX));

		err = err != 0 ? err : value_place(s, len, v);

		if (err != 0) {
			return err;
		}
	}
	v->len = (uint32_t)len;
	return 0;
}

int
held_value_set(struct session *s, struct held_value *v, struct slice bytes)
{
	int err = held_value_take(s, v, bytes.len, 0);

	/* The new value may be a view of the old one. */
	if (err == 0 && bytes.len != 0) {
		memmove(v->p, bytes.p, bytes.len);
	}
	return err;
}
