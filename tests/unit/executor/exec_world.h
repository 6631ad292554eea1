/* SPDX-License-Identifier: Apache-2.0 */
/* exec_world - a node in one thread, for the tests of executor/
 *
 * Real: cache cores and a kvs shard behind them, the cache region and its reader, the payload pool.
 * Made up: the channels (a message is handed over by a function call, answers queue), time, and the
 * memory that segments are leased from. A test may hold answers back, so that deadlines pass.
 */
#ifndef MB_TEST_EXEC_WORLD_H
#define MB_TEST_EXEC_WORLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cache_core.h"
#include "cache_msg.h"
#include "cache_region.h"
#include "cache_view.h"
#include "domain.h"
#include "kvs_core.h"
#include "payload.h"
#include "region.h"
#include "timebase.h"
#include "wait.h"
#include "wset.h"

#define WORLD_PROC       3 /* the executor's index */
#define WORLD_INC        5
#define WORLD_SEG_MAX    64
#define WORLD_QUEUE_MAX  1024
#define WORLD_SLAB_BYTES ((size_t)4 << 20)

struct world_queue {
	struct desc d[WORLD_QUEUE_MAX];
	uint32_t head, cnt;
};

struct world_cache {
	struct cache_core *core;
	struct world_queue to_kvs, from_kvs;
	struct world *world;
};

struct world {
	struct cache_layout layout;
	uint8_t *region;
	struct world_cache cache[CACHE_TILE_MAX];
	uint32_t cache_cnt;
	struct hashring *ring;
	struct kvs_shard *shard;
	struct kvs_core kvs;
	struct timebase_virtual time;
	/* the executor's side */
	_Atomic uint64_t hazard[HAZARD_CNT];
	struct cache_view view;
	uint8_t *slab;
	struct payload_pool *pool;
	uint8_t *seg[WORLD_SEG_MAX];
	size_t seg_bytes; /* leased now */
	size_t seg_budget;
	struct exec_wait wait;
	struct world_queue answers;
	/* another process, for world_do */
	const uint8_t *other;
	struct desc other_answer;
	/* what a test turns */
	bool hold;          /* answers do not come; a wait with a deadline ends at it */
	uint32_t sent[128]; /* messages to cache tiles, by kind */
	uint32_t dies_in;   /* so many messages more are sent, and the process dies; 0: it lives */
	/* of the process */
	struct region_commit commit;
	uint32_t down_cnt;                  /* tiles that are done with it, */
	uint64_t down_call[CACHE_TILE_MAX]; /* and which call published there last */
};

struct world *world_make(uint32_t cache_cnt);

/* world_end checks that nothing is held any more, and frees everything. */
void world_end(struct world *w);

/* world_settle lets everything under way come to its end. */
void world_settle(struct world *w);

/* world_die is the death of the executor, as the tiles hear of it, and its end: they are done with
 * it, and take it for a new one. Whoever still waits for its answers in a test gets them. */
void world_die(struct world *w);

/* world_do applies one operation as another process would, and waits for it. Returns: its err. */
int world_do(struct world *w, const struct wset_op *op);
void world_put(struct world *w, const char *key, const char *value);
void world_sadd(struct world *w, const char *key, const char *member);

/* world_text is what a key shows to another reader, fetched if need be: its text; "(absent)";
 * "(set of N)", "(map of N)". In a buffer that the next call uses again. */
const char *world_text(struct world *w, struct slice key);
bool world_has(struct world *w, struct slice key, struct slice member);

/* world_evict makes the cache forget: the next read of anything misses. */
void world_evict(struct world *w);

/* world_bytes finds the bytes of a payload of the executor's; fails the test when ref is wrong. */
const uint8_t *world_bytes(struct world *w, const struct payload_ref *ref);

#endif
