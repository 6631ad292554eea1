/* SPDX-License-Identifier: Apache-2.0 */
/* kvs_index - see kvs_index.h
 *
 * I1  In each bucket of a chain but the last all slots are taken, and free slots are at its end.
 * I2  A key of hash h stands in the chain of bucket_of(h), and nowhere else, exactly once.
 * I3  A split, or taking one back, either happens whole or not at all: the memory it needs is taken
 *     before anything moves. Where there is none the table stays as it is, with longer chains or
 *     more buckets.
 *
 * The hash is used from below for the bucket, its top 16 bits are the tag. Hashes are not stored: a
 * split computes them again from keys that it has to touch anyway.
 */
#include "kvs_index.h"

#include <string.h>

#include "check.h"
#include "compiler.h"
#include "hash.h"
#include "microburst/error.h"

#define LEVEL_FIRST 10 /* one chunk */

struct kvs_bucket {
	uint16_t tag[KVS_INDEX_SLOTS];
	struct kvs_ref key[KVS_INDEX_SLOTS]; /* 0: free */
	struct kvs_ref more;                 /* the chain goes on there */
};
static_assert(sizeof(struct kvs_bucket) == CACHE_LINE, "a bucket is a cache line");
static_assert(1 << LEVEL_FIRST == KVS_INDEX_CHUNK, "the first level is one chunk");

/* The least memory a key takes: what bounds the number of buckets, and so the table of chunks. */
#define KEY_BYTES_LEAST (2 * KVS_REF_STEP + sizeof(struct kvs_value))

static uint16_t
tag_of(uint64_t hash)
{
	return (uint16_t)(hash >> 48);
}

static struct kvs_bucket *
bucket_at(const struct kvs_index *x, uint64_t idx)
{
	return &x->chunk[idx / KVS_INDEX_CHUNK][idx % KVS_INDEX_CHUNK];
}

static struct kvs_bucket *
bucket_of(const struct kvs_index *x, uint64_t hash)
{
	uint64_t idx = hash & ((UINT64_C(1) << x->level) - 1);

	if (idx < x->split) {
		idx = hash & ((UINT64_C(2) << x->level) - 1);
	}
	return bucket_at(x, idx);
}

static struct kvs_bucket *
bucket_more(const struct kvs_index *x, const struct kvs_bucket *b)
{
	return b->more.v == 0 ? NULL : kvs_at(x->base, b->more);
}

static struct kvs_bucket *
bucket_alloc(struct kvs_index *x)
{
	struct kvs_bucket *b = heap_alloc(x->heap, sizeof(*b));

	if (b != NULL) {
		memset(b, 0, sizeof(*b));
	}
	return b;
}

/* Makes the chunk that holds bucket idx. */
static bool
chunk_reach(struct kvs_index *x, uint64_t idx)
{
	const size_t bytes = KVS_INDEX_CHUNK * sizeof(struct kvs_bucket);
	struct kvs_bucket *chunk;

	if (idx / KVS_INDEX_CHUNK < x->chunk_cnt) {
		return true;
	}
	if (x->chunk_cnt == x->chunk_max) {
		return false;
	}
	chunk = heap_alloc(x->heap, bytes);
	if (chunk == NULL) {
		return false;
	}
	memset(chunk, 0, bytes);
	x->chunk[x->chunk_cnt++] = chunk;
	return true;
}

int
kvs_index_init(struct kvs_index *x, const uint8_t *base, struct heap *heap, size_t heap_bytes,
	       uint64_t seed)
{
	size_t key_max = heap_bytes / KEY_BYTES_LEAST;

	*x = (struct kvs_index){
		.base = base,
		.heap = heap,
		.seed = seed,
		.level = LEVEL_FIRST,
		.chunk_max = (uint32_t)(key_max / KVS_INDEX_FILL / KVS_INDEX_CHUNK) + 1,
	};
	x->chunk = heap_alloc(heap, x->chunk_max * sizeof(struct kvs_bucket *));
	if (x->chunk == NULL || !chunk_reach(x, 0)) {
		return MB_ERR_NO_MEMORY;
	}
	return 0;
}

uint64_t
kvs_index_hash(const struct kvs_index *x, struct slice key)
{
	return hash_seeded(key.p, key.len, x->seed);
}

void
kvs_index_prefetch(const struct kvs_index *x, uint64_t hash)
{
	__builtin_prefetch(bucket_of(x, hash));
}

struct kvs_key *
kvs_index_find(const struct kvs_index *x, uint64_t hash, struct slice key)
{
	uint16_t tag = tag_of(hash);

	for (const struct kvs_bucket *b = bucket_of(x, hash); b != NULL; b = bucket_more(x, b)) {
		for (uint32_t i = 0; i < KVS_INDEX_SLOTS; i++) {
			struct kvs_key *k;

			if (likely(b->tag[i] != tag) || b->key[i].v == 0) {
				continue;
			}
			k = kvs_at(x->base, b->key[i]);
			if (likely(slice_eq(kvs_key_slice(k), key))) {
				return k;
			}
		}
	}
	return NULL;
}

const struct kvs_key *
kvs_index_peek(const struct kvs_index *x, uint64_t hash)
{
	const struct kvs_bucket *b = bucket_of(x, hash);
	uint16_t tag = tag_of(hash);

	for (uint32_t i = 0; i < KVS_INDEX_SLOTS; i++) {
		if (b->tag[i] == tag && b->key[i].v != 0) {
			return kvs_at(x->base, b->key[i]);
		}
	}
	return NULL;
}

/* ------------------------------------------------------------------ growing */

/* Where the next key goes in a chain: keeps I1. */
struct chain_end {
	struct kvs_bucket *b;
	uint32_t slot;
};

static void
chain_put(const struct kvs_index *x, struct chain_end *end, uint16_t tag, struct kvs_ref key)
{
	if (end->slot == KVS_INDEX_SLOTS) {
		end->b = bucket_more(x, end->b);
		end->slot = 0;
		INSIST(end->b != NULL);
	}
	end->b->tag[end->slot] = tag;
	end->b->key[end->slot] = key;
	end->slot++;
}

/* Ends the chain there: frees what lies behind, and empties the rest of the last bucket. */
static void
chain_cut(struct kvs_index *x, struct chain_end *end)
{
	struct kvs_bucket *more = bucket_more(x, end->b);

	for (uint32_t i = end->slot; i < KVS_INDEX_SLOTS; i++) {
		end->b->tag[i] = 0;
		end->b->key[i] = (struct kvs_ref){ 0 };
	}
	end->b->more = (struct kvs_ref){ 0 };
	while (more != NULL) {
		struct kvs_bucket *next = bucket_more(x, more);

		heap_free(x->heap, more, sizeof(*more));
		more = next;
	}
}

/* Makes room for cnt keys more at the end of a chain, or nothing. */
static bool
chain_extend(struct kvs_index *x, struct chain_end end, uint64_t cnt)
{
	struct kvs_bucket *b = end.b;

	for (cnt += end.slot; cnt > KVS_INDEX_SLOTS; cnt -= KVS_INDEX_SLOTS) {
		struct kvs_bucket *more = bucket_alloc(x);

		if (more == NULL) {
			chain_cut(x, &end);
			return false;
		}
		b->more = kvs_ref_of(x->base, more);
		b = more;
	}
	return true;
}

/* Whether a key moves to the other half when its bucket is split. */
static bool
key_moves(const struct kvs_index *x, struct kvs_ref key)
{
	struct slice name = kvs_key_slice(kvs_at(x->base, key));

	return (kvs_index_hash(x, name) >> x->level & 1) != 0;
}

static uint64_t
chain_move_cnt(const struct kvs_index *x, const struct kvs_bucket *b)
{
	uint64_t cnt = 0;

	for (; b != NULL; b = bucket_more(x, b)) {
		for (uint32_t i = 0; i < KVS_INDEX_SLOTS && b->key[i].v != 0; i++) {
			cnt += key_moves(x, b->key[i]);
		}
	}
	return cnt;
}

/* Splits the next bucket, if there is memory for it (I3). */
static void
split(struct kvs_index *x)
{
	uint64_t other_idx = (UINT64_C(1) << x->level) + x->split;
	struct kvs_bucket *b = bucket_at(x, x->split);
	struct chain_end stay = { .b = b }, move;

	if (!chunk_reach(x, other_idx)) {
		return;
	}
	move = (struct chain_end){ .b = bucket_at(x, other_idx) };
	if (!chain_extend(x, move, chain_move_cnt(x, b))) {
		return;
	}
	/* What stays is written over places that were read already. */
	for (struct kvs_bucket *from = b; from != NULL; from = bucket_more(x, from)) {
		for (uint32_t i = 0; i < KVS_INDEX_SLOTS && from->key[i].v != 0; i++) {
			chain_put(x, key_moves(x, from->key[i]) ? &move : &stay, from->tag[i],
				  from->key[i]);
		}
	}
	chain_cut(x, &stay);
	if (++x->split == UINT64_C(1) << x->level) {
		x->level++;
		x->split = 0;
	}
}

/* ---------------------------------------------------------------- shrinking */

static struct chain_end
chain_end_of(const struct kvs_index *x, struct kvs_bucket *b)
{
	struct chain_end end;
	struct kvs_bucket *more;

	while ((more = bucket_more(x, b)) != NULL) {
		b = more;
	}
	end = (struct chain_end){ .b = b };
	while (end.slot < KVS_INDEX_SLOTS && b->key[end.slot].v != 0) {
		end.slot++;
	}
	return end;
}

static uint64_t
chain_cnt(const struct kvs_index *x, const struct kvs_bucket *b)
{
	uint64_t cnt = 0;

	for (; b != NULL; b = bucket_more(x, b)) {
		for (uint32_t i = 0; i < KVS_INDEX_SLOTS && b->key[i].v != 0; i++) {
			cnt++;
		}
	}
	return cnt;
}

/* Takes the last split back, if there is memory for it (I3). */
static void
unsplit(struct kvs_index *x)
{
	uint32_t level = x->split > 0 ? x->level : x->level - 1;
	uint64_t idx = (x->split > 0 ? x->split : UINT64_C(1) << level) - 1;
	uint64_t other_idx = (UINT64_C(1) << level) + idx;
	struct chain_end end, none;

	if (level < LEVEL_FIRST) {
		return;
	}
	end = chain_end_of(x, bucket_at(x, idx));
	none = (struct chain_end){ .b = bucket_at(x, other_idx) };
	if (!chain_extend(x, end, chain_cnt(x, none.b))) {
		return;
	}
	for (struct kvs_bucket *from = none.b; from != NULL; from = bucket_more(x, from)) {
		for (uint32_t i = 0; i < KVS_INDEX_SLOTS && from->key[i].v != 0; i++) {
			chain_put(x, &end, from->tag[i], from->key[i]);
		}
	}
	chain_cut(x, &none);
	x->level = level;
	x->split = idx;
	while (x->chunk_cnt * (uint64_t)KVS_INDEX_CHUNK - KVS_INDEX_CHUNK >= other_idx) {
		heap_free(x->heap, x->chunk[--x->chunk_cnt],
			  KVS_INDEX_CHUNK * sizeof(struct kvs_bucket));
	}
}

int
kvs_index_add(struct kvs_index *x, uint64_t hash, struct kvs_key *k)
{
	struct kvs_bucket *b = bucket_of(x, hash), *more;
	uint32_t slot = 0;

	while ((more = bucket_more(x, b)) != NULL) {
		b = more;
	}
	while (slot < KVS_INDEX_SLOTS && b->key[slot].v != 0) {
		slot++;
	}
	if (slot == KVS_INDEX_SLOTS) {
		more = bucket_alloc(x);
		if (more == NULL) {
			return MB_ERR_NO_MEMORY;
		}
		b->more = kvs_ref_of(x->base, more);
		b = more;
		slot = 0;
	}
	b->tag[slot] = tag_of(hash);
	b->key[slot] = kvs_ref_of(x->base, k);
	x->cnt++;
	if (x->cnt > KVS_INDEX_FILL * ((UINT64_C(1) << x->level) + x->split)) {
		split(x);
	}
	return 0;
}

void
kvs_index_remove(struct kvs_index *x, uint64_t hash, const struct kvs_key *k)
{
	struct kvs_bucket *at = bucket_of(x, hash), *last = at, *before = NULL, *more;
	struct kvs_ref ref = kvs_ref_of(x->base, k);
	uint32_t slot = 0, end = 0;

	while (at->key[slot].v != ref.v) {
		if (++slot == KVS_INDEX_SLOTS) {
			at = bucket_more(x, at);
			slot = 0;
			REQUIRE(at != NULL, "a key is removed that is not there");
		}
	}
	while ((more = bucket_more(x, last)) != NULL) {
		before = last;
		last = more;
	}
	while (end < KVS_INDEX_SLOTS && last->key[end].v != 0) {
		end++;
	}
	INSIST(end > 0);
	end--;
	/* The chain's last key takes its place: keeps I1. */
	at->tag[slot] = last->tag[end];
	at->key[slot] = last->key[end];
	last->tag[end] = 0;
	last->key[end] = (struct kvs_ref){ 0 };
	if (end == 0 && before != NULL) {
		before->more = (struct kvs_ref){ 0 };
		heap_free(x->heap, last, sizeof(*last));
	}
	x->cnt--;
	if (x->cnt * KVS_INDEX_SPARE < KVS_INDEX_FILL * ((UINT64_C(1) << x->level) + x->split)) {
		unsplit(x);
	}
}

size_t
kvs_index_bytes(const struct kvs_index *x)
{
	return (size_t)x->chunk_cnt * KVS_INDEX_CHUNK * sizeof(struct kvs_bucket) +
	       x->chunk_max * sizeof(struct kvs_bucket *);
}
