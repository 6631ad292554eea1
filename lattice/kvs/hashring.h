/* SPDX-License-Identifier: Apache-2.0 */
/* hashring - which nodes keep a key, and which tiles of a node
 *
 * Consistent hashing on two levels. Each node stands on a circle of 2^64 places at HASHRING_TOKENS
 * tokens, each tile of a node on a circle of the node's own; the owners of a key are the first n
 * distinct ones that follow its hash. So when a node or a tile comes or goes, only keys move that
 * it gets or had.
 *
 * A ring is a pure function of the membership: everybody who knows the same members computes the
 * same owners. It is made once and does not change; another membership is another ring.
 *
 * Threads: any may read a ring that was handed to it.
 */
#ifndef MB_HASHRING_H
#define MB_HASHRING_H

#include <stdint.h>

#define HASHRING_NODE_MAX 128
#define HASHRING_TILE_MAX 32
/* More spread the keys more evenly: the share of a tile deviates by 1 / sqrt(tokens). 256: 6 %. */
#define HASHRING_TOKENS   256

struct hashring;

struct hashring_member {
	uint64_t node; /* its id, which it keeps over restarts */
	uint32_t tile_cnt;
};

/* hashring_create makes the ring of a membership. The order of the members does not matter to who
 * owns what, but results are indices into it.
 *
 * Requires:  1 <= cnt <= HASHRING_NODE_MAX, node ids distinct, 1 <= tile_cnt <= HASHRING_TILE_MAX.
 * Returns:   0; MB_ERR_NO_MEMORY. Threads: a control path, it allocates.
 */
int hashring_create(struct hashring **ret, const struct hashring_member *member, uint32_t cnt);
void hashring_destroy(struct hashring *r);

/* hashring_nodes lists the first `want` nodes that own a key, as indices of members; hash is
 * hash_bytes of the key.
 *
 * Returns:   how many: want, or all there are.
 */
uint32_t hashring_nodes(const struct hashring *r, uint64_t hash, uint32_t want,
			uint16_t ret_member[]);

/* hashring_tiles lists the first `want` tiles of a node that own a key: the first one is the
 * primary. Returns: how many: want, or all there are. Cost: some 10 ns a tile. */
uint32_t hashring_tiles(const struct hashring *r, uint32_t member, uint64_t hash, uint32_t want,
			uint16_t ret_tile[]);

/* hashring_primary is the first of hashring_tiles. */
uint32_t hashring_primary(const struct hashring *r, uint32_t member, uint64_t hash);

#endif
