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

/* cache_word_before notes what only the value before tells. */
void cache_word_before(struct slice stored, const struct wset_op *op, struct hlc_time now,
		       struct cache_op_word *word);

/* cache_word_after notes what the operation made. changed: it brought anything new. */
void cache_word_after(struct slice stored, const struct wset_op *op, bool changed,
		      struct cache_op_word *word);

/* cache_word_type is for an operation that failed with MB_ERR_TYPE: because of the key's type, or
 * only because what is there is no number? */
void cache_word_type(struct slice stored, const struct wset_op *op, struct cache_op_word *word);

#endif
