/* SPDX-License-Identifier: Apache-2.0 */
/* gate_crowd - those that wait for an item, by the keys that they wait for
 *
 * Thousands may wait, each for a key of its own, while others push to one: each push looks up who
 * waits for its key. Who waits stands in the chain of each of its keys' hashes; of more keys than
 * it has stands, in one more chain, with the bits of all of them: so joining needs no memory.
 *
 *   W1  Who joined is found for each of its keys, until it leaves; in a chain who joined first is
 *       before the others, and so it is in a walk.
 *   W2  Of up to GATE_CROWD_KEYS keys nobody is found for another hash; of more for another key of
 *       the same bit too.
 *   W3  What is under a key is offered to one of those that wait for it, which remembers that in a
 *       stand. Who has many keys remembers some, of which not all need be its own.
 *
 * Owner: the gate tile.
 */
#ifndef MB_GATE_CROWD_H
#define MB_GATE_CROWD_H

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#define GATE_CROWD_CHAIN 1024u /* a power of two */
#define GATE_CROWD_KEYS  4u    /* most name one to three */

struct gate_conn;

/* The keys of a command; {0}: none yet. */
struct gate_wants {
	uint32_t cnt;
	uint64_t bits; /* of all, gate_key_bit */
	uint64_t hash[GATE_CROWD_KEYS];
};

struct gate_stand {
	TAILQ_ENTRY(gate_stand) next;
	uint64_t key, seq; /* key: its hash; of more keys, the bits */
	struct gate_conn *conn;
};
TAILQ_HEAD(gate_stands, gate_stand);

struct gate_stood {
	uint32_t cnt;    /* 0: it stands nowhere */
	bool many;       /* among those with more keys, by its first stand: the others only tell */
	uint8_t offered; /* what it was offered: bits of stands, of whose keys that is */
	struct gate_stand stand[GATE_CROWD_KEYS];
};
static_assert(GATE_CROWD_KEYS <= 8, "each stand has a bit in offered");

struct gate_crowd {
	struct gate_stands chain[GATE_CROWD_CHAIN], many;
};

/* Those that wait for one key. Nobody may leave while it goes on. */
struct gate_crowd_walk {
	uint64_t hash;
	struct gate_stand *one, *many;
};

static inline uint64_t
gate_key_bit(uint64_t hash)
{
	return UINT64_C(1) << (hash >> 58);
}

static inline void
gate_wants_add(struct gate_wants *w, uint64_t hash)
{
	if (w->cnt < GATE_CROWD_KEYS) {
		w->hash[w->cnt] = hash;
	}
	w->cnt++;
	w->bits |= gate_key_bit(hash);
}

void gate_crowd_init(struct gate_crowd *crowd);
/* gate_crowd_join. Requires: seq is greater than that of all that have joined; s->cnt == 0. */
void gate_crowd_join(struct gate_crowd *crowd, struct gate_stood *s, struct gate_conn *c,
		     uint64_t seq, const struct gate_wants *wants);
/* gate_crowd_leave. Harmless the second time. */
void gate_crowd_leave(struct gate_crowd *crowd, struct gate_stood *s);

struct gate_crowd_walk gate_crowd_walk(const struct gate_crowd *crowd, uint64_t hash);
/* gate_crowd_behind: of those who joined after s. Requires: s stands for the key. */
struct gate_crowd_walk gate_crowd_behind(const struct gate_crowd *crowd, uint64_t hash,
					 const struct gate_stood *s);
/* gate_crowd_next: the next one; who names the key twice comes twice. Returns: NULL: no more. */
struct gate_conn *gate_crowd_next(struct gate_crowd_walk *w);

/* gate_crowd_offer: s is offered what is under the key. Requires: it stands for it.
 * Returns: false: it cannot remember that, it has many keys and was offered of others. */
bool gate_crowd_offer(struct gate_stood *s, uint64_t hash);
/* gate_crowd_offered: the bit in s->offered; 0: it was not offered. */
uint8_t gate_crowd_offered(const struct gate_stood *s, uint64_t hash);

#endif
