/* SPDX-License-Identifier: Apache-2.0 */
/* mvreg.h - the register that keeps what was written concurrently
 *
 * Each value stands under a history (history.h): what its writer had seen of all writes, and its
 * own. A value whose history is within another's was seen and overwritten, and goes; the others are
 * siblings, and stay until somebody who has seen them all writes one over them.
 *
 *	a table (table.h), sorted by history, of
 *	history | value | dependencies | time u64 | history_len u32, dependencies_len u32
 *
 * A delete is a mark without a value, under the history of what it saw (the highest bit of
 * history_len): what was seen is below it, what was not stays. Readers are not shown it.
 *
 * Dependencies are the bytes of a map of vclocks (envelope.h), carried along unlooked at.
 *
 * A merge of siblings that a function made (laws of merges: executor) stands under the join of
 * their histories, and is no write of its own: two executors that merge the same siblings make the
 * same value under the same history, and merging settles.
 */
#ifndef MB_MVREG_H
#define MB_MVREG_H

#include <stdbool.h>
#include <stdint.h>

#include "clock.h"
#include "slice.h"

#define MVREG_OVERHEAD    (16 + 4)
/* As many as there are writers who never heard of each other. */
#define MVREG_SIBLING_MAX 256

struct mvreg_sibling {
	struct slice value;
	struct slice history;
	struct slice dependencies; /* may be empty */
	struct hlc_time time;
	bool gone; /* the mark of a delete: mvreg_next does not show it */
};

/* mvreg_context makes the history of all that this state shows: what its reader has seen.
 *
 * Returns:   0, appended to out; MB_ERR_TOO_LARGE when it does not fit (2 * state.len does);
 *            MB_ERR_CORRUPT.
 */
int mvreg_context(struct slice state, struct wbuf *out);

/* mvreg_delta_put makes the delta of a write by one who has seen `context`: it overwrites that, and
 * stands beside all else.
 *
 * Requires:  state is what this writer's tile holds: all that this writer wrote since the key was
 *            last forgotten. context is a history of this key, earlier or now, and may be of before
 *            that; value and dependencies are in *sibling, and the time, which is later than that
 *            of any other write of this writer; its history is not looked at.
 * Returns:   0, appended to out; MB_ERR_TOO_LARGE when it does not fit (MVREG_OVERHEAD, context and
 *            HISTORY_RUN_BYTES over value and dependencies do); MB_ERR_CORRUPT.
 */
int mvreg_delta_put(struct slice state, struct slice context, struct writer_id writer,
		    const struct mvreg_sibling *sibling, struct wbuf *out);

/* mvreg_delta_merged makes the delta that puts one value in the place of all siblings that are
 * within `context`: with the latest of their times and no dependencies but those given.
 *
 * Returns:   as mvreg_delta_put (here MVREG_OVERHEAD and context over value and dependencies fit);
 *            MB_ERR_NOT_FOUND when there is none left to take the place of.
 */
int mvreg_delta_merged(struct slice state, struct slice context, struct slice value,
		       struct slice dependencies, struct wbuf *out);

/* mvreg_delta_clear makes the delta that deletes what this state shows.
 *
 * Returns:   0, appended to out (nothing, if nothing shows); MB_ERR_TOO_LARGE when it does not fit
 *            (2 * state.len does); MB_ERR_CORRUPT.
 */
int mvreg_delta_clear(struct slice state, struct wbuf *out);

/* mvreg_cnt is the number of siblings; mvreg_next gives them in the order of their histories'
 * bytes, *idx 0 at first; mvreg_latest the one with the greatest time (then bytes). False: none
 * (left). */
uint32_t mvreg_cnt(struct slice v);
bool mvreg_next(struct slice v, uint32_t *idx, struct mvreg_sibling *ret);
bool mvreg_latest(struct slice v, struct mvreg_sibling *ret);

#endif
