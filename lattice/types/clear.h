/* SPDX-License-Identifier: Apache-2.0 */
/* clear.h - deleting what was observed, of any type that can */
#ifndef MB_CLEAR_H
#define MB_CLEAR_H

#include "lattice.h"
#include "slice.h"

/* lattice_clear_bound is the room that lattice_clear needs at most. Cost: as lattice_clear. */
size_t lattice_clear_bound(unsigned int type, struct slice state);

/* lattice_clear makes the delta that deletes all that a state shows, and nothing else: merged into
 * one that has heard of more, it leaves the more. Of a map, each field; of a field that is an
 * envelope, what stands in it, in its epoch.
 *
 * Returns:   0, appended to out (nothing, if nothing is shown); MB_ERR_NOT_SUPPORTED for a type
 *            that only ever grows; MB_ERR_TOO_LARGE when it does not fit (lattice_clear_bound does);
 *            MB_ERR_CORRUPT.
 */
int lattice_clear(unsigned int type, struct slice state, struct wbuf *out);

#endif
