/* SPDX-License-Identifier: Apache-2.0 */
/* kvs_agree - see kvs_agree.h. The invariants are those of kvs_drop.c. */
#include "kvs_agree.h"

#include "check.h"
#include "microburst/error.h"
#include "treeval.h"

#define COMPARE_ITEMS 512

/* Begins to compare a large value, and says later whether this tile agrees. Returns: false: not
 * now. */
static bool
agree_later(struct kvs_drops *ds, uint32_t tile, const struct desc *d, struct kvs_key *key)
{
	if (ds->compare.key != NULL) {
		return false;
	}
	key->dying = 1;
	ds->compare = (struct kvs_drop_compare){
		.key = key,
		.value = kvs_shard_pin_key(ds->shard, key),
		.tile = tile,
		.ask = *d,
	};
	return true;
}

static int
agree(struct kvs_drops *ds, const struct desc *d, struct kvs_key *key,
      struct kvs_value **ret_settled)
{
	*ret_settled = NULL;
	if (d->a == KVS_DROP_FORGETS) {
		return kvs_forget_make(ds->shard, ds->changes, key, kvs_msg_delta(d),
				       (uint32_t)d->word[4], ret_settled);
	}
	if (key->changing || !treeval_equal(kvs_shard_value(ds->shard, key), kvs_msg_delta(d))) {
		return MB_ERR_TRYAGAIN;
	}
	if (d->a == KVS_DROP_SETTLES &&
	    (kvs_forget_small(ds->shard, key, ds->writers_max, ret_settled) != 0 ||
	     *ret_settled == NULL)) {
		return MB_ERR_TRYAGAIN;
	}
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
	kvs_drop_remove(ds, key);
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
		INSIST(key->held == 0); /* keeps I2 */
		if (settled != NULL) {
			kvs_shard_take(ds->shard, key, settled);
		} else {
			kvs_drop_remove(ds, key);
		}
	} else if (settled != NULL) {
		kvs_shard_value_free(ds->shard, settled);
	}
}

/* Whether nothing is under way of a key of which this tile was asked, but for changes. */
static bool
is_quiet(const struct kvs_drops *ds, const struct kvs_key *key)
{
	return key != NULL && key->held == 0 && !key->dying && ds->hush.key != key;
}

bool
kvs_agree_asked(struct kvs_drops *ds, uint32_t tile, const struct desc *d, struct desc *ret)
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
		if (is_quiet(ds, key) && d->a == KVS_DROP_GOES &&
		    kvs_forget_large(kvs_at(ds->shard->base, key->value), ds->forget_bytes)) {
			if (!key->changing && agree_later(ds, tile, d, key)) {
				return false;
			}
		} else if (is_quiet(ds, key)) {
			ret->err = (int16_t)agree(ds, d, key, &settled);
			key->dying = ret->err == 0;
		}
		ret->word[0] = (uintptr_t)key;
		ret->word[1] = (uintptr_t)settled;
	} else {
		REQUIRE(d->sub == KVS_DROP_LEAVE, "step %u", d->sub);
		ret->err = (int16_t)leave(ds, key);
	}
	return true;
}

bool
kvs_agree_turn(struct kvs_drops *ds)
{
	struct kvs_drop_compare *c = &ds->compare;
	struct desc d = { .kind = DESC_KVS_DROPPED, .sub = c->ask.sub, .b = c->ask.b };
	enum treeval_same same;

	if (c->key == NULL) {
		return false;
	}
	same = treeval_compare(kvs_value_slice(c->value), kvs_msg_delta(&c->ask), &c->at,
			       COMPARE_ITEMS);
	if (same == TREEVAL_MORE) {
		return true;
	}
	kvs_shard_unpin(ds->shard, c->value);
	c->key->dying = same == TREEVAL_SAME;
	d.err = same == TREEVAL_SAME ? 0 : MB_ERR_TRYAGAIN;
	d.word[0] = (uintptr_t)c->key;
	c->key = NULL;
	ds->ops.send(ds->ops.ctx, c->tile, &d);
	return true;
}
