/* SPDX-License-Identifier: Apache-2.0 */
/* part - values that merge, as functions and clients name them, and as the lattice has them
 *
 * Threads:   any; pure
 */
#ifndef MB_PART_H
#define MB_PART_H

#include "slice.h"
#include <microburst/value.h>

#define PART_VALUE_MAX (64u << 10) /* of a part's own bytes */
#define PART_OVERHEAD  16
#define PART_BYTES_MAX (PART_VALUE_MAX + PART_OVERHEAD)
#define PART_PAIR_MAX  (2 * PART_BYTES_MAX + 16)

/* part_write makes a value of the lattice of a part, of at most PART_BYTES_MAX bytes.
 *
 * Returns:   0, appended to out, and its type: ABSENT, and nothing, of MB_PART_NONE; MB_ERR_INVALID
 *            for what is no part (a NaN, a clock of no events); MB_ERR_TOO_LARGE when it does not
 *            fit.
 */
int part_write(const struct mb_part *part, unsigned int *ret_type, struct wbuf *out);

/* part_pair_write makes the pair of two parts.
 *
 * Returns:   as part_write; MB_ERR_INVALID also for a first that could have two values of which
 *            neither is greater.
 */
int part_pair_write(const struct mb_part *first, const struct mb_part *second, struct wbuf *out);

/* part_read shows a value of the lattice as a part, in place.
 *
 * Returns:   0; MB_ERR_TYPE for a type that is no part; MB_ERR_NOT_FOUND, MB_ERR_CORRUPT.
 */
int part_read(unsigned int type, struct slice state, struct mb_part *ret);

#endif
