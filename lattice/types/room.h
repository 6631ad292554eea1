/* SPDX-License-Identifier: Apache-2.0 */
/* room.h - a heap of values, and who gets the last of it
 *
 * Who removes an item of a large collection copies the nodes above it, and gives the old ones back
 * a moment later: without memory he would be refused, and a queue that has filled it could not be
 * emptied by those who read it. So a part is reserved for deltas that add nothing which is seen
 * (view_removes): items that go, deletes, deadlines; and for settling, which copies what it makes
 * smaller. Before all of it is back nothing that adds gets memory, or it would take it bit by bit.
 *
 * A large collection that is deleted whole has none of it: its marks take about as much memory as
 * it had, until they are forgotten. Refused, it is razed (cache_grow.c), and there is room at once.
 *
 * Who has to have what another has merged (owners of a key) may take of it as well: it cannot be
 * refused for good, and what is removed later would wait behind it.
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

struct room {
	struct heap *heap;
	struct slice delta; /* that is merged, as long as it was not looked at; or empty */
	bool removes;       /* what is done now may take of the reserve */
	bool whole;         /* no: these are parts of a collection that goes whole */
	bool owed;          /* it may, whatever it is: others have merged it already */
};

/* room_init sets so much of a heap apart. */
void room_init(struct room *r, struct heap *heap, size_t reserve);

/* room_for says for what memory is wanted from now on: to merge a checked envelope, or, if that is
 * empty, for anything. Whether it removes is looked at only when memory is short. */
static inline void
room_for(struct room *r, struct slice delta)
{
	r->delta = delta;
	r->removes = false;
}

/* room_for_less says that it is wanted for what takes the place of more, until room_for. */
static inline void
room_for_less(struct room *r)
{
	r->delta = slice_of(NULL, 0);
	r->removes = true;
}

/* room_alloc finds memory; NULL. room_alloc_last finds it in the reserve, for who removes; it is
 * for those who have found none, even after all that is to be freed first. */
void *room_alloc(struct room *r, size_t bytes);
void *room_alloc_last(struct room *r, size_t bytes);

#endif
