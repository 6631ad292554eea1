/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_set - commands on sets */
#include <microburst/error.h>

#include "check.h"
#include "commands.h"
#include "gate_head.h"
#include "gate_walk.h"
#include "view.h"

/* One operation a member. */
static int
members(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt,
	enum wset_kind kind, enum gate_rec_kind reply)
{
	struct gate_rec *rec = gate_write(g, c, reply);

	if (rec == NULL) {
		return GATE_WAIT;
	}
	for (; c->step + 2 < arg_cnt; c->step++) {
		struct wset_op op = { .kind = kind, .key = arg[1], .value = arg[c->step + 2] };

		if (!gate_write_more(g, c, rec, &op)) {
			return GATE_WAIT;
		}
	}
	return gate_write_end(g, c);
}

int
cmd_sadd(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	return members(g, c, arg, arg_cnt, WSET_SADD, REC_MADE);
}

int
cmd_srem(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	return members(g, c, arg, arg_cnt, WSET_SREM, REC_CHANGED);
}

int
cmd_scard(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	return gate_count(g, c, arg[1], LATTICE_ORSET);
}

static void
is_member_reply(struct gate *g, struct gate_conn *c, const struct cache_value *v,
		struct slice member)
{
	gate_int(g, c, v != NULL && view_set_has(v->type, v->state, member));
}

int
cmd_sismember(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	struct cache_value v;
	int n = gate_look_as(g, c, arg[1], LATTICE_ORSET, &v);

	if (n != CACHE_HIT && n != CACHE_ABSENT) {
		return gate_look_refuse(g, c, n);
	}
	is_member_reply(g, c, n == CACHE_HIT ? &v : NULL, arg[2]);
	gate_look_end(g, &v);
	return GATE_DONE;
}

int
cmd_smismember(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	static const struct gate_walk_words members_are = { LATTICE_ORSET, is_member_reply };

	return gate_walk_words(g, c, arg, arg_cnt, &members_are);
}

int
cmd_smembers(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	struct gate_walk now, *w;
	struct slice member;
	uint32_t cnt;
	int n = gate_walk_open(g, c, arg[1], LATTICE_ORSET, UINT32_MAX, &now, &w);

	if (n != CACHE_HIT && n != CACHE_ABSENT) {
		return gate_look_refuse(g, c, n);
	}
	cnt = n == CACHE_HIT ? view_cnt(w->v.type, w->v.state) : 0;
	if (gate_walk_first(w)) {
		gate_set(g, c, cnt);
	}
	for (; c->step < cnt; c->step++) {
		if (!gate_walk_more(g, c, w)) {
			return gate_walk_wait(g, c);
		}
		if (!view_set_next(w->v.type, w->v.state, &w->at, &member)) {
			member = slice_of("", 0); /* damaged: the count must hold */
		}
		gate_bulk(g, c, member);
	}
	return gate_walk_end(g, c, w);
}
