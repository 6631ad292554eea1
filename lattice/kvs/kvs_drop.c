/* SPDX-License-Identifier: Apache-2.0 */
/* kvs_drop - see kvs_drop.h
 *
 *   I1  A key is removed at its primary only while it is dead, nothing of it is owed, no cache
 *       has a copy, and all other owners are in `dying`.
 *   I2  A key in `dying` does not change: requests are MOVED to the primary, what others tell is
 *       taken later. So what was equal at ASK is equal at DO.
 *   I3  A value is settled at its primary only while it is the one that all were asked about, and
 *       on the conditions of I1.
 *       Of one that forgets some marks: the marks are there as they were asked about, and of
 *       these nothing is owed; what else of the value changed does not matter (kvs_forget.c).
 *   I4  Links keep order: DO comes before whatever the primary tells of the key's next life.
 *
 * Why that is enough. Suppose a write that is older than the tombstone arrives at some owner after
 * the drop. It came from an owner or from a cache. An owner owed nobody anything (it said so, after
 * which I2 holds). A cache makes a delta from its copy; a copy is marked in `held` of the owner
 * that gave it, which for caches is the primary, until the cache says that it has none; and a cache
 * with a delta that is not merged refuses.
 *
 * For the same reason no message is under way that knows more of a live key's value than the value
 * that all have: marks in it have nobody left to tell.
 *
 * Rejected: a time that all members have passed, as one number. It needs everybody to publish what
 * is the oldest thing he has under way, which one slow writer of some other key holds back for all;
 * and owners pass it at different moments, between which a first write at one of them meets a
 * tombstone at another and is lost.
 */
#include "kvs_drop.h"

#include <string.h>

#include "check.h"
#include "compiler.h"
#include "envelope.h"
#include "kvs_agree.h"
#include "lattice.h"
#include "microburst/error.h"
#include "settle.h"
#include "treeval.h"
#include "view.h"

#define LOOK_BYTES 512 /* of longer deltas the sweep finds it out */

static_assert(KVS_STEP_BYTES >= 2 * TREE_FLAT_MAX, "what is large is a tree at all owners");

void
kvs_drops_init(struct kvs_drops *ds, struct kvs_shard *shard, const struct kvs_changes *changes,
	       const struct timebase *timebase, uint64_t pause_ns, uint32_t writers_max,
	       const struct kvs_drop_ops *ops)
{
	*ds = (struct kvs_drops){
		.shard = shard,
		.changes = changes,
		.timebase = timebase,
		.pause_ns = pause_ns,
		.writers_max = writers_max,
		.ops = *ops,
		.due_ns = UINT64_MAX,
		.expiry_us = UINT64_MAX,
		.hush_bytes = KVS_HUSH_BYTES,
		.forget_bytes = KVS_STEP_BYTES,
	};
	kvs_hush_init(&ds->hush);
}

/* ---------------------------------------------------------------------- dead? */

enum life { ALIVE = 0, WILL_EXPIRE, DEAD };

static enum life
life_of(const struct kvs_drops *ds, const struct kvs_key *key, uint64_t wall_us,
	uint64_t *ret_expiry_us)
{
	struct envelope e;

	if (envelope_open(kvs_shard_value(ds->shard, key), &e) != 0) {
		return ALIVE;
	}
	if (!view_present(e.type, e.state) || envelope_expired(&e, hlc_time_of_us(wall_us))) {
		return DEAD;
	}
	if (e.expiry.deadline.v == 0) {
		return ALIVE;
	}
	*ret_expiry_us = hlc_time_us(e.expiry.deadline) + 1;
	return WILL_EXPIRE;
}

/* Of a key that is dead: nobody deleted it. */
static bool
has_expired(const struct kvs_drops *ds, const struct kvs_key *key)
{
	struct envelope e;

	return envelope_open(kvs_shard_value(ds->shard, key), &e) == 0 &&
	       view_present(e.type, e.state);
}

/* Has a turn be taken at at_ns, or before. */
static void
arm(struct kvs_drops *ds, uint64_t at_ns)
{
	ds->due_ns = MIN(ds->due_ns, at_ns);
}

static void
arm_settling(struct kvs_drops *ds, uint64_t now_ns)
{
	ds->later = true;
	arm(ds, now_ns + KVS_SETTLE_PAUSES * ds->pause_ns);
}

/* The same when a key expires. */
static void
arm_expiry(struct kvs_drops *ds, uint64_t wall_us, uint64_t now_ns)
{
	uint64_t left_us = ds->expiry_us > wall_us ? ds->expiry_us - wall_us : 0;

	if (ds->expiry_us != UINT64_MAX) {
		arm(ds, now_ns + MIN(left_us, (uint64_t)UINT32_MAX) * NS_PER_US + ds->pause_ns);
	}
}

/* Whether values of a type may get marks. */
static bool
has_marks(unsigned int type)
{
	const struct table_merge_ops *ops = lattice_table_ops(type);

	return ops != NULL && ops->present != NULL;
}

/* A collection lives on after a delta: did that remove something? Then it says what, and shows
 * nothing for it. */
static noinline void
look_marks(struct kvs_drops *ds, struct slice delta, uint64_t now_ns)
{
	uint8_t mem[LOOK_BYTES];
	struct wbuf out = wbuf_init(mem, sizeof(mem));

	if (delta.len > sizeof(mem) ||
	    settle_items(delta, (struct hlc_time){ UINT64_MAX }, &out) == LATTICE_MIXED) {
		arm_settling(ds, now_ns);
	}
}

void
kvs_drop_look(struct kvs_drops *ds, const struct kvs_key *key, struct slice delta, uint64_t now_ns)
{
	uint64_t wall_us, at_us;
	unsigned int type;
	struct slice state;
	struct envelope e;

	ds->forget.over_all &= ds->forget.key != key;
	if (likely(envelope_plain(kvs_shard_value(ds->shard, key), &type, &state))) {
		if (likely(view_present(type, state))) {
			if (unlikely(has_marks(type))) {
				look_marks(ds, delta, now_ns);
			}
			return;
		}
	} else if (envelope_open(kvs_shard_value(ds->shard, key), &e) == 0 &&
		   e.expiry.deadline.v == 0 && view_present(e.type, e.state)) {
		if (has_marks(e.type)) {
			look_marks(ds, delta, now_ns);
		}
		return;
	}
	wall_us = timebase_wall_us(ds->timebase);
	ds->again = true;
	if (life_of(ds, key, wall_us, &at_us) == WILL_EXPIRE) {
		ds->expiry_us = MIN(ds->expiry_us, at_us);
		arm_expiry(ds, wall_us, now_ns);
	} else {
		arm(ds, now_ns + ds->pause_ns);
	}
}

void
kvs_drop_remove(struct kvs_drops *ds, struct kvs_key *key)
{
	REQUIRE(ds->hush.key != key);    /* its name is lent */
	REQUIRE(ds->compare.key != key); /* it is dying */
	if (ds->forget.key == key) {
		kvs_forget_end(&ds->forget, true);
	}
	if (ds->forget.rest == key) {
		ds->forget.rest = NULL;
	}
	if (ds->cursor == key) {
		ds->cursor = kvs_shard_next(ds->shard, key);
	}
	ds->ops.removed(ds->ops.ctx, key);
	kvs_shard_remove(ds->shard, key);
}

/* ------------------------------------------------------------------- as primary */

static void
finish(struct kvs_drops *ds, struct kvs_drop *dr, enum kvs_drop_step step)
{
	struct desc d = { .kind = DESC_KVS_DROP, .sub = (uint8_t)step };

	for (uint64_t left = dr->tiles; left != 0; left &= left - 1) {
		uint32_t tile = (uint32_t)__builtin_ctzll(left);

		d.word[0] = dr->token[tile];
		d.word[1] = dr->ready[tile];
		ds->ops.send(ds->ops.ctx, tile, &d);
	}
	kvs_shard_unpin(ds->shard, dr->value);
	dr->key->dying = 0;
}

/* Nothing happened, or will, to a key's value, or to the marks that are to go, while and since
 * everybody was asked: keeps I1 and I3. What it becomes is in dr->settled then. */
static bool
agreed(struct kvs_drops *ds, struct kvs_drop *dr)
{
	struct kvs_key *key = dr->key;
	uint64_t at_us;

	if (dr->refused || key->held != 0) {
		return false;
	}
	switch (dr->what) {
	case KVS_DROP_FORGETS:
		return kvs_forget_make(ds->shard, ds->changes, key, kvs_value_slice(dr->value),
				       ds->forget.at, &dr->settled) == 0;
	case KVS_DROP_SETTLES: /* a pinned value is not overwritten */
		return !key->changing && kvs_at(ds->shard->base, key->value) == (void *)dr->value;
	default:
		return !key->changing &&
		       life_of(ds, key, timebase_wall_us(ds->timebase), &at_us) == DEAD;
	}
}

static void
keep(struct kvs_drops *ds, const struct kvs_drop *dr, uint64_t now_ns)
{
	ds->stats.kept++;
	if (dr->settled != NULL) {
		kvs_shard_value_free(ds->shard, dr->settled);
	}
	if (dr->what != KVS_DROP_GOES) {
		arm_settling(ds, now_ns);
	} else {
		ds->again = true;
		arm(ds, now_ns + ds->pause_ns);
	}
}

/* GETs that have waited for a key are done. */
static void
hush_release(struct kvs_drops *ds)
{
	struct kvs_hush_wait wait[KVS_CACHE_MAX];
	uint32_t cnt = kvs_hush_release(&ds->hush, wait);

	for (uint32_t i = 0; i < cnt; i++) {
		ds->ops.get(ds->ops.ctx, wait[i].from, &wait[i].d);
	}
}

/* A key's settling came to its end, if it was that of the one that is hushed; who has waited for it
 * still does. Returns: whether it was. */
static bool
hush_end(struct kvs_drops *ds, const struct kvs_key *key)
{
	if (ds->hush.key != key || !ds->hush.working) {
		return false;
	}
	ds->hush.key = NULL;
	return true;
}

/* Marks of a large value were forgotten, or not. Who waits for a key that is hushed does so for as
 * long as that goes on. */
static void
round_over(struct kvs_drops *ds, const struct kvs_key *key, bool forgotten, uint64_t now_ns)
{
	ds->stats.marks += forgotten ? ds->forget.cnt : 0;
	kvs_forget_heard(&ds->forget, forgotten);
	if (forgotten && ds->hush.key == key) {
		kvs_hush_go_on(&ds->hush, now_ns);
	}
}

/* All have answered. */
static void
conclude(struct kvs_drops *ds, struct kvs_drop *dr, uint64_t now_ns)
{
	struct kvs_key *key = dr->key;
	bool agree = agreed(ds, dr);
	bool hushed = dr->what != KVS_DROP_FORGETS && hush_end(ds, key);

	finish(ds, dr, agree ? KVS_DROP_DO : KVS_DROP_KEEP);
	if (!agree) {
		keep(ds, dr, now_ns);
	} else if (dr->what == KVS_DROP_GOES) {
		ds->stats.dropped++;
		ds->stats.expired += has_expired(ds, key);
		ds->gone_cnt++;
		kvs_drop_remove(ds, key);
	} else {
		ds->stats.settled += dr->what == KVS_DROP_SETTLES;
		kvs_shard_take(ds->shard, key, dr->settled);
	}
	if (dr->what == KVS_DROP_FORGETS) {
		round_over(ds, key, agree, now_ns);
	}
	dr->key = NULL;
	if (ds->busy_cnt-- == KVS_DROP_MAX && agree && ds->cursor != NULL) {
		arm(ds, now_ns); /* it may wait for this */
	}
	if (hushed) {
		hush_release(ds);
	}
}

static void
ask(struct kvs_drops *ds, struct kvs_key *key, enum kvs_drop_what what, struct kvs_value *settled,
    uint64_t listeners, uint64_t now_ns)
{
	struct kvs_drop *dr = ds->drop;
	struct desc d = { .kind = DESC_KVS_DROP, .sub = KVS_DROP_ASK, .a = what };

	while (dr->key != NULL) {
		dr++;
	}
	memset(dr, 0, sizeof(*dr));
	dr->key = key;
	dr->value = kvs_shard_pin_key(ds->shard, key);
	dr->what = what;
	dr->settled = settled;
	dr->asked = listeners;
	ds->busy_cnt++;
	key->dying = 1;
	d.b = (uint64_t)(dr - ds->drop);
	kvs_msg_set_bytes(&d, kvs_key_slice(key));
	kvs_msg_set_delta(&d, kvs_value_slice(dr->value));
	d.word[4] = ds->forget.at;
	for (uint64_t left = listeners; left != 0; left &= left - 1) {
		ds->ops.send(ds->ops.ctx, (uint32_t)__builtin_ctzll(left), &d);
	}
	if (listeners == 0) {
		conclude(ds, dr, now_ns);
	}
}

void
kvs_drop_answered(struct kvs_drops *ds, uint32_t listener, const struct desc *d, uint64_t now_ns)
{
	struct kvs_drop *dr = &ds->drop[d->b];

	if (d->sub == KVS_DROP_HUSH) {
		kvs_hush_answered(&ds->hush, listener, d->err);
		return;
	}
	REQUIRE(d->b < KVS_DROP_MAX);
	REQUIRE((dr->asked & kvs_listener_bit(listener)) != 0);
	dr->asked &= ~kvs_listener_bit(listener);
	dr->refused |= d->err != 0;
	if (d->err == 0 && listener < KVS_TILE_MAX) {
		dr->tiles |= kvs_listener_bit(listener);
		dr->token[listener] = d->word[0];
		dr->ready[listener] = d->word[1];
	} else if (d->err == 0) {
		dr->key->held &= (uint8_t) ~(1u << (listener - KVS_TILE_MAX));
	}
	if (dr->asked == 0) {
		conclude(ds, dr, now_ns);
	}
}

/* --------------------------------------------------------------- marks of a large one */

/* A pass is over. cut: before its end; then it is gone on with soon, if it came to anything. */
static void
forget_end(struct kvs_drops *ds, bool cut, uint64_t now_ns)
{
	struct kvs_forget *f = &ds->forget;
	struct kvs_key *key = f->key;

	kvs_forget_end(f, cut);
	ds->stats.settled += f->forgot;
	if (f->forgot && cut) {
		ds->hush_due_ns = now_ns;
		arm(ds, now_ns + ds->pause_ns);
	}
	if (!cut && f->over_all) { /* whoever looks again finds nothing */
		((struct kvs_value *)kvs_at(ds->shard->base, key->value))->settled = 1;
	} else {
		arm_settling(ds, now_ns);
	}
	if (hush_end(ds, key)) {
		hush_release(ds);
	}
}

/* Whether a round can be begun: no cache has a copy, there are marks in a tree, and it lives. */
static bool
forget_may(const struct kvs_drops *ds, struct kvs_key *key, uint64_t *ret_listeners)
{
	const struct kvs_value *value = kvs_at(ds->shard->base, key->value);
	uint64_t at_us;

	return key->held == 0 && !key->dying && value->tree != 0 &&
	       life_of(ds, key, timebase_wall_us(ds->timebase), &at_us) != DEAD &&
	       ds->ops.listeners(ds->ops.ctx, key, ret_listeners);
}

/* Goes on with a pass. Returns: whether there was anything to do. */
static bool
forget_turn(struct kvs_drops *ds, uint64_t now_ns)
{
	struct kvs_key *key = ds->forget.key;
	uint64_t listeners;
	int err;

	if (key == NULL || ds->forget.asking || ds->busy_cnt == KVS_DROP_MAX) {
		return false;
	}
	if (!forget_may(ds, key, &listeners)) {
		forget_end(ds, true, now_ns);
		return true;
	}
	err = kvs_forget_find(&ds->forget, ds->shard);
	if (err == 0) {
		ask(ds, key, KVS_DROP_FORGETS, NULL, listeners, now_ns);
	} else if (err == MB_ERR_NOT_FOUND) {
		forget_end(ds, false, now_ns);
	}
	return true;
}

/* ------------------------------------------------------------------- a busy key */

static void
hush(struct kvs_drops *ds, struct kvs_key *key, uint64_t caches, uint64_t now_ns)
{
	struct desc d = { .kind = DESC_KVS_DROP, .sub = KVS_DROP_HUSH, .a = 1 };

	kvs_hush_begin(&ds->hush, key, caches, now_ns);
	kvs_msg_set_bytes(&d, kvs_key_slice(key));
	for (uint64_t left = caches; left != 0; left &= left - 1) {
		ds->ops.send(ds->ops.ctx, (uint32_t)__builtin_ctzll(left), &d);
	}
}

/* No cache has anything of the key: it is settled, or goes; or not yet. */
static void
hushed_settle(struct kvs_drops *ds, struct kvs_key *key, uint64_t listeners, uint64_t now_ns)
{
	struct kvs_value *value = kvs_at(ds->shard->base, key->value), *settled = NULL;
	uint64_t at_us;
	enum life life = life_of(ds, key, timebase_wall_us(ds->timebase), &at_us);

	if (life != DEAD && kvs_forget_large(value, ds->forget_bytes)) {
		if (ds->forget.key == NULL) {
			ds->hush.working = true;
			kvs_forget_begin(&ds->forget, key);
		}
		return;
	}
	if (key->changing || key->dying || ds->busy_cnt == KVS_DROP_MAX) {
		return;
	}
	ds->hush.working = true;
	if (life == DEAD ||
	    (kvs_forget_small(ds->shard, key, ds->writers_max, &settled) == 0 && settled != NULL)) {
		ask(ds, key, settled != NULL ? KVS_DROP_SETTLES : KVS_DROP_GOES, settled, listeners,
		    now_ns);
	} else if (hush_end(ds, key)) {
		hush_release(ds);
	}
}

static void
hush_turn(struct kvs_drops *ds, uint64_t now_ns)
{
	struct kvs_hush *h = &ds->hush;
	uint64_t listeners;

	if (h->key == NULL) {
		return;
	}
	if (now_ns >= h->until_ns) {
		hush_release(ds);
	}
	if (h->asked != 0 || h->working) {
		return;
	}
	if (kvs_hush_quiet(h) && ds->ops.listeners(ds->ops.ctx, h->key, &listeners)) {
		hushed_settle(ds, h->key, listeners, now_ns);
		return;
	}
	h->key = NULL;
	hush_release(ds);
	arm_settling(ds, now_ns);
}

/* Whether a key is not asked about, but hushed, now or later. The sweep waits for the one that is
 * hushed: else one that is always worth it would take the turn of all behind it. */
static bool
visit_busy(struct kvs_drops *ds, struct kvs_key *key, uint64_t listeners, uint64_t now_ns)
{
	uint64_t caches = listeners & ~(kvs_listener_bit(KVS_TILE_MAX) - 1);

	if (key == ds->hush.key) {
		ds->later = true;
		return true;
	}
	if (!ds->hushes || caches == 0 || ds->forget.key == key ||
	    !kvs_hush_worth(kvs_at(ds->shard->base, key->value), ds->hush_bytes)) {
		return false;
	}
	if (ds->hush.key == NULL) {
		hush(ds, key, caches, now_ns);
	} else if (kvs_hush_ends(&ds->hush)) {
		ds->cursor = key;
	} else {
		ds->later = true;
	}
	return true;
}

/* Looks at a live key whose value is large. While caches have copies it waits for a sweep that
 * hushes: each round would have them fetched anew. */
static void
visit_large(struct kvs_drops *ds, struct kvs_key *key, struct kvs_value *value)
{
	if (!kvs_forget_worth(value)) {
		value->settled = 1;
	} else if (ds->forget.key != NULL || key->held != 0) {
		ds->later = true;
	} else {
		kvs_forget_begin(&ds->forget, key);
	}
}

/* Looks at one key of a sweep. Returns: as how many more it counts. */
static uint32_t
visit(struct kvs_drops *ds, struct kvs_key *key, uint64_t wall_us, uint64_t now_ns)
{
	struct kvs_value *value = kvs_at(ds->shard->base, key->value);
	struct kvs_value *settled = NULL;
	uint64_t at_us, listeners;
	enum life life = life_of(ds, key, wall_us, &at_us);
	bool large = life != DEAD && kvs_forget_large(value, ds->forget_bytes);

	if (life == WILL_EXPIRE) {
		ds->expiry_us = MIN(ds->expiry_us, at_us);
	}
	if ((life != DEAD && value->settled != 0) || key->dying ||
	    !ds->ops.listeners(ds->ops.ctx, key, &listeners)) {
		return 0; /* its primary sweeps too */
	}
	if (large && kvs_change_whole(ds->changes, key)) { /* something of each mark is owed */
		ds->later = true;
		return 0;
	}
	if (visit_busy(ds, key, listeners, now_ns)) {
		ds->again |= life == DEAD;
		return 0;
	}
	if (large) {
		visit_large(ds, key, value);
		return 0;
	}
	if (ds->busy_cnt == KVS_DROP_MAX) {
		ds->cursor = key; /* it waits for an answer: conclude */
		return 0;
	}
	if (key->changing) {
		ds->again |= life == DEAD;
		ds->later = true;
		return 0;
	}
	if (life == DEAD ||
	    (kvs_forget_small(ds->shard, key, ds->writers_max, &settled) == 0 && settled != NULL)) {
		ask(ds, key, settled != NULL ? KVS_DROP_SETTLES : KVS_DROP_GOES, settled, listeners,
		    now_ns);
	}
	return settled != NULL ? KVS_DROP_VISIT / 4 : life == DEAD ? 3 : 0;
}

bool
kvs_drops_turn(struct kvs_drops *ds, uint64_t now_ns)
{
	bool busy = kvs_agree_turn(ds);
	uint64_t wall_us;

	busy |= forget_turn(ds, now_ns);
	hush_turn(ds, now_ns);
	if (ds->due_ns > now_ns) {
		return busy;
	}
	wall_us = timebase_wall_us(ds->timebase);
	ds->due_ns = UINT64_MAX;
	if (ds->cursor == NULL) {
		ds->cursor = kvs_shard_first(ds->shard);
		ds->again = false;
		ds->later = false;
		ds->expiry_us = UINT64_MAX;
		ds->hushes = now_ns >= ds->hush_due_ns;
		if (ds->hushes) {
			ds->hush_due_ns = now_ns + KVS_SETTLE_PAUSES * ds->pause_ns;
		}
	}
	for (uint32_t i = 0; i < KVS_DROP_VISIT && ds->cursor != NULL; i++) {
		struct kvs_key *key = ds->cursor;

		ds->cursor = kvs_shard_next(ds->shard, key);
		i += visit(ds, key, wall_us, now_ns);
		if (ds->cursor == key) { /* it waits */
			break;
		}
	}
	if (ds->cursor != NULL) {
		arm(ds, now_ns + (ds->gone_cnt < KVS_DROP_MANY ? KVS_DROP_PERIOD_NS : 0));
	} else {
		if (ds->again) {
			arm(ds, now_ns + ds->pause_ns);
		}
		if (ds->later) {
			arm_settling(ds, now_ns);
		}
		arm_expiry(ds, wall_us, now_ns);
	}
	ds->gone_cnt = 0;
	return true;
}
