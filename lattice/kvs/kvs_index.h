/* SPDX-License-Identifier: Apache-2.0 */
/* kvs_index - from the hash of a key to the key: a hash table that grows by one bucket at a time
 *
 * Linear hashing. There is never a second table and never a pause in which everything is moved:
 * each insert that makes the table too full splits one bucket, each removal that makes it too empty
 * takes a split back. Memory follows the number of keys, from the same heap that holds the keys.
 *
 *   buckets   0 .. split-1 | split .. 2^level-1 | 2^level .. 2^level+split-1
 *             already split   not yet             the other halves
 *
 *   bucket of hash h = h mod 2^level, if that is >= split; else h mod 2^(level+1)
 *
 * A bucket is a cache line: ten tags of 16 bits and ten references; a tag that fits is looked up,
 * so a find touches the bucket and, nearly always, one key. What does not fit into a bucket goes on
 * in another one from the heap.
 *
 * Owner: the shard. Errors: MB_ERR_NO_MEMORY.
 */
#ifndef MB_KVS_INDEX_H
#define MB_KVS_INDEX_H

#include <stdint.h>

#include "heap.h"
#include "kvs_key.h"
#include "slice.h"

#define KVS_INDEX_SLOTS 10
/* Keys a bucket on average: at 6 a find looks at 1.1 lines, and a key costs 11 bytes; at 8, 1.25
 * and 8. */
#define KVS_INDEX_FILL  6
#define KVS_INDEX_CHUNK 1024 /* buckets allocated at once: 64 KiB */
/* It shrinks when it is so many times as large as it would have grown for its keys. Less: what
 * comes and goes by turns would be moved each time. */
#define KVS_INDEX_SPARE 2

struct kvs_bucket;

struct kvs_index {
	const uint8_t *base; /* of references */
	struct heap *heap;
	uint64_t seed;
	uint64_t cnt;   /* keys */
	uint64_t split; /* next bucket to split */
	uint32_t level;
	uint32_t chunk_cnt, chunk_max;
	struct kvs_bucket **chunk;
};

/* kvs_index_init makes an empty index for the keys that fit into heap_bytes.
 *
 * Requires:  base is where references count from; seed is a secret, as the keys are a stranger's.
 * Returns:   0; MB_ERR_NO_MEMORY.
 */
int kvs_index_init(struct kvs_index *x, const uint8_t *base, struct heap *heap, size_t heap_bytes,
		   uint64_t seed);

uint64_t kvs_index_hash(const struct kvs_index *x, struct slice key);

/* kvs_index_find finds a key. hash is kvs_index_hash of it. Returns: NULL when it is not there. */
struct kvs_key *kvs_index_find(const struct kvs_index *x, uint64_t hash, struct slice key);

/* kvs_index_prefetch asks the memory for what kvs_index_find will look at first. */
void kvs_index_prefetch(const struct kvs_index *x, uint64_t hash);

/* kvs_index_peek gives the key that kvs_index_find will most likely find, without looking at it;
 * NULL: none. For who wants to prefetch it. */
const struct kvs_key *kvs_index_peek(const struct kvs_index *x, uint64_t hash);

/* kvs_index_add enters a key that is not there yet. Returns: 0; MB_ERR_NO_MEMORY. */
int kvs_index_add(struct kvs_index *x, uint64_t hash, struct kvs_key *k);

/* kvs_index_remove takes a key out.
 *
 * Requires:  it is there.
 */
void kvs_index_remove(struct kvs_index *x, uint64_t hash, const struct kvs_key *k);

/* Bytes the index has taken from the heap, overflow buckets apart. */
size_t kvs_index_bytes(const struct kvs_index *x);

#endif
