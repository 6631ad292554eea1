/* SPDX-License-Identifier: Apache-2.0 */
/* chain - a hash index over an array, emptied in no time
 *
 * Maps hashes to entries of an array of the caller's; entries of one bucket are linked through a
 * field of the entry. A bucket counts only if it carries the current turn's stamp, so emptying the
 * index is one addition, however large it is: a call that wrote nothing pays nothing.
 *
 *	for (i = *chain_head(c, hash); i != 0; i = entry[i - 1].next) ...
 *
 * Entries are named by their number + 1; 0 ends a chain. Owner: one thread.
 */
#ifndef MB_EXEC_CHAIN_H
#define MB_EXEC_CHAIN_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct chain_bucket {
	uint32_t stamp;
	uint32_t first;
};

struct chain {
	struct chain_bucket *bucket;
	uint32_t mask;
	uint32_t turn;
};

/* chain_init takes bucket_cnt buckets, a power of two, all zero. */
static inline void
chain_init(struct chain *c, struct chain_bucket *bucket, uint32_t bucket_cnt)
{
	*c = (struct chain){ .bucket = bucket, .mask = bucket_cnt - 1, .turn = 1 };
}

static inline void
chain_clear(struct chain *c)
{
	if (++c->turn == 0) { /* once in 2^32 calls: stamps of the last round must not count */
		memset(c->bucket, 0, ((size_t)c->mask + 1) * sizeof(c->bucket[0]));
		c->turn = 1;
	}
}

/* chain_head gives the place that holds the first entry of hash's bucket: to read, or to put a new
 * entry in front. */
static inline uint32_t *
chain_head(struct chain *c, uint64_t hash)
{
	struct chain_bucket *b = &c->bucket[hash & c->mask];

	if (b->stamp != c->turn) {
		b->stamp = c->turn;
		b->first = 0;
	}
	return &b->first;
}

#endif
