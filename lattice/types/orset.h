/* SPDX-License-Identifier: Apache-2.0 */
/* orset.h - the set whose members can be removed
 *
 * A remove takes away the adds that it observed; an add that is concurrent with a remove wins.
 * Encoded as a table (table.h), sorted by member, whose items are
 *
 *	member | presence			17 bytes and 4 over a member (presence.h)
 *
 * A member that was removed stays, to say so, until orset's items before a frontier are dropped.
 */
#ifndef MB_ORSET_H
#define MB_ORSET_H

#include <stdbool.h>
#include <stdint.h>

#include "clock.h"
#include "slice.h"
#include "table.h"

#define ORSET_OVERHEAD (17 + TABLE_ITEM_OVERHEAD)

extern const struct table_merge_ops orset_table_ops;

/* orset_delta_add makes the delta of adding a member.
 *
 * Requires:  this writer never used the stamp before.
 * Returns:   0, appended to out; MB_ERR_TOO_LARGE when it does not fit (ORSET_OVERHEAD over the
 *            member does).
 */
int orset_delta_add(struct stamp stamp, struct slice member, struct wbuf *out);

/* orset_delta_remove makes the delta that removes what this state shows of a member, and
 * orset_delta_clear of all members.
 *
 * Returns:   0, appended to out (nothing, if nothing is there); MB_ERR_TOO_LARGE when it does not
 *            fit (state.len does); MB_ERR_CORRUPT.
 */
int orset_delta_remove(struct slice state, struct slice member, struct wbuf *out);
int orset_delta_clear(struct slice state, struct wbuf *out);

/* orset_has tells whether this is a member. O(log n). */
bool orset_has(struct slice v, struct slice member);

/* orset_cnt is the number of members; 0 for a damaged set. O(items). */
uint32_t orset_cnt(struct slice v);

/* orset_next gives the members in order: start with *w all zero.
 *
 * Returns:   false behind the last one.
 */
bool orset_next(struct slice v, struct table_walk *w, struct slice *ret_member);

#endif
