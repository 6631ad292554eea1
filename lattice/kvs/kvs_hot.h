/* SPDX-License-Identifier: Apache-2.0 */
/* kvs_hot - which keys are asked for so often that one tile is not enough for them
 *
 * A count-min sketch of the requests that reach a key's primary, looked at once a window of
 * KVS_HOT_WINDOW of them: a window is a number of requests and not a time, so an idle tile does
 * nothing. A key is hot when its count lies above the mean plus three sigmas of the sketch's cells,
 * and is a fair part of all requests (KVS_HOT_PART). It then gets twice the tiles, each window it
 * stays hot; two windows below half of that, and it falls back to what all keys have.
 *
 * Decides only; the core acts, and whoever is told logs the numbers.
 *
 * Owner: the kvs tile.
 */
#ifndef MB_KVS_HOT_H
#define MB_KVS_HOT_H

#include <stdbool.h>
#include <stdint.h>

#include "compiler.h"
#include "kvs_key.h"

#define KVS_HOT_ROWS   4
#define KVS_HOT_CELLS  1024 /* a row; with the rows 16 KiB */
#define KVS_HOT_SAMPLE 8    /* one request in so many is counted; a power of two */
#define KVS_HOT_WINDOW 65536
#define KVS_HOT_PART   64 /* of all requests, at least one in so many */
#define KVS_HOT_MAX    32 /* keys; each needs a part of the requests, so there are hardly more */

/* Hot, or about to be. */
struct kvs_hot_key {
	struct kvs_key *key; /* NULL: free */
	uint64_t hash;
	uint32_t tile_cnt; /* that are to have it; those of any key: not hot (yet) */
	uint32_t cold_cnt; /* windows in a row */
};

/* What was decided of a key, with the numbers that made it. */
struct kvs_hot_decision {
	struct kvs_key *key;
	uint64_t hash;
	uint32_t from_cnt, to_cnt; /* tiles */
	uint32_t count;            /* of the key, of sample_cnt */
	uint32_t sample_cnt;
	double mean, sigma; /* of the cells */
};

struct kvs_hot {
	uint32_t usual_cnt, max_cnt; /* tiles that any key has, that one can have */
	uint32_t skip, sample_cnt;
	uint64_t random;
	struct kvs_hot_key keys[KVS_HOT_MAX];
	uint32_t cell[KVS_HOT_ROWS][KVS_HOT_CELLS];
};

void kvs_hot_init(struct kvs_hot *h, uint32_t usual_cnt, uint32_t max_cnt);

/* kvs_hot_sample counts a request that was drawn, and draws the next: on average one in
 * KVS_HOT_SAMPLE, not each eighth, as loads have periods. */
void kvs_hot_sample(struct kvs_hot *h, struct kvs_key *key, uint64_t hash);

static inline void
kvs_hot_seen(struct kvs_hot *h, struct kvs_key *key, uint64_t hash)
{
	if (unlikely(h->skip-- == 0)) {
		kvs_hot_sample(h, key, hash);
	}
}

/* kvs_hot_is_over: whether the window is. */
static inline bool
kvs_hot_is_over(const struct kvs_hot *h)
{
	return h->sample_cnt >= KVS_HOT_WINDOW / KVS_HOT_SAMPLE;
}

/* kvs_hot_judge decides at the end of a window, and begins the next.
 *
 * Returns:   how many decisions, 0 before the window's end; ret has room for KVS_HOT_MAX.
 */
uint32_t kvs_hot_judge(struct kvs_hot *h, struct kvs_hot_decision ret[KVS_HOT_MAX]);

/* kvs_hot_tiles says how many tiles are to have a key that is marked hot. */
uint32_t kvs_hot_tiles(const struct kvs_hot *h, const struct kvs_key *key);

/* kvs_hot_forget: the key is about to be removed. */
void kvs_hot_forget(struct kvs_hot *h, const struct kvs_key *key);

#endif
