/* SPDX-License-Identifier: Apache-2.0 */
/* gate_crowd - see gate_crowd.h */
#include "gate_crowd.h"

#include "check.h"

void
gate_crowd_init(struct gate_crowd *crowd)
{
	for (uint32_t i = 0; i < GATE_CROWD_CHAIN; i++) {
		TAILQ_INIT(&crowd->chain[i]);
	}
	TAILQ_INIT(&crowd->many);
}

/* The top bits of a hash are gate_key_bit's, and the rest of a division by the number of tiles is
 * the tile's: the middle is neither. */
static uint32_t
chain_of(uint64_t hash)
{
	return (uint32_t)(hash >> 32) & (GATE_CROWD_CHAIN - 1);
}

static struct gate_stands *
stands_of(struct gate_crowd *crowd, const struct gate_stood *s, uint32_t i)
{
	return s->many ? &crowd->many : &crowd->chain[chain_of(s->stand[i].key)];
}

void
gate_crowd_join(struct gate_crowd *crowd, struct gate_stood *s, struct gate_conn *c, uint64_t seq,
		const struct gate_wants *wants)
{
	REQUIRE(s->cnt == 0);
	s->many = wants->cnt > GATE_CROWD_KEYS;
	s->cnt = s->many ? 1 : wants->cnt;
	for (uint32_t i = 0; i < s->cnt; i++) {
		s->stand[i].key = s->many ? wants->bits : wants->hash[i];
		s->stand[i].seq = seq;
		s->stand[i].conn = c;
		TAILQ_INSERT_TAIL(stands_of(crowd, s, i), &s->stand[i], next);
	}
}

void
gate_crowd_leave(struct gate_crowd *crowd, struct gate_stood *s)
{
	for (uint32_t i = 0; i < s->cnt; i++) {
		TAILQ_REMOVE(stands_of(crowd, s, i), &s->stand[i], next);
	}
	s->cnt = 0;
}

struct gate_crowd_walk
gate_crowd_walk(const struct gate_crowd *crowd, uint64_t hash)
{
	return (struct gate_crowd_walk){ .hash = hash,
					 .one = TAILQ_FIRST(&crowd->chain[chain_of(hash)]),
					 .many = TAILQ_FIRST(&crowd->many) };
}

struct gate_conn *
gate_crowd_next(struct gate_crowd_walk *w)
{
	struct gate_stand **first, *s;

	while (w->one != NULL && w->one->key != w->hash) {
		w->one = TAILQ_NEXT(w->one, next);
	}
	while (w->many != NULL && (w->many->key & gate_key_bit(w->hash)) == 0) {
		w->many = TAILQ_NEXT(w->many, next);
	}
	first = w->one == NULL || (w->many != NULL && w->many->seq < w->one->seq) ? &w->many
										  : &w->one;
	s = *first;
	if (s == NULL) {
		return NULL;
	}
	*first = TAILQ_NEXT(s, next);
	return s->conn;
}
