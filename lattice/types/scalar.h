/* SPDX-License-Identifier: Apache-2.0 */
/* scalar.h - single numbers that only ever go one way
 *
 *	bool_or   1 byte, 0 or 1		true wins
 *	max_u64   u64				the greater wins
 *	min_u64   u64				the smaller wins
 *	max_f64   IEEE 754 double, 8 bytes	the greater wins
 *
 * As doubles NaN and -0 are refused: the one has no place in an order, the other equals +0 in other
 * bytes.
 *
 * Bottom (never written) is the empty slice, below every number: so a min_u64 needs no infinity.
 */
#ifndef MB_SCALAR_H
#define MB_SCALAR_H

#include <stdbool.h>
#include <stdint.h>

#include "slice.h"

/* Each makes the value, which is its own delta.
 *
 * Returns:   0, appended to out; MB_ERR_TOO_LARGE when it does not fit; MB_ERR_INVALID for a NaN.
 *            (-0 is taken as 0.)
 */
int bool_or_delta(bool v, struct wbuf *out);
int u64_delta(uint64_t v, struct wbuf *out); /* max_u64 and min_u64 */
int max_f64_delta(double v, struct wbuf *out);

/* Each reads the value.
 *
 * Returns:   0; MB_ERR_NOT_FOUND for bottom; MB_ERR_CORRUPT.
 */
int bool_or_read(struct slice v, bool *ret_v);
int u64_read(struct slice v, uint64_t *ret_v);
int max_f64_read(struct slice v, double *ret_v);

#endif
