/* SPDX-License-Identifier: Apache-2.0 */
/* kvs_drop - see kvs_drop.h
 *
 *   I1  A key is removed at its primary only while it is dead, nothing of it is owed, no cache
 *       has a copy, and all other owners are in `dying`.
 *   I2  A key in `dying` does not change: requests are MOVED to the primary, what others tell is
 *       taken later. So what was equal at ASK is equal at DO.
 *   I3  Links keep order: DO comes before whatever the primary tells of the key's next life.
 *   I4  A value is settled at its primary only while it is the one that was asked about, and all
 *       other owners, in `dying`, have the same: so all make the same bytes of it.
 *
 * Why that is enough. Suppose a write that is older than the tombstone arrives at some owner after
 * the drop. It came from an owner or from a cache. An owner owed nobody anything (it said so, after
 * which I2 holds). A cache makes a delta from its copy; a copy is marked in `held` of the owner
 * that gave it, which for caches is the primary, until the cache says that it has none; and a cache
 * with a delta that is not merged refuses.
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

#define LOOK_BYTES 512 /* of longer deltas it is found out by the sweep */

void
kvs_drops_init(struct kvs_drops *ds, struct kvs_shard *shard, const struct timebase *timebase,
	       uint64_t pause_ns, const struct kvs_drop_ops *ops)
{
	*ds = (struct kvs_drops){
		.shard = shard,
		.timebase = timebase,
		.pause_ns = pause_ns,
		.ops = *ops,
		.due_ns = UINT64_MAX,
		.expiry_us = UINT64_MAX,
	};
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

/* The same when a key expires. */
static void
arm_expiry(struct kvs_drops *ds, uint64_t wall_us, uint64_t now_ns)
{
	uint64_t left_us = ds->expiry_us > wall_us ? ds->expiry_us - wall_us : 0;

	if (ds->expiry_us != UINT64_MAX) {
		arm(ds, now_ns + MIN(left_us, (uint64_t)UINT32_MAX) * NS_PER_US + ds->pause_ns);
	}
}

/* Whether a delta removes something: it says what, and shows nothing for it. */
static bool
brings_marks(struct slice delta)
{
	uint8_t mem[LOOK_BYTES];
	struct wbuf out = wbuf_init(mem, sizeof(mem));
	struct slice state;
	unsigned int type;
	struct envelope e;

	if (!envelope_plain(delta, &type, &state)) {
		type = envelope_open(delta, &e) == 0 ? e.type : LATTICE_ABSENT;
	}
	if (likely(!kvs_shard_settles(type))) {
		return false;
	}
	return delta.len > LOOK_BYTES ||
	       settle_items(delta, (struct hlc_time){ UINT64_MAX }, &out) == LATTICE_MIXED;
}

void
kvs_drop_look(struct kvs_drops *ds, struct kvs_key *key, struct slice delta, uint64_t now_ns)
{
	uint64_t wall_us, at_us;
	unsigned int type;
	struct slice state;
	struct envelope e;

	if (!key->marked && unlikely(brings_marks(delta))) {
		key->marked = 1;
		ds->again = true;
		arm(ds, now_ns + ds->pause_ns);
	}
	if (likely(envelope_plain(kvs_shard_value(ds->shard, key), &type, &state))) {
		if (likely(view_present(type, state))) {
			return;
		}
	} else if (envelope_open(kvs_shard_value(ds->shard, key), &e) == 0 &&
		   e.expiry.deadline.v == 0 && view_present(e.type, e.state)) {
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

	d.word[1] = dr->before.v;
	for (uint64_t left = dr->tiles; left != 0; left &= left - 1) {
		uint32_t tile = (uint32_t)__builtin_ctzll(left);

		d.word[0] = dr->token[tile];
		ds->ops.send(ds->ops.ctx, tile, &d);
	}
	kvs_shard_unpin(ds->shard, dr->value);
	dr->key->dying = 0;
}

/* Whether what all have agreed on is still so. */
static bool
still(struct kvs_drops *ds, const struct kvs_drop *dr)
{
	const struct kvs_key *key = dr->key;
	uint64_t at_us;

	if (dr->refused || key->changing || key->held != 0) {
		return false;
	}
	return dr->before.v != 0 ? kvs_shard_value(ds->shard, key).p == kvs_value_slice(dr->value).p
				 : life_of(ds, key, timebase_wall_us(ds->timebase), &at_us) == DEAD;
}

/* All have answered: keeps I1. */
static void
conclude(struct kvs_drops *ds, struct kvs_drop *dr, uint64_t now_ns)
{
	struct kvs_key *key = dr->key;

	if (!still(ds, dr)) {
		finish(ds, dr, KVS_DROP_KEEP);
		ds->stats.kept++;
		ds->again = true;
		arm(ds, now_ns + ds->pause_ns);
	} else if (dr->before.v != 0) {
		finish(ds, dr, KVS_DROP_SETTLE);
		kvs_shard_settle(ds->shard, key, dr->before);
		ds->stats.settled++;
	} else {
		finish(ds, dr, KVS_DROP_DO);
		ds->stats.dropped++;
		key_remove(ds, key);
	}
	dr->key = NULL;
	ds->busy_cnt--;
}

static void
ask(struct kvs_drops *ds, struct kvs_key *key, uint64_t listeners, struct hlc_time before,
    uint64_t now_ns)
{
	struct kvs_drop *dr = ds->drop;
	struct desc d = { .kind = DESC_KVS_DROP, .sub = KVS_DROP_ASK };

	while (dr->key != NULL) {
		dr++;
	}
	memset(dr, 0, sizeof(*dr));
	dr->key = key;
	dr->value = kvs_shard_pin_key(ds->shard, key);
	dr->asked = listeners;
	dr->before = before;
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

	REQUIRE(d->b < KVS_DROP_MAX);
	REQUIRE((dr->asked & kvs_listener_bit(listener)) != 0);
	dr->asked &= ~kvs_listener_bit(listener);
	dr->refused |= d->err != 0;
	if (d->err == 0 && listener < KVS_TILE_MAX) {
		dr->tiles |= kvs_listener_bit(listener);
		dr->token[listener] = d->word[0];
	} else if (d->err == 0) {
		dr->key->held &= (uint8_t) ~(1u << (listener - KVS_TILE_MAX));
	}
	if (dr->asked == 0) {
		conclude(ds, dr, now_ns);
	}
}

/* Asks about a key that is to go, or to be settled. */
static void
propose(struct kvs_drops *ds, struct kvs_key *key, struct hlc_time before, uint64_t now_ns)
{
	uint64_t listeners;

	if (key->dying || !ds->ops.listeners(ds->ops.ctx, key, &listeners)) {
		return; /* its primary sweeps too */
	}
	if (key->changing || ds->busy_cnt == KVS_DROP_MAX) {
		ds->again = true;
		return;
	}
	ask(ds, key, listeners, before, now_ns);
}

/* Looks at what was removed from a key that lives. */
static void
visit_marks(struct kvs_drops *ds, struct kvs_key *key, uint64_t wall_us, uint64_t now_ns)
{
	uint64_t pause_us = ds->pause_ns / NS_PER_US;
	struct hlc_time before = hlc_time_of_us(wall_us > pause_us ? wall_us - pause_us : 0);

	if (kvs_shard_marks(ds->shard, key, before) == LATTICE_MIXED) {
		propose(ds, key, before, now_ns);
	}
	/* Whoever is not its primary is told when it is done. */
	key->marked =
		kvs_shard_marks(ds->shard, key, (struct hlc_time){ UINT64_MAX }) == LATTICE_MIXED;
	ds->again |= key->marked;
}

/* Looks at one key of a sweep. */
static void
visit(struct kvs_drops *ds, struct kvs_key *key, uint64_t wall_us, uint64_t now_ns)
{
	uint64_t at_us;
	enum life life = life_of(ds, key, wall_us, &at_us);

	if (life == DEAD) {
		propose(ds, key, (struct hlc_time){ 0 }, now_ns);
		return;
	}
	if (life == WILL_EXPIRE) {
		ds->expiry_us = MIN(ds->expiry_us, at_us);
	}
	if (key->marked) {
		visit_marks(ds, key, wall_us, now_ns);
	}
}

bool
kvs_drops_turn(struct kvs_drops *ds, uint64_t now_ns)
{
	uint64_t wall_us;

	if (ds->due_ns > now_ns) {
		return false;
	}
	wall_us = timebase_wall_us(ds->timebase);
	ds->due_ns = UINT64_MAX;
	if (ds->cursor == NULL) {
		ds->cursor = kvs_shard_first(ds->shard);
		ds->again = false;
		ds->expiry_us = UINT64_MAX;
	}
	for (uint32_t i = 0; i < KVS_DROP_VISIT && ds->cursor != NULL; i++) {
		struct kvs_key *key = ds->cursor;

		ds->cursor = kvs_shard_next(ds->shard, key);
		visit(ds, key, wall_us, now_ns);
	}
	if (ds->cursor != NULL) {
		arm(ds, now_ns + KVS_DROP_PERIOD_NS);
	} else {
		if (ds->again) {
			arm(ds, now_ns + ds->pause_ns);
		}
		arm_expiry(ds, wall_us, now_ns);
	}
	return true;
}

/* ---------------------------------------------------------------- as another owner */

static int
agree(const struct kvs_drops *ds, const struct desc *d, struct kvs_key *key)
{
	if (key == NULL || key->changing || key->held != 0 ||
	    !treeval_equal(kvs_shard_value(ds->shard, key), kvs_msg_delta(d))) {
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
	if (key->changing || key->held != 0 || key->dying) {
		return MB_ERR_TRYAGAIN;
	}
	key_remove(ds, key);
	return 0;
}

/* DO, SETTLE or KEEP: the token is what agree gave. */
static void
obey(struct kvs_drops *ds, const struct desc *d)
{
	struct kvs_key *key = (struct kvs_key *)(uintptr_t)d->word[0];

	REQUIRE(key->dying);
	key->dying = 0;
	if (d->sub == KVS_DROP_SETTLE) {
		INSIST(!key->changing); /* keeps I2 */
		INSIST(key->held == 0);
		kvs_shard_settle(ds->shard, key, (struct hlc_time){ d->word[1] });
	} else if (d->sub == KVS_DROP_DO) {
		INSIST(!key->changing); /* keeps I2 */
		INSIST(key->held == 0);
		key_remove(ds, key);
	}
}

bool
kvs_drop_asked(struct kvs_drops *ds, const struct desc *d, struct desc *ret)
{
	struct kvs_key *key;

	if (d->sub == KVS_DROP_DO || d->sub == KVS_DROP_KEEP || d->sub == KVS_DROP_SETTLE) {
		obey(ds, d);
		return false;
	}
	key = kvs_shard_find(ds->shard, kvs_msg_bytes(d));
	*ret = (struct desc){ .kind = DESC_KVS_DROPPED, .sub = d->sub, .b = d->b };
	if (d->sub == KVS_DROP_ASK) {
		ret->err = (int16_t)agree(ds, d, key);
		ret->word[0] = (uintptr_t)key;
	} else {
		REQUIRE(d->sub == KVS_DROP_LEAVE, "step %u", d->sub);
		ret->err = (int16_t)leave(ds, key);
	}
	return true;
}
