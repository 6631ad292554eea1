/* SPDX-License-Identifier: Apache-2.0 */
/* delta - what an operation means: stored value + operation -> the delta to merge
 *
 * The one place that knows how the user's verbs map to lattices. Pure. Used by the cache tile,
 * which is the writer of record, and by whoever shows a call its own writes before they are
 * published: there the writer is any id that is not 0, and the result is never sent.
 *
 *	operation  value there                becomes
 *	PUT        anything                   a STRING of that value, in a fresh epoch
 *	INCR       a STRING that is a number  the counter's delta, within the epoch
 *	           absent                     the same: first increments at two replicas merge
 *	SADD       an ORSET, or absent        the member, with a dot of its own
 *	           a GSET                     the member
 *	SREM       an ORSET                   the member's dots are gone: adds not seen survive
 *	MAP_PUT    a MAP, or absent           the field is an envelope: as PUT in it; or, at a time
 *	                                      that is named, in an epoch of that time and of
 *	                                      nobody, so that it is the same whoever does it,
 *	                                      how often and when
 *	MAP_INCR   a MAP, or absent           as INCR in the field's envelope
 *	MAP_DEL    a MAP                      as DEL in it
 *	PUSH_..    a LIST, or absent          an item with an id of its own
 *	LIST_PLACE a LIST, or absent          an item at a position, behind those that are there
 *	LIST_SET   a LIST                     the item's value, stamped now; NOT_FOUND
 *	LIST_DEL   a LIST                     the item is gone
 *	ZADD       an OSET, or absent         the member is an envelope: a score in a fresh epoch
 *	ZINCR      an OSET, or absent         an addition within the member's epoch
 *	ZREM       an OSET                    as DEL in the member's envelope
 *	MERGE      that type, or absent       the value itself, if it is one (delta_mergeable)
 *	GADD       a GSET, or absent          the member
 *	SIBLING    a MVREG, or absent;        the value, in the place of what its writer had seen of
 *	           if it is one of a merge:   it, beside all others
 *	           of that merge
 *	SETTLE     as SIBLING                 the value, in the place of what it was made of: no
 *	                                      write of its own
 *	DEL        what can (clear.h)         deletes what it shows, item by item; what was not
 *	                                      seen survives; a deadline goes
 *	           another type               a tombstone: ABSENT in a fresh epoch
 *	EXPIRE     anything                   a deadline, as a register beside the state
 *	SREM .., DEL, EXPIRE of absent        nothing; with WSET_F_MUST: NOT_FOUND
 *	any other combination                 MB_ERR_TYPE
 *
 * "Absent" is: never written, deleted, emptied, or expired. What is added to an emptied collection
 * has not its deadline. Where something of another type was deleted, the
 * change of type starts a fresh epoch. A PUT starts an epoch, so a deadline does not outlive it,
 * unless it is to be kept.
 */
#ifndef MB_DELTA_H
#define MB_DELTA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "clock.h"
#include "envelope.h"
#include "slice.h"
#include "wset.h"

/* delta_bound is the room that delta_make needs at most, with a value of value_len bytes. */
size_t delta_bound(struct slice stored, const struct wset_op *op, size_t value_len);

/* delta_make appends the envelope to merge into stored (an envelope, empty: never written). What
 * lies behind out->len is overwritten.
 *
 * Requires:  stored is checked; op->value holds the value, also of an operation that came by
 *            reference; at.now is later than every time this writer used before.
 * Returns:   0, with nothing appended when nothing is to be done; MB_ERR_TYPE; MB_ERR_TOO_LARGE: a
 *            sum beyond int64_t, or out is full; MB_ERR_CORRUPT.
 */
int delta_make(struct slice stored, const struct wset_op *op, struct hlc_moment at,
	       struct writer_id writer, struct wbuf *out);

/* delta_value_at is where in its delta the value of an operation stands: if it is there in out
 * already, delta_make does not copy it. So a long value is copied once, in pieces, to its place.
 *
 * Returns:   DELTA_VALUE_NOWHERE for a value that is not in the delta as it is. */
#define DELTA_VALUE_NOWHERE SIZE_MAX
size_t delta_value_at(const struct wset_op *op);

/* delta_clears tells whether a DEL deletes item by item. */
bool delta_clears(struct slice stored, struct hlc_time day);

/* delta_del_around opens what is stored as what stands around it after a DEL of a collection that
 * it shows, whose items are deleted in place: its deadline goes, as with delta_make. */
int delta_del_around(struct slice stored, struct hlc_time now, struct writer_id writer,
		     struct envelope *ret);

/* delta_mergeable tells whether values of a type may come as they are from an executor or client:
 * they say nothing of the tiles that write, which could be forged. (The writers of a VCLOCK are the
 * caller's own; a LWW is by nobody, delta_make sees to it.) In a PAIR_LEX both may be such types,
 * and neither a PAIR_LEX. */
bool delta_mergeable(unsigned int type);
/* delta_same_kind tells whether two values of such a type may meet: pairs of other types would win
 * or lose whole, and silently. */
bool delta_same_kind(unsigned int type, struct slice a, struct slice b);

/* delta_present tells whether an envelope shows anything at this time of the clock of the day. */
bool delta_present(struct slice stored, struct hlc_time day);

#endif
