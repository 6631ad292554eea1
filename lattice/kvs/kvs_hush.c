/* SPDX-License-Identifier: Apache-2.0 */
/* kvs_hush - see kvs_hush.h
 *
 * A cache has one GET of a key under way at most, so there is room for all that can wait.
 */
#include "kvs_hush.h"

#include <string.h>

#include "check.h"
#include "kvs_redo.h"

void
kvs_hush_init(struct kvs_hush *h)
{
	*h = (struct kvs_hush){ .until_ns = UINT64_MAX };
}

bool
kvs_hush_worth(const struct kvs_value *v, size_t bytes_min)
{
	return kvs_value_bytes(v) >= bytes_min &&
	       (v->tree != 0 ? kvs_redo_worth(v) : bytes_min == 0);
}

void
kvs_hush_begin(struct kvs_hush *h, struct kvs_key *key, uint64_t caches, uint64_t now_ns)
{
	REQUIRE(h->key == NULL && h->wait_cnt == 0);
	*h = (struct kvs_hush){ .key = key, .asked = caches, .until_ns = now_ns + KVS_HUSH_NS };
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
