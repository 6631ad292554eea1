/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_random - members of collections by chance: SPOP, SRANDMEMBER, HRANDFIELD, ZRANDMEMBER
 *
 * One walk over the collection takes each item with the chance that makes every choice equally
 * likely; so what is chosen comes in the order of the collection.
 */
#include <stdlib.h>
#include <string.h>

#include <microburst/error.h>

#include "check.h"
#include "cmd_zset.h"
#include "commands.h"
#include "lattice.h"
#include "map.h"
#include "view.h"

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

/* So many different items of all. */
static void
some_reply(struct gate *g, struct gate_conn *c, const struct cache_value *v, uint32_t all,
	   uint32_t cnt, enum shown shown)
{
	struct table_walk walk = { 0 };
	char buf[VIEW_TEXT_MAX];
	struct item item = { 0 };

	for (uint32_t left = all; cnt > 0 && left > 0; left--) {
		bool more = item_next(v, &walk, buf, &item);

		if (!more || rng_below(&g->rng, left) < cnt) {
			item_reply(g, c, &item, shown); /* damaged: the count must hold */
			cnt--;
		}
	}
}

static int
place_cmp(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

/* So many items, each of all. Returns: false: there is no memory. */
static bool
repeated_reply(struct gate *g, struct gate_conn *c, const struct cache_value *v, uint32_t all,
	       uint64_t cnt, enum shown shown)
{
	struct table_walk walk = { 0 };
	char buf[VIEW_TEXT_MAX];
	struct item item = { 0 };
	uint32_t *place, at = 0;

	if (cnt > UINT32_MAX / sizeof(*place) || !gate_conn_keep(g, c, cnt * sizeof(*place))) {
		return false;
	}
	place = (uint32_t *)(void *)c->keep;
	for (uint64_t i = 0; i < cnt; i++) {
		place[i] = (uint32_t)rng_below(&g->rng, all);
	}
	qsort(place, cnt, sizeof(*place), place_cmp);
	gate_array(g, c, cnt * (shown != SHOW_NAME && c->proto == 2 ? 2 : 1));
	for (uint64_t i = 0; i < cnt; i++) {
		for (; at <= place[i]; at++) {
			(void)item_next(v, &walk, buf, &item);
		}
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
	struct cache_value v;
	int64_t cnt = 1;
	uint32_t all;
	int n;

	if (arg_cnt > 2 && !gate_word_i64(arg[2], &cnt)) {
		return gate_error(g, c, "ERR value is not an integer or out of range");
	}
	if (cnt == INT64_MIN) {
		return gate_error(g, c, "ERR value is out of range");
	}
	if (arg_cnt > 4 || (arg_cnt == 4 && (with == NULL || !gate_word_is(arg[3], with)))) {
		return gate_error(g, c, "ERR syntax error");
	}
	if (arg_cnt == 4) {
		shown = type == LATTICE_OSET ? SHOW_SCORE : SHOW_VALUE;
	}
	n = gate_look_as(g, c, arg[1], type, &v);
	if (n != CACHE_HIT && n != CACHE_ABSENT) {
		return gate_look_refuse(g, c, n);
	}
	all = n == CACHE_HIT ? view_cnt(v.type, v.state) : 0;
	if (arg_cnt == 2) {
		if (all == 0) {
			gate_null(g, c);
		} else {
			some_reply(g, c, &v, all, 1, shown);
		}
	} else if (all == 0 || cnt >= 0) {
		cnt = MIN(cnt, (int64_t)all);
		cnt = MAX(cnt, 0);
		gate_array(g, c, (size_t)cnt * (shown != SHOW_NAME && c->proto == 2 ? 2 : 1));
		some_reply(g, c, &v, all, (uint32_t)cnt, shown);
	} else if (!repeated_reply(g, c, &v, all, (uint64_t)-cnt, shown)) {
		gate_error(g, c, "ERR value is out of range");
	}
	gate_look_end(g, &v);
	return GATE_DONE;
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

/* Takes up to most members, as many as fit one set; they are answered. */
static int
members_take(struct gate *g, struct gate_conn *c, struct slice key, const struct cache_value *v,
	     uint32_t most, uint32_t *ret_cnt)
{
	uint32_t all = view_cnt(v->type, v->state), cnt = 0;
	struct table_walk walk = { 0 };
	struct slice member;
	int err = 0;

	most = MIN(most, all);
	for (uint32_t left = all; err == 0 && cnt < most && left > 0; left--) {
		struct wset_op op = { .kind = WSET_SREM, .key = key };

		if (!view_set_next(v->type, v->state, &walk, &member)) {
			break;
		}
		if (rng_below(&g->rng, left) < most - cnt) {
			op.value = member;
			err = gate_held_op(g, c, &op, v->version, cnt);
			if (err == 0) {
				gate_bulk(g, c, member);
				cnt++;
			}
		}
	}
	*ret_cnt = cnt;
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
	if (arg_cnt == 3 && c->part == 0) {
		c->hole = gate_out_hole(g, c);
		c->quiet = true;
	}
	/* Parts of equally likely members make a whole of equally likely ones. (Not quite, if they
	 * are so long that a set has room for fewer than GATE_BATCH_OPS: the rest is drawn anew.)
	 */
	most = MIN(most - (int64_t)c->part, (int64_t)view_cnt(v.type, v.state));
	err = members_take(g, c, arg[1], &v, (uint32_t)MIN(most, GATE_BATCH_OPS), &cnt);
	gate_look_end(g, &v);
	if (arg_cnt == 3 && ((err == MB_ERR_FULL && cnt > 0) || (err == 0 && cnt < most))) {
		c->part_next = c->part + cnt;
	} else if (arg_cnt == 3 && err == 0) {
		hole_fill(g, c, (size_t)c->part + cnt);
	}
	if (err == 0 && cnt == 0) {
		return GATE_DONE;
	}
	return gate_held_end(g, c, err, cnt);
}
