/* SPDX-License-Identifier: Apache-2.0 */
/* room.h - a heap of values, and who gets the last of it
 *
 * Who removes an item of a large collection copies the nodes above it, and gives the old ones back
 * a moment later: without memory he would be refused, and a queue that has filled it could not be
 * emptied by those who read it. So a few pages are reserved for deltas that add nothing which is
 * seen (view_removes): items that go, deletes, deadlines. They go round, as each of these gives
 * back about what it took; and before they are all back nothing that adds gets memory, or it would
 * take them one by one.
 *
 * A large collection that is deleted whole has none of it: its marks take about as much memory as
 * it had, until they are forgotten. Refused, it is razed (cache_grow.c), and there is room at once.
 *
 * The reserve helps, and promises nothing: owners and readers can hold more old nodes for a time.
 *
 * Owner: that of the heap.
 */
#ifndef MB_ROOM_H
#define MB_ROOM_H

#include <stdbool.h>
#include <stddef.h>

#include "heap.h"
#include "slice.h"

/* A hundred-and-twenty-eighth of the heap: of small ones 8 pages, which are two paths from a root
 * to a leaf; 1 MiB of large ones. The smallest, of which that would be much, have none. */
#define ROOM_SHARE    128
#define ROOM_MIN      ((size_t)8 * 4096)
#define ROOM_MAX      ((size_t)1 << 20)
/* So long a value may take the reserve: it needs pages in a row, and seldom comes. */
#define ROOM_LONG     ((size_t)1 << 20)
#define ROOM_HEAP_MIN ((size_t)2 << 20)

struct room {
	struct heap *heap;
	struct slice delta; /* that is merged, as long as it was not looked at; or empty */
	bool removes;       /* what is done now may take of the reserve */
	bool whole;         /* no: these are parts of a collection that goes whole */
};

/* room_init sets a part of a heap of this size apart. */
void room_init(struct room *r, struct heap *heap, size_t bytes);

/* room_for says for what memory is wanted from now on: to merge a checked envelope, or, if that is
 * empty, for anything. Whether it removes is looked at only when memory is short. */
static inline void
room_for(struct room *r, struct slice delta)
{
	r->delta = delta;
	r->removes = false;
}

/* room_alloc finds memory; NULL. room_alloc_last finds it in the reserve, for who removes; it is
 * for those who have found none, even after all that is to be freed first. */
void *room_alloc(struct room *r, size_t bytes);
void *room_alloc_last(struct room *r, size_t bytes);

#endif
