/* SPDX-License-Identifier: Apache-2.0 */
/* cache_read - values that are not here, shown once to an inner process (cache_msg.h, READ)
 *
 * A read is an act that changes nothing (cache_act.c): it costs a place in a list that goes to the
 * store and comes back, and no entry, no work, no copy. Whoever is asked for again while he is
 * remembered (asked.h) is fetched as well, when there is room: the next one will find him in place.
 *
 * What is here, or on its way, and what does not fit a read, is not shown: the asker looks for it
 * in the cache. A value that is too long is fetched meanwhile.
 */
#include <string.h>

#include "cache_state.h"
#include "check.h"
#include "slice.h"
#include "tree.h"

static void
read_done(struct cache_core *c, uint16_t proc, struct cache_reads *reads)
{
	struct desc d = { .kind = DESC_READ_DONE, .b = (uintptr_t)reads };

	if (--reads->open[c->cfg.shard] == 0) {
		cache_core_answer(c, proc, c->proc[proc].inc, &d);
	}
}

/* Returns: whether it is at the store now. */
static bool
read_begin(struct cache_core *c, uint16_t proc, struct cache_reads *reads, struct cache_read *r)
{
	struct slice key = slice_of(r->key, r->key_len);
	struct kvs_act *act;
	struct cache_act *a;

	if (cache_work_find(c, r->hash, key) != NULL ||
	    cache_store_find(c->store, r->hash, key) != CACHE_ENTRY_NONE) {
		return false;
	}
	a = cache_act_open(c, r->hash, &act);
	if (a == NULL) {
		return false;
	}
	*act = (struct kvs_act){ .key = key };
	a->job = NULL;
	a->read = r;
	a->reads = reads;
	a->proc = proc;
	a->again = asked_before(&c->asked, r->hash);
	cache_act_put(c, r->hash);
	c->stats.read++;
	return true;
}

void
cache_read_start(struct cache_core *c, uint16_t proc, const struct desc *d)
{
	struct cache_reads *reads = (struct cache_reads *)(uintptr_t)d->b;
	uint32_t *open = &reads->open[c->cfg.shard];

	REQUIRE(reads->cnt <= CACHE_READ_CNT);
	*open = 1;
	for (uint32_t pass = 0; pass < 2; pass++) {
		for (uint32_t i = 0; i < reads->cnt; i++) {
			struct cache_read *r = &reads->read[i];

			if (r->version != 0 ||
			    cache_tile_of(r->hash, c->cfg.layout->shard_cnt) != c->cfg.shard) {
				continue;
			}
			if (pass == 0) {
				cache_store_prefetch(c->store, r->hash);
				asked_prefetch(&c->asked, r->hash);
			} else {
				*open += read_begin(c, proc, reads, r);
			}
		}
	}
	read_done(c, proc, reads);
}

void
cache_read_look(struct cache_act *a, struct slice stored)
{
	struct cache_read *r = a->read;

	if (slice_is_tree(stored) || stored.len > sizeof(r->value)) {
		a->again = true;
		return;
	}
	r->len = (uint8_t)stored.len;
	if (stored.len != 0) {
		memcpy(r->value, stored.p, stored.len);
	}
	r->state = CACHE_READ_VALUE;
}

/* Brings a key here for whoever comes next. Returns: whether it does. */
static bool
fetch_beside(struct cache_core *c, const struct cache_read *r)
{
	struct slice key = slice_of(r->key, r->key_len);

	if (c->work_free_cnt <= 2 * CACHE_RESERVE || cache_work_find(c, r->hash, key) != NULL ||
	    cache_store_find(c->store, r->hash, key) != CACHE_ENTRY_NONE) {
		return false;
	}
	(void)cache_work_get(c, r->hash, key, CACHE_RESERVE);
	return true;
}

bool
cache_read_over(struct cache_core *c, struct cache_act *a, int err, bool may)
{
	bool beside = err == 0 && a->again && may && fetch_beside(c, a->read);

	read_done(c, a->proc, a->reads);
	return beside;
}
