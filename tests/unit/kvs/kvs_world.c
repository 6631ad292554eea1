/* SPDX-License-Identifier: Apache-2.0 */
#include "kvs_world.h"

#include <stdlib.h>
#include <string.h>

#include "hash.h"
#include "kvs_value.h"
#include "test_cmocka.h"

static void
send_asker(void *ctx, uint32_t to, const struct desc *d)
{
	struct world_tile *t = ctx;
	struct world_asker *a = &t->world->asker[to];

	assert_true(to <= t->world->cache_cnt);
	assert_true(a->cnt < WORLD_QUEUE);
	a->tile[a->cnt] = t->idx;
	a->d[a->cnt++] = *d;
}

static void
send_tile(void *ctx, uint32_t tile, const struct desc *d)
{
	struct world_tile *t = ctx;
	struct world_queue *q = &t->world->tile[tile].from[t->idx];

	assert_int_not_equal(tile, t->idx);
	assert_true(q->cnt < WORLD_QUEUE);
	q->d[(q->head + q->cnt++) % WORLD_QUEUE] = *d;
}

static void
decided(void *ctx, const struct kvs_hot_decision *d)
{
	struct world *w = ((struct world_tile *)ctx)->world;

	assert_true(w->decided_cnt < KVS_HOT_MAX);
	w->decided[w->decided_cnt++] = *d;
}

struct world *
world_make(uint32_t tile_cnt, uint32_t copies, uint32_t cache_cnt, size_t bytes)
{
	struct world *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	w->tile_cnt = tile_cnt;
	w->cache_cnt = cache_cnt;
	w->values = wbuf_init(w->mem, sizeof(w->mem));
	timebase_virtual_init(&w->time, NS_PER_S, 1700000000000000);
	assert_int_equal(hashring_create(&w->ring, &(struct hashring_member){ 1, tile_cnt }, 1), 0);
	for (uint32_t i = 0; i < tile_cnt; i++) {
		struct world_tile *t = &w->tile[i];
		struct kvs_out out = { send_asker, send_tile, decided, t };
		struct kvs_core_cfg cfg = {
			.ring = w->ring,
			.self = i,
			.tile_cnt = tile_cnt,
			.cache_cnt = cache_cnt,
			.copies = copies,
			.ack = KVS_ACK_ONE,
			.period_ns = WORLD_PERIOD_NS,
			.ack_timeout_ns = 100 * NS_PER_MS,
			.drop_pause_ns = WORLD_PAUSE_NS,
			.timebase = &w->time.tb,
		};
		void *mem = aligned_alloc(64, kvs_shard_extent(bytes));

		assert_non_null(mem);
		t->world = w;
		t->idx = i;
		t->shard = kvs_shard_init(mem, bytes, 7 + i);
		kvs_core_init(&t->core, t->shard, &cfg, &out);
		kvs_core_poll(&t->core, w->time.now_ns);
	}
	return w;
}

void
world_end(struct world *w)
{
	for (uint32_t i = 0; i < w->tile_cnt; i++) {
		assert_int_equal(kvs_core_busy(&w->tile[i].core), 0);
		assert_int_equal(w->tile[i].shard->pin_cnt, 0);
		heap_check(w->tile[i].shard->heap);
		free(w->tile[i].shard);
	}
	hashring_destroy(w->ring);
	free(w);
}

bool
world_turn(struct world *w)
{
	bool busy = false;

	for (uint32_t i = 0; i < w->tile_cnt; i++) {
		for (uint32_t from = 0; from < w->tile_cnt && !w->cut; from++) {
			struct world_queue *q = &w->tile[i].from[from];

			for (; q->cnt > 0; q->cnt--) {
				struct desc d = q->d[q->head];

				q->head = (q->head + 1) % WORLD_QUEUE;
				kvs_core_step_tile(&w->tile[i].core, from, &d);
				busy = true;
			}
		}
		busy |= kvs_core_poll(&w->tile[i].core, w->time.now_ns);
	}
	return busy;
}

void
world_move(struct world *w, uint64_t ns)
{
	uint64_t until_ns = w->time.now_ns + ns;

	do {
		for (uint32_t i = 0; world_turn(w); i++) {
			assert_true(i < 10000);
		}
		timebase_virtual_advance(&w->time, 100 * NS_PER_US);
	} while (w->time.now_ns < until_ns);
	while (world_turn(w)) {
	}
}

uint32_t
world_owner(const struct world *w, const char *key, uint32_t rank)
{
	uint16_t tile[WORLD_TILE_MAX];

	assert_true(hashring_tiles(w->ring, 0, hash_bytes(key, strlen(key)), rank + 1, tile) >
		    rank);
	return tile[rank];
}

struct slice
world_set(struct world *w, uint64_t time, const char *text)
{
	return value_set(&w->values, time, slice_str(text));
}

struct slice
world_member(struct world *w, const char *member)
{
	return value_member(&w->values, slice_str(member));
}

struct slice
world_tombstone(struct world *w, uint64_t time)
{
	struct envelope e = { .epoch = { { time }, { 1 } } };
	size_t start = w->values.len;

	assert_int_equal(envelope_write(&e, &w->values), 0);
	return slice_of(w->values.p + start, w->values.len - start);
}

void
world_merge(struct world *w, uint32_t tile, uint32_t from, const char *key, struct slice delta,
	    enum kvs_ack ack)
{
	struct desc d = { .kind = DESC_KVS_MERGE, .a = (uint16_t)ack, .b = 77 };

	kvs_msg_set_bytes(&d, slice_str(key));
	kvs_msg_set_delta(&d, delta);
	kvs_core_step(&w->tile[tile].core, from, &d);
}

void
world_get(struct world *w, uint32_t tile, uint32_t from, const char *key)
{
	struct desc d = { .kind = DESC_KVS_GET, .b = 78 };

	kvs_msg_set_bytes(&d, slice_str(key));
	kvs_core_step(&w->tile[tile].core, from, &d);
}

bool
world_take(struct world *w, uint32_t from, enum kvs_msg_kind kind, struct desc *ret,
	   uint32_t *ret_tile)
{
	struct world_asker *a = &w->asker[from];

	for (uint32_t i = 0; i < a->cnt; i++) {
		if (a->d[i].kind == kind) {
			*ret = a->d[i];
			if (ret_tile != NULL) {
				*ret_tile = a->tile[i];
			}
			a->cnt--;
			memmove(&a->d[i], &a->d[i + 1], (a->cnt - i) * sizeof(a->d[0]));
			memmove(&a->tile[i], &a->tile[i + 1], (a->cnt - i) * sizeof(a->tile[0]));
			return true;
		}
	}
	return false;
}

void
world_reply(struct world *w, uint32_t from, uint32_t tile, const struct desc *d, int err)
{
	struct desc a = { .kind = d->kind == DESC_KVS_TELL ? DESC_KVS_TOLD : DESC_KVS_DROPPED,
			  .sub = d->sub,
			  .err = (int16_t)err,
			  .b = d->b };

	kvs_core_step(&w->tile[tile].core, from, &a);
}

struct slice
world_has(const struct world *w, uint32_t tile, const char *key)
{
	return kvs_shard_get(w->tile[tile].shard, slice_str(key));
}
