/* SPDX-License-Identifier: Apache-2.0 */
/* heap.h - an allocator inside one extent of memory that the caller gives it
 *
 * For values: many small ones, some of 64 MiB, in the private memory of a kvs tile, in the cache
 * region, in the slabs of payloads. Everything it knows lies in the extent, nothing is taken from
 * the system, and memory moves back and forth between small and large without limit: when all is
 * freed, the whole extent is one piece again.
 *
 * Caveats: - who frees says how large the object was; it is checked, and a lie stops the process.
 *          - the extent stays where it is mapped: it holds pointers to itself.
 *          - a full heap is the world's fault, not a bug: heap_alloc returns NULL.
 *
 * A size is rounded up: to 16 up to 64 bytes, to 64 up to 256, to a quarter of the power of two
 * below it up to 16 KiB (so at most 20 % are lost), to whole pages of 4 KiB above. Alignment is 16,
 * and 64 for objects of 64 bytes and more. Beside the rounding, an object costs 1 to 4 % of
 * bookkeeping up to 16 KiB and nothing above; the heap itself takes 0.04 % of the extent.
 *
 * Owner: one thread. Others may read objects; they synchronise with the owner by their own means.
 */
#ifndef MB_HEAP_H
#define MB_HEAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct heap;

/* The smallest extent: its own bookkeeping, and a few pages. The largest is just below 16 TiB. */
#define HEAP_EXTENT_BYTES_MIN (64U << 10)

/* heap_init makes a heap of bytes of memory at mem; what was in them does not matter.
 *
 * Requires:  bytes >= HEAP_EXTENT_BYTES_MIN
 * Ensures:   only the bookkeeping was touched: memory that was never used stays unpopulated.
 * Returns:   the heap. It lies in the extent, and ends with it: there is nothing to undo.
 * Owns:      the extent belongs to the heap, until the caller takes it back.
 */
struct heap *heap_init(void *mem, size_t bytes);

/* heap_alloc finds room for bytes; 0 are served as 1.
 *
 * Returns:   memory with whatever was in it; NULL when no row of free pages is long enough, or
 *            bytes are more than the extent could ever hold.
 * Cost:      O(1) for objects that share pages (up to 16 KiB, not whole pages), else O(log pages).
 */
void *heap_alloc(struct heap *h, size_t bytes);

/* heap_reserve sets how much of the free pages heap_alloc leaves alone; heap_alloc_reserve is
 * heap_alloc that takes them too: the last of them as few as will do, so that they go round. At
 * first nothing is reserved. For what has to work when all others have used up the rest.
 *
 * heap_reserve_whole tells whether so many pages are free, after empty spans were given back. Some
 * may not be, and there may be room in spans that they became: who asks before each heap_alloc
 * leaves that to heap_alloc_reserve, and the pages come back.
 *
 * Requires:  bytes <= heap_capacity_bytes
 */
void heap_reserve(struct heap *h, size_t bytes);
void *heap_alloc_reserve(struct heap *h, size_t bytes);
bool heap_reserve_whole(struct heap *h);

/* heap_charge says how many bytes are used elsewhere on the heap's account: so many fewer of the
 * free pages are given out, by heap_alloc_reserve neither. They are none of heap_used_bytes. More
 * than is free may be charged: then no page is given out before as many are free.
 */
void heap_charge(struct heap *h, size_t bytes);

/* heap_free takes an object back.
 *
 * Requires:  p came from heap_alloc of this heap, and was not freed since. bytes are what was asked
 *            for, or any number that rounds to the same.
 * Cost:      as heap_alloc
 */
void heap_free(struct heap *h, void *p, size_t bytes);

/* heap_rounded_bytes gives the room that an object of bytes really has: all of it may be used.
 *
 * Requires:  bytes <= SIZE_MAX / 2
 */
size_t heap_rounded_bytes(size_t bytes);

/* heap_long_bytes rounds a size above 1 MiB up to a sixteenth of the power of two below it, others
 * not at all. Who asks for such sizes gets one long object where another of about the same length
 * was: in an extent of 256 MiB there is room for three of 64 MiB and a little, and any kilobytes
 * between two of them leave room for two. What is not touched is not populated.
 *
 * Requires:  bytes <= SIZE_MAX / 2
 */
size_t heap_long_bytes(size_t bytes);

/* heap_used_bytes gives the sum of the rounded sizes of all objects. */
size_t heap_used_bytes(const struct heap *h);

/* heap_free_bytes gives the pages that nothing is in, less those charged; they need not lie in a
 * row. */
size_t heap_free_bytes(const struct heap *h);

/* heap_held_bytes gives the pages that the heap has of the system: those that were used, less what
 * heap_trim gave back. Its own bookkeeping is none of them. heap_idle_bytes gives those of them
 * that are free. */
size_t heap_held_bytes(const struct heap *h);
size_t heap_idle_bytes(const struct heap *h);

/* heap_trim gives free pages back to the system, which has them zeroed when they are used again:
 * those among the next `bytes` of the extent, so that a call stays short.
 *
 * Requires:  the extent is private anonymous memory, in pages of 4 KiB
 * Returns:   whether the end was not reached: call again. After false it begins anew.
 */
bool heap_trim(struct heap *h, size_t bytes);

/* heap_capacity_bytes gives the largest object an empty heap can hold. */
size_t heap_capacity_bytes(const struct heap *h);

/* heap_ahead names a large page of memory that objects will come to lie in soon: one that begins
 * less than `bytes` from where the heap has grown to, at either end, and was not named yet. The
 * system takes milliseconds to have one there; whoever asks it for the page now, on another
 * thread, does not wait for it then.
 *
 * Returns:   where HEAP_AHEAD_BYTES begin, aligned to as many, all of the extent; NULL: none. What
 *            heap_trim gave back may be named again.
 */
#define HEAP_AHEAD_BYTES ((size_t)2 << 20)
void *heap_ahead(struct heap *h, size_t bytes);

/* heap_lacks says whether heap_ahead would name one. */
bool heap_lacks(const struct heap *h, size_t bytes);

/* heap_check walks everything and stops the process at the first contradiction. For tests.
 *
 * Cost:      O(pages + objects)
 */
void heap_check(const struct heap *h);

#endif
