/* SPDX-License-Identifier: Apache-2.0 */
/* collection - sets, maps, lists and sorted sets, on top of state.c: what is there is looked at in
 * the cache, a change is one operation of the store */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compiler.h"
#include "impl.h"
#include "lattice.h"
#include "list.h"
#include "map.h"
#include "oset.h"
#include "pair_lex.h"
#include "remote.h"
#include "vclock.h"

/* --------------------------------------------------------------------- sets */

/* Members that are sent at once, in a set of operations. */
#define MEMBERS_BYTES (64u << 10)

/* Adds or removes members [from, cnt): one that is long, or as many as fit. *ret: behind them. */
static int
members_some(struct mb_client *c, enum wset_kind kind, struct slice key,
	     const struct mb_value *member, size_t from, size_t cnt, void *mem, size_t *ret,
	     size_t *changed)
{
	struct client_write w = { .op = { .kind = kind, .key = key }, .told = true };
	struct wset_op op = w.op;
	struct wset ws;
	size_t i = from;
	int err;

	wset_init(&ws, mem, MEMBERS_BYTES);
	for (; i < cnt && member[i].len <= WSET_INLINE_MAX; i++) {
		op.value = slice_of(member[i].p, member[i].len);
		if (wset_add(&ws, &op) != 0) {
			break;
		}
	}
	w.op.value = slice_of(member[from].p, member[from].len);
	if (i > from + 1) {
		w.set = wset_bytes(&ws);
	} else {
		i = from + 1;
	}
	err = client_write(c, &w);
	*changed += err == 0 ? (size_t)w.n : 0;
	*ret = i;
	return err;
}

static int
client_members_do(struct mb_client *c, enum wset_kind kind, const char *key, size_t key_len,
		  const struct mb_value *member, size_t member_cnt, size_t *ret_changed)
{
	void *mem = member_cnt > 0 ? malloc(MEMBERS_BYTES) : NULL;
	size_t changed = 0;
	struct slice k;
	int err = member_cnt > 0 && mem == NULL ? MB_ERR_NO_MEMORY : client_key(key, key_len, &k);

	for (size_t i = 0; err == 0 && i < member_cnt;) {
		err = members_some(c, kind, k, member, i, member_cnt, mem, &i, &changed);
	}
	free(mem);
	if (err == 0 && ret_changed != NULL) {
		*ret_changed = changed;
	}
	return err;
}

int
mb_client_sadd(struct mb_client *c, const char *key, size_t key_len, const struct mb_value *member,
	       size_t member_cnt, size_t *ret_added)
{
	return client_members_do(c, WSET_SADD, key, key_len, member, member_cnt, ret_added);
}

int
mb_client_srem(struct mb_client *c, const char *key, size_t key_len, const struct mb_value *member,
	       size_t member_cnt, size_t *ret_removed)
{
	return client_members_do(c, WSET_SREM, key, key_len, member, member_cnt, ret_removed);
}

/* -------------------------------------------------------------------- maps */

/* The beginning of each operation on a field. */
static int
client_field(struct wset_op *op, const char *key, size_t key_len, const char *field,
	     size_t field_len)
{
	op->field = slice_of(field, field_len != 0 ? field_len : strlen(field));
	return op->field.len > WSET_FIELD_MAX ? MB_ERR_TOO_LARGE
					      : client_key(key, key_len, &op->key);
}

/* Finds a field that shows something; then *v is held. */
static int
client_field_look(struct mb_client *c, const struct wset_op *op, struct cache_value *v,
		  unsigned int *ret_type, struct slice *ret_value)
{
	struct map_field f;
	int err = client_look_item(c, LATTICE_MAP, op, v);

	if (err != 0) {
		return err;
	}
	if (!map_get(v->state, op->field, &f) || !map_field_value(&f, ret_type, ret_value)) {
		err = MB_ERR_NOT_FOUND;
	}
	if (err != 0) {
		client_look_end(c, v);
	}
	return err;
}

int
mb_client_hset(struct mb_client *c, const char *key, size_t key_len, const char *field,
	       size_t field_len, const void *p, size_t len)
{
	struct wset_op op = { .kind = WSET_MAP_PUT, .value = { .p = p, .len = len } };
	int err = client_field(&op, key, key_len, field, field_len);

	return err != 0 ? err : client_publish(c, &op);
}

int
mb_client_hincr(struct mb_client *c, const char *key, size_t key_len, const char *field,
		size_t field_len, int64_t n, int64_t *ret_sum)
{
	struct client_write w = { .op = { .kind = WSET_MAP_INCR, .n = n },
				  .told = ret_sum != NULL };
	int err = client_field(&w.op, key, key_len, field, field_len);

	if (err == 0) {
		err = client_write(c, &w);
	}
	if (err == 0 && ret_sum != NULL) {
		*ret_sum = w.n;
	}
	return err;
}

int
mb_client_hget(struct mb_client *c, const char *key, size_t key_len, const char *field,
	       size_t field_len, struct mb_held *ret)
{
	struct wset_op op = { .kind = WSET_MAP_PUT };
	struct client_held *h = malloc(sizeof(*h));
	unsigned int type;
	struct slice text;
	int err = h == NULL ? MB_ERR_NO_MEMORY : client_field(&op, key, key_len, field, field_len);

	if (err == 0) {
		err = client_field_look(c, &op, &h->v, &type, &text);
		if (err == 0) {
			err = view_text(type, text, h->text, &text);
			if (err != 0) {
				client_look_end(c, &h->v);
			}
		}
	}
	if (err != 0) {
		free(h);
		return err;
	}
	*ret = (struct mb_held){ .p = text.p, .len = text.len, .internal = h };
	return 0;
}

int
mb_client_hdel(struct mb_client *c, const char *key, size_t key_len, const char *field,
	       size_t field_len)
{
	struct wset_op op = { .kind = WSET_MAP_DEL, .must = true };
	int err = client_field(&op, key, key_len, field, field_len);

	return err != 0 ? err : client_publish(c, &op);
}

/* -------------------------------------------------------------------- lists */

int
mb_client_push(struct mb_client *c, const char *key, size_t key_len, bool left, const void *p,
	       size_t len)
{
	struct wset_op op = { .kind = left ? WSET_PUSH_LEFT : WSET_PUSH_RIGHT,
			      .value = { .p = p, .len = len } };
	int err = client_key(key, key_len, &op.key);

	return err != 0 ? err : client_publish(c, &op);
}

/* Others may take the item first: then another one is chosen. */
#define POP_TRIES 1024

/* Chooses what is taken: t->e, a member with its score or an item, named in the op's field.
 * Returns: 0; MB_ERR_TYPE, MB_ERR_NOT_FOUND. */
static int
take_choose(struct client_take *t)
{
	struct table_walk first = { 0 };
	uint32_t last = UINT32_MAX;
	struct list_item item;

	if (t->op.kind == WSET_ZREM) {
		if (t->v.type != LATTICE_OSET) {
			return MB_ERR_TYPE;
		}
		if (!oset_extreme(t->v.state, t->end, &t->e)) {
			return MB_ERR_NOT_FOUND;
		}
		t->op.field = t->e.member;
		return 0;
	}
	if (t->v.type != LATTICE_LIST) {
		return MB_ERR_TYPE;
	}
	if (!(t->end ? list_prev(t->v.state, &last, &item)
		     : list_next(t->v.state, &first, &item))) {
		return MB_ERR_NOT_FOUND;
	}
	t->op.field = item.id;
	t->e.member = item.value;
	return 0;
}

int
client_take_try(struct mb_client *c, struct client_take *t)
{
	int err;

	for (;;) {
		if (t->step == 0) {
			err = client_look_try(c, t->op.key, &t->v, &t->ask);
			if (err != 0) {
				return err;
			}
			t->op.must = true;
			err = take_choose(t);
			if (err != 0) {
				cache_view_release(&c->view, &t->v);
				return err;
			}
			t->step = 1;
		}
		err = client_publish_try(c, &t->op, slice_of(NULL, 0), t->ack, &t->ask);
		if (err == 0 || err == CLIENT_PENDING || err == MB_ERR_FULL) {
			return err;
		}
		cache_view_release(&c->view, &t->v);
		t->step = 0;
		if (err != MB_ERR_NOT_FOUND) {
			return err;
		}
		if (++t->tries == POP_TRIES) {
			return MB_ERR_TRYAGAIN;
		}
	}
}

/* Takes an item: t->e, held by *ret. */
static int
client_take(struct mb_client *c, struct client_take *t, struct mb_held *ret)
{
	struct client_held *h = malloc(sizeof(*h));
	int err = h == NULL ? MB_ERR_NO_MEMORY : 0;
	uintptr_t off;

	t->ack = c->ack;
	if (err == 0 && c->remote != NULL) {
		err = remote_take(c, t);
	} else if (err == 0) {
		do {
			err = client_take_try(c, t);
		} while (client_ask_wait(c, err, &t->ask));
	}
	if (err != 0) {
		free(h);
		return err;
	}
	h->v = t->v;
	*ret = (struct mb_held){ .p = t->e.member.p, .len = t->e.member.len, .internal = h };
	off = (uintptr_t)ret->p - (uintptr_t)t->v.inl;
	if (off < sizeof(t->v.inl)) { /* a short list lies in what was read: it goes with us */
		ret->p = (const uint8_t *)h->v.inl + off;
	}
	return 0;
}

int
mb_client_pop(struct mb_client *c, const char *key, size_t key_len, bool left, struct mb_held *ret)
{
	struct client_take t = { .op = { .kind = WSET_LIST_DEL }, .end = !left };
	int err = client_key(key, key_len, &t.op.key);

	return err != 0 ? err : client_take(c, &t, ret);
}

/* -------------------------------------------------------------- sorted sets */

/* The score of a member, as it is in the cache now. */
static int
client_score(struct mb_client *c, const struct wset_op *op, double *ret)
{
	struct cache_value v;
	int err = client_look_item(c, LATTICE_OSET, op, &v);

	if (err == 0) {
		err = oset_score(v.state, op->field, ret);
		client_look_end(c, &v);
	}
	return err;
}

static int
client_score_write(struct mb_client *c, struct wset_op *op, double x)
{
	memcpy(&op->n, &x, sizeof(op->n));
	return client_publish(c, op);
}

int
mb_client_zadd(struct mb_client *c, const char *key, size_t key_len, const char *member,
	       size_t member_len, double score)
{
	struct wset_op op = { .kind = WSET_ZADD };
	int err = client_field(&op, key, key_len, member, member_len);

	return err != 0 ? err : client_score_write(c, &op, score);
}

int
mb_client_zincr(struct mb_client *c, const char *key, size_t key_len, const char *member,
		size_t member_len, double x, double *ret_score)
{
	struct client_write w = { .op = { .kind = WSET_ZINCR }, .told = ret_score != NULL };
	int err = client_field(&w.op, key, key_len, member, member_len);

	if (err == 0) {
		memcpy(&w.op.n, &x, sizeof(x));
		err = client_write(c, &w);
	}
	if (err == 0 && ret_score != NULL) {
		memcpy(ret_score, &w.n, sizeof(w.n));
	}
	return err;
}

int
mb_client_zscore(struct mb_client *c, const char *key, size_t key_len, const char *member,
		 size_t member_len, double *ret_score)
{
	struct wset_op op = { .kind = WSET_ZADD };
	int err = client_field(&op, key, key_len, member, member_len);

	return err != 0 ? err : client_score(c, &op, ret_score);
}

int
mb_client_zrem(struct mb_client *c, const char *key, size_t key_len, const char *member,
	       size_t member_len)
{
	struct wset_op op = { .kind = WSET_ZREM, .must = true };
	int err = client_field(&op, key, key_len, member, member_len);

	return err != 0 ? err : client_publish(c, &op);
}

/* Looks at a sorted set and puts its members with scores of min .. max in their order.
 * *ret is malloc'ed. */
static int
client_ordered(struct mb_client *c, struct slice key, double min, double max, struct cache_value *v,
	       struct oset_entry **ret, uint32_t *ret_cnt)
{
	struct oset_entry *entry = NULL, e;
	uint32_t cnt = 0;
	int err = isnan(min) || isnan(max) ? MB_ERR_INVALID : client_look(c, key, v);

	if (err != 0) {
		return err;
	}
	if (v->type != LATTICE_OSET) {
		err = view_present(v->type, v->state) ? MB_ERR_TYPE : MB_ERR_NOT_FOUND;
	} else {
		entry = calloc((size_t)view_cnt(v->type, v->state) + 1, sizeof(*entry));
		err = entry == NULL ? MB_ERR_NO_MEMORY : 0;
	}
	if (err != 0) {
		client_look_end(c, v);
		return err;
	}
	for (struct table_walk i = { 0 }; oset_next(v->state, &i, &e.member, &e.score);) {
		if (e.score >= min && e.score <= max) {
			entry[cnt++] = e;
		}
	}
	oset_sort(entry, cnt);
	*ret = entry;
	*ret_cnt = cnt;
	return 0;
}

static void
show_ordered(const struct oset_entry *entry, int64_t first, int64_t end, mb_member_fn fn, void *ctx)
{
	for (int64_t i = first; i < end; i++) {
		char buf[VIEW_TEXT_MAX];
		struct slice text = view_f64(entry[i].score, buf);

		if (!fn(ctx, entry[i].member.p, entry[i].member.len, text.p, text.len)) {
			return;
		}
	}
}

int
mb_client_zrange(struct mb_client *c, const char *key, size_t key_len, int64_t first, int64_t last,
		 mb_member_fn fn, void *ctx)
{
	struct oset_entry *entry;
	struct cache_value v;
	struct slice k;
	uint32_t cnt;
	int err = client_key(key, key_len, &k);

	if (err == 0) {
		err = client_ordered(c, k, -INFINITY, INFINITY, &v, &entry, &cnt);
	}
	if (err == 0) {
		first = MAX(first < 0 ? first + cnt : first, (int64_t)0);
		last = last < 0 ? last + cnt : MIN(last, (int64_t)cnt - 1);
		show_ordered(entry, first, last + 1, fn, ctx);
		free(entry);
		client_look_end(c, &v);
	}
	return err;
}

int
mb_client_zrange_score(struct mb_client *c, const char *key, size_t key_len, double min, double max,
		       mb_member_fn fn, void *ctx)
{
	struct oset_entry *entry;
	struct cache_value v;
	struct slice k;
	uint32_t cnt;
	int err = client_key(key, key_len, &k);

	if (err == 0) {
		err = client_ordered(c, k, min, max, &v, &entry, &cnt);
	}
	if (err == 0) {
		show_ordered(entry, 0, cnt, fn, ctx);
		free(entry);
		client_look_end(c, &v);
	}
	return err;
}

int
mb_client_zpop(struct mb_client *c, const char *key, size_t key_len, bool highest,
	       struct mb_held *ret_member, double *ret_score)
{
	struct client_take t = { .op = { .kind = WSET_ZREM }, .end = highest };
	int err = client_key(key, key_len, &t.op.key);

	if (err == 0) {
		err = client_take(c, &t, ret_member);
	}
	if (err == 0 && ret_score != NULL) {
		*ret_score = t.e.score;
	}
	return err;
}

/* ---------------------------------------------------------------------- all */

static void
members_scores(struct slice state, mb_member_fn fn, void *ctx)
{
	struct slice member, text;
	char buf[VIEW_TEXT_MAX];
	double score;

	for (struct table_walk i = { 0 }; oset_next(state, &i, &member, &score);) {
		text = view_f64(score, buf);
		if (!fn(ctx, member.p, member.len, text.p, text.len)) {
			return;
		}
	}
}

static void
members_clock(struct slice state, mb_member_fn fn, void *ctx)
{
	struct writer_id writer;
	uint64_t events;

	for (uint32_t i = 0; vclock_at(state, i, &writer, &events); i++) {
		char w[24], n[24];
		int w_len = snprintf(w, sizeof(w), "%" PRIu64, writer.v);
		int n_len = snprintf(n, sizeof(n), "%" PRIu64, events);

		if (!fn(ctx, w, (size_t)w_len, n, (size_t)n_len)) {
			return;
		}
	}
}

int
mb_client_members(struct mb_client *c, const char *key, size_t key_len, mb_member_fn fn, void *ctx)
{
	struct cache_value v;
	struct slice k, m;
	struct map_field f;
	struct pair_lex pair;
	int err = client_key(key, key_len, &k);

	if (err == 0) {
		err = client_look(c, k, &v);
	}
	if (err != 0) {
		return err;
	}
	if (v.type == LATTICE_PAIR_LEX && pair_lex_open(v.state, &pair) == 0) {
		v.type = pair.second_type;
		v.state = pair.second;
	}
	if (view_is_set(v.type)) {
		for (struct table_walk i = { 0 };
		     view_set_next(v.type, v.state, &i, &m) && fn(ctx, m.p, m.len, NULL, 0);) {
		}
	} else if (v.type == LATTICE_MAP) {
		for (struct table_walk i = { 0 }; map_next(v.state, &i, &f);) {
			char text[VIEW_TEXT_MAX];
			struct slice shown = { 0 };
			unsigned int type;

			if (map_field_value(&f, &type, &shown) &&
			    view_text(type, shown, text, &shown) == 0 &&
			    !fn(ctx, f.key.p, f.key.len, shown.p, shown.len)) {
				break;
			}
		}
	} else if (v.type == LATTICE_LIST) {
		struct list_item item;

		for (struct table_walk i = { 0 }; list_next(v.state, &i, &item) &&
						  fn(ctx, item.value.p, item.value.len, NULL, 0);) {
		}
	} else if (v.type == LATTICE_OSET) {
		members_scores(v.state, fn, ctx);
	} else if (v.type == LATTICE_VCLOCK) {
		members_clock(v.state, fn, ctx);
	} else {
		err = MB_ERR_TYPE;
	}
	client_look_end(c, &v);
	return err;
}
