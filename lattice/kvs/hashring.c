/* SPDX-License-Identifier: Apache-2.0 */
/* hashring - see hashring.h
 *
 *   0 ──┬────┬──────────┬─────┬──────────── 2^64
 *      t2   t0    h►   t1    t2             owners of h, two of them: t1, t2
 *
 * A circle is an array of tokens in ascending order. Where the walk begins is not searched for:
 * slot[] has, for each value of the hash's top bits, the first token that is not before it, and on
 * average less than one token has to be passed from there.
 *
 * Tokens of a tile depend on its number and nothing else, so equal nodes share a circle's shape,
 * and the first n tiles of a node stand where they stand in a node of n tiles.
 */
#include "hashring.h"

#include <stdlib.h>

#include "check.h"
#include "hash.h"
#include "microburst/error.h"

struct token {
	uint64_t at;
	uint16_t who;
};

struct circle {
	uint32_t who_cnt;
	uint32_t cnt;
	uint32_t shift; /* hash >> shift: its slot */
	struct token *token;
	uint32_t *slot;
};

struct hashring {
	uint32_t node_cnt;
	struct circle nodes;
	struct circle tiles[];
};

static int
token_cmp(const void *a, const void *b)
{
	const struct token *x = a, *y = b;

	if (x->at != y->at) {
		return x->at < y->at ? -1 : 1;
	}
	return x->who - y->who;
}

static void
circle_fini(struct circle *c)
{
	free(c->token);
	free(c->slot);
}

static uint32_t
slot_cnt(const struct circle *c)
{
	return (uint32_t)(UINT64_C(1) << (64 - c->shift));
}

/* Makes room for who_cnt of them. */
static int
circle_init(struct circle *c, uint32_t who_cnt)
{
	c->who_cnt = who_cnt;
	c->cnt = who_cnt * HASHRING_TOKENS;
	c->shift = 64 - 9;
	while (slot_cnt(c) < 2 * c->cnt) {
		c->shift--;
	}
	c->token = calloc(c->cnt, sizeof(*c->token));
	c->slot = calloc(slot_cnt(c), sizeof(*c->slot));
	return c->token != NULL && c->slot != NULL ? 0 : MB_ERR_NO_MEMORY;
}

/* Puts who on the circle; id is what its tokens follow from. */
static void
circle_put(struct circle *c, uint32_t who, uint64_t id)
{
	for (uint32_t i = 0; i < HASHRING_TOKENS; i++) {
		uint64_t name[2] = { id, i };

		c->token[who * HASHRING_TOKENS + i] = (struct token){
			.at = hash_bytes(name, sizeof(name)),
			.who = (uint16_t)who,
		};
	}
}

static void
circle_close(struct circle *c)
{
	uint32_t at = 0;

	qsort(c->token, c->cnt, sizeof(*c->token), token_cmp);
	for (uint32_t s = 0; s < slot_cnt(c); s++) {
		while (at < c->cnt && c->token[at].at >> c->shift < s) {
			at++;
		}
		c->slot[s] = at;
	}
}

/* The first token that is not before hash; cnt: behind the last one, the circle closes. */
static uint32_t
circle_find(const struct circle *c, uint64_t hash)
{
	uint32_t at = c->slot[hash >> c->shift];

	while (at < c->cnt && c->token[at].at < hash) {
		at++;
	}
	return at;
}

static uint32_t
circle_walk(const struct circle *c, uint64_t hash, uint32_t want, uint16_t *ret_who)
{
	uint64_t seen[HASHRING_NODE_MAX / 64] = { 0 };
	uint32_t at = circle_find(c, hash), cnt = 0;

	want = want < c->who_cnt ? want : c->who_cnt;
	for (; cnt < want; at++) {
		uint16_t who = c->token[at < c->cnt ? at : (at = 0)].who;

		if ((seen[who / 64] >> (who % 64) & 1) == 0) {
			seen[who / 64] |= UINT64_C(1) << (who % 64);
			ret_who[cnt++] = who;
		}
	}
	return cnt;
}

int
hashring_create(struct hashring **ret, const struct hashring_member *member, uint32_t cnt)
{
	struct hashring *r;
	int err;

	REQUIRE(cnt >= 1);
	REQUIRE(cnt <= HASHRING_NODE_MAX);
	r = calloc(1, sizeof(*r) + cnt * sizeof(r->tiles[0]));
	if (r == NULL) {
		return MB_ERR_NO_MEMORY;
	}
	r->node_cnt = cnt;
	err = circle_init(&r->nodes, cnt);
	for (uint32_t i = 0; err == 0 && i < cnt; i++) {
		REQUIRE(member[i].tile_cnt >= 1);
		REQUIRE(member[i].tile_cnt <= HASHRING_TILE_MAX);
		circle_put(&r->nodes, i, member[i].node);
		err = circle_init(&r->tiles[i], member[i].tile_cnt);
		for (uint32_t t = 0; err == 0 && t < member[i].tile_cnt; t++) {
			circle_put(&r->tiles[i], t, t);
		}
		if (err == 0) {
			circle_close(&r->tiles[i]);
		}
	}
	if (err != 0) {
		hashring_destroy(r);
		return err;
	}
	circle_close(&r->nodes);
	*ret = r;
	return 0;
}

void
hashring_destroy(struct hashring *r)
{
	circle_fini(&r->nodes);
	for (uint32_t i = 0; i < r->node_cnt; i++) {
		circle_fini(&r->tiles[i]);
	}
	free(r);
}

uint32_t
hashring_nodes(const struct hashring *r, uint64_t hash, uint32_t want, uint16_t ret_member[])
{
	return circle_walk(&r->nodes, hash, want, ret_member);
}

uint32_t
hashring_tiles(const struct hashring *r, uint32_t member, uint64_t hash, uint32_t want,
	       uint16_t ret_tile[])
{
	REQUIRE(member < r->node_cnt);
	return circle_walk(&r->tiles[member], hash, want, ret_tile);
}

uint32_t
hashring_primary(const struct hashring *r, uint32_t member, uint64_t hash)
{
	const struct circle *c = &r->tiles[member];
	uint32_t at;

	if (c->who_cnt == 1) {
		return 0;
	}
	at = circle_find(c, hash);
	return c->token[at < c->cnt ? at : 0].who;
}
