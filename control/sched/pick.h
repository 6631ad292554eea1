/* SPDX-License-Identifier: Apache-2.0 */
/* pick - which executor gets a call, of those that could take it now
 *
 * Below PICK_BUSY first; among those the less loaded of two at random. Two are enough: the longest
 * queue shrinks from log n to log log n, and nobody has to look at all. One that is busier than
 * PICK_BUSY gets a call only when no other could take it: what is left free replicates hot state,
 * but no call waits for that while anybody is free.
 *
 * Pure: sets, loads and a random number come in. Cost: a look at each word of the sets, some times.
 */
#ifndef MB_PICK_H
#define MB_PICK_H

#include <stdint.h>

#define PICK_LOAD_FULL 1000 /* a load: of each thousand nanoseconds, how many functions ran */
#define PICK_BUSY      700

/* pick_exec chooses a member of able, a set of words * 64 bits. busy: those at PICK_BUSY or above.
 * Returns: its index; PICK_NONE when able is empty. */
#define PICK_NONE UINT32_MAX
uint32_t pick_exec(const uint64_t *able, const uint64_t *busy, uint32_t words, const uint16_t *load,
		   uint64_t random);

/* pick_load is a load after ns more nanoseconds, in which functions ran busy_ns: a mean that
 * forgets. */
uint16_t pick_load(uint16_t load, uint64_t busy_ns, uint64_t ns);

#endif
