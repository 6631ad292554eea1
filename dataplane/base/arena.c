/* SPDX-License-Identifier: Apache-2.0 */
/* arena.c - both passes compute the same offsets, relative to the start of the memory
 *
 * arena_alloc places an object where arena_footprint said it ends, minus its size; so whatever one
 * pass counted, the other finds room for, and not a byte is lost between them.
 */
#include "arena.h"

#include "check.h"

size_t
arena_footprint(size_t bytes_so_far, size_t bytes, size_t align)
{
	size_t start = ALIGN_UP(bytes_so_far, align);

	REQUIRE(align != 0 && (align & (align - 1)) == 0, "align=%zu", align);
	REQUIRE(start >= bytes_so_far, "bytes_so_far=%zu", bytes_so_far);
	REQUIRE(bytes <= SIZE_MAX - start, "bytes=%zu start=%zu", bytes, start);
	return start + bytes;
}

void
arena_init(struct arena *a, void *mem, size_t bytes)
{
	REQUIRE(mem != NULL);
	*a = (struct arena){ .mem = mem, .cap = bytes };
}

void *
arena_alloc(struct arena *a, size_t bytes, size_t align)
{
	size_t end = arena_footprint(a->used, bytes, align);

	REQUIRE(end <= a->cap, "end=%zu cap=%zu", end, a->cap);
	REQUIRE(((uintptr_t)a->mem & (align - 1)) == 0, "align=%zu", align);
	a->used = end;
	return a->mem + (end - bytes);
}
