/* SPDX-License-Identifier: Apache-2.0 */
/* bag - of the oracle: keys with items, each of which is put in once and taken out
 *
 * Sets from which is removed, lists, sorted sets, and values beside each other are all bags: an
 * item has a number of its own (oracle_op_new), which is what it says.
 *
 *   O11  A bag shows every item that was acknowledged and that nobody has begun to take, no item
 *        that nobody put there, none twice, and none whose taking was acknowledged.
 *   O12  An item that was pushed after another one was acknowledged stands further outside. Members
 *        have the scores that they were given, and stand in the order of them.
 *   O13  Of those who pop through clients one gets an item.
 *
 * A pop has its item when it is answered; till then, and for ever if it is not, one item more may
 * be missing. A value that is put beside others takes those that its writer has seen.
 */
#ifndef MB_SIM_BAG_H
#define MB_SIM_BAG_H

#include "oracle.h"

static inline bool
bag_is(unsigned int key_kind)
{
	return key_kind >= KEY_LOOSE && key_kind <= KEY_SIBLING;
}

/* bag_draw makes *op a write of some kind to a bag. */
void bag_draw(struct sim *s, struct op *op);

/* An operation begins, and ends: as oracle_op_start and oracle_op_end, which call these. */
void bag_op_start(struct oracle *o, struct op *op);
void bag_op_end(struct oracle *o, const struct op *op, enum effect e);
/* bag_take: an operation that is under way takes item n. bag_takes_undo: it did not, and begins
 * anew. */
void bag_take(struct oracle *o, struct op *op, uint32_t n);
void bag_takes_undo(struct oracle *o, struct op *op);
/* bag_popped: a pop was given this item, which it takes. sole: by a client, as of now. */
void bag_popped(struct oracle *o, struct op *op, struct slice item, const double *score, bool sole);

/* A look at all items of a bag: bag_look_begin, bag_look_item for each, in the order in which they
 * are shown, and at the end bag_look_end. now: it is what the bag is now, not an earlier version.
 * ordered: of a sorted set, in the order of scores. */
void bag_look_begin(struct oracle *o, enum key_kind kind, uint32_t key, bool now);
void bag_look_item(struct oracle *o, struct slice item, const double *score);
void bag_look_end(struct oracle *o, bool ordered);
/* bag_look_own: what a call has written before its operation idx is in the look that it begins with
 * (O10). */
void bag_look_own(struct oracle *o, const struct call *c, uint32_t idx);

/* What item n of a bag of this kind is, and the score that a member has. */
size_t bag_item_text(enum key_kind kind, uint32_t n, char *ret, size_t bytes);
double bag_score(uint32_t n);

#endif
