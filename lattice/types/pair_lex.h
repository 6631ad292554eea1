/* SPDX-License-Identifier: Apache-2.0 */
/* pair_lex.h - a chain before a lattice
 *
 * The pair with the greater first wins whole; equal firsts merge their seconds. The first must be
 * of a type whose values are a chain (of two, one is always below the other): with any other, the
 * losing part of a merge could come back. A version before a set, a term before a map.
 *
 *	second | first | len of first u32 | type of first u8 | type of second u8
 *
 * The first is never bottom; a second that is bottom has type ABSENT. Pairs of different types,
 * which nobody should make under one key: the greater id of the first, then of the second, wins
 * whole.
 */
#ifndef MB_PAIR_LEX_H
#define MB_PAIR_LEX_H

#include <stdbool.h>

#include "lattice.h"
#include "slice.h"

#define PAIR_LEX_OVERHEAD 6

struct pair_lex {
	unsigned int first_type, second_type;
	struct slice first, second;
};

/* pair_lex_write makes the value.
 *
 * Requires:  first and second are checked values of their types.
 * Returns:   0, appended to out; MB_ERR_INVALID unless the first's type is a chain and it is not
 *            bottom, or when the second is an envelope; MB_ERR_TOO_LARGE when it does not fit
 *            (PAIR_LEX_OVERHEAD over both does).
 */
int pair_lex_write(const struct pair_lex *pair, struct wbuf *out);

/* pair_lex_write_tail appends what stands behind a first that was written to out already, behind
 * its second; of the pair only the types and the length of the first are looked at. Returns: 0;
 * MB_ERR_TOO_LARGE, out->len unchanged. */
int pair_lex_write_tail(const struct pair_lex *pair, struct wbuf *out);

/* pair_lex_open takes a pair apart, in place. Returns: 0; MB_ERR_NOT_FOUND for bottom;
 * MB_ERR_CORRUPT. */
int pair_lex_open(struct slice v, struct pair_lex *ret);

#endif
