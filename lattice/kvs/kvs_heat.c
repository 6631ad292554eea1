/* SPDX-License-Identifier: Apache-2.0 */
/* kvs_heat - see kvs_heat.h
 *
 * While a key is left by some nothing new is decided, and it is not dropped: so a tile is never
 * told to have and to forget a key at the same time.
 */
#include "kvs_heat.h"

#include "check.h"
#include "kvs_owner.h"

static struct kvs_leave *
leave_find(const struct kvs_core *c, const struct kvs_key *k)
{
	for (uint32_t i = 0; i < KVS_HOT_MAX; i++) {
		if (c->leave[i].key == k) {
			return (struct kvs_leave *)(uintptr_t)&c->leave[i];
		}
	}
	return NULL;
}

bool
kvs_heat_leaves(const struct kvs_core *c, const struct kvs_key *k)
{
	return leave_find(c, k) != NULL;
}

/* Asks those to leave that have been told all there is. */
static void
leave_turn(struct kvs_core *c)
{
	c->leave_ns = UINT64_MAX;
	for (uint32_t i = 0; i < KVS_HOT_MAX; i++) {
		struct kvs_leave *l = &c->leave[i];
		struct desc d = { .kind = DESC_KVS_DROP, .sub = KVS_DROP_LEAVE, .b = i };

		if (l->key == NULL || l->asked != 0) {
			continue;
		}
		if (l->key->changing) {
			c->leave_ns = c->now_ns + c->cfg.period_ns;
			continue;
		}
		kvs_msg_set_bytes(&d, kvs_key_slice(l->key));
		l->asked = l->left;
		for (uint64_t left = l->left; left != 0; left &= left - 1) {
			c->out.send_tile(c->out.ctx, (uint32_t)__builtin_ctzll(left), &d);
		}
	}
}

void
kvs_heat_left(struct kvs_core *c, uint32_t tile, const struct desc *d)
{
	struct kvs_leave *l = &c->leave[d->b];

	REQUIRE(d->b < KVS_HOT_MAX);
	REQUIRE((l->asked & kvs_listener_bit(tile)) != 0);
	l->asked &= ~kvs_listener_bit(tile);
	if (d->err == 0) {
		l->left &= ~kvs_listener_bit(tile);
	}
	if (l->left == 0) {
		l->key = NULL;
	} else if (l->asked == 0) {
		c->leave_ns = c->now_ns + c->cfg.period_ns;
	}
}

/* Does what was decided of a key. */
static void
heat(struct kvs_core *c, const struct kvs_hot_decision *d)
{
	uint64_t more = kvs_owner_set(c, d->hash, d->to_cnt);
	uint64_t fewer = kvs_owner_set(c, d->hash, d->from_cnt);
	struct slice none = { 0 };

	if (d->to_cnt > d->from_cnt) {
		d->key->hot = 1;
		kvs_change_note(&c->changes, d->key, more & ~fewer, none, true, c->now_ns);
	} else {
		struct kvs_leave *l = leave_find(c, NULL);

		REQUIRE(l != NULL);
		d->key->hot = 0;
		*l = (struct kvs_leave){ .key = d->key, .left = fewer & ~more };
		c->leave_ns = c->now_ns;
	}
	if (c->out.decided != NULL) {
		c->out.decided(c->out.ctx, d);
	}
}

static void
decide(struct kvs_core *c)
{
	struct kvs_hot_decision d[KVS_HOT_MAX];
	uint32_t cnt;

	for (uint32_t i = 0; i < KVS_HOT_MAX; i++) {
		if (c->leave[i].key != NULL) {
			return; /* what was decided last comes first */
		}
	}
	cnt = kvs_changes_room(&c->changes) < KVS_HOT_MAX ? 0 : kvs_hot_judge(&c->hot, d);
	for (uint32_t i = 0; i < cnt; i++) {
		heat(c, &d[i]);
	}
}

bool
kvs_heat_turn(struct kvs_core *c)
{
	if (c->cfg.tile_cnt == c->cfg.copies) {
		return false; /* every tile has every key */
	}
	if (kvs_hot_is_over(&c->hot)) {
		decide(c);
	}
	if (c->leave_ns > c->now_ns) {
		return false;
	}
	leave_turn(c);
	return true;
}
