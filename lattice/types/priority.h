/* SPDX-License-Identifier: Apache-2.0 */
/* priority.h - of values with a number, the one with the smallest
 *
 * Of equal numbers the smaller bytes win: a total order, so ties never diverge.
 *
 *	value bytes | number i64			8 bytes over the value
 */
#ifndef MB_PRIORITY_H
#define MB_PRIORITY_H

#include <stdint.h>

#include "slice.h"

#define PRIORITY_OVERHEAD 8

/* priority_delta makes the value, which is its own delta. Returns: 0, appended to out;
 * MB_ERR_TOO_LARGE. */
int priority_delta(int64_t number, struct slice bytes, struct wbuf *out);

/* priority_read gives the bytes, in place, and their number. Returns: 0; MB_ERR_NOT_FOUND for
 * bottom; MB_ERR_CORRUPT. */
int priority_read(struct slice v, struct slice *ret_bytes, int64_t *ret_number);

#endif
