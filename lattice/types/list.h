/* SPDX-License-Identifier: Apache-2.0 */
/* list.h - the list that grows at both ends
 *
 * An item has an id: a position, and who put it there when. Ids are ordered, so a list is a table
 * sorted by them; a push takes a position beyond the last one it sees at its end. Concurrent pushes
 * at one end take the same position and are ordered by time and writer: all replicas agree, nothing
 * is lost. An item that was removed stays as a mark.
 *
 *	position u64, time u64, writer u64 (big endian) | value | stamp, if set | flags u8
 *
 * 25 bytes and 4 over a value; a removed item is 29. The value of an item can be set: the latest
 * wins, a remove wins over all.
 */
#ifndef MB_LIST_H
#define MB_LIST_H

#include <stdbool.h>
#include <stdint.h>

#include "clock.h"
#include "slice.h"
#include "table.h"

#define LIST_ID_BYTES 24
#define LIST_OVERHEAD (LIST_ID_BYTES + 1 + TABLE_ITEM_OVERHEAD)

/* Room between neighbours, for what may want to go between them. 2^43 pushes at either end. */
#define LIST_STEP (UINT64_C(1) << 20)

enum list_end {
	LIST_LEFT,
	LIST_RIGHT,
};

struct list_item {
	struct slice id; /* LIST_ID_BYTES */
	struct slice value;
};

extern const struct table_merge_ops list_table_ops;

/* list_delta_push makes the delta of putting a value at an end of the list.
 *
 * Requires:  this writer never used the stamp before.
 * Returns:   0, appended to out; MB_ERR_TOO_LARGE when it does not fit (LIST_OVERHEAD over the
 * value
 *            does), or no position is left at that end; MB_ERR_CORRUPT.
 */
int list_delta_push(struct slice state, struct stamp stamp, enum list_end end, struct slice value,
		    struct wbuf *out);

/* list_place_between finds a position between two items that are neighbours, by their ids; an empty
 * one is the end of the list. When nothing is between their positions it may be the left one's:
 * what is put there now comes behind what was put there before. Returns: false: there is none. */
bool list_place_between(struct slice left, struct slice right, uint64_t *ret);

/* list_delta_place makes the delta of putting a value at a position.
 *
 * Requires:  as list_delta_push.
 * Returns:   0, appended to out; MB_ERR_TOO_LARGE when it does not fit, as of a push.
 */
int list_delta_place(uint64_t position, struct stamp stamp, struct slice value, struct wbuf *out);

/* list_delta_set makes the delta that gives an item another value.
 *
 * Returns:   0, appended to out; MB_ERR_NOT_FOUND when it is not in this state, or removed;
 *            MB_ERR_TOO_LARGE when it does not fit (LIST_OVERHEAD + 16 over the value does);
 *            MB_ERR_CORRUPT.
 */
int list_delta_set(struct slice state, struct slice id, struct stamp stamp, struct slice value,
		   struct wbuf *out);

/* list_delta_remove makes the delta that removes an item; list_delta_clear removes all that show.
 *
 * Returns:   0, appended to out (nothing, if it is not there); MB_ERR_TOO_LARGE when it does not
 * fit
 *            (LIST_OVERHEAD an item does); MB_ERR_CORRUPT.
 */
int list_delta_remove(struct slice state, struct slice id, struct wbuf *out);
int list_delta_clear(struct slice state, struct wbuf *out);

/* list_cnt is the length; 0 for a damaged list. O(items). */
uint32_t list_cnt(struct slice v);

/* list_next gives the items from the left: start with *w all zero. list_prev from the right: start
 * with UINT32_MAX. list_find gives the one with an id. Each false when there is none (any more). */
bool list_next(struct slice v, struct table_walk *w, struct list_item *ret_item);
bool list_prev(struct slice v, uint32_t *idx, struct list_item *ret_item);
bool list_find(struct slice v, struct slice id, struct list_item *ret_item);

#endif
