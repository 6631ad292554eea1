/* SPDX-License-Identifier: Apache-2.0 */
/* kvs_world - some kvs cores with links between them, in one thread, for the tests of the store
 *
 * Real: cores, shards, ring. Made up: links (queues that the test moves), time, and askers: cache
 * tiles 0 .. cache_cnt-1, of which each keeps what it was sent last, and a guest behind them.
 */
#ifndef MB_TEST_KVS_WORLD_H
#define MB_TEST_KVS_WORLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kvs_core.h"
#include "timebase.h"

#define WORLD_TILE_MAX  8
#define WORLD_CACHE_MAX 2
#define WORLD_QUEUE     4096
#define WORLD_PERIOD_NS NS_PER_MS
#define WORLD_PAUSE_NS  (10 * NS_PER_MS)

struct world_queue {
	struct desc d[WORLD_QUEUE];
	uint32_t head, cnt;
};

struct world;

struct world_tile {
	struct world *world;
	uint32_t idx;
	struct kvs_shard *shard;
	struct kvs_core core;
	struct world_queue from[WORLD_TILE_MAX]; /* of each other tile */
};

/* What an asker was sent and has not taken. */
struct world_asker {
	struct desc d[WORLD_QUEUE];
	uint32_t tile[WORLD_QUEUE];
	uint32_t cnt;
};

struct world {
	struct timebase_virtual time;
	struct hashring *ring;
	uint32_t tile_cnt, cache_cnt;
	struct world_tile tile[WORLD_TILE_MAX];
	struct world_asker asker[WORLD_CACHE_MAX + 1]; /* the guest is number cache_cnt */
	struct kvs_hot_decision decided[KVS_HOT_MAX];
	uint32_t decided_cnt;
	bool cut; /* nothing moves between tiles */
	uint8_t mem[1 << 20];
	struct wbuf values; /* where values are made; those of one test fit */
};

struct world *world_make(uint32_t tile_cnt, uint32_t copies, uint32_t cache_cnt, size_t bytes);

/* world_end checks that nothing is under way anywhere. */
void world_end(struct world *w);

/* world_turn has every tile take what was sent to it and poll once. Returns: whether anything
 * moved. */
bool world_turn(struct world *w);

/* world_move lets ns go by, in steps, while messages between tiles arrive and timers run. */
void world_move(struct world *w, uint64_t ns);

/* The tile that is owner number rank of a key. */
uint32_t world_owner(const struct world *w, const char *key, uint32_t rank);

/* A SET in the epoch of this time; a member of a set; nothing, in the epoch of this time. */
struct slice world_set(struct world *w, uint64_t time, const char *text);
struct slice world_member(struct world *w, const char *member);
struct slice world_tombstone(struct world *w, uint64_t time);

/* world_merge sends a MERGE of an asker, world_get a GET. Answers come to asker[from]. */
void world_merge(struct world *w, uint32_t tile, uint32_t from, const char *key, struct slice delta,
		 enum kvs_ack ack);
void world_get(struct world *w, uint32_t tile, uint32_t from, const char *key);

/* world_take takes the oldest message of this kind that an asker was sent; false: there is none. */
bool world_take(struct world *w, uint32_t from, enum kvs_msg_kind kind, struct desc *ret,
		uint32_t *ret_tile);

/* world_reply answers a TELL or an ASK of a tile as cache number from. */
void world_reply(struct world *w, uint32_t from, uint32_t tile, const struct desc *d, int err);

/* What a tile has under a key; empty: nothing. */
struct slice world_has(const struct world *w, uint32_t tile, const char *key);

#endif
