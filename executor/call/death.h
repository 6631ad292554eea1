/* SPDX-License-Identifier: Apache-2.0 */
/* death - the sentence that a caller hears of an executor's end; one for all who tell it */
#ifndef MB_DEATH_H
#define MB_DEATH_H

#include <stdbool.h>
#include <stdio.h>

#include "desc.h"

/* The longest fits into an answer as it is. */
#define DEATH_TEXT_BYTES (DESC_INLINE_BYTES + 1)
static_assert(sizeof("out of memory; its writes did not happen") <= DEATH_TEXT_BYTES, "inline");

/* death_cause_text says what an executor died of: d is the DESC_DEAD, or DESC_PROC_DOWN, of it. */
static inline void
death_cause_text(const struct desc *d, char ret[DEATH_TEXT_BYTES])
{
	if (d->dead.cause == DEATH_NO_MEMORY) {
		snprintf(ret, DEATH_TEXT_BYTES, "out of memory");
	} else {
		snprintf(ret, DEATH_TEXT_BYTES, "%s %d",
			 d->dead.cause == DEATH_SIGNAL ? "signal" : "exit code",
			 (int)d->dead.status);
	}
}

/* death_text says besides whether a call's writes happened. */
static inline void
death_text(const struct desc *d, bool effects, char ret[DEATH_TEXT_BYTES])
{
	char cause[DEATH_TEXT_BYTES];

	death_cause_text(d, cause);
	snprintf(ret, DEATH_TEXT_BYTES, "%.13s; its writes %s", cause,
		 effects ? "happened" : "did not happen");
}

#endif
