/* SPDX-License-Identifier: Apache-2.0 */
/* session_read.c - reading the cache: in place, fetched if need be, held as long as it is looked at
 *
 * A function may get one key in a loop, a million times. So a view is found again by (key's hash,
 * version): while the value stays the same its views are one, and the number of views is bounded by
 * the number of different values looked at.
 *
 * Large values take a hazard slot each. The last one is never kept, so that there is always one to
 * look with: for values that are read and not shown, and to find out that a view is there already.
 */
#include "check.h"
#include "compiler.h"
#include "delta.h"
#include "envelope.h"
#include "hash.h"
#include "lattice.h"
#include "microburst/error.h"
#include "seen.h"
#include "session_int.h"

/* A fetched key may be evicted before it is read; that it happens again and again means that the
 * cache is too small for what is read at this moment. */
#define FETCH_TRY_MAX 8

/* ------------------------------------------------------------------- fetch */

/* Puts the key into a FETCH. Long keys travel as a payload, whose handle the token remembers. */
static int
fetch_desc(struct session *s, struct slice key, struct desc *d)
{
	struct payload_ref ref = { .handle = 0 };
	uint8_t *p = d->data;

	*d = (struct desc){ .kind = DESC_FETCH, .call = s->call.id };
	if (key.len <= DESC_INLINE_BYTES) {
		d->flags = DESC_F_INLINE;
		d->len = (uint8_t)key.len;
	} else {
		int err = payload_alloc(s->conf.pool, key.len, PROC_DAEMON, &ref, &p);

		if (err != 0) {
			return refuse(s, err, "no payload memory is left for the key");
		}
		d->ref = ref;
	}
	memcpy(p, key.p, key.len);
	d->b = (uint64_t)++s->token_seq << 32 | ref.handle;
	return 0;
}

/* Brings a key into the cache. Returns: 0 when the cache knows it, or that it is absent; an
 * error. */
static int
fetch(struct session *s, uint64_t hash, struct slice key)
{
	const struct exec_wait *w = s->conf.wait;
	struct desc d, got;
	int n = fetch_desc(s, key, &d);

	if (n == 0) {
		n = w->send(w->ctx, PORT_CACHE_FIRST + cache_tile_of(hash, s->conf.cache_cnt), &d);
	}
	if (n != 0) {
		return n;
	}
	do {
		n = w->answer(w->ctx, s->call.deadline_ns, &got);
		if (n <= 0) {
			return n < 0 ? n
				     : refuse(s, MB_ERR_DEADLINE,
					      "the deadline passed while a key was fetched");
		}
		session_on_answer(s, &got);
	} while (got.kind != DESC_FETCHED || got.b != d.b);
	return got.err;
}

/* How many keys are asked for at a time: the answers fit the channel that they come on. */
#define PREFETCH_WINDOW 32

/* Waits for one more of the answers to the FETCHes since token first. */
static int
prefetched(struct session *s, uint32_t first)
{
	const struct exec_wait *w = s->conf.wait;
	struct desc got;

	do {
		int n = w->answer(w->ctx, s->call.deadline_ns, &got);

		if (n <= 0) {
			return n < 0 ? n
				     : refuse(s, MB_ERR_DEADLINE,
					      "the deadline passed while keys were fetched");
		}
		session_on_answer(s, &got);
	} while (got.kind != DESC_FETCHED ||
		 (uint32_t)(got.b >> 32) - first > s->token_seq - first);
	return 0;
}

int
session_prefetch(struct session *s, const struct slice *key, uint32_t cnt)
{
	const struct exec_wait *w = s->conf.wait;
	uint32_t first = s->token_seq + 1, out = 0;
	int err = 0;

	for (uint32_t i = 0; i < cnt && err == 0; i++) {
		uint64_t hash = hash_bytes(key[i].p, key[i].len);
		struct cache_value v;
		struct desc d;

		if (cache_view_get_hashed(s->conf.view, hash, key[i], &v) != CACHE_MISS) {
			cache_view_release(s->conf.view, &v);
			continue;
		}
		if (fetch_desc(s, key[i], &d) != 0) {
			break; /* what is out is waited for; the rest is fetched when it is read */
		}
		err = w->send(w->ctx, PORT_CACHE_FIRST + cache_tile_of(hash, s->conf.cache_cnt),
			      &d);
		out += err == 0;
		if (err == 0 && out == PREFETCH_WINDOW) {
			err = prefetched(s, first);
			out--;
		}
	}
	while (err == 0 && out > 0) {
		err = prefetched(s, first);
		out--;
	}
	return err;
}

/* Whether a value that the cache still shows has reached its deadline. */
static bool
value_expired(struct session *s, const struct cache_value *v)
{
	const struct exec_wait *w = s->conf.wait;
	struct envelope e;

	return envelope_expires(v->envelope) && envelope_open(v->envelope, &e) == 0 &&
	       envelope_expired(&e, hlc_time_of_us(w->wall_us(w->ctx)));
}

int
read_cached(struct session *s, uint64_t hash, struct slice key, enum read_how how,
	    struct cache_value *ret)
{
	if (unlikely((s->owed_bits & session_owed_bit(hash)) != 0 && how != READ_PEEK)) {
		int err = s->conf.wait->settle(s->conf.wait->ctx);

		if (err != 0) {
			return err;
		}
	}
	for (uint32_t turn = 0; turn < FETCH_TRY_MAX; turn++) {
		int n = cache_view_get_hashed(s->conf.view, hash, key, ret);

		if (likely(n == CACHE_HIT)) {
			if (likely(!value_expired(s, ret))) {
				return n;
			}
			n = CACHE_ABSENT;
		}
		if (n == CACHE_ABSENT) {
			cache_view_release(s->conf.view, ret);
			return n;
		}
		if (n < 0) {
			return refuse(
				s, MB_ERR_TOO_LARGE,
				"a call may look at 64 large values at a time: mb_release lets go");
		}
		if (how == READ_PEEK) {
			return CACHE_MISS;
		}
		n = fetch(s, hash, key);
		if (n != 0) {
			return n;
		}
	}
	return refuse(s, MB_ERR_TRYAGAIN, "the cache has no room to keep the key");
}

int
read_value(struct session *s, uint64_t hash, struct slice key, enum read_how how,
	   struct cache_value *ret)
{
	return unlikely(s->call.repeatable) ? cut_read(s, hash, key, how, ret)
					    : read_cached(s, hash, key, how, ret);
}

/* ------------------------------------------------------------------- views */

struct view *
view_new(struct session *s)
{
	struct view *v;

	if (s->view_free != 0) {
		v = &s->view[s->view_free - 1];
		s->view_free = v->next;
	} else if (s->view_cnt < SESSION_VIEW_MAX) {
		v = &s->view[s->view_cnt++];
	} else {
		refuse(s, 0, "a call may look at 8,192 values at a time: mb_release lets go");
		return NULL;
	}
	v->used = false;
	v->value.slot = CACHE_SLOT_NONE;
	v->value.version = 0;
	return v;
}

void
view_put(struct session *s, struct view *v, uint64_t hash)
{
	uint32_t *head = chain_head(&s->views, hash);

	v->hash = hash;
	v->used = true;
	v->next = *head;
	*head = (uint32_t)(v - s->view) + 1;
}

static void
view_drop(struct session *s, struct view *v)
{
	if (v->value.slot != CACHE_SLOT_NONE) {
		cache_view_release(s->conf.view, &v->value);
	}
	v->used = false;
	v->drops++;
	v->next = s->view_free;
	s->view_free = (uint32_t)(v - s->view) + 1;
}

uint32_t
view_mark(const struct session *s, const struct view *v)
{
	return v->drops << VIEW_MARK_BITS | (uint32_t)(v - s->view + 1);
}

struct view *
view_marked(struct session *s, uint32_t mark)
{
	struct view *v = &s->view[(mark & ((1u << VIEW_MARK_BITS) - 1)) - 1];

	return view_mark(s, v) == mark ? v : NULL;
}

static struct view *
view_same(struct session *s, uint64_t hash, uint64_t version)
{
	for (uint32_t i = *chain_head(&s->views, hash); i != 0; i = s->view[i - 1].next) {
		struct view *v = &s->view[i - 1];

		if (v->hash == hash && v->value.version == version) {
			return v;
		}
	}
	return NULL;
}

int
read_view(struct session *s, uint64_t hash, struct slice key, struct view **ret)
{
	struct view *v = view_new(s);
	struct view *old;
	int n;

	if (v == NULL) {
		return MB_ERR_TOO_LARGE;
	}
	n = read_value(s, hash, key, READ_FETCH, &v->value);
	if (n != CACHE_HIT) {
		v->value.slot = CACHE_SLOT_NONE;
		view_drop(s, v);
		return n;
	}
	old = view_same(s, hash, v->value.version);
	if (old != NULL) {
		view_drop(s, v);
		v = old;
	} else if (v->value.slot != CACHE_SLOT_NONE && s->conf.view->free == 0) {
		view_drop(s, v);
		return refuse(s, MB_ERR_TOO_LARGE,
			      "a call may look at 63 large values at a time: mb_release lets go");
	} else {
		view_put(s, v, hash);
	}
	*ret = v;
	return CACHE_HIT;
}

void
session_release(struct session *s, struct slice key)
{
	uint64_t hash = hash_bytes(key.p, key.len);
	uint32_t *at = chain_head(&s->views, hash);

	while (*at != 0) {
		struct view *v = &s->view[*at - 1];

		if (v->hash == hash) {
			*at = v->next;
			view_drop(s, v);
		} else {
			at = &v->next;
		}
	}
}

enum held_kind
read_kind(const struct cache_value *v)
{
	struct slice name, mvreg;

	if (!view_present(v->type, v->state)) {
		return KIND_NONE;
	}
	switch (v->type) {
	case LATTICE_STRING:
		return KIND_STRING;
	case LATTICE_GSET:
	case LATTICE_ORSET:
		return KIND_SET;
	case LATTICE_MAP:
		return KIND_MAP;
	case LATTICE_LIST:
		return KIND_LIST;
	case LATTICE_OSET:
		return KIND_ZSET;
	case LATTICE_MVREG:
		return KIND_SIBLING;
	case LATTICE_PAIR_LEX:
		return merged_by(v->type, v->state, &name, &mvreg) ? KIND_SIBLING : KIND_MERGE;
	default:
		return delta_mergeable(v->type) ? KIND_MERGE : KIND_OTHER;
	}
}
