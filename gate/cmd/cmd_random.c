/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_random - members of collections by chance: SPOP, SRANDMEMBER, HRANDFIELD, ZRANDMEMBER
 *
 * Few items are drawn by their places, which are found in O(log n); of many different ones each is
 * taken with the chance that makes every choice equally likely, on one walk over the collection.
 */
#include <stdlib.h>
#include <string.h>

#include <microburst/error.h>

#include "check.h"
#include "cmd_zset.h"
#include "commands.h"
#include "gate_walk.h"
#include "hash.h"
#include "lattice.h"
#include "map.h"
#include "view.h"

#define SPOP_TRIES 8 /* to draw a member that nobody takes */

/* What of an item is answered. */
enum shown { SHOW_NAME, SHOW_VALUE, SHOW_SCORE };

struct item {
	struct slice name, value;
	double score;
};

static bool
item_next(const struct cache_value *v, struct table_walk *walk, char buf[VIEW_TEXT_MAX],
	  struct item *ret)
{
	struct map_field f;
	struct slice value;
	unsigned int type;

	*ret = (struct item){ 0 };
	if (v->type == LATTICE_OSET) {
		return oset_next(v->state, walk, &ret->name, &ret->score);
	}
	if (v->type != LATTICE_MAP) {
		return view_set_next(v->type, v->state, walk, &ret->name);
	}
	if (!map_next(v->state, walk, &f)) {
		return false;
	}
	ret->name = f.key;
	if (!map_field_value(&f, &type, &value) || view_text(type, value, buf, &ret->value) != 0) {
		ret->value = slice_of("", 0); /* what cannot be shown is shown empty */
	}
	return true;
}

static void
item_reply(struct gate *g, struct gate_conn *c, const struct item *item, enum shown shown)
{
	if (shown != SHOW_NAME && c->proto == 3) {
		gate_array(g, c, 2);
	}
	gate_bulk(g, c, item->name);
	if (shown == SHOW_VALUE) {
		gate_bulk(g, c, item->value);
	} else if (shown == SHOW_SCORE) {
		gate_double(g, c, item->score);
	}
}

static int
place_cmp(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

#define PLACES_MAX 256

/* Draws so many different places of all, each choice as likely; they come in their order.
 * Requires: cnt <= PLACES_MAX, cnt <= all. */
static void
places_draw(struct gate *g, uint32_t all, uint32_t cnt, uint32_t place[PLACES_MAX])
{
	uint32_t have = 0;

	/* More than a half: each place is taken with the chance that it has. */
	for (uint32_t i = 0; cnt > all / 2 && have < cnt; i++) {
		if (rng_below(&g->rng, all - i) < cnt - have) {
			place[have++] = i;
		}
	}
	while (have < cnt) {
		uint32_t kept = 0;

		for (; have < cnt; have++) {
			place[have] = (uint32_t)rng_below(&g->rng, all);
		}
		qsort(place, cnt, sizeof(*place), place_cmp);
		for (uint32_t i = 0; i < cnt; i++) { /* those that came twice are drawn anew */
			if (kept == 0 || place[i] != place[kept - 1]) {
				place[kept++] = place[i];
			}
		}
		have = kept;
	}
}

static void
item_at(const struct cache_value *v, uint32_t place, char buf[VIEW_TEXT_MAX], struct item *ret)
{
	struct table_walk at;

	if (view_seek_at(v->type, v->state, place, &at) != 0 || !item_next(v, &at, buf, ret)) {
		*ret = (struct item){ 0 }; /* damaged: the count must hold */
	}
}

/* So many different items of all; c->step were passed, c->acc shown. Returns: false:
 * gate_walk_wait. */
static bool
some_reply(struct gate *g, struct gate_conn *c, struct gate_walk *w, uint32_t all, uint32_t cnt,
	   enum shown shown)
{
	uint32_t place[PLACES_MAX];
	char buf[VIEW_TEXT_MAX];
	struct item item = { 0 };

	if (cnt <= PLACES_MAX) {
		places_draw(g, all, cnt, place);
		g->turn_left -= (int32_t)cnt;
		for (uint32_t i = 0; i < cnt; i++) {
			item_at(&w->v, place[i], buf, &item);
			item_reply(g, c, &item, shown);
		}
		return true;
	}
	for (; c->acc < cnt && c->step < all; c->step++) {
		bool more;

		if (!gate_walk_more(g, c, w)) {
			return false;
		}
		more = item_next(&w->v, &w->at, buf, &item);
		if (!more || rng_below(&g->rng, all - c->step) < (uint64_t)(cnt - c->acc)) {
			item_reply(g, c, &item, shown); /* damaged: the count must hold */
			c->acc++;
		}
	}
	return true;
}

/* So many items, each of all. Returns: false: gate_walk_wait. */
static bool
repeated_reply(struct gate *g, struct gate_conn *c, struct gate_walk *w, uint32_t all, int64_t cnt,
	       enum shown shown)
{
	char buf[VIEW_TEXT_MAX];
	struct item item;

	for (; c->acc < cnt; c->acc++) {
		if (!gate_walk_more(g, c, w)) {
			return false;
		}
		item_at(&w->v, (uint32_t)rng_below(&g->rng, all), buf, &item);
		item_reply(g, c, &item, shown);
	}
	return true;
}

/* key [count [WITHVALUES | WITHSCORES]] */
static int
random_items(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt,
	     unsigned int type, const char *with)
{
	enum shown shown = SHOW_NAME;
	struct gate_walk now, *w;
	int64_t cnt = 1;
	uint32_t all, most;
	int n;

	if (arg_cnt > 3 && with == NULL) {
		return gate_error(g, c, "ERR syntax error");
	}
	if (arg_cnt > 2 && !gate_word_i64(arg[2], &cnt)) {
		return gate_error(g, c, "ERR value is not an integer or out of range");
	}
	if (cnt == INT64_MIN) {
		return gate_error(g, c,
				  "ERR value is out of range, value must between "
				  "-9223372036854775807 and 9223372036854775807");
	}
	if (arg_cnt > 4 || (arg_cnt == 4 && (with == NULL || !gate_word_is(arg[3], with)))) {
		return gate_error(g, c, "ERR syntax error");
	}
	if (arg_cnt == 4 && (cnt > INT64_MAX / 2 || cnt < -INT64_MAX / 2)) {
		return gate_error(g, c, "ERR value is out of range");
	}
	if (arg_cnt == 4) {
		shown = type == LATTICE_OSET ? SHOW_SCORE : SHOW_VALUE;
	}
	most = cnt < -PLACES_MAX ? 0 : cnt > PLACES_MAX ? UINT32_MAX : PLACES_MAX;
	n = gate_walk_open(g, c, arg[1], type, most, &now, &w);
	if (n != CACHE_HIT && n != CACHE_ABSENT) {
		return gate_look_refuse(g, c, n);
	}
	all = n == CACHE_HIT ? view_cnt(w->v.type, w->v.state) : 0;
	if (all != 0 && cnt < -(int64_t)(UINT32_MAX / 4)) { /* more than a reply has room for */
		gate_walk_close(g, c, w);
		return gate_error(g, c, "ERR value is out of range");
	}
	if (all == 0 || cnt > 0) {
		cnt = all == 0 ? 0 : MIN(cnt, (int64_t)all);
	}
	if (!gate_walk_first(w)) {
		/* its head is written */
	} else if (arg_cnt > 2) {
		gate_array(g, c,
			   (size_t)(cnt < 0 ? -cnt : cnt) *
				   (shown != SHOW_NAME && c->proto == 2 ? 2 : 1));
	} else if (all == 0) {
		gate_null(g, c);
	}
	return (cnt < 0 ? repeated_reply(g, c, w, all, -cnt, shown)
			: some_reply(g, c, w, all, (uint32_t)cnt, shown))
		       ? gate_walk_end(g, c, w)
		       : gate_walk_wait(g, c);
}

int
cmd_srandmember(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	return random_items(g, c, arg, arg_cnt, LATTICE_ORSET, NULL);
}

int
cmd_hrandfield(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	return random_items(g, c, arg, arg_cnt, LATTICE_MAP, "withvalues");
}

int
cmd_zrandmember(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	return random_items(g, c, arg, arg_cnt, LATTICE_OSET, "withscores");
}

/* ------------------------------------------------------------------------ SPOP */

static void
hole_fill(struct gate *g, struct gate_conn *c, size_t cnt)
{
	uint8_t head[RESP_ITEM_MAX];
	struct wbuf w = wbuf_init(head, sizeof(head));

	resp_put_set(&w, c->proto, cnt);
	gate_out_fill(g, c, c->hole, &w);
}

/* Takes so many members, or as many as fit one set; they are answered. */
static int
members_take(struct gate *g, struct gate_conn *c, struct slice key, const struct cache_value *v,
	     uint32_t most, uint32_t *ret_cnt)
{
	uint32_t cnt = 0, place[PLACES_MAX];
	char buf[VIEW_TEXT_MAX];
	struct item item;
	int err = 0;

	static_assert(GATE_BATCH_OPS <= PLACES_MAX, "a part is drawn at once");
	places_draw(g, view_cnt(v->type, v->state), most, place);
	for (; err == 0 && cnt < most; cnt += err == 0) {
		struct wset_op op = { .kind = WSET_SREM, .key = key };

		item_at(v, place[cnt], buf, &item);
		op.value = item.name;
		err = gate_held_op(g, c, &op, v->version, cnt);
		if (err == 0) {
			gate_bulk(g, c, item.name);
		}
	}
	*ret_cnt = cnt;
	return err;
}

/* Takes one, by chance, that nobody else takes; if there is none, one that somebody takes. */
static int
member_take(struct gate *g, struct gate_conn *c, struct slice key, const struct cache_value *v)
{
	struct wset_op op = { .kind = WSET_SREM, .key = key };
	uint64_t key_hash = hash_bytes(key.p, key.len);
	uint32_t all = view_cnt(v->type, v->state), tries = 0;
	char buf[VIEW_TEXT_MAX];
	struct item item;
	int err;

	do {
		item_at(v, (uint32_t)rng_below(&g->rng, all), buf, &item);
	} while (gate_pop_is_noted(g, key_hash, item.name) && tries++ < SPOP_TRIES);
	op.value = item.name;
	err = gate_pop_op(g, c, &op, CACHE_END_NONE, 0);
	if (err == 0) {
		gate_bulk(g, c, item.name);
	}
	return err;
}

int
cmd_spop(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	struct cache_value v;
	int64_t most = 1;
	uint32_t cnt = 0;
	int err, n;

	if (arg_cnt > 3) {
		return gate_error(g, c, "ERR syntax error");
	}
	if (arg_cnt == 3 && (!gate_word_i64(arg[2], &most) || most < 0)) {
		return gate_error(g, c, "ERR value is out of range, must be positive");
	}
	n = gate_look_part(g, c, arg[1], LATTICE_ORSET, &v);
	if (n != CACHE_HIT && n != CACHE_ABSENT) {
		return gate_look_refuse(g, c, n);
	}
	if (n == CACHE_ABSENT || most == 0) {
		gate_look_end(g, &v);
		if (c->part > 0) {
			hole_fill(g, c, c->part);
		} else if (arg_cnt == 3) {
			gate_set(g, c, 0);
		} else {
			gate_null(g, c);
		}
		return GATE_DONE;
	}
	gate_held_begin(c);
	if (arg_cnt == 2) {
		err = member_take(g, c, arg[1], &v);
		gate_look_end(g, &v);
		return gate_held_end(g, c, err, 0);
	}
	if (c->part == 0) {
		c->hole = gate_out_hole(g, c);
		c->quiet = true;
	}
	/* Parts of equally likely members make a whole of equally likely ones. (Not quite, if they
	 * are so long that a set has room for fewer than GATE_BATCH_OPS: the rest is drawn anew.)
	 */
	most = MIN(most - (int64_t)c->part, (int64_t)view_cnt(v.type, v.state));
	err = members_take(g, c, arg[1], &v, (uint32_t)MIN(most, GATE_BATCH_OPS), &cnt);
	gate_look_end(g, &v);
	if ((err == MB_ERR_FULL && cnt > 0) || (err == 0 && cnt < most)) {
		c->part_next = c->part + cnt;
	} else if (err == 0) {
		hole_fill(g, c, (size_t)c->part + cnt);
	}
	if (err == 0 && cnt == 0) {
		return GATE_DONE;
	}
	return gate_held_end(g, c, err, cnt);
}
