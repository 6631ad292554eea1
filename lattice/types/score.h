/* SPDX-License-Identifier: Apache-2.0 */
/* score.h - a double that is set, and that many add to: the score of a member of a sorted set
 *
 * What strval.h is to whole numbers. A set starts an epoch (envelope.h) and fixes the base in it;
 * additions stay in the epoch and gather per writer, so that concurrent ones all count; a read
 * shows the base plus all additions. A delete takes what it observed.
 *
 *	base f64, if there is one | ( writer u64 | flags u8 | n u64, sum f64 | n u64, sum f64 of
 *	what was deleted, if any ) * | kind u8
 *
 * n counts a writer's additions, sum is their sum. As doubles neither NaN nor -0 stand anywhere.
 */
#ifndef MB_SCORE_H
#define MB_SCORE_H

#include <stdbool.h>

#include "clock.h"
#include "slice.h"

#define SCORE_ENTRY_BYTES_MAX (8 + 1 + 4 * 8)
#define SCORE_BYTES_MAX       (8 + SCORE_ENTRY_BYTES_MAX + 1) /* of one writer */

/* score_delta_set makes the state that a set begins its epoch with; score_delta_add the delta of
 * adding x, within the epoch; score_delta_del the one that deletes what this state shows.
 *
 * Requires:  add: state is what this writer's tile holds, as for counter_delta_add.
 * Returns:   0, appended to out (del: nothing, if nothing is there); MB_ERR_INVALID for a NaN, or a
 *            sum that is none; MB_ERR_TOO_LARGE when it does not fit (SCORE_BYTES_MAX does; for del
 *            2 * state.len + 1); MB_ERR_CORRUPT.
 */
int score_delta_set(double x, struct wbuf *out);
int score_delta_add(struct slice state, struct writer_id writer, double x, struct wbuf *out);
int score_delta_del(struct slice state, struct wbuf *out);

/* score_read: 0; MB_ERR_NOT_FOUND when it reads absent; MB_ERR_TOO_LARGE for a sum that is no
 * number (infinities of both signs met); MB_ERR_CORRUPT. */
int score_read(struct slice state, double *ret);

#endif
