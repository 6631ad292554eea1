/* SPDX-License-Identifier: Apache-2.0 */
/* view.h - reading a value without knowing which type it is
 *
 * For GET and its like, which meet whatever is under the key. Maps are read through map.h, sets of
 * both kinds here. All in place: nothing is copied but the decimal text of a number.
 *
 *	type         as text                   as int64_t
 *	STRING       strval.h                  strval.h
 *	LWW          the bytes                 MB_ERR_TYPE
 *	PN_COUNTER   decimal                   the sum
 *	BOOL_OR      1 or 0                    1 or 0
 *	MAX_U64 ..   decimal                   the number, MB_ERR_TOO_LARGE beyond int64_t
 *	SCORE        shortest decimal          MB_ERR_TYPE
 *	PRIORITY     the bytes                 MB_ERR_TYPE
 *	MVREG        the latest sibling        MB_ERR_TYPE
 *	PAIR_LEX     the second                MB_ERR_TYPE
 *	ABSENT       MB_ERR_NOT_FOUND          MB_ERR_NOT_FOUND
 *	all others   MB_ERR_TYPE               MB_ERR_TYPE
 *
 * A bottom of any type is MB_ERR_NOT_FOUND too.
 */
#ifndef MB_VIEW_H
#define MB_VIEW_H

#include <stdbool.h>
#include <stdint.h>

#include "lattice.h"
#include "slice.h"
#include "table.h"

/* Room for the longest number that is shown as text. */
#define VIEW_TEXT_MAX 40

/* view_text reads a value as bytes.
 *
 * Ensures:   *ret_text points into state or into buf.
 * Returns:   0; MB_ERR_NOT_FOUND, MB_ERR_TYPE, MB_ERR_CORRUPT.
 */
int view_text(unsigned int type, struct slice state, char buf[VIEW_TEXT_MAX],
	      struct slice *ret_text);

/* view_f64 writes a double as the shortest text that reads back as the same number. Returns: the
 * slice of buf that holds it. */
struct slice view_f64(double v, char buf[VIEW_TEXT_MAX]);

/* view_i64 reads a value as a number.
 *
 * Returns:   0; MB_ERR_NOT_FOUND, MB_ERR_TYPE, MB_ERR_TOO_LARGE, MB_ERR_CORRUPT.
 */
int view_i64(unsigned int type, struct slice state, int64_t *ret_number);

/* view_present tells whether a state shows anything. False for bottom, and for a state of which all
 * was deleted: such a key reads absent, and may take a value of another type.
 */
bool view_present(unsigned int type, struct slice state);

/* view_removes tells whether a delta, a checked envelope, adds nothing that is seen: what it merges
 * into shows no more than before. So do deletes, of a key or of items, and deadlines.
 *
 * Cost:      as view_present
 */
bool view_removes(struct slice delta);

/* view_present_scalar is view_present for a map's field: a collection there counts as shown unless
 * it is bottom, as damaged bytes could nest without end.
 */
bool view_present_scalar(unsigned int type, struct slice state);

/* view_cnt is the number of items of a collection that show; 0 for other types. */
uint32_t view_cnt(unsigned int type, struct slice state);

/* view_item finds the item of a collection that has this key, a member or a field, in place.
 * Returns: 0; MB_ERR_NOT_FOUND, also for one that is not shown; MB_ERR_TYPE for what is no
 * collection; MB_ERR_CORRUPT. view_part appends the state of a collection with this item only,
 * TABLE_ITEM_OVERHEAD over it. Returns: 0; MB_ERR_TOO_LARGE. */
int view_item(unsigned int type, struct slice state, struct slice key, struct slice *ret_item);
int view_part(struct slice item, struct wbuf *out);

/* view_seek begins a walk over a collection at the item with this key, or the one that would follow
 * it; behind: always that one.
 * Returns: 0; MB_ERR_TYPE for what is no collection; MB_ERR_CORRUPT. */
int view_seek(unsigned int type, struct slice state, struct slice key, bool behind,
	      struct table_walk *ret);

/* view_seek_at: the same at the item that idx shown ones come before; behind the last one, at the
 * end. Cost: as table_present_at. */
int view_seek_at(unsigned int type, struct slice state, uint32_t idx, struct table_walk *ret);

/* Sets, GSET and ORSET alike. view_set_next gives the members in order, *w all zero at first, and
 * false behind the last one. */
bool view_is_set(unsigned int type);
bool view_set_has(unsigned int type, struct slice state, struct slice member);
bool view_set_next(unsigned int type, struct slice state, struct table_walk *w,
		   struct slice *ret_member);

#endif
