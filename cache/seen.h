/* SPDX-License-Identifier: Apache-2.0 */
/* seen - a value that is put beside others, with what its writer had seen of them
 *
 * The value of a SIBLING and of a SETTLE (wset.def):
 *
 *	value | context | epoch: writer u64, time u64 | context_len u32
 *
 * context is the history (history.h) of the siblings that the writer had before him; epoch is that
 * in which he saw them. In another epoch it says nothing, as events are counted from the start of
 * one. Nothing seen: both are empty, and the trailer is SEEN_OVERHEAD bytes.
 *
 * What a stranger claims to have seen is not believed: see delta.c.
 */
#ifndef MB_SEEN_H
#define MB_SEEN_H

#include <stdbool.h>
#include <stdint.h>

#include "clock.h"
#include "slice.h"

#define SEEN_OVERHEAD    20
#define SEEN_CONTEXT_MAX 6144 /* 256 runs: as many as there may be siblings */

struct seen {
	struct slice value;
	struct slice context;
	struct stamp epoch;
};

/* seen_put_tail appends what stands behind the value. Returns: 0; MB_ERR_TOO_LARGE: the context is
 * longer than SEEN_CONTEXT_MAX, or does not fit. */
int seen_put_tail(struct wbuf *out, const struct seen *seen);

/* seen_open takes the bytes apart, and checks the context. Returns: 0; MB_ERR_CORRUPT,
 * MB_ERR_TOO_LARGE. */
int seen_open(struct slice bytes, struct seen *ret);

/* seen_of makes the context of all siblings of a state into mem.
 * Returns: 0 with *ret, without a value; MB_ERR_TOO_LARGE, MB_ERR_CORRUPT. */
int seen_of(struct slice mvreg, struct stamp epoch, uint8_t mem[2 * SEEN_CONTEXT_MAX],
	    struct seen *ret);

/* Does a sibling stand below what was seen? Only if both are of this epoch. */
struct mvreg_sibling;
bool seen_covers(const struct seen *seen, struct stamp epoch, const struct mvreg_sibling *s);

/* ------------------------------------------------------------ siblings that a function merges
 *
 * A key whose siblings are merged by a user's merge is a pair (pair_lex.h) of the merge's name and
 * the register: who writes by another merge does not touch them unnoticed.
 */

/* merged_by finds the register of a state, and by which merge its siblings are merged: a MVREG (by
 * none: an empty name) or such a pair. Returns: false for all else. */
bool merged_by(unsigned int type, struct slice state, struct slice *ret_name,
	       struct slice *ret_mvreg);

/* merged_put_tail appends what stands behind the register's bytes in such a pair. */
#define MERGED_OVERHEAD (16 + 6) /* and the name */
int merged_put_tail(struct slice name, struct wbuf *out);

#endif
