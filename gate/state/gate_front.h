/* SPDX-License-Identifier: Apache-2.0 */
/* gate_front - the first members of long sorted sets, to be taken one after the other
 *
 * Who looks for the first member that nobody takes just now passes over all that others take.
 * Whoever looks, to take one, leaves the next ones here, up to GATE_FRONT_MEMBERS. Those who come
 * then take the next one each, without a look and without waiting for each other: the cache tile
 * knows whether it is the first one still (cache_front.h), and if not, the front is forgotten, and
 * one of them looks anew.
 *
 *   O1  A front is of one version of its set, for one end of it; what is taken is passed over.
 *   O2  While one connection looks, the others wait for it, as long as it goes on; and nobody looks
 *       before the last of a front are gone.
 *   O3  A guess only: the tile decides.
 *   O4  Where the set was looked at in the store (gate_loan.h), its first one is taken alone: that
 *       it was the first one only the store can tell.
 *   O5  While several of a front are taken together, nobody takes those behind them: where one of
 *       these has gone, the others stay, and come before.
 *
 * Owner: the gate tile.
 */
#ifndef MB_GATE_FRONT_H
#define MB_GATE_FRONT_H

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>

#include "cache_msg.h"
#include "oset.h"
#include "slice.h"

#define GATE_FRONT_CNT     4
#define GATE_FRONT_MEMBERS 64 /* of a million 150 us to look: 2 to 3 us each (cmd_zset.h) */
#define GATE_FRONT_BYTES   (64u << 10)
#define GATE_FRONT_LATE_NS 10000000u /* who looks and does not go on holds up nobody */
static_assert(GATE_FRONT_BYTES <= 1u << 16, "where a member begins fits 16 bits");

struct gate_front {
	uint64_t hash, version; /* version 0: nothing is here */
	bool high, sure;        /* sure: O4 */
	bool alone;             /* O5 */
	uint32_t next, cnt, bytes;
	uint32_t open_cnt; /* operations that are not answered */
	uint64_t used_seq;
	double score[GATE_FRONT_MEMBERS];
	uint16_t len[GATE_FRONT_MEMBERS], at[GATE_FRONT_MEMBERS];
	uint8_t member[GATE_FRONT_BYTES];
};

/* One connection looks at all members of a set. */
struct gate_look {
	uint64_t hash, ns; /* it went on last at that time; 0: nobody looks */
	bool high;
};

struct gate_fronts {
	uint64_t seq;
	struct gate_front front[GATE_FRONT_CNT];
	struct gate_look look[GATE_FRONT_CNT];
};

/* gate_front_next finds the front of a set whose next member can be taken, and that member: it is
 * good until a front is filled. Returns: NULL: there is none. */
struct gate_front *gate_front_next(struct gate_fronts *fs, uint64_t hash, bool high,
				   struct oset_entry *ret);

/* gate_front_word tells the cache tile what is taken, and passes it over. */
void gate_front_word(struct gate_front *f, struct cache_op_word *word);

/* gate_front_alone: several were just taken together (O5). */
void gate_front_alone(struct gate_front *f);

/* gate_front_fill keeps the first (or last) cnt members of a version of a set; entry is in the
 * order of scores. Returns: NULL: it cannot, they are too long. */
struct gate_front *gate_front_fill(struct gate_fronts *fs, uint64_t hash, bool high,
				   uint64_t version, const struct oset_entry *entry, uint32_t cnt);

/* gate_front_over: an operation with such a word is answered; done: it took its member, or that
 * has gone. */
void gate_front_over(struct gate_fronts *fs, const struct cache_op_word *word, bool done);

/* gate_front_look: a connection looks at all members of a set. gate_front_looked: at so many as it
 * wanted. gate_front_is_due: one does just now, or the last of a front are being taken (O2). */
void gate_front_look(struct gate_fronts *fs, uint64_t hash, bool high, uint64_t now_ns);
void gate_front_looked(struct gate_fronts *fs, uint64_t hash, bool high);
bool gate_front_is_due(struct gate_fronts *fs, uint64_t hash, bool high, uint64_t now_ns);

#endif
