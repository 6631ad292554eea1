/* SPDX-License-Identifier: Apache-2.0 */
/* cache_word - what an inner process is told of one of its operations (cache_op_word)
 *
 * It follows from the value before the operation and the value after it, wherever that is applied:
 * to the copy in the cache, or in the store (cache_act.c). Pure.
 */
#ifndef MB_CACHE_WORD_H
#define MB_CACHE_WORD_H

#include <stdbool.h>

#include "cache_msg.h"
#include "clock.h"
#include "slice.h"
#include "wset.h"

/* cache_word_incr is delta_make of an INCR that nobody but this writer has added to: what it
 * appends is the value that there is afterwards, as the delta contains all that is stored.
 *
 * Returns:   whether it did, with the number that the key shows; else nothing is appended, and
 *            delta_make says what is to be done.
 */
bool cache_word_incr(struct slice stored, int64_t n, struct writer_id writer, struct wbuf *out,
		     int64_t *ret_number);

/* cache_word_ends: whether what an operation removes is where word->if_end wants it. */
bool cache_word_ends(struct slice stored, const struct wset_op *op, struct hlc_time day,
		     const struct cache_op_word *word);

/* cache_word_before notes what only the value before tells. */
void cache_word_before(struct slice stored, const struct wset_op *op, struct hlc_time day,
		       struct cache_op_word *word);

/* cache_word_after notes what the operation made. changed: it brought anything new. */
void cache_word_after(struct slice stored, const struct wset_op *op, bool changed,
		      struct cache_op_word *word);

/* cache_word_type is for an operation that failed with MB_ERR_TYPE: because of the key's type, or
 * only because what is there is no number? */
void cache_word_type(struct slice stored, const struct wset_op *op, struct cache_op_word *word);

#endif
