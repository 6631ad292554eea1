/* SPDX-License-Identifier: Apache-2.0 */
/* history.h - which events of which writers something has seen
 *
 * A set of events, each (writer, number from 1), as runs:
 *
 *	( writer u64 | first u64 | last u64 ) *	sorted; runs neither overlap nor touch
 *
 * A vclock says "all up to n"; this can also say "the 7th, and nothing before". That is what is
 * needed where one tile writes for many who have not seen each other's writes: the tile's 7th event
 * is then no proof that the 6th was seen. Once somebody has seen them all, they are one run again:
 * a history is as long as what is concurrent, not as what was ever written.
 *
 * Not a type of lattice.def; but sets of events are a lattice, with the union as merge.
 */
#ifndef MB_HISTORY_H
#define MB_HISTORY_H

#include <stdbool.h>
#include <stdint.h>

#include "clock.h"
#include "slice.h"

#define HISTORY_RUN_BYTES 24

/* history_check: is this in canonical form? Returns: 0; MB_ERR_CORRUPT. */
int history_check(struct slice v);

/* history_put appends the history of one event. */
void history_put(struct wbuf *out, struct writer_id writer, uint64_t event);

/* history_join appends all that a or b has seen, history_meet what both have.
 *
 * Ensures:   neither is longer than a and b together.
 * Returns:   0; MB_ERR_TOO_LARGE when it does not fit, out->len unchanged.
 */
int history_join(struct slice a, struct slice b, struct wbuf *out);
int history_meet(struct slice a, struct slice b, struct wbuf *out);

/* history_leq tells whether all that a has seen, b has seen. */
bool history_leq(struct slice a, struct slice b);

/* history_last is the number of the last event of a writer that was seen; 0: none. */
uint64_t history_last(struct slice v, struct writer_id writer);

#endif
