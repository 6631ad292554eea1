/* SPDX-License-Identifier: Apache-2.0 */
/* kvs_hot - see kvs_hot.h
 *
 * A count-min sketch never counts a key too low; it counts it too high only where it shares a cell
 * with others in every row. Candidates are remembered as they are seen, since a sketch cannot name
 * its keys: a key becomes one when its count passes the least that a hot key needs in this window.
 */
#include "kvs_hot.h"

#include <math.h>
#include <string.h>

#include "check.h"

void
kvs_hot_init(struct kvs_hot *h, uint32_t usual_cnt, uint32_t max_cnt)
{
	memset(h, 0, sizeof(*h));
	h->usual_cnt = usual_cnt;
	h->max_cnt = max_cnt;
}

/* Each row takes ten bits of its own of the mixed hash. */
static uint32_t *
cell_of(const struct kvs_hot *h, uint32_t row, uint64_t hash)
{
	uint64_t mixed = hash * UINT64_C(0x9e3779b97f4a7c15);

	return (uint32_t *)(uintptr_t)&h->cell[row][mixed >> (14 + 10 * row) & (KVS_HOT_CELLS - 1)];
}

static uint32_t
count_of(const struct kvs_hot *h, uint64_t hash)
{
	uint32_t least = UINT32_MAX;

	for (uint32_t r = 0; r < KVS_HOT_ROWS; r++) {
		least = MIN(least, *cell_of(h, r, hash));
	}
	return least;
}

static uint32_t
count_least(void)
{
	return KVS_HOT_WINDOW / KVS_HOT_SAMPLE / KVS_HOT_PART;
}

static void
candidate_add(struct kvs_hot *h, struct kvs_key *key, uint64_t hash)
{
	struct kvs_hot_key *free = NULL;

	for (uint32_t i = 0; i < KVS_HOT_MAX; i++) {
		if (h->keys[i].key == key) {
			return;
		}
		if (h->keys[i].key == NULL) {
			free = &h->keys[i];
		}
	}
	if (free != NULL) {
		*free = (struct kvs_hot_key){ .key = key, .hash = hash, .tile_cnt = h->usual_cnt };
	}
}

void
kvs_hot_sample(struct kvs_hot *h, struct kvs_key *key, uint64_t hash)
{
	/* 0 .. 2 * 8 - 2 are passed over, each as likely: any generator's top bits will do. */
	h->random = h->random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	h->skip = (uint32_t)((h->random >> 32) * (2 * KVS_HOT_SAMPLE - 1) >> 32);
	h->sample_cnt++;
	for (uint32_t r = 0; r < KVS_HOT_ROWS; r++) {
		++*cell_of(h, r, hash);
	}
	if (unlikely(count_of(h, hash) == count_least())) {
		candidate_add(h, key, hash);
	}
}

static void
spread(const struct kvs_hot *h, double *ret_mean, double *ret_sigma)
{
	double mean = (double)h->sample_cnt / KVS_HOT_CELLS, sum = 0;

	for (uint32_t i = 0; i < KVS_HOT_CELLS; i++) {
		double off = h->cell[0][i] - mean;

		sum += off * off;
	}
	*ret_mean = mean;
	*ret_sigma = sqrt(sum / KVS_HOT_CELLS);
}

/* How many tiles a key is to have after this window. */
static uint32_t
verdict(const struct kvs_hot *h, struct kvs_hot_key *k, uint32_t count, double bar)
{
	if (count > bar && count >= count_least()) {
		k->cold_cnt = 0;
		return MIN(2 * k->tile_cnt, h->max_cnt);
	}
	if (count > bar / 2 && count >= count_least() / 2) {
		k->cold_cnt = 0;
	} else if (++k->cold_cnt >= 2) {
		return h->usual_cnt;
	}
	return k->tile_cnt;
}

uint32_t
kvs_hot_judge(struct kvs_hot *h, struct kvs_hot_decision ret[KVS_HOT_MAX])
{
	struct kvs_hot_decision d = { .sample_cnt = h->sample_cnt };
	uint32_t cnt = 0;

	if (!kvs_hot_is_over(h)) {
		return 0;
	}
	spread(h, &d.mean, &d.sigma);
	for (uint32_t i = 0; i < KVS_HOT_MAX; i++) {
		struct kvs_hot_key *k = &h->keys[i];

		if (k->key == NULL) {
			continue;
		}
		d.key = k->key;
		d.hash = k->hash;
		d.count = count_of(h, k->hash);
		d.from_cnt = k->tile_cnt;
		d.to_cnt = verdict(h, k, d.count, d.mean + 3 * d.sigma);
		k->tile_cnt = d.to_cnt;
		if (d.to_cnt != d.from_cnt) {
			ret[cnt++] = d;
		}
		if (d.to_cnt == h->usual_cnt) {
			k->key = NULL;
		}
	}
	h->sample_cnt = 0;
	memset(h->cell, 0, sizeof(h->cell));
	return cnt;
}

uint32_t
kvs_hot_tiles(const struct kvs_hot *h, const struct kvs_key *key)
{
	for (uint32_t i = 0; i < KVS_HOT_MAX; i++) {
		if (h->keys[i].key == key) {
			return h->keys[i].tile_cnt;
		}
	}
	return h->usual_cnt;
}

void
kvs_hot_forget(struct kvs_hot *h, const struct kvs_key *key)
{
	for (uint32_t i = 0; i < KVS_HOT_MAX; i++) {
		if (h->keys[i].key == key) {
			h->keys[i].key = NULL;
		}
	}
}
