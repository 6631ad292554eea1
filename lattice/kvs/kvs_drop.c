/* SPDX-License-Identifier: Apache-2.0 */
/* kvs_drop - see kvs_drop.h
 *
 *   I1  A key is removed at its primary only while it is dead, nothing of it is owed, no cache
 *       has a copy, and all other owners are in `dying`.
 *   I2  A key in `dying` does not change: requests are MOVED to the primary, what others tell is
 *       taken later. So what was equal at ASK is equal at DO.
 *   I3  A value is settled at its primary only while it is the one that all were asked about, and
 *       on the conditions of I1.
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
#include "lattice.h"
#include "microburst/error.h"
#include "settle.h"
#include "treeval.h"
#include "view.h"

#define LOOK_BYTES 512 /* of longer deltas the sweep finds it out */

void
kvs_drops_init(struct kvs_drops *ds, struct kvs_shard *shard, const struct timebase *timebase,
	       uint64_t pause_ns, uint32_t writers_max, const struct kvs_drop_ops *ops)
{
	*ds = (struct kvs_drops){
		.shard = shard,
		.timebase = timebase,
		.pause_ns = pause_ns,
		.writers_max = writers_max,
		.ops = *ops,
		.due_ns = UINT64_MAX,
		.expiry_us = UINT64_MAX,
		.hush_bytes = KVS_HUSH_BYTES,
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

static void
key_remove(struct kvs_drops *ds, struct kvs_key *key)
{
	REQUIRE(ds->hush.key != key); /* its name is lent */
	if (ds->redo_key == key && ds->redo.value != NULL) {
		REQUIRE(!ds->redo_asked); /* it is dying */
		kvs_redo_end(&ds->redo, ds->shard);
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

/* Nothing happened, or will, to a key's value while and since everybody was asked. */
static bool
agreed(const struct kvs_drops *ds, const struct kvs_drop *dr)
{
	uint64_t at_us;

	if (dr->refused || dr->key->changing || dr->key->held != 0) {
		return false;
	}
	if (dr->settled != NULL) { /* keeps I3: a pinned value is not overwritten */
		return kvs_at(ds->shard->base, dr->key->value) == (void *)dr->value;
	}
	return life_of(ds, dr->key, timebase_wall_us(ds->timebase), &at_us) == DEAD;
}

static void
keep(struct kvs_drops *ds, const struct kvs_drop *dr, uint64_t now_ns)
{
	ds->stats.kept++;
	if (dr->settled != NULL) {
		kvs_shard_value_free(ds->shard, dr->settled);
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

/* All have answered: keeps I1. */
static void
conclude(struct kvs_drops *ds, struct kvs_drop *dr, uint64_t now_ns)
{
	struct kvs_key *key = dr->key;
	bool agree = agreed(ds, dr), hushed = hush_end(ds, key);

	finish(ds, dr, agree ? KVS_DROP_DO : KVS_DROP_KEEP);
	if (!agree) {
		keep(ds, dr, now_ns);
	} else if (dr->settled != NULL) {
		ds->stats.settled++;
		kvs_shard_take(ds->shard, key, dr->settled);
	} else {
		ds->stats.dropped++;
		key_remove(ds, key);
	}
	dr->key = NULL;
	ds->busy_cnt--;
	if (hushed) {
		hush_release(ds);
	}
}

static void
ask(struct kvs_drops *ds, struct kvs_key *key, struct kvs_value *settled, uint64_t listeners,
    uint64_t now_ns)
{
	struct kvs_drop *dr = ds->drop;
	struct desc d = { .kind = DESC_KVS_DROP, .sub = KVS_DROP_ASK, .a = settled != NULL };

	while (dr->key != NULL) {
		dr++;
	}
	memset(dr, 0, sizeof(*dr));
	dr->key = key;
	dr->value = kvs_shard_pin_key(ds->shard, key);
	dr->settled = settled;
	dr->asked = listeners;
	ds->busy_cnt++;
	key->dying = 1;
	d.b = (uint64_t)(dr - ds->drop);
	kvs_msg_set_bytes(&d, kvs_key_slice(key));
	kvs_msg_set_delta(&d, kvs_value_slice(dr->value));
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

/* Looks through a live key's large value, if that is worth it. */
static void
visit_large(struct kvs_drops *ds, struct kvs_key *key, struct kvs_value *value)
{
	if (!kvs_redo_worth(value)) {
		value->settled = 1;
	} else if (ds->redo.value != NULL) {
		ds->later = true;
	} else {
		kvs_redo_begin(&ds->redo, ds->shard, key, slice_of(NULL, 0), true);
		ds->redo_key = key;
		ds->redo_asked = false;
	}
}

/* As primary: the settled value of a key is made. If the key has the same value still, all others
 * are asked. */
static void
redo_ask(struct kvs_drops *ds, const struct kvs_value *of, struct kvs_value *settled,
	 uint64_t now_ns)
{
	struct kvs_key *key = ds->redo_key;
	uint64_t listeners;

	if (settled != NULL && kvs_at(ds->shard->base, key->value) == (const void *)of &&
	    !key->changing && !key->dying && ds->busy_cnt < KVS_DROP_MAX &&
	    ds->ops.listeners(ds->ops.ctx, key, &listeners)) {
		ask(ds, key, settled, listeners, now_ns);
		return;
	}
	if (settled != NULL) {
		kvs_shard_value_free(ds->shard, settled);
	}
	arm_settling(ds, now_ns);
	if (hush_end(ds, key)) {
		hush_release(ds);
	}
}

/* As another owner: it is known whether this tile agrees. */
static void
redo_answer(struct kvs_drops *ds, int err, struct kvs_value *settled)
{
	struct desc d = { .kind = DESC_KVS_DROPPED, .sub = ds->redo_ask.sub, .b = ds->redo_ask.b };

	if (err == 0 && ds->redo_ask.a != 0 && settled == NULL) {
		err = MB_ERR_TRYAGAIN;
	}
	if (err != 0) {
		ds->redo_key->dying = 0;
	}
	d.err = (int16_t)err;
	d.word[0] = (uintptr_t)ds->redo_key;
	d.word[1] = (uintptr_t)settled;
	ds->ops.send(ds->ops.ctx, ds->redo_tile, &d);
}

/* Goes on looking through a large value. Returns: whether there was one. */
static bool
redo_turn(struct kvs_drops *ds, uint64_t now_ns)
{
	struct kvs_value *of = ds->redo.value, *settled;
	int err;

	if (of == NULL) {
		return false;
	}
	err = kvs_redo_step(&ds->redo, ds->shard, &settled);
	if (err == MB_ERR_TRYAGAIN) {
		return true;
	}
	if (ds->redo_asked) {
		redo_answer(ds, err, settled);
	} else if (settled != NULL || err != 0) {
		redo_ask(ds, of, settled, now_ns);
	} else if (hush_end(ds, ds->redo_key)) { /* nothing may be forgotten */
		hush_release(ds);
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

	if (key->changing || key->dying || ds->busy_cnt == KVS_DROP_MAX) {
		return;
	}
	if (life != DEAD && kvs_redo_wanted(value)) {
		if (ds->redo.value != NULL) {
			return;
		}
		ds->hush.working = true;
		kvs_redo_begin(&ds->redo, ds->shard, key, slice_of(NULL, 0), true);
		ds->redo_key = key;
		ds->redo_asked = false;
		return;
	}
	ds->hush.working = true;
	if (life == DEAD || (kvs_shard_settled(ds->shard, key, ds->writers_max, &settled) == 0 &&
			     settled != NULL)) {
		ask(ds, key, settled, listeners, now_ns);
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
	if (!ds->hushes || caches == 0 || (ds->redo.value != NULL && ds->redo_key == key) ||
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

/* Looks at one key of a sweep. Returns: whether that was much work. */
static bool
visit(struct kvs_drops *ds, struct kvs_key *key, uint64_t wall_us, uint64_t now_ns)
{
	struct kvs_value *value = kvs_at(ds->shard->base, key->value);
	struct kvs_value *settled = NULL;
	uint64_t at_us, listeners;
	enum life life = life_of(ds, key, wall_us, &at_us);

	if (life == WILL_EXPIRE) {
		ds->expiry_us = MIN(ds->expiry_us, at_us);
	}
	if ((life != DEAD && value->settled != 0) || key->dying ||
	    !ds->ops.listeners(ds->ops.ctx, key, &listeners)) {
		return false; /* its primary sweeps too */
	}
	if (visit_busy(ds, key, listeners, now_ns)) {
		ds->again |= life == DEAD;
		return false;
	}
	if (key->changing || ds->busy_cnt == KVS_DROP_MAX) {
		ds->again |= life == DEAD;
		ds->later = true;
		return false;
	}
	if (life != DEAD && kvs_redo_wanted(value)) {
		visit_large(ds, key, value);
		return false;
	}
	if (life == DEAD || (kvs_shard_settled(ds->shard, key, ds->writers_max, &settled) == 0 &&
			     settled != NULL)) {
		ask(ds, key, settled, listeners, now_ns);
	}
	return settled != NULL;
}

bool
kvs_drops_turn(struct kvs_drops *ds, uint64_t now_ns)
{
	bool busy = redo_turn(ds, now_ns);
	uint64_t wall_us;

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
		if (visit(ds, key, wall_us, now_ns)) {
			i += KVS_DROP_VISIT / 4;
		}
		if (ds->cursor == key) { /* it waits */
			break;
		}
	}
	if (ds->cursor != NULL) {
		arm(ds, now_ns + KVS_DROP_PERIOD_NS);
	} else {
		if (ds->again) {
			arm(ds, now_ns + ds->pause_ns);
		}
		if (ds->later) {
			arm_settling(ds, now_ns);
		}
		arm_expiry(ds, wall_us, now_ns);
	}
	return true;
}

/* ---------------------------------------------------------------- as another owner */

/* Begins to look through a large value, and says later whether this tile agrees. Returns: false:
 * not now. */
static bool
agree_later(struct kvs_drops *ds, uint32_t tile, const struct desc *d, struct kvs_key *key)
{
	if (ds->redo.value != NULL) {
		return false;
	}
	key->dying = 1; /* keeps I2 */
	kvs_redo_begin(&ds->redo, ds->shard, key, kvs_msg_delta(d), d->a != 0);
	ds->redo_key = key;
	ds->redo_asked = true;
	ds->redo_tile = tile;
	ds->redo_ask = *d;
	return true;
}

static int
agree(const struct kvs_drops *ds, const struct desc *d, struct kvs_key *key,
      struct kvs_value **ret_settled)
{
	*ret_settled = NULL;
	if (!treeval_equal(kvs_shard_value(ds->shard, key), kvs_msg_delta(d))) {
		return MB_ERR_TRYAGAIN;
	}
	if (d->a != 0 && (kvs_shard_settled(ds->shard, key, ds->writers_max, ret_settled) != 0 ||
			  *ret_settled == NULL)) {
		return MB_ERR_TRYAGAIN;
	}
	key->dying = 1;
	return 0;
}

/* A copy of a hot key goes. */
static int
leave(struct kvs_drops *ds, struct kvs_key *key)
{
	if (key == NULL) {
		return 0;
	}
	if (key->changing || key->held != 0 || key->dying || ds->hush.key == key) {
		return MB_ERR_TRYAGAIN;
	}
	key_remove(ds, key);
	return 0;
}

/* DO or KEEP: both words are what agree gave. */
static void
obey(struct kvs_drops *ds, const struct desc *d)
{
	struct kvs_key *key = (struct kvs_key *)(uintptr_t)d->word[0];
	struct kvs_value *settled = (struct kvs_value *)(uintptr_t)d->word[1];

	REQUIRE(key->dying);
	key->dying = 0;
	if (d->sub == KVS_DROP_DO) {
		INSIST(!key->changing); /* keeps I2 */
		INSIST(key->held == 0);
		if (settled != NULL) {
			kvs_shard_take(ds->shard, key, settled);
		} else {
			key_remove(ds, key);
		}
	} else if (settled != NULL) {
		kvs_shard_value_free(ds->shard, settled);
	}
}

/* Whether nothing is under way of a key of which this tile was asked. */
static bool
is_quiet(const struct kvs_drops *ds, const struct kvs_key *key)
{
	return key != NULL && !key->changing && key->held == 0 && !key->dying &&
	       ds->hush.key != key;
}

bool
kvs_drop_asked(struct kvs_drops *ds, uint32_t tile, const struct desc *d, struct desc *ret)
{
	struct kvs_value *settled = NULL;
	struct kvs_key *key;

	if (d->sub == KVS_DROP_DO || d->sub == KVS_DROP_KEEP) {
		obey(ds, d);
		return false;
	}
	key = kvs_shard_find(ds->shard, kvs_msg_bytes(d));
	*ret = (struct desc){ .kind = DESC_KVS_DROPPED, .sub = d->sub, .b = d->b };
	if (d->sub == KVS_DROP_ASK) {
		ret->err = MB_ERR_TRYAGAIN;
		if (is_quiet(ds, key) && !kvs_redo_wanted(kvs_at(ds->shard->base, key->value))) {
			ret->err = (int16_t)agree(ds, d, key, &settled);
		} else if (is_quiet(ds, key) && agree_later(ds, tile, d, key)) {
			return false;
		}
		ret->word[0] = (uintptr_t)key;
		ret->word[1] = (uintptr_t)settled;
	} else {
		REQUIRE(d->sub == KVS_DROP_LEAVE, "step %u", d->sub);
		ret->err = (int16_t)leave(ds, key);
	}
	return true;
}
