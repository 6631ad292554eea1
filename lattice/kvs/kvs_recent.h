/* SPDX-License-Identifier: Apache-2.0 */
/* kvs_recent - which long values were written lately: those may still be in a cache
 *
 * To overwrite a value that is in no cache, its lines are fetched, written, and written back: three
 * times what goes over the bus when they are written past the caches. A value that is in a cache,
 * though, is sent to memory by that, and a hot key's would be each time. So each value says when it
 * was last written, by a clock that counts the bytes of different long values (one that is written
 * again within a step is counted once). The clock has 8 bits: a value that was written long ago is
 * taken for a recent one for a part of the time. Mistakes cost some nanoseconds.
 *
 * Rejected: a table of the last keys' hashes. It has to be as large as the last cache has lines of
 * values, and its own misses cost puts of zipf 2 a tenth.
 *
 * Owner: the shard.
 */
#ifndef MB_KVS_RECENT_H
#define MB_KVS_RECENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kvs_key.h"

/* What a core has of the last cache, or less, in steps of the clock. */
#define KVS_RECENT_STEP_LG 23 /* 8 MiB */
#define KVS_RECENT_STEPS   8

/* A shorter one is always written through the caches: most of its lines are looked at anyway. */
#define KVS_LONG_BYTES 512

struct kvs_recent {
	uint64_t bytes;
};

static inline uint8_t
kvs_recent_now(const struct kvs_recent *r)
{
	return (uint8_t)(r->bytes >> KVS_RECENT_STEP_LG);
}

/* kvs_recent_has tells whether a value was written lately. */
static inline bool
kvs_recent_has(const struct kvs_recent *r, const struct kvs_value *v)
{
	return (uint8_t)(kvs_recent_now(r) - v->written) < KVS_RECENT_STEPS;
}

/* kvs_recent_count: a new value has so many bytes. */
static inline void
kvs_recent_count(struct kvs_recent *r, size_t bytes)
{
	r->bytes += bytes >= KVS_LONG_BYTES ? bytes : 0;
}

/* kvs_recent_add: all of a long value is written now. Returns: whether it was lately, before. */
static inline bool
kvs_recent_add(struct kvs_recent *r, struct kvs_value *v)
{
	bool recent = kvs_recent_has(r, v);
	uint8_t now = kvs_recent_now(r);

	if (v->written != now) {
		v->written = now;
		r->bytes += v->cap;
	}
	return recent;
}

#endif
