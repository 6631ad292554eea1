/* SPDX-License-Identifier: Apache-2.0 */
/* lww.h - the register in which the last writer wins
 *
 * The greater (time, writer, bytes) wins. It is a total order on all values, equal stamps included:
 * two replicas that hold different bytes under one stamp (a bug, or a peer that lies) still agree.
 *
 *	bytes | writer u64 | time u64			16 bytes over the value
 */
#ifndef MB_LWW_H
#define MB_LWW_H

#include "clock.h"
#include "slice.h"

#define LWW_OVERHEAD 16

/* lww_delta_set makes the value of a write: these bytes, at this stamp.
 *
 * Returns:   0, the delta appended to out; MB_ERR_TOO_LARGE when it does not fit.
 */
int lww_delta_set(struct stamp stamp, struct slice bytes, struct wbuf *out);

/* lww_read gives the bytes, in place, and who wrote them when.
 *
 * Returns:   0; MB_ERR_NOT_FOUND for bottom; MB_ERR_CORRUPT.
 */
int lww_read(struct slice v, struct slice *ret_bytes, struct stamp *ret_stamp);

#endif
