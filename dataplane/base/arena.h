/* SPDX-License-Identifier: Apache-2.0 */
/* arena.h - laying out memory at start
 *
 * Start-up in two passes over the same list of objects. First each module says what it needs:
 *
 *	bytes = arena_footprint(bytes, shard_footprint(limits), CACHE_LINE);
 *
 * then the memory is taken once, on the right NUMA node, and dealt out in the same order:
 *
 *	arena_init(&a, mem, bytes);
 *	shard = arena_alloc(&a, shard_footprint(limits), CACHE_LINE);
 *
 * Running out means that the two passes disagree: a bug, not a condition. Nothing is given back.
 *
 * Owner: one thread, at start.
 */
#ifndef MB_ARENA_H
#define MB_ARENA_H

#include <stddef.h>
#include <stdint.h>

struct arena {
	uint8_t *mem;
	size_t used;
	size_t cap;
};

/* arena_footprint adds an object to the bytes needed so far, with the gap its alignment may cost.
 *
 * Requires:  align is a power of two; the sum fits a size_t.
 */
size_t arena_footprint(size_t bytes_so_far, size_t bytes, size_t align);

/* arena_init hands over memory to be dealt out.
 *
 * Requires:  mem is aligned to the largest alignment that will be asked for.
 * Owns:      the caller keeps mem, and keeps it while anything dealt from it is used.
 */
void arena_init(struct arena *a, void *mem, size_t bytes);

/* arena_alloc deals out the next object. Its bytes are as they were: zero, if mem was fresh.
 *
 * Requires:  it fits: arena_footprint counted it.
 * Returns:   never NULL, not even for 0 bytes.
 */
void *arena_alloc(struct arena *a, size_t bytes, size_t align);

#endif
