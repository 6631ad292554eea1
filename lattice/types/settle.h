/* SPDX-License-Identifier: Apache-2.0 */
/* settle.h - what of a value may be forgotten once everybody agrees on it
 *
 * Removed members, items and fields stay as marks, and each writer that ever added to a counter
 * keeps its entry: a late message that still has the item, or a part of the sum, must find that it
 * is old. When there can be no such message any more, they may go.
 *
 * CAUTION: what is made here is *not* above what it was made of. It may take the place of a value
 * only where nothing older of it is on its way, and only at all who have it: the condition under
 * which a tombstone is forgotten (kvs_drop.h). If it was not kept: a settled value that meets one
 * that is not has its marks back (nothing shows that had not shown); one that meets a *live* older
 * add has that item back; a folded one wins over what was not folded, and an increment of the
 * former epoch that was not in it is lost.
 *
 * Both are pure: all who agree on a value make the same bytes of it.
 *
 * Returns:   LATTICE_LEFT: there is nothing to forget, nothing was written; LATTICE_MIXED: the
 *            settled envelope was appended to out, flat and never longer than the one given was;
 *            MB_ERR_TOO_LARGE when it does not fit, MB_ERR_CORRUPT.
 */
#ifndef MB_SETTLE_H
#define MB_SETTLE_H

#include <stdbool.h>
#include <stdint.h>

#include "clock.h"
#include "slice.h"

/* settle_items forgets those items of a list, map or sorted set that no reader is shown and of
 * which all is older than `before`, but for fields that were put at times that were named; and of a
 * set's members the removes that are. The envelope may be that of a tree.
 *
 * Cost:      a look at each item, and a copy if there is something to forget. O(1) for types that
 *            have no such items; and, held as a tree, for a list, map or sorted set of which all
 *            items show.
 */
int settle_items(struct slice envelope, struct hlc_time before, struct wbuf *out);

/* settle_mark tells whether an item of a collection of this type is nothing but what may be
 * forgotten, however young it is: settle_items leaves nothing of it. */
bool settle_mark(unsigned int type, struct slice item);

/* settle_writers forgets who wrote, where that is more than writers_max: the entries of a string's
 * counter become its base, the runs of a lone sibling's history one event. Both in a new epoch, by
 * nobody, right behind the one that there is, if that is older than `before`: what was seen or
 * counted in the former one says nothing in it.
 */
int settle_writers(struct slice envelope, uint32_t writers_max, struct hlc_time before,
		   struct wbuf *out);

#endif
