/* SPDX-License-Identifier: Apache-2.0 */
/* strval.h - the string: base bytes, and a counter over them
 *
 * What SET, GET, INCR and DEL work on. A SET starts a new epoch (envelope.h) and fixes the base in
 * it; increments that follow stay in the epoch and gather in a pn_counter, so that concurrent ones
 * all count; a read shows the base plus the counter. So within one epoch the base changes only once
 * more, by a delete:
 *
 *	base:  none  <  bytes (ordered among themselves)  <  deleted
 *	merge: the greater base, and the merge of the counters
 *
 * (Among bytes the greater wins only so that the merge is total: one epoch has one SET.)
 *
 *	base bytes | counter | counter_len u32, if there is a counter | kind u8
 *
 * One byte over the value, while nothing was added to it.
 *
 * Reading:
 *   base      counter   as text                 as int64_t
 *   none      none      absent                  absent
 *   bytes     none      the base, in place      the base, MB_ERR_TYPE if it is no number
 *   a number  some      base + sum, decimal     base + sum
 *   no number some      the base                MB_ERR_TYPE
 *   deleted   none left absent                  absent
 *   none, deleted some  the sum, decimal        the sum
 *
 * A number is what INCR accepts: an optional minus, digits without a leading zero, within int64_t.
 */
#ifndef MB_STRVAL_H
#define MB_STRVAL_H

#include <stdbool.h>
#include <stdint.h>

#include "clock.h"
#include "counter.h"
#include "slice.h"

#define STRVAL_TEXT_MAX      COUNTER_TEXT_MAX
/* The longest delta of an INCR: a number for a base, an entry, and what describes them. */
#define STRVAL_ADD_BYTES_MAX (20 + COUNTER_ENTRY_BYTES_MAX + 4 + 1)

/* strval_delta_set makes the state that a SET begins its epoch with.
 *
 * Returns:   0, appended to out; MB_ERR_TOO_LARGE when it does not fit (bytes.len + 1 does).
 */
int strval_delta_set(struct slice bytes, struct wbuf *out);

/* strval_delta_add makes the delta of an INCR (n negative: DECR), within the state's epoch. It
 * brings the base along, so that it makes sense where the SET has not been heard of yet.
 *
 * Requires:  as counter_delta_add.
 * Returns:   0, appended to out; MB_ERR_TYPE when the base is not a number, so that no such
 *            increment is ever merged; MB_ERR_TOO_LARGE when base + sum + n leaves int64_t, or when
 *            it does not fit out (STRVAL_ADD_BYTES_MAX does); MB_ERR_CORRUPT.
 */
int strval_delta_add(struct slice state, struct writer_id writer, int64_t n, struct wbuf *out);

/* strval_add_alone makes the state that there is after strval_delta_add, where nobody but this writer
 * has added to it: as counter_add_alone.
 */
bool strval_add_alone(struct slice state, struct writer_id writer, int64_t n, struct wbuf *out,
		      int64_t *ret_total);

/* strval_delta_del makes the delta that deletes what this state shows, and nothing else: increments
 * it does not contain survive it.
 *
 * Returns:   0, appended to out (nothing, if nothing is there); MB_ERR_TOO_LARGE when it does not
 *            fit (2 * state.len + 5 does); MB_ERR_CORRUPT.
 */
int strval_delta_del(struct slice state, struct wbuf *out);

/* strval_text reads the string as bytes: in place, or as decimal text in buf.
 *
 * Ensures:   *ret_text points into state or into buf.
 * Returns:   0; MB_ERR_NOT_FOUND when it reads absent; MB_ERR_CORRUPT.
 */
int strval_text(struct slice state, char buf[STRVAL_TEXT_MAX], struct slice *ret_text);

/* strval_counter gives the counter over the base, a pn_counter, in place; empty when there is none.
 * */
struct slice strval_counter(struct slice state);

/* strval_present tells whether the string shows anything: as strval_text, in a few instructions for
 * one that was set. */
bool strval_present(struct slice state);

/* strval_i64 reads the string as a number.
 *
 * Returns:   0; MB_ERR_NOT_FOUND when it reads absent; MB_ERR_TYPE when the base is not a number;
 *            MB_ERR_TOO_LARGE when the number is there but not within int64_t; MB_ERR_CORRUPT.
 */
int strval_i64(struct slice state, int64_t *ret_number);

#endif
