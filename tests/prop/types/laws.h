/* SPDX-License-Identifier: Apache-2.0 */
/* laws.h - a judge of merges: does this function, on these values, keep the laws of a lattice?
 *
 * The merge is an argument, so that the judge itself can be tried on merges that are known to be
 * wrong.
 */
#ifndef MB_LAWS_H
#define MB_LAWS_H

#include <stdbool.h>
#include <stddef.h>

#include "slice.h"

/* As lattice_merge_into: appends the merge to out, says which side it is. */
typedef int laws_merge_fn(unsigned int type, struct slice a, struct slice b, struct wbuf *out);

/* What was broken, and by which values. The slices live until made_forget. */
struct breach {
	const char *law;
	struct slice a, b, c;
};

/* laws_hold tries all pairs and all triples of these values:
 *
 *	canonical     the merge is a value, and writing again what was read from it gives its bytes
 *	commutative   a + b = b + a, byte for byte
 *	associative   (a + b) + c = a + (b + c)
 *	idempotent    a + a = a
 *	never down    a <= a + b, and a <= b exactly if a + b = b; <= is lattice_leq, which shares
 * no
 *	              code with the merges
 *	side          LEFT exactly if the merge is a, RIGHT exactly if it is b and not a
 *	bound         the merge fits lattice_merge_bound bytes
 *
 * Returns:   true; or false with the first breach found.
 */
bool laws_hold(laws_merge_fn *merge, unsigned int type, const struct slice *value, size_t cnt,
	       struct breach *ret_breach);

/* laws_print says a breach to a person, values in hex. */
void laws_print(unsigned int type, const struct breach *breach);

#endif
