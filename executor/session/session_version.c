/* SPDX-License-Identifier: Apache-2.0 */
/* session_version.c - which value a key shows, as 128 bits
 *
 * Of a text it is the text's hash. Of a collection it is a hash of what a walk over it shows, own
 * writes included, so it is the same before they are published and after: but for a list, in which
 * the order counts, the items' hashes are added up, as own members come last in a walk and in their
 * places later. Siblings are such a collection too, unless there is only one, which is a text. Of
 * what has no text, a clock or a pair with one, it is the hash of its state, which is canonical.
 *
 * Whoever asks again and again asks mostly about what did not change. A version of the cache is one
 * value of one key (cache_view.c V2), so what was hashed is remembered under it, from call to call.
 * What is asked about is not looked at: it takes no view, and a sibling is not seen by it.
 */
#include "cache_msg.h"
#include "compiler.h"
#include "hash.h"
#include "map.h"
#include "microburst/error.h"
#include "mvreg.h"
#include "seen.h"
#include "session_int.h"

struct sum {
	struct hash128 h;
	uint64_t kind, cnt;
};

static struct hash128
hash_pair(struct hash128 a, struct hash128 b)
{
	const uint64_t word[4] = { a.lo, a.hi, b.lo, b.hi };

	return hash_bytes128(word, sizeof(word));
}

static struct hash128
hash_slice(struct slice s)
{
	return hash_bytes128(s.p, s.len);
}

static void
sum_add(struct sum *sum, struct hash128 item)
{
	if (sum->kind == KIND_LIST) {
		sum->h = hash_pair(sum->h, item);
	} else {
		sum->h.lo += item.lo;
		sum->h.hi += item.hi;
	}
	sum->cnt++;
}

/* ----------------------------------------------------------------- walks, one for each kind */

static void
add_items(struct session *s, struct session_iter *it, struct sum *sum)
{
	struct slice item;
	double score;

	while (sum->kind == KIND_SET    ? session_set_next(s, it, &item)
	       : sum->kind == KIND_LIST ? session_list_next(s, it, &item)
					: session_zset_next(s, it, &item, &score)) {
		struct hash128 h = hash_slice(item);

		if (sum->kind == KIND_ZSET) {
			score += 0.0; /* one zero */
			h = hash_pair(h, hash_bytes128(&score, sizeof(score)));
		}
		sum_add(sum, h);
	}
}

/* Fields as they are stored: numbers are shown in place, where session_map_next takes a view. */
static int
add_fields_stored(struct slice state, struct sum *sum)
{
	struct table_walk walk = { .idx = 0 };
	char text[VIEW_TEXT_MAX];
	struct slice value;
	struct map_field f;
	unsigned int type;
	int err;

	while (map_next(state, &walk, &f)) {
		if (!map_field_value(&f, &type, &value)) {
			continue;
		}
		err = view_text(type, value, text, &value);
		if (err != 0) {
			return err;
		}
		sum_add(sum, hash_pair(hash_slice(f.key), hash_slice(value)));
	}
	return 0;
}

static int
add_fields(struct session *s, struct session_iter *it, struct sum *sum)
{
	struct slice field, value;
	int err = 0;

	if (it->key == 0) {
		return add_fields_stored(it->stored, sum);
	}
	while (session_map_next(s, it, &field, &value, &err)) {
		sum_add(sum, hash_pair(hash_slice(field), hash_slice(value)));
	}
	return err;
}

static int
add_siblings(const struct session_iter *it, struct sum *sum, struct hash128 *ret_one)
{
	struct slice name, mvreg = it->stored;
	struct mvreg_sibling sibling;
	uint32_t idx = 0;

	if (it->type != LATTICE_MVREG && !merged_by(it->type, it->stored, &name, &mvreg)) {
		return MB_ERR_CORRUPT;
	}
	while (mvreg_next(mvreg, &idx, &sibling)) {
		*ret_one = hash_slice(sibling.value);
		sum_add(sum, *ret_one);
	}
	return 0;
}

/* -------------------------------------------------------------------- what is stored, and ours */

/* The version of a collection: stored, or held by k, or both. */
static int
collection(struct session *s, const struct cache_value *v, const struct held_key *k,
	   enum held_kind kind, struct hash128 *ret)
{
	struct session_iter it = { .turn = s->elems.turn };
	struct sum sum = { .kind = kind };
	struct hash128 one = { 0, 0 };
	int err = 0;

	if (v != NULL) {
		it.stored = v->state;
		it.type = v->type;
	}
	it.key = k != NULL ? (uint32_t)(k - s->key) + 1 : 0;
	if (kind == KIND_MAP) {
		err = add_fields(s, &it, &sum);
	} else if (kind == KIND_SIBLING) {
		err = add_siblings(&it, &sum, &one);
	} else {
		add_items(s, &it, &sum);
	}
	if (err != 0) {
		return err;
	}
	*ret = kind == KIND_SIBLING && sum.cnt == 1 ? one : hash_bytes128(&sum, sizeof(sum));
	return sum.cnt != 0 ? 0 : MB_ERR_NOT_FOUND;
}

static int
stored_version(struct session *s, const struct cache_value *v, struct hash128 *ret)
{
	enum held_kind kind = read_kind(v);
	char text[VIEW_TEXT_MAX];
	struct slice shown;
	int err;

	switch (kind) {
	case KIND_NONE:
		return MB_ERR_NOT_FOUND;
	case KIND_STRING:
	case KIND_MERGE:
	case KIND_OTHER:
		err = view_text(v->type, v->state, text, &shown);
		if (err ==
		    MB_ERR_TYPE) { /* a clock, or a pair with one: there is one state of it */
			shown = v->state;
			err = 0;
		}
		if (err == 0) {
			*ret = hash_slice(shown);
		}
		return err;
	default:
		return collection(s, v, NULL, kind, ret);
	}
}

/* Of a key that this call has not written. */
static int
version_of(struct session *s, uint64_t hash, struct slice key, struct hash128 *ret)
{
	struct seen_version *seen = &s->seen_version[hash % SESSION_SEEN_MAX];
	uint32_t tile = cache_tile_of(hash, s->conf.cache_cnt);
	struct cache_value v;
	int n = read_value(s, hash, key, READ_FETCH, &v);

	if (n != CACHE_HIT) {
		return n < 0 ? n : MB_ERR_NOT_FOUND;
	}
	if (seen->version == v.version && seen->tile == tile && v.version != 0) {
		*ret = seen->h;
		n = 0;
	} else {
		n = stored_version(s, &v, ret);
		if (n == 0) {
			*seen = (struct seen_version){ v.version, tile, *ret };
		}
	}
	cache_view_release(s->conf.view, &v);
	return n;
}

int
session_version(struct session *s, struct slice key, struct hash128 *ret)
{
	uint64_t hash = hash_bytes(key.p, key.len);
	struct held_key *k;
	struct cache_value v;
	struct slice text;
	unsigned int type;
	bool hit;
	int err = op_key_check(s, key);

	if (err != 0) {
		return err;
	}
	k = op_held(s, hash, key);
	if (k == NULL) {
		return version_of(s, hash, key, ret);
	}
	switch (k->kind) {
	case KIND_SET:
	case KIND_MAP:
	case KIND_LIST:
	case KIND_ZSET:
		err = op_parts(s, key, (enum held_kind)k->kind, &k, &v, &hit);
		if (err != 0) {
			return err;
		}
		err = collection(s, hit ? &v : NULL, k, (enum held_kind)k->kind, ret);
		if (hit) {
			cache_view_release(s->conf.view, &v);
		}
		return err;
	default:
		err = session_get(s, key, &text);
		if (err == MB_ERR_TYPE) {
			err = session_merge_state(s, key, &type, &text);
		}
		if (err == 0) {
			*ret = hash_slice(text);
		}
		return err;
	}
}
