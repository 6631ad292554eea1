/* SPDX-License-Identifier: Apache-2.0 */
/* session_cut.c - the versions that a call at the level rr reads
 *
 *   first read of a key ──► the version found there, or that there was none, is held
 *   each later one      ──► the held version, whatever the cache shows by then
 *
 *   I1  A held version is given back at the end of the call, and not before: session_end, on every
 *       path. Views of it in between own nothing.
 *   I2  Own writes lie on top (session_held.c) and are published when the call returns. A flush in
 *       the middle is refused: what it published would be in the store's version, not in the held
 *       one.
 *
 * A DAG runs fused at this level where an executor has all of it: its functions have this one
 * session, and a key has one version for all of them. Else its parts run one after the other, and
 * each begins with what those before it have read (session_hand.c).
 *
 * The cost: a large value keeps its hazard slot until the end, so a call reads 63 of them.
 */
#include <string.h>

#include "check.h"
#include "envelope.h"
#include "hash.h"
#include "microburst/error.h"
#include "session_int.h"

#define FULL_TEXT "a call at the level rr may read 16,384 keys"

static struct cut *
cut_find(struct session *s, uint64_t hash, struct slice key)
{
	for (uint32_t i = *chain_head(&s->cuts, hash); i != 0; i = s->cut[i - 1].next) {
		struct cut *c = &s->cut[i - 1];

		if (c->hash == hash && slice_eq(slice_of(c->key, c->key_len), key)) {
			return c;
		}
	}
	return NULL;
}

/* A value that shows the held version, and owns nothing of it. */
static int
cut_show(const struct cut *c, struct cache_value *ret)
{
	*ret = c->value; /* state, and the tree, stay where they are: in c */
	ret->slot = CACHE_SLOT_NONE;
	return c->absent ? CACHE_ABSENT : CACHE_HIT;
}

static int
cut_hold(struct session *s, uint64_t hash, struct slice key, enum read_how how, struct cut *c)
{
	int n = read_cached(s, hash, key, how, &c->value);

	if (n != CACHE_HIT && n != CACHE_ABSENT) {
		return n;
	}
	c->absent = n == CACHE_ABSENT;
	c->key = bytes_copy(s, key);
	if (c->key == NULL ||
	    (!c->absent && c->value.slot != CACHE_SLOT_NONE && s->conf.view->free == 0)) {
		if (c->key != NULL) {
			refuse(s, 0, "a call at the level rr may read 63 large values");
		}
		if (!c->absent) {
			cache_view_release(s->conf.view, &c->value);
		}
		return MB_ERR_TOO_LARGE;
	}
	c->key_len = (uint16_t)key.len;
	c->hash = hash;
	return n;
}

/* The next free one, that c is, is in use. */
static void
cut_add(struct session *s, struct cut *c)
{
	uint32_t *head = chain_head(&s->cuts, c->hash);

	c->next = *head;
	*head = ++s->cut_cnt;
}

int
cut_take(struct session *s, struct slice key, struct slice envelope)
{
	struct cut *c = &s->cut[s->cut_cnt];
	struct envelope e;
	int err = envelope_open(envelope, &e);

	if (err != 0 || s->cut_cnt == SESSION_CUT_MAX) {
		return err != 0 ? err : MB_ERR_TOO_LARGE;
	}
	c->hash = hash_bytes(key.p, key.len);
	c->key = key.p;
	c->key_len = (uint16_t)key.len;
	c->absent =
		!view_present(e.type, e.state); /* whether its deadline has passed since or not */
	c->value.type = e.type;
	c->value.state = e.state;
	c->value.envelope = envelope;
	c->value.version = UINT64_MAX - ++s->take_seq; /* none of the cache's is so great */
	c->value.slot = CACHE_SLOT_NONE;
	cut_add(s, c);
	return 0;
}

int
cut_read(struct session *s, uint64_t hash, struct slice key, enum read_how how,
	 struct cache_value *ret)
{
	struct cut *c = cut_find(s, hash, key);
	int n;

	if (c != NULL) {
		return cut_show(c, ret);
	}
	if (s->cut_cnt == SESSION_CUT_MAX) {
		return refuse(s, MB_ERR_TOO_LARGE, FULL_TEXT);
	}
	c = &s->cut[s->cut_cnt];
	n = cut_hold(s, hash, key, how, c);
	if (n != CACHE_HIT && n != CACHE_ABSENT) {
		return n;
	}
	cut_add(s, c);
	return cut_show(c, ret);
}

int
cut_nothing(struct session *s, uint64_t hash, struct slice key)
{
	struct cut *c = &s->cut[s->cut_cnt];

	if (cut_find(s, hash, key) != NULL) {
		return 0;
	}
	if (s->cut_cnt == SESSION_CUT_MAX) {
		return refuse(s, MB_ERR_TOO_LARGE, FULL_TEXT);
	}
	*c = (struct cut){ .hash = hash,
			   .key = key.p,
			   .key_len = (uint16_t)key.len,
			   .absent = true,
			   .value = { .slot = CACHE_SLOT_NONE } };
	cut_add(s, c);
	return 0;
}

bool
session_bound(const struct session *s)
{
	return s->call.repeatable && (s->cut_cnt != 0 || s->key_cnt != 0);
}

void
cut_end(struct session *s)
{
	if (s->cut_cnt != 0) {
		cache_view_release_all(s->conf.view);
		chain_clear(&s->cuts);
		s->cut_cnt = 0;
	}
}
