/* SPDX-License-Identifier: Apache-2.0 */
/* kvs_owner - whose a key is, as a core sees it */
#ifndef MB_KVS_OWNER_H
#define MB_KVS_OWNER_H

#include "hash.h"
#include "kvs_core.h"

/* kvs_owner_hash is the place of a key on the ring; with one tile there is nothing to look for. */
static inline uint64_t
kvs_owner_hash(const struct kvs_core *c, struct slice key)
{
	return c->cfg.tile_cnt == 1 ? 0 : hash_bytes(key.p, key.len);
}

static inline bool
kvs_owner_is_primary(const struct kvs_core *c, uint64_t hash)
{
	return hashring_primary(c->cfg.ring, c->cfg.member, hash) == c->cfg.self;
}

/* kvs_owner_set gives the first cnt owners of a key, as listeners; this tile may be one of them. */
static inline uint64_t
kvs_owner_set(const struct kvs_core *c, uint64_t hash, uint32_t cnt)
{
	uint16_t tile[KVS_TILE_MAX];
	uint64_t set = 0;

	cnt = hashring_tiles(c->cfg.ring, c->cfg.member, hash, cnt, tile);
	for (uint32_t i = 0; i < cnt; i++) {
		set |= kvs_listener_bit(tile[i]);
	}
	return set;
}

/* kvs_owner_hold: an asker has, from now on, what this tile has of a key, or has no copy of it. k:
 * NULL: there is no such key. */
static inline void
kvs_owner_hold(const struct kvs_core *c, uint32_t from, struct kvs_key *k, bool has)
{
	if (k != NULL && from < c->cfg.cache_cnt) {
		uint8_t bit = (uint8_t)(1u << from);

		k->held = has ? k->held | bit : k->held & (uint8_t)~bit;
	}
}

#endif
