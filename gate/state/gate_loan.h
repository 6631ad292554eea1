/* SPDX-License-Identifier: Apache-2.0 */
/* gate_loan - values that the store shows, as the cache has no room for them (cache_lend.c)
 *
 * The answer to a FETCH of such a value says where the store has it. It is then looked up like any
 * other (gate_look), as long as its command is at hand:
 *
 *   D1  A loan is one version of one key. A command that begins anew to see a newer one (another
 *       was faster; it waits for an item) gives it back first: gate_loans_end.
 *   D2  What a command writes says which version it saw, and the store compares (gate_held_op).
 *   D3  It is given back once, when there is room in the channel.
 *   D4  Who cannot have another value, as too many are lent or asked for, gives back those that it
 *       has and asks again: others wait for these. So nobody waits for what waits for him.
 *   D5  Who hears that too many are lent asks again when one has been given back by somebody who
 *       had done with it, each of them one of those that wait; and all after a pause, as other
 *       gates have loans, too (gate_conn_lack). So nobody asks over and over while nothing
 *       happens. What was given back for D4 wakes nobody: else two would do so for each other.
 *
 * A loan is the fetch that brought it (struct gate_fetch); it is not free before.
 *
 * Owner: the gate tile.
 */
#ifndef MB_GATE_LOAN_H
#define MB_GATE_LOAN_H

#include "gate_int.h"

/* gate_loan_begin: the answer to a fetch lends a value to a connection. c NULL: it is gone. */
void gate_loan_begin(struct gate *g, struct gate_conn *c, struct gate_fetch *f,
		     const struct desc *d);

/* gate_loan_look finds a value that was lent. Returns: CACHE_HIT, CACHE_ABSENT; CACHE_MISS: it was
 * not. */
int gate_loan_look(struct gate *g, const struct gate_conn *c, struct slice key, uint64_t hash,
		   struct cache_value *ret);

/* gate_loans_end gives back all loans of a list: nobody looks at them any more. */
void gate_loans_end(struct gate *g, uint32_t *list);

/* gate_loans_lack: there is no other value for a connection now. Keeps D4. */
void gate_loans_lack(struct gate *g, struct gate_conn *c);

/* gate_loans_again sends what had no room. Returns: whether any of it went. */
bool gate_loans_again(struct gate *g);

#endif
