/* SPDX-License-Identifier: Apache-2.0 */
/* session_publish.c - from what is held to write sets, one for each cache tile that serves a key of
 * it
 *
 * A set is measured, its memory taken, and then written where the tile will read it: in the
 * descriptor if it fits, else in a payload. Values and members of sets above WSET_INLINE_MAX stand
 * in payloads of their own, since they were put; the write set refers to them.
 *
 * The order of operations within a set is that of the keys' entries, and within a key: what it
 * stands on, the sum, the elements. visit() is that order, for measuring, writing, and finding out
 * which operation a refusal means.
 *
 * Two tiles, two messages, and a process may die between them. So all of them are written down in
 * its region first (region.h, commit), and that they are whole is one store: before it nothing was
 * published, after it everything is. A tile that hears of the death looks there for what it has not
 * had (cache_core.c, proc_late).
 */
#include <stdio.h>
#include <string.h>

#include "check.h"
#include "compiler.h"
#include "hash.h"
#include "lattice.h"
#include "list.h"
#include "microburst/error.h"
#include "session_int.h"

static uint32_t
op_value(const struct session *s, const struct held_value *v, struct wset_op *op)
{
	op->by_ref = v->owned != 0;
	if (op->by_ref) {
		op->ref = s->owned[v->owned - 1].ref;
		op->ref.len = v->len;
	} else {
		op->value = slice_of(v->p, v->len);
	}
	return v->owned;
}

/* A member of a set. */
static bool
visit_member(const struct session *s, const struct held_elem *e, struct wset_op *op, visit_fn fn,
	     void *ctx)
{
	bool grows = s->key[e->key - 1].type == LATTICE_GSET;

	op->kind = e->base != BASE_VALUE ? WSET_SREM : grows ? WSET_GADD : WSET_SADD;
	if (unlikely(e->len > WSET_INLINE_MAX)) {
		return fn(ctx, op, op_value(s, &e->value, op));
	}
	op->value = slice_of(e->p, e->len);
	return fn(ctx, op, 0);
}

/* A field of a map: what it stands on, the sum. */
static bool
visit_field(const struct session *s, const struct held_elem *e, struct wset_op *op, visit_fn fn,
	    void *ctx)
{
	uint32_t owned = 0;

	op->field = slice_of(e->p, e->len);
	if (e->base != BASE_STORE) {
		op->kind = e->base == BASE_VALUE ? WSET_MAP_PUT : WSET_MAP_DEL;
		if (e->base == BASE_VALUE) {
			owned = op_value(s, &e->value, op);
			op->at = e->at;
			op->time_us = e->time_us;
		}
		if (!fn(ctx, op, owned)) {
			return false;
		}
	}
	if (e->summed) {
		*op = (struct wset_op){ .kind = WSET_MAP_INCR,
					.key = op->key,
					.field = op->field,
					.n = e->sum };
		return fn(ctx, op, 0);
	}
	return true;
}

/* A member of a sorted set, likewise. */
static bool
visit_score(const struct held_elem *e, struct wset_op *op, visit_fn fn, void *ctx)
{
	op->field = slice_of(e->p, e->len);
	if (e->base != BASE_STORE) {
		op->kind = e->base == BASE_VALUE ? WSET_ZADD : WSET_ZREM;
		memcpy(&op->n, &e->score, sizeof(op->n));
		op->n = e->base == BASE_VALUE ? op->n : 0;
		if (!fn(ctx, op, 0)) {
			return false;
		}
	}
	if (e->summed) {
		op->kind = WSET_ZINCR;
		op->n = e->sum;
		return fn(ctx, op, 0);
	}
	return true;
}

/* An item of a list: one that was pushed and is still there, or a stored one by its id. */
static bool
visit_item(const struct session *s, const struct held_elem *e, struct wset_op *op, visit_fn fn,
	   void *ctx)
{
	uint32_t owned = 0;

	if (e->len == LIST_ID_BYTES) {
		op->kind = e->base == BASE_VALUE ? WSET_LIST_SET : WSET_LIST_DEL;
		op->field = slice_of(e->p, e->len);
	} else if (e->base == BASE_ABSENT) {
		return true;
	} else {
		op->kind = e->p[0] == LIST_LEFT ? WSET_PUSH_LEFT : WSET_PUSH_RIGHT;
	}
	if (e->base == BASE_VALUE) {
		owned = op_value(s, &e->value, op);
	}
	return fn(ctx, op, owned);
}

static bool
visit_sibling(const struct session *s, const struct held_elem *e, struct wset_op *op, visit_fn fn,
	      void *ctx)
{
	op->kind = e->base == BASE_VALUE ? WSET_SIBLING : WSET_SETTLE;
	op->field = slice_of(e->p, e->len);
	return fn(ctx, op, op_value(s, &e->value, op));
}

static bool
visit_elem(const struct session *s, const struct held_key *k, const struct held_elem *e,
	   visit_fn fn, void *ctx)
{
	struct wset_op op = { .key = slice_of(k->p, k->len) };

	switch (k->kind) {
	case KIND_SET:
		return visit_member(s, e, &op, fn, ctx);
	case KIND_LIST:
		return visit_item(s, e, &op, fn, ctx);
	case KIND_ZSET:
		return visit_score(e, &op, fn, ctx);
	case KIND_SIBLING:
		return visit_sibling(s, e, &op, fn, ctx);
	default:
		return visit_field(s, e, &op, fn, ctx);
	}
}

/* What removes an element comes behind what adds one: a collection that is not empty before, nor
 * after, is not in between either, and keeps its deadline. */
static bool
visit_elems(const struct session *s, const struct held_key *k, visit_fn fn, void *ctx)
{
	const bool sorts = k->kind != KIND_SIBLING;
	bool left = false;

	for (uint32_t i = k->elem_first; i != 0; i = s->elem[i - 1].sibling) {
		const struct held_elem *e = &s->elem[i - 1];
		bool removes = sorts && e->base == BASE_ABSENT;

		left = left || removes;
		if (!removes && !visit_elem(s, k, e, fn, ctx)) {
			return false;
		}
	}
	for (uint32_t i = left ? k->elem_first : 0; i != 0; i = s->elem[i - 1].sibling) {
		const struct held_elem *e = &s->elem[i - 1];

		if (e->base == BASE_ABSENT && !visit_elem(s, k, e, fn, ctx)) {
			return false;
		}
	}
	return true;
}

bool
visit_key(const struct session *s, const struct held_key *k, visit_fn fn, void *ctx)
{
	struct wset_op op = { .key = slice_of(k->p, k->len) };
	uint32_t owned = 0;

	if (k->base == BASE_ABSENT) {
		op.kind = WSET_DEL;
	} else if (k->base == BASE_VALUE) {
		op.kind = WSET_PUT;
		owned = op_value(s, &k->value, &op);
		op.keep = k->keep;
	}
	if (k->base != BASE_STORE && !fn(ctx, &op, owned)) {
		return false;
	}
	if (k->summed) {
		op = (struct wset_op){ .kind = WSET_INCR, .key = op.key, .n = k->sum };
		if (!fn(ctx, &op, 0)) {
			return false;
		}
	}
	if (k->kind == KIND_MERGE) {
		op = (struct wset_op){ .kind = WSET_MERGE, .key = op.key };
		op.field = slice_of(&k->type, sizeof(k->type));
		owned = op_value(s, &k->value, &op);
		if (!fn(ctx, &op, owned)) {
			return false;
		}
	} else if (!visit_elems(s, k, fn, ctx)) {
		return false;
	}
	if (k->expires) {
		op = (struct wset_op){ .kind = WSET_EXPIRE, .key = op.key, .n = k->expire_us };
		return fn(ctx, &op, 0);
	}
	return true;
}

/* Calls fn for each operation of tile's, in order, until it returns false. */
static void
visit(const struct session *s, uint32_t tile, visit_fn fn, void *ctx)
{
	for (uint32_t i = 0; i < s->key_cnt; i++) {
		const struct held_key *k = &s->key[i];

		if (cache_tile_of(k->hash, s->conf.cache_cnt) == tile &&
		    !visit_key(s, k, fn, ctx)) {
			return;
		}
	}
}

/* ------------------------------------------------------------------ making */

struct measure {
	size_t bytes;
	uint32_t op_cnt;
};

static bool
measure_op(void *ctx, const struct wset_op *op, uint32_t owned)
{
	struct measure *m = ctx;

	m->bytes += wset_op_bytes(op);
	m->op_cnt++;
	return true;
}

static bool
write_op(void *ctx, const struct wset_op *op, uint32_t owned)
{
	int err = wset_add(ctx, op);

	ENSURE(err == 0, "err=%d kind=%d", err, (int)op->kind);
	return true;
}

/* Makes one tile's set into a PUBLISH. Returns: 0; an error, nothing taken. */
static int
make_set(struct session *s, uint32_t tile, const struct measure *m, struct desc *d)
{
	uint8_t *p = d->data;
	struct wset ws;

	*d = (struct desc){ .kind = DESC_PUBLISH, .call = s->call.id, .sub = s->call.ack };
	if (m->bytes > WSET_BYTES_MAX) {
		return refuse(s, MB_ERR_TOO_LARGE,
			      "a call may publish 16 MiB of small writes at a time");
	}
	if (m->bytes <= DESC_INLINE_BYTES) {
		d->flags = DESC_F_INLINE;
		d->len = (uint8_t)m->bytes;
	} else {
		int err = payload_alloc(s->conf.pool, m->bytes, PROC_DAEMON, &d->ref, &p);

		if (err != 0) {
			return refuse(s, err, "no payload memory is left for the writes");
		}
	}
	wset_init(&ws, p, m->bytes);
	visit(s, tile, write_op, &ws);
	ENSURE(wset_bytes(&ws).len == m->bytes, "len=%zu bytes=%zu", wset_bytes(&ws).len, m->bytes);
	d->b = (uint64_t)++s->token_seq << 32 |
	       ((d->flags & DESC_F_INLINE) != 0 ? 0 : d->ref.handle);
	return 0;
}

struct share {
	struct session *s;
	uint32_t tile;
	int err;
};

/* The tile holds the large values that its set refers to. */
static bool
share_op(void *ctx, const struct wset_op *op, uint32_t owned)
{
	struct share *sh = ctx;
	struct owned *o;

	if (owned == 0) {
		return true;
	}
	o = &sh->s->owned[owned - 1];
	sh->err = payload_hold(sh->s->conf.pool, o->ref.handle, PROC_DAEMON);
	if (sh->err == 0) {
		o->sent = true;
		o->tile = (uint8_t)sh->tile;
	}
	return sh->err == 0;
}

/* Takes back what a tile was given to hold: it has answered, or nothing was sent. */
static void
unshare(struct session *s, uint32_t tile, uint32_t set_handle)
{
	if (set_handle != 0) {
		payload_release(s->conf.pool, set_handle, PROC_DAEMON);
	}
	for (uint32_t i = 0; i < s->owned_cnt; i++) {
		struct owned *o = &s->owned[i];

		if (o->sent && o->tile == tile) {
			o->sent = false;
			payload_release(s->conf.pool, o->ref.handle, PROC_DAEMON);
		}
	}
}

static int
make(struct session *s, uint32_t tile, struct desc *ret, bool *ret_any)
{
	struct share share = { .s = s, .tile = tile };
	struct measure m = { .bytes = 0 };
	int err;

	visit(s, tile, measure_op, &m);
	*ret_any = m.op_cnt != 0;
	if (m.op_cnt == 0) {
		return 0;
	}
	err = make_set(s, tile, &m, ret);
	if (err != 0) {
		return err;
	}
	visit(s, tile, share_op, &share);
	if (share.err != 0) {
		unshare(s, tile, (uint32_t)ret->b);
		return refuse(s, share.err, "no payload memory is left for the writes");
	}
	return 0;
}

/* ----------------------------------------------------------------- answers */

struct nth {
	uint32_t left;
	struct wset_op op;
};

static bool
nth_op(void *ctx, const struct wset_op *op, uint32_t owned)
{
	struct nth *n = ctx;

	n->op = *op;
	return n->left-- != 0;
}

/* Says which operation the store refused. */
static void
refused_text(const struct wset_op *op, int err, char *text, size_t text_bytes)
{
	snprintf(text, text_bytes, "the store refused the %s of '%.*s': %s", wset_verb(op->kind),
		 (int)MIN(op->key.len, (size_t)100), (const char *)op->key.p, mb_err_text(err));
}

static void
name_refused(struct session *s, uint32_t tile, const struct desc *d)
{
	struct nth n = { .left = d->a };

	visit(s, tile, nth_op, &n);
	refused_text(&n.op, d->err, s->why_buf, sizeof(s->why_buf));
	s->why = s->why_buf;
}

static bool
answer_published(struct session *s, const struct desc *d)
{
	for (uint32_t t = 0; t < s->conf.cache_cnt; t++) {
		if (s->pending[t] == 0 || s->pending[t] != d->b) {
			continue;
		}
		s->pending[t] = 0;
		if (--s->pending_cnt == 0) {
			region_commit_clear(s->conf.commit);
		}
		unshare(s, t, (uint32_t)d->b);
		if (d->err != 0 && s->publish_err == 0) {
			s->publish_err = d->err;
			if (s->publishing) { /* else what it was is forgotten */
				name_refused(s, t, d);
			}
		}
		return true;
	}
	return false;
}

void
session_on_answer(struct session *s, const struct desc *d)
{
	if (d->kind == DESC_FETCHED && (uint32_t)d->b != 0) {
		payload_release(s->conf.pool, (uint32_t)d->b, PROC_DAEMON);
	} else if (d->kind == DESC_PUBLISHED) {
		answer_published(s, d);
	}
}

/* Waits for all answers. Returns: 0; MB_ERR_INDETERMINATE; MB_ERR_NO_NODE. */
static int
await(struct session *s)
{
	const struct exec_wait *w = s->conf.wait;

	while (s->pending_cnt != 0) {
		struct desc d;
		int n = w->answer(w->ctx, s->call.deadline_ns, &d);

		if (n < 0) {
			return n;
		}
		if (n == 0) {
			return refuse(
				s, MB_ERR_INDETERMINATE,
				"the deadline passed before the store had acknowledged the writes");
		}
		session_on_answer(s, &d);
	}
	return 0;
}

int
publish_one(struct session *s, const struct wset_op *op)
{
	const struct exec_wait *w = s->conf.wait;
	uint32_t tile = cache_tile_of(hash_bytes(op->key.p, op->key.len), s->conf.cache_cnt);
	struct desc d = { .kind = DESC_PUBLISH, .call = s->call.id, .sub = s->call.ack };
	size_t bytes = wset_op_bytes(op);
	uint8_t *p = d.data;
	struct wset ws;
	int err = await(s); /* N2 */

	if (err != 0) {
		return err;
	}
	if (bytes <= DESC_INLINE_BYTES) {
		d.flags = DESC_F_INLINE;
		d.len = (uint8_t)bytes;
	} else {
		err = payload_alloc(s->conf.pool, bytes, PROC_DAEMON, &d.ref, &p);
	}
	if (err != 0) {
		return refuse(s, err, "no payload memory is left for the writes");
	}
	wset_init(&ws, p, bytes);
	(void)write_op(&ws, op, 0);
	d.b = (uint64_t)++s->token_seq << 32 | (d.flags & DESC_F_INLINE ? 0 : d.ref.handle);
	s->publish_err = 0;
	s->published = true;
	s->pending[tile] = d.b;
	s->pending_cnt++;
	err = w->send(w->ctx, PORT_CACHE_FIRST + tile, &d);
	if (err == 0) {
		err = await(s);
	}
	return err != 0 ? err : s->publish_err;
}

/* From here on the publication is under way, and happens. (No other one is: N2.) */
static void
commit(struct session *s, const struct desc *d, const bool *any)
{
	struct region_commit *c = s->conf.commit;
	uint32_t cnt = 0;

	for (uint32_t t = 0; t < s->conf.cache_cnt; t++) {
		s->pending[t] = any[t] ? d[t].b : 0;
		cnt += any[t];
	}
	s->pending_cnt = cnt;
	for (uint32_t t = 0; t < s->conf.cache_cnt && cnt > 1; t++) {
		c->d[PORT_CACHE_FIRST + t] = any[t] ? d[t] : (struct desc){ .kind = DESC_NONE };
	}
	if (cnt > 1) {
		region_commit_show(c);
	}
}

int
session_publish(struct session *s)
{
	const struct exec_wait *w = s->conf.wait;
	struct desc d[CACHE_TILE_MAX];
	bool any[CACHE_TILE_MAX];
	int err;

	if (s->key_cnt == 0) {
		return 0;
	}
	err = await(s); /* N2: of a flush that met the deadline */
	if (err == 0 && w->settle != NULL) {
		err = w->settle(w->ctx); /* what is committed leaves this process (owed.h, O2) */
	}
	for (uint32_t t = 0; t < s->conf.cache_cnt && err == 0; t++) {
		err = make(s, t, &d[t], &any[t]);
		for (uint32_t u = 0; err != 0 && u < t; u++) {
			if (any[u]) {
				unshare(s, u, (uint32_t)d[u].b);
			}
		}
	}
	if (err != 0) {
		return err;
	}
	s->publish_err = 0;
	s->publishing = true;
	s->published = true;
	commit(s, d, any);
	for (uint32_t t = 0; t < s->conf.cache_cnt; t++) {
		err = any[t] ? w->send(w->ctx, PORT_CACHE_FIRST + t, &d[t]) : 0;
		if (err != 0) {
			return err;
		}
	}
	err = await(s);
	s->publishing = false;
	session_discard(s);
	return err != 0 ? err : s->publish_err;
}

int
session_flush(struct session *s)
{
	if (s->call.repeatable) {
		return refuse(s, MB_ERR_NOT_SUPPORTED,
			      "at the level rr writes are published when the call returns");
	}
	return session_publish(s);
}

/* ------------------------------------------------------- without waiting */

bool
session_sendable(const struct session *s, uint32_t *ret_tile)
{
	uint32_t tile = cache_tile_of(s->key[0].hash, s->conf.cache_cnt);

	if (s->key_cnt == 0 || s->pending_cnt != 0 || s->owned_cnt != 0 ||
	    s->set_bytes > CACHE_SET_SMALL) {
		return false;
	}
	for (uint32_t i = 1; i < s->key_cnt; i++) {
		if (cache_tile_of(s->key[i].hash, s->conf.cache_cnt) != tile) {
			return false;
		}
	}
	*ret_tile = tile;
	return true;
}

int
session_send(struct session *s, uint32_t tile, struct desc *ret_sent)
{
	bool any;
	int err = make(s, tile, ret_sent, &any);

	if (err == 0 && any) {
		s->published = true;
		ret_sent->a = 1;
		err = s->conf.wait->send(s->conf.wait->ctx, PORT_CACHE_FIRST + tile, ret_sent);
	}
	if (err != 0) {
		return err;
	}
	for (uint32_t i = 0; any && i < s->key_cnt; i++) {
		s->owed_bits |= session_owed_bit(s->key[i].hash);
	}
	session_discard(s);
	return any ? 1 : 0;
}

void
session_all_sent(struct session *s)
{
	s->owed_bits = 0;
}

/* The operations of a set that was sent, as they still lie in this process's memory. */
static struct slice
sent_set(struct payload_pool *pool, const struct desc *sent)
{
	const uint8_t *p;

	if ((sent->flags & DESC_F_INLINE) != 0) {
		return slice_of(sent->data, sent->len);
	}
	p = payload_own(pool, &sent->ref);
	return slice_of(p, p != NULL ? sent->ref.len : 0);
}

void
session_sent(struct payload_pool *pool, const struct desc *sent, const struct desc *published,
	     char *text, size_t text_bytes)
{
	text[0] = '\0';
	if (published->err != 0) {
		struct slice set = sent_set(pool, sent);
		struct wset_op op;

		for (uint32_t i = 0; i <= published->a && wset_next(&set, &op) == 1; i++) {
			if (i == published->a) {
				refused_text(&op, published->err, text, text_bytes);
			}
		}
	}
	if ((sent->flags & DESC_F_INLINE) == 0) {
		payload_release(pool, sent->ref.handle, PROC_DAEMON);
	}
}
