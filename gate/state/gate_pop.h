/* SPDX-License-Identifier: Apache-2.0 */
/* gate_pop - items of lists, and members of sets, that are being taken
 *
 * A pop is an operation on the item that was seen at the list's end, done only if it still is
 * (cache_op_word.if_end). Of many clients that pop one list at once each would see the same item,
 * and all but one look again. So whoever looks passes over the items that are being taken by others
 * of this gate: its own is at the end when its turn comes, as sets reach their cache tile in the
 * order in which they were made. If one of those before it fails, it fails too, and looks again:
 * the tile decides, this only guesses well. It is the same of the members of a sorted set, by their
 * scores; of a set, of which one is taken by chance, it is enough that the member is there.
 *
 *   T1  An item is noted from when its operation is added to a batch until that is over.
 *   T2  Who finds nothing else takes what is noted: that fails, or the list is empty by then.
 *
 * Owner: the gate tile.
 */
#ifndef MB_GATE_POP_H
#define MB_GATE_POP_H

#include <stdbool.h>
#include <stdint.h>

#include "cache_msg.h"
#include "list.h"
#include "slice.h"
#include "wset.h"

#define GATE_POP_CNT   1024 /* noted; others are taken without */
#define GATE_POP_CHAIN 256  /* chains of them; a power of two */

struct gate;
struct gate_conn;

struct gate_pop {
	uint64_t hash; /* of key and id, or member; another one that has the same waits, no more */
	uint32_t next; /* of its chain, or free, + 1 */
};

struct gate_pops {
	uint32_t free; /* + 1 */
	uint32_t cnt;
	uint32_t chain[GATE_POP_CHAIN]; /* + 1 */
	struct gate_pop pop[GATE_POP_CNT];
};

void gate_pops_init(struct gate *g);

/* gate_pop_next is list_next (end LIST_LEFT) or list_prev, of items that nobody takes. */
struct gate_pop_walk {
	uint64_t key_hash;
	enum list_end end;
	bool all; /* those too that are being taken (T2) */
	struct table_walk left;
	uint32_t right;
};
struct gate_pop_walk gate_pop_walk(struct slice key, enum list_end end);
bool gate_pop_next(const struct gate *g, struct slice state, struct gate_pop_walk *w,
		   struct list_item *ret);

/* gate_pop_find: the next item that can be taken; the first one, whoever takes it already (T2). */
bool gate_pop_find(const struct gate *g, struct slice state, struct gate_pop_walk *w, bool first,
		   struct list_item *ret);

/* gate_pop_left: whether the list has an item that nobody takes. */
bool gate_pop_left(const struct gate *g, struct slice key, struct slice state, enum list_end end);

/* gate_pop_is_noted: whether an item (its id) or a member is being taken. */
bool gate_pop_is_noted(const struct gate *g, uint64_t key_hash, struct slice id);

/* gate_pop_op adds the operation that takes an item from where it was seen, to a HELD command, as
 * gate_held_op. if_end: enum cache_end; of ZREM, op->n has the score's bits. */
int gate_pop_op(struct gate *g, struct gate_conn *c, struct wset_op *op, uint32_t if_end,
		uint32_t cnt);

/* gate_word_last is the word on the operation that was added last, on that key. */
struct cache_op_word *gate_word_last(struct gate *g, struct gate_conn *c, struct slice key);

static inline uint32_t
gate_pop_end(enum list_end end)
{
	return end == LIST_LEFT ? CACHE_END_FIRST : CACHE_END_LAST;
}

/* gate_pop_note: an item is being taken. Returns: what is given to gate_pop_over when that is over;
 * 0: nothing. */
uint32_t gate_pop_note(struct gate *g, uint64_t key_hash, struct slice id);
void gate_pop_over(struct gate *g, uint32_t pop);

#endif
