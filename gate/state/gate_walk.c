/* SPDX-License-Identifier: Apache-2.0 */
/* gate_walk - see gate_walk.h */
#include "gate_walk.h"

#include <string.h>

#include <microburst/error.h>

#include "gate_memory.h"
#include "lattice.h"
#include "view.h"

static int
look(struct gate *g, struct gate_conn *c, struct slice key, unsigned int type,
     struct cache_value *ret)
{
	return type == GATE_WALK_ANY ? gate_look(g, c, key, ret)
				     : gate_look_as(g, c, key, type, ret);
}

/* Whether so many of its items are more than may be gone through at once. */
static bool
is_long(const struct cache_value *v, uint32_t most)
{
	struct table t;

	if (most == 0) {
		return true;
	}
	if (lattice_table_ops(v->type) == NULL) {
		return v->state.len > GATE_WALK_BYTES;
	}
	if (table_open(v->state, &t) != 0 || t.cnt == 0) {
		return false;
	}
	most = MIN(most, t.cnt);
	return most > GATE_WALK_SHORT || table_bytes(&t) / t.cnt * most > GATE_WALK_SHORT_BYTES;
}

bool
gate_walk_reader(const struct gate *g, struct gate_conn *c)
{
	bool full = c->out.bytes > GATE_OUT_MAX &&
		    (c->walk == NULL || g->held_cnt <= GATE_WALK_SLOW_CNT);
	bool spare = heap_capacity_bytes(g->heap) - heap_used_bytes(g->heap) > GATE_WALK_SPARE;
	bool first = !gate_multi_runs(c) && !c->quiet &&
		     (full || (c->from.set && !spare && c->out.bytes > 0));

	c->out_full |= first;
	return first;
}

static void
begin(struct gate_walk *w, bool held)
{
	w->v.slot = CACHE_SLOT_NONE;
	w->held = held;
	w->begun = w->sorting = w->ready = w->taking = w->few = false;
	w->at = (struct table_walk){ 0 };
	w->idx = UINT32_MAX;
	w->all = w->cnt = w->reach = 0;
	w->order = (struct gate_order){ 0 };
}

/* The value of a long collection, which is looked up where it will stay. */
static int
hold(struct gate *g, struct gate_conn *c, struct slice key, unsigned int type)
{
	bool counts = g->counts_looks;
	struct gate_walk *w;
	int n;

	if (g->held_cnt >= GATE_WALK_HOLD_CNT) { /* of which some are over soon */
		gate_conn_starve(g, c);
		return CACHE_MISS;
	}
	w = gate_memory_take(g, c, sizeof(*w), 0);
	if (w == NULL) {
		return MB_ERR_NO_MEMORY;
	}
	begin(w, true);
	c->walk = w;
	g->held_cnt++;
	g->counts_looks = false; /* it was looked at */
	n = key.p != NULL ? look(g, c, key, type, &w->v) : (int)CACHE_HIT;
	g->counts_looks = counts;
	if (n != CACHE_HIT) { /* it went just now */
		gate_walk_drop(g, c);
	}
	return n;
}

/* A turn of c->walk begins. Returns: as gate_walk_open. */
static int
turn(struct gate *g, struct gate_conn *c)
{
	if (gate_walk_reader(g, c)) {
		return CACHE_MISS;
	}
	c->walk->out_bytes = c->out.bytes;
	return CACHE_HIT;
}

int
gate_walk_open(struct gate *g, struct gate_conn *c, struct slice key, unsigned int type,
	       uint32_t most, struct gate_walk *now, struct gate_walk **ret)
{
	int n;

	*ret = now;
	if (c->walk == NULL) {
		begin(now, false);
		n = look(g, c, key, type, &now->v);
		if (n != CACHE_HIT || !is_long(&now->v, most)) {
			return n;
		}
		gate_look_end(g, &now->v);
		n = hold(g, c, key, type);
		if (n != CACHE_HIT) {
			return n;
		}
	}
	*ret = c->walk;
	return turn(g, c);
}

int
gate_walk_list(struct gate *g, struct gate_conn *c, struct gate_walk *now, struct gate_walk **ret)
{
	int n;

	*ret = now;
	if (c->walk == NULL) {
		begin(now, false);
		if (c->keep_len <= GATE_WALK_SHORT_BYTES / 4) {
			return CACHE_HIT;
		}
		n = hold(g, c, slice_of(NULL, 0), GATE_WALK_ANY);
		if (n != CACHE_HIT) {
			return n;
		}
	}
	*ret = c->walk;
	return turn(g, c);
}

int
gate_walk_part(struct gate *g, struct gate_conn *c, struct slice key, unsigned int type,
	       struct gate_walk *now, struct gate_walk **ret)
{
	int n;

	if (c->cut) {
		begin(now, false);
		*ret = now;
		return gate_look_part(g, c, key, type, &now->v);
	}
	n = gate_walk_open(g, c, key, type, UINT32_MAX, now, ret);
	return c->part > 0 && n < 0 && n != MB_ERR_FULL ? (int)CACHE_ABSENT : n;
}

int
gate_walk_text(struct gate *g, struct gate_conn *c, struct slice key, size_t bytes,
	       struct gate_walk *now, struct gate_walk **ret, char buf[], struct slice *ret_text)
{
	uint32_t most = bytes > GATE_WALK_BYTES ? 0 : UINT32_MAX;
	int n = gate_walk_open(g, c, key, GATE_WALK_ANY, most, now, ret), err;

	if (n != CACHE_HIT) {
		return n;
	}
	err = view_text((*ret)->v.type, (*ret)->v.state, buf, ret_text);
	if (err != 0) {
		gate_walk_close(g, c, *ret);
		return err == MB_ERR_NOT_FOUND ? (int)CACHE_ABSENT : err;
	}
	return n;
}

size_t
gate_walk_bytes(struct gate *g, size_t left)
{
	left = MIN(left, (size_t)GATE_WALK_BYTES);
	g->turn_left -= (int32_t)(left / GATE_WALK_BYTES_ITEM);
	return left;
}

int
gate_walk_keep(struct gate *g, struct gate_conn *c, struct gate_walk *w, struct slice text,
	       size_t len)
{
	size_t at, cnt, of_text;

	if (w->held && gate_walk_first(w)) {
		c->step = 0; /* it is another value than that of the turns before */
	}
	at = c->step;
	c->keep_len = c->step;
	if (!gate_conn_keep(g, c, len)) {
		gate_walk_close(g, c, w);
		return MB_ERR_NO_MEMORY;
	}
	cnt = gate_walk_bytes(g, len - at);
	of_text = w->held && at < text.len ? MIN(cnt, text.len - at) : 0;
	if (of_text != 0) {
		memcpy(c->keep + at, text.p + at, of_text);
	}
	memset(c->keep + at + of_text, 0, cnt - of_text);
	c->step += (uint32_t)cnt;
	if (c->step < len) {
		return 0;
	}
	if (!w->held && text.len != 0) { /* as it is now: it may have changed from turn to turn */
		memcpy(c->keep, text.p, text.len);
	}
	c->step = c->keep_len = 0;
	return 1;
}

bool
gate_walk_over(const struct gate *g, const struct gate_conn *c, const struct gate_walk *w)
{
	return c->unfit || c->out.bytes - w->out_bytes > GATE_WALK_BYTES;
}

int
gate_walk_wait(struct gate *g, struct gate_conn *c)
{
	if (c->last && !gate_multi_runs(c)) { /* nobody will read the rest */
		return GATE_DONE;
	}
	return gate_turn_end(g, c);
}

int
gate_walk_words(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt,
		const struct gate_walk_words *how)
{
	struct gate_walk now, *w;
	int n = gate_walk_open(g, c, arg[1], how->type, arg_cnt, &now, &w);

	if (n != CACHE_HIT && n != CACHE_ABSENT) {
		return gate_look_refuse(g, c, n);
	}
	if (gate_walk_first(w)) {
		gate_array(g, c, arg_cnt - 2);
	}
	for (; c->step + 2 < arg_cnt; c->step++) {
		if (!gate_walk_more(g, c, w)) {
			return gate_walk_wait(g, c);
		}
		how->one(g, c, n == CACHE_HIT ? &w->v : NULL, arg[c->step + 2]);
	}
	return gate_walk_end(g, c, w);
}

void
gate_walk_drop(struct gate *g, struct gate_conn *c)
{
	gate_look_end(g, &c->walk->v);
	heap_free(g->heap, c->walk, sizeof(*c->walk));
	c->walk = NULL;
	g->held_cnt--;
}

void
gate_walk_close(struct gate *g, struct gate_conn *c, struct gate_walk *w)
{
	if (w->held) {
		gate_walk_drop(g, c);
	} else {
		gate_look_end(g, &w->v);
	}
}

int
gate_walk_end(struct gate *g, struct gate_conn *c, struct gate_walk *w)
{
	gate_walk_close(g, c, w);
	return GATE_DONE;
}
