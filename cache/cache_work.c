/* SPDX-License-Identifier: Apache-2.0 */
/* cache_work - a key at work: found, fetched, filled (cache_state.h has the states)
 *
 *   I1  A key has at most one work. So a fetch that is needed by many is made once, and what
 *       arrives for a key finds its work by the number that went out as the message's own word.
 *   I2  While a work is READY its entry is kept, so it is not evicted.
 *   I3  What a kvs tile lent is released once, when it is copied or given up.
 *
 * A value that is longer than all of the cache is not begun: nothing is evicted for it. Where there
 * is no room for one, those who may look at it in the store do (cache_lend.c).
 */
#include <string.h>

#include "cache_state.h"
#include "check.h"
#include "copy.h"
#include "hash.h"
#include "microburst/error.h"

/* For so long it is believed that there is no memory for a key. */
#define NO_ROOM_NS NS_PER_S

static struct cache_work **
table_head(struct cache_core *c, uint64_t hash)
{
	return &c->table[cache_home(hash) % CACHE_WORK_TABLE];
}

struct cache_work *
cache_work_find(struct cache_core *c, uint64_t hash, struct slice key)
{
	struct cache_work *w = *table_head(c, hash);

	while (w != NULL && (w->hash != hash || !slice_eq(cache_work_key(w), key))) {
		w = w->table_next;
	}
	return w;
}

static struct cache_work *
work_take(struct cache_core *c, uint64_t hash, struct slice key)
{
	struct cache_work *w = STAILQ_FIRST(&c->works_free), **head = table_head(c, hash);

	REQUIRE(key.len <= KEY_BYTES_MAX);
	STAILQ_REMOVE_HEAD(&c->works_free, next);
	c->work_free_cnt--;
	++*cache_touched(c, hash);
	w->state = CACHE_WORK_IDLE;
	w->hash = hash;
	w->use_cnt = 0;
	w->chain = NULL;
	w->hushed = false;
	w->crowded = false;
	w->flight_ack = 0;
	w->pending_ack = 0;
	w->lent = 0;
	w->copied = 0;
	w->grow.open = false;
	w->key_len = (uint16_t)key.len;
	memcpy(w->key, key.p, key.len);
	STAILQ_INIT(&w->jobs);
	STAILQ_INIT(&w->waits);
	STAILQ_INIT(&w->flight_acks);
	STAILQ_INIT(&w->pending_acks);
	w->table_next = *head;
	*head = w;
	return w;
}

static void
work_give(struct cache_core *c, struct cache_work *w)
{
	struct cache_work **at = table_head(c, w->hash);

	REQUIRE(w->use_cnt == 0);
	REQUIRE(w->chain == NULL);
	REQUIRE(!w->moving);
	REQUIRE(w->flight.kind == CACHE_DELTA_NONE);
	REQUIRE(w->pending.kind == CACHE_DELTA_NONE);
	while (*at != w) {
		at = &(*at)->table_next;
	}
	*at = w->table_next;
	w->state = CACHE_WORK_FREE;
	STAILQ_INSERT_HEAD(&c->works_free, w, next);
	c->work_free_cnt++;
}

uint32_t
cache_kvs_of(const struct cache_core *c, uint64_t hash)
{
	return hashring_primary(c->cfg.ring, c->cfg.member, hash);
}

void
cache_work_fetch(struct cache_core *c, struct cache_work *w)
{
	struct desc d = { .kind = DESC_KVS_GET, .b = (uint64_t)(w - c->work) };

	REQUIRE(w->state == CACHE_WORK_IDLE);
	w->state = CACHE_WORK_FETCH;
	w->front_seq = c->fronts.seq;
	c->stats.fetched++;
	cache_core_moving(c, &w->moving, true);
	kvs_msg_set_bytes(&d, cache_work_key(w));
	cache_core_to_kvs(c, cache_kvs_of(c, w->hash), &d);
}

struct cache_work *
cache_work_get(struct cache_core *c, uint64_t hash, struct slice key, uint32_t spare)
{
	struct cache_work *w = cache_work_find(c, hash, key);

	if (w == NULL) {
		if (c->work_free_cnt <= spare) {
			return NULL;
		}
		w = work_take(c, hash, key);
		w->entry = cache_store_find(c->store, hash, key);
		if (w->entry != CACHE_ENTRY_NONE) {
			w->state = CACHE_WORK_READY;
			cache_store_keep(c->store, w->entry);
		}
	} else if (w->state == CACHE_WORK_FETCH || w->state == CACHE_WORK_FILL) {
		/* Not counted: the one for whom it was fetched ahead. */
		c->stats.fetch_joined += w->use_cnt > 0 || !STAILQ_EMPTY(&w->waits);
	}
	if (w->state == CACHE_WORK_IDLE) {
		cache_work_fetch(c, w);
	}
	return w;
}

void
cache_work_settle(struct cache_core *c, struct cache_work *w)
{
	if (w->use_cnt != 0 || w->flight.kind != CACHE_DELTA_NONE ||
	    w->pending.kind != CACHE_DELTA_NONE) {
		return;
	}
	if (w->state == CACHE_WORK_READY) {
		cache_store_unkeep(c->store, w->entry);
		work_give(c, w);
	} else if (w->state == CACHE_WORK_IDLE) {
		work_give(c, w);
	}
}

/* ------------------------------------------------------------- at work in the store */

struct cache_work *
cache_work_act(struct cache_core *c, uint64_t hash, struct slice key)
{
	struct cache_work *w;

	if (c->work_free_cnt <= CACHE_RESERVE) {
		return NULL;
	}
	w = work_take(c, hash, key);
	w->entry = CACHE_ENTRY_NONE;
	w->state = CACHE_WORK_ACT;
	w->use_cnt = 1;
	return w;
}

void
cache_work_acted(struct cache_core *c, struct cache_work *w)
{
	REQUIRE(w->state == CACHE_WORK_ACT);
	w->state = CACHE_WORK_IDLE;
	w->use_cnt--;
	if (!STAILQ_EMPTY(&w->jobs) || !STAILQ_EMPTY(&w->waits)) {
		cache_work_fetch(c, w);
	} else {
		cache_work_settle(c, w);
	}
}

/* --------------------------------------------------------------------- filling */

static void
fetched(struct cache_core *c, const struct cache_wait *to, int err, bool present)
{
	struct desc d = {
		.kind = DESC_FETCHED,
		.sub = present ? CACHE_FOUND_PRESENT : CACHE_FOUND_ABSENT,
		.err = (int16_t)err,
		.call = to->call,
		.b = to->b,
	};

	cache_core_answer(c, to->proc, to->inc, &d);
}

/* Tells everybody who waits that the key is there, or that it could not be brought. */
static void
wake(struct cache_core *c, struct cache_work *w, int err)
{
	bool present = err == 0 && !cache_store_absent(c->store, w->entry);
	struct cache_wait *wait;
	struct cache_job *job;

	while ((wait = STAILQ_FIRST(&w->waits)) != NULL) {
		STAILQ_REMOVE_HEAD(&w->waits, next);
		fetched(c, wait, err, present);
		cache_wait_give(c, wait);
	}
	while ((job = STAILQ_FIRST(&w->jobs)) != NULL) {
		STAILQ_REMOVE_HEAD(&w->jobs, next);
		cache_job_wake(c, job, err);
	}
}

void
cache_work_unchain(struct cache_core *c, struct cache_work *w)
{
	struct cache_job *job;

	REQUIRE(w->state == CACHE_WORK_READY);
	w->chain = NULL;
	while ((job = STAILQ_FIRST(&w->jobs)) != NULL) {
		STAILQ_REMOVE_HEAD(&w->jobs, next);
		cache_job_wake(c, job, 0);
	}
}

/* Keeps I3. */
static void
from_release(struct cache_core *c, struct cache_work *w)
{
	struct desc d = { .kind = DESC_KVS_RELEASE };

	if (w->lent != 0) {
		d.word[2] = w->lent;
		w->lent = 0;
		cache_core_to_kvs(c, cache_kvs_of(c, w->hash), &d);
	}
}

void
cache_work_no_room(struct cache_core *c, const struct cache_work *w)
{
	struct cache_no_room *row = c->no_room[(w->hash >> 32) % CACHE_NO_ROOM_ROWS];
	uint32_t at = 0; /* its own place, or that of the oldest */

	for (uint32_t i = 1; i < CACHE_NO_ROOM_WAYS && row[at].hash != w->hash; i++) {
		at = row[i].hash == w->hash || row[i].until_ns < row[at].until_ns ? i : at;
	}
	row[at].hash = w->hash;
	row[at].until_ns = timebase_now_ns(c->cfg.timebase) + NO_ROOM_NS;
}

bool
cache_work_had_no_room(const struct cache_core *c, uint64_t hash)
{
	const struct cache_no_room *row = c->no_room[(hash >> 32) % CACHE_NO_ROOM_ROWS];

	for (uint32_t i = 0; i < CACHE_NO_ROOM_WAYS; i++) {
		if (row[i].hash == hash) {
			return timebase_now_ns(c->cfg.timebase) < row[i].until_ns;
		}
	}
	return false;
}

/* The key cannot be made resident. Who may look at it in the store does. */
static void
fill_over(struct cache_core *c, struct cache_work *w, int err)
{
	if (err == MB_ERR_NO_MEMORY || err == MB_ERR_TOO_LARGE) {
		cache_lend(c, w);
	}
	cache_store_free(c->store, &w->block);
	cache_grow_end(c, &w->grow);
	from_release(c, w);
	cache_core_moving(c, &w->moving, false);
	w->state = CACHE_WORK_IDLE;
	w->use_cnt++; /* until everybody heard of it */
	wake(c, w, err);
	w->use_cnt--;
	cache_work_settle(c, w);
}

static void
fill_fail(struct cache_core *c, struct cache_work *w, int err)
{
	if (err == MB_ERR_NO_MEMORY || err == MB_ERR_TOO_LARGE) {
		cache_work_no_room(c, w);
	}
	fill_over(c, w, err);
}

/* Takes memory for an envelope that does not fit an entry, and copies the next piece of it.
 * Returns: as cache_step, or an error. */
static int
fill_copy(struct cache_core *c, struct cache_work *w)
{
	size_t len;

	if (w->block.off == 0) {
		int err = cache_core_alloc(c, cache_block_bytes(w->key_len, w->from.len),
					   &w->patience, &w->block);

		if (err != 0) {
			return err == MB_ERR_TRYAGAIN ? (int)CACHE_STEP_AGAIN : err;
		}
		cache_core_moving(c, &w->moving, true);
	}
	len = MIN(w->from.len - w->copied, (size_t)CACHE_COPY_STEP);
	copy_part(cache_block_ptr(c->cfg.base, &w->block) + w->copied, w->from.p + w->copied, len,
		  w->from.len);
	w->copied += (uint32_t)len;
	return w->copied == w->from.len ? CACHE_STEP_DONE : CACHE_STEP_AGAIN;
}

/* Copies the next piece of a tree, and makes the block with its root after the last. Returns: as
 * fill_copy. */
static int
fill_tree(struct cache_core *c, struct cache_work *w)
{
	const struct tree_node *root = slice_tree(w->from)->root;
	struct envelope e;
	int err = 0;

	if (root->items_len + (uint64_t)root->cnt * TREE_ITEM_OVERHEAD >
	    c->cfg.layout->shard[c->cfg.shard].heap_bytes) {
		return MB_ERR_TOO_LARGE; /* before others go for it, in vain */
	}
	if (!w->grow.open) {
		err = envelope_open(w->from, &e);
		err = err != 0 ? err : cache_grow_begin(c, &w->grow, &e, false);
	}
	if (err == 0) {
		err = cache_grow_step(c, &w->grow, w->from, w->key_len, &w->patience, &w->block,
				      &w->block_len);
	}
	return err == MB_ERR_TRYAGAIN ? (int)CACHE_STEP_AGAIN : err;
}

int
cache_work_fill(struct cache_core *c, struct cache_work *w)
{
	struct slice key = cache_work_key(w);
	bool is_tree = slice_is_tree(w->from);
	bool in_entry = !is_tree && cache_envelope_inline(key.len, w->from.len);
	bool absent;

	REQUIRE(w->state == CACHE_WORK_FILL);
	if (is_tree ? w->block.off == 0
		    : !in_entry && (w->block.off == 0 || w->copied < w->from.len)) {
		int step = is_tree ? fill_tree(c, w) : fill_copy(c, w);

		if (step == CACHE_STEP_AGAIN && w->patience.since_ns != 0 && cache_lend_all(w)) {
			step = MB_ERR_NO_MEMORY; /* nobody needs to wait for some */
		}
		if (step < 0) {
			fill_fail(c, w, step);
			return CACHE_STEP_DONE;
		}
		if (step != CACHE_STEP_DONE) {
			return step;
		}
	}
	if (cache_store_place(c->store, w->hash, &w->entry) != 0) {
		return CACHE_STEP_AGAIN; /* its places are kept, by works that will end */
	}
	absent = !delta_present(w->from, hlc_time_of_us(timebase_wall_us(c->cfg.timebase)));
	if (in_entry) {
		int err = cache_store_show(c->store, w->entry, w->hash, key, w->from, absent,
					   &w->patience.tries);

		REQUIRE(err == 0); /* it takes no memory */
	} else {
		cache_store_show_block(c->store, w->entry, w->hash, key, &w->block,
				       is_tree ? w->block_len : w->from.len, absent);
	}
	from_release(c, w);
	cache_core_moving(c, &w->moving, false);
	w->state = CACHE_WORK_READY;
	cache_store_keep(c->store, w->entry);
	w->use_cnt++;
	wake(c, w, 0);
	w->use_cnt--;
	cache_work_settle(c, w);
	return CACHE_STEP_DONE;
}

void
cache_work_got(struct cache_core *c, const struct desc *d)
{
	struct cache_work *w = &c->work[d->b];

	REQUIRE(d->b < CACHE_WORK_MAX);
	REQUIRE(w->state == CACHE_WORK_FETCH);
	w->state = CACHE_WORK_FILL;
	w->copied = 0;
	w->from = kvs_msg_bytes(d);
	w->patience = (struct cache_patience){
		.is_long = cache_core_is_long(c, slice_is_tree(w->from)
							 ? slice_tree(w->from)->root->items_len
							 : w->from.len),
	};
	if ((d->flags & DESC_F_INLINE) != 0) {
		memcpy(w->got, d->data, sizeof(w->got));
		w->from.p = w->got;
	} else {
		w->lent = d->word[2];
	}
	cache_core_moving(c, &w->moving, false); /* until it has its memory */
	if (cache_work_had_no_room(c, w->hash) && cache_lend_all(w)) {
		fill_over(c, w, MB_ERR_NO_MEMORY);
	} else if (cache_work_fill(c, w) == CACHE_STEP_AGAIN) {
		STAILQ_INSERT_TAIL(&c->works_fill, w, next);
	}
}

/* ---------------------------------------------------------------------- FETCH */

/* Copies the key of a request. Returns: its length, or an error. */
static int
key_copy(struct cache_core *c, const struct desc *d, uint8_t key[KEY_BYTES_MAX])
{
	const uint8_t *p = d->data;
	uint32_t len = d->len;
	int err;

	if ((d->flags & DESC_F_INLINE) == 0) {
		len = d->ref.len;
		if (len > KEY_BYTES_MAX) {
			return MB_ERR_TOO_LARGE;
		}
		err = c->cfg.ops.view(c->cfg.ops.ctx, &d->ref, &p);
		if (err != 0) {
			return MB_ERR_INVALID;
		}
	}
	if (len == 0) {
		return MB_ERR_INVALID;
	}
	memcpy(key, p, len);
	return (int)len;
}

void
cache_work_fetch_req(struct cache_core *c, uint16_t proc, const struct desc *d)
{
	struct cache_wait asker = { .proc = proc,
				    .inc = c->proc[proc].inc,
				    .borrows = d->sub != 0 && c->proc[proc].inner,
				    .call = d->call,
				    .b = d->b };
	uint8_t key_mem[KEY_BYTES_MAX];
	int len = key_copy(c, d, key_mem);
	struct cache_work *w;
	struct cache_wait *wait;
	struct slice key;
	uint32_t entry;
	uint64_t hash;

	if (len < 0) {
		fetched(c, &asker, len, false);
		return;
	}
	key = slice_of(key_mem, (size_t)len);
	hash = hash_bytes(key.p, key.len);
	if (cache_tile_of(hash, c->cfg.layout->shard_cnt) != c->cfg.shard) {
		fetched(c, &asker, MB_ERR_INVALID, false); /* it asked the wrong tile */
		return;
	}
	entry = cache_store_find(c->store, hash, key);
	if (entry != CACHE_ENTRY_NONE) {
		c->stats.fetch_hit++;
		fetched(c, &asker, 0, !cache_store_absent(c->store, entry));
		return;
	}
	w = cache_work_get(c, hash, key, 0);
	REQUIRE(w != NULL); /* cache_core_room */
	wait = cache_wait_take(c);
	*wait = asker;
	STAILQ_INSERT_TAIL(&w->waits, wait, next);
}
