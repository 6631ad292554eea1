/* SPDX-License-Identifier: Apache-2.0 */
/* kvs_prefetch - see kvs_prefetch.h
 *
 * Step by step for all keys, as what is asked for next stands in what was asked for before.
 */
#include "kvs_prefetch.h"

#include <stdbool.h>

#include "check.h"
#include "compiler.h"
#include "envelope.h"
#include "kvs_index.h"
#include "kvs_key.h"
#include "kvs_recent.h"
#include "kvs_shard.h"

/* Lines of a value that are asked for: the hardware goes on with longer ones by itself. */
#define BYTES_MAX 2048u
/* Heads that are looked at before the first of them decides: a wrong guess about one has the loads
 * of those behind it thrown away. Puts of 1 KiB by zipf 1 took 180 ns one by one, 147 so. */
#define HEADS     8u

/* The rest of a value that will be merged, or written through the caches: it is as long as the
 * delta, or it will be. */
static void
ask_rest(const struct kvs_value *v, size_t delta_len)
{
	size_t bytes = MIN(sizeof(*v) + delta_len, (size_t)BYTES_MAX);

	for (size_t i = CACHE_LINE; i < bytes + CACHE_LINE; i += CACHE_LINE) {
		__builtin_prefetch((const uint8_t *)v + i, 1);
	}
}

/* Of one that will be written past them only the end is looked at, which tells the newer of two. */
static void
ask_end(const struct kvs_value *v)
{
	const uint8_t *end = v->bytes + v->len;

	__builtin_prefetch(end - ENVELOPE_OVERHEAD, 1);
	__builtin_prefetch(end - 1, 1);
}

static void
ask_values(const struct kvs_shard *s, const struct kvs_value *const *v, const size_t *delta_len,
	   uint32_t cnt)
{
	bool past[HEADS];

	for (uint32_t i = 0; i < cnt; i++) {
		past[i] = delta_len[i] >= KVS_LONG_BYTES && !kvs_recent_has(&s->recent, v[i]);
	}
	for (uint32_t i = 0; i < cnt; i++) {
		if (past[i]) {
			ask_end(v[i]);
		} else {
			ask_rest(v[i], delta_len[i]);
		}
	}
}

void
kvs_prefetch_burst(const struct kvs_shard *s, const struct kvs_prefetch *p, uint32_t cnt)
{
	const struct kvs_key *key[KVS_PREFETCH_MAX];
	const struct kvs_value *v[KVS_PREFETCH_MAX];
	uint64_t hash[KVS_PREFETCH_MAX];
	size_t delta_len[KVS_PREFETCH_MAX];
	uint32_t n = 0, v_cnt = 0;

	REQUIRE(cnt <= KVS_PREFETCH_MAX);
	for (uint32_t i = 0; i < cnt; i++) {
		if (i > 0 && slice_eq(p[i].key, p[i - 1].key)) {
			continue; /* a hot key: asked for already */
		}
		hash[n] = kvs_index_hash(&s->index, p[i].key);
		if (n >= 2 && hash[n] == hash[n - 2]) {
			continue; /* so is one that takes turns with another */
		}
		delta_len[n] = p[i].delta_len;
		kvs_index_prefetch(&s->index, hash[n++]);
	}
	for (uint32_t i = 0; i < n; i++) {
		key[i] = kvs_index_peek(&s->index, hash[i]);
		if (key[i] != NULL) {
			__builtin_prefetch(key[i]);
		}
	}
	for (uint32_t i = 0; i < n; i++) {
		if (key[i] != NULL) {
			delta_len[v_cnt] = delta_len[i];
			v[v_cnt] = kvs_at(s->base, key[i]->value);
			__builtin_prefetch(v[v_cnt++], 1);
		}
	}
	for (uint32_t i = 0; i < v_cnt; i += HEADS) {
		ask_values(s, v + i, delta_len + i, MIN(HEADS, v_cnt - i));
	}
}
