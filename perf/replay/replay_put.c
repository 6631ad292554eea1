/* SPDX-License-Identifier: Apache-2.0 */
/* replay_put.c - a write set on its way through a cache tile's core and a kvs tile's, and back
 *
 * Its keys are not in the cache: they are put by one who passes on what others write. */
#include "replay.h"

#include <microburst/error.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cache_core.h"
#include "cache_msg.h"
#include "cache_region.h"
#include "compiler.h"
#include "hashring.h"
#include "kvs_core.h"
#include "kvs_msg.h"
#include "kvs_shard.h"
#include "tile_msg.h"
#include "timebase.h"
#include "wset.h"

#define HEAP_BYTES  (8u << 20)
#define SHARD_BYTES (8u << 20)
#define PUTS        64
#define SETS        16
#define SET_BYTES   (PUTS * 64)
#define PROC        1
#define QUEUE       16

struct queue {
	struct desc d[QUEUE];
	uint32_t cnt;
};

static struct {
	struct cache_layout layout;
	struct hashring *ring;
	uint8_t *region;
	void *memory;
	struct cache_core *cache;
	struct kvs_core kvs;
	struct queue to_kvs, from_kvs;
	int published; /* its err */
	uint32_t at;
	struct wset set[SETS];
	_Alignas(8) uint8_t bytes[SETS][SET_BYTES];
} put;

static void
queue_put(struct queue *q, const struct desc *d)
{
	if (q->cnt < QUEUE) {
		q->d[q->cnt++] = *d;
	}
}

static void
to_proc(void *ctx, uint16_t proc, const struct desc *d)
{
	(void)ctx;
	(void)proc;
	put.published = d->err;
}

static void
to_kvs(void *ctx, uint32_t kvs, const struct desc *d)
{
	(void)ctx;
	(void)kvs;
	queue_put(&put.to_kvs, d);
}

static void
kvs_send(void *ctx, uint32_t to, const struct desc *d)
{
	(void)ctx;
	(void)to;
	queue_put(&put.from_kvs, d);
}

static int
view(void *ctx, const struct payload_ref *ref, const uint8_t **ret)
{
	(void)ctx;
	*ret = put.bytes[ref->seg];
	return 0;
}

static const _Atomic uint64_t *
no_reader(void *ctx, uint32_t *iter)
{
	(void)ctx;
	(void)iter;
	return NULL;
}

static int
sets_make(void)
{
	struct wset_op op = { .kind = WSET_PUT, .value = slice_str("01234567") };
	char key[16];
	int err = 0;

	for (uint32_t s = 0; s < SETS; s++) {
		wset_init(&put.set[s], put.bytes[s], SET_BYTES);
		for (uint32_t i = 0; i < PUTS && err == 0; i++) {
			snprintf(key, sizeof(key), "r%06u", s * PUTS + i);
			op.key = slice_str(key);
			err = wset_add(&put.set[s], &op);
		}
	}
	return err;
}

static int
put_begin(void)
{
	struct cache_region_cfg region = { .shard_cnt = 1,
					   .heap_bytes = HEAP_BYTES,
					   .keys_max = 65536 };
	struct cache_core_cfg cache = {
		.layout = &put.layout,
		.kvs_cnt = 1,
		.writer = { 1 },
		.timebase = timebase_real(),
		.ops = { .to_proc = to_proc, .to_kvs = to_kvs, .view = view, .hazards = no_reader }
	};
	struct kvs_core_cfg kvs = { .tile_cnt = 1,
				    .cache_cnt = 1,
				    .copies = 1,
				    .period_ns = NS_PER_MS,
				    .ack_timeout_ns = NS_PER_S,
				    .drop_pause_ns = 100 * NS_PER_MS,
				    .timebase = timebase_real() };
	struct kvs_out out = { .send = kvs_send };
	struct desc up = { .kind = DESC_PROC_UP, .sub = PROC_UP_OWN };
	int err = cache_region_plan(&region, &put.layout);

	if (err == 0) {
		err = hashring_create(&put.ring, &(struct hashring_member){ 1, 1 }, 1);
	}
	if (err != 0) {
		return err;
	}
	put.region = aligned_alloc(4096, ALIGN_UP(put.layout.bytes, 4096U));
	put.memory = aligned_alloc(4096, kvs_shard_extent(SHARD_BYTES));
	if (put.region == NULL || put.memory == NULL) {
		return MB_ERR_NO_MEMORY;
	}
	memset(put.region, 0, put.layout.bytes);
	cache_region_format(put.region, &put.layout);
	kvs.ring = put.ring;
	kvs_core_init(&put.kvs, kvs_shard_init(put.memory, SHARD_BYTES, 1), &kvs, &out);
	cache.base = put.region;
	cache.ring = put.ring;
	err = cache_core_create(&put.cache, &cache);
	if (err == 0) {
		up.open.proc = PROC;
		up.open.inc = 1;
		cache_core_step(put.cache, (struct cache_from){ CACHE_FROM_CTL, 0 }, &up);
		err = sets_make();
	}
	return err;
}

static void
put_end(void)
{
	if (put.cache != NULL) {
		cache_core_destroy(put.cache);
	}
	if (put.ring != NULL) {
		hashring_destroy(put.ring);
	}
	free(put.region);
	free(put.memory);
}

static int
put_hot(void)
{
	uint32_t at = put.at++ % SETS;
	struct desc d = { .kind = DESC_PUBLISH, .b = 1, .ref = { .proc = PROC, .seg = at } };

	d.ref.len = (uint32_t)wset_bytes(&put.set[at]).len;
	put.published = 1;
	cache_core_step(put.cache, (struct cache_from){ CACHE_FROM_PROC, PROC }, &d);
	cache_core_poll(put.cache);
	for (uint32_t i = 0; i < put.to_kvs.cnt; i++) {
		kvs_core_step(&put.kvs, 0, &put.to_kvs.d[i]);
	}
	put.to_kvs.cnt = 0;
	for (uint32_t i = 0; i < put.from_kvs.cnt; i++) {
		cache_core_step(put.cache, (struct cache_from){ CACHE_FROM_KVS, 0 },
				&put.from_kvs.d[i]);
	}
	put.from_kvs.cnt = 0;
	return put.published;
}

const struct replay_op replay_put_many = {
	.name = "instr_put_64",
	.what = "64 puts of 8 bytes, a set, from the cache tile through the store and back",
	.begin = put_begin,
	.end = put_end,
	.begin_hot = put_hot,
};
