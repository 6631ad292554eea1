/* SPDX-License-Identifier: Apache-2.0 */
/* cache_world - a cache core with everything around it, in one thread, for the tests of cache/
 *
 * Real: the core, the region, kvs shards behind it, readers. Made up: the links (queues that are
 * moved by hand, so a test decides what happens before what), processes (a row of hazard slots and
 * a list of answers), their payloads, time.
 */
#ifndef MB_TEST_CACHE_WORLD_H
#define MB_TEST_CACHE_WORLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cache_core.h"
#include "cache_msg.h"
#include "cache_region.h"
#include "cache_view.h"
#include "kvs_core.h"
#include "timebase.h"
#include "wset.h"

#define WORLD_PROC_CNT    8
#define WORLD_KVS_MAX     4
#define WORLD_ANSWER_MAX  4096
#define WORLD_PAYLOAD_MAX 64

struct world_cfg {
	uint64_t heap_bytes; /* 0: 16 MiB */
	uint64_t keys_max;   /* 0: 4096 */
	size_t kvs_bytes;    /* 0: 64 MiB */
	uint32_t kvs_cnt;    /* 0: 1 */
	uint32_t shard_cnt;  /* 0: 1; the core is of shard 0 */
};

struct world_queue {
	struct desc d[CACHE_KVS_DEPTH];
	uint32_t head, cnt;
};

/* A payload of process proc, named by its place + 1 as segment. */
struct world_payload {
	const uint8_t *p;
	uint32_t len;
	uint16_t proc;
	bool page; /* of a scan */
};

struct world_proc {
	uint32_t inc; /* 0: not up */
	_Atomic uint64_t hazard[HAZARD_CNT];
	struct cache_view view;
	struct desc commit; /* what it had committed for this tile; NONE: nothing */
	struct desc answer[WORLD_ANSWER_MAX];
	uint32_t answer_cnt;
};

/* What a kvs core is told of where it is. */
struct world_kvs {
	struct world *world;
	uint32_t idx;
};

struct world {
	struct cache_layout layout;
	uint8_t *region;
	struct cache_core *core;
	struct timebase_virtual time;
	struct hashring *ring;
	struct kvs_shard *shard[WORLD_KVS_MAX];
	struct kvs_core kvs[WORLD_KVS_MAX];
	uint32_t kvs_cnt;
	struct world_kvs kvs_of[WORLD_KVS_MAX];
	struct world_queue to_kvs[WORLD_KVS_MAX], from_kvs[WORLD_KVS_MAX];
	struct world_queue between[WORLD_KVS_MAX][WORLD_KVS_MAX]; /* from, to */
	struct world_proc proc[WORLD_PROC_CNT];                   /* 0 is the daemon, not used */
	struct desc guest;                                        /* what it was answered */
	struct desc to_ctl[64];
	uint32_t to_ctl_cnt;
	struct world_payload payload[WORLD_PAYLOAD_MAX];
};

struct world *world_make(const struct world_cfg *cfg);

/* world_end checks that nothing is left over, and frees everything. */
void world_end(struct world *w);

void world_up(struct world *w, uint16_t proc);
void world_down(struct world *w, uint16_t proc);
/* As world_up, of a process that is a tile of the daemon (inner.h). */
void world_up_inner(struct world *w, uint16_t proc);
/* As world_up_inner, of the one that may write under KEY_SYSTEM. */
void world_up_system(struct world *w, uint16_t proc);
/* The same of a client that is a tile of this daemon. */
void world_up_own(struct world *w, uint16_t proc);

/* world_kvs moves up to n messages through kvs tile j and back to the core's queue; world_core
 * gives up to n of its answers to the core. Each returns how many. */
uint32_t world_kvs(struct world *w, uint32_t j, uint32_t n);
/* world_guest merges a delta into a key at its primary, past the cache, and gives the answer. What
 * the store has to tell the cache of it lies in from_kvs. */
int world_guest(struct world *w, struct slice key, struct slice delta);

uint32_t world_core(struct world *w, uint32_t j, uint32_t n);

/* world_fill merges the members [from, to), as big-endian u64, into a set of kvs tile 0, behind
 * everybody's back. type: GSET, or ORSET, of writer 77. Returns: as kvs_shard_merge. */
int world_fill(struct world *w, struct slice key, unsigned int type, uint32_t from, uint32_t to);

/* world_turn moves everything once; world_settle until nothing moves any more. */
bool world_turn(struct world *w);
void world_settle(struct world *w);

/* world_payload lends bytes to the core as a payload of proc, until world_unpayload. */
struct payload_ref world_payload(struct world *w, uint16_t proc, const void *p, size_t len);
void world_unpayload(struct world *w, const struct payload_ref *ref);

/* Requests. `b` is echoed. The set's memory must stay until it is answered. */
void world_fetch(struct world *w, uint16_t proc, struct slice key, uint64_t b);
void world_publish(struct world *w, uint16_t proc, uint64_t call, struct slice set, uint64_t b);
/* world_publish_words: with a word on each operation (cache_op_word); the set goes by reference.
 * world_hashes puts the keys' hashes into the words, before that. */
void world_hashes(struct slice set, struct cache_op_word *word);
void world_publish_words(struct world *w, uint16_t proc, struct slice set, uint64_t b,
			 struct cache_op_word *word);
void world_scan(struct world *w, uint16_t proc, struct slice prefix, struct slice after,
		uint16_t limit, uint64_t b);

/* world_answer finds the answer with this b, and takes it. Fails the test when there is none. */
struct desc world_answer(struct world *w, uint16_t proc, enum cache_msg_kind kind, uint64_t b);
bool world_answered(const struct world *w, uint16_t proc, uint64_t b);

/* One operation, published by proc and settled. Returns: the err of its answer. */
int world_do(struct world *w, uint16_t proc, const struct wset_op *op);
int world_put(struct world *w, uint16_t proc, const char *key, struct slice value);
int world_incr(struct world *w, uint16_t proc, const char *key, int64_t n);
int world_sadd(struct world *w, uint16_t proc, const char *key, const char *member);
int world_del(struct world *w, uint16_t proc, const char *key);

/* world_get reads a key as a process does: in place, fetching it if need be. *ret is held.
 * Returns: CACHE_HIT or CACHE_ABSENT, or the error of the fetch. */
int world_get(struct world *w, uint16_t proc, struct slice key, struct cache_value *ret);

/* What a key shows as text, in a buffer of the test's; "" when it is absent. */
const char *world_text(struct world *w, uint16_t proc, const char *key);

/* What the store has under a key. */
struct slice world_stored(struct world *w, struct slice key);

#endif
