/* SPDX-License-Identifier: Apache-2.0 */
/* hash.h - XXH3 of bytes, 64 or 128 bits
 *
 * The same bytes hash the same on every machine and in every version: placement of keys on the
 * hashring and versions of values rest on it. Not a defence against someone who looks for
 * collisions; a table that foreign keys reach takes hash_seeded with a secret seed.
 *
 * Threads:   any
 */
#ifndef MB_HASH_H
#define MB_HASH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct hash128 {
	uint64_t lo, hi;
};

uint64_t hash_bytes(const void *p, size_t len);

uint64_t hash_seeded(const void *p, size_t len, uint64_t seed);

struct hash128 hash_bytes128(const void *p, size_t len);

static inline bool
hash128_eq(struct hash128 a, struct hash128 b)
{
	return a.lo == b.lo && a.hi == b.hi;
}

#endif
