/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_zpop - commands that take members off sorted sets
 *
 * A member is given to one client only: it is taken if the set is still the one that was looked at,
 * else the command looks again. Of a long set who takes some looks for many, and leaves the others
 * to those who come behind (gate_front.h): so many that pop do not keep each other looking,
 * nor do those who write further back. One of a set of up to SMALL that others write to is taken if
 * it is still the first one (or the last), whatever became of the others, and clients of this gate
 * take one each (gate_pop.h). Of a longer set the cache tile would look too long, so who waited for
 * a member of one looks again.
 */
#include <string.h>

#include <microburst/error.h>

#include "check.h"
#include "cmd_zset.h"
#include "commands.h"
#include "gate_block.h"
#include "gate_front.h"
#include "gate_loan.h"
#include "hash.h"
#include "lattice.h"
#include "view.h"

#define SHORT 128 /* members: less than a front is worth */
#define SMALL 512 /* looked at at once; 20 us for the cache tile */
#define TRIES 3   /* to take what is in a front of a set that others write to */

/* Who takes. */
struct taker {
	struct slice key;
	uint32_t most; /* so many, of those that are left to take */
	bool max;      /* the last ones */
	bool pairs;    /* how they are answered */
	bool waited;   /* for an item */
	/* what stands in its front (gate_front.h); NULL: look */
	struct gate_front *front;
	struct oset_entry entry;
};

/* What is passed over. */
struct noted {
	const struct gate *g;
	uint64_t key_hash;
};

static bool
not_noted(const void *arg, const struct oset_entry *e)
{
	const struct noted *n = arg;

	return !gate_pop_is_noted(n->g, n->key_hash, e->member);
}

static bool
takes_one(const struct gate_walk *w, const struct taker *t)
{
	return t->most == 1 && view_cnt(w->v.type, w->v.state) <= SMALL;
}

/* A transaction does not: who looks for it would not go on. */
static bool
takes_front(const struct gate_conn *c, const struct taker *t)
{
	return !t->waited && !gate_multi_runs(c) && !c->cut;
}

static bool
fills_front(const struct gate_conn *c, const struct gate_walk *w, const struct taker *t)
{
	return takes_front(c, t) &&
	       view_cnt(w->v.type, w->v.state) > (c->tries < TRIES ? SHORT : SMALL);
}

/* Looks the set up; its members are to be gone through unless t->front has one. Returns: as
 * gate_walk_part. */
static int
set_open(struct gate *g, struct gate_conn *c, struct taker *t, struct gate_walk *now,
	 struct gate_walk **ret)
{
	const uint64_t hash = hash_bytes(t->key.p, t->key.len);
	bool front = takes_front(c, t);
	int n;

	if (front && c->walk == NULL) {
		t->front = gate_front_next(&g->fronts, hash, t->max, &t->entry);
		if (t->front != NULL) {
			n = gate_look_part(g, c, t->key, LATTICE_OSET, &now->v);
			gate_look_end(g, &now->v);
			*now = (struct gate_walk){ .v.slot = CACHE_SLOT_NONE };
			*ret = now;
			return n;
		}
		if (gate_front_is_due(&g->fronts, hash, t->max, g->now_ns)) {
			gate_loans_end(g, &c->loans);
			gate_conn_starve(g, c); /* turns are for who looks */
			return CACHE_MISS;
		}
	}
	n = gate_walk_part(g, c, t->key, LATTICE_OSET, now, ret);
	if (n == CACHE_HIT && (*ret)->held && fills_front(c, *ret, t)) {
		gate_front_look(&g->fronts, hash, t->max, g->now_ns);
	}
	return n;
}

/* Of a long set: the first of many, which stay for others. */
static int
front_pick(struct gate *g, struct gate_conn *c, struct gate_walk *w, struct taker *t,
	   const struct oset_entry **ret)
{
	const struct gate_zset_pick p = {
		.span = rank_span_all(),
		.most = GATE_FRONT_MEMBERS,
		.last = t->max,
	};
	const uint64_t hash = hash_bytes(t->key.p, t->key.len);
	int rc = gate_zset_pick(g, c, w, &p, ret);
	uint32_t cnt = MIN(t->most, GATE_BATCH_OPS + 1U);

	if (rc == 0) {
		return rc;
	}
	gate_front_looked(&g->fronts, hash, t->max);
	if (rc != 1 || w->cnt == 0) {
		return rc;
	}
	if (gate_front_fill(&g->fronts, hash, t->max, w->v.version, *ret, w->cnt) != NULL) {
		t->front = gate_front_next(&g->fronts, hash, t->max, &t->entry);
	}
	cnt = MIN(cnt, w->cnt); /* else they are too long to stay, and of this version only */
	*ret += t->max ? w->cnt - cnt : 0;
	w->cnt = cnt;
	return rc;
}

/* The first (or last) members that a part may take, in the order of scores. Returns: as
 * gate_zset_pick. With w->cnt = 0: others are taking all that there are. */
static int
entries_pick(struct gate *g, struct gate_conn *c, struct gate_walk *w, struct taker *t,
	     const struct oset_entry **ret)
{
	const struct noted noted = { g, hash_bytes(t->key.p, t->key.len) };
	const uint32_t most = MIN(t->most, GATE_BATCH_OPS + 1U); /* one more than a part takes */
	struct gate_zset_pick p = {
		.want = takes_one(w, t) ? not_noted : NULL,
		.arg = &noted,
		.span = rank_span_all(),
		.most = most + 1, /* whether it leaves one */
		.last = t->max,
	};
	int rc;

	if (t->front != NULL) {
		*ret = &t->entry;
		w->cnt = 1;
		return 1;
	}
	if (fills_front(c, w, t)) {
		return front_pick(g, c, w, t, ret);
	}
	rc = gate_zset_pick(g, c, w, &p, ret);
	if (rc == 1 && w->cnt > most) {
		*ret += t->max ? w->cnt - most : 0;
		w->cnt = most;
	}
	return rc;
}

static void
entry_show(struct gate *g, struct gate_conn *c, const struct taker *t, const struct oset_entry *e)
{
	if (t->pairs) {
		gate_array(g, c, 2);
	}
	gate_bulk(g, c, e->member);
	gate_double(g, c, e->score);
}

/* Takes what stands in the front, as much as is wanted. Where that is not enough, the next part
 * looks again. */
static int
front_take(struct gate *g, struct gate_conn *c, struct taker *t, uint32_t *ret_cnt)
{
	const uint64_t hash = hash_bytes(t->key.p, t->key.len);
	struct gate_front *f = t->front;
	int err = 0;

	*ret_cnt = 0;
	while (err == 0 && *ret_cnt < t->most) {
		struct wset_op op = { .kind = WSET_ZREM, .key = t->key, .field = t->entry.member };

		err = gate_held_op(g, c, &op, 0, *ret_cnt);
		if (err != 0) {
			break;
		}
		gate_front_word(f, gate_word_last(g, c, t->key));
		entry_show(g, c, t, &t->entry);
		if (++*ret_cnt < t->most) {
			err = gate_front_next(&g->fronts, hash, t->max, &t->entry) == NULL
				      ? MB_ERR_FULL
				      : 0;
		}
	}
	if (*ret_cnt > 1) {
		gate_front_alone(f); /* keeps O5 */
	}
	return err;
}

/* Adds the operation that takes one, number cnt of its part. */
static int
entry_op(struct gate *g, struct gate_conn *c, const struct gate_walk *w, const struct taker *t,
	 const struct oset_entry *at, uint32_t cnt)
{
	struct wset_op op = { .kind = WSET_ZREM, .key = t->key, .field = at->member };

	if (!takes_one(w, t)) {
		return gate_held_op(g, c, &op, w->v.version, cnt);
	}
	memcpy(&op.n, &at->score, sizeof(op.n));
	return gate_pop_op(g, c, &op, t->max ? CACHE_END_LAST : CACHE_END_FIRST, cnt);
}

/* Takes them, as they are answered; c->total_next is how many. */
static int
entries_take(struct gate *g, struct gate_conn *c, struct gate_walk *w, struct taker *t,
	     const struct oset_entry *e)
{
	const bool front = t->front != NULL;
	uint32_t cnt = 0;
	int err = front ? front_take(g, c, t, &cnt) : 0;

	for (; !front && cnt < w->cnt; cnt++) {
		const struct oset_entry *at = &e[t->max ? w->cnt - 1 - cnt : cnt];

		err = entry_op(g, c, w, t, at, cnt);
		if (err != 0) {
			break;
		}
		entry_show(g, c, t, at);
	}
	gate_walk_close(g, c, w);
	c->total_next = cnt;
	return err;
}

/* What entries_pick said, if not 1; or there is none to take. */
static int
not_picked(struct gate *g, struct gate_conn *c, struct gate_walk *w, int rc)
{
	if (rc == 0) {
		return gate_walk_wait(g, c);
	}
	gate_walk_close(g, c, w);
	if (rc == 1) {
		gate_loans_end(g, &c->loans);
		return gate_turn_end(g, c); /* theirs fail, or there is none then */
	}
	gate_memory_unfit(c, SIZE_MAX); /* there is no memory, as for a reply */
	return GATE_DONE;
}

static int
zpop(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt, bool max)
{
	struct taker t = { .key = arg[1], .max = max, .pairs = c->proto == 3 && arg_cnt == 3 };
	const struct oset_entry *e;
	struct gate_walk now, *w;
	int64_t most = 1;
	uint32_t cnt;
	int err, n;

	if (arg_cnt > 3) {
		return gate_error(g, c, "ERR syntax error");
	}
	if (arg_cnt == 3 && (!gate_word_i64(arg[2], &most) || most < 0)) {
		return gate_error(g, c, "ERR value is out of range, must be positive");
	}
	t.most = (uint32_t)MIN(most - (int64_t)c->part, UINT32_MAX);
	n = set_open(g, c, &t, &now, &w);
	if (n != CACHE_HIT && n != CACHE_ABSENT) {
		return gate_look_refuse(g, c, n);
	}
	if (n == CACHE_ABSENT || most == 0) {
		gate_walk_close(g, c, w);
		if (c->part > 0) {
			gate_out_fill_array(g, c, c->hole, (t.pairs ? 1 : 2) * (size_t)c->part);
		} else {
			gate_array(g, c, 0);
		}
		return GATE_DONE;
	}
	n = entries_pick(g, c, w, &t, &e);
	if (n != 1 || w->cnt == 0) {
		return not_picked(g, c, w, n);
	}
	gate_held_begin(c);
	c->each = t.pairs ? 1 : 2;
	if (c->part == 0) {
		c->hole = gate_out_hole(g, c);
		c->quiet = true;
	}
	err = entries_take(g, c, w, &t, e);
	cnt = (uint32_t)c->total_next;
	if (err == MB_ERR_FULL && cnt > 0) {
		c->part_next = c->part + cnt;
	} else if (err == 0) {
		gate_out_fill_array(g, c, c->hole, (t.pairs ? 1 : 2) * (size_t)(c->part + cnt));
	}
	return gate_held_end(g, c, err, cnt);
}

int
cmd_zpopmin(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	return zpop(g, c, arg, arg_cnt, false);
}

int
cmd_zpopmax(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	return zpop(g, c, arg, arg_cnt, true);
}

static int
zpop_blocking(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt,
	      bool max)
{
	struct taker t = { .most = 1, .max = max, .waited = c->block_due_ns != 0 };
	const struct oset_entry *e;
	struct gate_walk now, *w;
	double timeout_s;
	bool one, left;
	int n, code;

	if (!gate_block_timeout(g, c, arg[arg_cnt - 1], &timeout_s)) {
		return GATE_DONE;
	}
	if (c->walk == NULL) { /* c->step: the key that is gone through */
		if (!gate_first(g, c, arg + 1, arg_cnt - 2, LATTICE_OSET, timeout_s, &now.v,
				&c->step, &code)) {
			return code;
		}
		gate_look_end(g, &now.v);
	}
	t.key = arg[1 + c->step];
	n = set_open(g, c, &t, &now, &w);
	if (n != CACHE_HIT) {
		return n == CACHE_ABSENT ? gate_turn_end(g, c) : gate_look_refuse(g, c, n);
	}
	n = entries_pick(g, c, w, &t, &e);
	if (n != 1 || w->cnt == 0) {
		return not_picked(g, c, w, n);
	}
	one = takes_one(w, &t);
	left = w->all > t.most; /* that nobody takes */
	gate_held_begin(c);
	gate_array(g, c, 3);
	gate_bulk(g, c, arg[1 + c->step]);
	n = entries_take(g, c, w, &t, e);
	n = gate_held_end(g, c, n, (uint32_t)c->total_next);
	return one ? gate_block_chosen(g, c, t.key, left, n) : n;
}

int
cmd_bzpopmin(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	return zpop_blocking(g, c, arg, arg_cnt, false);
}

int
cmd_bzpopmax(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	return zpop_blocking(g, c, arg, arg_cnt, true);
}

/* ------------------------------------------------------------------------ of several keys */

static int
zmpop(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt, uint32_t at,
      const struct slice *timeout)
{
	const struct oset_entry *e;
	struct taker t;
	struct gate_walk now, *w;
	struct gate_mpop m;
	uint32_t cnt;
	bool one, left;
	int err, code, n;

	if (!gate_mpop(g, c, arg, arg_cnt, at, "min", "max", LATTICE_OSET, timeout, &m, &code)) {
		return code;
	}
	gate_look_end(g, &m.value);
	t = (struct taker){
		.key = m.key,
		.most = m.most - c->part,
		.max = m.second,
		.pairs = true,
		.waited = c->block_due_ns != 0,
	};
	n = set_open(g, c, &t, &now, &w);
	if (n != CACHE_HIT) { /* it went just now: who is next? */
		return n == CACHE_ABSENT ? gate_turn_end(g, c) : gate_look_refuse(g, c, n);
	}
	n = entries_pick(g, c, w, &t, &e);
	if (n != 1 || w->cnt == 0) {
		return not_picked(g, c, w, n);
	}
	one = takes_one(w, &t);
	left = w->all > t.most; /* that nobody takes */
	gate_held_begin(c);
	if (c->part == 0) {
		gate_array(g, c, 2);
		gate_bulk(g, c, m.key);
		c->hole = gate_out_hole(g, c);
		c->quiet = true;
	}
	err = entries_take(g, c, w, &t, e);
	cnt = (uint32_t)c->total_next;
	if (err == MB_ERR_FULL && cnt > 0) {
		c->part_next = c->part + cnt;
	} else if (err == 0) {
		gate_out_fill_array(g, c, c->hole, (size_t)c->part + cnt);
	}
	c->total_next = c->total;
	n = gate_held_end(g, c, err, cnt);
	return one ? gate_block_chosen(g, c, t.key, left, n) : n;
}

int
cmd_zmpop(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	return zmpop(g, c, arg, arg_cnt, 1, NULL);
}

int
cmd_bzmpop(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	return zmpop(g, c, arg, arg_cnt, 2, &arg[1]);
}
