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
	s->offered = 0;
}

struct gate_crowd_walk
gate_crowd_walk(const struct gate_crowd *crowd, uint64_t hash)
{
	return (struct gate_crowd_walk){ .hash = hash,
					 .one = TAILQ_FIRST(&crowd->chain[chain_of(hash)]),
					 .many = TAILQ_FIRST(&crowd->many) };
}

/* The first one of a chain, from s on, that joined after then. */
static struct gate_stand *
after(struct gate_stand *s, uint64_t seq)
{
	while (s != NULL && s->seq <= seq) {
		s = TAILQ_NEXT(s, next);
	}
	return s;
}

struct gate_crowd_walk
gate_crowd_behind(const struct gate_crowd *crowd, uint64_t hash, const struct gate_stood *s)
{
	struct gate_crowd_walk w = gate_crowd_walk(crowd, hash);
	const struct gate_stand *own = s->stand;

	while (!s->many && own->key != hash) {
		REQUIRE(own + 1 < s->stand + s->cnt);
		own++;
	}
	w.one = after(s->many ? w.one : TAILQ_NEXT(own, next), own->seq);
	w.many = after(s->many ? TAILQ_NEXT(own, next) : w.many, own->seq);
	return w;
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

uint8_t
gate_crowd_offered(const struct gate_stood *s, uint64_t hash)
{
	for (uint32_t i = s->many; i < GATE_CROWD_KEYS; i++) {
		if ((s->offered & 1U << i) != 0 && s->stand[i].key == hash) {
			return (uint8_t)(1U << i);
		}
	}
	return 0;
}

bool
gate_crowd_offer(struct gate_stood *s, uint64_t hash)
{
	if (gate_crowd_offered(s, hash) != 0) {
		return true;
	}
	for (uint32_t i = s->many; i < (s->many ? GATE_CROWD_KEYS : s->cnt); i++) {
		if (s->many ? (s->offered & 1U << i) == 0 : s->stand[i].key == hash) {
			s->stand[i].key = hash;
			s->offered |= (uint8_t)(1U << i);
			return true;
		}
	}
	return false;
}
