/* SPDX-License-Identifier: Apache-2.0 */
/* gate_walk - see gate_walk.h */
#include "gate_walk.h"

#include <microburst/error.h>

#include "lattice.h"

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

	if (lattice_table_ops(v->type) == NULL || table_open(v->state, &t) != 0 || t.cnt == 0) {
		return false;
	}
	most = MIN(most, t.cnt);
	return most > GATE_WALK_SHORT || table_bytes(&t) / t.cnt * most > GATE_WALK_SHORT_BYTES;
}

/* Whether its replies come first: there are many of them, or no memory for more. */
static bool
reader_first(struct gate *g, struct gate_conn *c)
{
	bool full = c->out.bytes > GATE_OUT_MAX && g->held_cnt <= GATE_WALK_SLOW_CNT;
	bool spare = heap_capacity_bytes(g->heap) - heap_used_bytes(g->heap) > GATE_WALK_SPARE;

	return !gate_multi_runs(c) && !c->quiet &&
	       (full || (c->partial && !spare && c->out.bytes > 0));
}

/* The value of a long collection, which is looked up where it will stay. */
static int
hold(struct gate *g, struct gate_conn *c, struct slice key, unsigned int type)
{
	struct gate_walk *w;
	int n;

	if (g->held_cnt >= GATE_WALK_HOLD_CNT) { /* of which some are over soon */
		gate_conn_starve(g, c);
		return CACHE_MISS;
	}
	w = heap_alloc(g->heap, sizeof(*w));
	if (w == NULL) {
		return MB_ERR_NO_MEMORY;
	}
	w->held = true;
	w->begun = false;
	w->at = (struct table_walk){ 0 };
	w->idx = UINT32_MAX;
	n = look(g, c, key, type, &w->v);
	if (n != CACHE_HIT) { /* it went just now */
		gate_look_end(g, &w->v);
		heap_free(g->heap, w, sizeof(*w));
		return n;
	}
	c->walk = w;
	g->held_cnt++;
	return n;
}

int
gate_walk_open(struct gate *g, struct gate_conn *c, struct slice key, unsigned int type,
	       uint32_t most, struct gate_walk *now, struct gate_walk **ret)
{
	int n;

	*ret = now;
	if (c->walk == NULL) {
		now->held = now->begun = false;
		now->at = (struct table_walk){ 0 };
		now->idx = UINT32_MAX;
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
	if (reader_first(g, c)) {
		c->out_full = true;
		return CACHE_MISS;
	}
	c->walk->out_bytes = c->out.bytes;
	return CACHE_HIT;
}

bool
gate_walk_over(const struct gate *g, const struct gate_conn *c, const struct gate_walk *w)
{
	return c->unfit || c->out.bytes - w->out_bytes > GATE_WALK_BYTES;
}

int
gate_walk_wait(struct gate *g, struct gate_conn *c)
{
	if (c->unfit || (c->last && !gate_multi_runs(c))) { /* nobody will read the rest */
		return GATE_DONE;
	}
	return gate_turn_end(g, c);
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
