/* SPDX-License-Identifier: Apache-2.0 */
/* gate_block - commands that take what the first of several keys has, and wait where none has
 * anything
 *
 * They are found by their keys' hashes (gate_crowd.h). What a key got is offered to who waits
 * longest for it; it looks, takes, and what is left is offered to the next one. Nobody takes from a
 * key before who waits longer for it has chosen, nor does who comes just then.
 *
 * Owner: the gate tile. Home only: on other gates nobody waits.
 */
#ifndef MB_GATE_BLOCK_H
#define MB_GATE_BLOCK_H

#include "gate_int.h"

/* gate_block_timeout reads the word; else it is answered. Returns: whether it is one. */
bool gate_block_timeout(struct gate *g, struct gate_conn *c, struct slice word, double *ret_s);
/* gate_first looks for the first of the keys that has items, of a type. timeout_s < 0: it does not
 * wait for one. Returns: whether it is *ret, of key *ret_idx; else *ret_code is what the handler
 * returns. */
bool gate_first(struct gate *g, struct gate_conn *c, const struct slice *key, uint32_t key_cnt,
		unsigned int type, double timeout_s, struct cache_value *ret, uint32_t *ret_idx,
		int *ret_code);

/* The words `numkeys key ... first|second [COUNT count]`, and what they mean. */
struct gate_mpop {
	struct cache_value value; /* of the first key that has items */
	struct slice key;
	bool second;
	uint32_t most;
};
/* gate_mpop reads them from word at on, and looks, as gate_first. timeout: how long it waits; NULL:
 * it does not. What is taken in parts is of the same key, whose hole is filled once it has no more.
 */
bool gate_mpop(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt,
	       uint32_t at, const char *first, const char *second, unsigned int type,
	       const struct slice *timeout, struct gate_mpop *ret, int *ret_code);
/* gate_waits_on: whether who waits for an item already goes on waiting, although a look at a key
 * said n: it was made something else, for a moment perhaps. Then it notes that somebody else may
 * want what is there (place.other). */
static inline bool
gate_waits_on(struct gate_conn *c, int n)
{
	bool waits = n == MB_ERR_TYPE && c->block_due_ns != 0;

	c->place.other |= waits;
	return waits;
}

/* gate_block: the command found nothing: it is called again when one of its keys (wants: all
 * of them, each time the same) may have got an item, or with c->timed_out. Returns: GATE_WAIT. */
int gate_block(struct gate *g, struct gate_conn *c, const struct gate_wants *wants,
	       double timeout_s);
/* gate_block_waits: rc is what the handler returns; if it is GATE_WAIT, as keys of the command must
 * be here before it can look, its place is from now on, and who comes later goes behind it.
 * Returns: rc. */
int gate_block_waits(struct gate *g, struct gate_conn *c, const struct gate_wants *wants,
		     double timeout_s, int rc);
/* gate_block_yields: there is an item under a key of the command (its hash), and somebody waits
 * longer for it, to whom it is offered: the command is called again when that one leaves it.
 * Returns: whether it is so; then the handler returns GATE_WAIT, or GATE_DONE if its client is
 * gone, or was answered as its time is over: *ret_code. */
bool gate_block_yields(struct gate *g, struct gate_conn *c, uint64_t hash,
		       const struct gate_wants *wants, double timeout_s, int *ret_code);
/* gate_block_chosen: what it takes from a key is under way (rc, of gate_held_end, is GATE_HELD),
 * and others look past it (gate_pop.h). left: there is more under the key. Returns: rc. */
int gate_block_chosen(struct gate *g, struct gate_conn *c, struct slice key, bool left, int rc);
/* gate_unblock: it waits no more. */
void gate_unblock(struct gate *g, struct gate_conn *c);
/* gate_block_wrote: a batch is over, and those keys may have got items that it pushed to. */
void gate_block_wrote(struct gate *g, const struct gate_batch *b);
/* gate_block_offer: the key of this hash got items. */
void gate_block_offer(struct gate *g, uint64_t hash);
/* gate_block_wake: keys of these bits did: all that wait for such keys look. */
void gate_block_wake(struct gate *g, uint64_t bits);
/* gate_block_tick: those whose time is over, and in turns those for whom a function may have
 * written. */
void gate_block_tick(struct gate *g, uint64_t now_ns);

#endif
