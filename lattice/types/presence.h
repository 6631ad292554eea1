/* SPDX-License-Identifier: Apache-2.0 */
/* presence.h - whether an item of a collection is there, when many add and remove it
 *
 * Each add leaves a dot: who, and when. A remove marks the dots that it observed as gone. An item
 * is present while a dot of it is not gone: so an add that the remover had not heard of survives
 * the remove, and an item can be added and removed over and over.
 *
 *	( writer u64 | time u64 | flags u8 ) *		sorted by writer, 17 bytes each
 *
 * Of one writer only its latest dot counts. flags: GONE; FIRST on the first entry, so that the
 * length need not be stored: a presence stands at the end of its item and is found from there.
 *
 * Also here: what of a table's items is seen, for all collections alike.
 */
#ifndef MB_PRESENCE_H
#define MB_PRESENCE_H

#include <stdbool.h>
#include <stdint.h>

#include "clock.h"
#include "slice.h"
#include "table.h"

#define PRESENCE_ENTRY_BYTES 17

/* presence_cut takes the presence off the end of an item, and leaves what stands before it.
 *
 * Returns:   false for bytes that end in none; both slices are then empty.
 */
bool presence_cut(struct slice *item, struct slice *ret_presence);

/* presence_check: is this in canonical form? Requires: it was cut off an item. Returns: 0;
 * MB_ERR_CORRUPT. */
int presence_check(struct slice presence);

/* presence_live tells whether a dot of it is not gone. */
bool presence_live(struct slice presence);

/* presence_put_since appends its dots but for those that are gone and older than this.
 *
 * Returns:   whether one was left out.
 */
bool presence_put_since(struct wbuf *out, struct slice presence, struct hlc_time time);

/* presence_put_add appends the presence of one add. Requires: this writer never used the time. */
void presence_put_add(struct wbuf *out, struct stamp dot);

/* presence_put_gone appends the presence that removes the live dots of another.
 *
 * Returns:   whether there was one; else nothing is appended.
 */
bool presence_put_gone(struct wbuf *out, struct slice presence);

/* presence_merge appends the merge of two. Returns: the enum lattice_side that it equals. */
int presence_merge(struct slice a, struct slice b, struct wbuf *out);
bool presence_leq(struct slice a, struct slice b);

/* -------------------------------------------------------------------- the items that are seen */

/* presence_cnt counts the items of a table that readers see; presence_any: is there one?
 *
 * Cost:      a look at each item, if the table is flat and the type has items that are not seen;
 * else
 *            O(1)
 */
uint32_t presence_cnt(const struct table_merge_ops *ops, struct slice v);
bool presence_any(const struct table_merge_ops *ops, struct slice v);

/* presence_next goes on to the next item that is seen.
 *
 * Returns:   false behind the last one.
 */
bool presence_next(const struct table_merge_ops *ops, struct slice v, struct table_walk *w,
		   struct slice *ret_item);

/* presence_prev finds the one before item *idx, and *idx moves to it. Start with UINT32_MAX. */
bool presence_prev(const struct table_merge_ops *ops, struct slice v, uint32_t *idx,
		   struct slice *ret_item);

#endif
