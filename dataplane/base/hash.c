/* SPDX-License-Identifier: Apache-2.0 */
/* hash.c - the one place that knows which hash it is
 *
 * xxHash is compiled in here rather than linked: a call through the PLT costs about what hashing a
 * short key does.
 */
#include "hash.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

uint64_t
hash_bytes(const void *p, size_t len)
{
	return XXH3_64bits(p, len);
}

uint64_t
hash_seeded(const void *p, size_t len, uint64_t seed)
{
	return XXH3_64bits_withSeed(p, len, seed);
}

struct hash128
hash_bytes128(const void *p, size_t len)
{
	XXH128_hash_t h = XXH3_128bits(p, len);

	return (struct hash128){ .lo = h.low64, .hi = h.high64 };
}
