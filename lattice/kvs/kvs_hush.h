/* SPDX-License-Identifier: Apache-2.0 */
/* kvs_hush - a moment of quiet for one key that is never quiet by itself
 *
 * What was removed from a key is forgotten when no cache has anything of it that is not merged
 * (kvs_drop.h). A queue into which somebody always pushes has no such moment, and would grow by a
 * mark an item for ever. So of a key of which much is marks the caches are asked to come to an
 * end: each begins no further operation on it, sends what it has, gives up its copy and agrees.
 * What is asked for meanwhile waits here, until the key was settled, or for KVS_HUSH_NS; of a large
 * one, which is settled in rounds, for KVS_HUSH_NS from the last one, KVS_HUSH_MAX_NS at most.
 *
 *   primary: HUSH to all caches that have a copy ──► all agree ──► settled, or dropped ──► GETs
 *                                                    one refuses: a later sweep tries again
 *
 * One key at a time, and not before KVS_HUSH_BYTES of it can be had back: what it costs, some round
 * trips and a copy fetched anew, is then small beside the operations that left as many marks.
 *
 * Owner: the kvs tile; part of kvs_drop.h.
 */
#ifndef MB_KVS_HUSH_H
#define MB_KVS_HUSH_H

#include <stdbool.h>
#include <stdint.h>

#include "desc.h"
#include "kvs_change.h"
#include "kvs_key.h"
#include "timebase.h"

#define KVS_HUSH_NS     (20 * NS_PER_MS)
#define KVS_HUSH_MAX_NS (200 * NS_PER_MS) /* if it goes on: 64 MiB of marks */
#define KVS_HUSH_BYTES  (16u << 10)

struct kvs_hush {
	struct kvs_key *key; /* NULL: none. It stays while caches are asked, it is lent to them */
	uint64_t asked;      /* caches that have not answered */
	uint64_t until_ns;   /* UINT64_MAX: nobody waits any more */
	uint64_t latest_ns;
	bool refused;
	bool working; /* all agreed: it is being settled */
	uint32_t wait_cnt;
	struct kvs_hush_wait {
		uint32_t from;
		struct desc d;
	} wait[KVS_CACHE_MAX];
};

void kvs_hush_init(struct kvs_hush *h);

/* kvs_hush_worth tells whether a value holds much that nobody is shown. bytes_min: as
 * KVS_HUSH_BYTES; 0, of a test: all that is in pieces or small. */
bool kvs_hush_worth(const struct kvs_value *v, size_t bytes_min);

void kvs_hush_begin(struct kvs_hush *h, struct kvs_key *key, uint64_t caches, uint64_t now_ns);
void kvs_hush_answered(struct kvs_hush *h, uint32_t listener, int err);

/* kvs_hush_go_on: some of the key was settled. Who waits may do so for some time more. */
void kvs_hush_go_on(struct kvs_hush *h, uint64_t now_ns);

/* kvs_hush_wait keeps a cache's GET of the key until later. Returns: false: answer it now. */
bool kvs_hush_wait(struct kvs_hush *h, uint32_t from, const struct desc *d);

/* kvs_hush_quiet tells whether all agreed, and there is time. */
static inline bool
kvs_hush_quiet(const struct kvs_hush *h)
{
	return h->asked == 0 && !h->refused && h->until_ns != UINT64_MAX;
}

/* kvs_hush_ends tells whether there is an end to it without any cache: it is soon. */
static inline bool
kvs_hush_ends(const struct kvs_hush *h)
{
	return h->working || h->until_ns != UINT64_MAX;
}

/* kvs_hush_release lets nobody wait any more. Returns: how many GETs were copied to ret, which are
 * to be done now. */
uint32_t kvs_hush_release(struct kvs_hush *h, struct kvs_hush_wait ret[KVS_CACHE_MAX]);

#endif
