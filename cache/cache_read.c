/* SPDX-License-Identifier: Apache-2.0 */
/* cache_read - values that are not here, shown once to an inner process (cache_msg.h, READ)
 *
 * A read is an act that changes nothing (cache_act.c): it costs a place in a list that goes to the
 * store and comes back, and no entry, no work, no copy. Who is asked for again while he is
 * remembered (asked.h) is kept here when he comes: the next one will find him in place.
 *
 *   I1  What is kept is what the store has told of and will tell of: with the look the store notes
 *       that this tile has a copy, and it is kept only if between the read and its answer nothing
 *       has touched the key here (cache_touched): no work began, so there was no entry but one
 *       that another read made; nothing was written in the store; no word came from there, which
 *       would have been of a newer value. Else the store will hear that there is no copy.
 *
 * A new entry costs a tenth of a read, but on a page of the index that was never used twenty times
 * that: the kernel makes it, some microseconds. So such pages are taken now and then only, one in
 * CACHE_PAGE_READS reads; some at once after a pause. Who is asked for often has his soon: a
 * value in place costs half of a read.
 *
 * What is here, or on its way, and what does not fit a read, is not shown: the asker looks for it
 * in the cache. A value that is too long is fetched meanwhile.
 */
#include <string.h>

#include "cache_state.h"
#include "check.h"
#include "delta.h"
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
	a->fetch = false;
	a->keeps = asked_before(&c->asked, r->hash);
	a->touched = *cache_touched(c, r->hash);
	act->keeps = a->keeps;
	cache_act_put(c, r->hash);
	c->stats.read++;
	c->page_credit = MIN(c->page_credit + 1, CACHE_PAGE_CREDIT);
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
		a->fetch = true;
		return;
	}
	r->len = (uint8_t)stored.len;
	if (stored.len != 0) {
		memcpy(r->value, stored.p, stored.len);
	}
	r->state = CACHE_READ_VALUE;
}

/* Brings a key here for whoever comes next, if there is room. */
static void
fetch_beside(struct cache_core *c, const struct cache_read *r)
{
	struct slice key = slice_of(r->key, r->key_len);

	if (c->work_free_cnt > 2 * CACHE_RESERVE && !cache_work_had_no_room(c, r->hash) &&
	    cache_work_find(c, r->hash, key) == NULL &&
	    cache_store_find(c->store, r->hash, key) == CACHE_ENTRY_NONE) {
		(void)cache_work_get(c, r->hash, key, CACHE_RESERVE);
	}
}

/* Whether an entry's page is there, or may be made now. */
static bool
page_may(struct cache_core *c, uint32_t entry)
{
	if (!cache_store_is_new(c->store, entry)) {
		return true;
	}
	if (c->page_credit < CACHE_PAGE_READS) {
		return false;
	}
	c->page_credit -= CACHE_PAGE_READS;
	return true;
}

/* Keeps I1. Where there is no room at once it is left. */
static void
keep(struct cache_core *c, const struct cache_read *r)
{
	struct slice key = slice_of(r->key, r->key_len), value = slice_of(r->value, r->len);
	uint32_t entry, tries = 0;
	bool absent;

	if (cache_store_find(c->store, r->hash, key) == CACHE_ENTRY_NONE &&
	    cache_store_place(c->store, r->hash, &entry) == 0 && page_may(c, entry)) {
		absent = !delta_present(value, hlc_time_of_us(timebase_wall_us(c->cfg.timebase)));
		(void)cache_store_show(c->store, entry, r->hash, key, value, absent, &tries);
	}
}

void
cache_read_over(struct cache_core *c, struct cache_act *a, int err)
{
	if (err == 0 && a->fetch) {
		fetch_beside(c, a->read);
	} else if (err == 0 && a->keeps && a->touched == *cache_touched(c, a->read->hash)) {
		keep(c, a->read);
	}
	read_done(c, a->proc, a->reads);
}
