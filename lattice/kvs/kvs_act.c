/* SPDX-License-Identifier: Apache-2.0 */
/* kvs_act - see kvs_act.h */
#include "kvs_act.h"

#include "check.h"
#include "compiler.h"
#include "kvs_msg.h"
#include "kvs_prefetch.h"
#include "kvs_shard.h"
#include "lattice.h"
#include "microburst/error.h"

static struct slice
found_value(const struct kvs_shard *s, const struct kvs_found *at)
{
	return at->key != NULL ? kvs_shard_value(s, at->key) : slice_of(NULL, 0);
}

int
kvs_act_long(struct kvs_shard *s, struct kvs_acts *acts, uint32_t i, struct kvs_value *v,
	     struct slice *ret_delta)
{
	struct kvs_found at = kvs_shard_look(s, acts->act[i].key);
	struct wbuf out = wbuf_init(v->bytes, v->cap);
	int err = acts->make(acts, i, found_value(s, &at), &out);

	if (err < 0) {
		kvs_shard_value_free(s, v);
		return err;
	}
	REQUIRE(err == KVS_ACT_WHOLE);
	v->len = (uint32_t)out.len;
	err = kvs_shard_merge_value(s, acts->act[i].key, v);
	if (err == 0) {
		*ret_delta = kvs_shard_value(s, s->last.key);
		acts->made(acts, i, *ret_delta, s->last.side != LATTICE_LEFT);
	}
	return err;
}

/* A long delta is made in the memory that the value will have, and copied no more. */
static int
do_long(struct kvs_shard *s, struct kvs_acts *acts, uint32_t i, struct slice *ret_delta)
{
	struct kvs_value *v = kvs_shard_value_alloc(s, acts->act[i].long_bytes);

	if (v == NULL) {
		s->stats.refused++;
		return MB_ERR_NO_MEMORY;
	}
	return kvs_act_long(s, acts, i, v, ret_delta);
}

int
kvs_act_do(struct kvs_shard *s, struct kvs_acts *acts, uint32_t i, uint8_t *mem, size_t cap,
	   struct slice *ret_delta)
{
	struct slice key = acts->act[i].key;
	struct wbuf out = wbuf_init(mem, cap);
	struct kvs_found at;
	int err;

	if (unlikely(acts->act[i].long_bytes != 0)) {
		return acts->act[i].value.len != 0 ? KVS_ACT_LATER : do_long(s, acts, i, ret_delta);
	}
	at = kvs_shard_look(s, key);
	err = acts->make(acts, i, found_value(s, &at), &out);
	*ret_delta = wbuf_slice(&out);
	if (err == KVS_ACT_LOOKED) {
		s->last = (struct kvs_merged){ 0 };
		return 0;
	}
	if (err == KVS_ACT_WHOLE && at.key != NULL) {
		err = kvs_shard_replace(s, at.key, *ret_delta);
	} else if (likely(err >= 0)) {
		err = kvs_shard_merge_found(s, key, &at, *ret_delta);
	}
	if (likely(err == 0)) {
		acts->made(acts, i, found_value(s, &at), s->last.side != LATTICE_LEFT);
	}
	return err;
}

struct kvs_act *
kvs_act_of(const struct desc *d)
{
	struct kvs_acts *acts = (struct kvs_acts *)(uintptr_t)d->word[0];

	return d->kind == DESC_KVS_ACT ? &acts->act[d->word[1]] : NULL;
}

bool
kvs_act_over(const struct desc *d, int err)
{
	struct kvs_acts *acts = (struct kvs_acts *)(uintptr_t)d->word[0];

	acts->act[d->word[1]].err = err;
	return --acts->open == 0;
}

void
kvs_act_prefetch(const struct kvs_shard *s, const struct kvs_acts *acts)
{
	struct slice key[KVS_PREFETCH_MAX];
	uint32_t n = 0;

	for (uint32_t i = 0; acts->cnt > 1 && i < acts->cnt; i++) {
		key[n++] = acts->act[i].key;
		if (n == KVS_PREFETCH_MAX || i + 1 == acts->cnt) {
			kvs_prefetch_burst(s, key, n);
			n = 0;
		}
	}
}
