/* SPDX-License-Identifier: Apache-2.0 */
/* kvs_hush - see kvs_hush.h
 *
 *   I1  A hush decides nothing. It only makes the moment in which all can agree; whether they do is
 *       asked and judged as ever (kvs_drop.c, I1 to I3), and it may come to nothing at any time.
 *   I2  A cache agrees when it has neither a copy nor a delta of the key, and by the order of the
 *       link that is true until this tile answers a GET of it. Those wait here. An act that keeps
 *       what it looked at, and a merge of anybody else, are not stopped: they are seen in `held`,
 *       in `changing`, or as another value.
 *   I3  Each GET is answered once: when it was settled, when it came to nothing, or after its
 *       time. A cache has one of a key under way at most, so there is room for all.
 *   I4  The key stays lent to the caches until each has answered, however late: it is not removed,
 *       and no other key is hushed.
 *   I5  A hush that came to nothing is tried again by a later sweep that hushes, not by the next
 *       turn; each key that is worth it has its turn in each such sweep.
 *
 * A write that is not flushed: the cache sends it and agrees after its MERGED; refused (no memory)
 * the cache refuses too. What came for the key meanwhile waits at the cache, as for a fetch.
 *
 * A reader that holds a version: it has it in the cache's region, where it stays until it is let
 * go, whether the entry goes by this or by eviction; and what is forgotten is shown to nobody. Who
 * writes on condition of a version finds another one, and looks again.
 *
 * A set of operations of one key that nothing may come between: the cache refuses.
 *
 * More owners: tiles are not hushed, they are only asked. One that is owed changes at every moment
 * keeps a small key `changing`, and after KVS_HUSH_NS the hush has come to nothing; of a large one
 * only what is owed of the very marks counts (kvs_forget.h). A key has one primary, so no two tiles
 * hush the same one; two that hush others are two works of the cache. A write whose owners are slow
 * to acknowledge has those behind it wait that long.
 *
 * A cache does not die alone: caches and stores are tiles of one process. A dead executor's writes
 * end like a living one's.
 *
 * Rejected: that caches drop their copies by themselves when those have many marks. They would
 * fetch them again at once, as they are, from a store that may not forget them yet.
 */
#include "kvs_hush.h"

#include <string.h>

#include "check.h"
#include "kvs_forget.h"

void
kvs_hush_init(struct kvs_hush *h)
{
	*h = (struct kvs_hush){ .until_ns = UINT64_MAX };
}

bool
kvs_hush_worth(const struct kvs_value *v, size_t bytes_min)
{
	return kvs_value_bytes(v) >= bytes_min &&
	       (v->tree != 0 ? kvs_forget_worth(v) : bytes_min == 0);
}

void
kvs_hush_begin(struct kvs_hush *h, struct kvs_key *key, uint64_t caches, uint64_t now_ns)
{
	REQUIRE(h->key == NULL && h->wait_cnt == 0);
	*h = (struct kvs_hush){
		.key = key,
		.asked = caches,
		.until_ns = now_ns + KVS_HUSH_NS,
		.latest_ns = now_ns + KVS_HUSH_MAX_NS,
	};
}

void
kvs_hush_go_on(struct kvs_hush *h, uint64_t now_ns)
{
	if (h->until_ns != UINT64_MAX) {
		h->until_ns = MIN(now_ns + KVS_HUSH_NS, h->latest_ns);
	}
}

void
kvs_hush_answered(struct kvs_hush *h, uint32_t listener, int err)
{
	REQUIRE(h->key != NULL && (h->asked & kvs_listener_bit(listener)) != 0);
	h->asked &= ~kvs_listener_bit(listener);
	if (err == 0) {
		h->key->held &= (uint8_t) ~(1u << (listener - KVS_TILE_MAX));
	} else {
		h->refused = true;
	}
}

bool
kvs_hush_wait(struct kvs_hush *h, uint32_t from, const struct desc *d)
{
	if (h->until_ns == UINT64_MAX || h->wait_cnt == KVS_CACHE_MAX) {
		return false;
	}
	h->wait[h->wait_cnt++] = (struct kvs_hush_wait){ from, *d };
	return true;
}

uint32_t
kvs_hush_release(struct kvs_hush *h, struct kvs_hush_wait ret[KVS_CACHE_MAX])
{
	uint32_t cnt = h->wait_cnt;

	memcpy(ret, h->wait, cnt * sizeof(ret[0]));
	h->wait_cnt = 0;
	h->until_ns = UINT64_MAX;
	return cnt;
}
