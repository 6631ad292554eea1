/* SPDX-License-Identifier: Apache-2.0 */
/* counter.h - a number that many writers add to
 *
 * Per writer four sums that only grow: what it added, what it subtracted, and how much of each a
 * delete has seen. Merge takes the greater of each. The number read is all that is left:
 *
 *	sum over writers of (incs - incs_gone) - (decs - decs_gone)
 *
 * A delete raises the gone sums to what it *observed*: an increment it had not heard of survives
 * it.
 *
 *	( writer u64 | mask u8 | varint for each bit of mask ) *	sorted by writer
 *
 * mask says which of incs, decs, incs_gone, decs_gone (bits 0..3) are not zero; a writer whose sums
 * are all zero has no entry. One writer's small counter: 10 bytes.
 *
 * Limits: each of a writer's sums is 64 bits, and an addition that would pass it, or would carry
 * the number it sees out of int64_t, is refused and changes nothing. Additions that were fine where
 * they were made can still add up to more than an int64_t where they meet; nothing is lost then (a
 * later subtraction brings it back), it reads as decimal text, and reading it as int64_t is
 * refused.
 */
#ifndef MB_COUNTER_H
#define MB_COUNTER_H

#include <stdbool.h>
#include <stdint.h>

#include "clock.h"
#include "slice.h"

/* A sum of counters: __int128 holds 2^63 writers at their limits, so it cannot overflow. */
typedef __int128 counter_sum;

/* One writer's part. */
struct counter_entry {
	struct writer_id writer;
	uint64_t incs;
	uint64_t decs;
	uint64_t incs_gone;
	uint64_t decs_gone;
};

/* The longest entry. */
#define COUNTER_ENTRY_BYTES_MAX (8 + 1 + 4 * VARINT_BYTES_MAX)
/* The longest number as text: 2^63 writers of 2^64 each is under 39 digits, and a sign. */
#define COUNTER_TEXT_MAX        40

/* counter_delta_add makes the delta of adding n (negative: subtracting) to a counter.
 *
 * Requires:  state is what this writer's tile holds: it includes all that this writer ever added.
 *            (From an older state the delta would say less than was already said, and be lost.)
 * Returns:   0, the delta appended to out; MB_ERR_TOO_LARGE past a limit above, or when it does not
 *            fit out (COUNTER_ENTRY_BYTES_MAX does); MB_ERR_CORRUPT.
 *            Adding 0 makes an absent counter a 0 that is there; to any other the delta is bottom.
 */
int counter_delta_add(struct slice state, struct writer_id writer, int64_t n, struct wbuf *out);

/* counter_delta_add_over is the same for a counter that is shown on top of a base: it is base + sum
 * that must stay within int64_t.
 */
int counter_delta_add_over(int64_t base, struct slice state, struct writer_id writer, int64_t n,
			   struct wbuf *out);

/* counter_add_alone makes the counter that there is after counter_delta_add_over, where nobody but
 * this writer has a part in it and nothing was deleted: its delta is then the whole counter.
 *
 * Returns:   whether it did, with base + sum; else nothing is written, and the delta is to be made.
 */
bool counter_add_alone(int64_t base, struct slice state, struct writer_id writer, int64_t n,
		       struct wbuf *out, int64_t *ret_total);

/* counter_delta_del makes the delta that deletes all that this state shows, and nothing else.
 *
 * Returns:   0, the delta appended to out (nothing, if there is nothing to delete);
 *            MB_ERR_TOO_LARGE when it does not fit (state.len x 2 always does); MB_ERR_CORRUPT.
 */
int counter_delta_del(struct slice state, struct wbuf *out);

/* counter_read sums a counter up.
 *
 * Ensures:   *ret_live is false if every part was deleted or never written: the counter is absent
 *            (which is not the same as 0: +1 and -1 make a 0 that is there).
 * Returns:   0; MB_ERR_CORRUPT.
 */
int counter_read(struct slice state, counter_sum *ret_sum, bool *ret_live);

/* counter_next walks the writers' parts: start with an rbuf over the state.
 *
 * Returns:   1 with the next part; 0 at the end; MB_ERR_CORRUPT.
 */
int counter_next(struct rbuf *r, struct counter_entry *ret_entry);

/* counter_text writes a sum in decimal.
 *
 * Returns:   the slice of buf that holds it.
 */
struct slice counter_text(counter_sum sum, char buf[COUNTER_TEXT_MAX]);

#endif
