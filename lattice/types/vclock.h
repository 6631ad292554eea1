/* SPDX-License-Identifier: Apache-2.0 */
/* vclock.h - how much of each writer's history something has seen
 *
 * writer -> the number of its events seen; merge takes the greater of each. A writer of whom
 * nothing was seen has no entry.
 *
 *	( writer u64 | events u64 ) *	sorted by writer
 *
 * 16 bytes a writer, at fixed places, so that a writer is found by binary search in place.
 */
#ifndef MB_VCLOCK_H
#define MB_VCLOCK_H

#include <stdbool.h>
#include <stdint.h>

#include "clock.h"
#include "slice.h"

#define VCLOCK_ENTRY_BYTES 16

enum vclock_order {
	VCLOCK_EQUAL = 0,
	VCLOCK_BEFORE,     /* the first is part of the second */
	VCLOCK_AFTER,      /* the second is part of the first */
	VCLOCK_CONCURRENT, /* each has seen what the other has not */
};

/* vclock_delta makes the clock that has seen this many events of this writer.
 *
 * Returns:   0, appended to out (nothing, for no events); MB_ERR_TOO_LARGE when it does not fit.
 */
int vclock_delta(struct writer_id writer, uint64_t event_cnt, struct wbuf *out);

/* vclock_get is the number of events seen of this writer; 0 if it has no entry. O(log n). */
uint64_t vclock_get(struct slice v, struct writer_id writer);

/* vclock_at gives entry idx, in the order of writers. Returns: false behind the last one. */
bool vclock_at(struct slice v, uint32_t idx, struct writer_id *ret_writer, uint64_t *ret_events);

/* vclock_compare places two clocks. On damaged bytes the answer means nothing. */
enum vclock_order vclock_compare(struct slice a, struct slice b);

#endif
