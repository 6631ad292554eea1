/* SPDX-License-Identifier: Apache-2.0 */
/* hll.h - about how many different members were added, in 16 KiB however many they are
 *
 * A HyperLogLog: each member chooses a register by its hash, and brings a rank, how many zeros its
 * hash goes on with; a register keeps the greatest. So the merge is the greater of each register:
 * adding twice, or at two places, counts once. The estimate is off by 0.8 % (standard error).
 *
 *	made, none set       0 u8
 *	few registers set    ( register u16, big-endian | rank u8 ) *	ascending
 *	more than HLL_FEW    rank u8 of every register
 *
 * The second form is used as long as it is shorter than the third; the length tells which it is.
 *
 * Sources: Flajolet et al., HyperLogLog (2007); the estimate is Ertl's, New cardinality estimation
 * algorithms for HyperLogLog sketches (2017). Hash, registers and estimate are those of Redis: the
 * same members count as many here and there.
 */
#ifndef MB_HLL_H
#define MB_HLL_H

#include <stdint.h>

#include "slice.h"

#define HLL_REGISTER_CNT 16384
#define HLL_RANK_MAX     51 /* 50 bits do not choose the register: none of them is set */
#define HLL_BYTES_MAX    HLL_REGISTER_CNT
#define HLL_FEW          ((HLL_BYTES_MAX - 1) / 3)

/* All registers, side by side. */
struct hll {
	uint8_t rank[HLL_REGISTER_CNT];
};

/* hll_add adds a member to registers. */
void hll_add(struct hll *h, struct slice member);

/* hll_fold raises registers to those of a value. Of damaged bytes it takes what could be there. */
void hll_fold(struct hll *h, struct slice v);

/* hll_delta is the value that has these registers, a delta too. Returns: 0, appended to out,
 * HLL_BYTES_MAX at most; MB_ERR_TOO_LARGE. */
int hll_delta(const struct hll *h, struct wbuf *out);

/* hll_estimate is how many members were probably added. */
uint64_t hll_estimate(const struct hll *h);

#endif
