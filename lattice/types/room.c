/* SPDX-License-Identifier: Apache-2.0 */
/* room - see room.h */
#include "room.h"

#include "compiler.h"
#include "view.h"

void
room_init(struct room *r, struct heap *heap, size_t reserve)
{
	*r = (struct room){ .heap = heap };
	heap_reserve(heap, reserve);
}

void *
room_alloc(struct room *r, size_t bytes)
{
	return likely(heap_reserve_whole(r->heap)) ? heap_alloc(r->heap, bytes) : NULL;
}

void *
room_alloc_last(struct room *r, size_t bytes)
{
	if (r->delta.len != 0) {
		r->removes = !r->whole && view_removes(r->delta);
		r->delta = slice_of(NULL, 0);
	}
	return r->removes || r->owed ? heap_alloc_reserve(r->heap, bytes) : NULL;
}
